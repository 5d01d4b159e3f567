//! The ends of a transaction.

use super::{KEPT, Trx, Use};
use crate::refengine::error::Result;
use crate::refengine::storage::Change;
use std::sync::Arc;

impl Trx {
    pub(super) fn undo_all(&mut self) {
        // One that ended has nothing left.
        if !self.uses.is_empty() || !self.locks.is_empty() {
            self.rollback_to(0);
            self.release();
        }
    }

    pub(super) fn release(&mut self) {
        self.undo.clear();
        self.last = None;
        for used in self.uses.iter().filter(|used| used.shown) {
            used.guard.table().pending().remove(&used.writes);
        }
        self.core.locks().release(self.id, &mut self.locks);
        self.snapshot = None;
        for Use { mut writes, .. } in self.uses.drain(..) {
            if let Some(only) = Arc::get_mut(&mut writes) {
                only.clear(KEPT);
                self.idle = Some(writes);
            }
        }
    }

    /// Ends the transaction, keeping its changes. Whatever the result, it is over.
    pub(crate) fn commit(&mut self) -> Result<()> {
        self.check_alive()?;
        if self.undo.is_empty() {
            self.release();
            return Ok(());
        }
        let mut changes = Vec::with_capacity(self.undo.len());
        for used in &self.uses {
            let keyspace = used.guard.table().keyspace();
            used.writes.each(|key, value| {
                changes.push(Change { keyspace: keyspace.clone(), key: key.clone(), value: value.cloned() });
            });
        }
        let grown = self.uses.iter().filter(|used| !used.growth.is_nothing());
        let grown: Vec<_> = grown.map(|used| (used.guard.table().keyspace().clone(), used.growth)).collect();
        let committed = self.core.storage().commit(changes, &grown);
        let limit = self.core.cache_limit();
        for used in &self.uses {
            let table = used.guard.table();
            // After a failure only the storage knows which row there is.
            used.writes.each(|key, row| self.core.publish(table, key, row.filter(|_| committed.is_ok()), limit));
            if self.by_sql && !used.writes.is_empty() {
                self.core.catalog().sql_changes().note(table.path());
            }
        }
        self.release();
        committed
    }

    /// Ends the transaction, undoing its changes.
    pub(crate) fn rollback(&mut self) {
        self.undo_all();
    }
}
