//! Galera: nodes of a cluster on loopback, each with the plugin.

use crate::common::{Client, PATIENCE, free_port};
use crate::server::{Config, Mysqld, is_mariadb, wait};
use crate::writers::{DIGEST, SHARED, Told, load};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Load of each test.
const LOAD: Duration = Duration::from_secs(15);

/// Configurations of so many nodes. The last writes no binary log, and its daemon is not asked for one.
fn nodes(count: usize) -> Vec<Config> {
    let ports: Vec<u16> = (0..count).map(|_| free_port()).collect();
    let all = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",");
    let node = |i: usize| {
        let (port, ist, sst) = (ports[i], free_port(), free_port());
        let mut config = Config::new().for_state_transfers();
        for arg in [
            format!("--server-id={}", i + 1),
            format!("--wsrep-cluster-address=gcomm://{all}"),
            format!("--wsrep-node-name=node{i}"),
            format!("--wsrep-node-address=127.0.0.1:{port}"),
            format!("--wsrep-sst-receive-address=127.0.0.1:{sst}"),
            format!(
                "--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{port};ist.recv_addr=127.0.0.1:{ist};gcache.size=32M"
            ),
        ] {
            config = config.arg(arg);
        }
        for arg in [
            "--wsrep-on=ON",
            "--wsrep-provider=/usr/lib/galera/libgalera_smm.so",
            "--wsrep-cluster-name=test",
            "--wsrep-sst-method=rsync",
            "--wsrep-slave-threads=2",
            "--binlog-format=ROW",
            "--innodb-autoinc-lock-mode=2",
            "--innodb-buffer-pool-size=32M",
            "--loose-daemon-memcached-option=-p 0 -t 2",
        ] {
            config = config.arg(arg);
        }
        if i + 1 == count {
            config = config.arg("--skip-log-bin").arg("--loose-daemon-memcached-enable-binlog=OFF");
        }
        config
    };
    (0..count).map(node).collect()
}

/// Starts them one after the other, the first as a new cluster.
fn start(configs: &[Config]) -> Vec<Mysqld<'_>> {
    let mut servers = Vec::new();
    for (i, config) in configs.iter().enumerate() {
        servers.push(config.spawn(if i == 0 { &["--wsrep-new-cluster"] } else { &[] }));
        synced(&mut servers);
    }
    servers
}

/// Waits until the last of these servers is a node like the others.
fn synced(servers: &mut [Mysqld]) {
    let (size, start) = (servers.len().to_string(), Instant::now());
    loop {
        let (last, others) = servers.split_last_mut().unwrap();
        let lives = last.lives();
        if lives
            && last.log().contains("ready for connections")
            && is_synced(last)
            && last.status("wsrep_cluster_size") == size
        {
            return;
        }
        let logs = || others.iter().map(Mysqld::log).chain([last.log()]).collect::<Vec<_>>().join("\n== the next\n");
        assert!(lives && start.elapsed() < PATIENCE, "the node does not join the cluster\n{}", logs());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn is_synced(server: &Mysqld) -> bool {
    server.status("wsrep_local_state_comment") == "Synced" && server.status("wsrep_ready") == "ON"
}

/// A cluster with the daemon on each node: tables and INSTALL travel.
fn cluster(configs: &[Config]) -> Vec<Mysqld<'_>> {
    let servers = start(configs);
    servers[0].set_up();
    for server in &servers {
        server.port();
    }
    servers
}

/// Waits until all nodes have the same.
fn settle(servers: &[&Mysqld]) {
    let digests = || servers.iter().map(|server| server.sql(DIGEST)).collect::<Vec<_>>();
    let agree = || {
        let digests = digests();
        digests.iter().all(|digest| *digest == digests[0])
    };
    wait("nodes that agree", agree, || format!("{:?}", digests()));
}

/// Runs clients on each of the ports, two each, while `meanwhile` does something.
fn under_load<T>(ports: &[u16], meanwhile: impl FnOnce() -> T) -> (Vec<Told>, T) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut clients = Vec::new();
        for (i, port) in ports.iter().enumerate() {
            for c in 0..2 {
                // `meanwhile` may end the server before a thread gets to run.
                let (client, stop) = (Client::connect(*port), &stop);
                clients.push(scope.spawn(move || load(client, *port, &format!("n{port}-{i}c{c}"), stop)));
            }
        }
        let done = meanwhile();
        stop.store(true, Ordering::Relaxed);
        (clients.into_iter().map(|client| client.join().unwrap()).collect(), done)
    })
}

fn sum(told: &[Told], of: fn(&Told) -> u64) -> u64 {
    told.iter().map(of).sum()
}

fn make_counters(client: &mut Client) {
    for i in 0..SHARED {
        client.ask(format!("set shared{i} 0 0 1\r\n0\r\n"), "STORED\r\n");
    }
}

fn counted(server: &Mysqld) -> u64 {
    server.sql("SELECT SUM(value) FROM memcached.cache WHERE `key` LIKE 'shared%'").parse::<f64>().unwrap() as u64
}

/// What was acknowledged last is what a node answers.
fn check_own(server: &Mysqld, told: &[Told]) {
    let mut client = server.client();
    for (key, value) in told.iter().flat_map(|told| &told.own) {
        client.ask_value(key, value);
    }
}

#[test]
#[ignore = "needs a MariaDB server: tests/run --mariadb"]
fn nodes_that_all_take_writes_agree_and_count_once() {
    if !is_mariadb() {
        return;
    }
    let configs = nodes(3);
    let servers = cluster(&configs);
    make_counters(&mut servers[0].client());
    let all: Vec<&Mysqld> = servers.iter().collect();
    settle(&all);
    let ports: Vec<u16> = servers.iter().map(Mysqld::port).collect();
    let (told, ()) = under_load(&ports, || std::thread::sleep(LOAD));
    settle(&all);
    let (increments, answers) = (sum(&told, |t| t.increments), sum(&told, |t| t.answers));
    let (errors, unknown) = (sum(&told, |t| t.errors.values().sum()), sum(&told, |t| t.unknown));
    let conflicts = || {
        all.iter()
            .map(|s| s.status("wsrep_local_bf_aborts") + "+" + &s.status("wsrep_local_cert_failures"))
            .collect::<Vec<_>>()
    };
    println!(
        "{answers} requests, {increments} increments, {errors} errors, {unknown} unknown, conflicts {:?}",
        conflicts()
    );
    println!("{:?}", told.iter().map(|t| &t.errors).collect::<Vec<_>>());
    assert_eq!(counted(&servers[2]), increments);
    assert_eq!(unknown, 0, "{}", servers[0].log());
    assert!(errors * 100 <= answers, "{errors} of {answers}");
    check_own(&servers[1], &told);

    // A flush arrives everywhere.
    servers[1].client().ask("flush_all\r\n", "OK\r\n");
    let empty = || all.iter().all(|server| server.sql("SELECT COUNT(*) FROM memcached.cache") == "0");
    wait("empty tables", empty, || servers[0].log());

    // What was written on one node is read on another at once, where that is asked for.
    all.iter().for_each(|server| drop(server.sql("SET GLOBAL wsrep_sync_wait=1")));
    let (mut here, mut there) = (servers[0].client(), servers[2].client());
    // Both have read the settings by then.
    let follows = || {
        here.ask("set k 0 0 1\r\n0\r\n", "STORED\r\n");
        there.send("get k\r\n");
        there.read_reply().starts_with(b"VALUE")
    };
    wait("a read", follows, || servers[2].log());
    std::thread::sleep(Duration::from_millis(300));
    for i in 0..500 {
        let value = i.to_string();
        here.ask(format!("set k 0 0 {}\r\n{value}\r\n", value.len()), "STORED\r\n");
        there.ask("get k\r\n", format!("VALUE k 0 {}\r\n{value}\r\nEND\r\n", value.len()));
    }
    for server in servers {
        server.shutdown();
    }
}

/// The position that a node which died has, in the form of the server's option.
fn position(config: &Config) -> String {
    let server = config.spawn(&["--wsrep-recover"]);
    wait("the end of the server", || !server.lives(), || server.log());
    let log = server.log();
    let found =
        log.lines().find_map(|line| line.split_once("Recovered position: ")).map(|(_, position)| position.trim());
    format!("--wsrep-start-position={}", found.unwrap_or_else(|| panic!("no position:\n{log}")))
}

#[test]
#[ignore = "needs a MariaDB server: tests/run --mariadb"]
fn a_node_that_died_comes_back_with_what_it_missed() {
    if !is_mariadb() {
        return;
    }
    let configs = nodes(3);
    let mut servers = cluster(&configs);
    make_counters(&mut servers[0].client());
    settle(&servers.iter().collect::<Vec<_>>());
    let ports: Vec<u16> = servers.iter().map(Mysqld::port).collect();
    // One dies under load; what it acknowledged the others have.
    let last = servers.pop().unwrap();
    let rows = || servers[0].sql("SELECT COUNT(*) FROM memcached.cache").parse::<u64>().unwrap_or(0);
    let (told, ()) = under_load(&ports, || {
        wait("some load", || rows() > 150, || servers[0].log());
        last.kill9();
        std::thread::sleep(Duration::from_secs(3));
    });
    let survivors = |told: &[Told]| sum(&told[..4], |t| t.unknown);
    assert_eq!(survivors(&told), 0, "clients of the others were not answered");
    let (counted_before, increments) = (counted(&servers[0]), sum(&told, |t| t.increments));
    // The last increment of each client of the dead node may have counted without its acknowledgement.
    assert!((increments..=increments + 2).contains(&counted_before), "{counted_before}, {increments} acknowledged");
    check_own(&servers[1], &told[..4]);

    // It takes what it missed from another node's cache of write-sets, while the others go on.
    let position = position(&configs[2]);
    let (told, back) = under_load(&ports[..2], || {
        let back = configs[2].start_with(&[&position]);
        wait("the node to be synced", || is_synced(&back), || back.log());
        back
    });
    let log = back.log();
    assert!(log.contains("rsync IST completed on joiner"), "no IST:\n{log}");
    assert_eq!(sum(&told, |t| t.unknown), 0, "{}\n== the next\n{}", servers[0].log(), servers[1].log());
    settle(&[&servers[0], &servers[1], &back]);
    back.client().ask("set from-the-returned 0 0 1\r\n1\r\n", "STORED\r\n");
    back.kill9();

    // With nothing left it takes all of it; the daemon comes with the tables.
    std::fs::remove_dir_all(configs[2].data()).unwrap();
    std::fs::create_dir(configs[2].data()).unwrap();
    configs[2].own();
    let back = configs[2].start();
    wait("the node to be synced", || is_synced(&back), || back.log());
    assert!(back.log().contains("rsync SST completed on joiner"), "no SST:\n{}", back.log());
    settle(&[&servers[0], &servers[1], &back]);
    let mut client = back.client();
    client.ask("get from-the-returned\r\n", "VALUE from-the-returned 0 1\r\n1\r\nEND\r\n");
    client.ask("set again 0 0 1\r\n2\r\n", "STORED\r\n");
    settle(&[&servers[0], &servers[1], &back]);
}

#[test]
#[ignore = "needs a MariaDB server: tests/run --mariadb"]
fn a_node_without_the_others_refuses_until_it_is_a_cluster_again() {
    if !is_mariadb() {
        return;
    }
    let configs = nodes(3);
    let mut servers = cluster(&configs);
    let mut client = servers[2].client();
    client.ask("set k 0 0 1\r\n1\r\nget k\r\n", "STORED\r\nVALUE k 0 1\r\n1\r\nEND\r\n");
    let third = servers.pop().unwrap();
    servers.drain(..).for_each(Mysqld::kill9);
    wait("the node to notice", || third.status("wsrep_ready") == "OFF", || third.log());
    let start = Instant::now();
    const REFUSED: &str = "SERVER_ERROR this node takes no part in its Galera cluster at the moment (wsrep_ready)\r\n";
    client.ask("set k 0 0 1\r\n2\r\n", REFUSED);
    client.ask("get k\r\n", REFUSED);
    client.ask("incr k 1\r\n", REFUSED);
    client.ask("flush_all\r\n", REFUSED);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    third.sql("SET GLOBAL wsrep_dirty_reads=ON");
    let served = |client: &mut Client| {
        client.send("get k\r\n");
        client.read_reply() == b"VALUE k 0 1\r\n1\r\nEND\r\n"
    };
    wait("reads", || served(&mut client), || third.log());
    client.ask("set k 0 0 1\r\n2\r\n", REFUSED);
    third.sql("SET GLOBAL wsrep_dirty_reads=OFF");
    // As a variable of its own, where the server has one for each of the provider's options.
    if third.try_sql("SET GLOBAL wsrep_provider_pc_bootstrap=ON").is_err() {
        third.sql("SET GLOBAL wsrep_provider_options='pc.bootstrap=YES'");
    }
    wait("the node to be synced", || is_synced(&third), || third.log());
    client.ask("get k\r\n", "VALUE k 0 1\r\n1\r\nEND\r\n");
    client.ask("incr k 1\r\n", "2\r\n");
    third.shutdown();
}

#[test]
#[ignore = "needs a MariaDB server: tests/run --mariadb"]
fn an_uninstall_under_load_ends_on_every_node() {
    if !is_mariadb() {
        return;
    }
    let configs = nodes(2);
    let servers = cluster(&configs);
    make_counters(&mut servers[0].client());
    settle(&[&servers[0], &servers[1]]);
    for round in 0..3 {
        let ports: Vec<u16> = servers.iter().map(Mysqld::port).collect();
        let (told, ()) = under_load(&ports, || {
            std::thread::sleep(Duration::from_secs(1));
            let start = Instant::now();
            servers[round % 2].sql("UNINSTALL PLUGIN daemon_memcached");
            println!("UNINSTALL took {:?}", start.elapsed());
        });
        assert!(sum(&told, |t| t.increments) > 0);
        for server in &servers {
            wait("the other node", || server.status("Daemon_memcached_listening").is_empty(), || server.log());
        }
        settle(&[&servers[0], &servers[1]]);
        servers[1 - round % 2].install().unwrap();
    }
    for server in &servers {
        server.client().ask("set k 0 0 1\r\n1\r\n", "STORED\r\n");
    }
    for server in servers {
        server.shutdown();
    }
}

/// A commit that waits for its place among those of the cluster must not outlive the server around it.
#[test]
#[ignore = "needs a MariaDB server: tests/run --mariadb"]
fn a_node_that_is_shut_down_under_load_ends_cleanly() {
    if !is_mariadb() {
        return;
    }
    let configs = nodes(2);
    let mut servers = cluster(&configs);
    make_counters(&mut servers[0].client());
    settle(&[&servers[0], &servers[1]]);
    for _ in 0..4 {
        let ports: Vec<u16> = servers.iter().map(Mysqld::port).collect();
        let last = servers.pop().unwrap();
        let before = counted(&servers[0]);
        let (told, ()) = under_load(&ports, || {
            wait("some load", || counted(&servers[0]) > before + 20, || servers[0].log());
            last.shutdown();
        });
        assert_eq!(sum(&told[..2], |t| t.unknown), 0, "clients of the other were not answered\n{}", servers[0].log());
        servers.push(configs[1].start());
        wait("the node to be synced", || is_synced(&servers[1]), || servers[1].log());
        settle(&[&servers[0], &servers[1]]);
    }
    for server in servers {
        server.shutdown();
    }
}

#[test]
#[ignore = "needs a MariaDB server: tests/run --mariadb"]
fn a_single_node_installs_with_tables_only_and_leaves_and_enters_the_cluster() {
    if !is_mariadb() {
        return;
    }
    let configs = nodes(1);
    let servers = start(&configs);
    let server = &servers[0];
    // The tables would have to be made inside of INSTALL, which is replicated itself.
    let refused = server.install().expect_err("the tables are missing");
    assert!(refused.contains("innodb_memcached_config.sql"), "{refused}");
    server.script("innodb_memcached_config.sql");
    server.install().unwrap();
    let mut client = server.client();
    client.ask("get AA\r\n", "VALUE AA 8 12\r\nHELLO, HELLO\r\nEND\r\n");
    client.ask("set a 0 0 1\r\n1\r\nincr a 5\r\nget a\r\n", "STORED\r\n6\r\nVALUE a 0 1\r\n6\r\nEND\r\n");
    server.sql("SET GLOBAL wsrep_on = OFF");
    client.ask("incr a 5\r\nget a\r\n", "11\r\nVALUE a 0 2\r\n11\r\nEND\r\n");
    server.sql("SET GLOBAL wsrep_on = ON");
    client.ask("incr a 5\r\nget a\r\n", "16\r\nVALUE a 0 2\r\n16\r\nEND\r\n");
    server.sql("UNINSTALL PLUGIN daemon_memcached");
    server.install().unwrap();
    server.client().ask("incr a 5\r\n", "21\r\n");
    for server in servers {
        server.shutdown();
    }
}

#[test]
#[ignore = "needs a MariaDB server: tests/run --mariadb"]
fn where_the_inside_is_not_as_it_is_known_nothing_is_written_in_a_cluster() {
    if !is_mariadb() {
        return;
    }
    let configs = nodes(1);
    // Where a THD keeps the replication library's object, a word off, for each release.
    configs[0].patch_library(|bytes| {
        let mut wrong = 0;
        for client in [26384u64, 26448, 26688] {
            let row = [client, client - 64, 708];
            for at in 0..bytes.len() - 24 {
                let words = bytes[at..at + 24].chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap()));
                let mut words: Vec<u64> = words.collect();
                let place = words.iter().position(|word| *word == client);
                words.sort_unstable();
                if let (Some(place), true) = (place, row.iter().all(|number| words.binary_search(number).is_ok())) {
                    bytes[at + 8 * place..at + 8 * place + 8].copy_from_slice(&(client + 8).to_le_bytes());
                    wrong += 1;
                }
            }
        }
        assert!(wrong >= 2, "the rows were not found");
    });
    let servers = start(&configs);
    let server = &servers[0];
    server.script("innodb_memcached_config.sql");
    server.install().unwrap();
    let mut client = server.client();
    client.ask("get AA\r\n", "VALUE AA 8 12\r\nHELLO, HELLO\r\nEND\r\n");
    for request in ["set a 0 0 1\r\nx\r\n", "delete AA\r\n", "append AA 0 0 1\r\nx\r\n", "flush_all\r\n"] {
        client.send(request);
        let reply = client.read_line();
        assert!(reply.starts_with("SERVER_ERROR") && reply.contains("Galera"), "{request:?}: {reply}");
    }
    client.ask("get AA a\r\n", "VALUE AA 8 12\r\nHELLO, HELLO\r\nEND\r\n");
    assert!(server.log().contains("this server's THD is not as the daemon knows it"), "{}", server.log());
    // Out of the cluster it is a server like others.
    server.sql("SET GLOBAL wsrep_on = OFF");
    client.ask("set a 0 0 1\r\nx\r\nget a\r\n", "STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n");
    for server in servers {
        server.shutdown();
    }
}
