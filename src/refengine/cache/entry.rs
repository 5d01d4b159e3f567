//! An entry of a shard's ring, in bytes.
//!
//! Layout: `total` of 2 bytes, its length in the ring (0: the ring goes on at its beginning); `row` of 2 bytes, the length of
//! the row, or [`APART`]; `key` of 2 bytes, the length of the key; `at` of one byte; the table's number, 7 bits a byte; the key if
//! `at` is 0; the row; what is left of an earlier, longer row.

use crate::refengine::storage::LARGE;
use hashbrown::DefaultHashBuilder;
use std::hash::{BuildHasher, Hasher};

/// Bytes of an entry in front of the table's number.
pub(super) const HEAD: usize = 7;
/// `row` of one that is kept beside the ring, where a reader shares it instead of copying it: those from [`LARGE`] on.
pub(super) const APART: u16 = u16::MAX;
/// `at` of an entry that was taken out.
pub(super) const DEAD: u8 = u8::MAX;
/// How far into a row its key is looked for.
const SEARCH: usize = 64;

/// A table's number as an entry has it.
pub(super) struct Lead([u8; 10], usize);

impl Lead {
    pub(super) fn new(table: u64) -> Lead {
        let (mut lead, mut rest) = (Lead([0; 10], 0), table);
        for byte in &mut lead.0 {
            *byte = (rest & 0x7f) as u8;
            rest >>= 7;
            lead.1 += 1;
            if rest == 0 {
                break;
            }
            *byte |= 0x80;
        }
        lead
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.get(..self.1).unwrap_or_default()
    }

    /// The number that `bytes` begin with, and its length.
    fn read(bytes: &[u8]) -> Option<(u64, usize)> {
        let len = bytes.iter().take(10).position(|byte| byte & 0x80 == 0)? + 1;
        let number = bytes.iter().take(len).rev().fold(0, |number, byte| number << 7 | u64::from(byte & 0x7f));
        Some((number, len))
    }
}

/// A row's name.
#[derive(Clone, Copy)]
pub(super) struct Name<'a> {
    pub(super) hash: u64,
    pub(super) table: u64,
    pub(super) key: &'a [u8],
}

/// An entry of the ring, read.
pub(super) struct Entry<'a> {
    pub(super) total: usize,
    pub(super) table: u64,
    /// The first byte of the key and the rest, which may be a part of the row.
    pub(super) first: u8,
    pub(super) rest: &'a [u8],
    /// `None`: it is apart.
    pub(super) row: Option<&'a [u8]>,
    /// Where the row would be in the entry.
    pub(super) row_at: usize,
    /// Where the rest of the key is in the row.
    pub(super) at: u8,
}

impl<'a> Entry<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Option<Entry<'a>> {
        let (head, _) = bytes.split_first_chunk::<{ HEAD + 1 }>()?;
        let head = u64::from_le_bytes(*head);
        let (total, row, key, at) =
            (head as u16 as usize, (head >> 16) as u16, (head >> 32) as u16 as usize, (head >> 48) as u8);
        let body = bytes.get(HEAD..total)?;
        // Nearly all numbers have one byte.
        let (table, lead) = match (head >> 56) as u8 {
            number @ 0..0x80 => (u64::from(number), 1),
            _ => Lead::read(body)?,
        };
        let row_at = lead + if at == 0 { key } else { 0 };
        let row = match row {
            APART => None,
            len => Some(body.get(row_at..row_at + len as usize)?),
        };
        let (first, rest) = match at {
            0 => split(body.get(lead..row_at)?),
            at => (0, row?.get(at as usize..at as usize + key.checked_sub(1)?)?),
        };
        Some(Entry { total, table, first, rest, row, row_at: HEAD + row_at, at })
    }

    pub(super) fn hash(&self, hasher: &DefaultHashBuilder) -> u64 {
        hash(hasher, self.table, self.first, self.rest)
    }
}

/// Where the row has its own key in it, from the second byte on: the first is the index's number and 0 for a primary key.
pub(super) fn find_key(key: &[u8], row: &[u8]) -> u8 {
    match key.split_first() {
        Some((0, rest @ [first, ..])) if row.len() < LARGE => {
            let places = row.windows(rest.len()).take(SEARCH).enumerate().skip(1);
            let found = places.filter(|(_, window)| window.first() == Some(first)).find(|(_, window)| *window == rest);
            found.map_or(0, |(at, _)| at as u8)
        }
        _ => 0,
    }
}

/// The hash of a name, whose key is in two parts because that is how an entry may have it.
#[inline(always)]
pub(super) fn hash(hasher: &DefaultHashBuilder, table: u64, first: u8, rest: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write_u64(table ^ u64::from(first) << 56);
    state.write(rest);
    state.finish()
}

/// The first byte of a key, which always has one: the index's number; and the rest.
pub(super) fn split(key: &[u8]) -> (u8, &[u8]) {
    key.split_first().map_or((0, &[]), |(first, rest)| (*first, rest))
}
