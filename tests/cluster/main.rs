//! More than one machine: network namespaces with addresses of their own, disks that are images. Needs root; `tests/run --cluster`
//! runs it.

#[path = "../common/mod.rs"]
mod common;
mod failover;
mod group;
mod machines;
mod proxies;
#[path = "../mysql/server.rs"]
mod server;
#[path = "../mysql/writers.rs"]
mod writers;
