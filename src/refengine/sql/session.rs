//! A session: its database, its variables, its transaction, and the dispatch of statements.
//!
//! Every statement that touches rows runs in the session's transaction behind a savepoint, so that a statement that
//! fails changes nothing; with autocommit it is the whole transaction. DDL, accounts and plugins commit first.

use std::sync::Arc;
use std::time::Duration;

use sqlparser::tokenizer::Token;

use super::ast::Statement;
use super::error::{Result, SqlError};
use super::function::unix_time;
use super::host::{Host, HostStatement, name_value_rows};
use super::identity::Identity;
use super::info::{Info, find_table};
use super::listing::{Catalog, Matching};
use super::memory;
use super::privileges::{self, Rights};
use super::processes::{Entered, PLUGIN_IDS, Processes};
use super::result::{self, End, ResultColumn, Sink, Status};
use super::rows::Run;
use super::table_locks::TableLocks;
use super::text::{SourceText, Unit, for_this_version};
use super::variables::Variables;
use super::warnings::Warnings;
use super::{change, maintain, parse, select, show, show_table};
use crate::refengine::codes;
use crate::refengine::interrupt::Interruptible;
use crate::refengine::types::{Isolation, RowLock};
use crate::refengine::{Engine, Error, Savepoint, Transaction};

/// One user's state. Dropping it rolls back.
pub struct Session {
    pub(super) info: Info,
    pub(super) trx: Option<Transaction>,
    /// BEGIN was said: autocommit waits for COMMIT or ROLLBACK.
    begun: bool,
    /// SAVEPOINT's of `trx`, by name in lower case, the oldest first.
    savepoints: Vec<(String, Savepoint)>,
    /// SET TRANSACTION for the next transaction.
    pub(super) next: (Option<Isolation>, Option<bool>),
    pub(super) warnings: Warnings,
    single_statements: bool,
    /// Behind `trx`: a transaction on locked tables ends before the locks are given back.
    pub(super) locks: Option<TableLocks>,
    processes: Arc<Processes>,
    /// None for a session of the program itself.
    entered: Option<Entered>,
}

impl Session {
    /// A session without a database, with autocommit, that no list has.
    pub fn new(engine: Engine, identity: Identity) -> Session {
        Session::listed(engine, identity, Arc::default(), None)
    }

    /// A session that shows this list of connections, and is in it with what it runs if it has `entered` it.
    pub fn listed(engine: Engine, identity: Identity, processes: Arc<Processes>, entered: Option<Entered>) -> Session {
        let variables = Variables::default();
        let user_variables = Default::default();
        let (host_variables, functions) = (Vec::new(), Vec::new());
        let info =
            Info { database: None, variables, identity, engine, user_variables, now: 0, host_variables, functions };
        let (next, warnings, locks) = ((None, None), Warnings::default(), None);
        Session {
            info,
            trx: None,
            begun: false,
            savepoints: Vec::new(),
            next,
            warnings,
            single_statements: false,
            locks,
            processes,
            entered,
        }
    }

    /// Runs all statements of `text` and stops at the first that fails.
    ///
    /// # Errors
    /// That statement's, with its line. Statements before it stay done.
    pub fn execute(&mut self, text: &str, host: &dyn Host, sink: &mut dyn Sink) -> Result<()> {
        let text = for_this_version(text);
        let source = SourceText::new(&text);
        let (units, rest) = source.split();
        if let Some(second) = units.get(1).filter(|_| self.single_statements) {
            let near = source.near_until(second.start(), second.end);
            return Err(self.failed(SqlError::syntax(near, second.line)));
        }
        for unit in units {
            let line = u32::try_from(unit.line).unwrap_or(u32::MAX);
            self.one(&source, unit, host, sink).map_err(|error| self.failed(SqlError { line, ..error }))?;
        }
        rest.map_or(Ok(()), |error| Err(self.failed(error)))
    }

    /// Refuses texts of several statements from now on, or takes them again.
    pub fn set_single_statements(&mut self, single: bool) {
        self.single_statements = single;
    }

    /// Where the session stands.
    pub fn status(&self) -> Status {
        Status { in_transaction: self.trx.is_some(), autocommit: self.info.variables.autocommit }
    }

    /// Rolls back and forgets what was set, as for a new connection; the database stays.
    pub fn reset(&mut self) {
        self.rollback();
        self.locks = None;
        self.info.variables = Variables::default();
        self.info.user_variables.clear();
        self.next = (None, None);
        self.warnings = Warnings::default();
    }

    /// The list of connections that this session shows.
    pub fn processes(&self) -> &Processes {
        &self.processes
    }

    /// USE.
    ///
    /// # Errors
    /// 1049 if there is no such database.
    pub fn set_database(&mut self, db: &str) -> Result<()> {
        self.use_database(db.to_owned())
    }

    /// The columns of a table of the session's database.
    ///
    /// # Errors
    /// 1046 and 1146.
    pub fn table_columns(&self, table: &str) -> Result<Vec<ResultColumn>> {
        let db = self.info.database.as_deref().ok_or_else(SqlError::no_database)?;
        if !Rights::of(&self.info, &self.info.engine)?.see_table(db, table) {
            return Err(privileges::denied_database(&self.info, db));
        }
        let table = find_table(&self.info.engine, db, table)?;
        Ok(result::table_columns(table.def()).collect())
    }

    pub(super) fn failed(&mut self, error: SqlError) -> SqlError {
        self.warnings.add("Error", &error);
        error
    }

    pub(super) fn one(
        &mut self,
        source: &SourceText<'_>,
        unit: Unit,
        host: &dyn Host,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let Some(entered) = &self.entered else { return self.one_of(source, unit, host, sink) };
        entered.begin(source.slice(unit.start(), unit.end));
        let _interruptible = Interruptible::by(entered.killed().clone());
        let result = self.one_of(source, unit, host, sink);
        if let Some(entered) = &self.entered {
            entered.end(self.info.database.as_deref());
        }
        result
    }

    fn one_of(&mut self, source: &SourceText<'_>, unit: Unit, host: &dyn Host, sink: &mut dyn Sink) -> Result<()> {
        let asks_variable = |token: &Token| matches!(token, Token::Word(word) if word.value.starts_with("@@"));
        self.info.host_variables = if unit.tokens.iter().any(|token| asks_variable(&token.token)) {
            name_value_rows(host, HostStatement::ShowVariables)?
        } else {
            Vec::new()
        };
        self.info.functions = host.functions().named(&self.info.engine, host, &unit.tokens)?;
        self.info.now = unix_time();
        memory::give_back(0);
        let statement = parse::parse(source, unit);
        if !matches!(statement, Ok(Statement::Show(super::ast::Show::Warnings))) {
            self.warnings = Warnings::default();
        }
        let (affected, columns) = match self.run(statement?, host, sink)? {
            Outcome::Changed(affected) => (affected, 0),
            Outcome::Shown(columns) => (0, columns),
        };
        sink.done(End { affected, columns, warnings: self.warnings.list().len(), status: self.status() })
    }

    fn run(&mut self, statement: Statement, host: &dyn Host, sink: &mut dyn Sink) -> Result<Outcome> {
        privileges::authorize(&self.info, &self.info.engine, &statement)?;
        self.locks.as_ref().map_or(Ok(()), |locks| locks.check_statement(&self.info, &statement))?;
        match statement {
            Statement::Select(select) => {
                let write = select.lock != RowLock::None;
                return self.transaction(write, |run| select::select(run, &select, sink)).map(Outcome::Shown);
            }
            Statement::Explain(what) => {
                return self.transaction(false, |run| select::explain(run, &what, sink)).map(Outcome::Shown);
            }
            Statement::Maintain { what, tables } => {
                return maintain::maintain(&self.info, what, &tables, sink).map(Outcome::Shown);
            }
            Statement::Insert(insert) => {
                return self.transaction(true, |run| change::insert(run, &insert)).map(Outcome::Changed);
            }
            Statement::Update(update) => {
                return self.transaction(true, |run| change::update(run, &update)).map(Outcome::Changed);
            }
            Statement::Delete(delete) => {
                return self.transaction(true, |run| change::delete(run, &delete)).map(Outcome::Changed);
            }
            Statement::Show(what) => return show::show(&self.catalog(host), &what, sink).map(Outcome::Shown),
            Statement::ShowWhere(what, condition) => {
                let mut matching = Matching::new(&self.info, &condition, sink);
                return show::show(&self.catalog(host), &what, &mut matching).map(Outcome::Shown);
            }
            Statement::Describe { table, like } => {
                return show_table::columns(&self.catalog(host), &table, like.as_deref(), false, sink)
                    .map(Outcome::Shown);
            }
            Statement::SwitchKeys(name) => {
                let table = find_table(&self.info.engine, self.info.database_of(&name)?, &name.name)?;
                let text = format!("Table storage engine for '{}' doesn't have this option", table.def().name);
                self.warnings.note(&SqlError::new(codes::ER_ILLEGAL_HA, text));
            }
            Statement::Use(db) => self.use_database(db)?,
            Statement::Set(items) => items.iter().try_for_each(|item| self.set(item, host))?,
            Statement::Begin { read_only, snapshot } => self.begin(read_only, snapshot)?,
            Statement::Commit => self.commit()?,
            Statement::Rollback => self.rollback(),
            Statement::Savepoint(name) => self.save(&name),
            Statement::RollbackTo(name) => {
                let at = self.saved(&name)?;
                self.savepoints.truncate(at + 1);
                if let (Some(trx), Some((_, savepoint))) = (&mut self.trx, self.savepoints.last()) {
                    trx.rollback_to(*savepoint);
                }
            }
            Statement::ReleaseSavepoint(name) => {
                let at = self.saved(&name)?;
                self.savepoints.truncate(at);
            }
            Statement::FlushPrivileges | Statement::FlushTables { read_lock: false } => {}
            Statement::Kill { id, statement_only } => self.kill(id, statement_only, host)?,
            Statement::LockTables(tables) => {
                self.commit()?;
                self.locks = None;
                self.locks = Some(TableLocks::lock(&self.info, &tables, self.lock_wait())?);
            }
            Statement::FlushTables { read_lock: true } => {
                self.commit()?;
                self.locks = None;
                self.locks = Some(TableLocks::lock_all(&self.info.engine, self.lock_wait())?);
            }
            Statement::UnlockTables => {
                if self.locks.as_ref().is_some_and(TableLocks::is_partial) {
                    self.commit()?;
                }
                self.locks = None;
            }
            other => {
                self.commit()?;
                return self.committing(other, host, sink);
            }
        }
        Ok(Outcome::Changed(0))
    }

    fn catalog<'a>(&'a self, host: &'a dyn Host) -> Catalog<'a> {
        let (engine, info, warnings) = (&self.info.engine, &self.info, &self.warnings);
        Catalog { engine, info, warnings, host, processes: &self.processes }
    }

    /// How long this session waits for a lock.
    pub(super) fn lock_wait(&self) -> Duration {
        self.info.variables.lock_wait().unwrap_or_else(|| self.info.engine.lock_wait())
    }

    fn kill(&self, id: u64, statement_only: bool, host: &dyn Host) -> Result<()> {
        let unknown = || SqlError::new(codes::ER_NO_SUCH_THREAD, format!("Unknown thread id: {id}"));
        let rights = Rights::of(&self.info, &self.info.engine)?;
        let not_owner = || SqlError::new(codes::ER_KILL_DENIED_ERROR, format!("You are not owner of thread {id}"));
        if let Some(number) = id.checked_sub(PLUGIN_IDS).filter(|_| host.is_present()) {
            if !rights.everywhere("SUPER") {
                return Err(not_owner());
            }
            if statement_only {
                return Err(SqlError::unsupported("KILL QUERY of a memcached connection"));
            }
            return host.run(HostStatement::Kill { number: &number.to_string() }).map(|_| ()).map_err(|error| {
                // The host knows the number, the client the Id.
                if error.is(codes::ER_NO_SUCH_THREAD) { unknown() } else { error }
            });
        }
        let victim =
            self.processes.list().into_iter().find(|process| u64::from(process.id) == id).ok_or_else(unknown)?;
        if victim.account != self.info.identity.account && !rights.everywhere("SUPER") {
            return Err(not_owner());
        }
        if self.processes.kill(victim.id, statement_only) { Ok(()) } else { Err(unknown()) }
    }

    pub(super) fn use_database(&mut self, db: String) -> Result<()> {
        privileges::may_use(&self.info, &self.info.engine, &db)?;
        if !self.info.engine.databases().contains(&db) {
            return Err(Error::NoSuchDatabase(db).into());
        }
        self.info.database = Some(db);
        Ok(())
    }

    /// Runs a statement on rows in the session's transaction.
    pub(super) fn transaction<T>(&mut self, write: bool, f: impl FnOnce(&mut Run<'_>) -> Result<T>) -> Result<T> {
        let keeps = self.begun || !self.info.variables.autocommit;
        let mut trx = match self.trx.take() {
            Some(trx) => trx,
            None => self.start(keeps || write, None),
        };
        if let Some(timeout) = self.info.variables.lock_wait() {
            trx.set_lock_wait_timeout(timeout);
        }
        let savepoint = trx.savepoint();
        trx.begin_statement();
        let (engine, info, warnings, locks) = (&self.info.engine, &self.info, &mut self.warnings, self.locks.as_ref());
        let mut run = Run { engine, trx: &mut trx, info, warnings, locks };
        let result = f(&mut run);
        trx.end_statement();
        match &result {
            // The engine has rolled back all of it.
            Err(error) if error.is(codes::ER_LOCK_DEADLOCK) => {
                trx.rollback();
                self.begun = false;
            }
            Err(_) if keeps => {
                trx.rollback_to(savepoint);
                self.trx = Some(trx);
            }
            Err(_) => trx.rollback(),
            Ok(_) if keeps => self.trx = Some(trx),
            Ok(_) => trx.commit()?,
        }
        result
    }

    /// SAVEPOINT. Where each statement is a transaction of its own there is nothing to go back to.
    fn save(&mut self, name: &str) {
        if self.trx.is_none() && !self.info.variables.autocommit {
            self.trx = Some(self.start(true, None));
        }
        let Some(trx) = &mut self.trx else { return };
        let name = name.to_lowercase();
        self.savepoints.retain(|(known, _)| *known != name);
        self.savepoints.push((name, trx.savepoint()));
    }

    /// The place of a savepoint of the open transaction.
    fn saved(&self, name: &str) -> Result<usize> {
        let lower = name.to_lowercase();
        let found = self.savepoints.iter().position(|(known, _)| *known == lower).filter(|_| self.trx.is_some());
        found.ok_or_else(|| SqlError::new(codes::ER_SP_DOES_NOT_EXIST, format!("SAVEPOINT {name} does not exist")))
    }

    /// Starts a transaction with what SET TRANSACTION asked for. `write` false: for one statement that only reads.
    fn start(&mut self, write: bool, read_only: Option<bool>) -> Transaction {
        self.savepoints.clear();
        let (isolation, access) = std::mem::take(&mut self.next);
        let read_only = read_only.or(access).unwrap_or(self.info.variables.read_only);
        let isolation = match isolation.unwrap_or(self.info.variables.isolation) {
            // A snapshot is serializable as it is, and waits for nobody.
            Isolation::Serializable if !write => Isolation::RepeatableRead,
            level => level,
        };
        self.info.engine.begin(isolation, write && !read_only)
    }

    fn begin(&mut self, read_only: bool, snapshot: bool) -> Result<()> {
        self.commit()?;
        if self.locks.as_ref().is_some_and(TableLocks::is_partial) {
            self.locks = None;
        }
        let mut trx = self.start(true, read_only.then_some(true));
        if snapshot {
            trx.take_snapshot();
        }
        self.trx = Some(trx);
        self.begun = true;
        Ok(())
    }

    pub(super) fn commit(&mut self) -> Result<()> {
        self.begun = false;
        self.trx.take().map_or(Ok(()), |trx| Ok(trx.commit()?))
    }

    fn rollback(&mut self) {
        self.begun = false;
        if let Some(trx) = self.trx.take() {
            trx.rollback();
        }
    }
}

/// How a statement ended.
pub(super) enum Outcome {
    /// With this many affected rows.
    Changed(u64),
    /// With a result set of this many columns, which was reported.
    Shown(usize),
}
