//! The operations under the cache policies: each in the table, in memory or in both.
//!
//! Memory changes that belong to a transaction wait in a journal until its commit and are forgotten with its rollback. What the
//! journal holds is older than the table's rows: while it is not empty, reads of this worker pass memory by.

use super::journal::{Effect, Transaction};
use super::marks::{Mark, Marks};
use super::table::{Met, TableStore};
use super::{
    Arithmetic, Batch, CasSource, Condition, Config, Container, Deleted, Failure, Item, KeyRange, NewItem,
    NumberChange, Policy, RangeProgress, Result, Stored, number,
};
use crate::cache::{self, CachedItem, Change, Data, MemoryStore};
use crate::rows::Rows;
use std::ops::ControlFlow;
use std::sync::Arc;

/// The operations of one worker thread.
pub struct Store<R> {
    pub(super) table: TableStore<R>,
    pub(super) memory: Arc<MemoryStore>,
    pub(super) marks: Arc<Marks>,
    pub(super) transaction: Transaction,
}

impl<R: Rows> Store<R> {
    /// A store over `rows`, `memory` and `marks`; values longer than `value_max` bytes are refused.
    pub fn new(
        rows: R,
        memory: Arc<MemoryStore>,
        marks: Arc<Marks>,
        config: Arc<Config>,
        cas: CasSource,
        value_max: usize,
        batch: Batch,
    ) -> Store<R> {
        let table = TableStore::new(rows, config, cas, value_max);
        Store { table, memory, marks, transaction: Transaction::new(batch) }
    }

    /// The rows, for tests that look at what was done.
    #[cfg(test)]
    pub fn into_rows(self) -> R {
        self.table.into_rows()
    }

    /// Sets the clock that expiry is judged by, Unix time in seconds.
    pub fn set_now(&mut self, now: i64) {
        self.table.now = now;
    }

    /// What was met since the last call.
    #[inline]
    pub fn take_met(&mut self) -> Met {
        std::mem::take(&mut self.table.met)
    }

    /// A change of the table by this key is under way: memory forgets the key when it is committed, where memory is used at all.
    #[inline(always)]
    pub(super) fn forget(&mut self, container: &Container, key: &[u8]) {
        if container.uses_memory {
            self.forget_in_memory(container, key);
        }
    }

    #[inline(never)]
    fn forget_in_memory(&mut self, container: &Container, key: &[u8]) {
        let key = container.memory_key(key).into_owned();
        self.transaction.journal.push(Effect::Remove { container: container.table.stamp, key });
    }

    /// Whether [`Store::announce`] makes reads cheaper.
    #[inline]
    pub fn reads_ahead(&self) -> bool {
        self.table.rows.reads_ahead()
    }

    /// A [`Store::get`] of this key will come, behind those that were announced before.
    pub fn announce(&mut self, container: &Container, key: &[u8]) {
        if container.policies.get == Policy::InnodbOnly
            && container.check().is_ok()
            && let Some(key) = container.key_cell(key)
        {
            self.table.rows.announce(&container.table, key);
        }
    }

    /// See [`Rows::forget_announced`].
    pub fn forget_announced(&mut self) {
        self.table.rows.forget_announced();
    }

    /// Hands the live item of `key` to `found`; `false` if there is none.
    #[inline]
    pub fn get(
        &mut self,
        container: &Container,
        key: &[u8],
        with_cas: bool,
        found: impl FnOnce(Item<'_>),
    ) -> Result<bool> {
        match container.policies.get {
            Policy::InnodbOnly => self.begin(container)?.get(container, key, with_cas, found),
            Policy::Disabled => Ok(false),
            Policy::CacheOnly => Ok(self.look_in_memory(container, key, found).is_ok()),
            Policy::Caching if !self.transaction.journal.is_empty() => {
                self.begin(container)?.get(container, key, with_cas, found)
            }
            Policy::Caching => {
                container.follow_others(|| self.memory.flush(container.table.stamp));
                match self.look_in_memory(container, key, found) {
                    Ok(()) => Ok(true),
                    Err(found) => self.read_through(container, key, found),
                }
            }
        }
    }

    /// # Errors
    /// Memory does not have the key; `found` comes back.
    fn look_in_memory<F: FnOnce(Item<'_>)>(
        &self,
        container: &Container,
        key: &[u8],
        found: F,
    ) -> std::result::Result<(), F> {
        let mut found = Some(found);
        let (id, key) = container.memory_address(key);
        self.memory.get(id, &key, self.table.now, |item| {
            if let Some(found) = found.take() {
                found(Item { flags: item.flags, cas: item.cas, deadline: item.deadline, value: item.value() });
            }
        });
        found.map_or(Ok(()), Err)
    }

    /// Reads the table and fills memory. A fill must come from a view that is younger than the key's version: a transaction that
    /// only reads is ended for it, one that writes or that a batch keeps open is left alone, and memory unfilled.
    fn read_through(&mut self, container: &Container, key: &[u8], found: impl FnOnce(Item<'_>)) -> Result<bool> {
        if !self.renew_view()? {
            return self.begin(container)?.get(container, key, true, found);
        }
        let (id, memory_key) = container.memory_address(key);
        let version = self.memory.version(id, &memory_key);
        let memory = Arc::clone(&self.memory);
        self.begin(container)?.get(container, key, true, |item| {
            let Item { flags, cas, deadline, value } = item;
            if let Ok(data) = Data::new(&memory_key, &[value]) {
                memory.fill(id, &memory_key, version, cache::NewItem { flags, cas, deadline, data });
            }
            found(item);
        })
    }

    /// Hands the live item over and changes its expiry.
    pub fn get_and_touch(
        &mut self,
        container: &Container,
        key: &[u8],
        exptime: i64,
        with_cas: bool,
        found: impl FnOnce(Item<'_>),
    ) -> Result<bool> {
        match container.policies.set {
            Policy::Disabled => self.get(container, key, with_cas, found),
            Policy::CacheOnly => Ok(self.touch_memory(container, key, exptime, found)),
            // Where no column has a cas number this makes another version of it, which the marks must follow.
            _ if !container.has_cas() && self.marks.used() => Ok(self.touch(container, key, exptime)?
                && self.begin(container)?.get_touched(container, key, with_cas, found)?),
            Policy::InnodbOnly | Policy::Caching => {
                self.begin_change(container, key)?.get_and_touch(container, key, exptime, with_cas, found)
            }
        }
    }

    /// Changes the expiry of a live item; `false` if there is none.
    pub fn touch(&mut self, container: &Container, key: &[u8], exptime: i64) -> Result<bool> {
        match container.policies.set {
            Policy::Disabled => Ok(true),
            Policy::CacheOnly => Ok(self.touch_memory(container, key, exptime, |_| ())),
            Policy::InnodbOnly | Policy::Caching => {
                // Where no column has a cas number, the expiry is part of what tells versions apart.
                self.carrying_marks(container, key, None, |store| {
                    store.begin_change(container, key)?.touch(container, key, exptime)
                })
            }
        }
    }

    fn touch_memory(&self, container: &Container, key: &[u8], exptime: i64, found: impl FnOnce(Item<'_>)) -> bool {
        let deadline = self.table.deadline(exptime);
        let change = |item: Option<CachedItem<'_>>| match item {
            Some(CachedItem { flags, cas, data, .. }) => {
                Change::Touch { deadline, result: Some((flags, cas, data.clone())) }
            }
            None => Change::Keep(None),
        };
        let (id, key) = container.memory_address(key);
        match self.memory.update(id, &key, self.table.now, change) {
            Ok(Some((flags, cas, data))) => {
                found(Item { flags, cas, deadline, value: data.value() });
                true
            }
            _ => false,
        }
    }

    /// Stores an item where `condition` holds and the live item has the cas number `compare`. `Add` compares nothing; `Set` and
    /// `Replace` find nothing to compare with ([`Stored::NotFound`]) where no item lives.
    pub fn store(
        &mut self,
        container: &Container,
        key: &[u8],
        condition: Condition,
        compare: Option<u64>,
        item: NewItem<'_>,
    ) -> Result<Stored> {
        let stored = self.store_by_policy(container, key, condition, compare, item)?;
        // A number of ours is new, and so has no marks.
        if let Stored::Stored(cas) = stored
            && (item.cas.is_some() || cas == 0)
            && self.marks.used()
        {
            self.mark(container, key, cas, Mark::default())?;
        }
        Ok(stored)
    }

    fn store_by_policy(
        &mut self,
        container: &Container,
        key: &[u8],
        condition: Condition,
        compare: Option<u64>,
        item: NewItem<'_>,
    ) -> Result<Stored> {
        match container.policies.set {
            Policy::InnodbOnly => self.begin_change(container, key)?.store(container, key, condition, compare, item),
            Policy::Disabled => Ok(Stored::Stored(0)),
            Policy::CacheOnly => self.store_memory(container, key, condition, compare, item),
            Policy::Caching => {
                let stored = self.begin(container)?.store(container, key, condition, compare, item)?;
                if let Stored::Stored(cas) = stored {
                    self.journal_store(container, key, condition, item, cas);
                }
                Ok(stored)
            }
        }
    }

    /// The row lock is held: nobody commits another value of this key before us.
    pub(super) fn journal_store(
        &mut self,
        container: &Container,
        key: &[u8],
        condition: Condition,
        item: NewItem<'_>,
        cas: u64,
    ) {
        let extended = matches!(condition, Condition::Append | Condition::Prepend);
        // What the table gives back may differ from what was sent where the value has several columns or no cas number.
        if extended || cas == 0 || !container.gives_back_what_it_takes() {
            return self.forget(container, key);
        }
        let id = container.table.stamp;
        let memory_key = container.memory_key(key).into_owned();
        let version = self.memory.version(id, &memory_key);
        let Ok(data) = Data::new(&memory_key, &[item.value]) else { return self.forget(container, key) };
        let item = cache::NewItem { flags: item.flags, cas, deadline: self.table.deadline(item.exptime), data };
        self.transaction.journal.push(Effect::Put { container: id, key: memory_key, version, item });
    }

    fn store_memory(
        &mut self,
        container: &Container,
        key: &[u8],
        condition: Condition,
        compare: Option<u64>,
        item: NewItem<'_>,
    ) -> Result<Stored> {
        if item.value.len() > self.table.value_max {
            return Err(Failure::TooLarge);
        }
        if container.key_cell(key).is_none() {
            return Err(container.refused_key());
        }
        let cas = item.cas.unwrap_or_else(|| self.table.cas.take());
        let (deadline, value_max) = (self.table.deadline(item.exptime), self.table.value_max);
        let (id, key) = container.memory_address(key);
        let extends = matches!(condition, Condition::Append | Condition::Prepend);
        // What an append begins with, and what comes of it: made outside the lock, and void if another item is there by then.
        let mut extended: Option<(Data, Data)> = None;
        let plain = if extends { None } else { Some(Data::new(&key, &[item.value])?) };
        loop {
            let refuse = |stored| Change::Keep(Ok(Ok(stored)));
            let put = |flags, deadline, data| Change::Put {
                item: cache::NewItem { flags, cas, deadline, data },
                result: Ok(Ok(Stored::Stored(cas))),
            };
            let change = |old: Option<CachedItem<'_>>| match (condition, old) {
                (Condition::Add, Some(_)) => refuse(Stored::NotStored),
                (Condition::Set | Condition::Replace, None) if compare.is_some() => refuse(Stored::NotFound),
                (Condition::Replace | Condition::Append | Condition::Prepend, None) => refuse(Stored::NotStored),
                (_, Some(old)) if compare.is_some_and(|expected| old.cas != expected) => {
                    Change::Keep(Ok(Ok(Stored::Exists(old.cas))))
                }
                (Condition::Append | Condition::Prepend, Some(old)) => match &extended {
                    Some((begun, whole)) if begun.is_same(old.data) => put(old.flags, old.deadline, whole.clone()),
                    _ if old.value().len() + item.value.len() > value_max => Change::Keep(Ok(Err(Failure::TooLarge))),
                    _ => Change::Keep(Err(old.data.clone())),
                },
                _ => match &plain {
                    Some(data) => put(item.flags, deadline, data.clone()),
                    None => refuse(Stored::NotStored),
                },
            };
            match self.memory.update(id, &key, self.table.now, change)? {
                Ok(outcome) => return outcome,
                Err(begun) => {
                    let old = begun.value();
                    let parts = if condition == Condition::Append { [old, item.value] } else { [item.value, old] };
                    let whole = Data::new(&key, &parts)?;
                    extended = Some((begun, whole));
                }
            }
        }
    }

    /// Changes a live number. An item that was to be renewed still is.
    pub fn arithmetic(&mut self, container: &Container, key: &[u8], arith: NumberChange) -> Result<Arithmetic> {
        self.carrying_marks(container, key, arith.cas, |store| match container.policies.set {
            Policy::Disabled => Ok(Arithmetic::NotFound),
            Policy::CacheOnly => store.arithmetic_memory(container, key, arith),
            Policy::InnodbOnly | Policy::Caching => {
                store.begin_change(container, key)?.arithmetic(container, key, arith)
            }
        })
    }

    fn arithmetic_memory(&mut self, container: &Container, key: &[u8], arith: NumberChange) -> Result<Arithmetic> {
        let cas = arith.cas.unwrap_or_else(|| self.table.cas.take());
        let deadline = arith.exptime.map(|exptime| self.table.deadline(exptime));
        let (id, memory_key) = container.memory_address(key);
        let (memory_key, mut digits) = (&*memory_key, itoa::Buffer::new());
        let change = |old: Option<CachedItem<'_>>| {
            let Some(old) = old else { return Change::Keep(Ok(Arithmetic::NotFound)) };
            if arith.compare.is_some_and(|expected| old.cas != expected) {
                return Change::Keep(Ok(Arithmetic::Exists));
            }
            let Some(number) = number::parse_number(old.value()) else {
                return Change::Keep(Ok(Arithmetic::NonNumeric));
            };
            let new = arith.apply(number);
            let value = digits.format(new).as_bytes();
            let Ok(data) = Data::new(memory_key, &[value]) else { return Change::Keep(Err(Failure::OutOfMemory)) };
            let deadline = deadline.unwrap_or(old.deadline);
            let item = cache::NewItem { flags: old.flags, cas, deadline, data };
            Change::Put { item, result: Ok(Arithmetic::Value(new, cas)) }
        };
        self.memory.update(id, memory_key, self.table.now, change)?
    }

    /// Deletes an item, one with another cas number than `compare` excepted.
    pub fn delete(&mut self, container: &Container, key: &[u8], compare: Option<u64>) -> Result<Deleted> {
        match container.policies.delete {
            Policy::Disabled => Ok(Deleted::Deleted),
            Policy::CacheOnly => {
                let (id, key) = container.memory_address(key);
                let change = |old: Option<CachedItem<'_>>| match old {
                    None => Change::Keep(Deleted::NotFound),
                    Some(old) if compare.is_some_and(|expected| old.cas != expected) => Change::Keep(Deleted::Exists),
                    Some(_) => Change::Remove(Deleted::Deleted),
                };
                Ok(self.memory.update(id, &key, self.table.now, change).unwrap_or(Deleted::NotFound))
            }
            Policy::InnodbOnly | Policy::Caching => self.begin_change(container, key)?.delete(container, key, compare),
        }
    }

    /// Empties the container, outside any transaction.
    pub fn flush(&mut self, container: &Container) -> Result<()> {
        container.check()?;
        let id = container.table.stamp;
        match container.policies.flush {
            Policy::Disabled => Err(Failure::Client("flush_all not allowed".into())),
            Policy::CacheOnly => {
                self.memory.flush(id);
                Ok(())
            }
            Policy::InnodbOnly | Policy::Caching => {
                let flushed = self.table.flush(container);
                self.memory.flush(id);
                flushed
            }
        }
    }

    /// See [`TableStore::range`]; ranges know tables only.
    ///
    /// # Errors
    /// The rows refused.
    pub fn range(
        &mut self,
        container: &Container,
        range: KeyRange<'_>,
        after: Option<&[u8]>,
        rows_max: usize,
        with_cas: bool,
        found: impl FnMut(&[u8], Item<'_>) -> ControlFlow<()>,
    ) -> Result<RangeProgress> {
        self.begin(container)?.range(container, range, after, rows_max, with_cas, found)
    }
}
