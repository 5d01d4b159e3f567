//! The login thread: it checks one password after the other.

use super::admission::Verdict;
use super::login::{Logins, Question};
use super::mailbox::Mailbox;
use super::shared::Shared;
use crate::boundary::catch;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the answer to a wrong password waits.
const DELAY: Duration = Duration::from_secs(1);

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
        let user = catch(|| users.check(&name, &password)).unwrap_or_else(|defect| {
            log::error!("the check of a login: {defect}; it is refused");
            None
        });
        let verdict = Verdict::new(conn, ticket, user);
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
    queue.pop()
}
