//! The functions expressions can call, and LIKE.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::datum::Datum;
use super::error::Result;
use super::identity::Identity;
use super::loadable::Loadable;

/// What the session knows and an expression may ask.
pub trait Context {
    /// DATABASE().
    fn database(&self) -> Option<&str>;
    /// Who speaks: USER(), CURRENT_USER(), CONNECTION_ID().
    fn identity(&self) -> &Identity;
    /// When the statement began, in seconds since 1970.
    fn now(&self) -> i64;
    /// `@@name` or `@@global.name`; 1193 if there is no such variable.
    fn variable(&self, name: &str, global: bool) -> Result<Datum>;
    /// A function of a library.
    fn loadable(&self, name: &str) -> Option<Arc<Loadable>>;
    /// `@name`; NULL before it was set.
    fn user_variable(&self, name: &str) -> Datum;
}

/// The version VERSION() tells: the MySQL release whose wording and rules this SQL follows, and ours.
pub const VERSION: &str = concat!("8.0.11-refengine-", env!("CARGO_PKG_VERSION"));

/// A function of its arguments alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Length,
    CharLength,
    Hex,
    Unhex,
    Concat,
    Repeat,
    Coalesce,
    If,
    Upper,
    Lower,
    /// CONVERT(... USING utf8mb4), which has a grammar of its own.
    Text,
}

/// (name, function, fewest arguments, most arguments)
const FUNCTIONS: &[(&str, Function, usize, usize)] = &[
    ("LENGTH", Function::Length, 1, 1),
    ("OCTET_LENGTH", Function::Length, 1, 1),
    ("CHAR_LENGTH", Function::CharLength, 1, 1),
    ("CHARACTER_LENGTH", Function::CharLength, 1, 1),
    ("HEX", Function::Hex, 1, 1),
    ("UNHEX", Function::Unhex, 1, 1),
    ("CONCAT", Function::Concat, 1, usize::MAX),
    ("REPEAT", Function::Repeat, 2, 2),
    ("COALESCE", Function::Coalesce, 1, usize::MAX),
    ("IFNULL", Function::Coalesce, 2, 2),
    ("IF", Function::If, 3, 3),
    ("UPPER", Function::Upper, 1, 1),
    ("LOWER", Function::Lower, 1, 1),
];

/// The most bytes REPEAT makes: max_allowed_packet.
const MAX_RESULT: usize = 64 << 20;

/// A function by upper-case name, and how many arguments it takes.
pub fn named(name: &str) -> Option<(Function, RangeInclusive<usize>)> {
    let (_, function, fewest, most) = FUNCTIONS.iter().find(|(known, ..)| *known == name)?;
    Some((*function, *fewest..=*most))
}

/// Seconds since 1970.
pub fn unix_time() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// `YYYY-MM-DD hh:mm:ss` in the process's time zone.
pub fn local_time(seconds: i64) -> Option<String> {
    let mut parts = std::mem::MaybeUninit::<libc::tm>::uninit();
    // SAFETY: both pointers are valid for the call; the function only writes the result.
    let parts = unsafe {
        if libc::localtime_r(&seconds, parts.as_mut_ptr()).is_null() {
            return None;
        }
        parts.assume_init()
    };
    Some(format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        i64::from(parts.tm_year) + 1900,
        parts.tm_mon + 1,
        parts.tm_mday,
        parts.tm_hour,
        parts.tm_min,
        parts.tm_sec
    ))
}

/// Computes a call; those that leave out arguments (IF, COALESCE) are computed where arguments are.
pub fn call(function: Function, arguments: Vec<Datum>) -> Datum {
    match function {
        _ if arguments.iter().any(Datum::is_null) => Datum::Null,
        Function::Concat => {
            let joined: Vec<u8> = arguments.into_iter().filter_map(Datum::into_bytes).flatten().collect();
            Datum::Bytes(joined)
        }
        Function::Repeat => {
            let count = arguments.get(1).and_then(Datum::as_number).map_or(0, |n| n.round().max(0));
            let bytes = arguments.into_iter().next().and_then(Datum::into_bytes).unwrap_or_default();
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            match bytes.len().checked_mul(count) {
                Some(length) if length <= MAX_RESULT => Datum::Bytes(bytes.repeat(count)),
                _ => Datum::Null,
            }
        }
        Function::Hex => match arguments.into_iter().next() {
            Some(number @ (Datum::Int(_) | Datum::UInt(_) | Datum::Decimal(_) | Datum::Double(_))) => {
                // Negative numbers show their two's complement.
                Datum::text(format!("{:X}", number.as_number().map_or(0, |n| n.round() as u64)))
            }
            other => {
                let bytes = other.and_then(Datum::into_bytes).unwrap_or_default();
                Datum::text(bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>())
            }
        },
        _ => one_string(function, arguments),
    }
}

fn one_string(function: Function, arguments: Vec<Datum>) -> Datum {
    let bytes = arguments.into_iter().next().and_then(Datum::into_bytes).unwrap_or_default();
    let length = |n: usize| Datum::Int(i64::try_from(n).unwrap_or(i64::MAX));
    match function {
        Function::Length => length(bytes.len()),
        Function::CharLength => length(std::str::from_utf8(&bytes).map_or(bytes.len(), |text| text.chars().count())),
        Function::Text => std::str::from_utf8(&bytes).map_or(Datum::Null, Datum::text),
        Function::Unhex => unhex(&bytes).map_or(Datum::Null, Datum::Bytes),
        Function::Upper => {
            std::str::from_utf8(&bytes).map(str::to_uppercase).map_or(Datum::Bytes(bytes.clone()), Datum::text)
        }
        Function::Lower => {
            std::str::from_utf8(&bytes).map(str::to_lowercase).map_or(Datum::Bytes(bytes.clone()), Datum::text)
        }
        _ => Datum::Null,
    }
}

/// Hexadecimal digits to bytes; an odd first digit counts as a byte of its own.
pub fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let value = |digit: &u8| char::from(*digit).to_digit(16);
    let (first, pairs) = digits.split_at(digits.len() % 2);
    let mut bytes = Vec::with_capacity(digits.len() / 2 + 1);
    for group in first.chunks(1).chain(pairs.chunks(2)) {
        let byte = group.iter().try_fold(0, |byte, digit| value(digit).map(|digit| byte << 4 | digit))?;
        bytes.push(u8::try_from(byte).ok()?);
    }
    Some(bytes)
}

/// LIKE: `%` is any run, `_` one character (one byte where the value is not UTF-8). Linear in value times pattern.
pub fn like(value: &[u8], pattern: &[u8], escape: Option<char>) -> bool {
    match (std::str::from_utf8(value), std::str::from_utf8(pattern)) {
        (Ok(value), Ok(pattern)) => {
            let value: Vec<char> = value.chars().collect();
            matches(&value, &wildcards(pattern.chars(), escape, '%', '_'))
        }
        _ => {
            let escape = escape.and_then(|c| u8::try_from(c).ok());
            matches(value, &wildcards(pattern.iter().copied(), escape, b'%', b'_'))
        }
    }
}

#[derive(PartialEq)]
enum Wild<T> {
    Any,
    One,
    Exactly(T),
}

fn wildcards<T: PartialEq + Copy>(
    mut pattern: impl Iterator<Item = T>,
    escape: Option<T>,
    any: T,
    one: T,
) -> Vec<Wild<T>> {
    let mut out = Vec::new();
    while let Some(unit) = pattern.next() {
        out.push(if Some(unit) == escape {
            Wild::Exactly(pattern.next().unwrap_or(unit))
        } else if unit == any {
            Wild::Any
        } else if unit == one {
            Wild::One
        } else {
            Wild::Exactly(unit)
        });
    }
    out
}

fn matches<T: PartialEq + Copy>(value: &[T], pattern: &[Wild<T>]) -> bool {
    let (mut v, mut p) = (0, 0);
    // Where the last `%` stood, and how far its run reaches: the only place to come back to.
    let mut retry: Option<(usize, usize)> = None;
    while let Some(unit) = value.get(v) {
        match pattern.get(p) {
            Some(Wild::Any) => {
                p += 1;
                retry = Some((p, v));
            }
            Some(Wild::One) => (v, p) = (v + 1, p + 1),
            Some(Wild::Exactly(wanted)) if wanted == unit => (v, p) = (v + 1, p + 1),
            _ => match &mut retry {
                Some((after, from)) => {
                    *from += 1;
                    (v, p) = (*from, *after);
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|rest| *rest == Wild::Any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_patterns() {
        let cases: &[(&str, &str, Option<char>, bool)] = &[
            ("abc", "a%", Some('\\'), true),
            ("abc", "%b%", Some('\\'), true),
            ("abc", "a_c", Some('\\'), true),
            ("abc", "A%", Some('\\'), false),
            ("", "%", Some('\\'), true),
            ("", "_", Some('\\'), false),
            ("a%", "a\\%", Some('\\'), true),
            ("ab", "a\\%", Some('\\'), false),
            ("a_", "a|_", Some('|'), true),
            ("a\\b", "a\\b", None, true),
            ("\u{e4}x", "_x", Some('\\'), true),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "%a%a%a%a%a%a%a%a%b", Some('\\'), false),
            ("mississippi", "m%iss%ip%i", Some('\\'), true),
        ];
        for (value, pattern, escape, expected) in cases {
            assert_eq!(like(value.as_bytes(), pattern.as_bytes(), *escape), *expected, "{value} LIKE {pattern}");
        }
        assert!(like(&[0xff, b'a'], b"_a", Some('\\')));
    }

    #[test]
    fn hexadecimal() {
        assert_eq!(unhex(b"4D5A").unwrap(), b"MZ");
        assert_eq!(unhex(b"F00").unwrap(), [0x0f, 0x00]);
        assert_eq!(unhex(b"G"), None);
        assert_eq!(call(Function::Hex, vec![Datum::Int(-1)]), Datum::text("FFFFFFFFFFFFFFFF"));
        assert_eq!(call(Function::Hex, vec![Datum::text("a")]), Datum::text("61"));
    }
}
