//! The host's callback: statements that belong to the program around the engine, and its replies.

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::ptr;

use parking_lot::Mutex;

use crate::bindings::{
    refengine_host_fn, refengine_host_kind, refengine_host_statement_t, refengine_reply, refengine_reply_t, refengine_t,
};
use crate::boundary::{Handle, c_string, guard, object, shared, text};
use crate::refengine::codes;
use crate::refengine::interrupt;
use crate::refengine::sql::{Functions, Host, HostReply, HostStatement, Result, SqlError, fail_statement};

/// The host's callback. Copied out before each call, so that no lock is held while it runs.
#[derive(Default)]
pub(super) struct HostSlot {
    callback: Mutex<Option<HostCallback>>,
    functions: Functions,
}

#[derive(Clone, Copy)]
struct HostCallback {
    function: refengine_host_fn,
    arg: *mut c_void,
}

// SAFETY: the header lets sessions of any thread call the host, so its function and argument are made for that.
unsafe impl Send for HostCallback {}

/// What `refengine_reply_t` is: lives on the stack of one callback.
#[derive(Default)]
pub(crate) struct Reply {
    reply: HostReply,
    error: Option<SqlError>,
}

impl Handle for refengine_reply {
    type Object = Reply;
}

impl Host for HostSlot {
    fn is_present(&self) -> bool {
        self.callback.lock().is_some_and(|callback| callback.function.is_some())
    }

    fn run(&self, statement: HostStatement<'_>) -> Result<HostReply> {
        use HostStatement as S;
        use refengine_host_kind as kind;
        let callback = *self.callback.lock();
        let Some((function, arg)) = callback.and_then(|callback| Some((callback.function?, callback.arg))) else {
            return Err(SqlError::new(codes::ER_UNKNOWN_ERROR, "The engine has no host program"));
        };
        let (kind, name, value) = match statement {
            S::InstallPlugin { name, soname } => (kind::REFENGINE_INSTALL_PLUGIN, Some(name), Some(soname)),
            S::UninstallPlugin { name } => (kind::REFENGINE_UNINSTALL_PLUGIN, Some(name), None),
            S::ShowPlugins => (kind::REFENGINE_SHOW_PLUGINS, None, None),
            S::ShowVariables => (kind::REFENGINE_SHOW_VARIABLES, None, None),
            S::ShowStatus => (kind::REFENGINE_SHOW_STATUS, None, None),
            S::SetGlobal { name, value } => (kind::REFENGINE_SET_GLOBAL, Some(name), value),
            S::ShowConnections => (kind::REFENGINE_SHOW_CONNECTIONS, None, None),
            S::Kill { number } => (kind::REFENGINE_KILL, Some(number), None),
            S::LibraryFile { soname } => (kind::REFENGINE_LIBRARY_FILE, Some(soname), None),
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
            (_, None) => Err(SqlError::new(codes::ER_UNKNOWN_ERROR, "The host program failed without saying why")),
        }
    }

    fn functions(&self) -> &Functions {
        &self.functions
    }
}

/// Sets the host callback, see `refengine.h`.
///
/// # Safety
/// `engine` is NULL or an open engine; `function` may be called with `arg` from every session's thread until it is replaced.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refengine_set_host(engine: *mut refengine_t, function: refengine_host_fn, arg: *mut c_void) {
    guard((), || {
        // SAFETY: the caller's promise.
        if let Some(handle) = unsafe { shared(engine) } {
            *handle.host.callback.lock() = Some(HostCallback { function, arg });
        }
    });
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
    guard((), || {
        // SAFETY: the caller's promise.
        if let (Some(reply), names) = unsafe { (object(reply), strings(names, n)) } {
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
    guard((), || {
        // SAFETY: the caller's promise.
        if let (Some(reply), values) = unsafe { (object(reply), strings(values, n)) } {
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
    guard((), || {
        // SAFETY: the caller's promise.
        let (reply, sqlstate, message) = unsafe { (object(reply), text(sqlstate), text(message)) };
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

/// Whether the statement that this thread runs was killed, see `refengine.h`.
#[unsafe(no_mangle)]
pub extern "C" fn refengine_statement_killed() -> c_int {
    guard(0, || c_int::from(interrupt::is_interrupted()))
}

/// Fails the statement that this thread runs, see `refengine.h`.
///
/// # Safety
/// `message` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refengine_statement_fail(number: c_uint, message: *const c_char) {
    guard((), || {
        // SAFETY: the caller's promise.
        let message = unsafe { text(message) };
        fail_statement(number, message.unwrap_or_default().into_owned());
    });
}
