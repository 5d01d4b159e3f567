//! A replica that follows a server whose memcached clients write, through a crash.

use crate::common::free_port;
use crate::server::{Config, Mysqld, wait};

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
