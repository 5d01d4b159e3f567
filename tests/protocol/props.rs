//! What must hold for the parser whatever it is given.

use daemon_memcached::protocol::operation::{Delete, Get, Removal, Renewal, StoreMode};
use daemon_memcached::protocol::{Dialect, GET_LINE_MAX, KEY_MAX, LINE_MAX, Operation, Parsed, Parser, Request, Style};
use proptest::prelude::*;

mod feed;
mod packets;

use feed::{ITEM_MAX, feed};

/// A command that is right, and what the parser must make of it.
#[derive(Debug, Clone)]
struct Valid {
    text: Vec<u8>,
    meaning: String,
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    // Any byte but the two that end a key; a carriage return is one only within a line.
    let byte = prop_oneof![8 => b'a'..=b'z', 1 => any::<u8>()].prop_filter("ends a key", |b| !b" \r\n".contains(b));
    prop_oneof![
        9 => prop::collection::vec(byte.clone(), 1..20),
        1 => prop::collection::vec(byte, KEY_MAX - 1..=KEY_MAX),
    ]
    .prop_filter("is the word itself", |key| key != b"noreply")
}

fn spaces() -> impl Strategy<Value = &'static str> {
    prop_oneof![9 => Just(" "), 1 => Just("   ")]
}

fn line(words: &[&[u8]], space: &str, end: &str) -> Vec<u8> {
    let mut text = words.join(space.as_bytes());
    text.extend_from_slice(end.as_bytes());
    text
}

fn noreply_word(noreply: bool) -> &'static [u8] {
    if noreply { b"noreply" } else { b"" }
}

fn ends() -> impl Strategy<Value = &'static str> {
    prop_oneof![9 => Just("\r\n"), 1 => Just("\n")]
}

fn shown_keys(keys: &[Vec<u8>]) -> String {
    keys.iter().map(|key| key.escape_ascii().to_string()).collect::<Vec<_>>().join(" ")
}

/// The same text for what was generated and for what was parsed.
fn meaning(request: &Request) -> String {
    let show = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let noreply = match request.style {
        Style::Text { noreply } => noreply,
        Style::Meta(_) => return meta_meaning(request),
        Style::Packet(packet) => panic!("{packet:?} is no text"),
    };
    match request.operation {
        Operation::Get(Get { keys, with_cas, touch, .. }) => {
            let keys = shown_keys(&keys.iter().map(<[u8]>::to_vec).collect::<Vec<_>>());
            match touch {
                None => format!("get {with_cas} {keys}"),
                Some(exptime) => format!("gat {with_cas} {exptime} {keys}"),
            }
        }
        Operation::Store(store) => {
            let (mode, key, value) = (store.mode, show(store.key), show(store.value));
            format!("{mode:?} {key} {} {} {:?} {noreply} {value}", store.flags, store.exptime, store.compare)
        }
        Operation::Arith(arith) => format!("{} {} {} {noreply}", arith.increment, show(arith.key), arith.delta),
        Operation::Delete(delete) => format!("delete {} {noreply}", show(delete.key)),
        Operation::Touch { key, exptime, .. } => format!("touch {} {exptime} {noreply}", show(key)),
        ref other => format!("{other:?}"),
    }
}

/// The flags that make a difference to the operation.
fn meta_meaning(request: &Request) -> String {
    let mut buffer = [0; KEY_MAX];
    let decoded = if request.is_encoded() { request.decoded(&mut buffer) } else { *request };
    let key = decoded.operation.key().unwrap_or_default().escape_ascii();
    match decoded.operation {
        Operation::Get(Get { with_value, touch, known, renewal, .. }) => {
            let Renewal { below, create, cas, reads } = renewal.expect("of a meta command");
            format!("mg {key} {with_value} {touch:?} {known:?} {below:?} {create:?} {cas:?} {reads}")
        }
        Operation::Store(store) => {
            let (value, mode) = (store.value.escape_ascii(), store.mode);
            let numbers = (store.flags, store.exptime, store.compare, store.cas, store.create);
            format!("ms {key} {value} {mode:?} {numbers:?}")
        }
        Operation::Delete(Delete { compare, removal: Removal::Item, .. }) => format!("md {key} {compare:?}"),
        Operation::Arith(arith) => {
            let create = arith.create.map(|create| (create.number, create.exptime));
            let numbers = (arith.delta, arith.compare, arith.cas, arith.exptime, create);
            format!("ma {key} {} {numbers:?}", arith.increment)
        }
        other => panic!("{other:?} is not what was sent"),
    }
}

fn valid_get() -> impl Strategy<Value = Valid> {
    let keys = prop::collection::vec(key(), 1..6);
    (keys, any::<bool>(), prop::option::of(any::<i64>()), spaces(), ends()).prop_map(
        |(keys, with_cas, exptime, space, end)| {
            let number = exptime.map(|exptime| exptime.to_string());
            let verb: &[u8] = match (exptime, with_cas) {
                (None, false) => b"get",
                (None, true) => b"gets",
                (Some(_), false) => b"gat",
                (Some(_), true) => b"gats",
            };
            let mut words = vec![verb];
            words.extend(number.as_ref().map(String::as_bytes));
            words.extend(keys.iter().map(Vec::as_slice));
            let keys = shown_keys(&keys);
            let meaning = match exptime {
                None => format!("get {with_cas} {keys}"),
                Some(exptime) => format!("gat {with_cas} {exptime} {keys}"),
            };
            Valid { text: line(&words, space, end), meaning }
        },
    )
}

fn valid_store() -> impl Strategy<Value = Valid> {
    let verb = prop::sample::select(vec![
        ("set", StoreMode::Set),
        ("add", StoreMode::Add),
        ("replace", StoreMode::Replace),
        ("append", StoreMode::Append),
        ("prepend", StoreMode::Prepend),
        ("cas", StoreMode::Set),
    ]);
    let value = prop::collection::vec(any::<u8>(), 0..=ITEM_MAX);
    let numbers = (any::<u32>(), any::<i64>(), any::<u64>());
    (verb, key(), numbers, value, any::<bool>(), spaces(), ends()).prop_map(
        |((word, verb), key, (flags, exptime, cas), value, noreply, space, end)| {
            let numbers = [flags.to_string(), exptime.to_string(), value.len().to_string(), cas.to_string()];
            let [flags_text, exptime_text, length_text, cas_text] = numbers.each_ref().map(|text| text.as_bytes());
            let mut words = vec![word.as_bytes(), &key, flags_text, exptime_text, length_text];
            let compare = (word == "cas").then_some(cas);
            words.extend(compare.map(|_| cas_text));
            words.extend(Some(noreply_word(noreply)).filter(|word| !word.is_empty()));
            let mut text = line(&words, space, end);
            text.extend_from_slice(&value);
            text.extend_from_slice(b"\r\n");
            let (key, value) = (key.escape_ascii(), value.escape_ascii());
            Valid { text, meaning: format!("{verb:?} {key} {flags} {exptime} {compare:?} {noreply} {value}") }
        },
    )
}

fn valid_with_one_key() -> impl Strategy<Value = Valid> {
    (key(), any::<u64>(), any::<i64>(), 0..4, any::<bool>(), spaces(), ends()).prop_map(
        |(key, delta, exptime, which, noreply, space, end)| {
            let shown = key.escape_ascii();
            let (verb, number, meaning) = match which {
                0 => ("incr", delta.to_string(), format!("true {shown} {delta} {noreply}")),
                1 => ("decr", delta.to_string(), format!("false {shown} {delta} {noreply}")),
                2 => ("touch", exptime.to_string(), format!("touch {shown} {exptime} {noreply}")),
                _ => ("delete", String::new(), format!("delete {shown} {noreply}")),
            };
            let words = [verb.as_bytes(), &key, number.as_bytes(), noreply_word(noreply)];
            Valid { text: line(&words, space, end), meaning }
        },
    )
}

/// A meta command with any of its flags, in one order or the other.
fn valid_meta() -> impl Strategy<Value = Valid> {
    let verb = prop::sample::select(vec!["mg", "ms", "md", "ma"]);
    let number = prop::option::of(any::<u64>());
    let seconds = prop::option::of(any::<i64>());
    let numbers = (number.clone(), number.clone(), number.clone(), number, prop::option::of(any::<u32>()));
    let times = (seconds.clone(), seconds.clone(), seconds);
    let letters = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let value = prop::collection::vec(any::<u8>(), 0..=ITEM_MAX);
    let mode = prop::sample::select(vec![
        ("", StoreMode::Set),
        ("MS", StoreMode::Set),
        ("ME", StoreMode::Add),
        ("MA", StoreMode::Append),
        ("MP", StoreMode::Prepend),
        ("MR", StoreMode::Replace),
    ]);
    (verb, key(), numbers, times, letters, value, mode, any::<bool>(), spaces(), ends()).prop_map(
        |(word, key, numbers, times, letters, value, (mode_text, mode), backwards, space, end)| {
            let (c, e, d, j, f) = numbers;
            let (n, r, t) = times;
            let flag = |letter: char, token: Option<String>| token.map(|token| format!("{letter}{token}"));
            let letter = |letter: char, there: bool| there.then(|| letter.to_string());
            let flags: Vec<String> = [
                letter('b', letters.0),
                letter('q', letters.1),
                letter('k', letters.2),
                letter('v', letters.3),
                flag('C', c.map(|n| n.to_string())),
                flag('E', e.map(|n| n.to_string())),
                flag('D', d.map(|n| n.to_string())),
                flag('J', j.map(|n| n.to_string())),
                flag('F', f.map(|n| n.to_string())),
                flag('N', n.map(|n| n.to_string())),
                flag('R', r.map(|n| n.to_string())),
                flag('T', t.map(|n| n.to_string())),
            ]
            .into_iter()
            .flatten()
            .collect();
            // An encoded key may not be longer than another.
            let key = &key[..key.len().min(if letters.0 { KEY_MAX / 4 * 3 } else { KEY_MAX })];
            let written = if letters.0 { base64(key) } else { key.to_vec() };
            let (is_set, value) = (word == "ms", if word == "ms" { value } else { Vec::new() });
            let length = value.len().to_string();
            let mut words = vec![word.as_bytes(), &written];
            words.extend(is_set.then_some(length.as_bytes()));
            words.extend(is_set.then_some(mode_text.as_bytes()).filter(|mode| !mode.is_empty()));
            match backwards {
                true => words.extend(flags.iter().rev().map(String::as_bytes)),
                false => words.extend(flags.iter().map(String::as_bytes)),
            }
            let mut text = line(&words, space, end);
            if is_set {
                text.extend_from_slice(&value);
                text.extend_from_slice(b"\r\n");
            }
            let key = key.escape_ascii();
            let meaning = match word {
                "mg" => format!("mg {key} {} {t:?} {c:?} {r:?} {n:?} {e:?} true", letters.3),
                "ms" => {
                    let numbers = (f.unwrap_or(0), t.unwrap_or(0), c, e, n);
                    format!("ms {key} {} {mode:?} {numbers:?}", value.escape_ascii())
                }
                "md" => format!("md {key} {c:?}"),
                _ => {
                    let create = n.map(|exptime| (j.unwrap_or(0), exptime));
                    format!("ma {key} true {:?}", (d.unwrap_or(1), c, e, t, create))
                }
            };
            Valid { text, meaning }
        },
    )
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = Vec::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().chain([&0; 2]).take(3).fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        let digits = [18, 12, 6, 0].map(|shift| DIGITS[bits >> shift & 63]);
        text.extend_from_slice(&digits[..group.len() + 1]);
        text.extend_from_slice(&b"=="[..3 - group.len()]);
    }
    text
}

fn valid() -> impl Strategy<Value = Valid> {
    prop_oneof![valid_get(), valid_store(), valid_with_one_key(), valid_meta()]
}

/// Input that is near enough to the protocol to reach every branch of the parser.
fn near_miss() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        6 => prop::sample::select(vec![
            "get", "gets", "gat", "set", "cas", "add", "append", "incr", "delete", "touch", "flush_all", "verbosity",
            "stats", "bind", "shutdown", "noreply", "HTTP/1.1", "mg", "ms", "md", "ma", "mn", "me", "b", "q", "v", "YQ==", "T1",
            "Cx", "ME", "MX", "Oo", "I", "!", "0", "1", "-1", "7", "60", "2147483645",
            "2147483646", "4294967296", "18446744073709551616", "k", "", "x\r",
        ])
        .prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
        1 => (KEY_MAX - 1..KEY_MAX + 3).prop_map(|length| vec![b'k'; length]),
    ];
    prop_oneof![
        6 => (prop::collection::vec(word, 0..8), ends()).prop_map(|(words, end)| {
            line(&words.iter().map(Vec::as_slice).collect::<Vec<_>>(), " ", end)
        }),
        2 => valid().prop_map(|valid| valid.text),
        1 => (valid(), any::<prop::sample::Index>()).prop_map(|(valid, at)| {
            let mut text = valid.text;
            text.remove(at.index(text.len()));
            text
        }),
        1 => prop::collection::vec(any::<u8>(), 0..80),
        1 => (LINE_MAX - 3..LINE_MAX + 4).prop_map(|length| [vec![b'x'; length], b"\n".to_vec()].concat()),
        1 => (LINE_MAX / 2 - 6..LINE_MAX).prop_map(|keys| [b"get ".to_vec(), b"k ".repeat(keys), b"\n".to_vec()].concat()),
    ]
}

fn pieces() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    prop::collection::vec(near_miss(), 1..8).prop_flat_map(|parts| {
        let input = parts.concat();
        let length = input.len();
        (Just(input), prop::collection::vec(0..=length, 0..24).prop_map(sorted))
    })
}

fn sorted(mut cuts: Vec<usize>) -> Vec<usize> {
    cuts.sort_unstable();
    cuts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The pieces in which the bytes come make no difference.
    #[test]
    fn any_split_gives_the_same_requests((input, cuts) in pieces()) {
        prop_assert_eq!(feed(&input, &cuts), feed(&input, &[]));
    }

    #[test]
    fn byte_by_byte_gives_the_same_requests(parts in prop::collection::vec(near_miss(), 1..4)) {
        let input = parts.concat();
        let cuts: Vec<usize> = (0..input.len()).collect();
        prop_assert_eq!(feed(&input, &cuts), feed(&input, &[]));
    }

    /// Rubbish is never a panic, and every byte of it is accounted for.
    #[test]
    fn arbitrary_bytes_are_accounted_for(input in prop::collection::vec(any::<u8>(), 0..600)) {
        let outcome = feed(&input, &[]);
        let taken: usize = outcome.requests.iter().map(|(_, consumed)| consumed).sum();
        prop_assert_eq!(taken + outcome.swallowed + outcome.unconsumed, input.len());
    }

    /// A pipeline of right commands means what it was made from.
    #[test]
    fn valid_pipelines_parse_back(commands in prop::collection::vec(valid(), 1..10)) {
        let input: Vec<u8> = commands.iter().flat_map(|command| command.text.clone()).collect();
        let mut parser = Parser::new(ITEM_MAX, Dialect::Auto);
        let mut rest = input.as_slice();
        for command in &commands {
            let parsed = parser.parse(rest);
            let Parsed::Request { request, consumed } = parsed else { panic!("{parsed:?} for {command:?}") };
            prop_assert_eq!(meaning(&request), command.meaning.clone());
            prop_assert_eq!(consumed, command.text.len());
            rest = &rest[consumed..];
        }
        prop_assert_eq!(parser.parse(rest), Parsed::Incomplete { wanted: 0 });
    }

    /// A refused block is passed over to its last byte and no further, in whatever pieces it comes.
    #[test]
    fn swallowing_is_exact(
        (block, cuts) in (ITEM_MAX + 1..4000usize)
            .prop_flat_map(|length| (prop::collection::vec(any::<u8>(), length), prop::collection::vec(0..length + 40, 0..20))),
        noreply in any::<bool>(),
    ) {
        let quiet = if noreply { " noreply" } else { "" };
        let mut input = format!("set k 0 0 {}{quiet}\r\n", block.len()).into_bytes();
        let line = input.len();
        input.extend_from_slice(&block);
        input.extend_from_slice(b"\r\nversion\r\n");
        let cuts = sorted(cuts.into_iter().filter(|cut| *cut <= input.len()).collect());
        let outcome = feed(&input, &cuts);
        prop_assert_eq!(outcome.swallowed, block.len() + 2);
        prop_assert_eq!(outcome.unconsumed, 0);
        let consumed: Vec<usize> = outcome.requests.iter().map(|(_, consumed)| *consumed).collect();
        prop_assert_eq!(consumed, [line, "version\r\n".len()]);
        prop_assert_eq!(outcome.requests[0].0.contains("Line([])"), noreply);
    }
}

/// A line that never ends must not cost more than its bytes: eight mebibytes, a kibibyte at a time.
#[test]
fn endless_get_line_ends_in_a_close() {
    let input = vec![b'k'; GET_LINE_MAX + 2];
    let input = [b"get ", input.as_slice()].concat();
    let mut parser = Parser::new(ITEM_MAX, Dialect::Auto);
    for end in (0..GET_LINE_MAX).step_by(1024) {
        assert_eq!(parser.parse(&input[..end]), Parsed::Incomplete { wanted: 0 });
    }
    assert_eq!(parser.parse(&input), Parsed::Close);
}
