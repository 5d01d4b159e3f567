//! How long requests take in here, by command, and how long commits take.
//!
//! A tick's requests are answered together, so they take the same time: from the moment at which the worker woke up for the tick
//! to the moment at which the replies of their phase were handed to the system, the commit included. The clock is read twice a
//! tick, as it is for other reasons too, and a third time where a tick has both phases. What a request waited in its socket
//! while the worker was busy with the tick before is not in it, nor is the network.
//!
//! Histograms are log-linear: eight buckets for each doubling, so a quantile is at most an eighth above the truth.

use super::clock::Moment;
use crate::protocol::Operation;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The commands that are told apart.
pub const COMMANDS: [&str; 6] = ["get", "set", "delete", "incr", "touch", "other"];
/// What has a histogram: the commands, and behind them the commits.
pub const SERIES: usize = COMMANDS.len() + 1;
const COMMIT: usize = COMMANDS.len();

/// The first bucket ends above this power of two, in nanoseconds, and the last one begins below that one, at 34 s.
const LOWEST: u32 = 10;
const HIGHEST: u32 = 35;
/// Buckets of a doubling: a power of two of this many.
const FINE: u32 = 3;
const BUCKETS: usize = ((HIGHEST - LOWEST) << FINE) as usize;

/// The name of a series.
pub fn name(series: usize) -> &'static str {
    COMMANDS.get(series).copied().unwrap_or("commit")
}

fn command(operation: &Operation<'_>) -> usize {
    match operation {
        Operation::Get(_) => 0,
        Operation::Store(_) | Operation::Oversized { .. } => 1,
        Operation::Delete(_) => 2,
        Operation::Arith(_) => 3,
        Operation::Touch { .. } => 4,
        _ => 5,
    }
}

/// The bucket of a time.
fn bucket(nanoseconds: u64) -> usize {
    let time = nanoseconds.clamp(1 << LOWEST, (1 << HIGHEST) - 1);
    let exponent = time.ilog2();
    let fine = (time >> (exponent - FINE)) & ((1 << FINE) - 1);
    (u64::from((exponent - LOWEST) << FINE) + fine) as usize
}

/// The time at which a bucket ends, in nanoseconds.
fn end(bucket: usize) -> u64 {
    let (exponent, fine) = (LOWEST + (bucket as u32 >> FINE), bucket as u64 & ((1 << FINE) - 1));
    ((1 << FINE) + fine + 1) << (exponent - FINE)
}

/// What a tick answered.
#[derive(Debug, Default)]
pub struct Tally {
    reads: [u32; COMMANDS.len()],
    writes: [u32; COMMANDS.len()],
    /// The end of the read phase where a write phase followed.
    read: Option<Moment>,
    commits: Vec<Duration>,
}

impl Tally {
    /// A request was answered in the read phase.
    #[inline]
    pub fn read(&mut self, operation: &Operation<'_>) {
        self.reads[command(operation)] += 1;
    }

    /// A request was answered in the write phase.
    #[inline]
    pub fn wrote(&mut self, operation: &Operation<'_>) {
        self.writes[command(operation)] += 1;
    }

    /// The read phase is over and a write phase follows.
    pub fn turn(&mut self) {
        if self.reads.iter().any(|count| *count > 0) {
            self.read = Some(Moment::now());
        }
    }

    /// A commit took this long.
    pub fn committed(&mut self, time: Duration) {
        self.commits.push(time);
    }
}

/// One histogram; it has one writer.
#[derive(Debug)]
struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    nanoseconds: AtomicU64,
}

impl Histogram {
    const fn new() -> Histogram {
        Histogram { buckets: [const { AtomicU64::new(0) }; BUCKETS], nanoseconds: AtomicU64::new(0) }
    }

    fn add(&self, time: u64, count: u64) {
        // One writer: a plain load and store lose nothing and cost no locked instruction.
        let add = |cell: &AtomicU64, n: u64| {
            cell.store(cell.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
        };
        add(&self.buckets[bucket(time)], count);
        add(&self.nanoseconds, time.wrapping_mul(count));
    }
}

/// A worker's histograms.
#[derive(Debug)]
pub struct Latencies([Histogram; SERIES]);

impl Latencies {
    /// All empty.
    pub const fn new() -> Latencies {
        Latencies([const { Histogram::new() }; SERIES])
    }

    /// Adds what a tick answered that `woke` at one moment and `ended` at another; only the owning worker calls this.
    pub fn publish(&self, tally: &mut Tally, woke: Moment, ended: Moment) {
        let since = |moment: Moment| moment.since(woke);
        let ended = since(ended);
        let read = tally.read.take().map_or(ended, since);
        for (counts, time) in [(&mut tally.reads, read), (&mut tally.writes, ended)] {
            for (histogram, count) in self.0.iter().zip(counts) {
                if *count > 0 {
                    histogram.add(time, u64::from(std::mem::take(count)));
                }
            }
        }
        for time in tally.commits.drain(..) {
            self.0[COMMIT].add(time.as_nanos() as u64, 1);
        }
    }
}

/// A series of all workers.
#[derive(Debug, Clone)]
pub struct Series {
    buckets: Vec<u64>,
    nanoseconds: u64,
}

/// What all workers counted, or where they stood at the last reset.
#[derive(Debug, Clone)]
pub struct Snapshot(Vec<Series>);

impl Snapshot {
    /// The sum of all workers.
    pub fn of<'w>(workers: impl Iterator<Item = &'w Latencies> + Clone) -> Snapshot {
        let series = |at: usize| {
            let all = workers.clone().map(move |worker| &worker.0[at]);
            let cell = |i: usize| all.clone().map(|h| h.buckets[i].load(Ordering::Relaxed)).sum();
            Series {
                buckets: (0..BUCKETS).map(cell).collect(),
                nanoseconds: all.clone().map(|h| h.nanoseconds.load(Ordering::Relaxed)).fold(0, u64::wrapping_add),
            }
        };
        Snapshot((0..SERIES).map(series).collect())
    }

    /// What was counted since `earlier`.
    pub fn since(mut self, earlier: Option<&Snapshot>) -> Snapshot {
        for (now, then) in self.0.iter_mut().zip(earlier.iter().flat_map(|earlier| &earlier.0)) {
            now.nanoseconds = now.nanoseconds.wrapping_sub(then.nanoseconds);
            now.buckets.iter_mut().zip(&then.buckets).for_each(|(now, then)| *now -= then);
        }
        self
    }

    /// Each series with its name.
    pub fn series(&self) -> impl Iterator<Item = (&'static str, &Series)> {
        self.0.iter().enumerate().map(|(at, series)| (name(at), series))
    }
}

impl Series {
    /// How many times were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Their sum, in seconds.
    pub fn seconds(&self) -> f64 {
        self.nanoseconds as f64 / 1e9
    }

    /// The time below which this share of them lies, in nanoseconds; 0 without any.
    pub fn quantile(&self, share: f64) -> u64 {
        let wanted = (self.count() as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let found = self.buckets.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        found.map_or(0, end)
    }

    /// How many took less than each power of two, as (seconds, count), rising; the last bucket has no end.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let mut below = 0;
        let octaves = self.buckets.chunks(1 << FINE).enumerate().take((HIGHEST - LOWEST - 1) as usize);
        octaves.map(move |(octave, counts)| {
            below += counts.iter().sum::<u64>();
            ((1u64 << (LOWEST + 1 + octave as u32)) as f64 / 1e9, below)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_rise_and_end_where_the_next_begins() {
        assert_eq!(bucket(0), 0);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        for at in 0..BUCKETS {
            assert_eq!(bucket(end(at) - 1), at);
            assert_eq!(bucket(end(at)), (at + 1).min(BUCKETS - 1));
        }
    }

    #[test]
    fn quantiles_are_at_most_an_eighth_above_the_truth() {
        let worker = Latencies::new();
        for time in 1..=1000 {
            worker.0[0].add(time * 10_000, 1);
        }
        let snapshot = Snapshot::of(std::iter::once(&worker));
        let (_, gets) = snapshot.series().next().unwrap();
        for (share, truth) in [(0.5, 5_000_000), (0.9, 9_000_000), (0.99, 9_900_000), (1.0, 10_000_000)] {
            let told = gets.quantile(share);
            assert!(truth <= told && told <= truth + truth / 8, "{share}: {told} for {truth}");
        }
        assert_eq!((gets.count(), gets.seconds()), (1000, 5.005));
        assert_eq!(gets.cumulative().last().unwrap().1, 1000);
        let since = snapshot.clone().since(Some(&snapshot));
        assert!(since.series().all(|(_, series)| series.count() == 0 && series.quantile(0.5) == 0));
    }
}
