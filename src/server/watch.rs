//! `watch`: connections that are told, line by line, what others do.
//!
//! ```text
//!  Executor ─ line ─► Journal of the worker ─ behind the commit ─┐
//!  Worker: a connection comes or goes ───────────────────────────┼─► every Watcher that wants it ─ wake ─► its worker sends
//!  MemoryStore: an item is evicted ──────────────────────────────┘   at most 256 KiB wait in each
//! ```
//!
//! Lines have memcached's format. Whoever reads more slowly than lines come is told how many it missed. While nobody watches, an
//! operation costs one look at [`Attention`].

use super::journal::Journal;
use super::mailbox::Mailbox;
use super::peers::Peer;
use crate::cache::{Evicted, MemoryStore};
use crate::protocol::operation::{StoreMode, Streams};
use crate::protocol::reply::{self, Out};
use bytes::BytesMut;
use parking_lot::Mutex;
use std::fmt::{Arguments, Write};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Connections that watch at a time, as in memcached.
const WATCHERS_MAX: usize = 20;

/// Bytes of lines that wait for a watcher's worker to send them, as in memcached.
const WAITING_MAX: usize = 256 << 10;

/// The class that all items are of, and that of no item.
const CLASS: u8 = 1;
const NO_CLASS: u8 = 0;

/// What somebody wants to be told of each operation: all of it in one word.
#[derive(Debug, Default)]
pub struct Attention(AtomicU8);

impl Attention {
    /// `stats detail` counts.
    const DETAIL: u8 = 1 << 7;

    /// Whether anybody wants anything.
    #[inline]
    pub fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    fn set(&self, bits: u8, of: u8) {
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| Some(old & !of | bits));
    }

    /// Notes that `stats detail` counts, or no more.
    pub fn note_detail(&self, on: bool) {
        self.set(if on { Attention::DETAIL } else { 0 }, Attention::DETAIL);
    }

    /// Whether `stats detail` counts.
    pub fn counts_detail(&self) -> bool {
        self.0.load(Ordering::Relaxed) & Attention::DETAIL != 0
    }

    /// Whether somebody watches one of these.
    pub fn wants(&self, streams: Streams) -> bool {
        self.0.load(Ordering::Relaxed) & streams.bits() != 0
    }
}

/// How a store ended, in a watcher's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreEvent<'a> {
    /// As the client named it.
    pub key: &'a [u8],
    /// `stored`, `not_stored`, `exists`, `not_found`, `too_large` or `no_memory`.
    pub status: &'static str,
    /// The command.
    pub command: &'static str,
    /// Seconds to live, 0 for ever.
    pub ttl: i64,
    /// Bytes that were sent.
    pub size: usize,
}

/// What the command is called that stores so; `compares`: only over one cas number.
pub fn command(mode: StoreMode, compares: bool) -> &'static str {
    match mode {
        _ if compares => "cas",
        StoreMode::Set => "set",
        StoreMode::Add => "add",
        StoreMode::Replace => "replace",
        StoreMode::Append => "append",
        StoreMode::Prepend => "prepend",
    }
}

/// Why a connection ends, in a watcher's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// The client left, or asked for it.
    Normal,
    /// The socket failed, or what the client sent.
    Error,
    /// It said nothing, or read nothing, for too long.
    Idle,
}

impl Farewell {
    fn name(self) -> &'static str {
        match self {
            Farewell::Normal => "normal",
            Farewell::Error => "error",
            Farewell::Idle => "idle_timeout",
        }
    }
}

/// Where a client is.
fn place(peer: &Peer) -> String {
    match peer.address() {
        Some(address) => format!("rip={} rport={} transport=tcp", address.ip(), address.port()),
        None => "rip=unix rport=0 transport=local".into(),
    }
}

/// Lines that wait for a watcher.
#[derive(Default)]
struct Waiting {
    lines: BytesMut,
    /// Lines that found no room since.
    skipped: u64,
}

/// A connection that watches.
pub struct Watcher {
    streams: Streams,
    mailbox: Arc<Mailbox>,
    waiting: Mutex<Waiting>,
}

impl Watcher {
    /// Takes what waits.
    pub fn take(&self) -> Out {
        std::mem::take(&mut self.waiting.lock().lines)
    }
}

/// Everybody who watches.
#[derive(Default)]
pub struct Watchers {
    /// What they want, for a look without a lock.
    pub attention: Attention,
    all: Mutex<Vec<Arc<Watcher>>>,
    /// The number of the last line.
    last: AtomicU64,
    /// Lines that were handed to watchers, and lines that found no room.
    pub sent: AtomicU64,
    /// See `sent`.
    pub skipped: AtomicU64,
}

impl Watchers {
    /// Enters a connection of the worker that `mailbox` wakes; `None` if there are too many.
    pub fn enter(
        self: &Arc<Self>,
        streams: Streams,
        mailbox: &Arc<Mailbox>,
        memory: &MemoryStore,
    ) -> Option<Arc<Watcher>> {
        let mut all = self.all.lock();
        if all.len() >= WATCHERS_MAX {
            return None;
        }
        let watcher = Arc::new(Watcher { streams, mailbox: Arc::clone(mailbox), waiting: Mutex::default() });
        all.push(Arc::clone(&watcher));
        self.look_round(&all);
        drop(all);
        // Not under the lock: whoever evicts an item holds the lock of its shard and takes ours.
        self.watch_evictions(memory);
        Some(watcher)
    }

    /// Takes one out.
    pub fn leave(self: &Arc<Self>, watcher: &Arc<Watcher>, memory: &MemoryStore) {
        let mut all = self.all.lock();
        all.retain(|other| !Arc::ptr_eq(other, watcher));
        self.look_round(&all);
        drop(all);
        self.watch_evictions(memory);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.all.lock().len()
    }

    fn look_round(&self, all: &[Arc<Watcher>]) {
        let wanted = all.iter().fold(0, |bits, watcher| bits | watcher.streams.bits());
        self.attention.set(wanted, Streams::ALL.bits());
    }

    fn watch_evictions(self: &Arc<Self>, memory: &MemoryStore) {
        if !self.attention.wants(Streams::EVICTIONS) {
            return memory.watch_evictions(None);
        }
        let watchers = Arc::clone(self);
        memory.watch_evictions(Some(Arc::new(move |item: &Evicted<'_>| watchers.evicted(item))));
    }

    /// `ts=<seconds> gid=<number> type=<rest>`.
    fn line(&self, rest: Arguments<'_>) -> Vec<u8> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        format!("ts={}.{:06} gid={number} type={rest}\n", now.as_secs(), now.subsec_micros()).into_bytes()
    }

    /// The same of an item.
    fn item_line(&self, kind: &str, key: &[u8], rest: Arguments<'_>) -> Vec<u8> {
        let mut encoded = Out::new();
        reply::url_encoded(&mut encoded, key);
        self.line(format_args!("{kind} key={} {rest}", String::from_utf8_lossy(&encoded)))
    }

    /// A client read a key; `size` is that of the value it found.
    pub fn fetched(&self, journal: &mut Journal, key: &[u8], size: Option<usize>, fd: RawFd) {
        let (status, class) = if size.is_some() { ("found", CLASS) } else { ("not_found", NO_CLASS) };
        let size = size.unwrap_or(0);
        let rest = format_args!("status={status} clsid={class} cfd={fd} size={size}");
        journal.note(Streams::FETCHERS, self.item_line("item_get", key, rest));
    }

    /// A client stored a value, or tried to.
    pub fn stored(&self, journal: &mut Journal, event: StoreEvent<'_>, fd: RawFd) {
        let StoreEvent { key, status, command, ttl, size } = event;
        let class = if matches!(status, "too_large" | "no_memory") { NO_CLASS } else { CLASS };
        let rest = format_args!("status={status} cmd={command} ttl={ttl} clsid={class} cfd={fd} size={size}");
        journal.note(Streams::MUTATIONS, self.item_line("item_store", key, rest));
    }

    /// A client deleted an item, whose value had `size` bytes.
    pub fn deleted(&self, journal: &mut Journal, key: &[u8], command: &str, size: usize) {
        let rest = format_args!("cmd={command} clsid={CLASS} size={size}");
        journal.note(Streams::DELETIONS, self.item_line("deleted", key, rest));
    }

    fn evicted(&self, item: &Evicted<'_>) {
        let Evicted { key, fetched, ttl, idle, size } = *item;
        let (fetched, ttl) = (if fetched { "yes" } else { "no" }, ttl.unwrap_or(-1));
        let rest = format_args!("fetch={fetched} ttl={ttl} la={idle} clsid={CLASS} size={size}");
        self.tell(Streams::EVICTIONS, &self.item_line("eviction", key, rest));
    }

    /// A connection came.
    pub fn arrived(&self, peer: &Peer, fd: RawFd) {
        if self.attention.wants(Streams::CONNECTIONS) {
            let line = self.line(format_args!("conn_new {} cfd={fd}", place(peer)));
            self.tell(Streams::CONNECTIONS, &line);
        }
    }

    /// A connection ends.
    pub fn left(&self, peer: &Peer, why: Farewell, fd: RawFd) {
        if self.attention.wants(Streams::CONNECTIONS) {
            let line = self.line(format_args!("conn_close {} reason={} cfd={fd}", place(peer), why.name()));
            self.tell(Streams::CONNECTIONS, &line);
        }
    }

    /// A handshake of TLS failed.
    pub fn tls_failed(&self, fd: RawFd, error: &std::io::Error) {
        if self.attention.wants(Streams::CONNECTIONS) {
            let line = self.line(format_args!("conntlserr fd={fd} msg={error}"));
            self.tell(Streams::CONNECTIONS, &line);
        }
    }

    /// Tells what a tick noted.
    pub fn publish(&self, journal: &mut Journal) {
        for (stream, line) in journal.take() {
            self.tell(stream, &line);
        }
    }

    fn tell(&self, stream: Streams, line: &[u8]) {
        for watcher in self.all.lock().iter().filter(|watcher| watcher.streams.has(stream)) {
            let mut waiting = watcher.waiting.lock();
            if waiting.lines.len() + line.len() + 128 > WAITING_MAX {
                waiting.skipped += 1;
                self.skipped.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let idle = waiting.lines.is_empty();
            match std::mem::take(&mut waiting.skipped) {
                0 => {}
                // Writing to memory cannot fail.
                missed => drop(writeln!(waiting.lines, "skipped={missed}")),
            }
            waiting.lines.extend_from_slice(line);
            self.sent.fetch_add(1, Ordering::Relaxed);
            if idle {
                watcher.mailbox.wake();
            }
        }
    }
}
