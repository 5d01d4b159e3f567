//! Rows that are written together: `INSERT ... ON DUPLICATE KEY UPDATE`.
//!
//! The statement does what an INSERT or an UPDATE by key would do on plain tables only; where there is another unique index it changes
//! the row it meets there, and INSERT triggers fire for rows that are there already. So the dictionary is asked, and may answer
//! otherwise after the next ALTER TABLE or CREATE TRIGGER. Nothing of that goes unnoticed:
//!
//! - the dictionary is asked after a statement was prepared and before it is executed for the first time;
//! - a table that was altered since a statement was prepared makes the host prepare it anew, within the execution, and count that
//!   ([`SqlSession::reprepared`]): when the count has changed behind an execution, the dictionary is asked again. The transaction
//!   holds the table's metadata lock by then, so the answer is about the table that was written, and stays true until the commit. A host
//!   that prepares nothing is told to look at the table instead ([`SqlSession::look_at`]).
//!
//! The answer is looked up by fresh statements, which see what is committed at READ COMMITTED and below; at higher levels, where an
//! older view might hide a change, rows are written one by one.

use super::error::error;
use super::statements::{self, StatementKind, Upserts};
use super::{SqlRows, SqlSession, stored};
use crate::rows::{Cell, ColumnKind, Error, Result, Table, one_by_one};

/// The highest isolation level (READ COMMITTED) at which each statement sees what was committed before it.
const LEVEL_MAX: u8 = 1;

impl<S: SqlSession> SqlRows<S> {
    /// See [`crate::rows::Rows::upserts`].
    pub fn upserts(&self, table: &Table) -> bool {
        let Some(count) = self.sql.reprepared() else { return false };
        !self.has_waited() && self.level <= Some(LEVEL_MAX) && self.verdict(table) != Upserts::Refused(count)
    }

    /// See [`crate::rows::Rows::upsert`].
    pub fn upsert(&mut self, table: &Table, rows: usize, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        if !self.upserts(table) {
            return Err(one_by_one(table));
        }
        self.statements(table)?;
        let kind = StatementKind::Upsert(rows, cells);
        if !self.is_prepared(table, kind) {
            if let Err(refused) = self.prepared(table, kind) {
                // An old server does not know the statement; asking for each row would be dear.
                if let (Error::Engine(_), Some(count)) = (&refused, self.sql.reprepared()) {
                    self.set_verdict(table, Upserts::Refused(count));
                }
                return Err(refused);
            }
            self.set_verdict(table, Upserts::Unknown);
        }
        self.ask_dictionary(table)?;
        let params: Vec<_> = cells.iter().map(|(_, cell)| stored(*cell)).collect();
        self.waiting(|rows| rows.run(table, kind, &params))?;
        self.sql.look_at(&table.path);
        self.ask_dictionary(table).map_err(|error| if error.aborts() { error } else { Error::Altered })
    }

    /// A row of the table was written by itself: perhaps rows need not be any longer.
    pub(super) fn reconsider(&mut self, table: &Table) {
        if matches!(self.verdict(table), Upserts::Refused(_)) {
            self.sql.look_at(&table.path);
        }
    }

    fn is_prepared(&self, table: &Table, kind: StatementKind<'_>) -> bool {
        matches!(self.tables.get(table.id), Some(Some(statements)) if statements.handle(kind).is_some())
    }

    fn verdict(&self, table: &Table) -> Upserts {
        self.tables.get(table.id).and_then(Option::as_ref).map_or(Upserts::Unknown, |statements| statements.upserts)
    }

    fn set_verdict(&mut self, table: &Table, verdict: Upserts) {
        if let Some(Some(statements)) = self.tables.get_mut(table.id) {
            statements.upserts = verdict;
        }
    }

    /// # Errors
    /// Rows of the table cannot be upserted, or nobody knows.
    fn ask_dictionary(&mut self, table: &Table) -> Result<()> {
        let Some(count) = self.sql.reprepared() else { return Err(one_by_one(table)) };
        if self.verdict(table) == Upserts::Allowed(count) {
            return Ok(());
        }
        self.aside.expect(&[ColumnKind::Int { bytes: 8, unsigned: false }]);
        self.sql.query(&statements::upserts_query(&table.path), &mut self.aside).map_err(error)?;
        let obstacles = self.aside.bytes(0, 0).map(|number| crate::rows::integer::decode_int(number, false));
        if obstacles == Some(0) {
            self.set_verdict(table, Upserts::Allowed(count));
            return Ok(());
        }
        self.set_verdict(table, Upserts::Refused(count));
        Err(one_by_one(table))
    }
}
