//! Open views, and the versions of rows that only they see.

use crate::refengine::storage::Slice;
use std::collections::BTreeMap;
use std::ops::Range;

/// Bytes of memory that a value which is kept for itself takes besides itself.
pub(super) const BESIDE: u64 = 100;

/// A row as one commit left it, while a view may ask for it.
pub(super) struct Version {
    pub(super) seqno: u64,
    /// `None`: deleted.
    pub(super) value: Option<Slice>,
    /// What it replaced.
    pub(super) older: Option<Box<Version>>,
}

impl Version {
    /// The version that a view of `seqno` sees. `None`: it is older than all of them.
    pub(super) fn seen_at(&self, seqno: u64) -> Option<&Option<Slice>> {
        let mut version = Some(self);
        while let Some(v) = version {
            if v.seqno <= seqno {
                return Some(&v.value);
            }
            version = v.older.as_deref();
        }
        None
    }

    /// About the bytes of memory that it and the older ones take.
    pub(super) fn bytes(&self) -> u64 {
        let (mut version, mut bytes) = (Some(self), 0);
        while let Some(v) = version {
            bytes += BESIDE + v.value.as_ref().map_or(0, |value| value.len() as u64);
            version = v.older.as_deref();
        }
        bytes
    }
}

/// Those of the versions of a row that an open view sees when one of `newest` is on top of them.
pub(super) fn prune(newest: u64, mut rest: Option<Box<Version>>, views: &Views) -> Option<Box<Version>> {
    let (mut newer, mut kept) = (newest, None);
    let mut tail = &mut kept;
    while let Some(mut version) = rest {
        rest = version.older.take();
        let seen = views.any_in(version.seqno..newer);
        newer = version.seqno;
        if seen {
            tail = &mut tail.insert(version).older;
        }
    }
    kept
}

/// Sequence numbers of the open views, each with the number of views that have it.
#[derive(Default)]
pub(super) struct Views(pub(super) BTreeMap<u64, usize>);

impl Views {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn open(&mut self, seqno: u64) {
        *self.0.entry(seqno).or_default() += 1;
    }

    pub(super) fn close(&mut self, seqno: u64) {
        if let Some(count) = self.0.get_mut(&seqno) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&seqno);
            }
        }
    }

    fn any_in(&self, range: Range<u64>) -> bool {
        self.0.range(range).next().is_some()
    }
}
