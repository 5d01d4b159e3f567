//! The newest configuration of containers, for all workers. Reading it needs a session, so it is always some worker that reads: when a
//! client asks for it, and when a tick finds a table altered.

use super::shared::Shared;
use crate::rows::Rows;
use crate::store::{Config, Store};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Milliseconds after a misfit in which no tick reads the containers: a table may stay unsuitable for long.
const MISFIT_PAUSE_MS: u64 = 20;

impl Shared {
    /// Reads the containers again. `newest` is the lock's content; workers follow at their next tick.
    ///
    /// # Errors
    /// A rule is broken, and everything stays as it was; the sentence says which.
    pub fn read_containers<R: Rows>(&self, newest: &mut Arc<Config>, store: &mut Store<R>) -> Result<(), String> {
        store.set_config(Arc::clone(newest));
        let config = store.reload()?;
        log::info!("the containers were read again");
        self.renew(newest, config);
        Ok(())
    }

    /// Makes a configuration the newest. `newest` is the lock's content.
    pub fn renew(&self, newest: &mut Arc<Config>, config: Config) {
        *newest = Arc::new(config);
        self.config_version.fetch_add(1, Ordering::Release);
    }

    /// Makes `known`, of which some container does not suit its table, the newest configuration, and that of `store`. `true`: it was
    /// the newest, and was read anew, unless it cannot be read or reading it did not help a moment ago.
    pub fn follow_table<R: Rows>(&self, known: &mut Arc<Config>, store: &mut Store<R>) -> bool {
        let mut newest = self.config.lock();
        let was_newest = Arc::ptr_eq(&newest, known);
        if was_newest
            && self.uptime_ms() >= self.misfit.load(Ordering::Relaxed)
            && let Err(error) = self.read_containers(&mut newest, store)
        {
            self.complain(|| format!("the containers stay as they were: {error}"));
        }
        store.set_config(Arc::clone(&newest));
        known.clone_from(&newest);
        was_newest
    }

    /// A client was told that a table does not suit its container.
    pub fn note_misfit(&self) {
        let now = self.uptime_ms();
        // Clients that keep asking must not make the pause longer.
        if now >= self.misfit.load(Ordering::Relaxed) {
            self.misfit.store(now + MISFIT_PAUSE_MS, Ordering::Relaxed);
        }
        // Ticks do not read it anew where batches are open.
        if self.batches() {
            self.reload_containers();
        }
    }
}
