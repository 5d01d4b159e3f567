//! A busy worker keeps the tables that it reads open from one tick to the next, for a few milliseconds: nobody who changes or locks them
//! waits longer than that, and nothing that was acknowledged is missed. Needs a tree with a server: `tests/run --mysql`,
//! `tests/run --mariadb`.

use crate::common::Client;
use crate::server::{Config, Mysqld, Over, either};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Seconds that a statement waits for a metadata lock before it fails: far more than tables are held, and less than clients go on.
const LOCK_WAIT: u32 = 20;

fn set_up(server: &Mysqld) {
    server.set_up();
    for (table, value) in [("one", "1"), ("two", "2")] {
        server.sql(&format!(
            "CREATE TABLE test.{table} (k VARCHAR(20) PRIMARY KEY, v VARCHAR(20)); \
             INSERT INTO test.{table} VALUES ('k', '{value}'); \
             INSERT INTO innodb_memcache.containers VALUES ('{table}', 'test', '{table}', 'k', 'v', '0', '0', '0', 'PRIMARY')"
        ));
    }
}

/// What changes or locks a table, one after the other; at the end it is what it was.
fn changes() -> Vec<&'static str> {
    let mut all = vec![
        "ALTER TABLE test.one ADD COLUMN x INT, ALGORITHM=COPY",
        "ALTER TABLE test.one DROP COLUMN x, ALGORITHM=INPLACE",
        "ALTER TABLE test.one ADD INDEX by_v (v), ALGORITHM=INPLACE",
        "DROP INDEX by_v ON test.one",
        "LOCK TABLES test.one WRITE; UPDATE test.one SET v = '1'; UNLOCK TABLES",
        "FLUSH TABLES test.one WITH READ LOCK; UNLOCK TABLES",
        "FLUSH TABLES WITH READ LOCK; UNLOCK TABLES",
        "FLUSH TABLES",
        "RENAME TABLE test.one TO test.other; RENAME TABLE test.other TO test.one",
        "TRUNCATE TABLE test.one; INSERT INTO test.one VALUES ('k', '1')",
        "CREATE TABLE test.copy LIKE test.one; INSERT INTO test.copy VALUES ('k', '1'); DROP TABLE test.one; \
         RENAME TABLE test.copy TO test.one",
    ];
    all.extend(either(
        ["LOCK INSTANCE FOR BACKUP; UNLOCK INSTANCE", "ALTER TABLE test.one FORCE"],
        [
            "BACKUP STAGE START; BACKUP STAGE FLUSH; BACKUP STAGE BLOCK_DDL; BACKUP STAGE BLOCK_COMMIT; BACKUP STAGE END",
            "ALTER TABLE test.one FORCE",
        ],
    ));
    all
}

#[test]
#[ignore = "needs a server: tests/run --mysql, tests/run --mariadb"]
fn whoever_changes_or_locks_a_table_gets_it_from_clients_that_never_pause() {
    let config = Config::new().arg("--loose-daemon-memcached-option=-p 0 -t 2");
    let server = config.start();
    set_up(&server);
    let (port, stop, gets) = (server.port(), AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let _over = Over(&stop);
        // So many that their workers hardly ever pause.
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = Client::connect(port);
                while !stop.load(Ordering::Relaxed) {
                    client.send("get @@one.k\r\n");
                    let reply = String::from_utf8(client.read_reply()).unwrap();
                    // In the middle of a change the row, or the table, may be away.
                    let right = reply == "VALUE @@one.k 0 1\r\n1\r\nEND\r\n" || reply == "END\r\n";
                    assert!(right || reply.starts_with("SERVER_ERROR"), "{reply}");
                    gets.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for change in changes() {
            // Each finds the clients in the middle of their gets.
            let before = gets.load(Ordering::Relaxed);
            crate::server::wait("gets", || gets.load(Ordering::Relaxed) > before + 100, || server.log());
            server.sql(&format!("SET SESSION lock_wait_timeout={LOCK_WAIT}; {change}"));
        }
    });
    // One that has gone silent holds nothing either.
    let mut client = server.client();
    for _ in 0..1000 {
        client.ask("get @@one.k\r\n", "VALUE @@one.k 0 1\r\n1\r\nEND\r\n");
    }
    server.sql(&format!("SET SESSION lock_wait_timeout={LOCK_WAIT}; DROP TABLE test.one"));
    client.ask("get @@two.k\r\n", "VALUE @@two.k 0 1\r\n2\r\nEND\r\n");
}

#[test]
#[ignore = "needs a server: tests/run --mysql, tests/run --mariadb"]
fn a_get_sees_what_was_acknowledged_before_it_through_a_table_that_was_open() {
    let config = Config::new().arg("--loose-daemon-memcached-option=-p 0 -t 2");
    let server = config.start();
    set_up(&server);
    let mut session = server.session();
    let (mut reader, mut writer) = (server.client(), server.client());
    for round in 10..400 {
        if round % 2 == 0 {
            session.sql(&format!("UPDATE test.one SET v = '{round}' WHERE k = 'k'"));
        } else {
            writer.store("@@one.k", &round.to_string());
        }
        // So many that the table stays open among them.
        for _ in 0..10 {
            reader.ask_value("@@one.k", &round.to_string());
        }
    }
}

/// Two tables that one statement locks one after the other, and a worker that has read one of them and wants the other.
#[test]
#[ignore = "needs a server: tests/run --mysql, tests/run --mariadb"]
fn a_table_that_is_open_makes_nobody_a_victim_of_a_deadlock() {
    let config = Config::new().arg("--loose-daemon-memcached-option=-p 0 -t 1");
    let server = config.start();
    set_up(&server);
    let (port, stop, gets) = (server.port(), AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let _over = Over(&stop);
        scope.spawn(|| {
            let mut client = Client::connect(port);
            while !stop.load(Ordering::Relaxed) {
                // Each alone in its tick, and one of them often enough to stay open: the one that the statement locks last.
                for container in ["two", "two", "two", "two", "one"] {
                    client.send(format!("get @@{container}.k\r\n"));
                    let reply = String::from_utf8(client.read_reply()).unwrap();
                    // The tables change places; the row is in both, always.
                    let right = reply.starts_with(&format!("VALUE @@{container}.k 0 1\r\n"));
                    assert!(right || reply.starts_with("SERVER_ERROR"), "{reply}");
                    gets.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let mut session = server.session();
        session.sql(&format!("SET SESSION lock_wait_timeout={LOCK_WAIT}"));
        for round in 0..60 {
            let before = gets.load(Ordering::Relaxed);
            crate::server::wait("gets", || gets.load(Ordering::Relaxed) > before + 20, || server.log());
            session.sql("RENAME TABLE test.one TO test.third, test.two TO test.one, test.third TO test.two");
            let first = if round % 2 == 0 { "2" } else { "1" };
            assert_eq!(session.sql("SELECT v FROM test.one"), [first], "round {round}");
        }
    });
}
