//! What is committed and not yet in the tables on disk: the newest versions of rows, in memory, sorted.
//!
//! A *generation* holds what was committed between two checkpoints, one map per keyspace. One generation is active; a second may be
//! frozen while a checkpoint writes it to disk. The redo log has everything that is in either.
//!
//! Each commit has a sequence number. A row that is overwritten leaves its old version behind only if a view is open that sees it.
//!
//! Threads: one commit applies at a time (`commit`); readers come at any moment and take locks for single look-ups.

mod order;
mod rows;
#[cfg(test)]
mod tests;
mod version;

use super::Slice;
use super::value::Value;
use hashbrown::DefaultHashBuilder;
use order::{Order, sorted};
use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
use rows::Rows;
use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use version::Views;

/// Rows that a checkpoint takes with one look at a map.
const AT_ONCE: usize = 128;

/// Rows of one keyspace in one generation.
pub(super) struct Map {
    rows: RwLock<Rows>,
    /// Locked before the rows are.
    order: RwLock<Order>,
}

impl Map {
    fn new(before: u64, hasher: DefaultHashBuilder) -> Map {
        Map { rows: RwLock::new(Rows::new(before, hasher)), order: RwLock::default() }
    }

    /// The newest version of a key, if there is one: `Some(None)` is a deletion.
    pub(super) fn newest(&self, key: &[u8]) -> Option<Option<Slice>> {
        let rows = self.rows.read();
        let place = rows.find(rows.hash(key), key)?;
        Some(rows.value(place))
    }

    pub(super) fn seen_at(&self, key: &[u8], seqno: u64) -> Option<Option<Slice>> {
        let rows = self.rows.read();
        rows.seen_at(rows.find(rows.hash(key), key)?, seqno)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keys that have a version, deletions included.
    pub(super) fn len(&self) -> usize {
        self.rows.read().len()
    }

    /// The newest version of every key, deletions included, in order, of a map that nobody writes to any more. Others may read meanwhile.
    pub(super) fn all(&self) -> impl Iterator<Item = (Slice, Option<Slice>)> + '_ {
        let places = {
            let rows = self.rows.read();
            sorted(&rows, rows.keys_since(0))
        };
        (0..places.len()).step_by(AT_ONCE).flat_map(move |from| {
            let rows = self.rows.read();
            let some = places.iter().skip(from).take(AT_ONCE);
            let row = |place: &u32| Some((Slice::new(rows.key(*place)), rows.value(rows.newest(*place)?)));
            some.filter_map(row).collect::<Vec<_>>()
        })
    }

    /// The order, with every key that was there before this was asked.
    fn order(&self) -> RwLockReadGuard<'_, Order> {
        let order = self.order.read();
        if order.is_complete(&self.rows.read()) {
            return order;
        }
        drop(order);
        let mut order = self.order.write();
        order.complete(&self.rows.read());
        RwLockWriteGuard::downgrade(order)
    }

    /// Up to `limit` entries within the bounds as a view of `seqno` sees them, deletions included, from the far end if
    /// `reverse`. Fewer than `limit` are the last ones.
    pub(super) fn entries(
        &self,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        seqno: u64,
        reverse: bool,
        limit: usize,
    ) -> Vec<(Slice, Option<Slice>)> {
        let (order, mut entries) = (self.order(), Vec::new());
        let rows = self.rows.read();
        order.walk(&rows, bounds, reverse, |place| {
            let seen = rows.newest(place).and_then(|newest| rows.seen_at(newest, seqno));
            entries.extend(seen.map(|value| (Slice::new(rows.key(place)), value)));
            entries.len() < limit
        });
        entries
    }
}

/// What was committed between two checkpoints.
pub(super) struct Generation {
    maps: RwLock<HashMap<u64, Arc<Map>>>,
    bytes: AtomicU64,
    /// The number of the last commit before its first.
    before: u64,
    hasher: DefaultHashBuilder,
    /// The bytes of all generations that are still in memory.
    all: Arc<AtomicU64>,
}

impl Default for Generation {
    fn default() -> Generation {
        Generation::new(0, DefaultHashBuilder::default(), Arc::default())
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes(), Ordering::Relaxed);
    }
}

impl Generation {
    fn new(before: u64, hasher: DefaultHashBuilder, all: Arc<AtomicU64>) -> Generation {
        Generation { maps: RwLock::default(), bytes: AtomicU64::new(0), before, hasher, all }
    }

    /// An empty one to come after this, behind the last commit of a sequence.
    pub(super) fn next(&self, sequence: &Sequence) -> Generation {
        Generation::new(sequence.last.lock().0, self.hasher.clone(), self.all.clone())
    }

    /// Size in memory of all generations, kept up to date.
    pub(super) fn all_bytes(&self) -> &Arc<AtomicU64> {
        &self.all
    }

    /// Size in memory.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The rows of the keyspace with this number; none if it is younger than the generation.
    pub(super) fn map(&self, keyspace: u64) -> Option<Arc<Map>> {
        self.maps.read().get(&keyspace).cloned()
    }

    /// An empty map for a keyspace.
    pub(super) fn add(&self, keyspace: u64) -> Arc<Map> {
        let new = || Arc::new(Map::new(self.before, self.hasher.clone()));
        self.maps.write().entry(keyspace).or_insert_with(new).clone()
    }

    pub(super) fn remove(&self, keyspace: u64) {
        self.maps.write().remove(&keyspace);
    }
}

/// The sequence of commits, and who looks at which point of it.
#[derive(Default)]
pub(super) struct Sequence {
    /// The last commit that is visible. Held while a commit applies, so that no view begins in the middle of one.
    last: Mutex<(u64, Views)>,
}

impl Sequence {
    /// Begins a view of everything that is committed now.
    pub(super) fn open_view(&self) -> u64 {
        let mut last = self.last.lock();
        let seqno = last.0;
        last.1.open(seqno);
        seqno
    }

    /// One more view of the same point.
    pub(super) fn close_view(&self, seqno: u64) {
        self.last.lock().1.close(seqno);
    }

    /// Makes visible, all at once, what `put` puts into maps of a generation. The caller sees to it that nobody freezes it meanwhile.
    pub(super) fn apply(&self, generation: &Generation, put: impl FnOnce(&mut Commit<'_>)) {
        let mut last = self.last.lock();
        let seqno = last.0 + 1;
        let mut commit = Commit { seqno, views: &last.1, grown: 0 };
        put(&mut commit);
        let grown = commit.grown;
        generation.bytes.fetch_add(grown, Ordering::Relaxed);
        generation.all.fetch_add(grown, Ordering::Relaxed);
        last.0 = seqno;
    }
}

/// A commit that is about to become visible.
pub(super) struct Commit<'a> {
    seqno: u64,
    views: &'a Views,
    /// Bytes, modulo 2^64: older versions may go.
    grown: u64,
}

impl Commit<'_> {
    /// Puts keys and values into a map.
    pub(super) fn put<'a>(&mut self, map: &Map, changes: impl Iterator<Item = (&'a [u8], Value<'a>)>) {
        let mut rows = map.rows.write();
        let before = rows.memory();
        for (key, value) in changes {
            rows.put(self.seqno, self.views, key, value);
        }
        self.grown = self.grown.wrapping_add(rows.memory()).wrapping_sub(before);
    }
}
