//! The walls of the house: no room imports one that it must not know (`src/lib.rs` has the table).

use crate::imports::Graph;
use crate::source::{Source, bare, sources};
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

/// Rooms in which no file needs one that needs it; elsewhere at most two files do.
const WITHOUT_CIRCLES: &[&str] = &["plugin", "protocol", "rows", "server", "store"];

/// The floors of the server, from the bottom up: a file may need files of its own floor and of those below.
const SERVER: &[(&str, &[&str])] = &[
    (
        "vocabulary",
        &[
            "admission",
            "budget",
            "clock",
            "detail",
            "journal",
            "latency",
            "mapping",
            "outcome",
            "scope",
            "sizes",
            "stats",
            "terms",
            "watched",
        ],
    ),
    ("sockets and connections", &["conn", "listen", "login", "mailbox", "options", "peers", "socket", "tls", "watch"]),
    ("what all threads share", &["batch", "reader", "report", "shared", "sweep"]),
    ("execution", &["execute"]),
    ("ticks", &["tick"]),
    ("workers", &["held", "threads", "worker"]),
    ("the daemon's other threads", &["accept", "login_thread", "metrics", "mod", "supervise"]),
];

/// Rooms that a source file names: `crate::room` or, in a nested import, `crate::{room`.
fn named<'a>(source: &Source, rooms: &[&'a str]) -> Vec<&'a str> {
    let text = bare(&source.text);
    assert!(!text.contains("use crate::{"), "{}: write one `use crate::room` line per room", source.path);
    rooms
        .iter()
        .copied()
        .filter(|room| text.contains(&format!("crate::{room}::")) || text.contains(&format!("crate::{room};")))
        .collect()
}

#[test]
fn no_room_imports_one_it_must_not_know() {
    for (room, forbidden) in FORBIDDEN {
        for source in sources(&[&format!("src/{room}")]) {
            let known = named(&source, forbidden);
            assert_eq!(known, Vec::<&str>::new(), "{} knows what room {room} must not know", source.path);
        }
    }
}

#[test]
fn no_path_with_super_leaves_its_room() {
    assert_eq!(Graph::get().escapes, [], "write `crate::` in front of another room");
}

#[test]
fn no_file_needs_one_that_needs_it() {
    let graph = Graph::get();
    assert!(graph.edges.values().flatten().count() > 500, "hardly an import was found");
    let shown =
        |circle: &[&Vec<String>]| circle.iter().map(|file| graph.paths[*file].as_str()).collect::<Vec<_>>().join(", ");
    for circle in graph.circles() {
        let strict = circle.iter().any(|file| WITHOUT_CIRCLES.contains(&file.first().map_or("", String::as_str)));
        assert!(!strict && circle.len() <= 2, "these files need each other: {}", shown(&circle));
    }
}

/// Number of a server file's floor.
fn floor(file: &[String]) -> usize {
    let name = file.get(1).map_or("mod", String::as_str);
    let found = SERVER.iter().position(|(_, names)| names.contains(&name));
    found.unwrap_or_else(|| panic!("server/{name} has no floor: give it one in SERVER"))
}

#[test]
fn nothing_in_the_server_needs_a_floor_above_its_own() {
    let graph = Graph::get();
    let in_server = |file: &&Vec<String>| file.first().is_some_and(|room| room == "server");
    let files: Vec<_> = graph.edges.keys().filter(in_server).collect();
    for name in SERVER.iter().flat_map(|(_, names)| *names).filter(|name| **name != "mod") {
        assert!(files.iter().any(|file| file.get(1).is_some_and(|known| known == name)), "there is no server/{name}");
    }
    for file in files {
        for needed in graph.edges[file].iter().filter(in_server) {
            let (own, other) = (floor(file), floor(needed));
            let (from, to) = (&graph.paths[file], &graph.paths[needed]);
            assert!(other <= own, "{from} ({}) needs {to} ({})", SERVER[own].0, SERVER[other].0);
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
    let mut seen = 0;
    let files = sources(&["src"]);
    for Source { path, text } in files.iter().filter(|file| !PASSES_ON.iter().any(|end| file.path.ends_with(end))) {
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
