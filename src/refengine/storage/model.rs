//! A storage and a map side by side: whatever is done to both, they hold the same rows. For tests and fuzzing.

use super::{Change, Keyspace, Result, Slice, Snapshot, Storage};
use std::collections::BTreeMap;
use std::path::Path;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

const SPACES: usize = 3;
/// A generation of the memory table so small that a run has many.
const MEMORY: u64 = 8 << 10;
/// Views that are open at once.
const VIEWS: usize = 4;

/// What is to be done, as bytes tell: each byte that is missing is 0.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn space(&mut self) -> usize {
        usize::from(self.byte()) % SPACES
    }

    /// Few enough that rows are written again, and of two lengths, so that one is the beginning of another.
    fn key(&mut self) -> Vec<u8> {
        let byte = self.byte();
        [byte % 64].repeat(1 + usize::from(byte / 64) % 2)
    }
}

/// Both of them.
struct Pair<'a> {
    dir: &'a Path,
    storage: Storage,
    spaces: Vec<Keyspace>,
    maps: [Map; SPACES],
    views: Vec<(Snapshot, [Map; SPACES])>,
    /// How often a keyspace was replaced: no name is used twice.
    replaced: usize,
    names: [String; SPACES],
}

/// Does what `script` says in an empty `dir`. Panics where the two are not the same.
pub(crate) fn run(dir: &Path, script: &[u8]) {
    let names = std::array::from_fn(|space| format!("space{space}"));
    let storage = open(dir);
    let mut pair =
        Pair { dir, storage, spaces: Vec::new(), maps: Default::default(), views: Vec::new(), replaced: 0, names };
    pair.find_spaces();
    let mut script = Script(script);
    while !script.0.is_empty() {
        pair = pair.step(&mut script);
    }
    pair.check_all();
    pair.reopen(true).check_all();
}

fn open(dir: &Path) -> Storage {
    Storage::open(dir, (1 << 20, MEMORY), 2).expect("the storage opens")
}

fn owned(row: Result<(Slice, Slice)>) -> (Vec<u8>, Vec<u8>) {
    let (key, value) = row.expect("a row is read");
    (key.to_vec(), value.to_vec())
}

impl Pair<'_> {
    fn find_spaces(&mut self) {
        let space = |name: &String| self.storage.keyspace(name).expect("a keyspace opens");
        self.spaces = self.names.iter().map(space).collect();
    }

    fn step(mut self, script: &mut Script<'_>) -> Self {
        match script.byte() % 32 {
            0..16 => self.commit(script),
            16..20 if self.views.len() < VIEWS => self.views.push((self.storage.snapshot(), self.maps.clone())),
            16..24 => {
                let which = usize::from(script.byte()) % self.views.len().max(1);
                if which < self.views.len() {
                    let (view, maps) = self.views.swap_remove(which);
                    self.check(&view, &maps, script);
                }
            }
            24..28 => self.check(&self.storage.snapshot(), &self.maps, script),
            28 => return self.reopen(true),
            29 => return self.reopen(false),
            30 => self.replace(script),
            _ => {
                let (space, key) = (script.space(), script.key());
                let found = self.spaces[space].get(&key).expect("a row is read").map(|value| value.to_vec());
                assert_eq!(found, self.maps[space].get(&key).cloned());
            }
        }
        self
    }

    fn commit(&mut self, script: &mut Script<'_>) {
        let mut changes = Vec::new();
        for _ in 0..=script.byte() % 8 {
            let (space, key, len) = (script.space(), script.key(), script.byte());
            let value = (len % 4 > 0).then(|| vec![len; usize::from(len)]);
            match &value {
                Some(value) => self.maps[space].insert(key.clone(), value.clone()),
                None => self.maps[space].remove(&key),
            };
            let (key, value) = (Slice::from(key), value.map(Slice::from));
            changes.push(Change { keyspace: self.spaces[space].clone(), key, value });
        }
        self.storage.commit(changes, &[]).expect("a commit succeeds");
    }

    fn check(&self, view: &Snapshot, maps: &[Map; SPACES], script: &mut Script<'_>) {
        let (space, a, b) = (script.space(), script.key(), script.key());
        let (from, to) = (a.clone().min(b.clone()), a.max(b));
        let mut expected: Vec<_> =
            maps[space].range(from.clone()..to.clone()).map(|(key, value)| (key.clone(), value.clone())).collect();
        let keyspace = &self.spaces[space];
        assert!(view.range(keyspace, &from, &to, false).map(owned).eq(expected.iter().cloned()));
        expected.reverse();
        assert!(view.range(keyspace, &from, &to, true).map(owned).eq(expected));
        let found = view.get(keyspace, &from).expect("a row is read").map(|value| value.to_vec());
        assert_eq!(found, maps[space].get(&from).cloned());
    }

    fn check_all(&self) {
        let view = self.storage.snapshot();
        for (keyspace, map) in self.spaces.iter().zip(&self.maps) {
            assert!(view.range(keyspace, &[], &[0xFF], false).map(owned).eq(map.clone()));
        }
    }

    /// Deletes a keyspace and puts an empty one in its place. Views of the old one end: who drops a table has waited for its users.
    fn replace(&mut self, script: &mut Script<'_>) {
        let space = script.space();
        self.views.clear();
        self.replaced += 1;
        self.names[space] = format!("space{space}-{}", self.replaced);
        let new = self.storage.keyspace(&self.names[space]).expect("a keyspace opens");
        let old = std::mem::replace(&mut self.spaces[space], new);
        self.storage.delete_keyspace(old).expect("a keyspace is deleted");
        self.maps[space].clear();
    }

    /// Ends the storage, cleanly or as the death of the process does, and opens it anew.
    fn reopen(mut self, cleanly: bool) -> Self {
        self.views.clear();
        let spaces = std::mem::take(&mut self.spaces);
        let Pair { dir, storage, maps, replaced, names, .. } = self;
        if cleanly {
            storage.close(spaces).expect("the storage closes");
        } else {
            drop(spaces);
            drop(storage);
        }
        let storage = open(dir);
        let mut pair = Pair { dir, storage, spaces: Vec::new(), maps, views: Vec::new(), replaced, names };
        pair.find_spaces();
        pair
    }
}
