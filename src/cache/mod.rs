//! The memory store behind the policies `cache_only` and `caching`: items in memory, found by
//! container number and key bytes. It knows nothing of what a container is.
//!
//! One [`MemoryStore`] is shared by all worker threads (in an `Arc`); it has no thread of its own and
//! takes the time from its callers. A key's hash chooses a shard; every call on a key holds that
//! shard's lock, is atomic under it, and never takes a second one. No value is copied under a lock: what
//! goes in was copied before, what comes out is shared. A shard has its share of the
//! memory limit and its own order from most to least recently used.
//!
//! ```text
//!  key ─ hash ─┬─► version bucket (4096, atomic; a bucket's keys all live in one shard)
//!              └─► shard (mutex): hash chains ─► slab of items ◄─ list newest … oldest
//! ```
//!
//! # As the only store: [`get`](MemoryStore::get), [`update`](MemoryStore::update), [`flush`](MemoryStore::flush)
//!
//! `update` shows the caller the item and takes a decision back, so that add, cas, incr and the like
//! are one atomic step.
//!
//! # In front of a table: `version`, `fill`, `replace_committed`, `invalidate`
//!
//! Each version bucket counts the changes of its keys. Whoever wants to store what it learned from
//! the table takes the version first, and stores only if the bucket did not change since:
//!
//! | who | order |
//! |---|---|
//! | reader, after a miss | `version`, **then** open the read view, read, `fill` |
//! | writer | lock the row, `version`, write, commit, `replace_committed`, **then** acknowledge |
//! | writer that has no item to leave | write, commit, `invalidate`, **then** acknowledge |
//! | truncate | commit, `flush`, **then** acknowledge |
//!
//! Then nothing older than an acknowledged write is ever seen, and what a key's hits show never goes
//! back to an older row while the key stays in memory: a fill leaves an item that is already there,
//! and `replace_committed` also notices a fill since its version, which may have come from a later
//! writer that has committed but not yet said so here.

mod data;
mod items;
mod shard;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

pub use data::{CachedItem, Data, Evicted, EvictionWatch, ITEM_OVERHEAD, NewItem, OutOfMemory, Stats};
use items::{Address, Item};
use shard::Shard;

/// Shards of a large store.
const MAX_SHARD_BITS: u32 = 6;

/// A store has fewer shards rather than smaller ones: at memcached's default of 64 MiB an item of
/// 1 MiB must fit into a shard beside others.
const MIN_SHARD_BYTES: usize = 8 << 20;

const BUCKET_BITS: u32 = 12;

/// A bucket's version: fills counted in the low bits, changes above. Fills that overflow look like a
/// change, which is harmless.
const FILL: u64 = 1;
const CHANGE: u64 = 1 << 24;

const _: () = assert!(BUCKET_BITS >= MAX_SHARD_BITS, "a bucket lies within one shard");
const _: () = assert!(size_of::<Item>() + size_of::<u32>() * 2 + 16 <= ITEM_OVERHEAD);

/// What [`MemoryStore::update`] shall do, and what it shall return.
#[derive(Debug)]
pub enum Change<T> {
    /// Nothing, not even count as a use.
    Keep(T),
    /// Store this item instead of the one there, if any.
    Put {
        /// The new item.
        item: NewItem,
        /// Returned once it is stored.
        result: T,
    },
    /// Change the deadline of the item there; nothing when there is none.
    Touch {
        /// As [`NewItem::deadline`].
        deadline: i64,
        /// Returned.
        result: T,
    },
    /// Remove the item there, if any.
    Remove(T),
}

/// A key's version, to be handed back with the same container and key to the same store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(u64);

/// Items in memory, shared by all workers. See the module's documentation.
pub struct MemoryStore {
    /// Keyed by chance per store: nobody outside can choose keys that share a chain.
    hasher: RandomState,
    /// A power of two.
    shards: Box<[Mutex<Shard>]>,
    shard_bits: u32,
    /// Written only under the lock of the bucket's shard.
    versions: Box<[AtomicU64]>,
}

impl MemoryStore {
    /// An empty store of at most `limit_bytes` (keys, values and [`ITEM_OVERHEAD`] per item). When
    /// it is full it evicts the least recently used items if `evict`, else it refuses new ones
    /// (memcached's `-M`).
    ///
    /// The limit is shared out evenly over the shards: 64 from 512 MiB on, fewer below so that each
    /// has 8 MiB, at least one. An item larger than a shard's share is refused.
    pub fn new(limit_bytes: usize, evict: bool) -> MemoryStore {
        let shard_bits = (limit_bytes / MIN_SHARD_BYTES).checked_ilog2().unwrap_or(0).min(MAX_SHARD_BITS);
        let share = limit_bytes >> shard_bits;
        MemoryStore {
            hasher: RandomState::new(),
            shards: (0..1_usize << shard_bits).map(|_| Mutex::new(Shard::new(share, evict))).collect(),
            shard_bits,
            versions: (0..1_usize << BUCKET_BITS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Changes the limit. A store that evicts has shrunk to it when this returns; one that does not
    /// keeps what it has and refuses what would grow it. The number of shards stays, so a limit far
    /// below the first one also lowers the size of the largest item.
    pub fn set_limit(&self, bytes: usize) {
        for shard in &self.shards {
            shard.lock().set_limit(bytes >> self.shard_bits);
        }
    }

    /// Shows the item to `found` and returns what that returns; `None` when there is none at `now`
    /// (Unix seconds). Counts as a use. `found` runs when the shard's lock is free again.
    pub fn get<T>(&self, container: u32, key: &[u8], now: i64, found: impl FnOnce(CachedItem<'_>) -> T) -> Option<T> {
        let at = self.address(container, key);
        let mut shard = self.shard(at);
        let slot = shard.find(at, now)?;
        shard.mark_read(slot);
        let CachedItem { flags, cas, deadline, data } = shard.get(slot)?.seen();
        let data = data.clone();
        drop(shard);
        Some(found(CachedItem { flags, cas, deadline, data: &data }))
    }

    /// Shows the item there at `now`, if any, to `change` and does what that answers, all under the
    /// shard's lock: `change` must be short and must not call the store. On error the item there is
    /// unchanged. Whatever changes the item also changes the key's version.
    pub fn update<T>(
        &self,
        container: u32,
        key: &[u8],
        now: i64,
        change: impl FnOnce(Option<CachedItem<'_>>) -> Change<T>,
    ) -> Result<T, OutOfMemory> {
        let at = self.address(container, key);
        let mut shard = self.shard(at);
        let old = shard.find(at, now);
        let result = match change(old.and_then(|slot| shard.get(slot)).map(Item::seen)) {
            Change::Keep(result) => return Ok(result),
            Change::Put { item, result } => {
                shard.put(at, item, old)?;
                result
            }
            Change::Touch { deadline, result } => {
                if let Some(slot) = old {
                    shard.touch(slot, deadline);
                }
                result
            }
            Change::Remove(result) => {
                shard.remove(old);
                result
            }
        };
        self.count(at, CHANGE);
        Ok(result)
    }

    /// Empties a container. What was stored before the call is never seen after it returned, nor is
    /// a fill stored whose version was taken before. Takes each shard's lock for a moment, whatever
    /// the number of items; their memory is freed when it is met or needed.
    pub fn flush(&self, container: u32) {
        let buckets_per_shard = self.versions.len() >> self.shard_bits;
        for (shard, buckets) in self.shards.iter().zip(self.versions.chunks(buckets_per_shard)) {
            let mut shard = shard.lock();
            shard.flush(container);
            for version in buckets {
                version.fetch_add(CHANGE, Ordering::Release);
            }
        }
    }

    /// The key's version now: to be taken before the table is read, or while the row is locked for a
    /// change. Takes no lock.
    pub fn version(&self, container: u32, key: &[u8]) -> Version {
        // Acquire pairs with the Release of `count`: who sees a writer's change reads its commit too.
        // What the caller reads next cannot be read before this.
        Version(self.bucket(self.address(container, key)).load(Ordering::Acquire))
    }

    /// Stores what was read from the table, unless the key may have changed since `version` was
    /// taken, an item is there already, or there is no room. Returns whether it was stored (true
    /// also for one whose deadline has passed, which needs no memory).
    pub fn fill(&self, container: u32, key: &[u8], version: Version, item: NewItem) -> bool {
        let at = self.address(container, key);
        let mut shard = self.shard(at);
        let unchanged = self.bucket(at).load(Ordering::Relaxed) / CHANGE == version.0 / CHANGE;
        let stored = unchanged && shard.find_now(at).is_none() && shard.put(at, item, None).is_ok();
        if stored {
            self.count(at, FILL);
        }
        stored
    }

    /// Leaves the item of a committed row, if nobody else changed or filled the key since `version`
    /// was taken under the row's lock and there is room; else only makes sure that nothing older
    /// remains. To be called after the commit and before it is acknowledged.
    pub fn replace_committed(&self, container: u32, key: &[u8], version: Version, item: NewItem) {
        let at = self.address(container, key);
        let mut shard = self.shard(at);
        let unchanged = self.bucket(at).load(Ordering::Relaxed) == version.0;
        self.count(at, CHANGE);
        let old = shard.find_now(at);
        if !unchanged || shard.put(at, item, old).is_err() {
            shard.remove(old);
        }
    }

    /// Makes sure that nothing read from the table before this call is seen after it returned. To be
    /// called after the commit and before it is acknowledged.
    pub fn invalidate(&self, container: u32, key: &[u8]) {
        let at = self.address(container, key);
        let mut shard = self.shard(at);
        self.count(at, CHANGE);
        let old = shard.find_now(at);
        shard.remove(old);
    }

    /// Tells `watch` of evictions from now on, instead of whoever was told before.
    pub fn watch_evictions(&self, watch: Option<EvictionWatch>) {
        for shard in &self.shards {
            shard.lock().watch.clone_from(&watch);
        }
    }

    /// Totals; takes each shard's lock for a moment.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        for shard in &self.shards {
            shard.lock().add_to(&mut stats);
        }
        stats
    }

    fn address<'k>(&self, container: u32, key: &'k [u8]) -> Address<'k> {
        Address { hash: self.hasher.hash_one((container, key)), container, key }
    }

    /// The bucket is the hash's top bits and the shard the bucket's; chains use the low bits.
    fn bucket_number(at: Address<'_>) -> usize {
        (at.hash >> (u64::BITS - BUCKET_BITS)) as usize
    }

    fn bucket(&self, at: Address<'_>) -> &AtomicU64 {
        &self.versions[Self::bucket_number(at)]
    }

    fn shard(&self, at: Address<'_>) -> MutexGuard<'_, Shard> {
        self.shards[Self::bucket_number(at) >> (BUCKET_BITS - self.shard_bits)].lock()
    }

    /// Counts a change or a fill of the key's bucket; under its shard's lock.
    fn count(&self, at: Address<'_>, what: u64) {
        self.bucket(at).fetch_add(what, Ordering::Release);
    }
}
