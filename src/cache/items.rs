//! The items of one shard: a slab, the hash chains that find an item in it, and the list from the
//! most to the least recently used one. Chains and list are slot numbers kept inside the items, so
//! neither a hit nor an eviction allocates.
//!
//! Invariants, true between any two calls:
//! - an occupied slot is in exactly one chain, `heads[hash & (heads.len() - 1)]`, and in the list;
//! - following `older` from `newest` and `newer` from `oldest` visits the same slots, reversed;
//! - no two slots have the same container and key;
//! - `heads.len()` is a power of two.

use slab::Slab;

use super::data::{CachedItem, Data, Evicted, NewItem, OutOfMemory};

/// Number of a slab slot. 32 bits: a shard holds fewer than 2^32 - 1 items.
pub(super) type Slot = u32;

/// No slot. Never an occupied one, hence a look-up of it finds nothing.
const NIL: Slot = Slot::MAX;

const FIRST_HEADS: usize = 64;

/// Where an item lives: its names and their hash.
#[derive(Clone, Copy)]
pub(super) struct Address<'k> {
    pub(super) hash: u64,
    pub(super) container: u32,
    pub(super) key: &'k [u8],
}

/// One stored item.
pub(super) struct Item {
    hash: u64,
    data: Data,
    pub(super) cas: u64,
    pub(super) deadline: i64,
    /// The shard's flush count when the item was stored.
    pub(super) epoch: u64,
    container: u32,
    pub(super) flags: u32,
    /// Next slot of the same chain.
    chain: Slot,
    newer: Slot,
    older: Slot,
    /// Unix seconds of its last use, wrapping at 2^31, and below them a bit that tells whether anybody read it.
    used: u32,
}

impl Item {
    /// An item in no list yet. `at` is the address of the key in `new`.
    pub(super) fn new(at: Address<'_>, new: NewItem, epoch: u64) -> Item {
        let NewItem { flags, cas, deadline, data } = new;
        let (hash, container) = (at.hash, at.container);
        Item { hash, data, cas, deadline, epoch, container, flags, chain: NIL, newer: NIL, older: NIL, used: 0 }
    }

    /// Notes a use at `now`; a `read` counts as one until the item is stored anew.
    pub(super) fn note_use(&mut self, now: i64, read: bool) {
        self.used = (now as u32) << 1 | u32::from(read);
    }

    /// What it loses by being evicted at `now`.
    pub(super) fn evicted(&self, now: i64) -> Evicted<'_> {
        Evicted {
            key: self.data.key(),
            fetched: self.used & 1 != 0,
            ttl: (self.deadline != 0).then_some(self.deadline - now),
            idle: ((now as u32) << 1).wrapping_sub(self.used & !1) >> 1,
            size: self.data.value().len(),
        }
    }

    pub(super) fn container(&self) -> u32 {
        self.container
    }

    /// Bytes of key and value.
    pub(super) fn data_len(&self) -> usize {
        self.data.len()
    }

    /// Becomes the new item, which has the same address.
    pub(super) fn replace(&mut self, new: NewItem, epoch: u64) {
        let NewItem { flags, cas, deadline, data } = new;
        (self.flags, self.cas, self.deadline, self.data, self.epoch) = (flags, cas, deadline, data, epoch);
    }

    pub(super) fn seen(&self) -> CachedItem<'_> {
        CachedItem { flags: self.flags, cas: self.cas, deadline: self.deadline, data: &self.data }
    }

    fn is_at(&self, at: Address<'_>) -> bool {
        self.hash == at.hash && self.container == at.container && self.data.key() == at.key
    }
}

/// The items of a shard. Counts no bytes and knows no limit: the shard does.
pub(super) struct Items {
    slab: Slab<Item>,
    heads: Vec<Slot>,
    newest: Slot,
    oldest: Slot,
}

impl Items {
    pub(super) fn new() -> Items {
        Items { slab: Slab::new(), heads: vec![NIL; FIRST_HEADS], newest: NIL, oldest: NIL }
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Every occupied slot is below this one.
    pub(super) fn slots_end(&self) -> Slot {
        self.slab.capacity().min(NIL as usize) as Slot
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Item> {
        self.slab.get(slot as usize)
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Item> {
        self.slab.get_mut(slot as usize)
    }

    /// The least recently used item.
    pub(super) fn oldest(&self) -> Option<Slot> {
        (self.oldest != NIL).then_some(self.oldest)
    }

    pub(super) fn find(&self, at: Address<'_>) -> Option<Slot> {
        let mut slot = *self.heads.get(self.head_of(at.hash))?;
        while let Some(item) = self.get(slot) {
            if item.is_at(at) {
                return Some(slot);
            }
            slot = item.chain;
        }
        None
    }

    /// Adds an item, whose address must be free, as the most recently used one.
    pub(super) fn insert(&mut self, mut item: Item) -> Result<(), OutOfMemory> {
        if self.len() >= NIL as usize {
            return Err(OutOfMemory);
        }
        if self.len() >= self.heads.len() {
            self.grow_heads();
        }
        let slot = self.slab.vacant_key() as Slot;
        let head = self.head_of(item.hash);
        if let Some(first) = self.heads.get_mut(head) {
            item.chain = std::mem::replace(first, slot);
        }
        self.slab.insert(item);
        self.link_newest(slot);
        Ok(())
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Item> {
        self.unchain(slot);
        self.unlink(slot);
        self.slab.try_remove(slot as usize)
    }

    /// Makes this item the most recently used one.
    pub(super) fn mark_used(&mut self, slot: Slot) {
        if slot != self.newest {
            self.unlink(slot);
            self.link_newest(slot);
        }
    }

    fn head_of(&self, hash: u64) -> usize {
        hash as usize & (self.heads.len() - 1)
    }

    /// Doubles the chains. Without memory for it they only get longer.
    fn grow_heads(&mut self) {
        let wanted = self.heads.len() * 2;
        if self.heads.try_reserve_exact(self.heads.len()).is_err() {
            return;
        }
        self.heads.clear();
        self.heads.resize(wanted, NIL);
        for (slot, item) in &mut self.slab {
            if let Some(first) = self.heads.get_mut(item.hash as usize & (wanted - 1)) {
                item.chain = std::mem::replace(first, slot as Slot);
            }
        }
    }

    fn unchain(&mut self, slot: Slot) {
        let Some((hash, next)) = self.get(slot).map(|item| (item.hash, item.chain)) else { return };
        let head = self.head_of(hash);
        let Some(first) = self.heads.get_mut(head) else { return };
        if *first == slot {
            *first = next;
            return;
        }
        let mut before = *first;
        while let Some(item) = self.slab.get_mut(before as usize) {
            if item.chain == slot {
                item.chain = next;
                return;
            }
            before = item.chain;
        }
    }

    fn unlink(&mut self, slot: Slot) {
        let Some((newer, older)) = self.get(slot).map(|item| (item.newer, item.older)) else { return };
        match self.get_mut(newer) {
            Some(item) => item.older = older,
            None => self.newest = older,
        }
        match self.get_mut(older) {
            Some(item) => item.newer = newer,
            None => self.oldest = newer,
        }
    }

    fn link_newest(&mut self, slot: Slot) {
        let second = std::mem::replace(&mut self.newest, slot);
        if let Some(item) = self.get_mut(slot) {
            item.newer = NIL;
            item.older = second;
        }
        match self.get_mut(second) {
            Some(item) => item.newer = slot,
            None => self.oldest = slot,
        }
    }
}
