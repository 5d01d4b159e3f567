//! Logging in, with users of a file or with accounts of the host. Checking a password takes tens of milliseconds on purpose, or waits for
//! the host, so it happens on a thread of its own; the connection that asked is neither read nor answered until the verdict is in its worker's
//! mailbox, and holds up nobody else.
//!
//! ```text
//!   worker: tick meets credentials ─► queue (bounded, addresses take turns) ─► login thread: argon2id or the host ─► mailbox of the worker: reply, go on
//! ```
//!
//! A wrong password is answered after a second, and after [`TRIES`](super::admission::TRIES) of them the connection is closed. A right one counts for the
//! connection alone. The supervisor reloads a users file that changed; connections keep what they had until they log in again. Those of
//! accounts follow what the host says of them.

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

/// Whom clients may log in as.
pub(super) enum Who {
    /// Users of a file.
    File(UsersFile),
    /// Accounts of the host.
    Accounts,
}

/// A users file, and what stood in it last.
pub(super) struct UsersFile {
    path: PathBuf,
    users: Mutex<Arc<Users>>,
    watched: Mutex<Watched>,
}

impl UsersFile {
    /// The users.
    pub(super) fn users(&self) -> Arc<Users> {
        Arc::clone(&self.users.lock())
    }
}

/// Whom clients may log in as, and the attempts that wait.
pub struct Logins {
    pub(super) who: Who,
    pub(super) queue: Mutex<Queue>,
    pub(super) news: Condvar,
}

impl Logins {
    /// Reads the users file.
    ///
    /// # Errors
    /// See [`Users::load`].
    pub fn of_file(path: &Path) -> Result<Logins, FileError> {
        let watched = Mutex::new(Watched::new(vec![path.to_owned()]));
        let users = Users::load(path)?;
        let file = UsersFile { path: path.to_owned(), users: Mutex::new(Arc::new(users)), watched };
        Ok(Logins::of(Who::File(file)))
    }

    /// With accounts of the host.
    pub fn of_accounts() -> Logins {
        Logins::of(Who::Accounts)
    }

    fn of(who: Who) -> Logins {
        Logins { who, queue: Mutex::default(), news: Condvar::new() }
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
        let Who::File(UsersFile { path, users: known, watched }) = &self.who else { return };
        if !watched.lock().changed() {
            return;
        }
        match Users::load(path) {
            Ok(users) => {
                *known.lock() = Arc::new(users);
                log::info!("DM1409: the users file {} was read again", path.display());
            }
            Err(error) => log::error!("DM1410: the users stay as they were: {error}"),
        }
    }

    /// Makes the login thread look at the stop flag.
    pub fn wake(&self) {
        let _queue = self.queue.lock();
        self.news.notify_one();
    }
}
