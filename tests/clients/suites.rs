//! The tests that Python's clients bring for themselves, from the sources of their releases, against the real program. `tests/run` fetches
//! them.

use crate::common::{HostConfig, root};
use crate::programs::run;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A suite, and what in it is left out.
struct Suite {
    /// Its folder begins with this.
    name: &'static str,
    /// Where its tests are.
    tests: &'static str,
    /// Test files that measure something, that lack a part which their release does not contain, or that know one port only.
    without: &'static [&'static str],
    /// Tests that fail now and then against every memcached, or that ask for what is meant to differ here.
    unlike: &'static [&'static str],
    /// Least number of tests that must have passed.
    passed: usize,
}

const SUITES: [Suite; 3] = [
    Suite {
        name: "pymemcache",
        tests: "pymemcache/test",
        without: &["pymemcache/test/test_benchmark.py", "pymemcache/test/test_compression.py"],
        // It expects an item of one second to be there after its set; the second may end at once.
        unlike: &["test_touch"],
        passed: 50,
    },
    Suite {
        name: "python_binary_memcached",
        tests: "test",
        without: &["test/test_auth.py", "test/test_ipv6.py", "test/test_tls.py", "test/test_sasl_integration.py"],
        // Its keys are random bytes; one that begins with @@ names a container here.
        unlike: &["testSetMultiBigData"],
        passed: 230,
    },
    Suite {
        name: "pylibmc",
        tests: "tests",
        without: &["tests/test_autoconf.py"],
        // It expects an item of one second to be there after its set; the second may end at once.
        unlike: &["test_touch"],
        passed: 36,
    },
];

/// Copies a folder, with words replaced in its Python files.
fn copy(from: &Path, to: &Path, replaced: &[(&str, String)]) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target, replaced);
        } else if target.extension().is_some_and(|extension| extension == "py") {
            let text = fs::read_to_string(entry.path()).unwrap();
            let text = replaced.iter().fold(text, |text, (word, by)| text.replace(word, by));
            fs::write(target, text).unwrap();
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn folder(name: &str) -> PathBuf {
    let suites = root().join("target/clients/suites");
    let found = fs::read_dir(&suites).ok().and_then(|entries| {
        entries
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.is_dir() && path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(name)))
    });
    found.unwrap_or_else(|| panic!("{} has no {name}: tests/run fetches it", suites.display()))
}

fn passes(suite: &Suite) {
    let config = HostConfig::new();
    let socket = config.scratch().join("m.sock");
    let config = config.option(&format!("-l 127.0.0.1:0 -s {}", socket.display()));
    let (host, other) = (config.start(), HostConfig::new().start());
    let copied = config.scratch().join("suite");
    let (first, second) = (host.port().to_string(), other.port().to_string());
    // They know one port and one socket; which those are is decided here.
    let replaced = [
        ("}:11211", format!("}}:{first}")),
        ("{host}:5000", format!("{{host}}:{second}")),
        ("/tmp/memcached.sock", socket.display().to_string()),
    ];
    // One suite takes the port as an argument, and has tests of itself that no server is needed for.
    let takes_port = suite.name == "pymemcache";
    let replaced = if takes_port { &[][..] } else { &replaced };
    copy(&folder(suite.name).join(suite.tests), &copied.join(suite.tests), replaced);
    let mut command = Command::new(root().join("target/clients/python/bin/python"));
    command.args(["-m", "pytest", "-q", "-W", "ignore", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", "."]);
    command
        .current_dir(&copied)
        .env("MEMCACHED_HOST", "127.0.0.1")
        .env("MEMCACHED_PORT", &first)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command.args(suite.without.iter().map(|file| format!("--ignore={file}")));
    if !suite.unlike.is_empty() {
        command.args(["-k", &suite.unlike.iter().map(|test| format!("not {test}")).collect::<Vec<_>>().join(" and ")]);
    }
    command.arg(suite.tests);
    if takes_port {
        command.args(["-m", "integration", "--server", "127.0.0.1", "--port", &first]);
    }
    let said = run(&mut command).unwrap_or_else(|error| panic!("{}: {error}", suite.name));
    let summary = said.lines().find(|line| line.contains(" passed")).expect("pytest's last line");
    let words: Vec<&str> = summary.split([' ', ',']).collect();
    let at = words.iter().position(|word| *word == "passed").unwrap();
    let passed: usize = words[at - 1].parse().unwrap();
    assert!(passed >= suite.passed, "{}: {summary}", suite.name);
}

#[test]
fn suites_of_python_clients() {
    SUITES.iter().for_each(passes);
}
