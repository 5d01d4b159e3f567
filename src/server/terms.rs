//! Operations in the store's terms.

use crate::protocol::Operation;
use crate::protocol::operation::{self as asked, Kind, StoreMode};
use crate::store::{Condition, Config, Container, ContainerId, NewItem, NumberChange};

/// Whether the cache policies of its container keep an operation that is no read away from the table.
#[inline]
pub fn spares_table(operation: &Operation<'_>, config: &Config, container: ContainerId) -> bool {
    let Some(policies) = config.container(container).map(Container::policies) else { return false };
    let policy = match operation.kind() {
        // Several keys may lead to several containers.
        Kind::Set if operation.key().is_some() => policies.set,
        Kind::Delete => policies.delete,
        Kind::Flush => policies.flush,
        Kind::Set | Kind::Read | Kind::Idle => return false,
    };
    policy.spares_table()
}

/// Whether the reply to a plain set needs more than the set tells: a cas number where no column has it.
pub fn needs_row(store: &asked::Storage<'_>, container: &Container) -> bool {
    store.tells.cas && !container.has_cas()
}

/// What is stored.
#[inline]
pub fn new_item<'a>(store: &asked::Storage<'a>) -> NewItem<'a> {
    NewItem { flags: store.flags, exptime: store.exptime, value: store.value, cas: store.cas }
}

/// Under which condition it is stored.
#[inline]
pub fn condition(mode: StoreMode) -> Condition {
    match mode {
        StoreMode::Set => Condition::Set,
        StoreMode::Add => Condition::Add,
        StoreMode::Replace => Condition::Replace,
        StoreMode::Append => Condition::Append,
        StoreMode::Prepend => Condition::Prepend,
    }
}

/// How a number changes.
#[inline]
pub fn arith(arith: &asked::Arith<'_>) -> NumberChange {
    let asked::Arith { increment, delta, compare, exptime, cas, .. } = *arith;
    NumberChange { increment, delta, compare, exptime, cas }
}
