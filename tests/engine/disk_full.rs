//! A full, a broken and a stalled disk under a running `memcached-host`, as its clients see them. The disk is that of
//! `tests/c/faults.c`; what it does to the engine step by step is in `faults.rs`.

use crate::common::patient::{self, wait_until};
use crate::common::{Client, Host, HostConfig};
use std::io::{ErrorKind, Write};

/// A host whose disk does what the file `switch` says while it is there.
fn config() -> HostConfig {
    let config = HostConfig::new().arg("--innodb-buffer-pool-size=5242880");
    let at = |name: &str| config.scratch().join(name);
    crate::common::cc(&["-O1", "-shared", "-fPIC", "tests/c/faults.c", "-ldl", "-lpthread"], &at("faults.so"));
    std::fs::create_dir(config.datadir()).unwrap();
    std::fs::create_dir(at("shadow")).unwrap();
    let (library, shadow, switch) = (at("faults.so"), at("shadow"), at("switch"));
    let (dir, log) = (config.datadir(), at("steps"));
    let config = config.env("FAULTS_LOG", log);
    config.env("LD_PRELOAD", library).env("FAULTS_DIR", dir).env("FAULTS_SHADOW", shadow).env("FAULTS_SWITCH", switch)
}

/// How often the redo log was synced, a sync that waits among them.
fn syncs(host: &Host) -> usize {
    let steps = std::fs::read_to_string(host.config().scratch().join("steps")).unwrap();
    steps.matches("sync /refengine/redo/").count()
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

/// Whoever commits waits for the disk as long as that takes, the leader of the round in it and the others for the leader; nobody is told
/// anything before. Readers of other workers go on, and what was acknowledged in the end is there.
#[test]
fn a_stalled_disk_holds_back_acknowledgements_and_no_readers() {
    const WRITERS: usize = 3;
    let config = config().option("-p 0 -t 4");
    let host = config.start();
    // Workers take connections in turns: the writers have one each, and the reader the fourth.
    let mut writers: Vec<_> = (0..WRITERS).map(|_| patient::connect(("127.0.0.1", host.port()))).collect();
    let mut reader = host.client();
    assert_eq!(set(&mut reader, "before", b'1'), "STORED");
    let begun = syncs(&host);
    disk(&host, Some("stall sync /refengine/redo/"));
    for (n, writer) in writers.iter_mut().enumerate() {
        write!(writer, "set late{n} 0 0 1\r\n{n}\r\n").unwrap();
    }
    wait_until("a leader syncs", || syncs(&host) > begun);
    (0..50).for_each(|_| check(&mut reader, "before", b'1'));
    for (n, writer) in writers.iter().enumerate() {
        writer.set_nonblocking(true).unwrap();
        let answer = writer.peek(&mut [0]);
        let nothing = answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        assert!(nothing, "writer {n} was told something before the disk had it: {answer:?}");
        writer.set_nonblocking(false).unwrap();
    }
    reader.ask("get late0 late1 late2\r\n", "END\r\n");
    disk(&host, None);
    for writer in writers {
        Client::over(writer).expect("STORED\r\n");
    }
    host.kill9();
    let host = config.start();
    let mut client = host.client();
    for n in 0..WRITERS {
        client.ask(format!("get late{n}\r\n"), format!("VALUE late{n} 0 1\r\n{n}\r\nEND\r\n"));
    }
}

/// A commit waits half a minute at most for a checkpoint, and those behind it not at all, until the disk keeps up again.
#[test]
fn a_checkpoint_that_does_not_end_is_not_waited_for_without_end() {
    const REFUSED: &str = "SERVER_ERROR the disk does not keep up with the writes";
    let config = config().option("-p 0 -t 1");
    let host = config.start();
    let mut client = host.client();
    assert_eq!(set(&mut client, "before", b'1'), "STORED");
    disk(&host, Some("stall /refengine/keyspaces/"));
    // Two generations of the memory table are filled first.
    let mut stored = 0;
    let refused = loop {
        match set(&mut client, &format!("k{stored}"), b'2') {
            reply if reply == "STORED" => stored += 1,
            reply => break reply,
        }
        assert!(stored < 1000, "there is room for everything");
    };
    assert!(stored > 10, "{stored}");
    assert_eq!(refused, REFUSED);
    let begun = std::time::Instant::now();
    for n in 0..10 {
        assert_eq!(set(&mut client, &format!("again{n}"), b'3'), REFUSED);
    }
    assert!(begun.elapsed().as_secs() < 25, "each of them waited again");
    check(&mut client, "before", b'1');
    disk(&host, None);
    wait_until("the disk keeps up", || set(&mut client, "after", b'4') == "STORED");
    host.kill9();
    let host = config.start();
    let mut client = host.client();
    (0..stored).for_each(|n| check(&mut client, &format!("k{n}"), b'2'));
    client.ask(format!("get k{stored} again0 again9\r\n"), "END\r\n");
    check(&mut client, "after", b'4');
}
