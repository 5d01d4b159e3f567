//! Items as callers know them, and what they cost.

use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// Bytes an item costs beyond its key and value: its slab slot, its share of the hash chains' heads,
/// the spare room of both (they double), and what the allocator adds to the one allocation that
/// holds key and value and the one that counts who shares it, once somebody did. Measured with glibc's allocator over 1,000 to
/// 300,000 items and values of 1 to 10,000 bytes: 122 to 225, less the fuller the doubling parts are, 186 in the mean.
pub const ITEM_OVERHEAD: usize = 192;

/// A key and a value in one piece of memory, which clones share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    /// Key, then value.
    bytes: Bytes,
    key_len: u32,
}

impl Data {
    /// Copies a key, and a value that comes in parts.
    ///
    /// # Errors
    /// The process got no memory.
    pub fn new(key: &[u8], value: &[&[u8]]) -> Result<Data, OutOfMemory> {
        let key_len = u32::try_from(key.len()).map_err(|_| OutOfMemory)?;
        let length = value.iter().fold(key.len(), |sum, part| sum.saturating_add(part.len()));
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length).map_err(|_| OutOfMemory)?;
        bytes.extend_from_slice(key);
        value.iter().for_each(|part| bytes.extend_from_slice(part));
        Ok(Data { bytes: bytes.into(), key_len })
    }

    /// The value.
    pub fn value(&self) -> &[u8] {
        self.bytes.get(self.key_len as usize..).unwrap_or_default()
    }

    /// Whether both are clones of one: while either lives, no other has its memory.
    pub fn is_same(&self, other: &Data) -> bool {
        std::ptr::eq(self.bytes.as_ptr(), other.bytes.as_ptr())
    }

    pub(super) fn key(&self) -> &[u8] {
        self.bytes.get(..self.key_len as usize).unwrap_or_default()
    }

    /// Bytes of both.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// An item as a caller sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CachedItem<'a> {
    /// The client's flags.
    pub flags: u32,
    /// The number it was stored with.
    pub cas: u64,
    /// Unix seconds from which on it is absent; 0 = never.
    pub deadline: i64,
    /// Its key and value.
    pub data: &'a Data,
}

impl<'a> CachedItem<'a> {
    /// The value's bytes.
    pub fn value(&self) -> &'a [u8] {
        self.data.value()
    }
}

/// An item to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewItem {
    /// The client's flags.
    pub flags: u32,
    /// Chosen by the caller, who keeps it unique.
    pub cas: u64,
    /// Unix seconds from which on it is absent; 0 = never, negative = at once.
    pub deadline: i64,
    /// The key that it is stored under, and the value.
    pub data: Data,
}

/// There is no room: the item is larger than a shard's share of the limit, or the store is full and
/// may not evict, or the process got no memory. What was stored under the key is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfMemory;

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the memory store has no room for the item; raise its limit or let it evict")
    }
}

impl std::error::Error for OutOfMemory {}

/// Totals over all shards, each read at a slightly different moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Items held; expired and flushed ones count until their memory is freed.
    pub items: u64,
    /// Bytes they cost: key, value and [`ITEM_OVERHEAD`] each.
    pub bytes: u64,
    /// Live items removed to make room, since the store was made.
    pub evictions: u64,
    /// Expired items whose memory was freed, since the store was made.
    pub expired: u64,
    /// Expired items that somebody asked for, since the store was made.
    pub get_expired: u64,
    /// Flushed items that somebody asked for, likewise.
    pub get_flushed: u64,
    /// Expired and flushed items that made room for others, likewise.
    pub reclaimed: u64,
}

/// An item that makes room for others, as whoever watches is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evicted<'a> {
    /// Its key.
    pub key: &'a [u8],
    /// Whether it was read since it was stored.
    pub fetched: bool,
    /// Seconds that it would have lived; `None`: for ever.
    pub ttl: Option<i64>,
    /// Seconds since its last use.
    pub idle: u32,
    /// Bytes of its value.
    pub size: usize,
}

/// Is told of each item that is evicted, under the lock of its shard: it must be short and must not call the store.
pub type EvictionWatch = Arc<dyn Fn(&Evicted<'_>) + Send + Sync>;
