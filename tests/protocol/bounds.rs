//! What one client may take of the daemon in a tick, whatever it asks: memory, and the time of the others.

use crate::common::packets::packet;
use crate::common::patient::wait_until;
use crate::common::{Client, Host, HostConfig};
use std::sync::atomic::{AtomicBool, Ordering};

const MIB: usize = 1 << 20;

/// A line of `/proc/PID/status` in bytes.
fn memory(host: &Host, line: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.pid())).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix(line)).expect("a line of that name");
    line.trim_start_matches(':').split_whitespace().next().and_then(|kib| kib.parse::<usize>().ok()).unwrap() * 1024
}

fn number(client: &mut Client, name: &str) -> u64 {
    client.stats("").iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no {name}")).1.parse().unwrap()
}

/// What is asked in one write, and what comes before the values, between them and behind them.
struct Case {
    name: &'static str,
    ask: Vec<u8>,
    values: usize,
    head: Vec<u8>,
    before: Vec<u8>,
    after: Vec<u8>,
    tail: Vec<u8>,
}

fn text(name: &'static str, ask: String, values: usize, parts: [&str; 4]) -> Case {
    let [head, before, after, tail] = parts.map(|part| part.as_bytes().to_vec());
    Case { name, ask: ask.into_bytes(), values, head, before, after, tail }
}

/// A value of 1 MiB asked for hundreds of times in one write, its replies unread: what waits in the daemon is a tick's share and a value.
#[test]
fn unread_replies_take_a_bounded_share_of_memory() {
    let host = HostConfig::new().option("-p 0 -t 1 -I 2m").start();
    let value = vec![b'v'; MIB];
    let mut other = host.client();
    other.send(format!("set a 0 0 {MIB}\r\n"));
    other.send(&value);
    other.ask("\r\nget none\r\n", "STORED\r\nEND\r\n");
    let item = format!("VALUE a 0 {MIB}\r\n");
    let set = "set b 0 0 1\r\nx\r\n";
    let keys = |n: usize| " a".repeat(n);
    let (get, meta) = (packet(0x00, 0, 0, b"", b"a", b""), format!("VA {MIB}\r\n"));
    let hit = |opcode| {
        let mut header = vec![0x81, opcode, 0, 0, 4, 0, 0, 0];
        header.extend_from_slice(&(MIB as u32 + 4).to_be_bytes());
        header.extend_from_slice(&[0; 4]);
        header
    };
    let cases = [
        text("set and get 400", format!("{set}get{}\r\n", keys(400)), 400, ["STORED\r\n", &item, "\r\n", "END\r\n"]),
        text("set and get 900", format!("{set}get{}\r\n", keys(900)), 900, ["STORED\r\n", &item, "\r\n", "END\r\n"]),
        text("get 400", format!("get{}\r\n", keys(400)), 400, ["", &item, "\r\n", "END\r\n"]),
        text("gat 600", format!("gat 0{}\r\n", keys(600)), 600, ["", &item, "\r\n", "END\r\n"]),
        text(
            "gets of one key behind a set",
            set.to_owned() + &"get a\r\n".repeat(300),
            300,
            ["STORED\r\n", &item, "\r\nEND\r\n", ""],
        ),
        text("gats of one key", "gat 0 a\r\n".repeat(300), 300, ["", &item, "\r\nEND\r\n", ""]),
        // Sets of a key that comes first in the order of locks: they run before the gets that stand before them.
        text(
            "gets before sets",
            "get a\r\nset 0 0 0 1\r\nx\r\n".repeat(100),
            100,
            ["", &item, "\r\nEND\r\nSTORED\r\n", ""],
        ),
        text("meta gets that touch", "mg a v T0\r\n".repeat(300), 300, ["", &meta, "\r\n", ""]),
        text("meta gets", "mg a v\r\n".repeat(300), 300, ["", &meta, "\r\n", ""]),
    ];
    let binary = Case {
        name: "packets",
        ask: get.repeat(300),
        values: 300,
        head: Vec::new(),
        before: hit(0x00),
        after: Vec::new(),
        tail: Vec::new(),
    };
    for case in cases.into_iter().chain([binary]) {
        // Memory of the case before is the allocator's, who may keep it: the peak counts from here.
        std::fs::write(format!("/proc/{}/clear_refs", host.pid()), "5").unwrap();
        let baseline = memory(&host, "VmRSS");
        let mut client = host.client();
        client.send(&case.ask);
        // It is answered as far as the sockets take it, and then no further however long the others go on.
        let (mut sent, mut still) = (0, 0);
        wait_until("the replies stand still", || {
            let now = number(&mut other, "cmd_get");
            still = if now == sent { still + 1 } else { 0 };
            sent = now;
            still > 50
        });
        client.expect(&case.head);
        for i in 0..case.values {
            client.expect(&case.before);
            if case.name == "packets" {
                // The cas number and the flags.
                client.read_exact(8 + 4);
            }
            assert!(client.read_exact(MIB) == value, "{}: value {i}", case.name);
            client.expect(&case.after);
        }
        client.expect(&case.tail);
        let peak = memory(&host, "VmHWM").saturating_sub(baseline);
        println!("{}: {} KiB", case.name, peak >> 10);
        assert!(peak < 64 * MIB, "{}: {peak} bytes over the {baseline} before", case.name);
    }
    assert!(host.terminate().success());
}

/// Keys that nobody has, containers that nobody made: however many one client asks for, the others are answered in between.
#[test]
fn misses_hold_nobody_up() {
    let host = HostConfig::new().option("-p 0 -t 1").start();
    let mut polite = host.client();
    polite.ask("set k 0 0 1\r\nx\r\n", "STORED\r\n");
    let names = |count: usize, name: &dyn Fn(usize) -> String| -> String {
        (0..count).map(|i| format!(" {}", name(i))).collect()
    };
    // What is asked, and how often at least the other client is answered before the end of it.
    let cases = [
        ("missing keys", format!("get{}\r\n", names(500_000, &|i| format!("none{i}"))), 100),
        ("the shortest keys", format!("get{}\r\n", names(4_000_000, &|_| "n".into())), 500),
        ("one unknown container", format!("get{}\r\n", names(100_000, &|_| "@@nobody.k".into())), 20),
        ("many unknown containers", format!("get{}\r\n", names(100_000, &|i| format!("@@nobody{i}.k"))), 30),
        ("packets", String::new(), 20),
    ];
    for (name, ask, least) in cases {
        let (packets, line) = (name == "packets", ask.into_bytes());
        let noop = packet(0x0a, 0, 0, b"", b"", b"");
        let ask = if packets { [packet(0x09, 0, 0, b"", b"none", b"").repeat(100_000), noop].concat() } else { line };
        let mut greedy = host.client();
        let (done, started) = (AtomicBool::new(false), number(&mut polite, "cmd_get"));
        let mut answered = 0;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                greedy.send(&ask);
                if packets {
                    greedy.read_exact(24);
                } else {
                    greedy.expect("END\r\n");
                }
                done.store(true, Ordering::Release);
            });
            wait_until("it is under way", || number(&mut polite, "cmd_get") > started);
            while !done.load(Ordering::Acquire) {
                polite.ask("get k\r\n", "VALUE k 0 1\r\nx\r\nEND\r\n");
                answered += 1;
            }
        });
        assert!(answered >= least, "{name}: answered {answered} times beside it");
    }
    assert!(host.terminate().success());
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

/// Requests that clients begin and do not finish are bounded over all connections; those with the most go first.
#[test]
fn unfinished_requests_are_bounded() {
    const CLIENTS: usize = 96;
    let begun = packet(0x01, 0, 0, &[0; 8], b"k", &vec![b'v'; MIB]);
    let cases = [
        ("a set", format!("set k 0 0 {MIB}\r\n{}", "v".repeat(MIB - 1)).into_bytes()),
        ("a meta set", format!("ms k {MIB}\r\n{}", "v".repeat(MIB - 1)).into_bytes()),
        ("a get of many keys", [&b"get "[..], &b"aa ".repeat(MIB / 3)].concat()),
        ("a packet", begun[..begun.len() - 1].to_vec()),
    ];
    let host = HostConfig::new().option("-p 0 -t 2 -o input_mem_limit=16").start();
    for (name, unfinished) in cases {
        std::fs::write(format!("/proc/{}/clear_refs", host.pid()), "5").unwrap();
        let baseline = memory(&host, "VmRSS");
        let mut modest = host.client();
        modest.send("set modest 0 0 100000\r\n");
        modest.send(vec![b'm'; 50_000]);
        let kicked = number(&mut host.client(), "input_limit_kicks");
        // Whoever is closed meanwhile cannot be sent to.
        let mut greedy: Vec<Client> = (0..CLIENTS).map(|_| host.client()).collect();
        greedy.iter_mut().for_each(|client| _ = client.try_send(&unfinished));
        let mut other = host.client();
        wait_until("some are closed", || number(&mut other, "input_limit_kicks") > kicked);
        wait_until("what is left is within the limit", || number(&mut other, "input_bytes") <= 16 << 20);
        let peak = memory(&host, "VmHWM").saturating_sub(baseline);
        println!("{name}: {} KiB", peak >> 10);
        assert!(peak < 64 * MIB, "{name}: {peak} bytes over the {baseline} before");
        modest.send(vec![b'm'; 50_000]);
        modest.ask("\r\n", "STORED\r\n");
        drop(greedy);
        wait_until("what they held is given back", || number(&mut other, "input_bytes") <= 64 << 10);
    }
    assert!(host.terminate().success());
}

/// What a transaction has changed waits in memory for its commit: large changes are committed in parts, in a tick and in a batch.
#[test]
fn changes_that_wait_for_a_commit_take_a_bounded_share_of_memory() {
    const KEYS: usize = 64;
    let large = 900 * 1024;
    let all = |each: &dyn Fn(usize) -> String| (0..KEYS).map(each).collect::<String>();
    let cases = [
        ("append to one key", "append k0 0 0 1\r\nx\r\n".repeat(400), "STORED\r\n", 400),
        (
            "touch all keys",
            (1..=4).map(|n| all(&|i| format!("touch k{i} {n}000\r\n"))).collect(),
            "TOUCHED\r\n",
            4 * KEYS,
        ),
        ("append to all keys", all(&|i| format!("append k{i} 0 0 1\r\nx\r\n")).repeat(4), "STORED\r\n", 4 * KEYS),
        ("meta renumber", all(&|i| format!("md k{i} I\r\n")).repeat(4), "HD\r\n", 4 * KEYS),
    ];
    for (batch, pool) in [(1, 16), (1_000_000, 16)] {
        let host = HostConfig::new()
            .option("-p 0 -t 1")
            .arg(format!("--daemon-memcached-w-batch-size={batch}"))
            .arg("--innodb-api-bk-commit-interval=100000")
            .arg(format!("--innodb-buffer-pool-size={pool}M"))
            .start();
        let mut client = host.client();
        for i in 0..KEYS {
            client.send(format!("set k{i} 0 0 {large}\r\n{}\r\n", "v".repeat(large)));
            client.expect("STORED\r\n");
        }
        for (name, ask, reply, times) in &cases {
            std::fs::write(format!("/proc/{}/clear_refs", host.pid()), "5").unwrap();
            let baseline = memory(&host, "VmRSS");
            client.send(ask);
            client.expect(reply.repeat(*times));
            let peak = memory(&host, "VmHWM").saturating_sub(baseline);
            println!("{name}, batches of {batch}: {} KiB over {} KiB", peak >> 10, baseline >> 10);
            assert!(peak < 160 * MIB, "{name}, batches of {batch}: {peak} bytes over the {baseline} before");
        }
        assert_eq!(host.rows("SELECT COUNT(*) FROM memcached.cache WHERE `key` = 'k0'"), [["1"]]);
        assert!(host.terminate().success());
    }
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

/// Keys that packets can store and lines cannot carry.
#[test]
fn keys_cannot_forge_replies() {
    let host = HostConfig::new().option("-p 0 -t 1 -D :").start();
    let mut client = host.client();
    let forged = ["a\r\nEND\r\nVALUE root 0 1\r\n1\r\nEND\r\n", "a b", "a\tc", "a\x7fd", "a\r\nEND:x"];
    let mut binary = host.client();
    for key in forged {
        binary.send(packet(0x01, 0, 0, &[0; 8], key.as_bytes(), b"x"));
        let header = binary.read_exact(24);
        assert_eq!(header[6..8], [0, 0], "{key:?} is stored");
    }
    client.ask("set a 0 0 1\r\n1\r\nset b 0 0 1\r\n2\r\n", "STORED\r\nSTORED\r\n");
    let both = "VALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n2\r\nEND\r\n";
    client.ask("get @>=a 9\r\n", both);
    // Those that are left out do not count for the limit.
    client.ask("get @>=a 2\r\n", both);
    client.ask("stats cachedump 1 100\r\n", "ITEM a [1 b; 0 s]\r\nITEM b [1 b; 0 s]\r\nEND\r\n");
    assert_eq!(number(&mut client, "unprintable_keys"), 3 * forged.len() as u64);
    client.ask("lru_crawler mgdump all\r\n", "OK\r\n");
    let encoded: Vec<String> = std::iter::from_fn(|| Some(client.read_line()).filter(|line| line != "EN")).collect();
    assert_eq!(
        encoded.iter().filter(|line| line.starts_with("mg ") && line.split(' ').count() == 3).count(),
        forged.len(),
        "{encoded:?}"
    );
    client.ask("lru_crawler metadump all\r\n", "OK\r\n");
    let dumped: Vec<String> = std::iter::from_fn(|| Some(client.read_line()).filter(|line| line != "END")).collect();
    assert!(dumped.len() == forged.len() + 2 && dumped.iter().all(|line| line.starts_with("key=")), "{dumped:?}");
    client.ask("stats detail dump\r\n", "END\r\n");
    client.ask("get b\r\n", "VALUE b 0 1\r\n2\r\nEND\r\n");
    assert!(host.terminate().success());
}
