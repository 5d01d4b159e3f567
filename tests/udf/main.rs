//! The memc_* functions: called as a server calls them, in MySQL and MariaDB, and in the bundled host.

#[path = "../common/mod.rs"]
mod common;

mod calls;
mod failures;
mod host;
mod library;
mod ring;
mod speed;
