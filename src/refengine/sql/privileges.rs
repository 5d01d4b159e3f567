//! What an account may do: GRANT's rows against what a statement needs.
//!
//! `root`@`localhost` may do everything. Everybody else has what `mysql.grants` says, read anew for each statement, so that
//! GRANT and REVOKE work at once. A grant on a database names it with MySQL's wildcards `_` and `%`.

use super::accounts::{Granted, all_privileges, expanded, grants_of};
use super::ast::{Grant, IsolationScope, Scope, SetItem, Show, Statement, TableName};
use super::error::{Result, SqlError};
use super::function::like;
use super::info::Info;
use super::loadable;
use crate::refengine::Engine;
use crate::refengine::codes;
use crate::refengine::types::RowLock;

/// The rights of a session's account.
pub enum Rights {
    All,
    Of(Vec<Granted>),
}

impl Rights {
    /// Reads them.
    pub fn of(info: &Info, engine: &Engine) -> Result<Rights> {
        if info.identity.is_root() {
            return Ok(Rights::All);
        }
        grants_of(engine, &info.identity.account).map(Rights::Of)
    }

    fn any(&self, matches: impl Fn(&Granted) -> bool) -> bool {
        match self {
            Rights::All => true,
            Rights::Of(grants) => grants.iter().any(matches),
        }
    }

    /// Whether a privilege holds everywhere.
    pub fn everywhere(&self, privilege: &str) -> bool {
        self.any(|grant| grant.privilege == privilege && grant.db == "*")
    }

    fn on_database(&self, privilege: &str, db: &str) -> bool {
        self.any(|grant| grant.privilege == privilege && grant.table == "*" && covers(grant, db))
    }

    fn on_table(&self, privilege: &str, db: &str, table: &str) -> bool {
        self.any(|grant| {
            grant.privilege == privilege && covers(grant, db) && (grant.table == "*" || grant.table == table)
        })
    }

    /// Whether there is anything to see in a database.
    pub fn see_database(&self, db: &str) -> bool {
        self.any(|grant| covers(grant, db))
    }

    /// Whether there is anything to see of a table.
    pub fn see_table(&self, db: &str, table: &str) -> bool {
        self.any(|grant| covers(grant, db) && (grant.table == "*" || grant.table == table))
    }
}

fn covers(grant: &Granted, db: &str) -> bool {
    match (grant.db.as_str(), grant.table.as_str()) {
        ("*", _) => true,
        (pattern, "*") => like(db.as_bytes(), pattern.as_bytes(), Some('\\')),
        (name, _) => name == db,
    }
}

/// Checks for one session.
struct Guard<'a> {
    info: &'a Info,
    rights: Rights,
}

/// Whether the session's account may run a statement.
///
/// # Errors
/// 1044, 1142 or 1227, with the privilege that is missing.
pub fn authorize(info: &Info, engine: &Engine, statement: &Statement) -> Result<()> {
    if info.identity.is_root() {
        return Ok(());
    }
    let guard = Guard { info, rights: Rights::of(info, engine)? };
    match statement {
        Statement::Select(select) | Statement::Explain(select) => select.from.as_ref().map_or(Ok(()), |from| {
            if from.name.in_information_schema() {
                return Ok(());
            }
            guard.table("SELECT", &from.name)?;
            if select.lock == RowLock::None {
                return Ok(());
            }
            guard.any_on_table(&["UPDATE", "DELETE", "LOCK TABLES"], &from.name)
        }),
        Statement::Insert(insert) => {
            guard.table("INSERT", &insert.table)?;
            if insert.replace {
                guard.table("DELETE", &insert.table)?;
            }
            if insert.on_duplicate.is_empty() { Ok(()) } else { guard.table("UPDATE", &insert.table) }
        }
        Statement::Update(update) => {
            guard.table("UPDATE", &update.table.name)?;
            guard.reads(update.filter.is_some() || !update.order_by.is_empty(), &update.table.name)
        }
        Statement::Delete(delete) => {
            guard.table("DELETE", &delete.table.name)?;
            guard.reads(delete.filter.is_some() || !delete.order_by.is_empty(), &delete.table.name)
        }
        other => guard.rarer(other),
    }
}

impl Guard<'_> {
    fn rarer(&self, statement: &Statement) -> Result<()> {
        match statement {
            Statement::CreateDatabase { name, .. } => self.database("CREATE", name),
            Statement::DropDatabase { name, .. } => self.database("DROP", name),
            Statement::Use(name) => self.see_database(name),
            Statement::CreateTable(create) => self.table("CREATE", &create.name),
            Statement::DropTables { names, .. } => names.iter().try_for_each(|name| self.table("DROP", name)),
            Statement::Truncate(name) => self.table("DROP", name),
            Statement::SwitchKeys(name) => self.any_on_table(&["ALTER", "INSERT"], name),
            Statement::AlterTable { name, .. } => self.table("ALTER", name),
            Statement::CreateIndex { table, .. } | Statement::DropIndex { table, .. } => self.table("INDEX", table),
            Statement::RenameTables(pairs) => pairs.iter().try_for_each(|(from, to)| {
                self.table("ALTER", from)?;
                self.table("DROP", from)?;
                self.table("CREATE", to)?;
                self.table("INSERT", to)
            }),
            Statement::LockTables(tables) => tables.iter().try_for_each(|(name, _)| {
                self.table("SELECT", name)?;
                self.table("LOCK TABLES", name)
            }),
            Statement::FlushTables { .. } | Statement::FlushPrivileges => self.everywhere("RELOAD"),
            Statement::Show(show) | Statement::ShowWhere(show, _) => self.show(show),
            Statement::Describe { table, .. } => self.see_table(table),
            Statement::Maintain { tables, .. } => tables.iter().try_for_each(|name| self.table("SELECT", name)),
            Statement::Set(items) => items.iter().try_for_each(|item| match item {
                SetItem::Variable { scope: Scope::Global, .. }
                | SetItem::Isolation { scope: IsolationScope::Global, .. } => self.everywhere("SUPER"),
                _ => Ok(()),
            }),
            Statement::CreateUsers { .. } | Statement::DropUsers { .. } => self.everywhere("CREATE USER"),
            Statement::SetPasswords { users, .. } => {
                let own = &self.info.identity.account;
                let others = users
                    .iter()
                    .any(|(user, _)| user.as_ref().is_some_and(|user| (&user.user, &user.host) != (&own.0, &own.1)));
                if others { self.everywhere("CREATE USER") } else { Ok(()) }
            }
            Statement::Grant(grant) | Statement::Revoke(grant) => self.may_grant(grant),
            Statement::InstallPlugin { .. } => self.table("INSERT", &plugins()),
            Statement::UninstallPlugin { .. } => self.table("DELETE", &plugins()),
            Statement::CreateFunction { .. } => self.table("INSERT", &functions()),
            Statement::DropFunction { .. } => self.table("DELETE", &functions()),
            // KILL looks at whom.
            _ => Ok(()),
        }
    }

    fn show(&self, show: &Show) -> Result<()> {
        match show {
            Show::CreateTable(table) | Show::Columns { table, .. } | Show::Index(table) => self.see_table(table),
            Show::CreateDatabase { name, .. } => self.see_database(name),
            Show::Tables { db, .. } | Show::TableStatus { db, .. } | Show::Triggers { db } | Show::Events { db } => {
                match db.as_deref().or(self.info.database.as_deref()) {
                    Some(db) => self.see_database(db),
                    None => Ok(()),
                }
            }
            Show::Grants { account: Some(account) } => {
                let own = &self.info.identity.account;
                if (&account.user, &account.host) == (&own.0, &own.1) {
                    return Ok(());
                }
                self.table("SELECT", &TableName { db: Some("mysql".to_owned()), name: "user".to_owned() })
            }
            _ => Ok(()),
        }
    }

    fn table(&self, privilege: &str, name: &TableName) -> Result<()> {
        self.any_on_table(&[privilege], name)
    }

    fn any_on_table(&self, privileges: &[&str], name: &TableName) -> Result<()> {
        let db = self.info.database_of(name)?;
        if privileges.iter().any(|privilege| self.rights.on_table(privilege, db, &name.name)) {
            return Ok(());
        }
        Err(self.denied_table(privileges.first().unwrap_or(&""), &name.name))
    }

    fn reads(&self, reads: bool, name: &TableName) -> Result<()> {
        if reads { self.table("SELECT", name) } else { Ok(()) }
    }

    fn see_table(&self, name: &TableName) -> Result<()> {
        let db = self.info.database_of(name)?;
        if self.rights.see_table(db, &name.name) { Ok(()) } else { Err(self.denied_table("SELECT", &name.name)) }
    }

    fn denied_table(&self, privilege: &str, table: &str) -> SqlError {
        let identity = &self.info.identity;
        let text =
            format!("{privilege} command denied to user '{}'@'{}' for table '{table}'", identity.user, identity.host);
        SqlError::new(codes::ER_TABLEACCESS_DENIED_ERROR, text)
    }

    fn database(&self, privilege: &str, db: &str) -> Result<()> {
        if self.rights.on_database(privilege, db) { Ok(()) } else { Err(denied_database(self.info, db)) }
    }

    fn see_database(&self, db: &str) -> Result<()> {
        if self.rights.see_database(db) { Ok(()) } else { Err(denied_database(self.info, db)) }
    }

    fn everywhere(&self, privilege: &str) -> Result<()> {
        if self.rights.everywhere(privilege) { Ok(()) } else { Err(needs(privilege)) }
    }

    /// Only what one has, and may give on, can be given or taken.
    fn may_grant(&self, grant: &Grant) -> Result<()> {
        let db = grant.db.as_deref().or(self.info.database.as_deref()).ok_or_else(SqlError::no_database)?;
        let holds = |privilege: &str| match (db, grant.table.as_str()) {
            ("*", _) => self.rights.everywhere(privilege),
            (db, "*") => self.rights.on_database(privilege, db),
            (db, table) => self.rights.on_table(privilege, db, table),
        };
        let wanted = expanded(grant);
        if holds("GRANT OPTION") && wanted.iter().all(|privilege| holds(privilege)) {
            return Ok(());
        }
        match (db, grant.table.as_str()) {
            ("*", _) => Err(needs("GRANT OPTION")),
            (db, "*") => Err(denied_database(self.info, db)),
            (_, table) => Err(self.denied_table("GRANT", table)),
        }
    }
}

fn plugins() -> TableName {
    TableName { db: Some("mysql".to_owned()), name: "plugin".to_owned() }
}

fn functions() -> TableName {
    TableName { db: Some("mysql".to_owned()), name: loadable::TABLE.to_owned() }
}

/// 1227
pub fn needs(privilege: &str) -> SqlError {
    let text = format!("Access denied; you need (at least one of) the {privilege} privilege(s) for this operation");
    SqlError::new(codes::ER_SPECIFIC_ACCESS_DENIED_ERROR, text)
}

/// 1044
pub fn denied_database(info: &Info, db: &str) -> SqlError {
    let text = format!("Access denied for user '{}'@'{}' to database '{db}'", info.identity.user, info.identity.host);
    SqlError::new(codes::ER_DBACCESS_DENIED_ERROR, text)
}

/// Refuses a database of which the session's account may not see anything.
pub fn may_use(info: &Info, engine: &Engine, db: &str) -> Result<()> {
    if Rights::of(info, engine)?.see_database(db) { Ok(()) } else { Err(denied_database(info, db)) }
}

/// What SHOW GRANTS prints.
pub fn grant_texts(account: (&str, &str), all: bool, mut grants: Vec<Granted>) -> Vec<String> {
    let to = format!("`{}`@`{}`", account.0, account.1);
    if all {
        return vec![format!("GRANT ALL PRIVILEGES ON *.* TO {to} WITH GRANT OPTION")];
    }
    grants.sort();
    let mut texts = Vec::new();
    if !grants.iter().any(|grant| grant.db == "*" && grant.privilege != "GRANT OPTION") {
        texts.push(format!("GRANT USAGE ON *.* TO {to}"));
    }
    for level in grants.chunk_by(|a, b| (&a.db, &a.table) == (&b.db, &b.table)) {
        let Some(first) = level.first() else { continue };
        let names: Vec<&str> = level.iter().map(|g| g.privilege.as_str()).filter(|p| *p != "GRANT OPTION").collect();
        let privileges = match names.len() {
            0 => "USAGE".to_owned(),
            n if n == all_privileges().count() => "ALL PRIVILEGES".to_owned(),
            _ => names.join(", "),
        };
        let place = match (first.db.as_str(), first.table.as_str()) {
            ("*", _) => "*.*".to_owned(),
            (db, "*") => format!("`{db}`.*"),
            (db, table) => format!("`{db}`.`{table}`"),
        };
        let option = if names.len() < level.len() { " WITH GRANT OPTION" } else { "" };
        texts.push(format!("GRANT {privileges} ON {place} TO {to}{option}"));
    }
    texts
}
