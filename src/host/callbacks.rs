//! Hosts that bring C functions: the bundled host (through its service symbol) and C embedders (`dm_config`).

use super::HostError;
use crate::bindings::{DM_SYNC_BUCKETS, dm_config, dm_host_service};
use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr;

/// Severity of a log line, in the host's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Severity {
    /// Something failed.
    Error = 1,
    /// Something is odd.
    Warning = 2,
    /// Something happened.
    Note = 3,
}

/// Buckets in which a host counts its syncs: bucket `i` has those that took less than 2^(15 + i) ns, the last all that took longer.
pub const SYNC_BUCKETS: usize = DM_SYNC_BUCKETS as usize;

/// The host's functions. Each may be missing.
#[derive(Clone, Copy)]
pub struct Callbacks {
    arg: *mut c_void,
    log: Option<unsafe extern "C" fn(*mut c_void, c_int, *const c_char)>,
    init_error: Option<unsafe extern "C" fn(*mut c_void, *const c_char)>,
    is_shutting_down: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
    attach: Option<unsafe extern "C" fn(*mut c_void, *mut *mut c_void) -> c_int>,
    detach: Option<unsafe extern "C" fn(*mut c_void, *mut c_void)>,
    lock_wait_restart: Option<unsafe extern "C" fn(*mut c_void)>,
    sync_times: Option<unsafe extern "C" fn(*mut c_void, *mut u64, *mut u64)>,
}

// SAFETY: both headers say that the functions may be called from any thread with `arg`.
unsafe impl Send for Callbacks {}
// SAFETY: as above.
unsafe impl Sync for Callbacks {}

impl Callbacks {
    /// No functions: lines go nowhere.
    pub const NONE: Callbacks = Callbacks {
        arg: ptr::null_mut(),
        log: None,
        init_error: None,
        is_shutting_down: None,
        attach: None,
        detach: None,
        lock_wait_restart: None,
        sync_times: None,
    };

    /// The functions of a server whose side of them is in this library.
    pub(super) fn new(
        log: unsafe extern "C" fn(*mut c_void, c_int, *const c_char),
        init_error: unsafe extern "C" fn(*mut c_void, *const c_char),
        is_shutting_down: unsafe extern "C" fn(*mut c_void) -> c_int,
        attach: unsafe extern "C" fn(*mut c_void, *mut *mut c_void) -> c_int,
        detach: unsafe extern "C" fn(*mut c_void, *mut c_void),
    ) -> Callbacks {
        Callbacks {
            arg: ptr::null_mut(),
            log: Some(log),
            init_error: Some(init_error),
            is_shutting_down: Some(is_shutting_down),
            attach: Some(attach),
            detach: Some(detach),
            lock_wait_restart: None,
            sync_times: None,
        }
    }

    /// The functions of a C embedder; valid as long as its daemon runs.
    pub fn of_config(config: &dm_config) -> Callbacks {
        Callbacks {
            arg: config.arg,
            log: config.log,
            init_error: None,
            is_shutting_down: config.is_shutting_down,
            attach: config.thread_attach,
            detach: config.thread_detach,
            lock_wait_restart: config.lock_wait_restart,
            sync_times: None,
        }
    }

    /// The functions of the bundled host; valid until deinit.
    pub fn of_service(service: &dm_host_service) -> Callbacks {
        Callbacks {
            arg: service.arg,
            log: service.log,
            init_error: service.init_error,
            is_shutting_down: service.is_shutting_down,
            attach: service.thread_attach,
            detach: service.thread_detach,
            lock_wait_restart: service.lock_wait_restart,
            sync_times: service.sync_times,
        }
    }

    /// One line for the host's log.
    pub fn log(&self, severity: Severity, line: &str) {
        if let Some(log) = self.log {
            let line = c_line(line);
            // SAFETY: the host's function, its argument, a NUL-terminated string.
            unsafe { log(self.arg, severity as c_int, line.as_ptr()) };
        }
    }

    /// The reason why the plugin does not start, for the client that asked for it.
    pub fn init_error(&self, message: &str) {
        if let Some(init_error) = self.init_error {
            let message = c_line(message);
            // SAFETY: as for `log`.
            unsafe { init_error(self.arg, message.as_ptr()) };
        }
    }

    /// From here to the next call on this thread, the waits of its transactions for locks end together, where the host knows how.
    pub fn lock_wait_restart(&self) {
        if let Some(restart) = self.lock_wait_restart {
            // SAFETY: the host's function and its argument.
            unsafe { restart(self.arg) };
        }
    }

    /// How long syncs of the host's logs took, by bucket, and nanoseconds of all together; `None`: it does not tell.
    pub(super) fn sync_times(&self) -> Option<([u64; SYNC_BUCKETS], u64)> {
        let ask = self.sync_times?;
        let (mut counts, mut nanoseconds) = ([0; SYNC_BUCKETS], 0);
        // SAFETY: the host's function and its argument; as many entries as the header says.
        unsafe { ask(self.arg, counts.as_mut_ptr(), &mut nanoseconds) };
        Some((counts, nanoseconds))
    }

    pub(super) fn is_shutting_down(&self) -> bool {
        match self.is_shutting_down {
            // SAFETY: the host's function and its argument.
            Some(ask) => unsafe { ask(self.arg) != 0 },
            None => false,
        }
    }

    pub(super) fn attach(&self) -> Result<*mut c_void, HostError> {
        let mut state = ptr::null_mut();
        let Some(attach) = self.attach else { return Ok(state) };
        // SAFETY: the host's function, its argument, a writable pointer.
        match unsafe { attach(self.arg, &mut state) } {
            0 => Ok(state),
            code => Err(HostError::Thread("the host", code)),
        }
    }

    pub(super) fn detach(&self, state: *mut c_void) {
        if let Some(detach) = self.detach {
            // SAFETY: the host's function, its argument and what its attach left.
            unsafe { detach(self.arg, state) };
        }
    }
}

fn c_line(line: &str) -> CString {
    CString::new(line.replace(['\0', '\n', '\r'], " ")).unwrap_or_default()
}
