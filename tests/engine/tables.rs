//! The bundled engine through its Rust interface.

use crate::support::*;
use daemon_memcached::refengine::{ColumnType, Error, Isolation, KeyRange, Row, RowLock, TableDef, Value};
use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use Isolation::{ReadCommitted, ReadUncommitted, RepeatableRead, Serializable};

pub fn errno<T>(result: Result<T, Error>) -> u16 {
    result.err().map_or(0, |e| e.errno())
}

#[test]
fn rows_come_and_go_and_ranges_find_them() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_table(dir.path(), &[]);
    let t = engine.table("db", "t").unwrap();
    let mut trx = begin(&engine);
    for id in [5, -1, 3, 9, 7] {
        trx.insert(&t, row(id, &format!("v{id}"), Some(100 - id))).unwrap();
    }
    // Half of the rows come from the storage, half from the transaction's own writes.
    trx.commit().unwrap();
    let mut trx = begin(&engine);
    for id in [4, 6] {
        trx.insert(&t, row(id, "own", None)).unwrap();
    }
    trx.delete(&t, &row(7, "", None)).unwrap();
    assert!(trx.update(&t, &row(3, "", None), row(3, "new", Some(0))).unwrap());
    assert!(!trx.update(&t, &row(3, "", None), row(3, "new", Some(0))).unwrap(), "nothing changes");
    assert!(!trx.update(&t, &row(77, "", None), row(77, "new", None)).unwrap(), "no such row");
    let at = |v: i64| vec![Value::Int(v)];
    let range = |lower, upper| KeyRange { lower, upper };
    let cases = [
        (None, KeyRange::all(), vec![-1, 3, 4, 5, 6, 9]),
        (None, range(Bound::Included(at(3)), Bound::Excluded(at(6))), vec![3, 4, 5]),
        (None, range(Bound::Excluded(at(3)), Bound::Included(at(6))), vec![4, 5, 6]),
        (None, range(Bound::Excluded(at(7)), Bound::Unbounded), vec![9]),
        (None, range(Bound::Included(at(10)), Bound::Excluded(at(3))), vec![]),
        (None, range(Bound::Included(at(1 << 40)), Bound::Unbounded), vec![]),
        (None, range(Bound::Included(at(-(1 << 40))), Bound::Included(at(1 << 40))), vec![-1, 3, 4, 5, 6, 9]),
        (None, KeyRange::prefix(at(5)), vec![5]),
        (None, KeyRange::prefix(at(7)), vec![]),
        (Some(0), KeyRange::all(), vec![4, 6, 3, 9, 5, -1]),
        (Some(0), range(Bound::Included(at(0)), Bound::Excluded(at(95))), vec![3, 9]),
        (Some(0), range(Bound::Included(at(-(1 << 40))), Bound::Unbounded), vec![3, 9, 5, -1]),
        (Some(0), KeyRange::prefix(at(95)), vec![5]),
        (Some(0), KeyRange::prefix(at(97)), vec![]),
        (Some(0), KeyRange::prefix(vec![Value::Null]), vec![4, 6]),
    ];
    for (index, range, mut expected) in cases {
        assert_eq!(ids(&scan(&mut trx, &engine, index, &range, false)), expected, "{index:?} {range:?}");
        expected.reverse();
        assert_eq!(ids(&scan(&mut trx, &engine, index, &range, true)), expected, "reverse {index:?} {range:?}");
    }
    trx.rollback();
    assert_eq!(ids(&all(&engine)), [-1, 3, 5, 7, 9]);
    drop(t);
    engine.close().unwrap();
}

#[test]
fn what_each_isolation_level_sees() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_table(dir.path(), &[]);
    let t = engine.table("db", "t").unwrap();
    put(&engine, row(1, "old", Some(1)));
    put(&engine, row(2, "old", Some(2)));
    let text = |row: Option<Row>| row.map(|row| row[1].clone());
    let v = |text: &str| Some(Value::Bytes(text.into()));
    // Level, while the change is pending, after it was committed, and the ids of scans at both points.
    let cases = [
        (ReadUncommitted, v("new"), v("new"), vec![1, 3], vec![1, 3]),
        (ReadCommitted, v("old"), v("new"), vec![1, 2], vec![1, 3]),
        (RepeatableRead, v("old"), v("old"), vec![1, 2], vec![1, 2]),
    ];
    for (level, pending, committed, ids_pending, ids_committed) in cases {
        let mut reader = engine.begin(level, false);
        assert_eq!(text(reader.get(&t, &[Value::Int(1)], RowLock::None).unwrap()), v("old"), "{level:?}");
        let mut writer = begin(&engine);
        assert!(writer.update(&t, &row(1, "", None), row(1, "new", Some(10))).unwrap());
        writer.delete(&t, &row(2, "", None)).unwrap();
        writer.insert(&t, row(3, "new", Some(3))).unwrap();
        assert_eq!(text(reader.get(&t, &[Value::Int(1)], RowLock::None).unwrap()), pending, "{level:?}");
        assert_eq!(ids(&scan(&mut reader, &engine, None, &KeyRange::all(), false)), ids_pending, "{level:?}");
        writer.commit().unwrap();
        assert_eq!(text(reader.get(&t, &[Value::Int(1)], RowLock::None).unwrap()), committed, "{level:?}");
        assert_eq!(ids(&scan(&mut reader, &engine, None, &KeyRange::all(), false)), ids_committed, "{level:?}");
        let by_index = scan(&mut reader, &engine, Some(0), &KeyRange::prefix(vec![Value::Int(10)]), false);
        assert_eq!(by_index.len(), usize::from(level != RepeatableRead), "{level:?}");
        reader.rollback();
        put(&engine, row(1, "old", Some(1)));
        remove(&engine, 3);
        put(&engine, row(2, "old", Some(2)));
    }
}

#[test]
fn a_snapshot_can_be_taken_before_the_first_read() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_table(dir.path(), &[]);
    let (mut early, mut late) = (engine.begin(RepeatableRead, false), engine.begin(RepeatableRead, false));
    early.take_snapshot();
    put(&engine, row(1, "", None));
    assert_eq!(scan(&mut early, &engine, None, &KeyRange::all(), false).len(), 0);
    assert_eq!(scan(&mut late, &engine, None, &KeyRange::all(), false).len(), 1);
}

#[test]
fn serializable_readers_keep_rows_and_gaps_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_table(dir.path(), &[]);
    let t = engine.table("db", "t").unwrap();
    for id in [1, 5, 20] {
        put(&engine, row(id, "", None));
    }
    let mut reader = engine.begin(Serializable, true);
    let range = KeyRange { lower: Bound::Included(vec![Value::Int(1)]), upper: Bound::Excluded(vec![Value::Int(10)]) };
    assert_eq!(ids(&scan(&mut reader, &engine, None, &range, false)), [1, 5]);
    assert_eq!(reader.get(&t, &[Value::Int(50)], RowLock::None).unwrap(), None);
    let mut writer = begin(&engine);
    writer.set_lock_wait_timeout(Duration::from_millis(20));
    assert_eq!(writer.insert(&t, row(7, "", None)), Err(Error::LockWaitTimeout), "a phantom");
    assert_eq!(writer.update(&t, &row(5, "", None), row(5, "x", None)), Err(Error::LockWaitTimeout));
    assert_eq!(writer.insert(&t, row(50, "", None)), Err(Error::LockWaitTimeout), "a key that was read as missing");
    writer.insert(&t, row(10, "", None)).unwrap();
    assert!(writer.update(&t, &row(20, "", None), row(20, "x", None)).unwrap());
    reader.commit().unwrap();
    writer.insert(&t, row(7, "", None)).unwrap();
    writer.commit().unwrap();
    assert_eq!(ids(&all(&engine)), [1, 5, 7, 10, 20]);
}

#[test]
fn a_locked_row_makes_others_wait_until_the_time_out_or_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_table(dir.path(), &[("innodb_lock_wait_timeout", "1")]);
    let t = engine.table("db", "t").unwrap();
    put(&engine, row(1, "a", None));
    let mut one = begin(&engine);
    assert!(one.update(&t, &row(1, "", None), row(1, "b", None)).unwrap());
    let mut two = begin(&engine);
    two.insert(&t, row(2, "kept", None)).unwrap();
    let asked = Instant::now();
    assert_eq!(two.get(&t, &[Value::Int(1)], RowLock::Shared), Err(Error::LockWaitTimeout));
    assert!(asked.elapsed() >= Duration::from_secs(1));
    // A plain read never waits, and the transaction that timed out goes on.
    assert_eq!(two.get(&t, &[Value::Int(1)], RowLock::None).unwrap(), Some(row(1, "a", None)));
    std::thread::scope(|s| {
        let waiter = s.spawn(|| {
            let mut three = begin(&engine);
            three.set_lock_wait_timeout(PATIENCE);
            three.get(&t, &[Value::Int(1)], RowLock::Exclusive)
        });
        one.commit().unwrap();
        assert_eq!(waiter.join().unwrap().unwrap(), Some(row(1, "b", None)), "the lock comes with the new row");
    });
    two.commit().unwrap();
    assert_eq!(ids(&all(&engine)), [1, 2]);
}

#[test]
fn a_deadlock_ends_the_one_that_closes_it() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_table(dir.path(), &[]);
    let t = engine.table("db", "t").unwrap();
    put(&engine, row(1, "", None));
    put(&engine, row(2, "", None));
    let barrier = std::sync::Barrier::new(2);
    let results: Vec<Result<bool, Error>> = std::thread::scope(|s| {
        let (engine, t, barrier) = (&engine, &t, &barrier);
        let run = move |first: i64, second: i64| {
            let mut trx = begin(engine);
            trx.set_lock_wait_timeout(PATIENCE);
            trx.update(t, &row(first, "", None), row(first, "mine", None)).unwrap();
            barrier.wait();
            let result = trx.update(t, &row(second, "", None), row(second, "mine", None));
            match result {
                Ok(_) => trx.commit().unwrap(),
                Err(_) => {
                    assert_eq!(trx.get(t, &[Value::Int(1)], RowLock::None), Err(Error::Deadlock), "it can only end");
                    assert_eq!(trx.commit(), Err(Error::Deadlock));
                }
            }
            result
        };
        let threads = [s.spawn(move || run(1, 2)), s.spawn(move || run(2, 1))];
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|r| **r == Ok(true)).count(), 1, "{results:?}");
    assert_eq!(results.iter().filter(|r| **r == Err(Error::Deadlock)).count(), 1, "{results:?}");
    let rows = all(&engine);
    assert!(rows.iter().all(|row| row[1] == Value::Bytes(b"mine".to_vec())), "the winner's rows, both: {rows:?}");
}

#[test]
fn what_a_statement_did_is_undone_alone() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_table(dir.path(), &[]);
    let t = engine.table("db", "t").unwrap();
    put(&engine, row(1, "one", Some(1)));
    let mut trx = begin(&engine);
    trx.insert(&t, row(2, "two", Some(2))).unwrap();
    let savepoint = trx.savepoint();
    trx.insert(&t, row(3, "three", Some(3))).unwrap();
    assert!(trx.update(&t, &row(2, "", None), row(2, "changed", Some(22))).unwrap());
    trx.delete(&t, &row(1, "", None)).unwrap();
    trx.insert(&t, row(1, "again", None)).unwrap();
    trx.rollback_to(savepoint);
    assert_eq!(
        scan(&mut trx, &engine, None, &KeyRange::all(), false),
        [row(1, "one", Some(1)), row(2, "two", Some(2))]
    );
    let mut dirty = engine.begin(ReadUncommitted, false);
    assert_eq!(scan(&mut dirty, &engine, None, &KeyRange::all(), false).len(), 2, "pending versions go too");
    drop(dirty);
    trx.commit().unwrap();
    assert_eq!(all(&engine), [row(1, "one", Some(1)), row(2, "two", Some(2))]);
    drop(begin(&engine));
}

#[test]
fn unique_keys_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_table(dir.path(), &[]);
    let t = engine.table("db", "t").unwrap();
    let mut trx = begin(&engine);
    for new in [row(1, "", Some(10)), row(2, "", Some(20)), row(3, "", None), row(4, "", None)] {
        trx.insert(&t, new).unwrap();
    }
    trx.commit().unwrap();
    let mut trx = begin(&engine);
    let message = |result: Result<_, Error>| result.unwrap_err().to_string();
    assert_eq!(message(trx.insert(&t, row(1, "", Some(30)))), "Duplicate entry '1' for key 't.PRIMARY'");
    assert_eq!(message(trx.insert(&t, row(9, "", Some(20)))), "Duplicate entry '20' for key 't.u'");
    assert_eq!(errno(trx.update(&t, &row(1, "", None), row(1, "", Some(20)))), 1062);
    assert_eq!(errno(trx.update(&t, &row(1, "", None), row(2, "", Some(10)))), 1062);
    assert_eq!(errno(trx.update(&t, &row(1, "", None), row(9, "", Some(20)))), 1062);
    assert_eq!(ids(&scan(&mut trx, &engine, None, &KeyRange::all(), false)), [1, 2, 3, 4], "as it was");
    // A key moves with its row, its old value is free, and NULLs may repeat.
    assert!(trx.update(&t, &row(1, "", None), row(7, "moved", Some(10))).unwrap());
    assert!(trx.update(&t, &row(2, "", None), row(2, "", None)).unwrap());
    trx.insert(&t, row(9, "", Some(20))).unwrap();
    trx.commit().unwrap();
    let by_u =
        |v: i64| ids(&scan(&mut begin(&engine), &engine, Some(0), &KeyRange::prefix(vec![Value::Int(v)]), false));
    assert_eq!((by_u(10), by_u(20)), (vec![7], vec![9]));
    assert_eq!(ids(&scan(&mut begin(&engine), &engine, Some(0), &KeyRange::all(), false)), [2, 3, 4, 7, 9]);
    // Whoever inserts the key of an uncommitted row waits for its end.
    let mut deleter = begin(&engine);
    deleter.delete(&t, &row(7, "", None)).unwrap();
    std::thread::scope(|s| {
        let waiter = s.spawn(|| {
            let mut trx = begin(&engine);
            trx.set_lock_wait_timeout(PATIENCE);
            trx.insert(&t, row(8, "", Some(10))).and_then(|()| trx.commit())
        });
        deleter.commit().unwrap();
        waiter.join().unwrap().unwrap();
    });
    assert_eq!(by_u(10), [8]);
}

#[test]
fn what_a_transaction_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_table(dir.path(), &[]);
    let t = engine.table("db", "t").unwrap();
    let mut reader = engine.begin(ReadCommitted, false);
    assert_eq!(errno(reader.insert(&t, row(1, "", None))), 1792);
    assert_eq!(errno(reader.delete(&t, &row(1, "", None))), 1792);
    let mut trx = begin(&engine);
    let refused = [
        (vec![Value::Null, Value::Null, Value::Null], 1048),
        (vec![Value::Int(1 << 40), Value::Null, Value::Null], 1264),
        (vec![Value::Bytes(b"x".to_vec()), Value::Null, Value::Null], 1366),
        (vec![Value::Int(1), Value::Bytes(vec![b'x'; 101]), Value::Null], 1406),
        (vec![Value::Int(1)], 1235),
    ];
    for (row, expected) in refused {
        assert_eq!(errno(trx.insert(&t, row.clone())), expected, "{row:?}");
    }
    assert_eq!(scan(&mut trx, &engine, None, &KeyRange::all(), false), Vec::<Row>::new());
}

/// Readers beside writers: what was acknowledged is seen, from the cache or not, and rows are whole.
#[test]
fn readers_never_see_the_past_or_half_a_row() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_table(dir.path(), &[("innodb_flush_log_at_trx_commit", "0")]);
    const KEYS: i64 = 8;
    for id in 0..KEYS {
        put(&engine, row(id, "0", Some(id)));
    }
    let acknowledged: Vec<AtomicI64> = (0..KEYS).map(|_| AtomicI64::new(0)).collect();
    let stop = AtomicBool::new(false);
    std::thread::scope(|s| {
        for writer in 0..2 {
            let (engine, acknowledged, stop) = (&engine, &acknowledged, &stop);
            s.spawn(move || {
                let t = engine.table("db", "t").unwrap();
                for n in 1..4000i64 {
                    let id = 2 * (n % (KEYS / 2)) + writer;
                    let mut trx = begin(engine);
                    // Deleting and inserting leaves nothing in the cache for a moment.
                    if n % 5 == 0 {
                        trx.delete(&t, &row(id, "", None)).unwrap();
                        trx.insert(&t, row(id, &n.to_string(), Some(id + KEYS * n))).unwrap();
                    } else {
                        let new = row(id, &n.to_string(), Some(id + KEYS * n));
                        assert!(trx.update(&t, &row(id, "", None), new).unwrap());
                    }
                    trx.commit().unwrap();
                    acknowledged[id as usize].store(n, Ordering::SeqCst);
                }
                stop.store(true, Ordering::SeqCst);
            });
        }
        for _ in 0..2 {
            s.spawn(|| {
                let t = engine.table("db", "t").unwrap();
                let number = |row: &Row| match &row[1] {
                    Value::Bytes(text) => std::str::from_utf8(text).unwrap().parse::<i64>().unwrap(),
                    _ => panic!("text"),
                };
                while !stop.load(Ordering::SeqCst) {
                    for id in 0..KEYS {
                        let least = acknowledged[id as usize].load(Ordering::SeqCst);
                        let mut trx = engine.begin(ReadCommitted, false);
                        let row = trx.get(&t, &[Value::Int(id)], RowLock::None).unwrap().expect("always there");
                        let n = number(&row);
                        assert!(n >= least, "row {id}: read {n} after {least} was acknowledged");
                        assert!(n == 0 || row[2] == Value::Int(id + KEYS * n), "torn: {row:?}");
                    }
                    let rows = scan(&mut engine.begin(ReadCommitted, false), &engine, Some(0), &KeyRange::all(), false);
                    let mut seen = ids(&rows);
                    seen.sort();
                    assert_eq!(seen, (0..KEYS).collect::<Vec<_>>(), "a scan has one view");
                }
            });
        }
    });
}

#[test]
fn a_broken_off_scan_stops() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_table(dir.path(), &[]);
    let t = engine.table("db", "t").unwrap();
    for id in 0..5 {
        put(&engine, row(id, "", None));
    }
    let mut seen = 0;
    begin(&engine)
        .scan(&t, None, &KeyRange::all(), false, RowLock::None, &mut |_| {
            seen += 1;
            if seen == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!(seen, 2);
}

#[test]
fn keys_of_every_type_find_their_rows() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path(), &[]);
    engine.create_database("db").unwrap();
    let b = |text: &str| Value::Bytes(text.as_bytes().to_vec());
    let types = [
        (ColumnType::Char { chars: 5 }, vec![b("a"), b("ab"), b("ä")]),
        (ColumnType::VarChar { chars: 5 }, vec![b(""), b("a"), b("ab")]),
        (ColumnType::VarBinary { bytes: 5 }, vec![b(""), b("\0"), b("\0\0"), b("a")]),
        (ColumnType::Int { bytes: 8, unsigned: true }, vec![Value::UInt(0), Value::UInt(u64::MAX)]),
        (ColumnType::Int { bytes: 1, unsigned: false }, vec![Value::Int(-128), Value::Int(0), Value::Int(127)]),
        (ColumnType::Enum { values: vec!["z".into(), "a".into()] }, vec![b("z"), b("a")]),
    ];
    for (i, (ty, keys)) in types.into_iter().enumerate() {
        let name = format!("t{i}");
        let columns = vec![column("v", int()), column("k", ty.clone())];
        let def = TableDef { db: "db".into(), name: name.clone(), columns, primary_key: vec![1], indexes: vec![] };
        engine.create_table(def).unwrap();
        let t = engine.table("db", &name).unwrap();
        let mut trx = begin(&engine);
        for (n, key) in keys.iter().enumerate() {
            trx.insert(&t, vec![Value::Int(n as i64), key.clone()]).unwrap();
        }
        let mut order = Vec::new();
        trx.scan(&t, None, &KeyRange::all(), false, RowLock::None, &mut |row| {
            order.push(row[1].clone());
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(order, keys, "{ty:?}");
        for (n, key) in keys.iter().enumerate() {
            let found = trx.get(&t, std::slice::from_ref(key), RowLock::None).unwrap();
            assert_eq!(found, Some(vec![Value::Int(n as i64), key.clone()]), "{ty:?}");
        }
        trx.commit().unwrap();
    }
}
