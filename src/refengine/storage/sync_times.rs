//! How long the syncs of the redo log took.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets of the histogram.
pub const BUCKETS: usize = 20;

/// The first bucket ends at this power of two, in nanoseconds: 33 us. Each further one is twice as long, and the last has no end.
const LOWEST: u32 = 15;

/// A histogram; syncs come from several threads.
#[derive(Debug, Default)]
pub struct SyncTimes {
    counts: [AtomicU64; BUCKETS],
    nanoseconds: AtomicU64,
}

impl SyncTimes {
    /// A sync took this long.
    pub fn add(&self, time: Duration) {
        let nanoseconds = time.as_nanos() as u64;
        let bucket = (nanoseconds >> LOWEST).checked_ilog2().map_or(0, |log| log as usize + 1);
        if let Some(count) = self.counts.get(bucket).or(self.counts.last()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Number of syncs.
    pub fn total(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Syncs by bucket, and nanoseconds of all.
    pub fn told(&self) -> ([u64; BUCKETS], u64) {
        let mut counts = [0; BUCKETS];
        for (told, count) in counts.iter_mut().zip(&self.counts) {
            *told = count.load(Ordering::Relaxed);
        }
        (counts, self.nanoseconds.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_bucket_that_ends_behind_it() {
        let times = SyncTimes::default();
        for (nanoseconds, bucket) in
            [(0, 0), ((1 << 15) - 1, 0), (1 << 15, 1), ((1 << 16) - 1, 1), (1 << 16, 2), (1 << 33, 19), (u64::MAX, 19)]
        {
            let before = times.told().0[bucket];
            times.add(Duration::from_nanos(nanoseconds));
            assert_eq!(times.told().0[bucket], before + 1, "{nanoseconds}");
        }
        assert_eq!(times.total(), 7);
    }
}
