//! The ends of a transaction.

use super::{KEPT, Trx, Use};
use crate::refengine::error::Result;
use crate::refengine::storage::{Changes, Keyspace, Value};
use std::sync::Arc;

/// What a transaction wrote.
struct Writes<'a>(&'a [Use]);

impl Changes for Writes<'_> {
    fn each(&self, mut f: impl FnMut(&Keyspace, &[u8], Value<'_>)) {
        for used in self.0 {
            let keyspace = used.guard.table().keyspace();
            used.writes.each(|key, value| f(keyspace, key, value));
        }
    }
}

impl Trx {
    /// Lets go of everything: locks, tables, what was written and its view.
    pub(super) fn release(&mut self) {
        self.undo.clear();
        self.last = None;
        self.wrote = false;
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
        self.undo.shrink_to(KEPT);
        self.locks.shrink_to(KEPT);
    }

    /// Ends the transaction, keeping its changes. Whatever the result, it is over.
    pub(crate) fn commit(&mut self) -> Result<()> {
        self.check_alive()?;
        if !self.wrote {
            self.release();
            return Ok(());
        }
        let grown = self.uses.iter().filter(|used| !used.growth.is_nothing());
        self.grown.extend(grown.map(|used| (used.guard.table().keyspace().clone(), used.growth)));
        let committed = self.core.storage().commit(Writes(&self.uses), &self.grown);
        self.grown.clear();
        let limit = self.core.cache_limit();
        for used in &self.uses {
            let table = used.guard.table();
            used.writes.each(|key, row| {
                // After a failure only the storage knows which row there is.
                let row = if committed.is_ok() { row } else { Value::Deleted };
                self.core.publish(table, key, row, limit);
            });
            if self.by_sql && !used.writes.is_empty() {
                self.core.catalog().sql_changes().note(table.path());
            }
        }
        self.release();
        committed
    }

    /// Ends the transaction, undoing its changes. One that has ended has nothing left.
    pub(crate) fn rollback(&mut self) {
        if !self.uses.is_empty() || !self.locks.is_empty() || self.snapshot.is_some() {
            self.release();
        }
    }
}
