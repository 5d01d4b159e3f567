//! The rules of a tick, through the real program: what happens to innocent requests when one of them, or the commit, fails.

use crate::common::{Client, Host, HostConfig};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn only_the_request_that_waits_too_long_for_a_lock_fails() {
    let host = HostConfig::new().option("-p 0 -t 2").start();
    let mut client = host.client();
    client.ask("set held 0 0 1\r\n1\r\n", "STORED\r\n");
    host.sql("BEGIN").unwrap();
    assert_eq!(host.rows("SELECT value FROM memcached.cache WHERE `key` = 'held' FOR UPDATE"), [["1"]]);
    client.ask(
        "set a 0 0 1\r\n1\r\nincr held 1\r\nset z 0 0 1\r\n3\r\nset held 0 0 1 noreply\r\n9\r\nget a\r\n",
        "STORED\r\nSERVER_ERROR lock wait timeout\r\nSTORED\r\nVALUE a 0 1\r\n1\r\nEND\r\n",
    );
    // Plain reads wait for nobody.
    host.client().ask("get held z\r\n", "VALUE held 0 1\r\n1\r\nVALUE z 0 1\r\n3\r\nEND\r\n");
    host.sql("COMMIT").unwrap();
    client.ask("incr held 1\r\n", "2\r\n");
    let stats = client.stats("");
    assert!(stats.iter().any(|(name, value)| name == "lock_wait_timeouts" && value == "2"), "{stats:?}");
}

#[test]
fn every_request_has_its_time_in_a_histogram() {
    let host = HostConfig::new().option("-p 0 -t 1").start();
    let mut client = host.client();
    client.ask("set a 0 0 1\r\n1\r\nincr a 1\r\ntouch a 0\r\n", "STORED\r\n2\r\nTOUCHED\r\n");
    client.ask(
        "get a\r\nget a b\r\nmg a\r\nversion\r\n".repeat(20),
        "VALUE a 0 1\r\n2\r\nEND\r\nVALUE a 0 1\r\n2\r\nEND\r\nHD\r\nVERSION 1.6.45-daemon_memcached-0.1.0\r\n"
            .repeat(20),
    );
    client.ask(
        "delete a\r\ndelete a\r\nset held 0 0 1 noreply\r\n1\r\nget held\r\n",
        "DELETED\r\nNOT_FOUND\r\nVALUE held 0 1\r\n1\r\nEND\r\n",
    );
    let times = |client: &mut Client| client.stats("latency").into_iter().collect::<BTreeMap<_, _>>();
    let counts = |times: &BTreeMap<String, String>| {
        ["get", "set", "delete", "incr", "touch", "other"]
            .map(|name| times[&format!("{name}:count")].parse::<u64>().unwrap())
    };
    let found = times(&mut client);
    assert_eq!(counts(&found), [61, 2, 2, 1, 1, 20]);
    assert!(found["commit:count"].parse::<u64>().unwrap() >= 2, "{found:?}");
    for name in ["get", "set", "commit"] {
        let values = ["p50_us", "p90_us", "p99_us", "p999_us", "max_us"];
        let values = values.map(|what| found[&format!("{name}:{what}")].parse::<f64>().unwrap());
        assert!(values[0] > 0.0 && values.is_sorted(), "{name}: {values:?}");
    }
    // A request that waits for a lock takes as long as the wait.
    host.sql("BEGIN; UPDATE memcached.cache SET value = '9' WHERE `key` = 'held'").unwrap();
    client.ask("set held 0 0 1\r\n2\r\n", "SERVER_ERROR lock wait timeout\r\n");
    host.sql("COMMIT").unwrap();
    let found = times(&mut client);
    assert!(found["set:max_us"].parse::<f64>().unwrap() >= 1e6, "{found:?}");
    client.ask("stats reset\r\n", "RESET\r\n");
    assert_eq!(counts(&times(&mut client))[..5], [0; 5]);
}

#[test]
fn a_commit_of_unknown_outcome_is_answered_by_a_close_and_never_repeated() {
    let host = HostConfig::new().option("-p 0 -t 1").start();
    let mut setup = host.client();
    setup.ask("set n 0 0 2\r\n10\r\n", "STORED\r\n");
    // The first failure loses the write, the second happens after it was made durable.
    host.sql("SET GLOBAL refengine_fail_commits = 2").unwrap();
    for _ in 0..2 {
        let mut client = host.client();
        client.send("incr n 1\r\n");
        client.expect_close();
    }
    setup.ask("get n\r\n", "VALUE n 0 2\r\n11\r\nEND\r\n");
    setup.ask("incr n 1\r\n", "12\r\n");
    host.wait_log("a commit failed with unknown outcome");
    let stats = setup.stats("");
    assert!(stats.iter().any(|(name, value)| name == "commit_failures" && value == "2"), "{stats:?}");
}

#[test]
fn readers_are_answered_although_the_commit_of_their_tick_fails() {
    let host = HostConfig::new().option("-p 0 -t 1").start();
    let mut reader = host.client();
    reader.ask("set r 0 0 1\r\n1\r\n", "STORED\r\n");
    host.sql("SET GLOBAL refengine_fail_commits = 1").unwrap();
    let mut writer = host.client();
    writer.send("set w 0 0 1\r\n1\r\n");
    reader.ask("get r\r\n", "VALUE r 0 1\r\n1\r\nEND\r\n");
    writer.expect_close();
    reader.ask("get w\r\n", "END\r\n");
}

/// gat of several keys locks them in the client's order, the only way to make two workers meet head-on.
#[test]
fn deadlocks_between_workers_are_run_again_and_nobody_notices() {
    let host = HostConfig::new().option("-p 0 -t 2").start();
    let mut setup = host.client();
    setup.ask("set a 0 0 1\r\n0\r\nset b 0 0 1\r\n0\r\n", "STORED\r\nSTORED\r\n");
    let deadlocked = AtomicBool::new(false);
    let rounds = |keys: &str, client: &mut crate::common::Client| {
        let mut done = 0u64;
        while !deadlocked.load(Ordering::Relaxed) && done < 200_000 {
            client.send(format!("incr {} 1\r\ngat 0 {keys}\r\n", &keys[..1]));
            let number = client.read_line();
            number.parse::<u64>().unwrap_or_else(|_| panic!("incr answered {number}"));
            let reply = client.read_reply();
            assert!(reply.ends_with(b"END\r\n") && reply.starts_with(b"VALUE"), "{}", reply.escape_ascii());
            done += 1;
            if done.is_multiple_of(100) && deadlocks(client) > 0 {
                deadlocked.store(true, Ordering::Relaxed);
            }
        }
        done
    };
    // Connections go to the workers in turn.
    let (mut one, mut two) = (host.client(), host.client());
    let (a, b) = std::thread::scope(|scope| {
        let a = scope.spawn(|| rounds("a b", &mut one));
        let b = scope.spawn(|| rounds("b a", &mut two));
        (a.join().unwrap(), b.join().unwrap())
    });
    assert!(deadlocks(&mut setup) > 0, "no deadlock in {a} + {b} rounds");
    setup.ask("get a\r\n", format!("VALUE a 0 {}\r\n{a}\r\nEND\r\n", a.to_string().len()));
    setup.ask("get b\r\n", format!("VALUE b 0 {}\r\n{b}\r\nEND\r\n", b.to_string().len()));
}

fn deadlocks(client: &mut crate::common::Client) -> u64 {
    client.stats("").into_iter().find(|(name, _)| name == "deadlocks").map_or(0, |(_, value)| value.parse().unwrap())
}

#[test]
fn many_connections_share_a_commit() {
    let host = HostConfig::new().option("-p 0 -t 1").start();
    let mut clients: Vec<_> = (0..32).map(|_| host.client()).collect();
    for round in 0..20 {
        for (i, client) in clients.iter_mut().enumerate() {
            client.send(format!("set s{i} 0 0 {}\r\n{round}\r\n", round.to_string().len()));
        }
        for client in &mut clients {
            client.expect("STORED\r\n");
        }
    }
    let commits: u64 = commits(&mut clients[0]);
    assert!(commits < 20 * 32 / 2, "{commits} commits for {} sets", 20 * 32);
}

/// Whoever pipelines without end has as many requests in a tick as `-R` allows; everybody else is answered in each of them.
#[test]
fn a_million_pipelined_requests_hold_nobody_up_for_more_than_a_tick() {
    const MILLION: usize = 1_000_000;
    const PER_TICK: u64 = 64;
    let host = HostConfig::new().option("-p 0 -t 1 -R 64").start();
    let (greedy, mut polite) = (std::net::TcpStream::connect(("127.0.0.1", host.port())).unwrap(), host.client());
    polite.ask("set k 0 0 1\r\nx\r\n", "STORED\r\n");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| (&greedy).write_all("get none\r\n".repeat(MILLION).as_bytes()).unwrap());
        scope.spawn(|| {
            let (mut left, mut buffer) = (MILLION * "END\r\n".len(), vec![0; 1 << 16]);
            while left > 0 {
                let n = (&greedy).read(&mut buffer).unwrap();
                assert!(n > 0, "{left} bytes are missing");
                left -= n;
            }
            done.store(true, Ordering::Release);
        });
        let mut answered = 0;
        let mut progress = || {
            let stats = polite.stats("");
            let number = |name: &str| stats.iter().find(|(n, _)| n == name).unwrap().1.parse::<u64>().unwrap();
            (number("ticks"), number("cmd_get"))
        };
        let mut before = progress();
        while !done.load(Ordering::Acquire) {
            let now = progress();
            // The tick that tells is not over: its requests may count, it does not.
            assert!(now.1 - before.1 <= (now.0 - before.0 + 1) * PER_TICK, "{before:?} to {now:?}");
            before = now;
            answered += 1;
        }
        assert!(answered > 10, "answered {answered} times beside a million requests");
    });
}

fn commits(client: &mut crate::common::Client) -> u64 {
    client.stats("").into_iter().find(|(name, _)| name == "commits").map_or(0, |(_, value)| value.parse().unwrap())
}

#[test]
fn ddl_gets_in_between_ticks() {
    let host: Host = HostConfig::new().option("-p 0 -t 2").start();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let mut client = host.client();
            let stop = &stop;
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    client.ask("set k 0 0 1\r\nx\r\n", "STORED\r\n");
                    client.send("get k\r\n");
                    client.read_reply();
                }
            });
        }
        for _ in 0..20 {
            host.sql("TRUNCATE TABLE memcached.cache").unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
}
