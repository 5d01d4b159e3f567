-- A table for everything that memcached can store, and the container `default` that connections begin with.
-- Keys compare byte by byte, as in memcached. expiry is Unix time, unsigned so that it lasts until 2106; 0 means never.

CREATE DATABASE IF NOT EXISTS memcached;

CREATE TABLE IF NOT EXISTS memcached.cache (
  `key` VARBINARY(250) NOT NULL,
  value LONGBLOB,
  flags INT UNSIGNED NOT NULL DEFAULT 0,
  cas BIGINT UNSIGNED NOT NULL DEFAULT 0,
  expiry INT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (`key`)
) ENGINE = InnoDB;

INSERT IGNORE INTO innodb_memcache.containers
  VALUES ('default', 'memcached', 'cache', 'key', 'value', 'flags', 'cas', 'expiry', 'PRIMARY');
