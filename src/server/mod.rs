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
//!   supervisor  every 100 ms: the host's shutdown flag, flush deadlines; wakes the workers
//! ```
//!
//! All threads block all signals: those belong to the host.

mod conn;
mod detail;
mod execute;
mod listen;
mod login;
mod mapping;
pub mod options;
mod peers;
mod report;
pub mod stats;
mod sweep;
mod tick;
mod tls;
mod watched;
mod worker;

use crate::cache::MemoryStore;
use crate::host::Host;
use crate::protocol::reply;
use crate::store::{Batch, CasSource, Config, ContainerId, Marks, Rules};
use detail::Detail;
pub use listen::Address;
use listen::Listener;
use login::Logins;
use options::Options;
use parking_lot::Mutex;
pub use peers::Connection;
use peers::Peers;
use stats::WorkerStats;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tls::Tls;
use worker::Mailbox;

/// What `version` answers: the memcached whose protocol this is, then our own.
pub const VERSION: &str = concat!("1.6.45-daemon_memcached-", env!("CARGO_PKG_VERSION"));

/// Why a server did not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartError {
    /// The configuration tables or a container were refused.
    Configuration(String),
    /// An address could not be bound.
    Listen(String),
    /// Threads or descriptors ran out, or the host refused a thread.
    System(String),
}

impl StartError {
    /// The sentence.
    pub fn message(&self) -> &str {
        match self {
            StartError::Configuration(text) | StartError::Listen(text) | StartError::System(text) => text,
        }
    }
}

/// What all threads of the daemon share. Nothing in it is written per request.
pub struct Shared {
    host: Host,
    options: Options,
    /// One per worker.
    stats: Vec<WorkerStats>,
    /// Where the counters stood at the last `stats reset`.
    reset: [AtomicU64; stats::COUNT],
    stop: AtomicBool,
    connections: AtomicUsize,
    /// The same, one by one.
    peers: Peers,
    connections_total: AtomicU64,
    connections_refused: AtomicU64,
    started: Instant,
    /// Items of the policies cache_only and caching, and the bytes they may take.
    memory: Arc<MemoryStore>,
    memory_limit: AtomicUsize,
    /// `stats detail`.
    detail: Detail,
    /// What meta commands know of items beside their rows.
    marks: Arc<Marks>,
    /// The newest configuration; workers take it over when its version changes.
    config: Mutex<Arc<Config>>,
    config_version: AtomicU64,
    /// Changes whenever somebody waits for what other workers' batches hold.
    commit_wanted: AtomicU64,
    mailboxes: OnceLock<Vec<Arc<Mailbox>>>,
    /// Who may log in, where somebody has to.
    logins: Option<Logins>,
    /// What TLS listeners show.
    tls: Option<Tls>,
    /// By worker: milliseconds since the start at which its write phase began, 0 outside one. Kept in batch mode only.
    busy: Vec<AtomicU64>,
    /// The first worker is to read the configuration again.
    reload: AtomicBool,
    /// The first worker is to delete expired rows.
    sweep: AtomicBool,
    /// Seconds between two sweeps, 0 for never.
    sweep_interval: AtomicU32,
    /// Containers with a delayed flush_all, and the Unix time at which it is due.
    flushes: Mutex<Vec<(ContainerId, i64)>>,
    /// Second in which the last complaint was logged: a client's mistakes must not fill the host's log.
    complained: AtomicI64,
    /// Milliseconds since the start until which no tick reads the containers, because a table did not suit its container although
    /// that had just been read.
    misfit: AtomicU64,
}

impl Shared {
    fn new(host: Host, options: Options, config: Config, (logins, tls): (Option<Logins>, Option<Tls>)) -> Shared {
        Shared {
            host,
            stats: (0..options.threads).map(|_| WorkerStats::new()).collect(),
            reset: [const { AtomicU64::new(0) }; stats::COUNT],
            stop: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            peers: Peers::default(),
            connections_total: AtomicU64::new(0),
            connections_refused: AtomicU64::new(0),
            started: Instant::now(),
            memory: Arc::new(MemoryStore::new(options.memory_limit, options.evict)),
            memory_limit: AtomicUsize::new(options.memory_limit),
            detail: Detail::new(options.prefix_delimiter.unwrap_or(b':'), options.prefix_delimiter.is_some()),
            marks: Arc::default(),
            config: Mutex::new(Arc::new(config)),
            config_version: AtomicU64::new(0),
            commit_wanted: AtomicU64::new(0),
            mailboxes: OnceLock::new(),
            logins,
            tls,
            busy: (0..options.threads).map(|_| AtomicU64::new(0)).collect(),
            reload: AtomicBool::new(false),
            sweep: AtomicBool::new(false),
            sweep_interval: AtomicU32::new(options.settings.sweep_interval),
            flushes: Mutex::default(),
            options,
            complained: AtomicI64::new(0),
            misfit: AtomicU64::new(0),
        }
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether transactions stay open across ticks.
    fn batches(&self) -> bool {
        let Batch { reads, writes } = self.options.settings.batch;
        reads > 1 || writes > 1
    }

    /// Asks every worker to commit its batch.
    fn commit_batches(&self) {
        if self.batches() {
            self.commit_wanted.fetch_add(1, Ordering::Release);
            for mailbox in self.mailboxes.get().into_iter().flatten() {
                mailbox.wake();
            }
        }
    }

    /// Makes every thread look at the flags.
    fn wake_all(&self, mailboxes: &[Arc<Mailbox>], acceptor: &mio::Waker) {
        for mailbox in mailboxes {
            mailbox.wake();
        }
        let _ = acceptor.wake();
        if let Some(logins) = &self.logins {
            logins.wake();
        }
    }

    fn uptime_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64 + 1
    }

    fn uptime_seconds(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    /// Whether a worker has been in a write phase for so long that it probably waits for a lock.
    fn somebody_waits(&self) -> bool {
        let now = self.uptime_ms();
        self.busy
            .iter()
            .map(|since| since.load(Ordering::Relaxed))
            .any(|since| since != 0 && now > since + LOCK_WAIT_SUSPECTED_MS)
    }

    /// The configuration tables are read again soon; until then, and if they break a rule, everything stays as it is.
    pub fn reload_containers(&self) {
        self.reload.store(true, Ordering::Relaxed);
    }

    /// Seconds between two sweeps that delete expired rows, 0 for never; takes effect within that time.
    pub fn set_sweep_interval(&self, seconds: u32) {
        self.sweep_interval.store(seconds, Ordering::Relaxed);
    }

    fn flush_later(&self, container: ContainerId, delay: i64) {
        let mut flushes = self.flushes.lock();
        flushes.retain(|(other, _)| *other != container);
        flushes.push((container, unix_time().saturating_add(delay)));
    }

    /// As in memcached, a new flush_all takes the place of an earlier one.
    fn cancel_flush(&self, container: ContainerId) {
        self.flushes.lock().retain(|(other, _)| *other != container);
    }

    fn flush_is_due(&self) -> bool {
        let now = unix_time();
        self.flushes.lock().iter().any(|(_, at)| *at <= now)
    }

    /// Takes the flushes that are due.
    fn due_flushes(&self) -> Vec<ContainerId> {
        let now = unix_time();
        self.flushes.lock().extract_if(.., |(_, at)| *at <= now).map(|(container, _)| container).collect()
    }

    /// Changes the budget of the memory store, in bytes; one that evicts has shrunk to it afterwards.
    fn limit_memory(&self, bytes: usize) {
        self.memory.set_limit(bytes);
        self.memory_limit.store(bytes, Ordering::Relaxed);
    }

    /// Logs a warning about a client's request, at most one a second.
    fn complain(&self, text: impl FnOnce() -> String) {
        let now = unix_time();
        if self.complained.swap(now, Ordering::Relaxed) != now {
            log::warn!("{}", text());
        }
    }
}

fn unix_time() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64)
}

/// Milliseconds in a write phase after which a worker is taken to wait for a lock.
const LOCK_WAIT_SUSPECTED_MS: u64 = 50;

/// Time between two looks at files that may have changed.
const LOOK_AT_FILES: Duration = Duration::from_secs(1);

/// Called by the supervisor with the daemon's state, ten times a second.
pub type Observer = Box<dyn Fn(&Shared) + Send>;

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
        let rules = Rules { trx_level: 0, skip_invalid: options.settings.skip_invalid_containers };
        let config = load_config(&host, rules)?;
        let logins = options.users.as_deref().map(Logins::new).transpose().map_err(StartError::Configuration)?;
        let tls = options.tls.as_ref().map(Tls::new).transpose().map_err(StartError::Configuration)?;
        let listeners = Listener::bind_all(&options).map_err(StartError::Listen)?;
        for option in &options.without_meaning {
            log::info!("option {option} has no meaning inside a host and is ignored");
        }
        warn_of_descriptors(options.max_connections);
        let shared = Arc::new(Shared::new(host, options, config, (logins, tls)));
        let poll = mio::Poll::new().map_err(system)?;
        let mut server = Server {
            addresses: listeners.iter().map(|l| l.address.clone()).collect(),
            shared,
            mailboxes: Vec::new(),
            acceptor_waker: Arc::new(mio::Waker::new(poll.registry(), mio::Token(usize::MAX)).map_err(system)?),
            threads: Vec::new(),
        };
        match server.spawn_all(poll, listeners, observer) {
            Ok(()) => Ok(server),
            Err(error) => {
                server.stop();
                Err(system(error))
            }
        }
    }

    fn spawn_all(
        &mut self,
        poll: mio::Poll,
        listeners: Vec<Listener>,
        observer: Option<Observer>,
    ) -> std::io::Result<()> {
        let cas = CasSource::new();
        for index in 0..self.shared.options.threads {
            let seed = worker::Seed::new(index)?;
            self.mailboxes.push(seed.mailbox());
            let (shared, cas) = (Arc::clone(&self.shared), cas.clone());
            self.threads.push(spawn(&format!("memcached-{index}"), move || worker::run(seed, &shared, cas))?);
        }
        let _ = self.shared.mailboxes.set(self.mailboxes.clone());
        if self.shared.logins.is_some() {
            let (shared, mailboxes) = (Arc::clone(&self.shared), self.mailboxes.clone());
            self.threads.push(spawn("memcached-login", move || login::run(&shared, &mailboxes))?);
        }
        let (shared, mailboxes) = (Arc::clone(&self.shared), self.mailboxes.clone());
        self.threads.push(spawn("memcached-accept", move || accept(poll, &listeners, &shared, &mailboxes))?);
        let (shared, mailboxes) = (Arc::clone(&self.shared), self.mailboxes.clone());
        let acceptor = Arc::clone(&self.acceptor_waker);
        self.threads.push(spawn("memcached-watch", move || supervise(&shared, &mailboxes, &acceptor, observer))?);
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
        let config = Arc::clone(&self.shared.config.lock());
        self.shared.peers.list(self.shared.uptime_seconds(), &config, tell);
    }

    /// Ends a connection; `false` if there is none of that number.
    pub fn kill(&self, id: u64) -> bool {
        self.shared.peers.kill(id)
    }

    /// Stops accepting, lets the running ticks end, closes the connections, joins every thread.
    pub fn stop(mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.wake_all(&self.mailboxes, &self.acceptor_waker);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            if thread.join().is_err() {
                log::error!("a thread of the daemon ended with a defect");
            }
        }
    }
}

/// A connection takes a descriptor, and the host opens files of its own.
fn warn_of_descriptors(connections: usize) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is writable.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } == 0;
    if known && limit.rlim_cur < connections as u64 {
        log::warn!(
            "option -c allows {connections} connections, but the process may open {} files; raise that limit or lower -c",
            limit.rlim_cur
        );
    }
}

fn system(error: std::io::Error) -> StartError {
    StartError::System(format!("cannot start the daemon's threads: {error}"))
}

/// Reads the configuration on a thread of its own: the one that asked for the start may be a client's, in the middle of a statement.
fn load_config(host: &Host, rules: Rules) -> Result<Config, StartError> {
    let read = || {
        let _attached = host.attach_thread().map_err(StartError::System)?;
        let mut session = host.session().map_err(StartError::System)?;
        session.check(c"innodb_memcache/containers").map_err(|e| StartError::System(e.to_string()))?;
        let rules = Rules { trx_level: session.host_trx_level(), ..rules };
        Config::load(&mut session, rules, None).map_err(StartError::Configuration)
    };
    std::thread::scope(|scope| {
        let thread =
            without_signals(|| thread_builder("memcached-config").spawn_scoped(scope, read)).map_err(system)?;
        let defect = StartError::System("a defect of the daemon was met while it read its configuration".into());
        thread.join().unwrap_or(Err(defect))
    })
}

/// Starts a thread that blocks all signals.
///
/// # Errors
/// The system has no more threads.
pub fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    without_signals(|| thread_builder(name).spawn(body))
}

/// A server's SQL layer counts on stacks of at least its variable `thread_stack`, 1 MiB by default.
const STACK_SIZE: usize = 8 << 20;

fn thread_builder(name: &str) -> std::thread::Builder {
    std::thread::Builder::new().name(name.into()).stack_size(STACK_SIZE)
}

/// Signals that say where a thread went wrong; a host that reports crashes wants to see them.
const CRASHES: [libc::c_int; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT];

/// Runs `start` with all signals blocked but those of a crash: a thread inherits the mask of its maker, which gets its own back.
fn without_signals<T>(start: impl FnOnce() -> T) -> T {
    // SAFETY: both sets live on this stack.
    unsafe {
        let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&mut all);
        for signal in CRASHES {
            libc::sigdelset(&mut all, signal);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let started = start();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        started
    }
}

/// Watches the host and the clock, so that the workers need no timers.
fn supervise(shared: &Shared, mailboxes: &[Arc<Mailbox>], acceptor: &mio::Waker, observer: Option<Observer>) {
    let (mut swept, mut looked) = (Instant::now(), Instant::now());
    while !shared.stopping() {
        if let Some(observe) = &observer {
            observe(shared);
        }
        std::thread::park_timeout(Duration::from_millis(100));
        if shared.host.is_shutting_down() {
            shared.stop.store(true, Ordering::Relaxed);
            shared.wake_all(mailboxes, acceptor);
        }
        if shared.host.sessions_were_killed() {
            shared.wake_all(mailboxes, acceptor);
        }
        if shared.batches() && shared.somebody_waits() {
            shared.commit_batches();
        }
        if looked.elapsed() >= LOOK_AT_FILES {
            looked = Instant::now();
            if let Some(logins) = &shared.logins {
                logins.follow_file();
            }
            if let Some(tls) = &shared.tls {
                tls.follow_files();
            }
        }
        let interval = u64::from(shared.sweep_interval.load(Ordering::Relaxed));
        let sweep = interval > 0 && swept.elapsed() >= Duration::from_secs(interval);
        if sweep {
            swept = Instant::now();
            shared.sweep.store(true, Ordering::Relaxed);
        }
        if (sweep || shared.reload.load(Ordering::Relaxed) || shared.flush_is_due())
            && let Some(first) = mailboxes.first()
        {
            first.wake();
        }
    }
}

/// Takes connections and hands them to the workers in turn; refuses those over the limit.
fn accept(mut poll: mio::Poll, listeners: &[Listener], shared: &Shared, mailboxes: &[Arc<Mailbox>]) {
    let mut events = mio::Events::with_capacity(64);
    for (i, listener) in listeners.iter().enumerate() {
        let fd = listener.as_raw_fd();
        let watched = poll.registry().register(&mut mio::unix::SourceFd(&fd), mio::Token(i), mio::Interest::READABLE);
        if let Err(error) = watched {
            log::error!("cannot watch {}: {error}", listener.address);
        }
    }
    let mut retry = None;
    let mut turn = 0;
    while !shared.stopping() {
        if let Err(error) = poll.poll(&mut events, retry)
            && error.kind() != ErrorKind::Interrupted
        {
            return log::error!("the acceptor cannot poll: {error}");
        }
        retry = None;
        for listener in listeners {
            if let Err(error) = accept_from(listener, shared, mailboxes, &mut turn) {
                shared.complain(|| format!("cannot accept a connection on {}: {error}", listener.address));
                // Descriptors ran out: connections that wait bring no new event.
                retry = Some(Duration::from_millis(100));
            }
        }
    }
}

fn accept_from(
    listener: &Listener,
    shared: &Shared,
    mailboxes: &[Arc<Mailbox>],
    turn: &mut usize,
) -> std::io::Result<()> {
    while !shared.stopping()
        && let Some(socket) = listener.accept()?
    {
        shared.connections_total.fetch_add(1, Ordering::Relaxed);
        if shared.connections.load(Ordering::Relaxed) >= shared.options.max_connections {
            shared.connections_refused.fetch_add(1, Ordering::Relaxed);
            if listener.tls {
                continue;
            }
            let refusal = reply::TOO_MANY_CONNECTIONS;
            // SAFETY: the socket is open, the bytes are readable.
            unsafe {
                libc::send(socket.as_raw_fd(), refusal.as_ptr().cast(), refusal.len(), libc::MSG_NOSIGNAL);
            }
            continue;
        }
        shared.connections.fetch_add(1, Ordering::Relaxed);
        mailboxes[*turn % mailboxes.len()].give(socket, listener.tls);
        *turn += 1;
    }
    Ok(())
}
