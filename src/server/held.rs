//! Tables that stay open between two ticks.
//!
//! A client that asks for one thing and waits makes a tick of every request, and opening and closing its table is then almost half of
//! what a real server computes for it, a sixth with the bundled engine. So a worker whose ticks follow each other closely leaves the
//! tables of a tick open for the next one; in a real server those of a tick that only read. The next one still begins a transaction of its
//! own, so it sees all that was acknowledged before it, and no old version of a row is kept. What an open table keeps waiting is whoever
//! alters, drops or, in MariaDB, locks it. So everything is closed [`HELD`] after the first was opened, however busy its clients are: the
//! lock that is waited for comes first when they are opened again. A timer says when, which is set once and not at each tick.

use super::clock::Moment;
use crate::rows::Rows;
use crate::store::Store;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

/// How long tables stay open without being closed in between, give or take a tick.
const HELD: Duration = Duration::from_millis(4);

/// Pause between two ticks, in nanoseconds, that says that the next is not likely to come soon.
const PAUSE: u64 = 1_000_000;

/// So many ticks without such a pause, beyond those that pauses took back, say that it is: a timer that rings for nothing costs as much
/// as a few openings.
const BUSY: u32 = 2;

/// No more of them are counted.
const BUSY_MAX: u32 = 8;

/// So many does a pause take back: half of the most, as a busy client may have to wait for its processor now and then.
const TAKEN_BACK: u32 = 4;

/// When the tables of a worker are held, and for how long.
pub struct HeldTables {
    /// `None`: there is no timer, so nothing is held.
    timer: Option<Timer>,
    /// The timer is set.
    set: bool,
    /// It has rung, and what is open goes behind this tick.
    rang: bool,
    /// Ticks that came without a pause, less those that pauses took back.
    busy: u32,
    /// When the last tick ended.
    ended: Moment,
}

impl HeldTables {
    /// Its timer wakes whoever polls with this token.
    pub fn new(registry: &Registry, token: Token) -> HeldTables {
        let timer = Timer::new(registry, token).ok();
        HeldTables { timer, set: false, rang: false, busy: 0, ended: Moment::now() }
    }

    /// The timer has rung.
    pub fn ring(&mut self) {
        (self.set, self.rang) = (false, true);
    }

    /// A tick begins: says whether the tables that it reads should stay open.
    pub fn begin(&mut self, now: Moment) -> bool {
        let pause = now.since(self.ended) > PAUSE;
        self.busy = if pause { self.busy.saturating_sub(TAKEN_BACK) } else { (self.busy + 1).min(BUSY_MAX) };
        self.timer.is_some() && self.busy >= BUSY && !self.rang
    }

    /// A tick has ended.
    pub fn end(&mut self, now: Moment) {
        self.ended = now;
    }

    /// After a tick, or where there was none: sees to it that what is open is closed in time.
    pub fn settle<R: Rows>(&mut self, store: &mut Store<R>) {
        if std::mem::take(&mut self.rang) {
            store.release();
        }
        if store.holds() && !self.set {
            self.set = self.timer.as_ref().is_some_and(|timer| timer.set(HELD));
            if !self.set {
                store.release();
            }
        }
    }
}

/// A timer of the system's that a poller can wait for.
struct Timer(OwnedFd);

impl Timer {
    fn new(registry: &Registry, token: Token) -> std::io::Result<Timer> {
        // SAFETY: plain numbers.
        let raw = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) };
        if raw < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: just opened, and nobody else's.
        let timer = Timer(unsafe { OwnedFd::from_raw_fd(raw) });
        registry.register(&mut SourceFd(&raw), token, Interest::READABLE)?;
        Ok(timer)
    }

    /// Makes it ring once, so long from now; `false`: the system refused.
    fn set(&self, after: Duration) -> bool {
        let it_value = libc::timespec { tv_sec: after.as_secs() as libc::time_t, tv_nsec: after.subsec_nanos().into() };
        let once = libc::itimerspec { it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        // SAFETY: our descriptor, a value that lives, and no place for the old one.
        unsafe { libc::timerfd_settime(self.0.as_raw_fd(), 0, &once, ptr::null_mut()) == 0 }
    }
}
