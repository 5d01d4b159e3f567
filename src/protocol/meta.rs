//! The meta commands `mn me mg ms md ma`: one line to one [`Request`], and the replies.
//!
//! A flag is one letter and the token behind it. What memcached 1.6.45 does with them holds here: every command takes every flag that any
//! of them knows and ignores those that mean nothing to it; each at most once; an error is answered with `q` too. A request keeps the
//! text of its flags: they were checked when it was parsed, and are read again where they are needed, so that a request stays small.
//!
//! Rules that are ours: tokens that are times may be any 64-bit number; an opaque may have the 32 bytes that protocol.txt promises, where
//! memcached counts its letter too; a wrong flag of `ms` never leaves the data block to be taken for commands; a base64 key is answered
//! as the client spelled it.

use super::ascii::{Args, Command, block_length, signed, unsigned};
use super::{KEY_MAX, reply};

pub(super) mod base64;
mod response;
#[cfg(test)]
mod tests;

pub use response::{Code, Facts, debug, response};

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

/// What an `ms` does with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetMode {
    /// `S` or none: store it.
    Set,
    /// `E`: store it if the key is absent.
    Add,
    /// `R`: store it if the key is there.
    Replace,
    /// `A`: put it behind the value that is there.
    Append,
    /// `P`: put it before the value that is there.
    Prepend,
}

/// A meta command. Its flags were checked: where one is there, its token is what the flag wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// Which of them.
    pub verb: Verb,
    /// The key as the client wrote it, 1 to [`KEY_MAX`] bytes; empty for `mn`.
    pub written_key: &'a [u8],
    /// The value of an `ms`, at most the parser's `item_size_max`.
    pub value: &'a [u8],
    flags: Flags<'a>,
}

/// Room for a key that had to be decoded.
pub type KeyBuffer = [u8; KEY_MAX];

impl<'a> Request<'a> {
    /// Whether the flag of that letter is there.
    #[inline]
    pub fn has(&self, flag: u8) -> bool {
        self.flags.set & bit(flag) != 0
    }

    /// The key's bytes: decoded into `buffer` where flag `b` says that it is base64.
    pub fn key<'b>(&self, buffer: &'b mut KeyBuffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self.has(b'b') {
            true => base64::decode(self.written_key, buffer).unwrap_or_default(),
            false => self.written_key,
        }
    }

    /// The token of a flag that is a number (`C D E F J`), if it is there.
    pub fn number(&self, flag: u8) -> Option<u64> {
        unsigned(self.token(flag)?)
    }

    /// The token of a flag that is a time (`N R T`), if it is there: as an exptime of the text commands.
    pub fn seconds(&self, flag: u8) -> Option<i64> {
        signed(self.token(flag)?)
    }

    /// What an `ms` does.
    pub fn set_mode(&self) -> SetMode {
        self.token(b'M').and_then(set_mode).unwrap_or(SetMode::Set)
    }

    /// Whether an `ma` counts up.
    pub fn increments(&self) -> bool {
        self.token(b'M').and_then(increments).unwrap_or(true)
    }

    fn token(&self, flag: u8) -> Option<&'a [u8]> {
        if !self.has(flag) {
            return None;
        }
        self.flags().find(|(letter, _)| *letter == flag).map(|(_, token)| token)
    }

    /// The flags with their tokens, in the client's order.
    fn flags(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        Args(self.flags.text).filter_map(|word| word.split_first().map(|(letter, token)| (*letter, token)))
    }
}

/// The flags of a line: their text, and a bit for each letter from `A` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Flags<'a> {
    text: &'a [u8],
    set: u64,
}

/// The bit of a letter; none for what is no letter.
#[inline]
fn bit(letter: u8) -> u64 {
    match letter {
        b'A'..=b'z' => 1 << (letter - b'A'),
        _ => 0,
    }
}

/// An `ms` whose data block follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Store<'a> {
    request: Request<'a>,
    pub length: usize,
}

impl<'a> Store<'a> {
    /// The whole request.
    pub(super) fn with_value(self, value: &'a [u8]) -> super::Request<'a> {
        super::Request::Meta(Request { value, ..self.request })
    }
}

/// Reads what stands behind the verb.
pub(super) fn command(verb: Verb, rest: &[u8]) -> Command<'_> {
    let mut args = Args(rest);
    if verb == Verb::Noop {
        // Whatever else stands there.
        let request = Request { verb, written_key: b"", value: b"", flags: Flags { text: b"", set: 0 } };
        return complete(Ok(request));
    }
    let Some(key) = args.next() else { return complete(Err(reply::BAD_FORMAT)) };
    if verb != Verb::Set {
        return complete(request(verb, key, args));
    }
    let Some(length) = args.next().and_then(block_length) else { return complete(Err(reply::BAD_FORMAT)) };
    match request(verb, key, args) {
        Ok(request) => Command::MetaStore(Store { request, length }),
        Err(reply) => Command::RefusedStore { reply, length },
    }
}

fn complete<'a>(request: Result<Request<'a>, &'static [u8]>) -> Command<'a> {
    Command::Complete(match request {
        Ok(request) => super::Request::Meta(request),
        Err(reply) => super::Request::Refused { reply },
    })
}

/// # Errors
/// The reply to a line that is wrong.
fn request<'a>(verb: Verb, key: &'a [u8], args: Args<'a>) -> Result<Request<'a>, &'static [u8]> {
    let text = args.0;
    if key.len() > KEY_MAX || !Args(text).all(|word| matches!(word.first(), Some(b'0'..=b'9' | b'A'..=b'z'))) {
        return Err(reply::BAD_FORMAT);
    }
    let set = match verb {
        // It ignores what it does not know.
        Verb::Debug => Args(text).fold(0, |set, word| set | word.first().map_or(0, |letter| bit(*letter))),
        _ => flag_set(text, WORDS_MAX - if verb == Verb::Set { 3 } else { 2 }).map_err(|error| worded(verb, error))?,
    };
    let request = Request { verb, written_key: key, value: b"", flags: Flags { text, set } };
    if request.has(b'b') && base64::decode(key, &mut [0; KEY_MAX]).is_none() {
        return Err(worded(verb, BAD_BASE64));
    }
    if verb != Verb::Debug {
        for (flag, token) in request.flags() {
            check_token(flag, token).map_err(|error| worded(verb, error))?;
        }
        check_mode(&request)?;
    }
    Ok(request)
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

fn check_token(flag: u8, token: &[u8]) -> Result<(), &'static [u8]> {
    let (right, error) = match flag {
        b'C' | b'E' => (unsigned(token).is_some(), BAD_TOKEN),
        b'N' | b'R' | b'T' => (signed(token).is_some(), BAD_TOKEN),
        b'D' => (unsigned(token).is_some(), BAD_DELTA),
        b'J' => (unsigned(token).is_some(), BAD_INITIAL),
        b'F' => (unsigned(token).is_some_and(|flags| flags <= u64::from(u32::MAX)), reply::BAD_FORMAT),
        b'O' => (token.len() <= OPAQUE_MAX, OPAQUE_TOO_LONG),
        _ => return Ok(()),
    };
    if right { Ok(()) } else { Err(error) }
}

fn check_mode(request: &Request<'_>) -> Result<(), &'static [u8]> {
    match (request.verb, request.token(b'M')) {
        (Verb::Set, Some(token)) => set_mode(token).map(drop).ok_or(BAD_SET_MODE),
        (Verb::Arith, Some(token)) => increments(token).map(drop).ok_or(BAD_ARITH_MODE),
        _ => Ok(()),
    }
}

/// The first letter counts.
fn set_mode(token: &[u8]) -> Option<SetMode> {
    Some(match token.first()? {
        b'S' => SetMode::Set,
        b'E' => SetMode::Add,
        b'R' => SetMode::Replace,
        b'A' => SetMode::Append,
        b'P' => SetMode::Prepend,
        _ => return None,
    })
}

/// Likewise.
fn increments(token: &[u8]) -> Option<bool> {
    match token.first()? {
        b'I' | b'+' => Some(true),
        b'D' | b'-' => Some(false),
        _ => None,
    }
}
