//! Listening, and the threads of connections.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use parking_lot::{Condvar, Mutex};

use super::channel::{Channel, Stream};
use super::connection::{self, Service};
use super::error::{CertificateError, StartError};
use super::login::Origin;
use super::tls::Certificates;
use crate::boundary::catch;
use crate::refengine::codes;
use crate::refengine::ffi::Parts;
use crate::refengine::sql::SqlError;
use crate::signals::SignalsBlocked;

const WAKE: Token = Token(usize::MAX);
/// How long to wait after an accept that failed for lack of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A longer path does not fit into a socket's address.
const MAX_SOCKET_PATH: usize = 107;

/// Where to listen.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address and port; port 0 is any free one. None: no TCP.
    pub address: Option<SocketAddr>,
    /// UNIX socket. None: no socket.
    pub socket: Option<PathBuf>,
    /// The most connections at a time.
    pub max_connections: usize,
    /// Certificate chain and private key, in PEM. None: no TLS.
    pub tls: Option<(PathBuf, PathBuf)>,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// What the accepting thread and the connections share.
struct Shared {
    service: Service,
    max_connections: usize,
    connections: Mutex<Connections>,
    ended: Condvar,
}

#[derive(Default)]
struct Connections {
    open: HashMap<u32, Arc<Stream>>,
    last: u32,
    stopping: bool,
}

/// A running server. Dropping it without [`Server::stop`] leaves it running.
pub struct Server {
    shared: Arc<Shared>,
    waker: Waker,
    acceptor: JoinHandle<()>,
    port: Option<u16>,
    socket: Option<PathBuf>,
}

impl Server {
    /// Listens and starts to serve.
    ///
    /// # Errors
    /// What cannot be used or is not given.
    pub(crate) fn start(parts: Parts, config: &Config) -> Result<Server, StartError> {
        let certificates = match &config.tls {
            Some((chain, key)) => Some(Certificates::read(chain.clone(), key.clone())?),
            None => None,
        };
        let mut listeners = Vec::new();
        let mut port = None;
        if let Some(address) = config.address {
            let failed = |error| StartError::Tcp(address, error);
            let listener = TcpListener::bind(address).map_err(failed)?;
            listener.set_nonblocking(true).map_err(failed)?;
            port = Some(listener.local_addr().map_err(failed)?.port());
            listeners.push(Listener::Tcp(listener));
        }
        if let Some(path) = &config.socket {
            let listener = bind_socket(path).map_err(|error| StartError::Unix(path.clone(), error))?;
            listeners.push(Listener::Unix(listener));
        }
        let shared = Arc::new(Shared {
            service: Service { parts, certificates },
            max_connections: config.max_connections,
            connections: Mutex::default(),
            ended: Condvar::new(),
        });
        let started = start_acceptor(listeners, shared.clone());
        let (waker, acceptor) = started.map_err(StartError::Thread)?;
        Ok(Server { shared, waker, acceptor, port, socket: config.socket.clone() })
    }

    /// The TCP port, if there is one.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Reads the certificates again, for connections from now on.
    ///
    /// # Errors
    /// The file that cannot be used; the certificates stay as they were.
    pub fn reload(&self) -> Result<(), CertificateError> {
        self.shared.service.certificates.as_ref().map_or(Ok(()), Certificates::reload)
    }

    /// Stops listening, ends all connections and waits for their statements at most `patience`. False: some did not
    /// end in time and still use the engine.
    pub fn stop(self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        self.shared.connections.lock().stopping = true;
        // It cannot fail but for a broken poll, which has ended the thread.
        let _ = self.waker.wake();
        let _ = self.acceptor.join();
        if let Some(path) = &self.socket {
            let _ = std::fs::remove_file(path);
        }
        let mut connections = self.shared.connections.lock();
        for (id, stream) in &connections.open {
            // Ends a statement that waits for a lock, too.
            self.shared.service.parts.processes.kill(*id, false);
            stream.shut_down();
        }
        while !connections.open.is_empty() {
            if self.shared.ended.wait_until(&mut connections, deadline).timed_out() {
                return connections.open.is_empty();
            }
        }
        true
    }
}

/// A socket file that nobody listens on, left by a server that was killed, makes way.
fn bind_socket(path: &Path) -> io::Result<UnixListener> {
    if path.as_os_str().len() > MAX_SOCKET_PATH {
        let text = format!("the path is longer than {MAX_SOCKET_PATH} bytes; --socket takes a shorter one");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            use std::os::unix::fs::FileTypeExt;
            let is_socket = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
            let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
            if !is_socket || !UnixStream::connect(path).is_err_and(refused) {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        other => other?,
    };
    // Who comes in is a matter of the login.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn start_acceptor(listeners: Vec<Listener>, shared: Arc<Shared>) -> io::Result<(Waker, JoinHandle<()>)> {
    let poll = Poll::new()?;
    for (at, listener) in listeners.iter().enumerate() {
        let fd = match listener {
            Listener::Tcp(listener) => listener.as_raw_fd(),
            Listener::Unix(listener) => listener.as_raw_fd(),
        };
        poll.registry().register(&mut SourceFd(&fd), Token(at), Interest::READABLE)?;
    }
    let waker = Waker::new(poll.registry(), WAKE)?;
    let _blocked = SignalsBlocked::new();
    let thread =
        std::thread::Builder::new().name("sql-accept".into()).spawn(move || accept(poll, &listeners, &shared))?;
    Ok((waker, thread))
}

fn accept(mut poll: Poll, listeners: &[Listener], shared: &Arc<Shared>) {
    let mut events = Events::with_capacity(8);
    while !shared.connections.lock().stopping {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                log::error!("DM2101: the SQL end cannot wait for connections: {error}; it tries again");
                std::thread::sleep(ACCEPT_PAUSE);
                continue;
            }
            Ok(()) => {}
        }
        for listener in events.iter().filter_map(|event| listeners.get(event.token().0)) {
            accept_all(listener, shared);
        }
    }
}

fn accept_all(listener: &Listener, shared: &Arc<Shared>) {
    loop {
        let accepted = match listener {
            Listener::Tcp(listener) => listener.accept().map(|(stream, address)| {
                // Answers are small and whole.
                let _ = stream.set_nodelay(true);
                (Stream::Tcp(stream), names(address.ip()), address.to_string())
            }),
            Listener::Unix(listener) => listener
                .accept()
                .map(|(stream, _)| (Stream::Unix(stream), vec!["localhost".to_owned()], "localhost".to_owned())),
        };
        match accepted {
            Ok((stream, names, place)) => start_connection(stream, names, place, shared),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => return,
                io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                _ => {
                    log::warn!("DM2102: the SQL end cannot accept a connection: {error}");
                    std::thread::sleep(ACCEPT_PAUSE);
                    // The listener is polled for its edge, so what waits there must be taken.
                }
            },
        }
        if shared.connections.lock().stopping {
            return;
        }
    }
}

/// What the hosts of accounts are compared with.
fn names(ip: IpAddr) -> Vec<String> {
    let ip = ip.to_canonical();
    if ip.is_loopback() { vec!["localhost".to_owned(), ip.to_string()] } else { vec![ip.to_string()] }
}

fn start_connection(stream: Stream, names: Vec<String>, place: String, shared: &Arc<Shared>) {
    let stream = Arc::new(stream);
    let mut connections = shared.connections.lock();
    if connections.open.len() >= shared.max_connections {
        drop(connections);
        refuse(&stream, &SqlError::new(codes::ER_CON_COUNT_ERROR, "Too many connections"));
        return;
    }
    connections.last = connections.last.wrapping_add(1).max(1);
    let id = connections.last;
    connections.open.insert(id, stream.clone());
    drop(connections);
    let origin = Origin { names, place, uid: stream.peer_uid() };
    let theirs = (shared.clone(), stream.clone());
    let work = move || {
        let (shared, stream) = theirs;
        let _registered = Registered { shared: &shared, id };
        let channel = Channel::new(stream);
        if let Err(defect) = catch(|| connection::serve(channel, &shared.service, id, &origin)) {
            log::error!("DM2103: connection {id} of the SQL end: {defect}");
        }
    };
    if let Err(error) = std::thread::Builder::new().name(format!("sql-{id}")).spawn(work) {
        log::warn!("DM2104: the SQL end cannot start a thread: {error}");
        refuse(
            &stream,
            &SqlError::new(codes::ER_CANT_CREATE_THREAD, "Can't create a new thread; the system is out of resources"),
        );
        shared.connections.lock().open.remove(&id);
    }
}

/// Says an error instead of a greeting.
fn refuse(stream: &Arc<Stream>, error: &SqlError) {
    let mut channel = Channel::new(stream.clone());
    // One small packet fits into an empty socket.
    let _ = channel.error(error).and_then(|()| channel.flush());
    stream.shut_down();
}

/// A connection's place among the open ones, given back when its thread ends, in whatever way.
struct Registered<'a> {
    shared: &'a Shared,
    id: u32,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.shared.connections.lock().open.remove(&self.id);
        self.shared.ended.notify_all();
    }
}
