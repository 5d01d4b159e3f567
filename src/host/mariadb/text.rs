//! Statements as text: the one way in which a value gets into one.
//!
//! Numbers are written as digits, everything else as a hexadecimal literal: nothing that a client sends is ever part of the grammar.

use crate::rows::sql::Param;

/// A statement with places for values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The text before, between and behind the values; one more than there are values.
    parts: Vec<String>,
}

impl Template {
    /// Takes each `?` outside quotes for the place of a value.
    pub fn new(sql: &str) -> Template {
        let (mut parts, mut quote) = (vec![String::new()], None);
        for letter in sql.chars() {
            match (quote, letter) {
                (None, '?') => {
                    parts.push(String::new());
                    continue;
                }
                (None, '`' | '\'' | '"') => quote = Some(letter),
                // A doubled quote closes and opens again.
                (Some(open), letter) if open == letter => quote = None,
                _ => {}
            }
            if let Some(last) = parts.last_mut() {
                last.push(letter);
            }
        }
        Template { parts }
    }

    /// Writes the statement with these values; `None` if there are not as many as places.
    pub fn fill(&self, params: &[Param<'_>], sql: &mut Vec<u8>) -> Option<()> {
        sql.clear();
        let (first, rest) = self.parts.split_first()?;
        if rest.len() != params.len() {
            return None;
        }
        sql.extend_from_slice(first.as_bytes());
        for (param, part) in params.iter().zip(rest) {
            write(param, sql);
            sql.extend_from_slice(part.as_bytes());
        }
        Some(())
    }
}

fn write(param: &Param<'_>, sql: &mut Vec<u8>) {
    match *param {
        Param::Null => sql.extend_from_slice(b"NULL"),
        Param::Int(value) => sql.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
        Param::UInt(value) => sql.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
        Param::Text(bytes) => {
            sql.extend_from_slice(b"_utf8mb4 ");
            hexadecimal(bytes, sql);
        }
        Param::Bytes(bytes) => hexadecimal(bytes, sql),
    }
}

fn hexadecimal(bytes: &[u8], sql: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    sql.reserve(2 * bytes.len() + 3);
    sql.extend_from_slice(b"x'");
    sql.extend(bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]));
    sql.push(b'\'');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_digits_only() {
        let mut sql = Vec::new();
        let template =
            Template::new("UPDATE `a?``?` SET a=?, b=CONVERT(? USING latin1) WHERE c=? AND d='?' AND e=? AND f=?");
        let params =
            [Param::Null, Param::Bytes(b"'; --\0\xff"), Param::Int(i64::MIN), Param::UInt(u64::MAX), Param::Text(b"")];
        template.fill(&params, &mut sql).unwrap();
        assert_eq!(
            String::from_utf8(sql.clone()).unwrap(),
            "UPDATE `a?``?` SET a=NULL, b=CONVERT(x'273b202d2d00ff' USING latin1) WHERE c=-9223372036854775808 AND d='?' \
             AND e=18446744073709551615 AND f=_utf8mb4 x''"
        );
        assert_eq!(template.fill(&params[..4], &mut sql), None);
        Template::new("COMMIT").fill(&[], &mut sql).unwrap();
        assert_eq!(sql, b"COMMIT");
    }
}
