//! Statements as text. They are UTF-8, but clients put the bytes of a blob into quotes as they are.

use std::borrow::Cow;

use crate::refengine::codes;
use crate::refengine::sql::SqlError;

/// Words and marks of the longest statement: the parser takes a hundred bytes for each.
const TOKENS_MAX: usize = 2 << 20;

/// The statement as UTF-8: quoted strings that are none become hexadecimal literals.
///
/// # Errors
/// It is no text, or 1153 for one of too many words.
pub fn statement(bytes: &[u8]) -> Result<Cow<'_, str>, SqlError> {
    if bytes.len() > TOKENS_MAX && tokens_at_most(bytes) > TOKENS_MAX {
        let text = format!("Got a statement of more than {TOKENS_MAX} words and marks; send it in several");
        return Err(SqlError::new(codes::ER_NET_PACKET_TOO_LARGE, text));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(bytes.len() * 2);
    let mut rest = bytes;
    while let Some(&first) = rest.first() {
        let length = match first {
            b'\'' | b'"' => quoted(rest),
            b'`' => quoted_name(rest),
            b'#' => until(rest, b"\n"),
            b'-' if is_line_comment(rest) => until(rest, b"\n"),
            b'/' if rest.starts_with(b"/*") => until(rest, b"*/"),
            _ => 1,
        };
        let (part, behind) = rest.split_at(length.min(rest.len()));
        let is_string = matches!(first, b'\'' | b'"') && part.len() > 1 && part.last() == Some(&first);
        if is_string && std::str::from_utf8(part).is_err() {
            out.extend_from_slice(b" x'");
            out.extend(unescaped(part).iter().flat_map(|byte| format!("{byte:02X}").into_bytes()));
            out.push(b'\'');
        } else {
            out.extend_from_slice(part);
        }
        rest = behind;
    }
    String::from_utf8(out).map(Cow::Owned).map_err(|_| SqlError::not_utf8())
}

/// A number of words, strings, marks and blanks that the text does not exceed.
fn tokens_at_most(bytes: &[u8]) -> usize {
    let (mut count, mut rest) = (0, bytes);
    while let Some(&first) = rest.first() {
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii();
        let length = match first {
            b'\'' | b'"' => quoted(rest),
            b'`' => quoted_name(rest),
            _ => rest.iter().position(|byte| !is_word(byte)).unwrap_or(rest.len()).max(1),
        };
        rest = rest.get(length..).unwrap_or_default();
        count += 1;
    }
    count
}

/// Names are UTF-8.
pub fn name(bytes: &[u8]) -> Result<&str, SqlError> {
    std::str::from_utf8(bytes).map_err(|_| SqlError::not_utf8())
}

/// The length of the string that begins here, with its quotes.
fn quoted(bytes: &[u8]) -> usize {
    let quote = bytes.first().copied();
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        at += match byte {
            b'\\' => 2,
            _ if Some(byte) != quote => 1,
            _ if bytes.get(at + 1).copied() == quote => 2,
            _ => return at + 1,
        };
    }
    bytes.len()
}

fn quoted_name(bytes: &[u8]) -> usize {
    bytes.iter().skip(1).position(|byte| *byte == b'`').map_or(bytes.len(), |at| at + 2)
}

fn is_line_comment(bytes: &[u8]) -> bool {
    bytes.starts_with(b"--") && bytes.get(2).is_none_or(|byte| byte.is_ascii_whitespace())
}

fn until(bytes: &[u8], end: &[u8]) -> usize {
    memchr::memmem::find(bytes, end).map_or(bytes.len(), |at| at + end.len())
}

/// What a quoted string means.
fn unescaped(quoted: &[u8]) -> Vec<u8> {
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    let quote = quoted.first().copied();
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied();
    while let Some(byte) = bytes.next() {
        if Some(byte) == quote {
            // The second of a pair.
            bytes.next();
        }
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'0') => out.push(0),
            Some(b'b') => out.push(8),
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b't') => out.push(b'\t'),
            Some(b'Z') => out.push(26),
            // These two keep their backslash: they are for LIKE.
            Some(wild @ (b'%' | b'_')) => out.extend([b'\\', wild]),
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_take_too_much_memory_to_parse_is_refused() {
        let refused = |text: &[u8]| statement(text).is_err_and(|error| error.is(codes::ER_NET_PACKET_TOO_LARGE));
        assert!(refused(&b"1,".repeat(TOKENS_MAX)));
        assert!(refused(&b" ".repeat(TOKENS_MAX + 1)));
        let long = [b"SELECT '", "x ".repeat(TOKENS_MAX).as_bytes(), b"'"].concat();
        assert!(statement(&long).is_ok() && statement(&b"word".repeat(TOKENS_MAX)).is_ok());
    }

    #[test]
    fn bytes_in_quotes_become_hexadecimal() {
        let cases: &[(&[u8], Option<&str>)] = &[
            (b"SELECT '\xc3\xa4'", Some("SELECT '\u{e4}'")),
            (b"SELECT _binary'\xff\\0\\'x''y', '\xc3\xa4'", Some("SELECT _binary x'FF0027782779', '\u{e4}'")),
            (b"SELECT \"\xfe\"\"'\", 'a\\\\'", Some("SELECT  x'FE2227', 'a\\\\'")),
            (b"SELECT '\xff' -- it's\n, 'b'", Some("SELECT  x'FF' -- it's\n, 'b'")),
            (b"SELECT '\xff' /* ' */ # '\n, `'`", Some("SELECT  x'FF' /* ' */ # '\n, `'`")),
            (b"SELECT '\xff", None),
            (b"SELECT \xff", None),
            (b"SELECT `\xff`", None),
        ];
        for (bytes, expected) in cases {
            let text = statement(bytes).ok();
            assert_eq!(text.as_deref(), *expected, "{}", bytes.escape_ascii());
        }
    }
}
