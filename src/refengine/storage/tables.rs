//! The tables on disk: what a checkpoint writes to, and where rows are looked for that are not in memory.
//!
//! One trait, so that what is below can be changed in one file: [`Disk`] says which implementer is used. Whoever implements it
//! needs no log and no transactions of its own. `model` runs a whole storage on it beside a map.

use super::Slice;
use crate::refengine::error::Result;
use std::path::Path;

/// The implementer in use.
pub(super) type Disk = super::lsm::Lsm;

/// Sorted tables of keys and values. Everything may be called from any thread.
///
/// Errors: [`Error::Corrupt`](super::Error::Corrupt) names the file, [`Error::DiskFull`](super::Error::DiskFull) leaves everything as it was,
/// [`Error::Storage`](super::Error::Storage) is any other failure of the system.
pub(super) trait Tables: Sized + Send + Sync {
    /// A handle to the rows of one name. Clones are the same.
    type Rows: Clone + Send + Sync;
    /// All tables as they were at one moment.
    type View: Send + Sync;
    /// Entries in order. May end after an error.
    type Iter: Iterator<Item = Result<(Slice, Slice)>>;

    /// Opens or creates the tables in `dir`. `cache`: bytes of memory for what is read from disk.
    /// [`Error::Locked`](super::Error::Locked): another process has them.
    fn open(dir: &Path, cache: u64) -> Result<Self>;

    /// The names that have rows, in no order.
    fn names(&self) -> Vec<String>;

    /// Opens or creates the rows of a name; they are there after a crash once this has returned.
    fn rows(&self, name: &str) -> Result<Self::Rows>;

    /// Deletes the rows of a name. Handles and views that have them may go on; the files go with the last one.
    fn delete(&self, rows: &Self::Rows) -> Result<()>;

    /// Takes in entries in ascending order of their keys, without a key twice; `None` deletes. All of them or none are visible, and on
    /// disk, when this returns.
    fn write(rows: &Self::Rows, entries: impl Iterator<Item = (Slice, Option<Slice>)>) -> Result<()>;

    /// Lets go of files that were merged into others since. To be called from time to time, by a thread that may wait for the disk.
    /// `true`: there were some.
    fn follow(rows: &Self::Rows) -> bool;

    /// The value of a key.
    fn get(rows: &Self::Rows, key: &[u8]) -> Result<Option<Slice>>;

    /// Bytes of memory that stay taken to find these rows: indexes and filters. It grows with the rows.
    fn resident(rows: &Self::Rows) -> u64;

    /// About how many entries are on disk, those that later ones replace or delete included, and the bytes of their files.
    fn extent(rows: &Self::Rows) -> (u64, u64);

    /// Reads every file of the rows against its checksum.
    fn check(rows: &Self::Rows) -> Result<()>;

    /// Everything as it is now.
    fn view(&self) -> Self::View;

    /// The value of a key in a view.
    fn get_in(view: &Self::View, rows: &Self::Rows, key: &[u8]) -> Result<Option<Slice>>;

    /// The entries of a view with `start <= key < end`, from the far end if `reverse`; `start <= end`.
    fn range_in(view: &Self::View, rows: &Self::Rows, start: &[u8], end: &[u8], reverse: bool) -> Self::Iter;

    /// Tells, once all handles have been dropped, whether the threads behind them have ended.
    fn ended(&self) -> Box<dyn Fn() -> bool + Send>;
}
