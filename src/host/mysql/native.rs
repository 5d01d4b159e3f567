//! InnoDB's own functions as MySQL 8.0 and later have them: C++ signatures, real booleans, their own codes.
//!
//! [`from_symbols`] takes those that reads need from what the server exports; [`super::canonical`] makes the table that the rest of the
//! daemon knows from them.

use super::symbols;
use crate::bindings::*;
use crate::host::HostError;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::transmute;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A function's symbol and its address.
struct Entry {
    symbol: &'static CStr,
    address: &'static AtomicPtr<c_void>,
}

macro_rules! functions {
    ($($symbol:literal $name:ident($($arg:ident: $ty:ty),*) $(-> $ret:ty)?;)*) => {
        mod address {
            use super::{AtomicPtr, c_void, ptr};
            $(#[allow(non_upper_case_globals)]
            pub static $name: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());)*
        }

        $(/// # Safety
        /// As in `innodb_api.h` for the entry of that name.
        #[inline(always)]
        pub unsafe fn $name($($arg: $ty),*) $(-> $ret)? {
            let address = address::$name.load(Ordering::Relaxed);
            // SAFETY: set before any thread of the daemon runs, to a function of this signature.
            let function = unsafe { transmute::<*mut c_void, unsafe extern "C" fn($($ty),*) $(-> $ret)?>(address) };
            // SAFETY: the caller's promise.
            unsafe { function($($arg),*) }
        })*

        const ENTRIES: &[Entry] = &[$(Entry { symbol: $symbol, address: &address::$name }),*];
    };
}

functions! {
    c"_Z20ib_cursor_open_tablePKcP5trx_tPP11ib_cursor_t"
        open_table(name: *const c_char, trx: ib_trx_t, out: *mut ib_crsr_t) -> c_int;
    c"_Z18ib_cursor_read_rowP11ib_cursor_tP10ib_tuple_tS2_iPPvPmS5_"
        read_row(crsr: ib_crsr_t, row: ib_tpl_t, key: ib_tpl_t, mode: c_int, buffer: *mut *mut c_void, slot: *mut u64, used: *mut u64) -> c_int;
    c"_Z16ib_cursor_movetoP11ib_cursor_tP10ib_tuple_t14ib_srch_mode_tm"
        moveto(crsr: ib_crsr_t, key: ib_tpl_t, mode: u32, direction: u64) -> c_int;
    c"_Z15ib_cursor_firstP11ib_cursor_t" cursor_first(crsr: ib_crsr_t) -> c_int;
    c"_Z14ib_cursor_nextP11ib_cursor_t" cursor_next(crsr: ib_crsr_t) -> c_int;
    c"_Z24ib_cursor_set_match_modeP11ib_cursor_t15ib_match_mode_t" set_match_mode(crsr: ib_crsr_t, mode: u32);
    c"_Z26ib_sec_search_tuple_createP11ib_cursor_t" sec_search_tuple_create(crsr: ib_crsr_t) -> ib_tpl_t;
    c"_Z26ib_clust_read_tuple_createP11ib_cursor_t" clust_read_tuple_create(crsr: ib_crsr_t) -> ib_tpl_t;
    c"_Z15ib_tuple_deleteP10ib_tuple_t" tuple_delete(tpl: ib_tpl_t);
    c"_Z19ib_tuple_get_n_colsP10ib_tuple_t" tuple_get_n_cols(tpl: ib_tpl_t) -> ib_ulint_t;
    c"_Z16ib_col_set_valueP10ib_tuple_tmPKvmb"
        col_set_value(tpl: ib_tpl_t, col: ib_ulint_t, data: *const c_void, len: ib_ulint_t, copy: bool) -> c_int;
    c"_Z16ib_col_get_valueP10ib_tuple_tm" col_get_value(tpl: ib_tpl_t, col: ib_ulint_t) -> *const c_void;
    c"_Z15ib_col_get_metaP10ib_tuple_tmP13ib_col_meta_t"
        col_get_meta(tpl: ib_tpl_t, col: ib_ulint_t, meta: *mut ib_col_meta_t) -> ib_ulint_t;
    c"_Z12ib_trx_begin14ib_trx_level_tbbPv" trx_begin(level: u32, rw: bool, auto: bool, thd: *mut c_void) -> ib_trx_t;
    c"_Z13ib_trx_commitP5trx_t" trx_commit(trx: ib_trx_t) -> c_int;
    c"_Z15ib_trx_rollbackP5trx_t" trx_rollback(trx: ib_trx_t) -> c_int;
    c"_Z12ib_trx_startP5trx_t14ib_trx_level_tbbPv"
        trx_start(trx: ib_trx_t, level: u32, rw: bool, auto: bool, thd: *mut c_void) -> c_int;
    c"_Z14ib_trx_releaseP5trx_t" trx_release(trx: ib_trx_t) -> c_int;
    c"_Z15ib_cursor_closeP11ib_cursor_t" cursor_close(crsr: ib_crsr_t) -> c_int;
    c"_Z17ib_cursor_new_trxP11ib_cursor_tP5trx_t" cursor_new_trx(crsr: ib_crsr_t, trx: ib_trx_t) -> c_int;
    c"_Z15ib_cursor_resetP11ib_cursor_t" cursor_reset(crsr: ib_crsr_t) -> c_int;
    c"_Z15ib_col_get_nameP11ib_cursor_tm" col_get_name(crsr: ib_crsr_t, col: ib_ulint_t) -> *const c_char;
    c"_Z31ib_cursor_open_index_using_nameP11ib_cursor_tPKcPS0_PiPm"
        open_index_using_name(crsr: ib_crsr_t, name: *const c_char, out: *mut ib_crsr_t, kind: *mut c_int, id: *mut u64) -> c_int;
    c"_Z14ib_cfg_get_cfgv" get_cfg() -> c_int;
    c"_Z28ib_cursor_set_cluster_accessP11ib_cursor_t" set_cluster_access(crsr: ib_crsr_t);
    c"_Z16ib_cfg_trx_levelv" cfg_trx_level() -> u32;
    c"_Z24ib_tuple_get_n_user_colsP10ib_tuple_t" tuple_get_n_user_cols(tpl: ib_tpl_t) -> ib_ulint_t;
    c"_Z23ib_cursor_set_lock_modeP11ib_cursor_t13ib_lck_mode_t" set_lock_mode(crsr: ib_crsr_t, mode: u32) -> c_int;
    c"_Z21ib_get_idx_field_nameP11ib_cursor_tm" get_idx_field_name(crsr: ib_crsr_t, col: ib_ulint_t) -> *const c_char;
    c"_Z25ib_cfg_bk_commit_intervalv" bk_commit_interval() -> ib_ulint_t;
    c"_Z12ib_ut_strerr7dberr_t" ut_strerr(code: c_int) -> *const c_char;
    c"_Z19ib_is_virtual_tableP11ib_cursor_t" is_virtual_table(crsr: ib_crsr_t) -> bool;
}

/// Takes every function from the symbols that the server exports.
///
/// # Errors
/// One is missing; the sentence names it.
pub fn from_symbols() -> Result<(), HostError> {
    for entry in ENTRIES {
        entry.address.store(symbols::require(entry.symbol)?, Ordering::Relaxed);
    }
    Ok(())
}
