//! Checkpoints: the memory table's way to the tables on disk.
//!
//! 1. The leader of a round of commits finds the active generation or the log full: it goes on in the next log file, which was
//!    made before, freezes the generation and begins an empty one.
//! 2. The checkpoint's thread writes the frozen rows to fjall, keyspace by keyspace, sorted and without a journal.
//! 3. It lets go of the frozen generation and deletes the log files from before step 1.
//!
//! A generation that is half full and that nobody has written to for some seconds goes the same way, so that a quiet server has its rows
//! in memory once, and little to read back: the checkpoint's thread does step 1 then, as the leader of a round without records.
//!
//! A crash in between costs nothing: the log has every row until it is on disk, and to write a row twice is to write it once.
//! Commits that come while the second generation fills before the first is on disk are held up by the milliseconds (`progress`). One that
//! would fill it waits, but not for ever: after [`PATIENCE`] it fails,
//! and those behind it fail at once until the checkpoint is over, so that their threads can answer others meanwhile.

use super::inner::Inner;
use super::keyspace::Layers;
use super::memtable::Map;
use super::progress::State;
use super::redo::Failure;
use super::tables::{Disk, Tables};
use crate::refengine::error::{Error, Result, io_error};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A checkpoint begins when the log has this many times the bytes of a full generation.
const LOG_FACTOR: u64 = 2;
/// Time between two attempts of a checkpoint while the disk is full and nobody waits for it.
const RETRY: Duration = Duration::from_secs(1);
/// How long a commit waits for a checkpoint.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the checkpoint's thread looks for tables that were merged while it has nothing to do.
const IDLE: Duration = Duration::from_secs(1);
/// So often in a row it finds that nobody has committed meanwhile before it writes out what is there.
const QUIET: u32 = 5;
/// How often those who wait look whether writes have stopped: whoever stops them may hold any lock, so it only sets a flag.
const LOOK: Duration = Duration::from_millis(100);

impl Inner {
    /// Called by the leader of a round before it writes: begins a checkpoint when it is time, and waits when it is late.
    pub(super) fn make_room(&self) -> Result<()> {
        let (memory, log) = (self.generations.read().active.bytes(), self.redo.len());
        let full = |times: u64| memory >= times * self.memory || log >= times * LOG_FACTOR * self.memory;
        if !full(1) {
            return Ok(());
        }
        let mut state = self.checkpoint.state.lock();
        if state.pending.is_some() && !full(2) {
            if let Some(wait) = state.pace.wait(memory, self.memory) {
                self.checkpoint.done.wait_for(&mut state, wait);
            }
            return Ok(());
        }
        let deadline = Instant::now() + PATIENCE;
        let mut asked = false;
        while state.pending.is_some() {
            self.check_writable()?;
            if let Some(full) = &state.stalled {
                // There may be space by now.
                if std::mem::replace(&mut asked, true) || self.redo.space() < self.memory {
                    return Err(full.clone());
                }
                state.stalled = None;
                self.checkpoint.wake.notify_one();
            }
            if state.late || Instant::now() >= deadline {
                if !std::mem::replace(&mut state.late, true) {
                    log::error!("DM2008: refengine: {}", Error::CheckpointLate(PATIENCE));
                }
                return Err(Error::CheckpointLate(PATIENCE));
            }
            self.checkpoint.done.wait_for(&mut state, LOOK);
        }
        self.begin(&mut state)
    }

    /// Begins a checkpoint. The caller leads a round, and there is no other checkpoint.
    fn begin(&self, state: &mut State) -> Result<()> {
        match self.redo.rotate() {
            Ok(last) => {
                self.freeze();
                state.pending = Some(last);
                self.checkpoint.wake.notify_one();
                Ok(())
            }
            // The record may still fit into the file that is there.
            Err(Failure::Refused(error)) => {
                log::warn!("DM2009: refengine: the redo log cannot be rotated: {error}");
                Ok(())
            }
            Err(Failure::Unknown(error)) => {
                self.poison(&error);
                self.check_writable()
            }
        }
    }

    /// Begins a checkpoint of a generation that is not full, unless somebody commits.
    pub(super) fn begin_early(&self) {
        let rounds = self.rounds.lock();
        if rounds.leading || rounds.members > 0 {
            return;
        }
        // Who writes next is told why it failed; where writes have stopped the log has all.
        let _ = self.lead(rounds, || {
            let mut state = self.checkpoint.state.lock();
            // One that waits for space, or that was begun meanwhile, has its generation still.
            if state.pending.is_some() {
                return Ok(());
            }
            self.check_writable()?;
            self.begin(&mut state)
        });
        self.rounds.lock().leading = false;
        self.decided.notify_all();
    }

    /// Puts an empty generation in the place of the active one, which freezes.
    pub(super) fn freeze(&self) {
        let mut generations = self.generations.write();
        let next = Arc::new(generations.active.next(&self.sequence));
        for keyspace in self.keyspaces.read().values() {
            let mut layers = keyspace.0.layers.write();
            let full = std::mem::replace(&mut layers.active, next.add(keyspace.number()));
            layers.frozen = Some(full);
        }
        let frozen = std::mem::replace(&mut generations.active, next);
        generations.frozen = Some(frozen);
    }

    /// The body of the checkpoint's thread.
    pub(super) fn write_checkpoints(&self) {
        self.redo.prepare();
        // Whether the log says that the disk is full.
        let mut told = false;
        let mut quiet = Quiet::default();
        let mut state = self.checkpoint.state.lock();
        loop {
            match state.pending {
                Some(last) => {
                    drop(state);
                    // The log goes first: the tables are written one after the other, so without it a machine that stops in
                    // between would leave parts of transactions.
                    let start = Instant::now();
                    self.redo.prepare();
                    let written = self.sync().and_then(|()| self.write_frozen(last));
                    state = self.checkpoint.state.lock();
                    state.pace.last = start.elapsed();
                    self.checkpoint.done.notify_all();
                    state.late = false;
                    // After a failure the rows stay in memory and in the log.
                    match written {
                        Ok(()) => (state.pending, state.stalled, told) = (None, None, false),
                        Err(full @ Error::DiskFull(_)) => {
                            if !std::mem::replace(&mut told, true) {
                                log::warn!("DM2010: refengine: a checkpoint waits for space: {full}");
                            }
                            state.stalled = Some(full);
                            if state.stop {
                                return;
                            }
                            self.checkpoint.wake.wait_for(&mut state, RETRY);
                        }
                        Err(error) => {
                            self.poison(&error);
                            return;
                        }
                    }
                }
                None if state.stop => return,
                None => {
                    if self.checkpoint.wake.wait_for(&mut state, IDLE).timed_out() {
                        drop(state);
                        self.follow();
                        let half_full = self.generations.read().active.bytes() >= self.memory / 2;
                        if quiet.is_long(self.redo.position()) && half_full {
                            self.begin_early();
                        }
                        state = self.checkpoint.state.lock();
                    }
                }
            }
        }
    }

    /// What found rows in tables that were merged is not needed any more.
    fn follow(&self) {
        let keyspaces: Vec<_> = self.keyspaces.read().values().cloned().collect();
        // Of all of them.
        if keyspaces.iter().fold(false, |any, keyspace| Disk::follow(keyspace.stored()) | any) {
            give_back();
            self.count_resident();
        }
    }

    /// Writes everything out; nobody commits any more, and the checkpoint's thread has ended.
    pub(super) fn write_out(&self) -> Result<()> {
        self.sync_if_dirty()?;
        // One that was given up because the disk was full.
        if let Some(last) = self.checkpoint.state.lock().pending.take() {
            self.write_frozen(last)?;
        }
        self.redo.close().map_err(|e| io_error("the redo log", &e))?;
        let last = self.redo.number();
        self.freeze();
        self.write_frozen(last)
    }

    /// Compactions change little of the sum, so that it is enough to take it where rows were added.
    pub(super) fn count_resident(&self) {
        let bytes = self.keyspaces.read().values().map(|keyspace| Disk::resident(keyspace.stored())).sum();
        self.resident.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn write_frozen(&self, last: u64) -> Result<()> {
        let Some(frozen) = self.generations.read().frozen.clone() else { return Ok(()) };
        #[cfg(test)]
        self.meet(super::inner::Place::Checkpoint);
        // With half of the log, rows on disk would be newer than those that are read back over them.
        self.sync()?;
        let keyspaces: Vec<_> = self.keyspaces.read().values().cloned().collect();
        for keyspace in keyspaces {
            if let Some(map) = frozen.map(keyspace.number()) {
                write(keyspace.stored(), &map)?;
            }
        }
        let mut generations = self.generations.write();
        generations.frozen = None;
        for keyspace in self.keyspaces.read().values() {
            let Layers { frozen, .. } = &mut *keyspace.0.layers.write();
            *frozen = None;
        }
        drop(generations);
        drop(frozen);
        give_back();
        self.count_resident();
        self.redo.forget(last).map_err(|e| io_error("an old redo log cannot be deleted", &e))
    }
}

/// How often in a row the log was found at the same place.
#[derive(Default)]
struct Quiet {
    position: u64,
    times: u32,
}

impl Quiet {
    fn is_long(&mut self, position: u64) -> bool {
        self.times = if position == self.position { self.times.saturating_add(1) } else { 0 };
        self.position = position;
        self.times >= QUIET
    }
}

/// Gives freed memory back to the system. The rows of a generation lie scattered between others, and the allocator would
/// keep their memory for the next one, which the row cache uses meanwhile.
fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it only releases what nobody uses.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Writes rows to a keyspace's tables, on disk when it returns.
pub(super) fn write(rows: &<Disk as Tables>::Rows, map: &Map) -> Result<()> {
    if map.is_empty() {
        return Ok(());
    }
    Disk::write(rows, map.all())
}

#[cfg(test)]
mod tests;
