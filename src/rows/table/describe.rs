//! What the table tells of columns and indexes, as the other rooms name it.

use super::cursor::Cursor;
use crate::bindings::{ib_col_attr, ib_col_meta_t, ib_col_type};
use crate::rows::{ColumnKind, Result};

/// The columns by which an index is searched. (A name behind the last field of an index must not be asked for: InnoDB does not look.)
pub(super) fn index_columns(index: &Cursor) -> Result<Vec<String>> {
    let count = index.search_tuple()?.columns();
    Ok((0..count).map_while(|i| index.index_column_name(i)).collect())
}

/// Takes the columns of the primary key off that InnoDB appended to a secondary index.
pub(super) fn strip_appended(columns: &mut Vec<String>, primary: &[String]) {
    // The longest suffix that is the part of the primary key which the columns before it do not have.
    for own in 1..columns.len() {
        let (before, appended) = columns.split_at(own);
        if primary.iter().filter(|name| !before.contains(name)).eq(appended) {
            return columns.truncate(own);
        }
    }
}

pub(super) fn column_kind(meta: &ib_col_meta_t) -> ColumnKind {
    match meta.type_ {
        // InnoDB keeps DATE, ENUM, DECIMAL and others as integers or bytes; what they are the server's own type tells.
        _ if !is_plain(meta) => ColumnKind::Other,
        ib_col_type::IB_INT => {
            ColumnKind::Int { bytes: meta.type_len as u8, unsigned: meta.attr & ib_col_attr::IB_COL_UNSIGNED != 0 }
        }
        ib_col_type::IB_CHAR | ib_col_type::IB_CHAR_ANYCHARSET => ColumnKind::Char,
        ib_col_type::IB_VARCHAR | ib_col_type::IB_VARCHAR_ANYCHARSET => ColumnKind::VarChar,
        ib_col_type::IB_BINARY => ColumnKind::Binary,
        ib_col_type::IB_VARBINARY => ColumnKind::VarBinary,
        ib_col_type::IB_BLOB => ColumnKind::Blob,
        _ => ColumnKind::Other,
    }
}

/// Whether the server's type of a column (`enum_field_types`, 0 where the host does not tell) is that of plain integers, text or bytes.
fn is_plain(meta: &ib_col_meta_t) -> bool {
    match (meta.type_, meta.client_type) {
        (_, 0) => true,
        // TINY, SHORT, LONG, LONGLONG, INT24.
        (ib_col_type::IB_INT, kind) => matches!(kind, 1 | 2 | 3 | 8 | 9),
        // The four sizes of BLOB and TEXT.
        (ib_col_type::IB_BLOB, kind) => matches!(kind, 249..=252),
        // VARCHAR, VAR_STRING, STRING.
        (_, kind) => matches!(kind, 15 | 253 | 254),
    }
}

/// Bytes that a column takes. InnoDB tells of a BLOB or TEXT how long its reference and its length are: 8 and 1 to 4.
pub(super) fn max_bytes(meta: &ib_col_meta_t) -> u32 {
    match (meta.type_, meta.type_len) {
        (ib_col_type::IB_BLOB, length @ 9..=12) => u32::MAX >> (8 * (12 - length)),
        (_, length) => length,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_what_the_server_says_not_what_innodb_keeps() {
        let int = ColumnKind::Int { bytes: 4, unsigned: false };
        for (type_, type_len, client_type, kind, bytes) in [
            (ib_col_type::IB_INT, 4, 3, int, 4),
            (ib_col_type::IB_INT, 4, 0, int, 4),
            (ib_col_type::IB_INT, 3, 10, ColumnKind::Other, 3), // DATE
            (ib_col_type::IB_INT, 1, 254, ColumnKind::Other, 1), // ENUM
            (ib_col_type::IB_BINARY, 5, 246, ColumnKind::Other, 5), // DECIMAL
            (ib_col_type::IB_BINARY, 4, 7, ColumnKind::Other, 4), // TIMESTAMP
            (ib_col_type::IB_BINARY, 8, 254, ColumnKind::Binary, 8),
            (ib_col_type::IB_VARCHAR, 300, 15, ColumnKind::VarChar, 300),
            (ib_col_type::IB_BLOB, 12, 245, ColumnKind::Other, u32::MAX), // JSON
            (ib_col_type::IB_BLOB, 9, 252, ColumnKind::Blob, 255),
            (ib_col_type::IB_BLOB, 10, 252, ColumnKind::Blob, 65_535),
            (ib_col_type::IB_BLOB, 11, 252, ColumnKind::Blob, 16_777_215),
            (ib_col_type::IB_BLOB, 12, 252, ColumnKind::Blob, u32::MAX),
            (ib_col_type::IB_BLOB, 65_535, 0, ColumnKind::Blob, 65_535),
        ] {
            let meta = ib_col_meta_t { type_, attr: 0, type_len, client_type, charset: std::ptr::null_mut() };
            assert_eq!((column_kind(&meta), max_bytes(&meta)), (kind, bytes), "{type_} {type_len} {client_type}");
        }
    }

    #[test]
    fn appended_columns_of_the_primary_key_are_taken_off() {
        for (physical, primary, logical) in [
            ("k id", "id", "k"),
            ("a b id", "id", "a b"),
            ("k x y", "x y", "k"),
            ("y k x", "x y", "y k"),
            ("k", "k", "k"),
            ("k id", "other", "k id"),
        ] {
            let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
            let mut columns = words(physical);
            strip_appended(&mut columns, &words(primary));
            assert_eq!(columns, words(logical), "{physical} with primary key {primary}");
        }
    }
}
