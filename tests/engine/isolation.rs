//! Isolation: what each level lets a transaction see, who waits for whom, who is a deadlock's victim.
//!
//! Interleavings of two or three sessions, step by step, from the tables in `isolation/cases.rs` and `isolation/waits.rs`. Each runs
//! twice: through the callback table and through SQL sessions, with every session on a thread of its own. A step is over when its
//! operation ended or waits for a lock, which the engine itself tells, so nothing depends on time.

mod cases;
mod sessions;
mod waits;

use crate::support::PATIENCE;
use crate::support::ib::{Fixture, fixture};
use cases::{Case, READS};
use sessions::{Driver, SqlDriver, TableDriver};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use waits::WAITS;

/// A session's thread.
struct Session {
    operations: Sender<String>,
    outcomes: Receiver<String>,
}

impl Session {
    fn start(driver: impl FnOnce() -> Box<dyn Driver> + Send + 'static) -> Session {
        let (operations, todo) = channel::<String>();
        let (done, outcomes) = channel();
        std::thread::spawn(move || {
            let mut driver = driver();
            for operation in todo {
                if done.send(driver.run(&operation)).is_err() {
                    break;
                }
            }
        });
        Session { operations, outcomes }
    }
}

/// Runs the steps of a script; an error says which step went wrong.
fn play(fixture: &Fixture, script: &str, session: impl Fn() -> Session) -> Result<(), String> {
    let mut sessions: HashMap<&str, Session> = HashMap::new();
    for line in script.lines().map(str::trim) {
        let (step, expected) = line.split_once('=').map_or((line, "ok"), |(a, b)| (a.trim(), b.trim()));
        let (name, operation) = step.split_once(' ').unwrap_or((step, ""));
        let session = sessions.entry(name).or_insert_with(&session);
        let before = fixture.engine.lock_waits();
        if !operation.is_empty() {
            session.operations.send(operation.into()).map_err(|_| format!("{line}: the session is gone"))?;
        }
        let deadline = Instant::now() + PATIENCE;
        let got = loop {
            if let Ok(outcome) = session.outcomes.recv_timeout(Duration::from_millis(1)) {
                break outcome;
            }
            // A wait with a time-out is not the outcome, its end is.
            if expected != "timeout" && !operation.is_empty() && fixture.engine.lock_waits() > before {
                break "waits".into();
            }
            if Instant::now() > deadline {
                break "nothing".into();
            }
        };
        if got != expected {
            return Err(format!("{line}: got {got}"));
        }
    }
    Ok(())
}

fn run(kind: &str, applies: impl Fn(&Case) -> bool, driver: fn(&Fixture) -> Session) {
    let fixture = fixture();
    sessions::create_table(&fixture.engine);
    let mut failed = Vec::new();
    let mut played = 0;
    for case in READS.iter().chain(WAITS).filter(|case| applies(case)) {
        for level in case.levels {
            sessions::fill_table(&fixture.engine);
            let script = case.script.replace(" L", &format!(" {level}"));
            if let Err(why) = play(&fixture, &script, || driver(&fixture)) {
                failed.push(format!("{kind}, {}, {level}: {why}", case.name));
            }
            played += 1;
        }
    }
    assert!(failed.is_empty(), "{} of {played} failed:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn interleavings_through_sql() {
    run(
        "SQL",
        |_| true,
        |fixture| {
            let engine = fixture.engine.clone();
            Session::start(|| Box::new(SqlDriver::new(engine)))
        },
    );
}

#[test]
fn interleavings_through_the_callback_table() {
    run(
        "callback table",
        |case| !case.sql_only,
        |fixture| {
            let engine = fixture.engine.clone();
            Session::start(|| Box::new(TableDriver::new(engine)))
        },
    );
}

/// Money moves between accounts; whoever looks at all of them finds the same sum, in one statement from READ COMMITTED
/// on and in several from REPEATABLE READ on.
#[test]
fn no_sum_is_ever_wrong() {
    const ACCOUNTS: i32 = 6;
    let fixture = fixture();
    sessions::create_table(&fixture.engine);
    let session = || SqlDriver::new(fixture.engine.clone());
    let ids: Vec<String> = (101..=100 + ACCOUNTS).map(|id| id.to_string()).collect();
    for id in &ids {
        session().run(&format!("insert {id} 1000"));
    }
    let (first, last, all) = (ids[..3].join(", "), ids[3..].join(", "), ids.join(", "));
    let writers_left = AtomicUsize::new(2);
    let deadlocks = AtomicUsize::new(0);
    std::thread::scope(|s| {
        for writer in 0..2 {
            let (mut session, writers_left, deadlocks) = (session(), &writers_left, &deadlocks);
            s.spawn(move || {
                for round in 0..400 {
                    let (from, to) = (101 + (round + writer) % ACCOUNTS, 101 + (round * 5 + writer * 2 + 1) % ACCOUNTS);
                    let steps = ["begin RC".into(), format!("add {from} -1"), format!("add {to} 1"), "commit".into()];
                    let failed = steps.iter().map(|step| session.run(step)).find(|outcome| outcome != "ok");
                    if let Some(outcome) = failed {
                        assert_eq!(outcome, "deadlock");
                        deadlocks.fetch_add(1, Ordering::Relaxed);
                    }
                }
                writers_left.fetch_sub(1, Ordering::Release);
            });
        }
        for (level, parts) in [("RC", vec![&all]), ("RR", vec![&first, &last]), ("SE", vec![&first, &last])] {
            let (mut session, writers_left) = (session(), &writers_left);
            s.spawn(move || {
                while writers_left.load(Ordering::Acquire) > 0 {
                    session.run(&format!("begin {level}"));
                    let sums: Result<Vec<i64>, String> = parts.iter().map(|ids| session.sum(ids)).collect();
                    match sums {
                        Ok(sums) => assert_eq!(sums.iter().sum::<i64>(), 6000, "{level}: {sums:?}"),
                        Err(error) => assert_eq!((level, error.as_str()), ("SE", "deadlock")),
                    }
                    session.run("commit");
                }
            });
        }
    });
    println!("{} deadlocks", deadlocks.load(Ordering::Relaxed));
    assert_eq!(session().sum(&ids.join(", ")), Ok(6000));
}
