//! Random commands against the real program and against a plain map: every reply must be the map's.

use crate::common::random::Random;
use crate::common::{Client, Host, HostConfig, INSTALL};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Commands of each set-up; all of them together are more than 100,000.
const COMMANDS: u32 = 9_000;
const PIPELINE: u32 = 30;

#[derive(Clone)]
struct Item {
    flags: u32,
    value: String,
}

/// What memcached would know, by container and key.
#[derive(Default)]
struct Model {
    items: BTreeMap<(usize, String), Item>,
    current: usize,
}

const CONTAINERS: [&str; 3] = ["default", "two", "three"];

impl Model {
    /// A random key, with the name by which it is asked for: perhaps in another container.
    fn key(&mut self, random: &mut Random) -> ((usize, String), String) {
        let plain = format!("{}", random.below(12));
        match random.below(4) {
            0 => {
                self.current = random.below(3) as usize;
                ((self.current, plain.clone()), format!("@@{}.{plain}", CONTAINERS[self.current]))
            }
            _ => ((self.current, plain.clone()), plain),
        }
    }

    /// A random command, appended to `request`, with its answer appended to `reply`.
    fn step(&mut self, random: &mut Random, request: &mut String, reply: &mut String) {
        let (key, name) = self.key(random);
        let number = random.below(1000);
        let value = if random.below(3) == 0 { format!("v{number}") } else { number.to_string() };
        let flags = random.below(100) as u32;
        let old = self.items.get(&key).cloned();
        let quiet = random.below(8) == 0;
        let noreply = if quiet { " noreply" } else { "" };
        let length = value.len();
        let mut answer = String::new();
        match random.below(11) {
            0..=2 => {
                let _ = write!(request, "get {name}\r\n");
                if let Some(item) = &old {
                    let _ = write!(reply, "VALUE {name} {} {}\r\n{}\r\n", item.flags, item.value.len(), item.value);
                }
                reply.push_str("END\r\n");
                return;
            }
            3 | 4 => {
                let _ = write!(request, "set {name} {flags} 0 {length}{noreply}\r\n{value}\r\n");
                self.items.insert(key, Item { flags, value });
                answer.push_str("STORED");
            }
            5 => {
                let verb = if random.below(2) == 0 { "add" } else { "replace" };
                let _ = write!(request, "{verb} {name} {flags} 0 {length}{noreply}\r\n{value}\r\n");
                if old.is_some() == (verb == "replace") {
                    self.items.insert(key, Item { flags, value });
                    answer.push_str("STORED");
                } else {
                    answer.push_str("NOT_STORED");
                }
            }
            6 => {
                let verb = if random.below(2) == 0 { "append" } else { "prepend" };
                let _ = write!(request, "{verb} {name} {flags} 0 {length}{noreply}\r\n{value}\r\n");
                match old {
                    Some(item) => {
                        let value = if verb == "append" { item.value + &value } else { value + &item.value };
                        self.items.insert(key, Item { flags: item.flags, value });
                        answer.push_str("STORED");
                    }
                    None => answer.push_str("NOT_STORED"),
                }
            }
            7 | 8 => {
                let verb = if random.below(2) == 0 { "incr" } else { "decr" };
                let _ = write!(request, "{verb} {name} {number}{noreply}\r\n");
                match old.map(|item| (item.flags, item.value.parse::<u64>())) {
                    None => answer.push_str("NOT_FOUND"),
                    Some((_, Err(_))) => {
                        answer.push_str("CLIENT_ERROR cannot increment or decrement non-numeric value")
                    }
                    Some((flags, Ok(old))) => {
                        let new = if verb == "incr" { old.wrapping_add(number) } else { old.saturating_sub(number) };
                        self.items.insert(key, Item { flags, value: new.to_string() });
                        answer = new.to_string();
                    }
                }
            }
            9 => {
                let _ = write!(request, "delete {name}{noreply}\r\n");
                answer.push_str(if self.items.remove(&key).is_some() { "DELETED" } else { "NOT_FOUND" });
            }
            _ => {
                let _ = write!(request, "touch {name} {}{noreply}\r\n", 1000 + number);
                answer.push_str(if old.is_some() { "TOUCHED" } else { "NOT_FOUND" });
            }
        }
        if !quiet {
            reply.push_str(&answer);
            reply.push_str("\r\n");
        }
    }
}

/// `default` and `two` with byte keys, `three` with integer keys and without cas column.
fn prepare(config: &HostConfig, policy: &str) -> Host {
    let host = config.start();
    host.sql("UNINSTALL PLUGIN daemon_memcached").unwrap();
    host.sql(&format!(
        "CREATE DATABASE t;
         CREATE TABLE t.two (k VARBINARY(100) PRIMARY KEY, v LONGBLOB, f INT UNSIGNED, c BIGINT, e INT);
         CREATE TABLE t.three (k INT PRIMARY KEY, v LONGTEXT, f BIGINT, e BIGINT);
         INSERT INTO innodb_memcache.containers VALUES ('two', 't', 'two', 'k', 'v', 'f', 'c', 'e', 'PRIMARY');
         INSERT INTO innodb_memcache.containers VALUES ('three', 't', 'three', 'k', 'v', 'f', '0', 'e', 'PRIMARY');
         UPDATE innodb_memcache.cache_policies SET get_policy = '{policy}', set_policy = '{policy}', delete_policy = '{policy}', flush_policy = '{policy}';"
    ))
    .unwrap();
    host.sql(INSTALL).unwrap();
    host
}

fn compare(client: &mut Client, model: &mut Model, random: &mut Random, commands: u32) {
    let mut done = 0;
    while done < commands {
        let (mut request, mut reply) = (String::new(), String::new());
        let length = 1 + random.below(u64::from(PIPELINE)) as u32;
        for _ in 0..length {
            model.step(random, &mut request, &mut reply);
        }
        // Something that always answers ends the pipeline.
        request.push_str("get none\r\n");
        reply.push_str("END\r\n");
        client.send(&request);
        let got = client.read_exact(reply.len());
        assert!(got == reply.as_bytes(), "{request}\nwanted {reply}\ngot    {}", String::from_utf8_lossy(&got));
        done += length;
    }
}

#[test]
fn random_commands_answer_as_a_plain_map_under_every_policy_and_batch_size() {
    let mut random = Random(0x5eed_0001);
    for policy in ["innodb_only", "caching", "cache_only"] {
        for batch in [1, 7, 1000] {
            let config = HostConfig::new()
                .option("-p 0 -t 2")
                .arg("--innodb-flush-log-at-trx-commit=2")
                .arg(format!("--daemon-memcached-w-batch-size={batch}"))
                .arg(format!("--daemon-memcached-r-batch-size={batch}"));
            let host = prepare(&config, policy);
            let mut model = Model::default();
            compare(&mut host.client(), &mut model, &mut random, COMMANDS);
            if policy != "cache_only" {
                // What the table holds once the plugin has committed and gone.
                host.sql("UNINSTALL PLUGIN daemon_memcached").unwrap();
                for (container, table) in [(0, "memcached.cache"), (1, "t.two"), (2, "t.three")] {
                    let rows = host.rows(&format!("SELECT COUNT(*) FROM {table}")).remove(0).remove(0);
                    let expected = model.items.keys().filter(|(c, _)| *c == container).count();
                    assert_eq!(rows, expected.to_string(), "{table} with {policy}, batch {batch}");
                }
            }
        }
    }
}

/// Without batches, a restart by kill -9 in between changes nothing.
#[test]
fn random_commands_survive_restarts() {
    let mut random = Random(0x5eed_0002);
    let config = HostConfig::new().option("-p 0 -t 2").arg("--innodb-flush-log-at-trx-commit=2");
    let mut host = prepare(&config, "innodb_only");
    let mut model = Model::default();
    for _ in 0..4 {
        model.current = 0;
        compare(&mut host.client(), &mut model, &mut random, COMMANDS);
        host.kill9();
        host = config.start();
    }
}
