//! The operations on a container's table, without regard to cache policies, inside a transaction of its caller.

use super::container::is_after;
use super::{
    Arithmetic, CasSource, Condition, Config, Container, Deleted, Failure, Item, KeyRange, NewItem, NumberChange,
    RangeProgress, Result, Stored, value,
};
use crate::recycle::recycle;
use crate::rows::{Cell, Error, Rows};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

/// Seconds up to which an exptime is relative to now: 30 days.
const RELATIVE_EXPTIME_MAX: i64 = 60 * 60 * 24 * 30;

/// How often a store retries after losing a race for a new key before it reports the duplicate.
const INSERT_ATTEMPTS: u32 = 3;

/// Bytes of the longest number of 64 bits as text.
const NUMBER_MAX: usize = 20;

/// Bytes of scratch memory that are kept for the next operation.
const SCRATCH_KEPT: usize = 1 << 20;

/// Expired rows that operations met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Met {
    /// All of them.
    pub expired: u32,
    /// Those whose place a new item took.
    pub reclaimed: u32,
}

/// The operations, over the rows of one worker thread.
pub struct TableStore<R> {
    pub(super) rows: R,
    pub(super) config: Arc<Config>,
    pub(super) cas: CasSource,
    /// Greatest length of a value in bytes.
    pub(super) value_max: usize,
    /// Unix time in seconds, set once per tick.
    pub(super) now: i64,
    /// What was met since [`super::Store::take_met`].
    pub(super) met: Met,
    /// Bytes that the open transaction has written, as far as columns are mapped.
    pub(super) written: usize,
    scratch: Vec<u8>,
    /// Kept for its memory.
    cells: Vec<(usize, Cell<'static>)>,
}

impl<R: Rows> TableStore<R> {
    /// A store over `rows`; values longer than `value_max` bytes are refused.
    pub fn new(rows: R, config: Arc<Config>, cas: CasSource, value_max: usize) -> TableStore<R> {
        TableStore {
            rows,
            config,
            cas,
            value_max,
            now: 0,
            met: Met::default(),
            written: 0,
            scratch: Vec::new(),
            cells: Vec::new(),
        }
    }

    /// The rows, for tests that look at what was done.
    #[cfg(test)]
    pub fn into_rows(self) -> R {
        self.rows
    }

    /// Hands the live item of `key` to `found`; `false` if there is none.
    #[inline(always)]
    pub fn get(
        &mut self,
        container: &Container,
        key: &[u8],
        with_cas: bool,
        found: impl FnOnce(Item<'_>),
    ) -> Result<bool> {
        let Some(key) = container.key_cell(key) else { return Ok(false) };
        if !self.rows.read(&container.table, key)? {
            return Ok(false);
        }
        let seen = container.seen(&self.rows);
        if !is_after(seen.deadline, self.now) {
            self.met.expired += 1;
            return Ok(false);
        }
        found(container.item(&self.rows, seen, with_cas, &self.config.separator, &mut self.scratch));
        Ok(true)
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
        if !self.touch(container, key, exptime)? {
            return Ok(false);
        }
        if with_cas && container.expiry.is_some() && container.has_digest(&self.rows) {
            // The digest covers the deadline, and the current row is the one from before the update.
            return self.get_touched(container, key, with_cas, found);
        }
        let deadline = if container.expiry.is_some() { self.deadline(exptime) } else { 0 };
        self.hand_over(container, Some(deadline), with_cas, found);
        Ok(true)
    }

    /// Hands over an item whose expiry was changed just now, perhaps to the past.
    pub(super) fn get_touched(
        &mut self,
        container: &Container,
        key: &[u8],
        with_cas: bool,
        found: impl FnOnce(Item<'_>),
    ) -> Result<bool> {
        let Some(key) = container.key_cell(key) else { return Ok(false) };
        let is_there = self.rows.read(&container.table, key)?;
        if is_there {
            self.hand_over(container, None, with_cas, found);
        }
        Ok(is_there)
    }

    /// Changes the expiry of a live item; `false` if there is none.
    pub fn touch(&mut self, container: &Container, key: &[u8], exptime: i64) -> Result<bool> {
        container.note_exptime(exptime);
        let Some(key) = container.key_cell(key) else { return Ok(false) };
        if !self.find_live(container, key)? {
            return Ok(false);
        }
        if let Some(deadline) = self.deadline_cell(container, exptime) {
            self.note_rewritten(container);
            self.rows.update(&container.table, &[deadline])?;
        }
        Ok(true)
    }

    /// See [`super::Store::store`].
    pub fn store(
        &mut self,
        container: &Container,
        key: &[u8],
        condition: Condition,
        compare: Option<u64>,
        item: NewItem<'_>,
    ) -> Result<Stored> {
        if item.value.len() > self.value_max {
            return Err(Failure::TooLarge);
        }
        let key = container.key_cell(key).ok_or_else(|| container.refused_key())?;
        for attempt in 1.. {
            let found = self.rows.read_for_update(&container.table, key)?;
            let live = found && self.meet(container);
            if let Some(refused) = self.check(container, condition, compare, live) {
                return Ok(refused);
            }
            match self.write(container, key, condition, item, found) {
                // Another transaction inserted the key between our search and our insert.
                Err(Failure::Rows(Error::Duplicate)) if !found && attempt < INSERT_ATTEMPTS => continue,
                other => {
                    self.met.reclaimed += u32::from(found && !live && other.is_ok());
                    return other.map(Stored::Stored);
                }
            }
        }
        Ok(Stored::NotStored)
    }

    /// Changes a live number.
    pub fn arithmetic(&mut self, container: &Container, key: &[u8], arith: NumberChange) -> Result<Arithmetic> {
        let Some(key) = container.key_cell(key) else { return Ok(Arithmetic::NotFound) };
        if !self.find_live(container, key)? {
            return Ok(Arithmetic::NotFound);
        }
        if self.other_than(container, arith.compare).is_some() {
            return Ok(Arithmetic::Exists);
        }
        let column = container.counter_column(&self.rows)?;
        let Some(old) = value::number(&self.rows, container, column) else { return Ok(Arithmetic::NonNumeric) };
        let new = arith.apply(old);
        // Of a single column nothing but the number is written.
        self.written += NUMBER_MAX;
        if container.values.len() > 1 {
            self.note_rewritten(container);
        }
        let mut text = itoa::Buffer::new();
        let number = (column, value::number_cell(container, column, new, &mut text)?);
        let deadline = arith.exptime.and_then(|exptime| self.deadline_cell(container, exptime));
        let cas = self.update_value(container, [Some(number), deadline], arith.cas)?;
        Ok(Arithmetic::Value(new, cas))
    }

    /// Gives a live item that has the cas number `compare` a new one, or the one `given`, and perhaps a new expiry.
    pub fn renumber(
        &mut self,
        container: &Container,
        key: &[u8],
        compare: Option<u64>,
        exptime: Option<i64>,
        given: Option<u64>,
    ) -> Result<Stored> {
        let Some(key) = container.key_cell(key) else { return Ok(Stored::NotFound) };
        if !self.find_live(container, key)? {
            return Ok(Stored::NotFound);
        }
        if let Some(present) = self.other_than(container, compare) {
            return Ok(Stored::Exists(present));
        }
        let deadline = exptime.and_then(|exptime| self.deadline_cell(container, exptime));
        if deadline.is_none() && container.cas.is_none() {
            return Ok(Stored::Stored(0));
        }
        self.note_rewritten(container);
        self.update_value(container, [None, deadline], given).map(Stored::Stored)
    }

    /// Deletes an item, one with another cas number than `compare` excepted.
    pub fn delete(&mut self, container: &Container, key: &[u8], compare: Option<u64>) -> Result<Deleted> {
        let Some(key) = container.key_cell(key) else { return Ok(Deleted::NotFound) };
        if !self.rows.read_for_update(&container.table, key)? {
            return Ok(Deleted::NotFound);
        }
        let live = self.meet(container);
        if live && self.other_than(container, compare).is_some() {
            return Ok(Deleted::Exists);
        }
        self.rows.delete(&container.table)?;
        Ok(if live { Deleted::Deleted } else { Deleted::NotFound })
    }

    /// Hands live items of a key range to `found`, with their keys, in key order: at most `rows_max` rows are looked at, and none
    /// after `found` answers `Break`. `after` is the key behind which an earlier call stopped.
    pub fn range(
        &mut self,
        container: &Container,
        range: KeyRange<'_>,
        after: Option<&[u8]>,
        rows_max: usize,
        with_cas: bool,
        mut found: impl FnMut(&[u8], Item<'_>) -> ControlFlow<()>,
    ) -> Result<RangeProgress> {
        let lower = after.map_or(range.lower, Bound::Excluded);
        let Some(lower) = bound_cell(container, lower) else { return Ok(RangeProgress::Done) };
        let (now, separator) = (self.now, &self.config.separator);
        let mut progress = RangeProgress::Done;
        let (mut looked_at, mut key, scratch) = (0, Vec::new(), &mut self.scratch);
        self.rows.scan(&container.table, lower, &mut |rows| {
            if looked_at == rows_max {
                progress = RangeProgress::Stopped(std::mem::take(&mut key));
                return ControlFlow::Break(());
            }
            looked_at += 1;
            key.clear();
            value::append_column(rows, container, container.table.key, &mut key);
            if !range.contains_below(container, &key) {
                return ControlFlow::Break(());
            }
            let seen = container.seen(rows);
            if !is_after(seen.deadline, now) {
                return ControlFlow::Continue(());
            }
            let item = container.item(rows, seen, with_cas, separator, scratch);
            match found(&key, item) {
                ControlFlow::Continue(()) => ControlFlow::Continue(()),
                ControlFlow::Break(()) => {
                    progress = RangeProgress::Stopped(std::mem::take(&mut key));
                    ControlFlow::Break(())
                }
            }
        })?;
        Ok(progress)
    }

    /// The keys of those of up to `rows_max` rows behind the key `after` that have expired, and how far it came.
    pub(super) fn expired(
        &mut self,
        container: &Container,
        after: Option<&[u8]>,
        rows_max: usize,
    ) -> Result<(RangeProgress, Vec<Vec<u8>>)> {
        let (mut looked_at, mut last, mut expired, now) = (0, Vec::new(), Vec::new(), self.now);
        let lower = after.map_or(Bound::Unbounded, Bound::Excluded);
        let Some(lower) = bound_cell(container, lower) else { return Ok((RangeProgress::Done, expired)) };
        self.rows.scan(&container.table, lower, &mut |rows| {
            last.clear();
            value::append_column(rows, container, container.table.key, &mut last);
            if !container.is_live(rows, now) {
                expired.push(last.clone());
            }
            looked_at += 1;
            if looked_at < rows_max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let progress = if looked_at < rows_max { RangeProgress::Done } else { RangeProgress::Stopped(last) };
        Ok((progress, expired))
    }

    /// Deletes the row of a key if it has expired: it may have been stored anew since it was seen.
    pub(super) fn delete_expired(&mut self, container: &Container, key: &[u8]) -> Result<bool> {
        let Some(key) = container.key_cell(key) else { return Ok(false) };
        let expired = self.rows.read_for_update(&container.table, key)? && !self.is_live(container);
        if expired {
            self.rows.delete(&container.table)?;
        }
        Ok(expired)
    }

    /// Empties the container's table; outside any transaction.
    pub fn flush(&mut self, container: &Container) -> Result<()> {
        Ok(self.rows.truncate(&container.table)?)
    }

    fn find_live(&mut self, container: &Container, key: Cell<'_>) -> Result<bool> {
        Ok(self.rows.read_for_update(&container.table, key)? && self.meet(container))
    }

    /// Whether the current row, which somebody asked for, has not expired.
    fn meet(&mut self, container: &Container) -> bool {
        let live = self.is_live(container);
        self.met.expired += u32::from(!live);
        live
    }

    /// Whether the current row has not expired.
    fn is_live(&self, container: &Container) -> bool {
        container.is_live(&self.rows, self.now)
    }

    /// Unix time at which `exptime` ends, 0 for never.
    pub(super) fn deadline(&self, exptime: i64) -> i64 {
        match exptime {
            0 => 0,
            // In the past for every clock, yet not 0, which would mean never.
            negative if negative < 0 => 1,
            relative if relative <= RELATIVE_EXPTIME_MAX => self.now + relative,
            absolute => absolute,
        }
    }

    /// The cell of a new deadline, where a column keeps it.
    #[inline]
    fn deadline_cell(&self, container: &Container, exptime: i64) -> Option<(usize, Cell<'static>)> {
        let column = container.expiry?;
        Some((column, container.expiry_cell(column, self.deadline(exptime))))
    }

    /// The cas number of the current row, if it is another one than `compare`.
    fn other_than(&self, container: &Container, compare: Option<u64>) -> Option<u64> {
        compare.and_then(|expected| Some(container.cas_of(&self.rows)).filter(|present| *present != expected))
    }

    /// The answer that `condition` and `compare` give without writing, if they do.
    #[inline(always)]
    fn check(&self, container: &Container, condition: Condition, compare: Option<u64>, live: bool) -> Option<Stored> {
        match condition {
            Condition::Add => live.then_some(Stored::NotStored),
            _ if live => self.other_than(container, compare).map(Stored::Exists),
            Condition::Set | Condition::Replace if compare.is_some() => Some(Stored::NotFound),
            Condition::Set => None,
            Condition::Replace | Condition::Append | Condition::Prepend => Some(Stored::NotStored),
        }
    }

    /// Inserts or, where a row was `found`, updates.
    #[inline(always)]
    fn write(
        &mut self,
        container: &Container,
        key: Cell<'_>,
        condition: Condition,
        item: NewItem<'_>,
        found: bool,
    ) -> Result<u64> {
        if matches!(condition, Condition::Append | Condition::Prepend) {
            return self.extend(container, condition, item);
        }
        let mut cells = recycle(std::mem::take(&mut self.cells));
        self.item_cells(container, item, &mut cells)?;
        let (cas, number) = self.number(container, item.cas);
        cells.extend(number);
        if found {
            self.rows.update(&container.table, &cells)?;
        } else {
            cells.push((container.table.key, key));
            self.rows.insert(&container.table, &cells)?;
        }
        self.cells = recycle(cells);
        self.written += item.value.len();
        Ok(cas)
    }

    /// Appends what a set writes beside key and cas number.
    #[inline(always)]
    pub(super) fn item_cells<'i>(
        &self,
        container: &Container,
        item: NewItem<'i>,
        cells: &mut Vec<(usize, Cell<'i>)>,
    ) -> Result<()> {
        container.note_exptime(item.exptime);
        value::split(container, &self.config.separator, item.value, cells)?;
        if let Some(column) = container.flags {
            cells.push((column, container.flags_cell(column, item.flags)));
        }
        cells.extend(self.deadline_cell(container, item.exptime));
        Ok(())
    }

    /// Appends to or prepends before a value column: the one that the command's flags select, else the first.
    fn extend(&mut self, container: &Container, condition: Condition, item: NewItem<'_>) -> Result<u64> {
        let (column, value) = (container.selected(item.flags)?, item.value);
        let mut whole = std::mem::take(&mut self.scratch);
        whole.clear();
        if condition == Condition::Prepend {
            whole.extend_from_slice(value);
        }
        value::append_column(&self.rows, container, column, &mut whole);
        if condition == Condition::Append {
            whole.extend_from_slice(value);
        }
        let result = if whole.len() > self.value_max {
            Err(Failure::TooLarge)
        } else {
            self.note_rewritten(container);
            self.written += value.len();
            value::cell(container, column, &whole)
                .and_then(|cell| self.update_value(container, [Some((column, cell)), None], item.cas))
        };
        whole.shrink_to(SCRATCH_KEPT);
        self.scratch = whole;
        result
    }

    /// The current row is about to be written again although a part of it alone changes.
    fn note_rewritten(&mut self, container: &Container) {
        let values = container.values.iter().filter_map(|column| value::plain(&self.rows, container, *column));
        self.written += values.map(<[u8]>::len).sum::<usize>();
    }

    /// A new row's cas number, `given` or one of ours, and its cell; 0 where the container has no cas column.
    #[inline]
    pub(super) fn number(
        &mut self,
        container: &Container,
        given: Option<u64>,
    ) -> (u64, Option<(usize, Cell<'static>)>) {
        let Some(column) = container.cas else { return (0, None) };
        let cas = given.unwrap_or_else(|| self.cas.take());
        (cas, Some((column, container.cas_cell(column, cas))))
    }

    /// Updates the current row by a value and a deadline and gives it a new cas number, which it returns: `given`, or one of ours.
    #[inline]
    fn update_value(
        &mut self,
        container: &Container,
        [value, deadline]: [Option<(usize, Cell<'_>)>; 2],
        given: Option<u64>,
    ) -> Result<u64> {
        let (cas, number) = self.number(container, given);
        let (mut all, mut count) = ([(0, Cell::Null); 3], 0);
        let mut add = |cell: Option<_>| {
            if let Some(cell) = cell {
                all[count] = cell;
                count += 1;
            }
        };
        add(value);
        add(deadline);
        add(number);
        self.rows.update(&container.table, &all[..count])?;
        Ok(cas)
    }

    /// Hands the current row over, which expires at `deadline` where that is not what it says itself.
    fn hand_over(
        &mut self,
        container: &Container,
        deadline: Option<i64>,
        with_cas: bool,
        found: impl FnOnce(Item<'_>),
    ) {
        let mut seen = container.seen(&self.rows);
        seen.deadline = deadline.unwrap_or(seen.deadline);
        found(container.item(&self.rows, seen, with_cas, &self.config.separator, &mut self.scratch));
    }
}

/// A range's lower bound as the key column takes it; `None` where no key can lie above it.
fn bound_cell<'a>(container: &Container, bound: Bound<&'a [u8]>) -> Option<Bound<Cell<'a>>> {
    Some(match bound {
        Bound::Unbounded => Bound::Unbounded,
        Bound::Included(key) => Bound::Included(container.key_cell(key)?),
        Bound::Excluded(key) => Bound::Excluded(container.key_cell(key)?),
    })
}
