//! The client's end of MySQL's protocol, as much of it as a measurement needs: log in without a password, run statements,
//! prepare, and then prepared executions as bytes. MySQL and MariaDB speak it alike.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// The account that is measured with. It has no password, so logging in needs no hashing.
pub const USER: &str = "bench";
/// The database of the measured tables.
pub const DATABASE: &str = "bench";
/// Keys that one prepared many-key read names.
pub const MANY: usize = 50;

/// What a server calls the prepared statements of one session.
#[derive(Clone, Copy, Default)]
pub struct Statements {
    select: u32,
    select_many: u32,
    upsert: u32,
}

// LONG_PASSWORD, CONNECT_WITH_DB, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, MULTI_STATEMENTS, MULTI_RESULTS,
// PLUGIN_AUTH, DEPRECATE_EOF: what today's client libraries ask for.
const CAPABILITIES: u32 = 1 | 8 | 0x200 | 0x2000 | 0x8000 | 0x1_0000 | 0x2_0000 | 0x8_0000 | 0x100_0000;
/// For a server to start, or to answer.
const PATIENCE: Duration = Duration::from_secs(20);
const MORE_RESULTS: u16 = 8;
const BLOB: u8 = 252;
const VAR_STRING: u8 = 253;

/// A connection that is logged in, or on its way there.
pub struct Session<S> {
    stream: S,
    sequence: u8,
    /// The server sends an end between the columns and the rows of a result: it does not know DEPRECATE_EOF.
    ends_definitions: bool,
    /// What the server calls itself.
    pub version: String,
}

/// A session of the administrator on a server that is starting.
pub fn administrator(socket: &Path) -> Result<Session<UnixStream>, String> {
    let end = Instant::now() + PATIENCE;
    loop {
        match local(socket) {
            Err(_) if Instant::now() < end => std::thread::sleep(Duration::from_millis(20)),
            result => return result,
        }
    }
}

fn local(socket: &Path) -> Result<Session<UnixStream>, String> {
    let failed = |e| format!("{}: {e}", socket.display());
    let stream = UnixStream::connect(socket).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    Session::open(stream, "root", "")
}

/// How often the server synced its log so far; `None` for one that does not tell.
pub fn log_syncs(socket: &Path) -> Option<u64> {
    let row = local(socket).ok()?.row("SHOW GLOBAL STATUS LIKE 'Innodb_os_log_fsyncs'").ok()?;
    row.get(1)?.parse().ok()
}

/// A session of the measured account on `table`, with the statements prepared.
pub fn connect(stream: TcpStream, table: &str) -> Result<(TcpStream, Statements), String> {
    let mut session = Session::open(stream, USER, DATABASE)?;
    let marks = vec!["?"; MANY].join(",");
    let statements = Statements {
        select: session.prepare(&format!("SELECT c2 FROM `{table}` WHERE c1 = ?"))?,
        select_many: session.prepare(&format!("SELECT c2 FROM `{table}` WHERE c1 IN ({marks})"))?,
        // Changes the row even when the value is the old one: a server skips a change that changes nothing.
        upsert: session.prepare(&format!(
            "INSERT INTO `{table}` (c1, c2, c3, c4, c5) VALUES (?, ?, 0, 1, 0) ON DUPLICATE KEY UPDATE c2 = ?, c4 = c4 + 1"
        ))?,
    };
    Ok((session.stream, statements))
}

impl<S: Read + Write> Session<S> {
    /// Logs in without a password; an empty `database` selects none.
    pub fn open(stream: S, user: &str, database: &str) -> Result<Session<S>, String> {
        let mut session = Session { stream, sequence: 0, ends_definitions: false, version: String::new() };
        let greeting = session.packet()?;
        let version = greeting.get(1..).unwrap_or_default().split(|&b| b == 0).next().unwrap_or_default();
        session.version = String::from_utf8_lossy(version).into_owned();
        // Behind the version: its end, the connection's number, 8 bytes of salt, a zero, the lower half of what the server
        // can, a character set, the status, and the upper half.
        let upper = greeting.get(version.len() + 20..).and_then(|rest| rest.first_chunk());
        session.ends_definitions = upper.is_none_or(|&half| u16::from_le_bytes(half) & 0x100 == 0);
        let capabilities = if database.is_empty() { CAPABILITIES & !8 } else { CAPABILITIES };
        let mut reply = capabilities.to_le_bytes().to_vec();
        reply.extend_from_slice(&(16u32 << 20).to_le_bytes());
        // utf8mb4, then the reserved bytes.
        reply.push(45);
        reply.extend_from_slice(&[0; 23]);
        reply.extend_from_slice(user.as_bytes());
        // The end of the name, and an answer of no bytes.
        reply.extend_from_slice(&[0, 0]);
        if !database.is_empty() {
            reply.extend_from_slice(database.as_bytes());
            reply.push(0);
        }
        reply.extend_from_slice(b"mysql_native_password\0");
        session.send(&reply)?;
        loop {
            let packet = session.packet()?;
            match packet.first() {
                Some(0) => return Ok(session),
                // Another method: an empty password is answered with nothing there, too.
                Some(0xfe) => session.send(&[])?,
                Some(1) => {}
                _ => return Err(format!("the log-in is answered with {}", packet.escape_ascii())),
            }
        }
    }

    /// The first row of a result; empty when there is none.
    fn row(&mut self, sql: &str) -> Result<Vec<String>, String> {
        self.command(&[b"\x03", sql.as_bytes()].concat())?;
        let columns = self.packet()?.first().copied().unwrap_or(0);
        for _ in 0..columns {
            self.packet()?;
        }
        if self.ends_definitions {
            self.packet()?;
        }
        let mut row = Vec::new();
        loop {
            let packet = self.packet()?;
            if packet.first() == Some(&0xfe) && packet.len() < 9 {
                return Ok(row);
            }
            let mut rest = packet.as_slice();
            while let Some((value, behind)) = integer(rest).and_then(|(n, rest)| rest.split_at_checked(n as usize)) {
                row.push(String::from_utf8_lossy(value).into_owned());
                rest = behind;
            }
        }
    }

    /// Runs statements that return no rows.
    pub fn run(&mut self, sql: &str) -> Result<(), String> {
        self.command(&[b"\x03", sql.as_bytes()].concat())?;
        loop {
            let packet = self.packet().map_err(|e| format!("{e} (in: {})", sql.lines().next().unwrap_or_default()))?;
            let [0, rest @ ..] = packet.as_slice() else { return Err(format!("rows are not expected of: {sql}")) };
            let status = integer(rest).and_then(|(_, rest)| integer(rest)).and_then(|(_, rest)| rest.first_chunk());
            let status = status.map_or(0, |&bytes| u16::from_le_bytes(bytes));
            if status & MORE_RESULTS == 0 {
                return Ok(());
            }
        }
    }

    fn prepare(&mut self, sql: &str) -> Result<u32, String> {
        self.command(&[b"\x16", sql.as_bytes()].concat())?;
        let packet = self.packet().map_err(|e| format!("{e} (in: {sql})"))?;
        let &[0, a, b, c, d, columns_low, columns_high, low, high, ..] = packet.as_slice() else {
            return Err(format!("prepare is answered with {}", packet.escape_ascii()));
        };
        let definitions =
            u16::from_le_bytes([columns_low, columns_high]) as usize + u16::from_le_bytes([low, high]) as usize;
        for _ in 0..definitions {
            self.packet()?;
        }
        Ok(u32::from_le_bytes([a, b, c, d]))
    }

    fn command(&mut self, payload: &[u8]) -> Result<(), String> {
        self.sequence = 0;
        self.send(payload)
    }

    fn send(&mut self, payload: &[u8]) -> Result<(), String> {
        let mut out = header(payload.len(), self.sequence).to_vec();
        out.extend_from_slice(payload);
        self.stream.write_all(&out).map_err(|e| format!("write: {e}"))
    }

    /// The next packet; an error packet is the error.
    fn packet(&mut self) -> Result<Vec<u8>, String> {
        let mut head = [0u8; 4];
        self.stream.read_exact(&mut head).map_err(|e| format!("read: {e}"))?;
        let [a, b, c, sequence] = head;
        self.sequence = sequence.wrapping_add(1);
        let mut payload = vec![0; u32::from_le_bytes([a, b, c, 0]) as usize];
        self.stream.read_exact(&mut payload).map_err(|e| format!("read: {e}"))?;
        if payload.first() == Some(&0xff) { Err(refusal(&payload)) } else { Ok(payload) }
    }
}

fn header(length: usize, sequence: u8) -> [u8; 4] {
    let [a, b, c, ..] = (length as u32).to_le_bytes();
    [a, b, c, sequence]
}

/// An error packet as text.
fn refusal(payload: &[u8]) -> String {
    let code = payload.get(1..).and_then(|p| p.first_chunk()).map_or(0, |&c| u16::from_le_bytes(c));
    // '#' and the five letters of the SQL state lead the text.
    let text = payload.get(3..).unwrap_or_default();
    let text = if text.first() == Some(&b'#') { text.get(6..).unwrap_or_default() } else { text };
    format!("error {code}: {}", String::from_utf8_lossy(text))
}

/// A length-encoded integer, and what follows it.
fn integer(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let width = match first {
        0..=250 => return Some((first.into(), rest)),
        252 => 2,
        253 => 3,
        254 => 8,
        _ => return None,
    };
    let (digits, rest) = rest.split_at_checked(width)?;
    Some((digits.iter().rev().fold(0, |sum, &digit| sum << 8 | u64::from(digit)), rest))
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    match bytes.len() {
        length @ 0..=250 => out.push(length as u8),
        length => {
            let [a, b, c, ..] = (length as u32).to_le_bytes();
            out.extend_from_slice(&[253, a, b, c]);
        }
    }
    out.extend_from_slice(bytes);
}

impl Statements {
    /// Appends the read of these keys, at most [`MANY`]; one key alone has a statement of its own.
    pub fn select<'k>(&self, out: &mut Vec<u8>, mut keys: impl ExactSizeIterator<Item = &'k [u8]>) {
        if keys.len() == 1 {
            return execute(out, self.select, keys.map(|key| (VAR_STRING, key)));
        }
        // Fewer keys than the statement has: the last one repeats.
        let mut last: &[u8] = b"";
        let padded = (0..MANY).map(|_| {
            last = keys.next().unwrap_or(last);
            (VAR_STRING, last)
        });
        execute(out, self.select_many, padded);
    }

    /// Appends the write of a row.
    pub fn upsert(&self, out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
        execute(out, self.upsert, [(VAR_STRING, key), (BLOB, value), (BLOB, value)].into_iter());
    }
}

fn execute<'p>(out: &mut Vec<u8>, statement: u32, parameters: impl ExactSizeIterator<Item = (u8, &'p [u8])>) {
    let at = out.len();
    let count = parameters.len();
    out.extend_from_slice(&[0, 0, 0, 0, 0x17]);
    out.extend_from_slice(&statement.to_le_bytes());
    // No cursor, one iteration, no NULL, and the types follow.
    out.extend_from_slice(&[0, 1, 0, 0, 0]);
    out.resize(out.len() + count.div_ceil(8), 0);
    out.push(1);
    let mut values = Vec::new();
    for (kind, value) in parameters {
        out.extend_from_slice(&[kind, 0]);
        text(&mut values, value);
    }
    out.extend_from_slice(&values);
    let head = header(out.len() - at - 4, 0);
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&head);
    }
}

/// A packet's payload, and what follows the packet.
type Packet<'i> = (&'i [u8], &'i [u8]);

/// The next packet of `input`; `None` when it is not whole yet.
fn split(input: &[u8]) -> Result<Option<Packet<'_>>, String> {
    let Some((&[a, b, c, _], rest)) = input.split_first_chunk() else { return Ok(None) };
    let Some((payload, rest)) = rest.split_at_checked(u32::from_le_bytes([a, b, c, 0]) as usize) else {
        return Ok(None);
    };
    if payload.first() == Some(&0xff) { Err(refusal(payload)) } else { Ok(Some((payload, rest))) }
}

/// Length of the answer to a write at the start of `input`; `None` when it is not there yet.
pub fn check_done(input: &[u8]) -> Result<Option<usize>, String> {
    match split(input)? {
        None => Ok(None),
        Some(([0, ..], rest)) => Ok(Some(input.len() - rest.len())),
        Some((other, _)) => Err(format!("a write is answered with {}", other.escape_ascii())),
    }
}

/// Length of a result of `rows` rows of one value of `length` bytes; `None` when it is not there yet.
pub fn check_rows(input: &[u8], rows: usize, length: usize) -> Result<Option<usize>, String> {
    let Some((count, rest)) = split(input)? else { return Ok(None) };
    if count != [1] {
        return Err(format!("a read is answered with {}", count.escape_ascii()));
    }
    let Some((_definition, mut rest)) = split(rest)? else { return Ok(None) };
    let mut found = 0;
    while let Some((packet, behind)) = split(rest)? {
        rest = behind;
        match packet {
            // No column is NULL.
            [0, 0, value @ ..] => match integer(value) {
                Some((n, bytes)) if n == length as u64 && bytes.len() == length => found += 1,
                _ => return Err(format!("a row of {} bytes, wanted a value of {length}", value.len())),
            },
            [0xfe, ..] if found == rows => return Ok(Some(input.len() - rest.len())),
            [0xfe, ..] => return Err(format!("{found} rows, wanted {rows}")),
            other => return Err(format!("a row begins with {}", other.escape_ascii())),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(payloads: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for (at, payload) in payloads.iter().enumerate() {
            out.extend_from_slice(&header(payload.len(), at as u8 + 1));
            out.extend_from_slice(payload);
        }
        out
    }

    #[test]
    fn answers() {
        let row = [&[0, 0, 252, 44, 1][..], &[b'x'; 300]].concat();
        let short = [&[0, 0, 3][..], b"abc"].concat();
        let (end, refused) = (&[0xfe, 0, 0, 2, 0, 0, 0][..], &b"\xff\x28\x04#42000no such thing"[..]);
        type Case<'c> = (&'c [&'c [u8]], usize, Result<(), &'c str>);
        let cases: [Case<'_>; 7] = [
            (&[&[1], b"def", &row, end], 1, Ok(())),
            (&[&[1], b"def", &row, &row, end], 2, Ok(())),
            (&[&[1], b"def", end], 1, Err("0 rows, wanted 1")),
            (&[&[1], b"def", &row, &row, end], 1, Err("2 rows, wanted 1")),
            (&[&[1], b"def", &short, end], 1, Err("a row of 4 bytes, wanted a value of 300")),
            (&[refused], 1, Err("error 1064: no such thing")),
            (&[&[1], b"def", &row, refused], 1, Err("error 1064: no such thing")),
        ];
        for (payloads, rows, wanted) in cases {
            let input = packets(payloads);
            let got = check_rows(&input, rows, 300);
            assert_eq!(got, wanted.map(|()| Some(input.len())).map_err(str::to_owned), "{payloads:?}");
            if got.is_ok() {
                for cut in 0..input.len() {
                    assert_eq!(check_rows(&input[..cut], rows, 300), Ok(None), "cut at {cut}");
                }
            }
        }
        assert_eq!(check_done(&packets(&[&[0, 1, 0, 2, 0, 0, 0]])), Ok(Some(11)));
        assert_eq!(check_done(&packets(&[refused])), Err("error 1064: no such thing".to_owned()));
    }

    #[test]
    fn lengths_are_read_as_they_are_written() {
        for length in [0usize, 1, 250, 251, 300, 65_536] {
            let mut out = Vec::new();
            text(&mut out, &vec![7; length]);
            let (found, rest) = integer(&out).unwrap();
            assert_eq!((found as usize, rest.len()), (length, length));
        }
        assert_eq!(integer(&[254, 1, 0, 0, 0, 0, 0, 0, 1]), Some((1 << 56 | 1, &[][..])));
        assert_eq!(integer(&[252, 1]), None);
    }
}
