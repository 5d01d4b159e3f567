//! How other threads reach a worker.

use super::admission::Verdict;
use super::scope::Service;
use mio::Waker;
use parking_lot::Mutex;
use socket2::Socket;

/// What waits for a worker.
pub struct Mailbox {
    /// New connections, and what their listener offers.
    pub(super) sockets: Mutex<Vec<(Socket, Service)>>,
    /// How attempts to log in ended.
    pub(super) verdicts: Mutex<Vec<Verdict>>,
    waker: Waker,
}

impl Mailbox {
    /// An empty one, whose owner `waker` wakes.
    pub fn new(waker: Waker) -> Mailbox {
        Mailbox { sockets: Mutex::default(), verdicts: Mutex::default(), waker }
    }

    /// Hands a new connection over.
    pub fn give(&self, socket: Socket, service: Service) {
        self.sockets.lock().push((socket, service));
        self.wake();
    }

    /// Tells how an attempt to log in ended.
    pub fn tell(&self, verdict: Verdict) {
        self.verdicts.lock().push(verdict);
        self.wake();
    }

    /// Makes the worker look at the daemon's flags.
    pub fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            log::error!("cannot wake a worker: {error}");
        }
    }
}
