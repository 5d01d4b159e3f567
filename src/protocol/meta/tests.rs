//! Every row is what memcached 1.6.45 answered to these bytes, but for the rules that `meta` names as ours.

use super::*;
use crate::protocol::ascii::tests::check;
use crate::protocol::reply::Out;
use std::fmt;

/// The verb, the key that it means, the flags, an `ms` with its mode and value.
impl fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = [0; KEY_MAX];
        write!(f, "{:?} {}", self.verb, self.key(&mut buffer).escape_ascii())?;
        for (flag, token) in self.flags() {
            write!(f, " {}{}", char::from(flag), token.escape_ascii())?;
        }
        match self.verb {
            Verb::Set => write!(f, " {:?} [{}]", self.set_mode(), self.value.escape_ascii()),
            Verb::Arith => write!(f, "{}", if self.increments() { " up" } else { " down" }),
            _ => Ok(()),
        }
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
        ("ms k 101 q\r\n", &["SERVER_ERROR object too large for cache"]),
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

#[test]
fn replies() {
    let parsed = |line: &'static str| match command(Verb::Get, line.as_bytes()) {
        Command::Complete(crate::protocol::Request::Meta(request)) => request,
        other => panic!("{other:?}"),
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
    let none = Facts::default();
    for (line, code, facts, expected) in [
        (" k", Code::Done, all, "HD X W"),
        (" k v q u T5", Code::Value(12), sent, "VA 12 Z X"),
        (" key k O1 t f", Code::Value(0), none, "VA 0 kkey O1"),
        (" YQ== O b k", Code::Miss, none, "EN O kYQ== b"),
        (" k s l h t c f", Code::Done, sent, "HD s5 l3 h1 t-1 c18446744073709551615 f7 Z X"),
        (" k k", Code::NotStored, none, "NS kk"),
        (" k", Code::Exists, none, "EX"),
        (" k c", Code::NotFound, none, "NF"),
    ] {
        let mut out = Out::from(&b"|"[..]);
        response(&mut out, &parsed(line), code, &facts);
        assert_eq!(String::from_utf8(out.to_vec()).unwrap(), format!("|{expected}\r\n"));
    }
    let mut out = Out::new();
    debug(&mut out, &parsed(" YQ== b"), &all, 9);
    debug(&mut out, &parsed(" a"), &none, 9);
    let expected = "ME YQ== exp=-1 la=3 cas=18446744073709551615 fetch=yes cls=1 size=9\r\n\
                    ME a exp=-1 la=0 cas=0 fetch=no cls=1 size=9\r\n";
    assert_eq!(String::from_utf8(out.to_vec()).unwrap(), expected);
}
