//! What memcached clients write, on a replica: a second server of the same tree follows the first by GTID, and both are compared.
//! Needs the tree that `tests/mysql/make-tree` makes: `tests/run --mysql` runs these tests, a plain `cargo test` lists them as ignored.

use crate::common::free_port;
use crate::load::Acknowledged;
use crate::server::{Config, Mysqld, wait};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Bound for a replica that has a whole load behind it.
const CATCH_UP_SECONDS: u32 = 240;

/// Connections of a load.
const CLIENTS: usize = 8;

/// The tables that are written, each with the columns that a comparison by value adds up.
const TABLES: [(&str, &str); 3] = [
    ("memcached.cache", "SUM(CRC32(`key`)), SUM(CRC32(value)), SUM(LENGTH(value)), SUM(flags), SUM(cas), SUM(expiry)"),
    ("test.words", "SUM(CRC32(k)), SUM(CRC32(v)), SUM(LENGTH(v)), SUM(f), SUM(c), SUM(e)"),
    ("test.flushed", "SUM(CRC32(k)), SUM(CRC32(v)), SUM(LENGTH(v))"),
];

fn config(id: u32) -> Config {
    Config::new().replicating(id).redo_log("256M")
}

/// A server that a replica can reach.
fn primary_config() -> (Config, u16) {
    // mysqld cannot choose a free port by itself, and must have the same again after a restart.
    let port = free_port();
    (config(1).arg(format!("--port={port}")), port)
}

/// Tables, containers and the plugin; the replica gets the tables by replication.
fn set_up(primary: &Mysqld) {
    primary.set_up();
    // Without caching_sha2_password's key exchange nobody logs in over plain TCP: the replica asks for the key.
    primary.sql(
        "CREATE USER 'replica'@'%' IDENTIFIED BY 'replica'; GRANT REPLICATION SLAVE ON *.* TO 'replica'@'%';
         CREATE TABLE test.words (k VARCHAR(60) PRIMARY KEY, v VARCHAR(400), f INT UNSIGNED, c BIGINT UNSIGNED, e INT UNSIGNED)
           CHARACTER SET utf8mb4;
         CREATE TABLE test.flushed (k VARCHAR(60) PRIMARY KEY, v VARCHAR(400)) CHARACTER SET utf8mb4;
         INSERT INTO innodb_memcache.containers VALUES
           ('words', 'test', 'words', 'k', 'v', 'f', 'c', 'e', 'PRIMARY'), ('flushed', 'test', 'flushed', 'k', 'v', '0', '0', '0', 'PRIMARY')",
    );
}

/// Waits until the replica has all that the primary has, then compares their tables.
fn compare(primary: &Mysqld, replica: &Mysqld) {
    let start = Instant::now();
    replica.catch_up(primary, CATCH_UP_SECONDS);
    println!("caught up after another {} ms", start.elapsed().as_millis());
    for (table, sums) in TABLES {
        for sql in [format!("CHECKSUM TABLE {table}"), format!("SELECT COUNT(*), {sums} FROM {table}")] {
            let expected = primary.sql(&sql);
            assert_eq!(replica.sql(&sql), expected, "{sql} differs");
            println!("equal: {expected}");
        }
    }
}

fn replicates(format: &str, writes: u64) {
    let (config_1, port) = primary_config();
    let (config_1, config_2) = (config_1.arg(format!("--binlog-format={format}")), config(2));
    // The load is long and nothing is killed here.
    let relaxed = |config: Config| config.arg("--sync-binlog=0").arg("--innodb-flush-log-at-trx-commit=2");
    let (config_1, config_2) = (relaxed(config_1), relaxed(config_2));
    let (primary, replica) = (config_1.start(), config_2.start());
    set_up(&primary);
    replica.follow(port, "replica", "replica");
    let start = Instant::now();
    let models = crate::load::run(primary.port(), CLIENTS, writes);
    println!("{format}: {writes} writes in {:?}", start.elapsed());
    // Comparing two servers proves nothing if the first one did not store what it acknowledged.
    for (prefix, sql) in crate::load::PREFIXES.into_iter().zip([
        "SELECT COUNT(*), SUM(LENGTH(value)) FROM memcached.cache WHERE `key` NOT LIKE 'sum-%'",
        "SELECT COUNT(*), SUM(LENGTH(v)) FROM test.words WHERE k NOT LIKE 'sum-%'",
    ]) {
        let rows = models.iter().flat_map(|model| model.values(prefix));
        let (count, bytes) = rows.fold((0, 0), |(count, bytes), value| (count + 1, bytes + value.len()));
        assert_eq!(primary.sql(sql), format!("{count}\t{bytes}"), "{sql}");
    }
    let increments: u64 = models.iter().map(|model| model.increments).sum();
    let counted = "SELECT (SELECT SUM(value) FROM memcached.cache WHERE `key` LIKE 'sum-%') + (SELECT SUM(v) FROM test.words WHERE k LIKE 'sum-%')";
    assert_eq!(primary.sql(counted), increments.to_string());
    assert_ne!(primary.sql("SELECT COUNT(*) FROM test.flushed"), "0", "no row of test.flushed is left to compare");
    compare(&primary, &replica);
    assert!(primary.shutdown() < Duration::from_secs(30));
}

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn a_million_writes_compare_equal_in_row_format() {
    replicates("ROW", 1_000_000);
}

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn a_million_writes_compare_equal_in_mixed_format() {
    replicates("MIXED", 1_000_000);
}

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn a_killed_primary_loses_nothing_acknowledged_and_its_replica_is_equal() {
    let (config_1, port) = primary_config();
    let config_1 = config_1.arg("--sync-binlog=1").arg("--innodb-flush-log-at-trx-commit=1");
    let config_2 = config(2);
    let replica = config_2.start();
    let mut acknowledged = [Acknowledged::default(); CLIENTS];
    for round in 0..4 {
        let primary = config_1.start();
        if round == 0 {
            set_up(&primary);
            replica.follow(port, "replica", "replica");
        }
        let daemon = primary.port();
        for (i, client) in acknowledged.iter_mut().enumerate() {
            client.check(daemon, i);
        }
        let rows: u64 = acknowledged.iter().map(|client| client.rows).sum();
        assert_eq!(primary.sql("SELECT COUNT(*) FROM memcached.cache"), rows.to_string(), "rows behind a gap");
        compare(&primary, &replica);
        if round == 3 {
            assert!(primary.shutdown() < Duration::from_secs(30));
            break;
        }
        let before: u64 = acknowledged.iter().map(|client| client.writes()).sum();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for (i, client) in acknowledged.iter_mut().enumerate() {
                let stop = &stop;
                scope.spawn(move || client.write_until_closed(daemon, i, stop));
            }
            let enough = || primary.status("Daemon_memcached_cmd_set").parse::<u64>().is_ok_and(|sets| sets > 5000);
            wait("some load", enough, || primary.log());
            primary.kill9();
            stop.store(true, Ordering::Relaxed);
        });
        let after: u64 = acknowledged.iter().map(|client| client.writes()).sum();
        println!("round {round}: killed after {} acknowledged writes", after - before);
        assert!(after > before, "nothing was acknowledged in round {round}");
    }
}

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn without_the_binary_log_nothing_is_written_there_and_the_log_says_so() {
    let config = config(1).arg("--loose-daemon-memcached-enable-binlog=OFF");
    let server = config.start();
    set_up(&server);
    server.wait_log("daemon_memcached_enable_binlog is OFF");
    let state = || server.binary_log();
    let before = state();
    let mut client = server.client();
    client.ask("set a 0 0 1\r\n1\r\nincr a 4\r\nappend a 0 0 1\r\n0\r\n", "STORED\r\n5\r\nSTORED\r\n");
    client.ask("touch a 100\r\nset b 0 0 1\r\n1\r\ndelete b\r\n", "TOUCHED\r\nSTORED\r\nDELETED\r\n");
    client.ask("set @@flushed.a 0 0 1\r\n1\r\n", "STORED\r\n");
    client.ask("get @@flushed\r\nflush_all\r\n", "VALUE @@flushed 0 12\r\ntest/flushed\r\nEND\r\nOK\r\n");
    assert_eq!(server.sql("SELECT value FROM memcached.cache WHERE `key`='a'"), "50");
    assert_eq!(server.sql("SELECT COUNT(*) FROM test.flushed"), "0");
    assert_eq!(state(), before, "something of ours is in the binary log");
    // The log itself works: what SQL writes is in it.
    server.sql("DELETE FROM memcached.cache");
    assert_ne!(state(), before);
}

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn a_server_that_logs_statements_gets_rows_from_the_daemon() {
    let config = config(1).arg("--binlog-format=STATEMENT");
    let server = config.start();
    set_up(&server);
    let (file, position) = server.binary_log();
    server.client().ask("set a 0 0 1\r\n1\r\nincr a 2\r\ndelete a\r\n", "STORED\r\n3\r\nDELETED\r\n");
    let events = server.sql(&format!("SHOW BINLOG EVENTS IN '{file}' FROM {position}"));
    for kind in ["Write_rows", "Update_rows", "Delete_rows", "Xid"] {
        assert!(events.contains(kind), "no {kind} in\n{events}");
    }
    assert_eq!(server.sql("SELECT @@GLOBAL.binlog_format"), "STATEMENT", "the server's own setting was changed");
}
