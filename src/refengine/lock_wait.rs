//! How long a thread's transactions wait for locks: each wait by itself or, where a host says so, all waits of a tick together.

use std::cell::Cell;
use std::time::{Duration, Instant};

#[derive(Clone, Copy)]
enum Waits {
    /// Each wait may take as long as its transaction allows.
    Each,
    /// The next one sets the end of all of them.
    Fresh,
    /// All end here.
    Until(Instant),
}

thread_local! {
    static WAITS: Cell<Waits> = const { Cell::new(Waits::Each) };
}

/// From here to the next call, the waits of this thread end together: when the first of them would have to.
pub(crate) fn restart() {
    WAITS.set(Waits::Fresh);
}

/// When a wait that begins now and may take `timeout` by itself ends.
pub(crate) fn deadline(timeout: Duration) -> Instant {
    match WAITS.get() {
        Waits::Each => Instant::now() + timeout,
        Waits::Until(end) => end,
        Waits::Fresh => {
            let end = Instant::now() + timeout;
            WAITS.set(Waits::Until(end));
            end
        }
    }
}
