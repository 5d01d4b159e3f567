//! memcached's command line options, as they stand in `daemon_memcached_option`.

mod error;
mod extended;
mod tls_files;

use crate::protocol::Dialect;
pub use crate::store::Batch;
pub use error::OptionError;
use std::net::SocketAddr;
use std::path::PathBuf;
use tls_files::SslOptions;
pub use tls_files::TlsFiles;

/// Flags that mean something to a process of its own and nothing inside a host; each is logged once.
const WITHOUT_MEANING: &str = "dkriuPfnLEeqAChVN";

/// Flags that take an argument.
const WITH_ARGUMENT: &str = "apsUmculPftDRbBInEeYoN";

/// memcached's long options, and what they are short for.
const LONG: &[(&str, char)] = &[
    ("auth-file", 'Y'),
    ("conn-limit", 'c'),
    ("daemon", 'd'),
    ("delimiter", 'D'),
    ("disable-cas", 'C'),
    ("disable-dumping", 'X'),
    ("disable-evictions", 'M'),
    ("disable-flush-all", 'F'),
    ("disable-watch", 'W'),
    ("enable-coredumps", 'r'),
    ("enable-largepages", 'L'),
    ("enable-sasl", 'S'),
    ("enable-shutdown", 'A'),
    ("enable-ssl", 'Z'),
    ("extended", 'o'),
    ("help", 'h'),
    ("license", 'i'),
    ("listen", 'l'),
    ("listen-backlog", 'b'),
    ("lock-memory", 'k'),
    ("max-item-size", 'I'),
    ("max-reqs-per-event", 'R'),
    ("memory-file", 'e'),
    ("memory-limit", 'm'),
    ("napi_ids", 'N'),
    ("pidfile", 'P'),
    ("port", 'p'),
    ("protocol", 'B'),
    ("slab-growth-factor", 'f'),
    ("slab-min-size", 'n'),
    ("threads", 't'),
    ("udp-port", 'U'),
    ("unix-mask", 'a'),
    ("unix-socket", 's'),
    ("user", 'u'),
    ("verbose", 'v'),
    ("version", 'V'),
];

/// Settings that come from system variables instead of the option string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// Operations per commit.
    pub batch: Batch,
    /// Whether containers that break a rule are left out instead of refusing the start.
    pub skip_invalid_containers: bool,
    /// Whether missing configuration tables are created, where the host takes SQL.
    pub create_tables: bool,
    /// Seconds between two sweeps that delete expired rows, 0 for never.
    pub sweep_interval: u32,
    /// Whether clients log in with accounts of the host.
    pub accounts: bool,
}

/// Settings of the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// TCP port, 0 for a free one.
    pub port: u16,
    /// Whether `-p` was given.
    pub port_given: bool,
    /// Addresses of `-l`, each with or without a port, or paths of UNIX sockets; before it `notls:`, `btls:`, `mtls:`, `sticky_mapping=no:`, `container=NAME:`
    /// in any order where that is for it alone. Empty means 127.0.0.1.
    pub addresses: Vec<String>,
    /// UNIX socket of `-s`.
    pub socket: Option<PathBuf>,
    /// Its permission bits.
    pub socket_mode: u32,
    /// Worker threads, 1 to 128.
    pub threads: usize,
    /// Most connections at a time.
    pub max_connections: usize,
    /// Largest value in bytes.
    pub item_size_max: usize,
    /// Which protocol connections speak.
    pub dialect: Dialect,
    /// Bytes of the memory store.
    pub memory_limit: usize,
    /// Whether a full memory store evicts instead of refusing.
    pub evict: bool,
    /// Length of the accept queue.
    pub backlog: i32,
    /// Requests of one connection that one tick takes.
    pub requests_per_tick: usize,
    /// Whether a mapped key switches its connection, where the listener says nothing else.
    pub sticky_mapping: bool,
    /// The container that clients are bound to, where the listener says nothing else.
    pub container: Option<String>,
    /// Where metrics are served, if at all.
    pub metrics: Option<SocketAddr>,
    /// Whether flush_all is refused.
    pub flush_disabled: bool,
    /// Whether `watch` is refused.
    pub watch_disabled: bool,
    /// Whether dumps of keys and `stats detail` are refused.
    pub dump_disabled: bool,
    /// Users file of `-Y`; with it every connection has to log in.
    pub users: Option<PathBuf>,
    sasl: bool,
    /// Delimiter of key prefixes for `stats detail`, which then counts from the start.
    pub prefix_delimiter: Option<u8>,
    /// What TCP listeners need for TLS, with `-Z`.
    pub tls: Option<TlsFiles>,
    ssl: SslOptions,
    tls_wanted: bool,
    /// Seconds without a request after which a connection is closed, 0 for never.
    pub idle_timeout: u32,
    /// Seconds without progress after which a connection that does not read its replies is closed, 0 for never.
    pub output_timeout: u32,
    /// Bytes of replies that may wait for clients to read, over all connections.
    pub output_limit: usize,
    /// Bytes of requests that are not whole yet, over all connections; twice the item size if that is more.
    pub input_limit: usize,
    /// Number of `-v`.
    pub verbose: u8,
    /// What system variables say.
    pub settings: Settings,
    /// Options that were accepted and do nothing.
    pub without_meaning: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            port: 11211,
            port_given: false,
            addresses: Vec::new(),
            socket: None,
            socket_mode: 0o700,
            threads: 4,
            max_connections: 1024,
            item_size_max: 1 << 20,
            dialect: Dialect::Auto,
            memory_limit: 64 << 20,
            evict: true,
            backlog: 1024,
            requests_per_tick: 1024,
            sticky_mapping: true,
            container: None,
            metrics: None,
            flush_disabled: false,
            watch_disabled: false,
            dump_disabled: false,
            users: None,
            sasl: false,
            prefix_delimiter: None,
            tls: None,
            ssl: SslOptions::default(),
            tls_wanted: false,
            idle_timeout: 0,
            output_timeout: 60,
            output_limit: 256 << 20,
            input_limit: 256 << 20,
            verbose: 0,
            settings: Settings::default(),
            without_meaning: Vec::new(),
        }
    }
}

impl Options {
    /// Parses an option string, words separated by white space.
    ///
    /// # Errors
    /// Nothing that guards access is ignored.
    pub fn parse(text: &str) -> Result<Options, OptionError> {
        let mut options = Options::default();
        let mut words = text.split_ascii_whitespace();
        while let Some(word) = words.next() {
            if let Some(long) = word.strip_prefix("--") {
                options.apply_long(long, &mut words)?;
                continue;
            }
            let Some(mut flags) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
                return Err(OptionError::NotAFlag(word.into()));
            };
            while let Some(flag) = flags.chars().next() {
                flags = &flags[flag.len_utf8()..];
                let argument = if !WITH_ARGUMENT.contains(flag) {
                    ""
                } else if !flags.is_empty() {
                    std::mem::take(&mut flags)
                } else {
                    words.next().ok_or_else(|| OptionError::ArgumentMissing(format!("-{flag}")))?
                };
                options.apply(flag, argument)?;
            }
        }
        options.check()?;
        Ok(options)
    }

    /// `--port=11211` or `--port 11211`, as memcached takes them.
    fn apply_long<'a>(&mut self, long: &'a str, words: &mut impl Iterator<Item = &'a str>) -> Result<(), OptionError> {
        let (name, given) = match long.split_once('=') {
            Some((name, argument)) => (name, Some(argument)),
            None => (long, None),
        };
        let unknown = || OptionError::Unknown(format!("--{name}"));
        let (_, flag) = *LONG.iter().find(|(known, _)| *known == name).ok_or_else(unknown)?;
        let argument = match (WITH_ARGUMENT.contains(flag), given) {
            (false, Some(_)) => return Err(OptionError::ArgumentSurplus(format!("--{name}"))),
            (false, None) => "",
            (true, Some(argument)) => argument,
            (true, None) => words.next().ok_or_else(|| OptionError::ArgumentMissing(format!("--{name}")))?,
        };
        self.apply(flag, argument)
    }

    /// The options together with what system variables say.
    ///
    /// # Errors
    /// What does not go together.
    pub fn with(mut self, settings: Settings) -> Result<Options, OptionError> {
        self.settings = settings;
        match (settings.accounts, &self.users) {
            (false, None) if self.sasl => Err(OptionError::NoUsers),
            (true, Some(_)) => Err(OptionError::TwoKindsOfUsers),
            _ => Ok(self),
        }
    }

    /// Whether every connection has to log in.
    pub fn demands_login(&self) -> bool {
        self.settings.accounts || self.users.is_some()
    }

    /// What no flag says alone.
    fn check(&mut self) -> Result<(), OptionError> {
        if self.tls_wanted {
            self.tls = Some(self.ssl.files()?);
        } else if self.ssl != SslOptions::default() {
            return Err(OptionError::NoTls);
        }
        Ok(())
    }

    fn apply(&mut self, flag: char, argument: &str) -> Result<(), OptionError> {
        match flag {
            'p' => {
                // memcached's -1 and a socket's 0 both ask for a free port.
                self.port = if argument == "-1" { 0 } else { number(&format!("-{flag}"), argument, 0, 65535)? as u16 };
                self.port_given = true;
            }
            'l' => self.addresses.extend(argument.split(',').filter(|a| !a.is_empty()).map(String::from)),
            's' => self.socket = Some(PathBuf::from(argument)),
            'a' => {
                self.socket_mode = u32::from_str_radix(argument, 8)
                    .ok()
                    .filter(|mode| *mode <= 0o777)
                    .ok_or_else(|| OptionError::Mode(argument.into()))?;
            }
            't' => self.threads = number(&format!("-{flag}"), argument, 1, 128)? as usize,
            'c' => self.max_connections = number(&format!("-{flag}"), argument, 1, 1 << 30)? as usize,
            'b' => self.backlog = number(&format!("-{flag}"), argument, 1, 1 << 20)? as i32,
            'R' => self.requests_per_tick = number(&format!("-{flag}"), argument, 1, 1 << 20)? as usize,
            'I' => self.item_size_max = size(argument)?,
            'm' => self.memory_limit = megabytes(argument)? << 20,
            'M' => self.evict = false,
            'F' => self.flush_disabled = true,
            'W' => self.watch_disabled = true,
            'X' => self.dump_disabled = true,
            'v' => self.verbose = self.verbose.saturating_add(1),
            'D' => match argument.as_bytes() {
                [delimiter] => self.prefix_delimiter = Some(*delimiter),
                _ => return Err(OptionError::Delimiter(argument.into())),
            },
            'B' => {
                self.dialect = match argument {
                    "auto" => Dialect::Auto,
                    "ascii" => Dialect::Ascii,
                    "binary" => Dialect::Binary,
                    _ => return Err(OptionError::Dialect(argument.into())),
                }
            }
            'U' if argument == "0" => {}
            'U' => return Err(OptionError::Udp(argument.into())),
            'S' => self.sasl = true,
            'Y' => self.users = Some(PathBuf::from(argument)),
            'Z' => self.tls_wanted = true,
            'o' => argument.split(',').filter(|entry| !entry.is_empty()).try_for_each(|entry| self.extend(entry))?,
            _ if WITHOUT_MEANING.contains(flag) => self.ignore(format!("-{flag}")),
            _ => return Err(OptionError::Unknown(format!("-{flag}"))),
        }
        Ok(())
    }

    fn ignore(&mut self, option: String) {
        if !self.without_meaning.contains(&option) {
            self.without_meaning.push(option);
        }
    }

    /// Whether TCP is listened on: a UNIX socket alone turns it off, as in memcached.
    pub fn listens_on_tcp(&self) -> bool {
        self.socket.is_none() || !self.addresses.is_empty() || (self.port_given && self.port != 0)
    }
}

/// `option` is named with its dash.
fn number(option: &str, text: &str, min: u64, max: u64) -> Result<u64, OptionError> {
    text.parse().ok().filter(|value| (min..=max).contains(value)).ok_or_else(|| OptionError::Number {
        option: option.into(),
        text: text.into(),
        min,
        max,
    })
}

/// Megabytes, with M behind them or not, or gigabytes with G.
fn megabytes(text: &str) -> Result<usize, OptionError> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1),
        Some(b'g' | b'G') => (&text[..text.len() - 1], 1 << 10),
        _ => (text, 1),
    };
    number("-m", digits, 1, (1 << 30) / unit).map(|megabytes| (megabytes * unit) as usize)
}

/// `1m`, `512k` or bytes; 1 KiB to 1 GiB.
fn size(text: &str) -> Result<usize, OptionError> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1 << 20),
        _ => (text, 1usize),
    };
    digits
        .parse::<usize>()
        .ok()
        .and_then(|value| value.checked_mul(unit))
        .filter(|bytes| (1 << 10..=1 << 30).contains(bytes))
        .ok_or_else(|| OptionError::ItemSize(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::scope::ClientAuth;

    #[test]
    fn flags_are_read_as_memcached_reads_them() {
        let options =
            Options::parse("-p 11300 -t2 -vv -l 127.0.0.1,[::1]:5 -l ::1 -c 9 -I 2m -F -u nobody -m 64").unwrap();
        assert_eq!((options.port, options.threads, options.verbose, options.max_connections), (11300, 2, 2, 9));
        assert_eq!(options.addresses, ["127.0.0.1", "[::1]:5", "::1"]);
        assert_eq!(options.item_size_max, 2 << 20);
        assert!(options.flush_disabled && options.listens_on_tcp());
        assert_eq!((options.without_meaning, options.memory_limit), (vec!["-u".to_owned()], 64 << 20));
        let options = Options::parse(
            "-Z -o ssl_chain_cert=c.pem,ssl_key=k.pem,ssl_verify_mode=1,ssl_ca_cert=a.pem,ssl_min_version=3,ssl_session_cache \
             -o modern,no_lru_crawler,hashpower=20,idle_timeout=7,output_timeout=0,output_mem_limit=32,input_mem_limit=16,modern",
        )
        .unwrap();
        let (authorities, clients) = (Some("a.pem".into()), ClientAuth::Asked);
        let (chain, key) = ("c.pem".into(), Some("k.pem".into()));
        let files = TlsFiles { chain, key, authorities, clients, tls13_only: true, session_cache: true };
        assert_eq!(options.tls, Some(files));
        assert_eq!((options.idle_timeout, options.output_timeout, options.output_limit), (7, 0, 32 << 20));
        assert_eq!(options.input_limit, 16 << 20);
        assert_eq!(options.without_meaning, ["-o modern", "-o no_lru_crawler", "-o hashpower"]);
        assert!(!Options::parse("-s /tmp/x -p 0").unwrap().listens_on_tcp());
        assert!(Options::parse("-s /tmp/x -p 11212").unwrap().listens_on_tcp());
    }

    #[test]
    fn long_options_are_the_short_ones() {
        for (long, short) in [
            ("--port=11300 --threads 2 --listen=127.0.0.1 --listen ::1", "-p 11300 -t 2 -l 127.0.0.1 -l ::1"),
            ("--memory-limit=64M --max-item-size=2m --disable-evictions --verbose", "-m 64 -I 2m -M -v"),
            ("--extended=idle_timeout=7 -vv --user nobody", "-o idle_timeout=7 -vv -u nobody"),
            ("--memory-limit 2G", "-m 2048"),
        ] {
            let parsed = |text| format!("{:?}", Options::parse(text).unwrap());
            assert_eq!(parsed(long), parsed(short), "{long}");
        }
    }

    #[test]
    fn refusals_name_the_flag() {
        for (text, part) in [
            ("--port=70000", "-p"),
            ("--port", "--port needs"),
            ("--enable-ssl=1", "--enable-ssl takes no argument"),
            ("--prot=ascii", "--prot is unknown"),
            ("-Y", "-Y needs"),
            ("-Z", "ssl_chain_cert"),
            ("-Z -o ssl_chain_cert", "ssl_chain_cert needs"),
            ("-Z -o ssl_chain_cert=c,ssl_verify_mode=2", "ssl_ca_cert"),
            ("-Z -o ssl_chain_cert=c,ssl_verify_mode=4", "ssl_verify_mode"),
            ("-Z -o ssl_chain_cert=c,ssl_min_version=1", "TLS 1.2"),
            ("-Z -o ssl_chain_cert=c,ssl_ciphers=x", "ssl_ciphers"),
            ("-Z -o ssl_chain_cert=c,ssl_keyformat=DER", "PEM"),
            ("-o ssl_chain_cert=c", "-Z"),
            ("-o idle_timeout", "idle_timeout needs"),
            ("-o idle_timeout=x", "idle_timeout"),
            ("-o output_mem_limit=0", "output_mem_limit"),
            ("-o input_mem_limit=x", "input_mem_limit"),
            ("-o modern,ext_path=/tmp/x:1G", "ext_path is unknown"),
            ("-o proxy_config=x", "proxy_config is unknown"),
            ("-U 11211", "-U"),
            ("-B meta", "-B"),
            ("-p 70000", "-p"),
            ("-p", "-p needs"),
            ("-t 0", "-t"),
            ("-I 1", "-I"),
            ("-I 2g", "-I"),
            ("-m 64X", "-m"),
            ("-a 999", "-a"),
            ("-w", "-w is unknown"),
            ("-X lib.so", "lib.so"),
            ("-D ab", "-D"),
            ("11211", "not a flag"),
        ] {
            let error = Options::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
