//! Client programs that others wrote, against the real program: libmemcached's conformance test, and an application's day in C, Python,
//! Perl, PHP, Java, Ruby and Rust (`tests/clients/`). A missing one is a failure that names Debian's package.

use crate::common::{Client, Host, HostConfig, PATIENCE, root};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Instant;

/// Runs a program to its end and returns what it wrote, if it ended with status 0. At each line `restart` that it writes, `restart` is
/// called, and then it gets an empty line.
pub fn run_with(command: &mut Command, mut restart: impl FnMut()) -> Result<String, String> {
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

pub fn run(command: &mut Command) -> Result<String, String> {
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
    passes_with(&HostConfig::new(), "", command, |host| host.client())
}

/// Who the clients of [`passes_behind_a_login`] are.
const USER: [&str; 2] = ["alice", "secret"];

/// Like [`passes`], against a host where one has to log in.
#[track_caller]
fn passes_behind_a_login(command: impl FnOnce(u16) -> Command) -> String {
    let config = HostConfig::new();
    let [name, password] = USER;
    let options = format!(" -S -Y {}", config.users(&[(name, password, "*=rw")]).display());
    passes_with(&config, &options, command, |host| {
        let mut client = host.client();
        client.log_in(name, password);
        client
    })
}

/// Runs a client program against a host that is started with `options` behind its port; `connect` makes a client that may ask.
#[track_caller]
fn passes_with(
    config: &HostConfig,
    options: &str,
    command: impl FnOnce(u16) -> Command,
    connect: impl FnOnce(&Host) -> Client,
) -> String {
    let config = config.clone().option(&format!("-p 0{options}"));
    let mut host = Some(config.start());
    let port = host.as_ref().unwrap().port();
    let output = run_with(&mut command(port), || {
        host.take().unwrap().kill9();
        host = Some(start_on(&config, port, options));
    });
    let host = host.unwrap();
    let output = output.unwrap_or_else(|why| panic!("{why}\n{}", host.log()));
    connect(&host).ask("set after 0 0 1\r\nx\r\nget after\r\n", "STORED\r\nVALUE after 0 1\r\nx\r\nEND\r\n");
    assert!(host.terminate().success());
    output
}

/// Starts on a port that was ours a moment ago: for another moment somebody's outgoing connection may have it.
fn start_on(config: &HostConfig, port: u16, options: &str) -> Host {
    let config = config.clone().option(&format!("-p {port}{options}"));
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
fn memccapable_passes_every_test_of_both_protocols() {
    need("libmemcached-tools", Command::new("sh").args(["-c", "command -v memccapable"]));
    let output = passes(|port| {
        let mut command = Command::new("memccapable");
        command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        command
    });
    for protocol in ["ascii ", "binary "] {
        let tests: Vec<&str> = output.lines().filter(|line| line.starts_with(protocol)).collect();
        assert!(tests.len() >= 27, "only {} tests of {protocol} ran:\n{output}", tests.len());
        assert!(tests.iter().all(|line| line.ends_with("[pass]")), "{output}");
    }
}

#[test]
fn libmemcached_in_c() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("roundtrip");
    let with = |words: &[&str], port: u16| {
        let mut command = Command::new(&program);
        command.arg(port.to_string()).args(words);
        command
    };
    need(
        "gcc libc6-dev libmemcached-dev",
        Command::new("cc")
            .args(["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&program)
            .arg(root().join("tests/clients/c/roundtrip.c"))
            .arg("-lmemcached"),
    );
    passes(|port| with(&[], port));
    passes(|port| with(&["binary"], port));
    need("libsasl2-modules", Command::new("sh").args(["-c", "ls /usr/lib/*/sasl2/libplain.so"]));
    passes_behind_a_login(|port| with(&[&["binary"][..], &USER].concat(), port));
}

/// By its path: another python3 may come first in PATH, without Debian's modules.
const PYTHON: &str = "/usr/bin/python3";

/// A script of `tests/clients/python`, with these words behind its port.
fn script(python: &Path, name: &str, port: u16, words: &[&str]) -> Command {
    let mut command = Command::new(python);
    command.arg("-B").arg(root().join("tests/clients/python").join(name)).arg(port.to_string()).args(words);
    command
}

#[test]
fn pylibmc_in_python() {
    need("python3 python3-pylibmc libsasl2-modules", Command::new(PYTHON).args(["-c", "import pylibmc"]));
    passes(|port| script(Path::new(PYTHON), "through_pylibmc.py", port, &[]));
    passes_behind_a_login(|port| script(Path::new(PYTHON), "through_pylibmc.py", port, &USER));
}

#[test]
fn binary_memcached_in_python() {
    let python = root().join("target/clients/python/bin/python");
    if let Err(why) = run(Command::new(&python).args(["-c", "import bmemcached"])) {
        panic!("{why}\nIs it there? Run tests/run once");
    }
    passes(|port| script(&python, "through_bmemcached.py", port, &[]));
    passes_behind_a_login(|port| script(&python, "through_bmemcached.py", port, &USER));
}

#[test]
fn pymemcache_in_python() {
    need("python3 python3-pymemcache", Command::new(PYTHON).args(["-c", "import pymemcache"]));
    passes(|port| script(Path::new(PYTHON), "roundtrip.py", port, &[]));
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

/// It waits for END, and for nothing else, until its time-out.
#[test]
fn cache_memcached_in_perl_waits_for_no_table_that_was_dropped() {
    const PERL: &str = "/usr/bin/perl";
    need("perl libcache-memcached-perl", Command::new(PERL).args(["-MCache::Memcached", "-e1"]));
    let host = HostConfig::new().option("-p 0").start();
    host.sql(
        "CREATE TABLE memcached.short (k VARCHAR(20) NOT NULL PRIMARY KEY, v VARCHAR(20));
         INSERT INTO innodb_memcache.containers VALUES ('short', 'memcached', 'short', 'k', 'v', '0', '0', '0', 'PRIMARY')",
    )
    .unwrap();
    host.client().ask(
        "set @@short.k 0 0 1\r\nx\r\nget @@default\r\n",
        "STORED\r\nVALUE @@default 0 15\r\nmemcached/cache\r\nEND\r\n",
    );
    host.sql("DROP TABLE memcached.short").unwrap();
    let mut command = Command::new(PERL);
    command.arg(root().join("tests/clients/perl/dropped.pl")).args([&host.port().to_string(), "@@short.k"]);
    run_with(&mut command, || {}).unwrap_or_else(|why| panic!("{why}\n{}", host.log()));
    host.wait_log("short");
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
