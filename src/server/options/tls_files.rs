//! The files of TLS listeners, and the options that name them.

use super::error::OptionError;
use crate::server::scope::ClientAuth;
use std::path::PathBuf;

/// Files of TLS listeners, all in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that vouch for it.
    pub chain: PathBuf,
    /// Its key; `None` if it stands in `chain`.
    pub key: Option<PathBuf>,
    /// Who vouches for certificates of clients.
    pub authorities: Option<PathBuf>,
    /// What clients must show where the listener says nothing else.
    pub clients: ClientAuth,
    /// Whether TLS 1.2 is refused.
    pub tls13_only: bool,
    /// Whether clients may resume sessions.
    pub session_cache: bool,
}

impl TlsFiles {
    /// All of them.
    pub fn paths(&self) -> Vec<PathBuf> {
        [Some(&self.chain), self.key.as_ref(), self.authorities.as_ref()].into_iter().flatten().cloned().collect()
    }
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
        let clients = match (self.verify, &self.authorities) {
            // Without an authority there is nothing that a certificate that was asked for could be verified with.
            (0, _) | (1, None) => ClientAuth::Nothing,
            (1, Some(_)) => ClientAuth::Asked,
            (_, Some(_)) => ClientAuth::Required,
            (verify, None) => {
                return Err(OptionError::NoAuthorities(verify));
            }
        };
        let (key, authorities) = (self.key.clone(), self.authorities.clone());
        let (tls13_only, session_cache) = (self.tls13_only, self.session_cache);
        Ok(TlsFiles { chain, key, authorities, clients, tls13_only, session_cache })
    }
}
