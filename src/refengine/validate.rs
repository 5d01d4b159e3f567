//! What CREATE TABLE and CREATE DATABASE refuse.

use super::codec;
use super::error::{Error, Result};
use super::types::{Charset, ColumnDef, ColumnType, TableDef, Value};

const MAX_NAME: usize = 64;
const MAX_COLUMNS: usize = 1017;
const MAX_INDEXES: usize = 64;
/// More than InnoDB's 3072: a VARCHAR(1024) key in utf8mb4 is a common recipe, and costs nothing extra here.
const MAX_KEY_BYTES: u64 = 16_384;
/// Of an index whose keys may repeat and end with the primary key: in the storage, which takes 65535, a byte may become two.
const MAX_REPEATED_BYTES: u64 = 30_000;

/// A name of 1 to 64 characters. A database's must not contain `/`, which the callback table separates names by.
pub(crate) fn name(kind: &'static str, name: &str) -> Result<()> {
    let bad = name.is_empty()
        || name.chars().count() > MAX_NAME
        || name.ends_with(' ')
        || name.contains('\0')
        || (kind == "database" && name.contains('/'));
    if bad { Err(Error::WrongName { kind, name: name.replace('\0', "?") }) } else { Ok(()) }
}

/// Checks a definition and completes it: columns of the primary key are NOT NULL, and what is not text has no character set.
pub(crate) fn table(mut def: TableDef) -> Result<TableDef> {
    name("table", &def.name)?;
    if def.columns.is_empty() || def.columns.len() > MAX_COLUMNS {
        return Err(Error::Unsupported(format!("a table with {} columns", def.columns.len())));
    }
    for column in &mut def.columns {
        let text = is_text(&column.ty) || matches!(column.ty, ColumnType::Enum { .. });
        if !text {
            column.charset = Charset::Binary;
        }
    }
    for (i, column) in def.columns.iter().enumerate() {
        name("column", &column.name)?;
        if def.columns.iter().take(i).any(|other| other.name.eq_ignore_ascii_case(&column.name)) {
            return Err(Error::DuplicateColumn(column.name.clone()));
        }
        check_type(column)?;
    }
    if def.primary_key.is_empty() {
        return Err(Error::Unsupported("a table without a primary key".into()));
    }
    let primary = check_key(&def, &def.primary_key)?;
    for i in &def.primary_key {
        if let Some(column) = def.columns.get_mut(*i) {
            column.not_null = true;
        }
    }
    if def.indexes.len() > MAX_INDEXES {
        return Err(Error::Unsupported(format!("a table with {} indexes", def.indexes.len())));
    }
    for (i, index) in def.indexes.iter().enumerate() {
        name("index", &index.name)?;
        if index.name.eq_ignore_ascii_case("PRIMARY") {
            return Err(Error::WrongName { kind: "index", name: index.name.clone() });
        }
        if def.indexes.iter().take(i).any(|other| other.name.eq_ignore_ascii_case(&index.name)) {
            return Err(Error::DuplicateKeyName(index.name.clone()));
        }
        let bytes = check_key(&def, &index.columns)?;
        let nullable = |i: &usize| def.columns.get(*i).is_some_and(|column| !column.not_null);
        if (!index.unique || index.columns.iter().any(nullable)) && primary + bytes > MAX_REPEATED_BYTES {
            return Err(Error::KeyTooLong);
        }
    }
    def.columns.iter().try_for_each(check_default)?;
    Ok(def)
}

fn is_text(ty: &ColumnType) -> bool {
    matches!(ty, ColumnType::Char { .. } | ColumnType::VarChar { .. } | ColumnType::Text { .. })
}

fn check_type(column: &ColumnDef) -> Result<()> {
    let fits = match &column.ty {
        ColumnType::Int { bytes, .. } => matches!(bytes, 1 | 2 | 3 | 4 | 8),
        ColumnType::Char { chars } => *chars <= 255,
        ColumnType::Binary { bytes } => *bytes <= 255,
        ColumnType::VarChar { chars } => chars.saturating_mul(column.charset.max_bytes_per_char()) <= 65_535,
        ColumnType::VarBinary { bytes } => *bytes <= 65_535,
        ColumnType::Text { max_bytes, name } | ColumnType::Blob { max_bytes, name } => {
            super::catalog::long_type(name) == Some((name, *max_bytes))
        }
        ColumnType::Enum { values } => !values.is_empty() && values.len() <= 65_535,
    };
    if !fits || (is_text(&column.ty) && column.charset == Charset::Binary) {
        return Err(Error::Unsupported(format!("the type of column '{}'", column.name)));
    }
    Ok(())
}

/// The most bytes that a key has.
fn check_key(def: &TableDef, columns: &[usize]) -> Result<u64> {
    let mut bytes = 0;
    for (at, i) in columns.iter().enumerate() {
        let Some(column) = def.columns.get(*i) else { return Err(Error::NoSuchKeyColumn(i.to_string())) };
        if columns.iter().take(at).any(|other| other == i) {
            return Err(Error::DuplicateColumn(column.name.clone()));
        }
        bytes += match &column.ty {
            ColumnType::Int { bytes, .. } => u64::from(*bytes),
            ColumnType::Char { chars } | ColumnType::VarChar { chars } => {
                u64::from(*chars) * u64::from(column.charset.max_bytes_per_char())
            }
            ColumnType::Binary { bytes } | ColumnType::VarBinary { bytes } => u64::from(*bytes),
            ColumnType::Enum { values } => u64::from(codec::enum_bytes(values)),
            ColumnType::Text { .. } | ColumnType::Blob { .. } => {
                return Err(Error::BlobKey(column.name.clone()));
            }
        };
    }
    if columns.is_empty() {
        return Err(Error::Unsupported("an index without columns".into()));
    }
    if bytes > MAX_KEY_BYTES { Err(Error::KeyTooLong) } else { Ok(bytes) }
}

fn check_default(column: &ColumnDef) -> Result<()> {
    match &column.default {
        Some(Value::Null) if column.not_null => Err(Error::InvalidDefault(column.name.clone())),
        Some(value) if codec::encode_value(column, value).is_err() => Err(Error::InvalidDefault(column.name.clone())),
        _ => Ok(()),
    }
}
