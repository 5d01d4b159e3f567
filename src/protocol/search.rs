//! Finding a byte that is near.

/// Bytes in which it is looked for word by word; behind them `memchr` is quicker.
const NEAR: usize = 64;

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);

/// Where `byte` first is in `text`. Most words and lines are short: there this ends before `memchr` has begun.
#[inline]
pub(super) fn find(byte: u8, text: &[u8]) -> Option<usize> {
    let (words, tail) = text.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        if i == NEAR / 8 {
            return find_far(byte, text);
        }
        // Its bytes that are zero have their top bit set afterwards; so may others, but only above the first of them.
        let different = u64::from_le_bytes(*word) ^ (ONES * u64::from(byte));
        let same = different.wrapping_sub(ONES) & !different & TOPS;
        if same != 0 {
            return Some(8 * i + same.trailing_zeros() as usize / 8);
        }
    }
    tail.iter().position(|other| *other == byte).map(|at| 8 * words.len() + at)
}

#[cold]
fn find_far(byte: u8, text: &[u8]) -> Option<usize> {
    memchr::memchr(byte, text.get(NEAR..).unwrap_or_default()).map(|at| NEAR + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_one_is_found(text in prop::collection::vec(prop::sample::select(&[0u8, 1, b' ', b'!', 0x80, 0xa0, 0xff][..]), 0..200), byte in prop::sample::select(&[0u8, b' ', b'\n', 0x80, 0xff][..])) {
            for from in 0..text.len().min(9) {
                let text = &text[from..];
                prop_assert_eq!(find(byte, text), text.iter().position(|other| *other == byte));
            }
        }
    }
}
