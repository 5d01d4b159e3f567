//! The same for packets.

use super::{ITEM_MAX, feed, sorted};
use daemon_memcached::protocol::{Dialect, KEY_MAX, Operation, Parsed, Parser, Style};
use proptest::prelude::*;

/// A packet; `lie` is added to the length of the body that it announces.
fn packet(opcode: u8, opaque: u32, cas: u64, [extras, key, value]: [&[u8]; 3], lie: i32) -> Vec<u8> {
    let body = (extras.len() + key.len() + value.len()) as u32;
    let mut packet = vec![0x80, opcode];
    packet.extend_from_slice(&(key.len() as u16).to_be_bytes());
    packet.extend_from_slice(&[extras.len() as u8, 0, 0, 0]);
    packet.extend_from_slice(&body.saturating_add_signed(lie).to_be_bytes());
    packet.extend_from_slice(&opaque.to_be_bytes());
    packet.extend_from_slice(&cas.to_be_bytes());
    packet.extend_from_slice(&[extras, key, value].concat());
    packet
}

fn bytes(lengths: impl Strategy<Value = usize>) -> impl Strategy<Value = Vec<u8>> {
    lengths.prop_flat_map(|length| prop::collection::vec(any::<u8>(), length))
}

/// Opcode, length of its extras, whether it has a key and may have a value.
const SHAPES: &[(u8, usize, bool, bool)] = &[
    (0x00, 0, true, false),
    (0x01, 8, true, true),
    (0x04, 0, true, false),
    (0x05, 20, true, false),
    (0x08, 4, false, false),
    (0x0a, 0, false, false),
    (0x0d, 0, true, false),
    (0x0e, 0, true, true),
    (0x10, 0, true, false),
    (0x12, 8, true, true),
    (0x1b, 4, false, false),
    (0x1d, 4, true, false),
    (0x21, 0, true, true),
    (0x24, 4, true, false),
];

/// A packet that is right.
fn valid() -> impl Strategy<Value = Vec<u8>> {
    let parts = prop::sample::select(SHAPES).prop_flat_map(|(opcode, extras, key, value)| {
        let key = if key { 1..=KEY_MAX } else { 0..=0 };
        let value = if value { 0..=ITEM_MAX } else { 0..=0 };
        (Just(opcode), any::<u32>(), any::<u64>(), bytes(Just(extras)), bytes(key), bytes(value))
    });
    parts.prop_map(|(opcode, opaque, cas, extras, key, value)| packet(opcode, opaque, cas, [&extras, &key, &value], 0))
}

/// Input that is near enough to packets to reach every branch of the parser.
fn near_miss() -> impl Strategy<Value = Vec<u8>> {
    let extras = prop_oneof![prop::sample::select(vec![0, 4, 8, 20]), 0..24usize];
    let key = prop_oneof![8 => 0..8usize, 1 => KEY_MAX - 1..KEY_MAX + 2];
    let value = prop_oneof![4 => Just(0), 4 => 0..ITEM_MAX, 2 => ITEM_MAX - 1..ITEM_MAX + 50];
    let lie = prop_oneof![9 => Just(0), 1 => -20..20, 1 => any::<i32>()];
    let opcode = prop_oneof![9 => 0..0x26u8, 1 => any::<u8>()];
    prop_oneof![
        4 => valid(),
        6 => (opcode, bytes(extras), bytes(key), bytes(value), lie)
            .prop_map(|(opcode, extras, key, value, lie)| packet(opcode, 1, 0, [&extras, &key, &value], lie)),
        1 => bytes(0..60usize),
    ]
}

fn pieces() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    (valid(), prop::collection::vec(near_miss(), 0..8)).prop_flat_map(|(first, parts)| {
        let input = [first, parts.concat()].concat();
        let length = input.len();
        (Just(input), prop::collection::vec(0..=length, 0..24).prop_map(sorted))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_gives_the_same_packets((input, cuts) in pieces()) {
        let outcome = feed(&input, &[]);
        prop_assert_eq!(feed(&input, &cuts), outcome);
        let bytes: Vec<usize> = (0..input.len()).collect();
        let outcome = feed(&input, &bytes);
        let taken: usize = outcome.requests.iter().map(|(_, consumed)| consumed).sum();
        prop_assert_eq!(taken + outcome.swallowed + outcome.unconsumed, input.len());
    }

    #[test]
    fn valid_packets_parse_back(packets in prop::collection::vec(valid(), 1..10)) {
        let input = packets.concat();
        let mut parser = Parser::new(ITEM_MAX, Dialect::Auto);
        let mut rest = input.as_slice();
        for sent in &packets {
            let parsed = parser.parse(rest);
            let Parsed::Request { request, consumed } = parsed else { panic!("{parsed:?}") };
            let Style::Packet(style) = request.style else { panic!("{request:?}") };
            prop_assert_eq!((style.opcode, style.opaque.as_slice(), consumed), (sent[1], &sent[12..16], sent.len()));
            let refused = matches!(request.operation, Operation::Refused(_));
            prop_assert!(!refused, "{:?}", request);
            let cas = sent[16..].first_chunk().copied().map(u64::from_be_bytes).filter(|cas| *cas != 0);
            if let Operation::Store(store) = request.operation {
                prop_assert_eq!(store.compare, cas);
            }
            let key = &sent[24 + usize::from(sent[4])..][..usize::from(sent[3])];
            prop_assert!(request.operation.key().is_none_or(|found| found == key));
            let value = &sent[24 + usize::from(sent[4]) + key.len()..];
            match request.operation {
                Operation::Store(store) => prop_assert_eq!(store.value, value),
                Operation::Login { data, .. } => prop_assert_eq!(data, value),
                _ => {}
            }
            rest = &rest[consumed..];
        }
        prop_assert!(rest.is_empty());
    }
}
