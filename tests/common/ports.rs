//! Ports for servers that cannot choose one themselves.

use socket2::{Domain, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
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
    let mut free = ports.map(|port| port as u16).filter(|port| look(*port).is_ok());
    free.next().expect("a free port")
}

/// Fails if somebody listens on the port. The socket must not listen itself: a child that another thread starts at this moment has a copy
/// of it until its program begins, and would take connections for a server that is not there yet.
fn look(port: u16) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // A child's copy keeps nobody from listening, and neither does a connection of an earlier server that is being forgotten.
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into())
}
