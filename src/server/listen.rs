//! Listening sockets: bound before anything starts, so that a taken port refuses the INSTALL.

use super::options::Options;
use socket2::{Domain, SockAddr, Socket, Type};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A bound, listening, non-blocking socket. A UNIX socket's file goes with it.
pub struct Listener {
    socket: Socket,
    /// Where it listens.
    pub address: Address,
    /// Whether its clients speak TLS.
    pub tls: bool,
}

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// TCP.
    Tcp(SocketAddr),
    /// UNIX socket.
    Unix(PathBuf),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => path.display().fmt(f),
        }
    }
}

impl Listener {
    /// Binds everything that the options ask for.
    ///
    /// # Errors
    /// A sentence that names the address and the reason.
    pub fn bind_all(options: &Options) -> Result<Vec<Listener>, String> {
        let mut listeners = Vec::new();
        if options.listens_on_tcp() {
            for (address, tls) in resolve(options)? {
                listeners.push(bind_tcp(address, tls, options.backlog)?);
            }
        }
        if let Some(path) = &options.socket {
            listeners.push(bind_unix(path, options)?);
        }
        Ok(listeners)
    }

    /// Takes one waiting connection; `None` if there is none.
    pub fn accept(&self) -> std::io::Result<Option<Socket>> {
        match self.socket.accept() {
            Ok((socket, _)) => {
                socket.set_nonblocking(true)?;
                if matches!(self.address, Address::Tcp(_)) {
                    socket.set_tcp_nodelay(true)?;
                    socket.set_keepalive(true)?;
                }
                Ok(Some(socket))
            }
            Err(error) => match error.kind() {
                std::io::ErrorKind::WouldBlock => Ok(None),
                // The client left while it waited: the next one may be there.
                std::io::ErrorKind::ConnectionAborted | std::io::ErrorKind::Interrupted => self.accept(),
                _ => Err(error),
            },
        }
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Address::Unix(path) = &self.address {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The TCP addresses to listen on, and whether in TLS.
fn resolve(options: &Options) -> Result<Vec<(SocketAddr, bool)>, String> {
    let local = [String::from("127.0.0.1")];
    let names = if options.addresses.is_empty() { &local[..] } else { &options.addresses };
    let mut found = Vec::new();
    for entry in names {
        let name = entry.strip_prefix("notls:").unwrap_or(entry);
        let tls = options.tls.is_some() && name == entry;
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let addresses = match bare.parse() {
            Ok(ip) => vec![SocketAddr::new(ip, options.port)],
            Err(_) => {
                let with_port = if name.contains(':') { name.to_owned() } else { format!("{name}:{}", options.port) };
                with_port.to_socket_addrs().map_err(|e| format!("option -l {name}: cannot be resolved: {e}"))?.collect()
            }
        };
        if addresses.is_empty() {
            return Err(format!("option -l {name}: has no address"));
        }
        for address in addresses {
            if !found.contains(&(address, tls)) {
                found.push((address, tls));
            }
        }
    }
    Ok(found)
}

fn bind_tcp(address: SocketAddr, tls: bool, backlog: i32) -> Result<Listener, String> {
    let bind = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        finish(socket, backlog)
    };
    let socket = bind()
        .map_err(|e| format!("cannot listen on {address}: {e}; choose another address with -l or port with -p"))?;
    let bound = socket.local_addr().ok().and_then(|a| a.as_socket()).unwrap_or(address);
    Ok(Listener { socket, address: Address::Tcp(bound), tls })
}

fn bind_unix(path: &Path, options: &Options) -> Result<Listener, String> {
    let refuse = |e: std::io::Error| format!("cannot listen on socket {}: {e}", path.display());
    let address = SockAddr::unix(path).map_err(refuse)?;
    remove_stale(path, &address)?;
    let bind = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // The new file takes its mode from the socket: nobody can connect between bind and chmod.
        let mode = || std::fs::Permissions::from_mode(options.socket_mode);
        std::fs::File::from(socket.as_fd().try_clone_to_owned()?).set_permissions(mode())?;
        socket.bind(&address)?;
        std::fs::set_permissions(path, mode())?;
        finish(socket, options.backlog)
    };
    Ok(Listener { socket: bind().map_err(refuse)?, address: Address::Unix(path.to_path_buf()), tls: false })
}

fn finish(socket: Socket, backlog: i32) -> std::io::Result<Socket> {
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Removes a socket file that nobody listens on; any other file stays and refuses the bind.
fn remove_stale(path: &Path, address: &SockAddr) -> Result<(), String> {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(format!("cannot listen on socket {}: the file exists and is no socket", path.display()));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(|e| e.to_string())?;
    if probe.connect(address).is_ok() {
        return Err(format!("cannot listen on socket {}: another process listens on it", path.display()));
    }
    std::fs::remove_file(path).map_err(|e| format!("cannot remove the stale socket {}: {e}", path.display()))
}
