//! INSERT, SELECT, UPDATE, DELETE and what is kept of texts and bytes.

use crate::support::*;

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
