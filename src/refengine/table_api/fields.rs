//! Entries 50 to 52: rows that are found, read and written by one call each.

use super::cursor::{Cursor, NOT_FOUND};
use super::handle::{Fail, MISUSED, Outcome, entry, object};
use super::value::{MISMATCH, Stored, bytes, stored};
use crate::bindings::{IB_FIELD_UNSET, IB_SQL_NULL, ib_col_attr, ib_crsr_t, ib_err, ib_field_t, ib_ulint_t};
use crate::refengine::codec::{self, Narrow, RowWriter};
use crate::refengine::shape::{Form, Shape};
use crate::refengine::trx::change::Updated;
use crate::refengine::types::ColumnDef;
use std::os::raw::c_void;

const NULL: ib_field_t = ib_field_t { data: std::ptr::null(), len: IB_SQL_NULL as ib_ulint_t };

entry! {
    fn find_fields(crsr: ib_crsr_t, key: *const c_void, len: ib_ulint_t, fields: *mut ib_field_t, n: ib_ulint_t) {
        // SAFETY: the caller's handle.
        let cursor: &mut Cursor = unsafe { object(crsr) }?;
        let columns = cursor.guard()?.table().def().columns.len();
        if fields.is_null() || n as usize != columns {
            return Err(MISMATCH);
        }
        // SAFETY: the caller's key, and its fields, as many as the table has columns.
        let (key, fields) = unsafe { (bytes(key, len)?, std::slice::from_raw_parts_mut(fields, columns)) };
        cursor.find_key(key)?;
        let row = cursor.row.bytes().ok_or(NOT_FOUND)?;
        let is_row = codec::each(row, fields, |field, bytes, place| {
            *field = match place {
                Some((start, len)) => {
                    ib_field_t { data: bytes.as_ptr().wrapping_add(start).cast(), len: len as ib_ulint_t }
                }
                None => NULL,
            };
        });
        if !is_row {
            fields.fill(NULL);
            return Err(Fail(ib_err::IB_CORRUPTION));
        }
        cursor.found = true;
        Ok(())
    }
}

entry! {
    fn update_fields(crsr: ib_crsr_t, fields: *const ib_field_t, n: ib_ulint_t) {
        // SAFETY: the caller's handle.
        let cursor: &mut Cursor = unsafe { object(crsr) }?;
        // The fields that were handed out point into this row, so it stays where it is.
        let old = cursor.row.bytes().filter(|_| cursor.found).ok_or(MISUSED)?;
        let guard = cursor.guard.as_ref().ok_or(MISUSED)?;
        // SAFETY: the caller's fields.
        unsafe { write_row(&mut cursor.buffer, guard.table().shape(), fields, n, Some(old)) }?;
        let key = if cursor.index == 0 { &cursor.at } else { &cursor.pk };
        if cursor.trx.running()?.replace(guard, key, &cursor.row, &cursor.buffer)? == Updated::Missing {
            return Err(NOT_FOUND);
        }
        cursor.found = false;
        Ok(())
    }
}

entry! {
    fn insert_fields(crsr: ib_crsr_t, fields: *const ib_field_t, n: ib_ulint_t) {
        // SAFETY: the caller's handle.
        let cursor: &mut Cursor = unsafe { object(crsr) }?;
        let guard = cursor.guard.as_ref().ok_or(MISUSED)?;
        // SAFETY: the caller's fields.
        unsafe { write_row(&mut cursor.buffer, guard.table().shape(), fields, n, None) }?;
        Ok(cursor.trx.running()?.insert(guard, &cursor.buffer)?)
    }
}

/// Writes the row that these fields make to `out`, those that are not set as in `old` or, without that, NULL. Refuses what is not
/// done in this way: see the header.
///
/// # Safety
/// `fields` is NULL or has `n` fields, whose bytes are readable.
unsafe fn write_row(
    out: &mut Vec<u8>,
    shape: &Shape,
    fields: *const ib_field_t,
    n: ib_ulint_t,
    old: Option<&[u8]>,
) -> Outcome {
    let columns = &shape.def().columns;
    if fields.is_null() || n as usize != columns.len() {
        return Err(MISMATCH);
    }
    // SAFETY: the caller's promise.
    let fields = unsafe { std::slice::from_raw_parts(fields, columns.len()) };
    let narrow = old.and_then(|old| Narrow::of(old, columns.len()));
    let mut row = RowWriter::begin(out, columns.len());
    for (at, (field, code)) in fields.iter().zip(shape.codes()).enumerate() {
        let given = field.len != ib_ulint_t::from(IB_FIELD_UNSET);
        if given && code.indexed && old.is_some() {
            return Err(MISMATCH);
        }
        if given && field.len != NULL.len {
            // SAFETY: the caller's promise.
            let value = unsafe { bytes(field.data, field.len) }?;
            match (code.form, value) {
                (Form::Int4(sign), [a, b, c, d]) => {
                    row.push(&(u32::from_ne_bytes([*a, *b, *c, *d]) ^ sign).to_be_bytes());
                }
                (Form::Int8(sign), [a, b, c, d, e, f, g, h]) => {
                    row.push(&(u64::from_ne_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) ^ sign).to_be_bytes());
                }
                (Form::Bytes(most), value) if value.len() <= most => row.push(value),
                (Form::Ascii(most), value) if value.len() <= most && value.is_ascii() => row.push(value),
                (_, value) => push_other(&mut row, columns.get(at).ok_or(MISMATCH)?, value)?,
            }
            continue;
        }
        let kept = match narrow {
            _ if given => None,
            Some(narrow) => narrow.bytes(at),
            None => old.and_then(|old| codec::bytes(old, columns.len(), at)),
        };
        match kept {
            Some(kept) => row.push(kept),
            // It has a default, which `insert_row` knows.
            None if code.attr & ib_col_attr::IB_COL_FILLED != 0 && old.is_none() => return Err(MISMATCH),
            None if code.attr & ib_col_attr::IB_COL_NOT_NULL != 0 => return Err(Fail(ib_err::IB_INVALID_NULL)),
            None => row.push_null(),
        }
    }
    if row.end() { Ok(()) } else { Err(MISMATCH) }
}

/// Writes a column that has to be looked at.
#[cold]
fn push_other(row: &mut RowWriter<'_>, column: &ColumnDef, value: &[u8]) -> Outcome {
    match stored(column, value)? {
        Stored::Int(number) => row.push(number.bytes()),
        Stored::Bytes { cut: true, .. } => return Err(MISMATCH),
        Stored::Bytes { stored, .. } => row.push(&stored),
    }
    Ok(())
}
