//! Certificates of the SQL end, and what becomes of a connection's bytes when its client asks for TLS.

use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::CertificateError;
use parking_lot::Mutex;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

/// The certificates that clients are shown.
#[derive(Debug)]
pub struct Certificates {
    chain: PathBuf,
    key: PathBuf,
    current: Mutex<Arc<ServerConfig>>,
}

impl Certificates {
    /// Reads the chain and its private key, both in PEM.
    ///
    /// # Errors
    /// The file that cannot be used.
    pub fn read(chain: PathBuf, key: PathBuf) -> Result<Certificates, CertificateError> {
        let current = Mutex::new(Arc::new(load(&chain, &key)?));
        Ok(Certificates { chain, key, current })
    }

    /// Reads the files again; what is wrong with them changes nothing.
    ///
    /// # Errors
    /// As [`Certificates::read`].
    pub fn reload(&self) -> Result<(), CertificateError> {
        let fresh = load(&self.chain, &self.key)?;
        *self.current.lock() = Arc::new(fresh);
        Ok(())
    }

    /// The server's side of a new connection's encryption.
    pub fn session(&self) -> io::Result<ServerConnection> {
        let config = Arc::clone(&self.current.lock());
        ServerConnection::new(config).map_err(io::Error::other)
    }
}

fn load(chain_file: &Path, key_file: &Path) -> Result<ServerConfig, CertificateError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(chain_file).and_then(Iterator::collect);
    let chain = match chain {
        Ok(chain) if chain.is_empty() => return Err(CertificateError::NoCertificate(chain_file.into())),
        Ok(chain) => chain,
        Err(error) => return Err(CertificateError::Chain(chain_file.into(), error)),
    };
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(|error| CertificateError::Key(key_file.into(), error))?;
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| CertificateError::Mismatch { chain: chain_file.into(), key: key_file.into(), error })
}

/// A connection's bytes as they are sent and received: plain, or encrypted on the way.
pub struct Wire<S> {
    input: BufReader<S>,
    output: S,
    session: Option<Box<ServerConnection>>,
}

impl<S: Read + Write + Clone> Wire<S> {
    pub fn new(stream: S) -> Wire<S> {
        Wire { input: BufReader::with_capacity(16 << 10, stream.clone()), output: stream, session: None }
    }

    /// Everything from here on is encrypted; the handshake happens with the next read.
    pub fn encrypt(&mut self, session: ServerConnection) {
        self.session = Some(Box::new(session));
    }

    pub fn is_encrypted(&self) -> bool {
        self.session.is_some()
    }
}

impl<S: Read + Write> Read for Wire<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(session) = &mut self.session else { return self.input.read(buffer) };
        loop {
            match session.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
            if session.read_tls(&mut self.input)? == 0 {
                return Ok(0);
            }
            let understood = session.process_new_packets();
            // The handshake's next part, or what is wrong with the client's.
            while session.wants_write() {
                session.write_tls(&mut self.output)?;
            }
            understood.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        }
    }
}

impl<S: Read + Write> Write for Wire<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(session) = &mut self.session else { return self.output.write(bytes) };
        let taken = session.writer().write(bytes)?;
        while session.wants_write() {
            session.write_tls(&mut self.output)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
