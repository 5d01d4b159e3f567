//! Texts of several statements, errors, transactions, and the C interface's refusals.

use crate::support::*;
use daemon_memcached::bindings::refengine_result;
use daemon_memcached::refengine::ffi::*;
use std::ffi::{CStr, CString, c_char};
use std::ptr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

#[test]
fn several_statements_comments_and_quotes() {
    let (_engine, session) = in_database();
    check(
        &session,
        &[
            ("", ""),
            (" ; ;; -- nothing\n # nothing\n /* nothing; */ ;", ""),
            ("SELECT 1; SELECT 'a;b' -- c;\n; SELECT \"`\"; # d;\nSELECT 4", "1\na;b\n`\n4"),
            ("/*!40101 SELECT 5 */; SELECT /* inner */ 6", "5\n6"),
            ("SELECT 5--1", "6"),
            (
                "CREATE TABLE `odd ``name` (`select` INT, PRIMARY KEY (`select`)); INSERT INTO `odd ``name` VALUES (1); SELECT `select` FROM `odd ``name`",
                "ok 0\nok 1\n1",
            ),
        ],
    );
}

#[test]
fn errors_have_mysqls_words_and_the_line() {
    let (_engine, session) = in_database();
    session.ok("CREATE TABLE t (k VARCHAR(3) PRIMARY KEY); INSERT INTO t VALUES ('a')");
    let syntax = |near: &str, line: u32| {
        format!(
            "You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version for \
             the right syntax to use near '{near}' at line {line}"
        )
    };
    let cases = [
        ("SELEKT 1", 1064, "42000", syntax("SELEKT 1", 1), 1),
        ("SELECT 1;\n\nSELECT *\nFROM WHERE", 1064, "42000", syntax("WHERE", 2), 3),
        (
            "INSERT INTO t VALUES ('b');\nINSERT INTO t VALUES ('a'); SELECT 1",
            1062,
            "23000",
            "Duplicate entry 'a' for key 't.PRIMARY'".into(),
            2,
        ),
        ("SELECT 1;\nSELECT 'open", 1064, "42000", syntax("'open", 1), 2),
        ("-- c\n/* d\n */ DROP TABLE nope", 1051, "42S02", "Unknown table 'd.nope'".into(), 3),
        ("SELECT * FROM nope", 1146, "42S02", "Table 'd.nope' doesn't exist".into(), 1),
        ("SELECT x FROM t", 1054, "42S22", "Unknown column 'x' in 'field list'".into(), 1),
        ("USE nope", 1049, "42000", "Unknown database 'nope'".into(), 1),
        ("\nEXECUTE p", 1235, "42000", "This version of the bundled engine doesn't yet support 'EXECUTE'".into(), 2),
        (
            "SELECT k FROM t\nUNION SELECT 1",
            1235,
            "42000",
            "This version of the bundled engine doesn't yet support 'UNION'".into(),
            1,
        ),
        ("UPDATE LOW_PRIORITY t SET k = 1", 1064, "42000", syntax("LOW_PRIORITY t SET k = 1", 1), 1),
        ("SELECT FROM t", 1064, "42000", syntax("FROM t", 1), 1),
        ("INSERT INTO t VALUES (1,)", 1064, "42000", syntax(")", 1), 1),
        ("SELECT (1", 1064, "42000", syntax("", 1), 1),
    ];
    for (sql, errno, sqlstate, message, line) in cases {
        let expected = Failure { errno, sqlstate: sqlstate.to_owned(), message, line };
        assert_eq!(session.run(sql).unwrap_err(), expected, "{sql}");
    }
    assert_eq!(session.ok("SELECT k FROM t"), "a\nb", "the statement before the failing one stays done");
}

#[test]
fn deep_and_long_expressions_do_not_overflow_the_stack() {
    let (_engine, session) = in_database();
    session.ok("CREATE TABLE t (k INT PRIMARY KEY, v INT); INSERT INTO t VALUES (-7, 1)");
    let many = (0..20_000).map(|n| format!("-{n}")).collect::<Vec<_>>().join(",");
    let rows = (0..5_000).map(|n| format!("({n}, 1 + 1)")).collect::<Vec<_>>().join(",");
    let cases = [
        (format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000)), "!1064"),
        (format!("SELECT {}1", "- ".repeat(5000)), "!1436"),
        (format!("SELECT 1{}", " + 1".repeat(900)), "901"),
        (format!("SELECT 1{}", " + 1".repeat(100_000)), "!1436"),
        (format!("SELECT k FROM t WHERE k = -7{}", " OR k = 5".repeat(490)), "-7"),
        (format!("SELECT k FROM t WHERE k = 5{}", " OR k = 5".repeat(100_000)), "!1436"),
        (format!("DELETE FROM t WHERE k = {}1", "(1 + (".repeat(1000)), "!1436"),
        (format!("DELETE FROM t WHERE k = {}1{}", "(1 + (".repeat(300), "))".repeat(300)), "!1064"),
        (format!("SELECT k FROM t WHERE k IN ({many})"), "-7"),
        (format!("INSERT INTO t VALUES {rows}"), "ok 5000"),
    ];
    for (sql, expected) in cases {
        assert_eq!(session.answer(&sql), expected, "{}", sql.get(..60).unwrap());
    }
}

#[test]
fn transactions_and_statement_rollback() {
    let (engine, one) = in_database();
    let two = engine.session();
    two.ok("USE d");
    one.ok("CREATE TABLE t (k INT PRIMARY KEY, v INT)");
    check(
        &one,
        &[
            ("BEGIN; INSERT INTO t VALUES (1, 1)", "ok 0\nok 1"),
            ("INSERT INTO t VALUES (2, 2), (1, 9)", "!1062"),
            ("SELECT * FROM t", "1|1"),
        ],
    );
    assert_eq!(two.ok("SELECT COUNT(*) FROM t"), "0", "not committed yet");
    one.ok("COMMIT");
    assert_eq!(two.ok("SELECT COUNT(*) FROM t"), "1");
    check(
        &one,
        &[
            ("START TRANSACTION; UPDATE t SET v = 5; ROLLBACK; SELECT v FROM t", "ok 0\nok 1\nok 0\n1"),
            (
                "SET autocommit = 0; INSERT INTO t VALUES (3, 3); ROLLBACK; SELECT COUNT(*) FROM t",
                "ok 0\nok 1\nok 0\n1",
            ),
            (
                "INSERT INTO t VALUES (4, 4); SET autocommit = ON; ROLLBACK; SELECT COUNT(*) FROM t",
                "ok 1\nok 0\nok 0\n2",
            ),
            (
                "BEGIN; INSERT INTO t VALUES (5, 5); CREATE TABLE u (k INT PRIMARY KEY); ROLLBACK; SELECT COUNT(*) FROM t",
                "ok 0\nok 1\nok 0\nok 0\n3",
            ),
            ("START TRANSACTION READ ONLY; INSERT INTO t VALUES (6, 6)", "!1792"),
            ("ROLLBACK", "ok 0"),
            ("SET TRANSACTION READ ONLY; INSERT INTO t VALUES (6, 6)", "!1792"),
            ("INSERT INTO t VALUES (6, 6)", "ok 1"),
        ],
    );
    check(
        &one,
        &[
            ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT COUNT(*) FROM t", "ok 0\n4"),
            ("SET GLOBAL refengine_fail_commits = 2; INSERT INTO t VALUES (7, 7)", "!1180"),
            ("BEGIN; UPDATE t SET v = v WHERE k = 1; INSERT INTO t VALUES (8, 8); COMMIT", "!1180"),
            ("SELECT k FROM t WHERE k > 6", "8"),
            ("DELETE FROM t WHERE k = 8", "ok 1"),
        ],
    );
    // A snapshot keeps its view, READ COMMITTED does not.
    assert_eq!(two.ok("BEGIN; SELECT v FROM t WHERE k = 1"), "ok 0\n1");
    one.ok("UPDATE t SET v = 100 WHERE k = 1");
    assert_eq!(two.ok("SELECT v FROM t WHERE k = 1"), "1");
    assert_eq!(two.ok("COMMIT; SELECT v FROM t WHERE k = 1"), "ok 0\n100");
    two.ok("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY");
    one.ok("UPDATE t SET v = 99 WHERE k = 1");
    assert_eq!(two.ok("SELECT v FROM t WHERE k = 1; COMMIT"), "100\nok 0");
    one.ok("UPDATE t SET v = 100 WHERE k = 1");
    two.ok("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
    assert_eq!(
        two.ok("SELECT @@transaction_isolation; BEGIN; SELECT v FROM t WHERE k = 1"),
        "READ-COMMITTED\nok 0\n100"
    );
    one.ok("UPDATE t SET v = 101 WHERE k = 1");
    assert_eq!(two.ok("SELECT v FROM t WHERE k = 1; COMMIT"), "101\nok 0");
    two.ok("SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED");
    one.ok("BEGIN; UPDATE t SET v = 102 WHERE k = 1");
    assert_eq!(two.ok("SELECT v FROM t WHERE k = 1"), "102");
    assert_eq!(two.ok("SELECT v FROM t WHERE k = 1"), "101", "SET TRANSACTION is for one transaction");
    assert_eq!(one.errno("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"), 1568);
    one.ok("ROLLBACK");
    // A session that goes away takes its transaction with it.
    one.ok("BEGIN; DELETE FROM t");
    drop(one);
    assert_eq!(two.ok("SELECT COUNT(*) FROM t"), "4");
}

#[test]
fn lock_waits_and_deadlocks() {
    let (engine, one) = in_database();
    let two = engine.session();
    one.ok("CREATE TABLE t (k INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 1), (2, 2)");
    two.ok("USE d; SET innodb_lock_wait_timeout = 1");
    one.ok("BEGIN; SELECT * FROM t WHERE k = 1 FOR UPDATE");
    two.ok("BEGIN; UPDATE t SET v = 20 WHERE k = 2");
    let begun = Instant::now();
    assert_eq!(two.errno("UPDATE t SET v = 10 WHERE k = 1"), 1205);
    assert!(begun.elapsed() >= Duration::from_millis(900));
    assert_eq!(two.ok("SELECT v FROM t WHERE k = 2"), "20", "only the statement was undone");
    two.ok("SET innodb_lock_wait_timeout = 60");
    // one waits for row 2, then two asks for row 1.
    let (done, waited) = mpsc::channel();
    let waiter = std::thread::spawn(move || {
        let answer = one.answer("UPDATE t SET v = 200 WHERE k = 2");
        done.send(()).unwrap();
        (one, answer)
    });
    assert!(waited.recv_timeout(Duration::from_millis(100)).is_err(), "row 2 is locked");
    let second = two.answer("UPDATE t SET v = 11 WHERE k = 1");
    let (one, first) = {
        if second == "!1213" {
            // The victim's transaction is gone with its locks.
            assert_eq!(two.ok("SELECT v FROM t WHERE k = 2"), "2");
        } else {
            two.ok("COMMIT");
        }
        waiter.join().unwrap()
    };
    let mut answers = [first.as_str(), second.as_str()];
    answers.sort_unstable();
    assert_eq!(answers, ["!1213", "ok 1"]);
    one.answer("COMMIT");
}

#[test]
fn what_is_committed_survives_a_reopen() {
    let (engine, session) = in_database();
    // SAFETY: the engine is open.
    assert_eq!(unsafe { refengine_is_new(engine.raw) }, 1);
    session.ok("CREATE TABLE t (k INT PRIMARY KEY, v VARCHAR(9)); INSERT INTO t VALUES (1, 'kept'); BEGIN; INSERT INTO t VALUES (2, 'lost')");
    drop(session);
    let engine = engine.reopen();
    // SAFETY: the engine is open.
    assert_eq!(unsafe { refengine_is_new(engine.raw) }, 0);
    assert_eq!(engine.session().ok("SELECT * FROM d.t"), "1|kept");
}

#[test]
fn a_reader_that_stops_ends_the_statement() {
    let (_engine, session) = in_database();
    session.ok("CREATE TABLE t (k INT PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)");
    let mut report = Report { stop_after: Some(2), ..Report::default() };
    let failure = session.run_bytes(b"SELECT k FROM t", &mut report).unwrap_err();
    assert_eq!((failure.errno, report.lines.len()), (1317, 2));
    assert_eq!(session.ok("SELECT COUNT(*) FROM t"), "3");
}

#[test]
fn null_pointers_are_refused() {
    let engine = Engine::new();
    let session = engine.session();
    let invalid = refengine_result::REFENGINE_INVALID_ARGUMENT;
    // SAFETY: NULL is what these calls are about.
    unsafe {
        assert_eq!(refengine_execute(ptr::null_mut(), ptr::null(), 0, None, ptr::null_mut()), invalid);
        assert_eq!(refengine_execute(session.0, ptr::null(), 5, None, ptr::null_mut()), invalid);
        assert_eq!(refengine_execute(session.0, ptr::null(), 0, None, ptr::null_mut()), refengine_result::REFENGINE_OK);
        assert_eq!(
            refengine_execute(session.0, c"SELECT 1".as_ptr(), 8, None, ptr::null_mut()),
            refengine_result::REFENGINE_OK
        );
        assert_eq!(refengine_session_open(ptr::null_mut(), ptr::null_mut()), invalid);
        assert_eq!(refengine_session_open(engine.raw, ptr::null_mut()), invalid);
        let mut err = [1 as c_char; 8];
        assert_eq!(refengine_open(ptr::null(), ptr::null(), ptr::null_mut(), err.as_mut_ptr(), err.len()), invalid);
        assert_eq!(CStr::from_ptr(err.as_ptr()).to_bytes().len(), 7);
        refengine_session_close(ptr::null_mut());
        refengine_close(ptr::null_mut());
        assert!(refengine_api(ptr::null_mut()).is_null());
        assert!(!refengine_api(engine.raw).is_null());
        assert_eq!(refengine_last_errno(ptr::null()), 0);
        refengine_set_host(ptr::null_mut(), None, ptr::null_mut());
        refengine_reply_row(ptr::null_mut(), 1, ptr::null());
    }
}

#[test]
fn open_refuses_with_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let open = |options: &CStr| {
        let path = CString::new(dir.path().to_str().unwrap()).unwrap();
        let (mut raw, mut err) = (ptr::null_mut(), [0 as c_char; 256]);
        // SAFETY: all pointers are valid for the call.
        let result = unsafe { refengine_open(path.as_ptr(), options.as_ptr(), &mut raw, err.as_mut_ptr(), err.len()) };
        assert!(raw.is_null());
        // SAFETY: terminated by the engine.
        (result, unsafe { CStr::from_ptr(err.as_ptr()) }.to_str().unwrap().to_owned())
    };
    let (result, message) = open(c"innodb_flush_log_at_trx_commit=7");
    assert_eq!(result, refengine_result::REFENGINE_ERROR);
    assert!(message.contains("innodb_flush_log_at_trx_commit"), "{message}");
    let (result, message) = open(c"nonsense");
    assert_eq!(result, refengine_result::REFENGINE_INVALID_ARGUMENT);
    assert!(message.contains("nonsense"), "{message}");
}
