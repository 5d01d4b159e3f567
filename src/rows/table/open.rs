//! A table that is open in the current transaction: its cursors and tuples.
//!
//! Where the host's tuples last ([`Api::lasting_tuples`](super::api::Api::lasting_tuples)) they are kept from one transaction to the
//! next, so that the columns of a table are described once and not each time that it is opened.

use super::cursor::{Cursor, Transaction};
use super::describe::column_kind;
use super::fields::{Answer, Fields};
use super::tuple::Tuple;
use crate::bindings::{ib_lck_mode, ib_match_mode, ib_srch_mode};
use crate::rows::{Cell, Column, ColumnKind, Error, Result, Table};
use std::ops::Bound;

/// InnoDB copies each row it reads into the tuple's heap, which only grows: a read tuple is replaced after this many rows.
const READS_PER_TUPLE: u32 = 16;

/// A kept tuple holds on to the last row that it read, unless one of the row's columns is longer than this.
const KEPT_COLUMN: u32 = 64 << 10;

/// The tuples of a table.
pub(super) struct Tuples {
    /// [`Table::stamp`] of the table.
    pub(super) stamp: u32,
    search: Tuple,
    /// Columns of `search` behind the key, and where they are in the row: the primary key in a secondary index.
    appended: Vec<(usize, usize)>,
    pub(super) row: Tuple,
    /// A row to be written; only where tuples last. Its columns point to the caller's values, so each write sets every one of them.
    new: Option<Tuple>,
    /// Columns that may be longer than [`KEPT_COLUMN`].
    wide: Vec<usize>,
    /// Where the host takes whole rows, and its index knows no more than the key.
    fields: Option<Fields>,
}

impl Tuples {
    /// Makes them from cursors of a table, whose columns must be those that were described.
    pub(super) fn new(table: &Table, base: &Cursor, index: Option<&Cursor>, fields: bool) -> Result<Tuples> {
        let search = index.unwrap_or(base).search_tuple()?;
        let row = base.read_tuple()?;
        let same = |(i, column): (usize, &Column)| {
            base.column_is(i, &column.name) && column_kind(&row.meta(i).0) == column.kind
        };
        // `bytes` and `int` count on this: a caller's column of a table with this stamp is one of the tuple, as wide as it says.
        if row.user_columns() != table.columns.len() || !table.columns.iter().enumerate().all(same) {
            return Err(Error::Changed(table.display().into_owned()));
        }
        let appended = match index {
            None => Vec::new(),
            Some(index) => appended_columns(index, &search, table)?,
        };
        let columns = table.columns.iter().enumerate();
        let wide = columns.filter(|(_, column)| column.max_bytes > KEPT_COLUMN).map(|(i, _)| i).collect();
        let fields = (fields && appended.is_empty()).then(|| Fields::new(table.columns.len()));
        Ok(Tuples { stamp: table.stamp, search, appended, row, new: None, wide, fields })
    }
}

/// A table opened in the current transaction. Fields drop in this order: tuples before the cursors
/// they were made from, the index cursor before the clustered one.
pub(super) struct OpenTable {
    pub(super) tuples: Box<Tuples>,
    /// Rows that were read into the row tuple, where those do not last.
    reads: u32,
    pub(super) lasting: bool,
    index: Option<Cursor>,
    base: Cursor,
    lock: ib_lck_mode::Type,
    /// The transaction that its cursors read in, as its session numbers them.
    pub(super) number: u64,
    /// Whether the current row is the one in the fields, not the one in the row tuple.
    in_fields: bool,
    /// Whether the row tuple was read into.
    filled: bool,
}

impl OpenTable {
    /// Opens a table whose cursor on the clustered index this is, with the tuples of an earlier time if they still suit it.
    pub(super) fn new(
        table: &Table,
        base: Cursor,
        kept: Option<Box<Tuples>>,
        lasting: bool,
        fields: bool,
    ) -> Result<OpenTable> {
        let index = match &table.index {
            None => None,
            Some(name) => {
                let (index, _) = base.open_index(name)?;
                index.set_cluster_access();
                Some(index)
            }
        };
        index.as_ref().unwrap_or(&base).set_match_mode(ib_match_mode::IB_EXACT_MATCH);
        let tuples = match kept.filter(|kept| kept.stamp == table.stamp && base.suits(&kept.row)) {
            Some(kept) => kept,
            None => Box::new(Tuples::new(table, &base, index.as_ref(), fields)?),
        };
        let lock = ib_lck_mode::IB_LOCK_NONE;
        Ok(OpenTable { tuples, reads: 0, lasting, index, base, lock, number: 0, in_fields: false, filled: false })
    }

    /// Takes the table out of its transaction, behind which it stays open.
    pub(super) fn leave(&self) -> Result<()> {
        self.base.leave()?;
        self.index.as_ref().map_or(Ok(()), Cursor::leave)
    }

    /// Makes a table that has [left](OpenTable::leave) an earlier transaction one of this transaction, whose number this is.
    #[cold]
    pub(super) fn join(&mut self, trx: &Transaction, number: u64) -> Result<()> {
        self.base.join(trx)?;
        if let Some(index) = &self.index {
            index.join(trx)?;
        }
        self.number = number;
        Ok(())
    }

    /// Closes the cursors; what is left are tuples that may be used again.
    pub(super) fn close(mut self) -> Option<Box<Tuples>> {
        if !self.lasting {
            return None;
        }
        if self.filled && self.tuples.wide.iter().any(|i| self.tuples.row.length(*i) > KEPT_COLUMN as usize) {
            self.tuples.row = self.base.read_tuple().ok()?;
        }
        Some(self.tuples)
    }

    pub(super) fn cursor(&self) -> &Cursor {
        self.index.as_ref().unwrap_or(&self.base)
    }

    /// The fields of the current row, where it is in them.
    #[inline(always)]
    pub(super) fn current_fields(&self) -> Option<&Fields> {
        self.tuples.fields.as_ref().filter(|_| self.in_fields)
    }

    /// The stored bytes of a column of the current row, `None` for NULL.
    #[inline(always)]
    pub(super) fn bytes(&self, column: usize) -> Option<&[u8]> {
        match self.current_fields() {
            Some(fields) => fields.bytes(column),
            None => self.tuples.row.bytes(column),
        }
    }

    /// Those of an integer column of this width.
    #[inline]
    pub(super) fn integer(&self, column: usize, width: u8) -> Option<&[u8]> {
        match self.current_fields() {
            Some(fields) => fields.bytes(column),
            None => self.tuples.row.integer(column, width),
        }
    }

    /// Takes the lock mode for the reads that follow.
    #[inline(always)]
    pub(super) fn set_lock(&mut self, lock: ib_lck_mode::Type) -> Result<()> {
        if self.lock == lock {
            return Ok(());
        }
        self.base.set_lock_mode(lock)?;
        if let Some(index) = &self.index {
            index.set_lock_mode(lock)?;
        }
        self.lock = lock;
        Ok(())
    }

    /// Makes the first row from `lower` on the current one.
    ///
    /// A search mode is not trusted with a bound of a secondary index: a server that compares whole entries takes every entry of a key
    /// for greater than the key alone.
    pub(super) fn seek(&mut self, table: &Table, lower: Bound<Cell<'_>>) -> Result<bool> {
        let column = &table.columns[table.key];
        let (key, behind) = match lower {
            Bound::Unbounded if column.not_null => return Ok(self.cursor().first()? && self.read_current()?),
            // Entries without a key come first.
            Bound::Unbounded => (lowest(column.kind), false),
            Bound::Included(key) => (key, false),
            Bound::Excluded(key) => (key, true),
        };
        self.tuples.search.set(0, key, column, true)?;
        if !self.move_closest(ib_srch_mode::IB_CUR_GE)? || !self.read_current()? {
            return Ok(false);
        }
        if !behind {
            return Ok(true);
        }
        if self.tuples.search.bytes(0) == self.tuples.row.bytes(table.key) {
            return Ok(self.cursor().next()? && self.read_current()?);
        }
        // The row's key may be another spelling of the bound: an entry behind (bound, the row's own end) is not that row then, and is
        // that row otherwise.
        self.append(table)?;
        let found = self.move_closest(ib_srch_mode::IB_CUR_G);
        self.clear_appended(table)?;
        Ok(found? && self.read_current()?)
    }

    fn move_closest(&self, mode: ib_srch_mode::Type) -> Result<bool> {
        self.cursor().set_match_mode(ib_match_mode::IB_CLOSEST_MATCH);
        let found = self.cursor().move_to(&self.tuples.search, mode);
        self.cursor().set_match_mode(ib_match_mode::IB_EXACT_MATCH);
        found
    }

    /// Completes the search tuple with what the current row has behind the key.
    fn append(&self, table: &Table) -> Result<()> {
        for (to, from) in &self.tuples.appended {
            self.tuples.search.copy(*to, &self.tuples.row, *from, &table.columns[*from], true)?;
        }
        Ok(())
    }

    fn clear_appended(&self, table: &Table) -> Result<()> {
        self.tuples
            .appended
            .iter()
            .try_for_each(|(to, from)| self.tuples.search.set(*to, Cell::Null, &table.columns[*from], true))
    }

    /// InnoDB compares whole entries of a secondary index, with the primary key behind the columns that were declared. So the first entry
    /// that is not below the key is read, and unless it has the key's very bytes, looked for once more with the rest of it: only a key
    /// that the collation takes for equal is found then.
    fn find_with_appended(&mut self, table: &Table) -> Result<bool> {
        if !self.move_closest(ib_srch_mode::IB_CUR_GE)? || !self.read_current()? {
            return Ok(false);
        }
        if self.tuples.search.bytes(0) == self.tuples.row.bytes(table.key) {
            return Ok(true);
        }
        self.append(table)?;
        let found = self.cursor().move_to(&self.tuples.search, ib_srch_mode::IB_CUR_GE);
        self.clear_appended(table)?;
        Ok(found? && self.read_current()?)
    }

    pub(super) fn read_current(&mut self) -> Result<bool> {
        (self.in_fields, self.filled) = (false, true);
        if !self.lasting {
            if self.reads == READS_PER_TUPLE {
                self.tuples.row = self.base.read_tuple()?;
                self.reads = 0;
            }
            self.reads += 1;
        }
        self.cursor().read_row(&self.tuples.row)
    }

    /// Makes the row with a key the current one.
    #[inline(always)]
    pub(super) fn find(&mut self, table: &Table, key: Cell<'_>) -> Result<bool> {
        let cursor = self.index.as_ref().unwrap_or(&self.base);
        if let Some(fields) = &mut self.tuples.fields
            && let Answer::Done(found) = fields.find(cursor, &table.columns[table.key], key)?
        {
            self.in_fields = found;
            return Ok(found);
        }
        // A tuple that lasts takes the key where it is: it is set anew before it is used again.
        match self.tuples.search.set(0, key, &table.columns[table.key], !self.lasting) {
            // A key that the column cannot hold is a key that no row has.
            Err(Error::TooLong(_) | Error::BadText(_)) => return Ok(false),
            other => other?,
        }
        if self.tuples.appended.is_empty() {
            return Ok(self.cursor().move_to(&self.tuples.search, ib_srch_mode::IB_CUR_GE)? && self.read_current()?);
        }
        self.find_with_appended(table)
    }

    /// Inserts a row of these cells; other columns are NULL.
    pub(super) fn insert(&mut self, table: &Table, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        if let Some(fields) = &mut self.tuples.fields
            && let Answer::Done(_) = fields.insert(&self.base, table, cells)?
        {
            return Ok(());
        }
        let (new, used) = self.new_row()?;
        for (i, column) in table.columns.iter().enumerate() {
            match cells.iter().find(|(given, _)| *given == i) {
                Some((_, cell)) => new.set(i, *cell, column, !self.lasting)?,
                None if used => new.set(i, Cell::Null, column, true)?,
                None => {}
            }
        }
        self.base.insert(&new)?;
        self.keep_new(new);
        Ok(())
    }

    /// Changes these cells of the current row.
    pub(super) fn update(&mut self, table: &Table, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        if self.in_fields {
            let cursor = self.index.as_ref().unwrap_or(&self.base);
            if let Some(fields) = &mut self.tuples.fields
                && let Answer::Done(found) = fields.update(cursor, table, cells)?
            {
                return if found { Ok(()) } else { Err(Error::Engine("the row to be changed is gone".into())) };
            }
            self.read_current()?;
        }
        let (new, used) = self.new_row()?;
        for (i, column) in table.columns.iter().enumerate() {
            match cells.iter().find(|(changed, _)| *changed == i) {
                Some((_, cell)) => new.set(i, *cell, column, !self.lasting)?,
                None => {
                    let taken = new.copy(i, &self.tuples.row, i, column, !self.lasting)?;
                    if used && !taken {
                        new.set(i, Cell::Null, column, true)?;
                    }
                }
            }
        }
        self.cursor().update(&self.tuples.row, &new)?;
        self.keep_new(new);
        Ok(())
    }

    pub(super) fn delete(&mut self) -> Result<()> {
        self.cursor().delete()
    }

    /// A tuple for a row to be written, and whether it was used before, so that its columns are not NULL.
    fn new_row(&mut self) -> Result<(Tuple, bool)> {
        match self.tuples.new.take() {
            Some(new) => Ok((new, true)),
            None => Ok((self.base.read_tuple()?, false)),
        }
    }

    /// Keeps a tuple for the next row where it lasts. After a failure it is not kept.
    fn keep_new(&mut self, new: Tuple) {
        if self.lasting {
            self.tuples.new = Some(new);
        }
    }
}

/// The least key of a column that is not NULL.
fn lowest(kind: ColumnKind) -> Cell<'static> {
    match kind {
        ColumnKind::Int { unsigned: true, .. } => Cell::UInt(0),
        ColumnKind::Int { bytes, .. } => Cell::Int(i64::MIN >> (64 - 8 * u32::from(bytes.clamp(1, 8)))),
        _ => Cell::Bytes(&[]),
    }
}

/// Columns of a search tuple behind the first, and where they are in the table.
fn appended_columns(index: &Cursor, search: &Tuple, table: &Table) -> Result<Vec<(usize, usize)>> {
    let in_table = |i| index.index_column_name(i).and_then(|name| table.column(&name)).map(|column| (i, column));
    let changed = || Error::Changed(table.display().into_owned());
    (1..search.columns()).map(|i| in_table(i).ok_or_else(changed)).collect()
}
