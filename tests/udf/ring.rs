//! The same key goes to the same server as with libmemcached.

use crate::common;
use daemon_memcached::udf::behavior::{Behavior, Behaviors};
use daemon_memcached::udf::distribution::{Ring, parse_servers};
use std::process::Command;

const KEYS: usize = 10_000;

const SERVERS: [&str; 5] = [
    "10.0.0.1:11211,10.0.0.2:11211,10.0.0.3:11211",
    "cache-a:11211:1,cache-b:11212:2,cache-c:11213:5,/run/memcached.sock",
    "one.example:4000",
    "a:1,b:2,c:3,d:4,e:5,f:6,g:7,h:8,i:9,j:10,k:11,l:12,m:13",
    "big:11211:1000,small:11211:1,middle:11211:77",
];

/// libmemcached's numbers of behaviours, hash functions and distributions.
const HASHES: [(&str, u32); 11] = [
    ("DEFAULT", 0),
    ("MD5", 1),
    ("CRC", 2),
    ("FNV1_64", 3),
    ("FNV1A_64", 4),
    ("FNV1_32", 5),
    ("FNV1A_32", 6),
    ("HSIEH", 7),
    ("MURMUR", 8),
    ("JENKINS", 9),
    ("MURMUR3", 10),
];
const HASH: u32 = 2;
const KETAMA: u32 = 3;
const DISTRIBUTION: u32 = 9;
const SORT_HOSTS: u32 = 12;
const KETAMA_WEIGHTED: u32 = 16;

/// The key of a number, as `tests/c/udf_ring.c` makes it.
fn key(i: usize) -> Vec<u8> {
    let tail: &[u8] = if i.is_multiple_of(3) { b"\xc3\xa4" } else { b"" };
    [&b"abcdefghijklm"[..i % 13], b"key:", (i * 7919).to_string().as_bytes(), tail].concat()
}

fn ours(servers: &str, settings: &[(&str, &str)]) -> Vec<usize> {
    let mut behaviors = Behaviors::default();
    for (name, value) in settings {
        behaviors.set(Behavior::named(name).unwrap(), value).unwrap();
    }
    let mut servers = parse_servers(servers).unwrap();
    if behaviors.flag(Behavior::SortHosts) {
        servers.sort();
    }
    let ring = Ring::new(behaviors.scheme(), &servers, |_| true);
    (0..KEYS).map(|i| ring.server_of(&key(i)).unwrap()).collect()
}

/// Our settings, and libmemcached's: behaviour and value in turn.
type Case = (Vec<(&'static str, &'static str)>, Vec<u32>);

#[test]
fn keys_go_where_libmemcached_sends_them() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("ring");
    common::cc(&["tests/c/udf_ring.c", "-lmemcached"], &program);
    let mut cases: Vec<Case> = vec![
        (vec![], vec![KETAMA_WEIGHTED, 1]),
        (vec![("SORT_HOSTS", "1")], vec![KETAMA_WEIGHTED, 1, SORT_HOSTS, 1]),
        (vec![("DISTRIBUTION", "CONSISTENT_KETAMA_SPY")], vec![KETAMA_WEIGHTED, 1, DISTRIBUTION, 4]),
        (vec![("KETAMA_WEIGHTED", "0"), ("HASH", "DEFAULT")], vec![KETAMA, 1]),
    ];
    for (name, number) in HASHES {
        cases.push((vec![("DISTRIBUTION", "CONSISTENT"), ("HASH", name)], vec![DISTRIBUTION, 1, HASH, number]));
        cases.push((vec![("DISTRIBUTION", "MODULA"), ("HASH", name)], vec![DISTRIBUTION, 0, HASH, number]));
    }
    let mut refused = 0;
    for servers in SERVERS {
        for (settings, numbers) in &cases {
            let run = Command::new(&program)
                .args([servers, &KEYS.to_string()])
                .args(numbers.iter().map(u32::to_string))
                .output()
                .unwrap();
            // A libmemcached may be built without some hash functions.
            if run.status.code() == Some(3) {
                refused += 1;
                continue;
            }
            assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
            let theirs: Vec<usize> =
                String::from_utf8(run.stdout).unwrap().lines().map(|line| line.parse().unwrap()).collect();
            assert_eq!(theirs.len(), KEYS);
            let ours = ours(servers, settings);
            let differing = (0..KEYS).filter(|&i| ours[i] != theirs[i]).count();
            assert_eq!(differing, 0, "{servers} {settings:?}: {differing} of {KEYS} keys go elsewhere");
        }
    }
    assert!(refused <= 2 * SERVERS.len(), "{refused} combinations were not compared");
}
