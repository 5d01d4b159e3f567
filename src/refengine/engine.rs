//! The engine as its users see it: open, close, DDL, transactions, variables.

use super::alter;
use super::cache::RowCache;
use super::catalog::Catalog;
use super::core::{self, Core};
use super::datadir::DataDir;
use super::ddl_gate::DdlGate;
use super::error::{Error, Result};
use super::lock::LockManager;
use super::mdl::{self, Exclusive};
use super::span::Span;
use super::storage::sync_times::SyncTimes;
use super::storage::{self, Size, Storage};
use super::table::Table;
use super::table_lock::{FrozenDdl, WriteLock};
use super::transaction::Transaction;
use super::trx::Trx;
use super::types::{Isolation, Row, TableDef};
use super::validate;
use super::variables::{Var, Variables};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

/// Time a close waits for the last user of the engine to let go.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);
const SYSTEM_DATABASE: &str = "mysql";

/// An open engine. Clones share it.
#[derive(Clone)]
pub struct Engine {
    core: Arc<Core>,
}

impl Engine {
    /// Opens or creates the engine in `dir` and recovers it. `options` are variables, see `variables`.
    ///
    /// The callback table works on this engine unless another open one has it already.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process has `dir` open; [`Error::UnknownVariable`], [`Error::WrongValue`];
    /// [`Error::Storage`] and [`Error::Corrupt`] if it cannot be read.
    pub fn open(dir: &Path, options: &[(String, String)]) -> Result<Engine> {
        let variables = Variables::new(options)?;
        let dir = DataDir::claim(dir)?;
        let pool = variables.get(Var::BufferPoolSize);
        let shares = storage::shares(pool);
        let (path, is_new) = dir.storage(|path| {
            let storage = Storage::open(path, shares, 1)?;
            let catalog = Catalog::create(&storage)?;
            storage.close(vec![catalog])
        })?;
        let storage = Storage::open(&path, shares, variables.get(Var::FlushLevel) as u8)?;
        storage.fail_commits(variables.get(Var::FailCommits));
        let catalog = Catalog::open(&storage).map_err(|error| storage::name_damage(error, &path))?;
        let cache = RowCache::new(pool)
            .map_err(|error| Error::Storage(format!("no memory for innodb_buffer_pool_size = {pool}: {error}")))?;
        let core = Arc::new(Core {
            storage,
            catalog,
            cache,
            pool,
            locks: LockManager::default(),
            variables,
            announced: Mutex::default(),
            ddl_gate: DdlGate::default(),
            last_trx: AtomicU64::new(0),
            is_new,
            dir,
        });
        core::serve(&core, true);
        Ok(Engine { core })
    }

    /// Makes the callback table work on this engine, whichever had it before.
    pub fn serve_callback_table(&self) {
        core::serve(&self.core, false);
    }

    /// Makes everything committed durable, writes it out so that the next open is fast, and waits for the
    /// engine's threads. Dropping the last clone is a close without the writing out.
    ///
    /// # Errors
    /// [`Error::Storage`] if clones, transactions, tables or cursors are still in use, or if the writing fails. Committed
    /// rows are safe in both cases.
    pub fn close(self) -> Result<()> {
        let mut core = self.core;
        let deadline = Instant::now() + CLOSE_PATIENCE;
        let core = loop {
            match Arc::try_unwrap(core) {
                Ok(core) => break core,
                Err(shared) if Instant::now() < deadline => core = shared,
                Err(_) => {
                    return Err(Error::Storage("the engine is in use: close its sessions and cursors first".into()));
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let Core { storage, catalog, announced, dir, .. } = core;
        drop(announced);
        let closed = catalog.close().and_then(|keyspaces| storage.close(keyspaces));
        drop(dir);
        closed
    }

    /// Whether [`Engine::open`] created the data directory.
    pub fn is_new(&self) -> bool {
        self.core.is_new
    }

    /// How long a statement waits for a lock unless its session says otherwise.
    pub fn lock_wait(&self) -> Duration {
        self.patience()
    }

    fn patience(&self) -> Duration {
        self.core.seconds(Var::LockWaitTimeout)
    }

    /// ANALYZE TABLE: counts the rows, so that [`Table::size`] is right whatever it was before, but for what others commit at the moment at
    /// which this begins.
    ///
    /// # Errors
    /// [`Error::NoSuchTable`], [`Error::LockWaitTimeout`], [`Error::Corrupt`], [`Error::Storage`].
    pub fn count_rows(&self, table: &Arc<Table>) -> Result<()> {
        let deadline = Instant::now() + self.patience();
        let _used = mdl::Shared::acquire(table, || deadline)?;
        let (keyspace, storage, rows) = (table.keyspace(), self.core.storage(), Span::index(0));
        let (before, view) = (keyspace.size(), storage.snapshot());
        let mut found = before.negative();
        for entry in view.range(keyspace, &rows.start, &rows.end, false) {
            let (key, row) = entry?;
            found += Size::of_row(&key, &row);
        }
        storage.correct_size(keyspace, found)
    }

    /// CREATE DATABASE.
    ///
    /// # Errors
    /// [`Error::DatabaseExists`], [`Error::WrongName`], [`Error::Storage`].
    pub fn create_database(&self, name: &str) -> Result<()> {
        validate::name("database", name)?;
        self.core.ddl_gate.pass(Instant::now() + self.patience())?;
        let mut ddl = self.core.catalog.change(&self.core.storage);
        if ddl.require_database(name).is_ok() {
            return Err(Error::DatabaseExists(name.into()));
        }
        ddl.add_database(name);
        ddl.commit(&[], Vec::new(), (&[name], &[]))
    }

    /// DROP DATABASE with all its tables.
    ///
    /// # Errors
    /// [`Error::DropNoSuchDatabase`], [`Error::SystemDatabase`], [`Error::LockWaitTimeout`] if a table stays in use.
    pub fn drop_database(&self, name: &str) -> Result<()> {
        if name == SYSTEM_DATABASE {
            return Err(Error::SystemDatabase(name.into()));
        }
        let deadline = Instant::now() + self.patience();
        self.core.ddl_gate.pass(deadline)?;
        loop {
            let tables = self.core.catalog.tables(name).map_err(|_| Error::DropNoSuchDatabase(name.into()))?;
            let mut held = Vec::new();
            for table in &tables {
                match Exclusive::acquire(table, deadline) {
                    Ok(guard) => held.push(guard),
                    Err(Error::NoSuchTable { .. }) => break,
                    Err(error) => return Err(error),
                }
            }
            let mut ddl = self.core.catalog.change(&self.core.storage);
            let now = self.core.catalog.tables(name).unwrap_or_default();
            if held.len() != tables.len() || !now.iter().map(|t| t.id()).eq(tables.iter().map(|t| t.id())) {
                continue;
            }
            tables.iter().for_each(|table| ddl.remove_table(table));
            ddl.remove_database(name);
            ddl.commit(&tables, Vec::new(), (&[], &[name]))?;
            tables.iter().for_each(|table| self.core.delete_rows(table));
            return Ok(());
        }
    }

    /// Names of all databases, sorted.
    pub fn databases(&self) -> Vec<String> {
        self.core.catalog.databases()
    }

    /// Names of a database's tables, sorted.
    ///
    /// # Errors
    /// [`Error::NoSuchDatabase`].
    pub fn tables(&self, db: &str) -> Result<Vec<String>> {
        Ok(self.core.catalog.tables(db)?.iter().map(|t| t.def().name.clone()).collect())
    }

    /// CREATE TABLE. The columns of the primary key become NOT NULL.
    ///
    /// # Errors
    /// [`Error::TableExists`], [`Error::NoSuchDatabase`], and what is wrong with the definition.
    pub fn create_table(&self, def: TableDef) -> Result<()> {
        let def = validate::table(def)?;
        self.core.ddl_gate.pass(Instant::now() + self.patience())?;
        let mut ddl = self.core.catalog.change(&self.core.storage);
        ddl.require_database(&def.db)?;
        if ddl.has_table(&def.db, &def.name) {
            return Err(Error::TableExists(def.name));
        }
        let table = ddl.new_table(def)?;
        ddl.add_table(&table);
        ddl.commit(&[], vec![table], (&[], &[]))
    }

    /// DROP TABLE.
    ///
    /// # Errors
    /// [`Error::DropNoSuchTable`], [`Error::LockWaitTimeout`] if the table stays in use.
    pub fn drop_table(&self, db: &str, name: &str) -> Result<()> {
        let dropped = self.core.replace_table(db, name, self.patience(), |ddl, table| {
            ddl.remove_table(table);
            Ok(None)
        });
        match dropped {
            Ok(table) => {
                self.core.delete_rows(&table);
                Ok(())
            }
            Err(Error::NoSuchTable { db, table }) => Err(Error::DropNoSuchTable(format!("{db}.{table}"))),
            Err(error) => Err(error),
        }
    }

    /// TRUNCATE TABLE: the table becomes an empty one with another id.
    ///
    /// # Errors
    /// [`Error::NoSuchTable`], [`Error::LockWaitTimeout`] if the table stays in use.
    pub fn truncate_table(&self, db: &str, name: &str) -> Result<()> {
        self.core.truncate(db, name, self.patience()).map(|_| ())
    }

    /// RENAME TABLE, also into another database.
    ///
    /// # Errors
    /// [`Error::NoSuchTable`], [`Error::TableExists`], [`Error::NoSuchDatabase`], [`Error::LockWaitTimeout`].
    pub fn rename_table(&self, from: (&str, &str), to: (&str, &str)) -> Result<()> {
        validate::name("table", to.1)?;
        self.core
            .replace_table(from.0, from.1, self.patience(), |ddl, old| {
                ddl.require_database(to.0)?;
                if ddl.has_table(to.0, to.1) {
                    return Err(Error::TableExists(to.1.into()));
                }
                let def = TableDef { db: to.0.into(), name: to.1.into(), ..old.def().clone() };
                let new = Table::new(old.id(), def, old.keyspace().clone());
                ddl.remove_table(old);
                ddl.add_table(&new);
                Ok(Some(new))
            })
            .map(|_| ())
    }

    /// ALTER TABLE: the table with this id becomes one with `def`, which keeps the name, and the rows that `convert` makes of its own.
    ///
    /// # Errors
    /// [`Error::NoSuchTable`] also if another table has that name now, what is wrong with the definition, [`Error::DuplicateKey`] for rows that a unique index does not
    /// admit, what `convert` says, [`Error::LockWaitTimeout`] if the table stays in use.
    pub fn alter_table(&self, old_id: u64, def: TableDef, convert: &mut dyn FnMut(Row) -> Result<Row>) -> Result<()> {
        let def = validate::table(def)?;
        let (db, name) = (def.db.clone(), def.name.clone());
        let storage = &self.core.storage;
        let old = self.core.replace_table(&db, &name, self.patience(), |ddl, old| {
            if old.id() != old_id {
                return Err(old.no_such_table());
            }
            let new = alter::copy(ddl, storage, old, def, convert)?;
            ddl.add_table(&new);
            Ok(Some(new))
        })?;
        self.core.delete_rows(&old);
        Ok(())
    }

    /// Takes a table for its holder alone. Who uses it must let go within `patience`.
    ///
    /// # Errors
    /// [`Error::NoSuchTable`], [`Error::LockWaitTimeout`].
    pub fn lock_table(&self, db: &str, name: &str, patience: Duration) -> Result<WriteLock> {
        self.core.exclusive(db, name, Instant::now() + patience).map(WriteLock)
    }

    /// Keeps statements that change the catalog waiting.
    pub fn freeze_ddl(&self) -> FrozenDdl {
        FrozenDdl::new(self.core.clone())
    }

    /// A table by name. Look it up for each statement: DDL replaces tables.
    ///
    /// # Errors
    /// [`Error::NoSuchTable`].
    pub fn table(&self, db: &str, name: &str) -> Result<Arc<Table>> {
        self.core.catalog.table(db, name)
    }

    /// How often the log was synced since the open: what MySQL shows as `Innodb_os_log_fsyncs`.
    pub fn log_syncs(&self) -> u64 {
        self.core.storage.log_syncs()
    }

    /// How long those syncs took.
    pub fn sync_times(&self) -> &SyncTimes {
        self.core.storage.sync_times()
    }

    /// Starts a transaction. With `read_write` false, writes are refused.
    pub fn begin(&self, isolation: Isolation, read_write: bool) -> Transaction {
        Transaction::new(Trx::start(self.core.clone(), isolation, read_write, self.patience()))
    }

    /// All variables of the engine as text, sorted by name.
    pub fn variables(&self) -> Vec<(String, String)> {
        self.core.variables.store(Var::FailCommits, self.core.storage.faults_left());
        self.core.variables.list()
    }

    /// How many transactions wait for a row or range lock now: MySQL's `Innodb_row_lock_current_waits`.
    pub fn lock_waits(&self) -> usize {
        self.core.locks.waiting()
    }

    /// SET GLOBAL. The value DEFAULT sets the default.
    ///
    /// # Errors
    /// [`Error::UnknownVariable`] if it is not the engine's, [`Error::WrongValue`], [`Error::ReadOnlyVariable`].
    pub fn set_variable(&self, name: &str, value: &str) -> Result<()> {
        let (var, value) = self.core.variables.check_change(name, value)?;
        match var {
            Var::FlushLevel => self.core.storage.set_level(value as u8)?,
            Var::FailCommits => self.core.storage.fail_commits(value),
            _ => {}
        }
        self.core.variables.store(var, value);
        Ok(())
    }
}
