//! Group Replication: three servers on loopback, each with the plugin. Needs the tree of `tests/mysql/make-tree`.

use crate::common::{Client, free_port};
use crate::server::{Config, Mysqld, wait};
use crate::writers::{DIGEST, SHARED, Told, load};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Load of each test.
const LOAD: Duration = Duration::from_secs(15);

/// Configurations of three members. `single`: one of them takes writes.
fn members(single: bool) -> Vec<Config> {
    let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
    let seeds = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",");
    let member = |i: usize| {
        let sql = free_port();
        let mut config = Config::new();
        config.place_plugin("group_replication.so");
        for arg in [
            format!("--server-id={}", i + 1),
            format!("--port={sql}"),
            format!("--report-port={sql}"),
            format!("--loose-group-replication-local-address=127.0.0.1:{}", ports[i]),
            format!("--loose-group-replication-group-seeds={seeds}"),
            format!("--loose-group-replication-single-primary-mode={}", if single { "ON" } else { "OFF" }),
        ] {
            config = config.arg(arg);
        }
        for arg in [
            "--gtid-mode=ON",
            "--enforce-gtid-consistency=ON",
            "--report-host=127.0.0.1",
            "--innodb-buffer-pool-size=64M",
            "--plugin-load-add=group_replication.so",
            "--loose-group-replication-group-name=aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa",
            "--loose-group-replication-start-on-boot=OFF",
            "--loose-group-replication-recovery-get-public-key=ON",
            "--loose-group-replication-ip-allowlist=127.0.0.1/8",
            "--loose-daemon-memcached-option=-p 0 -t 2",
        ] {
            config = config.arg(arg);
        }
        config
    };
    (0..3).map(member).collect()
}

/// The tables, the account that members recover through, and the plugin; nothing of it reaches the binary log.
fn prepare(server: &Mysqld) {
    let script = |name| std::fs::read_to_string(crate::common::root().join("sql").join(name)).unwrap();
    let scripts = script("innodb_memcached_config.sql") + &script("default_container.sql");
    server.sql(&format!("SET SQL_LOG_BIN=0; {scripts}"));
    server.sql(
        "SET SQL_LOG_BIN=0; CREATE USER rpl@'%' IDENTIFIED BY 'rplpass';
         GRANT REPLICATION SLAVE, CONNECTION_ADMIN, BACKUP_ADMIN, GROUP_REPLICATION_STREAM ON *.* TO rpl@'%'; SET SQL_LOG_BIN=1;
         CHANGE REPLICATION SOURCE TO SOURCE_USER='rpl', SOURCE_PASSWORD='rplpass' FOR CHANNEL 'group_replication_recovery'",
    );
}

fn online(server: &Mysqld) -> String {
    server.sql("SELECT COUNT(*) FROM performance_schema.replication_group_members WHERE MEMBER_STATE='ONLINE'")
}

/// Makes a group of the servers.
fn join(servers: &[Mysqld]) {
    for (i, server) in servers.iter().enumerate() {
        match i {
            0 => server.sql(
                "SET GLOBAL group_replication_bootstrap_group=ON; START GROUP_REPLICATION;
                 SET GLOBAL group_replication_bootstrap_group=OFF",
            ),
            _ => server.sql("START GROUP_REPLICATION"),
        };
        let count = (i + 1).to_string();
        wait("the member to be online", || online(server) == count, || server.log());
    }
}

/// Waits until every server has what each of them has.
fn settle(servers: &[&Mysqld]) {
    for server in servers {
        let gtids = server.sql("SELECT @@GLOBAL.gtid_executed").replace('\n', "");
        for other in servers {
            assert_eq!(other.sql(&format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{gtids}', 60)")), "0", "{}", other.log());
        }
    }
    let digests: Vec<String> = servers.iter().map(|server| server.sql(DIGEST)).collect();
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

#[test]
#[ignore = "needs a MySQL server: tests/run --cluster"]
fn members_that_all_take_writes_agree_and_count_once() {
    let configs = members(false);
    let mut servers: Vec<Mysqld> = configs.iter().map(Config::start).collect();
    servers.iter().for_each(prepare);
    servers.iter().for_each(|server| drop(server.install().unwrap()));
    join(&servers);
    let mut client = servers[0].client();
    for i in 0..SHARED {
        client.ask(format!("set shared{i} 0 0 1\r\n0\r\n"), "STORED\r\n");
    }
    settle(&servers.iter().collect::<Vec<_>>());

    let stop = AtomicBool::new(false);
    let told: Vec<Told> = std::thread::scope(|scope| {
        let clients: Vec<_> = servers
            .iter()
            .enumerate()
            .flat_map(|(i, server)| (0..2).map(move |c| (format!("n{i}c{c}"), server.port())))
            .map(|(name, port)| {
                let (client, stop) = (Client::connect(port), &stop);
                scope.spawn(move || load(client, port, &name, stop))
            })
            .collect();
        std::thread::sleep(LOAD);
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    settle(&servers.iter().collect::<Vec<_>>());
    let sum = |of: fn(&Told) -> u64| told.iter().map(of).sum::<u64>();
    let (increments, answers, unknown) = (sum(|t| t.increments), sum(|t| t.answers), sum(|t| t.unknown));
    let errors = sum(|t| t.errors.values().sum());
    println!(
        "{answers} requests, {increments} increments, {errors} errors, {unknown} unknown: {:?}",
        told.iter().map(|t| &t.errors).collect::<Vec<_>>()
    );
    assert_eq!(
        servers[2].sql("SELECT SUM(value) FROM memcached.cache WHERE `key` LIKE 'shared%'"),
        increments.to_string()
    );
    assert_eq!(unknown, 0);
    assert!(errors * 100 <= answers, "{errors} of {answers}");
    let mut client = servers[1].client();
    for (key, value) in told.iter().flat_map(|told| &told.own) {
        client.ask_value(key, value);
    }

    // Two members die: the third has no majority, refuses writes at once and serves reads; alone it is a whole group again.
    let third = servers.pop().unwrap();
    servers.drain(..).for_each(Mysqld::kill9);
    let mut client = third.client();
    // Not the line of the time when it joined.
    third.wait_log("cannot reach the majority of its replication group");
    let start = Instant::now();
    client.ask(
        "set late 0 0 1\r\n1\r\n",
        "SERVER_ERROR this server cannot reach the majority of its replication group\r\n",
    );
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    client.ask("get late\r\n", "END\r\n");
    third.sql("SET GLOBAL group_replication_force_members=@@GLOBAL.group_replication_local_address");
    // The server's error log leaves notes out, so the client tells.
    let taken = || {
        client.send("set late 0 0 1\r\n1\r\n");
        client.read_line() == "STORED"
    };
    wait("the group to take writes again", taken, || third.log());
}

#[test]
#[ignore = "needs a MySQL server: tests/run --cluster"]
fn a_new_primary_has_what_the_old_one_acknowledged() {
    let mut configs = members(true);
    let unlogged = configs.pop().unwrap().arg("--loose-daemon-memcached-enable-binlog=OFF");
    configs.push(unlogged);
    let mut servers: Vec<Mysqld> = configs.iter().map(Config::start).collect();
    servers.iter().for_each(prepare);
    servers.iter().for_each(|server| drop(server.install().unwrap()));
    // Outside a group it may write for itself.
    servers[2].client().ask("set mine 0 0 1\r\n1\r\ndelete mine\r\n", "STORED\r\nDELETED\r\n");
    join(&servers);
    servers[1].client().ask("set k 0 0 1\r\n1\r\n", "SERVER_ERROR read only\r\n");

    let stop = AtomicBool::new(false);
    let port = servers[0].port();
    let primary = servers.remove(0);
    let told = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|c| {
                let (client, stop) = (Client::connect(port), &stop);
                scope.spawn(move || load(client, port, &format!("c{c}"), stop))
            })
            .collect();
        let rows = || primary.sql("SELECT COUNT(*) FROM memcached.cache").parse::<u32>().unwrap_or(0);
        wait("some load", || rows() > 60, || primary.log());
        primary.kill9();
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>()
    });
    let is_primary = |server: &Mysqld| server.sql("SELECT @@GLOBAL.super_read_only") == "0";
    wait("a new primary", || servers.iter().any(is_primary), || servers[0].log());
    settle(&servers.iter().collect::<Vec<_>>());
    let mut lost = 0;
    let mut client = servers[1].client();
    for (key, value) in told.iter().flat_map(|told| &told.own) {
        client.send(format!("get {key}\r\n"));
        let reply = String::from_utf8(client.read_reply()).unwrap();
        // The last request of each client may have been done without its acknowledgement.
        lost += usize::from(!reply.contains(&format!("\r\n{value}")));
    }
    assert!(lost <= told.len(), "{lost} keys are not as they were acknowledged");

    // A member whose sessions write no binary log takes no writes, even as the primary, and no INSTALL.
    let unlogged = &servers[1];
    unlogged.sql("SELECT group_replication_set_as_primary(@@GLOBAL.server_uuid)");
    wait("that primary", || is_primary(unlogged), || unlogged.log());
    client.send("set k 0 0 1\r\n1\r\n");
    let reply = client.read_line();
    assert!(reply.contains("loose_daemon_memcached_enable_binlog=ON"), "{reply}");
    unlogged.sql("UNINSTALL PLUGIN daemon_memcached");
    let error = unlogged.install().expect_err("INSTALL in a group without the binary log");
    assert!(error.contains("loose_daemon_memcached_enable_binlog=ON"), "{error}");
}
