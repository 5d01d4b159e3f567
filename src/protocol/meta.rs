//! The meta commands `mn me mg ms md ma`: one line to one [`Request`], and the replies.
//!
//! A flag is one letter and the token behind it. What memcached 1.6.45 does with them holds here: every command takes every flag that any
//! of them knows and ignores those that mean nothing to it; each at most once; an error is answered with `q` too. The tokens become
//! parts of the operation; the text of the flags is kept for the reply, which repeats them in the client's order.
//!
//! Rules that are ours: tokens that are times may be any 64-bit number; an opaque may have the 32 bytes that protocol.txt promises, where
//! memcached counts its letter too; a wrong flag of `ms` never leaves the data block to be taken for commands; a base64 key is answered
//! as the client spelled it.

use super::keys::{Keys, Part};
use super::limits::KEY_MAX;
use super::line::{Args, Line, block_length, signed, unsigned};
use super::operation::{Arith, Delete, Get, Initial, Operation, Removal, Renewal, Storage, StoreMode, Tells};
use super::style::{Flags, bit};
use super::{MetaStyle, Request, Style, base64, reply as words};

pub(super) mod reply;
#[cfg(test)]
pub(super) mod tests;

/// Longest opaque token in bytes.
const OPAQUE_MAX: usize = 32;

/// Most words of a line: the command, the key, the length of an `ms`, the flags.
const WORDS_MAX: usize = 20;

/// Letters that are a flag of some command.
const KNOWN: u64 = {
    let letters = b"bcfhklqstuvxCDEFIJLMNOPRT";
    let (mut known, mut i) = (0, 0);
    while i < letters.len() {
        known |= 1 << (letters[i] - b'A');
        i += 1;
    }
    known
};

/// A bad flag as `mg`, `ms` and `md` word it; `ma` has one sentence for all of them.
const DUPLICATE_FLAG: &[u8] = b"CLIENT_ERROR duplicate flag\r\n";
const INVALID_FLAG: &[u8] = b"CLIENT_ERROR invalid flag\r\n";
const INVALID_OR_DUPLICATE_FLAG: &[u8] = b"CLIENT_ERROR invalid or duplicate flag\r\n";
const TOO_MANY_FLAGS: &[u8] = b"CLIENT_ERROR options flags are too long\r\n";
const BAD_BASE64: &[u8] = b"CLIENT_ERROR error decoding key\r\n";
const BAD_TOKEN: &[u8] = b"CLIENT_ERROR bad token in command line format\r\n";
const BAD_DELTA: &[u8] = b"CLIENT_ERROR invalid numeric delta value\r\n";
const BAD_INITIAL: &[u8] = b"CLIENT_ERROR invalid numeric initial value\r\n";
const OPAQUE_TOO_LONG: &[u8] = b"CLIENT_ERROR opaque token too long\r\n";
const BAD_SET_MODE: &[u8] = b"CLIENT_ERROR invalid mode for ms M token\r\n";
const BAD_ARITH_MODE: &[u8] = b"CLIENT_ERROR invalid mode for ma M token\r\n";

/// Which command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `mn`: nothing but a reply, behind those of all requests before it.
    Noop,
    /// `me`: what is known of an item, in words.
    Debug,
    /// `mg`: read, perhaps touch or create.
    Get,
    /// `ms`: store.
    Set,
    /// `md`: delete, or mark as stale.
    Delete,
    /// `ma`: count up or down, perhaps create.
    Arith,
}

/// Reads what stands behind the verb.
pub(super) fn line<'a>(verb: Verb, rest: &'a [u8], into: &mut Request<'a>) -> Line {
    let mut args = Args(rest);
    if verb == Verb::Noop {
        // Whatever else stands there.
        let style = MetaStyle { key: b"", flags: Flags { text: b"", set: 0 } };
        *into = Request { operation: Operation::Noop, style: Style::Meta(style) };
        return Line::Complete;
    }
    // What is wrong behind the length of an `ms` does not make commands of its data.
    let (key, length) = (args.next(), if verb == Verb::Set { args.next().map(block_length) } else { None });
    let (Some(key), Some(length)) = (key, if verb == Verb::Set { length.flatten().map(Some) } else { Some(None) })
    else {
        *into = Request::refused(words::BAD_FORMAT);
        return Line::Complete;
    };
    let made = request(verb, key, args);
    let right = made.is_ok();
    *into = made.unwrap_or_else(Request::refused);
    match length {
        None => Line::Complete,
        Some(length) if right => Line::Block { length },
        Some(length) => Line::RefusedBlock { length },
    }
}

/// # Errors
/// The reply to a line that is wrong.
fn request<'a>(verb: Verb, key: &'a [u8], args: Args<'a>) -> Result<Request<'a>, &'static [u8]> {
    let text = args.0;
    if key.len() > KEY_MAX || !Args(text).all(|word| matches!(word.first(), Some(b'0'..=b'9' | b'A'..=b'z'))) {
        return Err(words::BAD_FORMAT);
    }
    let set = match verb {
        // It ignores what it does not know.
        Verb::Debug => Args(text).fold(0, |set, word| set | word.first().map_or(0, |letter| bit(*letter))),
        _ => flag_set(text, WORDS_MAX - if verb == Verb::Set { 3 } else { 2 }).map_err(|error| worded(verb, error))?,
    };
    let style = MetaStyle { key, flags: Flags { text, set } };
    if style.has(b'b') && base64::decode(key, &mut [0; KEY_MAX]).is_none() {
        return Err(worded(verb, BAD_BASE64));
    }
    let mut tokens = Tokens::default();
    if verb != Verb::Debug {
        for (flag, token) in style.flags() {
            tokens.take(flag, token).map_err(|error| worded(verb, error))?;
        }
    }
    Ok(Request { operation: operation(verb, &style, &tokens)?, style: Style::Meta(style) })
}

/// # Errors
/// The reply to a mode that the command does not know.
fn operation<'a>(verb: Verb, style: &MetaStyle<'a>, tokens: &Tokens<'a>) -> Result<Operation<'a>, &'static [u8]> {
    let key = style.key;
    let Tokens { compare, cas, exptime, create, .. } = *tokens;
    // A reply that nobody wants to see tells nothing.
    let tells = |flag| style.has(flag) && !style.has(b'q');
    let tells = Tells { cas: tells(b'c'), size: tells(b's'), ttl: tells(b't') };
    let flags = tokens.flags.unwrap_or(0);
    Ok(match verb {
        Verb::Noop => Operation::Noop,
        Verb::Debug => Operation::Inspect { key },
        Verb::Get => Operation::Get(Get {
            keys: Keys::one(key),
            part: Part::Whole,
            with_cas: true,
            with_value: style.has(b'v'),
            touch: exptime,
            known: compare,
            renewal: Some(Renewal { below: tokens.below, create, cas, reads: !style.has(b'u') }),
        }),
        Verb::Set => Operation::Store(Storage {
            flags,
            exptime: exptime.unwrap_or(0),
            compare,
            cas,
            create,
            stale_if_older: style.has(b'I'),
            tells,
            ..Storage::new(tokens.mode.map_or(Some(StoreMode::Set), store_mode).ok_or(BAD_SET_MODE)?, key)
        }),
        Verb::Delete => {
            let stale = style.has(b'I');
            let removal = match (style.has(b'x'), stale) {
                (true, stale) => Removal::Value { flags, exptime: exptime.unwrap_or(0), cas, stale },
                (false, true) => Removal::Freshness { exptime, cas },
                (false, false) => Removal::Item,
            };
            Operation::Delete(Delete { key, compare, removal })
        }
        Verb::Arith => Operation::Arith(Arith {
            increment: tokens.mode.map_or(Some(true), increments).ok_or(BAD_ARITH_MODE)?,
            key,
            delta: tokens.delta.unwrap_or(1),
            compare,
            cas,
            exptime,
            create: create.map(|exptime| Initial { number: tokens.initial.unwrap_or(0), exptime }),
            tells,
        }),
    })
}

/// What the flags say that have a token.
#[derive(Debug, Default)]
struct Tokens<'a> {
    /// `C`.
    compare: Option<u64>,
    /// `E`.
    cas: Option<u64>,
    /// `T`.
    exptime: Option<i64>,
    /// `N`.
    create: Option<i64>,
    /// `R`.
    below: Option<i64>,
    /// `D`.
    delta: Option<u64>,
    /// `J`.
    initial: Option<u64>,
    /// `F`.
    flags: Option<u32>,
    /// `M`.
    mode: Option<&'a [u8]>,
}

impl<'a> Tokens<'a> {
    /// Reads the token of a flag.
    ///
    /// # Errors
    /// The reply to a token that is wrong.
    fn take(&mut self, flag: u8, token: &'a [u8]) -> Result<(), &'static [u8]> {
        match flag {
            b'C' => self.compare = Some(unsigned(token).ok_or(BAD_TOKEN)?),
            b'E' => self.cas = Some(unsigned(token).ok_or(BAD_TOKEN)?),
            b'N' => self.create = Some(signed(token).ok_or(BAD_TOKEN)?),
            b'R' => self.below = Some(signed(token).ok_or(BAD_TOKEN)?),
            b'T' => self.exptime = Some(signed(token).ok_or(BAD_TOKEN)?),
            b'D' => self.delta = Some(unsigned(token).ok_or(BAD_DELTA)?),
            b'J' => self.initial = Some(unsigned(token).ok_or(BAD_INITIAL)?),
            b'F' => {
                let flags = unsigned(token).and_then(|flags| u32::try_from(flags).ok());
                self.flags = Some(flags.ok_or(words::BAD_FORMAT)?);
            }
            b'M' => self.mode = Some(token),
            b'O' if token.len() > OPAQUE_MAX => return Err(OPAQUE_TOO_LONG),
            _ => {}
        }
        Ok(())
    }
}

/// `ma` has one sentence for what is wrong with a flag, an opaque excepted.
fn worded(verb: Verb, error: &'static [u8]) -> &'static [u8] {
    if verb == Verb::Arith && error != OPAQUE_TOO_LONG { INVALID_OR_DUPLICATE_FLAG } else { error }
}

/// The letters of the flags.
fn flag_set(text: &[u8], flags_max: usize) -> Result<u64, &'static [u8]> {
    let mut set = 0;
    if Args(text).count() > flags_max {
        return Err(TOO_MANY_FLAGS);
    }
    for word in Args(text) {
        let bit = word.first().map_or(0, |letter| bit(*letter));
        if bit & KNOWN == 0 {
            return Err(INVALID_FLAG);
        }
        if set & bit != 0 {
            return Err(DUPLICATE_FLAG);
        }
        set |= bit;
    }
    Ok(set)
}

/// What an `ms` does: the first letter counts.
fn store_mode(token: &[u8]) -> Option<StoreMode> {
    Some(match token.first()? {
        b'S' => StoreMode::Set,
        b'E' => StoreMode::Add,
        b'R' => StoreMode::Replace,
        b'A' => StoreMode::Append,
        b'P' => StoreMode::Prepend,
        _ => return None,
    })
}

/// Whether an `ma` counts up: the first letter counts.
fn increments(token: &[u8]) -> Option<bool> {
    match token.first()? {
        b'I' | b'+' => Some(true),
        b'D' | b'-' => Some(false),
        _ => None,
    }
}
