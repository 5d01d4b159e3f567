//! LOCK TABLES and FLUSH TABLES WITH READ LOCK: what a session holds beyond its transactions.

use std::time::Duration;

use super::ast::{Statement, TableName};
use super::error::{Result, SqlError};
use super::info::{Info, find_table};
use crate::refengine::codes;
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
    /// LOCK TABLES; the flag asks for WRITE. Tables are locked in the order of their names, so that two sessions do not wait for each
    /// other.
    pub fn lock(info: &Info, tables: &[(TableName, bool)], patience: Duration) -> Result<TableLocks> {
        let engine = &info.engine;
        let wanted = |(name, write): &(TableName, bool)| {
            Ok(Wanted { db: info.database_of(name)?.to_owned(), name: name.name.clone(), write: *write })
        };
        let mut wanted = tables.iter().map(wanted).collect::<Result<Vec<_>>>()?;
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
                    Err(error) if error.is(codes::ER_NO_SUCH_TABLE) => {}
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
            return Err(SqlError::new(codes::ER_CANT_UPDATE_WITH_READLOCK, text));
        }
        match self.held(db, name) {
            None => Err(SqlError::new(
                codes::ER_TABLE_NOT_LOCKED,
                format!("Table '{name}' was not locked with LOCK TABLES"),
            )),
            Some(held) if write && !held.wanted.write => {
                let text = format!("Table '{name}' was locked with a READ lock and can't be updated");
                Err(SqlError::new(codes::ER_TABLE_NOT_LOCKED_FOR_WRITE, text))
            }
            Some(_) => Ok(()),
        }
    }

    /// What LOCK TABLES and FLUSH TABLES WITH READ LOCK leave to their own session.
    pub fn check_statement(&self, info: &Info, statement: &Statement) -> Result<()> {
        let check = |name: &TableName, write| self.check(info.database_of(name)?, &name.name, write);
        match statement {
            Statement::Explain(_) => Ok(()),
            Statement::Maintain { tables, .. } => tables.iter().try_for_each(|name| check(name, false)),
            Statement::Select(select) => {
                let write = select.lock == RowLock::Exclusive;
                let locked = select.from.as_ref().filter(|from| !from.name.in_information_schema());
                locked.map_or(Ok(()), |from| check(&from.name, write))
            }
            Statement::Insert(insert) => check(&insert.table, true),
            Statement::Update(update) => check(&update.table.name, true),
            Statement::Delete(delete) => check(&delete.table.name, true),
            Statement::SwitchKeys(name) => check(name, true),
            Statement::Show(_)
            | Statement::ShowWhere(..)
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
            Statement::FlushTables { .. } if self.global => Ok(()),
            _ => {
                let text =
                    "Can't execute the given command because you have active locked tables or an active transaction";
                Err(SqlError::new(codes::ER_LOCK_OR_ACTIVE_TRANSACTION, text))
            }
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
