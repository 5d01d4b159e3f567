//! kill -9 in the middle of acknowledged writes: what was acknowledged is there, what was not is whole or absent.

use crate::common::{Client, HostConfig};
use std::time::Duration;

const ROUNDS: u32 = 20;
const CLIENTS: usize = 8;

/// A value that tells its key and number, so that a torn or exchanged row shows.
fn value(client: usize, round: u32, n: u64) -> String {
    let text = format!("{client}:{round}:{n}:");
    text.repeat(1 + n as usize % 40)
}

/// Writes until the host dies, by text and by meta commands in turn; returns the number of acknowledged sets and of acknowledged increments.
fn write_until_the_end(mut client: Client, id: usize, round: u32) -> (u64, u64) {
    let (mut sets, mut increments) = (0, 0);
    loop {
        let value = value(id, round, sets);
        let (key, length) = (format!("c{id}-{round}-{sets}"), value.len());
        let (set, stored, incr) = match sets % 2 {
            0 => (format!("set {key} {round} 0 {length}\r\n{value}\r\n"), "STORED", format!("incr n{id} 1\r\n")),
            _ => (
                format!("ms {key} {length} F{round} ME\r\n{value}\r\n"),
                "HD",
                format!("ma n{id} q v\r\nma n{id} D0\r\n"),
            ),
        };
        if client.try_send(set).is_err() || !matches!(client.try_read_line(), Ok(Some(line)) if line == stored) {
            return (sets, increments);
        }
        sets += 1;
        if client.try_send(incr).is_err()
            || !matches!(client.try_read_line(), Ok(Some(line)) if line == "HD" || line.parse::<u64>().is_ok())
        {
            return (sets, increments);
        }
        increments += 1;
    }
}

fn check(client: &mut Client, id: usize, round: u32, acknowledged: u64) {
    // One more than acknowledged: that one may be there, but then whole.
    for n in 0..=acknowledged {
        client.send(format!("get c{id}-{round}-{n}\r\n"));
        let reply = client.read_reply();
        let value = value(id, round, n);
        let whole = format!("VALUE c{id}-{round}-{n} {round} {}\r\n{value}\r\nEND\r\n", value.len());
        let absent = n == acknowledged && reply == b"END\r\n";
        assert!(
            absent || reply == whole.as_bytes(),
            "round {round}, key {n} of {acknowledged}: {}",
            reply.escape_ascii()
        );
    }
    client.ask(format!("get c{id}-{round}-{}\r\n", acknowledged + 1), "END\r\n");
}

fn survive(level: u32) {
    let config = HostConfig::new().option("-p 0 -t 2").arg(format!("--innodb-flush-log-at-trx-commit={level}"));
    let mut counters = [0; CLIENTS];
    let mut host = config.start();
    let mut client = host.client();
    for id in 0..CLIENTS {
        client.ask(format!("set n{id} 0 0 1\r\n0\r\n"), "STORED\r\n");
    }
    for round in 0..ROUNDS {
        let results: Vec<(u64, u64)> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..CLIENTS)
                .map(|id| {
                    let client = host.client();
                    scope.spawn(move || write_until_the_end(client, id, round))
                })
                .collect();
            // Not a wait for a condition: the moment of the kill is meant to be arbitrary.
            std::thread::sleep(Duration::from_millis(60 + u64::from(round * 37 % 90)));
            host.kill9();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        host = config.start();
        let mut client = host.client();
        for (id, (sets, increments)) in results.into_iter().enumerate() {
            check(&mut client, id, round, sets);
            let expected = counters[id] + increments;
            client.send(format!("incr n{id} 0\r\n"));
            let found: u64 = client.read_line().parse().unwrap();
            assert!(
                found == expected || found == expected + 1,
                "round {round}: counter {found}, acknowledged {expected}"
            );
            counters[id] = found;
        }
    }
}

#[test]
fn acknowledged_writes_survive_kill_9_at_level_1() {
    survive(1);
}

#[test]
fn acknowledged_writes_survive_kill_9_at_level_2() {
    survive(2);
}
