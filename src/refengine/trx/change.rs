//! Changes of rows, with the entries of secondary indexes that follow.

use super::{Last, Trx, Undo};
use crate::refengine::codec;
use crate::refengine::error::{Error, Result};
use crate::refengine::found::FoundRow;
use crate::refengine::lock::LockMode;
use crate::refengine::mdl;
use crate::refengine::storage::{Size, Slice, Value};
use crate::refengine::table::Table;
use std::sync::Arc;

/// What became of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Updated {
    Changed,
    /// The row was the same already.
    Same,
    /// There is no such row.
    Missing,
}

impl Trx {
    /// Inserts a row.
    pub(crate) fn insert(&mut self, guard: &mdl::Shared, row: &[u8]) -> Result<()> {
        self.check_writable()?;
        let table = guard.table();
        let used = self.hold_guarded(guard)?;
        let mut key = std::mem::take(&mut self.key);
        let checked =
            codec::primary_key(&mut key, table.def(), row).and_then(|()| self.lock_absent(table, 0, &key, row));
        let pk = Slice::new(&key);
        self.key = key;
        checked?;
        let entries = self.index_entries(table, None, Some((&pk, row)))?;
        let growth = Size::of_row(&pk, row);
        self.put_row(used, self.core.hash(&pk), &pk, row, growth);
        self.put_all(used, entries);
        Ok(())
    }

    /// Replaces the row with primary key `old_pk`.
    pub(crate) fn update(&mut self, guard: &mdl::Shared, old_pk: &[u8], row: &[u8]) -> Result<Updated> {
        self.check_writable()?;
        let table = guard.table();
        let used = self.hold_guarded(guard)?;
        let old = match self.read_locked(table, old_pk)? {
            None => return Ok(Updated::Missing),
            Some(old) if *old == *row => return Ok(Updated::Same),
            Some(old) => old,
        };
        let mut key = std::mem::take(&mut self.key);
        let checked = codec::primary_key(&mut key, table.def(), row)
            .and_then(|()| if key == old_pk { Ok(()) } else { self.lock_absent(table, 0, &key, row) });
        let (pk, moved) = (Slice::new(&key), key != old_pk);
        self.key = key;
        checked?;
        let old_pk = if moved { Slice::new(old_pk) } else { pk.clone() };
        let entries = self.index_entries(table, Some((&old_pk, &old)), Some((&pk, row)))?;
        let mut growth = Size::of_row(&pk, row);
        growth += Size::of_row(&old_pk, &old).negative();
        if moved {
            self.put(used, self.core.hash(&old_pk), &old_pk, Value::Deleted, Size::default());
        }
        self.put_row(used, self.core.hash(&pk), &pk, row, growth);
        self.put_all(used, entries);
        Ok(Updated::Changed)
    }

    /// Replaces a row that was `found` under the primary key `pk` by one that has the same values in the columns of every index.
    pub(crate) fn replace(&mut self, guard: &mdl::Shared, pk: &[u8], found: &FoundRow, row: &[u8]) -> Result<Updated> {
        self.check_writable()?;
        let used = self.hold_guarded(guard)?;
        match (self.last.take(), found.bytes()) {
            // It was locked when it was found, and so is still what was found: its indexes need no look.
            (Some(Last { key, hash, read, .. }), Some(old)) if read == found.read => {
                if old == row {
                    return Ok(Updated::Same);
                }
                let growth = Size { rows: 0, bytes: row.len() as i64 - old.len() as i64 };
                self.put_row(used, hash, &key, row, growth);
                Ok(Updated::Changed)
            }
            _ => self.update(guard, pk, row),
        }
    }

    /// Deletes the row with primary key `pk`. `false`: there is none.
    pub(crate) fn delete(&mut self, guard: &mdl::Shared, pk: &[u8]) -> Result<bool> {
        self.check_writable()?;
        let table = guard.table();
        let used = self.hold_guarded(guard)?;
        let Some(old) = self.read_locked(table, pk)? else { return Ok(false) };
        let pk = Slice::new(pk);
        let entries = self.index_entries(table, Some((&pk, &old)), None)?;
        let growth = Size::of_row(&pk, &old).negative();
        self.put(used, self.core.hash(&pk), &pk, Value::Deleted, growth);
        self.put_all(used, entries);
        Ok(true)
    }

    /// Locks a key that is to be new.
    fn lock_absent(&mut self, table: &Arc<Table>, index: usize, key: &[u8], row: &[u8]) -> Result<()> {
        if self.read_locked(table, key)?.is_none() {
            return Ok(());
        }
        let def = table.def();
        let name = index.checked_sub(1).and_then(|i| def.indexes.get(i)).map_or("PRIMARY", |x| &x.name);
        let key = codec::key_text(def, index, row);
        Err(Error::DuplicateKey { table: def.name.clone(), index: name.into(), key })
    }

    /// Locks and lists what has to change in the secondary indexes when a row becomes another.
    fn index_entries(
        &mut self,
        table: &Arc<Table>,
        old: Option<(&Slice, &[u8])>,
        new: Option<(&Slice, &[u8])>,
    ) -> Result<Vec<(Slice, Option<Slice>)>> {
        let mut entries = Vec::new();
        for index in 1..=table.def().indexes.len() {
            let encode = |side: Option<(&Slice, &[u8])>| -> Result<Option<(Slice, bool)>> {
                let Some((pk, row)) = side else { return Ok(None) };
                let mut key = Vec::new();
                let unique = codec::secondary_key(&mut key, table.def(), index, row, pk)?;
                Ok(Some((Slice::from(key), unique)))
            };
            let (old_key, new_key) = (encode(old)?, encode(new)?);
            let same = match (&old_key, &new_key) {
                (Some((a, _)), Some((b, _))) => a == b,
                _ => false,
            };
            if let Some((key, _)) = old_key
                && !same
            {
                self.lock_key(table.id(), &key, LockMode::Exclusive)?;
                entries.push((key, None));
            }
            if let (Some((key, unique)), Some((pk, row))) = (new_key, new) {
                if same && old.is_some_and(|(old_pk, _)| old_pk == pk) {
                    continue;
                }
                if unique && !same {
                    self.lock_absent(table, index, &key, row)?;
                } else {
                    self.lock_key(table.id(), &key, LockMode::Exclusive)?;
                }
                entries.push((key, Some(pk.clone())));
            }
        }
        Ok(entries)
    }

    fn put_all(&mut self, used: usize, entries: Vec<(Slice, Option<Slice>)>) {
        for (key, value) in entries {
            self.put(used, self.core.hash(&key), &key, Value::of(value.as_ref()), Size::default());
        }
    }

    fn put_row(&mut self, used: usize, hash: u64, key: &[u8], row: &[u8], growth: Size) {
        Value::lend(Some(row), |value| self.put(used, hash, key, value, growth));
    }

    /// Puts a key's new value into the write set of a table in use.
    fn put(&mut self, used: usize, hash: u64, key: &[u8], value: Value<'_>, growth: Size) {
        let Some(table) = self.uses.get_mut(used) else { return };
        if !table.shown {
            table.guard.table().pending().add(&table.writes);
            table.shown = true;
        }
        self.last = None;
        self.wrote = true;
        table.growth += growth;
        if self.by_sql {
            let before = table.writes.get(hash, key);
            self.undo.push(Undo { table: used, key: Slice::new(key), before, growth });
        }
        table.writes.put(hash, key, value);
    }
}
