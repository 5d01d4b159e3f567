//! Views: all keyspaces as they were at one moment, and ordered walks through them.
//!
//! A row is looked for where it may have changed last: the active generation, the frozen one, the tables on disk. A view
//! keeps the generations of its moment and the tables' view, so a checkpoint that moves rows from one to the other
//! changes nothing for it.

use super::Slice;
use super::inner::Inner;
use super::keyspace::Keyspace;
use super::memtable::{Generation, Map};
use super::tables::{Disk, Tables};
use crate::refengine::error::Result;
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;

/// Entries of a generation that a walk takes at first and at most with one look at it.
const FIRST_CHUNK: usize = 16;
const LAST_CHUNK: usize = 128;

/// See the module. Clones share it.
#[derive(Clone)]
pub(crate) struct Snapshot(Arc<View>);

struct View {
    inner: Arc<Inner>,
    seqno: u64,
    active: Arc<Generation>,
    frozen: Option<Arc<Generation>>,
    stored: <Disk as Tables>::View,
}

impl Drop for View {
    fn drop(&mut self) {
        self.inner.sequence.close_view(self.seqno);
    }
}

impl Snapshot {
    pub(super) fn new(inner: &Arc<Inner>) -> Snapshot {
        // The generations cannot change while this is held, so the three fit together.
        let generations = inner.generations.read();
        Snapshot(Arc::new(View {
            inner: inner.clone(),
            seqno: inner.sequence.open_view(),
            active: generations.active.clone(),
            frozen: generations.frozen.clone(),
            stored: inner.tables.view(),
        }))
    }

    fn maps(&self, keyspace: &Keyspace) -> impl Iterator<Item = Arc<Map>> {
        let number = keyspace.number();
        let generations = std::iter::once(&self.0.active).chain(&self.0.frozen);
        generations.filter_map(move |generation| generation.map(number))
    }

    /// The value of a key.
    pub(crate) fn get(&self, keyspace: &Keyspace, key: &[u8]) -> Result<Option<Slice>> {
        for map in self.maps(keyspace) {
            if let Some(version) = map.seen_at(key, self.0.seqno) {
                return Ok(version);
            }
        }
        Disk::get_in(&self.0.stored, keyspace.stored(), key)
    }

    /// The entries with `start <= key < end` in key order, or from the far end if `reverse`.
    pub(crate) fn range(&self, keyspace: &Keyspace, start: &[u8], end: &[u8], reverse: bool) -> Iter {
        // The storage panics on bounds that cross.
        let end = end.max(start);
        let overlays = self.maps(keyspace).filter(|map| !map.is_empty()).map(|map| {
            let (start, end) = (Bound::Included(start.into()), Bound::Excluded(end.into()));
            let complete = start_is_end(&start, &end);
            Overlay { map, start, end, chunk: FIRST_CHUNK, complete, ahead: Vec::new() }
        });
        let overlays = overlays.collect();
        let stored = Disk::range_in(&self.0.stored, keyspace.stored(), start, end, reverse);
        Iter { view: self.clone(), overlays, stored: stored.peekable(), reverse }
    }
}

fn start_is_end(start: &Bound<Slice>, end: &Bound<Slice>) -> bool {
    matches!((start, end), (Bound::Included(start) | Bound::Excluded(start), Bound::Excluded(end)) if start >= end)
}

/// What a walk has still to see of one generation.
struct Overlay {
    map: Arc<Map>,
    start: Bound<Slice>,
    end: Bound<Slice>,
    /// Entries to take next.
    chunk: usize,
    /// There is nothing behind `ahead`.
    complete: bool,
    /// Entries taken and not yet handed out, the next one last.
    ahead: Vec<(Slice, Option<Slice>)>,
}

impl Overlay {
    fn peek(&mut self, seqno: u64, reverse: bool) -> Option<&Slice> {
        if self.ahead.is_empty() && !self.complete {
            let bounds = (self.start.as_ref().map(|k| &**k), self.end.as_ref().map(|k| &**k));
            self.ahead = self.map.entries(bounds, seqno, reverse, self.chunk);
            self.complete = self.ahead.len() < self.chunk;
            self.chunk = (self.chunk * 2).min(LAST_CHUNK);
            if let Some((last, _)) = self.ahead.last() {
                match reverse {
                    true => self.end = Bound::Excluded(last.clone()),
                    false => self.start = Bound::Excluded(last.clone()),
                }
                self.complete |= start_is_end(&self.start, &self.end);
            }
            self.ahead.reverse();
        }
        self.ahead.last().map(|(key, _)| key)
    }
}

/// A walk through a view. Ends after an error.
pub(crate) struct Iter {
    view: Snapshot,
    overlays: Vec<Overlay>,
    stored: Peekable<<Disk as Tables>::Iter>,
    reverse: bool,
}

impl Iterator for Iter {
    type Item = Result<(Slice, Slice)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.overlays.is_empty() {
            return self.stored.next();
        }
        loop {
            if let Some(Err(_)) = self.stored.peek() {
                return self.stored.next();
            }
            let mut first = self.stored.peek().and_then(|row| row.as_ref().ok()).map(|(key, _)| key.clone());
            let mut found = None;
            for i in 0..self.overlays.len() {
                let Some(overlay) = self.overlays.get_mut(i) else { break };
                let Some(key) = overlay.peek(self.view.0.seqno, self.reverse) else { continue };
                let order = first.as_ref().map(|first| if self.reverse { first.cmp(key) } else { key.cmp(first) });
                match order {
                    // What is older has been overwritten.
                    Some(std::cmp::Ordering::Equal) if found.is_some() => {
                        overlay.ahead.pop();
                    }
                    Some(std::cmp::Ordering::Equal) => {
                        self.stored.next();
                        found = Some(i);
                    }
                    Some(std::cmp::Ordering::Greater) => {}
                    Some(std::cmp::Ordering::Less) | None => {
                        first = Some(key.clone());
                        found = Some(i);
                    }
                }
            }
            let Some(i) = found else { return self.stored.next() };
            let (key, value) = self.overlays.get_mut(i)?.ahead.pop()?;
            if let Some(value) = value {
                return Some(Ok((key, value)));
            }
        }
    }
}
