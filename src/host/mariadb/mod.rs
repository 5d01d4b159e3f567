//! MariaDB servers, 10.7 and later.
//!
//! MariaDB has no InnoDB API. Its SQL service and the functions that its background threads use are exported, and so is the layer
//! between SQL and the storage engines:
//!
//! - [`service`], [`session`], [`text`]: SQL as text in a session per thread;
//! - [`handler`], [`layout`], [`reads`]: rows by key below SQL, where the server's inside is known, and whether it is;
//! - [`galera`]: sessions whose changes reach the other nodes of a cluster, likewise;
//! - [`functions`]: tables of the server's functions;
//! - [`thread`]: the server's state of those threads;
//! - [`version`]: which server this is.

mod functions;
pub mod galera;
mod handler;
mod layout;
mod reads;
mod service;
pub mod session;
mod text;
mod thread;
pub mod version;

use super::HostError;
use super::callbacks::{Callbacks, Severity};
use super::mysql::symbols;
use super::version::Version;
use crate::boundary::{catch, guard};
pub use reads::describe as describe_reads;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::mem::transmute;
use std::ptr;
use version::{has_sql, is_tested};

/// Whether the daemon can run on this server.
///
/// # Errors
/// It cannot; the sentence says why.
pub fn check(server: Version) -> Result<(), HostError> {
    if !has_sql(server) {
        return Err(HostError::Unsupported { server: format!("MariaDB {server}"), hint: "; use 10.11 or later" });
    }
    if service::sql_service.get().is_none() {
        return Err(HostError::NoSql(format!("MariaDB {server}")));
    }
    reads::forget();
    galera::forget();
    if !is_tested(server) {
        log::warn!("DM1102: daemon_memcached was not tested on MariaDB {}.{}", server.major, server.minor);
    }
    Ok(())
}

/// Whether the server has started, and has its data where those come from other nodes of a cluster.
pub fn takes_sessions() -> bool {
    thread::server_has_started() && (!galera::is_on() || galera::is_ready())
}

/// The server's functions for log, messages, threads and shutdown.
pub fn callbacks() -> Callbacks {
    Callbacks::new(log, init_error, is_shutting_down, attach, detach)
}

/// The plugin's name in front, as each line of the error log has its own.
const LINE: &CStr = c"daemon_memcached: %s";

/// A panic in here is not logged: the log is this function.
unsafe extern "C" fn log(_: *mut c_void, level: c_int, line: *const c_char) {
    // SAFETY: the caller gives a NUL-terminated line.
    let _ = catch(|| unsafe { write_line(level, line) });
}

/// # Safety
/// `line` is NUL-terminated.
unsafe fn write_line(level: c_int, line: *const c_char) {
    let name = match level {
        _ if level == Severity::Error as c_int => c"_Z15sql_print_errorPKcz",
        _ if level == Severity::Warning as c_int => c"_Z17sql_print_warningPKcz",
        _ => c"_Z21sql_print_informationPKcz",
    };
    let address = symbols::find(name);
    if !address.is_null() {
        // SAFETY: the server's function of this signature; a constant format, a NUL-terminated line.
        unsafe {
            transmute::<*mut c_void, unsafe extern "C" fn(*const c_char, ...)>(address)(LINE.as_ptr(), line);
        }
    }
}

/// `ER_UNKNOWN_ERROR`, which takes the reason as its text.
const PLUGIN_ERROR: c_uint = 1105;

unsafe extern "C" fn init_error(_: *mut c_void, line: *const c_char) {
    // SAFETY: the caller gives a NUL-terminated line.
    guard((), || unsafe { print_error(line) });
}

/// # Safety
/// `line` is NUL-terminated.
unsafe fn print_error(line: *const c_char) {
    let address = symbols::find(c"my_printf_error");
    if !address.is_null() {
        type Print = unsafe extern "C" fn(c_uint, *const c_char, usize, ...);
        // SAFETY: the server's function of this signature; a constant format, a NUL-terminated line.
        unsafe { transmute::<*mut c_void, Print>(address)(PLUGIN_ERROR, LINE.as_ptr(), 0, line) };
    }
}

unsafe extern "C" fn is_shutting_down(_: *mut c_void) -> c_int {
    guard(0, || c_int::from(thread::server_is_shutting_down()))
}

unsafe extern "C" fn attach(_: *mut c_void, state: *mut *mut c_void) -> c_int {
    guard(1, || {
        // SAFETY: the caller gives a writable pointer.
        unsafe { *state = ptr::null_mut() };
        c_int::from(thread::init().is_err())
    })
}

unsafe extern "C" fn detach(_: *mut c_void, _: *mut c_void) {
    guard((), thread::end);
}
