//! What the rows of a table are made of: its definition, and that as the callback table tells it.
//!
//! A table keeps its shape as long as it lives; DDL makes a new table with a new one. So who compares two shapes by address knows whether
//! a definition changed, and who holds on to one keeps no rows and no files.

use super::codec;
use super::types::{ColumnDef, ColumnType, TableDef, Value};
use crate::bindings::{ib_col_attr, ib_col_type};
use std::ffi::CString;

/// A column in the words of `ib_col_meta_t`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ColumnCode {
    /// One of `ib_col_type_t`.
    pub(crate) kind: ib_col_type::Type,
    /// `ib_col_attr_t` bits.
    pub(crate) attr: u32,
    /// Greatest length in bytes.
    pub(crate) bytes: u32,
    /// Whether it is part of a key.
    pub(crate) indexed: bool,
    /// How its values are stored.
    pub(crate) form: Form,
}

/// How a column stores what it is given, in the format of `col_set_value`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// An integer of 4 bytes, with the bits of its sign that are turned.
    Int4(u32),
    /// One of 8 bytes.
    Int8(u64),
    /// Bytes as they are, if they are no more than this.
    Bytes(usize),
    /// The same if they are ASCII.
    Ascii(usize),
    /// Otherwise.
    Other,
}

/// See the module.
pub(crate) struct Shape {
    def: TableDef,
    names: Vec<CString>,
    codes: Vec<ColumnCode>,
    /// Of a primary key of one column.
    key: Form,
}

impl Shape {
    pub(crate) fn new(def: TableDef) -> Shape {
        // The catalog admits no name with a NUL in it.
        let names = def.columns.iter().map(|c| CString::new(c.name.as_str()).unwrap_or_default()).collect();
        let keys = || def.indexes.iter().map(|index| &index.columns).chain([&def.primary_key]);
        let indexed = |i| keys().any(|columns| columns.contains(&i));
        let codes = def.columns.iter().enumerate().map(|(i, column)| code(column, indexed(i))).collect();
        let key = match def.primary_key[..] {
            [column] => def.columns.get(column).map_or(Form::Other, form),
            _ => Form::Other,
        };
        Shape { def, names, codes, key }
    }

    /// Whether these bytes are a primary key as it is stored.
    #[inline]
    pub(crate) fn takes_key(&self, key: &[u8]) -> bool {
        match self.key {
            Form::Bytes(most) => key.len() <= most,
            Form::Ascii(most) => key.len() <= most && key.is_ascii(),
            _ => false,
        }
    }

    pub(crate) fn def(&self) -> &TableDef {
        &self.def
    }

    /// Names of the columns.
    pub(crate) fn names(&self) -> &[CString] {
        &self.names
    }

    /// The columns in the callback table's words.
    pub(crate) fn codes(&self) -> &[ColumnCode] {
        &self.codes
    }
}

/// Whether a row may be inserted without this NOT NULL column.
pub(crate) fn is_filled(column: &ColumnDef) -> bool {
    column.not_null && column.default.as_ref().is_some_and(|value| *value != Value::Null)
}

fn code(column: &ColumnDef, indexed: bool) -> ColumnCode {
    let wide = column.charset.is_utf8();
    let text = |chars: u32| chars.saturating_mul(column.charset.max_bytes_per_char());
    let (kind, bytes, unsigned) = match &column.ty {
        ColumnType::Int { bytes, unsigned } => (ib_col_type::IB_INT, u32::from(*bytes), *unsigned),
        ColumnType::Enum { values } => (ib_col_type::IB_INT, u32::from(codec::enum_bytes(values)), true),
        ColumnType::Char { chars } if wide => (ib_col_type::IB_CHAR_ANYCHARSET, text(*chars), false),
        ColumnType::Char { chars } => (ib_col_type::IB_CHAR, text(*chars), false),
        ColumnType::VarChar { chars } if wide => (ib_col_type::IB_VARCHAR_ANYCHARSET, text(*chars), false),
        ColumnType::VarChar { chars } => (ib_col_type::IB_VARCHAR, text(*chars), false),
        ColumnType::Binary { bytes } => (ib_col_type::IB_BINARY, *bytes, false),
        ColumnType::VarBinary { bytes } => (ib_col_type::IB_VARBINARY, *bytes, false),
        ColumnType::Text { max_bytes, .. } | ColumnType::Blob { max_bytes, .. } => {
            (ib_col_type::IB_BLOB, u32::try_from(*max_bytes).unwrap_or(u32::MAX), false)
        }
    };
    let mut attr = ib_col_attr::IB_COL_NONE;
    if column.not_null {
        attr |= ib_col_attr::IB_COL_NOT_NULL;
    }
    if unsigned {
        attr |= ib_col_attr::IB_COL_UNSIGNED;
    }
    if is_filled(column) {
        attr |= ib_col_attr::IB_COL_FILLED;
    }
    ColumnCode { kind, attr, bytes, indexed, form: form(column) }
}

fn form(column: &ColumnDef) -> Form {
    match column.ty {
        ColumnType::Int { bytes: 4, unsigned } => Form::Int4(if unsigned { 0 } else { 1 << 31 }),
        ColumnType::Int { bytes: 8, unsigned } => Form::Int8(if unsigned { 0 } else { 1 << 63 }),
        ColumnType::VarBinary { bytes } => Form::Bytes(bytes as usize),
        // No text has more characters than bytes.
        ColumnType::VarChar { chars } if column.charset.is_utf8() => Form::Ascii(chars as usize),
        ColumnType::VarChar { chars } => Form::Bytes(chars as usize),
        ColumnType::Text { max_bytes, .. } | ColumnType::Blob { max_bytes, .. } => {
            Form::Bytes(usize::try_from(max_bytes).unwrap_or(usize::MAX))
        }
        _ => Form::Other,
    }
}
