//! Metadata locks: a table that is in use is not dropped, truncated or renamed.
//!
//! Users hold it shared (transactions that wrote or locked rows, open cursors), DDL exclusively. Taking and releasing it
//! shared is one atomic operation each. DDL that waits keeps newcomers out, so it is not starved; who already
//! holds the lock shared gets it again without waiting, by cloning the guard.

use super::error::{Error, Result};
use super::interrupt;
use super::table::Table;
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const EXCLUSIVE: usize = 1 << (usize::BITS - 1);

/// The lock, one per table.
#[derive(Default)]
pub(crate) struct Mdl {
    /// Number of shared holders; the top bit: DDL holds the lock or waits for it.
    state: AtomicUsize,
    mutex: Mutex<()>,
    changed: Condvar,
}

impl Mdl {
    fn try_shared(&self) -> bool {
        if self.state.fetch_add(1, Ordering::Acquire) & EXCLUSIVE == 0 {
            return true;
        }
        self.release_shared();
        false
    }

    fn release_shared(&self) {
        if self.state.fetch_sub(1, Ordering::Release) == EXCLUSIVE + 1 {
            let _guard = self.mutex.lock();
            self.changed.notify_all();
        }
    }

    fn lock_shared(&self, deadline: Instant) -> Result<()> {
        let mut guard = self.mutex.lock();
        loop {
            // The bit is only set with the mutex held.
            if self.state.load(Ordering::Acquire) & EXCLUSIVE == 0 {
                self.state.fetch_add(1, Ordering::Acquire);
                return Ok(());
            }
            self.wait(&mut guard, deadline)?;
        }
    }

    /// Waits for a change. An error: the time is over, or the statement was killed.
    fn wait(&self, guard: &mut MutexGuard<'_, ()>, deadline: Instant) -> Result<()> {
        self.changed.wait_until(guard, interrupt::next_look(deadline));
        if interrupt::is_interrupted() {
            return Err(Error::Interrupted);
        }
        if Instant::now() >= deadline { Err(Error::LockWaitTimeout) } else { Ok(()) }
    }

    fn lock_exclusive(&self, deadline: Instant) -> Result<()> {
        let mut guard = self.mutex.lock();
        while self.state.load(Ordering::Acquire) & EXCLUSIVE != 0 {
            self.wait(&mut guard, deadline)?;
        }
        self.state.fetch_or(EXCLUSIVE, Ordering::AcqRel);
        while self.state.load(Ordering::Acquire) != EXCLUSIVE {
            if let Err(error) = self.wait(&mut guard, deadline) {
                self.state.fetch_and(!EXCLUSIVE, Ordering::Release);
                self.changed.notify_all();
                return Err(error);
            }
        }
        Ok(())
    }

    fn release_exclusive(&self) {
        let _guard = self.mutex.lock();
        self.state.fetch_and(!EXCLUSIVE, Ordering::Release);
        self.changed.notify_all();
    }
}

/// A table held shared.
pub(crate) struct Shared(Arc<Table>);

impl Shared {
    /// Waits for DDL until `deadline`. [`Error::NoSuchTable`]: the table was dropped, truncated or renamed.
    pub(crate) fn acquire(table: &Arc<Table>, deadline: impl FnOnce() -> Instant) -> Result<Shared> {
        if !table.mdl().try_shared() {
            table.mdl().lock_shared(deadline())?;
        }
        let held = Shared(table.clone());
        if table.is_gone() {
            return Err(table.no_such_table());
        }
        Ok(held)
    }

    #[inline]
    pub(crate) fn table(&self) -> &Arc<Table> {
        &self.0
    }
}

impl Clone for Shared {
    fn clone(&self) -> Shared {
        self.0.mdl().state.fetch_add(1, Ordering::Acquire);
        Shared(self.0.clone())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.0.mdl().release_shared();
    }
}

/// A table held exclusively.
pub(crate) struct Exclusive(Arc<Table>);

impl Exclusive {
    /// Waits for all users until `deadline`.
    pub(crate) fn acquire(table: &Arc<Table>, deadline: Instant) -> Result<Exclusive> {
        table.mdl().lock_exclusive(deadline)?;
        let held = Exclusive(table.clone());
        if table.is_gone() {
            return Err(table.no_such_table());
        }
        Ok(held)
    }
}

impl Exclusive {
    #[inline]
    pub(crate) fn table(&self) -> &Arc<Table> {
        &self.0
    }

    /// The table for a transaction of the holder, who lets it end before he lets go.
    pub(crate) fn share(&self) -> Shared {
        self.0.mdl().state.fetch_add(1, Ordering::Acquire);
        Shared(self.0.clone())
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        self.0.mdl().release_exclusive();
    }
}
