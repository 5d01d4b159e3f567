//! Character sets and collations by name.

use super::error::{Result, SqlError};
use crate::refengine::codes;
use crate::refengine::types::Charset;

/// The character set of this name, 1115 if there is none. ascii is kept as latin1, utf8 as utf8mb4.
pub fn by_name(name: &str) -> Result<Charset> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "binary" => Charset::Binary,
        "latin1" | "ascii" => Charset::Latin1,
        "utf8" | "utf8mb3" | "utf8mb4" => Charset::Utf8mb4,
        _ => return Err(SqlError::new(codes::ER_UNKNOWN_CHARACTER_SET, format!("Unknown character set: '{name}'"))),
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
        SqlError::new(codes::ER_UNKNOWN_COLLATION, text)
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
        return Err(SqlError::new(codes::ER_COLLATION_CHARSET_MISMATCH, text));
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
    fn collations() {
        assert_eq!(of_collation("utf8mb4_bin").unwrap(), Charset::Utf8mb4);
        assert_eq!(of_collation("utf8mb4_0900_ai_ci").unwrap_err().errno, 1273);
        assert_eq!(resolve(Some("latin1"), Some("utf8mb4_bin")).unwrap_err().errno, 1253);
        assert_eq!(by_name("klingon").unwrap_err().errno, 1115);
    }
}
