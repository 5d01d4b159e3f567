//! Rows as bytes.
//!
//! One byte for the width of the offsets (2 or 4 bytes), then the end offset of each column's
//! bytes within the payload (little-endian, top bit set for NULL), then the payload. Any column is found without
//! looking at the others, and the callback table hands out pointers into it, so each column is stored as InnoDB shows it:
//! integers big-endian with the sign bit of signed ones flipped, CHAR and BINARY padded, ENUM as its number.

use crate::refengine::error::{Error, Result};
use crate::refengine::types::TableDef;
use std::ops::Range;

/// Most bytes of an encoded row.
const MAX_ROW: usize = 1 << 30;
const NULL_16: u16 = 1 << 15;
const NULL_32: u32 = 1 << 31;

/// Where a column's bytes are in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Null,
    At(Range<usize>),
}

/// Appends a row to `out`, which is cleared first.
pub(crate) fn encode_row<'a, I>(out: &mut Vec<u8>, fields: I) -> Result<()>
where
    I: ExactSizeIterator<Item = Option<&'a [u8]>> + Clone,
{
    // Nearly all rows are narrow: that is tried first, so that a row is looked at once.
    let mut row = RowWriter::begin(out, fields.len());
    fields.clone().for_each(|field| match field {
        Some(field) => row.push(field),
        None => row.push_null(),
    });
    if row.end() || encode_wide(out, fields) {
        return Ok(());
    }
    Err(Error::RowTooBig)
}

/// Encodes with offsets of 4 bytes. `false`: the row is too big for them.
#[cold]
fn encode_wide<'a, I>(out: &mut Vec<u8>, fields: I) -> bool
where
    I: ExactSizeIterator<Item = Option<&'a [u8]>>,
{
    let payload = 1 + 4 * fields.len();
    out.clear();
    out.push(4);
    out.resize(payload, 0);
    for (i, field) in fields.enumerate() {
        out.extend_from_slice(field.unwrap_or_default());
        let end = out.len() - payload;
        let null = if field.is_none() { NULL_32 } else { 0 };
        match out.get_mut(1 + 4 * i..5 + 4 * i) {
            Some(place) if end <= MAX_ROW => place.copy_from_slice(&(end as u32 | null).to_le_bytes()),
            _ => return false,
        }
    }
    true
}

/// How a narrow row of few columns begins, whose offsets are not known yet: copied at once it costs less than made.
const FIRST: &[u8; 65] = &{
    let mut first = [0; 65];
    first[0] = 2;
    first
};

/// A narrow row that is written column by column.
pub(crate) struct RowWriter<'o> {
    out: &'o mut Vec<u8>,
    /// Where the payload begins.
    payload: usize,
    /// Where the next column's offset goes.
    at: usize,
}

impl<'o> RowWriter<'o> {
    /// Begins a row of so many columns in `out`, which is cleared first.
    #[inline]
    pub(crate) fn begin(out: &'o mut Vec<u8>, columns: usize) -> RowWriter<'o> {
        let payload = 1 + 2 * columns;
        out.clear();
        match FIRST.get(..payload) {
            Some(first) => out.extend_from_slice(first),
            None => {
                out.push(2);
                out.resize(payload, 0);
            }
        }
        RowWriter { out, payload, at: 1 }
    }

    /// Appends the next column.
    #[inline(always)]
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
        self.close(0);
    }

    /// Appends the next column, which is NULL.
    #[inline(always)]
    pub(crate) fn push_null(&mut self) {
        self.close(NULL_16);
    }

    #[inline(always)]
    fn close(&mut self, null: u16) {
        let end = self.out.len() - self.payload;
        // An end that does not fit is met by `end`: those behind it are no smaller.
        if let Some(place) = self.out.get_mut(self.at..self.at + 2) {
            place.copy_from_slice(&(end as u16 | null).to_le_bytes());
        }
        self.at += 2;
    }

    /// Whether every column was appended and fits a narrow row.
    #[inline]
    pub(crate) fn end(self) -> bool {
        self.at == self.payload && self.out.len() - self.payload < usize::from(NULL_16)
    }
}

#[inline]
fn offset(row: &[u8], i: usize) -> Option<(usize, bool)> {
    let (width, offsets) = row.split_first()?;
    offset_at(offsets, *width as usize, i)
}

/// The end of column `i` and whether it is NULL, from offsets of `width` bytes.
#[inline]
fn offset_at(offsets: &[u8], width: usize, i: usize) -> Option<(usize, bool)> {
    match width {
        2 => {
            let raw = u16::from_le_bytes(*offsets.get(2 * i..)?.first_chunk()?);
            Some(((raw & !NULL_16) as usize, raw & NULL_16 != 0))
        }
        4 => {
            let raw = u32::from_le_bytes(*offsets.get(4 * i..)?.first_chunk()?);
            Some(((raw & !NULL_32) as usize, raw & NULL_32 != 0))
        }
        _ => None,
    }
}

/// Finds column `i` of a row of `n` columns. `None`: these bytes are not such a row.
#[inline]
pub(crate) fn field(row: &[u8], n: usize, i: usize) -> Option<Field> {
    if i >= n {
        return None;
    }
    let base = 1 + n * *row.first()? as usize;
    let (end, null) = offset(row, i)?;
    if null {
        return Some(Field::Null);
    }
    let start = if i == 0 { 0 } else { offset(row, i - 1)?.0 };
    let range = base + start..base + end;
    (range.start <= range.end && range.end <= row.len()).then_some(Field::At(range))
}

/// The bytes of column `i` of a row of `n` columns. `None`: it is NULL, or these bytes are not such a row.
#[inline]
pub(crate) fn bytes(row: &[u8], n: usize, i: usize) -> Option<&[u8]> {
    // Nearly all rows are narrow: a column of theirs is found here in a few steps.
    if let Some(narrow) = Narrow::of(row, n) {
        return narrow.bytes(i);
    }
    match field(row, n, i)? {
        Field::At(range) => row.get(range),
        Field::Null => None,
    }
}

/// A narrow row, cut into its offsets and its payload.
#[derive(Clone, Copy)]
pub(crate) struct Narrow<'r> {
    offsets: &'r [[u8; 2]],
    payload: &'r [u8],
}

impl<'r> Narrow<'r> {
    /// Cuts a row of `n` columns. `None`: it is not narrow.
    #[inline]
    pub(crate) fn of(row: &'r [u8], n: usize) -> Option<Narrow<'r>> {
        let Some((2, rest)) = row.split_first() else { return None };
        let (offsets, payload) = rest.split_at_checked(2 * n)?;
        Some(Narrow { offsets: offsets.as_chunks().0, payload })
    }

    /// The bytes of a column, as [`bytes`] tells them.
    #[inline]
    pub(crate) fn bytes(self, i: usize) -> Option<&'r [u8]> {
        let end = u16::from_le_bytes(*self.offsets.get(i)?);
        let start = if i == 0 { 0 } else { u16::from_le_bytes(*self.offsets.get(i - 1)?) & !NULL_16 };
        if end & NULL_16 == 0 { self.payload.get(usize::from(start)..usize::from(end)) } else { None }
    }
}

/// Tells `f` for each of `fields`, one for each column, where the column's bytes are in the part of the row that it is told with them:
/// `None` for NULL. `false`: these are not such a row, and what was told means nothing.
#[inline]
pub(crate) fn each<'r, F>(
    row: &'r [u8],
    fields: &mut [F],
    mut f: impl FnMut(&mut F, &'r [u8], Option<(usize, usize)>),
) -> bool {
    // Nearly all rows are narrow.
    if let Some(Narrow { offsets, payload }) = Narrow::of(row, fields.len()) {
        // That the columns lie one behind the other and end in the row is found out for all of them at once.
        let (mut start, mut in_order) = (0, true);
        for (field, offset) in fields.iter_mut().zip(offsets) {
            let raw = u16::from_le_bytes(*offset);
            let end = raw & !NULL_16;
            in_order &= start <= end;
            let place = (usize::from(start), usize::from(end.wrapping_sub(start)));
            f(field, payload, (raw == end).then_some(place));
            start = end;
        }
        return in_order && usize::from(start) <= payload.len();
    }
    let n = fields.len();
    for (field, column) in fields.iter_mut().zip(self::fields(row, n)) {
        let place = match column {
            Field::Null => None,
            Field::At(range) => Some((range.start, range.len())),
        };
        f(field, row, place);
    }
    true
}

/// Where the bytes of a row's columns are, in order; no bytes where these are not such a row.
#[inline]
pub(crate) fn fields(row: &[u8], n: usize) -> impl Iterator<Item = Field> {
    let width = row.first().map_or(0, |width| *width as usize);
    let payload = 1 + n * width;
    let (offsets, mut start) = (row.get(1..payload).unwrap_or_default(), payload);
    (0..n).map(move |i| {
        let Some((end, null)) = offset_at(offsets, width, i) else { return Field::Null };
        let range = start..payload + end;
        start = range.end;
        if null || range.start > range.end || range.end > row.len() { Field::Null } else { Field::At(range) }
    })
}

/// The stored bytes of column `i`, `None` for NULL.
pub(crate) fn column<'a>(def: &TableDef, row: &'a [u8], i: usize) -> Result<Option<&'a [u8]>> {
    match field(row, def.columns.len(), i) {
        Some(Field::Null) => Ok(None),
        Some(Field::At(range)) => Ok(row.get(range)),
        None => Err(Error::Corrupt(format!("a row of table '{}.{}' cannot be decoded", def.db, def.name))),
    }
}
