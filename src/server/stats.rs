//! Counters. Each worker has its own and is their only writer; readers add them up.

use super::journal::Journal;
use super::latency::Latencies;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($variant:ident $name:literal,)*) => {
        /// What is counted, in the order `stats` shows it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(usize)]
        #[allow(missing_docs)]
        pub enum Counter { $($variant,)* }

        /// Names of the counters in memcached's words.
        pub const NAMES: &[&str] = &[$($name,)*];
        /// The counters themselves.
        pub const ALL: &[Counter] = &[$(Counter::$variant,)*];
    };
}

counters! {
    CmdGet "cmd_get",
    CmdSet "cmd_set",
    CmdFlush "cmd_flush",
    CmdTouch "cmd_touch",
    CmdMeta "cmd_meta",
    GetHits "get_hits",
    GetMisses "get_misses",
    GetExpired "get_expired",
    GetFlushed "get_flushed",
    DeleteMisses "delete_misses",
    DeleteHits "delete_hits",
    IncrMisses "incr_misses",
    IncrHits "incr_hits",
    DecrMisses "decr_misses",
    DecrHits "decr_hits",
    CasMisses "cas_misses",
    CasHits "cas_hits",
    CasBadval "cas_badval",
    TouchHits "touch_hits",
    TouchMisses "touch_misses",
    StoreTooLarge "store_too_large",
    StoreNoMemory "store_no_memory",
    TotalItems "total_items",
    Reclaimed "reclaimed",
    CrawlerReclaimed "crawler_reclaimed",
    ConnYields "conn_yields",
    IdleKicks "idle_kicks",
    OutputKicks "output_kicks",
    OutputLimitKicks "output_limit_kicks",
    InputLimitKicks "input_limit_kicks",
    BytesRead "bytes_read",
    BytesWritten "bytes_written",
    Ticks "ticks",
    Commits "commits",
    AuthCmds "auth_cmds",
    AuthErrors "auth_errors",
    SslHandshakeErrors "ssl_handshake_errors",
    CommitFailures "commit_failures",
    Deadlocks "deadlocks",
    LockTimeouts "lock_wait_timeouts",
    ServerErrors "server_errors",
    UnprintableKeys "unprintable_keys",
}

/// Counters that [`WorkerStats::publish`] looks at together.
const GROUP: usize = 4;

/// Number of counters.
pub const COUNT: usize = NAMES.len();

/// What happened since the last [`WorkerStats::publish`]; what it was before counts again when a tick is run again.
#[derive(Debug, Clone, Copy)]
pub struct Delta([u64; COUNT]);

impl Delta {
    /// Nothing happened.
    pub const ZERO: Delta = Delta([0; COUNT]);

    /// Counts one.
    pub fn one(&mut self, counter: Counter) {
        self.0[counter as usize] += 1;
    }

    /// What was counted.
    #[cfg(test)]
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize]
    }

    /// Counts `n`.
    pub fn add(&mut self, counter: Counter, n: u64) {
        self.0[counter as usize] += n;
    }
}

/// Operations on one container, and what became of some.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContainerCount {
    /// Keys that operations named.
    pub operations: u64,
    /// Keys that were not there when they were read, deleted, counted up or down, touched or compared.
    pub misses: u64,
    /// Operations that the table refused.
    pub errors: u64,
    /// Operations that waited too long for a lock.
    pub lock_timeouts: u64,
}

impl std::ops::AddAssign for ContainerCount {
    fn add_assign(&mut self, other: ContainerCount) {
        self.operations += other.operations;
        self.misses += other.misses;
        self.errors += other.errors;
        self.lock_timeouts += other.lock_timeouts;
    }
}

/// What happened beside the counters since it was last told.
#[derive(Default)]
pub struct Notes {
    /// By table id. Runs that are undone count too.
    pub containers: Vec<ContainerCount>,
    /// What those who watch are to be told.
    pub seen: Journal,
}

/// A worker's counters. Aligned so that two workers share no cache line.
#[derive(Debug)]
#[repr(align(128))]
pub struct WorkerStats {
    counters: [AtomicU64; COUNT],
    /// How long its requests took.
    pub(super) latencies: Latencies,
    /// By table id; locked once a tick by its worker, and by whoever asks for statistics.
    containers: Mutex<Vec<ContainerCount>>,
}

impl WorkerStats {
    /// All zero.
    pub fn new() -> WorkerStats {
        WorkerStats {
            counters: [const { AtomicU64::new(0) }; COUNT],
            latencies: Latencies::new(),
            containers: Mutex::default(),
        }
    }

    /// Adds what happened; only the owning worker calls this.
    pub fn publish(&self, delta: &mut Delta) {
        // A tick counts few of them: most groups are passed over by one look.
        for (totals, news) in self.counters.chunks(GROUP).zip(delta.0.chunks_mut(GROUP)) {
            if news.iter().fold(0, |all, new| all | new) == 0 {
                continue;
            }
            for (total, new) in totals.iter().zip(news) {
                // One writer: a plain load and store lose nothing and cost no locked instruction.
                total.store(total.load(Ordering::Relaxed).wrapping_add(*new), Ordering::Relaxed);
                *new = 0;
            }
        }
    }

    /// Adds what happened to containers, and sets `counts` to nothing; only the owning worker calls this.
    pub fn publish_containers(&self, counts: &mut [ContainerCount]) {
        if counts.is_empty() {
            return;
        }
        let mut totals = self.containers.lock();
        if totals.len() < counts.len() {
            totals.resize(counts.len(), ContainerCount::default());
        }
        for (total, new) in totals.iter_mut().zip(counts) {
            *total += std::mem::take(new);
        }
    }

    /// What happened to the container with that table id.
    pub fn container(&self, id: usize) -> ContainerCount {
        self.containers.lock().get(id).copied().unwrap_or_default()
    }

    /// The present value of a counter.
    pub fn get(&self, counter: Counter) -> u64 {
        self.counters[counter as usize].load(Ordering::Relaxed)
    }
}

impl Default for WorkerStats {
    fn default() -> Self {
        WorkerStats::new()
    }
}
