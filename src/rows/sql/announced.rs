//! What a tick announced that it will read, and what was fetched of it.

use super::result::RowSet;
use super::statements::KEYS_MAX;
use crate::rows::{Cell, ColumnKind, Table, integer};
use std::ops::Range;

/// Keys of the first statement: nobody knows yet how long the rows are.
const KEYS_FIRST: usize = 16;

/// Bytes of rows behind which statements ask for fewer keys, and below a quarter of which for more.
const ROOM: usize = 1 << 20;

/// Tables whose memory is kept from tick to tick.
const TABLES_KEPT: usize = 8;

/// What is announced and what was fetched of it.
#[derive(Debug)]
pub struct Ahead {
    /// By table.
    pub tables: Vec<Announced>,
    /// Table and row of the row that is current, if it is one of these.
    pub current: Option<(usize, usize)>,
    /// Keys of the next statement.
    pub keys: usize,
}

/// One table's.
#[derive(Debug, Default)]
pub struct Announced {
    /// [`Table::id`] and [`Table::stamp`].
    pub table: (usize, u32),
    bytes: Vec<u8>,
    /// Numbers as they are, and where in `bytes` the others are.
    pub keys: Vec<Result<Cell<'static>, Range<usize>>>,
    /// The place behind the key that was read last: reads come in the order in which they were announced.
    pub next: usize,
    /// The keys whose rows were fetched, and what came of each.
    pub fetched: Range<usize>,
    pub found: Vec<Found>,
    pub rows: RowSet,
}

/// What a statement says of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// This is its row.
    Row(usize),
    /// There is none.
    Nothing,
    /// Only a statement of its own tells.
    Ask,
}

/// What outlives the request that a cell came from: the cell itself, or what `bytes` makes of its bytes.
pub fn keep<T>(cell: Cell<'_>, bytes: impl FnOnce(&[u8]) -> T) -> Result<Cell<'static>, T> {
    match cell {
        Cell::Null => Ok(Cell::Null),
        Cell::Int(value) => Ok(Cell::Int(value)),
        Cell::UInt(value) => Ok(Cell::UInt(value)),
        Cell::Bytes(text) => Err(bytes(text)),
    }
}

impl Default for Ahead {
    fn default() -> Ahead {
        Ahead { tables: Vec::new(), current: None, keys: KEYS_FIRST }
    }
}

impl Ahead {
    /// See [`crate::rows::Rows::announce`].
    pub fn announce(&mut self, table: &Table, key: Cell<'_>) {
        let of_table = (table.id, table.stamp);
        let at = self.tables.iter().position(|known| known.table == of_table).unwrap_or_else(|| {
            self.tables.push(Announced { table: of_table, ..Announced::default() });
            self.tables.len() - 1
        });
        let Announced { bytes, keys, .. } = &mut self.tables[at];
        keys.push(keep(key, |key| {
            bytes.extend_from_slice(key);
            bytes.len() - key.len()..bytes.len()
        }));
    }

    /// See [`crate::rows::Rows::forget_announced`].
    pub fn forget(&mut self) {
        self.current = None;
        self.tables.truncate(TABLES_KEPT);
        self.tables.iter_mut().for_each(Announced::clear);
    }

    /// The statement's rows took so many bytes.
    pub fn learn(&mut self, size: usize) {
        self.keys = match size {
            size if size > ROOM => (self.keys / 4).max(2),
            size if size < ROOM / 4 => (self.keys * 2).min(KEYS_MAX),
            _ => self.keys,
        };
    }

    /// The current row is none of these.
    pub fn leave(&mut self) {
        self.current = None;
    }

    /// A column of the current row, if that is one of these.
    #[inline]
    pub fn bytes(&self, column: usize) -> Option<Option<&[u8]>> {
        let (table, row) = self.current?;
        Some(self.tables.get(table).and_then(|known| known.rows.bytes(row, column)))
    }
}

impl Announced {
    /// A key.
    pub fn cell(&self, at: usize) -> Option<Cell<'_>> {
        Some(match self.keys.get(at)? {
            Ok(cell) => *cell,
            Err(range) => Cell::Bytes(self.bytes.get(range.clone())?),
        })
    }

    /// The place of a key among those that were not read yet.
    pub fn place(&self, key: Cell<'_>) -> Option<usize> {
        (self.next..self.keys.len()).take(KEYS_MAX).find(|at| self.cell(*at) == Some(key))
    }

    /// Gives each key its row.
    pub fn assign(&mut self, table: &Table, rule: Match) {
        let Some(column) = table.columns.get(table.key) else { return };
        for i in 0..self.found.len() {
            if self.found[i] == Found::Nothing {
                continue;
            }
            let Some(key) = self.cell(self.fetched.start + i) else { continue };
            let number = match key {
                Cell::Int(number) => Some(i128::from(number)),
                Cell::UInt(number) => Some(i128::from(number)),
                Cell::Null | Cell::Bytes(_) => None,
            };
            let is_key = |row: &usize| match (key, self.rows.bytes(*row, table.key), column.kind) {
                (Cell::Bytes(key), Some(bytes), _) => bytes == key,
                (_, Some(bytes), ColumnKind::Int { unsigned, .. }) => {
                    number == Some(integer::decode_int(bytes, unsigned))
                }
                _ => false,
            };
            self.found[i] = match ((0..self.rows.len()).find(is_key), rule) {
                (Some(row), _) => Found::Row(row),
                (None, Match::Exact) => Found::Nothing,
                (None, Match::Loose) => Found::Ask,
            };
        }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.keys.clear();
        (self.next, self.fetched) = (0, 0..0);
        self.found.clear();
        self.rows.clear();
    }
}

/// How keys and rows are told to belong together.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// By number or by bytes; a key without a row has none.
    Exact,
    /// By bytes; a key without a row may be equal to one for the collation or with its padding.
    Loose,
}
