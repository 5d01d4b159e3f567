//! The host and the plugin's life in it: command line, INSTALL, UNINSTALL, crashes, servers of older generations.

#[path = "../common/mod.rs"]
mod common;

mod adapters;
mod crash;
mod directories;
mod host;
mod install;
mod offline;
mod options;
mod service;
mod soak;
mod standby;
mod terminal;
mod workers;
