//! Packets and what the parser makes of them.

use super::*;
use crate::protocol::{Dialect, Parsed, Parser};

const ITEM_MAX: usize = 100;
const OPAQUE: [u8; 4] = [0xde, 0xad, 0xbe, 0xef];

/// A packet whose header tells the truth.
fn packet_of(opcode: u8, extras: &[u8], key: &[u8], value: &[u8]) -> Vec<u8> {
    let body = extras.len() + key.len() + value.len();
    let mut packet = header(opcode, extras.len(), key.len(), body);
    for part in [extras, key, value] {
        packet.extend_from_slice(part);
    }
    packet
}

fn header(opcode: u8, extras: usize, key: usize, body: usize) -> Vec<u8> {
    let mut header = vec![MAGIC, opcode];
    header.extend_from_slice(&u16::try_from(key).unwrap().to_be_bytes());
    // Data type and vbucket mean nothing.
    header.extend_from_slice(&[u8::try_from(extras).unwrap(), 9, 9, 9]);
    header.extend_from_slice(&u32::try_from(body).unwrap().to_be_bytes());
    header.extend_from_slice(&OPAQUE);
    header.extend_from_slice(&7u64.to_be_bytes());
    header
}

/// What a connection hears of its input: requests, passed bytes, and how it ends.
fn events(input: &[u8]) -> Vec<String> {
    let mut parser = Parser::new(ITEM_MAX, Dialect::Auto);
    let (mut events, mut rest) = (Vec::new(), input);
    loop {
        let mut request = Request::default();
        match parser.parse(rest, &mut request) {
            Parsed::Incomplete { .. } if rest.is_empty() => return events,
            Parsed::Incomplete { wanted } => {
                events.push(format!("wants {wanted}"));
                return events;
            }
            Parsed::Close => {
                events.push("close".into());
                return events;
            }
            Parsed::Swallowed { consumed } => {
                events.push(format!("passes {consumed}"));
                rest = &rest[consumed..];
            }
            Parsed::Request { consumed } => {
                let Style::Packet(style) = request.style else { panic!("{request:?} is no packet") };
                assert_eq!(style.opaque, OPAQUE);
                let quiet = if style.quiet { "quiet " } else { "" };
                events.push(format!("{quiet}{}", shown(&request.operation, style)));
                rest = &rest[consumed..];
                if request.closes() {
                    events.push("close".into());
                    return events;
                }
            }
        }
    }
}

fn shown(operation: &Operation<'_>, style: PacketStyle) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    match *operation {
        Operation::Get(get) => format!("get {} {} {:?}", text(get.keys.first()), style.with_key, get.touch),
        Operation::Touch { key, exptime, tells_flags } => format!("touch {} {exptime} {tells_flags}", text(key)),
        Operation::Store(store) => {
            assert_eq!(store.compare, Some(7));
            format!("{:?} {} {} {} {}", store.mode, text(store.key), store.flags, store.exptime, text(store.value))
        }
        Operation::Delete(delete) => {
            assert_eq!((delete.compare, delete.removal), (Some(7), Removal::Item));
            format!("delete {}", text(delete.key))
        }
        Operation::Arith(arith) => {
            assert_eq!(arith.compare, Some(7));
            let (verb, create) = (if arith.increment { "incr" } else { "decr" }, arith.create);
            format!("{verb} {} {} {:?}", text(arith.key), arith.delta, create.map(|c| (c.number, c.exptime)))
        }
        Operation::Stats { args } => format!("stats [{}]", text(args)),
        Operation::Login { mechanism, data, step } => format!("login {} {} {step}", text(mechanism), text(data)),
        Operation::Oversized { key } => format!("too large {}", text(key)),
        Operation::Refused(Refused::Packet { status, .. }) => status.text().into(),
        ref other => format!("{other:?}"),
    }
}

/// Opcode, extras, key and value.
type Parts = (u8, &'static [u8], &'static [u8], &'static [u8]);

const EXPTIME: &[u8] = &[0, 0, 0, 60];
const STORE: &[u8] = &[0, 0, 0, 5, 0, 0, 1, 0];

/// Delta 2, initial value 3, exptime 4.
const ARITH: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 4];
/// No initial value.
const ARITH_ONLY: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0xff, 0xff, 0xff, 0xff];

#[test]
fn every_opcode() {
    let cases: &[(Parts, &str)] = &[
        ((0x00, b"", b"k", b""), "get k false None"),
        ((0x01, STORE, b"k", b"v"), "Set k 5 256 v"),
        ((0x02, STORE, b"k", b""), "Set k 5 256 "),
        ((0x03, STORE, b"k", b"v"), "Replace k 5 256 v"),
        ((0x04, b"", b"k", b""), "delete k"),
        ((0x05, ARITH, b"k", b""), "incr k 2 Some((3, 4))"),
        ((0x06, ARITH_ONLY, b"k", b""), "decr k 2 None"),
        ((0x08, b"", b"", b""), "FlushAll { delay: 0 }"),
        ((0x08, EXPTIME, b"", b""), "FlushAll { delay: 60 }"),
        ((0x09, b"", b"k", b""), "quiet get k false None"),
        ((0x0a, b"", b"", b""), "Noop"),
        ((0x0b, b"", b"", b""), "Version"),
        ((0x0c, b"", b"k", b""), "get k true None"),
        ((0x0d, b"", b"k", b""), "quiet get k true None"),
        ((0x0e, b"", b"k", b"v"), "Append k 0 0 v"),
        ((0x0f, b"", b"k", b"v"), "Prepend k 0 0 v"),
        ((0x10, b"", b"", b""), "stats []"),
        ((0x10, b"", b"detail on", b""), "stats [detail on]"),
        ((0x10, b"", b"conns", b""), "Not found"),
        ((0x11, STORE, b"k", b"v"), "quiet Set k 5 256 v"),
        ((0x12, STORE, b"k", b"v"), "quiet Set k 5 256 v"),
        ((0x13, STORE, b"k", b"v"), "quiet Replace k 5 256 v"),
        ((0x14, b"", b"k", b""), "quiet delete k"),
        ((0x15, ARITH, b"k", b""), "quiet incr k 2 Some((3, 4))"),
        ((0x16, ARITH, b"k", b""), "quiet decr k 2 Some((3, 4))"),
        ((0x18, b"", b"", b""), "quiet FlushAll { delay: 0 }"),
        ((0x19, b"", b"k", b"v"), "quiet Append k 0 0 v"),
        ((0x1a, b"", b"k", b"v"), "quiet Prepend k 0 0 v"),
        ((0x1b, EXPTIME, b"", b""), "Noop"),
        ((0x1c, EXPTIME, b"k", b""), "touch k 60 true"),
        ((0x1d, EXPTIME, b"k", b""), "get k false Some(60)"),
        ((0x1e, EXPTIME, b"k", b""), "quiet get k false Some(60)"),
        ((0x20, b"", b"", b""), "Mechanisms"),
        ((0x21, b"", b"PLAIN", b"\0a\0b"), "login PLAIN \\x00a\\x00b false"),
        ((0x22, b"", b"PLAIN", b""), "login PLAIN  true"),
        ((0x23, EXPTIME, b"k", b""), "get k true Some(60)"),
        ((0x24, EXPTIME, b"k", b""), "quiet get k true Some(60)"),
        ((0x00, b"", b"a b\nc\0\xff", b""), "get a b\\nc\\x00\\xff false None"),
    ];
    for ((opcode, extras, key, value), expected) in cases {
        let input = packet_of(*opcode, extras, key, value);
        assert_eq!(events(&input), [*expected], "opcode {opcode:#x}");
        // Any two packets are two requests, and the start of one is none.
        assert_eq!(events(&input.repeat(2)), [*expected, *expected], "opcode {opcode:#x}");
        for end in 1..input.len() {
            let wanted = if end < HEADER { HEADER } else { input.len() };
            assert_eq!(events(&input[..end]), [format!("wants {wanted}")], "opcode {opcode:#x}");
        }
    }
    for opcode in [0x07, 0x17] {
        let quiet = if opcode == 0x17 { "quiet Quit" } else { "Quit" };
        assert_eq!(events(&packet_of(opcode, b"", b"", b"").repeat(2)), [quiet, "close"]);
    }
}

/// An add with a cas number is a cas; without one it is an add.
#[test]
fn a_cas_number_makes_a_condition() {
    for (cas, mode, compare) in [(0u64, StoreMode::Add, None), (7, StoreMode::Set, Some(7))] {
        let mut input = packet_of(0x02, STORE, b"k", b"v");
        input[16..24].copy_from_slice(&cas.to_be_bytes());
        let Packet::Request { request, .. } = packet(&input, ITEM_MAX) else { panic!("no request") };
        let Operation::Store(store) = request.operation else { panic!("{request:?}") };
        assert_eq!((store.mode, store.compare), (mode, compare));
    }
}

#[test]
fn parts_that_do_not_fit_the_opcode_end_the_connection() {
    let malformed: &[Parts] = &[
        (0x00, b"", b"", b""),
        (0x00, b"xxxx", b"k", b""),
        (0x00, b"", b"k", b"v"),
        (0x01, b"", b"k", b"v"),
        (0x01, b"xxxx", b"k", b"v"),
        (0x01, &[0; 8], b"", b"v"),
        (0x04, b"", b"k", b"v"),
        (0x05, &[0; 8], b"k", b""),
        (0x05, ARITH, b"k", b"v"),
        (0x05, ARITH, b"", b""),
        (0x07, b"", b"k", b""),
        (0x08, b"xx", b"", b""),
        (0x08, b"", b"k", b""),
        (0x0a, b"", b"", b"v"),
        (0x0b, b"", b"k", b""),
        (0x0e, &[0; 8], b"k", b"v"),
        (0x0e, b"", b"", b"v"),
        (0x10, b"xxxx", b"k", b""),
        (0x10, b"", b"k", b"v"),
        (0x1b, b"", b"", b""),
        (0x1c, b"", b"k", b""),
        (0x1c, b"xxxx", b"", b""),
        (0x1c, b"xxxx", b"k", b"v"),
        (0x20, b"", b"k", b""),
        (0x21, b"", b"", b"v"),
    ];
    for (opcode, extras, key, value) in malformed {
        let input = packet_of(*opcode, extras, key, value);
        assert_eq!(events(&input), ["Invalid arguments", "close"], "opcode {opcode:#x}");
        assert_eq!(events(&input[..HEADER]), ["Invalid arguments", "close"], "the header is enough");
    }
    // Whatever the opcode.
    for opcode in [0x00, 0x01, 0x30] {
        assert_eq!(events(&header(opcode, 0, KEY_MAX + 1, 1000)), ["Invalid arguments", "close"]);
        assert_eq!(events(&header(opcode, 0, 1, u32::MAX as usize)), ["Invalid arguments", "close"]);
        assert_eq!(events(&header(opcode, 0, 10, 9)), ["Unknown command", "close"]);
        assert_eq!(events(&header(opcode, 8, 10, 17)), ["Unknown command", "close"]);
    }
}

#[test]
fn what_is_refused_alone_is_passed_over() {
    let noop = packet_of(0x0a, b"", b"", b"");
    for opcode in (0x25..=0xff).chain([0x1f]) {
        let input = [packet_of(opcode, b"extras", b"key", b"value"), noop.clone()].concat();
        assert_eq!(events(&input), ["Unknown command", "passes 14", "Noop"], "opcode {opcode:#x}");
    }
    for (opcode, extras) in [(0x01, STORE), (0x11, STORE), (0x0e, b"".as_slice()), (0x21, b"")] {
        for length in [ITEM_MAX, ITEM_MAX + 1] {
            let input = [packet_of(opcode, extras, b"k", &vec![b'v'; length]), noop.clone()].concat();
            let events = events(&input);
            let body = extras.len() + 1 + length;
            if length > ITEM_MAX {
                // Of a set the key is read, and counts.
                let (quiet, set) = (if opcode == 0x11 { "quiet " } else { "" }, matches!(opcode, 0x01 | 0x11));
                let (refused, passed) = if set { ("too large k", length) } else { ("Too large.", body) };
                assert_eq!(events, [format!("{quiet}{refused}"), format!("passes {passed}"), "Noop".into()]);
            } else {
                assert_eq!(events.len(), 2, "{events:?}");
            }
        }
    }
}

/// A step goes on with what was begun; a name that is too long is no mechanism.
#[test]
fn steps_of_a_login() {
    let (begin, step) = (packet_of(0x21, b"", b"PLAIN", b""), packet_of(0x22, b"", b"PLAIN", b"\0a\0b"));
    let (alone, follows) = ("login PLAIN \\x00a\\x00b true", "login PLAIN \\x00a\\x00b false");
    assert_eq!(events(&[begin, step.clone(), step].concat()), ["login PLAIN  false", follows, alone]);
    let long = packet_of(0x21, b"", &[b'x'; 33], b"a");
    assert_eq!(events(&long.repeat(2)), ["Invalid arguments", "Invalid arguments"]);
}

#[test]
fn the_first_byte_decides_unless_the_dialect_does() {
    let noop = packet_of(0x0a, b"", b"", b"");
    for (dialect, input, expected) in [
        (Dialect::Auto, [noop.clone(), b"version\r\n".to_vec()].concat(), "packet close"),
        (Dialect::Auto, [b"version\r\n".to_vec(), b"\x80\r\nversion\r\n".to_vec()].concat(), "text text text"),
        (Dialect::Ascii, b"\x80\r\nversion\r\n".to_vec(), "text text"),
        (Dialect::Binary, b"version\r\n".to_vec(), "close"),
        (Dialect::Binary, noop.clone(), "packet"),
        (Dialect::Auto, Vec::new(), ""),
    ] {
        let mut parser = Parser::new(ITEM_MAX, dialect);
        let (mut rest, mut said) = (input.as_slice(), Vec::new());
        loop {
            let mut request = Request::default();
            match parser.parse(rest, &mut request) {
                Parsed::Request { consumed } => {
                    said.push(if matches!(request.style, Style::Packet(_)) { "packet" } else { "text" });
                    rest = &rest[consumed..];
                }
                Parsed::Close => {
                    said.push("close");
                    break;
                }
                other => {
                    assert!(matches!(other, Parsed::Incomplete { .. }) && rest.is_empty(), "{other:?}");
                    break;
                }
            }
        }
        assert_eq!(said.join(" "), expected, "{dialect:?} {}", input.escape_ascii());
    }
}
