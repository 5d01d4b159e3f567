//! The plugin in hosts that look like MySQL 5.7 and 8.0: no such server is in the packages, so a C program hands tables over in
//! their layouts (`tests/c/fake_mysql.c`).

mod common;

use std::process::Command;

/// Versions with the number of entries of their tables, and what the host says; `ok` or a part of the refusal.
const HOSTS: &[(&str, u32, &str)] = &[
    ("5.6.51", 50, "ok"),
    ("5.7.44", 50, "ok"),
    ("5.7.44-log", 50, "ok"),
    ("8.0.36", 48, "ok"),
    ("8.0.36", 54, "ok"),
    ("8.2.0", 48, "ok"),
    ("9.0.1", 48, "init: refused"),
];

#[test]
fn tables_of_old_servers_serve() {
    for (version, entries, expected) in HOSTS {
        let scratch = tempfile::tempdir().unwrap();
        let program = scratch.path().join("fake_mysql");
        let version = format!("-DVERSION=\"{version}\"");
        let entries = format!("-DENTRIES={entries}");
        common::cc(&["-rdynamic", &version, &entries, "tests/c/fake_mysql.c", "-ldl"], &program);
        let output = Command::new(&program)
            .arg(common::library_folder().join("libdaemon_memcached.so"))
            .arg(scratch.path().join("data"))
            .arg("sql/innodb_memcached_config.sql")
            .arg("sql/default_container.sql")
            .current_dir(common::root())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(expected), "{version} {entries}: {:?} {said}", output.status);
        assert_eq!(output.status.success(), *expected == "ok", "{version} {entries}: {said}");
    }
}
