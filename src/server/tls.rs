//! TLS: the certificates that listeners show, and the session between a connection and its socket.
//!
//! A [`Session`] never blocks: its handshake is bytes that arrive and bytes that wait like any others, so a tick knows nothing of it.
//! The acceptor's and the workers' connections of before a reload keep the certificates that they began with.

mod error;

use super::options::{ClientCertificates, TlsFiles};
use super::socket::Filled;
use super::watched::Watched;
pub use error::TlsError;
use parking_lot::Mutex;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use socket2::Socket;
use std::cell::RefCell;
use std::io::{Error, ErrorKind, IoSlice, Read, Result, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Sessions that can be resumed, with `ssl_session_cache`.
const SESSIONS: usize = 1024;

/// Reads from the socket in one tick that may bring nothing for the protocol, e.g. handshakes.
const READS_PER_TICK: usize = 16;

/// What TLS listeners show and demand.
pub struct Tls {
    files: TlsFiles,
    watched: Mutex<Watched>,
    current: Mutex<(Arc<ServerConfig>, Instant)>,
}

impl Tls {
    /// Reads certificates and key.
    ///
    /// # Errors
    /// The file that cannot be used.
    pub fn new(files: &TlsFiles) -> std::result::Result<Tls, TlsError> {
        let watched = Watched::new(files.paths());
        let config = load(files)?;
        Ok(Tls {
            files: files.clone(),
            watched: Mutex::new(watched),
            current: Mutex::new((Arc::new(config), Instant::now())),
        })
    }

    /// Reads the files again; what is wrong with them changes nothing.
    ///
    /// # Errors
    /// As [`Tls::new`].
    pub fn reload(&self) -> std::result::Result<(), TlsError> {
        let config = load(&self.files)?;
        *self.current.lock() = (Arc::new(config), Instant::now());
        log::info!("the certificates were read again");
        Ok(())
    }

    /// Reads the files again if they changed.
    pub fn follow_files(&self) {
        if self.watched.lock().changed()
            && let Err(error) = self.reload()
        {
            log::error!("the certificates stay as they were: {error}");
        }
    }

    /// A session for a new connection.
    ///
    /// # Errors
    /// The certificates do not suit TLS at all.
    pub fn session(&self) -> std::result::Result<Session, rustls::Error> {
        let config = Arc::clone(&self.current.lock().0);
        ServerConnection::new(config).map(|session| Session(RefCell::new(session)))
    }

    /// Seconds since the certificates were read.
    pub fn age(&self) -> u64 {
        self.current.lock().1.elapsed().as_secs()
    }
}

fn load(files: &TlsFiles) -> std::result::Result<ServerConfig, TlsError> {
    let chain = certificates("ssl_chain_cert", &files.chain)?;
    let key_file = files.key.as_deref().unwrap_or(&files.chain);
    let key = PrivateKeyDer::from_pem_file(key_file)
        .map_err(|e| TlsError::Key { path: key_file.into(), reason: e.to_string() })?;
    let provider = Arc::new(ring::default_provider());
    let versions = if files.tls13_only { &[&TLS13][..] } else { &[&TLS13, &TLS12] };
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(TlsError::Protocol)?;
    let config = match &files.clients {
        None => config.with_no_client_auth(),
        Some(clients) => config.with_client_cert_verifier(verifier(clients, provider)?),
    };
    let mut config = config.with_single_cert(chain, key).map_err(|e| TlsError::Mismatch {
        chain: files.chain.clone(),
        key: key_file.into(),
        reason: e.to_string(),
    })?;
    if files.session_cache {
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
    } else {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}

fn certificates(option: &'static str, path: &Path) -> std::result::Result<Vec<CertificateDer<'static>>, TlsError> {
    let refuse = |reason: String| TlsError::Certificates { option, path: path.into(), reason };
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match found {
        Ok(found) if Vec::is_empty(&found) => Err(refuse("no certificate in PEM".into())),
        Ok(found) => Ok(found),
        Err(error) => Err(refuse(error.to_string())),
    }
}

fn verifier(
    clients: &ClientCertificates,
    provider: Arc<CryptoProvider>,
) -> std::result::Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let path = &clients.authorities;
    let refuse = |reason| TlsError::Certificates { option: "ssl_ca_cert", path: path.clone(), reason };
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ssl_ca_cert", &clients.authorities)? {
        roots.add(certificate).map_err(|e| refuse(e.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if clients.required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|e| refuse(e.to_string()))
}

/// The two directions of a connection's encryption. Belongs to one worker; the cell lets replies go out while requests borrow the input.
pub struct Session(RefCell<ServerConnection>);

impl Session {
    /// Reads from the socket until something for the protocol is there, and tells how much of it went to `free`.
    ///
    /// # Errors
    /// The socket is broken, or what came is no TLS that the listener accepts; the client was told.
    pub fn fill(&mut self, socket: &Socket, free: &mut [u8]) -> Result<(usize, Filled)> {
        let session = self.0.get_mut();
        let mut wire = Wire { socket, drained: false };
        let mut goodbye = false;
        for _ in 0..READS_PER_TICK {
            match session.reader().read(free) {
                Ok(0) => return Ok((0, Filled::Closed)),
                // What is left in the session, or a goodbye that it has seen, brings no event of the socket.
                Ok(n) if wire.drained && n < free.len() && !goodbye => return Ok((n, Filled::Drained)),
                Ok(n) => return Ok((n, Filled::More)),
                // Cut off without a goodbye.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok((0, Filled::Closed)),
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                Err(_) if wire.drained => return Ok((0, Filled::Drained)),
                Err(_) => {}
            }
            match session.read_tls(&mut wire) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) if error.kind() == ErrorKind::Interrupted => return Ok((0, Filled::More)),
                Err(error) => return Err(error),
            }
            let understood = session.process_new_packets();
            push(session, &mut wire)?;
            goodbye = understood.map_err(|error| Error::new(ErrorKind::InvalidData, error))?.peer_has_closed();
        }
        Ok((0, Filled::More))
    }

    /// Encrypts and sends as much as the socket takes. What this says it took may still wait here, see [`Session::waits`].
    pub fn send(&self, socket: &Socket, pieces: &[IoSlice<'_>]) -> Result<usize> {
        let mut session = self.0.borrow_mut();
        let mut wire = Wire { socket, drained: false };
        let mut taken = 0;
        // The session holds little: it asks for the socket to take that before it takes more.
        for piece in pieces {
            let mut rest: &[u8] = piece;
            while !rest.is_empty() {
                if !push(&mut session, &mut wire)? {
                    return Ok(taken);
                }
                let some = session.writer().write(rest)?;
                rest = rest.get(some..).unwrap_or_default();
                taken += some;
            }
        }
        push(&mut session, &mut wire)?;
        Ok(taken)
    }

    /// Whether something encrypted waits for the socket.
    pub fn waits(&self) -> bool {
        self.0.borrow().wants_write()
    }

    /// Whether client and server have not agreed yet.
    pub fn is_handshaking(&self) -> bool {
        self.0.borrow().is_handshaking()
    }

    /// Says goodbye, if the socket takes it.
    pub fn close(&mut self, socket: &Socket) {
        let session = self.0.get_mut();
        session.send_close_notify();
        let _ = push(session, &mut Wire { socket, drained: false });
    }
}

/// Sends what waits in the session; `false` if the socket does not take all of it.
fn push(session: &mut ServerConnection, wire: &mut Wire<'_>) -> Result<bool> {
    while session.wants_write() {
        match session.write_tls(wire) {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// The socket as the session sees it.
struct Wire<'s> {
    socket: &'s Socket,
    /// The socket had less than was asked for: the next bytes bring a new event.
    drained: bool,
}

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.socket.read(buffer);
        self.drained = match &read {
            Ok(n) => *n < buffer.len(),
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        };
        read
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.socket.send_with_flags(bytes, libc::MSG_NOSIGNAL)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
