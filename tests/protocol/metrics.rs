//! `-o metrics=ADDRESS`: what Prometheus reads, and what is no request for it.

use crate::common::{Host, HostConfig};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

fn start() -> (Host, String) {
    let host = HostConfig::new().option("-p 0 -t 2 -o metrics=0").start();
    let settings = host.client().stats("settings");
    let address = settings.into_iter().find(|(name, _)| name == "metrics").unwrap().1;
    (host, address)
}

/// What the server says to these bytes before it closes.
fn exchange(address: &str, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    socket.write_all(request).unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

/// Samples by name with labels, by the rules of Prometheus' text format: a family's HELP and TYPE stand before its samples,
/// families are not mixed, no sample is there twice.
fn scrape(address: &str) -> BTreeMap<String, f64> {
    let answer = exchange(address, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
    let (mut samples, mut families) = (BTreeMap::new(), BTreeSet::new());
    let (mut family, mut kind) = (String::new(), String::new());
    for line in body.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split_once(' ').expect(line).0.to_owned();
            assert!(families.insert(family.clone()), "{family} is there twice");
            kind.clear();
        } else if let Some(of) = line.strip_prefix("# TYPE ") {
            let (name, what) = of.split_once(' ').expect(line);
            assert!(name == family && ["counter", "gauge", "histogram"].contains(&what), "{line}");
            what.clone_into(&mut kind);
        } else {
            let (name, value) = line.rsplit_once(' ').expect(line);
            let plain = name.split('{').next().unwrap();
            let of_histogram = ["_bucket", "_sum", "_count"].iter().any(|end| *plain == format!("{family}{end}"));
            assert!(if kind == "histogram" { of_histogram } else { plain == family }, "{line} stands under {family}");
            let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
            assert!(plain.starts_with("memcached_") && plain.chars().all(good), "{line}");
            assert!(kind != "counter" || plain.ends_with("_total"), "{line}");
            assert!(samples.insert(name.to_owned(), value.parse().expect(line)).is_none(), "{line} is there twice");
        }
    }
    samples
}

#[test]
fn every_counter_is_told_to_prometheus() {
    let (host, address) = start();
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    let mut client = host.client();
    client
        .ask("set a 0 0 1\r\n1\r\nget a\r\nget b\r\nincr a 1\r\n", "STORED\r\nVALUE a 0 1\r\n1\r\nEND\r\nEND\r\n2\r\n");
    // The worker publishes what a tick did behind its replies.
    client.ask("version\r\n", "VERSION 1.6.45-daemon_memcached-0.1.0\r\n");
    let found = scrape(&address);
    let container = r#"{container="default",table="memcached/cache"}"#;
    for (name, value) in [
        ("memcached_up", 1.0),
        (r#"memcached_commands_total{command="get",status="hit"}"#, 1.0),
        (r#"memcached_commands_total{command="get",status="miss"}"#, 1.0),
        (r#"memcached_commands_total{command="set",status="hit"}"#, 1.0),
        (r#"memcached_requests_total{command="get"}"#, 2.0),
        (r#"memcached_request_duration_seconds_count{command="get"}"#, 2.0),
        (r#"memcached_request_duration_seconds_bucket{command="get",le="+Inf"}"#, 2.0),
        (r#"memcached_request_duration_seconds_count{command="incr"}"#, 1.0),
        ("memcached_lock_wait_timeouts_total", 0.0),
        ("memcached_threads", 2.0),
        (&format!("memcached_container_operations_total{container}"), 4.0),
        (&format!("memcached_container_misses_total{container}"), 1.0),
        (&format!("memcached_container_errors_total{container}"), 0.0),
        (&format!("memcached_container_lock_wait_timeouts_total{container}"), 0.0),
        (r#"memcached_replication_role{role="primary"}"#, 1.0),
        (&format!("memcached_container_refused{container}"), 0.0),
    ] {
        assert_eq!(found.get(name), Some(&value), "{name}: {found:#?}");
    }
    assert!(found["memcached_commit_duration_seconds_count"] >= 1.0 && found["memcached_commits_total"] >= 1.0);
    assert!(found["memcached_read_bytes_total"] > 0.0 && found["memcached_written_bytes_total"] > 0.0);
    // At level 1 nobody was answered before a sync.
    assert!(
        found["memcached_sync_duration_seconds_count"] >= 2.0 && found["memcached_sync_duration_seconds_sum"] > 0.0
    );
    rise(&found, r#"memcached_sync_duration_seconds_bucket{le=""#, found["memcached_sync_duration_seconds_count"]);
    rise(&found, r#"memcached_request_duration_seconds_bucket{command="get",le=""#, 2.0);
}

/// Buckets rise to the count.
fn rise(found: &BTreeMap<String, f64>, prefix: &str, count: f64) {
    let mut buckets: Vec<(f64, f64)> = found
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(prefix)?.strip_suffix("\"}")?, *value)))
        .map(|(end, value)| (if end == "+Inf" { f64::INFINITY } else { end.parse().unwrap() }, value))
        .collect();
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(buckets.len() >= 20 && buckets.is_sorted_by(|a, b| a.1 <= b.1), "{buckets:?}");
    assert_eq!(buckets.last(), Some(&(f64::INFINITY, count)), "{prefix}");
}

#[test]
fn what_happens_to_a_container_is_counted_there() {
    let config = HostConfig::new().option("-p 0 -t 1 -o metrics=0").arg("--daemon-memcached-lock-wait-timeout=1");
    let host = config.start();
    let address = host.client().stats("settings").into_iter().find(|(name, _)| name == "metrics").unwrap().1;
    let config = "INSERT INTO innodb_memcache.containers (name, db_schema, db_table, key_columns, value_columns, flags, cas_column,
        expire_time_column, unique_idx_name_on_key) VALUES ('other', 'd', 'other', 'k', 'v', '0', '0', '0', 'PRIMARY')";
    host.sql("CREATE DATABASE d; CREATE TABLE d.other (k VARCHAR(20) PRIMARY KEY, v VARCHAR(20))").unwrap();
    host.sql(config).unwrap();
    let mut client = host.client();
    client.ask("set @@other.a 0 0 1\r\n1\r\nset @@default.d 0 0 1\r\n1\r\n", "STORED\r\nSTORED\r\n");
    // A miss each, by every command that can miss, and a second one of the first.
    for (asked, answer) in [
        ("get @@other.b @@other.c", "END"),
        ("gat 5 @@default.x", "END"),
        ("delete @@other.b", "NOT_FOUND"),
        ("incr @@other.b 1", "NOT_FOUND"),
        ("touch @@other.b 5", "NOT_FOUND"),
        ("mg @@other.b v", "EN"),
        ("cas @@other.b 0 0 1 5\r\n1", "NOT_FOUND"),
        ("get @@other.a", "VALUE @@other.a 0 1\r\n1\r\nEND"),
    ] {
        client.ask(format!("{asked}\r\n"), format!("{answer}\r\n"));
    }
    // A row that somebody else holds, in the console's session.
    host.sql("BEGIN; UPDATE d.other SET v = '2' WHERE k = 'a'").unwrap();
    client.ask("set @@other.a 0 0 1\r\n3\r\n", "SERVER_ERROR lock wait timeout\r\n");
    host.sql("ROLLBACK").unwrap();
    client.ask("version\r\n", "VERSION 1.6.45-daemon_memcached-0.1.0\r\n");
    let found = scrape(&address);
    for (family, other, default) in [("misses", 7.0, 1.0), ("lock_wait_timeouts", 1.0, 0.0), ("errors", 0.0, 0.0)] {
        let of = |name: &str, table: &str| {
            found[&format!("memcached_container_{family}_total{{container=\"{name}\",table=\"{table}\"}}")]
        };
        let told = (of("other", "d/other"), of("default", "memcached/cache"));
        assert_eq!(told, (other, default), "{family}: {found:#?}");
    }
    assert_eq!(found["memcached_lock_wait_timeouts_total"], 1.0);
    let stats = host.client().stats("containers");
    for (name, value) in [("other:misses", "7"), ("other:lock_wait_timeouts", "1"), ("default:misses", "1")] {
        assert!(stats.contains(&(name.to_owned(), value.to_owned())), "{name}: {stats:?}");
    }
}

/// The words of a text that are names, with what stands behind them.
fn names(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts = text.match_indices("memcached_").map(|(at, _)| at);
    starts.filter(move |at| !text[..*at].ends_with(is_name)).map(move |at| {
        let rest = &text[at..];
        rest.split_at(rest.find(|c| !is_name(c)).unwrap_or(rest.len()))
    })
}

#[test]
fn the_dashboard_asks_for_what_there_is() {
    let path = crate::common::root().join("packaging/grafana/daemon_memcached.json");
    let valid = std::process::Command::new("python3").args(["-m", "json.tool"]).arg(&path).output().unwrap();
    assert!(valid.status.success(), "{}", String::from_utf8_lossy(&valid.stderr));
    let text = std::fs::read_to_string(&path).unwrap();
    let (_host, address) = start();
    let found = scrape(&address);
    let known: BTreeSet<&str> = found.keys().map(|sample| sample.split('{').next().unwrap()).collect();
    let expressions: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("\"expr\": ")).collect();
    let panels = text.matches("\"targets\": [").count();
    assert!(panels > 10 && expressions.len() >= panels, "{panels} panels, {} queries", expressions.len());
    for expression in &expressions {
        let mut asked = 0;
        for (name, behind) in names(expression) {
            asked += 1;
            let samples = || found.keys().filter(|sample| sample.split('{').next() == Some(name));
            assert!(known.contains(name), "{name} is not told: {expression}");
            // Labels that it selects or adds up by are the metric's, or what Prometheus adds.
            let selected = behind.strip_prefix('{').and_then(|rest| rest.split('}').next()).unwrap_or_default();
            let selected = selected.split(',').filter_map(|label| label.split(['=', '!']).next());
            let by = expression.split_once("by (").and_then(|(_, rest)| rest.split(')').next()).unwrap_or_default();
            for label in selected.chain(by.split(", ")).filter(|label| !label.is_empty() && *label != "instance") {
                let label = format!("{label}=\\\"").replace('\\', "");
                assert!(samples().any(|sample| sample.contains(&label)), "{name} has no {label}: {expression}");
            }
        }
        assert!(asked > 0, "{expression}");
    }
    // What only happens in the legend is a label, too.
    for legend in text.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()).filter(|name| *name != "instance")
    {
        assert!(found.keys().any(|sample| sample.contains(&format!("{legend}=\""))), "{legend}");
    }
}

#[test]
fn other_requests_are_refused_and_slow_ones_hold_nobody_up() {
    let (host, address) = start();
    let long = format!("GET /metrics HTTP/1.1\r\nX: {}", "x".repeat(5000));
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "),
        ("POST /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 405 "),
        ("GET /metrics HTTP/2\r\n\r\n", "HTTP/1.1 400 "),
        ("get a\r\n\r\n", "HTTP/1.1 400 "),
        ("\r\n\r\n", "HTTP/1.1 400 "),
        ("\u{ff}\u{fe}\r\n\r\n", "HTTP/1.1 400 "),
        (&long, "HTTP/1.1 431 "),
        ("HEAD /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 200 "),
        ("GET /metrics?x=1 HTTP/1.0\r\n\r\n", "HTTP/1.1 200 "),
    ] {
        let answer = exchange(&address, request.as_bytes());
        assert!(answer.starts_with(status), "{request:?}: {answer}");
        assert!(!request.starts_with("HEAD") || answer.ends_with("\r\n\r\n"), "{answer}");
    }
    // Half a request is closed by itself, without an answer.
    let _silent = TcpStream::connect(&address).unwrap();
    assert_eq!(exchange(&address, b"GET /metrics HTTP/1.1\r\n"), "");
    scrape(&address);
    // One that waits does not hold up the end.
    let _half = TcpStream::connect(&address).unwrap();
    assert!(host.terminate().success());
}

#[test]
fn addresses_are_checked_and_nothing_listens_unasked() {
    let host = HostConfig::new().start();
    let settings = host.client().stats("settings");
    assert!(settings.contains(&("metrics".to_owned(), "no".to_owned())), "{settings:?}");
    for address in ["nowhere", "1.2.3.4", "99999"] {
        let error = HostConfig::new().option(&format!("-p 0 -o metrics={address}")).try_start().err().unwrap();
        assert!(error.contains("a port, or IP:PORT"), "{address}: {error}");
    }
    let (_first, taken) = start();
    let error = HostConfig::new().option(&format!("-p 0 -o metrics={taken}")).try_start().err().unwrap();
    assert!(error.contains("cannot serve metrics on"), "{error}");
}
