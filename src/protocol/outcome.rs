//! How an operation ended: what an executor finds out, and the formatters put into words.

use std::borrow::Cow;

/// How an operation ended, or a part of its reply. What it means for the wire is the formatters' business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'o> {
    /// Done, with nothing to tell.
    Done,
    /// A value was stored.
    Stored {
        /// Its cas number, 0 where it is not known.
        cas: u64,
        /// Bytes of the item's value.
        size: usize,
    },
    /// The condition did not hold.
    NotStored,
    /// The cas number is another one.
    Exists,
    /// There is no such item.
    NotFound,
    /// A hit of a read, or one item of a stream.
    Value(Value<'o>),
    /// A number was changed or created.
    Number {
        /// What it is now.
        number: u64,
        /// Its cas number, 0 where it is not known.
        cas: u64,
        /// Seconds left to live, -1 for no end, where the reply tells it.
        ttl: Option<i64>,
    },
    /// The value is no number.
    NonNumeric,
    /// The first of a stream is about to come.
    Begin,
    /// The last hit, statistic or item of a stream was told.
    End,
    /// What was asked for, in words.
    Text(&'o str),
    /// One statistic: its name and its value.
    Statistic(&'o str, &'o str),
    /// Statistics as lines, each with its end.
    Lines(&'o [u8]),
    /// The statistics were reset.
    Reset,
    /// There is nothing of that name to be told or done here.
    Unknown,
    /// The arguments are not those of `stats detail`.
    DetailUsage,
    /// The login goes on.
    Continue,
    /// The login succeeded.
    LoggedIn,
    /// Not done, for this reason.
    Failed(&'o Fault),
    /// Not allowed.
    Denied(Denial),
}

/// An item as it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'o> {
    /// The key, in a read with the name of its container as the client wrote it.
    pub name: &'o [u8],
    /// The client's flags.
    pub flags: u32,
    /// The cas number.
    pub cas: u64,
    /// Unix time in seconds at which it expires, 0 for never.
    pub deadline: i64,
    /// The value.
    pub value: &'o [u8],
    /// What is known of its history, where the reply may tell it.
    pub history: Option<&'o History>,
}

/// What became of an item before it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// Unix time in seconds of the read.
    pub now: i64,
    /// Whether it was read before.
    pub hit: bool,
    /// Seconds since it was read last.
    pub idle: i64,
    /// Another client was told to renew it.
    pub sent: bool,
    /// It is stale.
    pub stale: bool,
    /// This client is to renew it.
    pub won: bool,
}

/// Why an operation was not done; nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The request is wrong.
    Client(Cow<'static, str>),
    /// The value, or what it would have grown to, is larger than allowed.
    TooLarge,
    /// Memory is full.
    OutOfMemory,
    /// The request is right, and may succeed if it is tried again.
    Temporary(Cow<'static, str>),
    /// The request is right, and failed.
    Server(Cow<'static, str>),
}

/// Why a request is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The connection has to log in first; with the words of the text protocol.
    Stranger(&'static str),
    /// Name or password are wrong.
    Login,
    /// The user has no right to it.
    Forbidden,
    /// Nobody may do it here.
    Disabled(&'static str),
}

/// Seconds that are left until a deadline, -1 for no end.
pub fn ttl(deadline: i64, now: i64) -> i64 {
    if deadline == 0 { -1 } else { deadline - now }
}
