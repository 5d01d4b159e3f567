//! What planning asks of an operation.

/// What an operation does to items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It neither does nor tells what others do, so that it may run before or behind them.
    Idle,
    /// It only reads, so that it can be answered without a commit.
    Read,
    /// It stores or changes an item.
    Set,
    /// It removes an item.
    Delete,
    /// It empties a container: it runs alone.
    Flush,
}

impl Kind {
    /// Whether it can be answered without a commit.
    #[inline]
    pub fn is_read(self) -> bool {
        matches!(self, Kind::Idle | Kind::Read)
    }
}

/// What planning has to know of an operation.
#[derive(Debug, Clone, Copy)]
pub struct Outline {
    /// What it does to items.
    pub kind: Kind,
    /// How many keys it names.
    pub keys: usize,
    /// Whether the reply may carry values.
    pub carries: bool,
    /// See [`Operation::is_stream`](super::Operation::is_stream).
    pub streams: bool,
    /// Whether more of its line follows.
    pub goes_on: bool,
}
