//! cas numbers: unique among workers and across restarts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Numbers a worker takes at a time, so that workers share no cache line per request.
const BLOCK: u64 = 1024;

/// A worker's supply of cas numbers. Numbers may be skipped, never repeated: the supply starts at the
/// microsecond of its making times 1024, and no server stores a thousand items per microsecond. A clock
/// that was set back by more than the time the daemon was down can repeat numbers.
#[derive(Debug)]
pub struct CasSource {
    shared: Arc<AtomicU64>,
    next: u64,
    end: u64,
}

impl CasSource {
    /// A new supply; clones share it.
    pub fn new() -> CasSource {
        let micros = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |d| d.as_micros() as u64);
        CasSource { shared: Arc::new(AtomicU64::new(micros.wrapping_mul(BLOCK))), next: 0, end: 0 }
    }

    /// The next number; never 0, which means "no cas number".
    pub fn take(&mut self) -> u64 {
        if self.next == self.end {
            self.next = self.shared.fetch_add(BLOCK, Ordering::Relaxed).max(1);
            self.end = self.next + BLOCK;
        }
        self.next += 1;
        self.next - 1
    }
}

impl Default for CasSource {
    fn default() -> Self {
        CasSource::new()
    }
}

impl Clone for CasSource {
    fn clone(&self) -> Self {
        CasSource { shared: Arc::clone(&self.shared), next: 0, end: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn workers_never_share_a_number() {
        let mut a = CasSource::new();
        let mut b = a.clone();
        let mut seen = HashSet::new();
        for _ in 0..3000 {
            assert!(seen.insert(a.take()) && seen.insert(b.take()));
        }
        assert!(CasSource::new().take() > 1 << 60, "numbers grow with the clock");
    }
}
