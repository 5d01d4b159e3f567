//! The transaction of a worker. Whatever else the store does, it begins, commits and rolls back here and nowhere else, so that what
//! belongs to a transaction (changes of memory that wait for its commit, marks that its undoing takes back) shares its fate.

use super::journal::{Effect, Transaction};
use super::table::TableStore;
use super::{Batch, Config, Container, Result, Store};
use crate::rows::{Error, Mode, Rows};
use std::sync::Arc;

/// Bytes of changes after which a transaction is committed, whatever belongs to it: the bundled engine keeps them in memory until then.
const WRITTEN_MAX: usize = 32 << 20;

impl<R: Rows> Store<R> {
    /// Whether the transactions that operations begin from now on may write.
    pub fn set_read_write(&mut self, read_write: bool) {
        self.transaction.read_write = read_write;
    }

    /// The table's operations on a container that serves, inside a transaction that suits what is to come. One that may write serves
    /// reads too; one that may not ends first. Outside batches reads never see uncommitted rows of others: their transactions may yet be
    /// undone, and a reply is for ever.
    #[inline(always)]
    pub(super) fn begin(&mut self, container: &Container) -> Result<&mut TableStore<R>> {
        container.check()?;
        let goes_on = self.table.rows.active() && (self.transaction.writable || !self.transaction.read_write);
        if !goes_on {
            self.begin_anew()?;
        }
        Ok(&mut self.table)
    }

    #[inline(never)]
    fn begin_anew(&mut self) -> Result<()> {
        if self.table.rows.active() {
            self.commit()?;
        }
        let Transaction { read_write, batch, .. } = self.transaction;
        let level = self.table.config.rules.trx_level;
        let batch = if read_write { batch.writes } else { batch.reads };
        self.table.rows.begin(Mode { level: if batch > 1 { level } else { level.max(1) }, read_write })?;
        let transaction = &mut self.transaction;
        (transaction.writable, transaction.operations, transaction.begun) = (read_write, 0, self.table.now);
        self.table.written = 0;
        Ok(())
    }

    /// The same, for a change of the row of this key: memory forgets the key when it is committed, where memory is used at all.
    #[inline]
    pub(super) fn begin_change(&mut self, container: &Container, key: &[u8]) -> Result<&mut TableStore<R>> {
        self.begin(container)?;
        self.forget(container, key);
        Ok(&mut self.table)
    }

    /// Ends a phase in which `operations` ran: commits unless the batch that they belong to has room for more.
    ///
    /// # Errors
    /// [`Error::refuses_commit`] tells whether the outcome is known.
    pub fn end_phase(&mut self, operations: usize) -> std::result::Result<(), Error> {
        let transaction = &mut self.transaction;
        if self.table.rows.active() {
            if transaction.writable && !transaction.read_write {
                // Reads inside an open batch of writes: they count for nothing.
                return Ok(());
            }
            transaction.operations += operations as u64;
            let Batch { reads, writes } = transaction.batch;
            let room = transaction.operations < u64::from(if transaction.writable { writes } else { reads });
            if room && !self.is_full() {
                return Ok(());
            }
        }
        self.commit()
    }

    /// Whether the open transaction has changed so much that it should be committed before it changes more.
    pub fn is_full(&self) -> bool {
        self.table.written >= WRITTEN_MAX && self.table.rows.active()
    }

    /// Commits what is open.
    ///
    /// # Errors
    /// [`Error::refuses_commit`] tells whether the outcome is known.
    pub fn commit(&mut self) -> std::result::Result<(), Error> {
        let committed = if self.table.rows.active() { self.table.rows.commit() } else { Ok(()) };
        self.settle(committed.is_ok());
        committed
    }

    /// Undoes what is open.
    pub fn rollback(&mut self) {
        self.table.rows.rollback();
        self.undone();
    }

    /// See [`Rows::restart_lock_wait`].
    pub fn restart_lock_wait(&mut self) {
        self.table.rows.restart_lock_wait();
    }

    /// See [`Rows::hold`].
    pub fn hold(&mut self, hold: bool) {
        self.table.rows.hold(hold);
    }

    /// See [`Rows::holds`].
    pub fn holds(&self) -> bool {
        self.table.rows.holds()
    }

    /// Closes what is held, unless a transaction is open, whose end decides.
    pub fn release(&mut self) {
        if !self.table.rows.active() {
            self.table.rows.release();
        }
    }

    /// Looks after the session between two ticks.
    pub fn check_session(&mut self) {
        if self.table.rows.check_session() {
            self.undone();
        }
    }

    /// Whether a transaction is open that may not write.
    pub fn reads_are_open(&self) -> bool {
        self.table.rows.active() && !self.transaction.writable
    }

    /// Unix time at which the batch that is open was begun.
    pub fn batch_begun(&self) -> Option<i64> {
        self.table.rows.active().then_some(self.transaction.begun)
    }

    /// Makes sure that the next read sees everything committed before it; `false` where the open transaction must stay.
    pub(super) fn renew_view(&mut self) -> Result<bool> {
        if self.table.rows.active() && (self.transaction.writable || self.transaction.batch.reads > 1) {
            return Ok(false);
        }
        self.commit()?;
        Ok(true)
    }

    /// Takes a new configuration, between two transactions.
    pub fn set_config(&mut self, config: Arc<Config>) {
        if Arc::ptr_eq(&config, &self.table.config) {
            return;
        }
        self.table.rows.keep(&|id, stamp| config.containers().any(|c| (c.table.id, c.table.stamp) == (id, stamp)));
        self.table.config = config;
    }

    fn undone(&mut self) {
        self.transaction.journal.clear();
        self.unmark();
    }

    /// Applies the journal. After an unknown outcome only the table knows: memory forgets the keys.
    fn settle(&mut self, known: bool) {
        self.keep_marks(known);
        for effect in self.transaction.journal.drain(..) {
            match effect {
                Effect::Put { container, key, version, item } if known => {
                    self.memory.replace_committed(container, &key, version, item);
                }
                Effect::Put { container, key, .. } | Effect::Remove { container, key } => {
                    self.memory.invalidate(container, &key);
                }
            }
        }
    }
}
