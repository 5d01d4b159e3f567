//! The rows of a worker, whichever way its host offers them.

use super::handler::{self, HandlerRows, HandlerSession};
use super::sql::{SqlRows, SqlSession};
use super::table::TableRows;
use super::{Cell, Column, Error, Index, Mode, Result, Rows, Table, TableSize};
use std::ffi::CStr;
use std::ops::{Bound, ControlFlow};
use std::sync::atomic::AtomicU64;

/// What a worker of the daemon holds: decided by the host at the start, one branch per call.
pub enum RowSession<S, M> {
    /// Everything through the callback table.
    Table(TableRows),
    /// Through the callback table and a SQL session of the same thread.
    Hybrid(Box<Hybrid<S>>),
    /// Through a SQL session and the handlers behind it.
    Handler(Box<HandlerRows<M>>),
}

/// Reads through the table, the rest through SQL. At any time at most one of the two has a transaction, and the table has nothing open,
/// nothing [held](Rows::hold) either, while SQL runs: the end of a statement releases the metadata locks of the whole session.
pub struct Hybrid<S> {
    // Declared first: its transaction object belongs to the session behind `sql`.
    table: TableRows,
    sql: SqlRows<S>,
}

impl<S: SqlSession> Hybrid<S> {
    /// A session over a table and a SQL session of one thread.
    pub fn new(table: TableRows, sql: S) -> Hybrid<S> {
        Hybrid { table, sql: SqlRows::new(sql) }
    }

    /// Replaces a session that somebody killed.
    fn renew(&mut self) -> Result<()> {
        if self.sql.is_lost() {
            self.table.forget();
            self.sql.reopen()?;
        }
        Ok(())
    }

    fn check_session(&mut self) -> bool {
        if !self.sql.is_lost() {
            return false;
        }
        let undone = self.table.active() || self.sql.active();
        if undone {
            log::error!("DM1201: an open batch was undone: somebody killed the session it belonged to");
        }
        match self.renew() {
            // The host shuts down, and says so itself.
            Ok(()) | Err(Error::Interrupted) => {}
            Err(error) => log::warn!("DM1202: a session of the daemon cannot be replaced: {error}"),
        }
        undone
    }

    fn begin(&mut self, mode: Mode) -> Result<()> {
        self.renew()?;
        if mode.read_write {
            self.table.release();
            return self.sql.begin(mode);
        }
        // As long as the table holds something, nobody else has used the thread.
        if !self.table.holds() {
            self.sql.enter()?;
        }
        self.table.begin(mode)
    }

    fn describe(&mut self, path: &CStr) -> Result<Vec<Column>> {
        let described = self.table.describe(path);
        self.table.close_tables();
        let mut columns = match described {
            Err(Error::NotFound(name)) => {
                let unfit = self.sql.unfit(path)?;
                self.sql.enter()?;
                return Err(unfit.map_or(Error::NotFound(name), Error::Engine));
            }
            other => other?,
        };
        let extras = self.sql.extras(path)?;
        self.sql.enter()?;
        for column in &mut columns {
            if let Some(extra) = extras.iter().find(|extra| extra.name == column.name) {
                (column.has_default, column.generated) = (extra.has_default, extra.generated);
            }
        }
        Ok(columns)
    }

    fn describe_index(&mut self, path: &CStr, name: &CStr) -> Result<Index> {
        let mut index = self.table.describe_index(path, name)?;
        self.table.close_tables();
        index.columns = self.sql.index_columns(path, name)?;
        self.sql.enter()?;
        Ok(index)
    }

    fn truncate(&mut self, table: &Table) -> Result<()> {
        self.table.release();
        self.renew()?;
        self.sql.truncate(&table.path)
    }

    /// Whether all rows of a table look the same through both ways.
    fn agree(&mut self, table: &Table) -> Result<bool> {
        let mut found = Vec::new();
        let row = |bytes: &dyn Fn(usize) -> Option<Vec<u8>>| (0..table.columns.len()).map(bytes).collect::<Vec<_>>();
        self.begin(Mode { level: 1, read_write: false })?;
        let read = self.table.scan(table, Bound::Unbounded, &mut |rows| {
            found.push(row(&|column| rows.bytes(table, column).map(<[u8]>::to_vec)));
            ControlFlow::Continue(())
        });
        self.table.rollback();
        read?;
        let mut expected = found.into_iter();
        let same = self.sql.compare(table, |rows| {
            let same = expected.next() == Some(row(&|column| rows.bytes(column).map(<[u8]>::to_vec)));
            if same { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(same && expected.next().is_none())
    }
}

impl<S: SqlSession, M: HandlerSession> RowSession<S, M> {
    /// The host's `innodb_api_trx_level`, 0 to 3.
    pub fn host_trx_level(&self) -> u8 {
        self.table().map_or(handler::TRX_LEVEL, TableRows::host_trx_level)
    }

    /// The host's `innodb_api_bk_commit_interval` in seconds, at least 1.
    pub fn host_commit_interval(&self) -> i64 {
        self.table().map_or(handler::COMMIT_INTERVAL, TableRows::host_commit_interval)
    }

    /// How large `database/table` is, outside a transaction; `None` where nobody knows. It may take a while, or wait for who alters the
    /// table.
    ///
    /// # Errors
    /// The host refused.
    pub fn size(&mut self, path: &CStr) -> Result<Option<TableSize>> {
        match self {
            RowSession::Table(rows) => rows.size(path),
            RowSession::Handler(rows) => rows.size(path),
            RowSession::Hybrid(both) => {
                both.table.release();
                both.renew()?;
                both.sql.size(path)
            }
        }
    }

    fn table(&self) -> Option<&TableRows> {
        match self {
            RowSession::Table(table) => Some(table),
            RowSession::Hybrid(both) => Some(&both.table),
            RowSession::Handler(_) => None,
        }
    }

    /// Reads a table in every way that the session has, and compares. `Ok` where there is one way only, or no such table.
    ///
    /// # Errors
    /// The ways disagree: the host is not what the daemon takes it for.
    pub fn check(&mut self, path: &CStr) -> Result<()> {
        let both = match self {
            RowSession::Table(_) => return Ok(()),
            RowSession::Handler(rows) => return rows.check(path),
            RowSession::Hybrid(both) => both,
        };
        both.begin(Mode { level: 1, read_write: false })?;
        let columns = both.describe(path);
        both.table.rollback();
        let table = match columns {
            Ok(columns) => Table::new(0, path.into(), None, columns, 0),
            Err(Error::NotFound(_)) => return Ok(()),
            Err(other) => return Err(other),
        };
        if both.agree(&table)? {
            return Ok(());
        }
        Err(Error::Engine(format!(
            "table {} reads differently through InnoDB's functions and through SQL; this server release is not supported",
            table.display()
        )))
    }
}

/// Passes an operation to whoever has the transaction.
macro_rules! either {
    ($self:ident, $rows:ident => $call:expr) => {
        either!($self, $rows => $call, $rows => $call)
    };
    ($self:ident, $table:ident => $on_table:expr, $sql:ident => $in_sql:expr) => {
        match $self {
            RowSession::Table($table) => $on_table,
            RowSession::Handler($table) => $on_table,
            RowSession::Hybrid(both) if both.sql.active() => {
                let Hybrid { sql: $sql, .. } = &mut **both;
                $in_sql
            }
            RowSession::Hybrid(both) => {
                let Hybrid { table: $table, .. } = &mut **both;
                $on_table
            }
        }
    };
}

impl<S: SqlSession, M: HandlerSession> Rows for RowSession<S, M> {
    fn begin(&mut self, mode: Mode) -> Result<()> {
        match self {
            RowSession::Table(rows) => rows.begin(mode),
            RowSession::Handler(rows) => rows.begin(mode),
            RowSession::Hybrid(both) => both.begin(mode),
        }
    }

    fn active(&self) -> bool {
        match self {
            RowSession::Table(rows) => rows.active(),
            RowSession::Handler(rows) => rows.active(),
            RowSession::Hybrid(both) => both.table.active() || both.sql.active(),
        }
    }

    fn describe(&mut self, path: &CStr) -> Result<Vec<Column>> {
        match self {
            RowSession::Table(rows) => rows.describe(path),
            RowSession::Handler(rows) => rows.describe(path),
            RowSession::Hybrid(both) => both.describe(path),
        }
    }

    fn describe_index(&mut self, path: &CStr, name: &CStr) -> Result<Index> {
        match self {
            RowSession::Table(rows) => rows.describe_index(path, name),
            RowSession::Handler(rows) => rows.describe_index(path, name),
            RowSession::Hybrid(both) => both.describe_index(path, name),
        }
    }

    #[inline(always)]
    fn read(&mut self, table: &Table, key: Cell<'_>) -> Result<bool> {
        either!(self, rows => rows.read(table, key))
    }

    #[inline]
    fn reads_ahead(&self) -> bool {
        match self {
            RowSession::Handler(rows) => rows.reads_ahead(),
            RowSession::Table(_) | RowSession::Hybrid(_) => false,
        }
    }

    fn announce(&mut self, table: &Table, key: Cell<'_>) {
        if let RowSession::Handler(rows) = self {
            rows.announce(table, key);
        }
    }

    fn forget_announced(&mut self) {
        if let RowSession::Handler(rows) = self {
            rows.forget_announced();
        }
    }

    #[inline]
    fn read_for_update(&mut self, table: &Table, key: Cell<'_>) -> Result<bool> {
        either!(self, rows => rows.read_for_update(table, key))
    }

    #[inline(always)]
    fn bytes(&self, table: &Table, column: usize) -> Option<&[u8]> {
        match self {
            RowSession::Table(rows) => rows.bytes(table, column),
            RowSession::Handler(rows) => rows.bytes(table, column),
            RowSession::Hybrid(both) if both.sql.active() => both.sql.bytes(column),
            RowSession::Hybrid(both) => both.table.bytes(table, column),
        }
    }

    #[inline]
    fn int(&self, table: &Table, column: usize) -> Option<i128> {
        match self {
            RowSession::Table(rows) => rows.int(table, column),
            RowSession::Handler(rows) => rows.int(table, column),
            RowSession::Hybrid(both) if both.sql.active() => both.sql.int(table, column),
            RowSession::Hybrid(both) => both.table.int(table, column),
        }
    }

    #[inline(always)]
    fn columns<const N: usize>(&self, table: &Table, columns: [Option<usize>; N]) -> [Option<&[u8]>; N] {
        match self {
            RowSession::Table(rows) => rows.columns(table, columns),
            other => columns.map(|column| other.bytes(table, column?)),
        }
    }

    fn insert(&mut self, table: &Table, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        either!(self, rows => rows.insert(table, cells))
    }

    fn update(&mut self, table: &Table, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        either!(self, rows => rows.update(table, cells))
    }

    #[inline]
    fn upserts(&self, table: &Table) -> bool {
        match self {
            RowSession::Table(_) => false,
            RowSession::Hybrid(both) => both.sql.upserts(table),
            RowSession::Handler(rows) => rows.upserts(table),
        }
    }

    fn upsert(&mut self, table: &Table, rows: usize, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        match self {
            RowSession::Hybrid(both) if both.sql.active() => both.sql.upsert(table, rows, cells),
            RowSession::Handler(handler) => handler.upsert(table, rows, cells),
            _ => Err(super::one_by_one(table)),
        }
    }

    fn delete(&mut self, table: &Table) -> Result<()> {
        either!(self, rows => rows.delete(table))
    }

    fn seek(&mut self, table: &Table, lower: Bound<Cell<'_>>) -> Result<bool> {
        either!(self, rows => rows.seek(table, lower))
    }

    fn next(&mut self, table: &Table) -> Result<bool> {
        either!(self, rows => rows.next(table))
    }

    fn changes(&self, path: &CStr) -> Option<&'static AtomicU64> {
        match self {
            RowSession::Table(rows) => rows.changes(path),
            RowSession::Handler(_) | RowSession::Hybrid(_) => None,
        }
    }

    fn truncate(&mut self, table: &Table) -> Result<()> {
        match self {
            RowSession::Table(rows) => rows.truncate(table),
            RowSession::Handler(rows) => rows.truncate(table),
            RowSession::Hybrid(both) => both.truncate(table),
        }
    }

    fn commit(&mut self) -> Result<()> {
        either!(self, rows => rows.commit())
    }

    fn rollback(&mut self) {
        either!(self, rows => rows.rollback())
    }

    fn hold(&mut self, hold: bool) {
        match self {
            RowSession::Table(rows) => rows.hold(hold),
            RowSession::Hybrid(both) => both.table.hold(hold),
            RowSession::Handler(rows) => rows.hold(hold),
        }
    }

    fn holds(&self) -> bool {
        match self {
            RowSession::Table(rows) => rows.holds(),
            RowSession::Hybrid(both) => both.table.holds(),
            RowSession::Handler(rows) => rows.holds(),
        }
    }

    fn release(&mut self) {
        match self {
            RowSession::Table(rows) => rows.release(),
            RowSession::Hybrid(both) => both.table.release(),
            RowSession::Handler(rows) => rows.release(),
        }
    }

    fn keep(&mut self, stays: &dyn Fn(usize, u32) -> bool) {
        match self {
            RowSession::Table(rows) => rows.keep(stays),
            RowSession::Hybrid(both) => {
                both.table.release();
                both.table.keep(stays);
                both.sql.keep(stays);
            }
            RowSession::Handler(rows) => rows.keep(stays),
        }
    }

    fn restart_lock_wait(&mut self) {
        match self {
            RowSession::Table(_) => {}
            RowSession::Hybrid(both) => both.sql.restart_lock_wait(),
            RowSession::Handler(rows) => rows.restart_lock_wait(),
        }
    }

    fn check_session(&mut self) -> bool {
        match self {
            RowSession::Table(_) => false,
            RowSession::Hybrid(both) => both.check_session(),
            RowSession::Handler(rows) => rows.check_session(),
        }
    }
}
