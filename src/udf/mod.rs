//! The memc_* functions for SQL: a client of memcached inside a database server.
//!
//! ```text
//!     server ─► exports ─► call ─► functions ─► client ─► connection ─► memcached
//!               (C names)  (rows)  (arguments)  (servers,  (wire)
//!                                                pools)
//! ```
//!
//! `CREATE FUNCTION memc_get RETURNS STRING SONAME 'daemon_memcached.so'` makes a server call `memc_get_init` once per
//! statement, `memc_get` per row and `memc_get_deinit` at the end. The client is one for the whole process: what
//! `memc_servers_set` says in one session holds for all, until the process ends. The functions neither need the plugin nor
//! know of it; both may be in use at once, even towards each other.
//!
//! No lock is held while a function waits for a server, and every wait has a bound and ends when the statement is killed.

pub mod behavior;
pub mod call;
mod client;
mod connection;
pub mod distribution;
mod error;
mod exports;
mod failure;
mod functions;
pub mod hash;
mod resolver;
mod server;
mod wire;

use std::sync::LazyLock;
use std::time::Instant;

/// Milliseconds since the first question, plus one.
fn clock() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_millis() as u64 + 1
}
