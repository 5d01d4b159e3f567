//! Transactions on stored rows.
//!
//! A transaction keeps what it writes in memory, per table and key, and gives it to the storage in one atomic batch when it
//! commits. Until then the row locks keep others off these keys, and the table's pending versions let READ UNCOMMITTED
//! see them. Each row operation checks everything before it changes anything, so one that fails leaves the transaction as it
//! was; an undo list takes back whole statements.
//!
//! Order at commit: storage, row cache, pending versions, row locks, metadata locks. So the next holder of a row
//! lock finds the new row everywhere.
//!
//! This is the layer below values: rows and keys come encoded (`codec`). The callback table uses it directly, SQL through
//! `Transaction`. One thread at a time.

pub(crate) mod change;
mod end;

use super::codec;
use super::core::Core;
use super::error::{Error, Result};
use super::found::FoundRow;
use super::lock::{Lock, LockMode};
use super::lock_wait;
use super::mdl;
use super::span::Span;
use super::storage::{Keyspace, Size, Slice, Snapshot};
use super::table::Table;
use super::types::{Isolation, RowLock};
use super::writes::WriteSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A table the transaction holds until it ends.
struct Use {
    guard: mdl::Shared,
    /// Shown to READ UNCOMMITTED from the first write on.
    writes: Arc<WriteSet>,
    shown: bool,
    /// By how much the table has more or fewer rows.
    growth: Size,
}

/// The last key that was read for update, and was not changed since: whoever locks a row reads it, and changes it next.
struct Last {
    table: u64,
    key: Slice,
    hash: u64,
    is_there: bool,
    /// The number of that read.
    read: u64,
}

struct Undo {
    table: usize,
    key: Slice,
    before: Option<Option<Slice>>,
    growth: Size,
}

/// Entries of each of its lists for which a transaction that ended keeps memory.
const KEPT: usize = 1024;

/// See the module.
pub(crate) struct Trx {
    core: Arc<Core>,
    /// 0 until the first lock is taken.
    id: u64,
    isolation: Isolation,
    read_write: bool,
    /// It is SQL's: who keeps copies of rows does not know what it changes, and single statements of it are undone.
    by_sql: bool,
    /// Rolled back by a deadlock, waiting for its owner to end it.
    aborted: bool,
    timeout: Duration,
    uses: Vec<Use>,
    /// Something was written.
    wrote: bool,
    /// What takes single changes back. Only SQL's are: where it has none, all or nothing is undone.
    undo: Vec<Undo>,
    locks: Vec<Lock>,
    last: Option<Last>,
    /// How often a key was read for update.
    reads: u64,
    snapshot: Option<Snapshot>,
    /// Of a table that is not used any more; empty.
    idle: Option<Arc<WriteSet>>,
    /// Buffers kept for their memory.
    key: Vec<u8>,
    other_key: Vec<u8>,
    grown: Vec<(Keyspace, Size)>,
}

impl Trx {
    /// Starts one of SQL's.
    pub(crate) fn start(core: Arc<Core>, isolation: Isolation, read_write: bool, timeout: Duration) -> Trx {
        let mut trx = Trx::new(core);
        trx.by_sql = true;
        trx.begin(isolation, read_write, timeout);
        trx
    }

    /// One of the callback table's, which begins and ends as often as it is wanted and keeps its memory in between.
    pub(crate) fn new(core: Arc<Core>) -> Trx {
        Trx {
            core,
            id: 0,
            isolation: Isolation::ReadCommitted,
            read_write: false,
            by_sql: false,
            aborted: false,
            timeout: Duration::ZERO,
            uses: Vec::new(),
            wrote: false,
            undo: Vec::new(),
            locks: Vec::new(),
            last: None,
            reads: 0,
            snapshot: None,
            idle: None,
            key: Vec::new(),
            other_key: Vec::new(),
            grown: Vec::new(),
        }
    }

    /// Begins, new or ended as it is.
    pub(crate) fn begin(&mut self, isolation: Isolation, read_write: bool, timeout: Duration) {
        (self.id, self.reads, self.aborted) = (0, 0, false);
        (self.isolation, self.read_write, self.timeout) = (isolation, read_write, timeout);
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    pub(crate) fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// Reads from here on follow another level. A view that was opened for REPEATABLE READ is its own, so it goes.
    pub(crate) fn set_isolation(&mut self, isolation: Isolation) {
        if self.isolation != isolation {
            self.snapshot = None;
        }
        self.isolation = isolation;
    }

    pub(crate) fn is_read_write(&self) -> bool {
        self.read_write
    }

    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    pub(crate) fn deadline(&self) -> Instant {
        lock_wait::deadline(self.timeout)
    }

    /// The metadata lock of `table` if the transaction holds it until its end.
    pub(crate) fn held(&self, table: &Arc<Table>) -> Option<&mdl::Shared> {
        self.uses.iter().map(|u| &u.guard).find(|guard| Arc::ptr_eq(guard.table(), table))
    }

    /// Holds `table` until the transaction ends.
    pub(crate) fn hold(&mut self, table: &Arc<Table>) -> Result<usize> {
        self.check_alive()?;
        if let Some(i) = self.uses.iter().position(|u| Arc::ptr_eq(u.guard.table(), table)) {
            return Ok(i);
        }
        let guard = mdl::Shared::acquire(table, || self.deadline())?;
        Ok(self.add_use(guard))
    }

    /// Holds the table of `guard`, which the caller holds already, until the transaction ends.
    pub(crate) fn hold_guarded(&mut self, guard: &mdl::Shared) -> Result<usize> {
        self.check_alive()?;
        match self.uses.iter().position(|u| Arc::ptr_eq(u.guard.table(), guard.table())) {
            Some(i) => Ok(i),
            None => Ok(self.add_use(guard.clone())),
        }
    }

    fn add_use(&mut self, guard: mdl::Shared) -> usize {
        let writes = self.idle.take().unwrap_or_default();
        self.uses.push(Use { guard, writes, shown: false, growth: Size::default() });
        self.uses.len() - 1
    }

    pub(crate) fn check_alive(&self) -> Result<()> {
        if self.aborted { Err(Error::Deadlock) } else { Ok(()) }
    }

    fn check_writable(&self) -> Result<()> {
        self.check_alive()?;
        if !self.read_write {
            return Err(Error::ReadOnly);
        }
        self.core.storage().check_writable()
    }

    /// The lock a read takes: what was asked for, or shared where the isolation level wants it.
    pub(crate) fn effective_lock(&self, lock: RowLock) -> Option<LockMode> {
        match lock {
            RowLock::Exclusive => Some(LockMode::Exclusive),
            RowLock::Shared => Some(LockMode::Shared),
            RowLock::None if self.isolation == Isolation::Serializable => Some(LockMode::Shared),
            RowLock::None => None,
        }
    }

    /// Whether scans that lock, lock ranges and not only the rows they find.
    pub(crate) fn locks_ranges(&self) -> bool {
        self.isolation >= Isolation::RepeatableRead
    }

    fn id(&mut self) -> u64 {
        if self.id == 0 {
            self.id = self.core.next_trx();
        }
        self.id
    }

    /// Locks a key of a table that is held until the transaction ends. `false`: the transaction had it locked already.
    pub(crate) fn lock_key(&mut self, table: u64, key: &[u8], mode: LockMode) -> Result<bool> {
        let (trx, timeout) = (self.id(), self.timeout);
        let granted = self.core.locks().point(trx, table, key, mode, || lock_wait::deadline(timeout));
        self.locked(granted)
    }

    /// Locks a range of keys of a table that is held until the transaction ends.
    pub(crate) fn lock_span(&mut self, table: u64, span: &Span, mode: LockMode) -> Result<()> {
        let trx = self.id();
        let granted = self.core.locks().range(trx, table, span, mode, self.deadline());
        self.locked(granted).map(|_| ())
    }

    #[inline]
    fn locked(&mut self, granted: Result<Option<Lock>>) -> Result<bool> {
        match granted {
            Ok(None) => Ok(false),
            Ok(Some(lock)) => {
                self.locks.push(lock);
                Ok(true)
            }
            Err(error) => {
                if error == Error::Deadlock {
                    self.release();
                    self.aborted = true;
                }
                Err(error)
            }
        }
    }

    /// What this transaction wrote to a key.
    pub(crate) fn own(&self, table: &Arc<Table>, key: &[u8]) -> Option<Option<Slice>> {
        if !self.wrote {
            return None;
        }
        self.uses.iter().find(|u| Arc::ptr_eq(u.guard.table(), table))?.writes.get(self.core.hash(key), key)
    }

    /// This transaction's writes to a table.
    pub(crate) fn own_writes(&self, table: &Arc<Table>) -> Option<&WriteSet> {
        let used = self.uses.iter().find(|u| Arc::ptr_eq(u.guard.table(), table))?;
        (!used.writes.is_empty()).then_some(&*used.writes)
    }

    /// From here to [`Trx::end_statement`] READ COMMITTED reads see one moment.
    pub(crate) fn begin_statement(&mut self) {
        if self.isolation == Isolation::ReadCommitted {
            self.snapshot = Some(self.core.storage().snapshot());
        }
    }

    pub(crate) fn end_statement(&mut self) {
        if self.isolation == Isolation::ReadCommitted {
            self.snapshot = None;
        }
    }

    /// The view of REPEATABLE READ, from the first read on, or of a READ COMMITTED statement.
    pub(crate) fn view(&mut self) -> Option<&Snapshot> {
        if self.isolation == Isolation::RepeatableRead && self.snapshot.is_none() {
            self.snapshot = Some(self.core.storage().snapshot());
        }
        self.snapshot.as_ref()
    }

    /// The value of a key as the isolation level shows it, without a lock.
    #[inline]
    pub(crate) fn visible(&mut self, table: &Arc<Table>, key: &[u8]) -> Result<Option<Slice>> {
        if let Some(own) = self.own(table, key) {
            return Ok(own);
        }
        match self.isolation {
            Isolation::ReadUncommitted => match table.pending().get(self.core.hash(key), key) {
                Some(version) => Ok(version),
                None => self.core.committed(table, key),
            },
            Isolation::ReadCommitted | Isolation::RepeatableRead => match self.view() {
                Some(view) => view.get(table.keyspace(), key),
                None => self.core.committed(table, key),
            },
            Isolation::Serializable => self.core.committed(table, key),
        }
    }

    /// The latest value of a key, as who has it locked sees it.
    pub(crate) fn latest(&self, table: &Arc<Table>, key: &[u8]) -> Result<Option<Slice>> {
        match self.own(table, key) {
            Some(own) => Ok(own),
            None => self.core.committed(table, key),
        }
    }

    /// Reads a key. A lock holds also where there is no row.
    #[inline]
    pub(crate) fn read(&mut self, guard: &mdl::Shared, key: &[u8], lock: RowLock) -> Result<Option<Slice>> {
        self.check_alive()?;
        match self.effective_lock(lock) {
            None => self.visible(guard.table(), key),
            Some(LockMode::Shared) => {
                self.hold_guarded(guard)?;
                self.lock_key(guard.table().id(), key, LockMode::Shared)?;
                self.latest(guard.table(), key)
            }
            Some(LockMode::Exclusive) => {
                self.hold_guarded(guard)?;
                let row = self.read_locked(guard.table(), key)?;
                self.note_read(guard.table(), key, false, row.is_some());
                Ok(row)
            }
        }
    }

    /// The same for a caller that keeps the row in place.
    #[inline(always)]
    pub(crate) fn find(&mut self, guard: &mdl::Shared, key: &[u8], lock: RowLock, row: &mut FoundRow) -> Result<()> {
        let table = guard.table();
        match self.effective_lock(lock) {
            // Nothing of its own and no view of an earlier moment stands between it and what is committed.
            None if self.isolation == Isolation::ReadCommitted && !self.wrote && self.snapshot.is_none() => {
                self.check_alive()?;
                self.core.find_committed(table, key, row)
            }
            Some(LockMode::Exclusive) => {
                self.check_alive()?;
                self.hold_guarded(guard)?;
                let is_new = self.lock_key(table.id(), key, LockMode::Exclusive)?;
                if is_new || !self.wrote {
                    self.core.find_committed(table, key, row)?;
                } else {
                    row.share(self.latest(table, key)?);
                }
                self.note_read(table, key, is_new, row.bytes().is_some());
                row.read = self.reads;
                Ok(())
            }
            _ => self.read(guard, key, lock).map(|found| row.share(found)),
        }
    }

    /// A key was read for update. `just_locked`: it is that of the last lock.
    #[inline]
    fn note_read(&mut self, table: &Table, key: &[u8], just_locked: bool, is_there: bool) {
        self.reads += 1;
        let (hash, key) = match self.locks.last() {
            Some(Lock::Point { hash, key, .. }) if just_locked => (*hash, key.clone()),
            _ => (self.core.hash(key), Slice::new(key)),
        };
        self.last = Some(Last { table: table.id(), key, hash, is_there, read: self.reads });
    }

    /// Locks a key exclusively and reads it.
    fn read_locked(&mut self, table: &Arc<Table>, key: &[u8]) -> Result<Option<Slice>> {
        if let Some(last) = &self.last
            && last.table == table.id()
            && *last.key == *key
        {
            return if last.is_there { self.latest(table, key) } else { Ok(None) };
        }
        match self.lock_key(table.id(), key, LockMode::Exclusive)? {
            // Whoever writes to a key has it locked before.
            true => self.core.committed(table, key),
            false => self.latest(table, key),
        }
    }

    /// Reads a row through a unique secondary index: the primary key and the row.
    pub(crate) fn read_by_index(
        &mut self,
        guard: &mdl::Shared,
        index: usize,
        key: &[u8],
        lock: RowLock,
    ) -> Result<Option<(Slice, Slice)>> {
        let Some(pk) = self.read(guard, key, lock)? else { return Ok(None) };
        let row = self.read(guard, &pk, lock)?;
        let table = guard.table();
        if let Some(row) = row
            && self.has_index_key(table, index, &row, &pk, key)?
        {
            return Ok(Some((pk, row)));
        }
        if self.effective_lock(lock).is_some() || self.isolation == Isolation::RepeatableRead {
            return Ok(None);
        }
        // A commit came between the two reads: look again, at one point in time.
        let view = self.core.storage().snapshot();
        let Some(pk) = view.get(table.keyspace(), key)? else { return Ok(None) };
        let row = view.get(table.keyspace(), &pk)?;
        Ok(row.map(|row| (pk, row)))
    }

    pub(crate) fn has_index_key(
        &mut self,
        table: &Table,
        index: usize,
        row: &[u8],
        pk: &[u8],
        key: &[u8],
    ) -> Result<bool> {
        let mut own = std::mem::take(&mut self.other_key);
        let encoded = codec::secondary_key(&mut own, table.def(), index, row, pk);
        let same = own == key;
        self.other_key = own;
        encoded.map(|_| same)
    }

    /// Number of changes so far: what [`Trx::rollback_to`] goes back to.
    pub(crate) fn mark(&self) -> usize {
        self.undo.len()
    }

    /// Takes back what was changed since `mark`. Locks stay.
    pub(crate) fn rollback_to(&mut self, mark: usize) {
        self.last = None;
        while self.undo.len() > mark {
            let Some(undo) = self.undo.pop() else { return };
            let Some(used) = self.uses.get_mut(undo.table) else { continue };
            used.writes.take_back(self.core.hash(&undo.key), &undo.key, undo.before);
            used.growth += undo.growth.negative();
        }
    }
}

impl Drop for Trx {
    fn drop(&mut self) {
        self.rollback();
    }
}
