//! Rows through the InnoDB API callback table.
//!
//! [`TableRows`] implements [`Rows`] for one worker thread. Below it are [`Api`] (the table) and three
//! owners whose drop releases what they hold: transaction, cursor, tuple. This file and its children make every
//! raw call of the table and nobody else makes one.

mod api;
mod cursor;
mod describe;
mod fields;
mod open;
mod tuple;

use super::integer::decode_int;
use super::{Cell, Column, ColumnKind, Error, Index, Mode, Result, Rows, Table, TableSize};
use crate::bindings::{ib_col_attr, ib_col_type, ib_lck_mode};
pub use api::{Api, ApiError};
use cursor::{Cursor, Transaction};
use describe::{column_kind, index_columns, max_bytes, strip_appended};
use open::{OpenTable, Tuples};
use std::ffi::CStr;
use std::ops::Bound;
use std::sync::atomic::AtomicU64;

/// Rows of one worker thread. Not shared between threads: handles belong to the thread that made them.
pub struct TableRows {
    // Declared first: open cursors must be closed before their transaction is released.
    open: Vec<Option<OpenTable>>,
    /// Tuples of tables that are not open, as long as `open`.
    kept: Vec<Option<Box<Tuples>>>,
    /// Whether the host's tuples last from one transaction to the next.
    lasting: bool,
    /// Whether the host finds and writes a row by one call.
    fields: bool,
    trx: Option<Transaction>,
    mode: Mode,
    active: bool,
    /// See [`Rows::hold`].
    hold: bool,
    /// Tables were left open behind a commit.
    held: bool,
    /// Number of the transaction; cursors of an earlier one must be told of it.
    number: u64,
    /// Row lock of reads that a write follows; none where the host disables it.
    write_lock: ib_lck_mode::Type,
    api: Api,
}

impl TableRows {
    /// A session without a transaction.
    pub fn new(api: Api) -> TableRows {
        let mode = Mode { level: 1, read_write: false };
        let write_lock = if api.row_locks() { ib_lck_mode::IB_LOCK_X } else { ib_lck_mode::IB_LOCK_NONE };
        let (open, kept, lasting, fields) = (Vec::new(), Vec::new(), api.lasting_tuples(), api.has_fields());
        let (trx, active, hold, held, number) = (None, false, false, false, 0);
        TableRows { open, kept, lasting, fields, trx, mode, active, hold, held, number, write_lock, api }
    }

    /// The host's `innodb_api_trx_level`, 0 to 3.
    pub fn host_trx_level(&self) -> u8 {
        self.api.trx_level()
    }

    /// The host's `innodb_api_bk_commit_interval` in seconds, at least 1.
    pub fn host_commit_interval(&self) -> i64 {
        self.api.commit_interval()
    }

    /// See [`Api::size`].
    pub(super) fn size(&self, path: &CStr) -> Result<Option<TableSize>> {
        self.api.size(path)
    }

    fn cursor(&mut self, path: &CStr) -> Result<Cursor> {
        match (&self.trx, self.active) {
            (Some(trx), true) => Cursor::open(self.api, path, trx),
            _ => Err(Error::Engine("no transaction is open".into())),
        }
    }

    #[inline(always)]
    fn open(&mut self, table: &Table, lock: ib_lck_mode::Type) -> Result<&mut OpenTable> {
        if self.opened(table).is_none() {
            self.open_anew(table)?;
        }
        match (self.open.get_mut(table.id), &self.trx) {
            (Some(Some(open)), Some(trx)) => {
                if open.number != self.number {
                    open.join(trx, self.number)?;
                }
                open.set_lock(lock)?;
                Ok(open)
            }
            _ => Err(Error::Engine("table is not open".into())),
        }
    }

    #[cold]
    fn open_anew(&mut self, table: &Table) -> Result<()> {
        // Whoever waits for a metadata lock holds none of an earlier transaction: a statement that takes both could wait for that one.
        if self.held {
            self.close_tables();
        }
        if self.open.len() <= table.id {
            self.open.resize_with(table.id + 1, || None);
            self.kept.resize_with(table.id + 1, || None);
        }
        self.open[table.id] = None;
        let kept = self.kept[table.id].take();
        let base = self.cursor(&table.path)?;
        let mut open = OpenTable::new(table, base, kept, self.lasting, self.fields)?;
        open.number = self.number;
        self.open[table.id] = Some(open);
        Ok(())
    }

    #[inline(always)]
    fn opened(&self, table: &Table) -> Option<&OpenTable> {
        self.open.get(table.id).and_then(Option::as_ref).filter(|open| open.tuples.stamp == table.stamp)
    }

    /// The number of an ENUM's word, which is how InnoDB keeps it.
    #[cold]
    fn word_number(&self, table: &Table, column: usize) -> Option<i128> {
        let open = self.opened(table)?;
        let integer = open.tuples.row.meta(column).0.type_ == ib_col_type::IB_INT;
        open.bytes(column).filter(|_| integer).map(|bytes| decode_int(bytes, true))
    }

    /// Closes every table; the next operation opens its table again.
    pub(super) fn close_tables(&mut self) {
        self.held = false;
        for (open, kept) in self.open.iter_mut().zip(&mut self.kept) {
            if let Some(open) = open.take() {
                *kept = open.close();
            }
        }
    }

    /// Releases everything that belongs to the thread's session with the host, before that goes away.
    pub(super) fn forget(&mut self) {
        self.rollback();
        self.kept.clear();
        self.open.clear();
        self.trx = None;
    }
}

impl Rows for TableRows {
    fn begin(&mut self, mode: Mode) -> Result<()> {
        if mode.read_write && !self.lasting {
            self.release();
        }
        // A plain read needs no undo and no lock: an auto-commit transaction is the engine's fast path.
        match &mut self.trx {
            Some(trx) => trx.start(mode)?,
            None => self.trx = Some(Transaction::begin(self.api, mode)?),
        }
        self.mode = mode;
        self.active = true;
        self.number += 1;
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

    #[inline(always)]
    fn read(&mut self, table: &Table, key: Cell<'_>) -> Result<bool> {
        let lock = if self.mode.level == 3 { ib_lck_mode::IB_LOCK_S } else { ib_lck_mode::IB_LOCK_NONE };
        self.open(table, lock)?.find(table, key)
    }

    fn read_for_update(&mut self, table: &Table, key: Cell<'_>) -> Result<bool> {
        self.open(table, self.write_lock)?.find(table, key)
    }

    #[inline(always)]
    fn bytes(&self, table: &Table, column: usize) -> Option<&[u8]> {
        stored(self.opened(table)?, table, column)
    }

    fn int(&self, table: &Table, column: usize) -> Option<i128> {
        let ColumnKind::Int { bytes, unsigned } = table.columns.get(column)?.kind else {
            return self.word_number(table, column);
        };
        Some(decode_int(self.opened(table)?.integer(column, bytes)?, unsigned))
    }

    #[inline(always)]
    fn columns<const N: usize>(&self, table: &Table, columns: [Option<usize>; N]) -> [Option<&[u8]>; N] {
        let Some(open) = self.opened(table) else { return [None; N] };
        match open.current_fields() {
            Some(fields) if !table.padded => fields.columns(columns),
            _ => columns.map(|column| stored(open, table, column?)),
        }
    }

    fn insert(&mut self, table: &Table, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        self.open(table, self.write_lock)?.insert(table, cells)
    }

    fn update(&mut self, table: &Table, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        self.open(table, self.write_lock)?.update(table, cells)
    }

    fn delete(&mut self, table: &Table) -> Result<()> {
        self.open(table, self.write_lock)?.delete()
    }

    fn seek(&mut self, table: &Table, lower: Bound<Cell<'_>>) -> Result<bool> {
        self.open(table, ib_lck_mode::IB_LOCK_NONE)?.seek(table, lower)
    }

    fn next(&mut self, table: &Table) -> Result<bool> {
        let open = self.open(table, ib_lck_mode::IB_LOCK_NONE)?;
        Ok(open.cursor().next()? && open.read_current()?)
    }

    fn changes(&self, path: &CStr) -> Option<&'static AtomicU64> {
        self.api.changes(path)
    }

    fn truncate(&mut self, table: &Table) -> Result<()> {
        self.release();
        self.api.truncate(&table.path)
    }

    fn commit(&mut self) -> Result<()> {
        // Writes and SERIALIZABLE reads lock their tables in InnoDB, and would have to do it anew. Where tuples last, a table that is open is
        // all that a transaction needs.
        let stays = self.hold && (self.lasting || !self.mode.read_write && self.mode.level < 3);
        let mut of_this = self.open.iter().flatten().filter(|open| open.number == self.number);
        if stays && of_this.all(|open| open.leave().is_ok()) {
            self.held = true;
        } else {
            self.close_tables();
        }
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

    fn hold(&mut self, hold: bool) {
        self.hold = hold;
    }

    fn holds(&self) -> bool {
        self.held
    }

    fn release(&mut self) {
        if self.held {
            self.close_tables();
        }
    }

    fn keep(&mut self, stays: &dyn Fn(usize, u32) -> bool) {
        for (id, kept) in self.kept.iter_mut().enumerate() {
            if kept.as_ref().is_some_and(|kept| !stays(id, kept.stamp)) {
                *kept = None;
            }
        }
    }
}

/// The bytes of a column of the current row.
#[inline(always)]
fn stored<'r>(open: &'r OpenTable, table: &Table, column: usize) -> Option<&'r [u8]> {
    let bytes = open.bytes(column)?;
    match table.columns.get(column)?.kind {
        // CHAR comes back with the padding that the engine added.
        ColumnKind::Char => Some(bytes.trim_ascii_end_spaces()),
        _ => Some(bytes),
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
