//! A node of a Galera cluster: reads are served, and nothing is written that would stay on it.

use crate::common::free_port;
use crate::server::{Config, is_mariadb};

#[test]
#[ignore = "needs a MariaDB server: tests/run --mariadb"]
fn nothing_is_written_on_a_node_of_a_cluster() {
    if !is_mariadb() {
        return;
    }
    let config = Config::new()
        .arg("--wsrep-on=ON")
        .arg("--wsrep-provider=/usr/lib/galera/libgalera_smm.so")
        .arg("--wsrep-cluster-address=gcomm://")
        .arg("--wsrep-node-address=127.0.0.1")
        .arg(format!("--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{}", free_port()))
        .arg("--binlog-format=ROW");
    let server = config.start();
    // Tables that are missing are not made either: they would be on this node only.
    let refused = server.install().expect_err("the tables are missing");
    assert!(refused.contains("Galera"), "{refused}");
    server.script("innodb_memcached_config.sql");
    server.install().unwrap();
    let mut client = server.client();
    client.ask("get AA\r\n", "VALUE AA 8 12\r\nHELLO, HELLO\r\nEND\r\n");
    for request in ["set a 0 0 1\r\nx\r\n", "delete AA\r\n", "append AA 0 0 1\r\nx\r\n", "flush_all\r\n"] {
        client.send(request);
        let reply = client.read_line();
        assert!(reply.starts_with("SERVER_ERROR") && reply.contains("Galera"), "{request:?}: {reply}");
    }
    client.ask("get AA a\r\n", "VALUE AA 8 12\r\nHELLO, HELLO\r\nEND\r\n");
    // Out of the cluster it is a server like others.
    server.sql("SET GLOBAL wsrep_on = OFF");
    client.ask("set a 0 0 1\r\nx\r\nget a\r\n", "STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n");
    server.shutdown();
}
