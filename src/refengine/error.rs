//! What can go wrong in the engine, with MySQL's numbers, SQLSTATEs and wording.

use super::codes::{self, Code};
use std::fmt;
use std::time::Duration;

/// An error of the engine. `Display` is one sentence, worded as MySQL words it where MySQL has such an error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// 1007.
    DatabaseExists(String),
    /// 1008: DROP of a database that does not exist.
    DropNoSuchDatabase(String),
    /// 1046.
    NoDatabaseSelected,
    /// 1048: the column.
    NullNotAllowed(String),
    /// 1049.
    NoSuchDatabase(String),
    /// 1050.
    TableExists(String),
    /// 1051: DROP of a table that does not exist, `db.table`.
    DropNoSuchTable(String),
    /// 1054: the column and the clause it was named in.
    NoSuchColumn {
        /// The name as written.
        column: String,
        /// Such as `field list` or `where clause`.
        clause: String,
    },
    /// 1060.
    DuplicateColumn(String),
    /// 1061.
    DuplicateKeyName(String),
    /// 1062.
    DuplicateKey {
        /// The table.
        table: String,
        /// `PRIMARY` or the secondary index.
        index: String,
        /// The key's values joined by `-`.
        key: String,
    },
    /// 1064: the whole message.
    Syntax(String),
    /// 1067: the column.
    InvalidDefault(String),
    /// 1071.
    KeyTooLong,
    /// 1072.
    NoSuchKeyColumn(String),
    /// 1170: a key over a TEXT or BLOB column.
    BlobKey(String),
    /// 3552: a database the engine keeps for itself.
    SystemDatabase(String),
    /// 1102, 1103, 1166 and 1280: the kind (`database`, `table`, `column`, `index`) and the name.
    WrongName {
        /// What is named.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// 1146.
    NoSuchTable {
        /// The database.
        db: String,
        /// The table.
        table: String,
    },
    /// 1193.
    UnknownVariable(String),
    /// 1205.
    LockWaitTimeout,
    /// 1213: the whole transaction is rolled back.
    Deadlock,
    /// 1317: KILL.
    Interrupted,
    /// 1231.
    WrongValue {
        /// The variable.
        variable: String,
        /// What it was to become.
        value: String,
    },
    /// 1238: the variable is set when the engine opens and not later.
    ReadOnlyVariable(String),
    /// 1264.
    OutOfRange {
        /// The column.
        column: String,
        /// The row within the statement, from 1.
        row: u64,
    },
    /// 1265.
    DataTruncated {
        /// The column.
        column: String,
        /// The row within the statement, from 1.
        row: u64,
    },
    /// 1366.
    BadValue {
        /// What was expected, such as `integer` or `string`.
        kind: &'static str,
        /// The value as text.
        value: String,
        /// The column.
        column: String,
        /// The row within the statement, from 1.
        row: u64,
    },
    /// 1406.
    DataTooLong {
        /// The column.
        column: String,
        /// The row within the statement, from 1.
        row: u64,
    },
    /// 1792: a write in a read-only transaction.
    ReadOnly,
    /// 1118: the row is larger than a row may be.
    RowTooBig,
    /// 1021: there is no space; nothing of this operation was done, and it may be tried again when there is.
    DiskFull(String),
    /// 1836: an earlier write failed, so only reads go on.
    WritesStopped(String),
    /// 1030: the storage failed; nothing of this operation was done.
    Storage(String),
    /// 1030: the tables on disk did not keep up with what is written; nothing of this operation was done.
    CheckpointLate(Duration),
    /// 1180: nobody knows whether the transaction was committed.
    CommitUnknown(String),
    /// 1015: another process has the data directory open.
    Locked(String),
    /// 1712: stored bytes are not what the engine writes.
    Corrupt(String),
    /// 1235: the engine does not do this.
    Unsupported(String),
}

/// Result of the engine.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// MySQL's error number.
    pub fn errno(&self) -> u16 {
        self.code().errno
    }

    /// MySQL's SQLSTATE.
    pub fn sqlstate(&self) -> &'static str {
        self.code().sqlstate
    }

    fn code(&self) -> Code {
        match self {
            Error::DatabaseExists(_) => codes::ER_DB_CREATE_EXISTS,
            Error::DropNoSuchDatabase(_) => codes::ER_DB_DROP_EXISTS,
            Error::Locked(_) => codes::ER_CANT_LOCK,
            Error::DiskFull(_) => codes::ER_DISK_FULL,
            Error::Storage(_) | Error::CheckpointLate(_) => codes::ER_GET_ERRNO,
            Error::NoDatabaseSelected => codes::ER_NO_DB_ERROR,
            Error::NullNotAllowed(_) => codes::ER_BAD_NULL_ERROR,
            Error::NoSuchDatabase(_) => codes::ER_BAD_DB_ERROR,
            Error::TableExists(_) => codes::ER_TABLE_EXISTS_ERROR,
            Error::DropNoSuchTable(_) => codes::ER_BAD_TABLE_ERROR,
            Error::NoSuchColumn { .. } => codes::ER_BAD_FIELD_ERROR,
            Error::DuplicateColumn(_) => codes::ER_DUP_FIELDNAME,
            Error::DuplicateKeyName(_) => codes::ER_DUP_KEYNAME,
            Error::DuplicateKey { .. } => codes::ER_DUP_ENTRY,
            Error::Syntax(_) => codes::ER_PARSE_ERROR,
            Error::InvalidDefault(_) => codes::ER_INVALID_DEFAULT,
            Error::KeyTooLong => codes::ER_TOO_LONG_KEY,
            Error::NoSuchKeyColumn(_) => codes::ER_KEY_COLUMN_DOES_NOT_EXIST,
            Error::BlobKey(_) => codes::ER_BLOB_KEY_WITHOUT_LENGTH,
            Error::SystemDatabase(_) => codes::ER_NO_SYSTEM_SCHEMA_ACCESS,
            Error::WrongName { kind: "index", .. } => codes::ER_WRONG_NAME_FOR_INDEX,
            Error::WrongName { kind: "database", .. } => codes::ER_WRONG_DB_NAME,
            Error::WrongName { kind: "table", .. } => codes::ER_WRONG_TABLE_NAME,
            Error::WrongName { .. } => codes::ER_WRONG_COLUMN_NAME,
            Error::RowTooBig => codes::ER_TOO_BIG_ROWSIZE,
            Error::NoSuchTable { .. } => codes::ER_NO_SUCH_TABLE,
            Error::CommitUnknown(_) => codes::ER_ERROR_DURING_COMMIT,
            Error::UnknownVariable(_) => codes::ER_UNKNOWN_SYSTEM_VARIABLE,
            Error::LockWaitTimeout => codes::ER_LOCK_WAIT_TIMEOUT,
            Error::Deadlock => codes::ER_LOCK_DEADLOCK,
            Error::WrongValue { .. } => codes::ER_WRONG_VALUE_FOR_VAR,
            Error::Unsupported(_) => codes::ER_NOT_SUPPORTED_YET,
            Error::ReadOnlyVariable(_) => codes::ER_INCORRECT_GLOBAL_LOCAL_VAR,
            Error::Interrupted => codes::ER_QUERY_INTERRUPTED,
            Error::OutOfRange { .. } => codes::ER_WARN_DATA_OUT_OF_RANGE,
            Error::DataTruncated { .. } => codes::ER_WARN_DATA_TRUNCATED,
            Error::BadValue { .. } => codes::ER_TRUNCATED_WRONG_VALUE_FOR_FIELD,
            Error::DataTooLong { .. } => codes::ER_DATA_TOO_LONG,
            Error::Corrupt(_) => codes::ER_INDEX_CORRUPT,
            Error::ReadOnly => codes::ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION,
            Error::WritesStopped(_) => codes::ER_READ_ONLY_MODE,
        }
    }

    /// Sets the row number in the errors that name one (the engine itself always says 1).
    pub fn at_row(mut self, n: u64) -> Error {
        if let Error::OutOfRange { row, .. }
        | Error::DataTruncated { row, .. }
        | Error::BadValue { row, .. }
        | Error::DataTooLong { row, .. } = &mut self
        {
            *row = n;
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::DatabaseExists(db) => write!(f, "Can't create database '{db}'; database exists"),
            Error::DropNoSuchDatabase(db) => write!(f, "Can't drop database '{db}'; database doesn't exist"),
            Error::NoDatabaseSelected => f.write_str("No database selected"),
            Error::NullNotAllowed(column) => write!(f, "Column '{column}' cannot be null"),
            Error::NoSuchDatabase(db) => write!(f, "Unknown database '{db}'"),
            Error::TableExists(table) => write!(f, "Table '{table}' already exists"),
            Error::DropNoSuchTable(table) => write!(f, "Unknown table '{table}'"),
            Error::NoSuchColumn { column, clause } => write!(f, "Unknown column '{column}' in '{clause}'"),
            Error::DuplicateColumn(column) => write!(f, "Duplicate column name '{column}'"),
            Error::DuplicateKeyName(key) => write!(f, "Duplicate key name '{key}'"),
            Error::DuplicateKey { table, index, key } => {
                write!(f, "Duplicate entry '{key}' for key '{table}.{index}'")
            }
            Error::Syntax(text) => f.write_str(text),
            Error::InvalidDefault(column) => write!(f, "Invalid default value for '{column}'"),
            Error::KeyTooLong => f.write_str("Specified key was too long; max key length is 16384 bytes"),
            Error::BlobKey(column) => {
                write!(f, "BLOB/TEXT column '{column}' used in key specification without a key length")
            }
            Error::SystemDatabase(db) => write!(f, "Access to system schema '{db}' is rejected."),
            Error::NoSuchKeyColumn(column) => write!(f, "Key column '{column}' doesn't exist in table"),
            Error::WrongName { kind, name } => write!(f, "Incorrect {kind} name '{name}'"),
            Error::NoSuchTable { db, table } => write!(f, "Table '{db}.{table}' doesn't exist"),
            Error::UnknownVariable(name) => write!(f, "Unknown system variable '{name}'"),
            Error::LockWaitTimeout => f.write_str("Lock wait timeout exceeded; try restarting transaction"),
            Error::Deadlock => f.write_str("Deadlock found when trying to get lock; try restarting transaction"),
            Error::Interrupted => f.write_str("Query execution was interrupted"),
            Error::WrongValue { variable, value } => {
                write!(f, "Variable '{variable}' can't be set to the value of '{value}'")
            }
            Error::ReadOnlyVariable(name) => write!(f, "Variable '{name}' is a read only variable"),
            Error::OutOfRange { column, row } => {
                write!(f, "Out of range value for column '{column}' at row {row}")
            }
            Error::DataTruncated { column, row } => {
                write!(f, "Data truncated for column '{column}' at row {row}")
            }
            Error::BadValue { kind, value, column, row } => {
                write!(f, "Incorrect {kind} value: '{value}' for column '{column}' at row {row}")
            }
            Error::DataTooLong { column, row } => {
                write!(f, "Data too long for column '{column}' at row {row}")
            }
            Error::ReadOnly => f.write_str("Cannot execute statement in a READ ONLY transaction."),
            Error::RowTooBig => f.write_str("Row size too large: a row may have at most 1073741824 bytes"),
            Error::DiskFull(text) => write!(f, "Disk full: {text}; free some space and try again"),
            Error::WritesStopped(text) => {
                write!(
                    f,
                    "Running in read-only mode since a write failed: {text}; check the disk, then restart the engine"
                )
            }
            Error::Storage(text) => write!(f, "Got error from storage engine: {text}"),
            Error::CheckpointLate(waited) => {
                write!(
                    f,
                    "The disk does not keep up with the writes: a checkpoint takes longer than {} s; try again later",
                    waited.as_secs()
                )
            }
            Error::CommitUnknown(text) => {
                write!(f, "Got error during COMMIT, it is unknown whether the transaction was committed: {text}")
            }
            Error::Locked(dir) => {
                write!(f, "Can't lock data directory '{dir}': another process has it open")
            }
            Error::Corrupt(text) => write!(f, "The stored data is corrupt: {text}"),
            Error::Unsupported(text) => write!(f, "This version doesn't yet support '{text}'"),
        }
    }
}

impl std::error::Error for Error {}

/// What an I/O error is that left nothing half done. `what` names the files.
pub(crate) fn io_error(what: &str, error: &std::io::Error) -> Error {
    let text = format!("{what}: {error}");
    if matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded) {
        Error::DiskFull(text)
    } else {
        Error::Storage(text)
    }
}
