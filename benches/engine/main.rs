//! How fast the bundled engine is: `cargo bench --bench engine [NAME]...` prints one table.
//!
//! Everything goes through the callback table, as the plugin uses it: rows of memcached's default container, values of 100
//! bytes. Each figure is the median of several runs. CPU is that of the whole process, so work in the background counts; `wall` also
//! has the waits. What needs a fresh process (memory, the end by SIGKILL) runs in a child.
//!
//! Without NAME all rows are measured; with it those whose name contains it. `growth` is measured only when it is named, as it takes
//! minutes.

mod figures;
mod growth;

use daemon_memcached::bindings::{
    ib_crsr_t, ib_err, ib_lck_mode, ib_match_mode, ib_srch_mode, ib_tpl_t, ib_trx_t, ib_ulint_t,
};
use daemon_memcached::refengine::{Charset, ColumnDef, ColumnType, Engine, TableDef, api};
use figures::{Figure, Sample, measure, median, median_of, mib, peak, report, resident};
use ib_err::IB_SUCCESS;
use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr::null_mut;

/// Rows of the big table.
const ROWS: u64 = 1_000_000;
/// Rows of the small one.
const HOT: u64 = 2_000;
/// Set in a child: what it is to do.
const TASK: &str = "ENGINE_BENCH_TASK";
const MIB: u64 = 1 << 20;
/// `innodb_buffer_pool_size` where the row does not say another.
const POOL: u64 = 128 * MIB;

/// Calls an entry of the callback table.
macro_rules! ib {
    ($entry:ident($($arg:expr),* $(,)?)) => {
        // SAFETY: the handles in this file are used as innodb_api.h says.
        unsafe { (api().sized.fields.table.$entry.expect("the table is complete"))($($arg),*) }
    };
}

fn main() {
    if let Ok(task) = std::env::var(TASK) {
        return child(&task, &PathBuf::from(std::env::args().nth(1).expect("a directory")));
    }
    let names: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    println!("{:<58} {:>12} {:>12}  goal", "row", "CPU", "wall");
    let rows: [(&str, fn()); 7] = [
        ("get", gets),
        ("put", puts),
        ("group commit", group_commit),
        ("range", ranges),
        ("restart", restarts),
        ("memory", memory),
        ("growth", growth::run),
    ];
    for (name, run) in rows {
        if names.is_empty() && name != "growth" || names.iter().any(|wanted| name.contains(wanted.as_str())) {
            run();
        }
    }
}

fn child(task: &str, dir: &Path) {
    match task {
        "load" => {
            let engine = open(dir, POOL, 2);
            load(0..ROWS);
            std::mem::forget(engine);
            // SAFETY: ends this process, as a crash would.
            unsafe { libc::raise(libc::SIGKILL) };
        }
        "memory" => {
            let before = resident();
            let engine = open(dir, POOL, 2);
            load(0..ROWS);
            let mut random = Random(7);
            for _ in 0..ROWS {
                get(random.below(ROWS));
            }
            println!("{before} {} {}", resident(), peak());
            engine.close().expect("the engine closes");
        }
        "growth" => growth::end_by_signal(dir),
        other => panic!("no task {other}"),
    }
}

fn start_child(task: &str, dir: &Path) -> std::process::Output {
    let program = std::env::current_exe().expect("this program has a path");
    Command::new(program).env(TASK, task).arg(dir).output().expect("the child starts")
}

// ---- rows ----

fn gets() {
    let dir = tempfile::tempdir().expect("a directory");
    let engine = open(dir.path(), POOL, 2);
    load(0..HOT);
    let mut random = Random(1);
    let hot = median(|| measure(1_000_000, |_| get(random.below(HOT))));
    report("hot get, 2000 rows, begin to commit, 1 thread", hot, "<= 300 ns");
    load(HOT..ROWS);
    engine.close().expect("the engine closes");
    // A pool that holds about a third of the rows.
    let engine = open(dir.path(), POOL, 2);
    for _ in 0..ROWS {
        get(random.below(ROWS));
    }
    let cold = median(|| measure(500_000, |_| get(random.below(ROWS))));
    report("cold get, 1M rows, 128 MiB pool, random", cold, "<= 1.5 us");
    engine.close().expect("the engine closes");
    let engine = open(dir.path(), 4 * POOL, 2);
    for id in 0..ROWS {
        get(id);
    }
    let random = median(|| measure(500_000, |_| get(random.below(ROWS))));
    report("random get, 1M rows, all in a 512 MiB pool", random, "<= 1.5 us");
    engine.close().expect("the engine closes");
}

fn puts() {
    for (name, rows, count) in [
        ("autocommit put, level 2, 10000 rows overwritten", 10_000, 500_000),
        ("autocommit put, level 2, 1M rows overwritten", ROWS, 1_000_000),
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        let engine = open(dir.path(), POOL, 2);
        load(0..rows);
        let mut random = Random(2);
        let figure = median_of(3, || measure(count, |n| put(random.below(rows), n)));
        report(name, figure, "<= 6 us CPU");
        let figure = median_of(3, || {
            let ticks = measure(count / 32, |n| put_many((0..32).map(|_| random.below(rows)), n));
            Figure { cpu: ticks.cpu / 32, wall: ticks.wall / 32 }
        });
        report(&format!("{}, 32 in a commit", name.replace("autocommit put", "put")), figure, "");
        engine.close().expect("the engine closes");
    }
}

fn group_commit() {
    const THREADS: u64 = 64;
    const EACH: u64 = 500;
    let dir = tempfile::tempdir().expect("a directory");
    let engine = open(dir.path(), POOL, 1);
    load(0..10_000);
    let syncs = engine.log_syncs();
    let start = Sample::now();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                let mut random = Random(thread + 1);
                (0..EACH).for_each(|n| put(random.below(10_000), n));
            });
        }
    });
    let figure = start.per(THREADS * EACH);
    report("put, level 1, 64 threads", figure, "");
    let per_sync = (THREADS * EACH) as f64 / (engine.log_syncs() - syncs).max(1) as f64;
    println!("{:<58} {:>12.1} {:>12}  >= 20", "  acknowledged puts per sync", per_sync, "");
    engine.close().expect("the engine closes");
}

fn ranges() {
    let dir = tempfile::tempdir().expect("a directory");
    let engine = open(dir.path(), POOL, 2);
    load(0..100_000);
    let mut random = Random(3);
    let warm = median(|| measure(5_000, |_| range(random.below(99_900))));
    report("range of 100 rows, 100000 rows just written", warm, "<= 60 us");
    engine.close().expect("the engine closes");
    let engine = open(dir.path(), POOL, 2);
    let stored = median(|| measure(5_000, |_| range(random.below(99_900))));
    report("range of 100 rows, 100000 rows after a restart", stored, "<= 60 us");
    engine.close().expect("the engine closes");
}

fn restarts() {
    let dir = tempfile::tempdir().expect("a directory");
    // The child ends itself by SIGKILL.
    assert!(!start_child("load", dir.path()).status.success());
    for (name, goal) in [("open after kill -9, 1M rows", "<= 5 s"), ("open after a clean stop, 1M rows", "<= 1 s")] {
        let start = Sample::now();
        let engine = open(dir.path(), POOL, 2);
        get(ROWS - 1);
        report(name, start.per(1), goal);
        engine.close().expect("the engine closes");
    }
}

fn memory() {
    let dir = tempfile::tempdir().expect("a directory");
    let output = start_child("memory", dir.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [before, after, peak] = numbers[..] else { panic!("{text}") };
    println!("{:<58} {:>12} {:>12}  <= 160 MiB", "memory, 1M rows, 128 MiB pool", mib(after - before), "");
    println!("{:<58} {:>12} {:>12}", "  at its peak", mib(peak - before), "");
}

// ---- the callback table ----

fn open(dir: &Path, pool: u64, level: u8) -> Engine {
    let options = [
        ("innodb_buffer_pool_size".to_owned(), pool.to_string()),
        ("innodb_flush_log_at_trx_commit".to_owned(), level.to_string()),
    ];
    let engine = Engine::open(dir, &options).expect("the engine opens");
    engine.serve_callback_table();
    if engine.is_new() {
        engine.create_database("test").expect("a new database");
        engine.create_table(demo()).expect("a new table");
    }
    engine
}

/// The table of memcached's default container.
fn demo() -> TableDef {
    let column = |name: &str, ty, not_null| {
        let charset = if matches!(ty, ColumnType::VarChar { .. }) { Charset::Utf8mb4 } else { Charset::Binary };
        ColumnDef { name: name.into(), ty, charset, not_null, default: None }
    };
    TableDef {
        db: "test".into(),
        name: "demo".into(),
        columns: vec![
            column("c1", ColumnType::VarChar { chars: 32 }, true),
            column("c2", ColumnType::VarChar { chars: 1024 }, false),
            column("c3", ColumnType::Int { bytes: 4, unsigned: false }, false),
            column("c4", ColumnType::Int { bytes: 8, unsigned: true }, false),
            column("c5", ColumnType::Int { bytes: 4, unsigned: false }, false),
        ],
        primary_key: vec![0],
        indexes: Vec::new(),
    }
}

/// A cursor on the table in a transaction of its own.
struct Work {
    trx: ib_trx_t,
    cursor: ib_crsr_t,
    search: ib_tpl_t,
}

impl Work {
    fn begin(read_write: bool) -> Work {
        let trx = ib!(trx_begin(1, read_write.into(), 0));
        let mut cursor = null_mut();
        assert_eq!(ib!(open_table(c"test/demo".as_ptr(), trx, &mut cursor)), IB_SUCCESS);
        if read_write {
            assert_eq!(ib!(set_lock_mode(cursor, ib_lck_mode::IB_LOCK_X)), IB_SUCCESS);
        }
        Work { trx, cursor, search: ib!(sec_search_tuple_create(cursor)) }
    }

    fn find(&self, id: u64, matching: u32) -> bool {
        set(self.search, 0, &key(id));
        ib!(set_match_mode(self.cursor, matching));
        ib!(moveto(self.cursor, self.search, ib_srch_mode::IB_CUR_GE)) == IB_SUCCESS
    }

    /// A row tuple with the current row in it, if there is one.
    fn row(&self, read: bool) -> ib_tpl_t {
        let tuple = ib!(clust_read_tuple_create(self.cursor));
        if read {
            assert_eq!(ib!(read_row(self.cursor, tuple, null_mut(), null_mut())), IB_SUCCESS);
        }
        tuple
    }

    /// Inserts or replaces, as a memcached set does.
    fn put(&self, id: u64, cas: u64) {
        let found = self.find(id, ib_match_mode::IB_EXACT_MATCH);
        let old = if found { self.row(true) } else { null_mut() };
        let new = self.row(false);
        let mut value = [b'v'; 100];
        value[..8].copy_from_slice(&cas.to_be_bytes().map(|b| b'a' + b % 26));
        set(new, 0, &key(id));
        set(new, 1, &value);
        set(new, 2, &0i32.to_ne_bytes());
        set(new, 3, &cas.to_ne_bytes());
        set(new, 4, &0i32.to_ne_bytes());
        let done = match found {
            true => ib!(update_row(self.cursor, old, new)),
            false => ib!(insert_row(self.cursor, new)),
        };
        assert_eq!(done, IB_SUCCESS);
        ib!(tuple_delete(new));
        if found {
            ib!(tuple_delete(old));
        }
    }

    fn end(self) {
        ib!(tuple_delete(self.search));
        assert_eq!(ib!(cursor_close(self.cursor)), IB_SUCCESS);
        assert_eq!(ib!(trx_commit(self.trx)), IB_SUCCESS);
        assert_eq!(ib!(trx_release(self.trx)), IB_SUCCESS);
    }
}

fn key(id: u64) -> [u8; 14] {
    let mut key = *b"key-0000000000";
    let mut rest = id;
    for digit in key.iter_mut().rev().take(10) {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

fn set(tuple: ib_tpl_t, column: ib_ulint_t, bytes: &[u8]) {
    let set = ib!(col_set_value(tuple, column, bytes.as_ptr().cast::<c_void>(), bytes.len() as ib_ulint_t, 1));
    assert_eq!(set, IB_SUCCESS);
}

/// Begins, finds a row, reads its value, commits.
fn get(id: u64) {
    let work = Work::begin(false);
    assert!(work.find(id, ib_match_mode::IB_EXACT_MATCH), "row {id} is there");
    let tuple = work.row(true);
    assert!(!ib!(col_get_value(tuple, 1)).is_null());
    ib!(tuple_delete(tuple));
    work.end();
}

/// The gets of a tick: one transaction, one cursor.
fn get_many(ids: impl Iterator<Item = u64>) {
    let work = Work::begin(false);
    for id in ids {
        assert!(work.find(id, ib_match_mode::IB_EXACT_MATCH), "row {id} is there");
        let tuple = work.row(true);
        assert!(!ib!(col_get_value(tuple, 1)).is_null());
        ib!(tuple_delete(tuple));
    }
    work.end();
}

fn put(id: u64, cas: u64) {
    let work = Work::begin(true);
    work.put(id, cas);
    work.end();
}

fn put_many(ids: impl Iterator<Item = u64>, cas: u64) {
    let mut ids: Vec<u64> = ids.collect();
    // As a worker's tick does.
    ids.sort_unstable();
    let work = Work::begin(true);
    ids.into_iter().for_each(|id| work.put(id, cas));
    work.end();
}

fn load(ids: std::ops::Range<u64>) {
    for start in ids.clone().step_by(100) {
        put_many(start..(start + 100).min(ids.end), 1);
    }
}

fn range(from: u64) {
    let work = Work::begin(false);
    let mut found = work.find(from, ib_match_mode::IB_CLOSEST_MATCH);
    let mut rows = 0;
    while found && rows < 100 {
        let tuple = work.row(true);
        assert!(!ib!(col_get_value(tuple, 1)).is_null());
        ib!(tuple_delete(tuple));
        rows += 1;
        found = rows < 100 && ib!(cursor_next(work.cursor)) == IB_SUCCESS;
    }
    assert_eq!(rows, 100);
    work.end();
}

/// A generator that repeats (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16) % bound
    }
}
