//! One shard: its items and the rules about memory, expiry and flushes. Always used under its lock.

use super::data::{EvictionWatch, ITEM_OVERHEAD, NewItem, OutOfMemory, Stats};
use super::items::{Address, Item, Items, Slot};

/// Aligned so that two shards' locks and counters never share a cache line.
#[repr(align(64))]
pub(super) struct Shard {
    items: Items,
    /// Bytes this shard may hold. When `evict`, `bytes <= limit` between any two calls; else a
    /// lowered limit leaves what is there and refuses what would grow it.
    limit: usize,
    evict: bool,
    /// Sum of `cost` of all items.
    bytes: usize,
    /// The time of the last caller that told one.
    clock: i64,
    /// Flushes so far, of any container.
    epoch: u64,
    /// Containers flushed since the last sweep, sorted, with the epoch of their last flush: their
    /// items of earlier epochs are dead. Without an entry none of a container's items is.
    flushed: Vec<(u32, u64)>,
    /// No item's deadline is earlier.
    next_deadline: i64,
    evictions: u64,
    expired: u64,
    get_expired: u64,
    get_flushed: u64,
    reclaimed: u64,
    /// Who is told of evictions.
    pub(super) watch: Option<EvictionWatch>,
}

/// Containers flushed beyond which the next flush frees their items: callers may number containers anew for ever.
const FLUSHED_MAX: usize = 256;

/// Why an item is none any more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Death {
    Expired,
    Flushed,
}

fn cost(data_len: usize) -> usize {
    data_len.saturating_add(ITEM_OVERHEAD)
}

fn is_past(deadline: i64, now: i64) -> bool {
    deadline != 0 && deadline <= now
}

impl Shard {
    pub(super) fn new(limit: usize, evict: bool) -> Shard {
        Shard {
            items: Items::new(),
            limit,
            evict,
            bytes: 0,
            clock: 0,
            epoch: 0,
            flushed: Vec::new(),
            next_deadline: i64::MAX,
            evictions: 0,
            expired: 0,
            get_expired: 0,
            get_flushed: 0,
            reclaimed: 0,
            watch: None,
        }
    }

    /// The live item at this address. A dead one found there is freed.
    pub(super) fn find(&mut self, at: Address<'_>, now: i64) -> Option<Slot> {
        self.clock = now;
        self.find_now(at)
    }

    /// As `find`, for callers without a time: the last one told counts.
    pub(super) fn find_now(&mut self, at: Address<'_>) -> Option<Slot> {
        let slot = self.items.find(at)?;
        match self.free_if_dead(slot) {
            None => return Some(slot),
            Some(Death::Expired) => self.get_expired += 1,
            Some(Death::Flushed) => self.get_flushed += 1,
        }
        None
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Item> {
        self.items.get(slot)
    }

    /// Somebody read this item.
    pub(super) fn mark_read(&mut self, slot: Slot) {
        self.items.mark_used(slot);
        self.note_use(slot, true);
    }

    fn note_use(&mut self, slot: Slot, read: bool) {
        let now = self.clock;
        if let Some(item) = self.items.get_mut(slot) {
            item.note_use(now, read);
        }
    }

    /// Stores an item where `old`, a live one, was found. On error nothing has changed there. An
    /// item whose deadline has passed is not stored: it only removes the old one.
    pub(super) fn put(&mut self, at: Address<'_>, new: NewItem, old: Option<Slot>) -> Result<(), OutOfMemory> {
        if is_past(new.deadline, self.clock) {
            self.remove(old);
            return Ok(());
        }
        let (size, deadline) = (cost(new.data.len()), new.deadline);
        if size > self.limit {
            return Err(OutOfMemory);
        }
        match old.and_then(|slot| self.items.get(slot).map(|item| (slot, cost(item.data_len())))) {
            Some((slot, old_size)) => self.replace(new, slot, old_size, size)?,
            None => {
                self.make_room(0, size)?;
                let mut item = Item::new(at, new, self.epoch);
                item.note_use(self.clock, false);
                self.items.insert(item)?;
                self.bytes += size;
            }
        }
        self.next_deadline_is_at_most(deadline);
        Ok(())
    }

    fn replace(&mut self, new: NewItem, slot: Slot, old_size: usize, size: usize) -> Result<(), OutOfMemory> {
        // Before room is made: the last item to be evicted is this one, and it alone always fits.
        self.items.mark_used(slot);
        self.make_room(old_size, size)?;
        let Some(item) = self.items.get_mut(slot) else { return Err(OutOfMemory) };
        item.replace(new, self.epoch);
        item.note_use(self.clock, false);
        self.bytes = self.bytes - old_size + size;
        Ok(())
    }

    /// Changes a live item's deadline. One that has passed removes the item.
    pub(super) fn touch(&mut self, slot: Slot, deadline: i64) {
        if is_past(deadline, self.clock) {
            self.remove(Some(slot));
        } else if let Some(item) = self.items.get_mut(slot) {
            item.deadline = deadline;
            item.note_use(self.clock, true);
            self.items.mark_used(slot);
            self.next_deadline_is_at_most(deadline);
        }
    }

    pub(super) fn remove(&mut self, slot: Option<Slot>) {
        if let Some(item) = slot.and_then(|slot| self.items.remove(slot)) {
            self.bytes -= cost(item.data_len());
        }
    }

    /// Makes every item of the container absent; their memory is freed when it is met or needed.
    pub(super) fn flush(&mut self, container: u32) {
        if self.flushed.len() >= FLUSHED_MAX {
            self.sweep_if_useful();
        }
        self.epoch += 1;
        match self.flushed.binary_search_by_key(&container, |entry| entry.0) {
            Ok(at) => self.flushed.iter_mut().skip(at).take(1).for_each(|entry| entry.1 = self.epoch),
            Err(at) => self.flushed.insert(at, (container, self.epoch)),
        }
    }

    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        if self.evict {
            self.sweep_if_useful();
            while self.bytes > limit && self.evict_oldest() {}
        }
    }

    pub(super) fn add_to(&self, stats: &mut Stats) {
        stats.items += self.items.len() as u64;
        stats.bytes += self.bytes as u64;
        stats.evictions += self.evictions;
        stats.expired += self.expired;
        stats.get_expired += self.get_expired;
        stats.get_flushed += self.get_flushed;
        stats.reclaimed += self.reclaimed;
    }

    fn next_deadline_is_at_most(&mut self, deadline: i64) {
        if deadline != 0 {
            self.next_deadline = self.next_deadline.min(deadline);
        }
    }

    fn is_flushed(&self, item: &Item) -> bool {
        self.flushed
            .binary_search_by_key(&item.container(), |entry| entry.0)
            .ok()
            .and_then(|at| self.flushed.get(at))
            .is_some_and(|entry| item.epoch < entry.1)
    }

    fn free_if_dead(&mut self, slot: Slot) -> Option<Death> {
        let item = self.items.get(slot)?;
        let death = match self.is_flushed(item) {
            true => Death::Flushed,
            false if is_past(item.deadline, self.clock) => Death::Expired,
            false => return None,
        };
        self.expired += u64::from(death == Death::Expired);
        self.remove(Some(slot));
        Some(death)
    }

    /// Makes room for an item to grow from `old_size` to `size`, which is within the limit.
    fn make_room(&mut self, old_size: usize, size: usize) -> Result<(), OutOfMemory> {
        let fits = |shard: &Shard| size <= old_size || shard.bytes - old_size + size <= shard.limit;
        if !fits(self) {
            self.sweep_if_useful();
        }
        while !fits(self) {
            if !self.evict || !self.evict_oldest() {
                return Err(OutOfMemory);
            }
        }
        Ok(())
    }

    fn evict_oldest(&mut self) -> bool {
        let Some(slot) = self.items.oldest() else { return false };
        if self.free_if_dead(slot).is_some() {
            self.reclaimed += 1;
        } else {
            self.evictions += 1;
            if let (Some(watch), Some(item)) = (&self.watch, self.items.get(slot)) {
                watch(&item.evicted(self.clock));
            }
            self.remove(Some(slot));
        }
        true
    }

    /// Frees every dead item, if there can be one worth the walk over all items. After a flush there
    /// is; expired items are worth it only when nothing else can make room: a store that evicts
    /// meets them at the end of its list anyway, and would walk here every second.
    fn sweep_if_useful(&mut self) {
        if self.flushed.is_empty() && (self.evict || self.next_deadline > self.clock) {
            return;
        }
        self.next_deadline = i64::MAX;
        for slot in 0..self.items.slots_end() {
            if self.free_if_dead(slot).is_some() {
                self.reclaimed += 1;
                continue;
            }
            if let Some(deadline) = self.items.get(slot).map(|item| item.deadline) {
                self.next_deadline_is_at_most(deadline);
            }
        }
        self.flushed.clear();
    }
}
