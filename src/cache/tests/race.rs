//! Threads that read through the store while others change the table below it.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;

use parking_lot::Mutex;

use super::*;

const KEYS: [&[u8]; 3] = [b"a", b"b", b"c"];
const WRITERS: u64 = 3;
const READERS: u64 = 3;
const WRITES: u64 = 2_000;

/// A row: its value only grows, by one per committed write.
#[derive(Default)]
struct Row {
    lock: Mutex<()>,
    committed: AtomicU64,
    acknowledged: AtomicU64,
    /// The greatest value that a hit has shown.
    shown: AtomicU64,
}

/// Which call a writer makes between commit and acknowledgement.
#[derive(Clone, Copy, Debug)]
enum Leaves {
    Item,
    Nothing,
    EmptyContainer,
}

/// Small deterministic chance, so that threads meet in different orders.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    /// Lets others in, now and then.
    fn pause(&mut self) {
        if self.below(4) == 0 {
            thread::yield_now();
        }
    }
}

fn number(value: &[u8]) -> u64 {
    u64::from_le_bytes(value.try_into().unwrap())
}

fn write(store: &MemoryStore, rows: &[Row], leaves: &[Leaves], chance: &mut Chance) {
    let which = chance.below(KEYS.len() as u64) as usize;
    let (key, row) = (KEYS[which], &rows[which]);
    let guard = row.lock.lock();
    let version = store.version(1, key);
    chance.pause();
    let value = row.committed.load(SeqCst) + 1;
    row.committed.store(value, SeqCst);
    drop(guard);
    chance.pause();
    match leaves[chance.below(leaves.len() as u64) as usize] {
        Leaves::Item => store.replace_committed(1, key, version, item(key, &value.to_le_bytes(), 0)),
        Leaves::Nothing => store.invalidate(1, key),
        Leaves::EmptyContainer => store.flush(1),
    }
    row.acknowledged.fetch_max(value, SeqCst);
}

/// Returns 1 for a hit.
fn read(store: &MemoryStore, rows: &[Row], evicts: bool, chance: &mut Chance) -> u64 {
    let which = chance.below(KEYS.len() as u64) as usize;
    let (key, row) = (KEYS[which], &rows[which]);
    let acknowledged = row.acknowledged.load(SeqCst);
    let shown = row.shown.load(SeqCst);
    if let Some(value) = store.get(1, key, 1, |found| number(found.value())) {
        assert!(value >= acknowledged, "hit {value}, acknowledged {acknowledged}");
        assert!(evicts || value >= shown, "hit {value} after a hit {shown}");
        row.shown.fetch_max(value, SeqCst);
        return 1;
    }
    let version = store.version(1, key);
    chance.pause();
    let value = row.committed.load(SeqCst);
    chance.pause();
    store.fill(1, key, version, item(key, &value.to_le_bytes(), 0));
    0
}

fn race(limit: usize, evicts: bool, leaves: &[Leaves]) {
    let store = MemoryStore::new(limit, true);
    let rows: [Row; KEYS.len()] = Default::default();
    let writing = AtomicU64::new(WRITERS);
    let hits = AtomicU64::new(0);
    thread::scope(|scope| {
        for seed in 0..WRITERS {
            let (store, rows, writing) = (&store, &rows, &writing);
            scope.spawn(move || {
                let mut chance = Chance(seed);
                for _ in 0..WRITES {
                    write(store, rows, leaves, &mut chance);
                    chance.pause();
                }
                writing.fetch_sub(1, SeqCst);
            });
        }
        for seed in 0..READERS {
            let (store, rows, writing, hits) = (&store, &rows, &writing, &hits);
            scope.spawn(move || {
                let mut chance = Chance(1_000 + seed);
                while writing.load(SeqCst) > 0 {
                    hits.fetch_add(read(store, rows, evicts, &mut chance), SeqCst);
                }
            });
        }
    });
    assert!(hits.load(SeqCst) > 0, "{leaves:?}: the store was never used");
    for (key, row) in KEYS.iter().zip(&rows) {
        let last = row.committed.load(SeqCst);
        let kept = store.get(1, key, 1, |found| number(found.value()));
        assert!(kept.is_none_or(|kept| kept == last), "{leaves:?}: {kept:?} is left, {last} is the row");
    }
}

#[test]
fn readers_never_see_less_than_was_acknowledged() {
    use Leaves::*;
    for leaves in [&[Item][..], &[Nothing], &[EmptyContainer], &[Item, Item, Nothing], &[Item, Nothing, EmptyContainer]]
    {
        race(1 << 20, false, leaves);
    }
    // Room for one of the three items: fills and replacements evict each other all the time.
    race(ITEM_OVERHEAD + 16, true, &[Item, Nothing, EmptyContainer]);
}
