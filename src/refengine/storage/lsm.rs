//! Tables on disk by fjall: a log-structured merge tree per name. Its own journal stays empty, its memory tables too.

use super::files::sync_dir;
use super::tables::Tables;
use super::{Slice, verify};
use crate::refengine::error::{Error, Result, io_error};
use crate::signals::SignalsBlocked;
use fjall::config::{CompressionPolicy, PartitioningPolicy, PinningPolicy};
use fjall::{AbstractTree, Database, KeyspaceCreateOptions, Readable};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::Path;

/// See the module.
pub(super) struct Lsm {
    db: Database,
    /// fjall's worker threads.
    workers: HashSet<i32>,
}

/// See [`Tables::Iter`].
pub(super) struct Iter {
    rows: fjall::Keyspace,
    entries: fjall::Iter,
    reverse: bool,
}

impl Tables for Lsm {
    type Rows = fjall::Keyspace;
    type View = fjall::Snapshot;
    type Iter = Iter;

    fn open(dir: &Path, cache: u64) -> Result<Lsm> {
        // Threads that appear while nobody else opens tables are these'.
        static OPENING: Mutex<()> = Mutex::new(());
        let _one_at_a_time = OPENING.lock();
        let _signals = SignalsBlocked::new();
        let before = thread_ids();
        verify::frames(dir)?;
        // One worker: with two fjall lets one of them wait actively while the other compacts.
        let db = Database::builder(dir).cache_size(cache).worker_threads(1).open().map_err(|e| match e {
            fjall::Error::Locked => Error::Locked(dir.display().to_string()),
            other => verify::name_damage(error(other), dir),
        })?;
        Ok(Lsm { db, workers: thread_ids().difference(&before).copied().collect() })
    }

    fn names(&self) -> Vec<String> {
        self.db.list_keyspace_names().iter().map(ToString::to_string).collect()
    }

    fn rows(&self, name: &str) -> Result<fjall::Keyspace> {
        // Without filters each look-up of a key that is not there would read every run of the first level.
        let options = || {
            KeyspaceCreateOptions::default()
                .expect_point_read_hits(false)
                // What is read from disk is read for one row: to unpack its block would cost more than to read it.
                .data_block_compression_policy(CompressionPolicy::disabled())
                // An index or a filter that has to be read from disk first makes two reads of one. They stay in memory, and
                // the engine counts them. Tables of an earlier version keep what they were made with.
                .index_block_pinning_policy(PinningPolicy::all(true))
                .filter_block_pinning_policy(PinningPolicy::all(true))
                .index_block_partitioning_policy(PartitioningPolicy::all(false))
                .filter_block_partitioning_policy(PartitioningPolicy::all(false))
        };
        let is_new = !self.db.keyspace_exists(name);
        let rows = self.db.keyspace(name, options).map_err(error)?;
        // fjall syncs what is in the directory of a keyspace, and not that it is there.
        if is_new && let Some(all) = rows.path().parent() {
            sync_dir(all).map_err(|e| io_error(&all.display().to_string(), &e))?;
        }
        Ok(rows)
    }

    fn delete(&self, rows: &fjall::Keyspace) -> Result<()> {
        self.db.delete_keyspace(rows.clone()).map_err(error)
    }

    fn write(rows: &fjall::Keyspace, entries: impl Iterator<Item = (Slice, Option<Slice>)>) -> Result<()> {
        let mut ingestion = rows.start_ingestion().map_err(error)?;
        for (key, value) in entries {
            match value {
                Some(value) => ingestion.write(key, value),
                None => ingestion.write_tombstone(key),
            }
            .map_err(error)?;
        }
        ingestion.finish().map_err(error)
    }

    fn get(rows: &fjall::Keyspace, key: &[u8]) -> Result<Option<Slice>> {
        rows.get(key).map_err(|e| read_error(rows, e))
    }

    fn resident(rows: &fjall::Keyspace) -> u64 {
        (rows.tree.pinned_block_index_size() + rows.tree.pinned_filter_size()) as u64
    }

    fn extent(rows: &fjall::Keyspace) -> (u64, u64) {
        (rows.approximate_len() as u64, rows.disk_space())
    }

    fn check(rows: &fjall::Keyspace) -> Result<()> {
        verify::keyspace(rows.path())
    }

    fn view(&self) -> fjall::Snapshot {
        self.db.snapshot()
    }

    fn get_in(view: &fjall::Snapshot, rows: &fjall::Keyspace, key: &[u8]) -> Result<Option<Slice>> {
        view.get(rows, key).map_err(|e| read_error(rows, e))
    }

    fn range_in(view: &fjall::Snapshot, rows: &fjall::Keyspace, start: &[u8], end: &[u8], reverse: bool) -> Iter {
        Iter { rows: rows.clone(), entries: view.range(rows, start..end), reverse }
    }

    fn ended(&self) -> Box<dyn Fn() -> bool + Send> {
        let workers = self.workers.clone();
        Box::new(move || !workers.iter().any(|id| is_worker(*id)))
    }
}

impl Iterator for Iter {
    type Item = Result<(Slice, Slice)>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = if self.reverse { self.entries.next_back() } else { self.entries.next() };
        next.map(|entry| entry.into_inner().map_err(|e| read_error(&self.rows, e)))
    }
}

#[cold]
fn read_error(rows: &fjall::Keyspace, e: fjall::Error) -> Error {
    verify::name_damage(error(e), rows.path())
}

fn error(error: fjall::Error) -> Error {
    match error {
        fjall::Error::Io(e) | fjall::Error::Storage(fjall::LsmError::Io(e)) => match e.kind() {
            // A file that is there or missing against expectation, or too short.
            ErrorKind::NotFound | ErrorKind::AlreadyExists | ErrorKind::UnexpectedEof => Error::Corrupt(e.to_string()),
            _ => io_error("the tables", &e),
        },
        fjall::Error::Poisoned => Error::Storage("writes stopped after an earlier failure".into()),
        fjall::Error::KeyspaceDeleted | fjall::Error::Locked => Error::Storage(error.to_string()),
        // A checksum, a length or a tag that the storage did not write.
        damage => Error::Corrupt(format!("{damage:?}")),
    }
}

fn thread_ids() -> HashSet<i32> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return HashSet::new() };
    tasks.flatten().filter_map(|task| task.file_name().to_str()?.parse().ok()).collect()
}

fn is_worker(thread: i32) -> bool {
    std::fs::read_to_string(format!("/proc/self/task/{thread}/comm")).is_ok_and(|name| name.trim() == "fjall:worker")
}
