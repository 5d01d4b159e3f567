//! The write phase against rows that fail on demand.

mod binary;
mod fake_rows;
mod grouped;
mod stale;

use super::state::LONG_COMMIT;
use super::write::DEADLOCK_ATTEMPTS_ALONE;
use super::*;
use crate::bindings::{IB_CB_ENTRIES, ib_cb_t};
use crate::host::{Callbacks, Host};
use crate::protocol::{Dialect, Parser};
use crate::server::batch::commit_open;
use crate::server::budget::{CARRIERS, COMMIT_MAX};
use crate::server::conn::Conn;
use crate::server::latency::Tally;
use crate::server::options::Options;
use crate::server::shared::Shared;
use crate::server::stats::Delta;
use crate::server::stats::Notes;
use crate::store::{Batch, CasSource, Condition, Config, ContainerId, NewItem, Rules, Store};
use fake_rows::FakeRows;
use slab::Slab;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

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
    last: TickSummary,
}

impl Bench {
    fn new(mut rows: FakeRows) -> Bench {
        let config =
            Config::load(&mut rows, Rules { trx_level: 1, skip_invalid: false, replicated: false }, None).unwrap();
        rows.trace.clear();
        let shared = shared(config);
        let config = shared.mapping.newest();
        let (memory, marks) = (Arc::clone(&shared.memory), Arc::clone(&shared.marks));
        let store = Store::new(rows, memory, marks, Arc::clone(&config), CasSource::new(), 1 << 20, Batch::default());
        Bench { shared, config, store, last: TickSummary::default() }
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
        let (store, config, shared, counts) = (&mut self.store, &mut self.config, &self.shared, &mut Notes::default());
        let (last, this) = (self.last, TickSummary::default());
        let mut tally = Tally::default();
        let mut tick = Tick {
            conns: &conns,
            store,
            config,
            shared,
            stats: &mut stats,
            counts,
            tally: &mut tally,
            last,
            this,
            keeps_config: false,
        };
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
fn a_batch_that_fails_to_commit_is_counted() {
    for fail_commits in [0, 1] {
        let mut rows = FakeRows { fail_commits, ..FakeRows::default() };
        let shared = shared(
            Config::load(&mut rows, Rules { trx_level: 1, skip_invalid: false, replicated: false }, None).unwrap(),
        );
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
