//! One tick: what the ready connections sent, run in two phases, answered after its commit.
//!
//! ```text
//!  plan        parse every ready connection's input; borrow it, consume nothing
//!  read phase  connections that only read: one read-only transaction, answered at once
//!  write phase the rest: one read-write transaction, single-key requests sorted by key
//!  commit      one for all of them
//!  settle      consume the input, send the replies
//! ```
//!
//! Nothing is consumed or sent before the commit, so the write phase can be run again after a deadlock or a lock wait
//! timeout. A commit that fails ambiguously is never repeated: its connections are closed without a reply.

#[cfg(test)]
mod tests;

use super::Shared;
use super::conn::Conn;
use super::execute::{Abort, Executor, Progress, REPLY_BUDGET, is_read, sort_key};
use super::stats::{Counter, Delta};
use crate::protocol::ascii::{Parsed, Parser, Request};
use crate::protocol::reply;
use crate::rows::Rows;
use crate::store::{Config, Store};
use slab::Slab;
use std::ops::Range;

/// How often a tick that is a deadlock's victim runs again whole before it is halved.
const DEADLOCK_ATTEMPTS: u32 = 3;

/// Keys of gets that one connection may have in a write phase, whose replies all wait in memory for the commit.
const VALUES_PER_WRITE_PHASE: usize = 64;

/// A parsed request, borrowed from its connection's input.
struct Planned<'t> {
    plan: usize,
    request: Request<'t>,
    /// Input that is consumed once this request is answered, and the parser behind it.
    end: usize,
    parser: Parser,
    /// Its reply in the write phase's arena.
    reply: Range<usize>,
    /// A reply that was decided without running it.
    verdict: Option<&'static [u8]>,
}

/// What becomes of a connection in this tick.
pub struct Plan {
    /// Its key in the worker's slab.
    pub conn: usize,
    requests: Range<usize>,
    writes: bool,
    /// Input to consume, the parser behind it.
    pub consumed: usize,
    /// See [`Plan::consumed`].
    pub parser: Parser,
    /// Both once every planned request is answered: the parser may have looked further than the last of them.
    tail: (usize, Parser),
    /// Bytes the next request is known to need, 0 when unknown.
    pub wanted: usize,
    /// Keys answered of the get at the head of what remains.
    pub answered_keys: usize,
    /// Replies that the socket did not take.
    pub unsent: Vec<u8>,
    /// Close once everything is sent.
    pub close: bool,
    /// Close at once, without a reply: the outcome is unknown, or the socket is broken.
    pub drop: bool,
    /// Complete requests may remain in the input.
    pub more: bool,
}

/// Buffers that live from tick to tick.
#[derive(Default)]
pub struct Buffers {
    planned: Vec<Planned<'static>>,
    order: Vec<usize>,
    out: Vec<u8>,
    arena: Vec<u8>,
}

/// Parts of a worker that a tick works with; connections are only borrowed.
pub struct Tick<'t, R> {
    /// The worker's connections.
    pub conns: &'t Slab<Conn>,
    /// The worker's store.
    pub store: &'t mut Store<R>,
    /// The containers.
    pub config: &'t Config,
    /// The daemon.
    pub shared: &'t Shared,
    /// What happened, published by the worker.
    pub stats: &'t mut Delta,
}

impl<R: Rows> Tick<'_, R> {
    /// Runs one tick over `ready` connections and fills `plans` with what to do with each.
    pub fn run(&mut self, ready: &[usize], buffers: &mut Buffers, plans: &mut Vec<Plan>) {
        plans.clear();
        let conns = self.conns;
        let mut planned = recycle(std::mem::take(&mut buffers.planned));
        for key in ready {
            if let Some(conn) = conns.get(*key) {
                plans.push(plan_conn(*key, conn, plans.len(), self.shared.options.requests_per_tick, &mut planned));
            }
        }
        self.store.set_read_write(false);
        self.read_phase(&planned, plans, &mut buffers.out);
        order(&planned, plans, conns, &mut buffers.order);
        if !buffers.order.is_empty() {
            let Buffers { order, arena, out, .. } = buffers;
            arena.clear();
            self.store.set_read_write(true);
            WritePhase { tick: self, planned: &mut planned, plans, arena }.run(order);
            self.answer_writes(&planned, plans, arena, out);
        }
        self.stats.one(Counter::Ticks);
        buffers.planned = recycle(planned);
        buffers.out.shrink_to(REPLY_BUDGET);
        buffers.arena.shrink_to(REPLY_BUDGET);
    }

    fn executor(&mut self, conn: usize) -> Executor<'_, R> {
        let container = &self.config.containers[self.conns[conn].container];
        Executor { store: &mut *self.store, container, shared: self.shared, stats: &mut *self.stats }
    }

    fn read_phase(&mut self, planned: &[Planned<'_>], plans: &mut [Plan], out: &mut Vec<u8>) {
        for plan in plans.iter_mut().filter(|plan| !plan.writes && !plan.requests.is_empty()) {
            out.clear();
            let mut skip = self.conns[plan.conn].answered_keys;
            for planned in &planned[plan.requests.clone()] {
                if out.len() >= REPLY_BUDGET {
                    plan.more = true;
                    break;
                }
                let start = out.len();
                match self.executor(plan.conn).run(&planned.request, std::mem::take(&mut skip), out) {
                    Ok(Progress::Done) => {}
                    Ok(Progress::Keys(answered)) => {
                        plan.answered_keys = answered;
                        plan.more = true;
                        break;
                    }
                    Err(abort) => {
                        self.store.rollback();
                        out.truncate(start);
                        out.extend_from_slice(verdict(abort));
                    }
                }
                (plan.consumed, plan.parser) = (planned.end, planned.parser);
            }
            if plan.consumed == planned[plan.requests.end - 1].end {
                (plan.consumed, plan.parser) = plan.tail;
            } else {
                // A close that was asked for behind requests that are not answered yet comes with them.
                plan.close = false;
            }
            self.send(plan, out);
        }
        if let Err(error) = self.store.commit() {
            log::warn!("a read-only transaction did not end cleanly: {error}");
        }
    }

    fn answer_writes(&mut self, planned: &[Planned<'_>], plans: &mut [Plan], arena: &[u8], out: &mut Vec<u8>) {
        for plan in plans.iter_mut().filter(|plan| plan.writes && !plan.drop) {
            out.clear();
            for planned in &planned[plan.requests.clone()] {
                out.extend_from_slice(&arena[planned.reply.clone()]);
            }
            (plan.consumed, plan.parser) = plan.tail;
            self.send(plan, out);
        }
    }

    fn send(&mut self, plan: &mut Plan, out: &[u8]) {
        if out.is_empty() {
            return;
        }
        match self.conns[plan.conn].send(out) {
            Ok(sent) => {
                self.stats.add(Counter::BytesWritten, out.len() as u64);
                plan.unsent.extend_from_slice(&out[sent..]);
            }
            Err(_) => plan.drop = true,
        }
    }
}

fn plan_conn<'t>(key: usize, conn: &'t Conn, index: usize, limit: usize, planned: &mut Vec<Planned<'t>>) -> Plan {
    let input = conn.input();
    let first = planned.len();
    let mut plan = Plan {
        conn: key,
        requests: first..first,
        writes: false,
        consumed: 0,
        parser: conn.parser,
        tail: (0, conn.parser),
        wanted: 0,
        answered_keys: 0,
        unsent: Vec::new(),
        close: false,
        drop: false,
        more: false,
    };
    let (mut parser, mut end, mut values) = (conn.parser, 0, 0);
    loop {
        if planned.len() - first >= limit || (plan.writes && values >= VALUES_PER_WRITE_PHASE) {
            plan.more = true;
            break;
        }
        match parser.parse(&input[end..]) {
            Parsed::Incomplete { wanted } => {
                plan.wanted = wanted;
                break;
            }
            Parsed::Swallowed { consumed } => end += consumed,
            Parsed::Close => {
                plan.close = true;
                break;
            }
            Parsed::Request { request, consumed } => {
                end += consumed;
                plan.writes |= !is_read(&request);
                if let Request::Get { keys, .. } | Request::GetAndTouch { keys, .. } = &request {
                    values += keys.len_hint();
                }
                planned.push(Planned { plan: index, request, end, parser, reply: 0..0, verdict: None });
                if matches!(request, Request::Quit) {
                    plan.close = true;
                    break;
                }
            }
        }
    }
    plan.requests = first..planned.len();
    plan.tail = (end, parser);
    if plan.requests.is_empty() {
        (plan.consumed, plan.parser) = plan.tail;
    }
    plan
}

/// Lists the requests of the write phase in the order in which they run: between two requests of several keys,
/// single-key requests by container and key, those of one key as they came. All workers then lock in one order.
fn order(planned: &[Planned<'_>], plans: &[Plan], conns: &Slab<Conn>, order: &mut Vec<usize>) {
    order.clear();
    let mut run = 0;
    for plan in plans.iter().filter(|plan| plan.writes) {
        for i in plan.requests.clone() {
            if sort_key(&planned[i].request).is_none() {
                sort_run(planned, plans, conns, &mut order[run..]);
                order.push(i);
                run = order.len();
            } else {
                order.push(i);
            }
        }
    }
    sort_run(planned, plans, conns, &mut order[run..]);
}

fn sort_run(planned: &[Planned<'_>], plans: &[Plan], conns: &Slab<Conn>, run: &mut [usize]) {
    run.sort_unstable_by(|a, b| {
        let by = |i: usize| (conns[plans[planned[i].plan].conn].container, sort_key(&planned[i].request), i);
        by(*a).cmp(&by(*b))
    });
}

/// The second half of a tick; replies go to the arena until they may be sent.
struct WritePhase<'w, 't, 'p, R> {
    tick: &'w mut Tick<'t, R>,
    planned: &'w mut [Planned<'p>],
    plans: &'w mut [Plan],
    arena: &'w mut Vec<u8>,
}

impl<R: Rows> WritePhase<'_, '_, '_, R> {
    /// Runs `order`, cut at each flush_all: a flush runs alone, behind the commit of what came before it.
    fn run(&mut self, order: &[usize]) {
        let mut rest = order;
        while let Some(first) = rest.first() {
            let next_flush = rest.iter().position(|i| self.is_flush(*i)).unwrap_or(rest.len());
            let (segment, behind) = rest.split_at(if self.is_flush(*first) { 1 } else { next_flush });
            self.segment(segment);
            rest = behind;
        }
    }

    fn is_flush(&self, i: usize) -> bool {
        matches!(self.planned[i].request, Request::FlushAll { .. })
    }

    /// Runs and commits, again without the guilty after a lock wait timeout, again whole and then in halves
    /// after deadlocks.
    fn segment(&mut self, requests: &[usize]) {
        let start = self.arena.len();
        let mut deadlocks = 0;
        loop {
            let mut stats = Delta::ZERO;
            let (guilty, abort) = match self.attempt(requests, &mut stats) {
                Ok(()) => return self.commit(requests, &mut stats),
                Err(aborted) => aborted,
            };
            self.tick.store.rollback();
            self.arena.truncate(start);
            match abort {
                Abort::LockTimeout => self.planned[guilty].verdict = Some(self.give_up(abort)),
                Abort::Deadlock => {
                    self.tick.stats.one(Counter::Deadlocks);
                    deadlocks += 1;
                    if deadlocks >= DEADLOCK_ATTEMPTS {
                        match requests {
                            [_] => self.planned[guilty].verdict = Some(self.give_up(abort)),
                            _ => {
                                let (first, second) = requests.split_at(requests.len() / 2);
                                self.segment(first);
                                return self.segment(second);
                            }
                        }
                    }
                }
            }
        }
    }

    fn give_up(&mut self, abort: Abort) -> &'static [u8] {
        if abort == Abort::LockTimeout {
            self.tick.stats.one(Counter::LockTimeouts);
        }
        self.tick.stats.one(Counter::ServerErrors);
        verdict(abort)
    }

    /// # Errors
    /// The request that lost the transaction, and how.
    fn attempt(&mut self, requests: &[usize], stats: &mut Delta) -> Result<(), (usize, Abort)> {
        for i in requests {
            let start = self.arena.len();
            let planned = &mut self.planned[*i];
            let plan = &self.plans[planned.plan];
            if plan.drop {
                continue;
            }
            match planned.verdict {
                Some(reply) => self.arena.extend_from_slice(if is_silent(&planned.request) { b"" } else { reply }),
                None => {
                    let container = &self.tick.config.containers[self.tick.conns[plan.conn].container];
                    let (store, shared) = (&mut *self.tick.store, self.tick.shared);
                    let mut executor = Executor { store, container, shared, stats };
                    let mut skip = match *i == plan.requests.start {
                        true => self.tick.conns[plan.conn].answered_keys,
                        false => 0,
                    };
                    // In a write phase a get is answered whole: the view it began with ends with the commit.
                    while let Progress::Keys(answered) =
                        executor.run(&planned.request, skip, self.arena).map_err(|abort| (*i, abort))?
                    {
                        skip = answered;
                    }
                }
            }
            planned.reply = start..self.arena.len();
        }
        Ok(())
    }

    fn commit(&mut self, requests: &[usize], stats: &mut Delta) {
        match self.tick.store.commit() {
            Ok(()) => {
                self.tick.stats.one(Counter::Commits);
                self.tick.stats.merge(stats);
            }
            Err(error) => {
                // It may have happened or not: to run it again could count twice, to answer could lie.
                self.tick.stats.one(Counter::CommitFailures);
                log::error!(
                    "a commit failed with unknown outcome: {error}; its connections are closed without a reply"
                );
                for i in requests {
                    self.plans[self.planned[*i].plan].drop = true;
                }
            }
        }
    }
}

fn verdict(abort: Abort) -> &'static [u8] {
    match abort {
        Abort::LockTimeout => reply::LOCK_WAIT_TIMEOUT,
        Abort::Deadlock => reply::DEADLOCK,
    }
}

fn is_silent(request: &Request<'_>) -> bool {
    matches!(
        request,
        Request::Store { noreply: true, .. }
            | Request::Arith { noreply: true, .. }
            | Request::Delete { noreply: true, .. }
            | Request::Touch { noreply: true, .. }
            | Request::FlushAll { noreply: true, .. }
    )
}

/// An empty vector with the memory of `used`: the standard library collects in place where the layouts agree.
fn recycle<'b>(mut used: Vec<Planned<'_>>) -> Vec<Planned<'b>> {
    used.clear();
    used.into_iter().map(|_| unreachable!("the vector was cleared")).collect()
}
