//! From memcached-host into a real server, with the commands of `docs/moving.md`.

use crate::common::{HostConfig, root};
use crate::server::{Config, Mysqld, is_mariadb};
use std::io::Write;
use std::process::{Command, Stdio};

const REQUESTS: &[(&[u8], &[u8])] = &[
    (b"gets cart:17\r\n", b"VALUE cart:17 42 8 7\r\n\x00\xff\n\r'I'\\\r\nEND\r\n"),
    (
        b"get cart:18 Cart:18 later gone\r\n",
        b"VALUE cart:18 0 0\r\n\r\nVALUE Cart:18 4294967295 1\r\nx\r\nVALUE later 0 2\r\nok\r\nEND\r\n",
    ),
    (
        "get @@goods.gr\u{f6}\u{df}e\r\n".as_bytes(),
        "VALUE @@goods.gr\u{f6}\u{df}e 0 9\r\n\u{1f600}||12|\r\nEND\r\n".as_bytes(),
    ),
    (b"incr @@goods.n 1\r\n", b"18446744073709551615\r\n"),
];

/// Runs what another server's dump has.
fn load(server: &Mysqld, dump: &[u8]) {
    let mut loading = server.client_command().stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A client that refuses stops reading, and says why.
    let _ = loading.stdin.take().unwrap().write_all(dump);
    let run = loading.wait_with_output().unwrap();
    assert!(run.status.success(), "{}\n{}", String::from_utf8_lossy(&run.stderr), server.log());
}

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn a_dump_of_the_bundled_host_serves_in_a_server() {
    let here = HostConfig::new();
    let host = here.start();
    host.sql(
        "CREATE DATABASE shop;
         CREATE TABLE shop.carts (id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, body MEDIUMBLOB, flags INT UNSIGNED,
           cas BIGINT UNSIGNED, expiry INT, KEY by_expiry (expiry));
         CREATE TABLE shop.goods (name VARCHAR(40) COLLATE utf8mb4_bin NOT NULL, label VARCHAR(20), note TEXT, stock INT, code VARCHAR(5),
           slot ENUM('a', 'b') DEFAULT 'b', UNIQUE KEY by_name (name), id BIGINT NOT NULL DEFAULT 7, PRIMARY KEY (id, name));
         DELETE FROM innodb_memcache.containers;
         INSERT INTO innodb_memcache.containers VALUES
           ('default', 'shop', 'carts', 'id', 'body', 'flags', 'cas', 'expiry', 'PRIMARY'),
           ('goods', 'shop', 'goods', 'name', 'label|note|stock|code', '0', '0', '0', 'by_name');
         INSERT INTO shop.carts VALUES ('cart:17', x'00FF0A0D2749275C', 42, 7, 0);
         SET GLOBAL daemon_memcached_reload_containers = ON",
    )
    .unwrap();
    let mut client = host.client();
    client.ask("set cart:18 0 0 0\r\n\r\nset Cart:18 4294967295 0 1\r\nx\r\n", "STORED\r\nSTORED\r\n");
    client.ask("set later 0 2000000000 2\r\nok\r\nset gone 0 -1 1\r\nx\r\n", "STORED\r\nSTORED\r\n");
    client.ask("set @@goods.gr\u{f6}\u{df}e 0 0 9\r\n\u{1f600}||12|\r\n", "STORED\r\n");
    client.ask("set @@goods.n 0 0 23\r\n18446744073709551614|||\r\n", "STORED\r\n");
    let page = std::fs::read_to_string(root().join("docs/moving.md")).unwrap();
    let (_, out) = page.split_once("## From here to MySQL 9.7").expect("the page's section on the way back");
    let command = out.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let dumped = Command::new("sh").args(["-ec", command]).current_dir(here.scratch()).output().unwrap();
    assert!(dumped.status.success(), "{}; apt-get install mariadb-client", String::from_utf8_lossy(&dumped.stderr));
    let mut dump = std::fs::read(here.scratch().join("back.sql")).unwrap();
    if dump.starts_with(b"/*M!999999") && !is_mariadb() {
        // As the page says.
        let first = dump.iter().position(|byte| *byte == b'\n').unwrap();
        dump.drain(..=first);
    }

    let config = Config::new();
    let server = config.start();
    load(&server, &dump);
    server.install().unwrap_or_else(|error| panic!("{error}\n{}", server.log()));
    for (request, reply) in REQUESTS {
        host.client().ask(request, reply);
        server.client().ask(request, reply);
    }
    assert_eq!(server.sql("SELECT expiry FROM shop.carts WHERE id = 'later'"), "2000000000");
    assert_eq!(server.sql("SELECT slot, id FROM shop.goods WHERE name = 'n'"), "NULL\t7");
    server.client().ask("set cart:19 0 0 1\r\nx\r\nget cart:19\r\n", "STORED\r\nVALUE cart:19 0 1\r\nx\r\nEND\r\n");
}
