//! How many rows each keyspace has, and how many bytes they take: what whoever commits says it added, summed up.
//!
//! The sums stand in the record of the commit that changes them, as rows of a keyspace of their own, so they are as durable as the
//! rows they count. A sum is made while the record is; the sum of a commit that fails is taken back, and the next one that succeeds
//! writes what is right.

use super::Slice;
use std::ops::AddAssign;
use std::sync::atomic::{AtomicI64, Ordering};

/// The keyspace of the sums. Key: name of a keyspace; value: rows and bytes.
pub(crate) const KEYSPACE: &str = "sizes";

/// Rows and bytes, of a keyspace or more in it than before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) rows: i64,
    pub(crate) bytes: i64,
}

impl Size {
    /// What a row adds.
    pub(crate) fn of_row(key: &[u8], row: &[u8]) -> Size {
        Size { rows: 1, bytes: (key.len() + row.len()) as i64 }
    }

    pub(crate) fn negative(self) -> Size {
        Size { rows: -self.rows, bytes: -self.bytes }
    }

    pub(crate) fn is_nothing(self) -> bool {
        self == Size::default()
    }

    pub(super) fn encode(self) -> Slice {
        let mut value = [0; 16];
        value[..8].copy_from_slice(&self.rows.to_le_bytes());
        value[8..].copy_from_slice(&self.bytes.to_le_bytes());
        Slice::new(&value)
    }

    pub(super) fn decode(value: &[u8]) -> Option<Size> {
        let (rows, bytes) = value.split_at_checked(8)?;
        let number = |bytes: &[u8]| Some(i64::from_le_bytes(bytes.try_into().ok()?));
        Some(Size { rows: number(rows)?, bytes: number(bytes)? })
    }
}

impl AddAssign for Size {
    fn add_assign(&mut self, other: Size) {
        self.rows += other.rows;
        self.bytes += other.bytes;
    }
}

/// The sums of a keyspace.
#[derive(Default)]
pub(super) struct Sums {
    rows: AtomicI64,
    bytes: AtomicI64,
}

impl Sums {
    pub(super) fn get(&self) -> Size {
        Size { rows: self.rows.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }

    pub(super) fn set(&self, size: Size) {
        self.rows.store(size.rows, Ordering::Relaxed);
        self.bytes.store(size.bytes, Ordering::Relaxed);
    }
    pub(super) fn add(&self, growth: Size) {
        self.rows.fetch_add(growth.rows, Ordering::Relaxed);
        self.bytes.fetch_add(growth.bytes, Ordering::Relaxed);
    }
}
