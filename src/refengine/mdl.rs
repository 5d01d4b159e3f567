//! Metadata locks: a table that is in use is not dropped, truncated or renamed.
//!
//! Users hold it shared (transactions that wrote or locked rows, open cursors), DDL exclusively. Taking and releasing it
//! shared is one atomic operation each. DDL that waits keeps newcomers out, so it is not starved; who already
//! holds the lock shared gets it again without waiting, by cloning the guard.

pub(crate) mod lock;

use super::error::Result;
use super::table::Table;
use std::sync::Arc;
use std::time::Instant;

/// A table held shared.
pub(crate) struct Shared(Arc<Table>);

impl Shared {
    /// Waits for DDL until `deadline`. [`NoSuchTable`](super::Error::NoSuchTable): the table was dropped, truncated or renamed.
    pub(crate) fn acquire(table: &Arc<Table>, deadline: impl FnOnce() -> Instant) -> Result<Shared> {
        if !table.mdl().try_shared() {
            table.mdl().lock_shared(deadline())?;
        }
        let held = Shared(table.clone());
        if table.is_gone() {
            return Err(table.no_such_table());
        }
        Ok(held)
    }

    #[inline]
    pub(crate) fn table(&self) -> &Arc<Table> {
        &self.0
    }
}

impl Clone for Shared {
    fn clone(&self) -> Shared {
        self.0.mdl().share();
        Shared(self.0.clone())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.0.mdl().release_shared();
    }
}

/// A table held exclusively.
pub(crate) struct Exclusive(Arc<Table>);

impl Exclusive {
    /// Waits for all users until `deadline`.
    pub(crate) fn acquire(table: &Arc<Table>, deadline: Instant) -> Result<Exclusive> {
        table.mdl().lock_exclusive(deadline)?;
        let held = Exclusive(table.clone());
        if table.is_gone() {
            return Err(table.no_such_table());
        }
        Ok(held)
    }
}

impl Exclusive {
    #[inline]
    pub(crate) fn table(&self) -> &Arc<Table> {
        &self.0
    }

    /// The table for a transaction of the holder, who lets it end before he lets go.
    pub(crate) fn share(&self) -> Shared {
        self.0.mdl().share();
        Shared(self.0.clone())
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        self.0.mdl().release_exclusive();
    }
}
