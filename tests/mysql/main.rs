//! The plugin in a real server of a tree that `tests/mysql/make-tree` or `tests/mariadb/make-tree` makes: `tests/run --mysql` and
//! `tests/run --mariadb` run these tests.

#[path = "../common/mod.rs"]
mod common;

mod bench;
mod daemon;
mod load;
mod reads;
mod replication;
mod server;
mod upserts;
