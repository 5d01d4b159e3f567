//! A password's hash: argon2id in the PHC string format.

use super::error::HashError;
use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier};

/// Bytes of salt.
const SALT: usize = 16;

/// Most memory that checking a password may take, in KiB, and most passes over it.
const MEMORY_MAX: u32 = 1 << 20;
const PASSES_MAX: u32 = 100;

/// The hash of a password with its salt and costs.
#[derive(Debug, Clone)]
pub(super) struct Hash(PasswordHash);

impl Hash {
    /// Hashes a password with a new salt, at the costs that OWASP recommends: 19 MiB, two passes.
    ///
    /// # Errors
    /// The system gives no random bytes or no memory.
    pub fn new(password: &[u8]) -> Result<Hash, HashError> {
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt).map_err(|e| HashError::NoRandom(e.to_string()))?;
        let hashed = Argon2::default().hash_password_with_salt(password, &salt);
        hashed.map(Hash).map_err(|e| HashError::Failed(e.to_string()))
    }

    /// Reads a PHC string; the message does not repeat it.
    pub fn parse(text: &str) -> Result<Hash, HashError> {
        let hash = PasswordHash::new(text).map_err(|_| HashError::Form)?;
        let complete = hash.salt.is_some() && hash.hash.is_some();
        let params = Params::try_from(&hash).map_err(|_| HashError::Form)?;
        if hash.algorithm != Algorithm::Argon2id.ident() || !complete {
            return Err(HashError::Form);
        }
        if params.m_cost() > MEMORY_MAX || params.t_cost() > PASSES_MAX {
            return Err(HashError::Costs(MEMORY_MAX, PASSES_MAX));
        }
        Ok(Hash(hash))
    }

    /// Whether this is the password.
    pub fn matches(&self, password: &[u8]) -> bool {
        Argon2::default().verify_password(password, &self.0).is_ok()
    }

    /// Orders hashes by what a check costs.
    pub fn cost(&self) -> u64 {
        Params::try_from(&self.0).map_or(0, |p| u64::from(p.m_cost()) * u64::from(p.t_cost()))
    }

    /// A hash of the same cost that no password is known for.
    pub fn never(self) -> Hash {
        Hash(PasswordHash { hash: Output::new(&[0; 32]).ok(), ..self.0 })
    }
}

impl std::fmt::Display for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
