//! Two machines, one floating address, a disk that the peer mirrors block by block: the active machine dies or loses its disk, the other
//! takes image and address over. Clients find it, and nothing that was acknowledged is lost.

use crate::common::HostConfig;
use crate::machines::{Namespace, Network};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const ROUNDS: u32 = 20;
const WRITERS: usize = 4;
/// Acknowledged sets that a round waits for before it breaks something.
const SETS: u64 = 300;
const FLOATING: &str = "10.77.0.100";
const PORT: u16 = 11300;
/// Bound of every wait.
const PATIENCE: Duration = Duration::from_secs(60);

struct Connection {
    reader: BufReader<TcpStream>,
}

impl Connection {
    fn open() -> io::Result<Connection> {
        let address: SocketAddr = format!("{FLOATING}:{PORT}").parse().unwrap();
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.set_nodelay(true)?;
        Ok(Connection { reader: BufReader::new(stream) })
    }

    /// One line for one request.
    fn ask(&mut self, request: &str) -> io::Result<String> {
        self.reader.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        match self.reader.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}

/// What the writers have heard.
#[derive(Default)]
struct Heard {
    stop: AtomicBool,
    /// Sets that were acknowledged, in all.
    stored: AtomicU64,
    /// Requests that were answered with an error.
    refused: AtomicU64,
}

/// What one writer knows at the end.
#[derive(Default)]
struct Account {
    /// Keys `w<id>-0 ..`: whether the set was acknowledged.
    sets: Vec<bool>,
    increments: u64,
    /// Increments without an answer, which may have counted.
    unknown: u64,
}

/// Sets new keys and counts, on one connection after another, until it is told to stop.
fn write(id: usize, clients: &Namespace, heard: &Heard) -> Account {
    clients.enter();
    let mut account = Account::default();
    let mut connection = None;
    while !heard.stop.load(Ordering::Relaxed) {
        let Some(open) = connection.as_mut() else {
            connection = Connection::open().ok();
            if connection.is_none() {
                std::thread::sleep(Duration::from_millis(5));
            }
            continue;
        };
        let key = account.sets.len();
        let set = open.ask(&format!("set w{id}-{key} 0 0 8\r\n{key:08}\r\n"));
        account.sets.push(matches!(set.as_deref(), Ok("STORED")));
        let Ok(line) = set else {
            connection = None;
            continue;
        };
        match line.as_str() {
            "STORED" => _ = heard.stored.fetch_add(1, Ordering::Relaxed),
            refused => {
                assert!(refused.starts_with("SERVER_ERROR"), "{refused}");
                heard.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
        match open.ask(&format!("incr n{id} 1\r\n")) {
            Ok(line) if line.parse::<u64>().is_ok() => account.increments += 1,
            Ok(line) => assert!(line.starts_with("SERVER_ERROR"), "{line}"),
            Err(_) => {
                account.unknown += 1;
                connection = None;
            }
        }
    }
    account
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn check(accounts: &[Account], clients: &Namespace) {
    clients.enter();
    let mut connection = Connection::open().unwrap();
    for (id, account) in accounts.iter().enumerate() {
        for (key, acknowledged) in account.sets.iter().enumerate() {
            let line = connection.ask(&format!("get w{id}-{key}\r\n")).unwrap();
            if line == "END" {
                assert!(!acknowledged, "w{id}-{key} was acknowledged and is lost");
                continue;
            }
            assert_eq!(line, format!("VALUE w{id}-{key} 0 8"));
            assert_eq!(connection.ask("").unwrap(), format!("{key:08}"));
            assert_eq!(connection.ask("").unwrap(), "END");
        }
        let counted: u64 = connection.ask(&format!("incr n{id} 0\r\n")).unwrap().parse().unwrap();
        let range = account.increments..=account.increments + account.unknown;
        assert!(range.contains(&counted), "n{id} is {counted}, and should be in {range:?}");
    }
}

#[test]
#[ignore = "needs root and iputils-arping; tests/run --cluster runs it"]
fn nothing_acknowledged_is_lost_when_the_peer_takes_disk_and_address_over() {
    let network = Network::new("fo");
    let config = || HostConfig::new().option(&format!("-l {FLOATING}:{PORT} -t 2")).arg("--skip-networking");
    let (mut active, mut peer) = (network.site("a", config()), network.site("b", config()));
    active.mount();
    active.take_address(FLOATING);
    let mut host = Some(active.config.start());
    let rows: Vec<String> = (0..WRITERS).map(|id| format!("('n{id}', '0')")).collect();
    host.as_ref()
        .unwrap()
        .sql(&format!("INSERT INTO memcached.cache (`key`, value) VALUES {}", rows.join(", ")))
        .unwrap();
    let (heard, clients) = (Heard::default(), &network.clients);
    let accounts: Vec<Account> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|id| {
                scope.spawn({
                    let heard = &heard;
                    move || write(id, clients, heard)
                })
            })
            .collect();
        let mut slowest = Duration::ZERO;
        for round in 0..ROUNDS {
            let before = heard.stored.load(Ordering::Relaxed);
            wait_for("no sets are stored", || heard.stored.load(Ordering::Relaxed) >= before + SETS);
            let begun = Instant::now();
            if round % 2 == 1 {
                let refused = heard.refused.load(Ordering::Relaxed);
                active.cut_the_disk();
                wait_for("no set is refused without a disk", || heard.refused.load(Ordering::Relaxed) > refused);
            }
            host.take().unwrap().kill9();
            active.mirror_to(&peer);
            active.drop_address(FLOATING);
            active.unmount();
            std::mem::swap(&mut active, &mut peer);
            active.mount();
            active.take_address(FLOATING);
            host = Some(active.config.start());
            let before = heard.stored.load(Ordering::Relaxed);
            wait_for("no client comes back", || heard.stored.load(Ordering::Relaxed) > before);
            slowest = slowest.max(begun.elapsed());
        }
        println!("from the fault to the first acknowledged set: {slowest:?} at most in {ROUNDS} rounds");
        heard.stop.store(true, Ordering::Relaxed);
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let stored = heard.stored.load(Ordering::Relaxed);
    assert!(stored >= u64::from(ROUNDS) * SETS);
    std::thread::scope(|scope| scope.spawn(|| check(&accounts, clients)).join()).unwrap();
    println!("{stored} sets were acknowledged, none is lost");
    host.unwrap().terminate();
    active.unmount();
}
