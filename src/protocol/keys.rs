//! The keys of a read, as they stand in their line.

use super::limits::{KEY_MAX, KEYS_MAX};
use super::line::{Args, trim_end};

/// The keys of a read: at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys<'a> {
    first: &'a [u8],
    /// What follows the first key, from a space to the end of the last key.
    rest: &'a [u8],
    count: usize,
    /// Whether one of them begins with `@`.
    marked: bool,
}

impl<'a> Keys<'a> {
    /// A single key.
    #[inline]
    pub fn one(key: &'a [u8]) -> Keys<'a> {
        Keys { first: key, rest: b"", count: 1, marked: is_marked(key) }
    }

    /// Whether one of them may name a container, as all that do begin with `@`; at no cost.
    #[inline]
    pub fn may_name_container(&self) -> bool {
        self.marked
    }

    /// How many there are, at no cost.
    #[inline]
    pub fn len_hint(&self) -> usize {
        self.count
    }

    /// The first key.
    #[inline]
    pub fn first(&self) -> &'a [u8] {
        self.first
    }

    /// Whether there is only one.
    #[inline]
    pub fn is_single(&self) -> bool {
        self.count == 1
    }
}

impl<'a> Keys<'a> {
    /// `None` when there is no key or one is too long.
    #[inline]
    pub(super) fn new(rest: &'a [u8]) -> Option<Self> {
        let mut args = Args(rest);
        let first = args.next().filter(|key| key.len() <= KEY_MAX)?;
        let rest = trim_end(args.0);
        let (mut count, mut marked) = (1, is_marked(first));
        for key in Args(rest) {
            if key.len() > KEY_MAX {
                return None;
            }
            count += 1;
            marked |= is_marked(key);
        }
        Some(Keys { first, rest, count, marked })
    }

    /// The first [`KEYS_MAX`] keys at most, and what stands behind them. `None` as for `new`.
    pub(super) fn first_of(text: &'a [u8]) -> Option<SomeKeys<'a>> {
        let mut args = Args(text);
        let first = args.next().filter(|key| key.len() <= KEY_MAX)?;
        let (rest, mut count, mut marked) = (args.0, 1, is_marked(first));
        while count < KEYS_MAX
            && let Some(key) = args.next()
        {
            if key.len() > KEY_MAX {
                return None;
            }
            count += 1;
            marked |= is_marked(key);
        }
        let rest = rest.get(..rest.len() - args.0.len()).unwrap_or_default();
        Some(SomeKeys { keys: Keys { first, rest, count, marked }, behind: args.0 })
    }

    /// The keys in the client's order, doubles included.
    #[inline]
    pub fn iter(&self) -> KeyIter<'a> {
        KeyIter { first: Some(self.first), rest: Args(self.rest), left: self.count }
    }
}

#[inline]
fn is_marked(key: &[u8]) -> bool {
    key.first() == Some(&b'@')
}

/// Keys from the front of a line, and what stands behind them.
pub(super) struct SomeKeys<'a> {
    pub(super) keys: Keys<'a>,
    pub(super) behind: &'a [u8],
}

impl<'a> IntoIterator for Keys<'a> {
    type Item = &'a [u8];
    type IntoIter = KeyIter<'a>;

    fn into_iter(self) -> KeyIter<'a> {
        self.iter()
    }
}

/// Iterator over the keys of a [`Keys`].
pub struct KeyIter<'a> {
    first: Option<&'a [u8]>,
    rest: Args<'a>,
    left: usize,
}

impl<'a> Iterator for KeyIter<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let key = self.first.take().or_else(|| self.rest.next())?;
        self.left -= 1;
        Some(key)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for KeyIter<'_> {}

/// Which part of a line of keys a read has: a long line is several reads, one behind the other, with one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// The first of several.
    First,
    /// One between others.
    Middle,
    /// The last of several.
    Last,
}

impl Part {
    /// Whether the line begins with it.
    #[inline]
    pub fn begins(self) -> bool {
        matches!(self, Part::Whole | Part::First)
    }

    /// Whether the line ends with it.
    #[inline]
    pub fn ends(self) -> bool {
        matches!(self, Part::Whole | Part::Last)
    }
}

/// Room for a key that has to be decoded.
pub type KeyBuffer = [u8; KEY_MAX];
