use super::*;
use crate::refengine::error::Error;
use crate::refengine::storage::lsm::Lsm;
use crate::refengine::storage::tables::Tables;
use fjall::config::{CompressionPolicy, PartitioningPolicy, PinningPolicy};
use fjall::{Database, KeyspaceCreateOptions};
use lsm_tree::table::block::Header;
use lsm_tree::table::filter::standard_bloom::{Builder, StandardBloomFilterReader};
use lsm_tree::table::{Block, DataBlock, KeyedBlockHandle};
use lsm_tree::{Checksum, InternalValue, ValueType};
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
        KeyedBlockHandle::new(key.as_slice().into(), 1, BlockHandle::new(BlockOffset(at as u64 * 7), 7))
    };
    let bytes = IndexBlock::encode_into_vec(&keys.iter().enumerate().map(handle).collect::<Vec<_>>()).unwrap();
    Index::new(&[IndexBlock::new(block_of(BlockType::Index, &bytes))]).expect("a small index")
}

fn block_of(block_type: BlockType, bytes: &[u8]) -> Block {
    let (len, checksum) = (bytes.len() as u32, Checksum::from_raw(0));
    let header = Header { block_type, checksum, data_length: len, uncompressed_length: len };
    Block { header, data: Slice::new(bytes) }
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
            let expected = keys.iter().position(|end| *end >= key).map(|at| at as u64 * 7);
            let found = index.find(&key);
            assert_eq!(found.map(|block| *block.offset()), expected, "{key:?} in {keys:?}");
            assert!(found.is_none_or(|block| block.size() == 7));
        }
    }
}

#[test]
fn an_index_of_one_block_and_of_none() {
    let index = index_of(&[b"key".to_vec()]);
    assert!(index.find(b"key").is_some() && index.find(b"").is_some() && index.find(b"ke").is_some());
    assert!(index.find(b"key\0").is_none() && index.find(b"z").is_none());
}

/// Blocks of all shapes: what a search says of a key is what fjall reads.
#[test]
fn a_block_says_what_fjall_reads_in_it() {
    let mut random = Random(3);
    for round in 0..400 {
        let mut keys: Vec<_> = (0..1 + random.below(1 + round)).map(|_| random.key()).collect();
        // fjall takes no empty keys, and the engine has none.
        keys.iter_mut().for_each(|key| key.push(b'.'));
        keys.sort();
        keys.dedup();
        let mut items = Vec::new();
        for key in &keys {
            // The newest version comes first.
            for seqno in (0..1 + random.below(3)).rev() {
                let kind = [ValueType::Value, ValueType::Value, ValueType::Tombstone, ValueType::WeakTombstone];
                let kind = kind[random.below(4) as usize];
                let len = if kind == ValueType::Value { [0, 1, 127, 128, 300][random.below(5) as usize] } else { 0 };
                let value = vec![round as u8; len];
                items.push(InternalValue::from_components(key.as_slice(), value, seqno * 200, kind));
            }
        }
        let interval = 1 + random.below(20) as u8;
        let bytes = DataBlock::encode_into_vec(&items, interval, 0.0).unwrap();
        let of_fjall = DataBlock::new(block_of(BlockType::Data, &bytes));
        for key in keys.clone().into_iter().chain((0..100).map(|_| random.key())) {
            let expected = of_fjall.point_read(&key, SeqNo::MAX).map(Entry::from);
            let found = block::search(&bytes, &key).expect("a block as it should be");
            assert_eq!(found.map(Entry::kept), expected, "{key:?} in {keys:?}");
        }
        // What is cut off is left to fjall, or is a part of the block that has the answer; it never is a panic.
        let key = &keys[random.below(keys.len() as u64) as usize];
        for len in 0..bytes.len().min(200) {
            block::search(&bytes[..len], key);
        }
    }
}

#[test]
fn a_filter_says_what_fjall_says() {
    let mut random = Random(4);
    for each in [2.0, 5.0, 10.0, 20.0, 30.0] {
        let keys: Vec<_> = (0..500).map(|_| random.key()).collect();
        let mut builder = Builder::with_bpk(keys.len(), each);
        keys.iter().for_each(|key| builder.set_with_hash(Builder::get_hash(key)));
        let bytes = builder.build();
        let Some(filter) = Filter::new(Slice::new(&bytes)) else {
            // One bit of a key, or twenty.
            assert!(!(4.5..=23.0).contains(&each), "{each} bits");
            continue;
        };
        let of_fjall = StandardBloomFilterReader::new(&bytes).unwrap();
        for key in keys.into_iter().chain((0..5000u32).map(|n| n.to_be_bytes().to_vec())) {
            let hashes = Hashes::new(Hashes::of(&key));
            filter.ask(&hashes);
            assert_eq!(filter.may_have(filter.begin(&hashes), &hashes), of_fjall.contains(&key), "{key:?}");
        }
    }
    assert!(Filter::new(Slice::new(b"")).is_none());
    assert!(Filter::new(Slice::new(b"LSM\x03\x01\0................................")).is_none());
}

/// Larger blocks than are searched here, and those that cannot be read.
#[test]
fn what_is_large_or_damaged_is_fjalls() {
    let dir = tempfile::tempdir().unwrap();
    let tables = Lsm::open(dir.path(), 1 << 20).unwrap();
    let rows = tables.rows("t").unwrap();
    let key = |n: usize| format!("key{n:05}").into_bytes();
    let value = |n: usize| vec![n as u8; [10, 2000, 9000, 100_000][n % 4]];
    let entries = (0..200).map(|n| (Slice::new(&key(n)), Some(Slice::new(&value(n)))));
    Lsm::write(&rows, entries).unwrap();
    for n in 0..200 {
        assert_eq!(Lsm::get(&rows, &key(n)).unwrap().as_deref(), Some(&*value(n)));
    }
    let file = rows.finder.0.runs.read().runs[0].tables[0].table.path.clone();
    let mut bytes = std::fs::read(&*file).unwrap();
    bytes[2000] ^= 1;
    std::fs::write(&*file, bytes).unwrap();
    let error = Lsm::get(&rows, &key(1)).unwrap_err();
    assert!(matches!(error, Error::Corrupt(_)), "{error:?}");
    assert_eq!(Lsm::get(&rows, &key(150)).unwrap().as_deref(), Some(&*value(150)));
}

/// Blocks, indexes and filters as earlier versions wrote them, and as fjall does without being told otherwise.
#[test]
fn tables_of_an_earlier_version_are_looked_in_too() {
    let earlier = || {
        KeyspaceCreateOptions::default()
            .data_block_compression_policy(CompressionPolicy::disabled())
            .index_block_pinning_policy(PinningPolicy::all(true))
            .filter_block_pinning_policy(PinningPolicy::all(true))
            .index_block_partitioning_policy(PartitioningPolicy::all(false))
            .filter_block_partitioning_policy(PartitioningPolicy::all(false))
    };
    for options in [earlier as fn() -> _, KeyspaceCreateOptions::default] {
        let dir = tempfile::tempdir().unwrap();
        Database::builder(dir.path()).open().unwrap().keyspace("t", options).unwrap();
        let tables = Lsm::open(dir.path(), 1 << 20).unwrap();
        let rows = tables.rows("t").unwrap();
        let key = |n: u32| (n * 7).to_be_bytes();
        for part in 0..3 {
            let entries = (0..5000).filter(|n| n % 3 == part);
            Lsm::write(&rows, entries.map(|n| (Slice::new(&key(n)), Some(Slice::new(&[n as u8; 100]))))).unwrap();
        }
        for n in 0..5000 {
            assert_eq!(Lsm::get(&rows, &key(n)).unwrap().as_deref(), Some(&[n as u8; 100][..]));
            assert_eq!(Lsm::get(&rows, &(n * 7 + 1).to_be_bytes()).unwrap(), None);
        }
    }
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
