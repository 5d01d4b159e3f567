//! INSTALL PLUGIN and UNINSTALL PLUGIN: refusals that reach the client, and rounds under load that leak nothing.

use crate::common::{Host, HostConfig, INSTALL, free_port};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const UNINSTALL: &str = "UNINSTALL PLUGIN daemon_memcached";

/// The message of an INSTALL that must fail.
#[track_caller]
fn refused(host: &Host) -> String {
    host.sql(INSTALL).expect_err("INSTALL was not refused").message
}

#[test]
fn a_container_that_breaks_a_rule_refuses_the_install_and_names_it() {
    let host = Host::start();
    host.sql(UNINSTALL).unwrap();
    host.sql(
        "CREATE DATABASE t; USE t;
         CREATE TABLE good (k VARCHAR(50) PRIMARY KEY, v TEXT, f INT, c BIGINT UNSIGNED, e INT, small SMALLINT, UNIQUE KEY vk (e));
         CREATE TABLE demanding (k VARCHAR(50) PRIMARY KEY, v TEXT, must INT NOT NULL);
         CREATE TABLE pair (k VARCHAR(50) NOT NULL, k2 INT NOT NULL, v TEXT, PRIMARY KEY (k, k2));",
    )
    .unwrap();
    let row = |values: &str| format!("REPLACE INTO innodb_memcache.containers VALUES ('default', {values})");
    for (values, parts) in [
        ("'', 'good', 'k', 'v', '0', '0', '0', 'PRIMARY'", &["default", "db_schema"][..]),
        ("'t', 'absent', 'k', 'v', '0', '0', '0', 'PRIMARY'", &["default", "t.absent", "not found"]),
        ("'none', 'good', 'k', 'v', '0', '0', '0', 'PRIMARY'", &["default", "none.good", "not found"]),
        ("'t', 'good', 'kk', 'v', '0', '0', '0', 'PRIMARY'", &["default", "key_columns", "kk"]),
        ("'t', 'good', 'k', 'vv', '0', '0', '0', 'PRIMARY'", &["default", "value_columns", "vv"]),
        ("'t', 'good', 'k', '', '0', '0', '0', 'PRIMARY'", &["default", "value_columns"]),
        ("'t', 'good', 'v', 'k', '0', '0', '0', 'PRIMARY'", &["default", "key column v"]),
        ("'t', 'good', 'k', 'v', 'small', '0', '0', 'PRIMARY'", &["default", "flags", "small", "32"]),
        ("'t', 'good', 'k', 'v', 'f', 'e', '0', 'PRIMARY'", &["default", "cas_column", "64"]),
        ("'t', 'good', 'k', 'v', 'f', 'f', 'f', 'PRIMARY'", &["default", "f"]),
        ("'t', 'good', 'k', 'v', '0', '0', '0', 'none'", &["default", "index", "none"]),
        ("'t', 'good', 'k', 'v', '0', '0', '0', 'vk'", &["default", "index vk", "k alone"]),
        ("'t', 'good', 'k', 'k', '0', '0', '0', 'PRIMARY'", &["default", "value_columns", "besides the key"]),
        ("'t', 'demanding', 'k', 'v', '0', '0', '0', 'PRIMARY'", &["default", "must", "NOT NULL"]),
        ("'t', 'pair', 'k', 'v', '0', '0', '0', 'PRIMARY'", &["default", "k2"]),
    ] {
        host.sql(&row(values)).unwrap();
        let message = refused(&host);
        for part in parts {
            assert!(message.contains(part), "{values}: {message:?} does not say {part}");
        }
    }
    host.sql(&row("'t', 'good', 'k', 'v', 'f', 'c', 'e', 'PRIMARY'")).unwrap();
    host.sql(INSTALL).unwrap();
    host.client().ask("set k 1 0 1\r\nx\r\nget k\r\n", "STORED\r\nVALUE k 1 1\r\nx\r\nEND\r\n");
    assert_eq!(host.rows("SELECT k, v, f FROM t.good"), [["k", "x", "1"]]);
}

#[test]
fn missing_configuration_and_a_taken_port_refuse_the_install() {
    let host = HostConfig::new().bare().arg("--daemon-memcached-option=-p 0").start();
    let message = refused(&host);
    assert!(
        message.contains("innodb_memcache.containers") && message.contains("innodb_memcached_config.sql"),
        "{message}"
    );

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = HostConfig::new().option(&format!("-p {port}"));
    let error = config.try_start().err().expect("the port is taken");
    assert!(error.contains(&format!("127.0.0.1:{port}")), "{error}");
    drop(taken);
    let host = config.start();
    host.client().ask("get x\r\n", "END\r\n");
}

#[test]
fn options_that_guard_access_are_never_ignored() {
    for (option, part) in [
        ("-p 0 -S", "-S"),
        ("-p 0 -Y /nonexistent/users", "-Y"),
        ("-p 0 -Z", "-Z"),
        ("-p 0 -o ssl_chain_cert=/nonexistent", "-Z"),
        ("-p 0 -o proxy_config=x", "proxy_config"),
        ("-p 0 -U 11211", "-U"),
        ("-p 0 -l not.a.host.invalid", "not.a.host.invalid"),
        ("-p 0 -t many", "-t"),
    ] {
        let error = HostConfig::new().option(option).try_start().err().unwrap_or_else(|| panic!("{option} was taken"));
        assert!(error.contains(part), "{option}: {error}");
    }
    let host = HostConfig::new().option("-p 0 -m 64 -u nobody -d").start();
    host.wait_log("option -u has no meaning inside a host");
}

#[test]
fn a_second_start_finds_the_plugin_and_the_data() {
    let config = HostConfig::new();
    let host = config.start();
    host.client().ask("set kept 1 0 4\r\ndata\r\n", "STORED\r\n");
    assert_eq!(host.rows("SELECT name, dl FROM mysql.plugin"), [["daemon_memcached", "daemon_memcached.so"]]);
    assert!(host.terminate().success());
    let host = config.start();
    host.client().ask("get kept\r\n", "VALUE kept 1 4\r\ndata\r\nEND\r\n");
    host.sql(UNINSTALL).unwrap();
    assert!(host.terminate().success());
    let host = config.start();
    assert_eq!(host.rows("SELECT COUNT(*) FROM mysql.plugin"), [["0"]]);
    host.sql(INSTALL).unwrap();
    host.client().ask("get kept\r\n", "VALUE kept 1 4\r\ndata\r\nEND\r\n");
}

#[test]
fn two_hundred_rounds_under_load_leak_nothing() {
    const ROUNDS: u32 = 200;
    let free = free_port();
    let host = HostConfig::new().option(&format!("-p {free} -t 2")).start();
    let round = |host: &Host| {
        host.sql(UNINSTALL).unwrap();
        host.sql(INSTALL).unwrap();
    };
    round(&host);
    let (threads, descriptors) = (host.threads(), host.descriptors());
    let stop = AtomicBool::new(false);
    let served = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for id in 0..4 {
            let (stop, served) = (&stop, &served);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    // Connections break whenever the plugin goes; that is the point.
                    let Ok(mut client) = crate::common::Client::try_connect(free) else { continue };
                    while client.try_send(format!("set load{id} 0 0 1\r\nx\r\nget load{id}\r\n")).is_ok() {
                        match client.try_read_line() {
                            Ok(Some(_)) => served.fetch_add(1, Ordering::Relaxed),
                            _ => break,
                        };
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                    }
                }
            });
        }
        for _ in 0..ROUNDS {
            round(&host);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(served.load(Ordering::Relaxed) > 0);
    round(&host);
    assert_eq!(host.threads(), threads, "threads leaked");
    // The host closes what it served SQL on a moment after its client.
    crate::common::patient::wait_until("descriptors to be as before", || host.descriptors() <= descriptors);
    host.client().ask("set after 0 0 1\r\nx\r\n", "STORED\r\n");
    assert!(host.terminate().success());
}

/// As an article about the original has it, with the name cut away.
#[test]
fn an_empty_library_name_is_refused_with_the_right_one() {
    let host = Host::start();
    host.sql(UNINSTALL).unwrap();
    let error = host.sql("INSTALL PLUGIN daemon_memcached SONAME ''").expect_err("it has no library");
    assert!(error.message.contains("daemon_memcached.so"), "{error}");
    host.sql(INSTALL).unwrap();
    assert_eq!(
        host.rows("SHOW PLUGINS").into_iter().find(|row| row[0] == "daemon_memcached").unwrap(),
        ["daemon_memcached", "ACTIVE", "DAEMON", "daemon_memcached.so", "BSD"]
    );
}
