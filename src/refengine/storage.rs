//! Durable key-value storage under the engine: fjall, with group commit.
//!
//! How durable a commit is when it returns follows `innodb_flush_log_at_trx_commit`:
//!
//! | level | a commit returns when its changes are | a crash of the process loses | of the machine |
//! |---|---|---|---|
//! | 1 | on disk | nothing | nothing |
//! | 2 | with the operating system | nothing | about the last second |
//! | 0 | in our memory | about the last second | about the last second |
//!
//! At level 1 the transactions that commit at the same time share one batch and one sync: the first becomes the leader and
//! writes for all who are waiting, those who arrive meanwhile form the next round. At levels 0 and 2 a timer thread syncs
//! each second.
//!
//! A failed write or sync is final: nobody knows what reached the disk, so every later write is refused until
//! the engine is opened again; reads go on.
//!
//! Threads: callers' own, the timer, and fjall's workers; ours and fjall's block all signals.

use super::error::{Error, Result};
use super::signals::SignalsBlocked;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Slice, Snapshot};
use parking_lot::{Condvar, Mutex};
use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const WORKERS: usize = 2;
const MAX_JOURNAL: u64 = 64 << 20;
const MAX_MEMTABLE: u64 = 16 << 20;
/// Time a clean close gives the storage to write its memory out, and its threads to end.
const CLOSE_PATIENCE: Duration = Duration::from_secs(60);

/// One changed key.
#[derive(Clone)]
pub(crate) struct Change {
    pub(crate) keyspace: Keyspace,
    pub(crate) key: Slice,
    /// `None` deletes.
    pub(crate) value: Option<Slice>,
}

/// Transactions that commit together at level 1.
#[derive(Default)]
struct Rounds {
    /// Changes of the round that is being filled.
    filling: Vec<Change>,
    /// Number of that round.
    round: u64,
    /// Rounds below this one are decided.
    decided: u64,
    /// Somebody is writing a round.
    leading: bool,
    /// The round whose write failed, ambiguously. Later ones were not written.
    failed: Option<(u64, Error)>,
}

#[derive(Default)]
struct Timer {
    stop: Mutex<bool>,
    wake: Condvar,
}

/// `refengine_fail_commits`: commits that are still to fail, and how many did since it was set.
#[derive(Default)]
struct Faults {
    left: u64,
    injected: u64,
}

/// Shared with the timer thread.
struct Inner {
    db: Database,
    level: AtomicU8,
    rounds: Mutex<Rounds>,
    decided: Condvar,
    /// The sentence that explains why writes are refused.
    poisoned: OnceLock<String>,
    /// Something was committed at level 0 or 2 since the last sync.
    dirty: AtomicBool,
    timer: Timer,
    faults: Mutex<Faults>,
    /// Syncs of the log so far.
    syncs: AtomicU64,
}

/// See the module. Dropping it stops its threads; [`Storage::close`] also makes the next open fast.
pub(crate) struct Storage {
    inner: Arc<Inner>,
    timer: Option<JoinHandle<()>>,
    /// fjall's worker threads.
    workers: HashSet<i32>,
}

pub(crate) fn storage_error(error: fjall::Error) -> Error {
    match error {
        fjall::Error::Io(e) => Error::Storage(e.to_string()),
        fjall::Error::Poisoned => Error::Storage("writes stopped after an earlier failure".into()),
        other => Error::Storage(format!("{other:?}")),
    }
}

impl Storage {
    /// Opens or creates the storage in `dir`. [`Error::Locked`]: another process has it.
    pub(crate) fn open(dir: &Path, block_cache: u64, level: u8) -> Result<Storage> {
        // Threads that appear while nobody else opens a storage are this one's.
        static OPENING: Mutex<()> = Mutex::new(());
        let _one_at_a_time = OPENING.lock();
        let _signals = SignalsBlocked::new();
        let before = thread_ids();
        let db = Database::builder(dir)
            .cache_size(block_cache)
            .worker_threads(WORKERS)
            .max_journaling_size(MAX_JOURNAL)
            .open()
            .map_err(|e| match e {
                fjall::Error::Locked => Error::Locked(dir.display().to_string()),
                other => storage_error(other),
            })?;
        let workers = thread_ids().difference(&before).copied().collect();
        let inner = Arc::new(Inner {
            db,
            level: AtomicU8::new(level),
            rounds: Mutex::default(),
            decided: Condvar::new(),
            poisoned: OnceLock::new(),
            dirty: AtomicBool::new(false),
            timer: Timer::default(),
            faults: Mutex::default(),
            syncs: AtomicU64::new(0),
        });
        let shared = inner.clone();
        let timer = std::thread::Builder::new()
            .name("refengine-sync".into())
            .spawn(move || shared.sync_each_second())
            .map_err(|e| Error::Storage(format!("cannot start a thread: {e}")))?;
        Ok(Storage { inner, timer: Some(timer), workers })
    }

    /// Opens or creates a keyspace.
    pub(crate) fn keyspace(&self, name: &str) -> Result<Keyspace> {
        self.inner.check_writable()?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MAX_MEMTABLE).expect_point_read_hits(true);
        self.inner.db.keyspace(name, options).map_err(storage_error)
    }

    pub(crate) fn keyspace_names(&self) -> Vec<String> {
        self.inner.db.list_keyspace_names().iter().map(|name| name.to_string()).collect()
    }

    /// Deletes a keyspace; its files go when the last handle to it does.
    pub(crate) fn delete_keyspace(&self, keyspace: Keyspace) -> Result<()> {
        self.inner.db.delete_keyspace(keyspace).map_err(storage_error)
    }

    /// A consistent view of all keyspaces.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.inner.db.snapshot()
    }

    /// The explanation, once a write has failed.
    pub(crate) fn check_writable(&self) -> Result<()> {
        self.inner.check_writable()
    }

    /// Commits a transaction at the level that is set. [`Error::Storage`]: nothing was written.
    /// [`Error::CommitUnknown`]: it may or may not be there after the next open.
    pub(crate) fn commit(&self, changes: Vec<Change>) -> Result<()> {
        self.inner.check_writable()?;
        match self.inner.take_fault() {
            None => self.inner.commit(changes, self.inner.level.load(Ordering::Relaxed)),
            Some(odd) => {
                if !odd {
                    self.inner.commit(changes, 1)?;
                }
                Err(Error::CommitUnknown("refengine_fail_commits asked for it".into()))
            }
        }
    }

    /// Commits and syncs, whatever the level: for the catalog.
    pub(crate) fn commit_durably(&self, changes: Vec<Change>) -> Result<()> {
        self.inner.check_writable()?;
        self.inner.commit(changes, 1)
    }

    /// Sets `innodb_flush_log_at_trx_commit`; on the way to 1 everything committed before is synced.
    pub(crate) fn set_level(&self, level: u8) -> Result<()> {
        self.inner.level.store(level, Ordering::Relaxed);
        if level == 1 { self.inner.sync_if_dirty() } else { Ok(()) }
    }

    /// The next `n` commits fail ambiguously, see `variables`.
    pub(crate) fn fail_commits(&self, n: u64) {
        *self.inner.faults.lock() = Faults { left: n, injected: 0 };
    }

    pub(crate) fn faults_left(&self) -> u64 {
        self.inner.faults.lock().left
    }

    /// How often the log was synced since the open.
    pub(crate) fn log_syncs(&self) -> u64 {
        self.inner.syncs.load(Ordering::Relaxed)
    }

    /// Makes everything durable, empties the memtables of `keyspaces` so that the next open has nothing to replay, and
    /// waits until fjall's threads are gone. The handles must be the last ones.
    pub(crate) fn close(mut self, keyspaces: Vec<Keyspace>) -> Result<()> {
        self.stop_timer();
        let written = self.write_out(&keyspaces);
        drop(keyspaces);
        let workers = std::mem::take(&mut self.workers);
        drop(self);
        let deadline = Instant::now() + CLOSE_PATIENCE;
        while workers.iter().any(|id| is_worker(*id)) {
            if Instant::now() > deadline {
                return Err(Error::Storage("the storage's threads did not end".into()));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        written
    }

    fn write_out(&self, keyspaces: &[Keyspace]) -> Result<()> {
        self.inner.check_writable()?;
        self.inner.db.persist(PersistMode::SyncAll).map_err(storage_error)?;
        let deadline = Instant::now() + CLOSE_PATIENCE;
        for keyspace in keyspaces {
            keyspace.rotate_memtable().map_err(storage_error)?;
        }
        // What is not written out by then is in the journal: the next open takes longer, no more.
        while keyspaces.iter().any(|k| k.sealed_memtable_count() > 0) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn stop_timer(&mut self) {
        if let Some(timer) = self.timer.take() {
            *self.inner.timer.stop.lock() = true;
            self.inner.timer.wake.notify_all();
            if timer.join().is_err() {
                log::error!("refengine: the sync thread ended with a defect");
            }
        }
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.stop_timer();
        if let Err(error) = self.inner.sync_if_dirty() {
            log::error!("refengine: the last sync failed: {error}");
        }
    }
}

impl Inner {
    fn check_writable(&self) -> Result<()> {
        match self.poisoned.get() {
            None => Ok(()),
            Some(why) => Err(Error::Storage(why.clone())),
        }
    }

    fn poison(&self, error: &Error) {
        let why =
            format!("no writes are taken since a write failed ({error}); check the disk, then restart the engine");
        if self.poisoned.set(why).is_ok() {
            log::error!("refengine: a write failed, only reads go on: {error}");
        }
    }

    /// `Some`: this commit is to fail; `true` for the first, third and so on, which must write nothing.
    fn take_fault(&self) -> Option<bool> {
        let mut faults = self.faults.lock();
        faults.left = faults.left.checked_sub(1)?;
        faults.injected += 1;
        Some(faults.injected % 2 == 1)
    }

    fn commit(&self, changes: Vec<Change>, level: u8) -> Result<()> {
        if level == 1 {
            return self.commit_in_round(changes);
        }
        let mode = if level == 2 { Some(PersistMode::Buffer) } else { None };
        let written = self.write(changes, mode);
        self.dirty.store(true, Ordering::Release);
        written
    }

    fn write(&self, changes: Vec<Change>, mode: Option<PersistMode>) -> Result<()> {
        if mode == Some(PersistMode::SyncData) {
            self.syncs.fetch_add(1, Ordering::Relaxed);
        }
        let mut batch = self.db.batch().durability(mode);
        for change in changes {
            match change.value {
                Some(value) => batch.insert(&change.keyspace, change.key, value),
                None => batch.remove(&change.keyspace, change.key),
            }
        }
        batch.commit().map_err(|e| {
            let error = storage_error(e);
            self.poison(&error);
            Error::CommitUnknown(error.to_string())
        })
    }

    fn commit_in_round(&self, mut changes: Vec<Change>) -> Result<()> {
        let mut rounds = self.rounds.lock();
        let mine = rounds.round;
        rounds.filling.append(&mut changes);
        loop {
            if rounds.decided > mine {
                return match &rounds.failed {
                    Some((round, error)) if *round == mine => Err(error.clone()),
                    Some((round, _)) if *round < mine => self.check_writable(),
                    _ => Ok(()),
                };
            }
            if rounds.leading {
                self.decided.wait(&mut rounds);
                continue;
            }
            let batch = std::mem::take(&mut rounds.filling);
            let led = rounds.round;
            rounds.round += 1;
            rounds.leading = true;
            let refused = rounds.failed.is_some();
            drop(rounds);
            let written = if refused { Ok(()) } else { self.write(batch, Some(PersistMode::SyncData)) };
            rounds = self.rounds.lock();
            rounds.leading = false;
            rounds.decided = led + 1;
            if let Err(error) = written {
                rounds.failed = Some((led, error));
            }
            self.decided.notify_all();
        }
    }

    fn sync_if_dirty(&self) -> Result<()> {
        if !self.dirty.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        self.db.persist(PersistMode::SyncData).map_err(|e| {
            let error = storage_error(e);
            self.poison(&error);
            error
        })
    }

    fn sync_each_second(&self) {
        let mut stop = self.timer.stop.lock();
        while !*stop {
            if self.timer.wake.wait_for(&mut stop, Duration::from_secs(1)).timed_out() {
                // The failure is logged by `poison` and told to every later write.
                let _ = self.sync_if_dirty();
            }
        }
    }
}

fn thread_ids() -> HashSet<i32> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return HashSet::new() };
    tasks.flatten().filter_map(|task| task.file_name().to_str()?.parse().ok()).collect()
}

fn is_worker(thread: i32) -> bool {
    std::fs::read_to_string(format!("/proc/self/task/{thread}/comm")).is_ok_and(|name| name.trim() == "fjall:worker")
}
