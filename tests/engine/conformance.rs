//! The conformance suite of `include/innodb_api.h` (`tests/conformance/*.c`), compiled and run on the bundled engine.
//!
//! The suite is C, uses only public headers and knows its engine through `provider.h`, so that any other implementer of
//! the table can run it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles the suite with the bundled engine's provider.
fn suite(folder: &Path) -> PathBuf {
    let (program, library) = (folder.join("conformance"), crate::common::library_folder());
    let sources =
        std::fs::read_dir(crate::common::root().join("tests/conformance")).unwrap().map(|e| e.unwrap().path());
    let output = Command::new("cc")
        .args(["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Werror", "-pedantic", "-g", "-pthread"])
        .arg(format!("-I{}", crate::common::root().join("include").display()))
        .args(sources.filter(|path| path.extension().is_some_and(|e| e == "c")))
        .arg("-o")
        .arg(&program)
        .arg(format!("-L{}", library.display()))
        .arg(format!("-Wl,-rpath,{}", library.display()))
        .arg("-ldaemon_memcached")
        .output()
        .expect("cannot run cc; apt-get install gcc");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    program
}

/// Runs the cases whose name contains `which` and returns their number.
fn run(program: &Path, data: &Path, which: &str) -> usize {
    let output = Command::new(program).arg(data).arg(which).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{text}", output.status);
    let good = text.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(text.contains(&format!("\n1..{good}\n")), "{text}");
    good
}

#[test]
fn the_bundled_engine_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let program = suite(folder.path());
    let data = folder.path().join("data");
    assert!(run(&program, &data, "") >= 60);
    // Some once more, where the first run left its tables.
    assert!(run(&program, &data, "row") >= 10);
}

#[test]
fn every_entry_of_the_table_has_a_case() {
    let folder = crate::common::root().join("tests/conformance");
    let used: String =
        std::fs::read_dir(folder).unwrap().map(|e| std::fs::read_to_string(e.unwrap().path()).unwrap()).collect();
    let header = std::fs::read_to_string(crate::common::root().join("include/innodb_api.h")).unwrap();
    let (_, table) = header.split_once("typedef struct ib_cb {").unwrap();
    let (table, _) = table.split_once("} ib_cb_t;").unwrap();
    let entries: HashSet<&str> = table
        .split("(*")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(name, _)| name)
        .filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))
        .collect();
    assert_eq!(entries.len(), 50, "{entries:?}");
    for entry in entries {
        assert!(used.contains(&format!("ib->{entry}(")), "no case calls {entry}");
    }
}
