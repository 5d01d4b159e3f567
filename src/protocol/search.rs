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
        let same = zeroes(u64::from_le_bytes(*word) ^ (ONES * u64::from(byte)));
        if same != 0 {
            return Some(8 * i + same.trailing_zeros() as usize / 8);
        }
    }
    tail.iter().position(|other| *other == byte).map(|at| 8 * words.len() + at)
}

/// Bytes in which [`near_line`] looks.
const LINE: usize = 64;

/// A line that ends near.
pub(super) struct NearLine {
    /// Where its newline is.
    pub(super) end: usize,
    /// A bit for each of the first 64 bytes of the input that is a blank; not all of those behind the line are told.
    pub(super) blanks: u64,
}

/// The line that `input` begins with, if its newline is among the first 64 bytes.
#[inline]
pub(super) fn near_line(input: &[u8]) -> Option<NearLine> {
    let (words, tail) = input.as_chunks::<8>();
    let mut blanks = 0;
    for (word, at) in words.iter().zip((0..LINE).step_by(8)) {
        let word = u64::from_le_bytes(*word);
        blanks |= places(word, b' ') << at;
        let ends = zeroes(word ^ (ONES * u64::from(b'\n')));
        if ends != 0 {
            return Some(NearLine { end: at + ends.trailing_zeros() as usize / 8, blanks });
        }
    }
    let at = 8 * words.len();
    if at >= LINE || tail.is_empty() {
        return None;
    }
    let word = tail.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    let ends = zeroes(word ^ (ONES * u64::from(b'\n')));
    (ends != 0)
        .then(|| NearLine { end: at + ends.trailing_zeros() as usize / 8, blanks: blanks | places(word, b' ') << at })
}

/// The top bit of the first byte that is zero, and perhaps of some above it.
#[inline(always)]
fn zeroes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & TOPS
}

/// Which bytes of a word are `byte`, a bit for each.
#[inline(always)]
fn places(word: u64, byte: u8) -> u64 {
    let different = word ^ (ONES * u64::from(byte));
    let same = !(((different & !TOPS) + !TOPS) | different | !TOPS);
    // Brings the top bits together in the highest byte.
    (same >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
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
        fn a_near_line_has_its_end_and_its_blanks(text in prop::collection::vec(prop::sample::select(&[0u8, 1, b' ', b'\n', b'\r', b'a', 0x8a, 0xa0, 0xff][..]), 0..100)) {
            let end = text.iter().take(64).position(|byte| *byte == b'\n');
            let found = near_line(&text);
            prop_assert_eq!(found.as_ref().map(|line| line.end), end);
            if let Some(NearLine { end, blanks }) = found {
                let expected = text[..end].iter().rev().fold(0, |blanks, byte| blanks << 1 | u64::from(*byte == b' '));
                prop_assert_eq!(blanks & ((1 << end) - 1), expected);
            }
        }

        #[test]
        fn the_first_one_is_found(text in prop::collection::vec(prop::sample::select(&[0u8, 1, b' ', b'!', 0x80, 0xa0, 0xff][..]), 0..200), byte in prop::sample::select(&[0u8, b' ', b'\n', 0x80, 0xff][..])) {
            for from in 0..text.len().min(9) {
                let text = &text[from..];
                prop_assert_eq!(find(byte, text), text.iter().position(|other| *other == byte));
            }
        }
    }
}
