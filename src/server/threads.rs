//! Starting threads: all of them block all signals, which belong to the host.

use crate::signals::SignalsBlocked;
use std::thread::JoinHandle;

/// Starts a thread that blocks all signals.
///
/// # Errors
/// The system has no more threads.
pub fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    without_signals(|| thread_builder(name).spawn(body))
}

/// A server's SQL layer counts on stacks of at least its variable `thread_stack`, 1 MiB by default.
const STACK_SIZE: usize = 8 << 20;

/// How every thread of the daemon is made.
pub(super) fn thread_builder(name: &str) -> std::thread::Builder {
    std::thread::Builder::new().name(name.into()).stack_size(STACK_SIZE)
}

/// Runs `start`, whose threads take no signals.
pub(super) fn without_signals<T>(start: impl FnOnce() -> T) -> T {
    let _blocked = SignalsBlocked::new();
    start()
}

/// Lets this thread's pauses end when they should: by default the system may add 50 microseconds to each.
pub(super) fn sleep_precisely() {
    const NANOSECONDS: libc::c_ulong = 1000;
    // SAFETY: the call has no pointers and concerns the calling thread alone.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, NANOSECONDS) };
}
