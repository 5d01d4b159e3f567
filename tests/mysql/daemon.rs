//! The plugin in a real MySQL server. Needs the tree that `tests/mysql/make-tree` makes: `tests/run --mysql` runs these tests, a
//! plain `cargo test` lists them as ignored.

use crate::common::scripts::SCRIPTS;
use crate::server::{Config, Mysqld, either, is_mariadb, wait};
use std::panic::{AssertUnwindSafe, catch_unwind};
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
pub fn install_error() -> &'static str {
    either("ERROR 3130 (HY000)", "ERROR 1105 (HY000)")
}

type Case = (&'static str, fn(&Mysqld<'_>));

/// What one server is asked after another; none leaves anything behind that the next would notice.
const CASES: &[Case] = &[
    ("the scripts answer as on the bundled engine", scripts),
    ("SQL sees what memcached stores, and the other way round", both_sides),
    ("values of a mebibyte", large_values),
    ("triggers, foreign keys, CHECK, defaults and generated columns are honoured", sql_rules),
    ("a default may be the next number of a sequence", sequences),
    ("character sets, collations and types keep their bytes", character_sets),
    ("bytes that a column's character set lacks are refused", unsuitable_bytes),
    ("a secondary unique index finds rows", secondary_index),
    ("counters of many clients add up", counters),
    ("ALTER TABLE gets in between reads", alter),
    ("read_only and super_read_only refuse writes", read_only),
    ("FLUSH TABLES WITH READ LOCK and LOCK TABLES are waited for, with a bound", table_locks),
    ("a row that somebody holds times out, and only that request", row_locks),
    ("KILL and KILL QUERY", kill),
    ("the binary log has rows, GTIDs and commits", binary_log),
    ("flush_all truncates the bound table", flush_all),
    ("the server's estimates are told as items, and our licence by it", estimates),
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

fn sequences(server: &Mysqld) {
    if !is_mariadb() {
        return;
    }
    server.sql("CREATE SEQUENCE test.numbers START WITH 100");
    let columns =
        "k VARCHAR(20) PRIMARY KEY, v VARCHAR(20), n INT NOT NULL DEFAULT NEXTVAL(test.numbers), UNIQUE KEY (n)";
    container(server, "numbered", columns, PLAIN);
    container(
        server,
        "alone",
        "k VARCHAR(20) PRIMARY KEY, v INT DEFAULT 5, n INT NOT NULL DEFAULT NEXTVAL(test.numbers)",
        PLAIN,
    );
    let mut client = server.client();
    for name in ["numbered", "alone"] {
        let set = |key: &str| format!("set @@{name}.{key} 0 0 1\r\n1\r\n");
        client.ask(set("a") + &set("b") + &set("c"), "STORED\r\nSTORED\r\nSTORED\r\n");
        let numbers = server.sql(&format!("SELECT COUNT(DISTINCT n), MIN(n) >= 100 FROM test.{name}"));
        assert_eq!(numbers, "3\t1", "{name}");
        let before = server.sql(&format!("SELECT k, n FROM test.{name} ORDER BY k"));
        client.ask(set("a") + &set("b"), "STORED\r\nSTORED\r\n");
        client.ask(
            format!("incr @@{name}.a 1\r\nget @@{name}.a\r\n"),
            format!("2\r\nVALUE @@{name}.a 0 1\r\n2\r\nEND\r\n"),
        );
        assert_eq!(server.sql(&format!("SELECT k, n FROM test.{name} ORDER BY k")), before, "rows keep their numbers");
    }
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
    client.expect("SERVER_ERROR value does not suit the character set of column v\r\n");
}

/// The server refuses by the column's name; nothing is cut, changed or made NULL.
fn unsuitable_bytes(server: &Mysqld) {
    let mut client = server.client();
    container(
        server,
        "three",
        "k VARCHAR(10) CHARACTER SET ascii PRIMARY KEY, a VARCHAR(10) CHARACTER SET utf8mb4, b VARBINARY(10), \
         c VARCHAR(10) CHARACTER SET utf8mb3, d VARCHAR(10) CHARACTER SET ascii, e INT",
        "'k', 'a|b|c|d|e', '0', '0', '0', 'PRIMARY'",
    );
    let good = "\u{1f600}|\u{1f600}|\u{e9}|x|7";
    client.ask(format!("set @@three.x 0 0 {}\r\n{good}\r\n", good.len()), "STORED\r\n");
    for (column, value) in
        [("a", &b"\xff|x|x|x|1"[..]), ("c", "x|x|\u{1f600}|x|1".as_bytes()), ("d", "x|x|x|\u{e9}|1".as_bytes())]
    {
        if column == "d" && is_mariadb() {
            // Its ascii keeps what it is given.
            continue;
        }
        for key in ["x", "new"] {
            client.send(format!("set @@three.{key} 0 0 {}\r\n", value.len()));
            client.send(value);
            client.ask("\r\n", format!("SERVER_ERROR value does not suit the character set of column {column}\r\n"));
        }
    }
    if !is_mariadb() {
        client.ask(
            "set @@three.\u{e9} 0 0 9\r\nx|x|x|x|1\r\n",
            "SERVER_ERROR value does not suit the character set of column k\r\n",
        );
    }
    client.ask("get @@three.\u{e9} @@three.new\r\n", "END\r\n");
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

/// InnoDB keeps the number up to date with each row, and corrects it now and then by samples.
fn estimates(server: &Mysqld) {
    let mut client = server.client();
    let number = |stats: &[(String, String)], name: &str| {
        let found = stats.iter().find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("no {name} in {stats:?}")).1.parse::<u64>().unwrap()
    };
    let before = number(&client.stats(""), "curr_items");
    for key in 0..2000 {
        client.send(format!("set many{key} 0 0 100 noreply\r\n{}\r\n", "v".repeat(100)));
    }
    client.ask("mn\r\n", "MN\r\n");
    let follows = || {
        let stats = server.client().stats("");
        let items = number(&stats, "curr_items");
        (before + 1000..before + 3000).contains(&items) && number(&stats, "bytes") > 100_000
    };
    wait("curr_items follows", follows, || server.log());
    assert!(number(&client.stats("items"), "items:1:number") > 1000);
    let ours = "FROM information_schema.PLUGINS WHERE PLUGIN_NAME = 'daemon_memcached'";
    assert_eq!(server.sql(&format!("SELECT PLUGIN_LICENSE {ours}")), "BSD");
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
        let there = "VALUE tl 0 1\r\n1\r\nEND\r\n";
        let start = Instant::now();
        // All reads of a tick wait as long as one.
        client.send("get tl\r\n".repeat(10));
        let expected = if reads { there } else { "SERVER_ERROR lock wait timeout\r\n" };
        (0..10).for_each(|_| client.expect(expected));
        assert!(start.elapsed() < Duration::from_secs(5), "reads, {lock}: {:?}", start.elapsed());
        session.sql("UNLOCK TABLES");
        client.ask("get tl\r\n", there);
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
pub fn sessions(server: &Mysqld) -> Vec<String> {
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
    assert!(!events.contains("Annotate_rows"), "the text of statements is in the binary log:\n{events}");
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
