//! What the original plugin got wrong and this one mends, one test for each, named after it.

use crate::common::{Client, Host, HostConfig, INSTALL};

/// A host with the default container over a table with two value columns, a column that is not mapped, flags, cas and
/// expiry, and the container `other` over a table like it.
fn host() -> Host {
    let host = HostConfig::new().option("-p 0 -t 2").start();
    host.sql(
        "UNINSTALL PLUGIN daemon_memcached;
         CREATE DATABASE t;
         CREATE TABLE t.m (k VARCHAR(20) PRIMARY KEY, a VARCHAR(10), b VARCHAR(10), own VARCHAR(10), f INT, c BIGINT UNSIGNED, e INT);
         CREATE TABLE t.o (k VARCHAR(20) PRIMARY KEY, v VARCHAR(10), f INT, c BIGINT UNSIGNED, e INT);
         DELETE FROM innodb_memcache.containers;
         INSERT INTO innodb_memcache.containers VALUES ('default', 't', 'm', 'k', 'a,b', 'f', 'c', 'e', 'PRIMARY');
         INSERT INTO innodb_memcache.containers VALUES ('other', 't', 'o', 'k', 'v', 'f', 'c', 'e', 'PRIMARY');",
    )
    .unwrap();
    host.sql(INSTALL).unwrap();
    host
}

fn row(host: &Host, key: &str) -> Vec<String> {
    host.rows(&format!("SELECT a, b, own, f FROM t.m WHERE k = '{key}'")).remove(0)
}

fn cas_of(client: &mut Client, key: &str) -> u64 {
    client.send(format!("gets {key}\r\n"));
    let reply = String::from_utf8(client.read_reply()).unwrap();
    reply.lines().next().unwrap().rsplit(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{reply}"))
}

#[test]
fn configuration_errors_refuse_the_install_and_name_row_column_and_rule() {
    let host = host();
    host.sql("UNINSTALL PLUGIN daemon_memcached; UPDATE innodb_memcache.containers SET key_columns = 'zz' WHERE name = 'other'").unwrap();
    let error = host.sql(INSTALL).unwrap_err();
    assert!(["other", "key_columns", "zz", "t.o"].iter().all(|part| error.message.contains(part)), "{error}");
    assert_eq!(host.rows("SHOW PLUGINS").iter().filter(|row| row[0] == "daemon_memcached").count(), 0);
}

#[test]
fn a_bad_user_or_a_taken_port_never_ends_the_host() {
    let host = host();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let option = format!("-p {} -u nobody-of-that-name", taken.local_addr().unwrap().port());
    let other = HostConfig::new().bare().arg(format!("--daemon-memcached-option={option}")).start();
    other
        .sql(&std::fs::read_to_string(crate::common::root().join("sql/innodb_memcached_config.sql")).unwrap())
        .unwrap();
    let error = other.sql(INSTALL).unwrap_err();
    assert!(error.message.contains("cannot listen on 127.0.0.1"), "{error}");
    assert_eq!(other.rows("SELECT 1"), [["1"]]);
    host.client().ask("get none\r\n", "END\r\n");
}

#[test]
fn incr_decr_append_and_prepend_keep_the_other_columns() {
    let host = host();
    let mut client = host.client();
    client.ask("set k 0 0 3\r\n5|x\r\n", "STORED\r\n");
    host.sql("UPDATE t.m SET own = 'mine'").unwrap();
    client.ask("incr k 2\r\ndecr k 1\r\n", "7\r\n6\r\n");
    assert_eq!(row(&host, "k"), ["6", "x", "mine", "0"]);
    client.ask("append k 1 0 1\r\ny\r\nprepend k 0 0 1\r\n1\r\n", "STORED\r\nSTORED\r\n");
    assert_eq!(row(&host, "k"), ["16", "xy", "mine", "0"]);
    client.ask("set k 0 0 3\r\n1|2\r\n", "STORED\r\n");
    assert_eq!(row(&host, "k"), ["1", "2", "mine", "0"]);
}

#[test]
fn counters_are_64_bits_wide_and_numbers_only() {
    let host = host();
    let mut client = host.client();
    client.ask("set @@other.n 0 0 1\r\n1\r\nincr n 4294967296\r\n", "STORED\r\n4294967297\r\n");
    client.ask("set n 0 0 3\r\nabc\r\n", "STORED\r\n");
    client.ask("incr n 1\r\n", "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n");
    client.ask("get n\r\n", "VALUE n 0 3\r\nabc\r\nEND\r\n");
}

#[test]
fn expired_is_absent_for_every_command_and_add_stores() {
    let host = host();
    let mut client = host.client();
    for command in [
        "get k\r\n",
        "gets k\r\n",
        "gat 0 k\r\n",
        "incr k 1\r\n",
        "touch k 0\r\n",
        "replace k 0 0 1\r\nx\r\n",
        "cas k 0 0 1 1\r\nx\r\n",
    ] {
        client.ask("set k 0 -1 1\r\n1\r\n", "STORED\r\n");
        client.send(command);
        let reply = client.read_reply();
        assert!([&b"END\r\n"[..], b"NOT_FOUND\r\n", b"NOT_STORED\r\n"].contains(&&reply[..]), "{command}");
    }
    client.ask("delete k\r\n", "NOT_FOUND\r\n");
    client.ask("set k 0 -1 1\r\n1\r\nadd k 0 0 1\r\n2\r\nget k\r\n", "STORED\r\nSTORED\r\nVALUE k 0 1\r\n2\r\nEND\r\n");
}

#[test]
fn an_over_long_key_or_value_is_refused_and_nothing_stored() {
    let host = host();
    let mut client = host.client();
    client.ask("set k 0 0 12\r\n12345678901|\r\n", "SERVER_ERROR object too large for cache\r\n");
    client.ask("set a-key-of-more-than-twenty 0 0 1\r\nx\r\n", "SERVER_ERROR object too large for cache\r\n");
    host.wait_log("column");
    assert_eq!(host.rows("SELECT COUNT(*) FROM t.m"), [["0"]]);
}

#[test]
fn every_separator_counts() {
    let host = host();
    let mut client = host.client();
    client.ask("set k 0 0 2\r\n|b\r\nget k\r\n", "STORED\r\nVALUE k 0 2\r\n|b\r\nEND\r\n");
    assert_eq!(row(&host, "k")[..2], ["", "b"]);
    client.ask("set k 0 0 2\r\na|\r\nget k\r\n", "STORED\r\nVALUE k 0 2\r\na|\r\nEND\r\n");
    assert_eq!(row(&host, "k")[..2], ["a", ""]);
    client.ask("set k 0 0 1\r\na\r\nget k\r\n", "STORED\r\nVALUE k 0 1\r\na\r\nEND\r\n");
    assert_eq!(row(&host, "k")[..2], ["a", "NULL"]);
}

#[test]
fn cas_numbers_are_unique_across_restarts() {
    let config = HostConfig::new();
    let host = config.start();
    let mut client = host.client();
    client.ask("set k 0 0 1\r\nx\r\n", "STORED\r\n");
    let old = cas_of(&mut client, "k");
    host.kill9();
    let host = config.start();
    let mut client = host.client();
    client.ask("set k 0 0 1\r\ny\r\n", "STORED\r\n");
    assert!(cas_of(&mut client, "k") > old);
    client.ask(format!("cas k 0 0 1 {old}\r\nz\r\n"), "EXISTS\r\n");
}

#[test]
fn every_command_and_every_key_resolves_its_mapping() {
    let host = host();
    let mut client = host.client();
    client.ask("set @@other.n 0 0 1\r\n1\r\nset @@default.n 0 0 1\r\n5\r\n", "STORED\r\nSTORED\r\n");
    client.ask("incr @@other.n 1\r\ndecr @@default.n 1\r\ntouch @@other.n 0\r\n", "2\r\n4\r\nTOUCHED\r\n");
    client.ask(
        "get @@default.n @@other.n n @@default.n\r\n",
        "VALUE @@default.n 0 1\r\n4\r\nVALUE @@other.n 0 1\r\n2\r\nVALUE n 0 1\r\n2\r\nVALUE @@default.n 0 1\r\n4\r\nEND\r\n",
    );
    client.ask("delete @@other.n\r\nget @@default.n @@other.n\r\n", "DELETED\r\nVALUE @@default.n 0 1\r\n4\r\nEND\r\n");
}

#[test]
fn flush_all_empties_the_bound_container_only() {
    let host = host();
    let mut client = host.client();
    client.ask("set @@default.k 0 0 1\r\na\r\nset @@other.k 0 0 1\r\nb\r\nflush_all\r\n", "STORED\r\nSTORED\r\nOK\r\n");
    assert_eq!(
        (host.rows("SELECT COUNT(*) FROM t.m"), host.rows("SELECT COUNT(*) FROM t.o")),
        (vec![vec!["1".into()]], vec![vec!["0".into()]])
    );
    let refusing = HostConfig::new().option("-p 0 -F").start();
    refusing.client().ask(
        "set k 0 0 1\r\nx\r\nflush_all\r\nget k\r\n",
        "STORED\r\nCLIENT_ERROR flush_all not allowed\r\nVALUE k 0 1\r\nx\r\nEND\r\n",
    );
}

#[test]
fn a_failed_operation_undoes_only_itself() {
    let host = HostConfig::new().option("-p 0 -t 1").arg("--daemon-memcached-w-batch-size=100").start();
    let mut client = host.client();
    client.ask(
        "set a 0 0 1\r\n1\r\nadd a 0 0 1\r\n2\r\nset b 0 0 1\r\nx\r\nincr b 1\r\ncas a 0 0 1 1\r\n3\r\nset c 0 0 1\r\n4\r\n",
        "STORED\r\nNOT_STORED\r\nSTORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\nEXISTS\r\nSTORED\r\n",
    );
    host.sql("UNINSTALL PLUGIN daemon_memcached").unwrap();
    assert_eq!(
        host.rows("SELECT `key`, value FROM memcached.cache ORDER BY `key`"),
        [["a", "1"], ["b", "x"], ["c", "4"]]
    );
}

#[test]
fn a_containers_name_answers_every_time_and_unknown_names_are_looked_up_again() {
    let host = host();
    let mut client = host.client();
    client.ask(
        "get @@other\r\nget @@other\r\n",
        "VALUE @@other 0 3\r\nt/o\r\nEND\r\nVALUE @@other 0 3\r\nt/o\r\nEND\r\n",
    );
    client.ask("get @@late\r\n", "END\r\n");
    host.sql("INSERT INTO innodb_memcache.containers VALUES ('late', 't', 'o', 'k', 'v', 'f', 'c', 'e', 'PRIMARY')")
        .unwrap();
    // Once a second.
    let start = std::time::Instant::now();
    loop {
        client.send("get @@late\r\n");
        match client.read_reply().as_slice() {
            b"END\r\n" => assert!(start.elapsed().as_secs() < 10, "it is not found"),
            reply => break assert_eq!(reply, b"VALUE @@late 0 3\r\nt/o\r\nEND\r\n"),
        }
    }
}

#[test]
fn it_listens_on_the_loopback_interface_only() {
    let host = host();
    let listening = host.status("Daemon_memcached_listening").unwrap();
    assert!(listening.starts_with("127.0.0.1:") && !listening.contains(','), "{listening}");
}
