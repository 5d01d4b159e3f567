//! Rows of a MariaDB server.

use super::sql::{self, SqlSession};
use super::{Cell, Column, Error, Index, Mode, Result, Table};
use std::ffi::CStr;
use std::ops::Bound;

/// Isolation level of batches, and seconds after which an idle batch is committed: MariaDB has no variables for them, these are the
/// defaults that InnoDB has where there are.
pub const TRX_LEVEL: u8 = 0;
/// See [`TRX_LEVEL`].
pub const COMMIT_INTERVAL: i64 = 5;

/// Rows of one worker thread.
pub struct Session<S> {
    sql: sql::Session<S>,
}

impl<S: SqlSession> Session<S> {
    /// A session without a transaction.
    pub fn new(sql: S) -> Session<S> {
        Session { sql: sql::Session::new(sql) }
    }
}
