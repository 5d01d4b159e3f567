//! A line of text: what it says of what follows it, its words and its numbers.

use super::limits::BLOCK_MAX;
use super::search::find;

/// What a line says, beside the request that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// All of a request.
    Complete,
    /// A storage command; its data block of this many bytes follows.
    Block { length: usize },
    /// A storage command that is wrong but for its length; its data block follows.
    RefusedBlock { length: usize },
    /// Not memcached at all but HTTP.
    Foreign,
}

#[inline]
pub(super) fn trim_end(mut text: &[u8]) -> &[u8] {
    while let [head @ .., b' '] = text {
        text = head;
    }
    text
}

#[inline]
pub(super) fn trim_start(mut text: &[u8]) -> &[u8] {
    while let [b' ', tail @ ..] = text {
        text = tail;
    }
    text
}

#[inline]
pub(super) fn trim(text: &[u8]) -> &[u8] {
    trim_start(trim_end(text))
}

/// The arguments that are left of a line.
pub(super) struct Args<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Args<'a> {
    type Item = &'a [u8];

    /// The next argument, never empty.
    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let text = trim_start(self.0);
        if text.is_empty() {
            self.0 = text;
            return None;
        }
        let end = find(b' ', text).unwrap_or(text.len());
        let (arg, rest) = text.split_at(end);
        self.0 = rest;
        Some(arg)
    }
}

/// What is left of a line, word by word.
pub(super) trait Arguments<'a>: Iterator<Item = &'a [u8]> {
    /// What follows the last word.
    fn rest(&self) -> &'a [u8];
}

impl<'a> Arguments<'a> for Args<'a> {
    fn rest(&self) -> &'a [u8] {
        self.0
    }
}

/// The words of a line of less than 64 bytes whose blanks are known.
pub(super) struct Words<'a> {
    line: &'a [u8],
    /// A bit for each blank, and one behind the line.
    blanks: u64,
    at: usize,
}

impl<'a> Words<'a> {
    /// Those behind the first `at` bytes. `blanks` has a bit for each blank; what it has behind the line does not matter.
    #[inline]
    pub(super) fn new(line: &'a [u8], blanks: u64, at: usize) -> Words<'a> {
        let end = 1u64.checked_shl(line.len() as u32).unwrap_or(0);
        Words { line, blanks: blanks & end.wrapping_sub(1) | end, at }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let start = self.at + (!self.blanks).checked_shr(self.at as u32)?.trailing_zeros() as usize;
        if start >= self.line.len() {
            return None;
        }
        self.at = start + (self.blanks >> start).trailing_zeros() as usize;
        self.line.get(start..self.at)
    }
}

impl<'a> Arguments<'a> for Words<'a> {
    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.line.get(self.at..).unwrap_or_default()
    }
}

#[inline]
pub(super) fn block_length(text: &[u8]) -> Option<usize> {
    let length = u64::try_from(signed(text)?).ok()?;
    usize::try_from(length).ok().filter(|_| length <= BLOCK_MAX)
}

#[inline]
pub(super) fn signed(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', digits @ ..] => 0i64.checked_sub_unsigned(unsigned(digits)?),
        digits => i64::try_from(unsigned(digits)?).ok(),
    }
}

#[inline]
pub(super) fn unsigned(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let digit = |byte: u8| Some(u64::from(byte.wrapping_sub(b'0'))).filter(|digit| *digit <= 9);
    // 19 digits are below 2^64 whatever they are.
    if text.len() <= 19 {
        return text.iter().try_fold(0, |number, byte| Some(number * 10 + digit(*byte)?));
    }
    text.iter().try_fold(0u64, |number, byte| number.checked_mul(10)?.checked_add(digit(*byte)?))
}
