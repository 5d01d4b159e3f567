//! `include/sqlserver.h`: the SQL end for the host program.

use std::ffi::{c_char, c_int, c_uint};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::error::{CertificateError, StartError};
use super::{Config, Server};
use crate::bindings::{refengine_result, refengine_result_t, refengine_t, sqlserver, sqlserver_config_t, sqlserver_t};
use crate::boundary::{Handle, from_handle, guard, into_handle, shared, text, write_text};
use crate::refengine::ffi::parts;

impl Handle for sqlserver {
    type Object = Server;
}

/// Starts to listen, see `sqlserver.h`.
///
/// # Safety
/// `engine` is NULL or an open engine that outlives the server; `config` is NULL or readable with its strings; `out` is NULL or
/// writable; `err` is NULL or `errlen` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sqlserver_start(
    engine: *mut refengine_t,
    config: *const sqlserver_config_t,
    out: *mut *mut sqlserver_t,
    err: *mut c_char,
    errlen: usize,
) -> refengine_result_t {
    // SAFETY: the caller's promise.
    let started = guard(Err(StartError::Defect), || unsafe {
        if out.is_null() { Err(StartError::NoPlace) } else { start(engine, config) }
    });
    match started {
        Ok(server) => {
            // SAFETY: not NULL, and the caller promised it is writable.
            unsafe { out.write(into_handle(Box::new(server))) };
            refengine_result::REFENGINE_OK
        }
        Err(error) => {
            // SAFETY: the caller's promise about `err`.
            unsafe { write_text(err, errlen, &error.to_string()) };
            refengine_result::REFENGINE_ERROR
        }
    }
}

/// # Safety
/// As [`sqlserver_start`].
unsafe fn start(engine: *mut refengine_t, config: *const sqlserver_config_t) -> Result<Server, StartError> {
    // SAFETY: the caller's promise.
    let (Some(parts), Some(config)) = (unsafe { (parts(engine), config.as_ref()) }) else {
        return Err(StartError::NoConfiguration);
    };
    // SAFETY: the caller's promise about the strings.
    let (address, socket) = unsafe { (text(config.address), text(config.socket)) };
    let address = match address {
        None => None,
        Some(address) => {
            let ip = address.parse().map_err(|_| StartError::Address(address.into_owned()))?;
            let port = u16::try_from(config.port).map_err(|_| StartError::Port(config.port))?;
            Some(SocketAddr::new(ip, port))
        }
    };
    // SAFETY: the caller's promise about the strings.
    let tls = match unsafe { (text(config.ssl_cert), text(config.ssl_key)) } {
        (None, None) => None,
        (Some(chain), Some(key)) => Some((PathBuf::from(&*chain), PathBuf::from(&*key))),
        _ => return Err(StartError::HalfOfTls),
    };
    let config = Config {
        address,
        socket: socket.map(|path| PathBuf::from(&*path)),
        max_connections: config.max_connections as usize,
        tls,
    };
    Server::start(parts, &config)
}

/// The TCP port, 0 without one.
///
/// # Safety
/// `server` is NULL or a running server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sqlserver_port(server: *const sqlserver_t) -> c_uint {
    guard(0, || {
        // SAFETY: the caller's promise.
        let server = unsafe { shared(server) };
        server.and_then(Server::port).map_or(0, c_uint::from)
    })
}

/// Reads the certificates again, see `sqlserver.h`.
///
/// # Safety
/// `server` is NULL or a running server; `err` is NULL or `errlen` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sqlserver_reload(
    server: *const sqlserver_t,
    err: *mut c_char,
    errlen: usize,
) -> refengine_result_t {
    let reloaded = guard(Err(CertificateError::Defect), || {
        // SAFETY: the caller's promise.
        let server = unsafe { shared(server) };
        server.map_or(Ok(()), Server::reload)
    });
    match reloaded {
        Ok(()) => refengine_result::REFENGINE_OK,
        Err(error) => {
            // SAFETY: the caller's promise about `err`.
            unsafe { write_text(err, errlen, &error.to_string()) };
            refengine_result::REFENGINE_ERROR
        }
    }
}

/// Ends all connections, see `sqlserver.h`.
///
/// # Safety
/// `server` is NULL or came from [`sqlserver_start`] and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sqlserver_stop(server: *mut sqlserver_t, seconds: c_uint) -> c_int {
    guard(0, || {
        // SAFETY: the caller's promise.
        let Some(server) = (unsafe { from_handle(server) }) else { return 1 };
        c_int::from(server.stop(Duration::from_secs(u64::from(seconds))))
    })
}
