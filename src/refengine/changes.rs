//! How often rows of each table were changed by SQL, for who keeps copies of rows and changes them through the callback table.

use std::hash::{DefaultHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that tables share: who looks at one may be told of a change that was another table's, and misses none of its own.
const COUNTERS: usize = 256;

/// See the module.
pub(crate) struct Changes(Box<[AtomicU64]>);

impl Default for Changes {
    fn default() -> Changes {
        Changes((0..COUNTERS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Changes {
    /// The counter of `database/table`.
    pub(crate) fn of(&self, path: &[u8]) -> &AtomicU64 {
        let mut hasher = DefaultHasher::new();
        hasher.write(path);
        &self.0[hasher.finish() as usize % COUNTERS]
    }

    /// Rows of a table have changed: called when they have, before anybody is told.
    pub(crate) fn note(&self, path: &[u8]) {
        self.of(path).fetch_add(1, Ordering::Release);
    }
}
