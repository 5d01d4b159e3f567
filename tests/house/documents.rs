//! `docs/reference.md` lists exactly what there is: the first column of each of its tables against the running program.

use crate::common::{Host, HostConfig, program, root};
use daemon_memcached::server::options::Options;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

type Names = BTreeSet<String>;

/// The names in backticks in the first column of the table under a heading.
fn documented(text: &str, heading: &str) -> Names {
    let mark = format!("## {heading}\n");
    let (_, section) = text.split_once(&mark).unwrap_or_else(|| panic!("docs/reference.md has no section {heading}"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let first = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    first.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned)).collect()
}

fn compare(text: &str, heading: &str, real: Names) {
    let documented = documented(text, heading);
    assert!(!real.is_empty(), "{heading}: the program shows nothing");
    let missing: Vec<_> = real.difference(&documented).collect();
    let invented: Vec<_> = documented.difference(&real).collect();
    assert!(
        missing.is_empty() && invented.is_empty(),
        "docs/reference.md, {heading}: missing {missing:?}, not in the program {invented:?}"
    );
}

fn reference() -> String {
    fs::read_to_string(root().join("docs/reference.md")).unwrap()
}

fn shown(host: &Host, statement: &str, prefixes: &[&str]) -> Names {
    let names = host.rows(statement).into_iter().filter_map(|row| row.into_iter().next());
    names.filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix))).collect()
}

fn stats(host: &Host, arguments: &str) -> Names {
    host.client().stats(arguments).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn variables_and_statistics() {
    let (host, text) = (HostConfig::new().start(), reference());
    compare(&text, "System variables", shown(&host, "SHOW VARIABLES", &["daemon_memcached_", "innodb_"]));
    compare(&text, "Status variables", shown(&host, "SHOW STATUS", &["Daemon_memcached_"]));
    compare(&text, "Statistics", stats(&host, ""));
    compare(&text, "Settings", stats(&host, "settings"));
    // `get:count` is documented as `get` and `count`.
    let parts = stats(&host, "latency").iter().flat_map(|name| name.split(':').map(str::to_owned)).collect();
    compare(&text, "Latencies", parts);
}

#[test]
fn options_of_the_host() {
    let help = Command::new(program()).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let (own, _) = help.split_once("System variables").unwrap();
    let words = own.lines().filter_map(|line| {
        let from = line.find("--").filter(|from| *from <= 6)?;
        let name = &line[from + 2..];
        Some(format!(
            "--{}",
            &name[..name.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(name.len())]
        ))
    });
    compare(&reference(), "Options of memcached-host", words.collect());
}

#[test]
fn options_of_memcached() {
    let known = |option: &str, argument: &str| {
        let unknown = format!("option {option} is unknown");
        Options::parse(&format!("{option}{argument}")).err().is_none_or(|error| !error.to_string().contains(&unknown))
    };
    let letters = ('A'..='Z').chain('a'..='z').map(|letter| format!("-{letter}"));
    let text = reference();
    compare(&text, "Options of memcached", letters.filter(|flag| known(flag, " x")).collect());
    for name in documented(&text, "Options of -o") {
        let option = format!("-o {name}");
        assert!(known(&option, "") && known(&option, "=1"), "{option} is not known");
    }
    assert!(!known("-o nonsense", ""));
}

/// The files of a folder that are Rust, with their names as modules: `tests/protocol/bounds.rs` is `protocol::bounds`.
fn modules(folder: &Path, name: &str, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let inner = if stem == "mod" { name.to_owned() } else { format!("{name}::{stem}") };
        if path.is_dir() {
            modules(&path, &inner, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((inner, fs::read_to_string(path).unwrap()));
        }
    }
}

#[test]
fn each_bound_names_a_test_that_exists() {
    let text = reference();
    let (_, section) = text.split_once("## Bounds\n").expect("docs/reference.md has a section Bounds");
    let rows: Vec<Vec<&str>> = section
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    assert!(rows.len() > 20, "{}", rows.len());
    let mut all = Vec::new();
    modules(&root().join("tests"), "", &mut all);
    modules(&root().join("src"), "::lib", &mut all);
    for row in rows.iter().skip(1) {
        let [what, .., tests] = row.as_slice() else { panic!("{row:?}") };
        let tests: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "{what}: no test");
        for test in tests {
            let (module, function) = test.rsplit_once("::").unwrap_or_else(|| panic!("{what}: {test}"));
            // Tests may stand in the file that they test.
            let places = [format!("::{module}"), format!("::{}", module.trim_end_matches("::tests"))];
            let there =
                all.iter().any(|(name, text)| places.contains(name) && text.contains(&format!("fn {function}()")));
            assert!(there, "{what}: there is no test {test}");
        }
    }
}
