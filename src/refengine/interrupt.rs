//! KILL: a flag that ends what a thread waits for.
//!
//! A session lends its flag to the thread that runs its statement; waits for locks on rows and tables look at the flag of their own thread.
//! Whoever sets the flag wakes nobody, so a wait that can be interrupted looks again every [`LOOK`].

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The longest time between KILL and the end of a wait.
const LOOK: Duration = Duration::from_millis(100);

thread_local! {
    static FLAG: RefCell<Option<Arc<AtomicBool>>> = const { RefCell::new(None) };
}

/// While it lives, its thread's waits end when the flag is set.
pub(crate) struct Interruptible(Option<Arc<AtomicBool>>);

impl Interruptible {
    pub(crate) fn by(flag: Arc<AtomicBool>) -> Interruptible {
        Interruptible(FLAG.replace(Some(flag)))
    }
}

impl Drop for Interruptible {
    fn drop(&mut self) {
        FLAG.set(self.0.take());
    }
}

/// Whether this thread's statement was killed.
pub(crate) fn is_interrupted() -> bool {
    FLAG.with_borrow(|flag| flag.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed)))
}

/// How long to wait before looking at the flag again.
pub(crate) fn next_look(deadline: Instant) -> Instant {
    let watched = FLAG.with_borrow(Option::is_some);
    if watched { deadline.min(Instant::now() + LOOK) } else { deadline }
}
