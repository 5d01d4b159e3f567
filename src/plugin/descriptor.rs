//! What a server finds in the shared library: the plugin's descriptor, init and deinit, the host service symbol.
//!
//! The library stays mapped after UNINSTALL (`-z nodelete`), so [`init`] begins from whatever the last
//! round left and sets every static again.

use super::{Daemon, guard, variables};
use crate::bindings::*;
use crate::host::{Callbacks, Host};
use parking_lot::Mutex;
use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
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
static INFO: Exported<c_int> = Exported::new(80000 << 8);

const DESCRIPTOR: dm_mysql_plugin = dm_mysql_plugin {
    type_: DM_PLUGIN_TYPE_DAEMON as c_int,
    info: INFO.get().cast(),
    name: DM_PLUGIN_NAME.as_ptr().cast(),
    author: c"the daemon_memcached developers".as_ptr(),
    descr: c"memcached's protocol in front of table rows".as_ptr(),
    license: DM_PLUGIN_LICENSE_GPL as c_int,
    init: Some(init),
    check_uninstall: Some(check_uninstall),
    deinit: Some(deinit),
    version: 0x0001,
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

static DAEMON: Mutex<Option<Daemon>> = Mutex::new(None);

/// Starts the daemon.
///
/// # Safety
/// `plugin` is null or points to the server's `st_plugin_int`, whose `data` is null or the InnoDB API table in the
/// canonical layout, valid until [`deinit`] returns.
pub unsafe extern "C" fn init(plugin: *mut c_void) -> c_int {
    guard(1, || {
        // SAFETY: the caller's promise.
        let (callbacks, result) = unsafe { (service(), start(plugin.cast())) };
        match result {
            Ok(()) => 0,
            Err(message) => {
                callbacks.log(crate::host::callbacks::Severity::Error, &message);
                callbacks.init_error(&message);
                1
            }
        }
    })
}

/// # Safety
/// As for [`init`].
unsafe fn start(plugin: *mut dm_plugin_int) -> Result<(), String> {
    // SAFETY: null or a valid `st_plugin_int`.
    let table = unsafe { plugin.as_ref() }.map_or(ptr::null_mut(), |p| p.data);
    if table.is_null() {
        return Err("this server hands over no InnoDB API table; daemon_memcached does not support it".into());
    }
    // SAFETY: the server filled the variables before init.
    let settings = unsafe { variables::Settings::read() };
    // SAFETY: as above.
    let callbacks = unsafe { service() };
    let mut slot = DAEMON.lock();
    variables::reset_status();
    let daemon =
        Daemon::start(callbacks, &settings.option, settings.server, Some(Box::new(variables::observe)), || {
            // SAFETY: a table that arrives through `data` has the canonical layout and length.
            unsafe { Host::new(callbacks, table.cast(), IB_CB_ENTRIES as usize) }
        })
        .map_err(|refusal| refusal.message().to_owned())?;
    settings.warn();
    if let Some(server) = &daemon.server {
        variables::publish_listening(server.addresses());
    }
    *slot = Some(daemon);
    Ok(())
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
        let daemon = DAEMON.lock().take();
        drop(daemon);
        variables::reset_status();
        0
    })
}
