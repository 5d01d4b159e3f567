//! The configuration: containers by id and name, separator, delimiter and policies.

mod read;

use super::error::{ConfigError, ContainerError};
use super::{Container, Policies, Policy};
use memchr::memmem;
use std::collections::{BTreeSet, HashMap};
use std::ffi::CStr;
use std::sync::Arc;

/// Names whose rows are gone that keep their ids.
const GONE_MAX: usize = 64;

/// A container as connections remember it: the same name keeps its id over changes of the configuration, and over the time in which its
/// row is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContainerId {
    slot: u32,
    /// How many names had the slot before: a name that was gone for long loses it to another one.
    generation: u32,
}

impl ContainerId {
    /// Whatever the default container is at the moment.
    pub const DEFAULT: ContainerId = ContainerId { slot: u32::MAX, generation: 0 };
}

/// What a client's key names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'k> {
    /// A key of a container.
    Key(ContainerId, &'k [u8]),
    /// A container, without a key.
    Name(ContainerId),
    /// A container that nobody knows.
    Unknown(&'k [u8]),
}

/// What is asked of a configuration beside its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The host's `innodb_api_trx_level`, 0 to 3.
    pub trx_level: u8,
    /// Whether a row that breaks a rule is no reason to refuse a start or a reload.
    pub skip_invalid: bool,
    /// Whether other servers change rows on this one, by replication: then memory in front of a table would serve what was so before.
    pub replicated: bool,
}

/// A name and its container.
#[derive(Debug, Clone)]
struct ContainerSlot {
    name: Vec<u8>,
    generation: u32,
    /// `None` where the row is gone.
    container: Option<Arc<Container>>,
    /// The reading that missed the row.
    gone_since: u64,
}

/// What the configuration tables say. Never changes; a new one takes its place.
#[derive(Debug, Clone)]
pub struct Config {
    slots: Vec<ContainerSlot>,
    /// Of every slot, those of rows that are gone included.
    names: HashMap<Vec<u8>, u32>,
    default: ContainerId,
    /// How many readings of all rows led here.
    readings: u64,
    /// Bytes between the columns of a value.
    pub separator: Vec<u8>,
    /// Bytes between `@@name` and a key.
    pub delimiter: Vec<u8>,
    /// What goes to memory and what to tables.
    pub policies: Policies,
    /// See [`Rules`].
    pub rules: Rules,
}

impl Config {
    /// The container of an id; `None` if its row is gone. It may [refuse](Container::refused) all operations.
    #[inline]
    pub fn container(&self, id: ContainerId) -> Option<&Container> {
        let id = if id == ContainerId::DEFAULT { self.default } else { id };
        let slot = self.slots.get(id.slot as usize).filter(|slot| slot.generation == id.generation)?;
        slot.container.as_deref()
    }

    /// The id of a name that has a row.
    pub fn find(&self, name: &[u8]) -> Option<ContainerId> {
        let slot = *self.names.get(name)?;
        let found = self.slots.get(slot as usize).filter(|slot| slot.container.is_some())?;
        Some(ContainerId { slot, generation: found.generation })
    }

    /// All containers, those that refuse included.
    pub fn containers(&self) -> impl Iterator<Item = &Container> {
        self.slots.iter().filter_map(|slot| slot.container.as_deref())
    }

    /// The containers that serve nobody, and why.
    pub fn refused(&self) -> impl Iterator<Item = &ContainerError> {
        self.containers().filter_map(Container::refused)
    }

    /// The tables that keep items, each once.
    pub fn tables_with_items(&self) -> BTreeSet<&CStr> {
        let serving = self.containers().filter(|container| container.refused().is_none());
        serving.filter(|c| c.policies.set != Policy::CacheOnly).map(|c| c.table.path.as_c_str()).collect()
    }

    /// Whether memory keeps items that no table has.
    pub fn keeps_items_in_memory(&self) -> bool {
        self.containers().any(|container| container.policies.set == Policy::CacheOnly)
    }

    /// Containers with an expiry column.
    pub fn expiring(&self) -> Vec<ContainerId> {
        let all = (0..).zip(&self.slots);
        all.filter(|(_, slot)| slot.container.as_ref().is_some_and(|c| c.expiry.is_some()))
            .map(|(at, slot)| ContainerId { slot: at, generation: slot.generation })
            .collect()
    }

    /// Whether the rows satisfy whoever starts the daemon or orders a reload.
    ///
    /// # Errors
    /// Every row that breaks a rule, unless they are to be skipped; then only that there is no other.
    pub fn verdict(&self) -> Result<(), ConfigError> {
        let refused: Vec<ContainerError> = self.refused().cloned().collect();
        match (refused.len(), self.rules.skip_invalid) {
            (0, _) => Ok(()),
            (_, false) => Err(ConfigError::Containers(refused)),
            (all, true) if all == self.containers().count() => Err(ConfigError::NoneValid),
            (_, true) => Ok(()),
        }
    }

    /// Whether it says the same as another one, containers that were taken over included.
    pub fn is_same_as(&self, other: &Config) -> bool {
        let same = |(a, b): (&ContainerSlot, &ContainerSlot)| {
            let stamp = |slot: &ContainerSlot| slot.container.as_ref().map(|container| container.table.stamp);
            (&a.name, a.generation, stamp(a)) == (&b.name, b.generation, stamp(b))
        };
        self.slots.len() == other.slots.len()
            && self.slots.iter().zip(&other.slots).all(same)
            && (&self.separator, &self.delimiter, self.default) == (&other.separator, &other.delimiter, other.default)
    }

    /// Numbers under which memory may hold items.
    pub fn memory_numbers(&self) -> impl Iterator<Item = u32> {
        self.containers().filter(|container| container.policies().use_memory()).map(|container| container.table.stamp)
    }

    /// What `key` names on a connection that is switched to `current`.
    #[inline]
    pub fn resolve<'k>(&self, current: ContainerId, key: &'k [u8]) -> Target<'k> {
        match key {
            [b'@', b'@', _, _, ..] => self.resolve_mapped(&key[2..]),
            _ => Target::Key(current, key),
        }
    }

    #[cold]
    fn resolve_mapped<'k>(&self, rest: &'k [u8]) -> Target<'k> {
        let cut = memmem::find(rest, &self.delimiter);
        let name = &rest[..cut.unwrap_or(rest.len())];
        let key = cut.map_or(&[][..], |at| &rest[at + self.delimiter.len()..]);
        match self.find(name) {
            None => Target::Unknown(name),
            Some(id) if key.is_empty() => Target::Name(id),
            Some(id) => Target::Key(id, key),
        }
    }

    /// The policies that containers are made with.
    fn container_policies(&self) -> Policies {
        if self.rules.replicated { self.policies.without_caching() } else { self.policies }
    }

    /// The slot of a name: its own, else a new one, else that of the name whose row has been gone for longest.
    fn slot(&mut self, name: &[u8]) -> usize {
        if let Some(slot) = self.names.get(name) {
            return *slot as usize;
        }
        let gone = || self.slots.iter().enumerate().filter(|(_, slot)| slot.container.is_none());
        let oldest = gone().min_by_key(|(_, slot)| slot.gone_since).map(|(at, _)| at);
        let at = match oldest.filter(|_| gone().count() > GONE_MAX) {
            Some(at) => {
                let slot = &mut self.slots[at];
                slot.generation = slot.generation.wrapping_add(1);
                self.names.remove(&std::mem::replace(&mut slot.name, name.to_vec()));
                at
            }
            None => {
                self.slots.push(ContainerSlot { name: name.to_vec(), generation: 0, container: None, gone_since: 0 });
                self.slots.len() - 1
            }
        };
        self.names.insert(name.to_vec(), at as u32);
        at
    }

    /// Tells the log, once for each, of containers that serve nobody now and of those that serve again.
    fn announce(&self, before: Option<&Config>) {
        for container in self.containers() {
            let old = before.and_then(|before| before.container(before.find(container.name.as_bytes())?));
            match (old.and_then(Container::refused), container.refused()) {
                (was, Some(error)) if was != Some(error) => {
                    log::warn!("DM1301: {error}; its clients are told so, the others are served")
                }
                (Some(_), None) => log::info!("DM1302: container {} serves again", container.name),
                _ => {}
            }
            let is_new = old.is_none_or(|old| old.table.stamp != container.table.stamp);
            if self.rules.replicated
                && self.policies.cache_rows()
                && (is_new || before.is_some_and(|before| !before.rules.replicated || !before.policies.cache_rows()))
            {
                log::warn!(
                    "DM1306: container {}: the policy caching is taken for innodb_only, as other servers change rows here and memory would not notice",
                    container.name
                );
            }
            if is_new
                && container.refused().is_none()
                && self.container_policies().use_memory()
                && !container.policies().use_memory()
            {
                log::info!(
                    "DM1303: container {}: the cache policies do not apply, because the key column {} is neither INT, BINARY nor VARBINARY",
                    container.name,
                    container.table.columns[container.table.key].name
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;
