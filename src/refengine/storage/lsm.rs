//! Tables on disk by fjall: a log-structured merge tree per name. Its own journal stays empty, its memory tables too. Single keys are
//! looked for past it (`finder`).

use super::files::sync_dir;
use super::finder::Finder;
use super::tables::Tables;
use super::{Slice, verify};
use crate::refengine::error::{Error, Result, io_error};
use crate::signals::SignalsBlocked;
use fjall::config::{BlockSizePolicy, CompressionPolicy, PartitioningPolicy, PinningPolicy};
use fjall::{AbstractTree, Database, KeyspaceCreateOptions, Readable};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

/// Runs of tables that nobody has merged yet from which a checkpoint waits for fjall's worker: each is one more place to look in, and
/// fjall's list of them ends at 255. How long it waits, for each run from there on and at most: commits may wait for the checkpoint, so one
/// merge that takes long must not hold it up for long, and a worker that stopped must not stop checkpoints, too.
const RUNS: usize = 20;
const FOR_EACH: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct Lsm {
    db: Database,
    /// fjall's worker threads.
    workers: HashSet<i32>,
}

/// See [`Tables::Rows`].
#[derive(Clone)]
pub(super) struct Rows {
    keyspace: fjall::Keyspace,
    pub(super) finder: Finder,
}

/// See [`Tables::Iter`].
pub(super) struct Iter {
    rows: fjall::Keyspace,
    entries: fjall::Iter,
    reverse: bool,
}

impl Tables for Lsm {
    type Rows = Rows;
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

    fn rows(&self, name: &str) -> Result<Rows> {
        // Without filters each look-up of a key that is not there would read every run of the first level.
        let options = || {
            KeyspaceCreateOptions::default()
                .expect_point_read_hits(false)
                // What is read from disk is read for one row: to unpack its block would cost more than to read it.
                .data_block_compression_policy(CompressionPolicy::disabled())
                // Two kilobytes are in less than two pages as a rule: they cost a fifth less to read than four.
                .data_block_size_policy(BlockSizePolicy::all(2048))
                // The finder has the whole index, in a smaller form; fjall, which looks for ranges, reads the parts that it needs.
                .index_block_partitioning_policy(PartitioningPolicy::all(true))
                // A filter that has to be read first would make two reads of one. Filters stay in memory, and the engine counts them.
                // Tables of an earlier version keep what they were made with.
                .filter_block_pinning_policy(PinningPolicy::all(true))
                .filter_block_partitioning_policy(PartitioningPolicy::all(false))
        };
        let is_new = !self.db.keyspace_exists(name);
        let keyspace = self.db.keyspace(name, options).map_err(error)?;
        // fjall syncs what is in the directory of a keyspace, and not that it is there.
        if is_new && let Some(all) = keyspace.path().parent() {
            sync_dir(all).map_err(|e| io_error(&all.display().to_string(), &e))?;
        }
        let rows = Rows { keyspace, finder: Finder::default() };
        Lsm::follow(&rows);
        Ok(rows)
    }

    fn delete(&self, rows: &Rows) -> Result<()> {
        self.db.delete_keyspace(rows.keyspace.clone()).map_err(error)
    }

    fn write(rows: &Rows, entries: impl Iterator<Item = (Slice, Option<Slice>)>) -> Result<()> {
        let too_many = (rows.keyspace.tree.l0_run_count() + 1).saturating_sub(RUNS) as u32;
        let deadline = Instant::now() + PATIENCE.min(FOR_EACH * too_many);
        while rows.keyspace.tree.l0_run_count() >= RUNS && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut ingestion = rows.keyspace.start_ingestion().map_err(error)?;
        for (key, value) in entries {
            match value {
                Some(value) => ingestion.write(key, value),
                None => ingestion.write_tombstone(key),
            }
            .map_err(error)?;
        }
        ingestion.finish().map_err(error)?;
        Lsm::follow(rows);
        Ok(())
    }

    fn follow(rows: &Rows) -> bool {
        rows.finder.follow(&rows.keyspace.tree)
    }

    fn get(rows: &Rows, key: &[u8]) -> Result<Option<Slice>> {
        rows.finder.get(key).map_err(|e| read_error(&rows.keyspace, e.into()))
    }

    fn resident(rows: &Rows) -> u64 {
        let tree = &rows.keyspace.tree;
        (tree.pinned_block_index_size() + tree.pinned_filter_size() + rows.finder.resident()) as u64
    }

    fn extent(rows: &Rows) -> (u64, u64) {
        (rows.keyspace.approximate_len() as u64, rows.keyspace.disk_space())
    }

    fn check(rows: &Rows) -> Result<()> {
        verify::keyspace(rows.keyspace.path())
    }

    fn view(&self) -> fjall::Snapshot {
        self.db.snapshot()
    }

    fn get_in(view: &fjall::Snapshot, rows: &Rows, key: &[u8]) -> Result<Option<Slice>> {
        view.get(&rows.keyspace, key).map_err(|e| read_error(&rows.keyspace, e))
    }

    fn range_in(view: &fjall::Snapshot, rows: &Rows, start: &[u8], end: &[u8], reverse: bool) -> Iter {
        Iter { rows: rows.keyspace.clone(), entries: view.range(&rows.keyspace, start..end), reverse }
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
