//! The daemon: one at a time in a process, whichever way it was started.

use crate::host::{Callbacks, Host, HostError, log_sink};
use crate::server::options::{OptionError, Options, Settings};
use crate::server::{Address, Observer, Server, StartError};
use parking_lot::Mutex;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a daemon runs in this process.
static RUNNING: AtomicBool = AtomicBool::new(false);

/// The one that a server started.
pub(super) static DAEMON: Mutex<Option<Daemon>> = Mutex::new(None);

/// Why a daemon did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// A process runs one at a time.
    AlreadyRunning,
    /// The option string is wrong.
    Option(OptionError),
    /// The host hands over nothing that can be used.
    Host(HostError),
    /// The server did not start.
    Start(StartError),
    /// The system gives no thread that could wait for the host.
    Thread(std::io::Error),
    /// A defect of the daemon was met.
    Defect,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::AlreadyRunning => f.write_str("a memcached daemon already runs in this process"),
            Refusal::Option(error) => error.fmt(f),
            Refusal::Host(error) => error.fmt(f),
            Refusal::Start(error) => error.fmt(f),
            Refusal::Thread(error) => write!(f, "cannot start a thread: {error}"),
            Refusal::Defect => f.write_str("a defect of the daemon was met while it started"),
        }
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Refusal::Option(error) => Some(error),
            Refusal::Host(error) => Some(error),
            Refusal::Start(error) => Some(error),
            Refusal::Thread(error) => Some(error),
            Refusal::AlreadyRunning | Refusal::Defect => None,
        }
    }
}

/// A daemon and the log lines it sends to its host.
pub struct Daemon {
    pub(super) server: Option<Server>,
}

impl Daemon {
    /// Starts a daemon; `make_host` is called once nothing else can refuse.
    ///
    /// # Errors
    /// What was refused and why; nothing keeps running.
    pub fn start(
        callbacks: Callbacks,
        option: &str,
        settings: Settings,
        observer: Option<Observer>,
        make_host: impl FnOnce() -> Result<Host, HostError>,
    ) -> Result<Daemon, Refusal> {
        if RUNNING.swap(true, Ordering::AcqRel) {
            return Err(Refusal::AlreadyRunning);
        }
        // From here on the drop of `daemon` undoes what was done.
        let mut daemon = Daemon { server: None };
        let options = Options::parse(option).and_then(|options| options.with(settings)).map_err(Refusal::Option)?;
        log_sink::install(callbacks, options.verbose);
        let host = make_host().map_err(Refusal::Host)?;
        let server = Server::start(host, options, observer).map_err(Refusal::Start)?;
        log::info!("DM1001: listening on {}", listening(server.addresses()));
        daemon.server = Some(server);
        Ok(daemon)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
        log_sink::remove();
        RUNNING.store(false, Ordering::Release);
    }
}

/// `127.0.0.1:11211, /tmp/memcached.sock`.
pub(super) fn listening(addresses: &[Address]) -> String {
    addresses.iter().map(Address::to_string).collect::<Vec<_>>().join(", ")
}
