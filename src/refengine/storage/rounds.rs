//! Rounds of commits: what is gathered for the next, and what became of those before.

use super::record::Records;
use crate::refengine::error::{Error, Result};
use std::collections::HashMap;

/// The round that is being filled, and what became of those before.
#[derive(Default)]
pub(super) struct Rounds {
    /// Its number.
    pub(super) round: u64,
    pub(super) records: Records,
    /// Transactions in it.
    pub(super) members: usize,
    /// One of them wants to be on disk.
    pub(super) sync: bool,
    /// One of them wants to be with the operating system.
    pub(super) write: bool,
    /// Rounds below this one are decided.
    pub(super) decided: u64,
    /// Somebody is writing a round.
    pub(super) leading: bool,
    /// Rounds that failed, with the number of members who do not know yet.
    pub(super) failed: HashMap<u64, (usize, Error)>,
    /// Empty, kept for its memory.
    pub(super) idle: Records,
}

impl Rounds {
    pub(super) fn result(&mut self, round: u64) -> Result<()> {
        let Some((left, error)) = self.failed.get_mut(&round) else { return Ok(()) };
        let error = error.clone();
        *left -= 1;
        if *left == 0 {
            self.failed.remove(&round);
        }
        Err(error)
    }
}
