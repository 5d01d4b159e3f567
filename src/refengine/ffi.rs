//! `include/refengine.h`: the engine and its SQL for C programs.
//!
//! Called by the host program and by C embedders on their own threads. Handles are boxes whose address is the C
//! pointer. Every function runs behind the panic guard and checks its pointers for NULL.

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::path::Path;
use std::ptr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::guard::guard;
use super::sql::{Host, HostReply, HostStatement, Result, Session, Sink, SqlError};
use super::{Engine, Error};
use crate::bindings::{
    ib_cb_t, refengine_event, refengine_host_fn, refengine_host_kind, refengine_host_statement_t, refengine_reply_t,
    refengine_report_fn, refengine_report_t, refengine_result, refengine_result_t, refengine_session_t, refengine_t,
};

/// What `refengine_t` is.
struct EngineHandle {
    engine: Engine,
    host: Arc<HostSlot>,
}

/// What `refengine_session_t` is.
struct SessionHandle {
    session: Session,
    host: Arc<HostSlot>,
    last: LastError,
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

/// The host's callback. Copied out before each call, so that no lock is held while it runs.
#[derive(Default)]
struct HostSlot(Mutex<Option<HostCallback>>);

#[derive(Clone, Copy)]
struct HostCallback {
    function: refengine_host_fn,
    arg: *mut c_void,
}

// SAFETY: the header lets sessions of any thread call the host, so its function and argument are made for that.
unsafe impl Send for HostCallback {}

/// What `refengine_reply_t` is: lives on the stack of one callback.
#[derive(Default)]
struct Reply {
    reply: HostReply,
    error: Option<SqlError>,
}

impl Host for HostSlot {
    fn is_present(&self) -> bool {
        self.0.lock().is_some_and(|callback| callback.function.is_some())
    }

    fn run(&self, statement: HostStatement<'_>) -> Result<HostReply> {
        use HostStatement as S;
        use refengine_host_kind as kind;
        let callback = *self.0.lock();
        let Some((function, arg)) = callback.and_then(|callback| Some((callback.function?, callback.arg))) else {
            return Err(SqlError::new(1105, "HY000", "The engine has no host program"));
        };
        let (kind, name, value) = match statement {
            S::InstallPlugin { name, soname } => (kind::REFENGINE_INSTALL_PLUGIN, Some(name), Some(soname)),
            S::UninstallPlugin { name } => (kind::REFENGINE_UNINSTALL_PLUGIN, Some(name), None),
            S::ShowPlugins => (kind::REFENGINE_SHOW_PLUGINS, None, None),
            S::ShowVariables => (kind::REFENGINE_SHOW_VARIABLES, None, None),
            S::ShowStatus => (kind::REFENGINE_SHOW_STATUS, None, None),
            S::SetGlobal { name, value } => (kind::REFENGINE_SET_GLOBAL, Some(name), value),
        };
        let (name, value) = (name.map(c_string), value.map(c_string));
        let pointer = |text: &Option<CString>| text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
        let statement = refengine_host_statement_t { kind, name: pointer(&name), value: pointer(&value) };
        let mut reply = Reply::default();
        // SAFETY: the host gave this function for exactly these arguments; statement and reply outlive the call.
        let result = unsafe { function(arg, &statement, ptr::from_mut(&mut reply).cast()) };
        match (result, reply.error) {
            (0, None) => Ok(reply.reply),
            (_, Some(error)) => Err(error),
            (_, None) => Err(SqlError::new(1105, "HY000", "The host program failed without saying why")),
        }
    }
}

/// Hands results to the C callback. The buffers are used again for each row.
struct CallbackSink {
    function: refengine_report_fn,
    arg: *mut c_void,
    buffer: Vec<u8>,
    values: Vec<*const c_char>,
    lengths: Vec<usize>,
}

impl CallbackSink {
    fn report(&self, report: &refengine_report_t) -> Result<()> {
        let Some(function) = self.function else { return Ok(()) };
        // SAFETY: the caller of refengine_execute gave this function for exactly these arguments.
        if unsafe { function(self.arg, report) } == 0 { Ok(()) } else { Err(SqlError::interrupted()) }
    }
}

fn event(event: refengine_event::Type, columns: usize) -> refengine_report_t {
    refengine_report_t {
        event,
        n_columns: c_uint::try_from(columns).unwrap_or(c_uint::MAX),
        names: ptr::null(),
        values: ptr::null(),
        lengths: ptr::null(),
        affected_rows: 0,
    }
}

impl Sink for CallbackSink {
    fn columns(&mut self, names: &[&str]) -> Result<()> {
        let names: Vec<CString> = names.iter().map(|name| c_string(name)).collect();
        let pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
        let mut report = event(refengine_event::REFENGINE_COLUMNS, names.len());
        report.names = pointers.as_ptr();
        self.report(&report)
    }

    fn row(&mut self, values: &[Option<Cow<'_, [u8]>>]) -> Result<()> {
        if self.function.is_none() {
            return Ok(());
        }
        self.buffer.clear();
        self.values.clear();
        self.lengths.clear();
        // All bytes first: the buffer may move while it grows. A NUL behind each value is for the reader's comfort.
        for value in values.iter().flatten() {
            self.buffer.extend_from_slice(value);
            self.buffer.push(0);
        }
        let mut rest = self.buffer.as_slice();
        for value in values {
            let length = value.as_ref().map_or(0, |value| value.len());
            self.lengths.push(length);
            if value.is_none() {
                self.values.push(ptr::null());
                continue;
            }
            self.values.push(rest.as_ptr().cast());
            rest = rest.get(length + 1..).unwrap_or_default();
        }
        let mut report = event(refengine_event::REFENGINE_ROW, values.len());
        report.values = self.values.as_ptr();
        report.lengths = self.lengths.as_ptr();
        self.report(&report)
    }

    fn done(&mut self, affected: u64, columns: usize) -> Result<()> {
        let mut report = event(refengine_event::REFENGINE_DONE, columns);
        report.affected_rows = affected;
        self.report(&report)
    }
}

/// Text for C: what stands before a NUL byte.
fn c_string(text: &str) -> CString {
    let end = text.find('\0').unwrap_or(text.len());
    CString::new(text.get(..end).unwrap_or("")).unwrap_or_default()
}

/// # Safety
/// NULL or a NUL-terminated string that lives as long as the result is used.
unsafe fn text<'a>(pointer: *const c_char) -> Option<Cow<'a, str>> {
    // SAFETY: the caller's promise.
    (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) }.to_string_lossy())
}

/// Writes a sentence into the caller's buffer, NUL-terminated and cut at a character.
///
/// # Safety
/// `err` is NULL or `errlen` writable bytes.
unsafe fn write_error(err: *mut c_char, errlen: usize, message: &str) {
    let Some(room) = errlen.checked_sub(1).filter(|_| !err.is_null()) else { return };
    let length = message.floor_char_boundary(room);
    // SAFETY: `length` + 1 <= `errlen` bytes are written to the caller's buffer and read from the message.
    unsafe {
        ptr::copy_nonoverlapping(message.as_ptr().cast(), err, length);
        err.add(length).write(0);
    }
}

fn parse_options(options: &str) -> std::result::Result<Vec<(String, String)>, String> {
    let lines = options.lines().map(str::trim).filter(|line| !line.is_empty());
    let pair = |line: &str| match line.split_once('=') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => Err(format!("The engine option '{line}' is not of the form name=value")),
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
    // SAFETY: the caller's promise about `err`.
    let fail = |code, message: &str| unsafe {
        write_error(err, errlen, message);
        code
    };
    let opened = guard!("refengine_open", Err((refengine_result::REFENGINE_PANIC, PANIC.to_owned())), {
        // SAFETY: the caller's promise about `datadir` and `options`.
        let (datadir, options) = unsafe { (text(datadir), text(options)) };
        open(datadir.as_deref().filter(|_| !out.is_null()), options.as_deref())
    });
    match opened {
        Ok(handle) => {
            // SAFETY: not NULL, or `open` had been given no directory; the caller promised it is writable.
            unsafe { out.write(Box::into_raw(handle).cast()) };
            refengine_result::REFENGINE_OK
        }
        Err((code, message)) => fail(code, &message),
    }
}

const PANIC: &str = "A defect of the engine was caught; the log has more";

fn open(
    datadir: Option<&str>,
    options: Option<&str>,
) -> std::result::Result<Box<EngineHandle>, (refengine_result_t, String)> {
    let invalid = |message: &str| (refengine_result::REFENGINE_INVALID_ARGUMENT, message.to_owned());
    let datadir = datadir.ok_or_else(|| invalid("A data directory and a place for the engine are needed"))?;
    let options = parse_options(options.unwrap_or("")).map_err(|message| invalid(&message))?;
    let engine = Engine::open(Path::new(datadir), &options).map_err(|error| {
        let code = match error {
            Error::Locked(_) => refengine_result::REFENGINE_LOCKED,
            _ => refengine_result::REFENGINE_ERROR,
        };
        (code, error.to_string())
    })?;
    Ok(Box::new(EngineHandle { engine, host: Arc::default() }))
}

/// Closes the engine, see `refengine.h`.
///
/// # Safety
/// `engine` is NULL or came from [`refengine_open`] and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refengine_close(engine: *mut refengine_t) {
    guard!("refengine_close", (), {
        if engine.is_null() {
            return;
        }
        // SAFETY: the caller's promise; the box came from `refengine_open`.
        let handle = unsafe { Box::from_raw(engine.cast::<EngineHandle>()) };
        if let Err(error) = handle.engine.close() {
            log::error!("refengine_close: {error}");
        }
    });
}

/// # Safety
/// `engine` is NULL or an open engine.
unsafe fn engine_of<'a>(engine: *const refengine_t) -> Option<&'a EngineHandle> {
    // SAFETY: the caller's promise.
    unsafe { engine.cast::<EngineHandle>().as_ref() }
}

/// The callback table, NULL for no engine.
///
/// # Safety
/// `engine` is NULL or an open engine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refengine_api(engine: *mut refengine_t) -> *const ib_cb_t {
    guard!("refengine_api", ptr::null(), {
        // SAFETY: the caller's promise.
        match unsafe { engine_of(engine) } {
            Some(handle) => {
                handle.engine.serve_callback_table();
                ptr::from_ref(super::api())
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
    guard!("refengine_is_new", 0, unsafe { engine_of(engine) }.map_or(0, |handle| c_int::from(handle.engine.is_new())))
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
    guard!("refengine_session_open", refengine_result::REFENGINE_PANIC, {
        // SAFETY: the caller's promise.
        let Some(handle) = (unsafe { engine_of(engine) }) else {
            return refengine_result::REFENGINE_INVALID_ARGUMENT;
        };
        if out.is_null() {
            return refengine_result::REFENGINE_INVALID_ARGUMENT;
        }
        let session = Box::new(SessionHandle {
            session: Session::new(handle.engine.clone()),
            host: handle.host.clone(),
            last: LastError::default(),
        });
        // SAFETY: not NULL, and the caller promised it is writable.
        unsafe { out.write(Box::into_raw(session).cast()) };
        refengine_result::REFENGINE_OK
    })
}

/// Rolls back and frees a session.
///
/// # Safety
/// `session` is NULL or came from [`refengine_session_open`] and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refengine_session_close(session: *mut refengine_session_t) {
    guard!("refengine_session_close", (), {
        if !session.is_null() {
            // SAFETY: the caller's promise; the box came from `refengine_session_open`.
            drop(unsafe { Box::from_raw(session.cast::<SessionHandle>()) });
        }
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
    let Some(handle) = (unsafe { session.cast::<SessionHandle>().as_mut() }) else {
        return refengine_result::REFENGINE_INVALID_ARGUMENT;
    };
    let result = guard!("refengine_execute", Err((refengine_result::REFENGINE_PANIC, panic_error())), {
        let bytes = match (sql.is_null(), len) {
            (_, 0) => Ok(&[][..]),
            (true, _) => {
                let error = SqlError::new(1105, "HY000", "The statement is a NULL pointer");
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
    SqlError::new(1105, "HY000", PANIC)
}

fn execute(handle: &mut SessionHandle, sql: &[u8], report: refengine_report_fn, arg: *mut c_void) -> Result<()> {
    let text = std::str::from_utf8(sql).map_err(|error| {
        let before = sql.get(..error.valid_up_to()).unwrap_or_default();
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        let mut failure = SqlError::new(
            1300,
            "HY000",
            "Invalid utf8mb4 character string: statements are UTF-8, other bytes are written as x'...'",
        );
        failure.line = u32::try_from(line).unwrap_or(u32::MAX);
        failure
    })?;
    let mut sink = CallbackSink { function: report, arg, buffer: Vec::new(), values: Vec::new(), lengths: Vec::new() };
    let host = handle.host.clone();
    handle.session.execute(text, host.as_ref(), &mut sink)
}

/// # Safety
/// `session` is NULL or an open session.
unsafe fn last_of<'a>(session: *const refengine_session_t) -> Option<&'a LastError> {
    // SAFETY: the caller's promise.
    unsafe { session.cast::<SessionHandle>().as_ref() }.map(|handle| &handle.last)
}

/// MySQL's number of the last failure, 0 after a success.
///
/// # Safety
/// `session` is NULL or an open session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refengine_last_errno(session: *const refengine_session_t) -> c_uint {
    // SAFETY: the caller's promise.
    guard!("refengine_last_errno", 0, unsafe { last_of(session) }.map_or(0, |last| last.errno))
}

/// The SQLSTATE of the last failure, empty after a success.
///
/// # Safety
/// `session` is NULL or an open session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refengine_last_sqlstate(session: *const refengine_session_t) -> *const c_char {
    // SAFETY: the caller's promise.
    guard!(
        "refengine_last_sqlstate",
        c"".as_ptr(),
        unsafe { last_of(session) }.map_or(c"".as_ptr(), |last| last.sqlstate.as_ptr())
    )
}

/// The message of the last failure, empty after a success.
///
/// # Safety
/// `session` is NULL or an open session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refengine_last_error(session: *const refengine_session_t) -> *const c_char {
    // SAFETY: the caller's promise.
    guard!(
        "refengine_last_error",
        c"".as_ptr(),
        unsafe { last_of(session) }.map_or(c"".as_ptr(), |last| last.message.as_ptr())
    )
}

/// The line of the last failure, 0 after a success.
///
/// # Safety
/// `session` is NULL or an open session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refengine_last_line(session: *const refengine_session_t) -> c_uint {
    // SAFETY: the caller's promise.
    guard!("refengine_last_line", 0, unsafe { last_of(session) }.map_or(0, |last| last.line))
}

/// Sets the host callback, see `refengine.h`.
///
/// # Safety
/// `engine` is NULL or an open engine; `function` may be called with `arg` from every session's thread until it is replaced.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refengine_set_host(engine: *mut refengine_t, function: refengine_host_fn, arg: *mut c_void) {
    guard!("refengine_set_host", (), {
        // SAFETY: the caller's promise.
        if let Some(handle) = unsafe { engine_of(engine) } {
            *handle.host.0.lock() = Some(HostCallback { function, arg });
        }
    });
}

/// # Safety
/// `reply` is NULL or the reply of the running host callback.
unsafe fn reply_of<'a>(reply: *mut refengine_reply_t) -> Option<&'a mut Reply> {
    // SAFETY: the caller's promise.
    unsafe { reply.cast::<Reply>().as_mut() }
}

/// # Safety
/// `list` is NULL or `n` pointers, each NULL or a NUL-terminated string.
unsafe fn strings(list: *const *const c_char, n: c_uint) -> Vec<Option<Vec<u8>>> {
    if list.is_null() {
        return Vec::new();
    }
    // SAFETY: the caller's promise.
    let list = unsafe { std::slice::from_raw_parts(list, n as usize) };
    // SAFETY: as above.
    let bytes = |text: &*const c_char| unsafe { CStr::from_ptr(*text) }.to_bytes().to_vec();
    list.iter().map(|text| (!text.is_null()).then(|| bytes(text))).collect()
}

/// Names the columns of a host's reply.
///
/// # Safety
/// `reply` is NULL or the running callback's; `names` is NULL or `n` strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refengine_reply_columns(
    reply: *mut refengine_reply_t,
    n: c_uint,
    names: *const *const c_char,
) {
    guard!("refengine_reply_columns", (), {
        // SAFETY: the caller's promise.
        if let (Some(reply), names) = unsafe { (reply_of(reply), strings(names, n)) } {
            let text = |name: Option<Vec<u8>>| String::from_utf8_lossy(&name.unwrap_or_default()).into_owned();
            reply.reply.columns = names.into_iter().map(text).collect();
        }
    });
}

/// Adds a row to a host's reply.
///
/// # Safety
/// `reply` is NULL or the running callback's; `values` is NULL or `n` strings, NULL for SQL NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refengine_reply_row(reply: *mut refengine_reply_t, n: c_uint, values: *const *const c_char) {
    guard!("refengine_reply_row", (), {
        // SAFETY: the caller's promise.
        if let (Some(reply), values) = unsafe { (reply_of(reply), strings(values, n)) } {
            reply.reply.rows.push(values);
        }
    });
}

/// Makes a host's reply an error.
///
/// # Safety
/// `reply` is NULL or the running callback's; `sqlstate` and `message` are NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refengine_reply_error(
    reply: *mut refengine_reply_t,
    number: c_uint,
    sqlstate: *const c_char,
    message: *const c_char,
) {
    guard!("refengine_reply_error", (), {
        // SAFETY: the caller's promise.
        let (reply, sqlstate, message) = unsafe { (reply_of(reply), text(sqlstate), text(message)) };
        if let Some(reply) = reply {
            let sqlstate = sqlstate.filter(|state| state.len() == 5).unwrap_or(Cow::Borrowed("HY000"));
            reply.error = Some(SqlError {
                errno: number,
                sqlstate: Cow::Owned(sqlstate.into_owned()),
                message: message.unwrap_or_default().into_owned(),
                line: 0,
            });
        }
    });
}
