//! Containers whose keys are looked up by a secondary index, nullable ones too.

use crate::common::packets::{self, PacketClient};
use crate::common::scripts::SCRIPTS;
use crate::common::{Host, HostConfig, PATIENCE, ranges};
use std::time::{Duration, Instant};

/// The default container over a table with a secondary index on a key column that may be NULL. (Its primary key must be mapped, or no
/// row could be inserted: the cas numbers are one.)
fn host() -> Host {
    let host = HostConfig::new().option("-p 0 -t 2").start();
    host.sql(
        "UNINSTALL PLUGIN daemon_memcached; DROP TABLE memcached.cache;
         CREATE TABLE memcached.cache (`key` VARBINARY(250), value LONGBLOB, flags INT UNSIGNED NOT NULL, cas BIGINT UNSIGNED PRIMARY KEY,
           expiry INT UNSIGNED NOT NULL, UNIQUE KEY by_key (`key`));
         INSERT INTO memcached.cache VALUES (NULL, 'nobody', 0, 1, 1), (NULL, 'nobody', 0, 2, 1);
         UPDATE innodb_memcache.containers SET unique_idx_name_on_key = 'by_key' WHERE name = 'default';
         INSTALL PLUGIN daemon_memcached SONAME 'daemon_memcached.so'",
    )
    .unwrap();
    host
}

#[test]
fn every_script_answers_as_on_a_primary_key() {
    let host = host();
    for (name, script) in SCRIPTS {
        println!("{name}");
        let mut client = host.client();
        for (send, expect) in *script {
            client.ask(send, expect);
        }
    }
    host.sql("DELETE FROM memcached.cache WHERE `key` >= ''").unwrap();
    for (name, script) in packets::SCRIPTS {
        println!("{name}");
        let mut client = PacketClient::new(host.client());
        for (send, expect) in *script {
            client.ask(send, expect);
        }
    }
}

#[test]
fn ranges_and_sweeps_meet_each_key_once_and_no_row_without_a_key() {
    let host = host();
    ranges::check(&mut host.client());
    let count = |condition: &str| {
        host.rows(&format!("SELECT COUNT(*) FROM memcached.cache WHERE {condition}")).remove(0).remove(0)
    };
    host.sql("UPDATE memcached.cache SET expiry = 1 WHERE `key` >= 'r'; SET GLOBAL daemon_memcached_expire_sweep_interval = 1")
        .unwrap();
    let start = Instant::now();
    while count("`key` >= 'r'") != "0" {
        assert!(start.elapsed() < PATIENCE, "no sweep: {}", host.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!((count("`key` IS NULL"), count("`key` < 'r'")), ("2".into(), "6".into()));
}
