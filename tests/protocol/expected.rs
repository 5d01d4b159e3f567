//! What clients, suites and tools of memcached expect beyond single commands; each was asked of memcached 1.6.45.

use crate::common::packets::{PacketClient, packet};
use crate::common::patient::wait_until;
use crate::common::{Client, Host, HostConfig};
use std::time::{SystemTime, UNIX_EPOCH};

/// A host whose containers are in memory alone.
pub fn cache_only(option: &str) -> Host {
    let host = HostConfig::new().option(option).start();
    host.sql("UNINSTALL PLUGIN daemon_memcached").unwrap();
    host.sql(
        "UPDATE innodb_memcache.cache_policies SET get_policy = 'cache_only', set_policy = 'cache_only', \
         delete_policy = 'cache_only', flush_policy = 'cache_only'",
    )
    .unwrap();
    host.sql("INSTALL PLUGIN daemon_memcached SONAME 'daemon_memcached.so'").unwrap();
    host
}

/// Unix time so many seconds from now.
fn soon(seconds: u64) -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + seconds
}

fn stat(client: &mut Client, args: &str, name: &str) -> Option<String> {
    client.stats(args).into_iter().find(|(n, _)| n == name).map(|(_, value)| value)
}

#[test]
fn flush_all_takes_a_time_as_well_as_a_delay() {
    let host = HostConfig::new().option("-p 0 -t 1").start();
    let mut client = host.client();
    let gone = |client: &mut Client| {
        client.send("get k\r\n");
        client.read_reply() == b"END\r\n"
    };
    client.ask("set k 0 0 1\r\nx\r\n", "STORED\r\n");
    client.ask(format!("flush_all {}\r\nget k\r\n", soon(3)), "OK\r\nVALUE k 0 1\r\nx\r\nEND\r\n");
    wait_until("the time has come", || gone(&mut client));
    client.ask("set k 0 0 1\r\nx\r\n", "STORED\r\n");
    let mut packets = PacketClient::new(host.client());
    packets.send_raw(&packet(0x08, 1, 0, &(soon(3) as u32).to_be_bytes(), b"", b""));
    packets.expect("1 flush 0");
    client.ask("get k\r\n", "VALUE k 0 1\r\nx\r\nEND\r\n");
    wait_until("the time of the packet has come", || gone(&mut client));
    // A time that is over is now.
    client.ask(format!("set k 0 0 1\r\nx\r\nflush_all {}\r\nget k\r\n", soon(0) - 10), "STORED\r\nOK\r\nEND\r\n");
}

#[test]
fn a_stale_value_lives_as_long_as_the_one_before_and_nobody_else_wins() {
    for host in [HostConfig::new().option("-p 0 -t 1").start(), cache_only("-p 0 -t 1")] {
        let mut client = host.client();
        client.ask("ms k 1 T9000 E100\r\na\r\n", "HD\r\n");
        client.ask("md k I T9000 E110\r\n", "HD\r\n");
        client.send("mg k v\r\n");
        let first = String::from_utf8(client.read_reply()).unwrap();
        client.expect("a\r\n");
        assert!(first.starts_with("VA 1 ") && first.contains(" X") && first.contains(" W"), "{first}");
        // Older than what is there, and younger than nothing: stored, and still to be renewed by whoever won.
        client.ask("ms k 1 I T90 C105\r\nb\r\n", "HD\r\n");
        client.send("mg k t v\r\n");
        let second = String::from_utf8(client.read_reply()).unwrap();
        client.expect("b\r\n");
        assert!(second.contains(" X") && second.contains(" Z") && !second.contains(" W"), "{second}");
        let left: u32 = second.split([' ', '\r']).find_map(|word| word.strip_prefix('t')?.parse().ok()).unwrap();
        assert!((8900..=9000).contains(&left), "{second}");
        client.ask("ms k 1 I C2\r\nc\r\nmg none v\r\n", "HD\r\nEN\r\n");
    }
}

#[test]
fn a_text_login_needs_nothing_but_its_length() {
    let config = HostConfig::new();
    let users = config.users(&[("a", "a", "*=rw")]);
    let host = config.option(&format!("-p 0 -t 1 -Y {}", users.display())).start();
    for line in ["set _ _ _ 3", "set a b c 3 noreply", "set a 0 0 3 4 5"] {
        host.client().ask(format!("{line}\r\na a\r\nget a\r\n"), "STORED\r\nEND\r\n");
    }
    for (send, expect) in [
        ("set a 0 3\r\n", "CLIENT_ERROR unauthenticated\r\n"),
        ("set _ _ _ -1\r\n", "CLIENT_ERROR unauthenticated\r\n"),
        ("set _ _ _ 3\r\na aX\r\n", "CLIENT_ERROR bad command line termination\r\n"),
        ("shutdown\r\n", "CLIENT_ERROR unauthenticated\r\n"),
    ] {
        host.client().ask(send, expect);
    }
}

#[test]
fn a_step_of_sasl_follows_a_start() {
    let config = HostConfig::new();
    let users = config.users(&[("alice", "secret", "*=rw")]);
    let host = config.option(&format!("-p 0 -t 1 -S -Y {}", users.display())).start();
    let mut client = PacketClient::new(host.client());
    client.ask(
        "step PLAIN \0alice\0secret; auth PLAIN; step PLAIN \0alice\0secret",
        "1 step 20 Auth failure.; 2 auth 21; 3 step 0 Authenticated",
    );
    client.send_raw(&packet(0x21, 1, 0, b"", &[b'x'; 40], b"data"));
    client.expect("1 auth 4 Invalid arguments");
    client.send_raw(&packet(0x21, 1, 0, b"", &[b'x'; 32], b"data"));
    client.expect("1 auth 20 Auth failure.");
    let mut text = host.client();
    text.log_in("alice", "secret");
    // A step without a start and a mechanism that there is not are failures; a name that is too long is none, and a start nothing yet.
    assert_eq!(stat(&mut text, "", "auth_errors").as_deref(), Some("2"));
    assert_eq!(stat(&mut text, "", "auth_cmds").as_deref(), Some("4"));
}

#[test]
fn what_steers_memory_is_answered_and_clients_go_on() {
    let host = HostConfig::new().option("-p 0 -t 1").start();
    let mut client = host.client();
    for line in ["slabs automove 1", "lru mode flat", "lru temp_ttl 60", "lru_crawler disable", "lru_crawler crawl all"]
    {
        client.ask(format!("{line}\r\n"), "OK\r\n");
    }
    client.ask("slabs reassign 1 2\r\n", "NOSPARE source class has no spare pages\r\n");
    client.ask("slabs foo\r\nlru mode\r\nlru_crawler\r\n", "ERROR\r\nERROR\r\nERROR\r\n");
    client.ask("shutdown\r\nshutdown graceful\r\nversion noreply\r\n", {
        let refused = "SERVER_ERROR: shutdown not enabled\r\n";
        format!("{refused}{refused}VERSION 1.6.45-daemon_memcached-{}\r\n", env!("CARGO_PKG_VERSION"))
    });
    assert!(host.log().contains("slabs automove 1"), "{}", host.log());
}

#[test]
fn memory_forgets_what_a_value_that_is_too_large_should_have_replaced() {
    let large = |command: &str| format!("{command} k 0 0 {}\r\n{}\r\nget k\r\n", 2 << 20, "x".repeat(2 << 20));
    let refused = "SERVER_ERROR object too large for cache\r\n";
    let (there, gone) = (format!("{refused}VALUE k 0 1\r\na\r\nEND\r\n"), format!("{refused}END\r\n"));
    let host = cache_only("-p 0 -t 1");
    let mut client = host.client();
    for (command, expect) in [("add", &there), ("append", &there), ("set", &gone)] {
        client.ask("set k 0 0 1\r\na\r\n", "STORED\r\n");
        client.ask(large(command), expect);
    }
    client.ask("set k 0 0 1\r\na\r\n", "STORED\r\n");
    let mut packets = PacketClient::new(host.client());
    packets.send_raw(&packet(0x01, 1, 0, &[0; 8], b"k", &vec![b'x'; 2 << 20]));
    packets.expect("1 set 3 Too large.");
    client.ask("get k\r\n", "END\r\n");
    // In a table the row stays.
    let host = HostConfig::new().option("-p 0 -t 1").start();
    let mut client = host.client();
    client.ask("set k 0 0 1\r\na\r\n", "STORED\r\n");
    client.ask(large("set"), there);
    assert_eq!(stat(&mut client, "", "store_too_large").as_deref(), Some("1"));
}

#[test]
fn a_dump_of_what_is_in_memory_ends() {
    let host = cache_only("-p 0 -t 1");
    let mut client = host.client();
    client.ask("set k 0 0 1\r\na\r\n", "STORED\r\n");
    client.ask("stats cachedump 1 0\r\n", "END\r\n");
    client.ask("lru_crawler metadump all\r\n", "OK\r\nEND\r\n");
    client.ask("lru_crawler mgdump all\r\n", "OK\r\nEN\r\n");
}

/// memcached's own test of its order of eviction: what is read in between stays, whatever is stored behind it.
#[test]
fn what_is_used_stays_when_memory_is_full() {
    let host = cache_only("-p 0 -t 2 -m 16");
    let mut client = host.client();
    let value = "x".repeat(64 << 10);
    let set = |client: &mut Client, key: &str| {
        client.ask(format!("set {key} 0 0 {}\r\n{value}\r\n", value.len()), "STORED\r\n");
    };
    let there = |client: &mut Client, key: &str| {
        client.send(format!("mg {key}\r\n"));
        client.read_line() == "HD"
    };
    let touched: Vec<String> = (0..20).map(|i| format!("touched{i}")).collect();
    let left: Vec<String> = (0..20).map(|i| format!("left{i}")).collect();
    touched.iter().chain(&left).for_each(|key| set(&mut client, key));
    for i in 0..600 {
        set(&mut client, &format!("fill{i}"));
        if i % 50 == 0 {
            for key in &touched {
                assert!(there(&mut client, key), "{key} is gone after {i} others");
            }
        }
    }
    assert!(touched.iter().all(|key| there(&mut client, key)));
    assert!(!left.iter().any(|key| there(&mut client, key)));
    assert!(stat(&mut client, "", "evictions").unwrap().parse::<u32>().unwrap() > 300);
}

#[test]
fn connections_have_memcacheds_states() {
    let host = HostConfig::new().option("-p 0 -t 2").start();
    let mut clients: Vec<_> = (0..4).map(|_| host.client()).collect();
    for (client, sent) in clients.iter_mut().zip(["mn\r\n", "set k 0 0 6\r\nab", "watch fetchers\r\n", "mn\r\n"]) {
        client.send(sent);
    }
    clients[0].expect("MN\r\n");
    clients[2].expect("OK\r\n");
    clients[3].expect("MN\r\n");
    let states = |client: &mut Client| {
        let conns = client.stats("conns").into_iter().filter(|(name, _)| name.ends_with(":state"));
        let mut states: Vec<_> = conns.map(|(_, state)| state).collect();
        states.sort();
        states
    };
    let mut asker = host.client();
    wait_until("half of a value has come", || {
        states(&mut asker) == ["conn_listening", "conn_nread", "conn_parse_cmd", "conn_read", "conn_read", "conn_watch"]
    });
    clients[1].send("cdef\r\n");
    clients[1].expect("STORED\r\n");
    wait_until("all of it has come", || !states(&mut asker).contains(&"conn_nread".to_owned()));
}

#[test]
fn a_range_may_stand_behind_the_name_of_its_container() {
    let config = HostConfig::new().option("-p 0 -t 1");
    let host = config.start();
    host.sql("CREATE TABLE memcached.other (id VARCHAR(32) PRIMARY KEY, body VARCHAR(100))").unwrap();
    host.sql("INSERT INTO innodb_memcache.containers VALUES ('other', 'memcached', 'other', 'id', 'body', '0', '0', '0', 'PRIMARY')")
        .unwrap();
    host.sql("INSERT INTO memcached.other VALUES ('j', '1'), ('k', '2'), ('l', '3'), ('m', '4')").unwrap();
    let mut client = host.client();
    client.ask("set k 0 0 4\r\nmine\r\n", "STORED\r\n");
    client.ask("get @>=a\r\n", "VALUE k 0 4\r\nmine\r\nEND\r\n");
    client.ask("get @@other.@>=k 2\r\n", "VALUE k 0 1\r\n2\r\nVALUE l 0 1\r\n3\r\nEND\r\n");
    // The name switches the connection, as in front of a key.
    client.ask("get @<k\r\n", "VALUE j 0 1\r\n1\r\nEND\r\n");
    // What only looks like a range is a key.
    client
        .ask("set @@other.x@>y 0 0 1\r\n9\r\nget @@other.x@>y\r\n", "STORED\r\nVALUE @@other.x@>y 0 1\r\n9\r\nEND\r\n");
}

#[test]
fn statistics_have_memcacheds_names() {
    let host = HostConfig::new().option("-p 0 -t 1 -m 80").start();
    let mut client = host.client();
    client.ask(
        "set k 0 0 1\r\na\r\nms k 1\r\nb\r\nmg k v\r\nadd k 0 0 1\r\nc\r\n",
        "STORED\r\nHD\r\nVA 1\r\nb\r\nNOT_STORED\r\n",
    );
    for (name, value) in [
        ("cmd_meta", "2"),
        ("total_items", "2"),
        ("store_too_large", "0"),
        ("store_no_memory", "0"),
        ("accepting_conns", "1"),
        ("listen_disabled_num", "0"),
    ] {
        assert_eq!(stat(&mut client, "", name).as_deref(), Some(value), "{name}");
    }
    let user: f64 = stat(&mut client, "", "rusage_user").unwrap().parse().unwrap();
    assert!(
        user >= 0.0
            && stat(&mut client, "", "rusage_system").is_some()
            && stat(&mut client, "", "conn_yields").is_some()
    );
    let megabytes = (80 << 20).to_string();
    for (name, value) in
        [("maxbytes", megabytes.as_str()), ("evictions", "on"), ("shutdown_command", "no"), ("dump_enabled", "yes")]
    {
        assert_eq!(stat(&mut client, "settings", name).as_deref(), Some(value), "{name}");
    }
    let listening = format!("tcp:127.0.0.1:{}", host.port());
    let conns = client.stats("conns");
    let socket =
        conns.iter().find(|(_, state)| state == "conn_listening").and_then(|(name, _)| name.strip_suffix(":state"));
    assert!(conns.contains(&(format!("{}:addr", socket.unwrap()), listening)), "{conns:?}");
}
