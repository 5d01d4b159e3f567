//! Accounts and their grants: recorded in `mysql.user` and `mysql.grants`, tables made when the first account is. What is kept
//! of a password is in `password`. `privileges` enforces what is granted; `root`@`localhost`
//! is there without a row and may do everything. It has one from its first password on.

use std::ops::ControlFlow;

use super::ast::{Account, Grant, TableName};
use super::error::{Result, SqlError};
use super::function::like;
use super::identity::ROOT;
use super::info::find_table;
use super::parse_accounts::PRIVILEGES;
use super::password::{NATIVE, Password, SHA2};
use super::rows::Run;
use crate::refengine::codes;
use crate::refengine::types::{Charset, ColumnDef, ColumnType, Isolation, KeyRange, Row, RowLock, TableDef, Value};
use crate::refengine::{Engine, Error};

const DB: &str = "mysql";
const USERS: &str = "user";
const GRANTS: &str = "grants";

/// Makes the two tables if they are missing.
pub fn create_tables(engine: &Engine) -> Result<()> {
    let tables = [
        (USERS, &[("Host", 255), ("User", 32), ("plugin", 64), ("authentication_string", 255)][..], 2),
        (GRANTS, &[("Host", 255), ("User", 32), ("Db", 64), ("Table_name", 64), ("Privilege", 32)], 5),
    ];
    for (name, columns, key) in tables {
        let column = |(name, chars): &(&str, u32)| ColumnDef {
            name: (*name).to_owned(),
            ty: ColumnType::VarChar { chars: *chars },
            charset: Charset::Utf8mb4,
            not_null: true,
            default: None,
        };
        let def = TableDef {
            db: DB.to_owned(),
            name: name.to_owned(),
            columns: columns.iter().map(column).collect(),
            primary_key: (0..key).collect(),
            indexes: Vec::new(),
        };
        match engine.create_table(def) {
            Ok(()) | Err(Error::TableExists(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn row(cells: &[&str]) -> Row {
    cells.iter().map(|cell| Value::Bytes(cell.as_bytes().to_vec())).collect()
}

fn table(name: &str) -> TableName {
    TableName { db: Some(DB.to_owned()), name: name.to_owned() }
}

fn list(accounts: &[Account]) -> String {
    accounts.iter().map(Account::to_string).collect::<Vec<_>>().join(",")
}

/// The form of a new row: empty for no password.
fn stored(password: Option<&Password>) -> String {
    password.map(Password::to_string).unwrap_or_default()
}

/// One row of `mysql.grants`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Granted {
    pub db: String,
    pub table: String,
    pub privilege: String,
}

/// An account that may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Its user name, empty for the anonymous one.
    pub user: String,
    /// Its host pattern.
    pub host: String,
    /// What is kept of its password; None without one.
    pub password: Option<Password>,
}

/// The account that `user` logs in to when its connection comes from a host with these names: of those that match, the
/// one with the most specific host, and of these the one that names the user.
///
/// # Errors
/// The engine's; 1045 if its row is of another server's making.
pub fn find_account(engine: &Engine, user: &str, names: &[&str]) -> Result<Option<Credentials>> {
    // `root` of this machine is there also without a row.
    let builtin = (user == ROOT.0 && names.contains(&ROOT.1)).then(|| Credentials {
        user: ROOT.0.to_owned(),
        host: ROOT.1.to_owned(),
        password: None,
    });
    let table = match engine.table(DB, USERS) {
        Err(Error::NoSuchTable { .. }) => return Ok(builtin),
        table => table?,
    };
    let mut trx = engine.begin(Isolation::ReadCommitted, false);
    let mut best: Option<((usize, bool), Row)> = None;
    trx.scan(&table, None, &KeyRange::all(), false, RowLock::None, &mut |row| {
        let (host, name) = (text_of(row, 0), text_of(row, 1));
        let matches = |known: &&str| like(known.as_bytes(), host.to_ascii_lowercase().as_bytes(), Some('\\'));
        // A pattern is as specific as it is long before its first wildcard; one without is the most specific.
        let specific = host.find(['%', '_']).unwrap_or(usize::MAX);
        let rank = (specific, !name.is_empty());
        let fits = (name == user || name.is_empty()) && names.iter().any(matches);
        if fits && best.as_ref().is_none_or(|(known, _)| *known < rank) {
            best = Some((rank, row.clone()));
        }
        ControlFlow::Continue(())
    })?;
    let found = best.map(|(_, row)| row);
    if builtin.is_some()
        && found.as_ref().is_none_or(|row| (text_of(row, 1).as_str(), text_of(row, 0).as_str()) != ROOT)
    {
        return Ok(builtin);
    }
    let Some(row) = found else { return Ok(None) };
    let (plugin, stored) = (text_of(&row, 2), text_of(&row, 3));
    let password = Password::parse(&stored);
    if ![NATIVE, SHA2].contains(&plugin.as_str()) || password.is_none() != stored.is_empty() {
        let text = format!(
            "Account '{}'@'{}' logs in with '{plugin}', which this server has not: give it a password anew",
            text_of(&row, 1),
            text_of(&row, 0)
        );
        return Err(SqlError::new(codes::ER_ACCESS_DENIED_ERROR, text));
    }
    Ok(Some(Credentials { user: text_of(&row, 1), host: text_of(&row, 0), password }))
}

fn text_of(row: &Row, at: usize) -> String {
    match row.get(at) {
        Some(Value::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    }
}

/// CREATE USER; all or none.
pub fn create_users(run: &mut Run<'_>, users: &[(Account, Option<Password>)], if_not_exists: bool) -> Result<()> {
    let users_table = run.open(&table(USERS))?;
    let mut failed = Vec::new();
    for (account, password) in users {
        if is_root(account) {
            failed.push(account.clone());
            continue;
        }
        let new = row(&[&account.host, &account.user, SHA2, &stored(password.as_ref())]);
        match run.trx.insert(&users_table, new) {
            Ok(()) => {}
            Err(Error::DuplicateKey { .. }) if if_not_exists => {
                let text = format!("Authorization ID {account} already exists.");
                run.warnings.note(&SqlError::new(codes::ER_USER_ALREADY_EXISTS, text));
            }
            Err(Error::DuplicateKey { .. }) => failed.push(account.clone()),
            Err(error) => return Err(error.into()),
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(SqlError::operation_failed("CREATE USER", &list(&failed))) }
}

fn is_root(account: &Account) -> bool {
    (account.user.as_str(), account.host.as_str()) == ROOT
}

/// ALTER USER ... IDENTIFIED BY and SET PASSWORD; all or none.
pub fn set_passwords(run: &mut Run<'_>, users: &[(Option<Account>, Option<Password>)], if_exists: bool) -> Result<()> {
    let users_table = run.open(&table(USERS))?;
    let own = &run.info.identity.account;
    let own = Account { user: own.0.clone(), host: own.1.clone() };
    let mut failed = Vec::new();
    for (account, password) in users {
        let account = account.as_ref().unwrap_or(&own);
        let new = row(&[&account.host, &account.user, SHA2, &stored(password.as_ref())]);
        let key = row(&[&account.host, &account.user]);
        match run.trx.get(&users_table, &key, RowLock::Exclusive)? {
            Some(old) => {
                run.trx.update(&users_table, &old, new)?;
            }
            None if is_root(account) => run.trx.insert(&users_table, new)?,
            None if if_exists => {
                let text = format!("Authorization ID {account} does not exist.");
                run.warnings.note(&SqlError::new(codes::ER_USER_DOES_NOT_EXIST, text));
            }
            None => failed.push(account.clone()),
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(SqlError::operation_failed("ALTER USER", &list(&failed))) }
}

/// The grants of an account: user and host.
pub fn grants_of(engine: &Engine, account: &(String, String)) -> Result<Vec<Granted>> {
    let grants = match engine.table(DB, GRANTS) {
        Err(Error::NoSuchTable { .. }) => return Ok(Vec::new()),
        table => table?,
    };
    let mut found = Vec::new();
    let range = KeyRange::prefix(row(&[&account.1, &account.0]));
    let mut trx = engine.begin(Isolation::ReadCommitted, false);
    trx.scan(&grants, None, &range, false, RowLock::None, &mut |row| {
        found.push(Granted { db: text_of(row, 2), table: text_of(row, 3), privilege: text_of(row, 4) });
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// Whether there is such an account.
pub fn exists(engine: &Engine, account: &Account) -> Result<bool> {
    let users = match engine.table(DB, USERS) {
        _ if is_root(account) => return Ok(true),
        Err(Error::NoSuchTable { .. }) => return Ok(false),
        table => table?,
    };
    let key = row(&[&account.host, &account.user]);
    Ok(engine.begin(Isolation::ReadCommitted, false).get(&users, &key, RowLock::None)?.is_some())
}

/// What ALL stands for.
pub fn all_privileges() -> impl Iterator<Item = &'static str> {
    PRIVILEGES.iter().copied().filter(|privilege| !["GRANT OPTION", "USAGE"].contains(privilege))
}

/// DROP USER with the accounts' grants; all or none.
pub fn drop_users(run: &mut Run<'_>, users: &[Account], if_exists: bool) -> Result<()> {
    let users_table = run.open(&table(USERS))?;
    let mut failed = Vec::new();
    for account in users {
        let key = row(&[&account.host, &account.user]);
        match run.trx.get(&users_table, &key, RowLock::Exclusive)? {
            _ if is_root(account) => failed.push(account.clone()),
            Some(found) => {
                run.trx.delete(&users_table, &found)?;
                delete_grants(run, &key, |_| true)?;
            }
            None if if_exists => {
                let text = format!("Authorization ID {account} does not exist.");
                run.warnings.note(&SqlError::new(codes::ER_USER_DOES_NOT_EXIST, text));
            }
            None => failed.push(account.clone()),
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(SqlError::operation_failed("DROP USER", &list(&failed))) }
}

/// Deletes the grants that begin with `prefix` and match; returns how many.
fn delete_grants(run: &mut Run<'_>, prefix: &[Value], matches: impl Fn(&Row) -> bool) -> Result<usize> {
    let grants = run.open(&table(GRANTS))?;
    let mut found = Vec::new();
    let range = KeyRange::prefix(prefix.to_vec());
    run.trx.scan(&grants, None, &range, false, RowLock::Exclusive, &mut |row| {
        if matches(row) {
            found.push(row.clone());
        }
        ControlFlow::Continue(())
    })?;
    for row in &found {
        run.trx.delete(&grants, row)?;
    }
    Ok(found.len())
}

/// The privileges to record: ALL is every single one, USAGE none.
pub fn expanded(grant: &Grant) -> Vec<&str> {
    let all = grant.privileges.iter().any(|privilege| privilege == "ALL");
    let mut privileges: Vec<&str> =
        if all { all_privileges().collect() } else { grant.privileges.iter().map(String::as_str).collect() };
    if grant.grant_option {
        privileges.push("GRANT OPTION");
    }
    privileges.retain(|privilege| *privilege != "USAGE");
    privileges
}

/// The database a grant is about: the session's where none is written.
fn database_of<'a>(run: &'a Run<'_>, grant: &'a Grant) -> Result<&'a str> {
    grant.db.as_deref().or(run.info.database.as_deref()).ok_or_else(SqlError::no_database)
}

fn require_user(run: &mut Run<'_>, account: &Account) -> Result<Vec<Value>> {
    let users = run.open(&table(USERS))?;
    let key = row(&[&account.host, &account.user]);
    if run.trx.get(&users, &key, RowLock::Shared)?.is_none() {
        return Err(SqlError::new(
            codes::ER_CANT_CREATE_USER_WITH_GRANT,
            "You are not allowed to create a user with GRANT",
        ));
    }
    Ok(key)
}

/// GRANT.
pub fn grant(run: &mut Run<'_>, grant: &Grant) -> Result<()> {
    let db = database_of(run, grant)?.to_owned();
    if grant.table != "*" {
        find_table(run.engine, &db, &grant.table)?;
    }
    for account in &grant.accounts {
        require_user(run, account)?;
        let grants = run.open(&table(GRANTS))?;
        for privilege in expanded(grant) {
            match run.trx.insert(&grants, row(&[&account.host, &account.user, &db, &grant.table, privilege])) {
                Ok(()) | Err(Error::DuplicateKey { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// REVOKE. Fails if an account has none of what is taken.
pub fn revoke(run: &mut Run<'_>, grant: &Grant) -> Result<()> {
    let db = database_of(run, grant)?.to_owned();
    let privileges = expanded(grant);
    for account in &grant.accounts {
        let prefix = row(&[&account.host, &account.user, &db, &grant.table]);
        let named = |row: &Row| match row.last() {
            Some(Value::Bytes(name)) => privileges.iter().any(|privilege| privilege.as_bytes() == name.as_slice()),
            _ => false,
        };
        let deleted = delete_grants(run, &prefix, named)?;
        if deleted == 0 && !privileges.is_empty() {
            let Account { user, host } = account;
            return Err(if grant.table == "*" {
                let text = format!("There is no such grant defined for user '{user}' on host '{host}'");
                SqlError::new(codes::ER_NONEXISTING_GRANT, text)
            } else {
                let text = format!(
                    "There is no such grant defined for user '{user}' on host '{host}' on table '{}'",
                    grant.table
                );
                SqlError::new(codes::ER_NONEXISTING_TABLE_GRANT, text)
            });
        }
    }
    Ok(())
}
