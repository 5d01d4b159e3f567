//! The goals, as ratios of two figures of one run or as figures, and what was measured against them.

use std::fmt::Write;

use crate::report::{Cell, Round, Row};

/// One figure: a row and a server.
type Place = (&'static str, &'static str);

#[derive(Clone, Copy)]
enum Figure {
    Cpu,
    Rate,
    P99,
    PerSync,
    /// CPU per operation with what follows the replies.
    Whole,
    /// Reads of files per operation.
    Reads,
    /// The most memory, to the pool.
    Peak,
    /// Memory per row.
    PerRow,
}

#[derive(Clone, Copy)]
enum Limit {
    AtMost(f64),
    AtLeast(f64),
    /// Told, not judged.
    Told,
}

/// The first place's figure to the second one's, or by itself.
pub struct Goal {
    figure: Figure,
    ours: Place,
    theirs: Option<Place>,
    limit: Limit,
}

const fn goal(figure: Figure, ours: Place, theirs: Place, limit: Limit) -> Goal {
    Goal { figure, ours, theirs: Some(theirs), limit }
}

const fn absolute(figure: Figure, ours: Place, limit: Limit) -> Goal {
    Goal { figure, ours, theirs: None, limit }
}

use Figure::{Cpu, P99, Peak, PerRow, PerSync, Rate, Reads, Whole};
use Limit::{AtLeast, AtMost, Told};

/// The goals of the plugin in MySQL.
pub const MYSQL: [Goal; 9] = [
    goal(Cpu, ("get-p32-c8", "plugin-varbinary"), ("get-p32-c8", "sql-varbinary"), AtMost(1.0 / 12.0)),
    goal(Cpu, ("get-p32-c8", "plugin-varbinary"), ("get-p32-c8", "memcached"), AtMost(3.0)),
    goal(Cpu, ("get-p32-c8", "plugin-utf8mb4"), ("get-p32-c8", "sql-utf8mb4"), Told),
    goal(Cpu, ("get-p32-c8", "plugin-utf8mb4"), ("get-p32-c8", "memcached"), AtMost(3.5)),
    goal(Rate, ("get-p1-c8", "plugin-varbinary"), ("get-p1-c8", "sql-varbinary"), AtLeast(1.5)),
    goal(Rate, ("get-p1-c8", "plugin-utf8mb4"), ("get-p1-c8", "sql-utf8mb4"), Told),
    goal(Cpu, ("set-p16-c8", "plugin-varbinary"), ("set-p16-c8", "sql-varbinary"), AtMost(1.0 / 3.0)),
    goal(Cpu, ("set-p16-c8-binlog", "plugin-varbinary"), ("set-p16-c8-binlog", "sql-varbinary"), AtMost(1.0 / 3.0)),
    goal(
        Rate,
        ("set-p1-c64-binlog-sync", "plugin-varbinary"),
        ("set-p1-c64-binlog-sync", "sql-varbinary"),
        AtLeast(5.0),
    ),
];

/// The goals of the plugin in MariaDB.
pub const MARIADB: [Goal; 8] = [
    goal(Cpu, ("get-p32-c8", "plugin-varbinary"), ("get-p32-c8", "sql-varbinary"), AtMost(1.0 / 5.0)),
    goal(Cpu, ("get-p32-c8", "plugin-utf8mb4"), ("get-p32-c8", "sql-utf8mb4"), Told),
    goal(Cpu, ("get-p32-c8-by-sql", "plugin-varbinary"), ("get-p32-c8-by-sql", "sql-varbinary"), AtMost(0.5)),
    goal(Rate, ("get-p1-c8", "plugin-varbinary"), ("get-p1-c8", "sql-varbinary"), AtLeast(1.5)),
    goal(Rate, ("get-p1-c8", "plugin-utf8mb4"), ("get-p1-c8", "sql-utf8mb4"), Told),
    goal(Cpu, ("set-p16-c8", "plugin-varbinary"), ("set-p16-c8", "sql-varbinary"), AtMost(1.0 / 3.0)),
    goal(Cpu, ("set-p16-c8-binlog", "plugin-varbinary"), ("set-p16-c8-binlog", "sql-varbinary"), AtMost(1.0 / 3.0)),
    goal(
        Rate,
        ("set-p1-c64-binlog-sync", "plugin-varbinary"),
        ("set-p1-c64-binlog-sync", "sql-varbinary"),
        AtLeast(3.5),
    ),
];

/// The goals of the bundled engine.
pub const PERFORMANCE: [Goal; 17] = [
    goal(Cpu, ("get-p32-c8", "host-level2"), ("get-p32-c8", "memcached"), AtMost(0.58)),
    goal(Cpu, ("get-p32-c8", "bare-loop"), ("get-p32-c8", "memcached"), Told),
    goal(Cpu, ("get-p32-c8", "host-level2"), ("get-p32-c8", "memcached-old"), AtMost(0.2)),
    goal(Cpu, ("get-p1-c8", "host-level2"), ("get-p1-c8", "memcached"), AtMost(0.85)),
    goal(Cpu, ("get-p1-c8", "bare-loop"), ("get-p1-c8", "memcached"), Told),
    goal(Cpu, ("mget50-c8", "host-level2"), ("mget50-c8", "memcached"), AtMost(0.7)),
    goal(Cpu, ("mget50-c8", "host-level2"), ("mget50-c8", "redis-everysec"), AtMost(1.0)),
    goal(Cpu, ("mget50-c8", "bare-loop"), ("mget50-c8", "memcached"), Told),
    goal(Cpu, ("set-p16-c8", "host-level2"), ("set-p16-c8", "redis-everysec"), AtMost(0.9)),
    goal(Rate, ("set-p16-c8", "host-level2"), ("set-p16-c8", "mariadb-level2"), AtLeast(10.0)),
    goal(Cpu, ("set-p1-c64", "host-level1"), ("set-p1-c64", "redis-always"), AtMost(0.85)),
    goal(Rate, ("set-p1-c64", "host-level1"), ("set-p1-c64", "redis-always"), AtLeast(1.2)),
    absolute(PerSync, ("set-p1-c64", "host-level1"), AtLeast(20.0)),
    goal(Rate, ("incr-c64", "host-level2"), ("incr-c64", "memcached"), AtLeast(0.5)),
    goal(Cpu, ("get-p1-c64", "host-2-workers"), ("get-p1-c64", "host-level2"), AtMost(1.15)),
    goal(P99, ("get-p1-c4-writer", "host-level2"), ("get-p1-c4-alone", "host-level2"), AtMost(2.0)),
    goal(P99, ("get-p1-c4-writer", "host-level1"), ("get-p1-c4-alone", "host-level1"), Told),
];

/// The goals of the bundled engine with more rows than its pool holds.
pub const POOL: [Goal; 14] = [
    absolute(Rate, ("load-p16-c8", "host"), AtLeast(200_000.0)),
    absolute(Peak, ("load-p16-c8", "host"), AtMost(1.25)),
    absolute(Cpu, ("get-p32-c8", "host"), AtMost(4.0)),
    absolute(Reads, ("get-p32-c8", "host"), AtMost(1.0)),
    absolute(P99, ("get-p32-c8", "host"), AtMost(1500.0)),
    goal(Cpu, ("get-p32-c8", "host"), ("get-p32-c8", "memcached-extstore"), AtMost(1.0)),
    goal(Rate, ("get-p32-c8", "host"), ("get-p32-c8", "mariadb"), AtLeast(5.0)),
    absolute(Whole, ("set-p16-c8", "host"), AtMost(8.0)),
    absolute(Cpu, ("get-p32-c8-after-sets", "host"), AtMost(4.0)),
    goal(Cpu, ("get-p32-c8-beside-load", "host"), ("get-p32-c8-after-sets", "host"), AtMost(2.0)),
    goal(P99, ("get-p32-c8-beside-load", "host"), ("get-p32-c8-after-sets", "host"), AtMost(2.0)),
    absolute(Peak, ("get-p32-c8-beside-load", "host"), AtMost(1.25)),
    goal(PerRow, ("memory-get-p32-c8", "host"), ("memory-get-p32-c8", "memcached"), AtMost(1.0)),
    absolute(Reads, ("memory-get-p32-c8", "host"), Told),
];

impl Goal {
    /// The measured ratio; `None` when one of the places was not measured.
    fn measured(&self, rows: &[Row]) -> Option<f64> {
        let find = |(row, server): Place| rows.iter().find(|r| r.workload.name == row)?.cell(server);
        let ours: &Cell = find(self.ours)?;
        let figure: fn(&Round) -> f64 = match self.figure {
            Cpu => Round::cpu,
            Rate => Round::rate,
            P99 => Round::p99,
            PerSync => Round::per_sync,
            Whole => |round| round.held().whole,
            Reads => |round| round.held().reads,
            Peak => |round| round.held().peak_to_pool,
            PerRow => |round| round.held().per_row,
        };
        let ratio = match self.theirs {
            None => ours.median(figure),
            // Rounds of one row are neighbours in time, those of two rows are not.
            Some((row, server)) if row == self.ours.0 => ours.ratio(find((row, server))?, figure),
            Some(place) => ours.median(figure) / find(place)?.median(figure),
        };
        ratio.is_finite().then_some(ratio)
    }

    fn line(&self, rows: &[Row]) -> String {
        let (figure, unit) = match self.figure {
            Cpu => ("CPU per operation", ", us"),
            Rate => ("operations per second", ""),
            P99 => ("p99", ", us"),
            PerSync => ("acknowledged sets per sync of the log", ""),
            Whole => ("CPU per operation with what follows the replies", ", us"),
            Reads => ("reads of files per operation", ""),
            Peak => ("the most memory, to the pool,", ""),
            PerRow => ("memory per row", ", bytes"),
        };
        let theirs = match self.theirs {
            None => unit.to_owned(),
            Some((row, server)) if row == self.ours.0 => format!(" to {server}"),
            Some((row, server)) => format!(" to {server} in {row}"),
        };
        let ratio = self.measured(rows);
        let (limit, reached) = match self.limit {
            AtMost(limit) => (format!("at most {limit:.3}"), ratio.map(|ratio| ratio <= limit)),
            AtLeast(limit) => (format!("at least {limit:.2}"), ratio.map(|ratio| ratio >= limit)),
            Told => ("none".to_owned(), None),
        };
        let verdict = match (ratio, reached) {
            (None, _) => "not measured",
            (_, None) => "",
            (_, Some(true)) => "reached",
            (_, Some(false)) => "missed",
        };
        let measured = ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.3}"));
        format!("| {} | {figure} of {}{theirs} | {limit} | {measured} | {verdict} |", self.ours.0, self.ours.1)
    }
}

/// The goals next to what was measured, as a table.
pub fn markdown(goals: &[Goal], rows: &[Row]) -> String {
    let mut text = String::from("| workload | ratio | goal | measured | |\n|---|---|--:|--:|---|\n");
    for goal in goals {
        let _ = writeln!(text, "{}", goal.line(rows));
    }
    text
}
