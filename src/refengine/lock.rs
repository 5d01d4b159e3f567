//! Row, range and table locks, and deadlock detection.
//!
//! A lock covers an interval of a table's encoded keys: one key (also one no row has), a range, or everything. Shared
//! locks of several transactions may overlap, an exclusive one excludes all others. Locks are held until the transaction
//! ends. Requests that overlap are granted in order of arrival, except that a transaction
//! which already holds a lock there passes those who wait for it.
//!
//! All of it is behind one mutex that is held for short, bounded work: writers pass through it once per row and once
//! at their end, plain reads never. That makes the wait-for graph consistent whenever it is looked at, so a
//! deadlock is found at the moment it would begin, and the transaction that asked last is the victim.

use super::error::{Error, Result};
use super::fast_map::FastMap;
use super::interrupt;
use super::span::Span;
use super::storage::Slice;
use hashbrown::DefaultHashBuilder;
use hashbrown::hash_table::{Entry, HashTable};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Instant;

/// Tables, and points of each, for which memory is kept while nobody has locks there.
const KEPT_TABLES: usize = 16;
const KEPT_POINTS: usize = 4096;

/// Strength of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LockMode {
    Shared,
    Exclusive,
}

impl LockMode {
    fn conflicts(self, other: LockMode) -> bool {
        self == LockMode::Exclusive || other == LockMode::Exclusive
    }
}

/// What a transaction holds and must give to [`LockManager::release`].
#[derive(Debug)]
pub(crate) enum Lock {
    Point { table: u64, hash: u64, key: Slice },
    Ranges { table: u64 },
}

#[derive(Clone, Copy, Debug)]
struct Holder {
    trx: u64,
    mode: LockMode,
}

/// What is asked for.
enum Target<'a> {
    /// A key's hash, and the key.
    Point(u64, &'a [u8]),
    Range(&'a Span),
}

/// A key that is locked, and who holds it: nearly always one transaction.
struct Point {
    hash: u64,
    key: Slice,
    first: Holder,
    others: Vec<Holder>,
}

impl Point {
    fn holders(&self) -> impl Iterator<Item = &Holder> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// `false`: nobody is left.
    fn remove(&mut self, trx: u64) -> bool {
        if !self.others.is_empty() {
            self.others.retain(|h| h.trx != trx);
        }
        if self.first.trx != trx {
            return true;
        }
        match self.others.pop() {
            Some(other) => self.first = other,
            None => return false,
        }
        true
    }
}

/// Locks of a table. Whoever asks for a range looks at every point: ranges are few, points are not.
#[derive(Default)]
struct TableLocks {
    points: HashTable<Point>,
    ranges: Vec<(Span, Holder)>,
}

struct Wait {
    trx: u64,
    table: u64,
    span: Span,
    /// The hash of the key, where it is for one key.
    point: Option<u64>,
    mode: LockMode,
    granted: bool,
    wake: Arc<Condvar>,
}

#[derive(Default)]
struct State {
    tables: FastMap<u64, TableLocks>,
    /// By ticket, so in order of arrival. A transaction waits for one thing at a time.
    waits: BTreeMap<u64, Wait>,
    next_ticket: u64,
}

/// All locks of an engine.
#[derive(Default)]
pub(crate) struct LockManager {
    state: Mutex<State>,
    hasher: DefaultHashBuilder,
}

impl LockManager {
    /// Locks one key. `None`: the transaction already had such a lock.
    pub(crate) fn point(
        &self,
        trx: u64,
        table: u64,
        key: &[u8],
        mode: LockMode,
        deadline: impl FnOnce() -> Instant,
    ) -> Result<Option<Lock>> {
        let hash = self.hash(key);
        let mut state = self.state.lock();
        if let Some(key) = state.grant_free_point(trx, table, (hash, key), mode) {
            return Ok(Some(Lock::Point { table, hash, key }));
        }
        if state.tables.get(&table).is_some_and(|t| t.holds_point(trx, hash, key, mode)) {
            return Ok(None);
        }
        if state.is_blocked(trx, table, &Target::Point(hash, key), mode) {
            self.wait(&mut state, trx, table, Span::point(key), Some(hash), mode, deadline())?;
        } else {
            state.grant_point(trx, table, (hash, key), mode);
        }
        Ok(Some(Lock::Point { table, hash, key: Slice::new(key) }))
    }

    /// The hash of a key.
    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }

    /// Locks a range. `None`: the transaction already had such a lock.
    pub(crate) fn range(
        &self,
        trx: u64,
        table: u64,
        span: &Span,
        mode: LockMode,
        deadline: Instant,
    ) -> Result<Option<Lock>> {
        if span.is_empty() {
            return Ok(None);
        }
        let mut state = self.state.lock();
        if state.tables.get(&table).is_some_and(|t| t.holds_range(trx, span, mode)) {
            return Ok(None);
        }
        if state.is_blocked(trx, table, &Target::Range(span), mode) {
            self.wait(&mut state, trx, table, span.clone(), None, mode, deadline)?;
        } else {
            state.grant_range(trx, table, span.clone(), mode);
        }
        Ok(Some(Lock::Ranges { table }))
    }

    #[expect(clippy::too_many_arguments, reason = "one request, spelled out once")]
    fn wait(
        &self,
        state: &mut MutexGuard<'_, State>,
        trx: u64,
        table: u64,
        span: Span,
        point: Option<u64>,
        mode: LockMode,
        deadline: Instant,
    ) -> Result<()> {
        let wake = Arc::new(Condvar::new());
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.waits.insert(ticket, Wait { trx, table, span, point, mode, granted: false, wake: wake.clone() });
        if state.closes_cycle(ticket) {
            state.waits.remove(&ticket);
            return Err(Error::Deadlock);
        }
        loop {
            wake.wait_until(state, interrupt::next_look(deadline));
            if state.waits.get(&ticket).is_none_or(|wait| wait.granted) {
                state.waits.remove(&ticket);
                return Ok(());
            }
            let killed = interrupt::is_interrupted();
            if killed || Instant::now() >= deadline {
                state.waits.remove(&ticket);
                state.grant_waiting();
                return Err(if killed { Error::Interrupted } else { Error::LockWaitTimeout });
            }
        }
    }

    /// Transactions that wait now.
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().waits.values().filter(|wait| !wait.granted).count()
    }

    /// Gives back what a transaction holds and wakes those who can go on.
    pub(crate) fn release(&self, trx: u64, locks: &mut Vec<Lock>) {
        if locks.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        let mut untidy = state.tables.len() > KEPT_TABLES;
        while let Some(table) = locks.last().map(Lock::table) {
            let held = state.tables.entry(table).or_default();
            while let Some(lock) = locks.pop_if(|lock| lock.table() == table) {
                held.drop_lock(trx, lock);
            }
            untidy |= held.points.capacity() > KEPT_POINTS;
        }
        if untidy {
            state.tidy();
        }
        state.grant_waiting();
    }
}

impl Lock {
    fn table(&self) -> u64 {
        match self {
            Lock::Point { table, .. } | Lock::Ranges { table } => *table,
        }
    }
}

impl TableLocks {
    fn point(&self, hash: u64, key: &[u8]) -> Option<&Point> {
        self.points.find(hash, |point| *point.key == *key)
    }

    /// The place of a key among those that are locked.
    fn place(&mut self, hash: u64, key: &[u8]) -> Entry<'_, Point> {
        self.points.entry(hash, |point| *point.key == *key, |point| point.hash)
    }

    fn drop_lock(&mut self, trx: u64, lock: Lock) {
        match lock {
            Lock::Point { hash, key, .. } => {
                if let Ok(mut point) = self.points.find_entry(hash, |point| point.key == key)
                    && !point.get_mut().remove(trx)
                {
                    point.remove();
                }
            }
            Lock::Ranges { .. } => self.ranges.retain(|(_, h)| h.trx != trx),
        }
    }

    fn holds_point(&self, trx: u64, hash: u64, key: &[u8], mode: LockMode) -> bool {
        self.point(hash, key).is_some_and(|point| point.holders().any(|h| h.trx == trx && h.mode >= mode))
            || self.ranges.iter().any(|(span, h)| h.trx == trx && h.mode >= mode && span.contains(key))
    }

    fn holds_range(&self, trx: u64, span: &Span, mode: LockMode) -> bool {
        self.ranges.iter().any(|(held, h)| h.trx == trx && h.mode >= mode && held.covers(span))
    }

    /// Calls `f` with every holder of a lock that overlaps `target`, until it says stop.
    fn any_holder(&self, target: &Target<'_>, mut f: impl FnMut(Holder) -> bool) -> bool {
        match target {
            Target::Point(hash, key) => {
                self.point(*hash, key).is_some_and(|point| point.holders().any(|h| f(*h)))
                    || self.ranges.iter().any(|(span, h)| span.contains(key) && f(*h))
            }
            Target::Range(span) => {
                let mut points = self.points.iter().filter(|point| span.contains(&point.key));
                points.any(|point| point.holders().any(|h| f(*h)))
                    || self.ranges.iter().any(|(held, h)| held.overlaps(span) && f(*h))
            }
        }
    }
}

impl State {
    fn is_blocked(&self, trx: u64, table: u64, target: &Target<'_>, mode: LockMode) -> bool {
        let held = |f: &mut dyn FnMut(Holder) -> bool| {
            self.tables.get(&table).is_some_and(|locks| locks.any_holder(target, f))
        };
        if held(&mut |h| h.trx != trx && h.mode.conflicts(mode)) {
            return true;
        }
        if self.waits.is_empty() || held(&mut |h| h.trx == trx) {
            return false;
        }
        self.waits.values().any(|wait| queued_before(wait, trx, table, target, mode))
    }

    /// Transactions that keep the wait with this ticket from being granted.
    fn blockers(&self, ticket: u64) -> Vec<u64> {
        let Some(wait) = self.waits.get(&ticket) else { return Vec::new() };
        let target = match wait.point {
            Some(hash) => Target::Point(hash, &wait.span.start),
            None => Target::Range(&wait.span),
        };
        let mut found = Vec::new();
        let mut upgrade = false;
        if let Some(locks) = self.tables.get(&wait.table) {
            locks.any_holder(&target, |h| {
                upgrade |= h.trx == wait.trx;
                if h.trx != wait.trx && h.mode.conflicts(wait.mode) {
                    found.push(h.trx);
                }
                false
            });
        }
        if !upgrade {
            let before = self.waits.range(..ticket).map(|(_, other)| other);
            let queued = before.filter(|other| queued_before(other, wait.trx, wait.table, &target, wait.mode));
            found.extend(queued.map(|other| other.trx));
        }
        found
    }

    /// Whether the wait with this ticket waits, over any number of others, for itself.
    fn closes_cycle(&self, ticket: u64) -> bool {
        let Some(me) = self.waits.get(&ticket).map(|wait| wait.trx) else { return false };
        let waiting: HashMap<u64, u64> =
            self.waits.iter().filter(|(_, w)| !w.granted).map(|(ticket, w)| (w.trx, *ticket)).collect();
        let mut seen = HashSet::new();
        let mut todo = self.blockers(ticket);
        while let Some(trx) = todo.pop() {
            if trx == me {
                return true;
            }
            if seen.insert(trx)
                && let Some(ticket) = waiting.get(&trx)
            {
                todo.extend(self.blockers(*ticket));
            }
        }
        false
    }

    /// The shortest way, for a point that nobody holds or waits for. `None`: nothing was done. Otherwise the key, to keep.
    fn grant_free_point(&mut self, trx: u64, table: u64, (hash, key): (u64, &[u8]), mode: LockMode) -> Option<Slice> {
        let locks = self.tables.entry(table).or_default();
        if !self.waits.is_empty() || !locks.ranges.is_empty() {
            return None;
        }
        match locks.place(hash, key) {
            Entry::Occupied(_) => None,
            Entry::Vacant(place) => {
                let key = Slice::new(key);
                place.insert(Point { hash, key: key.clone(), first: Holder { trx, mode }, others: Vec::new() });
                Some(key)
            }
        }
    }

    fn grant_point(&mut self, trx: u64, table: u64, (hash, key): (u64, &[u8]), mode: LockMode) {
        let new = Holder { trx, mode };
        match self.tables.entry(table).or_default().place(hash, key) {
            Entry::Vacant(place) => {
                place.insert(Point { hash, key: Slice::new(key), first: new, others: Vec::new() });
            }
            Entry::Occupied(mut point) => {
                let point = point.get_mut();
                let own = std::iter::once(&mut point.first).chain(&mut point.others).find(|h| h.trx == trx);
                match own {
                    Some(held) => held.mode = held.mode.max(mode),
                    None => point.others.push(new),
                }
            }
        }
    }

    fn grant_range(&mut self, trx: u64, table: u64, span: Span, mode: LockMode) {
        self.tables.entry(table).or_default().ranges.push((span, Holder { trx, mode }));
    }

    /// Forgets tables without locks, except that a small one keeps its memory for the next transaction.
    fn tidy(&mut self) {
        let many = self.tables.len() > KEPT_TABLES;
        self.tables.retain(|_, locks| {
            let idle = locks.points.is_empty() && locks.ranges.is_empty();
            !idle || !(many || locks.points.capacity() > KEPT_POINTS)
        });
    }

    fn grant_waiting(&mut self) {
        if self.waits.is_empty() {
            return;
        }
        let tickets: Vec<u64> = self.waits.iter().filter(|(_, w)| !w.granted).map(|(ticket, _)| *ticket).collect();
        for ticket in tickets {
            if !self.blockers(ticket).is_empty() {
                continue;
            }
            let Some(wait) = self.waits.get_mut(&ticket) else { continue };
            wait.granted = true;
            wait.wake.notify_one();
            let (trx, table, span, point, mode) = (wait.trx, wait.table, wait.span.clone(), wait.point, wait.mode);
            match point {
                Some(hash) => self.grant_point(trx, table, (hash, &span.start), mode),
                None => self.grant_range(trx, table, span, mode),
            }
        }
    }
}

/// Whether `other`, which arrived before, must be granted before the request.
fn queued_before(other: &Wait, trx: u64, table: u64, target: &Target<'_>, mode: LockMode) -> bool {
    if other.granted || other.table != table || other.trx == trx || !other.mode.conflicts(mode) {
        return false;
    }
    match target {
        Target::Point(_, key) => other.span.contains(key),
        Target::Range(span) => other.span.overlaps(span),
    }
}

#[cfg(test)]
#[path = "lock_tests.rs"]
mod tests;
