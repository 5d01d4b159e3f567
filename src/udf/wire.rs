//! Requests as bytes and replies as outcomes, in memcached's text protocol and in its binary one.

use super::failure::Failure;
use std::io::Write;

/// A longer line is no reply of memcached.
const LONGEST_LINE: usize = 8192;
/// A longer value is no value of memcached's, whose limit (`-I`) this is.
const LONGEST_VALUE: usize = 1 << 30;
/// memcached's limit of a key.
const LONGEST_KEY: usize = 250;
/// An exptime that has passed, for protocols whose field has no sign: thirty days and a second are a date in 1970.
const PAST: u32 = 2_592_001;

/// How a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// In any case.
    Set,
    /// If the key has none.
    Add,
    /// If the key has one.
    Replace,
    /// Behind the one there is.
    Append,
    /// In front of the one there is.
    Prepend,
    /// If the one there is has this unique number.
    Cas(u64),
}

/// What a server is asked.
#[derive(Clone, Copy, Debug)]
pub enum Request<'a> {
    /// A value is stored; `exptime` as memcached defines it.
    #[allow(missing_docs)]
    Store { verb: Verb, key: &'a [u8], value: &'a [u8], exptime: i64 },
    /// The value and its unique number.
    Get(&'a [u8]),
    /// The key is forgotten.
    Delete(&'a [u8]),
    /// A number is counted up or down.
    #[allow(missing_docs)]
    Count { key: &'a [u8], by: u64, down: bool },
    /// The server's statistics, a line `name value` each.
    Stats,
    /// Who asks, on a connection that is new.
    #[allow(missing_docs)]
    Login { user: &'a str, password: &'a str },
}

/// What a server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is so now.
    Done,
    /// The key, or its lack, or its unique number was against it.
    NotDone,
    /// The number counted to.
    Number(u64),
    /// A value was found, with this unique number.
    Value(u64),
}

/// Where replies are read from.
pub trait Source {
    /// At least one byte, unconsumed.
    fn bytes(&mut self) -> Result<&[u8], Failure>;
    /// Takes bytes that [`Source::bytes`] gave.
    fn consume(&mut self, count: usize);
}

impl Request<'_> {
    fn key(&self) -> Option<&[u8]> {
        match *self {
            Request::Store { key, .. } | Request::Get(key) | Request::Delete(key) | Request::Count { key, .. } => {
                Some(key)
            }
            Request::Stats | Request::Login { .. } => None,
        }
    }

    /// Whether the reply to a request that a server refused may be followed by complaints about its value.
    pub fn has_value(&self) -> bool {
        matches!(self, Request::Store { .. })
    }

    /// The request as bytes, behind what `out` has.
    ///
    /// # Errors
    /// [`Failure::BadKey`] for a key that the protocol cannot carry.
    pub fn encode(&self, binary: bool, out: &mut Vec<u8>) -> Result<(), Failure> {
        if let Some(key) = self.key() {
            if key.is_empty() || key.len() > LONGEST_KEY {
                return Err(Failure::BadKey("a key has 1 to 250 bytes"));
            }
            // In text such a byte would end the key, and what follows would be a request of its own.
            if !binary && key.iter().any(|&b| b <= b' ' || b == 0x7f) {
                return Err(Failure::BadKey("a key has no blanks and no control characters"));
            }
        }
        if let Request::Store { value, .. } = self
            && value.len() > LONGEST_VALUE
        {
            return Err(Failure::BadKey("a value has at most 1 GiB"));
        }
        if binary {
            self.encode_binary(out)
        } else {
            self.encode_text(out)
        }
        Ok(())
    }

    fn encode_text(&self, out: &mut Vec<u8>) {
        // Writing into a vector does not fail.
        let _ = match *self {
            Request::Store { verb, key, value, exptime } => {
                let name: &[u8] = match verb {
                    Verb::Set => b"set ",
                    Verb::Add => b"add ",
                    Verb::Replace => b"replace ",
                    Verb::Append => b"append ",
                    Verb::Prepend => b"prepend ",
                    Verb::Cas(_) => b"cas ",
                };
                out.extend_from_slice(name);
                out.extend_from_slice(key);
                let line = write!(out, " 0 {exptime} {}", value.len());
                if let Verb::Cas(unique) = verb {
                    let _ = write!(out, " {unique}");
                }
                out.extend_from_slice(b"\r\n");
                out.extend_from_slice(value);
                line
            }
            Request::Get(key) => out.write_all(b"gets ").and_then(|()| out.write_all(key)),
            Request::Delete(key) => out.write_all(b"delete ").and_then(|()| out.write_all(key)),
            Request::Count { key, by, down } => {
                out.extend_from_slice(if down { b"decr " } else { b"incr " });
                out.extend_from_slice(key);
                write!(out, " {by}")
            }
            Request::Stats => out.write_all(b"stats"),
            Request::Login { user, password } => {
                write!(out, "set login 0 0 {}\r\n{user} {password}", user.len() + 1 + password.len())
            }
        };
        out.extend_from_slice(b"\r\n");
    }

    fn encode_binary(&self, out: &mut Vec<u8>) {
        let mut plain = Vec::new();
        let mut extras = Vec::new();
        let (mut unique, mut value): (u64, &[u8]) = (0, &[]);
        let opcode = match *self {
            Request::Store { verb, value: stored, exptime, .. } => {
                value = stored;
                if !matches!(verb, Verb::Append | Verb::Prepend) {
                    extras.extend_from_slice(&[0; 4]);
                    extras.extend_from_slice(&exptime_field(exptime).to_be_bytes());
                }
                match verb {
                    Verb::Set => 0x01,
                    Verb::Add => 0x02,
                    Verb::Replace => 0x03,
                    Verb::Append => 0x0e,
                    Verb::Prepend => 0x0f,
                    Verb::Cas(expected) => {
                        unique = expected;
                        0x01
                    }
                }
            }
            Request::Get(_) => 0x00,
            Request::Delete(_) => 0x04,
            Request::Count { by, down, .. } => {
                extras.extend_from_slice(&by.to_be_bytes());
                // An exptime of all ones: a key that is not there is not made.
                extras.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
                if down { 0x06 } else { 0x05 }
            }
            Request::Stats => 0x10,
            Request::Login { user, password } => {
                plain.extend_from_slice(format!("\0{user}\0{password}").as_bytes());
                value = &plain;
                0x21
            }
        };
        let key = self.key().unwrap_or(if plain.is_empty() { b"" } else { b"PLAIN" });
        let mut header = [0; 24];
        header[..2].copy_from_slice(&[0x80, opcode]);
        header[2..4].copy_from_slice(&(key.len() as u16).to_be_bytes());
        header[4] = extras.len() as u8;
        header[8..12].copy_from_slice(&((extras.len() + key.len() + value.len()) as u32).to_be_bytes());
        header[16..].copy_from_slice(&unique.to_be_bytes());
        for part in [&header[..], &extras, key, value] {
            out.extend_from_slice(part);
        }
    }

    /// Reads the reply; a value or statistics are put behind what `value` has.
    ///
    /// # Errors
    /// What the source says, [`Failure::Refused`] with the server's words, [`Failure::Garbled`].
    pub fn decode(&self, binary: bool, source: &mut impl Source, value: &mut Vec<u8>) -> Result<Outcome, Failure> {
        match binary {
            true => self.decode_binary(source, value),
            false => self.decode_text(source, value),
        }
    }

    fn decode_text(&self, source: &mut impl Source, value: &mut Vec<u8>) -> Result<Outcome, Failure> {
        let mut line = Vec::with_capacity(64);
        read_line(source, &mut line)?;
        match (self, line.as_slice()) {
            (Request::Stats, b"END") | (Request::Store { .. } | Request::Login { .. }, b"STORED") => Ok(Outcome::Done),
            (Request::Delete(_), b"DELETED") => Ok(Outcome::Done),
            (Request::Store { .. }, b"NOT_STORED" | b"EXISTS" | b"NOT_FOUND")
            | (Request::Delete(_) | Request::Count { .. }, b"NOT_FOUND")
            | (Request::Get(_), b"END") => Ok(Outcome::NotDone),
            (Request::Get(_), found) if found.starts_with(b"VALUE ") => {
                let mut fields = found.split(|&b| b == b' ').skip(3);
                let length =
                    number(fields.next()).filter(|&length| length <= LONGEST_VALUE as u64).ok_or(Failure::Garbled)?;
                // A server without unique numbers leaves them out.
                let unique = number(fields.next()).unwrap_or(0);
                read_exactly(source, length as usize, value)?;
                let mut rest = Vec::new();
                read_exactly(source, 7, &mut rest)?;
                if rest == b"\r\nEND\r\n" { Ok(Outcome::Value(unique)) } else { Err(Failure::Garbled) }
            }
            (Request::Count { .. }, digits) if digits.first().is_some_and(u8::is_ascii_digit) => {
                number(Some(digits.trim_ascii_end())).map(Outcome::Number).ok_or(Failure::Garbled)
            }
            (Request::Stats, _) if line.starts_with(b"STAT ") => loop {
                value.extend_from_slice(&line[5..]);
                value.push(b'\n');
                read_line(source, &mut line)?;
                match line.as_slice() {
                    b"END" => return Ok(Outcome::Done),
                    more if more.starts_with(b"STAT ") && value.len() < LONGEST_VALUE => {}
                    _ => return Err(Failure::Garbled),
                }
            },
            (_, words)
                if [&b"ERROR"[..], b"CLIENT_ERROR", b"SERVER_ERROR"].iter().any(|word| words.starts_with(word)) =>
            {
                Err(Failure::Refused(String::from_utf8_lossy(words).into_owned()))
            }
            _ => Err(Failure::Garbled),
        }
    }

    fn decode_binary(&self, source: &mut impl Source, value: &mut Vec<u8>) -> Result<Outcome, Failure> {
        loop {
            let mut header = Vec::with_capacity(24);
            read_exactly(source, 24, &mut header)?;
            let field =
                |at: usize, bytes: usize| header[at..at + bytes].iter().fold(0u64, |n, &b| (n << 8) | u64::from(b));
            let (status, unique) = (field(6, 2), field(16, 8));
            let (extras, key, body) = (field(4, 1) as usize, field(2, 2) as usize, field(8, 4) as usize);
            if header[0] != 0x81 || body < extras + key || body - extras - key > LONGEST_VALUE {
                return Err(Failure::Garbled);
            }
            let mut prefix = Vec::new();
            read_exactly(source, extras + key, &mut prefix)?;
            let mut words = Vec::new();
            let into = if status == 0 && matches!(self, Request::Get(_)) { &mut *value } else { &mut words };
            read_exactly(source, body - extras - key, into)?;
            return match (status, self) {
                (0, Request::Get(_)) => Ok(Outcome::Value(unique)),
                (0, Request::Count { .. }) => match <[u8; 8]>::try_from(words.as_slice()) {
                    Ok(bytes) => Ok(Outcome::Number(u64::from_be_bytes(bytes))),
                    Err(_) => Err(Failure::Garbled),
                },
                (0, Request::Stats) if key > 0 => {
                    for part in [&prefix[extras..], b" ", &words, b"\n"] {
                        value.extend_from_slice(part);
                    }
                    if value.len() > LONGEST_VALUE {
                        return Err(Failure::Garbled);
                    }
                    continue;
                }
                (0, _) => Ok(Outcome::Done),
                // Key not found, key exists, not stored.
                (1 | 2 | 5, _) if !matches!(self, Request::Login { .. }) => Ok(Outcome::NotDone),
                _ => Err(Failure::Refused(if words.is_empty() {
                    format!("status {status:#06x}")
                } else {
                    String::from_utf8_lossy(&words).into_owned()
                })),
            };
        }
    }
}

fn exptime_field(exptime: i64) -> u32 {
    match exptime {
        ..0 => PAST,
        later => u32::try_from(later).unwrap_or(u32::MAX),
    }
}

fn number(field: Option<&[u8]>) -> Option<u64> {
    std::str::from_utf8(field?).ok()?.parse().ok()
}

/// A line without its end.
fn read_line(source: &mut impl Source, line: &mut Vec<u8>) -> Result<(), Failure> {
    line.clear();
    loop {
        let bytes = source.bytes()?;
        let end = memchr::memchr(b'\n', bytes);
        let taken = end.map_or(bytes.len(), |end| end + 1);
        line.extend_from_slice(&bytes[..taken]);
        source.consume(taken);
        if line.len() > LONGEST_LINE {
            return Err(Failure::Garbled);
        }
        if end.is_some() {
            line.truncate(line.len() - if line.ends_with(b"\r\n") { 2 } else { 1 });
            return Ok(());
        }
    }
}

fn read_exactly(source: &mut impl Source, mut count: usize, into: &mut Vec<u8>) -> Result<(), Failure> {
    while count > 0 {
        let bytes = source.bytes()?;
        let taken = bytes.len().min(count);
        into.extend_from_slice(&bytes[..taken]);
        source.consume(taken);
        count -= taken;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a byte at a time, then fails.
    struct Bytes<'a>(&'a [u8]);

    impl Source for Bytes<'_> {
        fn bytes(&mut self) -> Result<&[u8], Failure> {
            if self.0.is_empty() { Err(Failure::Timeout) } else { Ok(&self.0[..1]) }
        }
        fn consume(&mut self, count: usize) {
            self.0 = &self.0[count..];
        }
    }

    const STORE: Request<'_> = Request::Store { verb: Verb::Cas(7), key: b"k", value: b"v\r\n", exptime: -1 };
    const COUNT: Request<'_> = Request::Count { key: b"k", by: u64::MAX, down: true };

    fn answer(request: Request<'_>, binary: bool, reply: &[u8]) -> String {
        let (mut source, mut value) = (Bytes(reply), Vec::new());
        let outcome = request.decode(binary, &mut source, &mut value);
        let rest = source.0.len();
        match outcome {
            Ok(outcome) => format!("{outcome:?} {} {rest}", String::from_utf8_lossy(&value)),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn text_is_written_and_read() {
        for (request, bytes) in [
            (STORE, &b"cas k 0 -1 3 7\r\nv\r\n\r\n"[..]),
            (Request::Get(b"k"), b"gets k\r\n"),
            (Request::Delete(b"k"), b"delete k\r\n"),
            (COUNT, b"decr k 18446744073709551615\r\n"),
            (Request::Stats, b"stats\r\n"),
            (Request::Login { user: "ann", password: "x" }, b"set login 0 0 5\r\nann x\r\n"),
        ] {
            let mut out = Vec::new();
            request.encode(false, &mut out).unwrap();
            assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(bytes));
        }
        for (request, reply, found) in [
            (STORE, &b"STORED\r\n"[..], "Done  0"),
            (STORE, b"EXISTS\r\nx", "NotDone  1"),
            (STORE, b"SERVER_ERROR out of memory\r\n", "the server refused: SERVER_ERROR out of memory"),
            (Request::Get(b"k"), b"END\r\n", "NotDone  0"),
            (Request::Get(b"k"), b"VALUE k 0 0 9\r\n\r\nEND\r\n", "Value(9)  0"),
            (Request::Get(b"k"), b"VALUE k 0 3\r\na\r\n\r\nEND\r\n", "Value(0) a\r\n 0"),
            (Request::Get(b"k"), b"VALUE k 0 3 1\r\nabcd\r\nEND\r\n", "the server's answer is not one of memcached's"),
            (Request::Get(b"k"), b"VALUE k 0 1073741825 1\r\n", "the server's answer is not one of memcached's"),
            (COUNT, b"5  \r\n", "Number(5)  0"),
            (COUNT, b"HELLO\r\n", "the server's answer is not one of memcached's"),
            (Request::Stats, b"STAT pid 1\r\nSTAT version 1.6 x\r\nEND\r\n", "Done pid 1\nversion 1.6 x\n 0"),
            (Request::Stats, b"END\r\n", "Done  0"),
        ] {
            assert_eq!(answer(request, false, reply), found, "{}", String::from_utf8_lossy(reply));
        }
        assert!(answer(STORE, false, &b"x".repeat(LONGEST_LINE + 2)).contains("not one of"));
    }

    #[test]
    fn packets_are_written_and_read() {
        let mut out = Vec::new();
        STORE.encode(true, &mut out).unwrap();
        assert_eq!(out.len(), 24 + 8 + 1 + 3);
        assert_eq!(out[..12], [0x80, 1, 0, 1, 8, 0, 0, 0, 0, 0, 0, 12]);
        assert_eq!(out[16..32], [0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0x27, 0x8d, 1]);
        let packet = |status: u8, extras: &[u8], key: &[u8], value: &[u8]| {
            let body = (extras.len() + key.len() + value.len()) as u8;
            let mut packet = vec![0x81, 0, 0, key.len() as u8, extras.len() as u8, 0, 0, status, 0, 0, 0, body];
            packet.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
            [&packet, extras, key, value].concat()
        };
        let stats = [packet(0, b"", b"pid", b"1"), packet(0, b"", b"", b"")].concat();
        for (request, reply, found) in [
            (STORE, packet(0, b"", b"", b""), "Done  0"),
            (STORE, packet(2, b"", b"", b"Data exists"), "NotDone  0"),
            (STORE, packet(3, b"", b"", b"Too large."), "the server refused: Too large."),
            (Request::Get(b"k"), packet(0, &[0; 4], b"", b"abc"), "Value(9) abc 0"),
            (Request::Get(b"k"), packet(1, b"", b"", b"Not found"), "NotDone  0"),
            (COUNT, packet(0, b"", b"", &5u64.to_be_bytes()), "Number(5)  0"),
            (COUNT, packet(0, b"", b"", b"5"), "the server's answer is not one of memcached's"),
            (Request::Stats, stats, "Done pid 1\n 0"),
            (
                Request::Login { user: "a", password: "b" },
                packet(0x20, b"", b"", b""),
                "the server refused: status 0x0020",
            ),
        ] {
            assert_eq!(answer(request, true, &reply), found, "{reply:x?}");
        }
    }

    #[test]
    fn keys_that_would_be_requests_are_refused() {
        for (key, binary, fits) in [
            (&b"k"[..], false, true),
            (b"", false, false),
            (b"a b", false, false),
            (b"a\r\nflush_all", false, false),
            (b"a b", true, true),
            ("käse".as_bytes(), false, true),
            (&[b'k'; 250], false, true),
            (&[b'k'; 251], true, false),
        ] {
            assert_eq!(Request::Get(key).encode(binary, &mut Vec::new()).is_ok(), fits, "{key:?}");
        }
    }
}
