//! The bundled storage engine: InnoDB's rules, small, for tests without a server and as the embedded default.
//!
//! ```text
//!   table_api (C callback table)      sql, ffi
//!        │                               │
//!        │                          transaction      values
//!        └──────────► trx, scan ◄────────┘           encoded rows
//!                      │   │   │
//!        lock, mdl ◄───┘   │   └───► cache           who may, what is hot
//!                       storage ◄── catalog          what is durable
//! ```
//!
//! One [`Engine`] owns a data directory. Its transactions run on the threads of its callers; it has a thread that syncs
//! once a second, one that writes checkpoints (both `storage`), and fjall's worker. Handles of the callback table belong to one thread each,
//! everything else in here may be used from all.

mod alter;
mod cache;
mod catalog;
mod changes;
mod codec;
pub(crate) mod codes;
mod core;
mod datadir;
mod ddl_gate;
mod engine;
mod error;
mod fast_map;
pub mod ffi;
mod found;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod interrupt;
mod lock;
mod lock_wait;
mod mdl;
mod pages;
mod permissions;
mod prefetch;
mod scan;
mod shape;
mod span;
pub mod sql;
mod storage;
mod table;
mod table_api;
mod table_lock;
mod transaction;
mod trx;
mod types;
mod validate;
mod variables;
mod writes;

pub use engine::Engine;
pub use error::{Error, Result};
pub use table::Table;
pub use table_api::api;
pub use table_lock::{FrozenDdl, WriteLock};
pub use transaction::{Savepoint, Transaction};
pub use types::*;
