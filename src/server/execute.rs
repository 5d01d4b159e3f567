//! One request: protocol on one side, store on the other.

use super::Shared;
use super::stats::{Counter, Delta};
use crate::protocol::ascii::{Keys, Request, StoreVerb};
use crate::protocol::reply;
use crate::rows::{Error, Rows};
use crate::store::{Arithmetic, Condition, Container, Failure, NewItem, Store, Stored};

/// Bytes of replies after which a connection waits for the next tick.
pub const REPLY_BUDGET: usize = 8 << 20;

/// The transaction is lost; the tick decides what runs again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abort {
    /// Chosen as a deadlock's victim.
    Deadlock,
    /// A lock was not granted in time.
    LockTimeout,
}

/// How far a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Answered.
    Done,
    /// So many keys of it are answered; the rest waits for the next tick.
    Keys(usize),
}

/// Whether a request only reads, so that it can be answered without a commit.
pub fn is_read(request: &Request<'_>) -> bool {
    matches!(
        request,
        Request::Get { .. }
            | Request::Version
            | Request::Verbosity { .. }
            | Request::Stats { .. }
            | Request::Quit
            | Request::Shutdown { .. }
            | Request::Bind { .. }
            | Request::Refused { .. }
    )
}

/// The key by which a request of the write phase is sorted; `None` for requests that end a run.
pub fn sort_key<'a>(request: &Request<'a>) -> Option<&'a [u8]> {
    match request {
        Request::Store { key, .. }
        | Request::Arith { key, .. }
        | Request::Delete { key, .. }
        | Request::Touch { key, .. } => Some(key),
        Request::Get { keys, .. } | Request::GetAndTouch { keys, .. } if keys.is_single() => Some(keys.first()),
        _ => None,
    }
}

/// What a request runs with.
pub struct Executor<'w, R> {
    /// The worker's store.
    pub store: &'w mut Store<R>,
    /// Container of the connection.
    pub container: &'w Container,
    /// The daemon.
    pub shared: &'w Shared,
    /// What happened.
    pub stats: &'w mut Delta,
}

impl<R: Rows> Executor<'_, R> {
    /// Runs a request and appends its reply to `out`. `skip` keys of a get are answered already.
    ///
    /// # Errors
    /// The transaction is lost; what `out` got is void.
    pub fn run(&mut self, request: &Request<'_>, skip: usize, out: &mut Vec<u8>) -> Result<Progress, Abort> {
        match *request {
            Request::Get { keys, with_cas } => return self.get(keys, with_cas, skip, out),
            Request::GetAndTouch { exptime, keys, with_cas } => self.get_and_touch(keys, exptime, with_cas, out)?,
            Request::Store { verb, key, flags, exptime, cas, value, noreply } => {
                let result =
                    self.store.store(self.container, key, condition(verb, cas), NewItem { flags, exptime, value });
                self.stored(verb, result, noreply, out)?;
            }
            Request::Arith { increment, key, delta, noreply } => {
                let result = self.store.arithmetic(self.container, key, increment, delta);
                self.arithmetic(increment, result, noreply, out)?;
            }
            Request::Delete { key, noreply } => {
                let result = self.store.delete(self.container, key);
                self.hit(result, (Counter::DeleteHits, Counter::DeleteMisses), reply::DELETED, noreply, out)?;
            }
            Request::Touch { key, exptime, noreply } => {
                self.stats.one(Counter::CmdTouch);
                let result = self.store.touch(self.container, key, exptime);
                self.hit(result, (Counter::TouchHits, Counter::TouchMisses), reply::TOUCHED, noreply, out)?;
            }
            Request::FlushAll { delay, noreply } => self.flush(delay, noreply, out)?,
            Request::Version => reply::version(out, super::VERSION),
            Request::Verbosity { noreply } => say(out, noreply, reply::OK),
            Request::Stats { args } => self.shared.stats(args, out),
            Request::Bind { .. } => reply::server_error(out, "bind is not supported; one container is in use"),
            Request::Shutdown { noreply } => say(out, noreply, b"ERROR: shutdown not enabled\r\n"),
            Request::Quit => {}
            Request::Refused { reply } => out.extend_from_slice(reply),
        }
        Ok(Progress::Done)
    }

    fn get(&mut self, keys: Keys<'_>, with_cas: bool, skip: usize, out: &mut Vec<u8>) -> Result<Progress, Abort> {
        let budget = out.len() + REPLY_BUDGET;
        for (i, key) in keys.iter().enumerate().skip(skip) {
            // At least one key per tick, or a get would never end.
            if out.len() >= budget && i > skip {
                return Ok(Progress::Keys(i));
            }
            self.stats.one(Counter::CmdGet);
            let found = self.store.get(self.container, key, |item| {
                reply::value(out, key, item.flags, with_cas.then_some(item.cas), item.value);
            });
            match found {
                Ok(true) => self.stats.one(Counter::GetHits),
                Ok(false) => self.stats.one(Counter::GetMisses),
                // In the middle of a multi-get this line stands instead of END.
                Err(failure) => return self.fail(failure, false, out).map(|()| Progress::Done),
            }
        }
        out.extend_from_slice(reply::END);
        Ok(Progress::Done)
    }

    fn get_and_touch(&mut self, keys: Keys<'_>, exptime: i64, with_cas: bool, out: &mut Vec<u8>) -> Result<(), Abort> {
        for key in keys.iter() {
            self.stats.one(Counter::CmdTouch);
            self.stats.one(Counter::CmdGet);
            let found = self.store.get_and_touch(self.container, key, exptime, |item| {
                reply::value(out, key, item.flags, with_cas.then_some(item.cas), item.value);
            });
            let (get, touch) = match found {
                Ok(true) => (Counter::GetHits, Counter::TouchHits),
                Ok(false) => (Counter::GetMisses, Counter::TouchMisses),
                Err(failure) => return self.fail(failure, false, out),
            };
            self.stats.one(get);
            self.stats.one(touch);
        }
        out.extend_from_slice(reply::END);
        Ok(())
    }

    fn stored(
        &mut self,
        verb: StoreVerb,
        result: Result<Stored, Failure>,
        noreply: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Abort> {
        self.stats.one(Counter::CmdSet);
        let stored = match result {
            Ok(stored) => stored,
            Err(failure) => return self.fail(failure, noreply, out),
        };
        if verb == StoreVerb::Cas {
            self.stats.one(match stored {
                Stored::Exists => Counter::CasBadval,
                Stored::NotFound => Counter::CasMisses,
                _ => Counter::CasHits,
            });
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
        increment: bool,
        result: Result<Arithmetic, Failure>,
        noreply: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Abort> {
        let (hits, misses) = match increment {
            true => (Counter::IncrHits, Counter::IncrMisses),
            false => (Counter::DecrHits, Counter::DecrMisses),
        };
        match result {
            Ok(Arithmetic::Value(value)) => {
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
            Err(failure) => return self.fail(failure, noreply, out),
        }
        Ok(())
    }

    fn hit(
        &mut self,
        result: Result<bool, Failure>,
        (hits, misses): (Counter, Counter),
        done: &[u8],
        noreply: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Abort> {
        match result {
            Ok(found) => {
                self.stats.one(if found { hits } else { misses });
                say(out, noreply, if found { done } else { reply::NOT_FOUND });
                Ok(())
            }
            Err(failure) => self.fail(failure, noreply, out),
        }
    }

    /// Outside any transaction: the tick has committed before.
    fn flush(&mut self, delay: i64, noreply: bool, out: &mut Vec<u8>) -> Result<(), Abort> {
        if self.shared.options.flush_disabled {
            say(out, noreply, b"CLIENT_ERROR flush_all not allowed\r\n");
            return Ok(());
        }
        self.stats.one(Counter::CmdFlush);
        if delay > 0 {
            self.shared.flush_later(delay);
            say(out, noreply, reply::OK);
            return Ok(());
        }
        match self.store.flush(self.container) {
            Ok(()) => {
                self.shared.cancel_flush();
                say(out, noreply, reply::OK);
                Ok(())
            }
            // TRUNCATE is no part of a transaction and never runs again.
            Err(Failure::Rows(error)) if error.aborts() => {
                self.refuse(&error, noreply, out);
                Ok(())
            }
            Err(failure) => self.fail(failure, noreply, out),
        }
    }

    fn fail(&mut self, failure: Failure, noreply: bool, out: &mut Vec<u8>) -> Result<(), Abort> {
        match failure {
            Failure::Rows(Error::Deadlock) => return Err(Abort::Deadlock),
            Failure::Rows(Error::LockTimeout) => return Err(Abort::LockTimeout),
            Failure::TooLarge => say(out, noreply, reply::TOO_LARGE),
            Failure::Rows(Error::TooLong(column)) => {
                self.shared.complain(|| {
                    let container = self.container;
                    format!(
                        "container {}: a value is longer than column {column} of {}; it was refused",
                        container.name,
                        container.table.display()
                    )
                });
                say(out, noreply, reply::TOO_LARGE);
            }
            Failure::Rows(error) => self.refuse(&error, noreply, out),
            Failure::Client(text) if !noreply => reply::client_error(out, &text),
            Failure::Client(_) => {}
        }
        Ok(())
    }

    fn refuse(&mut self, error: &Error, noreply: bool, out: &mut Vec<u8>) {
        self.stats.one(Counter::ServerErrors);
        self.shared.complain(|| {
            format!(
                "container {}: an operation on {} failed: {error}",
                self.container.name,
                self.container.table.display()
            )
        });
        if !noreply {
            reply::server_error(out, &error.to_string());
        }
    }
}

fn condition(verb: StoreVerb, cas: u64) -> Condition {
    match verb {
        StoreVerb::Set => Condition::Set,
        StoreVerb::Add => Condition::Add,
        StoreVerb::Replace => Condition::Replace,
        StoreVerb::Append => Condition::Append,
        StoreVerb::Prepend => Condition::Prepend,
        StoreVerb::Cas => Condition::Cas(cas),
    }
}

fn say(out: &mut Vec<u8>, noreply: bool, line: &[u8]) {
    if !noreply {
        out.extend_from_slice(line);
    }
}
