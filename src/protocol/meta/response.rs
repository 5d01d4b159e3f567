//! Replies of the meta commands.

use super::Request;
use crate::protocol::reply::CRLF;
use crate::protocol::reply::Out;
use bytes::BufMut;

/// The first word of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// `HD`: done, or a hit without its value.
    Done,
    /// `VA`: a value of so many bytes follows the line.
    Value(usize),
    /// `EN`: a miss of `mg` or `me`.
    Miss,
    /// `NS`: the condition of the mode did not hold.
    NotStored,
    /// `EX`: the cas number is another one.
    Exists,
    /// `NF`: a miss of the other commands.
    NotFound,
}

/// What flags of a request ask for. A flag whose fact is `None` is not answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// `c`: the cas number.
    pub cas: Option<u64>,
    /// `f`: the client flags.
    pub flags: Option<u32>,
    /// `h`: whether the item was read before.
    pub hit: Option<bool>,
    /// `l`: seconds since it was read last.
    pub idle: Option<i64>,
    /// `s`: bytes of the value.
    pub size: Option<usize>,
    /// `t`: seconds left to live, -1 for no end.
    pub ttl: Option<i64>,
    /// `Z`: another client was told to renew the item.
    pub sent: bool,
    /// `X`: the item is stale.
    pub stale: bool,
    /// `W`: this client is to renew it.
    pub won: bool,
}

/// Appends the line of a reply: the code, what the flags ask for in the client's order, then `Z`, `X` and `W`. The value of
/// [`Code::Value`] and its line end are the caller's.
pub fn response(out: &mut Out, request: &Request<'_>, code: Code, facts: &Facts) {
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(match code {
        Code::Done => b"HD",
        Code::Value(_) => b"VA ",
        Code::Miss => b"EN",
        Code::NotStored => b"NS",
        Code::Exists => b"EX",
        Code::NotFound => b"NF",
    });
    if let Code::Value(length) = code {
        out.extend_from_slice(digits.format(length).as_bytes());
    }
    for (flag, token) in request.flags() {
        let number = match flag {
            b'O' => {
                echo(out, b'O', token);
                continue;
            }
            b'k' => {
                echo(out, b'k', request.written_key);
                if request.has(b'b') {
                    out.extend_from_slice(b" b");
                }
                continue;
            }
            b'c' => facts.cas.map(|cas| digits.format(cas)),
            b'f' => facts.flags.map(|flags| digits.format(flags)),
            b'h' => facts.hit.map(|hit| digits.format(u8::from(hit))),
            b'l' => facts.idle.map(|seconds| digits.format(seconds)),
            b's' => facts.size.map(|bytes| digits.format(bytes)),
            b't' => facts.ttl.map(|seconds| digits.format(seconds)),
            _ => None,
        };
        if let Some(number) = number {
            echo(out, flag, number.as_bytes());
        }
    }
    for (there, letter) in [(facts.sent, b" Z"), (facts.stale, b" X"), (facts.won, b" W")] {
        if there {
            out.extend_from_slice(letter);
        }
    }
    out.extend_from_slice(CRLF);
}

/// Appends the reply of a `me` that hit; `size` is that of key and value.
pub fn debug(out: &mut Out, request: &Request<'_>, facts: &Facts, size: usize) {
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(b"ME ");
    out.extend_from_slice(request.written_key);
    out.extend_from_slice(b" exp=");
    out.extend_from_slice(digits.format(facts.ttl.unwrap_or(-1)).as_bytes());
    out.extend_from_slice(b" la=");
    out.extend_from_slice(digits.format(facts.idle.unwrap_or(0)).as_bytes());
    out.extend_from_slice(b" cas=");
    out.extend_from_slice(digits.format(facts.cas.unwrap_or(0)).as_bytes());
    out.extend_from_slice(if facts.hit == Some(true) { b" fetch=yes" } else { b" fetch=no" });
    // There are no slab classes here.
    out.extend_from_slice(b" cls=1 size=");
    out.extend_from_slice(digits.format(size).as_bytes());
    out.extend_from_slice(CRLF);
}

fn echo(out: &mut Out, flag: u8, token: &[u8]) {
    out.put_u8(b' ');
    out.put_u8(flag);
    out.extend_from_slice(token);
}
