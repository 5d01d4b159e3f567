//! What is committed and not yet in the tables on disk: the newest versions of rows, in memory, sorted.
//!
//! A *generation* holds what was committed between two checkpoints, one map per keyspace. One generation is active; a second may be
//! frozen while a checkpoint writes it to disk. The redo log has everything that is in either.
//!
//! Each commit has a sequence number. A row that is overwritten leaves its old version behind only if a view is open that sees it.
//!
//! Threads: one commit applies at a time (`commit`); readers come at any moment and take locks for single look-ups.

use super::Slice;
use super::keyspace::{Change, Keyspace};
use crate::refengine::sorted::Sorted;
use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of memory that an entry takes besides its key and value: its place in a hash table that is two thirds full, its
/// part of the order, and what the allocator adds.
const OVERHEAD: u64 = 200;

/// A row as one commit left it.
struct Version {
    seqno: u64,
    /// `None`: deleted.
    value: Option<Slice>,
    /// What it replaced, while a view may ask for it.
    older: Option<Box<Version>>,
}

impl Version {
    /// The version that a view of `seqno` sees. `None`: it is older than all of them.
    fn seen_at(&self, seqno: u64) -> Option<&Option<Slice>> {
        let mut version = Some(self);
        while let Some(v) = version {
            if v.seqno <= seqno {
                return Some(&v.value);
            }
            version = v.older.as_deref();
        }
        None
    }

    /// Drops older versions that no open view sees.
    fn prune(&mut self, views: &Views) {
        let mut newer = self.seqno;
        let mut rest = self.older.take();
        let mut tail = &mut self.older;
        while let Some(mut version) = rest {
            rest = version.older.take();
            let seen = views.any_in(version.seqno..newer);
            newer = version.seqno;
            if seen {
                tail = &mut tail.insert(version).older;
            }
        }
    }
}

/// Rows of one keyspace in one generation.
#[derive(Default)]
pub(super) struct Map(RwLock<Sorted<Version>>);

impl Map {
    /// The newest version of a key, if there is one: `Some(None)` is a deletion.
    pub(super) fn newest(&self, key: &[u8]) -> Option<Option<Slice>> {
        self.0.read().get(key).map(|version| version.value.clone())
    }

    pub(super) fn seen_at(&self, key: &[u8], seqno: u64) -> Option<Option<Slice>> {
        self.0.read().get(key)?.seen_at(seqno).cloned()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.read().is_empty()
    }

    /// Keys that have a version, deletions included.
    pub(super) fn len(&self) -> usize {
        self.0.read().len()
    }

    /// The newest version of every key, deletions included, in order. It makes no use of an order that there may be: who made one
    /// would keep others from reading.
    pub(super) fn all(&self) -> Vec<(Slice, Option<Slice>)> {
        let mut all: Vec<_> = self.0.read().iter().map(|(key, version)| (key.clone(), version.value.clone())).collect();
        all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        all
    }

    fn sorted(&self) -> RwLockReadGuard<'_, Sorted<Version>> {
        let rows = self.0.read();
        if rows.is_sorted() {
            return rows;
        }
        drop(rows);
        let mut rows = self.0.write();
        rows.sort();
        RwLockWriteGuard::downgrade(rows)
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
        let rows = self.sorted();
        let range = rows.range(bounds);
        let seen = |(key, version): (&Slice, &Version)| Some((key.clone(), version.seen_at(seqno)?.clone()));
        if reverse {
            range.rev().filter_map(seen).take(limit).collect()
        } else {
            range.filter_map(seen).take(limit).collect()
        }
    }
}

/// What was committed between two checkpoints.
#[derive(Default)]
pub(super) struct Generation {
    maps: RwLock<HashMap<u64, Arc<Map>>>,
    bytes: AtomicU64,
    /// The bytes of all generations that are still in memory.
    all: Arc<AtomicU64>,
}

impl Drop for Generation {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes(), Ordering::Relaxed);
    }
}

impl Generation {
    /// An empty one to come after this.
    pub(super) fn next(&self) -> Generation {
        Generation { all: self.all.clone(), maps: RwLock::default(), bytes: AtomicU64::new(0) }
    }

    /// Approximate size in memory of all generations, kept up to date.
    pub(super) fn all_bytes(&self) -> &Arc<AtomicU64> {
        &self.all
    }

    /// Approximate size in memory.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The rows of the keyspace with this number; none if it is younger than the generation.
    pub(super) fn map(&self, keyspace: u64) -> Option<Arc<Map>> {
        self.maps.read().get(&keyspace).cloned()
    }

    /// An empty map for a keyspace.
    pub(super) fn add(&self, keyspace: u64) -> Arc<Map> {
        self.maps.write().entry(keyspace).or_default().clone()
    }

    pub(super) fn remove(&self, keyspace: u64) {
        self.maps.write().remove(&keyspace);
    }
}

/// Sequence numbers of the open views, each with the number of views that have it.
#[derive(Default)]
struct Views(BTreeMap<u64, usize>);

impl Views {
    fn any_in(&self, range: std::ops::Range<u64>) -> bool {
        self.0.range(range).next().is_some()
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
        *last.1.0.entry(seqno).or_default() += 1;
        seqno
    }

    /// One more view of the same point.
    pub(super) fn close_view(&self, seqno: u64) {
        let mut last = self.last.lock();
        if let Some(count) = last.1.0.get_mut(&seqno) {
            *count -= 1;
            if *count == 0 {
                last.1.0.remove(&seqno);
            }
        }
    }

    /// Makes changes visible, all at once. The caller sees to it that nobody freezes the generation meanwhile.
    pub(super) fn apply(&self, generation: &Generation, changes: impl Iterator<Item = Change>) {
        let mut last = self.last.lock();
        let (seqno, views) = (last.0 + 1, &last.1);
        let mut changes = changes.peekable();
        let mut grown = 0;
        while let Some(first) = changes.next() {
            let keyspace: Keyspace = first.keyspace;
            let map = keyspace.active();
            let mut rows = map.0.write();
            grown += put(&mut rows, seqno, views, first.key, first.value);
            while let Some(next) = changes.next_if(|change| change.keyspace.is(&keyspace)) {
                grown += put(&mut rows, seqno, views, next.key, next.value);
            }
        }
        // Rows may shrink.
        generation.bytes.fetch_add(grown as u64, Ordering::Relaxed);
        generation.all.fetch_add(grown as u64, Ordering::Relaxed);
        last.0 = seqno;
    }
}

/// Puts a version on top; returns by how many bytes the map grew.
fn put(rows: &mut Sorted<Version>, seqno: u64, views: &Views, key: Slice, value: Option<Slice>) -> i64 {
    let size = |value: &Option<Slice>| value.as_ref().map_or(0, |v| v.len() as i64);
    let new = size(&value);
    match rows.get_mut(&key) {
        Some(row) => {
            let old = size(&row.value);
            if views.0.is_empty() {
                *row = Version { seqno, value, older: None };
            } else {
                let before = std::mem::replace(row, Version { seqno, value, older: None });
                row.older = Some(Box::new(before));
                row.prune(views);
            }
            new - old
        }
        None => {
            let grown = key.len() as i64 + new + OVERHEAD as i64;
            rows.insert(key, Version { seqno, value, older: None });
            grown
        }
    }
}
