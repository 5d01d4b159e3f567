-- Configuration of the daemon_memcached plugin: three tables and a demonstration.
-- Runs on MySQL, MariaDB and memcached-host, and does no harm when it runs again.

CREATE DATABASE IF NOT EXISTS innodb_memcache;

USE innodb_memcache;

-- What get, set, delete and flush use: the table, memory, both or nothing. The first row counts.
CREATE TABLE IF NOT EXISTS cache_policies (
  policy_name VARCHAR(40) NOT NULL,
  get_policy ENUM('innodb_only', 'cache_only', 'caching', 'disabled') NOT NULL,
  set_policy ENUM('innodb_only', 'cache_only', 'caching', 'disabled') NOT NULL,
  delete_policy ENUM('innodb_only', 'cache_only', 'caching', 'disabled') NOT NULL,
  flush_policy ENUM('innodb_only', 'cache_only', 'caching', 'disabled') NOT NULL,
  PRIMARY KEY (policy_name)
) ENGINE = InnoDB;

-- Tables that clients may reach, one row each. flags, cas_column and expire_time_column are 0 when unused.
CREATE TABLE IF NOT EXISTS containers (
  name VARCHAR(50) NOT NULL,
  db_schema VARCHAR(250) NOT NULL,
  db_table VARCHAR(250) NOT NULL,
  key_columns VARCHAR(250) NOT NULL,
  value_columns VARCHAR(250),
  flags VARCHAR(250) NOT NULL DEFAULT '0',
  cas_column VARCHAR(250),
  expire_time_column VARCHAR(250),
  unique_idx_name_on_key VARCHAR(250) NOT NULL,
  PRIMARY KEY (name)
) ENGINE = InnoDB;

-- separator: between the columns of a value. table_map_delimiter: between @@name and a key.
CREATE TABLE IF NOT EXISTS config_options (
  name VARCHAR(50) NOT NULL,
  value VARCHAR(50),
  PRIMARY KEY (name)
) ENGINE = InnoDB;

INSERT IGNORE INTO cache_policies VALUES ('cache_policy', 'innodb_only', 'innodb_only', 'innodb_only', 'innodb_only');

INSERT IGNORE INTO config_options VALUES ('separator', '|');
INSERT IGNORE INTO config_options VALUES ('table_map_delimiter', '.');

-- A table to try things on, and the container that maps it.
CREATE DATABASE IF NOT EXISTS test;

USE test;

CREATE TABLE IF NOT EXISTS demo_test (
  c1 VARCHAR(32),
  c2 VARCHAR(1024),
  c3 INT,
  c4 BIGINT UNSIGNED,
  c5 INT,
  PRIMARY KEY (c1)
) ENGINE = InnoDB;

INSERT IGNORE INTO demo_test VALUES ('AA', 'HELLO, HELLO', 8, 0, 0);

INSERT IGNORE INTO innodb_memcache.containers
  VALUES ('aaa', 'test', 'demo_test', 'c1', 'c2', 'c3', 'c4', 'c5', 'PRIMARY');
