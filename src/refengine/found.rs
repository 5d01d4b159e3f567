//! A row as a look-up by key leaves it with whoever asked.

use super::storage::Slice;

/// The row that was found last: shared with whoever keeps it, or a copy in memory that is used again for the next one.
#[derive(Default)]
pub(crate) struct FoundRow {
    shared: Option<Slice>,
    copy: Vec<u8>,
    copied: bool,
    /// Which of its transaction's reads for update found it; 0: another kind of read did.
    pub(crate) read: u64,
}

impl FoundRow {
    /// The row, if there is one.
    #[inline]
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        if self.copied { Some(&self.copy) } else { self.shared.as_deref() }
    }

    /// The row to keep.
    pub(crate) fn slice(&self) -> Option<Slice> {
        if self.copied { Some(Slice::new(&self.copy)) } else { self.shared.clone() }
    }

    /// Forgets the row.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.copied = false;
        self.read = 0;
        if self.shared.is_some() {
            self.shared = None;
        }
    }

    /// Takes a row, or that there is none.
    pub(crate) fn share(&mut self, row: Option<Slice>) {
        self.clear();
        self.shared = row;
    }

    /// Copies a row.
    #[inline]
    pub(crate) fn copy(&mut self, row: &[u8]) {
        self.clear();
        self.copy.clear();
        self.copy.extend_from_slice(row);
        self.copied = true;
    }
}
