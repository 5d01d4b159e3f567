//! Starting threads: all of them block all signals, which belong to the host.

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

/// Signals that say where a thread went wrong; a host that reports crashes wants to see them.
const CRASHES: [libc::c_int; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT];

/// Runs `start` with all signals blocked but those of a crash: a thread inherits the mask of its maker, which gets its own back.
pub(super) fn without_signals<T>(start: impl FnOnce() -> T) -> T {
    // SAFETY: both sets live on this stack.
    unsafe {
        let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&mut all);
        for signal in CRASHES {
            libc::sigdelset(&mut all, signal);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let started = start();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        started
    }
}
