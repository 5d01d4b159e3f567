//! What single calls do; the order of use and the limits are in `scripts`, random calls in `model`,
//! threads in `race`.

mod model;
mod race;
mod scripts;

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

fn item(key: &[u8], value: &[u8], deadline: i64) -> NewItem {
    NewItem { flags: 0, cas: 0, deadline, data: Data::new(key, &[value]).unwrap() }
}

fn set(store: &MemoryStore, container: u32, key: &str, value: &[u8], deadline: i64, now: i64) -> bool {
    store
        .update(container, key.as_bytes(), now, |_| Change::Put {
            item: item(key.as_bytes(), value, deadline),
            result: (),
        })
        .is_ok()
}

fn get(store: &MemoryStore, container: u32, key: &str, now: i64) -> Option<String> {
    store.get(container, key.as_bytes(), now, |found| String::from_utf8_lossy(found.value()).into_owned())
}

#[test]
fn an_item_keeps_all_its_parts() {
    let store = MemoryStore::new(1 << 20, true);
    let values: [&[u8]; 4] = [b"", b"one", b"two", &[0; 5000]];
    for (number, value) in values.into_iter().enumerate() {
        let (flags, cas, deadline) = (number as u32 + 7, u64::MAX - number as u64, 50 + number as i64);
        let data = Data::new(b"k", &[value]).unwrap();
        let new = NewItem { flags, cas, deadline, data: data.clone() };
        store.update(1, b"k", 1, |_| Change::Put { item: new, result: () }).unwrap();
        let seen = CachedItem { flags, cas, deadline, data: &data };
        assert_eq!(store.get(1, b"k", 1, |found| found == seen), Some(true));
        assert_eq!(store.update(1, b"k", 1, |old| Change::Keep(old == Some(seen))), Ok(true));
        assert_eq!(store.stats().bytes, (1 + value.len() + ITEM_OVERHEAD) as u64);
    }
    // An empty key is a key, and key and value do not run into each other.
    assert!(set(&store, 1, "", b"k", 0, 1) && set(&store, 1, "ka", b"b", 0, 1));
    assert_eq!(get(&store, 1, "", 1).as_deref(), Some("k"));
    assert_eq!(get(&store, 1, "kab", 1), None);
}

/// What happens between a version and its use, and what a fill and a replacement with it then leave.
type Between = fn(&MemoryStore);
const AFTER: &[(&str, Between, Option<&str>, Option<&str>)] = &[
    ("nothing", |_| (), Some("filled"), Some("replaced")),
    ("another fill", |s| assert!(s.fill(1, b"k", s.version(1, b"k"), item(b"k", b"other", 0))), Some("other"), None),
    ("invalidation", |s| s.invalidate(1, b"k"), None, None),
    (
        "another replacement",
        |s| s.replace_committed(1, b"k", s.version(1, b"k"), item(b"k", b"other", 0)),
        Some("other"),
        None,
    ),
    (
        "a replacement without room",
        |s| s.replace_committed(1, b"k", s.version(1, b"k"), item(b"k", &[0; 9000], 0)),
        None,
        None,
    ),
    ("flush", |s| s.flush(1), None, None),
    ("flush of another container", |s| s.flush(2), None, None),
    ("set", |s| assert!(set(s, 1, "k", b"set", 0, 1)), Some("set"), None),
    (
        "set and remove",
        |s| {
            assert!(set(s, 1, "k", b"set", 0, 1));
            s.update(1, b"k", 1, |_| Change::Remove(())).unwrap();
        },
        None,
        None,
    ),
    ("a look", |s| s.update(1, b"k", 1, |_| Change::Keep(())).unwrap(), Some("filled"), Some("replaced")),
    ("eviction by others", |s| s.set_limit(0), None, None),
];

#[test]
fn versions() {
    for &(name, between, after_fill, after_replace) in AFTER {
        let store = MemoryStore::new(8000, true);
        let version = store.version(1, b"k");
        between(&store);
        let before = get(&store, 1, "k", 1);
        let stored = store.fill(1, b"k", version, item(b"k", b"filled", 0));
        assert_eq!(get(&store, 1, "k", 1).as_deref(), after_fill, "fill after {name}");
        assert_eq!(stored, before.is_none() && after_fill.is_some(), "fill after {name}");

        let store = MemoryStore::new(8000, true);
        assert!(set(&store, 1, "k", b"old", 0, 1));
        let version = store.version(1, b"k");
        if name == "another fill" {
            // Only an absent item can be filled.
            store.set_limit(0);
            store.set_limit(8000);
        }
        between(&store);
        store.replace_committed(1, b"k", version, item(b"k", b"replaced", 0));
        assert_eq!(get(&store, 1, "k", 1).as_deref(), after_replace, "replacement after {name}");
        assert_ne!(store.version(1, b"k"), version, "replacement after {name}");
    }
}

#[test]
fn a_failed_or_panicking_change_leaves_the_item() {
    let store = MemoryStore::new(1000, true);
    assert!(set(&store, 1, "k", b"old", 0, 1));
    let version = store.version(1, b"k");
    assert!(!set(&store, 1, "k", &[0; 1000], 0, 1));
    let panics = || store.update(1, b"k", 1, |_| -> Change<()> { std::panic::panic_any("on purpose") });
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert_eq!(get(&store, 1, "k", 1).as_deref(), Some("old"));
    assert_eq!(store.version(1, b"k"), version, "nothing changed");
}

#[test]
fn shards_follow_the_limit() {
    for (limit, shards) in [(0, 1), (15 << 20, 1), (16 << 20, 2), (64 << 20, 8), (1 << 29, 64), (usize::MAX, 64)] {
        assert_eq!(MemoryStore::new(limit, true).shards.len(), shards, "{limit}");
    }
    let store = MemoryStore::new(64 << 20, true);
    assert!(set(&store, 1, "k", &vec![b'v'; 1 << 20], 0, 1), "an item of 1 MiB fits at the default");
}

#[test]
fn many_items_in_many_shards() {
    const ITEMS: usize = 30_000;
    let store = MemoryStore::new(1 << 30, true);
    let keys: Vec<String> = (0..ITEMS).map(|n| format!("key:{n}")).collect();
    for key in &keys {
        assert!(set(&store, 1, key, key.as_bytes(), 0, 1) && set(&store, 2, key, b"", 0, 1));
    }
    for key in &keys {
        assert_eq!(get(&store, 1, key, 1).as_ref(), Some(key));
    }
    let versions: Vec<Version> = keys.iter().map(|key| store.version(1, key.as_bytes())).collect();
    store.flush(1);
    for (key, version) in keys.iter().zip(versions) {
        assert!(
            !store.fill(1, key.as_bytes(), version, item(key.as_bytes(), b"old", 0)),
            "a fill from before the flush"
        );
        assert_eq!(get(&store, 1, key, 1), None);
        assert_eq!(get(&store, 2, key, 1).as_deref(), Some(""));
    }
    assert_eq!(store.stats().items, ITEMS as u64);
    // Eviction over all shards keeps within the limit, whatever the sizes.
    store.set_limit(1 << 20);
    for (number, key) in keys.iter().enumerate() {
        assert!(set(&store, 1, key, &vec![b'x'; number % 3000], 0, 1));
    }
    let stats = store.stats();
    assert!(stats.bytes <= 1 << 20 && stats.bytes > 1 << 19 && stats.evictions > 0, "{stats:?}");
}

/// Keys with one hash are told apart, and leaving one out keeps the others found.
#[test]
fn chains_of_one_hash() {
    let at = |key| Address { hash: 42, container: 1, key };
    let keys: [&[u8]; 4] = [b"a", b"b", b"c", b"d"];
    for gone in keys {
        let mut items = items::Items::new();
        for key in keys {
            items.insert(Item::new(at(key), item(key, key, 0), 0)).unwrap();
        }
        let slot = items.find(at(gone)).unwrap();
        assert!(items.remove(slot).is_some());
        for key in keys {
            let found = items.find(at(key)).and_then(|slot| items.get(slot)).map(|item| item.seen().value().to_vec());
            assert_eq!(found.as_deref(), (key != gone).then_some(key));
        }
        assert_eq!(items.find(Address { hash: 42, container: 2, key: b"a" }), None);
    }
}

#[test]
fn flushes_of_ever_new_containers_free_what_they_held() {
    let store = MemoryStore::new(1 << 20, true);
    for container in 0..1000 {
        assert!(set(&store, container, "k", &[0; 100], 0, 1));
        store.flush(container);
    }
    let stats = store.stats();
    assert!(stats.items < 300 && stats.evictions == 0, "{stats:?}");
    assert!((0..1000).all(|container| get(&store, container, "k", 1).is_none()));
}
