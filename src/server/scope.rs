//! Where the keys of a connection may lead.

use crate::store::{Config, ContainerId, Target};

/// Which containers a connection reaches with `@@name.key`, and for how long. Its listener decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// All of them; a mapped key switches the connection, as in the original plugin.
    #[default]
    Switching,
    /// All of them; a mapped key counts for itself only. For proxies that share a connection among clients.
    PerKey,
    /// The listener's own.
    Bound,
}

impl Scope {
    /// Follows a key from the container `current`, which changes where a mapped key switches the connection.
    #[inline]
    pub fn resolve<'k>(self, config: &Config, current: &mut ContainerId, key: &'k [u8]) -> Target<'k> {
        let target = config.resolve(*current, key);
        match (self, target) {
            (Scope::Switching, Target::Key(id, _) | Target::Name(id)) => {
                *current = id;
                target
            }
            (Scope::Bound, Target::Key(id, _) | Target::Name(id)) if id != *current => Target::Unknown(key),
            _ => target,
        }
    }
}

/// What clients must show of themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// Nothing.
    Nothing,
    /// A certificate that is vouched for, or none.
    Asked,
    /// A certificate that is vouched for.
    Required,
}

/// What a listener offers its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// What they show of themselves where they speak TLS.
    pub tls: Option<ClientAuth>,
    /// Where their keys may lead.
    pub scope: Scope,
    /// The container that they begin with.
    pub container: ContainerId,
}
