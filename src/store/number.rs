//! Numbers that clients send as text: keys and values of integer columns, and counters.

use crate::rows::Cell;

/// A decimal integer that fits a column of `bytes` bytes.
pub fn int_cell(text: &[u8], bytes: u8, unsigned: bool) -> Option<Cell<'static>> {
    let text = std::str::from_utf8(text).ok().filter(|t| !t.starts_with('+'))?;
    let bits = 8 * u32::from(bytes.clamp(1, 8));
    if unsigned {
        text.parse::<u64>().ok().filter(|v| bits == 64 || v >> bits == 0).map(Cell::UInt)
    } else {
        text.parse::<i64>().ok().filter(|v| *v << (64 - bits) >> (64 - bits) == *v).map(Cell::Int)
    }
}

/// Decimal digits, perhaps with space and more behind them.
pub fn parse_number(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.iter().position(|b| !b.is_ascii_digit()).unwrap_or(bytes.len());
    if bytes.get(digits).is_some_and(|b| !b.is_ascii_whitespace()) {
        return None;
    }
    std::str::from_utf8(&bytes[..digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_taken_only_in_range() {
        for (text, bytes, unsigned, expected) in [
            ("127", 1, false, Some(Cell::Int(127))),
            ("128", 1, false, None),
            ("-128", 1, false, Some(Cell::Int(-128))),
            ("255", 1, true, Some(Cell::UInt(255))),
            ("256", 1, true, None),
            ("-1", 8, true, None),
            ("18446744073709551615", 8, true, Some(Cell::UInt(u64::MAX))),
            ("18446744073709551616", 8, true, None),
            ("+1", 4, false, None),
            ("", 4, false, None),
            ("1 ", 4, false, None),
        ] {
            assert_eq!(int_cell(text.as_bytes(), bytes, unsigned), expected, "{text:?}");
        }
    }
}
