//! What sockets, in the clear and in TLS, have in common.

/// What a read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filled {
    /// The socket is drained for now.
    Drained,
    /// There may be more.
    More,
    /// The client sends no more.
    Closed,
}
