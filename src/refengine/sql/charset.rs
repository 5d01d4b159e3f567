//! Character sets and collations by name.

use super::error::{Result, SqlError};
use crate::refengine::codes;
use crate::refengine::types::Charset;

/// The character set of this name, 1115 if there is none.
pub fn by_name(name: &str) -> Result<Charset> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "binary" => Charset::Binary,
        "latin1" => Charset::Latin1,
        "ascii" => Charset::Ascii,
        "utf8" | "utf8mb3" => Charset::Utf8mb3,
        "utf8mb4" => Charset::Utf8mb4,
        _ => return Err(SqlError::new(codes::ER_UNKNOWN_CHARACTER_SET, format!("Unknown character set: '{name}'"))),
    })
}

/// The character set a collation belongs to; 1273 for one of no name that MySQL or MariaDB give.
pub fn of_collation(name: &str) -> Result<Charset> {
    let lower = name.to_ascii_lowercase();
    let charset = if lower == "binary" { "binary" } else { lower.split('_').next().unwrap_or_default() };
    let known = lower == "binary" || ["_bin", "_ci", "_cs"].iter().any(|end| lower.ends_with(end));
    by_name(charset)
        .ok()
        .filter(|_| known)
        .ok_or_else(|| SqlError::new(codes::ER_UNKNOWN_COLLATION, format!("Unknown collation: '{name}'")))
}

/// Whether a collation compares otherwise than by bytes. Columns may have one as long as nothing here compares them: no key may.
pub fn is_folding(collation: &str) -> bool {
    let lower = collation.to_ascii_lowercase();
    lower != "binary" && !lower.ends_with("_bin")
}

/// 1273 for a key on such a column.
pub fn folding_key(column: &str, collation: &str) -> SqlError {
    let text = format!(
        "Column '{column}' is part of a key and has the collation {collation}, but this engine compares keys by bytes: \
         give the column COLLATE utf8mb4_bin, after a look whether keys that differ only in case or accents are meant to be one"
    );
    SqlError::new(codes::ER_UNKNOWN_COLLATION, text)
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
        Charset::Utf8mb3 => ("utf8mb3", "utf8mb3_bin"),
        Charset::Ascii => ("ascii", "ascii_bin"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collations() {
        assert_eq!(of_collation("utf8mb4_bin").unwrap(), Charset::Utf8mb4);
        for name in ["utf8mb4_0900_ai_ci", "utf8mb4_general_ci", "utf8mb4_uca1400_ai_ci"] {
            assert_eq!(of_collation(name).unwrap(), Charset::Utf8mb4, "{name}");
            assert!(is_folding(name), "{name}");
        }
        assert_eq!(of_collation("latin1_swedish_ci").unwrap(), Charset::Latin1);
        assert_eq!(of_collation("utf8_general_ci").unwrap(), Charset::Utf8mb3);
        assert_eq!(of_collation("ascii_general_ci").unwrap(), Charset::Ascii);
        assert!(!is_folding("BINARY") && !is_folding("utf8mb4_0900_bin"));
        for name in ["utf8mb4_nonsense", "klingon_ci", "utf8mb4"] {
            assert_eq!(of_collation(name).unwrap_err().errno, 1273, "{name}");
        }
        assert_eq!(resolve(Some("latin1"), Some("utf8mb4_bin")).unwrap_err().errno, 1253);
        assert_eq!(by_name("klingon").unwrap_err().errno, 1115);
    }
}
