//! What all parts of an open engine share, and which engine the callback table works on.

use super::cache::{Hit, RowCache, Ticket};
use super::catalog::{Catalog, Ddl};
use super::datadir::DataDir;
use super::ddl_gate::DdlGate;
use super::error::{Error, Result};
use super::found::FoundRow;
use super::lock::LockManager;
use super::mdl::{self, Exclusive};
use super::storage::{Slice, Storage, Value};
use super::table::Table;
use super::variables::{Var, Variables};
use parking_lot::{Mutex, RwLock};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// What all parts of an open engine share.
pub(crate) struct Core {
    pub(super) storage: Storage,
    pub(super) catalog: Catalog,
    pub(super) cache: RowCache,
    /// Bytes that the row cache and the memory table share.
    pub(super) pool: u64,
    pub(super) locks: LockManager,
    pub(super) variables: Variables,
    /// Tables the plugin announced that it uses, one entry per announcement.
    pub(super) announced: Mutex<Vec<mdl::Shared>>,
    pub(super) ddl_gate: DdlGate,
    pub(super) last_trx: AtomicU64,
    pub(super) is_new: bool,
    /// Last: the directory is free when everything else is closed.
    pub(super) dir: DataDir,
}

impl Core {
    pub(crate) fn storage(&self) -> &Storage {
        &self.storage
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub(crate) fn locks(&self) -> &LockManager {
        &self.locks
    }

    #[inline]
    pub(crate) fn variable(&self, var: Var) -> u64 {
        self.variables.get(var)
    }

    pub(crate) fn seconds(&self, var: Var) -> Duration {
        Duration::from_secs(self.variables.get(var))
    }

    /// Keeps DDL off a table until it is withdrawn as often as it was announced.
    pub(crate) fn announce(&self, guard: &mdl::Shared) {
        self.announced.lock().push(guard.clone());
    }

    pub(crate) fn withdraw(&self, guard: &mdl::Shared) {
        let mut announced = self.announced.lock();
        if let Some(i) = announced.iter().position(|held| Arc::ptr_eq(held.table(), guard.table())) {
            announced.swap_remove(i);
        }
    }

    pub(crate) fn ddl_gate(&self) -> &DdlGate {
        &self.ddl_gate
    }

    /// The hash of a key, the same for all that go by it: locks, and what transactions wrote.
    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        self.locks.hash(key)
    }

    pub(crate) fn next_trx(&self) -> u64 {
        self.last_trx.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The latest committed value of a key.
    #[inline]
    pub(crate) fn committed(&self, table: &Table, key: &[u8]) -> Result<Option<Slice>> {
        match self.cache.get(table.id(), key, |hit| hit.slice()) {
            Ok(row) => Ok(Some(row)),
            Err(ticket) => self.committed_in_storage(table, key, ticket),
        }
    }

    /// The same where `row` keeps it.
    #[inline(always)]
    pub(crate) fn find_committed(&self, table: &Table, key: &[u8], row: &mut FoundRow) -> Result<()> {
        let hit = self.cache.get(table.id(), key, |hit| match hit {
            Hit::Copy(bytes) => row.copy(bytes),
            Hit::Shared(slice) => row.share(Some(slice.clone())),
        });
        match hit {
            Ok(()) => Ok(()),
            Err(ticket) => self.committed_in_storage(table, key, ticket).map(|found| row.share(found)),
        }
    }

    #[cold]
    fn committed_in_storage(&self, table: &Table, key: &[u8], ticket: Ticket) -> Result<Option<Slice>> {
        let row = table.keyspace().get(key)?;
        if let Some(row) = &row {
            self.cache.fill(ticket, table.id(), key, row, self.cache_bytes());
        }
        Ok(row)
    }

    /// Shows what was committed to those who read the latest rows; [`Value::Deleted`] also if only the storage knows whether there is a row.
    #[inline]
    pub(crate) fn publish(&self, table: &Table, key: &[u8], row: Value<'_>, limit: usize) {
        self.cache.publish(table.id(), key, row, limit);
    }

    /// What [`Core::publish`] is told now.
    pub(crate) fn cache_limit(&self) -> usize {
        self.cache.limit(self.cache_bytes())
    }

    /// Bytes that the row cache may take now: what the memory table does not, and what finds rows on disk does not, as long
    /// as that is less than a third of the pool. A merge has it twice, the old tables' and the new ones'.
    fn cache_bytes(&self) -> u64 {
        let resident = (self.storage.resident() * 2).min(self.pool / 3);
        self.pool.saturating_sub(self.storage.memory()).saturating_sub(resident)
    }

    /// Empties a table, waiting for its users at most `patience`; returns the id it has from now on.
    pub(crate) fn truncate(&self, db: &str, name: &str, patience: Duration) -> Result<u64> {
        let mut id = 0;
        self.replace_table(db, name, patience, |ddl, old| {
            let new = ddl.new_table(old.def().clone())?;
            ddl.add_table(&new);
            id = new.id();
            Ok(Some(new))
        })
        .map(|old| {
            self.delete_rows(&old);
            id
        })
    }

    /// Takes a table exclusively and puts what `change` makes of it in its place.
    pub(super) fn replace_table(
        &self,
        db: &str,
        name: &str,
        patience: Duration,
        change: impl FnOnce(&mut Ddl<'_>, &Table) -> Result<Option<Table>>,
    ) -> Result<Arc<Table>> {
        let deadline = Instant::now() + patience;
        self.ddl_gate.pass(deadline)?;
        let exclusive = self.exclusive(db, name, deadline)?;
        let table = exclusive.table().clone();
        let mut ddl = self.catalog.change(&self.storage);
        let new = change(&mut ddl, &table)?;
        ddl.commit(std::slice::from_ref(&table), new.into_iter().collect(), (&[], &[]))?;
        Ok(table)
    }

    pub(super) fn exclusive(&self, db: &str, name: &str, deadline: Instant) -> Result<Exclusive> {
        loop {
            match Exclusive::acquire(&self.catalog.table(db, name)?, deadline) {
                // Another statement replaced the table meanwhile.
                Err(Error::NoSuchTable { .. }) => continue,
                other => return other,
            }
        }
    }

    pub(super) fn delete_rows(&self, table: &Table) {
        if let Err(error) = self.storage.delete_keyspace(table.keyspace().clone()) {
            log::warn!("DM2003: refengine: the files of a dropped table stay until the next start: {error}");
        }
    }
}

/// The engine the callback table works on.
static SERVING: RwLock<Weak<Core>> = RwLock::new(Weak::new());

/// The engine that serves the callback table now.
pub(crate) fn serving() -> Option<Arc<Core>> {
    SERVING.read().upgrade()
}

/// Makes the callback table work on this engine: on any that is open if `unless_served`, and else whichever had it before.
pub(crate) fn serve(core: &Arc<Core>, unless_served: bool) {
    let mut serving = SERVING.write();
    if !unless_served || serving.strong_count() == 0 {
        *serving = Arc::downgrade(core);
    }
}
