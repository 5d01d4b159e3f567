//! The replies of the meta commands.

use crate::protocol::operation::Operation;
use crate::protocol::outcome::{Outcome, Value, ttl};
use crate::protocol::reply::{CRLF, Out};
use crate::protocol::{KEY_MAX, MetaStyle};

/// The first word of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Code {
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
struct Facts {
    /// `c`: the cas number.
    cas: Option<u64>,
    /// `f`: the client flags.
    flags: Option<u32>,
    /// `h`: whether the item was read before.
    hit: Option<bool>,
    /// `l`: seconds since it was read last.
    idle: Option<i64>,
    /// `s`: bytes of the value.
    size: Option<usize>,
    /// `t`: seconds left to live, -1 for no end.
    ttl: Option<i64>,
    /// `Z`: another client was told to renew the item.
    sent: bool,
    /// `X`: the item is stale.
    stale: bool,
    /// `W`: this client is to renew it.
    won: bool,
}

impl Facts {
    const NONE: Facts = Facts {
        cas: None,
        flags: None,
        hit: None,
        idle: None,
        size: None,
        ttl: None,
        sent: false,
        stale: false,
        won: false,
    };

    fn of(value: &Value<'_>) -> Facts {
        let facts = Facts {
            cas: Some(value.cas),
            flags: Some(value.flags),
            size: Some(value.value.len()),
            ttl: Some(ttl(value.deadline, value.history.map_or(0, |history| history.now))),
            ..Facts::NONE
        };
        match value.history {
            None => facts,
            Some(history) => Facts {
                hit: Some(history.hit),
                idle: Some(history.idle),
                sent: history.sent,
                stale: history.stale,
                won: history.won,
                ..facts
            },
        }
    }
}

/// Appends an outcome.
#[inline]
pub(in crate::protocol) fn write(
    operation: &Operation<'_>,
    style: &MetaStyle<'_>,
    outcome: &Outcome<'_>,
    out: &mut Out,
) {
    let quiet = style.has(b'q');
    match outcome {
        Outcome::Value(value) => item(operation, style, value, out),
        Outcome::Done if *operation == Operation::Noop => out.extend_from_slice(b"MN\r\n"),
        Outcome::Done | Outcome::Stored { .. } | Outcome::Number { .. } if quiet => {}
        Outcome::Done => line(out, style, Code::Done, &Facts::NONE),
        Outcome::Stored { cas, size } => {
            line(out, style, Code::Done, &Facts { cas: Some(*cas), size: Some(*size), ..Facts::NONE });
        }
        Outcome::Number { number, cas, ttl } => {
            let facts = Facts { cas: Some(*cas), ttl: *ttl, ..Facts::NONE };
            let mut digits = itoa::Buffer::new();
            with_value(out, style, style.has(b'v').then(|| digits.format(*number).as_bytes()), &facts);
        }
        Outcome::NotFound if matches!(operation, Operation::Inspect { .. }) => out.extend_from_slice(b"EN\r\n"),
        Outcome::NotFound if matches!(operation, Operation::Get(_)) && quiet => {}
        Outcome::NotFound if matches!(operation, Operation::Get(_)) => line(out, style, Code::Miss, &Facts::NONE),
        Outcome::NotFound => line(out, style, Code::NotFound, &refused(operation)),
        Outcome::NotStored => line(out, style, Code::NotStored, &refused(operation)),
        Outcome::Exists => line(out, style, Code::Exists, &refused(operation)),
        // The read of one item has no end of its own.
        Outcome::End => {}
        // What is wrong is told with `q` too, in the words of the text commands.
        other => crate::protocol::ascii::reply::rare(operation, other, out),
    }
}

/// What is told of an item that stayed as it was.
fn refused(operation: &Operation<'_>) -> Facts {
    match operation {
        Operation::Store(store) => Facts { cas: Some(0), size: Some(store.value.len()), ..Facts::NONE },
        _ => Facts::NONE,
    }
}

fn item(operation: &Operation<'_>, style: &MetaStyle<'_>, value: &Value<'_>, out: &mut Out) {
    let facts = Facts::of(value);
    match operation {
        Operation::Inspect { .. } => debug(out, style, &facts, value.name.len() + value.value.len()),
        Operation::Get(get) => {
            let wanted = get.with_value && get.known != Some(value.cas);
            with_value(out, style, wanted.then_some(value.value), &facts);
        }
        _ => {}
    }
}

/// Appends the line of a success, and a value.
fn with_value(out: &mut Out, style: &MetaStyle<'_>, value: Option<&[u8]>, facts: &Facts) {
    let Some(value) = value else { return line(out, style, Code::Done, facts) };
    out.reserve(value.len() + KEY_MAX);
    line(out, style, Code::Value(value.len()), facts);
    out.extend_from_slice(value);
    out.extend_from_slice(CRLF);
}

/// Appends the line of a reply: the code, what the flags ask for in the client's order, then `Z`, `X` and `W`.
fn line(out: &mut Out, style: &MetaStyle<'_>, code: Code, facts: &Facts) {
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
    for (flag, token) in style.flags() {
        let number = match flag {
            b'O' => {
                echo(out, b'O', token);
                continue;
            }
            b'k' => {
                echo(out, b'k', style.key);
                if style.has(b'b') {
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

/// Appends the reply of an `me` that hit; `size` is that of key and value.
fn debug(out: &mut Out, style: &MetaStyle<'_>, facts: &Facts, size: usize) {
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(b"ME ");
    out.extend_from_slice(style.key);
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
    out.extend_from_slice(&[b' ', flag]);
    out.extend_from_slice(token);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::line::Line;
    use crate::protocol::meta::{self, Verb};
    use crate::protocol::{Request, Style};

    #[test]
    fn lines() {
        let parsed = |line: &'static str| {
            let mut request = Request::default();
            assert_eq!(meta::line(Verb::Get, line.as_bytes(), &mut request), Line::Complete);
            let Style::Meta(style) = request.style else { panic!("{request:?}") };
            style
        };
        let all = Facts {
            cas: Some(u64::MAX),
            flags: Some(7),
            hit: Some(true),
            idle: Some(3),
            size: Some(5),
            ttl: Some(-1),
            sent: false,
            stale: true,
            won: true,
        };
        let sent = Facts { sent: true, won: false, ..all };
        for (text, code, facts, expected) in [
            (" k", Code::Done, all, "HD X W"),
            (" k v q u T5", Code::Value(12), sent, "VA 12 Z X"),
            (" key k O1 t f", Code::Value(0), Facts::NONE, "VA 0 kkey O1"),
            (" YQ== O b k", Code::Miss, Facts::NONE, "EN O kYQ== b"),
            (" k s l h t c f", Code::Done, sent, "HD s5 l3 h1 t-1 c18446744073709551615 f7 Z X"),
            (" k k", Code::NotStored, Facts::NONE, "NS kk"),
            (" k", Code::Exists, Facts::NONE, "EX"),
            (" k c", Code::NotFound, Facts::NONE, "NF"),
        ] {
            let mut out = Out::from(&b"|"[..]);
            line(&mut out, &parsed(text), code, &facts);
            assert_eq!(String::from_utf8(out.to_vec()).unwrap(), format!("|{expected}\r\n"));
        }
        let mut out = Out::default();
        debug(&mut out, &parsed(" YQ== b"), &all, 9);
        debug(&mut out, &parsed(" a"), &Facts::NONE, 9);
        let expected = "ME YQ== exp=-1 la=3 cas=18446744073709551615 fetch=yes cls=1 size=9\r\n\
                        ME a exp=-1 la=0 cas=0 fetch=no cls=1 size=9\r\n";
        assert_eq!(String::from_utf8(out.to_vec()).unwrap(), expected);
    }
}
