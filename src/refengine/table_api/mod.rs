//! The callback table of `include/innodb_api.h`, from the engine's side.
//!
//! [`api`] is what `refengine_api` hands out. Entries work on the engine that serves the table (see
//! `Engine::serve_callback_table`), which `trx_begin` and `open_table` look up; a handle then leads to everything else.
//! Handles are boxes whose address is the C pointer; they belong to one thread at a time and come from a pool of the thread
//! that frees them, so that a plain get allocates nothing.
//!
//! Every entry runs behind the panic guard and checks its pointers for NULL. What a code cannot say goes to the log.

mod cursor;
mod settings;
mod trx;
mod tuple;

use super::error::Error;
use crate::bindings::{ib_cb_t, ib_cursor, ib_err, ib_err_t, ib_trx, ib_tuple};
use crate::boundary::{self, Handle};
use cursor::Cursor;
use std::cell::RefCell;
use trx::TrxHandle;
use tuple::Tuple;

/// Idle handles of each kind that a thread keeps.
const POOLED: usize = 32;

/// Result of an entry before it becomes a code.
type Outcome = Result<(), Fail>;

/// A code other than IB_SUCCESS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fail(ib_err_t);

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
                log::error!("refengine: {other}");
                if matches!(other, Error::Corrupt(_)) { ib_err::IB_CORRUPTION } else { ib_err::IB_ERROR }
            }
        })
    }
}

fn code(outcome: Outcome) -> ib_err_t {
    match outcome {
        Ok(()) => ib_err::IB_SUCCESS,
        Err(Fail(code)) => code,
    }
}

/// A NULL pointer, or a handle that cannot do this now.
const MISUSED: Fail = Fail(ib_err::IB_ERROR);

/// Defines an entry that returns a code; the body returns an [`Outcome`].
macro_rules! entry {
    ($(#[$doc:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $body:block) => {
        $(#[$doc])*
        pub(super) unsafe extern "C" fn $name($($arg: $ty),*) -> $crate::bindings::ib_err_t {
            fn body($($arg: $ty),*) -> $crate::refengine::table_api::Outcome $body
            $crate::refengine::table_api::code($crate::boundary::guard(
                Err($crate::refengine::table_api::MISUSED),
                || body($($arg),*),
            ))
        }
    };
}
use entry;

impl Handle for ib_trx {
    type Object = TrxHandle;
}

impl Handle for ib_cursor {
    type Object = Cursor;
}

impl Handle for ib_tuple {
    type Object = Tuple;
}

/// A handle's object.
///
/// # Safety
/// As for [`boundary::object`], which is the contract of `innodb_api.h`.
unsafe fn object<'a, H: Handle>(pointer: *mut H) -> Result<&'a mut H::Object, Fail> {
    // SAFETY: the caller's promise.
    unsafe { boundary::object(pointer) }.ok_or(MISUSED)
}

/// Idle objects of one thread. Boxed, because their addresses are the handles.
#[derive(Default)]
#[expect(clippy::vec_box, reason = "a handle is the address of the box")]
struct Pool {
    trxs: Vec<Box<TrxHandle>>,
    cursors: Vec<Box<Cursor>>,
    tuples: Vec<Box<Tuple>>,
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::new(Pool::default());
}

/// Objects that are used again.
trait Pooled: Default {
    fn pool(pool: &mut Pool) -> &mut Vec<Box<Self>>;

    /// Lets go of everything but memory.
    fn clear(&mut self);

    fn take() -> Box<Self> {
        let idle = POOL.try_with(|pool| Self::pool(&mut pool.borrow_mut()).pop());
        idle.ok().flatten().unwrap_or_default()
    }

    /// Frees an object; a dying thread, which has no pool any more, drops it.
    fn give(mut object: Box<Self>) {
        object.clear();
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            let idle = Self::pool(&mut pool);
            if idle.len() < POOLED {
                idle.push(object);
            }
        });
    }
}

/// The callback table of the process's open engine: all fifty entries.
pub fn api() -> &'static ib_cb_t {
    static TABLE: ib_cb_t = ib_cb_t {
        open_table: Some(cursor::open_table),
        read_row: Some(cursor::read_row),
        insert_row: Some(cursor::insert_row),
        delete_row: Some(cursor::delete_row),
        update_row: Some(cursor::update_row),
        moveto: Some(cursor::moveto),
        cursor_first: Some(cursor::first),
        cursor_next: Some(cursor::next),
        set_match_mode: Some(cursor::set_match_mode),
        sec_search_tuple_create: Some(tuple::sec_search_tuple_create),
        clust_read_tuple_create: Some(tuple::clust_read_tuple_create),
        tuple_delete: Some(tuple::tuple_delete),
        tuple_read_u8: Some(tuple::tuple_read_u8),
        tuple_read_u16: Some(tuple::tuple_read_u16),
        tuple_read_u32: Some(tuple::tuple_read_u32),
        tuple_read_u64: Some(tuple::tuple_read_u64),
        tuple_read_i8: Some(tuple::tuple_read_i8),
        tuple_read_i16: Some(tuple::tuple_read_i16),
        tuple_read_i32: Some(tuple::tuple_read_i32),
        tuple_read_i64: Some(tuple::tuple_read_i64),
        tuple_get_n_cols: Some(tuple::tuple_get_n_cols),
        col_set_value: Some(tuple::col_set_value),
        col_get_value: Some(tuple::col_get_value),
        col_get_meta: Some(tuple::col_get_meta),
        trx_begin: Some(trx::trx_begin),
        trx_commit: Some(trx::trx_commit),
        trx_rollback: Some(trx::trx_rollback),
        trx_start: Some(trx::trx_start),
        trx_release: Some(trx::trx_release),
        cursor_lock: Some(cursor::cursor_lock),
        cursor_close: Some(cursor::cursor_close),
        cursor_new_trx: Some(cursor::cursor_new_trx),
        cursor_reset: Some(cursor::cursor_reset),
        col_get_name: Some(cursor::col_get_name),
        table_truncate: Some(settings::table_truncate),
        open_index_using_name: Some(cursor::open_index_using_name),
        get_cfg: Some(settings::get_cfg),
        set_memcached_sync: Some(settings::set_memcached_sync),
        set_cluster_access: Some(cursor::set_cluster_access),
        commit_trx: Some(trx::commit_trx),
        cfg_trx_level: Some(settings::cfg_trx_level),
        tuple_get_n_user_cols: Some(tuple::tuple_get_n_user_cols),
        set_lock_mode: Some(cursor::set_lock_mode),
        get_idx_field_name: Some(cursor::get_idx_field_name),
        trx_get_start_time: Some(trx::trx_get_start_time),
        bk_commit_interval: Some(settings::bk_commit_interval),
        ut_strerr: Some(settings::ut_strerr),
        cursor_stmt_begin: Some(cursor::cursor_stmt_begin),
        trx_read_only: Some(trx::trx_read_only),
        is_virtual_table: Some(cursor::is_virtual_table),
    };
    &TABLE
}
