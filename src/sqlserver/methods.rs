//! The two ways in which clients prove a password that never travels.
//!
//! Both work alike: the server keeps the hash of the password's hash and sends 20 random bytes; the client answers the password's hash
//! XOR a mask that needs both, from which the server computes the password's hash, and hashes it once more.

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

use crate::refengine::sql::{NATIVE, Password, SHA2};

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// With SHA-1: what every client but those of MySQL 9 knows.
    Native,
    /// With SHA-256.
    Sha2,
}

impl Method {
    /// By the name that a client gives.
    pub fn named(name: &str) -> Option<Method> {
        match name {
            NATIVE => Some(Method::Native),
            SHA2 => Some(Method::Sha2),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Method::Native => NATIVE,
            Method::Sha2 => SHA2,
        }
    }

    /// The client has no password: one method says that with a NUL.
    pub fn is_empty(self, token: &[u8]) -> bool {
        token.is_empty() || self == Method::Sha2 && token == [0]
    }

    /// Whether the token could only be made from the password, which what is kept of it may not tell.
    pub fn proves(self, token: &[u8], salt: &[u8; 20], password: &Password) -> Option<bool> {
        Some(match self {
            Method::Native => {
                let mask = both(&SHA1_FOR_LEGACY_USE_ONLY, salt, &password.native);
                unmasked(token, mask.as_ref())
                    .is_some_and(|once| digest(&SHA1_FOR_LEGACY_USE_ONLY, &once).as_ref() == password.native)
            }
            Method::Sha2 => {
                let kept = password.sha2.as_ref()?;
                let mask = both(&SHA256, kept, salt);
                unmasked(token, mask.as_ref()).is_some_and(|once| digest(&SHA256, &once).as_ref() == kept)
            }
        })
    }
}

fn both(algorithm: &'static ring::digest::Algorithm, first: &[u8], second: &[u8]) -> ring::digest::Digest {
    let mut context = Context::new(algorithm);
    context.update(first);
    context.update(second);
    context.finish()
}

fn unmasked(token: &[u8], mask: &[u8]) -> Option<Vec<u8>> {
    (token.len() == mask.len()).then(|| token.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client sends.
    fn token(method: Method, text: &[u8], salt: &[u8; 20]) -> Vec<u8> {
        let algorithm = match method {
            Method::Native => &SHA1_FOR_LEGACY_USE_ONLY,
            Method::Sha2 => &SHA256,
        };
        let once = digest(algorithm, text);
        let twice = digest(algorithm, once.as_ref());
        let mask = match method {
            Method::Native => both(algorithm, salt, twice.as_ref()),
            Method::Sha2 => both(algorithm, twice.as_ref(), salt),
        };
        mask.as_ref().iter().zip(once.as_ref()).map(|(a, b)| a ^ b).collect()
    }

    #[test]
    fn only_the_password_proves_itself() {
        let (salt, password) = ([7; 20], Password::of("secret").unwrap());
        for method in [Method::Native, Method::Sha2] {
            let good = token(method, b"secret", &salt);
            assert_eq!(method.proves(&good, &salt, &password), Some(true));
            let mut wrong = good.clone();
            wrong[7] ^= 1;
            for token in [&wrong, &good[..good.len() - 1], b"", b"\0", &token(method, b"secret", &[8; 20])] {
                assert_eq!(method.proves(token, &salt, &password), Some(false));
            }
            assert_eq!(Method::named(method.name()), Some(method));
        }
        let old = Password { sha2: None, ..password };
        assert_eq!(Method::Sha2.proves(&token(Method::Sha2, b"secret", &salt), &salt, &old), None);
        assert!(Method::Sha2.is_empty(b"\0") && Method::Native.is_empty(b"") && !Method::Native.is_empty(b"\0"));
    }
}
