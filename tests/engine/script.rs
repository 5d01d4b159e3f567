//! The run that is disturbed: a list of operations, and the state after each.

use crate::support::*;
use daemon_memcached::refengine::{Engine, Error, IndexDef, KeyRange, Row, RowLock, Value};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

/// Tables and their rows by id.
pub type State = BTreeMap<String, BTreeMap<i64, Row>>;

/// One operation, which happens as a whole or not at all.
#[derive(Clone, Debug)]
pub enum Operation {
    CreateDatabase,
    CreateTable(&'static str),
    Rename(&'static str, &'static str),
    Truncate(&'static str),
    Drop(&'static str),
    /// ALTER TABLE.
    Alter(&'static str, Change),
    /// A transaction: table, id and length of the text, or `None` to delete.
    Commit(Vec<(&'static str, i64, Option<usize>)>),
    /// A clean close and an open.
    Reopen,
}

/// What ALTER TABLE does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// `w`, which few values share among all rows.
    AddColumn,
    /// On `w`, not unique.
    AddIndex,
    DropIndex,
}

use Operation::*;

/// Small commits, overwriting, more than fits into memory, each kind of DDL, and clean ends in between.
pub fn script() -> Vec<Operation> {
    let put = |table, id, length| (table, id, Some(length));
    let mut script = vec![CreateDatabase, CreateTable("t")];
    for n in 0..6 {
        script.push(Commit(vec![put("t", n, 20), put("t", 10 + n, 300), put("t", 100, 5)]));
    }
    script.push(Commit(vec![("t", 0, None), put("t", 20, 9)]));
    script.push(Reopen);
    script.extend([CreateTable("u"), Commit(vec![put("t", 21, 9), put("u", 1, 9), ("t", 1, None)])]);
    script.extend((0..8).map(|n| Commit(vec![put("u", n, 200_000), put("t", 100, n as usize)])));
    script.extend([Truncate("t"), Commit(vec![put("t", 1, 7), put("u", 1, 7)]), Rename("u", "w")]);
    script.extend((0..3).map(|n| Commit(vec![put("w", 50 + n, 3000), put("t", 2, 1)])));
    // ALTER copies more than fits into memory; rows change before and behind each step.
    script.extend([Alter("w", Change::AddColumn), Commit(vec![put("w", 3, 8), put("t", 2, 2)])]);
    script.extend([Alter("w", Change::AddIndex), Commit(vec![put("w", 51, 70), put("w", 70, 5), ("w", 4, None)])]);
    script.extend([Reopen, Commit(vec![put("w", 5, 9), put("w", 71, 7), ("w", 52, None)])]);
    script.extend([Alter("w", Change::DropIndex), Commit(vec![put("w", 6, 9)]), Alter("w", Change::AddIndex)]);
    script.extend([Drop("t"), Commit(vec![put("w", 2, 8)]), CreateTable("t"), Commit(vec![put("t", 3, 3)])]);
    script.extend([Reopen, Commit(vec![put("t", 4, 4), put("w", 60, 4)]), Reopen]);
    script
}

fn text(id: i64, number: usize, length: usize) -> String {
    format!("{id}:{number}:").chars().cycle().take(length).collect()
}

/// A row of a table of three or, with [`Change::AddColumn`], four columns.
fn new_row(number: usize, id: i64, length: usize, columns: usize) -> Row {
    let mut row = vec![Value::Int(id), Value::Bytes(text(id, number, length).into()), Value::Int(id), shared(id)];
    row.truncate(columns);
    row
}

/// What `w` is in the row with this id.
fn shared(id: i64) -> Value {
    if id % 4 == 0 { Value::Null } else { Value::Int(id % 3) }
}

/// The state after `number` operations, for each number from 0.
pub fn states(script: &[Operation]) -> Vec<State> {
    let mut all = vec![State::new()];
    let mut state = State::new();
    // Tables with the column `w`.
    let mut wide = Vec::new();
    for (number, operation) in script.iter().enumerate() {
        match operation {
            CreateDatabase | Reopen => {}
            CreateTable(name) => drop(state.insert(name.to_string(), BTreeMap::new())),
            Truncate(name) => state.get_mut(*name).unwrap().clear(),
            Drop(name) => drop(state.remove(*name)),
            Rename(from, to) => {
                let rows = state.remove(*from).unwrap();
                state.insert(to.to_string(), rows);
            }
            Alter(name, change) => {
                if *change == Change::AddColumn {
                    wide.push(*name);
                    let rows = state.get_mut(*name).unwrap();
                    rows.iter_mut().for_each(|(id, row)| row.push(shared(*id)));
                }
            }
            Commit(changes) => {
                for (table, id, length) in changes {
                    let columns = if wide.contains(table) { 4 } else { 3 };
                    let rows = state.get_mut(*table).unwrap();
                    match length {
                        Some(length) => drop(rows.insert(*id, new_row(number, *id, *length, columns))),
                        None => drop(rows.remove(id)),
                    }
                }
            }
        }
        all.push(state.clone());
    }
    all
}

/// Does operation `number`, which is not [`Reopen`].
pub fn apply(engine: &Engine, number: usize, operation: &Operation) -> Result<(), Error> {
    match operation {
        CreateDatabase => engine.create_database("db"),
        CreateTable(name) => {
            let mut def = simple("db", name);
            def.columns[1] = column("v", long_text());
            engine.create_table(def)
        }
        Rename(from, to) => engine.rename_table(("db", from), ("db", to)),
        Truncate(name) => engine.truncate_table("db", name),
        Drop(name) => engine.drop_table("db", name),
        Alter(name, change) => alter(engine, name, *change),
        Commit(changes) => {
            let mut trx = begin(engine);
            for (table, id, length) in changes {
                let table = engine.table("db", table)?;
                let columns = table.def().columns.len();
                let old = trx.get(&table, &[Value::Int(*id)], RowLock::Exclusive)?;
                match (old, length.map(|length| new_row(number, *id, length, columns))) {
                    (Some(old), Some(new)) => drop(trx.update(&table, &old, new)?),
                    (None, Some(new)) => trx.insert(&table, new)?,
                    (Some(old), None) => drop(trx.delete(&table, &old)?),
                    (None, None) => panic!("there is nothing to delete"),
                }
            }
            trx.commit()
        }
        Reopen => panic!("the caller's"),
    }
}

fn alter(engine: &Engine, name: &str, change: Change) -> Result<(), Error> {
    let table = engine.table("db", name)?;
    let mut def = table.def().clone();
    match change {
        Change::AddColumn => def.columns.push(column("w", int())),
        Change::AddIndex => def.indexes.push(IndexDef { name: "w".into(), columns: vec![3], unique: false }),
        Change::DropIndex => def.indexes.retain(|index| index.name != "w"),
    }
    let columns = def.columns.len();
    engine.alter_table(table.id(), def, &mut |mut row| {
        let Value::Int(id) = row[0] else { panic!("the key is an integer") };
        row.resize(columns, shared(id));
        Ok(row)
    })
}

fn long_text() -> daemon_memcached::refengine::ColumnType {
    daemon_memcached::refengine::ColumnType::Text { max_bytes: 4_294_967_295, name: "LONGTEXT" }
}

/// What an engine has. Rows must be found by every index.
pub fn read(engine: &Engine) -> Result<State, Error> {
    let mut state = State::new();
    for name in engine.tables("db").unwrap_or_default() {
        let table = engine.table("db", &name)?;
        let mut trx = begin(engine);
        let mut scan = |index| -> Result<BTreeMap<i64, Row>, Error> {
            let mut rows = BTreeMap::new();
            trx.scan(&table, index, &KeyRange::all(), false, RowLock::None, &mut |row| {
                let Value::Int(id) = row[0] else { panic!("the key is an integer") };
                rows.insert(id, row.clone());
                ControlFlow::Continue(())
            })?;
            Ok(rows)
        };
        let by_key = scan(None)?;
        for (at, index) in table.def().indexes.iter().enumerate() {
            if scan(Some(at))? != by_key {
                return Err(Error::Corrupt(format!("index {} of {name} disagrees with the rows", index.name)));
            }
        }
        state.insert(name, by_key);
    }
    Ok(state)
}

/// Opens what a crash left, and reads it.
pub fn recover(dir: &Path) -> Result<State, Error> {
    let engine = try_open(dir, &OPTIONS)?;
    let state = read(&engine)?;
    engine.close()?;
    Ok(state)
}

/// A small pool, so that memory fills up within the script.
pub const OPTIONS: [(&str, &str); 1] = [("innodb_buffer_pool_size", "5242880")];

/// What differs, in short.
pub fn difference(got: &State, expected: &State) -> String {
    let mut text = String::new();
    for name in got.keys().chain(expected.keys().filter(|name| !got.contains_key(*name))) {
        match (got.get(name), expected.get(name)) {
            (Some(_), None) => text += &format!("table {name} is there; "),
            (None, Some(_)) => text += &format!("table {name} is missing; "),
            (Some(got), Some(expected)) => {
                let missing: Vec<_> = expected.keys().filter(|id| !got.contains_key(id)).collect();
                let more: Vec<_> = got.keys().filter(|id| !expected.contains_key(id)).collect();
                let other: Vec<_> = got.keys().filter(|id| expected.get(id).is_some_and(|e| *e != got[id])).collect();
                if (missing.len(), more.len(), other.len()) != (0, 0, 0) {
                    text += &format!("{name}: missing {missing:?}, more {more:?}, other {other:?}; ");
                }
            }
            (None, None) => {}
        }
    }
    text
}
