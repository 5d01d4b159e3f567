//! The rows of a keyspace in a generation: one behind the other in large pieces of memory, and an index of their places.
//!
//! An entry is a head of 12 bytes, the key, room for a value, and nothing up to a multiple of 4; its *place* counts these multiples from the
//! beginning of the first piece. A value that fits into the room of the one before is written over it. Another gets a new entry, and the
//! one it had stays behind, dead, and counts as long as the generation lives: a checkpoint frees all of it at once. Large values
//! ([`LARGE`](super::super::value::LARGE)) are kept beside the pieces, where readers share them. So are older versions, which there are only
//! while somebody may ask for them.
//!
//! ```text
//!   head    commit, counted from the generation's first (u32), length of the key (u16), length of the value or what else is
//!           there (u16), room for the value (u16), flags (u16)
//! ```

use super::version::{BESIDE, Version, Views, prune};
use crate::refengine::fast_map::FastMap;
use crate::refengine::pages::Pages;
use crate::refengine::storage::Slice;
use crate::refengine::storage::value::Value;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::{BuildHasher, Hasher};

/// Bytes of a piece of memory. They count as used page by page as they are written.
const PIECE: usize = 256 << 10;
/// What places count.
const UNIT: usize = 4;
const UNITS: u32 = (PIECE / UNIT) as u32;
const HEAD: usize = 12;
/// In the place of a value's length: it was deleted, it is kept beside the pieces.
const DELETED: u16 = u16::MAX;
const APART: u16 = u16::MAX - 1;
/// Flags. There is an entry; its key had one before; its key has a newer one.
const ENTRY: u16 = 1;
const AGAIN: u16 = 2;
const DEAD: u16 = 4;
/// Bytes of memory that a row takes in the index: two numbers and hashbrown's own byte.
const SPOT: u64 = 9;
/// Bytes that each row may take while its generation's order is known or made.
const PLACE: u64 = 4;
/// A row that outgrew its room will grow again: it gets an eighth more than it needs.
const GROWTH: usize = 8;

/// Where a row is.
struct Spot {
    hash: u32,
    place: u32,
}

/// See the module.
pub(super) struct Rows {
    pieces: Vec<Pages>,
    /// Where the next entry goes.
    head: u32,
    index: HashTable<Spot>,
    hasher: DefaultHashBuilder,
    /// The number of commits before the generation's first.
    before: u64,
    /// Large values, and older versions, by the places of their entries.
    apart: FastMap<u32, Slice>,
    older: FastMap<u32, Box<Version>>,
    /// Bytes that these two take.
    beside: u64,
}

/// An entry, read.
struct Entry<'a> {
    commit: u32,
    key: &'a [u8],
    value: u16,
    room: u16,
    flags: u16,
    /// The room for the value.
    body: &'a [u8],
}

impl<'a> Entry<'a> {
    #[inline]
    fn read(bytes: &'a [u8]) -> Option<Entry<'a>> {
        let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
        let [c0, c1, c2, c3, k0, k1, v0, v1, r0, r1, f0, f1] = *head;
        let (key, room) = (u16::from_le_bytes([k0, k1]), u16::from_le_bytes([r0, r1]));
        let (key, rest) = rest.split_at_checked(key.into())?;
        Some(Entry {
            commit: u32::from_le_bytes([c0, c1, c2, c3]),
            key,
            value: u16::from_le_bytes([v0, v1]),
            room,
            flags: u16::from_le_bytes([f0, f1]),
            body: rest.get(..room.into())?,
        })
    }

    fn head(&self) -> [u8; HEAD] {
        let ([c0, c1, c2, c3], [k0, k1]) = (self.commit.to_le_bytes(), (self.key.len() as u16).to_le_bytes());
        let ([v0, v1], [r0, r1], [f0, f1]) =
            (self.value.to_le_bytes(), self.room.to_le_bytes(), self.flags.to_le_bytes());
        [c0, c1, c2, c3, k0, k1, v0, v1, r0, r1, f0, f1]
    }

    fn units(&self) -> u32 {
        units(self.key.len(), self.room.into())
    }
}

fn units(key: usize, room: usize) -> u32 {
    (HEAD + key + room).div_ceil(UNIT) as u32
}

/// What stands in the place of a value's length, and what of it is in the entry itself.
fn parts(value: Value<'_>) -> (u16, &[u8]) {
    match value {
        Value::Deleted => (DELETED, &[]),
        Value::Small(value) => (value.len() as u16, value),
        Value::Large(_) => (APART, &[]),
    }
}

/// The index goes by the lowest and by the seven highest bits.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

impl Rows {
    /// None yet, of a generation that begins behind the commit `before`.
    pub(super) fn new(before: u64, hasher: DefaultHashBuilder) -> Rows {
        Rows {
            pieces: Vec::new(),
            head: 0,
            index: HashTable::new(),
            hasher,
            before,
            apart: FastMap::default(),
            older: FastMap::default(),
            beside: 0,
        }
    }

    /// Bytes of memory taken, dead entries included.
    pub(super) fn memory(&self) -> u64 {
        let rows = self.index.num_buckets() as u64 * SPOT + self.index.len() as u64 * PLACE;
        u64::from(self.head) * UNIT as u64 + rows + self.beside
    }

    /// Keys that have a version, deletions included.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// What [`Rows::find`] is told of a key. It is the same in all generations of a storage.
    #[inline]
    pub(super) fn hash(&self, key: &[u8]) -> u32 {
        let mut state = self.hasher.build_hasher();
        state.write(key);
        state.finish() as u32
    }

    #[inline]
    fn bytes(&self, place: u32) -> Option<&[u8]> {
        self.pieces.get((place / UNITS) as usize)?.get((place % UNITS) as usize * UNIT..)
    }

    #[inline]
    fn bytes_mut(&mut self, place: u32) -> Option<&mut [u8]> {
        self.pieces.get_mut((place / UNITS) as usize)?.get_mut((place % UNITS) as usize * UNIT..)
    }

    fn entry(&self, place: u32) -> Option<Entry<'_>> {
        Entry::read(self.bytes(place)?)
    }

    /// The place of a key's newest version.
    #[inline]
    pub(super) fn find(&self, hash: u32, key: &[u8]) -> Option<u32> {
        let same = |spot: &Spot| spot.hash == hash && self.is(spot.place, key);
        self.index.find(spread(hash), same).map(|spot| spot.place)
    }

    #[inline]
    fn is(&self, place: u32, key: &[u8]) -> bool {
        let Some((head, rest)) = self.bytes(place).and_then(|bytes| bytes.split_first_chunk::<HEAD>()) else {
            return false;
        };
        let [_, _, _, _, k0, k1, ..] = *head;
        usize::from(u16::from_le_bytes([k0, k1])) == key.len() && rest.starts_with(key)
    }

    /// The key of the entry at a place.
    pub(super) fn key(&self, place: u32) -> &[u8] {
        self.entry(place).map_or(&[], |entry| entry.key)
    }

    /// The newest version of the key whose newest entry is at a place; `None`: it was deleted.
    pub(super) fn value(&self, place: u32) -> Option<Slice> {
        let entry = self.entry(place)?;
        match entry.value {
            DELETED => None,
            APART => self.apart.get(&place).cloned(),
            len => entry.body.get(..len.into()).map(Slice::new),
        }
    }

    fn commit(&self, entry: &Entry<'_>) -> u64 {
        self.before + u64::from(entry.commit)
    }

    /// The version of the same key that a view of `seqno` sees.
    pub(super) fn seen_at(&self, place: u32, seqno: u64) -> Option<Option<Slice>> {
        if self.commit(&self.entry(place)?) <= seqno {
            return Some(self.value(place));
        }
        self.older.get(&place)?.seen_at(seqno).cloned()
    }

    /// The place of the newest version of the key that has an entry at this one.
    pub(super) fn newest(&self, place: u32) -> Option<u32> {
        let entry = self.entry(place)?;
        if entry.flags & DEAD == 0 { Some(place) } else { self.find(self.hash(entry.key), entry.key) }
    }

    /// Where the next entry goes.
    pub(super) fn end(&self) -> u32 {
        self.head
    }

    /// A place of each key that came since the end was at `from`.
    pub(super) fn keys_since(&self, mut from: u32) -> Vec<u32> {
        let mut places = Vec::new();
        while from < self.head {
            match self.entry(from).filter(|entry| entry.flags & ENTRY != 0) {
                Some(entry) => {
                    if entry.flags & AGAIN == 0 {
                        places.push(from);
                    }
                    from += entry.units();
                }
                // The rest of the piece was too short for the entry that came next.
                None => from = (from / UNITS + 1) * UNITS,
            }
        }
        places
    }

    /// Puts a version on top.
    pub(super) fn put(&mut self, seqno: u64, views: &Views, key: &[u8], value: Value<'_>) {
        let hash = self.hash(key);
        match self.find(hash, key) {
            Some(place) => self.replace(hash, place, seqno, views, value),
            None => {
                let room = parts(value).1.len();
                let place = self.append(seqno, key, value, room, ENTRY);
                self.index.insert_unique(spread(hash), Spot { hash, place }, |spot| spread(spot.hash));
            }
        }
    }

    #[inline]
    fn replace(&mut self, hash: u32, place: u32, seqno: u64, views: &Views, value: Value<'_>) {
        let older = if views.is_empty() && self.older.is_empty() { None } else { self.take_older(place, seqno, views) };
        if !self.apart.is_empty()
            && let Some(large) = self.apart.remove(&place)
        {
            self.beside -= large.len() as u64 + BESIDE;
        }
        let at = match self.overwrite(place, seqno, value) {
            true => place,
            false => self.replace_elsewhere(hash, place, seqno, value),
        };
        if let Some(older) = older {
            self.beside += older.bytes();
            self.older.insert(at, older);
        }
    }

    /// What of a key's versions somebody may still ask for when one of `seqno` comes on top of that at a place.
    #[cold]
    fn take_older(&mut self, place: u32, seqno: u64, views: &Views) -> Option<Box<Version>> {
        let older = self.older.remove(&place);
        self.beside -= older.as_ref().map_or(0, |older| older.bytes());
        let last = self.entry(place).map(|entry| self.commit(&entry))?;
        let last = Box::new(Version { seqno: last, value: self.value(place), older });
        prune(seqno, Some(last), views)
    }

    /// Writes a value over the one that is there. `false`: it is too long for that.
    #[inline]
    fn overwrite(&mut self, place: u32, seqno: u64, value: Value<'_>) -> bool {
        let (commit, (code, inside)) = ((seqno - self.before) as u32, parts(value));
        let Some((head, rest)) = self.bytes_mut(place).and_then(|bytes| bytes.split_first_chunk_mut::<HEAD>()) else {
            return false;
        };
        let [c0, c1, c2, c3, k0, k1, v0, v1, r0, r1, ..] = head;
        let (key, room): (usize, usize) =
            (u16::from_le_bytes([*k0, *k1]).into(), u16::from_le_bytes([*r0, *r1]).into());
        let Some(target) = rest.get_mut(key..).and_then(|rest| rest.get_mut(..inside.len())) else { return false };
        if inside.len() > room {
            return false;
        }
        target.copy_from_slice(inside);
        [*c0, *c1, *c2, *c3] = commit.to_le_bytes();
        [*v0, *v1] = code.to_le_bytes();
        self.keep_apart(place, value);
        true
    }

    /// Gives a key another entry, with more room.
    #[cold]
    fn replace_elsewhere(&mut self, hash: u32, place: u32, seqno: u64, value: Value<'_>) -> u32 {
        let key = Slice::new(self.key(place));
        let len = parts(value).1.len();
        let new = self.append(seqno, &key, value, len + len / GROWTH, ENTRY | AGAIN);
        if let Some(bytes) = self.bytes_mut(place)
            && let Some(old) = Entry::read(bytes)
        {
            let head = Entry { flags: old.flags | DEAD, ..old }.head();
            if let Some(old) = bytes.first_chunk_mut() {
                *old = head;
            }
        }
        if let Some(spot) = self.index.find_mut(spread(hash), |spot| spot.place == place) {
            spot.place = new;
        }
        new
    }

    /// Writes an entry behind all others.
    fn append(&mut self, seqno: u64, key: &[u8], value: Value<'_>, room: usize, flags: u16) -> u32 {
        let (commit, (code, inside)) = ((seqno - self.before) as u32, parts(value));
        let needed = units(key.len(), room);
        if self.head % UNITS + needed > UNITS || self.head as usize == self.pieces.len() * UNITS as usize {
            self.add_piece();
        }
        let place = self.head;
        let head = Entry { commit, key, value: code, room: room as u16, flags, body: &[] }.head();
        let entry = self.bytes_mut(place).unwrap_or_default();
        let mut at = 0;
        for part in [&head, key, inside] {
            if let Some(target) = entry.get_mut(at..at + part.len()) {
                target.copy_from_slice(part);
            }
            at += part.len();
        }
        self.head += needed;
        self.keep_apart(place, value);
        place
    }

    /// Goes on in a new piece. Without memory there is nothing that could be said to who commits: the panic stops writes.
    #[cold]
    fn add_piece(&mut self) {
        let begin = u32::try_from(self.pieces.len() * UNITS as usize).ok().filter(|begin| *begin < u32::MAX - UNITS);
        match (begin, Pages::new(PIECE)) {
            (Some(begin), Ok(piece)) => {
                self.pieces.push(piece);
                self.head = begin;
            }
            (None, _) => panic!("16 GiB of rows in a generation of the memory table"),
            (_, Err(error)) => panic!("no memory for rows: {error}"),
        }
    }

    fn keep_apart(&mut self, place: u32, value: Value<'_>) {
        if let Value::Large(value) = value {
            self.beside += value.len() as u64 + BESIDE;
            self.apart.insert(place, value.clone());
        }
    }
}
