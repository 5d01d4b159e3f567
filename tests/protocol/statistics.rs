//! What `stats` tells of items: those of tables by the engine's own count, through crashes and everything else that changes rows, and
//! those that have expired.

use super::expected::cache_only;
use crate::common::patient::wait_until;
use crate::common::{Client, Host, HostConfig};
use std::time::Duration;

fn value(stats: &[(String, String)], name: &str) -> u64 {
    let found = stats.iter().find(|(known, _)| known == name);
    found.and_then(|(_, value)| value.parse().ok()).unwrap_or_else(|| panic!("no number {name} in {stats:?}"))
}

/// A host without other containers than the default one.
fn start(config: &HostConfig) -> Host {
    let host = config.start();
    host.sql(
        "DELETE FROM innodb_memcache.containers WHERE name <> 'default';
         SET GLOBAL daemon_memcached_reload_containers = ON",
    )
    .unwrap();
    host
}

/// Waits until curr_items is the number of rows that SQL counts in tables, which takes a second at most.
#[track_caller]
fn counted(host: &Host, tables: &[&str]) -> u64 {
    let rows = |table: &&str| host.rows(&format!("SELECT COUNT(*) FROM {table}"))[0][0].parse::<u64>().unwrap();
    let expected = tables.iter().map(rows).sum();
    let mut client = host.client();
    let mut seen = 0;
    let mut agrees = || {
        let stats = client.stats("");
        seen = value(&stats, "curr_items");
        seen == expected && (value(&stats, "bytes") > 0) == (expected > 0)
    };
    // An answer may be a second old.
    for _ in 0..300 {
        if agrees() {
            return expected;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("curr_items {seen}, rows {expected}\n{}", host.log());
}

fn store(client: &mut Client, keys: std::ops::Range<usize>, size: usize) {
    for key in keys {
        client.send(format!("set k{key} 0 0 {size} noreply\r\n{}\r\n", "v".repeat(size)));
    }
    client.ask("mn\r\n", "MN\r\n");
}

#[test]
fn items_of_tables_are_counted_whatever_changes_them() {
    const CACHE: &str = "memcached.cache";
    let config = HostConfig::new().arg("--innodb-buffer-pool-size=5M");
    let host = start(&config);
    let mut client = host.client();
    assert_eq!(counted(&host, &[CACHE]), 0);
    store(&mut client, 0..300, 10);
    // Others in the place of some.
    store(&mut client, 200..400, 1000);
    for key in 0..50 {
        client.ask(format!("delete k{key}\r\ndelete k{key}\r\n"), "DELETED\r\nNOT_FOUND\r\n");
    }
    client.ask("incr k60 1\r\n", "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n");
    assert_eq!(counted(&host, &[CACHE]), 350);
    host.sql(&format!("INSERT INTO {CACHE} (`key`, value) VALUES ('s1', 'x'), ('s2', 'x'), ('s3', 'x')")).unwrap();
    host.sql(&format!("UPDATE {CACHE} SET `key` = 'moved' WHERE `key` = 's1'; DELETE FROM {CACHE} WHERE `key` = 's2'"))
        .unwrap();
    host.sql(&format!("INSERT INTO {CACHE} (`key`, value) VALUES ('s4', 'x'), ('s3', 'x')")).unwrap_err();
    host.sql(&format!(
        "BEGIN; DELETE FROM {CACHE}; ROLLBACK;
         BEGIN; INSERT INTO {CACHE} (`key`, value) VALUES ('s5', 'x'); SAVEPOINT a;
         DELETE FROM {CACHE} WHERE `key` < 'k2'; ROLLBACK TO a; COMMIT"
    ))
    .unwrap();
    assert_eq!(counted(&host, &[CACHE]), 353);
    // What was acknowledged is counted behind a crash, without a checkpoint and with some.
    for round in 0..3 {
        store(&mut client, 1000 * (round + 1)..1000 * (round + 1) + 700, 20);
    }
    drop(client);
    host.kill9();
    let host = config.start();
    assert_eq!(counted(&host, &[CACHE]), 2453);
    store(&mut host.client(), 5000..5900, 6000);
    host.kill9();
    let host = config.start();
    assert_eq!(counted(&host, &[CACHE]), 3353);
    assert!(host.terminate().success());
    let host = config.start();
    assert_eq!(counted(&host, &[CACHE]), 3353);
    // Tables that take the place of others.
    host.sql(&format!("ALTER TABLE {CACHE} ADD COLUMN more INT")).unwrap();
    assert_eq!(counted(&host, &[CACHE]), 3353);
    let shown = host.rows("SELECT TABLE_ROWS FROM information_schema.TABLES WHERE TABLE_NAME = 'cache'");
    assert_eq!(shown, [["3353"]]);
    host.client().ask("flush_all\r\n", "OK\r\n");
    assert_eq!(counted(&host, &[CACHE]), 0);
    store(&mut host.client(), 0..5, 1);
    host.kill9();
    let host = config.start();
    assert_eq!(counted(&host, &[CACHE]), 5);
    // A second container, and a third on the same table.
    host.sql(
        "CREATE TABLE memcached.more (k VARCHAR(20) NOT NULL PRIMARY KEY, v VARCHAR(20));
         INSERT INTO innodb_memcache.containers VALUES
         ('more', 'memcached', 'more', 'k', 'v', '0', '0', '0', 'PRIMARY'),
         ('again', 'memcached', 'more', 'k', 'v', '0', '0', '0', 'PRIMARY')",
    )
    .unwrap();
    host.client().ask("set @@more.a 0 0 1\r\nx\r\nset @@again.b 0 0 1\r\nx\r\n", "STORED\r\nSTORED\r\n");
    assert_eq!(counted(&host, &[CACHE, "memcached.more"]), 7);
}

#[test]
fn a_commit_that_fails_counts_nothing_and_analyze_counts_anew() {
    let host = start(&HostConfig::new());
    let mut client = host.client();
    store(&mut client, 0..10, 5);
    assert_eq!(counted(&host, &["memcached.cache"]), 10);
    // Half of the commits that fail have written what they had, and the engine does not know.
    host.sql("SET GLOBAL refengine_fail_commits = 2").unwrap();
    for key in ["x1", "x2"] {
        let mut lost = host.client();
        lost.send(format!("set {key} 0 0 1\r\n1\r\n"));
        lost.expect_close();
    }
    let line = host.rows("ANALYZE TABLE memcached.cache");
    assert_eq!(line, [["memcached.cache", "analyze", "status", "OK"]]);
    counted(&host, &["memcached.cache"]);
}

#[test]
fn items_and_slabs_have_a_class_for_tables_and_one_for_memory() {
    let host = start(&HostConfig::new());
    let mut client = host.client();
    assert_eq!(client.stats("items"), []);
    client.ask("stats slabs\r\n", "STAT active_slabs 0\r\nSTAT total_malloced 0\r\nEND\r\n");
    store(&mut client, 0..100, 5000);
    counted(&host, &["memcached.cache"]);
    let items = client.stats("items");
    assert_eq!(value(&items, "items:1:number"), 100);
    assert!(value(&items, "items:1:mem_requested") > 500_000, "{items:?}");
    assert!(items.iter().all(|(name, _)| name.starts_with("items:1:")), "{items:?}");
    let slabs = client.stats("slabs");
    assert_eq!((value(&slabs, "active_slabs"), value(&slabs, "1:used_chunks")), (1, 100));
    assert!((5000..5300).contains(&value(&slabs, "1:chunk_size")), "{slabs:?}");
    assert_eq!(value(&slabs, "1:cmd_set"), 100);
    // A container that only memory has, beside one whose keys memory cannot tell apart as its table does.
    let host = cache_only("-p 0");
    let mut client = host.client();
    store(&mut client, 0..7, 100);
    assert_eq!(host.rows("SELECT COUNT(*) FROM memcached.cache"), [["0"]]);
    let (stats, items) = (client.stats(""), client.stats("items"));
    assert_eq!((value(&items, "items:2:number"), value(&items, "items:1:number")), (7, 1));
    assert_eq!(value(&stats, "curr_items"), 8);
    assert_eq!(value(&client.stats("slabs"), "active_slabs"), 2);
}

/// As memcached counts them: whatever command asks for one, also where its client is told nothing of it.
#[test]
fn expired_items_are_counted_where_they_are_met() {
    let host = start(&HostConfig::new().arg("--daemon-memcached-expire-sweep-interval=0"));
    let mut client = host.client();
    client.ask("get gone\r\ndelete gone\r\n", "END\r\nNOT_FOUND\r\n");
    for key in ["a", "b", "c", "d", "e", "f", "g"] {
        client.ask(format!("set {key} 0 -1 1\r\nx\r\n"), "STORED\r\n");
    }
    client.ask(
        "get a none\r\ntouch b 0\r\nincr c 1\r\nadd d 0 0 1\r\ny\r\nappend e 0 0 1\r\ny\r\ndelete f\r\nmg g v\r\n",
        "END\r\nNOT_FOUND\r\nNOT_FOUND\r\nSTORED\r\nNOT_STORED\r\nNOT_FOUND\r\nEN\r\n",
    );
    let stats = client.stats("");
    for (name, expected) in
        [("get_expired", 7), ("get_flushed", 0), ("reclaimed", 1), ("crawler_reclaimed", 0), ("get_misses", 4)]
    {
        assert_eq!(value(&stats, name), expected, "{name}");
    }
    // What a delete met is gone; the sweep finds the rest.
    host.sql("SET GLOBAL daemon_memcached_expire_sweep_interval = 1").unwrap();
    wait_until("the sweep", || value(&client.stats(""), "crawler_reclaimed") == 5);
    assert_eq!(counted(&host, &["memcached.cache"]), 1);
}

#[test]
fn expired_and_flushed_items_in_memory_are_counted_when_they_are_asked_for() {
    let host = cache_only("-p 0");
    let mut client = host.client();
    client.ask("set a 0 1 1\r\nx\r\n", "STORED\r\n");
    wait_until("its second", || {
        client.send("get a\r\n");
        client.read_reply() == b"END\r\n"
    });
    client.ask("get a\r\nset b 0 0 1\r\nx\r\nflush_all\r\nget b\r\nget b\r\n", "END\r\nSTORED\r\nOK\r\nEND\r\nEND\r\n");
    let stats = client.stats("");
    assert_eq!((value(&stats, "get_expired"), value(&stats, "get_flushed")), (1, 1));
}
