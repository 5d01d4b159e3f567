//! Group Replication: whether this server is a member of a group, and whether the group takes writes.
//!
//! A member that has lost the majority keeps a commit waiting for as long as that lasts, and one whose sessions write no binary log
//! would keep its changes to itself. So a thread looks at the group five times a second, with a session of its own while there is one,
//! and workers ask [`refusal`] before they write.

use super::command::CommandSession;
use super::settings::SessionSettings;
use super::{session, symbols};
use crate::rows::sql::{RowSet, SqlError, SqlSession};
use crate::rows::{ColumnKind, Error};
use std::mem::transmute;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// What the last look found.
static STATE: AtomicU8 = AtomicU8::new(State::Writable as u8);

/// Whether workers may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum State {
    /// There is no group, or it is whole enough.
    Writable,
    /// The member is not online in its group.
    NotOnline,
    /// Most of the group cannot be reached.
    NoMajority,
    /// The daemon's sessions write no binary log.
    Unlogged,
}

/// What an install, or a write, is told on a member whose sessions write no binary log.
pub const UNLOGGED: &str =
    "this server is in a replication group, which needs loose_daemon_memcached_enable_binlog=ON in its configuration";

/// Why nothing may be written now; `None`: the group has nothing against it.
pub fn refusal() -> Option<Error> {
    let text = match STATE.load(Ordering::Relaxed) {
        state if state == State::Writable as u8 => return None,
        state if state == State::NotOnline as u8 => "this server is not online in its replication group",
        state if state == State::NoMajority as u8 => "this server cannot reach the majority of its replication group",
        _ => UNLOGGED,
    };
    Some(Error::Refused(text.into()))
}

/// Whether Group Replication runs in this server.
pub fn is_running() -> bool {
    let address = symbols::find(c"_Z28is_group_replication_runningv");
    // SAFETY: bool is_group_replication_running() of the server, for any thread.
    !address.is_null() && unsafe { transmute::<*mut std::ffi::c_void, unsafe extern "C" fn() -> bool>(address)() }
}

/// Looks until `stopping` says that it is over. The thread is attached.
pub fn watch(settings: SessionSettings, stopping: &dyn Fn() -> bool) {
    let mut own = None;
    while !stopping() {
        let state = match session::server_is_available() && is_running() {
            false => {
                own = None;
                State::Writable
            }
            true if !settings.binlog => State::Unlogged,
            true => look(&mut own, settings),
        };
        if STATE.swap(state as u8, Ordering::Relaxed) != state as u8 {
            match refusal() {
                Some(reason) => log::warn!("DM1107: writes are refused: {reason}"),
                None => log::info!("DM1108: writes are taken again"),
            }
        }
        std::thread::park_timeout(PAUSE);
    }
    STATE.store(State::Writable as u8, Ordering::Relaxed);
}

/// The group's state; a session that fails is replaced at the next look, and what it would have told is taken for the worst.
fn look(own: &mut Option<CommandSession>, settings: SessionSettings) -> State {
    if own.as_ref().is_none_or(CommandSession::is_lost) {
        *own = None;
        *own = CommandSession::open(settings).ok();
    }
    let found = own.as_mut().map(members);
    match found {
        Some(Ok(members)) => judge(&members),
        _ => {
            *own = None;
            State::NotOnline
        }
    }
}

/// State of each member, and whether it is this one.
fn members(own: &mut CommandSession) -> Result<Vec<(String, bool)>, SqlError> {
    let mut rows = RowSet::default();
    rows.expect(&[ColumnKind::VarChar; 2]);
    own.enter()?;
    own.query(
        "SELECT MEMBER_STATE, IF(MEMBER_ID = @@GLOBAL.server_uuid, '1', '0') FROM performance_schema.replication_group_members",
        &mut rows,
    )?;
    let text = |row, column| String::from_utf8_lossy(rows.bytes(row, column).unwrap_or_default()).into_owned();
    let members = (0..rows.len()).map(|row| (text(row, 0), text(row, 1) == "1")).collect();
    own.query("COMMIT", &mut RowSet::default())?;
    Ok(members)
}

fn judge(members: &[(String, bool)]) -> State {
    let unreachable = members.iter().filter(|(state, _)| state == "UNREACHABLE").count();
    if !members.iter().any(|(state, own)| *own && state == "ONLINE") {
        State::NotOnline
    } else if unreachable * 2 >= members.len() {
        State::NoMajority
    } else {
        State::Writable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_writes_while_it_is_online_and_most_are_reachable() {
        let members = |states: &[&str]| -> Vec<_> {
            states.iter().enumerate().map(|(i, state)| ((*state).to_owned(), i == 0)).collect()
        };
        for (states, state) in [
            (&["ONLINE", "ONLINE", "ONLINE"][..], State::Writable),
            (&["ONLINE", "ONLINE", "UNREACHABLE"], State::Writable),
            (&["ONLINE", "RECOVERING"], State::Writable),
            (&["ONLINE", "UNREACHABLE"], State::NoMajority),
            (&["ONLINE", "UNREACHABLE", "UNREACHABLE"], State::NoMajority),
            (&["RECOVERING", "ONLINE"], State::NotOnline),
            (&["ERROR"], State::NotOnline),
            (&[], State::NotOnline),
        ] {
            assert_eq!(judge(&members(states)), state, "{states:?}");
        }
    }
}
