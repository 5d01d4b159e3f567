//! Values while a statement runs: MySQL's numbers and strings, how they turn into each other, how they compare
//! and how they print. Strings compare by their bytes, as all collations of the engine do.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::decimal::Decimal;

/// A value of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Datum {
    /// SQL NULL.
    Null,
    /// An integer.
    Int(i64),
    /// An integer that may be beyond `i64`.
    UInt(u64),
    /// An exact number with a fraction.
    Decimal(Decimal),
    /// A floating-point number.
    Double(f64),
    /// Text is UTF-8; a binary column's value is any bytes.
    Bytes(Vec<u8>),
    /// A hexadecimal literal: a string, except that a number is what arithmetic sees.
    Hex(Vec<u8>),
}

/// A value seen as a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// Every BIGINT, signed or not, fits.
    Int(i128),
    Decimal(Decimal),
    Double(f64),
}

impl Number {
    /// As a floating-point number.
    pub fn to_f64(self) -> f64 {
        match self {
            Number::Int(n) => n as f64,
            Number::Decimal(d) => d.to_f64(),
            Number::Double(d) => d,
        }
    }

    /// As a decimal, if it is an exact number.
    pub fn to_decimal(self) -> Option<Decimal> {
        match self {
            Number::Int(n) => Some(Decimal::from_int(n)),
            Number::Decimal(d) => Some(d),
            Number::Double(_) => None,
        }
    }

    /// Rounded to an integer as MySQL stores into integer columns: exact numbers half away from zero, floating
    /// point to the even neighbour. Beyond the range of `i128` it saturates.
    pub fn round(self) -> i128 {
        match self {
            Number::Int(n) => n,
            Number::Decimal(d) => d.round(),
            Number::Double(d) => d.round_ties_even() as i128,
        }
    }
}

impl Datum {
    /// A boolean as MySQL has it.
    pub fn bool(value: bool) -> Datum {
        Datum::Int(i64::from(value))
    }

    /// Text.
    pub fn text(value: impl Into<String>) -> Datum {
        Datum::Bytes(value.into().into_bytes())
    }

    /// Whether this is SQL NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Datum::Null)
    }

    /// An integer that may be of either signedness; None if no BIGINT can hold it.
    pub fn from_i128(n: i128) -> Option<Datum> {
        i64::try_from(n).map(Datum::Int).or_else(|_| u64::try_from(n).map(Datum::UInt)).ok()
    }

    /// The bytes of the text form; None for NULL.
    pub fn as_bytes(&self) -> Option<Cow<'_, [u8]>> {
        Some(match self {
            Datum::Null => return None,
            Datum::Int(n) => Cow::Owned(n.to_string().into_bytes()),
            Datum::UInt(n) => Cow::Owned(n.to_string().into_bytes()),
            Datum::Decimal(d) => Cow::Owned(d.to_string().into_bytes()),
            Datum::Double(d) => Cow::Owned(double_text(*d).into_bytes()),
            Datum::Bytes(bytes) | Datum::Hex(bytes) => Cow::Borrowed(bytes),
        })
    }

    /// The bytes of the text form; None for NULL.
    pub fn into_bytes(self) -> Option<Vec<u8>> {
        match self {
            Datum::Bytes(bytes) | Datum::Hex(bytes) => Some(bytes),
            other => other.as_bytes().map(Cow::into_owned),
        }
    }

    /// The number arithmetic sees; None for NULL. A string counts as its numeric beginning, 0 without one.
    pub fn as_number(&self) -> Option<Number> {
        Some(match self {
            Datum::Null => return None,
            Datum::Int(n) => Number::Int(i128::from(*n)),
            Datum::UInt(n) => Number::Int(i128::from(*n)),
            Datum::Decimal(d) => Number::Decimal(*d),
            Datum::Double(d) => Number::Double(*d),
            Datum::Bytes(bytes) => Number::Double(parse_prefix(bytes).number.to_f64()),
            Datum::Hex(bytes) => Number::Int(hex_number(bytes)),
        })
    }

    /// True, false or unknown.
    pub fn truth(&self) -> Option<bool> {
        self.as_number().map(|n| n.to_f64() != 0.0)
    }

    /// MySQL's comparison; None if a side is NULL. Two strings compare as bytes; otherwise both are numbers, and a
    /// string that is wholly an integer keeps all its digits.
    pub fn compare(&self, other: &Datum) -> Option<Ordering> {
        if self.is_null() || other.is_null() {
            return None;
        }
        if let (Datum::Bytes(a) | Datum::Hex(a), Datum::Bytes(b) | Datum::Hex(b)) = (self, other) {
            return Some(a.cmp(b));
        }
        let (a, b) = (self.number_to_compare()?, other.number_to_compare()?);
        if let (Number::Int(a), Number::Int(b)) = (a, b) {
            return Some(a.cmp(&b));
        }
        match (a.to_decimal(), b.to_decimal()) {
            (Some(a), Some(b)) => Some(a.compare(b)),
            _ => a.to_f64().partial_cmp(&b.to_f64()),
        }
    }

    fn number_to_compare(&self) -> Option<Number> {
        match self {
            Datum::Bytes(bytes) => {
                let parsed = parse_prefix(bytes);
                let exact = parsed.rest == Rest::None && matches!(parsed.number, Number::Int(_));
                Some(if exact { parsed.number } else { Number::Double(parsed.number.to_f64()) })
            }
            other => other.as_number(),
        }
    }
}

/// A hexadecimal literal as a number: its last eight bytes, big-endian.
fn hex_number(bytes: &[u8]) -> i128 {
    let tail = bytes.get(bytes.len().saturating_sub(8)..).unwrap_or(bytes);
    i128::from(tail.iter().fold(0u64, |n, byte| n << 8 | u64::from(*byte)))
}

/// What stood behind the number in a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Nothing but spaces.
    None,
    /// Something else: the string is a number only in its beginning.
    Garbage,
    /// The string does not begin with a number.
    NotANumber,
}

/// A string seen as a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parsed {
    pub number: Number,
    pub rest: Rest,
}

/// Reads the number a string begins with.
pub fn parse_prefix(bytes: &[u8]) -> Parsed {
    let trimmed = bytes.trim_ascii_start();
    let digits = |from: usize| trimmed.iter().skip(from).take_while(|b| b.is_ascii_digit()).count();
    let sign = usize::from(matches!(trimmed.first(), Some(b'+' | b'-')));
    let whole = digits(sign);
    let mut end = sign + whole;
    let mut fraction = 0;
    if trimmed.get(end) == Some(&b'.') {
        fraction = digits(end + 1);
        if whole + fraction > 0 {
            end += 1 + fraction;
        }
    }
    if whole + fraction == 0 {
        return Parsed { number: Number::Int(0), rest: Rest::NotANumber };
    }
    let mantissa_end = end;
    if matches!(trimmed.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(trimmed.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    let text = trimmed.get(..end).and_then(|t| std::str::from_utf8(t).ok()).unwrap_or("0");
    let exact = if end != mantissa_end {
        None
    } else if mantissa_end == sign + whole {
        text.strip_prefix('+').unwrap_or(text).parse().ok().map(Number::Int)
    } else {
        Decimal::parse(text).map(Number::Decimal)
    };
    let number = exact.unwrap_or_else(|| Number::Double(text.parse().unwrap_or(0.0)));
    let blank = trimmed.iter().skip(end).all(u8::is_ascii_whitespace);
    Parsed { number, rest: if blank { Rest::None } else { Rest::Garbage } }
}

/// A floating-point number as MySQL prints it: the shortest text that reads back, with an exponent for the very
/// large and the very small.
pub fn double_text(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-15..1e15).contains(&size) {
        return format!("{value:e}");
    }
    if value == 0.0 { "0".to_owned() } else { format!("{value}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_as_numbers() {
        let cases: &[(&str, Number, Rest)] = &[
            ("12", Number::Int(12), Rest::None),
            (" -7 ", Number::Int(-7), Rest::None),
            ("+18446744073709551615", Number::Int(18_446_744_073_709_551_615), Rest::None),
            ("12abc", Number::Int(12), Rest::Garbage),
            ("abc", Number::Int(0), Rest::NotANumber),
            ("", Number::Int(0), Rest::NotANumber),
            ("-", Number::Int(0), Rest::NotANumber),
            (".", Number::Int(0), Rest::NotANumber),
            ("1e3", Number::Double(1000.0), Rest::None),
            ("1e", Number::Int(1), Rest::Garbage),
            ("1.50", Number::Decimal(Decimal::parse("1.50").unwrap()), Rest::None),
        ];
        for (text, number, rest) in cases {
            assert_eq!(parse_prefix(text.as_bytes()), Parsed { number: *number, rest: *rest }, "{text:?}");
        }
    }

    #[test]
    fn comparisons() {
        let text = |s: &str| Datum::text(s);
        let cases = [
            (text("a"), text("A"), Some(Ordering::Greater)),
            (text("10"), text("9"), Some(Ordering::Less)),
            (text("10"), Datum::Int(9), Some(Ordering::Greater)),
            (text("abc"), Datum::Int(0), Some(Ordering::Equal)),
            (text("9007199254740993"), Datum::Int(9_007_199_254_740_992), Some(Ordering::Greater)),
            (Datum::Int(-1), Datum::UInt(u64::MAX), Some(Ordering::Less)),
            (Datum::Hex(vec![0x41]), text("A"), Some(Ordering::Equal)),
            (Datum::Hex(vec![0x41]), Datum::Int(65), Some(Ordering::Equal)),
            (Datum::Null, Datum::Null, None),
        ];
        for (a, b, expected) in cases {
            assert_eq!(a.compare(&b), expected, "{a:?} {b:?}");
        }
    }

    #[test]
    fn doubles_print_as_in_mysql() {
        for (value, text) in
            [(0.1, "0.1"), (1e15, "1e15"), (-2.5, "-2.5"), (1e-16, "1e-16"), (100.0, "100"), (-0.0, "0")]
        {
            assert_eq!(double_text(value), text);
        }
    }
}
