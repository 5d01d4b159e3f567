//! The memcached protocol through the program's sockets: commands, packets, logins, listeners, ticks, bad input.

#[path = "../common/mod.rs"]
mod common;

mod auth;
mod bad_input;
mod binary;
mod bounds;
mod connections;
mod expected;
mod golden;
mod memcached;
mod meta;
mod metrics;
mod props;
mod statistics;
mod ticks;
mod tls;
mod watch;
