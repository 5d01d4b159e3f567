//! Cache policies: which of an operation's effects go to memory, to the table, to both or nowhere.

use super::ConfigError;

/// What an operation uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// The table.
    #[default]
    InnodbOnly,
    /// Memory.
    CacheOnly,
    /// Memory first, then the table; writes go to both.
    Caching,
    /// Neither: a get misses, a store and a delete claim success, a flush is refused.
    Disabled,
}

/// The first row of `innodb_memcache.cache_policies`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policies {
    /// get, gets, gat.
    pub get: Policy,
    /// set, add, replace, append, prepend, cas, incr, decr, touch.
    pub set: Policy,
    /// delete.
    pub delete: Policy,
    /// flush_all.
    pub flush: Policy,
}

impl Policies {
    /// Reads the four policies of a row.
    ///
    /// # Errors
    /// A word that is no policy.
    pub fn parse([get, set, delete, flush]: [&str; 4]) -> Result<Policies, ConfigError> {
        Ok(Policies {
            get: Policy::parse("get_policy", get)?,
            set: Policy::parse("set_policy", set)?,
            delete: Policy::parse("delete_policy", delete)?,
            flush: Policy::parse("flush_policy", flush)?,
        })
    }

    fn any(&self, which: impl Fn(Policy) -> bool) -> bool {
        [self.get, self.set, self.delete, self.flush].into_iter().any(which)
    }

    fn map(self, to: impl Fn(Policy) -> Policy) -> Policies {
        Policies { get: to(self.get), set: to(self.set), delete: to(self.delete), flush: to(self.flush) }
    }

    /// Whether memory is used at all.
    pub fn use_memory(&self) -> bool {
        self.any(|policy| matches!(policy, Policy::CacheOnly | Policy::Caching))
    }

    /// Whether memory stands in front of a table.
    pub fn cache_rows(&self) -> bool {
        self.any(|policy| policy == Policy::Caching)
    }

    /// The same policies where rows change without the daemon's knowledge: nothing stands in front of a table.
    pub fn without_caching(self) -> Policies {
        self.map(|policy| match policy {
            Policy::Caching => Policy::InnodbOnly,
            other => other,
        })
    }

    /// The policies of a container whose keys memory cannot tell apart as the table does: everything goes to the table.
    pub fn without_memory(self) -> Policies {
        self.map(|policy| match policy {
            Policy::Disabled => Policy::Disabled,
            _ => Policy::InnodbOnly,
        })
    }
}

impl Policy {
    /// Whether an operation under this policy leaves the table alone.
    pub fn spares_table(self) -> bool {
        matches!(self, Policy::CacheOnly | Policy::Disabled)
    }

    fn parse(column: &'static str, word: &str) -> Result<Policy, ConfigError> {
        // The words of the configuration script's ENUM, or their numbers.
        match word.to_ascii_lowercase().as_str() {
            "innodb_only" | "1" | "" => Ok(Policy::InnodbOnly),
            "cache_only" | "2" => Ok(Policy::CacheOnly),
            "caching" | "3" => Ok(Policy::Caching),
            "disabled" | "disable" | "4" => Ok(Policy::Disabled),
            _ => Err(ConfigError::Policy { column, word: word.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_policies() {
        let policies = Policies::parse(["innodb_only", "cache_only", "Caching", "disabled"]).unwrap();
        let expected = [Policy::InnodbOnly, Policy::CacheOnly, Policy::Caching, Policy::Disabled];
        assert_eq!([policies.get, policies.set, policies.delete, policies.flush], expected);
        assert!(policies.use_memory() && !policies.without_memory().use_memory());
        assert!(Policies::parse(["x", "", "", ""]).unwrap_err().to_string().contains("get_policy"));
    }
}
