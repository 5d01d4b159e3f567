//! What the daemon needs from its host: the table, a log sink, thread attach and detach, the shutdown flag.
//!
//! `plugin` builds a [`Host`] from whatever the process offers; `server` uses it on every thread. One file per kind of
//! host: [`callbacks`] serves the bundled C host and C embedders, who both bring C functions and the canonical table;
//! [`mysql`] serves MySQL servers, [`mariadb`] MariaDB's. [`accounts`] asks either of them who may do what.

pub mod accounts;
pub mod callbacks;
mod error;
pub mod log_sink;
pub mod mariadb;
pub mod mysql;
mod role;
mod version;

use crate::bindings::ib_cb_t;
use crate::rows;
use crate::rows::table::Api;
pub use callbacks::Callbacks;
pub use error::HostError;
use std::ffi::c_void;
use version::Maker;
pub use version::Version;

/// Rows as a worker of the daemon reaches them.
pub type RowSession = rows::RowSession<mysql::command::CommandSession, mariadb::session::TextSession>;

/// A server that loaded this library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// MySQL.
    MySql(Version),
    /// MariaDB.
    MariaDb(Version),
}

impl Server {
    /// The server that this process is; `None` in any other program.
    pub fn of_process() -> Option<Server> {
        Version::of_server().map(|(maker, version)| match maker {
            Maker::MySql => Server::MySql(version),
            Maker::MariaDb => Server::MariaDb(version),
        })
    }

    /// What a daemon says it was built for; nothing that is used depends on it.
    pub fn version_id(self) -> i32 {
        let (Server::MySql(version) | Server::MariaDb(version)) = self;
        version.id()
    }

    /// Its functions for log, messages, threads and shutdown.
    pub fn callbacks(self) -> Callbacks {
        match self {
            Server::MySql(_) => mysql::callbacks(),
            Server::MariaDb(_) => mariadb::callbacks(),
        }
    }

    /// How the daemon reads rows by key, in words for the DBA; known once a session was opened.
    pub fn reads(self) -> String {
        match self {
            Server::MySql(_) => "table".into(),
            Server::MariaDb(_) => mariadb::describe_reads(),
        }
    }

    /// Whether it has started and takes sessions.
    pub fn takes_sessions(self) -> bool {
        match self {
            Server::MySql(_) => mysql::session::server_is_available(),
            Server::MariaDb(_) => mariadb::takes_sessions(),
        }
    }
}

/// How workers reach rows.
enum Access {
    /// Through a table that works on any thread that is attached.
    Table(Api),
    /// Through a MySQL server's table and sessions.
    MySql(Api, mysql::SessionSettings),
    /// Through a MariaDB server's sessions.
    MariaDb(mysql::SessionSettings),
}

/// A host, shared by all threads of the daemon.
pub struct Host {
    callbacks: Callbacks,
    access: Access,
}

impl Host {
    /// A host that brings C functions and a table of `entries` entries in the canonical layout.
    ///
    /// # Errors
    /// The table is missing, has another length or a null entry.
    ///
    /// # Safety
    /// `table` points to `entries` function pointers in the layout of `innodb_api.h`; they and the functions of
    /// `callbacks` stay valid until the host and everything made from it are gone.
    pub unsafe fn new(callbacks: Callbacks, table: *const ib_cb_t, entries: usize) -> Result<Host, HostError> {
        // SAFETY: the caller's promise.
        let api = unsafe { Api::new(table, entries) }?;
        Ok(Host { callbacks, access: Access::Table(api) })
    }

    /// A server.
    ///
    /// # Errors
    /// The server is not one that the daemon knows how to use; the sentence says why.
    ///
    /// # Safety
    /// `data` is what this process's server put into `st_plugin_int.data` of the plugin that is being initialised.
    pub unsafe fn of_server(
        server: Server,
        data: *mut c_void,
        settings: mysql::SessionSettings,
    ) -> Result<Host, HostError> {
        let callbacks = server.callbacks();
        let version = match server {
            Server::MySql(version) => version,
            Server::MariaDb(version) => {
                mariadb::check(version)?;
                return Ok(Host { callbacks, access: Access::MariaDb(settings) });
            }
        };
        // SAFETY: the caller's promise.
        let offer = unsafe { mysql::offer(version, data, settings) }?;
        // SAFETY: the offer was made by this process's server.
        let api = unsafe { Api::new(offer.table, offer.entries) }?;
        let access = match offer.sessions {
            Some(settings) => Access::MySql(api, settings),
            None => Access::Table(api),
        };
        Ok(Host { callbacks, access })
    }

    /// Rows for this thread, which is attached. Nothing of it may outlive the attachment.
    ///
    /// # Errors
    /// The host opened no session.
    pub fn session(&self) -> Result<RowSession, HostError> {
        self.open(false)
    }

    /// The same, while the host waits for the end of the daemon's start.
    ///
    /// # Errors
    /// The host opened no session.
    pub fn session_in_install(&self) -> Result<RowSession, HostError> {
        self.open(true)
    }

    fn open(&self, in_install: bool) -> Result<RowSession, HostError> {
        Ok(match &self.access {
            Access::Table(api) => RowSession::Table(rows::table::TableRows::new(*api)),
            Access::MySql(api, settings) => {
                let sql = mysql::command::CommandSession::open(*settings)?;
                let table = rows::table::TableRows::new(*api);
                RowSession::Hybrid(Box::new(rows::Hybrid::new(table, sql)))
            }
            Access::MariaDb(settings) => {
                let session = mariadb::session::TextSession::open_for(*settings, in_install)?;
                RowSession::Handler(Box::new(rows::handler::HandlerRows::new(session)))
            }
        })
    }

    /// Runs a script in a session of its own and commits it. Its comments have lines of their own, its statements end with a line.
    ///
    /// # Errors
    /// The first statement that failed, with the host's words; or the host takes no SQL of ours.
    pub fn run_script(&self, script: &str) -> Result<(), HostError> {
        match &self.access {
            Access::Table(_) => Err(HostError::NoService("SQL")),
            Access::MySql(_, settings) => run_statements(&mut mysql::command::CommandSession::open(*settings)?, script),
            Access::MariaDb(_) if mariadb::galera::is_on() => Err(HostError::Setting(mariadb::galera::NO_TABLES)),
            Access::MariaDb(settings) => run_statements(&mut mariadb::session::TextSession::open(*settings)?, script),
        }
    }

    /// Whether what is written goes through the host's SQL layer.
    pub fn writes_in_sql(&self) -> bool {
        match &self.access {
            Access::Table(_) => false,
            Access::MySql(..) | Access::MariaDb(_) => true,
        }
    }

    /// Whether somebody killed a session of a worker: each should look after its own.
    pub fn sessions_were_killed(&self) -> bool {
        match &self.access {
            Access::Table(_) | Access::MariaDb(_) => false,
            Access::MySql(..) => mysql::session::any_killed(),
        }
    }

    /// Whether the host may be one of several that take writes together: then a thread must [watch](Host::watch_group) the others.
    pub fn may_be_in_a_group(&self) -> bool {
        matches!(self.access, Access::MySql(..))
    }

    /// Watches the group until `stopping` says that it is over.
    pub fn watch_group(&self, stopping: &dyn Fn() -> bool) {
        if let Access::MySql(_, settings) = &self.access {
            match self.attach_thread() {
                Ok(_attached) => mysql::group::watch(*settings, stopping),
                Err(error) => log::error!("DM1106: the group cannot be watched: {error}"),
            }
        }
    }

    /// How long syncs of the host's logs took, by bucket of [`callbacks::SYNC_BUCKETS`], and nanoseconds of all together; `None`: it does
    /// not tell.
    pub fn sync_times(&self) -> Option<([u64; callbacks::SYNC_BUCKETS], u64)> {
        self.callbacks.sync_times()
    }

    /// What the host is to others that replicate with it: `primary` (it takes writes, or stands alone), `replica`, `read_only` (no
    /// replica, and applications may not write), `group_primary`, `group_secondary`, `group_offline`, `galera`; `unknown` where it did
    /// not answer. Asks a server in a session of its own, on a thread that is attached for it.
    pub fn replication_role(&self) -> &'static str {
        let ask = || -> Option<&'static str> {
            let _attached = self.attach_thread().ok()?;
            match &self.access {
                Access::Table(_) => Some("primary"),
                Access::MySql(_, settings) => {
                    role::of_mysql(&mut mysql::command::CommandSession::open(*settings).ok()?)
                }
                Access::MariaDb(_) if mariadb::galera::is_on() => Some("galera"),
                Access::MariaDb(settings) => {
                    role::of_mariadb(&mut mariadb::session::TextSession::open(*settings).ok()?)
                }
            }
        };
        ask().unwrap_or("unknown")
    }

    /// Whether a transaction of ours may wait for the end of the statement that stops the daemon. In a Galera cluster UNINSTALL has its
    /// place among the transactions of all nodes, and those behind it are committed after it.
    pub fn may_wait_for_the_stop(&self) -> bool {
        matches!(self.access, Access::MariaDb(_)) && mariadb::galera::is_on()
    }

    /// From here to the next call on this thread, waits for locks through the table end together, where the host knows how.
    pub fn restart_lock_wait(&self) {
        self.callbacks.lock_wait_restart();
    }

    /// Why a statement fails, for the client that gave it: on that client's thread.
    pub fn tell_client(&self, message: &str) {
        self.callbacks.init_error(message);
    }

    /// Whether the host has begun to shut down.
    pub fn is_shutting_down(&self) -> bool {
        self.callbacks.is_shutting_down()
    }

    /// Registers the current thread with the host until the guard is dropped.
    ///
    /// # Errors
    /// The host refused the thread.
    pub fn attach_thread(&self) -> Result<AttachedThread<'_>, HostError> {
        let state = self.callbacks.attach()?;
        Ok(AttachedThread { host: self, state })
    }
}

fn run_statements(session: &mut impl rows::sql::SqlSession, script: &str) -> Result<(), HostError> {
    let lines: Vec<&str> = script.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    for statement in lines.join("\n").split(";\n").chain(["COMMIT"]) {
        let statement = statement.trim().trim_end_matches(';');
        if !statement.is_empty() {
            let mut rows = rows::sql::RowSet::default();
            session.query(statement, &mut rows).map_err(|error| HostError::Statement {
                text: statement.lines().next().unwrap_or_default().to_owned(),
                message: error.message,
            })?;
        }
    }
    Ok(())
}

/// A thread known to the host. Belongs to that thread.
pub struct AttachedThread<'h> {
    host: &'h Host,
    state: *mut c_void,
}

impl Drop for AttachedThread<'_> {
    fn drop(&mut self) {
        self.host.callbacks.detach(self.state);
    }
}
