//! LOCK TABLES and FLUSH TABLES WITH READ LOCK: what a session holds beyond its transactions.

use std::time::Duration;

use super::ast::{Statement, TableName};
use super::error::{Result, SqlError};
use super::information_schema;
use super::rows::find_table;
use super::session::Session;
use crate::refengine::types::{Isolation, RowLock};
use crate::refengine::{Engine, Error, FrozenDdl, Transaction, WriteLock};

/// A table that LOCK TABLES names.
struct Wanted {
    db: String,
    name: String,
    write: bool,
}

/// The locks of a session. Dropping them gives them back.
pub struct TableLocks {
    tables: Vec<Held>,
    /// All tables for reading.
    global: bool,
    /// Holds the tables that are locked for reading.
    _readers: Transaction,
    _frozen: Option<FrozenDdl>,
}

struct Held {
    wanted: Wanted,
    lock: Option<WriteLock>,
}

impl TableLocks {
    /// LOCK TABLES. Tables are locked in the order of their names, so that two sessions do not wait for each other.
    fn lock(engine: &Engine, mut wanted: Vec<Wanted>, patience: Duration) -> Result<TableLocks> {
        wanted.sort_by(|a, b| (&a.db, &a.name, b.write).cmp(&(&b.db, &b.name, a.write)));
        wanted.dedup_by(|later, first| (&later.db, &later.name) == (&first.db, &first.name));
        let mut readers = readers(engine, patience);
        let mut tables = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            find_table(engine, &wanted.db, &wanted.name)?;
            let lock = if wanted.write {
                Some(engine.lock_table(&wanted.db, &wanted.name, patience)?)
            } else {
                lock_for_reading(engine, &mut readers, &wanted.db, &wanted.name)?;
                None
            };
            tables.push(Held { wanted, lock });
        }
        Ok(TableLocks { tables, global: false, _readers: readers, _frozen: None })
    }

    /// FLUSH TABLES WITH READ LOCK.
    pub fn lock_all(engine: &Engine, patience: Duration) -> Result<TableLocks> {
        let frozen = engine.freeze_ddl();
        let mut readers = readers(engine, patience);
        for db in engine.databases() {
            for name in engine.tables(&db).unwrap_or_default() {
                match lock_for_reading(engine, &mut readers, &db, &name) {
                    // Dropped by a statement that had begun before.
                    Err(error) if error.errno == 1146 => {}
                    other => other?,
                }
            }
        }
        Ok(TableLocks { tables: Vec::new(), global: true, _readers: readers, _frozen: Some(frozen) })
    }

    /// Whether a statement of the holder may use a table.
    pub fn check(&self, db: &str, name: &str, write: bool) -> Result<()> {
        if self.global {
            if !write {
                return Ok(());
            }
            let text = "Can't execute the query because you have a conflicting read lock";
            return Err(SqlError::new(1223, "HY000", text));
        }
        match self.held(db, name) {
            None => Err(SqlError::new(1100, "HY000", format!("Table '{name}' was not locked with LOCK TABLES"))),
            Some(held) if write && !held.wanted.write => {
                let text = format!("Table '{name}' was locked with a READ lock and can't be updated");
                Err(SqlError::new(1099, "HY000", text))
            }
            Some(_) => Ok(()),
        }
    }

    /// Whether it is LOCK TABLES.
    pub fn is_partial(&self) -> bool {
        !self.global
    }

    /// The lock on a table that is locked for writing.
    pub fn write_lock(&self, db: &str, name: &str) -> Option<&WriteLock> {
        self.held(db, name)?.lock.as_ref()
    }

    fn held(&self, db: &str, name: &str) -> Option<&Held> {
        self.tables.iter().find(|held| held.wanted.db == db && held.wanted.name == name)
    }
}

impl Session {
    /// What LOCK TABLES and FLUSH TABLES WITH READ LOCK leave to their own session.
    pub(super) fn check_table_locks(&self, statement: &Statement) -> Result<()> {
        let Some(locks) = &self.locks else { return Ok(()) };
        let check = |name: &TableName, write| locks.check(self.info.database_of(name)?, &name.name, write);
        match statement {
            Statement::Select(select) => {
                let write = select.lock == RowLock::Exclusive;
                let locked = select.from.as_ref().filter(|from| !information_schema::holds(&from.name));
                locked.map_or(Ok(()), |from| check(&from.name, write))
            }
            Statement::Insert(insert) => check(&insert.table, true),
            Statement::Update(update) => check(&update.table.name, true),
            Statement::Delete(delete) => check(&delete.table.name, true),
            Statement::SwitchKeys(name) => check(name, true),
            Statement::Show(_)
            | Statement::Describe { .. }
            | Statement::Use(_)
            | Statement::Set(_)
            | Statement::Begin { .. }
            | Statement::Commit
            | Statement::Rollback
            | Statement::Savepoint(_)
            | Statement::RollbackTo(_)
            | Statement::ReleaseSavepoint(_)
            | Statement::LockTables(_)
            | Statement::UnlockTables
            | Statement::FlushPrivileges
            | Statement::Kill { .. } => Ok(()),
            Statement::FlushTables { .. } if !locks.is_partial() => Ok(()),
            _ => {
                let text =
                    "Can't execute the given command because you have active locked tables or an active transaction";
                Err(SqlError::new(1192, "HY000", text))
            }
        }
    }

    pub(super) fn lock_tables(&mut self, tables: &[(TableName, bool)]) -> Result<()> {
        self.commit()?;
        self.locks = None;
        let wanted = |(name, write): &(TableName, bool)| {
            Ok(Wanted { db: self.info.database_of(name)?.to_owned(), name: name.name.clone(), write: *write })
        };
        let wanted = tables.iter().map(wanted).collect::<Result<_>>()?;
        self.locks = Some(TableLocks::lock(&self.info.engine, wanted, self.lock_wait())?);
        Ok(())
    }
}

fn readers(engine: &Engine, patience: Duration) -> Transaction {
    let mut readers = engine.begin(Isolation::ReadCommitted, false);
    readers.set_lock_wait_timeout(patience);
    readers
}

fn lock_for_reading(engine: &Engine, readers: &mut Transaction, db: &str, name: &str) -> Result<()> {
    loop {
        match readers.lock_table_shared(&find_table(engine, db, name)?) {
            // DDL replaced it between the two calls: look again.
            Err(Error::NoSuchTable { .. }) => {}
            other => return Ok(other?),
        }
    }
}
