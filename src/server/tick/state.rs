//! What a tick works with, and what one tells the next.

use super::plan::Planned;
use crate::rows::Rows;
use crate::server::budget::REPLY_MAX;
use crate::server::conn::Conn;
use crate::server::execute::Executor;
use crate::server::latency::Tally;
use crate::server::shared::Shared;
use crate::server::stats::{Delta, Notes};
use crate::store::{Config, Store};
use slab::Slab;
use std::sync::Arc;
use std::time::Duration;

/// Commits that take less are not worth waiting for.
pub(super) const LONG_COMMIT: Duration = Duration::from_micros(200);

/// Parts of a worker that a tick works with; connections are only borrowed.
pub struct Tick<'t, R> {
    /// The worker's connections.
    pub conns: &'t Slab<Conn>,
    /// The worker's store.
    pub store: &'t mut Store<R>,
    /// The containers; a tick that finds a table altered reads them anew.
    pub config: &'t mut Arc<Config>,
    /// The daemon.
    pub shared: &'t Shared,
    /// What happened, published by the worker.
    pub stats: &'t mut Delta,
    /// What else happened, likewise.
    pub counts: &'t mut Notes,
    /// What was answered.
    pub tally: &'t mut Tally,
    /// The tick before.
    pub last: TickSummary,
    /// What is to be told of this one.
    pub this: TickSummary,
    /// Containers that do not suit their tables have been read anew, or are not to be.
    pub keeps_config: bool,
}

/// What a tick tells the next one.
#[derive(Debug, Clone, Copy, Default)]
pub struct TickSummary {
    /// How long its commit took; zero without one.
    pub commit: Duration,
    /// Connections that wrote.
    pub writers: usize,
    /// Connections that only read.
    pub readers: usize,
    /// Values that connections which write asked for were too much for one commit: some of them wait.
    pub crowded: bool,
}

impl TickSummary {
    /// Whether its commit took so long that it pays to have more writes in each.
    pub fn waited(&self) -> bool {
        self.commit >= LONG_COMMIT
    }
}

impl<R: Rows> Tick<'_, R> {
    pub(super) fn executor<'a>(&'a mut self, conn: usize, planned: &Planned<'a>) -> Executor<'a, R> {
        let conn = &self.conns[conn];
        let (container, at) = (planned.before, planned.sort);
        let Tick { store, config, shared, stats, counts, keeps_config, .. } = self;
        let (scope, conn, stop) = (conn.scope, Some(conn), REPLY_MAX);
        Executor { store, config, container, at, scope, conn, shared, stats, counts, stop, keeps_config: *keeps_config }
    }

    /// From here on the waits for locks end together.
    pub(super) fn restart_lock_wait(&mut self) {
        self.shared.host.restart_lock_wait();
        self.store.restart_lock_wait();
    }

    /// Follows an ALTER TABLE: takes the newest mapping, and reads it anew if that is the one at hand. Outside any transaction.
    pub(super) fn remap(&mut self) {
        self.keeps_config = self.shared.follow_table(self.config, self.store);
    }
}
