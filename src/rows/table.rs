//! Rows through the InnoDB API callback table.
//!
//! [`TableRows`] implements [`Rows`] for one worker thread. Below it are [`Api`] (the table) and three
//! owners whose drop releases what they hold: transaction, cursor, tuple. This file and its children make every
//! raw call of the table and nobody else makes one.

mod handles;

use super::{Cell, Column, ColumnKind, Error, Index, Mode, Result, Rows, Table};
use crate::bindings::{ib_col_attr, ib_col_meta_t, ib_col_type, ib_lck_mode, ib_match_mode, ib_srch_mode};
pub use handles::Api;
pub(super) use handles::decode_int;
use handles::{Cursor, Transaction, Tuple};
use std::ffi::CStr;
use std::ops::Bound;

/// InnoDB copies each row it reads into the tuple's heap, which only grows: a read tuple is replaced after this many rows.
const READS_PER_TUPLE: u32 = 16;

/// A table opened in the current transaction. Fields drop in this order: tuples before the cursors
/// they were made from, the index cursor before the clustered one.
struct Open {
    /// [`Table::stamp`] of the table.
    stamp: u32,
    search: Tuple,
    /// Columns of `search` behind the key, and where they are in the row: the primary key in a secondary index.
    appended: Vec<(usize, usize)>,
    row: Tuple,
    reads: u32,
    index: Option<Cursor>,
    base: Cursor,
    lock: ib_lck_mode::Type,
}

impl Open {
    fn cursor(&self) -> &Cursor {
        self.index.as_ref().unwrap_or(&self.base)
    }

    /// Takes the lock mode for the reads that follow.
    fn set_lock(&mut self, lock: ib_lck_mode::Type) -> Result<()> {
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
    fn seek(&mut self, table: &Table, lower: Bound<Cell<'_>>) -> Result<bool> {
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

    fn read_current(&mut self) -> Result<bool> {
        if self.reads == READS_PER_TUPLE {
            self.row = self.base.read_tuple()?;
            self.reads = 0;
        }
        self.reads += 1;
        self.cursor().read_row(&self.row)
    }
}

/// Rows of one worker thread. Not shared between threads: handles belong to the thread that made them.
pub struct TableRows {
    // Declared first: open cursors must be closed before their transaction is released.
    open: Vec<Option<Open>>,
    trx: Option<Transaction>,
    mode: Mode,
    active: bool,
    /// Row lock of reads that a write follows; none where the host disables it.
    write_lock: ib_lck_mode::Type,
    api: Api,
}

impl TableRows {
    /// A session without a transaction.
    pub fn new(api: Api) -> TableRows {
        let mode = Mode { level: 1, read_write: false };
        let write_lock = if api.row_locks() { ib_lck_mode::IB_LOCK_X } else { ib_lck_mode::IB_LOCK_NONE };
        TableRows { open: Vec::new(), trx: None, mode, active: false, write_lock, api }
    }

    /// The host's `innodb_api_trx_level`, 0 to 3.
    pub fn host_trx_level(&self) -> u8 {
        self.api.trx_level()
    }

    /// The host's `innodb_api_bk_commit_interval` in seconds, at least 1.
    pub fn host_commit_interval(&self) -> i64 {
        self.api.commit_interval()
    }

    fn cursor(&mut self, path: &CStr) -> Result<Cursor> {
        match (&self.trx, self.active) {
            (Some(trx), true) => Cursor::open(self.api, path, trx),
            _ => Err(Error::Engine("no transaction is open".into())),
        }
    }

    fn open(&mut self, table: &Table, lock: ib_lck_mode::Type) -> Result<&mut Open> {
        if self.open.len() <= table.id {
            self.open.resize_with(table.id + 1, || None);
        }
        if self.open[table.id].as_ref().is_none_or(|open| open.stamp != table.stamp) {
            self.open[table.id] = None;
            let base = self.cursor(&table.path)?;
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
            self.open[table.id] = Some(Open { stamp: table.stamp, search, appended, row, reads: 0, index, base, lock });
        }
        match &mut self.open[table.id] {
            Some(open) => {
                open.set_lock(lock)?;
                Ok(open)
            }
            None => Err(Error::Engine("table is not open".into())),
        }
    }

    fn opened(&self, table: &Table) -> Option<&Open> {
        self.open.get(table.id).and_then(Option::as_ref).filter(|open| open.stamp == table.stamp)
    }

    fn find(&mut self, table: &Table, key: Cell<'_>, lock: ib_lck_mode::Type) -> Result<bool> {
        let open = self.open(table, lock)?;
        let column = &table.columns[table.key];
        match open.search.set(0, key, column) {
            // A key that the column cannot hold is a key that no row has.
            Err(Error::TooLong(_)) => return Ok(false),
            other => other?,
        }
        if open.appended.is_empty() {
            return Ok(open.cursor().move_to(&open.search, ib_srch_mode::IB_CUR_GE)? && open.read_current()?);
        }
        open.find_with_appended(table)
    }

    /// The number of an ENUM's word, which is how InnoDB keeps it.
    #[cold]
    fn word_number(&self, table: &Table, column: usize) -> Option<i128> {
        let row = &self.opened(table)?.row;
        let integer = row.meta(column).0.type_ == ib_col_type::IB_INT;
        row.bytes(column).filter(|_| integer).map(|bytes| decode_int(bytes, true))
    }

    /// Closes every table; the next operation opens its table again.
    pub(super) fn close_tables(&mut self) {
        for open in &mut self.open {
            *open = None;
        }
    }

    /// Releases everything that belongs to the thread's session with the host, before that goes away.
    pub(super) fn forget(&mut self) {
        self.rollback();
        self.trx = None;
    }
}

/// The columns by which an index is searched. (A name behind the last field of an index must not be asked for: InnoDB does not look.)
fn index_columns(index: &Cursor) -> Result<Vec<String>> {
    let count = index.search_tuple()?.columns();
    Ok((0..count).map_while(|i| index.index_column_name(i)).collect())
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

/// Takes the columns of the primary key off that InnoDB appended to a secondary index.
fn strip_appended(columns: &mut Vec<String>, primary: &[String]) {
    // The longest suffix that is the part of the primary key which the columns before it do not have.
    for own in 1..columns.len() {
        let (before, appended) = columns.split_at(own);
        if primary.iter().filter(|name| !before.contains(name)).eq(appended) {
            return columns.truncate(own);
        }
    }
}

fn column_kind(meta: &ib_col_meta_t) -> ColumnKind {
    match meta.type_ {
        // InnoDB keeps DATE, ENUM, DECIMAL and others as integers or bytes; what they are the server's own type tells.
        _ if !is_plain(meta) => ColumnKind::Other,
        ib_col_type::IB_INT => {
            ColumnKind::Int { bytes: meta.type_len as u8, unsigned: meta.attr & ib_col_attr::IB_COL_UNSIGNED != 0 }
        }
        ib_col_type::IB_CHAR | ib_col_type::IB_CHAR_ANYCHARSET => ColumnKind::Char,
        ib_col_type::IB_VARCHAR | ib_col_type::IB_VARCHAR_ANYCHARSET => ColumnKind::VarChar,
        ib_col_type::IB_BINARY => ColumnKind::Binary,
        ib_col_type::IB_VARBINARY => ColumnKind::VarBinary,
        ib_col_type::IB_BLOB => ColumnKind::Blob,
        _ => ColumnKind::Other,
    }
}

/// Whether the server's type of a column (`enum_field_types`, 0 where the host does not tell) is that of plain integers, text or bytes.
fn is_plain(meta: &ib_col_meta_t) -> bool {
    match (meta.type_, meta.client_type) {
        (_, 0) => true,
        // TINY, SHORT, LONG, LONGLONG, INT24.
        (ib_col_type::IB_INT, kind) => matches!(kind, 1 | 2 | 3 | 8 | 9),
        // The four sizes of BLOB and TEXT.
        (ib_col_type::IB_BLOB, kind) => matches!(kind, 249..=252),
        // VARCHAR, VAR_STRING, STRING.
        (_, kind) => matches!(kind, 15 | 253 | 254),
    }
}

/// Bytes that a column takes. InnoDB tells of a BLOB or TEXT how long its reference and its length are: 8 and 1 to 4.
fn max_bytes(meta: &ib_col_meta_t) -> u32 {
    match (meta.type_, meta.type_len) {
        (ib_col_type::IB_BLOB, length @ 9..=12) => u32::MAX >> (8 * (12 - length)),
        (_, length) => length,
    }
}

impl Rows for TableRows {
    fn begin(&mut self, mode: Mode) -> Result<()> {
        // A plain read needs no undo and no lock: an auto-commit transaction is the engine's fast path.
        match &mut self.trx {
            Some(trx) => trx.start(mode)?,
            None => self.trx = Some(Transaction::begin(self.api, mode)?),
        }
        self.mode = mode;
        self.active = true;
        Ok(())
    }

    fn active(&self) -> bool {
        self.active
    }

    fn describe(&mut self, path: &CStr) -> Result<Vec<Column>> {
        let cursor = self.cursor(path)?;
        if cursor.is_virtual() {
            return Err(Error::Engine(format!(
                "table {} has virtual columns, which the InnoDB API cannot handle",
                path.to_string_lossy()
            )));
        }
        let tuple = cursor.read_tuple()?;
        (0..tuple.user_columns())
            .map(|i| {
                let (meta, _) = tuple.meta(i);
                let name = cursor
                    .column_name(i)
                    .ok_or_else(|| Error::Engine(format!("column {i} of {} has no name", path.to_string_lossy())))?;
                Ok(Column {
                    name,
                    kind: column_kind(&meta),
                    not_null: meta.attr & ib_col_attr::IB_COL_NOT_NULL != 0,
                    max_bytes: max_bytes(&meta),
                    has_default: meta.attr & ib_col_attr::IB_COL_FILLED != 0,
                    generated: false,
                })
            })
            .collect()
    }

    fn describe_index(&mut self, path: &CStr, name: &CStr) -> Result<Index> {
        let cursor = self.cursor(path)?;
        let (index, kind) = cursor.open_index(name)?;
        let (mut columns, primary) = (index_columns(&index)?, index_columns(&cursor)?);
        // Real InnoDB goes on with system columns behind a primary key, and appends the primary key to other indexes.
        let innodb = cursor.index_column_name(primary.len()).is_some_and(|name| name == "DB_TRX_ID");
        if innodb && kind & crate::bindings::ib_index_type::IB_CLUSTERED as i32 == 0 {
            if primary == ["DB_ROW_ID"] {
                // Entries of the index end with a number that no caller of the API may set.
                return Err(Error::Engine(format!(
                    "table {} needs a primary key, because the columns of index {} may be NULL",
                    path.to_string_lossy(),
                    name.to_string_lossy()
                )));
            }
            strip_appended(&mut columns, &primary);
        }
        let clustered = kind & crate::bindings::ib_index_type::IB_CLUSTERED as i32 != 0;
        let unique = clustered || kind & crate::bindings::ib_index_type::IB_UNIQUE as i32 != 0;
        Ok(Index { columns, unique, clustered })
    }

    fn read(&mut self, table: &Table, key: Cell<'_>) -> Result<bool> {
        let lock = if self.mode.level == 3 { ib_lck_mode::IB_LOCK_S } else { ib_lck_mode::IB_LOCK_NONE };
        self.find(table, key, lock)
    }

    fn read_for_update(&mut self, table: &Table, key: Cell<'_>) -> Result<bool> {
        self.find(table, key, self.write_lock)
    }

    fn bytes(&self, table: &Table, column: usize) -> Option<&[u8]> {
        let kind = table.columns.get(column)?.kind;
        let bytes = self.opened(table)?.row.bytes(column)?;
        match kind {
            // CHAR comes back with the padding that the engine added.
            ColumnKind::Char => Some(bytes.trim_ascii_end_spaces()),
            _ => Some(bytes),
        }
    }

    fn int(&self, table: &Table, column: usize) -> Option<i128> {
        let ColumnKind::Int { bytes, unsigned } = table.columns.get(column)?.kind else {
            return self.word_number(table, column);
        };
        Some(decode_int(self.opened(table)?.row.integer(column, bytes)?, unsigned))
    }

    fn insert(&mut self, table: &Table, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        let open = self.open(table, self.write_lock)?;
        let row = open.base.read_tuple()?;
        for (column, cell) in cells {
            row.set(*column, *cell, &table.columns[*column])?;
        }
        open.base.insert(&row)
    }

    fn update(&mut self, table: &Table, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        let open = self.open(table, self.write_lock)?;
        let new = open.base.read_tuple()?;
        for (i, column) in table.columns.iter().enumerate() {
            match cells.iter().find(|(changed, _)| *changed == i) {
                Some((_, cell)) => new.set(i, *cell, column)?,
                None => new.copy_from(&open.row, i, column)?,
            }
        }
        open.cursor().update(&open.row, &new)
    }

    fn delete(&mut self, table: &Table) -> Result<()> {
        self.open(table, self.write_lock)?.cursor().delete()
    }

    fn seek(&mut self, table: &Table, lower: Bound<Cell<'_>>) -> Result<bool> {
        self.open(table, ib_lck_mode::IB_LOCK_NONE)?.seek(table, lower)
    }

    fn next(&mut self, table: &Table) -> Result<bool> {
        let open = self.open(table, ib_lck_mode::IB_LOCK_NONE)?;
        Ok(open.cursor().next()? && open.read_current()?)
    }

    fn truncate(&mut self, table: &Table) -> Result<()> {
        self.api.truncate(&table.path)
    }

    fn commit(&mut self) -> Result<()> {
        self.close_tables();
        self.active = false;
        match &mut self.trx {
            Some(trx) => trx.commit(),
            None => Ok(()),
        }
    }

    fn rollback(&mut self) {
        // InnoDB wants the rollback first, then the cursors closed.
        if let (Some(trx), true) = (&mut self.trx, self.active) {
            trx.rollback();
        }
        self.active = false;
        self.close_tables();
    }
}

/// Trailing spaces off, nothing else.
trait TrimSpaces {
    fn trim_ascii_end_spaces(&self) -> &[u8];
}

impl TrimSpaces for [u8] {
    fn trim_ascii_end_spaces(&self) -> &[u8] {
        let end = self.iter().rposition(|b| *b != b' ').map_or(0, |i| i + 1);
        &self[..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_what_the_server_says_not_what_innodb_keeps() {
        let int = ColumnKind::Int { bytes: 4, unsigned: false };
        for (type_, type_len, client_type, kind, bytes) in [
            (ib_col_type::IB_INT, 4, 3, int, 4),
            (ib_col_type::IB_INT, 4, 0, int, 4),
            (ib_col_type::IB_INT, 3, 10, ColumnKind::Other, 3), // DATE
            (ib_col_type::IB_INT, 1, 254, ColumnKind::Other, 1), // ENUM
            (ib_col_type::IB_BINARY, 5, 246, ColumnKind::Other, 5), // DECIMAL
            (ib_col_type::IB_BINARY, 4, 7, ColumnKind::Other, 4), // TIMESTAMP
            (ib_col_type::IB_BINARY, 8, 254, ColumnKind::Binary, 8),
            (ib_col_type::IB_VARCHAR, 300, 15, ColumnKind::VarChar, 300),
            (ib_col_type::IB_BLOB, 12, 245, ColumnKind::Other, u32::MAX), // JSON
            (ib_col_type::IB_BLOB, 9, 252, ColumnKind::Blob, 255),
            (ib_col_type::IB_BLOB, 10, 252, ColumnKind::Blob, 65_535),
            (ib_col_type::IB_BLOB, 11, 252, ColumnKind::Blob, 16_777_215),
            (ib_col_type::IB_BLOB, 12, 252, ColumnKind::Blob, u32::MAX),
            (ib_col_type::IB_BLOB, 65_535, 0, ColumnKind::Blob, 65_535),
        ] {
            let meta = ib_col_meta_t { type_, attr: 0, type_len, client_type, charset: std::ptr::null_mut() };
            assert_eq!((column_kind(&meta), max_bytes(&meta)), (kind, bytes), "{type_} {type_len} {client_type}");
        }
    }

    #[test]
    fn appended_columns_of_the_primary_key_are_taken_off() {
        for (physical, primary, logical) in [
            ("k id", "id", "k"),
            ("a b id", "id", "a b"),
            ("k x y", "x y", "k"),
            ("y k x", "x y", "y k"),
            ("k", "k", "k"),
            ("k id", "other", "k id"),
        ] {
            let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
            let mut columns = words(physical);
            strip_appended(&mut columns, &words(primary));
            assert_eq!(columns, words(logical), "{physical} with primary key {primary}");
        }
    }
}
