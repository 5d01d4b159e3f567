//! What shows a memcached to people: memcached-tool of Debian's package, phpMemcachedAdmin's commands, and the names that Prometheus' exporter
//! for memcached reads, against a host with items in a table.

use crate::common::patient::wait_until;
use crate::common::{Client, Host, HostConfig};
use crate::programs::run;
use std::collections::BTreeMap;
use std::process::Command;

/// Items that the hosts here have: `page:0` and on.
const ITEMS: usize = 200;

fn filled() -> Host {
    let host = HostConfig::new().start();
    let mut client = host.client();
    for i in 0..ITEMS {
        client.send(format!("set page:{i} 7 0 100 noreply\r\n{}\r\n", "v".repeat(100)));
    }
    client.ask("get page:1 none\r\n", format!("VALUE page:1 7 100\r\n{}\r\nEND\r\n", "v".repeat(100)));
    client.ask("set number 0 0 1\r\n1\r\nincr number 1\r\ndecr none 1\r\n", "STORED\r\n2\r\nNOT_FOUND\r\n");
    client.ask("delete number\r\ndelete number\r\ntouch page:1 0\r\n", "DELETED\r\nNOT_FOUND\r\nTOUCHED\r\n");
    // A second container, which has one item from the start on, is told too.
    wait_until("the items are told", || number(&stats(&host, ""), "curr_items") == (ITEMS + 1) as f64);
    host
}

fn stats(host: &Host, what: &str) -> BTreeMap<String, String> {
    host.client().stats(what).into_iter().collect()
}

#[track_caller]
fn number(stats: &BTreeMap<String, String>, name: &str) -> f64 {
    let value = stats.get(name).unwrap_or_else(|| panic!("no {name}"));
    value.parse().unwrap_or_else(|_| panic!("{name} is {value}"))
}

#[test]
fn memcached_tool_of_debian() {
    const TOOL: &str = "/usr/share/memcached/scripts/memcached-tool";
    assert!(std::path::Path::new(TOOL).exists(), "apt-get install memcached");
    let host = filled();
    let tool = |words: &[&str]| {
        let mut command = Command::new("/usr/bin/perl");
        command.arg(TOOL).arg(format!("127.0.0.1:{}", host.port())).args(words);
        run(&mut command).unwrap_or_else(|why| panic!("{words:?}: {why}"))
    };
    let shown = tool(&["display"]);
    let row: Vec<&str> = shown.lines().last().unwrap().split_whitespace().collect();
    // Class, mean size of an item, age, pages of a mebibyte, items, full, evicted, when, out of memory.
    assert_eq!((row[0], row[2], row[3], row[4], row[5]), ("1", "0s", "1", &*(ITEMS + 1).to_string(), "yes"), "{shown}");
    assert!(row[1].ends_with('B') && row[6..] == ["0", "0", "0"], "{shown}");
    assert!(!shown.contains("uninitialized"), "{shown}");
    let shown = tool(&["stats"]);
    assert!(shown.lines().any(|line| line.split_whitespace().eq(["curr_items", &(ITEMS + 1).to_string()])), "{shown}");
    let shown = tool(&["settings"]);
    assert!(shown.lines().any(|line| line.split_whitespace().eq(["item_size_max", "1048576"])), "{shown}");
    let keys = tool(&["keys"]);
    assert_eq!(keys.lines().filter(|line| line.starts_with("key=page%3A") && line.contains(" exp=-1 ")).count(), ITEMS);
    // The dump is commands for another server: it takes them.
    let mut dump = tool(&["dump"]);
    let begin = dump.find("add ").unwrap_or_else(|| panic!("{dump}"));
    dump.drain(..begin);
    let other = HostConfig::new().start();
    let mut client = other.client();
    client.send(dump.replace("\r\n", "\n").replace('\n', "\r\n"));
    for _ in 0..ITEMS {
        client.expect("STORED\r\n");
    }
    client.ask("get page:199\r\n", format!("VALUE page:199 7 100\r\n{}\r\nEND\r\n", "v".repeat(100)));
}

/// A reply as phpMemcachedAdmin reads it: up to the first line that ends with one of its words.
fn until_end(client: &mut Client, command: &str) -> Vec<String> {
    const ENDS: [&str; 9] =
        ["END", "DELETED", "OK", "ERROR", "SERVER_ERROR", "CLIENT_ERROR", "NOT_FOUND", "STORED", "RESET"];
    client.send(format!("{command}\r\n"));
    let mut lines = Vec::new();
    loop {
        lines.push(client.read_line());
        if ENDS.iter().any(|end| lines.last().is_some_and(|line| line.ends_with(end))) {
            return lines;
        }
    }
}

/// A table of its numbers.
fn table(host: &Host, command: &str) -> BTreeMap<String, String> {
    let lines = until_end(&mut host.client(), command);
    let words = lines.iter().map(|line| line.split(' ').collect::<Vec<_>>()).filter(|words| words.len() > 2);
    words.map(|words| (words[1].to_owned(), words[2].to_owned())).collect()
}

#[test]
fn numbers_for_php_memcached_admin() {
    let host = filled();
    let general = table(&host, "stats");
    // It divides by this one.
    assert!(number(&general, "uptime") >= 1.0);
    for name in [
        "cmd_get",
        "cmd_set",
        "get_hits",
        "get_misses",
        "delete_hits",
        "delete_misses",
        "cas_hits",
        "cas_misses",
        "cas_badval",
        "incr_hits",
        "incr_misses",
        "decr_hits",
        "decr_misses",
        "touch_hits",
        "touch_misses",
        "cmd_flush",
        "limit_maxbytes",
        "bytes",
        "evictions",
        "reclaimed",
        "curr_connections",
        "total_connections",
        "curr_items",
        "total_items",
        "threads",
        "bytes_read",
        "bytes_written",
        "pid",
        "pointer_size",
        "time",
    ] {
        number(&general, name);
    }
    assert!(number(&general, "cmd_get") >= 2.0 && number(&general, "curr_items") >= ITEMS as f64);
    let settings = table(&host, "stats settings");
    for name in ["maxbytes", "maxconns", "tcpport", "num_threads", "item_size_max", "tcp_backlog"] {
        number(&settings, name);
    }
}

#[test]
fn commands_of_php_memcached_admin() {
    let host = filled();
    let ask = |command: &str| until_end(&mut host.client(), command);
    let slabs = table(&host, "stats slabs");
    assert_eq!(number(&slabs, "active_slabs"), 1.0);
    assert!(number(&slabs, "total_malloced") > (ITEMS * 100) as f64);
    for name in [
        "used_chunks",
        "total_chunks",
        "chunk_size",
        "chunks_per_page",
        "total_pages",
        "free_chunks",
        "get_hits",
        "cmd_set",
        "delete_hits",
        "cas_hits",
        "cas_badval",
        "incr_hits",
        "decr_hits",
        "touch_hits",
        "mem_requested",
    ] {
        number(&slabs, &format!("1:{name}"));
    }
    let items = table(&host, "stats items");
    for name in ["number", "age", "evicted", "evicted_time", "outofmemory", "tailrepairs", "mem_requested"] {
        number(&items, &format!("items:1:{name}"));
    }
    let dumped = ask("stats cachedump 1 50");
    assert_eq!(dumped.len(), 51);
    assert!(dumped[0].starts_with("ITEM page:") && dumped[0].ends_with(" s]"), "{}", dumped[0]);
    assert_eq!(ask("stats cachedump 1 0").len(), ITEMS + 1);
    for (command, expected) in [
        ("set admin 0 60 5\r\nhello", &["STORED"][..]),
        ("get admin", &["VALUE admin 0 5", "hello", "END"]),
        ("delete admin", &["DELETED"]),
        ("delete admin", &["NOT_FOUND"]),
        ("flush_all 0", &["OK"]),
        ("stats reset", &["RESET"]),
    ] {
        assert_eq!(ask(command), expected, "{command}");
    }
}

/// Prometheus' memcached_exporter calls a server down of whose numbers it cannot read one; names that are not there it passes by.
#[test]
fn names_and_numbers_for_the_prometheus_exporter() {
    let host = filled();
    let general = stats(&host, "");
    for name in [
        "uptime",
        "time",
        "bytes",
        "limit_maxbytes",
        "curr_items",
        "total_items",
        "bytes_read",
        "bytes_written",
        "curr_connections",
        "total_connections",
        "rejected_connections",
        "conn_yields",
        "listen_disabled_num",
        "evictions",
        "reclaimed",
        "store_too_large",
        "store_no_memory",
        "crawler_reclaimed",
        "accepting_conns",
        "cmd_set",
        "cmd_flush",
        "cas_misses",
        "cas_hits",
        "cas_badval",
        "total_malloced",
    ] {
        number(&general, name);
    }
    for command in ["get", "delete", "incr", "decr", "cas", "touch"] {
        assert!(number(&general, &format!("{command}_hits")) + number(&general, &format!("{command}_misses")) >= 0.0);
    }
    // It tells sets without cas.
    assert!(number(&general, "cmd_set") - number(&general, "cas_hits") >= ITEMS as f64);
    for name in ["rusage_user", "rusage_system"] {
        let (seconds, micros) = general[name].split_once('.').unwrap();
        assert!(
            seconds.parse::<u64>().is_ok() && micros.len() == 6 && micros.parse::<u64>().is_ok(),
            "{}",
            general[name]
        );
    }
    assert!(number(&stats(&host, "settings"), "maxconns") > 0.0);
    assert_eq!(number(&stats(&host, "items"), "items:1:number"), (ITEMS + 1) as f64);
    for what in ["items", "slabs"] {
        let told = stats(&host, what);
        assert!(told.len() > 5);
        for name in told.keys() {
            number(&told, name);
        }
    }
}
