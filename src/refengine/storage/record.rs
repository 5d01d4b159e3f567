//! Records of commits: what a round of them is made of on its way to the redo log, and to the memory table afterwards.
//!
//! A transaction is written once, into the round that is being filled, in the form that the log has. From there its leader writes it to
//! the log and puts it into the memory table, so that what becomes visible is what was logged.
//!
//! ```text
//!   record  length of the body (u32), RECORD (u32), position that was synced when it was written (u64),
//!           checksum of the three and the body (u64), the body, zeroes up to a multiple of 8
//!   body    any number of: length of the keyspace's name (u8), the name, number of changes (u32), the changes
//!   change  length of the key (u16), length of the value + 1 or 0 for a deletion (u32), key, value
//! ```
//!
//! Integers are little-endian.

use super::Slice;
use super::keyspace::{Change, Keyspace};
use super::memtable::{Generation, Sequence};
use super::value::{LARGE, Value};
use crate::refengine::error::{Error, Result};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

pub(super) const RECORD: u32 = 0x6f64_6572;
pub(super) const RECORD_HEADER: usize = 24;
/// The checksum, the last part of it.
const CHECKSUM: usize = 8;
const ALIGN: usize = 8;
/// Memory that is kept for the next round.
const KEPT_BYTES: usize = 1 << 20;
const KEPT_GROUPS: usize = 4096;

/// What is to be committed at once.
pub(crate) trait Changes {
    /// Calls `f` with each change: keyspace, key and new value. Changes of one keyspace should come together.
    fn each(&self, f: impl FnMut(&Keyspace, &[u8], Value<'_>));
}

impl Changes for Vec<Change> {
    fn each(&self, mut f: impl FnMut(&Keyspace, &[u8], Value<'_>)) {
        self.iter().for_each(|change| f(&change.keyspace, &change.key, Value::of(change.value.as_ref())));
    }
}

/// Records of a round, one behind the other.
#[derive(Default)]
pub(super) struct Records {
    bytes: Vec<u8>,
    groups: Vec<Group>,
    /// The values that the memory table shares instead of copying them, in the order in which they are in the records.
    large: Vec<Slice>,
}

/// Changes of a record to one keyspace.
struct Group {
    keyspace: Keyspace,
    /// Where they begin, right behind their number.
    from: usize,
    count: u32,
}

/// A record that is being written.
pub(super) struct Recorder<'a> {
    records: &'a mut Records,
    /// The first of its groups.
    first: usize,
    failed: Option<Error>,
}

impl Records {
    /// What goes to the log.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets everything, and keeps memory for as much as is usual.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
        self.groups.clear();
        self.groups.shrink_to(KEPT_GROUPS);
        self.large.clear();
        self.large.shrink_to(KEPT_GROUPS);
    }

    /// Appends the record of one transaction, whose changes `write` says. `synced`: a position that is known to be on disk.
    /// After an error nothing of it is left.
    pub(super) fn add(&mut self, synced: u64, write: impl FnOnce(&mut Recorder<'_>)) -> Result<()> {
        let (start, first, large) = (self.bytes.len(), self.groups.len(), self.large.len());
        self.bytes.extend_from_slice(&[0; RECORD_HEADER]);
        let mut recorder = Recorder { records: self, first, failed: None };
        write(&mut recorder);
        recorder.end_group();
        let failed = recorder.failed.take();
        let len = u32::try_from(self.bytes.len() - start - RECORD_HEADER);
        let len = match (failed, len) {
            (None, Ok(len)) => len,
            (failed, _) => {
                self.bytes.truncate(start);
                self.groups.truncate(first);
                self.large.truncate(large);
                return Err(failed.unwrap_or(Error::RowTooBig));
            }
        };
        let mut head = [0; RECORD_HEADER - CHECKSUM];
        head[..4].copy_from_slice(&len.to_le_bytes());
        head[4..8].copy_from_slice(&RECORD.to_le_bytes());
        head[8..].copy_from_slice(&synced.to_le_bytes());
        // In one piece with the body it is computed in one go; where it stands in the file the checksum is between them.
        let record = &mut self.bytes[start..];
        record[CHECKSUM..RECORD_HEADER].copy_from_slice(&head);
        let checksum = if cfg!(fuzzing) { 0 } else { xxh3_64(&record[CHECKSUM..]) };
        record[..RECORD_HEADER - CHECKSUM].copy_from_slice(&head);
        record[RECORD_HEADER - CHECKSUM..RECORD_HEADER].copy_from_slice(&checksum.to_le_bytes());
        self.bytes.resize(padded(self.bytes.len()), 0);
        Ok(())
    }

    /// Makes all changes visible at once.
    pub(super) fn apply(&self, sequence: &Sequence, generation: &Generation) {
        let mut large = self.large.iter();
        sequence.apply(generation, |commit| {
            for group in &self.groups {
                let mut rest = self.bytes.get(group.from..).unwrap_or_default();
                let changes = (0..group.count).map_while(|_| change(&mut rest)).map(|(key, value)| {
                    let value = match value {
                        None => Value::Deleted,
                        Some(value) if value.len() >= LARGE => large.next().map_or(Value::Deleted, Value::Large),
                        Some(value) => Value::Small(value),
                    };
                    (key, value)
                });
                commit.put(&group.keyspace.active(), changes);
            }
        });
    }
}

impl Recorder<'_> {
    /// Appends a change.
    pub(super) fn add(&mut self, keyspace: &Keyspace, key: &[u8], value: Value<'_>) {
        let Ok(key_len) = u16::try_from(key.len()) else {
            self.failed = Some(Error::KeyTooLong);
            return;
        };
        let Some(group) = self.group(keyspace) else { return };
        group.count += 1;
        let bytes = &mut self.records.bytes;
        let value_len = value.bytes().map_or(0, |value| value.len() as u32 + 1);
        let ([k0, k1], [v0, v1, v2, v3]) = (key_len.to_le_bytes(), value_len.to_le_bytes());
        bytes.extend_from_slice(&[k0, k1, v0, v1, v2, v3]);
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value.bytes().unwrap_or_default());
        if let Value::Large(value) = value {
            self.records.large.push(value.clone());
        }
    }

    /// The group of the change that comes next.
    fn group(&mut self, keyspace: &Keyspace) -> Option<&mut Group> {
        let same = |group: &Group| group.keyspace.is(keyspace);
        if !self.records.groups.get(self.first..)?.last().is_some_and(same) {
            self.end_group();
            let (bytes, name) = (&mut self.records.bytes, keyspace.name().as_bytes());
            bytes.push(name.len() as u8);
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(&[0; 4]);
            let from = bytes.len();
            self.records.groups.push(Group { keyspace: keyspace.clone(), from, count: 0 });
        }
        self.records.groups.last_mut()
    }

    /// Writes down how many changes the last group has.
    fn end_group(&mut self) {
        let Records { bytes, groups, .. } = &mut *self.records;
        if let Some(Group { from, count, .. }) = groups.get(self.first..).and_then(|groups| groups.last())
            && let Some(place) = bytes.get_mut(from - 4..*from)
        {
            place.copy_from_slice(&count.to_le_bytes());
        }
    }
}

/// The checksum of a header in front of it, and of a body. A fuzzer cannot guess one, so it is 0 for it.
pub(super) fn checksum(head: &[u8], body: &[u8]) -> u64 {
    if cfg!(fuzzing) {
        return 0;
    }
    let mut hasher = Xxh3::new();
    hasher.update(head);
    hasher.update(body);
    hasher.digest()
}

pub(super) fn padded(len: usize) -> usize {
    len.next_multiple_of(ALIGN)
}

fn take<'a>(from: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(len)?;
    *from = rest;
    Some(taken)
}

fn number(from: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(take(from, 4)?.try_into().ok()?))
}

/// The change that `from` begins with: key, and value or `None` for a deletion.
fn change<'a>(from: &mut &'a [u8]) -> Option<(&'a [u8], Option<&'a [u8]>)> {
    let key_len = u16::from_le_bytes(take(from, 2)?.try_into().ok()?);
    let value_len = number(from)?;
    let key = take(from, key_len as usize)?;
    match value_len.checked_sub(1) {
        None => Some((key, None)),
        Some(len) => Some((key, Some(take(from, len as usize)?))),
    }
}

/// Calls `f` with every change of a record's body: keyspace, key, value. `None`: the body is not one.
pub(super) fn decode(
    mut body: &[u8],
    mut f: impl FnMut(&str, &[u8], Option<&[u8]>) -> Result<()>,
) -> Option<Result<()>> {
    while !body.is_empty() {
        let name_len = take(&mut body, 1)?.first().copied()?;
        let name = std::str::from_utf8(take(&mut body, name_len as usize)?).ok()?;
        for _ in 0..number(&mut body)? {
            let (key, value) = change(&mut body)?;
            if let Err(error) = f(name, key, value) {
                return Some(Err(error));
            }
        }
    }
    Some(Ok(()))
}
