//! The operations that leave or carry marks, and what becomes of marks with their transaction.
//!
//! Marks are made at once: those of a version that is not committed yet are nobody else's business, and that a client was sent to renew
//! an item must be known to all at once, or two would be. A transaction that is undone takes back what it noted.

use super::marks::{ItemVersion, Mark, seconds};
use super::{Container, Policy, Result, Store, Stored};
use crate::cache::{self, CachedItem, Change};
use crate::rows::Rows;

impl<R: Rows> Store<R> {
    /// Unix time in seconds that expiry is judged by.
    pub fn now(&self) -> i64 {
        self.table.now
    }

    /// Seconds that an item with this exptime lives from now on, 0 for ever or not at all.
    pub fn life(&self, exptime: i64) -> i64 {
        match self.table.deadline(exptime) {
            0 => 0,
            deadline => (deadline - self.now()).max(0),
        }
    }

    /// Forgets an item where memory is all there is of its container.
    pub fn drop_from_memory(&self, container: &Container, key: &[u8]) {
        if container.policies.set == Policy::CacheOnly {
            let (id, key) = container.memory_address(key);
            self.memory.invalidate(id, &key);
        }
    }

    /// The version of an item, for its marks.
    pub fn version(&self, container: &Container, key: &[u8], cas: u64) -> ItemVersion {
        self.marks.version(container.table.id as u32, &container.memory_key(key), cas)
    }

    /// The cas number of the live item of `key`.
    pub fn cas(&mut self, container: &Container, key: &[u8]) -> Result<Option<u64>> {
        let mut cas = None;
        self.get(container, key, true, |item| cas = Some(item.cas))?;
        Ok(cas)
    }

    /// Marks the live item that has the cas number `compare` as stale, gives it a new number or `given`,
    /// and perhaps a new expiry. A container without a cas column keeps its number.
    pub fn invalidate(
        &mut self,
        container: &Container,
        key: &[u8],
        compare: Option<u64>,
        exptime: Option<i64>,
        given: Option<u64>,
    ) -> Result<Stored> {
        let stored = match container.policies.delete {
            Policy::Disabled => return Ok(Stored::Stored(0)),
            Policy::CacheOnly => self.renumber_memory(container, key, compare, exptime, given)?,
            Policy::InnodbOnly | Policy::Caching => {
                self.begin_change(container, key)?.renumber(container, key, compare, exptime, given)?
            }
        };
        if let Stored::Stored(cas) = stored {
            self.mark_stale(container, key, cas, false)?;
        }
        Ok(stored)
    }

    fn renumber_memory(
        &mut self,
        container: &Container,
        key: &[u8],
        compare: Option<u64>,
        exptime: Option<i64>,
        given: Option<u64>,
    ) -> Result<Stored> {
        let cas = given.unwrap_or_else(|| self.table.cas.take());
        let deadline = exptime.map(|exptime| self.table.deadline(exptime));
        let change = |old: Option<CachedItem<'_>>| {
            let Some(old) = old else { return Change::Keep(Stored::NotFound) };
            if compare.is_some_and(|expected| old.cas != expected) {
                return Change::Keep(Stored::Exists(old.cas));
            }
            let deadline = deadline.unwrap_or(old.deadline);
            let item = cache::NewItem { flags: old.flags, cas, deadline, data: old.data.clone() };
            Change::Put { item, result: Stored::Stored(cas) }
        };
        let (id, key) = container.memory_address(key);
        self.memory.update(id, &key, self.table.now, change).map_err(|_| super::Failure::OutOfMemory)
    }

    /// Marks the version of a live item as stale; `cas` 0 stands for the present one.
    /// `sent`: a client was told to renew it.
    pub fn mark_stale(&mut self, container: &Container, key: &[u8], cas: u64, sent: bool) -> Result<()> {
        self.mark(container, key, cas, Mark { stale: true, sent, at: seconds(self.table.now), ..Mark::default() })
    }

    /// Notes a mark instead of what was noted; `cas` 0 stands for the present version.
    pub(super) fn mark(&mut self, container: &Container, key: &[u8], cas: u64, mark: Mark) -> Result<()> {
        let cas = if cas == 0 { self.cas(container, key)?.unwrap_or(0) } else { cas };
        let version = self.version(container, key, cas);
        let before = self.marks.replace(version, mark);
        // A request that spares the table is not undone.
        if before != mark && !container.policies.set.spares_table() {
            self.note_marked(version, before);
        }
        Ok(())
    }

    /// The open transaction noted something of this version. Outside a write phase nothing is undone.
    pub fn note_marked(&mut self, version: ItemVersion, before: Mark) {
        if self.transaction.read_write {
            self.transaction.marked.push((version, before));
        }
    }

    /// Runs a change of an item that leaves it to be renewed if it was to be renewed before.
    pub(super) fn carrying_marks<T>(
        &mut self,
        container: &Container,
        key: &[u8],
        given: Option<u64>,
        change: impl FnOnce(&mut Store<R>) -> Result<T>,
    ) -> Result<T> {
        if !self.marks.used() {
            return change(self);
        }
        let cas = self.cas(container, key)?;
        let mark = cas.map_or(Mark::default(), |cas| self.marks.get(self.version(container, key, cas)));
        let changed = change(self)?;
        if mark != Mark::default() || given.is_some() {
            self.mark(container, key, given.unwrap_or(0), mark)?;
        }
        Ok(changed)
    }

    /// The transaction ended. After an unknown outcome nobody was told to renew anything: its connections are closed.
    pub(super) fn keep_marks(&mut self, known: bool) {
        for (version, _) in self.transaction.marked.drain(..) {
            if !known {
                self.marks.unsend(version);
            }
        }
    }

    /// The transaction was undone.
    pub(super) fn unmark(&mut self) {
        for (version, before) in self.transaction.marked.drain(..).rev() {
            self.marks.replace(version, before);
        }
    }
}
