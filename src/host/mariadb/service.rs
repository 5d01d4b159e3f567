//! MariaDB's SQL service: statements as text on the thread that calls, without a network in between.

use crate::host::HostError;
use crate::host::mysql::services::Service;
use crate::rows::sql::{RowSet, SqlError};
use std::ffi::{CStr, c_char, c_int, c_uint, c_ulong, c_ulonglong, c_void};
use std::ptr;

/// The service's functions, as far as they are used.
#[repr(C)]
pub struct SqlService {
    init: unsafe extern "C" fn(*mut c_void) -> *mut c_void,
    /// Takes the connection alone up to version 0x0102 of the service; later ones take host, user, database and flags too, which may
    /// all be null.
    connect_local:
        unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char, *const c_char, c_ulong) -> *mut c_void,
    real_connect: *const c_void,
    errno: unsafe extern "C" fn(*mut c_void) -> c_uint,
    error: unsafe extern "C" fn(*mut c_void) -> *const c_char,
    query: unsafe extern "C" fn(*mut c_void, *const c_char, c_ulong) -> c_int,
    affected: unsafe extern "C" fn(*mut c_void) -> c_ulonglong,
    num_rows: *const c_void,
    store: unsafe extern "C" fn(*mut c_void) -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void),
    fetch: unsafe extern "C" fn(*mut c_void) -> *const *const u8,
    close: unsafe extern "C" fn(*mut c_void),
    options: *const c_void,
    lengths: unsafe extern "C" fn(*mut c_void) -> *const c_ulong,
    set_charset: *const c_void,
    num_fields: unsafe extern "C" fn(*mut c_void) -> c_uint,
}

/// The service.
#[unsafe(no_mangle)]
pub static sql_service: Service<SqlService> = Service::version(0x0102);

/// A connection of the thread that made it. Closed when dropped.
pub struct Connection {
    service: &'static SqlService,
    raw: *mut c_void,
}

impl Connection {
    /// Connects the thread: to the server's state that is attached to it, or to a new one.
    ///
    /// # Errors
    /// The server refused.
    pub fn open() -> Result<Connection, HostError> {
        let Some(service) = sql_service.get() else {
            return Err(HostError::NoService("SQL"));
        };
        // SAFETY: a null pointer asks for a new connection object.
        let raw = unsafe { (service.init)(ptr::null_mut()) };
        if raw.is_null() {
            return Err(HostError::NoMemory);
        }
        let connection = Connection { service, raw };
        // SAFETY: a fresh connection object; see the field for the other arguments.
        let connected = unsafe { (service.connect_local)(raw, ptr::null(), ptr::null(), ptr::null(), 0) };
        if connected.is_null() {
            let error = connection.error();
            return Err(HostError::NoSession(Some(error.message)));
        }
        Ok(connection)
    }

    /// Runs a statement; rows go to `rows`, columns as it expects them. Returns the number of affected rows.
    ///
    /// # Errors
    /// The server's.
    pub fn query(&self, sql: &[u8], rows: &mut RowSet) -> Result<u64, SqlError> {
        let service = self.service;
        // SAFETY: the thread's own connection, and a text of that length.
        if unsafe { (service.query)(self.raw, sql.as_ptr().cast(), sql.len() as c_ulong) } != 0 {
            return Err(self.error());
        }
        // SAFETY: behind a statement that succeeded.
        let result = unsafe { (service.store)(self.raw) };
        if result.is_null() {
            // SAFETY: as above.
            return match unsafe { (service.errno)(self.raw) } {
                // SAFETY: as above.
                0 => Ok(unsafe { (service.affected)(self.raw) }),
                _ => Err(self.error()),
            };
        }
        let mut count = 0;
        // SAFETY: the result lives until it is freed; a row has a pointer and a length for each of its fields, null for NULL.
        unsafe {
            let fields = (service.num_fields)(result) as usize;
            loop {
                let row = (service.fetch)(result);
                if row.is_null() {
                    break;
                }
                let lengths = (service.lengths)(result);
                for i in 0..fields {
                    match (*row.add(i)).as_ref() {
                        Some(first) => {
                            rows.push_text(std::slice::from_raw_parts(first, *lengths.add(i) as usize));
                        }
                        None => rows.push_null(),
                    }
                }
                count += 1;
            }
            (service.free)(result);
        }
        Ok(count)
    }

    fn error(&self) -> SqlError {
        // SAFETY: the thread's own connection; the message is a NUL-terminated string inside it.
        let (code, text) = unsafe { ((self.service.errno)(self.raw), (self.service.error)(self.raw)) };
        let message = match text.is_null() {
            true => String::new(),
            // SAFETY: as above.
            false => unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned(),
        };
        SqlError { code, message }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: ours, and nobody uses it any more.
        unsafe { (self.service.close)(self.raw) };
    }
}
