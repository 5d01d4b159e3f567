//! The server's state of our threads.
//!
//! A session runs on a `THD` of its own, the kind that the server gives its background threads. The server does not wait for those
//! when it shuts down, yet InnoDB must not go while one has a transaction: so each is counted among the server's connections until it
//! is gone. Workers see `abort_loop` and leave; then the server goes on.

use crate::host::mysql::symbols;
use std::ffi::{c_char, c_int, c_void};
use std::mem::transmute;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

/// Whether the server takes sessions: not while it starts. A server that does not tell is taken for one that does.
pub fn server_has_started() -> bool {
    let started = symbols::find(c"mysqld_server_started").cast::<c_int>();
    // SAFETY: the server's variable; any moment's value will do.
    started.is_null() || unsafe { ptr::read_volatile(started) } != 0
}

/// Whether the server has begun to shut down.
pub fn server_is_shutting_down() -> bool {
    let ends = symbols::find(c"abort_loop").cast::<u8>();
    // SAFETY: the server's variable, a boolean of one byte; any moment's value will do.
    !ends.is_null() && unsafe { ptr::read_volatile(ends) } != 0
}

/// Makes this thread one that may call the server's functions.
///
/// # Errors
/// The server refused.
pub fn init() -> Result<(), String> {
    let start = symbols::require(c"my_thread_init")?;
    // SAFETY: the function of that name in mysys; it may be called again on the same thread.
    match unsafe { transmute::<*mut c_void, unsafe extern "C" fn() -> c_char>(start)() } {
        0 => Ok(()),
        code => Err(format!("the server refused a thread of the daemon with code {code}")),
    }
}

/// Undoes [`init`]; the thread's sessions are closed.
pub fn end() {
    let end = symbols::find(c"my_thread_end");
    if !end.is_null() {
        // SAFETY: the function of that name in mysys, on a thread that was initialised.
        unsafe { transmute::<*mut c_void, unsafe extern "C" fn()>(end)() };
    }
}

/// One more connection that the server waits for when it shuts down, until this is dropped.
struct Counted(&'static AtomicU32);

impl Counted {
    fn new() -> Result<Counted, String> {
        let count = symbols::require(c"_ZN9THD_count5countE")?.cast::<u32>();
        // SAFETY: `THD_count::count` of the server, an atomic counter of 32 bits that lives as long as the process.
        let counted = Counted(unsafe { AtomicU32::from_ptr(count) });
        counted.0.fetch_add(1, Ordering::Relaxed);
        Ok(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The server's state of the thread that made this, attached to it until it is dropped.
pub struct Thd {
    raw: *mut c_void,
    /// What the thread had instead.
    before: *mut c_void,
    detach: unsafe extern "C" fn(*mut c_void),
    destroy: unsafe extern "C" fn(*mut c_void),
    killed: unsafe extern "C" fn(*const c_void) -> c_int,
    // Declared last: the server may go on once nothing of this is left.
    _counted: Counted,
}

impl Thd {
    /// Makes one for this thread, which was initialised and has none.
    ///
    /// # Errors
    /// The server does not export what this needs.
    pub fn attach() -> Result<Thd, String> {
        let create = symbols::require(c"_Z21create_background_thdv")?;
        let attach = symbols::require(c"_Z14thd_attach_thdP3THD")?;
        let detach = symbols::require(c"_Z14thd_detach_thdPv")?;
        let destroy = symbols::require(c"_Z22destroy_background_thdP3THD")?;
        let lex_start = symbols::require(c"_Z9lex_startP3THD")?;
        let killed = symbols::require(c"thd_killed")?;
        let _counted = Counted::new()?;
        // SAFETY: the server's functions of these names, with the signatures that the names encode.
        unsafe {
            let raw = transmute::<*mut c_void, unsafe extern "C" fn() -> *mut c_void>(create)();
            if raw.is_null() {
                return Err("the server has no memory for a session of the daemon".into());
            }
            let before = transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void) -> *mut c_void>(attach)(raw);
            transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void)>(lex_start)(raw);
            let detach = transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void)>(detach);
            let destroy = transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void)>(destroy);
            let killed = transmute::<*mut c_void, unsafe extern "C" fn(*const c_void) -> c_int>(killed);
            Ok(Thd { raw, before, detach, destroy, killed, _counted })
        }
    }

    /// The address.
    pub fn raw(&self) -> *mut c_void {
        self.raw
    }

    /// Whether somebody killed it or its statement.
    pub fn is_killed(&self) -> bool {
        // SAFETY: the plugin API's function, and a state that lives.
        unsafe { (self.killed)(self.raw) != 0 }
    }
}

impl Drop for Thd {
    fn drop(&mut self) {
        // SAFETY: attached to this thread by `attach`, and nobody uses it any more.
        unsafe {
            (self.detach)(self.before);
            (self.destroy)(self.raw);
        }
    }
}
