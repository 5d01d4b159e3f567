//! How a row of `innodb_memcache.containers` becomes a container: its rules, one method each.

use super::{Container, ContainerRow, Foreign, ReadColumns};
use crate::rows::{Column, ColumnKind, Error, Rows, Table};
use crate::store::error::{ContainerError, Rule};
use crate::store::{Policies, Policy};
use std::ffi::CString;
use std::sync::atomic::{AtomicBool, AtomicU64};

type Result<T> = std::result::Result<T, Rule>;

impl Container {
    /// The container of a row of the containers table, inside a transaction. One whose row breaks a rule knows which.
    pub(in crate::store) fn of_row<R: Rows>(
        rows: &mut R,
        row: &ContainerRow,
        id: usize,
        policies: Policies,
    ) -> Container {
        let mut container = check(rows, row, id, policies).unwrap_or_else(|rule| Container::refuse(row, id, rule));
        if container.policies.get == Policy::Caching {
            // No count is this one: what memory had of an earlier mapping goes.
            let foreign = |changes| Foreign { changes, seen: AtomicU64::new(u64::MAX) };
            container.foreign = rows.changes(&container.table.path).map(foreign);
        }
        container
    }

    /// One that refuses everything.
    #[cfg(test)]
    pub(in crate::store) fn refusing(name: &str, id: usize) -> Container {
        Container::refuse(&ContainerRow { name: name.into(), ..ContainerRow::default() }, id, Rule::NoValues)
    }

    fn refuse(row: &ContainerRow, id: usize, rule: Rule) -> Container {
        let column = Column {
            name: row.key.clone(),
            kind: ColumnKind::VarBinary,
            not_null: true,
            max_bytes: 0,
            has_default: false,
            generated: false,
        };
        Container {
            name: row.name.clone(),
            table: Table::new(id, path(row).unwrap_or_default(), None, vec![column], 0),
            values: vec![0],
            flags: None,
            cas: None,
            expiry: None,
            read: ReadColumns::default(),
            policies: Policies::default(),
            uses_memory: false,
            refused: Some(ContainerError { container: row.name.clone(), rule }),
            foreign: None,
            exptime_said: AtomicBool::new(false),
        }
    }
}

/// Checks a row against the table it names, inside a transaction.
///
/// # Errors
/// The rule that it breaks.
fn check<R: Rows>(rows: &mut R, row: &ContainerRow, id: usize, policies: Policies) -> Result<Container> {
    let path = path(row)?;
    let columns = rows.describe(&path).map_err(|error| match error {
        Error::NotFound(_) => Rule::NoTable(table_name(row)),
        other => Rule::Rows(other),
    })?;
    Checker { row, path, columns }.run(rows, id, policies)
}

/// The table that a row names as the host takes it.
fn path(row: &ContainerRow) -> Result<CString> {
    for (what, name) in [("db_schema", &row.schema), ("db_table", &row.table), ("key_columns", &row.key)] {
        if name.is_empty() {
            return Err(Rule::Empty(what));
        }
    }
    CString::new(format!("{}/{}", row.schema, row.table)).map_err(|_| Rule::Nul("db_schema or db_table"))
}

fn table_name(row: &ContainerRow) -> String {
    format!("{}.{}", row.schema, row.table)
}

struct Checker<'r> {
    row: &'r ContainerRow,
    path: CString,
    columns: Vec<Column>,
}

impl Checker<'_> {
    fn run<R: Rows>(self, rows: &mut R, id: usize, policies: Policies) -> Result<Container> {
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
        let read = self.read(&values, flags, cas, expiry);
        Ok(Container {
            name: self.row.name.clone(),
            table: Table::new(id, self.path, index, self.columns, key),
            values,
            flags,
            cas,
            expiry,
            read,
            policies,
            uses_memory: policies.use_memory(),
            refused: None,
            foreign: None,
            exptime_said: AtomicBool::new(false),
        })
    }

    fn read(&self, values: &[usize], flags: Option<usize>, cas: Option<usize>, expiry: Option<usize>) -> ReadColumns {
        let is_text = |column: &usize| !matches!(self.columns[*column].kind, ColumnKind::Int { .. });
        let is_unsigned = |column: Option<usize>| {
            column.is_some_and(|column| matches!(self.columns[column].kind, ColumnKind::Int { unsigned: true, .. }))
        };
        ReadColumns {
            value: if let [column] = values { Some(*column).filter(is_text) } else { None },
            unsigned_flags: is_unsigned(flags),
            unsigned_cas: is_unsigned(cas),
            unsigned_expiry: is_unsigned(expiry),
        }
    }

    /// Memory compares keys byte by byte. Where the table may not (`foo` and `FOO` can be one key), memory is not used.
    fn policies(&self, key: usize, policies: Policies) -> Policies {
        let kind = self.columns[key].kind;
        let binary = matches!(kind, ColumnKind::Int { .. } | ColumnKind::Binary | ColumnKind::VarBinary);
        if binary || !policies.use_memory() { policies } else { policies.without_memory() }
    }

    fn find(&self, what: &'static str, name: &str) -> Result<usize> {
        match self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name)) {
            Some(i) if self.columns[i].generated => Err(Rule::Generated { what, column: name.into() }),
            Some(i) => Ok(i),
            None => Err(Rule::NoColumn { what, column: name.into(), table: table_name(self.row) }),
        }
    }

    fn key(&self) -> Result<usize> {
        let i = self.find("key_columns", &self.row.key)?;
        let column = &self.columns[i];
        if matches!(column.kind, ColumnKind::Blob | ColumnKind::Enum | ColumnKind::Other) {
            return Err(Rule::KeyType(column.name.clone()));
        }
        Ok(i)
    }

    /// The key column may be among them: it is part of what a client reads, and writes leave it alone.
    fn values(&self, key: usize) -> Result<Vec<usize>> {
        let names = self.row.values.split([' ', ';', ',', '|', '\n']).filter(|name| !name.is_empty());
        let values = names.map(|name| self.value(name)).collect::<Result<Vec<_>>>()?;
        if values.is_empty() {
            Err(Rule::NoValues)
        } else if values.iter().all(|column| *column == key) {
            Err(Rule::KeyOnly)
        } else {
            Ok(values)
        }
    }

    fn value(&self, name: &str) -> Result<usize> {
        let i = self.find("value_columns", name)?;
        match self.columns[i].kind {
            ColumnKind::Enum | ColumnKind::Other => Err(Rule::ValueType(name.into())),
            _ => Ok(i),
        }
    }

    fn optional(&self, what: &'static str, name: &str, bytes_min: u8) -> Result<Option<usize>> {
        if name.is_empty() || name == "0" {
            return Ok(None);
        }
        // The manual's own scripts name absent columns here; an absent name means unused.
        if !self.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name)) {
            return Ok(None);
        }
        let i = self.find(what, name)?;
        match self.columns[i].kind {
            ColumnKind::Int { bytes, .. } if bytes >= bytes_min => Ok(Some(i)),
            _ => Err(Rule::Narrow { what, column: name.into(), bits: bytes_min * 8 }),
        }
    }

    fn distinct(&self, mapped: &[usize]) -> Result<()> {
        let twice = mapped.iter().enumerate().find(|(at, column)| mapped[..*at].contains(column));
        twice.map_or(Ok(()), |(_, column)| Err(Rule::Twice(self.columns[*column].name.clone())))
    }

    /// A new row could not fill such a column.
    fn unmapped(&self, mapped: &[usize]) -> Result<()> {
        let unfilled = |(i, column): &(usize, &Column)| column.not_null && !column.has_default && !mapped.contains(i);
        let needed = self.columns.iter().enumerate().find(unfilled);
        needed.map_or(Ok(()), |(_, column)| Err(Rule::Unfilled(column.name.clone())))
    }

    /// The secondary index to search, `None` for the clustered one.
    fn index<R: Rows>(&self, rows: &mut R) -> Result<Option<CString>> {
        let name = &self.row.index;
        let Ok(c_name) = CString::new(name.as_str()) else { return Err(Rule::Nul("unique_idx_name_on_key")) };
        let index = rows.describe_index(&self.path, &c_name).map_err(|error| match error {
            Error::NotFound(_) => Rule::NoIndex { index: name.clone(), table: table_name(self.row) },
            other => Rule::Rows(other),
        })?;
        if !index.unique {
            return Err(Rule::NotUnique(name.clone()));
        }
        if !matches!(&index.columns[..], [only] if only.eq_ignore_ascii_case(&self.row.key)) {
            let (key, columns) = (self.row.key.clone(), index.columns);
            return Err(Rule::OtherColumns { index: name.clone(), key, columns });
        }
        Ok((!index.clustered).then_some(c_name))
    }
}
