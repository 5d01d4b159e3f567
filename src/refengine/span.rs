//! Half-open intervals of encoded keys: what scans run over and range locks cover.

use super::codec::{self, KeyValue, Tail};
use super::error::Result;
use super::types::{KeyRange, TableDef, Value};
use std::ops::Bound;

/// Keys `k` with `start <= k < end`; empty when `start >= end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: Vec<u8>,
    pub(crate) end: Vec<u8>,
}

impl Span {
    /// Exactly one key.
    pub(crate) fn point(key: &[u8]) -> Span {
        Span { start: key.to_vec(), end: after(key) }
    }

    /// All keys of an index, 0 = primary key.
    pub(crate) fn index(index: usize) -> Span {
        Span { start: vec![index as u8], end: vec![index as u8 + 1] }
    }

    /// All keys of all indexes.
    pub(crate) fn table() -> Span {
        Span { start: vec![0], end: vec![0xFF] }
    }

    /// Every key that begins with `prefix`.
    pub(crate) fn prefix(prefix: &[u8]) -> Span {
        Span { start: prefix.to_vec(), end: successor(prefix) }
    }

    /// The part of `index` a key range of values names.
    pub(crate) fn of_range(def: &TableDef, index: usize, range: &KeyRange) -> Result<Span> {
        let whole = Span::index(index);
        let start = match &range.lower {
            Bound::Unbounded => whole.start,
            Bound::Included(values) => edge(def, index, values, false)?,
            Bound::Excluded(values) => edge(def, index, values, true)?,
        };
        let end = match &range.upper {
            Bound::Unbounded => whole.end,
            Bound::Included(values) => edge(def, index, values, true)?,
            Bound::Excluded(values) => edge(def, index, values, false)?,
        };
        Ok(Span { start, end })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start >= self.end
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        self.start.as_slice() <= key && key < self.end.as_slice()
    }

    pub(crate) fn overlaps(&self, other: &Span) -> bool {
        self.start < other.end && other.start < self.end
    }

    pub(crate) fn covers(&self, other: &Span) -> bool {
        self.start <= other.start && other.end <= self.end
    }
}

/// The first position before (`behind` false) or behind (`behind` true) all keys that begin with `values`.
fn edge(def: &TableDef, index: usize, values: &[Value], behind: bool) -> Result<Vec<u8>> {
    let columns = codec::index_columns(def, index);
    let mut key = vec![index as u8];
    for (at, value) in values.iter().enumerate() {
        let Some(column) = columns.get(at).and_then(|c| def.columns.get(*c)) else { break };
        match codec::key_value(column, value)? {
            KeyValue::Null => codec::push_key_part(&mut key, def, index, at, None, Tail::Complete),
            KeyValue::Stored(v) => codec::push_key_part(&mut key, def, index, at, Some(&v), Tail::Complete),
            // No key has such a value: both edges are at the near end of the keys that share the values before it.
            KeyValue::Below => return Ok(below(key, index, column.not_null)),
            KeyValue::Above => return Ok(successor(&key)),
        }
    }
    let complete_primary = index == 0 && values.len() >= columns.len();
    Ok(match (behind, complete_primary) {
        (false, _) => key,
        (true, true) => after(&key),
        (true, false) => successor(&key),
    })
}

/// Behind the NULLs of a nullable secondary column, since these sort before every value.
fn below(mut key: Vec<u8>, index: usize, not_null: bool) -> Vec<u8> {
    if index > 0 && !not_null {
        key.push(1);
    }
    key
}

/// The smallest key greater than `key`.
pub(crate) fn after(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next
}

/// The smallest key greater than everything that begins with `prefix`. Keys begin with an index number below
/// `FF`, so there always is one.
pub(crate) fn successor(prefix: &[u8]) -> Vec<u8> {
    let mut next = prefix.to_vec();
    while let Some(last) = next.pop() {
        if last < 0xFF {
            next.push(last + 1);
            break;
        }
    }
    next
}
