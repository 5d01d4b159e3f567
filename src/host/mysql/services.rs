//! Services of a MySQL server. A plugin exports a pointer per service whose initial value is the version it was built for; a server
//! that has the service puts its address there before init, any other host leaves the number alone.

use std::ffi::{c_char, c_double, c_int, c_longlong, c_uint, c_ulong, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A pointer that the server sets when it loads the library.
#[repr(transparent)]
pub struct Service<T>(AtomicPtr<T>);

impl<T> Service<T> {
    pub(in crate::host) const fn version(number: usize) -> Service<T> {
        Service(AtomicPtr::new(ptr::without_provenance_mut(number)))
    }

    /// The service; `None` in a host that does not offer it.
    pub fn get(&self) -> Option<&'static T> {
        let address = self.0.load(Ordering::Relaxed);
        // Version numbers are small, addresses are not.
        // SAFETY: an address that the server put there is that of a constant table of functions.
        (address.addr() > 0xffff).then(|| unsafe { &*address })
    }

    fn reset(&self, number: usize) {
        self.0.store(ptr::without_provenance_mut(number), Ordering::Relaxed);
    }
}

/// Writes the version numbers back: an old server that loads the library again looks for them, and the library stays mapped.
pub fn give_back() {
    srv_session_service.reset(VERSION);
    srv_session_info_service.reset(VERSION);
    command_service.reset(VERSION);
    security_context_service.reset(SECURITY_CONTEXT_VERSION);
    my_plugin_log_service.reset(VERSION);
}

/// Version of the services but one.
const VERSION: usize = 0x0100;
/// Version of the one.
const SECURITY_CONTEXT_VERSION: usize = 0x0101;

/// Sessions that a plugin opens.
#[repr(C)]
pub struct SrvSession {
    pub init_thread: unsafe extern "C" fn(plugin: *const c_void) -> c_int,
    pub deinit_thread: unsafe extern "C" fn(),
    pub open: unsafe extern "C" fn(on_error: Option<OnSessionError>, arg: *mut c_void) -> *mut c_void,
    pub detach: unsafe extern "C" fn(session: *mut c_void) -> c_int,
    pub close: unsafe extern "C" fn(session: *mut c_void) -> c_int,
    pub server_is_available: unsafe extern "C" fn() -> c_int,
    pub attach: unsafe extern "C" fn(session: *mut c_void, before: *mut *mut c_void) -> c_int,
}

/// Told what went wrong with a session.
pub type OnSessionError = unsafe extern "C" fn(arg: *mut c_void, code: c_uint, text: *const c_char);

/// What a session is.
#[repr(C)]
pub struct SrvSessionInfo {
    pub get_thd: unsafe extern "C" fn(session: *mut c_void) -> *mut c_void,
    unused: [*mut c_void; 8],
}

/// Runs protocol commands in a session.
#[repr(C)]
pub struct Command {
    pub run: unsafe extern "C" fn(
        session: *mut c_void,
        command: c_int,
        data: *const c_void,
        charset: *const c_void,
        callbacks: *const ResultCallbacks,
        representation: c_int,
        arg: *mut c_void,
    ) -> c_int,
}

/// Rights of a session.
#[repr(C)]
pub struct SecurityContext {
    pub of_thd: unsafe extern "C" fn(thd: *mut c_void, out: *mut *mut c_void) -> c_char,
    unused: [*mut c_void; 6],
    pub set_option: unsafe extern "C" fn(context: *mut c_void, name: *const c_char, value: *mut c_void) -> c_char,
}

/// The error log.
#[repr(C)]
pub struct PluginLog {
    pub message: unsafe extern "C" fn(plugin: *mut *mut c_void, level: c_int, format: *const c_char, ...) -> c_int,
}

/// Receives what a command answers.
#[repr(C)]
pub struct ResultCallbacks {
    pub start_result_metadata: unsafe extern "C" fn(*mut c_void, c_uint, c_uint, *const c_void) -> c_int,
    pub field_metadata: unsafe extern "C" fn(*mut c_void, *mut c_void, *const c_void) -> c_int,
    pub end_result_metadata: unsafe extern "C" fn(*mut c_void, c_uint, c_uint) -> c_int,
    pub start_row: unsafe extern "C" fn(*mut c_void) -> c_int,
    pub end_row: unsafe extern "C" fn(*mut c_void) -> c_int,
    pub abort_row: unsafe extern "C" fn(*mut c_void),
    pub get_client_capabilities: unsafe extern "C" fn(*mut c_void) -> c_ulong,
    pub get_null: unsafe extern "C" fn(*mut c_void) -> c_int,
    pub get_integer: unsafe extern "C" fn(*mut c_void, c_longlong) -> c_int,
    pub get_longlong: unsafe extern "C" fn(*mut c_void, c_longlong, c_uint) -> c_int,
    pub get_decimal: unsafe extern "C" fn(*mut c_void, *const c_void) -> c_int,
    pub get_double: unsafe extern "C" fn(*mut c_void, c_double, u32) -> c_int,
    pub get_date: unsafe extern "C" fn(*mut c_void, *const c_void) -> c_int,
    pub get_time: unsafe extern "C" fn(*mut c_void, *const c_void, c_uint) -> c_int,
    pub get_datetime: unsafe extern "C" fn(*mut c_void, *const c_void, c_uint) -> c_int,
    pub get_string: unsafe extern "C" fn(*mut c_void, *const c_char, usize, *const c_void) -> c_int,
    pub handle_ok: unsafe extern "C" fn(*mut c_void, c_uint, c_uint, u64, u64, *const c_char),
    pub handle_error: unsafe extern "C" fn(*mut c_void, c_uint, *const c_char, *const c_char),
    pub shutdown: unsafe extern "C" fn(*mut c_void, c_int),
    pub connection_alive: unsafe extern "C" fn(*mut c_void) -> bool,
}

/// Sessions.
#[unsafe(no_mangle)]
pub static srv_session_service: Service<SrvSession> = Service::version(VERSION);
/// Their properties.
#[unsafe(no_mangle)]
pub static srv_session_info_service: Service<SrvSessionInfo> = Service::version(VERSION);
/// Their commands.
#[unsafe(no_mangle)]
pub static command_service: Service<Command> = Service::version(VERSION);
/// Their rights.
#[unsafe(no_mangle)]
pub static security_context_service: Service<SecurityContext> = Service::version(SECURITY_CONTEXT_VERSION);
/// The error log.
#[unsafe(no_mangle)]
pub static my_plugin_log_service: Service<PluginLog> = Service::version(VERSION);
