//! Why a function got no answer, and who hears of it.

use super::error::ArgumentError;
use super::server;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Why a function got no answer.
#[derive(Debug)]
pub enum Failure {
    /// `memc_servers_set` was not called, or all servers are ejected.
    NoServers,
    /// The protocol cannot carry it; the rule.
    BadKey(&'static str),
    /// An argument is wrong.
    Argument(ArgumentError),
    /// The server failed a moment ago and is left alone.
    Paused,
    /// No connection.
    Connect(io::Error),
    /// The host name has no address.
    Unknown(String),
    /// Nothing within the time-out.
    Timeout,
    /// The connection broke.
    Lost(io::Error),
    /// The statement was killed.
    Killed,
    /// The server's words.
    Refused(String),
    /// The server speaks another protocol.
    Garbled,
}

impl Failure {
    /// Whether the server is to be left alone for a while.
    pub fn is_servers(&self) -> bool {
        matches!(self, Failure::Connect(_) | Failure::Unknown(_) | Failure::Lost(_) | Failure::Garbled)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::NoServers => f.write_str("there is no server, name some with memc_servers_set('host:port,...')"),
            Failure::BadKey(rule) => f.write_str(rule),
            Failure::Argument(error) => error.fmt(f),
            Failure::Paused => f.write_str("the server failed a moment ago and is not asked for a while"),
            Failure::Connect(e) => write!(f, "cannot connect: {e}"),
            Failure::Unknown(why) => write!(f, "cannot find the host's address: {why}"),
            Failure::Timeout => f.write_str("no answer within the time-out"),
            Failure::Lost(e) => write!(f, "the connection broke: {e}"),
            Failure::Killed => f.write_str("the statement was killed"),
            Failure::Refused(words) => write!(f, "the server refused: {words}"),
            Failure::Garbled => f.write_str("the server's answer is not one of memcached's"),
        }
    }
}

/// Between two warnings.
const QUIET: Duration = Duration::from_secs(60);

/// Failures since the last warning, and when (milliseconds of [`super::clock`], 0 for never) that was.
static UNSAID: AtomicU64 = AtomicU64::new(0);
static SAID: AtomicU64 = AtomicU64::new(0);

/// Tells of a failure: one warning a minute in the log, however many there are, and the statement fails if that is wanted.
///
/// A server that is left alone was told of when it failed, and who kills a statement knows.
pub fn tell(function: &str, server: Option<&dyn fmt::Display>, failure: &Failure, fail_statement: bool) {
    if matches!(failure, Failure::Killed) {
        return;
    }
    let place = server.map_or_else(String::new, |server| format!(" of {server}"));
    let text = format!("{function}{place}: {failure}");
    let unsaid = UNSAID.fetch_add(1, Ordering::Relaxed);
    let (now, said) = (super::clock(), SAID.load(Ordering::Relaxed));
    let due = said == 0 || now.saturating_sub(said) >= QUIET.as_millis() as u64;
    if due && SAID.compare_exchange(said, now.max(1), Ordering::Relaxed, Ordering::Relaxed).is_ok() {
        UNSAID.fetch_sub(unsaid + 1, Ordering::Relaxed);
        match unsaid {
            0 => server::warn(&text),
            n => server::warn(&format!("{text} ({n} more failures since the last warning)")),
        }
    }
    if fail_statement {
        server::fail_statement(&text);
    }
}
