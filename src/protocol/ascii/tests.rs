//! Every row is what memcached 1.6.45 answered to these bytes, but for the rules that `ascii` names as ours.

use super::*;
use crate::protocol::{Dialect, Parsed, Parser};

mod lengths;

const ITEM_MAX: usize = 100;

/// Everything that comes of `input`, one line per event, until the parser waits or closes.
fn events(parser: &mut Parser, input: &[u8]) -> Vec<String> {
    let mut events = Vec::new();
    let mut rest = input;
    loop {
        let mut request = Request::default();
        let consumed = match parser.parse(rest, &mut request) {
            Parsed::Incomplete { wanted } => {
                if !rest.is_empty() {
                    events.push(format!("waits for {wanted}"));
                }
                return events;
            }
            Parsed::Close => {
                events.push("close".into());
                return events;
            }
            Parsed::Swallowed { consumed } => {
                events.push(format!("swallowed {consumed}"));
                consumed
            }
            Parsed::Request { consumed } => {
                events.push(show(request));
                consumed
            }
        };
        rest = rest.get(consumed..).expect("consumed lies within the input");
    }
}

fn show(request: Request) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let all = |keys: Keys| keys.iter().map(text).collect::<Vec<_>>().join(",");
    let quiet = match request.style {
        Style::Text { noreply } => noreply,
        Style::Meta(style) => return meta::tests::shown(&request.operation, &style),
        Style::Packet(packet) => panic!("{packet:?} is no text"),
    };
    let quiet = if quiet { " quiet" } else { "" };
    match request.operation {
        Operation::Get(get) => {
            let cas = if get.with_cas { "s" } else { "" };
            match get.touch {
                None => format!("get{cas} {}", all(get.keys)),
                Some(exptime) => format!("gat{cas} {exptime} {}", all(get.keys)),
            }
        }
        Operation::Store(Storage { mode, key, value, flags, exptime, compare, .. }) => {
            let compare = compare.map_or(String::new(), |cas| format!(" if {cas}"));
            format!("{mode:?} {} {flags} {exptime}{compare} [{}]{quiet}", text(key), text(value))
        }
        Operation::Arith(Arith { increment, key, delta, .. }) => {
            format!("{} {} {delta}{quiet}", if increment { "incr" } else { "decr" }, text(key))
        }
        Operation::Delete(Delete { key, .. }) => format!("delete {}{quiet}", text(key)),
        Operation::Touch { key, exptime, .. } => format!("touch {} {exptime}{quiet}", text(key)),
        Operation::FlushAll { delay } => format!("flush_all {delay}{quiet}"),
        Operation::Version => "version".into(),
        Operation::Noop => format!("nothing to do{quiet}"),
        Operation::Stats { args } => format!("stats [{}]", text(args)),
        Operation::KeyDump { format, limit } => format!("dump {format:?} {limit}"),
        Operation::MemoryLimit { megabytes } => format!("memory {megabytes}{quiet}"),
        Operation::Bind { name } => format!("bind {}", text(name)),
        Operation::RefreshCertificates => "refresh certificates".into(),
        Operation::Quit => "quit".into(),
        Operation::Tune { line } => format!("tune {}", text(line)),
        Operation::Oversized { key } => format!("too large {}{quiet}", text(key)),
        Operation::Refused(Refused::Line(reply)) => match String::from_utf8_lossy(reply).strip_suffix("\r\n") {
            None => "nothing".into(),
            Some("CLIENT_ERROR bad command line format") => "bad format".into(),
            Some(reply) => reply.into(),
        },
        other => panic!("{other:?} is no text"),
    }
}

#[track_caller]
pub(in crate::protocol) fn check(cases: &[(&str, &[&str])]) {
    for (input, expected) in cases {
        let got = events(&mut Parser::new(ITEM_MAX, Dialect::Auto), input.as_bytes());
        assert_eq!(got, *expected, "for {input:?}");
    }
}

#[test]
fn reads() {
    check(&[
        ("get k\r\n", &["get k"]),
        ("get k\n", &["get k"]),
        ("get   k1   k2  \r\n", &["get k1,k2"]),
        ("gets a b a\r\n", &["gets a,b,a"]),
        ("get a noreply\r\n", &["get a,noreply"]),
        ("get a\tb\r\n", &["get a\\tb"]),
        ("get a\0b\r\n", &["get a\\x00b"]),
        ("get a\r\r\n", &["get a\\r"]),
        ("get é\r\n", &["get \\xc3\\xa9"]),
        ("get\r\n", &["bad format"]),
        ("get \r\n", &["bad format"]),
        ("gets  \r\n", &["bad format"]),
        ("gat 0 n\r\n", &["gat 0 n"]),
        ("gats  -1  a  b \r\n", &["gats -1 a,b"]),
        ("gat 99999999999 n\r\n", &["gat 99999999999 n"]),
        ("gat\r\n", &["bad format"]),
        ("gat 0\r\n", &["bad format"]),
        ("gat a\r\n", &["bad format"]),
        ("gat x n\r\n", &["CLIENT_ERROR invalid exptime argument"]),
        ("gat 1x n\r\n", &["CLIENT_ERROR invalid exptime argument"]),
    ]);
}

#[test]
fn dumps_and_the_budget_of_memory() {
    check(&[
        ("stats cachedump 1 0\r\n", &["dump Items 18446744073709551615"]),
        ("stats cachedump 1 7 8\r\n", &["dump Items 7"]),
        ("stats cachedump 2 0\r\n", &["END"]),
        ("stats cachedump 64 0\r\n", &["CLIENT_ERROR Illegal slab id"]),
        ("stats cachedump 1 x\r\n", &["bad format"]),
        ("stats cachedump 1\r\n", &["CLIENT_ERROR bad command line"]),
        ("lru_crawler metadump all\r\n", &["dump Meta 18446744073709551615"]),
        ("lru_crawler mgdump hash\r\n", &["dump MetaGet 18446744073709551615"]),
        ("lru_crawler metadump 3,1\r\n", &["dump Meta 18446744073709551615"]),
        ("lru_crawler metadump 3,2\r\n", &["dump Meta 0"]),
        ("lru_crawler metadump 64\r\n", &["BADCLASS invalid class id"]),
        ("lru_crawler metadump\r\n", &["ERROR"]),
        ("lru_crawler enable\r\n", &["tune lru_crawler enable"]),
        ("cache_memlimit 8\r\n", &["memory 8"]),
        ("cache_memlimit 1000000000 noreply\r\n", &["memory 1000000000 quiet"]),
        ("cache_memlimit 7\r\n", &["MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m"]),
        ("cache_memlimit 1000000001\r\n", &["MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes"]),
        ("cache_memlimit 4294967296\r\n", &["ERROR"]),
        ("cache_memlimit x noreply\r\n", &["nothing"]),
    ]);
}

/// What steers slabs and queues has nothing to steer here; clients go on.
#[test]
fn commands_without_meaning() {
    for line in [
        "slabs automove 1",
        "lru mode flat",
        "lru tune 10 20 0.1 2.0",
        "lru temp_ttl -1",
        "lru_crawler disable",
        "lru_crawler sleep 100",
        "lru_crawler tocrawl 10",
        "lru_crawler crawl all",
        "lru_crawler crawl 1,2",
    ] {
        check(&[(&format!("{line}\r\n"), &[&format!("tune {line}")])]);
    }
    check(&[
        ("slabs\r\nslabs foo\r\nlru\r\nlru mode\r\nlru foo 1\r\n", &["ERROR"; 5]),
        ("lru_crawler\r\nlru_crawler foo\r\nlru_crawler sleep\r\n", &["ERROR"; 3]),
        ("slabs reassign 1 2\r\n", &["NOSPARE source class has no spare pages"]),
        ("slabs automove x\r\n", &["bad format"]),
        ("lru_crawler sleep 100000000\r\n", &["CLIENT_ERROR sleep must be one second or less"]),
        ("lru_crawler crawl 99\r\n", &["BADCLASS invalid class id"]),
    ]);
}

/// Before the login a `set` may have anything for its arguments but the length.
#[test]
fn the_set_of_a_stranger() {
    for (input, expected) in [
        ("set _ _ _ 3\r\na a\r\n", "Set _ 0 0 [a a]"),
        ("set a 0 0 3 4 5\r\na a\r\n", "Set a 0 0 [a a]"),
        ("set a 0 0 3 noreply\r\na a\r\n", "Set a 0 0 [a a]"),
        ("set a 0 3\r\n", "bad format"),
        ("set a 0 0 -1\r\n", "bad format"),
        ("set\r\n", "bad format"),
    ] {
        let mut parser = Parser::new(ITEM_MAX, Dialect::Auto);
        parser.await_login(ITEM_MAX);
        assert_eq!(events(&mut parser, input.as_bytes()), [expected], "{input:?}");
        parser.logged_in(ITEM_MAX);
        assert_ne!(events(&mut parser, b"set _ _ _ 3\r\na a\r\n"), ["Set _ 0 0 [a a]"]);
    }
}

#[test]
fn stores() {
    check(&[
        ("set a 0 0 1\r\nx\r\n", &["Set a 0 0 [x]"]),
        ("set a 0 0 1\nx\r\n", &["Set a 0 0 [x]"]),
        ("set a 0 0 0\r\n\r\n", &["Set a 0 0 []"]),
        ("set a 0 0 -0\r\n\r\n", &["Set a 0 0 []"]),
        ("set a 0 0 4\r\n\r\n\r\n\r\n", &["Set a 0 0 [\\r\\n\\r\\n]"]),
        ("set  a  7  -1  1 \r\nx\r\n", &["Set a 7 -1 [x]"]),
        ("set a 4294967295 99999999999 1\r\nx\r\n", &["Set a 4294967295 99999999999 [x]"]),
        ("set a 007 0 01\r\nx\r\n", &["Set a 7 0 [x]"]),
        ("add a 1 2 1 noreply\r\nx\r\n", &["Add a 1 2 [x] quiet"]),
        ("add a 1 2 1  noreply \r\nx\r\n", &["Add a 1 2 [x] quiet"]),
        ("replace a 1 2 1\r\nx\r\n", &["Replace a 1 2 [x]"]),
        ("append a 1 2 1\r\nx\r\n", &["Append a 1 2 [x]"]),
        ("prepend a 1 2 1\r\nx\r\n", &["Prepend a 1 2 [x]"]),
        ("set a 0 0 1 foo\r\nx\r\n", &["Set a 0 0 [x]"]),
        ("set a 0 0 1 foo noreply\r\nx\r\n", &["Set a 0 0 [x] quiet"]),
        ("set a 0 0 1 noreply foo\r\nx\r\n", &["Set a 0 0 [x]"]),
        ("cas a 0 0 1 5\r\nx\r\n", &["Set a 0 0 if 5 [x]"]),
        ("cas a 0 0 1 18446744073709551615 noreply\r\nx\r\n", &["Set a 0 0 if 18446744073709551615 [x] quiet"]),
        ("cas a 0 0 1 5 6 7\r\nx\r\n", &["Set a 0 0 if 5 [x]"]),
    ]);
}

#[test]
fn refused_line_without_a_usable_length_takes_no_data() {
    check(&[
        ("set\r\n", &["bad format"]),
        ("set a\r\n", &["bad format"]),
        ("set a 0 0\r\nversion\r\n", &["bad format", "version"]),
        ("set a 0 0 noreply\r\nversion\r\n", &["bad format", "version"]),
        ("set a 0 0 -1\r\nversion\r\n", &["bad format", "version"]),
        ("set a 0 0 -1 noreply\r\nversion\r\n", &["bad format", "version"]),
        ("set a 0 0 2147483646\r\nversion\r\n", &["bad format", "version"]),
        ("set a 0 0 4294967297\r\nversion\r\n", &["bad format", "version"]),
        ("set a 0 0 99999999999999999999\r\nversion\r\n", &["bad format", "version"]),
        ("set a 0 0 +1\r\nversion\r\n", &["bad format", "version"]),
        ("set a 0 0 1x\r\nversion\r\n", &["bad format", "version"]),
        ("set a 0 0 -\r\nversion\r\n", &["bad format", "version"]),
        ("cas a 0 0 noreply\r\nversion\r\n", &["bad format", "version"]),
    ]);
}

#[test]
fn refused_line_with_a_length_takes_its_data() {
    check(&[
        ("set a -1 0 1\r\nx\r\nversion\r\n", &["bad format", "swallowed 3", "version"]),
        ("set a x 0 5\r\nabcdefgversion\r\n", &["bad format", "swallowed 7", "version"]),
        ("set a x 0 5 noreply\r\nabcde\r\nversion\r\n", &["nothing", "swallowed 7", "version"]),
        ("set a +1 0 1\r\nx\r\n", &["bad format", "swallowed 3"]),
        ("set a 0x1 0 1\r\nx\r\n", &["bad format", "swallowed 3"]),
        ("set a 4294967296 0 1\r\nx\r\n", &["bad format", "swallowed 3"]),
        ("set a 0 x 1\r\nx\r\n", &["bad format", "swallowed 3"]),
        ("set a 0 9223372036854775808 1\r\nx\r\n", &["bad format", "swallowed 3"]),
        ("cas a 0 0 1\r\nx\r\n", &["bad format", "swallowed 3"]),
        ("cas a 0 0 1 noreply\r\nx\r\n", &["nothing", "swallowed 3"]),
        ("cas a 0 0 1 -5\r\nx\r\n", &["bad format", "swallowed 3"]),
        ("cas a 0 0 1 18446744073709551616\r\nx\r\n", &["bad format", "swallowed 3"]),
        ("append a x y 1\r\nx\r\n", &["bad format", "swallowed 3"]),
        ("set a 0 0 2147483645\r\nversion\r\n", &["too large a", "swallowed 9"]),
        ("add a 0 0 2147483645\r\nversion\r\n", &["SERVER_ERROR object too large for cache", "swallowed 9"]),
        ("set a 0 0 101 noreply\r\nversion\r\n", &["too large a quiet", "swallowed 9"]),
        ("cas a 0 0 101 5 noreply\r\nversion\r\n", &["nothing", "swallowed 9"]),
    ]);
}

#[test]
fn data_block_that_does_not_end_where_it_should() {
    check(&[
        ("set a 0 0 1\r\nxyz\r\nversion\r\n", &["CLIENT_ERROR bad data chunk", "bad format", "version"]),
        ("set a 0 0 3\r\nx\r\nversion\r\n", &["CLIENT_ERROR bad data chunk", "ERROR"]),
        ("set a 0 0 1\r\nxy\nversion\r\n", &["CLIENT_ERROR bad data chunk", "version"]),
        ("set a 0 0 1\r\nx\rversion\r\n", &["CLIENT_ERROR bad data chunk", "ERROR"]),
        ("set a 0 0 5\r\nabcdefg", &["CLIENT_ERROR bad data chunk"]),
        ("set a 0 0 1 noreply\r\nxyz\r\nversion\r\n", &["nothing", "bad format", "version"]),
    ]);
}

#[test]
fn numbers_and_touch() {
    check(&[
        ("incr n 1\r\n", &["incr n 1"]),
        ("decr n 18446744073709551615\r\n", &["decr n 18446744073709551615"]),
        ("incr n 01\r\n", &["incr n 1"]),
        ("incr n 1  noreply \r\n", &["incr n 1 quiet"]),
        ("incr n 1 foo bar\r\n", &["incr n 1"]),
        ("incr n 1 NOREPLY\r\n", &["incr n 1"]),
        ("incr\r\n", &["bad format"]),
        ("incr n\r\n", &["bad format"]),
        ("incr noreply\r\n", &["bad format"]),
        ("incr n noreply\r\n", &["nothing"]),
        ("incr n x\r\n", &["CLIENT_ERROR invalid numeric delta argument"]),
        ("incr n -1\r\n", &["CLIENT_ERROR invalid numeric delta argument"]),
        ("incr n +1\r\n", &["CLIENT_ERROR invalid numeric delta argument"]),
        ("incr n 1\t\r\n", &["CLIENT_ERROR invalid numeric delta argument"]),
        ("incr n 18446744073709551616\r\n", &["CLIENT_ERROR invalid numeric delta argument"]),
        ("incr n x noreply\r\n", &["nothing"]),
        ("touch k 0\r\n", &["touch k 0"]),
        ("touch k -1 noreply\r\n", &["touch k -1 quiet"]),
        ("touch k 2147483648\r\n", &["touch k 2147483648"]),
        ("touch k 0 foo bar\r\n", &["touch k 0"]),
        ("touch\r\n", &["bad format"]),
        ("touch k\r\n", &["bad format"]),
        ("touch k x\r\n", &["CLIENT_ERROR invalid exptime argument"]),
        ("touch k noreply\r\n", &["nothing"]),
    ]);
}

#[test]
fn the_other_commands() {
    check(&[
        ("delete k\r\n", &["delete k"]),
        ("delete k 0\r\n", &["delete k"]),
        ("delete k 10\r\n", &["delete k"]),
        ("delete k foo\r\n", &["delete k"]),
        ("delete k 0 0 0\r\n", &["bad format"]),
        ("delete k 0 noreply\r\n", &["delete k quiet"]),
        ("delete k noreply\r\n", &["delete k quiet"]),
        ("delete\r\n", &["bad format"]),
        ("flush_all\r\n", &["flush_all 0"]),
        ("flush_all noreply\r\n", &["flush_all 0 quiet"]),
        ("flush_all  noreply \r\n", &["flush_all 0 quiet"]),
        ("flush_all 10\r\n", &["flush_all 10"]),
        ("flush_all -1 noreply\r\n", &["flush_all -1 quiet"]),
        ("flush_all 0 foo\r\n", &["flush_all 0"]),
        ("flush_all x\r\n", &["CLIENT_ERROR invalid exptime argument"]),
        ("flush_all x noreply\r\n", &["nothing"]),
        ("flush_all noreply noreply\r\n", &["nothing"]),
        ("version\r\n", &["version"]),
        ("version foo\r\n", &["version"]),
        ("verbosity 1\r\n", &["nothing to do"]),
        ("verbosity 1 noreply\r\n", &["nothing to do quiet"]),
        ("verbosity noreply\r\n", &["nothing"]),
        ("verbosity\r\n", &["bad format"]),
        ("verbosity -1\r\n", &["bad format"]),
        ("verbosity 4294967296\r\n", &["bad format"]),
        ("stats\r\n", &["stats []"]),
        ("stats \r\n", &["stats []"]),
        ("stats  detail  on \r\n", &["stats [detail  on]"]),
        ("bind aaa\r\n", &["bind aaa"]),
        ("bind\r\n", &["bad format"]),
        ("bind a b\r\n", &["bad format"]),
        ("quit\r\n", &["quit"]),
        ("quit noreply\r\n", &["quit"]),
        ("shutdown graceful\r\n", &["SERVER_ERROR: shutdown not enabled"]),
        ("shutdown noreply\r\n", &["nothing"]),
    ]);
}

#[test]
fn unknown_lines() {
    check(&[
        ("\r\n", &["bad format"]),
        ("\n\n", &["bad format", "bad format"]),
        ("\r\r\n", &["bad format"]),
        (" \r\n", &["bad format"]),
        ("a\r\n", &["bad format"]),
        ("aa\r\n", &["ERROR"]),
        ("  \r\n", &["ERROR"]),
        (" get k\r\n", &["ERROR"]),
        ("GET k\r\n", &["ERROR"]),
        ("get\tk\r\n", &["ERROR"]),
        ("version\r\r\n", &["ERROR"]),
        ("getx k\r\n", &["ERROR"]),
        ("versionx\r\n", &["ERROR"]),
        ("bget k\r\n", &["ERROR"]),
    ]);
}

#[test]
fn http_closes() {
    check(&[
        ("GET / HTTP/1.1\r\nHost: x\r\n", &["close"]),
        ("POST /x HTTP/1.0 \r\n", &["close"]),
        ("version\r\n GET / HTTP/1.0\r\n", &["version", "close"]),
        ("get / HTTP/1.1\r\n\r\n", &["get /,HTTP/1.1", "bad format"]),
        ("GET /\r\n", &["ERROR"]),
    ]);
}

#[test]
fn keys() {
    let parse = |text| Keys::new(text).expect("keys");
    let keys = parse(b"  a bb  a ");
    assert_eq!(keys.iter().collect::<Vec<_>>(), [b"a".as_slice(), b"bb", b"a"]);
    assert_eq!((keys.len_hint(), keys.iter().len(), keys.first(), keys.is_single()), (3, 3, b"a".as_slice(), false));
    assert!(parse(b" a ").is_single());
    assert_eq!(parse(b" a b "), parse(b"a b"));
}

#[test]
fn numbers_at_their_limits() {
    let signed_cases: [(&[u8], Option<i64>); 8] = [
        (b"9223372036854775807", Some(i64::MAX)),
        (b"-9223372036854775808", Some(i64::MIN)),
        (b"9223372036854775808", None),
        (b"-9223372036854775809", None),
        (b"-0", Some(0)),
        (b"--1", None),
        (b"-", None),
        (b"", None),
    ];
    for (text, expected) in signed_cases {
        assert_eq!(signed(text), expected, "for {}", text.escape_ascii());
    }
    let unsigned_cases: [(&[u8], Option<u64>); 8] = [
        (b"0", Some(0)),
        (b"9999999999999999999", Some(9_999_999_999_999_999_999)),
        (b"18446744073709551615", Some(u64::MAX)),
        (b"18446744073709551616", None),
        (b"99999999999999999999999999", None),
        (b"0000000000000000000000000000000007", Some(7)),
        (b"1/", None),
        (b":", None),
    ];
    for (text, expected) in unsigned_cases {
        assert_eq!(unsigned(text), expected, "for {}", text.escape_ascii());
    }
}
