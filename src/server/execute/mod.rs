//! Runs one operation: its request on one side, the store on the other, whatever protocol asked.
//!
//! Here stands what all operations have in common; [`items`] runs those on items, [`read`] those that hand items out, [`stream`] those
//! whose replies last for many ticks, [`daemon`] those that concern no item; [`observe`] tells of them those who want to know.

mod daemon;
mod items;
mod observe;
mod read;
mod stream;

use super::conn::Conn;
use super::outcome::{Abort, Progress, Resume};
use super::scope::Scope;
use super::shared::Shared;
use super::stats::{ContainerCount, Counter, Delta, Notes};
use crate::protocol::reply::Out;
use crate::protocol::{Fault, KEY_MAX, KeyBuffer, Operation, Outcome, Request, Style};
use crate::rows::{Error, Rows};
use crate::store::{Config, Container, ContainerId, Failure, Store, Target};

/// What a request runs with.
pub struct Executor<'w, R> {
    /// The worker's store.
    pub store: &'w mut Store<R>,
    /// The containers.
    pub config: &'w Config,
    /// Container that the connection is switched to; keys of the request may switch it.
    pub container: ContainerId,
    /// Where the one key of the request leads, if planning has found out.
    pub at: Option<(ContainerId, &'w [u8])>,
    /// Where those keys may lead.
    pub scope: Scope,
    /// The connection that asks, if one does.
    pub conn: Option<&'w Conn>,
    /// The daemon.
    pub shared: &'w Shared,
    /// What happened.
    pub stats: &'w mut Delta,
    /// What else happened.
    pub counts: &'w mut Notes,
    /// Length of the output at which a read of several keys stops, to go on in a later tick.
    pub stop: usize,
    /// Whether a client is told that a table does not suit its container; else [`Abort::Stale`] comes of it.
    pub keeps_config: bool,
}

/// What a key leads to.
#[derive(Clone, Copy)]
enum Located<'w, 'k> {
    Row(&'w Container, &'k [u8]),
    /// A container's name without a key.
    Name(&'w Container),
    /// No such container.
    Nowhere,
}

/// Why an operation was not done.
enum Stop {
    /// The transaction is lost.
    Abort(Abort),
    /// For a reason that the client is told.
    Fault(Fault),
}

type Result<T> = std::result::Result<T, Stop>;

impl<'w, R: Rows> Executor<'w, R> {
    /// Runs a request from where an earlier tick left it and appends its reply to `out`.
    ///
    /// # Errors
    /// The transaction is lost; what `out` got is void.
    #[inline]
    pub fn run(
        &mut self,
        request: &Request<'_>,
        resume: &Resume,
        out: &mut Out,
    ) -> std::result::Result<Progress, Abort> {
        let progress = if request.is_encoded() {
            let mut buffer: KeyBuffer = [0; KEY_MAX];
            self.run_decoded(&request.decoded(&mut buffer), resume, out)
        } else {
            self.run_decoded(request, resume, out)
        };
        let met = self.store.take_met();
        if met.expired > 0 {
            self.stats.add(Counter::GetExpired, met.expired.into());
            self.stats.add(Counter::Reclaimed, met.reclaimed.into());
        }
        progress
    }

    #[inline]
    fn run_decoded(
        &mut self,
        request: &Request<'_>,
        resume: &Resume,
        out: &mut Out,
    ) -> std::result::Result<Progress, Abort> {
        if matches!(request.style, Style::Meta(_)) {
            self.stats.one(Counter::CmdMeta);
        }
        let result = match &request.operation {
            Operation::Get(get) => return self.get(request, get, resume, out),
            Operation::KeyDump { format, limit } => return self.key_dump(request, *format, *limit, resume, out),
            Operation::Store(store) => {
                let done = self.store(store);
                if self.shared.watchers.attention.any() {
                    self.saw_store(store, &done);
                }
                done
            }
            Operation::Oversized { key } => self.refuse_oversized(key),
            Operation::Arith(arith) => self.arith(arith),
            Operation::Delete(delete) if self.shared.watchers.attention.any() => self.delete_seen(request, delete),
            Operation::Delete(delete) => self.delete(delete),
            Operation::Touch { key, exptime, tells_flags: false } => self.touch(key, *exptime),
            Operation::Touch { key, exptime, tells_flags: true } => self.touch_and_tell(request, key, *exptime, out),
            Operation::Inspect { key } => self.inspect(request, key, out),
            Operation::FlushAll { delay } => self.flush(*delay),
            _ => {
                self.daemon(request, out);
                return Ok(Progress::Done);
            }
        };
        match result {
            Ok(Some(outcome)) => request.answer(&outcome, out),
            // It is answered already.
            Ok(None) => {}
            Err(Stop::Fault(fault)) => request.answer(&Outcome::Failed(&fault), out),
            Err(Stop::Abort(abort)) => return Err(abort),
        }
        Ok(Progress::Done)
    }

    pub(super) fn count(&mut self, container: &Container) -> &mut ContainerCount {
        let id = container.table.id;
        let containers = &mut self.counts.containers;
        if containers.len() <= id {
            containers.resize(id + 1, ContainerCount::default());
        }
        &mut containers[id]
    }

    /// A key of the container is not there.
    #[inline]
    fn missed(&mut self, container: &Container) {
        self.count(container).misses += 1;
    }

    /// Follows a key as [`Executor::locate`] does, and nothing more.
    #[cold]
    fn follow(&mut self, key: &[u8]) {
        self.scope.resolve(self.config, &mut self.container, key);
    }

    /// Follows a key to its container; a mapped key may switch the connection.
    #[inline(always)]
    fn locate<'k>(&mut self, key: &'k [u8]) -> Located<'w, 'k>
    where
        'w: 'k,
    {
        let target = match self.at {
            Some((id, key)) => {
                self.container = id;
                Target::Key(id, key)
            }
            None => self.scope.resolve(self.config, &mut self.container, key),
        };
        match target {
            Target::Key(id, key) => {
                let Some(container) = self.config.container(id) else { return Located::Nowhere };
                self.count(container).operations += 1;
                Located::Row(container, key)
            }
            Target::Name(id) => self.config.container(id).map_or(Located::Nowhere, Located::Name),
            Target::Unknown(_) => Located::Nowhere,
        }
    }

    /// The same for an operation that needs a row.
    #[inline]
    fn row<'k>(&mut self, key: &'k [u8]) -> Result<(&'w Container, &'k [u8])>
    where
        'w: 'k,
    {
        match self.locate(key) {
            Located::Row(container, key) => Ok((container, key)),
            Located::Name(_) => Err(client("a key must follow the name of a container")),
            Located::Nowhere => Err(client("no such container")),
        }
    }

    /// What the store said, or what becomes of its failure.
    #[inline]
    fn done<T>(&mut self, container: &Container, result: std::result::Result<T, Failure>) -> Result<T> {
        result.map_err(|failure| self.stop(container, failure))
    }

    /// What becomes of a failure.
    #[cold]
    fn stop(&mut self, container: &Container, failure: Failure) -> Stop {
        if let Some(abort) = Abort::of(&failure) {
            if abort == Abort::LockTimeout {
                self.count(container).lock_timeouts += 1;
            }
            return Stop::Abort(abort);
        }
        let misfit = match &failure {
            Failure::Rows(Error::Changed(_) | Error::NotFound(_)) => true,
            Failure::Refused(_) => self.shared.mapping.may_heal(),
            _ => false,
        };
        if misfit && !self.keeps_config {
            return Stop::Abort(Abort::Stale);
        }
        Stop::Fault(match failure {
            Failure::TooLarge => {
                self.stats.one(Counter::StoreTooLarge);
                Fault::TooLarge
            }
            Failure::OutOfMemory => {
                self.stats.one(Counter::StoreNoMemory);
                Fault::OutOfMemory
            }
            Failure::Rows(Error::TooLong(column)) => {
                self.shared.complain(|| {
                    format!(
                        "DM1406: container {}: a value is longer than column {column} of {}; it was refused",
                        container.name,
                        container.table.display()
                    )
                });
                Fault::TooLarge
            }
            Failure::Rows(error) => self.refused_by_table(container, &error),
            Failure::Client(text) => Fault::Client(text.into()),
            // The log knows.
            Failure::Refused(error) => {
                self.stats.one(Counter::ServerErrors);
                self.count(container).errors += 1;
                if misfit {
                    self.shared.note_misfit();
                }
                Fault::Server(error.to_string().into())
            }
        })
    }

    fn refused_by_table(&mut self, container: &Container, error: &Error) -> Fault {
        self.stats.one(Counter::ServerErrors);
        self.count(container).errors += 1;
        if matches!(error, Error::Changed(_) | Error::NotFound(_)) {
            self.shared.note_misfit();
        }
        self.shared.complain(|| {
            format!(
                "DM1407: container {}: an operation on {} failed: {error}",
                container.name,
                container.table.display()
            )
        });
        match error {
            Error::ReadOnly | Error::Refused(_) | Error::DiskFull => Fault::Temporary(error.to_string().into()),
            _ => Fault::Server(error.to_string().into()),
        }
    }
}

#[cold]
fn client(text: &'static str) -> Stop {
    Stop::Fault(Fault::Client(text.into()))
}
