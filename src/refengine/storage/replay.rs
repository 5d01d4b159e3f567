//! Reading the redo log when the storage opens, and what to make of its end.
//!
//! Records are good up to the first that is not whole. What comes behind it was never promised to anybody, and is cut off,
//! unless a later record says that a sync had come further: then the log is damaged, and the storage does not open.

use super::files::sync_dir;
use super::record::{self, RECORD, RECORD_HEADER};
use super::redo::{self, FILE_HEADER, MAGIC};
use crate::refengine::error::{Error, Result};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// Where the log goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Number of the next file.
    pub(super) number: u64,
    /// Position of the next record.
    pub(super) position: u64,
}

/// A record's header that may be one, and its body.
struct Record<'a> {
    synced: u64,
    body: &'a [u8],
    /// Bytes up to the next record.
    len: usize,
}

/// The record at the start of `bytes`, if a whole one is there.
fn record(bytes: &[u8]) -> Option<Record<'_>> {
    let (header, rest) = bytes.split_at_checked(RECORD_HEADER)?;
    let field = |at: usize| header.get(at..at + 4).and_then(|b| Some(u32::from_le_bytes(b.try_into().ok()?)));
    let wide = |at: usize| header.get(at..at + 8).and_then(|b| Some(u64::from_le_bytes(b.try_into().ok()?)));
    if field(4)? != RECORD {
        return None;
    }
    let body = rest.get(..field(0)? as usize)?;
    let whole = record::checksum(header.get(..16)?, body) == wide(16)?;
    let len = record::padded(RECORD_HEADER + body.len());
    whole.then_some(Record { synced: wide(8)?, body, len })
}

/// The position of a file's first record; `None`: the file has no whole header.
fn start(bytes: &[u8], number: u64) -> Option<u64> {
    let header = bytes.get(..FILE_HEADER)?;
    let position = u64::from_le_bytes(header.get(16..24)?.try_into().ok()?);
    (header.starts_with(&MAGIC) && *header == redo::file_header(number, position)).then_some(position)
}

/// Whether a record anywhere in `bytes` says that the log was on disk beyond `position`.
fn promises(bytes: &[u8], position: u64) -> bool {
    let magic = RECORD.to_le_bytes();
    let mut rest = bytes;
    // Records begin at multiples of 8.
    while rest.len() >= RECORD_HEADER {
        if rest.get(4..8) == Some(&magic) && record(rest).is_some_and(|record| record.synced > position) {
            return true;
        }
        rest = rest.get(8..).unwrap_or_default();
    }
    false
}

/// Refuses a log without its beginning.
pub(super) fn require_start(dir: &Path) -> Result<()> {
    let failed = |e: io::Error| Error::Storage(format!("cannot read the redo log in {}: {e}", dir.display()));
    let Some(first) = redo::numbers(dir).map_err(failed)?.first().copied() else {
        return Err(Error::Corrupt(format!("the redo log in {} is missing", dir.display())));
    };
    let path = redo::path(dir, first);
    let mut header = Vec::new();
    File::open(&path).and_then(|f| f.take(FILE_HEADER as u64).read_to_end(&mut header)).map_err(failed)?;
    match start(&header, first) {
        Some(_) => Ok(()),
        None => Err(Error::Corrupt(format!("the redo log {} is damaged at byte 0", path.display()))),
    }
}

/// Calls `f` with every change that the log in `dir` holds, oldest first, and cuts off what is behind the last whole record.
///
/// # Errors
/// [`Error::Corrupt`] names the damaged file; those of `f`; [`Error::Storage`].
pub(super) fn replay(dir: &Path, mut f: impl FnMut(&str, &[u8], Option<&[u8]>) -> Result<()>) -> Result<End> {
    let failed = |e: io::Error| Error::Storage(format!("cannot read the redo log in {}: {e}", dir.display()));
    let mut numbers = redo::numbers(dir).map_err(failed)?;
    // Nothing was written to the file that was made ahead of time.
    while let Some(last) = numbers.pop_if(|last| is_blank(&redo::path(dir, *last)).unwrap_or(false)) {
        std::fs::remove_file(redo::path(dir, last)).and_then(|()| sync_dir(dir)).map_err(failed)?;
    }
    let mut end: Option<u64> = None;
    for (i, number) in numbers.iter().enumerate() {
        let path = redo::path(dir, *number);
        let damaged = |at: usize| Error::Corrupt(format!("the redo log {} is damaged at byte {at}", path.display()));
        let bytes = read(&path).map_err(failed)?;
        let from = start(&bytes, *number);
        let expected = end.or(from);
        let (mut at, mut position) = match (from, expected) {
            (Some(from), Some(expected)) if from == expected => (FILE_HEADER, from),
            // The end of the file before this one is missing, or the header of this one.
            (_, Some(expected)) => (0, expected),
            (_, None) => (0, 0),
        };
        while at > 0
            && let Some(record) = bytes.get(at..).and_then(record)
        {
            record::decode(record.body, &mut f).ok_or_else(|| damaged(at))??;
            position = position.checked_add(record.len as u64).ok_or_else(|| damaged(at))?;
            at += record.len;
        }
        end = Some(position);
        let rest = bytes.get(at..).unwrap_or_default();
        if promises(rest, position) {
            return Err(damaged(at));
        }
        let whole = at > 0 && rest.iter().all(|byte| *byte == 0);
        let later = numbers.get(i + 1..).unwrap_or_default();
        let continues = later.first().is_none_or(|next| {
            std::fs::read(redo::path(dir, *next)).is_ok_and(|bytes| start(&bytes, *next) == Some(position))
        });
        if whole && continues {
            continue;
        }
        for later in later {
            let path = redo::path(dir, *later);
            if promises(&std::fs::read(&path).map_err(failed)?, position) {
                return Err(damaged(at));
            }
        }
        log::warn!(
            "DM2012: refengine: the redo log ends with what no commit was promised; {} is cut there",
            path.display()
        );
        for later in later.iter().rev() {
            std::fs::remove_file(redo::path(dir, *later)).map_err(failed)?;
        }
        match at {
            0 => std::fs::remove_file(&path).map_err(failed)?,
            at => cut(&path, at as u64).map_err(failed)?,
        }
        sync_dir(dir).map_err(failed)?;
        break;
    }
    Ok(End { number: numbers.last().map_or(1, |last| last + 1), position: end.unwrap_or(0) })
}

/// Keyspace, key and value of a change.
#[cfg(any(test, fuzzing))]
pub(crate) type Logged = (String, Vec<u8>, Option<Vec<u8>>);

/// The changes that a log holds.
#[cfg(any(test, fuzzing))]
pub(crate) fn all(dir: &Path) -> Result<Vec<Logged>> {
    let mut changes = Vec::new();
    replay(dir, |name, key, value| {
        changes.push((name.to_owned(), key.to_vec(), value.map(<[u8]>::to_vec)));
        Ok(())
    })?;
    Ok(changes)
}

/// Whether a file is empty or has nothing but zeroes.
fn is_blank(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(FILE_HEADER as u64).read_to_end(&mut start)?;
    // Most files begin with something.
    Ok(start.iter().all(|byte| *byte == 0) && std::fs::read(path)?.iter().all(|byte| *byte == 0))
}

/// The bytes of a file, which are on disk then: what is written behind them says so.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    file.sync_data()?;
    Ok(bytes)
}

fn cut(path: &Path, len: u64) -> io::Result<()> {
    let file: File = OpenOptions::new().write(true).open(path)?;
    file.set_len(len)?;
    file.sync_all()
}
