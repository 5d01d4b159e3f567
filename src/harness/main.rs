//! `memcached-host` is a C program: its `main` is in `host_main.c`, which build.rs links in.
//!
//! Rust's part is the engine behind `include/refengine.h` and what makes a line for a users file. No Rust code calls
//! these functions, so they are named here for the linker, which would leave them out. Their addresses are all that is used.

#![no_main]

use daemon_memcached as _;

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
    refengine_reply_columns
    refengine_reply_row
    refengine_reply_error
    sqlserver_start
    sqlserver_port
    sqlserver_stop
}
