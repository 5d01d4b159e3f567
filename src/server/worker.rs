//! A worker: one thread, one poller, the connections it owns, one session on the tables.

use super::Shared;
use super::conn::{BufferPool, Conn, Filled};
use super::execute::Executor;
use super::stats::{Counter, Delta};
use super::tick::{Buffers, Plan, Tick};
use crate::protocol::ascii::Parser;
use crate::rows::table::Session;
use crate::store::{CasSource, Config, Store};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use parking_lot::Mutex;
use slab::Slab;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const WAKE: Token = Token(usize::MAX);

/// How other threads reach a worker.
pub struct Mailbox {
    sockets: Mutex<Vec<OwnedFd>>,
    waker: Waker,
}

impl Mailbox {
    /// Hands a new connection over.
    pub fn give(&self, socket: OwnedFd) {
        self.sockets.lock().push(socket);
        self.wake();
    }

    /// Makes the worker look at the daemon's flags.
    pub fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            log::error!("cannot wake a worker: {error}");
        }
    }
}

/// What a worker is made of before its thread starts.
pub struct Seed {
    index: usize,
    poll: Poll,
    mailbox: Arc<Mailbox>,
}

impl Seed {
    /// A poller and its mailbox.
    pub fn new(index: usize) -> std::io::Result<Seed> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        Ok(Seed { index, poll, mailbox: Arc::new(Mailbox { sockets: Mutex::default(), waker }) })
    }

    /// The mailbox, for the acceptor and the supervisor.
    pub fn mailbox(&self) -> Arc<Mailbox> {
        Arc::clone(&self.mailbox)
    }
}

/// The thread's state.
pub struct Worker<'s> {
    index: usize,
    poll: &'s mut Poll,
    mailbox: &'s Mailbox,
    shared: &'s Shared,
    config: Arc<Config>,
    store: Store<Session>,
    conns: Slab<Conn>,
    /// Connections to look at in the next tick.
    queue: Vec<usize>,
    pool: BufferPool,
    stats: Delta,
}

/// The body of a worker thread: serves until the daemon stops. A panic costs the worker its connections, not the
/// host its life.
pub fn run(mut seed: Seed, shared: &Shared, config: Arc<Config>, cas: CasSource) {
    let attached = match shared.host.attach_thread() {
        Ok(attached) => attached,
        Err(error) => return log::error!("worker {}: {error}", seed.index),
    };
    while !shared.stopping() {
        let served = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            Worker::new(&mut seed, shared, Arc::clone(&config), cas.clone()).serve();
        }));
        if served.is_err() {
            log::error!("worker {} met a defect of the daemon: its connections are closed, it goes on", seed.index);
        }
    }
    drop(attached);
}

impl<'s> Worker<'s> {
    fn new(seed: &'s mut Seed, shared: &'s Shared, config: Arc<Config>, cas: CasSource) -> Worker<'s> {
        let session = Session::new(shared.host.api());
        let store = Store::new(session, Arc::clone(&config), cas, shared.options.item_size_max);
        Worker {
            index: seed.index,
            poll: &mut seed.poll,
            mailbox: &seed.mailbox,
            shared,
            config,
            store,
            conns: Slab::new(),
            queue: Vec::new(),
            pool: BufferPool::default(),
            stats: Delta::ZERO,
        }
    }

    fn serve(mut self) {
        let mut events = Events::with_capacity(1024);
        let mut buffers = Buffers::default();
        let (mut ready, mut plans) = (Vec::new(), Vec::new());
        while !self.shared.stopping() {
            let timeout = (!self.queue.is_empty()).then_some(Duration::ZERO);
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != std::io::ErrorKind::Interrupted
            {
                return log::error!("worker {}: polling failed: {error}", self.index);
            }
            for event in &events {
                self.note(event);
            }
            self.tick(&mut buffers, &mut ready, &mut plans);
        }
    }

    fn note(&mut self, event: &mio::event::Event) {
        if event.token() == WAKE {
            for socket in std::mem::take(&mut *self.mailbox.sockets.lock()) {
                self.adopt(socket);
            }
            if self.index == 0 && self.shared.flush_is_due() {
                self.flush_default();
            }
            return;
        }
        let key = event.token().0;
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.readable |= event.is_readable() || event.is_error();
        conn.end_announced |= event.is_read_closed();
        if conn.awaits_writable && event.is_writable() && !self.resume_output(key) {
            return;
        }
        self.enqueue(key);
    }

    fn enqueue(&mut self, key: usize) {
        if let Some(conn) = self.conns.get_mut(key)
            && !conn.queued
        {
            conn.queued = true;
            self.queue.push(key);
        }
    }

    fn adopt(&mut self, socket: OwnedFd) {
        let parser = Parser::new(self.shared.options.item_size_max);
        let conn = Conn::new(socket, parser, self.config.default);
        let fd = conn.fd();
        let key = self.conns.insert(conn);
        match self.poll.registry().register(&mut SourceFd(&fd), Token(key), Interest::READABLE) {
            Ok(()) => self.enqueue(key),
            Err(error) => {
                log::error!("worker {}: cannot watch a connection: {error}", self.index);
                self.close(key);
            }
        }
    }

    fn close(&mut self, key: usize) {
        if let Some(conn) = self.conns.try_remove(key) {
            let _ = self.poll.registry().deregister(&mut SourceFd(&conn.fd()));
            self.shared.connections.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Goes on sending what waited; `false` if the connection is gone.
    fn resume_output(&mut self, key: usize) -> bool {
        let Some(conn) = self.conns.get_mut(key) else { return false };
        match conn.flush() {
            Ok(false) => true,
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

    fn watch(&mut self, key: usize, interest: Interest) -> bool {
        let fd = self.conns[key].fd();
        let watched = self.poll.registry().reregister(&mut SourceFd(&fd), Token(key), interest).is_ok();
        if !watched {
            self.close(key);
        }
        watched
    }

    fn tick(&mut self, buffers: &mut Buffers, ready: &mut Vec<usize>, plans: &mut Vec<Plan>) {
        self.read_sockets(ready);
        if ready.is_empty() {
            return;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64);
        self.store.set_now(now);
        Tick {
            conns: &self.conns,
            store: &mut self.store,
            config: &self.config,
            shared: self.shared,
            stats: &mut self.stats,
        }
        .run(ready, buffers, plans);
        for plan in plans.drain(..) {
            self.settle(plan);
        }
        self.shared.stats[self.index].publish(&mut self.stats);
    }

    /// Reads every queued socket before anything runs, so that the read phase's view is younger than all of them.
    fn read_sockets(&mut self, ready: &mut Vec<usize>) {
        ready.clear();
        std::mem::swap(ready, &mut self.queue);
        let mut received = 0;
        ready.retain(|key| {
            let Some(conn) = self.conns.get_mut(*key) else { return false };
            conn.queued = false;
            // Whoever does not read its replies is not read from either.
            if conn.has_output() {
                return false;
            }
            if conn.readable && !conn.half_closed {
                match conn.fill(&mut self.pool, &mut received) {
                    Ok(Filled::Drained) => conn.readable = conn.end_announced,
                    Ok(Filled::More) => {}
                    Ok(Filled::Closed) | Err(_) => {
                        conn.half_closed = true;
                        conn.readable = false;
                    }
                }
            }
            true
        });
        self.stats.add(Counter::BytesRead, received);
    }

    fn settle(&mut self, plan: Plan) {
        let key = plan.conn;
        if plan.drop {
            return self.close(key);
        }
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.consume(plan.consumed, plan.wanted, &mut self.pool);
        conn.parser = plan.parser;
        conn.answered_keys = plan.answered_keys;
        conn.closing |= plan.close || (conn.half_closed && !plan.more);
        if !plan.unsent.is_empty() {
            conn.keep(&plan.unsent);
            conn.awaits_writable = true;
            self.watch(key, Interest::READABLE | Interest::WRITABLE);
        } else if conn.closing {
            self.close(key);
        } else if plan.more || conn.readable {
            self.enqueue(key);
        }
    }

    /// The deadline of a delayed flush_all has come.
    fn flush_default(&mut self) {
        let container = self.config.default_container();
        let mut out = Vec::new();
        let request = crate::protocol::ascii::Request::FlushAll { delay: 0, noreply: true };
        let mut executor = Executor { store: &mut self.store, container, shared: self.shared, stats: &mut self.stats };
        let _ = executor.run(&request, 0, &mut out);
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        self.store.rollback();
        self.shared.connections.fetch_sub(self.conns.len(), Ordering::Relaxed);
    }
}
