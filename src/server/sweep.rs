//! Deleting expired rows, in small transactions between the first worker's ticks.

use super::shared::Shared;
use super::stats::{Counter, Delta};
use crate::rows::{Error, Rows};
use crate::store::{Config, ContainerId, Failure, RangeProgress, Store};

/// Rows that one step looks at.
const STEP: usize = 200;

/// A sweep over all containers.
#[derive(Debug)]
pub struct Sweep {
    containers: Vec<ContainerId>,
    /// Last key that was looked at in the last of `containers`.
    after: Option<Vec<u8>>,
    deleted: u64,
}

impl Sweep {
    /// A sweep over the containers that have an expiry column.
    pub fn new(config: &Config) -> Sweep {
        Sweep { containers: config.expiring(), after: None, deleted: 0 }
    }

    /// One step; `false` when the sweep is over. A row that somebody holds is left for the next sweep.
    pub fn step<R: Rows>(&mut self, store: &mut Store<R>, config: &Config, shared: &Shared, stats: &mut Delta) -> bool {
        let Some(id) = self.containers.last() else {
            if self.deleted > 0 {
                log::info!("DM1424: {} expired rows were deleted", self.deleted);
            }
            return false;
        };
        let swept = config.container(*id).map(|container| store.sweep(container, self.after.as_deref(), STEP));
        match swept {
            Some(Ok((progress, deleted))) => {
                self.deleted += deleted;
                stats.add(Counter::CrawlerReclaimed, deleted);
                if let RangeProgress::Stopped(key) = progress {
                    self.after = Some(key);
                    return true;
                }
            }
            Some(Err(failure)) => {
                store.rollback();
                if matches!(&failure, Failure::Rows(Error::NotFound(_) | Error::Changed(_))) {
                    // The reader tells why, and the next sweep passes the container by.
                    shared.mend_mapping();
                } else {
                    shared.complain(|| format!("DM1425: expired rows could not be deleted: {failure}"));
                }
            }
            None => {}
        }
        self.containers.pop();
        self.after = None;
        true
    }
}
