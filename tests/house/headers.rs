//! The public headers compile alone, as C11 and as C++17, and the host's C sources compile without a warning.

use std::path::{Path, PathBuf};
use std::process::Command;

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found: Vec<PathBuf> = std::fs::read_dir(root.join(folder)).unwrap().map(|e| e.unwrap().path()).collect();
    found.retain(|p| p.extension().is_some_and(|e| e == extension));
    assert!(!found.is_empty(), "nothing in {folder}");
    found
}

fn compile(compiler: &str, arguments: &[&str], file: &Path) {
    let output = Command::new(compiler)
        .args(["-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", "include"])
        .args(arguments)
        .arg(file)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap_or_else(|e| panic!("cannot run {compiler}: {e}; apt-get install {compiler}"));
    assert!(output.status.success(), "{}:\n{}", file.display(), String::from_utf8_lossy(&output.stderr));
}

#[test]
fn each_header_alone_is_c11_and_cpp17() {
    // Compiled through a file that includes it: a header as main file has warnings of its own.
    let folder = tempfile::tempdir().unwrap();
    for header in files("include", "h") {
        for (compiler, standard, name) in [("gcc", "-std=c11", "alone.c"), ("g++", "-std=c++17", "alone.cpp")] {
            let source = folder.path().join(name);
            std::fs::write(&source, format!("#include \"{}\"\n", header.display())).unwrap();
            compile(compiler, &[standard, "-pedantic"], &source);
        }
    }
}

#[test]
fn the_host_compiles_without_a_warning() {
    for source in files("src/harness", "c") {
        compile("gcc", &["-std=c11", "-D_GNU_SOURCE", "-O2", "-Isrc/harness"], &source);
    }
}
