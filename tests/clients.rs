//! Client programs that others wrote, against the real program: libmemcached's conformance test, and an application's day in C, Python,
//! Perl, Ruby and Rust (`tests/clients/`). A missing one is a failure that names Debian's package.

mod common;

use common::{Host, PATIENCE, root};
use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs a program to its end and returns what it wrote, if it ended with status 0.
fn run(command: &mut Command) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("output");
    let output = File::create(&path).unwrap();
    command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
    let mut child = command.spawn().map_err(|e| format!("{command:?}: {e}"))?;
    let start = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if start.elapsed() > PATIENCE => break None,
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    if status.is_none() {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
    match status {
        Some(status) if status.success() => Ok(text),
        Some(status) => Err(format!("{command:?}: {status}\n{text}")),
        None => Err(format!("{command:?} does not end\n{text}")),
    }
}

/// Fails with the package's name if the command does.
#[track_caller]
fn need(package: &str, command: &mut Command) {
    if let Err(why) = run(command) {
        panic!("{why}\nIs it installed? apt-get install {package}");
    }
}

/// Runs a client program against a host of its own, and asks the host whether it is well afterwards.
#[track_caller]
fn passes(command: impl FnOnce(u16) -> Command) -> String {
    let host = Host::start();
    let output = run(&mut command(host.port())).unwrap_or_else(|why| panic!("{why}\n{}", host.log()));
    host.client().ask("set after 0 0 1\r\nx\r\nget after\r\n", "STORED\r\nVALUE after 0 1\r\nx\r\nEND\r\n");
    assert!(host.terminate().success());
    output
}

#[test]
fn memccapable_passes_every_ascii_test() {
    need("libmemcached-tools", Command::new("sh").args(["-c", "command -v memccapable"]));
    let output = passes(|port| {
        let mut command = Command::new("memccapable");
        command.args(["-h", "127.0.0.1", "-a", "-p", &port.to_string()]);
        command
    });
    let tests: Vec<&str> = output.lines().filter(|line| line.starts_with("ascii ")).collect();
    assert!(tests.len() >= 27, "only {} tests ran:\n{output}", tests.len());
    assert!(tests.iter().all(|line| line.ends_with("[pass]")), "{output}");
}

#[test]
fn libmemcached_in_c() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("roundtrip");
    need(
        "gcc libc6-dev libmemcached-dev",
        Command::new("cc")
            .args(["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&program)
            .arg(root().join("tests/clients/c/roundtrip.c"))
            .arg("-lmemcached"),
    );
    passes(|port| {
        let mut command = Command::new(&program);
        command.arg(port.to_string());
        command
    });
}

#[test]
fn pymemcache_in_python() {
    // By its path: another python3 may come first in PATH, without Debian's modules.
    const PYTHON: &str = "/usr/bin/python3";
    need("python3 python3-pymemcache", Command::new(PYTHON).args(["-c", "import pymemcache"]));
    passes(|port| {
        let mut command = Command::new(PYTHON);
        command.arg("-B").arg(root().join("tests/clients/python/roundtrip.py")).arg(port.to_string());
        command
    });
}

#[test]
fn cache_memcached_fast_in_perl() {
    const PERL: &str = "/usr/bin/perl";
    need("perl libcache-memcached-fast-perl", Command::new(PERL).args(["-MCache::Memcached::Fast", "-e1"]));
    passes(|port| {
        let mut command = Command::new(PERL);
        command.arg(root().join("tests/clients/perl/roundtrip.pl")).arg(port.to_string());
        command
    });
}

/// Debian 12's dalli does not speak meta yet: `tests/run` fetches a later one into `target/clients/dalli`.
#[test]
fn dalli_in_ruby_by_meta_commands() {
    const RUBY: &str = "/usr/bin/ruby";
    need("ruby ruby-connection-pool", Command::new(RUBY).args(["-e", "require 'connection_pool'"]));
    let gems = root().join("target/clients/dalli/usr/share/rubygems-integration/all/gems");
    let gem = std::fs::read_dir(&gems).ok().and_then(|mut found| found.next()?.ok());
    let library =
        gem.unwrap_or_else(|| panic!("no dalli in {}: run tests/run once", gems.display())).path().join("lib");
    passes(|port| {
        let mut command = Command::new(RUBY);
        command.arg("-I").arg(&library).arg(root().join("tests/clients/ruby/roundtrip.rb")).arg(port.to_string());
        command
    });
}

/// A crate of its own, so that no build of the package waits for the client's forty dependencies.
#[test]
fn async_memcached_in_rust_by_meta_commands() {
    let target = root().join("target/clients/rust-meta");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--target-dir"])
        .arg(&target)
        .current_dir(root().join("tests/clients/rust-meta"))
        .output()
        .unwrap();
    assert!(built.status.success(), "cargo build: {}", String::from_utf8_lossy(&built.stderr));
    passes(|port| {
        let mut command = Command::new(target.join("debug/rust-meta"));
        command.arg(port.to_string());
        command
    });
}
