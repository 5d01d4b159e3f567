//! What a transaction does to memory and to batches shares its fate, whoever ends it.

use crate::common::patient::wait_until;
use crate::common::{Client, Host, HostConfig, INSTALL};
use std::sync::atomic::{AtomicBool, Ordering};

const RELOAD: &str = "SET GLOBAL daemon_memcached_reload_containers = ON";

fn caching(host: &Host) {
    host.sql(
        "UNINSTALL PLUGIN daemon_memcached;
         UPDATE innodb_memcache.cache_policies SET get_policy = 'caching', set_policy = 'caching', delete_policy = 'caching', flush_policy = 'caching'",
    )
    .unwrap();
    host.sql(INSTALL).unwrap();
}

fn value(host: &Host, key: &str) -> String {
    host.rows(&format!("SELECT value FROM memcached.cache WHERE `key` = '{key}'")).concat().concat()
}

#[test]
fn a_sweep_that_meets_a_lock_leaves_no_stale_value_in_memory() {
    let host = HostConfig::new()
        .option("-p 0 -t 1")
        .arg("--daemon-memcached-w-batch-size=1000")
        .arg("--innodb-lock-wait-timeout=1")
        .start();
    caching(&host);
    host.client().ask("set k 0 0 2\r\nv1\r\n", "STORED\r\n");
    // The batch is committed when its connection leaves; then a reader fills memory.
    wait_until("the batch's commit", || value(&host, "k") == "v1");
    let mut client = host.client();
    client.ask("get k\r\nget k\r\n", "VALUE k 0 2\r\nv1\r\nEND\r\n".repeat(2));
    host.sql("INSERT INTO memcached.cache (`key`, value, expiry) VALUES ('old', 'x', 1)").unwrap();
    host.sql("BEGIN; SELECT * FROM memcached.cache WHERE `key` = 'old' FOR UPDATE").unwrap();
    client.ask("set k 0 0 2\r\nv2\r\n", "STORED\r\n");
    host.sql("SET GLOBAL daemon_memcached_expire_sweep_interval = 1").unwrap();
    host.wait_log("expired rows could not be deleted: lock wait timeout");
    host.sql("COMMIT").unwrap();
    assert_eq!(value(&host, "k"), "v2", "the sweep commits what the batch held");
    for _ in 0..3 {
        client.ask("get k\r\n", "VALUE k 0 2\r\nv2\r\nEND\r\n");
    }
    host.client().ask("get k\r\n", "VALUE k 0 2\r\nv2\r\nEND\r\n");
    wait_until("the expired row to go", || value(&host, "old").is_empty());
}

#[test]
fn the_configuration_is_read_although_a_batch_is_open() {
    let host = HostConfig::new().option("-p 0 -t 1").arg("--daemon-memcached-w-batch-size=1000").start();
    host.sql("CREATE TABLE test.a (k VARCHAR(50) PRIMARY KEY, v VARCHAR(100)); CREATE TABLE test.b (k VARCHAR(50) PRIMARY KEY, v VARCHAR(100))")
        .unwrap();
    let insert = |name: &str| {
        let row = format!("('{name}', 'test', 'a', 'k', 'v', '0', '0', '0', 'PRIMARY')");
        host.sql(&format!("INSERT INTO innodb_memcache.containers VALUES {row}")).unwrap();
    };
    let mut client = host.client();
    client.ask("set k 0 0 1\r\nx\r\n", "STORED\r\n");
    // Found by name, while the batch stays open.
    insert("new");
    client.ask("get @@new.k\r\nset k 0 0 1\r\n1\r\n", "END\r\nSTORED\r\n");
    // Found by an order.
    insert("newer");
    client.ask("set @@default.k 0 0 1\r\ny\r\n", "STORED\r\n");
    host.sql(RELOAD).unwrap();
    client.ask("set @@newer.k2 0 0 1\r\n2\r\n", "STORED\r\n");
    // A container that moves takes what comes from now on to its new table, and what came before stays where it was.
    host.sql("UPDATE innodb_memcache.containers SET db_table = 'b' WHERE name = 'newer'").unwrap();
    host.sql(RELOAD).unwrap();
    client.ask("set k3 0 0 1\r\n3\r\nget k2 k3\r\n", "STORED\r\nVALUE k3 0 1\r\n3\r\nEND\r\n");
    drop(client);
    wait_until("the batch's commit", || host.rows("SELECT k FROM test.b") == [["k3"]]);
    assert_eq!(host.rows("SELECT k, v FROM test.a ORDER BY k"), [["k", "1"], ["k2", "2"]]);
    assert_eq!(value(&host, "k"), "y");
    assert!(!host.log().contains("generic error"), "{}", host.log());
}

#[test]
fn a_container_that_moves_shows_nothing_of_its_old_table() {
    let host = HostConfig::new().option("-p 0 -t 4").start();
    caching(&host);
    host.sql(
        "CREATE TABLE test.a (k VARBINARY(50) PRIMARY KEY, v VARCHAR(100), f INT, c BIGINT UNSIGNED, e INT);
         CREATE TABLE test.b (k VARBINARY(50) PRIMARY KEY, v VARCHAR(100), f INT, c BIGINT UNSIGNED, e INT);
         INSERT INTO innodb_memcache.containers VALUES ('m', 'test', 'a', 'k', 'v', 'f', 'c', 'e', 'PRIMARY')",
    )
    .unwrap();
    for table in ["a", "b"] {
        let rows: Vec<String> = (0..50).map(|i| format!("('k{i}', '{table}', 0, 1, 0)")).collect();
        host.sql(&format!("INSERT INTO test.{table} VALUES {}", rows.join(","))).unwrap();
    }
    host.sql(RELOAD).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for reader in 0..4 {
            let (host, stop) = (&host, &stop);
            scope.spawn(move || {
                let mut client = host.client();
                client.ask("bind m\r\n", "SUCCEED\r\n");
                for round in reader.. {
                    client.send(format!("get k{}\r\n", round % 50));
                    assert!(client.read_reply().starts_with(b"VALUE"));
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        let moved = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut client = host.client();
            client.ask("bind m\r\n", "SUCCEED\r\n");
            for round in 0..60 {
                let table = ["b", "a"][round % 2];
                host.sql(&format!(
                    "UPDATE innodb_memcache.containers SET db_table = '{table}' WHERE name = 'm'; {RELOAD}"
                ))
                .unwrap();
                for key in 0..50 {
                    client.ask(format!("get k{key}\r\n"), format!("VALUE k{key} 0 1\r\n{table}\r\nEND\r\n"));
                }
            }
        }));
        stop.store(true, Ordering::Relaxed);
        moved.unwrap();
    });
}

/// The unique cas number of a reply of `gets`.
fn cas(client: &mut Client, key: &str) -> String {
    client.send(format!("gets {key}\r\n"));
    let reply = String::from_utf8(client.read_reply()).unwrap();
    reply.lines().next().unwrap().rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn a_row_without_a_cas_number_can_be_compared() {
    let host = HostConfig::new().option("-p 0 -t 2").start();
    host.sql("INSERT INTO memcached.cache (`key`, value) VALUES ('zero', 'a')").unwrap();
    host.sql("INSERT INTO test.demo_test VALUES ('null', 'a', 0, NULL, 0)").unwrap();
    for (key, change) in [
        ("zero", "UPDATE memcached.cache SET value = 'b' WHERE `key` = 'zero'"),
        ("@@aaa.null", "UPDATE test.demo_test SET c2 = 'b' WHERE c1 = 'null'"),
        ("@@aaa.AA", "UPDATE test.demo_test SET c2 = 'b' WHERE c1 = 'AA'"),
    ] {
        let (mut one, mut two) = (host.client(), host.client());
        let number = cas(&mut one, key);
        assert_ne!(number, "0", "{key}");
        assert_eq!(cas(&mut two, key), number, "{key}");
        // SQL changes the row and leaves its number alone.
        host.sql(change).unwrap();
        one.ask(format!("cas {key} 0 0 1 {number}\r\nx\r\n"), "EXISTS\r\n");
        let number = cas(&mut one, key);
        one.ask(format!("cas {key} 0 0 1 {number}\r\n1\r\n"), "STORED\r\n");
        two.ask(format!("cas {key} 0 0 1 {number}\r\n2\r\n"), "EXISTS\r\n");
        one.ask(format!("touch {key} 100\r\n"), "TOUCHED\r\n");
        let key = key.rsplit('.').next().unwrap();
        two.ask(format!("get {key}\r\n"), format!("VALUE {key} 0 1\r\n1\r\nEND\r\n"));
    }
}

/// A touch that lets an item expire still hands it over, with or without marks and cas numbers.
#[test]
fn an_item_that_is_touched_to_the_past_is_handed_over_once() {
    let host = HostConfig::new().option("-p 0 -t 1").start();
    host.sql(
        "CREATE TABLE test.d (k VARCHAR(20) PRIMARY KEY, v VARCHAR(20), e INT);
         INSERT INTO innodb_memcache.containers VALUES ('d', 'test', 'd', 'k', 'v', '0', '0', 'e', 'PRIMARY')",
    )
    .unwrap();
    let mut client = host.client();
    for _ in 0..2 {
        for container in ["default", "d"] {
            client.ask(format!("bind {container}\r\nset k 0 0 1\r\nx\r\n"), "SUCCEED\r\nSTORED\r\n");
            client.ask("mg k T-1 v\r\nmg k v\r\n", "VA 1\r\nx\r\nEN\r\n");
            client.ask("set k 0 0 1\r\ny\r\ngats -1 k\r\n", "STORED\r\nVALUE k 0 1 ");
            client.read_line();
            client.expect("y\r\nEND\r\n");
            client.ask("get k\r\n", "END\r\n");
            // The number that comes with a touch is the item's from then on.
            host.sql("INSERT INTO memcached.cache (`key`, value) VALUES ('zero', 'a') ON DUPLICATE KEY UPDATE value = 'a', cas = 0").unwrap();
            client.ask("set zero 0 0 1\r\na\r\n", "STORED\r\n");
            if container == "default" {
                host.sql("UPDATE memcached.cache SET cas = 0 WHERE `key` = 'zero'").unwrap();
            }
            client.send("gats 100 zero\r\n");
            let number = String::from_utf8(client.read_reply()).unwrap();
            let number = number.lines().next().unwrap().rsplit(' ').next().unwrap().to_owned();
            client.ask(format!("cas zero 0 0 1 {number}\r\nb\r\n"), "STORED\r\n");
        }
        // From now on there are marks.
        client.ask("set m 0 0 1\r\nx\r\nmd m I\r\n", "STORED\r\nHD\r\n");
    }
}
