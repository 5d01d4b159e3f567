//! The recipe of the article that this product answers to, typed as SQL.

use crate::common::HostConfig;

#[test]
fn the_articles_recipe_works_as_it_is_typed() {
    let config = HostConfig::new().bare().arg("--daemon-memcached-option=-p 0");
    let script = crate::common::root().join("sql/innodb_memcached_config.sql");
    let host = config.clone().arg(format!("--init-file={}", script.display())).start();
    host.sql("INSTALL PLUGIN daemon_memcached soname \"libmemcached.so\";").unwrap();
    host.client().ask("get AA\r\n", "VALUE AA 8 12\r\nHELLO, HELLO\r\nEND\r\n");
    host.sql(
        "CREATE DATABASE store;
         USE store;
         CREATE TABLE cache (item_key VARCHAR(1024) NOT NULL, item_data MEDIUMBLOB, flags INT, cas BIGINT UNSIGNED, expiry INT,PRIMARY KEY(item_key));

         CREATE USER shop IDENTIFIED BY 'secret';
         GRANT SELECT ON store.* TO shop;

         USE innodb_memcache;
         DELETE FROM containers;
         INSERT INTO containers (name, db_schema, db_table, key_columns, value_columns, flags, cas_column, expire_time_column, unique_idx_name_on_key) VALUES ('default', 'store', 'cache', 'item_key', 'item_data', 'flags', 'cas', 'expiry', 'PRIMARY');

         UNINSTALL PLUGIN daemon_memcached;
         INSTALL PLUGIN daemon_memcached soname \"libmemcached.so\";",
    )
    .unwrap();
    let mut client = host.client();
    client.ask("get AA\r\n", "END\r\n");
    client.ask("set cart:17 42 0 11\r\n3 apples, 1\r\n", "STORED\r\n");
    client.ask("get cart:17\r\n", "VALUE cart:17 42 11\r\n3 apples, 1\r\nEND\r\n");
    assert_eq!(
        host.rows("SELECT item_key, item_data, flags, expiry FROM store.cache"),
        [["cart:17", "3 apples, 1", "42", "0"]]
    );
    host.kill9();
    let host = config.start();
    host.client().ask("get cart:17\r\n", "VALUE cart:17 42 11\r\n3 apples, 1\r\nEND\r\n");
}
