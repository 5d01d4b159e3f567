//! The benchmark program through its front door: it measures, and it refuses.
#![cfg(feature = "bench")]

use std::path::Path;
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
    // The least that a server can do answers its keys, too: replies are checked.
    assert!(
        text.lines().any(|line| line.split_whitespace().take(2).eq(["mget50-c8", "bare-loop"])),
        "{text}\n{errors}"
    );
    // Level 1: eight connections' batches of 16 share syncs, and no set goes without one.
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("| set-p16-c8-binary | host-level1 | "));
    let sets: Option<f64> = lines.next().and_then(|rest| rest.trim_end_matches(" |").parse().ok());
    assert!(sets.is_some_and(|sets| sets > 1.0), "sets per sync:\n{text}\n{errors}");
    // A goal is told from what was measured, and from nothing else.
    let goal = |name: &str| text.lines().find(|line| line.starts_with(&format!("| {name} |"))).unwrap_or_default();
    assert!(goal("incr-c64").ends_with("reached |") || goal("incr-c64").ends_with("missed |"), "{text}");
    assert!(goal("get-p1-c8").ends_with("not measured |"), "{text}");
}

/// The cells of a line of a table.
fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

#[test]
fn more_rows_than_the_pool_holds_are_measured_and_have_their_part_of_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("docs/performance.md");
    std::fs::create_dir(page.parent().unwrap()).unwrap();
    let [before, old, behind] = [
        "# Performance\nfigures\n",
        "\n## Data larger than the pool\nof yesterday\n",
        "\n## Where the time goes\nby hand\n",
    ];
    std::fs::write(&page, [before, old, behind].concat()).unwrap();
    let write = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_memcached-bench"));
        command.args(args).args(["--rounds", "1", "--seconds", "0.1", "--write"]).current_dir(folder.path());
        command.output().unwrap()
    };
    let output = write(&["--pool", "8", "--keys", "150000"]);
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{errors}");
    let rows = ["load-p16-c8", "get-p32-c8", "set-p16-c8", "get-p32-c8-after-sets", "get-p32-c8-beside-load"];
    for row in rows.iter().chain(&["get-p32-c8-after-kill", "memory-get-p32-c8"]) {
        let line = text.lines().map(cells).find(|cells| cells.starts_with(&[row, "host"])).expect(&text);
        assert!(line[2].parse::<f64>().is_ok_and(|rate| rate > 0.0), "{line:?}");
        // What was asked was not in memory, and then it was.
        let reads: f64 = line[7].parse().unwrap();
        assert!(!row.starts_with("get") || reads > 0.1, "{line:?}");
        assert!(!row.starts_with("memory") || reads < 0.1, "{line:?}");
    }
    // The extended store did extend.
    let line =
        text.lines().map(cells).find(|cells| cells.starts_with(&["get-p32-c8", "memcached-extstore"])).expect(&errors);
    assert!(line[7].parse::<f64>().is_ok_and(|reads| reads > 0.1), "{line:?}");
    for goal in ["CPU per operation of host, us", "memory per row of host to memcached"] {
        let line = text.lines().map(cells).find(|cells| cells.get(1) == Some(&goal)).expect(&text);
        assert!(["reached", "missed"].contains(&line[4]), "{line:?}");
    }
    let written = std::fs::read_to_string(&page).unwrap();
    assert!(written.starts_with(before) && written.ends_with(behind) && !written.contains("of yesterday"), "{written}");
    assert!(written.contains("## Data larger than the pool\n") && written.contains(&*text), "{written}");
    // The other figures are written around it.
    let output = write(&["--only", "incr-c64", "--keys", "200"]);
    assert!(output.status.success(), "{output:?}");
    let around = std::fs::read_to_string(&page).unwrap();
    assert!(around.ends_with(&written[before.len()..]) && around.contains("| incr-c64 | host-level2 |"), "{around}");
}

/// A run as `--save` keeps it.
fn kept(folder: &Path, name: &str, rows: &[(&str, &str, [&str; 3])]) -> String {
    let path = folder.join(name);
    let mut text = String::from("workload\tserver\toperations per second\tp99 us\tCPU us per operation\n");
    for (workload, server, values) in rows {
        text += &format!("{workload}\t{server}\t{}\n", values.join("\t"));
    }
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn two_runs_are_compared_in_a_line_for_each_workload() {
    let folder = tempfile::tempdir().unwrap();
    // The middle doubles and the spreads do not meet; p99 differs by less than its spread; nobody knows the CPU time of one.
    let before = [
        ("get", "x", ["90", "10", "1.0"]),
        ("get", "x", ["100", "20", "1.0"]),
        ("get", "x", ["110", "30", "1.0"]),
        ("set", "x", ["10", "10", "NaN"]),
        ("gone", "x", ["10", "10", "1"]),
    ];
    let after = [
        ("get", "y", ["190", "12", "0.5"]),
        ("get", "y", ["200", "21", "0.5"]),
        ("get", "y", ["220", "33", "0.5"]),
        ("set", "y", ["5", "10", "1"]),
    ];
    let (before, after) = (kept(folder.path(), "before", &before), kept(folder.path(), "after", &after));
    let chart = folder.path().join("chart.svg").display().to_string();
    let output = bench(&["--compare", &before, &after, "--chart", &chart]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "get: operations per second +100 % (+73 to +144 %), p99 no difference (-60 to +230 %), CPU per operation -50 % (-50 to -50 %)\n\
         set: operations per second -50 % (-50 to -50 %), p99 no difference (+0 to +0 %)\n"
    );
    let chart = std::fs::read_to_string(chart).unwrap();
    assert!(
        chart.contains(">before</text>") && chart.contains(">after</text>") && chart.contains(">200</text>"),
        "{chart}"
    );
    let other = kept(folder.path(), "other", &[("gone", "z", ["1", "1", "1"]), ("get", "q", ["1", "1", "1"])]);
    for (args, sentence) in [
        (["--compare", &before, "/nonexistent"], "/nonexistent: No such file"),
        (["--compare", &after, &other], "no workload on the same server in common"),
        (["--compare", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), &other], "no run that --save kept"),
    ] {
        let output = bench(&args);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && errors.contains(sentence), "{args:?}: {errors}");
    }
}

#[test]
fn what_a_setting_does_is_measured_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (kept, chart) = (path("kept"), path("chart.svg"));
    let quick = ["--only", "set-p1-c1", "--rounds", "2", "--seconds", "0.05", "--keys", "200"];
    let more = ["--change", "--innodb-flush-log-at-trx-commit=2", "--save", &kept, "--chart", &chart];
    let output = bench(&[&quick[..], &more[..]].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let line = text.lines().find(|line| line.starts_with("set-p1-c1: operations per second ")).expect(&text);
    assert!(line.contains(", p99 ") && line.contains(", CPU per operation "), "{line}");
    let svg = std::fs::read_to_string(&chart).unwrap();
    assert!(svg.contains("before = 1") && svg.contains(">after</text>"), "{svg}");
    // What was kept is what was measured: to itself there is no difference.
    let same = bench(&["--compare", &kept, &kept]);
    let same = String::from_utf8_lossy(&same.stdout);
    assert!(
        same.lines().any(|line| line.starts_with("set-p1-c1 on after: operations per second no difference")),
        "{same}"
    );
}

#[test]
fn any_server_of_the_protocol_is_measured() {
    let stock = crate::common::memcached::Memcached::start();
    let address = stock.name();
    let named = format!("it={address}@{}", stock.pid());
    let output =
        bench(&["--server", &address, "--server", &named, "--only", "get-p8-c8", "--rounds", "1", "--keys", "200"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    for (server, knows_cpu) in [(address.as_str(), false), ("it", true)] {
        let cells = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let cells = cells.into_iter().find(|cells| cells.starts_with(&["get-p8-c8", server])).expect(&text);
        assert!(cells[2].parse::<f64>().is_ok_and(|rate| rate > 0.0), "{text}");
        assert_eq!(text.contains(server) && cells.get(8).is_some_and(|cpu| *cpu != "-"), knows_cpu, "{text}");
    }
    assert!(!text.contains("| goal |"), "{text}");
}

#[test]
fn what_cannot_be_measured_is_refused_in_a_sentence() {
    for (args, sentence) in [
        (&["--only", "nothing-like-it"][..], "there is nothing to measure"),
        (&["--rounds", "0"], "--rounds 0: wanted 1 to 1000"),
        (&["--mysql", "/nonexistent"], "/nonexistent: no tree of tests/mysql/make-tree"),
        (&["--mysql", "/nonexistent", "--memcached", "x"], "leave --server and --memcached out"),
        (&["--memcached", "/nonexistent/memcached", "--only", "get-p8"], "/nonexistent/memcached does not run"),
        (&["--server", "a=192.0.2.1:1@1", "--only", "get-p8"], "only processes of this machine can be watched"),
        (&["--server", "nonsense"], "wanted [NAME=]HOST:PORT[@PID]"),
        (&["--server", "127.0.0.1:1", "--write"], "leave --server out"),
        (&["--change", "--x=1", "--server", "127.0.0.1:1"], "--change starts memcached-host only"),
        (&["--compare", "one"], "--compare: wanted two files"),
        (&["--pool", "0"], "--pool 0: wanted 8 to "),
        (&["--pool", "8", "--only", "get"], "--pool has servers and workloads of its own"),
        (&["--colour"], "--colour: unknown, or without its value"),
    ] {
        let output = bench(args);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {errors}");
        assert!(errors.contains(sentence), "{args:?}: {errors}");
    }
}
