//! A map for keys that are looked up often and walked in order seldom.
//!
//! Look-ups and changes cost one hash. The order is made up for when somebody wants it: what is new since the last walk is sorted then.
//! A bulk of rows that nobody walks through is never sorted.

use super::storage::Slice;
use hashbrown::DefaultHashBuilder;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

/// A hash map of the engine. Its hash is quick and keyed at random.
pub(crate) type FastMap<K, V> = HashMap<K, V, DefaultHashBuilder>;

/// See the module.
pub(crate) struct Sorted<V> {
    rows: FastMap<Slice, V>,
    /// Keys in order.
    order: BTreeSet<Slice>,
    /// Keys that are not in `order` yet.
    fresh: Vec<Slice>,
}

impl<V> Default for Sorted<V> {
    fn default() -> Sorted<V> {
        Sorted { rows: FastMap::default(), order: BTreeSet::new(), fresh: Vec::new() }
    }
}

impl<V> Sorted<V> {
    #[inline]
    pub(crate) fn get(&self, key: &[u8]) -> Option<&V> {
        self.rows.get(key)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: &[u8]) -> Option<&mut V> {
        self.rows.get_mut(key)
    }

    pub(crate) fn insert(&mut self, key: Slice, value: V) -> Option<V> {
        match self.rows.entry(key) {
            Entry::Occupied(mut place) => Some(place.insert(value)),
            Entry::Vacant(place) => {
                self.fresh.push(place.key().clone());
                place.insert(value);
                None
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// All entries, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Slice, &V)> {
        self.rows.iter()
    }

    /// Whether [`Sorted::range`] knows every key.
    pub(crate) fn is_sorted(&self) -> bool {
        self.fresh.is_empty()
    }

    /// Makes up for the order.
    pub(crate) fn sort(&mut self) {
        // Many new keys are merged in one go, few find their places one by one.
        if self.fresh.len() > self.order.len() / 8 {
            self.order.append(&mut self.fresh.drain(..).collect());
        } else {
            self.order.extend(self.fresh.drain(..));
        }
    }

    /// Entries within the bounds, in order. Only those are found that were there at the last [`Sorted::sort`].
    pub(crate) fn range(&self, bounds: (Bound<&[u8]>, Bound<&[u8]>)) -> impl DoubleEndedIterator<Item = (&Slice, &V)> {
        // The set panics on bounds that cross.
        let crossed = match bounds {
            (Bound::Included(start) | Bound::Excluded(start), Bound::Excluded(end)) => start >= end,
            (Bound::Excluded(start), Bound::Included(end)) => start >= end,
            (Bound::Included(start), Bound::Included(end)) => start > end,
            _ => false,
        };
        let keys = (!crossed).then(|| self.order.range::<[u8], _>(bounds));
        keys.into_iter().flatten().filter_map(|key| Some((key, self.rows.get(&**key)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(map: &Sorted<u32>, from: &[u8], to: &[u8], reverse: bool) -> Vec<(Vec<u8>, u32)> {
        let range = map.range((Bound::Included(from), Bound::Excluded(to)));
        let owned = |(key, value): (&Slice, &u32)| (key.to_vec(), *value);
        if reverse { range.rev().map(owned).collect() } else { range.map(owned).collect() }
    }

    #[test]
    fn what_is_new_is_found_in_order_after_a_sort() {
        let mut map = Sorted::default();
        for (i, key) in ["d", "b", "c", "a"].into_iter().enumerate() {
            assert_eq!(map.insert(key.into(), i as u32), None);
        }
        assert!(!map.is_sorted() && found(&map, b"a", b"z", false).is_empty());
        map.sort();
        assert!(map.is_sorted());
        assert_eq!(found(&map, b"b", b"d", false), [(b"b".to_vec(), 1), (b"c".to_vec(), 2)]);
        assert_eq!(found(&map, b"b", b"d", true), [(b"c".to_vec(), 2), (b"b".to_vec(), 1)]);
        assert!(found(&map, b"d", b"a", false).is_empty(), "bounds that cross");
        assert_eq!(map.insert("a".into(), 9), Some(3));
        map.sort();
        assert_eq!(found(&map, b"a", b"c", false), [(b"a".to_vec(), 9), (b"b".to_vec(), 1)]);
    }
}
