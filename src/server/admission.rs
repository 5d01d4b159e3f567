//! Who may ask for what: whether a connection has logged in, what a request demands, and what credentials look like.

use crate::auth::{Right, User};
use crate::protocol::operation::{Permission, Refused, StoreMode};
use crate::protocol::reply::{self, Out};
use crate::protocol::{Denial, Operation, Outcome, Request, Style};
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
    /// The name, whether there is such a user or not.
    pub name: Vec<u8>,
    /// The password, right or wrong.
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
    match (&request.operation, &request.style) {
        (Operation::Login { mechanism, data, step: false }, _) if mechanism.eq_ignore_ascii_case(b"PLAIN") => {
            match plain(data) {
                Some((name, password)) => login(request, name, password),
                None => Entry::Free,
            }
        }
        _ if !stranger => Entry::Free,
        (_, Style::Packet(style)) if style.is_of_login() => Entry::Free,
        // As in memcached: key, flags and exptime may be anything, and the value is `name password`.
        (Operation::Store(store), Style::Text { .. }) if store.mode == StoreMode::Set && store.compare.is_none() => {
            let space = memchr::memchr(b' ', store.value).unwrap_or(store.value.len());
            match (store.value.get(..space), store.value.get(space + 1..)) {
                (Some(name), Some(password)) if !name.is_empty() && !password.is_empty() => {
                    login(request, name, password)
                }
                _ => Entry::Denied(Denial::Stranger("bad authentication token format")),
            }
        }
        (Operation::Quit, Style::Text { .. }) => Entry::Free,
        (Operation::Oversized { .. } | Operation::Refused(Refused::Line(reply::TOO_LARGE)), _) => {
            Entry::Denied(Denial::Stranger("auth token too long"))
        }
        (Operation::Refused(Refused::Line(reply::BAD_DATA_CHUNK)), _) => {
            Entry::Denied(Denial::Stranger("bad command line termination"))
        }
        _ => Entry::Denied(Denial::Stranger("unauthenticated")),
    }
}

fn login(request: &Request<'_>, name: &[u8], password: &[u8]) -> Entry {
    let worded = |outcome| {
        let mut reply = Out::new();
        request.answer(&outcome, &mut reply);
        reply
    };
    Entry::Login(Box::new(Attempt {
        name: name.to_vec(),
        password: password.to_vec(),
        accepted: worded(Outcome::LoggedIn),
        refused: worded(Outcome::Denied(Denial::Login)),
    }))
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
pub fn demand(operation: &Operation<'_>) -> Demand {
    match operation.permission() {
        Permission::Nothing => Demand::Nothing,
        Permission::Daemon => Demand::Daemon,
        Permission::Items => Demand::Container(if operation.is_read() { Right::Read } else { Right::Write }),
    }
}
