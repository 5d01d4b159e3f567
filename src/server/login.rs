//! Logging in. Checking a password takes tens of milliseconds on purpose, so it happens on a thread of its own; the connection that asked
//! is neither read nor answered until the verdict is in its worker's mailbox, and holds up nobody else.
//!
//! ```text
//!   worker: tick meets credentials ─► queue (bounded, addresses take turns) ─► login thread: argon2id ─► mailbox of the worker: reply, go on
//! ```
//!
//! A wrong password is answered after a second, and after [`TRIES`](super::admission::TRIES) of them the connection is closed. A right one counts for the
//! connection alone. The supervisor reloads a users file that changed; connections keep what they had until they log in again.

mod queue;

use super::admission::{Attempt, Pending};
use super::watched::Watched;
use crate::auth::{FileError, Users};
use crate::protocol::reply::Out;
use parking_lot::{Condvar, Mutex};
use queue::Queue;
pub use queue::{Origin, Question};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The users, and the attempts that wait.
pub struct Logins {
    path: PathBuf,
    pub(super) users: Mutex<Arc<Users>>,
    watched: Mutex<Watched>,
    pub(super) queue: Mutex<Queue>,
    pub(super) news: Condvar,
}

impl Logins {
    /// Reads the users file.
    ///
    /// # Errors
    /// See [`Users::load`].
    pub fn new(path: &Path) -> Result<Logins, FileError> {
        let watched = Watched::new(vec![path.to_owned()]);
        let users = Users::load(path)?;
        Ok(Logins {
            path: path.to_owned(),
            users: Mutex::new(Arc::new(users)),
            watched: Mutex::new(watched),
            queue: Mutex::default(),
            news: Condvar::new(),
        })
    }

    /// Hands an attempt of a client at `origin` to the login thread.
    ///
    /// # Errors
    /// Too many wait already, of all clients or of those there; the refusal comes back.
    pub fn submit(&self, worker: usize, conn: usize, origin: Origin, attempt: Attempt) -> Result<Pending, Out> {
        let Attempt { name, password, accepted, refused } = attempt;
        let ticket = Arc::new(());
        let question = Question { worker, conn, ticket: Arc::clone(&ticket), name, password };
        if !self.queue.lock().push(origin, question) {
            return Err(refused);
        }
        self.news.notify_one();
        Ok(Pending::new(ticket, accepted, refused))
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
