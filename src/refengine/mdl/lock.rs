//! The lock by itself, which knows no table.

use crate::refengine::error::{Error, Result};
use crate::refengine::interrupt;
use parking_lot::{Condvar, Mutex, MutexGuard};
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
    /// One more shared holder beside one that there is.
    #[inline]
    pub(crate) fn share(&self) {
        self.state.fetch_add(1, Ordering::Acquire);
    }

    pub(crate) fn try_shared(&self) -> bool {
        if self.state.fetch_add(1, Ordering::Acquire) & EXCLUSIVE == 0 {
            return true;
        }
        self.release_shared();
        false
    }

    pub(crate) fn release_shared(&self) {
        if self.state.fetch_sub(1, Ordering::Release) == EXCLUSIVE + 1 {
            let _guard = self.mutex.lock();
            self.changed.notify_all();
        }
    }

    pub(crate) fn lock_shared(&self, deadline: Instant) -> Result<()> {
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

    pub(crate) fn lock_exclusive(&self, deadline: Instant) -> Result<()> {
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

    pub(crate) fn release_exclusive(&self) {
        let _guard = self.mutex.lock();
        self.state.fetch_and(!EXCLUSIVE, Ordering::Release);
        self.changed.notify_all();
    }
}
