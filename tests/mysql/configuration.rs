//! How the daemon reads its configuration in a server: in a session of its own, on demand, each container for itself.

use crate::server::{Config, Mysqld, either, wait};

const RELOAD: &str = "SET GLOBAL daemon_memcached_reload_containers = ON";

/// A table test.NAME and its container.
fn container(server: &Mysqld, name: &str) {
    server.sql(&format!(
        "CREATE TABLE test.{name} (k VARCHAR(20) PRIMARY KEY, v VARCHAR(20));
         INSERT INTO innodb_memcache.containers VALUES ('{name}', 'test', '{name}', 'k', 'v', '0', '0', '0', 'PRIMARY')"
    ));
}

#[test]
#[ignore = "needs a server: tests/run --mysql"]
fn a_container_that_is_found_while_a_batch_is_open_leaves_the_batch_alone() {
    let config =
        Config::new().arg("--loose-daemon-memcached-option=-p 0 -t 1").arg("--loose-daemon-memcached-w-batch-size=100");
    let server = config.start();
    server.set_up();
    let (name, position) = server.binary_log();
    let (mut writer, mut other) = (server.client(), server.client());
    writer.ask("set a 0 0 1\r\n1\r\n", "STORED\r\n");
    container(&server, "found");
    other.ask("get @@found.x\r\n", "END\r\n");
    writer.ask("set b 0 0 1\r\n2\r\n", "STORED\r\n");
    container(&server, "ordered");
    server.sql(RELOAD);
    other.ask("get @@ordered.x\r\n", "END\r\n");
    writer.ask("set c 0 0 1\r\n3\r\n", "STORED\r\n");
    drop(writer);
    let rows =
        || server.sql("SELECT GROUP_CONCAT(`key` ORDER BY `key`) FROM memcached.cache WHERE value IN ('1', '2', '3')");
    wait("the batch's commit", || rows() == "a,b,c", || server.log());
    let events = server.sql(&format!("SHOW BINLOG EVENTS IN '{name}' FROM {position}"));
    let written = events.lines().filter(|event| event.contains("memcached.cache")).count();
    assert_eq!(written, 3, "not every set is in the binary log:\n{events}");
}

#[test]
#[ignore = "needs a server: tests/run --mysql"]
fn reloads_are_orders_and_containers_stand_alone() {
    let config = Config::new().arg("--loose-daemon-memcached-option=-p 0 -t 2");
    let server = config.start();
    server.set_up();
    container(&server, "b");
    container(&server, "c");
    server.sql(RELOAD);
    assert_eq!(server.status("Daemon_memcached_reload_status"), "done");
    let mut client = server.client();
    client.ask("set @@b.k 0 0 1\r\n1\r\nset @@c.k 0 0 1\r\n2\r\n", "STORED\r\nSTORED\r\n");
    // A broken one answers with its reason, the others serve, and follow their tables.
    server.sql("DROP TABLE test.b; ALTER TABLE test.c ADD COLUMN note VARCHAR(10)");
    let reason = "container b: table test.b not found or not a base table";
    for _ in 0..20 {
        client.ask("get k\r\nget @@b.k\r\n", format!("VALUE k 0 1\r\n2\r\nEND\r\nSERVER_ERROR {reason}\r\n"));
        client.ask("set k 0 0 1\r\nx\r\nbind c\r\n", format!("SERVER_ERROR {reason}\r\nSUCCEED\r\n"));
    }
    wait("the status variable", || server.status("Daemon_memcached_refused_containers") == reason, || server.log());
    let error = server.try_sql(RELOAD).unwrap_err();
    assert!(error.contains(reason), "{error}");
    assert_eq!(server.status("Daemon_memcached_reload_status"), format!("{reason}; all others were read again"));
    assert_eq!(server.log().matches(&format!("{reason}; its clients")).count(), 1, "{}", server.log());
    // INSTALL names all of them.
    server.sql("ALTER TABLE test.c DROP COLUMN v; UNINSTALL PLUGIN daemon_memcached");
    let error = server.install().unwrap_err();
    assert!(error.contains(reason) && error.contains("container c: value_columns names column v"), "{error}");
    server.sql(
        "CREATE TABLE test.b (k VARCHAR(20) PRIMARY KEY, v VARCHAR(20)); ALTER TABLE test.c ADD COLUMN v VARCHAR(20)",
    );
    server.install().unwrap();
    // What takes effect does so before the statement ends.
    let mut clients: Vec<_> = (0..4).map(|_| server.client()).collect();
    clients.iter_mut().for_each(|client| client.ask("bind b\r\n", "SUCCEED\r\n"));
    server.sql("INSERT INTO test.b VALUES ('k', 'b'); UPDATE test.c SET v = 'c'");
    for table in ["c", "b", "c", "b"] {
        server.sql(&format!("UPDATE innodb_memcache.containers SET db_table = '{table}' WHERE name = 'b'; {RELOAD}"));
        for client in &mut clients {
            client.ask("get k\r\n", format!("VALUE k 0 1\r\n{table}\r\nEND\r\n"));
        }
    }
    server.sql(&format!("DELETE FROM innodb_memcache.containers WHERE name = 'b'; {RELOAD}"));
    clients[0].ask("get k\r\nset k 0 0 1\r\nx\r\n", "END\r\nCLIENT_ERROR no such container\r\n");
}

#[test]
#[ignore = "needs a server: tests/run --mysql"]
fn prepared_statements_are_given_back() {
    let config = Config::new().arg("--loose-daemon-memcached-option=-p 0 -t 2");
    let server = config.start();
    server.set_up();
    container(&server, "altered");
    server.sql(RELOAD);
    let mut clients = [server.client(), server.client()];
    let prepared = || {
        server.sql("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'").split_once('\t').unwrap().1.parse::<u32>().unwrap()
    };
    let mut counts = Vec::new();
    for round in 0..25 {
        let column = format!("ALTER TABLE test.altered ADD COLUMN c{round} INT");
        server.sql(&column);
        for client in &mut clients {
            client.send(
                "set @@altered.n 0 0 1\r\n1\r\nadd n 0 0 1\r\n1\r\nincr n 1\r\ndelete n\r\nappend n 0 0 1\r\nx\r\n",
            );
            (0..5).for_each(|_| drop(client.read_line()));
        }
        counts.push(prepared());
    }
    let (early, late) = (counts[4], counts[24]);
    assert!(late <= early + 10, "statements pile up: {counts:?}");
    // Those of a container that is gone go too.
    let before = prepared();
    server.sql(&format!("DELETE FROM innodb_memcache.containers WHERE name = 'altered'; {RELOAD}"));
    assert!(prepared() < before || before == 0, "{before} statements stay; {}", either("MySQL", "MariaDB"));
}
