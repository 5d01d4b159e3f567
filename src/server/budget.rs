//! What one connection may have of its worker in one tick. It bounds every command: what is over it waits for a later tick, resumed
//! where it stopped, so that nobody holds up others for long or takes more memory than this.
//!
//! | what | who keeps to it |
//! |---|---|
//! | requests: `-R`, fewer where they would hold up readers | planning |
//! | keys looked up, hits or misses: [`KEYS_MAX`], or as many as requests | planning; the parser cuts longer lines |
//! | bytes of replies: [`REPLY_MAX`] and the value that passes it | the executor between the keys of a read, the phases between requests |
//! | bytes of replies that wait for one commit, of all connections: [`COMMIT_MAX`] | the write phase |

use crate::protocol::KEYS_MAX;

/// Bytes of replies after which a connection waits. A tick stops behind the value that passes it.
pub const REPLY_MAX: usize = 8 << 20;

/// Bytes of replies, of all connections, that wait for one commit. Reads behind it wait for the next tick.
pub const COMMIT_MAX: usize = 32 << 20;

/// Connections whose writes may carry values in a tick after one in which [`COMMIT_MAX`] was passed: those that waited come first.
pub const CARRIERS: usize = 4;

/// What planning may take of a connection's input.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Requests.
    pub requests: usize,
    /// The same for one that writes.
    pub writes: usize,
    /// Keys.
    pub keys: usize,
}

impl Budget {
    /// The share of a connection that may have so many requests in a tick, and so many if it writes.
    pub fn new(requests: usize, writes: usize) -> Budget {
        Budget { requests, writes: writes.min(requests), keys: requests.max(KEYS_MAX) }
    }
}
