//! The text of the metrics: names as memcached_exporter has them where it has them.

use crate::server::peers::Held;
use crate::server::report::cpu_time;
use crate::server::shared::{Shared, VERSION, unix_time};
use crate::server::stats::{ContainerCount, Counter};
use std::fmt::Write;
use std::sync::atomic::Ordering;

/// Counters by family: name, help, and the counters with their labels.
type Family = (&'static str, &'static str, &'static [(&'static str, Counter)]);

/// Every counter of `stats`.
const COUNTERS: &[Family] = &[
    (
        "commands_total",
        "Keys that commands named, by what became of them.",
        &[
            (r#"command="get",status="hit""#, Counter::GetHits),
            (r#"command="get",status="miss""#, Counter::GetMisses),
            (r#"command="set",status="hit""#, Counter::CmdSet),
            (r#"command="delete",status="hit""#, Counter::DeleteHits),
            (r#"command="delete",status="miss""#, Counter::DeleteMisses),
            (r#"command="incr",status="hit""#, Counter::IncrHits),
            (r#"command="incr",status="miss""#, Counter::IncrMisses),
            (r#"command="decr",status="hit""#, Counter::DecrHits),
            (r#"command="decr",status="miss""#, Counter::DecrMisses),
            (r#"command="cas",status="hit""#, Counter::CasHits),
            (r#"command="cas",status="miss""#, Counter::CasMisses),
            (r#"command="cas",status="badval""#, Counter::CasBadval),
            (r#"command="touch",status="hit""#, Counter::TouchHits),
            (r#"command="touch",status="miss""#, Counter::TouchMisses),
            (r#"command="flush",status="hit""#, Counter::CmdFlush),
        ],
    ),
    (
        "requests_total",
        "Keys that were asked for, whatever became of them, and meta and login commands.",
        &[
            (r#"command="get""#, Counter::CmdGet),
            (r#"command="touch""#, Counter::CmdTouch),
            (r#"command="meta""#, Counter::CmdMeta),
            (r#"command="auth""#, Counter::AuthCmds),
        ],
    ),
    ("auth_errors_total", "Logins that failed.", &[("", Counter::AuthErrors)]),
    ("items_expired_total", "Items that were asked for and had expired.", &[("", Counter::GetExpired)]),
    ("items_flushed_total", "Items that were asked for after a flush_all.", &[("", Counter::GetFlushed)]),
    ("items_reclaimed_total", "Expired items whose place another one took.", &[("", Counter::Reclaimed)]),
    ("lru_crawler_reclaimed_total", "Expired rows that the sweep deleted.", &[("", Counter::CrawlerReclaimed)]),
    ("items_total", "Items that were stored.", &[("", Counter::TotalItems)]),
    ("item_too_large_total", "Items that were refused because they were too large.", &[("", Counter::StoreTooLarge)]),
    ("item_no_memory_total", "Items that the memory store had no room for.", &[("", Counter::StoreNoMemory)]),
    (
        "connections_yielded_total",
        "Times a connection had to wait for others with what it had asked for.",
        &[("", Counter::ConnYields)],
    ),
    (
        "connections_closed_total",
        "Connections that the daemon closed, by reason.",
        &[
            (r#"reason="idle""#, Counter::IdleKicks),
            (r#"reason="output_timeout""#, Counter::OutputKicks),
            (r#"reason="output_limit""#, Counter::OutputLimitKicks),
            (r#"reason="input_limit""#, Counter::InputLimitKicks),
        ],
    ),
    ("read_bytes_total", "Bytes that were read from clients.", &[("", Counter::BytesRead)]),
    ("written_bytes_total", "Bytes that were written to clients.", &[("", Counter::BytesWritten)]),
    ("ticks_total", "Ticks: batches of requests that were run together.", &[("", Counter::Ticks)]),
    ("commits_total", "Commits.", &[("", Counter::Commits)]),
    ("commit_failures_total", "Commits that failed.", &[("", Counter::CommitFailures)]),
    ("deadlocks_total", "Deadlocks, after which requests ran again.", &[("", Counter::Deadlocks)]),
    ("lock_wait_timeouts_total", "Requests that waited too long for a lock.", &[("", Counter::LockTimeouts)]),
    ("server_errors_total", "Requests that the table refused.", &[("", Counter::ServerErrors)]),
    ("ssl_handshake_errors_total", "TLS handshakes that failed.", &[("", Counter::SslHandshakeErrors)]),
    ("unprintable_keys_total", "Keys that a key dump left out.", &[("", Counter::UnprintableKeys)]),
];

struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP memcached_{name} {help}\n# TYPE memcached_{name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let (open, close) = if labels.is_empty() { ("", "") } else { ("{", "}") };
        let _ = writeln!(self.0, "memcached_{name}{open}{labels}{close} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, kind, help);
        self.sample(name, "", value);
    }

    /// One series of a histogram: how many took less than each end, in seconds, all of them together, and their number.
    fn histogram(
        &mut self,
        family: &str,
        label: &str,
        below: impl Iterator<Item = (f64, u64)>,
        seconds: f64,
        count: u64,
    ) {
        let before = if label.is_empty() { String::new() } else { format!("{label},") };
        let bucket = format!("{family}_bucket");
        for (end, below) in below {
            self.sample(&bucket, &format!("{before}le=\"{end}\""), below);
        }
        self.sample(&bucket, &format!("{before}le=\"+Inf\""), count);
        self.sample(&format!("{family}_sum"), label, seconds);
        self.sample(&format!("{family}_count"), label, count);
    }
}

/// A label's value.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// All of it.
pub fn text(shared: &Shared) -> String {
    let mut text = Text(String::with_capacity(32 << 10));
    gauges(shared, &mut text);
    for (name, help, counters) in COUNTERS {
        text.family(name, "counter", help);
        for (labels, counter) in *counters {
            text.sample(name, labels, shared.total(*counter));
        }
    }
    containers(shared, &mut text);
    times(shared, &mut text);
    syncs(shared, &mut text);
    text.0
}

/// The host's syncs, where it tells.
fn syncs(shared: &Shared, text: &mut Text) {
    let Some((counts, nanoseconds)) = shared.host.sync_times() else { return };
    let family = "sync_duration_seconds";
    text.family(family, "histogram", "Seconds that a sync of the host's log took, of all that the host does.");
    // The last bucket has no end: it makes the sum of all.
    let [ended @ .., last] = counts;
    let mut below = 0;
    let cumulative: Vec<_> = (15..)
        .zip(ended)
        .map(|(log, count)| {
            below += count;
            ((1u64 << log) as f64 / 1e9, below)
        })
        .collect();
    text.histogram(family, "", cumulative.into_iter(), nanoseconds as f64 / 1e9, below + last);
}

fn gauges(shared: &Shared, text: &mut Text) {
    text.one("up", "gauge", "Always 1.", 1);
    text.one("uptime_seconds", "gauge", "Seconds since the daemon started.", shared.uptime_seconds());
    text.one("time_seconds", "gauge", "Unix time.", unix_time());
    text.family("version", "gauge", "Always 1; the version is a label.");
    text.sample("version", &format!("version=\"{}\"", quoted(VERSION)), 1);
    let (user, system) = cpu_time();
    text.one("process_user_cpu_seconds_total", "counter", "Seconds that the process has computed.", user);
    text.one("process_system_cpu_seconds_total", "counter", "Seconds that the system has computed for it.", system);
    let connections = shared.connections();
    text.one("current_connections", "gauge", "Connections that are open.", connections);
    text.one("max_connections", "gauge", "Connections that may be open.", shared.options.max_connections);
    let total = shared.connections_total.load(Ordering::Relaxed);
    text.one("connections_total", "counter", "Connections that were opened.", total);
    let refused = shared.connections_refused.load(Ordering::Relaxed);
    text.one("connections_rejected_total", "counter", "Connections that were over the limit.", refused);
    text.one("threads", "gauge", "Workers.", shared.options.threads);
    text.family("replication_role", "gauge", "Always 1; what the host is to others that replicate with it is a label.");
    text.sample("replication_role", &format!("role=\"{}\"", shared.host.replication_role()), 1);
    text.one(
        "output_bytes",
        "gauge",
        "Bytes of replies that clients have not taken yet.",
        shared.peers.held(Held::Replies),
    );
    text.one("input_bytes", "gauge", "Bytes of requests that are not complete yet.", shared.peers.held(Held::Requests));
    let memory = shared.memory.stats();
    shared.measure();
    let (in_tables, in_memory) = shared.items(&memory);
    let limit = shared.memory_limit.load(Ordering::Relaxed);
    text.one("limit_bytes", "gauge", "Bytes that the memory store may have.", limit);
    text.one(
        "current_bytes",
        "gauge",
        "Bytes of items, in tables by their engine's count.",
        in_tables.bytes + in_memory.bytes,
    );
    text.one("current_items", "gauge", "Items, in tables by their engine's count.", in_tables.rows + in_memory.rows);
    text.one("items_evicted_total", "counter", "Items that made way in the memory store.", memory.evictions);
}

fn containers(shared: &Shared, text: &mut Text) {
    let config = shared.mapping.newest();
    let known: Vec<_> = config
        .containers()
        .map(|container| {
            let (name, table) = (quoted(&container.name), quoted(&container.table.display()));
            let labels = format!("container=\"{name}\",table=\"{table}\"");
            (labels, shared.container_count(container.table.id), u64::from(container.refused().is_some()))
        })
        .collect();
    let mut family = |name, kind, help, value: &dyn Fn(&ContainerCount, u64) -> u64| {
        text.family(name, kind, help);
        known.iter().for_each(|(labels, count, refused)| text.sample(name, labels, value(count, *refused)));
    };
    family("container_operations_total", "counter", "Keys that operations on a container named.", &|c, _| c.operations);
    let missed = "Keys of a container that were not there when they were read, deleted, counted up or down, touched or compared.";
    family("container_misses_total", "counter", missed, &|c, _| c.misses);
    family("container_errors_total", "counter", "Operations that a container's table refused.", &|c, _| c.errors);
    let waited = "Operations on a container that waited too long for a lock.";
    family("container_lock_wait_timeouts_total", "counter", waited, &|c, _| c.lock_timeouts);
    let refused = "1 if a container does not suit its table and is not served.";
    family("container_refused", "gauge", refused, &|_, refused| refused);
}

fn times(shared: &Shared, text: &mut Text) {
    let latencies = shared.latencies();
    let (commit, commands): (Vec<_>, Vec<_>) = latencies.series().partition(|(name, _)| *name == "commit");
    let requests = "Seconds from the waking of a worker to the replies of the tick that answers a request.";
    for (family, help, all) in [
        ("request_duration_seconds", requests, commands),
        ("commit_duration_seconds", "Seconds that a commit took; not in batch mode.", commit),
    ] {
        text.family(family, "histogram", help);
        for (name, series) in all {
            let label = if name == "commit" { String::new() } else { format!("command=\"{name}\"") };
            text.histogram(family, &label, series.cumulative(), series.seconds(), series.count());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::stats::{ALL, NAMES};

    #[test]
    fn every_counter_is_there_once() {
        for (counter, name) in ALL.iter().zip(NAMES) {
            let places = COUNTERS.iter().flat_map(|(_, _, all)| *all).filter(|(_, known)| known == counter).count();
            assert_eq!(places, 1, "{name}");
        }
    }
}
