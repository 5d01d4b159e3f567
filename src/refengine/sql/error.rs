//! What a statement can fail with: MySQL's number, SQLSTATE and wording, and the line.

use std::borrow::Cow;
use std::fmt;

use crate::refengine::error::Error as EngineError;

/// A statement's failure as MySQL would report it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    /// MySQL's error number.
    pub errno: u32,
    /// Five characters.
    pub sqlstate: Cow<'static, str>,
    /// One sentence.
    pub message: String,
    /// Line of the failing statement within the executed text, from 1; 0 until it is known.
    pub line: u32,
}

/// The result of everything in this room.
pub type Result<T, E = SqlError> = std::result::Result<T, E>;

impl SqlError {
    /// An error whose line the session fills in.
    pub fn new(errno: u32, sqlstate: &'static str, message: impl Into<String>) -> SqlError {
        SqlError { errno, sqlstate: Cow::Borrowed(sqlstate), message: message.into(), line: 0 }
    }

    /// 1064: `near` is the text from the first token that cannot be, `line` its line.
    pub fn syntax(near: &str, line: u64) -> SqlError {
        let text = format!(
            "You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version \
             for the right syntax to use near '{near}' at line {line}"
        );
        SqlError::new(1064, "42000", text)
    }

    /// 1235: valid SQL that this engine does not have.
    pub fn unsupported(what: impl fmt::Display) -> SqlError {
        let text = format!("This version of the bundled engine doesn't yet support '{what}'");
        SqlError::new(1235, "42000", text)
    }

    /// 1065
    pub fn empty_query() -> SqlError {
        SqlError::new(1065, "42000", "Query was empty")
    }

    /// 1300
    pub fn not_utf8() -> SqlError {
        let text = "Invalid utf8mb4 character string: statements are UTF-8, other bytes are written as x'...'";
        SqlError::new(1300, "HY000", text)
    }

    /// 1046
    pub fn no_database() -> SqlError {
        SqlError::new(1046, "3D000", "No database selected")
    }

    /// 1054
    pub fn unknown_column(name: &str, clause: &str) -> SqlError {
        SqlError::new(1054, "42S22", format!("Unknown column '{name}' in '{clause}'"))
    }

    /// 1193
    pub fn unknown_variable(name: &str) -> SqlError {
        SqlError::new(1193, "HY000", format!("Unknown system variable '{name}'"))
    }

    /// 1231
    pub fn wrong_value(name: &str, value: &str) -> SqlError {
        SqlError::new(1231, "42000", format!("Variable '{name}' can't be set to the value of '{value}'"))
    }

    /// 1136
    pub fn column_count(row: usize) -> SqlError {
        SqlError::new(1136, "21S01", format!("Column count doesn't match value count at row {row}"))
    }

    /// 1690
    pub fn out_of_range(kind: &str, expression: &str) -> SqlError {
        SqlError::new(1690, "22003", format!("{kind} value is out of range in '{expression}'"))
    }

    /// 1396
    pub fn operation_failed(operation: &str, accounts: &str) -> SqlError {
        SqlError::new(1396, "HY000", format!("Operation {operation} failed for {accounts}"))
    }

    /// 1317: the receiver of the rows asked to stop.
    pub fn interrupted() -> SqlError {
        SqlError::new(1317, "70100", "Query execution was interrupted")
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ERROR {} ({}): {}", self.errno, self.sqlstate, self.message)
    }
}

impl std::error::Error for SqlError {}

impl From<EngineError> for SqlError {
    fn from(error: EngineError) -> SqlError {
        SqlError {
            errno: u32::from(error.errno()),
            sqlstate: Cow::Borrowed(error.sqlstate()),
            message: error.to_string(),
            line: 0,
        }
    }
}
