//! What `--pool` found, as a table and as a part of the page.

use std::fmt::Write;

use crate::goals;
use crate::options::Options;
use crate::pool::Outcome;
use crate::report::{Round, conditions};
use crate::subject::STATEMENT;

const COLUMNS: [&str; 12] = [
    "workload",
    "server",
    "ops/s",
    "p50 us",
    "p99 us",
    "CPU us/op",
    "with what follows",
    "reads/op",
    "MiB resident",
    "MiB of its own",
    "MiB at most",
    "bytes/row",
];

/// What a column tells of a round, and its digits behind the point.
type Column = (fn(&Round) -> f64, usize);

/// The tables: figures, then goals.
pub fn tables(outcome: &Outcome) -> String {
    let mut text = format!("| {} |\n|---|---|{}\n", COLUMNS.join(" | "), "--:|".repeat(COLUMNS.len() - 2));
    let figures: [Column; 10] = [
        (Round::rate, 0),
        (Round::p50, 0),
        (Round::p99, 0),
        (Round::cpu, 2),
        (|round| round.held().whole, 2),
        (|round| round.held().reads, 2),
        (|round| round.held().resident, 0),
        (|round| round.held().own, 0),
        (|round| round.held().peak, 0),
        (|round| round.held().per_row, 0),
    ];
    for row in &outcome.rows {
        for cell in &row.cells {
            let _ = write!(text, "| {} | {} |", row.workload.name, cell.server);
            for (figure, digits) in figures {
                let figure = cell.median(figure);
                let shown = if figure.is_finite() { format!("{figure:.digits$}") } else { "-".to_owned() };
                let _ = write!(text, " {shown} |");
            }
            text.push('\n');
        }
    }
    if let Some(opened) = outcome.opened {
        let _ = writeln!(
            text,
            "\nKilled with SIGKILL, the host gave its first right reply {opened:.2} s after it was started again."
        );
    }
    text + "\n" + &goals::markdown(&goals::POOL, &outcome.rows)
}

/// The part of the page.
pub fn section(options: &Options, outcome: &Outcome) -> String {
    let mut text = conditions(options, &outcome.versions);
    let _ = writeln!(
        text,
        "The table has `--keys` rows; the host and MariaDB have a pool of `--pool` MiB, memcached as much memory as it asks for. \
         memcached with its extended store writes each value out at once and keeps head and key of every row in memory: the least with \
         which it loses none, yet more than the pool. All files are in the operating system's cache; they are read before each workload for that. The host and MariaDB are at level 2. A value \
         tells its key and how often it was set, and each is compared to the byte.\n\n\
         - `load`: every row once, in no order; MariaDB gets statements of {STATEMENT} rows in the order of the keys instead. `with what \
         follows` is CPU until the server was idle again.\n\
         - `get`: random rows; p50 and p99 are those of a batch of 32. MariaDB is asked with prepared statements, one at a time \
         per connection.\n\
         - `set`: random rows, as many as a tenth of the table, or as many as there are in ten seconds.\n\
         - `beside-load`: one more connection loads new rows at full speed, a tenth of the table or for ten seconds; the CPU of the \
         gets is what is left when each new row takes as much as in the load.\n\
         - `after-kill`: the host was ended with SIGKILL while nothing was asked, and started again; sets and new rows are there.\n\
         - `memory`: another table, of a fifth of the rows, in a pool four times as large, ten seconds after it was loaded.\n\n\
         `reads` of the host and of MariaDB are their calls of `read` and `pread`, those of the extended store what it counts itself. \
         Memory is resident; of its own is what is in no file.\n"
    );
    text.push_str(&tables(outcome));
    text
}
