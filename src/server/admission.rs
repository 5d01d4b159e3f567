//! Who may ask for what: whether a connection has logged in, what a request demands, and what credentials look like.

use super::operation::{is_idle, is_read};
use super::outcome::Denial;
use crate::auth::{Right, User};
use crate::protocol::binary::reply::Answer;
use crate::protocol::binary::{self, Command, Status};
use crate::protocol::reply::Out;
use crate::protocol::{Request, StoreVerb, reply};
use std::sync::Arc;

/// Wrong passwords after which a connection is closed.
pub const TRIES: u8 = 3;

/// Largest value that a connection may send before it has logged in; credentials are smaller.
pub const VALUE_MAX: usize = 1024;

/// Whether a connection may ask, and for what.
#[derive(Debug, Clone)]
pub enum Access {
    /// Nobody has to log in.
    Open,
    /// It has to log in first.
    Stranger,
    /// It logged in.
    User(Arc<User>),
}

impl Access {
    /// The name of who logged in.
    pub fn user(&self) -> Option<&str> {
        match self {
            Access::User(user) => Some(user.name()),
            Access::Open | Access::Stranger => None,
        }
    }
}

/// Credentials that a client sent, and how its protocol words the answers.
#[derive(Debug, PartialEq, Eq)]
pub struct Attempt {
    /// As sent.
    pub name: Vec<u8>,
    /// As sent.
    pub password: Vec<u8>,
    /// The whole reply if they are right.
    pub accepted: Out,
    /// The whole reply if not.
    pub refused: Out,
}

/// How a request stands to logging in.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry {
    /// Nobody has to log in for it.
    Free,
    /// It is the log-in.
    Login(Box<Attempt>),
    /// Not before the log-in.
    Denied(Denial),
}

/// What a connection that waits for its verdict keeps.
#[derive(Debug)]
pub struct Pending {
    ticket: Arc<()>,
    /// See [`Attempt`].
    pub accepted: Out,
    /// See [`Attempt`].
    pub refused: Out,
}

/// The verdict on an attempt.
#[derive(Debug)]
pub struct Verdict {
    /// Key of the connection in its worker's slab.
    pub conn: usize,
    ticket: Arc<()>,
    /// Who it is, if the password was right.
    pub user: Option<Arc<User>>,
}

impl Verdict {
    /// On the attempt of connection `conn` that has this ticket.
    pub fn new(conn: usize, ticket: Arc<()>, user: Option<Arc<User>>) -> Verdict {
        Verdict { conn, ticket, user }
    }
}

impl Pending {
    /// What a connection keeps whose attempt goes to the login thread with the other half of `ticket`.
    pub fn new(ticket: Arc<()>, accepted: Out, refused: Out) -> Pending {
        Pending { ticket, accepted, refused }
    }

    /// Whether the verdict is on this attempt, and not on one of an earlier connection with the same key.
    pub fn is_answered_by(&self, verdict: &Verdict) -> bool {
        Arc::ptr_eq(&self.ticket, &verdict.ticket)
    }
}

/// How a request of a connection stands to logging in. `stranger`: the connection has not logged in.
pub fn entry(request: &Request<'_>, stranger: bool) -> Entry {
    match request {
        Request::Binary(request) => packet_entry(request, stranger),
        _ if !stranger => Entry::Free,
        // As in memcached: key, flags and exptime may be anything, and the value is `name password`.
        Request::Store { verb: StoreVerb::Set, value, .. } => {
            let space = memchr::memchr(b' ', value).unwrap_or(value.len());
            match (value.get(..space), value.get(space + 1..)) {
                (Some(name), Some(password)) if !name.is_empty() && !password.is_empty() => {
                    Entry::Login(Box::new(Attempt {
                        name: name.to_vec(),
                        password: password.to_vec(),
                        accepted: reply::STORED.into(),
                        refused: b"CLIENT_ERROR authentication failure\r\n"[..].into(),
                    }))
                }
                _ => Entry::Denied(Denial::Stranger("bad authentication token format")),
            }
        }
        Request::Quit => Entry::Free,
        Request::Refused { reply: reply::TOO_LARGE } => Entry::Denied(Denial::Stranger("auth token too long")),
        _ => Entry::Denied(Denial::Stranger("unauthenticated")),
    }
}

fn packet_entry(request: &binary::Request<'_>, stranger: bool) -> Entry {
    match request.command {
        Command::Login { mechanism, data } if mechanism.eq_ignore_ascii_case(b"PLAIN") => match plain(data) {
            Some((name, password)) => Entry::Login(Box::new(Attempt {
                name: name.to_vec(),
                password: password.to_vec(),
                accepted: verdict(request, Status::Success, "Authenticated"),
                refused: verdict(request, Status::AuthError, Status::AuthError.text()),
            })),
            None => Entry::Free,
        },
        // As in memcached nothing else is answered, whatever is wrong with it.
        _ if stranger && !matches!(request.opcode, 0x0b | 0x20..=0x22) => {
            Entry::Denied(Denial::Stranger("unauthenticated"))
        }
        _ => Entry::Free,
    }
}

/// A whole answer to a login.
fn verdict(request: &binary::Request<'_>, status: Status, text: &str) -> Out {
    let mut packet = Out::new();
    let value = text.as_bytes();
    binary::reply::answer(&mut packet, request, &Answer { status, value, ..Answer::SUCCESS });
    packet
}

/// Name and password of SASL's mechanism PLAIN: `[on behalf of] NUL name NUL password`. Nobody may act on behalf of another.
fn plain(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = data.split(|byte| *byte == 0);
    let (behalf, name, password) = (parts.next()?, parts.next()?, parts.next()?);
    let own = behalf.is_empty() || behalf == name;
    (own && parts.next().is_none()).then_some((name, password))
}

/// What a user must be allowed for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Nothing but to be a user.
    Nothing,
    /// This, for every container that its keys lead to; without keys, for the one that the connection is switched to.
    Container(Right),
    /// To administer: `*=rw`.
    Daemon,
}

/// What a user must be allowed for a request.
pub fn demand(request: &Request<'_>) -> Demand {
    match request {
        Request::MemoryLimit { .. } | Request::RefreshCertificates => Demand::Daemon,
        Request::Stats { args } | Request::Binary(binary::Request { command: Command::Stats { args }, .. }) => {
            match args.starts_with(b"reset") || args.starts_with(b"detail") {
                true => Demand::Daemon,
                false => Demand::Nothing,
            }
        }
        Request::Binary(_) | Request::Meta(_) if is_idle(request) => Demand::Nothing,
        Request::Version
        | Request::Verbosity { .. }
        | Request::Quit
        | Request::Shutdown { .. }
        | Request::Refused { .. } => Demand::Nothing,
        request if is_read(request) => Demand::Container(Right::Read),
        _ => Demand::Container(Right::Write),
    }
}
