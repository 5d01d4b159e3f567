//! The scripts of `sql/`, and the recipe that users of the original know.

use crate::support::*;

const CONFIG: &str = include_str!("../../sql/innodb_memcached_config.sql");
const DEFAULT: &str = include_str!("../../sql/default_container.sql");

#[test]
fn both_scripts_twice() {
    let engine = Engine::new();
    let session = engine.session();
    let mut first = None;
    for _ in 0..2 {
        session.ok(CONFIG);
        session.ok(DEFAULT);
        let now = [
            session.ok("SELECT * FROM innodb_memcache.containers"),
            session.ok("SELECT * FROM innodb_memcache.cache_policies"),
            session.ok("SELECT * FROM innodb_memcache.config_options"),
            session.ok("SELECT * FROM test.demo_test"),
            session.ok("DESC memcached.cache"),
        ];
        assert_eq!(*first.get_or_insert_with(|| now.clone()), now);
    }
    assert_eq!(
        first.unwrap(),
        [
            "aaa|test|demo_test|c1|c2|c3|c4|c5|PRIMARY\ndefault|memcached|cache|key|value|flags|cas|expiry|PRIMARY",
            "cache_policy|innodb_only|innodb_only|innodb_only|innodb_only",
            "separator||\ntable_map_delimiter|.",
            "AA|HELLO, HELLO|8|0|0",
            "key|varbinary(250)|NO|PRI|NULL|\nvalue|longblob|YES||NULL|\nflags|int unsigned|NO||0|\n\
             cas|bigint unsigned|NO||0|\nexpiry|int unsigned|NO||0|",
        ]
    );
    assert_eq!(session.ok("SHOW TABLES FROM innodb_memcache"), "cache_policies\nconfig_options\ncontainers");
}

#[test]
fn the_articles_recipe() {
    let engine = Engine::new();
    let session = engine.session();
    session.ok(CONFIG);
    session.ok(
        "CREATE DATABASE store;
         USE store;
         CREATE TABLE cache (item_key VARCHAR(1024) NOT NULL, item_data MEDIUMBLOB, flags INT, cas BIGINT UNSIGNED, expiry INT,PRIMARY KEY(item_key));

         CREATE USER shop IDENTIFIED BY 'secret';
         GRANT SELECT ON store.* TO shop;

         USE innodb_memcache;
         DELETE FROM containers;
         INSERT INTO containers (name, db_schema, db_table, key_columns, value_columns, flags, cas_column, expire_time_column, unique_idx_name_on_key) VALUES ('default', 'store', 'cache', 'item_key', 'item_data', 'flags', 'cas', 'expiry', 'PRIMARY');",
    );
    assert_eq!(
        session.ok("SELECT * FROM containers"),
        "default|store|cache|item_key|item_data|flags|cas|expiry|PRIMARY"
    );
}
