//! A host's SQL session, as this room needs it.

use super::result::RowSet;
use crate::rows::{ColumnKind, Error};
use std::ffi::CStr;
use std::time::Duration;

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

    /// Called before rows are read below SQL, without a transaction. An error refuses that.
    fn before_reads(&mut self) -> std::result::Result<(), SqlError> {
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

/// All cells of a query's rows with so many columns, as text. The session is opened anew if it is lost, and its transaction is over.
///
/// # Errors
/// The host's.
pub fn cells(session: &mut impl SqlSession, sql: &str, columns: usize) -> std::result::Result<Vec<String>, SqlError> {
    if session.is_lost() {
        session.reopen()?;
    }
    let mut rows = RowSet::default();
    rows.expect(&vec![ColumnKind::VarChar; columns]);
    session.enter()?;
    let asked = session.query(sql, &mut rows);
    let ended = session.query("COMMIT", &mut RowSet::default());
    asked.and(ended)?;
    let text = |at| String::from_utf8_lossy(rows.bytes(at / columns, at % columns).unwrap_or_default()).into_owned();
    Ok((0..rows.len() * columns).map(text).collect())
}
