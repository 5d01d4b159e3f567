//! What all threads of the daemon share.

use super::clock::Moment;
use super::detail::Detail;
use super::latency::Snapshot;
use super::login::Logins;
use super::mailbox::Mailbox;
use super::mapping::Mapping;
use super::options::Options;
use super::peers::Peers;
use super::sizes::Sizes;
use super::stats::{self, WorkerStats};
use super::tls::Tls;
use super::watch::Watchers;
use crate::cache::MemoryStore;
use crate::host::Host;
use crate::store::{Batch, Config, ContainerId, Marks};
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

/// What `version` answers: the memcached whose protocol this is, then our own.
pub const VERSION: &str = concat!("1.6.45-daemon_memcached-", env!("CARGO_PKG_VERSION"));

/// Milliseconds in a write phase after which a worker is taken to wait for a lock.
const LOCK_WAIT_SUSPECTED_MS: u64 = 50;

/// What all threads of the daemon share. Nothing in it is written per request.
pub struct Shared {
    pub(super) host: Host,
    pub(super) options: Options,
    /// One per worker.
    pub(super) stats: Vec<WorkerStats>,
    /// Where the counters stood at the last `stats reset`.
    pub(super) reset: [AtomicU64; stats::COUNT],
    pub(super) stop: AtomicBool,
    /// Each open connection holds one of these, so that none is lost to the count whatever becomes of its worker.
    pub(super) connections: Arc<()>,
    /// The same, one by one.
    pub(super) peers: Peers,
    pub(super) connections_total: AtomicU64,
    pub(super) connections_refused: AtomicU64,
    pub(super) started: Moment,
    /// Nanoseconds since 1970 at `started`, by the system's clock of now: what turns one reading of the steady clock into both.
    epoch: AtomicI64,
    /// Where metrics are served, and what wakes their thread.
    pub(super) metrics: OnceLock<(SocketAddr, mio::Waker)>,
    /// Where the histograms stood at the last `stats reset`.
    pub(super) latencies_reset: Mutex<Option<Snapshot>>,
    /// Items of the policies cache_only and caching, and the bytes they may take.
    pub(super) memory: Arc<MemoryStore>,
    pub(super) memory_limit: AtomicUsize,
    /// `stats detail`.
    pub(super) detail: Detail,
    /// Connections that are told what others do.
    pub(super) watchers: Arc<Watchers>,
    /// What meta commands know of items beside their rows.
    pub(super) marks: Arc<Marks>,
    /// The containers.
    pub(super) mapping: Mapping,
    /// How large their tables are.
    pub(super) sizes: Sizes,
    /// Changes whenever somebody waits for what other workers' batches hold.
    pub(super) commit_wanted: AtomicU64,
    pub(super) mailboxes: OnceLock<Vec<Arc<Mailbox>>>,
    /// Who may log in, where somebody has to.
    pub(super) logins: Option<Logins>,
    /// What TLS listeners show.
    pub(super) tls: Option<Tls>,
    /// By worker: milliseconds since the start at which its write phase began, 0 outside one. Kept in batch mode only.
    pub(super) busy: Vec<AtomicU64>,
    /// The first worker is to delete expired rows.
    pub(super) sweep: AtomicBool,
    /// Seconds between two sweeps, 0 for never.
    pub(super) sweep_interval: AtomicU32,
    /// Containers with a delayed flush_all, and the Unix time at which it is due.
    pub(super) flushes: Mutex<Vec<(ContainerId, i64)>>,
    /// Second in which the last complaint was logged: a client's mistakes must not fill the host's log.
    pub(super) complained: AtomicI64,
}

impl Shared {
    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        Arc::strong_count(&self.connections) - 1
    }

    pub(super) fn new(
        host: Host,
        options: Options,
        config: Config,
        (logins, tls): (Option<Logins>, Option<Tls>),
    ) -> Shared {
        let started = Moment::now();
        let watchers = Arc::<Watchers>::default();
        watchers.attention.note_detail(options.prefix_delimiter.is_some());
        Shared {
            host,
            stats: (0..options.threads).map(|_| WorkerStats::new()).collect(),
            reset: [const { AtomicU64::new(0) }; stats::COUNT],
            stop: AtomicBool::new(false),
            connections: Arc::default(),
            peers: Peers::default(),
            connections_total: AtomicU64::new(0),
            connections_refused: AtomicU64::new(0),
            started,
            epoch: AtomicI64::new(epoch_of(started)),
            metrics: OnceLock::new(),
            latencies_reset: Mutex::default(),
            memory: Arc::new(MemoryStore::new(options.memory_limit, options.evict)),
            memory_limit: AtomicUsize::new(options.memory_limit),
            detail: Detail::new(options.prefix_delimiter.unwrap_or(b':')),
            watchers,
            marks: Arc::default(),
            mapping: Mapping::new(config, options.threads),
            sizes: Sizes::default(),
            commit_wanted: AtomicU64::new(0),
            mailboxes: OnceLock::new(),
            logins,
            tls,
            busy: (0..options.threads).map(|_| AtomicU64::new(0)).collect(),
            sweep: AtomicBool::new(false),
            sweep_interval: AtomicU32::new(options.settings.sweep_interval),
            flushes: Mutex::default(),
            options,
            complained: AtomicI64::new(0),
        }
    }

    /// Says something to the client whose statement fails.
    pub fn tell_client(&self, message: &str) {
        self.host.tell_client(message);
    }

    pub(super) fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether the daemon or its host is on its way down: what fails then is worth no line in the log.
    pub(super) fn is_ending(&self) -> bool {
        self.stopping() || self.host.is_shutting_down()
    }

    /// Whether transactions stay open across ticks.
    pub(super) fn batches(&self) -> bool {
        let Batch { reads, writes } = self.options.settings.batch;
        reads > 1 || writes > 1
    }

    /// Asks every worker to commit its batch.
    pub(super) fn commit_batches(&self) {
        if self.batches() {
            self.commit_wanted.fetch_add(1, Ordering::Release);
            for mailbox in self.mailboxes.get().into_iter().flatten() {
                mailbox.wake();
            }
        }
    }

    /// Makes every thread look at the flags.
    pub(super) fn wake_all(&self, mailboxes: &[Arc<Mailbox>], acceptor: &mio::Waker) {
        for mailbox in mailboxes {
            mailbox.wake();
        }
        let _ = acceptor.wake();
        self.mapping.wake();
        if let Some((_, waker)) = self.metrics.get() {
            let _ = waker.wake();
        }
        if let Some(logins) = &self.logins {
            logins.wake();
        }
    }

    /// Follows the system's clock, which may be set.
    pub(super) fn follow_clock(&self) {
        self.epoch.store(epoch_of(self.started), Ordering::Relaxed);
    }

    /// Seconds since 1970 at a moment of the steady clock, as the system's clock was when it was last followed.
    pub(super) fn unix_time_at(&self, moment: Moment) -> i64 {
        (self.epoch.load(Ordering::Relaxed) + moment.since(self.started) as i64) / 1_000_000_000
    }

    /// What the histograms counted since the last reset.
    pub(super) fn latencies(&self) -> Snapshot {
        let now = Snapshot::of(self.stats.iter().map(|worker| &worker.latencies));
        now.since(self.latencies_reset.lock().as_ref())
    }

    pub(super) fn uptime_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64 + 1
    }

    pub(super) fn uptime_seconds(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    /// Whether a worker has been in a write phase for so long that it probably waits for a lock.
    pub(super) fn somebody_waits(&self) -> bool {
        let now = self.uptime_ms();
        self.busy
            .iter()
            .map(|since| since.load(Ordering::Relaxed))
            .any(|since| since != 0 && now > since + LOCK_WAIT_SUSPECTED_MS)
    }

    /// Seconds between two sweeps that delete expired rows, 0 for never; takes effect within that time.
    pub fn set_sweep_interval(&self, seconds: u32) {
        self.sweep_interval.store(seconds, Ordering::Relaxed);
    }

    pub(super) fn flush_at(&self, container: ContainerId, at: i64) {
        let mut flushes = self.flushes.lock();
        flushes.retain(|(other, _)| *other != container);
        flushes.push((container, at));
    }

    /// As in memcached, a new flush_all takes the place of an earlier one.
    pub(super) fn cancel_flush(&self, container: ContainerId) {
        self.flushes.lock().retain(|(other, _)| *other != container);
    }

    pub(super) fn flush_is_due(&self) -> bool {
        let now = unix_time();
        self.flushes.lock().iter().any(|(_, at)| *at <= now)
    }

    /// Takes the flushes that are due.
    pub(super) fn due_flushes(&self) -> Vec<ContainerId> {
        let now = unix_time();
        self.flushes.lock().extract_if(.., |(_, at)| *at <= now).map(|(container, _)| container).collect()
    }

    /// Changes the budget of the memory store, in bytes; one that evicts has shrunk to it afterwards.
    pub(super) fn limit_memory(&self, bytes: usize) {
        self.memory.set_limit(bytes);
        self.memory_limit.store(bytes, Ordering::Relaxed);
    }

    /// Logs a warning about a client's request, at most one a second.
    pub(super) fn complain(&self, text: impl FnOnce() -> String) {
        let now = unix_time();
        if !self.is_ending() && self.complained.swap(now, Ordering::Relaxed) != now {
            log::warn!("{}", text());
        }
    }
}

/// Nanoseconds since 1970 at a moment that is past.
fn epoch_of(moment: Moment) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as i64;
    now - moment.elapsed().as_nanos() as i64
}

/// Seconds since 1970.
pub fn unix_time() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64)
}
