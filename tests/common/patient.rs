//! Waiting that ends: for a condition, and on a socket.

use super::PATIENCE;
use std::fmt::Debug;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Waits until the condition holds.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A connection on which no call waits for longer than [`PATIENCE`].
#[track_caller]
pub fn connect(address: impl ToSocketAddrs + Debug) -> TcpStream {
    let stream = TcpStream::connect(&address).unwrap_or_else(|e| panic!("{address:?}: {e}"));
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}
