use super::*;
use crate::refengine::storage::Slice;
use std::collections::BTreeMap;

fn rows() -> Map {
    Map::new(0, DefaultHashBuilder::default())
}

fn put(map: &Map, seqno: u64, views: &Views, key: &[u8], value: Option<&[u8]>) {
    map.rows.write().put(seqno, views, key, Value::of(value.map(Slice::new).as_ref()));
}

fn memory(map: &Map) -> u64 {
    map.rows.read().memory()
}

type Found = Vec<(Vec<u8>, Option<Vec<u8>>)>;

fn owned(entries: impl IntoIterator<Item = (Slice, Option<Slice>)>) -> Found {
    entries.into_iter().map(|(key, value)| (key.to_vec(), value.map(|value| value.to_vec()))).collect()
}

/// Lengths in front of, at and behind each border: nothing, the room of an entry, what is kept beside, a piece of memory.
const LENGTHS: [usize; 12] = [0, 1, 3, 4, 100, 113, 2046, 2047, 2048, 5000, 262_144, 300_000];

#[test]
fn a_value_of_any_length_replaces_one_of_any_length() {
    let map = rows();
    let (mut seqno, views) = (0, Views::default());
    for from in LENGTHS.map(Some).into_iter().chain([None]) {
        for to in LENGTHS.map(Some).into_iter().chain([None]) {
            for (len, byte) in [(from, b'a'), (to, b'b')] {
                seqno += 1;
                let value = len.map(|len| vec![byte; len]);
                put(&map, seqno, &views, b"key", value.as_deref());
                assert_eq!(map.newest(b"key").unwrap().map(|v| v.to_vec()), value, "{from:?} to {to:?}");
                assert_eq!(map.len(), 1);
                assert_eq!(owned(map.all()), [(b"key".to_vec(), value)]);
            }
        }
    }
    assert!(memory(&map) < 600_000, "{}", memory(&map));
}

#[test]
fn rows_that_are_overwritten_for_ever_take_no_more_memory() {
    let map = rows();
    let (views, mut most) = (Views::default(), 0);
    for round in 0..300u64 {
        for key in 0..200u64 {
            // Each row has each length up to 150 in an order of its own.
            let len = ((round * 7 + key) % 150) as usize;
            put(&map, round * 200 + key + 1, &views, &key.to_be_bytes(), Some(&vec![round as u8; len]));
        }
        if round == 149 {
            most = memory(&map);
        }
    }
    assert_eq!(memory(&map), most, "every length has been there");
    assert!(most < 200 * 1000, "{most}");
}

#[test]
fn a_view_keeps_what_it_sees_and_nothing_else() {
    let map = rows();
    let mut views = Views::default();
    let lens = [10usize, 100, 3000, 5];
    for round in 0..4u64 {
        for seqno in 1..=10 {
            let seqno = round * 10 + seqno;
            let value = (seqno % 4 > 0).then(|| vec![seqno as u8; lens[seqno as usize % 4]]);
            put(&map, seqno, &views, b"key", value.as_deref());
            views.0.insert(seqno, 1);
        }
    }
    for seqno in 1..=40u64 {
        let value = (seqno % 4 > 0).then(|| vec![seqno as u8; lens[seqno as usize % 4]]);
        assert_eq!(map.seen_at(b"key", seqno).unwrap().map(|v| v.to_vec()), value, "{seqno}");
        let walked = map.entries((Bound::Unbounded, Bound::Unbounded), seqno, false, 9);
        assert_eq!(owned(walked), [(b"key".to_vec(), value)]);
    }
    assert_eq!(map.seen_at(b"key", 0), None);
    let with_views = memory(&map);
    views.0.retain(|seqno, _| *seqno == 17);
    put(&map, 41, &views, b"key", None);
    assert_eq!(
        map.seen_at(b"key", 30).unwrap().map(|v| v.to_vec()),
        Some(vec![17; 100]),
        "nobody sees what is between"
    );
    views.0.clear();
    put(&map, 42, &views, b"key", Some(b"new"));
    assert_eq!(map.seen_at(b"key", 41), None);
    assert!(memory(&map) + 10_000 < with_views, "{} of {with_views}", memory(&map));
}

#[test]
fn walks_find_keys_in_order_whenever_they_came() {
    let map = rows();
    let (views, mut model, mut seqno) = (Views::default(), BTreeMap::new(), 0);
    // Many at once, then some at a time between, in front of and behind them, over the borders of blocks.
    for (count, factor) in [(3000u64, 7919u64), (1, 1), (200, 31), (5, 3), (1500, 17), (3, 1)] {
        for n in 0..count {
            seqno += 1;
            let key = ((n * factor + count) * 2_654_435_761 % 65_521).to_be_bytes().to_vec();
            let key = if n % 5 == 0 { [key, vec![b'x'; n as usize % 40]].concat() } else { key };
            let value = vec![n as u8; n as usize % 60];
            put(&map, seqno, &views, &key, Some(&value));
            model.insert(key, Some(value));
        }
        let (from, to) = (9_000u64.to_be_bytes(), 50_000u64.to_be_bytes());
        for start in [Bound::Unbounded, Bound::Included(&from[..]), Bound::Excluded(&from[..])] {
            for end in [Bound::Unbounded, Bound::Included(&to[..]), Bound::Excluded(&to[..])] {
                let bounds = (start, end);
                let mut expected: Found = model.range::<[u8], _>(bounds).map(|(k, v)| (k.clone(), v.clone())).collect();
                assert_eq!(owned(map.entries(bounds, seqno, false, usize::MAX)), expected);
                expected.reverse();
                assert_eq!(owned(map.entries(bounds, seqno, true, usize::MAX)), expected);
                expected.truncate(700);
                assert_eq!(owned(map.entries(bounds, seqno, true, 700)), expected);
            }
        }
        assert!(map.entries((Bound::Excluded(&from), Bound::Excluded(&from)), seqno, false, 9).is_empty());
        assert!(map.entries((Bound::Included(&to), Bound::Excluded(&from)), seqno, false, 9).is_empty());
        assert_eq!(owned(map.all()), model.clone().into_iter().collect::<Found>());
    }
}

#[test]
fn a_generation_counts_what_its_rows_take_until_it_is_gone() {
    let first = Generation::default();
    let (all, sequence) = (first.all_bytes().clone(), Sequence::default());
    let map = first.add(1);
    let before = memory(&map);
    put(&map, 1, &Views::default(), b"key", Some(&[1; 5000]));
    first.bytes.fetch_add(memory(&map) - before, Ordering::Relaxed);
    all.fetch_add(memory(&map) - before, Ordering::Relaxed);
    let second = first.next(&sequence);
    assert!(first.bytes() > 5000 && second.bytes() == 0);
    assert_eq!(all.load(Ordering::Relaxed), first.bytes());
    drop(first);
    assert_eq!(all.load(Ordering::Relaxed), 0);
}
