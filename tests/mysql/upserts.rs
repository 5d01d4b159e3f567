//! Sets that a real MySQL server stores together: `INSERT ... ON DUPLICATE KEY UPDATE` must do what one statement per set does. Needs
//! the tree that `tests/mysql/make-tree` makes: `tests/run --mysql` runs these tests, a plain `cargo test` lists them as ignored.

use crate::common::Client;
use crate::server::{Config, Mysqld, is_mariadb, wait};
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Makes test.`name` and its container.
fn container(server: &Mysqld, name: &str, columns: &str, mapping: &str) {
    server.sql(&format!(
        "CREATE TABLE test.{name} ({columns}); INSERT INTO innodb_memcache.containers VALUES ('{name}', 'test', '{name}', {mapping})"
    ));
}

/// INSERT and UPDATE statements that the server has run.
fn statements(server: &Mysqld) -> (u64, u64) {
    if is_mariadb() {
        // Sessions that no client has are not in its counts, but in the binary log each statement stands above its rows.
        let (file, _) = server.binary_log();
        let events = server.sql(&format!("SHOW BINLOG EVENTS IN '{file}'"));
        // Each statement names its table once in front of its rows, whether it inserts or updates them.
        return (events.lines().filter(|line| line.contains("\tTable_map\t")).count() as u64, 0);
    }
    let counts = server.sql("SHOW GLOBAL STATUS WHERE Variable_name IN ('Com_insert', 'Com_update')");
    let mut counts = counts.lines().map(|line| line.split_once('\t').unwrap().1.parse().unwrap());
    (counts.next().unwrap(), counts.next().unwrap())
}

/// Stores so many keys in one pipeline; whether they ran together.
fn runs_together(server: &Mysqld, client: &mut Client, prefix: &str, keys: usize, value: &str) -> bool {
    let before = statements(server);
    store(client, prefix, keys, value);
    let after = statements(server);
    after.0 - before.0 < keys as u64 && after.1 == before.1
}

fn store(client: &mut Client, prefix: &str, keys: usize, value: &str) {
    let mut request = String::new();
    for i in 0..keys {
        let _ = write!(request, "set {prefix}{i} 0 0 {}\r\n{value}\r\n", value.len());
    }
    client.ask(request, "STORED\r\n".repeat(keys));
}

/// Columns, mapping, and requests: a set is `key=value`, its exptime and flags behind it where they are not 0.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a [u8], i64, u32)]);

const CASES: &[Case<'_>] = &[
    (
        "k VARBINARY(20) PRIMARY KEY, v VARBINARY(20), f INT UNSIGNED, c BIGINT UNSIGNED, e INT UNSIGNED",
        "'k', 'v', 'f', 'c', 'e', 'PRIMARY'",
        &[
            ("b", b"1", 0, 7),
            ("a", b"1", 4_000_000_000, 0),
            ("b", b"2", 4_000_000_001, u32::MAX),
            ("new", b"", 0, 1),
            ("a", b"gone", -1, 0),
            ("old", b"x", 0, 0),
            ("long", b"123456789012345678901", 0, 0),
            ("key-that-is-too-long-here", b"1", 0, 0),
            ("z", b"last", 0, 0),
        ],
    ),
    (
        "k INT PRIMARY KEY, v VARCHAR(20), n INT, w VARCHAR(20) NOT NULL DEFAULT 'kept', u INT DEFAULT 5, c BIGINT UNSIGNED",
        "'k', 'v|n|w', '0', 'c', '0', 'PRIMARY'",
        &[
            ("1", b"one|1|x", 0, 0),
            ("-2", b"two||y", 0, 0),
            ("3", b"three|3|", 0, 0),
            ("007", b"seven|7|z", 0, 0),
            ("1", b"one again|11|xx|surplus", 0, 0),
            ("none", b"no|1|x", 0, 0),
            ("4", b"no number|nan|x", 0, 0),
            ("5", b"a NULL|5", 0, 0),
        ],
    ),
    (
        "k CHAR(10) CHARACTER SET latin1 PRIMARY KEY, v TEXT CHARACTER SET latin1, f INT, e INT, u TIMESTAMP NULL DEFAULT '2001-01-01'",
        "'k', 'v', 'f', '0', 'e', 'PRIMARY'",
        &[("Key", b"caf\xe9", 0, 1), ("kEY", b"\xe9t\xe9", 100, 2), ("other", b"plain", 0, 3), ("KEY", b"last", 0, 4)],
    ),
    (
        "k VARCHAR(20) CHARACTER SET utf8mb4 PRIMARY KEY, v VARCHAR(9), u INT DEFAULT 1, g INT AS (u * 2) STORED, CHECK (v <> 'bad')",
        "'k', 'v', '0', '0', '0', 'PRIMARY'",
        &[
            ("a", b"1", 0, 0),
            ("b", b"bad", 0, 0),
            ("c", "größe".as_bytes(), 0, 0),
            ("d", b"\xff\xfe", 0, 0),
            ("A", b"2", 0, 0),
            ("e", b"5", 0, 0),
        ],
    ),
    (
        "id INT NOT NULL DEFAULT 0, k BINARY(8) NOT NULL UNIQUE, v BLOB",
        "'k', 'v', '0', '0', '0', 'k'",
        &[("a", b"1", 0, 0), ("12345678", b"2", 0, 0), ("a", b"3", 0, 0), ("123456789", b"4", 0, 0)],
    ),
];

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn sets_that_run_together_do_what_each_does_by_itself() {
    let config = Config::new();
    let server = config.start();
    server.set_up();
    // Both tables get the same moments, whenever it is their turn.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    for (i, (columns, mapping, sets)) in CASES.iter().enumerate() {
        // The second table has a trigger that does nothing: there each set is a statement.
        for name in [format!("many{i}"), format!("single{i}")] {
            container(&server, &name, columns, mapping);
        }
        server
            .sql(&format!("CREATE TRIGGER test.each{i} BEFORE INSERT ON test.single{i} FOR EACH ROW SET @nothing = 1"));
        let mut seen = Vec::new();
        for name in [format!("many{i}"), format!("single{i}")] {
            let mut client = server.client();
            let (mut request, mut replies) = (Vec::new(), String::new());
            // Some rows are there already when the rest is stored, one of them expired, some columns of theirs are not mapped.
            for (key, value, exptime, flags) in sets.iter().step_by(2).chain(*sets).chain(*sets) {
                let exptime = if (1..=30 * 86400).contains(exptime) { now + exptime } else { *exptime };
                request.extend(format!("set @@{name}.{key} {flags} {exptime} {}\r\n", value.len()).bytes());
                request.extend_from_slice(value);
                request.extend_from_slice(b"\r\n");
            }
            let column = ["e = 1", "u = 6", "u = '2002-02-02'", "u = 4", "id = 9"][i];
            for change in [format!("UPDATE test.{name} SET {column}"), "DO 0".into()] {
                client.send(&request);
                for _ in 0..sets.len().div_ceil(2) + 2 * sets.len() {
                    let _ = writeln!(replies, "{}", client.read_line());
                }
                server.sql(&change);
            }
            for (key, ..) in sets.iter().filter(|(_, value, ..)| value.is_ascii()) {
                client.send(format!("get @@{name}.{key}\r\n"));
                replies += &String::from_utf8_lossy(&client.read_reply());
            }
            let shown: Vec<_> = columns
                .split(", ")
                .filter_map(|column| column.split(' ').next())
                .filter(|c| !["c", "CHECK"].contains(c))
                .collect();
            let shown: Vec<_> = shown.iter().map(|column| format!("IFNULL(HEX({column}), 'NULL')")).collect();
            let rows = server.sql(&format!("SELECT {} FROM test.{name} ORDER BY k", shown.join(", ")));
            assert!(replies.contains("STORED"), "{replies}");
            // A CHECK is named after its table.
            seen.push((replies.replace(&name, "table"), rows));
        }
        assert_eq!(seen[0], seen[1], "{columns}");
        if columns.contains("c BIGINT") {
            assert_eq!(
                server.sql(&format!("SELECT COUNT(*) - COUNT(DISTINCT c), MIN(c) > 0 FROM test.many{i}")),
                "0\t1"
            );
        }
        let (mut client, key, value) =
            (server.client(), if i == 1 { "" } else { "k" }, if i == 1 { "a|1|x" } else { "again" });
        assert!(runs_together(&server, &mut client, &format!("@@many{i}.{key}"), 16, value), "{columns}");
        assert!(!runs_together(&server, &mut client, &format!("@@single{i}.{key}"), 16, value), "{columns}");
    }
}

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn what_is_created_behind_the_first_sets_counts_for_the_next() {
    let config = Config::new().arg("--loose-daemon-memcached-option=-p 0 -t 1");
    let server = config.start();
    server.set_up();
    container(
        &server,
        "later",
        "k VARCHAR(20) PRIMARY KEY, v VARCHAR(20), n INT DEFAULT 0",
        "'k', 'v', '0', '0', '0', 'PRIMARY'",
    );
    server.sql("CREATE TABLE test.audit (what VARCHAR(60))");
    let mut client = server.client();
    store(&mut client, "@@later.", 16, "1");
    assert!(runs_together(&server, &mut client, "@@later.", 16, "again"));

    // A trigger for new rows: it does not fire for those that are there.
    server.sql(
        "CREATE TRIGGER test.later_insert BEFORE INSERT ON test.later FOR EACH ROW INSERT INTO test.audit VALUES (CONCAT(NEW.k, NEW.v))",
    );
    store(&mut client, "@@later.", 20, "2");
    assert_eq!(server.sql("SELECT what FROM test.audit ORDER BY 1"), "162\n172\n182\n192");
    assert!(!runs_together(&server, &mut client, "@@later.", 20, "again"));
    server.sql("DROP TRIGGER test.later_insert");
    store(&mut client, "@@later.", 20, "3");
    assert!(runs_together(&server, &mut client, "@@later.", 20, "again"), "the trigger is gone");

    // A second unique index: a row with another key and the same value is refused, not overwritten.
    server.sql("UPDATE test.later SET v = k; CREATE UNIQUE INDEX by_v ON test.later (v)");
    let mut request = String::new();
    for (key, value) in [("30", "a"), ("31", "5"), ("5", "b"), ("32", "5"), ("33", "a")] {
        let _ = write!(request, "set @@later.{key} 0 0 1\r\n{value}\r\n");
    }
    // In the order of keys: 30, 31 (5 is row 5's), 32 (likewise), 33 (a is row 30's), 5.
    let refused = "SERVER_ERROR duplicate key\r\n";
    client.ask(request, format!("STORED\r\n{refused}STORED\r\n{refused}{refused}"));
    assert_eq!(
        server.sql("SELECT k, v FROM test.later WHERE k >= '30' AND k < '4' OR k = '5' ORDER BY k"),
        "30\ta\n5\tb"
    );
    server.sql("DROP INDEX by_v ON test.later");
    store(&mut client, "@@later.", 20, "4");
    assert!(runs_together(&server, &mut client, "@@later.", 20, "again"), "the index is gone");

    // Numbers for new rows are not used up by rows that are there (those of the statement that met the change are).
    server.sql("ALTER TABLE test.later ADD COLUMN id BIGINT NOT NULL AUTO_INCREMENT, ADD INDEX by_id (id)");
    wait(
        "the new mapping",
        || {
            client.send("set @@later.0 0 0 1\r\n5\r\n");
            client.read_line() == "STORED"
        },
        || server.log(),
    );
    let next = || server.sql("SELECT MAX(id) FROM test.later").parse::<u64>().unwrap();
    client.ask("set @@later.newer 0 0 1\r\n1\r\n", "STORED\r\n");
    let before = next();
    store(&mut client, "@@later.", 20, "6");
    client.ask("set @@later.new 0 0 1\r\n1\r\n", "STORED\r\n");
    assert_eq!(next(), before + 1);
}

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn triggers_that_come_and_go_under_load_see_no_set_that_runs_together() {
    let config = Config::new();
    let server = config.start();
    server.set_up();
    container(&server, "raced", "k VARCHAR(20) PRIMARY KEY, v VARCHAR(20)", "'k', 'v', '0', '0', '0', 'PRIMARY'");
    server.sql("CREATE TABLE test.audit (what VARCHAR(60))");
    let port = server.port();
    store(&mut server.client(), "@@raced.", 64 + 9, "0");
    let (stop, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut client = Client::connect(port);
                let mut size = 1;
                while !stop.load(Ordering::Relaxed) {
                    // Statements of several sizes, some of them prepared while the trigger is there.
                    store(&mut client, "@@raced.", size, "x");
                    size = size % 64 + 9;
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..25 {
            let seen = rounds.load(Ordering::Relaxed);
            wait("some sets", || rounds.load(Ordering::Relaxed) > seen + 6, || server.log());
            server.sql("CREATE TRIGGER test.raced_insert BEFORE INSERT ON test.raced FOR EACH ROW INSERT INTO test.audit VALUES (NEW.k)");
            let seen = rounds.load(Ordering::Relaxed);
            wait("some sets", || rounds.load(Ordering::Relaxed) > seen + 6, || server.log());
            server.sql("DROP TRIGGER test.raced_insert");
        }
        stop.store(true, Ordering::Relaxed);
    });
    // Every row was there before the first trigger: none of them was inserted under it.
    assert_eq!(server.sql("SELECT COUNT(*) FROM test.audit"), "0");
    assert!(runs_together(&server, &mut server.client(), "@@raced.", 64, "again"));
}
