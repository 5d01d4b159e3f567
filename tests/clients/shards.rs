//! Keys that a client spreads over several hosts.

use crate::common::{Host, HostConfig, free_port, root};
use crate::programs::run_with;
use std::process::Command;

#[test]
fn ketama_spreads_keys_over_three_hosts_of_which_one_is_replaced() {
    let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
    let start = |port: &u16| HostConfig::new().option(&format!("-p {port}")).start();
    let mut hosts: Vec<Host> = ports.iter().map(start).collect();
    let rows = |host: &Host| host.rows("SELECT COUNT(*) FROM memcached.cache")[0][0].parse::<u32>().unwrap();
    let mut command = Command::new("/usr/bin/python3");
    command.arg(root().join("tests/clients/python/shards.py")).args(ports.iter().map(u16::to_string));
    let text = run_with(&mut command, || {
        if hosts.len() == 3 {
            let each: Vec<u32> = hosts.iter().map(rows).collect();
            assert!(each.iter().sum::<u32>() == 3000 && each.iter().all(|rows| *rows > 300), "{each:?}");
            hosts.pop().unwrap().kill9();
        } else {
            // With the tables of a new host: what the dead one had is old by now.
            hosts.push(start(&ports[2]));
        }
    })
    .unwrap_or_else(|why| panic!("{why}\nIs it installed? apt-get install python3-pylibmc"));
    println!("{text}");
    assert_eq!(hosts.iter().map(rows).filter(|rows| *rows > 300).count(), 3);
}
