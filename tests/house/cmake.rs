//! The CMake package: a C program built through `find_package(DaemonMemcached)` runs engine and daemon.

use std::path::Path;
use std::process::Command;

fn run(what: &str, command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("cannot run {what}: {e}; apt-get install cmake make gcc"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{what}: {}\n{text}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    text
}

fn target_dir() -> String {
    format!("-DDAEMON_MEMCACHED_TARGET_DIR={}", crate::common::library_folder().display())
}

/// Configures, builds and runs the program with one more CMake definition that says where the package is.
fn embed(folder: &Path, definitions: &[String]) {
    let build = folder.join("build");
    let source = crate::common::root().join("tests/c/embed");
    run("cmake", Command::new("cmake").arg("-S").arg(source).arg("-B").arg(&build).args(definitions));
    run("cmake --build", Command::new("cmake").arg("--build").arg(&build));
    let text = run("embed", Command::new(build.join("embed")).arg(folder.join("data")).current_dir(folder));
    assert_eq!(text, "ok\n");
}

#[test]
fn a_c_program_embeds_engine_and_daemon_from_an_install_prefix() {
    let folder = tempfile::tempdir().unwrap();
    let (build, prefix) = (folder.path().join("package"), folder.path().join("prefix"));
    run(
        "cmake",
        Command::new("cmake")
            .arg("-S")
            .arg(crate::common::root().join("cmake"))
            .arg("-B")
            .arg(&build)
            .arg(target_dir()),
    );
    run("cmake --install", Command::new("cmake").arg("--install").arg(&build).arg("--prefix").arg(&prefix));
    for file in [
        "lib/mysql/plugin/daemon_memcached.so",
        "lib/libdaemon_memcached.so",
        "lib/cmake/DaemonMemcached/DaemonMemcachedConfig.cmake",
        "lib/cmake/DaemonMemcached/DaemonMemcachedConfigVersion.cmake",
        "include/daemon_memcached/innodb_api.h",
        "include/daemon_memcached/mysql_plugin_abi.h",
        "share/mysql/innodb_memcached_config.sql",
        "share/mysql/default_container.sql",
    ] {
        assert!(prefix.join(file).is_file(), "{file} was not installed");
    }
    embed(folder.path(), &[format!("-DCMAKE_PREFIX_PATH={}", prefix.display())]);
}

#[test]
fn a_c_program_embeds_engine_and_daemon_from_the_build_tree() {
    let folder = tempfile::tempdir().unwrap();
    embed(
        folder.path(),
        &[format!("-DDaemonMemcached_DIR={}", crate::common::root().join("cmake").display()), target_dir()],
    );
}

#[test]
fn the_package_has_the_version_of_the_crate() {
    let file = crate::common::root().join("cmake/DaemonMemcachedConfigVersion.cmake");
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(concat!("set(PACKAGE_VERSION \"", env!("CARGO_PKG_VERSION"), "\")")), "{text}");
    // A program for another series is told so.
    let folder = tempfile::tempdir().unwrap();
    for (wanted, found) in [("0.1", true), ("0.1.0", true), ("0.2", false), ("0.1.99", false), ("1", false)] {
        let script = folder.path().join("version.cmake");
        let file = crate::common::root().join("cmake/DaemonMemcachedConfigVersion.cmake");
        let check = format!(
            "set(PACKAGE_FIND_VERSION \"{wanted}\")\ninclude({})\nmessage(\"${{PACKAGE_VERSION_COMPATIBLE}}\")\n",
            file.display()
        );
        std::fs::write(&script, check).unwrap();
        let output = Command::new("cmake").arg("-P").arg(&script).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        assert_eq!(said, if found { "TRUE" } else { "FALSE" }, "{wanted}");
    }
}
