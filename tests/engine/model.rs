//! Random operations against a map, with rollbacks, statement rollbacks, truncation and reopening.

use crate::common::random::Random;
use crate::support::*;
use crate::tables::errno;
use Isolation::{ReadCommitted, ReadUncommitted, RepeatableRead, Serializable};
use daemon_memcached::refengine::{
    Engine, IndexDef, Isolation, KeyRange, Row, RowLock, Savepoint, Table, Transaction, Value,
};
use std::collections::BTreeMap;
use std::sync::Arc;

type Model = BTreeMap<i64, Row>;

/// Options with which the engine keeps little in memory, so that it reads what it wrote.
const SMALL: [(&str, &str); 2] = [("innodb_flush_log_at_trx_commit", "0"), ("innodb_buffer_pool_size", "5242880")];

/// A transaction and what the table is in it, now and at the last savepoint.
struct Both<'t> {
    trx: Transaction,
    table: &'t Arc<Table>,
    model: Model,
    saved: (Savepoint, Model),
}

impl Both<'_> {
    fn operation(&mut self, random: &mut Random) {
        let id = random.below(40) as i64;
        let u = (random.below(3) > 0).then(|| random.below(60) as i64);
        let new = row(id, &"x".repeat(random.below(90) as usize), u);
        match random.below(6) {
            0 | 1 => self.insert(id, new),
            2 => self.update(random.below(40) as i64, id, new),
            3 => {
                self.trx.delete(self.table, &row(id, "", None)).unwrap();
                self.model.remove(&id);
            }
            4 => {
                let lock = [RowLock::None, RowLock::Shared, RowLock::Exclusive][random.below(3) as usize];
                assert_eq!(self.trx.get(self.table, &[Value::Int(id)], lock).unwrap().as_ref(), self.model.get(&id));
            }
            _ if random.below(2) == 0 => self.saved = (self.trx.savepoint(), self.model.clone()),
            _ => {
                self.trx.rollback_to(self.saved.0);
                self.model = self.saved.1.clone();
            }
        }
    }

    /// Whether another row than `but` has the unique column of `new`.
    fn is_taken(&self, new: &Row, but: i64) -> bool {
        new[2] != Value::Null && self.model.iter().any(|(other, row)| *other != but && row[2] == new[2])
    }

    fn insert(&mut self, id: i64, new: Row) {
        let expected = if self.model.contains_key(&id) || self.is_taken(&new, -1) { 1062 } else { 0 };
        assert_eq!(errno(self.trx.insert(self.table, new.clone())), expected);
        if expected == 0 {
            self.model.insert(id, new);
        }
    }

    fn update(&mut self, old: i64, id: i64, new: Row) {
        let got = self.trx.update(self.table, &row(old, "", None), new.clone());
        match self.model.get(&old) {
            None => assert_eq!(got, Ok(false)),
            Some(before) if *before == new => assert_eq!(got, Ok(false)),
            Some(_) if (old != id && self.model.contains_key(&id)) || self.is_taken(&new, old) => {
                assert_eq!(errno(got), 1062);
            }
            Some(_) => {
                assert_eq!(got, Ok(true));
                self.model.remove(&old);
                self.model.insert(id, new);
            }
        }
    }

    /// Reads everything by each index.
    fn compare(&mut self, engine: &Engine, reverse: bool) {
        let expected: Vec<Row> = self.model.values().cloned().collect();
        let mut rows = scan(&mut self.trx, engine, None, &KeyRange::all(), reverse);
        if reverse {
            rows.reverse();
        }
        assert_eq!(rows, expected);
        let mut by_index = ids(&scan(&mut self.trx, engine, Some(0), &KeyRange::all(), reverse));
        by_index.sort();
        assert_eq!(by_index, ids(&expected));
        // Rows with the same text come by their ids, all of them when it is asked for.
        let text = |row: &Row| match &row[1] {
            Value::Bytes(text) => text.clone(),
            other => panic!("{other:?} is no text"),
        };
        let mut by_text = expected.clone();
        by_text.sort_by_key(text);
        if let Some(first) = by_text.first() {
            let same: Vec<Row> = by_text.iter().filter(|row| row[1] == first[1]).cloned().collect();
            let range = KeyRange::prefix(vec![first[1].clone()]);
            assert_eq!(scan(&mut self.trx, engine, Some(1), &range, false), same);
        }
        if reverse {
            by_text.reverse();
        }
        assert_eq!(scan(&mut self.trx, engine, Some(1), &KeyRange::all(), reverse), by_text);
    }
}

#[test]
fn the_engine_agrees_with_a_map() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = with_table(dir.path(), &SMALL);
    engine.drop_table("db", "t").unwrap();
    let mut def = simple("db", "t");
    def.indexes.push(IndexDef { name: "v".into(), columns: vec![1], unique: false });
    engine.create_table(def).unwrap();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut committed = Model::new();
    for round in 0..300 {
        println!("round {round}");
        let table = engine.table("db", "t").unwrap();
        let level = [ReadUncommitted, ReadCommitted, RepeatableRead, Serializable][random.below(4) as usize];
        let mut trx = engine.begin(level, true);
        let saved = (trx.savepoint(), committed.clone());
        let mut both = Both { trx, table: &table, model: committed.clone(), saved };
        for _ in 0..random.below(20) {
            both.operation(&mut random);
        }
        both.compare(&engine, random.below(2) == 0);
        if random.below(3) == 0 {
            both.trx.rollback();
        } else {
            both.trx.commit().unwrap();
            committed = both.model;
        }
        assert_eq!(table.size().0, committed.len() as u64);
        assert_eq!(table.size().1 > 0, !committed.is_empty());
        drop(table);
        match random.below(40) {
            0 => {
                engine.truncate_table("db", "t").unwrap();
                committed.clear();
            }
            1 => {
                engine.close().unwrap();
                engine = open(dir.path(), &SMALL);
            }
            2 => {
                drop(engine);
                engine = open(dir.path(), &SMALL);
            }
            _ => {}
        }
    }
}
