//! What is asked of the servers: the tables of workloads, and random keys.

use crate::encoder::Dialect;

/// What one request of a workload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// One key, uniformly random.
    Get,
    /// This many keys in one request; each key counts as an operation.
    MultiGet(usize),
    /// One key, uniformly random.
    Set,
    /// 95 gets to 5 sets, keys by zipf(0.99).
    Mix,
    /// Plus 1 on the one counter.
    Incr,
    /// A new row.
    Load,
    /// A row, each as likely as the others, as it was written last.
    Read,
    /// A row, each as likely as the others, gets its next version.
    Change,
}

/// One row of the report.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// As `--only` selects it.
    pub name: &'static str,
    /// What is asked.
    pub operation: Operation,
    /// Requests that a connection sends before it waits for replies. SQL clients wait after each one.
    pub pipeline: usize,
    /// Connections that are busy all the time.
    pub connections: usize,
    /// Length of values, in bytes.
    pub value: usize,
    /// What servers of memcached's protocol are asked in; the others take no part unless it is the text protocol.
    pub dialect: Dialect,
    /// Connections beside the measured ones that set at full speed.
    pub writers: usize,
    /// Servers that take part beside the ones that always do.
    pub also: &'static [&'static str],
}

const fn row(name: &'static str, operation: Operation, pipeline: usize, connections: usize, value: usize) -> Workload {
    Workload { name, operation, pipeline, connections, value, dialect: Dialect::Memcached, writers: 0, also: &[] }
}

impl Workload {
    const fn dialect(self, dialect: Dialect) -> Workload {
        Workload { dialect, ..self }
    }

    const fn beside(self, writers: usize) -> Workload {
        Workload { writers, ..self }
    }

    const fn also(self, also: &'static [&'static str]) -> Workload {
        Workload { also, ..self }
    }

    /// What a server that is usually spoken to in `dialect` is asked in; `None`: it takes no part.
    pub fn asked_in(&self, dialect: Dialect) -> Option<Dialect> {
        let dialect = match (dialect, self.dialect) {
            (Dialect::Memcached, special) => special,
            (other, Dialect::Memcached) => other,
            _ => return None,
        };
        dialect.has(self.operation).then_some(dialect)
    }
}

/// Every server of the usual run, and one that is measured in a few rows only.
const EVERYONE: &[&str] = &["memcached-old", "host-2-workers", "mariadb-level2"];
const EVERYONE_AND_BARE: &[&str] = &["memcached-old", "host-2-workers", "mariadb-level2", "bare-loop"];
const EVERYONE_1: &[&str] = &["memcached-old", "host-2-workers", "mariadb-level1", "mariadb-level2"];
const OLD: &[&str] = &["memcached-old"];

/// Every workload, in the order of the report.
pub const WORKLOADS: [Workload; 22] = [
    row("get-p1-c1", Operation::Get, 1, 1, 100).also(OLD),
    row("get-p1-c8", Operation::Get, 1, 8, 100).also(EVERYONE_AND_BARE),
    row("get-p1-c64", Operation::Get, 1, 64, 100).also(EVERYONE),
    row("get-p1-c1000", Operation::Get, 1, 1000, 100),
    row("get-p8-c8", Operation::Get, 8, 8, 100),
    row("get-p32-c8", Operation::Get, 32, 8, 100).also(EVERYONE_AND_BARE),
    row("get-p32-c64", Operation::Get, 32, 64, 100).also(EVERYONE),
    row("get-p1-c8-4k", Operation::Get, 1, 8, 4096),
    row("get-p32-c8-meta", Operation::Get, 32, 8, 100).dialect(Dialect::Meta),
    row("get-p32-c8-binary", Operation::Get, 32, 8, 100).dialect(Dialect::Binary),
    row("mget50-c8", Operation::MultiGet(50), 1, 8, 100).also(EVERYONE_AND_BARE),
    row("set-p1-c1", Operation::Set, 1, 1, 100),
    row("set-p1-c64", Operation::Set, 1, 64, 100).also(EVERYONE_1),
    row("set-p16-c8", Operation::Set, 16, 8, 100).also(EVERYONE_1),
    row("set-p16-c64", Operation::Set, 16, 64, 100).also(EVERYONE),
    row("set-p1-c8-4k", Operation::Set, 1, 8, 4096),
    row("set-p16-c8-meta", Operation::Set, 16, 8, 100).dialect(Dialect::Meta),
    row("set-p16-c8-binary", Operation::Set, 16, 8, 100).dialect(Dialect::Binary),
    row("mix95-p1-c64", Operation::Mix, 1, 64, 100),
    row("incr-c64", Operation::Incr, 1, 64, 100),
    row("get-p1-c4-alone", Operation::Get, 1, 4, 100),
    row("get-p1-c4-writer", Operation::Get, 1, 4, 100).beside(1),
];

/// What is measured in a real MySQL: one start of the server, and its workloads.
pub struct Stage {
    /// Options of mysqld.
    pub options: &'static [&'static str],
    /// Worker threads of the plugin, if not as many as the command line says.
    pub workers: Option<usize>,
    /// In the order of the report.
    pub workloads: &'static [Workload],
}

/// The stages of `--mysql`.
pub const MYSQL: [Stage; 3] = [
    Stage {
        options: &["--innodb-flush-log-at-trx-commit=2", "--skip-log-bin"],
        workers: None,
        workloads: &[
            row("get-p1-c1", Operation::Get, 1, 1, 100),
            row("get-p1-c8", Operation::Get, 1, 8, 100),
            row("get-p32-c8", Operation::Get, 32, 8, 100),
            row("mget50-c8", Operation::MultiGet(50), 1, 8, 100),
            row("set-p16-c8", Operation::Set, 16, 8, 100),
        ],
    },
    Stage {
        options: &["--innodb-flush-log-at-trx-commit=2", "--log-bin=binlog", "--sync-binlog=0"],
        workers: None,
        workloads: &[row("set-p16-c8-binlog", Operation::Set, 16, 8, 100)],
    },
    Stage {
        options: &["--innodb-flush-log-at-trx-commit=1", "--log-bin=binlog", "--sync-binlog=1"],
        // The plugin's default: while one worker waits for a sync, the others go on.
        workers: Some(4),
        workloads: &[row("set-p1-c64-binlog-sync", Operation::Set, 1, 64, 100)],
    },
];

/// One more of `--mariadb`: what is read where the server's inside is not known.
pub const BY_SQL: Stage = Stage {
    options: &["--innodb-flush-log-at-trx-commit=2", "--skip-log-bin", "--loose-daemon-memcached-handler-reads=OFF"],
    workers: None,
    workloads: &[row("get-p32-c8-by-sql", Operation::Get, 32, 8, 100)],
};

/// The workloads of `--pool`, in the order they run. The extended store takes part where it is asked for rows, the loader
/// beside reads where the server has one worker for both.
pub mod pool {
    use super::{Operation, Workload, row};

    /// Every row, in no order.
    pub const LOAD: Workload = row("load-p16-c8", Operation::Load, 16, 8, 100);
    /// Random rows, most of which are not in memory.
    pub const GET: Workload = row("get-p32-c8", Operation::Read, 32, 8, 100);
    /// Random rows.
    pub const SET: Workload = row("set-p16-c8", Operation::Change, 16, 8, 100);
    /// The gets, when the rows have other versions than those that were loaded.
    pub const AGAIN: Workload = row("get-p32-c8-after-sets", Operation::Read, 32, 8, 100);
    /// The gets, while one more connection loads new rows.
    pub const BESIDE: Workload = row("get-p32-c8-beside-load", Operation::Read, 32, 8, 100).beside(1);
    /// The gets, after the server was killed.
    pub const KILLED: Workload = row("get-p32-c8-after-kill", Operation::Read, 32, 8, 100);
    /// Random rows, all of which are in memory.
    pub const MEMORY: Workload = row("memory-get-p32-c8", Operation::Read, 32, 8, 100);
    /// All of them.
    pub const ALL: [Workload; 7] = [LOAD, GET, SET, AGAIN, BESIDE, KILLED, MEMORY];
}

/// Random keys: xorshift64*, and zipf(0.99) by a table of samples drawn once. For a table whose rows are known, their versions too.
pub struct Keys {
    state: u64,
    /// Keys that are asked for.
    count: u32,
    zipf: Vec<u32>,
    /// The version of each row that was sent, acknowledged or not.
    versions: Vec<u32>,
    /// How many numbers the keys of such a table are taken from.
    space: u32,
}

/// Steps through all numbers of a space in no order: a prime, greater than any space.
const STEP: u64 = 1_000_000_007;

impl Keys {
    /// The same seed gives the same keys, so every server gets the same work.
    pub fn new(count: u32, seed: u64) -> Keys {
        let state = seed.max(1);
        let mut keys = Keys { state, count: count.max(1), zipf: Vec::new(), versions: Vec::new(), space: 0 };
        let mut sums = Vec::with_capacity(count as usize);
        let mut sum = 0.0f64;
        for rank in 1..=keys.count {
            sum += f64::from(rank).powf(-0.99);
            sums.push(sum);
        }
        for _ in 0..1 << 16 {
            let at = (keys.next() >> 11) as f64 / (1u64 << 53) as f64 * sum;
            let rank = sums.partition_point(|&s| s <= at) as u32;
            keys.zipf.push(rank.min(keys.count - 1));
        }
        keys
    }

    /// A table that is empty yet and gets `rows` rows, and as many more at most.
    pub fn of_table(rows: u32, seed: u64) -> Keys {
        Keys { state: seed.max(1), count: 0, zipf: Vec::new(), versions: Vec::new(), space: rows * 2 }
    }

    /// The number in the key of the row that was loaded as the `at`th: new rows come between old ones.
    pub fn number(&self, at: u32) -> u32 {
        (u64::from(at) * STEP % u64::from(self.space.max(1))) as u32
    }

    /// A new row: its number and version.
    pub fn load(&mut self) -> (u32, u32) {
        let at = self.versions.len() as u32;
        self.versions.push(0);
        (self.number(at), 0)
    }

    /// Rows of the table that were sent.
    pub fn loaded(&self) -> u32 {
        self.versions.len() as u32
    }

    /// Everything that was sent is acknowledged: it may be read and changed from now on.
    pub fn acknowledged(&mut self) {
        if self.space > 0 {
            self.count = self.loaded();
        }
    }

    /// A row that was acknowledged: its number and version.
    pub fn read(&mut self) -> (u32, u32) {
        let at = self.uniform();
        (self.number(at), self.versions.get(at as usize).copied().unwrap_or(0))
    }

    /// A row's next version. Each of `writers` has rows of its own, or the last of two changes would not be known.
    pub fn change(&mut self, writer: usize, writers: usize) -> (u32, u32) {
        let (writer, writers) = (writer as u32, writers as u32);
        let at = self.uniform() / writers * writers + writer;
        // The last ones may have no full set of rows.
        let at = if at < self.count { at } else { writer };
        let version = self.versions.get_mut(at as usize).map_or(0, |version| {
            *version += 1;
            *version
        });
        (self.number(at), version)
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Uniform in `0..bound`.
    pub fn below(&mut self, bound: u32) -> u32 {
        (((self.next() >> 32) * u64::from(bound)) >> 32) as u32
    }

    /// A key, each as likely as the others.
    pub fn uniform(&mut self) -> u32 {
        self.below(self.count)
    }

    /// A key by zipf(0.99).
    pub fn zipf(&mut self) -> u32 {
        let at = self.below(1 << 16) as usize;
        self.zipf.get(at).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_a_table_is_another_and_its_version_is_known() {
        let rows = 10_007;
        let mut keys = Keys::of_table(rows, 7);
        let mut numbers: Vec<u32> = (0..rows).map(|_| keys.load().0).collect();
        assert!(!numbers.is_sorted() && numbers.iter().all(|&n| n < 2 * rows));
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), rows as usize);
        keys.acknowledged();
        let mut versions = std::collections::HashMap::new();
        for n in 0..100_000 {
            let (number, version) = keys.change(n % 8, 8);
            // One writer has all changes of a row, so the order of its versions is the order of its requests.
            let (last, writer) = versions.insert(number, (version, n % 8)).unwrap_or((0, n % 8));
            assert_eq!((version, writer), (last + 1, n % 8));
        }
        for _ in 0..10_000 {
            let (number, version) = keys.read();
            assert_eq!(versions.get(&number).map_or(0, |&(version, _)| version), version);
        }
    }

    #[test]
    fn zipf_prefers_low_ranks_and_stays_in_range() {
        let mut keys = Keys::new(1000, 7);
        let draws: Vec<u32> = (0..10_000).map(|_| keys.zipf()).collect();
        assert!(draws.iter().all(|&k| k < 1000));
        // The first of 1000 ranks has 1/7.5 of the weight.
        let first = draws.iter().filter(|&&k| k == 0).count();
        assert!((1000..1700).contains(&first), "{first}");
    }
}
