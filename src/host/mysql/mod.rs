//! MySQL servers, 5.7 and later: which generation this process is, and how its rows are reached.
//!
//! - [`version`]: the generations, and the series that were tested;
//! - [`native`] and [`canonical`]: InnoDB's functions of 8.0 and later behind the canonical table;
//! - [`group`]: the replication group that the server may be in;
//! - [`services`], [`session`], [`command`]: the server's services, our threads' sessions, SQL in them.
//!
//! | series | table | reads | writes |
//! |---|---|---|---|
//! | 5.7 | handed over, canonical | table | table, on threads without a session |
//! | 8.0.23 and later | made from the server's symbols | table | SQL, in the session of the same thread |

mod canonical;
pub mod command;
pub mod group;
mod native;
pub(super) mod services;
pub mod session;
mod settings;
pub(super) mod symbols;
pub mod version;

use super::HostError;
use super::callbacks::{Callbacks, Severity};
use super::version::{Maker, Version};
use crate::bindings::{IB_CB_ENTRIES, ib_cb_t, ib_cfg};
use crate::boundary::{catch, guard};
use services::my_plugin_log_service;
pub use settings::SessionSettings;
use std::ffi::{c_char, c_int, c_uint, c_void};
use std::mem::transmute;
use std::ptr;
use version::{Generation, generation, is_tested};

/// A table, and how the threads that use it reach the server.
pub struct Offer {
    /// The canonical table.
    pub table: *const ib_cb_t,
    /// Its number of entries.
    pub entries: usize,
    /// For the sessions in which workers write; `None`: the table writes, on threads without a session.
    pub sessions: Option<SessionSettings>,
}

/// Takes what a server offers.
///
/// # Errors
/// The server is not one that the daemon knows how to use; the sentence says why.
///
/// # Safety
/// `data` is what the server put into `st_plugin_int.data`: null, or its table, valid until deinit.
pub unsafe fn offer(server: Version, data: *mut c_void, settings: SessionSettings) -> Result<Offer, HostError> {
    let unsupported = |hint| Err(HostError::Unsupported { server: format!("MySQL {server}"), hint });
    let Some(generation) = generation(server) else { return unsupported("; use 8.0, 8.4 or 9.7") };
    match generation {
        Generation::V56 => {
            return unsupported(
                ", whose InnoDB API is laid out in another way than that of later series; use 8.0, 8.4 or 9.7",
            );
        }
        Generation::Early80 => return unsupported("; of 8.0 it takes 8.0.23 and later"),
        Generation::V57 | Generation::V80 => {}
    }
    if !is_tested(server) && !settings.allow_untested {
        return Err(HostError::Untested(format!("MySQL {}.{}", server.major, server.minor)));
    }
    let entries = IB_CB_ENTRIES as usize;
    if generation == Generation::V80 {
        native::from_symbols()?;
        canonical::check_codes()?;
        if !settings.binlog && group::is_running() {
            return Err(HostError::Setting(group::UNLOGGED));
        }
        return Ok(Offer { table: &canonical::TABLE, entries, sessions: Some(settings) });
    }
    let table: *const ib_cb_t = data.cast();
    if table.is_null() {
        return Err(HostError::NoTable(format!("MySQL {server}")));
    }
    // SAFETY: a server of this series hands over such a table.
    unsafe { check_57(&*table, settings) }?;
    Ok(Offer { table, entries, sessions: None })
}

/// What 5.7's table cannot do on threads without a session is refused, not ignored.
///
/// # Safety
/// `table` is the one that a server of 5.7 handed over.
unsafe fn check_57(table: &ib_cb_t, settings: SessionSettings) -> Result<(), HostError> {
    // SAFETY: takes no argument.
    let bits = table.get_cfg.map_or(0, |get_cfg| unsafe { get_cfg() }).cast_unsigned();
    if bits & ib_cfg::IB_CFG_MDL_ENABLED != 0 {
        return Err(HostError::Setting(
            "on MySQL 5.7 daemon_memcached takes no metadata locks; start the server with innodb_api_enable_mdl=OFF, and alter \
             mapped tables only while the plugin is uninstalled",
        ));
    }
    let log_bin = symbols::find(c"opt_bin_log").cast::<u8>();
    // SAFETY: the server's variable, a boolean of one byte.
    if settings.binlog && !log_bin.is_null() && unsafe { log_bin.read_volatile() } != 0 {
        return Err(HostError::Setting(
            "on MySQL 5.7 daemon_memcached writes nothing to the binary log; turn loose_daemon_memcached_enable_binlog off, or \
             the server's log_bin",
        ));
    }
    Ok(())
}

/// After the last use of the server's services: gives them back to a server that would not load the library again otherwise.
pub fn leave() {
    if let Some((Maker::MySql, server)) = Version::of_server()
        && matches!(generation(server), Some(Generation::V56 | Generation::V57))
    {
        services::give_back();
    }
}

/// The server's functions for log, messages, threads and shutdown.
pub fn callbacks() -> Callbacks {
    Callbacks::new(log, init_error, is_shutting_down, attach, detach)
}

/// A panic in here is not logged: the log is this function.
unsafe extern "C" fn log(_: *mut c_void, level: c_int, line: *const c_char) {
    // SAFETY: the caller gives a NUL-terminated line.
    let _ = catch(|| unsafe { write_line(level, line) });
}

/// # Safety
/// `line` is NUL-terminated.
unsafe fn write_line(level: c_int, line: *const c_char) {
    let Some(service) = my_plugin_log_service.get() else { return };
    // The service counts from 0 for errors.
    let level = (level - Severity::Error as c_int).clamp(0, 2);
    let mut plugin = session::plugin();
    // SAFETY: the plugin's handle, a constant format, a NUL-terminated line.
    unsafe { (service.message)(&mut plugin, level, c"%s".as_ptr(), line) };
}

/// `ER_PLUGIN_INSTALL_ERROR`, which takes the reason as its text.
const PLUGIN_ERROR: c_uint = 3130;

unsafe extern "C" fn init_error(_: *mut c_void, line: *const c_char) {
    // SAFETY: the caller gives a NUL-terminated line.
    guard((), || unsafe { print_error(line) });
}

/// # Safety
/// `line` is NUL-terminated.
unsafe fn print_error(line: *const c_char) {
    // C++ from 8.0 on, C before.
    let mut address = symbols::find(c"_Z15my_printf_errorjPKciz");
    if address.is_null() {
        address = symbols::find(c"my_printf_error");
    }
    if address.is_null() {
        return;
    }
    // SAFETY: the server's function of this signature; a constant format, a NUL-terminated line.
    unsafe {
        let print = transmute::<*mut c_void, unsafe extern "C" fn(c_uint, *const c_char, c_int, ...)>(address);
        print(PLUGIN_ERROR, c"daemon_memcached: %s".as_ptr(), 0, line);
    }
}

unsafe extern "C" fn is_shutting_down(_: *mut c_void) -> c_int {
    guard(0, || c_int::from(!session::server_is_available()))
}

unsafe extern "C" fn attach(_: *mut c_void, state: *mut *mut c_void) -> c_int {
    guard(1, || {
        // SAFETY: the caller gives a writable pointer.
        unsafe { *state = ptr::null_mut() };
        c_int::from(session::init_thread().is_err())
    })
}

unsafe extern "C" fn detach(_: *mut c_void, _: *mut c_void) {
    guard((), session::deinit_thread);
}
