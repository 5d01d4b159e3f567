//! One request: protocol on one side, store on the other. Here stands what the protocols have in
//! common; [`ascii`] runs the text commands, [`meta`] the meta commands, [`binary`] the binary ones, [`stream`] those whose answers last
//! for many ticks.

mod ascii;
mod binary;
mod meta;
mod stream;

use super::operation::is_silent;
use super::outcome::{Abort, Denial, Progress, Resume};
use super::shared::Shared;
use super::stats::{ContainerCount, Counter, Delta};
use crate::protocol::binary::Status;
use crate::protocol::reply::Out;
use crate::protocol::{Request, StoreVerb, binary as packets, reply};
use crate::rows::{Error, Rows};
use crate::store::{Condition, Config, Container, ContainerId, Failure, Store, Stored, Target};
use std::borrow::Cow;

/// What a key leads to.
enum Located<'w, 'k> {
    Row(&'w Container, &'k [u8]),
    /// A container's name without a key.
    Name(&'w Container),
    /// No such container.
    Nowhere,
}

/// Why a request was not done, for its protocol to word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The request is wrong.
    Client(Cow<'static, str>),
    /// The value, or what it would have grown to, is larger than allowed.
    TooLarge,
    /// Memory is full.
    OutOfMemory,
    /// The request is right, and the table takes no writes at the moment.
    Temporary(String),
    /// The request is right, and failed.
    Server(String),
}

impl Refusal {
    /// Appends it as text.
    #[cold]
    fn write_text(&self, out: &mut Out) {
        match self {
            Refusal::Client(text) => reply::client_error(out, text),
            Refusal::TooLarge => out.extend_from_slice(reply::TOO_LARGE),
            Refusal::OutOfMemory => out.extend_from_slice(reply::OUT_OF_MEMORY_STORING),
            Refusal::Temporary(text) | Refusal::Server(text) => reply::server_error(out, text),
        }
    }
}

/// Answers a request that the tick gave up, in its own protocol.
#[cold]
pub fn give_up(request: &Request<'_>, reason: &str, out: &mut Out) {
    match request {
        Request::Binary(request) => packets::reply::refusal(out, request, Status::Temporary, reason),
        request if is_silent(request) => {}
        _ => reply::server_error(out, reason),
    }
}

/// Answers a request that is not allowed, in its own protocol.
#[cold]
pub fn deny(request: &Request<'_>, denial: Denial, out: &mut Out) {
    match request {
        Request::Binary(request) => binary::deny(request, denial, out),
        _ => denial.write_text(is_silent(request), out),
    }
}

/// The condition under which a storage command stores.
fn condition(verb: StoreVerb) -> Condition {
    match verb {
        StoreVerb::Set | StoreVerb::Cas => Condition::Set,
        StoreVerb::Add => Condition::Add,
        StoreVerb::Replace => Condition::Replace,
        StoreVerb::Append => Condition::Append,
        StoreVerb::Prepend => Condition::Prepend,
    }
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
    /// Whether a client is told that a table does not suit its container; else [`Abort::Stale`] comes of it.
    pub fresh: bool,
}

impl<'w, R: Rows> Executor<'w, R> {
    /// Runs a request from where an earlier tick left it and appends its reply to `out`.
    ///
    /// # Errors
    /// The transaction is lost; what `out` got is void.
    #[inline]
    pub fn run(&mut self, request: &Request<'_>, resume: &Resume, out: &mut Out) -> Result<Progress, Abort> {
        match request {
            Request::Binary(request) => self.run_binary(request, out).map(|()| Progress::Done),
            Request::Meta(meta) => self.run_meta(meta, out).map(|()| Progress::Done),
            request => self.run_ascii(request, resume, out),
        }
    }

    /// Answers a plain set that was stored together with others and got this cas number.
    pub fn stored_together(&mut self, container: &Container, request: &Request<'_>, cas: u64, out: &mut Out) {
        self.count(container).operations += 1;
        self.stats.one(Counter::CmdSet);
        match request {
            Request::Binary(request) => self.stored_together_binary(request, cas, out),
            Request::Meta(request) => self.stored_together_meta(request, cas, out),
            request => self.stored_together_ascii(request, out),
        }
    }

    /// Counts the outcome of a store that compared cas numbers.
    fn count_compared(&mut self, stored: Stored) {
        self.stats.one(match stored {
            Stored::Exists => Counter::CasBadval,
            Stored::NotFound => Counter::CasMisses,
            _ => Counter::CasHits,
        });
    }

    pub(super) fn count(&mut self, container: &Container) -> &mut ContainerCount {
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

    /// The same for a command that needs a row.
    fn row_or_refusal<'k>(&mut self, key: &'k [u8]) -> Result<(&'w Container, &'k [u8]), Refusal> {
        match self.locate(key) {
            Located::Row(container, key) => Ok((container, key)),
            Located::Name(_) => Err(Refusal::Client("a key must follow the name of a container".into())),
            Located::Nowhere => Err(Refusal::Client("no such container".into())),
        }
    }

    /// Empties the container, or notes that it is to be emptied `delay` seconds from now. Runs alone and outside any transaction:
    /// batches are committed first, this worker's and everybody's.
    fn flush(&mut self, delay: i64) -> Result<Result<(), Refusal>, Abort> {
        if self.shared.options.flush_disabled {
            return Ok(Err(Refusal::Client("flush_all not allowed".into())));
        }
        self.stats.one(Counter::CmdFlush);
        if delay > 0 {
            self.shared.flush_later(self.container, delay);
            return Ok(Ok(()));
        }
        let Some(container) = self.config.container(self.container) else {
            return Ok(Err(Refusal::Client("no such container".into())));
        };
        self.shared.commit_batches();
        match self.store.commit().map_err(Failure::Rows).and_then(|()| self.store.flush(container)) {
            Ok(()) => {
                self.shared.cancel_flush(self.container);
                Ok(Ok(()))
            }
            // TRUNCATE is no part of a transaction and never runs again.
            Err(Failure::Rows(error)) if error.aborts() => Ok(Err(self.refused_by_table(container, &error))),
            Err(failure) => self.refusal(container, failure).map(Err),
        }
    }

    /// What the client is told of a failure.
    ///
    /// # Errors
    /// The transaction is lost.
    fn refusal(&mut self, container: &Container, failure: Failure) -> Result<Refusal, Abort> {
        if let Some(abort) = Abort::of(&failure) {
            return Err(abort);
        }
        let misfit = match &failure {
            Failure::Rows(Error::Changed(_) | Error::NotFound(_)) => true,
            Failure::Refused(_) => self.shared.mapping.may_heal(),
            _ => false,
        };
        if misfit && !self.fresh {
            return Err(Abort::Stale);
        }
        Ok(match failure {
            Failure::TooLarge => Refusal::TooLarge,
            Failure::OutOfMemory => Refusal::OutOfMemory,
            Failure::Rows(Error::TooLong(column)) => {
                self.shared.complain(|| {
                    format!(
                        "container {}: a value is longer than column {column} of {}; it was refused",
                        container.name,
                        container.table.display()
                    )
                });
                Refusal::TooLarge
            }
            Failure::Rows(error) => self.refused_by_table(container, &error),
            Failure::Client(text) => Refusal::Client(text.into()),
            // The log knows.
            Failure::Refused(error) => {
                self.stats.one(Counter::ServerErrors);
                self.count(container).errors += 1;
                if misfit {
                    self.shared.note_misfit();
                }
                Refusal::Server(error.to_string())
            }
        })
    }

    fn refused_by_table(&mut self, container: &Container, error: &Error) -> Refusal {
        self.stats.one(Counter::ServerErrors);
        self.count(container).errors += 1;
        if matches!(error, Error::Changed(_) | Error::NotFound(_)) {
            self.shared.note_misfit();
        }
        self.shared.complain(|| {
            format!("container {}: an operation on {} failed: {error}", container.name, container.table.display())
        });
        match error {
            Error::ReadOnly | Error::DiskFull => Refusal::Temporary(error.to_string()),
            _ => Refusal::Server(error.to_string()),
        }
    }
}
