//! The answers of the binary protocol.
//!
//! A quiet request is answered where it failed or, if it reads, where it hit. An answer carries the item's cas number, 0 where the
//! request has no item or the container that was written has no cas column.

use super::HEADER;
use crate::protocol::operation::{Operation, Refused, StoreMode};
use crate::protocol::outcome::{Denial, Fault, Outcome, Value};
use crate::protocol::reply::Out;
use crate::protocol::{PacketStyle, Status};

/// First byte of every answer.
const MAGIC: u8 = 0x81;

/// What an answer carries besides the opcode and the opaque of its request.
#[derive(Debug, Clone, Copy)]
struct Answer<'a> {
    /// How the request ended.
    status: Status,
    /// The item's cas number, 0 for none.
    cas: u64,
    /// Up to 255 bytes.
    extras: &'a [u8],
    /// Up to 65,535 bytes.
    key: &'a [u8],
    /// The value, or the words of an error.
    value: &'a [u8],
}

impl Answer<'_> {
    /// A success without anything.
    const SUCCESS: Answer<'static> = Answer { status: Status::Success, cas: 0, extras: &[], key: &[], value: &[] };
}

/// Appends an outcome.
#[inline]
pub(in crate::protocol) fn write(operation: &Operation<'_>, style: PacketStyle, outcome: &Outcome<'_>, out: &mut Out) {
    match outcome {
        Outcome::Value(value) => hit(operation, style, value, out),
        Outcome::NotFound if style.quiet && is_read(operation) => {}
        Outcome::NotFound if style.with_key => {
            let key = operation.key().unwrap_or_default();
            answer(out, style, &Answer { status: Status::NotFound, key, ..Answer::SUCCESS });
        }
        Outcome::NotFound => failure(out, style, Status::NotFound),
        Outcome::Exists => failure(out, style, Status::Exists),
        Outcome::NotStored => failure(out, style, not_stored(operation)),
        Outcome::Done => match operation {
            Operation::Refused(Refused::Packet { status, .. }) => failure(out, style, *status),
            Operation::Stats { .. } => stat(out, style, "", b""),
            _ => done(style, 0, b"", out),
        },
        // An empty statistic ends the others; a read has no end of its own.
        Outcome::End if !matches!(operation, Operation::Stats { .. }) => {}
        Outcome::Stored { cas, .. } => done(style, *cas, b"", out),
        Outcome::Number { number, cas, .. } => done(style, *cas, &number.to_be_bytes(), out),
        other => rare(operation, style, other, out),
    }
}

/// What is no business of items, and what went wrong.
#[cold]
fn rare(operation: &Operation<'_>, style: PacketStyle, outcome: &Outcome<'_>, out: &mut Out) {
    match outcome {
        Outcome::NonNumeric => failure(out, style, Status::NonNumeric),
        Outcome::Text(text) => answer(out, style, &Answer { value: text.as_bytes(), ..Answer::SUCCESS }),
        Outcome::Statistic(name, value) => stat(out, style, name, value.as_bytes()),
        Outcome::Lines(lines) => stat(out, style, "detailed", &[*lines, b"END\r\n"].concat()),
        Outcome::End | Outcome::Reset => stat(out, style, "", b""),
        Outcome::Unknown | Outcome::DetailUsage => match operation {
            Operation::Stats { .. } => failure(out, style, Status::NotFound),
            _ => failure(out, style, Status::UnknownCommand),
        },
        Outcome::Continue => answer(out, style, &Answer { status: Status::AuthContinue, ..Answer::SUCCESS }),
        Outcome::LoggedIn => answer(out, style, &Answer { value: b"Authenticated", ..Answer::SUCCESS }),
        Outcome::Failed(fault) => match fault {
            Fault::Client(text) => refusal(out, style, Status::InvalidArguments, text),
            Fault::TooLarge => failure(out, style, Status::TooLarge),
            Fault::OutOfMemory => failure(out, style, Status::OutOfMemory),
            Fault::Temporary(text) => refusal(out, style, Status::Temporary, text),
            Fault::Server(text) => refusal(out, style, Status::Internal, text),
        },
        Outcome::Denied(Denial::Forbidden) => refusal(out, style, Status::AuthError, "permission denied"),
        Outcome::Denied(_) => failure(out, style, Status::AuthError),
        // Nothing else comes of a packet.
        _ => {}
    }
}

fn is_read(operation: &Operation<'_>) -> bool {
    matches!(operation, Operation::Get(_) | Operation::Touch { .. })
}

fn not_stored(operation: &Operation<'_>) -> Status {
    match operation {
        Operation::Store(store) if store.mode == StoreMode::Add => Status::Exists,
        Operation::Store(store) if store.mode == StoreMode::Replace => Status::NotFound,
        _ => Status::NotStored,
    }
}

/// Appends a hit.
#[inline]
fn hit(operation: &Operation<'_>, style: PacketStyle, value: &Value<'_>, out: &mut Out) {
    let answered = Answer {
        status: Status::Success,
        cas: value.cas,
        extras: &value.flags.to_be_bytes(),
        key: if style.with_key { value.name } else { &[] },
        value: if matches!(operation, Operation::Get(_)) { value.value } else { &[] },
    };
    answer(out, style, &answered);
}

/// Appends a success, unless the client wants to hear only of errors.
#[inline]
fn done(style: PacketStyle, cas: u64, value: &[u8], out: &mut Out) {
    if !style.quiet {
        answer(out, style, &Answer { cas, value, ..Answer::SUCCESS });
    }
}

/// Appends an answer.
#[inline]
fn answer(out: &mut Out, style: PacketStyle, answer: &Answer<'_>) {
    let Answer { status, cas, extras, key, value } = *answer;
    let body = extras.len() + key.len() + value.len();
    // An item has at most 1 GiB, and everything else is short.
    debug_assert!(extras.len() <= 0xff && key.len() <= 0xffff && u32::try_from(body).is_ok());
    out.reserve(HEADER + body);
    out.extend_from_slice(&[MAGIC, style.opcode]);
    out.extend_from_slice(&(key.len() as u16).to_be_bytes());
    out.extend_from_slice(&[extras.len() as u8, 0]);
    out.extend_from_slice(&(status as u16).to_be_bytes());
    out.extend_from_slice(&(body as u32).to_be_bytes());
    out.extend_from_slice(&style.opaque);
    out.extend_from_slice(&cas.to_be_bytes());
    out.extend_from_slice(extras);
    out.extend_from_slice(key);
    out.extend_from_slice(value);
}

/// Appends a failure in memcached's words.
fn failure(out: &mut Out, style: PacketStyle, status: Status) {
    refusal(out, style, status, status.text());
}

/// Appends a failure with a reason.
#[cold]
fn refusal(out: &mut Out, style: PacketStyle, status: Status, reason: &str) {
    answer(out, style, &Answer { status, value: reason.as_bytes(), ..Answer::SUCCESS });
}

/// Appends one statistic; an empty name and value end them.
fn stat(out: &mut Out, style: PacketStyle, name: &str, value: &[u8]) {
    answer(out, style, &Answer { key: name.as_bytes(), value, ..Answer::SUCCESS });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let style = PacketStyle { opcode: 0x0c, quiet: false, with_key: false, opaque: [0xde, 0xad, 0xbe, 0xef] };
        let written = |write: &dyn Fn(&mut Out)| {
            let mut out = Out::from(&b"|"[..]);
            write(&mut out);
            out.escape_ascii().to_string()
        };
        let full = Answer { status: Status::Success, cas: 258, extras: b"EEEE", key: b"key", value: b"value" };
        for (got, expected) in [
            (
                written(&|out| answer(out, style, &full)),
                "|\\x81\\x0c\\x00\\x03\\x04\\x00\\x00\\x00\\x00\\x00\\x00\\x0c\\xde\\xad\\xbe\\xef\
                 \\x00\\x00\\x00\\x00\\x00\\x00\\x01\\x02EEEEkeyvalue",
            ),
            (
                written(&|out| failure(out, style, Status::UnknownCommand)),
                "|\\x81\\x0c\\x00\\x00\\x00\\x00\\x00\\x81\\x00\\x00\\x00\\x0f\\xde\\xad\\xbe\\xef\
                 \\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00Unknown command",
            ),
            (
                written(&|out| stat(out, style, "", b"")),
                "|\\x81\\x0c\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\xde\\xad\\xbe\\xef\
                 \\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00",
            ),
        ] {
            assert_eq!(got, expected);
        }
    }
}
