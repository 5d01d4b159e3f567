//! The MySQL client protocol in front of the bundled engine: the SQL end of `memcached-host`.
//!
//! ```text
//!   listener ─► connection ─┬─► login                  who is it
//!                           ├─► refengine::sql::Session ─► results ─┐
//!                           └─► prepared                            │
//!                     channel (packets) ◄───────────────────────────┘
//! ```
//!
//! Called by the host program through `ffi` (`include/sqlserver.h`). One thread accepts; each connection has a thread of its
//! own, because a statement may wait for a lock or a disk, at most `max_connections` of them. A connection is one
//! [`crate::refengine::sql::Session`]: when it ends, in whatever way, its transaction is rolled back.
//!
//! Written out here and not taken from a crate: the engine blocks, and the published servers of this protocol are
//! asynchronous; they would bring an async runtime, a TLS stack and a client's type system, some eighty crates, for a
//! protocol whose server side is what stands in this folder. What it speaks: protocol 4.1 with TLS, `mysql_native_password` and
//! `caching_sha2_password`, text and binary results, several statements in one query. What it does not: compression, cursors, LOAD DATA LOCAL.

mod channel;
mod connection;
mod error;
pub mod ffi;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod listener;
mod login;
mod methods;
mod prepared;
mod protocol;
mod results;
mod text;
mod tls;

pub use listener::{Config, Server};
