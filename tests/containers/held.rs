//! A busy worker keeps its tables open from one tick to the next, for a few milliseconds: nobody who changes them waits longer than that,
//! and nothing that was acknowledged is missed. As `tests/mysql/held.rs`, on the bundled host, where ticks that write do so, too.

use crate::common::{Host, HostConfig, patient::wait_until};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What changes a table, one after the other; at the end it is what it was.
const CHANGES: [&str; 6] = [
    "ALTER TABLE test.one ADD COLUMN x INT",
    "ALTER TABLE test.one DROP COLUMN x",
    "ALTER TABLE test.one ADD INDEX by_v (v)",
    "ALTER TABLE test.one DROP INDEX by_v",
    "RENAME TABLE test.one TO test.other; RENAME TABLE test.other TO test.one",
    "TRUNCATE TABLE test.one; INSERT INTO test.one VALUES ('k', '1')",
];

/// Far longer than tables are held, and shorter than clients go on.
const LOCK_WAIT: &str = "SET SESSION innodb_lock_wait_timeout=20";

fn start() -> (HostConfig, &'static str) {
    let tables = "CREATE TABLE test.one (k VARCHAR(20) PRIMARY KEY, v VARCHAR(20)); INSERT INTO test.one VALUES ('k', '1'); \
        CREATE TABLE test.two (k VARCHAR(20) PRIMARY KEY, v VARCHAR(20)); INSERT INTO test.two VALUES ('k', '2'); \
        INSERT INTO innodb_memcache.containers VALUES \
        ('one', 'test', 'one', 'k', 'v', '0', '0', '0', 'PRIMARY'), ('two', 'test', 'two', 'k', 'v', '0', '0', '0', 'PRIMARY')";
    (HostConfig::new().option("-p 0 -t 2").arg("--innodb-flush-log-at-trx-commit=2"), tables)
}

fn asks(host: &Host, stop: &AtomicBool, answers: &AtomicU64, write: Option<usize>) {
    let mut client = host.client();
    while !stop.load(Ordering::Relaxed) {
        match write {
            Some(writer) => {
                client.send(format!("set @@one.w{writer} 0 0 1\r\nx\r\n"));
                let line = client.read_line();
                assert!(line == "STORED" || line.starts_with("SERVER_ERROR"), "{line}");
            }
            None => {
                client.send("get @@one.k\r\n");
                let reply = String::from_utf8(client.read_reply()).unwrap();
                // In the middle of a change the row, or the table, may be away.
                let right = reply == "VALUE @@one.k 0 1\r\n1\r\nEND\r\n" || reply == "END\r\n";
                assert!(right || reply.starts_with("SERVER_ERROR"), "{reply}");
            }
        }
        answers.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn whoever_changes_a_table_gets_it_from_clients_that_never_pause() {
    let (config, tables) = start();
    let host = config.start();
    host.sql(tables).unwrap();
    let (stop, answers) = (AtomicBool::new(false), AtomicU64::new(0));
    let failed: Vec<_> = std::thread::scope(|scope| {
        for client in 0..6 {
            let (host, stop, answers) = (&host, &stop, &answers);
            scope.spawn(move || asks(host, stop, answers, (client % 2 == 0).then_some(client)));
        }
        let change = |change: &&str| {
            // Each finds the clients in the middle of what they ask.
            let before = answers.load(Ordering::Relaxed);
            wait_until("answers", || answers.load(Ordering::Relaxed) > before + 100);
            host.sql(&format!("{LOCK_WAIT}; {change}")).err()
        };
        let failed = CHANGES.iter().filter_map(change).collect();
        stop.store(true, Ordering::Relaxed);
        failed
    });
    assert!(failed.is_empty(), "{failed:?}");
    // Where the table was away for a moment, its container is looked for again a moment later.
    let mut client = host.client();
    wait_until("the container is there again", || {
        client.send("get @@one.k\r\n");
        client.read_reply() == b"VALUE @@one.k 0 1\r\n1\r\nEND\r\n"
    });
    // One that has gone silent holds nothing either.
    for _ in 0..1000 {
        client.ask("get @@one.k\r\n", "VALUE @@one.k 0 1\r\n1\r\nEND\r\n");
    }
    host.sql(&format!("{LOCK_WAIT}; DROP TABLE test.one")).unwrap();
    client.ask("get @@two.k\r\n", "VALUE @@two.k 0 1\r\n2\r\nEND\r\n");
}

#[test]
fn a_get_sees_what_was_acknowledged_before_it_through_a_table_that_was_open() {
    let (config, tables) = start();
    let host = config.start();
    host.sql(tables).unwrap();
    let (mut reader, mut writer) = (host.client(), host.client());
    for round in 10..200 {
        if round % 4 == 0 {
            host.sql(&format!("UPDATE test.one SET v = '{round}' WHERE k = 'k'")).unwrap();
        } else {
            writer.store("@@one.k", &round.to_string());
        }
        // So many that the table stays open among them.
        for _ in 0..10 {
            reader.ask_value("@@one.k", &round.to_string());
        }
    }
    // Nothing of a table that was open is left open at the end.
    assert!(host.terminate().success());
}
