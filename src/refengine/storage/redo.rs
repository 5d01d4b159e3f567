//! The redo log: every commit that is not in the tables on disk yet, in files that are only appended to.
//!
//! The files are `<number>.redo` in a directory of their own. A checkpoint begins with a new file and ends with the deletion of those
//! before it.
//!
//! ```text
//!   file    magic (8 bytes), number (u64), position of its first record (u64), checksum of these (u64), records (`record`)
//! ```
//!
//! Integers are little-endian. A *position* counts the bytes of all records ever written and tells how far a sync came. By it `replay`
//! knows the torn end of a log, which nobody was promised, from damage in front of something that was.
//!
//! The file that comes next is made ahead of time, of zeroes, and is on disk with its name before it is needed: so a commit that begins a
//! checkpoint only writes a header, which reaches the disk together with the first record that is promised to anybody. `replay` deletes a
//! file of nothing but zeroes at the end of the log.
//!
//! A clean end leaves no log, and a file `closed` instead: a log that is missing without it is missed.
//!
//! Space is written with zeroes ahead of the records, so that a sync has only data to write and not the file's size, and so that a full
//! disk is met before the first byte of a record is written.
//!
//! Threads: one commit appends at a time; a sync runs beside it, and so does the checkpoint's thread that makes the next file.

use super::files::{self, sync_dir};
use super::record::checksum;
use super::sync_times::SyncTimes;
use crate::refengine::permissions;
use parking_lot::Mutex;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

pub(super) const MAGIC: [u8; 8] = *b"RE-REDO1";
pub(super) const FILE_HEADER: usize = 32;
const CLOSED: &str = "closed";
/// Zeroes that are written ahead at once.
const AHEAD: u64 = 1 << 20;
/// Most bytes that wait in memory at level 0.
const BUFFERED: usize = 256 << 10;

/// What became of records that were to be written.
pub(super) enum Failure {
    /// There is no room; nothing was written.
    Refused(io::Error),
    /// Nobody knows what was written.
    Unknown(io::Error),
}

/// See the module.
pub(super) struct Redo {
    dir: PathBuf,
    writer: Mutex<Writer>,
    /// Held by who syncs; the system's number of the error if a sync failed. After that no other one may say that it succeeded: what was
    /// not written then is not written by it either.
    syncing: Mutex<Option<i32>>,
    /// The file that comes next, if it was made. Locked before the writer, and as long as a file is being made: two that make the same one
    /// would empty it for each other.
    next: Mutex<Option<File>>,
    /// Everything before this position is on disk.
    synced: AtomicU64,
    /// How long syncs took.
    times: SyncTimes,
}

struct Writer {
    file: Arc<File>,
    number: u64,
    /// Where the next record goes in the file.
    offset: u64,
    /// Bytes of the file that have been written, with zeroes behind the records.
    ahead: u64,
    /// Position of the next record.
    position: u64,
    /// Records that are not written yet.
    buffer: Vec<u8>,
    /// Earlier files that may have something that is not synced.
    unsynced: Vec<Arc<File>>,
}

pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}.redo"))
}

/// Numbers of the files in a directory, sorted.
pub(super) fn numbers(dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".redo")?.parse::<u64>().ok());
        // No other name leads back to the file, and there is a number behind each.
        numbers.extend(number.filter(|number| *number < u64::MAX && path(dir, *number).file_name() == Some(&name)));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Whether the storage was closed and not opened since, so that there may be no log.
pub(super) fn is_closed(dir: &Path) -> io::Result<bool> {
    dir.join(CLOSED).try_exists()
}

/// Says that there may be no log from here on.
pub(super) fn close(dir: &Path) -> io::Result<()> {
    permissions::file().truncate(true).open(dir.join(CLOSED))?;
    sync_dir(dir)
}

/// Takes [`close`] back; there is a log now.
pub(super) fn reopen(dir: &Path) -> io::Result<()> {
    match std::fs::remove_file(dir.join(CLOSED)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.and_then(|()| sync_dir(dir)),
    }
}

pub(super) fn file_header(number: u64, position: u64) -> [u8; FILE_HEADER] {
    let mut header = [0; FILE_HEADER];
    header[..8].copy_from_slice(&MAGIC);
    header[8..16].copy_from_slice(&number.to_le_bytes());
    header[16..24].copy_from_slice(&position.to_le_bytes());
    let checksum = checksum(&header[..24], &[]);
    header[24..].copy_from_slice(&checksum.to_le_bytes());
    header
}

/// A new file, with what `write` writes to it. It is on disk then, and so is its name.
fn create(dir: &Path, number: u64, write: impl FnOnce(&File) -> io::Result<()>) -> io::Result<File> {
    let path = path(dir, number);
    let file = permissions::file().truncate(true).open(&path)?;
    if let Err(error) = write(&file).and_then(|()| file.sync_all()).and_then(|()| sync_dir(dir)) {
        // What is there of it would be in the way of the next attempt and of `replay`.
        let _ = std::fs::remove_file(path);
        return Err(error);
    }
    Ok(file)
}

/// A new file that begins at a position, without a record.
fn create_begun(dir: &Path, number: u64, position: u64) -> io::Result<File> {
    create(dir, number, |file| file.write_all_at(&file_header(number, position), 0))
}

/// The file that comes next, without a header, but with room for the first records.
fn create_ahead(dir: &Path, number: u64) -> io::Result<File> {
    create(dir, number, |file| write_zeroes(file, 0, AHEAD))
}

fn write_zeroes(file: &File, from: u64, to: u64) -> io::Result<()> {
    static ZEROES: [u8; 64 << 10] = [0; 64 << 10];
    let mut at = from;
    while at < to {
        let step = (to - at).min(ZEROES.len() as u64);
        file.write_all_at(ZEROES.get(..step as usize).unwrap_or(&ZEROES), at)?;
        at += step;
    }
    Ok(())
}

impl Redo {
    /// Begins a new file in `dir`, which exists, behind everything that is there.
    pub(super) fn begin(dir: &Path, number: u64, position: u64) -> io::Result<Redo> {
        let file = Arc::new(create_begun(dir, number, position)?);
        let offset = FILE_HEADER as u64;
        let buffer = Vec::new();
        let writer = Writer { file, number, offset, ahead: offset, position, buffer, unsynced: Vec::new() };
        let synced = AtomicU64::new(position);
        let (writer, syncing, next) = (Mutex::new(writer), Mutex::default(), Mutex::default());
        Ok(Redo { dir: dir.into(), writer, syncing, next, synced, times: SyncTimes::default() })
    }

    /// A position before which everything is on disk.
    pub(super) fn synced(&self) -> u64 {
        self.synced.load(Ordering::Relaxed)
    }

    pub(super) fn sync_times(&self) -> &SyncTimes {
        &self.times
    }

    /// Where the next record will begin, of all that were ever written.
    pub(super) fn position(&self) -> u64 {
        self.writer.lock().position
    }

    /// Bytes in the file that is written to.
    pub(super) fn len(&self) -> u64 {
        self.writer.lock().offset
    }

    /// Number of the file that is written to.
    pub(super) fn number(&self) -> u64 {
        self.writer.lock().number
    }

    /// Appends records. With `now` they are with the operating system when this returns, otherwise perhaps only in memory.
    pub(super) fn append(&self, records: &[u8], now: bool) -> std::result::Result<(), Failure> {
        let mut writer = self.writer.lock();
        writer.extend(records.len() as u64).map_err(Failure::Refused)?;
        writer.position += records.len() as u64;
        if !now && writer.buffer.len() + records.len() <= BUFFERED {
            writer.buffer.extend_from_slice(records);
            return Ok(());
        }
        writer.write(records).map_err(Failure::Unknown)
    }

    /// Brings everything that was appended before to the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        let mut failed = self.syncing.lock();
        if let Some(error) = *failed {
            return Err(io::Error::from_raw_os_error(error));
        }
        let mut writer = self.writer.lock();
        writer.write(&[])?;
        let position = writer.position;
        let (file, earlier) = (writer.file.clone(), writer.unsynced.clone());
        // Commits go on meanwhile.
        drop(writer);
        let begun = Instant::now();
        let synced = earlier.iter().chain([&file]).try_for_each(|file| file.sync_data());
        *failed = synced.as_ref().err().map(|error| error.raw_os_error().unwrap_or(libc::EIO));
        synced?;
        self.times.add(begun.elapsed());
        if !earlier.is_empty() {
            let synced = |file: &Arc<File>| earlier.iter().any(|earlier| Arc::ptr_eq(earlier, file));
            // Not sooner: another sync must not overtake this one.
            self.writer.lock().unsynced.retain(|file| !synced(file));
        }
        self.synced.fetch_max(position, Ordering::Relaxed);
        Ok(())
    }

    /// Bytes that are free where the log is, as far as that is known.
    pub(super) fn space(&self) -> u64 {
        files::space(&self.dir).unwrap_or(u64::MAX)
    }

    /// See [`close`]. The next file, which will not be needed, is deleted.
    pub(super) fn close(&self) -> io::Result<()> {
        if self.next.lock().take().is_some() {
            std::fs::remove_file(path(&self.dir, self.number() + 1))?;
        }
        close(&self.dir)
    }

    /// Makes the next file, unless it is there. Where that fails, [`Redo::rotate`] will say so.
    pub(super) fn prepare(&self) {
        let mut next = self.next.lock();
        if next.is_none() {
            *next = create_ahead(&self.dir, self.number() + 1).ok();
        }
    }

    /// Goes on in a new file; returns the number of the one before. Nobody appends meanwhile.
    pub(super) fn rotate(&self) -> std::result::Result<u64, Failure> {
        let mut next = self.next.lock();
        let mut writer = self.writer.lock();
        writer.write(&[]).map_err(Failure::Unknown)?;
        let (before, position) = (writer.number, writer.position);
        let (file, ahead) = match next.take() {
            Some(file) => {
                file.write_all_at(&file_header(before + 1, position), 0).map_err(Failure::Refused)?;
                (file, AHEAD)
            }
            None => (create_begun(&self.dir, before + 1, position).map_err(Failure::Refused)?, FILE_HEADER as u64),
        };
        let ended = std::mem::replace(&mut writer.file, Arc::new(file));
        writer.unsynced.push(ended);
        (writer.number, writer.offset, writer.ahead) = (before + 1, FILE_HEADER as u64, ahead);
        Ok(before)
    }

    /// Deletes the files up to this number, the oldest first.
    pub(super) fn forget(&self, last: u64) -> io::Result<()> {
        for number in numbers(&self.dir)?.into_iter().filter(|number| *number <= last) {
            std::fs::remove_file(path(&self.dir, number))?;
            sync_dir(&self.dir)?;
        }
        Ok(())
    }
}

impl Writer {
    /// Makes room for `len` bytes behind what waits in memory.
    fn extend(&mut self, len: u64) -> io::Result<()> {
        let needed = self.offset + self.buffer.len() as u64 + len;
        if needed <= self.ahead {
            return Ok(());
        }
        let target = needed.next_multiple_of(AHEAD);
        write_zeroes(&self.file, self.ahead, target)?;
        self.ahead = target;
        Ok(())
    }

    /// Writes what waits in memory, and `records` behind it.
    fn write(&mut self, records: &[u8]) -> io::Result<()> {
        for records in [&*self.buffer, records] {
            if !records.is_empty() {
                self.file.write_all_at(records, self.offset)?;
                self.offset += records.len() as u64;
            }
        }
        self.buffer.clear();
        Ok(())
    }
}
