//! Listening sockets: bound before anything starts, so that a taken port refuses the INSTALL.

mod error;

use super::options::Options;
use super::scope::{ClientAuth, Scope, Service};
use crate::store::{Config, ContainerId};
pub use error::ListenError;
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
    /// What its clients get.
    pub service: Service,
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
    /// The first address that cannot be listened on.
    pub fn bind_all(options: &Options, config: &Config) -> Result<Vec<Listener>, ListenError> {
        let mut listeners = Vec::new();
        for (address, service) in resolve(options, config)? {
            listeners.push(match address {
                Address::Tcp(address) => bind_tcp(address, service, options.backlog)?,
                Address::Unix(path) => bind_unix(&path, service, options)?,
            });
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

/// An entry of `-l`, its prefixes taken apart.
struct ListenEntry<'o> {
    /// `address`, `address:port` or the path of a UNIX socket.
    name: &'o str,
    tls: Option<ClientAuth>,
    sticky: bool,
    container: Option<&'o str>,
}

impl<'o> ListenEntry<'o> {
    fn new(name: &'o str, options: &'o Options) -> ListenEntry<'o> {
        let mut entry = ListenEntry {
            name,
            tls: options.tls.as_ref().map(|files| files.clients),
            sticky: options.sticky_mapping,
            container: options.container.as_deref(),
        };
        while entry.strip_prefix() {}
        if entry.name.starts_with('/') {
            entry.tls = None;
        }
        entry
    }

    fn strip_prefix(&mut self) -> bool {
        if let Some(rest) = self.name.strip_prefix("notls:") {
            (self.name, self.tls) = (rest, None);
        } else if let Some(rest) = self.name.strip_prefix("btls:") {
            (self.name, self.tls) = (rest, Some(ClientAuth::Nothing));
        } else if let Some(rest) = self.name.strip_prefix("mtls:") {
            (self.name, self.tls) = (rest, Some(ClientAuth::Required));
        } else if let Some(rest) = self.name.strip_prefix("sticky_mapping=no:") {
            (self.name, self.sticky) = (rest, false);
        } else if let Some((container, rest)) =
            self.name.strip_prefix("container=").and_then(|rest| rest.split_once(':'))
        {
            (self.name, self.container) = (rest, Some(container));
        } else {
            return false;
        }
        true
    }

    /// Nothing that guards access is promised in vain.
    fn check_tls(&self, options: &Options) -> Result<(), ListenError> {
        let lacks = match (&options.tls, self.tls) {
            (None, Some(_)) => "needs -Z",
            (Some(files), Some(ClientAuth::Required)) if files.authorities.is_none() => {
                "needs -o ssl_ca_cert=FILE to verify clients with"
            }
            _ => return Ok(()),
        };
        Err(ListenError::Tls { name: self.name.into(), lacks })
    }

    fn service(&self, config: &Config) -> Result<Service, ListenError> {
        let (scope, container) = match self.container {
            None if self.sticky => (Scope::Switching, ContainerId::DEFAULT),
            None => (Scope::PerKey, ContainerId::DEFAULT),
            Some(name) => {
                let found = config
                    .find(name.as_bytes())
                    .ok_or_else(|| ListenError::NoContainer { container: name.into(), address: self.name.into() })?;
                (Scope::Bound, found)
            }
        };
        Ok(Service { tls: self.tls, scope, container })
    }

    fn addresses(&self, port: u16) -> Result<Vec<Address>, ListenError> {
        let name = self.name;
        if name.starts_with('/') {
            return Ok(vec![Address::Unix(name.into())]);
        }
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        if let Ok(ip) = bare.parse() {
            return Ok(vec![Address::Tcp(SocketAddr::new(ip, port))]);
        }
        let with_port = if name.contains(':') { name.to_owned() } else { format!("{name}:{port}") };
        let unresolved = |e: std::io::Error| ListenError::Unresolved { name: name.into(), reason: e.to_string() };
        let found = with_port.to_socket_addrs().map_err(unresolved)?;
        let addresses: Vec<Address> = found.map(Address::Tcp).collect();
        if addresses.is_empty() { Err(ListenError::NoAddress(name.into())) } else { Ok(addresses) }
    }
}

/// Where to listen, and what for.
fn resolve(options: &Options, config: &Config) -> Result<Vec<(Address, Service)>, ListenError> {
    let local = [String::from("127.0.0.1")];
    let names: &[String] = match (options.listens_on_tcp(), options.addresses.is_empty()) {
        (false, _) => &[],
        (true, true) => &local,
        (true, false) => &options.addresses,
    };
    let mut found = Vec::new();
    for name in names {
        let entry = ListenEntry::new(name, options);
        entry.check_tls(options)?;
        let service = entry.service(config)?;
        for address in entry.addresses(options.port)? {
            // Resolvers repeat themselves.
            if !found.contains(&(address.clone(), service)) {
                found.push((address, service));
            }
        }
    }
    if let Some(path) = options.socket.as_deref().and_then(Path::to_str) {
        let service = Service { tls: None, ..ListenEntry::new(path, options).service(config)? };
        found.push((Address::Unix(path.into()), service));
    }
    Ok(found)
}

fn bind_tcp(address: SocketAddr, service: Service, backlog: i32) -> Result<Listener, ListenError> {
    let bind = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        finish(socket, backlog)
    };
    let socket = bind().map_err(|e: std::io::Error| ListenError::Tcp { address, reason: e.to_string() })?;
    let bound = socket.local_addr().ok().and_then(|a| a.as_socket()).unwrap_or(address);
    Ok(Listener { socket, address: Address::Tcp(bound), service })
}

fn bind_unix(path: &Path, service: Service, options: &Options) -> Result<Listener, ListenError> {
    let refuse = |e: std::io::Error| ListenError::Unix { path: path.into(), reason: e.to_string() };
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
    Ok(Listener { socket: bind().map_err(refuse)?, address: Address::Unix(path.to_path_buf()), service })
}

fn finish(socket: Socket, backlog: i32) -> std::io::Result<Socket> {
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Removes a socket file that nobody listens on; any other file stays and refuses the bind.
fn remove_stale(path: &Path, address: &SockAddr) -> Result<(), ListenError> {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(ListenError::NoSocket(path.into()));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)
        .map_err(|e| ListenError::Unix { path: path.into(), reason: e.to_string() })?;
    if probe.connect(address).is_ok() {
        return Err(ListenError::InUse(path.into()));
    }
    std::fs::remove_file(path).map_err(|e| ListenError::Stale { path: path.into(), reason: e.to_string() })
}
