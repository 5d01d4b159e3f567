//! The plugin in a real server of a tree that `tests/mysql/make-tree` or `tests/mariadb/make-tree` makes: `tests/run --mysql` and
//! `tests/run --mariadb` run these tests.

#[path = "../common/mod.rs"]
mod common;

mod accounts;
mod bench;
mod configuration;
mod daemon;
mod functions;
mod galera;
mod held;
mod life;
mod load;
mod moving;
mod reads;
mod replica;
mod replication;
mod secondary;
mod server;
mod upserts;
mod writers;
