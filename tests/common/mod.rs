//! What the integration tests share: `memcached-host` as a child process and a small client.
//!
//! [`HostConfig`] owns a temporary data directory and starts a [`Host`] on it as often as a test
//! wants (after `kill9`, after `terminate`). Every wait has a bound and fails with what the program
//! said on its standard error.

#![allow(dead_code, unused_imports, missing_docs)]

mod client;
mod config;
mod host;
mod lines;
pub mod memcached;
pub mod meta;
pub mod packets;
pub mod patient;
mod ports;
pub mod random;
pub mod ranges;
pub mod scripts;
pub mod tls;
pub mod transport;

pub use client::{Client, credentials};
pub use config::HostConfig;
pub use host::{Host, SqlError};
pub use ports::free_port;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// Bound of every wait for the program.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Starts the plugin, where the host has not.
pub const INSTALL: &str = "INSTALL PLUGIN daemon_memcached SONAME 'daemon_memcached.so'";

/// The program under test.
pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_memcached-host"))
}

/// The folder of the shared library that cargo built together with the program under test.
/// (`cargo test` and `cargo run` leave it in `deps`; only `cargo build` puts it beside the program.)
pub fn library_folder() -> PathBuf {
    program().with_file_name("deps")
}

/// The root of the package.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compiles C sources of `tests/c` into `output`; a missing compiler fails the test with the package's name.
pub fn cc(args: &[&str], output: &Path) {
    let run = Command::new("cc")
        .args(["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-g", "-I"])
        .arg(root().join("include"))
        .args(args)
        .arg("-o")
        .arg(output)
        .current_dir(root())
        .output()
        .unwrap_or_else(|e| panic!("cannot run cc: {e}; apt-get install gcc libc6-dev"));
    assert!(run.status.success(), "cc {args:?}:\n{}", String::from_utf8_lossy(&run.stderr));
}

/// What `memcached-host passwd` prints.
pub fn user_line(name: &str, password: &str, rights: &str) -> String {
    let mut child = Command::new(program())
        .args(["passwd", name, rights])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "passwd {name} {rights}");
    String::from_utf8(output.stdout).unwrap()
}

/// A lock that a failed test thread does not poison for the others.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
