use super::entry::{Name, split};
use super::shard::Shard;
use super::*;
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

const BYTES: u64 = 1 << 20;

fn slice(bytes: &[u8]) -> Slice {
    Slice::new(bytes)
}

/// A key of a primary index, and a row that has its columns in it, or not.
fn key(id: u32) -> Vec<u8> {
    [&[0][..], b"key-", &id.to_be_bytes()].concat()
}

fn row(id: u32, len: usize, has_key: bool) -> Vec<u8> {
    let mut row = vec![id as u8; len];
    if has_key && len > 20 {
        row[11..19].copy_from_slice(&key(id)[1..]);
    }
    row
}

fn read_through(cache: &RowCache, table: u64, key: &[u8], row: &[u8]) -> bool {
    match cache.get(table, key, |hit| hit.slice()) {
        Ok(found) => {
            assert_eq!(*found, *row);
            true
        }
        Err(ticket) => {
            cache.fill(ticket, table, key, &slice(row), BYTES);
            false
        }
    }
}

#[test]
fn a_fill_that_overlaps_a_commit_is_dropped() {
    let cache = RowCache::new(BYTES).unwrap();
    let key = b"\0k";
    let ticket = cache.get(1, key, |hit| hit.slice()).unwrap_err();
    cache.publish(1, key, Value::of(Some(&slice(b"new"))), cache.limit(BYTES));
    cache.fill(ticket, 1, key, &slice(b"old"), BYTES);
    assert_eq!(cache.get(1, key, |hit| hit.slice()).ok(), Some(slice(b"new")));
    cache.publish(1, key, Value::Deleted, cache.limit(BYTES));
    cache.fill(ticket, 1, key, &slice(b"old"), BYTES);
    assert!(cache.get(1, key, |hit| hit.slice()).is_err(), "commits came in between");

    let ticket = cache.get(1, key, |hit| hit.slice()).unwrap_err();
    cache.fill(ticket, 1, key, &slice(b"read"), BYTES);
    assert_eq!(cache.get(1, key, |hit| hit.slice()).ok(), Some(slice(b"read")));
    assert!(cache.get(2, key, |hit| hit.slice()).is_err(), "another table has its own keys");
    cache.publish(1, key, Value::of(Some(&slice(b"longer than before"))), cache.limit(BYTES));
    assert_eq!(
        cache.get(1, key, |hit| hit.slice()).ok(),
        Some(slice(b"longer than before")),
        "what is there follows the commits"
    );
    cache.publish(1, key, Value::Deleted, cache.limit(BYTES));
    assert!(cache.get(1, key, |hit| hit.slice()).is_err());
}

#[test]
fn memory_stays_bounded_and_shrinks_when_the_limit_does() {
    let cache = RowCache::new(8 * BYTES).unwrap();
    let mut rest = 0;
    for id in 0..60_000 {
        // Twice: what would drive out another row has to be asked for again.
        for _ in 0..2 {
            if let Err(ticket) = cache.get(1, &key(id), |hit| hit.slice()) {
                cache.fill(ticket, 1, &key(id), &slice(&row(id, 200, true)), 8 * BYTES);
            }
        }
        assert!(cache.used() as u64 <= 8 * BYTES || id % 512 != 0);
    }
    let held = (0..60_000).filter(|id| cache.get(1, &key(*id), |hit| hit.slice()).is_ok()).count();
    // 200 bytes, a head of 8, the index.
    assert!(held > 8 * BYTES as usize / 220, "{held} rows");
    for id in 0..20_000 {
        cache.publish(1, &key(id + 1_000_000), Value::of(Some(&slice(b"elsewhere"))), cache.limit(4 * BYTES));
        rest = cache.used() as u64;
    }
    assert!(rest <= 4 * BYTES, "{rest} bytes");
}

#[test]
fn rows_that_are_read_again_stay_when_others_pass() {
    let cache = RowCache::new(BYTES).unwrap();
    let hot = 0..500;
    hot.clone().for_each(|id| assert!(!read_through(&cache, 1, &key(id), &row(id, 100, true))));
    for id in 1000..100_000 {
        read_through(&cache, 1, &key(id), &row(id, 100, true));
        let again = id % 500;
        read_through(&cache, 1, &key(again), &row(again, 100, true));
    }
    let stayed = hot.filter(|id| cache.get(1, &key(*id), |hit| hit.slice()).is_ok()).count();
    assert!(stayed > 490, "{stayed} of 500");
}

#[test]
fn large_rows_are_shared_and_those_that_would_fill_a_shard_leave_nothing_stale() {
    let cache = RowCache::new(64 * BYTES).unwrap();
    let limit = 64 * BYTES;
    let large = slice(&vec![1; 100_000]);
    let ticket = cache.get(1, b"\0large", |hit| hit.slice()).unwrap_err();
    cache.fill(ticket, 1, b"\0large", &large, limit);
    let (first, second) = (
        cache.get(1, b"\0large", |hit| hit.slice()).ok().unwrap(),
        cache.get(1, b"\0large", |hit| hit.slice()).ok().unwrap(),
    );
    assert_eq!(first, large);
    assert_eq!(first.as_ptr(), second.as_ptr(), "no copy for each reader");
    assert!(cache.used() > 100_000);
    cache.publish(1, b"\0large", Value::of(Some(&slice(b"small"))), cache.limit(limit));
    assert_eq!(cache.get(1, b"\0large", |hit| hit.slice()).ok(), Some(slice(b"small")));
    cache.publish(1, b"\0large", Value::of(Some(&slice(&vec![2; 1 << 20]))), cache.limit(4 * BYTES));
    assert!(cache.get(1, b"\0large", |hit| hit.slice()).is_err());
    assert!(cache.used() < 100_000);
}

#[test]
fn readers_never_see_a_row_go_back() {
    let (cache, stop) = (RowCache::new(BYTES).unwrap(), AtomicBool::new(false));
    // What the storage has; rows differ in length, so that they move.
    let stored: Vec<std::sync::atomic::AtomicU64> = (0..8).map(|_| 0.into()).collect();
    let value = |n: u64| slice(&[n.to_le_bytes().to_vec(), vec![7; n as usize % 97]].concat());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut seen = [0; 8];
                while !stop.load(Ordering::Relaxed) {
                    for id in 0..8 {
                        let row = cache.get(1, &key(id), |hit| hit.slice()).unwrap_or_else(|ticket| {
                            let row = value(stored[id as usize].load(Ordering::SeqCst));
                            cache.fill(ticket, 1, &key(id), &row, BYTES);
                            row
                        });
                        let n = u64::from_le_bytes(row[..8].try_into().unwrap());
                        assert_eq!(row, value(n), "a torn row");
                        assert!(n >= seen[id as usize], "{n} after {}", seen[id as usize]);
                        seen[id as usize] = n;
                    }
                }
            });
        }
        for n in 1..20_000 {
            let id = (n % 8) as u32;
            stored[id as usize].store(n, Ordering::SeqCst);
            cache.publish(1, &key(id), Value::of(Some(&value(n))), cache.limit(BYTES));
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[derive(Clone, Debug)]
enum Step {
    Get,
    Fill(usize, bool),
    Publish(usize, bool),
    Delete,
}

fn step() -> impl Strategy<Value = (u32, u64, Step, usize)> {
    let len = prop_oneof![0..40usize, 100..140usize, 1500..3000usize, Just(20_000)];
    let step = prop_oneof![
        3 => Just(Step::Get),
        3 => (len.clone(), any::<bool>()).prop_map(|(len, has)| Step::Fill(len, has)),
        2 => (len, any::<bool>()).prop_map(|(len, has)| Step::Publish(len, has)),
        1 => Just(Step::Delete),
    ];
    (0..300u32, prop_oneof![Just(3u64), Just(300), Just(u64::MAX)], step, 20_000..80_000usize)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    /// A shard forgets rows, and never has one that is not the last one.
    #[test]
    fn a_shard_has_what_was_put_in_last_or_nothing(steps in prop::collection::vec(step(), 1..2000)) {
        let hasher = DefaultHashBuilder::default();
        let mut shard = Shard::new(1 << 16, hasher.clone()).unwrap();
        let mut model: HashMap<(u64, u32), Slice> = HashMap::new();
        for (n, (id, table, step, limit)) in steps.into_iter().enumerate() {
            let key = key(id);
            let (first, rest) = split(&key);
            let name = Name { hash: hash(&hasher, table, first, rest), table, key: &key };
            let new = |len, has_key| {
                let mut row = row(id, len, has_key);
                row.extend_from_slice(&n.to_le_bytes());
                slice(&row)
            };
            match step {
                Step::Get => {}
                // A reader that missed, as nobody committed in between: the storage has what the model has.
                Step::Fill(len, has_key) => {
                    let row = model.entry((table, id)).or_insert_with(|| new(len, has_key)).clone();
                    shard.fill(name, &row, limit);
                }
                Step::Publish(len, has_key) => {
                    let row = new(len, has_key);
                    shard.publish(name, Value::of(Some(&row)), limit);
                    model.insert((table, id), row);
                }
                Step::Delete => {
                    shard.publish(name, Value::Deleted, limit);
                    model.remove(&(table, id));
                }
            }
            if let Some(found) = shard.get(name, |hit| hit.slice()) {
                prop_assert_eq!(Some(&found), model.get(&(table, id)));
            }
            prop_assert!(shard.check(), "the index and the ring agree after step {}", n);
        }
    }
}
