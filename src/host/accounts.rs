//! The accounts of the server that the daemon runs in: whether a name and a password are one's, and what it may do with tables.
//!
//! Nothing here knows how a server keeps passwords or grants. The daemon logs in over the server's own UNIX socket, so that the server
//! itself decides, locks, expires and logs as for any client; in that session the server is asked to check, not to run, the statements that
//! reading and writing a table would take, so that global, database, table and column grants, roles and partial revokes count as it counts
//! them. A session of the daemon's own then looks up how the account proves itself: one that is let in for the process that connects, as by
//! `unix_socket` or `auth_socket`, would be let in with any password, since that process is the server.
//!
//! Used by one thread, which is attached to the host; it may wait for some seconds.

mod proof;
mod wire;

use super::mysql::command::CommandSession;
use super::{Access, Host, HostError, mariadb};
use crate::rows::sql::{SqlError, cells};
use proof::Method;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use wire::{Client, Failure, ServerError};

/// Most time that one login takes, the checks of all tables included.
const PATIENCE: Duration = Duration::from_secs(10);

/// A table, and the columns that are read and written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountTable {
    /// Its database.
    pub database: String,
    /// Its name.
    pub table: String,
    /// The columns.
    pub columns: Vec<String>,
}

/// What an account may do with a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableRight {
    /// Not even read all of the columns.
    Nothing,
    /// SELECT.
    Read,
    /// SELECT, INSERT, UPDATE and DELETE.
    Write,
}

/// Why nobody is logged in. `Display` is for the log, not for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoginError {
    /// The account must not get in; the server's words, mostly.
    Refused(String),
    /// The server cannot tell at the moment.
    Unavailable(String),
}

impl fmt::Display for LoginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (LoginError::Refused(text) | LoginError::Unavailable(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for LoginError {}

/// Too many connections of all, of the account's or by its limits; a shutdown; a lock; too many prepared statements.
const MOMENTARY: [u16; 6] = [1040, 1203, 1226, 1053, 1205, 1461];

/// The account may not: on the table, a column, the database, or without a privilege.
const DENIED: [u16; 4] = [1142, 1143, 1044, 1227];

/// The table is not there, which the server tells only those who might use it.
const NO_TABLE: u16 = 1146;

impl From<ServerError> for LoginError {
    fn from(error: ServerError) -> LoginError {
        let text = format!("{} (SQL error {})", error.message, error.code);
        if MOMENTARY.contains(&error.code) { LoginError::Unavailable(text) } else { LoginError::Refused(text) }
    }
}

impl From<Failure> for LoginError {
    fn from(failure: Failure) -> LoginError {
        match failure {
            Failure::Server(error) => error.into(),
            Failure::Other(error) => error,
        }
    }
}

/// The daemon's own session, which holds every right.
enum Own {
    MySql(CommandSession),
    MariaDb(Box<mariadb::session::TextSession>),
}

impl Own {
    /// The only column of the rows of a query, as text.
    fn ask(&mut self, sql: &str) -> Result<Vec<String>, SqlError> {
        match self {
            Own::MySql(session) => cells(session, sql, 1),
            Own::MariaDb(session) => cells(&mut **session, sql, 1),
        }
    }

    /// Names and values of the rows of a query, one behind the other.
    fn ask_pairs(&mut self, sql: &str) -> Result<Vec<String>, SqlError> {
        match self {
            Own::MySql(session) => cells(session, sql, 2),
            Own::MariaDb(session) => cells(&mut **session, sql, 2),
        }
    }
}

/// The server's accounts, as one thread asks for them.
pub struct Accounts {
    own: Own,
    socket: PathBuf,
}

impl Accounts {
    /// Opens the daemon's own session and tries the socket.
    ///
    /// # Errors
    /// The host has no accounts or no socket, or the socket is not its own.
    pub fn open(host: &Host) -> Result<Accounts, HostError> {
        let own = match &host.access {
            Access::Table(_) => {
                return Err(HostError::Setting(
                    "this host has no accounts that the daemon could ask; leave daemon_memcached_auth off and name a users file \
                     with -Y",
                ));
            }
            Access::MySql(_, settings) => Own::MySql(CommandSession::open(*settings)?),
            Access::MariaDb(settings) => Own::MariaDb(Box::new(mariadb::session::TextSession::open(*settings)?)),
        };
        let mut accounts = Accounts { own, socket: PathBuf::new() };
        let text = "daemon_memcached_auth=mysql".to_owned();
        let failed = |message| HostError::Statement { text: text.clone(), message };
        let path = accounts.own.ask("SELECT @@GLOBAL.socket").map_err(|error| failed(error.message))?;
        accounts.socket = path.into_iter().next().unwrap_or_default().into();
        if accounts.socket.as_os_str().is_empty() {
            return Err(HostError::Setting(
                "daemon_memcached_auth=mysql needs the server's UNIX socket, and this server has none; set the server's option socket",
            ));
        }
        wire::connect(&accounts.socket).map_err(|error| failed(error.to_string()))?;
        Ok(accounts)
    }

    /// Logs in, and tells what the account may do with each table.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub fn log_in(
        &mut self,
        name: &[u8],
        password: &[u8],
        tables: &[AccountTable],
        stopping: &dyn Fn() -> bool,
    ) -> Result<Vec<TableRight>, LoginError> {
        let refused = |text: &str| LoginError::Refused(text.into());
        if name.is_empty() || name.contains(&0) || str::from_utf8(name).is_err() {
            return Err(refused("no account has such a name"));
        }
        if password.is_empty() || password.contains(&0) {
            return Err(refused("an account without a password cannot log in here"));
        }
        let mut client = Client::new(wire::connect(&self.socket)?, Instant::now() + PATIENCE, stopping);
        client.log_in(name, password)?;
        client.run("SET SESSION lock_wait_timeout=1, sql_mode=''")?;
        let row = client.row("SELECT CURRENT_USER(), @@proxy_user")?;
        let [Some(account), None] = row.as_slice() else {
            return Err(refused("an account that stands for another one cannot log in here"));
        };
        let account = String::from_utf8_lossy(account).into_owned();
        let Some((user, host)) = account.rsplit_once('@').filter(|(user, _)| user.as_bytes() == name) else {
            return Err(refused("an account without a name cannot log in here"));
        };
        self.check_methods(user, host)?;
        tables.iter().map(|table| Ok(right(&mut client, table)?)).collect()
    }

    /// Refuses an account that may be let in without its password.
    fn check_methods(&mut self, user: &str, host: &str) -> Result<(), LoginError> {
        let account = format!("User = {} AND Host = {}", literal(user), literal(host));
        let sql = match self.own {
            Own::MySql(_) => format!("SELECT plugin FROM mysql.user WHERE {account}"),
            Own::MariaDb(_) => format!(
                "SELECT CONCAT_WS(',', JSON_EXTRACT(Priv, '$.plugin'), JSON_EXTRACT(Priv, '$.auth_or[*].plugin')) \
                 FROM mysql.global_priv WHERE {account}"
            ),
        };
        let found = self.own.ask(&sql).map_err(|error| LoginError::Unavailable(error.message))?;
        let [methods] = found.as_slice() else {
            return Err(LoginError::Refused("the account cannot be looked up".into()));
        };
        // MySQL tells a name, MariaDB JSON: a string, and an array of strings where there are several.
        let names = methods.split(['[', ']', '"', ',', ' ']).filter(|name| !name.is_empty());
        let unfit = names.clone().find(|name| Method::of(name.as_bytes()).is_none());
        match unfit {
            None if names.count() > 0 => Ok(()),
            None => Err(LoginError::Refused("the account has no method to log in".into())),
            Some(name) => {
                Err(LoginError::Refused(format!("the account's method {name} is none that can be used here")))
            }
        }
    }

    /// A text that is another one after statements of this server changed accounts or grants.
    ///
    /// # Errors
    /// The server's words.
    pub fn changes(&mut self) -> Result<String, String> {
        let statements = [
            "flush",
            "grant",
            "grant_roles",
            "grant_role",
            "revoke",
            "revoke_all",
            "revoke_roles",
            "revoke_role",
            "alter_user",
            "drop_user",
            "rename_user",
            "set_password",
            "set_default_role",
            "alter_user_default_role",
            "drop_role",
        ]
        .map(|name| format!("'Com_{name}'"))
        .join(",");
        // No table of MySQL shows these counters.
        let sql = format!("SHOW GLOBAL STATUS WHERE Variable_name IN ({statements})");
        self.own.ask_pairs(&sql).map(|found| found.concat()).map_err(|error| error.message)
    }
}

/// What the session's account may do with a table, by the server's own check of statements.
fn right(client: &mut Client<'_>, table: &AccountTable) -> Result<TableRight, Failure> {
    let name = format!("{}.{}", quoted(&table.database), quoted(&table.table));
    let columns: Vec<String> = table.columns.iter().map(|column| quoted(column)).collect();
    let list = columns.join(",");
    if !may(client, &format!("SELECT {list} FROM {name}"))? {
        return Ok(TableRight::Nothing);
    }
    let writes = [
        format!("INSERT INTO {name} ({list}) VALUES ({})", vec!["?"; columns.len()].join(",")),
        format!(
            "UPDATE {name} SET {}",
            columns.iter().map(|column| format!("{column}=?")).collect::<Vec<_>>().join(",")
        ),
        format!("DELETE FROM {name}"),
    ];
    for statement in &writes {
        if !may(client, statement)? {
            return Ok(TableRight::Read);
        }
    }
    Ok(TableRight::Write)
}

fn may(client: &mut Client<'_>, statement: &str) -> Result<bool, Failure> {
    match client.check(statement) {
        Ok(()) => Ok(true),
        Err(Failure::Server(error)) if error.code == NO_TABLE => Ok(true),
        Err(Failure::Server(error)) if DENIED.contains(&error.code) => Ok(false),
        Err(Failure::Server(error)) if !MOMENTARY.contains(&error.code) => {
            log::debug!("DM1101: {statement}: {} (SQL error {})", error.message, error.code);
            Ok(false)
        }
        Err(other) => Err(other),
    }
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A string that cannot end early, whatever is in it.
fn literal(text: &str) -> String {
    let digits: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("_utf8mb4 x'{digits}'")
}
