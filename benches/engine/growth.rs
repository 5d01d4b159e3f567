//! Rows that a pool cannot hold: a load, then random gets and sets as ticks of a worker, the ends and the beginnings of such a directory.
//! The system's cache has the files.
//!
//! ENGINE_BENCH_ROWS says how many rows (5000000). ENGINE_BENCH_DIR says where they are and stay: where they are there already they
//! are not loaded again.

use crate::figures::{Figure, Sample, Waits, cpu, mib, own_cpu, peak, reads, report, resident, written};
use crate::{POOL, Random, get, get_many, open, put_many, start_child};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// In a transaction.
const GETS: u64 = 32;
const SETS: u64 = 16;
const LOADED: u64 = 128;
/// Sets in front of the SIGKILL: more than a generation of the memory table.
const BEFORE_THE_END: u64 = 200_000;

pub fn run() {
    let temporary = tempfile::tempdir().expect("a directory");
    let dir = std::env::var("ENGINE_BENCH_DIR").map_or(temporary.path().to_owned(), PathBuf::from);
    let rows = rows();
    let engine = open(&dir, POOL, 2);
    if engine.is_new() {
        load(rows);
    }
    println!("{:<58} {:>12} {:>12}  <= 160 MiB", "memory; at its peak", mib(resident()), mib(peak()));
    settle();
    let mut random = Random(5);
    let mut gets = |name: &str, ticks: u64| gets(name, &mut random, rows, ticks);
    gets("cold", 3_000);
    gets("warm", 10_000);
    reads_per_miss(rows);
    // So many that single merges do not decide.
    sets(rows, 200_000);
    gets("right after the sets", 3_000);
    settle();
    gets("when it is quiet again", 10_000);
    gets_beside_a_load(rows);
    println!("{:<58} {:>12} {:>12}  <= 160 MiB", "memory; at its peak", mib(resident()), mib(peak()));
    let start = Sample::now();
    engine.close().expect("the engine closes");
    report("close", start.per(1), "");
    opening("open after a clean stop", &dir, rows);
    assert!(!start_child("growth", &dir).status.success(), "the child ends by SIGKILL");
    opening("open after kill -9", &dir, rows);
}

/// The task of a child: sets, then the end.
pub fn end_by_signal(dir: &Path) {
    let engine = open(dir, POOL, 2);
    let (rows, mut random) = (rows(), Random(9));
    (0..BEFORE_THE_END / SETS).for_each(|n| put_many((0..SETS).map(|_| random.below(rows)), n));
    std::mem::forget(engine);
    // SAFETY: ends this process, as a crash would.
    unsafe { libc::raise(libc::SIGKILL) };
}

fn rows() -> u64 {
    std::env::var("ENGINE_BENCH_ROWS").map_or(5_000_000, |text| text.parse().expect("a number of rows"))
}

fn load(rows: u64) {
    // Every row once, in no order: the step is prime and no factor of the number of rows.
    let order = |n: u64| (n * 1_000_000_007) % rows;
    let (mut waits, start) = (Waits::default(), Sample::now());
    for first in (0..rows).step_by(LOADED as usize) {
        waits.time(|| put_many((first..(first + LOADED).min(rows)).map(order), 1));
    }
    report(&format!("load of {rows} rows, {LOADED} in a commit, per row"), start.per(rows), "<= 3.5 us CPU");
    waits.report("  a commit", "<= 250 ms");
}

fn gets(name: &str, random: &mut Random, rows: u64, ticks: u64) {
    let (mut waits, before, start) = (Waits::default(), reads(), Sample::now());
    for _ in 0..ticks {
        waits.time(|| get_many((0..GETS).map(|_| random.below(rows))));
    }
    report(&format!("random get, {name}, {GETS} in a tick"), start.per(ticks * GETS), "<= 4 us");
    waits.report("  a tick", "p99 <= 1.5 ms");
    println!("{:<58} {:>12.2}", "  reads of files per get", (reads() - before) as f64 / (ticks * GETS) as f64);
}

/// Gets one by one: those that read a file at all were not in memory.
fn reads_per_miss(rows: u64) {
    let own = {
        let before = reads();
        reads() - before
    };
    let (mut random, mut misses, mut all) = (Random(8), 0, 0);
    for _ in 0..20_000 {
        let before = reads();
        get(random.below(rows));
        let read = reads() - before - own;
        misses += u64::from(read > 0);
        all += read;
    }
    println!(
        "{:<58} {:>12.3} {:>12}  <= 1",
        "reads of files per get that misses the pool",
        all as f64 / misses as f64,
        ""
    );
}

fn sets(rows: u64, ticks: u64) {
    let (mut random, mut waits, before, start) = (Random(6), Waits::default(), written(), Sample::now());
    for n in 0..ticks {
        waits.time(|| put_many((0..SETS).map(|_| random.below(rows)), n));
    }
    report(&format!("random set, {SETS} in a commit"), start.per(ticks * SETS), "<= 8 us");
    println!(
        "{:<58} {:>12.0}",
        "  bytes written per set, log included",
        (written() - before) as f64 / (ticks * SETS) as f64
    );
    waits.report("  a commit", "<= 250 ms");
}

/// Another thread loads rows behind those that are there; the CPU time is the reader's own.
fn gets_beside_a_load(rows: u64) {
    const TICKS: u64 = 10_000;
    let end = AtomicBool::new(false);
    let loads = std::thread::scope(|scope| {
        let loader = scope.spawn(|| {
            let (mut waits, mut next) = (Waits::default(), rows);
            while !end.load(Ordering::Relaxed) {
                waits.time(|| put_many(next..next + LOADED, 1));
                next += LOADED;
            }
            waits
        });
        let (mut random, mut waits) = (Random(7), Waits::default());
        let (cpu, wall) = (own_cpu(), Instant::now());
        for _ in 0..TICKS {
            waits.time(|| get_many((0..GETS).map(|_| random.below(rows))));
        }
        let per = |time: Duration| time / (TICKS * GETS) as u32;
        let figure = Figure { cpu: per(own_cpu() - cpu), wall: per(wall.elapsed()) };
        report(&format!("random get beside a load, {GETS} in a tick"), figure, "<= 2 x that");
        waits.report("  a tick", "");
        end.store(true, Ordering::Relaxed);
        loader.join().expect("the load ends")
    });
    loads.report("  a commit of the load", "<= 250 ms");
}

fn opening(name: &str, dir: &Path, rows: u64) {
    let start = Sample::now();
    let engine = open(dir, POOL, 2);
    get(rows - 1);
    report(name, start.per(1), "<= 2 s");
    engine.close().expect("the engine closes");
}

/// Waits until the background has nothing to do.
fn settle() {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let before = cpu();
        std::thread::sleep(Duration::from_secs(1));
        if cpu() - before < Duration::from_millis(20) || Instant::now() > deadline {
            return;
        }
    }
}
