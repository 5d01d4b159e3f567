//! What is kept of an account's password: enough to check it, not enough to log in with.
//!
//! Two forms, one for each way to prove a password: SHA-1 of its SHA-1 for `mysql_native_password`, SHA-256 of its SHA-256 for
//! `caching_sha2_password`. The second is what MySQL keeps in memory after a full exchange; kept in the table, it spares
//! clients that exchange. Accounts of an older version, and those made from a stored hash, have the first only.

use std::fmt;

use ring::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

use super::function::unhex;

/// The two ways to prove a password, as clients and `mysql.user` name them.
pub const NATIVE: &str = "mysql_native_password";
/// See [`NATIVE`].
pub const SHA2: &str = "caching_sha2_password";

/// See the module. No password at all is `None` where one of these could be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Password {
    /// SHA-1 of the SHA-1.
    pub native: [u8; 20],
    /// SHA-256 of the SHA-256, if the password itself was ever seen.
    pub sha2: Option<[u8; 32]>,
}

fn twice<const N: usize>(algorithm: &'static Algorithm, text: &[u8]) -> [u8; N] {
    let hash = digest(algorithm, digest(algorithm, text).as_ref());
    let mut out = [0; N];
    out.copy_from_slice(hash.as_ref());
    out
}

impl Password {
    /// Of a password in clear; none for the empty one.
    pub fn of(text: &str) -> Option<Password> {
        let bytes = text.as_bytes();
        (!bytes.is_empty())
            .then(|| Password { native: twice(&SHA1_FOR_LEGACY_USE_ONLY, bytes), sha2: Some(twice(&SHA256, bytes)) })
    }

    /// Reads the form that [`fmt::Display`] writes; of it the part before the space is MySQL's own.
    pub fn parse(stored: &str) -> Option<Password> {
        let (native, sha2) = match stored.split_once(' ') {
            Some((native, sha2)) => (native, Some(unhex(sha2.as_bytes())?.try_into().ok()?)),
            None => (stored, None),
        };
        let native = unhex(native.strip_prefix('*')?.as_bytes())?.try_into().ok()?;
        Some(Password { native, sha2 })
    }

    /// Whether this is what is kept of `text`.
    pub fn is(&self, text: &[u8]) -> bool {
        twice::<20>(&SHA1_FOR_LEGACY_USE_ONLY, text) == self.native
    }
}

impl fmt::Display for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |f: &mut fmt::Formatter<'_>, bytes: &[u8]| bytes.iter().try_for_each(|byte| write!(f, "{byte:02X}"));
        f.write_str("*")?;
        hex(f, &self.native)?;
        if let Some(sha2) = &self.sha2 {
            f.write_str(" ")?;
            hex(f, sha2)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_comes_back() {
        let password = Password::of("password").unwrap();
        let stored = password.to_string();
        // MySQL 5.7: SELECT PASSWORD('password')
        assert!(stored.starts_with("*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19 "), "{stored}");
        assert_eq!(Password::parse(&stored), Some(password.clone()));
        let native = Password::parse("*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19").unwrap();
        assert_eq!((native.native, native.sha2), (password.native, None));
        assert!(native.is(b"password") && !native.is(b"Password"));
        assert_eq!(Password::of(""), None);
        for wrong in ["", "*", "2470C0", "*2470", &stored[..stored.len() - 2], &stored.replace(' ', "  ")] {
            assert_eq!(Password::parse(wrong), None, "{wrong}");
        }
    }
}
