//! A session: its database, its variables, its transaction, and the dispatch of statements.
//!
//! Every statement that touches rows runs in the session's transaction behind a savepoint, so that a statement that
//! fails changes nothing; with autocommit it is the whole transaction. DDL, accounts and plugins commit first.

use std::borrow::Cow;

use sqlparser::tokenizer::Token;

use super::ast::{CreateTable, IsolationScope, Scope, SetItem, Statement, TableName};
use super::datum::Datum;
use super::error::{Result, SqlError};
use super::eval::RowView;
use super::function::{Context, unix_time};
use super::host::{Host, HostStatement, name_value_rows, require};
use super::identity::Identity;
use super::result::{self, End, ResultColumn, Sink, Status};
use super::rows::{Run, find_table};
use super::text::{SourceText, Unit};
use super::variables::{Variables, switch, switch_or_text, value_text};
use super::warnings::Warnings;
use super::{accounts, change, definition, parse, query, show};
use crate::refengine::types::{Isolation, RowLock};
use crate::refengine::{Engine, Error, Transaction};

/// What statements may ask about their session.
pub struct Info {
    pub database: Option<String>,
    pub variables: Variables,
    pub identity: Identity,
    engine: Engine,
    now: i64,
    /// The host's variables, fetched before a statement that names one.
    host_variables: Vec<(String, String)>,
}

impl Context for Info {
    fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    fn now(&self) -> i64 {
        self.now
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn variable(&self, name: &str, global: bool) -> Result<Datum> {
        let own = if global { Variables::default().get(name) } else { self.variables.get(name) };
        let shared = || {
            let mut all = self.engine.variables().into_iter().chain(self.host_variables.iter().cloned());
            all.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| switch_or_text(value))
        };
        own.or_else(shared).ok_or_else(|| SqlError::unknown_variable(name))
    }
}

/// One user's state. Dropping it rolls back.
pub struct Session {
    info: Info,
    trx: Option<Transaction>,
    /// BEGIN was said: autocommit waits for COMMIT or ROLLBACK.
    begun: bool,
    /// SET TRANSACTION for the next transaction.
    next: (Option<Isolation>, Option<bool>),
    warnings: Warnings,
    single_statements: bool,
}

impl Session {
    /// A session without a database, with autocommit.
    pub fn new(engine: Engine, identity: Identity) -> Session {
        let variables = Variables::default();
        let info = Info { database: None, variables, identity, engine, now: 0, host_variables: Vec::new() };
        let (next, warnings) = ((None, None), Warnings::default());
        Session { info, trx: None, begun: false, next, warnings, single_statements: false }
    }

    /// Runs all statements of `text` and stops at the first that fails.
    ///
    /// # Errors
    /// That statement's, with its line. Statements before it stay done.
    pub fn execute(&mut self, text: &str, host: &dyn Host, sink: &mut dyn Sink) -> Result<()> {
        let source = SourceText::new(text);
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

    /// The number of parameters of a statement that is to be executed often, and the columns it will give.
    ///
    /// # Errors
    /// What is wrong with the statement before its parameters are known; 1295 for several statements.
    pub fn prepare(&mut self, text: &str, host: &dyn Host) -> Result<(usize, Vec<ResultColumn>)> {
        let source = SourceText::new(text);
        let (mut units, rest) = source.split();
        if let Some(error) = rest {
            return Err(error);
        }
        if units.len() > 1 {
            return Err(SqlError::new(1295, "HY000", "Several statements cannot be prepared as one"));
        }
        let Some(mut unit) = units.pop() else { return Err(SqlError::empty_query()) };
        let parameters = unit.bind(&mut std::iter::repeat(&Datum::Int(1)));
        let shows = unit.begins_with(&["SELECT", "SHOW", "DESC", "DESCRIBE", "EXPLAIN"]);
        if !shows {
            parse::parse(&source, unit)?;
            return Ok((parameters, Vec::new()));
        }
        let mut heading = Heading::default();
        match self.one(&source, unit, host, &mut heading) {
            // The heading is all that was wanted.
            Err(error) if heading.0.is_none() => Err(error),
            _ => Ok((parameters, heading.0.unwrap_or_default())),
        }
    }

    /// Runs a statement that was prepared, with its parameters.
    ///
    /// # Errors
    /// The statement's; 1210 for a wrong number of parameters.
    pub fn execute_prepared(
        &mut self,
        text: &str,
        parameters: &[Datum],
        host: &dyn Host,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let source = SourceText::new(text);
        let Some(mut unit) = source.split().0.into_iter().next() else { return Err(SqlError::empty_query()) };
        if unit.bind(&mut parameters.iter()) != parameters.len() {
            return Err(SqlError::new(1210, "HY000", "Incorrect arguments to mysqld_stmt_execute"));
        }
        self.one(&source, unit, host, sink).map_err(|error| self.failed(error))
    }

    /// Rolls back and forgets what was set, as for a new connection; the database stays.
    pub fn reset(&mut self) {
        self.rollback();
        self.info.variables = Variables::default();
        self.next = (None, None);
        self.warnings = Warnings::default();
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
        let table = find_table(&self.info.engine, db, table)?;
        Ok(result::table_columns(table.def()).collect())
    }

    fn failed(&mut self, error: SqlError) -> SqlError {
        self.warnings.add("Error", &error);
        error
    }

    fn one(&mut self, source: &SourceText<'_>, unit: Unit, host: &dyn Host, sink: &mut dyn Sink) -> Result<()> {
        let asks_variable = |token: &Token| matches!(token, Token::Word(word) if word.value.starts_with("@@"));
        self.info.host_variables = if unit.tokens.iter().any(|token| asks_variable(&token.token)) {
            name_value_rows(host, HostStatement::ShowVariables)?
        } else {
            Vec::new()
        };
        self.info.now = unix_time();
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
        match statement {
            Statement::Select(select) => {
                let write = select.lock != RowLock::None;
                return self.transaction(write, |run| query::select(run, &select, sink)).map(Outcome::Shown);
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
            Statement::Describe { table, like } => {
                return show::describe(&self.catalog(host), &table, like.as_deref(), sink).map(Outcome::Shown);
            }
            Statement::Use(db) => self.use_database(db)?,
            Statement::Set(items) => items.iter().try_for_each(|item| self.set(item, host))?,
            Statement::Begin { read_only, snapshot } => self.begin(read_only, snapshot)?,
            Statement::Commit => self.commit()?,
            Statement::Rollback => self.rollback(),
            Statement::FlushPrivileges => {}
            other => {
                self.commit()?;
                return self.committing(other, host, sink);
            }
        }
        Ok(Outcome::Changed(0))
    }

    /// The statements before which the open transaction is committed.
    fn committing(&mut self, statement: Statement, host: &dyn Host, sink: &mut dyn Sink) -> Result<Outcome> {
        let engine = self.info.engine.clone();
        match statement {
            Statement::CreateDatabase { name, if_not_exists } => {
                let created = engine.create_database(&name);
                self.unless(if_not_exists, created, |error| matches!(error, Error::DatabaseExists(_)))?;
                return Ok(Outcome::Changed(1));
            }
            Statement::DropDatabase { name, if_exists } => {
                let tables = engine.tables(&name).map_or(0, |tables| tables.len());
                let dropped = engine.drop_database(&name);
                self.unless(if_exists, dropped, |error| matches!(error, Error::DropNoSuchDatabase(_)))?;
                if self.info.database.as_ref() == Some(&name) {
                    self.info.database = None;
                }
                return Ok(Outcome::Changed(u64::try_from(tables).unwrap_or(0)));
            }
            Statement::CreateTable(create) => self.create_table(&create)?,
            Statement::DropTables { names, if_exists } => self.drop_tables(&names, if_exists)?,
            Statement::Truncate(name) => {
                let db = self.info.database_of(&name)?;
                find_table(&engine, db, &name.name)?;
                engine.truncate_table(db, &name.name)?;
            }
            Statement::RenameTables(pairs) => self.rename_tables(&pairs)?,
            Statement::CreateUsers { users, if_not_exists } => {
                accounts::create_tables(&engine)?;
                self.transaction(true, |run| accounts::create_users(run, &users, if_not_exists))?;
            }
            Statement::DropUsers { users, if_exists } => {
                accounts::create_tables(&engine)?;
                self.transaction(true, |run| accounts::drop_users(run, &users, if_exists))?;
            }
            Statement::Grant(grant) => {
                accounts::create_tables(&engine)?;
                self.transaction(true, |run| accounts::grant(run, &grant))?;
            }
            Statement::Revoke(grant) => {
                accounts::create_tables(&engine)?;
                self.transaction(true, |run| accounts::revoke(run, &grant))?;
            }
            Statement::InstallPlugin { name, soname } => {
                require(host, "INSTALL PLUGIN")?;
                let reply = host.run(HostStatement::InstallPlugin { name: &name, soname: &soname })?;
                return show::report_reply(reply, sink).map(Outcome::Shown);
            }
            Statement::UninstallPlugin { name } => {
                require(host, "UNINSTALL PLUGIN")?;
                let reply = host.run(HostStatement::UninstallPlugin { name: &name })?;
                return show::report_reply(reply, sink).map(Outcome::Shown);
            }
            // `run` keeps the others.
            other => return Err(SqlError::unsupported(format_args!("{other:?}"))),
        }
        if !self.info.variables.autocommit {
            self.commit()?;
        }
        Ok(Outcome::Changed(0))
    }

    fn catalog<'a>(&'a self, host: &'a dyn Host) -> show::Catalog<'a> {
        show::Catalog { engine: &self.info.engine, info: &self.info, warnings: &self.warnings, host }
    }

    /// IF [NOT] EXISTS: turns the error it is about into a note.
    fn unless(
        &mut self,
        forgiving: bool,
        result: std::result::Result<(), Error>,
        expected: impl Fn(&Error) -> bool,
    ) -> Result<()> {
        match result {
            Err(error) if forgiving && expected(&error) => {
                self.warnings.note(&error.into());
                Ok(())
            }
            other => Ok(other?),
        }
    }

    fn use_database(&mut self, db: String) -> Result<()> {
        if !self.info.engine.databases().contains(&db) {
            return Err(Error::NoSuchDatabase(db).into());
        }
        self.info.database = Some(db);
        Ok(())
    }

    fn create_table(&mut self, create: &CreateTable) -> Result<()> {
        let db = self.info.database_of(&create.name)?.to_owned();
        let def = definition::table_def(create, &db, &self.info)?;
        let created = self.info.engine.create_table(def);
        self.unless(create.if_not_exists, created, |error| matches!(error, Error::TableExists(_)))?;
        if create.has_comment {
            let note = "COMMENT was read and not stored: the catalog of this engine has no comments";
            self.warnings.note(&SqlError::new(1105, "HY000", note));
        }
        Ok(())
    }

    /// Drops all tables or none, as MySQL 8.0 does: each must exist before the first goes.
    fn drop_tables(&mut self, names: &[TableName], if_exists: bool) -> Result<()> {
        let engine = self.info.engine.clone();
        let mut found = Vec::new();
        let mut missing = Vec::new();
        for name in names {
            let db = self.info.database_of(name)?.to_owned();
            match engine.table(&db, &name.name) {
                Ok(_) => found.push((db, &name.name)),
                Err(Error::NoSuchTable { .. }) => missing.push(format!("{db}.{}", name.name)),
                Err(error) => return Err(error.into()),
            }
        }
        if !missing.is_empty() {
            let error: SqlError = Error::DropNoSuchTable(missing.join(",")).into();
            if !if_exists {
                return Err(error);
            }
            self.warnings.note(&error);
        }
        found.into_iter().try_for_each(|(db, name)| Ok(engine.drop_table(&db, name)?))
    }

    /// Renames from left to right; what was renamed before a failure is named back.
    fn rename_tables(&mut self, pairs: &[(TableName, TableName)]) -> Result<()> {
        let engine = &self.info.engine;
        let mut done = Vec::new();
        for (from, to) in pairs {
            let from = (self.info.database_of(from)?, from.name.as_str());
            let to = (self.info.database_of(to)?, to.name.as_str());
            if let Err(error) = engine.rename_table(from, to) {
                for (from, to) in done.into_iter().rev() {
                    engine.rename_table(to, from)?;
                }
                return Err(error.into());
            }
            done.push((from, to));
        }
        Ok(())
    }

    /// Runs a statement on rows in the session's transaction.
    fn transaction<T>(&mut self, write: bool, f: impl FnOnce(&mut Run<'_>) -> Result<T>) -> Result<T> {
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
        let mut run = Run { engine: &self.info.engine, trx: &mut trx, info: &self.info, warnings: &mut self.warnings };
        let result = f(&mut run);
        trx.end_statement();
        match &result {
            // The engine has rolled back all of it.
            Err(error) if error.errno == u32::from(Error::Deadlock.errno()) => {
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

    /// Starts a transaction with what SET TRANSACTION asked for. `write` false: for one statement that only reads.
    fn start(&mut self, write: bool, read_only: Option<bool>) -> Transaction {
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
        let mut trx = self.start(true, read_only.then_some(true));
        if snapshot {
            trx.take_snapshot();
        }
        self.trx = Some(trx);
        self.begun = true;
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        self.begun = false;
        self.trx.take().map_or(Ok(()), |trx| Ok(trx.commit()?))
    }

    fn rollback(&mut self) {
        self.begun = false;
        if let Some(trx) = self.trx.take() {
            trx.rollback();
        }
    }

    fn set(&mut self, item: &SetItem, host: &dyn Host) -> Result<()> {
        match item {
            SetItem::Names(name) => self.info.variables.set_names(name),
            SetItem::Isolation { scope, level, read_only } => self.set_isolation(*scope, *level, *read_only),
            SetItem::Variable { scope, name, value } => {
                let value = match value {
                    None => None,
                    Some(expr) => {
                        let compiled = self.info.compiler(None, "field list").compile(expr)?;
                        Some(compiled.eval(&RowView::default())?)
                    }
                };
                match scope {
                    Scope::Session => self.set_session(name, value.as_ref(), host),
                    Scope::Global => self.set_global(name, value.as_ref(), host),
                }
            }
        }
    }

    fn set_isolation(
        &mut self,
        scope: IsolationScope,
        level: Option<Isolation>,
        read_only: Option<bool>,
    ) -> Result<()> {
        match scope {
            IsolationScope::Global => return Err(SqlError::unsupported("SET GLOBAL TRANSACTION")),
            IsolationScope::Session => {
                let variables = &mut self.info.variables;
                variables.isolation = level.unwrap_or(variables.isolation);
                variables.read_only = read_only.unwrap_or(variables.read_only);
            }
            IsolationScope::Next if self.trx.is_some() => {
                let text = "Transaction characteristics can't be changed while a transaction is in progress";
                return Err(SqlError::new(1568, "25001", text));
            }
            IsolationScope::Next => self.next = (level.or(self.next.0), read_only.or(self.next.1)),
        }
        Ok(())
    }

    fn set_session(&mut self, name: &str, value: Option<&Datum>, host: &dyn Host) -> Result<()> {
        if name.eq_ignore_ascii_case("autocommit") {
            let on = value.map_or(Some(true), switch);
            let on = on.ok_or_else(|| SqlError::wrong_value(name, &value_text(value)))?;
            if on && !self.info.variables.autocommit {
                self.commit()?;
            }
            self.info.variables.autocommit = on;
            return Ok(());
        }
        if self.info.variables.set(name, value)? {
            return Ok(());
        }
        let host_variables = name_value_rows(host, HostStatement::ShowVariables)?;
        let mut known = self.info.engine.variables().into_iter().chain(host_variables);
        if known.any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            let text = format!("Variable '{name}' is a GLOBAL variable and should be set with SET GLOBAL");
            return Err(SqlError::new(1229, "HY000", text));
        }
        Err(SqlError::unknown_variable(name))
    }

    fn set_global(&mut self, name: &str, value: Option<&Datum>, host: &dyn Host) -> Result<()> {
        let text = value.map(|value| value_text(Some(value)));
        match self.info.engine.set_variable(name, text.as_deref().unwrap_or("DEFAULT")) {
            Err(Error::UnknownVariable(_)) => {}
            other => return Ok(other?),
        }
        if self.info.variables.get(name).is_some() {
            return Err(SqlError::unsupported(format_args!("SET GLOBAL {name}")));
        }
        if !host.is_present() {
            return Err(SqlError::unknown_variable(name));
        }
        host.run(HostStatement::SetGlobal { name, value: text.as_deref() }).map(|_| ())
    }
}

/// Takes the columns of a result set and ends the statement there.
#[derive(Default)]
struct Heading(Option<Vec<ResultColumn>>);

impl Sink for Heading {
    fn columns(&mut self, columns: &[ResultColumn]) -> Result<()> {
        self.0 = Some(columns.to_vec());
        Err(SqlError::interrupted())
    }

    fn row(&mut self, _: &[Option<Cow<'_, [u8]>>]) -> Result<()> {
        Ok(())
    }

    fn done(&mut self, _: End) -> Result<()> {
        Ok(())
    }
}

/// How a statement ended.
enum Outcome {
    /// With this many affected rows.
    Changed(u64),
    /// With a result set of this many columns, which was reported.
    Shown(usize),
}
