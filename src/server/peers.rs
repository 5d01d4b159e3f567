//! Who is connected, for `stats conns`. Workers enter their connections here; the addresses are asked of the system when somebody
//! wants to know.

use parking_lot::Mutex;
use socket2::{SockAddr, SockRef};
use std::collections::BTreeMap;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Open connections by descriptor, each with the second of the daemon's life in which its client was last heard.
#[derive(Debug, Default)]
pub struct Peers(Mutex<BTreeMap<RawFd, Arc<AtomicU64>>>);

impl Peers {
    /// Enters a connection.
    pub fn enter(&self, fd: RawFd, active: &Arc<AtomicU64>) {
        self.0.lock().insert(fd, Arc::clone(active));
    }

    /// Takes a connection out, before its descriptor is closed.
    pub fn leave(&self, fd: RawFd) {
        self.0.lock().remove(&fd);
    }

    /// Calls `tell` with what memcached tells of each connection; `now` is the present second of the daemon's life.
    pub fn tell(&self, now: u64, tell: &mut dyn FnMut(&str, &str)) {
        for (fd, active) in self.0.lock().iter() {
            // SAFETY: whoever closes the descriptor takes it out first, and waits for this lock to do so.
            let open = unsafe { BorrowedFd::borrow_raw(*fd) };
            let socket = SockRef::from(&open);
            if let Ok(address) = socket.peer_addr() {
                tell(&format!("{fd}:addr"), &shown(&address));
            }
            if let Ok(address) = socket.local_addr() {
                tell(&format!("{fd}:listen_addr"), &shown(&address));
            }
            tell(&format!("{fd}:state"), "conn_read");
            let silent = now.saturating_sub(active.load(Ordering::Relaxed));
            tell(&format!("{fd}:secs_since_last_cmd"), itoa::Buffer::new().format(silent));
        }
    }
}

fn shown(address: &SockAddr) -> String {
    match address.as_socket() {
        Some(ip) if ip.is_ipv6() => format!("tcp6:{ip}"),
        Some(ip) => format!("tcp:{ip}"),
        None => format!("unix:{}", address.as_pathname().unwrap_or("".as_ref()).display()),
    }
}
