//! Options of the host: sizes, files of options, of the log and of the process's number.

use crate::common::{Host, HostConfig, root};
use daemon_memcached::server::options::Options;
use std::fs;

fn variable(host: &Host, name: &str) -> String {
    host.rows(&format!("SHOW VARIABLES LIKE '{name}'")).remove(0).remove(1)
}

#[test]
fn sizes_have_units() {
    for (given, bytes) in [("8M", "8388608"), ("1g", "1073741824"), ("6144K", "6291456"), ("9000000", "9000000")] {
        let host = HostConfig::new().bare().arg(format!("--innodb-buffer-pool-size={given}")).start();
        assert_eq!(variable(&host, "innodb_buffer_pool_size"), bytes, "{given}");
    }
    for wrong in ["1X", "M", "1MB", "99999999999G", "-1M"] {
        let error =
            HostConfig::new().bare().arg(format!("--innodb-buffer-pool-size={wrong}")).try_start().err().unwrap();
        assert!(error.contains("innodb_buffer_pool_size") && error.contains(wrong), "{wrong}: {error}");
    }
}

#[test]
fn options_come_from_a_file_too() {
    let config = HostConfig::new().no_option();
    let path = config.scratch().join("my.cnf");
    fs::write(
        &path,
        "# a comment\n; and one more\n\n[client]\nport=1\nnonsense\n\n\
         [mysqld]\ninnodb-buffer-pool-size = 8M\ninnodb_redo_log_capacity=64M\nsymbolic-links=0\nskip_name_resolve\n\n\
         [memcached-host]\n  daemon_memcached_option = \"-p 0 -t 2\"\ninnodb_lock_wait_timeout=7\nskip-networking\n",
    )
    .unwrap();
    let mut command = std::process::Command::new(crate::common::program());
    command.arg(format!("--defaults-file={}", path.display())).arg("--innodb-lock-wait-timeout=8");
    command.arg(format!("--datadir={}", config.datadir().display())).args(["-e", "SHOW VARIABLES"]);
    let output = command.output().unwrap();
    let (said, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{log}");
    for line in [
        "innodb_buffer_pool_size\t8388608",
        "innodb_lock_wait_timeout\t8",
        "daemon_memcached_option\t-p 0 -t 2",
        "skip_networking\tON",
    ] {
        assert!(said.lines().any(|known| known == line), "no {line}:\n{said}");
    }
    for unknown in ["symbolic-links", "skip_name_resolve", "innodb_redo_log_capacity"] {
        assert!(log.contains("[Warning]") && log.contains(unknown), "{unknown}: {log}");
    }
    // In a section of its own a mistake ends the start, with file and line.
    for (text, expected) in [
        ("[memcached-host]\nsymbolic-links=0\n", "unknown option '--symbolic-links=0'"),
        ("[mysqld]\nport=http\n", "takes a number"),
        ("[memcached-host]\nhelp\n", "has no place in a file"),
        ("!include /etc/my.cnf\n", "line 1"),
    ] {
        fs::write(&path, text).unwrap();
        let output = command.output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && log.contains(expected), "{text}: {log}");
    }
    command.args(["--defaults-file=x"]);
    fs::write(&path, "").unwrap();
    assert!(String::from_utf8_lossy(&command.output().unwrap().stderr).contains("must be the first"));
    fs::remove_file(&path).unwrap();
    assert!(String::from_utf8_lossy(&command.output().unwrap().stderr).contains("cannot read options file"));
}

#[test]
fn the_log_goes_to_a_file_and_is_opened_anew_after_a_rotation() {
    let config = HostConfig::new();
    let (log, pid) = (config.scratch().join("error.log"), config.scratch().join("host.pid"));
    let config = config.arg(format!("--log-error={}", log.display())).arg(format!("--pid-file={}", pid.display()));
    let host = config.start();
    assert_eq!(fs::read_to_string(&pid).unwrap(), format!("{}\n", host.pid()));
    assert!(fs::read_to_string(&log).unwrap().contains("listening on"));
    assert_eq!(host.log(), "");
    let rotated = log.with_extension("log.1");
    fs::rename(&log, &rotated).unwrap();
    host.signal(libc::SIGHUP);
    crate::common::patient::wait_until("a new log file", || log.exists());
    host.sql("UNINSTALL PLUGIN daemon_memcached").unwrap();
    host.sql("INSTALL PLUGIN daemon_memcached SONAME 'daemon_memcached.so'").unwrap();
    assert!(fs::read_to_string(&log).unwrap().contains("listening on"));
    assert_eq!(fs::read_to_string(&rotated).unwrap().matches("listening on").count(), 1);
    assert!(host.terminate().success());
    assert!(!pid.exists());
    // A start that fails says so in both places.
    let error = config.clone().arg("--innodb-buffer-pool-size=1").try_start().err().unwrap();
    assert!(error.contains("innodb_buffer_pool_size"), "{error}");
    assert!(fs::read_to_string(&log).unwrap().contains("[ERROR] DM3001: cannot open the data directory"));
}

/// What becomes of an option of memcached's.
#[derive(Clone, Copy)]
enum Fate {
    Taken,
    /// It does nothing inside a host, and the log says so.
    Ignored,
    /// With a sentence that contains this.
    Refused(&'static str),
}
use Fate::{Ignored, Refused, Taken};

/// All that `memcached --help` of 1.6.45 lists, with an argument where it has one.
const OPTIONS: &[(&str, Fate)] = &[
    ("-p 0", Taken),
    ("--port=0", Taken),
    ("-U 0", Taken),
    ("--udp-port=11211", Refused("UDP")),
    ("-s /tmp/x", Taken),
    ("--unix-socket=/tmp/x", Taken),
    ("-a 0700", Taken),
    ("--unix-mask=0700", Taken),
    ("-A", Ignored),
    ("--enable-shutdown", Ignored),
    ("-l 127.0.0.1", Taken),
    ("--listen=notls:127.0.0.1", Taken),
    ("-d", Ignored),
    ("--daemon", Ignored),
    ("-r", Ignored),
    ("--enable-coredumps", Ignored),
    ("-u nobody", Ignored),
    ("--user=nobody", Ignored),
    ("-m 64", Taken),
    ("--memory-limit=64", Taken),
    ("-M", Taken),
    ("--disable-evictions", Taken),
    ("-c 9", Taken),
    ("--conn-limit=9", Taken),
    ("-k", Ignored),
    ("--lock-memory", Ignored),
    ("-v", Taken),
    ("--verbose", Taken),
    ("-vvv", Taken),
    ("-h", Ignored),
    ("--help", Ignored),
    ("-i", Ignored),
    ("--license", Ignored),
    ("-V", Ignored),
    ("--version", Ignored),
    ("-P /tmp/pid", Ignored),
    ("--pidfile=/tmp/pid", Ignored),
    ("-f 1.25", Ignored),
    ("--slab-growth-factor=1.25", Ignored),
    ("-n 48", Ignored),
    ("--slab-min-size=48", Ignored),
    ("-L", Ignored),
    ("--enable-largepages", Ignored),
    ("-D :", Taken),
    ("-t 2", Taken),
    ("--threads=2", Taken),
    ("-R 20", Taken),
    ("--max-reqs-per-event=20", Taken),
    ("-C", Ignored),
    ("--disable-cas", Ignored),
    ("-b 9", Taken),
    ("--listen-backlog=9", Taken),
    ("-B ascii", Taken),
    ("--protocol=binary", Taken),
    ("-I 2m", Taken),
    ("--max-item-size=2m", Taken),
    ("-S", Refused("-Y FILE")),
    ("--enable-sasl", Refused("-Y FILE")),
    ("-F", Taken),
    ("--disable-flush-all", Taken),
    ("-X", Taken),
    ("--disable-dumping", Taken),
    ("-W", Taken),
    ("--disable-watch", Taken),
    ("-Y /tmp/users", Taken),
    ("--auth-file=/tmp/users", Taken),
    ("-e /tmp/memory", Ignored),
    ("--memory-file=/tmp/memory", Ignored),
    ("-Z", Refused("ssl_chain_cert")),
    ("--enable-ssl", Refused("ssl_chain_cert")),
    ("-N 2", Ignored),
    ("--napi_ids=2", Ignored),
    ("-o maxconns_fast", Ignored),
    ("--extended=hashpower=20", Ignored),
    ("-o tail_repair_time=1", Ignored),
    ("-o hash_algorithm=xxh3", Ignored),
    ("-o no_lru_crawler", Ignored),
    ("-o lru_crawler_sleep=100", Ignored),
    ("-o lru_crawler_tocrawl=0", Ignored),
    ("-o read_buf_mem_limit=1", Ignored),
    ("-o no_lru_maintainer", Ignored),
    ("-o hot_lru_pct=20", Ignored),
    ("-o warm_lru_pct=20", Ignored),
    ("-o hot_max_factor=0.2", Ignored),
    ("-o warm_max_factor=2", Ignored),
    ("-o temporary_ttl=61", Ignored),
    ("-o idle_timeout=9", Taken),
    ("-o slab_chunk_max=512", Ignored),
    ("-o watcher_logbuf_size=256", Ignored),
    ("-o worker_logbuf_size=64", Ignored),
    ("-o track_sizes", Ignored),
    ("-o no_hashexpand", Ignored),
    ("-o modern", Ignored),
    ("-o no_modern", Ignored),
    ("-o sock_cookie_id=1", Refused("sock_cookie_id")),
    ("-o ext_path=/tmp/x:1G", Refused("ext_path")),
    ("-o ext_page_size=64", Refused("ext_page_size")),
    ("-o ext_wbuf_size=4", Refused("ext_wbuf_size")),
    ("-o ext_threads=1", Refused("ext_threads")),
    ("-o ext_item_size=512", Refused("ext_item_size")),
    ("-o ext_item_age=1", Refused("ext_item_age")),
    ("-o ext_low_ttl=0", Refused("ext_low_ttl")),
    ("-o ext_drop_unread", Refused("ext_drop_unread")),
    ("-o ext_recache_rate=1", Refused("ext_recache_rate")),
    ("-o ext_compact_under=1", Refused("ext_compact_under")),
    ("-o ext_drop_under=1", Refused("ext_drop_under")),
    ("-o ext_max_frag=0.8", Refused("ext_max_frag")),
    ("-o ext_max_sleep=1", Refused("ext_max_sleep")),
    ("-o slab_automove_freeratio=0.01", Ignored),
    ("-o proxy_config=x", Refused("proxy_config")),
    ("-o proxy_arg=x", Refused("proxy_arg")),
    ("-o ssl_chain_cert=x", Refused("-Z")),
    ("-Z -o ssl_chain_cert=x,ssl_key=y", Taken),
    ("-o ssl_keyformat=DER", Refused("PEM")),
    ("-Z -o ssl_chain_cert=x,ssl_verify_mode=1", Taken),
    ("-o ssl_ciphers=x", Refused("cipher suites")),
    ("-Z -o ssl_chain_cert=x,ssl_ca_cert=y", Taken),
    ("-o ssl_wbuf_size=16", Ignored),
    ("-Z -o ssl_chain_cert=x,ssl_session_cache", Taken),
    ("-o ssl_kernel_tls", Ignored),
    ("-Z -o ssl_chain_cert=x,ssl_min_version=3", Taken),
];

#[test]
fn each_option_of_memcached_is_taken_or_ignored_aloud_or_refused_by_name() {
    for (text, fate) in OPTIONS {
        let parsed = Options::parse(text).and_then(|options| options.with(Default::default()));
        match (parsed, fate) {
            (Ok(options), Taken) => assert!(options.without_meaning.is_empty(), "{text}"),
            (Ok(options), Ignored) => assert_eq!(options.without_meaning.len(), 1, "{text}"),
            (Err(error), Refused(part)) => assert!(error.to_string().contains(part), "{text}: {error}"),
            (other, _) => panic!("{text}: {:?}", other.map(|_| "taken")),
        }
    }
    let host = HostConfig::new().option("-p 0 -d --user=nobody -o modern").start();
    for ignored in ["-d", "-u", "-o modern"] {
        host.wait_log(&format!("option {ignored} has no meaning inside a host and is ignored"));
    }
}

/// The answers are memcached's.
#[test]
fn dumps_are_refused_where_they_are_disabled() {
    let host = HostConfig::new().option("-p 0 -X").start();
    let mut client = host.client();
    for (command, reply) in [
        ("set a 0 0 1\r\nx", "STORED"),
        ("stats cachedump 1 0", "CLIENT_ERROR stats cachedump not allowed"),
        ("stats detail on", "CLIENT_ERROR stats detail not allowed"),
        ("stats detail dump", "CLIENT_ERROR stats detail not allowed"),
        ("lru_crawler metadump all", "ERROR metadump not allowed"),
        ("lru_crawler mgdump all", "ERROR key dump not allowed"),
        ("lru_crawler crawl all", "OK"),
        ("get a", "VALUE a 0 1\r\nx\r\nEND"),
    ] {
        client.ask(format!("{command}\r\n"), format!("{reply}\r\n"));
    }
    assert!(client.stats("settings").contains(&("dump_enabled".into(), "no".into())));
}

/// For a Debian without `nc` the README has a line of bash.
#[test]
fn the_walk_of_the_readme_needs_bash_alone() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let line = text.lines().find(|line| line.contains("/dev/tcp/")).expect("a line with /dev/tcp");
    assert!(text.contains("netcat-openbsd") && text.contains("default-mysql-client"));
    let host = Host::start();
    host.client().ask("set greeting 0 0 5\r\nhello\r\n", "STORED\r\n");
    let line = line.replace("/11211", &format!("/{}", host.port()));
    let output = std::process::Command::new("bash").args(["-c", &line]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "VALUE greeting 0 5\r\nhello\r\nEND\r\n", "{output:?}");
}
