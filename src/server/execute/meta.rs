//! The meta commands.
//!
//! What the table has no columns for is in [`Marks`](crate::store::Marks): whether an item is stale, whether a client was sent to renew it,
//! when a meta command read it. `h` and `l` therefore know the reads of `mg` alone, and only of the item as it is since it was last
//! stored; `size` of `me` is that of key and value, its `cls` means nothing.

use super::{Executor, Located, Refusal};
use crate::protocol::meta::{Code, Facts, KeyBuffer, Request, SetMode, Verb, debug, response};
use crate::protocol::reply::Out;
use crate::protocol::{self, reply};
use crate::rows::Rows;
use crate::server::detail::Operation;
use crate::server::operation::{new_item, spares_table};
use crate::server::outcome::Abort;
use crate::server::stats::Counter;
use crate::store::{Arith, Arithmetic, Condition, Container, Deleted, Failure, Item, Mark, NewItem, Stored, Visit};

/// How often an operation that lost a race for a new key looks again.
const ATTEMPTS: u32 = 3;

/// Why a request was not done.
enum Stop {
    Abort(Abort),
    Refused(Refusal),
}

type Outcome<T> = Result<T, Stop>;

impl<'w, R: Rows> Executor<'w, R> {
    /// Runs a meta command and appends its reply.
    ///
    /// # Errors
    /// The transaction is lost.
    pub(super) fn run_meta(&mut self, request: &Request<'_>, out: &mut Out) -> Result<(), Abort> {
        let start = out.len();
        let mut buffer: KeyBuffer = [0; protocol::KEY_MAX];
        let name = request.key(&mut buffer);
        let done = match request.verb {
            Verb::Noop => {
                out.extend_from_slice(b"MN\r\n");
                Ok(())
            }
            Verb::Debug => self.meta_debug(request, name, out),
            Verb::Get => self.meta_get(request, name, out),
            Verb::Set => self.meta_set(request, name, out),
            Verb::Delete => self.meta_delete(request, name, out),
            Verb::Arith => self.meta_arith(request, name, out),
        };
        match done {
            Ok(()) => Ok(()),
            Err(Stop::Abort(abort)) => Err(abort),
            Err(Stop::Refused(refusal)) => {
                out.truncate(start);
                refusal.write_text(out);
                Ok(())
            }
        }
    }

    fn done<T>(&mut self, container: &Container, result: Result<T, Failure>) -> Outcome<T> {
        result.map_err(|failure| match self.refusal(container, failure) {
            Ok(refusal) => Stop::Refused(refusal),
            Err(abort) => Stop::Abort(abort),
        })
    }

    fn row_of<'k>(&mut self, name: &'k [u8]) -> Outcome<(&'w Container, &'k [u8])> {
        self.row_or_refusal(name).map_err(Stop::Refused)
    }

    fn meta_debug(&mut self, request: &Request<'_>, name: &[u8], out: &mut Out) -> Outcome<()> {
        let (marks, now) = (&self.shared.marks, self.store.now());
        if let Located::Row(container, key) = self.locate(name) {
            let item_of = self.store.version(container, key, 0);
            let result = self.store.get(container, key, true, |item| {
                let mut facts = Facts { cas: Some(item.cas), ttl: Some(ttl(item.deadline, now)), ..Facts::default() };
                read_facts(&mut facts, marks.get(item_of.with_cas(item.cas)), now);
                debug(out, request, &facts, key.len() + item.value.len());
            });
            if self.done(container, result)? {
                return Ok(());
            }
        }
        // Unlike a miss of `mg` it echoes nothing.
        out.extend_from_slice(b"EN\r\n");
        Ok(())
    }

    fn meta_get(&mut self, request: &Request<'_>, name: &[u8], out: &mut Out) -> Outcome<()> {
        self.stats.one(Counter::CmdGet);
        let (container, key) = match self.locate(name) {
            Located::Row(container, key) => (container, key),
            Located::Name(container) => {
                self.stats.one(Counter::GetHits);
                self.shared.detail.note(name, Operation::Get(true));
                let item = Item { flags: 0, cas: 0, deadline: 0, value: container.table.path.to_bytes() };
                write_item(out, request, &item, Facts { ttl: Some(-1), ..Facts::default() });
                return Ok(());
            }
            Located::Nowhere => {
                self.stats.one(Counter::GetMisses);
                self.shared.detail.note(name, Operation::Get(false));
                miss(out, request);
                return Ok(());
            }
        };
        // What counts is what was left to live before this command.
        let before = match request.seconds(b'R') {
            Some(limit) if request.has(b'T') => {
                let mut renew = false;
                let now = self.store.now();
                let result = self.store.get(container, key, false, |item| renew = is_below(item.deadline, limit, now));
                self.done(container, result)?;
                Some(renew)
            }
            _ => None,
        };
        let touch = request.seconds(b'T');
        let found = self.answer_item(request, container, key, touch, before, out)?;
        self.stats.one(if found { Counter::GetHits } else { Counter::GetMisses });
        self.shared.detail.note(name, Operation::Get(found));
        if touch.is_some() {
            self.stats.one(Counter::CmdTouch);
            self.stats.one(if found { Counter::TouchHits } else { Counter::TouchMisses });
        }
        if found {
            return Ok(());
        }
        let Some(exptime) = request.seconds(b'N') else {
            miss(out, request);
            return Ok(());
        };
        let item = NewItem { flags: 0, exptime: touch.unwrap_or(exptime), value: b"", cas: request.number(b'E') };
        for _ in 0..ATTEMPTS {
            let result = self.store.store(container, key, Condition::Add, None, item);
            let created = self.done(container, result)?.0 == Stored::Stored;
            // Who creates it is to fill it; the others see that somebody does.
            if self.answer_item(request, container, key, None, created.then_some(true), out)? {
                return Ok(());
            }
        }
        miss(out, request);
        Ok(())
    }

    /// Answers an `mg` if there is a live item, which may be touched at that. `renew` tells whether the client wants to renew it, where
    /// that does not depend on what it has left to live now.
    fn answer_item(
        &mut self,
        request: &Request<'_>,
        container: &Container,
        key: &[u8],
        touch: Option<i64>,
        renew: Option<bool>,
        out: &mut Out,
    ) -> Outcome<bool> {
        let (marks, now) = (&self.shared.marks, self.store.now());
        let (limit, read) = (request.seconds(b'R'), !request.has(b'u'));
        let mut won = None;
        // All versions of the item have this in common.
        let item_of = self.store.version(container, key, 0);
        let found = |item: Item<'_>| {
            let version = item_of.with_cas(item.cas);
            let renew = renew.unwrap_or_else(|| limit.is_some_and(|limit| is_below(item.deadline, limit, now)));
            let (mark, wins) = marks.visit(version, Visit { now, read, renew });
            if wins {
                won = Some((version, mark));
            }
            let mut facts = Facts {
                ttl: Some(ttl(item.deadline, now)),
                sent: mark.sent,
                stale: mark.stale,
                won: wins,
                ..Facts::default()
            };
            read_facts(&mut facts, mark, now);
            write_item(out, request, &item, facts);
        };
        let result = match touch {
            Some(exptime) => self.store.get_and_touch(container, key, exptime, true, found),
            None => self.store.get(container, key, true, found),
        };
        if let Some((version, mark)) = won
            && !self.is_kept(request)
        {
            self.store.note_marked(version, mark);
        }
        self.done(container, result)
    }

    /// Whether the reply is kept when the tick runs again.
    fn is_kept(&self, request: &Request<'_>) -> bool {
        spares_table(&protocol::Request::Meta(*request), self.config, self.container)
    }

    fn meta_set(&mut self, request: &Request<'_>, name: &[u8], out: &mut Out) -> Outcome<()> {
        self.shared.detail.note(name, Operation::Set);
        let (container, key) = self.row_of(name)?;
        self.stats.one(Counter::CmdSet);
        let mode = request.set_mode();
        let extends = matches!(mode, SetMode::Append | SetMode::Prepend);
        let compare = request.number(b'C');
        let item = new_item(request);
        let result = self.store.store(container, key, condition(mode), compare, item);
        let (mut stored, mut cas) = self.done(container, result)?;
        let older = stored == Stored::Exists && compare.is_some_and(|compare| 0 < compare && compare < cas);
        if older && request.has(b'I') && !extends {
            // The row is locked: nobody changes the number meanwhile.
            let result = self.store.store(container, key, condition(mode), Some(cas), item);
            (stored, cas) = self.done(container, result)?;
            if stored == Stored::Stored {
                let result = self.store.mark_stale(container, key, cas);
                self.done(container, result)?;
            }
        }
        if stored == Stored::NotStored
            && extends
            && let Some(exptime) = request.seconds(b'N')
        {
            (stored, cas) = self.extend_or_add(request, container, key, NewItem { exptime, ..item })?;
        }
        if compare.is_some() {
            self.count_compared(stored);
        }
        let code = match stored {
            Stored::Stored if request.has(b'q') => return Ok(()),
            Stored::Stored => Code::Done,
            Stored::NotStored => Code::NotStored,
            Stored::Exists => Code::Exists,
            Stored::NotFound => Code::NotFound,
        };
        let mut facts = Facts { cas: Some(0), size: Some(request.value.len()), ..Facts::default() };
        if stored == Stored::Stored {
            facts.cas = Some(cas);
            if (cas == 0 && request.has(b'c')) || (extends && request.has(b's')) {
                let result = self.store.get(container, key, true, |item| {
                    facts = Facts { cas: Some(item.cas), size: Some(item.value.len()), ..facts };
                });
                self.done(container, result)?;
            }
        }
        response(out, request, code, &facts);
        Ok(())
    }

    /// Answers a plain `ms` that was stored together with others.
    pub(super) fn stored_together_meta(&mut self, request: &Request<'_>, cas: u64, out: &mut Out) {
        self.shared.detail.note(request.written_key, Operation::Set);
        if !request.has(b'q') {
            let facts = Facts { cas: Some(cas), size: Some(request.value.len()), ..Facts::default() };
            response(out, request, Code::Done, &facts);
        }
    }

    /// An append or prepend that found nothing and may create the item.
    fn extend_or_add(
        &mut self,
        request: &Request<'_>,
        container: &Container,
        key: &[u8],
        item: NewItem<'_>,
    ) -> Outcome<(Stored, u64)> {
        for _ in 0..ATTEMPTS {
            let result = self.store.store(container, key, Condition::Add, None, item);
            let added = self.done(container, result)?;
            if added.0 == Stored::Stored {
                return Ok(added);
            }
            let (condition, compare) = (condition(request.set_mode()), request.number(b'C'));
            let result = self.store.store(container, key, condition, compare, item);
            let extended = self.done(container, result)?;
            if extended.0 != Stored::NotStored {
                return Ok(extended);
            }
        }
        Ok((Stored::NotStored, 0))
    }

    fn meta_delete(&mut self, request: &Request<'_>, name: &[u8], out: &mut Out) -> Outcome<()> {
        self.shared.detail.note(name, Operation::Delete);
        let (container, key) = self.row_of(name)?;
        let (compare, given) = (request.number(b'C'), request.number(b'E'));
        let (empties, invalidates) = (request.has(b'x'), request.has(b'I'));
        let mut stored = None;
        if empties {
            let result = self.store.store(container, key, Condition::Replace, compare, new_item(request));
            let (emptied, cas) = self.done(container, result)?;
            if emptied == Stored::Stored && invalidates {
                let result = self.store.mark_stale(container, key, cas);
                self.done(container, result)?;
            }
            stored = Some(emptied);
        } else if invalidates {
            let result = self.store.invalidate(container, key, compare, request.seconds(b'T'), given);
            stored = Some(self.done(container, result)?.0);
        }
        let code = match stored {
            Some(Stored::Stored) => Code::Done,
            Some(Stored::Exists) => Code::Exists,
            Some(Stored::NotFound | Stored::NotStored) => Code::NotFound,
            None => {
                let result = self.store.delete(container, key, compare);
                match self.done(container, result)? {
                    Deleted::Deleted => Code::Done,
                    Deleted::Exists => Code::Exists,
                    Deleted::NotFound => Code::NotFound,
                }
            }
        };
        match code {
            Code::Done => self.stats.one(Counter::DeleteHits),
            Code::NotFound => self.stats.one(Counter::DeleteMisses),
            _ => {}
        }
        if code != Code::Done || !request.has(b'q') {
            response(out, request, code, &Facts::default());
        }
        Ok(())
    }

    fn meta_arith(&mut self, request: &Request<'_>, name: &[u8], out: &mut Out) -> Outcome<()> {
        let (container, key) = self.row_of(name)?;
        let increment = request.increments();
        let (hits, misses) = match increment {
            true => (Counter::IncrHits, Counter::IncrMisses),
            false => (Counter::DecrHits, Counter::DecrMisses),
        };
        let (number, cas) = match self.count_or_create(request, container, key)? {
            Ok(counted) => counted,
            Err(code) => {
                if code == Code::NotFound {
                    self.stats.one(misses);
                }
                response(out, request, code, &Facts::default());
                return Ok(());
            }
        };
        self.stats.one(hits);
        if request.has(b'q') {
            return Ok(());
        }
        let mut facts = Facts { cas: Some(cas), ..Facts::default() };
        if request.has(b't') || (cas == 0 && request.has(b'c')) {
            let now = self.store.now();
            let result = self.store.get(container, key, true, |item| {
                facts = Facts { cas: Some(item.cas), ttl: Some(ttl(item.deadline, now)), ..facts };
            });
            self.done(container, result)?;
        }
        let mut digits = itoa::Buffer::new();
        let text = digits.format(number).as_bytes();
        match request.has(b'v') {
            true => {
                response(out, request, Code::Value(text.len()), &facts);
                out.extend_from_slice(text);
                out.extend_from_slice(reply::CRLF);
            }
            false => response(out, request, Code::Done, &facts),
        }
        Ok(())
    }

    /// The number and its cas number, or the code of what came instead.
    fn count_or_create(
        &mut self,
        request: &Request<'_>,
        container: &Container,
        key: &[u8],
    ) -> Outcome<Result<(u64, u64), Code>> {
        let arith = Arith {
            increment: request.increments(),
            delta: request.number(b'D').unwrap_or(1),
            compare: request.number(b'C'),
            exptime: request.seconds(b'T'),
            cas: request.number(b'E'),
        };
        for _ in 0..ATTEMPTS {
            let result = self.store.arithmetic(container, key, arith);
            match self.done(container, result)? {
                Arithmetic::Value(number, cas) => return Ok(Ok((number, cas))),
                Arithmetic::Exists => return Ok(Err(Code::Exists)),
                Arithmetic::NonNumeric => return Err(Stop::Refused(Refusal::Client(NON_NUMERIC.into()))),
                Arithmetic::NotFound => {}
            }
            let Some(exptime) = request.seconds(b'N') else { return Ok(Err(Code::NotFound)) };
            let number = request.number(b'J').unwrap_or(0);
            let mut digits = itoa::Buffer::new();
            let value = digits.format(number).as_bytes();
            let item = NewItem { flags: 0, exptime, value, cas: arith.cas };
            let result = self.store.store(container, key, Condition::Add, None, item);
            if let (Stored::Stored, cas) = self.done(container, result)? {
                return Ok(Ok((number, cas)));
            }
        }
        Ok(Err(Code::NotStored))
    }
}

/// As the text commands word it.
const NON_NUMERIC: &str = "cannot increment or decrement non-numeric value";

fn condition(mode: SetMode) -> Condition {
    match mode {
        SetMode::Set => Condition::Set,
        SetMode::Add => Condition::Add,
        SetMode::Replace => Condition::Replace,
        SetMode::Append => Condition::Append,
        SetMode::Prepend => Condition::Prepend,
    }
}

/// Seconds that are left, -1 for no end.
fn ttl(deadline: i64, now: i64) -> i64 {
    if deadline == 0 { -1 } else { deadline - now }
}

/// Whether an item has less than `limit` seconds to live.
fn is_below(deadline: i64, limit: i64, now: i64) -> bool {
    deadline != 0 && deadline - now < limit
}

fn read_facts(facts: &mut Facts, mark: Mark, now: i64) {
    facts.hit = Some(mark.read);
    facts.idle = Some(if mark.read { (now - i64::from(mark.at)).max(0) } else { 0 });
}

fn miss(out: &mut Out, request: &Request<'_>) {
    if !request.has(b'q') {
        response(out, request, Code::Miss, &Facts::default());
    }
}

/// Answers an `mg` that hit.
fn write_item(out: &mut Out, request: &Request<'_>, item: &Item<'_>, facts: Facts) {
    let facts = Facts { cas: Some(item.cas), flags: Some(item.flags), size: Some(item.value.len()), ..facts };
    if !request.has(b'v') || request.number(b'C') == Some(item.cas) {
        return response(out, request, Code::Done, &facts);
    }
    out.reserve(item.value.len() + protocol::KEY_MAX);
    response(out, request, Code::Value(item.value.len()), &facts);
    out.extend_from_slice(item.value);
    out.extend_from_slice(reply::CRLF);
}
