//! What the shared library exports, in each build, is what `tests/house/exports/` lists.
//!
//! `UPDATE_EXPORTS=1 cargo test --release --test house exports` writes the lists anew.

use std::path::Path;
use std::process::Command;

fn exported(library: &Path) -> String {
    let output = Command::new("nm")
        .args(["-D", "--defined-only", "--format=just-symbols"])
        .arg(library)
        .output()
        .expect("nm is missing: apt-get install binutils");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut names: Vec<&str> = text.lines().collect();
    names.sort_unstable();
    names.join("\n") + "\n"
}

fn compare(library: &Path, list: &str) {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/house/exports").join(list);
    let found = exported(library);
    if std::env::var_os("UPDATE_EXPORTS").is_some() {
        std::fs::write(&list, &found).unwrap();
    }
    let kept = std::fs::read_to_string(&list).unwrap_or_default();
    assert_eq!(found, kept, "{} against {}", library.display(), list.display());
}

#[test]
fn the_default_library_exports_plugin_embedding_and_engine() {
    compare(&crate::common::library_folder().join("libdaemon_memcached.so"), "default.txt");
}

#[test]
fn the_plugin_for_a_server_exports_no_engine() {
    let folder = crate::common::program().parent().unwrap().join("plugin-only");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--lib", "--no-default-features", "--target-dir"])
        .arg(&folder)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(status.success());
    compare(&folder.join("release/libdaemon_memcached.so"), "plugin-only.txt");
}
