//! What a server calls: init, deinit, and the thread that waits for a server which is still starting.
//!
//! The library stays mapped after UNINSTALL (`-z nodelete`), so [`init`] begins from whatever the last
//! round left and sets every static again.

use super::daemon::{DAEMON, Daemon, Refusal};
use super::exported::daemon_memcached_host_service;
use super::variables;
use crate::bindings::{DM_HOST_SERVICE_VERSION, IB_CB_ENTRIES, dm_host_service, dm_plugin_int};
use crate::boundary::guard;
use crate::host::callbacks::Severity;
use crate::host::{Callbacks, Host, HostError, Server, mysql};
use std::ffi::{c_int, c_void};
use std::ptr;

/// Starts the daemon, at once or, where the host is still starting itself, on a thread that waits for it.
///
/// # Safety
/// `plugin` is null or points to the server's `st_plugin_int`, whose `data` is null or the InnoDB API table of its
/// generation, valid until [`deinit`] returns.
pub unsafe extern "C" fn init(plugin: *mut c_void) -> c_int {
    guard(1, || {
        mysql::session::set_plugin(plugin);
        // SAFETY: the caller's promise.
        let (plugin, service) = unsafe { (plugin.cast::<dm_plugin_int>().as_ref(), service()) };
        let data = plugin.map_or(ptr::null_mut(), |p| p.data);
        let server = Server::of_process();
        let callbacks = server.map_or(service, Server::callbacks);
        variables::reset_status();
        // SAFETY: the server filled the variables before init.
        let start = Start { callbacks, server, data, settings: unsafe { variables::Settings::read() } };
        let result = match server {
            Some(server) if !server.takes_sessions() => wait::begin(start, server),
            _ => start.run(),
        };
        match result {
            Ok(()) => 0,
            Err(refusal) => {
                let message = refusal.to_string();
                callbacks.log(Severity::Error, &format!("DM1002: the plugin does not start: {message}"));
                callbacks.init_error(&message);
                mysql::leave();
                1
            }
        }
    })
}

/// What init found, for a start now or later.
struct Start {
    callbacks: Callbacks,
    server: Option<Server>,
    data: *mut c_void,
    settings: variables::Settings,
}

// SAFETY: the host's table, which may be used from any thread.
unsafe impl Send for Start {}

impl Start {
    fn run(self) -> Result<(), Refusal> {
        let Start { callbacks, server, data, settings } = self;
        let settings = settings.with_auth().map_err(Refusal::Option)?;
        let mut slot = DAEMON.lock();
        let observer = Some(Box::new(variables::observe) as crate::server::Observer);
        let daemon = Daemon::start(callbacks, &settings.option, settings.server, observer, || match server {
            // SAFETY: init got `data` from this server.
            Some(server) => unsafe { Host::of_server(server, data, settings.sessions) },
            None if data.is_null() => Err(HostError::Setting(
                "this host hands over no InnoDB API table; daemon_memcached does not support it",
            )),
            // SAFETY: a table that such a host hands over has the canonical layout and length.
            None => unsafe { Host::new(callbacks, data.cast(), IB_CB_ENTRIES as usize) },
        })?;
        let reads = server.map_or_else(|| "table".into(), Server::reads);
        settings.warn(daemon.server.as_ref().is_some_and(crate::server::Server::host_has_sql));
        if let Some(server) = &daemon.server {
            variables::publish(server.addresses(), &reads);
        }
        *slot = Some(daemon);
        Ok(())
    }
}

/// The functions of the host's service, or none.
///
/// # Safety
/// The symbol holds its version number or the address of a `dm_host_service` that is valid until deinit.
unsafe fn service() -> Callbacks {
    // SAFETY: nobody writes the symbol while init runs.
    let address = unsafe { *daemon_memcached_host_service.get() };
    if address.addr() == DM_HOST_SERVICE_VERSION as usize || address.is_null() {
        return Callbacks::NONE;
    }
    let service = address.cast::<dm_host_service>();
    // A host of an earlier version has less to offer: what it does not have is NULL here.
    let mut known = std::mem::MaybeUninit::<dm_host_service>::zeroed();
    // SAFETY: the host's structure begins with its size; zeroes are NULL in each field behind what is copied.
    let known = unsafe {
        let size = (*service).struct_size.min(size_of::<dm_host_service>());
        ptr::copy_nonoverlapping(service.cast::<u8>(), known.as_mut_ptr().cast(), size);
        known.assume_init()
    };
    Callbacks::of_service(&known)
}

/// Stops the daemon; bounded, returns 0.
///
/// # Safety
/// No other call of [`init`] or [`deinit`] runs.
pub unsafe extern "C" fn deinit(_plugin: *mut c_void) -> c_int {
    guard(1, || {
        wait::end();
        let daemon = DAEMON.lock().take();
        drop(daemon);
        variables::reset_status();
        mysql::leave();
        0
    })
}

/// Nothing keeps the daemon from being stopped.
///
/// # Safety
/// Any argument will do.
pub unsafe extern "C" fn check_uninstall(_plugin: *mut c_void) -> c_int {
    0
}

/// The thread that waits for a host which loads the plugin while it starts.
mod wait {
    use super::{Refusal, Server, Severity, Start, guard};
    use parking_lot::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread::{JoinHandle, park_timeout};
    use std::time::Duration;

    const PAUSE: Duration = Duration::from_millis(100);

    static STOP: AtomicBool = AtomicBool::new(false);
    static THREAD: Mutex<Option<JoinHandle<()>>> = Mutex::new(None);

    /// Starts the daemon once the server takes sessions. What is wrong then goes to the log: nobody waits for an answer.
    pub fn begin(start: Start, server: Server) -> Result<(), Refusal> {
        STOP.store(false, Ordering::Relaxed);
        let callbacks = start.callbacks;
        let wait = move || {
            while !server.takes_sessions() {
                if STOP.load(Ordering::Relaxed) {
                    return;
                }
                park_timeout(PAUSE);
            }
            if let Err(refusal) = guard(Err(Refusal::Defect), || start.run()) {
                callbacks.log(Severity::Error, &format!("DM1002: the plugin does not start: {refusal}"));
            }
        };
        let thread = crate::server::spawn("memcached-start", wait);
        *THREAD.lock() = Some(thread.map_err(Refusal::Thread)?);
        Ok(())
    }

    /// Gives the start up, or waits until it is over.
    pub fn end() {
        STOP.store(true, Ordering::Relaxed);
        if let Some(thread) = THREAD.lock().take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}
