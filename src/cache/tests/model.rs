//! Random calls against a plain list that obeys the documented rules, with and without limits.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const KEYS: usize = 5;
const CONTAINERS: u32 = 2;

#[derive(Debug, Clone)]
enum Call {
    Get,
    /// Length of the value, and deadline relative to now, 0 for none; so below.
    Put((usize, i64)),
    Touch(i64),
    Remove,
    Keep,
    Flush,
    Version,
    Fill((usize, i64)),
    Replace((usize, i64)),
    Invalidate,
    Wait(i64),
    Limit(usize),
}

fn call() -> impl Strategy<Value = Call> {
    let length = || prop_oneof![4 => 0_usize..40, 1 => Just(200), 1 => Just(2000)];
    let deadline = || prop_oneof![2 => Just(0_i64), 1 => -2_i64..6];
    prop_oneof![
        6 => Just(Call::Get),
        8 => (length(), deadline()).prop_map(Call::Put),
        2 => deadline().prop_map(Call::Touch),
        2 => Just(Call::Remove),
        1 => Just(Call::Keep),
        1 => Just(Call::Flush),
        4 => Just(Call::Version),
        4 => (length(), deadline()).prop_map(Call::Fill),
        3 => (length(), deadline()).prop_map(Call::Replace),
        1 => Just(Call::Invalidate),
        2 => (1_i64..4).prop_map(Call::Wait),
        1 => (0_usize..3000).prop_map(Call::Limit),
    ]
}

type Name = (u32, usize);

#[derive(Debug, Clone)]
struct Held {
    name: Name,
    size: usize,
    flushed: bool,
    flags: u32,
    deadline: i64,
    value: Vec<u8>,
}

/// Changes and fills of a key so far.
type Counts = (u64, u64);

struct Model {
    /// The least recently used first; the dead ones that nobody met are still there.
    held: Vec<Held>,
    limit: usize,
    evict: bool,
    now: i64,
    /// A flush came after the last sweep.
    flushed: bool,
    counts: Vec<Counts>,
}

impl Model {
    fn counts(&mut self, name: Name) -> &mut Counts {
        &mut self.counts[name.0 as usize * KEYS + name.1]
    }

    fn is_dead(held: &Held, now: i64) -> bool {
        held.flushed || (held.deadline != 0 && held.deadline <= now)
    }

    /// Place of the live item; a dead one is gone.
    fn find(&mut self, name: Name) -> Option<usize> {
        let place = self.held.iter().position(|held| held.name == name)?;
        if Self::is_dead(&self.held[place], self.now) {
            self.held.remove(place);
            return None;
        }
        Some(place)
    }

    fn take(&mut self, name: Name) -> Option<Held> {
        self.find(name).map(|place| self.held.remove(place))
    }

    fn touch(&mut self, name: Name, deadline: i64) {
        if let Some(old) = self.take(name) {
            self.held.extend(Some(Held { deadline, ..old }).filter(|held| !Self::is_dead(held, self.now)));
        }
    }

    fn get(&mut self, name: Name) -> Option<Held> {
        let held = self.take(name)?;
        self.held.push(held.clone());
        Some(held)
    }

    fn used(&self) -> usize {
        self.held.iter().map(|held| held.size).sum()
    }

    fn sweep(&mut self) {
        if self.flushed || !self.evict {
            self.flushed = false;
            self.held.retain(|held| !Self::is_dead(held, self.now));
        }
    }

    fn put(&mut self, new: Held) -> bool {
        let place = self.find(new.name);
        if Self::is_dead(&new, self.now) {
            self.take(new.name);
            return true;
        }
        if new.size > self.limit {
            return false;
        }
        let old = place.map(|place| self.held.remove(place));
        if new.size > old.as_ref().map_or(0, |old| old.size) {
            if self.used() + new.size > self.limit {
                self.sweep();
            }
            while self.used() + new.size > self.limit {
                if !self.evict {
                    self.held.extend(old);
                    return false;
                }
                self.held.remove(0);
            }
        }
        self.held.push(new);
        true
    }

    fn flush(&mut self, container: u32) {
        self.held.iter_mut().filter(|held| held.name.0 == container).for_each(|held| held.flushed = true);
        self.flushed = true;
        self.counts.iter_mut().for_each(|counts| counts.0 += 1);
    }

    fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        if self.evict {
            self.sweep();
            while self.used() > limit {
                self.held.remove(0);
            }
        }
    }
}

/// Keys that share no version bucket, so that only their own changes count.
fn keys(store: &MemoryStore) -> Vec<String> {
    let bucket = |container, key: &str| MemoryStore::bucket_number(store.address(container, key.as_bytes()));
    let mut taken = Vec::new();
    let mut keys = Vec::new();
    for number in 0.. {
        let key = format!("key{number}");
        let buckets: Vec<usize> = (0..CONTAINERS).map(|container| bucket(container, &key)).collect();
        if buckets[0] != buckets[1] && buckets.iter().all(|bucket| !taken.contains(bucket)) {
            taken.extend(buckets);
            keys.push(key);
        }
        if keys.len() == KEYS {
            break;
        }
    }
    keys
}

fn new(key: &[u8], held: &Held) -> NewItem {
    let data = Data::new(key, &[&held.value]).unwrap();
    NewItem { flags: held.flags, cas: 1, deadline: held.deadline, data }
}

/// The store and its model, called alike.
struct Both {
    store: MemoryStore,
    keys: Vec<String>,
    model: Model,
    /// The version last taken of each key, and the model's counts then.
    versions: HashMap<Name, (Version, Counts)>,
    serial: u32,
}

impl Both {
    fn new(limit: usize, evict: bool) -> Both {
        let store = MemoryStore::new(limit, evict);
        let counts = vec![(0, 0); KEYS * CONTAINERS as usize];
        let model = Model { held: Vec::new(), limit, evict, now: 1000, flushed: false, counts };
        Both { keys: keys(&store), store, model, versions: HashMap::new(), serial: 0 }
    }

    fn until(&self, deadline: i64) -> i64 {
        if deadline == 0 { 0 } else { self.model.now + deadline }
    }

    /// An item unlike all before.
    fn made(&mut self, name: Name, (length, deadline): (usize, i64)) -> Held {
        self.serial += 1;
        Held {
            name,
            size: self.keys[name.1].len() + length + ITEM_OVERHEAD,
            flushed: false,
            flags: self.serial,
            deadline: self.until(deadline),
            value: vec![self.serial as u8; length],
        }
    }

    fn get(&mut self, name: Name) -> Result<bool, TestCaseError> {
        let key = self.keys[name.1].as_bytes();
        let parts = |found: CachedItem<'_>| (found.flags, found.deadline, found.value().to_vec());
        let seen = self.store.get(name.0, key, self.model.now, parts);
        let there = seen.is_some();
        prop_assert_eq!(seen, self.model.get(name).map(|held| (held.flags, held.deadline, held.value)));
        Ok(there)
    }

    fn update(&mut self, name: Name, call: &Call) -> Result<(), TestCaseError> {
        let held = if let Call::Put(item) = call { Some(self.made(name, *item)) } else { None };
        let key = self.keys[name.1].as_bytes();
        let change = |was: bool| match (call, &held) {
            (Call::Put(_), Some(held)) => Change::Put { item: new(key, held), result: was },
            (Call::Touch(deadline), _) => Change::Touch { deadline: self.until(*deadline), result: was },
            (Call::Remove, _) => Change::Remove(was),
            _ => Change::Keep(was),
        };
        let was = self.store.update(name.0, key, self.model.now, |old| change(old.is_some()));
        let there = self.model.find(name).is_some();
        prop_assert!(was.is_err() || was == Ok(there));
        match (call, held) {
            (Call::Put(_), Some(held)) => prop_assert_eq!(was.is_ok(), self.model.put(held)),
            (Call::Touch(deadline), _) => self.model.touch(name, self.until(*deadline)),
            (Call::Remove, _) => _ = self.model.take(name),
            _ => {}
        }
        self.model.counts(name).0 += u64::from(was.is_ok() && !matches!(call, Call::Keep));
        Ok(())
    }

    /// Stores with the version taken last, if one was, as a fill or as a replacement.
    fn store_at_version(&mut self, name: Name, item: (usize, i64), fill: bool) -> Result<(), TestCaseError> {
        let Some(&(version, then)) = self.versions.get(&name) else { return Ok(()) };
        // These calls go by the time of the last one that told a time.
        let there = self.get(name)?;
        let held = self.made(name, item);
        let key = self.keys[name.1].as_bytes();
        let counts = *self.model.counts(name);
        if fill {
            let stored = self.store.fill(name.0, key, version, new(key, &held));
            prop_assert_eq!(stored, counts.0 == then.0 && !there && self.model.put(held));
            self.model.counts(name).1 += u64::from(stored);
        } else {
            self.store.replace_committed(name.0, key, version, new(key, &held));
            if counts != then || !self.model.put(held) {
                self.model.take(name);
            }
            self.model.counts(name).0 += 1;
        }
        Ok(())
    }

    fn step(&mut self, name: Name, call: &Call) -> Result<(), TestCaseError> {
        let key = self.keys[name.1].as_bytes();
        match *call {
            Call::Get => _ = self.get(name)?,
            Call::Put(_) | Call::Touch(_) | Call::Remove | Call::Keep => self.update(name, call)?,
            Call::Fill(item) => self.store_at_version(name, item, true)?,
            Call::Replace(item) => self.store_at_version(name, item, false)?,
            Call::Flush => {
                self.store.flush(name.0);
                self.model.flush(name.0);
            }
            Call::Version => {
                let counts = *self.model.counts(name);
                self.versions.insert(name, (self.store.version(name.0, key), counts));
            }
            Call::Invalidate => {
                self.store.invalidate(name.0, key);
                self.model.take(name);
                self.model.counts(name).0 += 1;
            }
            Call::Wait(seconds) => self.model.now += seconds,
            Call::Limit(limit) => {
                self.get(name)?;
                self.store.set_limit(limit);
                self.model.set_limit(limit);
            }
        }
        Ok(())
    }
}

fn run(limit: usize, evict: bool, calls: Vec<(Name, Call)>) -> Result<(), TestCaseError> {
    let mut both = Both::new(limit, evict);
    for (name, call) in calls {
        // A store without a limit has many shards, and stays without one.
        if limit != usize::MAX || !matches!(call, Call::Limit(_)) {
            both.step(name, &call)?;
        }
    }
    // Nothing is held beyond what the model holds, and each byte is accounted for.
    let stats = both.store.stats();
    prop_assert_eq!((stats.items, stats.bytes), (both.model.held.len() as u64, both.model.used() as u64));
    Ok(())
}

fn calls() -> impl Strategy<Value = Vec<(Name, Call)>> {
    prop::collection::vec(((0..CONTAINERS, 0..KEYS), call()), 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn without_a_limit_it_is_a_map(calls in calls()) {
        run(usize::MAX, true, calls)?;
    }

    #[test]
    fn a_small_store_evicts_in_order(limit in 0_usize..3000, calls in calls()) {
        run(limit, true, calls)?;
    }

    #[test]
    fn a_small_store_refuses_when_it_may_not_evict(limit in 0_usize..3000, calls in calls()) {
        run(limit, false, calls)?;
    }
}
