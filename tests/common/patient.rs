//! Waiting that ends: for a condition, and on a socket.

use super::PATIENCE;
use std::fmt::Debug;
use std::io;
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
    try_connect(&address).unwrap_or_else(|e| panic!("{address:?}: {e}"))
}

/// Like [`connect`] where nobody may listen any more.
pub fn try_connect(address: impl ToSocketAddrs) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}
