//! Table behaviours: containers, columns, ranges, batches; memcached's text on one side, SQL on the other.

use crate::common::{Client, Host, HostConfig, INSTALL};
use std::time::{Duration, Instant};

/// A host whose containers are these rows of `innodb_memcache.containers` over these tables.
pub fn host_with(config: &HostConfig, tables: &str, containers: &[&str]) -> Host {
    let host = config.start();
    host.sql("UNINSTALL PLUGIN daemon_memcached; CREATE DATABASE t").unwrap();
    host.sql(&format!("USE t; {tables}")).unwrap();
    host.sql("DELETE FROM innodb_memcache.containers").unwrap();
    for container in containers {
        host.sql(&format!("INSERT INTO innodb_memcache.containers VALUES ({container})")).unwrap();
    }
    host.sql(INSTALL).unwrap();
    host
}

pub fn run(client: &mut Client, script: &[(&str, &str)]) {
    for (send, expect) in script {
        client.ask(send, expect);
    }
}

#[test]
fn mapped_keys_switch_the_connection_for_every_command() {
    let host = host_with(
        &HostConfig::new().option("-p 0 -t 2"),
        "CREATE TABLE a (k VARCHAR(50) PRIMARY KEY, v VARCHAR(100), f INT, c BIGINT UNSIGNED, e INT);
         CREATE TABLE b (k VARCHAR(50) PRIMARY KEY, v VARCHAR(100), f INT, c BIGINT UNSIGNED, e INT);",
        &[
            "'default', 't', 'a', 'k', 'v', 'f', 'c', 'e', 'PRIMARY'",
            "'bee', 't', 'b', 'k', 'v', 'f', 'c', 'e', 'PRIMARY'",
        ],
    );
    let mut client = host.client();
    run(
        &mut client,
        &[
            ("set k 1 0 1\r\na\r\n", "STORED\r\n"),
            ("set @@bee.k 2 0 1\r\n1\r\n", "STORED\r\n"),
            ("get k\r\n", "VALUE k 2 1\r\n1\r\nEND\r\n"),
            (
                "get @@default.k @@bee.k k\r\n",
                "VALUE @@default.k 1 1\r\na\r\nVALUE @@bee.k 2 1\r\n1\r\nVALUE k 2 1\r\n1\r\nEND\r\n",
            ),
            ("incr @@bee.k 4\r\n", "5\r\n"),
            ("append @@default.k 0 0 1\r\nb\r\n", "STORED\r\n"),
            ("get k @@bee.k\r\n", "VALUE k 1 2\r\nab\r\nVALUE @@bee.k 2 1\r\n5\r\nEND\r\n"),
            ("delete @@default.k\r\n", "DELETED\r\n"),
            ("get @@bee\r\n", "VALUE @@bee 0 3\r\nt/b\r\nEND\r\n"),
            ("touch k 0\r\n", "TOUCHED\r\n"),
            ("set @@bee 0 0 1\r\nx\r\n", "CLIENT_ERROR a key must follow the name of a container\r\n"),
            ("get @@none.k\r\n", "END\r\n"),
            ("set @@none.k 0 0 1\r\nx\r\n", "CLIENT_ERROR no such container\r\n"),
            ("get k\r\n", "VALUE k 2 1\r\n5\r\nEND\r\n"),
            ("bind default\r\n", "SUCCEED\r\n"),
            ("bind none\r\n", "NOT_FOUND\r\n"),
            ("get k\r\n", "END\r\n"),
            ("set @@xx 0 0 1\r\ny\r\n", "CLIENT_ERROR no such container\r\n"),
            ("set @@x 0 0 1\r\ny\r\nget @@x\r\n", "STORED\r\nVALUE @@x 0 1\r\ny\r\nEND\r\n"),
            ("delete @@x\r\n", "DELETED\r\n"),
            ("bind bee\r\nflush_all\r\nget k\r\n", "SUCCEED\r\nOK\r\nEND\r\n"),
        ],
    );
    // Another connection is not switched.
    host.client().ask("set k 0 0 1\r\nz\r\nget k\r\n", "STORED\r\nVALUE k 0 1\r\nz\r\nEND\r\n");
    assert_eq!(host.rows("SELECT COUNT(*) FROM t.b"), [["0"]]);
    assert_eq!(host.rows("SELECT k, v FROM t.a"), [["k", "z"]]);
}

#[test]
fn containers_that_appear_later_are_found_and_changes_are_taken_up_on_demand() {
    let host = host_with(
        &HostConfig::new(),
        "CREATE TABLE a (k VARCHAR(50) PRIMARY KEY, v VARCHAR(100)); CREATE TABLE b (k VARCHAR(50) PRIMARY KEY, v VARCHAR(100));",
        &["'default', 't', 'a', 'k', 'v', '0', '0', '0', 'PRIMARY'"],
    );
    let mut client = host.client();
    client.ask("bind late\r\n", "NOT_FOUND\r\n");
    host.sql("INSERT INTO innodb_memcache.containers VALUES ('late', 't', 'b', 'k', 'v', NULL, NULL, NULL, 'PRIMARY')")
        .unwrap();
    // A name without a row is looked for once a second.
    wait(|| {
        client.send("set @@late.k 0 0 1\r\nb\r\n");
        client.read_line() == "STORED"
    });
    assert_eq!(host.rows("SELECT k, v FROM t.b"), [["k", "b"]]);
    host.sql("UPDATE innodb_memcache.containers SET db_table = 'a' WHERE name = 'late'").unwrap();
    client.ask("get k\r\n", "VALUE k 0 1\r\nb\r\nEND\r\n");
    host.sql("SET GLOBAL daemon_memcached_reload_containers = ON").unwrap();
    client.ask("get k\r\n", "END\r\n");
}

fn wait(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "it does not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn ranges_stream_in_key_order() {
    const ROWS: usize = 5000;
    let host = host_with(
        &HostConfig::new().option("-p 0 -t 1"),
        "CREATE TABLE r (k VARBINARY(20) PRIMARY KEY, v VARCHAR(200), e INT);",
        &["'default', 't', 'r', 'k', 'v', '0', '0', 'e', 'PRIMARY'"],
    );
    let mut client = host.client();
    let value = "v".repeat(150);
    let mut pipeline = String::new();
    for i in 0..ROWS {
        pipeline.push_str(&format!("set k{i:05} 0 0 150 noreply\r\n{value}\r\n"));
    }
    client.ask(pipeline + "touch k00003 -1\r\n", "TOUCHED\r\n");
    let mut keys = |request: &str| {
        client.send(format!("get {request}\r\n"));
        let reply = String::from_utf8(client.read_reply()).unwrap();
        let keys: Vec<String> =
            reply.lines().filter_map(|line| line.strip_prefix("VALUE ")).map(|line| line[..6].to_owned()).collect();
        keys
    };
    assert_eq!(keys("@>=k00002@<k00006"), ["k00002", "k00004", "k00005"]);
    assert_eq!(keys("@<=k00006@>k00004"), ["k00005", "k00006"]);
    assert_eq!(keys("@<k00002"), ["k00000", "k00001"]);
    assert_eq!(keys("@>k04997"), ["k04998", "k04999"]);
    assert_eq!(keys("@>=k00000 2"), ["k00000", "k00001"]);
    assert_eq!(keys("@>k9"), Vec::<String>::new());
    assert_eq!(keys("@>b@<a"), Vec::<String>::new());
    let all = keys("@>=k");
    assert_eq!(all.len(), ROWS - 1);
    assert!(all.is_sorted());
    assert_eq!(keys("@>=k 3000").len(), 3000);
    client.ask(
        "get @>\r\n",
        "CLIENT_ERROR a range is @>k, @>=k, @<k, @<=k or two of them, e.g. get @>=a@<b, with a limit behind it\r\n",
    );
    // In a pipeline a range comes in its turn, and others are served while it streams.
    client.send("set z 0 0 1\r\n1\r\nget @>=k00000\r\nset z 0 0 1\r\n2\r\nget z\r\n");
    host.client().ask("get none\r\n", "END\r\n");
    client.expect("STORED\r\n");
    assert!(client.read_reply().len() > 150 * (ROWS - 1));
    client.expect("STORED\r\nVALUE z 0 1\r\n2\r\nEND\r\n");
}

#[test]
fn a_batch_is_visible_to_sql_once_it_is_committed() {
    let config = HostConfig::new().option("-p 0 -t 1").arg("--daemon-memcached-w-batch-size=5");
    let host = config.start();
    let mut client = host.client();
    let count = || host.rows("SELECT COUNT(*) FROM memcached.cache").remove(0).remove(0);
    for i in 0..4 {
        client.ask(format!("set k{i} 0 0 1\r\nx\r\n"), "STORED\r\n");
    }
    assert_eq!(count(), "0");
    host.client().ask("get k0\r\n", "VALUE k0 0 1\r\nx\r\nEND\r\n");
    host.sql("SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED").unwrap();
    assert_eq!(count(), "4");
    host.sql("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").unwrap();
    client.ask("set k4 0 0 1\r\nx\r\n", "STORED\r\n");
    assert_eq!(count(), "5");
    // The connection that wrote leaves: its batch is committed.
    client.ask("set k5 0 0 1\r\nx\r\n", "STORED\r\n");
    drop(client);
    wait(|| count() == "6");
    // Nobody does anything more: the batch is committed after innodb_api_bk_commit_interval.
    let mut client = host.client();
    client.ask("set k6 0 0 1\r\nx\r\n", "STORED\r\n");
    wait(|| count() == "7");
    client.ask("set k7 0 0 1\r\nx\r\n", "STORED\r\n");
    host.sql("UNINSTALL PLUGIN daemon_memcached").unwrap();
    assert_eq!(count(), "8");
}

#[test]
fn a_worker_that_waits_for_anothers_batch_gets_it_committed() {
    let config = HostConfig::new().option("-p 0 -t 2").arg("--daemon-memcached-w-batch-size=1000");
    let host = config.start();
    let (mut one, mut two) = (host.client(), host.client());
    for round in 0..5 {
        one.ask(format!("set same 0 0 1\r\n{round}\r\n"), "STORED\r\n");
        two.ask("incr same 1\r\n", format!("{}\r\n", round + 1));
        one.ask("incr same 1\r\n", format!("{}\r\n", round + 2));
        two.ask("flush_all\r\n", "OK\r\n");
        one.ask("get same\r\n", "END\r\n");
    }
}

#[test]
fn expired_rows_are_swept() {
    let host = HostConfig::new().option("-p 0 -t 2").start();
    let mut client = host.client();
    let mut pipeline = String::new();
    for i in 0..1000 {
        pipeline.push_str(&format!("set k{i} 0 {} 1 noreply\r\nx\r\n", if i % 2 == 0 { -1 } else { 0 }));
    }
    client.ask(pipeline + "get none\r\n", "END\r\n");
    let count = || host.rows("SELECT COUNT(*) FROM memcached.cache").remove(0).remove(0);
    assert_eq!(count(), "1000");
    host.sql("SET GLOBAL daemon_memcached_expire_sweep_interval = 1").unwrap();
    wait(|| count() == "500");
    client.ask("get k0 k1\r\n", "VALUE k1 0 1\r\nx\r\nEND\r\n");
}

#[test]
fn ddl_while_clients_run_never_hangs_and_is_followed() {
    let host = host_with(
        &HostConfig::new().option("-p 0 -t 2"),
        "CREATE TABLE a (k VARCHAR(50) PRIMARY KEY, v VARCHAR(100));",
        &["'default', 't', 'a', 'k', 'v', '0', '0', '0', 'PRIMARY'"],
    );
    let mut client = host.client();
    client.ask("set k 0 0 1\r\n1\r\n", "STORED\r\n");
    host.sql("DROP TABLE t.a").unwrap();
    // There is no such item any more; the log says why.
    client.ask("get k\r\ngat 0 k\r\n", "END\r\nEND\r\n");
    host.wait_log("t.a not found");
    client.send("set k 0 0 1\r\n2\r\n");
    let reply = client.read_line();
    assert!(reply.starts_with("SERVER_ERROR") && reply.contains("table t.a not found"), "{reply}");
    host.sql("CREATE TABLE t.a (pad INT, v VARCHAR(10), k VARCHAR(20) PRIMARY KEY)").unwrap();
    wait(|| {
        client.send("set k 0 0 1\r\n2\r\n");
        client.read_line() == "STORED"
    });
    assert_eq!(host.rows("SELECT pad, v, k FROM t.a"), [["NULL", "2", "k"]]);
    host.sql("RENAME TABLE t.a TO t.b").unwrap();
    client.ask("get k\r\n", "END\r\n");
    host.sql("RENAME TABLE t.b TO t.a").unwrap();
    wait(|| {
        client.send("get k\r\n");
        client.read_reply() == b"VALUE k 0 1\r\n2\r\nEND\r\n"
    });
}

#[test]
fn a_batch_of_reads_that_nobody_goes_on_with_keeps_no_ddl_waiting() {
    let config = HostConfig::new().option("-p 0 -t 2").arg("--daemon-memcached-r-batch-size=6");
    let host = config.start();
    for leaves in [true, false] {
        let mut client = host.client();
        // A batch tells its clients of an ALTER.
        wait(|| {
            client.send("set k 0 0 1\r\nx\r\n");
            client.read_line() == "STORED"
        });
        for _ in 0..4 {
            client.ask("get k\r\n", "VALUE k 0 1\r\nx\r\nEND\r\n");
        }
        if leaves {
            drop(client);
        }
        let start = Instant::now();
        host.sql(&format!("ALTER TABLE memcached.cache ADD COLUMN more{} INT", u8::from(leaves))).unwrap();
        assert!(start.elapsed() < Duration::from_secs(2), "it waited {:?}", start.elapsed());
    }
}

/// The clients never pause, and the batch has room for all that they will ever ask.
#[test]
fn a_batch_of_reads_that_goes_on_lets_ddl_in() {
    let config = HostConfig::new()
        .option("-p 0 -t 2")
        .arg("--daemon-memcached-r-batch-size=100000000")
        .arg("--innodb-api-bk-commit-interval=1000000");
    let host = config.start();
    host.client().ask("set k 0 0 1\r\nx\r\n", "STORED\r\n");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let stopped = || stop.load(std::sync::atomic::Ordering::Relaxed);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut client = host.client();
                while !stopped() {
                    client.send("get k\r\n");
                    let reply = String::from_utf8(client.read_reply()).unwrap();
                    // A batch tells its clients of an ALTER.
                    let expected = reply == "VALUE k 0 1\r\nx\r\nEND\r\n" || reply.starts_with("SERVER_ERROR ");
                    assert!(expected, "{reply}");
                }
            });
        }
        let added = (0..3).map(|round| host.sql(&format!("ALTER TABLE memcached.cache ADD COLUMN more{round} INT")));
        let failed: Vec<_> = added.filter_map(Result::err).collect();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(failed.is_empty(), "{failed:?}");
    });
}

#[test]
fn invalid_containers_can_be_left_out() {
    let config = HostConfig::new().arg("--daemon-memcached-skip-invalid-containers=ON");
    let host = config.start();
    host.sql(
        "INSERT INTO innodb_memcache.containers VALUES ('bad', 'no', 'table', 'k', 'v', '0', '0', '0', 'PRIMARY')",
    )
    .unwrap();
    host.sql("UNINSTALL PLUGIN daemon_memcached").unwrap();
    host.sql(INSTALL).unwrap();
    host.wait_log("container bad");
    let reason = "SERVER_ERROR container bad: table no.table not found or not a base table\r\n";
    host.client().ask("set k 0 0 1\r\nx\r\n", "STORED\r\n");
    host.client().ask("get @@bad.k\r\nset k 0 0 1\r\ny\r\n", format!("END\r\n{reason}"));
}
