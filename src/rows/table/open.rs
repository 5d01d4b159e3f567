//! A table that is open in a transaction: its cursors and tuples, and how a row is found through them.

use super::cursor::Cursor;
use super::describe::column_kind;
use super::tuple::Tuple;
use crate::bindings::{ib_lck_mode, ib_match_mode, ib_srch_mode};
use crate::rows::{Cell, Column, ColumnKind, Error, Result, Table};
use std::ops::Bound;

/// InnoDB copies each row it reads into the tuple's heap, which only grows: a read tuple is replaced after this many rows.
const READS_PER_TUPLE: u32 = 16;

/// A table opened in the current transaction. Fields drop in this order: tuples before the cursors
/// they were made from, the index cursor before the clustered one.
pub(super) struct OpenTable {
    /// [`Table::stamp`] of the table.
    pub(super) stamp: u32,
    pub(super) search: Tuple,
    /// Columns of `search` behind the key, and where they are in the row: the primary key in a secondary index.
    appended: Vec<(usize, usize)>,
    pub(super) row: Tuple,
    reads: u32,
    index: Option<Cursor>,
    pub(super) base: Cursor,
    lock: ib_lck_mode::Type,
}

impl OpenTable {
    /// Opens the index of `table` beside its cursor `base`.
    ///
    /// # Errors
    /// [`Error::Changed`] when the table's columns are not those that `table` says.
    #[inline]
    pub(super) fn new(table: &Table, base: Cursor) -> Result<OpenTable> {
        let index = match &table.index {
            None => None,
            Some(name) => {
                let (index, _) = base.open_index(name)?;
                index.set_cluster_access();
                Some(index)
            }
        };
        let searched = index.as_ref().unwrap_or(&base);
        searched.set_match_mode(ib_match_mode::IB_EXACT_MATCH);
        let search = searched.search_tuple()?;
        let row = base.read_tuple()?;
        let same = |(i, column): (usize, &Column)| {
            base.column_is(i, &column.name) && column_kind(&row.meta(i).0) == column.kind
        };
        // `bytes` and `int` count on this: a caller's column of a table with this stamp is one of the tuple, as wide as it says.
        if row.user_columns() != table.columns.len() || !table.columns.iter().enumerate().all(same) {
            return Err(Error::Changed(table.display().into_owned()));
        }
        let appended = match &index {
            None => Vec::new(),
            Some(index) => appended_columns(index, &search, table)?,
        };
        let lock = ib_lck_mode::IB_LOCK_NONE;
        Ok(OpenTable { stamp: table.stamp, search, appended, row, reads: 0, index, base, lock })
    }

    pub(super) fn cursor(&self) -> &Cursor {
        self.index.as_ref().unwrap_or(&self.base)
    }

    /// Takes the lock mode for the reads that follow.
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
        self.search.set(0, key, column)?;
        if !self.move_closest(ib_srch_mode::IB_CUR_GE)? || !self.read_current()? {
            return Ok(false);
        }
        if !behind {
            return Ok(true);
        }
        if self.search.bytes(0) == self.row.bytes(table.key) {
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
        let found = self.cursor().move_to(&self.search, mode);
        self.cursor().set_match_mode(ib_match_mode::IB_EXACT_MATCH);
        found
    }

    /// Looks a row up by its key and makes it the current one.
    #[inline]
    pub(super) fn find(&mut self, table: &Table, key: Cell<'_>) -> Result<bool> {
        let column = &table.columns[table.key];
        match self.search.set(0, key, column) {
            // A key that the column cannot hold is a key that no row has.
            Err(Error::TooLong(_)) => return Ok(false),
            other => other?,
        }
        if self.appended.is_empty() {
            return Ok(self.cursor().move_to(&self.search, ib_srch_mode::IB_CUR_GE)? && self.read_current()?);
        }
        self.find_with_appended(table)
    }

    /// Completes the search tuple with what the current row has behind the key.
    fn append(&self, table: &Table) -> Result<()> {
        for (to, from) in &self.appended {
            self.search.copy(*to, &self.row, *from, &table.columns[*from])?;
        }
        Ok(())
    }

    fn clear_appended(&self, table: &Table) -> Result<()> {
        self.appended.iter().try_for_each(|(to, from)| self.search.set(*to, Cell::Null, &table.columns[*from]))
    }

    /// InnoDB compares whole entries of a secondary index, with the primary key behind the columns that were declared. So the first entry
    /// that is not below the key is read, and unless it has the key's very bytes, looked for once more with the rest of it: only a key
    /// that the collation takes for equal is found then.
    fn find_with_appended(&mut self, table: &Table) -> Result<bool> {
        if !self.move_closest(ib_srch_mode::IB_CUR_GE)? || !self.read_current()? {
            return Ok(false);
        }
        if self.search.bytes(0) == self.row.bytes(table.key) {
            return Ok(true);
        }
        self.append(table)?;
        let found = self.cursor().move_to(&self.search, ib_srch_mode::IB_CUR_GE);
        self.clear_appended(table)?;
        Ok(found? && self.read_current()?)
    }

    pub(super) fn read_current(&mut self) -> Result<bool> {
        if self.reads == READS_PER_TUPLE {
            self.row = self.base.read_tuple()?;
            self.reads = 0;
        }
        self.reads += 1;
        self.cursor().read_row(&self.row)
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
