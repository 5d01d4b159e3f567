//! Plays a connection that feeds a parser, and checks what must hold for everything that comes of it. The property tests and the fuzz
//! targets share it.

use daemon_memcached::protocol::binary::{Command, Request as Packet};
use daemon_memcached::protocol::meta::Verb;
use daemon_memcached::protocol::{Dialect, KEY_MAX, Parsed, Parser, Request, StoreVerb};

/// Small, so that generated values are over it now and then.
pub const ITEM_MAX: usize = 48;

/// What a connection made of its input.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    /// Each request as text, and what it took of the input.
    pub requests: Vec<(String, usize)>,
    pub swallowed: usize,
    /// Left when the input ended; nothing is looked at behind a close.
    pub unconsumed: usize,
    pub closed: bool,
}

/// Plays a server that gets `input` in the pieces that end at `cuts`.
pub fn feed(input: &[u8], cuts: &[usize]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut parser = Parser::new(ITEM_MAX, Dialect::Auto);
    let mut at = 0;
    for end in cuts.iter().copied().chain([input.len()]) {
        loop {
            let buffer = &input[at..end.max(at)];
            // A copy is as good as the original: a tick may be played again.
            let mut copy = parser;
            let parsed = parser.parse(buffer);
            assert_eq!(copy.parse(buffer), parsed);
            match parsed {
                Parsed::Incomplete { wanted } => {
                    assert!(wanted == 0 || wanted > buffer.len(), "{wanted} bytes are there and are waited for");
                    break;
                }
                Parsed::Close => {
                    outcome.closed = true;
                    outcome.unconsumed = input.len() - at;
                    return outcome;
                }
                Parsed::Swallowed { consumed } => {
                    assert!((1..=buffer.len()).contains(&consumed));
                    outcome.swallowed += consumed;
                    at += consumed;
                }
                Parsed::Request { request, consumed } => {
                    assert!((1..=buffer.len()).contains(&consumed));
                    check(&request);
                    outcome.requests.push((format!("{request:?}"), consumed));
                    at += consumed;
                }
            }
        }
    }
    outcome.unconsumed = input.len() - at;
    outcome
}

/// The promises of each request.
fn check(request: &Request) {
    let key_fits = |key: &[u8]| (1..=KEY_MAX).contains(&key.len()) && !key.contains(&b' ') && !key.contains(&b'\n');
    match request {
        Request::Get { keys, .. } | Request::GetAndTouch { keys, .. } => {
            assert!(keys.iter().all(key_fits));
            assert_eq!(keys.iter().count(), keys.len_hint());
            assert_eq!(keys.iter().next(), Some(keys.first()));
            assert_eq!(keys.is_single(), keys.len_hint() == 1);
        }
        Request::Store { key, value, verb, cas, .. } => {
            assert!(key_fits(key) && value.len() <= ITEM_MAX && (*verb == StoreVerb::Cas || *cas == 0));
        }
        Request::Arith { key, .. } | Request::Delete { key, .. } | Request::Touch { key, .. } => assert!(key_fits(key)),
        Request::Bind { name } => assert!(key_fits(name)),
        Request::Meta(meta) => {
            let mut buffer = [0; KEY_MAX];
            assert_eq!(meta.verb == Verb::Noop, meta.written_key.is_empty());
            assert!(meta.verb == Verb::Noop || (key_fits(meta.written_key) && !meta.key(&mut buffer).is_empty()));
            assert!(meta.value.len() <= ITEM_MAX && (meta.verb == Verb::Set || meta.value.is_empty()));
            if meta.verb != Verb::Debug {
                for flag in *b"CDEFJ" {
                    assert_eq!(meta.number(flag).is_some(), meta.has(flag));
                }
                for flag in *b"NRT" {
                    assert_eq!(meta.seconds(flag).is_some(), meta.has(flag));
                }
            }
        }
        Request::Binary(packet) => check_packet(packet),
        Request::Refused { reply } => assert!(reply.is_empty() || reply.ends_with(b"\r\n")),
        _ => {}
    }
}

/// The promises of each packet.
fn check_packet(packet: &Packet) {
    assert!(packet.key().is_none_or(|key| (1..=KEY_MAX).contains(&key.len())));
    match packet.command {
        Command::Store { value, .. } | Command::Login { data: value, .. } => assert!(value.len() <= ITEM_MAX),
        Command::Stats { args } => assert!(args.len() <= KEY_MAX),
        _ => {}
    }
}
