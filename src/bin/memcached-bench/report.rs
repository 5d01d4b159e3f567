//! Adding up: medians over the rounds, the table, the page and the chart.

use std::fmt::Write;
use std::fs;

use crate::chart::{self, Group, Style};
use crate::client::Sample;
use crate::goals;
use crate::machine::{Cpu, describe};
use crate::options::Options;
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
    per_sync: f64,
    held: Held,
}

/// What the stage of `--pool` looks at beside the replies; not a number where nobody can tell.
#[derive(Clone, Copy)]
pub struct Held {
    /// Microseconds of CPU time per operation, with everything the server did until it was idle again.
    pub whole: f64,
    /// Reads of files per operation.
    pub reads: f64,
    /// MiB in memory at the end.
    pub resident: f64,
    /// MiB of that in no file.
    pub own: f64,
    /// The most MiB in memory until then.
    pub peak: f64,
    /// That to the size of the pool.
    pub peak_to_pool: f64,
    /// Bytes in memory at the end for each row of the table.
    pub per_row: f64,
}

impl Held {
    const UNKNOWN: Held = Held {
        whole: f64::NAN,
        reads: f64::NAN,
        resident: f64::NAN,
        own: f64::NAN,
        peak: f64::NAN,
        peak_to_pool: f64::NAN,
        per_row: f64::NAN,
    };
}

impl Round {
    /// Operations per second.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Microseconds of CPU time per operation; not a number where nobody can read it.
    pub fn cpu(&self) -> f64 {
        self.cpu
    }

    /// Acknowledged sets for each sync of the server's log; not a number where nobody counts them.
    pub fn per_sync(&self) -> f64 {
        self.per_sync
    }

    /// The 99th of 100 round trips, in microseconds.
    pub fn p99(&self) -> f64 {
        let [_, p99, _] = self.round_trip;
        p99
    }

    /// The 50th of 100 round trips, in microseconds.
    pub fn p50(&self) -> f64 {
        let [p50, ..] = self.round_trip;
        p50
    }

    /// What `--pool` saw beside.
    pub fn held(&self) -> Held {
        self.held
    }

    /// The same round of `--pool`; `others`: nanoseconds of CPU time that were not the operations'.
    pub fn beside(self, others: f64, held: Held) -> Round {
        Round { cpu: self.cpu - others / 1e3 / self.operations as f64, held, ..self }
    }

    /// `used`: the server's CPU time at the ends of the stretch, where it can be read.
    /// `per_sync`: sets for each sync of the log, if known.
    pub fn new(mut sample: Sample, used: Option<(Cpu, Cpu)>, per_sync: f64) -> Round {
        sample.round_trips.sort_unstable();
        let last = sample.round_trips.len().saturating_sub(1) as f64;
        let quantile = |q: f64| sample.round_trips.get((last * q) as usize).map_or(f64::NAN, |&n| f64::from(n) / 1e3);
        let operations = sample.operations;
        Round {
            operations,
            rate: operations as f64 / sample.seconds,
            round_trip: [quantile(0.5), quantile(0.99), quantile(0.999)],
            cpu: used.map_or(f64::NAN, |(start, end)| (end.total - start.total) as f64 / 1e3 / operations as f64),
            user_ticks: used.map_or(0, |(start, end)| end.user_ticks - start.user_ticks),
            system_ticks: used.map_or(0, |(start, end)| end.system_ticks - start.system_ticks),
            per_sync,
            held: Held::UNKNOWN,
        }
    }
}

/// One workload on one server.
pub struct Cell {
    /// The server's name.
    pub server: String,
    /// In the order they ran; none when the server does not know the requests.
    pub rounds: Vec<Round>,
    /// Nanoseconds of CPU time the server used between its stretches: warm-up, and what it does behind the replies.
    pub background: u64,
}

impl Cell {
    /// The median of a figure over the rounds; not a number when there are none.
    pub fn median(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(figure).collect())
    }

    /// Median over the rounds of this cell's figure to the other's in the same round.
    pub fn ratio(&self, base: &Cell, figure: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().zip(&base.rounds).map(|(a, b)| figure(a) / figure(b)).collect())
    }
}

/// One workload on every server that took part.
pub struct Row {
    /// What was asked.
    pub workload: Workload,
    /// In the order of the servers.
    pub cells: Vec<Cell>,
}

impl Row {
    /// The cell of a server.
    pub fn cell(&self, server: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.server == server)
    }

    /// A cell's CPU time relative to memcached's; not a number where there is no such thing.
    fn to_memcached(&self, cell: &Cell) -> f64 {
        self.cell("memcached").map_or(f64::NAN, |base| cell.ratio(base, Round::cpu))
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

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

fn table(rows: &[Row]) -> Vec<Vec<String>> {
    let mut lines = vec![COLUMNS.map(str::to_owned).to_vec()];
    for row in rows {
        for cell in &row.cells {
            let mut line = vec![row.workload.name.to_owned(), cell.server.clone()];
            if cell.rounds.is_empty() {
                line.resize(COLUMNS.len(), "-".to_owned());
                lines.push(line);
                continue;
            }
            let rate = cell.median(Round::rate);
            let (low, high) = cell.rounds.iter().fold((f64::MAX, 0.0f64), |(l, h), r| (l.min(r.rate), h.max(r.rate)));
            line.extend([format!("{rate:.0}"), format!("{:.0} %", (high - low) / rate * 100.0)]);
            let trip = |q| format!("{:.0}", cell.median(|r| r.round_trip.get(q).copied().unwrap_or(0.0)));
            line.extend([0, 1, 2].map(trip));
            if row.workload.writers > 0 || !cell.median(Round::cpu).is_finite() {
                // With writers its CPU time is theirs, too.
                line.resize(COLUMNS.len(), "-".to_owned());
            } else {
                line.extend(cpu_columns(row, cell));
            }
            lines.push(line);
        }
    }
    lines
}

/// CPU time per operation, its split and its ratio.
fn cpu_columns(row: &Row, cell: &Cell) -> [String; 3] {
    let cpu = cell.median(Round::cpu);
    let user: u64 = cell.rounds.iter().map(|r| r.user_ticks).sum();
    let system: u64 = cell.rounds.iter().map(|r| r.system_ticks).sum();
    let share = user as f64 / (user + system) as f64;
    let split = if user + system < 10 {
        "too short".to_owned()
    } else {
        format!("{:.2} + {:.2}", cpu * share, cpu * (1.0 - share))
    };
    let ratio = row.to_memcached(cell);
    [format!("{cpu:.2}"), split, if ratio.is_finite() { format!("{ratio:.2}") } else { "-".to_owned() }]
}

/// The table in aligned columns.
pub fn print(rows: &[Row]) {
    let lines = table(rows);
    let width = |at: usize| lines.iter().filter_map(|l| l.get(at)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    for line in &lines {
        let cells = line.iter().zip(&widths).enumerate();
        let text: Vec<String> =
            cells.map(|(i, (c, w))| if i < 2 { format!("{c:<w$}") } else { format!("{c:>w$}") }).collect();
        println!("{}", text.join("  "));
    }
}

/// What the pages tell of the servers: name and version of each.
pub type Versions = Vec<(String, String)>;

/// Writes the page, and the chart where there is one, into `docs/` of the current folder.
pub fn write(options: &Options, versions: &Versions, rows: &[Row]) -> Result<(), String> {
    fs::create_dir_all("docs").map_err(|e| format!("docs: {e}"))?;
    let save = |path: &str, text: String| {
        let old = fs::read_to_string(path).unwrap_or_default();
        let kept = old.find(POOL).or_else(|| old.find(BY_HAND)).map_or("", |at| &old[at..]);
        fs::write(path, text + kept).map_err(|e| format!("{path}: {e}"))
    };
    if options.mariadb {
        let path = "docs/mariadb.md";
        let old = fs::read_to_string(path).unwrap_or_default();
        let text = with_part(&old, SPEED, &mariadb_speed(options, versions, rows));
        return fs::write(path, text).map_err(|e| format!("{path}: {e}"));
    }
    if options.mysql.is_some() {
        return save("docs/mysql.md", mysql_page(options, versions, rows));
    }
    save("docs/performance.md", page(options, versions, rows))?;
    save("docs/performance.svg", chart(rows))
}

/// A page with another part under a heading; the rest stays. Where there is no such heading yet, it comes before what was written by hand.
fn with_part(old: &str, heading: &str, part: &str) -> String {
    let (before, behind) = match old.split_once(heading) {
        Some((before, rest)) => (before, &rest[rest.find("\n## ").unwrap_or(rest.len())..]),
        None => old.split_at(old.find(BY_HAND).unwrap_or(old.len())),
    };
    [before, heading, part, behind].concat()
}

/// Writes what `--pool` found into its part of `docs/performance.md`, and leaves the others.
pub fn write_pool(section: &str) -> Result<(), String> {
    let path = "docs/performance.md";
    fs::create_dir_all("docs").map_err(|e| format!("docs: {e}"))?;
    let old = fs::read_to_string(path).unwrap_or_default();
    fs::write(path, with_part(&old, POOL, section)).map_err(|e| format!("{path}: {e}"))
}

/// Machine, versions and command line.
pub fn conditions(options: &Options, versions: &Versions) -> String {
    let mut text = format!("One interleaved run of every server, each reply checked.\n\n- machine: {}\n", describe());
    for (name, version) in versions.iter().filter(|(_, version)| !version.is_empty()) {
        let _ = writeln!(text, "- {name}: {version}");
    }
    let _ = writeln!(
        text,
        "- command: `cargo run --release --features bench --bin memcached-bench -- {}`\n- {} rounds of {} s, {} keys, {} \
         worker thread(s); servers on core 0, client on core 1; values of 100 bytes, `4k`: 4096\n",
        options.line.trim_end(),
        options.rounds,
        options.seconds.as_secs_f64(),
        options.keys,
        options.threads
    );
    text
}

/// What a page has from this heading on was written by hand, and stays.
const BY_HAND: &str = "\n## Where the time goes\n";

/// Where the part of `--pool` begins; it ends where the part by hand begins.
const POOL: &str = "\n## Data larger than the pool\n";

/// Of the stages that say how many workers the plugin has.
const WORKERS: &str = "With `-sync` the plugin has 4 workers, its default.";

/// Where the measured part of `docs/mariadb.md` begins.
const SPEED: &str = "\n## Speed\n";

const READING: &str = "In names, `p` is the requests a connection sends before it waits, `c` the connections; `mget50` \
     counts each key. The machine may have run other work at the same time: trust CPU per operation and its ratio (median \
     of the rounds' ratios) before rates and round trips, and those not at all where the spread is wide. A round trip is \
     that of a whole batch. user and system are split by the kernel's clock ticks over all rounds.";

fn page(options: &Options, versions: &Versions, rows: &[Row]) -> String {
    let mut text = String::from("# Performance\n![CPU per operation relative to memcached](performance.svg)\n\n");
    text.push_str(&conditions(options, versions));
    let _ = writeln!(
        text,
        "{READING} `host-level1` has every set on disk before its reply, `redis-always` and `mariadb-level1` too; the \
         others do not. `bare-loop` (`benches/bare-loop`) only parses and answers from a fixed table: the least that a server \
         can do here. `host-2-workers` is `host-level2` with two worker threads, on the same core. MariaDB is asked with \
         prepared statements, one at a time per connection in every row. `-writer`: gets while another connection sets at \
         full speed, `-alone` the same without it.\n"
    );
    text.push_str(&markdown(rows));
    text.push_str("\n## Goals\n");
    text.push_str(&goals::markdown(&goals::PERFORMANCE, rows));
    text.push_str(&behind(rows));
    let _ = write!(text, "\n## Syncs\nBy the server's status variable `Innodb_os_log_fsyncs`.\n\n{}", syncs(rows));
    text
}

fn mysql_page(options: &Options, versions: &Versions, rows: &[Row]) -> String {
    let mut text = String::from("# The plugin in MySQL, measured\n");
    text.push_str(&conditions(options, versions));
    let _ = writeln!(
        text,
        "{READING}\n\n`plugin` is memcached's protocol, `sql` are prepared statements over TCP on the same rows of the same \
         mysqld, autocommit: `SELECT c2 FROM t WHERE c1 = ?` (`mget50`: `IN` of 50), and for a set `INSERT ... ON DUPLICATE \
         KEY UPDATE c2 = ?, c4 = c4 + 1`. One of them runs at a time. Clients of SQL wait for each answer, so `sql` has one \
         statement in flight per connection in every row. `varbinary` and `utf8mb4` (utf8mb4_0900_ai_ci) are the type of \
         the key. {WORKERS} The server is started anew for each of:\n"
    );
    for stage in &crate::workload::MYSQL {
        let names: Vec<String> = stage.workloads.iter().map(|w| format!("`{}`", w.name)).collect();
        let _ = writeln!(text, "- {}: `{}`", names.join(", "), stage.options.join(" "));
    }
    text.push_str("\n## Goals\n");
    text.push_str(&goals::markdown(&goals::MYSQL, rows));
    text.push_str("\n## Figures\n");
    text.push_str(&markdown(rows));
    text.push_str(&behind(rows));
    let _ = write!(text, "\n## Syncs\nBy the server's status variable `Innodb_os_log_fsyncs`.\n\n{}", syncs(rows));
    text
}

fn mariadb_speed(options: &Options, versions: &Versions, rows: &[Row]) -> String {
    let mut text = conditions(options, versions);
    let _ = writeln!(
        text,
        "{READING}\n\nThe rows are those of [mysql.md](mysql.md), with utf8mb4_general_ci for `utf8mb4`; in `-by-sql` the daemon reads \
         by SQL, with `{}`. {WORKERS}\n\n### Goals",
        crate::workload::BY_SQL.options.join(" ")
    );
    text.push_str(&goals::markdown(&goals::MARIADB, rows));
    text.push_str("\n### Figures\n");
    text.push_str(&markdown(rows));
    text
}

fn markdown(rows: &[Row]) -> String {
    let mut text = String::new();
    for (i, line) in table(rows).iter().enumerate() {
        let _ = writeln!(text, "| {} |", line.join(" | "));
        if i == 0 {
            let _ = writeln!(text, "|---|---|{}", "--:|".repeat(COLUMNS.len() - 2));
        }
    }
    text
}

/// How many sets shared a sync of the log, where the server counts them.
pub fn syncs(rows: &[Row]) -> String {
    let mut text = String::from("| workload | server | acknowledged sets per sync of the log |\n|---|---|--:|\n");
    for row in rows {
        for cell in &row.cells {
            let sets = cell.median(Round::per_sync);
            if sets.is_finite() {
                let _ = writeln!(text, "| {} | {} | {sets:.1} |", row.workload.name, cell.server);
            }
        }
    }
    text
}

/// The table of CPU time outside the stretches.
fn behind(rows: &[Row]) -> String {
    let mut text = String::from(
        "\n## Behind the replies\nCPU that servers spent outside the measured stretches (warm-up, last replies, work behind \
         the replies), us per measured operation:\n\n| workload |",
    );
    let mut names: Vec<&str> = Vec::new();
    for cell in rows.iter().flat_map(|row| &row.cells) {
        if !names.contains(&cell.server.as_str()) {
            names.push(&cell.server);
        }
    }
    names.iter().for_each(|name| text.push_str(&format!(" {name} |")));
    let _ = writeln!(text, "\n|---|{}", "--:|".repeat(names.len()));
    for row in rows {
        let _ = write!(text, "| {} |", row.workload.name);
        for name in &names {
            let cell = row.cell(name).filter(|cell| !cell.rounds.is_empty() && row.workload.writers == 0);
            let operations = |cell: &Cell| cell.rounds.iter().map(|r| r.operations).sum::<u64>() as f64;
            let figure = cell.map(|cell| format!("{:.2}", cell.background as f64 / 1e3 / operations(cell)));
            let _ = write!(text, " {} |", figure.as_deref().unwrap_or(""));
        }
        text.push('\n');
    }
    text
}

/// The servers of the chart: what always takes part.
const SHOWN: [&str; 5] = ["memcached", "host-level1", "host-level2", "redis-everysec", "redis-always"];

/// The chart of the page.
fn chart(rows: &[Row]) -> String {
    let figure = |row: &Row, server: &str| row.cell(server).map(|cell| row.to_memcached(cell));
    let style = Style { title: "CPU per operation, memcached = 1".to_owned(), scale: Some(110.0) };
    chart::draw(&style, &SHOWN, &groups(rows.iter().filter(|row| row.workload.writers == 0), &SHOWN, figure))
}

/// The chart of any run: operations per second, to those of the first server where there are several.
pub fn rates(rows: &[Row]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for cell in rows.iter().flat_map(|row| &row.cells) {
        if !names.contains(&cell.server.as_str()) {
            names.push(&cell.server);
        }
    }
    let first = names.first().copied().unwrap_or_default();
    let title = match names.len() {
        0 | 1 => "Operations per second".to_owned(),
        _ => format!("Operations per second, {first} = 1"),
    };
    let figure = |row: &Row, server: &str| {
        let cell = row.cell(server)?;
        Some(if names.len() < 2 { cell.median(Round::rate) } else { cell.ratio(row.cell(first)?, Round::rate) })
    };
    chart::draw(&Style { title, scale: None }, &names, &groups(rows.iter(), &names, figure))
}

fn groups<'r>(
    rows: impl Iterator<Item = &'r Row>,
    names: &[&str],
    figure: impl Fn(&Row, &str) -> Option<f64>,
) -> Vec<Group> {
    let bars = |row: &Row| names.iter().map(|name| figure(row, name).filter(|value| value.is_finite())).collect();
    rows.map(|row| Group { label: row.workload.name.to_owned(), bars: bars(row) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_measured_part_of_a_page_changes() {
        let page = |speed: &str| format!("# MariaDB\n{BY_HAND}by hand\n{SPEED}{speed}\n## What stays open\nby hand\n");
        assert_eq!(with_part(&page("old\n### Goals\n"), SPEED, "new\n"), page("new\n"));
        assert_eq!(with_part("# MariaDB\n", SPEED, "new\n"), format!("# MariaDB\n{SPEED}new\n"));
        let pool = |part: &str| format!("# Performance\n{part}{BY_HAND}by hand\n");
        assert_eq!(with_part(&pool(""), POOL, "new\n"), pool(&format!("{POOL}new\n")));
        assert_eq!(with_part(&pool(&format!("{POOL}old\n")), POOL, "new\n"), pool(&format!("{POOL}new\n")));
    }
}
