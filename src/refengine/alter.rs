//! ALTER TABLE: a new table with the rows of the old one takes its place.
//!
//! The rows are copied while the table is held exclusively, in durable batches into a keyspace that the catalog does not name
//! yet. Naming it is one atomic step, as for TRUNCATE: a crash before it leaves the old table and a keyspace that the next
//! open deletes, a crash behind it the new table.

use super::catalog::Ddl;
use super::codec;
use super::error::{Error, Result};
use super::span::Span;
use super::storage::{Change, Keyspace, Size, Slice, Storage};
use super::table::Table;
use super::transaction::{decode, encode};
use super::types::{Row, TableDef};
use std::collections::HashMap;

/// Rows go to the storage in batches of about this many bytes.
const BATCH: usize = 4 << 20;

/// Makes the new table and fills it. On failure nothing is left of it.
pub(crate) fn copy(
    ddl: &mut Ddl<'_>,
    storage: &Storage,
    old: &Table,
    def: TableDef,
    convert: &mut dyn FnMut(Row) -> Result<Row>,
) -> Result<Table> {
    let new = ddl.new_table(def)?;
    match copy_rows(storage, old, &new, convert) {
        Ok(()) => Ok(new),
        Err(error) => {
            if let Err(left) = storage.delete_keyspace(new.keyspace().clone()) {
                log::warn!(
                    "DM2001: refengine: the files of a table that could not be altered stay until the next start: {left}"
                );
            }
            Err(error)
        }
    }
}

fn copy_rows(storage: &Storage, old: &Table, new: &Table, convert: &mut dyn FnMut(Row) -> Result<Row>) -> Result<()> {
    let view = storage.snapshot();
    let mut batch =
        Batch { storage, keyspace: new.keyspace(), entries: HashMap::new(), growth: Size::default(), bytes: 0 };
    let rows = Span::index(0);
    for entry in view.range(old.keyspace(), &rows.start, &rows.end, false) {
        let (_, row) = entry?;
        let row = encode(new.def(), &convert(decode(old.def(), &row)?)?)?;
        let mut key = Vec::new();
        codec::primary_key(&mut key, new.def(), &row)?;
        let pk = Slice::from(key);
        batch.insert(new.def(), 0, pk.clone(), &row, row.clone())?;
        batch.growth += Size::of_row(&pk, &row);
        for index in 1..=new.def().indexes.len() {
            let mut key = Vec::new();
            codec::secondary_key(&mut key, new.def(), index, &row, &pk)?;
            batch.insert(new.def(), index, Slice::from(key), &row, pk.clone())?;
        }
        if batch.bytes >= BATCH {
            batch.write()?;
        }
    }
    batch.write()
}

struct Batch<'a> {
    storage: &'a Storage,
    keyspace: &'a Keyspace,
    entries: HashMap<Slice, Slice>,
    growth: Size,
    bytes: usize,
}

impl Batch<'_> {
    fn insert(&mut self, def: &TableDef, index: usize, key: Slice, row: &[u8], value: Slice) -> Result<()> {
        if self.entries.contains_key(&key) || self.keyspace.get(&key)?.is_some() {
            let name = index.checked_sub(1).and_then(|i| def.indexes.get(i)).map_or("PRIMARY", |index| &index.name);
            let key = codec::key_text(def, index, row);
            return Err(Error::DuplicateKey { table: def.name.clone(), index: name.into(), key });
        }
        self.bytes += key.len() + value.len();
        self.entries.insert(key, value);
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        self.bytes = 0;
        let change = |(key, value)| Change { keyspace: self.keyspace.clone(), key, value: Some(value) };
        let changes: Vec<Change> = self.entries.drain().map(change).collect();
        let grown = (self.keyspace.clone(), std::mem::take(&mut self.growth));
        if changes.is_empty() { Ok(()) } else { self.storage.commit_durably(changes, &[grown]) }
    }
}
