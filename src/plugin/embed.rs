//! The functions of `daemon_memcached.h`, for a C program that brings its own table.

use super::daemon::{Daemon, Refusal};
use crate::auth;
use crate::bindings::{DM_ABI_VERSION, dm_config, dm_handle, dm_result};
use crate::boundary::{Handle, from_handle, guard, into_handle, shared, text, write_text};
use crate::host::{Callbacks, Host};
use crate::server::options::{Batch, Settings};
use crate::server::{Address, StartError};
use std::ffi::{CStr, CString, c_char, c_void};

impl Handle for dm_handle {
    type Object = Daemon;
}

/// Starts a daemon.
///
/// # Safety
/// `config` is null or points to at least `struct_size` bytes of a `dm_config` whose strings are null or
/// NUL-terminated and whose table and functions stay valid until [`dm_stop`] returns; `out` is null or writable; `err` is null or
/// writable for `errlen` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dm_start(
    config: *const dm_config,
    out: *mut *mut dm_handle,
    err: *mut c_char,
    errlen: usize,
) -> dm_result::Type {
    guard(dm_result::DM_PANIC, || {
        // SAFETY: the caller's promise.
        match unsafe { start(config, out.is_null()) } {
            Ok(daemon) => {
                // SAFETY: `start` has refused a null `out`.
                unsafe { *out = into_handle(Box::new(daemon)) };
                dm_result::DM_OK
            }
            Err((code, message)) => {
                // SAFETY: the caller's promise.
                unsafe { write_text(err, errlen, &message) };
                code
            }
        }
    })
}

/// # Safety
/// As for [`dm_start`].
unsafe fn start(config: *const dm_config, no_out: bool) -> Result<Daemon, (dm_result::Type, String)> {
    let invalid = |text: &str| Err((dm_result::DM_INVALID_ARGUMENT, text.to_owned()));
    if config.is_null() || no_out {
        return invalid("config and out must not be NULL");
    }
    // SAFETY: not null; the size stands first in every version of the struct.
    if unsafe { (*config).struct_size } != size_of::<dm_config>() {
        return invalid("config.struct_size is not sizeof(dm_config)");
    }
    // SAFETY: the size was checked.
    let config = unsafe { &*config };
    if config.abi_version != DM_ABI_VERSION {
        return invalid("config.abi_version is not DM_ABI_VERSION");
    }
    if config.r_batch_size > 1 << 30 || config.w_batch_size > 1 << 20 {
        return invalid("r_batch_size is at most 2^30 and w_batch_size at most 1048576");
    }
    let batch = Batch { reads: config.r_batch_size.max(1), writes: config.w_batch_size.max(1) };
    // SAFETY: NULL or a NUL-terminated string.
    let option = unsafe { text(config.option) }.unwrap_or_default();
    let callbacks = Callbacks::of_config(config);
    let (table, entries) = (config.innodb_api, config.innodb_api_entries);
    // SAFETY: the caller's promise about the table.
    Daemon::start(callbacks, &option, Settings { batch, ..Settings::default() }, None, || unsafe {
        Host::new(callbacks, table, entries)
    })
    .map_err(|refusal| {
        let code = match &refusal {
            Refusal::AlreadyRunning => dm_result::DM_ALREADY_RUNNING,
            Refusal::Option(_) => dm_result::DM_BAD_OPTION,
            Refusal::Host(_) => dm_result::DM_INVALID_ARGUMENT,
            Refusal::Start(StartError::Configuration(_) | StartError::Users(_) | StartError::Tls(_)) => {
                dm_result::DM_BAD_CONFIGURATION
            }
            Refusal::Start(StartError::Listen(_)) => dm_result::DM_CANNOT_LISTEN,
            Refusal::Start(_) | Refusal::Thread(_) | Refusal::Defect => dm_result::DM_SYSTEM,
        };
        (code, refusal.to_string())
    })
}

/// Makes a line for a users file.
///
/// # Safety
/// `name`, `password` and `rights` are null or NUL-terminated; `line` is null or writable for `linelen` bytes, `err` for `errlen`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dm_users_line(
    name: *const c_char,
    password: *const c_char,
    rights: *const c_char,
    line: *mut c_char,
    linelen: usize,
    err: *mut c_char,
    errlen: usize,
) -> dm_result::Type {
    guard(dm_result::DM_PANIC, || {
        let made = if name.is_null() || password.is_null() || rights.is_null() || line.is_null() {
            Err("name, password, rights and line must not be NULL".to_owned())
        } else {
            // SAFETY: the caller's promise.
            let (name, password, rights) =
                unsafe { (CStr::from_ptr(name), CStr::from_ptr(password), CStr::from_ptr(rights)) };
            match (name.to_str(), rights.to_str()) {
                (Ok(name), Ok(rights)) => auth::line(name, password.to_bytes(), rights).map_err(|e| e.to_string()),
                _ => Err("name and rights must be UTF-8".into()),
            }
        };
        match made {
            Ok(text) if text.len() < linelen => {
                // SAFETY: the caller's promise.
                unsafe { write_text(line, linelen, &text) };
                dm_result::DM_OK
            }
            Ok(text) => {
                // SAFETY: the caller's promise.
                unsafe { write_text(err, errlen, &format!("the line needs {} bytes", text.len() + 1)) };
                dm_result::DM_INVALID_ARGUMENT
            }
            Err(message) => {
                // SAFETY: the caller's promise.
                unsafe { write_text(err, errlen, &message) };
                dm_result::DM_INVALID_ARGUMENT
            }
        }
    })
}

/// Stops a daemon and frees its handle. Null is allowed.
///
/// # Safety
/// `handle` is null or came from [`dm_start`] and was not stopped before; no other function uses it meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dm_stop(handle: *mut dm_handle) -> dm_result::Type {
    guard(dm_result::DM_PANIC, || {
        // SAFETY: the caller's promise.
        drop(unsafe { from_handle(handle) });
        dm_result::DM_OK
    })
}

/// Calls `tell` with each general statistic.
///
/// # Safety
/// `handle` is null or a running daemon's; `tell` may be called with `arg`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dm_status(
    handle: *mut dm_handle,
    tell: Option<unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char)>,
    arg: *mut c_void,
) -> dm_result::Type {
    guard(dm_result::DM_PANIC, || {
        // SAFETY: the caller's promise.
        let (Some(handle), Some(tell)) = (unsafe { shared(handle) }, tell) else {
            return dm_result::DM_INVALID_ARGUMENT;
        };
        if let Some(server) = &handle.server {
            server.status(&mut |name, value| {
                if let (Ok(name), Ok(value)) = (CString::new(name), CString::new(value)) {
                    // SAFETY: the caller's function, its argument, NUL-terminated strings.
                    unsafe { tell(arg, name.as_ptr(), value.as_ptr()) };
                }
            });
        }
        dm_result::DM_OK
    })
}

/// The TCP port of the n-th listener, 0 past the last or for a UNIX socket.
///
/// # Safety
/// `handle` is null or a running daemon's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dm_port(handle: *const dm_handle, n: usize) -> u16 {
    guard(0, || {
        // SAFETY: the caller's promise.
        let server = unsafe { shared(handle) }.and_then(|daemon| daemon.server.as_ref());
        match server.and_then(|server| server.addresses().get(n)) {
            Some(Address::Tcp(address)) => address.port(),
            _ => 0,
        }
    })
}
