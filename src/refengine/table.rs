//! An open table: its definition, its keyspace, who uses it and what is not committed yet.

use super::error::Error;
use super::mdl::lock::Mdl;
use super::shape::Shape;
use super::storage::{Keyspace, Slice};
use super::types::TableDef;
use super::writes::WriteSet;
use parking_lot::RwLock;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A table of the catalog. Look it up by name once per statement: TRUNCATE and RENAME make a new one,
/// and operations on the old one then say [`Error::NoSuchTable`].
pub struct Table {
    id: u64,
    shape: Arc<Shape>,
    keyspace: Keyspace,
    mdl: Mdl,
    gone: AtomicBool,
    pending: Pending,
    path: Vec<u8>,
}

impl Table {
    pub(crate) fn new(id: u64, def: TableDef, keyspace: Keyspace) -> Table {
        let (mdl, gone, pending) = (Mdl::default(), AtomicBool::new(false), Pending::default());
        let path = [def.db.as_bytes(), b"/", def.name.as_bytes()].concat();
        Table { id, shape: Arc::new(Shape::new(def)), keyspace, mdl, gone, pending, path }
    }

    /// The definition.
    pub fn def(&self) -> &TableDef {
        self.shape.def()
    }

    /// `database/table`.
    pub(crate) fn path(&self) -> &[u8] {
        &self.path
    }

    pub(crate) fn shape(&self) -> &Arc<Shape> {
        &self.shape
    }

    /// A number no other table has or had; TRUNCATE changes it.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Reads what is on disk of it against its checksums.
    ///
    /// # Errors
    /// [`Error::Corrupt`] names the first file that is damaged; [`Error::Storage`] if it cannot be read.
    pub fn check_files(&self) -> Result<(), Error> {
        self.keyspace.check()
    }

    /// Rows that are committed, and the bytes of them and their keys; indexes are not counted. Right unless a version that counted nothing
    /// wrote rows, or a crash came right behind a commit that failed: then ANALYZE TABLE counts anew.
    pub fn size(&self) -> (u64, u64) {
        let size = self.keyspace.size();
        (size.rows.max(0) as u64, size.bytes.max(0) as u64)
    }

    pub(crate) fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    pub(crate) fn mdl(&self) -> &Mdl {
        &self.mdl
    }

    pub(crate) fn pending(&self) -> &Pending {
        &self.pending
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Called by DDL that holds the metadata lock exclusively.
    pub(crate) fn set_gone(&self) {
        self.gone.store(true, Ordering::Release);
    }

    pub(crate) fn no_such_table(&self) -> Error {
        Error::NoSuchTable { db: self.def().db.clone(), table: self.def().name.clone() }
    }
}

/// What transactions wrote to a table and have not committed, for READ UNCOMMITTED. Row locks see to it that a
/// key has one such version at most.
#[derive(Default)]
pub(crate) struct Pending {
    count: AtomicUsize,
    sets: RwLock<Vec<Arc<WriteSet>>>,
}

impl Pending {
    pub(crate) fn add(&self, set: &Arc<WriteSet>) {
        let mut sets = self.sets.write();
        sets.push(set.clone());
        self.count.store(sets.len(), Ordering::Release);
    }

    pub(crate) fn remove(&self, set: &Arc<WriteSet>) {
        let mut sets = self.sets.write();
        sets.retain(|other| !Arc::ptr_eq(other, set));
        self.count.store(sets.len(), Ordering::Release);
    }

    /// What one of them did to the key with this [hash](super::core::Core::hash).
    pub(crate) fn get(&self, hash: u64, key: &[u8]) -> Option<Option<Slice>> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.sets.read().iter().find_map(|set| set.get(hash, key))
    }

    /// The first version within the bounds, from the far end if `reverse`.
    pub(crate) fn next(&self, bounds: (Bound<&[u8]>, Bound<&[u8]>), reverse: bool) -> Option<(Slice, Option<Slice>)> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let sets = self.sets.read();
        let found = sets.iter().filter_map(|set| set.next(bounds, reverse));
        if reverse { found.max_by(|a, b| a.0.cmp(&b.0)) } else { found.min_by(|a, b| a.0.cmp(&b.0)) }
    }
}
