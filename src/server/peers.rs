//! Who is connected, for `stats conns` and the host's list of clients. Workers enter their connections here; the addresses are asked
//! of the system when somebody wants to know.

use super::admission::Access;
use crate::store::{Config, ContainerId};
use parking_lot::Mutex;
use socket2::{SockAddr, SockRef};
use std::collections::BTreeMap;
use std::net::Shutdown;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What others may know of a connection; its worker keeps it up to date.
#[derive(Debug)]
pub struct Peer {
    /// Second of the daemon's life in which the client last asked, or took something of what waits for it.
    pub active: AtomicU64,
    /// Whether it logged in, and the container it is bound to.
    place: Mutex<(Access, ContainerId)>,
}

impl Default for Peer {
    fn default() -> Peer {
        Peer { active: AtomicU64::default(), place: Mutex::new((Access::Open, ContainerId::DEFAULT)) }
    }
}

impl Peer {
    /// The connection is another user's or another container's from now on.
    pub fn place(&self, access: &Access, container: ContainerId) {
        *self.place.lock() = (access.clone(), container);
    }
}

/// A connection as a host lists it.
#[derive(Debug)]
pub struct Connection {
    /// From 1, given once while the daemon runs.
    pub id: u64,
    /// Who logged in.
    pub user: Option<String>,
    /// Address and port, or `localhost` for a UNIX socket.
    pub address: String,
    /// Of the container it is bound to.
    pub database: Option<String>,
    /// Seconds since the client was heard.
    pub silent: u64,
    /// A few words, or nothing.
    pub state: &'static str,
}

/// Open connections.
#[derive(Debug, Default)]
pub struct Peers(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    by_descriptor: BTreeMap<RawFd, (u64, Arc<Peer>)>,
    /// The number given last.
    last: u64,
}

impl Peers {
    /// Enters a connection.
    pub fn enter(&self, fd: RawFd, peer: &Arc<Peer>) {
        let mut open = self.0.lock();
        open.last += 1;
        let number = open.last;
        open.by_descriptor.insert(fd, (number, Arc::clone(peer)));
    }

    /// Takes a connection out, before its descriptor is closed.
    pub fn leave(&self, fd: RawFd) {
        self.0.lock().by_descriptor.remove(&fd);
    }

    /// Calls `tell` with what memcached tells of each connection; `now` is the present second of the daemon's life.
    pub fn tell(&self, now: u64, tell: &mut dyn FnMut(&str, &str)) {
        for (fd, (_, peer)) in &self.0.lock().by_descriptor {
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
            let silent = now.saturating_sub(peer.active.load(Ordering::Relaxed));
            tell(&format!("{fd}:secs_since_last_cmd"), itoa::Buffer::new().format(silent));
        }
    }

    /// Calls `tell` with each connection, the oldest first; `now` as for [`Peers::tell`].
    pub fn list(&self, now: u64, config: &Config, tell: &mut dyn FnMut(&Connection)) {
        let mut all = Vec::new();
        for (fd, (id, peer)) in &self.0.lock().by_descriptor {
            // SAFETY: as in `tell`.
            let open = unsafe { BorrowedFd::borrow_raw(*fd) };
            // Without a peer any more it is about to leave.
            let Ok(address) = SockRef::from(&open).peer_addr() else { continue };
            let (access, container) = peer.place.lock().clone();
            all.push(Connection {
                id: *id,
                user: access.user().map(str::to_owned),
                address: address.as_socket().map_or_else(|| "localhost".to_owned(), |ip| ip.to_string()),
                database: config.container(container).map(|container| container.database().into_owned()),
                silent: now.saturating_sub(peer.active.load(Ordering::Relaxed)),
                state: if matches!(access, Access::Stranger) { "login" } else { "" },
            });
        }
        all.sort_by_key(|connection| connection.id);
        all.iter().for_each(tell);
    }

    /// Ends a connection: its worker finds that the client has gone. `false`: there is none of that number.
    pub fn kill(&self, id: u64) -> bool {
        let open = self.0.lock();
        let Some(fd) = open.by_descriptor.iter().find_map(|(fd, (known, _))| (*known == id).then_some(*fd)) else {
            return false;
        };
        // SAFETY: as in `tell`.
        let descriptor = unsafe { BorrowedFd::borrow_raw(fd) };
        // It may have ended by itself.
        let _ = SockRef::from(&descriptor).shutdown(Shutdown::Both);
        true
    }
}

fn shown(address: &SockAddr) -> String {
    match address.as_socket() {
        Some(ip) if ip.is_ipv6() => format!("tcp6:{ip}"),
        Some(ip) => format!("tcp:{ip}"),
        None => format!("unix:{}", address.as_pathname().unwrap_or("".as_ref()).display()),
    }
}
