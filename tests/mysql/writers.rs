//! Clients of servers that take writes together: every kind of write, and a book of what was acknowledged.

use crate::common::Client;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// Counters that every client of every server counts in.
pub const SHARED: u64 = 20;

/// What a server has of the default container, in one line.
pub const DIGEST: &str =
    "SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|', `key`, value, flags, cas, expiry))) FROM memcached.cache";

/// What became of the requests of one client.
#[derive(Debug, Default)]
pub struct Told {
    /// Increments that were acknowledged.
    pub increments: u64,
    /// Requests.
    pub answers: u64,
    /// Errors that were answered, and how often.
    pub errors: BTreeMap<String, u64>,
    /// Requests without an answer.
    pub unknown: u64,
    /// Last value that each own key was acknowledged with.
    pub own: BTreeMap<String, String>,
}

impl Told {
    /// Asks and tells whether the answer is one of success.
    fn ask(&mut self, client: &mut Client, port: u16, request: &str) -> Option<String> {
        self.answers += 1;
        match client.try_send(request).and_then(|()| client.try_read_line()) {
            Ok(Some(line)) if line.starts_with("SERVER_ERROR") => {
                *self.errors.entry(line).or_default() += 1;
                None
            }
            Ok(Some(line)) => Some(line),
            _ => {
                self.unknown += 1;
                // A server that goes refuses new connections, or closes them before it has taken them.
                if let Ok(new) = Client::try_connect(port) {
                    *client = new;
                }
                None
            }
        }
    }
}

/// Every kind of write, on keys that all clients share and on keys of this client's own, until told to stop;
/// a connection that breaks is followed by another to the same port.
pub fn load(mut client: Client, port: u16, name: &str, stop: &AtomicBool) -> Told {
    let mut told = Told::default();
    for i in 0u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        if told
            .ask(&mut client, port, &format!("incr shared{} 1\r\n", i % SHARED))
            .is_some_and(|line| line.parse::<u64>().is_ok())
        {
            told.increments += 1;
        }
        let (key, value) = (format!("{name}-{}", i % 50), format!("v{i}"));
        if told.ask(&mut client, port, &format!("set {key} 0 0 {}\r\n{value}\r\n", value.len())).as_deref()
            == Some("STORED")
        {
            told.own.insert(key.clone(), value);
        }
        match i % 3 {
            0 => {
                if told.ask(&mut client, port, &format!("append {key} 0 0 1\r\n+\r\n")).as_deref() == Some("STORED") {
                    told.own.entry(key).or_default().push('+');
                }
            }
            1 => {
                if told.ask(&mut client, port, &format!("delete {key}\r\n")).as_deref() == Some("DELETED") {
                    told.own.remove(&key);
                }
            }
            _ => {
                // A cas number that no row has.
                let reply = told.ask(&mut client, port, &format!("cas {key} 0 0 1 1\r\nx\r\n"));
                let refused = |reply| reply == "EXISTS" || reply == "NOT_FOUND";
                assert!(reply.as_deref().is_none_or(refused), "{reply:?}");
            }
        }
    }
    told
}
