//! What a statement can fail with: MySQL's number, SQLSTATE and wording, and the line.

use std::borrow::Cow;
use std::fmt;

use crate::refengine::codes::{self, Code};
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
    pub(crate) fn new(code: Code, message: impl Into<String>) -> SqlError {
        let (errno, sqlstate) = (u32::from(code.errno), Cow::Borrowed(code.sqlstate));
        SqlError { errno, sqlstate, message: message.into(), line: 0 }
    }

    /// 1064: `near` is the text from the first token that cannot be, `line` its line.
    pub fn syntax(near: &str, line: u64) -> SqlError {
        let text = format!(
            "You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version \
             for the right syntax to use near '{near}' at line {line}"
        );
        SqlError::new(codes::ER_PARSE_ERROR, text)
    }

    /// 1235: valid SQL that this engine does not have.
    pub fn unsupported(what: impl fmt::Display) -> SqlError {
        let text = format!("This version of the bundled engine doesn't yet support '{what}'");
        SqlError::new(codes::ER_NOT_SUPPORTED_YET, text)
    }

    /// The error that a client knows by this number.
    pub(crate) fn is(&self, code: Code) -> bool {
        self.errno == u32::from(code.errno)
    }

    /// 1065
    pub fn empty_query() -> SqlError {
        SqlError::new(codes::ER_EMPTY_QUERY, "Query was empty")
    }

    /// 1300
    pub fn not_utf8() -> SqlError {
        let text = "Invalid utf8mb4 character string: statements are UTF-8, other bytes are written as x'...'";
        SqlError::new(codes::ER_INVALID_CHARACTER_STRING, text)
    }

    /// 1046
    pub fn no_database() -> SqlError {
        SqlError::new(codes::ER_NO_DB_ERROR, "No database selected")
    }

    /// 1054
    pub fn unknown_column(name: &str, clause: &str) -> SqlError {
        SqlError::new(codes::ER_BAD_FIELD_ERROR, format!("Unknown column '{name}' in '{clause}'"))
    }

    /// 1193
    pub fn unknown_variable(name: &str) -> SqlError {
        SqlError::new(codes::ER_UNKNOWN_SYSTEM_VARIABLE, format!("Unknown system variable '{name}'"))
    }

    /// 1231
    pub fn wrong_value(name: &str, value: &str) -> SqlError {
        SqlError::new(
            codes::ER_WRONG_VALUE_FOR_VAR,
            format!("Variable '{name}' can't be set to the value of '{value}'"),
        )
    }

    /// 1136
    pub fn column_count(row: usize) -> SqlError {
        SqlError::new(
            codes::ER_WRONG_VALUE_COUNT_ON_ROW,
            format!("Column count doesn't match value count at row {row}"),
        )
    }

    /// 1690
    pub fn out_of_range(kind: &str, expression: &str) -> SqlError {
        SqlError::new(codes::ER_DATA_OUT_OF_RANGE, format!("{kind} value is out of range in '{expression}'"))
    }

    /// 1396
    pub fn operation_failed(operation: &str, accounts: &str) -> SqlError {
        SqlError::new(codes::ER_CANNOT_USER, format!("Operation {operation} failed for {accounts}"))
    }

    /// 1317: the receiver of the rows asked to stop.
    pub fn interrupted() -> SqlError {
        SqlError::new(codes::ER_QUERY_INTERRUPTED, "Query execution was interrupted")
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
