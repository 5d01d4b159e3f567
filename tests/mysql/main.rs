//! The plugin in a real MySQL server of the tree that `tests/mysql/make-tree` makes: `tests/run --mysql` runs these tests.

#[path = "../common/mod.rs"]
mod common;

mod bench;
mod configuration;
mod daemon;
mod functions;
mod load;
#[path = "../udf/memcached.rs"]
mod memcached;
mod replication;
mod secondary;
mod server;
mod upserts;
