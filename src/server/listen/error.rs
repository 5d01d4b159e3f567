//! Why an address is not listened on.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// An address cannot be listened on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenError {
    /// The clients of this address are to be bound to a container that there is not.
    NoContainer {
        /// Its name.
        container: String,
        /// The address as it stands in the options.
        address: String,
    },
    /// The name is not known.
    Unresolved {
        /// The entry of `-l`.
        name: String,
        /// What the resolver says.
        reason: String,
    },
    /// The name of this entry of `-l` is known and has no address.
    NoAddress(String),
    /// TLS is wanted for this entry of `-l` and cannot be had.
    Tls {
        /// The entry.
        name: String,
        /// What it lacks.
        lacks: &'static str,
    },
    /// The system refuses a TCP address.
    Tcp {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        reason: String,
    },
    /// The system refuses the address of the metrics.
    Metrics {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        reason: String,
    },
    /// The system refuses a UNIX socket.
    Unix {
        /// Its path.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The UNIX socket's file is there and is something else.
    NoSocket(PathBuf),
    /// Somebody listens on the UNIX socket.
    InUse(PathBuf),
    /// Nobody listens on the UNIX socket, and its file cannot be removed.
    Stale {
        /// Its path.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenError::NoContainer { container, address } => {
                write!(f, "container={container} for {address}: table innodb_memcache.containers has no such row")
            }
            ListenError::Metrics { address, reason } => {
                write!(f, "cannot serve metrics on {address}: {reason}; choose another address with -o metrics")
            }
            ListenError::Unresolved { name, reason } => write!(f, "option -l {name}: cannot be resolved: {reason}"),
            ListenError::NoAddress(name) => write!(f, "option -l {name}: has no address"),
            ListenError::Tls { name, lacks } => write!(f, "option -l: TLS for {name} {lacks}"),
            ListenError::Tcp { address, reason } => {
                write!(f, "cannot listen on {address}: {reason}; choose another address with -l or port with -p")
            }
            ListenError::Unix { path, reason } => write!(f, "cannot listen on socket {}: {reason}", path.display()),
            ListenError::NoSocket(path) => {
                write!(f, "cannot listen on socket {}: the file exists and is no socket", path.display())
            }
            ListenError::InUse(path) => {
                write!(f, "cannot listen on socket {}: another process listens on it", path.display())
            }
            ListenError::Stale { path, reason } => {
                write!(f, "cannot remove the stale socket {}: {reason}", path.display())
            }
        }
    }
}

impl std::error::Error for ListenError {}
