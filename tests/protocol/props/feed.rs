//! Plays a connection that feeds a parser, and checks what must hold for everything that comes of it. The property tests and the fuzz
//! targets share it.

use daemon_memcached::protocol::operation::Refused;
use daemon_memcached::protocol::{Dialect, KEY_MAX, Operation, Parsed, Parser, Request, Style};

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
    let text = !matches!(request.style, Style::Packet(_));
    let key_fits =
        |key: &[u8]| (1..=KEY_MAX).contains(&key.len()) && (!text || !key.contains(&b' ') && !key.contains(&b'\n'));
    assert!(request.operation.key().is_none_or(key_fits));
    if request.is_encoded() {
        let mut buffer = [0; KEY_MAX];
        let decoded = request.decoded(&mut buffer).operation.key();
        assert!(decoded.is_some_and(|key| (1..=KEY_MAX).contains(&key.len())));
    }
    match request.operation {
        Operation::Get(get) => {
            assert!(get.keys.iter().all(key_fits));
            assert_eq!(get.keys.iter().count(), get.keys.len_hint());
            assert_eq!(get.keys.iter().next(), Some(get.keys.first()));
            assert_eq!(get.keys.is_single(), get.keys.len_hint() == 1);
            assert!(get.renewal.is_none() || get.keys.is_single());
        }
        Operation::Store(store) => assert!(store.value.len() <= ITEM_MAX),
        Operation::Login { data, .. } => assert!(data.len() <= ITEM_MAX),
        Operation::Bind { name } => assert!(key_fits(name)),
        Operation::Stats { args } => assert!(text || args.len() <= KEY_MAX),
        Operation::Refused(Refused::Line(reply)) => assert!(text && (reply.is_empty() || reply.ends_with(b"\r\n"))),
        Operation::Refused(Refused::Packet { .. }) => assert!(!text),
        _ => {}
    }
}
