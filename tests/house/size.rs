//! Files that have one subject, and functions that fit a screen.

use crate::source::{Source, sources};

/// Most lines of a file.
const FILE_MAX: usize = 520;

/// Most lines of a function, its signature and braces included.
const FUNCTION_MAX: usize = 80;

/// Made by a program.
const MADE: &str = "src/bindings.rs";

/// Functions by where they begin, with their lines. A function ends at the first brace that stands as far in as its first line, which
/// is how rustfmt sets it.
fn functions(source: &Source) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let words = trimmed.split('(').next().unwrap_or_default();
        let is_function = words.split(' ').any(|word| word == "fn") && !trimmed.starts_with("//");
        if !is_function || line.ends_with(';') || line.ends_with('}') {
            continue;
        }
        let indent = &line[..line.len() - trimmed.len()];
        let ends = |line: &&str| {
            line.strip_prefix(indent).is_some_and(|rest| rest == "}" || rest.ends_with(';') && rest.starts_with(')'))
        };
        if let Some(length) = lines[at..].iter().position(ends) {
            found.push((at + 1, length + 1));
        }
    }
    found
}

#[test]
fn files_have_one_subject_and_functions_fit_a_screen() {
    let sources = sources(&["src", "tests", "benches", "fuzz"]);
    let mut seen = 0;
    let mut long = Vec::new();
    for source in sources.iter().filter(|source| source.path != MADE) {
        let lines = source.text.lines().count();
        if lines > FILE_MAX {
            long.push(format!("{} has {lines} lines", source.path));
        }
        for (line, length) in functions(source) {
            seen += 1;
            if length > FUNCTION_MAX {
                long.push(format!("{}:{line}: a function of {length} lines", source.path));
            }
        }
    }
    assert!(seen > 2000, "{seen} functions found");
    assert!(long.is_empty(), "cut these by subject:\n{}", long.join("\n"));
}
