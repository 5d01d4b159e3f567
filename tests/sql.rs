//! SQL of the bundled engine through its C interface: tables of statements and what they answer.
#![cfg(feature = "refengine")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::slice;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use daemon_memcached::bindings::{
    refengine_event, refengine_host_kind, refengine_host_statement_t, refengine_reply_t, refengine_report_t,
    refengine_result, refengine_session_t, refengine_t,
};
use daemon_memcached::refengine::ffi::*;
use tempfile::TempDir;

/// An engine in a directory of its own.
struct Engine {
    raw: *mut refengine_t,
    dir: Option<TempDir>,
}

impl Engine {
    fn new() -> Engine {
        Engine::open(tempfile::tempdir().unwrap(), "")
    }

    fn open(dir: TempDir, options: &str) -> Engine {
        let path = CString::new(dir.path().to_str().unwrap()).unwrap();
        let options = CString::new(options).unwrap();
        let mut raw = ptr::null_mut();
        let mut err = [0 as c_char; 256];
        // SAFETY: all pointers are valid for the call.
        let result = unsafe { refengine_open(path.as_ptr(), options.as_ptr(), &mut raw, err.as_mut_ptr(), err.len()) };
        // SAFETY: terminated by the engine, or all zeros.
        assert_eq!(result, refengine_result::REFENGINE_OK, "{:?}", unsafe { CStr::from_ptr(err.as_ptr()) });
        Engine { raw, dir: Some(dir) }
    }

    fn session(&self) -> Session {
        let mut raw = ptr::null_mut();
        // SAFETY: the engine is open.
        assert_eq!(unsafe { refengine_session_open(self.raw, &mut raw) }, refengine_result::REFENGINE_OK);
        Session(raw)
    }

    fn reopen(mut self) -> Engine {
        let dir = self.dir.take().unwrap();
        drop(self);
        Engine::open(dir, "")
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // SAFETY: opened by us, closed once.
        unsafe { refengine_close(self.raw) };
    }
}

struct Session(*mut refengine_session_t);

// SAFETY: a session may be used from any thread, one at a time.
unsafe impl Send for Session {}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: opened by us, closed once.
        unsafe { refengine_session_close(self.0) };
    }
}

/// Everything the statements reported, as text: `heading,heading` lines in brackets if asked for, rows with `|`
/// between values, `ok N` for a statement without a result set.
#[derive(Default)]
struct Report {
    headings: bool,
    lines: Vec<String>,
    stop_after: Option<usize>,
}

unsafe extern "C" fn on_report(arg: *mut c_void, report: *const refengine_report_t) -> c_int {
    // SAFETY: `arg` is the Report of the caller, `report` is valid for the call.
    let (out, report) = unsafe { (&mut *arg.cast::<Report>(), &*report) };
    let n = report.n_columns as usize;
    match report.event {
        refengine_event::REFENGINE_COLUMNS if out.headings => {
            // SAFETY: n names.
            let names = unsafe { slice::from_raw_parts(report.names, n) };
            // SAFETY: terminated strings.
            let names = names.iter().map(|name| unsafe { CStr::from_ptr(*name) }.to_str().unwrap());
            out.lines.push(format!("[{}]", names.collect::<Vec<_>>().join(",")));
        }
        refengine_event::REFENGINE_ROW => {
            // SAFETY: n values and lengths.
            let (values, lengths) =
                unsafe { (slice::from_raw_parts(report.values, n), slice::from_raw_parts(report.lengths, n)) };
            let text = |(value, length): (&*const c_char, &usize)| {
                if value.is_null() {
                    return "NULL".to_owned();
                }
                // SAFETY: `length` bytes.
                let bytes = unsafe { slice::from_raw_parts(value.cast::<u8>(), *length) };
                String::from_utf8_lossy(bytes).into_owned()
            };
            out.lines.push(values.iter().zip(lengths).map(text).collect::<Vec<_>>().join("|"));
        }
        refengine_event::REFENGINE_DONE if n == 0 => out.lines.push(format!("ok {}", report.affected_rows)),
        _ => {}
    }
    c_int::from(out.stop_after == Some(out.lines.len()))
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    errno: u32,
    sqlstate: String,
    message: String,
    line: u32,
}

impl Session {
    fn run_bytes(&self, sql: &[u8], report: &mut Report) -> Result<(), Failure> {
        let arg = ptr::from_mut(report).cast();
        // SAFETY: the session is open, the text is as long as said.
        let result = unsafe { refengine_execute(self.0, sql.as_ptr().cast(), sql.len(), Some(on_report), arg) };
        // SAFETY: the session is open; the strings are copied at once.
        let failure = unsafe {
            Failure {
                errno: refengine_last_errno(self.0),
                sqlstate: CStr::from_ptr(refengine_last_sqlstate(self.0)).to_str().unwrap().to_owned(),
                message: CStr::from_ptr(refengine_last_error(self.0)).to_str().unwrap().to_owned(),
                line: refengine_last_line(self.0),
            }
        };
        if result == refengine_result::REFENGINE_OK {
            assert_eq!(failure.errno, 0);
            return Ok(());
        }
        assert_eq!(result, refengine_result::REFENGINE_ERROR, "{failure:?}");
        Err(failure)
    }

    fn run(&self, sql: &str) -> Result<Vec<String>, Failure> {
        let mut report = Report::default();
        self.run_bytes(sql.as_bytes(), &mut report).map(|()| report.lines)
    }

    /// What a statement answers, an error as `!number`.
    fn answer(&self, sql: &str) -> String {
        match self.run(sql) {
            Ok(lines) => lines.join("\n"),
            Err(failure) => format!("!{}", failure.errno),
        }
    }

    fn ok(&self, sql: &str) -> String {
        self.run(sql).unwrap_or_else(|failure| panic!("{sql}: {failure:?}")).join("\n")
    }

    fn errno(&self, sql: &str) -> u32 {
        self.run(sql).map_or_else(|failure| failure.errno, |lines| panic!("{sql} succeeded: {lines:?}"))
    }
}

fn check(session: &Session, cases: &[(&str, &str)]) {
    for (sql, expected) in cases {
        assert_eq!(session.answer(sql), *expected, "{sql}");
    }
}

fn in_database() -> (Engine, Session) {
    let engine = Engine::new();
    let session = engine.session();
    session.ok("CREATE DATABASE d; USE d");
    (engine, session)
}

// ---- expressions -------------------------------------------------------------------------------------------------

#[test]
fn expressions() {
    let engine = Engine::new();
    check(
        &engine.session(),
        &[
            ("SELECT 1", "1"),
            ("SELECT 1+2*3, (1+2)*3, 7 DIV 2, 7 % 4, -7 % 4, 1/3, 7/2", "7|9|3|3|-3|0.3333|3.5000"),
            ("SELECT 1.5 + 1, 1e3, 0.1 + 0.2, 1e16, '3 apples' + 1", "2.5|1000|0.3|1e16|4"),
            ("SELECT 18446744073709551615, -9223372036854775808", "18446744073709551615|-9223372036854775808"),
            ("SELECT 9223372036854775807 + 1", "!1690"),
            ("SELECT 18446744073709551615 + 1", "!1690"),
            ("SELECT 1/0, 1 DIV 0, 1 % 0, NULL + 1", "NULL|NULL|NULL|NULL"),
            ("SELECT 6 & 3, 6 | 3", "2|7"),
            ("SELECT 1 = 1, 1 <> 1, 'a' = 'A', 'a' < 'b', '10' < 9, 2 >= 2, 1 != 2", "1|0|0|1|0|1|1"),
            ("SELECT NULL = NULL, NULL <=> NULL, 1 <=> NULL, NULL IS NULL, 1 IS NOT NULL", "NULL|1|0|1|1"),
            (
                "SELECT TRUE AND NULL, FALSE AND NULL, TRUE OR NULL, FALSE OR NULL, NOT NULL, 1 XOR 1",
                "NULL|0|1|NULL|NULL|0",
            ),
            ("SELECT 1 IS TRUE, 0 IS FALSE, NULL IS UNKNOWN, 0 IS NOT TRUE", "1|1|1|1"),
            ("SELECT 2 IN (1, 2), 3 IN (1, 2), 3 NOT IN (1, NULL), NULL IN (1)", "1|0|NULL|NULL"),
            ("SELECT 2 BETWEEN 1 AND 3, 4 NOT BETWEEN 1 AND 3, 'b' BETWEEN 'a' AND 'c'", "1|1|1"),
            (
                "SELECT 'abc' LIKE 'a%', 'abc' LIKE '_b_', 'abc' NOT LIKE 'x%', 'a%' LIKE 'a\\%', 'ab' LIKE 'a\\%'",
                "1|1|1|1|0",
            ),
            ("SELECT 'a_b' LIKE 'a|_b' ESCAPE '|', 'axb' LIKE 'a|_b' ESCAPE '|', NULL LIKE 'a'", "1|0|NULL"),
            ("SELECT 'it''s', \"a \"\"b\"\"\", 'tab\\tend', 'x' 'y', 'nul\\0'", "it's|a \"b\"|tab\tend|xy|nul\0"),
            (
                "SELECT LENGTH('\u{e4}'), CHAR_LENGTH('\u{e4}'), HEX('AB'), HEX(255), CONCAT('a', 1, 'b'), CONCAT('a', NULL)",
                "2|1|4142|FF|a1b|NULL",
            ),
            ("SELECT x'4142', 0x4142, 0x41 + 1, X'' = ''", "AB|AB|66|1"),
            (
                "SELECT IFNULL(NULL, 2), COALESCE(NULL, NULL, 3), IF(1 > 2, 'a', 'b'), REPEAT('ab', 3), UNHEX('4D5A')",
                "2|3|b|ababab|MZ",
            ),
            ("SELECT UPPER('a'), LOWER('B'), DATABASE(), _utf8mb4'x'", "A|b|NULL|x"),
            (
                "SELECT NOW() LIKE '20__-__-__ __:__:__', UNIX_TIMESTAMP() > 1500000000, NOW() = CURRENT_TIMESTAMP",
                "1|1|1",
            ),
            (
                "SELECT @@autocommit, @@version = VERSION(), @@session.autocommit, @@global.innodb_lock_wait_timeout",
                "1|1|1|50",
            ),
            ("SELECT @@nope", "!1193"),
            ("SELECT a", "!1054"),
            ("SELECT LENGTH()", "!1582"),
            ("SELECT SOUNDEX('a')", "!1235"),
            ("SELECT *", "!1096"),
            ("SELECT 1 FROM DUAL WHERE 1 = 0", ""),
            ("SELECT COUNT(*), COUNT(NULL), SUM(2), MIN(3)", "1|0|2|3"),
            ("SELECT 1 WHERE COUNT(*) = 1", "!1111"),
        ],
    );
}

#[test]
fn headings() {
    let (_engine, session) = in_database();
    session.ok("CREATE TABLE t (id INT PRIMARY KEY, `two words` INT)");
    let cases = [
        ("SELECT 1+ 1, 'abc', 1 AS one, 2 two, 3 AS 'three', VERSION()", "[1+ 1,abc,one,two,three,VERSION()]"),
        ("SELECT *, t.id, `two words`, COUNT FROM (t)", "!"),
        ("SELECT *, t.id, d.t.id x, `two words` FROM t", "[id,two words,id,x,two words]"),
        (
            "SELECT COUNT(*), @@autocommit, @@global.innodb_api_trx_level FROM t",
            "[COUNT(*),@@autocommit,@@global.innodb_api_trx_level]",
        ),
    ];
    for (sql, expected) in cases {
        let mut report = Report { headings: true, ..Report::default() };
        let result = session.run_bytes(sql.as_bytes(), &mut report);
        let shown = if result.is_ok() { report.lines.first().cloned().unwrap() } else { "!".to_owned() };
        assert_eq!(shown, expected, "{sql}");
    }
}

// ---- definitions ---------------------------------------------------------------------------------------------------

#[test]
fn databases_and_tables() {
    let engine = Engine::new();
    check(
        &engine.session(),
        &[
            ("SHOW DATABASES", "mysql"),
            ("CREATE DATABASE a; CREATE SCHEMA B", "ok 1\nok 1"),
            ("CREATE DATABASE a", "!1007"),
            ("CREATE DATABASE IF NOT EXISTS a", "ok 1"),
            ("SHOW WARNINGS", "Note|1007|Can't create database 'a'; database exists"),
            ("SHOW DATABASES LIKE 'a%'", "a"),
            ("SHOW SCHEMAS", "B\na\nmysql"),
            ("USE nope", "!1049"),
            ("SHOW TABLES", "!1046"),
            ("CREATE TABLE t (k INT PRIMARY KEY)", "!1046"),
            ("USE a", "ok 0"),
            ("SELECT DATABASE()", "a"),
            ("CREATE TABLE t (k INT PRIMARY KEY, v TEXT)", "ok 0"),
            ("CREATE TABLE t (k INT PRIMARY KEY)", "!1050"),
            ("CREATE TABLE IF NOT EXISTS t (k INT PRIMARY KEY)", "ok 0"),
            ("CREATE TABLE nope.t (k INT PRIMARY KEY)", "!1049"),
            ("CREATE TABLE B.t2 (k INT PRIMARY KEY)", "ok 0"),
            ("SHOW TABLES FROM B", "t2"),
            ("SHOW TABLES LIKE 'x%'", ""),
            ("RENAME TABLE t TO t1, B.t2 TO t3", "ok 0"),
            ("SHOW TABLES", "t1\nt3"),
            ("RENAME TABLE t1 TO t4, t9 TO t5", "!1146"),
            ("SHOW TABLES", "t1\nt3"),
            ("RENAME TABLE t1 TO t3", "!1050"),
            ("SELECT * FROM t", "!1146"),
            ("SELECT * FROM nope.t", "!1049"),
            ("SELECT * FROM T1", "!1146"),
            (
                "INSERT INTO t1 VALUES (1, 'x'); TRUNCATE t1; TRUNCATE TABLE t1; SELECT COUNT(*) FROM t1",
                "ok 1\nok 0\nok 0\n0",
            ),
            ("TRUNCATE TABLE nope", "!1146"),
            ("DROP TABLE t1, nope", "!1051"),
            ("SHOW TABLES", "t1\nt3"),
            ("DROP TABLE IF EXISTS t1, nope", "ok 0"),
            ("SHOW WARNINGS", "Note|1051|Unknown table 'a.nope'"),
            ("DROP TABLE t3", "ok 0"),
            ("DROP DATABASE nope", "!1008"),
            ("DROP DATABASE IF EXISTS nope", "ok 0"),
            ("DROP DATABASE a", "ok 0"),
            ("SELECT DATABASE()", "NULL"),
            ("DROP DATABASE mysql", "!3552"),
            ("SHOW DATABASES", "B\nmysql"),
        ],
    );
}

#[test]
fn column_types_describe_and_show_create() {
    let (_engine, session) = in_database();
    session.ok(
        "CREATE TABLE t (
           a TINYINT, b SMALLINT UNSIGNED NOT NULL DEFAULT 7, c MEDIUMINT(9), d INT(11) UNSIGNED, e INTEGER DEFAULT -1,
           f BIGINT(20) UNSIGNED, g CHAR(3), h CHAR, i VARCHAR(20) CHARACTER SET latin1 DEFAULT 'it''s', j BINARY(4),
           k VARBINARY(250) NOT NULL COMMENT 'the key', l TEXT, m MEDIUMTEXT CHARSET ascii, n TINYBLOB, o LONGBLOB NULL,
           p ENUM('x', 'y''s') NOT NULL DEFAULT 'x', q VARCHAR(10) COLLATE utf8mb4_bin, r VARCHAR(9) CHARACTER SET binary,
           s BOOL, t TEXT CHARSET binary,
           PRIMARY KEY (k), UNIQUE KEY by_ab (a, b), UNIQUE INDEX (d) USING BTREE, UNIQUE (d, e), CONSTRAINT uq UNIQUE (f)
         ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='all of them'",
    );
    let create = "t|CREATE TABLE `t` (\n  `a` tinyint DEFAULT NULL,\n  `b` smallint unsigned NOT NULL DEFAULT '7',\n  \
        `c` mediumint DEFAULT NULL,\n  `d` int unsigned DEFAULT NULL,\n  `e` int DEFAULT '-1',\n  \
        `f` bigint unsigned DEFAULT NULL,\n  `g` char(3) DEFAULT NULL,\n  `h` char(1) DEFAULT NULL,\n  \
        `i` varchar(20) CHARACTER SET latin1 COLLATE latin1_bin DEFAULT 'it''s',\n  `j` binary(4) DEFAULT NULL,\n  \
        `k` varbinary(250) NOT NULL,\n  `l` text,\n  `m` mediumtext CHARACTER SET latin1 COLLATE latin1_bin,\n  \
        `n` tinyblob,\n  `o` longblob,\n  `p` enum('x','y''s') NOT NULL DEFAULT 'x',\n  `q` varchar(10) DEFAULT NULL,\n  \
        `r` varbinary(9) DEFAULT NULL,\n  `s` tinyint DEFAULT NULL,\n  `t` blob,\n  PRIMARY KEY (`k`),\n  \
        UNIQUE KEY `by_ab` (`a`,`b`),\n  UNIQUE KEY `d` (`d`),\n  UNIQUE KEY `d_2` (`d`,`e`),\n  UNIQUE KEY `uq` (`f`)\n\
        ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin";
    assert_eq!(session.ok("SHOW CREATE TABLE t"), create);
    // The printed statement makes the same table.
    let statement = create.strip_prefix("t|").unwrap();
    session.ok(&format!("DROP TABLE t; {statement}"));
    assert_eq!(session.ok("SHOW CREATE TABLE d.t"), create);
    check(
        &session,
        &[
            ("DESC t b", "b|smallint unsigned|NO||7|"),
            ("DESCRIBE t k", "k|varbinary(250)|NO|PRI|NULL|"),
            ("SHOW COLUMNS FROM t LIKE 'D'", "d|int unsigned|YES|UNI|NULL|"),
            ("SHOW COLUMNS FROM t FROM d LIKE 'a'", "a|tinyint|YES|MUL|NULL|"),
            ("EXPLAIN t f", "f|bigint unsigned|YES|UNI|NULL|"),
            ("DESC nope", "!1146"),
        ],
    );
}

#[test]
fn definitions_that_are_refused() {
    let (_engine, session) = in_database();
    check(
        &session,
        &[
            ("CREATE TABLE t (a INT)", "!1173"),
            ("CREATE TABLE t (a INT PRIMARY KEY, A INT)", "!1060"),
            ("CREATE TABLE t (a INT PRIMARY KEY, b INT PRIMARY KEY)", "!1068"),
            ("CREATE TABLE t (a INT, PRIMARY KEY (b))", "!1072"),
            ("CREATE TABLE t (a INT NULL, PRIMARY KEY (a))", "!1171"),
            ("CREATE TABLE t (a TEXT, PRIMARY KEY (a))", "!1170"),
            ("CREATE TABLE t (a INT PRIMARY KEY, b INT, UNIQUE x (b), UNIQUE X (b, a))", "!1061"),
            ("CREATE TABLE t (a VARCHAR(70000) PRIMARY KEY)", "!1074"),
            ("CREATE TABLE t (a CHAR(256) PRIMARY KEY)", "!1074"),
            ("CREATE TABLE t (a INT PRIMARY KEY, b TINYINT DEFAULT 300)", "!1067"),
            ("CREATE TABLE t (a INT PRIMARY KEY, b INT NOT NULL DEFAULT NULL)", "!1067"),
            ("CREATE TABLE t (a INT PRIMARY KEY, b TEXT DEFAULT 'x')", "!1101"),
            ("CREATE TABLE t (a INT PRIMARY KEY, b ENUM('x', 'x'))", "!1291"),
            ("CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(3) CHARSET klingon)", "!1115"),
            ("CREATE TABLE t (a INT PRIMARY KEY) COLLATE utf8mb4_0900_ai_ci", "!1273"),
            ("CREATE TABLE t (a INT PRIMARY KEY) CHARSET latin1 COLLATE utf8mb4_bin", "!1253"),
            ("CREATE TABLE t (a INT PRIMARY KEY) ENGINE=MyISAM", "!1286"),
            ("CREATE TABLE t (a INT PRIMARY KEY AUTO_INCREMENT)", "!1235"),
            ("CREATE TABLE t (a INT PRIMARY KEY, b DECIMAL(5,2))", "!1235"),
            ("CREATE TABLE t (a INT PRIMARY KEY, b TIMESTAMP DEFAULT CURRENT_TIMESTAMP)", "!1235"),
            ("CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(20), KEY (b(10)))", "!1235"),
            ("CREATE TABLE t (a VARCHAR(9), PRIMARY KEY (a(3)))", "!1235"),
            ("CREATE TABLE t (a INT PRIMARY KEY, b INT, FOREIGN KEY (b) REFERENCES t (a))", "!1235"),
            ("CREATE TEMPORARY TABLE t (a INT PRIMARY KEY)", "!1235"),
            ("CREATE TABLE t AS SELECT 1", "!1235"),
            ("ALTER TABLE t ADD FULLTEXT INDEX (b)", "!1235"),
            ("CREATE VIEW v AS SELECT 1", "!1235"),
            ("CREATE TABLE t (a INT PRIMARY KEY", "!1064"),
            ("CREATE TABLE t (a WIBBLE PRIMARY KEY)", "!1235"),
            ("SHOW TABLES", ""),
        ],
    );
    let failure = session.run("CREATE TABLE t (a INT PRIMARY KEY) COLLATE utf8mb4_general_ci").unwrap_err();
    assert!(failure.message.contains("binary and *_bin"), "{failure:?}");
}

// ---- rows ----------------------------------------------------------------------------------------------------------

#[test]
fn insert_and_its_relatives() {
    let (_engine, session) = in_database();
    session.ok(
        "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(5) NOT NULL DEFAULT 'none', n TINYINT UNSIGNED, u INT, UNIQUE (u));
         CREATE TABLE s (k VARCHAR(3) PRIMARY KEY, v INT NOT NULL, e ENUM('a', 'b') NOT NULL)",
    );
    check(
        &session,
        &[
            ("INSERT INTO t VALUES (1, 'one', 1, 1)", "ok 1"),
            ("INSERT INTO t (id) VALUES (2), (3)", "ok 2"),
            ("INSERT t (ID, Name, n) VALUE (4, DEFAULT, 1+1)", "ok 1"),
            ("INSERT INTO t SET id = 5, n = DEFAULT", "ok 1"),
            ("SELECT * FROM t", "1|one|1|1\n2|none|NULL|NULL\n3|none|NULL|NULL\n4|none|2|NULL\n5|none|NULL|NULL"),
            ("INSERT INTO t VALUES (6, 'six', 6)", "!1136"),
            ("INSERT INTO t (id, n) VALUES (6, 1), (7)", "!1136"),
            ("INSERT INTO t (id, nope) VALUES (6, 1)", "!1054"),
            ("INSERT INTO t (id, id) VALUES (6, 1)", "!1110"),
            ("INSERT INTO t (id, name) VALUES (6, NULL)", "!1048"),
            ("INSERT INTO t (id, name) VALUES (6, 'toolong')", "!1406"),
            ("INSERT INTO t (id, name) VALUES (6, 'fits   ')", "ok 1"),
            ("SELECT LENGTH(name) FROM t WHERE id = 6", "5"),
            ("INSERT INTO t (id, n) VALUES (7, 256)", "!1264"),
            ("INSERT INTO t (id, n) VALUES (7, -1)", "!1264"),
            ("INSERT INTO t (id, n) VALUES (7, 'x')", "!1366"),
            ("INSERT INTO t (id, n) VALUES (7, '1x')", "!1265"),
            ("INSERT INTO t (id, n) VALUES ('7', '1.5')", "ok 1"),
            ("SELECT n FROM t WHERE id = 7", "2"),
            ("INSERT INTO t (id) VALUES (8), (1), (9)", "!1062"),
            ("SELECT id FROM t WHERE id > 7", ""),
            ("INSERT INTO t (id, u) VALUES (8, 1)", "!1062"),
            ("INSERT IGNORE INTO t (id) VALUES (8), (1), (9)", "ok 2"),
            ("SHOW WARNINGS", "Warning|1062|Duplicate entry '1' for key 't.PRIMARY'"),
            ("INSERT IGNORE INTO t (id, name, n) VALUES (10, 'toolong', 999)", "ok 1"),
            (
                "SHOW WARNINGS",
                "Warning|1406|Data too long for column 'name' at row 1\nWarning|1264|Out of range value for column 'n' at row 1",
            ),
            ("SELECT * FROM t WHERE id = 10", "10|toolo|255|NULL"),
            ("INSERT INTO s (k) VALUES ('a')", "!1364"),
            ("INSERT INTO s (k, v) VALUES ('a', 1)", "ok 1"),
            ("INSERT INTO s VALUES ('b', 2, 2), ('c', 3, 'b')", "ok 2"),
            ("INSERT INTO s VALUES ('d', 4, 'c')", "!1265"),
            ("SELECT * FROM s", "a|1|a\nb|2|b\nc|3|b"),
            ("REPLACE INTO t VALUES (1, 'uno', 1, 1)", "ok 2"),
            ("REPLACE INTO t VALUES (11, 'new', 1, 11)", "ok 1"),
            ("REPLACE INTO t VALUES (1, 'two', 1, 11)", "ok 3"),
            ("SELECT id, name, u FROM t WHERE u IS NOT NULL", "1|two|11"),
            ("INSERT INTO t (id, n) VALUES (1, 5) ON DUPLICATE KEY UPDATE n = n + VALUES(n), name = 'upd'", "ok 2"),
            ("INSERT INTO t (id, n) VALUES (1, 5) ON DUPLICATE KEY UPDATE n = n", "ok 0"),
            ("INSERT INTO t (id, n) VALUES (12, 5) ON DUPLICATE KEY UPDATE n = 0", "ok 1"),
            ("SELECT id, name, n FROM t WHERE id IN (1, 12)", "1|upd|6\n12|none|5"),
            ("INSERT INTO t (id) SELECT 1", "!1235"),
        ],
    );
    let failure = session.run("INSERT INTO t (id, n) VALUES (20, 1), (21, 2),\n(22, 999)").unwrap_err();
    assert_eq!(failure.message, "Out of range value for column 'n' at row 3");
    assert_eq!((failure.sqlstate.as_str(), failure.line), ("22003", 1));
}

#[test]
fn select_where_order_limit() {
    let (_engine, session) = in_database();
    session.ok(
        "CREATE TABLE t (a INT, b VARCHAR(10), c BIGINT UNSIGNED, e ENUM('z', 'm', 'a'), PRIMARY KEY (a, b), UNIQUE uc (c));
         INSERT INTO t VALUES (1, 'x', 10, 'a'), (1, 'y', NULL, 'z'), (2, 'x', 30, 'm'), (3, 'Z', 18446744073709551615, NULL), (-4, '', 0, 'z')",
    );
    check(
        &session,
        &[
            ("SELECT a, b FROM t", "-4|\n1|x\n1|y\n2|x\n3|Z"),
            ("SELECT a, b FROM t WHERE a = 1", "1|x\n1|y"),
            ("SELECT a, b FROM t WHERE a = '1' AND b > 'x'", "1|y"),
            ("SELECT b FROM t WHERE 1 < a AND a <= 3", "x\nZ"),
            ("SELECT a FROM t WHERE a > 2.5", "3"),
            ("SELECT a FROM t WHERE a > 1000000000000 OR a < -3", "-4"),
            ("SELECT a FROM t WHERE a > 1000000000000", ""),
            ("SELECT a FROM t WHERE c = 30", "2"),
            ("SELECT a FROM t WHERE c = 18446744073709551615", "3"),
            ("SELECT a FROM t WHERE c = -1", ""),
            ("SELECT a FROM t WHERE c IS NULL", "1"),
            ("SELECT a FROM t WHERE c <=> NULL", "1"),
            ("SELECT a FROM t WHERE c < 30 ORDER BY c DESC", "1\n-4"),
            ("SELECT c FROM t WHERE c IN (30, 10, 10, NULL, 5)", "10\n30"),
            ("SELECT a FROM t WHERE (a, b) = (1, 'x')", "!1235"),
            ("SELECT a FROM t WHERE b = 0 AND a < 2", "-4\n1\n1"),
            ("SELECT a FROM t WHERE b LIKE 'x%' AND NOT (a = 1)", "2"),
            ("SELECT a, b FROM t ORDER BY a DESC, b DESC", "3|Z\n2|x\n1|y\n1|x\n-4|"),
            ("SELECT a, b FROM t ORDER BY a DESC, b", "3|Z\n2|x\n1|x\n1|y\n-4|"),
            ("SELECT a, b FROM t ORDER BY b, a", "-4|\n3|Z\n1|x\n2|x\n1|y"),
            ("SELECT e, a FROM t ORDER BY e, a", "NULL|3\nz|-4\nz|1\nm|2\na|1"),
            ("SELECT c FROM t ORDER BY c", "NULL\n0\n10\n30\n18446744073709551615"),
            ("SELECT c FROM t ORDER BY c DESC LIMIT 2", "18446744073709551615\n30"),
            ("SELECT a + 1 AS next FROM t ORDER BY next DESC LIMIT 1", "4"),
            ("SELECT b, a FROM t ORDER BY 2 LIMIT 1, 2", "x|1\ny|1"),
            ("SELECT a FROM t LIMIT 2 OFFSET 3", "2\n3"),
            ("SELECT a FROM t LIMIT 0", ""),
            ("SELECT a FROM t ORDER BY 5", "!1054"),
            ("SELECT COUNT(*), COUNT(c), MIN(a), MAX(b), SUM(a) FROM t", "5|4|-4|y|3"),
            ("SELECT COUNT(*) + 1 FROM t WHERE a = 1", "3"),
            ("SELECT MAX(a) FROM t WHERE a > 100", "NULL"),
            ("SELECT a, COUNT(*) FROM t", "!1140"),
            ("SELECT x.a FROM t AS x WHERE x.b = 'Z'", "3"),
            ("SELECT x.a FROM t x LIMIT 1", "-4"),
            ("SELECT t.a FROM t AS x", "!1054"),
            ("SELECT d.t.a FROM d.t WHERE d.t.a = 2", "2"),
            ("SELECT x.* FROM t x WHERE A = 2", "2|x|30|m"),
            ("SELECT y.* FROM t x", "!1051"),
            ("SELECT nope FROM t", "!1054"),
            ("SELECT a FROM t WHERE nope = 1", "!1054"),
            ("SELECT a FROM t ORDER BY nope", "!1054"),
            ("SELECT a FROM t WHERE a = 2 FOR UPDATE", "2"),
            ("SELECT a FROM t WHERE a = 2 FOR SHARE", "2"),
            ("SELECT a FROM t WHERE a = 2 LOCK IN SHARE MODE", "2"),
            ("SELECT a FROM t WHERE a = 2 FOR UPDATE NOWAIT", "!1235"),
            ("SELECT STRAIGHT_JOIN a FROM t", "!1235"),
            ("SELECT a FROM t GROUP BY a WITH ROLLUP", "!1235"),
            ("SELECT a FROM t UNION SELECT 1", "!1235"),
            ("SELECT t.a FROM t JOIN t AS s ON t.a = s.a", "!1235"),
            ("SELECT a FROM t WHERE a IN (SELECT 1)", "!1235"),
        ],
    );
}

#[test]
fn update_and_delete() {
    let (_engine, session) = in_database();
    session.ok("CREATE TABLE t (k INT PRIMARY KEY, v INT, s VARCHAR(4), UNIQUE (v));
         INSERT INTO t VALUES (1, 10, 'a'), (2, 20, 'b'), (3, 30, 'c'), (4, NULL, 'd')");
    check(
        &session,
        &[
            ("UPDATE t SET s = 'x' WHERE k = 1", "ok 1"),
            ("UPDATE t SET s = 'x' WHERE k = 1", "ok 0"),
            ("UPDATE t SET v = v + 1, s = v WHERE k <= 2", "ok 2"),
            ("SELECT * FROM t WHERE k <= 2", "1|11|11\n2|21|21"),
            ("UPDATE t SET k = k + 10 WHERE k = 4", "ok 1"),
            ("UPDATE t SET v = 30 WHERE k = 1", "!1062"),
            ("UPDATE t SET k = 2, v = 5 WHERE k = 1", "!1062"),
            ("UPDATE IGNORE t SET v = 30", "ok 0"),
            ("UPDATE t SET s = 'toolong' WHERE k > 1", "!1406"),
            ("UPDATE t SET nope = 1", "!1054"),
            ("UPDATE t AS x SET x.s = DEFAULT WHERE x.k = 14", "ok 1"),
            ("SELECT * FROM t", "1|11|11\n2|21|21\n3|30|c\n14|NULL|NULL"),
            ("UPDATE t SET s = 'last' ORDER BY k DESC LIMIT 1", "ok 1"),
            ("SELECT k FROM t WHERE s = 'last'", "14"),
            ("UPDATE t SET k = k + 1 ORDER BY k DESC", "ok 4"),
            ("DELETE FROM t WHERE v > 20 ORDER BY v DESC LIMIT 1", "ok 1"),
            ("SELECT k, v FROM t", "2|11\n3|21\n15|NULL"),
            ("DELETE FROM t WHERE v = 11", "ok 1"),
            ("INSERT INTO t VALUES (2, 11, 'n')", "ok 1"),
            ("DELETE FROM t LIMIT 0", "ok 0"),
            ("DELETE FROM t", "ok 3"),
            ("SELECT COUNT(*) FROM t", "0"),
            ("DELETE t FROM t", "!1235"),
        ],
    );
}

#[test]
fn text_and_bytes_are_kept_exactly() {
    let (_engine, session) = in_database();
    session.ok("CREATE TABLE t (k VARBINARY(9) PRIMARY KEY, u VARCHAR(9), l VARCHAR(9) CHARSET latin1, c CHAR(4), b BINARY(3), x LONGBLOB)");
    check(
        &session,
        &[
            ("INSERT INTO t VALUES (x'00ff', '\u{1f600}', '\u{e9}', 'a  ', 'z', x'00010203')", "ok 1"),
            ("SELECT HEX(k), u, l, CONCAT(c, '|'), HEX(b), LENGTH(x) FROM t", "00FF|\u{1f600}|\u{e9}|a||7A0000|4"),
            ("SELECT LENGTH(u), CHAR_LENGTH(u), HEX(l) FROM t WHERE k = 0x00FF", "4|1|C3A9"),
            ("SELECT COUNT(*) FROM t WHERE l = '\u{e9}' AND c = 'a' AND b = 'z\\0\\0'", "1"),
            ("INSERT INTO t (k, l) VALUES ('b', '\u{4e00}')", "!1366"),
            ("INSERT INTO t (k, u) VALUES ('b', x'ff')", "!1366"),
            ("INSERT INTO t (k, x) VALUES ('big', REPEAT('\u{e4}', 600000))", "ok 1"),
            ("SELECT LENGTH(x) FROM t WHERE k = 'big'", "1200000"),
            ("SELECT k FROM t WHERE k LIKE 'b_g'", "big"),
        ],
    );
    let mut report = Report::default();
    let failure = session.run_bytes(b"SELECT 1;\nSELECT '\xff'", &mut report).unwrap_err();
    assert_eq!((failure.errno, failure.line, report.lines.len()), (1300, 2, 0));
}

// ---- texts, errors, transactions ---------------------------------------------------------------------------------

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
        ("\nEXECUTE p", 1235, "42000", "This version of the bundled engine doesn't yet support 'EXECUTE p'".into(), 2),
        (
            "SELECT k FROM t\nUNION SELECT 1",
            1235,
            "42000",
            "This version of the bundled engine doesn't yet support 'UNION SELECT 1'".into(),
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

// ---- variables, accounts, the host ---------------------------------------------------------------------------------

#[test]
fn variables() {
    let engine = Engine::new();
    check(
        &engine.session(),
        &[
            ("SHOW VARIABLES LIKE 'INNODB\\_flush%'", "innodb_flush_log_at_trx_commit|1"),
            ("SET GLOBAL innodb_flush_log_at_trx_commit = 2", "ok 0"),
            ("SELECT @@global.innodb_flush_log_at_trx_commit, @@innodb_flush_log_at_trx_commit", "2|2"),
            (
                "SET @@global.innodb_flush_log_at_trx_commit = DEFAULT; SELECT @@innodb_flush_log_at_trx_commit",
                "ok 0\n1",
            ),
            ("SET GLOBAL innodb_flush_log_at_trx_commit = 3", "!1231"),
            ("SET GLOBAL innodb_buffer_pool_size = 10000000", "!1238"),
            ("SET innodb_flush_log_at_trx_commit = 1", "!1229"),
            ("SET SESSION nope = 1", "!1193"),
            ("SET GLOBAL nope = 1", "!1193"),
            ("SET autocommit = maybe", "!1231"),
            ("SET NAMES utf8mb4; SET NAMES 'utf8' COLLATE utf8_bin; SET CHARACTER SET latin1", "ok 0\nok 0\nok 0"),
            ("SET NAMES klingon", "!1115"),
            ("SET SESSION innodb_lock_wait_timeout = 7, @@session.transaction_isolation = 'SERIALIZABLE'", "ok 0"),
            ("SHOW SESSION VARIABLES LIKE 'innodb_lock_wait_timeout'", "innodb_lock_wait_timeout|7"),
            ("SELECT @@tx_isolation, @@global.innodb_lock_wait_timeout", "SERIALIZABLE|50"),
            ("SET innodb_lock_wait_timeout = 0", "!1231"),
            ("SET @user_variable += 1", "!1064"),
            ("SHOW GLOBAL STATUS LIKE 'innodb_row%'", "Innodb_row_lock_current_waits|0"),
            ("SHOW PLUGINS", "!1235"),
            ("INSTALL PLUGIN p SONAME 'p.so'", "!1235"),
        ],
    );
}

#[test]
fn accounts_are_recorded() {
    let engine = Engine::new();
    let session = engine.session();
    check(
        &session,
        &[
            ("CREATE USER shop IDENTIFIED BY 'secret', 'a'@'localhost', `b`@`10.%`, c@localhost", "ok 0"),
            (
                "SELECT User, Host, plugin, authentication_string FROM mysql.user ORDER BY User",
                "a|localhost|mysql_native_password|\nb|10.%|mysql_native_password|\nc|localhost|mysql_native_password|\n\
                 shop|%|mysql_native_password|*14E65567ABDB5135D0CFD9A70B3032C179A49EE7",
            ),
            ("CREATE USER new, shop", "!1396"),
            ("SELECT COUNT(*) FROM mysql.user", "4"),
            ("CREATE USER IF NOT EXISTS shop", "ok 0"),
            ("CREATE DATABASE store; CREATE TABLE store.t (k INT PRIMARY KEY)", "ok 1\nok 0"),
            ("GRANT SELECT, INSERT ON store.* TO shop", "ok 0"),
            ("GRANT CREATE TEMPORARY TABLES ON store.t TO 'a'@'localhost' WITH GRANT OPTION", "ok 0"),
            ("GRANT ALL PRIVILEGES ON *.* TO c@localhost", "ok 0"),
            ("GRANT SELECT ON store.nope TO shop", "!1146"),
            ("GRANT SELECT ON * TO shop", "!1046"),
            ("GRANT SELECT ON store.* TO nobody", "!1410"),
            (
                "SELECT User, Db, Table_name, Privilege FROM mysql.grants WHERE User <> 'c' ORDER BY User, Privilege",
                "a|store|t|CREATE TEMPORARY TABLES\na|store|t|GRANT OPTION\nshop|store|*|INSERT\nshop|store|*|SELECT",
            ),
            ("REVOKE INSERT ON store.* FROM shop", "ok 0"),
            ("REVOKE INSERT ON store.* FROM shop", "!1141"),
            ("REVOKE INSERT ON store.t FROM shop", "!1147"),
            ("REVOKE DELETE ON *.* FROM c@localhost", "ok 0"),
            ("SELECT COUNT(*) > 20, SUM(Privilege = 'DELETE') FROM mysql.grants WHERE User = 'c'", "1|0"),
            ("DROP USER c@localhost, 'shop'", "ok 0"),
            ("DROP USER shop", "!1396"),
            ("DROP USER IF EXISTS shop", "ok 0"),
            ("SELECT SQL_CALC_FOUND_ROWS 1", "!1235"),
            ("SELECT COUNT(*) FROM mysql.grants", "2"),
            ("FLUSH PRIVILEGES", "ok 0"),
        ],
    );
}

/// What the host callback saw, and whether it works on the engine itself.
struct TestHost {
    seen: Vec<String>,
    other: Session,
}

unsafe extern "C" fn on_host(
    arg: *mut c_void,
    statement: *const refengine_host_statement_t,
    reply: *mut refengine_reply_t,
) -> c_int {
    // SAFETY: `arg` is the TestHost of the test, whose session's thread this is; the statement is valid for the call.
    let (host, statement) = unsafe { (&mut *arg.cast::<TestHost>(), &*statement) };
    let text = |pointer: *const c_char| {
        // SAFETY: terminated strings or NULL.
        (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) }.to_str().unwrap().to_owned())
    };
    let (name, value) = (text(statement.name), text(statement.value));
    host.seen.push(format!("{} {name:?} {value:?}", statement.kind));
    let row = |cells: &[*const c_char]| {
        // SAFETY: the reply of this callback, terminated strings.
        unsafe { refengine_reply_row(reply, cells.len() as u32, cells.as_ptr()) };
    };
    match statement.kind {
        refengine_host_kind::REFENGINE_INSTALL_PLUGIN if name.as_deref() == Some("bad") => {
            let message = c"Can't initialize function 'bad'; port taken";
            // SAFETY: the reply of this callback, terminated strings.
            unsafe { refengine_reply_error(reply, 1123, c"HY000".as_ptr(), message.as_ptr()) };
            return 1;
        }
        refengine_host_kind::REFENGINE_INSTALL_PLUGIN => {
            host.other.ok("REPLACE INTO d.plugins VALUES (1)");
        }
        refengine_host_kind::REFENGINE_SHOW_PLUGINS => {
            let names = [c"Name".as_ptr(), c"Library".as_ptr()];
            // SAFETY: the reply of this callback, terminated strings.
            unsafe { refengine_reply_columns(reply, 2, names.as_ptr()) };
            row(&[c"daemon_memcached".as_ptr(), ptr::null()]);
        }
        refengine_host_kind::REFENGINE_SHOW_VARIABLES => {
            row(&[c"daemon_memcached_option".as_ptr(), c"-p 0".as_ptr()]);
            row(&[c"autocommit".as_ptr(), c"shadowed".as_ptr()]);
        }
        refengine_host_kind::REFENGINE_SHOW_STATUS => {
            row(&[c"Uptime".as_ptr(), c"5".as_ptr()]);
            row(&[c"Daemon_memcached_threads".as_ptr(), c"4".as_ptr()]);
        }
        _ if name.as_deref() == Some("silent") => return 1,
        _ => {}
    }
    0
}

#[test]
fn host_statements() {
    let (engine, session) = in_database();
    session.ok("CREATE TABLE plugins (k INT PRIMARY KEY)");
    let mut host = TestHost { seen: Vec::new(), other: engine.session() };
    // SAFETY: the host outlives the session, whose thread is this one.
    unsafe { refengine_set_host(engine.raw, Some(on_host), ptr::from_mut(&mut host).cast()) };
    check(
        &session,
        &[
            (
                "BEGIN; INSERT INTO plugins VALUES (1); INSTALL PLUGIN daemon_memcached SONAME \"libmemcached.so\"",
                "ok 0\nok 1\nok 0",
            ),
            ("UNINSTALL PLUGIN `daemon_memcached`", "ok 0"),
            ("SHOW PLUGINS", "daemon_memcached|NULL"),
            ("SHOW VARIABLES LIKE 'daemon%'", "daemon_memcached_option|-p 0"),
            ("SHOW VARIABLES LIKE 'autocommit'", "autocommit|ON"),
            ("SELECT @@daemon_memcached_option", "-p 0"),
            ("SHOW GLOBAL STATUS LIKE '%a%t%'", "Daemon_memcached_threads|4\nInnodb_row_lock_current_waits|0"),
            ("SHOW STATUS LIKE 'upt%'", "Uptime|5"),
            ("SET GLOBAL daemon_x = ON", "ok 0"),
            ("SET GLOBAL daemon_x = DEFAULT", "ok 0"),
            ("SET GLOBAL silent = 1", "!1105"),
            ("SET daemon_memcached_option = ''", "!1229"),
        ],
    );
    let failure = session.run("INSTALL PLUGIN bad SONAME 'b.so'").unwrap_err();
    assert_eq!((failure.errno, failure.message.as_str()), (1123, "Can't initialize function 'bad'; port taken"));
    // SAFETY: no statement runs.
    unsafe { refengine_set_host(engine.raw, None, ptr::null_mut()) };
    let set: Vec<&String> =
        host.seen.iter().filter(|seen| !seen.starts_with("4 ") && !seen.starts_with("5 ")).collect();
    assert_eq!(
        set,
        [
            "1 Some(\"daemon_memcached\") Some(\"libmemcached.so\")",
            "2 Some(\"daemon_memcached\") None",
            "3 None None",
            "6 Some(\"daemon_x\") Some(\"ON\")",
            "6 Some(\"daemon_x\") None",
            "6 Some(\"silent\") Some(\"1\")",
            "1 Some(\"bad\") Some(\"b.so\")",
        ]
    );
}

// ---- the scripts ---------------------------------------------------------------------------------------------------

const CONFIG: &str = include_str!("../sql/innodb_memcached_config.sql");
const DEFAULT: &str = include_str!("../sql/default_container.sql");

#[test]
fn both_scripts_twice() {
    let engine = Engine::new();
    let session = engine.session();
    let mut first = None;
    for _ in 0..2 {
        session.ok(CONFIG);
        session.ok(DEFAULT);
        let now = [
            session.ok("SELECT * FROM innodb_memcache.containers"),
            session.ok("SELECT * FROM innodb_memcache.cache_policies"),
            session.ok("SELECT * FROM innodb_memcache.config_options"),
            session.ok("SELECT * FROM test.demo_test"),
            session.ok("DESC memcached.cache"),
        ];
        assert_eq!(*first.get_or_insert_with(|| now.clone()), now);
    }
    assert_eq!(
        first.unwrap(),
        [
            "aaa|test|demo_test|c1|c2|c3|c4|c5|PRIMARY\ndefault|memcached|cache|key|value|flags|cas|expiry|PRIMARY",
            "cache_policy|innodb_only|innodb_only|innodb_only|innodb_only",
            "separator||\ntable_map_delimiter|.",
            "AA|HELLO, HELLO|8|0|0",
            "key|varbinary(250)|NO|PRI|NULL|\nvalue|longblob|YES||NULL|\nflags|int unsigned|NO||0|\n\
             cas|bigint unsigned|NO||0|\nexpiry|int unsigned|NO||0|",
        ]
    );
    assert_eq!(session.ok("SHOW TABLES FROM innodb_memcache"), "cache_policies\nconfig_options\ncontainers");
}

#[test]
fn the_articles_recipe() {
    let engine = Engine::new();
    let session = engine.session();
    session.ok(CONFIG);
    session.ok(
        "CREATE DATABASE store;
         USE store;
         CREATE TABLE cache (item_key VARCHAR(1024) NOT NULL, item_data MEDIUMBLOB, flags INT, cas BIGINT UNSIGNED, expiry INT,PRIMARY KEY(item_key));

         CREATE USER shop IDENTIFIED BY 'secret';
         GRANT SELECT ON store.* TO shop;

         USE innodb_memcache;
         DELETE FROM containers;
         INSERT INTO containers (name, db_schema, db_table, key_columns, value_columns, flags, cas_column, expire_time_column, unique_idx_name_on_key) VALUES ('default', 'store', 'cache', 'item_key', 'item_data', 'flags', 'cas', 'expiry', 'PRIMARY');",
    );
    assert_eq!(
        session.ok("SELECT * FROM containers"),
        "default|store|cache|item_key|item_data|flags|cas|expiry|PRIMARY"
    );
}
