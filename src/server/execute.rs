//! One request: protocol on one side, store on the other.

use super::Shared;
use super::stats::{ContainerCount, Counter, Delta};
use crate::protocol::ascii::{Keys, Request, StoreVerb};
use crate::protocol::reply;
use crate::rows::{Error, Rows};
use crate::store::{
    Arithmetic, Condition, Config, Container, ContainerId, Failure, KeyRange, NewItem, RangeProgress, Store, Stored,
    Target,
};
use std::ops::ControlFlow;

/// Bytes of replies after which a connection waits for the next tick.
pub const REPLY_BUDGET: usize = 8 << 20;

/// The transaction is lost; the tick decides what runs again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abort {
    /// Chosen as a deadlock's victim.
    Deadlock,
    /// A lock was not granted in time.
    LockTimeout,
    /// Somebody killed the session or the statement.
    Interrupted,
}

/// Rows and bytes of a range that one tick answers.
const SEGMENT_ROWS: usize = 1000;
const SEGMENT_BYTES: usize = 256 << 10;

/// How much of a request earlier ticks have answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Resume {
    /// Nothing.
    #[default]
    Start,
    /// So many keys of a get.
    Keys(usize),
    /// A range up to this key; so many items were sent.
    Range(Vec<u8>, u64),
}

/// How far a request came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Answered.
    Done,
    /// The rest waits for the next tick.
    Part(Resume),
}

/// What a key leads to.
enum Located<'w, 'k> {
    Row(&'w Container, &'k [u8]),
    /// A container's name without a key.
    Name(&'w Container),
    /// No such container.
    Nowhere,
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

/// Whether the cache policies of its container keep a request that is no plain read away from the table.
pub fn spares_table(request: &Request<'_>, config: &Config, container: ContainerId) -> bool {
    let Some(policies) = config.container(container).map(Container::policies) else { return false };
    let policy = match request {
        Request::Store { .. } | Request::Arith { .. } | Request::Touch { .. } => policies.set,
        Request::GetAndTouch { keys, .. } if keys.is_single() => policies.set,
        Request::Delete { .. } => policies.delete,
        Request::FlushAll { .. } => policies.flush,
        _ => return false,
    };
    policy.spares_table()
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

/// Whether a request streams rows for many ticks; it is planned alone.
pub fn is_range(request: &Request<'_>) -> bool {
    matches!(request, Request::Get { keys, .. } if KeyRange::is_range(keys.first()))
}

/// What a request runs with.
pub struct Executor<'w, R> {
    /// The worker's store.
    pub store: &'w mut Store<R>,
    /// The containers.
    pub config: &'w Config,
    /// Container that the connection is switched to; keys of the request may switch it.
    pub container: ContainerId,
    /// The daemon.
    pub shared: &'w Shared,
    /// What happened.
    pub stats: &'w mut Delta,
    /// What happened to containers, by table id. Runs that are undone count too.
    pub counts: &'w mut Vec<ContainerCount>,
}

impl<'w, R: Rows> Executor<'w, R> {
    /// Runs a request from where an earlier tick left it and appends its reply to `out`.
    ///
    /// # Errors
    /// The transaction is lost; what `out` got is void.
    pub fn run(&mut self, request: &Request<'_>, resume: &Resume, out: &mut Vec<u8>) -> Result<Progress, Abort> {
        match *request {
            Request::Get { keys, with_cas } if KeyRange::is_range(keys.first()) => {
                return self.range(keys, with_cas, resume, out);
            }
            Request::Get { keys, with_cas } => return self.get(keys, with_cas, resume, out),
            Request::GetAndTouch { exptime, keys, with_cas } => self.get_and_touch(keys, exptime, with_cas, out)?,
            Request::Store { verb, key, flags, exptime, cas, value, noreply } => {
                if let Some((container, key)) = self.row(key, noreply, out) {
                    let item = NewItem { flags, exptime, value };
                    let result = self.store.store(container, key, condition(verb, cas), item);
                    self.stored(container, verb, result, noreply, out)?;
                }
            }
            Request::Arith { increment, key, delta, noreply } => {
                if let Some((container, key)) = self.row(key, noreply, out) {
                    let result = self.store.arithmetic(container, key, increment, delta);
                    self.arithmetic(container, increment, result, noreply, out)?;
                }
            }
            Request::Delete { key, noreply } => {
                if let Some((container, key)) = self.row(key, noreply, out) {
                    let result = self.store.delete(container, key);
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
            Request::FlushAll { delay, noreply } => self.flush(delay, noreply, out)?,
            Request::Version => reply::version(out, super::VERSION),
            Request::Verbosity { noreply } => say(out, noreply, reply::OK),
            Request::Stats { args } => self.shared.stats(args, self.config, out),
            Request::Bind { name } => self.bind(name, out),
            Request::Shutdown { noreply } => say(out, noreply, reply::SHUTDOWN_NOT_ENABLED),
            Request::Quit => {}
            Request::Refused { reply } => out.extend_from_slice(reply),
        }
        Ok(Progress::Done)
    }

    fn count(&mut self, container: &Container) -> &mut ContainerCount {
        let id = container.table.id;
        if self.counts.len() <= id {
            self.counts.resize(id + 1, ContainerCount::default());
        }
        &mut self.counts[id]
    }

    /// Follows a key to its container; a mapped key switches the connection.
    #[inline]
    fn locate<'k>(&mut self, key: &'k [u8]) -> Located<'w, 'k> {
        match self.config.resolve(self.container, key) {
            Target::Key(id, key) => {
                self.container = id;
                let Some(container) = self.config.container(id) else { return Located::Nowhere };
                self.count(container).operations += 1;
                Located::Row(container, key)
            }
            Target::Name(id) => {
                self.container = id;
                self.config.container(id).map_or(Located::Nowhere, Located::Name)
            }
            Target::Unknown(_) => Located::Nowhere,
        }
    }

    /// The same for a command that needs a row; otherwise it is answered.
    fn row<'k>(&mut self, key: &'k [u8], noreply: bool, out: &mut Vec<u8>) -> Option<(&'w Container, &'k [u8])> {
        let refusal = match self.locate(key) {
            Located::Row(container, key) => return Some((container, key)),
            Located::Name(_) => "a key must follow the name of a container",
            Located::Nowhere => "no such container",
        };
        if !noreply {
            reply::client_error(out, refusal);
        }
        None
    }

    fn bind(&mut self, name: &[u8], out: &mut Vec<u8>) {
        let found = self.config.find(name);
        if let Some(id) = found {
            self.container = id;
        }
        out.extend_from_slice(if found.is_some() { b"SUCCEED\r\n" } else { reply::NOT_FOUND });
    }

    fn get(&mut self, keys: Keys<'_>, with_cas: bool, resume: &Resume, out: &mut Vec<u8>) -> Result<Progress, Abort> {
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
                Ok(true) => self.stats.one(Counter::GetHits),
                Ok(false) => self.stats.one(Counter::GetMisses),
                // In the middle of a multi-get this line stands instead of END.
                Err(failure) => return self.fail(container, failure, false, out).map(|()| Progress::Done),
            }
        }
        out.extend_from_slice(reply::END);
        Ok(Progress::Done)
    }

    /// One segment of `get @>k`, perhaps with a limit behind it.
    fn range(&mut self, keys: Keys<'_>, with_cas: bool, resume: &Resume, out: &mut Vec<u8>) -> Result<Progress, Abort> {
        let mut words = keys.iter();
        let text = words.next().unwrap_or_default();
        let limit = match (words.next(), words.next()) {
            (None, _) => Some(u64::MAX),
            (Some(word), None) => std::str::from_utf8(word).ok().and_then(|word| word.parse().ok()),
            _ => None,
        };
        let (Some(limit), Ok(range)) = (limit, KeyRange::parse(text)) else {
            reply::client_error(
                out,
                "a range is @>k, @>=k, @<k, @<=k or two of them, e.g. get @>=a@<b, with a limit behind it",
            );
            return Ok(Progress::Done);
        };
        let Some(container) = self.config.container(self.container) else {
            reply::client_error(out, "no such container");
            return Ok(Progress::Done);
        };
        let (after, mut sent) = match resume {
            Resume::Range(after, sent) => (Some(after.as_slice()), *sent),
            _ => (None, 0),
        };
        if sent >= limit {
            out.extend_from_slice(reply::END);
            return Ok(Progress::Done);
        }
        let budget = out.len() + SEGMENT_BYTES;
        let result = self.store.range(container, range, after, SEGMENT_ROWS, with_cas, |key, item| {
            reply::value(out, key, item.flags, with_cas.then_some(item.cas), item.value);
            sent += 1;
            match sent >= limit || out.len() >= budget {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        match result {
            Ok(RangeProgress::Stopped(key)) if sent < limit => return Ok(Progress::Part(Resume::Range(key, sent))),
            Ok(_) => out.extend_from_slice(reply::END),
            Err(failure) => self.fail(container, failure, false, out)?,
        }
        self.stats.one(Counter::CmdGet);
        self.stats.one(if sent > 0 { Counter::GetHits } else { Counter::GetMisses });
        Ok(Progress::Done)
    }

    fn get_and_touch(&mut self, keys: Keys<'_>, exptime: i64, with_cas: bool, out: &mut Vec<u8>) -> Result<(), Abort> {
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
                        Err(failure) => return self.fail(container, failure, false, out),
                    }
                }
                _ => (Counter::GetMisses, Counter::TouchMisses),
            };
            self.stats.one(get);
            self.stats.one(touch);
        }
        out.extend_from_slice(reply::END);
        Ok(())
    }

    fn stored(
        &mut self,
        container: &Container,
        verb: StoreVerb,
        result: Result<Stored, Failure>,
        noreply: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Abort> {
        self.stats.one(Counter::CmdSet);
        let stored = match result {
            Ok(stored) => stored,
            Err(failure) => return self.fail(container, failure, noreply, out),
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
        container: &Container,
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
        out: &mut Vec<u8>,
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

    /// Runs alone and outside any transaction: batches are committed first, this worker's and everybody's.
    fn flush(&mut self, delay: i64, noreply: bool, out: &mut Vec<u8>) -> Result<(), Abort> {
        if self.shared.options.flush_disabled {
            say(out, noreply, reply::FLUSH_NOT_ALLOWED);
            return Ok(());
        }
        self.stats.one(Counter::CmdFlush);
        if delay > 0 {
            self.shared.flush_later(self.container, delay);
            say(out, noreply, reply::OK);
            return Ok(());
        }
        let Some(container) = self.config.container(self.container) else {
            say(out, noreply, b"CLIENT_ERROR no such container\r\n");
            return Ok(());
        };
        self.shared.commit_batches();
        let flushed = self.store.commit().map_err(Failure::Rows).and_then(|()| self.store.flush(container));
        match flushed {
            Ok(()) => {
                self.shared.cancel_flush(self.container);
                say(out, noreply, reply::OK);
                Ok(())
            }
            // TRUNCATE is no part of a transaction and never runs again.
            Err(Failure::Rows(error)) if error.aborts() => {
                self.refuse(container, &error, noreply, out);
                Ok(())
            }
            Err(failure) => self.fail(container, failure, noreply, out),
        }
    }

    fn fail(&mut self, container: &Container, failure: Failure, noreply: bool, out: &mut Vec<u8>) -> Result<(), Abort> {
        match failure {
            Failure::Rows(Error::Deadlock) => return Err(Abort::Deadlock),
            Failure::Rows(Error::LockTimeout) => return Err(Abort::LockTimeout),
            Failure::Rows(Error::Interrupted) => return Err(Abort::Interrupted),
            Failure::TooLarge => say(out, noreply, reply::TOO_LARGE),
            Failure::OutOfMemory => say(out, noreply, reply::OUT_OF_MEMORY_STORING),
            Failure::Rows(Error::TooLong(column)) => {
                self.shared.complain(|| {
                    format!(
                        "container {}: a value is longer than column {column} of {}; it was refused",
                        container.name,
                        container.table.display()
                    )
                });
                say(out, noreply, reply::TOO_LARGE);
            }
            Failure::Rows(error) => self.refuse(container, &error, noreply, out),
            Failure::Client(text) if !noreply => reply::client_error(out, &text),
            Failure::Client(_) => {}
        }
        Ok(())
    }

    fn refuse(&mut self, container: &Container, error: &Error, noreply: bool, out: &mut Vec<u8>) {
        self.stats.one(Counter::ServerErrors);
        self.count(container).errors += 1;
        if matches!(error, Error::Changed(_) | Error::NotFound(_)) {
            // Somebody altered the table: the next request finds the mapping read anew.
            self.shared.reload_containers();
        }
        self.shared.complain(|| {
            format!("container {}: an operation on {} failed: {error}", container.name, container.table.display())
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
