//! The functions in the bundled host's SQL: created, called, dropped, and there again after a restart.

use crate::common::memcached::Memcached;
use crate::common::patient::wait_until;
use crate::common::{self, Host, HostConfig, SqlError};
use std::process::{Command, Stdio};

/// A host that has all functions, with a memcached for them.
fn ready() -> (Host, Memcached) {
    let (host, memcached) = (HostConfig::new().start(), Memcached::start());
    host.sql(&script()).unwrap();
    host.sql(&format!("SELECT memc_servers_set('{}'), memc_behavior_set('POLL_TIMEOUT', 20000)", memcached.name()))
        .unwrap();
    (host, memcached)
}

fn script() -> String {
    std::fs::read_to_string(common::root().join("sql/install_functions.sql")).unwrap()
}

/// The rows of a statement, columns with tabs between them, or the number of its error.
fn answer(host: &Host, sql: &str) -> String {
    match host.sql(sql) {
        Ok(text) => text.lines().skip(1).collect::<Vec<_>>().join("\n"),
        Err(error) => format!("!{}", error.errno),
    }
}

fn check(host: &Host, cases: &[(&str, &str)]) {
    for (sql, expected) in cases {
        assert_eq!(answer(host, sql), *expected, "{sql}");
    }
}

#[test]
fn the_chapter_can_be_typed_as_it_stands() {
    let (host, _memcached) = ready();
    check(
        &host,
        &[
            ("SELECT memc_set('myid', 'myvalue'), memc_get('myid')", "1\tmyvalue"),
            ("SELECT CONVERT(memc_get('myid') USING utf8mb4)", "myvalue"),
            ("SELECT memc_add('myid', 'x'), memc_replace('myid', ' Spot ')", "0\t1"),
            (
                "SELECT memc_append('myid', ' run.'), memc_prepend('myid', 'See'), memc_get('myid')",
                "1\t1\tSee Spot  run.",
            ),
            ("SELECT memc_set('sequence:1', 1), memc_increment('sequence:1', 5), memc_decr('sequence:1')", "1\t6\t5"),
            ("SELECT memc_delete('myid'), memc_get('myid'), memc_get('myid') IS NULL", "1\tNULL\t1"),
            ("SELECT memc_set_by_key('A', 'k', 'v', 100), memc_get_by_key('A', 'k')", "1\tv"),
            (
                "SELECT memc_set('cas', 'old'), memc_cas('cas', 'new', memc_get_cas('cas')), memc_get('cas')",
                "1\t1\tnew",
            ),
            (
                "SELECT memc_behavior_set('MEMCACHED_BEHAVIOR_HASH', 'MEMCACHED_HASH_CRC'), memc_behavior_get('MEMCACHED_BEHAVIOR_HASH')",
                "0\tMEMCACHED_HASH_CRC",
            ),
            ("SELECT memc_server_count(), memc_udf_version()", concat!("1\t", env!("CARGO_PKG_VERSION"))),
            // Only what IF chooses is called.
            ("SELECT IF(NULL IS NULL, memc_delete('cas'), memc_set('cas', 'wrong')), memc_get('cas')", "1\tNULL"),
            ("SELECT COALESCE(memc_set('a', 1), memc_set('a', 2)), memc_get('a')", "1\t1"),
            // In a user variable, a condition, and in what is stored.
            ("SET @mm = memc_set('var', 'x'); SELECT @mm, memc_get('var')", "1\tx"),
        ],
    );
    for (sql, sentence) in [
        ("SELECT memc_get()", "Can't initialize function 'memc_get'; Usage: memc_get(key)"),
        ("SELECT memc_servers_set('a:b:c')", "names no server"),
    ] {
        let error = host.sql(sql).unwrap_err();
        assert!(error.errno == 1123 && error.message.contains(sentence), "{sql}: {error}");
    }
}

#[test]
fn rows_give_their_columns() {
    let (host, _memcached) = ready();
    host.sql(
        "CREATE DATABASE shop; CREATE TABLE shop.kinds (i INT PRIMARY KEY, t TEXT, b BLOB, e INT);
         INSERT INTO shop.kinds VALUES (-5, 'größe', x'000DFF0A', NULL), (6, 'second', 'b', 1000), (7, NULL, '', -1)",
    )
    .unwrap();
    check(
        &host,
        &[
            ("SELECT memc_set(CONCAT('t', i), t), memc_set(i, i) FROM shop.kinds", "1\t1\n1\t1\nNULL\t1"),
            ("SELECT memc_get('t-5'), memc_get('-5'), memc_get(7), memc_get('t7')", "größe\t-5\t7\tNULL"),
            ("SELECT memc_set(CONCAT('b', i), b) FROM shop.kinds WHERE i < 0", "1"),
            ("SELECT HEX(memc_get('b-5')), LENGTH(memc_get('b-5'))", "000DFF0A\t4"),
            // An exptime is that of its row.
            ("SELECT memc_set(CONCAT('e', i), 'x', e) FROM shop.kinds", "NULL\n1\n1"),
            ("SELECT memc_get(CONCAT('e', i)) FROM shop.kinds", "NULL\nx\nNULL"),
            ("SELECT i FROM shop.kinds WHERE memc_get(CONCAT('t', i)) = 'second' ORDER BY memc_get(i)", "6"),
            ("SELECT memc_get(i) AS v, COUNT(*) FROM shop.kinds GROUP BY v ORDER BY v", "-5\t1\n6\t1\n7\t1"),
            ("SELECT MAX(memc_get(i)), COUNT(memc_get(CONCAT('t', i))) FROM shop.kinds", "7\t2"),
            ("SELECT memc_set('long', REPEAT('y', 3000000)), LENGTH(memc_get('long'))", "1\t3000000"),
            ("UPDATE shop.kinds SET t = memc_get('t-5') WHERE i = 7; SELECT t FROM shop.kinds WHERE i = 7", "größe"),
            ("INSERT INTO shop.kinds (i, t) VALUES (8, memc_get(6)); SELECT t FROM shop.kinds WHERE i = 8", "6"),
            ("SELECT memc_incr(6, 4.6), memc_incr(6, '4.6')", "11\t15"),
        ],
    );
}

#[test]
fn functions_are_created_kept_and_dropped() {
    let host = HostConfig::new().start();
    let create = "CREATE FUNCTION memc_udf_version RETURNS STRING SONAME 'daemon_memcached.so'";
    let call = "SELECT memc_udf_version()";
    let version = env!("CARGO_PKG_VERSION");
    check(
        &host,
        &[
            (call, "!1235"),
            ("DROP FUNCTION memc_udf_version", "!1305"),
            ("DROP FUNCTION IF EXISTS memc_udf_version", ""),
            (create, ""),
            (call, version),
            ("SELECT MEMC_UDF_VERSION ()", version),
            (create, "!1125"),
            (&create.replace("FUNCTION", "FUNCTION IF NOT EXISTS"), ""),
            ("CREATE FUNCTION none RETURNS INT SONAME 'daemon_memcached.so'", "!1127"),
            // A symbol that is no function of SQL.
            ("CREATE FUNCTION _mysql_plugin_declarations_ RETURNS INT SONAME 'daemon_memcached.so'", "!1127"),
            ("CREATE FUNCTION memc_get RETURNS STRING SONAME 'none.so'", "!1126"),
            ("CREATE FUNCTION memc_get RETURNS STRING SONAME '../daemon_memcached.so'", "!1124"),
            ("CREATE FUNCTION memc_get RETURNS BLOB SONAME 'daemon_memcached.so'", "!1064"),
            ("CREATE FUNCTION memc_server_count RETURNS REAL SONAME 'none.so'", "!1126"),
            ("CREATE FUNCTION memc_server_count RETURNS INTEGER SONAME 'daemon_memcached.so'", ""),
            (
                "SELECT name, ret, dl, type FROM mysql.func ORDER BY name",
                "memc_server_count\t2\tdaemon_memcached.so\tfunction\nmemc_udf_version\t0\tdaemon_memcached.so\tfunction",
            ),
        ],
    );
    let config = host.config().clone();
    host.kill9();
    let host = config.start();
    check(
        &host,
        &[
            ("SELECT memc_udf_version(), memc_server_count()", &format!("{version}\t0")),
            ("DROP FUNCTION MEMC_UDF_VERSION", ""),
            (call, "!1235"),
            ("SELECT memc_server_count()", "0"),
        ],
    );
    assert!(host.terminate().success());
    let host = config.start();
    check(&host, &[(call, "!1235"), ("SELECT memc_server_count()", "0")]);
    // The script takes the place of what is there, and may be run again.
    host.sql(&script()).unwrap();
    host.sql(&script()).unwrap();
    check(&host, &[("SELECT COUNT(*) FROM mysql.func", "36"), (call, version)]);
}

#[test]
fn accounts_need_a_right_on_the_table_of_functions() {
    let host = HostConfig::new().start();
    host.sql(&script()).unwrap();
    host.sql("CREATE USER ann@localhost IDENTIFIED BY 'pw'").unwrap();
    let as_ann = |sql: &str| mysql(&host, &["-u", "ann", "-ppw", "-e", sql]);
    let drop = "DROP FUNCTION memc_get";
    assert!(as_ann(drop).contains("ERROR 1142"), "{}", as_ann(drop));
    assert!(as_ann("CREATE FUNCTION f RETURNS INT SONAME 'daemon_memcached.so'").contains("ERROR 1142"));
    assert_eq!(as_ann("SELECT memc_server_count() AS n"), "n\n0\n", "who may log in may call");
    host.sql("GRANT DELETE ON mysql.func TO ann@localhost").unwrap();
    assert_eq!(as_ann(drop), "");
}

/// What the command-line client prints, errors included.
fn mysql(host: &Host, args: &[&str]) -> String {
    let run = client(host, args).output().unwrap();
    String::from_utf8([run.stdout, run.stderr].concat()).unwrap()
}

fn client(host: &Host, args: &[&str]) -> Command {
    let mut command = Command::new("mysql");
    let socket = host.config().datadir().join("memcached-host.sock");
    command.args(["--no-defaults", "--batch", "--skip-ssl", "--socket"]).arg(socket);
    command.args(args).stdin(Stdio::null());
    command
}

#[test]
fn a_function_that_waits_holds_nobody_up_and_ends_when_it_is_killed() {
    let (host, memcached) = ready();
    let mut cache = host.client();
    cache.ask("set k 0 0 1\r\nv\r\n", "STORED\r\n");
    memcached.signal(libc::SIGSTOP);
    let statement = "SELECT memc_set(`key`, value) FROM memcached.cache WHERE `key` = 'k'";
    let waiting =
        client(&host, &["-u", "root", "-e", statement]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut id = String::new();
    wait_until("the statement to run", || {
        let found = host.rows("SHOW FULL PROCESSLIST").into_iter().find(|row| row.iter().any(|cell| cell == statement));
        id = found.map_or_else(String::new, |row| row[0].clone());
        !id.is_empty()
    });
    // The row, the table's definition and the functions are free meanwhile.
    cache.ask("set k 0 0 1\r\nw\r\n", "STORED\r\n");
    check(&host, &[("SELECT value FROM memcached.cache WHERE `key` = 'k'", "w"), ("DROP FUNCTION memc_set", "")]);
    host.sql(&format!("KILL QUERY {id}")).unwrap();
    let ended = waiting.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(told.contains("ERROR 1317"), "{told}");
    memcached.signal(libc::SIGCONT);
    check(&host, &[("SELECT memc_get('none')", "NULL")]);
    // The end of the host does not wait for one either.
    memcached.signal(libc::SIGSTOP);
    host.write("SELECT memc_get('k');\n");
    assert!(host.terminate().success());
}

#[test]
fn a_server_that_is_gone_fails_statements_only_if_that_is_wanted() {
    let (host, memcached) = ready();
    drop(memcached);
    check(&host, &[("SELECT memc_get('k'), memc_set('k', 'x'), memc_increment('k')", "NULL\t0\tNULL")]);
    host.sql("SELECT memc_behavior_set('FAIL_STATEMENTS', 1)").unwrap();
    for sql in ["SELECT memc_get('k')", "SET @deleted = memc_delete('k')"] {
        let SqlError { errno, message, .. } = host.sql(sql).unwrap_err();
        assert!(errno == 1105 && message.contains("memc_") && message.contains("127.0.0.1"), "{sql}: {message}");
    }
    host.sql("SELECT memc_behavior_set('FAIL_STATEMENTS', 0)").unwrap();
    check(&host, &[("SELECT memc_get('k')", "NULL")]);
}

/// The functions towards the host that runs them: its own rows change while they are read.
#[test]
fn the_functions_may_ask_the_host_itself() {
    let host = HostConfig::new().start();
    host.sql(&script()).unwrap();
    host.sql(&format!("SELECT memc_servers_set('127.0.0.1:{}')", host.port())).unwrap();
    host.sql("CREATE DATABASE IF NOT EXISTS test; CREATE TABLE test.names (id INT PRIMARY KEY, name VARCHAR(20))")
        .unwrap();
    host.sql("INSERT INTO test.names VALUES (1, 'one'), (2, 'two')").unwrap();
    check(
        &host,
        &[
            ("SELECT memc_set(CONCAT('name', id), name) FROM test.names", "1\n1"),
            (
                "SELECT `key`, value FROM memcached.cache WHERE `key` LIKE 'name%' ORDER BY `key`",
                "name1\tone\nname2\ttwo",
            ),
            (
                "SELECT memc_append(`key`, '!'), memc_get(`key`) FROM memcached.cache WHERE `key` LIKE 'name%' ORDER BY `key`",
                "1\tone!\n1\ttwo!",
            ),
        ],
    );
}

/// Resident bytes of a process.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// `DM_UDF_CALLS=1000000` makes a million of them.
#[test]
fn many_calls_leave_the_memory_as_it_is() {
    let calls = std::env::var("DM_UDF_CALLS").map_or(50_000, |calls| calls.parse::<usize>().unwrap());
    let (host, _memcached) = ready();
    host.sql("CREATE DATABASE IF NOT EXISTS test; CREATE TABLE test.numbers (id INT PRIMARY KEY)").unwrap();
    let values: Vec<String> = (0..1000).map(|id| format!("({id})")).collect();
    host.sql(&format!("INSERT INTO test.numbers VALUES {}", values.join(","))).unwrap();
    let thousand = || {
        check(
            &host,
            &[("SELECT SUM(memc_set(id, id)), COUNT(memc_get(id)) FROM test.numbers WHERE id < 500", "500\t500")],
        );
    };
    (0..10).for_each(|_| thousand());
    let before = resident(host.pid());
    (0..calls / 1000).for_each(|_| thousand());
    let after = resident(host.pid());
    println!("{calls} calls: {} kB before, {} kB after", before >> 10, after >> 10);
    assert!(after < before + (1 << 20), "{before} bytes before {calls} calls, {after} after");
}
