//! Logging in with accounts of the host, and what becomes of those that are in.
//!
//! The host decides each time (see [`crate::host::accounts`]); what it said of an account is asked again after a minute, and within a second
//! of a statement that changed accounts or grants or of a new configuration. Connections of an account whose rights are others get those;
//! where the account must not get in any more, they have to log in again. For asking again the password stays in memory as long as the
//! account has a connection.

use crate::auth::{Right, User};
use crate::host::accounts::{AccountTable, Accounts, LoginError, TableRight};
use crate::server::mailbox::{Mailbox, Renewal};
use crate::server::shared::Shared;
use crate::store::Config;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long what the host said of an account counts.
const COUNTS_FOR: Duration = Duration::from_secs(60);

/// How long it counts at most while the host cannot tell anything newer.
const COUNTS_AT_MOST: Duration = Duration::from_secs(120);

/// Time between two looks at what changed, and between two attempts to ask a host that cannot tell.
const LOOK: Duration = Duration::from_secs(1);

/// Whoever may change these tables may change the whole daemon.
const CONFIGURATION: (&str, &str, [&str; 2]) = ("innodb_memcache", "containers", ["name", "db_table"]);

/// A password, which is wiped out when it is no longer needed.
struct Secret(Vec<u8>);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        std::hint::black_box(&self.0);
    }
}

/// An account that has connections.
struct Inside {
    /// As all of its connections have it.
    user: Arc<User>,
    password: Secret,
    /// When the host last said so.
    confirmed: Instant,
    /// When it is asked again.
    due: Instant,
}

/// The accounts that are in, on the login thread.
pub(super) struct Keeper<'s> {
    shared: &'s Shared,
    mailboxes: &'s [Arc<Mailbox>],
    host: Option<Accounts>,
    inside: Vec<Inside>,
    config: Arc<Config>,
    /// See [`Accounts::changes`]; empty while unknown.
    changes: String,
    looked: Instant,
}

impl<'s> Keeper<'s> {
    pub(super) fn new(shared: &'s Shared, mailboxes: &'s [Arc<Mailbox>]) -> Keeper<'s> {
        let config = shared.mapping.newest();
        Keeper {
            shared,
            mailboxes,
            host: None,
            inside: Vec::new(),
            config,
            changes: String::new(),
            looked: Instant::now(),
        }
    }

    /// Who that is, if the host lets the account in.
    ///
    /// # Errors
    /// It does not, for this reason.
    pub(super) fn check(&mut self, name: &[u8], password: &[u8]) -> Result<Arc<User>, LoginError> {
        let user = self.ask(name, password)?;
        let now = Instant::now();
        let known = self.inside.iter().position(|inside| inside.user.name() == user.name());
        let at = match known {
            Some(at) => {
                self.inside[at].password = Secret(password.to_vec());
                at
            }
            None => {
                // What happened before does not concern it.
                if self.inside.is_empty() {
                    self.looked = now;
                    self.changes = self.host.as_mut().and_then(|host| host.changes().ok()).unwrap_or_default();
                }
                let password = Secret(password.to_vec());
                self.inside.push(Inside { user: Arc::new(user.clone()), password, confirmed: now, due: now });
                self.inside.len() - 1
            }
        };
        Ok(self.confirm(at, user))
    }

    /// When there is something to do here.
    pub(super) fn due(&self) -> Option<Instant> {
        let first = self.inside.iter().map(|inside| inside.due).min()?;
        Some(first.min(self.looked + LOOK))
    }

    /// Does a piece of what is due: looks for changes, or asks for one account.
    pub(super) fn work(&mut self) {
        let now = Instant::now();
        if now >= self.looked + LOOK {
            self.looked = now;
            self.inside.retain(|inside| Arc::strong_count(&inside.user) > 1);
            self.look_for_changes(now);
        }
        if let Some(at) = self.inside.iter().position(|inside| inside.due <= now) {
            self.ask_again(at, now);
        }
    }

    fn look_for_changes(&mut self, now: Instant) {
        if self.inside.is_empty() {
            return;
        }
        let config = self.shared.mapping.newest();
        let changes = self.host.as_mut().map(Accounts::changes);
        let changed =
            !Arc::ptr_eq(&config, &self.config) || matches!(&changes, Some(Ok(changes)) if *changes != self.changes);
        self.config = config;
        if let Some(Ok(changes)) = changes {
            self.changes = changes;
        }
        if changed {
            self.inside.iter_mut().for_each(|inside| inside.due = now);
        }
    }

    fn ask_again(&mut self, at: usize, now: Instant) {
        let name = self.inside[at].user.name().to_owned();
        let password = Secret(self.inside[at].password.0.clone());
        match self.ask(name.as_bytes(), &password.0) {
            Ok(user) => _ = self.confirm(at, user),
            Err(LoginError::Unavailable(_)) if now < self.inside[at].confirmed + COUNTS_AT_MOST => {
                self.inside[at].due = now + LOOK;
            }
            Err(error) => {
                self.shared.complain(|| {
                    format!("DM1414: connections of the account \"{name}\" have to log in again: {error}")
                });
                let Inside { user, .. } = self.inside.swap_remove(at);
                self.tell_all(&user, None);
            }
        }
    }

    /// The host has just said this of an account.
    fn confirm(&mut self, at: usize, user: User) -> Arc<User> {
        let now = Instant::now();
        let inside = &mut self.inside[at];
        (inside.confirmed, inside.due) = (now, now + COUNTS_FOR);
        if *inside.user == user {
            return Arc::clone(&inside.user);
        }
        let new = Arc::new(user);
        let old = std::mem::replace(&mut inside.user, Arc::clone(&new));
        self.tell_all(&old, Some(&new));
        new
    }

    fn tell_all(&self, old: &Arc<User>, new: Option<&Arc<User>>) {
        for mailbox in self.mailboxes {
            mailbox.renew(Renewal { old: Arc::clone(old), new: new.map(Arc::clone) });
        }
    }

    fn ask(&mut self, name: &[u8], password: &[u8]) -> Result<User, LoginError> {
        let config = self.shared.mapping.newest();
        let host = match &mut self.host {
            Some(host) => host,
            none => {
                let opened = Accounts::open(&self.shared.host);
                none.insert(opened.map_err(|error| LoginError::Unavailable(error.to_string()))?)
            }
        };
        let (names, mut tables): (Vec<_>, Vec<_>) = tables(&config).unzip();
        let (database, table, columns) = CONFIGURATION;
        let columns = columns.map(str::to_owned).to_vec();
        tables.push(AccountTable { database: database.into(), table: table.into(), columns });
        let rights = host.log_in(name, password, &tables, &|| self.shared.stopping())?;
        let administers = rights.last() == Some(&TableRight::Write);
        let containers = names.into_iter().zip(rights).filter_map(|(name, right)| match right {
            TableRight::Nothing => None,
            TableRight::Read => Some((name, Right::Read)),
            TableRight::Write => Some((name, Right::Write)),
        });
        Ok(User::of_account(String::from_utf8_lossy(name).into_owned(), containers.collect(), administers))
    }
}

/// The containers that serve, and their tables.
fn tables(config: &Config) -> impl Iterator<Item = (String, AccountTable)> {
    let serving = config.containers().filter(|container| container.refused().is_none());
    serving.map(|container| {
        let (database, table) = (container.database().into_owned(), container.table_name().into_owned());
        (container.name.clone(), AccountTable { database, table, columns: container.mapped_columns() })
    })
}
