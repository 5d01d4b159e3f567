//! Listeners, limits and patience: where clients come in, how many, and what becomes of those that ask nothing or read nothing.

use crate::common::patient::{self, wait_until};
use crate::common::{Client, Host, HostConfig, PATIENCE};
use std::net::TcpStream;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const MIB: usize = 1 << 20;

/// A statistic, as another client sees it.
fn stat(client: &mut Client, name: &str) -> u64 {
    let stats = client.stats("");
    let value = stats.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}"));
    value.1.parse().unwrap()
}

/// Memory of the program in bytes that is its own.
fn memory(host: &Host) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("a line RssAnon");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).expect("a number") * 1024
}

fn connect(address: &str) -> Client {
    Client::over(patient::connect(address))
}

/// Caches take memory with the rows that are in them, not before.
#[test]
fn a_host_with_few_rows_takes_little_memory() {
    const LIMIT: usize = 16 * MIB;
    let host = HostConfig::new().start();
    let mut client = host.client();
    for number in 0..1000 {
        client.ask(
            format!("set few{number} 0 0 1\r\nx\r\nget few{number}\r\n"),
            format!("STORED\r\nVALUE few{number} 0 1\r\nx\r\nEND\r\n"),
        );
    }
    let taken = memory(&host);
    assert!(taken < LIMIT, "{taken} bytes");
}

/// Descriptor numbers, addresses and seconds are what they are; everything else is memcached's.
#[test]
fn stats_conns_tells_who_is_connected() {
    let config = HostConfig::new();
    let socket = config.scratch().join("memcached.sock");
    let host = config.clone().option(&format!("-p 0 -l 127.0.0.1,::1 -t 2 -s {}", socket.display())).start();
    let mut client = host.client();
    let other = std::net::TcpStream::connect(("127.0.0.1", host.port())).unwrap();
    let local = Client::connect_unix(&socket);
    let mut tcp = Vec::new();
    // What listens is told, too, for as long as the daemon runs.
    let connected = |client: &mut Client| -> Vec<(String, String)> {
        let all = client.stats("conns");
        let listens =
            |fd: &str| all.iter().any(|(name, state)| *name == format!("{fd}:state") && state == "conn_listening");
        let address = |(name, _): &&(String, String)| name.strip_suffix(":addr").is_some_and(|fd| !listens(fd));
        all.iter().filter(address).cloned().collect()
    };
    let listening = client.stats("conns").iter().filter(|(_, state)| state == "conn_listening").count();
    assert_eq!(listening, 3, "two addresses and a socket");
    // Another worker may enter its connection a moment later.
    wait_until("three connections are told", || {
        tcp = connected(&mut client);
        tcp.len() == 3
    });
    assert!(tcp.iter().any(|(_, address)| *address == format!("tcp:{}", other.local_addr().unwrap())), "{tcp:?}");
    assert!(tcp.iter().any(|(_, address)| address == "unix:"), "{tcp:?}");
    let all = client.stats("conns");
    let listening = format!("tcp:127.0.0.1:{}", host.port());
    assert!(all.iter().any(|(name, value)| name.ends_with(":listen_addr") && *value == listening), "{all:?}");
    assert!(all.iter().any(|(name, value)| name.ends_with(":secs_since_last_cmd") && value == "0"), "{all:?}");
    assert!(all.iter().any(|(name, value)| name.ends_with(":state") && value == "conn_read"), "{all:?}");
    drop((other, local));
    wait_until("who left is told no more", || connected(&mut client).len() == 1);
}

#[test]
fn every_listener_serves_the_same_rows() {
    for (addresses, expected) in [
        ("-l 127.0.0.1", vec!["127.0.0.1:"]),
        ("-l 127.0.0.1,[::1]", vec!["127.0.0.1:", "[::1]:"]),
        ("-l 127.0.0.1 -l ::1 -l 127.0.0.2:0", vec!["127.0.0.1:", "[::1]:", "127.0.0.2:"]),
        ("-l [::1]:0,127.0.0.1,127.0.0.1", vec!["[::1]:", "127.0.0.1:"]),
        // Without -Z there is nothing to leave out.
        ("-l notls:127.0.0.1", vec!["127.0.0.1:"]),
    ] {
        let config = HostConfig::new();
        let socket = config.scratch().join("memcached.sock");
        let host = config.clone().option(&format!("-p 0 {addresses} -s {}", socket.display())).start();
        let listening = host.status("Daemon_memcached_listening").unwrap();
        let mut addresses: Vec<&str> = listening.split(", ").collect();
        assert_eq!(addresses.pop(), socket.to_str(), "{listening}");
        assert_eq!(addresses.len(), expected.len(), "{listening}");
        Client::connect_unix(&socket).ask("set k 0 0 1\r\nx\r\n", "STORED\r\n");
        for (address, expected) in addresses.iter().zip(expected) {
            assert!(address.starts_with(expected), "{listening}");
            connect(address).ask("get k\r\n", "VALUE k 0 1\r\nx\r\nEND\r\n");
        }
        assert!(host.terminate().success());
        assert!(!socket.exists(), "the socket's file stays behind");
    }
}

#[test]
fn a_socket_file_is_taken_over_only_from_the_dead() {
    let config = HostConfig::new();
    let path = config.scratch().join("memcached.sock");
    let config = config.option(&format!("-p 0 -s {}", path.display()));
    // A file of somebody's that is no socket, then a socket that is in use.
    std::fs::write(&path, "precious").unwrap();
    let error = config.try_start().err().expect("the file is no socket");
    assert!(error.contains("memcached.sock") && error.contains("is no socket"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    std::fs::remove_file(&path).unwrap();
    let living = UnixListener::bind(&path).unwrap();
    let error = config.try_start().err().expect("the socket is in use");
    assert!(error.contains("another process listens on it"), "{error}");
    drop(living);
    // What a killed host leaves behind does not keep the next one from starting.
    for _ in 0..2 {
        let host = config.start();
        Client::connect_unix(&path).ask("set k 0 0 1\r\nx\r\n", "STORED\r\n");
        host.kill9();
        assert!(path.exists());
    }
}

#[test]
fn a_flood_of_connections_over_the_limit_does_not_starve_those_inside() {
    const INSIDE: usize = 4;
    let host = HostConfig::new().option(&format!("-p 0 -t 2 -c {INSIDE}")).start();
    let port = host.port();
    let mut inside: Vec<Client> = (0..INSIDE).map(|_| host.client()).collect();
    inside.iter_mut().for_each(|client| client.ask("set k 0 0 1\r\nx\r\n", "STORED\r\n"));
    let over = AtomicBool::new(false);
    let refused = std::thread::scope(|scope| {
        let floods: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut refused = 0;
                    while !over.load(Ordering::Relaxed) {
                        let mut outside = Client::connect(port);
                        outside.expect("ERROR Too many open connections\r\n");
                        outside.expect_close();
                        refused += 1;
                    }
                    refused
                })
            })
            .collect();
        // A flood is under way, and still every request inside is answered.
        for i in 0..500 {
            for client in &mut inside {
                client.ask(
                    format!("set k 0 0 3\r\n{:03}\r\nget k\r\n", i),
                    format!("STORED\r\nVALUE k 0 3\r\n{i:03}\r\nEND\r\n"),
                );
            }
        }
        wait_until("refusals", || stat(&mut inside[0], "rejected_connections") > 100);
        over.store(true, Ordering::Relaxed);
        floods.into_iter().map(|flood| flood.join().unwrap()).sum::<u64>()
    });
    assert_eq!(stat(&mut inside[0], "rejected_connections"), refused);
    assert_eq!(stat(&mut inside[0], "curr_connections"), INSIDE as u64);
}

#[test]
fn idle_connections_are_closed_and_counted_and_busy_ones_are_not() {
    let config = HostConfig::new();
    let socket = config.scratch().join("memcached.sock");
    let host = config
        .clone()
        .option(&format!("-p 0 -l 127.0.0.1 -t 2 -s {} -o modern,idle_timeout=1", socket.display()))
        .start();
    let mut busy = host.client();
    let mut idle = [host.client(), host.client(), Client::connect_unix(&socket)];
    idle[0].ask("get none\r\n", "END\r\n");
    // Half a request is not a request.
    idle[1].send("set half 0 0 10\r\nab");
    wait_until("three idle connections are closed", || stat(&mut busy, "idle_kicks") == 3);
    idle.iter_mut().for_each(Client::expect_close);
    busy.ask("get half\r\n", "END\r\n");
    assert_eq!(stat(&mut busy, "curr_connections"), 1);
    assert!(busy.stats("settings").contains(&("idle_timeout".into(), "1".into())));
    host.wait_log("option -o modern has no meaning inside a host");
    // By default everybody may stay.
    let host = Host::start();
    assert!(host.client().stats("settings").contains(&("idle_timeout".into(), "0".into())));
}

/// What one client may make the daemon hold is bounded, and so is the time for which it holds it.
#[test]
fn clients_that_never_read_are_bounded_and_then_closed() {
    const LAZY: usize = 6;
    let host = HostConfig::new().option("-p 0 -t 2 -o output_timeout=1").start();
    let value = "v".repeat(MIB);
    let mut client = host.client();
    client.ask(format!("set big 0 0 {MIB}\r\n{value}\r\n"), "STORED\r\n");
    client.ask("get none\r\n", "END\r\n");
    let before = memory(&host);
    let mut lazy: Vec<Client> = (0..LAZY).map(|_| host.client()).collect();
    for client in &mut lazy {
        client.send("get big\r\n".repeat(200));
    }
    let mut most = 0;
    wait_until("they are closed", || {
        most = most.max(memory(&host).saturating_sub(before));
        client.ask("get none\r\n", "END\r\n");
        stat(&mut client, "output_kicks") == LAZY as u64
    });
    // 8 MiB and a value for each, once more while a tick builds it for each worker, and what the allocator makes of it.
    assert!(most < (LAZY + 2) * 2 * 9 * MIB, "{LAZY} clients that read nothing took {most} bytes");
    assert_eq!(stat(&mut client, "curr_connections"), 1);
}

/// Slow is not idle: what counts is that something of the reply goes.
#[test]
fn a_client_that_reads_slowly_is_served_to_the_end() {
    const TIMES: usize = 40;
    let host = HostConfig::new().option("-p 0 -t 2 -o output_timeout=4").start();
    let value = "v".repeat(MIB);
    let mut slow = host.client();
    slow.ask(format!("set big 0 0 {MIB}\r\n{value}\r\n"), "STORED\r\n");
    slow.send("get big\r\n".repeat(TIMES));
    // For longer than its patience lasts the host has something to send.
    for _ in 0..TIMES {
        slow.expect(format!("VALUE big 0 {MIB}\r\n"));
        slow.read_exact(MIB);
        slow.expect("\r\nEND\r\n");
        std::thread::sleep(Duration::from_millis(150));
    }
    slow.ask("get none\r\n", "END\r\n");
    assert_eq!(stat(&mut slow, "output_kicks"), 0);
}

/// The figure of the README's table.
#[test]
fn ten_thousand_idle_connections_take_less_than_two_kibibytes_each() {
    const CONNECTIONS: usize = 10_000;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is readable and writable.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
    let needed = CONNECTIONS as u64 + 200;
    assert!(
        limit.rlim_max > needed,
        "this test needs {needed} descriptors: raise ulimit -Hn, it is {}",
        limit.rlim_max
    );
    let host = HostConfig::new().option(&format!("-p 0 -t 4 -c {}", CONNECTIONS + 100)).start();
    let port = host.port();
    let serve = |stream: &TcpStream| {
        use std::io::{Read, Write};
        let (mut stream, mut answer) = (stream, [0; 5]);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"get k\r\n").unwrap();
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, *b"END\r\n");
    };
    // What a worker needs anyway is there before it is counted.
    let first: Vec<TcpStream> = (0..64).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    first.iter().for_each(serve);
    let before = memory(&host);
    let idle: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|_| {
            let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            serve(&stream);
            stream
        })
        .collect();
    let each = memory(&host).saturating_sub(before) / CONNECTIONS;
    println!("an idle connection takes {each} bytes");
    assert!(each < 2048, "an idle connection takes {each} bytes");
    let mut client = host.client();
    assert_eq!(stat(&mut client, "curr_connections"), (CONNECTIONS + first.len() + 1) as u64);
    idle.iter().step_by(997).for_each(serve);
}
