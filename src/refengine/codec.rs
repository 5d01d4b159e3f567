//! Rows and keys as bytes.
//!
//! Rows are in [`row`].
//!
//! **Key**: compares byte by byte like the values it is made of. It begins with the index number (0 for the
//! primary key, n + 1 for secondary index n), because all indexes of a table share one keyspace. Fixed-size columns
//! follow as stored. Others are escaped (`00` becomes `00 FF`) and end with `00 01`; only the last column of a primary
//! key goes in as it is. A nullable column of a secondary index is led by `00` for NULL or `01`. A secondary key that may repeat,
//! because there is a NULL in it or its index is not unique, ends with the row's primary key.
//!
//! Pure functions without state.

mod row;

use super::error::{Error, Result};
use super::types::{Charset, ColumnDef, ColumnType, TableDef, Value};
#[cfg(any(test, fuzzing))]
pub(crate) use row::field;
pub(crate) use row::{Field, Narrow, RowWriter, bytes, column, each, encode_row, fields};
use std::borrow::Cow;

/// Bytes an ENUM's number takes.
pub(crate) fn enum_bytes(values: &[String]) -> u8 {
    if values.len() < 256 { 1 } else { 2 }
}

/// A signed integer in InnoDB's format.
pub(crate) fn encode_int(v: i64, bytes: u8) -> Vec<u8> {
    let mut out = v.to_be_bytes().get(8 - bytes.min(8) as usize..).unwrap_or_default().to_vec();
    if let Some(first) = out.first_mut() {
        *first ^= 0x80;
    }
    out
}

/// An unsigned integer in InnoDB's format.
pub(crate) fn encode_uint(v: u64, bytes: u8) -> Vec<u8> {
    v.to_be_bytes().get(8 - bytes.min(8) as usize..).unwrap_or_default().to_vec()
}

/// The reverse of [`encode_int`].
pub(crate) fn decode_int(stored: &[u8]) -> i64 {
    let flipped = stored.first().map_or(0, |b| b ^ 0x80);
    let sign = if flipped & 0x80 != 0 { -1 } else { 0 };
    let first = (sign << 8) | i64::from(flipped);
    stored.iter().skip(1).fold(first, |v, b| (v << 8) | i64::from(*b))
}

/// The reverse of [`encode_uint`].
pub(crate) fn decode_uint(stored: &[u8]) -> u64 {
    stored.iter().fold(0, |v, b| (v << 8) | u64::from(*b))
}

/// How a text or byte value fits a column.
pub(crate) struct Fit<'a> {
    /// What is stored, padded where the type pads.
    pub(crate) stored: Cow<'a, [u8]>,
    /// Whether the value had to be cut.
    pub(crate) cut: bool,
    /// Whether it was cut because it is not valid in the column's character set.
    pub(crate) invalid: bool,
}

/// Cuts `src` to what a column that is neither integer nor ENUM holds, at a character boundary, and pads it.
///
/// TEXT keeps bytes that are not UTF-8, as InnoDB does behind its API.
pub(crate) fn fit<'a>(column: &ColumnDef, src: &'a [u8]) -> Fit<'a> {
    let (limit, pad_to, pad) = match &column.ty {
        ColumnType::Char { chars } => (*chars as usize, *chars as usize, b' '),
        ColumnType::VarChar { chars } => (*chars as usize, 0, b' '),
        ColumnType::Binary { bytes } => (*bytes as usize, *bytes as usize, 0),
        ColumnType::VarBinary { bytes } => (*bytes as usize, 0, 0),
        ColumnType::Text { max_bytes, .. } | ColumnType::Blob { max_bytes, .. } => {
            (usize::try_from(*max_bytes).unwrap_or(usize::MAX), 0, 0)
        }
        ColumnType::Int { .. } | ColumnType::Enum { .. } => (usize::MAX, 0, 0),
    };
    let counted = matches!(column.ty, ColumnType::Char { .. } | ColumnType::VarChar { .. });
    let (keep, invalid) = match column.charset {
        charset if counted && charset.is_utf8() => utf8_prefix(src, limit, charset),
        charset if charset.is_utf8() && src.len() > limit => (char_boundary(src, limit), false),
        _ => (src.len().min(limit), false),
    };
    let kept = src.get(..keep).unwrap_or(src);
    let stored = if kept.len() < pad_to {
        let mut padded = kept.to_vec();
        padded.resize(pad_to, pad);
        Cow::Owned(padded)
    } else {
        Cow::Borrowed(kept)
    };
    Fit { stored, cut: keep < src.len(), invalid }
}

/// Bytes of the longest prefix of at most `chars` characters of the character set, and whether something else ended it.
fn utf8_prefix(src: &[u8], chars: usize, charset: Charset) -> (usize, bool) {
    // Keys mostly are: that is seen sooner than that they are valid.
    if src.is_ascii() {
        return (src.len().min(chars), false);
    }
    let (valid, invalid) = match std::str::from_utf8(src) {
        Ok(text) => (text, false),
        Err(e) => (std::str::from_utf8(src.get(..e.valid_up_to()).unwrap_or_default()).unwrap_or_default(), true),
    };
    let (valid, invalid) = match valid.find(|c| !charset.has(c)) {
        Some(at) if charset != Charset::Utf8mb4 => (valid.get(..at).unwrap_or_default(), true),
        _ => (valid, invalid),
    };
    // No text has more characters than bytes.
    match if valid.len() > chars { valid.char_indices().nth(chars) } else { None } {
        Some((at, _)) => (at, false),
        None => (valid.len(), invalid),
    }
}

fn char_boundary(src: &[u8], limit: usize) -> usize {
    (limit.saturating_sub(3)..=limit).rev().find(|i| src.get(*i).is_none_or(|b| b & 0xC0 != 0x80)).unwrap_or(limit)
}

/// A value as it is stored in `column`, `None` for NULL. Refuses what does not fit, as strict SQL mode does.
pub(crate) fn encode_value(column: &ColumnDef, value: &Value) -> Result<Option<Vec<u8>>> {
    let name = || column.name.clone();
    if *value == Value::Null {
        return if column.not_null { Err(Error::NullNotAllowed(name())) } else { Ok(None) };
    }
    match &column.ty {
        ColumnType::Int { bytes, unsigned } => {
            let number = integer(column, value)?;
            let bits = u32::from(*bytes) * 8;
            let (min, max) = int_limits(bits, *unsigned);
            if number < min || number > max {
                return Err(Error::OutOfRange { column: name(), row: 1 });
            }
            Ok(Some(if *unsigned { encode_uint(number as u64, *bytes) } else { encode_int(number as i64, *bytes) }))
        }
        ColumnType::Enum { values } => {
            let number = match value {
                Value::Bytes(label) => values.iter().position(|v| v.as_bytes() == label).map(|i| i as u64 + 1),
                Value::UInt(v) => Some(*v),
                Value::Int(v) => u64::try_from(*v).ok(),
                Value::Null => None,
            };
            match number.filter(|n| *n >= 1 && *n <= values.len() as u64) {
                Some(n) => Ok(Some(encode_uint(n, enum_bytes(values)))),
                None => Err(Error::DataTruncated { column: name(), row: 1 }),
            }
        }
        _ => {
            let bytes = text_bytes(column, value)?;
            // Trailing spaces beyond the width of a CHAR or VARCHAR are cut without complaint, as MySQL does.
            let fitted = fit(column, &bytes);
            let rest = bytes.get(fitted.stored.len().min(bytes.len())..).unwrap_or_default();
            let counted = matches!(column.ty, ColumnType::Char { .. } | ColumnType::VarChar { .. });
            if fitted.cut && !fitted.invalid && !(counted && rest.iter().all(|b| *b == b' ')) {
                return Err(Error::DataTooLong { column: name(), row: 1 });
            }
            let text = matches!(column.ty, ColumnType::Text { .. });
            if fitted.invalid || (text && lacks(column.charset, &bytes)) {
                return Err(bad_value("string", column, &bytes));
            }
            Ok(Some(fitted.stored.into_owned()))
        }
    }
}

/// Whether bytes of a TEXT column are not all characters of its character set, where that is kept as UTF-8.
fn lacks(charset: Charset, bytes: &[u8]) -> bool {
    let lacks = |text: &str| charset != Charset::Utf8mb4 && text.chars().any(|c| !charset.has(c));
    charset.is_utf8() && std::str::from_utf8(bytes).map_or(true, lacks)
}

fn bad_value(kind: &'static str, column: &ColumnDef, bytes: &[u8]) -> Error {
    let value = bytes.iter().take(64).flat_map(|b| match b {
        b' '..=b'~' => vec![*b as char],
        _ => format!("\\x{b:02X}").chars().collect(),
    });
    Error::BadValue { kind, value: value.collect(), column: column.name.clone(), row: 1 }
}

fn int_limits(bits: u32, unsigned: bool) -> (i128, i128) {
    if unsigned { (0, (1 << bits) - 1) } else { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) }
}

fn integer(column: &ColumnDef, value: &Value) -> Result<i128> {
    match value {
        Value::Int(v) => Ok(i128::from(*v)),
        Value::UInt(v) => Ok(i128::from(*v)),
        Value::Bytes(bytes) => std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .ok_or_else(|| bad_value("integer", column, bytes)),
        Value::Null => Err(Error::NullNotAllowed(column.name.clone())),
    }
}

fn text_bytes<'a>(column: &ColumnDef, value: &'a Value) -> Result<Cow<'a, [u8]>> {
    let utf8: Cow<'a, [u8]> = match value {
        Value::Bytes(bytes) => Cow::Borrowed(bytes),
        Value::Int(v) => Cow::Owned(v.to_string().into_bytes()),
        Value::UInt(v) => Cow::Owned(v.to_string().into_bytes()),
        Value::Null => Cow::Borrowed(&[]),
    };
    if column.charset != Charset::Latin1 || utf8.is_ascii() {
        return Ok(utf8);
    }
    let text = std::str::from_utf8(&utf8).map_err(|_| bad_value("string", column, &utf8))?;
    let latin1: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    latin1.map(Cow::Owned).ok_or_else(|| bad_value("string", column, &utf8))
}

/// The value of stored bytes. Text comes as UTF-8, whatever the column's character set.
pub(crate) fn decode_value(column: &ColumnDef, stored: Option<&[u8]>) -> Value {
    let Some(stored) = stored else { return Value::Null };
    match &column.ty {
        ColumnType::Int { unsigned: true, .. } => Value::UInt(decode_uint(stored)),
        ColumnType::Int { unsigned: false, .. } => Value::Int(decode_int(stored)),
        ColumnType::Enum { values } => {
            let label = usize::try_from(decode_uint(stored)).ok().and_then(|n| values.get(n.checked_sub(1)?));
            Value::Bytes(label.map_or_else(Vec::new, |l| l.clone().into_bytes()))
        }
        ColumnType::Char { .. } => Value::Bytes(utf8(column, trim_spaces(stored))),
        _ => Value::Bytes(utf8(column, stored)),
    }
}

fn utf8(column: &ColumnDef, stored: &[u8]) -> Vec<u8> {
    if column.charset == Charset::Latin1 && !stored.is_ascii() {
        stored.iter().map(|b| char::from(*b)).collect::<String>().into_bytes()
    } else {
        stored.to_vec()
    }
}

fn trim_spaces(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|b| *b != b' ').map_or(0, |i| i + 1);
    bytes.get(..end).unwrap_or_default()
}

/// What a value is to a key column.
pub(crate) enum KeyValue {
    Null,
    Stored(Vec<u8>),
    /// Smaller than everything the column can hold.
    Below,
    /// Greater than everything the column can hold.
    Above,
}

/// A value to search for. Unlike a value to store it may be longer than the column or outside its range.
pub(crate) fn key_value(column: &ColumnDef, value: &Value) -> Result<KeyValue> {
    if *value == Value::Null {
        return Ok(KeyValue::Null);
    }
    match &column.ty {
        ColumnType::Int { bytes, unsigned } => {
            let number = integer(column, value)?;
            let (min, max) = int_limits(u32::from(*bytes) * 8, *unsigned);
            Ok(match (number < min, number > max) {
                (true, _) => KeyValue::Below,
                (_, true) => KeyValue::Above,
                _ if *unsigned => KeyValue::Stored(encode_uint(number as u64, *bytes)),
                _ => KeyValue::Stored(encode_int(number as i64, *bytes)),
            })
        }
        ColumnType::Enum { .. } => {
            let nullable = ColumnDef { not_null: false, ..column.clone() };
            Ok(encode_value(&nullable, value)?.map_or(KeyValue::Null, KeyValue::Stored))
        }
        ColumnType::Binary { bytes } => {
            let mut stored = text_bytes(column, value)?.into_owned();
            if stored.len() < *bytes as usize {
                stored.resize(*bytes as usize, 0);
            }
            Ok(KeyValue::Stored(stored))
        }
        _ => Ok(KeyValue::Stored(text_bytes(column, value)?.into_owned())),
    }
}

/// How the last part of a key is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// As a complete value.
    Complete,
    /// So that every value beginning with it begins with these bytes.
    Open,
}

/// Appends part `at` of index `index` (0 = primary key) to a key.
pub(crate) fn push_key_part(
    out: &mut Vec<u8>,
    def: &TableDef,
    index: usize,
    at: usize,
    stored: Option<&[u8]>,
    tail: Tail,
) {
    let columns = index_columns(def, index);
    let Some(column) = columns.get(at).and_then(|c| def.columns.get(*c)) else { return };
    if index > 0 && !column.not_null {
        out.push(u8::from(stored.is_some()));
    }
    let Some(stored) = stored else { return };
    let fixed = matches!(column.ty, ColumnType::Int { .. } | ColumnType::Enum { .. } | ColumnType::Binary { .. });
    let bytes = match column.ty {
        ColumnType::Char { .. } if tail == Tail::Complete => trim_spaces(stored),
        _ => stored,
    };
    if fixed || (index == 0 && at + 1 == columns.len()) {
        out.extend_from_slice(bytes);
        return;
    }
    for byte in bytes {
        out.push(*byte);
        if *byte == 0 {
            out.push(0xFF);
        }
    }
    if tail == Tail::Complete {
        out.extend_from_slice(&[0, 1]);
    }
}

/// Column numbers of an index, 0 = primary key.
pub(crate) fn index_columns(def: &TableDef, index: usize) -> &[usize] {
    match index.checked_sub(1) {
        None => &def.primary_key,
        Some(i) => def.indexes.get(i).map_or(&[], |x| &x.columns),
    }
}

/// Writes the primary key of `row` to `out`, which is cleared first.
pub(crate) fn primary_key(out: &mut Vec<u8>, def: &TableDef, row: &[u8]) -> Result<()> {
    out.clear();
    out.push(0);
    for (at, c) in def.primary_key.iter().enumerate() {
        push_key_part(out, def, 0, at, column(def, row, *c)?, Tail::Complete);
    }
    Ok(())
}

/// Whether `index` (0 = primary key) is unique.
pub(crate) fn is_unique(def: &TableDef, index: usize) -> bool {
    index.checked_sub(1).is_none_or(|i| def.indexes.get(i).is_some_and(|x| x.unique))
}

/// Writes the key of `row` in secondary index `index` (from 1). `true`: no other row may have it, since the index is unique and no
/// part is NULL.
pub(crate) fn secondary_key(out: &mut Vec<u8>, def: &TableDef, index: usize, row: &[u8], pk: &[u8]) -> Result<bool> {
    out.clear();
    out.push(index as u8);
    let mut unique = is_unique(def, index);
    for (at, c) in index_columns(def, index).iter().enumerate() {
        let stored = column(def, row, *c)?;
        unique &= stored.is_some();
        push_key_part(out, def, index, at, stored, Tail::Complete);
    }
    if !unique {
        out.extend_from_slice(pk);
    }
    Ok(unique)
}

/// Values of an index's columns in `row`, joined by `-`, for messages.
pub(crate) fn key_text(def: &TableDef, index: usize, row: &[u8]) -> String {
    let parts = index_columns(def, index).iter().map(|c| {
        let stored = column(def, row, *c).unwrap_or(None);
        match def.columns.get(*c).map_or(Value::Null, |column| decode_value(column, stored)) {
            Value::Null => "NULL".into(),
            Value::Int(v) => v.to_string(),
            Value::UInt(v) => v.to_string(),
            Value::Bytes(bytes) => String::from_utf8_lossy(bytes.get(..64).unwrap_or(&bytes)).into_owned(),
        }
    });
    parts.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
