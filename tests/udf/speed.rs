//! Time and memory of many calls.

use crate::common;
use crate::common::memcached::Memcached;
use crate::library::{Arg, Library};
use std::process::Command;
use std::time::Instant;

/// Bytes of memory that are in use by the heap.
fn heap() -> usize {
    // SAFETY: reads the allocator's counters.
    let counters = unsafe { libc::mallinfo2() };
    counters.uordblks + counters.hblkhd
}

fn gets(library: &Library, count: usize) {
    let key = [Arg::from("speed")];
    let mut get = library.statement("memc_get", &key).unwrap();
    for _ in 0..count {
        assert_eq!(get.row(&key).text(), "0123456789");
    }
}

#[test]
fn memory_stays_as_it_is() {
    let server = Memcached::start();
    let library = Library::with(&server.name());
    library.number("memc_set", &["speed".into(), "0123456789".into()]);
    let some = || {
        gets(&library, 2_000);
        for i in 0..200 {
            library.number("memc_set", &["other".into(), Arg::Bytes(vec![b'x'; i * 100])]);
            library.text("memc_get", &["none".into()]);
            library.text("memc_stats", &[(&*server.name()).into()]);
        }
    };
    some();
    let before = heap();
    for _ in 0..5 {
        some();
    }
    let grown = heap().saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} bytes more after 13,000 calls");
}

/// `cargo test --release --features bench --test udf -- --ignored --nocapture a_get`
#[test]
#[ignore = "a measurement: wants a machine for itself"]
fn a_get_takes_as_long_as_with_libmemcached() {
    const GETS: usize = 100_000;
    let server = Memcached::start();
    let library = Library::with(&server.name());
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("speed");
    common::cc(&["-O2", "tests/c/udf_speed.c", "-lmemcached"], &program);
    library.number("memc_set", &["speed".into(), "0123456789".into()]);
    let (mut ours, mut theirs) = (u128::MAX, u128::MAX);
    for _ in 0..10 {
        let run = Command::new(&program).args([server.port().to_string(), GETS.to_string()]).output().unwrap();
        assert!(run.status.success());
        theirs = theirs.min(String::from_utf8(run.stdout).unwrap().trim().parse().unwrap());
        let start = Instant::now();
        gets(&library, GETS);
        ours = ours.min(start.elapsed().as_nanos() / GETS as u128);
    }
    println!("a get: {ours} ns, libmemcached {theirs} ns, {:.2} times", ours as f64 / theirs as f64);
    assert!(ours as f64 <= theirs as f64 * 1.3);
}
