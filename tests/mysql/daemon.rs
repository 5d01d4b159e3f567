//! The plugin in a real MySQL server. Needs the tree that `tests/mysql/make-tree` makes: `tests/run --mysql` runs these tests, a
//! plain `cargo test` lists them as ignored.

use crate::common::scripts::SCRIPTS;
use crate::server::{Config, Mysqld, either, is_mariadb, wait};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A container of its own for a case: `columns` of table test.NAME behind the key `k`.
fn container(server: &Mysqld, name: &str, columns: &str, mapping: &str) {
    server.sql(&format!(
        "CREATE TABLE test.{name} ({columns}); INSERT INTO innodb_memcache.containers VALUES ('{name}', 'test', '{name}', {mapping})"
    ));
}

/// Mapping of a table k, v without flags, cas and expiry.
const PLAIN: &str = "'k', 'v', '0', '0', '0', 'PRIMARY'";

/// What the client shows before the reason of an INSTALL that fails.
fn install_error() -> &'static str {
    either("ERROR 3130 (HY000)", "ERROR 1105 (HY000)")
}

type Case = (&'static str, fn(&Mysqld<'_>));

/// What one server is asked after another; none leaves anything behind that the next would notice.
const CASES: &[Case] = &[
    ("the scripts answer as on the bundled engine", scripts),
    ("SQL sees what memcached stores, and the other way round", both_sides),
    ("values of a mebibyte", large_values),
    ("triggers, foreign keys, CHECK, defaults and generated columns are honoured", sql_rules),
    ("character sets, collations and types keep their bytes", character_sets),
    ("a secondary unique index finds rows", secondary_index),
    ("counters of many clients add up", counters),
    ("ALTER TABLE gets in between reads", alter),
    ("read_only and super_read_only refuse writes", read_only),
    ("FLUSH TABLES WITH READ LOCK and LOCK TABLES are waited for, with a bound", table_locks),
    ("a row that somebody holds times out, and only that request", row_locks),
    ("KILL and KILL QUERY", kill),
    ("the binary log has rows, GTIDs and commits", binary_log),
    ("flush_all truncates the bound table", flush_all),
    ("containers that break a rule are refused by name", bad_containers),
];

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn one_server_after_another_request() {
    all_cases(Config::new());
}

/// What MariaDB does on releases whose inside is not known.
#[test]
#[ignore = "needs a MariaDB server: tests/run --mariadb"]
fn everything_works_by_sql_alone() {
    if is_mariadb() {
        all_cases(Config::new().arg("--loose-daemon-memcached-handler-reads=OFF"));
    }
}

fn all_cases(config: Config) {
    let config = config.arg("--loose-daemon-memcached-option=-p 0 -t 4");
    let server = config.start();
    server.set_up();
    let mut failed = Vec::new();
    for (name, case) in CASES {
        let start = Instant::now();
        if catch_unwind(AssertUnwindSafe(|| case(&server))).is_err() {
            failed.push(*name);
        }
        println!("{:6} ms  {name}", start.elapsed().as_millis());
    }
    assert!(failed.is_empty(), "failed: {failed:#?}\n{}", server.log());
    assert!(server.shutdown() < Duration::from_secs(20));
}

fn scripts(server: &Mysqld) {
    for (name, script) in SCRIPTS {
        println!("        {name}");
        let mut client = server.client();
        for (send, expect) in *script {
            client.ask(send, expect);
        }
    }
}

fn both_sides(server: &Mysqld) {
    let mut client = server.client();
    client.ask("set apple 3 0 3\r\nred\r\n", "STORED\r\n");
    assert_eq!(
        server.sql("SELECT `key`, value, flags, expiry FROM memcached.cache WHERE `key`='apple'"),
        "apple\tred\t3\t0"
    );
    server.sql("UPDATE memcached.cache SET value = 'green' WHERE `key` = 'apple'");
    client.ask("get apple\r\n", "VALUE apple 3 5\r\ngreen\r\nEND\r\n");
    server.sql("DELETE FROM memcached.cache WHERE `key` = 'apple'");
    client.ask("get apple\r\n", "END\r\n");
    client.ask("get @@aaa.AA\r\n", "VALUE @@aaa.AA 8 12\r\nHELLO, HELLO\r\nEND\r\n");
    // A get behind a set of the same tick sees it, whichever way it reads.
    client.ask(
        "set p 0 0 1\r\n1\r\nget p\r\nincr p 1\r\nget p q\r\n",
        "STORED\r\nVALUE p 0 1\r\n1\r\nEND\r\n2\r\nVALUE p 0 1\r\n2\r\nEND\r\n",
    );
}

fn large_values(server: &Mysqld) {
    let mut client = server.client();
    for size in [1000, 1 << 16, 1 << 20] {
        let value: Vec<u8> = (0..size).map(|i| (i * 7 % 251) as u8).collect();
        client.send(format!("set big 0 0 {size}\r\n"));
        client.send(&value);
        client.ask("\r\n", "STORED\r\n");
        client.ask("get big\r\n", format!("VALUE big 0 {size}\r\n"));
        assert!(client.read_exact(size) == value, "{size} bytes differ");
        client.expect("\r\nEND\r\n");
    }
    client.ask("delete big\r\n", "DELETED\r\n");
}

fn sql_rules(server: &Mysqld) {
    server.sql("CREATE TABLE test.parent (id VARCHAR(20) PRIMARY KEY); INSERT INTO test.parent VALUES ('here')");
    container(
        server,
        "rules",
        "k VARCHAR(20) PRIMARY KEY, v VARCHAR(20), n INT NOT NULL DEFAULT 7, made TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
         doubled INT AS (n * 2) STORED, CHECK (v <> 'bad'), FOREIGN KEY (v) REFERENCES test.parent (id)",
        PLAIN,
    );
    server.sql(
        "CREATE TABLE test.audit (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(50));
         CREATE TRIGGER test.rules_insert AFTER INSERT ON test.rules FOR EACH ROW INSERT INTO test.audit (what) VALUES (CONCAT('new ', NEW.k))",
    );
    let mut client = server.client();
    client.ask("set @@rules.a 0 0 4\r\nhere\r\n", "STORED\r\n");
    assert_eq!(server.sql("SELECT n, doubled, made IS NULL FROM test.rules WHERE k='a'"), "7\t14\t0");
    assert_eq!(server.sql("SELECT what FROM test.audit"), "new a");
    for value in ["gone", "bad!", "bad"] {
        client.send(format!("set @@rules.b 0 0 {}\r\n{value}\r\n", value.len()));
        let reply = String::from_utf8(client.read_reply()).unwrap();
        assert!(reply.starts_with("SERVER_ERROR "), "{value}: {reply}");
    }
    assert_eq!(server.sql("SELECT COUNT(*) FROM test.rules"), "1", "a refused row was stored");
    let long = "x".repeat(21);
    client.ask(format!("set @@rules.a 0 0 21\r\n{long}\r\n"), "SERVER_ERROR object too large for cache\r\n");
    client.ask("get @@rules.a\r\n", "VALUE @@rules.a 0 4\r\nhere\r\nEND\r\n");
}

fn character_sets(server: &Mysqld) {
    /// Container, columns, keys, values.
    type Kept<'a> = (&'a str, &'a str, &'a [&'a str], &'a [&'a [u8]]);
    let tables: [Kept<'_>; 6] = [
        (
            "u8",
            "k VARCHAR(40) CHARACTER SET utf8mb4 PRIMARY KEY, v TEXT CHARACTER SET utf8mb4",
            &["ä", "日本"],
            &["größe €".as_bytes()],
        ),
        (
            "l1",
            "k VARCHAR(40) CHARACTER SET latin1 COLLATE latin1_german1_ci PRIMARY KEY, v TEXT CHARACTER SET latin1",
            &["ab"],
            &[b"caf\xe9"],
        ),
        (
            "u3",
            "k CHAR(10) CHARACTER SET utf8mb3 PRIMARY KEY, v CHAR(40) CHARACTER SET utf8mb3",
            &["ü"],
            &["œuvre".as_bytes()],
        ),
        ("vb", "k VARBINARY(40) PRIMARY KEY, v VARBINARY(300)", &["\u{1}\u{7f}ÿ"], &[&[0, 255, 254, 13, 10, 39, 92]]),
        ("bn", "k BINARY(8) PRIMARY KEY, v BLOB", &["12345678"], &[&[0, 255]]),
        ("nk", "k BIGINT PRIMARY KEY, v INT UNSIGNED", &["-5", "9223372036854775807"], &[b"4294967295", b"0"]),
    ];
    for (name, columns, keys, values) in tables {
        container(server, name, columns, PLAIN);
        let mut client = server.client();
        for key in keys {
            for value in values {
                client.send(format!("set @@{name}.{key} 0 0 {}\r\n", value.len()));
                client.send(value);
                client.ask("\r\n", "STORED\r\n");
                let mut expected = format!("VALUE @@{name}.{key} 0 {}\r\n", value.len()).into_bytes();
                expected.extend_from_slice(value);
                expected.extend_from_slice(b"\r\nEND\r\n");
                client.ask(format!("get @@{name}.{key}\r\n"), &expected);
                // The same row through SQL, in a tick that writes: identical bytes, so that a cas number holds.
                client.send(format!("gets @@{name}.{key}\r\n"));
                let line = client.read_line();
                let cas: u64 = line.rsplit(' ').next().unwrap().parse().unwrap();
                client.read_exact(value.len() + 2);
                client.expect("END\r\n");
                client.send(format!("cas @@{name}.{key} 0 0 {} {cas}\r\n", value.len()));
                client.send(value);
                client.ask("\r\n", "STORED\r\n");
            }
            client.ask(format!("delete @@{name}.{key}\r\n"), "DELETED\r\n");
        }
    }
    let mut client = server.client();
    // A case-insensitive collation finds the row under another spelling; bytes that are no UTF-8 are refused.
    client.ask("set @@u8.Key 0 0 1\r\nx\r\nget @@u8.kEY\r\n", "STORED\r\nVALUE @@u8.kEY 0 1\r\nx\r\nEND\r\n");
    client.send(b"set @@u8.Key 0 0 2\r\n\xff\xfe\r\n");
    client.expect("SERVER_ERROR object too large for cache\r\n");
}

fn secondary_index(server: &Mysqld) {
    container(
        server,
        "second",
        "id INT AUTO_INCREMENT PRIMARY KEY, k VARCHAR(20) NOT NULL, v VARCHAR(20), UNIQUE KEY by_k (k)",
        "'k', 'v', '0', '0', '0', 'by_k'",
    );
    let mut client = server.client();
    client.ask("set @@second.a 0 0 1\r\n1\r\nset @@second.b 0 0 1\r\n2\r\n", "STORED\r\nSTORED\r\n");
    client.ask("get @@second.b\r\nget @@second.c\r\n", "VALUE @@second.b 0 1\r\n2\r\nEND\r\nEND\r\n");
    client.ask("incr @@second.b 5\r\n", "7\r\n");
    assert_eq!(server.sql("SELECT id, k, v FROM test.second ORDER BY id"), "1\ta\t1\n2\tb\t7");
    // What the collation takes for equal is found, its neighbours are not.
    client.ask("get @@second.B\r\nget @@second.aa\r\n", "VALUE @@second.B 0 1\r\n7\r\nEND\r\nEND\r\n");
    client.ask("get @>=a\r\n", "VALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n7\r\nEND\r\n");
}

fn counters(server: &Mysqld) {
    let port = server.port();
    server.client().ask("set sum 0 0 1\r\n0\r\n", "STORED\r\n");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(move || {
                let mut client = crate::common::Client::connect(port);
                for i in 0..100 {
                    client.send(format!("incr sum 1\r\nset own{i} 0 0 1\r\nx\r\n"));
                    assert!(client.read_line().parse::<u64>().is_ok());
                    client.expect("STORED\r\n");
                }
            });
        }
    });
    server.client().ask("get sum\r\n", "VALUE sum 0 3\r\n800\r\nEND\r\n");
}

fn alter(server: &Mysqld) {
    container(server, "altered", "k VARCHAR(20) PRIMARY KEY, v VARCHAR(20)", PLAIN);
    let port = server.port();
    server.client().ask("set @@altered.a 0 0 1\r\n1\r\n", "STORED\r\n");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writes in [false, true] {
            let stop = &stop;
            scope.spawn(move || {
                let mut client = crate::common::Client::connect(port);
                let (mut served, start) = (0, Instant::now());
                while !stop.load(Ordering::Relaxed) || served == 0 {
                    assert!(start.elapsed() < Duration::from_secs(30), "nothing is served");
                    client.send(if writes { "set @@altered.a 0 0 1\r\n1\r\n" } else { "get @@altered.a\r\n" });
                    let reply = client.read_reply();
                    // While the definition changes a request may meet the new table with the old mapping.
                    served += usize::from(!reply.starts_with(b"SERVER_ERROR"));
                }
            });
        }
        for i in 0..5 {
            let start = Instant::now();
            server.sql(&format!("ALTER TABLE test.altered ADD COLUMN c{i} INT, ALGORITHM=COPY"));
            assert!(start.elapsed() < Duration::from_secs(10), "ALTER waited");
        }
        stop.store(true, Ordering::Relaxed);
    });
    let mut client = server.client();
    // A request that met the table in the middle of the last ALTER may have been told so a moment ago.
    wait(
        "the new mapping",
        || {
            client.send("get @@altered.a\r\n");
            client.read_reply().starts_with(b"VALUE")
        },
        || server.log(),
    );
    client.ask("set @@altered.b 0 0 1\r\n2\r\nget @@altered.b\r\n", "STORED\r\nVALUE @@altered.b 0 1\r\n2\r\nEND\r\n");
}

fn read_only(server: &Mysqld) {
    let mut client = server.client();
    client.ask("set ro 0 0 1\r\n1\r\n", "STORED\r\n");
    for variable in either(&["read_only", "super_read_only"][..], &["read_only"]) {
        server.sql(&format!("SET GLOBAL {variable}=ON"));
        client.ask("set ro 0 0 1\r\n2\r\nget ro\r\n", "SERVER_ERROR read only\r\nVALUE ro 0 1\r\n1\r\nEND\r\n");
        client.ask("delete ro\r\nincr ro 1\r\n", "SERVER_ERROR read only\r\nSERVER_ERROR read only\r\n");
        server.sql(either("SET GLOBAL super_read_only=OFF; SET GLOBAL read_only=OFF", "SET GLOBAL read_only=OFF"));
        client.ask("incr ro 0\r\n", "1\r\n");
    }
}

fn table_locks(server: &Mysqld) {
    let mut client = server.client();
    client.ask("set tl 0 0 1\r\n1\r\n", "STORED\r\n");
    let mut session = server.session();
    for (lock, reads) in [
        ("FLUSH TABLES WITH READ LOCK", true),
        ("LOCK TABLES memcached.cache READ", true),
        // MariaDB's reads take the table as any SELECT does.
        ("LOCK TABLES memcached.cache WRITE", !is_mariadb()),
    ] {
        session.sql(lock);
        let start = Instant::now();
        client.ask("set tl 0 0 1\r\n2\r\n", "SERVER_ERROR lock wait timeout\r\n");
        assert!(start.elapsed() < Duration::from_secs(5), "{lock}: {:?}", start.elapsed());
        if reads {
            client.ask("get tl\r\n", "VALUE tl 0 1\r\n1\r\nEND\r\n");
        }
        session.sql("UNLOCK TABLES");
        client.ask("incr tl 0\r\n", "1\r\n");
    }
}

fn row_locks(server: &Mysqld) {
    let mut client = server.client();
    client.ask("set rl 0 0 1\r\n1\r\n", "STORED\r\n");
    let mut session = server.session();
    session.sql("BEGIN; SELECT * FROM memcached.cache WHERE `key`='rl' FOR UPDATE");
    client.ask("set rl 0 0 1\r\n2\r\nset rl-other 0 0 1\r\n3\r\n", "SERVER_ERROR lock wait timeout\r\nSTORED\r\n");
    session.sql("ROLLBACK");
    client.ask("get rl rl-other\r\n", "VALUE rl 0 1\r\n1\r\nVALUE rl-other 0 1\r\n3\r\nEND\r\n");
}

/// Connection ids of the daemon's sessions.
fn sessions(server: &Mysqld) -> Vec<String> {
    let ids = server.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE USER='daemon_memcached'");
    ids.lines().map(str::to_owned).collect()
}

fn kill(server: &Mysqld) {
    if is_mariadb() {
        // Its sessions have no ids there.
        return assert_eq!(sessions(server), Vec::<String>::new());
    }
    let mut client = server.client();
    client.ask("set ki 0 0 1\r\n1\r\n", "STORED\r\n");
    // One of each worker, and perhaps that of the thread that reads the configuration.
    let all = || matches!(sessions(server).len(), 4 | 5);
    wait("the sessions", all, || server.log());
    for statement in ["KILL QUERY", "KILL"] {
        let before = sessions(server);
        for id in &before {
            server.sql(&format!("{statement} {id}"));
        }
        client.ask("get ki\r\nset ki 0 0 1\r\n1\r\n", "VALUE ki 0 1\r\n1\r\nEND\r\nSTORED\r\n");
        wait(
            "new sessions",
            || {
                let now = sessions(server);
                matches!(now.len(), 4 | 5) && now.iter().all(|id| !before.contains(id))
            },
            || sessions(server).join(" ") + &server.log(),
        );
    }
}

fn binary_log(server: &Mysqld) {
    let (name, position) = server.binary_log();
    server.client().ask("set bl 0 0 1\r\n1\r\nincr bl 2\r\ndelete bl\r\n", "STORED\r\n3\r\nDELETED\r\n");
    let events = server.sql(&format!("SHOW BINLOG EVENTS IN '{name}' FROM {position}"));
    for kind in ["Write_rows", "Update_rows", "Delete_rows", "Xid"] {
        assert!(events.contains(kind), "no {kind} in\n{events}");
    }
    assert_eq!(events.matches("Xid").count(), 1, "one commit per tick:\n{events}");
}

fn flush_all(server: &Mysqld) {
    container(server, "flushed", "k VARCHAR(20) PRIMARY KEY, v VARCHAR(20)", PLAIN);
    let mut client = server.client();
    client.ask("set kept 0 0 1\r\n1\r\nset @@flushed.a 0 0 1\r\n1\r\n", "STORED\r\nSTORED\r\n");
    client
        .ask("get @@flushed\r\nflush_all\r\nget a\r\n", "VALUE @@flushed 0 12\r\ntest/flushed\r\nEND\r\nOK\r\nEND\r\n");
    assert_eq!(server.sql("SELECT COUNT(*) FROM test.flushed"), "0");
    server.client().ask("get kept\r\n", "VALUE kept 0 1\r\n1\r\nEND\r\n");
}

fn bad_containers(server: &Mysqld) {
    server.sql(
        "CREATE VIEW test.viewed AS SELECT c1 AS k, c2 AS v FROM test.demo_test;
         CREATE TABLE test.myisam (k VARCHAR(20) PRIMARY KEY, v VARCHAR(20)) ENGINE=MyISAM;
         CREATE TABLE test.parted (k VARCHAR(20) PRIMARY KEY, v VARCHAR(20)) PARTITION BY KEY (k) PARTITIONS 2;
         CREATE TABLE test.keyless (k VARCHAR(20), v VARCHAR(20), UNIQUE KEY k (k));
         CREATE TABLE test.dated (k VARCHAR(20) PRIMARY KEY, v TIMESTAMP);
         CREATE TABLE test.virtual_column (k VARCHAR(20) PRIMARY KEY, v VARCHAR(20), w INT AS (LENGTH(v)) VIRTUAL);
         CREATE TABLE test.generated (k VARCHAR(20) PRIMARY KEY, v VARCHAR(20) AS (UPPER(k)) STORED);
         CREATE TABLE test.needed (k VARCHAR(20) PRIMARY KEY, v VARCHAR(20), n INT NOT NULL);
         CREATE TABLE test.prefixed (k VARCHAR(20) NOT NULL, v VARCHAR(20), id INT DEFAULT 0 PRIMARY KEY, UNIQUE KEY k (k(5)));
         CREATE TABLE test.wide (k VARCHAR(20) NOT NULL, v VARCHAR(20), id INT DEFAULT 0 PRIMARY KEY, UNIQUE KEY k (k, id));
         UNINSTALL PLUGIN daemon_memcached",
    );
    for (table, index, part) in [
        ("viewed", "PRIMARY", "test/viewed is a view"),
        ("myisam", "PRIMARY", "test/myisam has engine MyISAM"),
        ("parted", "PRIMARY", "test/parted is partitioned"),
        ("absent", "PRIMARY", "not found or not a base table"),
        ("parted", "none", "test/parted is partitioned"),
        ("prefixed", "none", "index \"none\""),
        // Below SQL its rows cannot be found through the index; in SQL they can.
        ("keyless", "k", either("needs a primary key", "")),
        ("dated", "PRIMARY", "value column v must be CHAR"),
        ("virtual_column", "PRIMARY", either("virtual columns", "")),
        ("generated", "PRIMARY", "generated column v"),
        ("needed", "PRIMARY", "column n is NOT NULL"),
        ("prefixed", "k", "not on (k(5))"),
        ("wide", "k", "not on (k, id)"),
    ] {
        if part.is_empty() {
            continue;
        }
        server.sql(&format!("INSERT INTO innodb_memcache.containers VALUES ('bad', 'test', '{table}', 'k', 'v', '0', '0', '0', '{index}')"));
        let error = server.install().expect_err(table);
        assert!(
            error.contains(install_error()) && error.contains("container bad") && error.contains(part),
            "{table}: {error}"
        );
        assert!(server.log().contains(part), "the log does not say why: {part}");
        server.sql("DELETE FROM innodb_memcache.containers WHERE name='bad'");
    }
    server.install().unwrap();
}

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn one_statement_installs() {
    let config = Config::new();
    let server = config.start();
    server.install().unwrap();
    server.client().ask("get AA\r\n", "VALUE AA 8 12\r\nHELLO, HELLO\r\nEND\r\n");
    let tables =
        "SELECT table_schema, table_name, column_name, column_type, collation_name FROM information_schema.columns
        WHERE table_schema IN ('innodb_memcache', 'test') ORDER BY 1, 2, ordinal_position";
    let made = server.sql(tables);
    let rows = "SELECT * FROM innodb_memcache.containers; SELECT * FROM innodb_memcache.cache_policies;
        SELECT * FROM innodb_memcache.config_options; SELECT * FROM test.demo_test";
    let filled = server.sql(rows);
    // What is there stays: only what is missing is made.
    server.sql(
        "UNINSTALL PLUGIN daemon_memcached; DROP TABLE innodb_memcache.config_options; DELETE FROM test.demo_test",
    );
    server.install().unwrap();
    assert_eq!(server.sql("SELECT COUNT(*) FROM test.demo_test"), "1");
    // The script makes the same.
    server.sql("UNINSTALL PLUGIN daemon_memcached; DROP DATABASE innodb_memcache; DROP DATABASE test");
    server.script("innodb_memcached_config.sql");
    assert_eq!(server.sql(tables), made);
    assert_eq!(server.sql(rows), filled);
    server.shutdown();
    // A server that loads the plugin as it starts makes them too.
    let loading = config.arg("--plugin-load-add=daemon_memcached.so");
    let server = loading.start();
    server.client().ask("get AA\r\n", "VALUE AA 8 12\r\nHELLO, HELLO\r\nEND\r\n");
    server.sql("DROP DATABASE innodb_memcache");
    server.shutdown();
    let server = loading.start();
    server.client().ask("get AA\r\n", "VALUE AA 8 12\r\nHELLO, HELLO\r\nEND\r\n");
    server.shutdown();
}

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn an_install_that_fails_says_why_and_the_server_lives() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = Config::new()
        .arg(format!("--loose-daemon-memcached-option=-p {port}"))
        .arg("--loose-daemon-memcached-create-tables=OFF");
    let mut server = config.start();
    let refused = |part: &str| {
        let error = server.install().expect_err(part);
        assert!(error.contains(install_error()) && error.contains(part), "{part}: {error}");
        assert!(server.log().contains(part), "the log does not say why: {part}");
    };
    refused("run innodb_memcached_config.sql first");
    server.script("innodb_memcached_config.sql");
    refused(&format!("127.0.0.1:{port}"));
    server.sql("DELETE FROM innodb_memcache.containers");
    refused("innodb_memcache.containers is empty");
    assert!(server.lives());
    assert_eq!(server.sql("SELECT 1"), "1");
    drop(server);
    let config = Config::new().arg("--loose-daemon-memcached-option=-S");
    assert!(config.start().install().expect_err("-S").contains("option -S"), "-S was taken");
}

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn a_restart_brings_the_daemon_back_and_a_shutdown_waits_for_nobody() {
    let config = Config::new();
    let server = config.start();
    server.set_up();
    let mut client = server.client();
    client.ask("set kept 7 0 4\r\nsafe\r\n", "STORED\r\n");
    // A client that is connected, one in the middle of a request, one that waits for a lock.
    let mut halfway = server.client();
    halfway.send("set half 0 0 10\r\nabc");
    let mut session = server.session();
    session.sql("BEGIN; SELECT * FROM memcached.cache WHERE `key`='kept' FOR UPDATE");
    let mut waiting = server.client();
    waiting.send("set kept 0 0 1\r\nx\r\n");
    let took = server.shutdown();
    assert!(took < Duration::from_secs(20), "the shutdown took {took:?}");
    client.expect_close();

    let server = config.start();
    // A server that ends the sessions of clients first lets the set have its turn.
    let kept = match waiting.try_read_line() {
        Ok(Some(line)) if line == "STORED" => "VALUE kept 0 1\r\nx\r\nEND\r\n",
        _ => "VALUE kept 7 4\r\nsafe\r\nEND\r\n",
    };
    server.client().ask("get kept half\r\n", kept);
    server.sql("UNINSTALL PLUGIN daemon_memcached");
    assert_eq!(server.threads("memcached"), 0, "threads stay behind");
    server.shutdown();
    let loading = config.arg("--plugin-load-add=daemon_memcached.so").arg("--loose-daemon-memcached-create-tables=OFF");
    let server = loading.start();
    server.client().ask("get kept\r\n", kept);
    server.sql("DROP DATABASE innodb_memcache");
    server.shutdown();
    let server = loading.start();
    server.wait_log("run innodb_memcached_config.sql first");
    server.shutdown();
}

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn a_hundred_rounds_of_install_and_uninstall_under_load_leave_nothing_behind() {
    let config = Config::new();
    let server = config.start();
    server.set_up();
    server.sql("UNINSTALL PLUGIN daemon_memcached");
    let mut descriptors = 0;
    for round in 0..100 {
        server.install().unwrap_or_else(|e| panic!("round {round}: {e}"));
        let port = server.port();
        let served = Barrier::new(4);
        std::thread::scope(|scope| {
            for i in 0..3 {
                let served = &served;
                scope.spawn(move || {
                    let mut client = crate::common::Client::connect(port);
                    client.ask(
                        format!("set r{i} 0 0 1\r\n1\r\nget r{i}\r\n"),
                        format!("STORED\r\nVALUE r{i} 0 1\r\n1\r\nEND\r\n"),
                    );
                    served.wait();
                    // Until the daemon closes.
                    while client.try_send(format!("incr r{i} 1\r\n")).is_ok()
                        && matches!(client.try_read_line(), Ok(Some(_)))
                    {}
                });
            }
            served.wait();
            server.sql("UNINSTALL PLUGIN daemon_memcached");
        });
        assert_eq!(server.threads("memcached"), 0, "round {round} left threads");
        if round == 10 {
            descriptors = server.descriptors();
        }
    }
    // The server closes the socket of a client of SQL a moment after that has gone.
    let count = || format!("there are {}", server.descriptors());
    wait(&format!("return to {descriptors} descriptors"), || server.descriptors() <= descriptors, count);
    assert_eq!(sessions(&server), Vec::<String>::new(), "sessions stay behind");
}

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn what_was_acknowledged_survives_kill_9() {
    let config = Config::new().arg("--sync-binlog=1").arg("--innodb-flush-log-at-trx-commit=1");
    let mut counts = [0u64; 4];
    for round in 0..4 {
        let server = config.start();
        if round == 0 {
            server.set_up();
        }
        let port = server.port();
        for (i, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let mut client = server.client();
            client.send(format!("get c{i}\r\n"));
            assert!(client.read_line().starts_with("VALUE "), "client {i} lost {count}");
            let stored: u64 = client.read_line().parse().unwrap();
            // One more may have been committed without its acknowledgement.
            assert!((*count..=*count + 1).contains(&stored), "client {i}: acknowledged {count}, found {stored}");
        }
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for (i, count) in counts.iter_mut().enumerate() {
                let stop = &stop;
                scope.spawn(move || {
                    let mut client = crate::common::Client::connect(port);
                    let mut next = *count + 1;
                    while !stop.load(Ordering::Relaxed) {
                        let text = next.to_string();
                        let sent = client.try_send(format!("set c{i} 0 0 {}\r\n{text}\r\n", text.len()));
                        match sent.and_then(|()| client.try_read_line()) {
                            Ok(Some(line)) => assert_eq!(line, "STORED"),
                            _ => break,
                        }
                        *count = next;
                        next += 1;
                    }
                });
            }
            let enough = || server.status("Daemon_memcached_cmd_set").parse::<u64>().is_ok_and(|sets| sets > 300);
            wait("some load", enough, || server.log());
            server.kill9();
            stop.store(true, Ordering::Relaxed);
        });
    }
}

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn a_wait_that_is_killed_is_answered_at_once_and_a_shutdown_ends_it() {
    // Nobody can wait for this time-out: what ends a wait here is the KILL.
    let config = Config::new().arg("--loose-daemon-memcached-lock-wait-timeout=300");
    let server = config.start();
    server.set_up();
    let mut client = server.client();
    client.ask("set ki 0 0 1\r\n1\r\n", "STORED\r\n");
    let mut session = server.session();
    let hold = "BEGIN; SELECT * FROM memcached.cache WHERE `key`='ki' FOR UPDATE";
    let waiting =
        || server.sql("SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX WHERE trx_state='LOCK WAIT'");
    // MariaDB finds no session of the daemon by its id.
    for statement in either(&["KILL QUERY", "KILL"][..], &[]) {
        session.sql(hold);
        client.send("set ki 0 0 1\r\n2\r\n");
        wait("a wait for the row", || !waiting().is_empty(), || server.log());
        let start = Instant::now();
        server.sql(&format!("{statement} {}", waiting()));
        client.expect("SERVER_ERROR interrupted\r\n");
        assert!(start.elapsed() < Duration::from_secs(5), "{statement} took {:?}", start.elapsed());
        session.sql("ROLLBACK");
        client.ask("incr ki 0\r\n", "1\r\n");
    }
    session.sql(hold);
    client.send("set ki 0 0 1\r\n2\r\n");
    wait("a wait for the row", || !waiting().is_empty(), || server.log());
    let took = server.shutdown();
    assert!(took < Duration::from_secs(30), "the shutdown took {took:?}");
}

/// Writes per binary log format in the replication test.
const REPLICATED: u32 = 50_000;

/// Everything that two servers must agree on, in one number per table.
fn digest(server: &Mysqld) -> String {
    server.sql(
        "SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|', `key`, value, flags, cas, expiry))) FROM memcached.cache;
         SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|', c1, c2, c3, c4, c5))) FROM test.demo_test",
    )
}

#[track_caller]
fn assert_replica_equal(primary: &Mysqld, replica: &Mysqld) {
    replica.catch_up(primary, 60);
    assert_eq!(digest(primary), digest(replica));
}

/// A free TCP port, for a server that cannot choose one itself.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// All kinds of writes, `REPLICATED` of them in pipelines of three clients.
fn replicated_load(port: u16, round: &str) {
    std::thread::scope(|scope| {
        for c in 0..3 {
            scope.spawn(move || {
                let mut client = crate::common::Client::connect(port);
                for block in 0..REPLICATED / 3 / 50 {
                    let (mut send, mut expect) = (String::new(), String::new());
                    for i in 0..10 {
                        let key = format!("{round}{c}-{}", (block * 7 + i) % 500);
                        send += &format!(
                            "set {key} {i} 0 2\r\n10\r\nincr {key} 5\r\nappend {key} 0 0 1\r\n0\r\ntouch {key} 1000\r\n"
                        );
                        expect += "STORED\r\n15\r\nSTORED\r\nTOUCHED\r\n";
                        match i {
                            0 => {
                                send += &format!("delete {key}\r\n");
                                expect += "DELETED\r\n";
                            }
                            1 => {
                                send += &format!("cas {key} 0 0 1 1\r\nx\r\n");
                                expect += "EXISTS\r\n";
                            }
                            _ => {
                                send += &format!("set @@aaa.{key} 1 0 3\r\nabc\r\nget @@default\r\n");
                                expect += "STORED\r\nVALUE @@default 0 15\r\nmemcached/cache\r\nEND\r\n";
                            }
                        }
                    }
                    client.ask(send, expect);
                }
            });
        }
    });
}

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn a_replica_equals_its_primary_even_after_a_crash() {
    let port = free_port();
    let common_args = |config: Config, id| config.replicating(id).arg("--sync-binlog=1");
    let primary_config = common_args(Config::new(), 1).arg(format!("--port={port}"));
    let replica_config = common_args(Config::new(), 2);
    let primary = primary_config.start();
    let replica = replica_config.start();
    primary
        .sql("CREATE USER repl@'127.0.0.1' IDENTIFIED BY 'secret'; GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'");
    replica.follow(port, "repl", "secret");
    primary.set_up();
    for format in ["ROW", "MIXED"] {
        primary.sql(&format!("SET GLOBAL binlog_format={format}"));
        primary.sql("UNINSTALL PLUGIN daemon_memcached");
        primary.install().unwrap();
        replicated_load(primary.port(), format);
        assert_replica_equal(&primary, &replica);
    }
    let mut client = primary.client();
    client.ask(
        "get @@aaa\r\nflush_all\r\nget @@default\r\n",
        "VALUE @@aaa 0 14\r\ntest/demo_test\r\nEND\r\nOK\r\nVALUE @@default 0 15\r\nmemcached/cache\r\nEND\r\n",
    );
    assert_replica_equal(&primary, &replica);

    // The primary dies while it acknowledges.
    let memcached = primary.port();
    let acknowledged = std::thread::scope(|scope| {
        let load = scope.spawn(move || {
            let mut client = crate::common::Client::connect(memcached);
            let mut acknowledged = 0;
            loop {
                let sent = client.try_send(format!("set crash{acknowledged} 0 0 1\r\nx\r\n"));
                match sent.and_then(|()| client.try_read_line()) {
                    Ok(Some(line)) if line == "STORED" => acknowledged += 1,
                    _ => return acknowledged,
                }
            }
        });
        let rows = || primary.sql("SELECT COUNT(*) FROM memcached.cache WHERE `key` LIKE 'crash%'").parse::<u32>();
        wait("some load", || rows().is_ok_and(|rows| rows > 200), || primary.log());
        primary.kill9();
        load.join().unwrap()
    });
    let primary = primary_config.start();
    let found: u32 = primary.sql("SELECT COUNT(*) FROM memcached.cache WHERE `key` LIKE 'crash%'").parse().unwrap();
    assert!((acknowledged..=acknowledged + 1).contains(&found), "acknowledged {acknowledged}, found {found}");
    assert_replica_equal(&primary, &replica);
}
