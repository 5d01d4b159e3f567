//! The second half of a tick: everything that may write, in one transaction, and its commit.

mod sets;

use super::plan::{Plan, Planned};
use super::state::Tick;
use crate::protocol::Outcome;
use crate::protocol::operation::Kind;
use crate::protocol::reply::Out;
use crate::rows::{Error, Rows};
use crate::server::batch::batch_failed;
use crate::server::budget::{COMMIT_MAX, REPLY_MAX};
use crate::server::clock::Moment;
use crate::server::execute::Executor;
use crate::server::outcome::{Abort, Progress, Resume};
use crate::server::stats::{Counter, Delta};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// How often a tick that is a deadlock's victim runs again whole before it is halved.
const DEADLOCK_ATTEMPTS: u32 = 3;

/// How often a request runs that is a deadlock's victim by itself, with pauses that grow from [`DEADLOCK_PAUSE`] on: whoever it meets
/// head-on gets out of the way.
pub(super) const DEADLOCK_ATTEMPTS_ALONE: u32 = 9;

/// What takes less behind a lock's time-out did not wait for another lock.
const NO_WAIT: Duration = Duration::from_millis(300);

/// Pause before a request that is alone runs again; doubled each time.
const DEADLOCK_PAUSE: Duration = Duration::from_micros(20);

/// How long a request runs again that others in a group of servers were faster than: they are told apart at the commit only, and the
/// server has to take over what they did first.
const GROUP_PATIENCE: Duration = Duration::from_secs(2);

/// Somewhere below a bound that doubles, beginning with the time that the commit took, so that servers that beat each other do not
/// meet again.
fn pause_of_the_beaten(commit: Duration, times: u32) -> Duration {
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
    let bound = commit.clamp(Duration::from_millis(1), Duration::from_millis(20)) * (1 << times.min(4));
    bound.mul_f64(f64::from(clock / 7 % 1000) / 1000.0)
}

/// The requests of the write phase; replies wait in `out` until they may be sent.
pub(super) struct WritePhase<'w, 't, 'p, R> {
    pub(super) tick: &'w mut Tick<'t, R>,
    pub(super) planned: &'w mut [Planned<'p>],
    pub(super) plans: &'w mut [Plan],
    pub(super) out: &'w mut Out,
    /// When a wait for a lock first ended without it.
    pub(super) first_timeout: Option<Instant>,
}

impl<R: Rows> WritePhase<'_, '_, '_, R> {
    /// Runs `order`, cut at each flush_all: a flush runs alone, behind the commit of what came before it.
    pub(super) fn run(&mut self, order: &[usize]) {
        let mut rest = order;
        while let Some(first) = rest.first() {
            let next_flush = rest.iter().position(|i| self.is_flush(*i)).unwrap_or(rest.len());
            let (segment, behind) = rest.split_at(if self.is_flush(*first) { 1 } else { next_flush });
            self.in_transactions(segment);
            rest = behind;
        }
    }

    fn is_flush(&self, i: usize) -> bool {
        self.planned[i].kind == Kind::Flush
    }

    /// Runs and commits, in as many transactions as it takes to keep each within bounds.
    fn in_transactions(&mut self, mut requests: &[usize]) {
        while !requests.is_empty() {
            let done = self.segment(requests);
            requests = &requests[done..];
        }
    }

    /// Runs and commits, again without the guilty after a lock wait timeout, again whole and then in halves
    /// after deadlocks. Tells how many are done: at least the first.
    fn segment(&mut self, requests: &[usize]) -> usize {
        let (start, seen) = (self.out.len(), self.tick.counts.seen.len());
        let (mut deadlocks, mut asked, mut together) = (0, !self.tick.shared.batches(), true);
        let mut beaten = None;
        loop {
            let counted = *self.tick.stats;
            let (guilty, abort) = match self.attempt(requests, together) {
                Ok(done) => match self.commit(seen, &requests[..done], &counted) {
                    Some(abort) => {
                        beaten.get_or_insert_with(Instant::now);
                        (requests, abort)
                    }
                    None => return done,
                },
                Err(aborted) => aborted,
            };
            self.tick.store.rollback();
            self.out.truncate(start);
            self.tick.counts.seen.undo(seen);
            *self.tick.stats = counted;
            match abort {
                // The lock may belong to a batch that another worker keeps open.
                Abort::LockTimeout if !asked => {
                    asked = true;
                    self.tick.shared.commit_batches();
                    self.tick.restart_lock_wait();
                }
                // The rows waited although a wait was over: what is left could go on like that.
                Abort::LockTimeout if self.waits_again() => {
                    let locks = |i: &&usize| !self.planned[**i].request.operation.is_read();
                    let all: Vec<_> = requests.iter().filter(locks).copied().collect();
                    all.into_iter().for_each(|i| self.give_up(i, abort));
                }
                // One of those that ran together met the lock: one by one it will tell.
                Abort::LockTimeout if guilty.len() > 1 => together = false,
                Abort::LockTimeout | Abort::Interrupted => guilty.iter().for_each(|i| self.give_up(*i, abort)),
                Abort::Altered | Abort::Crowded => {}
                Abort::Stale => self.tick.remap(),
                Abort::Deadlock => {
                    self.tick.stats.one(Counter::Deadlocks);
                    deadlocks += 1;
                    match (requests, beaten) {
                        ([_], Some(since)) if since.elapsed() < GROUP_PATIENCE => {
                            std::thread::sleep(pause_of_the_beaten(self.tick.this.commit, deadlocks));
                        }
                        ([alone], _) if deadlocks >= DEADLOCK_ATTEMPTS_ALONE => self.give_up(*alone, abort),
                        ([_], _) => std::thread::sleep(DEADLOCK_PAUSE * (1 << deadlocks)),
                        _ if deadlocks >= DEADLOCK_ATTEMPTS => {
                            let (first, second) = requests.split_at(requests.len() / 2);
                            self.in_transactions(first);
                            self.in_transactions(second);
                            return requests.len();
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    /// Whether a lock was waited for although another wait of this tick had ended without its lock.
    fn waits_again(&mut self) -> bool {
        let now = Instant::now();
        now.duration_since(*self.first_timeout.get_or_insert(now)) > NO_WAIT
    }

    fn give_up(&mut self, guilty: usize, abort: Abort) {
        if abort == Abort::LockTimeout {
            self.tick.stats.one(Counter::LockTimeouts);
        }
        self.tick.stats.one(Counter::ServerErrors);
        self.planned[guilty].verdict = Some(abort);
    }

    /// Runs requests, those `together` that can be, until all have run or the transaction has changed enough. Tells how many did.
    ///
    /// # Errors
    /// The requests that lost the transaction, and how.
    fn attempt<'r>(&mut self, requests: &'r [usize], together: bool) -> Result<usize, (&'r [usize], Abort)> {
        self.plans.iter_mut().for_each(|plan| plan.ran = plan.committed);
        let mut rest = requests;
        while !rest.is_empty() {
            let run = if together { self.run_of_sets(rest) } else { 0 };
            let (some, behind) = rest.split_at(run.max(1));
            if run == 0 || !self.sets_together(some).map_err(|abort| (some, abort))? {
                self.one_by_one(some)?;
            }
            rest = behind;
            if self.tick.store.is_full() {
                break;
            }
        }
        Ok(requests.len() - rest.len())
    }

    fn one_by_one<'r>(&mut self, requests: &'r [usize]) -> Result<(), (&'r [usize], Abort)> {
        for i in requests {
            if self.is_out(*i) {
                continue;
            }
            let (start, seen) = (self.out.len(), self.tick.counts.seen.len());
            let planned = &self.planned[*i];
            if let Some(kept) = &planned.kept {
                self.out.extend_from_slice(kept);
            } else {
                match (planned.denial, planned.verdict) {
                    (Some(denial), _) => planned.request.answer(&Outcome::Denied(denial), self.out),
                    (None, Some(abort)) => planned.request.give_up(abort.reason(), self.out),
                    (None, None) => match self.room(*i) {
                        Some(stop) => self.run_one(*i, stop).map_err(|abort| (std::slice::from_ref(i), abort))?,
                        None => {
                            self.postpone(*i).map_err(|abort| (&requests[..0], abort))?;
                            continue;
                        }
                    },
                }
            }
            self.note(*i, start, seen);
        }
        Ok(())
    }

    /// Whether a request does not run in this tick, or no more.
    fn is_out(&self, i: usize) -> bool {
        let plan = &self.plans[self.planned[i].plan];
        plan.drop || i >= plan.requests.end
    }

    fn run_one(&mut self, i: usize, stop: usize) -> Result<(), Abort> {
        let planned = &mut self.planned[i];
        let plan = &mut self.plans[planned.plan];
        let conns = self.tick.conns;
        let conn = &conns[plan.conn];
        let resume = if i == plan.requests.start { &conn.resume } else { &Resume::Start };
        let Tick { store, config, shared, stats, counts, keeps_config, .. } = &mut *self.tick;
        let (container, at, scope, keeps_config) = (planned.before, planned.sort, conn.scope, *keeps_config);
        let conn = Some(conn);
        let mut executor =
            Executor { store, config, container, at, scope, conn, shared, stats, counts, stop, keeps_config };
        let progress = executor.run(&planned.request, resume, self.out)?;
        planned.broken = progress == Progress::Broken;
        plan.resume = Resume::Start;
        if let Progress::Part(part) = progress {
            plan.cut_at(i + 1);
            (plan.resume, plan.more) = (part, true);
        }
        Ok(())
    }

    /// A request was answered: its reply begins at `start`, and what is told of it behind `seen` lines.
    fn note(&mut self, i: usize, start: usize, seen: usize) {
        let planned = &mut self.planned[i];
        planned.reply = start..self.out.len();
        if planned.memory_only && planned.kept.is_none() {
            planned.kept = Some(Bytes::copy_from_slice(&self.out[start..]));
            self.tick.counts.seen.settle(seen);
        }
        let ran = &mut self.plans[planned.plan].ran;
        (ran.bytes, ran.end) = (ran.bytes + planned.reply.len(), ran.end.max(i + 1));
    }

    /// Length of the output at which a request stops; `None`: it waits for the next tick, because it would answer values and others have
    /// answered enough.
    fn room(&self, i: usize) -> Option<usize> {
        let planned = &self.planned[i];
        if planned.request.operation.values() == 0 {
            return Some(usize::MAX);
        }
        let (plan, written) = (&self.plans[planned.plan], self.out.len());
        let enough = plan.ran.bytes >= REPLY_MAX && i > plan.requests.start;
        let crowded = written >= COMMIT_MAX && !self.tick.last.crowded;
        // What is committed already was asked for behind it.
        let must = plan.committed.end > i;
        (must || !(enough || crowded)).then(|| written + REPLY_MAX.saturating_sub(plan.ran.bytes))
    }

    /// Makes a request and those of its connection behind it wait for the next tick.
    ///
    /// # Errors
    /// Some of those ran already: everything is to run again, where each connection reads one value at most, behind all else.
    fn postpone(&mut self, i: usize) -> Result<(), Abort> {
        self.tick.this.crowded |= self.out.len() >= COMMIT_MAX;
        let plan = &mut self.plans[self.planned[i].plan];
        if plan.ran.end <= i {
            plan.cut_at(i);
            return Ok(());
        }
        for plan in self.plans.iter_mut().filter(|plan| plan.writes) {
            let mut left = plan.requests.start.max(plan.committed.end)..plan.requests.end;
            if let Some(value) = left.find(|i| self.planned[*i].request.operation.values() > 0) {
                plan.cut_at(value + 1);
            }
        }
        Err(Abort::Crowded)
    }

    /// Commits, and says what became of requests whose commit failed, unless they may run again. Only what did happen counts: otherwise the
    /// counters are again what they were, as `counted`.
    fn commit(&mut self, seen: usize, requests: &[usize], counted: &Delta) -> Option<Abort> {
        let begun = Moment::now();
        let committed = self.tick.store.end_phase(requests.len());
        self.tick.this.commit = begun.elapsed();
        if !self.tick.shared.batches() {
            self.tick.tally.committed(self.tick.this.commit);
        }
        if committed.is_err() {
            *self.tick.stats = *counted;
        }
        match committed {
            Ok(()) => {
                self.tick.stats.one(Counter::Commits);
                self.plans.iter_mut().for_each(|plan| plan.committed = plan.ran);
            }
            // Others in a group of servers changed the same rows first. Where nobody was answered yet, it can run again.
            Err(Error::Deadlock) if !self.tick.shared.batches() => return Some(Abort::Deadlock),
            Err(error) if error.refuses_commit() => {
                self.tick.counts.seen.undo(seen);
                // It certainly did not happen; the host refuses commits at the moment, so it is not tried again.
                let reason = error.to_string();
                if self.tick.shared.batches() {
                    batch_failed(&error);
                    self.tick.stats.one(Counter::CommitFailures);
                }
                for i in requests {
                    if self.is_out(*i) {
                        continue;
                    }
                    let planned = &mut self.planned[*i];
                    self.plans[planned.plan].resume = Resume::Start;
                    planned.broken = true;
                    let start = self.out.len();
                    planned.request.give_up(reason.clone(), self.out);
                    planned.reply = start..self.out.len();
                    self.tick.stats.one(Counter::ServerErrors);
                }
            }
            Err(error) => {
                // It may have happened or not: to run it again could count twice, to answer could lie.
                self.tick.counts.seen.undo(seen);
                self.tick.stats.one(Counter::CommitFailures);
                if !self.tick.shared.is_ending() {
                    log::error!(
                        "DM1427: a commit failed with unknown outcome: {error}; its connections are closed without a reply"
                    );
                }
                for i in requests {
                    self.plans[self.planned[*i].plan].drop = true;
                }
            }
        }
        None
    }
}
