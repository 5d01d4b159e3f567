//! TLS: the certificates that listeners show, and the session between a connection and its socket.
//!
//! A [`Session`] never blocks: its handshake is bytes that arrive and bytes that wait like any others, so a tick knows nothing of it.
//! The acceptor's and the workers' connections of before a reload keep the certificates that they began with.

mod error;

use super::options::TlsFiles;
use super::scope::ClientAuth;
use super::socket::Filled;
use super::watched::Watched;
pub use error::TlsError;
use parking_lot::Mutex;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert, ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig, ServerConnection};
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
    current: Mutex<(Configs, Instant)>,
}

/// What listeners show and demand, by what they demand of clients; `None` where nobody vouches for those.
struct Configs {
    open: Arc<ServerConfig>,
    asking: Option<Arc<ServerConfig>>,
    demanding: Option<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads certificates and key.
    ///
    /// # Errors
    /// The file that cannot be used.
    pub fn new(files: &TlsFiles) -> std::result::Result<Tls, TlsError> {
        let watched = Watched::new(files.paths());
        let config = load(files)?;
        Ok(Tls { files: files.clone(), watched: Mutex::new(watched), current: Mutex::new((config, Instant::now())) })
    }

    /// Reads the files again; what is wrong with them changes nothing.
    ///
    /// # Errors
    /// As [`Tls::new`].
    pub fn reload(&self) -> std::result::Result<(), TlsError> {
        let config = load(&self.files)?;
        *self.current.lock() = (config, Instant::now());
        log::info!("DM1428: the certificates were read again");
        Ok(())
    }

    /// Reads the files again if they changed.
    pub fn follow_files(&self) {
        if self.watched.lock().changed()
            && let Err(error) = self.reload()
        {
            log::error!("DM1429: the certificates stay as they were: {error}");
        }
    }

    /// A session for a new connection, whose client has to show that much of itself.
    ///
    /// # Errors
    /// The certificates do not suit TLS at all, or nobody vouches for clients.
    pub fn session(&self, clients: ClientAuth) -> std::result::Result<Session, rustls::Error> {
        let current = self.current.lock();
        let config = match clients {
            ClientAuth::Nothing => Some(&current.0.open),
            ClientAuth::Asked => current.0.asking.as_ref(),
            ClientAuth::Required => current.0.demanding.as_ref(),
        };
        let config = config.cloned().ok_or_else(|| rustls::Error::General("nobody vouches for clients".into()))?;
        drop(current);
        ServerConnection::new(config).map(|session| Session(RefCell::new(session)))
    }

    /// Seconds since the certificates were read.
    pub fn age(&self) -> u64 {
        self.current.lock().1.elapsed().as_secs()
    }
}

fn load(files: &TlsFiles) -> std::result::Result<Configs, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let identity = identity(files, &provider)?;
    let verified = |required| {
        let Some(authorities) = &files.authorities else { return Ok(None) };
        let verifier = verifier(authorities, required, Arc::clone(&provider))?;
        config(files, &provider, &identity, Some(verifier)).map(Some)
    };
    Ok(Configs {
        open: config(files, &provider, &identity, None)?,
        asking: verified(false)?,
        demanding: verified(true)?,
    })
}

fn config(
    files: &TlsFiles,
    provider: &Arc<CryptoProvider>,
    identity: &Arc<SingleCertAndKey>,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
) -> std::result::Result<Arc<ServerConfig>, TlsError> {
    let versions = if files.tls13_only { &[&TLS13][..] } else { &[&TLS13, &TLS12] };
    let config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(versions)
        .map_err(TlsError::Protocol)?;
    let config = match verifier {
        None => config.with_no_client_auth(),
        Some(verifier) => config.with_client_cert_verifier(verifier),
    };
    let mut config = config.with_cert_resolver(Arc::clone(identity) as Arc<dyn ResolvesServerCert>);
    if files.session_cache {
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
    } else {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(Arc::new(config))
}

/// The certificate and its key.
fn identity(files: &TlsFiles, provider: &CryptoProvider) -> std::result::Result<Arc<SingleCertAndKey>, TlsError> {
    let chain = certificates("ssl_chain_cert", &files.chain)?;
    let key_file = files.key.as_deref().unwrap_or(&files.chain);
    let refuse = |reason| TlsError::Key { path: key_file.into(), reason };
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(|e| refuse(e.to_string()))?;
    // The label need not be true: some programs call every key RSA's.
    let key = PrivateKeyDer::try_from(key.secret_der().to_vec()).unwrap_or(key);
    let key = provider.key_provider.load_private_key(key).map_err(|e| refuse(e.to_string()))?;
    let old = chain.first().is_some_and(|leaf| is_version_1(leaf));
    let pair = CertifiedKey::new(chain, key);
    match pair.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
        // The library reads certificates of version 3 only; clients that accept others shall have it.
        Err(_) if old => log::warn!(
            "DM1430: certificate {} is of X.509 version 1, which many clients refuse, and was not compared with its key",
            files.chain.display()
        ),
        Err(error) => {
            let (chain, key) = (files.chain.clone(), key_file.into());
            return Err(TlsError::Mismatch { chain, key, reason: error.to_string() });
        }
    }
    Ok(Arc::new(SingleCertAndKey::from(pair)))
}

/// Whether a certificate in DER has no version number, which is what those of version 1 have.
fn is_version_1(der: &[u8]) -> bool {
    /// What is inside a sequence.
    fn inside(der: &[u8]) -> Option<&[u8]> {
        let (&[0x30, length], rest) = der.split_first_chunk()? else { return None };
        rest.get(if length < 0x80 { 0 } else { usize::from(length & 0x7f) }..)
    }
    /// Of an integer, which is the serial number; a version stands in brackets.
    const INTEGER: u8 = 0x02;
    inside(der).and_then(inside).and_then(<[u8]>::first) == Some(&INTEGER)
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
    authorities: &Path,
    required: bool,
    provider: Arc<CryptoProvider>,
) -> std::result::Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let refuse = |reason| TlsError::Certificates { option: "ssl_ca_cert", path: authorities.into(), reason };
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ssl_ca_cert", authorities)? {
        roots.add(certificate).map_err(|e| refuse(e.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if required { builder } else { builder.allow_unauthenticated() };
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
