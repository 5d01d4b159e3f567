//! A full and a broken disk under a running `memcached-host`, as its clients see them. The disk is that of
//! `tests/c/faults.c`; what it does to the engine step by step is in `faults.rs`.

use crate::common::patient::wait_until;
use crate::common::{Client, Host, HostConfig};

/// A host whose disk does what the file `switch` says while it is there.
fn config() -> HostConfig {
    let config = HostConfig::new().arg("--innodb-buffer-pool-size=5242880");
    let at = |name: &str| config.scratch().join(name);
    crate::common::cc(&["-O1", "-shared", "-fPIC", "tests/c/faults.c", "-ldl", "-lpthread"], &at("faults.so"));
    std::fs::create_dir(config.datadir()).unwrap();
    std::fs::create_dir(at("shadow")).unwrap();
    let (library, shadow, switch) = (at("faults.so"), at("shadow"), at("switch"));
    let dir = config.datadir();
    config.env("LD_PRELOAD", library).env("FAULTS_DIR", dir).env("FAULTS_SHADOW", shadow).env("FAULTS_SWITCH", switch)
}

fn disk(host: &Host, state: Option<&str>) {
    let switch = host.config().scratch().join("switch");
    match state {
        Some(word) => std::fs::write(switch, word).unwrap(),
        None => std::fs::remove_file(switch).unwrap(),
    }
}

/// Stores a value of 100000 bytes and returns the reply.
fn set(client: &mut Client, key: &str, digit: u8) -> String {
    client.send(format!("set {key} 0 0 100000\r\n{}\r\n", char::from(digit).to_string().repeat(100_000)));
    client.read_line()
}

fn check(client: &mut Client, key: &str, digit: u8) {
    let value = char::from(digit).to_string().repeat(100_000);
    client.ask(format!("get {key}\r\n"), format!("VALUE {key} 0 100000\r\n{value}\r\nEND\r\n"));
}

#[test]
fn a_full_disk_refuses_writes_and_takes_them_when_there_is_space() {
    let config = config();
    let host = config.start();
    let mut client = host.client();
    assert_eq!(set(&mut client, "before", b'1'), "STORED");
    disk(&host, Some("full"));
    // What was reserved ahead is used up first.
    let mut stored = 0;
    let refused = loop {
        match set(&mut client, &format!("k{stored}"), b'2') {
            reply if reply == "STORED" => stored += 1,
            reply => break reply,
        }
        assert!(stored < 1000, "the disk is never full");
    };
    assert_eq!(refused, "SERVER_ERROR out of disk space");
    // The connection lives, reads go on, nothing of the refused one is there, and others are told the same.
    check(&mut client, "before", b'1');
    client.ask(format!("get k{stored}\r\n"), "END\r\n");
    assert_eq!(set(&mut host.client(), "other", b'3'), "SERVER_ERROR out of disk space");
    let error = host
        .sql("CREATE TABLE test.big (k INT PRIMARY KEY, v LONGTEXT); INSERT INTO test.big VALUES (1, REPEAT('x', 2000000))")
        .expect_err("the disk is full");
    assert_eq!(error.errno, 1021, "{error}");
    disk(&host, None);
    assert_eq!(set(&mut client, "after", b'4'), "STORED");
    // Over checkpoints too.
    for n in 0..60 {
        assert_eq!(set(&mut client, &format!("more{n}"), b'5'), "STORED");
    }
    host.kill9();
    let host = config.start();
    let mut client = host.client();
    check(&mut client, "before", b'1');
    (0..stored).for_each(|n| check(&mut client, &format!("k{n}"), b'2'));
    client.ask(format!("get k{stored} other\r\n"), "END\r\n");
    check(&mut client, "after", b'4');
    check(&mut client, "more59", b'5');
}

/// Replies of a batch precede its commit, so the log is all that can tell of one that failed; it tells what is known.
#[test]
fn a_batch_that_the_disk_has_no_room_for_is_logged_as_not_stored() {
    const SAID: &str = "failed to commit, nothing of it was stored: out of disk space";
    let config = config().option("-p 0 -t 1").arg("--daemon-memcached-w-batch-size=3");
    let host = config.start();
    let mut client = host.client();
    (0..3).for_each(|n| assert_eq!(set(&mut client, &format!("before{n}"), b'1'), "STORED"));
    disk(&host, Some("full"));
    let mut sent = 0;
    while set(&mut client, &format!("k{sent}"), b'2') == "STORED" {
        sent += 1;
        assert!(sent < 1000, "the disk is never full");
    }
    assert_eq!(sent % 3, 2, "the reply to a batch's last is behind the commit");
    // The log comes through a pipe of its own.
    wait_until("the batch is told of", || host.log().matches(SAID).count() == 1);
    // Whoever leaves has his batch committed, and hears nothing of it. Where three have no room there may be some for one.
    wait_until("the batch of who left is told of", || {
        assert_eq!(set(&mut client, "left", b'3'), "STORED");
        client = host.client();
        client.ask("get none\r\n", "END\r\n");
        host.log().matches(SAID).count() > 1
    });
    disk(&host, None);
    client.ask(format!("get k{sent} k{}\r\n", sent - 1), "END\r\n");
    check(&mut client, "before2", b'1');
    assert!(!host.log().contains("unknown"), "{}", host.log());
}

#[test]
fn after_an_io_error_reads_go_on_and_writes_are_refused() {
    let config = config();
    let host = config.start();
    let mut client = host.client();
    assert_eq!(set(&mut client, "before", b'1'), "STORED");
    disk(&host, Some("errors"));
    // Nobody knows the outcome: the connection is closed without a reply.
    let mut unlucky = host.client();
    unlucky.send("set unlucky 0 0 1\r\nx\r\n");
    assert!(matches!(unlucky.try_read_line(), Ok(None) | Err(_)), "a reply to an unknown outcome");
    disk(&host, None);
    assert_eq!(set(&mut client, "refused", b'2'), "SERVER_ERROR read only");
    client.ask("delete before\r\n", "SERVER_ERROR read only\r\n");
    check(&mut client, "before", b'1');
    host.wait_log("a write failed, only reads go on");
    host.kill9();
    let host = config.start();
    let mut client = host.client();
    check(&mut client, "before", b'1');
    client.ask("get refused\r\n", "END\r\n");
    assert_eq!(set(&mut client, "after", b'3'), "STORED");
}
