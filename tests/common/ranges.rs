//! Ranges that take several steps, on a container of any host.

use super::Client;
use std::collections::BTreeSet;

/// Rows of the longer range: more than one step of a range looks at.
pub const ROWS: usize = 2500;

/// Fills the client's container, whose table has room for 300 kB, and asks for ranges of it.
pub fn check(client: &mut Client) {
    let mut pipeline = String::new();
    for i in 0..ROWS {
        pipeline += &format!("set r{i:05} 0 0 5 noreply\r\n{i:05}\r\n");
    }
    client.ask(pipeline + "get r00000\r\n", "VALUE r00000 0 5\r\n00000\r\nEND\r\n");
    let large = "x".repeat(300_000);
    for i in 0..6 {
        client.ask(format!("set l{i} 0 0 300000\r\n{large}\r\n"), "STORED\r\n");
    }
    let mut keys = |range: &str| -> Vec<String> {
        client.send(format!("get {range}\r\n"));
        let reply = String::from_utf8(client.read_reply()).unwrap();
        let keys = reply.lines().filter_map(|line| line.strip_prefix("VALUE "));
        keys.map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect()
    };
    let all: Vec<String> = (0..ROWS).map(|i| format!("r{i:05}")).collect();
    assert_eq!(keys("@>=r00000@<s"), all);
    assert_eq!(keys("@>r@<s"), all);
    assert_eq!(keys("@>r00000@<s"), all[1..]);
    assert_eq!(keys("@>r00003@<r00006"), all[4..6]);
    assert_eq!(keys("@>=r00003@<=r00006"), all[3..7]);
    assert_eq!(keys("@<l2"), ["l0", "l1"]);
    assert_eq!(keys("@>l1@<=l4"), ["l2", "l3", "l4"]);
    assert_eq!(keys("@>=l0@<m"), ["l0", "l1", "l2", "l3", "l4", "l5"]);
    let everything = keys("@>=a");
    assert_eq!(everything.iter().collect::<BTreeSet<_>>().len(), everything.len(), "a row came twice");
    assert_eq!(everything.len(), ROWS + 6);
}
