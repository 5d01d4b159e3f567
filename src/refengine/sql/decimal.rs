//! Exact decimal numbers: what `1.5` is and what `/` gives. 38 digits; whoever needs more gets a floating-point
//! number from the caller.

use std::cmp::Ordering;
use std::fmt;

/// How many digits `/` adds to the left side's, as MySQL's div_precision_increment.
const DIVISION_DIGITS: u32 = 4;
/// MySQL's largest scale.
const MAX_SCALE: u32 = 30;

/// `mantissa / 10^scale`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decimal {
    mantissa: i128,
    scale: u32,
}

impl Decimal {
    /// An integer.
    pub fn from_int(mantissa: i128) -> Decimal {
        Decimal { mantissa, scale: 0 }
    }

    /// Reads `[+-]digits[.digits]`; None if it is something else or too long.
    pub fn parse(text: &str) -> Option<Decimal> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let scale = u32::try_from(fraction.len()).ok().filter(|scale| *scale <= MAX_SCALE)?;
        let joined = format!("{whole}{fraction}");
        let mantissa = joined.strip_prefix('+').unwrap_or(&joined).parse().ok()?;
        Some(Decimal { mantissa, scale })
    }

    /// The nearest floating-point number.
    pub fn to_f64(self) -> f64 {
        self.to_string().parse().unwrap_or(0.0)
    }

    /// Half away from zero.
    pub fn round(self) -> i128 {
        10i128.checked_pow(self.scale).map_or(0, |unit| div_round(self.mantissa, unit))
    }

    fn aligned(self, other: Decimal) -> Option<(i128, i128, u32)> {
        let scale = self.scale.max(other.scale);
        let widen = |d: Decimal| d.mantissa.checked_mul(10i128.checked_pow(scale - d.scale)?);
        Some((widen(self)?, widen(other)?, scale))
    }

    /// `self + other`, None on overflow.
    pub fn add(self, other: Decimal) -> Option<Decimal> {
        let (a, b, scale) = self.aligned(other)?;
        Some(Decimal { mantissa: a.checked_add(b)?, scale })
    }

    /// `self - other`, None on overflow.
    pub fn sub(self, other: Decimal) -> Option<Decimal> {
        let (a, b, scale) = self.aligned(other)?;
        Some(Decimal { mantissa: a.checked_sub(b)?, scale })
    }

    /// `self * other`, None on overflow.
    pub fn mul(self, other: Decimal) -> Option<Decimal> {
        let scale = self.scale.checked_add(other.scale).filter(|scale| *scale <= MAX_SCALE)?;
        Some(Decimal { mantissa: self.mantissa.checked_mul(other.mantissa)?, scale })
    }

    /// `self / other` rounded half away from zero, None on overflow; `other` is not zero.
    pub fn div(self, other: Decimal) -> Option<Decimal> {
        let scale = (self.scale + DIVISION_DIGITS).min(MAX_SCALE);
        let widen = 10i128.checked_pow(scale + other.scale - self.scale)?;
        let numerator = self.mantissa.checked_mul(widen)?;
        if other.mantissa == 0 {
            return None;
        }
        Some(Decimal { mantissa: div_round(numerator, other.mantissa), scale })
    }

    /// The remainder with the sign of `self`, None on overflow; `other` is not zero.
    pub fn rem(self, other: Decimal) -> Option<Decimal> {
        let (a, b, scale) = self.aligned(other)?;
        Some(Decimal { mantissa: a.checked_rem(b)?, scale })
    }

    /// `self / other` cut to an integer, None on overflow; `other` is not zero.
    pub fn div_integer(self, other: Decimal) -> Option<i128> {
        let (a, b, _) = self.aligned(other)?;
        a.checked_div(b)
    }

    /// `-self`, None on overflow.
    pub fn neg(self) -> Option<Decimal> {
        Some(Decimal { mantissa: self.mantissa.checked_neg()?, scale: self.scale })
    }

    /// By value: 1.0 equals 1.
    pub fn compare(self, other: Decimal) -> Ordering {
        match self.aligned(other) {
            Some((a, b, _)) => a.cmp(&b),
            None => self.to_f64().total_cmp(&other.to_f64()),
        }
    }
}

fn div_round(numerator: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (numerator.wrapping_div(divisor), numerator.wrapping_rem(divisor));
    let up = rest.unsigned_abs() >= divisor.unsigned_abs().div_ceil(2);
    let sign = numerator.signum() * divisor.signum();
    if up && rest != 0 { quotient + sign } else { quotient }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let scale = self.scale as usize;
        let digits = format!("{:0>width$}", self.mantissa.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        if scale == 0 { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{fraction}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn arithmetic() {
        assert_eq!(d("1").div(d("3")).unwrap().to_string(), "0.3333");
        assert_eq!(d("2").div(d("3")).unwrap().to_string(), "0.6667");
        assert_eq!(d("-1").div(d("8")).unwrap().to_string(), "-0.1250");
        assert_eq!(d("1.5").add(d("2.25")).unwrap().to_string(), "3.75");
        assert_eq!(d("1.5").mul(d("-2")).unwrap().to_string(), "-3.0");
        assert_eq!(d("7.5").rem(d("2")).unwrap().to_string(), "1.5");
        assert_eq!(d("-7").div_integer(d("2")), Some(-3));
        assert_eq!(d("-0.05").to_string(), "-0.05");
        assert_eq!((d("2.5").round(), d("-2.5").round(), d("2.49").round()), (3, -3, 2));
        assert_eq!(d("1.0").compare(d("1")), Ordering::Equal);
        assert!(d("99999999999999999999999999999999999999").mul(d("10")).is_none());
    }
}
