//! Key dumps, detail statistics and the budget of memory, through the front door and libmemcached's tools.

use crate::common::{Host, HostConfig};
use std::collections::BTreeSet;
use std::process::Command;

const KEYS: usize = 12_345;

/// A host with `KEYS` rows in its default container, one that has expired and one that will.
fn filled() -> Host {
    let host = HostConfig::new().option("-p 0 -t 2").start();
    let mut client = host.client();
    let mut input = String::new();
    for i in 0..KEYS {
        input += &format!("set key:{i} 7 0 3 noreply\r\nabc\r\n");
    }
    input += "set gone 0 -1 1 noreply\r\nx\r\nset a%b 5 2000000000 1\r\nx\r\n";
    client.ask(input, "STORED\r\n");
    host
}

/// All lines up to the one that ends a dump.
fn dump(host: &Host, command: &str, end: &str) -> Vec<String> {
    let mut client = host.client();
    client.send(format!("{command}\r\n"));
    let lines = std::iter::repeat_with(|| client.read_line()).take_while(|line| line != end).collect();
    client.ask("get none\r\n", "END\r\n");
    lines
}

#[test]
fn every_live_key_is_dumped_once_in_each_format() {
    let host = filled();
    let expected: BTreeSet<String> = (0..KEYS).map(|i| format!("key:{i}")).chain(["a%b".into()]).collect();
    for (command, start, end, key) in [
        ("lru_crawler metadump all", Some("OK"), "END", "key="),
        ("lru_crawler mgdump hash", Some("OK"), "EN", "mg "),
        ("stats cachedump 1 0", None, "END", "ITEM "),
    ] {
        let mut lines = dump(&host, command, end);
        if let Some(start) = start {
            assert_eq!(lines.remove(0), start, "{command}");
        }
        assert_eq!(lines.len(), expected.len(), "{command}");
        let key = |line: &String| {
            let key = line.strip_prefix(key).unwrap_or_else(|| panic!("{command}: {line}")).split(' ').next().unwrap();
            key.replace("%3A", ":").replace("%25", "%")
        };
        assert_eq!(lines.iter().map(key).collect::<BTreeSet<_>>(), expected, "{command}");
    }
    let lines = dump(&host, "lru_crawler metadump 1", "END");
    let line = lines.iter().find(|line| line.starts_with("key=a%25b ")).unwrap();
    let (before, after) = line.split_once(" cas=").unwrap();
    assert_eq!(before, "key=a%25b exp=2000000000 la=0");
    assert_eq!(after.split_once(' ').unwrap().1, "fetch=no cls=1 size=4 flags=5 ");
    assert!(lines.iter().any(|line| line.starts_with("key=key%3A77 exp=-1 ")));
    assert_eq!(dump(&host, "stats cachedump 1 3", "END").len(), 3);
    assert_eq!(dump(&host, "lru_crawler metadump 2", "END"), ["OK"]);
    assert!(dump(&host, "stats cachedump 1 0", "END").contains(&"ITEM a%b [1 b; 2000000000 s]".to_owned()));
}

#[test]
fn a_dump_is_of_the_container_that_the_connection_uses() {
    let host = Host::start();
    host.sql("CREATE TABLE test.other (k VARCHAR(32) PRIMARY KEY, v VARCHAR(32))").unwrap();
    host.sql(
        "INSERT INTO innodb_memcache.containers VALUES ('other', 'test', 'other', 'k', 'v', '0', '0', '0', 'PRIMARY')",
    )
    .unwrap();
    let mut client = host.client();
    client.ask("bind other\r\nset here 0 0 1\r\nx\r\n", "SUCCEED\r\nSTORED\r\n");
    client.ask("lru_crawler mgdump all\r\n", "OK\r\nmg here\r\nEN\r\n");
    client.ask("stats cachedump 1 0\r\n", "ITEM here [1 b; 0 s]\r\nEND\r\n");
}

#[test]
fn libmemcacheds_tools_see_what_is_stored() {
    let host = filled();
    let server = format!("--servers=127.0.0.1:{}", host.port());
    let folder = tempfile::tempdir().unwrap();
    let tool = |name: &str, args: &[&str]| {
        let output = Command::new(name).arg(&server).args(args).current_dir(folder.path()).output();
        let output = output.unwrap_or_else(|e| panic!("{name}: {e}; apt-get install libmemcached-tools"));
        assert!(output.status.success(), "{name} {args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let dumped: BTreeSet<String> = tool("memcdump", &[]).lines().map(str::to_owned).collect();
    assert_eq!(dumped.len(), KEYS + 1);
    assert!(dumped.contains("key:0") && dumped.contains("a%b") && !dumped.contains("gone"));
    assert_eq!(tool("memccat", &["key:5"]).trim(), "abc");
    tool("memcrm", &["key:5"]);
    host.client().ask("get key:5\r\n", "END\r\n");
    std::fs::write(folder.path().join("copied"), "content of a file").unwrap();
    tool("memccp", &["copied"]);
    assert_eq!(tool("memccat", &["copied"]).trim(), "content of a file");
    assert!(tool("memcstat", &[]).contains("cmd_set"));
    tool("memctouch", &["--expire=1000", "copied"]);
    tool("memcexist", &["copied"]);
    tool("memcping", &[]);
    tool("memcflush", &[]);
    assert_eq!(tool("memcdump", &[]), "");
}

#[test]
fn detail_counts_by_prefix_from_the_start_with_an_option() {
    let host = HostConfig::new().option("-p 0 -t 1 -D /").start();
    let mut client = host.client();
    client.ask("set a/1 0 0 1\r\nx\r\nget a/1 a/2 b:1\r\n", "STORED\r\nVALUE a/1 0 1\r\nx\r\nEND\r\n");
    client.ask("delete a/1\r\ngat 0 a/1\r\n", "DELETED\r\nEND\r\n");
    client.ask("stats detail dump\r\n", "PREFIX a get 3 hit 1 set 1 del 1\r\nEND\r\n");
    client.ask(
        "stats detail off\r\nget a/1\r\nstats detail dump\r\n",
        "OK\r\nEND\r\nPREFIX a get 3 hit 1 set 1 del 1\r\nEND\r\n",
    );
    client.ask("stats reset\r\nstats detail dump\r\n", "RESET\r\nEND\r\n");
    let settings = client.stats("settings");
    assert!(settings.contains(&("stat_key_prefix".into(), "/".into())));
    assert!(settings.contains(&("detail_enabled".into(), "no".into())));
}

#[test]
fn the_budget_of_memory_changes_while_it_is_used() {
    let host = HostConfig::new().option("-p 0 -t 1 -m 64").start();
    host.sql(
        "UPDATE innodb_memcache.cache_policies SET get_policy = 'cache_only', set_policy = 'cache_only'; \
         UNINSTALL PLUGIN daemon_memcached; INSTALL PLUGIN daemon_memcached SONAME 'daemon_memcached.so'",
    )
    .unwrap();
    let mut client = host.client();
    let value = "v".repeat(500_000);
    for i in 0..40 {
        client.ask(format!("set {i} 0 0 500000\r\n{value}\r\n"), "STORED\r\n");
    }
    let stat = |client: &mut crate::common::Client, what: &str, name: &str| -> u64 {
        let stats = client.stats(what);
        stats.iter().find(|(stat, _)| stat == name).unwrap().1.parse().unwrap()
    };
    assert_eq!(stat(&mut client, "", "limit_maxbytes"), 64 << 20);
    assert_eq!(stat(&mut client, "items", "items:2:number"), 40);
    // A row of a container whose keys memory cannot tell apart as its table does.
    assert_eq!(stat(&mut client, "items", "items:1:number"), 1);
    client.ask("cache_memlimit 8\r\n", "OK\r\n");
    assert_eq!(stat(&mut client, "", "limit_maxbytes"), 8 << 20);
    assert!(stat(&mut client, "items", "items:2:mem_requested") <= 8 << 20);
    assert!(stat(&mut client, "items", "items:2:number") < 17);
    // Items in memory have no order in which they could be told; the answer ends all the same.
    client.ask("lru_crawler metadump all\r\n", "OK\r\nEND\r\n");
}
