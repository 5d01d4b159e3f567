//! The rows that a statement returned.

use crate::rows::ColumnKind;
use std::ops::Range;

/// Rows in one buffer that is used again and again. Integers are kept as InnoDB keeps them, so that a row looks the same whichever
/// way it was read.
#[derive(Debug, Default)]
pub struct RowSet {
    kinds: Vec<ColumnKind>,
    cells: Vec<Option<Range<usize>>>,
    data: Vec<u8>,
}

/// Memory that is kept from statement to statement, in bytes.
const KEPT: usize = 1 << 20;

impl RowSet {
    /// Forgets all rows; those that come have columns of these kinds.
    pub fn expect(&mut self, kinds: &[ColumnKind]) {
        self.clear();
        if self.kinds != kinds {
            self.kinds.clear();
            self.kinds.extend_from_slice(kinds);
        }
    }

    /// Forgets all rows.
    pub fn clear(&mut self) {
        self.cells.clear();
        self.data.clear();
        self.data.shrink_to(KEPT);
    }

    /// The next column of the row that arrives is NULL.
    pub fn push_null(&mut self) {
        self.cells.push(None);
    }

    /// The next column is a string.
    pub fn push_bytes(&mut self, bytes: &[u8]) {
        let start = self.data.len();
        self.data.extend_from_slice(bytes);
        self.cells.push(Some(start..self.data.len()));
    }

    /// The next column is a number; columns that are not expected are dropped.
    pub fn push_int(&mut self, value: i128) {
        match self.next_kind() {
            Some(ColumnKind::Int { bytes, unsigned }) => {
                let bytes = u32::from(bytes.clamp(1, 8));
                let shifted = if unsigned { value } else { value + (1i128 << (8 * bytes - 1)) };
                self.push_bytes(&(shifted as u64).to_be_bytes()[8 - bytes as usize..]);
            }
            _ => self.push_bytes(value.to_string().as_bytes()),
        }
    }

    /// The next column as a host writes it in text.
    pub fn push_text(&mut self, text: &[u8]) {
        let number = match self.next_kind() {
            Some(ColumnKind::Int { .. }) => str::from_utf8(text).ok().and_then(|text| text.parse().ok()),
            _ => None,
        };
        match number {
            Some(number) => self.push_int(number),
            None => self.push_bytes(text),
        }
    }

    fn next_kind(&self) -> Option<ColumnKind> {
        match self.kinds.len() {
            0 => None,
            columns => self.kinds.get(self.cells.len() % columns).copied(),
        }
    }

    /// Bytes of the rows that arrived.
    pub fn size(&self) -> usize {
        self.data.len()
    }

    /// Whole rows that arrived.
    pub fn len(&self) -> usize {
        self.cells.len().checked_div(self.kinds.len()).unwrap_or(0)
    }

    /// Whether no row arrived.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A column of a row, `None` for NULL and for what is not there.
    pub fn bytes(&self, row: usize, column: usize) -> Option<&[u8]> {
        if column >= self.kinds.len() {
            return None;
        }
        let range = self.cells.get(row * self.kinds.len() + column)?.clone()?;
        self.data.get(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::integer::decode_int;

    #[test]
    fn integers_are_kept_as_innodb_keeps_them() {
        for (bytes, unsigned, value) in [
            (1, false, -128),
            (1, true, 255),
            (2, false, -2),
            (3, false, -8_388_608),
            (4, false, i128::from(i32::MAX)),
            (4, true, i128::from(u32::MAX)),
            (8, false, i128::from(i64::MIN)),
            (8, true, i128::from(u64::MAX)),
        ] {
            let mut rows = RowSet::default();
            rows.expect(&[ColumnKind::VarBinary, ColumnKind::Int { bytes, unsigned }]);
            rows.push_null();
            rows.push_int(value);
            let kept = rows.bytes(0, 1).unwrap();
            assert_eq!((kept.len(), decode_int(kept, unsigned)), (usize::from(bytes), value));
            assert_eq!((rows.len(), rows.bytes(0, 0), rows.bytes(1, 0), rows.bytes(0, 2)), (1, None, None, None));
        }
    }
}
