//! Everything at once, for as long as `SOAK` says (seconds, default 20): writers that know what their keys must hold, beside kill -9, DDL,
//! INSTALL rounds, batches, sweeps, reloads, changes of policy and rows that SQL holds. Nothing acknowledged is lost, nothing stale is read,
//! and memory stays flat. `SOAK_SEED` repeats a run's decisions; it is printed.

use crate::common::random::Random;
use crate::common::{Client, Host, HostConfig, PATIENCE};
use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const WRITERS: u64 = 4;
/// Keys of a writer in each container.
const KEYS: u64 = 40;
const CONTAINERS: [&str; 2] = ["default", "text"];
/// Operations between two upheavals.
const CALM: u64 = 400;
/// What a process may grow by after its first rounds, in KiB.
const GROWTH: u64 = 32 << 10;

const SCHEMA: &str = "
    CREATE DATABASE soak;
    CREATE TABLE soak.text (k VARCHAR(100) NOT NULL PRIMARY KEY, v VARCHAR(2000), f INT UNSIGNED, e INT UNSIGNED, held INT DEFAULT 7);
    INSERT INTO innodb_memcache.containers VALUES ('text', 'soak', 'text', 'k', 'v', 'f', '0', 'e', 'PRIMARY');
    INSERT INTO soak.text (k, v) VALUES ('held', 'x');
    SET GLOBAL daemon_memcached_reload_containers = ON;";

/// What writers and upheavals tell each other.
struct World {
    /// Where the daemon listens: nobody else can.
    socket: PathBuf,
    serving: AtomicBool,
    done: AtomicBool,
    operations: AtomicU64,
    refused: AtomicU64,
}

impl World {
    fn connect(&self) -> Option<Client> {
        let stream = UnixStream::connect(&self.socket).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        Some(Client::over(stream))
    }
}

/// Lets the writers end, also when an upheaval fails.
struct Ending<'w>(&'w World);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.done.store(true, Ordering::Relaxed);
    }
}

/// What a key may hold: one thing, or either of two since a request went unanswered.
type Holds = Vec<Option<String>>;

/// How a request ended.
enum Heard {
    Line(String),
    /// `SERVER_ERROR`: nothing was done.
    Refused,
    /// The connection broke: it was done, or not.
    Nothing,
}

struct Writer<'w> {
    id: u64,
    world: &'w World,
    random: Random,
    client: Option<Client>,
    keys: BTreeMap<String, Holds>,
    /// Keys with an exptime, and when they were set.
    expiring: BTreeMap<String, Instant>,
}

impl Writer<'_> {
    fn run(&mut self) {
        while !self.world.done.load(Ordering::Relaxed) {
            if !self.world.serving.load(Ordering::Relaxed) {
                self.client = None;
            } else if self.client.is_none() {
                self.client = self.world.connect();
            }
            if self.client.is_none() {
                std::thread::sleep(Duration::from_millis(2));
                continue;
            }
            self.step();
            self.world.operations.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn ask(&mut self, request: &str) -> Heard {
        let Some(client) = &mut self.client else { return Heard::Nothing };
        let line = client.try_send(request).and_then(|()| client.try_read_line());
        match line {
            Ok(Some(line)) if line.starts_with("SERVER_ERROR") || line == "CLIENT_ERROR no such container" => {
                self.world.refused.fetch_add(1, Ordering::Relaxed);
                Heard::Refused
            }
            Ok(Some(line)) => Heard::Line(line),
            _ => {
                self.client = None;
                Heard::Nothing
            }
        }
    }

    /// The value of a key, if the answer came whole.
    fn get(&mut self, key: &str) -> Option<Option<String>> {
        match self.ask(&format!("get {key}\r\n")) {
            Heard::Line(line) if line == "END" => Some(None),
            Heard::Line(line) => {
                assert!(line.starts_with(&format!("VALUE {key} 0 ")), "get {key}: {line}");
                let client = self.client.as_mut()?;
                let (Ok(Some(value)), Ok(Some(end))) = (client.try_read_line(), client.try_read_line()) else {
                    self.client = None;
                    return None;
                };
                assert_eq!(end, "END");
                Some(Some(value))
            }
            Heard::Refused | Heard::Nothing => None,
        }
    }

    fn check(&mut self, key: &str) {
        let Some(value) = self.get(key) else { return };
        let holds = self.keys.entry(key.to_owned()).or_insert_with(|| vec![None]);
        assert!(holds.contains(&value), "writer {}: {key} holds {value:?}, and should hold one of {holds:?}", self.id);
        *holds = vec![value];
    }

    /// A change that stores `new` when it is answered with `done`, and nothing when it is answered with `not`.
    fn change(&mut self, key: &str, request: &str, done: &str, not: &str, new: Option<String>) {
        let heard = self.ask(request);
        let holds = self.keys.entry(key.to_owned()).or_insert_with(|| vec![None]);
        match heard {
            Heard::Line(line) if line == done => *holds = vec![new],
            Heard::Line(line) => {
                assert_eq!(line, not, "writer {}: {request:?}, where {key} holds {holds:?}", self.id);
            }
            Heard::Refused => {}
            Heard::Nothing => holds.push(new),
        }
    }

    fn step(&mut self) {
        let container = CONTAINERS[self.random.below(CONTAINERS.len() as u64) as usize];
        let key = format!("@@{container}.w{}-{}", self.id, self.random.below(KEYS));
        // What depends on the old value is only done when that is known.
        let known = match self.keys.get(&key).map(Vec::as_slice) {
            None => Some(None),
            Some([one]) => Some(one.clone()),
            Some(_) => None,
        };
        let value = match self.random.below(3) {
            0 => self.random.below(1000).to_string(),
            1 => format!("value-{}-", self.random.below(1 << 40)).repeat(1 + self.random.below(40) as usize),
            _ => format!("v{}", self.random.below(1 << 20)),
        };
        let length = value.len();
        match (self.random.below(12), known) {
            (0..=2, _) => {
                self.change(&key, &format!("set {key} 0 0 {length}\r\n{value}\r\n"), "STORED", "", Some(value))
            }
            (3, Some(None)) => {
                self.change(&key, &format!("add {key} 0 0 {length}\r\n{value}\r\n"), "STORED", "", Some(value))
            }
            (3, Some(_)) => {
                self.change(&key, &format!("add {key} 0 0 {length}\r\n{value}\r\n"), "", "NOT_STORED", None)
            }
            (4, Some(Some(_))) => {
                self.change(&key, &format!("replace {key} 0 0 {length}\r\n{value}\r\n"), "STORED", "", Some(value));
            }
            (5, Some(Some(old))) if old.len() < 100 => {
                self.change(&key, &format!("append {key} 0 0 1\r\nx\r\n"), "STORED", "", Some(old + "x"));
            }
            (6 | 7, Some(Some(old))) => match old.parse::<u64>() {
                Ok(number) => {
                    let new = (number + 3).to_string();
                    self.change(&key, &format!("incr {key} 3\r\n"), &new.clone(), "", Some(new));
                }
                Err(_) => self.check(&key),
            },
            (8, Some(Some(_))) => self.change(&key, &format!("delete {key}\r\n"), "DELETED", "", None),
            (8, Some(None)) => self.change(&key, &format!("delete {key}\r\n"), "", "NOT_FOUND", None),
            (9, _) => self.expiring(),
            _ => self.check(&key),
        }
    }

    /// Keys of one second: there at first, certainly gone after three.
    fn expiring(&mut self) {
        let key = format!("@@text.e{}-{}", self.id, self.random.below(4));
        match self.expiring.get(&key).map(Instant::elapsed) {
            Some(age) if age > Duration::from_secs(3) => {
                if let Some(value) = self.get(&key) {
                    assert_eq!(value, None, "{key} outlived its second by {age:?}");
                    self.expiring.remove(&key);
                }
            }
            Some(_) => {}
            None => match self.ask(&format!("set {key} 0 1 4\r\nsoon\r\n")) {
                Heard::Line(line) => {
                    assert_eq!(line, "STORED");
                    self.expiring.insert(key, Instant::now());
                }
                Heard::Nothing => _ = self.expiring.insert(key, Instant::now()),
                Heard::Refused => {}
            },
        }
    }
}

/// What goes on beside the writers.
struct Upheaval<'w> {
    world: &'w World,
    config: HostConfig,
    random: Random,
    /// Whether replies come before commits now: then a crash may lose them, and SQL must hold no rows.
    batched: bool,
    columns: u64,
    kills: u32,
    /// Resident memory after the first rounds of this process, and the rounds it has seen.
    resident: (u64, u32),
}

impl Upheaval<'_> {
    fn start(&mut self) -> Host {
        self.batched = self.random.below(4) == 0;
        let size = if self.batched { 7 } else { 1 };
        let host = self
            .config
            .clone()
            .arg(format!("--daemon-memcached-w-batch-size={size}"))
            .arg("--daemon-memcached-expire-sweep-interval=1")
            .start();
        self.resident = (0, 0);
        host
    }

    fn serve(&self, serving: bool) {
        self.world.serving.store(serving, Ordering::Relaxed);
    }

    /// Waits until the writers have done so much more.
    fn calm(&self) {
        let until = self.world.operations.load(Ordering::Relaxed) + CALM;
        let begun = Instant::now();
        while self.world.operations.load(Ordering::Relaxed) < until {
            assert!(begun.elapsed() < PATIENCE, "the writers stand still");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn sql(host: &Host, text: &str) {
        host.sql(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    }

    /// One upheaval; the host that runs behind it.
    fn step(&mut self, host: Host) -> Host {
        match self.random.below(9) {
            0 if !self.batched => {
                self.kills += 1;
                self.serve(false);
                host.kill9();
                return self.start();
            }
            0 | 1 => {
                self.serve(false);
                assert!(host.terminate().success());
                return self.start();
            }
            2 => {
                self.serve(false);
                Self::sql(&host, "UNINSTALL PLUGIN daemon_memcached");
                Self::sql(&host, "INSTALL PLUGIN daemon_memcached SONAME 'daemon_memcached.so'");
            }
            3 => {
                self.columns += 1;
                let n = self.columns;
                Self::sql(&host, &format!("ALTER TABLE soak.text ADD COLUMN c{n} INT"));
                self.calm();
                Self::sql(&host, &format!("ALTER TABLE soak.text DROP COLUMN c{n}"));
            }
            4 => {
                let table = ["memcached.cache ADD INDEX by_expiry (expiry)", "memcached.cache DROP INDEX by_expiry"];
                table.iter().for_each(|change| Self::sql(&host, &format!("ALTER TABLE {change}")));
            }
            5 => {
                let policy = ["innodb_only", "caching"][self.random.below(2) as usize];
                Self::sql(
                    &host,
                    &format!(
                        "UPDATE innodb_memcache.cache_policies SET get_policy = '{policy}', set_policy = '{policy}', delete_policy = '{policy}';
                         SET GLOBAL daemon_memcached_reload_containers = ON"
                    ),
                );
            }
            6 => Self::sql(
                &host,
                "INSERT INTO innodb_memcache.containers VALUES ('more', 'soak', 'text', 'k', 'v', 'f', '0', 'e', 'PRIMARY');
                 SET GLOBAL daemon_memcached_reload_containers = ON;
                 DELETE FROM innodb_memcache.containers WHERE name = 'more';
                 SET GLOBAL daemon_memcached_reload_containers = ON",
            ),
            7 if !self.batched => {
                Self::sql(&host, "BEGIN; SELECT v FROM soak.text WHERE k < 'w1' FOR UPDATE");
                self.calm();
                Self::sql(&host, "COMMIT");
            }
            _ => {
                let resident = resident(&host);
                match self.resident {
                    (_, rounds) if rounds < 3 => self.resident = (resident, rounds + 1),
                    (first, _) => assert!(resident < first + GROWTH, "{first} KiB became {resident} KiB"),
                }
            }
        }
        host
    }
}

/// Resident memory in KiB.
fn resident(host: &Host) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn nothing_is_lost_or_stale_and_memory_is_flat() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seconds = setting("SOAK").unwrap_or(20);
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = setting("SOAK_SEED").unwrap_or(clock | 1);
    println!("SOAK_SEED={seed}");
    let config = HostConfig::new();
    let world = World {
        socket: config.scratch().join("m.sock"),
        serving: AtomicBool::new(false),
        done: AtomicBool::new(false),
        operations: AtomicU64::new(0),
        refused: AtomicU64::new(0),
    };
    let mut upheaval = Upheaval {
        world: &world,
        config: config.option(&format!("-s {} -t 2", world.socket.display())),
        random: Random(seed),
        batched: false,
        columns: 0,
        kills: 0,
        resident: (0, 0),
    };
    let host = upheaval.start();
    Upheaval::sql(&host, SCHEMA);
    upheaval.serve(true);
    let mut writers: Vec<Writer> = (0..WRITERS)
        .map(|id| {
            let random = Random(seed ^ ((id + 1) * 0x9e37_79b9_7f4a_7c15));
            Writer { id, world: &world, random, client: None, keys: BTreeMap::new(), expiring: BTreeMap::new() }
        })
        .collect();
    let host = std::thread::scope(|scope| {
        let (mut host, _ending) = (host, Ending(&world));
        // A writer that fails ends the others, or the test would wait for them.
        let running: Vec<_> = writers.iter_mut().map(|writer| scope.spawn(move || writer.run())).collect();
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end && running.iter().all(|writer| !writer.is_finished()) {
            upheaval.calm();
            host = upheaval.step(host);
            upheaval.serve(true);
        }
        host
    });
    let (operations, refused) = (world.operations.load(Ordering::Relaxed), world.refused.load(Ordering::Relaxed));
    println!("{operations} operations, {refused} of them refused, {} times kill -9", upheaval.kills);
    // What was acknowledged at last is there after one more crash, unless replies came before commits.
    if upheaval.batched {
        assert!(host.terminate().success());
    } else {
        host.kill9();
    }
    let _host = upheaval.start();
    for writer in &mut writers {
        writer.client = world.connect();
        let keys: Vec<String> = writer.keys.keys().cloned().collect();
        keys.iter().for_each(|key| writer.check(key));
        assert!(writer.client.is_some(), "the last check was cut off");
    }
}
