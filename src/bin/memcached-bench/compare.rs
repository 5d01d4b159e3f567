//! What a change does: two runs, or two servers of one run, workload by workload.

use std::fmt::Write;
use std::fs;

use crate::report::{Cell, Round, Row};

/// A run as it is kept in a file: a line for each workload, server and round.
const HEAD: &str = "workload\tserver\toperations per second\tp99 us\tCPU us per operation";

/// The figures of a workload on a server, a value for each round.
pub struct Figures {
    /// What was asked.
    pub workload: String,
    /// Of whom.
    pub server: String,
    /// Operations per second, p99 in microseconds, CPU time per operation in microseconds; not a number where it is not known.
    values: [Vec<f64>; 3],
}

impl Figures {
    fn of(workload: &str, cell: &Cell) -> Figures {
        let all = |figure: fn(&Round) -> f64| cell.rounds.iter().map(figure).collect();
        let values = [all(Round::rate), all(Round::p99), all(Round::cpu)];
        Figures { workload: workload.to_owned(), server: cell.server.clone(), values }
    }

    /// The median of the rates.
    pub fn rate(&self) -> f64 {
        quartile(&self.values[0], 2)
    }
}

/// All figures of a run.
pub fn figures(rows: &[Row]) -> Vec<Figures> {
    let cells = rows.iter().flat_map(|row| row.cells.iter().map(|cell| Figures::of(row.workload.name, cell)));
    cells.filter(|figures| !figures.values[0].is_empty()).collect()
}

/// Keeps a run.
pub fn save(path: &str, rows: &[Row]) -> Result<(), String> {
    let mut text = format!("{HEAD}\n");
    for Figures { workload, server, values: [rate, p99, cpu] } in figures(rows) {
        for ((rate, p99), cpu) in rate.iter().zip(&p99).zip(&cpu) {
            let _ = writeln!(text, "{workload}\t{server}\t{rate}\t{p99}\t{cpu}");
        }
    }
    fs::write(path, text).map_err(|e| format!("{path}: {e}"))
}

/// A run that was kept.
pub fn load(path: &str) -> Result<Vec<Figures>, String> {
    let text = fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    let mut lines = text.lines();
    let mut all: Vec<Figures> = Vec::new();
    if lines.next() != Some(HEAD) {
        return Err(format!("{path}: no run that --save kept"));
    }
    for (at, line) in lines.enumerate() {
        let fields: Vec<&str> = line.split('\t').collect();
        let numbers: Vec<f64> = fields.iter().skip(2).filter_map(|field| field.parse().ok()).collect();
        let ([workload, server, ..], [rate, p99, cpu]) = (fields.as_slice(), numbers.as_slice()) else {
            return Err(format!("{path}, line {}: wanted five fields", at + 2));
        };
        let known = all.iter_mut().find(|figures| figures.workload == *workload && figures.server == *server);
        match known {
            Some(Figures { values: [rates, p99s, cpus], .. }) => {
                rates.push(*rate);
                p99s.push(*p99);
                cpus.push(*cpu);
            }
            None => all.push(Figures {
                workload: (*workload).to_owned(),
                server: (*server).to_owned(),
                values: [vec![*rate], vec![*p99], vec![*cpu]],
            }),
        }
    }
    if all.is_empty() { Err(format!("{path}: the run is empty")) } else { Ok(all) }
}

/// The pairs of two runs: the same workload on the same server, or on the only one of each.
pub fn pairs<'f>(before: &'f [Figures], after: &'f [Figures]) -> Vec<(&'f Figures, &'f Figures)> {
    let only = |all: &[Figures]| all.iter().all(|figures| all.first().is_some_and(|f| f.server == figures.server));
    let by_workload = only(before) && only(after);
    let mate = |a: &&Figures, b: &Figures| a.workload == b.workload && (by_workload || a.server == b.server);
    before.iter().filter_map(|b| Some((b, after.iter().find(|a| mate(a, b))?))).collect()
}

/// A ratio, and what it may be as well: where half of the rounds lie.
#[derive(Clone, Copy)]
struct Effect {
    middle: f64,
    low: f64,
    high: f64,
}

impl Effect {
    /// `together`: each round of the one ran beside one of the other, so that what disturbed both is in neither.
    fn of(before: &[f64], after: &[f64], together: bool) -> Option<Effect> {
        let effect = if together {
            let ratios: Vec<f64> = before.iter().zip(after).map(|(before, after)| after / before).collect();
            Effect { middle: quartile(&ratios, 2), low: quartile(&ratios, 1), high: quartile(&ratios, 3) }
        } else {
            let ratio = |a: usize, b: usize| quartile(after, a) / quartile(before, b);
            Effect { middle: ratio(2, 2), low: ratio(1, 3), high: ratio(3, 1) }
        };
        (effect.middle.is_finite() && effect.low.is_finite() && effect.high.is_finite()).then_some(effect)
    }

    fn words(self) -> String {
        let percent = |ratio: f64| format!("{:+.0}", (ratio - 1.0) * 100.0);
        let spread = format!("{} to {} %", percent(self.low), percent(self.high));
        if self.low <= 1.0 && self.high >= 1.0 {
            return format!("no difference ({spread})");
        }
        format!("{} % ({spread})", percent(self.middle))
    }
}

/// The value at a quarter, the middle or three quarters of the sorted values.
fn quartile(values: &[f64], quarter: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    let at = match quarter {
        1 => last / 4,
        3 => (last * 3).div_ceil(4),
        _ => sorted.len() / 2,
    };
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

/// One line for each pair: what is another after the change.
pub fn lines(pairs: &[(&Figures, &Figures)], together: bool) -> String {
    let mut text = String::new();
    let mixed = pairs.iter().any(|(before, _)| pairs.first().is_some_and(|(first, _)| first.server != before.server));
    for (before, after) in pairs {
        let told: Vec<String> = ["operations per second", "p99", "CPU per operation"]
            .iter()
            .zip(before.values.iter().zip(&after.values))
            .filter_map(|(name, (b, a))| Some(format!("{name} {}", Effect::of(b, a, together)?.words())))
            .collect();
        let server = if mixed { format!(" on {}", before.server) } else { String::new() };
        let _ = writeln!(text, "{}{server}: {}", before.workload, told.join(", "));
    }
    text
}
