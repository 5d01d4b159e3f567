//! The walls of the house: no room imports one that it must not know (`src/lib.rs` has the table).

use std::fs;
use std::path::Path;

/// Room, and the rooms that it must not know.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "boundary.rs",
        &["auth", "protocol", "rows", "store", "cache", "server", "plugin", "host", "refengine", "sqlserver"],
    ),
    ("plugin", &["protocol", "rows", "store", "cache", "refengine", "udf"]),
    ("host", &["auth", "protocol", "store", "cache", "server", "plugin", "refengine", "udf"]),
    ("rows", &["auth", "protocol", "store", "cache", "server", "plugin", "host", "refengine", "udf"]),
    ("store", &["auth", "protocol", "server", "plugin", "host", "refengine", "udf"]),
    ("cache", &["auth", "protocol", "rows", "store", "server", "plugin", "host", "refengine", "udf"]),
    ("auth", &["protocol", "rows", "store", "cache", "server", "plugin", "host", "refengine", "udf"]),
    ("protocol", &["auth", "store", "cache", "rows", "server", "plugin", "host", "refengine", "udf"]),
    ("server", &["plugin", "refengine", "udf"]),
    ("refengine", &["auth", "plugin", "host", "rows", "store", "cache", "protocol", "server", "sqlserver", "udf"]),
    ("sqlserver", &["auth", "plugin", "host", "rows", "store", "cache", "protocol", "server", "udf"]),
    ("udf", &["auth", "plugin", "host", "rows", "store", "cache", "protocol", "server", "refengine", "sqlserver"]),
];

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    if folder.is_file() {
        found.push((folder.display().to_string(), fs::read_to_string(folder).unwrap()));
        return;
    }
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Rooms that a source file names: `crate::room` or, in a nested import, `crate::{room`.
fn named<'a>(text: &str, rooms: &[&'a str]) -> Vec<&'a str> {
    let text: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    assert!(!text.contains("use crate::{"), "write one `use crate::room` line per room");
    rooms
        .iter()
        .copied()
        .filter(|room| text.contains(&format!("crate::{room}::")) || text.contains(&format!("crate::{room};")))
        .collect()
}

#[test]
fn no_room_imports_one_it_must_not_know() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (room, forbidden) in FORBIDDEN {
        let mut files = Vec::new();
        sources(&root.join(room), &mut files);
        assert!(!files.is_empty(), "room {room} has no files");
        for (path, text) in files {
            assert_eq!(named(&text, forbidden), Vec::<&str>::new(), "{path} knows what room {room} must not know");
        }
    }
}

/// The bodies of the functions that C calls, with their names.
fn called_by_c(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("extern \"C\" fn ") {
        let rest = &text[at + "extern \"C\" fn ".len()..];
        let name = rest.split('(').next().unwrap();
        // Types and declarations have no name or end before a body begins.
        let Some(open) = rest.find('{').filter(|open| !name.is_empty() && !rest[..*open].contains(';')) else {
            continue;
        };
        let mut depth = 0;
        let end = rest.char_indices().skip(open).find(|(_, c)| {
            depth += i32::from(*c == '{') - i32::from(*c == '}');
            depth == 0
        });
        found.push((name, &rest[open..end.unwrap().0]));
    }
    found
}

#[test]
fn no_function_that_c_calls_lets_a_panic_out() {
    // What only passes its arguments on, or only tells a constant, cannot panic; tests may.
    const PASSES_ON: &[&str] = &["/host/mysql/canonical.rs", "/harness/main.rs", "/tests.rs"];
    const TELLS: &[&str] = &["ut_strerr"];
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut seen = 0;
    for (path, text) in files.iter().filter(|(path, _)| !PASSES_ON.iter().any(|end| path.ends_with(end))) {
        for (name, body) in called_by_c(text.split("#[cfg(test)]").next().unwrap()) {
            let guarded = ["guard(", "catch(", "answer(arg", "null(arg)"].iter().any(|guard| body.contains(guard));
            assert!(guarded || !body.contains('(') || TELLS.contains(&name), "{path}: {name} is not guarded");
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen} functions found");
}

#[test]
fn the_harness_knows_only_the_public_headers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/harness");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "c" || e == "h") {
            let text = fs::read_to_string(&path).unwrap();
            for line in text.lines().filter(|line| line.starts_with("#include \"")) {
                let name = line.split('"').nth(1).unwrap();
                let own = path.with_file_name(name).exists();
                let public = Path::new(env!("CARGO_MANIFEST_DIR")).join("include").join(name).exists();
                assert!(own || public, "{}: {line}", path.display());
            }
        }
    }
}
