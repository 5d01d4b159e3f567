//! The binary protocol: one packet to one [`Request`], as memcached 1.6.45 reads it.
//!
//! A packet is a header of 24 bytes, extras, a key and a value. An opcode that is not known is answered, and its body passed over; a
//! packet whose parts do not fit its opcode is answered and ends the connection, for nobody knows where the next one begins. Keys are 1
//! to [`KEY_MAX`] bytes of any kind, spaces and newlines included. Data type and vbucket mean nothing.
//!
//! Two rules are ours: surplus bytes behind the key of a touch or a stat are malformed, where memcached takes them for the next packet;
//! and there is `verbosity`, which memcached's document describes and its program does not know.

use super::keys::{Keys, Part};
use super::limits::KEY_MAX;
use super::operation::{Arith, Delete, Get, Initial, Operation, Refused, Removal, Storage, StoreMode};
use super::{PacketStyle, Request, Status, Style};

pub(super) mod reply;

#[cfg(test)]
mod tests;

/// First byte of every request.
pub(super) const MAGIC: u8 = 0x80;

/// Length of the header.
const HEADER: usize = 24;

/// Longest name of a mechanism that is looked at, in bytes.
const MECHANISM_MAX: usize = 32;

/// A body may announce so much more than the greatest item size; beyond that it is malformed.
const VALUE_MAX: usize = 1 << 30;

/// What stands at the start of the input.
#[derive(Debug, PartialEq)]
pub(super) enum Packet<'a> {
    /// Not all of a packet; so many bytes are needed in all, as far as known.
    Incomplete { wanted: usize },
    /// A request that took `consumed` bytes; `swallow` more belong to it and mean nothing.
    Request { request: Request<'a>, consumed: usize, swallow: u64 },
    /// Not this protocol.
    Foreign,
}

/// Reads one packet; a longer value than `value_max` bytes is refused.
#[inline]
pub(super) fn packet(input: &[u8], value_max: usize) -> Packet<'_> {
    let Some(header) = input.first_chunk() else {
        return match input.first() {
            Some(&MAGIC) | None => Packet::Incomplete { wanted: HEADER },
            Some(_) => Packet::Foreign,
        };
    };
    let Some(header) = Header::read(header) else { return Packet::Foreign };
    let (verb, quiet) = Verb::of(header.opcode).map_or((None, false), |(verb, quiet)| (Some(verb), quiet));
    let verb = match header.check(verb, value_max) {
        Ok(verb) => verb,
        Err(refused) => return header.refused(verb, quiet, refused, input),
    };
    let end = HEADER + header.body;
    let Some(body) = input.get(HEADER..end) else { return Packet::Incomplete { wanted: end } };
    let operation = body
        .split_at_checked(header.extras)
        .and_then(|(extras, rest)| verb.operation(header.compare(), extras, rest.split_at_checked(header.key)?))
        .unwrap_or(Operation::Refused(MALFORMED));
    let request = header.request(quiet, verb.answers_with_key(), operation);
    Packet::Request { request, consumed: end, swallow: 0 }
}

const MALFORMED: Refused = Refused::Packet { status: Status::InvalidArguments, close: true };

/// The parts of a header that mean something; lengths in bytes, the body holds extras, key and value.
struct Header {
    opcode: u8,
    key: usize,
    extras: usize,
    body: usize,
    opaque: [u8; 4],
    cas: u64,
}

impl Header {
    fn read(bytes: &[u8; HEADER]) -> Option<Header> {
        let [magic, opcode, k0, k1, extras, _, _, _, b0, b1, b2, b3, o0, o1, o2, o3, cas @ ..] = *bytes;
        (magic == MAGIC).then_some(Header {
            opcode,
            key: u16::from_be_bytes([k0, k1]).into(),
            extras: extras.into(),
            body: u32::from_be_bytes([b0, b1, b2, b3]) as usize,
            opaque: [o0, o1, o2, o3],
            cas: u64::from_be_bytes(cas),
        })
    }

    /// # Errors
    /// What the packet is refused with; the rest of it need not be there.
    #[inline]
    fn check(&self, verb: Option<Verb>, value_max: usize) -> Result<Verb, Refused> {
        let Some(value) = self.body.checked_sub(self.key + self.extras) else {
            return Err(Refused::Packet { status: Status::UnknownCommand, close: true });
        };
        if self.key > KEY_MAX || value > VALUE_MAX {
            return Err(MALFORMED);
        }
        let Some(verb) = verb else {
            return Err(Refused::Packet { status: Status::UnknownCommand, close: false });
        };
        if !verb.takes(self.extras, self.key > 0, value > 0) {
            return Err(MALFORMED);
        }
        match value > value_max {
            true => Err(Refused::Packet { status: Status::TooLarge, close: false }),
            false => Ok(verb),
        }
    }

    #[cold]
    fn refused<'a>(&self, verb: Option<Verb>, quiet: bool, refused: Refused, input: &'a [u8]) -> Packet<'a> {
        // A set of a value that is too large is told with its key: a cache must not go on showing the value before it.
        if let (Some(Verb::Store(StoreMode::Set)), Refused::Packet { status: Status::TooLarge, .. }) = (verb, refused) {
            let (start, end) = (HEADER + self.extras, HEADER + self.extras + self.key);
            let Some(key) = input.get(start..end) else { return Packet::Incomplete { wanted: end } };
            let request = self.request(quiet, false, Operation::Oversized { key });
            return Packet::Request { request, consumed: end, swallow: (HEADER + self.body - end) as u64 };
        }
        let swallow = if matches!(refused, Refused::Packet { close: true, .. }) { 0 } else { self.body as u64 };
        let request = self.request(quiet, false, Operation::Refused(refused));
        Packet::Request { request, consumed: HEADER, swallow }
    }

    #[inline]
    fn request<'a>(&self, quiet: bool, with_key: bool, operation: Operation<'a>) -> Request<'a> {
        let style = PacketStyle { opcode: self.opcode, quiet, with_key, opaque: self.opaque };
        Request { operation, style: Style::Packet(style) }
    }

    /// The cas number to compare with, if any.
    fn compare(&self) -> Option<u64> {
        (self.cas != 0).then_some(self.cas)
    }
}

/// What an opcode means.
#[derive(Clone, Copy)]
enum Verb {
    Get { with_key: bool },
    GetAndTouch { with_key: bool },
    Touch,
    Store(StoreMode),
    Delete,
    Arith { increment: bool },
    Flush,
    Stats,
    Quit,
    Noop,
    Version,
    Verbosity,
    Mechanisms,
    Login { step: bool },
}

impl Verb {
    /// The meaning of an opcode, and whether it is a quiet one.
    #[inline]
    fn of(opcode: u8) -> Option<(Verb, bool)> {
        Some(match opcode {
            0x00 => (Verb::Get { with_key: false }, false),
            0x01 => (Verb::Store(StoreMode::Set), false),
            0x02 => (Verb::Store(StoreMode::Add), false),
            0x03 => (Verb::Store(StoreMode::Replace), false),
            0x04 => (Verb::Delete, false),
            0x05 => (Verb::Arith { increment: true }, false),
            0x06 => (Verb::Arith { increment: false }, false),
            0x07 => (Verb::Quit, false),
            0x08 => (Verb::Flush, false),
            0x09 => (Verb::Get { with_key: false }, true),
            0x0a => (Verb::Noop, false),
            0x0b => (Verb::Version, false),
            0x0c => (Verb::Get { with_key: true }, false),
            0x0d => (Verb::Get { with_key: true }, true),
            0x0e => (Verb::Store(StoreMode::Append), false),
            0x0f => (Verb::Store(StoreMode::Prepend), false),
            0x10 => (Verb::Stats, false),
            0x11 => (Verb::Store(StoreMode::Set), true),
            0x12 => (Verb::Store(StoreMode::Add), true),
            0x13 => (Verb::Store(StoreMode::Replace), true),
            0x14 => (Verb::Delete, true),
            0x15 => (Verb::Arith { increment: true }, true),
            0x16 => (Verb::Arith { increment: false }, true),
            0x17 => (Verb::Quit, true),
            0x18 => (Verb::Flush, true),
            0x19 => (Verb::Store(StoreMode::Append), true),
            0x1a => (Verb::Store(StoreMode::Prepend), true),
            0x1b => (Verb::Verbosity, false),
            0x1c => (Verb::Touch, false),
            0x1d => (Verb::GetAndTouch { with_key: false }, false),
            0x1e => (Verb::GetAndTouch { with_key: false }, true),
            0x20 => (Verb::Mechanisms, false),
            0x21 => (Verb::Login { step: false }, false),
            0x22 => (Verb::Login { step: true }, false),
            0x23 => (Verb::GetAndTouch { with_key: true }, false),
            0x24 => (Verb::GetAndTouch { with_key: true }, true),
            _ => return None,
        })
    }

    /// Whether a packet may have so many bytes of extras, and a key and a value or not.
    #[inline]
    fn takes(self, extras: usize, key: bool, value: bool) -> bool {
        match self {
            Verb::Get { .. } | Verb::Delete => extras == 0 && key && !value,
            Verb::GetAndTouch { .. } | Verb::Touch => extras == 4 && key && !value,
            Verb::Store(StoreMode::Append | StoreMode::Prepend) => extras == 0 && key,
            Verb::Store(_) => extras == 8 && key,
            Verb::Arith { .. } => extras == 20 && key && !value,
            Verb::Flush => (extras == 0 || extras == 4) && !key && !value,
            Verb::Stats => extras == 0 && !value,
            Verb::Verbosity => extras == 4 && !key && !value,
            Verb::Quit | Verb::Noop | Verb::Version | Verb::Mechanisms => extras == 0 && !key && !value,
            Verb::Login { .. } => extras == 0 && key,
        }
    }

    fn answers_with_key(self) -> bool {
        matches!(self, Verb::Get { with_key: true } | Verb::GetAndTouch { with_key: true })
    }

    /// `None` if the extras are not as long as [`Verb::takes`] wants them.
    #[inline]
    fn operation<'a>(
        self,
        compare: Option<u64>,
        extras: &[u8],
        (key, value): (&'a [u8], &'a [u8]),
    ) -> Option<Operation<'a>> {
        let get = |touch| {
            let keys = Keys::one(key);
            Operation::Get(Get {
                keys,
                part: Part::Whole,
                with_cas: true,
                with_value: true,
                touch,
                known: None,
                renewal: None,
            })
        };
        let store = |mode, flags, exptime| {
            Operation::Store(Storage { value, flags, exptime, compare, ..Storage::new(mode, key) })
        };
        let exptime = |at| number(extras, at).map(i64::from);
        Some(match self {
            Verb::Get { .. } => get(None),
            Verb::GetAndTouch { .. } => get(Some(exptime(0)?)),
            // memcached answers with the flags, which its document does not mention.
            Verb::Touch => Operation::Touch { key, exptime: exptime(0)?, tells_flags: true },
            Verb::Store(mode @ (StoreMode::Append | StoreMode::Prepend)) => store(mode, 0, 0),
            // As in memcached an add with a cas number is a cas.
            Verb::Store(StoreMode::Add) if compare.is_some() => store(StoreMode::Set, number(extras, 0)?, exptime(4)?),
            Verb::Store(mode) => store(mode, number(extras, 0)?, exptime(4)?),
            Verb::Delete => Operation::Delete(Delete { key, compare, removal: Removal::Item }),
            Verb::Arith { increment } => {
                let (delta, initial) = (long_number(extras, 0)?, long_number(extras, 8)?);
                let create = Some(number(extras, 16)?)
                    .filter(|exptime| *exptime != u32::MAX)
                    .map(|exptime| Initial { number: initial, exptime: exptime.into() });
                Operation::Arith(Arith { delta, compare, create, ..Arith::new(increment, key) })
            }
            Verb::Flush if extras.is_empty() => Operation::FlushAll { delay: 0 },
            Verb::Flush => Operation::FlushAll { delay: exptime(0)? },
            // As in memcached only text clients are told who is connected.
            Verb::Stats if key.starts_with(b"conns") => {
                Operation::Refused(Refused::Packet { status: Status::NotFound, close: false })
            }
            Verb::Stats => Operation::Stats { args: key },
            Verb::Quit => Operation::Quit,
            // A level means nothing inside a host.
            Verb::Noop | Verb::Verbosity => Operation::Noop,
            Verb::Version => Operation::Version,
            Verb::Mechanisms => Operation::Mechanisms,
            Verb::Login { .. } if key.len() > MECHANISM_MAX => {
                Operation::Refused(Refused::Packet { status: Status::InvalidArguments, close: false })
            }
            Verb::Login { step } => Operation::Login { mechanism: key, data: value, step },
        })
    }
}

fn number(extras: &[u8], at: usize) -> Option<u32> {
    extras.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
}

fn long_number(extras: &[u8], at: usize) -> Option<u64> {
    extras.get(at..)?.first_chunk().copied().map(u64::from_be_bytes)
}
