//! The steady clock as ticks read it: one number, because a tick compares and subtracts its moments several times.

use std::time::Duration;

/// A moment of the steady clock of the system, in nanoseconds since some time before the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// This moment.
    ///
    /// # Panics
    /// The system has no such clock; nothing that waits or expires could be trusted then.
    pub fn now() -> Moment {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: writes only to the local.
        let code = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
        assert!(code == 0, "the steady clock cannot be read");
        Moment((time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64))
    }

    /// Nanoseconds from an earlier moment to this one; 0 if it is not earlier.
    pub fn since(self, earlier: Moment) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Time from this moment to now.
    pub fn elapsed(self) -> Duration {
        Duration::from_nanos(Moment::now().since(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn moments_follow_each_other_as_the_clock_of_the_standard_library() {
        let (outer, begun) = (Instant::now(), Moment::now());
        let inner = Instant::now();
        while inner.elapsed() < Duration::from_millis(1) {}
        let (ended, within) = (Moment::now(), begun.elapsed());
        let passed = Duration::from_nanos(ended.since(begun));
        assert!(Duration::from_millis(1) <= passed && passed <= within && within <= outer.elapsed());
        assert!(begun < ended);
        assert_eq!(begun.since(ended), 0);
    }
}
