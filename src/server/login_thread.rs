//! The login thread: it checks one password after the other.

mod accounts;

use super::admission::Verdict;
use super::login::{Logins, Question, Who};
use super::mailbox::Mailbox;
use super::shared::Shared;
use crate::auth::User;
use crate::boundary::catch;
use accounts::Keeper;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the answer to a wrong password waits.
const DELAY: Duration = Duration::from_secs(1);

/// The body of the login thread.
pub fn run(shared: &Shared, mailboxes: &[Arc<Mailbox>]) {
    let Some(logins) = &shared.logins else { return };
    // Declared first: the accounts' session ends before the thread leaves the host.
    let _attached = match &logins.who {
        Who::File(_) => None,
        Who::Accounts => match shared.host.attach_thread() {
            Ok(attached) => Some(attached),
            Err(error) => return log::error!("DM1411: nobody can log in: {error}"),
        },
    };
    let mut accounts = matches!(logins.who, Who::Accounts).then(|| Keeper::new(shared, mailboxes));
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
        let due = [delayed.front().map(|(due, ..)| *due), accounts.as_ref().and_then(Keeper::due)];
        let question = next(shared, logins, due.into_iter().flatten().min());
        // Between two logins, so that neither waits for all of the other.
        if let Some(accounts) = accounts.as_mut().filter(|accounts| accounts.due().is_some_and(|due| due <= now)) {
            catch(|| accounts.work())
                .unwrap_or_else(|defect| log::error!("DM1412: the accounts that are inside: {defect}"));
        }
        let Some(question) = question.filter(|question| !question.abandoned()) else { continue };
        let Question { worker, conn, ticket, name, password } = question;
        let checked = catch(|| check(&logins.who, accounts.as_mut(), &name, &password));
        match checked.unwrap_or_else(|defect| Err(defect.to_string())) {
            Ok(user) => tell(worker, Verdict::new(conn, ticket, Some(user))),
            Err(reason) => {
                let shown = name.get(..64).unwrap_or(&name);
                shared.complain(|| format!("DM1413: a login as \"{}\" failed: {reason}", shown.escape_ascii()));
                // The delay is the same for all: whoever came first is due first.
                delayed.push_back((Instant::now() + DELAY, worker, Verdict::new(conn, ticket, None)));
            }
        }
    }
}

/// Who it is, or why nobody gets in.
fn check(who: &Who, accounts: Option<&mut Keeper<'_>>, name: &[u8], password: &[u8]) -> Result<Arc<User>, String> {
    match (who, accounts) {
        (Who::File(file), _) => {
            let users = file.users();
            users.check(name, password).ok_or_else(|| "the users file has no such user with that password".into())
        }
        (Who::Accounts, Some(accounts)) => accounts.check(name, password).map_err(|error| error.to_string()),
        (Who::Accounts, None) => Err("the host has no accounts".into()),
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
