//! Databases, tables and column types: what is made, described and refused.

use crate::support::*;

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
        `k` varbinary(250) NOT NULL,\n  `l` text,\n  `m` mediumtext CHARACTER SET ascii COLLATE ascii_bin,\n  \
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
            ("CREATE TABLE t (a VARCHAR(9) PRIMARY KEY) COLLATE utf8mb4_0900_ai_ci", "!1273"),
            ("CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(9) COLLATE latin1_swedish_ci, KEY (b))", "!1273"),
            ("CREATE TABLE t (a INT PRIMARY KEY) COLLATE utf8mb4_nonsense", "!1273"),
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
    let failure = session.run("CREATE TABLE t (a VARCHAR(9) PRIMARY KEY) COLLATE utf8mb4_general_ci").unwrap_err();
    assert!(failure.message.contains("COLLATE utf8mb4_bin"), "{failure:?}");
    for (sql, word) in [
        ("CREATE TABLE t (a INT PRIMARY KEY AUTO_INCREMENT, b INT)", "'AUTO_INCREMENT'"),
        ("SELECT 1 UNION ALL SELECT 2 FROM t WHERE a = 1", "'UNION'"),
        ("CREATE VIEW v AS SELECT 1", "'VIEW'"),
    ] {
        let failure = session.run(sql).unwrap_err();
        assert!(failure.message.ends_with(word), "{sql}: {failure:?}");
    }
}

/// What dumps of other servers say and this engine has not: read, told, not kept.
#[test]
fn what_dumps_say_of_other_servers_is_read_with_a_warning() {
    let (_engine, session) = in_database();
    let none = "";
    for (sql, warning) in [
        (
            "CREATE TABLE a (k VARBINARY(9) PRIMARY KEY, v TEXT) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci",
            "COLLATE utf8mb4_0900_ai_ci",
        ),
        (
            "CREATE TABLE b (k VARCHAR(9) CHARACTER SET latin1 COLLATE latin1_bin PRIMARY KEY) COLLATE=utf8mb4_general_ci",
            "COLLATE utf8mb4_general_ci",
        ),
        (
            "CREATE TABLE c (k int(11) NOT NULL, PRIMARY KEY (`k`)) ENGINE=InnoDB AUTO_INCREMENT=7 ROW_FORMAT=DYNAMIC",
            "AUTO_INCREMENT",
        ),
        (
            "CREATE TABLE e (k INT PRIMARY KEY) STATS_PERSISTENT=0 STATS_AUTO_RECALC=DEFAULT KEY_BLOCK_SIZE=8",
            "STATS_PERSISTENT",
        ),
        ("CREATE TABLE f (k INT PRIMARY KEY) COMMENT='carts'", "COMMENT"),
        ("CREATE DATABASE g /*!40100 DEFAULT CHARACTER SET latin1 */ /*!80016 DEFAULT ENCRYPTION='N' */", "latin1"),
        ("SET @@SESSION.SQL_LOG_BIN = 0", none),
        ("SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ '3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5'", "gtid_purged"),
        ("/*!50606 SET GLOBAL INNODB_STATS_AUTO_RECALC=OFF */", "INNODB_STATS_AUTO_RECALC"),
        ("/*!80030 SET SESSION show_gipk_in_create_table_and_information_schema = OFF */", none),
        ("/*!100616 SET @@nothing = 1 */", none),
        ("/*M!100616 SET @OLD_NOTE_VERBOSITY=@@NOTE_VERBOSITY, NOTE_VERBOSITY=0 */", none),
    ] {
        session.ok("SELECT 1");
        session.ok(sql);
        let warnings = session.ok("SHOW WARNINGS").to_lowercase();
        assert!(
            warnings.contains(&warning.to_lowercase()) && warnings.is_empty() == warning.is_empty(),
            "{sql}: {warnings}"
        );
    }
    check(
        &session,
        &[
            (
                "SELECT /*!50003 1 */ /*!80011 + 2 */ /*!80013 + 4 */ /*! + 8 */ /*!100100 + 16 */, '/*!90000 x */'",
                "11|/*!90000 x */",
            ),
            ("SELECT 1 -- /*!99999\n+ 1", "2"),
        ],
    );
}
