//! Why the SQL end does not start, or keeps its certificates.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The SQL end cannot be started.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// No place for the server was given.
    NoPlace,
    /// No engine or no configuration was given.
    NoConfiguration,
    /// This is no address to listen on.
    Address(String),
    /// This is no port.
    Port(u32),
    /// One of the two files of TLS is not named.
    HalfOfTls,
    /// The files of TLS cannot be used.
    Certificates(CertificateError),
    /// The system refuses the TCP address.
    Tcp(SocketAddr, io::Error),
    /// The system refuses the UNIX socket.
    Unix(PathBuf, io::Error),
    /// The system gives no thread.
    Thread(io::Error),
    /// A defect was met.
    Defect,
}

/// The files of TLS cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum CertificateError {
    /// The certificate's file cannot be read or understood.
    Chain(PathBuf, rustls::pki_types::pem::Error),
    /// The certificate's file has none.
    NoCertificate(PathBuf),
    /// The key's file has none.
    Key(PathBuf, rustls::pki_types::pem::Error),
    /// The certificate is of another key.
    Mismatch {
        /// The certificate's file.
        chain: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What the library says.
        error: rustls::Error,
    },
    /// A defect was met.
    Defect,
}

/// What is said of a defect.
const DEFECT: &str = "A defect was caught; the log has more";

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::NoPlace => f.write_str("A place for the server is needed"),
            StartError::NoConfiguration => f.write_str("An engine and a configuration are needed"),
            StartError::Address(text) => write!(f, "'{text}' is not an IP address to listen on"),
            StartError::Port(number) => write!(f, "{number} is not a port"),
            StartError::HalfOfTls => f.write_str("--ssl-cert and --ssl-key belong together: give both"),
            StartError::Certificates(error) => error.fmt(f),
            StartError::Tcp(address, error) => write!(
                f,
                "cannot listen for SQL on {address}: {error}; --port takes another port, --skip-networking none"
            ),
            StartError::Unix(path, error) => write!(f, "cannot listen for SQL on '{}': {error}", path.display()),
            StartError::Thread(error) => write!(f, "cannot start the thread of the SQL end: {error}"),
            StartError::Defect => f.write_str(DEFECT),
        }
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CertificateError::Chain(path, error) => write!(f, "--ssl-cert={}: {error}", path.display()),
            CertificateError::NoCertificate(path) => {
                write!(f, "--ssl-cert={}: no certificate in PEM", path.display())
            }
            CertificateError::Key(path, error) => {
                write!(f, "--ssl-key={}: no private key in PEM: {error}", path.display())
            }
            CertificateError::Mismatch { chain, key, error } => {
                write!(f, "certificate {} and key {} do not go together: {error}", chain.display(), key.display())
            }
            CertificateError::Defect => f.write_str(DEFECT),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Certificates(error) => Some(error),
            StartError::Tcp(_, error) | StartError::Unix(_, error) | StartError::Thread(error) => Some(error),
            _ => None,
        }
    }
}

impl std::error::Error for CertificateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CertificateError::Chain(_, error) | CertificateError::Key(_, error) => Some(error),
            CertificateError::Mismatch { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl From<CertificateError> for StartError {
    fn from(error: CertificateError) -> StartError {
        StartError::Certificates(error)
    }
}
