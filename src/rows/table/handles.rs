//! The callback table and the owners of its handles; every raw call is here.

use super::super::{Cell, Column, ColumnKind, Error, Mode, Result};
use crate::bindings::*;
use std::ffi::{CStr, c_int, c_void};
use std::fmt;
use std::ptr::{self, NonNull};

/// Bytes of the widest BINARY column.
const BINARY_MAX: usize = 255;

/// The callback table, complete and valid while the daemon runs.
#[derive(Clone, Copy)]
pub struct Api(NonNull<ib_cb_t>);

// SAFETY: the table is constant after `Api::new`, and its functions may be called from any thread; handles, not the
// table, are bound to threads.
unsafe impl Send for Api {}
// SAFETY: as above.
unsafe impl Sync for Api {}

/// Calls an entry of the table. Wrap in `unsafe` with the reason why the arguments are valid.
macro_rules! ib {
    ($api:expr, $entry:ident($($arg:expr),*)) => {
        // `Api::new` has checked that no entry is null.
        ((*$api.0.as_ptr()).$entry.unwrap_unchecked())($($arg),*)
    };
}

/// A host's callback table cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiError {
    /// There is none.
    Missing,
    /// It has so many entries, and another number was expected.
    Length(usize),
    /// This entry, counted from 0, is null.
    Null(usize),
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApiError::Missing => f.write_str("the host handed over no InnoDB API table"),
            ApiError::Length(entries) => {
                write!(f, "the InnoDB API table has {entries} entries instead of {IB_CB_ENTRIES}")
            }
            ApiError::Null(entry) => write!(f, "entry {entry} of the InnoDB API table is null"),
        }
    }
}

impl std::error::Error for ApiError {}

impl Api {
    /// Takes a table of `entries` function pointers.
    ///
    /// # Errors
    /// A table of another length than [`IB_CB_ENTRIES`], or one with a null entry (named by number).
    ///
    /// # Safety
    /// `table` points to `entries` function pointers in the layout of `innodb_api.h`, which stay
    /// valid until the last use of the returned value and its copies.
    pub unsafe fn new(table: *const ib_cb_t, entries: usize) -> std::result::Result<Api, ApiError> {
        let Some(api) = NonNull::new(table.cast_mut()) else {
            return Err(ApiError::Missing);
        };
        if entries != IB_CB_ENTRIES as usize {
            return Err(ApiError::Length(entries));
        }
        // SAFETY: the caller promises `entries` readable pointers.
        let slots = unsafe { std::slice::from_raw_parts(table.cast::<*const c_void>(), entries) };
        slots.iter().position(|slot| slot.is_null()).map_or(Ok(Api(api)), |i| Err(ApiError::Null(i)))
    }

    /// The host's `innodb_api_trx_level`.
    pub fn trx_level(self) -> u8 {
        // SAFETY: takes no argument.
        unsafe { ib!(self, cfg_trx_level()) }.min(3) as u8
    }

    /// The host's `innodb_api_bk_commit_interval` in seconds, at least 1.
    pub fn commit_interval(self) -> i64 {
        // SAFETY: takes no argument.
        i64::try_from(unsafe { ib!(self, bk_commit_interval()) }).unwrap_or(i64::MAX).max(1)
    }

    /// Whether rows are locked before they are changed (`innodb_api_disable_rowlock` is off).
    pub fn row_locks(self) -> bool {
        // SAFETY: takes no argument.
        unsafe { ib!(self, get_cfg()) & ib_cfg::IB_CFG_DISABLE_ROWLOCK as c_int == 0 }
    }

    /// TRUNCATE TABLE.
    pub fn truncate(self, path: &CStr) -> Result<()> {
        let mut id = 0;
        // SAFETY: `path` is NUL-terminated, `id` is writable.
        let code = unsafe { ib!(self, table_truncate(path.as_ptr(), &mut id)) };
        self.check_named(code, path)
    }

    fn check(self, code: ib_err::Type) -> Result<()> {
        match code {
            ib_err::IB_SUCCESS | ib_err::IB_SUCCESS_LOCKED_REC => Ok(()),
            code => Err(self.error(code)),
        }
    }

    fn check_named(self, code: ib_err::Type, name: &CStr) -> Result<()> {
        match code {
            ib_err::IB_TABLE_NOT_FOUND | ib_err::IB_NOT_FOUND => {
                Err(Error::NotFound(name.to_string_lossy().into_owned()))
            }
            code => self.check(code),
        }
    }

    /// `Ok(false)` for the three codes that mean "no such row".
    fn check_found(self, code: ib_err::Type) -> Result<bool> {
        match code {
            ib_err::IB_SUCCESS | ib_err::IB_SUCCESS_LOCKED_REC => Ok(true),
            ib_err::IB_RECORD_NOT_FOUND | ib_err::IB_END_OF_INDEX | ib_err::IB_NOT_FOUND => Ok(false),
            code => Err(self.error(code)),
        }
    }

    #[cold]
    fn error(self, code: ib_err::Type) -> Error {
        // SAFETY: any code is allowed; the answer is a static string or null.
        let text = unsafe { ib!(self, ut_strerr(code)) };
        let text = if text.is_null() {
            format!("InnoDB API error {code}")
        } else {
            // SAFETY: not null, a static NUL-terminated string.
            unsafe { CStr::from_ptr(text) }.to_string_lossy().to_lowercase()
        };
        match code {
            ib_err::IB_DUPLICATE_KEY => Error::Duplicate,
            ib_err::IB_DEADLOCK | ib_err::IB_ROLLBACK => Error::Deadlock,
            ib_err::IB_LOCK_WAIT | ib_err::IB_LOCK_WAIT_TIMEOUT => Error::LockTimeout,
            ib_err::IB_INVALID_NULL | ib_err::IB_NO_REFERENCED_ROW | ib_err::IB_ROW_IS_REFERENCED => {
                Error::Constraint(text)
            }
            ib_err::IB_INTERRUPTED => Error::Interrupted,
            ib_err::IB_READ_ONLY => Error::ReadOnly,
            ib_err::IB_OUT_OF_FILE_SPACE => Error::DiskFull,
            ib_err::IB_TOO_MANY_CONCURRENT_TRXS => Error::Refused(text),
            ib_err::IB_TOO_BIG_RECORD => Error::TooLong("(the whole row)".into()),
            _ => Error::Engine(text),
        }
    }
}

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
            log::error!("rollback failed: {error}");
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

    pub(super) fn insert(&self, row: &Tuple) -> Result<()> {
        // SAFETY: cursor and tuple live.
        self.api.check(unsafe { ib!(self.api, insert_row(self.raw, row.raw)) })
    }

    pub(super) fn update(&self, old: &Tuple, new: &Tuple) -> Result<()> {
        // SAFETY: cursor and tuples live; `old` was read through this cursor.
        self.api.check(unsafe { ib!(self.api, update_row(self.raw, old.raw, new.raw)) })
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

/// A row or a search key.
pub(super) struct Tuple {
    api: Api,
    raw: ib_tpl_t,
}

impl Tuple {
    fn new(api: Api, raw: ib_tpl_t) -> Result<Tuple> {
        if raw.is_null() {
            return Err(Error::Engine("out of memory for a tuple".into()));
        }
        Ok(Tuple { api, raw })
    }

    /// Columns, those of the system included.
    pub(super) fn columns(&self) -> usize {
        // SAFETY: the tuple lives.
        unsafe { ib!(self.api, tuple_get_n_cols(self.raw)) as usize }
    }

    pub(super) fn user_columns(&self) -> usize {
        // SAFETY: the tuple lives.
        unsafe { ib!(self.api, tuple_get_n_user_cols(self.raw)) as usize }
    }

    /// Description and current length (`IB_SQL_NULL` for NULL) of a column.
    pub(super) fn meta(&self, i: usize) -> (ib_col_meta_t, u32) {
        let mut meta = ib_col_meta_t { type_: 0, attr: 0, type_len: 0, client_type: 0, charset: ptr::null_mut() };
        // SAFETY: the tuple lives, `i` is below its number of columns, `meta` is writable.
        let len = unsafe { ib!(self.api, col_get_meta(self.raw, i as ib_ulint_t, &mut meta)) };
        (meta, len as u32)
    }

    /// The stored bytes, `None` for NULL; valid until the tuple is read into again.
    pub(super) fn bytes(&self, i: usize) -> Option<&[u8]> {
        let (_, len) = self.meta(i);
        if len == IB_SQL_NULL {
            return None;
        }
        // SAFETY: the tuple lives, `i` is below its number of columns.
        let data = unsafe { ib!(self.api, col_get_value(self.raw, i as ib_ulint_t)) };
        match (data.is_null(), len) {
            (_, 0) => Some(&[]),
            (true, _) => None,
            // SAFETY: the engine promises `len` bytes until the tuple changes; changing calls need the session mutably.
            (false, len) => Some(unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len as usize) }),
        }
    }

    /// The stored bytes of an integer column that is `width` bytes wide, `None` for NULL; valid as those of [`Tuple::bytes`].
    pub(super) fn integer(&self, i: usize, width: u8) -> Option<&[u8]> {
        // SAFETY: the tuple lives, `i` is below its number of columns.
        let data = unsafe { ib!(self.api, col_get_value(self.raw, i as ib_ulint_t)) };
        // SAFETY: an integer that is not NULL has its column's width, which was compared when the table was opened; it stays as
        // in `bytes`.
        (!data.is_null()).then(|| unsafe { std::slice::from_raw_parts(data.cast::<u8>(), usize::from(width)) })
    }

    /// Sets a column.
    ///
    /// # Errors
    /// [`Error::TooLong`] when the engine cut the value or an integer does not fit.
    pub(super) fn set(&self, i: usize, cell: Cell<'_>, column: &Column) -> Result<()> {
        match (cell, column.kind) {
            (Cell::Null, _) => self.set_raw(i, ptr::null(), IB_SQL_NULL as usize),
            (Cell::Int(value), ColumnKind::Int { bytes, .. }) => {
                let native = value.to_ne_bytes();
                self.set_int(i, native, fits_signed(value, bytes), bytes, column)
            }
            (Cell::UInt(value), ColumnKind::Int { bytes, .. }) => {
                let fits = bytes >= 8 || value >> (8 * u32::from(bytes)) == 0;
                self.set_int(i, value.to_ne_bytes(), fits, bytes, column)
            }
            (Cell::Bytes(value), _) => {
                if value.len() > column.max_bytes as usize {
                    return Err(Error::TooLong(column.name.clone()));
                }
                if column.kind == ColumnKind::Binary && value.len() < column.max_bytes as usize {
                    return self.set_padded(i, value, column.max_bytes as usize);
                }
                self.set_raw(i, value.as_ptr(), value.len())?;
                // The engine cuts at the column's length in characters and at what is no character.
                let cuts = matches!(column.kind, ColumnKind::Char | ColumnKind::VarChar | ColumnKind::Blob);
                if cuts && (self.meta(i).1 as usize) < value.len() {
                    return Err(Error::TooLong(column.name.clone()));
                }
                Ok(())
            }
            _ => Err(Error::Engine(format!("an integer for column {}, which is none", column.name))),
        }
    }

    /// A shorter value of a BINARY column: InnoDB stores and compares what it is given.
    fn set_padded(&self, i: usize, value: &[u8], width: usize) -> Result<()> {
        let mut padded = [0; BINARY_MAX];
        padded[..value.len()].copy_from_slice(value);
        self.set_raw(i, padded.as_ptr(), width.min(BINARY_MAX))
    }

    fn set_int(&self, i: usize, native: [u8; 8], fits: bool, bytes: u8, column: &Column) -> Result<()> {
        if !fits {
            return Err(Error::TooLong(column.name.clone()));
        }
        // Little-endian keeps the low bytes first, big-endian last.
        let width = usize::from(bytes).min(8);
        let part = if cfg!(target_endian = "little") { &native[..width] } else { &native[8 - width..] };
        self.set_raw(i, part.as_ptr(), part.len())
    }

    fn set_raw(&self, i: usize, data: *const u8, len: usize) -> Result<()> {
        // SAFETY: the tuple lives, `data` has `len` bytes (or is unused for NULL), and the engine copies.
        let code =
            unsafe { ib!(self.api, col_set_value(self.raw, i as ib_ulint_t, data.cast(), len as ib_ulint_t, 1)) };
        self.api.check(code)
    }

    /// Takes a column over from a tuple of the same table.
    pub(super) fn copy_from(&self, other: &Tuple, i: usize, column: &Column) -> Result<()> {
        self.copy(i, other, i, column)
    }

    /// Takes column `from` of another tuple, which `column` describes, as column `to`.
    pub(super) fn copy(&self, to: usize, other: &Tuple, from: usize, column: &Column) -> Result<()> {
        let Some(bytes) = other.bytes(from) else { return Ok(()) }; // unset columns are NULL
        let (meta, _) = other.meta(from);
        match meta.type_ {
            // Whatever its kind: it is read in InnoDB's format and set in the machine's.
            ib_col_type::IB_INT => {
                let unsigned = meta.attr & ib_col_attr::IB_COL_UNSIGNED != 0;
                let native = (decode_int(bytes, unsigned) as i64).to_ne_bytes();
                self.set_int(to, native, true, meta.type_len as u8, column)
            }
            _ => self.set_raw(to, bytes.as_ptr(), bytes.len()),
        }
    }
}

impl Drop for Tuple {
    fn drop(&mut self) {
        // SAFETY: `raw` is ours and dies here.
        unsafe { ib!(self.api, tuple_delete(self.raw)) };
    }
}

fn fits_signed(value: i64, bytes: u8) -> bool {
    let spare = 64 - 8 * u32::from(bytes.clamp(1, 8));
    value << spare >> spare == value
}

/// An integer in InnoDB's format: 1 to 8 bytes, big-endian, the sign bit of signed columns flipped.
#[inline]
pub(in crate::rows) fn decode_int(bytes: &[u8], unsigned: bool) -> i128 {
    let value = match *bytes {
        [a, b, c, d] => u64::from(u32::from_be_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        _ => bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)),
    };
    if unsigned || bytes.is_empty() {
        return i128::from(value);
    }
    i128::from(value) - (1i128 << (8 * bytes.len().min(8) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_come_back_from_innodb_format() {
        for (bytes, unsigned, value) in [
            (&[0x80u8, 0, 0, 0][..], false, 0),
            (&[0x7f, 0xff, 0xff, 0xff], false, -1),
            (&[0, 0, 0, 0], false, i128::from(i32::MIN)),
            (&[0xff], false, 127),
            (&[0xff], true, 255),
            (&[0xff; 8], true, i128::from(u64::MAX)),
            (&[0xff; 8], false, i128::from(i64::MAX)),
        ] {
            assert_eq!(decode_int(bytes, unsigned), value, "{bytes:?}");
        }
    }

    #[test]
    fn widths_bound_signed_values() {
        for (value, bytes, fits) in [
            (127, 1, true),
            (128, 1, false),
            (-128, 1, true),
            (-129, 1, false),
            (i64::MIN, 8, true),
            (1 << 31, 4, false),
        ] {
            assert_eq!(fits_signed(value, bytes), fits, "{value} in {bytes}");
        }
    }
}
