//! Requests as bytes, in every dialect, and what a right reply to each looks like.
//!
//! Keys have one length and values of one workload too, so the length of every reply but a counter's is known in advance.

use std::io::Write;
use std::rc::Rc;

use crate::sql;
use crate::workload::Operation;

/// The words a server is asked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// memcached's text protocol.
    Memcached,
    /// memcached's meta commands.
    Meta,
    /// memcached's binary protocol.
    Binary,
    /// Redis's RESP 2.
    Redis,
    /// Prepared statements in MySQL's protocol.
    Sql,
}

impl Dialect {
    /// Whether the dialect has a request for the operation.
    pub fn has(self, operation: Operation) -> bool {
        match self {
            Dialect::Memcached | Dialect::Redis => true,
            Dialect::Meta | Dialect::Binary => matches!(operation, Operation::Get | Operation::Set | Operation::Incr),
            Dialect::Sql => match operation {
                Operation::MultiGet(keys) => keys <= sql::MANY,
                Operation::Incr => false,
                _ => true,
            },
        }
    }
}

/// The key of the counter.
const COUNTER: &str = "counter";

/// How one reply is checked.
#[derive(Clone, Copy, Debug)]
pub enum Expect {
    /// Exactly this many bytes, that begin and end as given.
    Exact { len: usize, head: &'static [u8], tail: &'static [u8] },
    /// A number on a line of its own; the prefix belongs to the dialect.
    Number { prefix: &'static [u8] },
    /// A meta reply with a number of any length as its value.
    MetaNumber,
    /// A result of so many rows of one value of `length` bytes.
    Rows { rows: usize, length: usize },
    /// A write in SQL.
    Done,
    /// One row with this version in its value of `length` bytes, in memcached's text protocol or in SQL.
    Version { dialect: Dialect, number: u32, version: u32, length: usize },
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
                let Some(end) = line(input) else { return Ok(None) };
                let number = input.strip_prefix(prefix).and_then(|rest| rest.first());
                if number.is_some_and(u8::is_ascii_digit) { Ok(Some(end)) } else { Err(wrong(input, prefix)) }
            }
            Expect::MetaNumber => {
                let Some(first) = line(input) else { return Ok(None) };
                if !input.starts_with(b"VA ") {
                    return Err(wrong(input, b"VA "));
                }
                Ok(line(input.get(first..).unwrap_or_default()).map(|second| first + second))
            }
            Expect::Rows { rows, length } => sql::check_rows(input, rows, length),
            Expect::Done => sql::check_done(input),
            Expect::Version { dialect: Dialect::Sql, number, version, length } => {
                let body = versioned(number, version, length);
                match sql::check_rows(input, 1, length)? {
                    Some(end) if memchr::memmem::find(input.get(..end).unwrap_or_default(), &body).is_none() => {
                        Err(wrong(input, &body))
                    }
                    end => Ok(end),
                }
            }
            Expect::Version { number, version, length, .. } => {
                let mut wanted = format!("VALUE {} 0 {length}\r\n", key(length, number)).into_bytes();
                wanted.extend_from_slice(&versioned(number, version, length));
                wanted.extend_from_slice(b"\r\nEND\r\n");
                match input.get(..wanted.len()) {
                    Some(reply) if reply == wanted => Ok(Some(wanted.len())),
                    None if wanted.starts_with(input) => Ok(None),
                    _ => Err(wrong(input, &wanted)),
                }
            }
        }
    }
}

/// Keys of two lengths of values do not collide: a wrong length is then a wrong reply.
fn key(length: usize, number: u32) -> String {
    format!("v{length:05}:{number:08}")
}

/// The value of a row's version: no two rows and no two versions have the same one.
fn versioned(number: u32, version: u32, length: usize) -> Vec<u8> {
    let mut body = format!("{number:08} {version:08} ").into_bytes();
    body.extend((0..length.saturating_sub(body.len())).map(|i| b'a' + ((i as u32 ^ number) & 15) as u8));
    body.truncate(length);
    body
}

/// Length of the first line, its end included.
fn line(input: &[u8]) -> Option<usize> {
    input.iter().position(|&b| b == b'\n').map(|end| end + 1)
}

fn wrong(reply: &[u8], wanted: &[u8]) -> String {
    let shown = reply.get(..reply.len().min(60)).unwrap_or(reply);
    format!("wrong reply {:?}, wanted {:?} in it", shown.escape_ascii().to_string(), wanted.escape_ascii().to_string())
}

/// Renders requests for one dialect and one length of values.
#[derive(Clone)]
pub struct Encoder {
    dialect: Dialect,
    body: Rc<[u8]>,
    statements: sql::Statements,
}

impl Encoder {
    /// `value` is the length of values in bytes.
    pub fn new(dialect: Dialect, value: usize) -> Encoder {
        let body = (0..value).map(|i| b'a' + (i % 26) as u8).collect();
        Encoder { dialect, body, statements: sql::Statements::default() }
    }

    /// For a connection that prepared these.
    pub fn with_statements(self, statements: sql::Statements) -> Encoder {
        Encoder { statements, ..self }
    }

    fn key(&self, number: u32) -> String {
        key(self.body.len(), number)
    }

    /// Appends a read of these keys, as one request.
    pub fn get(&self, out: &mut Vec<u8>, keys: &[u32]) -> Expect {
        let (count, length) = (keys.len(), self.body.len());
        let digits = length.to_string().len();
        match self.dialect {
            Dialect::Memcached => {
                out.extend_from_slice(b"get");
                for &number in keys {
                    out.push(b' ');
                    out.extend_from_slice(self.key(number).as_bytes());
                }
                out.extend_from_slice(b"\r\n");
                // "VALUE " key " 0 " digits CRLF body CRLF
                let each = 6 + self.key(0).len() + 3 + digits + 2 + length + 2;
                Expect::Exact { len: count * each + 5, head: b"VALUE ", tail: b"\r\nEND\r\n" }
            }
            Dialect::Meta => {
                for &number in keys {
                    let _ = write!(out, "mg {} f v\r\n", self.key(number));
                }
                // "VA " digits " f0" CRLF body CRLF
                Expect::Exact { len: count * (3 + digits + 5 + length + 2), head: b"VA ", tail: b"\r\n" }
            }
            Dialect::Binary => {
                keys.iter().for_each(|&number| binary(out, 0, &self.key(number), b"", b""));
                // Four bytes of flags and no key, status 0.
                Expect::Exact { len: count * (24 + 4 + length), head: b"\x81\0\0\0\x04\0\0\0", tail: b"" }
            }
            Dialect::Redis => {
                let each = 1 + digits + 2 + length + 2;
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
            Dialect::Sql => {
                let names: Vec<String> = keys.iter().map(|&number| self.key(number)).collect();
                self.statements.select(out, names.iter().map(String::as_bytes));
                Expect::Rows { rows: count, length }
            }
        }
    }

    /// Appends a write of one key.
    pub fn set(&self, out: &mut Vec<u8>, number: u32) -> Expect {
        self.store(out, &self.key(number), &self.body)
    }

    /// Appends a write of this version of a row.
    pub fn set_version(&self, out: &mut Vec<u8>, (number, version): (u32, u32)) -> Expect {
        self.store(out, &self.key(number), &versioned(number, version, self.body.len()))
    }

    /// Appends a read of a row that has this version.
    pub fn get_version(&self, out: &mut Vec<u8>, (number, version): (u32, u32)) -> Expect {
        self.get(out, &[number]);
        Expect::Version { dialect: self.dialect, number, version, length: self.body.len() }
    }

    /// The row's first version, as it stands in a statement of SQL.
    pub fn tuple(&self, number: u32) -> String {
        let body = versioned(number, 0, self.body.len());
        format!("('{}','{}',0,1,0)", self.key(number), body.escape_ascii())
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
            Dialect::Meta => {
                let _ = write!(out, "ms {key} {}\r\n", body.len());
                Expect::Exact { len: 4, head: b"HD", tail: b"\r\n" }
            }
            Dialect::Binary => {
                // No flags, no expiry.
                binary(out, 1, key, &[0; 8], body);
                return Expect::Exact { len: 24, head: b"\x81\x01\0\0\0\0\0\0", tail: b"" };
            }
            Dialect::Redis => {
                let _ = write!(out, "*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${}\r\n", key.len(), body.len());
                Expect::Exact { len: 5, head: b"+OK", tail: b"\r\n" }
            }
            Dialect::Sql => {
                self.statements.upsert(out, key.as_bytes(), body);
                return Expect::Done;
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
            Dialect::Meta => {
                let _ = write!(out, "ma {COUNTER} v D{delta}\r\n");
                Expect::MetaNumber
            }
            Dialect::Binary => {
                // Without expiry 0xffffffff a counter that is missing would be made.
                let extras = [&delta.to_be_bytes()[..], &[0; 8], &[0xff; 4]].concat();
                binary(out, 5, COUNTER, &extras, b"");
                Expect::Exact { len: 32, head: b"\x81\x05\0\0\0\0\0\0", tail: b"" }
            }
            // SQL has no such request here, see `Dialect::has`.
            Dialect::Redis | Dialect::Sql => {
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

    /// The number in a right reply to an increment.
    pub fn counter(&self, reply: &[u8]) -> Option<u64> {
        if self.dialect == Dialect::Binary {
            return reply.last_chunk().map(|&number| u64::from_be_bytes(number));
        }
        let text = std::str::from_utf8(reply).ok()?;
        text.trim_end().lines().last()?.trim_start_matches(':').parse().ok()
    }
}

/// Appends a request of the binary protocol.
fn binary(out: &mut Vec<u8>, opcode: u8, key: &str, extras: &[u8], value: &[u8]) {
    out.extend_from_slice(&[0x80, opcode]);
    out.extend_from_slice(&(key.len() as u16).to_be_bytes());
    out.extend_from_slice(&[extras.len() as u8, 0, 0, 0]);
    out.extend_from_slice(&((key.len() + extras.len() + value.len()) as u32).to_be_bytes());
    // Opaque and cas.
    out.extend_from_slice(&[0; 12]);
    out.extend_from_slice(extras);
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(value);
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
        let row = |number, version| {
            let body = String::from_utf8(versioned(number, version, 100)).unwrap();
            format!("VALUE v00100:{number:08} 0 100\r\n{body}\r\nEND\r\n")
        };
        let cases = [
            (memcached.get_version(out, (7, 3)), row(7, 3), true),
            (memcached.get_version(out, (7, 3)), row(7, 2), false),
            (memcached.get_version(out, (7, 3)), row(6, 3), false),
            (memcached.get_version(out, (7, 3)), "END\r\n".to_owned(), false),
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
}
