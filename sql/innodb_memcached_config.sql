-- Configuration of the memcached plugin: which tables it serves, and how.
--
-- Creates the database innodb_memcache with three tables, and a small table to try the plugin on. It runs on MySQL 5.7 and
-- later, on MariaDB and on the bundled engine. Running it again changes nothing that is there already.
-- Collations are binary: names of containers and columns count upper and lower case.

CREATE DATABASE IF NOT EXISTS innodb_memcache;
CREATE DATABASE IF NOT EXISTS test;

-- Where each operation goes. The first row counts. innodb_only: to the table; cache_only: to memory;
-- caching: to both; disabled: nowhere.
CREATE TABLE IF NOT EXISTS innodb_memcache.cache_policies (
  policy_name VARCHAR(40) NOT NULL,
  get_policy ENUM('innodb_only', 'cache_only', 'caching', 'disabled') NOT NULL,
  set_policy ENUM('innodb_only', 'cache_only', 'caching', 'disabled') NOT NULL,
  delete_policy ENUM('innodb_only', 'cache_only', 'caching', 'disabled') NOT NULL,
  flush_policy ENUM('innodb_only', 'cache_only', 'caching', 'disabled') NOT NULL,
  PRIMARY KEY (policy_name)
) ENGINE = InnoDB DEFAULT CHARSET = latin1 COLLATE = latin1_bin;

-- One row for each table that is served. db_schema and db_table name it; the other columns say which of its columns
-- hold the key, the value (several are separated by |), the flags, the cas number and the expiry time. '0' in flags, cas_column or
-- expire_time_column means that there is no such column. unique_idx_name_on_key is the unique index over the
-- key, PRIMARY for the primary key. The container named default, else the first one, serves keys without a prefix @@name.
CREATE TABLE IF NOT EXISTS innodb_memcache.containers (
  name VARCHAR(50) NOT NULL,
  db_schema VARCHAR(250) NOT NULL,
  db_table VARCHAR(250) NOT NULL,
  key_columns VARCHAR(250) NOT NULL,
  value_columns VARCHAR(250),
  flags VARCHAR(250) DEFAULT '0',
  cas_column VARCHAR(250),
  expire_time_column VARCHAR(250),
  unique_idx_name_on_key VARCHAR(250) NOT NULL,
  PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARSET = latin1 COLLATE = latin1_bin;

-- separator: between the values of several value columns. table_map_delimiter: between @@name and the key.
CREATE TABLE IF NOT EXISTS innodb_memcache.config_options (
  name VARCHAR(50) NOT NULL,
  value VARCHAR(50),
  PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARSET = latin1 COLLATE = latin1_bin;

INSERT IGNORE INTO innodb_memcache.cache_policies
  (policy_name, get_policy, set_policy, delete_policy, flush_policy)
VALUES
  ('cache_policy', 'innodb_only', 'innodb_only', 'innodb_only', 'innodb_only');

INSERT IGNORE INTO innodb_memcache.config_options (name, value) VALUES ('separator', '|');
INSERT IGNORE INTO innodb_memcache.config_options (name, value) VALUES ('table_map_delimiter', '.');

-- The table to try it on: get AA
CREATE TABLE IF NOT EXISTS test.demo_test (
  c1 VARCHAR(32) NOT NULL,
  c2 VARCHAR(1024),
  c3 INT,
  c4 BIGINT UNSIGNED,
  c5 INT,
  PRIMARY KEY (c1)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

INSERT IGNORE INTO test.demo_test (c1, c2, c3, c4, c5) VALUES ('AA', 'HELLO, HELLO', 8, 0, 0);

INSERT IGNORE INTO innodb_memcache.containers
  (name, db_schema, db_table, key_columns, value_columns, flags, cas_column, expire_time_column, unique_idx_name_on_key)
VALUES
  ('aaa', 'test', 'demo_test', 'c1', 'c2', 'c3', 'c4', 'c5', 'PRIMARY');
