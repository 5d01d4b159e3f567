//! Statements that change the catalog, accounts and plugins. Each commits what is open, and is a transaction of its own.

use super::ast::{Alteration, CreateTable, INFORMATION_SCHEMA, Statement, TableName};
use super::error::{Result, SqlError};
use super::host::{Host, HostStatement, require};
use super::info::find_table;
use super::listing::report_reply;
use super::privileges::denied_database;
use super::result::Sink;
use super::session::{Outcome, Session};
use super::{accounts, alter, charset, definition};
use crate::refengine::Error;
use crate::refengine::codes::{self, Code};

impl Session {
    /// The statements before which the open transaction is committed.
    pub(super) fn committing(&mut self, statement: Statement, host: &dyn Host, sink: &mut dyn Sink) -> Result<Outcome> {
        let engine = self.info.engine.clone();
        match statement {
            Statement::CreateDatabase { name, .. } if name.eq_ignore_ascii_case(INFORMATION_SCHEMA) => {
                return Err(denied_database(&self.info, &name));
            }
            Statement::CreateDatabase { name, if_not_exists, unkept } => {
                let created = engine.create_database(&name);
                self.unless(if_not_exists, created, |error| matches!(error, Error::DatabaseExists(_)))?;
                if let Some(name) = unkept {
                    self.not_kept(&name, "every database of this engine has utf8mb4 and utf8mb4_bin");
                }
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
            Statement::AlterTable { name, changes } => return self.alter(&name, &changes),
            Statement::CreateIndex { table, key } => return self.alter(&table, &[Alteration::AddKey(key)]),
            Statement::DropIndex { table, name } => return self.alter(&table, &[Alteration::DropKey(name)]),
            Statement::SetPasswords { users, if_exists } => {
                accounts::create_tables(&engine)?;
                self.transaction(true, |run| accounts::set_passwords(run, &users, if_exists))?;
            }
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
                return report_reply(reply, sink).map(Outcome::Shown);
            }
            Statement::UninstallPlugin { name } => {
                require(host, "UNINSTALL PLUGIN")?;
                let reply = host.run(HostStatement::UninstallPlugin { name: &name })?;
                return report_reply(reply, sink).map(Outcome::Shown);
            }
            Statement::CreateFunction { name, if_not_exists, returns, soname } => {
                require(host, "CREATE FUNCTION")?;
                let created = host.functions().create(&engine, host, &name, returns, &soname);
                self.forgive(if_not_exists, created, codes::ER_UDF_EXISTS)?;
            }
            Statement::DropFunction { name, if_exists } => {
                let dropped = host.functions().remove(&engine, &name);
                self.forgive(if_exists, dropped, codes::ER_SP_DOES_NOT_EXIST)?;
            }
            // `run` keeps the others.
            other => return Err(SqlError::unsupported(format_args!("{other:?}"))),
        }
        if !self.info.variables.autocommit {
            self.commit()?;
        }
        Ok(Outcome::Changed(0))
    }

    fn alter(&mut self, name: &TableName, changes: &[Alteration]) -> Result<Outcome> {
        let rows = alter::alter_table(&self.info.engine, &self.info, name, changes, &mut self.warnings)?;
        Ok(Outcome::Changed(rows))
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

    /// IF [NOT] EXISTS of a function.
    fn forgive(&mut self, forgiving: bool, result: Result<()>, expected: Code) -> Result<()> {
        match result {
            Err(error) if forgiving && error.is(expected) => {
                self.warnings.note(&error);
                Ok(())
            }
            other => other,
        }
    }

    fn create_table(&mut self, create: &CreateTable) -> Result<()> {
        let db = self.info.database_of(&create.name)?.to_owned();
        let def = definition::table_def(create, &db, &self.info)?;
        let created = self.info.engine.create_table(def);
        self.unless(create.if_not_exists, created, |error| matches!(error, Error::TableExists(_)))?;
        if create.has_comment {
            let note = "COMMENT was read and not stored: the catalog of this engine has no comments";
            self.warnings.note(&SqlError::new(codes::ER_UNKNOWN_ERROR, note));
        }
        for option in &create.ignored {
            self.not_kept(option, "this engine has no such option of a table");
        }
        let collations = create.columns.iter().filter_map(|column| column.collation.as_ref()).chain(&create.collation);
        let mut folding: Vec<&String> = collations.filter(|name| charset::is_folding(name)).collect();
        folding.sort();
        folding.dedup();
        for collation in folding {
            self.not_kept(&format!("COLLATE {collation}"), "this engine compares by bytes");
        }
        Ok(())
    }

    /// Says what a statement of another server asked for in vain.
    fn not_kept(&mut self, what: &str, why: &str) {
        let text = format!("{what} was read and not kept: {why}");
        self.warnings.add("Warning", &SqlError::new(codes::ER_UNKNOWN_ERROR, text));
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
}
