//! Rows by one call each, where the host's table goes on behind the canonical one (`IB_CFG_FIELDS`).

use super::cursor::Cursor;
use super::tuple::native;
use crate::bindings::{IB_FIELD_UNSET, IB_SQL_NULL, ib_err, ib_field_t, ib_ulint_t};
use crate::rows::{Cell, Column, ColumnKind, Result, Table};
use std::ptr;

const UNSET: ib_field_t = ib_field_t { data: ptr::null(), len: IB_FIELD_UNSET as ib_ulint_t };
const NULL: ib_field_t = ib_field_t { data: ptr::null(), len: IB_SQL_NULL as ib_ulint_t };

/// The fields of a table's rows, kept from one row to the next for their memory.
pub(super) struct Fields {
    /// Those of the row that was found last.
    row: Vec<ib_field_t>,
    /// Those of a row to be written, and its integers in the machine's format.
    new: Vec<ib_field_t>,
    integers: Vec<[u8; 8]>,
}

/// How a call for a whole row ended.
pub(super) enum Answer {
    /// Whether there was such a row.
    Done(bool),
    /// The host wants it done column by column, or to say then what is wrong. It did nothing.
    ByColumn,
}

impl Fields {
    /// For a table of so many columns.
    pub(super) fn new(columns: usize) -> Fields {
        Fields { row: vec![NULL; columns], new: vec![UNSET; columns], integers: vec![[0; 8]; columns] }
    }

    /// The stored bytes of a column of the row that was found last, `None` for NULL. The cursor must not have been moved since.
    #[inline(always)]
    pub(super) fn bytes(&self, i: usize) -> Option<&[u8]> {
        let field = self.row.get(i)?;
        if field.data.is_null() {
            return None;
        }
        // SAFETY: the host promises `len` bytes until the cursor is moved or closed or its transaction ends; the session is borrowed
        // until the bytes are not used any more, and each of these needs it mutably.
        Some(unsafe { std::slice::from_raw_parts(field.data.cast::<u8>(), field.len as usize) })
    }

    /// Those of several columns, `None` also for one that is not asked for.
    #[inline(always)]
    pub(super) fn columns<const N: usize>(&self, columns: [Option<usize>; N]) -> [Option<&[u8]>; N] {
        let mut found = [None; N];
        // By number, so that it is unrolled.
        let mut i = 0;
        while i < N {
            found[i] = columns[i].and_then(|column| self.bytes(column));
            i += 1;
        }
        found
    }

    /// Finds the row with a key, as the cursor locks.
    #[inline(always)]
    pub(super) fn find(&mut self, cursor: &Cursor, column: &Column, key: Cell<'_>) -> Result<Answer> {
        let mut place = [0; 8];
        let Some(key) = field(key, column, &mut place) else { return Ok(Answer::ByColumn) };
        ended(cursor, cursor.find_fields(key, &mut self.row))
    }

    /// Changes these cells of the row that was found last. Its fields stay those of before; to be changed again it must be found again.
    pub(super) fn update(&mut self, cursor: &Cursor, table: &Table, cells: &[(usize, Cell<'_>)]) -> Result<Answer> {
        let taken = self.take(table, cells);
        let code = if taken { cursor.update_fields(&self.new) } else { ib_err::IB_DATA_MISMATCH };
        self.leave(cells);
        ended(cursor, code)
    }

    /// Inserts a row of these cells; other columns get their defaults, as by an `INSERT`.
    pub(super) fn insert(&mut self, cursor: &Cursor, table: &Table, cells: &[(usize, Cell<'_>)]) -> Result<Answer> {
        let taken = self.take(table, cells);
        let code = if taken { cursor.insert_fields(&self.new) } else { ib_err::IB_DATA_MISMATCH };
        self.leave(cells);
        ended(cursor, code)
    }

    /// Sets those fields of `new` that these cells are for, to which they point. `false`: one of them does not suit its column.
    fn take(&mut self, table: &Table, cells: &[(usize, Cell<'_>)]) -> bool {
        for (i, cell) in cells {
            let (Some(integer), Some(new), Some(column)) =
                (self.integers.get_mut(*i), self.new.get_mut(*i), table.columns.get(*i))
            else {
                return false;
            };
            match field(*cell, column, integer) {
                Some(field) => *new = field,
                None => return false,
            }
        }
        true
    }

    /// Takes back what was set for these cells.
    fn leave(&mut self, cells: &[(usize, Cell<'_>)]) {
        for (i, _) in cells {
            if let Some(new) = self.new.get_mut(*i) {
                *new = UNSET;
            }
        }
    }
}

#[inline(always)]
fn ended(cursor: &Cursor, code: ib_err::Type) -> Result<Answer> {
    match code {
        ib_err::IB_DATA_MISMATCH => Ok(Answer::ByColumn),
        code => cursor.api().check_found(code).map(Answer::Done),
    }
}

/// A cell as the host takes it, an integer in `place`. `None`: it does not suit the column.
#[inline(always)]
fn field(cell: Cell<'_>, column: &Column, place: &mut [u8; 8]) -> Option<ib_field_t> {
    match (cell, column.kind) {
        (Cell::Null, _) => Some(NULL),
        (Cell::Int(_) | Cell::UInt(_), ColumnKind::Int { bytes, .. }) => {
            *place = native(cell, bytes)?;
            Some(ib_field_t { data: place.as_ptr().cast(), len: ib_ulint_t::from(bytes) })
        }
        (Cell::Bytes(value), kind) if !matches!(kind, ColumnKind::Int { .. }) => (value.len()
            <= column.max_bytes as usize)
            .then(|| ib_field_t { data: value.as_ptr().cast(), len: value.len() as ib_ulint_t }),
        _ => None,
    }
}
