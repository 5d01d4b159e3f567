//! Durable key-value storage under the engine: a redo log and a memory table of its own in front of sorted tables on disk.
//!
//! ```text
//!   commit ──► redo log ──► memory table ── checkpoint ──► tables on disk (tables, lsm: fjall)
//!              (redo)        (memtable)    (checkpoint)         │
//!   views and look-ups ◄──────────┴─────────────────────────────┘   (view)
//! ```
//!
//! A commit is one record in the log and then a newer version in the memory table; a row that is written again and again costs the tables on
//! disk nothing until the next checkpoint, which writes only its last version, in order. Opening reads the log back (`replay`).
//!
//! How durable a commit is when it returns follows `innodb_flush_log_at_trx_commit`:
//!
//! | level | a commit returns when its changes are | a crash of the process loses | of the machine |
//! |---|---|---|---|
//! | 1 | on disk | nothing | nothing |
//! | 2 | with the operating system | nothing | about the last second |
//! | 0 | in our memory | about the last second | about the last second |
//!
//! Transactions that commit at the same time share one write and one sync: the first becomes the leader and writes for all who
//! are waiting (`commit`). At levels 0 and 2 a timer thread syncs each second.
//!
//! A failed write or sync is final: nobody knows what reached the disk, so every later write is refused until
//! the engine is opened again; reads go on. A full disk is met before anything is written: such a commit did certainly not happen, and later
//! ones may. A checkpoint that finds the disk full is tried again each second.
//!
//! Threads: callers' own, the timer, the checkpoint's, and fjall's worker; ours and fjall's block all signals.

mod checkpoint;
mod commit;
mod files;
mod finder;
mod head;
mod inner;
mod keyspace;
mod lsm;
mod memtable;
#[cfg(any(test, fuzzing))]
pub(crate) mod model;
mod progress;
mod record;
mod redo;
mod replay;
mod rounds;
mod sizes;
pub mod sync_times;
mod tables;
#[cfg(test)]
mod tests;
mod value;
mod verify;
mod view;

use super::error::{Error, Result, io_error};
use super::permissions;
use crate::boundary::catch;
use crate::signals::SignalsBlocked;
pub(crate) use fjall::Slice;
use inner::{Faults, Generations, Inner, Timer};
use keyspace::open_keyspace;
pub(crate) use keyspace::{Change, Keyspace};
use memtable::{Generation, Sequence};
use parking_lot::{Condvar, Mutex, RwLock};
use progress::Checkpoint;
pub(crate) use record::Changes;
use redo::Redo;
#[cfg(any(test, fuzzing))]
pub(crate) use replay::all as log_changes;
pub(crate) use sizes::Size;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use sync_times::SyncTimes;
use tables::{Disk, Tables};
pub(crate) use value::{LARGE, Value};
pub(crate) use verify::name_damage;
pub(crate) use view::{Iter, Snapshot};

/// Directory of the redo log within the storage's.
const REDO_DIR: &str = "redo";
/// Bounds of a generation of the memory table, in bytes.
const MEMORY: std::ops::RangeInclusive<u64> = (1 << 20)..=(64 << 20);
/// Time a clean close gives fjall's threads to end.
const CLOSE_PATIENCE: Duration = Duration::from_secs(60);

/// See the module. Dropping it stops its threads; [`Storage::close`] also makes the next open fast.
pub(crate) struct Storage {
    inner: Arc<Inner>,
    threads: Vec<JoinHandle<()>>,
}

/// Bytes of memory for the storage: for blocks read from disk, on top of a pool of `pool` bytes, and for a generation of
/// the memory table, within it. While a checkpoint is under way there are two of these.
///
/// The row cache does better with memory than the blocks do. But index blocks and filters, about a sixtieth of the data,
/// must not drive each other out.
pub(crate) fn shares(pool: u64) -> (u64, u64) {
    (pool / 16, (pool / 4).clamp(*MEMORY.start(), *MEMORY.end()))
}

impl Storage {
    /// Opens or creates the storage in `dir`. `blocks` and `memory` are the two of [`shares`].
    /// [`Error::Locked`]: another process has it. [`Error::Corrupt`]: its log is damaged.
    pub(crate) fn open(dir: &Path, shares: (u64, u64), level: u8) -> Result<Storage> {
        permissions::privately(|| Storage::open_here(dir, shares, level))
    }

    fn open_here(dir: &Path, (blocks, memory): (u64, u64), level: u8) -> Result<Storage> {
        let _signals = SignalsBlocked::new();
        let tables = Disk::open(dir, blocks)?;
        let generations = Generations { active: Arc::default(), frozen: None };
        let (sequence, last_number) = (Sequence::default(), AtomicU64::new(0));
        let mut keyspaces = BTreeMap::new();
        for name in tables.names() {
            let keyspace = open_keyspace(&tables, &name, &generations.active, &last_number)?;
            keyspaces.insert(name, keyspace);
        }
        let sizes = match keyspaces.get(sizes::KEYSPACE) {
            Some(sizes) => Keyspace::clone(sizes),
            None => open_keyspace(&tables, sizes::KEYSPACE, &generations.active, &last_number)?,
        };
        keyspaces.insert(sizes::KEYSPACE.into(), sizes.clone());
        let redo = open_redo(&dir.join(REDO_DIR), &keyspaces, &sequence, &generations.active)?;
        let in_memory = generations.active.all_bytes().clone();
        let inner = Arc::new(Inner {
            tables,
            redo,
            sizes,
            keyspaces: RwLock::new(keyspaces),
            generations: RwLock::new(generations),
            sequence,
            memory,
            in_memory,
            resident: AtomicU64::new(0),
            last_number,
            level: AtomicU8::new(level),
            rounds: Mutex::default(),
            decided: Condvar::new(),
            checkpoint: Checkpoint::default(),
            poisoned: OnceLock::new(),
            dirty: AtomicBool::new(false),
            timer: Timer::default(),
            faults: Mutex::default(),
            #[cfg(test)]
            defect: Mutex::default(),
        });
        inner.count_resident();
        let mut storage = Storage { inner, threads: Vec::new() };
        storage.spawn("refengine-sync", Inner::sync_each_second)?;
        storage.spawn("refengine-flush", Inner::write_checkpoints)?;
        Ok(storage)
    }

    fn spawn(&mut self, name: &str, body: fn(&Inner)) -> Result<()> {
        let shared = self.inner.clone();
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
            // What the thread was to do is not done any more: nobody may count on it.
            if let Err(defect) = catch(|| body(&shared)) {
                shared.poison(&defect);
            }
        });
        self.threads.push(thread.map_err(|e| Error::Storage(format!("cannot start a thread: {e}")))?);
        Ok(())
    }

    /// Opens or creates a keyspace.
    pub(crate) fn keyspace(&self, name: &str) -> Result<Keyspace> {
        self.inner.check_writable()?;
        let generations = self.inner.generations.read();
        let mut keyspaces = self.inner.keyspaces.write();
        if let Some(open) = keyspaces.get(name) {
            return Ok(open.clone());
        }
        let (tables, last_number) = (&self.inner.tables, &self.inner.last_number);
        let keyspace = permissions::privately(|| open_keyspace(tables, name, &generations.active, last_number))?;
        keyspaces.insert(name.into(), keyspace.clone());
        Ok(keyspace)
    }

    /// The names of keyspaces that others than the storage itself opened, now or in an earlier life.
    pub(crate) fn keyspace_names(&self) -> Vec<String> {
        self.inner.keyspaces.read().keys().filter(|name| *name != sizes::KEYSPACE).cloned().collect()
    }

    /// Deletes a keyspace; its files go when the last handle to it does. No other one must get its name: the log may still have its rows.
    pub(crate) fn delete_keyspace(&self, keyspace: Keyspace) -> Result<()> {
        // Left behind it is a few bytes that nobody reads, and a full disk must not keep files from going.
        let _ = self.inner.forget_size(&keyspace);
        let generations = self.inner.generations.read();
        self.inner.keyspaces.write().remove(keyspace.name());
        generations.active.remove(keyspace.number());
        if let Some(frozen) = &generations.frozen {
            frozen.remove(keyspace.number());
        }
        self.inner.tables.delete(keyspace.stored())
    }

    /// Reads the sums of a keyspace that an earlier open left. Where an earlier version left none, they are estimated for rows that have
    /// `entries` entries each.
    pub(crate) fn find_size(&self, keyspace: &Keyspace, entries: u64) -> Result<()> {
        let kept = self.inner.sizes.get(keyspace.name().as_bytes())?;
        let size = match kept {
            Some(value) => {
                Size::decode(&value).ok_or_else(|| Error::Corrupt(format!("the size of {}", keyspace.name())))?
            }
            None => {
                let (on_disk, bytes) = Disk::extent(keyspace.stored());
                let all = on_disk + keyspace.active().len() as u64;
                Size { rows: all.div_ceil(entries.max(1)) as i64, bytes: bytes as i64 }
            }
        };
        keyspace.set_size(size);
        Ok(())
    }

    /// Corrects the sums of a keyspace, whose rows were counted, by that much.
    pub(crate) fn correct_size(&self, keyspace: &Keyspace, by: Size) -> Result<()> {
        if by.is_nothing() { Ok(()) } else { self.commit(Vec::new(), &[(keyspace.clone(), by)]) }
    }

    /// A consistent view of all keyspaces.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot::new(&self.inner)
    }

    /// The explanation, once a write has failed.
    pub(crate) fn check_writable(&self) -> Result<()> {
        self.inner.check_writable()
    }

    /// Commits a transaction at the level that is set. [`Error::Storage`]: nothing was written.
    /// [`Error::CommitUnknown`]: it may or may not be there after the next open.
    /// `grown`: by how much keyspaces have more or fewer rows afterwards.
    pub(crate) fn commit(&self, changes: impl Changes, grown: &[(Keyspace, Size)]) -> Result<()> {
        self.inner.check_writable()?;
        match self.inner.take_fault() {
            None => self.inner.commit(changes, grown, self.inner.level.load(Ordering::Relaxed)),
            Some(odd) => {
                if !odd {
                    self.inner.commit(changes, grown, 1)?;
                }
                Err(Error::CommitUnknown("refengine_fail_commits asked for it".into()))
            }
        }
    }

    /// Commits and syncs, whatever the level: for the catalog.
    pub(crate) fn commit_durably(&self, changes: impl Changes, grown: &[(Keyspace, Size)]) -> Result<()> {
        self.inner.check_writable()?;
        self.inner.commit(changes, grown, 1)
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

    /// Bytes that the memory table takes.
    pub(crate) fn memory(&self) -> u64 {
        self.inner.in_memory.load(Ordering::Relaxed)
    }

    /// Bytes that find rows on disk: indexes and filters, about 4 for each row of 100 bytes.
    pub(crate) fn resident(&self) -> u64 {
        self.inner.resident.load(Ordering::Relaxed)
    }

    /// How often the log was synced since the open.
    pub(crate) fn log_syncs(&self) -> u64 {
        self.inner.redo.sync_times().total()
    }

    /// How long those syncs took.
    pub(crate) fn sync_times(&self) -> &SyncTimes {
        self.inner.redo.sync_times()
    }

    /// Makes everything durable, writes the memory table out so that the next open has nothing to replay, and
    /// waits until fjall's threads are gone. The handles must be the last ones.
    pub(crate) fn close(mut self, keyspaces: Vec<Keyspace>) -> Result<()> {
        self.stop_threads();
        let written = self.inner.check_writable().and_then(|()| permissions::privately(|| self.inner.write_out()));
        drop(keyspaces);
        let ended = self.inner.tables.ended();
        drop(self);
        let deadline = Instant::now() + CLOSE_PATIENCE;
        while !ended() {
            if Instant::now() > deadline {
                return Err(Error::Storage("the storage's threads did not end".into()));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        written
    }

    fn stop_threads(&mut self) {
        *self.inner.timer.stop.lock() = true;
        self.inner.timer.wake.notify_all();
        self.inner.checkpoint.stop();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                log::error!("DM2006: refengine: a thread of the storage ended with a defect");
            }
        }
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.stop_threads();
        if let Err(error) = self.inner.sync_if_dirty() {
            log::error!("DM2007: refengine: the last sync failed: {error}");
        }
    }
}

/// Reads the log into the memory table and begins a new file. Changes of keyspaces that were deleted since are left out.
fn open_redo(
    dir: &Path,
    keyspaces: &BTreeMap<String, Keyspace>,
    sequence: &Sequence,
    generation: &Generation,
) -> Result<Redo> {
    let failed = |e| io_error(&format!("the redo log in {}", dir.display()), &e);
    if !dir.try_exists().map_err(failed)? {
        permissions::create_dir(dir).and_then(|()| redo::close(dir)).map_err(failed)?;
        dir.parent().map_or(Ok(()), files::sync_dir).map_err(failed)?;
    }
    if !redo::is_closed(dir).map_err(failed)? {
        replay::require_start(dir)?;
    }
    let end = replay::replay(dir, |name, key, value| {
        if let Some(keyspace) = keyspaces.get(name) {
            Value::lend(value, |value| {
                sequence.apply(generation, |commit| commit.put(&keyspace.active(), std::iter::once((key, value))));
            });
        }
        Ok(())
    })?;
    let redo = Redo::begin(dir, end.number, end.position).map_err(failed)?;
    redo::reopen(dir).map_err(failed)?;
    Ok(redo)
}
