use super::*;
use crate::refengine::storage::Storage;
use crate::refengine::storage::tests::{open, put as put_in};
use std::sync::atomic::AtomicBool;

fn put(storage: &Storage, key: &str, value: &[u8]) {
    put_in(storage, "t", key.as_bytes(), Some(value));
}

fn get(storage: &Storage, key: &str) -> Option<Vec<u8>> {
    storage.keyspace("t").unwrap().get(key.as_bytes()).unwrap().map(|value| value.to_vec())
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn it_is_quiet_when_the_log_stays_where_it_is() {
    let mut quiet = Quiet::default();
    for (n, position) in [7, 7, 7, 8, 8, 8, 8, 8].into_iter().enumerate() {
        assert!(!quiet.is_long(position), "look {n}");
    }
    assert!(quiet.is_long(8) && quiet.is_long(8));
    assert!(!quiet.is_long(9));
}

/// Nobody asks for it: a quiet storage does it, and not for a few rows.
#[test]
fn a_quiet_storage_writes_out_what_is_half_full() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (storage, nearly_empty) = (open(dir.path(), 4 << 20), open(other.path(), 4 << 20));
    put(&nearly_empty, "key", b"value");
    for n in 0..30 {
        put(&storage, &format!("key {n}"), &[n; 100_000]);
    }
    let memory = |storage: &Storage| storage.inner.in_memory.load(Ordering::Relaxed);
    assert!(memory(&storage) > 2 << 20);
    wait_until("the rows are written out", || memory(&storage) < 1 << 20);
    assert!(memory(&nearly_empty) > 0);
    let check = |storage: &Storage| {
        (0..30).for_each(|n| assert_eq!(get(storage, &format!("key {n}")), Some(vec![n; 100_000])));
    };
    check(&storage);
    drop(storage);
    check(&open(dir.path(), 4 << 20));
}

/// It leads rounds beside others, who commit all the time; then the process ends.
#[test]
fn checkpoints_that_begin_early_lose_nothing() {
    const WRITERS: u64 = 4;
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), 64 << 10);
    let end = AtomicBool::new(false);
    let written: Vec<u64> = std::thread::scope(|scope| {
        let writer = |writer: u64| {
            let (storage, end) = (&storage, &end);
            move || {
                let mut n = 0u64;
                while !end.load(Ordering::Relaxed) {
                    put(storage, &format!("{writer} {n}"), &n.to_be_bytes());
                    put(storage, &format!("{writer}"), &n.to_be_bytes());
                    n += 1;
                }
                n
            }
        };
        let writers: Vec<_> = (0..WRITERS).map(|n| scope.spawn(writer(n))).collect();
        let first = storage.inner.redo.number();
        wait_until("checkpoints begin", || {
            storage.inner.begin_early();
            storage.inner.redo.number() >= first + 60
        });
        end.store(true, Ordering::Relaxed);
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    drop(storage);
    let storage = open(dir.path(), 64 << 10);
    for (writer, count) in written.iter().enumerate() {
        assert!(*count > 0);
        assert_eq!(get(&storage, &format!("{writer}")), Some((count - 1).to_be_bytes().to_vec()));
        for n in 0..*count {
            assert_eq!(get(&storage, &format!("{writer} {n}")), Some(n.to_be_bytes().to_vec()));
        }
    }
}

/// Writes that have stopped, and a checkpoint that waits for space, are left as they are.
#[test]
fn it_does_not_begin_beside_another_nor_where_writes_have_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), 1 << 20);
    put(&storage, "key", b"value");
    // Its thread would take up what this says is under way.
    storage.inner.checkpoint.stop();
    wait_until("the thread ends", || storage.threads.iter().any(|thread| thread.is_finished()));
    let number = || storage.inner.redo.number();
    let before = number();
    storage.inner.checkpoint.state.lock().pending = Some(0);
    storage.inner.begin_early();
    assert_eq!(number(), before);
    storage.inner.checkpoint.state.lock().pending = None;
    storage.inner.poison(&"a failure of the test");
    storage.inner.begin_early();
    assert_eq!(number(), before);
}
