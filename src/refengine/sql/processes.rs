//! Who is connected and does what: SHOW PROCESSLIST and KILL.
//!
//! One list per engine. A connection enters it when it begins, a session says what it runs, and whoever may ends it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

/// What the Id of a plugin's client is more than its number: no session's Id gets there.
pub const PLUGIN_IDS: u64 = 1 << 32;

/// One line of SHOW PROCESSLIST.
#[derive(Debug, Clone)]
pub struct Process {
    /// The number of the connection.
    pub id: u32,
    /// The name given at the login; None before it.
    pub user: Option<String>,
    /// The account logged in to: user and host pattern.
    pub account: (String, String),
    /// Address and port, or `localhost`.
    pub host: String,
    /// The session's database.
    pub database: Option<String>,
    /// The running statement.
    pub statement: Option<String>,
    /// When the statement or the idleness began.
    pub since: Instant,
}

struct Entry {
    process: Process,
    killed: Arc<AtomicBool>,
    hang_up: Box<dyn Fn() + Send + Sync>,
}

/// The list.
#[derive(Default)]
pub struct Processes(Mutex<BTreeMap<u32, Entry>>);

/// The most of a statement that is kept.
const KEPT: usize = 1024;

impl Processes {
    /// A connection begins; `hang_up` ends it.
    pub fn enter(self: &Arc<Processes>, id: u32, host: &str, hang_up: Box<dyn Fn() + Send + Sync>) -> Entered {
        let process = Process {
            id,
            user: None,
            account: Default::default(),
            host: host.to_owned(),
            database: None,
            statement: None,
            since: Instant::now(),
        };
        let killed: Arc<AtomicBool> = Arc::default();
        self.0.lock().insert(id, Entry { process, killed: killed.clone(), hang_up });
        Entered { list: self.clone(), id, killed }
    }

    /// All of them, by number.
    pub fn list(&self) -> Vec<Process> {
        self.0.lock().values().map(|entry| entry.process.clone()).collect()
    }

    /// Ends a connection, or only its running statement. False: there is none.
    pub fn kill(&self, id: u32, statement_only: bool) -> bool {
        let list = self.0.lock();
        let Some(entry) = list.get(&id) else { return false };
        if !statement_only || entry.process.statement.is_some() {
            entry.killed.store(true, Ordering::Relaxed);
        }
        if !statement_only {
            (entry.hang_up)();
        }
        true
    }
}

/// A connection's place in the list, given back when it is dropped.
pub struct Entered {
    list: Arc<Processes>,
    id: u32,
    killed: Arc<AtomicBool>,
}

impl Entered {
    /// The list this is in.
    pub fn list(&self) -> &Arc<Processes> {
        &self.list
    }

    /// Set when the running statement is to end.
    pub fn killed(&self) -> &Arc<AtomicBool> {
        &self.killed
    }

    /// Changes the line.
    pub fn update(&self, change: impl FnOnce(&mut Process)) {
        if let Some(entry) = self.list.0.lock().get_mut(&self.id) {
            change(&mut entry.process);
        }
    }

    /// A statement begins.
    pub fn begin(&self, text: &str) {
        self.update(|process| {
            process.statement = Some(text.get(..text.floor_char_boundary(KEPT)).unwrap_or(text).to_owned());
            process.since = Instant::now();
        });
    }

    /// It has ended.
    pub fn end(&self, database: Option<&str>) {
        self.update(|process| {
            process.statement = None;
            process.since = Instant::now();
            if process.database.as_deref() != database {
                process.database = database.map(str::to_owned);
            }
        });
        // A KILL QUERY that came too late is for nothing.
        self.killed.store(false, Ordering::Relaxed);
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.list.0.lock().remove(&self.id);
    }
}
