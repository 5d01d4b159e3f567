//! memcached's operations on table rows.
//!
//! `server` calls this room, one [`Store`] per worker thread. It turns a key and a container into rows
//! through [`crate::rows`] and knows nothing of sockets or of bytes on the wire.
//!
//! A transaction begins with the first operation that needs one; the caller commits or rolls back. An operation's
//! own failure (a duplicate add, a wrong cas, a refused value) is part of its result and undoes nothing else; a
//! [`Failure::Rows`] whose error [aborts](crate::rows::Error::aborts) has lost the transaction.

mod cas;
mod config;
mod container;
mod value;

pub use cas::CasSource;
pub use config::Config;
pub use container::Container;

use crate::rows::{Cell, Error, Mode, Rows};
use std::sync::Arc;

/// Seconds up to which an exptime is relative to now: 30 days.
const RELATIVE_EXPTIME_MAX: i64 = 60 * 60 * 24 * 30;

/// How often a store retries after losing a race for a new key before it reports the duplicate.
const INSERT_ATTEMPTS: u32 = 3;

/// What to store, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Always.
    Set,
    /// Only where the key is absent.
    Add,
    /// Only where it is present.
    Replace,
    /// Behind the present value; flags and expiry stay.
    Append,
    /// In front of the present value; flags and expiry stay.
    Prepend,
    /// Only where the cas number is this one.
    Cas(u64),
}

/// A value to store.
#[derive(Debug, Clone, Copy)]
pub struct NewItem<'a> {
    /// The client's flags.
    pub flags: u32,
    /// 0 never, up to 30 days relative, beyond absolute Unix time, negative expired at once.
    pub exptime: i64,
    /// The value.
    pub value: &'a [u8],
}

/// A live item.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// The client's flags.
    pub flags: u32,
    /// cas number, 0 where the container has no cas column.
    pub cas: u64,
    /// The value.
    pub value: &'a [u8],
}

/// Outcome of [`Store::store`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// Stored.
    Stored,
    /// The condition did not hold.
    NotStored,
    /// The cas number is another one.
    Exists,
    /// There is nothing to compare a cas number with.
    NotFound,
}

/// Outcome of [`Store::arithmetic`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// The new value.
    Value(u64),
    /// The key is absent.
    NotFound,
    /// The present value is no number.
    NonNumeric,
}

/// Why an operation was not done; nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The rows refused.
    Rows(Error),
    /// The key or value does not suit the table; the sentence is for the client.
    Client(String),
    /// The value, or what it would have grown to, is larger than allowed.
    TooLarge,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Rows(error)
    }
}

type Result<T> = std::result::Result<T, Failure>;

/// The operations, over the rows of one worker thread.
pub struct Store<R> {
    rows: R,
    config: Arc<Config>,
    cas: CasSource,
    /// Greatest length of a value in bytes.
    value_max: usize,
    /// Unix time in seconds, set once per tick.
    now: i64,
    read_write: bool,
    scratch: Vec<u8>,
}

impl<R: Rows> Store<R> {
    /// A store over `rows`; values longer than `value_max` bytes are refused.
    pub fn new(rows: R, config: Arc<Config>, cas: CasSource, value_max: usize) -> Store<R> {
        Store { rows, config, cas, value_max, now: 0, read_write: false, scratch: Vec::new() }
    }

    /// The rows, for tests that look at what was done.
    #[cfg(test)]
    pub fn into_rows(self) -> R {
        self.rows
    }

    /// Sets the clock that expiry is judged by, Unix time in seconds.
    pub fn set_now(&mut self, now: i64) {
        self.now = now;
    }

    /// Whether the transactions that operations begin from now on may write.
    pub fn set_read_write(&mut self, read_write: bool) {
        self.read_write = read_write;
    }

    /// Starts a transaction unless one is open. Reads never see uncommitted rows of others: their
    /// transactions may yet be undone, and a reply is for ever.
    fn begin(&mut self) -> Result<()> {
        if self.rows.active() {
            return Ok(());
        }
        let level = self.config.trx_level.max(1);
        Ok(self.rows.begin(Mode { level, read_write: self.read_write })?)
    }

    /// Commits what is open. After an error the outcome is unknown.
    pub fn commit(&mut self) -> std::result::Result<(), Error> {
        if !self.rows.active() {
            return Ok(());
        }
        self.rows.commit()
    }

    /// Undoes what is open.
    pub fn rollback(&mut self) {
        self.rows.rollback();
    }

    /// Hands the live item of `key` to `found`; `false` if there is none.
    pub fn get(&mut self, container: &Container, key: &[u8], found: impl FnOnce(Item<'_>)) -> Result<bool> {
        let Some(key) = container.key_cell(key) else { return Ok(false) };
        self.begin()?;
        if !self.rows.read(&container.table, key)? || !self.is_live(container) {
            return Ok(false);
        }
        self.hand_over(container, found);
        Ok(true)
    }

    /// Hands the live item over and changes its expiry.
    pub fn get_and_touch(
        &mut self,
        container: &Container,
        key: &[u8],
        exptime: i64,
        found: impl FnOnce(Item<'_>),
    ) -> Result<bool> {
        if !self.touch(container, key, exptime)? {
            return Ok(false);
        }
        self.hand_over(container, found);
        Ok(true)
    }

    /// Changes the expiry of a live item; `false` if there is none.
    pub fn touch(&mut self, container: &Container, key: &[u8], exptime: i64) -> Result<bool> {
        let Some(key) = container.key_cell(key) else { return Ok(false) };
        if !self.find_live(container, key)? {
            return Ok(false);
        }
        if let Some(column) = container.expiry {
            let cell = container.expiry_cell(column, self.deadline(exptime));
            self.rows.update(&container.table, &[(column, cell)])?;
        }
        Ok(true)
    }

    /// Stores an item where `condition` holds.
    pub fn store(
        &mut self,
        container: &Container,
        key: &[u8],
        condition: Condition,
        item: NewItem<'_>,
    ) -> Result<Stored> {
        if item.value.len() > self.value_max {
            return Err(Failure::TooLarge);
        }
        let key = container.key_cell(key).ok_or_else(|| container.refused_key())?;
        for attempt in 1.. {
            self.begin()?;
            let found = self.rows.read_for_update(&container.table, key)?;
            let live = found && self.is_live(container);
            if let Some(refused) = self.check(container, condition, live) {
                return Ok(refused);
            }
            match self.write(container, key, condition, item, found) {
                // Another transaction inserted the key between our search and our insert.
                Err(Failure::Rows(Error::Duplicate)) if !found && attempt < INSERT_ATTEMPTS => continue,
                other => return other.map(|()| Stored::Stored),
            }
        }
        Ok(Stored::NotStored)
    }

    /// Adds to or subtracts from a live number: adding wraps at 2^64, subtracting stops at 0.
    pub fn arithmetic(&mut self, container: &Container, key: &[u8], increment: bool, delta: u64) -> Result<Arithmetic> {
        let Some(key) = container.key_cell(key) else { return Ok(Arithmetic::NotFound) };
        if !self.find_live(container, key)? {
            return Ok(Arithmetic::NotFound);
        }
        let column = container.counter_column();
        let Some(old) = value::number(&self.rows, container, column) else { return Ok(Arithmetic::NonNumeric) };
        let new = if increment { old.wrapping_add(delta) } else { old.saturating_sub(delta) };
        let mut text = itoa::Buffer::new();
        let cell = value::number_cell(container, column, new, &mut text)?;
        self.update_value(container, &[(column, cell)])?;
        Ok(Arithmetic::Value(new))
    }

    /// Deletes an item; `false` if there was no live one.
    pub fn delete(&mut self, container: &Container, key: &[u8]) -> Result<bool> {
        let Some(key) = container.key_cell(key) else { return Ok(false) };
        self.begin()?;
        if !self.rows.read_for_update(&container.table, key)? {
            return Ok(false);
        }
        let live = self.is_live(container);
        self.rows.delete(&container.table)?;
        Ok(live)
    }

    /// Empties the container's table; outside any transaction.
    pub fn flush(&mut self, container: &Container) -> Result<()> {
        Ok(self.rows.truncate(&container.table)?)
    }

    fn find_live(&mut self, container: &Container, key: Cell<'_>) -> Result<bool> {
        self.begin()?;
        Ok(self.rows.read_for_update(&container.table, key)? && self.is_live(container))
    }

    /// Whether the current row has not expired.
    fn is_live(&self, container: &Container) -> bool {
        let Some(column) = container.expiry else { return true };
        match self.rows.int(&container.table, column) {
            None | Some(0) => true,
            Some(deadline) => deadline > i128::from(self.now),
        }
    }

    /// Unix time at which `exptime` ends, 0 for never.
    fn deadline(&self, exptime: i64) -> i64 {
        match exptime {
            0 => 0,
            // In the past for every clock, yet not 0, which would mean never.
            negative if negative < 0 => 1,
            relative if relative <= RELATIVE_EXPTIME_MAX => self.now + relative,
            absolute => absolute,
        }
    }

    /// The answer that `condition` gives without writing, if it does.
    fn check(&self, container: &Container, condition: Condition, live: bool) -> Option<Stored> {
        match condition {
            Condition::Set => None,
            Condition::Add => live.then_some(Stored::NotStored),
            Condition::Replace | Condition::Append | Condition::Prepend => (!live).then_some(Stored::NotStored),
            Condition::Cas(_) if !live => Some(Stored::NotFound),
            Condition::Cas(expected) => (container.cas_of(&self.rows) != expected).then_some(Stored::Exists),
        }
    }

    /// Inserts or, where a row was `found`, updates.
    fn write(
        &mut self,
        container: &Container,
        key: Cell<'_>,
        condition: Condition,
        item: NewItem<'_>,
        found: bool,
    ) -> Result<()> {
        if matches!(condition, Condition::Append | Condition::Prepend) {
            return self.extend(container, condition, item.value);
        }
        let mut cells = Vec::with_capacity(container.values.len() + 4);
        value::split(container, &self.config.separator, item.value, &mut cells)?;
        if let Some(column) = container.flags {
            cells.push((column, container.flags_cell(column, item.flags)));
        }
        if let Some(column) = container.expiry {
            cells.push((column, container.expiry_cell(column, self.deadline(item.exptime))));
        }
        if !found {
            cells.push((container.table.key, key));
            if let Some(column) = container.cas {
                cells.push((column, container.cas_cell(column, self.cas.take())));
            }
            return Ok(self.rows.insert(&container.table, &cells)?);
        }
        self.update_value(container, &cells)
    }

    /// Appends to or prepends before the first value column.
    fn extend(&mut self, container: &Container, condition: Condition, value: &[u8]) -> Result<()> {
        let column = container.values[0];
        let mut whole = std::mem::take(&mut self.scratch);
        whole.clear();
        if condition == Condition::Prepend {
            whole.extend_from_slice(value);
        }
        value::append_column(&self.rows, container, column, &mut whole);
        if condition == Condition::Append {
            whole.extend_from_slice(value);
        }
        let result = match whole.len() > self.value_max {
            true => Err(Failure::TooLarge),
            false => {
                value::cell(container, column, &whole).and_then(|cell| self.update_value(container, &[(column, cell)]))
            }
        };
        self.scratch = whole;
        result
    }

    /// Updates the current row and gives it a new cas number.
    fn update_value(&mut self, container: &Container, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        let Some(column) = container.cas else {
            return Ok(self.rows.update(&container.table, cells)?);
        };
        let mut all = Vec::with_capacity(cells.len() + 1);
        all.extend_from_slice(cells);
        all.push((column, container.cas_cell(column, self.cas.take())));
        Ok(self.rows.update(&container.table, &all)?)
    }

    fn hand_over(&mut self, container: &Container, found: impl FnOnce(Item<'_>)) {
        let flags = container.flags_of(&self.rows);
        let cas = container.cas_of(&self.rows);
        if let [column] = container.values[..]
            && let Some(value) = value::plain(&self.rows, container, column)
        {
            return found(Item { flags, cas, value });
        }
        self.scratch.clear();
        value::join(&self.rows, container, &self.config.separator, &mut self.scratch);
        found(Item { flags, cas, value: &self.scratch });
    }
}
