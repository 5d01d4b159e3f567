//! The server's sessions that our threads own: one per thread that touches rows.
//!
//! A session acts for no account: it holds every right, as the plugin's direct access to InnoDB always did. The server's `super_read_only`
//! binds it, `read_only` by itself does not: the SQL session asks for it. [`current_thd`] is the session of the thread at hand; InnoDB's transactions are
//! begun in its name.

use super::services::{SrvSession, security_context_service, srv_session_info_service, srv_session_service};
use super::symbols;
use crate::boundary::{guard, text};
use crate::host::HostError;
use parking_lot::Mutex;
use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::mem::transmute;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The server's `st_plugin_int`; services want to know who calls.
static PLUGIN: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// Server threads' state of open sessions. Behind the lock they stay valid: a session leaves the list before it is closed.
static OPEN: Mutex<Vec<Thd>> = Mutex::new(Vec::new());

#[derive(Clone, Copy, PartialEq, Eq)]
struct Thd(*mut c_void);

// SAFETY: only compared and asked whether it was killed, which the server allows from any thread.
unsafe impl Send for Thd {}

thread_local! {
    static CURRENT: Cell<*mut c_void> = const { Cell::new(ptr::null_mut()) };
}

/// The session of this thread as the server's functions know it; null if it has none.
pub fn current_thd() -> *mut c_void {
    CURRENT.get()
}

/// Remembers the plugin, at each init.
pub fn set_plugin(plugin: *mut c_void) {
    PLUGIN.store(plugin, Ordering::Relaxed);
}

/// See [`set_plugin`].
pub fn plugin() -> *mut c_void {
    PLUGIN.load(Ordering::Relaxed)
}

/// Whether the server takes sessions: not while it starts and not while it shuts down.
pub fn server_is_available() -> bool {
    // SAFETY: takes no argument.
    srv_session_service.get().is_none_or(|service| unsafe { (service.server_is_available)() != 0 })
}

/// Whether somebody killed one of the sessions that are open.
pub fn any_killed() -> bool {
    OPEN.lock().iter().any(|thd| killed(thd.0))
}

/// Whether a session or its statement was killed.
///
/// The caller owns the session or holds the lock of [`OPEN`].
fn killed(thd: *mut c_void) -> bool {
    static ADDRESS: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
    let mut address = ADDRESS.load(Ordering::Relaxed);
    if address.is_null() {
        address = symbols::find(c"thd_killed");
        ADDRESS.store(address, Ordering::Relaxed);
    }
    if address.is_null() {
        return false;
    }
    // SAFETY: the plugin API's function of that name, and a session that lives.
    unsafe { transmute::<*mut c_void, unsafe extern "C" fn(*const c_void) -> c_int>(address)(thd) != 0 }
}

/// Makes this thread one that may open sessions.
///
/// # Errors
/// The server refused.
pub fn init_thread() -> Result<(), HostError> {
    let Some(service) = srv_session_service.get() else { return Ok(()) };
    // SAFETY: the plugin that the server told init about.
    match unsafe { (service.init_thread)(plugin()) } {
        0 => Ok(()),
        code => Err(HostError::Thread("the server", code)),
    }
}

/// Undoes [`init_thread`]; the thread's sessions are closed.
pub fn deinit_thread() {
    if let Some(service) = srv_session_service.get() {
        // SAFETY: this thread was initialised.
        unsafe { (service.deinit_thread)() };
    }
}

/// What SHOW PROCESSLIST shows.
const USER: &CStr = c"daemon_memcached";

/// `MYSQL_LEX_CSTRING` of the server.
#[repr(C)]
struct LexString {
    text: *const c_char,
    length: usize,
}

/// A session of the thread that made it, attached to it. Closed when dropped.
pub struct ServerSession {
    service: &'static SrvSession,
    raw: *mut c_void,
    thd: *mut c_void,
    /// Its count of statements that were prepared anew, if the server shows where.
    reprepared: Option<*const u64>,
}

impl ServerSession {
    /// Opens a session.
    ///
    /// # Errors
    /// The server refused.
    pub fn open() -> Result<ServerSession, HostError> {
        let (Some(service), Some(info)) = (srv_session_service.get(), srv_session_info_service.get()) else {
            return Err(HostError::NoService("sessions"));
        };
        // SAFETY: the function copes with a null argument.
        let raw = unsafe { (service.open)(Some(on_error), ptr::null_mut()) };
        if raw.is_null() {
            return Err(HostError::NoSession(None));
        }
        // SAFETY: the session is open.
        let thd = unsafe { (info.get_thd)(raw) };
        let session = ServerSession { service, raw, thd, reprepared: reprepare_counter(thd) };
        session.attach()?;
        session.take_rights()?;
        OPEN.lock().push(Thd(thd));
        CURRENT.set(thd);
        Ok(session)
    }

    /// The handle for commands.
    pub fn raw(&self) -> *mut c_void {
        self.raw
    }

    /// Makes it the session that the server's functions find on this thread.
    ///
    /// # Errors
    /// The server refused.
    pub fn attach(&self) -> Result<(), HostError> {
        let mut before = ptr::null_mut();
        // SAFETY: the session is ours and of this thread.
        match unsafe { (self.service.attach)(self.raw, &mut before) } {
            0 => Ok(()),
            code => Err(HostError::NotAttached(code)),
        }
    }

    /// How many of its prepared statements the server has prepared anew: the session's status variable `Com_stmt_reprepare`.
    pub fn reprepared(&self) -> Option<u64> {
        // SAFETY: inside the session's state, which lives; only this thread, which runs its statements, writes there.
        self.reprepared.map(|counter| unsafe { counter.read_volatile() })
    }

    /// Whether somebody killed it.
    pub fn is_killed(&self) -> bool {
        killed(self.thd)
    }

    fn take_rights(&self) -> Result<(), HostError> {
        let grant = symbols::require(c"_ZN16Security_context11skip_grantsEPKcS1_")?;
        let context = self.security_context()?;
        // SAFETY: Security_context::skip_grants(user, host) of the server; the names are constants.
        unsafe {
            let grant =
                transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char)>(grant);
            grant(context, USER.as_ptr(), c"localhost".as_ptr());
        }
        let name = LexString { text: USER.as_ptr(), length: USER.count_bytes() };
        if let Some(service) = security_context_service.get() {
            // SAFETY: the session's context, and a string as this option takes it. It is for SHOW PROCESSLIST: a refusal does no harm.
            unsafe { (service.set_option)(context, c"user".as_ptr(), (&raw const name).cast_mut().cast()) };
        }
        Ok(())
    }

    fn security_context(&self) -> Result<*mut c_void, HostError> {
        let mut context = ptr::null_mut();
        let refused = security_context_service
            .get()
            // SAFETY: the session's state lives, the output is writable.
            .is_none_or(|service| unsafe { (service.of_thd)(self.thd, &mut context) != 0 });
        if refused || context.is_null() {
            return Err(HostError::NoRights);
        }
        Ok(context)
    }
}

/// `SHOW_VAR` of the server.
#[repr(C)]
struct ShowVar {
    name: *const c_char,
    value: *const c_void,
    kind: c_int,
    scope: c_int,
}

/// Greatest offset of a session's status variable that is believed.
const STATUS_BYTES_MAX: usize = 1 << 16;

/// Where a session counts the statements that were prepared anew. The server's table of status variables gives the offset in the
/// session's own.
fn reprepare_counter(thd: *mut c_void) -> Option<*const u64> {
    let status = symbols::find(c"_Z18get_thd_status_varP3THDPb");
    let mut entry: *const ShowVar = symbols::find(c"status_vars").cast();
    if status.is_null() || entry.is_null() {
        return None;
    }
    // SAFETY: the server's array, which ends with an entry without a name; names are NUL-terminated.
    let offset = unsafe {
        while !(*entry).name.is_null() && CStr::from_ptr((*entry).name) != c"Com_stmt_reprepare" {
            entry = entry.add(1);
        }
        if (*entry).name.is_null() {
            return None;
        }
        (*entry).value.addr()
    };
    if offset > STATUS_BYTES_MAX || !offset.is_multiple_of(align_of::<u64>()) {
        return None;
    }
    let mut aggregated = false;
    // SAFETY: System_status_var *get_thd_status_var(THD *, bool *) of the server, and a session that lives; the offset is one of that
    // structure.
    unsafe {
        type StatusOf = unsafe extern "C" fn(*mut c_void, *mut bool) -> *const u8;
        let variables = transmute::<*mut c_void, StatusOf>(status)(thd, &mut aggregated);
        (!variables.is_null()).then(|| variables.add(offset).cast())
    }
}

impl Drop for ServerSession {
    fn drop(&mut self) {
        OPEN.lock().retain(|thd| *thd != Thd(self.thd));
        if CURRENT.get() == self.thd {
            CURRENT.set(ptr::null_mut());
        }
        // SAFETY: the session is ours and dies here.
        unsafe {
            (self.service.detach)(self.raw);
            (self.service.close)(self.raw);
        }
    }
}

/// The server's number for it.
const SESSION_WAS_KILLED: c_uint = 3169;

/// # Safety
/// `message` is null or NUL-terminated.
unsafe extern "C" fn on_error(_arg: *mut c_void, code: c_uint, message: *const c_char) {
    guard((), || {
        // SAFETY: the caller's promise.
        let text = unsafe { text(message) };
        // Whoever used a session that was killed tells of it; at the server's end nobody has to.
        if let Some(text) = text.filter(|_| code != SESSION_WAS_KILLED && server_is_available()) {
            log::warn!("DM1109: a session of the daemon: {text} (SQL error {code})");
        }
    });
}
