//! memcached's text commands against the real program, and what SQL sees of them.

use crate::common::scripts::SCRIPTS;
use crate::common::transport::everywhere;
use crate::common::{Host, HostConfig};
use std::time::{Duration, Instant};

#[test]
fn commands_answer_as_memcached_does() {
    everywhere(|way| {
        for (name, script) in SCRIPTS {
            println!("{name}");
            let mut client = way.client();
            for (send, expect) in *script {
                client.ask(send, expect);
            }
        }
        assert!(way.client().stats("").iter().any(|(name, value)| name == "cmd_set" && value != "0"));
    });
}

#[test]
fn a_script_split_into_single_bytes_answers_the_same() {
    let host = HostConfig::new().option("-p 0 -t 2").start();
    for (_, script) in SCRIPTS {
        let mut client = host.client();
        for (send, expect) in *script {
            for byte in send.as_bytes() {
                client.send([*byte]);
            }
            client.expect(expect);
        }
    }
}

/// The cas number that `gets` shows.
fn cas_of(reply: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(reply);
    text.lines().next().and_then(|line| line.split(' ').nth(4)).unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

#[test]
fn cas_numbers_change_with_every_store_and_survive_a_restart() {
    let config = HostConfig::new();
    let host = config.start();
    let mut client = host.client();
    let mut seen = Vec::new();
    for command in ["set k 0 0 1\r\n1\r\n", "append k 0 0 1\r\n2\r\n", "incr k 1\r\n", "set k 0 0 1\r\n1\r\n"] {
        client.send(command);
        client.read_reply();
        client.send("gets k\r\n");
        let cas = cas_of(&client.read_reply());
        assert!(!seen.contains(&cas), "{command} kept the cas number");
        seen.push(cas);
    }
    let old = seen[0];
    client.ask(format!("cas k 0 0 1 {old}\r\n9\r\n"), "EXISTS\r\n");
    client.ask(format!("cas k 0 0 1 {}\r\n9\r\n", seen[3]), "STORED\r\n");
    client.send("gats 0 k\r\n");
    seen.push(cas_of(&client.read_reply()));
    assert!(host.terminate().success());

    let host = config.start();
    let mut client = host.client();
    client.ask(format!("cas k 5 0 1 {}\r\n7\r\n", seen[4]), "STORED\r\n");
    client.send("gets k\r\n");
    assert!(!seen.contains(&cas_of(&client.read_reply())));
}

#[test]
fn an_item_expires_when_its_second_comes() {
    let host = Host::start();
    let mut client = host.client();
    client.ask("set soon 0 1 1\r\nx\r\n", "STORED\r\n");
    let start = Instant::now();
    loop {
        client.send("get soon\r\n");
        match client.read_reply().as_slice() {
            b"END\r\n" => break,
            _ => assert!(start.elapsed() < Duration::from_secs(5), "it lives too long"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn sql_sees_rows_and_memcached_sees_sql() {
    let host = Host::start();
    let mut client = host.client();
    client.ask("set apple 3 0 3\r\nred\r\n", "STORED\r\n");
    assert_eq!(host.rows("SELECT `key`, value, flags, expiry FROM memcached.cache"), [["apple", "red", "3", "0"]]);
    host.sql("UPDATE memcached.cache SET value = 'green' WHERE `key` = 'apple'").unwrap();
    client.ask("get apple\r\n", "VALUE apple 3 5\r\ngreen\r\nEND\r\n");
    host.sql("INSERT INTO memcached.cache (`key`, value, flags) VALUES ('pear', 'yellow', 1)").unwrap();
    client.ask("get pear\r\n", "VALUE pear 1 6\r\nyellow\r\nEND\r\n");
    host.sql("DELETE FROM memcached.cache WHERE `key` = 'apple'").unwrap();
    client.ask("get apple\r\n", "END\r\n");
    client.ask("flush_all\r\n", "OK\r\n");
    assert_eq!(host.rows("SELECT COUNT(*) FROM memcached.cache"), [["0"]]);
}

#[test]
fn flush_all_is_a_barrier_in_its_pipeline_and_its_delay_a_deadline() {
    let host = Host::start();
    let mut client = host.client();
    client.ask(
        "set a 0 0 1\r\n1\r\nset b 0 0 1\r\n1\r\nflush_all\r\nget a\r\nset a 0 0 1\r\n2\r\nget a b\r\n",
        "STORED\r\nSTORED\r\nOK\r\nEND\r\nSTORED\r\nVALUE a 0 1\r\n2\r\nEND\r\n",
    );
    let start = Instant::now();
    client.ask("flush_all 1\r\nget a\r\n", "OK\r\nVALUE a 0 1\r\n2\r\nEND\r\n");
    loop {
        client.send("get a\r\n");
        if client.read_reply() == b"END\r\n" {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(5), "the deadline passed");
        std::thread::sleep(Duration::from_millis(20));
    }
    let refusing = HostConfig::new().option("-p 0 -F").start();
    refusing.client().ask("flush_all\r\n", "CLIENT_ERROR flush_all not allowed\r\n");
}

#[test]
fn values_up_to_the_item_size_are_stored_and_larger_ones_leave_the_row_alone() {
    let host = HostConfig::new().option("-p 0 -I 3m").start();
    let mut client = host.client();
    for size in [0, 1, 100, 16 << 10, 1 << 20, 3 << 20] {
        let value: Vec<u8> = (0..size).map(|i| (i * 7 % 251) as u8).collect();
        let mut request = format!("set big 0 0 {size}\r\n").into_bytes();
        request.extend(&value);
        request.extend(b"\r\n");
        client.ask(request, "STORED\r\n");
        client.send("get big\r\n");
        client.expect(format!("VALUE big 0 {size}\r\n"));
        assert!(client.read_exact(size) == value, "{size} bytes differ");
        client.expect("\r\nEND\r\n");
    }
    client.ask("set big 0 0 2\r\nok\r\n", "STORED\r\n");
    let mut request = format!("set big 0 0 {}\r\n", (3 << 20) + 1).into_bytes();
    request.extend(vec![b'x'; (3 << 20) + 1]);
    request.extend(b"\r\nget big\r\n");
    client.ask(request, "SERVER_ERROR object too large for cache\r\nVALUE big 0 2\r\nok\r\nEND\r\n");
}

#[test]
fn a_huge_multi_get_is_streamed_whole_while_others_are_served() {
    let host = HostConfig::new().option("-p 0 -t 1").start();
    let mut client = host.client();
    let value = vec![b'v'; 1 << 20];
    for i in 0..24 {
        let mut request = format!("set m{i} 0 0 {}\r\n", value.len()).into_bytes();
        request.extend(&value);
        request.extend(b"\r\n");
        client.ask(request, "STORED\r\n");
    }
    let keys: Vec<String> = (0..24).map(|i| format!("m{i}")).collect();
    client.send(format!("get {}\r\n", keys.join(" ")));
    // Nothing of it is read yet: the worker must not wait for this client.
    host.client().ask("get none\r\n", "END\r\n");
    for key in &keys {
        client.expect(format!("VALUE {key} 0 {}\r\n", value.len()));
        assert!(client.read_exact(value.len()) == value);
        client.expect("\r\n");
    }
    client.expect("END\r\n");
    client.ask("get none\r\n", "END\r\n");
}

#[test]
fn addresses_sockets_and_the_connection_limit() {
    let config = HostConfig::new();
    let socket = config.scratch().join("m.sock");
    let option = format!("-p 0 -l 127.0.0.1,[::1] -c 3 -s {} -a 0600", socket.display());
    let host = config.option(&option).start();
    let listening = host.status("Daemon_memcached_listening").unwrap();
    assert_eq!(listening.split(", ").count(), 3, "{listening}");
    assert!(listening.contains("[::1]:") && listening.contains("m.sock"), "{listening}");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);

    let mut first = crate::common::Client::connect_unix(&socket);
    first.ask("set u 0 0 1\r\nx\r\n", "STORED\r\n");
    let mut others = [host.client(), host.client()];
    for client in &mut others {
        client.ask("get u\r\n", "VALUE u 0 1\r\nx\r\nEND\r\n");
    }
    let mut refused = host.client();
    refused.expect("ERROR Too many open connections\r\n");
    refused.expect_close();
    first.ask("get u\r\n", "VALUE u 0 1\r\nx\r\nEND\r\n");
    first.send("quit\r\n");
    first.expect_close();
    assert!(host.terminate().success());
    assert!(!socket.exists(), "the socket's file stays behind");
}

#[test]
fn statistics_count_what_happened() {
    let host = Host::start();
    let mut client = host.client();
    client.ask("set s 0 0 1\r\nx\r\n", "STORED\r\n");
    client.ask("get s none\r\n", "VALUE s 0 1\r\nx\r\nEND\r\n");
    client.ask("delete none\r\n", "NOT_FOUND\r\n");
    let stats = client.stats("");
    let value = |name: &str| stats.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no {name}")).1.clone();
    for (name, expected) in [
        ("cmd_set", "1"),
        ("cmd_get", "2"),
        ("get_hits", "1"),
        ("get_misses", "1"),
        ("delete_misses", "1"),
        ("curr_connections", "1"),
        ("threads", "4"),
        ("max_connections", "1024"),
    ] {
        assert_eq!(value(name), expected, "{name}");
    }
    assert!(value("bytes_read").parse::<u64>().unwrap() > 30);
    assert!(client.stats("settings").iter().any(|(name, value)| name == "item_size_max" && value == "1048576"));
    client.ask("stats reset\r\n", "RESET\r\n");
    assert!(client.stats("").iter().any(|(name, value)| name == "cmd_set" && value == "0"));
    let seen = |host: &Host| host.status("Daemon_memcached_cmd_set").unwrap();
    client.ask("set s 0 0 1\r\nx\r\n", "STORED\r\n");
    let start = Instant::now();
    while seen(&host) != "1" {
        assert!(start.elapsed() < Duration::from_secs(10), "SHOW STATUS says {}", seen(&host));
    }
}
