//! Figures: CPU and waits of operations, medians of runs, memory, and how they are printed.

use std::time::{Duration, Instant};

/// Runs of which a figure is the median.
const RUNS: usize = 5;

#[derive(Clone, Copy)]
pub struct Figure {
    pub cpu: Duration,
    pub wall: Duration,
}

pub struct Sample {
    pub cpu: Duration,
    pub wall: Instant,
}

impl Sample {
    pub fn now() -> Sample {
        Sample { cpu: cpu(), wall: Instant::now() }
    }

    pub fn per(&self, operations: u64) -> Figure {
        let per = |whole: Duration| Duration::from_nanos((whole.as_nanos() / u128::from(operations)) as u64);
        // Nanoseconds are too coarse for none of the rows: the quickest takes hundreds of them.
        Figure { cpu: per(cpu() - self.cpu), wall: per(self.wall.elapsed()) }
    }
}

pub fn measure(operations: u64, mut operation: impl FnMut(u64)) -> Figure {
    let start = Sample::now();
    (0..operations).for_each(&mut operation);
    start.per(operations)
}

pub fn median(run: impl FnMut() -> Figure) -> Figure {
    median_of(RUNS, run)
}

pub fn median_of(runs: usize, mut run: impl FnMut() -> Figure) -> Figure {
    let mut figures: Vec<Figure> = (0..runs).map(|_| run()).collect();
    figures.sort_by_key(|figure| figure.cpu);
    figures[runs / 2]
}

/// CPU time of all threads of this process.
pub fn cpu() -> Duration {
    usage(libc::RUSAGE_SELF)
}

/// CPU time of this thread.
pub fn own_cpu() -> Duration {
    usage(libc::RUSAGE_THREAD)
}

fn usage(whose: libc::c_int) -> Duration {
    // SAFETY: all zeroes is a valid value, and the call fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(whose, &mut usage), 0);
        usage
    };
    let time = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    time(usage.ru_utime) + time(usage.ru_stime)
}

pub fn status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field is there");
    line.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).expect("a number") * 1024
}

pub fn resident() -> u64 {
    status("VmRSS:")
}

pub fn peak() -> u64 {
    status("VmHWM:")
}

pub fn report(name: &str, figure: Figure, goal: &str) {
    println!("{name:<58} {:>12} {:>12}  {goal}", text(figure.cpu), text(figure.wall));
}

pub fn text(time: Duration) -> String {
    match time.as_nanos() {
        0..10_000 => format!("{} ns", time.as_nanos()),
        10_000..1_000_000 => format!("{:.1} us", time.as_secs_f64() * 1e6),
        1_000_000..1_000_000_000 => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        _ => format!("{:.2} s", time.as_secs_f64()),
    }
}

/// How long each of many operations took.
#[derive(Default)]
pub struct Waits(pub Vec<Duration>);

impl Waits {
    pub fn time(&mut self, operation: impl FnOnce()) {
        let start = Instant::now();
        operation();
        self.0.push(start.elapsed());
    }

    pub fn report(mut self, what: &str, goal: &str) {
        self.0.sort_unstable();
        let part = |share: usize| text(self.0[(self.0.len() * share / 1000).min(self.0.len() - 1)]);
        let name = format!("{what}: median, p99; longest");
        println!("{name:<58} {:>12} {:>12}  {}  {goal}", part(500), part(990), part(1000));
    }
}

/// Reads of files that this thread asked for. To ask is some reads itself, each time as many.
pub fn reads() -> u64 {
    counter("/proc/thread-self/io", "syscr: ")
}

/// Bytes that the process wrote to files.
pub fn written() -> u64 {
    counter("/proc/self/io", "wchar: ")
}

fn counter(file: &str, name: &str) -> u64 {
    let io = std::fs::read_to_string(file).expect("this is Linux");
    let line = io.lines().find_map(|line| line.strip_prefix(name)).expect("the field is there");
    line.parse().expect("a number")
}

pub fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
