//! What the checkpoint's thread is told, and tells.

use crate::refengine::error::Error;
use parking_lot::{Condvar, Mutex};
use std::time::Duration;

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
    pub(super) pace: Pace,
}

/// Commits that come faster than checkpoints end would meet a full memory table at last, and one of them would wait for a whole
/// checkpoint. They are held up little by little instead, each for what it brings, as fast as the last checkpoint was.
#[derive(Default)]
pub(super) struct Pace {
    /// How long the last checkpoint took.
    pub(super) last: Duration,
    /// Bytes of the generation when somebody was asked to wait last.
    seen: u64,
}

impl Pace {
    /// How long who commits now has to wait. `memory`: bytes in the active generation while a full one of `full` bytes is written out.
    pub(super) fn wait(&mut self, memory: u64, full: u64) -> Option<Duration> {
        // To wait for less costs more than it gives.
        const LEAST: Duration = Duration::from_millis(1);
        const MOST: Duration = Duration::from_millis(100);
        let grown = memory.saturating_sub(self.seen.max(full));
        let wait = self.last.mul_f64(grown as f64 / full as f64);
        // The first time in a generation, what came before does not count.
        if memory < self.seen {
            self.seen = memory;
            return None;
        }
        (wait >= LEAST).then(|| {
            self.seen = memory;
            wait.min(MOST)
        })
    }
}

impl Checkpoint {
    pub(super) fn stop(&self) {
        self.state.lock().stop = true;
        self.wake.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_generation_fills_no_faster_than_the_first_is_written() {
        let mut pace = Pace { last: Duration::from_secs(1), seen: 0 };
        let (full, each) = (1_000_000, 1000);
        let mut waited = Duration::ZERO;
        for memory in (0..2 * full).step_by(each) {
            let wait = pace.wait(memory, full).unwrap_or_default();
            assert!(memory > full || wait.is_zero(), "the first generation's worth is free");
            assert!(wait <= Duration::from_millis(2), "nobody waits for others");
            waited += wait;
        }
        assert!(waited > Duration::from_millis(990) && waited <= Duration::from_secs(1), "{waited:?}");
        // The next generation.
        assert_eq!(pace.wait(10, full), None);
        assert_eq!(pace.wait(full + 100, full), None);
        assert!(pace.wait(full + full / 100, full).is_some());
    }

    #[test]
    fn one_large_commit_does_not_wait_long() {
        let mut pace = Pace { last: Duration::from_secs(20), seen: 0 };
        assert_eq!(pace.wait(1900, 1000), Some(Duration::from_millis(100)));
    }
}
