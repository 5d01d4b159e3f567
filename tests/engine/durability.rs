//! The bundled engine across crashes, restarts and failures, and its DDL.

use crate::support::*;
use daemon_memcached::refengine::{ColumnDef, ColumnType, Error, RowLock, TableDef, Value};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The environment variables that make the test [`child`] act.
const CHILD_DIR: &str = "ENGINE_TEST_CHILD_DIR";
const CHILD_LEVEL: &str = "ENGINE_TEST_CHILD_LEVEL";
const CHILD_POOL: &str = "ENGINE_TEST_CHILD_POOL";
/// A pool so small that a second of writing has many checkpoints, and the default.
const SMALL_POOL: &str = "5242880";
const POOL: &str = "134217728";

/// Not a test of its own: what other tests run in a process of its own. The one that is killed: four threads commit rows of two
/// columns that must agree, in pairs, and print what was acknowledged.
#[test]
fn child() {
    let (Ok(dir), Ok(level)) = (std::env::var(CHILD_DIR), std::env::var(CHILD_LEVEL)) else { return };
    match level.as_str() {
        "threads" => return check_threads(Path::new(&dir)),
        "full" => return check_failed_write(Path::new(&dir)),
        _ => {}
    }
    let pool = std::env::var(CHILD_POOL).unwrap_or_else(|_| POOL.into());
    let options = [("innodb_flush_log_at_trx_commit", level.as_str()), ("innodb_buffer_pool_size", pool.as_str())];
    let engine = open(Path::new(&dir), &options);
    let first = all(&engine).len() as i64;
    std::thread::scope(|s| {
        for thread in 0..4 {
            let engine = &engine;
            s.spawn(move || {
                let t = engine.table("db", "t").unwrap();
                for n in 0.. {
                    let id = first + 2 * (4 * n + thread);
                    let mut trx = begin(engine);
                    trx.insert(&t, row(id, &id.to_string(), Some(id))).unwrap();
                    trx.insert(&t, row(id + 1, &(id + 1).to_string(), Some(id + 1))).unwrap();
                    trx.commit().unwrap();
                    println!("\nack {id}");
                }
            });
        }
    });
}

fn start_child(dir: &Path, level: &str, pool: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "durability::child", "--nocapture", "--test-threads=1"])
        .env(CHILD_DIR, dir)
        .env(CHILD_LEVEL, level)
        .env(CHILD_POOL, pool)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

#[test]
fn kill_9_loses_nothing_acknowledged() {
    // With the small pool the kill comes somewhere between the steps of a checkpoint.
    for (level, pool, commits) in [("1", POOL, 200), ("2", POOL, 200), ("2", SMALL_POOL, 5000)] {
        let dir = tempfile::tempdir().unwrap();
        with_table(dir.path(), &[]).close().unwrap();
        let mut acknowledged: Vec<i64> = Vec::new();
        for round in 0..4 {
            let mut child = start_child(dir.path(), level, pool);
            let before = acknowledged.len();
            // Every line that was printed before the kill is read, also those that were still in the pipe.
            for line in BufReader::new(child.stdout.take().unwrap()).lines() {
                let Ok(line) = line else { break };
                acknowledged.extend(line.strip_prefix("ack ").and_then(|id| id.parse::<i64>().ok()));
                if acknowledged.len() == before + commits {
                    child.kill().unwrap();
                }
            }
            child.wait().unwrap();
            assert!(acknowledged.len() >= before + commits, "level {level} round {round}: the child ended early");
            let engine = open(dir.path(), &[]);
            let rows = all(&engine);
            let present: std::collections::BTreeSet<i64> = ids(&rows).into_iter().collect();
            for id in &acknowledged {
                assert!(present.contains(id) && present.contains(&(id + 1)), "level {level}: row {id} is lost");
            }
            for row in &rows {
                let Value::Int(id) = row[0] else { panic!() };
                assert_eq!((&row[1], &row[2]), (&Value::Bytes(id.to_string().into()), &Value::Int(id)), "torn");
                assert!(present.contains(&(id ^ 1)), "level {level}: half of a transaction: {id}");
            }
            // The next child counts on from here: no gaps.
            let max = present.last().copied().unwrap_or(0);
            let mut trx = begin(&engine);
            let t = engine.table("db", "t").unwrap();
            for id in (0..=max).filter(|id| !present.contains(id)) {
                trx.insert(&t, row(id, &id.to_string(), Some(id))).unwrap();
            }
            trx.commit().unwrap();
            drop(t);
            // Sometimes the next round begins after a crash right away, sometimes after a clean end.
            if round % 2 == 0 {
                engine.close().unwrap();
            }
        }
    }
}

#[test]
fn every_level_keeps_its_rows_over_a_clean_end() {
    for level in ["0", "1", "2"] {
        let dir = tempfile::tempdir().unwrap();
        let options = [("innodb_flush_log_at_trx_commit", level)];
        let engine = with_table(dir.path(), &options);
        assert!(engine.is_new());
        put(&engine, row(1, "closed", None));
        engine.close().unwrap();
        let engine = open(dir.path(), &options);
        assert!(!engine.is_new());
        put(&engine, row(2, "dropped", None));
        drop(engine);
        let engine = open(dir.path(), &options);
        assert_eq!(ids(&all(&engine)), [1, 2], "level {level}");
        let mut open_one = begin(&engine);
        let t = engine.table("db", "t").unwrap();
        open_one.insert(&t, row(3, "never committed", None)).unwrap();
        drop(open_one);
        assert_eq!(ids(&all(&engine)), [1, 2]);
    }
}

#[test]
fn levels_change_while_commits_run() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_table(dir.path(), &[]);
    std::thread::scope(|s| {
        for thread in 0..3 {
            let engine = &engine;
            s.spawn(move || (0..60).for_each(|n| put(engine, row(3 * n + thread, "", None))));
        }
        for level in ["0", "2", "1", "0", "1"] {
            engine.set_variable("innodb_flush_log_at_trx_commit", level).unwrap();
            let shown = engine.variables().into_iter().find(|(n, _)| n == "innodb_flush_log_at_trx_commit");
            assert_eq!(shown.map(|(_, v)| v).as_deref(), Some(level));
        }
    });
    assert_eq!(ids(&all(&engine)), (0..180).collect::<Vec<_>>());
}

#[test]
fn a_commit_that_fails_ambiguously_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_table(dir.path(), &[]);
    put(&engine, row(1, "old", None));
    engine.set_variable("refengine_fail_commits", "2").unwrap();
    let t = engine.table("db", "t").unwrap();
    let update = |text: &str| {
        let mut trx = begin(&engine);
        assert!(trx.update(&t, &row(1, "", None), row(1, text, None)).unwrap());
        trx.commit()
    };
    begin(&engine).commit().unwrap(); // Nothing written, nothing to fail.
    let read = || begin(&engine).get(&t, &[Value::Int(1)], RowLock::Exclusive).unwrap();
    assert!(matches!(update("lost"), Err(Error::CommitUnknown(_))));
    assert_eq!(read(), Some(row(1, "old", None)), "the first wrote nothing, and its locks are gone");
    assert!(matches!(update("kept"), Err(Error::CommitUnknown(_))));
    assert_eq!(read(), Some(row(1, "kept", None)), "the second is durable");
    update("fine").unwrap();
    drop(t);
    engine.close().unwrap();
    let engine = open(dir.path(), &[]);
    assert_eq!(all(&engine), [row(1, "fine", None)]);
}

#[test]
fn a_data_directory_has_one_owner() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path(), &[]);
    match try_open(dir.path(), &[]) {
        Err(error @ Error::Locked(_)) => assert!(error.to_string().contains("another process"), "{error}"),
        other => panic!("{:?}", other.err()),
    }
    engine.close().unwrap();
    open(dir.path(), &[]).close().unwrap();
}

#[test]
fn close_refuses_while_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_table(dir.path(), &[]);
    let trx = begin(&engine);
    let error = engine.clone().close().unwrap_err().to_string();
    assert!(error.contains("in use"), "{error}");
    drop(trx);
    engine.close().unwrap();
    // The lock is free and nothing holds the directory any more.
    open(dir.path(), &[]).close().unwrap();
}

/// In a process of its own, where nobody else has threads: see [`child`].
#[test]
fn the_engines_threads_take_no_signals_and_end_with_it() {
    let dir = tempfile::tempdir().unwrap();
    with_table(dir.path(), &[]).close().unwrap();
    let status = start_child(dir.path(), "threads", POOL).wait().unwrap();
    assert!(status.success(), "{status}");
}

/// In a process of its own, whose files must not grow any more.
#[test]
fn after_a_failed_write_only_reads_go_on() {
    let dir = tempfile::tempdir().unwrap();
    with_table(dir.path(), &[]).close().unwrap();
    let status = start_child(dir.path(), "full", POOL).wait().unwrap();
    assert!(status.success(), "{status}");
    let engine = open(dir.path(), &[]);
    let left = ids(&all(&engine));
    assert!(left == [1] || left == [1, 2], "what was acknowledged, and at most what was unknown: {left:?}");
    put(&engine, row(4, "", None));
}

fn check_failed_write(dir: &Path) {
    let engine = open(dir, &[]);
    let t = engine.table("db", "t").unwrap();
    put(&engine, row(1, "", None));
    // SAFETY: changes limits of this process, which runs nothing else.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        let limit = libc::rlimit { rlim_cur: 1, rlim_max: libc::RLIM_INFINITY };
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
    }
    let mut trx = begin(&engine);
    trx.insert(&t, row(2, "", None)).unwrap();
    let mut other = begin(&engine);
    other.insert(&t, row(3, "", None)).unwrap();
    let error = trx.commit().unwrap_err();
    assert!(matches!(error, Error::CommitUnknown(_)), "{error}");
    let error = other.commit().unwrap_err();
    assert!(matches!(error, Error::WritesStopped(_)) && error.to_string().contains("restart the engine"), "{error}");
    let refused = begin(&engine).insert(&t, row(4, "", None)).unwrap_err();
    assert_eq!(refused.errno(), 1836, "{refused}");
    assert_eq!(engine.create_database("x").unwrap_err().errno(), 1836);
    assert_eq!(ids(&all(&engine)), [1]);
    drop(t);
    assert_eq!(engine.close().unwrap_err().errno(), 1836, "nothing can be written out");
}

fn check_threads(dir: &Path) {
    let tasks = || -> Vec<std::path::PathBuf> {
        std::fs::read_dir("/proc/self/task").unwrap().flatten().map(|task| task.path()).collect()
    };
    let before = tasks();
    for _ in 0..3 {
        let engine = open(dir, &[]);
        put(&engine, row(1, "", None));
        let ours: Vec<_> = tasks().into_iter().filter(|task| !before.contains(task)).collect();
        assert!(ours.len() >= 2, "the timer and the storage's workers");
        for task in ours {
            let blocked = || {
                let status = std::fs::read_to_string(task.join("status")).unwrap();
                let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap().trim();
                let mask = u64::from_str_radix(mask, 16).unwrap();
                move |signal: i32| mask & (1 << (signal - 1)) != 0
            };
            // Whoever reports crashes sees where they happen. A thread that is being made blocks all signals for a moment.
            let crashes = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT];
            wait_until("crashes are not blocked", || !crashes.into_iter().any(blocked()));
            for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGALRM, libc::SIGUSR1, libc::SIGCHLD] {
                assert!(blocked()(signal), "signal {signal}");
            }
        }
        remove(&engine, 1);
        engine.close().unwrap();
        // A thread that was joined may be listed for a moment yet.
        wait_until("no threads are left", || tasks().len() == before.len());
    }
}

#[test]
fn options_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let errno = |options: &[(&str, &str)]| try_open(dir.path(), options).err().map_or(0, |e| e.errno());
    assert_eq!(errno(&[("innodb_flush_log_at_trx_commit", "7")]), 1231);
    assert_eq!(errno(&[("innodb_nonsense", "7")]), 1193);
    let engine = open(dir.path(), &[("innodb_buffer_pool_size", "8388608")]);
    assert_eq!(engine.set_variable("innodb_buffer_pool_size", "9000000").unwrap_err().errno(), 1238);
    assert_eq!(engine.set_variable("max_connections", "9").unwrap_err().errno(), 1193);
    assert!(engine.variables().contains(&("innodb_buffer_pool_size".into(), "8388608".into())));
}

#[test]
fn ddl_outlives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_table(dir.path(), &[]);
    assert_eq!(engine.databases(), ["db", "mysql"]);
    put(&engine, row(1, "a", Some(1)));
    engine.create_database("other").unwrap();
    engine.create_database("gone").unwrap();
    for name in ["a", "b", "dropped"] {
        engine.create_table(simple("other", name)).unwrap();
        engine.create_table(simple("gone", name)).unwrap();
    }
    engine.drop_table("other", "dropped").unwrap();
    engine.drop_database("gone").unwrap();
    engine.rename_table(("db", "t"), ("other", "moved")).unwrap();
    engine.rename_table(("other", "moved"), ("db", "t")).unwrap();
    let before = engine.table("db", "t").unwrap().id();
    engine.truncate_table("other", "a").unwrap();
    let check = |engine: &daemon_memcached::refengine::Engine| {
        assert_eq!(engine.databases(), ["db", "mysql", "other"]);
        assert_eq!(engine.tables("other").unwrap(), ["a", "b"]);
        assert_eq!(engine.tables("mysql").unwrap(), Vec::<String>::new());
        assert_eq!(engine.table("db", "t").unwrap().id(), before);
        assert_eq!(all(engine), [row(1, "a", Some(1))]);
        let mut expected = simple("db", "t");
        expected.columns[0].not_null = true;
        assert_eq!(*engine.table("db", "t").unwrap().def(), expected);
    };
    check(&engine);
    drop(engine);
    let engine = open(dir.path(), &[]);
    check(&engine);
    engine.truncate_table("db", "t").unwrap();
    assert_ne!(engine.table("db", "t").unwrap().id(), before);
    put(&engine, row(2, "b", Some(1)));
    engine.close().unwrap();
    let engine = open(dir.path(), &[]);
    assert_eq!(all(&engine), [row(2, "b", Some(1))]);
    // A new table never sees the rows of an old one of its name.
    engine.drop_table("db", "t").unwrap();
    engine.create_table(simple("db", "t")).unwrap();
    assert_eq!(all(&engine).len(), 0);
}

#[test]
fn what_ddl_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_table(dir.path(), &[]);
    let errno = |result: Result<(), Error>| result.unwrap_err().errno();
    assert_eq!(errno(engine.create_database("db")), 1007);
    assert_eq!(errno(engine.create_database("a/b")), 1102);
    assert_eq!(errno(engine.create_database("")), 1102);
    assert_eq!(errno(engine.drop_database("nope")), 1008);
    assert_eq!(errno(engine.drop_database("mysql")), 3552);
    assert_eq!(errno(engine.drop_table("db", "nope")), 1051);
    assert_eq!(errno(engine.truncate_table("db", "nope")), 1146);
    assert_eq!(engine.tables("nope").unwrap_err().errno(), 1049);
    assert_eq!(engine.table("db", "T").err().map(|e| e.errno()), Some(1146), "names are case-sensitive");
    engine.create_table(simple("db", "t2")).unwrap();
    assert_eq!(errno(engine.rename_table(("db", "t"), ("db", "t2"))), 1050);
    assert_eq!(errno(engine.rename_table(("db", "t"), ("nope", "t2"))), 1049);
    type Change = fn(&mut TableDef);
    let cases: [(Change, u16); 13] = [
        (|d| d.name = "t".into(), 1050),
        (|d| d.db = "nope".into(), 1049),
        (|d| d.name = "x".repeat(65), 1103),
        (|d| d.columns[1].name = "ID".into(), 1060),
        (|d| d.columns[1].name = "a\0b".into(), 1166),
        (|d| d.primary_key = vec![], 1235),
        (|d| d.primary_key = vec![9], 1072),
        (|d| d.indexes.push(d.indexes[0].clone()), 1061),
        (|d| d.indexes[0].name = "primary".into(), 1280),
        (|d| d.columns[2] = column("b", ColumnType::Blob { max_bytes: 65_535, name: "BLOB" }), 1170),
        (|d| d.columns[2] = column("b", ColumnType::VarBinary { bytes: 16_385 }), 1071),
        (|d| d.columns[1].default = Some(Value::Bytes(vec![b'x'; 101])), 1067),
        (|d| d.columns[1] = ColumnDef { not_null: true, default: Some(Value::Null), ..d.columns[1].clone() }, 1067),
    ];
    for (i, (change, expected)) in cases.into_iter().enumerate() {
        let mut def = simple("db", "new");
        change(&mut def);
        assert_eq!(errno(engine.create_table(def)), expected, "case {i}");
    }
    assert_eq!(engine.tables("db").unwrap(), ["t", "t2"]);
}

#[test]
fn ddl_waits_for_users_and_users_for_ddl() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_table(dir.path(), &[("innodb_lock_wait_timeout", "1")]);
    let t = engine.table("db", "t").unwrap();
    put(&engine, row(1, "", None));
    let mut user = begin(&engine);
    user.open(&t).unwrap();
    for result in [
        engine.drop_table("db", "t"),
        engine.truncate_table("db", "t"),
        engine.drop_database("db"),
        engine.rename_table(("db", "t"), ("db", "u")),
    ] {
        assert_eq!(result, Err(Error::LockWaitTimeout));
    }
    engine.set_variable("innodb_lock_wait_timeout", "20").unwrap();
    std::thread::scope(|s| {
        let ddl = s.spawn(|| engine.truncate_table("db", "t"));
        // While it waits, newcomers wait too; who is in goes on.
        wait_until("the statement waits", || {
            let mut newcomer = begin(&engine);
            newcomer.set_lock_wait_timeout(Duration::from_millis(5));
            newcomer.open(&t) == Err(Error::LockWaitTimeout)
        });
        user.insert(&t, row(2, "", None)).unwrap();
        user.commit().unwrap();
        ddl.join().unwrap().unwrap();
    });
    assert_eq!(begin(&engine).open(&t).unwrap_err().errno(), 1146, "the old table is gone");
    assert_eq!(all(&engine).len(), 0);
}
