//! The engine's vocabulary: column types, table definitions, values, isolation levels.
//!
//! Everybody on the engine's side speaks it: the catalog stores it, the codec turns rows of it into bytes, SQL
//! builds it from statements. Plain data without threads.

use std::ops::Bound;

/// Character set of a text column.
///
/// Every collation is the binary one of its character set: text compares and sorts byte by byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// Bytes without a meaning.
    Binary,
    /// One byte per character.
    Latin1,
    /// UTF-8, one to four bytes per character.
    Utf8mb4,
    /// UTF-8, one to three bytes per character.
    Utf8mb3,
    /// The first half of one byte.
    Ascii,
}

impl Charset {
    /// Most bytes one character takes.
    pub fn max_bytes_per_char(self) -> u32 {
        match self {
            Charset::Binary | Charset::Latin1 | Charset::Ascii => 1,
            Charset::Utf8mb3 => 3,
            Charset::Utf8mb4 => 4,
        }
    }

    /// Whether text of it is stored as UTF-8, of which it may have a part only.
    pub fn is_utf8(self) -> bool {
        matches!(self, Charset::Utf8mb4 | Charset::Utf8mb3 | Charset::Ascii)
    }

    /// Whether it has this character. The engine's latin1 is ISO 8859-1.
    pub fn has(self, c: char) -> bool {
        match self {
            Charset::Binary | Charset::Utf8mb4 => true,
            Charset::Utf8mb3 => c <= '\u{ffff}',
            Charset::Latin1 => c <= '\u{ff}',
            Charset::Ascii => c.is_ascii(),
        }
    }
}

/// Type of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// TINYINT to BIGINT.
    Int {
        /// 1, 2, 3, 4 or 8.
        bytes: u8,
        /// UNSIGNED.
        unsigned: bool,
    },
    /// CHAR(n): space padded when stored, read without trailing spaces.
    Char {
        /// n, in characters.
        chars: u32,
    },
    /// VARCHAR(n).
    VarChar {
        /// n, in characters.
        chars: u32,
    },
    /// BINARY(n): zero padded.
    Binary {
        /// n.
        bytes: u32,
    },
    /// VARBINARY(n).
    VarBinary {
        /// n.
        bytes: u32,
    },
    /// TINYTEXT to LONGTEXT.
    Text {
        /// Largest value.
        max_bytes: u64,
        /// The type's SQL name, such as `MEDIUMTEXT`.
        name: &'static str,
    },
    /// TINYBLOB to LONGBLOB.
    Blob {
        /// Largest value.
        max_bytes: u64,
        /// The type's SQL name, such as `LONGBLOB`.
        name: &'static str,
    },
    /// ENUM(...): stored as the label's number, counted from 1.
    Enum {
        /// The labels in order.
        values: Vec<String>,
    },
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnDef {
    /// Name as written.
    pub name: String,
    /// Type.
    pub ty: ColumnType,
    /// Character set; [`Charset::Binary`] for everything that is not text.
    pub charset: Charset,
    /// NOT NULL. The columns of a primary key always are.
    pub not_null: bool,
    /// Value of the DEFAULT clause, `None` without such a clause.
    pub default: Option<Value>,
}

/// One secondary index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexDef {
    /// Name as written.
    pub name: String,
    /// Column numbers in index order.
    pub columns: Vec<usize>,
    /// Whether no two rows have the same values in it, NULL apart.
    pub unique: bool,
}

/// Definition of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableDef {
    /// Database.
    pub db: String,
    /// Name.
    pub name: String,
    /// Columns in table order.
    pub columns: Vec<ColumnDef>,
    /// Column numbers of the clustered key in key order; never empty.
    pub primary_key: Vec<usize>,
    /// Secondary indexes.
    pub indexes: Vec<IndexDef>,
}

/// A value of a column. A label of an ENUM is [`Value::Bytes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// Signed integer.
    Int(i64),
    /// Unsigned integer.
    UInt(u64),
    /// Text or bytes.
    Bytes(Vec<u8>),
}

/// One value per column, in table order.
pub type Row = Vec<Value>;

/// Isolation level of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isolation {
    /// Sees what other transactions have not committed yet.
    ReadUncommitted,
    /// Each read sees the latest committed version.
    ReadCommitted,
    /// All reads see one snapshot, taken at the first read.
    RepeatableRead,
    /// Every read takes shared locks, ranges included.
    Serializable,
}

/// Row lock a read takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowLock {
    /// None: a consistent read.
    None,
    /// `FOR SHARE`.
    Shared,
    /// `FOR UPDATE`.
    Exclusive,
}

/// A range over an index. Each bound names values for the first columns of the index, at most all of them; a bound
/// on fewer columns covers every key that begins with these values.
#[derive(Clone, Debug)]
pub struct KeyRange {
    /// Where the range begins.
    pub lower: Bound<Vec<Value>>,
    /// Where it ends.
    pub upper: Bound<Vec<Value>>,
}

impl KeyRange {
    /// The whole index.
    pub fn all() -> KeyRange {
        KeyRange { lower: Bound::Unbounded, upper: Bound::Unbounded }
    }

    /// Every key that begins with `values`.
    pub fn prefix(values: Vec<Value>) -> KeyRange {
        KeyRange { lower: Bound::Included(values.clone()), upper: Bound::Included(values) }
    }
}
