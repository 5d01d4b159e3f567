//! Single keys in fjall's tables, found past its caches and locks.
//!
//! fjall looks a key up under the lock of its list of tables, which whoever changes the list holds while files are synced; it searches an
//! index of entries of all lengths, asks a cache for the block, and puts the block there, from where nobody takes it again when there are
//! more rows than memory. Here a list of tables is kept until it is known that there is a newer one, indexes and
//! filters are laid out for this (`places`, `filter`), and a block is read and forgotten (`block`). Their forms and checksums stay fjall's.
//!
//! An older list shows the rows as they were: its tables do not change, and their files are there as long as somebody has them. Whoever
//! adds tables has to call [`Finder::follow`] before anybody may count on finding what is in them.

mod block;
mod filter;
mod places;

use super::Slice;
use crate::refengine::prefetch::prefetch;
use block::Entry;
use filter::{Beginning, Filter, Hashes};
use fjall::AbstractTree;
use lsm_tree::table::block::BlockType;
use lsm_tree::table::{BlockHandle, BlockOffset, IndexBlock};
use lsm_tree::{CompressionType, SeqNo, Table};
use parking_lot::{Mutex, RwLock};
use places::Places;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Files that may be open at a time, of all keyspaces together. Tables beyond them are left to fjall.
const FILES: usize = 256;
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// Runs whose filters are looked at before anything is decided.
const AT_ONCE: usize = 8;

/// The tables of a keyspace. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Finder(Arc<Shared>);

#[derive(Default)]
struct Shared {
    runs: RwLock<Arc<Runs>>,
    /// Held by who makes a newer list.
    following: Mutex<()>,
}

/// Runs of tables, the newest first.
#[derive(Default)]
struct Runs {
    /// The number that fjall gave this list. `None`: it is none of fjall's.
    version: Option<u64>,
    runs: Vec<Run>,
}

/// Tables that are in order and do not overlap.
struct Run {
    /// The last key of each. `None`: they are too many bytes, so that each is looked in.
    lasts: Option<Places>,
    tables: Vec<Arc<Found>>,
}

struct Found {
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
        let runs = newest.iter_levels().flat_map(|level| level.iter());
        let runs = runs.map(|run| Run::new(run.iter().map(|table| known.found(table)).collect())).collect();
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
        let hash = Hashes::of(key);
        let hashes = Hashes::new(hash);
        for runs in runs.runs.chunks(AT_ONCE) {
            // The memory of all filters is waited for together, and that of the index of the last run, which has most of the rows, with them.
            let mut looks = [None; AT_ONCE];
            for (look, run) in looks.iter_mut().zip(runs) {
                *look = run.table_of(key).map(|found| (found, found.begin(&hashes)));
            }
            let last = looks.get(runs.len() - 1).copied().flatten().and_then(|(found, _)| found.parts.as_ref());
            let last_at = last.and_then(|parts| parts.ask(&hashes, key));
            for (n, (found, beginning)) in (1..).zip(looks).filter_map(|(n, look)| Some((n, look?))) {
                let entry = match &found.parts {
                    Some(parts) if parts.may_have(beginning, &hashes) => {
                        let at = if n == runs.len() { last_at } else { parts.index.find(key) };
                        let compression = found.table.metadata.data_block_compression;
                        // Versions of a key may go on in the next block, but the newest is where the key begins.
                        at.map_or(Ok(None), |at| block::find(&parts.file.0, at, key, compression))?
                    }
                    Some(_) => None,
                    None => found.table.get(key, SeqNo::MAX, hash)?.map(Entry::from),
                };
                match entry {
                    Some(Entry::Value(value)) => return Ok(Some(value)),
                    Some(Entry::Deleted) => return Ok(None),
                    None => {}
                }
            }
        }
        Ok(None)
    }

    /// Bytes of memory that indexes and filters take.
    pub(super) fn resident(&self) -> usize {
        let runs = self.0.runs.read().clone();
        let tables = runs.runs.iter().flat_map(|run| &run.tables);
        tables.filter_map(|found| found.parts.as_ref()).map(Parts::resident).sum()
    }
}

impl Runs {
    /// A table as it is known, or else made known.
    fn found(&self, table: &Table) -> Arc<Found> {
        let same = |found: &&Arc<Found>| found.table.id() == table.id();
        let known = self.runs.iter().flat_map(|run| &run.tables).find(same).cloned();
        known.unwrap_or_else(|| Arc::new(Found::new(table.clone())))
    }
}

impl Run {
    fn new(tables: Vec<Arc<Found>>) -> Run {
        let lasts: Vec<_> = tables.iter().map(|found| &**found.table.metadata.key_range.max()).collect();
        let lasts = Places::new(&lasts);
        Run { lasts, tables }
    }

    /// The only table that may have a key.
    #[inline]
    fn table_of(&self, key: &[u8]) -> Option<&Found> {
        let at = match &self.lasts {
            Some(lasts) => lasts.find(key, |_| {}),
            None => self.tables.partition_point(|found| **found.table.metadata.key_range.max() < *key),
        };
        self.tables.get(at).map(|found| &**found)
    }
}

impl Found {
    fn new(table: Table) -> Found {
        // What cannot be read is told by fjall, to whom asks for a row in it.
        let parts = Parts::read(&table).ok().flatten();
        Found { parts, table }
    }

    #[inline]
    fn begin(&self, key: &Hashes) -> Beginning {
        let filter = self.parts.as_ref().and_then(|parts| parts.filter.as_ref());
        filter.map(|filter| filter.begin(key)).unwrap_or_default()
    }
}

/// What finds a row in a table.
struct Parts {
    file: OpenFile,
    filter: Option<Filter>,
    index: Index,
}

impl Parts {
    /// `None`: the table is of a kind that only fjall reads, or there are too many files.
    fn read(table: &Table) -> lsm_tree::Result<Option<Parts>> {
        // A filter in parts, which tables of earlier versions may have.
        if table.regions.filter_tli.is_some() {
            return Ok(None);
        }
        let Some(file) = OpenFile::open(table)? else { return Ok(None) };
        let filter = match table.regions.filter {
            Some(at) => {
                let block = block::read(&file.0, at, BlockType::Filter, CompressionType::None)?;
                let Some(filter) = Filter::new(block.data) else { return Ok(None) };
                Some(filter)
            }
            None => None,
        };
        Ok(Index::read(&file.0, table)?.map(|index| Parts { file, filter, index }))
    }

    /// Asks for what is left of the filter's memory, and says which block may have the key.
    #[inline]
    fn ask(&self, hashes: &Hashes, key: &[u8]) -> Option<BlockHandle> {
        if let Some(filter) = &self.filter {
            filter.ask(hashes);
        }
        self.index.find(key)
    }

    #[inline]
    fn may_have(&self, beginning: Beginning, key: &Hashes) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.may_have(beginning, key))
    }

    fn resident(&self) -> usize {
        self.index.resident() + self.filter.as_ref().map_or(0, Filter::resident)
    }
}

/// The last key of each block of a table, and where the blocks are.
struct Index {
    lasts: Places,
    /// Where each block begins, and the last one's end: they lie one behind the other.
    starts: Box<[u32]>,
}

impl Index {
    /// `None`: the table is not as this expects.
    fn read(file: &File, table: &Table) -> lsm_tree::Result<Option<Index>> {
        let read = |at| {
            let block = block::read(file, at, BlockType::Index, table.metadata.index_block_compression)?;
            Ok::<_, lsm_tree::Error>(IndexBlock::new(block))
        };
        let mut blocks = vec![read(table.regions.tli)?];
        if table.regions.index.is_some() {
            // An index in parts: this is one of them.
            let parts =
                blocks.iter().flat_map(IndexBlock::iter).map(|part| read(BlockHandle::new(part.offset, part.size)));
            blocks = parts.collect::<Result<_, _>>()?;
        }
        Ok(Index::new(&blocks))
    }

    fn new(blocks: &[IndexBlock]) -> Option<Index> {
        let (mut starts, mut lasts, mut end) = (Vec::new(), Vec::new(), None);
        for (bytes, entry) in blocks.iter().flat_map(|block| block.iter().map(|entry| (block.as_slice(), entry))) {
            let start = u32::try_from(*entry.offset).ok()?;
            // The entries of such an index are whole, never cut behind what they share.
            if entry.prefix.is_some() || end.is_some_and(|end| end != start) {
                return None;
            }
            starts.push(start);
            lasts.push(bytes.get(entry.end_key.0..entry.end_key.1)?);
            end = Some(start.checked_add(entry.size)?);
        }
        starts.push(end?);
        Some(Index { lasts: Places::new(&lasts)?, starts: starts.into() })
    }

    /// The first block whose last key is not below `key`.
    #[inline]
    fn find(&self, key: &[u8]) -> Option<BlockHandle> {
        let at = self.lasts.find(key, |near| prefetch(&self.starts, near));
        let [start, end] = *self.starts.get(at..)?.first_chunk()?;
        Some(BlockHandle::new(BlockOffset(start.into()), end - start))
    }

    fn resident(&self) -> usize {
        self.lasts.resident() + self.starts.len() * 4
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

#[cfg(test)]
mod tests;
