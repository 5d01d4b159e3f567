//! Why the files of TLS cannot be used.

use std::fmt;
use std::path::PathBuf;

/// The files of TLS cannot be used.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TlsError {
    /// A file of certificates cannot be read or understood.
    Certificates {
        /// The name in the list of `-o` that names it.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file has no private key.
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificate is of another key.
    Mismatch {
        /// The certificate's file.
        chain: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What the library says.
        reason: String,
    },
    /// The library does not offer the protocol.
    Protocol(rustls::Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::Certificates { option, path, reason } => {
                write!(f, "option -o {option}={}: {reason}", path.display())
            }
            TlsError::Key { path, reason } => {
                write!(f, "option -o ssl_key={}: no private key in PEM: {reason}", path.display())
            }
            TlsError::Mismatch { chain, key, reason } => {
                write!(f, "certificate {} and key {} do not go together: {reason}", chain.display(), key.display())
            }
            TlsError::Protocol(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            TlsError::Protocol(error) => Some(error),
            _ => None,
        }
    }
}
