//! Looking at the tables on disk for damage, file by file.
//!
//! fjall checks each block when it reads it. It takes the frame of its files on trust, though, such as lengths that tell how much
//! memory to ask for, and it does not say which file is damaged. So the frames are checked before fjall opens them
//! ([`frames`]), and when fjall reports damage all bytes are, to name the file ([`damaged_file`]).
//!
//! ```text
//!   keyspaces/<n>/current      number of the version file (u64), its checksum (u128), 0
//!   keyspaces/<n>/v<number>    archive; its section `tables` lists the tables with their checksums
//!   keyspaces/<n>/tables/<id>  archive
//!   archive   sections, table of contents, trailer: SFA!, 1, 0, checksum (u128) and position (u64) of the table of contents, its
//!             length (u64)
//! ```
//!
//! Integers are little-endian, checksums XXH3. A keyspace that was being deleted when the process ended lacks files, so of
//! those only fjall knows whether they are missed.

use crate::refengine::error::{Error, Result};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

const KEYSPACES: &str = "keyspaces";
const TRAILER: usize = 38;
const TRAILER_MAGIC: &[u8] = b"SFA!\x01\x00";
const TOC_MAGIC: &[u8] = b"TOC!";

/// What is wrong with a file; `None`: nothing.
type Finding = io::Result<Option<PathBuf>>;

/// Checks the frames of all files of a storage, if there is one. [`Error::Corrupt`] names the first file that is damaged, or
/// missing among those that fjall would make anew.
pub(super) fn frames(dir: &Path) -> Result<()> {
    let failed = |e: io::Error| Error::Storage(format!("cannot read {}: {e}", dir.display()));
    let Some(entries) = existing(std::fs::read_dir(dir)).map_err(failed)? else { return Ok(()) };
    let names: Vec<_> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    if names.is_empty() {
        return Ok(());
    }
    for needed in ["version", KEYSPACES, ".jnl"] {
        if !names.iter().any(|name| name == needed || (needed == ".jnl" && name.ends_with(needed))) {
            return Err(Error::Corrupt(format!("{}/{needed} is missing", dir.display())));
        }
    }
    match in_all(dir, false).map_err(failed)? {
        Some(file) => Err(Error::Corrupt(format!("the file {} is damaged", file.display()))),
        None => Ok(()),
    }
}

/// Reads every file of an open keyspace. Tables that are merged meanwhile take files away: only what two readings find is damage.
pub(super) fn keyspace(dir: &Path) -> Result<()> {
    let failed = |e: io::Error| Error::Storage(format!("cannot read {}: {e}", dir.display()));
    let mut before = None;
    loop {
        match in_keyspace(dir, true).map_err(failed)? {
            None => return Ok(()),
            Some(file) if before.as_ref() == Some(&file) => {
                return Err(Error::Corrupt(format!("the file {} is damaged", file.display())));
            }
            other => before = other,
        }
    }
}

/// The damaged or missing file below `dir`, a storage's directory or a keyspace's, or `dir` if all files of tables are
/// whole.
fn damaged_file(dir: &Path) -> PathBuf {
    let found = if dir.join(KEYSPACES).is_dir() { in_all(dir, true) } else { in_keyspace(dir, true) };
    found.ok().flatten().unwrap_or_else(|| dir.into())
}

/// Puts the damaged file below `dir` into [`Error::Corrupt`].
pub(crate) fn name_damage(error: Error, dir: &Path) -> Error {
    match error {
        Error::Corrupt(what) => Error::Corrupt(format!("{}: {what}", damaged_file(dir).display())),
        other => other,
    }
}

fn in_all(dir: &Path, whole: bool) -> Finding {
    let Some(entries) = existing(std::fs::read_dir(dir.join(KEYSPACES)))? else { return Ok(None) };
    for entry in entries {
        let found = in_keyspace(&entry?.path(), whole)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn in_keyspace(dir: &Path, whole: bool) -> Finding {
    let current = dir.join("current");
    let Some(bytes) = existing(std::fs::read(&current))? else { return Ok(whole.then_some(current)) };
    let (Some(number), Some(checksum)) = (u64_at(&bytes, 0), u128_at(&bytes, 8)) else { return Ok(Some(current)) };
    let path = dir.join(format!("v{number}"));
    let Some(version) = existing(std::fs::read(&path))? else {
        return Ok(whole.then_some(path));
    };
    if xxh3_128(&version) != checksum {
        return Ok(Some(path));
    }
    let Some(tables) = tables(&version) else { return Ok(Some(path)) };
    for (id, checksum) in tables {
        let path = dir.join("tables").join(id.to_string());
        let Some(mut file) = existing(File::open(&path))? else {
            if whole {
                return Ok(Some(path));
            }
            continue;
        };
        if !has_contents(&file)? || (whole && checksum_of(&mut file)? != checksum) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn existing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Whether the file ends with a whole table of contents.
fn has_contents(file: &File) -> io::Result<bool> {
    let len = file.metadata()?.len();
    let mut trailer = [0; TRAILER];
    let Some(at) = len.checked_sub(TRAILER as u64) else { return Ok(false) };
    file.read_exact_at(&mut trailer, at)?;
    let Some(toc) = u64_at(&trailer, 22).and_then(|from| at.checked_sub(from)).filter(|toc| *toc < 1 << 20) else {
        return Ok(false);
    };
    let mut contents = vec![0; toc as usize];
    file.read_exact_at(&mut contents, at - toc)?;
    Ok(trailer.starts_with(TRAILER_MAGIC)
        && u64_at(&trailer, 30) == Some(toc)
        && contents.starts_with(TOC_MAGIC)
        && u128_at(&trailer, 6) == Some(xxh3_128(&contents)))
}

fn checksum_of(file: &mut File) -> io::Result<u128> {
    let mut hasher = Xxh3::new();
    let mut bytes = vec![0; 1 << 16];
    loop {
        match file.read(&mut bytes)? {
            0 => return Ok(hasher.digest128()),
            n => hasher.update(bytes.get(..n).unwrap_or_default()),
        }
    }
}

/// The tables of a version file that has its checksum: numbers and checksums.
fn tables(version: &[u8]) -> Option<Vec<(u64, u128)>> {
    let toc = version.get(u64_at(version, version.len().checked_sub(TRAILER)? + 22)? as usize..)?;
    let mut at = TOC_MAGIC.len() + 4;
    // Entries: position and length (u64), length of the name (u16), the name.
    let mut list = loop {
        let (position, len) = (u64_at(toc, at)? as usize, u64_at(toc, at + 8)? as usize);
        let name_len = usize::from(u16::from_le_bytes(toc.get(at + 16..at + 18)?.try_into().ok()?));
        if toc.get(at + 18..at + 18 + name_len)? == b"tables" {
            break version.get(position..)?.get(..len)?;
        }
        at += 18 + name_len;
    };
    let mut take = |n: usize| {
        let (taken, rest) = list.split_at_checked(n)?;
        list = rest;
        Some(taken)
    };
    // Levels, runs, tables: number (u64), 0, checksum (u128), sequence number (u64).
    let mut found = Vec::new();
    for _ in 0..take(1)?.first().copied()? {
        for _ in 0..take(1)?.first().copied()? {
            for _ in 0..u32::from_le_bytes(take(4)?.try_into().ok()?) {
                let table = take(33)?;
                found.push((u64_at(table, 0)?, u128_at(table, 9)?));
            }
        }
    }
    Some(found)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn u128_at(bytes: &[u8], at: usize) -> Option<u128> {
    Some(u128::from_le_bytes(bytes.get(at..at + 16)?.try_into().ok()?))
}
