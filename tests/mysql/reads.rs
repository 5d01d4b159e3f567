//! A row looks the same whichever way it is read: requests that only read run below SQL where the server allows it, those behind a write
//! of the same tick run in SQL. Needs a tree with a server: `tests/run --mysql`, `tests/run --mariadb`.

use crate::common::Client;
use crate::server::{Config, Mysqld, Over, is_mariadb, wait};
use std::sync::atomic::{AtomicBool, Ordering};

/// Types of a value, and literals for it.
const VALUES: &[(&str, &[&str])] = &[
    ("TINYINT", &["-128", "0", "127"]),
    ("TINYINT UNSIGNED", &["0", "255"]),
    ("SMALLINT", &["-32768", "32767"]),
    ("SMALLINT UNSIGNED", &["65535"]),
    ("MEDIUMINT", &["-8388608", "-1", "8388607"]),
    ("MEDIUMINT UNSIGNED", &["16777215"]),
    ("INT", &["-2147483648", "2147483647"]),
    ("INT UNSIGNED", &["4294967295"]),
    ("BIGINT", &["-9223372036854775808", "9223372036854775807"]),
    ("BIGINT UNSIGNED", &["18446744073709551615"]),
    ("CHAR(10) CHARACTER SET utf8mb4", &["''", "'a'", "'日本'", "'0123456789'"]),
    ("CHAR(255) CHARACTER SET latin1", &["x'e9'", "REPEAT('x', 255)"]),
    ("BINARY(5)", &["''", "'a'", "x'6100620000'"]),
    ("VARCHAR(20) CHARACTER SET latin1", &["''", "'end '", "x'e9e8'"]),
    ("VARCHAR(63) CHARACTER SET utf8mb4", &["REPEAT('ä', 63)"]),
    ("VARCHAR(64) CHARACTER SET utf8mb4", &["REPEAT('🦀', 64)", "'short'"]),
    ("VARBINARY(255)", &["x'00ff0d0a2700'", "REPEAT('y', 255)"]),
    ("VARBINARY(256)", &["'one'", "REPEAT('y', 256)"]),
    ("VARCHAR(5000) CHARACTER SET utf8mb3", &["REPEAT('ß', 5000)"]),
    ("TINYTEXT CHARACTER SET utf8mb4", &["''", "REPEAT('é', 127)"]),
    ("TEXT CHARACTER SET utf8mb4", &["''", "REPEAT('t', 65535)"]),
    ("MEDIUMTEXT CHARACTER SET utf8mb4", &["REPEAT('m', 300000)"]),
    ("LONGTEXT CHARACTER SET utf8mb4", &["'l'", "REPEAT('l', 900000)"]),
    ("TINYBLOB", &["x'00'", "REPEAT('b', 255)"]),
    ("BLOB", &["x'ff'", "REPEAT('b', 40000)"]),
    ("MEDIUMBLOB", &["''", "REPEAT('b', 100000)"]),
    ("LONGBLOB", &["REPEAT('b', 1000000)"]),
];

/// Types of a key, and keys.
const KEYS: &[(&str, &[&str])] = &[
    ("TINYINT", &["-128", "127"]),
    ("SMALLINT UNSIGNED", &["65535", "0"]),
    ("MEDIUMINT", &["-8388608", "8388607"]),
    ("INT", &["-1", "2147483647"]),
    ("BIGINT", &["-9223372036854775808"]),
    ("BIGINT UNSIGNED", &["18446744073709551615"]),
    ("CHAR(10) CHARACTER SET utf8mb4", &["a", "0123456789", "日本"]),
    ("CHAR(10) CHARACTER SET latin1", &["ab"]),
    ("BINARY(8)", &["ab", "12345678"]),
    ("VARCHAR(20) CHARACTER SET utf8mb4", &["a", "größe", "日本"]),
    ("VARCHAR(250) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin", &["k", "ü"]),
    ("VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_german1_ci", &["ab"]),
    ("VARBINARY(250)", &["k", "\u{1}\u{7f}ÿ"]),
];

/// Columns that no container maps, in front of those it does and behind.
const AROUND: [&str; 2] = [
    "before_it DECIMAL(9,2) DEFAULT 1.5, bits BIT(3) NULL",
    "made DATETIME(3) NULL, kind ENUM('x','y') NULL, doubled INT AS (1 + 1) STORED, other VARCHAR(300) DEFAULT 'other'",
];

/// The reply to a get, in a tick that only reads or behind a write to the same table.
fn get(client: &mut Client, container: &str, key: &str, behind: Option<&str>) -> Vec<u8> {
    let mut request = Vec::new();
    if let Some(other) = behind {
        request.extend(format!("set @@{container}.{other} 0 0 1\r\n1\r\n").bytes());
    }
    request.extend(format!("gets @@{container}.{key}\r\n").bytes());
    client.send(request);
    if behind.is_some() {
        client.expect("STORED\r\n");
    }
    client.read_reply()
}

/// The value in a reply.
fn value(reply: &[u8]) -> Option<&[u8]> {
    let line = reply.iter().position(|byte| *byte == b'\n')? + 1;
    reply.starts_with(b"VALUE ").then(|| &reply[line..reply.len() - b"\r\nEND\r\n".len()])
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn values(server: &Mysqld) {
    for (i, (kind, literals)) in VALUES.iter().enumerate() {
        let name = format!("value{i}");
        let [before, behind] = AROUND;
        server.sql(&format!(
            "CREATE TABLE test.{name} ({before}, k INT PRIMARY KEY, v {kind} NULL, {behind}) ROW_FORMAT=DYNAMIC; \
             INSERT INTO innodb_memcache.containers VALUES ('{name}', 'test', '{name}', 'k', 'v', '0', '0', '0', 'PRIMARY')"
        ));
        for (k, literal) in literals.iter().chain(&["NULL"]).enumerate() {
            server.sql(&format!("INSERT INTO test.{name} (k, v) VALUES ({k}, {literal})"));
        }
        let expected = server.sql(&format!(
            "SELECT IFNULL(HEX({}), '') FROM test.{name} ORDER BY k",
            if kind.contains("INT") { "CAST(v AS CHAR)" } else { "v" }
        ));
        let mut client = server.client();
        for (k, expected) in (0..).zip(expected.split('\n')) {
            let key = k.to_string();
            let alone = get(&mut client, &name, &key, None);
            assert_eq!(alone, get(&mut client, &name, &key, Some("99")), "{kind}, row {k}");
            assert_eq!(value(&alone).map(hexadecimal).unwrap_or_default(), expected, "{kind}, row {k}");
        }
    }
}

fn keys(server: &Mysqld) {
    for (i, (kind, keys)) in KEYS.iter().enumerate() {
        for (name, key, index) in [
            (format!("key{i}"), format!("k {kind} NOT NULL, id INT DEFAULT 0, PRIMARY KEY (k)"), "PRIMARY"),
            (
                format!("unique{i}"),
                format!(
                    "id INT AUTO_INCREMENT PRIMARY KEY, k {kind} NOT NULL, other INT, KEY a (other), UNIQUE KEY b (k)"
                ),
                "b",
            ),
        ] {
            server.sql(&format!(
                "CREATE TABLE test.{name} ({key}, v VARCHAR(20)); \
                 INSERT INTO innodb_memcache.containers VALUES ('{name}', 'test', '{name}', 'k', 'v', '0', '0', '0', '{index}')"
            ));
            let mut client = server.client();
            for (n, key) in keys.iter().enumerate() {
                client.ask(format!("set @@{name}.{key} 0 0 1\r\n{n}\r\n"), "STORED\r\n");
                let alone = get(&mut client, &name, key, None);
                assert_eq!(value(&alone), Some(n.to_string().as_bytes()), "{kind} {key} by {index}");
                assert_eq!(alone, get(&mut client, &name, key, Some("5")), "{kind} {key} by {index}");
            }
            let absent = ["100", "no", "longer-than-any-of-these-columns-would-hold-0123456789"];
            for key in absent {
                let alone = get(&mut client, &name, key, None);
                assert_eq!(value(&alone), None, "{kind} {key} by {index}");
                assert_eq!(alone, get(&mut client, &name, key, Some("5")), "{kind} {key} by {index}");
            }
        }
    }
}

#[test]
#[ignore = "needs a server: tests/run --mysql, tests/run --mariadb"]
fn every_type_reads_the_same_below_sql_and_in_it() {
    let config = Config::new();
    let server = config.start();
    server.set_up();
    if is_mariadb() {
        assert_eq!(server.status("Daemon_memcached_reads"), "handler", "{}", server.log());
    }
    values(&server);
    keys(&server);
}

#[test]
#[ignore = "needs a server: tests/run --mysql, tests/run --mariadb"]
fn reads_survive_every_change_of_their_table() {
    let config = Config::new();
    let server = config.start();
    server.set_up();
    server.sql(
        "CREATE TABLE test.changed (k VARCHAR(20) PRIMARY KEY, v VARCHAR(20), n INT DEFAULT 1); \
         INSERT INTO test.changed (k, v) VALUES ('a', 'one'), ('b', 'two'); \
         INSERT INTO innodb_memcache.containers VALUES ('changed', 'test', 'changed', 'k', 'v', '0', '0', '0', 'PRIMARY')",
    );
    let port = server.port();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // A failure ends the readers, too.
        let _over = Over(&stop);
        for _ in 0..3 {
            scope.spawn(|| {
                let mut client = Client::connect(port);
                while !stop.load(Ordering::Relaxed) {
                    client.send("get @@changed.a\r\nget @@changed.a @@changed.b\r\n");
                    for _ in 0..2 {
                        let reply = String::from_utf8(client.read_reply()).unwrap();
                        let right = reply.starts_with("VALUE @@changed.a 0 3\r\none\r\n") || reply.starts_with("END");
                        // In the middle of a change a request may find the table away, or with other columns.
                        assert!(right || reply.starts_with("SERVER_ERROR"), "{reply}");
                    }
                }
            });
        }
        scope.spawn(|| {
            let mut client = Client::connect(port);
            while !stop.load(Ordering::Relaxed) {
                client.send("set @@changed.w 0 0 1\r\n1\r\nincr @@changed.w 1\r\ndelete @@changed.w\r\n");
                for right in ["STORED", "2", "DELETED"] {
                    let line = client.read_line();
                    let in_the_middle = line.starts_with("SERVER_ERROR") || line == "NOT_FOUND";
                    assert!(line == right || in_the_middle, "{line}");
                }
            }
        });
        for change in [
            "ALTER TABLE test.changed ADD COLUMN x INT FIRST, ALGORITHM=INSTANT",
            "ALTER TABLE test.changed DROP COLUMN x, ALGORITHM=COPY",
            "ALTER TABLE test.changed ADD INDEX by_v (v), ALGORITHM=INPLACE",
            "ALTER TABLE test.changed MODIFY v VARCHAR(300), ALGORITHM=COPY",
            "ALTER TABLE test.changed DROP INDEX by_v, MODIFY v TEXT",
            "ALTER TABLE test.changed MODIFY v VARCHAR(40) CHARACTER SET latin1",
            "ALTER TABLE test.changed MODIFY n BIGINT AFTER k",
            "RENAME TABLE test.changed TO test.away; RENAME TABLE test.away TO test.changed",
            "FLUSH TABLES",
            "OPTIMIZE TABLE test.changed",
            "ALTER TABLE test.changed DROP COLUMN n, ALGORITHM=COPY",
            "CREATE TABLE test.copy LIKE test.changed; INSERT INTO test.copy SELECT * FROM test.changed; \
             DROP TABLE test.changed; RENAME TABLE test.copy TO test.changed",
            "TRUNCATE TABLE test.changed; INSERT INTO test.changed (k, v) VALUES ('a', 'one'), ('b', 'two')",
        ] {
            server.sql(change);
            // The change is over: soon the rows are there again, under the new definition.
            let mut client = server.client();
            wait(
                change,
                || {
                    client.send("get @@changed.b\r\n");
                    client.read_reply() == b"VALUE @@changed.b 0 3\r\ntwo\r\nEND\r\n"
                },
                || server.log(),
            );
            client.ask("set @@changed.c 0 0 1\r\n1\r\ndelete @@changed.c\r\n", "STORED\r\nDELETED\r\n");
        }
    });
}

#[test]
#[ignore = "needs a server: tests/run --mysql, tests/run --mariadb"]
fn ticks_leave_no_memory_behind() {
    let config = Config::new().arg("--loose-daemon-memcached-option=-p 0 -t 1");
    let server = config.start();
    server.set_up();
    let mut client = server.client();
    client.ask("set m 0 0 1\r\n1\r\n", "STORED\r\n");
    let mut ticks = |rounds: u32| {
        for _ in 0..rounds {
            client.ask("get m\r\n", "VALUE m 0 1\r\n1\r\nEND\r\n");
            client.ask("get m n\r\n", "VALUE m 0 1\r\n1\r\nEND\r\n");
        }
    };
    // A number of one's own, for a run that nobody waits for.
    let wanted = std::env::var("DM_TICKS").ok().and_then(|number| number.parse().ok()).unwrap_or(60_000_u32);
    ticks(10_000);
    let before = server.memory_kib();
    ticks(wanted / 2);
    let grown = server.memory_kib() - before;
    println!("{wanted} ticks: {grown} KiB");
    assert!(grown < 1024, "{wanted} ticks left {grown} KiB");
}

#[test]
#[ignore = "needs a server: tests/run --mysql, tests/run --mariadb"]
fn a_shutdown_under_load_is_clean_ten_times() {
    let config = Config::new();
    for round in 0..10 {
        let server = config.start();
        if round == 0 {
            server.set_up();
        }
        let port = server.port();
        std::thread::scope(|scope| {
            for i in 0..6 {
                scope.spawn(move || {
                    let mut client = Client::connect(port);
                    let request = format!("get s{i} s1 s2\r\nset s{i} 0 0 1\r\n1\r\nget @>=s 3\r\n");
                    while client.try_send(&request).is_ok() && matches!(client.try_read_line(), Ok(Some(_))) {}
                });
            }
            let enough = || server.status("Daemon_memcached_cmd_set").parse::<u64>().is_ok_and(|sets| sets > 200);
            wait("some load", enough, || server.log());
            let log = server.log();
            let took = server.shutdown();
            assert!(took < std::time::Duration::from_secs(20), "round {round}: {took:?}\n{log}");
        });
    }
    // What was written is whole.
    let server = config.start();
    assert!(server.sql("CHECK TABLE memcached.cache").ends_with("OK"));
}

/// Keys that are asked for beside those of [`KEYS`]: absent, of other case, padded, too long, no text.
const OTHERS: &[&[u8]] =
    &[b"100", b"A", b"GR\xc3\x96\xc3\x9fE", b"no", b"\xff\xfe", b"ab\0", b"AB", &[b'x'; 249], b"a"];

/// What one get of many keys, and many gets of one tick, answer is what a get of each key answers.
fn same_together(client: &mut Client, names: &[Vec<u8>]) {
    let request = |names: &[&[u8]]| [b"gets ", names.join(&b' ').as_slice(), b"\r\n"].concat();
    let alone: Vec<Vec<u8>> = names
        .iter()
        .map(|name| {
            client.send(request(&[name]));
            client.read_reply()
        })
        .collect();
    client.send(names.iter().flat_map(|name| request(&[name])).collect::<Vec<u8>>());
    for (name, alone) in names.iter().zip(&alone) {
        assert_eq!(client.read_reply(), *alone, "{} in a pipeline", name.escape_ascii());
    }
    let items = alone.iter().map(|reply| reply.strip_suffix(b"END\r\n").unwrap());
    let expected = [items.collect::<Vec<_>>().concat().as_slice(), b"END\r\n"].concat();
    client.send(request(&names.iter().map(Vec::as_slice).collect::<Vec<_>>()));
    assert!(client.read_reply() == expected, "{}", names.join(&b' ').escape_ascii());
}

/// On releases whose inside is not known, one statement reads many rows.
#[test]
#[ignore = "needs a MariaDB server: tests/run --mariadb"]
fn rows_that_are_read_together_by_sql_are_those_of_their_keys() {
    if !is_mariadb() {
        return;
    }
    let config = Config::new().arg("--loose-daemon-memcached-handler-reads=OFF");
    let server = config.start();
    server.set_up();
    assert!(server.status("Daemon_memcached_reads").starts_with("SQL"));
    keys(&server);
    let mut client = server.client();
    let mut everywhere = Vec::new();
    for (i, (_, keys)) in KEYS.iter().enumerate() {
        for container in [format!("key{i}"), format!("unique{i}")] {
            let named = |key: &[u8]| [b"@@", container.as_bytes(), b".", key].concat();
            let mut names: Vec<_> =
                keys.iter().map(|key| key.as_bytes()).chain(OTHERS.iter().copied()).map(named).collect();
            // Names and keys are no longer than a key may be; the same key may come twice.
            names.retain(|name| name.len() <= 250 && !name.contains(&0));
            names.extend_from_within(..2.min(keys.len()));
            same_together(&mut client, &names);
            everywhere.push(names[0].clone());
        }
    }
    // Containers in turn, more keys than one statement takes.
    let turns: Vec<Vec<u8>> = everywhere.iter().cycle().take(150).cloned().collect();
    same_together(&mut client, &turns);
    server.sql(
        "CREATE TABLE test.long_rows (k VARCHAR(20) PRIMARY KEY, v LONGBLOB);
         INSERT INTO innodb_memcache.containers VALUES ('long', 'test', 'long_rows', 'k', 'v', '0', '0', '0', 'PRIMARY');
         INSERT INTO test.long_rows SELECT CONCAT('k', seq), REPEAT(CHAR(65 + seq), 300000) FROM test.seq_1_to_20",
    );
    let names: Vec<Vec<u8>> = (1..=22).map(|i| format!("@@long.k{i}").into_bytes()).collect();
    same_together(&mut client, &names);
}

/// The clients never pause, and the batch has room for all that they will ever ask.
#[test]
#[ignore = "needs a server: tests/run --mysql"]
fn a_batch_of_reads_that_goes_on_lets_ddl_in() {
    let config = Config::new()
        .arg("--loose-daemon-memcached-option=-p 0 -t 2")
        .arg("--loose-daemon-memcached-r-batch-size=100000000")
        .arg("--loose-innodb-api-bk-commit-interval=1000000");
    let server = config.start();
    server.set_up();
    server.client().ask("set k 0 0 1\r\nx\r\n", "STORED\r\n");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut client = server.client();
                while !stop.load(Ordering::Relaxed) {
                    client.send("get k\r\n");
                    let reply = String::from_utf8(client.read_reply()).unwrap();
                    // A batch tells its clients of an ALTER.
                    let expected = reply == "VALUE k 0 1\r\nx\r\nEND\r\n" || reply.starts_with("SERVER_ERROR ");
                    assert!(expected, "{reply}");
                }
            });
        }
        let reads = || server.status("Daemon_memcached_cmd_get").parse::<u64>().unwrap_or_default();
        let mut failed = None;
        for round in 0..4 {
            let before = reads();
            wait("some load", || reads() > before + 100, || server.log());
            // MariaDB's batches of any kind end after 5 seconds.
            let alter = format!("SET SESSION lock_wait_timeout=4; ALTER TABLE memcached.cache COMMENT 'round {round}'");
            failed = failed.or(server.try_sql(&alter).err());
        }
        stop.store(true, Ordering::Relaxed);
        assert_eq!(failed, None, "{}", server.log());
    });
}
