//! The bundled engine on a disk that fails: crashes, I/O errors and a full disk at every step.
//!
//! The mechanism is a shared library under LD_PRELOAD (`tests/c/faults.c`) between the engine's process and the files of its data
//! directory. Everything that touches the disk goes through libc there, the engine's own code and its storage's alike, so
//! neither needs to know; a layer inside the engine would miss what the storage does by itself, and a FUSE or device mapper
//! layer would need root and minutes. The library keeps a copy of what POSIX promises to be on disk (bytes at a file's last
//! sync, names at a directory's), which is what a machine that stops leaves behind.
//!
//! One scripted run (`faults/script.rs`) is disturbed at one step, a call that changes a file, again and again. By
//! default a sample of the steps is tried; with FAULTS=200 in the environment a sample of 200 for each fault, which takes about a
//! quarter of an hour on two cores, with FAULTS=all all of them, which takes hours.

use crate::script::{OPTIONS, Operation, State, difference, recover, script, states};
use crate::support::*;
use daemon_memcached::refengine::Engine;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The environment variables by which a test gives its child the data directory and `innodb_flush_log_at_trx_commit`.
const CHILD_DIR: &str = "FAULTS_CHILD_DIR";
const CHILD_LEVEL: &str = "FAULTS_CHILD_LEVEL";
/// What the child does instead of the script, if it is there: see [`sync_by_itself`].
const CHILD_SYNC: &str = "FAULTS_CHILD_SYNC";
/// The child fills the disk before each operation and empties it afterwards.
const CHILD_FULL: &str = "FAULTS_CHILD_FULL";

/// The library, compiled once.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = LIBRARY.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("faults.so");
        crate::common::cc(&["-O1", "-shared", "-fPIC", "tests/c/faults.c", "-ldl", "-lpthread"], &path);
        (dir, path)
    });
    path
}

/// A fault: FAULTS_KIND, the step, FAULTS_SEED.
#[derive(Clone, Copy, Debug)]
struct Fault {
    kind: &'static str,
    step: u64,
    seed: u64,
}

/// What a disturbed run told and left.
struct Outcome {
    /// Operations that were acknowledged: the first ones of the script.
    acknowledged: usize,
    /// One more had begun.
    begun: bool,
    /// What the operation behind those said, and what became of the attempts to go on.
    errors: Vec<String>,
    /// The child came to its end by itself.
    ended: bool,
    steps: Vec<String>,
    dir: tempfile::TempDir,
}

impl Outcome {
    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The data directory as the machine that stopped left it, if it did.
    fn left(&self) -> PathBuf {
        let survivors = self.dir.path().join("survivors");
        if survivors.exists() { survivors } else { self.data() }
    }
}

/// Runs the script in a process of its own.
fn run(fault: Fault, level: u32, full: bool) -> Outcome {
    let variables: &[&str] = if full { &[CHILD_FULL] } else { &[] };
    run_child(fault, level, variables)
}

fn run_child(fault: Fault, level: u32, variables: &[&str]) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for name in ["data", "shadow"] {
        std::fs::create_dir(at(name)).unwrap();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "faults::child", "--nocapture", "--test-threads=1"])
        .env("LD_PRELOAD", library())
        .env(CHILD_DIR, at("data"))
        .env(CHILD_LEVEL, level.to_string())
        .env("FAULTS_DIR", at("data"))
        .env("FAULTS_SHADOW", at("shadow"))
        .env("FAULTS_LOG", at("steps"))
        .env("FAULTS_SURVIVORS", at("survivors"))
        .env("FAULTS_SWITCH", at("switch"))
        .env("FAULTS_KIND", fault.kind)
        .env("FAULTS_STEP", fault.step.to_string())
        .env("FAULTS_SEED", fault.seed.to_string())
        .envs(variables.iter().map(|name| (name, "1")))
        .stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let told =
        |word: &str| text.lines().filter_map(|line| line.strip_prefix(word)).map(str::to_owned).collect::<Vec<_>>();
    let acknowledged = told("ack ").len();
    let steps = std::fs::read_to_string(at("steps")).unwrap_or_default().lines().map(str::to_owned).collect();
    assert!(
        !text.contains("panicked") && !String::from_utf8_lossy(&output.stderr).contains("panicked"),
        "{fault:?}: {}\n{}",
        text,
        String::from_utf8_lossy(&output.stderr)
    );
    Outcome {
        acknowledged,
        begun: told("begin ").len() > acknowledged,
        errors: told("error "),
        ended: output.status.success(),
        steps,
        dir,
    }
}

/// Not a test of its own: the process that is disturbed.
#[test]
fn child() {
    let (Ok(dir), Ok(level)) = (std::env::var(CHILD_DIR), std::env::var(CHILD_LEVEL)) else { return };
    let dir = Path::new(&dir);
    if std::env::var(CHILD_SYNC).is_ok() {
        return sync_by_itself(dir, &level);
    }
    let full = std::env::var(CHILD_FULL).is_ok();
    let switch = PathBuf::from(std::env::var("FAULTS_SWITCH").unwrap());
    let open = || {
        let options: Vec<_> = OPTIONS.into_iter().chain([("innodb_flush_log_at_trx_commit", level.as_str())]).collect();
        try_open(dir, &options)
    };
    println!();
    let mut engine: Option<Engine> = None;
    for (number, operation) in script().iter().enumerate() {
        println!("begin {number}");
        if full {
            std::fs::write(&switch, "full").unwrap();
        }
        let mut attempt = || -> Result<(), daemon_memcached::refengine::Error> {
            if engine.is_none() {
                engine = Some(open()?);
            }
            if let (Operation::Reopen, Some(open)) =
                (operation, engine.take_if(|_| matches!(operation, Operation::Reopen)))
            {
                return open.close();
            }
            engine.as_ref().map_or(Ok(()), |engine| crate::script::apply(engine, number, operation))
        };
        let mut result = attempt();
        if full {
            std::fs::remove_file(&switch).unwrap();
            if let Err(error) = &result {
                println!("error {number} {} {error}", error.errno());
                result = attempt();
            }
        }
        match result {
            Ok(()) => println!("ack {number}"),
            Err(error) => {
                println!("error {number} {} {error}", error.errno());
                return go_on(engine, number, &switch, dir);
            }
        }
    }
    drop(engine);
}

/// Commits a row, waits until the log was synced without another commit, commits one more, and stops the machine.
fn sync_by_itself(dir: &Path, level: &str) {
    let log = PathBuf::from(std::env::var("FAULTS_LOG").unwrap());
    let syncs = || std::fs::read_to_string(&log).unwrap().matches("sync /refengine/redo/").count();
    let engine = with_table(dir, &[("innodb_flush_log_at_trx_commit", level)]);
    put(&engine, row(1, "", None));
    let before = syncs();
    wait_until("a sync", || syncs() > before);
    put(&engine, row(2, "", None));
    std::fs::write(std::env::var("FAULTS_SWITCH").unwrap(), "stop").unwrap();
    let _ = std::fs::write(dir.join("stop"), "");
}

/// After an error: reads go on, writes do or say why not. Then the machine stops.
fn go_on(engine: Option<Engine>, number: usize, switch: &Path, dir: &Path) {
    if let Some(engine) = &engine {
        let all = states(&script());
        let seen = crate::script::read(engine).unwrap_or_else(|error| panic!("a read after the error: {error}"));
        assert!(seen == all[number] || seen == all[number + 1], "{}", difference(&seen, &all[number]));
        match engine.create_database("more") {
            Ok(()) => println!("error more ok"),
            Err(error) => println!("error more {} {error}", error.errno()),
        }
    }
    std::fs::write(switch, "stop").unwrap();
    let _ = std::fs::write(dir.join("stop"), "");
}

/// The steps to try, of a run with this many.
fn sample(steps: usize, wanted: usize) -> Vec<u64> {
    let asked = std::env::var("FAULTS").unwrap_or_default();
    let wanted = asked.parse().map_or(wanted, |number: usize| number.max(1));
    if asked == "all" || steps <= wanted {
        return (1..=steps as u64).collect();
    }
    (0..wanted).map(|i| (1 + i * steps / wanted + i * 7 % (steps / wanted)) as u64).collect()
}

/// The number of steps of an undisturbed run, which must end well.
fn steps(level: u32) -> usize {
    static STEPS: [OnceLock<usize>; 3] = [const { OnceLock::new() }; 3];
    *STEPS[level as usize].get_or_init(|| count_steps(level))
}

fn count_steps(level: u32) -> usize {
    let outcome = run(Fault { kind: "", step: 0, seed: 0 }, level, false);
    let all = states(&script());
    assert!(outcome.ended && outcome.acknowledged == all.len() - 1, "{:?}", outcome.errors);
    assert_eq!(difference(&recover(&outcome.data()).unwrap(), &all[outcome.acknowledged]), "");
    outcome.steps.len()
}

/// Tries a fault at a sample of steps; `check` gets the outcome and says what is wrong with it.
fn try_steps(
    kind: &'static str,
    level: u32,
    wanted: usize,
    seeds: &[u64],
    check: impl Fn(&Outcome, &[State]) -> Result<(), String>,
) {
    let all = states(&script());
    let mut failed = String::new();
    let mut tried = 0;
    for (i, step) in sample(steps(level), wanted).into_iter().enumerate() {
        let fault = Fault { kind, step, seed: seeds[i % seeds.len()] };
        let outcome = run(fault, level, false);
        tried += 1;
        if let Err(why) = check(&outcome, &all) {
            let at = outcome.steps.get(step as usize - 1).map_or("", String::as_str);
            let _ = writeln!(failed, "{fault:?} at \"{at}\", {} acknowledged: {why}", outcome.acknowledged);
        }
    }
    assert!(failed.is_empty(), "of {tried}:\n{failed}");
}

/// Exactly what was acknowledged, and perhaps the operation that was under way.
fn exactly(dir: &Path, outcome: &Outcome, all: &[State]) -> Result<(), String> {
    let state = recover(dir).map_err(|error| format!("it does not open: {error}"))?;
    let expected = &all[outcome.acknowledged];
    let next = all.get(outcome.acknowledged + 1).filter(|_| outcome.begun);
    if state == *expected || next == Some(&state) { Ok(()) } else { Err(difference(&state, expected)) }
}

/// The state after some number of operations, at most those that had begun.
fn a_prefix(dir: &Path, outcome: &Outcome, all: &[State]) -> Result<(), String> {
    let state = recover(dir).map_err(|error| format!("it does not open: {error}"))?;
    let last = outcome.acknowledged + usize::from(outcome.begun);
    if all[..=last].contains(&state) { Ok(()) } else { Err(difference(&state, &all[outcome.acknowledged])) }
}

#[test]
fn a_killed_process_loses_nothing_acknowledged() {
    for (kind, level, wanted) in [("kill", 1, 14), ("tear", 1, 14), ("kill", 2, 8), ("tear", 2, 8)] {
        try_steps(kind, level, wanted, &[0], |outcome, all| exactly(&outcome.data(), outcome, all));
    }
}

#[test]
fn a_stopped_machine_loses_nothing_at_level_1() {
    try_steps("stop", 1, 24, &[0], |outcome, all| exactly(&outcome.left(), outcome, all));
}

#[test]
fn a_disk_that_reorders_loses_nothing_at_level_1() {
    try_steps("stop", 1, 30, &[1, 2, 3, 4, 5], |outcome, all| exactly(&outcome.left(), outcome, all));
}

#[test]
fn a_stopped_machine_leaves_no_holes_at_level_2() {
    try_steps("stop", 2, 16, &[0, 1, 2, 3], |outcome, all| a_prefix(&outcome.left(), outcome, all));
}

/// A timer syncs each second; what it has synced stays, what came after it may be gone.
#[test]
fn a_stopped_machine_loses_only_the_newest_commits_at_levels_0_and_2() {
    for level in [0, 2] {
        let outcome = run_child(Fault { kind: "", step: 0, seed: 0 }, level, &[CHILD_SYNC]);
        assert!(!outcome.ended);
        let engine = open(&outcome.left(), &[]);
        let left = ids(&all(&engine));
        assert!(left == [1] || left == [1, 2], "level {level}: {left:?}");
    }
}

#[test]
fn short_writes_are_continued() {
    try_steps("short", 1, 8, &[0], |outcome, all| {
        if outcome.acknowledged + 1 != all.len() {
            return Err(outcome.errors.join("; "));
        }
        exactly(&outcome.data(), outcome, all)
    });
}

/// One call that fails, or all from one on. The operation says so or was not harmed; what follows does so too; then the
/// machine stops, and what was acknowledged is there.
#[test]
fn an_io_error_is_told_and_loses_nothing_acknowledged() {
    for kind in ["error", "errors"] {
        try_steps(kind, 1, 16, &[0], |outcome, all| {
            exactly(&outcome.left(), outcome, all)?;
            match outcome.errors.first() {
                // Nobody has to notice one failure of a background thread, nor any behind the end.
                None if kind == "error" || outcome.ended => Ok(()),
                None => Err("nobody noticed".into()),
                Some(error) if error.contains("(os error 5)") => Ok(()),
                Some(error) => Err(format!("the message is {error}")),
            }
        });
    }
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let outcome = run(Fault { kind: "", step: 0, seed: 0 }, 1, true);
    let all = states(&script());
    assert_eq!(outcome.acknowledged + 1, all.len(), "{:?}", outcome.errors);
    assert_eq!(difference(&recover(&outcome.data()).unwrap(), all.last().unwrap()), "");
    assert!(!outcome.errors.is_empty(), "the disk was never full");
    for error in &outcome.errors {
        assert!(error.contains(" 1021 "), "{error}");
    }
}
