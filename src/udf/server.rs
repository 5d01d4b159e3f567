//! What the functions want of the program they run in, found by name, so that one library fits all of them.

use log::{Level, LevelFilter};
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_ulong, c_void};
use std::io::Write;
use std::sync::OnceLock;

/// Address of a function of this process, none if nobody exports it.
fn find(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: looks a name up in what is loaded; a null handle means the program and everything it loaded.
    let address = unsafe { libc::dlsym(std::ptr::null_mut(), name.as_ptr()) };
    (!address.is_null()).then_some(address)
}

type Killed = unsafe extern "C" fn(*mut c_void) -> c_int;
type Current = unsafe extern "C" fn() -> *mut c_void;

/// Whether the statement that this thread executes was killed.
pub fn is_killed() -> bool {
    static FOUND: OnceLock<Option<(Killed, Option<Current>)>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let killed = find(c"thd_killed")?;
        // SAFETY: both servers, and the bundled host, export it with this signature.
        let killed = unsafe { std::mem::transmute::<*mut c_void, Killed>(killed) };
        // SAFETY: MariaDB exports it with this signature.
        let current = find(c"_current_thd").map(|p| unsafe { std::mem::transmute::<*mut c_void, Current>(p) });
        Some((killed, current))
    });
    let Some((killed, current)) = *found else { return false };
    // SAFETY: asks for the session of this thread, which is one of the server's that executes a statement.
    let session = current.map_or(std::ptr::null_mut(), |current| unsafe { current() });
    // MariaDB wants its session; MySQL takes null for that of this thread.
    if current.is_some() && session.is_null() {
        return false;
    }
    // SAFETY: the session is this thread's own, or null where that is allowed.
    unsafe { killed(session) != 0 }
}

/// The statement that this thread executes fails with a message.
pub fn fail_statement(text: &str) {
    /// `errno`, text, flags. MariaDB's flags are an `unsigned long`, MySQL's an `int`; 0 is the same in both.
    type Message = unsafe extern "C" fn(c_uint, *const c_char, c_ulong);
    static FOUND: OnceLock<Option<Message>> = OnceLock::new();
    /// ER_UNKNOWN_ERROR, whose text is free.
    const ERROR: c_uint = 1105;
    let found = FOUND.get_or_init(|| {
        // MySQL exports C++'s name, MariaDB that of C.
        let address = find(c"_Z10my_messagejPKci").or_else(|| find(c"my_message"))?;
        // SAFETY: the signature of both.
        Some(unsafe { std::mem::transmute::<*mut c_void, Message>(address) })
    });
    if let (Some(message), Ok(text)) = (found, CString::new(text.replace('\0', " "))) {
        // SAFETY: called by a thread of the server that executes a statement; the text is copied.
        unsafe { message(ERROR, text.as_ptr(), 0) }
    }
}

/// A warning in the server's log: through the plugin's way to it where that is installed, else on standard error, which
/// servers keep in the same file.
pub fn warn(text: &str) {
    let line = format!("DM1601: {text}");
    if log::max_level() != LevelFilter::Off && log::log_enabled!(Level::Warn) {
        log::warn!("{line}");
    } else {
        // A server may run without one.
        let _ = writeln!(std::io::stderr(), "[Warning] daemon_memcached: {line}");
    }
}
