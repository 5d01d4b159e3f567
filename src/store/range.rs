//! Key ranges: `@>k`, `@>=k`, `@<k`, `@<=k`, and two of them together in either order.

use super::container::Container;
use crate::rows::ColumnKind;
use std::ops::Bound;

/// The keys that a get asks for by their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRange<'k> {
    /// Where it begins.
    pub lower: Bound<&'k [u8]>,
    /// Where it ends.
    pub upper: Bound<&'k [u8]>,
}

impl<'k> KeyRange<'k> {
    /// Every key.
    pub const ALL: KeyRange<'static> = KeyRange { lower: Bound::Unbounded, upper: Bound::Unbounded };

    /// Whether a key is a range.
    #[inline]
    pub fn is_range(key: &[u8]) -> bool {
        matches!(key, [b'@', b'<' | b'>', ..])
    }

    /// Reads a range.
    ///
    /// # Errors
    /// A bound without a key, two bounds of one direction or more than two bounds; the sentence is for the client.
    pub fn parse(text: &'k [u8]) -> Result<KeyRange<'k>, &'static str> {
        const USAGE: &str = "a range is @>k, @>=k, @<k, @<=k or two of them, e.g. @>=a@<b";
        let mut range = KeyRange::ALL;
        let mut rest = text;
        while !rest.is_empty() {
            let (greater, after) = match rest {
                [b'@', b'>', after @ ..] => (true, after),
                [b'@', b'<', after @ ..] => (false, after),
                _ => return Err(USAGE),
            };
            let (inclusive, after) = match after {
                [b'=', after @ ..] => (true, after),
                _ => (false, after),
            };
            let end = (0..after.len()).find(|i| KeyRange::is_range(&after[*i..])).unwrap_or(after.len());
            let (key, next) = after.split_at(end);
            let bound = if greater { &mut range.lower } else { &mut range.upper };
            if key.is_empty() || *bound != Bound::Unbounded {
                return Err(USAGE);
            }
            *bound = if inclusive { Bound::Included(key) } else { Bound::Excluded(key) };
            rest = next;
        }
        Ok(range)
    }

    /// Whether `key`, in the text form that clients see, is not beyond the end.
    pub(super) fn contains_below(&self, container: &Container, key: &[u8]) -> bool {
        let (Bound::Included(end) | Bound::Excluded(end)) = self.upper else { return true };
        let column = &container.table.columns[container.table.key];
        let order = match column.kind {
            ColumnKind::Int { .. } => number(key).cmp(&number(end)),
            _ => key.cmp(end),
        };
        match self.upper {
            Bound::Included(_) => order.is_le(),
            _ => order.is_lt(),
        }
    }
}

/// A decimal number as it orders; what is none stands behind all numbers.
fn number(text: &[u8]) -> i128 {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Bound::{Excluded, Included, Unbounded};

    #[test]
    fn bounds_stand_in_either_order() {
        for (text, lower, upper) in [
            ("@>a", Excluded("a"), Unbounded),
            ("@>=a", Included("a"), Unbounded),
            ("@<a", Unbounded, Excluded("a")),
            ("@<=a", Unbounded, Included("a")),
            ("@>a@<b", Excluded("a"), Excluded("b")),
            ("@<=b@>=a", Included("a"), Included("b")),
            ("@>=a@b@<c@d", Included("a@b"), Excluded("c@d")),
        ] {
            let range = KeyRange::parse(text.as_bytes()).unwrap();
            assert_eq!((range.lower, range.upper), (lower.map(str::as_bytes), upper.map(str::as_bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["@>", "@>=", "@>a@>b", "@<a@<b", "@>a@<b@>c", "@<a@>"] {
            assert!(KeyRange::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(!KeyRange::is_range(b"@a") && !KeyRange::is_range(b"@") && KeyRange::is_range(b"@>"));
    }
}
