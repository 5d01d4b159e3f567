//! A worker: one thread, one poller, the connections it owns, one session on the tables.

mod clients;
mod gather;

use super::batch::commit_open;
use super::clock::Moment;
use super::conn::{BufferPool, Conn};
use super::execute::Executor;
use super::held::HeldTables;
use super::latency::Tally;
use super::mailbox::Mailbox;
use super::scope::Scope;
use super::shared::{Shared, unix_time};
use super::socket::Filled;
use super::stats::{Counter, Delta, Notes};
use super::sweep::Sweep;
use super::threads::sleep_precisely;
use super::tick::{Buffers, Plan, Tick, TickSummary};
use super::watch::Farewell;
use crate::boundary::catch;
use crate::host::{HostError, RowSession};
use crate::store::{CasSource, Config, Store};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const WAKE: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);

/// Pause before a worker begins anew that got no session from its host, whose poller failed, or that met a defect.
const RETRY: Duration = Duration::from_millis(100);

/// What a worker is made of before its thread starts.
pub struct WorkerBuilder {
    index: usize,
    poll: Poll,
    mailbox: Arc<Mailbox>,
}

impl WorkerBuilder {
    /// A poller and its mailbox.
    pub fn new(index: usize) -> std::io::Result<WorkerBuilder> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        Ok(WorkerBuilder { index, poll, mailbox: Arc::new(Mailbox::new(waker)) })
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
    /// Seconds after which an open batch is committed.
    commit_interval: i64,
    /// The last request to commit batches that was seen.
    commit_seen: u64,
    store: Store<RowSession>,
    conns: Slab<Conn>,
    /// Connections to look at in the next tick.
    queue: Vec<usize>,
    pool: BufferPool,
    stats: Delta,
    counts: Notes,
    /// Connections that watch what others do.
    watching: Vec<usize>,
    sweep: Option<Sweep>,
    /// The last tick.
    last: TickSummary,
    held: HeldTables,
    /// When it last woke up, and what it answered since.
    woke: Moment,
    tally: Tally,
    /// A connection waits for its client to read.
    stalled: bool,
    /// Second after the daemon's start in which clients were last clients_checked.
    clients_checked: u64,
}

/// Seconds that a batch of reads lasts at most.
const READS_LAST: i64 = 1;

/// How long a batch of reads waits for the next one.
const IDLE_READS: Duration = Duration::from_millis(100);

/// Why a worker begins anew.
#[derive(Debug)]
enum ServeError {
    /// Its host gives it no session.
    Session(HostError),
    /// Its poller failed.
    Poll(std::io::Error),
}

impl std::fmt::Display for ServeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ServeError::Session(error) => error.fmt(f),
            ServeError::Poll(error) => write!(f, "polling failed: {error}"),
        }
    }
}

impl std::error::Error for ServeError {}

/// The body of a worker thread: serves until the daemon stops. A panic costs the worker its connections, not the
/// host its life.
pub fn run(mut builder: WorkerBuilder, shared: &Shared, cas: CasSource) {
    let attached = match shared.host.attach_thread() {
        Ok(attached) => attached,
        Err(error) => return log::error!("DM1431: worker {} cannot start: {error}", builder.index),
    };
    while !shared.stopping() {
        let served = catch(|| {
            Worker::new(&mut builder, shared, cas.clone(), shared.host.session().map_err(ServeError::Session)?).serve()
        });
        match served {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => shared.complain(|| format!("DM1440: worker {}: {error}; it tries again", builder.index)),
            Err(defect) => {
                log::error!("DM1432: worker {}: {defect}; its connections are closed, it goes on", builder.index);
            }
        }
        std::thread::sleep(RETRY);
    }
    drop(attached);
}

impl<'s> Worker<'s> {
    fn new(builder: &'s mut WorkerBuilder, shared: &'s Shared, cas: CasSource, session: RowSession) -> Worker<'s> {
        let config = shared.mapping.take(builder.index);
        let commit_interval = session.host_commit_interval();
        let store = Store::new(
            session,
            Arc::clone(&shared.memory),
            Arc::clone(&shared.marks),
            Arc::clone(&config),
            cas,
            shared.options.item_size_max,
            shared.options.settings.batch,
        );
        let held = HeldTables::new(builder.poll.registry(), TIMER);
        Worker {
            index: builder.index,
            poll: &mut builder.poll,
            mailbox: &builder.mailbox,
            shared,
            config,
            commit_interval,
            commit_seen: 0,
            store,
            conns: Slab::new(),
            queue: Vec::new(),
            pool: BufferPool::default(),
            stats: Delta::ZERO,
            counts: Notes::default(),
            watching: Vec::new(),
            sweep: None,
            last: TickSummary::default(),
            held,
            woke: Moment::now(),
            tally: Tally::default(),
            stalled: false,
            clients_checked: 0,
        }
    }

    /// # Errors
    /// The poller failed.
    fn serve(mut self) -> Result<(), ServeError> {
        sleep_precisely();
        let mut events = Events::with_capacity(1024);
        let mut buffers = Buffers::default();
        let (mut ready, mut plans) = (Vec::new(), Vec::new());
        // A wake-up comes once: what a defect took from the worker before this one is still in the mailbox.
        self.read_mail();
        while !self.shared.stopping() {
            // A sweep goes on in the gaps that clients leave.
            let timeout = match (self.queue.is_empty(), &self.sweep) {
                (false, _) => Some(Duration::ZERO),
                (true, Some(_)) => Some(Duration::from_millis(1)),
                (true, None) if self.store.reads_are_open() => Some(IDLE_READS),
                // An open batch and the clients' clocks are looked at each second.
                (true, None) => {
                    (self.store.batch_begun().is_some() || self.watches_clients()).then_some(Duration::from_secs(1))
                }
            };
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != std::io::ErrorKind::Interrupted
            {
                return Err(ServeError::Poll(error));
            }
            self.woke = Moment::now();
            for event in &events {
                self.note(event);
            }
            ready.clear();
            self.read_sockets(&mut ready);
            self.gather(self.last, &mut events, &mut ready);
            self.tick(&mut buffers, &mut ready, &mut plans);
            self.sweep_on();
            self.held.settle(&mut self.store);
            if self.watches_clients() {
                self.close_idle_clients();
            }
            if self.shared.batches() {
                self.check_batch(events.is_empty());
            }
        }
        self.commit_batch();
        Ok(())
    }

    fn note(&mut self, event: &mio::event::Event) {
        match event.token() {
            WAKE => return self.read_mail(),
            TIMER => return self.held.ring(),
            _ => {}
        }
        let key = event.token().0;
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.readable |= event.is_readable() || event.is_error();
        conn.end_announced |= event.is_read_closed();
        if conn.awaits_writable && event.is_writable() {
            if !self.resume_output(key) {
                return;
            }
            self.tell_watcher(key);
        }
        self.enqueue(key);
    }

    /// Does what other threads woke this one for.
    fn read_mail(&mut self) {
        std::mem::take(&mut *self.mailbox.arrivals.lock()).into_iter().for_each(|arrival| self.adopt(arrival));
        for verdict in std::mem::take(&mut *self.mailbox.verdicts.lock()) {
            self.logged_in(verdict);
        }
        let renewals = std::mem::take(&mut *self.mailbox.renewals.lock());
        renewals.into_iter().for_each(|renewal| self.renew(&renewal));
        self.store.check_session();
        self.follow_config();
        self.tell_watchers();
        if self.index == 0 {
            self.housekeeping();
        }
    }

    fn enqueue(&mut self, key: usize) {
        if let Some(conn) = self.conns.get_mut(key)
            && !conn.queued
        {
            conn.queued = true;
            self.queue.push(key);
        }
    }

    fn tick(&mut self, buffers: &mut Buffers, ready: &mut Vec<usize>, plans: &mut Vec<Plan>) {
        // Some may be gone; a key that has another connection now may be there twice.
        ready.retain(|key| self.conns.get_mut(*key).is_some_and(|conn| std::mem::take(&mut conn.queued)));
        if ready.is_empty() {
            return;
        }
        self.store.set_now(self.shared.unix_time_at(self.woke));
        self.follow_config();
        // The tables of a batch stay open anyway.
        let hold = self.held.begin(self.woke) && !self.shared.batches();
        self.store.hold(hold);
        if let Err(unknown) = self.run_tick(ready, buffers, plans, false) {
            self.shared.mapping.look_up(&unknown);
            self.follow_config();
            let _ = self.run_tick(ready, buffers, plans, true);
        }
        let ended = Moment::now();
        self.held.end(ended);
        self.shared.stats[self.index].latencies.publish(&mut self.tally, self.woke, ended);
        let now = ended.since(self.shared.started) / 1_000_000_000;
        for plan in plans.drain(..) {
            self.settle(plan, now);
        }
        self.shared.stats[self.index].publish(&mut self.stats);
        self.shared.stats[self.index].publish_containers(&mut self.counts.containers);
        if self.counts.seen.len() > 0 {
            self.shared.watchers.publish(&mut self.counts.seen);
        }
    }

    /// Commits the open batch when it is old enough or when somebody waits for what it holds. One that has only read keeps ALTER and DROP
    /// waiting, and loses nothing when it is begun anew: it ends with the second, and when `nobody` came for [`IDLE_READS`].
    fn check_batch(&mut self, nobody: bool) {
        let wanted = self.shared.commit_wanted.load(Ordering::Acquire);
        let Some(begun) = self.store.batch_begun() else {
            self.commit_seen = wanted;
            return;
        };
        let (interval, idle) = match self.store.reads_are_open() {
            true => (READS_LAST.min(self.commit_interval), nobody),
            false => (self.commit_interval, false),
        };
        if idle || wanted != self.commit_seen || unix_time() >= begun.saturating_add(interval) {
            self.commit_seen = wanted;
            self.commit_batch();
        }
    }

    fn commit_batch(&mut self) {
        commit_open(&mut self.store, &mut self.stats);
        self.shared.stats[self.index].publish(&mut self.stats);
    }

    // tests/house/instructions.rs counts what happens in here, by this name.
    #[inline(never)]
    fn run_tick(
        &mut self,
        ready: &[usize],
        buffers: &mut Buffers,
        plans: &mut Vec<Plan>,
        last_try: bool,
    ) -> Result<(), Vec<Vec<u8>>> {
        let batches = self.shared.batches();
        if batches {
            self.shared.busy[self.index].store(self.shared.uptime_ms(), Ordering::Relaxed);
        }
        let mut tick = Tick {
            conns: &self.conns,
            store: &mut self.store,
            config: &mut self.config,
            shared: self.shared,
            stats: &mut self.stats,
            counts: &mut self.counts,
            tally: &mut self.tally,
            last: self.last,
            this: TickSummary::default(),
            // A batch was answered: what it holds must not be undone for this.
            keeps_config: batches,
        };
        let result = tick.run(ready, buffers, plans, last_try);
        self.last = tick.this;
        if batches {
            self.shared.busy[self.index].store(0, Ordering::Relaxed);
        }
        result
    }

    /// Takes the newest configuration; between ticks, so that one tick knows one configuration.
    fn follow_config(&mut self) {
        if self.shared.mapping.is_news(self.index) {
            // A batch that is open belongs to the mapping with which it was begun.
            self.commit_batch();
            self.config = self.shared.mapping.take(self.index);
            self.store.set_config(Arc::clone(&self.config));
        }
    }

    /// Reads every queued socket before anything runs, so that the read phase's view is younger than all of them. Connections that
    /// may have requests are added to `ready`, and are queued until the tick takes them.
    fn read_sockets(&mut self, ready: &mut Vec<usize>) {
        let mut received = 0;
        ready.extend(self.queue.drain(..).filter(|key| {
            let Some(conn) = self.conns.get_mut(*key) else { return false };
            // Whoever does not read its replies is not read from either; whoever logs in waits for the verdict.
            if conn.has_output() || conn.login.is_some() {
                conn.queued = false;
                return false;
            }
            if conn.readable && !conn.half_closed && !conn.behind {
                match conn.fill(&mut self.pool, &mut received) {
                    Ok(Filled::Drained) => conn.readable = conn.end_announced,
                    Ok(Filled::More) => {}
                    Ok(Filled::Closed) => {
                        conn.half_closed = true;
                        conn.readable = false;
                    }
                    Err(error) => {
                        if conn.is_handshaking() {
                            self.stats.one(Counter::SslHandshakeErrors);
                            self.shared.watchers.tls_failed(conn.fd(), &error);
                        }
                        conn.half_closed = true;
                        conn.readable = false;
                    }
                }
                if conn.watcher.is_some() {
                    conn.consume(conn.input().len(), 0, &mut self.pool);
                }
                // Half a handshake waits for the client as a reply does.
                if conn.has_output() && !conn.awaits_writable {
                    self.stalled = true;
                    conn.awaits_writable = true;
                    let both = Interest::READABLE | Interest::WRITABLE;
                    let _ = self.poll.registry().reregister(&mut SourceFd(&conn.fd()), Token(*key), both);
                }
            }
            true
        }));
        self.stats.add(Counter::BytesRead, received);
    }

    /// Ends a connection's part in a tick; `now` is the present second of the daemon's life.
    fn settle(&mut self, plan: Plan, now: u64) {
        let key = plan.conn;
        if plan.drop {
            return self.close_for(key, Farewell::Error);
        }
        let batches = self.shared.batches();
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.wrote |= batches && plan.writes;
        if conn.wrote && conn.container != plan.container {
            // Whoever switches leaves nothing uncommitted behind.
            conn.wrote = false;
            self.commit_batch();
        }
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.peer.active.store(now, Ordering::Relaxed);
        conn.consume(plan.consumed, plan.wanted, &mut self.pool);
        conn.parser = plan.parser;
        conn.resume = plan.resume;
        conn.behind = plan.more;
        self.note_requests(key);
        let Some(conn) = self.conns.get_mut(key) else { return };
        if conn.container != plan.container {
            conn.container = plan.container;
            conn.peer.place(&conn.access, conn.container);
        }
        conn.closing |= plan.close || (conn.half_closed && !plan.more && plan.login.is_none());
        if conn.has_output() {
            conn.awaits_writable = true;
            self.stalled = true;
            self.owe(key);
            self.watch(key, Interest::READABLE | Interest::WRITABLE);
        } else if let Some(attempt) = plan.login {
            self.log_in(key, *attempt);
        } else if let Some(streams) = plan.watch {
            self.begin_watch(key, streams);
        } else if conn.closing {
            let left = conn.half_closed || plan.farewell;
            self.close_for(key, if left { Farewell::Normal } else { Farewell::Error });
        } else if plan.more || conn.readable {
            self.enqueue(key);
        }
    }

    /// What the first worker does for all, when the supervisor wakes it.
    fn housekeeping(&mut self) {
        self.flush_due();
        if self.shared.sweep.swap(false, Ordering::Relaxed) && self.sweep.is_none() {
            self.sweep = Some(Sweep::new(&self.config));
        }
    }

    /// A step of the sweep that is under way, between two ticks.
    fn sweep_on(&mut self) {
        if self.sweep.is_some() {
            self.commit_batch();
        }
        if let Some(sweep) = &mut self.sweep {
            self.store.set_now(unix_time());
            if !sweep.step(&mut self.store, &self.config, self.shared, &mut self.stats) {
                self.sweep = None;
            }
            self.shared.stats[self.index].publish(&mut self.stats);
        }
    }

    /// Deadlines of delayed flush_alls have come.
    fn flush_due(&mut self) {
        self.follow_config();
        for container in self.shared.due_flushes() {
            let (config, shared) = (&self.config, self.shared);
            let mut executor = Executor {
                store: &mut self.store,
                config,
                container,
                at: None,
                scope: Scope::default(),
                conn: None,
                shared,
                stats: &mut self.stats,
                counts: &mut self.counts,
                stop: usize::MAX,
                keeps_config: true,
            };
            executor.flush_due();
        }
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        // It may be dropped because of a panic, and another one on the way out would end the host.
        if let Err(defect) = catch(|| self.store.rollback()) {
            log::error!("DM1433: worker {}: a transaction could not be rolled back: {defect}", self.index);
        }
        self.shared.busy[self.index].store(0, Ordering::Relaxed);
        for (_, conn) in &self.conns {
            self.shared.peers.leave(conn.fd());
            if let Some(watcher) = &conn.watcher {
                self.shared.watchers.leave(watcher, &self.shared.memory);
            }
        }
    }
}
