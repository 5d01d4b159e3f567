//! Reads that are known beforehand: many rows by one statement, `SELECT ... WHERE key IN (...)`.
//!
//! A tick announces the keys that it is going to read; the first read of an announced key fetches its row and those of the keys behind
//! it. Which row belongs to which key is told by their bytes. Equal bytes are enough, since no two rows of a unique index are equal; where
//! the column's collation takes more for equal than equal bytes, a key without such a row is asked for by itself.

use super::announced::{Announced, Found, Match};
use super::charset::Charset;
use super::error::error_on;
use super::statements::{KEYS_MAX, StatementKind};
use super::{SqlRows, SqlSession};
use crate::rows::{Cell, ColumnKind, Result, Table};

impl<S: SqlSession> SqlRows<S> {
    /// See [`crate::rows::Rows::announce`].
    pub fn announce(&mut self, table: &Table, key: Cell<'_>) {
        self.ahead.announce(table, key);
    }

    /// See [`crate::rows::Rows::forget_announced`].
    pub fn forget_announced(&mut self) {
        self.ahead.forget();
    }

    /// Reads a row that was announced; `None`: it was not, or only a statement of its own tells.
    pub(super) fn read_ahead(&mut self, table: &Table, key: Cell<'_>) -> Result<Option<bool>> {
        let of_table = |known: &Announced| known.table == (table.id, table.stamp) && known.next < known.keys.len();
        let Some(at) = self.ahead.tables.iter().position(of_table) else { return Ok(None) };
        let Some(place) = self.ahead.tables[at].place(key) else { return Ok(None) };
        if !self.ahead.tables[at].fetched.contains(&place) {
            // A statement that a single key would not need.
            if place + 1 == self.ahead.tables[at].keys.len() {
                return Ok(None);
            }
            let mut known = std::mem::take(&mut self.ahead.tables[at]);
            let fetched = self.fetch(table, &mut known, place);
            self.ahead.tables[at] = known;
            fetched?;
        }
        let known = &mut self.ahead.tables[at];
        known.next = place + 1;
        Ok(match known.found.get(place - known.fetched.start) {
            Some(Found::Row(row)) => {
                self.ahead.current = Some((at, *row));
                Some(true)
            }
            Some(Found::Nothing) => Some(false),
            _ => None,
        })
    }

    /// Fetches the rows of the keys from `first` on.
    ///
    /// # Errors
    /// The transaction is lost.
    fn fetch(&mut self, table: &Table, known: &mut Announced, first: usize) -> Result<()> {
        let last = known.keys.len().min(first + self.ahead.keys);
        known.fetched = first..last;
        known.found.clear();
        self.statements(table)?;
        let (Some(column), Some(Some(statements))) = (table.columns.get(table.key), self.tables.get(table.id)) else {
            return Ok(());
        };
        let rule = match (column.kind, statements.charset(table.key)) {
            (_, Charset::Other { .. }) => return Ok(()),
            (ColumnKind::Int { .. } | ColumnKind::VarBinary, Charset::None) => Match::Exact,
            _ => Match::Loose,
        };
        let is_text = statements.is_text(table.key);
        let kinds = statements.kinds().to_vec();
        let (mut found, mut rows) = (std::mem::take(&mut known.found), std::mem::take(&mut known.rows));
        rows.expect(&kinds);
        let mut params = Vec::with_capacity(KEYS_MAX);
        for at in first..last {
            let cell = known.cell(at).unwrap_or(Cell::Null);
            let verdict = match cell {
                // No row has a key that the column cannot hold.
                Cell::Bytes(bytes) if bytes.len() > column.max_bytes as usize => Found::Nothing,
                _ => Found::Ask,
            };
            // A key that is no text would make the statement fail for all.
            let foreign = matches!(cell, Cell::Bytes(bytes) if is_text && str::from_utf8(bytes).is_err());
            if verdict == Found::Ask && !foreign {
                params.push(self.key(table, cell));
            }
            found.push(verdict);
        }
        let mut done = Ok(0);
        if let Some(last) = params.last().copied() {
            // Few different statements serve all numbers of keys.
            params.resize(params.len().next_power_of_two().max(2), last);
            let handle = self.prepared(table, StatementKind::ReadMany(params.len()))?;
            done = self.sql.execute(handle, &params, &mut rows).map_err(|e| error_on(table, e));
        }
        (known.found, known.rows) = (found, rows);
        match done {
            Ok(_) => {}
            Err(error) if error.aborts() => return Err(error),
            // Each key by itself will tell.
            Err(_) => return Ok(()),
        }
        self.ahead.learn(known.rows.size());
        known.assign(table, rule);
        Ok(())
    }
}
