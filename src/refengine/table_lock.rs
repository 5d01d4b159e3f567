//! Locks on whole tables that outlive a transaction: LOCK TABLES and FLUSH TABLES WITH READ LOCK.
//!
//! A write lock is the table's metadata lock, exclusively: nobody else gets in. A read lock is a shared lock on all keys of the
//! table, held by a transaction of its own: readers come and go, writers wait for it as they wait for a row. While DDL is
//! frozen, statements that change the catalog wait before they begin.

use super::core::Core;
use super::mdl::{Exclusive, Shared};
use super::table::Table;
use std::sync::Arc;

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

/// Keeps DDL out while it lives.
pub struct FrozenDdl(Arc<Core>);

impl FrozenDdl {
    pub(crate) fn new(core: Arc<Core>) -> FrozenDdl {
        core.ddl_gate().freeze();
        FrozenDdl(core)
    }
}

impl Drop for FrozenDdl {
    fn drop(&mut self) {
        self.0.ddl_gate().thaw();
    }
}
