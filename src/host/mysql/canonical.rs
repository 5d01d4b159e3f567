//! The canonical table over [`super::native`]: the one place where signatures, booleans and codes of MySQL 8.0 and later are
//! translated.

use super::native;
use super::session::current_thd;
use crate::bindings::*;
use crate::host::HostError;
use std::ffi::{c_char, c_int, c_void};
use std::ptr;

/// Codes that have other numbers there, 8.0 and later first. Every other number means the same, or nothing that the daemon
/// tells apart.
const CODES: [(c_int, ib_err::Type); 9] = [
    (15, ib_err::IB_OUT_OF_FILE_SPACE),
    (16, ib_err::IB_LOCK_WAIT),
    (17, ib_err::IB_DEADLOCK),
    (18, ib_err::IB_ROLLBACK),
    (19, ib_err::IB_DUPLICATE_KEY),
    (1501, ib_err::IB_END_OF_INDEX),
    (1502, ib_err::IB_END_OF_INDEX),
    (1503, ib_err::IB_NOT_FOUND),
    (1504, ib_err::IB_NOT_FOUND),
];

/// Codes that the daemon acts on, in the server's numbers, and a word of their names: asked at the start, so that a server which
/// numbers them otherwise is found out before a row is touched.
const NAMES: [(c_int, &str); 13] = [
    (10, "success"),
    (11, "error"),
    (12, "interrupted"),
    (16, "lock wait"),
    (17, "deadlock"),
    (18, "rollback"),
    (19, "duplicate"),
    (31, "table not found"),
    (35, "lock wait timeout"),
    (49, "null"),
    (57, "read only"),
    (1500, "record not found"),
    (1502, "end of index"),
];

fn code(native: c_int) -> ib_err::Type {
    match native {
        10 => ib_err::IB_SUCCESS,
        other => CODES.iter().find(|(from, _)| *from == other).map_or(other.cast_unsigned(), |(_, to)| *to),
    }
}

/// Asks the server for the names of the codes that the daemon acts on.
///
/// # Errors
/// One has another name.
pub fn check_codes() -> Result<(), HostError> {
    for (number, word) in NAMES {
        // SAFETY: any number is allowed; the answer is null or a constant string.
        let name = unsafe { native::ut_strerr(number).as_ref().map(|name| std::ffi::CStr::from_ptr(name)) };
        let name = name.map_or_else(String::new, |name| name.to_string_lossy().to_lowercase());
        if !name.contains(word) {
            return Err(HostError::OtherCode { number, name, word });
        }
    }
    Ok(())
}

/// Entries that only pass on, with the code translated where there is one.
macro_rules! pass {
    ($($name:ident($($arg:ident: $ty:ty),*) $(-> $ret:ty)?;)*) => {
        $(unsafe extern "C" fn $name($($arg: $ty),*) $(-> $ret)? {
            // SAFETY: the caller's promise is the same.
            unsafe { native::$name($($arg),*) }
        })*
    };
}
macro_rules! translate {
    ($($name:ident($($arg:ident: $ty:ty),*);)*) => {
        $(unsafe extern "C" fn $name($($arg: $ty),*) -> ib_err::Type {
            // SAFETY: the caller's promise is the same.
            code(unsafe { native::$name($($arg),*) })
        })*
    };
}

/// Entries that the daemon calls on no such server, because what writes goes through SQL there; the table has no holes.
macro_rules! unused {
    ($($name:ident($($ty:ty),*) -> $ret:ty = $answer:expr;)*) => {
        $(unsafe extern "C" fn $name($(_: $ty),*) -> $ret {
            $answer
        })*
    };
}

unused! {
    insert_row(ib_crsr_t, ib_tpl_t) -> ib_err::Type = ib_err::IB_UNSUPPORTED;
    delete_row(ib_crsr_t) -> ib_err::Type = ib_err::IB_UNSUPPORTED;
    update_row(ib_crsr_t, ib_tpl_t, ib_tpl_t) -> ib_err::Type = ib_err::IB_UNSUPPORTED;
    tuple_read_u8(ib_tpl_t, ib_ulint_t, *mut u8) -> ib_err::Type = ib_err::IB_UNSUPPORTED;
    tuple_read_u16(ib_tpl_t, ib_ulint_t, *mut u16) -> ib_err::Type = ib_err::IB_UNSUPPORTED;
    tuple_read_u32(ib_tpl_t, ib_ulint_t, *mut u32) -> ib_err::Type = ib_err::IB_UNSUPPORTED;
    tuple_read_u64(ib_tpl_t, ib_ulint_t, *mut u64) -> ib_err::Type = ib_err::IB_UNSUPPORTED;
    tuple_read_i8(ib_tpl_t, ib_ulint_t, *mut i8) -> ib_err::Type = ib_err::IB_UNSUPPORTED;
    tuple_read_i16(ib_tpl_t, ib_ulint_t, *mut i16) -> ib_err::Type = ib_err::IB_UNSUPPORTED;
    tuple_read_i32(ib_tpl_t, ib_ulint_t, *mut i32) -> ib_err::Type = ib_err::IB_UNSUPPORTED;
    tuple_read_i64(ib_tpl_t, ib_ulint_t, *mut i64) -> ib_err::Type = ib_err::IB_UNSUPPORTED;
    cursor_lock(ib_crsr_t, ib_lck_mode_t) -> ib_err::Type = ib_err::IB_UNSUPPORTED;
    commit_trx(ib_crsr_t, ib_trx_t) -> ib_err::Type = ib_err::IB_UNSUPPORTED;
    table_truncate(*const c_char, *mut u64) -> ib_err::Type = ib_err::IB_UNSUPPORTED;
    set_memcached_sync(ib_crsr_t, ib_bool_t) -> ib_err::Type = ib_err::IB_UNSUPPORTED;
    cursor_stmt_begin(ib_crsr_t) -> ib_err::Type = ib_err::IB_UNSUPPORTED;
    trx_get_start_time(ib_trx_t) -> u64 = 0;
    trx_read_only(ib_trx_t) -> u32 = 1;
}

pass! {
    set_match_mode(crsr: ib_crsr_t, mode: ib_match_mode_t);
    sec_search_tuple_create(crsr: ib_crsr_t) -> ib_tpl_t;
    clust_read_tuple_create(crsr: ib_crsr_t) -> ib_tpl_t;
    tuple_delete(tpl: ib_tpl_t);
    tuple_get_n_cols(tpl: ib_tpl_t) -> ib_ulint_t;
    col_get_value(tpl: ib_tpl_t, col: ib_ulint_t) -> *const c_void;
    col_get_meta(tpl: ib_tpl_t, col: ib_ulint_t, meta: *mut ib_col_meta_t) -> ib_ulint_t;
    col_get_name(crsr: ib_crsr_t, col: ib_ulint_t) -> *const c_char;
    set_cluster_access(crsr: ib_crsr_t);
    cfg_trx_level() -> ib_trx_level_t;
    tuple_get_n_user_cols(tpl: ib_tpl_t) -> ib_ulint_t;
    get_idx_field_name(crsr: ib_crsr_t, col: ib_ulint_t) -> *const c_char;
    bk_commit_interval() -> ib_ulint_t;
}

translate! {
    open_table(name: *const c_char, trx: ib_trx_t, out: *mut ib_crsr_t);
    cursor_first(crsr: ib_crsr_t);
    cursor_next(crsr: ib_crsr_t);
    trx_commit(trx: ib_trx_t);
    trx_rollback(trx: ib_trx_t);
    trx_release(trx: ib_trx_t);
    cursor_close(crsr: ib_crsr_t);
    cursor_new_trx(crsr: ib_crsr_t, trx: ib_trx_t);
    cursor_reset(crsr: ib_crsr_t);
    open_index_using_name(crsr: ib_crsr_t, name: *const c_char, out: *mut ib_crsr_t, kind: *mut c_int, id: *mut u64);
    set_lock_mode(crsr: ib_crsr_t, mode: ib_lck_mode_t);
}

unsafe extern "C" fn read_row(
    crsr: ib_crsr_t,
    row: ib_tpl_t,
    _buffer: *mut *mut c_void,
    _len: *mut ib_ulint_t,
) -> ib_err::Type {
    // SAFETY: no end of a range, no row buffer.
    code(unsafe { native::read_row(crsr, row, ptr::null_mut(), 0, ptr::null_mut(), ptr::null_mut(), ptr::null_mut()) })
}

unsafe extern "C" fn moveto(crsr: ib_crsr_t, key: ib_tpl_t, mode: ib_srch_mode_t) -> ib_err::Type {
    // SAFETY: direction 0 positions anew, as 5.7 always did.
    code(unsafe { native::moveto(crsr, key, mode, 0) })
}

unsafe extern "C" fn col_set_value(
    tpl: ib_tpl_t,
    col: ib_ulint_t,
    data: *const c_void,
    len: ib_ulint_t,
    copy: ib_bool_t,
) -> ib_err::Type {
    // SAFETY: the caller's promise is the same.
    code(unsafe { native::col_set_value(tpl, col, data, len, copy != 0) })
}

/// The thread's session goes into the transaction: without it InnoDB takes no metadata locks.
unsafe extern "C" fn trx_begin(level: ib_trx_level_t, rw: ib_bool_t, _auto: ib_bool_t) -> ib_trx_t {
    // SAFETY: plain values; the session lives as long as the transaction, whose owner sees to it.
    unsafe { native::trx_begin(level, rw != 0, false, current_thd()) }
}

unsafe extern "C" fn trx_start(
    trx: ib_trx_t,
    level: ib_trx_level_t,
    rw: ib_bool_t,
    _auto: ib_bool_t,
    _thd: *mut c_void,
) -> ib_err::Type {
    // SAFETY: as above, and the caller's promise about `trx`.
    code(unsafe { native::trx_start(trx, level, rw != 0, false, current_thd()) })
}

/// The bits that are the server's; what another bit means there nobody knows.
unsafe extern "C" fn get_cfg() -> c_int {
    // SAFETY: takes no argument.
    let bits = unsafe { native::get_cfg() };
    bits & (ib_cfg::IB_CFG_BINLOG_ENABLED | ib_cfg::IB_CFG_MDL_ENABLED | ib_cfg::IB_CFG_DISABLE_ROWLOCK).cast_signed()
}

unsafe extern "C" fn is_virtual_table(crsr: ib_crsr_t) -> ib_bool_t {
    // SAFETY: the caller's promise is the same.
    ib_bool_t::from(unsafe { native::is_virtual_table(crsr) })
}

unsafe extern "C" fn ut_strerr(canonical: ib_err::Type) -> *const c_char {
    // Two codes of the server can stand for one of ours; the later is the one that the daemon meets.
    let back = CODES.iter().rev().find(|(_, to)| *to == canonical);
    let number = back.map_or(canonical.cast_signed(), |(from, _)| *from);
    // SAFETY: any number is allowed.
    unsafe { native::ut_strerr(number) }
}

/// The canonical table; its functions may be called once [`native`] has its addresses.
pub static TABLE: ib_cb_t = ib_cb_t {
    open_table: Some(open_table),
    read_row: Some(read_row),
    insert_row: Some(insert_row),
    delete_row: Some(delete_row),
    update_row: Some(update_row),
    moveto: Some(moveto),
    cursor_first: Some(cursor_first),
    cursor_next: Some(cursor_next),
    set_match_mode: Some(set_match_mode),
    sec_search_tuple_create: Some(sec_search_tuple_create),
    clust_read_tuple_create: Some(clust_read_tuple_create),
    tuple_delete: Some(tuple_delete),
    tuple_read_u8: Some(tuple_read_u8),
    tuple_read_u16: Some(tuple_read_u16),
    tuple_read_u32: Some(tuple_read_u32),
    tuple_read_u64: Some(tuple_read_u64),
    tuple_read_i8: Some(tuple_read_i8),
    tuple_read_i16: Some(tuple_read_i16),
    tuple_read_i32: Some(tuple_read_i32),
    tuple_read_i64: Some(tuple_read_i64),
    tuple_get_n_cols: Some(tuple_get_n_cols),
    col_set_value: Some(col_set_value),
    col_get_value: Some(col_get_value),
    col_get_meta: Some(col_get_meta),
    trx_begin: Some(trx_begin),
    trx_commit: Some(trx_commit),
    trx_rollback: Some(trx_rollback),
    trx_start: Some(trx_start),
    trx_release: Some(trx_release),
    cursor_lock: Some(cursor_lock),
    cursor_close: Some(cursor_close),
    cursor_new_trx: Some(cursor_new_trx),
    cursor_reset: Some(cursor_reset),
    col_get_name: Some(col_get_name),
    table_truncate: Some(table_truncate),
    open_index_using_name: Some(open_index_using_name),
    get_cfg: Some(get_cfg),
    set_memcached_sync: Some(set_memcached_sync),
    set_cluster_access: Some(set_cluster_access),
    commit_trx: Some(commit_trx),
    cfg_trx_level: Some(cfg_trx_level),
    tuple_get_n_user_cols: Some(tuple_get_n_user_cols),
    set_lock_mode: Some(set_lock_mode),
    get_idx_field_name: Some(get_idx_field_name),
    trx_get_start_time: Some(trx_get_start_time),
    bk_commit_interval: Some(bk_commit_interval),
    ut_strerr: Some(ut_strerr),
    cursor_stmt_begin: Some(cursor_stmt_begin),
    trx_read_only: Some(trx_read_only),
    is_virtual_table: Some(is_virtual_table),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_translated() {
        for (native, canonical) in [
            (9, ib_err::IB_SUCCESS_LOCKED_REC),
            (10, ib_err::IB_SUCCESS),
            (16, ib_err::IB_LOCK_WAIT),
            (17, ib_err::IB_DEADLOCK),
            (19, ib_err::IB_DUPLICATE_KEY),
            (31, ib_err::IB_TABLE_NOT_FOUND),
            (35, ib_err::IB_LOCK_WAIT_TIMEOUT),
            (1500, ib_err::IB_RECORD_NOT_FOUND),
            (1502, ib_err::IB_END_OF_INDEX),
            (1504, ib_err::IB_NOT_FOUND),
            (2000, ib_err::IB_DATA_MISMATCH),
        ] {
            assert_eq!(code(native), canonical, "{native}");
        }
    }
}
