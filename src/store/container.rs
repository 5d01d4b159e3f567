//! A container: the mapping of keys, values, flags, cas and expiry to the columns of one table.

mod check;

use super::error::{ContainerError, Rule};
use super::{Failure, Policies, number};
use crate::rows::{Cell, ColumnKind, Rows, Table, decode_bits};
use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A row of `innodb_memcache.containers`, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerRow {
    /// Name by which clients address it.
    pub name: String,
    /// Database.
    pub schema: String,
    /// Table.
    pub table: String,
    /// Key column.
    pub key: String,
    /// Value columns, separated by space, `;`, `,`, `|` or newline.
    pub values: String,
    /// Flags column; empty or `0` when unused.
    pub flags: String,
    /// cas column; empty or `0` when unused.
    pub cas: String,
    /// Expiry column; empty or `0` when unused.
    pub expiry: String,
    /// Unique index on the key column.
    pub index: String,
}

/// A container as clients find it. Columns are positions in `table.columns`.
///
/// One whose row breaks a rule is there too, so that its clients learn the reason: it [refuses](Container::refused) every operation, and
/// its columns stand for nothing.
#[derive(Debug)]
pub struct Container {
    /// Name by which clients address it.
    pub name: String,
    /// The table.
    pub table: Table,
    pub(super) values: Vec<usize>,
    pub(super) flags: Option<usize>,
    pub(super) cas: Option<usize>,
    pub(super) expiry: Option<usize>,
    /// How those are read.
    read: ReadColumns,
    pub(super) policies: Policies,
    /// Whether one of those uses memory.
    pub(super) uses_memory: bool,
    refused: Option<ContainerError>,
    foreign: Option<Foreign>,
    /// Whether the log knows that clients' exptimes are ignored here.
    exptime_said: AtomicBool,
}

/// What a read has to know of the mapped columns: the same for each row.
#[derive(Debug, Default)]
struct ReadColumns {
    /// The value column, where it is one whose bytes are the value.
    value: Option<usize>,
    unsigned_flags: bool,
    unsigned_cas: bool,
    unsigned_expiry: bool,
}

/// What a read tells of a row, but for its cas number.
pub(super) struct Seen<'r> {
    /// Unix time at which it expires or expired, 0 for never.
    pub(super) deadline: i64,
    pub(super) flags: u32,
    /// The value, where it is one column's bytes.
    pub(super) value: Option<&'r [u8]>,
}

/// Whether a deadline, 0 for never, is after `now`.
#[inline]
pub(super) fn is_after(deadline: i64, now: i64) -> bool {
    deadline == 0 || deadline > now
}

/// How often others have changed the table's rows, and how often they had when memory was emptied for it last.
#[derive(Debug)]
struct Foreign {
    changes: &'static AtomicU64,
    seen: AtomicU64,
}

impl Container {
    /// Calls `empty` where others have changed rows of the table since it was called last, and before the first time.
    #[inline]
    pub(super) fn follow_others(&self, empty: impl FnOnce()) {
        if let Some(Foreign { changes, seen }) = &self.foreign {
            let now = changes.load(Ordering::Acquire);
            if seen.load(Ordering::Acquire) != now {
                empty();
                // Not sooner: another worker would take memory for empty.
                seen.store(now, Ordering::Release);
            }
        }
    }

    /// The database of its table.
    pub fn database(&self) -> Cow<'_, str> {
        let path = self.table.path.to_bytes();
        String::from_utf8_lossy(path.split(|byte| *byte == b'/').next().unwrap_or_default())
    }

    /// The name of its table.
    pub fn table_name(&self) -> Cow<'_, str> {
        let path = self.table.path.to_bytes();
        String::from_utf8_lossy(path.splitn(2, |byte| *byte == b'/').nth(1).unwrap_or_default())
    }

    /// The names of the columns that its operations use.
    pub fn mapped_columns(&self) -> Vec<String> {
        let others = [Some(self.table.key), self.flags, self.cas, self.expiry].into_iter().flatten();
        let mut mapped: Vec<usize> = others.chain(self.values.iter().copied()).collect();
        mapped.sort_unstable();
        mapped.dedup();
        mapped.into_iter().map(|column| self.table.columns[column].name.clone()).collect()
    }

    /// Why it serves nobody, if so.
    pub fn refused(&self) -> Option<&ContainerError> {
        self.refused.as_ref()
    }

    /// Whether it refuses because its table was locked when it was read, which lost the transaction.
    pub(super) fn could_not_be_read(&self) -> bool {
        matches!(&self.refused, Some(ContainerError { rule: Rule::Rows(error), .. }) if error.aborts())
    }

    /// Fails where the container serves nobody.
    #[inline]
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.refused.as_ref().map_or(Ok(()), |error| Err(Failure::Refused(error.clone())))
    }

    /// Whether it is the same mapping of the same table as another one.
    pub(super) fn is_same_as(&self, other: &Container) -> bool {
        let Container {
            name,
            table,
            values,
            flags,
            cas,
            expiry,
            policies,
            refused,
            read: _,
            uses_memory: _,
            foreign: _,
            exptime_said: _,
        } = self;
        let Table { path, index, columns, key, .. } = table;
        (name, path, index, columns, key)
            == (&other.name, &other.table.path, &other.table.index, &other.table.columns, &other.table.key)
            && (values, flags, cas, expiry, policies, refused)
                == (&other.values, &other.flags, &other.cas, &other.expiry, &other.policies, &other.refused)
    }

    /// Says once that an exptime is ignored, where there is no column for it.
    pub(super) fn note_exptime(&self, exptime: i64) {
        if exptime != 0 && self.expiry.is_none() && !self.exptime_said.swap(true, Ordering::Relaxed) {
            log::info!(
                "DM1305: container {}: exptimes are ignored, because it has no expire_time_column; this is said once",
                self.name
            );
        }
    }

    /// Whether a column keeps cas numbers.
    pub fn has_cas(&self) -> bool {
        self.cas.is_some()
    }

    /// What its operations use.
    pub fn policies(&self) -> Policies {
        self.policies
    }

    /// The key as its column takes it; `None` where the column can hold no such key.
    pub(super) fn key_cell<'a>(&self, key: &'a [u8]) -> Option<Cell<'a>> {
        let column = &self.table.columns[self.table.key];
        match column.kind {
            ColumnKind::Int { bytes, unsigned } => number::int_cell(key, bytes, unsigned),
            _ => Some(Cell::Bytes(key)),
        }
    }

    /// Where memory keeps an item: a number and the key as memory spells it. What a table described otherwise left there is under another
    /// number.
    pub(super) fn memory_address<'k>(&self, key: &'k [u8]) -> (u32, Cow<'k, [u8]>) {
        (self.table.stamp, self.memory_key(key))
    }

    /// The key as memory knows it: one spelling for each key that the table can tell apart.
    pub(super) fn memory_key<'k>(&self, key: &'k [u8]) -> Cow<'k, [u8]> {
        match self.table.columns[self.table.key].kind {
            ColumnKind::Int { .. } => match self.key_cell(key) {
                Some(Cell::Int(number)) => Cow::Owned(itoa::Buffer::new().format(number).as_bytes().to_vec()),
                Some(Cell::UInt(number)) => Cow::Owned(itoa::Buffer::new().format(number).as_bytes().to_vec()),
                _ => Cow::Borrowed(key),
            },
            // The table pads with zero bytes.
            ColumnKind::Binary => Cow::Borrowed(&key[..key.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1)]),
            _ => Cow::Borrowed(key),
        }
    }

    /// Whether a value that is stored comes back as the same bytes, with the same flags and expiry.
    pub(super) fn gives_back_what_it_takes(&self) -> bool {
        let [column] = self.values[..] else { return false };
        let kind = self.table.columns[column].kind;
        let plain = matches!(kind, ColumnKind::VarChar | ColumnKind::VarBinary | ColumnKind::Blob);
        plain && self.flags.is_some() && self.expiry.is_some()
    }

    pub(super) fn refused_key(&self) -> Failure {
        let column = &self.table.columns[self.table.key].name;
        Failure::Client(format!("key is not an integer in the range of column {column}"))
    }

    /// The value column of that number, else the first.
    pub(super) fn selected(&self, flags: u32) -> Result<usize, Failure> {
        let column = *self.values.get(flags as usize).unwrap_or(&self.values[0]);
        if column == self.table.key {
            return Err(Failure::Client("the flags select the key column, which cannot be changed".into()));
        }
        Ok(column)
    }

    /// The column that incr and decr change: the one that the row's flags select.
    pub(super) fn counter_column<R: Rows>(&self, rows: &R) -> Result<usize, Failure> {
        self.selected(self.flags_of(rows))
    }

    /// Whether the current row has not expired at Unix time `now`.
    pub(super) fn is_live<R: Rows>(&self, rows: &R, now: i64) -> bool {
        is_after(self.deadline_of(rows), now)
    }

    /// Unix time at which the current row expires or expired, 0 for never.
    #[inline(always)]
    pub(super) fn deadline_of<R: Rows>(&self, rows: &R) -> i64 {
        let [deadline] = rows.columns(&self.table, [self.expiry]);
        self.deadline_in(deadline)
    }

    pub(super) fn flags_of<R: Rows>(&self, rows: &R) -> u32 {
        let [flags] = rows.columns(&self.table, [self.flags]);
        self.flags_in(flags)
    }

    /// What a read tells of the current row, but for its cas number.
    #[inline(always)]
    pub(super) fn seen<'r, R: Rows>(&self, rows: &'r R) -> Seen<'r> {
        let whole = self.read.value;
        let [deadline, flags, value] = rows.columns(&self.table, [self.expiry, self.flags, whole]);
        Seen {
            deadline: self.deadline_in(deadline),
            flags: self.flags_in(flags),
            value: whole.map(|_| value.unwrap_or_default()),
        }
    }

    #[inline(always)]
    fn flags_in(&self, stored: Option<&[u8]>) -> u32 {
        let Some(stored) = stored else { return 0 };
        decode_bits(stored, self.read.unsigned_flags) as u32
    }

    #[inline(always)]
    fn deadline_in(&self, stored: Option<&[u8]>) -> i64 {
        let Some(stored) = stored else { return 0 };
        match decode_bits(stored, self.read.unsigned_expiry) as i64 {
            // Beyond all that is signed, or long ago.
            beyond if beyond < 0 && self.read.unsigned_expiry => i64::MAX,
            deadline => deadline,
        }
    }

    /// The cas number of the current row. Where no column has one (there is none, or the row was written by SQL) it is a digest of what
    /// the client can see of the row, so that a change by anybody, SQL included, changes it.
    pub(super) fn cas_of<R: Rows>(&self, rows: &R) -> u64 {
        self.number_of(rows).unwrap_or_else(|| self.digest(rows))
    }

    /// Whether a digest stands for the cas number of the current row.
    pub(super) fn has_digest<R: Rows>(&self, rows: &R) -> bool {
        self.number_of(rows).is_none()
    }

    fn number_of<R: Rows>(&self, rows: &R) -> Option<u64> {
        let [number] = rows.columns(&self.table, [self.cas]);
        number.map(|stored| decode_bits(stored, self.read.unsigned_cas)).filter(|number| *number != 0)
    }

    /// FNV-1a over every mapped column with its length; never 0, which would mean "no cas number".
    fn digest<R: Rows>(&self, rows: &R) -> u64 {
        let mapped = [Some(self.table.key), self.flags, self.expiry].into_iter().flatten();
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut eat = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        };
        for column in mapped.chain(self.values.iter().copied()) {
            let bytes = rows.bytes(&self.table, column);
            eat(&bytes.map_or(u64::MAX, |bytes| bytes.len() as u64).to_le_bytes());
            eat(bytes.unwrap_or_default());
        }
        hash.max(1)
    }

    /// Flags are 32 bits; a signed 32-bit column keeps the bits, so large flags show as negative numbers in SQL.
    pub(super) fn flags_cell(&self, column: usize, flags: u32) -> Cell<'static> {
        match self.table.columns[column].kind {
            ColumnKind::Int { unsigned: true, .. } => Cell::UInt(u64::from(flags)),
            ColumnKind::Int { bytes: 4, .. } => Cell::Int(i64::from(flags as i32)),
            _ => Cell::Int(i64::from(flags)),
        }
    }

    /// The 64 bits of a cas number; in a signed column large ones show as negative numbers in SQL.
    pub(super) fn cas_cell(&self, column: usize, cas: u64) -> Cell<'static> {
        match self.table.columns[column].kind {
            ColumnKind::Int { unsigned: true, .. } => Cell::UInt(cas),
            _ => Cell::Int(cas as i64),
        }
    }

    /// A deadline beyond the column's range ends with the range.
    pub(super) fn expiry_cell(&self, column: usize, deadline: i64) -> Cell<'static> {
        let deadline = deadline.max(0);
        match self.table.columns[column].kind {
            ColumnKind::Int { bytes: 4, unsigned: true } => Cell::UInt(deadline.min(i64::from(u32::MAX)) as u64),
            ColumnKind::Int { unsigned: true, .. } => Cell::UInt(deadline as u64),
            ColumnKind::Int { bytes: 4, .. } => Cell::Int(deadline.min(i64::from(i32::MAX))),
            _ => Cell::Int(deadline),
        }
    }
}
