//! The C boundary: a plugin for servers that know INSTALL PLUGIN, and functions for C programs that do not.
//!
//! - [`descriptor`]: what a server finds in the shared library, init and deinit; [`mariadb`]: what MariaDB finds;
//! - [`connections`]: what a host asks of the daemon's clients;
//! - `load`: fits the descriptor to the server that loads the library;
//! - [`variables`]: system and status variables;
//! - [`embed`]: the functions of `daemon_memcached.h`.
//!
//! Every function that C calls goes through [`guard`]: a panic becomes the function's error value. A process runs one
//! daemon at a time, whichever way it was started.

pub mod connections;
pub mod descriptor;
pub mod embed;
mod load;
pub mod mariadb;
mod variables;

use crate::host::{Callbacks, Host, log_sink};
use crate::server::options::{Options, Settings};
use crate::server::{Observer, Server, StartError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a daemon runs in this process.
static RUNNING: AtomicBool = AtomicBool::new(false);

/// Runs `body`; a panic is logged and becomes `on_panic`.
fn guard<T>(on_panic: T, body: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(_) => {
            log::error!("a defect of the daemon was caught at the boundary");
            on_panic
        }
    }
}

/// Why a daemon did not start.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Refusal {
    AlreadyRunning,
    Option(String),
    Table(String),
    Start(StartError),
}

impl Refusal {
    fn message(&self) -> &str {
        match self {
            Refusal::AlreadyRunning => "a memcached daemon already runs in this process",
            Refusal::Option(text) | Refusal::Table(text) => text,
            Refusal::Start(error) => error.message(),
        }
    }
}

/// A daemon and the log lines it sends to its host.
struct Daemon {
    server: Option<Server>,
}

impl Daemon {
    /// Starts a daemon; `make_host` is called once nothing else can refuse.
    fn start(
        callbacks: Callbacks,
        option: &str,
        settings: Settings,
        observer: Option<Observer>,
        make_host: impl FnOnce() -> Result<Host, String>,
    ) -> Result<Daemon, Refusal> {
        if RUNNING.swap(true, Ordering::AcqRel) {
            return Err(Refusal::AlreadyRunning);
        }
        // From here on the drop of `daemon` undoes what was done.
        let mut daemon = Daemon { server: None };
        let mut options = Options::parse(option).map_err(Refusal::Option)?;
        options.settings = settings;
        log_sink::install(callbacks, options.verbose);
        let host = make_host().map_err(Refusal::Table)?;
        let server = Server::start(host, options, observer).map_err(Refusal::Start)?;
        log::info!("listening on {}", variables::listening(server.addresses()));
        daemon.server = Some(server);
        Ok(daemon)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
        log_sink::remove();
        RUNNING.store(false, Ordering::Release);
    }
}
