//! `include/refengine.h`: the engine and its SQL for C programs.
//!
//! Called by the host program and by C embedders on their own threads. Handles are boxes whose address is the C
//! pointer. Every function runs behind the panic guard and checks its pointers for NULL.

mod host;
mod report;

use std::ffi::{CString, c_char, c_int, c_uint, c_void};
use std::fmt;
use std::path::Path;
use std::ptr;
use std::sync::Arc;

use super::sql::{Host, Identity, Processes, Result, Session, SqlError};
use super::{Engine, Error};
use crate::bindings::{
    DM_SYNC_BUCKETS, REFENGINE_SYNC_BUCKETS, ib_cb_t, refengine, refengine_report_fn, refengine_result,
    refengine_result_t, refengine_session, refengine_session_t, refengine_t,
};
use crate::boundary::{Handle, c_string, from_handle, guard, into_handle, object, shared, text, write_text};
use crate::refengine::codes;
use crate::refengine::storage::sync_times::BUCKETS;
use host::HostSlot;
use report::CallbackSink;

pub use host::{
    refengine_reply_columns, refengine_reply_error, refengine_reply_row, refengine_set_host, refengine_statement_fail,
    refengine_statement_killed,
};

/// What `refengine_t` is.
pub(crate) struct EngineHandle {
    engine: Engine,
    host: Arc<HostSlot>,
    processes: Arc<Processes>,
}

/// What `refengine_session_t` is.
pub(crate) struct SessionHandle {
    session: Session,
    host: Arc<HostSlot>,
    last: LastError,
}

impl Handle for refengine {
    type Object = EngineHandle;
}

impl Handle for refengine_session {
    type Object = SessionHandle;
}

#[derive(Default)]
struct LastError {
    errno: u32,
    sqlstate: CString,
    message: CString,
    line: u32,
}

impl LastError {
    fn of(error: &SqlError) -> LastError {
        LastError {
            errno: error.errno,
            sqlstate: c_string(&error.sqlstate),
            message: c_string(&error.message),
            line: error.line,
        }
    }
}

/// Why an engine is not opened for C.
#[derive(Debug)]
enum OpenError {
    /// No directory or no place for the engine was given.
    Missing,
    /// This line of the options is none.
    Option(String),
    /// The engine itself refuses.
    Engine(Error),
    /// A defect was met.
    Defect,
}

impl OpenError {
    fn code(&self) -> refengine_result_t {
        match self {
            OpenError::Missing | OpenError::Option(_) => refengine_result::REFENGINE_INVALID_ARGUMENT,
            OpenError::Engine(Error::Locked(_)) => refengine_result::REFENGINE_LOCKED,
            OpenError::Engine(_) => refengine_result::REFENGINE_ERROR,
            OpenError::Defect => refengine_result::REFENGINE_PANIC,
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Missing => f.write_str("A data directory and a place for the engine are needed"),
            OpenError::Option(line) => write!(f, "The engine option '{line}' is not of the form name=value"),
            OpenError::Engine(error) => error.fmt(f),
            OpenError::Defect => f.write_str(PANIC),
        }
    }
}

impl std::error::Error for OpenError {}

fn parse_options(options: &str) -> std::result::Result<Vec<(String, String)>, OpenError> {
    let lines = options.lines().map(str::trim).filter(|line| !line.is_empty());
    let pair = |line: &str| match line.split_once('=') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => Err(OpenError::Option(line.into())),
    };
    lines.map(pair).collect()
}

/// Opens or creates the engine, see `refengine.h`.
///
/// # Safety
/// `datadir` and `options` are NULL or NUL-terminated; `out` is NULL or writable; `err` is NULL or `errlen` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refengine_open(
    datadir: *const c_char,
    options: *const c_char,
    out: *mut *mut refengine_t,
    err: *mut c_char,
    errlen: usize,
) -> refengine_result_t {
    let opened = guard(Err(OpenError::Defect), || {
        // SAFETY: the caller's promise about `datadir` and `options`.
        let (datadir, options) = unsafe { (text(datadir), text(options)) };
        open(datadir.as_deref().filter(|_| !out.is_null()), options.as_deref())
    });
    match opened {
        Ok(handle) => {
            // SAFETY: not NULL, or `open` had been given no directory; the caller promised it is writable.
            unsafe { out.write(into_handle(handle)) };
            refengine_result::REFENGINE_OK
        }
        Err(error) => {
            // SAFETY: the caller's promise about `err`.
            unsafe { write_text(err, errlen, &error.to_string()) };
            error.code()
        }
    }
}

const PANIC: &str = "A defect of the engine was caught; the log has more";

fn open(datadir: Option<&str>, options: Option<&str>) -> std::result::Result<Box<EngineHandle>, OpenError> {
    let datadir = datadir.ok_or(OpenError::Missing)?;
    let options = parse_options(options.unwrap_or(""))?;
    let engine = Engine::open(Path::new(datadir), &options).map_err(OpenError::Engine)?;
    Ok(Box::new(EngineHandle { engine, host: Arc::default(), processes: Arc::default() }))
}

/// Closes the engine, see `refengine.h`.
///
/// # Safety
/// `engine` is NULL or came from [`refengine_open`] and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refengine_close(engine: *mut refengine_t) {
    guard((), || {
        // SAFETY: the caller's promise.
        let Some(handle) = (unsafe { from_handle(engine) }) else { return };
        if let Err(error) = handle.engine.close() {
            log::error!("DM2005: refengine_close: {error}");
        }
    });
}

/// What a session is made of, for those who make sessions of their own.
pub(crate) struct Parts {
    pub(crate) engine: Engine,
    pub(crate) host: Arc<dyn Host + Send + Sync>,
    pub(crate) processes: Arc<Processes>,
}

/// # Safety
/// `engine` is NULL or an open engine.
pub(crate) unsafe fn parts(engine: *const refengine_t) -> Option<Parts> {
    // SAFETY: the caller's promise.
    let handle = unsafe { shared(engine) }?;
    Some(Parts { engine: handle.engine.clone(), host: handle.host.clone(), processes: handle.processes.clone() })
}

/// The callback table, NULL for no engine.
///
/// # Safety
/// `engine` is NULL or an open engine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refengine_api(engine: *mut refengine_t) -> *const ib_cb_t {
    guard(ptr::null(), || {
        // SAFETY: the caller's promise.
        match unsafe { shared(engine) } {
            Some(handle) => {
                handle.engine.serve_callback_table();
                ptr::from_ref(super::api()).cast()
            }
            None => ptr::null(),
        }
    })
}

/// Whether this open created the data directory.
///
/// # Safety
/// `engine` is NULL or an open engine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refengine_is_new(engine: *const refengine_t) -> c_int {
    // SAFETY: the caller's promise.
    guard(0, || unsafe { shared(engine) }.map_or(0, |handle| c_int::from(handle.engine.is_new())))
}

/// How long the syncs of the log took.
///
/// # Safety
/// `engine` is NULL or an open engine; `counts` has `REFENGINE_SYNC_BUCKETS` writable entries, `nanoseconds` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refengine_sync_times(engine: *const refengine_t, counts: *mut u64, nanoseconds: *mut u64) {
    guard((), || {
        // SAFETY: the caller's promise.
        let Some(handle) = (unsafe { shared(engine) }) else { return };
        let (told, all) = handle.engine.sync_times().told();
        const { assert!(BUCKETS == REFENGINE_SYNC_BUCKETS as usize && BUCKETS == DM_SYNC_BUCKETS as usize) };
        // SAFETY: the caller's promise about both.
        unsafe {
            counts.cast::<[u64; BUCKETS]>().write(told);
            nanoseconds.write(all);
        }
    });
}

/// From here to the next call on this thread, the waits of its transactions for locks end together: when the first of them would
/// have to by itself.
#[unsafe(no_mangle)]
pub extern "C" fn refengine_lock_wait_restart() {
    guard((), super::lock_wait::restart);
}

/// Opens a session.
///
/// # Safety
/// `engine` is NULL or an open engine that outlives the session; `out` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refengine_session_open(
    engine: *mut refengine_t,
    out: *mut *mut refengine_session_t,
) -> refengine_result_t {
    guard(refengine_result::REFENGINE_PANIC, || {
        // SAFETY: the caller's promise.
        let Some(handle) = (unsafe { shared(engine) }) else {
            return refengine_result::REFENGINE_INVALID_ARGUMENT;
        };
        if out.is_null() {
            return refengine_result::REFENGINE_INVALID_ARGUMENT;
        }
        let session = Box::new(SessionHandle {
            session: Session::listed(handle.engine.clone(), Identity::internal(), handle.processes.clone(), None),
            host: handle.host.clone(),
            last: LastError::default(),
        });
        // SAFETY: not NULL, and the caller promised it is writable.
        unsafe { out.write(into_handle(session)) };
        refengine_result::REFENGINE_OK
    })
}

/// Rolls back and frees a session.
///
/// # Safety
/// `session` is NULL or came from [`refengine_session_open`] and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refengine_session_close(session: *mut refengine_session_t) {
    guard((), || {
        // SAFETY: the caller's promise.
        drop(unsafe { from_handle(session) });
    });
}

/// Runs statements, see `refengine.h`.
///
/// # Safety
/// `session` is NULL or an open session that no other thread uses; `sql` is NULL or `len` readable bytes; `report` may be
/// called with `arg`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refengine_execute(
    session: *mut refengine_session_t,
    sql: *const c_char,
    len: usize,
    report: refengine_report_fn,
    arg: *mut c_void,
) -> refengine_result_t {
    // SAFETY: the caller's promise: nobody else has this session now.
    let Some(handle) = (unsafe { object(session) }) else {
        return refengine_result::REFENGINE_INVALID_ARGUMENT;
    };
    let result = guard(Err((refengine_result::REFENGINE_PANIC, panic_error())), || {
        let bytes = match (sql.is_null(), len) {
            (_, 0) => Ok(&[][..]),
            (true, _) => {
                let error = SqlError::new(codes::ER_UNKNOWN_ERROR, "The statement is a NULL pointer");
                Err((refengine_result::REFENGINE_INVALID_ARGUMENT, error))
            }
            // SAFETY: the caller promised `len` readable bytes.
            (false, _) => Ok(unsafe { std::slice::from_raw_parts(sql.cast::<u8>(), len) }),
        };
        let failed = |error| (refengine_result::REFENGINE_ERROR, error);
        bytes.and_then(|bytes| execute(handle, bytes, report, arg).map_err(failed))
    });
    match result {
        Ok(()) => {
            handle.last = LastError::default();
            refengine_result::REFENGINE_OK
        }
        Err((code, error)) => {
            handle.last = LastError::of(&error);
            code
        }
    }
}

fn panic_error() -> SqlError {
    SqlError::new(codes::ER_UNKNOWN_ERROR, PANIC)
}

fn execute(handle: &mut SessionHandle, sql: &[u8], report: refengine_report_fn, arg: *mut c_void) -> Result<()> {
    let text = std::str::from_utf8(sql).map_err(|error| {
        let before = sql.get(..error.valid_up_to()).unwrap_or_default();
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        let mut failure = SqlError::not_utf8();
        failure.line = u32::try_from(line).unwrap_or(u32::MAX);
        failure
    })?;
    let mut sink = CallbackSink::new(report, arg);
    let host = handle.host.clone();
    handle.session.execute(text, host.as_ref(), &mut sink)
}

/// # Safety
/// `session` is NULL or an open session.
unsafe fn last_of<'a>(session: *const refengine_session_t) -> Option<&'a LastError> {
    // SAFETY: the caller's promise.
    unsafe { shared(session) }.map(|handle| &handle.last)
}

/// MySQL's number of the last failure, 0 after a success.
///
/// # Safety
/// `session` is NULL or an open session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refengine_last_errno(session: *const refengine_session_t) -> c_uint {
    // SAFETY: the caller's promise.
    guard(0, || unsafe { last_of(session) }.map_or(0, |last| last.errno))
}

/// The SQLSTATE of the last failure, empty after a success.
///
/// # Safety
/// `session` is NULL or an open session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refengine_last_sqlstate(session: *const refengine_session_t) -> *const c_char {
    guard(c"".as_ptr(), || {
        // SAFETY: the caller's promise.
        unsafe { last_of(session) }.map_or(c"".as_ptr(), |last| last.sqlstate.as_ptr())
    })
}

/// The message of the last failure, empty after a success.
///
/// # Safety
/// `session` is NULL or an open session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refengine_last_error(session: *const refengine_session_t) -> *const c_char {
    guard(c"".as_ptr(), || {
        // SAFETY: the caller's promise.
        unsafe { last_of(session) }.map_or(c"".as_ptr(), |last| last.message.as_ptr())
    })
}

/// The line of the last failure, 0 after a success.
///
/// # Safety
/// `session` is NULL or an open session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refengine_last_line(session: *const refengine_session_t) -> c_uint {
    // SAFETY: the caller's promise.
    guard(0, || unsafe { last_of(session) }.map_or(0, |last| last.line))
}
