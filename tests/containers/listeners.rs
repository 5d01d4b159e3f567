//! Listeners that decide where the keys of their clients may lead.

use crate::common::{Client, Host, HostConfig};

const SCHEMA: &str = "
    CREATE DATABASE shop;
    CREATE TABLE shop.carts (id VARCHAR(64) NOT NULL PRIMARY KEY, body VARCHAR(1000));
    INSERT INTO innodb_memcache.containers VALUES ('carts', 'shop', 'carts', 'id', 'body', '0', '0', '0', 'PRIMARY');";

/// A host with the container `carts`, restarted with these listeners.
fn host(config: &HostConfig, option: &str) -> Host {
    let first = config.start();
    first.sql(SCHEMA).unwrap();
    assert!(first.terminate().success());
    config.clone().option(option).start()
}

fn rows(host: &Host, what: &str) -> Vec<Vec<String>> {
    host.rows(&format!("SELECT {what}"))
}

fn run(client: &mut Client, table: &[(&str, &str)]) {
    for (send, expect) in table {
        client.ask(send, expect);
    }
}

/// What a client sees whose mapped keys count for themselves only.
const PER_KEY: &[(&str, &str)] = &[
    ("set @@carts.x 0 0 1\r\na\r\nset x 0 0 1\r\nb\r\n", "STORED\r\nSTORED\r\n"),
    ("get @@carts.x\r\nget x\r\n", "VALUE @@carts.x 0 1\r\na\r\nEND\r\nVALUE x 0 1\r\nb\r\nEND\r\n"),
    (
        "get @@carts.x x @@carts.x\r\n",
        "VALUE @@carts.x 0 1\r\na\r\nVALUE x 0 1\r\nb\r\nVALUE @@carts.x 0 1\r\na\r\nEND\r\n",
    ),
    ("get @@carts\r\nget x\r\n", "VALUE @@carts 0 10\r\nshop/carts\r\nEND\r\nVALUE x 0 1\r\nb\r\nEND\r\n"),
    ("mg @@carts.x v\r\nmg x v\r\nms @@carts.m 1\r\n1\r\nmg m v\r\n", "VA 1\r\na\r\nVA 1\r\nb\r\nHD\r\nEN\r\n"),
    ("incr @@carts.m 2\r\nincr m 1\r\ndelete @@carts.m\r\n", "3\r\nNOT_FOUND\r\nDELETED\r\n"),
    (
        "bind carts\r\nget x\r\n",
        "CLIENT_ERROR bind is off here: connections of this listener keep their container\r\nVALUE x 0 1\r\nb\r\nEND\r\n",
    ),
    ("set @@none.x 0 0 1\r\na\r\nget x\r\n", "CLIENT_ERROR no such container\r\nVALUE x 0 1\r\nb\r\nEND\r\n"),
];

#[test]
fn without_sticky_mapping_a_mapped_key_counts_for_itself() {
    let config = HostConfig::new();
    let host = host(&config, "-p 0 -o sticky_mapping=no");
    run(&mut host.client(), PER_KEY);
    assert_eq!(rows(&host, "id, body FROM shop.carts"), [["x", "a"]]);
    assert_eq!(rows(&host, "`key`, value FROM memcached.cache"), [["x", "b"]]);
}

#[test]
fn each_listener_decides_for_itself() {
    let config = HostConfig::new();
    let socket = config.scratch().join("carts.sock");
    let listeners = format!("-l 127.0.0.1:0,sticky_mapping=no:127.0.0.1:0,container=carts:{}", socket.display());
    let host = host(&config, &listeners);
    let ports = host.ports();
    assert_eq!(ports.len(), 2, "{listeners}");
    run(&mut Client::connect(ports[1]), PER_KEY);
    // The first switches as ever.
    let mut client = Client::connect(ports[0]);
    run(
        &mut client,
        &[
            ("get @@carts.x\r\nget x\r\n", "VALUE @@carts.x 0 1\r\na\r\nEND\r\nVALUE x 0 1\r\na\r\nEND\r\n"),
            ("bind default\r\nget x\r\n", "SUCCEED\r\nVALUE x 0 1\r\nb\r\nEND\r\n"),
        ],
    );
    // The third has one container, whatever a key says.
    let mut client = Client::connect_unix(&socket);
    run(
        &mut client,
        &[
            ("get x\r\nget @@carts.x\r\n", "VALUE x 0 1\r\na\r\nEND\r\nVALUE @@carts.x 0 1\r\na\r\nEND\r\n"),
            ("get @@default.x\r\nget @@default\r\n", "END\r\nEND\r\n"),
            ("set @@default.x 0 0 1\r\nc\r\n", "CLIENT_ERROR no such container\r\n"),
            (
                "bind default\r\n",
                "CLIENT_ERROR bind is off here: connections of this listener keep their container\r\n",
            ),
            ("set y 0 0 1\r\nd\r\nget @>=a\r\n", "STORED\r\nVALUE x 0 1\r\na\r\nVALUE y 0 1\r\nd\r\nEND\r\n"),
        ],
    );
    assert_eq!(rows(&host, "`key`, value FROM memcached.cache"), [["x", "b"]]);
    // The row may go and come back; the listener means the name.
    host.sql("DELETE FROM innodb_memcache.containers WHERE name = 'carts'; SET GLOBAL daemon_memcached_reload_containers = ON").unwrap();
    client.ask("set y 0 0 1\r\ne\r\n", "CLIENT_ERROR no such container\r\n");
    host.sql("INSERT INTO innodb_memcache.containers VALUES ('carts', 'shop', 'carts', 'id', 'body', '0', '0', '0', 'PRIMARY'); SET GLOBAL daemon_memcached_reload_containers = ON").unwrap();
    client.ask("get y\r\n", "VALUE y 0 1\r\nd\r\nEND\r\n");
}

#[test]
fn listeners_of_unknown_containers_are_refused() {
    for (option, part) in [
        ("-p 0 -o container=none", "container=none"),
        ("-l container=none:127.0.0.1:0", "container=none for 127.0.0.1:0"),
        ("-p 0 -o sticky_mapping=perhaps", "sticky_mapping"),
        ("-p 0 -o container", "container needs"),
    ] {
        let error = HostConfig::new().option(option).try_start().err().unwrap_or_else(|| panic!("{option} was taken"));
        assert!(error.contains(part), "{option}: {error}");
    }
}
