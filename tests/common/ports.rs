//! Ports for servers that cannot choose one themselves.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// The ports that are looked at: below those that the system gives to clients, which could take one between two looks.
const FIRST: u32 = 10_000;
const COUNT: u32 = 20_000;

/// A TCP port of the loopback interface that nobody listens on. No two calls of a process return the same, and processes begin at
/// different ones.
pub fn free_port() -> u16 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(211);
    let ports = (0..COUNT).map(|_| start.wrapping_add(CALLS.fetch_add(1, Ordering::Relaxed)) % COUNT + FIRST);
    let mut free = ports.map(|port| port as u16).filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.next().expect("a free port")
}
