//! Certificates made for one test, and a client that speaks TLS.

use super::{Client, patient};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

const CONFIG: &str = "[req]\ndistinguished_name = dn\n[dn]\n\
    [authority]\nbasicConstraints = critical,CA:TRUE\nsubjectKeyIdentifier = hash\n\
    [leaf]\nbasicConstraints = critical,CA:FALSE\nsubjectAltName = DNS:localhost,IP:127.0.0.1\n";

/// Who vouches for certificates.
#[derive(Clone)]
pub struct Authority {
    folder: PathBuf,
    name: String,
}

/// A certificate with its key.
#[derive(Clone)]
pub struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    /// An authority whose files are in `folder`.
    pub fn new(folder: &Path, name: &str) -> Authority {
        let authority = Authority { folder: folder.to_owned(), name: name.to_owned() };
        std::fs::write(folder.join("openssl.cnf"), CONFIG).unwrap();
        authority.make(name, "authority", &[]);
        authority
    }

    /// Its own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join(format!("{}.pem", self.name))
    }

    /// A certificate for `localhost` of that name.
    pub fn vouch(&self, name: &str) -> Identity {
        let certificate = self.certificate();
        let key = self.folder.join(format!("{}.key", self.name));
        self.make(name, "leaf", &["-CA", certificate.to_str().unwrap(), "-CAkey", key.to_str().unwrap()])
    }

    fn make(&self, name: &str, kind: &str, more: &[&str]) -> Identity {
        let file = |extension: &str| self.folder.join(format!("{name}.{extension}"));
        let identity = Identity { certificate: file("pem"), key: file("key") };
        let run = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"])
            .args(["-subj", &format!("/CN={name}"), "-extensions", kind])
            .args(["-config".as_ref(), self.folder.join("openssl.cnf").as_os_str()])
            .args(["-out".as_ref(), identity.certificate.as_os_str()])
            .args(["-keyout".as_ref(), identity.key.as_os_str()])
            .args(more)
            .output()
            .unwrap_or_else(|e| panic!("cannot run openssl: {e}; apt-get install openssl"));
        assert!(run.status.success(), "openssl: {}", String::from_utf8_lossy(&run.stderr));
        identity
    }

    /// What a client that trusts this authority alone connects with.
    pub fn client_config(
        &self,
        identity: Option<&Identity>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.certificate()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let chain = CertificateDer::pem_file_iter(&identity.certificate).unwrap().map(Result::unwrap).collect();
                config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(&identity.key).unwrap()).unwrap()
            }
        })
    }

    /// A client that trusts this authority; the handshake happens with its first bytes.
    pub fn connect(&self, port: u16) -> Client {
        Client::over(stream(&self.client_config(None, rustls::ALL_VERSIONS), port))
    }
}

/// A stream whose time-outs are set.
pub fn stream(config: &Arc<ClientConfig>, port: u16) -> StreamOwned<ClientConnection, TcpStream> {
    let socket = patient::connect(("127.0.0.1", port));
    let name = ServerName::try_from("localhost").unwrap();
    StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), socket)
}
