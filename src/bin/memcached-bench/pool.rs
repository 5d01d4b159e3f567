//! The stage of `--pool`: a table of more rows than memory of a given size holds, from its load to the end by SIGKILL, and then
//! one that memory holds. The servers are loaded one after the other and then asked in turn, round after round. Which version
//! each row has is known, so every value is compared to the byte.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::encoder::Dialect;
use crate::options::Options;
use crate::peers::{self, Server};
use crate::report::{Cell, Row, Versions};
use crate::subject::{MIB, Reads, Stretch, Subject};
use crate::workload::pool::{AGAIN, BESIDE, GET, KILLED, LOAD, MEMORY, SET};
use crate::workload::{Keys, Operation, Workload};
use crate::{SEED, machine, mariadb, on_server_core};

/// The names of the servers.
const HOST: &str = "host";
const MEMCACHED: &str = "memcached";
const EXTENDED: &str = "memcached-extstore";
const MARIADB: &str = "mariadb";

/// How much less rows and how much more memory `MEMORY` has than the other workloads.
const FEWER: u32 = 5;
const WIDER: u32 = 4;

/// How long nobody writes before its memory is measured: the host has new rows twice until then.
const QUIET: Duration = Duration::from_secs(10);

/// What the stage found so far.
#[derive(Default)]
pub struct Outcome {
    /// Of the servers that took part.
    pub versions: Versions,
    /// A row for each workload.
    pub rows: Vec<Row>,
    /// Seconds from the start of the host that was killed to its first right reply.
    pub opened: Option<f64>,
}

/// A table of so many rows on every server.
struct Stage<'o> {
    options: &'o Options,
    folder: &'o Path,
    /// Of the pools.
    mib: u32,
    rows: u32,
}

/// Everything, with a pool of so many MiB. It takes minutes: when it fails, `outcome` has what was found until then.
pub fn measure(options: &Options, folder: &Path, mib: u32, outcome: &mut Outcome) -> Result<(), String> {
    let stage = Stage { options, folder, mib, rows: options.keys };
    let mut subjects = on_server_core(|| Ok(vec![stage.host()?, stage.memcached()?]))?;
    for started in [on_server_core(|| stage.extended()), on_server_core(|| stage.mariadb())] {
        subjects.extend(started.map_err(|e| eprintln!("left out: {e}")));
    }
    outcome.versions = subjects.iter().map(|s| (s.server.name.clone(), s.server.version.clone())).collect();
    let rows = &mut outcome.rows;
    for workload in [LOAD, GET, SET, AGAIN] {
        rows.push(stage.run(workload, &mut subjects)?);
    }
    // One statement at a time is no measure beside a pipeline of new rows.
    subjects.retain(|subject| subject.server.dialect == Dialect::Memcached);
    rows.push(stage.run(BESIDE, &mut subjects)?);
    subjects.truncate(1);
    outcome.opened = Some(stage.kill(&mut subjects)?);
    rows.push(stage.run(KILLED, &mut subjects)?);
    drop(subjects);
    let folder = peers::make(folder, "memory")?;
    let stage = Stage { folder: &folder, mib: mib * WIDER, rows: (options.keys / FEWER).max(1), ..stage };
    let mut subjects = on_server_core(|| Ok(vec![stage.host()?, stage.memcached()?]))?;
    stage.run(LOAD, &mut subjects)?;
    std::thread::sleep(QUIET);
    rows.push(stage.run(MEMORY, &mut subjects)?);
    Ok(())
}

impl Stage<'_> {
    fn subject(&self, server: Server, reads: Reads) -> Subject {
        Subject { server, keys: Keys::of_table(self.rows, SEED), reads, load: 0.0 }
    }

    fn host(&self) -> Result<Subject, String> {
        let server = peers::start_pool(self.folder, HOST, self.mib, self.options.threads)?;
        Ok(self.subject(server, Reads::Calls))
    }

    fn start_memcached(&self, name: &str, more: &[&str]) -> Result<Server, String> {
        let program = self.options.memcached.as_deref().unwrap_or("memcached");
        peers::start_memcached(self.folder, name, program, self.options.threads, more)
    }

    /// With more memory than it needs.
    fn memcached(&self) -> Result<Subject, String> {
        let plenty = (u64::from(self.rows) * 512 / MIB + 128).to_string();
        Ok(self.subject(self.start_memcached(MEMCACHED, &["-m", &plenty])?, Reads::None))
    }

    /// With the least memory that keeps every row, of which it has head and key there.
    fn extended(&self) -> Result<Subject, String> {
        let least = (u64::from(self.rows) * 104 / MIB + 64).to_string();
        let size = u64::from(self.rows) * 512 / MIB + 1024;
        // Without these it writes no item of less than 512 bytes, and none before memory is short.
        let file = self.folder.join("extended");
        let store = format!("ext_path={}:{size}M,ext_item_size=80,ext_item_age=0", file.display());
        // It opens its file when it is another user already.
        let user: &[&str] = if machine::is_root() { &["-u", "root"] } else { &[] };
        let server = self.start_memcached(EXTENDED, &[&["-m", &least, "-o", &store], user].concat())?;
        Ok(self.subject(server, Reads::Statistic("get_extstore")))
    }

    /// Reads its files through the operating system's cache, as the host does.
    fn mariadb(&self) -> Result<Subject, String> {
        let pool = format!("--innodb-buffer-pool-size={}M", self.mib);
        let server = mariadb::start(self.folder, MARIADB, 2, &[&pool, "--innodb-flush-method=fsync"])?;
        Ok(self.subject(server, Reads::Calls))
    }

    /// One row of the report: the workload on each of the servers, round after round.
    fn run(&self, workload: Workload, subjects: &mut [Subject]) -> Result<Row, String> {
        let tenth = (self.rows / 10).max(1);
        let (rounds, stretch) = match workload.operation {
            Operation::Load => (1, Stretch::Rows(self.rows)),
            Operation::Change => (1, Stretch::Operations(tenth.into())),
            _ if workload.writers > 0 => (1, Stretch::Rows(tenth)),
            _ => (self.options.rounds, Stretch::Time(self.options.seconds)),
        };
        machine::warm(self.folder);
        eprint!("{:24}", workload.name);
        let cell = |subject: &Subject| Cell { server: subject.server.name.clone(), rounds: Vec::new(), background: 0 };
        let mut cells: Vec<Cell> = subjects.iter().map(cell).collect();
        for round in 0..rounds {
            eprint!(" {}", round + 1);
            for (subject, cell) in subjects.iter_mut().zip(&mut cells) {
                let measured = subject.measure(&workload, stretch, self.mib);
                cell.rounds.push(measured.map_err(|e| format!("{}, {}: {e}", cell.server, workload.name))?);
            }
        }
        eprintln!();
        Ok(Row { workload, cells })
    }

    /// Kills the host, which is the first of them, and starts it on what it left. Returns the seconds until it answers.
    fn kill(&self, subjects: &mut [Subject]) -> Result<f64, String> {
        let host = subjects.first_mut().ok_or("the host was not started")?;
        host.server.kill();
        let start = Instant::now();
        host.server = on_server_core(|| peers::start_pool(self.folder, HOST, self.mib, self.options.threads))?;
        let row = host.keys.read();
        let mut link = host.server.open(Dialect::Memcached, KILLED.value)?;
        link.ask(|encoder, out| vec![encoder.get_version(out, row)])?;
        Ok(start.elapsed().as_secs_f64())
    }
}
