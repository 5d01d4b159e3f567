//! Who is connected, for `stats conns` and the host's list of clients. Workers enter their connections here; the addresses are asked
//! of the system when somebody wants to know.

use super::admission::Access;
use super::listen::Address;
use crate::store::{Config, ContainerId};
use parking_lot::Mutex;
use socket2::{SockAddr, Socket};
use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// What connections hold in memory, and all of them together only so much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Replies that wait for clients to read.
    Replies,
    /// Requests that are not whole yet, or wait for their turn.
    Requests,
}

/// What others may know of a connection; its worker keeps it up to date.
#[derive(Debug)]
pub struct Peer {
    socket: Arc<Socket>,
    /// Second of the daemon's life in which the client last asked, or took something of what waits for it.
    pub active: AtomicU64,
    /// Whether it logged in, and the container it is bound to.
    place: Mutex<(Access, ContainerId)>,
    /// Bytes, by [`Held`].
    held: [AtomicUsize; 2],
    /// It is being closed for them: what it holds is as good as free.
    condemned: AtomicBool,
    /// It sent a part of a value.
    pub partial: AtomicBool,
    /// It watches.
    pub watches: AtomicBool,
}

impl Peer {
    /// A connection that was just accepted.
    pub fn new(socket: Arc<Socket>) -> Peer {
        Peer {
            socket,
            active: AtomicU64::default(),
            place: Mutex::new((Access::Open, ContainerId::DEFAULT)),
            held: Default::default(),
            condemned: AtomicBool::default(),
            partial: AtomicBool::default(),
            watches: AtomicBool::default(),
        }
    }

    /// Where the client is; `None` behind a UNIX socket.
    pub fn address(&self) -> Option<SocketAddr> {
        self.socket.peer_addr().ok().and_then(|address| address.as_socket())
    }

    /// What memcached calls the state that it is in.
    fn state(&self) -> &'static str {
        let holds = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        match self {
            _ if holds(&self.condemned) => "conn_closing",
            _ if self.held[Held::Replies as usize].load(Ordering::Relaxed) > 0 => "conn_mwrite",
            _ if holds(&self.watches) => "conn_watch",
            _ if holds(&self.partial) => "conn_nread",
            _ => "conn_read",
        }
    }

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
pub struct Peers {
    open: Mutex<Open>,
    /// Bytes over all connections, by [`Held`].
    held: [AtomicUsize; 2],
}

#[derive(Debug, Default)]
struct Open {
    /// Descriptors that listen, and where.
    listening: Vec<(RawFd, String)>,
    by_descriptor: BTreeMap<RawFd, (u64, Arc<Peer>)>,
    /// The number given last.
    last: u64,
}

impl Peers {
    /// Enters the sockets that listen as long as the daemon runs.
    pub fn listen(&self, sockets: impl Iterator<Item = (RawFd, Address)>) {
        let shown = |address| match address {
            Address::Tcp(ip) => shown(&SockAddr::from(ip)),
            Address::Unix(path) => format!("unix:{}", path.display()),
        };
        self.open.lock().listening = sockets.map(|(fd, address)| (fd, shown(address))).collect();
    }

    /// Enters a connection.
    pub fn enter(&self, fd: RawFd, peer: &Arc<Peer>) {
        let mut open = self.open.lock();
        open.last += 1;
        let number = open.last;
        open.by_descriptor.insert(fd, (number, Arc::clone(peer)));
    }

    /// Takes a connection out, before its descriptor is closed.
    pub fn leave(&self, fd: RawFd) {
        if let Some((_, peer)) = self.open.lock().by_descriptor.remove(&fd) {
            self.note(&peer, Held::Replies, 0);
            self.note(&peer, Held::Requests, 0);
        }
    }

    /// Notes how many bytes a connection holds; `false` if that is known.
    #[inline]
    pub fn note(&self, peer: &Peer, held: Held, bytes: usize) -> bool {
        let known = &peer.held[held as usize];
        if known.load(Ordering::Relaxed) == bytes {
            return false;
        }
        let before = known.swap(bytes, Ordering::Relaxed);
        // Wrapping additions of differences: the sum is right whatever their order.
        self.held[held as usize].fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
        true
    }

    /// Bytes that all connections hold.
    pub fn held(&self, held: Held) -> usize {
        self.held[held as usize].load(Ordering::Relaxed)
    }

    /// Ends the connections that hold the most, until the others are within `limit` bytes. Their workers find that the clients have
    /// gone. Tells how many were ended.
    pub fn shed(&self, held: Held, limit: usize) -> usize {
        if self.held(held) <= limit {
            return 0;
        }
        let open = self.open.lock();
        let mut debtors = Vec::new();
        let mut total = 0;
        for (_, peer) in open.by_descriptor.values() {
            let bytes = peer.held[held as usize].load(Ordering::Relaxed);
            if bytes > 0 && !peer.condemned.load(Ordering::Relaxed) {
                total += bytes;
                debtors.push((bytes, peer));
            }
        }
        debtors.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        let mut ended = 0;
        for (bytes, peer) in debtors {
            if total <= limit {
                break;
            }
            total -= bytes;
            ended += 1;
            peer.condemned.store(true, Ordering::Relaxed);
            // It may have ended by itself.
            let _ = peer.socket.shutdown(Shutdown::Both);
        }
        ended
    }

    /// Calls `tell` with what memcached tells of each connection; `now` is the present second of the daemon's life, `asker` the
    /// descriptor of the one that wants to know.
    pub fn tell(&self, now: u64, asker: Option<RawFd>, tell: &mut dyn FnMut(&str, &str)) {
        let open = self.open.lock();
        for (fd, address) in &open.listening {
            tell(&format!("{fd}:addr"), address);
            tell(&format!("{fd}:state"), "conn_listening");
            tell(&format!("{fd}:secs_since_last_cmd"), itoa::Buffer::new().format(now));
        }
        for (fd, (_, peer)) in &open.by_descriptor {
            let socket = &peer.socket;
            if let Ok(address) = socket.peer_addr() {
                tell(&format!("{fd}:addr"), &shown(&address));
            }
            if let Ok(address) = socket.local_addr() {
                tell(&format!("{fd}:listen_addr"), &shown(&address));
            }
            let state = if asker == Some(*fd) { "conn_parse_cmd" } else { peer.state() };
            tell(&format!("{fd}:state"), state);
            let silent = now.saturating_sub(peer.active.load(Ordering::Relaxed));
            tell(&format!("{fd}:secs_since_last_cmd"), itoa::Buffer::new().format(silent));
        }
    }

    /// Calls `tell` with each connection, the oldest first; `now` as for [`Peers::tell`].
    pub fn list(&self, now: u64, config: &Config, tell: &mut dyn FnMut(&Connection)) {
        let mut all = Vec::new();
        for (id, peer) in self.open.lock().by_descriptor.values() {
            // Without a peer any more it is about to leave.
            let Ok(address) = peer.socket.peer_addr() else { continue };
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
        let open = self.open.lock();
        let Some((_, peer)) = open.by_descriptor.values().find(|(known, _)| *known == id) else { return false };
        // It may have ended by itself.
        let _ = peer.socket.shutdown(Shutdown::Both);
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
