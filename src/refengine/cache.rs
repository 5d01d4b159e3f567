//! The row cache: the latest committed bytes of rows that are read again and again, bounded by memory.
//!
//! A commit publishes what it wrote after the storage has it and before its row locks go, so the cache never holds
//! anything older than the last acknowledged commit. While there is room it takes new rows in. A reader that missed must not fill in what it read from storage before
//! another transaction's commit: each shard has a version that every publication advances, and a fill
//! counts only if the version is still the one from before the read.
//!
//! The memory table's rows and these share the pool: every change says how many bytes the cache may take now.
//!
//! Used by all threads; a hit takes one shard's lock for reading (`shard`), and copies the row unless it is large.

mod entry;
mod shard;
#[cfg(test)]
mod tests;

use super::storage::{Slice, Value};
use entry::{Name, hash, split};
use hashbrown::DefaultHashBuilder;
use parking_lot::RwLock;
use shard::Shard;
use std::io;

/// Bytes of a shard, as far as their number allows.
const SHARD: u64 = 8 << 20;
/// The number of shards; a power of two.
const SHARDS: std::ops::RangeInclusive<u64> = 16..=1024;

/// See the module.
pub(crate) struct RowCache {
    shards: Box<[RwLock<Shard>]>,
    hasher: DefaultHashBuilder,
}

/// A row that is there.
pub(crate) enum Hit<'a> {
    /// In the cache's own memory, for as long as it is looked at.
    Copy(&'a [u8]),
    /// A large one, which its readers share.
    Shared(&'a Slice),
}

impl Hit<'_> {
    /// The row to keep.
    pub(crate) fn slice(self) -> Slice {
        match self {
            Hit::Copy(row) => Slice::new(row),
            Hit::Shared(row) => row.clone(),
        }
    }
}

/// Permission to fill, valid while nobody published in the key's shard.
#[derive(Clone, Copy)]
pub(crate) struct Ticket {
    hash: u64,
    version: u64,
}

impl RowCache {
    /// A cache of at most `bytes`. What it does not use yet takes no memory.
    pub(crate) fn new(bytes: u64) -> io::Result<RowCache> {
        let count = (bytes / SHARD).clamp(*SHARDS.start(), *SHARDS.end()).next_power_of_two();
        let hasher = DefaultHashBuilder::default();
        let each = usize::try_from(bytes / count).unwrap_or(usize::MAX);
        let shards =
            (0..count).map(|_| Shard::new(each, hasher.clone()).map(RwLock::new)).collect::<io::Result<_>>()?;
        Ok(RowCache { shards, hasher })
    }

    #[inline]
    fn name<'a>(&self, table: u64, key: &'a [u8]) -> Name<'a> {
        let (first, rest) = split(key);
        Name { hash: hash(&self.hasher, table, first, rest), table, key }
    }

    #[inline]
    fn shard(&self, hash: u64) -> Option<&RwLock<Shard>> {
        // The index of a shard goes by the lowest bits and the seven highest.
        self.shards.get((hash >> 40) as usize & (self.shards.len() - 1))
    }

    /// What a shard may take where the cache may take `bytes`.
    pub(crate) fn limit(&self, bytes: u64) -> usize {
        usize::try_from(bytes / self.shards.len() as u64).unwrap_or(usize::MAX)
    }

    /// What `take` makes of the row, or else a ticket: the storage is to be read after this.
    #[inline(always)]
    pub(crate) fn get<T>(&self, table: u64, key: &[u8], take: impl FnOnce(Hit<'_>) -> T) -> Result<T, Ticket> {
        let name = self.name(table, key);
        let Some(shard) = self.shard(name.hash) else { return Err(Ticket { hash: name.hash, version: 0 }) };
        let shard = shard.read();
        shard.get(name, take).ok_or_else(|| shard.missed(name.hash))
    }

    /// Keeps what was read from the storage, unless a commit came in between. The cache may take `bytes` now.
    pub(crate) fn fill(&self, ticket: Ticket, table: u64, key: &[u8], row: &Slice, bytes: u64) {
        let Some(shard) = self.shard(ticket.hash) else { return };
        let mut shard = shard.write();
        if shard.version == ticket.version {
            shard.fill(Name { hash: ticket.hash, table, key }, row, self.limit(bytes));
        }
    }

    /// Makes what a transaction wrote visible. `limit` is one of [`RowCache::limit`].
    pub(crate) fn publish(&self, table: u64, key: &[u8], row: Value<'_>, limit: usize) {
        let name = self.name(table, key);
        let Some(shard) = self.shard(name.hash) else { return };
        shard.write().publish(name, row, limit);
    }

    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().used()).sum()
    }
}
