//! The supervisor: the thread that looks at the host's flags, files and deadlines.

use super::mailbox::Mailbox;
use super::shared::Shared;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Time between two looks at files that may have changed.
const LOOK_AT_FILES: Duration = Duration::from_secs(1);

/// Called by the supervisor with the daemon's state, ten times a second.
pub type Observer = Box<dyn Fn(&Shared) + Send>;

/// Watches the host and the clock, so that the workers need no timers.
pub fn supervise(shared: &Shared, mailboxes: &[Arc<Mailbox>], acceptor: &mio::Waker, observer: Option<Observer>) {
    let (mut swept, mut looked) = (Instant::now(), Instant::now());
    while !shared.stopping() {
        if let Some(observe) = &observer {
            observe(shared);
        }
        std::thread::park_timeout(Duration::from_millis(100));
        shared.follow_clock();
        if shared.host.is_shutting_down() {
            shared.stop.store(true, Ordering::Relaxed);
            shared.wake_all(mailboxes, acceptor);
        }
        if shared.host.sessions_were_killed() {
            shared.wake_all(mailboxes, acceptor);
        }
        if shared.batches() && shared.somebody_waits() {
            shared.commit_batches();
        }
        if looked.elapsed() >= LOOK_AT_FILES {
            looked = Instant::now();
            if let Some(logins) = &shared.logins {
                logins.follow_file();
            }
            if let Some(tls) = &shared.tls {
                tls.follow_files();
            }
        }
        let interval = u64::from(shared.sweep_interval.load(Ordering::Relaxed));
        let sweep = interval > 0 && swept.elapsed() >= Duration::from_secs(interval);
        if sweep {
            swept = Instant::now();
            shared.sweep.store(true, Ordering::Relaxed);
        }
        if (sweep || shared.flush_is_due())
            && let Some(first) = mailboxes.first()
        {
            first.wake();
        }
    }
}
