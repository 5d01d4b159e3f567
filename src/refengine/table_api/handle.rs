//! What the entries share: how they end, how they come to a handle's object, and where idle objects are kept.

use crate::bindings::{ib_err, ib_err_t};
use crate::boundary::{self, Handle};
use crate::refengine::error::Error;
use std::cell::RefCell;
use std::thread::LocalKey;

/// Idle handles of each kind that a thread keeps.
const POOLED: usize = 32;

/// Result of an entry before it becomes a code.
pub(super) type Outcome = Result<(), Fail>;

/// A code other than IB_SUCCESS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fail(pub(super) ib_err_t);

impl From<Error> for Fail {
    fn from(error: Error) -> Fail {
        Fail(match &error {
            Error::DuplicateKey { .. } => ib_err::IB_DUPLICATE_KEY,
            Error::LockWaitTimeout => ib_err::IB_LOCK_WAIT_TIMEOUT,
            Error::Deadlock => ib_err::IB_DEADLOCK,
            Error::NoSuchTable { .. } => ib_err::IB_TABLE_NOT_FOUND,
            Error::NullNotAllowed(_) => ib_err::IB_INVALID_NULL,
            Error::ReadOnly | Error::WritesStopped(_) => ib_err::IB_READ_ONLY,
            Error::DiskFull(_) => ib_err::IB_OUT_OF_FILE_SPACE,
            Error::CheckpointLate(_) => ib_err::IB_TOO_MANY_CONCURRENT_TRXS,
            Error::RowTooBig => ib_err::IB_TOO_BIG_RECORD,
            Error::Unsupported(_) => ib_err::IB_UNSUPPORTED,
            other => {
                log::error!("DM2013: refengine: {other}");
                if matches!(other, Error::Corrupt(_)) { ib_err::IB_CORRUPTION } else { ib_err::IB_ERROR }
            }
        })
    }
}

pub(super) fn code(outcome: Outcome) -> ib_err_t {
    match outcome {
        Ok(()) => ib_err::IB_SUCCESS,
        Err(Fail(code)) => code,
    }
}

/// A NULL pointer, or a handle that cannot do this now.
pub(super) const MISUSED: Fail = Fail(ib_err::IB_ERROR);

/// Defines an entry that returns a code; the body returns an [`Outcome`].
macro_rules! entry {
    ($(#[$doc:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $body:block) => {
        $(#[$doc])*
        pub(super) unsafe extern "C" fn $name($($arg: $ty),*) -> $crate::bindings::ib_err_t {
            fn body($($arg: $ty),*) -> $crate::refengine::table_api::handle::Outcome $body
            $crate::refengine::table_api::handle::code($crate::boundary::guard(
                Err($crate::refengine::table_api::handle::MISUSED),
                || body($($arg),*),
            ))
        }
    };
}
pub(super) use entry;

/// A handle's object.
///
/// # Safety
/// As for [`boundary::object`], which is the contract of `innodb_api.h`.
pub(super) unsafe fn object<'a, H: Handle>(pointer: *mut H) -> Result<&'a mut H::Object, Fail> {
    // SAFETY: the caller's promise.
    unsafe { boundary::object(pointer) }.ok_or(MISUSED)
}

/// Idle objects of a kind that one thread keeps. Boxed, because their addresses are the handles.
pub(super) type Idle<T> = RefCell<Vec<Box<T>>>;

/// Objects that are used again.
pub(super) trait Pooled: Default + 'static {
    /// Where the thread keeps them.
    fn idle() -> &'static LocalKey<Idle<Self>>;

    /// Lets go of everything but memory.
    fn clear(&mut self);

    fn take() -> Box<Self> {
        let idle = Self::idle().try_with(|idle| idle.borrow_mut().pop());
        idle.ok().flatten().unwrap_or_default()
    }

    /// Frees an object; a dying thread, which keeps none any more, drops it.
    fn give(mut object: Box<Self>) {
        object.clear();
        let _ = Self::idle().try_with(|idle| {
            let mut idle = idle.borrow_mut();
            if idle.len() < POOLED {
                idle.push(object);
            }
        });
    }
}
