//! Random calls against a plain list that obeys the documented rules, with and without limits.

use proptest::prelude::*;

use super::*;

const KEYS: usize = 5;
const CONTAINERS: u32 = 2;

#[derive(Debug, Clone)]
enum Call {
    Get,
    Put { length: usize, deadline: i64 },
    Touch { deadline: i64 },
    Remove,
    Keep,
    Flush,
    Version,
    Fill { length: usize, deadline: i64 },
    Replace { length: usize, deadline: i64 },
    Invalidate,
    Wait(i64),
    Limit(usize),
}

fn call() -> impl Strategy<Value = Call> {
    let length = || prop_oneof![4 => 0_usize..40, 1 => Just(200), 1 => Just(2000)];
    // Relative to now; 0 stays "never".
    let deadline = || prop_oneof![2 => Just(0_i64), 1 => -2_i64..6];
    prop_oneof![
        6 => Just(Call::Get),
        8 => (length(), deadline()).prop_map(|(length, deadline)| Call::Put { length, deadline }),
        2 => deadline().prop_map(|deadline| Call::Touch { deadline }),
        2 => Just(Call::Remove),
        1 => Just(Call::Keep),
        1 => Just(Call::Flush),
        4 => Just(Call::Version),
        4 => (length(), deadline()).prop_map(|(length, deadline)| Call::Fill { length, deadline }),
        3 => (length(), deadline()).prop_map(|(length, deadline)| Call::Replace { length, deadline }),
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

    /// Takes the live item out.
    fn take(&mut self, name: Name) -> Option<Held> {
        let at = self.held.iter().position(|held| held.name == name)?;
        Some(self.held.remove(at)).filter(|held| !Self::is_dead(held, self.now))
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
        let place = self.held.iter().position(|held| held.name == new.name);
        let old = self.take(new.name);
        if Self::is_dead(&new, self.now) {
            return true;
        }
        let old_size = old.as_ref().map_or(0, |old| old.size);
        if new.size > self.limit {
            if let (Some(place), Some(old)) = (place, old) {
                self.held.insert(place, old);
            }
            return false;
        }
        if new.size > old_size {
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
    let mut taken = Vec::new();
    let mut keys = Vec::new();
    for number in 0.. {
        let key = format!("key{number}");
        let buckets: Vec<usize> = (0..CONTAINERS)
            .map(|container| MemoryStore::bucket_number(store.address(container, key.as_bytes())))
            .collect();
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

fn run(limit: usize, evict: bool, calls: Vec<(u32, usize, Call)>) -> Result<(), TestCaseError> {
    let store = MemoryStore::new(limit, evict);
    let keys = keys(&store);
    let counts = vec![(0, 0); keys.len() * CONTAINERS as usize];
    let mut model = Model { held: Vec::new(), limit, evict, now: 0, flushed: false, counts };
    let mut versions: Vec<Option<(Version, Counts)>> = vec![None; model.counts.len()];
    for (serial, (container, number, call)) in calls.into_iter().enumerate() {
        let name = (container, number);
        let key = keys[number].as_bytes();
        let now = model.now;
        let until = |deadline: i64| if deadline == 0 { 0 } else { 1000 + now + deadline };
        model.now += 1000;
        let now = model.now;
        let made = |length: usize, deadline: i64| Held {
            name,
            size: key.len() + length + ITEM_OVERHEAD,
            flushed: false,
            flags: serial as u32,
            deadline: until(deadline),
            value: vec![serial as u8; length],
        };
        fn new(held: &Held) -> NewItem<'_> {
            NewItem { flags: held.flags, cas: 1, deadline: held.deadline, value: Cow::Borrowed(&held.value) }
        }
        let saved = versions[container as usize * KEYS + number];
        match call {
            Call::Get => {
                let seen = store.get(container, key, now, |found| (found.flags, found.deadline, found.value.to_vec()));
                prop_assert_eq!(seen, model.get(name).map(|held| (held.flags, held.deadline, held.value)));
            }
            Call::Put { length, deadline } => {
                let held = made(length, deadline);
                let change = |_: Option<CachedItem<'_>>| Change::Put { item: new(&held), result: () };
                let stored = store.update(container, key, now, change).is_ok();
                prop_assert_eq!(stored, model.put(held.clone()));
                model.counts(name).0 += u64::from(stored);
            }
            Call::Touch { deadline } => {
                let change = Change::Touch { deadline: until(deadline), result: () };
                store.update(container, key, now, |_| change).unwrap();
                if let Some(held) = model.take(name) {
                    let held = Held { deadline: until(deadline), ..held };
                    model.held.extend(Some(held).filter(|held| !Model::is_dead(held, now)));
                }
                model.counts(name).0 += 1;
            }
            Call::Remove => {
                store.update(container, key, now, |_| Change::Remove(())).unwrap();
                model.take(name);
                model.counts(name).0 += 1;
            }
            Call::Keep => {
                let there = store.update(container, key, now, |old| Change::Keep(old.is_some())).unwrap();
                model.held.retain(|held| held.name != name || !Model::is_dead(held, now));
                prop_assert_eq!(there, model.held.iter().any(|held| held.name == name));
            }
            Call::Flush => {
                store.flush(container);
                model.held.iter_mut().filter(|held| held.name.0 == container).for_each(|held| held.flushed = true);
                model.flushed = true;
                model.counts.iter_mut().for_each(|counts| counts.0 += 1);
            }
            Call::Version => {
                let counts = *model.counts(name);
                versions[container as usize * KEYS + number] = Some((store.version(container, key), counts));
            }
            Call::Fill { length, deadline } => {
                let Some((version, then)) = saved else { continue };
                // Fills take the time of the last call that told one.
                store.get(container, key, now, |_| ());
                let absent = model.get(name).is_none();
                let held = made(length, deadline);
                let stored = store.fill(container, key, version, &new(&held));
                let unchanged = model.counts(name).0 == then.0;
                prop_assert_eq!(stored, unchanged && absent && model.put(held.clone()));
                model.counts(name).1 += u64::from(stored);
            }
            Call::Replace { length, deadline } => {
                let Some((version, then)) = saved else { continue };
                store.get(container, key, now, |_| ());
                model.get(name);
                let held = made(length, deadline);
                store.replace_committed(container, key, version, &new(&held));
                if *model.counts(name) != then || !model.put(held) {
                    model.take(name);
                }
                model.counts(name).0 += 1;
            }
            Call::Invalidate => {
                store.invalidate(container, key);
                model.take(name);
                model.counts(name).0 += 1;
            }
            Call::Wait(seconds) => model.now += seconds,
            Call::Limit(limit) if model.limit != usize::MAX => {
                store.get(container, key, now, |_| ());
                model.get(name);
                store.set_limit(limit);
                model.set_limit(limit);
            }
            Call::Limit(_) => {}
        }
        model.now -= 1000;
    }
    // Nothing is held beyond what the model holds, and each byte is accounted for.
    let stats = store.stats();
    prop_assert_eq!((stats.items, stats.bytes), (model.held.len() as u64, model.used() as u64));
    Ok(())
}

fn calls() -> impl Strategy<Value = Vec<(u32, usize, Call)>> {
    prop::collection::vec((0..CONTAINERS, 0..KEYS, call()), 1..200)
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
