//! The seam between memcached's operations and a storage engine: rows and transactions.
//!
//! `store` calls this room, one [`Rows`] per worker thread; nobody else does. An implementer knows
//! how to reach rows and nothing about containers or the protocol:
//!
//! - [`table`]: safe Rust over the InnoDB API callback table; every raw call of the table lives there;
//! - [`sql`]: prepared statements in a session of the host;
//! - [`handler`]: reads through the handlers behind such a session.
//!
//! [`RowSession`] is what a worker holds: one of them, or two together.
//!
//! A session holds at most one transaction. Tables are opened at their first use in a transaction
//! and closed when it ends, so that between transactions nothing stays locked or pinned. The one exception is a caller's
//! wish, [`Rows::hold`], and lasts as long as the caller says.

pub mod handler;
mod integer;
mod session;
pub mod sql;
pub mod table;

pub use integer::decode_bits;
pub use session::{Hybrid, RowSession};
use std::ffi::{CStr, CString};
use std::fmt;
use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Integer of 1, 2, 3, 4 or 8 bytes.
    Int {
        /// Width in bytes.
        bytes: u8,
        /// Whether the column is UNSIGNED.
        unsigned: bool,
    },
    /// Space-padded text.
    Char,
    /// Text.
    VarChar,
    /// Zero-padded bytes.
    Binary,
    /// Bytes.
    VarBinary,
    /// Any BLOB or TEXT type.
    Blob,
    /// A word of a list, which SQL reads as text. No memcached operation maps it; the configuration tables have such columns.
    Enum,
    /// A type that no memcached operation maps.
    Other,
}

/// A column of a table as the engine describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name, in the case the engine reports.
    pub name: String,
    /// Type.
    pub kind: ColumnKind,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// Greatest length in bytes.
    pub max_bytes: u32,
    /// Whether a row can be inserted without it although it is NOT NULL; `false` where the session cannot tell.
    pub has_default: bool,
    /// Whether it is computed from other columns; `false` where the session cannot tell.
    pub generated: bool,
}

/// The index through which rows are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Names of its columns, in index order.
    pub columns: Vec<String>,
    /// Whether it admits one row per key.
    pub unique: bool,
    /// Whether it is the clustered index.
    pub clustered: bool,
}

/// A table that operations name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Small number, unique among the tables a session is used with; sessions index by it.
    pub id: usize,
    /// `database/table`.
    pub path: CString,
    /// Secondary index through which keys are looked up; `None` for the clustered one.
    pub index: Option<CString>,
    /// All columns, in table order.
    pub columns: Vec<Column>,
    /// Position of the key among `columns`.
    pub key: usize,
    /// Unique for each description of a table, so that what a session keeps of one is never used for another; copies share it.
    pub stamp: u32,
    /// Whether one of the columns is CHAR, which comes back with padding.
    padded: bool,
}

impl Table {
    /// A new description of a table, with a stamp of its own.
    pub fn new(id: usize, path: CString, index: Option<CString>, columns: Vec<Column>, key: usize) -> Table {
        static STAMP: AtomicU32 = AtomicU32::new(1);
        let padded = columns.iter().any(|column| column.kind == ColumnKind::Char);
        Table { id, path, index, columns, key, stamp: STAMP.fetch_add(1, Ordering::Relaxed), padded }
    }

    /// Position of the column of that name; names are compared byte by byte.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }

    /// `database/table` for messages.
    pub fn display(&self) -> std::borrow::Cow<'_, str> {
        self.path.to_string_lossy()
    }
}

/// How large a table is, as its engine says: exactly or about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TableSize {
    /// Committed rows.
    pub rows: u64,
    /// Bytes that they take.
    pub bytes: u64,
}

/// A value on its way into a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'a> {
    /// SQL NULL.
    Null,
    /// For signed integer columns; must fit the column.
    Int(i64),
    /// For unsigned integer columns; must fit the column.
    UInt(u64),
    /// For every other column.
    Bytes(&'a [u8]),
}

/// What a transaction may do and what it sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// Isolation level, 0 (READ UNCOMMITTED) to 3 (SERIALIZABLE).
    pub level: u8,
    /// Whether rows will be written.
    pub read_write: bool,
}

/// Why an operation on rows failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The key exists; the transaction is as it was.
    Duplicate,
    /// The transaction was chosen as a deadlock's victim: roll back.
    Deadlock,
    /// A lock was not granted in time: roll back.
    LockTimeout,
    /// The table or index does not exist, or is no base table.
    NotFound(String),
    /// A value does not fit its column (named); nothing was stored.
    TooLong(String),
    /// Bytes that the character set of their column (named) does not have; nothing was stored.
    BadText(String),
    /// NULL in a NOT NULL column, or a foreign key's objection; nothing was stored.
    Constraint(String),
    /// Somebody killed the session or the statement: roll back.
    Interrupted,
    /// The engine takes no writes now.
    ReadOnly,
    /// The host takes no writes now; the sentence says why.
    Refused(String),
    /// The table's columns are not those the session was told.
    Changed(String),
    /// The storage is full; nothing was stored.
    DiskFull,
    /// The table was altered meanwhile, and what was done is not what it asks for now: roll back and run again.
    Altered,
    /// Anything else, in the engine's words.
    Engine(String),
}

impl Error {
    /// Whether the transaction is lost and must be rolled back before anything else.
    pub fn aborts(&self) -> bool {
        matches!(self, Error::Deadlock | Error::LockTimeout | Error::Interrupted | Error::Altered)
    }

    /// Whether a commit that failed with this has certainly committed nothing; after others the outcome is unknown.
    pub fn refuses_commit(&self) -> bool {
        matches!(self, Error::LockTimeout | Error::Deadlock | Error::ReadOnly | Error::Refused(_) | Error::DiskFull)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Duplicate => f.write_str("duplicate key"),
            Error::Deadlock => f.write_str("deadlock"),
            Error::LockTimeout => f.write_str("lock wait timeout"),
            Error::NotFound(name) => write!(f, "table or index {name} not found or not a base table"),
            Error::TooLong(column) => write!(f, "value too long for column {column}"),
            Error::BadText(column) => write!(f, "value does not suit the character set of column {column}"),
            Error::Constraint(text) => f.write_str(text),
            Error::Interrupted => f.write_str("interrupted"),
            Error::ReadOnly => f.write_str("read only"),
            Error::Refused(reason) => f.write_str(reason),
            Error::Changed(name) => {
                write!(f, "table {name} has changed")
            }
            Error::DiskFull => f.write_str("out of disk space"),
            Error::Altered => f.write_str("the table was altered meanwhile"),
            Error::Engine(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

/// Result of this room.
pub type Result<T> = std::result::Result<T, Error>;

/// The rows of a table cannot be written together.
fn one_by_one(table: &Table) -> Error {
    Error::Engine(format!("rows of {} are written one by one", table.display()))
}

/// Rows of an engine as one worker thread sees them.
pub trait Rows {
    /// Starts a transaction; there must be none.
    fn begin(&mut self, mode: Mode) -> Result<()>;

    /// Whether a transaction is open.
    fn active(&self) -> bool;

    /// Columns of `database/table`, in table order, inside a transaction.
    fn describe(&mut self, path: &CStr) -> Result<Vec<Column>>;

    /// An index of `database/table`, inside a transaction.
    fn describe_index(&mut self, path: &CStr, name: &CStr) -> Result<Index>;

    /// Looks a row up by its key. `true`: it is the current row of `table`.
    fn read(&mut self, table: &Table, key: Cell<'_>) -> Result<bool>;

    /// Whether [`Rows::announce`] makes reads cheaper.
    fn reads_ahead(&self) -> bool {
        false
    }

    /// This transaction will read the row with this key, behind those that were announced before.
    fn announce(&mut self, _table: &Table, _key: Cell<'_>) {}

    /// What was announced is over: reads from now on look anew.
    fn forget_announced(&mut self) {}

    /// [`Rows::read`] with an exclusive row lock that lasts until the transaction ends; the key is locked
    /// even where no row has it.
    fn read_for_update(&mut self, table: &Table, key: Cell<'_>) -> Result<bool>;

    /// Bytes of a column of the current row, `None` for NULL. Valid until the next read.
    fn bytes(&self, table: &Table, column: usize) -> Option<&[u8]>;

    /// An integer column of the current row, `None` for NULL; the value range of every integer type fits. An ENUM may come as the number of
    /// its word.
    fn int(&self, table: &Table, column: usize) -> Option<i128>;

    /// [`Rows::bytes`] of several columns at once, `None` also for one that is not asked for.
    #[inline]
    fn columns<const N: usize>(&self, table: &Table, columns: [Option<usize>; N]) -> [Option<&[u8]>; N] {
        columns.map(|column| self.bytes(table, column?))
    }

    /// Inserts a row; columns that are not named become NULL, or their default where the session knows it.
    fn insert(&mut self, table: &Table, cells: &[(usize, Cell<'_>)]) -> Result<()>;

    /// Changes the named columns of the row that [`Rows::read_for_update`] found last; others keep
    /// their values.
    fn update(&mut self, table: &Table, cells: &[(usize, Cell<'_>)]) -> Result<()>;

    /// Whether [`Rows::upsert`] is worth a try on the table.
    fn upserts(&self, _table: &Table) -> bool {
        false
    }

    /// Stores `rows` rows in their order, with the effects that [`Rows::insert`] has where no row has the key and that
    /// [`Rows::update`] has where one does. `cells` has the cells of one row after another; all of them name the same columns in the
    /// same order, the key among them. An error that does not [abort](Error::aborts) has changed nothing, may be any row's, and says
    /// nothing of how the rows would fare one by one.
    fn upsert(&mut self, table: &Table, _rows: usize, _cells: &[(usize, Cell<'_>)]) -> Result<()> {
        Err(one_by_one(table))
    }

    /// Deletes the row that [`Rows::read_for_update`] found last.
    fn delete(&mut self, table: &Table) -> Result<()>;

    /// Makes the first row from `lower` on, in key order, the current row of `table`; `false`: there is none.
    fn seek(&mut self, table: &Table, lower: Bound<Cell<'_>>) -> Result<bool>;

    /// Steps to the row behind the one that [`Rows::seek`] or this found; `false`: that was the last.
    fn next(&mut self, table: &Table) -> Result<bool>;

    /// Visits rows in key order, from `lower` on, until told to stop.
    fn scan(
        &mut self,
        table: &Table,
        lower: Bound<Cell<'_>>,
        visit: &mut dyn FnMut(&Self) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut found = self.seek(table, lower)?;
        while found && visit(self).is_continue() {
            found = self.next(table)?;
        }
        Ok(())
    }

    /// What grows whenever rows of a table have changed otherwise than through rows like these, before whoever changed them is told; `None`
    /// where nobody tells.
    fn changes(&self, _path: &CStr) -> Option<&'static AtomicU64> {
        None
    }

    /// Empties a table, outside any transaction.
    fn truncate(&mut self, table: &Table) -> Result<()>;

    /// Commits. After an error the transaction is over; [`Error::refuses_commit`] tells whether the outcome is known.
    fn commit(&mut self) -> Result<()>;

    /// Undoes everything since [`Rows::begin`]; nothing happens without a transaction.
    fn rollback(&mut self);

    /// From now on transactions leave their tables open behind their commit, for the transactions to come; or they do not. What is open
    /// shows nothing of the past and keeps no version of a row, but who alters, drops or locks the table waits. So it is the caller's to
    /// [release](Rows::release) it soon. Rows that gain nothing by it, as of transactions that write in a real server, close their tables
    /// all the same.
    fn hold(&mut self, _hold: bool) {}

    /// Whether tables were left open since the last [`Rows::release`].
    fn holds(&self) -> bool {
        false
    }

    /// Closes what [`Rows::hold`] left open, outside a transaction.
    fn release(&mut self) {}

    /// Outside a transaction: gives back what is kept of tables that are no longer used; `stays` tells for a [`Table::id`] and a
    /// [`Table::stamp`].
    fn keep(&mut self, _stays: &dyn Fn(usize, u32) -> bool) {}

    /// From here to the next call, waits for locks take together no longer than one may: behind the first that ended without the
    /// lock, none is waited for. Rows that cannot do that wait each time.
    fn restart_lock_wait(&mut self) {}

    /// Looks after a session that may have been idle for long: one that was killed gives its locks back and is replaced.
    /// `true`: a transaction that was open was undone with it.
    fn check_session(&mut self) -> bool {
        false
    }
}
