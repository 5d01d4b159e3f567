//! The requests of the binary protocol.
//!
//! A quiet request is answered where it failed or, if it reads, where it hit. An answer carries the item's cas number, 0 where the
//! request has no item or the container that was written has no cas column.

use super::{Executor, Located, Refusal, condition};
use crate::protocol::StoreVerb;
use crate::protocol::binary::reply::{self, Answer};
use crate::protocol::binary::{Command, Request, Status};
use crate::protocol::reply::Out;
use crate::rows::Rows;
use crate::server::detail::Operation;
use crate::server::outcome::{Abort, Denial};
use crate::server::report::Report;
use crate::server::stats::Counter;
use crate::store::{Arith, Arithmetic, Condition, Container, Deleted, Failure, Item, NewItem, Stored};

/// How often a number is looked for before one that comes and goes is given up.
const ARITH_ATTEMPTS: u32 = 3;

/// Answers a request that is not allowed.
pub(super) fn deny(request: &Request<'_>, denial: Denial, out: &mut Out) {
    match denial {
        Denial::Stranger(_) => reply::failure(out, request, Status::AuthError),
        Denial::Forbidden => reply::refusal(out, request, Status::AuthError, "permission denied"),
    }
}

/// What an answer to a read carries.
#[derive(Clone, Copy)]
struct Parts {
    key: bool,
    value: bool,
}

/// Appends a hit.
#[inline]
fn hit(request: &Request<'_>, parts: Parts, key: &[u8], item: &Item<'_>, out: &mut Out) {
    let answer = Answer {
        status: Status::Success,
        cas: item.cas,
        extras: &item.flags.to_be_bytes(),
        key: if parts.key { key } else { &[] },
        value: if parts.value { item.value } else { &[] },
    };
    reply::answer(out, request, &answer);
}

/// Appends a success that carries nothing but a cas number.
#[inline]
fn done(request: &Request<'_>, cas: u64, out: &mut Out) {
    if !request.quiet {
        reply::answer(out, request, &Answer { cas, ..Answer::SUCCESS });
    }
}

fn refuse(request: &Request<'_>, refusal: &Refusal, out: &mut Out) {
    match refusal {
        Refusal::Client(text) => reply::refusal(out, request, Status::InvalidArguments, text),
        Refusal::TooLarge => reply::failure(out, request, Status::TooLarge),
        Refusal::OutOfMemory => reply::failure(out, request, Status::OutOfMemory),
        Refusal::Temporary(text) => reply::refusal(out, request, Status::Temporary, text),
        Refusal::Server(text) => reply::refusal(out, request, Status::Internal, text),
    }
}

impl<'w, R: Rows> Executor<'w, R> {
    #[inline]
    pub(super) fn run_binary(&mut self, request: &Request<'_>, out: &mut Out) -> Result<(), Abort> {
        match request.command {
            Command::Get { key, with_key, exptime } => {
                self.read(request, key, Parts { key: with_key, value: true }, exptime, out)?;
            }
            // memcached answers with the flags, which its document does not mention.
            Command::Touch { key, exptime } => {
                self.read(request, key, Parts { key: false, value: false }, Some(exptime), out)?;
            }
            Command::Store { verb, key, flags, exptime, value } => {
                self.shared.detail.note(key, Operation::Set);
                if let Some((container, key)) = self.binary_row(request, key, out) {
                    let item = NewItem { flags, exptime: exptime.into(), value, cas: None };
                    self.store_item(request, container, key, verb, item, out)?;
                }
            }
            Command::Delete { key } => {
                self.shared.detail.note(key, Operation::Delete);
                if let Some((container, key)) = self.binary_row(request, key, out) {
                    self.delete(request, container, key, out)?;
                }
            }
            Command::Arith { increment, key, delta, initial, exptime } => {
                if let Some((container, key)) = self.binary_row(request, key, out) {
                    let compare = request.compare();
                    let arith = Arith { increment, delta, compare, exptime: None, cas: None };
                    let initial = exptime.map(|exptime| (initial, exptime.into()));
                    self.arithmetic_or_initial(request, container, key, arith, initial, out)?;
                }
            }
            Command::Flush { delay } => self.flush_binary(request, delay, out)?,
            Command::Stats { args } => self.stats_binary(request, args, out),
            Command::Quit | Command::Noop | Command::Verbosity => done(request, 0, out),
            Command::Version => {
                let value = crate::server::shared::VERSION.as_bytes();
                reply::answer(out, request, &Answer { value, ..Answer::SUCCESS });
            }
            Command::Mechanisms if self.shared.logins.is_some() => {
                reply::answer(out, request, &Answer { value: b"PLAIN", ..Answer::SUCCESS });
            }
            Command::Login { mechanism, data } if self.shared.logins.is_some() => {
                self.converse(request, mechanism, data, out);
            }
            Command::Mechanisms | Command::Login { .. } => reply::failure(out, request, Status::UnknownCommand),
            Command::Refused { status, .. } => reply::failure(out, request, status),
        }
        Ok(())
    }

    /// Follows a key to its row; where it leads nowhere the request is answered.
    fn binary_row<'k>(
        &mut self,
        request: &Request<'_>,
        key: &'k [u8],
        out: &mut Out,
    ) -> Option<(&'w Container, &'k [u8])> {
        self.row_or_refusal(key).map_err(|refusal| refuse(request, &refusal, out)).ok()
    }

    /// Answers a failure of the store.
    #[cold]
    fn fail_binary(
        &mut self,
        request: &Request<'_>,
        container: &Container,
        failure: Failure,
        out: &mut Out,
    ) -> Result<(), Abort> {
        let refusal = self.refusal(container, failure)?;
        refuse(request, &refusal, out);
        Ok(())
    }

    fn read(
        &mut self,
        request: &Request<'_>,
        name: &[u8],
        parts: Parts,
        exptime: Option<u32>,
        out: &mut Out,
    ) -> Result<(), Abort> {
        let found = match self.locate(name) {
            Located::Row(container, key) => {
                let found = |item: Item<'_>| hit(request, parts, name, &item, out);
                let result = match exptime {
                    None => self.store.get(container, key, true, found),
                    Some(exptime) => self.store.get_and_touch(container, key, exptime.into(), true, found),
                };
                match result {
                    Ok(found) => found,
                    Err(failure) => return self.fail_binary(request, container, failure, out),
                }
            }
            Located::Name(container) if exptime.is_none() => {
                let value = container.table.path.to_bytes();
                hit(request, parts, name, &Item { flags: 0, cas: 0, deadline: 0, value }, out);
                true
            }
            _ => false,
        };
        if !found && !request.quiet {
            match parts.key {
                true => reply::answer(out, request, &Answer { status: Status::NotFound, key: name, ..Answer::SUCCESS }),
                false => reply::failure(out, request, Status::NotFound),
            }
        }
        if exptime.is_some() {
            self.stats.one(Counter::CmdTouch);
            self.stats.one(if found { Counter::TouchHits } else { Counter::TouchMisses });
        }
        if parts.value {
            self.stats.one(Counter::CmdGet);
            self.stats.one(if found { Counter::GetHits } else { Counter::GetMisses });
            self.shared.detail.note(name, Operation::Get(found));
        }
        Ok(())
    }

    /// Answers a plain set that was stored together with others.
    pub(super) fn stored_together_binary(&mut self, request: &Request<'_>, cas: u64, out: &mut Out) {
        if let Some(key) = request.key() {
            self.shared.detail.note(key, Operation::Set);
        }
        done(request, cas, out);
    }

    fn store_item(
        &mut self,
        request: &Request<'_>,
        container: &Container,
        key: &[u8],
        verb: StoreVerb,
        item: NewItem<'_>,
        out: &mut Out,
    ) -> Result<(), Abort> {
        let compare = request.compare();
        // As in memcached an add with a cas number is a cas.
        let condition = match (verb, compare) {
            (StoreVerb::Add, Some(_)) => Condition::Set,
            _ => condition(verb),
        };
        self.stats.one(Counter::CmdSet);
        let (stored, cas) = match self.store.store(container, key, condition, compare, item) {
            Ok(stored) => stored,
            Err(failure) => return self.fail_binary(request, container, failure, out),
        };
        if compare.is_some() {
            self.count_compared(stored);
        }
        match (stored, verb) {
            (Stored::Stored, _) => done(request, cas, out),
            (Stored::Exists, _) | (Stored::NotStored, StoreVerb::Add) => reply::failure(out, request, Status::Exists),
            (Stored::NotFound, _) | (Stored::NotStored, StoreVerb::Replace) => {
                reply::failure(out, request, Status::NotFound);
            }
            (Stored::NotStored, _) => reply::failure(out, request, Status::NotStored),
        }
        Ok(())
    }

    fn delete(&mut self, request: &Request<'_>, container: &Container, key: &[u8], out: &mut Out) -> Result<(), Abort> {
        match self.store.delete(container, key, request.compare()) {
            Ok(Deleted::Deleted) => {
                self.stats.one(Counter::DeleteHits);
                done(request, 0, out);
            }
            Ok(Deleted::NotFound) => {
                self.stats.one(Counter::DeleteMisses);
                reply::failure(out, request, Status::NotFound);
            }
            Ok(Deleted::Exists) => reply::failure(out, request, Status::Exists),
            Err(failure) => return self.fail_binary(request, container, failure, out),
        }
        Ok(())
    }

    /// Changes a number or, where there is none, stores the initial one.
    fn arithmetic_or_initial(
        &mut self,
        request: &Request<'_>,
        container: &Container,
        key: &[u8],
        arith: Arith,
        initial: Option<(u64, i64)>,
        out: &mut Out,
    ) -> Result<(), Abort> {
        let (hits, misses) = match arith.increment {
            true => (Counter::IncrHits, Counter::IncrMisses),
            false => (Counter::DecrHits, Counter::DecrMisses),
        };
        let mut attempts = 0..ARITH_ATTEMPTS;
        let status = loop {
            match self.store.arithmetic(container, key, arith) {
                Ok(Arithmetic::Value(value, cas)) => {
                    self.stats.one(hits);
                    number(request, value, cas, out);
                    return Ok(());
                }
                Ok(Arithmetic::NonNumeric) => break Status::NonNumeric,
                Ok(Arithmetic::Exists) => break Status::Exists,
                Ok(Arithmetic::NotFound) => {}
                Err(failure) => return self.fail_binary(request, container, failure, out),
            }
            let Some((value, exptime)) = initial else {
                self.stats.one(misses);
                break Status::NotFound;
            };
            let digits = itoa::Buffer::new().format(value).to_owned();
            let item = NewItem { flags: 0, exptime, value: digits.as_bytes(), cas: None };
            match self.store.store(container, key, Condition::Add, None, item) {
                Ok((Stored::Stored, cas)) => {
                    self.stats.one(misses);
                    number(request, value, cas, out);
                    return Ok(());
                }
                // Somebody stored one between our search and our insert: it is there to be changed.
                Ok(_) if attempts.next().is_some() => {}
                Ok(_) => break Status::NotStored,
                Err(failure) => return self.fail_binary(request, container, failure, out),
            }
        };
        reply::failure(out, request, status);
        Ok(())
    }

    fn flush_binary(&mut self, request: &Request<'_>, delay: u32, out: &mut Out) -> Result<(), Abort> {
        if self.shared.options.flush_disabled {
            reply::failure(out, request, Status::AuthError);
            return Ok(());
        }
        match self.flush(delay.into())? {
            Ok(()) => done(request, 0, out),
            Err(refusal) => refuse(request, &refusal, out),
        }
        Ok(())
    }

    /// The statistics one by one, and an empty one behind them.
    fn stats_binary(&mut self, request: &Request<'_>, args: &[u8], out: &mut Out) {
        // As in memcached only text clients are told who is connected.
        if args.starts_with(b"conns") {
            return reply::failure(out, request, Status::NotFound);
        }
        let mut tell = |name: &str, value: &str| reply::stat(out, request, name, value.as_bytes());
        match self.shared.report(args, self.config, &mut tell) {
            Report::Told | Report::Reset | Report::Switched => {}
            Report::Detail(mut lines) => {
                lines.extend_from_slice(b"END\r\n");
                reply::stat(out, request, "detailed", &lines);
            }
            Report::DetailUsage | Report::Unknown => return reply::failure(out, request, Status::NotFound),
        }
        reply::stat(out, request, "", b"");
    }

    /// Answers what is not yet, or cannot be, a login: credentials never come here, see [`crate::server::admission::entry`].
    fn converse(&mut self, request: &Request<'_>, mechanism: &[u8], data: &[u8], out: &mut Out) {
        if mechanism.eq_ignore_ascii_case(b"PLAIN") && data.is_empty() {
            let status = Status::AuthContinue;
            return reply::answer(out, request, &Answer { status, ..Answer::SUCCESS });
        }
        self.stats.one(Counter::AuthCmds);
        self.stats.one(Counter::AuthErrors);
        reply::failure(out, request, Status::AuthError);
    }
}

/// Appends the answer of increment and decrement.
fn number(request: &Request<'_>, value: u64, cas: u64, out: &mut Out) {
    if !request.quiet {
        reply::answer(out, request, &Answer { cas, value: &value.to_be_bytes(), ..Answer::SUCCESS });
    }
}
