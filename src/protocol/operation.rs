//! What a client asks for, in one vocabulary for all protocols, and what follows from it before it runs.
//!
//! A parser makes a [`Request`](super::Request): an [`Operation`], and the [`Style`](super::Style) in which its outcome is told. Whoever plans, permits and runs
//! requests asks the operation alone.

use super::keys::Keys;
pub use super::keys::Part;
pub use super::kind::{Kind, Outline};
use super::style::Status;

/// What to do.
///
/// Keys are 1 to [`KEY_MAX`](super::KEY_MAX) bytes, values at most the parser's `item_size_max`. Expiry times are as the client wrote
/// them: negative is expired at once, 0 never, up to 30 days relative, above absolute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation<'a> {
    /// Reads items, and perhaps touches them.
    Get(Get<'a>),
    /// Changes the expiry of an item.
    Touch {
        /// Of which.
        key: &'a [u8],
        /// The new expiry.
        exptime: i64,
        /// Whether the reply tells the item's flags.
        tells_flags: bool,
    },
    /// Stores a value.
    Store(Storage<'a>),
    /// Would store a value that is larger than allowed: it is refused, and the value before it is no longer what the client wants to be
    /// there.
    Oversized {
        /// Where to.
        key: &'a [u8],
    },
    /// Removes an item, its value or its freshness.
    Delete(Delete<'a>),
    /// Counts up or down.
    Arith(Arith<'a>),
    /// Tells in words what is known of an item.
    Inspect {
        /// Of which.
        key: &'a [u8],
    },
    /// Tells every key of the container that the connection uses.
    KeyDump {
        /// How a key is told.
        format: DumpFormat,
        /// Keys at most.
        limit: u64,
    },
    /// Empties the container that the connection uses.
    FlushAll {
        /// 0 or less: now; otherwise an expiry time after which everything that is there now is gone.
        delay: i64,
    },
    /// Tells statistics.
    Stats {
        /// What stands behind `stats`, without spaces around it; empty for the general statistics.
        args: &'a [u8],
    },
    /// Uses another container from here on.
    Bind {
        /// The container's name.
        name: &'a [u8],
    },
    /// Changes the budget of the memory store.
    MemoryLimit {
        /// 8 to 10^9 MiB.
        megabytes: u32,
    },
    /// Reads the certificates again.
    RefreshCertificates,
    /// Nothing but a reply, behind those of all requests before it.
    Noop,
    /// Tells the version.
    Version,
    /// Tells how to log in.
    Mechanisms,
    /// Logs in, or begins to.
    Login {
        /// Name of SASL's mechanism.
        mechanism: &'a [u8],
        /// What the mechanism says.
        data: &'a [u8],
        /// Whether it is a step of a conversation that was not begun.
        step: bool,
    },
    /// Is told from here on what others do, and asks nothing more.
    Watch {
        /// Of what.
        streams: Streams,
    },
    /// Steers what there is nothing of here.
    Tune {
        /// The command line.
        line: &'a [u8],
    },
    /// Closes the connection after the replies before it.
    Quit,
    /// Is wrong in itself: nothing but its reply happens.
    Refused(Refused),
}

/// What a connection may watch, as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Streams(u8);

impl Streams {
    /// None of them.
    pub const NONE: Streams = Streams(0);
    /// Keys that are read.
    pub const FETCHERS: Streams = Streams(1);
    /// Values that are stored, or refused.
    pub const MUTATIONS: Streams = Streams(1 << 1);
    /// Items that make room for others.
    pub const EVICTIONS: Streams = Streams(1 << 2);
    /// Connections that come and go.
    pub const CONNECTIONS: Streams = Streams(1 << 3);
    /// Items that are deleted.
    pub const DELETIONS: Streams = Streams(1 << 4);
    /// All of them.
    pub const ALL: Streams = Streams(0x1f);

    /// Both.
    pub fn and(self, other: Streams) -> Streams {
        Streams(self.0 | other.0)
    }

    /// Whether one of `other` is among them.
    pub fn has(self, other: Streams) -> bool {
        self.0 & other.0 != 0
    }

    /// A bit for each.
    pub fn bits(self) -> u8 {
        self.0
    }
}

/// The reply to a request that is wrong in itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// A whole line with its end; empty when the client wants no answer.
    Line(&'static [u8]),
    /// A packet with this status.
    Packet {
        /// What is wrong.
        status: Status,
        /// Whether the connection ends with the reply: nobody knows where the next packet begins.
        close: bool,
    },
}

/// The read of one or more items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Get<'a> {
    /// What to read, answered in this order.
    pub keys: Keys<'a>,
    /// Whether these are all keys of its line.
    pub part: Part,
    /// Whether the replies carry the cas number.
    pub with_cas: bool,
    /// Whether the replies carry the value.
    pub with_value: bool,
    /// A new expiry for every hit.
    pub touch: Option<i64>,
    /// The cas number of the value that the client has already and is not sent again.
    pub known: Option<u64>,
    /// What makes the client the one that renews the item. Only with one key.
    pub renewal: Option<Renewal>,
}

/// When a read tells its client to renew an item, and what it leaves for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewal {
    /// Where the item has fewer seconds to live than this.
    pub below: Option<i64>,
    /// Where there is none: an empty one is created with this expiry.
    pub create: Option<i64>,
    /// The cas number of one that is created, instead of a new one.
    pub cas: Option<u64>,
    /// Whether the read counts as one.
    pub reads: bool,
}

/// Under which condition a value is stored, and what becomes of the one that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreMode {
    /// Always.
    Set,
    /// If the key is absent.
    Add,
    /// If the key is there.
    Replace,
    /// Behind the value that is there, whose flags and expiry stay.
    Append,
    /// Before the value that is there, whose flags and expiry stay.
    Prepend,
}

/// A value to store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storage<'a> {
    /// Under which condition.
    pub mode: StoreMode,
    /// Where to.
    pub key: &'a [u8],
    /// Any bytes.
    pub value: &'a [u8],
    /// Opaque to the server.
    pub flags: u32,
    /// When the value expires.
    pub exptime: i64,
    /// The cas number that the item must have.
    pub compare: Option<u64>,
    /// The cas number that it gets, instead of a new one.
    pub cas: Option<u64>,
    /// Where there is nothing to extend: store it with this expiry.
    pub create: Option<i64>,
    /// Whether a value whose `compare` is too low is stored as a stale one.
    pub stale_if_older: bool,
    /// What the reply tells.
    pub tells: Tells,
}

impl<'a> Storage<'a> {
    /// An empty value, as the plainest command of each mode stores it.
    #[inline]
    pub fn new(mode: StoreMode, key: &'a [u8]) -> Storage<'a> {
        Storage {
            mode,
            key,
            value: b"",
            flags: 0,
            exptime: 0,
            compare: None,
            cas: None,
            create: None,
            stale_if_older: false,
            tells: Tells { cas: false, size: false, ttl: false },
        }
    }
}

/// What a reply tells beyond what the operation knows by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tells {
    /// The cas number.
    pub cas: bool,
    /// Bytes of the value.
    pub size: bool,
    /// Seconds left to live.
    pub ttl: bool,
}

/// What to remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delete<'a> {
    /// Of which item.
    pub key: &'a [u8],
    /// The cas number that it must have.
    pub compare: Option<u64>,
    /// How much of it.
    pub removal: Removal,
}

/// What a delete removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// All of it.
    Item,
    /// Its value: an empty one is stored.
    Value {
        /// The client's flags.
        flags: u32,
        /// When it expires.
        exptime: i64,
        /// As [`Storage::cas`].
        cas: Option<u64>,
        /// Whether it is stale from then on.
        stale: bool,
    },
    /// Its freshness: the next client that reads it is to renew it.
    Freshness {
        /// A new expiry.
        exptime: Option<i64>,
        /// As [`Storage::cas`].
        cas: Option<u64>,
    },
}

/// A change of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arith<'a> {
    /// Whether to add `delta` (wrapping at 2^64) or to subtract it (stopping at 0).
    pub increment: bool,
    /// Of which item.
    pub key: &'a [u8],
    /// How much.
    pub delta: u64,
    /// The cas number that it must have.
    pub compare: Option<u64>,
    /// As [`Storage::cas`].
    pub cas: Option<u64>,
    /// A new expiry.
    pub exptime: Option<i64>,
    /// What to store where there is nothing.
    pub create: Option<Initial>,
    /// What the reply tells.
    pub tells: Tells,
}

impl<'a> Arith<'a> {
    /// A step of one, and nothing else.
    #[inline]
    pub fn new(increment: bool, key: &'a [u8]) -> Arith<'a> {
        let (compare, cas, exptime, create) = (None, None, None, None);
        Arith { increment, key, delta: 1, compare, cas, exptime, create, tells: Tells::default() }
    }
}

/// A number that is stored where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Initial {
    /// The number.
    pub number: u64,
    /// When it expires.
    pub exptime: i64,
}

/// The line that a key dump writes for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DumpFormat {
    /// `ITEM <key> [<bytes> b; <deadline> s]`, ended by `END`.
    Items,
    /// `key=<key> exp=<deadline> ...`, the key URL-encoded; `OK` before, `END` behind.
    Meta,
    /// `mg <key>`, ended by `EN`; a key that would not stand in a line is in base64 with the flag `b`.
    MetaGet,
}

/// The permission that an operation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// None.
    Nothing,
    /// That for every container that its keys lead to; without keys, for the one that the connection uses.
    Items,
    /// The administrator's.
    Daemon,
}

impl<'a> Operation<'a> {
    /// What it does to items.
    #[inline]
    pub fn kind(&self) -> Kind {
        match self {
            Operation::Get(get) if get.touch.is_none() && get.renewal.is_none_or(|r| r.create.is_none()) => Kind::Read,
            Operation::Get(_)
            | Operation::Touch { .. }
            | Operation::Store(_)
            | Operation::Oversized { .. }
            | Operation::Arith(_) => Kind::Set,
            Operation::Delete(Delete { removal: Removal::Value { .. }, .. }) => Kind::Set,
            Operation::Delete(_) => Kind::Delete,
            Operation::FlushAll { .. } => Kind::Flush,
            Operation::Inspect { .. }
            | Operation::KeyDump { .. }
            | Operation::Stats { .. }
            | Operation::MemoryLimit { .. }
            | Operation::RefreshCertificates => Kind::Read,
            Operation::Bind { .. }
            | Operation::Noop
            | Operation::Version
            | Operation::Mechanisms
            | Operation::Login { .. }
            | Operation::Tune { .. }
            | Operation::Watch { .. }
            | Operation::Quit
            | Operation::Refused(_) => Kind::Idle,
        }
    }

    /// Whether it can be answered without a commit.
    #[inline]
    pub fn is_read(&self) -> bool {
        self.kind().is_read()
    }

    /// The permission that it needs.
    pub fn permission(&self) -> Permission {
        match self {
            Operation::MemoryLimit { .. } | Operation::RefreshCertificates | Operation::Watch { .. } => {
                Permission::Daemon
            }
            Operation::Stats { args } if args.starts_with(b"reset") || args.starts_with(b"detail") => {
                Permission::Daemon
            }
            Operation::Stats { .. } => Permission::Nothing,
            Operation::Bind { .. } => Permission::Items,
            operation if operation.kind() == Kind::Idle => Permission::Nothing,
            _ => Permission::Items,
        }
    }

    /// The key, where there is exactly one; as the client wrote it, see [`Request::is_encoded`](super::Request::is_encoded).
    #[inline]
    pub fn key(&self) -> Option<&'a [u8]> {
        match *self {
            Operation::Get(Get { keys, .. }) => keys.is_single().then_some(keys.first()),
            Operation::Store(Storage { key, .. })
            | Operation::Arith(Arith { key, .. })
            | Operation::Delete(Delete { key, .. })
            | Operation::Touch { key, .. }
            | Operation::Oversized { key }
            | Operation::Inspect { key } => Some(key),
            _ => None,
        }
    }

    /// How many values the reply may carry.
    #[inline]
    pub fn values(&self) -> usize {
        match self {
            Operation::Get(get) if get.with_value => get.keys.len_hint(),
            _ => 0,
        }
    }

    /// What planning asks of it, at once.
    #[inline(always)]
    pub fn outline(&self) -> Outline {
        let kind = self.kind();
        match self {
            Operation::Get(get) => {
                let keys = get.keys.len_hint();
                Outline { kind, keys, carries: get.with_value, streams: self.is_stream(), goes_on: !get.part.ends() }
            }
            _ => Outline { kind, keys: 1, carries: false, streams: self.is_stream(), goes_on: false },
        }
    }

    /// Whether it may stream rows or lines for many ticks; it is planned alone.
    #[inline]
    pub fn is_stream(&self) -> bool {
        match self {
            Operation::Get(get) => get.part.begins() && may_be_range(get.keys.first()),
            Operation::KeyDump { .. } | Operation::Watch { .. } => true,
            _ => false,
        }
    }

    /// The value that it stores unconditionally, if that is all it does.
    #[inline]
    pub fn plain_set(&self) -> Option<&Storage<'a>> {
        match self {
            Operation::Store(store)
                if store.mode == StoreMode::Set && store.compare.is_none() && store.cas.is_none() =>
            {
                Some(store)
            }
            _ => None,
        }
    }

    /// The same on another key, where it has one.
    pub(super) fn with_key<'b>(self, new: &'b [u8]) -> Operation<'b>
    where
        'a: 'b,
    {
        match self {
            Operation::Get(get) => Operation::Get(Get { keys: Keys::one(new), ..get }),
            Operation::Store(store) => Operation::Store(Storage { key: new, ..store }),
            Operation::Delete(delete) => Operation::Delete(Delete { key: new, ..delete }),
            Operation::Arith(arith) => Operation::Arith(Arith { key: new, ..arith }),
            Operation::Inspect { .. } => Operation::Inspect { key: new },
            Operation::Oversized { .. } => Operation::Oversized { key: new },
            other => other,
        }
    }
}

/// A range is `@` and a comparison, perhaps behind a container's name; whether the key is one only its container can tell.
#[inline]
fn may_be_range(key: &[u8]) -> bool {
    match key {
        [b'@', b'<' | b'>', ..] => true,
        [b'@', b'@', name @ ..] => name.windows(2).any(|pair| matches!(pair, [b'@', b'<' | b'>'])),
        _ => false,
    }
}
