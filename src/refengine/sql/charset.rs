//! Character sets and collations by name, and the one encoding that is not UTF-8: MySQL's latin1, which is
//! Windows code page 1252 with its five holes filled by the control characters of the same number.

use std::borrow::Cow;

use super::error::{Result, SqlError};
use crate::refengine::types::Charset;

/// Code points of the bytes 0x80..0xA0.
const HIGH: [char; 32] = [
    '\u{20ac}', '\u{81}', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}', '\u{2c6}', '\u{2030}',
    '\u{160}', '\u{2039}', '\u{152}', '\u{8d}', '\u{17d}', '\u{8f}', '\u{90}', '\u{2018}', '\u{2019}', '\u{201c}',
    '\u{201d}', '\u{2022}', '\u{2013}', '\u{2014}', '\u{2dc}', '\u{2122}', '\u{161}', '\u{203a}', '\u{153}', '\u{9d}',
    '\u{17e}', '\u{178}',
];

/// The stored form's UTF-8.
pub fn latin1_to_utf8(bytes: &[u8]) -> Cow<'_, [u8]> {
    if bytes.is_ascii() {
        return Cow::Borrowed(bytes);
    }
    let decode = |byte: &u8| match byte {
        0x80..=0x9f => HIGH.get(usize::from(byte - 0x80)).copied().unwrap_or('?'),
        other => char::from(*other),
    };
    Cow::Owned(bytes.iter().map(decode).collect::<String>().into_bytes())
}

/// The stored form of a text; None if a character has none.
pub fn utf8_to_latin1(text: &str) -> Option<Vec<u8>> {
    text.chars()
        .map(|c| match u32::from(c) {
            code @ (0..=0x7f | 0xa0..=0xff) => u8::try_from(code).ok(),
            _ => HIGH.iter().position(|high| *high == c).and_then(|at| u8::try_from(at + 0x80).ok()),
        })
        .collect()
}

/// The character set of this name, 1115 if there is none. ascii is kept as latin1, utf8 as utf8mb4.
pub fn by_name(name: &str) -> Result<Charset> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "binary" => Charset::Binary,
        "latin1" | "ascii" => Charset::Latin1,
        "utf8" | "utf8mb3" | "utf8mb4" => Charset::Utf8mb4,
        _ => return Err(SqlError::new(1115, "42000", format!("Unknown character set: '{name}'"))),
    })
}

/// The character set a collation belongs to; 1273 for one that does not compare by bytes.
pub fn of_collation(name: &str) -> Result<Charset> {
    let lower = name.to_ascii_lowercase();
    let charset = match lower.as_str() {
        "binary" => Some("binary"),
        "utf8mb4_0900_bin" => Some("utf8mb4"),
        other => other.strip_suffix("_bin"),
    };
    charset.and_then(|charset| by_name(charset).ok()).ok_or_else(|| {
        let text = format!("Unknown collation: '{name}': this engine compares by bytes and has only binary and *_bin");
        SqlError::new(1273, "HY000", text)
    })
}

/// A character set and a collation given together, or either, or neither.
pub fn resolve(charset: Option<&str>, collation: Option<&str>) -> Result<Option<Charset>> {
    let (Some(charset_name), Some(collation_name)) = (charset, collation) else {
        return match (charset, collation) {
            (Some(name), _) => by_name(name).map(Some),
            (_, Some(name)) => of_collation(name).map(Some),
            _ => Ok(None),
        };
    };
    let (charset, of) = (by_name(charset_name)?, of_collation(collation_name)?);
    if charset != of {
        let text = format!("COLLATION '{collation_name}' is not valid for CHARACTER SET '{charset_name}'");
        return Err(SqlError::new(1253, "42000", text));
    }
    Ok(Some(charset))
}

/// The names SHOW CREATE TABLE prints.
pub fn names(charset: Charset) -> (&'static str, &'static str) {
    match charset {
        Charset::Binary => ("binary", "binary"),
        Charset::Latin1 => ("latin1", "latin1_bin"),
        Charset::Utf8mb4 => ("utf8mb4", "utf8mb4_bin"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latin1_round_trip() {
        let all: Vec<u8> = (0..=255).collect();
        let text = String::from_utf8(latin1_to_utf8(&all).into_owned()).unwrap();
        assert_eq!(utf8_to_latin1(&text).unwrap(), all);
        assert_eq!(utf8_to_latin1("\u{20ac}").unwrap(), [0x80]);
        assert_eq!(utf8_to_latin1("\u{4e00}"), None);
    }

    #[test]
    fn collations() {
        assert_eq!(of_collation("utf8mb4_bin").unwrap(), Charset::Utf8mb4);
        assert_eq!(of_collation("utf8mb4_0900_ai_ci").unwrap_err().errno, 1273);
        assert_eq!(resolve(Some("latin1"), Some("utf8mb4_bin")).unwrap_err().errno, 1253);
        assert_eq!(by_name("klingon").unwrap_err().errno, 1115);
    }
}
