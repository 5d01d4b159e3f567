//! memcached's operations on table rows.
//!
//! `server` calls this room, one [`Store`] per worker thread: it decides by the cache policies between [`crate::cache`] and the
//! container's table. It turns a key and a container into rows
//! through [`crate::rows`] and knows nothing of sockets or of bytes on the wire.
//!
//! A transaction begins with the first operation that needs one; the caller says when to commit or roll back, and [`Store`] alone does
//! either (`transaction`): what a transaction does to memory and marks is settled or dropped with it. An operation's
//! own failure (a duplicate add, a wrong cas, a refused value) is part of its result and undoes nothing else; a
//! [`Failure::Rows`] whose error [aborts](crate::rows::Error::aborts) has lost the transaction.

mod cas;
mod config;
mod container;
mod error;
mod journal;
mod marked;
mod marks;
mod number;
mod policies;
mod policy;
mod range;
mod sets;
mod sweep;
mod table;
mod transaction;
mod value;

pub use cas::CasSource;
pub use config::{Config, ContainerId, Rules, Target};
pub use container::Container;
pub use error::{ConfigError, ContainerError, Rule};
pub use marks::{ItemVersion, Mark, Marks, Reading};
pub use policies::Store;
pub use policy::{Policies, Policy};
pub use range::KeyRange;

use crate::cache::OutOfMemory;
use crate::rows::Error;
use std::fmt;

/// What to store, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Always.
    Set,
    /// Only where the key is absent.
    Add,
    /// Only where it is present.
    Replace,
    /// Behind the present value; flags and expiry stay.
    Append,
    /// In front of the present value; flags and expiry stay.
    Prepend,
}

/// A value to store.
#[derive(Debug, Clone, Copy)]
pub struct NewItem<'a> {
    /// The client's flags.
    pub flags: u32,
    /// 0 never, up to 30 days relative, beyond absolute Unix time, negative expired at once.
    pub exptime: i64,
    /// The value.
    pub value: &'a [u8],
    /// The cas number that it gets, instead of one of ours. A container without a cas column keeps none.
    pub cas: Option<u64>,
}

/// A change of a number.
#[derive(Debug, Clone, Copy)]
pub struct NumberChange {
    /// Whether to add `delta` (wrapping at 2^64) or to subtract it (stopping at 0).
    pub increment: bool,
    /// How much.
    pub delta: u64,
    /// The cas number that the item must have.
    pub compare: Option<u64>,
    /// A new expiry, as [`NewItem::exptime`]; `None` keeps the present one.
    pub exptime: Option<i64>,
    /// As [`NewItem::cas`].
    pub cas: Option<u64>,
}

impl NumberChange {
    fn apply(&self, number: u64) -> u64 {
        if self.increment { number.wrapping_add(self.delta) } else { number.saturating_sub(self.delta) }
    }
}

/// A live item.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// The client's flags.
    pub flags: u32,
    /// cas number if it was asked for, else 0; where the container has no cas column, a digest of the mapped columns.
    pub cas: u64,
    /// Unix time in seconds at which it expires, 0 for never.
    pub deadline: i64,
    /// The value.
    pub value: &'a [u8],
}

/// Outcome of [`Store::store`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// Stored, with this cas number: 0 where the container has no cas column.
    Stored(u64),
    /// The condition did not hold.
    NotStored,
    /// The cas number is another one, this.
    Exists(u64),
    /// There is nothing to compare a cas number with.
    NotFound,
}

/// Outcome of [`Store::arithmetic`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// The new value, and its cas number: 0 where the container has no cas column.
    Value(u64, u64),
    /// The key is absent.
    NotFound,
    /// The present value is no number.
    NonNumeric,
    /// The cas number is another one.
    Exists,
}

/// Outcome of [`Store::delete`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It was there and is gone.
    Deleted,
    /// There was no live item.
    NotFound,
    /// The cas number is another one; the item stays.
    Exists,
}

/// Outcome of [`Store::range`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RangeProgress {
    /// All of the range was seen.
    Done,
    /// There may be more behind this key.
    Stopped(Vec<u8>),
}

/// Why an operation was not done; nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The rows refused.
    Rows(Error),
    /// The key or value does not suit the table; the sentence is for the client.
    Client(String),
    /// The value, or what it would have grown to, is larger than allowed.
    TooLarge,
    /// Memory is full.
    OutOfMemory,
    /// The container serves nobody, because its row breaks a rule.
    Refused(ContainerError),
}

impl Failure {
    /// Whether there is no table, and so no item.
    pub fn is_table_gone(&self) -> bool {
        matches!(
            self,
            Failure::Rows(Error::NotFound(_)) | Failure::Refused(ContainerError { rule: Rule::NoTable(_), .. })
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Rows(error) => error.fmt(f),
            Failure::Client(text) => f.write_str(text),
            Failure::TooLarge => f.write_str("object too large for cache"),
            Failure::OutOfMemory => f.write_str("out of memory storing object"),
            Failure::Refused(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Failure::Rows(error) => Some(error),
            Failure::Refused(error) => Some(error),
            _ => None,
        }
    }
}

impl From<OutOfMemory> for Failure {
    fn from(_: OutOfMemory) -> Failure {
        Failure::OutOfMemory
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Rows(error)
    }
}

type Result<T> = std::result::Result<T, Failure>;

/// Operations after which a transaction is committed; 1 commits at the end of each phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Reads, 1 to 2^30.
    pub reads: u32,
    /// Writes, 1 to 2^20.
    pub writes: u32,
}

impl Default for Batch {
    fn default() -> Self {
        Batch { reads: 1, writes: 1 }
    }
}
