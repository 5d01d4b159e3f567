//! A worker's connections outside of ticks: their coming and going, logins, what waits for a client to read, and patience.

use super::Worker;
use crate::protocol::Parser;
use crate::protocol::operation::Streams;
use crate::protocol::reply::Out;
use crate::server::admission::{self, Access, Attempt, Verdict};
use crate::server::conn::Conn;
use crate::server::login::Origin;
use crate::server::mailbox::{Arrival, Renewal};
use crate::server::peers::Held;
use crate::server::scope::Scope;
use crate::server::stats::Counter;
use crate::server::watch::Farewell;
use mio::unix::SourceFd;
use mio::{Interest, Token};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Worker<'_> {
    pub(super) fn adopt(&mut self, Arrival { socket, service, counted }: Arrival) {
        let mut conn = Conn::new(socket, Parser::new(self.shared.options.item_size_max, self.shared.options.dialect));
        conn.counted = Some(counted);
        (conn.scope, conn.container) = (service.scope, service.container);
        if self.shared.logins.is_some() {
            conn.access = Access::Stranger;
            conn.parser.await_login(admission::VALUE_MAX);
        }
        if let (Some(certificates), Some(clients)) = (&self.shared.tls, service.tls) {
            match certificates.session(clients) {
                Ok(session) => conn.encrypt(session),
                Err(error) => {
                    return log::error!("DM1434: worker {}: cannot begin TLS: {error}", self.index);
                }
            }
        }
        conn.peer.active.store(self.shared.uptime_seconds(), Ordering::Relaxed);
        let fd = conn.fd();
        conn.peer.place(&conn.access, conn.container);
        let peer = Arc::clone(&conn.peer);
        // First of all where a worker that meets a defect finds all it has to leave.
        let key = self.conns.insert(conn);
        self.shared.peers.enter(fd, &peer);
        self.shared.watchers.arrived(&peer, fd);
        match self.poll.registry().register(&mut SourceFd(&fd), Token(key), Interest::READABLE) {
            Ok(()) => self.enqueue(key),
            Err(error) => {
                log::error!("DM1435: worker {}: cannot watch a connection: {error}", self.index);
                self.close(key);
            }
        }
    }

    pub(super) fn close(&mut self, key: usize) {
        self.close_for(key, Farewell::Normal);
    }

    pub(super) fn close_for(&mut self, key: usize, why: Farewell) {
        if let Some(mut conn) = self.conns.try_remove(key) {
            let watchers = &self.shared.watchers;
            watchers.left(&conn.peer, why, conn.fd());
            if let Some(watcher) = &conn.watcher {
                watchers.leave(watcher, &self.shared.memory);
                self.watching.retain(|other| *other != key);
            }
            conn.say_goodbye();
            self.shared.peers.leave(conn.fd());
            let _ = self.poll.registry().deregister(&mut SourceFd(&conn.fd()));
            // Whoever reads on begins another batch.
            if conn.wrote || self.store.reads_are_open() {
                self.commit_batch();
            }
        }
    }

    /// Goes on sending what waited; `false` if the connection is gone.
    pub(super) fn resume_output(&mut self, key: usize) -> bool {
        let Some(conn) = self.conns.get_mut(key) else { return false };
        conn.peer.active.store(self.shared.uptime_seconds(), Ordering::Relaxed);
        let flushed = conn.flush();
        self.shared.peers.note(&conn.peer, Held::Replies, conn.unsent());
        match flushed {
            Ok(false) => {
                self.stalled = true;
                true
            }
            Ok(true) if conn.closing => {
                self.close(key);
                false
            }
            Ok(true) => {
                conn.awaits_writable = false;
                self.watch(key, Interest::READABLE)
            }
            Err(_) => {
                self.close(key);
                false
            }
        }
    }

    /// A client has replies to read. Those with the most are ended where all of them together have too much.
    pub(super) fn owe(&mut self, key: usize) {
        let Some(conn) = self.conns.get(key) else { return };
        self.shared.peers.note(&conn.peer, Held::Replies, conn.unsent());
        let ended = self.shared.peers.shed(Held::Replies, self.shared.options.output_limit);
        if ended > 0 {
            self.stats.add(Counter::OutputLimitKicks, ended as u64);
            self.shared.complain(|| {
                "DM1436: replies that clients do not read exceed output_mem_limit: the connections with most of them are closed".into()
            });
        }
    }

    /// Notes what a connection holds of requests that are to go on. Those that hold the most are ended where all of them together hold
    /// too much.
    #[inline]
    pub(super) fn note_requests(&mut self, key: usize) {
        let Some(conn) = self.conns.get(key) else { return };
        if self.shared.peers.note(&conn.peer, Held::Requests, conn.unconsumed()) {
            self.bound_requests();
        }
    }

    fn bound_requests(&mut self) {
        let options = &self.shared.options;
        // One value always fits, and another that takes its place.
        let limit = options.input_limit.max(2 * options.item_size_max);
        let ended = self.shared.peers.shed(Held::Requests, limit);
        if ended > 0 {
            self.stats.add(Counter::InputLimitKicks, ended as u64);
            self.shared.complain(|| {
                "DM1437: requests that clients have not finished exceed input_mem_limit: the connections with most of them are closed".into()
            });
        }
    }

    pub(super) fn watch(&mut self, key: usize, interest: Interest) -> bool {
        let fd = self.conns[key].fd();
        let watched = self.poll.registry().reregister(&mut SourceFd(&fd), Token(key), interest).is_ok();
        if !watched {
            self.close(key);
        }
        watched
    }

    /// Makes a connection one that watches, if there is room for it.
    pub(super) fn begin_watch(&mut self, key: usize, streams: Streams) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        let shared = self.shared;
        let forbidden = shared.options.watch_disabled || conn.scope == Scope::Bound;
        let mailbox = shared.mailboxes.get().and_then(|all| all.get(self.index));
        let reply: &[u8] = match mailbox.filter(|_| !forbidden) {
            None => b"CLIENT_ERROR watch commands not allowed\r\n",
            Some(mailbox) => {
                conn.watcher = shared.watchers.enter(streams, mailbox, &shared.memory);
                match conn.watcher {
                    None => b"WATCHER_TOO_MANY log watcher limit reached\r\n",
                    Some(_) => b"OK\r\n",
                }
            }
        };
        if conn.watcher.is_some() {
            // What it sent behind the command means nothing.
            conn.consume(conn.input().len(), 0, &mut self.pool);
            conn.behind = false;
            conn.peer.watches.store(true, Ordering::Relaxed);
            self.watching.push(key);
        }
        self.answer(key, Out::from(reply));
    }

    /// Sends what others did to those who watch.
    pub(super) fn tell_watchers(&mut self) {
        for i in (0..self.watching.len()).rev() {
            if let Some(key) = self.watching.get(i) {
                self.tell_watcher(*key);
            }
        }
    }

    /// Sends to one of them, unless it has yet to read what it was sent before.
    pub(super) fn tell_watcher(&mut self, key: usize) {
        let Some(conn) = self.conns.get_mut(key).filter(|conn| !conn.has_output()) else { return };
        let Some(mut lines) = conn.watcher.as_ref().map(|watcher| watcher.take()).filter(|lines| !lines.is_empty())
        else {
            return;
        };
        // Its patience begins here: it need not ask for anything.
        conn.peer.active.store(self.shared.uptime_seconds(), Ordering::Relaxed);
        self.stats.add(Counter::BytesWritten, lines.len() as u64);
        if conn.reply(&mut lines).is_err() {
            return self.close_for(key, Farewell::Error);
        }
        if conn.has_output() {
            conn.awaits_writable = true;
            self.stalled = true;
            self.owe(key);
            self.watch(key, Interest::READABLE | Interest::WRITABLE);
        }
    }

    /// Hands credentials to the login thread.
    pub(super) fn log_in(&mut self, key: usize, attempt: Attempt) {
        let (Some(logins), Some(conn)) = (&self.shared.logins, self.conns.get_mut(key)) else { return };
        conn.access = Access::Stranger;
        conn.peer.place(&conn.access, conn.container);
        match logins.submit(self.index, key, Origin::of(conn.peer.address()), attempt) {
            Ok(pending) => conn.login = Some(Box::new(pending)),
            Err(refused) => {
                self.shared.complain(|| "DM1438: too many logins at a time: a connection is closed".into());
                conn.closing = true;
                self.answer(key, refused);
            }
        }
    }

    /// The verdict on a connection's credentials has come.
    pub(super) fn logged_in(&mut self, verdict: Verdict) {
        let Some(conn) = self.conns.get_mut(verdict.conn) else { return };
        let Some(pending) = conn.login.take_if(|pending| pending.is_answered_by(&verdict)) else { return };
        self.stats.one(Counter::AuthCmds);
        let reply = match verdict.user {
            Some(user) => {
                conn.access = Access::User(user);
                conn.peer.place(&conn.access, conn.container);
                conn.failures = 0;
                conn.parser.logged_in(self.shared.options.item_size_max);
                pending.accepted
            }
            None => {
                self.stats.one(Counter::AuthErrors);
                conn.failures += 1;
                conn.closing |= conn.failures >= admission::TRIES;
                pending.refused
            }
        };
        self.shared.stats[self.index].publish(&mut self.stats);
        self.answer(verdict.conn, reply);
    }

    /// What a user may do is something else now, or nothing.
    pub(super) fn renew(&mut self, renewal: &Renewal) {
        for (_, conn) in &mut self.conns {
            if !matches!(&conn.access, Access::User(user) if Arc::ptr_eq(user, &renewal.old)) {
                continue;
            }
            match &renewal.new {
                Some(user) => conn.access = Access::User(Arc::clone(user)),
                None => {
                    conn.access = Access::Stranger;
                    conn.parser.await_login(admission::VALUE_MAX);
                    conn.peer.place(&conn.access, conn.container);
                }
            }
        }
    }

    /// Sends a reply outside a tick, or keeps what the socket does not take; then the connection goes on.
    pub(super) fn answer(&mut self, key: usize, mut reply: Out) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        if conn.reply(&mut reply).is_err() {
            return self.close(key);
        }
        conn.awaits_writable = true;
        self.owe(key);
        if self.watch(key, Interest::READABLE | Interest::WRITABLE) && self.resume_output(key) {
            self.enqueue(key);
        }
    }

    /// Whether there may be clients that time runs against.
    pub(super) fn watches_clients(&self) -> bool {
        self.stalled || (self.shared.options.idle_timeout > 0 && !self.conns.is_empty())
    }

    /// Closes, once a second, the connections of clients that do not read their replies or ask nothing for too long.
    pub(super) fn close_idle_clients(&mut self) {
        let now = self.shared.uptime_seconds();
        if now == self.clients_checked {
            return;
        }
        self.clients_checked = now;
        self.stalled = false;
        let (idle, output) = (self.shared.options.idle_timeout, self.shared.options.output_timeout);
        let late = |conn: &Conn, timeout: u32| {
            timeout > 0 && now.saturating_sub(conn.peer.active.load(Ordering::Relaxed)) > u64::from(timeout)
        };
        let mut kicked = Vec::new();
        for (key, conn) in &self.conns {
            if conn.has_output() {
                self.stalled = true;
                if late(conn, output) {
                    kicked.push(key);
                    self.stats.one(Counter::OutputKicks);
                }
            } else if conn.login.is_none() && conn.watcher.is_none() && !conn.queued && late(conn, idle) {
                kicked.push(key);
                self.stats.one(Counter::IdleKicks);
            }
        }
        for key in kicked {
            self.close_for(key, Farewell::Idle);
        }
        self.shared.stats[self.index].publish(&mut self.stats);
    }
}
