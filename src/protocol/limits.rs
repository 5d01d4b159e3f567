//! How long what clients send may be.

/// Longest key in bytes. A key is at least one byte, any but space and newline.
pub const KEY_MAX: usize = 250;

/// Longest command line in bytes, its newline not counted. `get ` and `gets ` may be longer, see [`GET_LINE_MAX`].
///
/// The limit holds however the bytes arrive, where memcached lets a longer line pass that happened to come in one read.
pub const LINE_MAX: usize = 2048;

/// Longest `get` or `gets` line in bytes, its newline not counted: 33 thousand keys of the greatest length.
pub const GET_LINE_MAX: usize = 8 << 20;

/// Keys that one read has at most: a longer line of keys is several reads, see [`Part`](super::operation::Part).
pub const KEYS_MAX: usize = 1024;

/// Greatest length of a data block that a line can announce; a greater one is a malformed line and has no data block.
pub(super) const BLOCK_MAX: u64 = i32::MAX as u64 - 2;
