//! A replica that follows a server whose memcached clients write, through a crash.

use crate::common::free_port;
use crate::server::{Config, Mysqld, either, wait};
use std::io::{Read, Write};

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

/// The role that the server's metrics tell.
fn role(server: &Mysqld) -> String {
    let settings = server.client().stats("settings");
    let address = &settings.iter().find(|(name, _)| name == "metrics").unwrap().1;
    let mut socket = crate::common::patient::connect(address);
    socket.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let mut roles = answer.lines().filter_map(|line| line.strip_prefix("memcached_replication_role{role=\""));
    let role = roles.next().unwrap_or_else(|| panic!("{answer}")).trim_end_matches("\"} 1").to_owned();
    assert_eq!(roles.next(), None);
    // The sync histogram is the bundled host's.
    assert!(!answer.contains("memcached_sync_duration"), "{answer}");
    role
}

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn metrics_tell_who_is_whose_replica() {
    let port = free_port();
    let config = |id| Config::new().replicating(id).arg("--loose-daemon-memcached-option=-p 0 -o metrics=0");
    let (primary_config, replica_config) = (config(1).arg(format!("--port={port}")), config(2));
    let (primary, replica) = (primary_config.start(), replica_config.start());
    primary
        .sql("CREATE USER repl@'127.0.0.1' IDENTIFIED BY 'secret'; GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'");
    primary.set_up();
    assert_eq!(role(&primary), "primary");
    primary.sql("SET GLOBAL read_only = ON");
    assert_eq!(role(&primary), "read_only");
    primary.sql("SET GLOBAL read_only = OFF");
    replica.follow(port, "repl", "secret");
    replica.catch_up(&primary, 60);
    // MySQL records the plugin in a table.
    replica.sql(either("SET GLOBAL super_read_only = OFF", "DO 0"));
    replica.install().unwrap();
    assert_eq!((role(&primary).as_str(), role(&replica).as_str()), ("primary", "replica"));
    let threads = replica.threads("memcached");
    // Sessions of scrapes are given back.
    for _ in 0..200 {
        assert_eq!(role(&replica), "replica");
    }
    assert_eq!(replica.threads("memcached"), threads);
    assert!(replica.shutdown() < std::time::Duration::from_secs(30));
}

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn a_replica_serves_no_row_from_memory_that_replication_changed() {
    let port = free_port();
    let primary_config = Config::new().replicating(1).arg(format!("--port={port}"));
    let replica_config = Config::new().replicating(2);
    let (primary, replica) = (primary_config.start(), replica_config.start());
    primary
        .sql("CREATE USER repl@'127.0.0.1' IDENTIFIED BY 'secret'; GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'");
    replica.follow(port, "repl", "secret");
    primary.set_up();
    primary.sql(
        "UPDATE innodb_memcache.cache_policies SET get_policy='caching', set_policy='caching', delete_policy='caching',
         flush_policy='caching'; UNINSTALL PLUGIN daemon_memcached",
    );
    primary.install().unwrap();
    replica.catch_up(&primary, 60);
    // MySQL's super_read_only lets nobody install.
    replica.sql(either("SET GLOBAL super_read_only=OFF", "DO 0"));
    replica.install().unwrap();
    replica.sql(either("SET GLOBAL super_read_only=ON", "DO 0"));
    assert!(
        replica.log().contains("container default: the policy caching is taken for innodb_only"),
        "{}",
        replica.log()
    );
    assert!(!primary.log().contains("is taken for innodb_only"), "{}", primary.log());
    let (mut writer, mut reader) = (primary.client(), replica.client());
    let value = |client: &mut crate::common::Client| {
        client.send("get k\r\n");
        let reply = String::from_utf8(client.read_reply()).unwrap();
        reply.lines().nth(1).unwrap_or_default().to_owned()
    };
    for i in 0..20 {
        writer.ask(format!("set k 0 0 2\r\n{}\r\n", 10 + i), "STORED\r\n");
        replica.catch_up(&primary, 60);
        assert_eq!(value(&mut reader), (10 + i).to_string());
    }

    // A replica that is promoted uses memory: what SQL changes there goes unnoticed. One again, it does not.
    let change = |to: u32| replica.sql(&format!("UPDATE memcached.cache SET value='{to}' WHERE `key`='k'"));
    replica.sql(either(
        "STOP REPLICA; RESET REPLICA ALL; SET GLOBAL super_read_only=OFF; SET GLOBAL read_only=OFF",
        "STOP SLAVE; RESET SLAVE ALL; SET GLOBAL read_only=OFF",
    ));
    let mut next = 100;
    let mut sees = |expected: bool| {
        let before = value(&mut reader);
        next += 1;
        change(next);
        (value(&mut reader) == before) != expected
    };
    wait("memory in use", || sees(false), || replica.log());
    replica.sql("SET GLOBAL read_only=ON");
    wait("memory out of use", || sees(true), || replica.log());
}
