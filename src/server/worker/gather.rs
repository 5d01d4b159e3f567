//! Waiting for company before an expensive commit.
//!
//! When a commit takes long, most of it a sync of some log, the clients it answered come back one after another while the next tick
//! already runs: it would commit for the first few of them and make the others wait for a whole commit more. A worker whose last
//! commit took long therefore waits for as many connections as that one answered, for at most half the time that it took, and only as
//! long as more of them keep coming. It reads from those that came already meanwhile.

use super::Worker;
use crate::server::tick::TickSummary;
use mio::Events;
use std::time::{Duration, Instant};

/// Where fewer connections wrote, nobody is waited for: a lone writer gains nothing, and readers beside it would lose.
const WRITERS_MIN: usize = 8;

/// Longest wait.
const WAIT_MAX: Duration = Duration::from_millis(1);

/// Pause between two looks at the poller.
const PAUSE: Duration = Duration::from_micros(20);

/// Looks in a row that bring nobody before nobody is waited for.
const LOOKS: u32 = 4;

impl Worker<'_> {
    /// Lets more connections become `ready`, if the last commit says that it pays.
    pub(super) fn gather(&mut self, last: TickSummary, events: &mut Events, ready: &mut Vec<usize>) {
        if !last.waited() || last.writers < WRITERS_MIN {
            return;
        }
        let until = Instant::now() + (last.commit / 2).min(WAIT_MAX);
        let mut idle = 0;
        while ready.len() < last.writers && idle < LOOKS && Instant::now() < until && !self.shared.stopping() {
            std::thread::sleep(PAUSE);
            if self.poll.poll(events, Some(Duration::ZERO)).is_err() {
                return;
            }
            for event in &*events {
                self.note(event);
            }
            let before = ready.len();
            self.read_sockets(ready);
            idle = if ready.len() > before { 0 } else { idle + 1 };
        }
    }
}
