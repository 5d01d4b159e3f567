//! What a server finds in the shared library: the plugin's descriptor, init and deinit, the host service symbol.
//!
//! The library stays mapped after UNINSTALL (`-z nodelete`), so [`init`] begins from whatever the last
//! round left and sets every static again.

use super::{Daemon, guard, variables};
use crate::bindings::*;
use crate::host::callbacks::Severity;
use crate::host::{Callbacks, Host, Server, mysql};
use crate::server;
use parking_lot::Mutex;
use std::cell::UnsafeCell;
use std::ffi::{CStr, c_int, c_void};
use std::ptr;

/// Data that the server writes into.
#[repr(transparent)]
pub struct Exported<T>(UnsafeCell<T>);

// SAFETY: written by the server before init and by nobody afterwards; only addresses are taken here.
unsafe impl<T> Sync for Exported<T> {}

impl<T> Exported<T> {
    pub(super) const fn new(value: T) -> Exported<T> {
        Exported(UnsafeCell::new(value))
    }

    pub(super) const fn get(&self) -> *mut T {
        self.0.get()
    }
}

/// Version of MySQL's plugin interface that the descriptor follows.
#[unsafe(no_mangle)]
pub static _mysql_plugin_interface_version_: Exported<c_int> = Exported::new(DM_MYSQL_INTERFACE_VERSION as c_int);

/// Size of one descriptor.
#[unsafe(no_mangle)]
pub static _mysql_sizeof_struct_st_plugin_: Exported<c_int> = Exported::new(size_of::<dm_mysql_plugin>() as c_int);

/// The descriptor, then a zeroed one.
#[unsafe(no_mangle)]
pub static _mysql_plugin_declarations_: Exported<[dm_mysql_plugin; 2]> = Exported::new([DESCRIPTOR, END]);

/// A host that offers its service replaces this version number by the address of its `dm_host_service`.
#[unsafe(no_mangle)]
pub static daemon_memcached_host_service: Exported<*mut c_void> =
    Exported::new(ptr::without_provenance_mut(DM_HOST_SERVICE_VERSION as usize));

/// `MYSQL_VERSION_ID << 8` of the server that the descriptor pretends to be built for.
pub(super) static INFO: Exported<c_int> = Exported::new(80000 << 8);

pub(super) const AUTHOR: &CStr = c"the daemon_memcached developers";
pub(super) const DESCRIPTION: &CStr = c"memcached's protocol in front of table rows";
/// 0.1, as servers show it.
pub(super) const VERSION: u32 = 0x0001;

const DESCRIPTOR: dm_mysql_plugin = dm_mysql_plugin {
    type_: DM_PLUGIN_TYPE_DAEMON as c_int,
    info: INFO.get().cast(),
    name: DM_PLUGIN_NAME.as_ptr().cast(),
    author: AUTHOR.as_ptr(),
    descr: DESCRIPTION.as_ptr(),
    license: DM_PLUGIN_LICENSE_GPL as c_int,
    init: Some(init),
    check_uninstall: Some(check_uninstall),
    deinit: Some(deinit),
    version: VERSION,
    status_vars: variables::STATUS.get().cast(),
    system_vars: variables::SYSTEM.get().cast(),
    reserved1: ptr::null_mut(),
    flags: 0,
};

const END: dm_mysql_plugin = dm_mysql_plugin {
    type_: 0,
    info: ptr::null_mut(),
    name: ptr::null(),
    author: ptr::null(),
    descr: ptr::null(),
    license: 0,
    init: None,
    check_uninstall: None,
    deinit: None,
    version: 0,
    status_vars: ptr::null_mut(),
    system_vars: ptr::null_mut(),
    reserved1: ptr::null_mut(),
    flags: 0,
};

pub(super) static DAEMON: Mutex<Option<Daemon>> = Mutex::new(None);

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
            Err(message) => {
                callbacks.log(Severity::Error, &message);
                callbacks.init_error(&message);
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
    fn run(self) -> Result<(), String> {
        let Start { callbacks, server, data, settings } = self;
        let mut slot = DAEMON.lock();
        let observer = Some(Box::new(variables::observe) as crate::server::Observer);
        let daemon = Daemon::start(callbacks, &settings.option, settings.server, observer, || match server {
            // SAFETY: init got `data` from this server.
            Some(server) => unsafe { Host::of_server(server, data, settings.sessions) },
            None if data.is_null() => {
                Err("this host hands over no InnoDB API table; daemon_memcached does not support it".into())
            }
            // SAFETY: a table that such a host hands over has the canonical layout and length.
            None => unsafe { Host::new(callbacks, data.cast(), IB_CB_ENTRIES as usize) },
        })
        .map_err(|refusal| refusal.message().to_owned())?;
        settings.warn(daemon.server.as_ref().is_some_and(server::Server::host_has_sql));
        if let Some(server) = &daemon.server {
            variables::publish_listening(server.addresses());
        }
        *slot = Some(daemon);
        Ok(())
    }
}

/// The thread that waits for a host which loads the plugin while it starts.
mod wait {
    use super::{Server, Severity, Start, guard};
    use parking_lot::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread::{JoinHandle, park_timeout};
    use std::time::Duration;

    const PAUSE: Duration = Duration::from_millis(100);

    static STOP: AtomicBool = AtomicBool::new(false);
    static THREAD: Mutex<Option<JoinHandle<()>>> = Mutex::new(None);

    /// Starts the daemon once the server takes sessions. What is wrong then goes to the log: nobody waits for an answer.
    pub fn begin(start: Start, server: Server) -> Result<(), String> {
        STOP.store(false, Ordering::Relaxed);
        let callbacks = start.callbacks;
        let wait = move || {
            while !server.takes_sessions() {
                if STOP.load(Ordering::Relaxed) {
                    return;
                }
                park_timeout(PAUSE);
            }
            if let Err(message) = guard(Err("a defect of the daemon was met while it started".into()), || start.run()) {
                callbacks.log(Severity::Error, &message);
            }
        };
        let thread = crate::server::spawn("memcached-start", wait);
        *THREAD.lock() = Some(thread.map_err(|error| format!("cannot start a thread: {error}"))?);
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
    // SAFETY: the caller's promise.
    Callbacks::of_service(unsafe { &*address.cast::<dm_host_service>() })
}

unsafe extern "C" fn check_uninstall(_plugin: *mut c_void) -> c_int {
    0
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
        0
    })
}
