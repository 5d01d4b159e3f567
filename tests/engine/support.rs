//! What the engine's test programs share: tables, values, waiting.

#![allow(dead_code)]

#[macro_use]
pub mod ib;

use daemon_memcached::refengine::{
    Charset, ColumnDef, ColumnType, Engine, Error, IndexDef, Isolation, KeyRange, Row, RowLock, TableDef, Transaction,
    Value,
};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

/// Longest any condition may take to come true.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn open(dir: &Path, options: &[(&str, &str)]) -> Engine {
    try_open(dir, options).expect("the engine opens")
}

pub fn try_open(dir: &Path, options: &[(&str, &str)]) -> Result<Engine, Error> {
    let options: Vec<_> = options.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Engine::open(dir, &options)
}

pub fn column(name: &str, ty: ColumnType) -> ColumnDef {
    let charset = match ty {
        ColumnType::Char { .. } | ColumnType::VarChar { .. } | ColumnType::Text { .. } => Charset::Utf8mb4,
        _ => Charset::Binary,
    };
    ColumnDef { name: name.into(), ty, charset, not_null: false, default: None }
}

pub fn int() -> ColumnType {
    ColumnType::Int { bytes: 4, unsigned: false }
}

/// `db.t (id INT PRIMARY KEY, v VARCHAR(100), u INT, UNIQUE KEY u (u))`.
pub fn simple(db: &str, name: &str) -> TableDef {
    TableDef {
        db: db.into(),
        name: name.into(),
        columns: vec![column("id", int()), column("v", ColumnType::VarChar { chars: 100 }), column("u", int())],
        primary_key: vec![0],
        indexes: vec![IndexDef { name: "u".into(), columns: vec![2], unique: true }],
    }
}

/// An engine in `dir` with the table `db.t` of [`simple`].
pub fn with_table(dir: &Path, options: &[(&str, &str)]) -> Engine {
    let engine = open(dir, options);
    engine.create_database("db").unwrap();
    engine.create_table(simple("db", "t")).unwrap();
    engine
}

pub fn row(id: i64, v: &str, u: Option<i64>) -> Row {
    vec![Value::Int(id), Value::Bytes(v.into()), u.map_or(Value::Null, Value::Int)]
}

pub fn begin(engine: &Engine) -> Transaction {
    engine.begin(Isolation::ReadCommitted, true)
}

/// Commits one row.
pub fn put(engine: &Engine, new: Row) {
    let mut trx = begin(engine);
    let t = engine.table("db", "t").unwrap();
    match trx.get(&t, &new[..1], RowLock::Exclusive).unwrap() {
        Some(old) => assert!(trx.update(&t, &old, new).unwrap()),
        None => trx.insert(&t, new).unwrap(),
    }
    trx.commit().unwrap();
}

pub fn remove(engine: &Engine, id: i64) {
    let mut trx = begin(engine);
    let t = engine.table("db", "t").unwrap();
    trx.delete(&t, &row(id, "", None)).unwrap();
    trx.commit().unwrap();
}

pub fn scan(trx: &mut Transaction, engine: &Engine, index: Option<usize>, range: &KeyRange, reverse: bool) -> Vec<Row> {
    let t = engine.table("db", "t").unwrap();
    let mut rows = Vec::new();
    trx.scan(&t, index, range, reverse, RowLock::None, &mut |row| {
        rows.push(row.clone());
        ControlFlow::Continue(())
    })
    .unwrap();
    rows
}

/// All rows of `db.t`, committed.
pub fn all(engine: &Engine) -> Vec<Row> {
    scan(&mut begin(engine), engine, None, &KeyRange::all(), false)
}

pub fn ids(rows: &[Row]) -> Vec<i64> {
    rows.iter()
        .map(|row| match row[0] {
            Value::Int(id) => id,
            _ => panic!("the key is an integer"),
        })
        .collect()
}

pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(1));
    }
}
