//! What is known of a worker's transaction beside its rows: what it may do, the batch that it is, and what is done or taken back with it.

use super::Batch;
use super::marks::{ItemVersion, Mark};
use crate::cache;

/// What a committed transaction does to memory.
pub(super) enum Effect {
    Put { container: u32, key: Vec<u8>, version: cache::Version, item: cache::NewItem },
    Remove { container: u32, key: Vec<u8> },
}

/// What is known of the transaction beside its rows.
pub(super) struct Transaction {
    /// Whether what is begun from now on may write, and whether what is open may.
    pub(super) read_write: bool,
    pub(super) writable: bool,
    pub(super) batch: Batch,
    /// Operations of the open transaction, and the Unix time at which it began.
    pub(super) operations: u64,
    pub(super) begun: i64,
    pub(super) journal: Vec<Effect>,
    /// What was noted before of versions that the open transaction marked.
    pub(super) marked: Vec<(ItemVersion, Mark)>,
}

impl Transaction {
    /// None is open yet.
    pub(super) fn new(batch: Batch) -> Transaction {
        Transaction {
            read_write: false,
            writable: false,
            batch,
            operations: 0,
            begun: 0,
            journal: Vec::new(),
            marked: Vec::new(),
        }
    }
}
