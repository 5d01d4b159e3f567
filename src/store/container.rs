//! A container: the mapping of keys, values, flags, cas and expiry to the columns of one table.

use super::{Failure, Item, Policies, value};
use crate::rows::{Cell, Column, ColumnKind, Error, Rows, Table};
use std::borrow::Cow;
use std::ffi::CString;
use std::sync::atomic::{AtomicBool, Ordering};

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
    /// cas column; likewise.
    pub cas: String,
    /// Expiry column; likewise.
    pub expiry: String,
    /// Unique index on the key column.
    pub index: String,
}

/// A checked container. Columns are positions in `table.columns`.
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
    pub(super) policies: Policies,
    /// Whether the log knows that clients' exptimes are ignored here.
    exptime_said: AtomicBool,
}

impl Container {
    /// The database of its table.
    pub fn database(&self) -> Cow<'_, str> {
        let path = self.table.path.to_bytes();
        String::from_utf8_lossy(path.split(|byte| *byte == b'/').next().unwrap_or_default())
    }

    /// Checks a row of the containers table against the table it names, inside a transaction.
    ///
    /// # Errors
    /// A sentence that names the container, the column and the rule.
    pub fn check<R: Rows>(
        rows: &mut R,
        row: &ContainerRow,
        id: usize,
        policies: Policies,
    ) -> Result<Container, String> {
        Checker { row, columns: describe(rows, row)? }.run(rows, id, policies)
    }

    /// Says once that an exptime is ignored, where there is no column for it.
    pub(super) fn note_exptime(&self, exptime: i64) {
        if exptime != 0 && self.expiry.is_none() && !self.exptime_said.swap(true, Ordering::Relaxed) {
            log::info!(
                "container {}: exptimes are ignored, because it has no expire_time_column; this is said once",
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
            ColumnKind::Int { bytes, unsigned } => value::int_cell(key, bytes, unsigned),
            _ => Some(Cell::Bytes(key)),
        }
    }

    /// Where memory keeps an item: the container's number and the key as memory spells it.
    pub(super) fn memory_address<'k>(&self, key: &'k [u8]) -> (u32, Cow<'k, [u8]>) {
        (self.table.id as u32, self.memory_key(key))
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
        match column == self.table.key {
            true => Err(Failure::Client("the flags select the key column, which cannot be changed".into())),
            false => Ok(column),
        }
    }

    /// The column that incr and decr change: the one that the row's flags select.
    pub(super) fn counter_column<R: Rows>(&self, rows: &R) -> Result<usize, Failure> {
        self.selected(self.flags_of(rows))
    }

    /// Whether the current row has not expired at Unix time `now`.
    pub(super) fn is_live<R: Rows>(&self, rows: &R, now: i64) -> bool {
        let Some(column) = self.expiry else { return true };
        match rows.int(&self.table, column) {
            None | Some(0) => true,
            Some(deadline) => deadline > i128::from(now),
        }
    }

    /// The current row as an item, its cas number only `with_cas`; `scratch` holds the value where it is not in one column.
    pub(super) fn item<'r, R: Rows>(
        &self,
        rows: &'r R,
        with_cas: bool,
        separator: &[u8],
        scratch: &'r mut Vec<u8>,
    ) -> Item<'r> {
        let flags = self.flags_of(rows);
        let cas = if with_cas { self.cas_of(rows) } else { 0 };
        let deadline = self.expiry.and_then(|column| rows.int(&self.table, column)).unwrap_or(0);
        let deadline = i64::try_from(deadline).unwrap_or(i64::MAX);
        if let [column] = self.values[..]
            && let Some(value) = value::plain(rows, self, column)
        {
            return Item { flags, cas, deadline, value };
        }
        scratch.clear();
        value::join(rows, self, separator, scratch);
        Item { flags, cas, deadline, value: scratch }
    }

    pub(super) fn flags_of<R: Rows>(&self, rows: &R) -> u32 {
        self.flags.and_then(|column| rows.int(&self.table, column)).unwrap_or(0) as u32
    }

    /// The cas number of the current row. Without a cas column it is a digest of what the client can see of the row, so that
    /// a change by anybody, SQL included, changes it.
    pub(super) fn cas_of<R: Rows>(&self, rows: &R) -> u64 {
        match self.cas {
            Some(column) => rows.int(&self.table, column).unwrap_or(0) as u64,
            None => self.digest(rows),
        }
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

    /// Likewise for the 64 bits of a cas number.
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

fn describe<R: Rows>(rows: &mut R, row: &ContainerRow) -> Result<Vec<Column>, String> {
    for (what, name) in [("db_schema", &row.schema), ("db_table", &row.table), ("key_columns", &row.key)] {
        if name.is_empty() {
            return Err(format!("container {}: {what} is empty; it is required", row.name));
        }
    }
    let path = path(row)?;
    rows.describe(&path).map_err(|error| match error {
        Error::NotFound(_) => {
            format!("container {}: table {}.{} not found or not a base table", row.name, row.schema, row.table)
        }
        other => format!("container {}: {other}", row.name),
    })
}

fn path(row: &ContainerRow) -> Result<CString, String> {
    CString::new(format!("{}/{}", row.schema, row.table))
        .map_err(|_| format!("container {}: db_schema and db_table must not contain NUL", row.name))
}

/// The rules of the manual, one method each.
struct Checker<'r> {
    row: &'r ContainerRow,
    columns: Vec<Column>,
}

impl Checker<'_> {
    fn run<R: Rows>(self, rows: &mut R, id: usize, policies: Policies) -> Result<Container, String> {
        let key = self.key()?;
        let values = self.values(key)?;
        let flags = self.optional("flags", &self.row.flags, 4)?;
        let cas = self.optional("cas_column", &self.row.cas, 8)?;
        let expiry = self.optional("expire_time_column", &self.row.expiry, 4)?;
        let written = values.iter().copied().filter(|column| *column != key);
        let mapped: Vec<usize> =
            [key].into_iter().chain(written).chain([flags, cas, expiry].into_iter().flatten()).collect();
        self.distinct(&mapped)?;
        self.unmapped(&mapped)?;
        let index = self.index(rows)?;
        let policies = self.policies(key, policies);
        let table = Table::new(id, path(self.row)?, index, self.columns, key);
        Ok(Container {
            name: self.row.name.clone(),
            table,
            values,
            flags,
            cas,
            expiry,
            policies,
            exptime_said: AtomicBool::new(false),
        })
    }

    /// Memory compares keys byte by byte. Where the table may not (`foo` and `FOO` can be one key), memory is not used.
    fn policies(&self, key: usize, policies: Policies) -> Policies {
        let kind = self.columns[key].kind;
        let binary = matches!(kind, ColumnKind::Int { .. } | ColumnKind::Binary | ColumnKind::VarBinary);
        if binary || !policies.use_memory() {
            return policies;
        }
        log::info!(
            "container {}: the cache policies do not apply, because the key column {} is neither INT, BINARY nor VARBINARY",
            self.row.name,
            self.row.key
        );
        policies.without_memory()
    }

    fn refuse<T>(&self, text: String) -> Result<T, String> {
        Err(format!("container {}: {text}", self.row.name))
    }

    fn find(&self, what: &str, name: &str) -> Result<usize, String> {
        match self.columns.iter().position(|column| column.name == name) {
            Some(i) if self.columns[i].generated => {
                self.refuse(format!("{what} names generated column {name}, which cannot be written"))
            }
            Some(i) => Ok(i),
            None => self.refuse(format!(
                "{what} names column {name}, which table {}.{} does not have",
                self.row.schema, self.row.table
            )),
        }
    }

    fn key(&self) -> Result<usize, String> {
        let i = self.find("key_columns", &self.row.key)?;
        let column = &self.columns[i];
        if matches!(column.kind, ColumnKind::Blob | ColumnKind::Other) {
            return self
                .refuse(format!("key column {} must be CHAR, VARCHAR, BINARY, VARBINARY or an integer", column.name));
        }
        Ok(i)
    }

    /// The key column may be among them: it is part of what a client reads, and writes leave it alone.
    fn values(&self, key: usize) -> Result<Vec<usize>, String> {
        let names = self.row.values.split([' ', ';', ',', '|', '\n']).filter(|name| !name.is_empty());
        let values = names.map(|name| self.value(name)).collect::<Result<Vec<_>, _>>()?;
        match values.iter().all(|column| *column == key) {
            true if values.is_empty() => self.refuse("value_columns is empty; at least one column is required".into()),
            true => self.refuse("value_columns needs a column besides the key column".into()),
            false => Ok(values),
        }
    }

    fn value(&self, name: &str) -> Result<usize, String> {
        let i = self.find("value_columns", name)?;
        match self.columns[i].kind {
            ColumnKind::Other => self.refuse(format!(
                "value column {name} must be CHAR, VARCHAR, BINARY, VARBINARY, a TEXT or BLOB type or an integer"
            )),
            _ => Ok(i),
        }
    }

    fn optional(&self, what: &str, name: &str, bytes_min: u8) -> Result<Option<usize>, String> {
        if name.is_empty() || name == "0" {
            return Ok(None);
        }
        // The manual's own scripts name absent columns here; an absent name means unused.
        if !self.columns.iter().any(|column| column.name == name) {
            return Ok(None);
        }
        let i = self.find(what, name)?;
        match self.columns[i].kind {
            ColumnKind::Int { bytes, .. } if bytes >= bytes_min => Ok(Some(i)),
            _ => self.refuse(format!(
                "{what} names column {name}, which must be an integer of at least {} bits",
                bytes_min * 8
            )),
        }
    }

    fn distinct(&self, mapped: &[usize]) -> Result<(), String> {
        let twice = mapped.iter().enumerate().find(|(at, column)| mapped[..*at].contains(column));
        match twice {
            Some((_, column)) => self.refuse(format!("column {} is mapped twice", self.columns[*column].name)),
            None => Ok(()),
        }
    }

    /// A new row could not fill such a column. (The callback table cannot tell a default.)
    fn unmapped(&self, mapped: &[usize]) -> Result<(), String> {
        let needed = self
            .columns
            .iter()
            .enumerate()
            .find(|(i, column)| column.not_null && !column.has_default && !mapped.contains(i));
        match needed {
            Some((_, column)) => {
                self.refuse(format!("column {} is NOT NULL but not mapped, so no row could be inserted", column.name))
            }
            None => Ok(()),
        }
    }

    /// The secondary index to search, `None` for the clustered one.
    fn index<R: Rows>(&self, rows: &mut R) -> Result<Option<CString>, String> {
        let name = &self.row.index;
        let Ok(c_name) = CString::new(name.as_str()) else {
            return self.refuse("unique_idx_name_on_key must not contain NUL".into());
        };
        let index = match rows.describe_index(&path(self.row)?, &c_name) {
            Ok(index) => index,
            Err(Error::NotFound(_)) => {
                return self.refuse(format!(
                    "unique_idx_name_on_key names index {name:?}, which table {}.{} does not have",
                    self.row.schema, self.row.table
                ));
            }
            Err(other) => return self.refuse(other.to_string()),
        };
        if !index.unique {
            return self.refuse(format!("index {name} is not unique"));
        }
        if index.columns != [self.row.key.as_str()] {
            return self.refuse(format!(
                "index {name} must be on column {} alone, not on ({})",
                self.row.key,
                index.columns.join(", ")
            ));
        }
        Ok((!index.clustered).then_some(c_name))
    }
}
