//! Each container stands or falls alone; a reload is an order; connections stay bound to names.

use crate::common::patient::wait_until;
use crate::common::{Client, Host, HostConfig, INSTALL};
use std::time::{Duration, Instant};

const RELOAD: &str = "SET GLOBAL daemon_memcached_reload_containers = ON";

/// A row of the containers table over `test.NAME (k, v)`.
fn row(name: &str) -> String {
    format!(
        "INSERT INTO innodb_memcache.containers VALUES ('{name}', 'test', '{name}', 'k', 'v', '0', '0', '0', 'PRIMARY')"
    )
}

/// Tables `test.NAME (k, v)`, and their containers.
fn add(host: &Host, names: &[&str]) {
    for name in names {
        host.sql(&format!("CREATE TABLE test.{name} (k VARCHAR(50) PRIMARY KEY, v VARCHAR(100)); {}", row(name)))
            .unwrap();
    }
}

fn logged(host: &Host, text: &str) -> usize {
    host.log().lines().filter(|line| line.contains(text)).count()
}

fn stat(client: &mut Client, name: &str) -> Option<String> {
    client.stats("containers").into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

#[test]
fn a_broken_container_answers_with_its_reason_and_the_others_serve() {
    let host = HostConfig::new().option("-p 0 -t 2").start();
    add(&host, &["b", "c"]);
    host.sql(RELOAD).unwrap();
    let mut client = host.client();
    client.ask("set a 0 0 1\r\n1\r\nset @@c.k 0 0 1\r\n2\r\n", "STORED\r\nSTORED\r\n");
    host.sql("DROP TABLE test.b; ALTER TABLE memcached.cache ADD COLUMN note VARCHAR(10)").unwrap();
    let mut other = host.client();
    let reason = "container b: table test.b not found or not a base table";
    for _ in 0..50 {
        other.ask("get a\r\n", "VALUE a 0 1\r\n1\r\nEND\r\n");
        client
            .ask("get k\r\nset @@b.k 0 0 1\r\nx\r\n", format!("VALUE k 0 1\r\n2\r\nEND\r\nSERVER_ERROR {reason}\r\n"));
        client.ask("mg k v\r\nbind c\r\n", format!("SERVER_ERROR {reason}\r\nSUCCEED\r\n"));
    }
    // Everybody is told, and the log once.
    assert_eq!(stat(&mut client, "b:refused").as_deref(), Some("table test.b not found or not a base table"));
    assert_eq!(stat(&mut client, "c:refused"), None);
    wait_until("the status variable", || host.status("Daemon_memcached_refused_containers").as_deref() == Some(reason));
    assert_eq!(logged(&host, reason), 1, "{}", host.log());
    let error = host.sql(RELOAD).unwrap_err();
    assert_eq!(error.message, format!("daemon_memcached: {reason}; all others were read again"));
    // A second one does not hide behind it.
    host.sql("ALTER TABLE test.c DROP COLUMN v, ADD COLUMN w VARCHAR(10)").unwrap();
    let second = "container c: value_columns names column v, which table test.c does not have";
    client.ask("get k\r\n", format!("SERVER_ERROR {second}\r\n"));
    let error = host.sql(RELOAD).unwrap_err();
    assert!(error.message.contains(reason) && error.message.contains(second), "{error}");
    assert_eq!(logged(&host, &format!("{second}; its clients")), 1, "{}", host.log());
    // Nobody starts with them, unless that is wanted; all are named.
    host.sql("UNINSTALL PLUGIN daemon_memcached").unwrap();
    let error = host.sql(INSTALL).unwrap_err();
    assert!(error.message.contains(reason) && error.message.contains(second), "{error}");
    host.sql("CREATE TABLE test.b (k VARCHAR(50) PRIMARY KEY, v VARCHAR(100))").unwrap();
    host.sql("ALTER TABLE test.c DROP COLUMN w, ADD COLUMN v VARCHAR(10)").unwrap();
    host.sql(INSTALL).unwrap();
    host.client().ask("set @@b.k 0 0 1\r\nx\r\nget a\r\n", "STORED\r\nEND\r\n");
}

#[test]
fn a_broken_container_heals_when_its_table_does() {
    let host = HostConfig::new().start();
    add(&host, &["b"]);
    host.sql(RELOAD).unwrap();
    let mut client = host.client();
    client.ask("set @@b.k 0 0 1\r\n1\r\n", "STORED\r\n");
    host.sql("RENAME TABLE test.b TO test.away").unwrap();
    let reason = "SERVER_ERROR container b: table test.b not found or not a base table\r\n";
    // Clients that keep asking do not keep it from being found again.
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(1500) {
        client.ask("get k\r\nincr k 1\r\n", format!("END\r\n{reason}"));
    }
    host.sql("RENAME TABLE test.away TO test.b").unwrap();
    wait_until("a container that serves again", || {
        client.send("get k\r\n");
        client.read_reply() == b"VALUE k 0 1\r\n1\r\nEND\r\n"
    });
    host.wait_log("container b serves again");
    wait_until("the status variable", || host.status("Daemon_memcached_refused_containers").as_deref() == Some(""));
    host.sql(RELOAD).unwrap();
    assert_eq!(host.status("Daemon_memcached_reload_status").as_deref(), Some("done"));
}

#[test]
fn a_default_container_that_is_left_out_becomes_no_other_table() {
    let config = HostConfig::new().arg("--daemon-memcached-skip-invalid-containers=ON");
    let host = config.start();
    let demo = host.rows("SELECT * FROM test.demo_test");
    host.sql("UNINSTALL PLUGIN daemon_memcached; ALTER TABLE memcached.cache DROP COLUMN value").unwrap();
    host.sql(INSTALL).unwrap();
    let mut client = host.client();
    let reason = "SERVER_ERROR container default: value_columns names column value, which table memcached.cache does not have\r\n";
    client.ask("set b 0 0 1\r\nx\r\n", reason);
    client.ask("flush_all\r\n", reason);
    client.ask("incr b 1\r\n", reason);
    client.ask("get @>a\r\n", reason);
    assert_eq!(host.rows("SELECT * FROM test.demo_test"), demo);
    client.ask("get @@aaa.AA\r\n", "VALUE @@aaa.AA 8 12\r\nHELLO, HELLO\r\nEND\r\n");
    host.sql("ALTER TABLE memcached.cache ADD COLUMN value LONGBLOB").unwrap();
    wait_until("a default container", || {
        let mut client = host.client();
        client.send("set b 0 0 1\r\nx\r\n");
        client.read_line() == "STORED"
    });
    host.client().ask("get b\r\nflush_all\r\nget b\r\n", "VALUE b 0 1\r\nx\r\nEND\r\nOK\r\nEND\r\n");
    assert_eq!(host.rows("SELECT * FROM test.demo_test"), demo);
}

#[test]
fn a_reload_has_taken_effect_when_it_returns_or_says_why_not() {
    let host = HostConfig::new().option("-p 0 -t 4").start();
    add(&host, &["a", "b"]);
    host.sql(RELOAD).unwrap();
    host.sql("INSERT INTO test.a VALUES ('k', 'a'); INSERT INTO test.b VALUES ('k', 'b')").unwrap();
    let mut clients: Vec<Client> = (0..8).map(|_| host.client()).collect();
    for client in &mut clients {
        client.ask("get @@a.k\r\n", "VALUE @@a.k 0 1\r\na\r\nEND\r\n");
    }
    for round in 0..20 {
        let table = ["b", "a"][round % 2];
        host.sql(&format!("UPDATE innodb_memcache.containers SET db_table = '{table}' WHERE name = 'a'; {RELOAD}"))
            .unwrap();
        for client in &mut clients {
            client.ask("get k\r\n", format!("VALUE k 0 1\r\n{table}\r\nEND\r\n"));
        }
    }
    assert_eq!(host.status("Daemon_memcached_reload_status").as_deref(), Some("done"));
    for (breaks, mends, sentence) in [
        (
            "UPDATE innodb_memcache.config_options SET value = '' WHERE name = 'separator'",
            "UPDATE innodb_memcache.config_options SET value = '|' WHERE name = 'separator'",
            "the containers stay as they were: innodb_memcache.config_options: separator must have 1 to 32 bytes",
        ),
        (
            "UPDATE innodb_memcache.containers SET key_columns = 'x' WHERE name = 'a'",
            "UPDATE innodb_memcache.containers SET key_columns = 'k' WHERE name = 'a'",
            "container a: key_columns names column x, which table test.a does not have; all others were read again",
        ),
        (
            "LOCK TABLES innodb_memcache.containers WRITE",
            "UNLOCK TABLES",
            "the containers stay as they were: table innodb_memcache.containers: lock wait timeout",
        ),
    ] {
        host.sql(breaks).unwrap();
        let error = host.sql(RELOAD).unwrap_err();
        assert_eq!((error.errno, error.message), (3130, format!("daemon_memcached: {sentence}")));
        assert_eq!(host.status("Daemon_memcached_reload_status").as_deref(), Some(sentence));
        host.sql(mends).unwrap();
        host.sql(RELOAD).unwrap();
        assert_eq!(host.status("Daemon_memcached_reload_status").as_deref(), Some("done"));
    }
    for (value, allowed) in
        [("OFF", true), ("0", true), ("on", true), ("'ON'", true), ("1", true), ("2", false), ("maybe", false)]
    {
        assert_eq!(
            host.sql(&format!("SET GLOBAL daemon_memcached_reload_containers = {value}")).is_ok(),
            allowed,
            "{value}"
        );
    }
    assert_eq!(host.rows("SHOW VARIABLES LIKE 'daemon_memcached_reload_containers'")[0][1], "OFF");
}

#[test]
fn a_connection_stays_bound_to_a_name_whose_row_comes_back() {
    let host = HostConfig::new().option("-p 0 -t 2").start();
    add(&host, &["b"]);
    host.sql(RELOAD).unwrap();
    let mut client = host.client();
    client.ask("bind b\r\nset k 0 0 1\r\n1\r\n", "SUCCEED\r\nSTORED\r\n");
    for _ in 0..3 {
        host.sql(&format!("DELETE FROM innodb_memcache.containers WHERE name = 'b'; {RELOAD}")).unwrap();
        client.ask("set k 0 0 1\r\n1\r\n", "CLIENT_ERROR no such container\r\n");
        host.sql(&format!("{}; {RELOAD}", row("b"))).unwrap();
        client.ask("get k\r\n", "VALUE k 0 1\r\n1\r\nEND\r\n");
    }
}

#[test]
fn locks_on_the_configuration_stall_nobody() {
    let host = HostConfig::new().option("-p 0 -t 2").arg("--innodb-api-lock-wait-timeout=20").start();
    let mut clients: Vec<Client> = (0..4).map(|_| host.client()).collect();
    host.sql("LOCK TABLES innodb_memcache.containers WRITE").unwrap();
    let mut strangers: Vec<Client> = (0..4).map(|_| host.client()).collect();
    let mut longest = Duration::ZERO;
    for round in 0..40 {
        for (i, stranger) in strangers.iter_mut().enumerate() {
            stranger.send(format!("get @@none{round}x{i}.k\r\n"));
        }
        for client in &mut clients {
            let start = Instant::now();
            client.ask("set k 0 0 1\r\n1\r\nget k\r\n", "STORED\r\nVALUE k 0 1\r\n1\r\nEND\r\n");
            longest = longest.max(start.elapsed());
        }
    }
    strangers.iter_mut().for_each(|stranger| (0..40).for_each(|_| stranger.expect("END\r\n")));
    assert!(longest < Duration::from_secs(5), "a client waited {longest:?}");
    host.sql("UNLOCK TABLES").unwrap();
}

#[test]
fn the_sweep_forgets_containers_whose_table_is_gone() {
    let host = HostConfig::new().option("-p 0 -t 1").start();
    host.sql("CREATE TABLE test.s (k VARCHAR(20) PRIMARY KEY, v VARCHAR(20), e INT)").unwrap();
    host.sql("INSERT INTO innodb_memcache.containers VALUES ('s', 'test', 's', 'k', 'v', '0', '0', 'e', 'PRIMARY')")
        .unwrap();
    host.sql(RELOAD).unwrap();
    host.sql("DROP TABLE test.s; SET GLOBAL daemon_memcached_expire_sweep_interval = 1").unwrap();
    let reason = "container s: table test.s not found or not a base table";
    host.wait_log(reason);
    // Others are swept as before, many times.
    for round in 0..3 {
        host.sql(&format!("INSERT INTO memcached.cache (`key`, value, expiry) VALUES ('old{round}', 'x', 1)")).unwrap();
        wait_until("a sweep", || host.rows("SELECT COUNT(*) FROM memcached.cache") == [["0"]]);
    }
    let warnings = host.log().lines().filter(|line| line.contains("arning") && line.contains("memcached")).count();
    assert_eq!(warnings, 1, "{}", host.log());
    host.sql("CREATE TABLE test.s (k VARCHAR(20) PRIMARY KEY, v VARCHAR(20), e INT); INSERT INTO test.s VALUES ('a', 'x', 1)").unwrap();
    host.sql(RELOAD).unwrap();
    wait_until("a sweep", || host.rows("SELECT COUNT(*) FROM test.s") == [["0"]]);
}
