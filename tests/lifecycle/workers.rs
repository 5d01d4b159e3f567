//! A worker whose poller fails, or that meets a defect: it loses its connections, and everything else goes on.

use crate::common::patient::wait_until;
use crate::common::{Host, HostConfig};
use std::path::PathBuf;
use std::time::Instant;

/// A host in which calls of the system fail as the file `switch` says, by `tests/c/calls.c`.
fn config() -> HostConfig {
    let config = HostConfig::new().option("-p 0 -t 2");
    let (library, switch) = (config.scratch().join("calls.so"), config.scratch().join("switch"));
    crate::common::cc(&["-O1", "-shared", "-fPIC", "tests/c/calls.c", "-ldl"], &library);
    config.env("LD_PRELOAD", library).env("CALLS_SWITCH", switch)
}

fn switch(host: &Host) -> PathBuf {
    host.config().scratch().join("switch")
}

fn connections(host: &Host) -> String {
    host.status("Daemon_memcached_curr_connections").unwrap()
}

#[test]
fn a_poller_that_fails_costs_the_worker_its_connections_and_no_rest() {
    let host = config().start();
    // Workers take connections in turns.
    let (mut unlucky, mut other) = (host.client(), host.client());
    unlucky.ask("set k 0 0 1\r\nx\r\n", "STORED\r\n");
    std::fs::write(switch(&host), "poll memcached-0\n").unwrap();
    let begun = Instant::now();
    // The failure comes behind the answer, or before the request where the worker has looked at a clock.
    unlucky.send("get k\r\n");
    let answer: Vec<String> = std::iter::from_fn(|| unlucky.try_read_line().ok().flatten()).collect();
    assert!(answer.is_empty() || answer == ["VALUE k 0 1", "x", "END"], "{answer:?}");
    host.wait_log("polling failed");
    let failures = || std::fs::read_to_string(switch(&host)).unwrap().matches('.').count();
    wait_until("it tries again", || failures() > 5);
    // A pause of 100 ms is between two of them.
    let (failures, elapsed) = (failures(), begun.elapsed());
    assert!(failures as u128 <= elapsed.as_millis() / 100 + 2, "{failures} times in {elapsed:?}");
    (0..100).for_each(|_| other.ask("get k\r\n", "VALUE k 0 1\r\nx\r\nEND\r\n"));
    std::fs::remove_file(switch(&host)).unwrap();
    for _ in 0..4 {
        host.client().ask("get k\r\n", "VALUE k 0 1\r\nx\r\nEND\r\n");
    }
    wait_until("those that were closed are not counted any more", || connections(&host) == "1");
    assert!(host.terminate().success());
}

/// The defect is a clock that fails, which Rust's library answers with a panic: at each of the first places of a tick that look at it.
#[test]
fn a_defect_in_a_tick_costs_the_worker_its_connections_and_no_rest() {
    const PLACES: usize = 8;
    const MET: &str = "worker 0: a defect was caught";
    let host =
        config().arg("--daemon-memcached-w-batch-size=1000").arg("--innodb-api-bk-commit-interval=100000").start();
    let met = || host.log().matches(MET).count();
    let mut defects = 0;
    for place in 1..=PLACES {
        let (mut unlucky, mut other, before) = (host.client(), host.client(), met());
        other.ask("get none\r\n", "END\r\n");
        std::fs::write(switch(&host), format!("clock memcached-0 {place}")).unwrap();
        unlucky.send(format!("set k{place} 0 0 1\r\nx\r\n"));
        let answer = unlucky.try_read_line().ok().flatten();
        std::fs::remove_file(switch(&host)).unwrap();
        match answer.as_deref() {
            Some(line) => assert_eq!(line, "STORED"),
            None => {
                defects += 1;
                wait_until("it is told of", || met() > before);
            }
        }
        other.ask("get none\r\n", "END\r\n");
        drop((unlucky, other));
        wait_until("nobody is counted any more", || connections(&host) == "0");
    }
    // How often a tick looks at the clock is its own affair, but it does.
    assert!(defects > 0, "no clock of a tick has failed");
    // A worker that were still taken to be at work would have others commit their batches: nobody waits for this one. A busy machine
    // may make a phase last so long that it is taken for one that waits; not each time.
    let uptime = || host.status("Daemon_memcached_uptime").unwrap().parse::<u64>().unwrap();
    let stored =
        |key: &str| host.rows(&format!("SELECT COUNT(*) FROM memcached.cache WHERE `key` = '{key}'")) == [["1"]];
    let stays_open = (0..20).any(|attempt| {
        let (mut client, begun, key) = (host.client(), uptime(), format!("open{attempt}"));
        client.ask(format!("set {key} 0 0 1\r\nx\r\n"), "STORED\r\n");
        wait_until("the supervisor has looked", || uptime() > begun + 1);
        let open = !stored(&key);
        drop(client);
        wait_until("its batch is committed", || stored(&key));
        open
    });
    assert!(stays_open, "every batch was committed at once");
    assert!(host.terminate().success());
}
