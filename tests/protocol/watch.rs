//! `watch`: what others do, told in memcached's lines; from every worker, never before it is committed, and bounded.

use super::expected::cache_only;
use crate::common::packets::PacketClient;
use crate::common::patient::wait_until;
use crate::common::{Client, Host, HostConfig};
use std::collections::BTreeSet;

/// A connection that watches.
fn watcher(host: &Host, streams: &str) -> Client {
    let mut client = host.client();
    client.ask(format!("watch {streams}\r\n"), "OK\r\n");
    client
}

/// The next line, without its time, number and descriptor.
#[track_caller]
fn next(watcher: &mut Client) -> String {
    let line = watcher.read_line();
    let (time, rest) = line.split_once(" gid=").unwrap_or_else(|| panic!("{line}"));
    let time = time.strip_prefix("ts=").and_then(|time| time.parse::<f64>().ok());
    assert!(time.is_some_and(|time| time > 1e9), "{line}");
    let (number, rest) = rest.split_once(' ').unwrap();
    assert!(number.parse::<u64>().is_ok_and(|number| number > 0), "{line}");
    let descriptor = |word: &&str| word.strip_prefix("cfd=").is_none_or(|fd| fd.parse::<u32>().is_err());
    rest.split(' ').filter(descriptor).collect::<Vec<_>>().join(" ")
}

#[test]
fn operations_are_told_in_memcacheds_lines() {
    let host = HostConfig::new().option("-p 0 -t 3").start();
    let mut watcher = watcher(&host, "fetchers mutations deletions");
    // Every connection is another worker's.
    for (request, reply, lines) in [
        ("get k\r\n", "END\r\n", &["type=item_get key=k status=not_found clsid=0 size=0"][..]),
        (
            "set k 7 0 5\r\nhello\r\n",
            "STORED\r\n",
            &["type=item_store key=k status=stored cmd=set ttl=0 clsid=1 size=5"],
        ),
        (
            "add k 7 0 1 noreply\r\nx\r\nmn\r\n",
            "MN\r\n",
            &["type=item_store key=k status=not_stored cmd=add ttl=0 clsid=1 size=1"],
        ),
        (
            "append k 0 0 2\r\n, \r\n",
            "STORED\r\n",
            &["type=item_store key=k status=stored cmd=append ttl=0 clsid=1 size=2"],
        ),
        ("cas k 0 0 1 1\r\nx\r\n", "EXISTS\r\n", &["type=item_store key=k status=exists cmd=cas ttl=0 clsid=1 size=1"]),
        (
            "ms a,b 3 T100\r\nabc\r\n",
            "HD\r\n",
            &["type=item_store key=a%2Cb status=stored cmd=set ttl=100 clsid=1 size=3"],
        ),
        (
            "get k none a,b\r\n",
            "VALUE k 7 7\r\nhello, \r\nVALUE a,b 0 3\r\nabc\r\nEND\r\n",
            &[
                "type=item_get key=k status=found clsid=1 size=7",
                "type=item_get key=none status=not_found clsid=0 size=0",
                "type=item_get key=a%2Cb status=found clsid=1 size=3",
            ],
        ),
        ("mg k\r\n", "HD\r\n", &["type=item_get key=k status=found clsid=1 size=7"]),
        ("touch k 9\r\n", "TOUCHED\r\n", &["type=item_get key=k status=found clsid=1 size=7"]),
        ("ma n N0 J5 v\r\n", "VA 1\r\n5\r\n", &["type=item_store key=n status=stored cmd=add ttl=0 clsid=1 size=1"]),
        ("incr n 1\r\ndelete none\r\nmd none\r\nmd k I\r\nmn\r\n", "6\r\nNOT_FOUND\r\nNF\r\nHD\r\nMN\r\n", &[]),
        ("delete k\r\n", "DELETED\r\n", &["type=deleted key=k cmd=delete clsid=1 size=7"]),
        ("md a,b\r\n", "HD\r\n", &["type=deleted key=a%2Cb cmd=md clsid=1 size=3"]),
    ] {
        host.client().ask(request, reply);
        for line in lines {
            assert_eq!(next(&mut watcher), *line, "{request}");
        }
    }
    let large = 2 << 20;
    host.client()
        .ask(format!("set k 0 0 {large}\r\n{}\r\n", "x".repeat(large)), "SERVER_ERROR object too large for cache\r\n");
    assert_eq!(next(&mut watcher), "type=item_store key=k status=too_large cmd=set ttl=0 clsid=0 size=0");
    let mut packets = PacketClient::new(host.client());
    packets.send("set p 0 0 1; get p; delete p");
    (0..3).for_each(|_| drop(packets.read()));
    for line in [
        "type=item_store key=p status=stored cmd=set ttl=0 clsid=1 size=1",
        "type=item_get key=p status=found clsid=1 size=1",
        "type=deleted key=p cmd=delete clsid=1 size=1",
    ] {
        assert_eq!(next(&mut watcher), line);
    }
}

/// Sets of many connections are committed together, and each is told of once.
#[test]
fn what_is_committed_together_is_told_one_by_one() {
    let host = HostConfig::new().option("-p 0 -t 4").start();
    let mut watcher = watcher(&host, "mutations");
    let mut clients: Vec<_> = (0..20).map(|_| host.client()).collect();
    for (i, client) in clients.iter_mut().enumerate() {
        client.send((0..50).map(|k| format!("set c{i}k{k} 0 0 1\r\nx\r\n")).collect::<String>());
    }
    for client in &mut clients {
        client.expect("STORED\r\n".repeat(50));
    }
    let told: BTreeSet<_> = (0..1000).map(|_| next(&mut watcher)).collect();
    assert_eq!(told.len(), 1000);
    assert!(told.iter().all(|line| line.ends_with("status=stored cmd=set ttl=0 clsid=1 size=1")));
}

#[test]
fn words_are_memcacheds_and_the_number_of_watchers_is_bounded() {
    let host = HostConfig::new().option("-p 0 -t 2").start();
    let watchers = |client: &mut Client| {
        client.stats("").into_iter().find(|(name, _)| name == "log_watchers").unwrap().1.parse::<u32>().unwrap()
    };
    let mut client = host.client();
    client.ask("watch nonsense\r\nwatch fetchers nonsense\r\n", "ERROR\r\nERROR\r\n");
    let mut all = Vec::new();
    for words in ["", " f", " rawcmds sysevents proxyreqs proxyevents proxyuser", " conn evi del mut"] {
        let mut client = host.client();
        // What follows the command means nothing.
        client.ask(format!("watch{words}\r\nget k\r\nnonsense\r\n"), "OK\r\n");
        all.push(client);
    }
    all.extend((4..20).map(|_| watcher(&host, "evictions")));
    assert_eq!(watchers(&mut client), 20);
    host.client().ask("watch\r\nmn\r\n", "WATCHER_TOO_MANY log watcher limit reached\r\nMN\r\n");
    let conns = client.stats("conns");
    assert_eq!(conns.iter().filter(|(_, state)| state == "conn_watch").count(), 20, "{conns:?}");
    drop(all);
    wait_until("they have gone", || watchers(&mut client) == 0);
    watcher(&host, "fetchers");
    // Nobody may watch whom the administrator does not let.
    let host = HostConfig::new().option("-p 0 -W").start();
    host.client().ask("watch fetchers\r\nmn\r\n", "CLIENT_ERROR watch commands not allowed\r\nMN\r\n");
    let config = HostConfig::new();
    let users = config.users(&[("root", "a", "*=rw"), ("alice", "b", "default=rw")]);
    let host = config.option(&format!("-p 0 -Y {}", users.display())).start();
    for (name, password, reply) in [("root", "a", "OK\r\n"), ("alice", "b", "SERVER_ERROR permission denied\r\n")] {
        let mut client = host.client();
        client.log_in(name, password);
        client.ask("watch fetchers\r\n", reply);
    }
    host.client().ask("watch fetchers\r\n", "CLIENT_ERROR unauthenticated\r\n");
    let host = HostConfig::new().option("-p 0 -o container=default").start();
    host.client().ask("watch fetchers\r\n", "CLIENT_ERROR watch commands not allowed\r\n");
}

#[test]
fn connections_that_come_and_go_are_told() {
    let config = HostConfig::new();
    let socket = config.scratch().join("unix");
    let host = config.option(&format!("-p 0 -t 2 -o idle_timeout=1 -l 127.0.0.1,{}", socket.display())).start();
    let mut watcher = watcher(&host, "connevents");
    let place = |line: &str| line.replace(|c: char| c.is_ascii_digit() || c == '.', "");
    let tcp = "rip= rport= transport=tcp";
    for (request, reply, reason) in [
        ("version\r\nquit\r\n", "VERSION", "normal"),
        ("GET / HTTP/1.1\r\n", "", "error"),
        ("mn\r\n", "MN", "idle_timeout"),
    ] {
        let mut client = host.client();
        client.send(request);
        client.expect(reply);
        assert_eq!(place(&next(&mut watcher)), format!("type=conn_new {tcp}"), "{request}");
        assert_eq!(place(&next(&mut watcher)), format!("type=conn_close {tcp} reason={reason}"), "{request}");
    }
    // Whoever watches need not say anything itself.
    drop(Client::connect_unix(&socket));
    assert_eq!(next(&mut watcher), "type=conn_new rip=unix rport=0 transport=local");
    assert_eq!(next(&mut watcher), "type=conn_close rip=unix rport=0 transport=local reason=normal");
}

#[test]
fn evictions_are_told_with_what_is_lost() {
    let host = cache_only("-p 0 -t 1 -m 8");
    let mut watcher = watcher(&host, "evictions");
    let mut client = host.client();
    let value = "x".repeat(1 << 20 >> 1);
    let set = |key: &str, exptime: u32| format!("set {key} 0 {exptime} {}\r\n{value}\r\n", value.len());
    client.ask(set("first", 0), "STORED\r\n");
    client.ask("mg first\r\n", "HD\r\n");
    client.ask(set("second", 1000), "STORED\r\n");
    for i in 0..15 {
        client.ask(set(&format!("k{i}"), 0), "STORED\r\n");
    }
    let line = next(&mut watcher);
    let shown: Vec<_> = line.split(' ').filter(|word| !word.starts_with("la=")).collect();
    assert_eq!(shown, ["type=eviction", "key=first", "fetch=yes", "ttl=-1", "clsid=1", "size=524288"], "{line}");
    let line = next(&mut watcher);
    assert!(line.starts_with("type=eviction key=second fetch=no ttl=") && !line.contains("ttl=-1"), "{line}");
}

/// Whoever reads nothing holds no more than a buffer, and is told how much it missed.
#[test]
fn a_watcher_that_does_not_read_misses_lines_and_nobody_waits_for_it() {
    let host = HostConfig::new().option("-p 0 -t 2").start();
    let mut slow = watcher(&host, "fetchers");
    let mut client = host.client();
    let key = "#".repeat(240);
    let skipped = |client: &mut Client| {
        client.stats("").into_iter().find(|(name, _)| name == "log_watcher_skipped").unwrap().1.parse::<u64>().unwrap()
    };
    let line = format!("get {key}\r\n").repeat(500);
    wait_until("lines are missed", || {
        client.ask(&line, "END\r\n".repeat(500));
        skipped(&mut client) > 1000
    });
    // Reading makes room; new lines bring the number of those that were missed.
    let mut told = 0;
    while told == 0 {
        client.ask(format!("get {key}\r\n"), "END\r\n");
        for _ in 0..100 {
            let line = slow.read_line();
            if let Some(missed) = line.strip_prefix("skipped=") {
                told = missed.parse().unwrap();
                break;
            }
            assert!(line.starts_with("ts="), "{line}");
        }
    }
    assert!(told > 0 && told <= skipped(&mut client), "{told}");
    assert!(slow.read_line().starts_with("ts="), "a line follows");
}
