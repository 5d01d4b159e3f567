use super::*;
use std::fs;
use std::path::PathBuf;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// A generation of the memory table so small that a test has many.
const SMALL: u64 = 8 << 10;
/// One that never fills.
const LARGE: u64 = 64 << 20;

pub(super) fn open(dir: &Path, memory: u64) -> Storage {
    try_open(dir, memory).unwrap()
}

fn try_open(dir: &Path, memory: u64) -> Result<Storage> {
    Storage::open(dir, (1 << 20, memory), 1)
}

pub(super) fn put(storage: &Storage, keyspace: &str, key: &[u8], value: Option<&[u8]>) {
    let keyspace = storage.keyspace(keyspace).unwrap();
    storage.commit(vec![Change { keyspace, key: key.into(), value: value.map(Slice::from) }], &[]).unwrap();
}

fn rows(view: &Snapshot, keyspace: &Keyspace, from: &[u8], to: &[u8], reverse: bool) -> Vec<(Vec<u8>, Vec<u8>)> {
    let owned = |row: Result<(Slice, Slice)>| row.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap();
    view.range(keyspace, from, to, reverse).map(owned).collect()
}

fn all(storage: &Storage, keyspace: &str) -> Model {
    rows(&storage.snapshot(), &storage.keyspace(keyspace).unwrap(), &[], &[0xFF], false).into_iter().collect()
}

/// The end of a process: nothing is written out.
fn crash(storage: Storage) {
    drop(storage);
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn check_view(view: &Snapshot, keyspace: &Keyspace, model: &Model, random: &mut Random) {
    let (from, to) = (random.below(300), random.below(300));
    let (from, to) = (key(from.min(to)), key(from.max(to)));
    let mut expected: Vec<_> =
        model.range(from.clone()..to.clone()).map(|(key, value)| (key.clone(), value.clone())).collect();
    assert_eq!(rows(view, keyspace, &from, &to, false), expected);
    expected.reverse();
    assert_eq!(rows(view, keyspace, &from, &to, true), expected);
    let one = key(random.below(300));
    assert_eq!(view.get(keyspace, &one).unwrap().map(|value| value.to_vec()), model.get(&one).cloned());
}

fn key(n: u64) -> Vec<u8> {
    format!("key {n:03}").into_bytes()
}

#[test]
fn views_stay_as_they_are_over_checkpoints_and_the_rows_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(42);
    let mut models = [Model::new(), Model::new()];
    for round in 0..6u8 {
        let storage = open(dir.path(), SMALL);
        storage.set_level(if round % 3 == 0 { 0 } else { 2 }).unwrap();
        let spaces = ["a", "b"].map(|name| storage.keyspace(name).unwrap());
        let mut views: Vec<(Snapshot, [Model; 2])> = Vec::new();
        for step in 0..400 {
            let mut changes = Vec::new();
            for (space, model) in spaces.iter().zip(&mut models) {
                let key = key(random.below(300));
                let value = (random.below(4) > 0).then(|| vec![b'v'; random.below(200) as usize]);
                match &value {
                    Some(value) => model.insert(key.clone(), value.clone()),
                    None => model.remove(&key),
                };
                changes.push(Change { keyspace: space.clone(), key: key.into(), value: value.map(Slice::from) });
            }
            storage.commit(changes, &[]).unwrap();
            if random.below(40) == 0 {
                views.push((storage.snapshot(), models.clone()));
            }
            if views.len() > 5 {
                views.swap_remove(random.below(5) as usize);
            }
            if step % 10 == 0 {
                for (view, models) in &views {
                    let which = random.below(2) as usize;
                    check_view(view, &spaces[which], &models[which], &mut random);
                }
                let latest = key(random.below(300));
                let found = spaces[0].get(&latest).unwrap().map(|value| value.to_vec());
                assert_eq!(found, models[0].get(&latest).cloned());
            }
        }
        assert!(storage.inner.redo.number() > 5, "there were checkpoints");
        drop((views, spaces));
        assert_eq!(["a", "b"].map(|name| all(&storage, name)), models);
        match round % 2 {
            0 => crash(storage),
            _ => {
                storage.close(Vec::new()).unwrap();
                assert!(
                    redo::numbers(&dir.path().join(REDO_DIR)).unwrap().is_empty(),
                    "a clean end leaves nothing to read back"
                );
            }
        }
    }
    let storage = open(dir.path(), SMALL);
    assert_eq!(["a", "b"].map(|name| all(&storage, name)), models);
}

#[test]
fn no_view_sees_half_a_commit() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), SMALL);
    storage.set_level(2).unwrap();
    let spaces = ["a", "b"].map(|name| storage.keyspace(name).unwrap());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let view = storage.snapshot();
                    let [a, b] = [&spaces[0], &spaces[1]].map(|space| rows(&view, space, b"", b"z", false));
                    assert_eq!(a, b);
                }
            });
        }
        for n in 0..3000u64 {
            let changes = spaces.iter().flat_map(|space| {
                [n % 7, n % 11].map(|k| Change {
                    keyspace: space.clone(),
                    key: key(k).into(),
                    value: (n % 13 > 0).then(|| format!("{n}").repeat(5).as_bytes().into()),
                })
            });
            storage.commit(changes.collect::<Vec<_>>(), &[]).unwrap();
        }
        over.store(true, Ordering::Relaxed);
    });
}

/// The files of the log without one that was made ahead of time.
fn redo_files(dir: &Path) -> Vec<PathBuf> {
    let redo = dir.join(REDO_DIR);
    let files = redo::numbers(&redo).unwrap().into_iter().map(|number| redo::path(&redo, number));
    files.filter(|file| fs::read(file).unwrap().iter().any(|byte| *byte != 0)).collect()
}

/// A storage that ended after ten commits of one row each; returns its log and where each commit's record begins and ends.
fn ten_commits(dir: &Path) -> (PathBuf, Vec<usize>) {
    let storage = open(dir, LARGE);
    storage.keyspace("a").unwrap();
    let mut ends = vec![storage.inner.redo.len() as usize];
    for n in 0..10 {
        put(&storage, "a", &key(n), Some(b"value"));
        ends.push(storage.inner.redo.len() as usize);
    }
    crash(storage);
    let [file] = &redo_files(dir)[..] else { panic!("one file") };
    (file.clone(), ends)
}

fn expect_rows(dir: &Path, count: u64) {
    let storage = open(dir, LARGE);
    assert_eq!(all(&storage, "a").into_keys().collect::<Vec<_>>(), (0..count).map(key).collect::<Vec<_>>());
    // It goes on from there, and what comes then is not taken for damage.
    put(&storage, "a", &key(100), Some(b"new"));
    put(&storage, "a", &key(100), None);
    crash(storage);
    let storage = open(dir, LARGE);
    assert_eq!(all(&storage, "a").len() as u64, count);
}

#[test]
fn the_torn_end_of_the_log_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let (file, ends) = ten_commits(dir.path());
    let whole = fs::read(&file).unwrap();
    let (last, end) = (ends[9], ends[10]);
    type Tear<'a> = Box<dyn Fn(&mut Vec<u8>) + 'a>;
    let mut tears: Vec<Tear> = Vec::new();
    for at in (last..end).step_by(5) {
        tears.push(Box::new(move |bytes| bytes.truncate(at)));
        tears.push(Box::new(move |bytes| bytes[at..].fill(0)));
        tears.push(Box::new(move |bytes| bytes[at..end].fill(0xA5)));
    }
    for (i, tear) in tears.iter().enumerate() {
        let mut bytes = whole.clone();
        tear(&mut bytes);
        // Padding is no part of a record's contents.
        let lost = bytes.get(last..end - 7) != whole.get(last..end - 7);
        fs::write(&file, bytes).unwrap();
        if lost {
            expect_rows(dir.path(), 9);
        } else {
            let count = all(&open(dir.path(), LARGE), "a").len();
            assert!(count == 9 || count == 10, "tear {i}: {count}");
        }
        redo_files(dir.path()).iter().for_each(|file| fs::remove_file(file).unwrap());
        fs::write(&file, &whole).unwrap();
    }
    expect_rows(dir.path(), 10);
}

#[test]
fn damage_before_what_was_promised_is_named_and_nothing_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let (file, ends) = ten_commits(dir.path());
    let whole = fs::read(&file).unwrap();
    let cases: [(&str, std::ops::Range<usize>, u8); 5] = [
        ("a byte of a row", ends[4] + 40..ends[4] + 41, 0xFF),
        ("a record's header", ends[3]..ends[3] + 8, 0),
        ("three records", ends[2]..ends[5], 0),
        ("the first record's sum", ends[0] + 16..ends[0] + 17, 0x77),
        ("the file's header", 8..9, 0x77),
    ];
    for (what, range, byte) in cases {
        let mut bytes = whole.clone();
        bytes[range].fill(byte);
        fs::write(&file, bytes).unwrap();
        match try_open(dir.path(), LARGE).err() {
            Some(Error::Corrupt(text)) => assert!(text.contains(file.to_str().unwrap()), "{what}: {text}"),
            other => panic!("{what}: {other:?}"),
        }
    }
    fs::write(&file, whole).unwrap();
    expect_rows(dir.path(), 10);
}

#[test]
fn a_lost_log_file_is_missed() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..3 {
        let storage = open(dir.path(), LARGE);
        put(&storage, "a", &key(n), Some(b"value"));
        crash(storage);
    }
    let files = redo_files(dir.path());
    let second = fs::read(&files[1]).unwrap();
    fs::remove_file(&files[1]).unwrap();
    assert!(matches!(try_open(dir.path(), LARGE).err(), Some(Error::Corrupt(_))));
    fs::write(&files[1], second).unwrap();
    expect_rows(dir.path(), 3);
}

/// The steps of a checkpoint, as far as it comes before the process ends.
#[test]
fn a_crash_at_any_step_of_a_checkpoint_loses_nothing() {
    type Step = fn(&Storage, &Path);
    let steps: [(&str, Step); 13] = [
        ("before it", |_, _| {}),
        ("a next log that is empty", |storage, dir| next_file(storage, dir, |_| Vec::new())),
        ("half of its zeroes", |storage, dir| next_file(storage, dir, |_| vec![0; 500_000])),
        ("all of its zeroes", |storage, dir| next_file(storage, dir, |_| vec![0; 1 << 20])),
        ("half of the next log's header", |storage, dir| next_file(storage, dir, |header| header[..20].to_vec())),
        ("the same in front of zeroes", |storage, dir| {
            next_file(storage, dir, |header| [&header[..20], &[0; 500_000]].concat());
        }),
        ("no next log", |storage, dir| {
            storage.inner.redo.prepare();
            fs::remove_file(next_path(storage, dir)).unwrap();
        }),
        ("a commit in the next log, whose header is lost", |storage, dir| {
            freeze(storage);
            put(storage, "a", b"late", Some(b"1"));
            lose_header(storage, dir);
        }),
        ("the new log, nothing in it", |storage, _| {
            storage.inner.redo.rotate().map_err(|_| "it rotates").unwrap();
        }),
        ("the new log with a commit", |storage, _| {
            freeze(storage);
            put(storage, "a", b"late", Some(b"1"));
            put(storage, "a", b"late", None);
        }),
        ("one keyspace is written", |storage, _| {
            freeze(storage);
            write_frozen(storage, "a");
        }),
        ("all keyspaces are written", |storage, _| {
            freeze(storage);
            write_frozen(storage, "a");
            write_frozen(storage, "b");
        }),
        ("the log is deleted", |storage, _| {
            let last = freeze(storage);
            storage.inner.write_frozen(last).unwrap();
        }),
    ];
    for (what, step) in steps {
        let dir = tempfile::tempdir().unwrap();
        let storage = open(dir.path(), LARGE);
        storage.set_level(2).unwrap();
        let mut models = [Model::new(), Model::new()];
        // Something on disk from before, so that deletions have something to delete.
        for generation in 0..2u64 {
            for (name, model) in ["a", "b"].iter().zip(&mut models) {
                for n in 0..20u64 {
                    let value = format!("{name} {generation} {n}").into_bytes();
                    let value = (generation == 0 || n % 3 > 0).then_some(value);
                    put(&storage, name, &key(n), value.as_deref());
                    match value {
                        Some(value) => model.insert(key(n), value),
                        None => model.remove(&key(n)),
                    };
                }
            }
            if generation == 0 {
                let last = freeze(&storage);
                storage.inner.write_frozen(last).unwrap();
            }
        }
        step(&storage, dir.path());
        crash(storage);
        for time in 0..3 {
            let storage = open(dir.path(), LARGE);
            assert_eq!(["a", "b"].map(|name| all(&storage, name)), models, "{what}, open {time}");
            let value = format!("after {time}").into_bytes();
            put(&storage, "b", &key(time), Some(&value));
            models[1].insert(key(time), value);
            match time {
                0 => crash(storage),
                _ => storage.close(Vec::new()).unwrap(),
            }
        }
    }
}

/// Begins a checkpoint whose thread knows nothing of it; returns the last log file that goes with it.
fn freeze(storage: &Storage) -> u64 {
    let last = storage.inner.redo.rotate().map_err(|_| "it rotates").unwrap();
    storage.inner.freeze();
    last
}

fn write_frozen(storage: &Storage, name: &str) {
    let keyspace = storage.keyspace(name).unwrap();
    let frozen = storage.inner.generations.read().frozen.clone().unwrap();
    checkpoint::write(keyspace.stored(), &frozen.map(keyspace.number()).unwrap()).unwrap();
}

/// Where the next log file is.
fn next_path(storage: &Storage, dir: &Path) -> PathBuf {
    redo::path(&dir.join(REDO_DIR), storage.inner.redo.number() + 1)
}

/// What a machine that stops may leave of a file that was not synced yet.
fn lose_header(storage: &Storage, dir: &Path) {
    let log = redo::path(&dir.join(REDO_DIR), storage.inner.redo.number());
    let mut bytes = fs::read(&log).unwrap();
    bytes[..redo::FILE_HEADER].fill(0);
    assert!(bytes.iter().any(|byte| *byte != 0), "there is a record");
    fs::write(&log, bytes).unwrap();
}

/// Puts in the place of the next log file what a crash may leave of it; `contents` is told its header.
fn next_file(storage: &Storage, dir: &Path, contents: impl FnOnce(&[u8]) -> Vec<u8>) {
    // Nobody makes it any more then.
    storage.inner.redo.prepare();
    let number = storage.inner.redo.number() + 1;
    fs::write(next_path(storage, dir), contents(&redo::file_header(number, 77))).unwrap();
}

#[test]
fn a_log_whose_positions_have_no_end_is_damaged_and_foreign_names_are_no_logs() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = redo::file_header(1, u64::MAX - 3).to_vec();
    let mut records = record::Records::default();
    records.add(0, |_| {}).unwrap();
    log.extend_from_slice(records.bytes());
    fs::write(redo::path(dir.path(), 1), log).unwrap();
    assert!(matches!(replay::all(dir.path()), Err(Error::Corrupt(_))));
    for name in ["1.redo", "+0000000001.redo", "18446744073709551615.redo", "a.redo"] {
        fs::write(dir.path().join(name), "x").unwrap();
    }
    assert_eq!(redo::numbers(dir.path()).unwrap(), [1]);
}

#[test]
fn rows_of_a_deleted_keyspace_stay_away() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), LARGE);
    put(&storage, "a", b"k", Some(b"a"));
    put(&storage, "b", b"k", Some(b"b"));
    storage.delete_keyspace(storage.keyspace("a").unwrap()).unwrap();
    assert_eq!(storage.keyspace_names(), ["b"]);
    crash(storage);
    let storage = open(dir.path(), LARGE);
    assert_eq!(storage.keyspace_names(), ["b"]);
    assert_eq!(all(&storage, "b").len(), 1);
    storage.close(Vec::new()).unwrap();
    assert_eq!(all(&open(dir.path(), LARGE), "b").len(), 1);
}

/// Runs `f` on a thread and fails if it waits for ever.
fn in_time<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(f()));
    result.recv_timeout(Duration::from_secs(20)).expect("it waits for what does not come")
}

#[test]
fn a_panic_in_a_thread_that_others_wait_for_stops_writes_and_nobody_hangs() {
    for place in [inner::Place::Leader, inner::Place::Checkpoint] {
        let dir = tempfile::tempdir().unwrap();
        let storage = Arc::new(open(dir.path(), SMALL));
        put(&storage, "a", b"before", Some(b"1"));
        *storage.inner.defect.lock() = Some(place);
        let keyspace = storage.keyspace("a").unwrap();
        let writers: Vec<_> = (0..8u8)
            .map(|writer| {
                let (storage, keyspace) = (storage.clone(), keyspace.clone());
                move || {
                    for n in 0..2000u32 {
                        let key = Slice::from([&[writer][..], &n.to_be_bytes()].concat());
                        let value = Some(Slice::from(vec![b'v'; 100]));
                        if let Err(error) = storage.commit(vec![Change { keyspace: keyspace.clone(), key, value }], &[])
                        {
                            return (n, error);
                        }
                    }
                    panic!("every commit succeeded");
                }
            })
            .map(|writer| std::thread::spawn(move || in_time(writer)))
            .collect();
        let mut promised = Vec::new();
        for (writer, thread) in (0..).zip(writers) {
            let (count, error) = thread.join().unwrap();
            let known = matches!(error, Error::CommitUnknown(_) | Error::WritesStopped(_));
            assert!(known && error.to_string().contains("a defect that the test asked for"), "{error}");
            promised.push((writer, count));
        }
        assert_eq!(keyspace.get(b"before").unwrap().as_deref(), Some(&b"1"[..]), "reads go on");
        drop(keyspace);
        crash(Arc::into_inner(storage).unwrap());
        let storage = open(dir.path(), SMALL);
        let rows = all(&storage, "a");
        assert_eq!(rows.get(&b"before"[..]).map(Vec::as_slice), Some(&b"1"[..]));
        for (writer, count) in promised {
            let writer: u8 = writer;
            let key = |n: u32| [&[writer][..], &n.to_be_bytes()].concat();
            assert!((0..count).all(|n| rows.contains_key(&key(n))), "{place:?}: an acknowledged row is gone");
        }
    }
}

#[test]
fn all_files_are_private_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt;
    fn check(path: &Path) -> usize {
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o027, 0, "{} has {mode:o}", path.display());
        let below = path.is_dir().then(|| fs::read_dir(path).unwrap()).into_iter().flatten();
        1 + below.map(|entry| check(&entry.unwrap().path())).sum::<usize>()
    }
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("storage");
    let write = || {
        // SAFETY: takes a number; this thread has a umask of its own, which the test's other threads do not share.
        unsafe { libc::umask(0) };
        let storage = open(&dir, SMALL);
        for n in 0..300 {
            put(&storage, "a", &key(n), Some(&[b'v'; 100]));
        }
        let written = check(&dir);
        storage.close(Vec::new()).unwrap();
        (written, check(&dir))
    };
    let (while_open, closed) = permissions::privately(write);
    assert!(while_open > 10 && closed > 10, "{while_open} {closed}");
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 64, max_shrink_iters: 2000, ..Default::default() })]

    #[test]
    fn it_holds_what_a_map_holds(script in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..1500)) {
        let dir = tempfile::tempdir().unwrap();
        model::run(dir.path(), &script);
    }
}
