//! Commits, in rounds.
//!
//! Whoever commits adds its record to the round that is being filled. The first without a leader before it leads: it takes
//! the round, writes the records, syncs if one of them wants it, applies the changes to the memory table, and wakes those who
//! waited. Those who come meanwhile fill the next round. A leader that panics decides its round like one that failed, so nobody
//! waits for it; what it did to the log and to the memory table nobody knows, so writes stop.

use super::Slice;
use super::inner::Inner;
use super::keyspace::{Change, Keyspace};
use super::record::{Changes, Records};
use super::redo::Failure;
use super::rounds::Rounds;
use super::sizes::Size;
use super::value::Value;
use crate::boundary::catch;
use crate::refengine::error::{Error, Result, io_error};
use parking_lot::MutexGuard;
use std::sync::atomic::Ordering;

impl Inner {
    /// Commits at a level; see [`Storage::commit`](super::Storage::commit) for what the errors mean.
    pub(super) fn commit(&self, changes: impl Changes, grown: &[(Keyspace, Size)], level: u8) -> Result<()> {
        let committed = self.join_a_round(changes, grown, level).and_then(|rounds| self.see_it_decided(rounds));
        if committed.is_err() {
            grown.iter().for_each(|(keyspace, growth)| keyspace.grow(growth.negative()));
        }
        committed
    }

    /// A keyspace is about to be deleted.
    pub(super) fn forget_size(&self, keyspace: &Keyspace) -> Result<()> {
        let key = Slice::new(keyspace.name().as_bytes());
        match self.sizes.get(&key)? {
            Some(_) => self.commit(vec![Change { keyspace: self.sizes.clone(), key, value: None }], &[], 2),
            None => Ok(()),
        }
    }

    /// Writes a record into the round that is being filled. The sums follow each other in the log as the records do: both are made under
    /// one lock.
    fn join_a_round(
        &self,
        changes: impl Changes,
        grown: &[(Keyspace, Size)],
        level: u8,
    ) -> Result<MutexGuard<'_, Rounds>> {
        let synced = self.redo.synced();
        let mut rounds = self.rounds.lock();
        for (keyspace, growth) in grown {
            keyspace.grow(*growth);
        }
        rounds.records.add(synced, |record| {
            changes.each(|keyspace, key, value| record.add(keyspace, key, value));
            for (keyspace, _) in grown {
                record.add(&self.sizes, keyspace.name().as_bytes(), Value::of(Some(&keyspace.size().encode())));
            }
        })?;
        rounds.members += 1;
        rounds.sync |= level == 1;
        rounds.write |= level != 0;
        Ok(rounds)
    }

    /// Leads the round that was joined, or waits for whoever does.
    fn see_it_decided<'a>(&'a self, mut rounds: MutexGuard<'a, Rounds>) -> Result<()> {
        let mine = rounds.round;
        loop {
            if rounds.decided > mine {
                return rounds.result(mine);
            }
            if rounds.leading {
                self.decided.wait(&mut rounds);
                continue;
            }
            rounds.round += 1;
            let idle = std::mem::take(&mut rounds.idle);
            let mut records = std::mem::replace(&mut rounds.records, idle);
            let members = std::mem::take(&mut rounds.members);
            let (sync, write) = (std::mem::take(&mut rounds.sync), std::mem::take(&mut rounds.write));
            let written = self.lead(rounds, || self.write_round(&records, sync, write));
            records.clear();
            rounds = self.rounds.lock();
            rounds.idle = records;
            rounds.leading = false;
            rounds.decided = mine + 1;
            if let Err(error) = written {
                rounds.failed.insert(mine, (members, error));
            }
            if members > 1 || rounds.members > 0 {
                self.decided.notify_all();
            }
        }
    }

    /// Does what only a leader may, of whom there is none; the caller says when the next may lead.
    #[inline]
    pub(super) fn lead(&self, mut rounds: MutexGuard<'_, Rounds>, work: impl FnOnce() -> Result<()>) -> Result<()> {
        rounds.leading = true;
        drop(rounds);
        catch(work).unwrap_or_else(|defect| {
            self.poison(&defect);
            Err(Error::CommitUnknown(defect.to_string()))
        })
    }

    fn write_round(&self, records: &Records, sync: bool, write: bool) -> Result<()> {
        self.check_writable()?;
        #[cfg(test)]
        self.meet(super::inner::Place::Leader);
        self.make_room()?;
        self.redo.append(records.bytes(), write).map_err(|failure| match failure {
            Failure::Refused(error) => io_error("the redo log cannot grow", &error),
            Failure::Unknown(error) => {
                self.poison(&error);
                Error::CommitUnknown(error.to_string())
            }
        })?;
        if sync {
            self.sync().map_err(|error| Error::CommitUnknown(error.to_string()))?;
        } else {
            self.dirty.store(true, Ordering::Release);
        }
        let active = self.generations.read().active.clone();
        records.apply(&self.sequence, &active);
        Ok(())
    }
}
