//! The text commands.

use super::{Executor, Located, Refusal, condition};
use crate::protocol::reply::Out;
use crate::protocol::{Keys, Request, StoreVerb, reply};
use crate::rows::Rows;
use crate::server::detail::Operation;
use crate::server::operation::is_silent;
use crate::server::outcome::{Abort, Progress, REPLY_BUDGET, Resume};
use crate::server::report::Report;
use crate::server::stats::Counter;
use crate::store::{Arith, Arithmetic, Container, Deleted, Failure, KeyRange, NewItem, Stored};

impl<'w, R: Rows> Executor<'w, R> {
    #[inline]
    pub(super) fn run_ascii(
        &mut self,
        request: &Request<'_>,
        resume: &Resume,
        out: &mut Out,
    ) -> Result<Progress, Abort> {
        match *request {
            Request::Get { keys, with_cas } if KeyRange::is_range(keys.first()) => {
                return self.range(keys, with_cas, resume, out);
            }
            Request::Get { keys, with_cas } => return self.get(keys, with_cas, resume, out),
            Request::GetAndTouch { exptime, keys, with_cas } => self.get_and_touch(keys, exptime, with_cas, out)?,
            Request::Store { verb, key, flags, exptime, cas, value, noreply } => {
                self.shared.detail.note(key, Operation::Set);
                if let Some((container, key)) = self.row(key, noreply, out) {
                    let item = NewItem { flags, exptime, value, cas: None };
                    let compare = (verb == StoreVerb::Cas).then_some(cas);
                    let result = self.store.store(container, key, condition(verb), compare, item);
                    self.stored(container, verb, result, noreply, out)?;
                }
            }
            Request::Arith { increment, key, delta, noreply } => {
                if let Some((container, key)) = self.row(key, noreply, out) {
                    let arith = Arith { increment, delta, compare: None, exptime: None, cas: None };
                    let result = self.store.arithmetic(container, key, arith);
                    self.arithmetic(container, increment, result, noreply, out)?;
                }
            }
            Request::Delete { key, noreply } => {
                self.shared.detail.note(key, Operation::Delete);
                if let Some((container, key)) = self.row(key, noreply, out) {
                    let result = self.store.delete(container, key, None).map(|done| done == Deleted::Deleted);
                    let counters = (Counter::DeleteHits, Counter::DeleteMisses);
                    self.hit(container, result, counters, reply::DELETED, noreply, out)?;
                }
            }
            Request::Touch { key, exptime, noreply } => {
                if let Some((container, key)) = self.row(key, noreply, out) {
                    self.stats.one(Counter::CmdTouch);
                    let result = self.store.touch(container, key, exptime);
                    let counters = (Counter::TouchHits, Counter::TouchMisses);
                    self.hit(container, result, counters, reply::TOUCHED, noreply, out)?;
                }
            }
            Request::FlushAll { delay, noreply } => {
                let flushed = self.flush(delay)?;
                self.answer(flushed.err(), reply::OK, noreply, out);
            }
            Request::KeyDump { format, limit } => return self.key_dump(format, limit, resume, out),
            Request::MemoryLimit { megabytes, noreply } => {
                self.shared.limit_memory((megabytes as usize) << 20);
                say(out, noreply, reply::OK);
            }
            Request::Version => reply::version(out, crate::server::shared::VERSION),
            Request::Verbosity { noreply } => say(out, noreply, reply::OK),
            Request::Stats { args } => self.stats_ascii(args, out),
            Request::Bind { name } => self.bind(name, out),
            Request::Shutdown { noreply } => say(out, noreply, reply::SHUTDOWN_NOT_ENABLED),
            Request::RefreshCertificates => self.refresh_certificates(out),
            // Packets do not come here.
            Request::Quit | Request::Binary(_) => {}
            Request::Refused { reply } => out.extend_from_slice(reply),
            Request::Meta(_) => {}
        }
        Ok(Progress::Done)
    }

    /// Where nothing speaks TLS the command is unknown, as in memcached.
    fn refresh_certificates(&self, out: &mut Out) {
        match self.shared.tls.as_ref().map(crate::server::tls::Tls::reload) {
            None => out.extend_from_slice(reply::ERROR),
            Some(Ok(())) => out.extend_from_slice(reply::OK),
            Some(Err(error)) => reply::server_error(out, &error),
        }
    }

    /// Follows a key to its row, for a text command that needs one; otherwise it is answered.
    fn row<'k>(&mut self, key: &'k [u8], noreply: bool, out: &mut Out) -> Option<(&'w Container, &'k [u8])> {
        match self.row_or_refusal(key) {
            Ok(row) => Some(row),
            Err(refusal) => {
                self.answer(Some(refusal), b"", noreply, out);
                None
            }
        }
    }

    fn answer(&mut self, refusal: Option<Refusal>, done: &[u8], noreply: bool, out: &mut Out) {
        match refusal {
            _ if noreply => {}
            Some(refusal) => refusal.write_text(out),
            None => out.extend_from_slice(done),
        }
    }

    fn fail(&mut self, container: &Container, failure: Failure, noreply: bool, out: &mut Out) -> Result<(), Abort> {
        let refusal = self.refusal(container, failure)?;
        self.answer(Some(refusal), b"", noreply, out);
        Ok(())
    }

    fn stats_ascii(&mut self, args: &[u8], out: &mut Out) {
        let end = match self.shared.report(args, self.config, &mut |name, value| reply::stat(out, name, value)) {
            Report::Told => reply::END,
            Report::Reset => reply::RESET,
            Report::Switched => reply::OK,
            Report::Detail(lines) => {
                out.extend_from_slice(&lines);
                reply::END
            }
            Report::DetailUsage => reply::STATS_DETAIL_USAGE,
            Report::Unknown => reply::ERROR,
        };
        out.extend_from_slice(end);
    }

    fn bind(&mut self, name: &[u8], out: &mut Out) {
        let found = self.config.find(name);
        if let Some(id) = found {
            self.container = id;
        }
        out.extend_from_slice(if found.is_some() { b"SUCCEED\r\n" } else { reply::NOT_FOUND });
    }

    fn get(&mut self, keys: Keys<'_>, with_cas: bool, resume: &Resume, out: &mut Out) -> Result<Progress, Abort> {
        let answered = if let Resume::Keys(answered) = resume { *answered } else { 0 };
        let budget = out.len() + REPLY_BUDGET;
        for (i, name) in keys.iter().enumerate() {
            // Keys that are answered already are followed all the same: they may have switched the container.
            let located = self.locate(name);
            if i < answered {
                continue;
            }
            // At least one key per tick, or a get would never end.
            if out.len() >= budget && i > answered {
                return Ok(Progress::Part(Resume::Keys(i)));
            }
            self.stats.one(Counter::CmdGet);
            let (container, key) = match located {
                Located::Row(container, key) => (container, key),
                Located::Name(container) => {
                    self.stats.one(Counter::GetHits);
                    reply::value(out, name, 0, with_cas.then_some(0), container.table.path.to_bytes());
                    continue;
                }
                Located::Nowhere => {
                    self.stats.one(Counter::GetMisses);
                    continue;
                }
            };
            let found = self.store.get(container, key, with_cas, |item| {
                reply::value(out, name, item.flags, with_cas.then_some(item.cas), item.value);
            });
            match found {
                Ok(hit) => {
                    self.stats.one(if hit { Counter::GetHits } else { Counter::GetMisses });
                    self.shared.detail.note(name, Operation::Get(hit));
                }
                // Some clients wait for END whatever else a get is answered, and there is no such item indeed. The log says why.
                Err(failure) if failure.is_table_gone() => {
                    self.refusal(container, failure)?;
                    self.stats.one(Counter::GetMisses);
                }
                // In the middle of a multi-get this line stands instead of END.
                Err(failure) => return self.fail(container, failure, false, out).map(|()| Progress::Done),
            }
        }
        out.extend_from_slice(reply::END);
        Ok(Progress::Done)
    }

    fn get_and_touch(&mut self, keys: Keys<'_>, exptime: i64, with_cas: bool, out: &mut Out) -> Result<(), Abort> {
        for name in keys.iter() {
            self.stats.one(Counter::CmdTouch);
            self.stats.one(Counter::CmdGet);
            let (get, touch) = match self.locate(name) {
                Located::Row(container, key) => {
                    let found = self.store.get_and_touch(container, key, exptime, with_cas, |item| {
                        reply::value(out, name, item.flags, with_cas.then_some(item.cas), item.value);
                    });
                    match found {
                        Ok(true) => (Counter::GetHits, Counter::TouchHits),
                        Ok(false) => (Counter::GetMisses, Counter::TouchMisses),
                        Err(failure) if failure.is_table_gone() => {
                            self.refusal(container, failure)?;
                            (Counter::GetMisses, Counter::TouchMisses)
                        }
                        Err(failure) => return self.fail(container, failure, false, out),
                    }
                }
                _ => (Counter::GetMisses, Counter::TouchMisses),
            };
            self.stats.one(get);
            self.stats.one(touch);
            self.shared.detail.note(name, Operation::Get(get == Counter::GetHits));
        }
        out.extend_from_slice(reply::END);
        Ok(())
    }

    pub(super) fn stored_together_ascii(&mut self, request: &Request<'_>, out: &mut Out) {
        say(out, is_silent(request), reply::STORED);
    }

    fn stored(
        &mut self,
        container: &Container,
        verb: StoreVerb,
        result: Result<(Stored, u64), Failure>,
        noreply: bool,
        out: &mut Out,
    ) -> Result<(), Abort> {
        self.stats.one(Counter::CmdSet);
        let stored = match result {
            Ok((stored, _)) => stored,
            Err(failure) => return self.fail(container, failure, noreply, out),
        };
        if verb == StoreVerb::Cas {
            self.count_compared(stored);
        }
        let line = match stored {
            Stored::Stored => reply::STORED,
            Stored::NotStored => reply::NOT_STORED,
            Stored::Exists => reply::EXISTS,
            Stored::NotFound => reply::NOT_FOUND,
        };
        say(out, noreply, line);
        Ok(())
    }

    fn arithmetic(
        &mut self,
        container: &Container,
        increment: bool,
        result: Result<Arithmetic, Failure>,
        noreply: bool,
        out: &mut Out,
    ) -> Result<(), Abort> {
        let (hits, misses) = match increment {
            true => (Counter::IncrHits, Counter::IncrMisses),
            false => (Counter::DecrHits, Counter::DecrMisses),
        };
        match result {
            Ok(Arithmetic::Value(value, _)) => {
                self.stats.one(hits);
                if !noreply {
                    reply::number(out, value);
                }
            }
            Ok(Arithmetic::NotFound) => {
                self.stats.one(misses);
                say(out, noreply, reply::NOT_FOUND);
            }
            Ok(Arithmetic::NonNumeric) => say(out, noreply, reply::NON_NUMERIC),
            // No text command compares.
            Ok(Arithmetic::Exists) => say(out, noreply, reply::EXISTS),
            Err(failure) => return self.fail(container, failure, noreply, out),
        }
        Ok(())
    }

    fn hit(
        &mut self,
        container: &Container,
        result: Result<bool, Failure>,
        (hits, misses): (Counter, Counter),
        done: &[u8],
        noreply: bool,
        out: &mut Out,
    ) -> Result<(), Abort> {
        match result {
            Ok(found) => {
                self.stats.one(if found { hits } else { misses });
                say(out, noreply, if found { done } else { reply::NOT_FOUND });
                Ok(())
            }
            Err(failure) => self.fail(container, failure, noreply, out),
        }
    }
}

fn say(out: &mut Out, noreply: bool, line: &[u8]) {
    if !noreply {
        out.extend_from_slice(line);
    }
}
