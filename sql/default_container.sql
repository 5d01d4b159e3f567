-- The table that serves plain memcached traffic, and its container. Runs after innodb_memcached_config.sql, on the same
-- servers, and again without a change.

CREATE DATABASE IF NOT EXISTS memcached;

-- Keys are bytes, as in the protocol, at most 250; values are bytes.
-- flags: the client's 32 bits. cas: unique for each change. expiry: seconds since 1970, 0 for never; unsigned, so
-- that it lasts beyond the year 2038.
CREATE TABLE IF NOT EXISTS memcached.cache (
  `key` VARBINARY(250) NOT NULL,
  value LONGBLOB,
  flags INT UNSIGNED NOT NULL DEFAULT 0,
  cas BIGINT UNSIGNED NOT NULL DEFAULT 0,
  expiry INT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (`key`)
) ENGINE = InnoDB;

INSERT IGNORE INTO innodb_memcache.containers
  (name, db_schema, db_table, key_columns, value_columns, flags, cas_column, expire_time_column, unique_idx_name_on_key)
VALUES
  ('default', 'memcached', 'cache', 'key', 'value', 'flags', 'cas', 'expiry', 'PRIMARY');
