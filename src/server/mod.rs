//! Listeners, workers, connections and ticks.
//!
//! `plugin` starts and stops a [`Server`]. It turns bytes into requests through [`crate::protocol`] and runs them through
//! [`crate::store`]; columns and tables are not its business.
//!
//! ```text
//!   acceptor ──sockets──► mailbox ─► worker 0 ─┐  each: poll, read all ready sockets, tick, send
//!      │ listeners           ...               ├─► its own session on the tables
//!      └────────────────► mailbox ─► worker N ─┘
//!   login  checks passwords, answers into the mailboxes (with -Y only)
//!   metrics     answers Prometheus (with -o metrics only)
//!   supervisor  every 100 ms: the host's shutdown flag, flush deadlines; wakes the workers
//! ```
//!
//! All threads block all signals: those belong to the host.

mod accept;
mod admission;
mod batch;
mod budget;
mod clock;
mod conn;
mod detail;
mod execute;
mod held;
mod journal;
mod latency;
mod listen;
mod login;
mod login_thread;
mod mailbox;
mod mapping;
mod metrics;
pub mod options;
mod outcome;
mod peers;
mod reader;
mod report;
mod scope;
mod shared;
mod sizes;
mod socket;
pub mod stats;
mod supervise;
mod sweep;
mod terms;
mod threads;
mod tick;
mod tls;
mod watch;
mod watched;
mod worker;

use crate::auth::FileError;
use crate::boundary::stay_loaded;
use crate::host::accounts::Accounts;
use crate::host::{Host, HostError, RowSession};
use crate::store::{CasSource, Config, ConfigError, Rules};
use listen::Listener;
pub use listen::{Address, ListenError};
use login::Logins;
use mailbox::Mailbox;
pub use mapping::ReloadError;
use options::Options;
pub use peers::Connection;
pub use shared::{Shared, VERSION};
use std::fmt;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
pub use supervise::Observer;
pub use threads::spawn;
use tls::Tls;
pub use tls::TlsError;

/// Why a server did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration tables or a container were refused.
    Configuration(ConfigError),
    /// The users file cannot be used.
    Users(FileError),
    /// The files of TLS cannot be used.
    Tls(TlsError),
    /// An address could not be bound.
    Listen(ListenError),
    /// The host refused a thread or a session.
    Host(HostError),
    /// Rows of the host are not read as they should be.
    Rows(crate::rows::Error),
    /// Threads or descriptors ran out.
    System(std::io::Error),
    /// A defect of the daemon was met.
    Defect,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Configuration(error) => error.fmt(f),
            StartError::Users(error) => write!(f, "option -Y: {error}"),
            StartError::Tls(error) => error.fmt(f),
            StartError::Listen(error) => error.fmt(f),
            StartError::Host(error) => error.fmt(f),
            StartError::Rows(error) => error.fmt(f),
            StartError::System(reason) => write!(f, "cannot start the daemon's threads: {reason}"),
            StartError::Defect => f.write_str("a defect of the daemon was met while it read its configuration"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Configuration(error) => Some(error),
            StartError::Users(error) => Some(error),
            StartError::Tls(error) => Some(error),
            StartError::Listen(error) => Some(error),
            StartError::Host(error) => Some(error),
            StartError::Rows(error) => Some(error),
            StartError::System(error) => Some(error),
            StartError::Defect => None,
        }
    }
}

/// A running daemon.
pub struct Server {
    shared: Arc<Shared>,
    addresses: Vec<Address>,
    mailboxes: Vec<Arc<Mailbox>>,
    acceptor_waker: Arc<mio::Waker>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Binds, reads the containers, starts the threads. After an error nothing keeps running.
    ///
    /// # Errors
    /// What was refused and why.
    pub fn start(host: Host, options: Options, observer: Option<Observer>) -> Result<Server, StartError> {
        let rules = Rules { trx_level: 0, skip_invalid: options.settings.skip_invalid_containers, replicated: false };
        let config = load_config(&host, rules, options.settings.create_tables)?;
        let logins = match &options.users {
            Some(path) => Some(Logins::of_file(path).map_err(StartError::Users)?),
            None if options.settings.accounts => Some(logins_of_accounts(&host)?),
            None => None,
        };
        let tls = options.tls.as_ref().map(Tls::new).transpose().map_err(StartError::Tls)?;
        let listeners = Listener::bind_all(&options, &config).map_err(StartError::Listen)?;
        let metrics = options.metrics.map(metrics::Seed::bind).transpose().map_err(StartError::Listen)?;
        for option in &options.without_meaning {
            log::info!("DM1417: option {option} has no meaning inside a host and is ignored");
        }
        warn_of_descriptors(options.max_connections);
        let shared = Arc::new(Shared::new(host, options, config, (logins, tls)));
        let poll = mio::Poll::new().map_err(StartError::System)?;
        let mut server = Server {
            addresses: listeners.iter().map(|l| l.address.clone()).collect(),
            shared,
            mailboxes: Vec::new(),
            acceptor_waker: Arc::new(
                mio::Waker::new(poll.registry(), mio::Token(usize::MAX)).map_err(StartError::System)?,
            ),
            threads: Vec::new(),
        };
        server.shared.peers.listen(listeners.iter().map(|l| (l.as_raw_fd(), l.address.clone())));
        let metrics = metrics.map(|(seed, waker)| {
            let _ = server.shared.metrics.set((seed.address, waker));
            seed
        });
        match server.spawn_all(poll, listeners, metrics, observer) {
            Ok(()) => Ok(server),
            Err(error) => {
                server.stop();
                Err(StartError::System(error))
            }
        }
    }

    fn spawn_all(
        &mut self,
        poll: mio::Poll,
        listeners: Vec<Listener>,
        metrics: Option<metrics::Seed>,
        observer: Option<Observer>,
    ) -> std::io::Result<()> {
        let cas = CasSource::new();
        for index in 0..self.shared.options.threads {
            let builder = worker::WorkerBuilder::new(index)?;
            self.mailboxes.push(builder.mailbox());
            let (shared, cas) = (Arc::clone(&self.shared), cas.clone());
            self.threads.push(spawn(&format!("memcached-{index}"), move || worker::run(builder, &shared, cas))?);
        }
        let _ = self.shared.mailboxes.set(self.mailboxes.clone());
        if self.shared.logins.is_some() {
            let (shared, mailboxes) = (Arc::clone(&self.shared), self.mailboxes.clone());
            self.threads.push(spawn("memcached-login", move || login_thread::run(&shared, &mailboxes))?);
        }
        if self.shared.host.may_be_in_a_group() {
            let shared = Arc::clone(&self.shared);
            let watch = move || shared.host.watch_group(&|| shared.stopping());
            self.threads.push(spawn("memcached-group", watch)?);
        }
        if let Some(seed) = metrics {
            log::info!("DM1418: metrics are at http://{}/metrics", seed.address);
            let shared = Arc::clone(&self.shared);
            self.threads.push(spawn("memcached-metrics", move || metrics::run(seed, &shared))?);
        }
        let shared = Arc::clone(&self.shared);
        self.threads.push(spawn("memcached-config", move || reader::run(&shared))?);
        let (shared, mailboxes) = (Arc::clone(&self.shared), self.mailboxes.clone());
        self.threads.push(spawn("memcached-accept", move || accept::accept(poll, &listeners, &shared, &mailboxes))?);
        let (shared, mailboxes) = (Arc::clone(&self.shared), self.mailboxes.clone());
        let acceptor = Arc::clone(&self.acceptor_waker);
        self.threads
            .push(spawn("memcached-watch", move || supervise::supervise(&shared, &mailboxes, &acceptor, observer))?);
        Ok(())
    }

    /// Whether the host has a SQL layer of its own, through which writes can reach its binary log.
    pub fn host_has_sql(&self) -> bool {
        self.shared.host.writes_in_sql()
    }

    /// Where it listens, in the order of the options.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Calls `tell` with each general statistic, in memcached's words.
    pub fn status(&self, tell: &mut dyn FnMut(&str, &str)) {
        self.shared.general(tell);
    }

    /// Calls `tell` with each connection.
    pub fn connections(&self, tell: &mut dyn FnMut(&Connection)) {
        let config = self.shared.mapping.newest();
        self.shared.peers.list(self.shared.uptime_seconds(), &config, tell);
    }

    /// Ends a connection; `false` if there is none of that number.
    pub fn kill(&self, id: u64) -> bool {
        self.shared.peers.kill(id)
    }

    /// What all of its threads share.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Stops accepting, lets the running ticks end, closes the connections, joins every thread. Where the ticks may have to wait for
    /// this call to return, those that do after a while are left to end behind it: nothing of theirs is lost.
    pub fn stop(mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.wake_all(&self.mailboxes, &self.acceptor_waker);
        let deadline = self.shared.host.may_wait_for_the_stop().then(|| Instant::now() + STOP_PATIENCE);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            if deadline.is_some_and(|deadline| !ends_before(&thread, deadline)) {
                log::info!(
                    "DM1441: a thread of the daemon has a transaction that waits for the end of this UNINSTALL, and ends behind it"
                );
                stay_loaded();
                continue;
            }
            if thread.join().is_err() {
                log::error!("DM1419: a thread of the daemon ended with a defect");
            }
        }
    }
}

/// How long [`Server::stop`] waits for ticks that may wait for itself.
const STOP_PATIENCE: Duration = Duration::from_secs(1);

/// Waits for the end of a thread; `false` if it did not come in time.
fn ends_before(thread: &JoinHandle<()>, deadline: Instant) -> bool {
    while !thread.is_finished() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

/// A connection takes a descriptor, and the host opens files of its own.
fn warn_of_descriptors(connections: usize) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is writable.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } == 0;
    if known && limit.rlim_cur < connections as u64 {
        log::warn!(
            "DM1420: option -c allows {connections} connections, but the process may open {} files; raise that limit or lower -c",
            limit.rlim_cur
        );
    }
}

/// The script that a DBA would run.
const CONFIGURATION_TABLES: &str = include_str!("../../sql/innodb_memcached_config.sql");

/// Reads the configuration on a thread of its own: the one that asked for the start may be a client's, in the middle of a statement.
/// Where its tables are missing it may create them first.
fn load_config(host: &Host, rules: Rules, create_tables: bool) -> Result<Config, StartError> {
    let once = || {
        let mut session = host.session_in_install().map_err(StartError::Host)?;
        session.check(c"innodb_memcache/containers").map_err(StartError::Rows)?;
        let rules = Rules { trx_level: session.host_trx_level(), ..rules };
        let load = |session: &mut RowSession| {
            let config = Config::load(session, rules, None)?;
            // Only then does it matter, and the host is asked in a session of its own.
            if config.policies.cache_rows() && reader::rows_are_replicated(host) == Some(true) {
                return Config::load(session, Rules { replicated: true, ..rules }, Some(&config));
            }
            Ok(config)
        };
        load(&mut session).and_then(|config| config.verdict().map(|()| config)).map_err(StartError::Configuration)
    };
    let read = || match once() {
        Err(missing @ StartError::Configuration(ConfigError::NoTable(_))) if create_tables && host.writes_in_sql() => {
            host.run_script(CONFIGURATION_TABLES).map_err(|error| {
                let text = format!("{missing}; the plugin could not do that by itself");
                StartError::Host(HostError::Statement { text, message: error.to_string() })
            })?;
            log::info!("DM1421: the tables of innodb_memcache were missing and have been created");
            once()
        }
        other => other,
    };
    on_own_thread(host, read)
}

/// Tries whether the host has accounts that can be asked.
fn logins_of_accounts(host: &Host) -> Result<Logins, StartError> {
    on_own_thread(host, || Accounts::open(host).map(|_| Logins::of_accounts()).map_err(StartError::Host))
}

/// Runs something on a thread of its own that the host knows.
fn on_own_thread<T: Send>(host: &Host, run: impl FnOnce() -> Result<T, StartError> + Send) -> Result<T, StartError> {
    let attached = || {
        let _attached = host.attach_thread().map_err(StartError::Host)?;
        run()
    };
    std::thread::scope(|scope| {
        let thread =
            threads::without_signals(|| threads::thread_builder("memcached-config").spawn_scoped(scope, attached))
                .map_err(StartError::System)?;
        thread.join().unwrap_or(Err(StartError::Defect))
    })
}
