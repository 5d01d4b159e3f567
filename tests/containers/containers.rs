//! Table behaviours: containers, columns, ranges, batches; memcached's text on one side, SQL on the other.

use crate::common::{Client, Host, HostConfig};
use std::time::{Duration, Instant};

const INSTALL: &str = "INSTALL PLUGIN daemon_memcached SONAME 'daemon_memcached.so'";

/// A host whose containers are these rows of `innodb_memcache.containers` over these tables.
fn host_with(config: &HostConfig, tables: &str, containers: &[&str]) -> Host {
    let host = config.start();
    host.sql("UNINSTALL PLUGIN daemon_memcached; CREATE DATABASE t").unwrap();
    host.sql(&format!("USE t; {tables}")).unwrap();
    host.sql("DELETE FROM innodb_memcache.containers").unwrap();
    for container in containers {
        host.sql(&format!("INSERT INTO innodb_memcache.containers VALUES ({container})")).unwrap();
    }
    host.sql(INSTALL).unwrap();
    host
}

fn run(client: &mut Client, script: &[(&str, &str)]) {
    for (send, expect) in script {
        client.ask(send, expect);
    }
}

#[test]
fn mapped_keys_switch_the_connection_for_every_command() {
    let host = host_with(
        &HostConfig::new().option("-p 0 -t 2"),
        "CREATE TABLE a (k VARCHAR(50) PRIMARY KEY, v VARCHAR(100), f INT, c BIGINT UNSIGNED, e INT);
         CREATE TABLE b (k VARCHAR(50) PRIMARY KEY, v VARCHAR(100), f INT, c BIGINT UNSIGNED, e INT);",
        &[
            "'default', 't', 'a', 'k', 'v', 'f', 'c', 'e', 'PRIMARY'",
            "'bee', 't', 'b', 'k', 'v', 'f', 'c', 'e', 'PRIMARY'",
        ],
    );
    let mut client = host.client();
    run(
        &mut client,
        &[
            ("set k 1 0 1\r\na\r\n", "STORED\r\n"),
            ("set @@bee.k 2 0 1\r\n1\r\n", "STORED\r\n"),
            ("get k\r\n", "VALUE k 2 1\r\n1\r\nEND\r\n"),
            (
                "get @@default.k @@bee.k k\r\n",
                "VALUE @@default.k 1 1\r\na\r\nVALUE @@bee.k 2 1\r\n1\r\nVALUE k 2 1\r\n1\r\nEND\r\n",
            ),
            ("incr @@bee.k 4\r\n", "5\r\n"),
            ("append @@default.k 0 0 1\r\nb\r\n", "STORED\r\n"),
            ("get k @@bee.k\r\n", "VALUE k 1 2\r\nab\r\nVALUE @@bee.k 2 1\r\n5\r\nEND\r\n"),
            ("delete @@default.k\r\n", "DELETED\r\n"),
            ("get @@bee\r\n", "VALUE @@bee 0 3\r\nt/b\r\nEND\r\n"),
            ("touch k 0\r\n", "TOUCHED\r\n"),
            ("set @@bee 0 0 1\r\nx\r\n", "CLIENT_ERROR a key must follow the name of a container\r\n"),
            ("get @@none.k\r\n", "END\r\n"),
            ("set @@none.k 0 0 1\r\nx\r\n", "CLIENT_ERROR no such container\r\n"),
            ("get k\r\n", "VALUE k 2 1\r\n5\r\nEND\r\n"),
            ("bind default\r\n", "SUCCEED\r\n"),
            ("bind none\r\n", "NOT_FOUND\r\n"),
            ("get k\r\n", "END\r\n"),
            ("set @@xx 0 0 1\r\ny\r\n", "CLIENT_ERROR no such container\r\n"),
            ("set @@x 0 0 1\r\ny\r\nget @@x\r\n", "STORED\r\nVALUE @@x 0 1\r\ny\r\nEND\r\n"),
            ("delete @@x\r\n", "DELETED\r\n"),
            ("bind bee\r\nflush_all\r\nget k\r\n", "SUCCEED\r\nOK\r\nEND\r\n"),
        ],
    );
    // Another connection is not switched.
    host.client().ask("set k 0 0 1\r\nz\r\nget k\r\n", "STORED\r\nVALUE k 0 1\r\nz\r\nEND\r\n");
    assert_eq!(host.rows("SELECT COUNT(*) FROM t.b"), [["0"]]);
    assert_eq!(host.rows("SELECT k, v FROM t.a"), [["k", "z"]]);
}

#[test]
fn containers_that_appear_later_are_found_and_changes_are_taken_up_on_demand() {
    let host = host_with(
        &HostConfig::new(),
        "CREATE TABLE a (k VARCHAR(50) PRIMARY KEY, v VARCHAR(100)); CREATE TABLE b (k VARCHAR(50) PRIMARY KEY, v VARCHAR(100));",
        &["'default', 't', 'a', 'k', 'v', '0', '0', '0', 'PRIMARY'"],
    );
    let mut client = host.client();
    client.ask("bind late\r\n", "NOT_FOUND\r\n");
    host.sql("INSERT INTO innodb_memcache.containers VALUES ('late', 't', 'b', 'k', 'v', NULL, NULL, NULL, 'PRIMARY')")
        .unwrap();
    // A name without a row is looked for once a second.
    wait(|| {
        client.send("set @@late.k 0 0 1\r\nb\r\n");
        client.read_line() == "STORED"
    });
    assert_eq!(host.rows("SELECT k, v FROM t.b"), [["k", "b"]]);
    host.sql("UPDATE innodb_memcache.containers SET db_table = 'a' WHERE name = 'late'").unwrap();
    client.ask("get k\r\n", "VALUE k 0 1\r\nb\r\nEND\r\n");
    host.sql("SET GLOBAL daemon_memcached_reload_containers = ON").unwrap();
    client.ask("get k\r\n", "END\r\n");
}

fn wait(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "it does not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn separators_are_kept_and_an_absent_field_is_null() {
    let host = host_with(
        &HostConfig::new(),
        "CREATE TABLE m (k VARCHAR(50) PRIMARY KEY, a VARCHAR(20), b VARCHAR(20), n INT, other VARCHAR(20), f INT, c BIGINT UNSIGNED);",
        &["'default', 't', 'm', 'k', 'a|b,n', 'f', 'c', '0', 'PRIMARY'"],
    );
    let mut client = host.client();
    let row = |key: &str| host.rows(&format!("SELECT a, b, n FROM t.m WHERE k = '{key}'")).remove(0);
    run(&mut client, &[("set x 0 0 6\r\na|b|12\r\nget x\r\n", "STORED\r\nVALUE x 0 6\r\na|b|12\r\nEND\r\n")]);
    assert_eq!(row("x"), ["a", "b", "12"]);
    run(&mut client, &[("set x 0 0 4\r\na||7\r\nget x\r\n", "STORED\r\nVALUE x 0 4\r\na||7\r\nEND\r\n")]);
    assert_eq!(row("x"), ["a", "", "7"]);
    run(&mut client, &[("set x 0 0 1\r\na\r\nget x\r\n", "STORED\r\nVALUE x 0 1\r\na\r\nEND\r\n")]);
    assert_eq!(row("x"), ["a", "NULL", "NULL"]);
    run(&mut client, &[("set x 0 0 8\r\na|b|1|zz\r\nget x\r\n", "STORED\r\nVALUE x 0 5\r\na|b|1\r\nEND\r\n")]);
    run(
        &mut client,
        &[("set y 0 0 7\r\na|b|one\r\n", "CLIENT_ERROR value is not an integer in the range of column n\r\n")],
    );
    client.ask("get y\r\n", "END\r\n");
    // incr takes the column that the row's flags name, append the one of its own flags; nothing else changes.
    host.sql("UPDATE t.m SET other = 'kept' WHERE k = 'x'").unwrap();
    run(
        &mut client,
        &[
            ("set x 2 0 5\r\na|b|1\r\n", "STORED\r\n"),
            ("incr x 41\r\n", "42\r\n"),
            ("append x 1 0 1\r\nB\r\n", "STORED\r\n"),
            ("prepend x 0 0 1\r\nA\r\n", "STORED\r\n"),
            ("get x\r\n", "VALUE x 2 8\r\nAa|bB|42\r\nEND\r\n"),
        ],
    );
    assert_eq!(host.rows("SELECT other FROM t.m WHERE k = 'x'"), [["kept"]]);
}

#[test]
fn columns_that_are_not_mapped_get_their_defaults() {
    let host = host_with(
        &HostConfig::new(),
        "CREATE TABLE d (k VARCHAR(50) PRIMARY KEY, v VARCHAR(100), n INT NOT NULL DEFAULT 7, s VARCHAR(20) NOT NULL DEFAULT 'x',
           u BIGINT UNSIGNED NOT NULL DEFAULT 0, c CHAR(5) NOT NULL DEFAULT 'ab', e ENUM('one', 'two') NOT NULL DEFAULT 'two', o INT);
         CREATE TABLE needed (k VARCHAR(50) PRIMARY KEY, v VARCHAR(100), n INT NOT NULL);",
        &["'default', 't', 'd', 'k', 'v', '0', '0', '0', 'PRIMARY'"],
    );
    let mut client = host.client();
    client.ask("set a 0 0 1\r\n1\r\nadd b 0 0 1\r\n2\r\n", "STORED\r\nSTORED\r\n");
    let columns = |key: &str| host.rows(&format!("SELECT v, n, s, u, c, e, o FROM t.d WHERE k = '{key}'")).remove(0);
    assert_eq!(columns("a"), ["1", "7", "x", "0", "ab", "two", "NULL"]);
    assert_eq!(columns("b"), ["2", "7", "x", "0", "ab", "two", "NULL"]);
    // A row that is there keeps what it has.
    host.sql("UPDATE t.d SET n = 8, s = 'y', e = 'one' WHERE k = 'a'").unwrap();
    client.ask("set a 0 0 1\r\n3\r\nincr a 1\r\nappend a 0 0 1\r\nz\r\n", "STORED\r\n4\r\nSTORED\r\n");
    assert_eq!(columns("a"), ["4z", "8", "y", "0", "ab", "one", "NULL"]);
    host.sql("UPDATE innodb_memcache.containers SET db_table = 'needed'").unwrap();
    let error = host.sql("SET GLOBAL daemon_memcached_reload_containers = ON").unwrap_err();
    assert!(error.message.contains("column n is NOT NULL but not mapped and has no default"), "{error}");
}

#[test]
fn separator_and_delimiter_are_configurable_and_may_be_long() {
    let config = HostConfig::new();
    let host = config.start();
    host.sql(
        "UNINSTALL PLUGIN daemon_memcached;
         UPDATE innodb_memcache.config_options SET value = '<-->' WHERE name = 'separator';
         UPDATE innodb_memcache.config_options SET value = '::' WHERE name = 'table_map_delimiter';
         CREATE DATABASE t;
         CREATE TABLE t.p (k CHAR(10) PRIMARY KEY, a CHAR(8), b TINYTEXT, n TINYINT UNSIGNED);
         INSERT INTO innodb_memcache.containers VALUES ('pads', 't', 'p', 'k', 'a;b n', NULL, NULL, NULL, 'PRIMARY');",
    )
    .unwrap();
    host.sql(INSTALL).unwrap();
    let mut client = host.client();
    run(
        &mut client,
        &[
            ("set @@pads::k.1 0 100 13\r\nx<-->-<-<-->7\r\n", "STORED\r\n"),
            ("get k.1\r\n", "VALUE k.1 0 13\r\nx<-->-<-<-->7\r\nEND\r\n"),
            ("set k.2 0 0 11\r\n<--><-->256\r\n", "CLIENT_ERROR value is not an integer in the range of column n\r\n"),
        ],
    );
    assert_eq!(host.rows("SELECT k, a, b, n FROM t.p"), [["k.1", "x", "-<-", "7"]]);
    host.wait_log("container pads: exptimes are ignored");
    let stats = client.stats("containers");
    assert!(stats.contains(&("pads:table".into(), "t/p".into())), "{stats:?}");
    assert!(stats.contains(&("pads:operations".into(), "3".into())), "{stats:?}");

    host.sql("UNINSTALL PLUGIN daemon_memcached").unwrap();
    host.sql("UPDATE innodb_memcache.config_options SET value = 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' WHERE name = 'separator'").unwrap();
    let error = host.sql(INSTALL).unwrap_err();
    assert!(error.message.contains("separator must have 1 to 32 bytes"), "{error}");
}

#[test]
fn exptimes_end_with_the_column_and_with_32_bits() {
    let host = host_with(
        &HostConfig::new(),
        "CREATE TABLE e (k VARCHAR(20) PRIMARY KEY, v VARCHAR(20), e INT);",
        &["'default', 't', 'e', 'k', 'v', '0', '0', 'e', 'PRIMARY'"],
    );
    let mut client = host.client();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let stored = |key: &str| host.rows(&format!("SELECT e FROM t.e WHERE k = '{key}'"))[0][0].parse::<i64>().unwrap();
    for (key, exptime, low, high) in [
        ("never", 0i64, 0, 0),
        ("relative", 100, now + 100, now + 130),
        ("month", 2_592_000, now + 2_592_000, now + 2_592_030),
        ("absolute", 2_000_000_000, 2_000_000_000, 2_000_000_000),
        ("last", 2_147_483_647, 2_147_483_647, 2_147_483_647),
        ("beyond", 99_999_999_999, 2_147_483_647, 2_147_483_647),
        ("gone", -1, 1, 1),
    ] {
        client.ask(format!("set {key} 0 {exptime} 1\r\nx\r\n"), "STORED\r\n");
        assert!((low..=high).contains(&stored(key)), "{key}: {}", stored(key));
    }
    client.ask("touch never 100\r\ngat 0 relative\r\n", "TOUCHED\r\nVALUE relative 0 1\r\nx\r\nEND\r\n");
    assert!(stored("never") > now && stored("relative") == 0);
}

#[test]
fn integer_keys_never_wrap_around() {
    let host = host_with(
        &HostConfig::new(),
        "CREATE TABLE s (k SMALLINT PRIMARY KEY, v VARCHAR(20)); CREATE TABLE u (k BIGINT UNSIGNED PRIMARY KEY, v VARCHAR(20));
         CREATE TABLE x (id INT PRIMARY KEY, k INT UNSIGNED NOT NULL, v VARCHAR(20), UNIQUE KEY uk (k));",
        &["'default', 't', 's', 'k', 'v', '0', '0', '0', 'PRIMARY'", "'u', 't', 'u', 'k', 'v', '0', '0', '0', 'PRIMARY'"],
    );
    let mut client = host.client();
    run(
        &mut client,
        &[
            ("set 32767 0 0 1\r\na\r\n", "STORED\r\n"),
            ("set -32768 0 0 1\r\nb\r\n", "STORED\r\n"),
            ("get -32768 32767 0\r\n", "VALUE -32768 0 1\r\nb\r\nVALUE 32767 0 1\r\na\r\nEND\r\n"),
            ("set 32768 0 0 1\r\nc\r\n", "CLIENT_ERROR key is not an integer in the range of column k\r\n"),
            ("set one 0 0 1\r\nc\r\n", "CLIENT_ERROR key is not an integer in the range of column k\r\n"),
            ("get 32768 one 65536\r\n", "END\r\n"),
            ("get @>=-5\r\n", "VALUE 32767 0 1\r\na\r\nEND\r\n"),
            ("set @@u.18446744073709551615 0 0 1\r\nd\r\n", "STORED\r\n"),
            ("get 18446744073709551615 -1\r\n", "VALUE 18446744073709551615 0 1\r\nd\r\nEND\r\n"),
            (
                "set 18446744073709551616 0 0 1\r\ne\r\n",
                "CLIENT_ERROR key is not an integer in the range of column k\r\n",
            ),
        ],
    );
    assert_eq!(host.rows("SELECT k, v FROM t.s ORDER BY k"), [["-32768", "b"], ["32767", "a"]]);
}

#[test]
fn a_secondary_unique_index_may_be_the_key() {
    let host = host_with(
        &HostConfig::new(),
        "CREATE TABLE x (id INT, k VARCHAR(20) NOT NULL, v VARCHAR(20) NOT NULL, PRIMARY KEY (v), UNIQUE KEY uk (k));
         INSERT INTO x VALUES (1, 'one', 'eins'), (2, 'two', 'zwei');",
        &["'default', 't', 'x', 'k', 'v', 'id', '0', '0', 'uk'"],
    );
    let mut client = host.client();
    run(
        &mut client,
        &[
            ("get two one\r\n", "VALUE two 2 4\r\nzwei\r\nVALUE one 1 4\r\neins\r\nEND\r\n"),
            ("set two 5 0 4\r\ndeux\r\n", "STORED\r\n"),
            ("set three 3 0 4\r\ndrei\r\n", "STORED\r\n"),
            ("delete one\r\n", "DELETED\r\n"),
            ("get one two\r\n", "VALUE two 5 4\r\ndeux\r\nEND\r\n"),
            ("get @>a\r\n", "VALUE three 3 4\r\ndrei\r\nVALUE two 5 4\r\ndeux\r\nEND\r\n"),
        ],
    );
    assert_eq!(host.rows("SELECT id, k, v FROM t.x ORDER BY k"), [["3", "three", "drei"], ["5", "two", "deux"]]);
}

#[test]
fn the_key_column_may_be_read_as_a_value_and_is_never_written_as_one() {
    let host = host_with(
        &HostConfig::new(),
        "CREATE TABLE x (k VARCHAR(20) PRIMARY KEY, v VARCHAR(20), w VARCHAR(20), f INT);",
        &["'default', 't', 'x', 'k', 'k|v|w', 'f', '0', '0', 'PRIMARY'"],
    );
    run(
        &mut host.client(),
        &[
            ("set a 0 0 5\r\na|1|2\r\n", "STORED\r\n"),
            ("set b 1 0 9\r\nother|3|4\r\n", "STORED\r\n"),
            ("get a b\r\n", "VALUE a 0 5\r\na|1|2\r\nVALUE b 1 5\r\nb|3|4\r\nEND\r\n"),
            ("incr b 1\r\n", "4\r\n"),
            ("incr a 1\r\n", "CLIENT_ERROR the flags select the key column, which cannot be changed\r\n"),
            ("append a 0 0 1\r\nx\r\n", "CLIENT_ERROR the flags select the key column, which cannot be changed\r\n"),
            ("append a 2 0 1\r\nx\r\nget a\r\n", "STORED\r\nVALUE a 0 6\r\na|1|2x\r\nEND\r\n"),
        ],
    );
    assert_eq!(host.rows("SELECT k, v, w FROM t.x ORDER BY k"), [["a", "1", "2x"], ["b", "4", "4"]]);
}

/// What clients store is found by such an index, but it cannot be the one that keys are looked up by.
#[test]
fn an_index_that_rows_may_share_is_kept_and_is_no_key() {
    let host = host_with(
        &HostConfig::new(),
        "CREATE TABLE x (k VARCHAR(20) PRIMARY KEY, v VARCHAR(20) NOT NULL, f INT, KEY by_v (v));",
        &["'default', 't', 'x', 'k', 'v', 'f', '0', '0', 'PRIMARY'"],
    );
    let mut client = host.client();
    for (key, value) in [("a", "red"), ("b", "blue"), ("c", "red"), ("b", "red"), ("c", "blue")] {
        client.ask(format!("set {key} 0 0 {}\r\n{value}\r\n", value.len()), "STORED\r\n");
    }
    client.ask("delete a\r\nset d 7 0 3\r\nred\r\n", "DELETED\r\nSTORED\r\n");
    assert_eq!(host.rows("SELECT k FROM t.x WHERE v = 'red'"), [["b"], ["d"]]);
    assert_eq!(host.rows("SELECT k FROM t.x WHERE v >= 'a' ORDER BY v"), [["c"], ["b"], ["d"]]);
    host.sql(
        "UPDATE innodb_memcache.containers SET key_columns = 'v', value_columns = 'k', unique_idx_name_on_key = 'by_v'",
    )
    .unwrap();
    host.sql("UNINSTALL PLUGIN daemon_memcached").unwrap();
    let error = host.sql(INSTALL).expect_err("keys would not be unique");
    assert!(error.errno == 1123 && error.message.contains("index by_v is not unique"), "{error}");
}

#[test]
fn what_does_not_fit_a_column_is_refused_and_stores_nothing() {
    let host = host_with(
        &HostConfig::new(),
        "CREATE TABLE n (k VARCHAR(5) PRIMARY KEY, v VARCHAR(3), f INT);",
        &["'default', 't', 'n', 'k', 'v', 'f', '0', '0', 'PRIMARY'"],
    );
    let mut client = host.client();
    run(
        &mut client,
        &[
            ("set k 0 0 3\r\nabc\r\n", "STORED\r\n"),
            ("set k 0 0 4\r\nabcd\r\n", "SERVER_ERROR object too large for cache\r\n"),
            ("append k 0 0 1\r\nd\r\n", "SERVER_ERROR object too large for cache\r\n"),
            ("get k\r\n", "VALUE k 0 3\r\nabc\r\nEND\r\n"),
            ("set toolong 0 0 1\r\na\r\n", "SERVER_ERROR object too large for cache\r\n"),
            ("get toolong\r\n", "END\r\n"),
            ("set u 0 0 6\r\n\u{e4}\u{f6}\u{fc}\r\n", "STORED\r\n"),
            ("get u\r\n", "VALUE u 0 6\r\n\u{e4}\u{f6}\u{fc}\r\nEND\r\n"),
        ],
    );
    client.send(b"set b 0 0 2\r\n\xff\xfe\r\n");
    client.expect("SERVER_ERROR object too large for cache\r\n");
    host.wait_log("column v");
    assert_eq!(host.rows("SELECT COUNT(*) FROM t.n"), [["2"]]);
}

#[test]
fn without_a_cas_column_cas_compares_what_the_client_saw() {
    let host = host_with(
        &HostConfig::new(),
        "CREATE TABLE d (k VARCHAR(20) PRIMARY KEY, v VARCHAR(20));",
        &["'default', 't', 'd', 'k', 'v', '0', '0', '0', 'PRIMARY'"],
    );
    let mut client = host.client();
    let cas = |client: &mut Client| {
        client.send("gets k\r\n");
        let reply = String::from_utf8(client.read_reply()).unwrap();
        reply.lines().next().unwrap().rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    client.ask("set k 0 0 1\r\na\r\n", "STORED\r\n");
    let first = cas(&mut client);
    client.ask(format!("cas k 0 0 1 {first}\r\nb\r\n"), "STORED\r\n");
    client.ask(format!("cas k 0 0 1 {first}\r\nc\r\n"), "EXISTS\r\n");
    let second = cas(&mut client);
    host.sql("UPDATE t.d SET v = 'sql' WHERE k = 'k'").unwrap();
    client.ask(format!("cas k 0 0 1 {second}\r\nc\r\n"), "EXISTS\r\n");
    client.ask("cas none 0 0 1 1\r\nc\r\n", "NOT_FOUND\r\n");
}

#[test]
fn ranges_stream_in_key_order() {
    const ROWS: usize = 5000;
    let host = host_with(
        &HostConfig::new().option("-p 0 -t 1"),
        "CREATE TABLE r (k VARBINARY(20) PRIMARY KEY, v VARCHAR(200), e INT);",
        &["'default', 't', 'r', 'k', 'v', '0', '0', 'e', 'PRIMARY'"],
    );
    let mut client = host.client();
    let value = "v".repeat(150);
    let mut pipeline = String::new();
    for i in 0..ROWS {
        pipeline.push_str(&format!("set k{i:05} 0 0 150 noreply\r\n{value}\r\n"));
    }
    client.ask(pipeline + "touch k00003 -1\r\n", "TOUCHED\r\n");
    let mut keys = |request: &str| {
        client.send(format!("get {request}\r\n"));
        let reply = String::from_utf8(client.read_reply()).unwrap();
        let keys: Vec<String> =
            reply.lines().filter_map(|line| line.strip_prefix("VALUE ")).map(|line| line[..6].to_owned()).collect();
        keys
    };
    assert_eq!(keys("@>=k00002@<k00006"), ["k00002", "k00004", "k00005"]);
    assert_eq!(keys("@<=k00006@>k00004"), ["k00005", "k00006"]);
    assert_eq!(keys("@<k00002"), ["k00000", "k00001"]);
    assert_eq!(keys("@>k04997"), ["k04998", "k04999"]);
    assert_eq!(keys("@>=k00000 2"), ["k00000", "k00001"]);
    assert_eq!(keys("@>k9"), Vec::<String>::new());
    assert_eq!(keys("@>b@<a"), Vec::<String>::new());
    let all = keys("@>=k");
    assert_eq!(all.len(), ROWS - 1);
    assert!(all.is_sorted());
    assert_eq!(keys("@>=k 3000").len(), 3000);
    client.ask(
        "get @>\r\n",
        "CLIENT_ERROR a range is @>k, @>=k, @<k, @<=k or two of them, e.g. get @>=a@<b, with a limit behind it\r\n",
    );
    // In a pipeline a range comes in its turn, and others are served while it streams.
    client.send("set z 0 0 1\r\n1\r\nget @>=k00000\r\nset z 0 0 1\r\n2\r\nget z\r\n");
    host.client().ask("get none\r\n", "END\r\n");
    client.expect("STORED\r\n");
    assert!(client.read_reply().len() > 150 * (ROWS - 1));
    client.expect("STORED\r\nVALUE z 0 1\r\n2\r\nEND\r\n");
}

#[test]
fn a_batch_is_visible_to_sql_once_it_is_committed() {
    let config = HostConfig::new().option("-p 0 -t 1").arg("--daemon-memcached-w-batch-size=5");
    let host = config.start();
    let mut client = host.client();
    let count = || host.rows("SELECT COUNT(*) FROM memcached.cache").remove(0).remove(0);
    for i in 0..4 {
        client.ask(format!("set k{i} 0 0 1\r\nx\r\n"), "STORED\r\n");
    }
    assert_eq!(count(), "0");
    host.client().ask("get k0\r\n", "VALUE k0 0 1\r\nx\r\nEND\r\n");
    host.sql("SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED").unwrap();
    assert_eq!(count(), "4");
    host.sql("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").unwrap();
    client.ask("set k4 0 0 1\r\nx\r\n", "STORED\r\n");
    assert_eq!(count(), "5");
    // The connection that wrote leaves: its batch is committed.
    client.ask("set k5 0 0 1\r\nx\r\n", "STORED\r\n");
    drop(client);
    wait(|| count() == "6");
    // Nobody does anything more: the batch is committed after innodb_api_bk_commit_interval.
    let mut client = host.client();
    client.ask("set k6 0 0 1\r\nx\r\n", "STORED\r\n");
    wait(|| count() == "7");
    client.ask("set k7 0 0 1\r\nx\r\n", "STORED\r\n");
    host.sql("UNINSTALL PLUGIN daemon_memcached").unwrap();
    assert_eq!(count(), "8");
}

#[test]
fn a_worker_that_waits_for_anothers_batch_gets_it_committed() {
    let config = HostConfig::new().option("-p 0 -t 2").arg("--daemon-memcached-w-batch-size=1000");
    let host = config.start();
    let (mut one, mut two) = (host.client(), host.client());
    for round in 0..5 {
        one.ask(format!("set same 0 0 1\r\n{round}\r\n"), "STORED\r\n");
        two.ask("incr same 1\r\n", format!("{}\r\n", round + 1));
        one.ask("incr same 1\r\n", format!("{}\r\n", round + 2));
        two.ask("flush_all\r\n", "OK\r\n");
        one.ask("get same\r\n", "END\r\n");
    }
}

#[test]
fn expired_rows_are_swept() {
    let host = HostConfig::new().option("-p 0 -t 2").start();
    let mut client = host.client();
    let mut pipeline = String::new();
    for i in 0..1000 {
        pipeline.push_str(&format!("set k{i} 0 {} 1 noreply\r\nx\r\n", if i % 2 == 0 { -1 } else { 0 }));
    }
    client.ask(pipeline + "get none\r\n", "END\r\n");
    let count = || host.rows("SELECT COUNT(*) FROM memcached.cache").remove(0).remove(0);
    assert_eq!(count(), "1000");
    host.sql("SET GLOBAL daemon_memcached_expire_sweep_interval = 1").unwrap();
    wait(|| count() == "500");
    client.ask("get k0 k1\r\n", "VALUE k1 0 1\r\nx\r\nEND\r\n");
}

#[test]
fn ddl_while_clients_run_never_hangs_and_is_followed() {
    let host = host_with(
        &HostConfig::new().option("-p 0 -t 2"),
        "CREATE TABLE a (k VARCHAR(50) PRIMARY KEY, v VARCHAR(100));",
        &["'default', 't', 'a', 'k', 'v', '0', '0', '0', 'PRIMARY'"],
    );
    let mut client = host.client();
    client.ask("set k 0 0 1\r\n1\r\n", "STORED\r\n");
    host.sql("DROP TABLE t.a").unwrap();
    // There is no such item any more; the log says why.
    client.ask("get k\r\ngat 0 k\r\n", "END\r\nEND\r\n");
    host.wait_log("t.a not found");
    client.send("set k 0 0 1\r\n2\r\n");
    let reply = client.read_line();
    assert!(reply.starts_with("SERVER_ERROR") && reply.contains("table t.a not found"), "{reply}");
    host.sql("CREATE TABLE t.a (pad INT, v VARCHAR(10), k VARCHAR(20) PRIMARY KEY)").unwrap();
    wait(|| {
        client.send("set k 0 0 1\r\n2\r\n");
        client.read_line() == "STORED"
    });
    assert_eq!(host.rows("SELECT pad, v, k FROM t.a"), [["NULL", "2", "k"]]);
    host.sql("RENAME TABLE t.a TO t.b").unwrap();
    client.ask("get k\r\n", "END\r\n");
    host.sql("RENAME TABLE t.b TO t.a").unwrap();
    wait(|| {
        client.send("get k\r\n");
        client.read_reply() == b"VALUE k 0 1\r\n2\r\nEND\r\n"
    });
}

#[test]
fn a_batch_of_reads_that_nobody_goes_on_with_keeps_no_ddl_waiting() {
    let config = HostConfig::new().option("-p 0 -t 2").arg("--daemon-memcached-r-batch-size=6");
    let host = config.start();
    for leaves in [true, false] {
        let mut client = host.client();
        // A batch tells its clients of an ALTER.
        wait(|| {
            client.send("set k 0 0 1\r\nx\r\n");
            client.read_line() == "STORED"
        });
        for _ in 0..4 {
            client.ask("get k\r\n", "VALUE k 0 1\r\nx\r\nEND\r\n");
        }
        if leaves {
            drop(client);
        }
        let start = Instant::now();
        host.sql(&format!("ALTER TABLE memcached.cache ADD COLUMN more{} INT", u8::from(leaves))).unwrap();
        assert!(start.elapsed() < Duration::from_secs(2), "it waited {:?}", start.elapsed());
    }
}

#[test]
fn invalid_containers_can_be_left_out() {
    let config = HostConfig::new().arg("--daemon-memcached-skip-invalid-containers=ON");
    let host = config.start();
    host.sql(
        "INSERT INTO innodb_memcache.containers VALUES ('bad', 'no', 'table', 'k', 'v', '0', '0', '0', 'PRIMARY')",
    )
    .unwrap();
    host.sql("UNINSTALL PLUGIN daemon_memcached").unwrap();
    host.sql(INSTALL).unwrap();
    host.wait_log("container bad");
    let reason = "SERVER_ERROR container bad: table no.table not found or not a base table\r\n";
    host.client().ask("set k 0 0 1\r\nx\r\n", "STORED\r\n");
    host.client().ask("get @@bad.k\r\nset k 0 0 1\r\ny\r\n", format!("{reason}{reason}"));
}
