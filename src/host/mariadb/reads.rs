//! Whether rows are read through handlers or by SQL: one answer for the whole process, found when the daemon starts.

use super::handler::ThreadHandlers;
use crate::host::version::Version;
use parking_lot::Mutex;
use std::ffi::c_void;

/// What is known of the handlers.
enum Verdict {
    /// Nothing yet.
    Unknown,
    /// Rows were read through them and looked as SQL shows them.
    Trusted,
    /// They are not used, for this reason.
    Refused(String),
}

static VERDICT: Mutex<Verdict> = Mutex::new(Verdict::Unknown);

/// Nothing is known, as before the first INSTALL.
pub fn forget() {
    *VERDICT.lock() = Verdict::Unknown;
}

/// From now on the handlers are used.
pub fn trust() {
    *VERDICT.lock() = Verdict::Trusted;
    log::info!("DM1103: rows are read through handlers");
}

/// From now on they are not.
pub fn refuse(reason: &str) {
    let mut verdict = VERDICT.lock();
    if !matches!(*verdict, Verdict::Refused(_)) {
        log::warn!("DM1104: rows are read by SQL, which is slower: {reason}");
        *verdict = Verdict::Refused(reason.into());
    }
}

/// How rows are read, in words for the DBA.
pub fn describe() -> String {
    match &*VERDICT.lock() {
        Verdict::Unknown => String::new(),
        Verdict::Trusted => "handler".into(),
        Verdict::Refused(reason) => format!("SQL: {reason}"),
    }
}

/// The handlers for a thread, if they are to be used.
pub fn handlers(thd: *mut c_void) -> Option<ThreadHandlers> {
    let trusted = match *VERDICT.lock() {
        Verdict::Refused(_) => return None,
        Verdict::Trusted => true,
        Verdict::Unknown => false,
    };
    let version = Version::of_server().map_or(0, |(_, version)| version.id());
    match ThreadHandlers::new(thd, version, trusted) {
        Ok(handlers) => Some(handlers),
        Err(reason) => {
            refuse(&reason.to_string());
            None
        }
    }
}
