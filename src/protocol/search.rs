//! Finding a byte that is near.

use crate::places::{WIDE, places};

/// Bytes in which one is looked for here; behind them `memchr` is quicker.
const NEAR: usize = 64;

/// Where `byte` first is in `text`. Most words and lines are short: there this ends before `memchr` has begun.
#[inline]
pub(super) fn find(byte: u8, text: &[u8]) -> Option<usize> {
    let (chunks, tail) = text.as_chunks::<WIDE>();
    for (i, chunk) in chunks.iter().enumerate() {
        if i == NEAR / WIDE {
            return find_far(byte, text);
        }
        let same = places(chunk, byte);
        if same != 0 {
            return Some(WIDE * i + same.trailing_zeros() as usize);
        }
    }
    tail.iter().position(|other| *other == byte).map(|at| WIDE * chunks.len() + at)
}

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
    let (chunks, tail) = input.as_chunks::<WIDE>();
    let mut blanks = 0;
    for (chunk, at) in chunks.iter().zip((0..NEAR).step_by(WIDE)) {
        blanks |= u64::from(places(chunk, b' ')) << at;
        let ends = places(chunk, b'\n');
        if ends != 0 {
            return Some(NearLine { end: at + ends.trailing_zeros() as usize, blanks });
        }
    }
    let at = WIDE * chunks.len();
    if at >= NEAR || tail.is_empty() {
        return None;
    }
    // The last bytes once more with some before them, or all there are.
    let (chunk, known) = match input.last_chunk::<WIDE>() {
        Some(last) => (*last, WIDE - tail.len()),
        None => (std::array::from_fn(|i| tail.get(i).copied().unwrap_or(0)), 0),
    };
    let ends = places(&chunk, b'\n') >> known;
    let blanks = blanks | u64::from(places(&chunk, b' ') >> known) << at;
    (ends != 0).then(|| NearLine { end: at + ends.trailing_zeros() as usize, blanks })
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
            for from in 0..text.len().min(17) {
                let text = &text[from..];
                prop_assert_eq!(find(byte, text), text.iter().position(|other| *other == byte));
            }
        }
    }
}
