//! One row out of one block of a table: read, checked and searched without memory of its own.
//!
//! The form is fjall's. What is not as this expects, a block that is large, compressed or damaged, is left to fjall, which tells.

use crate::refengine::storage::Slice;
use lsm_tree::table::block::BlockType;
use lsm_tree::table::{Block, BlockHandle, DataBlock};
use lsm_tree::{CompressionType, InternalValue, SeqNo};
use std::cell::RefCell;
use std::cmp::Ordering;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Larger blocks are fjall's: they have a large row, which shares their memory.
const SMALL: usize = 8192;

thread_local! {
    static BLOCK: RefCell<[u8; SMALL]> = const { RefCell::new([0; SMALL]) };
}

/// What a table says of a key that it has.
#[derive(Debug, PartialEq)]
pub(super) enum Entry<V> {
    Value(V),
    Deleted,
}

/// The newest entry of a key in a block of rows.
pub(super) fn find(
    file: &File,
    at: BlockHandle,
    key: &[u8],
    compression: CompressionType,
) -> lsm_tree::Result<Option<Entry<Slice>>> {
    if compression == CompressionType::None && at.size() as usize <= SMALL {
        let found = BLOCK.with_borrow_mut(|block| {
            let block = block.get_mut(..at.size() as usize)?;
            file.read_exact_at(block, *at.offset()).ok()?;
            let found = search(checked(block)?, key)?;
            Some(found.map(Entry::kept))
        });
        if let Some(found) = found {
            return Ok(found);
        }
    }
    let found = DataBlock::new(read(file, at, BlockType::Data, compression)?).point_read(key, SeqNo::MAX);
    Ok(found.map(Entry::from))
}

impl Entry<&[u8]> {
    /// A copy that does not need the block.
    pub(super) fn kept(self) -> Entry<Slice> {
        match self {
            Entry::Value(value) => Entry::Value(Slice::new(value)),
            Entry::Deleted => Entry::Deleted,
        }
    }
}

impl From<InternalValue> for Entry<Slice> {
    fn from(entry: InternalValue) -> Self {
        match entry.is_tombstone() {
            true => Entry::Deleted,
            false => Entry::Value(entry.value),
        }
    }
}

/// A block of any kind.
pub(super) fn read(
    file: &File,
    at: BlockHandle,
    kind: BlockType,
    compression: CompressionType,
) -> lsm_tree::Result<Block> {
    let block = Block::from_file(file, at, compression)?;
    match block.header.block_type == kind {
        true => Ok(block),
        false => Err(lsm_tree::Error::InvalidTag(("BlockType", block.header.block_type.into()))),
    }
}

/// What is in an uncompressed block of rows, if it is what was written: four bytes of magic, the kind, the checksum, the length twice, and a
/// checksum of these, which adds nothing.
fn checked(block: &[u8]) -> Option<&[u8]> {
    let (magic, rest) = block.split_first_chunk::<5>()?;
    let (sum, rest) = rest.split_first_chunk()?;
    let (len, rest) = rest.split_first_chunk()?;
    let data = rest.get(8..)?;
    let as_written = *magic == *b"LSM\x03\0"
        && u32::from_le_bytes(*len) as usize == data.len()
        && u128::from_le_bytes(*sum) == xxhash_rust::xxh3::xxh3_128(data);
    as_written.then_some(data)
}

/// Bytes behind the entries that tell how they are laid out.
const TRAILER: usize = 31;
/// The kind of what is behind the last entry.
const END: u8 = 255;

/// The newest entry of a key. `None`: the block is not as this expects.
///
/// An entry is its kind, a sequence number, its key and, unless it deletes, its value, with lengths as varints. The first of each so many
/// has its whole key, the others tell how many bytes of that they begin with. Places of the first ones are behind the entries.
pub(super) fn search<'a>(data: &'a [u8], key: &[u8]) -> Option<Option<Entry<&'a [u8]>>> {
    let (_, trailer) = data.split_at_checked(data.len().checked_sub(TRAILER)?)?;
    let (interval, wide) = (*trailer.first()?, *trailer.get(1)? as usize);
    let number = |at: usize| Some(u32::from_le_bytes(*trailer.get(at..)?.first_chunk()?) as usize);
    let (count, places) = (number(2)?, data.get(number(6)?..)?);
    let place = |at: usize| match (wide, places.get(at * wide..)?) {
        (2, bytes) => Some(u16::from_le_bytes(*bytes.first_chunk()?) as usize),
        (4, bytes) => Some(u32::from_le_bytes(*bytes.first_chunk()?) as usize),
        _ => None,
    };
    // The last whole key that is below the one looked for, as its newest version may be behind that.
    let (mut first, mut behind) = (0, count.checked_sub(1)?);
    while first < behind {
        let middle = behind - (behind - first) / 2;
        match Reader(data.get(place(middle)?..)?).whole()?.key < key {
            true => first = middle,
            false => behind = middle - 1,
        }
    }
    let mut entries = Reader(data.get(place(first)?..)?);
    loop {
        let Some(base) = entries.whole() else { return entries.is_end().then_some(None) };
        let order = base.key.cmp(key);
        if order != Ordering::Less {
            return base.if_found(order);
        }
        let same = base.key.iter().zip(key).take_while(|(a, b)| a == b).count();
        for _ in 1..interval {
            let Some((shared, rest)) = entries.rest() else { return entries.is_end().then_some(None) };
            // One that has more of the base than the key looked for has is below it, as the base is.
            if shared > same {
                continue;
            }
            let order = rest.key.cmp(key.get(shared..)?);
            if order != Ordering::Less {
                return rest.if_found(order);
            }
        }
    }
}

/// Reads entries one behind the other.
struct Reader<'a>(&'a [u8]);

/// An entry, or the end of one.
struct Parsed<'a> {
    kind: u8,
    key: &'a [u8],
    value: &'a [u8],
}

impl<'a> Parsed<'a> {
    /// What a search says that ends here. `None`: this is of a kind that is not known here.
    fn if_found(&self, order: Ordering) -> Option<Option<Entry<&'a [u8]>>> {
        match (order, self.kind) {
            (Ordering::Equal, VALUE) => Some(Some(Entry::Value(self.value))),
            (Ordering::Equal, DELETED | DELETED_ONCE) => Some(Some(Entry::Deleted)),
            (Ordering::Equal, _) => None,
            _ => Some(None),
        }
    }
}

const VALUE: u8 = 0;
const DELETED: u8 = 1;
const DELETED_ONCE: u8 = 2;

impl<'a> Reader<'a> {
    fn is_end(&self) -> bool {
        self.0.first() == Some(&END)
    }

    /// An entry with its whole key.
    #[inline]
    fn whole(&mut self) -> Option<Parsed<'a>> {
        self.entry(|_| Some(())).map(|((), entry)| entry)
    }

    /// How many bytes of the last whole key one begins with, and the rest.
    #[inline]
    fn rest(&mut self) -> Option<(usize, Parsed<'a>)> {
        self.entry(Reader::number)
    }

    /// What is in front of the key's length, and the entry. Where there is none the reader stays where it is.
    #[inline]
    fn entry<T>(&mut self, front: impl FnOnce(&mut Self) -> Option<T>) -> Option<(T, Parsed<'a>)> {
        let mut at = Reader(self.0);
        let kind = at.kind()?;
        let front = front(&mut at)?;
        let len = at.number()?;
        let key = at.bytes(len)?;
        let value = at.value(kind)?;
        *self = at;
        Some((front, Parsed { kind, key, value }))
    }

    /// The kind of an entry, and past its sequence number.
    #[inline]
    fn kind(&mut self) -> Option<u8> {
        let (kind, rest) = self.0.split_first()?;
        self.0 = rest;
        if *kind == END {
            return None;
        }
        self.number()?;
        Some(*kind)
    }

    #[inline]
    fn value(&mut self, kind: u8) -> Option<&'a [u8]> {
        if matches!(kind, DELETED | DELETED_ONCE) {
            return Some(&[]);
        }
        let len = self.number()?;
        self.bytes(len)
    }

    #[inline]
    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    /// Seven bits of a byte, from the lowest on, as long as the eighth is set.
    #[inline]
    fn number(&mut self) -> Option<usize> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        if *first < 0x80 {
            return Some(*first as usize);
        }
        let mut number = u64::from(*first & 0x7f);
        for shift in (7..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return usize::try_from(number).ok();
            }
        }
        None
    }
}
