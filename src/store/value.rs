//! Values between their columns and the client: one column as it is, several joined by the separator.

use super::container::Seen;
use super::number::{int_cell, parse_number};
use super::{Container, Failure, Item};
use crate::rows::{Cell, ColumnKind, Rows};
use memchr::memmem;

impl Container {
    /// The current row, of which this was `seen`, as an item, its cas number only `with_cas`; `scratch` holds the value where it is not
    /// in one column.
    #[inline(always)]
    pub(super) fn item<'r, R: Rows>(
        &self,
        rows: &R,
        seen: Seen<'r>,
        with_cas: bool,
        separator: &[u8],
        scratch: &'r mut Vec<u8>,
    ) -> Item<'r> {
        let Seen { deadline, flags, value } = seen;
        let cas = if with_cas { self.cas_of(rows) } else { 0 };
        let value = value.unwrap_or_else(|| {
            scratch.clear();
            join(rows, self, separator, scratch);
            scratch
        });
        Item { flags, cas, deadline, value }
    }
}

/// The value of a single column that is stored as bytes; NULL is an empty value. `None` for an integer column.
pub fn plain<'r, R: Rows>(rows: &'r R, container: &Container, column: usize) -> Option<&'r [u8]> {
    match container.table.columns[column].kind {
        ColumnKind::Int { .. } => None,
        _ => Some(rows.bytes(&container.table, column).unwrap_or(&[])),
    }
}

/// Appends a column's text, integers in decimal, nothing for NULL.
pub fn append_column<R: Rows>(rows: &R, container: &Container, column: usize, out: &mut Vec<u8>) {
    match plain(rows, container, column) {
        Some(bytes) => out.extend_from_slice(bytes),
        None => {
            if let Some(number) = rows.int(&container.table, column) {
                out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            }
        }
    }
}

/// Appends all value columns with the separator between them. NULL columns at the end are absent.
pub fn join<R: Rows>(rows: &R, container: &Container, separator: &[u8], out: &mut Vec<u8>) {
    let mut end = out.len();
    for (i, column) in container.values.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(separator);
        }
        append_column(rows, container, *column, out);
        if i == 0 || rows.bytes(&container.table, *column).is_some() {
            end = out.len();
        }
    }
    out.truncate(end);
}

/// Cuts a value into its columns. Fields that are absent become NULL, empty ones are empty or, as integers, NULL; surplus ones are dropped, and so is that
/// of the key column.
pub fn split<'a>(
    container: &Container,
    separator: &[u8],
    value: &'a [u8],
    cells: &mut Vec<(usize, Cell<'a>)>,
) -> Result<(), Failure> {
    if let [column] = container.values[..] {
        cells.push((column, cell(container, column, value)?));
        return Ok(());
    }
    let mut rest = Some(value);
    for column in &container.values {
        let cell = match rest {
            None if *column == container.table.key => continue,
            None => Cell::Null,
            Some(text) => {
                let cut = memmem::find(text, separator);
                rest = cut.map(|at| &text[at + separator.len()..]);
                if *column == container.table.key {
                    continue;
                }
                cell(container, *column, &text[..cut.unwrap_or(text.len())])?
            }
        };
        cells.push((*column, cell));
    }
    Ok(())
}

/// A column's new value from the client's bytes; an integer column takes a decimal number of its range and, where it may be NULL, an
/// empty text for that.
pub fn cell<'a>(container: &Container, column: usize, text: &'a [u8]) -> Result<Cell<'a>, Failure> {
    let described = &container.table.columns[column];
    match described.kind {
        ColumnKind::Int { .. } if text.is_empty() && !described.not_null => Ok(Cell::Null),
        ColumnKind::Int { bytes, unsigned } => int_cell(text, bytes, unsigned).ok_or_else(|| {
            Failure::Client(format!("value is not an integer in the range of column {}", described.name))
        }),
        _ => Ok(Cell::Bytes(text)),
    }
}

/// The column as memcached's counter: decimal digits, perhaps with space behind them.
pub fn number<R: Rows>(rows: &R, container: &Container, column: usize) -> Option<u64> {
    let Some(bytes) = plain(rows, container, column) else {
        return u64::try_from(rows.int(&container.table, column)?).ok();
    };
    parse_number(bytes)
}

/// A counter's new value as its column takes it.
pub fn number_cell<'a>(
    container: &Container,
    column: usize,
    number: u64,
    text: &'a mut itoa::Buffer,
) -> Result<Cell<'a>, Failure> {
    cell(container, column, text.format(number).as_bytes())
}
