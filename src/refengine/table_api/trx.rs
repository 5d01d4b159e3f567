//! Entries 24 to 28, 39, 44 and 48: transactions.

use super::handle::{Fail, Idle, MISUSED, Outcome, Pooled, entry, object};
use crate::bindings::{ib_bool_t, ib_crsr_t, ib_trx, ib_trx_level_t, ib_trx_t};
use crate::boundary::{Handle, from_handle, guard, into_handle};
use crate::refengine::core::serving;
use crate::refengine::trx::Trx;
use crate::refengine::types::Isolation;
use crate::refengine::variables::Var;
use std::cell::RefCell;
use std::os::raw::c_void;
use std::sync::Arc;
use std::thread::LocalKey;

/// A transaction object.
#[derive(Default)]
pub(crate) struct TrxHandle {
    /// The transaction, which holds on to its engine from its first start until the object is released.
    trx: Option<Trx>,
    /// Whether it is started.
    runs: bool,
    /// Open cursors that are bound to it, as C has them; they are unbound when it ends.
    cursors: Vec<ib_crsr_t>,
    /// Unix time of its last start, in seconds.
    started: u64,
}

impl Handle for ib_trx {
    type Object = TrxHandle;
}

thread_local! {
    static IDLE: Idle<TrxHandle> = const { RefCell::new(Vec::new()) };
}

impl Pooled for TrxHandle {
    fn idle() -> &'static LocalKey<Idle<TrxHandle>> {
        &IDLE
    }

    fn clear(&mut self) {
        self.rollback();
        self.trx = None;
    }
}

impl TrxHandle {
    #[inline]
    pub(super) fn running(&mut self) -> Result<&mut Trx, Fail> {
        self.trx.as_mut().filter(|_| self.runs).ok_or(MISUSED)
    }

    pub(super) fn started(&self) -> Result<&Trx, Fail> {
        self.trx.as_ref().filter(|_| self.runs).ok_or(MISUSED)
    }

    pub(super) fn bind(&mut self, cursor: ib_crsr_t) {
        self.cursors.push(cursor);
    }

    pub(super) fn unbind(&mut self, cursor: ib_crsr_t) {
        self.cursors.retain(|bound| *bound != cursor);
    }

    pub(super) fn cursors(&self) -> &[ib_crsr_t] {
        &self.cursors
    }

    fn start(&mut self, level: ib_trx_level_t, read_write: bool, auto_commit: bool) -> Outcome {
        let isolation = match level {
            // A single plain read is serializable as it is: a snapshot instead of locks.
            3 if auto_commit && !read_write => Isolation::RepeatableRead,
            0 => Isolation::ReadUncommitted,
            1 => Isolation::ReadCommitted,
            2 => Isolation::RepeatableRead,
            3 => Isolation::Serializable,
            _ => return Err(MISUSED),
        };
        if let Ok(running) = self.running() {
            // As in InnoDB it goes on, with the new level from here on; what it may write was settled when it began.
            running.set_isolation(isolation);
            return Ok(());
        }
        let core = serving().ok_or(MISUSED)?;
        let timeout = core.seconds(Var::ApiLockWaitTimeout);
        // Another engine may serve by now.
        let trx = match &mut self.trx {
            Some(trx) if Arc::ptr_eq(trx.core(), &core) => trx,
            trx => trx.insert(Trx::new(core)),
        };
        trx.begin(isolation, read_write, timeout);
        (self.runs, self.started) = (true, now());
        Ok(())
    }

    fn unbind_cursors(&mut self) {
        for cursor in self.cursors.drain(..) {
            // SAFETY: a cursor unbinds itself before it is freed, so those still bound are alive, and nobody
            // else has a reference to one while an entry runs on their thread.
            if let Ok(cursor) = unsafe { object(cursor) } {
                cursor.forget_trx();
            }
        }
    }

    /// Not started from here on, and its cursors have no transaction: what ran, to be ended.
    fn end(&mut self) -> Option<&mut Trx> {
        self.unbind_cursors();
        let runs = std::mem::take(&mut self.runs);
        self.trx.as_mut().filter(|_| runs)
    }

    fn rollback(&mut self) {
        if let Some(trx) = self.end() {
            trx.rollback();
        }
    }

    fn commit(&mut self) -> Outcome {
        let Some(trx) = self.end() else { return Ok(()) };
        let committed = trx.commit();
        // One that was a deadlock's victim is not over by that.
        trx.rollback();
        Ok(committed?)
    }
}

/// Seconds since 1970, from the clock that costs nothing.
fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes only to the local; the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME_COARSE, &mut time) };
    time.tv_sec as u64
}

pub(super) unsafe extern "C" fn trx_begin(level: ib_trx_level_t, read_write: ib_bool_t, auto: ib_bool_t) -> ib_trx_t {
    guard(std::ptr::null_mut(), || {
        let mut handle = TrxHandle::take();
        match handle.start(level, read_write != 0, auto != 0) {
            Ok(()) => into_handle(handle),
            Err(_) => {
                TrxHandle::give(handle);
                std::ptr::null_mut()
            }
        }
    })
}

entry! {
    fn trx_commit(trx: ib_trx_t) {
        // SAFETY: the caller's handle.
        unsafe { object(trx) }?.commit()
    }
}

entry! {
    fn trx_rollback(trx: ib_trx_t) {
        // SAFETY: the caller's handle.
        unsafe { object(trx) }?.rollback();
        Ok(())
    }
}

entry! {
    fn trx_start(
        trx: ib_trx_t,
        level: ib_trx_level_t,
        read_write: ib_bool_t,
        auto_commit: ib_bool_t,
        _thd: *mut c_void,
    ) {
        // SAFETY: the caller's handle.
        unsafe { object(trx) }?.start(level, read_write != 0, auto_commit != 0)
    }
}

entry! {
    fn trx_release(trx: ib_trx_t) {
        // SAFETY: the caller's handle, which is dead after this call.
        let handle = unsafe { from_handle(trx) }.ok_or(MISUSED)?;
        TrxHandle::give(handle);
        Ok(())
    }
}

entry! {
    fn commit_trx(crsr: ib_crsr_t, trx: ib_trx_t) {
        // SAFETY: the caller's handle.
        let bound = unsafe { object(crsr) }?.bound_trx();
        if bound.is_null() || bound != trx {
            return Err(MISUSED);
        }
        // SAFETY: the caller's handle; the reference to the cursor is gone.
        unsafe { object(trx) }?.commit()
    }
}

pub(super) unsafe extern "C" fn trx_get_start_time(trx: ib_trx_t) -> u64 {
    guard(0, || {
        // SAFETY: the caller's handle.
        match unsafe { object(trx) } {
            Ok(handle) if handle.runs => handle.started,
            _ => 0,
        }
    })
}

pub(super) unsafe extern "C" fn trx_read_only(trx: ib_trx_t) -> u32 {
    guard(0, || {
        // SAFETY: the caller's handle.
        match unsafe { object(trx) } {
            Ok(handle) => handle.started().is_ok_and(|trx| !trx.is_read_write()).into(),
            Err(_) => 0,
        }
    })
}
