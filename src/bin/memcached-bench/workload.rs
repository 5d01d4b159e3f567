//! What is asked of the servers: the table of workloads, requests as bytes, and what a right reply looks like.
//!
//! Keys have one length and values of one workload too, so the length of every reply but a counter's is known in advance.

use std::io::Write;

/// The words a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// memcached's text protocol.
    Memcached,
    /// Redis's RESP 2.
    Redis,
}

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
}

/// One row of the report.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// As `--only` selects it.
    pub name: &'static str,
    /// What is asked.
    pub operation: Operation,
    /// Requests that a connection sends before it waits for replies.
    pub pipeline: usize,
    /// Connections that are busy all the time.
    pub connections: usize,
    /// Length of values, in bytes.
    pub value: usize,
}

const fn row(name: &'static str, operation: Operation, pipeline: usize, connections: usize, value: usize) -> Workload {
    Workload { name, operation, pipeline, connections, value }
}

/// Every workload, in the order of the report.
pub const WORKLOADS: [Workload; 16] = [
    row("get-p1-c1", Operation::Get, 1, 1, 100),
    row("get-p1-c8", Operation::Get, 1, 8, 100),
    row("get-p1-c64", Operation::Get, 1, 64, 100),
    row("get-p1-c1000", Operation::Get, 1, 1000, 100),
    row("get-p8-c8", Operation::Get, 8, 8, 100),
    row("get-p32-c8", Operation::Get, 32, 8, 100),
    row("get-p32-c64", Operation::Get, 32, 64, 100),
    row("get-p1-c8-4k", Operation::Get, 1, 8, 4096),
    row("mget50-c8", Operation::MultiGet(50), 1, 8, 100),
    row("set-p1-c1", Operation::Set, 1, 1, 100),
    row("set-p1-c64", Operation::Set, 1, 64, 100),
    row("set-p16-c8", Operation::Set, 16, 8, 100),
    row("set-p16-c64", Operation::Set, 16, 64, 100),
    row("set-p1-c8-4k", Operation::Set, 1, 8, 4096),
    row("mix95-p1-c64", Operation::Mix, 1, 64, 100),
    row("incr-c64", Operation::Incr, 1, 64, 100),
];

/// The key of the counter.
const COUNTER: &str = "counter";

/// How one reply is checked.
#[derive(Clone, Copy, Debug)]
pub enum Expect {
    /// Exactly this many bytes, that begin and end as given.
    Exact { len: usize, head: &'static [u8], tail: &'static [u8] },
    /// A number on a line of its own; the prefix belongs to the dialect.
    Number { prefix: &'static [u8] },
}

impl Expect {
    /// Length of the reply at the start of `input`; `None` when it is not there yet.
    pub fn check(&self, input: &[u8]) -> Result<Option<usize>, String> {
        match *self {
            Expect::Exact { len, head, tail } => {
                if !input.starts_with(head) && input.len() >= head.len() {
                    return Err(wrong(input, head));
                }
                match input.get(..len) {
                    None => Ok(None),
                    Some(reply) if reply.ends_with(tail) => Ok(Some(len)),
                    Some(reply) => Err(wrong(reply, tail)),
                }
            }
            Expect::Number { prefix } => {
                let Some(end) = input.iter().position(|&b| b == b'\n') else { return Ok(None) };
                let number = input.strip_prefix(prefix).and_then(|rest| rest.first());
                if number.is_some_and(u8::is_ascii_digit) { Ok(Some(end + 1)) } else { Err(wrong(input, prefix)) }
            }
        }
    }
}

fn wrong(reply: &[u8], wanted: &[u8]) -> String {
    let shown = reply.get(..reply.len().min(60)).unwrap_or(reply);
    format!("wrong reply {:?}, wanted {:?} in it", shown.escape_ascii().to_string(), wanted.escape_ascii().to_string())
}

/// Renders requests for one dialect and one length of values.
pub struct Encoder {
    dialect: Dialect,
    body: Vec<u8>,
}

impl Encoder {
    /// `value` is the length of values in bytes.
    pub fn new(dialect: Dialect, value: usize) -> Encoder {
        let body = (0..value).map(|i| b'a' + (i % 26) as u8).collect();
        Encoder { dialect, body }
    }

    /// Keys of two lengths of values do not collide: a wrong length is then a wrong reply.
    fn key(&self, number: u32) -> String {
        format!("v{:05}:{number:08}", self.body.len())
    }

    /// Appends a read of these keys, as one request.
    pub fn get(&self, out: &mut Vec<u8>, keys: &[u32]) -> Expect {
        let count = keys.len();
        let digits = self.body.len().to_string().len();
        match self.dialect {
            Dialect::Memcached => {
                out.extend_from_slice(b"get");
                for &number in keys {
                    out.push(b' ');
                    out.extend_from_slice(self.key(number).as_bytes());
                }
                out.extend_from_slice(b"\r\n");
                // "VALUE " key " 0 " digits CRLF body CRLF
                let each = 6 + self.key(0).len() + 3 + digits + 2 + self.body.len() + 2;
                Expect::Exact { len: count * each + 5, head: b"VALUE ", tail: b"\r\nEND\r\n" }
            }
            Dialect::Redis => {
                let each = 1 + digits + 2 + self.body.len() + 2;
                let command: &str = if count == 1 { "GET" } else { "MGET" };
                let _ = write!(out, "*{}\r\n${}\r\n{command}\r\n", count + 1, command.len());
                for &number in keys {
                    let key = self.key(number);
                    let _ = write!(out, "${}\r\n{key}\r\n", key.len());
                }
                if count == 1 {
                    Expect::Exact { len: each, head: b"$", tail: b"\r\n" }
                } else {
                    Expect::Exact { len: 1 + count.to_string().len() + 2 + count * each, head: b"*", tail: b"\r\n" }
                }
            }
        }
    }

    /// Appends a write of one key.
    pub fn set(&self, out: &mut Vec<u8>, number: u32) -> Expect {
        self.store(out, &self.key(number), &self.body)
    }

    /// Appends what puts the counter to 0.
    pub fn reset_counter(&self, out: &mut Vec<u8>) -> Expect {
        self.store(out, COUNTER, b"0")
    }

    fn store(&self, out: &mut Vec<u8>, key: &str, body: &[u8]) -> Expect {
        let expect = match self.dialect {
            Dialect::Memcached => {
                let _ = write!(out, "set {key} 0 0 {}\r\n", body.len());
                Expect::Exact { len: 8, head: b"STORED", tail: b"\r\n" }
            }
            Dialect::Redis => {
                let _ = write!(out, "*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${}\r\n", key.len(), body.len());
                Expect::Exact { len: 5, head: b"+OK", tail: b"\r\n" }
            }
        };
        out.extend_from_slice(body);
        out.extend_from_slice(b"\r\n");
        expect
    }

    /// Appends an increment of the counter by `delta`; the reply is the new number.
    pub fn incr(&self, out: &mut Vec<u8>, delta: u64) -> Expect {
        match self.dialect {
            Dialect::Memcached => {
                let _ = write!(out, "incr {COUNTER} {delta}\r\n");
                Expect::Number { prefix: b"" }
            }
            Dialect::Redis => {
                let delta = delta.to_string();
                let _ = write!(
                    out,
                    "*3\r\n$6\r\nINCRBY\r\n${}\r\n{COUNTER}\r\n${}\r\n{delta}\r\n",
                    COUNTER.len(),
                    delta.len()
                );
                Expect::Number { prefix: b":" }
            }
        }
    }
}

/// Random keys: xorshift64*, and zipf(0.99) by a table of samples drawn once.
pub struct Keys {
    state: u64,
    count: u32,
    zipf: Vec<u32>,
}

impl Keys {
    /// The same seed gives the same keys, so every server gets the same work.
    pub fn new(count: u32, seed: u64) -> Keys {
        let mut keys = Keys { state: seed.max(1), count: count.max(1), zipf: Vec::new() };
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
    fn replies() {
        let hundred = "x".repeat(100);
        let value = |key: &str| format!("VALUE {key} 0 100\r\n{hundred}\r\n");
        let (a, b) = ("v00100:00000001", "v00100:00000002");
        let memcached = Encoder::new(Dialect::Memcached, 100);
        let redis = Encoder::new(Dialect::Redis, 100);
        let out = &mut Vec::new();
        let cases = [
            (memcached.get(out, &[1]), format!("{}END\r\n", value(a)), true),
            (memcached.get(out, &[1]), "END\r\n".to_owned(), false),
            (memcached.get(out, &[1]), "SERVER_ERROR out of memory\r\n".to_owned(), false),
            (memcached.get(out, &[1, 2]), format!("{}{}END\r\n", value(a), value(b)), true),
            (memcached.get(out, &[1, 2]), format!("{}END\r\n{}", value(a), value(b)), false),
            (memcached.set(out, 1), "STORED\r\n".to_owned(), true),
            (memcached.set(out, 1), "NOT_STORED\r\n".to_owned(), false),
            (memcached.incr(out, 1), "17\r\n".to_owned(), true),
            (memcached.incr(out, 1), "NOT_FOUND\r\n".to_owned(), false),
            (redis.get(out, &[1]), format!("$100\r\n{hundred}\r\n"), true),
            (redis.get(out, &[1, 2]), format!("*2\r\n$100\r\n{hundred}\r\n$100\r\n{hundred}\r\n"), true),
            (redis.set(out, 1), "+OK\r\n".to_owned(), true),
            (redis.incr(out, 1), ":17\r\n".to_owned(), true),
            (redis.incr(out, 1), "-ERR\r\n".to_owned(), false),
        ];
        for (expect, reply, right) in cases {
            let got = expect.check(reply.as_bytes());
            // A reply shorter than the right one is waited on, never taken for it.
            let taken = got == Ok(Some(reply.len()));
            assert_eq!(taken, right, "{reply:?}: {got:?}");
            if right {
                for cut in 0..reply.len() {
                    let part = expect.check(reply.as_bytes().get(..cut).unwrap_or_default());
                    assert_eq!(part, Ok(None), "{reply:?} cut at {cut}");
                }
            }
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
