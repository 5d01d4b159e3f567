//! What the daemon needs from its host: the table, a log sink, thread attach and detach, the shutdown flag.
//!
//! `plugin` builds a [`Host`] from whatever the process offers; `server` uses it on every thread. One file per kind of
//! host: [`callbacks`] serves the bundled C host and C embedders, who both bring C functions and the canonical table.

pub mod callbacks;
pub mod log_sink;

use crate::bindings::ib_cb_t;
use crate::rows::table::Api;
pub use callbacks::Callbacks;
use std::ffi::c_void;

/// A host, shared by all threads of the daemon.
pub struct Host {
    callbacks: Callbacks,
    api: Api,
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
        Ok(Host { callbacks, api })
    }

    /// The InnoDB API table.
    pub fn api(&self) -> Api {
        self.api
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
