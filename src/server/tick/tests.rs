//! The write phase against rows that fail on demand.

mod binary;

use super::write::DEADLOCK_ATTEMPTS_ALONE;
use super::*;
use crate::bindings::{IB_CB_ENTRIES, ib_cb_t};
use crate::host::{Callbacks, Host};
use crate::protocol::{Dialect, Parser};
use crate::rows::{Cell, Column, ColumnKind, Error, Index, Mode, Result, Table};
use crate::server::batch::commit_open;
use crate::server::budget::{CARRIERS, COMMIT_MAX};
use crate::server::options::Options;
use crate::store::{Batch, CasSource, Condition, NewItem, Rules};
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::io::{Read, Write};
use std::ops::Bound;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

/// A table `k, v` in memory with one transaction at a time, and a script of failures.
#[derive(Default)]
struct FakeRows {
    committed: BTreeMap<Vec<u8>, Vec<u8>>,
    pending: BTreeMap<Vec<u8>, Vec<u8>>,
    current: Option<Vec<u8>>,
    active: Option<Mode>,
    /// Keys in the order in which they were locked, a `-` at each rollback, a `+` at each commit.
    trace: Vec<String>,
    /// Deadlocks to come while more than `alone` keys are locked in the transaction.
    deadlocks: u32,
    alone: usize,
    locked: usize,
    /// A key that somebody else holds.
    held: Option<Vec<u8>>,
    /// Commits that fail.
    fail_commits: u32,
    /// Whether rows can be written together.
    together: bool,
    /// A value that the table refuses.
    refused: Option<Vec<u8>>,
    /// The table is altered under the next rows that are written together, which forbids it from then on.
    altered: bool,
    killed: bool,
}

impl FakeRows {
    fn key(cell: Cell<'_>) -> Vec<u8> {
        match cell {
            Cell::Bytes(bytes) => bytes.to_vec(),
            other => panic!("{other:?} is no key"),
        }
    }

    fn write(&mut self, key: Vec<u8>, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        assert!(self.active.is_some_and(|mode| mode.read_write), "a write in a read-only transaction");
        let value = cells.iter().find(|(column, _)| *column == 1).map(|(_, cell)| FakeRows::key(*cell));
        let value = value.expect("a value");
        if self.refused.as_ref() == Some(&value) {
            return Err(Error::Constraint("CHECK says no".into()));
        }
        self.pending.insert(key, value);
        Ok(())
    }

    /// What the next lock comes to.
    fn lock(&mut self, key: &Vec<u8>) -> Result<()> {
        self.locked += 1;
        if self.locked > self.alone && self.deadlocks > 0 {
            self.deadlocks -= 1;
            return Err(Error::Deadlock);
        }
        if self.held.as_ref() == Some(key) {
            return Err(Error::LockTimeout);
        }
        Ok(())
    }
}

impl Rows for FakeRows {
    fn begin(&mut self, mode: Mode) -> Result<()> {
        assert!(self.active.is_none(), "two transactions");
        self.pending = self.committed.clone();
        self.active = Some(mode);
        self.locked = 0;
        Ok(())
    }

    fn active(&self) -> bool {
        self.active.is_some()
    }

    fn describe(&mut self, path: &CStr) -> Result<Vec<Column>> {
        let column = |name: &str| Column {
            name: name.into(),
            kind: ColumnKind::VarBinary,
            not_null: false,
            max_bytes: 250,
            has_default: false,
            generated: false,
        };
        Ok(match path.to_bytes() {
            b"innodb_memcache/containers" => {
                let names = "name db_schema db_table key_columns value_columns flags cas_column expire_time_column unique_idx_name_on_key";
                names.split(' ').map(column).collect()
            }
            b"innodb_memcache/cache_policies" => {
                ["get_policy", "set_policy", "delete_policy", "flush_policy"].map(column).into()
            }
            b"innodb_memcache/config_options" => ["name", "value"].map(column).into(),
            _ => vec![Column { not_null: true, ..column("k") }, column("v")],
        })
    }

    fn describe_index(&mut self, _: &CStr, _: &CStr) -> Result<Index> {
        Ok(Index { columns: vec!["k".into()], unique: true, clustered: true })
    }

    fn read(&mut self, _: &Table, key: Cell<'_>) -> Result<bool> {
        let key = FakeRows::key(key);
        let found = self.pending.contains_key(&key);
        self.current = Some(key);
        Ok(found)
    }

    fn read_for_update(&mut self, table: &Table, key: Cell<'_>) -> Result<bool> {
        let bytes = FakeRows::key(key);
        self.trace.push(String::from_utf8(bytes.clone()).unwrap());
        self.lock(&bytes)?;
        self.read(table, key)
    }

    fn bytes(&self, table: &Table, column: usize) -> Option<&[u8]> {
        if table.id == 0 && table.path.to_bytes() == b"innodb_memcache/containers" {
            return Some([&b"default"[..], b"db", b"t", b"k", b"v", b"0", b"0", b"0", b"PRIMARY"][column]);
        }
        self.pending.get(self.current.as_ref()?).map(Vec::as_slice)
    }

    fn int(&self, _: &Table, _: usize) -> Option<i128> {
        None
    }

    fn insert(&mut self, _: &Table, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        let key = cells.iter().find(|(column, _)| *column == 0).map(|(_, cell)| FakeRows::key(*cell));
        self.write(key.expect("a key"), cells)
    }

    fn update(&mut self, _: &Table, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        let key = self.current.clone().expect("a current row");
        self.write(key, cells)
    }

    fn upserts(&self, _: &Table) -> bool {
        self.together
    }

    fn upsert(&mut self, _: &Table, rows: usize, cells: &[(usize, Cell<'_>)]) -> Result<()> {
        let rows: Vec<_> = cells.chunks(cells.len() / rows).collect();
        let keys: Vec<_> =
            rows.iter().map(|row| FakeRows::key(row.iter().find(|(column, _)| *column == 0).unwrap().1)).collect();
        let names: Vec<_> = keys.iter().map(|key| String::from_utf8_lossy(key)).collect();
        self.trace.push(format!("[{}]", names.join(" ")));
        if std::mem::take(&mut self.killed) {
            return Err(Error::Interrupted);
        }
        let before = self.pending.clone();
        for (key, row) in keys.into_iter().zip(rows) {
            if let Err(error) = self.lock(&key).and_then(|()| self.write(key, row)) {
                self.pending = before;
                return Err(error);
            }
        }
        if std::mem::take(&mut self.altered) {
            self.together = false;
            return Err(Error::Altered);
        }
        Ok(())
    }

    fn delete(&mut self, _: &Table) -> Result<()> {
        self.pending.remove(self.current.as_ref().expect("a current row"));
        Ok(())
    }

    fn seek(&mut self, table: &Table, _: Bound<Cell<'_>>) -> Result<bool> {
        Ok(table.id == 0)
    }

    fn next(&mut self, _: &Table) -> Result<bool> {
        Ok(false)
    }

    fn truncate(&mut self, _: &Table) -> Result<()> {
        assert!(self.active.is_none(), "flush inside a transaction");
        self.trace.push("flush".into());
        self.committed.clear();
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        let mode = self.active.take().expect("a transaction");
        if mode.read_write {
            self.trace.push("+".into());
            if self.fail_commits > 0 {
                self.fail_commits -= 1;
                return Err(Error::Engine("the disk is gone".into()));
            }
            self.committed = std::mem::take(&mut self.pending);
        }
        Ok(())
    }

    fn rollback(&mut self) {
        if self.active.take().is_some_and(|mode| mode.read_write) {
            self.trace.push("-".into());
        }
    }
}

unsafe extern "C" fn never_called() {
    panic!("the fake rows call no table");
}

fn shared(config: Config) -> Shared {
    let table = Box::leak(Box::new([never_called as unsafe extern "C" fn(); IB_CB_ENTRIES as usize]));
    // SAFETY: as many pointers as announced, for ever; nothing calls them.
    let host = unsafe { Host::new(Callbacks::NONE, table.as_ptr().cast::<ib_cb_t>(), table.len()) }.unwrap();
    Shared::new(host, Options::parse("-t 1").unwrap(), config, (None, None))
}

/// A worker without its thread.
struct Bench {
    shared: Shared,
    config: Arc<Config>,
    store: Store<FakeRows>,
    last: Past,
}

impl Bench {
    fn new(mut rows: FakeRows) -> Bench {
        let config = Config::load(&mut rows, Rules { trx_level: 1, skip_invalid: false }, None).unwrap();
        rows.trace.clear();
        let shared = shared(config);
        let config = shared.mapping.newest();
        let (memory, marks) = (Arc::clone(&shared.memory), Arc::clone(&shared.marks));
        let store = Store::new(rows, memory, marks, Arc::clone(&config), CasSource::new(), 1 << 20, Batch::default());
        Bench { shared, config, store, last: Past::default() }
    }

    /// What the clients (one string each) are answered in one tick, `None` for a closed connection, and what was counted.
    fn tick(&mut self, clients: &[&str]) -> (Vec<Option<String>>, Delta) {
        let (answers, stats) = self.tick_bytes(clients);
        (answers.into_iter().map(|answer| answer.map(|bytes| String::from_utf8(bytes).unwrap())).collect(), stats)
    }

    fn tick_bytes(&mut self, clients: &[impl AsRef<[u8]>]) -> (Vec<Option<Vec<u8>>>, Delta) {
        let (mut conns, mut theirs, mut pool, mut received) = (Slab::new(), Vec::new(), Default::default(), 0);
        for bytes in clients {
            let (ours, mut client) = UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            client.write_all(bytes.as_ref()).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let mut conn = Conn::new(std::os::fd::OwnedFd::from(ours).into(), Parser::new(1 << 20, Dialect::Auto));
            conn.fill(&mut pool, &mut received).unwrap();
            conns.insert(conn);
            theirs.push(client);
        }
        let ready: Vec<usize> = (0..clients.len()).collect();
        let (mut stats, mut plans, mut buffers) = (Delta::ZERO, Vec::new(), Buffers::default());
        let (store, config, shared, counts) = (&mut self.store, &mut self.config, &self.shared, &mut Vec::new());
        let (last, this) = (self.last, Past::default());
        let mut tick =
            Tick { conns: &conns, store, config, shared, stats: &mut stats, counts, last, this, fresh: false };
        tick.run(&ready, &mut buffers, &mut plans, true).unwrap();
        self.last = tick.this;
        let answers = plans
            .iter()
            .map(|plan| {
                let mut answer = Vec::new();
                conns.remove(plan.conn);
                theirs[plan.conn].read_to_end(&mut answer).unwrap();
                assert!(!plan.drop || answer.is_empty(), "a dropped connection heard {}", answer.escape_ascii());
                (!plan.drop).then_some(answer)
            })
            .collect();
        (answers, stats)
    }
}

/// One tick: the answers, the trace of the rows, what was counted.
fn tick(rows: FakeRows, clients: &[&str]) -> (Vec<Option<String>>, String, Delta) {
    let mut bench = Bench::new(rows);
    let (answers, stats) = bench.tick(clients);
    (answers, bench.store.into_rows().trace.join(" "), stats)
}

const SETS: &[&str] = &["set b 0 0 1\r\n1\r\nset a 0 0 1\r\n1\r\n", "set c 0 0 1\r\n1\r\nget b\r\n"];
const STORED: &str = "STORED\r\n";

fn answers(all: &[&str]) -> Vec<Option<String>> {
    all.iter().map(|answer| Some((*answer).to_owned())).collect()
}

#[test]
fn keys_are_locked_in_one_order_and_committed_once() {
    let (answers_, trace, _) = tick(FakeRows::default(), SETS);
    assert_eq!(answers_, answers(&["STORED\r\nSTORED\r\n", "STORED\r\nVALUE b 0 1\r\n1\r\nEND\r\n"]));
    assert_eq!(trace, "a b c +");
}

#[test]
fn who_writes_much_has_less_of_a_tick_beside_readers() {
    let sets: String = (0..WRITES_BESIDE_READERS + 4).map(|i| set(&i.to_string(), "1")).collect();
    let (all, some) = (STORED.repeat(WRITES_BESIDE_READERS + 4), STORED.repeat(WRITES_BESIDE_READERS));
    let clients = [sets.as_str(), "get k\r\n"];
    let mut bench = Bench::new(FakeRows::default());
    assert_eq!(bench.tick(&clients).0, answers(&[&all, "END\r\n"]), "nobody only read in the tick before");
    assert_eq!((bench.last.writers, bench.last.readers), (1, 1));
    assert_eq!(bench.tick(&clients).0, answers(&[&some, "END\r\n"]));
    bench.last.commit = LONG_COMMIT;
    assert_eq!(bench.tick(&clients).0, answers(&[&all, "END\r\n"]), "the commit is what is waited for");
    bench.last.readers = 0;
    assert_eq!(bench.tick(&clients).0, answers(&[&all, "END\r\n"]));
}

#[test]
fn a_deadlock_reruns_the_tick() {
    let (answers_, trace, stats) =
        tick(FakeRows { deadlocks: 1, ..FakeRows::default() }, &["set a 0 0 1\r\n1\r\nincr a 1\r\n"]);
    assert_eq!(answers_, answers(&["STORED\r\n2\r\n"]));
    assert_eq!(trace, "a - a a +");
    assert_eq!(stats.get(Counter::CmdSet), 1, "a rerun counts once");
}

#[test]
fn repeated_deadlocks_halve_the_tick() {
    let rows = FakeRows { deadlocks: 5, alone: 1, ..FakeRows::default() };
    let (answers_, trace, _) = tick(rows, &["set a 0 0 1\r\n1\r\nset b 0 0 1\r\n1\r\n"]);
    assert_eq!(answers_, answers(&["STORED\r\nSTORED\r\n"]));
    assert_eq!(trace, "a b - a b - a b - a + b +");
}

#[test]
fn a_request_that_deadlocks_alone_is_told_so() {
    let rows = FakeRows { deadlocks: DEADLOCK_ATTEMPTS_ALONE, ..FakeRows::default() };
    let (answers_, trace, _) = tick(rows, &["set a 0 0 1\r\n1\r\n"]);
    assert_eq!(answers_, answers(&["SERVER_ERROR deadlock, try again\r\n"]));
    assert_eq!(trace, ["a -"; 9].join(" "));
}

#[test]
fn only_the_guilty_of_a_lock_wait_timeout_fails() {
    let rows = FakeRows { held: Some(b"b".into()), ..FakeRows::default() };
    let (answers_, trace, stats) = tick(rows, &[SETS[0], "set c 0 0 1\r\n1\r\n"]);
    assert_eq!(answers_, answers(&["SERVER_ERROR lock wait timeout\r\nSTORED\r\n", STORED]));
    assert_eq!(trace, "a b - a c +");
    assert_eq!((stats.get(Counter::LockTimeouts), stats.get(Counter::CmdSet)), (1, 2));
}

#[test]
fn a_failed_commit_answers_readers_only() {
    let mut rows = FakeRows { fail_commits: 1, ..FakeRows::default() };
    rows.committed.insert(b"r".into(), b"1".into());
    let (answers_, trace, stats) = tick(rows, &["get r\r\n", SETS[0], SETS[1]]);
    assert_eq!(answers_, [Some("VALUE r 0 1\r\n1\r\nEND\r\n".into()), None, None]);
    assert_eq!(trace, "a b c +");
    assert_eq!((stats.get(Counter::CommitFailures), stats.get(Counter::CmdSet)), (1, 0));
}

#[test]
fn flush_all_runs_alone_between_two_commits() {
    let (answers_, trace, _) =
        tick(FakeRows::default(), &["set b 0 0 1\r\n1\r\nflush_all\r\nset a 0 0 1\r\n1\r\nget b\r\n"]);
    assert_eq!(answers_, answers(&["STORED\r\nOK\r\nSTORED\r\nEND\r\n"]));
    assert_eq!(trace, "b + flush a +");
}

#[test]
fn a_request_of_many_keys_ends_a_run() {
    let (answers_, trace, _) = tick(FakeRows::default(), &["set z 0 0 1\r\n1\r\ngat 0 y x\r\nset a 0 0 1\r\n1\r\n"]);
    assert_eq!(answers_, answers(&["STORED\r\nEND\r\nSTORED\r\n"]));
    assert_eq!(trace, "z y x a +");
}

/// A set of value `v`.
fn set(key: &str, v: &str) -> String {
    format!("set {key} 0 0 {}\r\n{v}\r\n", v.len())
}

fn together() -> FakeRows {
    FakeRows { together: true, ..FakeRows::default() }
}

#[test]
fn sets_of_one_container_are_stored_together() {
    let sets: String = "dacbcfe".chars().enumerate().map(|(i, key)| set(&key.to_string(), &i.to_string())).collect();
    let (answers_, trace, stats) =
        tick(together(), &[&sets, "set q 0 0 1 noreply\r\n1\r\nget c\r\nset r 0 0 1\r\n1\r\n"]);
    let value = "VALUE c 0 1\r\n4\r\nEND\r\nSTORED\r\n";
    assert_eq!(answers_, answers(&[&STORED.repeat(7), value]), "the later of two values of a key is kept");
    assert_eq!(trace, "[a b c c] [d e f q r] +");
    assert_eq!(stats.get(Counter::CmdSet), 9);
    let many: String = ('a'..='s').map(|key| set(&key.to_string(), "1")).collect();
    let (answers_, trace, _) = tick(together(), &[&many]);
    assert_eq!(answers_, answers(&[&STORED.repeat(19)]));
    assert_eq!(trace, "[a b c d e f g h i j k l m n o p] [q r s] +");
}

#[test]
fn the_guilty_one_among_sets_that_are_stored_together_fails_alone() {
    let sets: String = [("a", "1"), ("b", "bad"), ("c", "3"), ("d", "4")].map(|(key, v)| set(key, v)).concat();
    let more = "get b\r\nget d\r\n";
    let rows = FakeRows { refused: Some(b"bad".into()), ..together() };
    let (answers_, trace, stats) = tick(rows, &[&(sets + more)]);
    let expected = "STORED\r\nSERVER_ERROR CHECK says no\r\nSTORED\r\nSTORED\r\nEND\r\nVALUE d 0 1\r\n4\r\nEND\r\n";
    assert_eq!(answers_, answers(&[expected]));
    // The get of b comes behind its set: two runs.
    assert_eq!(trace, "[a b] a b [c d] +");
    assert_eq!((stats.get(Counter::CmdSet), stats.get(Counter::ServerErrors)), (4, 1));
}

#[test]
fn sets_that_are_stored_together_meet_deadlocks_locks_kills_and_changes() {
    let sets: String = ["a", "b", "c", "d"].map(|key| set(key, "1")).concat();
    let all = STORED.repeat(4);
    let (b, locked) = (Some(b"b".to_vec()), "STORED\r\nSERVER_ERROR lock wait timeout\r\nSTORED\r\nSTORED\r\n");
    let killed = "SERVER_ERROR interrupted\r\n".repeat(4);
    let cases = [
        ("a deadlock", FakeRows { deadlocks: 1, ..together() }, all.as_str(), "[a b c d] - [a b c d] +"),
        (
            "deadlocks",
            FakeRows { deadlocks: 3, ..together() },
            all.as_str(),
            "[a b c d] - [a b c d] - [a b c d] - [a b] + [c d] +",
        ),
        ("a lock", FakeRows { held: b, ..together() }, locked, "[a b c d] - a b - a c d +"),
        ("a kill", FakeRows { killed: true, ..together() }, killed.as_str(), "[a b c d] -"),
        ("an ALTER", FakeRows { altered: true, ..together() }, all.as_str(), "[a b c d] - a b c d +"),
    ];
    for (what, rows, expected, expected_trace) in cases {
        let (answers_, trace, stats) = tick(rows, &[&sets]);
        assert_eq!(answers_, answers(&[expected]), "{what}");
        assert_eq!(trace, expected_trace, "{what}");
        assert_eq!(stats.get(Counter::CmdSet), expected.matches("STORED").count() as u64, "{what}");
    }
}

#[test]
fn meta_sets_are_stored_together_too() {
    let text = "ms a 1 k O1\r\n1\r\nms b 1 q\r\n1\r\nset c 0 0 1\r\n1\r\nms d 1 s MS T5\r\n1\r\nms e 1 ME\r\n1\r\nms f 1 C1\r\n1\r\nms g 1 c\r\n1\r\n";
    let (answers_, trace, stats) = tick(together(), &[text]);
    let answer = answers_[0].as_deref().unwrap();
    assert!(answer.starts_with("HD ka O1\r\nSTORED\r\nHD s1\r\nHD\r\nNF\r\nHD c"), "{answer}");
    assert!(!answer.ends_with("c0\r\n"), "{answer}");
    assert_eq!(trace, "[a b c d] e f g +");
    assert_eq!(stats.get(Counter::CmdSet), 7);
}

#[test]
fn only_plain_sets_are_stored_together() {
    let text = "set a 0 0 1\r\n1\r\nadd b 0 0 1\r\n1\r\nset c 0 0 1\r\n1\r\nappend d 0 0 1\r\n1\r\nset e 0 0 1\r\n1\r\nset f 0 0 1\r\n1\r\n";
    let (answers_, trace, _) = tick(together(), &[text]);
    assert_eq!(answers_, answers(&["STORED\r\nSTORED\r\nSTORED\r\nNOT_STORED\r\nSTORED\r\nSTORED\r\n"]));
    assert_eq!(trace, "[a] b [c] d [e f] +");
}

/// Rows with an item under `a`.
fn with_a() -> FakeRows {
    FakeRows { committed: BTreeMap::from([(b"a".to_vec(), b"1".to_vec())]), ..FakeRows::default() }
}

#[test]
fn a_replayed_tick_neither_loses_nor_doubles_the_win_of_a_stale_item() {
    let mut bench = Bench::new(FakeRows { deadlocks: 1, alone: 1, ..with_a() });
    let (answers_, _) = bench.tick(&["md a I\r\nmg a\r\nset b 0 0 1\r\n1\r\n", "mg a\r\nset c 0 0 1\r\n1\r\n"]);
    assert_eq!(answers_, answers(&["HD\r\nHD X W\r\nSTORED\r\n", "HD Z X\r\nSTORED\r\n"]));
    assert_eq!(bench.tick(&["mg a\r\n"]).0, answers(&["HD Z X\r\n"]));
    assert!(bench.store.into_rows().trace.contains(&"-".into()), "nothing was replayed");
}

#[test]
fn a_replayed_tick_creates_a_missing_item_for_one_client() {
    let mut bench = Bench::new(FakeRows { deadlocks: 1, alone: 1, ..FakeRows::default() });
    let (answers_, _) = bench.tick(&["mg a N0\r\nset b 0 0 1\r\n1\r\n", "mg a N0 v\r\n"]);
    assert_eq!(answers_, answers(&["HD W\r\nSTORED\r\n", "VA 0 Z\r\n\r\n"]));
    assert_eq!(bench.tick(&["mg a\r\n", "mg a\r\n"]).0, answers(&["HD Z\r\n", "HD Z\r\n"]));
}

#[test]
fn a_rerun_without_the_guilty_wins_again() {
    let mut bench = Bench::new(FakeRows { held: Some(b"b".into()), ..with_a() });
    assert_eq!(bench.tick(&["md a I\r\n"]).0, answers(&["HD\r\n"]));
    let (answers_, _) = bench.tick(&["mg a\r\nmd b I\r\n"]);
    assert_eq!(answers_, answers(&["HD X W\r\nSERVER_ERROR lock wait timeout\r\n"]));
    assert_eq!(bench.tick(&["mg a\r\n"]).0, answers(&["HD Z X\r\n"]));
}

#[test]
fn a_win_that_was_never_told_goes_to_the_next_reader() {
    let mut bench = Bench::new(FakeRows { fail_commits: 1, ..with_a() });
    assert_eq!(bench.tick(&["md a I\r\nmg a\r\nset b 0 0 1\r\n1\r\n"]).0, [None]);
    // The outcome is unknown: the item may be stale now, and nobody was sent to renew it.
    assert_eq!(bench.tick(&["mg a\r\n"]).0, answers(&["HD X W\r\n"]));
    assert_eq!(bench.tick(&["mg a\r\n"]).0, answers(&["HD Z X\r\n"]));
}

#[test]
fn storing_the_same_value_again_clears_marks() {
    // Without a cas column nothing else tells the versions apart.
    let mut bench = Bench::new(with_a());
    assert_eq!(bench.tick(&["md a I\r\nmg a\r\n"]).0, answers(&["HD\r\nHD X W\r\n"]));
    assert_eq!(bench.tick(&["mg a\r\n", "mg a T0\r\n"]).0, answers(&["HD Z X\r\n", "HD Z X\r\n"]));
    assert_eq!(bench.tick(&["set a 0 0 1\r\n1\r\nmg a\r\n"]).0, answers(&["STORED\r\nHD\r\n"]));
    assert_eq!(bench.tick(&["mg a\r\n"]).0, answers(&["HD\r\n"]));
}

#[test]
fn a_batch_that_fails_to_commit_is_counted() {
    for fail_commits in [0, 1] {
        let mut rows = FakeRows { fail_commits, ..FakeRows::default() };
        let shared = shared(Config::load(&mut rows, Rules { trx_level: 1, skip_invalid: false }, None).unwrap());
        let config = shared.mapping.newest();
        let batch = Batch { reads: 1, writes: 10 };
        let (memory, marks) = (Arc::clone(&shared.memory), Arc::clone(&shared.marks));
        let mut store = Store::new(rows, memory, marks, Arc::clone(&config), CasSource::new(), 1 << 20, batch);
        store.set_read_write(true);
        let item = NewItem { flags: 0, exptime: 0, value: b"1", cas: None };
        let container = config.container(ContainerId::DEFAULT).unwrap();
        store.store(container, b"a", Condition::Set, None, item).unwrap();
        store.end_phase(1).unwrap();
        let mut stats = Delta::ZERO;
        commit_open(&mut store, &mut stats);
        assert_eq!(stats.get(Counter::CommitFailures), u64::from(fail_commits));
    }
}

/// Values that connections which write ask for wait for one commit: behind a bound the others wait for the next tick, and have it first.
#[test]
fn what_waits_for_a_commit_is_bounded_over_all_connections() {
    const MIB: usize = 1 << 20;
    let mut rows = FakeRows::default();
    rows.committed.insert(b"big".to_vec(), vec![b'v'; MIB]);
    let mut bench = Bench::new(rows);
    let clients = vec!["gat 0 big\r\n"; 60];
    let answered = |answers: &[Option<String>]| answers.iter().flatten().filter(|answer| !answer.is_empty()).count();
    let (answers, stats) = bench.tick(&clients);
    assert_eq!(answered(&answers), COMMIT_MAX.div_ceil(MIB));
    assert!(stats.get(Counter::CmdTouch) < 60 && bench.last.crowded);
    // As long as somebody waits, few at a time are let in, and whoever came first is answered.
    let (answers, _) = bench.tick(&clients);
    assert_eq!(answered(&answers), CARRIERS);
    assert!(answers[..CARRIERS].iter().flatten().all(|answer| !answer.is_empty()) && bench.last.crowded);
    bench.tick(&clients[..CARRIERS]);
    assert!(!bench.last.crowded);
}

/// A get that turns out too much although what stands behind it ran already: all run again, and it waits with what stands behind it.
#[test]
fn a_connection_whose_values_are_too_much_is_cut_where_it_can_be() {
    const MIB: usize = 1 << 20;
    let mut rows = FakeRows::default();
    rows.committed.insert(b"big".to_vec(), vec![b'v'; MIB]);
    let mut bench = Bench::new(rows);
    let request = "get big\r\nset a 0 0 1\r\nx\r\n";
    let (_, stats) = bench.tick(&[&request.repeat(20)]);
    // The first get ends what runs then; the set behind it waits with the rest.
    assert_eq!((stats.get(Counter::CmdGet), stats.get(Counter::CmdSet)), (1, 0));
    let (_, stats) = bench.tick(&[&request.repeat(5)]);
    assert_eq!((stats.get(Counter::CmdGet), stats.get(Counter::CmdSet)), (5, 5));
}
