//! The binary protocol against the real program.

use crate::common::packets::{PacketClient, SCRIPTS, Script, header, packet};
use crate::common::transport::everywhere;
use crate::common::{Client, Host, HostConfig, PATIENCE};
use std::time::{Duration, Instant};

fn client(host: &Host) -> PacketClient {
    PacketClient::new(host.client())
}

#[test]
fn packets_answer_as_memcached_does() {
    everywhere(|way| {
        for (name, script) in SCRIPTS {
            println!("{name}");
            let mut client = PacketClient::new(way.connect());
            if let Some((name, password)) = way.login {
                client.log_in(name, password);
            }
            for (send, expect) in *script {
                client.ask(send, expect);
            }
            client.send("quit");
            assert!(client.read().ends_with(" quit 0"), "more answers than requests");
            client.expect_close();
        }
    });
}

#[test]
fn packets_split_into_single_bytes_answer_the_same() {
    let host = HostConfig::new().option("-p 0 -t 2").start();
    for (_, script) in SCRIPTS {
        let (mut client, mut words) = (client(&host), Script::default());
        for (send, expect) in *script {
            // The cas numbers of these words are not known.
            if send.contains("@last") {
                break;
            }
            for byte in words.requests(send) {
                client.send_raw(&[byte]);
            }
            client.expect(expect);
        }
    }
}

#[test]
fn the_option_or_the_first_byte_chooses_the_protocol() {
    let get = packet(0x00, 1, 0, b"", b"k", b"");
    for (option, binary, text) in [("auto", true, true), ("binary", true, false), ("ascii", false, true)] {
        let host = HostConfig::new().option(&format!("-p 0 -B {option}")).start();
        match binary {
            true => client(&host).ask("noop", "1 noop 0"),
            false => host.client().ask([get.as_slice(), b"\r\n"].concat(), "ERROR\r\n"),
        }
        let mut texts = host.client();
        texts.try_send("get k\r\n").unwrap();
        match text {
            true => texts.expect("END\r\n"),
            false => texts.expect_close(),
        }
        if text {
            let named = if option == "auto" { "auto-negotiate" } else { option };
            let stats = host.client().stats("settings");
            assert!(stats.contains(&("binding_protocol".into(), named.into())), "{stats:?}");
        }
    }
    // Once chosen it stays, until something comes that is no packet.
    let host = Host::start();
    let mut client = client(&host);
    client.ask("noop", "1 noop 0");
    client.send_raw(b"version\r\nversion\r\nversion\r\n");
    client.expect_close();
}

#[test]
fn malformed_packets_change_nothing_and_harm_nobody() {
    let host = HostConfig::new().option("-p 0 -t 1").start();
    let mut other = host.client();
    other.ask("set k 5 0 5\r\nvalue\r\n", "STORED\r\n");
    let eight: &[u8] = &[0; 8];
    let long = vec![b'k'; 251];
    let invalid = "invalid";
    for (what, bytes, status) in [
        ("a get without a key", packet(0x00, 1, 0, b"", b"", b""), invalid),
        ("a get with extras", packet(0x00, 1, 0, eight, b"k", b""), invalid),
        ("a get with a value", packet(0x00, 1, 0, b"", b"k", b"v"), invalid),
        ("a set without extras", packet(0x01, 1, 0, b"", b"k", b"v"), invalid),
        ("a set without a key", packet(0x01, 1, 0, eight, b"", b"v"), invalid),
        ("a quiet set with short extras", packet(0x11, 1, 0, &eight[..4], b"k", b"v"), invalid),
        ("a delete with a value", packet(0x04, 1, 0, b"", b"k", b"v"), invalid),
        ("an increment with short extras", packet(0x05, 1, 0, eight, b"k", b""), invalid),
        ("a flush with a key", packet(0x08, 1, 0, b"", b"k", b""), invalid),
        ("a quiet quit with a body", packet(0x17, 1, 0, b"", b"", b"x"), invalid),
        ("a key that is too long", packet(0x01, 1, 0, eight, &long, b"v"), invalid),
        ("a body of 4 GiB", header(0x01, 1, 0, (8, 1, u32::MAX as usize)), invalid),
        ("a key longer than the body", header(0x00, 1, 0, (0, 10, 9)), "unknown"),
        ("extras longer than the body", header(0x01, 1, 0, (8, 1, 8)), "unknown"),
    ] {
        let mut client = client(&host);
        // What stands behind it is not looked at.
        client.send_raw(&[bytes, packet(0x01, 2, 0, eight, b"k", b"x")].concat());
        let answer = client.read();
        let expected = if status == invalid { " 4 Invalid arguments" } else { " 81 Unknown command" };
        assert!(answer.starts_with("1 ") && answer.ends_with(expected), "{what}: {answer}");
        client.expect_close();
        other.ask("get k\r\n", "VALUE k 5 5\r\nvalue\r\nEND\r\n");
    }
    // Neither an answer's first byte nor half a packet is one.
    let mut answering = client(&host);
    answering.ask("noop", "1 noop 0");
    answering.send_raw(&[0x81, 0, 0, 0]);
    answering.expect_close();
    let mut half = client(&host);
    half.send_raw(&packet(0x01, 1, 0, eight, b"k", b"value")[..30]);
    drop(half);
    other.ask("get k\r\n", "VALUE k 5 5\r\nvalue\r\nEND\r\n");
    assert!(host.terminate().success());
}

#[test]
fn opcodes_that_are_not_known_are_answered_and_passed_over() {
    let host = HostConfig::new().option("-p 0 -t 1").start();
    let mut client = client(&host);
    // vbuckets, TAP, ranges, SASL without users, and what nobody has thought of.
    for opcode in [0x1f, 0x20, 0x30, 0x33, 0x3d, 0x40, 0x48, 0x7f, 0xff] {
        let body: &[u8] = if opcode == 0x20 { b"" } else { b"body" };
        client.send_raw(&[packet(opcode, 1, 0, b"", body, body), packet(0x0a, 2, 0, b"", b"", b"")].concat());
        let answer = client.read();
        assert!(answer.starts_with("1 ") && answer.ends_with(" 81 Unknown command"), "{opcode:#x}: {answer}");
        client.expect("2 noop 0");
    }
    client.send_raw(&packet(0x21, 1, 0, b"", b"PLAIN", b"\0a\0b"));
    client.expect("1 auth 81 Unknown command");
}

#[test]
fn values_up_to_the_item_size_are_stored_and_larger_ones_leave_the_row_alone() {
    let host = HostConfig::new().option("-p 0 -I 3m").start();
    let mut client = client(&host);
    let extras = [0; 8];
    for size in [0, 1, 16 << 10, 1 << 20, 3 << 20] {
        let value: Vec<u8> = (0..size).map(|i| (i * 7 % 251) as u8).collect();
        client.send_raw(&packet(0x01, 1, 0, &extras, b"big", &value));
        client.expect("1 set 0 cas");
        client.send_raw(&packet(0x00, 2, 0, b"", b"big", b""));
        let space = if size == 0 { "" } else { " " };
        let expected = format!("2 get 0 cas x00000000{space}{}", value.escape_ascii());
        assert!(client.read() == expected, "{size} bytes differ");
    }
    client.send("set big 1 0 ok");
    client.read();
    let large = vec![b'x'; (3 << 20) + 1];
    for (opcode, extras) in [(0x01, extras.as_slice()), (0x11, &extras), (0x0e, b"")] {
        client.send_raw(&packet(opcode, 1, 0, extras, b"big", &large));
        let answer = client.read();
        assert!(answer.ends_with(" 3 Too large."), "{answer}");
    }
    client.send_raw(&packet(0x0e, 3, 0, b"", b"big", &large[2..]));
    client.expect("3 append 3 Too large.");
    client.send_raw(&packet(0x00, 4, 0, b"", b"big", b""));
    client.expect("4 get 0 cas x00000001 ok");
}

#[test]
fn quiet_sets_are_durable_once_the_noop_behind_them_is_answered() {
    const SETS: usize = 3000;
    let config = HostConfig::new();
    let host = config.start();
    let mut client = client(&host);
    let sets: Vec<String> = (0..SETS).map(|i| format!("setq k{i} 0 0 {i}")).collect();
    client.send(&sets.join("; "));
    client.ask("addq k7 0 0 x; noop", &format!("{} addq 2 Data exists for key.; {} noop 0", SETS + 1, SETS + 2));
    host.kill9();
    let host = config.start();
    let mut client = self::client(&host);
    let gets: Vec<String> = (0..SETS).map(|i| format!("getkq k{i}")).collect();
    client.send(&(gets.join("; ") + "; noop"));
    for i in 0..SETS {
        assert_eq!(client.read(), format!("{} getkq 0 cas x00000000 key=k{i} {i}", i + 1));
    }
    client.expect(&format!("{} noop 0", SETS + 1));
}

#[test]
fn a_flush_is_a_barrier_and_its_delay_a_deadline() {
    let host = Host::start();
    let mut client = client(&host);
    client.ask(
        "setq a 0 0 1; flush; get a; setq a 0 0 2; flushq; get a; setq a 0 0 3; flushq 0; setq a 0 0 4; get a",
        "2 flush 0; 3 get 1 Not found; 6 get 1 Not found; 10 get 0 cas x00000000 4",
    );
    let start = Instant::now();
    client.ask("flush 1; get a", "11 flush 0; 12 get 0 cas x00000000 4");
    loop {
        client.send("get a");
        if client.read().ends_with("Not found") {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "the deadline passed");
        std::thread::sleep(Duration::from_millis(20));
    }
    let refusing = HostConfig::new().option("-p 0 -F").start();
    let mut client = self::client(&refusing);
    client.ask(
        "set a 0 0 1; flush; flushq; get a",
        "1 set 0 cas; 2 flush 20 Auth failure.; 3 flushq 20 Auth failure.; 4 get 0 cas x00000000 1",
    );
}

#[test]
fn keys_switch_containers_as_in_text() {
    let host = Host::start();
    host.sql(
        "CREATE DATABASE shop; \
         CREATE TABLE shop.carts (id VARCHAR(64) NOT NULL PRIMARY KEY, body VARCHAR(8), other VARCHAR(8)); \
         INSERT INTO innodb_memcache.containers VALUES ('carts', 'shop', 'carts', 'id', 'body|other', '0', '0', '0', 'PRIMARY')",
    )
    .unwrap();
    let mut client = client(&host);
    client.ask("set k 0 0 default; set @@carts.k 3 0 a|b", "1 set 0 cas; 2 set 0");
    // From here on the connection uses that container.
    client.ask("getk k; getk @@carts.k", "3 getk 0 cas x00000000 key=k a|b; 4 getk 0 cas x00000000 key=@@carts.k a|b");
    client.ask("get @@default; get k", "5 get 0 x00000000 memcached/cache; 6 get 0 cas x00000000 default");
    client.ask(
        "get @@none.k; set @@none.k 0 0 x; deleteq @@carts",
        "7 get 1 Not found; 8 set 4 no such container; 9 deleteq 4 a key must follow the name of a container",
    );
    client.ask("set @@carts.k 0 0 123456789|b", "10 set 3 Too large.");
    assert_eq!(host.rows("SELECT id, body, other FROM shop.carts"), [["k", "a", "b"]]);
    assert_eq!(host.rows("SELECT `key`, value FROM memcached.cache"), [["k", "default"]]);
}

#[test]
fn any_byte_may_stand_in_a_key() {
    let host = Host::start();
    let mut client = client(&host);
    let extras = [0; 8];
    for key in [&b"a b"[..], b"a\r\nb", b"\0", b" ", b"get", &[b'k'; 250], "schön".as_bytes()] {
        client.send_raw(&packet(0x01, 1, 0, &extras, key, b"x"));
        client.expect("1 set 0 cas");
        client.send_raw(&packet(0x0c, 2, 0, b"", key, b""));
        client.expect(&format!("2 getk 0 cas x00000000 key={} x", key.escape_ascii()));
        client.send_raw(&packet(0x04, 3, 0, b"", key, b""));
        client.expect("3 delete 0");
    }
}

#[test]
fn statistics_are_those_of_the_text_protocol() {
    let host = Host::start();
    let mut client = client(&host);
    client.ask(
        "set s 0 0 1; get s; getq none; delete none; incr s 1; touch s 0; set@1 s 0 0 x",
        "1 set 0 cas; 2 get 0 cas x00000000 1; 4 delete 1 Not found; 5 incr 0 cas \\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02; \
         6 touch 0 cas x00000000; 7 set 2 Data exists for key.",
    );
    let read = |client: &mut PacketClient| {
        let mut stats = Vec::new();
        loop {
            let answer = client.read();
            let Some((_, stat)) = answer.split_once(" key=") else { return stats };
            let (name, value) = stat.split_once(' ').unwrap();
            stats.push((name.to_owned(), value.to_owned()));
        }
    };
    client.send("stat");
    let stats = read(&mut client);
    for (name, expected) in [
        ("cmd_set", "2"),
        ("cmd_get", "2"),
        ("get_hits", "1"),
        ("get_misses", "1"),
        ("delete_misses", "1"),
        ("incr_hits", "1"),
        ("cmd_touch", "1"),
        ("touch_hits", "1"),
        ("cas_badval", "1"),
    ] {
        let value = stats.iter().find(|(stat, _)| stat == name).map(|(_, value)| value.as_str());
        assert_eq!(value, Some(expected), "{name}");
    }
    let names = |stats: &[(String, String)]| stats.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&stats), names(&host.client().stats("")));
    client.send("stat settings");
    assert_eq!(read(&mut client), host.client().stats("settings"));
    client.send("stat reset; stat");
    assert_eq!(read(&mut client), []);
    assert!(read(&mut client).contains(&("cmd_set".into(), "0".into())));
    client.send("stat detail on; setq a:b 0 0 x; stat detail dump; stat detail off; stat detail; noop");
    assert_eq!(read(&mut client), []);
    assert_eq!(read(&mut client), [("detailed".into(), "PREFIX a get 0 hit 0 set 1 del 0\\r\\nEND\\r\\n".into())]);
    assert_eq!(read(&mut client), []);
    assert!(client.read().ends_with(" stat 1 Not found"));
    assert!(client.read().ends_with(" noop 0"));
}

#[test]
fn sasl() {
    let config = HostConfig::new();
    let users = config.users(&[("alice", "secret", "*=rw"), ("reader", "secret", "*=r")]);
    let host = config.option(&format!("-p 0 -t 2 -S -Y {}", users.display())).start();
    // Nothing but these is answered before the login; whatever else is asked ends the connection.
    let version = format!("1 version 0 1.6.45-daemon_memcached-{}", env!("CARGO_PKG_VERSION"));
    for (send, expect, closes) in [
        ("version", version.as_str(), false),
        ("mechs", "1 mechs 0 PLAIN", false),
        ("noop", "1 noop 20 Auth failure.", true),
        ("get k", "1 get 20 Auth failure.", true),
        ("getq k", "1 getq 20 Auth failure.", true),
        ("setq k 0 0 x", "1 setq 20 Auth failure.", true),
        ("flush", "1 flush 20 Auth failure.", true),
        ("stat", "1 stat 20 Auth failure.", true),
        ("quit", "1 quit 20 Auth failure.", true),
        ("auth CRAM-MD5 x", "1 auth 20 Auth failure.", false),
        ("auth PLAIN alice", "1 auth 20 Auth failure.", false),
        ("auth PLAIN \0alice\0secret\0", "1 auth 20 Auth failure.", false),
        ("auth PLAIN reader\0alice\0secret", "1 auth 20 Auth failure.", false),
        ("auth PLAIN \0alice\0wrong", "1 auth 20 Auth failure.", false),
        ("auth PLAIN \0\0", "1 auth 20 Auth failure.", false),
        ("step PLAIN", "1 step 20 Auth failure.", false),
        ("step PLAIN \0alice\0secret", "1 step 20 Auth failure.", false),
    ] {
        let mut client = client(&host);
        client.ask(send, expect);
        match closes {
            true => client.expect_close(),
            // A login works behind it, with what is asked in the same packet.
            false => client.ask(
                "auth PLAIN \0alice\0secret; set k 0 0 x; get k",
                "2 auth 0 Authenticated; 3 set 0 cas; 4 get 0 cas x00000000 x",
            ),
        }
    }
    let mut client = client(&host);
    client.ask("auth PLAIN; step PLAIN alice\0alice\0secret", "1 auth 21; 2 step 0 Authenticated");
    client.ask("incr n 1 7 0; mechs", "3 incr 0 cas \\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x07; 4 mechs 0 PLAIN");
    // Rights are asked of each request, and another login takes their place.
    client.ask("auth PLAIN \0reader\0secret; get k", "5 auth 0 Authenticated; 6 get 0 cas x00000000 x");
    client.ask(
        "setq k 0 0 y; delete k; touch k 1; gatq k 1; flush; stat reset; noop; get k",
        "7 setq 20 permission denied; 8 delete 20 permission denied; 9 touch 20 permission denied; 10 gatq 20 permission denied; \
         11 flush 20 permission denied; 12 stat 20 permission denied; 13 noop 0; 14 get 0 cas x00000000 x",
    );
    // A login that fails leaves nothing of the one before.
    client.ask("auth PLAIN \0reader\0wrong; get k", "15 auth 20 Auth failure.; 16 get 20 Auth failure.");
    client.expect_close();
    // What is too long for a login is passed over.
    let mut long = self::client(&host);
    long.send_raw(&packet(0x21, 1, 0, b"", b"PLAIN", &[b'x'; 5000]));
    long.expect("1 auth 3 Too large.");
    long.send_raw(&packet(0x01, 1, 0, &[0; 8], b"k", &[b'x'; 5000]));
    long.expect("1 set 20 Auth failure.");
    long.expect_close();
    let stats = {
        let mut client: Client = host.client();
        client.log_in("alice", "secret");
        client.stats("")
    };
    let value = |name: &str| stats.iter().find(|(n, _)| n == name).unwrap().1.parse::<u64>().unwrap();
    assert!(value("auth_errors") >= 7 && value("auth_cmds") > value("auth_errors"), "{stats:?}");
    assert!(!host.log().contains("secret"), "a password stands in the log");
}
