//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::workload::{BY_SQL, MYSQL, WORKLOADS, Workload, pool};

/// What `--help` prints.
pub const HELP: &str = "\
Usage: memcached-bench [OPTION]...
Measures servers of the memcached protocol, and Redis, side by side on this machine.

  --server [NAME=]HOST:PORT[@PID]
                               a running server of memcached's protocol, here or elsewhere, instead of starting any
                               (repeat it). With the number of its process, CPU times are told and it is put on a
                               core of its own; one whose name begins with redis is spoken to in RESP
  --change OPTIONS             what more options of memcached-host do: it is started twice, without and with them,
                               and a line for each workload tells the difference, with where half of the rounds lie
  --save FILE                  keep the figures of this run
  --compare BEFORE AFTER       instead of measuring: the same line for two runs that were kept
  --chart FILE                 the run, or the comparison, as bars in SVG
  --memcached PATH             the memcached to compare with; the installed one is then measured as memcached-old.
                               It may lie in a tree of another Debian release, as tests/mysql/make-tree makes it
  --mysql TREE                 instead of all others: the plugin in MySQL, prepared statements on the same rows, and
                               memcached, all of that tree (needs root)
  --mariadb TREE               the same in MariaDB; memcached is the one of --memcached
  --pool MIB                   instead of all others: more rows than a pool of this size holds, in memcached-host, memcached
                               with and without its extended store, and MariaDB; then as many as four such pools hold
  --plugin PATH                the plugin for --mysql and --mariadb (default: the libdaemon_memcached.so built last beside this program)
  --only TEXT[,TEXT...]        workloads whose name contains one of these
  --rounds N                   rounds of each workload (default 9)
  --seconds S                  length of one cell (default 0.2)
  --keys N                     keys of each value size (default 10000), rows of --pool (default 5000000)
  --threads N                  worker threads of memcached and memcached-host (default 1)
  --dir PATH                   where servers keep their data (default: the temporary folder)
  --write                      write docs/performance.md and docs/performance.svg, or docs/mysql.md, or the speed in docs/mariadb.md,
                               or the part of --pool in docs/performance.md
  --list                       name the workloads
";

/// What the command line asked for.
pub struct Options {
    /// Running servers; empty: start what is installed.
    pub servers: Vec<String>,
    /// Options of memcached-host whose effect is measured.
    pub change: Option<String>,
    /// Where the figures are kept.
    pub save: Option<String>,
    /// Two runs that were kept.
    pub compare: Option<(String, String)>,
    /// Where a chart is drawn.
    pub chart: Option<String>,
    /// Program to use for memcached.
    pub memcached: Option<String>,
    /// The tree of `--mysql` or `--mariadb`.
    pub mysql: Option<PathBuf>,
    /// It is the tree of `--mariadb`.
    pub mariadb: bool,
    /// MiB of the pool of `--pool`, at least 8: MariaDB does not start with its least of 5.
    pub pool: Option<u32>,
    /// The plugin for it; `None`: what was built with this program.
    pub plugin: Option<PathBuf>,
    /// Texts of which a workload's name must contain one; empty: all run.
    pub only: Vec<String>,
    /// At least 1.
    pub rounds: usize,
    /// Length of one cell.
    pub seconds: Duration,
    /// Keys of each value size, or rows of `--pool`.
    pub keys: u32,
    /// Worker threads of the servers that have them.
    pub threads: usize,
    /// Parent of the temporary folder.
    pub folder: PathBuf,
    /// Whether to write the page.
    pub write: bool,
    /// As typed, paths apart: those are this machine's own affair.
    pub line: String,
}

impl Options {
    /// `None`: help or the list was wanted, and is printed.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
        let mut options = Options {
            servers: Vec::new(),
            change: None,
            save: None,
            compare: None,
            chart: None,
            memcached: None,
            mysql: None,
            mariadb: false,
            pool: None,
            plugin: None,
            only: Vec::new(),
            rounds: 9,
            seconds: Duration::from_millis(200),
            keys: 0,
            threads: 1,
            folder: std::env::temp_dir(),
            write: false,
            line: String::new(),
        };
        while let Some(name) = args.next() {
            match name.as_str() {
                "-h" | "--help" => {
                    print!("{HELP}");
                    return Ok(None);
                }
                "--list" => {
                    WORKLOADS.iter().for_each(|w| println!("{}", w.name));
                    let mysql = MYSQL.iter().flat_map(|stage| stage.workloads);
                    mysql.for_each(|w| println!("{} (--mysql, --mariadb)", w.name));
                    BY_SQL.workloads.iter().for_each(|w| println!("{} (--mariadb)", w.name));
                    pool::ALL.iter().for_each(|w| println!("{} (--pool)", w.name));
                    return Ok(None);
                }
                "--compare" => {
                    let pair = args.next().zip(args.next());
                    options.compare = Some(pair.ok_or("--compare: wanted two files that --save wrote")?);
                }
                "--write" => {
                    options.write = true;
                    options.line.push_str("--write ");
                }
                _ => {
                    let value = args.next().ok_or_else(|| format!("{name}: unknown, or without its value"))?;
                    options.set(&name, &value)?;
                    let path = matches!(name.as_str(), "--memcached" | "--mysql" | "--mariadb" | "--plugin" | "--dir");
                    let shown = if path { name.trim_start_matches('-').to_uppercase() } else { value };
                    options.line.push_str(&format!("{name} {shown} "));
                }
            }
        }
        let others = options.change.is_some() || options.mysql.is_some() || !options.servers.is_empty();
        if options.pool.is_some() && (others || !options.only.is_empty()) {
            return Err(
                "--pool has servers and workloads of its own: leave --server, --change, --mysql, --mariadb and --only out"
                    .to_owned(),
            );
        }
        if options.keys == 0 {
            options.keys = if options.pool.is_some() { 5_000_000 } else { 10_000 };
        }
        if options.change.is_some() && (options.mysql.is_some() || options.write || !options.servers.is_empty()) {
            return Err(
                "--change starts memcached-host only: leave --server, --mysql, --mariadb and --write out".to_owned()
            );
        }
        if options.write && !options.servers.is_empty() {
            return Err(
                "--write is for the servers that are started: leave --server out, or use --save and --chart".to_owned()
            );
        }
        if options.mysql.is_some() && !(options.servers.is_empty() && (options.mariadb || options.memcached.is_none()))
        {
            return Err("--mysql starts servers of its tree only: leave --server and --memcached out".to_owned());
        }
        Ok(Some(options))
    }

    /// Those of the workloads that `--only` selects.
    pub fn chosen(&self, workloads: &[Workload]) -> Vec<Workload> {
        let wanted =
            |w: &&Workload| self.only.is_empty() || self.only.iter().any(|text| w.name.contains(text.as_str()));
        workloads.iter().filter(wanted).copied().collect()
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "--server" => self.servers.push(value.to_owned()),
            "--change" => self.change = Some(value.to_owned()),
            "--save" => self.save = Some(value.to_owned()),
            "--chart" => self.chart = Some(value.to_owned()),
            "--memcached" => self.memcached = Some(value.to_owned()),
            "--mysql" | "--mariadb" => {
                self.mysql = Some(PathBuf::from(value));
                self.mariadb = name == "--mariadb";
            }
            "--pool" => self.pool = Some(number(name, value, 8, 1 << 20)?),
            "--plugin" => self.plugin = Some(PathBuf::from(value)),
            "--only" => self.only.extend(value.split(',').map(str::to_owned)),
            "--rounds" => self.rounds = number(name, value, 1, 1000)? as usize,
            "--keys" => self.keys = number(name, value, 100, 10_000_000)?,
            "--threads" => self.threads = number(name, value, 1, 64)? as usize,
            "--dir" => self.folder = PathBuf::from(value),
            "--seconds" => {
                let seconds = value.parse().ok().filter(|s| (0.05..=60.0).contains(s));
                self.seconds =
                    Duration::from_secs_f64(seconds.ok_or_else(|| format!("{name} {value}: wanted 0.05 to 60"))?);
            }
            _ => return Err(format!("{name}: unknown option; --help lists them")),
        }
        Ok(())
    }
}

fn number(name: &str, value: &str, least: u32, most: u32) -> Result<u32, String> {
    let number = value.parse().ok().filter(|n| (least..=most).contains(n));
    number.ok_or_else(|| format!("{name} {value}: wanted {least} to {most}"))
}
