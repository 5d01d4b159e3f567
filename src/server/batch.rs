//! Transactions that stay open across ticks, whose replies are out before their commit.

use super::stats::{Counter, Delta};
use crate::rows::{Error, Rows};
use crate::store::Store;

/// Commits what a batch holds open. Its replies are out already: a failure can only be logged and counted.
pub fn commit_open<R: Rows>(store: &mut Store<R>, stats: &mut Delta) {
    if let Err(error) = store.commit() {
        batch_failed(&error);
        stats.one(Counter::CommitFailures);
    }
}

/// Says what became of changes whose clients were answered before this commit failed.
pub fn batch_failed(error: &Error) {
    let outcome = if error.refuses_commit() { "nothing of it was stored" } else { "its outcome is unknown" };
    log::error!("DM1404: a batch whose clients were answered already failed to commit, {outcome}: {error}");
}
