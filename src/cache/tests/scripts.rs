//! Scripts against small stores, which have one shard and hence one order of use.

use super::*;

/// Memory for this many items of a key of one byte and a value of nine.
fn room_for(items: usize) -> usize {
    items * (10 + ITEM_OVERHEAD)
}

const NINE: &str = "123456789";

enum Step {
    Now(i64),
    /// Container, key and deadline of an item of nine bytes; whether it is stored.
    Set(u32, &'static str, i64, bool),
    /// Key and length of a value in container 1; whether it is stored.
    SetLong(&'static str, usize, bool),
    Touch(&'static str, i64),
    Remove(&'static str),
    Keep(&'static str),
    Flush(u32),
    /// New limit, in items.
    Limit(usize),
    /// Keys of container 1 that a get finds, and keys that it does not, in this order.
    Find(&'static [&'static str], &'static [&'static str]),
    /// The same of container 2.
    Find2(&'static [&'static str], &'static [&'static str]),
    /// Items, evictions, expired.
    Stats(u64, u64, u64),
}

use Step::*;

const SCRIPTS: &[(&str, usize, bool, &[Step])] = &[
    (
        "the least recently used goes first",
        3,
        true,
        &[
            Set(1, "a", 0, true),
            Set(1, "b", 0, true),
            Set(1, "c", 0, true),
            Stats(3, 0, 0),
            Set(1, "d", 0, true),
            Find(&["b", "c", "d"], &["a"]),
            Stats(3, 1, 0),
        ],
    ),
    (
        "get, overwriting and touch count as uses",
        4,
        true,
        &[
            Set(1, "a", 0, true),
            Set(1, "b", 0, true),
            Set(1, "c", 0, true),
            Set(1, "d", 0, true),
            Touch("b", 0),
            Find(&["c"], &[]),
            Set(1, "a", 0, true),
            Set(1, "e", 0, true),
            Find(&["b"], &["d"]),
            Set(1, "f", 0, true),
            Find(&["a", "e", "f", "b"], &["c"]),
            Stats(4, 2, 0),
        ],
    ),
    (
        "keep is no use",
        2,
        true,
        &[Set(1, "a", 0, true), Set(1, "b", 0, true), Keep("a"), Set(1, "c", 0, true), Find(&["b", "c"], &["a"])],
    ),
    (
        "a large item displaces several small ones",
        4,
        true,
        &[
            Set(1, "a", 0, true),
            Set(1, "b", 0, true),
            Set(1, "c", 0, true),
            Set(1, "d", 0, true),
            SetLong("e", 10 + ITEM_OVERHEAD, true),
            Find(&["c", "d", "e"], &["a", "b"]),
            Stats(3, 2, 0),
        ],
    ),
    (
        "an item that grows displaces others, never itself",
        2,
        true,
        &[
            Set(1, "a", 0, true),
            Set(1, "b", 0, true),
            SetLong("a", 10, true),
            Find(&["a"], &["b"]),
            SetLong("a", ITEM_OVERHEAD + 19, true),
            Find(&["a"], &[]),
            SetLong("a", ITEM_OVERHEAD + 20, false),
            Find(&["a"], &[]),
            Stats(1, 1, 0),
        ],
    ),
    (
        "an item beyond the limit is refused and displaces nothing",
        2,
        true,
        &[Set(1, "a", 0, true), SetLong("b", 2 * ITEM_OVERHEAD, false), Find(&["a"], &["b"]), Stats(1, 0, 0)],
    ),
    ("no memory, no item", 0, true, &[Set(1, "a", 0, false), Find(&[], &["a"]), Stats(0, 0, 0)]),
    (
        "without eviction a full store refuses, and takes again once there is room",
        2,
        false,
        &[
            Set(1, "a", 0, true),
            Set(1, "b", 0, true),
            Set(1, "c", 0, false),
            SetLong("a", 10, false),
            Find(&["a", "b"], &["c"]),
            Set(1, "a", 0, true),
            Remove("b"),
            Set(1, "c", 0, true),
            Stats(2, 0, 0),
        ],
    ),
    (
        "without eviction expired items make room",
        2,
        false,
        &[
            Set(1, "a", 5, true),
            Set(1, "b", 0, true),
            Touch("b", 6),
            Set(1, "c", 0, false),
            Now(5),
            Set(1, "c", 0, true),
            Set(1, "d", 0, false),
            Now(6),
            Set(1, "d", 0, true),
            Find(&["c", "d"], &["a", "b"]),
            Stats(2, 0, 2),
        ],
    ),
    (
        "without eviction an item touched to expire makes room",
        1,
        false,
        &[
            Set(1, "a", 0, true),
            Set(1, "b", 0, false),
            Touch("a", 5),
            Now(5),
            Set(1, "b", 0, true),
            Find(&["b"], &["a"]),
        ],
    ),
    (
        "without eviction flushed items make room",
        2,
        false,
        &[
            Set(1, "a", 0, true),
            Set(2, "a", 0, true),
            Flush(1),
            Set(2, "b", 0, true),
            Set(2, "c", 0, false),
            Find2(&["a", "b"], &["c"]),
            Stats(2, 0, 0),
        ],
    ),
    (
        "flushed items go before live ones",
        3,
        true,
        &[
            Set(2, "a", 0, true),
            Set(1, "a", 0, true),
            Set(1, "b", 0, true),
            Flush(1),
            Set(2, "b", 0, true),
            Set(2, "c", 0, true),
            Find2(&["a", "b", "c"], &[]),
            Stats(3, 0, 0),
        ],
    ),
    (
        "expiry: absent from the deadline on, freed when met",
        9,
        true,
        &[
            Now(100),
            Set(1, "a", 101, true),
            Set(1, "b", 102, true),
            Set(1, "n", 0, true),
            Find(&["a", "b", "n"], &[]),
            Now(101),
            Find(&["b", "n"], &["a"]),
            Stats(2, 0, 1),
            Touch("b", 200),
            Now(199),
            Find(&["b"], &[]),
            Touch("b", 0),
            Now(1_000_000),
            Find(&["b", "n"], &[]),
            Stats(2, 0, 1),
        ],
    ),
    (
        "a deadline in the past removes",
        9,
        true,
        &[
            Now(100),
            Set(1, "a", 0, true),
            Set(1, "a", 100, true),
            Set(1, "b", -1, true),
            Set(1, "c", 0, true),
            Touch("c", 99),
            Find(&[], &["a", "b", "c"]),
            Stats(0, 0, 0),
        ],
    ),
    (
        "an expired item is absent for a change",
        9,
        true,
        &[Now(1), Set(1, "a", 2, true), Now(2), Touch("a", 0), Find(&[], &["a"]), Stats(0, 0, 1)],
    ),
    (
        "an expired item at the end of the order is no eviction",
        2,
        true,
        &[
            Set(1, "a", 5, true),
            Set(1, "b", 0, true),
            Now(5),
            Set(1, "c", 0, true),
            Find(&["b", "c"], &["a"]),
            Stats(2, 0, 1),
        ],
    ),
    (
        "flush empties one container, as often as asked",
        9,
        true,
        &[
            Set(1, "a", 0, true),
            Set(2, "a", 0, true),
            Flush(1),
            Find(&[], &["a"]),
            Set(1, "a", 0, true),
            Set(1, "b", 0, true),
            Find(&["a", "b"], &[]),
            Find2(&["a"], &[]),
            Flush(3),
            Find(&["a"], &[]),
            Flush(1),
            Flush(2),
            Find(&[], &["a", "b"]),
            Find2(&[], &["a"]),
            Stats(0, 0, 0),
        ],
    ),
    (
        "a lower limit evicts at once",
        3,
        true,
        &[
            Set(1, "a", 0, true),
            Set(1, "b", 0, true),
            Set(1, "c", 0, true),
            Limit(1),
            Stats(1, 2, 0),
            Find(&["c"], &["a", "b"]),
            Limit(0),
            Stats(0, 3, 0),
            Limit(2),
            Set(1, "a", 0, true),
            Find(&["a"], &[]),
        ],
    ),
    (
        "without eviction a lower limit keeps what is there",
        3,
        false,
        &[
            Set(1, "a", 0, true),
            Set(1, "b", 0, true),
            Set(1, "c", 0, true),
            Limit(1),
            Find(&["a", "b", "c"], &[]),
            Set(1, "a", 0, true),
            Set(1, "d", 0, false),
            Remove("a"),
            Remove("b"),
            Set(1, "d", 0, false),
            Limit(2),
            Set(1, "d", 0, true),
            Stats(2, 0, 0),
        ],
    ),
];

#[test]
fn scripts() {
    for &(name, items, evict, steps) in SCRIPTS {
        let store = MemoryStore::new(room_for(items), evict);
        let mut now = 1;
        let find = |container, there: &[&str], absent: &[&str], now, place: &str| {
            for key in there {
                assert!(get(&store, container, key, now).is_some(), "{place}: {container}/{key} is absent");
            }
            for key in absent {
                assert_eq!(get(&store, container, key, now), None, "{place}: {container}/{key}");
            }
        };
        let update = |key: &str, now, change| store.update(1, key.as_bytes(), now, |_| change).unwrap();
        for (number, step) in steps.iter().enumerate() {
            let place = format!("{name}, step {number}");
            match *step {
                Now(time) => now = time,
                Set(container, key, deadline, stored) => {
                    assert_eq!(set(&store, container, key, NINE.as_bytes(), deadline, now), stored, "{place}");
                }
                SetLong(key, length, stored) => {
                    assert_eq!(set(&store, 1, key, &vec![b'x'; length], 0, now), stored, "{place}");
                }
                Touch(key, deadline) => update(key, now, Change::Touch { deadline, result: () }),
                Remove(key) => update(key, now, Change::Remove(())),
                Keep(key) => update(key, now, Change::Keep(())),
                Flush(container) => store.flush(container),
                Limit(items) => store.set_limit(room_for(items)),
                Find(there, absent) => find(1, there, absent, now, &place),
                Find2(there, absent) => find(2, there, absent, now, &place),
                Stats(items, evictions, expired) => {
                    let seen = store.stats();
                    assert_eq!((seen.items, seen.evictions, seen.expired), (items, evictions, expired), "{place}");
                    assert_eq!(seen.items == 0, seen.bytes == 0, "{place}");
                }
            }
        }
    }
}
