//! What one client may take of the daemon in a tick, whatever it asks: memory, and the time of the others.

use crate::common::patient::wait_until;
use crate::common::{Client, HostConfig};

const MIB: usize = 1 << 20;

fn number(client: &mut Client, name: &str) -> u64 {
    client.stats("").iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no {name}")).1.parse().unwrap()
}

/// Lock waits of a tick have one end: whoever is behind the first that took too long is not waited for.
#[test]
fn lock_waits_of_a_tick_do_not_add_up() {
    const HELD: usize = 10;
    let host = HostConfig::new().option("-p 0 -t 1").start();
    let mut reader = host.client();
    for i in 0..HELD {
        reader.ask(format!("set held{i} 0 0 1\r\n1\r\n"), "STORED\r\n");
    }
    host.sql("BEGIN").unwrap();
    for i in 0..HELD {
        let held = format!("SELECT value FROM memcached.cache WHERE `key` = 'held{i}' FOR UPDATE");
        assert_eq!(host.rows(&held), [["1"]]);
    }
    let begun = std::time::Instant::now();
    let mut writers: Vec<Client> = (0..HELD).map(|_| host.client()).collect();
    for (i, writer) in writers.iter_mut().enumerate() {
        writer.send(format!("set held{i} 0 0 1\r\n2\r\nset free{i} 0 0 1\r\n3\r\n"));
    }
    reader.ask("get held0\r\n", "VALUE held0 0 1\r\n1\r\nEND\r\n");
    let read = begun.elapsed();
    for writer in &mut writers {
        writer.expect("SERVER_ERROR lock wait timeout\r\nSTORED\r\n");
    }
    let all = begun.elapsed();
    // Ten waits of a second one after another would be ten; connections that come while the first tick waits have a second tick.
    assert!(read.as_secs() < 4 && all.as_secs() < 5, "read after {read:?}, all refused after {all:?}");
    assert_eq!(number(&mut reader, "lock_wait_timeouts"), HELD as u64);
    host.sql("COMMIT").unwrap();
    reader.ask("set held0 0 0 1\r\n4\r\nget free9\r\n", "STORED\r\nVALUE free9 0 1\r\n3\r\nEND\r\n");
    assert!(host.terminate().success());
}

/// What waits for clients over all connections is bounded; those with the most to read go first.
#[test]
fn the_greatest_debtors_go_first() {
    const LAZY: usize = 8;
    let host = HostConfig::new().option("-p 0 -t 2 -o output_mem_limit=32").start();
    let mut client = host.client();
    client.send(format!("set big 0 0 {MIB}\r\n{}\r\n", "v".repeat(MIB)));
    client.expect("STORED\r\n");
    // More than the sockets take, and less than any of the others.
    let mut modest = host.client();
    modest.send("get big big big big big big\r\n");
    wait_until("it is answered", || number(&mut client, "get_hits") == 6);
    let mut lazy: Vec<Client> = (0..LAZY).map(|_| host.client()).collect();
    for lazy in &mut lazy {
        lazy.send("get big\r\n".repeat(100));
    }
    wait_until("some are closed", || number(&mut client, "output_limit_kicks") > 0);
    wait_until("what is left is within the limit", || number(&mut client, "output_bytes") <= 32 << 20);
    for _ in 0..6 {
        modest.expect(format!("VALUE big 0 {MIB}\r\n"));
        modest.read_exact(MIB + 2);
    }
    modest.expect("END\r\n");
    client.ask("get none\r\n", "END\r\n");
    assert!(host.terminate().success());
}

/// Threads of the daemon and of the engine block the same signals: all but those that tell of a crash.
#[test]
fn threads_take_no_signals_but_those_of_a_crash() {
    let host = HostConfig::new().option("-p 0 -t 2").start();
    let mut seen = std::collections::BTreeMap::new();
    for task in std::fs::read_dir(format!("/proc/{}/task", host.pid())).unwrap().flatten() {
        let status = std::fs::read_to_string(task.path().join("status")).unwrap();
        let field = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).unwrap().trim().to_owned();
        seen.insert(field("Name:"), u64::from_str_radix(&field("SigBlk:"), 16).unwrap());
    }
    let crashes = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT];
    let bit = |signal: i32| 1_u64 << (signal - 1);
    for name in
        ["memcached-0", "memcached-1", "memcached-accep", "memcached-watch", "refengine-sync", "refengine-flush"]
    {
        let mask = seen.get(name).unwrap_or_else(|| panic!("no thread {name} among {seen:?}"));
        let expected = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGUSR1, libc::SIGCHLD];
        assert!(expected.iter().all(|signal| mask & bit(*signal) != 0), "{name} takes signals: {mask:x}");
        assert!(crashes.iter().all(|signal| mask & bit(*signal) == 0), "{name} hides crashes: {mask:x}");
    }
    assert!(host.terminate().success());
}
