//! Operations that change one item.

use super::{Executor, Result, Stop, client};
use crate::protocol::operation::{Arith, Delete, Removal, Storage, StoreMode};
use crate::protocol::outcome::ttl;
use crate::protocol::{Denial, Fault, Outcome, Request, reply::Out};
use crate::rows::Rows;
use crate::server::stats::Counter;
use crate::server::terms::{self, condition, new_item};
use crate::store::{Arithmetic, Condition, Container, Deleted, Failure, NewItem, Stored};

/// How often an operation that lost a race for a new key looks again.
pub(super) const ATTEMPTS: u32 = 3;

/// Longest delay of a flush_all, 30 days in seconds; a greater number is a Unix time.
const DELAY_MAX: i64 = 60 * 60 * 24 * 30;

/// How an operation ended; `None`: it is answered already.
pub(super) type Done = Result<Option<Outcome<'static>>>;

impl<R: Rows> Executor<'_, R> {
    #[inline]
    pub(super) fn store(&mut self, store: &Storage<'_>) -> Done {
        let (container, key) = self.row(store.key)?;
        self.stats.one(Counter::CmdSet);
        let item = new_item(store);
        let result = self.store.store(container, key, condition(store.mode), store.compare, item);
        let mut stored = self.done(container, result)?;
        match stored {
            Stored::Exists(cas) if store.stale_if_older => {
                stored = self.store_stale(store, container, key, cas)?;
            }
            Stored::NotStored => {
                if let (StoreMode::Append | StoreMode::Prepend, Some(exptime)) = (store.mode, store.create) {
                    stored = self.extend_or_add(store, container, key, NewItem { exptime, ..item })?;
                }
            }
            _ => {}
        }
        if store.compare.is_some() {
            self.stats.one(match stored {
                Stored::Exists(_) => Counter::CasBadval,
                Stored::NotFound => Counter::CasMisses,
                _ => Counter::CasHits,
            });
            if matches!(stored, Stored::NotFound) {
                self.missed(container);
            }
        }
        match stored {
            Stored::Stored(cas) => self.stored(store, container, key, cas).map(Some),
            Stored::NotStored => Ok(Some(Outcome::NotStored)),
            Stored::Exists(_) => Ok(Some(Outcome::Exists)),
            Stored::NotFound => Ok(Some(Outcome::NotFound)),
        }
    }

    /// A value that is larger than allowed. A table keeps the value before it, and nobody takes it for the new one who read the answer;
    /// memory alone forgets it, as in memcached.
    #[cold]
    pub(super) fn refuse_oversized(&mut self, key: &[u8]) -> Done {
        self.stats.one(Counter::StoreTooLarge);
        if self.shared.watchers.attention.any() {
            self.saw_oversized(key);
        }
        if let Ok((container, key)) = self.row(key) {
            self.store.drop_from_memory(container, key);
        }
        Err(Stop::Fault(Fault::TooLarge))
    }

    /// What is told of a value that was stored, with `cas` as its number or 0.
    #[inline]
    fn stored(&mut self, store: &Storage<'_>, container: &Container, key: &[u8], cas: u64) -> Result<Outcome<'static>> {
        self.stats.one(Counter::TotalItems);
        let (mut cas, mut size) = (cas, store.value.len());
        let extended = matches!(store.mode, StoreMode::Append | StoreMode::Prepend);
        if (cas == 0 && store.tells.cas) || (extended && store.tells.size) {
            let result = self.store.get(container, key, true, |item| (cas, size) = (item.cas, item.value.len()));
            self.done(container, result)?;
        }
        Ok(Outcome::Stored { cas, size })
    }

    /// A value that is older than the one there, whose cas number is `cas`: it is stored all the same, and marked as stale.
    fn store_stale(&mut self, store: &Storage<'_>, container: &Container, key: &[u8], cas: u64) -> Result<Stored> {
        let extends = matches!(store.mode, StoreMode::Append | StoreMode::Prepend);
        let older = store.compare.is_some_and(|compare| 0 < compare && compare < cas);
        if !older || extends {
            return Ok(Stored::Exists(cas));
        }
        // The row is locked: nobody changes the number meanwhile.
        let (marks, item_of) = (&self.shared.marks, self.store.version(container, key, 0));
        let (mut exptime, mut sent) = (0, false);
        let result = self.store.get(container, key, true, |item| {
            (exptime, sent) = (item.deadline, marks.get(item_of.with_cas(item.cas)).sent);
        });
        self.done(container, result)?;
        // As in memcached it lives as long as the one before, and whoever was told to renew that one still is.
        let item = NewItem { exptime, ..new_item(store) };
        let result = self.store.store(container, key, condition(store.mode), Some(cas), item);
        let stored = self.done(container, result)?;
        if let Stored::Stored(cas) = stored {
            let result = self.store.mark_stale(container, key, cas, sent);
            self.done(container, result)?;
        }
        Ok(stored)
    }

    /// An append or prepend that found nothing and may create the item.
    fn extend_or_add(
        &mut self,
        store: &Storage<'_>,
        container: &Container,
        key: &[u8],
        item: NewItem<'_>,
    ) -> Result<Stored> {
        for _ in 0..ATTEMPTS {
            let result = self.store.store(container, key, Condition::Add, None, item);
            let added = self.done(container, result)?;
            if matches!(added, Stored::Stored(_)) {
                return Ok(added);
            }
            let result = self.store.store(container, key, condition(store.mode), store.compare, item);
            let extended = self.done(container, result)?;
            if extended != Stored::NotStored {
                return Ok(extended);
            }
        }
        Ok(Stored::NotStored)
    }

    /// Answers a plain set that was stored together with others and got this cas number.
    pub fn stored_together(&mut self, container: &Container, request: &Request<'_>, cas: u64, out: &mut Out) {
        let Some(store) = request.operation.plain_set() else { return };
        self.count(container).operations += 1;
        self.stats.one(Counter::CmdSet);
        self.stats.one(Counter::TotalItems);
        request.answer(&Outcome::Stored { cas, size: store.value.len() }, out);
    }

    pub(super) fn delete(&mut self, delete: &Delete<'_>) -> Done {
        let (container, key) = self.row(delete.key)?;
        let deleted = match delete.removal {
            Removal::Item => {
                let result = self.store.delete(container, key, delete.compare);
                self.done(container, result)?
            }
            Removal::Value { flags, exptime, cas, stale } => {
                let item = NewItem { flags, exptime, value: b"", cas };
                let result = self.store.store(container, key, Condition::Replace, delete.compare, item);
                let stored = self.done(container, result)?;
                if let (true, Stored::Stored(cas)) = (stale, stored) {
                    let result = self.store.mark_stale(container, key, cas, false);
                    self.done(container, result)?;
                }
                deleted(stored)
            }
            Removal::Freshness { exptime, cas } => {
                let result = self.store.invalidate(container, key, delete.compare, exptime, cas);
                deleted(self.done(container, result)?)
            }
        };
        Ok(Some(match deleted {
            Deleted::Deleted => {
                self.stats.one(Counter::DeleteHits);
                Outcome::Done
            }
            Deleted::NotFound => {
                self.stats.one(Counter::DeleteMisses);
                self.missed(container);
                Outcome::NotFound
            }
            Deleted::Exists => Outcome::Exists,
        }))
    }

    /// Changes a number or, where there is none, stores the initial one.
    #[inline]
    pub(super) fn arith(&mut self, arith: &Arith<'_>) -> Done {
        let (container, key) = self.row(arith.key)?;
        let (hits, misses) = match arith.increment {
            true => (Counter::IncrHits, Counter::IncrMisses),
            false => (Counter::DecrHits, Counter::DecrMisses),
        };
        for _ in 0..ATTEMPTS {
            let result = self.store.arithmetic(container, key, terms::arith(arith));
            match self.done(container, result)? {
                Arithmetic::Value(number, cas) => {
                    self.stats.one(hits);
                    return self.number(arith, container, key, number, cas);
                }
                Arithmetic::Exists => return Ok(Some(Outcome::Exists)),
                Arithmetic::NonNumeric => return Ok(Some(Outcome::NonNumeric)),
                Arithmetic::NotFound => {}
            }
            let Some(initial) = arith.create else {
                self.stats.one(misses);
                self.missed(container);
                return Ok(Some(Outcome::NotFound));
            };
            let mut digits = itoa::Buffer::new();
            let value = digits.format(initial.number).as_bytes();
            let item = NewItem { flags: 0, exptime: initial.exptime, value, cas: arith.cas };
            let result = self.store.store(container, key, Condition::Add, None, item);
            // Otherwise somebody stored one between our search and our insert: it is there to be changed.
            if let Stored::Stored(cas) = self.done(container, result)? {
                self.stats.one(misses);
                self.missed(container);
                if self.shared.watchers.attention.any() {
                    self.saw_initial(arith.key, initial.exptime, value.len());
                }
                return self.number(arith, container, key, initial.number, cas);
            }
        }
        Ok(Some(Outcome::NotStored))
    }

    /// What is told of a number, with `cas` as its cas number or 0.
    #[inline]
    fn number(&mut self, arith: &Arith<'_>, container: &Container, key: &[u8], number: u64, cas: u64) -> Done {
        let (mut cas, mut left) = (cas, None);
        if arith.tells.ttl || (cas == 0 && arith.tells.cas) {
            let now = self.store.now();
            let result = self.store.get(container, key, true, |item| {
                (cas, left) = (item.cas, Some(ttl(item.deadline, now)));
            });
            self.done(container, result)?;
        }
        Ok(Some(Outcome::Number { number, cas, ttl: left }))
    }

    pub(super) fn touch(&mut self, name: &[u8], exptime: i64) -> Done {
        let (container, key) = self.row(name)?;
        self.stats.one(Counter::CmdTouch);
        let result = self.store.touch(container, key, exptime);
        let found = self.done(container, result)?;
        self.stats.one(if found { Counter::TouchHits } else { Counter::TouchMisses });
        if !found {
            self.missed(container);
        }
        if self.shared.watchers.attention.any() {
            self.saw_touch(name)?;
        }
        Ok(Some(if found { Outcome::Done } else { Outcome::NotFound }))
    }

    /// The deadline of a delayed flush_all has come. Nobody waits for an answer: what goes wrong is logged.
    pub fn flush_due(&mut self) {
        let _ = self.flush(0);
    }

    /// Empties the container, or notes when it is to be emptied: `delay` is an exptime. Runs alone and outside any transaction:
    /// batches are committed first, this worker's and everybody's.
    pub(super) fn flush(&mut self, delay: i64) -> Done {
        if self.shared.options.flush_disabled {
            return Ok(Some(Outcome::Denied(Denial::Disabled("flush_all not allowed"))));
        }
        self.stats.one(Counter::CmdFlush);
        let now = self.store.now();
        // As an exptime: what is too long for a delay is a time.
        let at = if delay > DELAY_MAX { delay } else { now.saturating_add(delay) };
        if at > now {
            self.shared.flush_at(self.container, at);
            return Ok(Some(Outcome::Done));
        }
        let Some(container) = self.config.container(self.container) else {
            return Err(client("no such container"));
        };
        self.shared.commit_batches();
        match self.store.commit().map_err(Failure::Rows).and_then(|()| self.store.flush(container)) {
            Ok(()) => {
                self.shared.cancel_flush(self.container);
                Ok(Some(Outcome::Done))
            }
            // TRUNCATE is no part of a transaction and never runs again.
            Err(Failure::Rows(error)) if error.aborts() => Err(Stop::Fault(self.refused_by_table(container, &error))),
            Err(failure) => Err(self.stop(container, failure)),
        }
    }
}

fn deleted(stored: Stored) -> Deleted {
    match stored {
        Stored::Stored(_) => Deleted::Deleted,
        Stored::Exists(_) => Deleted::Exists,
        Stored::NotFound | Stored::NotStored => Deleted::NotFound,
    }
}
