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

mod plan;
#[cfg(test)]
mod tests;
mod write;

use super::conn::Conn;
use super::execute::Executor;
use super::outcome::{Abort, Progress, REPLY_BUDGET, Resume};
use super::shared::Shared;
use super::stats::{ContainerCount, Counter, Delta};
use crate::protocol::Outcome;
use crate::protocol::reply::Out;
use crate::rows::Rows;
use crate::store::{Config, ContainerId, Store};
pub use plan::Plan;
use plan::{Planned, Planner, order, recycle};
use slab::Slab;
use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use write::WritePhase;

/// Commits that take less are not worth waiting for.
const LONG_COMMIT: Duration = Duration::from_micros(200);

/// Requests that a connection which writes may have in a tick beside connections that only read, who wait until all of them are
/// done; not where the commit takes longer than they do.
const WRITES_BESIDE_READERS: usize = 8;

/// Memory for replies that a worker keeps from tick to tick.
const OUT_KEPT: usize = 1 << 20;

/// Buffers that live from tick to tick.
#[derive(Default)]
pub struct Buffers {
    planned: Vec<Planned<'static>>,
    order: Vec<usize>,
    /// Replies of one connection after the other in the read phase, of all of them in the write phase.
    out: Out,
}

/// Parts of a worker that a tick works with; connections are only borrowed.
pub struct Tick<'t, R> {
    /// The worker's connections.
    pub conns: &'t Slab<Conn>,
    /// The worker's store.
    pub store: &'t mut Store<R>,
    /// The containers; a tick that finds a table altered reads them anew.
    pub config: &'t mut Arc<Config>,
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
    /// Containers that do not suit their tables have been read anew, or are not to be.
    pub fresh: bool,
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
                    scope: conn.scope,
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
            let Buffers { order, out, .. } = buffers;
            self.store.set_read_write(true);
            self.restart_lock_wait();
            self.this.writers = plans.iter().filter(|plan| plan.writes).count();
            WritePhase { tick: self, planned: &mut planned, plans, out, first_timeout: None }.run(order);
            self.answer_writes(&planned, plans, out);
        }
        self.stats.one(Counter::Ticks);
        buffers.planned = recycle(planned);
        if buffers.out.capacity() > OUT_KEPT {
            buffers.out = Out::new();
        }
        Ok(())
    }

    fn executor(&mut self, conn: usize, container: ContainerId) -> Executor<'_, R> {
        let scope = self.conns[conn].scope;
        let Tick { store, config, shared, stats, counts, fresh, .. } = self;
        Executor { store, config, container, scope, shared, stats, counts, fresh: *fresh }
    }

    /// From here on the waits for locks end together.
    fn restart_lock_wait(&mut self) {
        self.shared.host.restart_lock_wait();
        self.store.restart_lock_wait();
    }

    /// Follows an ALTER TABLE: takes the newest mapping, and reads it anew if that is the one at hand. Outside any transaction.
    fn remap(&mut self) {
        self.fresh = self.shared.follow_table(self.config, self.store);
    }

    fn read_phase(&mut self, planned: &[Planned<'_>], plans: &mut [Plan], out: &mut Out) {
        for plan in plans.iter_mut().filter(|plan| !plan.writes && !plan.requests.is_empty()) {
            out.clear();
            let (start, mut resume) = (Resume::Start, &self.conns[plan.conn].resume);
            for planned in &planned[plan.requests.clone()] {
                if out.len() >= REPLY_BUDGET {
                    plan.more = true;
                    break;
                }
                if let Some(denial) = planned.denial {
                    planned.request.answer(&Outcome::Denied(denial), out);
                    (plan.consumed, plan.parser) = (planned.end, planned.parser);
                    continue;
                }
                let (length, from) = (out.len(), std::mem::replace(&mut resume, &start));
                let mut progress = self.executor(plan.conn, planned.before).run(&planned.request, from, out);
                while progress == Err(Abort::Stale) {
                    self.store.rollback();
                    out.truncate(length);
                    self.remap();
                    progress = self.executor(plan.conn, planned.before).run(&planned.request, from, out);
                }
                match progress {
                    Ok(Progress::Done) => {}
                    Ok(Progress::Part(resume)) => {
                        plan.resume = resume;
                        plan.more = true;
                        break;
                    }
                    Err(abort) => {
                        self.store.rollback();
                        out.truncate(length);
                        planned.request.give_up(abort.reason(), out);
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
            let written = out.len();
            let sent = self.conns[plan.conn].reply(out);
            self.sent(plan, written, sent);
        }
        let reads = plans.iter().filter(|plan| !plan.writes).map(|plan| plan.requests.len()).sum();
        if reads > 0
            && let Err(error) = self.store.end_phase(reads)
        {
            log::warn!("the transaction of a read phase did not end cleanly: {error}");
        }
    }

    /// Sends what the write phase wrote to `out`, each connection its pieces in the order of its requests.
    fn answer_writes(&mut self, planned: &[Planned<'_>], plans: &mut [Plan], out: &mut Out) {
        let all = out.split().freeze();
        let mut pieces = Vec::new();
        for plan in plans.iter_mut().filter(|plan| plan.writes && !plan.drop) {
            pieces.clear();
            let (mut written, mut open) = (0, 0..0);
            for planned in &planned[plan.requests.clone()] {
                let Range { start, end } = planned.reply;
                written += end - start;
                if start == open.end {
                    open.end = end;
                } else if start < end {
                    pieces.push(IoSlice::new(&all[open]));
                    open = start..end;
                }
            }
            pieces.push(IoSlice::new(&all[open]));
            (plan.consumed, plan.parser) = plan.tail;
            plan.container = planned[plan.requests.end - 1].after;
            let sent = self.conns[plan.conn].reply_with(&all, &mut pieces);
            self.sent(plan, written, sent);
        }
    }

    fn sent(&mut self, plan: &mut Plan, written: usize, result: std::io::Result<()>) {
        match result {
            Ok(()) => self.stats.add(Counter::BytesWritten, written as u64),
            Err(_) => plan.drop = true,
        }
    }
}
