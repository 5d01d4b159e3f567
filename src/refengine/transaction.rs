//! Transactions on values: what SQL works with.

use super::codec::{self, KeyValue, Tail};
use super::error::{Error, Result};
use super::lock::LockMode;
use super::mdl;
use super::scan::Scan;
use super::span::Span;
use super::storage::Slice;
use super::table::Table;
use super::table_lock::WriteLock;
use super::trx::Trx;
use super::trx::change::Updated;
use super::types::{KeyRange, Row, RowLock, TableDef, Value};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::time::Duration;

/// A transaction. Dropping it rolls it back.
///
/// After [`Error::Deadlock`] everything it did is undone and all it can do is end. After any other error it is as it was
/// before the call. A table that it touched is held (no DDL) until it ends.
pub struct Transaction {
    trx: Trx,
}

/// A point to go back to.
#[derive(Clone, Copy, Debug)]
pub struct Savepoint(usize);

impl Transaction {
    pub(crate) fn new(trx: Trx) -> Transaction {
        Transaction { trx }
    }

    /// How long this transaction waits for a lock, instead of `innodb_lock_wait_timeout`.
    pub fn set_lock_wait_timeout(&mut self, timeout: Duration) {
        self.trx.set_timeout(timeout);
    }

    /// Takes the snapshot of REPEATABLE READ now instead of at the first read; nothing happens at other levels.
    pub fn take_snapshot(&mut self) {
        self.trx.view();
    }

    /// Begins a statement: until its end, plain reads at READ COMMITTED see one moment, however many there are. Without
    /// it each read sees its own.
    pub fn begin_statement(&mut self) {
        self.trx.begin_statement();
    }

    /// Ends a statement.
    pub fn end_statement(&mut self) {
        self.trx.end_statement();
    }

    /// Takes the table's metadata lock until the transaction ends; every row operation does so by itself.
    ///
    /// # Errors
    /// [`Error::NoSuchTable`] if DDL replaced it, [`Error::LockWaitTimeout`] if DDL has it.
    pub fn open(&mut self, table: &Arc<Table>) -> Result<()> {
        self.trx.hold(table).map(|_| ())
    }

    /// Works on a table that is locked for writing. The transaction must end before the lock is given back.
    pub fn open_locked(&mut self, lock: &WriteLock) -> Result<()> {
        self.trx.hold_guarded(&lock.share()).map(|_| ())
    }

    /// Keeps everybody from changing the table until the transaction ends.
    ///
    /// # Errors
    /// [`Error::NoSuchTable`], [`Error::LockWaitTimeout`], [`Error::Deadlock`].
    pub fn lock_table_shared(&mut self, table: &Arc<Table>) -> Result<()> {
        self.trx.hold(table)?;
        self.trx.lock_span(table.id(), &Span::table(), LockMode::Shared)
    }

    fn guard(&mut self, table: &Arc<Table>) -> Result<mdl::Shared> {
        self.trx.hold(table)?;
        self.trx.held(table).cloned().ok_or_else(|| table.no_such_table())
    }

    /// The row with a primary key. A lock is taken also where there is no row.
    ///
    /// # Errors
    /// [`Error::LockWaitTimeout`], [`Error::Deadlock`], [`Error::BadValue`] for a key that is no value of its column.
    pub fn get(&mut self, table: &Arc<Table>, pk: &[Value], lock: RowLock) -> Result<Option<Row>> {
        let guard = self.guard(table)?;
        let def = table.def();
        let Some(key) = full_key(def, 0, pk)? else { return Ok(None) };
        let row = self.trx.read(&guard, &key, lock)?;
        row.map(|row| decode(def, &row)).transpose()
    }

    /// Calls `f` with the rows of a range in index order until it breaks. `index` counts from 0, `None` is the primary key.
    ///
    /// # Errors
    /// As [`Transaction::get`].
    pub fn scan(
        &mut self,
        table: &Arc<Table>,
        index: Option<usize>,
        range: &KeyRange,
        reverse: bool,
        lock: RowLock,
        f: &mut dyn FnMut(&Row) -> ControlFlow<()>,
    ) -> Result<()> {
        let guard = self.guard(table)?;
        let def = table.def();
        let index = index.map_or(0, |i| i + 1);
        if let Some(key) = single_key(def, index, range)? {
            let row = match index {
                0 => self.trx.read(&guard, &key, lock)?,
                _ => self.trx.read_by_index(&guard, index, &key, lock)?.map(|(_, row)| row),
            };
            if let Some(row) = row {
                let _ = f(&decode(def, &row)?);
            }
            return Ok(());
        }
        let span = Span::of_range(def, index, range)?;
        let mut scan = Scan::begin(&mut self.trx, &guard, index, span, reverse, lock)?;
        while let Some(found) = scan.next(&mut self.trx, &guard)? {
            if f(&decode(def, &found.row)?).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Inserts a row.
    ///
    /// # Errors
    /// [`Error::DuplicateKey`], [`Error::NullNotAllowed`], what is wrong with a value, [`Error::LockWaitTimeout`],
    /// [`Error::Deadlock`], [`Error::ReadOnly`].
    pub fn insert(&mut self, table: &Arc<Table>, row: Row) -> Result<()> {
        let guard = self.guard(table)?;
        let row = encode(table.def(), &row)?;
        self.trx.insert(&guard, &row)
    }

    /// Replaces the row that has the primary key of `old` by `new`. `false`: it is the same already, or there is no such row.
    /// `old` should have been read with [`RowLock::Exclusive`], otherwise a change of another transaction may be lost.
    ///
    /// # Errors
    /// As [`Transaction::insert`].
    pub fn update(&mut self, table: &Arc<Table>, old: &Row, new: Row) -> Result<bool> {
        let guard = self.guard(table)?;
        let Some(pk) = primary_key_of(table.def(), old)? else { return Ok(false) };
        let new = encode(table.def(), &new)?;
        Ok(self.trx.update(&guard, &pk, &new)? == Updated::Changed)
    }

    /// Deletes the row that has the primary key of `row`; nothing happens if there is none.
    ///
    /// # Errors
    /// [`Error::LockWaitTimeout`], [`Error::Deadlock`], [`Error::ReadOnly`].
    pub fn delete(&mut self, table: &Arc<Table>, row: &Row) -> Result<()> {
        let guard = self.guard(table)?;
        match primary_key_of(table.def(), row)? {
            Some(pk) => self.trx.delete(&guard, &pk).map(|_| ()),
            None => Ok(()),
        }
    }

    /// A point to go back to when a statement fails.
    pub fn savepoint(&mut self) -> Savepoint {
        Savepoint(self.trx.mark())
    }

    /// Undoes what was done since. Locks stay.
    pub fn rollback_to(&mut self, savepoint: Savepoint) {
        self.trx.rollback_to(savepoint.0);
    }

    /// Commits, as durably as `innodb_flush_log_at_trx_commit` says.
    ///
    /// # Errors
    /// [`Error::CommitUnknown`]: it may have been committed or not. [`Error::Storage`], [`Error::Deadlock`]: it was not.
    pub fn commit(mut self) -> Result<()> {
        self.trx.commit()
    }

    /// Rolls back.
    pub fn rollback(mut self) {
        self.trx.rollback();
    }
}

pub(crate) fn encode(def: &TableDef, row: &Row) -> Result<Slice> {
    if row.len() != def.columns.len() {
        return Err(Error::Unsupported(format!("{} values for {} columns", row.len(), def.columns.len())));
    }
    let stored: Vec<Option<Vec<u8>>> =
        def.columns.iter().zip(row).map(|(column, value)| codec::encode_value(column, value)).collect::<Result<_>>()?;
    let mut out = Vec::new();
    codec::encode_row(&mut out, stored.iter().map(Option::as_deref))?;
    Ok(Slice::from(out))
}

pub(crate) fn decode(def: &TableDef, row: &[u8]) -> Result<Row> {
    let value = |(i, column)| Ok(codec::decode_value(column, codec::column(def, row, i)?));
    def.columns.iter().enumerate().map(value).collect()
}

/// The key of values for all columns of an index; `None` if no row can have it or it is not unique.
fn full_key(def: &TableDef, index: usize, values: &[Value]) -> Result<Option<Vec<u8>>> {
    let columns = codec::index_columns(def, index);
    if values.len() != columns.len() {
        return Err(Error::Unsupported(format!("a key of {} values for {} columns", values.len(), columns.len())));
    }
    let mut key = vec![index as u8];
    for (at, (value, column)) in values.iter().zip(columns).enumerate() {
        let Some(column) = def.columns.get(*column) else { return Ok(None) };
        match codec::key_value(column, value)? {
            KeyValue::Stored(stored) => {
                codec::push_key_part(&mut key, def, index, at, Some(&stored), Tail::Complete);
            }
            KeyValue::Null | KeyValue::Below | KeyValue::Above => return Ok(None),
        }
    }
    Ok(Some(key))
}

/// The one key a range names, if it names all columns of a unique key with `=`.
fn single_key(def: &TableDef, index: usize, range: &KeyRange) -> Result<Option<Vec<u8>>> {
    match (&range.lower, &range.upper) {
        (Bound::Included(lower), Bound::Included(upper))
            if lower == upper
                && codec::is_unique(def, index)
                && lower.len() == codec::index_columns(def, index).len() =>
        {
            full_key(def, index, lower)
        }
        _ => Ok(None),
    }
}

fn primary_key_of(def: &TableDef, row: &Row) -> Result<Option<Vec<u8>>> {
    let values: Option<Vec<Value>> = def.primary_key.iter().map(|i| row.get(*i).cloned()).collect();
    match values {
        Some(values) => full_key(def, 0, &values),
        None => Ok(None),
    }
}
