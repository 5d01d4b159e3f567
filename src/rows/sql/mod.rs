//! Rows through a host's SQL session: what is written this way is in the binary log, fires triggers, honours foreign keys, CHECK and
//! defaults, and respects read-only servers and locked tables.
//!
//! [`SqlRows`] turns the operations of [`super::Rows`] into prepared statements; a host brings an [`SqlSession`] that runs them. All
//! of it belongs to one thread. The session is in autocommit=0 mode, where a transaction begins with its first statement, or begins
//! transactions when it is told to.

mod dictionary;
mod result;
mod statements;
#[cfg(test)]
mod tests;
mod upsert;

use super::{Cell, Column, Error, Mode, Result, Table};
pub use result::RowSet;
use statements::{Charset, Statements};
use std::ffi::CStr;
use std::ops::{Bound, ControlFlow};
use std::time::{Duration, Instant};

/// A value for a placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Param<'a> {
    /// SQL NULL.
    Null,
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    UInt(u64),
    /// Text in utf8mb4.
    Text(&'a [u8]),
    /// Bytes without a character set.
    Bytes(&'a [u8]),
}

/// A statement failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    /// The server's number.
    pub code: u32,
    /// Its sentence.
    pub message: String,
}

/// A SQL session of a host, for one thread, with autocommit off or a [`begin`](SqlSession::begin) that does.
pub trait SqlSession {
    /// Whether the session can no longer be used as it is and must be [reopened](SqlSession::reopen): somebody killed it.
    fn is_lost(&self) -> bool;

    /// Replaces the session by a new one; statements of the old one are gone.
    fn reopen(&mut self) -> std::result::Result<(), SqlError>;

    /// How long the session waits for a lock.
    fn lock_wait(&self) -> Duration;

    /// Whether the host refuses applications' writes now, in case it would not refuse this session's by itself.
    fn is_read_only(&self) -> bool;

    /// Why nothing may be written now.
    fn refuses_writes(&self) -> Option<Error> {
        self.is_read_only().then_some(Error::ReadOnly)
    }

    /// Makes the session the thread's current one: other users of the host's functions on this thread then work in its name.
    fn enter(&mut self) -> std::result::Result<(), SqlError>;

    /// Begins a transaction, where the session needs a word for it.
    fn begin(&mut self) -> std::result::Result<(), SqlError> {
        Ok(())
    }

    /// Prepares a statement and returns its handle.
    fn prepare(&mut self, sql: &str) -> std::result::Result<u64, SqlError>;

    /// Gives a prepared statement back; a session of a server may hold only so many.
    fn close(&mut self, _statement: u64) {}

    /// How many of the session's statements the host has prepared anew, by itself and for good, because a table they use was altered;
    /// it says so before the statement that needed it ends. `None`: it does not say.
    fn reprepared(&self) -> Option<u64>;

    /// Called in a transaction that has written rows of `database/table`. A host that prepares no statements counts as
    /// [`reprepared`](SqlSession::reprepared) when the table may not be what it was at the last call.
    fn look_at(&mut self, _table: &CStr) {}

    /// Whether an upsert may name the new row (`AS`), or must use `VALUES()`.
    fn has_row_alias(&self) -> bool {
        true
    }

    /// Executes a prepared statement; rows go to `rows`. Returns the number of affected rows.
    fn execute(
        &mut self,
        statement: u64,
        params: &[Param<'_>],
        rows: &mut RowSet,
    ) -> std::result::Result<u64, SqlError>;

    /// Runs a statement as text.
    fn query(&mut self, sql: &str, rows: &mut RowSet) -> std::result::Result<u64, SqlError>;
}

/// What takes less did not wait for a lock.
const A_WAIT: Duration = Duration::from_millis(5);

/// Rows that a scan fetches at a time.
const SCAN_ROWS: usize = 64;

/// Rows of one worker thread through SQL.
pub struct SqlRows<S> {
    rows: RowSet,
    /// Takes what statements return that are not to disturb `rows`, whose current row stays readable behind an update.
    aside: RowSet,
    /// The row of `rows` that is current.
    at: usize,
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

/// A key that outlives the request it came from.
#[derive(Debug, Default)]
struct Key {
    number: Option<Cell<'static>>,
    bytes: Vec<u8>,
}

impl Key {
    fn set(&mut self, key: Cell<'_>) {
        self.number = match key {
            Cell::Int(value) => Some(Cell::Int(value)),
            Cell::UInt(value) => Some(Cell::UInt(value)),
            Cell::Null => Some(Cell::Null),
            Cell::Bytes(bytes) => {
                self.bytes.clear();
                self.bytes.extend_from_slice(bytes);
                None
            }
        };
    }

    fn cell(&self) -> Cell<'_> {
        self.number.unwrap_or(Cell::Bytes(&self.bytes))
    }
}

/// What the dictionary says of a column and the InnoDB API does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// Name of the column.
    pub name: String,
    /// A row can be inserted without it.
    pub has_default: bool,
    /// It is computed from others and cannot be written.
    pub generated: bool,
}

impl<S: SqlSession> SqlRows<S> {
    /// A session without a transaction.
    pub fn new(sql: S) -> SqlRows<S> {
        SqlRows {
            rows: RowSet::default(),
            aside: RowSet::default(),
            at: 0,
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
        (self.commit, self.level, self.active) = (None, None, false);
        self.sql.reopen().map_err(error)
    }

    /// See [`SqlSession::enter`].
    pub fn enter(&mut self) -> Result<()> {
        self.sql.enter().map_err(error)
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
            log::error!("rollback failed: {error}");
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

    fn charsets(&mut self, table: &Table) -> Result<Vec<Charset>> {
        let sql = statements::charsets_query(&table.path);
        self.aside.expect(&[super::ColumnKind::VarChar; 3]);
        self.sql.query(&sql, &mut self.aside).map_err(error)?;
        let text =
            |row, column| String::from_utf8_lossy(self.aside.bytes(row, column).unwrap_or_default()).into_owned();
        let found: Vec<_> = (0..self.aside.len()).map(|row| (text(row, 0), text(row, 1), text(row, 2))).collect();
        let of = |column: &Column| match found.iter().find(|(name, ..)| *name == column.name) {
            Some((_, charset, collation)) => Ok(Charset::new(charset, collation)),
            None => Err(Error::Changed(table.display().into_owned())),
        };
        table.columns.iter().map(of).collect()
    }

    /// What the dictionary knows of a table's columns, generated and defaulted ones in particular.
    pub fn extras(&mut self, path: &CStr) -> Result<Vec<Extra>> {
        use super::ColumnKind::VarChar;
        self.aside.expect(&[VarChar, VarChar, VarChar]);
        self.sql.query(&statements::extras_query(path), &mut self.aside).map_err(error)?;
        let text = |row, column| self.aside.bytes(row, column).unwrap_or_default();
        let extras = (0..self.aside.len())
            .map(|row| {
                let extra = String::from_utf8_lossy(text(row, 2)).to_ascii_lowercase();
                let generated = extra.contains("virtual generated") || extra.contains("stored generated");
                let has_default = generated || extra.contains("auto_increment") || text(row, 1) == b"1";
                Extra { name: String::from_utf8_lossy(text(row, 0)).into_owned(), has_default, generated }
            })
            .collect();
        self.query("COMMIT")?;
        Ok(extras)
    }

    /// Why a container cannot have a table that the dictionary has; `None`: nothing speaks against it, or there is none.
    pub fn unfit(&mut self, path: &CStr) -> Result<Option<String>> {
        self.aside.expect(&[super::ColumnKind::VarChar; 3]);
        self.sql.query(&statements::unfit_query(path), &mut self.aside).map_err(error)?;
        let text = |column| String::from_utf8_lossy(self.aside.bytes(0, column).unwrap_or_default()).into_owned();
        let name = path.to_string_lossy();
        let reason = match (self.aside.len(), text(0).as_str(), text(1).as_str(), text(2).as_str()) {
            (0, ..) => None,
            (_, kind, ..) if kind.contains("VIEW") => Some(format!("{name} is a view; a container needs a table")),
            (_, kind, ..) if kind != "BASE TABLE" => {
                Some(format!("{name} is a {}; a container needs a base table", kind.to_lowercase()))
            }
            (_, _, "InnoDB", "1") => Some(format!("table {name} is partitioned; a container needs one that is not")),
            (_, _, "InnoDB", _) => None,
            (_, _, engine, _) => Some(format!("table {name} has engine {engine}; a container needs InnoDB")),
        };
        self.query("COMMIT")?;
        Ok(reason)
    }

    /// The columns of an index as they were defined; one that is indexed by a prefix comes with its length.
    pub fn index_columns(&mut self, path: &CStr, name: &CStr) -> Result<Vec<String>> {
        self.aside.expect(&[super::ColumnKind::VarChar]);
        self.sql.query(&statements::index_query(path, name), &mut self.aside).map_err(error)?;
        let text = |row| String::from_utf8_lossy(self.aside.bytes(row, 0).unwrap_or_default()).into_owned();
        let columns = (0..self.aside.len()).map(text).collect();
        self.query("COMMIT")?;
        Ok(columns)
    }

    /// The handle of one of a table's statements, prepared at its first use.
    fn prepared(&mut self, table: &Table, kind: statements::Kind<'_>) -> Result<u64> {
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
    fn run(&mut self, table: &Table, kind: statements::Kind<'_>, params: &[Param<'_>]) -> Result<u64> {
        let handle = self.prepared(table, kind)?;
        if !kind.selects() {
            if let Some(refusal) = self.sql.refuses_writes() {
                return Err(refusal);
            }
            self.wrote = true;
            self.aside.expect(&[]);
            let done = self.sql.execute(handle, params, &mut self.aside).map_err(|e| error_on(table, e))?;
            if !matches!(kind, statements::Kind::Upsert(..)) {
                self.reconsider(table);
            }
            return Ok(done);
        }
        let kinds = self.tables.get(table.id).and_then(Option::as_ref).map_or(&[][..], Statements::kinds);
        self.rows.expect(kinds);
        self.at = 0;
        self.sql.execute(handle, params, &mut self.rows).map_err(|e| error_on(table, e))
    }

    fn param<'a>(&self, table: &Table, column: usize, cell: Cell<'a>) -> Param<'a> {
        match cell {
            Cell::Null => Param::Null,
            Cell::Int(value) => Param::Int(value),
            Cell::UInt(value) => Param::UInt(value),
            Cell::Bytes(bytes) => match self.tables.get(table.id).and_then(Option::as_ref) {
                Some(statements) if statements.is_text(column) => Param::Text(bytes),
                _ => Param::Bytes(bytes),
            },
        }
    }

    fn find(&mut self, table: &Table, key: Cell<'_>, kind: statements::Kind<'_>) -> Result<bool> {
        if let Cell::Bytes(bytes) = key
            && bytes.len() > table.columns.get(table.key).map_or(0, |column| column.max_bytes as usize)
        {
            // A key that the column cannot hold is a key that no row has.
            return Ok(false);
        }
        self.statements(table)?;
        let key = self.param(table, table.key, key);
        match self.run(table, kind, &[key]) {
            // Neither has one that the column's character set does not know.
            Err(Error::TooLong(_)) => Ok(false),
            found => found.map(|_| !self.rows.is_empty()),
        }
    }

    /// See [`super::Rows::read`].
    pub fn read(&mut self, table: &Table, key: Cell<'_>) -> Result<bool> {
        self.find(table, key, statements::Kind::Read)
    }

    /// See [`super::Rows::read_for_update`].
    pub fn read_for_update(&mut self, table: &Table, key: Cell<'_>) -> Result<bool> {
        self.key.set(key);
        if self.has_waited() {
            return self.find(table, key, statements::Kind::LockNow);
        }
        self.waiting(|rows| rows.find(table, key, statements::Kind::Lock))
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
        self.rows.bytes(self.at, column)
    }

    /// See [`super::Rows::int`].
    pub fn int(&self, table: &Table, column: usize) -> Option<i128> {
        let super::ColumnKind::Int { unsigned, .. } = table.columns.get(column)?.kind else { return None };
        Some(crate::rows::integer::decode_int(self.bytes(column)?, unsigned))
    }

    /// See [`super::Rows::insert`]; columns that are not named get their defaults.
    pub fn insert(&mut self, table: &Table, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        self.statements(table)?;
        let params: Vec<_> = cells.iter().map(|(column, cell)| self.param(table, *column, *cell)).collect();
        self.run(table, statements::Kind::Insert(cells), &params).map(|_| ())
    }

    /// See [`super::Rows::update`].
    pub fn update(&mut self, table: &Table, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        self.statements(table)?;
        let held = std::mem::take(&mut self.key);
        let mut params: Vec<_> = cells.iter().map(|(column, cell)| self.param(table, *column, *cell)).collect();
        params.push(self.param(table, table.key, held.cell()));
        let result = self.run(table, statements::Kind::Update(cells), &params).map(|_| ());
        drop(params);
        self.key = held;
        result
    }

    /// See [`super::Rows::delete`].
    pub fn delete(&mut self, table: &Table) -> Result<()> {
        self.statements(table)?;
        let held = std::mem::take(&mut self.key);
        let key = self.param(table, table.key, held.cell());
        let result = self.run(table, statements::Kind::Delete, &[key]).map(|_| ());
        self.key = held;
        result
    }

    /// Fetches rows in key order from `lower` on; the first of them is current. `false`: there are none.
    pub fn seek(&mut self, table: &Table, lower: Bound<Cell<'_>>) -> Result<bool> {
        self.statements(table)?;
        let (kind, key) = match lower {
            Bound::Unbounded => (statements::Kind::First, None),
            Bound::Included(key) => (statements::Kind::From, Some(key)),
            Bound::Excluded(key) => (statements::Kind::Behind, Some(key)),
        };
        let params: Vec<_> = key.into_iter().map(|key| self.param(table, table.key, key)).collect();
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

fn error_on(table: &Table, sql: SqlError) -> Error {
    match sql.code {
        // Unknown column, wrong number of columns.
        1054 | 1136 => Error::Changed(table.display().into_owned()),
        1146 | 1049 => Error::NotFound(table.display().into_owned()),
        _ => error(sql),
    }
}

/// The server's numbers in this room's words.
fn error(sql: SqlError) -> Error {
    match sql.code {
        1062 | 1586 => Error::Duplicate,
        // MariaDB's 1020: the row has changed since the transaction's view was opened. 3101: undone by a replication group's
        // certification; 1180 with InnoDB's number 149: undone while it waited for that.
        1213 | 3058 | 1020 | 3101 => Error::Deadlock,
        1180 if sql.message.contains(" 149 ") => Error::Deadlock,
        1205 | 3572 => Error::LockTimeout,
        // Read-only transaction, --read-only, super_read_only, innodb_read_only, a table opened read only.
        1792 | 1290 | 1836 | 1874 | 1036 => Error::ReadOnly,
        // Data too long, out of range, wrong bytes for the character set, row too large.
        1406 | 1264 | 1366 | 1300 | 1118 | 1301 | 3854 => Error::TooLong(column_of(&sql.message)),
        1048 | 1364 | 1216 | 1217 | 1451 | 1452 | 3819 | 4025 | 1644 | 1701 => Error::Constraint(sql.message),
        1021 | 1114 | 3 => Error::DiskFull,
        1053 | 1317 | 1927 | 1969 | 3169 | 3024 => Error::Interrupted,
        1146 => Error::NotFound(sql.message),
        // The session itself refused, and said what.
        0 => Error::Engine(sql.message),
        code => Error::Engine(format!("{} (SQL error {code})", sql.message)),
    }
}

/// `Data too long for column 'v' at row 1` names the column between quotes.
fn column_of(message: &str) -> String {
    let named = message.split_once("column '").and_then(|(_, rest)| rest.split_once('\''));
    named.map_or_else(|| "(the whole row)".into(), |(column, _)| column.into())
}
