//! How long names, passwords and the users file may be.

/// Longest name of a user in bytes.
pub const NAME_MAX: usize = 64;

/// Longest password in bytes.
pub const PASSWORD_MAX: usize = 512;

/// A users file may not be larger, in bytes.
pub(super) const FILE_MAX: u64 = 16 << 20;
