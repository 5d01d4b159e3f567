//! Why a configuration or a container is refused.

use crate::rows::Error;
use std::fmt;

/// A row of `innodb_memcache.containers` cannot serve: its container and the rule that it breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerError {
    /// Name of the container.
    pub container: String,
    /// What is wrong.
    pub rule: Rule,
}

/// A rule for rows of `innodb_memcache.containers`. Columns of that table are called by their names, those of the mapped table too.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// A required column of the row is empty.
    Empty(&'static str),
    /// Such a column of the row contains NUL.
    Nul(&'static str),
    /// There is no such base table.
    NoTable(String),
    /// The host refused to tell of the table.
    Rows(Error),
    /// A column of the row names one that the table does not have.
    NoColumn {
        /// Column of the row.
        what: &'static str,
        /// What it names.
        column: String,
        /// The table.
        table: String,
    },
    /// A column of the row names one that is computed.
    Generated {
        /// Column of the row.
        what: &'static str,
        /// What it names.
        column: String,
    },
    /// The key column has a type that cannot be a key.
    KeyType(String),
    /// No column holds the value.
    NoValues,
    /// No value column but the key column.
    KeyOnly,
    /// A value column has a type that cannot be a value.
    ValueType(String),
    /// A column for a number is no integer of so many bits.
    Narrow {
        /// Column of the row.
        what: &'static str,
        /// What it names.
        column: String,
        /// Bits that it must have.
        bits: u8,
    },
    /// A column is mapped twice.
    Twice(String),
    /// A column that is not mapped has to be filled.
    Unfilled(String),
    /// There is no such index.
    NoIndex {
        /// The index.
        index: String,
        /// The table.
        table: String,
    },
    /// The index admits several rows per key.
    NotUnique(String),
    /// The index is not on the key column alone.
    OtherColumns {
        /// The index.
        index: String,
        /// The key column.
        key: String,
        /// Its columns.
        columns: Vec<String>,
    },
}

impl fmt::Display for ContainerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "container {}: {}", self.container, self.rule)
    }
}

impl std::error::Error for ContainerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.rule {
            Rule::Rows(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Empty(what) => write!(f, "{what} is empty; it is required"),
            Rule::Nul(what) => write!(f, "{what} must not contain NUL"),
            Rule::NoTable(table) => write!(f, "table {table} not found or not a base table"),
            Rule::Rows(error) => error.fmt(f),
            Rule::NoColumn { what, column, table } => {
                write!(f, "{what} names column {column}, which table {table} does not have")
            }
            Rule::Generated { what, column } => {
                write!(f, "{what} names generated column {column}, which cannot be written")
            }
            Rule::KeyType(column) => {
                write!(f, "key column {column} must be CHAR, VARCHAR, BINARY, VARBINARY or an integer")
            }
            Rule::NoValues => f.write_str("value_columns is empty; at least one column is required"),
            Rule::KeyOnly => f.write_str("value_columns needs a column besides the key column"),
            Rule::ValueType(column) => write!(
                f,
                "value column {column} must be CHAR, VARCHAR, BINARY, VARBINARY, a TEXT or BLOB type or an integer"
            ),
            Rule::Narrow { what, column, bits } => {
                write!(f, "{what} names column {column}, which must be an integer of at least {bits} bits")
            }
            Rule::Twice(column) => write!(f, "column {column} is mapped twice"),
            Rule::Unfilled(column) => {
                write!(f, "column {column} is NOT NULL but not mapped and has no default, so no row could be inserted")
            }
            Rule::NoIndex { index, table } => {
                write!(f, "unique_idx_name_on_key names index {index:?}, which table {table} does not have")
            }
            Rule::NotUnique(index) => write!(f, "index {index} is not unique"),
            Rule::OtherColumns { index, key, columns } => {
                write!(f, "index {index} must be on column {key} alone, not on ({})", columns.join(", "))
            }
        }
    }
}

/// The configuration tables of database `innodb_memcache` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The host began no transaction.
    Unreadable(Error),
    /// A configuration table does not exist.
    NoTable(&'static str),
    /// A configuration table cannot be read.
    Table(&'static str, Error),
    /// A configuration table lacks a column.
    NoColumn {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// A value of `config_options` is too long or empty.
    Option(&'static str),
    /// A policy is a word that nobody knows.
    Policy {
        /// Column of `cache_policies`.
        column: &'static str,
        /// The word.
        word: String,
    },
    /// There is no container at all.
    Empty,
    /// These rows break rules.
    Containers(Vec<ContainerError>),
    /// So does every row, and none may be left out.
    NoneValid,
}

/// Longest separator or delimiter in bytes.
pub(super) const SEPARATOR_MAX: usize = 32;

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Unreadable(error) => write!(f, "cannot read the configuration: {error}"),
            ConfigError::NoTable(table) => {
                write!(f, "table innodb_memcache.{table} not found; run innodb_memcached_config.sql first")
            }
            ConfigError::Table(table, error) => write!(f, "table innodb_memcache.{table}: {error}"),
            ConfigError::NoColumn { table, column } => {
                write!(f, "table innodb_memcache.{table} has no column {column}; run innodb_memcached_config.sql")
            }
            ConfigError::Option(name) => {
                write!(f, "innodb_memcache.config_options: {name} must have 1 to {SEPARATOR_MAX} bytes")
            }
            ConfigError::Policy { column, word } => write!(
                f,
                "innodb_memcache.cache_policies: {column} is {word:?}; it must be innodb_only, cache_only, caching or disabled"
            ),
            ConfigError::Empty => {
                f.write_str("table innodb_memcache.containers is empty; insert a row that maps a table")
            }
            ConfigError::Containers(refused) => {
                for (i, error) in refused.iter().enumerate() {
                    f.write_str(if i == 0 { "" } else { "; " })?;
                    error.fmt(f)?;
                }
                Ok(())
            }
            ConfigError::NoneValid => {
                f.write_str("no container of table innodb_memcache.containers is valid; the log names the rules")
            }
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ConfigError::Unreadable(error) | ConfigError::Table(_, error) => Some(error),
            ConfigError::Containers(refused) => {
                refused.first().map(|error| error as &(dyn std::error::Error + 'static))
            }
            _ => None,
        }
    }
}
