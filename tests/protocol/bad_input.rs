//! Clients that are broken, slow or hostile. Each gets the documented error or a close; the program lives on and serves the others.

use crate::common::patient::{self, wait_until};
use crate::common::random::Random;
use crate::common::{Client, Host, HostConfig};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

const MIB: usize = 1 << 20;
const BAD_FORMAT: &str = "CLIENT_ERROR bad command line format\r\n";

/// Another client is served, now.
#[track_caller]
fn serves(port: u16) {
    Client::connect(port).ask("set well 7 0 2\r\nok\r\nget well\r\n", "STORED\r\nVALUE well 7 2\r\nok\r\nEND\r\n");
}

fn connect(port: u16) -> TcpStream {
    patient::connect(("127.0.0.1", port))
}

/// Everything that the host answers to `input` until it closes. The host may close before it has read all of it.
#[track_caller]
fn exchange(port: u16, input: &[u8]) -> Vec<u8> {
    let stream = connect(port);
    let mut answer = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = (&stream).write_all(input);
            let _ = stream.shutdown(Shutdown::Write);
        });
        match (&stream).read_to_end(&mut answer) {
            Err(e) if e.kind() != std::io::ErrorKind::ConnectionReset => panic!("{e} after {} bytes", answer.len()),
            _ => {}
        }
    });
    answer
}

/// Memory of the program in bytes, as the kernel counts it.
fn memory(host: &Host) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line VmRSS");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).expect("a number") * 1024
}

/// Bytes by chance.
struct Noise(Random);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0.next()
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| (self.next() >> 32) as u8).collect()
    }
}

#[test]
fn wrong_commands_are_answered_and_the_connection_goes_on() {
    let host = Host::start();
    let port = host.port();
    let key = "k".repeat(251);
    let line = |text: &str| text.replace("KEY", &key);
    let chunk = "CLIENT_ERROR bad data chunk\r\n";
    let too_large = "SERVER_ERROR object too large for cache\r\n";
    let delta = "CLIENT_ERROR invalid numeric delta argument\r\n";
    let exptime = "CLIENT_ERROR invalid exptime argument\r\n";
    let cases = [
        // Lengths.
        ("set k 0 0 -1\r\n".into(), BAD_FORMAT),
        ("set k 0 0 -2147483649\r\n".into(), BAD_FORMAT),
        ("set k 0 0 2147483647\r\n".into(), BAD_FORMAT),
        ("set k 0 0 4294967297\r\n".into(), BAD_FORMAT),
        ("set k 0 0 9223372036854775808\r\n".into(), BAD_FORMAT),
        ("set k 0 0 99999999999999999999999999\r\n".into(), BAD_FORMAT),
        ("set k 0 0 five\r\n".into(), BAD_FORMAT),
        ("set k 0 0 5five\r\n".into(), BAD_FORMAT),
        ("set k 0 0\r\n".into(), BAD_FORMAT),
        (format!("set k 0 0 {}\r\n{}\r\n", MIB + 1, "v".repeat(MIB + 1)), too_large),
        (format!("append k 0 0 {}\r\n{}\r\n", 30 * MIB, "v".repeat(30 * MIB)), too_large),
        // Data that is shorter or longer than its length.
        ("set k 0 0 1\r\nabc".into(), chunk),
        ("set k 0 0 4\r\na\r\n\r\n\r".into(), chunk),
        ("set k 0 0 1\r\na\n\n".into(), chunk),
        ("set k 0 0 0\r\na\n".into(), chunk),
        // Flags, times, numbers.
        ("set k -1 0 1\r\nv\r\n".into(), BAD_FORMAT),
        ("set k 4294967296 0 1\r\nv\r\n".into(), BAD_FORMAT),
        ("set k 0 tomorrow 1\r\nv\r\n".into(), BAD_FORMAT),
        ("cas k 0 0 1\r\nv\r\n".into(), BAD_FORMAT),
        ("cas k 0 0 1 -1\r\nv\r\n".into(), BAD_FORMAT),
        ("incr k -1\r\n".into(), delta),
        ("incr k 18446744073709551616\r\n".into(), delta),
        ("touch k soon\r\n".into(), exptime),
        ("gat soon k\r\n".into(), exptime),
        // Keys of 251 bytes.
        (line("get KEY\r\n"), BAD_FORMAT),
        (line("get k KEY k\r\n"), BAD_FORMAT),
        (line("gat 0 KEY\r\n"), BAD_FORMAT),
        (line("set KEY 0 0 1\r\nv\r\n"), BAD_FORMAT),
        (line("cas KEY 0 0 1 1\r\nv\r\n"), BAD_FORMAT),
        (line("append KEY 0 0 1\r\nv\r\n"), BAD_FORMAT),
        (line("delete KEY\r\n"), BAD_FORMAT),
        (line("incr KEY 1\r\n"), BAD_FORMAT),
        (line("touch KEY 0\r\n"), BAD_FORMAT),
        // Lines that are none.
        ("\r\n".into(), BAD_FORMAT),
        ("get\r\n".into(), BAD_FORMAT),
        ("\0\0\0\0\r\n".into(), "ERROR\r\n"),
        ("SELECT 1;\r\n".into(), "ERROR\r\n"),
        (line("x".repeat(2048).as_str()) + "\n", "ERROR\r\n"),
    ];
    let mut client = Client::connect(port);
    client.ask("set k 5 0 3\r\nold\r\n", "STORED\r\n");
    for (input, expected) in cases {
        println!("{:?} of {} bytes", &input[..input.len().min(60)], input.len());
        client.send(&input);
        client.expect(expected);
        client.ask("get k\r\n", "VALUE k 5 3\r\nold\r\nEND\r\n");
    }
    serves(port);
    assert!(host.terminate().success());
}

#[test]
fn what_cannot_be_the_protocol_is_closed() {
    let host = Host::start();
    let port = host.port();
    let mut tls = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec();
    tls.extend(std::iter::repeat_n(0xaa, 3000));
    let cases: [(&str, Vec<u8>); 8] = [
        ("10 MB without a line end", vec![b'x'; 10_000_000]),
        ("10 MB with a line end", [vec![b'x'; 10_000_000], b"\r\n".to_vec()].concat()),
        ("a set line of 10 MB", [b"set ".to_vec(), vec![b'x'; 10_000_000], b" 0 0 1\r\nx\r\n".to_vec()].concat()),
        ("a get line of 10 MB", [b"get ".to_vec(), b"key ".repeat(2_500_000), b"\r\n".to_vec()].concat()),
        ("a get line of 10 MB that does not end", [b"gets ".to_vec(), vec![b'k'; 10_000_000]].concat()),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
        ("HTTP with a body of commands", b"POST / HTTP/1.1\r\n\r\nset h 0 0 1\r\nx\r\n".to_vec()),
        ("TLS", tls),
    ];
    for (name, input) in cases {
        println!("{name}");
        let mut client = Client::connect(port);
        // The host may hang up in the middle of it.
        let _ = client.try_send(&input);
        client.expect_close();
        serves(port);
    }
    host.client().ask("get h\r\n", "END\r\n");
    let keys = "key ".repeat(250_000);
    host.client().ask(format!("get {keys}\r\nget well\r\n"), "END\r\nVALUE well 7 2\r\nok\r\nEND\r\n");
    assert!(host.terminate().success());
}

#[test]
fn rubbish_gets_errors_or_a_close() {
    let host = Host::start();
    let port = host.port();
    let words = [
        "get",
        "set",
        "add",
        "cas",
        "append",
        "incr",
        "decr",
        "delete",
        "touch",
        "gat",
        "gats",
        "stats",
        "verbosity",
        "noreply",
        "bind",
        "version",
        "k",
        "0",
        "1",
        "-1",
        "2147483645",
        "4294967296",
        "x",
        "\r\n",
        "\r\n",
        "\n",
        "\0",
        "\r",
        " ",
        "VALUE k 0 1",
    ];
    let mut noise = Noise(Random(0x5eed_5eed_5eed_5eed));
    for round in 0..60 {
        let input = if round % 3 == 0 {
            noise.bytes(64 << 10)
        } else {
            (0..2000).map(|_| words[noise.next() as usize % words.len()]).collect::<Vec<_>>().join(" ").into_bytes()
        };
        let answer = exchange(port, &input);
        if round % 3 == 0 {
            // Nobody finds a command in random bytes; every line is an error.
            for line in answer.split_inclusive(|byte| *byte == b'\n') {
                let known = line == b"ERROR\r\n" || line.starts_with(b"CLIENT_ERROR ");
                assert!(known && line.ends_with(b"\r\n"), "round {round}: \"{}\"", line.escape_ascii());
            }
        }
        serves(port);
    }
    assert!(host.terminate().success());
}

#[test]
fn a_flood_of_errors_is_answered_line_by_line() {
    const LINES: usize = 200_000;
    let host = Host::start();
    let answer = exchange(host.port(), &b"\r\n".repeat(LINES));
    assert_eq!(answer.len(), LINES * BAD_FORMAT.len());
    assert!(answer.chunks(BAD_FORMAT.len()).all(|line| line == BAD_FORMAT.as_bytes()));
    assert!(host.terminate().success());
}

#[test]
fn a_value_without_its_end_is_not_stored() {
    let host = Host::start();
    let port = host.port();
    for input in ["set cut 0 0 5\r\nabc", "set cut 0 0 5\r\nabcde", "set cut 0 0 5\r\nabcde\r", "set cut 0 0 5"] {
        assert_eq!(exchange(port, input.as_bytes()), b"", "{input:?}");
        host.client().ask("get cut\r\n", "END\r\n");
    }
    // What came whole before it counts.
    let answer = exchange(port, b"set whole 0 0 1\r\nx\r\nset cut 0 0 5\r\nabc");
    assert_eq!(answer, b"STORED\r\n");
    host.client().ask("get whole cut\r\n", "VALUE whole 0 1\r\nx\r\nEND\r\n");
    assert!(host.terminate().success());
}

/// Memory is taken for what came, not for what was announced.
#[test]
fn announced_data_takes_no_memory() {
    let host = HostConfig::new().option("-p 0 -I 64m").start();
    let port = host.port();
    serves(port);
    let before = memory(&host);
    let clients: Vec<TcpStream> = (0..200)
        .map(|i| {
            let mut stream = connect(port);
            stream.write_all(format!("set big{i} 0 0 {}\r\nstart", 60 * MIB).as_bytes()).unwrap();
            stream
        })
        .collect();
    // A reply to a later client on every worker: the others were read.
    for _ in 0..16 {
        serves(port);
    }
    let grown = memory(&host).saturating_sub(before);
    assert!(grown < 64 * MIB, "200 announcements took {grown} bytes");
    drop(clients);
    serves(port);
    assert!(host.terminate().success());
}

#[test]
fn slow_clients_do_not_slow_others() {
    let host = Host::start();
    let port = host.port();
    // Each stops in the middle of something; most never say more.
    let starts = ["", "g", "get slow", "set slow 0 0 1000\r\n", "set slow 0 0 10\r\nabc", "set slow 0 0 3\r\nabc\r"];
    let half_open: Vec<TcpStream> = (0..300)
        .map(|i| {
            let mut stream = connect(port);
            stream.write_all(starts[i % starts.len()].as_bytes()).unwrap();
            stream
        })
        .collect();
    // A byte at a time, a bystander between them.
    let mut loris = Client::connect(port);
    let mut bystander = Client::connect(port);
    for byte in b"set loris 3 0 5\r\nhello\r\ngets none\r\n" {
        loris.send([*byte]);
        bystander.ask("get none\r\n", "END\r\n");
    }
    loris.expect("STORED\r\nEND\r\n");
    bystander.ask("get loris slow\r\n", "VALUE loris 3 5\r\nhello\r\nEND\r\n");
    // Half of the half-open ones leave without a word, the others finish what they began.
    for (i, mut stream) in half_open.into_iter().enumerate().filter(|(i, _)| (i / starts.len()).is_multiple_of(2)) {
        let (rest, expected) = match i % starts.len() {
            0 => ("version\r\n".into(), "VERSION "),
            1 => ("et none\r\n".into(), "END\r\n"),
            2 => ("ly\r\n".into(), "END\r\n"),
            3 => ("v".repeat(1000) + "\r\n", "STORED\r\n"),
            4 => ("defghij\r\n".into(), "STORED\r\n"),
            _ => ("\n".into(), "STORED\r\n"),
        };
        stream.write_all(rest.as_bytes()).unwrap();
        let mut got = vec![0; expected.len()];
        stream.read_exact(&mut got).unwrap();
        assert_eq!(String::from_utf8_lossy(&got), expected, "connection {i}");
    }
    serves(port);
    assert!(host.terminate().success());
}

#[test]
fn connections_over_the_limit_are_told_and_closed() {
    const LIMIT: usize = 8;
    let host = HostConfig::new().option(&format!("-p 0 -c {LIMIT}")).start();
    let port = host.port();
    let mut inside: Vec<Client> = (0..LIMIT).map(|_| Client::connect(port)).collect();
    for client in &mut inside {
        client.ask("get none\r\n", "END\r\n");
    }
    for _ in 0..100 {
        let mut outside = Client::connect(port);
        outside.expect("ERROR Too many open connections\r\n");
        outside.expect_close();
    }
    for client in &mut inside {
        client.ask("get none\r\n", "END\r\n");
    }
    // Who leaves makes room, as soon as the host notices.
    inside.pop();
    wait_until("a place for a new client", || {
        let mut client = Client::connect(port);
        let _ = client.try_send("get none\r\n");
        matches!(client.try_read_line(), Ok(Some(line)) if line == "END")
    });
    assert!(host.terminate().success());
}

/// What a write to a closed connection raises is SIGPIPE, and that ends a process that does not expect it.
#[test]
fn clients_that_leave_while_they_are_answered() {
    let host = Host::start();
    let port = host.port();
    let value = vec![b'v'; MIB];
    let mut set = format!("set big 0 0 {MIB}\r\n").into_bytes();
    set.extend_from_slice(&value);
    set.extend_from_slice(b"\r\n");
    host.client().ask(set, "STORED\r\n");

    for round in 0..30 {
        let mut stream = connect(port);
        let asked = if round % 2 == 0 { "get big\r\n".repeat(16) } else { format!("get {}\r\n", "big ".repeat(16)) };
        stream.write_all(asked.as_bytes()).unwrap();
        let mut some = vec![0; [0, 1, 100_000][round % 3]];
        stream.read_exact(&mut some).unwrap();
        // Unread replies turn the close into a reset.
        if round % 5 == 0 {
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(stream);
        serves(port);
    }
    // And those who never listen: everything they said is done, or nothing of it.
    for i in 0..30 {
        let mut stream = connect(port);
        stream.write_all(format!("set left{i} 0 0 1\r\nx\r\nincr none 1\r\n").as_bytes()).unwrap();
        drop(stream);
    }
    serves(port);
    assert!(host.terminate().success());
}

/// Replies that nobody reads wait at the sender's side: the host stops to listen instead of hoarding them.
#[test]
fn a_client_that_does_not_read_is_not_hoarded_for() {
    const TIMES: usize = 300;
    let host = Host::start();
    let port = host.port();
    let value = vec![b'v'; MIB];
    let mut set = format!("set big 0 0 {MIB}\r\n").into_bytes();
    set.extend_from_slice(&value);
    set.extend_from_slice(b"\r\n");
    host.client().ask(set, "STORED\r\n");
    host.client().ask("get none\r\n", "END\r\n");
    let before = memory(&host);

    let mut lazy = connect(port);
    lazy.write_all("get big\r\n".repeat(TIMES).as_bytes()).unwrap();
    // The host sends until nobody takes more; then its sent bytes stand still.
    let sent = || host.client().stats("").into_iter().find(|(name, _)| name == "bytes_written").map(|(_, n)| n);
    let mut last = sent();
    assert!(last.is_some(), "no statistic bytes_written");
    let mut steady = 0;
    wait_until("the host pauses", || {
        let now = sent().and_then(|n| n.parse::<u64>().ok());
        let then = last.replace(now.unwrap_or(0).to_string()).and_then(|n| n.parse::<u64>().ok());
        // The question itself adds a few kibibytes each time.
        let still = now.zip(then).is_some_and(|(now, then)| now - then < MIB as u64 / 4);
        steady = if still { steady + 1 } else { 0 };
        steady > 10
    });
    let grown = memory(&host).saturating_sub(before);
    assert!(grown < 100 * MIB, "{TIMES} unread replies of 1 MiB took {grown} bytes");
    serves(port);

    let reply = [format!("VALUE big 0 {MIB}\r\n").into_bytes(), value, b"\r\nEND\r\n".to_vec()].concat();
    let mut got = vec![0; reply.len()];
    for i in 0..TIMES {
        lazy.read_exact(&mut got).unwrap_or_else(|e| panic!("reply {i}: {e}"));
        assert!(got == reply, "reply {i} differs");
    }
    assert!(host.terminate().success());
}
