//! Loads of memcached writes for the replication tests: every reply is checked against a model of the rows.

use crate::common::Client;
use crate::common::random::Random;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};

/// Rows `sum-N` in each table that all connections count in.
const COUNTERS: usize = 4;

/// Keys that a connection has for itself in each table.
const KEYS: u64 = 3000;

/// Writes that a connection sends before it reads the replies.
const BATCH: u64 = 250;

/// Batches between two flush_all of test.flushed; each connection has its own, so they meet writes of the others.
const FLUSH_EVERY: u64 = 50;

/// Longest value in bytes: what append would make longer is set anew. test.words holds 400 characters.
const LONGEST: usize = 300;

/// Prefixes of the containers that are modelled. A connection stays with the container it named last, so every key names its own.
pub const PREFIXES: [&str; 2] = ["@@default.", "@@words."];

/// What one connection's keys must hold.
pub struct Model {
    random: Random,
    rows: HashMap<String, String>,
    /// Keys whose cas number the last batch asked for.
    cas: Vec<(String, String)>,
    /// Sum of what the connection added to the shared counters.
    pub increments: u64,
    request: String,
    expected: String,
    /// Replies of shared counters, by position: numbers that depend on the other connections.
    any: Vec<usize>,
}

/// Runs `writes` writes over `clients` connections; what each of them stored.
pub fn run(port: u16, clients: usize, writes: u64) -> Vec<Model> {
    let mut client = Client::connect(port);
    for prefix in PREFIXES {
        for i in 0..COUNTERS {
            client.ask(format!("set {prefix}sum-{i} 0 0 1\r\n0\r\n"), "STORED\r\n");
        }
    }
    let batches = writes.div_ceil(clients as u64 * BATCH);
    std::thread::scope(|scope| {
        let run = |i: usize| scope.spawn(move || Model::new(i).run(port, i, batches));
        let running: Vec<_> = (0..clients).map(run).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

impl Model {
    fn new(i: usize) -> Model {
        Model {
            random: Random(0x9e37_79b9_7f4a_7c15 ^ (i as u64 + 1)),
            rows: HashMap::new(),
            cas: Vec::new(),
            increments: 0,
            request: String::new(),
            expected: String::new(),
            any: Vec::new(),
        }
    }

    /// Values of the connection's rows in a container.
    pub fn values(&self, prefix: &str) -> impl Iterator<Item = &String> {
        self.rows.iter().filter(move |(key, _)| key.starts_with(prefix)).map(|(_, value)| value)
    }

    fn run(mut self, port: u16, i: usize, batches: u64) -> Model {
        let mut client = Client::connect(port);
        let mut flusher = Client::connect(port);
        flusher.ask("get @@flushed\r\n", "VALUE @@flushed 0 12\r\ntest/flushed\r\nEND\r\n");
        for batch in 0..batches {
            self.compare_and_swap();
            while self.count() < BATCH {
                self.write(i);
            }
            self.exchange(&mut client);
            self.ask_cas(&mut client, i);
            // In the middle, so that rows stored after the last of them are left to compare.
            if batch % FLUSH_EVERY == FLUSH_EVERY / 2 {
                flusher.ask("flush_all\r\n", "OK\r\n");
            }
        }
        self
    }

    /// Writes in the batch so far.
    fn count(&self) -> u64 {
        self.expected.matches('\n').count() as u64
    }

    fn key(&mut self, i: usize) -> String {
        let n = self.random.below(KEYS);
        match self.random.below(2) {
            0 => format!("@@default.client-{i}-{n}"),
            _ => format!("@@words.größe-日本-{i}-{n}"),
        }
    }

    fn value(&mut self) -> String {
        let length = 5 + self.random.below(60) as usize;
        let text = ["plain text ", "größer als ß ", "値は日本語 ", "🦀 'quoted' \"\\ "][self.random.below(4) as usize];
        text.chars().cycle().take(length).collect()
    }

    /// A storage command and its data block.
    fn data(&mut self, command: &str, key: &str, value: &str) {
        let flags = self.random.below(1000);
        let _ = write!(self.request, "{command} {key} {flags} 0 {}\r\n{value}\r\n", value.len());
    }

    /// One write and its reply.
    fn write(&mut self, i: usize) {
        let key = self.key(i);
        let stored = self.rows.contains_key(&key);
        match self.random.below(100) {
            0..40 => {
                let value = self.value();
                self.data("set", &key, &value);
                self.rows.insert(key, value);
                self.expected.push_str("STORED\r\n");
            }
            40..50 => {
                let number = self.random.below(1_000_000).to_string();
                let command = ["set", "add", "replace"][self.random.below(3) as usize];
                self.data(command, &key, &number);
                let stores = command == "set" || (command == "add") != stored;
                self.expected.push_str(if stores { "STORED\r\n" } else { "NOT_STORED\r\n" });
                if stores {
                    self.rows.insert(key, number);
                }
            }
            50..60 => self.incr(&key),
            60..62 => {
                let prefix = PREFIXES[self.random.below(2) as usize];
                let _ = write!(self.request, "incr {prefix}sum-{} 3\r\n", self.random.below(COUNTERS as u64));
                self.increments += 3;
                self.any.push(self.expected.matches('\n').count());
                self.expected.push_str("0\r\n");
            }
            62..75 => {
                let value = self.value();
                let command = ["append", "prepend"][self.random.below(2) as usize];
                match self.rows.get_mut(&key) {
                    Some(old) if old.len() + value.len() > LONGEST => old.clone_from(&value),
                    Some(old) => {
                        *old = if command == "append" { format!("{old}{value}") } else { format!("{value}{old}") };
                        self.data(command, &key, &value);
                        return self.expected.push_str("STORED\r\n");
                    }
                    None => {
                        self.data(command, &key, &value);
                        return self.expected.push_str("NOT_STORED\r\n");
                    }
                }
                self.data("set", &key, &value);
                self.expected.push_str("STORED\r\n");
            }
            75..85 => {
                let _ = write!(self.request, "delete {key}\r\n");
                self.rows.remove(&key);
                self.expected.push_str(if stored { "DELETED\r\n" } else { "NOT_FOUND\r\n" });
            }
            85..93 => {
                // A point in time that lies far ahead, or for ever.
                let when = [0, 4_000_000_000 + self.random.below(1000)][self.random.below(2) as usize];
                let _ = write!(self.request, "touch {key} {when}\r\n");
                self.expected.push_str(if stored { "TOUCHED\r\n" } else { "NOT_FOUND\r\n" });
            }
            _ => {
                let value = self.value();
                let key = format!("@@flushed.{i}-{}", self.random.below(50));
                self.data("set", &key, &value);
                self.expected.push_str("STORED\r\n");
            }
        }
    }

    fn incr(&mut self, key: &str) {
        let by = self.random.below(10);
        let _ = write!(self.request, "incr {key} {by}\r\n");
        let reply = match self.rows.get_mut(key) {
            None => "NOT_FOUND".to_owned(),
            Some(value) => match value.parse::<u64>() {
                Err(_) => "CLIENT_ERROR cannot increment or decrement non-numeric value".to_owned(),
                Ok(number) => {
                    *value = (number + by).to_string();
                    value.clone()
                }
            },
        };
        self.expected.push_str(&reply);
        self.expected.push_str("\r\n");
    }

    /// cas with the numbers that the last batch asked for: the first time they hold, then no longer.
    fn compare_and_swap(&mut self) {
        for (key, cas) in std::mem::take(&mut self.cas) {
            for reply in ["STORED\r\n", "EXISTS\r\n"] {
                let value = self.value();
                let _ = write!(self.request, "cas {key} 7 0 {} {cas}\r\n{value}\r\n", value.len());
                self.expected.push_str(reply);
                if reply == "STORED\r\n" {
                    self.rows.insert(key.clone(), value);
                }
            }
        }
    }

    /// Sends the batch and reads its replies.
    fn exchange(&mut self, client: &mut Client) {
        client.send(&self.request);
        let mut any = self.any.iter().peekable();
        for (i, expected) in self.expected.lines().enumerate() {
            let line = client.read_line();
            if any.next_if_eq(&&i).is_some() {
                assert!(line.parse::<u64>().is_ok(), "a counter answers {line}");
            } else {
                assert_eq!(line, expected, "reply {i} to\n{}", self.request);
            }
        }
        self.request.clear();
        self.expected.clear();
        self.any.clear();
    }

    /// Reads some keys, checks their values and keeps their cas numbers.
    fn ask_cas(&mut self, client: &mut Client, i: usize) {
        for _ in 0..5 {
            let key = self.key(i);
            if self.cas.iter().any(|(known, _)| *known == key) {
                continue;
            }
            client.send(format!("gets {key}\r\n"));
            let line = client.read_line();
            let Some(value) = self.rows.get(&key) else {
                assert_eq!(line, "END", "{key} should be absent");
                continue;
            };
            let cas = line.rsplit(' ').next().unwrap_or_default().to_owned();
            assert!(line.starts_with(&format!("VALUE {key} ")), "{key} is absent: {line}");
            assert_eq!(String::from_utf8_lossy(&client.read_exact(value.len())), *value, "{key}");
            client.expect("\r\nEND\r\n");
            self.cas.push((key, cas));
        }
    }
}

/// What one connection knows to be stored, over several lives of a server: rows `at-CLIENT-0..rows` and as many increments of
/// `count-CLIENT` as were acknowledged. Requests whose reply never came may have been done or not.
#[derive(Debug, Clone, Copy, Default)]
pub struct Acknowledged {
    /// Rows of the default container.
    pub rows: u64,
    /// Increments.
    count: u64,
    /// Rows, and increments, that there can be at most: everything that was sent.
    sent: u64,
}

/// Requests of each kind that a connection has under way.
const WINDOW: u64 = 16;

impl Acknowledged {
    /// Acknowledged writes in all.
    pub fn writes(&self) -> u64 {
        self.rows + self.count
    }

    /// Everything acknowledged is there, and nothing that was never sent; continues from what there is.
    pub fn check(&mut self, port: u16, i: usize) {
        let mut client = Client::connect(port);
        let counted = |client: &mut Client| {
            client.send(format!("get @@words.count-{i}\r\n"));
            let header = client.read_line();
            (header != "END").then(|| {
                let number = client.read_line().parse::<u64>().unwrap();
                client.expect("END\r\n");
                number
            })
        };
        let Some(count) = counted(&mut client) else {
            assert_eq!(self.writes(), 0, "client {i} lost its counter");
            return client.ask(format!("set @@words.count-{i} 0 0 1\r\n0\r\n"), "STORED\r\n");
        };
        assert!((self.count..=self.sent).contains(&count), "client {i} has {count} increments: {self:?}");
        let mut rows = 0;
        loop {
            client.send(format!("get @@default.at-{i}-{rows}\r\n"));
            if client.read_line() == "END" {
                break;
            }
            assert_eq!(client.read_line(), format!("value {rows}"));
            client.expect("END\r\n");
            rows += 1;
        }
        assert!((self.rows..=self.sent).contains(&rows), "client {i} has {rows} rows: {self:?}");
        *self = Acknowledged { rows, count, sent: rows.max(count) };
    }

    /// Writes until the server is gone; a request counts when its reply came.
    pub fn write_until_closed(&mut self, port: u16, i: usize, stop: &AtomicBool) {
        let mut client = Client::connect(port);
        while !stop.load(Ordering::Relaxed) {
            let mut request = String::new();
            for n in self.rows..self.rows + WINDOW {
                let value = format!("value {n}");
                let _ = write!(request, "set @@default.at-{i}-{n} 0 0 {}\r\n{value}\r\n", value.len());
                let _ = write!(request, "incr @@words.count-{i} 1\r\n");
            }
            self.sent = self.rows.max(self.count) + WINDOW;
            if client.try_send(&request).is_err() {
                return;
            }
            for _ in 0..WINDOW {
                let Ok(Some(line)) = client.try_read_line() else { return };
                assert_eq!(line, "STORED");
                self.rows += 1;
                let Ok(Some(line)) = client.try_read_line() else { return };
                self.count += 1;
                assert_eq!(line, self.count.to_string(), "client {i} counts wrong");
            }
        }
    }
}
