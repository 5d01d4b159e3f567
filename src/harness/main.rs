//! `memcached-host` is a C program: its `main` is in `host_main.c`, which build.rs links in.
//!
//! Rust's part is the engine behind `include/refengine.h` and what makes a line for a users file. No Rust code calls
//! these functions, so they are named here for the linker, which would leave them out. Their addresses are all that is used.

#![no_main]

use std::ffi::{CString, c_char, c_int};

use daemon_memcached::host::log_sink;

unsafe extern "C" {
    /// `util.c`.
    fn log_line(level: c_int, format: *const c_char, ...);
}

/// What the engine logs goes to the program's error log.
struct ErrorLog;

impl log::Log for ErrorLog {
    fn enabled(&self, metadata: &log::Metadata) -> bool {
        metadata.target().starts_with("daemon_memcached") || metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = match record.level() {
            log::Level::Error => 1,
            log::Level::Warn => 2,
            _ => 3,
        };
        let Ok(text) = CString::new(log_sink::line(record).replace('\0', " ")) else { return };
        // SAFETY: the format takes one string, which lives for the call.
        unsafe { log_line(level, c"%s".as_ptr(), text.as_ptr()) };
    }

    fn flush(&self) {}
}

/// Runs before `main`, which is C's.
#[used]
#[unsafe(link_section = ".init_array")]
static INSTALL_LOG: extern "C" fn() = {
    extern "C" fn install() {
        static LOG: ErrorLog = ErrorLog;
        if log::set_logger(&LOG).is_ok() {
            log::set_max_level(log::LevelFilter::Info);
        }
    }
    install
};

macro_rules! keep {
    ($($name:ident)*) => {
        unsafe extern "C" {
            $(fn $name();)*
        }
        #[used]
        static KEEP: &[unsafe extern "C" fn()] = &[$($name),*];
    };
}

keep! {
    dm_users_line
    refengine_open
    refengine_close
    refengine_api
    refengine_session_open
    refengine_session_close
    refengine_execute
    refengine_last_errno
    refengine_last_sqlstate
    refengine_last_error
    refengine_last_line
    refengine_set_host
    refengine_sync_times
    refengine_reply_columns
    refengine_reply_row
    refengine_reply_error
    refengine_statement_killed
    refengine_statement_fail
    sqlserver_start
    sqlserver_port
    sqlserver_reload
    sqlserver_stop
}
