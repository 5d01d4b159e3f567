//! Instructions per request, counted by valgrind, against the figures in `tests/house/instructions.txt`: they repeat where
//! times do not, so that a request that became more expensive is noticed on a busy machine, too.
//!
//! The program runs under callgrind with one worker; what is counted is the worker's ticks (parsing, store, engine, commit,
//! replies as bytes), not its system calls, not other threads. A phase's requests come in batches of one write each, so
//! a batch is a tick. Each phase has a connection of its own: callgrind writes what it counted whenever `close` is called.
//!
//! `UPDATE_INSTRUCTIONS=1 cargo test --release --test house instructions` writes the figures anew, for the compiler in use.

use crate::common::random::Random;
use crate::common::{Client, HostConfig};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const KEYS: usize = 1000;
const VALUE: &str =
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";

/// How much more than the kept figure a phase may take, with the compiler it was measured with.
const SAME_COMPILER: f64 = 1.05;
/// And with another one, which counts differently for reasons of its own.
const OTHER_COMPILER: f64 = 1.25;

/// Keys in an order that is the same each time.
struct Order(Random);

impl Order {
    fn next(&mut self) -> usize {
        self.0.below(KEYS as u64) as usize
    }
}

fn key(number: usize) -> String {
    format!("key:{number:08}")
}

fn set(number: usize) -> String {
    format!("set {} 0 0 {}\r\n{VALUE}\r\n", key(number), VALUE.len())
}

fn item(number: usize) -> String {
    format!("VALUE {} 0 {}\r\n{VALUE}\r\n", key(number), VALUE.len())
}

type Phase = fn(&mut Client, &mut Order) -> usize;

/// Each phase sends its requests, checks the replies and returns their number. The first one fills the table, the second
/// reads everything once.
const PHASES: [(&str, Phase); 7] = [
    ("set-new-p16", |client, _| {
        for first in (0..KEYS).step_by(16) {
            sets(client, &(first..KEYS.min(first + 16)).collect::<Vec<_>>());
        }
        KEYS
    }),
    ("get-many-50-first", |client, _| {
        for first in (0..KEYS).step_by(50) {
            get_many(client, &(first..first + 50).collect::<Vec<_>>());
        }
        KEYS
    }),
    ("get-p1", |client, order| {
        for _ in 0..400 {
            let number = order.next();
            client.ask(format!("get {}\r\n", key(number)), item(number) + "END\r\n");
        }
        400
    }),
    ("get-p32", |client, order| {
        for _ in 0..50 {
            let numbers: Vec<usize> = (0..32).map(|_| order.next()).collect();
            let requests: String = numbers.iter().map(|&n| format!("get {}\r\n", key(n))).collect();
            client.ask(requests, numbers.iter().map(|&n| item(n) + "END\r\n").collect::<String>());
        }
        50 * 32
    }),
    ("get-many-50", |client, order| {
        for _ in 0..40 {
            get_many(client, &(0..50).map(|_| order.next()).collect::<Vec<_>>());
        }
        40 * 50
    }),
    ("set-p16", |client, order| {
        for _ in 0..50 {
            sets(client, &(0..16).map(|_| order.next()).collect::<Vec<_>>());
        }
        50 * 16
    }),
    ("incr-p1", |client, _| {
        client.ask("set counter 0 0 1\r\n0\r\n", "STORED\r\n");
        for i in 1..=400 {
            client.ask("incr counter 1\r\n", format!("{i}\r\n"));
        }
        400
    }),
];

fn sets(client: &mut Client, numbers: &[usize]) {
    let requests: String = numbers.iter().map(|&n| set(n)).collect();
    client.ask(requests, "STORED\r\n".repeat(numbers.len()));
}

fn get_many(client: &mut Client, numbers: &[usize]) {
    let names: String = numbers.iter().map(|&n| format!(" {}", key(n))).collect();
    let items: String = numbers.iter().map(|&n| item(n)).collect();
    client.ask(format!("get{names}\r\n"), items + "END\r\n");
}

/// Runs the script and returns instructions per request of each phase.
fn measure() -> Vec<(&'static str, f64)> {
    let config = HostConfig::new().option("-p 0 -t 1").arg("--innodb-flush-log-at-trx-commit=2");
    let parts = config.scratch().join("callgrind");
    let config = config.under(&[
        "valgrind",
        "--tool=callgrind",
        "--collect-atstart=no",
        "--toggle-collect=*Worker*run_tick*",
        "--dump-before=close",
        &format!("--callgrind-out-file={}", parts.display()),
    ]);
    let host = config.start();
    let mut order = Order(Random(0x9e37_79b9_7f4a_7c15));
    let requests = PHASES.map(|(_, phase)| {
        let mut client = host.client();
        let requests = phase(&mut client, &mut order);
        // The worker closes it, when it has done everything else.
        client.send("quit\r\n");
        client.expect_close();
        requests
    });
    assert!(host.terminate().success());
    let counts = counts(&parts);
    let names = PHASES.map(|(name, _)| name);
    assert_eq!(
        counts.len(),
        names.len(),
        "{counts:?}, wanted one for each of {names:?}: does callgrind find Worker::run_tick and close?"
    );
    names.into_iter().zip(counts.into_iter().zip(requests).map(|(count, n)| count / n as f64)).collect()
}

/// What callgrind counted in each of its parts, in their order. Other closes, such as at the start, leave empty parts; what is
/// left at the end has no number and no worth.
fn counts(parts: &Path) -> Vec<f64> {
    let parts = (1..).map(|i| PathBuf::from(format!("{}.{i}", parts.display()))).take_while(|part| part.exists());
    let totals = parts.map(|part| {
        let text = std::fs::read_to_string(&part).unwrap_or_else(|e| panic!("{}: {e}", part.display()));
        text.lines().find_map(|l| l.strip_prefix("totals: ")?.trim().parse().ok()).expect("a total")
    });
    totals.filter(|&total| total > 0.0).collect()
}

/// Such as `1.95`.
fn compiler() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output().expect("rustc runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().nth(1).unwrap_or_default();
    version.rsplit_once('.').map_or(version, |(minor, _)| minor).to_owned()
}

#[test]
fn a_request_takes_no_more_instructions_than_before() {
    // Other profiles take other numbers of instructions.
    if !crate::common::program().parent().is_some_and(|folder| folder.ends_with("release")) {
        eprintln!("only a release build is measured: cargo test --release --test house instructions");
        return;
    }
    let measured = measure();
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/house/instructions.txt");
    let compiler = compiler();
    if std::env::var_os("UPDATE_INSTRUCTIONS").is_some() {
        let mut text = format!("rustc {compiler}\n");
        measured.iter().for_each(|(name, figure)| writeln!(text, "{name} {figure:.0}").unwrap());
        std::fs::write(&list, text).unwrap();
    }
    let text = std::fs::read_to_string(&list).unwrap();
    let kept = |name: &str| text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
    let measured_with = kept("rustc").expect("the compiler's version");
    let margin = if measured_with == compiler { SAME_COMPILER } else { OTHER_COMPILER };
    let mut dearer = String::new();
    for (name, figure) in &measured {
        let limit: f64 = kept(name).and_then(|f| f.parse().ok()).unwrap_or_else(|| panic!("no figure for {name}"));
        println!("{name}: {figure:.0} instructions per request, {limit} kept");
        if *figure > limit * margin {
            writeln!(dearer, "{name}: {figure:.0} instructions per request, at most {:.0}", limit * margin).unwrap();
        }
    }
    assert!(
        dearer.is_empty(),
        "\n{dearer}The figures in {} were measured with rustc {measured_with}, this is {compiler}. If the cost is meant, or \
         the compiler's: UPDATE_INSTRUCTIONS=1 cargo test --release --test house instructions",
        list.display()
    );
}
