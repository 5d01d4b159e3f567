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
mod state;
#[cfg(test)]
mod tests;
mod write;

use super::budget::{Budget, CARRIERS, REPLY_MAX};
use super::outcome::{Abort, Progress, Resume};
use super::stats::Counter;
use crate::protocol::reply::Out;
use crate::protocol::{Operation, Outcome};
use crate::recycle::recycle;
use crate::rows::Rows;
use crate::store::Target;
pub use plan::Plan;
use plan::{Planned, Planner, order};
pub use state::{Tick, TickSummary};
use std::ops::Range;
use write::WritePhase;

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
    /// For its sorting.
    ranks: Vec<(u64, usize)>,
    /// Replies of one connection after the other in the read phase, of all of them in the write phase.
    out: Out,
    /// Where those of one connection are.
    pieces: Vec<Range<usize>>,
}

impl<R: Rows> Tick<'_, R> {
    /// Runs one tick over `ready` connections and fills `plans` with what to do with each.
    ///
    /// # Errors
    /// Nothing was done: a request names these containers, which may have been configured meanwhile. Not with `last_try`.
    pub fn run(
        &mut self,
        ready: &[usize],
        buffers: &mut Buffers,
        plans: &mut Vec<Plan>,
        last_try: bool,
    ) -> Result<(), Vec<Vec<u8>>> {
        plans.clear();
        let conns = self.conns;
        let mut planned: Vec<Planned<'_>> = std::mem::take(&mut buffers.planned);
        let mut unknown = Vec::new();
        let limit = self.shared.options.requests_per_tick;
        let beside_readers = self.last.readers > 0 && !self.last.waited();
        let budget = Budget::new(limit, if beside_readers { WRITES_BESIDE_READERS } else { limit });
        let (mut carriers, mut yields, mut writers, mut readers, mut reads) = (0, 0, 0, 0, 0);
        for key in ready {
            if let Some(conn) = conns.get(*key) {
                let planner = Planner {
                    config: self.config,
                    scope: conn.scope,
                    budget,
                    may_carry: !self.last.crowded || carriers < CARRIERS,
                    unknown: &mut unknown,
                    guard: None,
                    forbidden: false,
                };
                let plan = planner.plan(&mut planned, *key, conn, plans.len());
                carriers += usize::from(plan.writes && plan.carries);
                self.this.crowded |= plan.crowded;
                yields += u64::from(plan.more);
                writers += usize::from(plan.writes);
                if !plan.writes && !plan.requests.is_empty() {
                    readers += 1;
                    reads += plan.requests.len();
                }
                plans.push(plan);
            }
        }
        if !unknown.is_empty() && !last_try {
            return Err(unknown);
        }
        self.stats.add(Counter::ConnYields, yields);
        self.this.readers = readers;
        self.store.set_read_write(false);
        if reads > 0 {
            let ahead = self.store.reads_ahead();
            if ahead {
                self.announce(&planned, plans);
            }
            self.store.restart_lock_wait();
            self.read_phase(&planned, plans, &mut buffers.out, reads);
            if ahead {
                self.store.forget_announced();
            }
        }
        if writers > 0 {
            order(&planned, plans, &mut buffers.order, &mut buffers.ranks);
            self.tally.turn();
            let Buffers { order, out, pieces, .. } = buffers;
            self.store.set_read_write(true);
            self.restart_lock_wait();
            self.this.writers = writers;
            WritePhase { tick: self, planned: &mut planned, plans, out, first_timeout: None }.run(order);
            self.answer_writes(&planned, plans, out, pieces);
        }
        self.stats.one(Counter::Ticks);
        buffers.planned = recycle(planned);
        if buffers.out.capacity() > OUT_KEPT {
            buffers.out = Out::new();
        }
        Ok(())
    }

    /// Tells the store which keys the read phase is going to ask for. It may come otherwise: what is not announced is read all the same.
    #[cold]
    fn announce(&mut self, planned: &[Planned<'_>], plans: &[Plan]) {
        for plan in plans.iter().filter(|plan| !plan.writes) {
            let scope = self.conns[plan.conn].scope;
            for planned in &planned[plan.requests.clone()] {
                let Operation::Get(get) = &planned.request.operation else { continue };
                if planned.denial.is_some() || planned.request.is_encoded() {
                    continue;
                }
                let mut container = planned.before;
                for name in get.keys {
                    if let Target::Key(id, key) = scope.resolve(self.config, &mut container, name)
                        && let Some(container) = self.config.container(id)
                    {
                        self.store.announce(container, key);
                    }
                }
            }
        }
    }

    /// Runs the `reads` requests of connections that only read.
    fn read_phase(&mut self, planned: &[Planned<'_>], plans: &mut [Plan], out: &mut Out, reads: usize) {
        for plan in plans.iter_mut().filter(|plan| !plan.writes && !plan.requests.is_empty()) {
            out.clear();
            let (start, mut resume) = (Resume::Start, &self.conns[plan.conn].resume);
            for planned in &planned[plan.requests.clone()] {
                if out.len() >= REPLY_MAX {
                    plan.more = true;
                    break;
                }
                if let Some(denial) = planned.denial {
                    planned.request.answer(&Outcome::Denied(denial), out);
                    plan.tail.1.abandon_line();
                    (plan.consumed, plan.parser) = (planned.end, planned.parser);
                    continue;
                }
                let (length, from) = (out.len(), std::mem::replace(&mut resume, &start));
                let seen = self.counts.seen.len();
                let mut progress = self.executor(plan.conn, planned).run(&planned.request, from, out);
                while progress == Err(Abort::Stale) {
                    self.store.rollback();
                    out.truncate(length);
                    self.counts.seen.undo(seen);
                    self.remap();
                    progress = self.executor(plan.conn, planned).run(&planned.request, from, out);
                }
                match progress {
                    Ok(Progress::Done) => {}
                    Ok(Progress::Broken) => plan.tail.1.abandon_line(),
                    Ok(Progress::Part(resume)) => {
                        plan.resume = resume;
                        plan.more = true;
                        break;
                    }
                    Err(abort) => {
                        self.store.rollback();
                        out.truncate(length);
                        self.counts.seen.undo(seen);
                        planned.request.give_up(abort.reason(), out);
                        plan.tail.1.abandon_line();
                    }
                }
                self.tally.read(&planned.request.operation);
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
        if let Err(error) = self.store.end_phase(reads) {
            log::warn!("DM1426: the transaction of a read phase did not end cleanly: {error}");
        }
    }

    /// Sends what the write phase wrote to `out`, each connection its pieces in the order of its requests.
    fn answer_writes(
        &mut self,
        planned: &[Planned<'_>],
        plans: &mut [Plan],
        out: &mut Out,
        pieces: &mut Vec<Range<usize>>,
    ) {
        let mut late = Vec::new();
        for plan in plans.iter_mut().filter(|plan| plan.writes && !plan.drop) {
            let conn = &self.conns[plan.conn];
            let written = plan.list_pieces(planned, pieces);
            planned[plan.answered()].iter().for_each(|planned| self.tally.wrote(&planned.request.operation));
            plan.close_books(planned, conn);
            if written > 0 {
                let sent = conn.reply_with(out, pieces).map(|sent| {
                    if sent < written {
                        late.push((conn, pieces.clone(), sent));
                    }
                });
                self.sent(plan, written, sent);
            }
        }
        if late.is_empty() {
            return out.clear();
        }
        let all = out.split().freeze();
        late.iter().for_each(|(conn, pieces, sent)| conn.keep(&all, pieces, *sent));
    }

    fn sent(&mut self, plan: &mut Plan, written: usize, result: std::io::Result<()>) {
        match result {
            Ok(()) => self.stats.add(Counter::BytesWritten, written as u64),
            Err(_) => plan.drop = true,
        }
    }
}
