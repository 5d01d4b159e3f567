//! What is told of operations to those who want to know: `stats detail` and connections that watch. Nothing here runs while nobody does.

use super::items::Done;
use super::{Executor, Result, Stop};
use crate::protocol::operation::{Delete, Removal, Storage, Streams};
use crate::protocol::{Fault, Outcome, Request, Style};
use crate::rows::Rows;
use crate::server::detail::Event;
use crate::server::watch::{StoreEvent, command};
use crate::store::Target;
use std::os::fd::RawFd;

impl<R: Rows> Executor<'_, R> {
    fn watched(&self, streams: Streams) -> bool {
        self.shared.watchers.attention.wants(streams)
    }

    fn fd(&self) -> RawFd {
        self.conn.map_or(-1, |conn| conn.fd())
    }

    fn count_detail(&self, key: &[u8], event: Event) {
        if self.shared.watchers.attention.counts_detail() {
            self.shared.detail.count(key, event);
        }
    }

    /// A key was read; `size` is that of the value that was found.
    #[cold]
    pub(super) fn saw_read(&mut self, key: &[u8], size: Option<usize>) {
        self.count_detail(key, Event::Get(size.is_some()));
        self.saw_fetch(key, size);
    }

    fn saw_fetch(&mut self, key: &[u8], size: Option<usize>) {
        if self.watched(Streams::FETCHERS) {
            let fd = self.fd();
            self.shared.watchers.fetched(&mut self.counts.seen, key, size, fd);
        }
    }

    /// An item was touched, if it was there.
    #[cold]
    pub(super) fn saw_touch(&mut self, name: &[u8]) -> Result<()> {
        if self.watched(Streams::FETCHERS) {
            let size = self.size_of(name)?;
            self.saw_fetch(name, size);
        }
        Ok(())
    }

    /// Bytes of a value; `None` where there is none.
    fn size_of(&mut self, name: &[u8]) -> Result<Option<usize>> {
        let mut container = self.container;
        let Target::Key(id, key) = self.scope.resolve(self.config, &mut container, name) else { return Ok(None) };
        let Some(container) = self.config.container(id) else { return Ok(None) };
        let mut size = None;
        let result = self.store.get(container, key, false, |item| size = Some(item.value.len()));
        self.done(container, result)?;
        Ok(size)
    }

    /// A value was stored, or not.
    #[cold]
    pub(super) fn saw_store(&mut self, store: &Storage<'_>, done: &Done) {
        self.count_detail(store.key, Event::Set);
        let status = match done {
            Ok(Some(Outcome::Stored { .. })) => "stored",
            Ok(Some(Outcome::NotStored)) => "not_stored",
            Ok(Some(Outcome::Exists)) => "exists",
            Ok(Some(Outcome::NotFound)) => "not_found",
            Err(Stop::Fault(Fault::TooLarge)) => "too_large",
            Err(Stop::Fault(Fault::OutOfMemory)) => "no_memory",
            _ => return,
        };
        let (ttl, size) = (self.store.life(store.exptime), store.value.len());
        let command = command(store.mode, store.compare.is_some());
        self.saw_stored(StoreEvent { key: store.key, status, command, ttl, size });
    }

    /// A plain set was stored together with others.
    #[cold]
    pub(in crate::server) fn saw_set(&mut self, request: &Request<'_>) {
        if let Some(store) = request.operation.plain_set() {
            self.saw_store(store, &Ok(Some(Outcome::Stored { cas: 0, size: 0 })));
        }
    }

    /// A value was refused for its size before it was read.
    #[cold]
    pub(super) fn saw_oversized(&mut self, key: &[u8]) {
        self.count_detail(key, Event::Set);
        self.saw_stored(StoreEvent { key, status: "too_large", command: "set", ttl: 0, size: 0 });
    }

    /// A number was stored where there was none.
    #[cold]
    pub(super) fn saw_initial(&mut self, key: &[u8], exptime: i64, size: usize) {
        let ttl = self.store.life(exptime);
        self.saw_stored(StoreEvent { key, status: "stored", command: "add", ttl, size });
    }

    fn saw_stored(&mut self, event: StoreEvent<'_>) {
        if self.watched(Streams::MUTATIONS) {
            let fd = self.fd();
            self.shared.watchers.stored(&mut self.counts.seen, event, fd);
        }
    }

    /// A delete of which somebody wants to know.
    #[cold]
    pub(super) fn delete_seen(&mut self, request: &Request<'_>, delete: &Delete<'_>) -> Done {
        self.count_detail(delete.key, Event::Delete);
        let removes = match delete.removal {
            Removal::Item => true,
            Removal::Value { stale, .. } => !stale,
            Removal::Freshness { .. } => false,
        };
        let size = match removes && self.watched(Streams::DELETIONS) {
            true => self.size_of(delete.key)?,
            false => None,
        };
        let done = self.delete(delete);
        if let (Some(size), Ok(Some(Outcome::Done))) = (size, &done) {
            let command = if matches!(request.style, Style::Meta(_)) { "md" } else { "delete" };
            self.shared.watchers.deleted(&mut self.counts.seen, delete.key, command, size);
        }
        done
    }
}
