//! Locks on whole tables that outlive a transaction: LOCK TABLES and FLUSH TABLES WITH READ LOCK.
//!
//! A write lock is the table's metadata lock, exclusively: nobody else gets in. A read lock is a shared lock on all keys of the
//! table, held by a transaction of its own: readers come and go, writers wait for it as they wait for a row. While DDL is
//! frozen, statements that change the catalog wait before they begin.

use super::core::Core;
use super::error::{Error, Result};
use super::interrupt;
use super::mdl::{Exclusive, Shared};
use super::table::Table;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::time::Instant;

/// A table that only its holder uses.
pub struct WriteLock(pub(crate) Exclusive);

impl WriteLock {
    /// The table.
    pub fn table(&self) -> &Arc<Table> {
        self.0.table()
    }

    pub(crate) fn share(&self) -> Shared {
        self.0.share()
    }
}

/// Counts those who keep DDL out.
#[derive(Default)]
pub(crate) struct DdlGate {
    frozen: Mutex<usize>,
    changed: Condvar,
}

impl DdlGate {
    /// Waits until nobody keeps DDL out.
    pub(crate) fn pass(&self, deadline: Instant) -> Result<()> {
        let mut frozen = self.frozen.lock();
        while *frozen > 0 {
            self.changed.wait_until(&mut frozen, interrupt::next_look(deadline));
            if interrupt::is_interrupted() {
                return Err(Error::Interrupted);
            }
            if *frozen > 0 && Instant::now() >= deadline {
                return Err(Error::LockWaitTimeout);
            }
        }
        Ok(())
    }
}

/// Keeps DDL out while it lives.
pub struct FrozenDdl(Arc<Core>);

impl FrozenDdl {
    pub(crate) fn new(core: Arc<Core>) -> FrozenDdl {
        *core.ddl_gate().frozen.lock() += 1;
        FrozenDdl(core)
    }
}

impl Drop for FrozenDdl {
    fn drop(&mut self) {
        let gate = self.0.ddl_gate();
        *gate.frozen.lock() -= 1;
        gate.changed.notify_all();
    }
}
