//! What the storage's threads share, and how it stops taking writes.

use super::keyspace::Keyspace;
use super::memtable::{Generation, Sequence};
use super::progress::Checkpoint;
use super::redo::Redo;
use super::rounds::Rounds;
use super::tables::Disk;
use crate::refengine::error::{Error, Result};
use parking_lot::{Condvar, Mutex, RwLock};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The memory table. Changed with nothing applying: by the leader of a round of commits, or by the checkpoint.
pub(super) struct Generations {
    pub(super) active: Arc<Generation>,
    /// What a checkpoint writes to disk.
    pub(super) frozen: Option<Arc<Generation>>,
}

#[derive(Default)]
pub(super) struct Timer {
    pub(super) stop: Mutex<bool>,
    pub(super) wake: Condvar,
}

/// `refengine_fail_commits`: commits that are still to fail, and how many did since it was set.
#[derive(Default)]
pub(super) struct Faults {
    pub(super) left: u64,
    pub(super) injected: u64,
}

/// Where a test lets a thread panic.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Leader,
    Checkpoint,
}

/// Shared with our threads. Locks are taken in the order generations, keyspaces, layers.
pub(super) struct Inner {
    pub(super) tables: Disk,
    pub(super) redo: Redo,
    /// See `sizes`.
    pub(super) sizes: Keyspace,
    pub(super) keyspaces: RwLock<BTreeMap<String, Keyspace>>,
    pub(super) generations: RwLock<Generations>,
    pub(super) sequence: Sequence,
    /// Bytes of a full generation.
    pub(super) memory: u64,
    /// Bytes of all generations.
    pub(super) in_memory: Arc<AtomicU64>,
    /// Bytes that find rows on disk, as they were behind the last checkpoint.
    pub(super) resident: AtomicU64,
    pub(super) last_number: AtomicU64,
    pub(super) level: AtomicU8,
    pub(super) rounds: Mutex<Rounds>,
    pub(super) decided: Condvar,
    pub(super) checkpoint: Checkpoint,
    /// The failure because of which writes are refused.
    pub(super) poisoned: OnceLock<String>,
    /// Something was committed at level 0 or 2 since the last sync.
    pub(super) dirty: AtomicBool,
    pub(super) timer: Timer,
    pub(super) faults: Mutex<Faults>,
    #[cfg(test)]
    pub(super) defect: Mutex<Option<Place>>,
}

impl Inner {
    #[cfg(test)]
    pub(super) fn meet(&self, place: Place) {
        assert!(*self.defect.lock() != Some(place), "a defect that the test asked for");
    }

    pub(super) fn check_writable(&self) -> Result<()> {
        match self.poisoned.get() {
            None => Ok(()),
            Some(why) => Err(Error::WritesStopped(why.clone())),
        }
    }

    pub(super) fn poison(&self, error: &dyn std::fmt::Display) {
        if self.poisoned.set(error.to_string()).is_ok() {
            log::error!("DM2011: refengine: a write failed, only reads go on: {error}");
        }
    }

    /// `Some`: this commit is to fail; `true` for the first, third and so on, which must write nothing.
    pub(super) fn take_fault(&self) -> Option<bool> {
        let mut faults = self.faults.lock();
        faults.left = faults.left.checked_sub(1)?;
        faults.injected += 1;
        Some(faults.injected % 2 == 1)
    }

    pub(super) fn sync(&self) -> Result<()> {
        self.redo.sync().map_err(|error| {
            self.poison(&error);
            Error::Storage(error.to_string())
        })
    }

    pub(super) fn sync_if_dirty(&self) -> Result<()> {
        if self.dirty.swap(false, Ordering::AcqRel) { self.sync() } else { Ok(()) }
    }

    pub(super) fn sync_each_second(&self) {
        let mut stop = self.timer.stop.lock();
        while !*stop {
            if self.timer.wake.wait_for(&mut stop, Duration::from_secs(1)).timed_out() {
                // The failure is logged by `poison` and told to every later write.
                let _ = self.sync_if_dirty();
            }
        }
    }
}
