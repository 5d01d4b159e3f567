//! Cache policies: what goes to memory, what to the table, and that memory never shows what the table has left behind.

use crate::common::{Client, Host, HostConfig, INSTALL};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A host under these policies for get, set, delete, flush.
fn host_with(config: &HostConfig, policies: [&str; 4]) -> Host {
    let host = config.start();
    let [get, set, delete, flush] = policies;
    host.sql("UNINSTALL PLUGIN daemon_memcached").unwrap();
    host.sql(&format!(
        "UPDATE innodb_memcache.cache_policies SET get_policy = '{get}', set_policy = '{set}', delete_policy = '{delete}', flush_policy = '{flush}'"
    ))
    .unwrap();
    host.sql(INSTALL).unwrap();
    host
}

fn rows(host: &Host) -> String {
    host.rows("SELECT COUNT(*) FROM memcached.cache").remove(0).remove(0)
}

fn run(client: &mut Client, script: &[(&str, &str)]) {
    for (send, expect) in script {
        client.ask(send, expect);
    }
}

#[test]
fn cache_only_is_memcached_and_leaves_the_table_alone() {
    let host = host_with(&HostConfig::new(), ["cache_only"; 4]);
    let mut client = host.client();
    run(
        &mut client,
        &[
            ("set a 5 0 1\r\nx\r\nget a\r\n", "STORED\r\nVALUE a 5 1\r\nx\r\nEND\r\n"),
            ("add a 0 0 1\r\ny\r\n", "NOT_STORED\r\n"),
            ("replace b 0 0 1\r\ny\r\n", "NOT_STORED\r\n"),
            (
                "append a 0 0 1\r\ny\r\nprepend a 0 0 1\r\nw\r\nget a\r\n",
                "STORED\r\nSTORED\r\nVALUE a 5 3\r\nwxy\r\nEND\r\n",
            ),
            (
                "set n 0 0 2\r\n10\r\nincr n 5\r\ndecr n 20\r\nincr a 1\r\n",
                "STORED\r\n15\r\n0\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
            ),
            ("cas n 0 0 1 1\r\nx\r\ncas none 0 0 1 1\r\nx\r\n", "EXISTS\r\nNOT_FOUND\r\n"),
            ("touch n -1\r\nget n\r\ntouch n 0\r\n", "TOUCHED\r\nEND\r\nNOT_FOUND\r\n"),
            ("gat 100 a\r\n", "VALUE a 5 3\r\nwxy\r\nEND\r\n"),
            ("delete a\r\ndelete a\r\n", "DELETED\r\nNOT_FOUND\r\n"),
            ("set e 0 -1 1\r\nx\r\nget e\r\n", "STORED\r\nEND\r\n"),
            ("set f 0 0 1\r\nx\r\nflush_all\r\nget f\r\n", "STORED\r\nOK\r\nEND\r\n"),
        ],
    );
    client.send("set c 0 0 1\r\nx\r\ngets c\r\n");
    client.expect("STORED\r\n");
    let reply = String::from_utf8(client.read_reply()).unwrap();
    let cas = reply.lines().next().unwrap().rsplit(' ').next().unwrap().to_owned();
    client.ask(format!("cas c 0 0 1 {cas}\r\ny\r\ncas c 0 0 1 {cas}\r\nz\r\n"), "STORED\r\nEXISTS\r\n");
    assert_eq!(rows(&host), "0");
    let stats = client.stats("items");
    assert!(stats.contains(&("items:2:number".into(), "1".into())), "{stats:?}");
}

#[test]
fn memory_keeps_its_limit_and_evicts_the_least_recently_used() {
    let host = host_with(&HostConfig::new().option("-p 0 -m 8"), ["cache_only"; 4]);
    let mut client = host.client();
    let value = "v".repeat(10_000);
    for i in 0..2000 {
        client.ask(format!("set k{i} 0 0 10000\r\n{value}\r\n"), "STORED\r\n");
        client.ask("touch k0 0\r\n", "TOUCHED\r\n");
    }
    client.ask("get k1\r\n", "END\r\n");
    client.send("get k0\r\n");
    assert!(client.read_reply().starts_with(b"VALUE k0"), "what is used is kept");
    let stats = client.stats("");
    let number = |name: &str| stats.iter().find(|(n, _)| n == name).unwrap().1.parse::<u64>().unwrap();
    assert!(number("bytes") <= 8 << 20 && number("evictions") > 0 && number("limit_maxbytes") == 8 << 20);
    let host = host_with(&HostConfig::new().option("-p 0 -m 1 -M"), ["cache_only"; 4]);
    let mut client = host.client();
    let mut refused = false;
    for i in 0..200 {
        client.send(format!("set k{i} 0 0 10000\r\n{value}\r\n"));
        refused |= client.read_line() == "SERVER_ERROR out of memory storing object";
    }
    assert!(refused);
    client.send("get k0\r\n");
    assert!(client.read_reply().starts_with(b"VALUE k0"));
}

#[test]
fn caching_reads_through_and_writes_both() {
    let host = host_with(&HostConfig::new(), ["caching"; 4]);
    let mut client = host.client();
    client.ask("set a 1 0 1\r\nx\r\n", "STORED\r\n");
    assert_eq!(host.rows("SELECT `key`, value FROM memcached.cache"), [["a", "x"]]);
    host.sql("UPDATE memcached.cache SET value = 'sql'").unwrap();
    client.ask("get a\r\n", "VALUE a 1 3\r\nsql\r\nEND\r\n");
    client.ask("append a 0 0 1\r\n!\r\nget a\r\n", "STORED\r\nVALUE a 1 4\r\nsql!\r\nEND\r\n");
    host.sql("INSERT INTO memcached.cache (`key`, value, flags, cas, expiry) VALUES ('b', '5', 2, 9, 0)").unwrap();
    client.ask("get b\r\n", "VALUE b 2 1\r\n5\r\nEND\r\n");
    host.sql("DELETE FROM memcached.cache WHERE `key` = 'b'").unwrap();
    client.ask("get b\r\n", "END\r\n");
    client.ask("incr b 1\r\nget b\r\n", "NOT_FOUND\r\nEND\r\n");
    client.ask("delete a\r\nget a\r\n", "DELETED\r\nEND\r\n");
    client.ask("set c 0 0 1\r\nx\r\nflush_all\r\nget c\r\n", "STORED\r\nOK\r\nEND\r\n");
    assert_eq!(rows(&host), "0");
}

/// The bundled engine tells of what SQL changes: once a statement is answered, no get shows what was there before it.
#[test]
fn memory_follows_sql() {
    let host = host_with(&HostConfig::new().option("-p 0 -t 2"), ["caching"; 4]);
    let mut clients = [host.client(), host.client()];
    clients[0].ask("set a 0 0 1\r\n0\r\nset b 0 0 1\r\nb\r\n", "STORED\r\nSTORED\r\n");
    for i in 1..200 {
        host.sql(&format!("UPDATE memcached.cache SET value = '{i}' WHERE `key` = 'a'")).unwrap();
        for client in &mut clients {
            let value = i.to_string();
            // The first fills memory, the second may find it there.
            for _ in 0..2 {
                client.ask("get a\r\n", format!("VALUE a 0 {}\r\n{value}\r\nEND\r\n", value.len()));
            }
        }
    }
    let [one, other] = &mut clients;
    host.sql("BEGIN; DELETE FROM memcached.cache WHERE `key` = 'b'; ROLLBACK").unwrap();
    one.ask("get b\r\n", "VALUE b 0 1\r\nb\r\nEND\r\n");
    for (statement, reply) in [
        ("DELETE FROM memcached.cache WHERE `key` = 'b'", "END\r\n"),
        (
            "INSERT INTO memcached.cache (`key`, value, flags, cas, expiry) VALUES ('b', 'new', 3, 0, 0)",
            "VALUE b 3 3\r\nnew\r\nEND\r\n",
        ),
        ("TRUNCATE TABLE memcached.cache", "END\r\n"),
    ] {
        host.sql(statement).unwrap();
        one.ask("get b\r\n", reply);
        other.ask("get b\r\n", reply);
    }
    other.ask("set a 0 0 1\r\nx\r\nget a\r\n", "STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n");
    assert_eq!(rows(&host), "1");
}

/// Two workers, and SQL that only counts up meanwhile: no get shows less than what a statement before it was answered with.
#[test]
fn memory_shows_nothing_that_sql_has_replaced() {
    let host = host_with(&HostConfig::new().option("-p 0 -t 2"), ["caching"; 4]);
    host.client().ask("set n 0 0 1\r\n0\r\n", "STORED\r\n");
    let (stop, told) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = host.client();
                while !stop.load(Ordering::Acquire) {
                    let least = told.load(Ordering::Acquire);
                    client.send("get n\r\n");
                    let reply = String::from_utf8(client.read_reply()).unwrap();
                    let shown: u64 = reply.lines().nth(1).unwrap_or_else(|| panic!("{reply:?}")).parse().unwrap();
                    assert!(shown >= least, "{shown} after {least}");
                }
            });
        }
        for i in 1..=300 {
            host.sql(&format!("UPDATE memcached.cache SET value = '{i}' WHERE `key` = 'n'")).unwrap();
            told.store(i, Ordering::Release);
        }
        stop.store(true, Ordering::Release);
    });
}

#[test]
fn disabled_operations_claim_success_and_do_nothing() {
    let host = host_with(&HostConfig::new(), ["disabled"; 4]);
    host.client().ask(
        "set a 0 0 1\r\nx\r\nget a\r\ndelete a\r\nflush_all\r\n",
        "STORED\r\nEND\r\nDELETED\r\nCLIENT_ERROR flush_all not allowed\r\n",
    );
    assert_eq!(rows(&host), "0");
    let host = host_with(&HostConfig::new(), ["innodb_only", "innodb_only", "disabled", "innodb_only"]);
    host.client().ask("set a 0 0 1\r\nx\r\ndelete a\r\nget a\r\n", "STORED\r\nDELETED\r\nVALUE a 0 1\r\nx\r\nEND\r\n");
}

#[test]
fn text_keys_stay_out_of_memory() {
    let host = host_with(&HostConfig::new(), ["caching"; 4]);
    host.wait_log("container aaa: the cache policies do not apply");
    let mut client = host.client();
    client.ask("get @@aaa.AA\r\n", "VALUE @@aaa.AA 8 12\r\nHELLO, HELLO\r\nEND\r\n");
    host.sql("UPDATE test.demo_test SET c2 = 'changed'").unwrap();
    client.ask("get AA\r\n", "VALUE AA 8 7\r\nchanged\r\nEND\r\n");
}

/// Counters that only grow: a get that shows less than what was acknowledged before it shows a value that memory should have lost.
#[test]
fn readers_that_fill_memory_never_bring_an_old_value_back() {
    const KEYS: usize = 4;
    let host =
        host_with(&HostConfig::new().option("-p 0 -t 4").arg("--innodb-flush-log-at-trx-commit=2"), ["caching"; 4]);
    let acknowledged: Vec<AtomicU64> = (0..KEYS).map(|_| AtomicU64::new(0)).collect();
    let stop = AtomicBool::new(false);
    let mut setup = host.client();
    for key in 0..KEYS {
        setup.ask(format!("set k{key} 0 0 1\r\n0\r\n"), "STORED\r\n");
    }
    std::thread::scope(|scope| {
        for reader in 0..4 {
            let (host, acknowledged, stop) = (&host, &acknowledged, &stop);
            scope.spawn(move || {
                let mut client = host.client();
                for round in 0.. {
                    let key = (round + reader) % KEYS;
                    let least = acknowledged[key].load(Ordering::SeqCst);
                    client.send(format!("get k{key}\r\n"));
                    let reply = String::from_utf8(client.read_reply()).unwrap();
                    let seen: u64 = reply.lines().nth(1).unwrap().parse().unwrap();
                    assert!(seen >= least, "k{key} shows {seen} after {least} was acknowledged");
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        // One writer per key: set and incr in turn, so that both ways of leaving memory behind are used.
        let writers: Vec<_> = (0..KEYS)
            .map(|key| {
                let (host, acknowledged) = (&host, &acknowledged);
                scope.spawn(move || {
                    let mut client = host.client();
                    for value in 1..3000u64 {
                        if value % 2 == 0 {
                            client.ask(format!("incr k{key} 1\r\n"), format!("{value}\r\n"));
                        } else {
                            let text = value.to_string();
                            client.ask(format!("set k{key} 0 0 {}\r\n{text}\r\n", text.len()), "STORED\r\n");
                        }
                        acknowledged[key].store(value, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
}
