use super::*;
use crate::refengine::storage::lsm::Lsm;
use crate::refengine::storage::tables::Tables;
use lsm_tree::Checksum;
use lsm_tree::table::KeyedBlockHandle;
use lsm_tree::table::block::Header;
use std::collections::BTreeMap;

/// A generator that repeats (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16) % bound
    }

    /// Keys that share much: long common beginnings, zeroes, keys that are beginnings of others.
    fn key(&mut self) -> Vec<u8> {
        let beginnings: [&[u8]; 5] = [b"", b"a", b"session:0000000000", b"session:00000000000000000000", b"user\0"];
        let mut key = beginnings[self.below(5) as usize].to_vec();
        for _ in 0..self.below(6) {
            key.push([0, 0, 1, b'0', b'z', 255][self.below(6) as usize]);
        }
        key
    }
}

fn index_of(keys: &[Vec<u8>]) -> Index {
    let handle = |(at, key): (usize, &Vec<u8>)| {
        KeyedBlockHandle::new(key.as_slice().into(), 1, BlockHandle::new(BlockOffset(at as u64), 7))
    };
    let bytes = IndexBlock::encode_into_vec(&keys.iter().enumerate().map(handle).collect::<Vec<_>>()).unwrap();
    let (len, checksum) = (bytes.len() as u32, Checksum::from_raw(0));
    let header = Header { block_type: BlockType::Index, checksum, data_length: len, uncompressed_length: len };
    Index::new(&IndexBlock::new(Block { header, data: bytes.into() })).expect("a small index")
}

#[test]
fn an_index_finds_the_first_block_that_ends_at_the_key_or_behind() {
    let mut random = Random(1);
    for round in 0..300 {
        let mut keys: Vec<_> = (0..1 + random.below(1 + round * 2)).map(|_| random.key()).collect();
        keys.sort();
        keys.dedup();
        let index = index_of(&keys);
        for key in keys.clone().into_iter().chain((0..200).map(|_| random.key())) {
            let expected = keys.iter().position(|end| *end >= key).map(|at| at as u64);
            assert_eq!(index.find(&key).map(|block| *block.offset()), expected, "{key:?} in {keys:?}");
        }
    }
}

#[test]
fn an_index_of_one_block_and_of_none() {
    let index = index_of(&[b"key".to_vec()]);
    assert!(index.find(b"key").is_some() && index.find(b"").is_some() && index.find(b"ke").is_some());
    assert!(index.find(b"key\0").is_none() && index.find(b"z").is_none());
}

/// Rows in several runs, with deletions, while fjall merges them: what is found is what was written, and what fjall finds.
#[test]
fn rows_are_found_as_fjall_finds_them() {
    let dir = tempfile::tempdir().unwrap();
    let tables = Lsm::open(dir.path(), 1 << 20).unwrap();
    let rows = tables.rows("t").unwrap();
    let (mut random, mut model) = (Random(2), BTreeMap::<Vec<u8>, Option<Vec<u8>>>::new());
    for round in 0..12 {
        let mut changes = BTreeMap::new();
        for n in 0..3000 {
            let mut key = random.key();
            key.extend_from_slice(format!("{:05}", random.below(9000)).as_bytes());
            let value = (random.below(5) > 0).then(|| format!("{round} {n}").repeat(1 + n % 40).into_bytes());
            changes.insert(key, value);
        }
        let entries = changes.iter().map(|(key, value)| (Slice::new(key), value.as_deref().map(Slice::new)));
        Lsm::write(&rows, entries).unwrap();
        model.append(&mut changes);
        Lsm::follow(&rows);
        let view = tables.view();
        for (key, value) in &model {
            let found = Lsm::get(&rows, key).unwrap();
            assert_eq!(found.as_deref(), value.as_deref(), "{key:?}");
            assert_eq!(found, Lsm::get_in(&view, &rows, key).unwrap(), "{key:?}");
        }
        for _ in 0..1000 {
            let key = random.key();
            assert_eq!(Lsm::get(&rows, &key).unwrap().as_deref(), model.get(&key).and_then(|value| value.as_deref()));
        }
    }
    assert!(Lsm::resident(&rows) > 0);
    // A handle that has not followed still reads the files that were merged meanwhile.
    drop(tables);
    let again = Lsm::get(&rows, model.keys().next().unwrap()).unwrap();
    assert_eq!(again, model.values().next().unwrap().as_deref().map(Slice::new));
}

#[test]
fn without_files_to_spare_fjall_looks() {
    let dir = tempfile::tempdir().unwrap();
    let tables = Lsm::open(dir.path(), 1 << 20).unwrap();
    let rows = tables.rows("t").unwrap();
    // Others may hold files at the same time.
    let taken = FILES;
    OPEN.fetch_add(taken, Ordering::Relaxed);
    let written = Lsm::write(&rows, [(Slice::new(b"key"), Some(Slice::new(b"value")))].into_iter());
    OPEN.fetch_sub(taken, Ordering::Relaxed);
    written.unwrap();
    assert_eq!(Lsm::get(&rows, b"key").unwrap(), Some(Slice::new(b"value")));
    assert_eq!(Lsm::get(&rows, b"kex").unwrap(), None);
}
