//! Who imports whom, file by file: `use` lines and paths in code, each followed through re-exports to the file that defines the name.
//!
//! Code for tests does not count, and neither does a re-export by itself: it is nothing that the file needs.

use crate::source::{Source, sources};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

type Module = Vec<String>;

/// A name that a `use` brings in.
struct Import {
    path: Vec<String>,
    /// `*` for all names.
    name: String,
    exported: bool,
}

/// A file's part in the graph.
struct File {
    imports: Vec<Import>,
    /// Its code without `use` lines.
    body: String,
}

/// The files of the crate and what they import.
pub struct Graph {
    files: BTreeMap<Module, File>,
    /// The path of each module's file, without `src/`.
    pub paths: BTreeMap<Module, String>,
    /// From each file to the files that it needs.
    pub edges: BTreeMap<Module, BTreeSet<Module>>,
    /// Paths with `super` that leave their room: the file and the path.
    pub escapes: Vec<(String, String)>,
}

impl Graph {
    /// Of the crate's files, programs apart.
    pub fn get() -> &'static Graph {
        static GRAPH: OnceLock<Graph> = OnceLock::new();
        GRAPH.get_or_init(Graph::read)
    }

    fn read() -> Graph {
        let sources = sources(&["src"]);
        let ours = |source: &&Source| !source.is_test() && !source.path.starts_with("src/bin/");
        let mut graph =
            Graph { files: BTreeMap::new(), paths: BTreeMap::new(), edges: BTreeMap::new(), escapes: Vec::new() };
        for source in sources.iter().filter(ours) {
            let code = source.code();
            let (uses, body) = split_uses(&code);
            let imports = uses.iter().flat_map(|(text, exported)| flatten(text, *exported)).collect();
            graph.files.insert(source.module(), File { imports, body });
            graph.paths.insert(source.module(), source.path.trim_start_matches("src/").to_owned());
        }
        let modules: Vec<Module> = graph.files.keys().cloned().collect();
        for module in modules {
            let needed = graph.needs(&module);
            graph.edges.insert(module, needed);
        }
        graph
    }

    /// The files that one needs.
    fn needs(&mut self, module: &Module) -> BTreeSet<Module> {
        let file = &self.files[module];
        let mut paths: Vec<Vec<String>> = Vec::new();
        let mut short: BTreeMap<&str, &Import> = BTreeMap::new();
        for import in &file.imports {
            let used = || words(&file.body).any(|word| word == import.name);
            if !import.exported || used() {
                paths.push(import.path.clone());
            }
            short.insert(&import.name, import);
        }
        for path in code_paths(&file.body) {
            let child = [&module[..], &path[..1]].concat();
            match short.get(path[0].as_str()) {
                Some(import) => paths.push([&import.path[..], &path[1..]].concat()),
                None if starts(&path[0]) || self.files.contains_key(&child) => paths.push(path),
                None => {}
            }
        }
        let mut needed = BTreeSet::new();
        let mut escapes = Vec::new();
        for path in paths {
            let ups = path.iter().take_while(|part| *part == "super").count();
            if ups > 0 && ups >= module.len() && path.get(ups) != module.first() {
                escapes.push((self.paths[module].clone(), path.join("::")));
            }
            let Some(target) = self.resolve(module, &path, 0) else { continue };
            needed.insert(target);
        }
        self.escapes.extend(escapes);
        needed.remove(module);
        needed
    }

    /// The file that defines what a path in `from` names; `None`: it is not in the crate, or a module by itself.
    fn resolve(&self, from: &Module, path: &[String], depth: usize) -> Option<Module> {
        assert!(depth < 20, "{} goes round in circles", path.join("::"));
        let mut at = from.clone();
        let mut rest = path;
        let relative = starts(&path[0]);
        if path[0] == "crate" {
            at.clear();
        }
        while let Some((first, behind)) = rest.split_first().filter(|(first, _)| starts(first)) {
            if first == "super" {
                at.pop();
            }
            rest = behind;
        }
        if !relative && !self.files.contains_key(&[&at[..], &path[..1]].concat()) {
            return None;
        }
        while let Some((first, behind)) = rest.split_first() {
            let child = [&at[..], std::slice::from_ref(first)].concat();
            if self.files.contains_key(&child) {
                (at, rest) = (child, behind);
                continue;
            }
            let file = self.files.get(&at)?;
            if let Some(import) = file.imports.iter().find(|import| import.name == *first) {
                let whole = [&import.path[..], behind].concat();
                return self.resolve(&at, &whole, depth + 1).or(Some(at).filter(|_| starts(&import.path[0])));
            }
            return Some(at);
        }
        None
    }

    /// Groups of files, each of which needs all others of its group in the end.
    pub fn circles(&self) -> Vec<Vec<&Module>> {
        let reach: BTreeMap<&Module, BTreeSet<&Module>> =
            self.edges.keys().map(|file| (file, self.reach(file))).collect();
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for (file, reached) in &reach {
            if reached.contains(file) && seen.insert(*file) {
                let circle: Vec<_> = reached.iter().copied().filter(|other| reach[other].contains(file)).collect();
                seen.extend(circle.iter().copied());
                found.push(circle);
            }
        }
        found
    }

    fn reach<'a>(&'a self, file: &'a Module) -> BTreeSet<&'a Module> {
        let (mut found, mut open) = (BTreeSet::new(), vec![file]);
        while let Some(next) = open.pop() {
            open.extend(self.edges.get(next).into_iter().flatten().filter(|other| found.insert(*other)));
        }
        found
    }
}

fn starts(word: &str) -> bool {
    matches!(word, "crate" | "super" | "self")
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| !is_word(c)).filter(|word| !word.is_empty())
}

/// The trees of the `use` lines, with whether they are exported, and the code without them.
fn split_uses(code: &str) -> (Vec<(String, bool)>, String) {
    let (mut uses, mut body, mut open) = (Vec::new(), String::new(), None::<(String, bool)>);
    for line in code.lines() {
        let trimmed = line.trim_start();
        if open.is_none() {
            let (exported, rest) = match trimmed.strip_prefix("pub") {
                Some(rest) if rest.starts_with(' ') => (true, rest.trim_start()),
                Some(rest) if rest.starts_with('(') => (true, rest.split_once(") ").map_or("", |(_, rest)| rest)),
                _ => (false, trimmed),
            };
            open = rest.strip_prefix("use ").map(|_| (String::new(), exported));
        }
        match &mut open {
            Some((tree, _)) => {
                tree.push_str(trimmed);
                tree.push(' ');
            }
            None => {
                body.push_str(line);
                body.push('\n');
            }
        }
        if trimmed.ends_with(';')
            && let Some((tree, exported)) = open.take()
        {
            let tree = tree.split_once("use ").map_or("", |(_, tree)| tree).trim().trim_end_matches(';');
            uses.push((tree.to_owned(), exported));
        }
    }
    (uses, body)
}

/// The names that a tree of a `use` brings in.
fn flatten(tree: &str, exported: bool) -> Vec<Import> {
    fn go(prefix: &[String], tree: &str, exported: bool, found: &mut Vec<Import>) {
        let tree = tree.trim();
        if let Some((path, group)) = tree.split_once('{') {
            let inner = group.strip_suffix('}').unwrap_or(group);
            let path = path.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned);
            let prefix: Vec<String> = prefix.iter().cloned().chain(path).collect();
            let (mut depth, mut start) = (0, 0);
            for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
                depth += i32::from(c == '{') - i32::from(c == '}');
                if c == ',' && depth == 0 {
                    if !inner[start..at].trim().is_empty() {
                        go(&prefix, &inner[start..at], exported, found);
                    }
                    start = at + 1;
                }
            }
            return;
        }
        let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(path, alias)| (path, Some(alias.trim())));
        let parts = path.split("::").map(|part| part.trim().to_owned());
        let mut path: Vec<String> = prefix.iter().cloned().chain(parts).collect();
        if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
            path.pop();
        }
        let name = alias.map_or_else(|| path.last().cloned().unwrap_or_default(), str::to_owned);
        found.push(Import { path, name, exported });
    }
    let mut found = Vec::new();
    go(&[], tree, exported, &mut found);
    found
}

/// Paths of two parts or more in code.
fn code_paths(body: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for run in body.split(|c: char| !is_word(c) && c != ':') {
        let parts: Vec<String> = run.split("::").map(str::to_owned).collect();
        if parts.len() > 1 && parts.iter().take(2).all(|part| part.chars().next().is_some_and(is_word)) {
            found.push(parts.into_iter().take_while(|part| !part.is_empty() && part.chars().all(is_word)).collect());
        }
    }
    found.retain(|path: &Vec<String>| path.len() > 1);
    found
}
