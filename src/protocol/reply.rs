//! The lines of text replies: constants for the fixed ones, and functions that append the others to a buffer.
//!
//! Every constant is a whole line. Strings are memcached 1.6.45's.

use super::operation::DumpFormat;
use bytes::{BufMut, BytesMut};
use std::fmt::Write;

/// What replies are appended to.
pub type Out = BytesMut;

/// The value was stored.
pub const STORED: &[u8] = b"STORED\r\n";
/// The condition of an add, replace, append or prepend did not hold.
pub const NOT_STORED: &[u8] = b"NOT_STORED\r\n";
/// The value was changed since the client got its cas number.
pub const EXISTS: &[u8] = b"EXISTS\r\n";
/// No such key.
pub const NOT_FOUND: &[u8] = b"NOT_FOUND\r\n";
/// The key is gone.
pub const DELETED: &[u8] = b"DELETED\r\n";
/// The expiry was set.
pub const TOUCHED: &[u8] = b"TOUCHED\r\n";
/// Done (`flush_all`, `verbosity`).
pub const OK: &[u8] = b"OK\r\n";
/// The end of values or statistics.
pub const END: &[u8] = b"END\r\n";
/// The statistics were reset.
pub const RESET: &[u8] = b"RESET\r\n";
/// The end of a value's data block.
pub const CRLF: &[u8] = b"\r\n";

/// No such command.
pub const ERROR: &[u8] = b"ERROR\r\n";
/// An argument is missing or malformed, or a key is too long.
pub const BAD_FORMAT: &[u8] = b"CLIENT_ERROR bad command line format\r\n";
/// The data block does not end where its length says.
pub const BAD_DATA_CHUNK: &[u8] = b"CLIENT_ERROR bad data chunk\r\n";
/// The exptime is not a number.
pub const INVALID_EXPTIME: &[u8] = b"CLIENT_ERROR invalid exptime argument\r\n";
/// The delta of incr or decr is not a number of 64 bits.
pub const INVALID_DELTA: &[u8] = b"CLIENT_ERROR invalid numeric delta argument\r\n";
/// incr or decr met a value that is not a number.
pub const NON_NUMERIC: &[u8] = b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n";
/// `stats detail` with another argument.
pub const STATS_DETAIL_USAGE: &[u8] = b"CLIENT_ERROR usage: stats detail on|off|dump\r\n";
/// The value is over the item size, or does not fit its column.
pub const TOO_LARGE: &[u8] = b"SERVER_ERROR object too large for cache\r\n";
/// No memory for the value.
pub const OUT_OF_MEMORY_STORING: &[u8] = b"SERVER_ERROR out of memory storing object\r\n";
/// The answer to `shutdown`.
pub const SHUTDOWN_NOT_ENABLED: &[u8] = b"SERVER_ERROR: shutdown not enabled\r\n";
/// Name or password are wrong.
pub const AUTHENTICATION_FAILURE: &[u8] = b"CLIENT_ERROR authentication failure\r\n";
/// Sent before a connection over the limit is closed.
pub const TOO_MANY_CONNECTIONS: &[u8] = b"ERROR Too many open connections\r\n";

/// Appends a hit of a `get`: `VALUE <key> <flags> <len>[ <cas>]`, the value and its line end.
#[inline]
pub fn value(out: &mut Out, key: &[u8], flags: u32, cas: Option<u64>, value: &[u8]) {
    // Three numbers, their spaces, the word and two line ends come to 62 bytes at most, and a short number's piece has six more.
    out.reserve(key.len() + value.len() + 68);
    out.extend_from_slice(b"VALUE ");
    out.extend_from_slice(key);
    if flags == 0 {
        out.extend_from_slice(b" 0 ");
    } else {
        out.put_u8(b' ');
        out.extend_from_slice(itoa::Buffer::new().format(flags).as_bytes());
        out.put_u8(b' ');
    }
    match cas {
        None if value.len() < SHORT => short_number(out, value.len()),
        None => number(out, value.len() as u64),
        Some(cas) => {
            out.extend_from_slice(itoa::Buffer::new().format(value.len()).as_bytes());
            out.put_u8(b' ');
            number(out, cas);
        }
    }
    out.extend_from_slice(value);
    out.extend_from_slice(CRLF);
}

/// Above all numbers that [`short_number`] takes.
const SHORT: usize = 1_000_000;

/// Appends a number of up to six digits and the line end, made from its last byte on: one piece of eight bytes of which some are taken
/// back costs less to append than one of just as many bytes as there are.
#[inline]
fn short_number(out: &mut Out, mut number: usize) {
    let mut piece = u64::from(u16::from_le_bytes(*b"\r\n"));
    let mut length = out.len() + CRLF.len() + 1;
    while number >= 10 {
        piece = piece << 8 | u64::from(b'0' + (number % 10) as u8);
        number /= 10;
        length += 1;
    }
    piece = piece << 8 | u64::from(b'0' + number as u8);
    out.extend_from_slice(&piece.to_le_bytes());
    out.truncate(length);
}

/// Appends a line of a key dump; `item` is its flags, cas number, deadline (Unix time in seconds, 0 for never) and length in bytes.
///
/// What a table does not know is a constant: no access is recorded, and all rows are of class 1.
pub fn dumped_key(out: &mut Out, format: DumpFormat, key: &[u8], item: (u32, u64, i64, usize)) {
    let (flags, cas, deadline, length) = item;
    // Writing to a vector cannot fail.
    match format {
        DumpFormat::Items => {
            out.extend_from_slice(b"ITEM ");
            out.extend_from_slice(key);
            let _ = write!(out, " [{length} b; {deadline} s]\r\n");
        }
        DumpFormat::Meta => {
            out.extend_from_slice(b"key=");
            url_encoded(out, key);
            let exp = if deadline == 0 { -1 } else { deadline };
            let size = key.len() + length;
            let _ = writeln!(out, " exp={exp} la=0 cas={cas} fetch=no cls=1 size={size} flags={flags} ");
        }
        DumpFormat::MetaGet => {
            out.extend_from_slice(b"mg ");
            match is_printable(key) {
                true => out.extend_from_slice(key),
                false => {
                    super::base64::encode(out, key);
                    out.extend_from_slice(b" b");
                }
            }
            out.extend_from_slice(CRLF);
        }
    }
}

/// Whether a line may carry a key as it is. One with blanks or control characters, which packets and SQL can store, would end the line or
/// be taken for more than a key.
#[inline]
pub fn is_printable(key: &[u8]) -> bool {
    key.iter().all(|byte| *byte > b' ' && *byte != 0x7f)
}

/// Everything but letters, digits and `-._~` as `%` and two digits.
pub fn url_encoded(out: &mut Out, key: &[u8]) {
    for byte in key {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.put_u8(*byte),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

/// Appends the reply of `incr` and `decr`.
#[inline]
pub fn number(out: &mut Out, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    out.extend_from_slice(CRLF);
}

/// Appends `SERVER_ERROR <reason>`: the request was right, and failed.
#[cold]
pub fn server_error(out: &mut Out, reason: &str) {
    text_line(out, "SERVER_ERROR ", reason);
}

/// Appends `CLIENT_ERROR <reason>`: the request was wrong.
#[cold]
pub fn client_error(out: &mut Out, reason: &str) {
    text_line(out, "CLIENT_ERROR ", reason);
}

/// Appends `ERROR <reason>`: a command that exists and is not allowed.
#[cold]
pub fn error(out: &mut Out, reason: &str) {
    text_line(out, "ERROR ", reason);
}

/// Appends the reply of `version`.
pub fn version(out: &mut Out, version: &str) {
    text_line(out, "VERSION ", version);
}

/// Appends one statistic: `STAT <name> <value>`.
pub fn stat(out: &mut Out, name: &str, value: &str) {
    text(out, "STAT ", name);
    text_line(out, " ", value);
}

/// Appends one statistic that is a number.
pub fn stat_number(out: &mut Out, name: &str, value: u64) {
    stat(out, name, itoa::Buffer::new().format(value));
}

/// A control character in a message from elsewhere must not end the line: the rest would be taken for the next reply.
fn text(out: &mut Out, prefix: &str, text: &str) {
    out.extend_from_slice(prefix.as_bytes());
    out.extend(text.bytes().map(|byte| if byte.is_ascii_control() { b' ' } else { byte }));
}

fn text_line(out: &mut Out, prefix: &str, line: &str) {
    text(out, prefix, line);
    out.extend_from_slice(CRLF);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Out)) -> String {
        let mut out = Out::from(&b"|"[..]);
        write(&mut out);
        String::from_utf8(out.to_vec()).expect("replies are text")
    }

    #[test]
    fn lines() {
        let max = u64::MAX;
        let cases = [
            (written(|o| value(o, b"k", 0, None, b"")), "|VALUE k 0 0\r\n\r\n"),
            (
                written(|o| value(o, b"k", u32::MAX, Some(max), b"0123456789")),
                "|VALUE k 4294967295 10 18446744073709551615\r\n0123456789\r\n",
            ),
            (written(|o| value(o, b"k", 7, Some(9), b"a\r\nb")), "|VALUE k 7 4 9\r\na\r\nb\r\n"),
            (written(|o| value(o, b"k", 10, None, b"0123456789")), "|VALUE k 10 10\r\n0123456789\r\n"),
            (written(|o| number(o, 0)), "|0\r\n"),
            (written(|o| number(o, max)), "|18446744073709551615\r\n"),
            (written(|o| server_error(o, "no\r\nEND\r\n")), "|SERVER_ERROR no  END  \r\n"),
            (written(|o| client_error(o, "café")), "|CLIENT_ERROR café\r\n"),
            (written(|o| dumped_key(o, DumpFormat::MetaGet, b"k:1", (0, 0, 0, 1))), "|mg k:1\r\n"),
            (written(|o| dumped_key(o, DumpFormat::MetaGet, b"a b", (0, 0, 0, 1))), "|mg YSBi b\r\n"),
            (written(|o| dumped_key(o, DumpFormat::MetaGet, b"a\n", (0, 0, 0, 1))), "|mg YQo= b\r\n"),
            (written(|o| dumped_key(o, DumpFormat::MetaGet, b"\x7f", (0, 0, 0, 1))), "|mg fw== b\r\n"),
            (written(|o| version(o, "1.2")), "|VERSION 1.2\r\n"),
            (written(|o| stat(o, "pid", "1\n")), "|STAT pid 1 \r\n"),
            (written(|o| stat(o, "a\r\nEND", "1")), "|STAT a  END 1\r\n"),
            (written(|o| stat_number(o, "gets", 12)), "|STAT gets 12\r\n"),
        ];
        for (got, expected) in cases {
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn a_hit_is_told_whatever_the_length_of_its_value() {
        for length in [0, 1, 9, 10, 99, 100, 12345, 99999, 100000, 999_999, 1_000_000, 1_234_567] {
            let (bytes, mut out) = ("v".repeat(length), Out::from("|"));
            value(&mut out, b"key", 0, None, bytes.as_bytes());
            assert_eq!(out, format!("|VALUE key 0 {length}\r\n{bytes}\r\n"));
        }
    }

    #[test]
    fn a_hit_is_told_whatever_the_length_of_its_key() {
        for (length, flags, cas) in (1..=250).flat_map(|n| [(n, 0, None), (n, u32::MAX, Some(u64::MAX))]) {
            let (key, mut out) = ("k".repeat(length), Out::from("|"));
            value(&mut out, key.as_bytes(), flags, cas, b"value");
            let cas = cas.map_or(String::new(), |cas| format!(" {cas}"));
            assert_eq!(out, format!("|VALUE {key} {flags} 5{cas}\r\nvalue\r\n"));
        }
    }
}
