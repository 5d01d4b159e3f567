//! Logging in. Checking a password takes tens of milliseconds on purpose, so it happens on a thread of its own; the connection that asked
//! is neither read nor answered until the verdict is in its worker's mailbox, and holds up nobody else.
//!
//! ```text
//!   worker: tick meets credentials ─► queue (bounded) ─► login thread: argon2id ─► mailbox of the worker: reply, go on
//! ```
//!
//! A wrong password is answered after [`DELAY`], and after [`TRIES`] of them the connection is closed. A right one counts for the
//! connection alone. The supervisor reloads a users file that changed; connections keep what they had until they log in again.

use super::Shared;
use super::execute::{is_idle, is_read};
use super::watched::Watched;
use super::worker::Mailbox;
use crate::auth::{Right, User, Users};
use crate::protocol::binary::reply::Answer;
use crate::protocol::binary::{self, Command, Status};
use crate::protocol::{Request, StoreVerb, reply};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the answer to a wrong password waits.
const DELAY: Duration = Duration::from_secs(1);

/// Wrong passwords after which a connection is closed.
pub const TRIES: u8 = 3;

/// Largest value that a connection may send before it has logged in; credentials are smaller.
pub const VALUE_MAX: usize = 1024;

/// Attempts that wait for the login thread.
const QUEUE_MAX: usize = 1024;

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
    pub accepted: Vec<u8>,
    /// The whole reply if not.
    pub refused: Vec<u8>,
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

/// Why a request is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The connection has to log in first; with the words of the text protocol.
    Stranger(&'static str),
    /// The user has no right to it.
    Forbidden,
}

impl Denial {
    /// Answers a text request.
    #[cold]
    pub fn write_text(self, silent: bool, out: &mut Vec<u8>) {
        match self {
            // As in memcached this is said even to `noreply`.
            Denial::Stranger(text) => reply::client_error(out, text),
            Denial::Forbidden if silent => {}
            Denial::Forbidden => reply::server_error(out, "permission denied"),
        }
    }
}

/// What a connection that waits for its verdict keeps.
#[derive(Debug)]
pub struct Pending {
    ticket: Arc<()>,
    /// See [`Attempt`].
    pub accepted: Vec<u8>,
    /// See [`Attempt`].
    pub refused: Vec<u8>,
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

impl Pending {
    /// Whether the verdict is on this attempt, and not on one of an earlier connection with the same key.
    pub fn is_answered_by(&self, verdict: &Verdict) -> bool {
        Arc::ptr_eq(&self.ticket, &verdict.ticket)
    }
}

/// An attempt on its way to the login thread.
struct Question {
    worker: usize,
    conn: usize,
    ticket: Arc<()>,
    name: Vec<u8>,
    password: Vec<u8>,
}

/// The users, and the attempts that wait.
pub struct Logins {
    path: PathBuf,
    users: Mutex<Arc<Users>>,
    watched: Mutex<Watched>,
    queue: Mutex<VecDeque<Question>>,
    news: Condvar,
}

impl Logins {
    /// Reads the users file.
    ///
    /// # Errors
    /// See [`Users::load`].
    pub fn new(path: &Path) -> Result<Logins, String> {
        let watched = Watched::new(vec![path.to_owned()]);
        let users = Users::load(path).map_err(|e| format!("option -Y: {e}"))?;
        Ok(Logins {
            path: path.to_owned(),
            users: Mutex::new(Arc::new(users)),
            watched: Mutex::new(watched),
            queue: Mutex::default(),
            news: Condvar::new(),
        })
    }

    /// Hands an attempt to the login thread.
    ///
    /// # Errors
    /// Too many wait already; the attempt comes back.
    pub fn submit(&self, worker: usize, conn: usize, attempt: Attempt) -> Result<Pending, Attempt> {
        let mut queue = self.queue.lock();
        // Whoever left meanwhile takes no place.
        if queue.len() >= QUEUE_MAX {
            queue.retain(|question| !question.abandoned());
        }
        if queue.len() >= QUEUE_MAX {
            return Err(attempt);
        }
        let Attempt { name, password, accepted, refused } = attempt;
        let ticket = Arc::new(());
        queue.push_back(Question { worker, conn, ticket: Arc::clone(&ticket), name, password });
        self.news.notify_one();
        Ok(Pending { ticket, accepted, refused })
    }

    /// Reads the users file again if it changed; a broken one changes nothing.
    pub fn follow_file(&self) {
        if !self.watched.lock().changed() {
            return;
        }
        match Users::load(&self.path) {
            Ok(users) => {
                *self.users.lock() = Arc::new(users);
                log::info!("the users file {} was read again", self.path.display());
            }
            Err(error) => log::error!("the users stay as they were: {error}"),
        }
    }

    /// Makes the login thread look at the stop flag.
    pub fn wake(&self) {
        let _queue = self.queue.lock();
        self.news.notify_one();
    }
}

impl Question {
    /// Whether its connection is closed: it holds the other half of the ticket.
    fn abandoned(&self) -> bool {
        Arc::strong_count(&self.ticket) == 1
    }
}

/// The body of the login thread.
pub fn run(shared: &Shared, mailboxes: &[Arc<Mailbox>]) {
    let Some(logins) = &shared.logins else { return };
    let tell = |worker: usize, verdict| {
        if let Some(mailbox) = mailboxes.get(worker) {
            mailbox.tell(verdict);
        }
    };
    let mut delayed: VecDeque<(Instant, usize, Verdict)> = VecDeque::new();
    while !shared.stopping() {
        let now = Instant::now();
        while delayed.front().is_some_and(|(due, ..)| *due <= now) {
            if let Some((_, worker, verdict)) = delayed.pop_front() {
                tell(worker, verdict);
            }
        }
        let Some(question) = next(shared, logins, delayed.front().map(|(due, ..)| *due)) else { continue };
        if question.abandoned() {
            continue;
        }
        let Question { worker, conn, ticket, name, password } = question;
        let users = Arc::clone(&logins.users.lock());
        let user = catch_unwind(AssertUnwindSafe(|| users.check(&name, &password))).unwrap_or_default();
        let verdict = Verdict { conn, ticket, user };
        if verdict.user.is_some() {
            tell(worker, verdict);
        } else {
            let shown = name.get(..64).unwrap_or(&name);
            shared.complain(|| format!("a login as \"{}\" failed", shown.escape_ascii()));
            // The delay is the same for all: whoever came first is due first.
            delayed.push_back((Instant::now() + DELAY, worker, verdict));
        }
    }
}

/// Waits for an attempt until `due`; `None` when it is time to look around.
fn next(shared: &Shared, logins: &Logins, due: Option<Instant>) -> Option<Question> {
    let mut queue = logins.queue.lock();
    if queue.is_empty() && !shared.stopping() {
        match due {
            Some(due) => _ = logins.news.wait_until(&mut queue, due),
            None => logins.news.wait(&mut queue),
        }
    }
    queue.pop_front()
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
                        accepted: reply::STORED.to_vec(),
                        refused: b"CLIENT_ERROR authentication failure\r\n".to_vec(),
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
fn verdict(request: &binary::Request<'_>, status: Status, text: &str) -> Vec<u8> {
    let mut packet = Vec::new();
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
