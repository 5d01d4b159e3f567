//! Rows through a host's SQL session: what is written this way is in the binary log, fires triggers, honours foreign keys, CHECK and
//! defaults, and respects read-only servers and locked tables.
//!
//! [`SqlRows`] turns the operations of [`super::Rows`] into prepared statements; a host brings an [`SqlSession`] that runs them. All
//! of it belongs to one thread. The session is in autocommit=0 mode, where a transaction begins with its first statement, or begins
//! transactions when it is told to.

mod ahead;
mod announced;
mod charset;
mod dictionary;
mod error;
mod result;
mod session;
mod statements;
#[cfg(test)]
mod tests;
mod upsert;

use super::{Cell, Error, Mode, Result, Table};
use announced::{Ahead, keep};
pub use dictionary::Extra;
use error::{error, error_on};
pub use result::RowSet;
pub use session::{Param, SqlError, SqlSession, cells};
use statements::{SCAN_ROWS, Statements};
use std::ffi::CStr;
use std::ops::{Bound, ControlFlow};
use std::time::{Duration, Instant};

/// What takes less did not wait for a lock.
const A_WAIT: Duration = Duration::from_millis(5);

/// Rows of one worker thread through SQL.
pub struct SqlRows<S> {
    rows: RowSet,
    /// Takes what statements return that are not to disturb `rows`, whose current row stays readable behind an update.
    aside: RowSet,
    /// The row of `rows` that is current, unless one of `ahead` is.
    at: usize,
    ahead: Ahead,
    tables: Vec<Option<Statements>>,
    commit: Option<u64>,
    /// Isolation level that the session has.
    level: Option<u8>,
    active: bool,
    /// Whether the transaction has changed rows.
    wrote: bool,
    /// Key that [`SqlRows::read_for_update`] found last.
    key: Key,
    /// How long statements waited for locks since [`super::Rows::restart_lock_wait`].
    waited: Duration,
    /// Declared last: statements die with their session.
    sql: S,
}

/// A value that is to be stored, byte by byte.
fn stored(cell: Cell<'_>) -> Param<'_> {
    match cell {
        Cell::Null => Param::Null,
        Cell::Int(value) => Param::Int(value),
        Cell::UInt(value) => Param::UInt(value),
        Cell::Bytes(bytes) => Param::Bytes(bytes),
    }
}

/// A key that outlives the request it came from.
#[derive(Debug, Default)]
struct Key {
    number: Option<Cell<'static>>,
    bytes: Vec<u8>,
}

impl Key {
    fn set(&mut self, key: Cell<'_>) {
        self.number = keep(key, |bytes| {
            self.bytes.clear();
            self.bytes.extend_from_slice(bytes);
        })
        .ok();
    }

    fn cell(&self) -> Cell<'_> {
        self.number.unwrap_or(Cell::Bytes(&self.bytes))
    }
}

impl<S: SqlSession> SqlRows<S> {
    /// A session without a transaction.
    pub fn new(sql: S) -> SqlRows<S> {
        SqlRows {
            rows: RowSet::default(),
            aside: RowSet::default(),
            at: 0,
            ahead: Ahead::default(),
            tables: Vec::new(),
            commit: None,
            level: None,
            active: false,
            wrote: false,
            key: Key::default(),
            waited: Duration::ZERO,
            sql,
        }
    }

    /// See [`SqlSession::is_lost`].
    pub fn is_lost(&self) -> bool {
        self.sql.is_lost()
    }

    /// See [`SqlSession::reopen`]; a transaction that was open is gone with the old session.
    pub fn reopen(&mut self) -> Result<()> {
        self.tables.clear();
        self.forget_announced();
        (self.commit, self.level, self.active) = (None, None, false);
        self.sql.reopen().map_err(error)
    }

    /// See [`SqlSession::enter`].
    pub fn enter(&mut self) -> Result<()> {
        self.sql.enter().map_err(error)
    }

    /// See [`SqlSession::before_reads`].
    pub fn before_reads(&mut self) -> Result<()> {
        self.sql.before_reads().map_err(error)
    }

    /// Whether a transaction is open.
    pub fn active(&self) -> bool {
        self.active
    }

    /// The host's session.
    pub fn host(&self) -> &S {
        &self.sql
    }

    /// See [`SqlRows::host`].
    pub fn host_mut(&mut self) -> &mut S {
        &mut self.sql
    }

    /// Isolation level that the session was given, 0 to 3.
    pub fn level(&self) -> Option<u8> {
        self.level
    }

    /// Gives the session an isolation level, 0 to 3.
    pub fn set_level(&mut self, level: u8) -> Result<()> {
        if self.level != Some(level) {
            let name = match level {
                0 => "READ UNCOMMITTED",
                1 => "READ COMMITTED",
                2 => "REPEATABLE READ",
                _ => "SERIALIZABLE",
            };
            self.query(&format!("SET SESSION TRANSACTION ISOLATION LEVEL {name}"))?;
            self.level = Some(level);
        }
        Ok(())
    }

    /// Starts a transaction; it begins with its first statement.
    pub fn begin(&mut self, mode: Mode) -> Result<()> {
        self.set_level(mode.level)?;
        self.sql.begin().map_err(error)?;
        (self.active, self.wrote) = (true, false);
        Ok(())
    }

    fn query(&mut self, sql: &str) -> Result<u64> {
        self.aside.expect(&[]);
        self.sql.query(sql, &mut self.aside).map_err(error)
    }

    /// Commits.
    pub fn commit(&mut self) -> Result<()> {
        if self.wrote
            && let Some(refusal) = self.sql.refuses_writes()
        {
            self.rollback();
            return Err(refusal);
        }
        self.active = false;
        let statement = match self.commit {
            Some(statement) => statement,
            None => *self.commit.insert(self.sql.prepare("COMMIT").map_err(error)?),
        };
        self.aside.expect(&[]);
        let committed = self.sql.execute(statement, &[], &mut self.aside);
        if committed.is_err() && !self.sql.is_lost() {
            // The server has rolled back; this makes sure of the session's state.
            let _ = self.query("ROLLBACK");
        }
        committed.map(|_| ()).map_err(|failed| match error(failed) {
            // It may have been the binary log's, behind the engine's commit.
            full @ Error::DiskFull => Error::Engine(full.to_string()),
            other => other,
        })
    }

    /// Rolls back; nothing happens without a transaction.
    pub fn rollback(&mut self) {
        if !std::mem::take(&mut self.active) || self.sql.is_lost() {
            return;
        }
        if let Err(error) = self.query("ROLLBACK") {
            log::error!("DM1203: rollback failed: {error}");
        }
    }

    /// The statements of a table, made anew where the table is not the one they were made for.
    fn statements(&mut self, table: &Table) -> Result<()> {
        if self.tables.len() <= table.id {
            self.tables.resize_with(table.id + 1, || None);
        }
        if self.tables[table.id].as_ref().is_some_and(|statements| statements.stamp == table.stamp) {
            return Ok(());
        }
        self.close_statements(table.id);
        let charsets = self.charsets(table)?;
        let mut statements = Statements::new(table, charsets);
        statements.row_alias = self.sql.has_row_alias();
        self.tables[table.id] = Some(statements);
        Ok(())
    }

    fn close_statements(&mut self, id: usize) {
        let statements = self.tables.get_mut(id).and_then(Option::take);
        for handle in statements.iter().flat_map(Statements::handles) {
            self.sql.close(handle);
        }
    }

    /// See [`super::Rows::keep`].
    pub fn keep(&mut self, stays: &dyn Fn(usize, u32) -> bool) {
        for id in 0..self.tables.len() {
            if self.tables[id].as_ref().is_some_and(|statements| !stays(id, statements.stamp)) {
                self.close_statements(id);
            }
        }
    }

    /// The handle of one of a table's statements, prepared at its first use.
    fn prepared(&mut self, table: &Table, kind: statements::StatementKind<'_>) -> Result<u64> {
        let Some(Some(statements)) = self.tables.get_mut(table.id) else {
            return Err(Error::Engine("the table's statements are missing".into()));
        };
        if let Some(handle) = statements.handle(kind) {
            return Ok(handle);
        }
        let handle = self.sql.prepare(&statements.text(table, kind)).map_err(|e| error_on(table, e))?;
        statements.keep(kind, handle);
        Ok(handle)
    }

    /// Runs one of a table's statements. `params` follow the placeholders.
    fn run(&mut self, table: &Table, kind: statements::StatementKind<'_>, params: &[Param<'_>]) -> Result<u64> {
        let handle = self.prepared(table, kind)?;
        if !kind.selects() {
            if let Some(refusal) = self.sql.refuses_writes() {
                return Err(refusal);
            }
            self.wrote = true;
            self.aside.expect(&[]);
            let done = self.sql.execute(handle, params, &mut self.aside).map_err(|e| error_on(table, e))?;
            if !matches!(kind, statements::StatementKind::Upsert(..)) {
                self.reconsider(table);
            }
            return Ok(done);
        }
        let kinds = self.tables.get(table.id).and_then(Option::as_ref).map_or(&[][..], Statements::kinds);
        self.rows.expect(kinds);
        self.at = 0;
        self.ahead.leave();
        self.sql.execute(handle, params, &mut self.rows).map_err(|e| error_on(table, e))
    }

    /// A key that is looked for.
    fn key<'a>(&self, table: &Table, cell: Cell<'a>) -> Param<'a> {
        match (cell, self.tables.get(table.id).and_then(Option::as_ref)) {
            (Cell::Bytes(bytes), Some(statements)) if statements.is_text(table.key) => Param::Text(bytes),
            _ => stored(cell),
        }
    }

    fn find(&mut self, table: &Table, key: Cell<'_>, kind: statements::StatementKind<'_>) -> Result<bool> {
        if let Cell::Bytes(bytes) = key
            && bytes.len() > table.columns.get(table.key).map_or(0, |column| column.max_bytes as usize)
        {
            // A key that the column cannot hold is a key that no row has.
            return Ok(false);
        }
        self.statements(table)?;
        let key = self.key(table, key);
        match self.run(table, kind, &[key]) {
            // Neither has one that the column's character set does not know.
            Err(Error::TooLong(_) | Error::BadText(_)) => Ok(false),
            found => found.map(|_| !self.rows.is_empty()),
        }
    }

    /// See [`super::Rows::read`].
    pub fn read(&mut self, table: &Table, key: Cell<'_>) -> Result<bool> {
        if let Some(found) = self.read_ahead(table, key)? {
            return Ok(found);
        }
        self.find(table, key, statements::StatementKind::Read)
    }

    /// See [`super::Rows::read_for_update`].
    pub fn read_for_update(&mut self, table: &Table, key: Cell<'_>) -> Result<bool> {
        self.key.set(key);
        if self.has_waited() {
            return self.find(table, key, statements::StatementKind::LockNow);
        }
        self.waiting(|rows| rows.find(table, key, statements::StatementKind::Lock))
    }

    /// See [`super::Rows::restart_lock_wait`].
    pub fn restart_lock_wait(&mut self) {
        self.waited = Duration::ZERO;
    }

    /// Whether no lock is waited for any more.
    fn has_waited(&self) -> bool {
        self.waited >= self.sql.lock_wait()
    }

    /// Runs statements that may wait for locks.
    fn waiting<T>(&mut self, run: impl FnOnce(&mut SqlRows<S>) -> Result<T>) -> Result<T> {
        let begun = Instant::now();
        let result = run(self);
        let took = begun.elapsed();
        if matches!(result, Err(Error::LockTimeout)) {
            self.waited = Duration::MAX;
        } else if took >= A_WAIT {
            self.waited = self.waited.saturating_add(took);
        }
        result
    }

    /// See [`super::Rows::bytes`].
    pub fn bytes(&self, column: usize) -> Option<&[u8]> {
        self.ahead.bytes(column).unwrap_or_else(|| self.rows.bytes(self.at, column))
    }

    /// See [`super::Rows::int`].
    pub fn int(&self, table: &Table, column: usize) -> Option<i128> {
        let super::ColumnKind::Int { unsigned, .. } = table.columns.get(column)?.kind else { return None };
        Some(crate::rows::integer::decode_int(self.bytes(column)?, unsigned))
    }

    /// See [`super::Rows::insert`]; columns that are not named get their defaults.
    pub fn insert(&mut self, table: &Table, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        self.statements(table)?;
        let params: Vec<_> = cells.iter().map(|(_, cell)| stored(*cell)).collect();
        self.run(table, statements::StatementKind::Insert(cells), &params).map(|_| ())
    }

    /// See [`super::Rows::update`].
    pub fn update(&mut self, table: &Table, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        self.statements(table)?;
        let held = std::mem::take(&mut self.key);
        let mut params: Vec<_> = cells.iter().map(|(_, cell)| stored(*cell)).collect();
        params.push(self.key(table, held.cell()));
        let result = self.run(table, statements::StatementKind::Update(cells), &params).map(|_| ());
        drop(params);
        self.key = held;
        result
    }

    /// See [`super::Rows::delete`].
    pub fn delete(&mut self, table: &Table) -> Result<()> {
        self.statements(table)?;
        let held = std::mem::take(&mut self.key);
        let key = self.key(table, held.cell());
        let result = self.run(table, statements::StatementKind::Delete, &[key]).map(|_| ());
        self.key = held;
        result
    }

    /// Fetches rows in key order from `lower` on; the first of them is current. `false`: there are none.
    pub fn seek(&mut self, table: &Table, lower: Bound<Cell<'_>>) -> Result<bool> {
        self.statements(table)?;
        let (kind, key) = match lower {
            Bound::Unbounded => (statements::StatementKind::First, None),
            Bound::Included(key) => (statements::StatementKind::From, Some(key)),
            Bound::Excluded(key) => (statements::StatementKind::Behind, Some(key)),
        };
        let params: Vec<_> = key.into_iter().map(|key| self.key(table, key)).collect();
        self.run(table, kind, &params)?;
        Ok(!self.rows.is_empty())
    }

    /// Goes on to the next row behind [`SqlRows::seek`].
    pub fn next(&mut self, table: &Table) -> Result<bool> {
        self.at += 1;
        if self.at < self.rows.len() {
            return Ok(true);
        }
        if self.rows.len() < SCAN_ROWS {
            return Ok(false);
        }
        let mut last = Key::default();
        self.at -= 1;
        match (self.int(table, table.key), table.columns.get(table.key).map(|column| column.kind)) {
            (Some(number), Some(super::ColumnKind::Int { unsigned: true, .. })) => last.set(Cell::UInt(number as u64)),
            (Some(number), _) => last.set(Cell::Int(number as i64)),
            (None, _) => last.set(Cell::Bytes(self.bytes(table.key).unwrap_or_default())),
        }
        self.seek(table, Bound::Excluded(last.cell()))
    }

    /// See [`super::Rows::truncate`].
    pub fn truncate(&mut self, path: &CStr) -> Result<()> {
        if let Some(refusal) = self.sql.refuses_writes() {
            return Err(refusal);
        }
        self.query(&format!("TRUNCATE TABLE {}", statements::table_name(path))).map(|_| ())
    }

    /// Compares what another reader of the same rows found, row by row: [`ControlFlow::Break`] from `same` ends it with `false`.
    pub fn compare(&mut self, table: &Table, mut same: impl FnMut(&Self) -> ControlFlow<()>) -> Result<bool> {
        let mut found = self.seek(table, Bound::Unbounded)?;
        while found {
            if same(self).is_break() {
                return Ok(false);
            }
            found = self.next(table)?;
        }
        self.query("COMMIT").map(|_| true)
    }
}
