//! What one transaction wrote to one table: the new row of each key, or that it was deleted.
//!
//! Rows stand in the order in which their keys were first written, in one piece of memory that the next transaction uses again, so that a
//! commit walks through them and looks nothing up. Who looks a key up brings its hash ([`Core::hash`](super::core::Core::hash)), which is
//! known from its lock. The order of the keys is made up for when somebody walks through it.
//!
//! The transaction writes; at READ UNCOMMITTED others read.

use super::storage::{Slice, Value};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use parking_lot::{RwLock, RwLockWriteGuard};
use std::collections::BTreeMap;
use std::ops::{Bound, Range};

/// Bytes of rows for which a write set that was cleared keeps memory.
const KEPT_BYTES: usize = 256 << 10;

/// See the module.
#[derive(Default)]
pub(crate) struct WriteSet(RwLock<Writes>);

struct Write {
    /// Where the key is among the bytes.
    key: Range<usize>,
    version: Version,
}

/// What was written to a key.
enum Version {
    /// Nothing: it was taken back.
    None,
    Deleted,
    /// Where the row is among the bytes.
    Small(Range<usize>),
    Large(Slice),
}

#[derive(Default)]
struct Writes {
    /// Keys and small rows. One that outgrows its place leaves it behind.
    bytes: Vec<u8>,
    rows: Vec<Write>,
    /// Hash and place of each row.
    index: HashTable<(u64, u32)>,
    /// Places of rows in the order of their keys, without those behind the first `ordered`.
    order: BTreeMap<Slice, u32>,
    ordered: usize,
    /// Rows that were not taken back.
    live: usize,
}

impl WriteSet {
    /// What was written to a key; `Some(None)`: its deletion.
    pub(crate) fn get(&self, hash: u64, key: &[u8]) -> Option<Option<Slice>> {
        let writes = self.0.read();
        let (_, place) = writes.index.find(hash, |(other, place)| *other == hash && writes.key(*place) == key)?;
        Some(writes.value(*place)?.slice())
    }

    /// Sets the value of a key.
    pub(crate) fn put(&self, hash: u64, key: &[u8], value: Value<'_>) {
        self.0.write().set(hash, key, Some(value));
    }

    /// Makes the version of a key what it was before, as [`WriteSet::get`] told it.
    pub(crate) fn take_back(&self, hash: u64, key: &[u8], before: Option<Option<Slice>>) {
        match before {
            None => self.0.write().set(hash, key, None),
            Some(before) => self.put(hash, key, Value::of(before.as_ref())),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.read().live == 0
    }

    /// Forgets everything, and keeps memory for that many keys.
    pub(crate) fn clear(&mut self, kept: usize) {
        let writes = self.0.get_mut();
        writes.bytes.clear();
        writes.bytes.shrink_to(KEPT_BYTES);
        writes.rows.clear();
        writes.index.clear();
        writes.order.clear();
        (writes.ordered, writes.live) = (0, 0);
        if writes.rows.capacity() > kept {
            writes.rows.shrink_to(kept);
            writes.index = HashTable::new();
        }
    }

    /// Calls `f` with all of them, in the order in which their keys were first written.
    pub(crate) fn each(&self, mut f: impl FnMut(&[u8], Value<'_>)) {
        let writes = self.0.read();
        for Write { key, version } in &writes.rows {
            if let (Some(key), Some(value)) = (writes.bytes.get(key.clone()), version.value(&writes.bytes)) {
                f(key, value);
            }
        }
    }

    /// The first one within the bounds, from the far end if `reverse`.
    pub(crate) fn next(&self, bounds: (Bound<&[u8]>, Bound<&[u8]>), reverse: bool) -> Option<(Slice, Option<Slice>)> {
        // The order's map panics on bounds that cross.
        let crossed = match bounds {
            (Bound::Included(start) | Bound::Excluded(start), Bound::Excluded(end)) => start >= end,
            (Bound::Excluded(start), Bound::Included(end)) => start >= end,
            (Bound::Included(start), Bound::Included(end)) => start > end,
            _ => false,
        };
        if crossed {
            return None;
        }
        let mut writes = self.0.read();
        if writes.ordered < writes.rows.len() {
            drop(writes);
            let mut unordered = self.0.write();
            unordered.put_in_order();
            writes = RwLockWriteGuard::downgrade(unordered);
        }
        let mut range = writes
            .order
            .range::<[u8], _>(bounds)
            .filter_map(|(key, place)| Some((key.clone(), writes.value(*place)?.slice())));
        if reverse { range.next_back() } else { range.next() }
    }
}

/// Puts more bytes behind those that there are; returns where they are.
fn append(bytes: &mut Vec<u8>, more: &[u8]) -> Range<usize> {
    let start = bytes.len();
    bytes.extend_from_slice(more);
    start..bytes.len()
}

impl Version {
    #[inline]
    fn value<'w>(&'w self, bytes: &'w [u8]) -> Option<Value<'w>> {
        match self {
            Version::None => None,
            Version::Deleted => Some(Value::Deleted),
            Version::Small(row) => bytes.get(row.clone()).map(Value::Small),
            Version::Large(row) => Some(Value::Large(row)),
        }
    }

    /// A row that is not longer than the one before is written over it.
    #[inline]
    fn become_value(&mut self, value: Option<Value<'_>>, bytes: &mut Vec<u8>) {
        *self = match value {
            None => Version::None,
            Some(Value::Deleted) => Version::Deleted,
            Some(Value::Large(row)) => Version::Large(row.clone()),
            Some(Value::Small(row)) => {
                if let Version::Small(old) = self
                    && let Some(place) = bytes.get_mut(old.clone()).and_then(|old| old.get_mut(..row.len()))
                {
                    place.copy_from_slice(row);
                    old.end = old.start + row.len();
                    return;
                }
                Version::Small(append(bytes, row))
            }
        };
    }

    fn is_live(&self) -> bool {
        !matches!(self, Version::None)
    }
}

impl Writes {
    fn key(&self, place: u32) -> &[u8] {
        self.rows.get(place as usize).and_then(|write| self.bytes.get(write.key.clone())).unwrap_or_default()
    }

    fn value(&self, place: u32) -> Option<Value<'_>> {
        self.rows.get(place as usize)?.version.value(&self.bytes)
    }

    /// `None`: what was written to the key is taken back.
    fn set(&mut self, hash: u64, key: &[u8], value: Option<Value<'_>>) {
        let Writes { bytes, rows, index, live, .. } = self;
        let same = |(other, place): &(u64, u32)| {
            let written = || bytes.get(rows.get(*place as usize)?.key.clone());
            *other == hash && written() == Some(key)
        };
        let place = match index.entry(hash, same, |(hash, _)| *hash) {
            Entry::Occupied(found) => found.get().1,
            Entry::Vacant(free) => {
                // Nobody has the memory for more rows than the number can tell.
                let place = rows.len() as u32;
                free.insert((hash, place));
                rows.push(Write { key: append(bytes, key), version: Version::None });
                place
            }
        };
        let Some(Write { version, .. }) = rows.get_mut(place as usize) else { return };
        *live -= usize::from(version.is_live());
        version.become_value(value, bytes);
        *live += usize::from(version.is_live());
    }

    fn put_in_order(&mut self) {
        let places = self.ordered as u32..self.rows.len() as u32;
        let fresh: Vec<_> = places.map(|place| (Slice::new(self.key(place)), place)).collect();
        // Many new keys are merged in one go, few find their places one by one.
        if self.rows.len() - self.ordered > self.order.len() / 8 {
            self.order.append(&mut fresh.into_iter().collect());
        } else {
            self.order.extend(fresh);
        }
        self.ordered = self.rows.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All keys of a length share a hash, so that places are told apart by keys. Returns what was there.
    fn put(set: &WriteSet, key: &str, version: Option<&str>) -> Option<Option<Slice>> {
        let (hash, key) = (key.len() as u64, key.as_bytes());
        let before = set.get(hash, key);
        set.put(hash, key, Value::of(version.map(Slice::from).as_ref()));
        before
    }

    fn found(set: &WriteSet, from: &str, to: &str, reverse: bool) -> Option<(String, Option<String>)> {
        let text = |slice: &Slice| String::from_utf8(slice.to_vec()).unwrap();
        let bounds = (Bound::Included(from.as_bytes()), Bound::Excluded(to.as_bytes()));
        set.next(bounds, reverse).map(|(key, version)| (text(&key), version.as_ref().map(text)))
    }

    #[test]
    fn writes_are_found_by_key_and_in_order() {
        let mut set = WriteSet::default();
        for key in ["d", "b", "c", "a"] {
            assert_eq!(put(&set, key, Some(key)), None);
        }
        assert_eq!(found(&set, "b", "d", false), Some(("b".into(), Some("b".into()))));
        assert_eq!(found(&set, "b", "d", true), Some(("c".into(), Some("c".into()))));
        assert_eq!(found(&set, "d", "a", false), None, "bounds that cross");
        assert_eq!(put(&set, "b", None), Some(Some("b".into())));
        assert_eq!((set.get(1, b"b"), set.get(1, b"x")), (Some(None), None));
        // Taken back, and written again, with a walk in between.
        set.take_back(1, b"b", None);
        assert_eq!(set.get(1, b"b"), None);
        assert_eq!(found(&set, "b", "d", false), Some(("c".into(), Some("c".into()))));
        assert_eq!(put(&set, "b", Some("new")), None);
        assert_eq!(put(&set, "bb", Some("more")), None);
        assert_eq!(found(&set, "b", "c", false), Some(("b".into(), Some("new".into()))));
        assert_eq!(found(&set, "b", "c", true), Some(("bb".into(), Some("more".into()))));
        let large = "l".repeat(4096);
        assert_eq!(put(&set, "c", Some(&large)), Some(Some("c".into())));
        assert_eq!(put(&set, "c", None), Some(Some(large.as_str().into())));
        set.take_back(1, b"c", Some(Some(large.as_str().into())));
        assert_eq!(found(&set, "c", "d", false), Some(("c".into(), Some(large))));
        let mut all = Vec::new();
        set.each(|key, value| all.push((key.to_vec(), value.bytes().is_some())));
        assert_eq!(all.iter().map(|(key, _)| &key[..]).collect::<Vec<_>>(), [&b"d"[..], b"b", b"c", b"a", b"bb"]);
        for key in ["a", "b", "bb", "c", "d"] {
            assert!(!set.is_empty());
            set.take_back(key.len() as u64, key.as_bytes(), None);
        }
        assert!(set.is_empty() && found(&set, "a", "z", false).is_none());
        set.clear(2);
        assert_eq!(put(&set, "b", Some("again")), None);
        assert_eq!(found(&set, "a", "z", true), Some(("b".into(), Some("again".into()))));
    }
}
