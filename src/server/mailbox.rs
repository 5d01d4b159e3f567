//! How other threads reach a worker.

use super::admission::Verdict;
use super::scope::Service;
use crate::auth::User;
use mio::Waker;
use parking_lot::Mutex;
use socket2::Socket;
use std::sync::Arc;

/// What becomes of the connections of a user.
pub struct Renewal {
    /// The user, as they have it.
    pub old: Arc<User>,
    /// As they are to have it; `None`: they have to log in again.
    pub new: Option<Arc<User>>,
}

/// A new connection.
pub struct Arrival {
    pub(super) socket: Socket,
    /// What its listener offers.
    pub(super) service: Service,
    /// See [`Shared::connections`](super::shared::Shared::connections).
    pub(super) counted: Arc<()>,
}

/// What waits for a worker.
pub struct Mailbox {
    /// New connections.
    pub(super) arrivals: Mutex<Vec<Arrival>>,
    /// How attempts to log in ended.
    pub(super) verdicts: Mutex<Vec<Verdict>>,
    /// What users may do now. Each is behind the verdicts that it concerns.
    pub(super) renewals: Mutex<Vec<Renewal>>,
    waker: Waker,
}

impl Mailbox {
    /// An empty one, whose owner `waker` wakes.
    pub fn new(waker: Waker) -> Mailbox {
        Mailbox { arrivals: Mutex::default(), verdicts: Mutex::default(), renewals: Mutex::default(), waker }
    }

    /// Hands a new connection over.
    pub fn give(&self, arrival: Arrival) {
        self.arrivals.lock().push(arrival);
        self.wake();
    }

    /// Tells how an attempt to log in ended.
    pub fn tell(&self, verdict: Verdict) {
        self.verdicts.lock().push(verdict);
        self.wake();
    }

    /// Tells what becomes of a user's connections.
    pub fn renew(&self, renewal: Renewal) {
        self.renewals.lock().push(renewal);
        self.wake();
    }

    /// Makes the worker look at the daemon's flags.
    pub fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            log::error!("DM1415: cannot wake a worker: {error}");
        }
    }
}
