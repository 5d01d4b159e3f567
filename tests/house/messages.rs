//! `docs/messages.md` and the lines that the code writes to an error log: each line has an identifier, each identifier one text, and
//! the list has them all.

use crate::common::root;
use crate::source::sources;
use std::collections::BTreeMap;
use std::fs;

/// What writes a line, and the level that the list calls it; the line's text is the next string.
const WRITERS: [(&str, &str); 9] = [
    ("log::error!(", "error"),
    ("log::warn!(", "warning"),
    ("log::info!(", "note"),
    ("log::debug!(", "detail"),
    (".complain(", "warning"),
    ("callbacks.log(Severity::Error", "error"),
    ("log_line(LOG_ERROR", "error"),
    ("log_line(LOG_WARNING", "warning"),
    ("log_line(LOG_NOTE", "note"),
];

/// Writers that get lines which have their identifiers: the file and what it is called with.
const PASSED_ON: [(&str, &str); 2] =
    [("src/server/shared.rs", "log::warn!(\"{}\", text())"), ("src/udf/server.rs", "log::warn!(\"{line}\")")];

/// The level and the text of each message by its identifier.
type Messages = BTreeMap<String, Vec<(Option<&'static str>, String)>>;

/// The code of the library and of the programs in it, tests apart, by file.
fn code() -> Vec<(String, String)> {
    let ours = sources(&["src"]).into_iter().filter(|source| !source.is_test() && !source.path.starts_with("src/bin/"));
    let mut files: Vec<_> = ours.map(|source| (source.path, source.text)).collect();
    for entry in fs::read_dir(root().join("src/harness")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "c") {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            files.push((format!("src/harness/{name}"), fs::read_to_string(&path).unwrap()));
        }
    }
    files
}

/// What stands between the quotes that `text` opens with.
fn string(text: &str) -> &str {
    let inner = text.strip_prefix('"').unwrap_or_else(|| panic!("no string: {text:.40}"));
    let mut escaped = false;
    let end = inner.find(|c| {
        let end = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        end
    });
    &inner[..end.expect("a string ends")]
}

/// The identifier in front of a text, and the rest.
fn split(text: &str) -> Option<(&str, &str)> {
    let (head, rest) = text.split_once(": ")?;
    let digits = head.strip_prefix("DM")?;
    (digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit())).then_some((head, rest))
}

/// A text with `…` for what is put in when the line is written.
fn shown(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(['{', '%', '\\']) {
        out.push_str(&rest[..at]);
        let length = match rest.as_bytes()[at] {
            b'{' => rest[at..].find('}').expect("a brace is closed") + 1,
            b'%' => rest[at..].find(['s', 'd']).expect("a conversion") + 1,
            _ => 1,
        };
        out.push_str(if rest.as_bytes()[at] == b'\\' { "" } else { "…" });
        rest = &rest[at + length..];
    }
    out + rest
}

/// The messages of the code. A line without an identifier is put into `nameless`.
fn written(nameless: &mut Vec<String>) -> Messages {
    let mut found = Messages::new();
    for (path, text) in code() {
        // Each text with an identifier, wherever it stands.
        for (at, _) in text.match_indices("\"DM") {
            if let Some((id, rest)) = split(string(&text[at..])) {
                found.entry(id.to_owned()).or_default().push((None, shown(rest)));
            }
        }
        for (writer, level) in WRITERS {
            for (at, _) in text.match_indices(writer) {
                let call = &text[at..];
                if PASSED_ON.iter().any(|(file, passed)| path == *file && call.starts_with(passed)) {
                    continue;
                }
                let behind = &call[writer.len()..];
                let line = behind.find('"').map(|quote| string(&behind[quote..])).unwrap_or_default();
                match split(line) {
                    Some((id, rest)) => found.entry(id.to_owned()).or_default().push((Some(level), shown(rest))),
                    None => nameless.push(format!("{path}: {writer} \"{line}\"")),
                }
            }
        }
        // Whatever else writes lines would not be seen above.
        for way in ["error!(", "warn!(", "info!(", "debug!(", "trace!("] {
            for (at, _) in text.match_indices(way) {
                if !text[..at].ends_with("log::") {
                    nameless.push(format!("{path}: {way} without log:: in front"));
                }
            }
        }
        if text.contains("eprintln!(") || text.contains("log::trace!(") || text.contains("log::log!(") {
            nameless.push(format!("{path}: a line that no list knows"));
        }
    }
    found
}

/// The rows of the list: identifier, level, message.
fn listed() -> Vec<(String, String, String)> {
    let text = fs::read_to_string(root().join("docs/messages.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `DM"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [id, level, message, cause, remedy] = cells[..] else { panic!("five cells: {row}") };
        assert!(cause.ends_with('.') && remedy.ends_with('.'), "whole sentences: {row}");
        (id.trim_matches('`').to_owned(), level.to_owned(), message.to_owned())
    })
    .collect()
}

#[test]
fn each_line_of_a_log_has_an_identifier_that_the_list_explains() {
    let mut wrong = Vec::new();
    let written = written(&mut wrong);
    let listed = listed();
    assert!(written.len() > 70 && written.values().flatten().filter(|(level, _)| level.is_some()).count() > 80);
    for pair in listed.windows(2) {
        if pair[0].0 >= pair[1].0 {
            wrong.push(format!("{} stands twice or behind {}", pair[1].0, pair[0].0));
        }
    }
    for (id, level, message) in &listed {
        let Some(places) = written.get(id) else {
            wrong.push(format!("{id} is in the list and not in the code"));
            continue;
        };
        for (real, text) in places {
            if text != message {
                wrong.push(format!("{id}: the code says \"{text}\", the list \"{message}\""));
            }
            if real.is_some_and(|real| real != level) {
                wrong.push(format!("{id}: it is written as {real:?}, the list says {level}"));
            }
        }
    }
    let unknown = written.keys().filter(|id| !listed.iter().any(|(listed, ..)| listed == *id));
    wrong.extend(unknown.map(|id| format!("{id} is in the code and not in the list")));
    assert!(wrong.is_empty(), "docs/messages.md:\n{}", wrong.join("\n"));
}
