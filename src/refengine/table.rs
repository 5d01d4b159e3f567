//! An open table: its definition, its keyspace, who uses it and what is not committed yet.

use super::error::Error;
use super::mdl::Mdl;
use super::storage::{Keyspace, Slice};
use super::types::TableDef;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A table of the catalog. Look it up by name once per statement: TRUNCATE and RENAME make a new one,
/// and operations on the old one then say [`Error::NoSuchTable`].
pub struct Table {
    id: u64,
    def: TableDef,
    keyspace: Keyspace,
    column_names: Vec<CString>,
    mdl: Mdl,
    gone: AtomicBool,
    pending: Pending,
}

impl Table {
    pub(crate) fn new(id: u64, def: TableDef, keyspace: Keyspace) -> Table {
        // The catalog admits no name with a NUL in it.
        let column_names = def.columns.iter().map(|c| CString::new(c.name.as_str()).unwrap_or_default()).collect();
        let (mdl, gone, pending) = (Mdl::default(), AtomicBool::new(false), Pending::default());
        Table { id, def, keyspace, column_names, mdl, gone, pending }
    }

    /// The definition.
    pub fn def(&self) -> &TableDef {
        &self.def
    }

    /// A number no other table has or had; TRUNCATE changes it.
    pub fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    pub(crate) fn column_names(&self) -> &[CString] {
        &self.column_names
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
        Error::NoSuchTable { db: self.def.db.clone(), table: self.def.name.clone() }
    }
}

/// What transactions wrote to a table and have not committed, for READ UNCOMMITTED. Row locks see to it that a
/// key has one such version at most.
#[derive(Default)]
pub(crate) struct Pending {
    count: AtomicUsize,
    versions: RwLock<BTreeMap<Slice, Option<Slice>>>,
}

impl Pending {
    /// Sets (`Some`) or forgets (`None`) the version of a key; a version of `None` is a deletion.
    pub(crate) fn set(&self, key: &Slice, version: Option<Option<Slice>>) {
        let mut versions = self.versions.write();
        match version {
            Some(version) => versions.insert(key.clone(), version),
            None => versions.remove(key),
        };
        self.count.store(versions.len(), Ordering::Release);
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<Option<Slice>> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.versions.read().get(key).cloned()
    }

    /// The first version within the bounds, from the far end if `reverse`.
    pub(crate) fn next(&self, bounds: (Bound<&[u8]>, Bound<&[u8]>), reverse: bool) -> Option<(Slice, Option<Slice>)> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        first_in(&self.versions.read(), bounds, reverse)
    }
}

/// The first entry of `map` within the bounds, from the far end if `reverse`.
pub(crate) fn first_in(
    map: &BTreeMap<Slice, Option<Slice>>,
    bounds: (Bound<&[u8]>, Bound<&[u8]>),
    reverse: bool,
) -> Option<(Slice, Option<Slice>)> {
    // `range` panics on bounds that cross.
    if let (Bound::Included(start) | Bound::Excluded(start), Bound::Included(end) | Bound::Excluded(end)) = bounds
        && start >= end
    {
        return None;
    }
    let mut range = map.range::<[u8], _>(bounds);
    let entry = if reverse { range.next_back() } else { range.next() };
    entry.map(|(key, version)| (key.clone(), version.clone()))
}
