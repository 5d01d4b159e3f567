//! Rows and keys as a server's handlers take and give them.
//!
//! In a row, integers are little-endian, CHAR is padded with spaces, VARCHAR has one or two length bytes in front, a BLOB is a length
//! and an address. In a key, VARCHAR has two length bytes and everything is as long as it can be; a column that may be NULL has a byte in
//! front that says whether it is.

use crate::rows::{Cell, Column, ColumnKind};

/// How a column's value lies in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// So many bytes.
    Fixed(usize),
    /// So many bytes, padded with spaces that are no part of the value.
    Padded(usize),
    /// So many length bytes, then the value, which has at most so many bytes.
    Counted(usize, usize),
    /// So many length bytes, then the value's address.
    Far(usize),
    /// Nobody asks for it.
    Unknown,
}

impl Form {
    /// The form of a column.
    pub fn of(column: &Column) -> Form {
        let most = column.max_bytes as usize;
        match column.kind {
            ColumnKind::Int { bytes, .. } => Form::Fixed(bytes.into()),
            ColumnKind::Char => Form::Padded(most),
            ColumnKind::Binary => Form::Fixed(most),
            ColumnKind::VarChar | ColumnKind::VarBinary => Form::Counted(if most < 1 << 8 { 1 } else { 2 }, most),
            // As many as its greatest length takes.
            ColumnKind::Blob => Form::Far((usize::BITS - most.leading_zeros()).div_ceil(8).max(1) as usize),
            ColumnKind::Enum | ColumnKind::Other => Form::Unknown,
        }
    }
}

/// The number in length bytes.
pub fn length(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte))
}

/// An integer of a row as InnoDB keeps it: big-endian, the sign bit of signed ones flipped.
pub fn ordered(bytes: &[u8], unsigned: bool) -> [u8; 8] {
    let mut ordered = [0; 8];
    for (to, from) in ordered.iter_mut().zip(bytes.iter().rev()) {
        *to = *from;
    }
    if !unsigned {
        ordered[0] ^= 0x80;
    }
    ordered
}

/// Writes a key; `false`: no row has it, as the column cannot hold it.
pub fn key(column: &Column, cell: Cell<'_>, image: &mut Vec<u8>) -> bool {
    image.clear();
    if !column.not_null {
        image.push(0);
    }
    let most = column.max_bytes as usize;
    match (cell, column.kind) {
        (Cell::Int(value), ColumnKind::Int { bytes, .. }) => {
            image.extend_from_slice(&value.to_le_bytes()[..usize::from(bytes.min(8))]);
        }
        (Cell::UInt(value), ColumnKind::Int { bytes, .. }) => {
            image.extend_from_slice(&value.to_le_bytes()[..usize::from(bytes.min(8))]);
        }
        (Cell::Bytes(value), _) if value.len() > most => return false,
        (Cell::Bytes(value), ColumnKind::VarChar | ColumnKind::VarBinary) => {
            image.extend_from_slice(&(value.len() as u16).to_le_bytes());
            image.extend_from_slice(value);
            image.resize(image.len() + most - value.len(), 0);
        }
        (Cell::Bytes(value), ColumnKind::Char | ColumnKind::Binary) => {
            let padding = if column.kind == ColumnKind::Char { b' ' } else { 0 };
            image.extend_from_slice(value);
            image.resize(image.len() + most - value.len(), padding);
        }
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::integer::decode_int;

    fn column(kind: ColumnKind, not_null: bool, max_bytes: u32) -> Column {
        Column { name: "c".into(), kind, not_null, max_bytes, has_default: false, generated: false }
    }

    #[test]
    fn forms_follow_lengths() {
        use ColumnKind::{Binary, Blob, Char, Int, Other, VarBinary, VarChar};
        for (kind, most, form) in [
            (Int { bytes: 3, unsigned: false }, 3, Form::Fixed(3)),
            (Char, 40, Form::Padded(40)),
            (Binary, 8, Form::Fixed(8)),
            (VarChar, 255, Form::Counted(1, 255)),
            (VarBinary, 256, Form::Counted(2, 256)),
            (Blob, 255, Form::Far(1)),
            (Blob, 65_535, Form::Far(2)),
            (Blob, 16_777_215, Form::Far(3)),
            (Blob, u32::MAX, Form::Far(4)),
            (Other, 4, Form::Unknown),
        ] {
            assert_eq!(Form::of(&column(kind, true, most)), form);
        }
        assert_eq!((length(&[1]), length(&[1, 2]), length(&[1, 2, 3, 4])), (1, 0x201, 0x0403_0201));
    }

    #[test]
    fn integers_are_turned_round() {
        for (bytes, unsigned, value) in [
            (1, false, -128i128),
            (2, true, 65_535),
            (3, false, -8_388_608),
            (3, true, 16_777_215),
            (4, false, -1),
            (8, false, i128::from(i64::MIN)),
            (8, true, i128::from(u64::MAX)),
        ] {
            let row = &value.to_le_bytes()[..bytes];
            assert_eq!(decode_int(&ordered(row, unsigned)[..bytes], unsigned), value);
        }
    }

    #[test]
    fn keys_are_as_long_as_they_can_be() {
        use ColumnKind::{Binary, Blob, Char, Int, VarChar};
        let int = Int { bytes: 4, unsigned: false };
        for (kind, not_null, most, cell, expected) in [
            (VarChar, true, 5, Cell::Bytes(b"ab"), Some(&b"\x02\0ab\0\0\0"[..])),
            (VarChar, false, 3, Cell::Bytes(b"ab"), Some(b"\0\x02\0ab\0")),
            (VarChar, true, 1, Cell::Bytes(b"ab"), None),
            (Char, true, 4, Cell::Bytes(b"ab"), Some(b"ab  ")),
            (Binary, true, 4, Cell::Bytes(b"ab"), Some(b"ab\0\0")),
            (int, true, 4, Cell::Int(-2), Some(b"\xfe\xff\xff\xff")),
            (Int { bytes: 8, unsigned: true }, false, 8, Cell::UInt(1), Some(b"\0\x01\0\0\0\0\0\0\0")),
            (Blob, true, 255, Cell::Bytes(b"ab"), None),
            (int, true, 4, Cell::Bytes(b"ab"), None),
        ] {
            let mut image = vec![7];
            let written = key(&column(kind, not_null, most), cell, &mut image);
            assert_eq!(written.then_some(&image[..]), expected, "{kind:?}");
        }
    }
}
