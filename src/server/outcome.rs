//! What may become of a request.

use crate::rows::Error;
use crate::store::Failure;

/// The transaction is lost; the tick decides what runs again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abort {
    /// Chosen as a deadlock's victim.
    Deadlock,
    /// A lock was not granted in time.
    LockTimeout,
    /// Somebody killed the session or the statement.
    Interrupted,
    /// The table was altered under requests that ran together.
    Altered,
    /// The table was altered since the containers were read: they are to be read anew.
    Stale,
    /// Replies grew over what waits for one commit: fewer requests are to run.
    Crowded,
}

impl Abort {
    /// What a failure means for the transaction; `None`: nothing.
    pub fn of(failure: &Failure) -> Option<Abort> {
        match failure {
            Failure::Rows(Error::Deadlock) => Some(Abort::Deadlock),
            Failure::Rows(Error::LockTimeout) => Some(Abort::LockTimeout),
            Failure::Rows(Error::Interrupted) => Some(Abort::Interrupted),
            Failure::Rows(Error::Altered) => Some(Abort::Altered),
            _ => None,
        }
    }

    /// What the client is told when its request is given up for this.
    pub fn reason(self) -> &'static str {
        match self {
            Abort::LockTimeout => "lock wait timeout",
            Abort::Deadlock => "deadlock, try again",
            Abort::Interrupted => "interrupted",
            Abort::Crowded => "too many replies, try again",
            Abort::Altered | Abort::Stale => "the table was altered, try again",
        }
    }
}

/// How much of a request earlier ticks have answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Resume {
    /// Nothing.
    #[default]
    Start,
    /// So many keys of a read.
    Keys(usize),
    /// A range up to this key; so many items were sent.
    Range(Vec<u8>, u64),
}

/// How far a request came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Answered.
    Done,
    /// Answered by a failure in the middle, which stands instead of all that was to come.
    Broken,
    /// The rest waits for the next tick.
    Part(Resume),
}
