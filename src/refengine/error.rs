//! What can go wrong in the engine, with MySQL's numbers, SQLSTATEs and wording.

use std::fmt;

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
        self.code().0
    }

    /// MySQL's SQLSTATE.
    pub fn sqlstate(&self) -> &'static str {
        self.code().1
    }

    fn code(&self) -> (u16, &'static str) {
        match self {
            Error::DatabaseExists(_) => (1007, "HY000"),
            Error::DropNoSuchDatabase(_) => (1008, "HY000"),
            Error::Locked(_) => (1015, "HY000"),
            Error::DiskFull(_) => (1021, "HY000"),
            Error::Storage(_) => (1030, "HY000"),
            Error::NoDatabaseSelected => (1046, "3D000"),
            Error::NullNotAllowed(_) => (1048, "23000"),
            Error::NoSuchDatabase(_) => (1049, "42000"),
            Error::TableExists(_) => (1050, "42S01"),
            Error::DropNoSuchTable(_) => (1051, "42S02"),
            Error::NoSuchColumn { .. } => (1054, "42S22"),
            Error::DuplicateColumn(_) => (1060, "42S21"),
            Error::DuplicateKeyName(_) => (1061, "42000"),
            Error::DuplicateKey { .. } => (1062, "23000"),
            Error::Syntax(_) => (1064, "42000"),
            Error::InvalidDefault(_) => (1067, "42000"),
            Error::KeyTooLong => (1071, "42000"),
            Error::NoSuchKeyColumn(_) => (1072, "42000"),
            Error::BlobKey(_) => (1170, "42000"),
            Error::SystemDatabase(_) => (3552, "HY000"),
            Error::WrongName { kind: "index", .. } => (1280, "42000"),
            Error::WrongName { kind: "database", .. } => (1102, "42000"),
            Error::WrongName { kind: "table", .. } => (1103, "42000"),
            Error::WrongName { .. } => (1166, "42000"),
            Error::RowTooBig => (1118, "42000"),
            Error::NoSuchTable { .. } => (1146, "42S02"),
            Error::CommitUnknown(_) => (1180, "HY000"),
            Error::UnknownVariable(_) => (1193, "HY000"),
            Error::LockWaitTimeout => (1205, "HY000"),
            Error::Deadlock => (1213, "40001"),
            Error::WrongValue { .. } => (1231, "42000"),
            Error::Unsupported(_) => (1235, "42000"),
            Error::ReadOnlyVariable(_) => (1238, "HY000"),
            Error::Interrupted => (1317, "70100"),
            Error::OutOfRange { .. } => (1264, "22003"),
            Error::DataTruncated { .. } => (1265, "01000"),
            Error::BadValue { .. } => (1366, "HY000"),
            Error::DataTooLong { .. } => (1406, "22001"),
            Error::Corrupt(_) => (1712, "HY000"),
            Error::ReadOnly => (1792, "25006"),
            Error::WritesStopped(_) => (1836, "HY000"),
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
