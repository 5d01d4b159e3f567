//! The memc_* functions in a real server.

use crate::common::memcached::Memcached;
use crate::server::{Config, Mysqld, wait};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

type Case = (&'static str, fn(&Mysqld<'_>, &Memcached));

const CASES: &[Case] = &[
    ("the manual's examples", manual),
    ("values, columns and types", values),
    ("one session's servers are everybody's", sessions),
    ("triggers keep memcached equal to a table", triggers),
    ("KILL QUERY ends a wait", kill),
    ("a server that is gone fails statements only if that is wanted", gone),
    ("functions are created and dropped while others run", rounds),
    ("towards the plugin in the same server, its own rows included", plugin),
    ("UNINSTALL PLUGIN while functions run", uninstall),
];

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn functions_case_after_case() {
    let config = Config::new().arg("--loose-daemon-memcached-option=-p 0 -t 4");
    let server = config.start();
    server.sql("CREATE DATABASE IF NOT EXISTS test");
    server.script("install_functions.sql");
    let mut failed = Vec::new();
    for (name, case) in CASES {
        let start = Instant::now();
        let memcached = Memcached::start();
        let ready = || {
            let set = format!(
                "SELECT memc_servers_set(''), memc_servers_set('{}'), memc_behavior_set('POLL_TIMEOUT', 20000)",
                memcached.name()
            );
            assert_eq!(server.sql(&set), "0\t0\t0");
        };
        if catch_unwind(AssertUnwindSafe(|| {
            ready();
            case(&server, &memcached);
        }))
        .is_err()
        {
            failed.push(*name);
        }
        println!("{:6} ms  {name}", start.elapsed().as_millis());
    }
    assert!(failed.is_empty(), "failed: {failed:#?}\n{}", server.log());
    // Twice: the script takes the place of what is there.
    server.script("install_functions.sql");
    assert!(server.shutdown() < Duration::from_secs(20));
}

/// `DM_UDF_CALLS=1000000` makes a million of them.
#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn functions_leave_the_memory_as_it_is() {
    let calls = std::env::var("DM_UDF_CALLS").map_or(50_000, |calls| calls.parse::<usize>().unwrap());
    let config = Config::new();
    let (server, memcached) = (config.start(), Memcached::start());
    server.script("install_functions.sql");
    server.sql("CREATE DATABASE IF NOT EXISTS test; CREATE TABLE test.numbers (id INT PRIMARY KEY)");
    let values: Vec<String> = (0..1000).map(|id| format!("({id})")).collect();
    server.sql(&format!("INSERT INTO test.numbers VALUES {}", values.join(",")));
    let mut session = server.session();
    session.sql(&format!("SELECT memc_servers_set('{}'), memc_behavior_set('POLL_TIMEOUT', 20000)", memcached.name()));
    let mut thousand = || {
        let rows = session.sql("SELECT SUM(memc_set(id, id)), COUNT(memc_get(id)) FROM test.numbers WHERE id < 500");
        assert_eq!(rows, ["500\t500"]);
    };
    (0..10).for_each(|_| thousand());
    let before = server.memory_kib();
    (0..calls / 1000).for_each(|_| thousand());
    let after = server.memory_kib();
    println!("{calls} calls: {before} kB before, {after} kB after");
    assert!(after < before + 1024, "{before} kB before {calls} calls, {after} kB after");
}

fn ask(server: &Mysqld, cases: &[(&str, &str)]) {
    for (sql, answer) in cases {
        assert_eq!(server.sql(sql), *answer, "{sql}");
    }
}

fn manual(server: &Mysqld, _: &Memcached) {
    ask(
        server,
        &[
            ("SELECT memc_set('myid', 'myvalue')", "1"),
            ("SELECT memc_get('myid')", "myvalue"),
            (
                "SELECT memc_set('abc', 'cool new memcached udf in mysql'), memc_get('abc')",
                "1\tcool new memcached udf in mysql",
            ),
            ("SELECT memc_add('abc', 'x'), memc_replace('abc', ' Spot ')", "0\t1"),
            ("SELECT memc_append('abc', ' run.'), memc_prepend('abc', 'See'), memc_get('abc')", "1\t1\tSee Spot  run."),
            ("SELECT memc_set('sequence:1', 1), memc_increment('sequence:1', 5), memc_decr('sequence:1')", "1\t6\t5"),
            ("SELECT memc_delete('abc'), memc_get('abc')", "1\tNULL"),
            (
                "SELECT memc_set_by_key('A', 'k', 'v', 100), memc_get_by_key('A', 'k'), memc_delete_by_key('A', 'k')",
                "1\tv\t1",
            ),
            (
                "SELECT memc_set('cas', 'old'), memc_cas('cas', 'new', memc_get_cas('cas')), memc_get('cas')",
                "1\t1\tnew",
            ),
            (
                "SELECT memc_behavior_set('MEMCACHED_BEHAVIOR_HASH', 'MEMCACHED_HASH_CRC'), memc_behavior_get('MEMCACHED_BEHAVIOR_HASH')",
                "0\tMEMCACHED_HASH_CRC",
            ),
            ("SELECT memc_behavior_set('MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED', '1')", "0"),
            ("SELECT memc_servers_set(','), memc_server_count()", "0\t0"),
        ],
    );
    for (sql, message) in [
        ("SELECT memc_get()", "Usage: memc_get(key)"),
        ("SELECT memc_set('a')", "Usage: memc_set(key, value [, expiry])"),
        ("SELECT memc_servers_set('a:b:c')", "names no server"),
        ("SELECT memc_behavior_set('NONE', 1)", "there is no behavior NONE"),
    ] {
        let error = server.try_sql(sql).unwrap_err();
        assert!(error.contains(message), "{sql}: {error}");
    }
}

fn values(server: &Mysqld, _: &Memcached) {
    server.sql(
        "CREATE TABLE test.kinds (i INT, d DECIMAL(10,2), f DOUBLE, t TEXT, b BLOB, e INT, z TEXT) CHARACTER SET utf8mb4;
         INSERT INTO test.kinds VALUES (-5, 3.50, 0.25, 'größe', 0x000DFF0A, NULL, ''), (6, 1, 2, 'second', 'b', 1000, 'z')",
    );
    ask(
        server,
        &[
            (
                "SELECT memc_set(CONCAT('i', i), i), memc_set(CONCAT('d', i), d), memc_set(i, f) FROM test.kinds",
                "1\t1\t1\n1\t1\t1",
            ),
            ("SELECT memc_get('i-5'), memc_get('d-5'), memc_get(-5), memc_get('d6')", "-5\t3.50\t0.25\t1.00"),
            (
                "SELECT memc_set(CONCAT('t', i), t), memc_set(CONCAT('b', i), b), memc_set(CONCAT('z', i), z) FROM test.kinds",
                "1\t1\t1\n1\t1\t1",
            ),
            (
                "SELECT CONVERT(memc_get('t-5') USING utf8mb4), HEX(memc_get('b-5')), memc_get('z-5') = '', memc_get('z6')",
                "größe\t000DFF0A\t1\tz",
            ),
            // An exptime is that of its row; NULL in is NULL out.
            ("SELECT memc_set(CONCAT('e', i), 'x', e) FROM test.kinds", "NULL\n1"),
            (
                "SELECT memc_set('k', 'kept'), memc_set('k', NULL), memc_set(NULL, 'x'), memc_get('k')",
                "1\tNULL\tNULL\tkept",
            ),
            (
                "SELECT memc_set('long', REPEAT('x', 3000000)), LENGTH(memc_get('long')), CHARSET(memc_get('long'))",
                "1\t3000000\tbinary",
            ),
            ("SELECT memc_set('four', REPEAT('y', 400))", "1"),
            ("SELECT COUNT(*), MAX(LENGTH(v)) FROM (SELECT DISTINCT memc_get('four') v FROM test.kinds) s", "1\t400"),
            (
                "SELECT i FROM test.kinds WHERE memc_get(CONCAT('t', i)) = 'second' ORDER BY memc_get(CONCAT('i', i))",
                "6",
            ),
            ("SELECT memc_increment('i6', 4.6)", "11"),
        ],
    );
}

fn sessions(server: &Mysqld, _: &Memcached) {
    let other = Memcached::start();
    let (mut a, mut b) = (server.session(), server.session());
    assert_eq!(a.sql("SELECT memc_set('k', 'first')"), ["1"]);
    assert_eq!(b.sql("SELECT memc_get('k')"), ["first"]);
    assert_eq!(b.sql(&format!("SELECT memc_servers_set('{}')", other.name())), ["0"]);
    assert_eq!(a.sql("SELECT memc_get('k')"), ["NULL"]);
    assert_eq!(a.sql("SELECT memc_server_count()"), ["1"]);
    let pid = server.sql(&format!(
        "SELECT memc_stat_get_value('{}', 'pid') > 0, memc_stats('{0}') LIKE '%curr_items%'",
        other.name()
    ));
    assert_eq!(pid, "1\t1");
}

/// Writers change a table at random; what memcached has must be what the table has.
fn triggers(server: &Mysqld, memcached: &Memcached) {
    server.sql(
        "CREATE TABLE test.urls (id INT PRIMARY KEY, url VARCHAR(64) NOT NULL);
         CREATE TRIGGER test.urls_insert AFTER INSERT ON test.urls FOR EACH ROW SET @mm = memc_set(CONCAT('urls:', NEW.id), NEW.url);
         CREATE TRIGGER test.urls_update AFTER UPDATE ON test.urls FOR EACH ROW SET @mm = memc_replace(CONCAT('urls:', OLD.id), NEW.url);
         CREATE TRIGGER test.urls_delete AFTER DELETE ON test.urls FOR EACH ROW SET @mm = memc_delete(CONCAT('urls:', OLD.id))",
    );
    const IDS: i32 = 40;
    std::thread::scope(|scope| {
        for writer in 0..8 {
            scope.spawn(move || {
                let mut session = server.session();
                for i in 0..60 {
                    let id = (i * 7 + writer * 11) % IDS;
                    session.sql(&match (i + writer) % 4 {
                        0 | 1 => format!(
                            "INSERT INTO test.urls VALUES ({id}, 'http://{writer}/{i}') ON DUPLICATE KEY UPDATE url = VALUES(url)"
                        ),
                        2 => format!("UPDATE test.urls SET url = 'http://{writer}/{i}/changed' WHERE id = {id}"),
                        _ => format!("DELETE FROM test.urls WHERE id = {id}"),
                    });
                }
            });
        }
    });
    let rows = server.sql("SELECT COUNT(*), SUM(memc_get(CONCAT('urls:', id)) <=> url) FROM test.urls");
    let (count, equal) = rows.split_once('\t').unwrap();
    assert!(count == equal && count != "0", "{equal} of {count} rows are in memcached as they are");
    let mut client = memcached.client();
    let items = client.stats("").into_iter().find(|(name, _)| name == "curr_items").unwrap().1;
    assert_eq!(items, count, "memcached has keys that the table does not have");
}

fn kill(server: &Mysqld, memcached: &Memcached) {
    memcached.signal(libc::SIGSTOP);
    let mut session = server.session();
    let id = session.sql("SELECT CONNECTION_ID()").remove(0);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let start = Instant::now();
            session.sql("SELECT memc_get('k')");
            start.elapsed()
        });
        let runs =
            format!("SELECT COUNT(*) FROM information_schema.processlist WHERE id = {id} AND info LIKE '%memc_get%'");
        wait("the statement to run", || server.sql(&runs) == "1", || server.log());
        server.sql(&format!("KILL QUERY {id}"));
        let time = waiting.join().unwrap();
        assert!(time < Duration::from_secs(10), "it waited {time:?} of 20 s");
    });
    assert_eq!(session.sql("SELECT 'lives'"), ["lives"]);
    memcached.signal(libc::SIGCONT);
    assert_eq!(session.sql("SELECT memc_set('k', 'v')"), ["1"]);
    assert_eq!(session.sql("SELECT memc_get('k')"), ["v"]);
}

fn gone(server: &Mysqld, _: &Memcached) {
    server.sql(
        "CREATE TABLE test.logged (id INT PRIMARY KEY);
         CREATE TRIGGER test.logged_insert AFTER INSERT ON test.logged FOR EACH ROW SET @mm = memc_set(NEW.id, 'x')",
    );
    let dying = Memcached::start();
    server.sql(&format!("SELECT memc_servers_set('{}'), memc_set('k', 'v')", dying.name()));
    drop(dying);
    server.sql("INSERT INTO test.logged VALUES (1), (2), (3)");
    assert_eq!(server.sql("SELECT memc_get('k'), memc_set('k', 'x'), memc_increment('k')"), "NULL\t0\tNULL");
    server.wait_log("daemon_memcached: DM1601: memc_");
    let warnings = |server: &Mysqld| server.log().matches("daemon_memcached: DM1601: memc_").count();
    let before = warnings(server);
    server.sql("SELECT memc_behavior_set('FAIL_STATEMENTS', 1)");
    for sql in ["INSERT INTO test.logged VALUES (4)", "SELECT memc_get('k')", "SET @deleted = memc_delete('k')"] {
        let error = server.try_sql(sql).unwrap_err();
        assert!(error.contains("memc_") && error.contains("127.0.0.1"), "{sql}: {error}");
    }
    server.sql("SELECT memc_behavior_set('FAIL_STATEMENTS', 0)");
    assert_eq!(server.sql("SELECT COUNT(*) FROM test.logged"), "3");
    assert_eq!(warnings(server), before, "more than one warning a minute");
}

fn rounds(server: &Mysqld, _: &Memcached) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for client in 0..2 {
            let done = &done;
            scope.spawn(move || {
                let mut session = server.session();
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(session.sql(&format!("SELECT memc_set('r{client}', 'v')")), ["1"]);
                    assert_eq!(session.sql(&format!("SELECT memc_get('r{client}')")), ["v"]);
                }
            });
        }
        let mut session = server.session();
        for _ in 0..1000 {
            session.sql("DROP FUNCTION memc_udf_version");
            session.sql("CREATE FUNCTION memc_udf_version RETURNS STRING SONAME 'daemon_memcached.so'");
            assert_eq!(session.sql("SELECT memc_udf_version()"), [env!("CARGO_PKG_VERSION")]);
        }
        done.store(true, Ordering::Relaxed);
    });
}

/// The plugin in the same server as the cache; a trigger on a container's table that asks for the row it is about to change
/// cannot get it, and must not wait for ever.
fn plugin(server: &Mysqld, _: &Memcached) {
    server.set_up();
    server.sql(&format!(
        "SELECT memc_servers_set('127.0.0.1:{}'), memc_behavior_set('POLL_TIMEOUT', 3000)",
        server.port()
    ));
    ask(server, &[("SELECT memc_set('p', 'from SQL'), memc_get('p'), memc_incr('p')", "1\tfrom SQL\tNULL")]);
    assert_eq!(server.sql("SELECT value FROM memcached.cache WHERE `key` = 'p'"), "from SQL");
    server.sql("CREATE TRIGGER memcached.own BEFORE UPDATE ON memcached.cache FOR EACH ROW SET @mm = memc_set(NEW.`key`, 'other')");
    let start = Instant::now();
    server.sql("UPDATE memcached.cache SET value = 'by SQL' WHERE `key` = 'p'");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    server.sql("DROP TRIGGER memcached.own");
    // The set inside may be done after the statement, within its own time-out; then it is over.
    wait("the plugin to answer", || server.sql("SELECT memc_set('q', 'v')") == "1", || server.log());
}

fn uninstall(server: &Mysqld, memcached: &Memcached) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for client in 0..4 {
            let done = &done;
            scope.spawn(move || {
                let mut session = server.session();
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(session.sql(&format!("SELECT memc_set('u{client}', 'v')")), ["1"]);
                }
            });
        }
        for _ in 0..3 {
            server.sql("UNINSTALL PLUGIN daemon_memcached");
            server.install().unwrap();
        }
        server.sql("UNINSTALL PLUGIN daemon_memcached");
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(server.sql("SELECT memc_get('u0')"), "v");
    assert!(!memcached.client().stats("").is_empty());
}
