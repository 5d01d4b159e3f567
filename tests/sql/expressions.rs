//! Expressions and the headings of their columns.

use crate::support::*;

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
