//! What one transaction wrote to one table: the new row of each key, `None` for a deletion.
//!
//! Rows stand in the order in which their keys were first written, so that a commit walks through them and looks nothing up. Who looks a
//! key up brings its hash ([`Core::hash`](super::core::Core::hash)), which is known from its lock. The order of the keys is made up for
//! when somebody walks through it.
//!
//! The transaction writes; at READ UNCOMMITTED others read.

use super::storage::Slice;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use parking_lot::{RwLock, RwLockWriteGuard};
use std::collections::BTreeMap;
use std::ops::Bound;

/// See the module.
#[derive(Default)]
pub(crate) struct WriteSet(RwLock<Writes>);

struct Write {
    key: Slice,
    /// `None`: it was taken back.
    version: Option<Option<Slice>>,
}

#[derive(Default)]
struct Writes {
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
        let (_, place) = writes.index.find(hash, |(_, place)| writes.is(*place, key))?;
        writes.rows.get(*place as usize)?.version.clone()
    }

    /// Sets the version of a key, or takes it back; returns the one before.
    pub(crate) fn set(&self, hash: u64, key: Slice, version: Option<Option<Slice>>) -> Option<Option<Slice>> {
        self.0.write().set(hash, key, version)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.read().live == 0
    }

    /// Forgets everything, and keeps memory for that many keys.
    pub(crate) fn clear(&mut self, kept: usize) {
        let writes = self.0.get_mut();
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
    pub(crate) fn each(&self, mut f: impl FnMut(&Slice, Option<&Slice>)) {
        for Write { key, version } in &self.0.read().rows {
            if let Some(version) = version {
                f(key, version.as_ref());
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
        let mut range = writes.order.range::<[u8], _>(bounds).filter_map(|(_, place)| {
            let Write { key, version } = writes.rows.get(*place as usize)?;
            Some((key.clone(), version.clone()?))
        });
        if reverse { range.next_back() } else { range.next() }
    }
}

impl Writes {
    fn is(&self, place: u32, key: &[u8]) -> bool {
        self.rows.get(place as usize).is_some_and(|write| *write.key == *key)
    }

    fn set(&mut self, hash: u64, key: Slice, version: Option<Option<Slice>>) -> Option<Option<Slice>> {
        let rows = &mut self.rows;
        let same = |(other, place): &(u64, u32)| {
            *other == hash && rows.get(*place as usize).is_some_and(|write| write.key == key)
        };
        match self.index.entry(hash, same, |(hash, _)| *hash) {
            Entry::Occupied(found) => {
                let write = rows.get_mut(found.get().1 as usize)?;
                let before = std::mem::replace(&mut write.version, version);
                self.live += usize::from(write.version.is_some());
                self.live -= usize::from(before.is_some());
                before
            }
            Entry::Vacant(free) => {
                // Nobody has the memory for more rows than the number can tell.
                free.insert((hash, rows.len() as u32));
                self.live += usize::from(version.is_some());
                rows.push(Write { key, version });
                None
            }
        }
    }

    fn put_in_order(&mut self) {
        let fresh = self.rows.iter().enumerate().skip(self.ordered).map(|(i, write)| (write.key.clone(), i as u32));
        // Many new keys are merged in one go, few find their places one by one.
        if self.rows.len() - self.ordered > self.order.len() / 8 {
            self.order.append(&mut fresh.collect());
        } else {
            self.order.extend(fresh);
        }
        self.ordered = self.rows.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(set: &WriteSet, key: &str, version: Option<&str>) -> Option<Option<Slice>> {
        // All keys of a length share a hash, so that places are told apart by keys.
        set.set(key.len() as u64, key.into(), Some(version.map(Slice::from)))
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
        assert_eq!(set.set(1, "b".into(), None), Some(None));
        assert_eq!(set.get(1, b"b"), None);
        assert_eq!(found(&set, "b", "d", false), Some(("c".into(), Some("c".into()))));
        assert_eq!(put(&set, "b", Some("new")), None);
        assert_eq!(put(&set, "bb", Some("more")), None);
        assert_eq!(found(&set, "b", "c", false), Some(("b".into(), Some("new".into()))));
        assert_eq!(found(&set, "b", "c", true), Some(("bb".into(), Some("more".into()))));
        let mut all = Vec::new();
        set.each(|key, version| all.push((key.to_vec(), version.is_some())));
        assert_eq!(all.iter().map(|(key, _)| &key[..]).collect::<Vec<_>>(), [&b"d"[..], b"b", b"c", b"a", b"bb"]);
        for key in ["a", "b", "bb", "c", "d"] {
            assert!(!set.is_empty());
            set.set(key.len() as u64, key.into(), None);
        }
        assert!(set.is_empty() && found(&set, "a", "z", false).is_none());
        set.clear(2);
        assert_eq!(put(&set, "b", Some("again")), None);
        assert_eq!(found(&set, "a", "z", true), Some(("b".into(), Some("again".into()))));
    }
}
