//! Statistics, for every protocol's `stats` command to word.

mod classes;

use super::latency::Snapshot;
use super::peers::Held;
use super::scope::ClientAuth;
use super::shared::{Shared, VERSION, unix_time};
use super::stats::{ALL, ContainerCount, Counter, NAMES};
use crate::protocol::Dialect;
use crate::store::Config;
use std::os::fd::RawFd;
use std::sync::atomic::Ordering;

/// What became of a `stats` command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// The statistics were told.
    Told,
    /// The counters are zero again.
    Reset,
    /// `detail on` or `off`.
    Switched,
    /// `detail dump`: a line per prefix.
    Detail(Vec<u8>),
    /// `detail` without a word that it knows.
    DetailUsage,
    /// Nobody may ask for it.
    Denied(&'static str),
    /// No such statistics.
    Unknown,
}

impl Shared {
    /// Does what the arguments of `stats` say; calls `tell` with each statistic. `asker` is the descriptor of the connection that asks.
    pub(super) fn report(
        &self,
        args: &[u8],
        config: &Config,
        asker: Option<RawFd>,
        tell: &mut dyn FnMut(&str, &str),
    ) -> Report {
        // As in memcached the first word counts, whatever follows.
        let first = args.split(|byte| *byte == b' ').next().unwrap_or_default();
        if matches!(first, b"" | b"items" | b"slabs") {
            self.measure();
        }
        match first {
            b"" => self.general(tell),
            b"settings" => self.settings(tell),
            b"reset" => return self.reset(),
            b"containers" => self.containers(config, tell),
            b"detail" if self.options.dump_disabled => return Report::Denied("stats detail not allowed"),
            b"detail" => return self.detail(args),
            b"conns" => self.peers.tell(self.uptime_seconds(), asker, tell),
            b"items" => self.items_by_class(tell),
            b"slabs" => self.slabs(tell),
            b"latency" => self.latency(tell),
            b"sizes" => tell("sizes_status", "disabled"),
            _ => return Report::Unknown,
        }
        Report::Told
    }

    fn detail(&self, args: &[u8]) -> Report {
        let word = args.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).nth(1);
        match word {
            Some(b"on") => self.watchers.attention.note_detail(true),
            Some(b"off") => self.watchers.attention.note_detail(false),
            Some(b"dump") => {
                let mut lines = Vec::new();
                self.detail.dump(&mut lines);
                return Report::Detail(lines);
            }
            _ => return Report::DetailUsage,
        }
        Report::Switched
    }

    /// Times in microseconds.
    fn latency(&self, tell: &mut dyn FnMut(&str, &str)) {
        for (name, times) in self.latencies().series() {
            let mut line = |what: &str, value: &str| tell(&format!("{name}:{what}"), value);
            let count = times.count();
            line("count", &count.to_string());
            line("mean_us", &format!("{:.1}", times.seconds() * 1e6 / count.max(1) as f64));
            for (what, share) in
                [("p50_us", 0.5), ("p90_us", 0.9), ("p99_us", 0.99), ("p999_us", 0.999), ("max_us", 1.0)]
            {
                line(what, &format!("{:.1}", times.quantile(share) as f64 / 1e3));
            }
        }
    }

    fn containers(&self, config: &Config, tell: &mut dyn FnMut(&str, &str)) {
        for container in config.containers() {
            let name = &container.name;
            let id = container.table.id;
            let ContainerCount { operations, misses, errors, lock_timeouts } = self.container_count(id);
            tell(&format!("{name}:table"), &container.table.display());
            if let Some(error) = container.refused() {
                tell(&format!("{name}:refused"), &error.rule.to_string());
            }
            tell(&format!("{name}:operations"), &operations.to_string());
            tell(&format!("{name}:misses"), &misses.to_string());
            tell(&format!("{name}:errors"), &errors.to_string());
            tell(&format!("{name}:lock_wait_timeouts"), &lock_timeouts.to_string());
        }
    }

    /// What happened to the container with that table id, by all workers.
    pub(super) fn container_count(&self, id: usize) -> ContainerCount {
        let mut sum = ContainerCount::default();
        self.stats.iter().for_each(|worker| sum += worker.container(id));
        sum
    }

    /// The sum of a counter over all workers since the start or the last reset.
    pub(super) fn total(&self, counter: Counter) -> u64 {
        let sum: u64 = self.stats.iter().map(|worker| worker.get(counter)).sum();
        sum.saturating_sub(self.reset[counter as usize].load(Ordering::Relaxed))
    }

    /// Counters have one writer each: a reset remembers where they stood.
    fn reset(&self) -> Report {
        for counter in ALL {
            let sum: u64 = self.stats.iter().map(|worker| worker.get(*counter)).sum();
            self.reset[*counter as usize].store(sum, Ordering::Relaxed);
        }
        *self.latencies_reset.lock() = Some(Snapshot::of(self.stats.iter().map(|worker| &worker.latencies)));
        self.detail.clear();
        self.connections_total.store(0, Ordering::Relaxed);
        self.connections_refused.store(0, Ordering::Relaxed);
        Report::Reset
    }

    /// Calls `tell` with each general statistic.
    pub fn general(&self, tell: &mut dyn FnMut(&str, &str)) {
        let mut number = |name: &str, value: u64| tell(name, itoa::Buffer::new().format(value));
        number("pid", u64::from(std::process::id()));
        // Never 0: there are programs that divide by it.
        number("uptime", self.uptime_seconds().max(1));
        number("time", unix_time() as u64);
        number("pointer_size", 8 * size_of::<usize>() as u64);
        number("max_connections", self.options.max_connections as u64);
        number("curr_connections", self.connections() as u64);
        number("total_connections", self.connections_total.load(Ordering::Relaxed));
        number("rejected_connections", self.connections_refused.load(Ordering::Relaxed));
        // A connection over the limit is taken and refused, so the listeners never rest.
        number("accepting_conns", 1);
        number("listen_disabled_num", 0);
        number("time_in_listen_disabled_us", 0);
        number("threads", self.options.threads as u64);
        number("output_bytes", self.peers.held(Held::Replies) as u64);
        number("input_bytes", self.peers.held(Held::Requests) as u64);
        let memory = self.memory.stats();
        for (counter, name) in ALL.iter().zip(NAMES) {
            let in_memory = match counter {
                Counter::GetExpired => memory.get_expired,
                Counter::GetFlushed => memory.get_flushed,
                Counter::Reclaimed => memory.reclaimed,
                _ => 0,
            };
            number(name, self.total(*counter) + in_memory);
        }
        let mut number = |name: &str, value: u64| tell(name, itoa::Buffer::new().format(value));
        number("limit_maxbytes", self.memory_limit.load(Ordering::Relaxed) as u64);
        let (in_tables, in_memory) = self.items(&memory);
        number("bytes", in_tables.bytes + in_memory.bytes);
        number("curr_items", in_tables.rows + in_memory.rows);
        number("total_malloced", in_tables.bytes + in_memory.bytes);
        number("evictions", memory.evictions);
        number("log_watchers", self.watchers.count() as u64);
        number("log_watcher_sent", self.watchers.sent.load(Ordering::Relaxed));
        number("log_watcher_skipped", self.watchers.skipped.load(Ordering::Relaxed));
        if let Some(tls) = &self.tls {
            number("time_since_server_cert_refresh", tls.age());
        }
        let (user, system) = cpu_time();
        tell("rusage_user", &user);
        tell("rusage_system", &system);
        tell("version", VERSION);
    }

    fn settings(&self, tell: &mut dyn FnMut(&str, &str)) {
        let options = &self.options;
        let yes = |on: bool| if on { "yes" } else { "no" };
        tell("maxbytes", &self.memory_limit.load(Ordering::Relaxed).to_string());
        tell("maxconns", &options.max_connections.to_string());
        tell("tcpport", &options.port.to_string());
        tell("udpport", "0");
        tell(
            "inter",
            if options.addresses.is_empty() { "127.0.0.1".into() } else { options.addresses.join(",") }.as_str(),
        );
        tell("verbosity", &options.verbose.to_string());
        tell("evictions", if options.evict { "on" } else { "off" });
        tell("domain_socket", &options.socket.as_ref().map_or("NULL".into(), |path| path.display().to_string()));
        tell("umask", &format!("{:o}", options.socket_mode));
        tell("shutdown_command", "no");
        tell("num_threads", &options.threads.to_string());
        tell("reqs_per_event", &options.requests_per_tick.to_string());
        tell("detail_enabled", yes(self.watchers.attention.counts_detail()));
        tell("stat_key_prefix", char::from(self.detail.delimiter()).encode_utf8(&mut [0; 4]));
        tell("cas_enabled", "yes");
        tell("tcp_backlog", &options.backlog.to_string());
        let protocol = match options.dialect {
            Dialect::Auto => "auto-negotiate",
            Dialect::Ascii => "ascii",
            Dialect::Binary => "binary",
        };
        tell("binding_protocol", protocol);
        let logins = options.demands_login();
        tell("auth_enabled_sasl", yes(logins));
        let users = options.users.as_ref().map(|path| path.display().to_string());
        tell("auth_enabled_ascii", &users.unwrap_or_else(|| yes(logins).into()));
        tell("idle_timeout", &options.idle_timeout.to_string());
        tell("output_timeout", &options.output_timeout.to_string());
        tell("output_mem_limit", &(options.output_limit >> 20).to_string());
        tell("input_mem_limit", &(options.input_limit >> 20).to_string());
        tell("ssl_enabled", yes(options.tls.is_some()));
        if let Some(tls) = &options.tls {
            tell("ssl_chain_cert", &tls.chain.display().to_string());
            tell("ssl_key", &tls.key.as_ref().unwrap_or(&tls.chain).display().to_string());
            tell("ssl_keyformat", "1");
            tell("ssl_session_cache", yes(tls.session_cache));
            tell("ssl_min_version", if tls.tls13_only { "tlsv1.3" } else { "tlsv1.2" });
            let mode = match tls.clients {
                ClientAuth::Nothing => "0",
                ClientAuth::Asked => "1",
                ClientAuth::Required => "2",
            };
            tell("ssl_verify_mode", mode);
            let authorities = tls.authorities.as_ref();
            tell("ssl_ca_cert", &authorities.map_or("NULL".into(), |path| path.display().to_string()));
        }
        tell("item_size_max", &options.item_size_max.to_string());
        tell("maxconns_fast", "yes");
        tell("flush_enabled", yes(!options.flush_disabled));
        tell("dump_enabled", yes(!options.dump_disabled));
        tell("client_flags_size", "4");
        tell("storage", "table");
        tell("metrics", &self.metrics.get().map_or("no".into(), |(address, _)| address.to_string()));
    }
}

/// Seconds that the process has computed for itself and that the system has for it, as memcached writes them.
pub(super) fn cpu_time() -> (String, String) {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the structure is writable, and zeroes are a value of it where the call fails.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let text = |time: libc::timeval| format!("{}.{:06}", time.tv_sec, time.tv_usec);
    (text(usage.ru_utime), text(usage.ru_stime))
}
