//! What clients of the meta commands are told of an item beyond its row: that it is stale, that somebody was sent to renew it, when it was
//! read. No table has columns for that, so it lives in memory, and a restart forgets it.
//!
//! One [`Marks`] is shared by all workers. A mark belongs to one version of an item: container, key and cas number. Whoever stores the
//! item anew by whatever way gives it another cas number, and its marks are gone without anybody having looked for them; so plain reads
//! and writes never come here. It also makes marks of an uncommitted version invisible: nobody else can know its number.
//!
//! Slots are found by a keyed hash of container and key, in groups of eight; a hash that two keys share is harmless unless they share the
//! cas number too. Every call holds the lock of one of [`SHARDS`] shards for a moment. A shard grows up to its limit for marks that mean
//! something to others (stale, sent); for the time of the last read alone it only grows to a sixteenth of it. Where a group is full, the
//! mark that was used longest ago is forgotten, mere reads first: at 24 bytes a mark, [`SHARDS`] * [`SLOTS_MAX`] of them are 24 MiB.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

const SHARDS: usize = 64;

/// Slots of a shard.
const SLOTS_MAX: usize = 16 << 10;

/// Slots of a shard beyond which it does not grow for mere reads.
const SLOTS_FOR_READS: usize = 1 << 10;

/// Slots that one hash may use.
const GROUP: usize = 8;

/// A version of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemVersion {
    hash: u64,
    cas: u64,
}

impl ItemVersion {
    /// Another version of the same item.
    pub fn with_cas(self, cas: u64) -> ItemVersion {
        ItemVersion { cas, ..self }
    }
}

/// What is noted of a version. The default says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    /// It is to be renewed; until then it may be used.
    pub stale: bool,
    /// A client was sent to renew it.
    pub sent: bool,
    /// It was read.
    pub read: bool,
    /// Unix time in seconds at which it was last read or marked.
    pub at: u32,
}

impl Mark {
    fn matters(self) -> bool {
        self.stale || self.sent
    }
}

/// What a reader does to a mark.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// Unix time in seconds.
    pub now: i64,
    /// Whether it counts as a read.
    pub read: bool,
    /// Whether the reader wants to renew the item even if it is not stale.
    pub renew: bool,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Of nobody where it says nothing.
    version: ItemVersion,
    mark: Mark,
}

const FREE: Slot =
    Slot { version: ItemVersion { hash: 0, cas: 0 }, mark: Mark { stale: false, sent: false, read: false, at: 0 } };

const _: () = assert!(size_of::<Slot>() == 24);

/// The slots of a shard: none, or a power of two of groups.
#[derive(Default)]
struct Shard(Vec<Slot>);

/// Marks of items of all containers. See the module's documentation.
pub struct Marks {
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
    /// Whether anything was ever marked as stale or sent.
    used: AtomicBool,
}

impl Marks {
    /// No marks, and no memory for any yet.
    pub fn new() -> Marks {
        Marks {
            hasher: RandomState::new(),
            shards: [const { Mutex::new(Shard(Vec::new())) }; SHARDS],
            used: AtomicBool::new(false),
        }
    }

    /// The version with that cas number of an item.
    pub fn version(&self, container: u32, key: &[u8], cas: u64) -> ItemVersion {
        ItemVersion { hash: self.hasher.hash_one((container, key)), cas }
    }

    /// Whether there may be marks of stale or sent items.
    pub fn used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// What is noted of a version.
    pub fn get(&self, version: ItemVersion) -> Mark {
        let mut shard = self.shard(version).lock();
        shard.find(version).map_or(Mark::default(), |slot| slot.mark)
    }

    /// Notes a read and tells what was noted before it, and whether the reader is the one to renew the item: of all readers of a version
    /// that is stale, or that they want to renew, only the first is.
    pub fn note_read(&self, version: ItemVersion, reading: Reading) -> (Mark, bool) {
        let mut shard = self.shard(version).lock();
        let before = shard.find(version).map_or(Mark::default(), |slot| slot.mark);
        let wins = !before.sent && (before.stale || reading.renew);
        if wins || reading.read {
            let at = if reading.read { seconds(reading.now) } else { before.at };
            let mark = Mark { sent: before.sent || wins, read: before.read || reading.read, at, ..before };
            shard.put(version, mark);
            self.note_use(mark);
        }
        (before, wins)
    }

    /// Notes a mark instead of what was noted, which it returns.
    pub fn replace(&self, version: ItemVersion, mark: Mark) -> Mark {
        let mut shard = self.shard(version).lock();
        let before = shard.find(version).map_or(Mark::default(), |slot| slot.mark);
        if before != mark {
            shard.put(version, mark);
            self.note_use(mark);
        }
        before
    }

    /// Takes back that a client was sent to renew the item: the next one will be.
    pub fn unsend(&self, version: ItemVersion) {
        if let Some(slot) = self.shard(version).lock().find(version) {
            slot.mark.sent = false;
        }
    }

    fn note_use(&self, mark: Mark) {
        if mark.matters() && !self.used() {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// Shards take the top bits of the hash, groups the low ones.
    fn shard(&self, version: ItemVersion) -> &Mutex<Shard> {
        &self.shards[(version.hash >> (u64::BITS - SHARDS.ilog2())) as usize]
    }
}

impl Default for Marks {
    fn default() -> Self {
        Marks::new()
    }
}

/// Unix time as marks keep it.
pub(super) fn seconds(now: i64) -> u32 {
    u32::try_from(now.max(0)).unwrap_or(u32::MAX)
}

impl Shard {
    fn group(&mut self, hash: u64) -> &mut [Slot] {
        let groups = self.0.len() / GROUP;
        if groups == 0 {
            return &mut [];
        }
        // Versions of one key share a group: those of its past are forgotten in favour of the present one.
        let first = (hash as usize & (groups - 1)) * GROUP;
        self.0.get_mut(first..first + GROUP).unwrap_or_default()
    }

    fn find(&mut self, version: ItemVersion) -> Option<&mut Slot> {
        self.group(version.hash).iter_mut().find(|slot| slot.version == version)
    }

    fn put(&mut self, version: ItemVersion, mark: Mark) {
        let slot = Slot { version, mark };
        if let Some(old) = self.find(version) {
            *old = if mark == Mark::default() { FREE } else { slot };
            return;
        }
        if mark == Mark::default() {
            return;
        }
        loop {
            let capacity = self.0.len();
            let victim = self.group(version.hash).iter_mut().min_by_key(|slot| (slot.mark.matters(), slot.mark.at));
            match victim {
                Some(victim) if victim.mark == Mark::default() => return *victim = slot,
                Some(victim) if !victim.mark.matters() && capacity >= SLOTS_FOR_READS => return *victim = slot,
                Some(victim) if mark.matters() && capacity >= SLOTS_MAX => return *victim = slot,
                Some(_) if !mark.matters() && capacity >= SLOTS_FOR_READS => return,
                _ => self.grow(),
            }
        }
    }

    /// Doubles the groups; what shared one is divided, so that it fits.
    fn grow(&mut self) {
        let doubled = vec![FREE; (self.0.len() * 2).max(2 * GROUP)];
        for slot in std::mem::replace(&mut self.0, doubled) {
            if slot.mark != Mark::default()
                && let Some(free) = self.group(slot.version.hash).iter_mut().find(|new| new.mark == Mark::default())
            {
                *free = slot;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    const NOW: i64 = 1_000;
    const STALE: Mark = Mark { stale: true, sent: false, read: false, at: 5 };
    const READ: Reading = Reading { now: NOW, read: true, renew: false };

    #[test]
    fn the_first_reader_of_a_stale_version_wins() {
        let marks = Marks::new();
        let version = marks.version(1, b"k", 7);
        assert_eq!(marks.note_read(version, READ), (Mark::default(), false));
        assert!(!marks.used());
        marks.replace(version, STALE);
        assert!(marks.used());
        let peek = Reading { read: false, ..READ };
        assert_eq!(marks.note_read(version, peek), (STALE, true));
        assert_eq!(marks.note_read(version, peek), (Mark { sent: true, ..STALE }, false));
        marks.unsend(version);
        assert_eq!(marks.note_read(version, READ), (STALE, true));
        assert_eq!(marks.get(version), Mark { stale: true, sent: true, read: true, at: 1_000 });
        assert!(marks.replace(version, Mark::default()).sent);
        assert_eq!(marks.get(version), Mark::default());
    }

    #[test]
    fn versions_containers_and_keys_are_told_apart() {
        let marks = Marks::new();
        marks.replace(marks.version(1, b"k", 7), STALE);
        for other in [marks.version(1, b"k", 8), marks.version(2, b"k", 7), marks.version(1, b"l", 7)] {
            assert_eq!(marks.get(other), Mark::default());
        }
    }

    #[test]
    fn renewal_is_asked_of_one_among_many_threads() {
        let (marks, winners) = (Marks::new(), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for n in 0..500_u32 {
                        let visit = Reading { renew: true, ..READ };
                        let (_, wins) = marks.note_read(marks.version(0, &n.to_le_bytes(), 1), visit);
                        winners.fetch_add(usize::from(wins), Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(winners.into_inner(), 500);
    }

    #[test]
    fn marks_that_matter_outlive_reads_and_memory_is_bounded() {
        let hasher = RandomState::new();
        let mut shard = Shard::default();
        let version = |n: u32| ItemVersion { hash: hasher.hash_one(n), cas: 1 };
        let read = Mark { read: true, at: 9, ..Mark::default() };
        let stale = |shard: &mut Shard, n: u32| shard.find(version(n)).is_some_and(|slot| slot.mark.stale);
        for n in 0..800 {
            shard.put(version(n), STALE);
        }
        (800..20_000).for_each(|n| shard.put(version(n), read));
        let grown = shard.0.len();
        assert!(grown < SLOTS_MAX, "reads made it grow to {grown}");
        assert!((0..800).all(|n| stale(&mut shard, n)), "a read took the place of a stale mark");
        assert!((800..20_000).any(|n| shard.find(version(n)).is_some()));
        (0..60_000).for_each(|n| shard.put(version(n), STALE));
        assert_eq!(shard.0.len(), SLOTS_MAX);
        // Keys do not divide evenly among the groups.
        let kept = (0..60_000).filter(|n| stale(&mut shard, *n)).count();
        assert!(kept > SLOTS_MAX * 9 / 10, "{kept}");
        (0..60_000).for_each(|n| shard.put(version(n), Mark::default()));
        assert!(shard.0.iter().all(|slot| slot.mark == Mark::default()));
    }
}
