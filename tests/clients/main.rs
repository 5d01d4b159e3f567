//! Programs that others wrote, against the real program.

#[path = "../common/mod.rs"]
mod common;

mod dumps;
mod programs;
mod shards;
mod sql;
mod suites;
mod tools;
