//! Columns of all kinds: separators, defaults, integers and their ranges, keys by other indexes, what is refused.

use crate::common::{Client, HostConfig, INSTALL};
use crate::containers::{host_with, run};

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
    assert_eq!(host.rows("SELECT COUNT(*) FROM t.n"), [["2"]]);
}

/// Bytes that are no character of their column are no matter of length: the reply and the log say so, and the row stays.
#[test]
fn what_a_character_set_lacks_is_refused_as_that() {
    let kinds = ["VARCHAR(9)", "CHAR(9)"];
    let sets = ["utf8mb4", "utf8mb3", "ascii", "latin1"];
    let names: Vec<_> =
        sets.iter().flat_map(|set| kinds.map(|kind| (format!("{set}{}", kind.len()), *set, kind))).collect();
    let tables: String = names
        .iter()
        .map(|(name, set, kind)| {
            format!("CREATE TABLE {name} (k VARBINARY(9) PRIMARY KEY, c2 {kind} CHARACTER SET {set});")
        })
        .collect();
    let containers: Vec<_> = names
        .iter()
        .map(|(name, ..)| format!("'{name}', 't', '{name}', 'k', 'c2', '0', '0', '0', 'PRIMARY'"))
        .collect();
    let default = "'default', 't', 'ascii10', 'k', 'c2', '0', '0', '0', 'PRIMARY'";
    let containers: Vec<_> = std::iter::once(default).chain(containers.iter().map(String::as_str)).collect();
    let host = host_with(&HostConfig::new(), &tables, &containers);
    let mut client = host.client();
    for (value, suits) in [
        (&b"abc"[..], &["utf8mb4", "utf8mb3", "ascii", "latin1"][..]),
        ("\u{e9}".as_bytes(), &["utf8mb4", "utf8mb3", "latin1"]),
        ("x\u{20ac}y".as_bytes(), &["utf8mb4", "utf8mb3", "latin1"]),
        ("\u{1f600}".as_bytes(), &["utf8mb4", "latin1"]),
        (b"\xff", &["latin1"]),
        (b"ab\xff", &["latin1"]),
        (b"ab\xc3", &["latin1"]),
    ] {
        for (name, set, _) in &names {
            let key = format!("@@{name}.k");
            client.ask(format!("set {key} 0 0 3\r\nold\r\n"), "STORED\r\n");
            client.send([format!("set {key} 0 0 {}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat());
            let shown = value.escape_ascii();
            let (reply, kept) = match suits.contains(set) {
                true => ("STORED", value),
                false => ("SERVER_ERROR value does not suit the character set of column c2", &b"old"[..]),
            };
            assert_eq!(client.read_line(), reply, "{shown} in {name}");
            let answer = [format!("VALUE {key} 0 {}\r\n", kept.len()).as_bytes(), kept, b"\r\nEND\r\n"].concat();
            client.ask(format!("get {key}\r\n"), answer);
        }
    }
    host.wait_log("does not suit the character set of column c2");
    assert!(host.log().contains("container "), "{}", host.log());
    // SQL judges alike.
    for (name, set, _) in &names {
        for (text, c) in [("\u{e9}", '\u{e9}'), ("\u{1f600}", '\u{1f600}')] {
            let has = match *set {
                "utf8mb4" => true,
                "utf8mb3" => c < '\u{10000}',
                "latin1" => c < '\u{100}',
                _ => false,
            };
            let done = host.sql(&format!("REPLACE INTO t.{name} VALUES ('s', '{text}')"));
            assert_eq!(done.is_ok(), has, "{text} in {name}: {done:?}");
        }
    }
    // They outlive a restart.
    assert!(host.rows("SHOW CREATE TABLE t.utf8mb310")[0][1].contains("CHARACTER SET utf8mb3"));
}

/// As the server does: its columns have no case. An integer that is NULL is an empty field, in both directions.
#[test]
fn column_names_have_no_case_and_integers_may_be_null() {
    let host = host_with(
        &HostConfig::new(),
        "CREATE TABLE m (Id INT PRIMARY KEY, a VARCHAR(9), n INT, b VARCHAR(9), m INT NOT NULL, Flags INT, CAS BIGINT UNSIGNED);",
        &["'default', 't', 'm', 'iD', 'A|N|B|M', 'fLAGS', 'cas', '0', 'primary'"],
    );
    let mut client = host.client();
    run(
        &mut client,
        &[
            ("set 1 7 0 6\r\nx||y|5\r\nget 1\r\n", "STORED\r\nVALUE 1 7 6\r\nx||y|5\r\nEND\r\n"),
            ("set 1 7 0 7\r\nx|2|y|5\r\n", "STORED\r\n"),
            ("set 1 7 0 5\r\nx|2|y\r\n", "SERVER_ERROR"),
        ],
    );
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
