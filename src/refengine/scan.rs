//! Scans: the rows of an index interval in order, as a transaction sees them.
//!
//! The committed rows come from a storage snapshot, taken when the scan begins (REPEATABLE READ: the
//! transaction's). Laid over it are the transaction's own writes, or at READ UNCOMMITTED everybody's. A scan that locks
//! does so row by row and then reads the row again, since it may have changed after the snapshot; from REPEATABLE READ on
//! it locks the whole interval first, so that nothing appears in it either.
//!
//! The rows may be changed through the transaction while the scan is under way: the overlay is asked anew each time.

use super::error::Result;
use super::lock::LockMode;
use super::mdl;
use super::span::Span;
use super::storage::{Iter, Slice, Snapshot};
use super::table::Table;
use super::trx::Trx;
use super::types::{Isolation, RowLock};
use std::ops::Bound;
use std::sync::Arc;

/// A row that a scan found.
pub(crate) struct Found {
    /// Its key in the scanned index.
    pub(crate) at: Slice,
    pub(crate) pk: Slice,
    pub(crate) row: Slice,
}

/// See the module.
pub(crate) struct Scan {
    index: usize,
    /// What is left of the interval.
    span: Span,
    reverse: bool,
    lock: Option<LockMode>,
    view: Snapshot,
    stored: Iter,
    /// The next stored entry, if it was taken from `stored` already.
    ahead: Option<(Slice, Slice)>,
}

impl Scan {
    /// Begins a scan of `index` (0 = primary key).
    pub(crate) fn begin(
        trx: &mut Trx,
        guard: &mdl::Shared,
        index: usize,
        span: Span,
        reverse: bool,
        lock: RowLock,
    ) -> Result<Scan> {
        trx.check_alive()?;
        let lock = trx.effective_lock(lock);
        if let Some(mode) = lock {
            trx.hold_guarded(guard)?;
            if trx.locks_ranges() {
                trx.lock_span(guard.table().id(), &span, mode)?;
            }
        }
        let view = match (lock, trx.view()) {
            (None, Some(view)) => view.clone(),
            _ => trx.core().storage().snapshot(),
        };
        let stored = view.range(guard.table().keyspace(), &span.start, &span.end, reverse);
        Ok(Scan { index, span, reverse, lock, view, stored, ahead: None })
    }

    /// The next row, `None` at the end.
    pub(crate) fn next(&mut self, trx: &mut Trx, guard: &mdl::Shared) -> Result<Option<Found>> {
        trx.check_alive()?;
        let table = guard.table();
        while let Some((at, value)) = self.next_entry(trx, table)? {
            let Some(value) = self.current(trx, table, &at, Some(value))? else { continue };
            if self.index == 0 {
                return Ok(Some(Found { pk: at.clone(), at, row: value }));
            }
            let Some(row) = self.current(trx, table, &value, None)? else { continue };
            if self.lock.is_some() && !trx.has_index_key(table, self.index, &row, &value, &at)? {
                continue;
            }
            return Ok(Some(Found { at, pk: value, row }));
        }
        Ok(None)
    }

    /// The value of a key for this scan. `seen`: what the snapshot and the overlay say, if that is known.
    fn current(&self, trx: &mut Trx, table: &Arc<Table>, key: &[u8], seen: Option<Slice>) -> Result<Option<Slice>> {
        if let Some(mode) = self.lock {
            trx.lock_key(table.id(), key, mode)?;
            return trx.latest(table, key);
        }
        if seen.is_some() {
            return Ok(seen);
        }
        if let Some(own) = trx.own(table, key) {
            return Ok(own);
        }
        if trx.isolation() == Isolation::ReadUncommitted
            && let Some(version) = table.pending().get(trx.core().hash(key), key)
        {
            return Ok(version);
        }
        self.view.get(table.keyspace(), key)
    }

    /// The next entry of the index: storage and overlay merged, deletions left out.
    fn next_entry(&mut self, trx: &Trx, table: &Arc<Table>) -> Result<Option<(Slice, Slice)>> {
        loop {
            if self.ahead.is_none() {
                self.ahead = self.stored.next().transpose()?;
            }
            let overlay = self.next_overlay(trx, table);
            let from_overlay = match (&overlay, &self.ahead) {
                (None, None) => return Ok(None),
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (Some((over, _)), Some((stored, _))) if over == stored => {
                    self.ahead = None;
                    true
                }
                (Some((over, _)), Some((stored, _))) => (over < stored) != self.reverse,
            };
            let (key, value) = match overlay {
                Some(entry) if from_overlay => entry,
                _ => match self.ahead.take() {
                    Some((key, value)) => (key, Some(value)),
                    None => return Ok(None),
                },
            };
            let bound = if self.reverse { &mut self.span.end } else { &mut self.span.start };
            bound.clear();
            bound.extend_from_slice(&key);
            if !self.reverse {
                // The smallest key behind it.
                bound.push(0);
            }
            if let Some(value) = value {
                return Ok(Some((key, value)));
            }
        }
    }

    fn next_overlay(&self, trx: &Trx, table: &Arc<Table>) -> Option<(Slice, Option<Slice>)> {
        let bounds = (Bound::Included(self.span.start.as_slice()), Bound::Excluded(self.span.end.as_slice()));
        if trx.isolation() == Isolation::ReadUncommitted {
            table.pending().next(bounds, self.reverse)
        } else {
            trx.own_writes(table)?.next(bounds, self.reverse)
        }
    }
}
