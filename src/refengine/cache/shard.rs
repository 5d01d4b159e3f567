//! A part of the row cache: a ring of bytes with the rows one behind the other, and an index of their places.
//!
//! New rows go to the head. When the ring may not grow, rows leave at its tail; one that was read since it passed the head
//! goes there again. A row costs its bytes, a head of 8 and about 7 in the index; the key that the row itself has in
//! it, as that of a primary key of one column, is not kept twice.

use super::entry::{APART, DEAD, Entry, HEAD, Lead, Name, find_key, split};
use super::{Hit, Ticket};
use crate::refengine::fast_map::FastMap;
use crate::refengine::pages::Pages;
use crate::refengine::prefetch::prefetch;
use crate::refengine::storage::{LARGE, Slice, Value};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of the ring that share a mark of having been read; hardly an entry is shorter.
const GRAIN: usize = 64;
/// The unit in which memory behind the tail is given back.
const BLOCK: usize = 1 << 16;
/// Entries that one change passes at the tail at most, so that nobody waits long; how many of them may go to the head again.
const PASSES: usize = 32;
const CHANCES: usize = 4;

/// What nearly all entries are: with a row that has the key in it, of a table whose number has one byte.
struct Plain<'s> {
    /// Its length in the ring.
    total: usize,
    row: &'s [u8],
    table: u8,
    /// Where the rest of the key is in the row, and how long.
    at: usize,
    key: usize,
}

/// See the module. A change that needs room passes the bytes that the shard may take now.
pub(super) struct Shard {
    index: HashTable<u32>,
    ring: Pages,
    /// A bit for each [`GRAIN`]: the entry that begins there was read since it passed the head.
    read: Box<[AtomicU64]>,
    /// Bytes that ever passed the head and the tail; the places are these modulo the ring's length.
    head: u64,
    tail: u64,
    /// Rows that are apart, by the places of their entries.
    apart: FastMap<u32, Slice>,
    apart_bytes: usize,
    /// Names that were refused, as bits of their hashes, and how many.
    refused: Box<[u64]>,
    refusals: usize,
    /// Advanced by every publication.
    pub(super) version: u64,
    hasher: DefaultHashBuilder,
}

impl Shard {
    pub(super) fn new(bytes: usize, hasher: DefaultHashBuilder) -> io::Result<Shard> {
        let bytes = bytes.clamp(BLOCK, (u32::MAX as usize + 1) - BLOCK).next_multiple_of(BLOCK);
        Ok(Shard {
            index: HashTable::new(),
            ring: Pages::new(bytes)?,
            read: (0..bytes.div_ceil(GRAIN * 64)).map(|_| AtomicU64::new(0)).collect(),
            head: 0,
            tail: 0,
            apart: FastMap::default(),
            apart_bytes: 0,
            refused: vec![0; (bytes / 512).div_ceil(64).next_power_of_two()].into(),
            refusals: 0,
            version: 0,
            hasher,
        })
    }

    /// Bytes of memory taken.
    pub(super) fn used(&self) -> usize {
        (self.head - self.tail) as usize + self.apart_bytes + self.index.num_buckets() * 5
    }

    fn entry(&self, place: u32) -> Option<Entry<'_>> {
        Entry::read(self.ring.get(place as usize..)?)
    }

    fn place(&self, position: u64) -> usize {
        (position % self.ring.len() as u64) as usize
    }

    /// The place of an entry, and its row where that is plain. Looked for by hand, and not by the table's own search, which asks by a
    /// pointer to a function.
    #[inline(always)]
    fn look_up(&self, name: Name<'_>) -> Option<(u32, Option<&[u8]>)> {
        let (first, rest) = split(name.key);
        for place in self.index.iter_hash(name.hash) {
            match self.plain(*place) {
                Some(Plain { row, table, at, key, .. }) => {
                    let same = first == 0 && u64::from(table) == name.table && key == rest.len();
                    if same && row.get(at..).is_some_and(|row| row.starts_with(rest)) {
                        return Some((*place, Some(row)));
                    }
                }
                None => {
                    let same = |e: Entry<'_>| e.table == name.table && e.first == first && e.rest == rest;
                    if self.entry(*place).is_some_and(same) {
                        return Some((*place, None));
                    }
                }
            }
        }
        None
    }

    #[inline(always)]
    fn find(&self, name: Name<'_>) -> Option<u32> {
        self.look_up(name).map(|(place, _)| place)
    }

    #[inline(always)]
    fn plain(&self, place: u32) -> Option<Plain<'_>> {
        let (head, body) = self.ring.get(place as usize..)?.split_first_chunk::<{ HEAD + 1 }>()?;
        let head = u64::from_le_bytes(*head);
        let (row, key, at, table) = ((head >> 16) as u16, (head >> 32) as u16, (head >> 48) as u8, (head >> 56) as u8);
        // A row that is apart never has its key in it.
        if at == 0 || table >= 0x80 {
            return None;
        }
        let (total, key) = (usize::from(head as u16), usize::from(key).wrapping_sub(1));
        Some(Plain { total, row: body.get(..row as usize)?, table, at: at.into(), key })
    }

    /// The mark of the entry at a place, and the word it is in.
    fn mark(&self, place: usize) -> (Option<&AtomicU64>, u64) {
        let grain = place / GRAIN;
        (self.read.get(grain / 64), 1 << (grain % 64))
    }

    #[inline(always)]
    pub(super) fn get<T>(&self, name: Name<'_>, take: impl FnOnce(Hit<'_>) -> T) -> Option<T> {
        let (place, plain) = self.look_up(name)?;
        if let (Some(word), bit) = self.mark(place as usize)
            && word.load(Ordering::Relaxed) & bit == 0
        {
            word.fetch_or(bit, Ordering::Relaxed);
        }
        let hit = match plain {
            Some(row) => Hit::Copy(row),
            None => self.other(place)?,
        };
        Some(take(hit))
    }

    /// Asks for the memory that is needed when the row was read from the storage.
    pub(super) fn missed(&self, hash: u64) -> Ticket {
        let (word, _) = self.refusal(hash);
        prefetch(&self.refused, word);
        Ticket { hash, version: self.version }
    }

    #[cold]
    fn other(&self, place: u32) -> Option<Hit<'_>> {
        match self.entry(place)?.row {
            Some(row) => Some(Hit::Copy(row)),
            None => self.apart.get(&place).map(Hit::Shared),
        }
    }

    /// Puts in a row that is not there, unless it would drive another one out and was not asked for before, lately.
    pub(super) fn fill(&mut self, name: Name<'_>, row: &[u8], limit: usize) {
        self.shrink(limit);
        if self.find(name).is_some() {
            return;
        }
        if self.has_room_for(name.key, row, limit) || self.was_refused(name.hash) {
            // A copy: the storage's own slice would keep the whole block it was read from in memory.
            self.insert(name, row, || Slice::new(row), limit);
        }
    }

    /// Replaces a row or takes it out. A new one is put in if there is room.
    pub(super) fn publish(&mut self, name: Name<'_>, row: Value<'_>, limit: usize) {
        self.version += 1;
        let place = self.find(name);
        if let Some(place) = place {
            if let Value::Small(row) = row
                && self.overwrite(place, row)
            {
                return self.shrink(limit);
            }
            self.remove(name, place);
        }
        if let Some(bytes) = row.bytes()
            && (place.is_some() || self.has_room_for(name.key, bytes, limit))
        {
            self.insert(name, bytes, || row.slice().unwrap_or_else(|| Slice::new(bytes)), limit);
        }
        self.shrink(limit);
    }

    /// Puts a small row in the place of one that is at least as long, if its key needs no other place.
    fn overwrite(&mut self, place: u32, row: &[u8]) -> bool {
        let start = place as usize;
        let old = match self.plain(place) {
            Some(Plain { total, row: old, at, key, .. }) if row.get(at..at + key) == old.get(at..at + key) => {
                HEAD + 1..total
            }
            Some(_) => return false,
            None => match self.entry(place) {
                Some(Entry { row: Some(_), at: 0, row_at, total, .. }) => row_at..total,
                Some(Entry { row: Some(_), at, rest, row_at, total, .. })
                    if row.get(at as usize..at as usize + rest.len()) == Some(rest) =>
                {
                    row_at..total
                }
                _ => return false,
            },
        };
        let Some(target) = self.ring.get_mut(start + old.start..start + old.end) else { return false };
        let Some(target) = target.get_mut(..row.len()) else { return false };
        target.copy_from_slice(row);
        if let Some(len) = self.ring.get_mut(start + 2..start + 4) {
            len.copy_from_slice(&(row.len() as u16).to_le_bytes());
        }
        true
    }

    /// Takes an entry out; the ring gets its bytes back when the tail passes it.
    fn remove(&mut self, name: Name<'_>, place: u32) {
        self.forget(name.hash, place);
        // What is left is skipped at the tail. Its key need not be readable any more.
        if let Some(at) = self.ring.get_mut(place as usize + HEAD - 1) {
            *at = DEAD;
        }
    }

    /// Takes a place out of the index; returns the row if it was apart.
    fn forget(&mut self, hash: u64, place: u32) -> Option<Slice> {
        if let Ok(found) = self.index.find_entry(hash, |other| *other == place) {
            found.remove();
        }
        if self.apart.is_empty() {
            return None;
        }
        let row = self.apart.remove(&place)?;
        self.apart_bytes -= row.len();
        Some(row)
    }

    fn keep_apart(&mut self, place: u32, row: Slice) {
        self.apart_bytes += row.len();
        self.apart.insert(place, row);
    }

    fn insert(&mut self, name: Name<'_>, row: &[u8], apart: impl FnOnce() -> Slice, limit: usize) {
        let lead = Lead::new(name.table);
        let at = find_key(name.key, row);
        let large = row.len() >= LARGE;
        let inline = if at == 0 { name.key } else { &[] };
        let in_ring = if large { &[] } else { row };
        let total = HEAD + lead.bytes().len() + inline.len() + in_ring.len();
        let (Ok(total), Ok(key_len)) = (u16::try_from(total), u16::try_from(name.key.len())) else { return };
        // An entry that takes the shard for itself would only drive everything else out.
        if row.len() > limit / 4 {
            return;
        }
        if !self.make_room(total as usize + if large { row.len() } else { 0 }, total as usize, limit) {
            return;
        }
        let row_len = if large { APART } else { row.len() as u16 };
        let ([t0, t1], [r0, r1], [k0, k1]) = (total.to_le_bytes(), row_len.to_le_bytes(), key_len.to_le_bytes());
        let head = [t0, t1, r0, r1, k0, k1, at];
        let Some(place) = self.append(&[&head, lead.bytes(), inline, in_ring], name.hash) else { return };
        if large {
            self.keep_apart(place, apart());
        }
    }

    /// Writes an entry at the head and its place into the index. `None`: the ring is full.
    fn append(&mut self, parts: &[&[u8]], hash: u64) -> Option<u32> {
        let total = parts.iter().map(|part| part.len()).sum();
        let (start, skipped) = self.next_place(total);
        if self.head + (skipped + total) as u64 - self.tail > self.ring.len() as u64 {
            return None;
        }
        if skipped > 0 {
            let at = self.place(self.head);
            self.ring.get_mut(at..)?.iter_mut().take(2).for_each(|byte| *byte = 0);
            self.head += skipped as u64;
        }
        let mut rest = self.ring.get_mut(start..start + total)?;
        for part in parts {
            let (target, behind) = rest.split_at_mut_checked(part.len())?;
            target.copy_from_slice(part);
            rest = behind;
        }
        self.head += total as u64;
        self.ring.written(usize::try_from(self.head).unwrap_or(usize::MAX));
        if let (Some(word), bit) = self.mark(start) {
            word.fetch_and(!bit, Ordering::Relaxed);
        }
        let (ring, hasher) = (&self.ring, &self.hasher);
        let rehash = |place: &u32| {
            let entry = ring.get(*place as usize..).and_then(Entry::read);
            entry.map_or(0, |e| e.hash(hasher))
        };
        self.index.insert_unique(hash, start as u32, rehash);
        Some(start as u32)
    }

    /// Where the next entry of `total` bytes begins, and the bytes at the end of the ring that are left out for it.
    fn next_place(&self, total: usize) -> (usize, usize) {
        let place = self.place(self.head);
        let rest = self.ring.len() - place;
        if total <= rest { (place, 0) } else { (0, rest) }
    }

    fn has_room_for(&self, key: &[u8], row: &[u8], limit: usize) -> bool {
        let bytes = HEAD + key.len() + row.len();
        self.has_room(bytes, bytes.min(LARGE), limit)
    }

    /// Whether `bytes` fit without driving anything out, of which an entry of `total` is in the ring.
    fn has_room(&self, bytes: usize, total: usize, limit: usize) -> bool {
        let (_, skipped) = self.next_place(total);
        (self.head - self.tail) as usize + skipped + total <= self.ring.len() && self.used() + bytes <= limit
    }

    /// Drives rows out until `bytes` more fit, and an entry of `total`. `false`: they were too many.
    fn make_room(&mut self, bytes: usize, total: usize, limit: usize) -> bool {
        let mut chances = CHANCES;
        for _ in 0..PASSES {
            if self.has_room(bytes, total, limit) {
                return true;
            }
            if !self.pass(&mut chances) {
                return false;
            }
        }
        false
    }

    /// Comes closer to a limit that has become less.
    fn shrink(&mut self, limit: usize) {
        let mut chances = CHANCES;
        for _ in 0..PASSES {
            if self.used() <= limit || !self.pass(&mut chances) {
                return;
            }
        }
    }

    /// Passes the entry at the tail: it leaves, or goes to the head again if it was read and there is a chance left. `false`: there is none.
    fn pass(&mut self, chances: &mut usize) -> bool {
        if self.tail == self.head {
            return false;
        }
        let place = self.place(self.tail);
        let bytes = self.ring.get(place..).unwrap_or_default();
        let total = match bytes {
            [t0, t1, ..] if bytes.len() >= HEAD => u16::from_le_bytes([*t0, *t1]) as usize,
            _ => 0,
        };
        if total == 0 {
            self.move_tail(bytes.len());
            return true;
        }
        if bytes.get(HEAD - 1) == Some(&DEAD) {
            self.move_tail(total);
            return true;
        }
        // What cannot be read was not written here: nothing in the ring can be trusted.
        let Some(entry) = Entry::read(bytes) else {
            self.clear();
            return false;
        };
        let hash = entry.hash(&self.hasher);
        let was_read = match self.mark(place) {
            (Some(word), bit) => word.load(Ordering::Relaxed) & bit != 0,
            (None, _) => false,
        };
        let again = (was_read && *chances > 0).then(|| bytes.get(..total).unwrap_or_default().to_vec());
        let apart = self.forget(hash, place as u32);
        self.move_tail(total);
        if let Some(copy) = again {
            *chances -= 1;
            // Where the ring's end leaves no room for it, it has to go.
            if let (Some(place), Some(row)) = (self.append(&[&copy], hash), apart) {
                self.keep_apart(place, row);
            }
        }
        true
    }

    /// Moves the tail on; whole blocks that it leaves are given back while the ring is far from full.
    fn move_tail(&mut self, bytes: usize) {
        let before = self.tail;
        self.tail += bytes as u64;
        let (from, to) = (before / BLOCK as u64, self.tail / BLOCK as u64);
        if from != to && (self.head - self.tail) as usize + 4 * BLOCK <= self.ring.len() {
            for block in from..to {
                let start = self.place(block * BLOCK as u64);
                self.ring.discard(start..start + BLOCK);
            }
        }
    }

    fn clear(&mut self) {
        self.index.clear();
        self.apart.clear();
        (self.apart_bytes, self.tail) = (0, self.head);
    }

    /// The word of `refused` with the bit of a hash, and the bit.
    fn refusal(&self, hash: u64) -> (usize, u64) {
        // Not the bits that chose the shard or that the index goes by.
        let bit = (hash >> 16) as usize % (self.refused.len() * 64);
        (bit / 64, 1 << (bit % 64))
    }

    /// Whether a name was refused lately; it is from now on.
    fn was_refused(&mut self, hash: u64) -> bool {
        let (bits, (at, mask)) = (self.refused.len() * 64, self.refusal(hash));
        let Some(word) = self.refused.get_mut(at) else { return true };
        let was = *word & mask != 0;
        *word |= mask;
        if !was {
            self.refusals += 1;
            if self.refusals > bits / 4 {
                self.refused.fill(0);
                self.refusals = 0;
            }
        }
        was
    }

    /// Whether each place of the index has an entry that is found there, and the bytes are counted right.
    #[cfg(test)]
    pub(super) fn check(&self) -> bool {
        let apart: usize = self.apart.values().map(|row| row.len()).sum();
        let found = |place: &u32| {
            let entry = self.entry(*place)?;
            let same = self.index.find(entry.hash(&self.hasher), |other| other == place);
            let row = entry.row.is_some() || self.apart.contains_key(place);
            (row && entry.at != DEAD).then_some(same?)
        };
        apart == self.apart_bytes
            && self.index.iter().all(|place| found(place).is_some())
            && self.apart.keys().all(|place| self.index.iter().any(|other| other == place))
            && self.head - self.tail <= self.ring.len() as u64
    }
}
