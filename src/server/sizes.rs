//! How large the containers' tables were when somebody last asked. To find it out may take the host a while, so the reader of the
//! configuration does it, when it is asked, and whoever asks waits a moment only.

use crate::rows::TableSize;
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// How old an answer may be. Nobody asks, or waits, more often.
const FRESH: Duration = Duration::from_secs(1);

#[derive(Default)]
struct State {
    asked: Option<Instant>,
    found: TableSize,
}

/// The sum over all tables.
#[derive(Default)]
pub struct Sizes(Mutex<State>);

impl Sizes {
    /// Whether it is time to ask again; then it counts as asked.
    pub fn ask(&self) -> bool {
        let mut state = self.0.lock();
        let old = state.asked.is_none_or(|asked| asked.elapsed() >= FRESH);
        if old {
            state.asked = Some(Instant::now());
        }
        old
    }

    /// What was found last; nothing at first.
    pub fn found(&self) -> TableSize {
        self.0.lock().found
    }

    /// Remembers what was found.
    pub fn note(&self, found: TableSize) {
        self.0.lock().found = found;
    }
}
