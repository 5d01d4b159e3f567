//! Owners of the table's tuples, and the cells that go in and out.

use super::api::{Api, ib};
use crate::bindings::{IB_SQL_NULL, ib_bool_t, ib_col_attr, ib_col_meta_t, ib_col_type, ib_tpl_t, ib_ulint_t};
use crate::rows::integer::decode_int;
use crate::rows::{Cell, Column, ColumnKind, Error, Result};
use std::ptr;

/// Bytes of the widest BINARY column.
const BINARY_MAX: usize = 255;

/// A row or a search key.
pub(super) struct Tuple {
    api: Api,
    pub(super) raw: ib_tpl_t,
}

impl Tuple {
    pub(super) fn new(api: Api, raw: ib_tpl_t) -> Result<Tuple> {
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

    /// Bytes of a column's value, 0 for NULL.
    pub(super) fn length(&self, i: usize) -> usize {
        match self.meta(i) {
            (_, IB_SQL_NULL) => 0,
            (_, length) => length as usize,
        }
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

    /// Sets a column. Without `copy` the tuple points to the cell's bytes: it must not be used any more once they are gone, but to set
    /// the column again.
    ///
    /// # Errors
    /// [`Error::TooLong`] when the engine cut the value or an integer does not fit, [`Error::BadText`] when it cut at what is no character.
    pub(super) fn set(&self, i: usize, cell: Cell<'_>, column: &Column, copy: bool) -> Result<()> {
        match (cell, column.kind) {
            (Cell::Null, _) => self.set_raw(i, ptr::null(), IB_SQL_NULL as usize, true),
            (Cell::Int(_) | Cell::UInt(_), ColumnKind::Int { bytes, .. }) => match native(cell, bytes) {
                Some(native) => self.set_int(i, native, bytes),
                None => Err(Error::TooLong(column.name.clone())),
            },
            (Cell::Bytes(value), _) => {
                if value.len() > column.max_bytes as usize {
                    return Err(Error::TooLong(column.name.clone()));
                }
                if column.kind == ColumnKind::Binary && value.len() < column.max_bytes as usize {
                    return self.set_padded(i, value, column.max_bytes as usize);
                }
                self.set_raw(i, value.as_ptr(), value.len(), copy)?;
                // The engine cuts at the column's length in characters and at what is no character.
                let cuts = matches!(column.kind, ColumnKind::Char | ColumnKind::VarChar | ColumnKind::Blob);
                if cuts {
                    let kept = self.kept(i, value, column);
                    if kept < value.len() {
                        return Err(cut(value, kept, column));
                    }
                }
                Ok(())
            }
            _ => Err(Error::Engine(format!("an integer for column {}, which is none", column.name))),
        }
    }

    /// How many bytes of a value that was set the engine kept.
    #[inline]
    fn kept(&self, i: usize, value: &[u8], column: &Column) -> usize {
        match column.kind {
            // What was cut is padded.
            ColumnKind::Char => {
                let stored = self.bytes(i).unwrap_or_default();
                value.iter().zip(stored).take_while(|(given, kept)| given == kept).count()
            }
            _ => self.meta(i).1 as usize,
        }
    }

    /// A shorter value of a BINARY column: InnoDB stores and compares what it is given.
    fn set_padded(&self, i: usize, value: &[u8], width: usize) -> Result<()> {
        let mut padded = [0; BINARY_MAX];
        padded[..value.len()].copy_from_slice(value);
        self.set_raw(i, padded.as_ptr(), width.min(BINARY_MAX), true)
    }

    /// Sets an integer column of so many bytes to what [`native`] gave.
    fn set_int(&self, i: usize, native: [u8; 8], bytes: u8) -> Result<()> {
        self.set_raw(i, native.as_ptr(), usize::from(bytes).min(8), true)
    }

    #[inline]
    fn set_raw(&self, i: usize, data: *const u8, len: usize, copy: bool) -> Result<()> {
        let (i, len, copy) = (i as ib_ulint_t, len as ib_ulint_t, ib_bool_t::from(copy));
        // SAFETY: the tuple lives, `data` has `len` bytes (or is unused for NULL); the engine copies, or the caller of `set` sees to it
        // that nobody looks at them when they are gone.
        let code = unsafe { ib!(self.api, col_set_value(self.raw, i, data.cast(), len, copy)) };
        self.api.check(code)
    }

    /// Takes column `from` of another tuple, which `column` describes, as column `to`; for `copy` see [`Tuple::set`]. `false`: it is NULL
    /// there, and nothing was done.
    pub(super) fn copy(&self, to: usize, other: &Tuple, from: usize, column: &Column, copy: bool) -> Result<bool> {
        let (width, unsigned) = match column.kind {
            ColumnKind::Int { bytes, unsigned } => (bytes, unsigned),
            // Whatever its kind: what is kept as an integer is read in InnoDB's format and set in the machine's.
            _ => match other.meta(from).0 {
                meta if meta.type_ == ib_col_type::IB_INT => {
                    (meta.type_len as u8, meta.attr & ib_col_attr::IB_COL_UNSIGNED != 0)
                }
                _ => {
                    let Some(bytes) = other.bytes(from) else { return Ok(false) };
                    return self.set_raw(to, bytes.as_ptr(), bytes.len(), copy).map(|()| true);
                }
            },
        };
        let Some(bytes) = other.integer(from, width) else { return Ok(false) };
        self.set_int(to, in_front(decode_int(bytes, unsigned) as u64, width), width).map(|()| true)
    }
}

impl Drop for Tuple {
    fn drop(&mut self) {
        // SAFETY: `raw` is ours and dies here.
        unsafe { ib!(self.api, tuple_delete(self.raw)) };
    }
}

/// An integer cell in the machine's format, at the beginning of the bytes, for a column of so many; `None` where it does not fit.
#[inline]
pub(super) fn native(cell: Cell<'_>, bytes: u8) -> Option<[u8; 8]> {
    match cell {
        Cell::Int(value) => fits_signed(value, bytes).then(|| in_front(value as u64, bytes)),
        Cell::UInt(value) => (bytes >= 8 || value >> (8 * u32::from(bytes)) == 0).then(|| in_front(value, bytes)),
        _ => None,
    }
}

/// The low bytes of a number at the beginning: big-endian machines have them last.
#[inline]
fn in_front(value: u64, bytes: u8) -> [u8; 8] {
    let spare = if cfg!(target_endian = "little") { 0 } else { 64 - 8 * u32::from(bytes.clamp(1, 8)) };
    (value << spare).to_ne_bytes()
}

fn fits_signed(value: i64, bytes: u8) -> bool {
    let spare = 64 - 8 * u32::from(bytes.clamp(1, 8));
    value << spare >> spare == value
}

/// Why the engine kept only the first `kept` bytes of a value: because what follows is no character, or one that the column's character
/// set has not; or because the column has no more places, for characters of one, three or four bytes each.
#[cold]
fn cut(value: &[u8], kept: usize, column: &Column) -> Error {
    let broken = std::str::from_utf8(value).is_err_and(|error| error.valid_up_to() == kept);
    let characters = value.iter().take(kept).filter(|byte| **byte & 0xC0 != 0x80).count();
    let full = || [1, 3, 4].map(|width| column.max_bytes as usize / width).contains(&characters);
    if column.kind == ColumnKind::Blob || (!broken && full()) {
        return Error::TooLong(column.name.clone());
    }
    Error::BadText(column.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

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
