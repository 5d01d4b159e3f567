//! Owners of the table's transactions and cursors.

use super::api::{Api, ib, ibf};
use super::tuple::Tuple;
use crate::bindings::{
    ib_bool_t, ib_crsr_t, ib_err, ib_field_t, ib_lck_mode, ib_match_mode, ib_srch_mode, ib_trx_level, ib_trx_t,
    ib_ulint_t,
};
use crate::rows::{Error, Mode, Result};
use std::ffi::{CStr, c_int};
use std::ptr;

/// A transaction object; outlives the transactions it runs.
pub(super) struct Transaction {
    api: Api,
    raw: ib_trx_t,
}

impl Transaction {
    pub(super) fn begin(api: Api, mode: Mode) -> Result<Transaction> {
        let (level, rw, auto) = trx_args(mode);
        // SAFETY: plain values.
        let raw = unsafe { ib!(api, trx_begin(level, rw, auto)) };
        if raw.is_null() {
            return Err(Error::Engine("out of memory for a transaction".into()));
        }
        Ok(Transaction { api, raw })
    }

    pub(super) fn start(&mut self, mode: Mode) -> Result<()> {
        let (level, rw, auto) = trx_args(mode);
        // SAFETY: `raw` is ours and not started.
        let code = unsafe { ib!(self.api, trx_start(self.raw, level, rw, auto, ptr::null_mut())) };
        self.api.check(code)
    }

    pub(super) fn commit(&mut self) -> Result<()> {
        // SAFETY: `raw` is ours; the session closed its cursors.
        let code = unsafe { ib!(self.api, trx_commit(self.raw)) };
        self.api.check(code)
    }

    pub(super) fn rollback(&mut self) {
        // SAFETY: `raw` is ours.
        let code = unsafe { ib!(self.api, trx_rollback(self.raw)) };
        if let Err(error) = self.api.check(code) {
            log::error!("DM1203: rollback failed: {error}");
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // SAFETY: `raw` is ours and dies here; a started one is rolled back by the engine.
        unsafe { ib!(self.api, trx_release(self.raw)) };
    }
}

fn trx_args(mode: Mode) -> (ib_trx_level::Type, ib_bool_t, ib_bool_t) {
    let read_write = ib_bool_t::from(mode.read_write);
    (ib_trx_level::Type::from(mode.level), read_write, 1 - read_write)
}

/// A cursor on the clustered index or a secondary one.
pub(super) struct Cursor {
    api: Api,
    raw: ib_crsr_t,
}

impl Cursor {
    pub(super) fn open(api: Api, path: &CStr, trx: &Transaction) -> Result<Cursor> {
        let mut raw = ptr::null_mut();
        // SAFETY: `path` is NUL-terminated, `trx` lives, `raw` is writable.
        let code = unsafe { ib!(api, open_table(path.as_ptr(), trx.raw, &mut raw)) };
        api.check_named(code, path)?;
        Ok(Cursor { api, raw })
    }

    /// Takes it out of its transaction, which may then end without it.
    pub(super) fn leave(&self) -> Result<()> {
        // SAFETY: the cursor lives.
        self.api.check(unsafe { ib!(self.api, cursor_reset(self.raw)) })
    }

    /// Makes it a cursor of this transaction, as it has [left](Cursor::leave) that of before: it shows what this one sees.
    pub(super) fn join(&self, trx: &Transaction) -> Result<()> {
        // SAFETY: cursor and transaction live, and no other transaction uses the cursor.
        self.api.check(unsafe { ib!(self.api, cursor_new_trx(self.raw, trx.raw)) })
    }

    /// A cursor on an index of the same table, and its `ib_index_type` bits.
    pub(super) fn open_index(&self, name: &CStr) -> Result<(Cursor, c_int)> {
        let (mut raw, mut kind, mut id) = (ptr::null_mut(), 0, 0);
        // SAFETY: the cursor lives, `name` is NUL-terminated, outputs are writable.
        let code =
            unsafe { ib!(self.api, open_index_using_name(self.raw, name.as_ptr(), &mut raw, &mut kind, &mut id)) };
        // InnoDB has no code of its own for a name that no index has.
        let code = if code == ib_err::IB_ERROR { ib_err::IB_NOT_FOUND } else { code };
        self.api.check_named(code, name)?;
        Ok((Cursor { api: self.api, raw }, kind))
    }

    pub(super) fn is_virtual(&self) -> bool {
        // SAFETY: the cursor lives.
        unsafe { ib!(self.api, is_virtual_table(self.raw)) != 0 }
    }

    pub(super) fn column_name(&self, i: usize) -> Option<String> {
        // SAFETY: the cursor lives; any number is allowed.
        owned_name(unsafe { ib!(self.api, col_get_name(self.raw, i as ib_ulint_t)) })
    }

    /// Whether column `i` has that name.
    pub(super) fn column_is(&self, i: usize, name: &str) -> bool {
        // SAFETY: the cursor lives; any number is allowed.
        let found = unsafe { ib!(self.api, col_get_name(self.raw, i as ib_ulint_t)) };
        // SAFETY: a non-null answer is a NUL-terminated string that lives as long as the cursor.
        !found.is_null() && unsafe { CStr::from_ptr(found) }.to_bytes() == name.as_bytes()
    }

    pub(super) fn index_column_name(&self, i: usize) -> Option<String> {
        // SAFETY: the cursor lives; any number is allowed.
        owned_name(unsafe { ib!(self.api, get_idx_field_name(self.raw, i as ib_ulint_t)) })
    }

    pub(super) fn set_cluster_access(&self) {
        // SAFETY: the cursor lives.
        unsafe { ib!(self.api, set_cluster_access(self.raw)) };
    }

    pub(super) fn set_match_mode(&self, mode: ib_match_mode::Type) {
        // SAFETY: the cursor lives.
        unsafe { ib!(self.api, set_match_mode(self.raw, mode)) };
    }

    pub(super) fn set_lock_mode(&self, mode: ib_lck_mode::Type) -> Result<()> {
        // SAFETY: the cursor lives.
        self.api.check(unsafe { ib!(self.api, set_lock_mode(self.raw, mode)) })
    }

    pub(super) fn search_tuple(&self) -> Result<Tuple> {
        // SAFETY: the cursor lives.
        Tuple::new(self.api, unsafe { ib!(self.api, sec_search_tuple_create(self.raw)) })
    }

    pub(super) fn read_tuple(&self) -> Result<Tuple> {
        // SAFETY: the cursor lives.
        Tuple::new(self.api, unsafe { ib!(self.api, clust_read_tuple_create(self.raw)) })
    }

    pub(super) fn move_to(&self, search: &Tuple, mode: ib_srch_mode::Type) -> Result<bool> {
        // SAFETY: cursor and tuple live, and the tuple was made from this cursor.
        self.api.check_found(unsafe { ib!(self.api, moveto(self.raw, search.raw, mode)) })
    }

    pub(super) fn first(&self) -> Result<bool> {
        // SAFETY: the cursor lives.
        self.api.check_found(unsafe { ib!(self.api, cursor_first(self.raw)) })
    }

    pub(super) fn next(&self) -> Result<bool> {
        // SAFETY: the cursor lives.
        self.api.check_found(unsafe { ib!(self.api, cursor_next(self.raw)) })
    }

    pub(super) fn read_row(&self, row: &Tuple) -> Result<bool> {
        let (mut buffer, mut len) = (ptr::null_mut(), 0);
        // SAFETY: cursor and tuple live; the buffer arguments may point to NULL and 0.
        self.api.check_found(unsafe { ib!(self.api, read_row(self.raw, row.raw, &mut buffer, &mut len)) })
    }

    /// Whether a row tuple that lasts is one of the table as it is now defined. The cursor must be on no row.
    pub(super) fn suits(&self, row: &Tuple) -> bool {
        let (mut buffer, mut len) = (ptr::null_mut(), 0);
        // SAFETY: cursor and tuple live, and the host promised that it knows a tuple of another definition.
        let code = unsafe { ib!(self.api, read_row(self.raw, row.raw, &mut buffer, &mut len)) };
        code != ib_err::IB_DATA_MISMATCH
    }

    pub(super) fn insert(&self, row: &Tuple) -> Result<()> {
        // SAFETY: cursor and tuple live.
        self.api.check(unsafe { ib!(self.api, insert_row(self.raw, row.raw)) })
    }

    pub(super) fn update(&self, old: &Tuple, new: &Tuple) -> Result<()> {
        // SAFETY: cursor and tuples live; `old` was read through this cursor.
        self.api.check(unsafe { ib!(self.api, update_row(self.raw, old.raw, new.raw)) })
    }

    pub(super) fn api(&self) -> Api {
        self.api
    }

    /// The code of the host's call; a host without `IB_CFG_FIELDS` is not asked.
    #[inline]
    pub(super) fn find_fields(&self, key: ib_field_t, row: &mut [ib_field_t]) -> ib_err::Type {
        // SAFETY: the cursor lives, the key's bytes are the caller's, `row` is writable.
        unsafe { ibf!(self.api, find_fields(self.raw, key.data, key.len, row.as_mut_ptr(), row.len() as ib_ulint_t)) }
    }

    /// As [`Cursor::find_fields`].
    pub(super) fn update_fields(&self, row: &[ib_field_t]) -> ib_err::Type {
        // SAFETY: the cursor lives, `row` and what it points to are the caller's.
        unsafe { ibf!(self.api, update_fields(self.raw, row.as_ptr(), row.len() as ib_ulint_t)) }
    }

    /// As [`Cursor::find_fields`].
    pub(super) fn insert_fields(&self, row: &[ib_field_t]) -> ib_err::Type {
        // SAFETY: as above.
        unsafe { ibf!(self.api, insert_fields(self.raw, row.as_ptr(), row.len() as ib_ulint_t)) }
    }

    pub(super) fn delete(&self) -> Result<()> {
        // SAFETY: the cursor lives.
        self.api.check(unsafe { ib!(self.api, delete_row(self.raw)) })
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        // SAFETY: `raw` is ours and dies here.
        unsafe { ib!(self.api, cursor_close(self.raw)) };
    }
}

fn owned_name(name: *const std::ffi::c_char) -> Option<String> {
    // SAFETY: a non-null answer is a NUL-terminated string that lives as long as the cursor; it is copied at once.
    (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned())
}
