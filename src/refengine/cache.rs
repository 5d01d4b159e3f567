//! The row cache: the latest committed bytes of hot keys, bounded by memory.
//!
//! A commit publishes what it wrote after the storage has it and before its row locks go, so the cache never holds
//! anything older than the last acknowledged commit. A reader that missed must not fill in what it read from storage before
//! another transaction's commit: each key belongs to a stripe with a version that every publication advances, and a fill
//! counts only if the version is still the one from before the read.
//!
//! Used by all threads; a hit takes one shard lock for reading.

use super::storage::Slice;
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Equivalent, Weighter};
use std::hash::{BuildHasher, Hash, Hasher};

/// Bytes of bookkeeping per entry: the cache's slot and ghost, two reference-counted allocations.
const OVERHEAD: u64 = 128;
/// Row size the number of slots is estimated with.
const TYPICAL_ROW: u64 = 512;
const STRIPES: usize = 256;

#[derive(PartialEq, Eq)]
struct Key {
    table: u64,
    key: Slice,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        KeyRef { table: self.table, key: &self.key }.hash(state);
    }
}

struct KeyRef<'a> {
    table: u64,
    key: &'a [u8],
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.table);
        state.write(self.key);
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.table == key.table && *self.key == *key.key
    }
}

#[derive(Clone)]
struct Weigh;

impl Weighter<Key, Slice> for Weigh {
    fn weight(&self, key: &Key, row: &Slice) -> u64 {
        key.key.len() as u64 + row.len() as u64 + OVERHEAD
    }
}

/// See the module.
pub(crate) struct RowCache {
    rows: Cache<Key, Slice, Weigh>,
    stripes: Box<[Mutex<u64>]>,
    hasher: DefaultHashBuilder,
}

/// Permission to fill, valid while nobody published in the key's stripe.
#[derive(Clone, Copy)]
pub(crate) struct Ticket {
    stripe: usize,
    version: u64,
}

impl RowCache {
    pub(crate) fn new(bytes: u64) -> RowCache {
        let items = usize::try_from(bytes / TYPICAL_ROW).unwrap_or(usize::MAX).max(64);
        let rows = Cache::with_weighter(items, bytes, Weigh);
        let stripes = (0..STRIPES).map(|_| Mutex::new(0)).collect();
        RowCache { rows, stripes, hasher: DefaultHashBuilder::default() }
    }

    #[inline]
    pub(crate) fn get(&self, table: u64, key: &[u8]) -> Option<Slice> {
        self.rows.get(&KeyRef { table, key })
    }

    fn stripe(&self, table: u64, key: &[u8]) -> usize {
        self.hasher.hash_one(KeyRef { table, key }) as usize % STRIPES
    }

    /// To be taken before the storage is read.
    pub(crate) fn ticket(&self, table: u64, key: &[u8]) -> Ticket {
        let stripe = self.stripe(table, key);
        Ticket { stripe, version: self.stripes.get(stripe).map_or(0, |s| *s.lock()) }
    }

    /// Keeps what was read from the storage, unless a commit came in between.
    pub(crate) fn fill(&self, ticket: Ticket, table: u64, key: &[u8], row: &Slice) {
        let Some(stripe) = self.stripes.get(ticket.stripe) else { return };
        let version = stripe.lock();
        if *version == ticket.version && self.fits(key, row) {
            // A copy: the storage's own slice would keep the whole block it was read from in memory.
            self.rows.insert(Key { table, key: Slice::new(key) }, Slice::new(row));
        }
    }

    /// Makes what a transaction wrote visible; `None` takes the key out.
    pub(crate) fn publish(&self, table: u64, key: &Slice, row: Option<&Slice>) {
        let Some(stripe) = self.stripes.get(self.stripe(table, key)) else { return };
        let mut version = stripe.lock();
        *version += 1;
        match row {
            Some(row) if self.fits(key, row) => self.rows.insert(Key { table, key: key.clone() }, row.clone()),
            _ => {
                self.rows.remove(&KeyRef { table, key });
            }
        }
    }

    /// An entry that takes a shard for itself would only drive everything else out.
    fn fits(&self, key: &[u8], row: &[u8]) -> bool {
        ((key.len() + row.len()) as u64 + OVERHEAD) < self.rows.shard_capacity() / 4
    }

    #[cfg(test)]
    pub(crate) fn weight(&self) -> u64 {
        self.rows.weight()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(bytes: &[u8]) -> Slice {
        Slice::new(bytes)
    }

    #[test]
    fn a_fill_that_overlaps_a_commit_is_dropped() {
        let cache = RowCache::new(1 << 20);
        let key = slice(b"k");
        let ticket = cache.ticket(1, &key);
        cache.publish(1, &key, Some(&slice(b"new")));
        cache.fill(ticket, 1, &key, &slice(b"old"));
        assert_eq!(cache.get(1, &key), Some(slice(b"new")));

        let ticket = cache.ticket(1, &key);
        cache.publish(1, &key, None);
        cache.fill(ticket, 1, &key, &slice(b"old"));
        assert_eq!(cache.get(1, &key), None);

        let ticket = cache.ticket(1, &key);
        cache.fill(ticket, 1, &key, &slice(b"read"));
        assert_eq!(cache.get(1, &key), Some(slice(b"read")));
        assert_eq!(cache.get(2, &key), None, "another table has its own keys");
    }

    #[test]
    fn memory_stays_bounded_and_oversized_rows_leave_nothing_stale() {
        let cache = RowCache::new(1 << 20);
        for i in 0..20_000u32 {
            cache.publish(1, &slice(&i.to_be_bytes()), Some(&slice(&[7; 200])));
        }
        assert!(cache.weight() <= 1 << 20);
        let key = slice(b"big");
        cache.publish(1, &key, Some(&slice(b"small")));
        cache.publish(1, &key, Some(&slice(&vec![1; 1 << 20])));
        assert_eq!(cache.get(1, &key), None);
    }
}
