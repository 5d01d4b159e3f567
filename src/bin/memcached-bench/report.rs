//! Adding up: medians over the rounds, the table, the page and the chart.

use std::fmt::Write;
use std::fs;

use crate::client::Sample;
use crate::machine::{Cpu, describe};
use crate::options::Options;
use crate::peers::Server;
use crate::workload::Workload;

/// The figures of one stretch on one server.
pub struct Round {
    operations: u64,
    rate: f64,
    /// p50, p99 and p99.9 of the round trip, in microseconds.
    round_trip: [f64; 3],
    /// Microseconds of CPU time per operation.
    cpu: f64,
    user_ticks: u64,
    system_ticks: u64,
}

impl Round {
    /// `start` and `end` are the server's CPU time at the ends of the stretch.
    pub fn new(mut sample: Sample, start: Cpu, end: Cpu) -> Round {
        sample.round_trips.sort_unstable();
        let last = sample.round_trips.len().saturating_sub(1) as f64;
        let quantile = |q: f64| sample.round_trips.get((last * q) as usize).map_or(f64::NAN, |&n| f64::from(n) / 1e3);
        let operations = sample.operations;
        Round {
            operations,
            rate: operations as f64 / sample.seconds,
            round_trip: [quantile(0.5), quantile(0.99), quantile(0.999)],
            cpu: (end.total - start.total) as f64 / 1e3 / operations as f64,
            user_ticks: end.user_ticks - start.user_ticks,
            system_ticks: end.system_ticks - start.system_ticks,
        }
    }
}

/// One workload on one server.
#[derive(Default)]
pub struct Cell {
    /// In the order they ran.
    pub rounds: Vec<Round>,
    /// Nanoseconds of CPU time the server used between its stretches: warm-up, and what it does behind the replies.
    pub background: u64,
}

impl Cell {
    fn median(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(figure).collect())
    }

    /// Median over the rounds of this cell's CPU per operation to the other's in the same round.
    fn ratio(&self, base: &Cell) -> f64 {
        median(self.rounds.iter().zip(&base.rounds).map(|(a, b)| a.cpu / b.cpu).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

type Rows = [(Workload, Vec<Cell>)];

const COLUMNS: [&str; 10] = [
    "workload",
    "server",
    "ops/s",
    "spread",
    "p50 us",
    "p99 us",
    "p99.9 us",
    "CPU us/op",
    "user + system",
    "x memcached",
];

fn table(servers: &[Server], rows: &Rows) -> Vec<Vec<String>> {
    let mut lines = vec![COLUMNS.map(str::to_owned).to_vec()];
    let base = servers.iter().position(|s| s.name == "memcached");
    for (workload, cells) in rows {
        for (server, cell) in servers.iter().zip(cells) {
            let rate = cell.median(|r| r.rate);
            let (low, high) = cell.rounds.iter().fold((f64::MAX, 0.0f64), |(l, h), r| (l.min(r.rate), h.max(r.rate)));
            let cpu = cell.median(|r| r.cpu);
            let user: u64 = cell.rounds.iter().map(|r| r.user_ticks).sum();
            let system: u64 = cell.rounds.iter().map(|r| r.system_ticks).sum();
            let share = user as f64 / (user + system) as f64;
            let split = if user + system < 10 {
                "too short".to_owned()
            } else {
                format!("{:.2} + {:.2}", cpu * share, cpu * (1.0 - share))
            };
            let ratio = base.and_then(|b| cells.get(b)).map_or("-".to_owned(), |b| format!("{:.2}", cell.ratio(b)));
            let mut line = vec![workload.name.to_owned(), server.name.clone(), format!("{rate:.0}")];
            line.push(format!("{:.0} %", (high - low) / rate * 100.0));
            line.extend(
                [0, 1, 2].map(|q| format!("{:.0}", cell.median(|r| r.round_trip.get(q).copied().unwrap_or(0.0)))),
            );
            line.extend([format!("{cpu:.2}"), split, ratio]);
            lines.push(line);
        }
    }
    lines
}

/// The table in aligned columns.
pub fn print(servers: &[Server], rows: &Rows) {
    let lines = table(servers, rows);
    let width = |at: usize| lines.iter().filter_map(|l| l.get(at)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    for line in &lines {
        let cells = line.iter().zip(&widths).enumerate();
        let text: Vec<String> =
            cells.map(|(i, (c, w))| if i < 2 { format!("{c:<w$}") } else { format!("{c:>w$}") }).collect();
        println!("{}", text.join("  "));
    }
}

/// Writes the page and the chart into `docs/` of the current folder.
pub fn write(options: &Options, servers: &[Server], rows: &Rows) -> Result<(), String> {
    fs::create_dir_all("docs").map_err(|e| format!("docs: {e}"))?;
    let save = |path: &str, text: String| fs::write(path, text).map_err(|e| format!("{path}: {e}"));
    save("docs/performance.md", page(options, servers, rows))?;
    save("docs/performance.svg", chart(servers, rows))
}

fn page(options: &Options, servers: &[Server], rows: &Rows) -> String {
    let mut text = String::from("# Performance\n![CPU per operation relative to memcached](performance.svg)\n\n");
    let _ = writeln!(text, "One interleaved run of every server, each reply checked.\n\n- machine: {}", describe());
    for server in servers.iter().filter(|s| !s.version.is_empty()) {
        let _ = writeln!(text, "- {}: {}", server.name, server.version);
    }
    let _ = writeln!(
        text,
        "- command: `cargo run --release --features bench --bin memcached-bench -- {}`\n- {} rounds of {} s, {} keys, {} \
         worker thread(s); servers on core 0, client on core 1; values of 100 bytes, `4k`: 4096\n\n\
         In names, `p` is the requests a connection sends before it waits, `c` the connections; `mget50` counts each key. \
         The machine ran other work at the same time: trust CPU per operation and its ratio (median of the rounds' \
         ratios) before rates and round trips, and those not at all where the spread is wide. A round trip is that of a whole batch. user and \
         system are split by the kernel's clock ticks over all rounds. `host-level1` has every set on disk before its \
         reply, `redis-always` too; the others do not.\n",
        options.line,
        options.rounds,
        options.seconds.as_secs_f64(),
        options.keys,
        options.threads
    );
    for (i, line) in table(servers, rows).iter().enumerate() {
        let _ = writeln!(text, "| {} |", line.join(" | "));
        if i == 0 {
            let _ = writeln!(text, "|---|---|{}", "--:|".repeat(COLUMNS.len() - 2));
        }
    }
    text.push_str(
        "\nCPU that servers spent outside the measured stretches (warm-up, last replies, work behind the replies), ms per \
         1000 measured operations:\n\n| workload |",
    );
    servers.iter().for_each(|s| text.push_str(&format!(" {} |", s.name)));
    let _ = writeln!(text, "\n|---|{}", "--:|".repeat(servers.len()));
    for (workload, cells) in rows {
        let _ = write!(text, "| {} |", workload.name);
        for cell in cells {
            let operations: u64 = cell.rounds.iter().map(|r| r.operations).sum();
            let _ = write!(text, " {:.2} |", cell.background as f64 / 1e3 / operations as f64);
        }
        text.push('\n');
    }
    text
}

const COLOURS: [&str; 5] = ["#8a8a8a", "#1f6f8b", "#4fb0c6", "#c1666b", "#e4b363"];

fn chart(servers: &[Server], rows: &Rows) -> String {
    let base = servers.iter().position(|s| s.name == "memcached");
    let (bar, left, scale) = (9, 130, 110.0);
    let group = bar * servers.len() + 10;
    let height = 50 + group * rows.len();
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"760\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"760\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"8\" y=\"16\" font-size=\"13\">CPU per operation, memcached = 1</text>\n"
    );
    let colour = |at: usize| COLOURS.get(at % COLOURS.len()).copied().unwrap_or("black");
    for (at, server) in servers.iter().enumerate() {
        let x = 8 + at * 120;
        let _ = writeln!(text, "<rect x=\"{x}\" y=\"24\" width=\"10\" height=\"10\" fill=\"{}\"/>", colour(at));
        let _ = writeln!(text, "<text x=\"{}\" y=\"33\">{}</text>", x + 14, server.name);
    }
    for (row, (workload, cells)) in rows.iter().enumerate() {
        let top = 46 + row * group;
        let _ = writeln!(text, "<text x=\"8\" y=\"{}\">{}</text>", top + group / 2, workload.name);
        for (at, cell) in cells.iter().enumerate() {
            let ratio = base.and_then(|b| cells.get(b)).map_or(f64::NAN, |b| cell.ratio(b));
            if !ratio.is_finite() {
                continue;
            }
            // Longer bars are cut; the number says how long they are.
            let (y, width) = (top + at * bar, (ratio * scale).min(560.0));
            let fill = colour(at);
            let _ = writeln!(
                text,
                "<rect x=\"{left}\" y=\"{y}\" width=\"{width:.0}\" height=\"{}\" fill=\"{fill}\"/>",
                bar - 1
            );
            let x = left as f64 + width + 4.0;
            let _ = writeln!(text, "<text x=\"{x:.0}\" y=\"{}\" font-size=\"9\">{ratio:.2}</text>", y + bar - 1);
        }
    }
    text.push_str("</svg>\n");
    text
}
