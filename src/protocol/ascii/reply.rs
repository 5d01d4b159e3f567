//! The replies of the text commands.

use crate::protocol::operation::{DumpFormat, Get, Operation, Refused};
use crate::protocol::outcome::{Denial, Fault, Outcome, Value};
use crate::protocol::reply::{self, Out};

/// Appends an outcome.
#[inline]
pub(in crate::protocol) fn write(operation: &Operation<'_>, noreply: bool, outcome: &Outcome<'_>, out: &mut Out) {
    match outcome {
        Outcome::Value(value) => item(operation, value, out),
        Outcome::End => out.extend_from_slice(end(operation)),
        // As in memcached this is said even to `noreply`.
        Outcome::Denied(Denial::Stranger(text)) => reply::client_error(out, text),
        Outcome::Denied(Denial::Login) => out.extend_from_slice(reply::AUTHENTICATION_FAILURE),
        Outcome::LoggedIn => out.extend_from_slice(reply::STORED),
        _ if noreply => {}
        Outcome::Stored { .. } => out.extend_from_slice(reply::STORED),
        Outcome::NotStored => out.extend_from_slice(reply::NOT_STORED),
        Outcome::Exists => out.extend_from_slice(reply::EXISTS),
        // A read tells nothing of what is not there.
        Outcome::NotFound if matches!(operation, Operation::Get(_)) => {}
        Outcome::NotFound => out.extend_from_slice(reply::NOT_FOUND),
        Outcome::Number { number, .. } => reply::number(out, *number),
        Outcome::Done => out.extend_from_slice(done(operation)),
        other => rare(operation, other, out),
    }
}

/// What is no business of items, and what went wrong.
#[cold]
pub(in crate::protocol) fn rare(operation: &Operation<'_>, outcome: &Outcome<'_>, out: &mut Out) {
    match outcome {
        Outcome::NonNumeric => out.extend_from_slice(reply::NON_NUMERIC),
        Outcome::Begin if matches!(operation, Operation::KeyDump { format: DumpFormat::Items, .. }) => {}
        Outcome::Begin => out.extend_from_slice(reply::OK),
        Outcome::Text(text) => reply::version(out, text),
        Outcome::Statistic(name, value) => reply::stat(out, name, value),
        Outcome::Lines(lines) => out.extend_from_slice(lines),
        Outcome::Reset => out.extend_from_slice(reply::RESET),
        Outcome::Unknown => out.extend_from_slice(reply::ERROR),
        Outcome::DetailUsage => out.extend_from_slice(reply::STATS_DETAIL_USAGE),
        Outcome::Failed(fault) => match fault {
            Fault::Client(text) => reply::client_error(out, text),
            Fault::TooLarge => out.extend_from_slice(reply::TOO_LARGE),
            Fault::OutOfMemory => out.extend_from_slice(reply::OUT_OF_MEMORY_STORING),
            Fault::Temporary(text) | Fault::Server(text) => reply::server_error(out, text),
        },
        Outcome::Denied(denial) => match denial {
            Denial::Disabled(text) if is_crawl(operation) => reply::error(out, text),
            Denial::Stranger(text) | Denial::Disabled(text) => reply::client_error(out, text),
            Denial::Login => out.extend_from_slice(reply::AUTHENTICATION_FAILURE),
            Denial::Forbidden => reply::server_error(out, "permission denied"),
        },
        // Nothing else comes of a text command.
        _ => {}
    }
}

/// `lru_crawler`, of which memcached speaks otherwise than of the rest.
fn is_crawl(operation: &Operation<'_>) -> bool {
    matches!(operation, Operation::KeyDump { format: DumpFormat::Meta | DumpFormat::MetaGet, .. })
}

/// Appends what a read found.
#[inline]
pub(in crate::protocol) fn hit(get: &Get<'_>, value: &Value<'_>, out: &mut Out) {
    reply::value(out, value.name, value.flags, get.with_cas.then_some(value.cas), value.value);
}

#[inline]
fn item(operation: &Operation<'_>, value: &Value<'_>, out: &mut Out) {
    match operation {
        Operation::Get(get) => hit(get, value, out),
        Operation::KeyDump { format, .. } => {
            let item = (value.flags, value.cas, value.deadline, value.value.len());
            reply::dumped_key(out, *format, value.name, item);
        }
        _ => {}
    }
}

fn end(operation: &Operation<'_>) -> &'static [u8] {
    match operation {
        Operation::KeyDump { format: DumpFormat::MetaGet, .. } => b"EN\r\n",
        _ => reply::END,
    }
}

fn done(operation: &Operation<'_>) -> &'static [u8] {
    match operation {
        Operation::Delete(_) => reply::DELETED,
        Operation::Touch { .. } => reply::TOUCHED,
        Operation::Bind { .. } => b"SUCCEED\r\n",
        Operation::Refused(Refused::Line(line)) => line,
        Operation::Quit => b"",
        _ => reply::OK,
    }
}
