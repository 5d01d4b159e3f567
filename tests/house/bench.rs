//! The benchmark program through its front door: it measures, and it refuses.
#![cfg(feature = "bench")]

use std::process::{Command, Output};

fn bench(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_memcached-bench")).args(args).output().unwrap()
}

#[test]
fn every_protocol_is_measured_on_the_bundled_host() {
    let rows = ["get-p32-c8-meta", "mget50-c8", "set-p16-c8-binary", "incr-c64", "get-p1-c4-writer"];
    let only = rows.join(",");
    let output = bench(&["--only", &only, "--rounds", "1", "--seconds", "0.05", "--keys", "200"]);
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{errors}");
    for row in rows {
        for server in ["memcached", "host-level1", "host-level2"] {
            let cells = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
            let rate =
                cells.filter(|cells| cells.starts_with(&[row, server])).find_map(|cells| cells.get(2)?.parse().ok());
            assert!(rate.is_some_and(|rate: f64| rate > 0.0), "{row} on {server}:\n{text}\n{errors}");
        }
    }
    // Level 1: eight connections' batches of 16 share syncs, and no set goes without one.
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("| set-p16-c8-binary | host-level1 | "));
    let sets: Option<f64> = lines.next().and_then(|rest| rest.trim_end_matches(" |").parse().ok());
    assert!(sets.is_some_and(|sets| sets > 1.0), "sets per sync:\n{text}\n{errors}");
    // A goal is told from what was measured, and from nothing else.
    let goal = |name: &str| text.lines().find(|line| line.starts_with(&format!("| {name} |"))).unwrap_or_default();
    assert!(goal("incr-c64").ends_with("reached |") || goal("incr-c64").ends_with("missed |"), "{text}");
    assert!(goal("get-p1-c8").ends_with("not measured |"), "{text}");
}

#[test]
fn what_cannot_be_measured_is_refused_in_a_sentence() {
    for (args, sentence) in [
        (&["--only", "nothing-like-it"][..], "there is nothing to measure"),
        (&["--rounds", "0"], "--rounds 0: wanted 1 to 1000"),
        (&["--mysql", "/nonexistent"], "/nonexistent: no tree of tests/mysql/make-tree"),
        (&["--mysql", "/nonexistent", "--memcached", "x"], "leave --server and --memcached out"),
        (&["--memcached", "/nonexistent/memcached", "--only", "get-p8"], "/nonexistent/memcached does not run"),
        (&["--server", "a=192.0.2.1:1@1", "--only", "get-p8"], "only servers of this machine's loopback are measured"),
        (&["--colour"], "--colour: unknown, or without its value"),
    ] {
        let output = bench(args);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {errors}");
        assert!(errors.contains(sentence), "{args:?}: {errors}");
    }
}
