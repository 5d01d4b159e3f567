//! What a client answers to show a server that it knows a password.

use ring::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

/// Methods of accounts that the daemon can log in to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// SHA-1, both kinds of server.
    Native,
    /// SHA-256, MySQL.
    CachingSha2,
}

impl Method {
    /// The method of that name.
    pub(super) fn of(name: &[u8]) -> Option<Method> {
        match name {
            b"mysql_native_password" => Some(Method::Native),
            b"caching_sha2_password" => Some(Method::CachingSha2),
            _ => None,
        }
    }

    /// Its name on the wire.
    pub(super) fn name(self) -> &'static str {
        match self {
            Method::Native => "mysql_native_password",
            Method::CachingSha2 => "caching_sha2_password",
        }
    }

    /// The answer to a server that sent `salt`.
    pub(super) fn answer(self, password: &[u8], salt: &[u8]) -> Vec<u8> {
        let (algorithm, salt_first) = match self {
            Method::Native => (&SHA1_FOR_LEGACY_USE_ONLY, true),
            Method::CachingSha2 => (&SHA256, false),
        };
        let once = hash(algorithm, &[password]);
        let twice = hash(algorithm, &[&once]);
        let salted = if salt_first { hash(algorithm, &[salt, &twice]) } else { hash(algorithm, &[&twice, salt]) };
        once.iter().zip(&salted).map(|(a, b)| a ^ b).collect()
    }
}

fn hash(algorithm: &'static Algorithm, parts: &[&[u8]]) -> Vec<u8> {
    digest(algorithm, &parts.concat()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that keeps the password hashed twice gets it back hashed once, and hashes that.
    #[test]
    fn a_server_finds_the_hash_of_the_password_in_the_answer() {
        let salt = b"01234567890123456789";
        for (method, algorithm) in [(Method::Native, &SHA1_FOR_LEGACY_USE_ONLY), (Method::CachingSha2, &SHA256)] {
            let stored = hash(algorithm, &[&hash(algorithm, &[b"secret"])]);
            let mask = match method {
                Method::Native => hash(algorithm, &[salt, &stored]),
                Method::CachingSha2 => hash(algorithm, &[&stored, salt]),
            };
            let accepts = |password: &[u8]| {
                let answer = method.answer(password, salt);
                let once: Vec<u8> = answer.iter().zip(&mask).map(|(a, b)| a ^ b).collect();
                hash(algorithm, &[&once]) == stored
            };
            assert!(accepts(b"secret") && !accepts(b"Secret") && !accepts(b""), "{method:?}");
            assert_eq!(Method::of(method.name().as_bytes()), Some(method));
        }
        // mysql_native_password of "secret" as servers show it.
        let stored = hash(&SHA1_FOR_LEGACY_USE_ONLY, &[&hash(&SHA1_FOR_LEGACY_USE_ONLY, &[b"secret"])]);
        assert_eq!(stored[..4], [0x14, 0xE6, 0x55, 0x67]);
        assert_eq!(Method::of(b"unix_socket"), None);
    }
}
