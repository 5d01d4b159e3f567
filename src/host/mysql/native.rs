//! InnoDB's own functions as MySQL 8.0 and later have them: C++ signatures, real booleans, their own codes.
//!
//! [`from_symbols`] takes them from what the server exports, [`from_table`] from a table that it handed over. Each
//! function here calls through the address that was taken last; [`super::canonical`] makes the table that the rest of the daemon
//! knows from them.

use super::symbols;
use crate::bindings::*;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::transmute;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A function's number in the canonical table, its symbol and its address.
struct Entry {
    number: usize,
    symbol: &'static CStr,
    address: &'static AtomicPtr<c_void>,
}

macro_rules! functions {
    ($($number:literal $symbol:literal $name:ident($($arg:ident: $ty:ty),*) $(-> $ret:ty)?;)*) => {
        mod address {
            use super::{AtomicPtr, c_void, ptr};
            $(#[allow(non_upper_case_globals)]
            pub static $name: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());)*
        }

        $(/// # Safety
        /// As in `innodb_api.h` for the entry of that number.
        #[inline(always)]
        pub unsafe fn $name($($arg: $ty),*) $(-> $ret)? {
            let address = address::$name.load(Ordering::Relaxed);
            // SAFETY: set before any thread of the daemon runs, to a function of this signature.
            let function = unsafe { transmute::<*mut c_void, unsafe extern "C" fn($($ty),*) $(-> $ret)?>(address) };
            // SAFETY: the caller's promise.
            unsafe { function($($arg),*) }
        })*

        const ENTRIES: &[Entry] = &[$(Entry { number: $number, symbol: $symbol, address: &address::$name }),*];
    };
}

functions! {
    0 c"_Z20ib_cursor_open_tablePKcP5trx_tPP11ib_cursor_t"
        open_table(name: *const c_char, trx: ib_trx_t, out: *mut ib_crsr_t) -> c_int;
    1 c"_Z18ib_cursor_read_rowP11ib_cursor_tP10ib_tuple_tS2_iPPvPmS5_"
        read_row(crsr: ib_crsr_t, row: ib_tpl_t, key: ib_tpl_t, mode: c_int, buffer: *mut *mut c_void, slot: *mut u64, used: *mut u64) -> c_int;
    2 c"_Z20ib_cursor_insert_rowP11ib_cursor_tP10ib_tuple_t" insert_row(crsr: ib_crsr_t, row: ib_tpl_t) -> c_int;
    3 c"_Z20ib_cursor_delete_rowP11ib_cursor_t" delete_row(crsr: ib_crsr_t) -> c_int;
    4 c"_Z20ib_cursor_update_rowP11ib_cursor_tP10ib_tuple_tS2_"
        update_row(crsr: ib_crsr_t, old: ib_tpl_t, new: ib_tpl_t) -> c_int;
    5 c"_Z16ib_cursor_movetoP11ib_cursor_tP10ib_tuple_t14ib_srch_mode_tm"
        moveto(crsr: ib_crsr_t, key: ib_tpl_t, mode: u32, direction: u64) -> c_int;
    6 c"_Z15ib_cursor_firstP11ib_cursor_t" cursor_first(crsr: ib_crsr_t) -> c_int;
    7 c"_Z14ib_cursor_nextP11ib_cursor_t" cursor_next(crsr: ib_crsr_t) -> c_int;
    8 c"_Z24ib_cursor_set_match_modeP11ib_cursor_t15ib_match_mode_t" set_match_mode(crsr: ib_crsr_t, mode: u32);
    9 c"_Z26ib_sec_search_tuple_createP11ib_cursor_t" sec_search_tuple_create(crsr: ib_crsr_t) -> ib_tpl_t;
    10 c"_Z26ib_clust_read_tuple_createP11ib_cursor_t" clust_read_tuple_create(crsr: ib_crsr_t) -> ib_tpl_t;
    11 c"_Z15ib_tuple_deleteP10ib_tuple_t" tuple_delete(tpl: ib_tpl_t);
    12 c"_Z16ib_tuple_read_u8P10ib_tuple_tmPh" tuple_read_u8(tpl: ib_tpl_t, col: ib_ulint_t, out: *mut u8) -> c_int;
    13 c"_Z17ib_tuple_read_u16P10ib_tuple_tmPt" tuple_read_u16(tpl: ib_tpl_t, col: ib_ulint_t, out: *mut u16) -> c_int;
    14 c"_Z17ib_tuple_read_u32P10ib_tuple_tmPj" tuple_read_u32(tpl: ib_tpl_t, col: ib_ulint_t, out: *mut u32) -> c_int;
    15 c"_Z17ib_tuple_read_u64P10ib_tuple_tmPm" tuple_read_u64(tpl: ib_tpl_t, col: ib_ulint_t, out: *mut u64) -> c_int;
    16 c"_Z16ib_tuple_read_i8P10ib_tuple_tmPa" tuple_read_i8(tpl: ib_tpl_t, col: ib_ulint_t, out: *mut i8) -> c_int;
    17 c"_Z17ib_tuple_read_i16P10ib_tuple_tmPs" tuple_read_i16(tpl: ib_tpl_t, col: ib_ulint_t, out: *mut i16) -> c_int;
    18 c"_Z17ib_tuple_read_i32P10ib_tuple_tmPi" tuple_read_i32(tpl: ib_tpl_t, col: ib_ulint_t, out: *mut i32) -> c_int;
    19 c"_Z17ib_tuple_read_i64P10ib_tuple_tmPl" tuple_read_i64(tpl: ib_tpl_t, col: ib_ulint_t, out: *mut i64) -> c_int;
    20 c"_Z19ib_tuple_get_n_colsP10ib_tuple_t" tuple_get_n_cols(tpl: ib_tpl_t) -> ib_ulint_t;
    21 c"_Z16ib_col_set_valueP10ib_tuple_tmPKvmb"
        col_set_value(tpl: ib_tpl_t, col: ib_ulint_t, data: *const c_void, len: ib_ulint_t, copy: bool) -> c_int;
    22 c"_Z16ib_col_get_valueP10ib_tuple_tm" col_get_value(tpl: ib_tpl_t, col: ib_ulint_t) -> *const c_void;
    23 c"_Z15ib_col_get_metaP10ib_tuple_tmP13ib_col_meta_t"
        col_get_meta(tpl: ib_tpl_t, col: ib_ulint_t, meta: *mut ib_col_meta_t) -> ib_ulint_t;
    24 c"_Z12ib_trx_begin14ib_trx_level_tbbPv" trx_begin(level: u32, rw: bool, auto: bool, thd: *mut c_void) -> ib_trx_t;
    25 c"_Z13ib_trx_commitP5trx_t" trx_commit(trx: ib_trx_t) -> c_int;
    26 c"_Z15ib_trx_rollbackP5trx_t" trx_rollback(trx: ib_trx_t) -> c_int;
    27 c"_Z12ib_trx_startP5trx_t14ib_trx_level_tbbPv"
        trx_start(trx: ib_trx_t, level: u32, rw: bool, auto: bool, thd: *mut c_void) -> c_int;
    28 c"_Z14ib_trx_releaseP5trx_t" trx_release(trx: ib_trx_t) -> c_int;
    29 c"_Z14ib_cursor_lockP11ib_cursor_t13ib_lck_mode_t" cursor_lock(crsr: ib_crsr_t, mode: u32) -> c_int;
    30 c"_Z15ib_cursor_closeP11ib_cursor_t" cursor_close(crsr: ib_crsr_t) -> c_int;
    31 c"_Z17ib_cursor_new_trxP11ib_cursor_tP5trx_t" cursor_new_trx(crsr: ib_crsr_t, trx: ib_trx_t) -> c_int;
    32 c"_Z15ib_cursor_resetP11ib_cursor_t" cursor_reset(crsr: ib_crsr_t) -> c_int;
    33 c"_Z15ib_col_get_nameP11ib_cursor_tm" col_get_name(crsr: ib_crsr_t, col: ib_ulint_t) -> *const c_char;
    35 c"_Z31ib_cursor_open_index_using_nameP11ib_cursor_tPKcPS0_PiPm"
        open_index_using_name(crsr: ib_crsr_t, name: *const c_char, out: *mut ib_crsr_t, kind: *mut c_int, id: *mut u64) -> c_int;
    36 c"_Z14ib_cfg_get_cfgv" get_cfg() -> c_int;
    38 c"_Z28ib_cursor_set_cluster_accessP11ib_cursor_t" set_cluster_access(crsr: ib_crsr_t);
    39 c"_Z20ib_cursor_commit_trxP11ib_cursor_tP5trx_t" commit_trx(crsr: ib_crsr_t, trx: ib_trx_t) -> c_int;
    40 c"_Z16ib_cfg_trx_levelv" cfg_trx_level() -> u32;
    41 c"_Z24ib_tuple_get_n_user_colsP10ib_tuple_t" tuple_get_n_user_cols(tpl: ib_tpl_t) -> ib_ulint_t;
    42 c"_Z23ib_cursor_set_lock_modeP11ib_cursor_t13ib_lck_mode_t" set_lock_mode(crsr: ib_crsr_t, mode: u32) -> c_int;
    43 c"_Z21ib_get_idx_field_nameP11ib_cursor_tm" get_idx_field_name(crsr: ib_crsr_t, col: ib_ulint_t) -> *const c_char;
    44 c"_Z21ib_trx_get_start_timeP5trx_t" trx_get_start_time(trx: ib_trx_t) -> u64;
    45 c"_Z25ib_cfg_bk_commit_intervalv" bk_commit_interval() -> ib_ulint_t;
    46 c"_Z12ib_ut_strerr7dberr_t" ut_strerr(code: c_int) -> *const c_char;
    47 c"_Z20ib_cursor_stmt_beginP11ib_cursor_t" cursor_stmt_begin(crsr: ib_crsr_t);
    48 c"_Z16ib_trx_read_onlyP5trx_t" trx_read_only(trx: ib_trx_t) -> u32;
    49 c"_Z19ib_is_virtual_tableP11ib_cursor_t" is_virtual_table(crsr: ib_crsr_t) -> bool;
}

/// Takes every function from the symbols that the server exports.
///
/// # Errors
/// One is missing; the sentence names it.
pub fn from_symbols() -> Result<(), String> {
    for entry in ENTRIES {
        entry.address.store(symbols::require(entry.symbol)?, Ordering::Relaxed);
    }
    Ok(())
}

/// Entries that some builds of 8.0 have between `cursor_stmt_begin` and `trx_read_only`.
const SDI_ENTRIES: usize = 6;

/// Takes every function from a table that a server of 8.0 to 8.2 handed over: the canonical one without
/// `table_truncate` and `set_memcached_sync`, in some builds with more entries near the end. Which it is, is found out by
/// looking for a function whose name the server exports.
///
/// # Errors
/// The table has neither layout, or a null entry.
///
/// # Safety
/// `table` points to at least 48 pointers, and to 54 where the 48th is not the end of the table.
pub unsafe fn from_table(table: *const *mut c_void) -> Result<(), String> {
    let read_only = symbols::require(c"_Z16ib_trx_read_onlyP5trx_t")?;
    // SAFETY: entry 46 is within the shorter layout.
    let sdi = match unsafe { *table.add(slot(48, 0)) } == read_only {
        true => 0,
        // SAFETY: a table that goes on here is the longer one.
        false if unsafe { *table.add(slot(48, SDI_ENTRIES)) } == read_only => SDI_ENTRIES,
        false => {
            return Err(
                "the InnoDB API table of this server has a layout that daemon_memcached does not know; use another server release".into()
            );
        }
    };
    for entry in ENTRIES {
        // SAFETY: within the layout that was found.
        let address = unsafe { *table.add(slot(entry.number, sdi)) };
        if address.is_null() {
            return Err(format!("entry {} of the InnoDB API table is null", slot(entry.number, sdi)));
        }
        entry.address.store(address, Ordering::Relaxed);
    }
    Ok(())
}

/// Where the entry of a canonical number stands in 8.0's table.
fn slot(number: usize, sdi: usize) -> usize {
    number - usize::from(number > 34) - usize::from(number > 37) + if number >= 48 { sdi } else { 0 }
}
