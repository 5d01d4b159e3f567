//! The project's Rust sources as the tests of the house read them: files, their modules, and code without comments and strings.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file.
pub struct Source {
    /// From the root of the project.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// All Rust files below the folders, which are named from the root of the project.
pub fn sources(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in folders {
        walk(&root.join(folder), &mut |path| {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            found.push(Source { path: name, text: fs::read_to_string(path).unwrap() });
        });
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "{folders:?} have no files");
    found
}

fn walk(path: &PathBuf, visit: &mut impl FnMut(&Path)) {
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| walk(&entry.unwrap().path(), visit));
    } else if path.extension().is_some_and(|end| end == "rs") {
        visit(path);
    }
}

impl Source {
    /// The module that the file is, from the root of the crate: `["server", "tick"]`.
    pub fn module(&self) -> Vec<String> {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path).trim_end_matches(".rs");
        let parts = inside.split('/').map(str::to_owned);
        parts.filter(|part| part != "mod" && part != "lib").collect()
    }

    /// Whether it is only compiled for tests.
    pub fn is_test(&self) -> bool {
        self.path.split('/').any(|part| {
            let name = part.trim_end_matches(".rs");
            name == "tests" || name.ends_with("_tests")
        })
    }

    /// The code that is not for tests, with comments, strings and characters gone.
    pub fn code(&self) -> String {
        without_inner_modules(&bare(&self.text))
    }
}

/// Code without the modules that are written out in it, tests among them: their `super` is the file itself.
fn without_inner_modules(code: &str) -> String {
    let (mut out, mut inside) = (String::with_capacity(code.len()), None::<String>);
    for line in code.lines() {
        let indent = &line[..line.len() - line.trim_start().len()];
        let begins =
            line.ends_with('{') && line.split('{').next().unwrap_or_default().split(' ').any(|word| word == "mod");
        match &inside {
            Some(end) => inside = if line == *end { None } else { inside },
            None if begins => inside = Some(format!("{indent}}}")),
            None => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

/// Code without comments and without what strings and characters hold. Lines stay where they are.
pub fn bare(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(c) = rest.chars().next() {
        let skipped = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |at| at + 2),
            '"' => quoted(rest),
            'r' if !out.ends_with(|c: char| c.is_alphanumeric() || c == '_') => raw(rest),
            '\'' => character(rest),
            _ => 0,
        };
        if skipped == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            out.extend(rest[..skipped].chars().filter(|c| *c == '\n'));
            rest = &rest[skipped..];
        }
    }
    out
}

/// Length of a string with its quotes.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let end = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        end
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

/// Length of a raw string, 0 if there is none.
fn raw(text: &str) -> usize {
    let hashes = text[1..].chars().take_while(|c| *c == '#').count();
    if !text[1 + hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    text[hashes + 2..].find(&end).map_or(text.len(), |at| hashes + 2 + at + end.len())
}

/// Length of a character, 0 if this is a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((at, c))) => {
            let behind = at + c.len_utf8();
            text[behind..].find('\'').map_or(0, |end| behind + end + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}
