//! Every row is what memcached 1.6.45 answered to these bytes, but for the rules that `meta` names as ours.

use super::*;
use crate::protocol::ascii::tests::check;

/// The verb, the key that it means, the flags, an `ms` with its mode and value.
pub(in crate::protocol) fn shown(operation: &Operation<'_>, style: &MetaStyle<'_>) -> String {
    let verb = match operation {
        Operation::Get(_) => "Get",
        Operation::Store(_) => "Set",
        Operation::Delete(_) => "Delete",
        Operation::Arith(_) => "Arith",
        Operation::Inspect { .. } => "Debug",
        Operation::Noop => "Noop",
        Operation::Oversized { .. } => "Oversized",
        other => panic!("{other:?} is no meta command"),
    };
    let request = Request { operation: *operation, style: Style::Meta(*style) };
    let mut buffer = [0; KEY_MAX];
    let key = if request.is_encoded() { request.decoded(&mut buffer).operation.key() } else { operation.key() };
    let mut text = format!("{verb} {}", key.unwrap_or_default().escape_ascii());
    for (flag, token) in style.flags() {
        text += &format!(" {}{}", char::from(flag), token.escape_ascii());
    }
    match operation {
        Operation::Store(store) => text + &format!(" {:?} [{}]", store.mode, store.value.escape_ascii()),
        Operation::Arith(arith) => text + if arith.increment { " up" } else { " down" },
        _ => text,
    }
}

const BAD: &[&str] = &["bad format"];

#[test]
fn lines() {
    check(&[
        ("mn\r\n", &["Noop "]),
        ("mn\n", &["Noop "]),
        ("mn x ! y\r\n", &["Noop "]),
        ("mg k\r\n", &["Get k"]),
        ("mg  k  v   t \r\n", &["Get k v t"]),
        ("mg k v\n", &["Get k v"]),
        ("mg k b\u{301}\r\n", &["CLIENT_ERROR error decoding key"]),
        ("mg k ka O1 T-5 q\r\n", &["Get k ka O1 T-5 q"]),
        ("mg a\tb v\t\r\n", &["Get a\\tb v\\t"]),
        ("me k\r\n", &["Debug k"]),
        ("me k v v d 7\r\n", &["Debug k v v d 7"]),
        ("md k I T5 x\r\n", &["Delete k I T5 x"]),
        ("ma k\r\n", &["Arith k up"]),
        ("ma k M- D5\r\n", &["Arith k M- D5 down"]),
        ("ma k MDec N0 J7\r\n", &["Arith k MDec N0 J7 down"]),
        ("ma k M+\r\nma k MI\r\n", &["Arith k M+ up", "Arith k MI up"]),
        ("mg\r\nmg \r\nme\r\nmd\r\nma\r\n", &["bad format", "bad format", "bad format", "bad format", "bad format"]),
        ("mgx k\r\nMG k\r\n mg k\r\nmx k\r\n", &["ERROR", "ERROR", "ERROR", "ERROR"]),
    ]);
}

#[test]
fn data_blocks() {
    check(&[
        ("ms k 1\r\nx\r\n", &["Set k Set [x]"]),
        ("ms k 0 ME\r\n\r\n", &["Set k ME Add []"]),
        ("ms k 02 T5 MAppend\r\nxy\r\n", &["Set k T5 MAppend Append [xy]"]),
        ("ms k 1 MP\r\nx\r\nms k 1 MR\r\nx\r\n", &["Set k MP Prepend [x]", "Set k MR Replace [x]"]),
        ("ms k 5\r\nab", &["waits for 15"]),
        ("ms k 1 q\r\nxy\r\n", &["CLIENT_ERROR bad data chunk", "bad format"]),
        ("ms k 101 q\r\n", &["Oversized k q"]),
        ("ms k 101 ME\r\n", &["SERVER_ERROR object too large for cache"]),
        ("ms\r\nms k\r\nms k x\r\nms k -1\r\n", &["bad format", "bad format", "bad format", "bad format"]),
        ("ms k T5 1\r\n", BAD),
        ("ms k 2147483646\r\n", BAD),
        // What is wrong behind the length does not make commands of the data.
        ("ms k 4 w\r\nmn\r\n\r\nmn\r\n", &["CLIENT_ERROR invalid flag", "swallowed 6", "Noop "]),
        ("ms k 2 ! q\r\nmn\r\n", &["bad format", "swallowed 4"]),
        ("ms k 2 ms\r\nmn\r\n", &["CLIENT_ERROR invalid flag", "swallowed 4"]),
        ("ms k 2 Me\r\nmn\r\n", &["CLIENT_ERROR invalid mode for ms M token", "swallowed 4"]),
        ("ms k 2 M\r\nmn\r\n", &["CLIENT_ERROR invalid mode for ms M token", "swallowed 4"]),
        ("ms ! 2 b q\r\nmn\r\n", &["CLIENT_ERROR error decoding key", "swallowed 4"]),
    ]);
}

#[test]
fn flags_that_are_wrong() {
    const BAD_TOKEN: &[&str] = &["CLIENT_ERROR bad token in command line format"];
    const DUPLICATE: &[&str] = &["CLIENT_ERROR duplicate flag"];
    const INVALID: &[&str] = &["CLIENT_ERROR invalid flag"];
    const EITHER: &[&str] = &["CLIENT_ERROR invalid or duplicate flag"];
    check(&[
        ("mg k v v\r\n", DUPLICATE),
        ("mg k P1 P2\r\n", DUPLICATE),
        ("mg k v v d\r\n", DUPLICATE),
        ("mg k d v v\r\n", INVALID),
        ("mg k Tx d\r\n", INVALID),
        ("md k 9\r\n", INVALID),
        ("md k [\r\n", INVALID),
        ("mg k v ! v\r\n", BAD),
        ("mg k {\r\n", BAD),
        ("me k \x01\r\n", BAD),
        ("mg k T\r\n", BAD_TOKEN),
        ("mg k T5x\r\n", BAD_TOKEN),
        ("mg k R+5\r\n", BAD_TOKEN),
        ("mg k N9223372036854775808\r\n", BAD_TOKEN),
        ("mg k T9223372036854775807\r\n", &["Get k T9223372036854775807"]),
        ("md k C-1\r\n", BAD_TOKEN),
        ("md k E18446744073709551616\r\n", BAD_TOKEN),
        ("mg k D\r\n", &["CLIENT_ERROR invalid numeric delta value"]),
        ("mg k Jx\r\n", &["CLIENT_ERROR invalid numeric initial value"]),
        ("mg k F4294967296\r\n", BAD),
        ("mg k F4294967295 M\r\n", &["Get k F4294967295 M"]),
        ("ma k d\r\n", EITHER),
        ("ma k v v\r\n", EITHER),
        ("ma k D-1\r\n", EITHER),
        ("ma k Nx\r\n", EITHER),
        ("ma ! b\r\n", EITHER),
        ("ma k Mi\r\n", &["CLIENT_ERROR invalid mode for ma M token"]),
        ("ma k M\r\n", &["CLIENT_ERROR invalid mode for ma M token"]),
    ]);
    let opaque = |length: usize| format!("mg k O{}\r\n", "o".repeat(length));
    check(&[
        (&opaque(32), &[opaque(32).trim_end().replace("mg", "Get").as_str()]),
        (&opaque(33), &["CLIENT_ERROR opaque token too long"]),
        (&opaque(33).replace("mg", "ma"), &["CLIENT_ERROR opaque token too long"]),
        (&opaque(33).replace("O", "d O"), INVALID),
    ]);
}

#[test]
fn limits() {
    const FLAGS: &str = "b c f h k l q s t u v x I L M O P C1";
    let mg = |flags: &str| format!("mg YQ== {flags}\r\n");
    check(&[
        (&mg(FLAGS), &[format!("Get a {FLAGS}").as_str()]),
        (&mg(&format!("{FLAGS} E1")), &["CLIENT_ERROR options flags are too long"]),
        (&mg(&"v ".repeat(19)), &["CLIENT_ERROR options flags are too long"]),
        (&mg(&"v ".repeat(19)).replace("mg", "ma"), &["CLIENT_ERROR invalid or duplicate flag"]),
        (&format!("ms YQ== 1 {FLAGS}\r\nx\r\n"), &["CLIENT_ERROR options flags are too long", "swallowed 3"]),
    ]);
    let (longest, longer) = ("k".repeat(250), "k".repeat(251));
    for verb in ["mg", "me", "md", "ma"] {
        check(&[(&format!("{verb} {longer} d q\r\n"), BAD)]);
    }
    check(&[
        (&format!("mg {longest}\r\n"), &[format!("Get {longest}").as_str()]),
        (&format!("ms {longer} 1\r\nx\r\n"), &["bad format", "swallowed 3"]),
    ]);
}

#[test]
fn base64_keys() {
    check(&[
        ("mg YQ== b\r\n", &["Get a b"]),
        ("mg YWI= b k\r\n", &["Get ab b k"]),
        ("mg YWJj v b\r\n", &["Get abc v b"]),
        ("mg +/8A b\r\n", &["Get \\xfb\\xff\\x00 b"]),
        ("mg YSBiDQo= b\r\n", &["Get a b\\r\\n b"]),
        ("me YQ== b\r\n", &["Debug a b"]),
        ("mg YQ==\r\n", &["Get YQ=="]),
    ]);
    for key in ["YQ", "YQ=", "Y===", "====", "=", "YW-j", "YW_j", "YQ==YQ==", "Y=Q=", "YWJjZ"] {
        check(&[(&format!("mg {key} b\r\n"), &["CLIENT_ERROR error decoding key"])]);
    }
    let bytes: Vec<u8> = (0..186).map(|i| (i * 89 + 7) as u8).collect();
    let encoded = encode(&bytes);
    assert_eq!(base64::decode(encoded.as_bytes(), &mut [0; KEY_MAX]), Some(bytes.as_slice()));
}

fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    assert_eq!(bits.len() % 24, 0, "no padding here");
    bits.chunks(6).map(|six| DIGITS[six.iter().fold(0, |n, bit| n << 1 | usize::from(*bit))] as char).collect()
}

/// Flags become parts of the operation, whatever their order.
#[test]
fn tokens() {
    let operation = |verb, text: &'static str| {
        let mut request = Request::default();
        let said = line(verb, text.as_bytes(), &mut request);
        assert!(matches!(said, Line::Complete | Line::Block { .. }), "{said:?}");
        request.operation
    };
    let (quiet, tells) = (Tells::default(), Tells { cas: true, size: true, ttl: true });
    let renewal = Some(Renewal { below: Some(30), create: Some(-1), cas: Some(8), reads: false });
    let get = Get {
        keys: Keys::one(b"k"),
        part: Part::Whole,
        with_cas: true,
        with_value: true,
        touch: Some(5),
        known: Some(7),
        renewal,
    };
    assert_eq!(operation(Verb::Get, " k T5 R30 N-1 E8 C7 u v"), Operation::Get(get));
    let plain = Renewal { below: None, create: None, cas: None, reads: true };
    let get = Get { with_value: false, touch: None, known: None, renewal: Some(plain), ..get };
    assert_eq!(operation(Verb::Get, " k q D3"), Operation::Get(get));
    let store = Storage {
        mode: StoreMode::Append,
        key: b"k",
        value: b"",
        flags: 9,
        exptime: 5,
        compare: Some(7),
        cas: Some(8),
        create: Some(6),
        stale_if_older: true,
        tells,
    };
    assert_eq!(operation(Verb::Set, " k 1 c s t MA F9 T5 C7 E8 N6 I"), Operation::Store(store));
    assert_eq!(
        operation(Verb::Set, " k 1 c q s t MA F9 T5 C7 E8 N6 I"),
        Operation::Store(Storage { tells: quiet, ..store })
    );
    let delete = |removal| Operation::Delete(Delete { key: b"k", compare: Some(7), removal });
    for (flags, removal) in [
        (" k C7 T5", Removal::Item),
        (" k C7 T5 I E8", Removal::Freshness { exptime: Some(5), cas: Some(8) }),
        (" k C7 T5 I E8 x F9", Removal::Value { flags: 9, exptime: 5, cas: Some(8), stale: true }),
        (" k C7 x", Removal::Value { flags: 0, exptime: 0, cas: None, stale: false }),
    ] {
        assert_eq!(operation(Verb::Delete, flags), delete(removal), "{flags}");
    }
    let create = Some(Initial { number: 4, exptime: 6 });
    let (compare, cas, exptime) = (Some(7), Some(8), Some(5));
    let arith = Arith { increment: false, key: b"k", delta: 3, compare, cas, exptime, create, tells };
    assert_eq!(operation(Verb::Arith, " k MD D3 C7 E8 T5 J4 N6 t c s"), Operation::Arith(arith));
}
