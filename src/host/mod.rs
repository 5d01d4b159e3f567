//! What the daemon needs from its host: the table, a log sink, thread attach and detach, the shutdown flag.
//!
//! `plugin` builds a [`Host`] from whatever the process offers; `server` uses it on every thread. One file per kind of
//! host: [`callbacks`] serves the bundled C host and C embedders, who both bring C functions and the canonical table;
//! [`mysql`] serves MySQL servers.

pub mod callbacks;
pub mod log_sink;
pub mod mysql;

use crate::bindings::ib_cb_t;
use crate::rows;
use crate::rows::table::Api;
pub use callbacks::Callbacks;
use std::ffi::c_void;

/// Rows as a worker of the daemon reaches them.
pub type RowSession = rows::RowSession<mysql::command::CommandSession>;

/// A host, shared by all threads of the daemon.
pub struct Host {
    callbacks: Callbacks,
    api: Api,
    /// `None`: the table works on any thread that is attached.
    server: Option<mysql::Settings>,
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
    pub unsafe fn new(callbacks: Callbacks, table: *const ib_cb_t, entries: usize) -> Result<Host, String> {
        // SAFETY: the caller's promise.
        let api = unsafe { Api::new(table, entries) }?;
        Ok(Host { callbacks, api, server: None })
    }

    /// A MySQL server.
    ///
    /// # Errors
    /// The table that it offers is not complete.
    ///
    /// # Safety
    /// The offer was made by this process's server for the plugin that is being initialised.
    pub unsafe fn of_server(callbacks: Callbacks, offer: mysql::Offer) -> Result<Host, String> {
        // SAFETY: the caller's promise.
        let host = unsafe { Host::new(callbacks, offer.table, offer.entries) }?;
        Ok(Host { server: offer.sessions, ..host })
    }

    /// Rows for this thread, which is attached. Nothing of it may outlive the attachment.
    ///
    /// # Errors
    /// The host opened no session.
    pub fn session(&self) -> Result<RowSession, String> {
        let Some(settings) = self.server else { return Ok(RowSession::Table(rows::table::TableRows::new(self.api))) };
        let sql = mysql::command::CommandSession::open(settings)?;
        let table = rows::table::TableRows::new(self.api);
        Ok(RowSession::Hybrid(Box::new(rows::Hybrid::new(table, sql))))
    }

    /// Whether what is written goes through the host's SQL layer.
    pub fn writes_in_sql(&self) -> bool {
        self.server.is_some()
    }

    /// Whether somebody killed a session of a worker: each should look after its own.
    pub fn sessions_were_killed(&self) -> bool {
        self.server.is_some() && mysql::session::any_killed()
    }

    /// Whether the host has begun to shut down.
    pub fn is_shutting_down(&self) -> bool {
        self.callbacks.is_shutting_down()
    }

    /// Registers the current thread with the host until the guard is dropped.
    ///
    /// # Errors
    /// The host refused the thread.
    pub fn attach_thread(&self) -> Result<AttachedThread<'_>, String> {
        let state = self.callbacks.attach()?;
        Ok(AttachedThread { host: self, state })
    }
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
