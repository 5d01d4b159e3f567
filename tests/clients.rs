//! Client programs that others wrote, against the real program: libmemcached's conformance test, and an application's day in C, Python
//! and Perl (`tests/clients/`). A missing one is a failure that names Debian's package.

mod common;

use common::{Host, HostConfig, PATIENCE, root};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Instant;

/// Runs a program to its end and returns what it wrote, if it ended with status 0. At each line `restart` that it writes, `restart` is
/// called, and then it gets an empty line.
fn run_with(command: &mut Command, mut restart: impl FnMut()) -> Result<String, String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{command:?}: {e}"))?;
    let (sender, lines) = std::sync::mpsc::channel();
    for stream in
        [Box::new(child.stdout.take().unwrap()) as Box<dyn Read + Send>, Box::new(child.stderr.take().unwrap())]
    {
        let sender = sender.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines() {
                let _ = sender.send(line.unwrap_or_else(|e| e.to_string()));
            }
        });
    }
    drop(sender);
    let mut stdin = child.stdin.take().unwrap();
    let (start, mut text) = (Instant::now(), String::new());
    loop {
        match lines.recv_timeout(PATIENCE.saturating_sub(start.elapsed())) {
            Ok(line) if line == "restart" => {
                restart();
                let _ = stdin.write_all(b"\n");
            }
            Ok(line) => text += &(line + "\n"),
            // Both of its streams are closed.
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                child.kill().unwrap();
                child.wait().unwrap();
                return Err(format!("{command:?} does not end\n{text}"));
            }
        }
    }
    match child.wait().unwrap() {
        status if status.success() => Ok(text),
        status => Err(format!("{command:?}: {status}\n{text}")),
    }
}

fn run(command: &mut Command) -> Result<String, String> {
    run_with(command, || panic!("asked for a restart"))
}

/// Fails with the package's name if the command does.
#[track_caller]
fn need(package: &str, command: &mut Command) {
    if let Err(why) = run(command) {
        panic!("{why}\nIs it installed? apt-get install {package}");
    }
}

/// Runs a client program against a host of its own, which is killed and started again whenever the program asks for it, and asks the
/// host whether it is well afterwards.
#[track_caller]
fn passes(command: impl FnOnce(u16) -> Command) -> String {
    let config = HostConfig::new();
    let mut host = Some(config.start());
    let port = host.as_ref().unwrap().port();
    let output = run_with(&mut command(port), || {
        host.take().unwrap().kill9();
        host = Some(start_on(&config, port));
    });
    let host = host.unwrap();
    let output = output.unwrap_or_else(|why| panic!("{why}\n{}", host.log()));
    host.client().ask("set after 0 0 1\r\nx\r\nget after\r\n", "STORED\r\nVALUE after 0 1\r\nx\r\nEND\r\n");
    assert!(host.terminate().success());
    output
}

/// Starts on a port that was ours a moment ago: for another moment somebody's outgoing connection may have it.
fn start_on(config: &HostConfig, port: u16) -> Host {
    let config = config.clone().option(&format!("-p {port}"));
    let start = Instant::now();
    loop {
        let host = config.start();
        // A taken port refuses the INSTALL, and the host runs on without the plugin.
        if host.status("Daemon_memcached_listening").is_some_and(|listening| listening.contains(&port.to_string())) {
            return host;
        }
        assert!(start.elapsed() < PATIENCE, "port {port} stays taken\n{}", host.log());
    }
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

#[test]
fn cache_memcached_in_perl() {
    const PERL: &str = "/usr/bin/perl";
    need("perl libcache-memcached-perl", Command::new(PERL).args(["-MCache::Memcached", "-e1"]));
    passes(|port| {
        let mut command = Command::new(PERL);
        command.arg(root().join("tests/clients/perl/plain.pl")).arg(port.to_string());
        command
    });
}

#[test]
fn the_memcached_extension_of_php() {
    const PHP: &str = "/usr/bin/php";
    need("php-cli php-memcached", Command::new(PHP).args(["-r", "new Memcached();"]));
    passes(|port| {
        let mut command = Command::new(PHP);
        command.arg(root().join("tests/clients/php/roundtrip.php")).arg(port.to_string());
        command
    });
}

#[test]
fn spymemcached_in_java() {
    const JAR: &str = "/usr/share/java/spymemcached.jar";
    let classes = tempfile::tempdir().unwrap();
    need(
        "openjdk-17-jdk-headless libspymemcached-java",
        Command::new("javac")
            .args(["-cp", JAR, "-Xlint:all", "-Werror", "-d"])
            .arg(classes.path())
            .arg(root().join("tests/clients/java/RoundTrip.java")),
    );
    passes(|port| {
        let mut command = Command::new("java");
        command.arg("-cp").arg(format!("{}:{JAR}", classes.path().display()));
        command.args(["RoundTrip", &port.to_string()]);
        command
    });
}
