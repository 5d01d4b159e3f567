//! Damaged files of a data directory: never served as data, and named.
//!
//! Every file is damaged in many places, one at a time: a flipped bit, the end cut off, the file gone. The engine then has to say so
//! when it opens or when the rows are read, or the damage was where nothing is stored. By default a sample of the places is
//! tried; with FAULTS=all in the environment, all of them.
//!
//! One thing cannot be told: the last records of a redo log that lost its end, from those that a crash cut off.

use crate::script::{OPTIONS, Operation, State, difference, recover};
use crate::support::*;
use daemon_memcached::refengine::Error;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// All files below a directory, by relative path.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                todo.push(entry.path());
            } else {
                let bytes = std::fs::read(entry.path()).unwrap();
                found.insert(entry.path().strip_prefix(dir).unwrap().to_path_buf(), bytes);
            }
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let below = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &below);
        } else {
            std::fs::copy(entry.path(), below).unwrap();
        }
    }
}

/// A data directory as a clean end leaves it, and one as a kill leaves it, with the states that it may have.
fn directories(root: &Path) -> Vec<(&'static str, PathBuf, Vec<State>)> {
    let operations: Vec<Operation> = crate::script::script().into_iter().take(12).collect();
    let states = crate::script::states(&operations);
    let at = root.join("work");
    let mut engine = Some(try_open(&at, &OPTIONS).unwrap());
    for (number, operation) in operations.iter().enumerate() {
        if matches!(operation, Operation::Reopen) {
            engine.take().unwrap().close().unwrap();
            engine = Some(try_open(&at, &OPTIONS).unwrap());
        } else {
            crate::script::apply(engine.as_ref().unwrap(), number, operation).unwrap();
        }
    }
    // At level 1 the files have everything that was committed.
    copy(&at, &root.join("killed"));
    engine.unwrap().close().unwrap();
    let last = states[operations.len()].clone();
    // The end of a log cannot be told from a record that a crash cut off.
    let cut = states[operations.len() - 1].clone();
    vec![("clean", at, vec![last.clone()]), ("killed", root.join("killed"), vec![last, cut])]
}

enum Damage {
    Flip(usize, u8),
    Cut(usize),
    Gone,
}

fn damages(bytes: &[u8]) -> Vec<Damage> {
    const PLACES: usize = 24;
    // Behind the last byte that is used there is only space that was reserved.
    let used = bytes.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
    let mut places: Vec<usize> = (0..PLACES).map(|i| i * used / PLACES).collect();
    places.extend([1, 2, 3, 9, 17, used.saturating_sub(2), used.saturating_sub(1)]);
    places.retain(|at| *at < used);
    places.sort_unstable();
    places.dedup();
    let mut all: Vec<Damage> = places.iter().enumerate().map(|(i, at)| Damage::Flip(*at, 1 << (i * 3 % 8))).collect();
    all.extend([0, used / 2, used.saturating_sub(1)].into_iter().filter(|len| *len < bytes.len()).map(Damage::Cut));
    all.push(Damage::Gone);
    all
}

#[test]
fn no_damage_is_served_as_data() {
    let root = tempfile::tempdir().unwrap();
    let mut failed = String::new();
    let (mut tried, mut found, mut met) = (0, 0, 0);
    let every = if std::env::var("FAULTS").is_ok_and(|v| v == "all") { 1 } else { 9 };
    let prefixes = crate::script::states(&crate::script::script());
    for (kind, dir, states) in directories(root.path()) {
        assert_eq!(difference(&recover_copy(root.path(), &dir).unwrap(), &states[0]), "");
        for (file, bytes) in files(&dir) {
            // Their contents mean nothing.
            if file.ends_with("refengine.lock") || file.ends_with("lock") {
                continue;
            }
            for damage in damages(&bytes) {
                met += 1;
                if met % every != 0 && !matches!(damage, Damage::Gone | Damage::Cut(0)) {
                    continue;
                }
                let lost_its_end = file.extension().is_some_and(|e| e == "redo") && matches!(damage, Damage::Cut(1..));
                let (what, damaged) = match damage {
                    Damage::Flip(at, mask) => {
                        let mut damaged = bytes.clone();
                        damaged[at] ^= mask;
                        (format!("byte {at} of {} ^ {mask:#x}", bytes.len()), Some(damaged))
                    }
                    Damage::Cut(len) => (format!("cut to {len} of {}", bytes.len()), Some(bytes[..len].to_vec())),
                    Damage::Gone => ("gone".into(), None),
                };
                let target = root.path().join("damaged");
                copy(&dir, &target);
                match damaged {
                    Some(bytes) => std::fs::write(target.join(&file), bytes).unwrap(),
                    None => std::fs::remove_file(target.join(&file)).unwrap(),
                }
                tried += 1;
                let result = std::panic::catch_unwind(|| recover(&target));
                let why = match result {
                    Ok(Ok(state)) if states.contains(&state) || (lost_its_end && prefixes.contains(&state)) => {
                        String::new()
                    }
                    Ok(Ok(state)) => format!("served: {}", difference(&state, &states[0])),
                    Ok(Err(Error::Corrupt(text))) if text.contains("damaged/") => {
                        found += 1;
                        String::new()
                    }
                    // Damage can turn a number into a greater one.
                    Ok(Err(Error::Storage(text)))
                        if file.ends_with("refengine.format") && text.contains("later version") =>
                    {
                        found += 1;
                        String::new()
                    }
                    Ok(Err(error)) => format!("the message is: {error:?}"),
                    Err(_) => "a panic".into(),
                };
                if !why.is_empty() {
                    let _ = writeln!(failed, "{kind} {}, {what}: {why}", file.display());
                }
                std::fs::remove_dir_all(&target).unwrap();
            }
        }
    }
    assert!(failed.is_empty(), "of {tried}, with {found} found:\n{failed}");
    assert!(found > tried / 4, "only {found} of {tried} were found");
}

fn recover_copy(root: &Path, dir: &Path) -> Result<State, Error> {
    let target = root.join("copy");
    copy(dir, &target);
    let state = recover(&target);
    std::fs::remove_dir_all(&target).unwrap();
    state
}
