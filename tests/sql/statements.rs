//! ALTER TABLE, indexes, groups and what else statements can say: tables of statements and answers.

use crate::common::HostConfig;
use crate::support::in_database;

/// Runs each statement and compares what it prints, lines joined by `; ` and columns by `|`, or its error number.
fn run(cases: &[(&str, &str)]) {
    let host = HostConfig::new().bare().start();
    host.sql("CREATE DATABASE d; USE d").unwrap();
    for (sql, expected) in cases {
        let said = match host.sql(sql) {
            Ok(text) => text.lines().skip(1).map(|line| line.replace('\t', "|")).collect::<Vec<_>>().join("; "),
            Err(error) => error.errno.to_string(),
        };
        assert_eq!(said, *expected, "{sql}");
    }
}

#[test]
fn tables_are_checked_and_plans_explained() {
    run(&[
        (
            "CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(9), c CHAR(3), e ENUM('z', 'a'), u INT, UNIQUE KEY u (u), KEY b (b), KEY ce (c, e));
             INSERT INTO t VALUES (-1, 'x', 'a', 'a', 1), (2, 'X', 'A', 'z', NULL), (3, NULL, NULL, NULL, NULL), (4, '\u{e4}', 'b ', 'z', 4)",
            "",
        ),
        ("CHECK TABLE t EXTENDED", "d.t|check|status|OK"),
        (
            "CHECK TABLES t, absent FOR UPGRADE",
            "d.t|check|status|OK; d.absent|check|Error|Table 'd.absent' doesn't exist; d.absent|check|status|Operation failed",
        ),
        ("ANALYZE LOCAL TABLE t", "d.t|analyze|status|OK"),
        (
            "OPTIMIZE TABLE t",
            "d.t|optimize|note|The engine rewrites its files by itself, in the background; d.t|optimize|status|OK",
        ),
        ("REPAIR TABLE t QUICK", "d.t|repair|note|The storage engine for the table doesn't support repair"),
        ("EXPLAIN SELECT * FROM t", "1|SIMPLE|t|NULL|ALL|NULL|NULL|NULL|NULL|NULL|NULL|NULL"),
        (
            "EXPLAIN SELECT b FROM t AS x WHERE a = 2",
            "1|SIMPLE|x|NULL|const|PRIMARY|PRIMARY|NULL|NULL|NULL|NULL|Using where",
        ),
        ("DESC SELECT b FROM t WHERE b = 'x'", "1|SIMPLE|t|NULL|ref|b|b|NULL|NULL|NULL|NULL|Using where"),
        (
            "EXPLAIN SELECT b FROM t WHERE a > 2 ORDER BY b",
            "1|SIMPLE|t|NULL|range|PRIMARY|PRIMARY|NULL|NULL|NULL|NULL|Using where; Using filesort",
        ),
        ("EXPLAIN SELECT 1", "1|SIMPLE|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|No tables used"),
        ("EXPLAIN SELECT nothing FROM t", "1054"),
        ("EXPLAIN UPDATE t SET b = 1", "1235"),
    ]);
}

#[test]
fn columns_come_go_and_change() {
    run(&[
        (
            "CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(10), c INT UNIQUE); INSERT INTO t VALUES (1, '10', 5), (2, NULL, NULL), (3, 'x', 6)",
            "",
        ),
        (
            "ALTER TABLE t ADD d TINYINT UNSIGNED NOT NULL, ADD COLUMN e ENUM('p', 'q') NOT NULL FIRST; SELECT * FROM t",
            "p|1|10|5|0; p|2|NULL|NULL|0; p|3|x|6|0",
        ),
        ("ALTER TABLE t DROP e, DROP COLUMN d; SELECT * FROM t", "1|10|5; 2|NULL|NULL; 3|x|6"),
        ("ALTER TABLE t MODIFY b INT", "1366"),
        (
            "UPDATE t SET b = '7' WHERE a = 3; ALTER TABLE t MODIFY b BIGINT AFTER c; SELECT * FROM t WHERE b > 7",
            "1|5|10",
        ),
        ("ALTER TABLE t MODIFY b BIGINT NOT NULL", "1138"),
        (
            "ALTER TABLE t CHANGE b price INT UNSIGNED, RENAME COLUMN a TO id; SELECT id, price FROM t",
            "1|10; 2|NULL; 3|7",
        ),
        ("INSERT INTO t VALUES (4, 5, 0)", "1062"),
        ("SELECT c FROM t WHERE c = 6", "6"),
        ("ALTER TABLE t MODIFY id SMALLINT; INSERT INTO t VALUES (-5, 9, 1); SELECT id FROM t", "-5; 1; 2; 3"),
        (
            "ALTER TABLE t DROP c; SHOW CREATE TABLE t",
            "t|CREATE TABLE `t` (\\n  `id` smallint NOT NULL,\\n  `price` int unsigned DEFAULT NULL,\\n  PRIMARY KEY (`id`)\\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
        ),
        ("ALTER TABLE t ADD (f INT, g VARCHAR(3) DEFAULT 'g'); SELECT * FROM t WHERE id = 1", "1|10|NULL|g"),
        ("ALTER TABLE t ADD price INT", "1060"),
        ("ALTER TABLE t CHANGE f g INT", "1060"),
        ("ALTER TABLE t DROP absent", "1091"),
        ("ALTER TABLE t MODIFY absent INT", "1054"),
        ("ALTER TABLE t ADD h INT AFTER absent", "1054"),
        ("ALTER TABLE t ADD h NONSENSE", "1235"),
        ("ALTER TABLE t DROP id", "1235"),
        ("ALTER TABLE t DROP PRIMARY KEY", "1235"),
        ("ALTER TABLE t ADD PRIMARY KEY (g)", "1068"),
        ("ALTER TABLE absent ADD h INT", "1146"),
        ("ALTER TABLE t", "1064"),
        ("SELECT COUNT(*) FROM t", "4"),
    ]);
}

#[test]
fn unique_indexes_come_and_go() {
    run(&[
        (
            "CREATE TABLE t (a INT PRIMARY KEY, b INT, c VARCHAR(5)); INSERT INTO t VALUES (1, 1, 'x'), (2, 1, 'y'), (3, NULL, 'x'), (4, NULL, 'x')",
            "",
        ),
        ("CREATE UNIQUE INDEX i ON t (b)", "1062"),
        ("SELECT COUNT(*) FROM t", "4"),
        ("CREATE UNIQUE INDEX i ON t (b, c); INSERT INTO t VALUES (5, 1, 'y')", "1062"),
        ("SELECT a FROM t WHERE b = 1 AND c = 'y'", "2"),
        ("CREATE UNIQUE INDEX i ON t (c)", "1061"),
        ("ALTER TABLE t ADD UNIQUE KEY (absent)", "1072"),
        ("DROP INDEX i ON t; INSERT INTO t VALUES (5, 1, 'y'); SELECT COUNT(*) FROM t", "5"),
        ("DROP INDEX i ON t", "1091"),
        (
            "DELETE FROM t WHERE a > 2; ALTER TABLE t ADD UNIQUE (c), ADD e INT UNIQUE; SHOW COLUMNS FROM t LIKE 'e'",
            "e|int|YES|UNI|NULL|",
        ),
        (
            "ALTER TABLE t DROP INDEX c, DROP KEY e; INSERT INTO t (a, c, e) VALUES (6, 'x', 1), (7, 'x', 1); SELECT COUNT(*) FROM t",
            "4",
        ),
    ]);
}

#[test]
fn indexes_that_rows_may_share() {
    run(&[
        (
            "CREATE TABLE t (a INT PRIMARY KEY, b INT, c VARCHAR(5), UNIQUE u (a, b), KEY (b), INDEX bc USING BTREE (b, c)); SHOW CREATE TABLE t",
            "t|CREATE TABLE `t` (\\n  `a` int NOT NULL,\\n  `b` int DEFAULT NULL,\\n  `c` varchar(5) DEFAULT NULL,\\n  PRIMARY KEY (`a`),\\n  UNIQUE KEY `u` (`a`,`b`),\\n  KEY `b` (`b`),\\n  KEY `bc` (`b`,`c`)\\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
        ),
        ("SHOW COLUMNS FROM t LIKE 'b'", "b|int|YES|MUL|NULL|"),
        (
            "SHOW INDEX FROM t",
            "t|0|PRIMARY|1|a|A|NULL|NULL|NULL||BTREE|||YES|NULL; t|0|u|1|a|A|NULL|NULL|NULL||BTREE|||YES|NULL; \
             t|0|u|2|b|A|NULL|NULL|NULL|YES|BTREE|||YES|NULL; t|1|b|1|b|A|NULL|NULL|NULL|YES|BTREE|||YES|NULL; \
             t|1|bc|1|b|A|NULL|NULL|NULL|YES|BTREE|||YES|NULL; t|1|bc|2|c|A|NULL|NULL|NULL|YES|BTREE|||YES|NULL",
        ),
        ("ALTER TABLE t DROP INDEX u, DROP INDEX bc; SHOW KEYS IN t FROM d LIKE 'x'", "1235"),
        // Rows in the order of the index, those that share a key in that of the primary key.
        (
            "INSERT INTO t VALUES (5, 1, 'e'), (1, 2, 'a'), (4, 1, 'd'), (2, NULL, 'b'), (3, NULL, 'c'), (6, 3, 'f'); SELECT a FROM t WHERE b = 1",
            "4; 5",
        ),
        ("SELECT a FROM t WHERE b >= 1 AND b < 3 ORDER BY b", "4; 5; 1"),
        ("SELECT a FROM t WHERE b > 1 ORDER BY b DESC", "6; 1"),
        ("SELECT a FROM t WHERE b IN (3, 1, 9)", "4; 5; 6"),
        ("SELECT a FROM t WHERE b IS NULL", "2; 3"),
        ("SELECT a FROM t ORDER BY b, a LIMIT 3", "2; 3; 4"),
        ("SELECT b, COUNT(*) FROM t WHERE b BETWEEN 1 AND 2 GROUP BY b ORDER BY b", "1|2; 2|1"),
        ("UPDATE t SET b = b + 1 WHERE b = 1; SELECT a FROM t WHERE b = 2", "1; 4; 5"),
        ("SELECT a FROM t WHERE b = 1", ""),
        ("UPDATE t SET a = a + 10 WHERE b = 2 AND a > 3; SELECT a FROM t WHERE b = 2", "1; 14; 15"),
        ("DELETE FROM t WHERE b = 2 LIMIT 2; SELECT a FROM t WHERE b = 2", "15"),
        (
            "REPLACE INTO t VALUES (15, 3, 'r'); INSERT INTO t VALUES (6, 9, '') ON DUPLICATE KEY UPDATE b = 2; SELECT a, b FROM t WHERE b > 0",
            "6|2; 15|3",
        ),
        (
            "BEGIN; DELETE FROM t WHERE b = 3; SELECT COUNT(*) FROM t WHERE b = 3; ROLLBACK; SELECT a FROM t WHERE b = 3",
            "0; a; 15",
        ),
        // Made for rows that are there; TEXT has none.
        ("CREATE INDEX c ON t (c); SELECT a FROM t WHERE c >= 'c' ORDER BY c", "3; 6; 15"),
        ("ALTER TABLE t ADD d TEXT, ADD INDEX (d)", "1170"),
        ("ALTER TABLE t ADD INDEX c (a)", "1061"),
        ("ALTER TABLE t ADD KEY (absent)", "1072"),
        ("CREATE UNIQUE INDEX v ON t (b); INSERT INTO t VALUES (7, 3, 'x')", "1062"),
        ("DROP INDEX v ON t; INSERT INTO t VALUES (7, 3, 'x'); SELECT a FROM t WHERE b = 3", "7; 15"),
        (
            "ALTER TABLE t RENAME INDEX c TO e, RENAME KEY b TO f, MODIFY c VARCHAR(20); DROP INDEX f ON t; SELECT a FROM t WHERE c = 'x'",
            "7",
        ),
        ("ALTER TABLE t RENAME INDEX absent TO e", "1176"),
        ("TRUNCATE t; SELECT COUNT(*) FROM t WHERE c >= ''", "0"),
        ("INSERT INTO t VALUES (1, 1, 'z'); ALTER TABLE t RENAME TO w; SELECT a FROM w WHERE c = 'z'", "1"),
        ("ALTER TABLE w RENAME AS t; ALTER TABLE t RENAME d.s; ALTER TABLE s RENAME absent.t", "1049"),
        ("SHOW INDEX FROM absent", "1146"),
        ("CREATE TABLE l (a VARBINARY(16384) PRIMARY KEY, b VARBINARY(16384), KEY (b))", "1071"),
        ("CREATE TABLE l (a INT PRIMARY KEY, CONSTRAINT k KEY (a))", "1064"),
    ]);
}

#[test]
fn groups() {
    run(&[
        (
            "CREATE TABLE t (a INT PRIMARY KEY, g VARCHAR(5), n INT); SELECT COUNT(*), SUM(n), AVG(n), MIN(g) FROM t",
            "0|NULL|NULL|NULL",
        ),
        ("SELECT g, COUNT(*) FROM t GROUP BY g", ""),
        (
            "INSERT INTO t VALUES (1, 'x', 1), (2, 'y', 2), (3, 'x', 4), (4, NULL, NULL), (5, 'y', NULL), (6, NULL, 7)",
            "",
        ),
        (
            "SELECT g, COUNT(*), COUNT(n), SUM(n), AVG(n), MIN(n), MAX(n) FROM t GROUP BY g ORDER BY g",
            "NULL|2|1|7|7.0000|7|7; x|2|2|5|2.5000|1|4; y|2|1|2|2.0000|2|2",
        ),
        ("SELECT COUNT(*) AS c, n IS NULL AS empty FROM t GROUP BY empty ORDER BY c", "2|1; 4|0"),
        ("SELECT g, SUM(n) AS s FROM t GROUP BY g HAVING s > 4 ORDER BY s DESC", "NULL|7; x|5"),
        ("SELECT g FROM t GROUP BY g HAVING COUNT(n) = 1 ORDER BY MAX(a) DESC LIMIT 1", "NULL"),
        ("SELECT UPPER(g), COUNT(*) FROM t WHERE a < 4 GROUP BY 1 ORDER BY 2, 1", "Y|1; X|2"),
        ("SELECT a, g FROM t GROUP BY a ORDER BY a LIMIT 2", "1|x; 2|y"),
        ("SELECT a % 2 AS odd, COUNT(*) FROM t GROUP BY a % 2 ORDER BY odd", "0|3; 1|3"),
        ("SELECT AVG(a), SUM(a) / COUNT(*) FROM t", "3.5000|3.5000"),
        ("SELECT COUNT(*) FROM t HAVING COUNT(*) > 100", ""),
        ("SELECT g FROM t ORDER BY AVG(a)", "1140"),
        ("SELECT n FROM t GROUP BY g", "1055"),
        ("SELECT g FROM t GROUP BY g ORDER BY n", "1055"),
        ("SELECT g, COUNT(*) FROM t", "1140"),
        ("SELECT COUNT(*) AS c FROM t GROUP BY c", "1056"),
        ("SELECT g FROM t GROUP BY absent", "1054"),
    ]);
}

#[test]
fn distinct_rows() {
    run(&[
        ("CREATE TABLE t (a INT PRIMARY KEY, g VARCHAR(5), n INT); SELECT DISTINCT g FROM t", ""),
        (
            "INSERT INTO t VALUES (1, 'x', 1), (2, 'y', 2), (3, 'x', 1), (4, NULL, NULL), (5, 'y', NULL), (6, NULL, NULL), (7, '', 1)",
            "",
        ),
        ("SELECT DISTINCT g FROM t ORDER BY g", "NULL; ; x; y"),
        ("SELECT DISTINCT g, n FROM t ORDER BY g DESC, n LIMIT 1, 3", "y|2; x|1; |1"),
        ("SELECT DISTINCTROW n FROM t WHERE g IS NOT NULL ORDER BY 1", "NULL; 1; 2"),
        ("SELECT DISTINCT n + 1 AS m FROM t WHERE n > 0 ORDER BY m DESC", "3; 2"),
        ("SELECT DISTINCT * FROM t WHERE a < 3 ORDER BY a", "1|x|1; 2|y|2"),
        ("SELECT DISTINCT COUNT(*) FROM t", "7"),
        ("SELECT DISTINCT 5", "5"),
        ("SELECT ALL g FROM t WHERE n = 1 ORDER BY a", "x; x; "),
        ("SELECT DISTINCT g FROM t ORDER BY n", "1055"),
        ("SELECT DISTINCT g FROM t GROUP BY g", "1235"),
        ("SELECT DISTINCT DISTINCT g FROM t", "1064"),
        ("SELECT SQL_NO_CACHE MAX(a) FROM t", "7"),
    ]);
}

#[test]
fn savepoints() {
    run(&[
        ("CREATE TABLE t (a INT PRIMARY KEY); SAVEPOINT s; ROLLBACK TO s", "1305"),
        (
            "BEGIN; INSERT INTO t VALUES (1); SAVEPOINT one; INSERT INTO t VALUES (2); SAVEPOINT Two; INSERT INTO t VALUES (3)",
            "",
        ),
        ("INSERT INTO t VALUES (1)", "1062"),
        ("ROLLBACK TO SAVEPOINT two; SELECT a FROM t", "1; 2"),
        ("ROLLBACK WORK TO one; SELECT a FROM t", "1"),
        ("ROLLBACK TO two", "1305"),
        ("INSERT INTO t VALUES (4); SAVEPOINT one; INSERT INTO t VALUES (5); ROLLBACK TO one; SELECT a FROM t", "1; 4"),
        ("RELEASE SAVEPOINT one; ROLLBACK TO one", "1305"),
        ("SAVEPOINT last; COMMIT; SELECT a FROM t", "1; 4"),
        ("BEGIN; ROLLBACK TO last", "1305"),
        (
            "ROLLBACK; SET autocommit = 0; SAVEPOINT z; DELETE FROM t; ROLLBACK TO z; COMMIT; SET autocommit = 1; SELECT a FROM t",
            "1; 4",
        ),
    ]);
}

#[test]
fn variables_of_users_and_of_clients() {
    run(&[
        ("SELECT @a", "NULL"),
        ("SET @a = 5, @B = @a + 1, @c := 'x'; SELECT @A, @b, @c", "5|6|x"),
        ("CREATE TABLE t (a INT PRIMARY KEY); INSERT INTO t VALUES (5), (@b); SELECT a FROM t WHERE a > @a", "6"),
        (
            "SET @old = @@SQL_MODE, SQL_MODE = 'NO_AUTO_VALUE_ON_ZERO'; SHOW WARNINGS",
            "Warning|1231|sql_mode was not changed: this engine has only 'ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO'",
        ),
        ("SET SQL_MODE = @old; SHOW WARNINGS", ""),
        // A mode that changes what statements mean would be one to be missed.
        ("SET sql_mode = 'ANSI_QUOTES'", "1231"),
        ("SET @f = @@foreign_key_checks, FOREIGN_KEY_CHECKS = 0; SELECT @f, @@foreign_key_checks", "1|0"),
        (
            "SET foreign_key_checks = @f, time_zone = '+02:00', time_zone = DEFAULT; SELECT @@foreign_key_checks, @@time_zone",
            "1|+00:00",
        ),
        ("SET unique_checks = 'perhaps'", "1231"),
        ("SET character_set_server = utf8mb4", "1238"),
        ("SET absent = 1", "1193"),
    ]);
}

#[test]
fn what_clients_ask_of_the_catalog() {
    run(&[
        (
            "CREATE DATABASE e CHARACTER SET utf8mb4 COLLATE utf8mb4_bin; SHOW CREATE DATABASE e",
            "e|CREATE DATABASE `e` /*!40100 DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */",
        ),
        ("CREATE DATABASE f CHARACTER SET klingon", "1115"),
        ("CREATE DATABASE INFORMATION_SCHEMA", "1044"),
        ("SHOW CREATE DATABASE absent", "1049"),
        (
            "CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(5) CHARACTER SET latin1 DEFAULT 'x', KEY (b)); SHOW FULL TABLES LIKE 't'",
            "t|BASE TABLE",
        ),
        (
            "SHOW FULL COLUMNS FROM t",
            "a|int|NULL|NO|PRI|NULL||select,insert,update,references|; b|varchar(5)|latin1_bin|YES|MUL|x||select,insert,update,references|",
        ),
        (
            "SHOW TABLE STATUS FROM d LIKE 't%'",
            "t|InnoDB|10|Dynamic|0|0|0|NULL|NULL|NULL|NULL|NULL|NULL|NULL|utf8mb4_bin|NULL||",
        ),
        ("SHOW TRIGGERS", ""),
        (
            "SELECT table_name, engine FROM INFORMATION_SCHEMA.TABLES WHERE table_schema = DATABASE() ORDER BY 1",
            "t|InnoDB",
        ),
        (
            "SELECT c.column_name, data_type, ordinal_position + 1 FROM information_schema.columns AS c WHERE table_schema = 'd' AND table_name = 't' ORDER BY ordinal_position DESC",
            "b|varchar|3; a|int|2",
        ),
        (
            "SELECT table_schema, COUNT(*) FROM information_schema.columns WHERE table_schema IN ('d', 'e') GROUP BY table_schema",
            "d|2",
        ),
        ("SELECT SCHEMA_NAME FROM information_schema.schemata WHERE schema_name < 'i' LIMIT 1, 1", "e"),
        ("LOCK TABLES t READ; SELECT COUNT(*) FROM information_schema.triggers; UNLOCK TABLES", "0"),
        ("SELECT * FROM information_schema.files", "1109"),
        ("DELETE FROM information_schema.tables", "1049"),
        (
            "ALTER TABLE t DISABLE KEYS; SHOW WARNINGS",
            "Note|1031|Table storage engine for 't' doesn't have this option",
        ),
    ]);
}

#[test]
fn rows_in_many_ways() {
    run(&[
        (
            "CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(10) UNIQUE, n INT DEFAULT 0); INSERT INTO t (a, b) VALUES (1, 'one'), (2, 'two'), (3, 'three')",
            "",
        ),
        (
            "INSERT INTO t VALUES (1, 'uno', 5), (4, 'four', 6) ON DUPLICATE KEY UPDATE n = n + VALUES(n); SELECT * FROM t",
            "1|one|5; 2|two|0; 3|three|0; 4|four|6",
        ),
        (
            "REPLACE INTO t VALUES (9, 'two', 9), (1, 'one', 1); SELECT * FROM t",
            "1|one|1; 3|three|0; 4|four|6; 9|two|9",
        ),
        ("SELECT a FROM t WHERE b LIKE 't%' AND a IN (1, 3, 9) AND n BETWEEN 0 AND 8", "3"),
        ("SELECT a FROM t WHERE b NOT LIKE '%o%' OR a NOT BETWEEN 2 AND 8 ORDER BY b DESC LIMIT 1, 1", "3"),
        ("UPDATE t SET n = a * 2 WHERE a > 3 ORDER BY a DESC LIMIT 1; SELECT n FROM t WHERE a = 9", "18"),
        ("DELETE FROM t WHERE n IN (1, 18) LIMIT 5; SELECT a FROM t", "3; 4"),
    ]);
}

/// However long a chain is, nobody's stack is the bound of it: what is too deep is refused, and the next statement answered.
#[test]
fn chains_without_end_are_refused() {
    let (_engine, session) = in_database();
    session.ok("CREATE TABLE t (a INT PRIMARY KEY)");
    let chain = |head: &str, link: &str, tail: &str| format!("{head}{}{tail}", link.repeat(200_000));
    let cases = [
        ("SELECT 1", "+1", ""),
        ("SELECT ", "-", "1"),
        ("SELECT ", "NOT ", "1"),
        ("SELECT ", "(", "1"),
        ("SELECT 1", "::INT", ""),
        ("SELECT 1 FROM t WHERE 1", " AND 1", ""),
        ("SELECT 1", " UNION SELECT 1", ""),
        ("SELECT 1 FROM t", " JOIN t", ""),
        ("SELECT 1 FROM t JOIN t ON 1", "+1", ""),
        ("CREATE VIEW v AS SELECT 1", "+1", ""),
        ("CREATE TABLE u (a INT CHECK (1", "+1", "))"),
        ("ALTER TABLE t ADD c INT GENERATED ALWAYS AS (1", "+1", ")"),
        ("DO 1", "+1", ""),
        ("", "EXPLAIN ", "SELECT 1"),
        ("", "/*!", ""),
    ];
    for (head, link, tail) in cases {
        let errno = session.errno(&chain(head, link, tail));
        assert!(matches!(errno, 1064 | 1436), "{head}{link}...{tail}: {errno}");
        assert_eq!(session.ok("SELECT 2"), "2");
    }
    // A chain that is no deeper than it may be, and what the grammar refuses at that length.
    assert_eq!(session.ok(&format!("SELECT 1{}", "+1".repeat(900))), "901");
    assert_eq!(session.errno(&format!("CREATE VIEW v AS SELECT 1{}", "+1".repeat(900))), 1235);
}

/// What a statement holds in memory, and a session between two of them, has a bound; rows that come one after the other do not add up.
#[test]
fn statements_that_need_too_much_memory_are_refused() {
    let (_engine, session) = in_database();
    session.ok("CREATE TABLE t (a INT PRIMARY KEY, b INT)");
    let rows: Vec<String> = (0..40).map(|n| format!("({n}, 30000000)")).collect();
    session.ok(&format!("INSERT INTO t VALUES {}", rows.join(",")));
    let many = |count: usize, each: &str| vec![each; count].join(", ");
    let cases = [
        (format!("SELECT {}", many(20, "REPEAT('x', 60000000)")), "!1038"),
        (format!("SELECT LENGTH(CONCAT({})) FROM t", many(40, "REPEAT(a, b)")), "!1038"),
        ("SELECT REPEAT(a, b), COUNT(*) FROM t GROUP BY REPEAT(a, b) HAVING MAX(b) < 0".to_owned(), "!1038"),
        ("SELECT a FROM t ORDER BY REPEAT(a, b)".to_owned(), "!1038"),
        (format!("SELECT {}", many(4097, "1")), "!1117"),
        ("SET @a = REPEAT('x', 60000000), @b = REPEAT('x', 60000000)".to_owned(), "ok 0"),
        ("SET @c = REPEAT('x', 60000000)".to_owned(), "!1038"),
        ("SET @a = NULL, @c = REPEAT('x', 60000000); SELECT LENGTH(@c)".to_owned(), "ok 0\n60000000"),
        ("SELECT REPEAT('x', 70000000) IS NULL".to_owned(), "1"),
        ("SELECT COUNT(*) FROM t WHERE LENGTH(REPEAT(a, b)) > 0".to_owned(), "40"),
    ];
    for (sql, expected) in cases {
        assert_eq!(session.answer(&sql), expected, "{}", sql.get(..80).unwrap_or(&sql));
    }
}
