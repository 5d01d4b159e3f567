//! The bundled storage engine. (map follows with the bodies)

mod engine;
mod error;
pub(crate) mod guard;
mod table;
mod trx;
mod types;

pub use engine::Engine;
pub use error::{Error, Result};
pub use table::Table;
pub use trx::{Savepoint, Transaction};
pub use types::*;

/// The callback table of the process's open engine.
pub fn api() -> &'static crate::bindings::ib_cb_t {
    todo!()
}
