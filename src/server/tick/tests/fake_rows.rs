//! Rows in memory that fail as a script says.

use crate::rows::{Cell, Column, ColumnKind, Error, Index, Mode, Result, Rows, Table};
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::ops::Bound;

/// A table `k, v` in memory with one transaction at a time, and a script of failures.
#[derive(Default)]
pub(super) struct FakeRows {
    pub(super) committed: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) pending: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) current: Option<Vec<u8>>,
    pub(super) active: Option<Mode>,
    /// Keys in the order in which they were locked, a `-` at each rollback, a `+` at each commit.
    pub(super) trace: Vec<String>,
    /// Deadlocks to come while more than `alone` keys are locked in the transaction.
    pub(super) deadlocks: u32,
    pub(super) alone: usize,
    pub(super) locked: usize,
    /// A key that somebody else holds.
    pub(super) held: Option<Vec<u8>>,
    /// Commits that fail.
    pub(super) fail_commits: u32,
    /// Whether rows can be written together.
    pub(super) together: bool,
    /// A value that the table refuses.
    pub(super) refused: Option<Vec<u8>>,
    /// The table is altered under the next rows that are written together, which forbids it from then on.
    pub(super) altered: bool,
    pub(super) killed: bool,
}

impl FakeRows {
    fn key(cell: Cell<'_>) -> Vec<u8> {
        match cell {
            Cell::Bytes(bytes) => bytes.to_vec(),
            other => panic!("{other:?} is no key"),
        }
    }

    fn write(&mut self, key: Vec<u8>, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        assert!(self.active.is_some_and(|mode| mode.read_write), "a write in a read-only transaction");
        let value = cells.iter().find(|(column, _)| *column == 1).map(|(_, cell)| FakeRows::key(*cell));
        let value = value.expect("a value");
        if self.refused.as_ref() == Some(&value) {
            return Err(Error::Constraint("CHECK says no".into()));
        }
        self.pending.insert(key, value);
        Ok(())
    }

    /// What the next lock comes to.
    fn lock(&mut self, key: &Vec<u8>) -> Result<()> {
        self.locked += 1;
        if self.locked > self.alone && self.deadlocks > 0 {
            self.deadlocks -= 1;
            return Err(Error::Deadlock);
        }
        if self.held.as_ref() == Some(key) {
            return Err(Error::LockTimeout);
        }
        Ok(())
    }
}

impl Rows for FakeRows {
    fn begin(&mut self, mode: Mode) -> Result<()> {
        assert!(self.active.is_none(), "two transactions");
        self.pending = self.committed.clone();
        self.active = Some(mode);
        self.locked = 0;
        Ok(())
    }

    fn active(&self) -> bool {
        self.active.is_some()
    }

    fn describe(&mut self, path: &CStr) -> Result<Vec<Column>> {
        let column = |name: &str| Column {
            name: name.into(),
            kind: ColumnKind::VarBinary,
            not_null: false,
            max_bytes: 250,
            has_default: false,
            generated: false,
        };
        Ok(match path.to_bytes() {
            b"innodb_memcache/containers" => {
                let names = "name db_schema db_table key_columns value_columns flags cas_column expire_time_column unique_idx_name_on_key";
                names.split(' ').map(column).collect()
            }
            b"innodb_memcache/cache_policies" => {
                ["get_policy", "set_policy", "delete_policy", "flush_policy"].map(column).into()
            }
            b"innodb_memcache/config_options" => ["name", "value"].map(column).into(),
            _ => vec![Column { not_null: true, ..column("k") }, column("v")],
        })
    }

    fn describe_index(&mut self, _: &CStr, _: &CStr) -> Result<Index> {
        Ok(Index { columns: vec!["k".into()], unique: true, clustered: true })
    }

    fn read(&mut self, _: &Table, key: Cell<'_>) -> Result<bool> {
        let key = FakeRows::key(key);
        let found = self.pending.contains_key(&key);
        self.current = Some(key);
        Ok(found)
    }

    fn read_for_update(&mut self, table: &Table, key: Cell<'_>) -> Result<bool> {
        let bytes = FakeRows::key(key);
        self.trace.push(String::from_utf8(bytes.clone()).unwrap());
        self.lock(&bytes)?;
        self.read(table, key)
    }

    fn bytes(&self, table: &Table, column: usize) -> Option<&[u8]> {
        if table.id == 0 && table.path.to_bytes() == b"innodb_memcache/containers" {
            return Some([&b"default"[..], b"db", b"t", b"k", b"v", b"0", b"0", b"0", b"PRIMARY"][column]);
        }
        self.pending.get(self.current.as_ref()?).map(Vec::as_slice)
    }

    fn int(&self, _: &Table, _: usize) -> Option<i128> {
        None
    }

    fn insert(&mut self, _: &Table, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        let key = cells.iter().find(|(column, _)| *column == 0).map(|(_, cell)| FakeRows::key(*cell));
        self.write(key.expect("a key"), cells)
    }

    fn update(&mut self, _: &Table, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        let key = self.current.clone().expect("a current row");
        self.write(key, cells)
    }

    fn upserts(&self, _: &Table) -> bool {
        self.together
    }

    fn upsert(&mut self, _: &Table, rows: usize, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        let rows: Vec<_> = cells.chunks(cells.len() / rows).collect();
        let keys: Vec<_> =
            rows.iter().map(|row| FakeRows::key(row.iter().find(|(column, _)| *column == 0).unwrap().1)).collect();
        let names: Vec<_> = keys.iter().map(|key| String::from_utf8_lossy(key)).collect();
        self.trace.push(format!("[{}]", names.join(" ")));
        if std::mem::take(&mut self.killed) {
            return Err(Error::Interrupted);
        }
        let before = self.pending.clone();
        for (key, row) in keys.into_iter().zip(rows) {
            if let Err(error) = self.lock(&key).and_then(|()| self.write(key, row)) {
                self.pending = before;
                return Err(error);
            }
        }
        if std::mem::take(&mut self.altered) {
            self.together = false;
            return Err(Error::Altered);
        }
        Ok(())
    }

    fn delete(&mut self, _: &Table) -> Result<()> {
        self.pending.remove(self.current.as_ref().expect("a current row"));
        Ok(())
    }

    fn seek(&mut self, table: &Table, _: Bound<Cell<'_>>) -> Result<bool> {
        Ok(table.id == 0)
    }

    fn next(&mut self, _: &Table) -> Result<bool> {
        Ok(false)
    }

    fn truncate(&mut self, _: &Table) -> Result<()> {
        assert!(self.active.is_none(), "flush inside a transaction");
        self.trace.push("flush".into());
        self.committed.clear();
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        let mode = self.active.take().expect("a transaction");
        if mode.read_write {
            self.trace.push("+".into());
            if self.fail_commits > 0 {
                self.fail_commits -= 1;
                return Err(Error::Engine("the disk is gone".into()));
            }
            self.committed = std::mem::take(&mut self.pending);
        }
        Ok(())
    }

    fn rollback(&mut self) {
        if self.active.take().is_some_and(|mode| mode.read_write) {
            self.trace.push("-".into());
        }
    }
}
