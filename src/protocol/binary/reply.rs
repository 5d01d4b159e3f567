//! Answers of the binary protocol, appended to a buffer.

use super::{HEADER, Request, Status};
use crate::protocol::reply::Out;

/// First byte of every answer.
const MAGIC: u8 = 0x81;

/// What an answer carries besides the opcode and the opaque of its request.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// How the request ended.
    pub status: Status,
    /// The item's cas number, 0 for none.
    pub cas: u64,
    /// Up to 255 bytes.
    pub extras: &'a [u8],
    /// Up to 65,535 bytes.
    pub key: &'a [u8],
    /// The value, or the words of an error.
    pub value: &'a [u8],
}

impl Answer<'_> {
    /// A success without anything.
    pub const SUCCESS: Answer<'static> = Answer { status: Status::Success, cas: 0, extras: &[], key: &[], value: &[] };
}

/// Appends an answer.
#[inline]
pub fn answer(out: &mut Out, request: &Request<'_>, answer: &Answer<'_>) {
    let Answer { status, cas, extras, key, value } = *answer;
    let body = extras.len() + key.len() + value.len();
    // An item has at most 1 GiB, and everything else is short.
    debug_assert!(extras.len() <= 0xff && key.len() <= 0xffff && u32::try_from(body).is_ok());
    out.reserve(HEADER + body);
    out.extend_from_slice(&[MAGIC, request.opcode]);
    out.extend_from_slice(&(key.len() as u16).to_be_bytes());
    out.extend_from_slice(&[extras.len() as u8, 0]);
    out.extend_from_slice(&(status as u16).to_be_bytes());
    out.extend_from_slice(&(body as u32).to_be_bytes());
    out.extend_from_slice(&request.opaque);
    out.extend_from_slice(&cas.to_be_bytes());
    out.extend_from_slice(extras);
    out.extend_from_slice(key);
    out.extend_from_slice(value);
}

/// Appends a failure in memcached's words.
pub fn failure(out: &mut Out, request: &Request<'_>, status: Status) {
    refusal(out, request, status, status.text());
}

/// Appends a failure with a reason.
#[cold]
pub fn refusal(out: &mut Out, request: &Request<'_>, status: Status, reason: &str) {
    answer(out, request, &Answer { status, value: reason.as_bytes(), ..Answer::SUCCESS });
}

/// Appends one statistic; an empty name and value end them.
pub fn stat(out: &mut Out, request: &Request<'_>, name: &str, value: &[u8]) {
    answer(out, request, &Answer { key: name.as_bytes(), value, ..Answer::SUCCESS });
}
