//! What planning asks of a request before it runs.

use super::outcome::Denial;
use crate::protocol::binary::{self as packets, Command};
use crate::protocol::meta::{self, SetMode, Verb};
use crate::protocol::{Request, StoreVerb};
use crate::store::{Config, Container, ContainerId, KeyRange, NewItem, Policies, Policy};

/// Whether a request only reads, so that it can be answered without a commit.
pub fn is_read(request: &Request<'_>) -> bool {
    match request {
        Request::Binary(request) => packet_is_read(request),
        Request::Meta(meta) => match meta.verb {
            Verb::Noop | Verb::Debug => true,
            Verb::Get => !meta.has(b'N') && !meta.has(b'T'),
            Verb::Set | Verb::Delete | Verb::Arith => false,
        },
        Request::Get { .. }
        | Request::Version
        | Request::Verbosity { .. }
        | Request::Stats { .. }
        | Request::KeyDump { .. }
        | Request::MemoryLimit { .. }
        | Request::RefreshCertificates
        | Request::Quit
        | Request::Shutdown { .. }
        | Request::Bind { .. }
        | Request::Refused { .. } => true,
        _ => false,
    }
}

/// Whether a request neither does nor tells what others do, so that it may run before or behind them.
pub fn is_idle(request: &Request<'_>) -> bool {
    match request {
        Request::Binary(request) => packet_is_idle(request),
        Request::Meta(meta) => meta.verb == Verb::Noop,
        Request::Version
        | Request::Verbosity { .. }
        | Request::Quit
        | Request::Shutdown { .. }
        | Request::Bind { .. }
        | Request::Refused { .. } => true,
        _ => false,
    }
}

/// Whether a request empties a container: it runs alone.
pub fn is_flush(request: &Request<'_>) -> bool {
    matches!(
        request,
        Request::FlushAll { .. } | Request::Binary(packets::Request { command: packets::Command::Flush { .. }, .. })
    )
}

/// Whether the connection ends behind the answer to a request, which may be that it is not allowed.
pub fn closes(request: &Request<'_>, denial: Option<Denial>) -> bool {
    match (request, denial) {
        // As in memcached; in text a stranger may try again.
        (Request::Binary(_), Some(Denial::Stranger(_))) => true,
        (_, Some(_)) => false,
        (Request::Binary(request), None) => request.closes(),
        (request, None) => matches!(request, Request::Quit),
    }
}

/// How many values the answer to a request may carry.
pub fn values_of(request: &Request<'_>) -> usize {
    match request {
        Request::Get { keys, .. } | Request::GetAndTouch { keys, .. } => keys.len_hint(),
        Request::Binary(packets::Request { command: packets::Command::Get { .. }, .. }) => 1,
        Request::Meta(meta) => usize::from(meta.has(b'v')),
        _ => 0,
    }
}

/// Whether the cache policies of its container keep a request that is no plain read away from the table.
pub fn spares_table(request: &Request<'_>, config: &Config, container: ContainerId) -> bool {
    let Some(policies) = config.container(container).map(Container::policies) else { return false };
    let policy = match request {
        Request::Store { .. } | Request::Arith { .. } | Request::Touch { .. } => policies.set,
        Request::GetAndTouch { keys, .. } if keys.is_single() => policies.set,
        Request::Delete { .. } => policies.delete,
        Request::Meta(meta) if meta.verb == Verb::Delete && !meta.has(b'x') => policies.delete,
        Request::Meta(_) if !is_read(request) => policies.set,
        Request::FlushAll { .. } => policies.flush,
        Request::Binary(request) => return packet_policy(request, &policies).is_some_and(Policy::spares_table),
        _ => return false,
    };
    policy.spares_table()
}

/// The key by which a request of the write phase is sorted; `None` for requests that end a run.
pub fn sort_key<'a>(request: &Request<'a>) -> Option<&'a [u8]> {
    match request {
        Request::Store { key, .. }
        | Request::Arith { key, .. }
        | Request::Delete { key, .. }
        | Request::Touch { key, .. } => Some(key),
        Request::Get { keys, .. } | Request::GetAndTouch { keys, .. } if keys.is_single() => Some(keys.first()),
        Request::Binary(request) => request.key(),
        // An encoded key sorts elsewhere than the same key unencoded. An `mn` has the empty key, and ends no run.
        Request::Meta(meta) if !meta.has(b'b') => Some(meta.written_key),
        _ => None,
    }
}

/// What a request stores unconditionally, if that is all it does.
pub fn plain_set<'a>(request: &Request<'a>) -> Option<NewItem<'a>> {
    match *request {
        Request::Store { verb: StoreVerb::Set, flags, exptime, value, .. } => {
            Some(NewItem { flags, exptime, value, cas: None })
        }
        Request::Binary(ref request) => packet_plain_set(request),
        Request::Meta(ref request) => meta_plain_set(request),
        _ => None,
    }
}

/// Whether the answer to a plain set needs more than the set tells: a cas number where no column has it.
pub fn needs_row(request: &Request<'_>, container: &Container) -> bool {
    matches!(request, Request::Meta(request) if request.has(b'c')) && !container.has_cas()
}

/// Whether a request streams rows for many ticks; it is planned alone.
pub fn is_stream(request: &Request<'_>) -> bool {
    match request {
        Request::Get { keys, .. } => KeyRange::is_range(keys.first()),
        Request::KeyDump { .. } => true,
        _ => false,
    }
}

/// Whether a text client wants no answer, whatever happens.
pub fn is_silent(request: &Request<'_>) -> bool {
    matches!(
        request,
        Request::Store { noreply: true, .. }
            | Request::Arith { noreply: true, .. }
            | Request::Delete { noreply: true, .. }
            | Request::Touch { noreply: true, .. }
            | Request::FlushAll { noreply: true, .. }
            | Request::MemoryLimit { noreply: true, .. }
    )
}

/// See [`is_read`].
fn packet_is_read(request: &packets::Request<'_>) -> bool {
    matches!(request.command, Command::Get { exptime: None, .. } | Command::Stats { .. }) || packet_is_idle(request)
}

/// See [`is_idle`].
fn packet_is_idle(request: &packets::Request<'_>) -> bool {
    match request.command {
        Command::Quit
        | Command::Noop
        | Command::Version
        | Command::Verbosity
        | Command::Mechanisms
        | Command::Login { .. }
        | Command::Refused { .. } => true,
        Command::Get { .. }
        | Command::Touch { .. }
        | Command::Store { .. }
        | Command::Delete { .. }
        | Command::Arith { .. }
        | Command::Flush { .. }
        | Command::Stats { .. } => false,
    }
}

/// The policy that a request which is no plain read follows.
fn packet_policy(request: &packets::Request<'_>, policies: &Policies) -> Option<Policy> {
    match request.command {
        Command::Store { .. } | Command::Arith { .. } | Command::Touch { .. } => Some(policies.set),
        Command::Get { exptime: Some(_), .. } => Some(policies.set),
        Command::Delete { .. } => Some(policies.delete),
        Command::Flush { .. } => Some(policies.flush),
        _ => None,
    }
}

/// What a set stores that has no condition.
fn packet_plain_set<'a>(request: &packets::Request<'a>) -> Option<NewItem<'a>> {
    match request.command {
        Command::Store { verb: StoreVerb::Set, flags, exptime, value, .. } if request.cas == 0 => {
            Some(NewItem { flags, exptime: exptime.into(), value, cas: None })
        }
        _ => None,
    }
}

/// See [`plain_set`].
fn meta_plain_set<'a>(request: &meta::Request<'a>) -> Option<NewItem<'a>> {
    let plain = request.verb == Verb::Set && request.set_mode() == SetMode::Set;
    (plain && !request.has(b'C') && !request.has(b'E')).then(|| new_item(request))
}

/// What an `ms` stores, and an `md` in place of the value.
pub fn new_item<'a>(request: &meta::Request<'a>) -> NewItem<'a> {
    NewItem {
        flags: request.number(b'F').unwrap_or(0) as u32,
        exptime: request.seconds(b'T').unwrap_or(0),
        value: request.value,
        cas: request.number(b'E'),
    }
}
