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

mod sets;
#[cfg(test)]
mod tests;

use super::Shared;
use super::conn::Conn;
use super::execute::{
    Abort, Executor, Progress, REPLY_BUDGET, Resume, closes, deny, give_up, is_flush, is_idle, is_read, is_stream,
    sort_key, spares_table, values_of,
};
use super::login::{Access, Attempt, Demand, Denial, Entry, VALUE_MAX, demand, entry};
use super::stats::{ContainerCount, Counter, Delta};
use crate::auth::{Right, User};
use crate::protocol::{KEY_MAX, LINE_MAX, Parsed, Parser, Request};
use crate::rows::{Error, Rows};
use crate::store::{Config, ContainerId, Store, Target};
use slab::Slab;
use std::ops::Range;
use std::time::{Duration, Instant};

/// How often a tick that is a deadlock's victim runs again whole before it is halved.
const DEADLOCK_ATTEMPTS: u32 = 3;

/// How often a request runs that is a deadlock's victim by itself, with pauses that grow from [`DEADLOCK_PAUSE`] on: whoever it meets
/// head-on gets out of the way.
const DEADLOCK_ATTEMPTS_ALONE: u32 = 9;

/// Pause before a request that is alone runs again; doubled each time.
const DEADLOCK_PAUSE: Duration = Duration::from_micros(20);

/// Commits that take less are not worth waiting for.
const LONG_COMMIT: Duration = Duration::from_micros(200);

/// Requests that a connection which writes may have in a tick beside connections that only read, who wait until all of them are
/// done; not where the commit takes longer than they do.
const WRITES_BESIDE_READERS: usize = 16;

/// Keys of gets that one connection may have in a write phase, whose replies all wait in memory for the commit.
const VALUES_PER_WRITE_PHASE: usize = 64;

/// A parsed request, borrowed from its connection's input.
struct Planned<'t> {
    plan: usize,
    request: Request<'t>,
    /// Container that the connection is switched to before it and behind it.
    before: ContainerId,
    after: ContainerId,
    /// Where a request of one key stands in the order of locks.
    sort: Option<(ContainerId, &'t [u8])>,
    /// Input that is consumed once this request is answered, and the parser behind it.
    end: usize,
    parser: Parser,
    /// Its reply in the write phase's arena.
    reply: Range<usize>,
    /// It does not run: the connection or its user may not ask for it.
    denial: Option<Denial>,
    /// It runs no more: the transaction was lost to it.
    verdict: Option<Abort>,
    /// It works on memory alone: no rollback undoes it, so it never runs again; its reply is kept.
    memory_only: bool,
    kept: Option<Vec<u8>>,
}

/// What becomes of a connection in this tick.
pub struct Plan {
    /// Its key in the worker's slab.
    pub conn: usize,
    requests: Range<usize>,
    /// Whether it takes part in the write phase.
    pub writes: bool,
    /// Input to consume, the parser behind it.
    pub consumed: usize,
    /// See [`Plan::consumed`].
    pub parser: Parser,
    /// Both once every planned request is answered: the parser may have looked further than the last of them.
    tail: (usize, Parser),
    /// Bytes the next request is known to need, 0 when unknown.
    pub wanted: usize,
    /// Container that the connection is switched to from now on.
    pub container: ContainerId,
    /// How much of the request at the head of what remains is answered.
    pub resume: Resume,
    /// Credentials that it sent; behind them nothing was looked at.
    pub login: Option<Box<Attempt>>,
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
    /// What happened to containers, likewise.
    pub counts: &'t mut Vec<ContainerCount>,
    /// The tick before.
    pub last: Past,
    /// What is to be told of this one.
    pub this: Past,
}

/// What a tick tells the next one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Past {
    /// How long its commit took; zero without one.
    pub commit: Duration,
    /// Connections that wrote.
    pub writers: usize,
    /// Connections that only read.
    pub readers: usize,
}

impl Past {
    /// Whether its commit took so long that it pays to have more writes in each.
    pub fn waited(&self) -> bool {
        self.commit >= LONG_COMMIT
    }
}

impl<R: Rows> Tick<'_, R> {
    /// Runs one tick over `ready` connections and fills `plans` with what to do with each.
    ///
    /// # Errors
    /// Nothing was done: a request names these containers, which may have been configured meanwhile. Not with `sure`.
    pub fn run(
        &mut self,
        ready: &[usize],
        buffers: &mut Buffers,
        plans: &mut Vec<Plan>,
        sure: bool,
    ) -> Result<(), Vec<Vec<u8>>> {
        plans.clear();
        let conns = self.conns;
        let mut planned = recycle(std::mem::take(&mut buffers.planned));
        let mut unknown = Vec::new();
        let limit = self.shared.options.requests_per_tick;
        let crowded = self.last.readers > 0 && !self.last.waited();
        let limit_writes = if crowded { limit.min(WRITES_BESIDE_READERS) } else { limit };
        for key in ready {
            if let Some(conn) = conns.get(*key) {
                let planner = Planner {
                    config: self.config,
                    limit,
                    limit_writes,
                    unknown: &mut unknown,
                    planned: &mut planned,
                    guard: None,
                    forbidden: false,
                };
                plans.push(planner.plan(*key, conn, plans.len()));
            }
        }
        if !unknown.is_empty() && !sure {
            return Err(unknown);
        }
        self.this.readers = plans.iter().filter(|plan| !plan.writes && !plan.requests.is_empty()).count();
        self.store.set_read_write(false);
        self.read_phase(&planned, plans, &mut buffers.out);
        order(&planned, plans, &mut buffers.order);
        if !buffers.order.is_empty() {
            let Buffers { order, arena, out, .. } = buffers;
            arena.clear();
            self.store.set_read_write(true);
            self.this.writers = plans.iter().filter(|plan| plan.writes).count();
            WritePhase { tick: self, planned: &mut planned, plans, arena }.run(order);
            self.answer_writes(&planned, plans, arena, out);
        }
        self.stats.one(Counter::Ticks);
        buffers.planned = recycle(planned);
        buffers.out.shrink_to(REPLY_BUDGET);
        buffers.arena.shrink_to(REPLY_BUDGET);
        Ok(())
    }

    fn executor(&mut self, container: ContainerId) -> Executor<'_, R> {
        let (config, shared) = (self.config, self.shared);
        Executor {
            store: &mut *self.store,
            config,
            container,
            shared,
            stats: &mut *self.stats,
            counts: &mut *self.counts,
        }
    }

    fn read_phase(&mut self, planned: &[Planned<'_>], plans: &mut [Plan], out: &mut Vec<u8>) {
        for plan in plans.iter_mut().filter(|plan| !plan.writes && !plan.requests.is_empty()) {
            out.clear();
            let (start, mut resume) = (Resume::Start, &self.conns[plan.conn].resume);
            for planned in &planned[plan.requests.clone()] {
                if out.len() >= REPLY_BUDGET {
                    plan.more = true;
                    break;
                }
                if let Some(denial) = planned.denial {
                    deny(&planned.request, denial, out);
                    (plan.consumed, plan.parser) = (planned.end, planned.parser);
                    continue;
                }
                let length = out.len();
                match self.executor(planned.before).run(&planned.request, std::mem::replace(&mut resume, &start), out) {
                    Ok(Progress::Done) => {}
                    Ok(Progress::Part(resume)) => {
                        plan.resume = resume;
                        plan.more = true;
                        break;
                    }
                    Err(abort) => {
                        self.store.rollback();
                        out.truncate(length);
                        give_up(&planned.request, abort.reason(), out);
                    }
                }
                (plan.consumed, plan.parser, plan.container) = (planned.end, planned.parser, planned.after);
            }
            if plan.consumed == planned[plan.requests.end - 1].end {
                (plan.consumed, plan.parser) = plan.tail;
            } else {
                // A close that was asked for behind requests that are not answered yet comes with them.
                plan.close = false;
            }
            self.send(plan, out);
        }
        let reads = plans.iter().filter(|plan| !plan.writes).map(|plan| plan.requests.len()).sum();
        if reads > 0
            && let Err(error) = self.store.end_phase(reads)
        {
            log::warn!("the transaction of a read phase did not end cleanly: {error}");
        }
    }

    fn answer_writes(&mut self, planned: &[Planned<'_>], plans: &mut [Plan], arena: &[u8], out: &mut Vec<u8>) {
        for plan in plans.iter_mut().filter(|plan| plan.writes && !plan.drop) {
            out.clear();
            for planned in &planned[plan.requests.clone()] {
                out.extend_from_slice(&arena[planned.reply.clone()]);
            }
            (plan.consumed, plan.parser) = plan.tail;
            plan.container = planned[plan.requests.end - 1].after;
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

/// Parses what connections sent.
struct Planner<'w, 't> {
    config: &'w Config,
    /// Requests that one connection may have in a tick.
    limit: usize,
    /// The same for one that writes.
    limit_writes: usize,
    /// Names of containers that are not known.
    unknown: &'w mut Vec<Vec<u8>>,
    planned: &'w mut Vec<Planned<'t>>,
    /// Who asks, and the right that the request at hand demands; `None` where nobody needs a right.
    guard: Option<(&'t User, Right)>,
    /// The request at hand leads to a container that its user has no right to.
    forbidden: bool,
}

impl<'t> Planner<'_, 't> {
    fn plan(mut self, key: usize, conn: &'t Conn, index: usize) -> Plan {
        let input = conn.input();
        let first = self.planned.len();
        let mut plan = Plan {
            conn: key,
            requests: first..first,
            writes: false,
            consumed: 0,
            parser: conn.parser,
            tail: (0, conn.parser),
            wanted: 0,
            container: conn.container,
            resume: Resume::Start,
            login: None,
            unsent: Vec::new(),
            close: false,
            drop: false,
            more: false,
        };
        let (mut parser, mut end, mut values, mut container) = (conn.parser, 0, 0, conn.container);
        loop {
            let limit = if plan.writes { self.limit_writes } else { self.limit };
            if self.planned.len() - first >= limit || (plan.writes && values >= VALUES_PER_WRITE_PHASE) {
                plan.more = true;
                break;
            }
            let unparsed = parser;
            match parser.parse(&input[end..]) {
                Parsed::Incomplete { wanted } => {
                    plan.wanted = wanted;
                    // Nobody gets memory for long lines before it logged in.
                    plan.close |= matches!(conn.access, Access::Stranger) && input.len() - end > LINE_MAX + VALUE_MAX;
                    break;
                }
                Parsed::Swallowed { consumed } => end += consumed,
                Parsed::Close => {
                    plan.close = true;
                    break;
                }
                Parsed::Request { request, consumed } => {
                    // A range streams for many ticks, each with a view of its own: it has its ticks for itself.
                    if is_stream(&request) && self.planned.len() > first {
                        (parser, plan.more) = (unparsed, true);
                        break;
                    }
                    let denial = match &conn.access {
                        Access::Open => None,
                        access => match self.admit(&request, access) {
                            Entry::Free => None,
                            Entry::Denied(denial) => Some(denial),
                            // What was asked before is answered before.
                            Entry::Login(_) if self.planned.len() > first => {
                                (parser, plan.more) = (unparsed, true);
                                break;
                            }
                            Entry::Login(attempt) => {
                                end += consumed;
                                plan.login = Some(attempt);
                                break;
                            }
                        },
                    };
                    end += consumed;
                    values += values_of(&request);
                    let before = container;
                    let sort = if denial.is_none() { self.follow(&request, &mut container) } else { None };
                    let forbidden = std::mem::take(&mut self.forbidden);
                    let denial = denial.or(forbidden.then_some(Denial::Forbidden));
                    if denial.is_some() {
                        container = before;
                    }
                    let memory_only = denial.is_none() && spares_table(&request, self.config, container);
                    plan.writes |= denial.is_none() && !is_read(&request) && !memory_only;
                    let (reply, verdict, kept) = (0..0, None, None);
                    let planned = Planned {
                        plan: index,
                        request,
                        before,
                        after: container,
                        sort,
                        end,
                        parser,
                        reply,
                        denial,
                        verdict,
                        memory_only,
                        kept,
                    };
                    self.planned.push(planned);
                    if closes(&request, denial) {
                        plan.close = true;
                        break;
                    }
                    if is_stream(&request) {
                        plan.more = end < input.len();
                        break;
                    }
                }
            }
        }
        plan.requests = first..self.planned.len();
        plan.tail = (end, parser);
        if plan.requests.is_empty() {
            (plan.consumed, plan.parser) = plan.tail;
        }
        plan
    }

    /// Whether a connection may send a request at all; notes the right that it demands of the containers that it leads to.
    #[inline(never)]
    fn admit(&mut self, request: &Request<'_>, access: &'t Access) -> Entry {
        let Access::User(user) = access else { return entry(request, true) };
        self.guard = None;
        match demand(request) {
            Demand::Nothing => {}
            Demand::Container(right) => self.guard = Some((user, right)),
            Demand::Daemon if user.may_administer() => {}
            Demand::Daemon => return Entry::Denied(Denial::Forbidden),
        }
        entry(request, false)
    }

    /// Notes whether the request at hand may not touch the container.
    fn check(&mut self, id: ContainerId) {
        if let Some((user, right)) = self.guard
            && self.config.container(id).is_some_and(|container| !user.may(right, &container.name))
        {
            self.forbidden = true;
        }
    }

    /// Follows the containers that a request names; where it has one key, tells where that stands in the order of locks.
    fn follow(&mut self, request: &Request<'t>, container: &mut ContainerId) -> Option<(ContainerId, &'t [u8])> {
        match request {
            Request::Bind { name } => {
                match self.config.find(name) {
                    Some(id) => {
                        *container = id;
                        self.check(id);
                    }
                    None => self.unknown.push(name.to_vec()),
                }
                return None;
            }
            Request::Get { keys, .. } | Request::GetAndTouch { keys, .. } if !keys.is_single() => {
                for key in keys.iter() {
                    self.resolve(key, container);
                }
                return None;
            }
            Request::Meta(meta) if meta.has(b'b') => {
                self.resolve(meta.key(&mut [0; KEY_MAX]), container);
                return None;
            }
            _ => {}
        }
        let Some(key) = sort_key(request) else {
            self.check(*container);
            return None;
        };
        let key = self.resolve(key, container)?;
        Some((*container, key))
    }

    fn resolve<'k>(&mut self, key: &'k [u8], container: &mut ContainerId) -> Option<&'k [u8]> {
        match self.config.resolve(*container, key) {
            Target::Key(id, key) => {
                *container = id;
                self.check(id);
                Some(key)
            }
            Target::Name(id) => {
                *container = id;
                self.check(id);
                None
            }
            Target::Unknown(name) => {
                self.unknown.push(name.to_vec());
                None
            }
        }
    }
}

/// Lists the requests of the write phase in the order in which they run: between two requests of several keys,
/// single-key requests by container and key, those of one key as they came. All workers then lock in one order.
fn order(planned: &[Planned<'_>], plans: &[Plan], order: &mut Vec<usize>) {
    let sort_run = |run: &mut [usize]| run.sort_unstable_by_key(|i| (planned[*i].sort, *i));
    order.clear();
    let mut run = 0;
    for i in plans.iter().filter(|plan| plan.writes).flat_map(|plan| plan.requests.clone()) {
        if planned[i].sort.is_none() && !is_idle(&planned[i].request) {
            sort_run(&mut order[run..]);
            order.push(i);
            run = order.len();
        } else {
            order.push(i);
        }
    }
    sort_run(&mut order[run..]);
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
        is_flush(&self.planned[i].request)
    }

    /// Runs and commits, again without the guilty after a lock wait timeout, again whole and then in halves
    /// after deadlocks.
    fn segment(&mut self, requests: &[usize]) {
        let start = self.arena.len();
        let (mut deadlocks, mut asked, mut together) = (0, !self.tick.shared.batches(), true);
        loop {
            let mut stats = Delta::ZERO;
            let (guilty, abort) = match self.attempt(requests, together, &mut stats) {
                Ok(()) => return self.commit(requests, &mut stats),
                Err(aborted) => aborted,
            };
            self.tick.store.rollback();
            self.arena.truncate(start);
            match abort {
                // The lock may belong to a batch that another worker keeps open.
                Abort::LockTimeout if !asked => {
                    asked = true;
                    self.tick.shared.commit_batches();
                }
                // One of those that ran together met the lock: one by one it will tell.
                Abort::LockTimeout if guilty.len() > 1 => together = false,
                Abort::LockTimeout | Abort::Interrupted => guilty.iter().for_each(|i| self.give_up(*i, abort)),
                Abort::Altered => {}
                Abort::Deadlock => {
                    self.tick.stats.one(Counter::Deadlocks);
                    deadlocks += 1;
                    match requests {
                        [alone] if deadlocks >= DEADLOCK_ATTEMPTS_ALONE => self.give_up(*alone, abort),
                        [_] => std::thread::sleep(DEADLOCK_PAUSE * (1 << deadlocks)),
                        _ if deadlocks >= DEADLOCK_ATTEMPTS => {
                            let (first, second) = requests.split_at(requests.len() / 2);
                            self.segment(first);
                            return self.segment(second);
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    fn give_up(&mut self, guilty: usize, abort: Abort) {
        if abort == Abort::LockTimeout {
            self.tick.stats.one(Counter::LockTimeouts);
        }
        self.tick.stats.one(Counter::ServerErrors);
        self.planned[guilty].verdict = Some(abort);
    }

    /// Runs requests, those `together` that can be.
    ///
    /// # Errors
    /// The requests that lost the transaction, and how.
    fn attempt<'r>(
        &mut self,
        requests: &'r [usize],
        together: bool,
        stats: &mut Delta,
    ) -> Result<(), (&'r [usize], Abort)> {
        let mut rest = requests;
        while !rest.is_empty() {
            let run = if together { self.run_of_sets(rest) } else { 0 };
            let (some, behind) = rest.split_at(run.max(1));
            if run == 0 || !self.sets_together(some, stats).map_err(|abort| (some, abort))? {
                self.one_by_one(some, stats)?;
            }
            rest = behind;
        }
        Ok(())
    }

    fn one_by_one<'r>(&mut self, requests: &'r [usize], stats: &mut Delta) -> Result<(), (&'r [usize], Abort)> {
        for i in requests {
            let start = self.arena.len();
            let planned = &mut self.planned[*i];
            let plan = &self.plans[planned.plan];
            if plan.drop {
                continue;
            }
            if let Some(kept) = &planned.kept {
                self.arena.extend_from_slice(kept);
                planned.reply = start..self.arena.len();
                continue;
            }
            match (planned.denial, planned.verdict) {
                (Some(denial), _) => deny(&planned.request, denial, self.arena),
                (None, Some(abort)) => give_up(&planned.request, abort.reason(), self.arena),
                (None, None) => {
                    let (store, config, shared) = (&mut *self.tick.store, self.tick.config, self.tick.shared);
                    let mut resume = match *i == plan.requests.start {
                        true => self.tick.conns[plan.conn].resume.clone(),
                        false => Resume::Start,
                    };
                    // In a write phase a get is answered whole: the view it began with ends with the commit.
                    loop {
                        let mut executor = Executor {
                            store,
                            config,
                            container: planned.before,
                            shared,
                            stats: &mut *stats,
                            counts: &mut *self.tick.counts,
                        };
                        match executor
                            .run(&planned.request, &resume, self.arena)
                            .map_err(|abort| (std::slice::from_ref(i), abort))?
                        {
                            Progress::Done => break,
                            Progress::Part(part) => resume = part,
                        }
                    }
                }
            }
            planned.reply = start..self.arena.len();
            if planned.memory_only {
                planned.kept = Some(self.arena[start..].to_vec());
            }
        }
        Ok(())
    }

    fn commit(&mut self, requests: &[usize], stats: &mut Delta) {
        let begun = Instant::now();
        let committed = self.tick.store.end_phase(requests.len());
        self.tick.this.commit = begun.elapsed();
        match committed {
            Ok(()) => {
                self.tick.stats.one(Counter::Commits);
                self.tick.stats.merge(stats);
            }
            Err(error @ (Error::LockTimeout | Error::Deadlock | Error::ReadOnly | Error::DiskFull)) => {
                // It certainly did not happen; the host refuses commits at the moment, so it is not tried again.
                let reason = error.to_string();
                for i in requests {
                    let planned = &mut self.planned[*i];
                    let start = self.arena.len();
                    give_up(&planned.request, &reason, self.arena);
                    planned.reply = start..self.arena.len();
                    self.tick.stats.one(Counter::ServerErrors);
                }
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

/// An empty vector with the memory of `used`: the standard library collects in place where the layouts agree.
fn recycle<'b>(mut used: Vec<Planned<'_>>) -> Vec<Planned<'b>> {
    used.clear();
    used.into_iter().map(|_| unreachable!("the vector was cleared")).collect()
}
