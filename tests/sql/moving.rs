//! The commands of `docs/moving.md`, run on dumps that other servers made.

use crate::common::{Host, HostConfig, root};
use std::process::Command;

/// The blocks of commands that the page has for this host, in its order.
fn commands() -> Vec<String> {
    let page = std::fs::read_to_string(root().join("docs/moving.md")).unwrap();
    let blocks = page.split("```sh\n").skip(1);
    blocks.map(|block| block.split_once("```").unwrap().0.to_owned()).collect()
}

/// Runs a block where the page says: beside `data`.
fn run(config: &HostConfig, block: &str) {
    let output = Command::new("sh").args(["-ec", block]).current_dir(config.scratch()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{block}: {told}; apt-get install mariadb-client");
}

/// What the dumps hold is served, byte for byte.
fn check(host: &Host) {
    let mut client = host.client();
    client.ask("gets cart:17\r\n", b"VALUE cart:17 42 8 7\r\n\x00\xff\n\r'I'\\\r\nEND\r\n");
    client.ask(
        "get cart:utf8mb4_0900_ai_ci\r\n",
        "VALUE cart:utf8mb4_0900_ai_ci 0 26\r\nCOLLATE=utf8mb4_0900_ai_ci\r\nEND\r\n",
    );
    client.ask(
        "get @@goods.a-1\r\n",
        b"VALUE @@goods.a-1 0 16\r\ngr\xc3\xb6\xc3\x9fe \xf0\x9f\x98\x80||5\xa3\r\nEND\r\n",
    );
    client.ask("get b-2\r\n", "VALUE b-2 1 19\r\nit's; -- a `name`|3\r\nEND\r\n");
    client.ask("set b-2 0 0 4\r\nx||4\r\n", "STORED\r\n");
    assert_eq!(host.rows("SELECT name, stock FROM shop.goods WHERE sku = 'b-2'"), [["x", "NULL"]]);
    client.ask("set b-2 1 0 19\r\nit's; -- a `name`|3\r\n", "STORED\r\n");
}

#[test]
fn dumps_of_other_servers_move_in_and_out_again() {
    let [into_here, out, ..] = &commands()[..] else { panic!("docs/moving.md has other blocks") };
    for dump in ["mysql-9.7.sql", "mariadb-11.8.sql"] {
        let config = HostConfig::new();
        let host = config.start();
        let text = std::fs::read(root().join("tests/sql/dumps").join(dump)).unwrap();
        // As it is, a key with another collation is refused, and the message says what to do.
        let refused = host.sql(&String::from_utf8(text.clone()).unwrap()).unwrap_err();
        assert!(refused.message.contains("COLLATE utf8mb4_bin"), "{dump}: {refused}");
        std::fs::write(config.scratch().join("dump.sql"), text).unwrap();
        run(&config, into_here);
        check(&host);
        run(&config, out);
        // What comes out goes into an empty host, with what clients have changed since.
        let other = HostConfig::new();
        let next = other.start();
        std::fs::copy(config.scratch().join("back.sql"), other.scratch().join("dump.sql")).unwrap();
        run(&other, into_here);
        check(&next);
    }
}
