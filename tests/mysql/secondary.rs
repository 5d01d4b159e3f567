//! Containers whose keys are looked up by a secondary index, on a real server.

use crate::common::packets::{self, PacketClient};
use crate::common::ranges;
use crate::common::scripts::SCRIPTS;
use crate::server::{Config, wait};

const CACHE: &str = "DROP TABLE memcached.cache;
    CREATE TABLE memcached.cache (id INT AUTO_INCREMENT PRIMARY KEY, `key` VARBINARY(250), value LONGBLOB,
      flags INT UNSIGNED NOT NULL DEFAULT 0, cas BIGINT UNSIGNED NOT NULL DEFAULT 0, expiry INT UNSIGNED NOT NULL DEFAULT 0,
      UNIQUE KEY by_key (`key`));
    INSERT INTO memcached.cache (`key`, value, expiry) VALUES (NULL, 'nobody', 1), (NULL, 'nobody', 1);
    UPDATE innodb_memcache.containers SET unique_idx_name_on_key = 'by_key' WHERE name = 'default'";

/// Container, columns beside `v MEDIUMBLOB`.
const TABLES: [(&str, &str); 4] = [
    ("words", "id INT AUTO_INCREMENT PRIMARY KEY, k VARCHAR(20) NOT NULL, UNIQUE KEY by_k (k)"),
    ("latin", "id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, k CHAR(20) CHARACTER SET latin1, UNIQUE KEY by_k (k)"),
    (
        "composite",
        "id INT AUTO_INCREMENT, part VARCHAR(5) NOT NULL DEFAULT 'p', k VARCHAR(20) NOT NULL, PRIMARY KEY (part, id), KEY (id),
         UNIQUE KEY by_k (k)",
    ),
    ("promoted", "k VARCHAR(20) CHARACTER SET utf8mb3 NOT NULL, UNIQUE KEY by_k (k)"),
];

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn a_secondary_index_answers_as_a_primary_key() {
    let config = Config::new().arg("--loose-daemon-memcached-option=-p 0 -t 2");
    let server = config.start();
    server.script("innodb_memcached_config.sql");
    server.script("default_container.sql");
    server.sql(CACHE);
    for (name, columns) in TABLES {
        server.sql(&format!(
            "CREATE TABLE test.{name} ({columns}, v MEDIUMBLOB);
             INSERT INTO innodb_memcache.containers VALUES ('{name}', 'test', '{name}', 'k', 'v', '0', '0', '0', 'by_k')"
        ));
    }
    server.install().unwrap();
    for (name, script) in SCRIPTS {
        println!("{name}");
        let mut client = server.client();
        for (send, expect) in *script {
            client.ask(send, expect);
        }
    }
    server.sql("DELETE FROM memcached.cache WHERE `key` IS NOT NULL");
    for (name, script) in packets::SCRIPTS {
        println!("{name}");
        let mut client = PacketClient::new(server.client());
        for (send, expect) in *script {
            client.ask(send, expect);
        }
    }
    for (name, _) in TABLES {
        println!("ranges of {name}");
        let mut client = server.client();
        client
            .ask(format!("get @@{name}\r\n"), format!("VALUE @@{name} 0 {}\r\ntest/{name}\r\nEND\r\n", name.len() + 5));
        ranges::check(&mut client);
        // Another spelling of a bound is the bound.
        client.send("get @>L3@<=l4\r\n");
        let reply = String::from_utf8(client.read_reply()).unwrap();
        assert!(reply.starts_with("VALUE l4 ") && reply.matches("VALUE").count() == 1, "{name}: {}", &reply[..20]);
    }
    server.sql("DELETE FROM memcached.cache WHERE `key` IS NOT NULL");
    let mut client = server.client();
    ranges::check(&mut client);
    server.sql("UPDATE memcached.cache SET expiry = 1 WHERE `key` >= 'r'; SET GLOBAL daemon_memcached_expire_sweep_interval = 1");
    let count = |condition: &str| server.sql(&format!("SELECT COUNT(*) FROM memcached.cache WHERE {condition}"));
    wait("the sweep", || count("`key` >= 'r'") == "0", || server.log());
    assert_eq!((count("`key` IS NULL"), count("`key` < 'r'")), ("2".into(), "6".into()));
}
