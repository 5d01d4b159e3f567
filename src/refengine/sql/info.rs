//! What statements may ask about their session, and what the names in them mean.

use std::collections::HashMap;
use std::sync::Arc;

use super::ast::TableName;
use super::compile::Compiler;
use super::datum::Datum;
use super::error::{Result, SqlError};
use super::expr::TableScope;
use super::function::Context;
use super::identity::Identity;
use super::loadable::Loadable;
use super::variables::{Variables, switch_or_text};
use crate::refengine::{Engine, Error, Table};

/// What statements may ask about their session.
pub struct Info {
    pub database: Option<String>,
    pub variables: Variables,
    pub identity: Identity,
    pub engine: Engine,
    /// Set with SET @name, by name in lower case.
    pub user_variables: HashMap<String, Datum>,
    pub(super) now: i64,
    /// The host's variables, fetched before a statement that names one.
    pub(super) host_variables: Vec<(String, String)>,
    /// The functions of libraries that the statement may call.
    pub(super) functions: Vec<Arc<Loadable>>,
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

    fn loadable(&self, name: &str) -> Option<Arc<Loadable>> {
        self.functions.iter().find(|function| function.is_named(name)).cloned()
    }

    fn user_variable(&self, name: &str) -> Datum {
        self.user_variables.get(name).cloned().unwrap_or(Datum::Null)
    }
}

impl Info {
    /// A compiler for expressions in a clause, over a table if there is one.
    pub fn compiler<'a>(&'a self, table: Option<TableScope<'a>>, clause: &'static str) -> Compiler<'a> {
        Compiler { table, context: self, clause, aggregates: None, inserted: false, aliases: &[] }
    }

    /// The database a table name means; 1046 without any.
    pub fn database_of<'a>(&'a self, name: &'a TableName) -> Result<&'a str> {
        name.db.as_deref().or(self.database.as_deref()).ok_or_else(SqlError::no_database)
    }
}

/// A table by name, saying 1049 where the database is what is missing.
pub fn find_table(engine: &Engine, db: &str, name: &str) -> Result<Arc<Table>> {
    match engine.table(db, name) {
        Err(Error::NoSuchTable { .. }) if !engine.databases().iter().any(|known| known == db) => {
            Err(Error::NoSuchDatabase(db.to_owned()).into())
        }
        other => Ok(other?),
    }
}
