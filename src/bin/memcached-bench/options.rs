//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::workload::{WORKLOADS, Workload};

/// What `--help` prints.
pub const HELP: &str = "\
Usage: memcached-bench [OPTION]...
Measures servers of the memcached protocol, and Redis, side by side on this machine.

  --server NAME=HOST:PORT@PID  a running server, instead of starting any (repeat it);
                               one whose name begins with redis is spoken to in RESP
  --memcached PATH             this memcached instead of the installed one
  --only TEXT[,TEXT...]        workloads whose name contains one of these
  --rounds N                   rounds of each workload (default 9)
  --seconds S                  length of one cell (default 0.5)
  --keys N                     keys of each value size (default 10000)
  --threads N                  worker threads of memcached and memcached-host (default 1)
  --dir PATH                   where servers keep their data (default: the temporary folder)
  --write                      write docs/performance.md and docs/performance.svg
  --list                       name the workloads
";

/// What the command line asked for.
pub struct Options {
    /// Running servers; empty: start what is installed.
    pub servers: Vec<String>,
    /// Program to use for memcached.
    pub memcached: Option<String>,
    /// What to run, in order.
    pub workloads: Vec<Workload>,
    /// At least 1.
    pub rounds: usize,
    /// Length of one cell.
    pub seconds: Duration,
    /// Keys of each value size.
    pub keys: u32,
    /// Worker threads of the servers that have them.
    pub threads: usize,
    /// Parent of the temporary folder.
    pub folder: PathBuf,
    /// Whether to write the page.
    pub write: bool,
    /// As typed.
    pub line: String,
}

impl Options {
    /// `None`: help or the list was wanted, and is printed.
    pub fn parse(args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
        let args: Vec<String> = args.collect();
        let mut options = Options {
            servers: Vec::new(),
            memcached: None,
            workloads: WORKLOADS.to_vec(),
            rounds: 9,
            seconds: Duration::from_millis(500),
            keys: 10_000,
            threads: 1,
            folder: std::env::temp_dir(),
            write: false,
            line: args.join(" "),
        };
        let mut args = args.into_iter();
        while let Some(name) = args.next() {
            match name.as_str() {
                "-h" | "--help" => {
                    print!("{HELP}");
                    return Ok(None);
                }
                "--list" => {
                    WORKLOADS.iter().for_each(|w| println!("{}", w.name));
                    return Ok(None);
                }
                "--write" => options.write = true,
                _ => {
                    let value = args.next().ok_or_else(|| format!("{name}: unknown, or without its value"))?;
                    options.set(&name, &value)?;
                }
            }
        }
        Ok(Some(options))
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "--server" => self.servers.push(value.to_owned()),
            "--memcached" => self.memcached = Some(value.to_owned()),
            "--only" => {
                let wanted: Vec<&str> = value.split(',').collect();
                self.workloads.retain(|w| wanted.iter().any(|text| w.name.contains(text)));
                if self.workloads.is_empty() {
                    return Err(format!("--only {value}: no workload has such a name; --list names them"));
                }
            }
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
