//! The plan of a tick: what the connections ask for, parsed and borrowed from their input, and in which order the write phase runs it.

use crate::auth::{Right, User};
use crate::protocol::operation::{Kind, Streams};
use crate::protocol::{Denial, KEY_MAX, LINE_MAX, Operation, Parsed, Parser, Request, Style};
use crate::server::admission::{Access, Attempt, Demand, Entry, VALUE_MAX, demand, entry};
use crate::server::budget::Budget;
use crate::server::conn::Conn;
use crate::server::outcome::{Abort, Resume};
use crate::server::scope::Scope;
use crate::server::terms::spares_table;
use crate::store::{Config, ContainerId, Target};
use bytes::Bytes;
use std::ops::Range;

/// A parsed request, borrowed from its connection's input.
pub(super) struct Planned<'t> {
    pub(super) plan: usize,
    pub(super) request: Request<'t>,
    pub(super) kind: Kind,
    /// Container that the connection is switched to before it and behind it.
    pub(super) before: ContainerId,
    pub(super) after: ContainerId,
    /// Where a request of one key stands in the order of locks.
    pub(super) sort: Option<(ContainerId, &'t [u8])>,
    /// Input that is consumed once this request is answered, and the parser behind it.
    pub(super) end: usize,
    pub(super) parser: Parser,
    /// Its reply among those of the write phase.
    pub(super) reply: Range<usize>,
    /// It does not run: the connection or its user may not ask for it.
    pub(super) denial: Option<Denial>,
    /// It runs no more: the transaction was lost to it.
    pub(super) verdict: Option<Abort>,
    /// It works on memory alone: no rollback undoes it, so it never runs again; its reply is kept.
    pub(super) memory_only: bool,
    pub(super) kept: Option<Bytes>,
    /// Its reply is a failure in the middle of it.
    pub(super) broken: bool,
}

impl Planned<'_> {
    /// One that asks for nothing yet, of the connection that has this plan: a request is large, and parsed in its place it is not moved.
    #[inline]
    fn blank(plan: usize, container: ContainerId, parser: Parser) -> Self {
        Planned {
            plan,
            request: Request::default(),
            kind: Kind::Idle,
            before: container,
            after: container,
            sort: None,
            end: 0,
            parser,
            reply: 0..0,
            denial: None,
            verdict: None,
            memory_only: false,
            kept: None,
            broken: false,
        }
    }

    /// Whether its reply is one that nothing of its line may follow.
    pub(super) fn breaks_off(&self) -> bool {
        self.broken || self.denial.is_some() || self.verdict.is_some()
    }
}

/// How far the requests of a connection came in the write phase.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ran {
    /// Bytes of replies.
    pub(super) bytes: usize,
    /// The place behind the last request that ran.
    pub(super) end: usize,
}

/// What becomes of a connection in this tick.
pub struct Plan {
    /// Its key in the worker's slab.
    pub conn: usize,
    pub(super) requests: Range<usize>,
    /// Whether it takes part in the write phase.
    pub writes: bool,
    /// Whether it reads values.
    pub(super) carries: bool,
    /// It waits because it would do both.
    pub(super) crowded: bool,
    /// Input to consume, the parser behind it.
    pub consumed: usize,
    /// See [`Plan::consumed`].
    pub parser: Parser,
    /// Both once every planned request is answered: the parser may have looked further than the last of them.
    pub(super) tail: (usize, Parser),
    /// Some of what was planned waits for the next tick.
    pub(super) cut: bool,
    /// Bytes of replies in the write phase, and the place behind the last request that ran; both as of now and as of the last commit.
    pub(super) ran: Ran,
    pub(super) committed: Ran,
    /// Bytes the next request is known to need, 0 when unknown.
    pub wanted: usize,
    /// Container that the connection is switched to from now on.
    pub container: ContainerId,
    /// How much of the request at the head of what remains is answered.
    pub resume: Resume,
    /// Credentials that it sent; behind them nothing was looked at.
    pub login: Option<Box<Attempt>>,
    /// It watches from now on.
    pub watch: Option<Streams>,
    /// Close once everything is sent.
    pub close: bool,
    /// The client asked for that.
    pub farewell: bool,
    /// Close at once, without a reply: the outcome is unknown, or the socket is broken.
    pub drop: bool,
    /// Complete requests may remain in the input.
    pub more: bool,
}

impl Plan {
    /// From request `i` on everything waits for the next tick.
    pub(super) fn cut_at(&mut self, i: usize) {
        if i < self.requests.end {
            (self.requests.end, self.cut, self.more) = (i, true, true);
        }
    }

    /// The requests that the write phase answered whole.
    pub(super) fn answered(&self) -> Range<usize> {
        match self.resume {
            Resume::Start => self.requests.clone(),
            // The last one is answered in part.
            _ => self.requests.start..self.requests.end - 1,
        }
    }

    /// Lists where the connection's replies are among those of the write phase; returns their bytes.
    pub(super) fn list_pieces(&self, planned: &[Planned<'_>], pieces: &mut Vec<Range<usize>>) -> usize {
        pieces.clear();
        let mut written = 0;
        for Range { start, end } in planned[self.requests.clone()].iter().map(|planned| planned.reply.clone()) {
            written += end - start;
            match pieces.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ if start < end => pieces.push(start..end),
                _ => {}
            }
        }
        written
    }

    /// Behind the write phase: what is consumed of the input, and where the connection stands then.
    pub(super) fn close_books(&mut self, planned: &[Planned<'_>], conn: &Conn) {
        let Some(last) = planned[self.answered()].last() else {
            // Nothing was, or nothing but a part.
            if self.requests.is_empty() {
                self.resume = conn.resume.clone();
            }
            self.close = false;
            return;
        };
        self.container = last.after;
        if self.cut || self.resume != Resume::Start {
            // A close that was asked for behind requests that are not answered yet comes with them.
            (self.consumed, self.parser, self.wanted, self.close) = (last.end, last.parser, 0, false);
        } else {
            (self.consumed, self.parser) = self.tail;
        }
        if last.breaks_off() {
            self.parser.abandon_line();
        }
    }
}

/// Parses what connections sent.
pub(super) struct Planner<'w, 't> {
    pub(super) config: &'w Config,
    pub(super) budget: Budget,
    /// Whether the connection may both write and read values.
    pub(super) may_carry: bool,
    /// Where the keys of the connection may lead.
    pub(super) scope: Scope,
    /// Names of containers that are not known.
    pub(super) unknown: &'w mut Vec<Vec<u8>>,
    /// Who asks, and the right that the request at hand demands; `None` where nobody needs a right.
    pub(super) guard: Option<(&'t User, Right)>,
    /// The request at hand leads to a container that its user has no right to.
    pub(super) forbidden: bool,
}

impl<'t> Planner<'_, 't> {
    /// Plans for a connection, whose requests go behind those that are `planned`; `index` is the number of its plan.
    pub(super) fn plan(mut self, planned: &mut Vec<Planned<'t>>, key: usize, conn: &'t Conn, index: usize) -> Plan {
        let input = conn.input();
        let first = planned.len();
        let mut plan = Plan {
            conn: key,
            requests: first..first,
            writes: false,
            carries: false,
            crowded: false,
            consumed: 0,
            parser: conn.parser,
            tail: (0, conn.parser),
            cut: false,
            ran: Ran::default(),
            committed: Ran::default(),
            wanted: 0,
            container: conn.container,
            resume: Resume::Start,
            login: None,
            watch: None,
            close: false,
            farewell: false,
            drop: false,
            more: false,
        };
        let (mut parser, mut end, mut keys, mut container) = (conn.parser, 0, 0, conn.container);
        // Behind the last request that is planned; what stands there is to become the next.
        let mut behind = first;
        // Whether values are read, and whether behind that something changes memory, which never runs again.
        let (mut carries, mut kept_behind) = (false, false);
        loop {
            let limit = if plan.writes { self.budget.writes } else { self.budget.requests };
            if end == input.len() {
                break;
            }
            if behind - first >= limit || keys >= self.budget.keys {
                plan.more = true;
                break;
            }
            match planned.get_mut(behind) {
                Some(next) => next.parser = parser,
                None => planned.push(Planned::blank(index, conn.container, parser)),
            }
            let next = &mut planned[behind];
            match next.parser.parse(&input[end..], &mut next.request) {
                Parsed::Incomplete { wanted } => {
                    (parser, plan.wanted) = (next.parser, wanted);
                    // Nobody gets memory for long lines before it logged in.
                    plan.close |= matches!(conn.access, Access::Stranger) && input.len() - end > LINE_MAX + VALUE_MAX;
                    break;
                }
                Parsed::Swallowed { consumed } => (parser, end) = (next.parser, end + consumed),
                Parsed::Close => {
                    (parser, plan.close) = (next.parser, true);
                    break;
                }
                Parsed::Request { consumed } => {
                    // A range streams for many ticks, each with a view of its own: it has its ticks for itself.
                    let outline = next.request.operation.outline();
                    if outline.streams && behind > first {
                        plan.more = true;
                        break;
                    }
                    let denial = match &conn.access {
                        Access::Open => None,
                        access => match self.admit(&next.request, access) {
                            Entry::Free => None,
                            Entry::Denied(denial) => Some(denial),
                            // What was asked before is answered before.
                            Entry::Login(_) if behind > first => {
                                plan.more = true;
                                break;
                            }
                            Entry::Login(attempt) => {
                                (parser, end) = (next.parser, end + consumed);
                                plan.login = Some(attempt);
                                break;
                            }
                        },
                    };
                    let before = container;
                    let sort = if denial.is_none() { self.follow(&next.request, &mut container) } else { None };
                    let forbidden = std::mem::take(&mut self.forbidden);
                    let denial = denial.or(forbidden.then_some(Denial::Forbidden));
                    if denial.is_some() {
                        container = before;
                    }
                    let changes = denial.is_none() && !outline.kind.is_read();
                    let memory_only = changes && spares_table(&next.request.operation, self.config, container);
                    let writes = plan.writes || (changes && !memory_only);
                    let keeps = kept_behind || (carries && memory_only);
                    let carries_now = carries || outline.carries;
                    // What waits for the commit may turn out too much: then the front of the requests runs alone.
                    if writes && (keeps || (carries_now && !self.may_carry)) {
                        (plan.more, plan.crowded) = (true, !keeps);
                        break;
                    }
                    (plan.writes, kept_behind, carries) = (writes, keeps, carries_now);
                    (parser, end, keys) = (next.parser, end + consumed, keys + outline.keys);
                    (next.kind, next.before, next.after, next.sort) = (outline.kind, before, container, sort);
                    (next.end, next.denial, next.memory_only) = (end, denial, memory_only);
                    behind += 1;
                    if closes(&next.request, denial) {
                        plan.close = true;
                        plan.farewell = next.request.operation == Operation::Quit;
                        break;
                    }
                    if outline.streams || outline.goes_on {
                        if let (Operation::Watch { streams }, None) = (next.request.operation, denial) {
                            plan.watch = Some(streams);
                        }
                        plan.more = end < input.len();
                        break;
                    }
                }
            }
        }
        planned.truncate(behind);
        plan.requests = first..behind;
        plan.tail = (end, parser);
        plan.carries = carries;
        if plan.requests.is_empty() {
            (plan.consumed, plan.parser) = plan.tail;
            plan.resume = conn.resume.clone();
        }
        plan
    }

    /// Whether a connection may send a request at all; notes the right that it demands of the containers that it leads to.
    #[inline(never)]
    fn admit(&mut self, request: &Request<'_>, access: &'t Access) -> Entry {
        let Access::User(user) = access else { return entry(request, true) };
        self.guard = None;
        match demand(&request.operation) {
            Demand::Nothing => {}
            Demand::Container(right) => self.guard = Some((user, right)),
            Demand::Daemon if user.may_administer() => {}
            Demand::Daemon => return Entry::Denied(Denial::Forbidden),
        }
        entry(request, false)
    }

    /// Notes whether the request at hand may not touch the container.
    #[inline(always)]
    fn check(&mut self, id: ContainerId) {
        if let Some(guard) = self.guard {
            self.check_right(guard, id);
        }
    }

    #[cold]
    fn check_right(&mut self, (user, right): (&User, Right), id: ContainerId) {
        if self.config.container(id).is_some_and(|container| !user.may(right, &container.name)) {
            self.forbidden = true;
        }
    }

    /// Follows the containers that a request names; where it has one key, tells where that stands in the order of locks.
    fn follow(&mut self, request: &Request<'t>, container: &mut ContainerId) -> Option<(ContainerId, &'t [u8])> {
        match &request.operation {
            Operation::Bind { name } if self.scope == Scope::Switching => {
                match self.config.find(name) {
                    Some(id) => {
                        *container = id;
                        self.check(id);
                    }
                    None => self.unknown.push(name.to_vec()),
                }
                return None;
            }
            Operation::Get(get) if !get.keys.is_single() => {
                if get.keys.may_name_container() {
                    for key in get.keys.iter() {
                        self.resolve(key, container);
                    }
                } else {
                    self.check(*container);
                }
                return None;
            }
            // An encoded key sorts elsewhere than the same key unencoded.
            _ if request.is_encoded() => {
                let mut buffer = [0; KEY_MAX];
                let key = request.decoded(&mut buffer).operation.key();
                self.resolve(key.unwrap_or_default(), container);
                return None;
            }
            _ => {}
        }
        let Some(key) = request.operation.key() else {
            self.check(*container);
            return None;
        };
        self.resolve(key, container)
    }

    #[inline(always)]
    fn resolve<'k>(&mut self, key: &'k [u8], container: &mut ContainerId) -> Option<(ContainerId, &'k [u8])> {
        match self.scope.resolve(self.config, container, key) {
            Target::Key(id, key) => {
                self.check(id);
                Some((id, key))
            }
            Target::Name(id) => {
                self.check(id);
                None
            }
            // What lies beyond the listener's container is not looked for.
            Target::Unknown(_) if self.scope == Scope::Bound => None,
            Target::Unknown(name) => {
                self.unknown.push(name.to_vec());
                None
            }
        }
    }
}

/// Whether the connection ends behind the answer to a request, which may be that it is not allowed.
fn closes(request: &Request<'_>, denial: Option<Denial>) -> bool {
    match denial {
        None => request.closes(),
        // As in memcached; in text a stranger may try again.
        Some(denial) => matches!((denial, &request.style), (Denial::Stranger(_), Style::Packet(_))),
    }
}

/// Lists the requests of the write phase in the order in which they run: between two requests of several keys,
/// single-key requests by container and key, those of one key as they came. All workers then lock in one order.
pub(super) fn order(planned: &[Planned<'_>], plans: &[Plan], order: &mut Vec<usize>, ranks: &mut Vec<(u64, usize)>) {
    order.clear();
    let mut run = 0;
    for plan in plans.iter().filter(|plan| plan.writes) {
        for i in plan.requests.clone() {
            if planned[i].sort.is_none() && planned[i].kind != Kind::Idle {
                sort_run(planned, &mut order[run..], ranks);
                order.push(i);
                run = order.len();
            } else {
                order.push(i);
            }
        }
    }
    sort_run(planned, &mut order[run..], ranks);
}

/// Most keys of a run are of one container and begin alike: the eight bytes behind that, as a number, tell nearly all of them apart.
fn sort_run(planned: &[Planned<'_>], run: &mut [usize], ranks: &mut Vec<(u64, usize)>) {
    let [first, rest @ ..] = &*run else { return };
    if rest.is_empty() {
        return;
    }
    let by_key = |a: usize, b: usize| planned[a].sort.cmp(&planned[b].sort).then(a.cmp(&b));
    let mut alike = planned[*first].sort.map_or(0, |(_, key)| key.len());
    for i in rest {
        alike = match (planned[*first].sort, planned[*i].sort) {
            (Some((one, first)), Some((other, key))) if one == other => alike_bytes(first, key, alike),
            _ => return run.sort_unstable_by(|a, b| by_key(*a, *b)),
        };
    }
    ranks.clear();
    ranks.extend(run.iter().map(|i| (rank(planned[*i].sort.map_or(&[], |(_, key)| &key[alike..])), *i)));
    ranks.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| by_key(a.1, b.1)));
    run.iter_mut().zip(&*ranks).for_each(|(place, (_, i))| *place = *i);
}

/// How many bytes two keys have in common at their beginning, of those that are looked at.
fn alike_bytes(a: &[u8], b: &[u8], most: usize) -> usize {
    let most = most.min(b.len());
    let (a, b) = (&a[..most], &b[..most]);
    let words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    let same = 8 * words.take_while(|(a, b)| a == b).count();
    same + a[same..].iter().zip(&b[same..]).take_while(|(a, b)| a == b).count()
}

/// The first eight bytes as a number, zeroes behind what is shorter.
fn rank(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<8>() {
        Some(word) => u64::from_be_bytes(*word),
        None => bytes.iter().rev().fold(0, |rank, byte| rank >> 8 | u64::from(*byte) << 56),
    }
}
