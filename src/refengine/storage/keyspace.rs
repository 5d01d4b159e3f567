//! A sorted set of rows: what of it is in memory, newest first, in front of what is on disk.

use super::Slice;
use super::memtable::{Generation, Map};
use super::sizes::{Size, Sums};
use super::tables::{Disk, Tables};
use crate::refengine::error::Result;
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One changed key.
#[derive(Clone)]
pub(crate) struct Change {
    pub(crate) keyspace: Keyspace,
    pub(crate) key: Slice,
    /// `None` deletes.
    pub(crate) value: Option<Slice>,
}

/// A sorted set of rows. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Keyspace(pub(super) Arc<Space>);
pub(super) struct Space {
    /// Unlike the name it is not used again in the life of the process.
    pub(super) number: u64,
    pub(super) name: String,
    pub(super) stored: <Disk as Tables>::Rows,
    pub(super) layers: RwLock<Layers>,
    pub(super) sums: Sums,
}

/// The rows that are not on disk yet.
pub(super) struct Layers {
    pub(super) active: Arc<Map>,
    pub(super) frozen: Option<Arc<Map>>,
}

impl Keyspace {
    /// The latest committed value of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Slice>> {
        {
            let layers = self.0.layers.read();
            let frozen = || layers.frozen.as_ref().and_then(|map| map.newest(key));
            if let Some(version) = layers.active.newest(key).or_else(frozen) {
                return Ok(version);
            }
        }
        Disk::get(&self.0.stored, key)
    }

    /// Its rows and their bytes as of now.
    pub(crate) fn size(&self) -> Size {
        self.0.sums.get()
    }

    pub(super) fn set_size(&self, size: Size) {
        self.0.sums.set(size);
    }

    pub(super) fn grow(&self, growth: Size) {
        self.0.sums.add(growth);
    }

    /// Reads every file on disk against its checksum. [`Error::Corrupt`] names the first that is damaged.
    pub(crate) fn check(&self) -> Result<()> {
        Disk::check(&self.0.stored)
    }

    pub(super) fn is(&self, other: &Keyspace) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(super) fn name(&self) -> &str {
        &self.0.name
    }

    pub(super) fn number(&self) -> u64 {
        self.0.number
    }

    pub(super) fn stored(&self) -> &<Disk as Tables>::Rows {
        &self.0.stored
    }

    pub(super) fn active(&self) -> Arc<Map> {
        self.0.layers.read().active.clone()
    }
}

pub(super) fn open_keyspace(
    tables: &Disk,
    name: &str,
    active: &Generation,
    last_number: &AtomicU64,
) -> Result<Keyspace> {
    let stored = tables.rows(name)?;
    let number = last_number.fetch_add(1, Ordering::Relaxed) + 1;
    let layers = RwLock::new(Layers { active: active.add(number), frozen: None });
    Ok(Keyspace(Arc::new(Space { number, name: name.into(), stored, layers, sums: Sums::default() })))
}
