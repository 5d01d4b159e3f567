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
    let mut number = None::<u64>;
    for byte in bytes {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return number.filter(|_| byte.is_ascii_whitespace());
        }
        number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(u64::from(digit))?);
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_digits_with_space_behind_them() {
        for (text, expected) in [
            ("0", Some(0)),
            ("007 apples", Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("99999999999999999999", None),
            ("12a", None),
            ("-1", None),
            (" 1", None),
            ("1\t", Some(1)),
            ("", None),
        ] {
            assert_eq!(parse_number(text.as_bytes()), expected, "{text:?}");
        }
    }

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
