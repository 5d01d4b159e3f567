//! What the checkpoint's thread is told, and tells.

use crate::refengine::error::Error;
use parking_lot::{Condvar, Mutex};

/// What the checkpoint's thread is told.
#[derive(Default)]
pub(super) struct Checkpoint {
    pub(super) state: Mutex<State>,
    /// There is work, or the end has come.
    pub(super) wake: Condvar,
    /// A checkpoint is over.
    pub(super) done: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    /// A generation is frozen; log files up to this number go with it.
    pub(super) pending: Option<u64>,
    /// The disk was full when it was tried last.
    pub(super) stalled: Option<Error>,
    /// Somebody has waited for it in vain.
    pub(super) late: bool,
    pub(super) stop: bool,
}

impl Checkpoint {
    pub(super) fn stop(&self) {
        self.state.lock().stop = true;
        self.wake.notify_all();
    }
}
