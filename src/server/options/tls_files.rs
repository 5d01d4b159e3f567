//! The files of TLS listeners, and the options that name them.

use super::error::OptionError;
use std::path::PathBuf;

/// Files of TLS listeners, all in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that vouch for it.
    pub chain: PathBuf,
    /// Its key; `None` if it stands in `chain`.
    pub key: Option<PathBuf>,
    /// How clients prove who they are; `None` if they need not.
    pub clients: Option<ClientCertificates>,
    /// Whether TLS 1.2 is refused.
    pub tls13_only: bool,
    /// Whether clients may resume sessions.
    pub session_cache: bool,
}

impl TlsFiles {
    /// All of them.
    pub fn paths(&self) -> Vec<PathBuf> {
        let authorities = self.clients.as_ref().map(|clients| &clients.authorities);
        [Some(&self.chain), self.key.as_ref(), authorities].into_iter().flatten().cloned().collect()
    }
}

/// Certificates of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificates {
    /// Who vouches for them.
    pub authorities: PathBuf,
    /// Whether a client without one is refused.
    pub required: bool,
}

/// The `ssl_` options, complete or not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct SslOptions {
    pub(super) chain: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) authorities: Option<PathBuf>,
    pub(super) verify: u8,
    pub(super) tls13_only: bool,
    pub(super) session_cache: bool,
}

impl SslOptions {
    /// The files of TLS listeners.
    pub fn files(&self) -> Result<TlsFiles, OptionError> {
        let Some(chain) = self.chain.clone() else {
            return Err(OptionError::NoCertificate);
        };
        let clients = match (self.verify, self.authorities.clone()) {
            (0, _) => None,
            (verify, Some(authorities)) => Some(ClientCertificates { authorities, required: verify > 1 }),
            (verify, None) => {
                return Err(OptionError::NoAuthorities(verify));
            }
        };
        let (tls13_only, session_cache) = (self.tls13_only, self.session_cache);
        Ok(TlsFiles { chain, key: self.key.clone(), clients, tls13_only, session_cache })
    }
}
