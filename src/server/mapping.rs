//! The newest configuration of containers, and what is wanted of the thread that reads it.
//!
//! Reading it may wait for locks, so nobody but the reader reads, in a session of its own: a worker's batch is none of its business, and
//! it is none of theirs. Others give it orders: read everything again (a client's order, or a table that does not suit its container), or
//! look for names that are not known yet. Orders that come while it reads are carried out together, next.
//!
//! ```text
//!   worker ─┐ order, wait a little                ┌─► newest configuration ─► workers take it over between two ticks
//!   SET ────┴────────────────────────► reader ────┤
//!                                                 └─► once all of them have: memory of old mappings goes, SET returns
//! ```

use crate::host::HostError;
use crate::store::{Config, ConfigError};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a worker waits for a reading, which usually takes about a millisecond. While the reader itself waits for longer, nobody waits
/// for it at all.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long a name that has no row is not looked for again.
const UNKNOWN_FOR: Duration = Duration::from_secs(1);

/// Names that are remembered for having no row.
const UNKNOWN_MAX: usize = 1024;

/// Pause after a reading because of a table that does not suit its container, where that did not help.
const MISFIT_PAUSE: Duration = Duration::from_millis(20);

/// Pauses between readings because clients ask for a container that refuses: it may do so for long. Doubled each time that the reading did
/// not help.
const HEAL_PAUSE_MIN_MS: u64 = 20;
const HEAL_PAUSE_MAX_MS: u64 = 1000;

/// Why an order to reload was not carried out, or not to everybody's satisfaction.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReloadError {
    /// The host gave the reader no session.
    NoSession(HostError),
    /// A defect of the daemon was met.
    Defect,
    /// The configuration tables cannot be used, and everything stays as it was.
    Unusable(ConfigError),
    /// Some rows break rules. The other containers were read again; these refuse their clients.
    Rows(ConfigError),
    /// It is not over yet.
    TakesLong,
    /// It is read, but a worker still runs requests that came before.
    WorkersBusy,
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReloadError::NoSession(error) => write!(f, "the containers stay as they were: {error}"),
            ReloadError::Defect => f.write_str(
                "the containers stay as they were: a defect of the daemon was met while it read its configuration",
            ),
            ReloadError::Unusable(error) => write!(f, "the containers stay as they were: {error}"),
            ReloadError::Rows(error) => write!(f, "{error}; all others were read again"),
            ReloadError::TakesLong => {
                f.write_str("the containers are still being read; does somebody hold locks on their tables?")
            }
            ReloadError::WorkersBusy => {
                f.write_str("the containers were read again, but a request from before still runs with the old ones")
            }
        }
    }
}

impl std::error::Error for ReloadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ReloadError::NoSession(error) => Some(error),
            ReloadError::Unusable(error) | ReloadError::Rows(error) => Some(error),
            _ => None,
        }
    }
}

/// Orders that the reader carries out together.
pub struct Begun {
    /// The number of the last of them.
    pub number: u64,
    /// What it is to read.
    pub order: Order,
    /// Whether it is to find out how large the tables are, too.
    pub measure: bool,
}

/// What the reader is to read next.
pub enum Order {
    /// To read everything again.
    Everything,
    /// To look for containers of these names, if any.
    Names(Vec<Vec<u8>>),
}

/// What is wanted of the reader, and what it did.
struct Orders {
    /// How many were given, and how many of them are carried out.
    given: u64,
    carried_out: u64,
    /// What those that are not carried out want: everything, or these names.
    everything: bool,
    names: Vec<Vec<u8>>,
    measure: bool,
    /// When the reading that is under way began.
    reading_since: Option<Instant>,
    /// What became of the last reading of everything.
    outcome: Result<(), ReloadError>,
    /// Names without a row, and when that was found.
    unknown: HashMap<Vec<u8>, Instant>,
    /// Whether a misfit is the reason for what is ordered; until when it is none.
    mending: bool,
    rest_until: Instant,
    heal_pause_ms: u64,
}

/// The newest configuration. All locks are held for moments only.
pub struct Mapping {
    newest: Mutex<Arc<Config>>,
    /// Number of the newest configuration.
    version: AtomicU64,
    /// By worker: number of the configuration that it works with.
    taken: Box<[AtomicU64]>,
    orders: Mutex<Orders>,
    made: Instant,
    /// Milliseconds after that from which on a container that refuses is a reason to read.
    heal_at_ms: AtomicU64,
    /// Something was ordered, or carried out, or the daemon stops.
    changed: Condvar,
}

impl Mapping {
    /// The configuration that a daemon of so many workers starts with.
    pub fn new(config: Config, workers: usize) -> Mapping {
        Mapping {
            newest: Mutex::new(Arc::new(config)),
            version: AtomicU64::new(0),
            taken: (0..workers).map(|_| AtomicU64::new(0)).collect(),
            orders: Mutex::new(Orders {
                given: 0,
                carried_out: 0,
                everything: false,
                names: Vec::new(),
                measure: false,
                reading_since: None,
                outcome: Ok(()),
                unknown: HashMap::new(),
                mending: false,
                rest_until: Instant::now(),
                heal_pause_ms: HEAL_PAUSE_MIN_MS,
            }),
            made: Instant::now(),
            heal_at_ms: AtomicU64::new(0),
            changed: Condvar::new(),
        }
    }

    /// The newest configuration.
    pub fn newest(&self) -> Arc<Config> {
        Arc::clone(&self.newest.lock())
    }

    /// Whether a worker works with another configuration than the newest.
    #[inline]
    pub fn is_news(&self, worker: usize) -> bool {
        self.taken[worker].load(Ordering::Relaxed) != self.version.load(Ordering::Acquire)
    }

    /// The newest configuration, which the worker takes over: it does nothing more with another one.
    pub fn take(&self, worker: usize) -> Arc<Config> {
        let newest = self.newest.lock();
        self.taken[worker].store(self.version.load(Ordering::Relaxed), Ordering::Release);
        Arc::clone(&newest)
    }

    /// Whether all workers have taken the newest configuration over.
    pub fn is_taken(&self) -> bool {
        let version = self.version.load(Ordering::Acquire);
        self.taken.iter().all(|taken| taken.load(Ordering::Acquire) == version)
    }

    /// Makes a configuration the newest.
    pub fn publish(&self, config: Config) {
        let mut newest = self.newest.lock();
        *newest = Arc::new(config);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Makes the reader look at the daemon's flags.
    pub fn wake(&self) {
        // Whoever is about to wait has looked at them, or sees this.
        let _orders = self.orders.lock();
        self.changed.notify_all();
    }

    /// Gives an order and returns its number.
    fn order(&self, orders: &mut MutexGuard<'_, Orders>) -> u64 {
        orders.given += 1;
        self.changed.notify_all();
        orders.given
    }

    /// Waits a little until an order is carried out, and not at all for a reading that itself takes long.
    fn wait_a_little(&self, mut orders: MutexGuard<'_, Orders>, order: u64, patience: Duration) {
        let until = Instant::now() + patience;
        while orders.carried_out < order {
            let stuck = orders.reading_since.is_some_and(|since| since.elapsed() >= patience);
            if stuck || self.changed.wait_until(&mut orders, until).timed_out() {
                return;
            }
        }
    }

    /// Looks for containers that have been configured since the newest configuration was read, and takes some time over it. A name that has
    /// no row is looked for once a second.
    pub fn look_up(&self, names: &[Vec<u8>]) {
        let newest = self.newest();
        let mut orders = self.orders.lock();
        orders.unknown.retain(|_, since| since.elapsed() < UNKNOWN_FOR);
        let wanted = |name: &&Vec<u8>| newest.find(name).is_none() && !orders.unknown.contains_key(*name);
        let names: Vec<&Vec<u8>> = names.iter().filter(wanted).collect();
        if names.is_empty() {
            return;
        }
        for name in names {
            if !orders.names.contains(name) && orders.names.len() < UNKNOWN_MAX {
                orders.names.push(name.clone());
            }
        }
        let order = self.order(&mut orders);
        self.wait_a_little(orders, order, PATIENCE);
    }

    /// Orders to find out how large the tables are, and waits a little for it.
    pub fn measure(&self, patience: Duration) {
        let mut orders = self.orders.lock();
        orders.measure = true;
        let order = self.order(&mut orders);
        self.wait_a_little(orders, order, patience);
    }

    /// Orders to read everything and waits until that is done.
    ///
    /// # Errors
    /// See [`ReloadError`].
    pub fn reload(&self, patience: Duration) -> Result<(), ReloadError> {
        let until = Instant::now() + patience;
        let mut orders = self.orders.lock();
        orders.everything = true;
        let order = self.order(&mut orders);
        while orders.carried_out < order {
            if self.changed.wait_until(&mut orders, until).timed_out() {
                return Err(ReloadError::TakesLong);
            }
        }
        orders.outcome.clone()
    }

    /// Orders to read everything because some container does not suit its table, unless that did not help a moment ago.
    pub fn mend(&self) {
        self.order_to_mend();
    }

    /// The same; takes some time over it.
    pub fn mend_and_wait(&self) {
        if let Some((orders, order)) = self.order_to_mend() {
            self.wait_a_little(orders, order, PATIENCE);
        }
    }

    fn order_to_mend(&self) -> Option<(MutexGuard<'_, Orders>, u64)> {
        let mut orders = self.orders.lock();
        if orders.mending && orders.given > orders.carried_out {
            // Somebody has found the same.
            let order = orders.given;
            return Some((orders, order));
        }
        if Instant::now() < orders.rest_until {
            return None;
        }
        (orders.mending, orders.everything) = (true, true);
        let order = self.order(&mut orders);
        Some((orders, order))
    }

    /// Whether a container that refuses should be looked at again.
    pub fn may_heal(&self) -> bool {
        self.now_ms() >= self.heal_at_ms.load(Ordering::Relaxed)
    }

    fn now_ms(&self) -> u64 {
        self.made.elapsed().as_millis() as u64
    }

    /// The next orders to carry out. `None`: nothing for now.
    pub fn begin(&self, stopping: impl Fn() -> bool) -> Option<Begun> {
        let mut orders = self.orders.lock();
        if orders.given == orders.carried_out && !stopping() {
            self.changed.wait_for(&mut orders, Duration::from_secs(1));
        }
        if orders.given == orders.carried_out {
            return None;
        }
        orders.reading_since = Some(Instant::now());
        let names = std::mem::take(&mut orders.names);
        let order = if std::mem::take(&mut orders.everything) { Order::Everything } else { Order::Names(names) };
        Some(Begun { number: orders.given, order, measure: std::mem::take(&mut orders.measure) })
    }

    /// A reading of everything is over; `helped` tells whether it changed anything.
    pub fn end_of_everything(&self, order: u64, outcome: Result<(), ReloadError>, helped: bool) {
        let mut orders = self.orders.lock();
        let pause = if std::mem::take(&mut orders.mending) && !helped { MISFIT_PAUSE } else { Duration::ZERO };
        orders.rest_until = Instant::now() + pause;
        orders.heal_pause_ms =
            if helped { HEAL_PAUSE_MIN_MS } else { (orders.heal_pause_ms * 2).min(HEAL_PAUSE_MAX_MS) };
        self.heal_at_ms.store(self.now_ms() + orders.heal_pause_ms, Ordering::Relaxed);
        orders.unknown.clear();
        orders.outcome = outcome;
        self.end(orders, order);
    }

    /// A search for names is over.
    pub fn end_of_names(&self, order: u64, names: Vec<Vec<u8>>) {
        let newest = self.newest();
        let mut orders = self.orders.lock();
        for name in names.into_iter().filter(|name| newest.find(name).is_none()) {
            if orders.unknown.len() < UNKNOWN_MAX {
                orders.unknown.insert(name, Instant::now());
            }
        }
        self.end(orders, order);
    }

    fn end(&self, mut orders: MutexGuard<'_, Orders>, order: u64) {
        orders.reading_since = None;
        orders.carried_out = order;
        self.changed.notify_all();
    }
}
