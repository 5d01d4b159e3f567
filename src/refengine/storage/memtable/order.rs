//! The keys of a map in order: made when somebody wants to walk through them, and made up for when somebody wants to again.
//!
//! It has places (`rows`), 4 bytes for each key, in blocks of a few hundred, so that one more key moves few others.

use super::rows::Rows;
use crate::refengine::storage::head::head;
use std::ops::Bound;

/// Places in a block: at most, and where many are put in order at once.
const MOST: usize = 512;
const AT_ONCE: usize = 256;

/// See the module.
#[derive(Default)]
pub(super) struct Order {
    /// None of them is empty.
    blocks: Vec<Vec<u32>>,
    len: usize,
    /// The end of the rows when they were put in order.
    end: u32,
}

/// A place in the order: a block, and where in it.
type At = (usize, usize);

impl Order {
    /// Whether every key is in it.
    pub(super) fn is_complete(&self, rows: &Rows) -> bool {
        self.end == rows.end()
    }

    /// Takes in what came since the last time.
    pub(super) fn complete(&mut self, rows: &Rows) {
        let fresh = rows.keys_since(self.end);
        self.end = rows.end();
        // Few new keys find their places one by one.
        if fresh.len() > self.len / 8 {
            let all = self.blocks.drain(..).flatten().chain(fresh);
            let sorted = sorted(rows, all.collect());
            self.len = sorted.len();
            self.blocks = sorted.chunks(AT_ONCE).map(<[u32]>::to_vec).collect();
            return;
        }
        self.len += fresh.len();
        fresh.into_iter().for_each(|place| self.insert(rows, place));
    }

    fn insert(&mut self, rows: &Rows, place: u32) {
        let (block, at) = self.find(rows, rows.key(place), false);
        let Some(last) = self.blocks.len().checked_sub(1) else { return self.blocks.push(vec![place]) };
        // What is behind the last block belongs to its end.
        let (block, at) = if block > last { (last, usize::MAX) } else { (block, at) };
        let Some(places) = self.blocks.get_mut(block) else { return };
        places.insert(at.min(places.len()), place);
        if places.len() > MOST {
            let behind = places.split_off(places.len() / 2);
            self.blocks.insert(block + 1, behind);
        }
    }

    /// Where the first key is that is not below `key`, or, `behind` it, the first above it.
    fn find(&self, rows: &Rows, key: &[u8], behind: bool) -> At {
        let below = |place: u32| if behind { rows.key(place) <= key } else { rows.key(place) < key };
        let block = self.blocks.partition_point(|places| places.last().is_some_and(|last| below(*last)));
        let at = self.blocks.get(block).map_or(0, |places| places.partition_point(|place| below(*place)));
        (block, at)
    }

    /// Calls `f` with places within the bounds, in order or from the far end if `reverse`, until it says `false`.
    pub(super) fn walk(
        &self,
        rows: &Rows,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        reverse: bool,
        mut f: impl FnMut(u32) -> bool,
    ) {
        let start = match bounds.0 {
            Bound::Included(key) => self.find(rows, key, false),
            Bound::Excluded(key) => self.find(rows, key, true),
            Bound::Unbounded => (0, 0),
        };
        let end = match bounds.1 {
            Bound::Included(key) => self.find(rows, key, true),
            Bound::Excluded(key) => self.find(rows, key, false),
            Bound::Unbounded => (self.blocks.len(), 0),
        };
        // Bounds that cross have nothing between them.
        if start >= end {
            return;
        }
        let blocks = start.0..self.blocks.len().min(end.0 + 1);
        let part = |block: usize| {
            let places = self.blocks.get(block).map_or(&[][..], Vec::as_slice);
            let from = if block == start.0 { start.1 } else { 0 };
            let to = if block == end.0 { end.1 } else { places.len() };
            places.get(from..to).unwrap_or_default()
        };
        match reverse {
            false => _ = blocks.flat_map(part).all(|place| f(*place)),
            true => _ = blocks.rev().flat_map(|block| part(block).iter().rev()).all(|place| f(*place)),
        }
    }
}

/// Places in the order of their keys.
pub(super) fn sorted(rows: &Rows, places: Vec<u32>) -> Vec<u32> {
    let one = places.first().map_or(&[][..], |place| rows.key(*place));
    let shared = |place: &u32| one.iter().zip(rows.key(*place)).take_while(|(a, b)| a == b).count();
    let common = places.iter().map(shared).min().unwrap_or_default();
    // The eight bytes behind what all keys begin with tell most of them apart without a look at the rows, which lie far apart.
    let head_of = |place: u32| head(rows.key(place).get(common..).unwrap_or_default());
    let mut heads: Vec<_> = places.into_iter().map(|place| (head_of(place), place)).collect();
    heads.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| rows.key(a.1).cmp(rows.key(b.1))));
    heads.into_iter().map(|(_, place)| place).collect()
}
