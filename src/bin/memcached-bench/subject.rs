//! A server of `--pool`, what its table holds, and one stretch of work on it.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use crate::WARM;
use crate::client::{Client, Sample};
use crate::encoder::{Dialect, Encoder};
use crate::machine;
use crate::mariadb;
use crate::peers::Server;
use crate::report::{Held, Round};
use crate::sql;
use crate::workload::{Keys, Operation, Workload};

/// Bytes of one.
pub const MIB: u64 = 1 << 20;
/// A stretch that is to do so many operations lasts no longer: a server that is far behind the others is not waited for.
const LONGEST: Duration = Duration::from_secs(10);
/// A load is waited for.
const LOAD_LONGEST: Duration = Duration::from_secs(900);
/// Work behind the replies is waited for, no longer than this.
const IDLE: Duration = Duration::from_secs(30);
/// How long a server must do next to nothing to be idle.
const WINDOW: Duration = Duration::from_millis(200);
/// Rows of one statement of a load in SQL.
pub const STATEMENT: usize = 1000;

/// Where a server's reads of files are counted.
#[derive(Clone, Copy)]
pub enum Reads {
    /// By the kernel: the server receives in another way than it reads files.
    Calls,
    /// By the server itself, under this name.
    Statistic(&'static str),
    /// It has no files.
    None,
}

/// A server and what its table holds.
pub struct Subject {
    /// The only user of it is this program.
    pub server: Server,
    /// Which rows it has, and their versions.
    pub keys: Keys,
    /// Where its reads of files are counted.
    pub reads: Reads,
    /// Nanoseconds of CPU time that a row of the load took, with what followed.
    pub load: f64,
}

/// How long a stretch is.
#[derive(Clone, Copy)]
pub enum Stretch {
    /// So long.
    Time(Duration),
    /// Until so many operations are done.
    Operations(u64),
    /// Until the table has so many more rows.
    Rows(u32),
}

impl Subject {
    /// Reads of files so far, if they can be told.
    fn reads(&self) -> Option<u64> {
        match self.reads {
            Reads::Calls => machine::reads_of(self.server.pid?),
            Reads::Statistic(name) => statistic(&self.server, name),
            Reads::None => None,
        }
    }

    /// One stretch of one workload, and what the server did until it was idle again. `mib` is the size of its pool.
    pub fn measure(&mut self, workload: &Workload, stretch: Stretch, mib: u32) -> Result<Round, String> {
        let (before, reads) = (self.keys.loaded(), self.reads());
        let cpu = self.server.cpu()?.ok_or("its CPU time cannot be read")?;
        let mut marks = Vec::new();
        let (sample, total) = if workload.operation == Operation::Load && self.server.dialect == Dialect::Sql {
            marks.push(cpu);
            let sample = self.load_by_sql(stretch, workload.value)?;
            marks.extend(self.server.cpu()?);
            let total = sample.operations;
            (sample, total)
        } else {
            let mut client = Client::connect(&self.server, self.server.dialect, *workload)?;
            let server = &self.server;
            let enough = |keys: &Keys, done: u64| match stretch {
                Stretch::Time(_) => false,
                Stretch::Operations(operations) => done >= operations,
                Stretch::Rows(rows) => keys.loaded() - before >= rows,
            };
            let times = match stretch {
                Stretch::Time(time) => (WARM, time),
                _ if workload.operation == Operation::Load => (Duration::ZERO, LOAD_LONGEST),
                _ => (Duration::ZERO, LONGEST),
            };
            client.run(&mut self.keys, times, enough, || {
                marks.extend(server.cpu()?);
                Ok(())
            })?
        };
        let loaded = self.keys.loaded() - before;
        let reads = self.reads().zip(reads).map(|(now, before)| (now - before) as f64);
        if workload.operation != Operation::Read || workload.writers > 0 {
            idle(&self.server)?;
        }
        let whole = (self.server.cpu()?.unwrap_or(cpu).total - cpu.total) as f64;
        let of_others = if workload.writers > 0 { f64::from(loaded) } else { 0.0 };
        if workload.operation == Operation::Load {
            self.load = whole / f64::from(loaded);
            self.all_are_there()?;
        }
        let memory = self.server.pid.and_then(machine::memory_of).ok_or("its memory cannot be read")?;
        let in_mib = |bytes: u64| bytes as f64 / MIB as f64;
        let held = Held {
            whole: if workload.writers > 0 { f64::NAN } else { whole / 1e3 / total as f64 },
            reads: reads.map_or(f64::NAN, |reads| reads / (total as f64 - of_others)),
            resident: in_mib(memory.resident),
            own: in_mib(memory.own),
            peak: in_mib(memory.peak),
            peak_to_pool: in_mib(memory.peak) / f64::from(mib),
            per_row: memory.resident as f64 / f64::from(self.keys.loaded()),
        };
        let &[start, end] = marks.as_slice() else { return Err("the stretch was not measured".to_owned()) };
        Ok(Round::new(sample, Some((start, end)), f64::NAN).beside(of_others * self.load, held))
    }

    /// The same rows by statements of SQL, in the order of the keys: one by one they would take minutes, and in no order hours.
    fn load_by_sql(&mut self, stretch: Stretch, value: usize) -> Result<Sample, String> {
        let Stretch::Rows(rows) = stretch else { return Err("a load has a number of rows".to_owned()) };
        let mut numbers: Vec<u32> = (0..rows).map(|_| self.keys.load().0).collect();
        numbers.sort_unstable();
        let encoder = Encoder::new(Dialect::Sql, value);
        let socket = self.server.socket.as_ref().ok_or("it has no socket for SQL")?;
        let mut session = sql::administrator(socket)?;
        let start = Instant::now();
        for numbers in numbers.chunks(STATEMENT) {
            let tuples: Vec<String> = numbers.iter().map(|&number| encoder.tuple(number)).collect();
            session.run(&format!("INSERT INTO {}.`{}` VALUES {}", sql::DATABASE, mariadb::TABLE, tuples.join(",")))?;
        }
        self.keys.acknowledged();
        Ok(Sample { operations: rows.into(), round_trips: Vec::new(), seconds: start.elapsed().as_secs_f64() })
    }

    /// Whether a memcached has kept every row of its load.
    fn all_are_there(&self) -> Result<(), String> {
        match statistic(&self.server, "evictions") {
            Some(rows) if rows > 0 => Err(format!("{rows} rows were evicted: it has too little memory for this table")),
            _ => Ok(()),
        }
    }
}

/// A number of `stats`; `None` where there is no such thing.
fn statistic(server: &Server, name: &str) -> Option<u64> {
    if server.dialect != Dialect::Memcached {
        return None;
    }
    let mut stream = server.open(server.dialect, 0).ok()?.stream;
    stream.write_all(b"stats\r\n").ok()?;
    let (mut text, mut chunk) = (Vec::new(), [0; 4096]);
    while !text.ends_with(b"END\r\n") {
        let n = stream.read(&mut chunk).ok().filter(|&n| n > 0)?;
        text.extend_from_slice(chunk.get(..n)?);
    }
    let text = String::from_utf8(text).ok()?;
    text.lines().find_map(|line| line.strip_prefix("STAT ")?.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// Waits until a server does next to nothing.
fn idle(server: &Server) -> Result<(), String> {
    let Some(mut last) = server.cpu()?.map(|cpu| cpu.total) else { return Ok(()) };
    let end = Instant::now() + IDLE;
    while Instant::now() < end {
        std::thread::sleep(WINDOW);
        let now = server.cpu()?.map_or(last, |cpu| cpu.total);
        if u128::from(now - last) < WINDOW.as_nanos() / 20 {
            break;
        }
        last = now;
    }
    Ok(())
}
