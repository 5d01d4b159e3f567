//! System variables (`daemon_memcached_option` and friends) and status variables.

use super::daemon::{DAEMON, listening};
use super::exported::Exported;
use crate::bindings::*;
use crate::boundary::{guard, text};
use crate::server::options::{Batch, OptionError, Settings as ServerSettings};
use crate::server::{Address, Shared};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, Ordering};
use std::time::Duration;

static OPTION: Exported<*mut c_char> = Exported::new(ptr::null_mut());
static ENGINE_LIB_NAME: Exported<*mut c_char> = Exported::new(ptr::null_mut());
static ENGINE_LIB_PATH: Exported<*mut c_char> = Exported::new(ptr::null_mut());
static AUTH: Exported<*mut c_char> = Exported::new(ptr::null_mut());
static R_BATCH_SIZE: Exported<u32> = Exported::new(1);
static W_BATCH_SIZE: Exported<u32> = Exported::new(1);
static ENABLE_BINLOG: Exported<c_char> = Exported::new(0);
static SKIP_INVALID: Exported<c_char> = Exported::new(0);
static CREATE_TABLES: Exported<c_char> = Exported::new(1);
static RELOAD: Exported<c_char> = Exported::new(0);
static SWEEP_INTERVAL: Exported<u32> = Exported::new(0);
static LOCK_WAIT_TIMEOUT: Exported<u32> = Exported::new(1);
static ALLOW_UNTESTED: Exported<c_char> = Exported::new(0);
static HANDLER_READS: Exported<c_char> = Exported::new(1);

/// The value of `daemon_memcached_expire_sweep_interval` that the supervisor passes on.
static SWEEP_WANTED: AtomicU32 = AtomicU32::new(0);

const fn head(flags: u32, name: &'static CStr, comment: &'static CStr) -> dm_sys_var {
    dm_sys_var {
        flags: (flags | dm_var_flags::DM_VAR_READONLY) as c_int,
        name: name.as_ptr(),
        comment: comment.as_ptr(),
        check: None,
        update: None,
    }
}

const fn string(
    name: &'static CStr,
    comment: &'static CStr,
    value: &'static Exported<*mut c_char>,
    default: *const c_char,
) -> dm_sys_var_str {
    let flags = dm_var_flags::DM_VAR_STR | dm_var_flags::DM_VAR_MEMALLOC;
    dm_sys_var_str { head: head(flags, name, comment), value: value.get(), def_val: default }
}

const fn number(
    name: &'static CStr,
    comment: &'static CStr,
    value: &'static Exported<u32>,
    max: u32,
) -> dm_sys_var_uint {
    let flags = dm_var_flags::DM_VAR_INT | dm_var_flags::DM_VAR_UNSIGNED;
    dm_sys_var_uint {
        head: head(flags, name, comment),
        value: value.get(),
        def_val: 1,
        min_val: 1,
        max_val: max,
        blk_sz: 0,
    }
}

static OPTION_VAR: Exported<dm_sys_var_str> = Exported::new(string(
    c"option",
    c"memcached's options, separated by spaces, e.g. -p 11211 -t 4",
    &OPTION,
    c"".as_ptr(),
));
static AUTH_VAR: Exported<dm_sys_var_str> = Exported::new(string(
    c"auth",
    c"off, or mysql: clients log in with accounts of the server, whose privileges on the containers' tables bind them",
    &AUTH,
    c"off".as_ptr(),
));
static ENGINE_LIB_NAME_VAR: Exported<dm_sys_var_str> = Exported::new(string(
    c"engine_lib_name",
    c"accepted for compatibility, unused",
    &ENGINE_LIB_NAME,
    c"innodb_engine.so".as_ptr(),
));
static ENGINE_LIB_PATH_VAR: Exported<dm_sys_var_str> =
    Exported::new(string(c"engine_lib_path", c"accepted for compatibility, unused", &ENGINE_LIB_PATH, ptr::null()));
static R_BATCH_SIZE_VAR: Exported<dm_sys_var_uint> =
    Exported::new(number(c"r_batch_size", c"reads after which a batch of reads ends", &R_BATCH_SIZE, 1 << 30));
static W_BATCH_SIZE_VAR: Exported<dm_sys_var_uint> = Exported::new(number(
    c"w_batch_size",
    c"writes after which a batch of writes is committed",
    &W_BATCH_SIZE,
    1 << 20,
));
static ENABLE_BINLOG_VAR: Exported<dm_sys_var_bool> = Exported::new(dm_sys_var_bool {
    head: head(dm_var_flags::DM_VAR_BOOL, c"enable_binlog", c"write the binary log where the host has one"),
    value: ENABLE_BINLOG.get(),
    def_val: 0,
});

static SKIP_INVALID_VAR: Exported<dm_sys_var_bool> = Exported::new(dm_sys_var_bool {
    head: head(
        dm_var_flags::DM_VAR_BOOL,
        c"skip_invalid_containers",
        c"leave out and log containers that break a rule, instead of refusing to start",
    ),
    value: SKIP_INVALID.get(),
    def_val: 0,
});
static CREATE_TABLES_VAR: Exported<dm_sys_var_bool> = Exported::new(dm_sys_var_bool {
    head: head(
        dm_var_flags::DM_VAR_BOOL,
        c"create_tables",
        c"create the tables of innodb_memcache where they are missing, in a server that lets plugins run SQL",
    ),
    value: CREATE_TABLES.get(),
    def_val: 1,
});
static LOCK_WAIT_TIMEOUT_VAR: Exported<dm_sys_var_uint> = Exported::new(number(
    c"lock_wait_timeout",
    c"seconds that a write waits for a lock, where the daemon has sessions of its own",
    &LOCK_WAIT_TIMEOUT,
    1 << 20,
));
static ALLOW_UNTESTED_VAR: Exported<dm_sys_var_bool> = Exported::new(dm_sys_var_bool {
    head: head(
        dm_var_flags::DM_VAR_BOOL,
        c"allow_untested_server",
        c"start on a server series that the plugin was not tested on, if its self-checks pass",
    ),
    value: ALLOW_UNTESTED.get(),
    def_val: 0,
});
static HANDLER_READS_VAR: Exported<dm_sys_var_bool> = Exported::new(dm_sys_var_bool {
    head: head(
        dm_var_flags::DM_VAR_BOOL,
        c"handler_reads",
        c"on MariaDB, read rows below SQL where the self-check at the start finds that this works",
    ),
    value: HANDLER_READS.get(),
    def_val: 1,
});
static RELOAD_VAR: Exported<dm_sys_var_bool> = Exported::new(dm_sys_var_bool {
    head: dm_sys_var {
        flags: dm_var_flags::DM_VAR_BOOL as c_int,
        name: c"reload_containers".as_ptr(),
        comment: c"ON reads the configuration tables again; the statement ends when that is done; stays OFF".as_ptr(),
        check: Some(reload_check),
        update: Some(keep_off),
    },
    value: RELOAD.get(),
    def_val: 0,
});
static SWEEP_INTERVAL_VAR: Exported<dm_sys_var_uint> = Exported::new(dm_sys_var_uint {
    head: dm_sys_var {
        flags: (dm_var_flags::DM_VAR_INT | dm_var_flags::DM_VAR_UNSIGNED) as c_int,
        name: c"expire_sweep_interval".as_ptr(),
        comment: c"seconds between two sweeps that delete expired rows, 0 for never".as_ptr(),
        check: None,
        update: Some(sweep_update),
    },
    value: SWEEP_INTERVAL.get(),
    def_val: 0,
    min_val: 0,
    max_val: 1 << 30,
    blk_sz: 0,
});

/// The server calls this for a client that sets the variable, without a lock of its own; only here may it wait and fail.
///
/// # Safety
/// `save` takes a boolean, `value` is the server's or null.
unsafe extern "C" fn reload_check(
    _thd: *mut c_void,
    _var: *mut dm_sys_var,
    save: *mut c_void,
    value: *mut c_void,
) -> c_int {
    guard(1, || {
        // SAFETY: the caller's promise.
        let Some(on) = (unsafe { boolean(value.cast()) }) else { return 1 };
        if !save.is_null() {
            // SAFETY: the caller's promise.
            unsafe { *save.cast::<c_char>() = c_char::from(on) };
        }
        if !on {
            return 0;
        }
        let Some(shared) = running() else {
            RELOAD_STATUS.set("the daemon does not run");
            return 1;
        };
        let reloaded = shared.reload();
        REFUSED.set(&shared.refused_containers());
        match reloaded {
            Ok(()) => {
                log::info!("DM1003: the containers were read again, as ordered");
                RELOAD_STATUS.set("done");
                0
            }
            Err(error) => {
                let sentence = error.to_string();
                log::warn!("DM1004: an order to read the containers again: {sentence}");
                RELOAD_STATUS.set(&sentence);
                shared.tell_client(&sentence);
                1
            }
        }
    })
}

/// What a client wants a boolean to be; `None` if that is none.
///
/// # Safety
/// `value` is null or the server's.
unsafe fn boolean(value: *mut dm_value) -> Option<bool> {
    const STRING: c_int = 0;
    // SAFETY: the caller's promise; the server's functions take its value and write where they are told.
    unsafe {
        let functions = value.as_ref()?;
        if functions.value_type?(value) == STRING {
            let (mut room, mut length) = ([0; 8], 8);
            let text = functions.val_str?(value, room.as_mut_ptr(), &mut length);
            if text.is_null() || length < 0 {
                return None;
            }
            let text = std::slice::from_raw_parts(text.cast::<u8>(), length as usize).to_ascii_lowercase();
            return match text.as_slice() {
                b"on" | b"true" | b"1" => Some(true),
                b"off" | b"false" | b"0" => Some(false),
                _ => None,
            };
        }
        let mut number = 0;
        match (functions.val_int?(value, &mut number), number) {
            (0, 0) => Some(false),
            (0, 1) => Some(true),
            _ => None,
        }
    }
}

/// The variable is an order, which was carried out: it keeps no value.
unsafe extern "C" fn keep_off(_thd: *mut c_void, _var: *mut dm_sys_var, _ptr: *mut c_void, _save: *const c_void) {}

/// # Safety
/// `ptr` points to the variable, `save` to the new value.
unsafe extern "C" fn sweep_update(_thd: *mut c_void, _var: *mut dm_sys_var, ptr: *mut c_void, save: *const c_void) {
    guard((), || {
        if !save.is_null() && !ptr.is_null() {
            // SAFETY: an unsigned variable and its new value.
            unsafe {
                let seconds = *save.cast::<u32>();
                *ptr.cast::<u32>() = seconds;
                SWEEP_WANTED.store(seconds, Ordering::Relaxed);
            }
        }
    });
}

/// All system variables, ended by null.
pub static SYSTEM: Exported<[*mut dm_sys_var; 15]> = Exported::new([
    OPTION_VAR.get().cast(),
    AUTH_VAR.get().cast(),
    ENGINE_LIB_NAME_VAR.get().cast(),
    ENGINE_LIB_PATH_VAR.get().cast(),
    R_BATCH_SIZE_VAR.get().cast(),
    W_BATCH_SIZE_VAR.get().cast(),
    ENABLE_BINLOG_VAR.get().cast(),
    SKIP_INVALID_VAR.get().cast(),
    CREATE_TABLES_VAR.get().cast(),
    RELOAD_VAR.get().cast(),
    SWEEP_INTERVAL_VAR.get().cast(),
    LOCK_WAIT_TIMEOUT_VAR.get().cast(),
    ALLOW_UNTESTED_VAR.get().cast(),
    HANDLER_READS_VAR.get().cast(),
    ptr::null_mut(),
]);

/// Values of the system variables.
pub struct Settings {
    /// The option string.
    pub option: String,
    /// What `daemon_memcached_auth` says, as it stands there.
    pub auth: String,
    /// What the server takes from variables.
    pub server: ServerSettings,
    /// What a MySQL server's sessions take.
    pub sessions: crate::host::mysql::SessionSettings,
}

impl Settings {
    /// Copies the variables.
    ///
    /// # Safety
    /// The server has set them and does not change them meanwhile, as it promises for read-only variables.
    pub unsafe fn read() -> Settings {
        // SAFETY: the caller's promise; a string is null or NUL-terminated.
        unsafe {
            let option = *OPTION.get();
            let sweep_interval = *SWEEP_INTERVAL.get();
            SWEEP_WANTED.store(sweep_interval, Ordering::Relaxed);
            Settings {
                option: text(option).unwrap_or_default().into_owned(),
                auth: text(*AUTH.get()).unwrap_or_default().into_owned(),
                server: ServerSettings {
                    batch: Batch { reads: *R_BATCH_SIZE.get(), writes: *W_BATCH_SIZE.get() },
                    skip_invalid_containers: *SKIP_INVALID.get() != 0,
                    create_tables: *CREATE_TABLES.get() != 0,
                    sweep_interval,
                    accounts: false,
                },
                sessions: crate::host::mysql::SessionSettings {
                    binlog: *ENABLE_BINLOG.get() != 0,
                    lock_wait_timeout: *LOCK_WAIT_TIMEOUT.get(),
                    allow_untested: *ALLOW_UNTESTED.get() != 0,
                    handler_reads: *HANDLER_READS.get() != 0,
                },
            }
        }
    }

    /// Takes `daemon_memcached_auth` over.
    ///
    /// # Errors
    /// It is something else than it can be: what guards access is never guessed.
    pub fn with_auth(mut self) -> Result<Settings, OptionError> {
        self.server.accounts = match self.auth.to_ascii_lowercase().as_str() {
            "" | "off" => false,
            "mysql" => true,
            _ => return Err(OptionError::Auth(self.auth)),
        };
        Ok(self)
    }

    /// Says what a DBA may not expect of these settings on this host.
    pub fn warn(&self, host_has_binlog: bool) {
        match (self.sessions.binlog, host_has_binlog) {
            (true, false) => {
                log::warn!("DM1005: daemon_memcached_enable_binlog has no effect: this host has no binary log")
            }
            (false, true) => log::warn!(
                "DM1006: daemon_memcached_enable_binlog is OFF: what memcached clients write is not in the binary log and not on replicas"
            ),
            _ => {}
        }
    }
}

/// Status variables that are numbers: the name that SHOW STATUS knows, then memcached's.
const NUMBERS: [(&CStr, &str); 12] = [
    (c"Daemon_memcached_uptime", "uptime"),
    (c"Daemon_memcached_threads", "threads"),
    (c"Daemon_memcached_curr_connections", "curr_connections"),
    (c"Daemon_memcached_total_connections", "total_connections"),
    (c"Daemon_memcached_rejected_connections", "rejected_connections"),
    (c"Daemon_memcached_cmd_get", "cmd_get"),
    (c"Daemon_memcached_cmd_set", "cmd_set"),
    (c"Daemon_memcached_get_hits", "get_hits"),
    (c"Daemon_memcached_get_misses", "get_misses"),
    (c"Daemon_memcached_bytes_read", "bytes_read"),
    (c"Daemon_memcached_bytes_written", "bytes_written"),
    (c"Daemon_memcached_commits", "commits"),
];

static VALUES: [AtomicI64; NUMBERS.len()] = [const { AtomicI64::new(0) }; NUMBERS.len()];

/// Bytes that a text can hold, its NUL included; servers show no more of it.
const TEXT_SIZE: usize = 1024;

/// A status variable that is text. The server may read it at any time: its last byte is always NUL.
struct Text([AtomicU8; TEXT_SIZE]);

impl Text {
    const fn new() -> Text {
        Text([const { AtomicU8::new(0) }; TEXT_SIZE])
    }

    /// Changes the text; what does not fit is cut.
    fn set(&self, text: &str) {
        let bytes = text.bytes().chain(std::iter::repeat(0));
        for (slot, byte) in self.0[..TEXT_SIZE - 1].iter().zip(bytes) {
            slot.store(byte, Ordering::Relaxed);
        }
    }
}

static LISTENING: Text = Text::new();
/// What became of the last order to reload, empty before the first.
static RELOAD_STATUS: Text = Text::new();
/// Containers that serve nobody, and why.
static REFUSED: Text = Text::new();

/// How rows are read by key.
static READS: Text = Text::new();

const TEXTS: [(&CStr, &Text); 4] = [
    (c"Daemon_memcached_listening", &LISTENING),
    (c"Daemon_memcached_reads", &READS),
    (c"Daemon_memcached_reload_status", &RELOAD_STATUS),
    (c"Daemon_memcached_refused_containers", &REFUSED),
];

/// All status variables, ended by a zeroed one.
pub static STATUS: Exported<[dm_show_var; NUMBERS.len() + TEXTS.len() + 1]> = Exported::new({
    const END: dm_show_var = dm_show_var { name: ptr::null(), value: ptr::null_mut(), type_: 0, scope: 0 };
    let mut all = [END; NUMBERS.len() + TEXTS.len() + 1];
    let mut i = 0;
    while i < NUMBERS.len() {
        all[i] = dm_show_var {
            name: NUMBERS[i].0.as_ptr(),
            value: VALUES[i].as_ptr().cast(),
            type_: dm_show_type::DM_SHOW_LONGLONG as c_int,
            scope: 1,
        };
        i += 1;
    }
    while i < NUMBERS.len() + TEXTS.len() {
        let (name, text) = TEXTS[i - NUMBERS.len()];
        all[i] = dm_show_var {
            name: name.as_ptr(),
            value: text.0.as_ptr().cast_mut().cast(),
            type_: dm_show_type::DM_SHOW_CHAR as c_int,
            scope: 1,
        };
        i += 1;
    }
    all
});

/// Passes changed variables on and copies the daemon's statistics to where the server reads them.
pub fn observe(shared: &Shared) {
    REFUSED.set(&shared.refused_containers());
    shared.set_sweep_interval(SWEEP_WANTED.load(Ordering::Relaxed));
    shared.general(&mut |name, value| {
        if let Some(i) = NUMBERS.iter().position(|(_, known)| *known == name) {
            VALUES[i].store(value.parse().unwrap_or(0), Ordering::Relaxed);
        }
    });
}

/// The daemon, if it runs; it may stop meanwhile.
fn running() -> Option<Arc<Shared>> {
    let daemon = DAEMON.try_lock_for(Duration::from_secs(1))?;
    daemon.as_ref()?.server.as_ref().map(|server| Arc::clone(server.shared()))
}

/// Everything to zero, as before the first INSTALL.
pub fn reset_status() {
    VALUES.iter().for_each(|value| value.store(0, Ordering::Relaxed));
    TEXTS.iter().for_each(|(_, text)| text.set(""));
}

/// Shows the addresses, and how rows are read, in SHOW STATUS.
pub fn publish(addresses: &[Address], reads: &str) {
    READS.set(reads);
    LISTENING.set(&listening(addresses));
}
