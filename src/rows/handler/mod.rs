//! Rows of a MariaDB server: SQL, and reads through the handlers below it.

use super::sql::{SqlRows, SqlSession};
use super::{Cell, Column, Index, Mode, Result, Rows, Table};
use std::ffi::CStr;
use std::ops::Bound;

/// Isolation level of batches: MariaDB has no variable for it, this is InnoDB's default where there is one.
pub const TRX_LEVEL: u8 = 0;

/// Seconds after which an idle batch is committed, likewise.
pub const COMMIT_INTERVAL: i64 = 5;

/// Rows of one worker thread.
pub struct HandlerRows<S> {
    sql: SqlRows<S>,
}

impl<S: SqlSession> HandlerRows<S> {
    /// Rows without a transaction.
    pub fn new(session: S) -> HandlerRows<S> {
        HandlerRows { sql: SqlRows::new(session) }
    }

    /// See [`super::RowSession::check`].
    pub(super) fn check(&mut self, _path: &CStr) -> Result<()> {
        Ok(())
    }

    /// Replaces a session that somebody killed.
    fn renew(&mut self) -> Result<()> {
        match self.sql.is_lost() {
            true => self.sql.reopen(),
            false => Ok(()),
        }
    }
}

impl<S: SqlSession> Rows for HandlerRows<S> {
    fn begin(&mut self, mode: Mode) -> Result<()> {
        self.renew()?;
        self.sql.begin(mode)
    }

    fn active(&self) -> bool {
        self.sql.active()
    }

    fn describe(&mut self, path: &CStr) -> Result<Vec<Column>> {
        self.sql.describe(path)
    }

    fn describe_index(&mut self, path: &CStr, name: &CStr) -> Result<Index> {
        self.sql.describe_index(path, name)
    }

    fn read(&mut self, table: &Table, key: Cell<'_>) -> Result<bool> {
        self.sql.read(table, key)
    }

    fn read_for_update(&mut self, table: &Table, key: Cell<'_>) -> Result<bool> {
        self.sql.read_for_update(table, key)
    }

    fn bytes(&self, _table: &Table, column: usize) -> Option<&[u8]> {
        self.sql.bytes(column)
    }

    fn int(&self, table: &Table, column: usize) -> Option<i128> {
        self.sql.int(table, column)
    }

    fn insert(&mut self, table: &Table, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        self.sql.insert(table, cells)
    }

    fn update(&mut self, table: &Table, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        self.sql.update(table, cells)
    }

    fn upserts(&self, table: &Table) -> bool {
        self.sql.upserts(table)
    }

    fn upsert(&mut self, table: &Table, rows: usize, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        self.sql.upsert(table, rows, cells)
    }

    fn delete(&mut self, table: &Table) -> Result<()> {
        self.sql.delete(table)
    }

    fn seek(&mut self, table: &Table, lower: Bound<Cell<'_>>) -> Result<bool> {
        self.sql.seek(table, lower)
    }

    fn next(&mut self, table: &Table) -> Result<bool> {
        self.sql.next(table)
    }

    fn truncate(&mut self, table: &Table) -> Result<()> {
        self.renew()?;
        self.sql.enter()?;
        self.sql.truncate(&table.path)
    }

    fn commit(&mut self) -> Result<()> {
        self.sql.commit()
    }

    fn rollback(&mut self) {
        self.sql.rollback();
    }

    fn keep(&mut self, stays: &dyn Fn(usize, u32) -> bool) {
        self.sql.keep(stays);
    }

    fn tend(&mut self) -> bool {
        if !self.sql.is_lost() {
            return false;
        }
        let undone = self.active();
        if undone {
            log::error!("an open batch was undone: somebody killed the session it belonged to");
        }
        if let Err(error) = self.renew() {
            log::warn!("a session of the daemon cannot be replaced: {error}");
        }
        undone
    }
}
