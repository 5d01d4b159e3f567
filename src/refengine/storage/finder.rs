//! Single keys in fjall's tables, found past its caches and locks.
//!
//! fjall looks a key up under the lock of its list of tables, which whoever changes the list holds while files are synced; it searches an
//! index of entries of all lengths, asks a cache for the block, and puts the block there, from where nobody takes it again when there are
//! more rows than memory. Here a list of tables is kept until it is known that there is a newer one, the index of a table is an array, and
//! a block is read and forgotten. What blocks are and how they are checked stays fjall's.
//!
//! An older list shows the rows as they were: its tables do not change, and their files are there as long as somebody has them. Whoever
//! adds tables has to call [`Finder::follow`] before anybody may count on finding what is in them.

use super::Slice;
use super::head::head;
use fjall::AbstractTree;
use lsm_tree::table::filter::block::FilterBlock;
use lsm_tree::table::filter::standard_bloom::Builder as Bloom;
use lsm_tree::table::{Block, BlockHandle, BlockOffset, DataBlock, IndexBlock, block::BlockType};
use lsm_tree::{CompressionType, SeqNo, Table};
use parking_lot::{Mutex, RwLock};
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Files that may be open at a time, of all keyspaces together. Tables beyond them are left to fjall.
const FILES: usize = 256;
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// The tables of a keyspace. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Finder(Arc<Shared>);

#[derive(Default)]
struct Shared {
    runs: RwLock<Arc<Runs>>,
    /// Held by who makes a newer list.
    following: Mutex<()>,
}

/// Runs of tables, the newest first; the tables of a run are in order and do not overlap.
#[derive(Default)]
struct Runs {
    /// The number that fjall gave this list. `None`: it is none of fjall's.
    version: Option<u64>,
    runs: Vec<Vec<Arc<Found>>>,
}

struct Found {
    /// What is in the table, both ends included.
    first: Slice,
    last: Slice,
    table: Table,
    /// `None`: fjall has to look in it.
    parts: Option<Parts>,
}

impl Finder {
    /// Takes over the newest list of tables, if there is a newer one; tells whether there was.
    pub(super) fn follow(&self, tree: &impl AbstractTree) -> bool {
        let _following = self.0.following.lock();
        let (known, newest) = (self.0.runs.read().clone(), tree.current_version());
        if known.version == Some(newest.id()) {
            return false;
        }
        let before = |table: &Table| {
            let same = |found: &&Arc<Found>| found.table.id() == table.id();
            known.runs.iter().flatten().find(same).cloned()
        };
        let find = |table: &Table| before(table).unwrap_or_else(|| Arc::new(Found::new(table.clone())));
        let runs = newest.iter_levels().flat_map(|level| level.iter());
        let runs = runs.map(|run| run.iter().map(find).collect()).collect();
        *self.0.runs.write() = Arc::new(Runs { version: Some(newest.id()), runs });
        // Whoever lets go of a table last deletes its file, and that should not be somebody who reads.
        while Arc::strong_count(&known) > 1 {
            std::thread::yield_now();
        }
        true
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &[u8]) -> lsm_tree::Result<Option<Slice>> {
        let runs = self.0.runs.read().clone();
        let hash = Bloom::get_hash(key);
        for run in &runs.runs {
            let at = run.partition_point(|found| *found.last < *key);
            let Some(found) = run.get(at).filter(|found| *found.first <= *key) else { continue };
            let entry = match &found.parts {
                Some(parts) => parts.get(key, hash, found.table.metadata.data_block_compression)?,
                None => found.table.get(key, SeqNo::MAX, hash)?,
            };
            if let Some(entry) = entry {
                return Ok((!entry.is_tombstone()).then_some(entry.value));
            }
        }
        Ok(None)
    }

    /// Bytes of memory that the lists of blocks take, and those filters that fjall does not keep.
    pub(super) fn resident(&self) -> usize {
        let runs = self.0.runs.read().clone();
        let parts = runs.runs.iter().flatten().filter_map(|found| Some((&found.table, found.parts.as_ref()?)));
        parts.map(|(table, parts)| parts.resident() - table.pinned_filter_size()).sum()
    }
}

impl Found {
    fn new(table: Table) -> Found {
        // What cannot be read is told by fjall, to whom asks for a row in it.
        let parts = Parts::read(&table).ok().flatten();
        let range = &table.metadata.key_range;
        Found { first: range.min().clone(), last: range.max().clone(), parts, table }
    }
}

/// What finds a row in a table.
struct Parts {
    file: OpenFile,
    filter: Option<FilterBlock>,
    index: Index,
}

impl Parts {
    /// `None`: the table is of a kind that only fjall reads, or there are too many files.
    fn read(table: &Table) -> lsm_tree::Result<Option<Parts>> {
        // An index or a filter in parts, which tables of earlier versions may have.
        if table.regions.index.is_some() || table.regions.filter_tli.is_some() {
            return Ok(None);
        }
        let Some(file) = OpenFile::open(table)? else { return Ok(None) };
        let filter = match (&table.pinned_filter_block, table.regions.filter) {
            (Some(kept), _) => Some(kept.clone()),
            (None, Some(at)) => Some(FilterBlock::new(block(&file.0, at, BlockType::Filter, CompressionType::None)?)),
            (None, None) => None,
        };
        let index = block(&file.0, table.regions.tli, BlockType::Index, table.metadata.index_block_compression)?;
        Ok(Index::new(&IndexBlock::new(index)).map(|index| Parts { file, filter, index }))
    }

    fn get(
        &self,
        key: &[u8],
        hash: u64,
        compression: CompressionType,
    ) -> lsm_tree::Result<Option<lsm_tree::InternalValue>> {
        if let Some(filter) = &self.filter
            && !filter.maybe_contains_hash(hash)?
        {
            return Ok(None);
        }
        // Versions of a key may go on in the next block, but the newest is where the key begins.
        let Some(at) = self.index.find(key) else { return Ok(None) };
        Ok(DataBlock::new(block(&self.file.0, at, BlockType::Data, compression)?).point_read(key, SeqNo::MAX))
    }

    fn resident(&self) -> usize {
        self.index.resident() + self.filter.as_ref().map_or(0, FilterBlock::size)
    }
}

/// A file, counted.
struct OpenFile(File);

impl OpenFile {
    fn open(table: &Table) -> lsm_tree::Result<Option<OpenFile>> {
        if OPEN.fetch_add(1, Ordering::Relaxed) >= FILES {
            OPEN.fetch_sub(1, Ordering::Relaxed);
            return Ok(None);
        }
        match open(&table.path) {
            Ok(file) => Ok(Some(OpenFile(file))),
            Err(error) => {
                OPEN.fetch_sub(1, Ordering::Relaxed);
                Err(error.into())
            }
        }
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A file whose reads write nothing. To note when a new file was read first, the file system would wait for its journal, as commits do.
fn open(path: &Path) -> io::Result<File> {
    let quiet = File::options().read(true).custom_flags(libc::O_NOATIME).open(path);
    // Only the owner may ask for it.
    quiet.or_else(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => File::open(path),
        _ => Err(error),
    })
}

fn block(file: &File, at: BlockHandle, kind: BlockType, compression: CompressionType) -> lsm_tree::Result<Block> {
    let block = Block::from_file(file, at, compression)?;
    match block.header.block_type == kind {
        true => Ok(block),
        false => Err(lsm_tree::Error::InvalidTag(("BlockType", block.header.block_type.into()))),
    }
}

/// The last key of each block of a table, and where the blocks are.
struct Index {
    /// Bytes that all keys begin with.
    common: usize,
    /// The eight bytes behind those, as numbers that are in order as the keys are: most searches need no more.
    heads: Box<[u64]>,
    /// Every sixteenth of them: few enough to stay in the processor's caches.
    steps: Box<[u64]>,
    /// The keys, one behind the other, and where each of them ends.
    keys: Box<[u8]>,
    ends: Box<[u32]>,
    /// Where each block begins and how long it is.
    blocks: Box<[(u32, u32)]>,
}

/// Blocks between two of [`Index::steps`]: their heads are two of the processor's cache lines.
const STEP: usize = 16;

impl Index {
    /// `None`: the table is too large for the numbers used here.
    fn new(block: &IndexBlock) -> Option<Index> {
        let bytes = block.as_slice();
        let (mut keys, mut ends, mut blocks) = (Vec::new(), Vec::new(), Vec::new());
        for entry in block.iter() {
            // The entries of such an index are whole, never cut behind what they share.
            if entry.prefix.is_some() {
                return None;
            }
            keys.extend_from_slice(bytes.get(entry.end_key.0..entry.end_key.1)?);
            ends.push(u32::try_from(keys.len()).ok()?);
            blocks.push((u32::try_from(*entry.offset).ok()?, entry.size));
        }
        let mut index = Index {
            common: 0,
            heads: Box::default(),
            steps: Box::default(),
            keys: keys.into(),
            ends: ends.into(),
            blocks: blocks.into(),
        };
        let (first, last) = (index.key(0), index.key(index.ends.len().checked_sub(1)?));
        index.common = first.iter().zip(last).take_while(|(a, b)| a == b).count();
        let heads = (0..index.ends.len()).map(|at| head(index.key(at).get(index.common..).unwrap_or_default()));
        index.heads = heads.collect();
        index.steps = index.heads.iter().copied().step_by(STEP).collect();
        Some(index)
    }

    fn key(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| *end as usize);
        let end = self.ends.get(at).map_or(start, |end| *end as usize);
        self.keys.get(start..end).unwrap_or_default()
    }

    /// The first block whose last key is not below `key`.
    fn find(&self, key: &[u8]) -> Option<BlockHandle> {
        let shared = self.keys.get(..self.common).unwrap_or_default();
        let at = match key.get(..self.common.min(key.len())).unwrap_or_default().cmp(shared) {
            // The first block may begin with such a key, the index has only its last.
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Greater => return None,
            std::cmp::Ordering::Equal => self.find_by_head(key),
        };
        let (offset, size) = *self.blocks.get(at)?;
        Some(BlockHandle::new(BlockOffset(u64::from(offset)), size))
    }

    fn find_by_head(&self, key: &[u8]) -> usize {
        let head = head(key.get(self.common..).unwrap_or_default());
        let step = self.steps.partition_point(|other| *other < head).saturating_sub(1) * STEP;
        let near = self.heads.get(step..self.heads.len().min(step + STEP)).unwrap_or_default();
        let mut at = step + near.partition_point(|other| *other < head);
        if self.heads.get(at) == Some(&head) {
            // Where the eight bytes do not tell the keys apart, the keys do.
            let mut behind = at + self.heads.get(at..).map_or(0, |rest| rest.partition_point(|other| *other == head));
            while at < behind {
                let middle = at.midpoint(behind);
                match self.key(middle) < key {
                    true => at = middle + 1,
                    false => behind = middle,
                }
            }
        }
        at
    }

    fn resident(&self) -> usize {
        self.keys.len() + self.ends.len() * 20 + self.steps.len() * 8
    }
}

#[cfg(test)]
mod tests;
