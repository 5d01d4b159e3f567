//! Operations that hand items out, and what reads leave behind.
//!
//! What the table has no columns for is in [`Marks`](crate::store::Marks): whether an item is stale, whether a client was sent to renew
//! it, when it was read. Only reads with a [`Renewal`] know and leave marks, and only of the item as it is since it was last stored.

use super::{Executor, Located, Result, Stop, items::ATTEMPTS};
use crate::protocol::operation::{Get, Renewal};
use crate::protocol::outcome::{History, Value};
use crate::protocol::{Outcome, Request, Style, reply::Out};
use crate::rows::Rows;
use crate::server::outcome::{Abort, Progress, Resume};
use crate::server::stats::Counter;
use crate::server::terms::spares_table;
use crate::store::{Condition, Container, Item, KeyRange, Mark, NewItem, Reading, Stored, Target};

impl<'w, R: Rows> Executor<'w, R> {
    #[inline]
    pub(super) fn get(
        &mut self,
        request: &Request<'_>,
        get: &Get<'_>,
        resume: &Resume,
        out: &mut Out,
    ) -> std::result::Result<Progress, Abort> {
        let answered = match resume {
            Resume::Start => 0,
            Resume::Keys(answered) => *answered,
            Resume::Range(..) => return self.range(request, get, resume, out),
        };
        if get.part.begins() && request.operation.is_stream() && self.is_range(get.keys.first()) {
            return self.range(request, get, resume, out);
        }
        let mut keys = get.keys.iter();
        // Keys that are answered already may have switched the container.
        if answered > 0 {
            keys.by_ref().take(answered).for_each(|name| self.follow(name));
        }
        for (i, name) in keys.enumerate() {
            // At least one key per tick, or a get would never end.
            if out.len() >= self.stop && i > 0 {
                return Ok(Progress::Part(Resume::Keys(answered + i)));
            }
            let located = self.locate(name);
            let start = out.len();
            match self.get_one(request, get, name, located, out) {
                Ok(size) => {
                    if let (None, Located::Row(container, _)) = (size, located) {
                        self.missed(container);
                    }
                    self.count_read(name, size, get.touch.is_some());
                }
                Err(Stop::Abort(abort)) => return Err(abort),
                Err(Stop::Fault(fault)) => {
                    // In the middle of a multi-get this stands instead of the end.
                    out.truncate(start);
                    request.answer(&Outcome::Failed(&fault), out);
                    return Ok(Progress::Broken);
                }
            }
        }
        if get.part.ends() {
            request.answer_end(out);
        }
        Ok(Progress::Done)
    }

    /// Whether a key is a range of its container, which a name may stand before.
    #[cold]
    fn is_range(&self, name: &[u8]) -> bool {
        let mut container = self.container;
        matches!(self.scope.resolve(self.config, &mut container, name), Target::Key(_, key) if KeyRange::is_range(key))
    }

    /// Answers one key, and tells how many bytes its value has; `None`: there is no such item.
    #[inline]
    fn get_one(
        &mut self,
        request: &Request<'_>,
        get: &Get<'_>,
        name: &[u8],
        located: Located<'w, '_>,
        out: &mut Out,
    ) -> Result<Option<usize>> {
        let mut size = 0;
        let found = match located {
            Located::Row(container, key) => match &get.renewal {
                Some(renewal) => return self.get_renewing(request, get, renewal, (container, name, key), out),
                None => {
                    let found = |item: Item<'_>| {
                        size = item.value.len();
                        request.answer_value(value(name, &item, None), out);
                    };
                    let result = match get.touch {
                        None => self.store.get(container, key, get.with_cas, found),
                        Some(exptime) => self.store.get_and_touch(container, key, exptime, get.with_cas, found),
                    };
                    match result {
                        Ok(found) => found,
                        // Some text clients wait for END whatever else a get is answered, and there is no such item indeed. The log
                        // says why.
                        Err(failure) if failure.is_table_gone() && matches!(request.style, Style::Text { .. }) => {
                            match self.stop(container, failure) {
                                Stop::Fault(_) => false,
                                abort => return Err(abort),
                            }
                        }
                        Err(failure) => return Err(self.stop(container, failure)),
                    }
                }
            },
            Located::Name(container) if get.touch.is_none() => {
                let item = Item { flags: 0, cas: 0, deadline: 0, value: container.table.path.to_bytes() };
                size = item.value.len();
                request.answer(&Outcome::Value(value(name, &item, None)), out);
                true
            }
            Located::Name(_) | Located::Nowhere => false,
        };
        if !found {
            request.answer(&Outcome::NotFound, out);
        }
        Ok(found.then_some(size))
    }

    #[inline]
    fn count_read(&mut self, name: &[u8], size: Option<usize>, touched: bool) {
        let found = size.is_some();
        self.stats.one(Counter::CmdGet);
        self.stats.one(if found { Counter::GetHits } else { Counter::GetMisses });
        if touched {
            self.stats.one(Counter::CmdTouch);
            self.stats.one(if found { Counter::TouchHits } else { Counter::TouchMisses });
        }
        if self.shared.watchers.attention.any() {
            self.saw_read(name, size);
        }
    }

    /// A read that may tell its client to renew the item, and may create one to be filled; it answers, and tells how many bytes the value
    /// has that was there.
    #[inline(never)]
    fn get_renewing(
        &mut self,
        request: &Request<'_>,
        get: &Get<'_>,
        renewal: &Renewal,
        at: (&Container, &[u8], &[u8]),
        out: &mut Out,
    ) -> Result<Option<usize>> {
        let (container, _, key) = at;
        // What counts is what was left to live before this read.
        let before = match renewal.below {
            Some(limit) if get.touch.is_some() => {
                let (mut renew, now) = (false, self.store.now());
                let result = self.store.get(container, key, false, |item| renew = is_below(item.deadline, limit, now));
                self.done(container, result)?;
                Some(renew)
            }
            _ => None,
        };
        let found = self.tell_item(request, renewal, at, get.touch, before, out)?;
        if found.is_some() {
            return Ok(found);
        }
        let Some(exptime) = renewal.create else {
            request.answer(&Outcome::NotFound, out);
            return Ok(None);
        };
        let item = NewItem { flags: 0, exptime: get.touch.unwrap_or(exptime), value: b"", cas: renewal.cas };
        for _ in 0..ATTEMPTS {
            let result = self.store.store(container, key, Condition::Add, None, item);
            let created = matches!(self.done(container, result)?, Stored::Stored(_));
            // Who creates it is to fill it; the others see that somebody does.
            if self.tell_item(request, renewal, at, None, created.then_some(true), out)?.is_some() {
                return Ok(None);
            }
        }
        request.answer(&Outcome::NotFound, out);
        Ok(None)
    }

    /// Answers a read if there is a live item, which may be touched at that. `renew` tells whether the client wants to renew it, where
    /// that does not depend on what it has left to live now.
    fn tell_item(
        &mut self,
        request: &Request<'_>,
        renewal: &Renewal,
        (container, name, key): (&Container, &[u8], &[u8]),
        touch: Option<i64>,
        renew: Option<bool>,
        out: &mut Out,
    ) -> Result<Option<usize>> {
        let (marks, now) = (&self.shared.marks, self.store.now());
        let (limit, read) = (renewal.below, renewal.reads);
        let (mut won, mut size) = (None, 0);
        // All versions of the item have this in common.
        let item_of = self.store.version(container, key, 0);
        let found = |item: Item<'_>| {
            size = item.value.len();
            let version = item_of.with_cas(item.cas);
            let renew = renew.unwrap_or_else(|| limit.is_some_and(|limit| is_below(item.deadline, limit, now)));
            let (mark, wins) = marks.note_read(version, Reading { now, read, renew });
            if wins {
                won = Some((version, mark));
            }
            let history = History { sent: mark.sent, stale: mark.stale, won: wins, ..history(mark, now) };
            request.answer(&Outcome::Value(value(name, &item, Some(&history))), out);
        };
        let result = match touch {
            Some(exptime) => self.store.get_and_touch(container, key, exptime, true, found),
            None => self.store.get(container, key, true, found),
        };
        // The reply of a request that spares the table is kept when the tick runs again.
        if let Some((version, mark)) = won
            && !spares_table(&request.operation, self.config, self.container)
        {
            self.store.note_marked(version, mark);
        }
        Ok(self.done(container, result)?.then_some(size))
    }

    pub(super) fn inspect(
        &mut self,
        request: &Request<'_>,
        name: &[u8],
        out: &mut Out,
    ) -> Result<Option<Outcome<'static>>> {
        let (marks, now) = (&self.shared.marks, self.store.now());
        let Located::Row(container, key) = self.locate(name) else { return Ok(Some(Outcome::NotFound)) };
        let item_of = self.store.version(container, key, 0);
        let result = self.store.get(container, key, true, |item| {
            let history = history(marks.get(item_of.with_cas(item.cas)), now);
            request.answer(&Outcome::Value(value(key, &item, Some(&history))), out);
        });
        Ok(if self.done(container, result)? { None } else { Some(Outcome::NotFound) })
    }

    pub(super) fn touch_and_tell(
        &mut self,
        request: &Request<'_>,
        name: &[u8],
        exptime: i64,
        out: &mut Out,
    ) -> Result<Option<Outcome<'static>>> {
        self.stats.one(Counter::CmdTouch);
        let found = match self.locate(name) {
            Located::Row(container, key) => {
                let start = out.len();
                let found = |item: Item<'_>| request.answer(&Outcome::Value(value(name, &item, None)), out);
                let result = self.store.get_and_touch(container, key, exptime, true, found);
                if result.is_err() {
                    out.truncate(start);
                }
                let found = self.done(container, result)?;
                if !found {
                    self.missed(container);
                }
                found
            }
            Located::Name(_) | Located::Nowhere => false,
        };
        self.stats.one(if found { Counter::TouchHits } else { Counter::TouchMisses });
        if self.shared.watchers.attention.any() {
            self.saw_touch(name)?;
        }
        Ok(if found { None } else { Some(Outcome::NotFound) })
    }
}

/// An item as it is told.
#[inline]
pub(super) fn value<'o>(name: &'o [u8], item: &Item<'o>, history: Option<&'o History>) -> Value<'o> {
    let Item { flags, cas, deadline, value } = *item;
    Value { name, flags, cas, deadline, value, history }
}

/// Whether an item has less than `limit` seconds to live.
fn is_below(deadline: i64, limit: i64, now: i64) -> bool {
    deadline != 0 && deadline - now < limit
}

fn history(mark: Mark, now: i64) -> History {
    let idle = if mark.read { (now - i64::from(mark.at)).max(0) } else { 0 };
    History { now, hit: mark.read, idle, sent: false, stale: false, won: false }
}
