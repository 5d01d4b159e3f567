//! Entries 34, 36, 37, 40, 45, 46 and 53: what needs no cursor or transaction.

use super::handle::{Fail, MISUSED, entry, object};
use crate::bindings::{
    ib_bool_t, ib_cfg, ib_crsr_t, ib_err, ib_err_t, ib_id_u64_t, ib_trx_level, ib_trx_level_t, ib_ulint_t,
};
use crate::boundary::guard;
use crate::refengine::core::serving;
use crate::refengine::variables::Var;
use std::ffi::CStr;
use std::os::raw::{c_char, c_int};

entry! {
    fn table_truncate(name: *const c_char, id: *mut ib_id_u64_t) {
        if name.is_null() {
            return Err(MISUSED);
        }
        // SAFETY: a NUL-terminated string by the table's contract.
        let name = unsafe { CStr::from_ptr(name) };
        let (db, table) = name
            .to_str()
            .ok()
            .and_then(|path| path.split_once('/'))
            .ok_or(Fail(ib_err::IB_TABLE_NOT_FOUND))?;
        let core = serving().ok_or(MISUSED)?;
        let new_id = core.truncate(db, table, core.seconds(Var::ApiLockWaitTimeout))?;
        if !id.is_null() {
            // SAFETY: the caller's output.
            unsafe { *id = new_id };
        }
        Ok(())
    }
}

entry! {
    fn table_size(name: *const c_char, rows: *mut u64, bytes: *mut u64) {
        if name.is_null() || rows.is_null() || bytes.is_null() {
            return Err(MISUSED);
        }
        // SAFETY: a NUL-terminated string by the table's contract.
        let path = unsafe { CStr::from_ptr(name) }.to_bytes();
        let core = serving().ok_or(MISUSED)?;
        let table = core.catalog().by_path(path).ok_or(Fail(ib_err::IB_TABLE_NOT_FOUND))?;
        // SAFETY: the caller's outputs.
        unsafe { (*rows, *bytes) = table.size() };
        Ok(())
    }
}

pub(super) unsafe extern "C" fn table_changes(name: *const c_char) -> *const u64 {
    guard(std::ptr::null(), || match serving() {
        Some(core) if !name.is_null() => {
            // SAFETY: a NUL-terminated string by the table's contract.
            let path = unsafe { CStr::from_ptr(name) }.to_bytes();
            core.catalog().sql_changes().of(path).as_ptr().cast_const()
        }
        _ => std::ptr::null(),
    })
}

pub(super) unsafe extern "C" fn get_cfg() -> c_int {
    guard(0, || {
        let Some(core) = serving() else { return 0 };
        let bits = [
            (Var::EnableBinlog, ib_cfg::IB_CFG_BINLOG_ENABLED),
            (Var::EnableMdl, ib_cfg::IB_CFG_MDL_ENABLED),
            (Var::DisableRowlock, ib_cfg::IB_CFG_DISABLE_ROWLOCK),
        ];
        let set = bits.iter().filter(|(var, _)| core.variable(*var) != 0);
        let own = ib_cfg::IB_CFG_LASTING_TUPLES
            | ib_cfg::IB_CFG_FIELDS
            | ib_cfg::IB_CFG_TABLE_SIZES
            | ib_cfg::IB_CFG_TABLE_CHANGES;
        set.fold(own, |all, (_, bit)| all | *bit) as c_int
    })
}

entry! {
    fn set_memcached_sync(crsr: ib_crsr_t, on: ib_bool_t) {
        // SAFETY: the caller's handle.
        let guard = unsafe { object(crsr) }?.guard()?;
        let core = serving().ok_or(MISUSED)?;
        if on != 0 {
            core.announce(guard);
        } else {
            core.withdraw(guard);
        }
        Ok(())
    }
}

pub(super) unsafe extern "C" fn cfg_trx_level() -> ib_trx_level_t {
    guard(ib_trx_level::IB_TRX_READ_UNCOMMITTED, || {
        serving().map_or(0, |core| core.variable(Var::TrxLevel)) as ib_trx_level_t
    })
}

pub(super) unsafe extern "C" fn bk_commit_interval() -> ib_ulint_t {
    guard(5, || serving().map_or(5, |core| core.variable(Var::BkCommitInterval)) as ib_ulint_t)
}

pub(super) unsafe extern "C" fn ut_strerr(err: ib_err_t) -> *const c_char {
    let name = match err {
        ib_err::IB_SUCCESS_LOCKED_REC => c"Success, record locked",
        ib_err::IB_SUCCESS => c"Success",
        ib_err::IB_ERROR => c"Generic error",
        ib_err::IB_INTERRUPTED => c"Operation interrupted",
        ib_err::IB_OUT_OF_MEMORY => c"Cannot allocate memory",
        ib_err::IB_OUT_OF_FILE_SPACE => c"Out of disk space",
        ib_err::IB_LOCK_WAIT => c"Lock wait",
        ib_err::IB_DEADLOCK => c"Deadlock",
        ib_err::IB_ROLLBACK => c"Rollback",
        ib_err::IB_DUPLICATE_KEY => c"Duplicate key",
        ib_err::IB_TABLE_NOT_FOUND => c"Table not found",
        ib_err::IB_TOO_BIG_RECORD => c"Record too big",
        ib_err::IB_LOCK_WAIT_TIMEOUT => c"Lock wait timeout",
        ib_err::IB_NO_REFERENCED_ROW => c"Referenced key value not found",
        ib_err::IB_ROW_IS_REFERENCED => c"Row is referenced",
        ib_err::IB_CORRUPTION => c"Data structure corruption",
        ib_err::IB_TOO_MANY_CONCURRENT_TRXS => c"The disk does not keep up with the writes",
        ib_err::IB_UNSUPPORTED => c"Unsupported",
        ib_err::IB_INVALID_NULL => c"NULL value encountered in NOT NULL column",
        ib_err::IB_READ_ONLY => c"Read only transaction",
        ib_err::IB_RECORD_NOT_FOUND => c"Record not found",
        ib_err::IB_END_OF_INDEX => c"End of index",
        ib_err::IB_NOT_FOUND => c"Not found",
        ib_err::IB_DATA_MISMATCH => c"Data mismatch",
        _ => c"Unknown error",
    };
    name.as_ptr()
}
