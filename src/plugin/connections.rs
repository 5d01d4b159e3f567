//! What a host that lists its clients asks of the daemon's: the functions that `mysql_plugin_abi.h` names for it.
//!
//! Called on the host's threads, between init and deinit.

use super::daemon::DAEMON;
use crate::bindings::{dm_connection, dm_connection_fn};
use crate::boundary::guard;
use crate::server::Server;
use std::ffi::{CString, c_int, c_void};
use std::ptr;

/// Calls `tell` with each connection.
///
/// # Safety
/// `tell` is null or may be called with `arg`; it calls no function of this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn daemon_memcached_connections(tell: dm_connection_fn, arg: *mut c_void) {
    guard((), || {
        let Some(tell) = tell else { return };
        with_server((), |server| {
            server.connections(&mut |connection| {
                let user = connection.user.as_deref().map(c_text);
                let database = connection.database.as_deref().map(c_text);
                let (address, state) = (c_text(&connection.address), c_text(connection.state));
                let pointer = |text: &Option<CString>| text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
                let told = dm_connection {
                    id: connection.id,
                    user: pointer(&user),
                    address: address.as_ptr(),
                    database: pointer(&database),
                    silent: connection.silent,
                    state: state.as_ptr(),
                };
                // SAFETY: the caller's function and argument; the strings outlive the call.
                unsafe { tell(arg, &told) };
            });
        });
    });
}

/// Ends a connection; 0 if there is none of that number.
#[unsafe(no_mangle)]
pub extern "C" fn daemon_memcached_kill(id: u64) -> c_int {
    guard(0, || with_server(0, |server| c_int::from(server.kill(id))))
}

fn with_server<T>(without: T, body: impl FnOnce(&Server) -> T) -> T {
    let daemon = DAEMON.lock();
    match daemon.as_ref().and_then(|daemon| daemon.server.as_ref()) {
        Some(server) => body(server),
        None => without,
    }
}

fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', " ")).unwrap_or_default()
}
