//! SQL in a session of our own, as text.

use super::galera::{self, Member};
use super::handler::ThreadHandlers;
use super::reads;
use super::service::Connection;
use super::text::Template;
use super::thread::Thd;
use crate::host::HostError;
use crate::host::mysql::{SessionSettings, symbols};
use crate::rows::handler::{Distrust, HandlerSession};
use crate::rows::sql::{Param, RowSet, SqlError, SqlSession};
use crate::rows::{ColumnKind, Error};
use parking_lot::Mutex;
use std::ffi::{CStr, CString};
use std::ptr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Memory for the text of statements that is kept from one to the next, in bytes.
const KEPT: usize = 1 << 20;

/// What `ER_UNKNOWN_STMT_HANDLER` says.
const UNKNOWN_STATEMENT: u32 = 1243;

/// How long a session goes by what it has read of the cluster's settings.
const SETTINGS_LAST: Duration = Duration::from_millis(200);

/// Bits of `wsrep_sync_wait`: which statements wait until the other nodes' changes have arrived.
const WAIT_BEFORE_READS: u64 = 1;
const WAIT_BEFORE_ANY: u64 = 1 | 2 | 4;

/// Taken for each statement on a server that does not let us number our threads.
static ONE_BY_ONE: Mutex<()> = Mutex::new(());

/// The session of one thread. It acts for no account and holds every right.
pub struct TextSession {
    settings: SessionSettings,
    /// Whether `wsrep_sync_wait` is respected.
    waits: bool,
    /// The server's `read_only`: it does not bind a session that holds all rights.
    read_only: *const u8,
    /// What was prepared; by handle. Empty where it was given back.
    statements: Vec<Option<Template>>,
    text: Vec<u8>,
    /// Number of the transaction, from 1.
    transaction: u64,
    /// What was seen of each table that was looked at last.
    seen: Vec<(CString, Seen)>,
    /// How often a table was not what was seen before.
    changes: u64,
    /// `None` only while it is being replaced.
    open: Option<Open>,
}

/// A table as it was seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// With this definition.
    Definition(u64),
    /// In this transaction, in which it stays the same; nobody tells what it is in another.
    In(u64),
}

/// Handlers, a connection, a part in a cluster and the state they run on; dropped in this order: the tables that are open are closed
/// while everything is there.
struct Open {
    handlers: Option<ThreadHandlers>,
    connection: Connection,
    node: Option<Node>,
    thd: Thd,
}

/// What a session on a node of a cluster knows.
struct Node {
    /// `None`: it only reads, see [`galera::join`].
    member: Option<Member>,
    /// When the rest was read; `None`: not yet.
    read: Option<Instant>,
    /// `wsrep_sync_wait`.
    sync_wait: u64,
    /// `wsrep_dirty_reads`.
    dirty_reads: bool,
    /// `wsrep_reject_queries` is not NONE.
    rejects: bool,
}

impl Node {
    fn new(member: Option<Member>) -> Node {
        Node { member, read: None, sync_wait: 0, dirty_reads: false, rejects: false }
    }
}

impl TextSession {
    /// Opens a session on this thread, which was initialised for it.
    ///
    /// # Errors
    /// A service or symbol is missing, or the server refused.
    pub fn open(settings: SessionSettings) -> Result<TextSession, HostError> {
        TextSession::open_for(settings, false)
    }

    /// The same. One for use inside INSTALL does not wait for all that was replicated: INSTALL is itself, and ends later.
    ///
    /// # Errors
    /// See [`TextSession::open`].
    pub fn open_for(settings: SessionSettings, install: bool) -> Result<TextSession, HostError> {
        let read_only = symbols::require(c"opt_readonly")?.cast();
        let mut opened = TextSession {
            settings,
            waits: !install,
            read_only,
            statements: Vec::new(),
            text: Vec::new(),
            transaction: 0,
            seen: Vec::new(),
            changes: 0,
            open: None,
        };
        opened.connect()?;
        Ok(opened)
    }

    fn connect(&mut self) -> Result<(), HostError> {
        // The old one goes first: a thread has one at a time.
        self.open = None;
        let in_cluster = galera::is_on();
        let (thd, member) = match in_cluster.then(galera::join).flatten() {
            Some((thd, member)) => (thd, Some(member)),
            None => (Thd::attach()?, None),
        };
        let node = in_cluster.then(|| Node::new(member));
        let connection = Connection::open()?;
        let handlers = match self.settings.handler_reads {
            true => reads::handlers(thd.raw()),
            false => {
                reads::refuse("daemon_memcached_handler_reads is OFF");
                None
            }
        };
        self.open = Some(Open { connection, handlers, node, thd });
        for text in session_statements(self.settings) {
            self.query(&text, &mut RowSet::default()).map_err(|e| HostError::Statement { text, message: e.message })?;
        }
        Ok(())
    }

    fn run(&self, sql: &[u8], rows: &mut RowSet) -> Result<u64, SqlError> {
        let Some(open) = &self.open else { return Err(failure("the daemon's session is gone")) };
        let number = open.thd.next_query();
        if let Some(member) = open.node.as_ref().and_then(|node| node.member.as_ref()) {
            let done = member.command(number, sql == b"COMMIT", || open.connection.query(sql, rows));
            if done.is_err() && open.thd.is_killed() {
                // What was undone for another node was killed first, which the next statement takes back. A session that was killed
                // itself stays so.
                let _ = member.command(open.thd.next_query(), false, || open.connection.query(b"ROLLBACK", rows));
            }
            return done;
        }
        // Threads that cannot be told apart would take each other's temporary tables.
        let _alone = (!open.thd.is_numbered()).then(|| ONE_BY_ONE.lock());
        open.connection.query(sql, rows)
    }

    /// Before a transaction on a node of a cluster: reads the cluster's settings where they are old, refuses reads while the node takes
    /// no part in it, and waits for the other nodes' changes where one of these `bits` of `wsrep_sync_wait` asks for it.
    fn before_transaction(&mut self, bits: u64) -> Result<(), SqlError> {
        let Some(node) = self.open.as_ref().and_then(|open| open.node.as_ref()) else { return Ok(()) };
        if node.read.is_none_or(|read| read.elapsed() >= SETTINGS_LAST) {
            self.read_settings()?;
        }
        let Some(node) = self.open.as_ref().and_then(|open| open.node.as_ref()) else { return Ok(()) };
        if (node.rejects || !galera::is_ready()) && !node.dirty_reads {
            return Err(galera::not_ready());
        }
        match &node.member {
            Some(member) if self.waits && !node.dirty_reads && node.sync_wait & bits != 0 => {
                member.wait_for_others(self.settings.lock_wait_timeout)
            }
            _ => Ok(()),
        }
    }

    fn read_settings(&mut self) -> Result<(), SqlError> {
        let mut rows = RowSet::default();
        rows.expect(&[ColumnKind::VarChar; 3]);
        self.run(
            b"SELECT @@GLOBAL.wsrep_sync_wait, @@GLOBAL.wsrep_dirty_reads, @@GLOBAL.wsrep_reject_queries='NONE'",
            &mut rows,
        )?;
        self.run(b"SET SESSION wsrep_dirty_reads=@@GLOBAL.wsrep_dirty_reads", &mut RowSet::default())?;
        if let Some(node) = self.open.as_mut().and_then(|open| open.node.as_mut()) {
            let text = |column| rows.bytes(0, column).map(String::from_utf8_lossy).unwrap_or_default();
            node.sync_wait = text(0).parse().unwrap_or(WAIT_BEFORE_READS);
            (node.dirty_reads, node.rejects) = (text(1) == "1", text(2) != "1");
            node.read = Some(Instant::now());
        }
        Ok(())
    }
}

impl HandlerSession for TextSession {
    type Handlers = ThreadHandlers;

    fn handlers(&self) -> Option<&ThreadHandlers> {
        self.open.as_ref()?.handlers.as_ref().filter(|handlers| !handlers.is_spoilt())
    }

    fn handlers_mut(&mut self) -> Option<&mut ThreadHandlers> {
        self.open.as_mut()?.handlers.as_mut().filter(|handlers| !handlers.is_spoilt())
    }

    /// Not on a node of a cluster: what another node sends undoes whoever has a lock that it needs, at once.
    fn may_hold(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.node.is_none())
    }

    fn judge(&mut self, verdict: Result<(), Distrust>) {
        match verdict {
            Ok(()) => reads::trust(),
            Err(reason) => {
                reads::refuse(&reason.to_string());
                if let Some(open) = &mut self.open {
                    open.handlers = None;
                }
            }
        }
    }
}

/// Statements that make a new session what the daemon expects, whatever the server's defaults are. Values are sent and returned as their
/// columns keep them. Statements cannot be written safely to a log of statements.
fn session_statements(settings: SessionSettings) -> [String; 3] {
    let wait = settings.lock_wait_timeout;
    [
        "SET NAMES utf8mb4, character_set_results=NULL".into(),
        // The text of a statement, which MariaDB writes in front of its rows, would make the binary log twice as long.
        format!(
            "SET SESSION sql_log_bin={}, binlog_format='ROW', binlog_annotate_row_events=0",
            u8::from(settings.binlog)
        ),
        format!(
            "SET SESSION sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', lock_wait_timeout={wait}, \
             innodb_lock_wait_timeout={wait}, sql_safe_updates=0, sql_select_limit=DEFAULT, max_statement_time=0, \
             completion_type='NO_CHAIN', tx_read_only=0, foreign_key_checks=1, unique_checks=1, autocommit=1"
        ),
    ]
}

/// An error that no server numbered.
fn failure(text: &str) -> SqlError {
    SqlError { code: 0, message: text.into() }
}

impl SqlSession for TextSession {
    fn is_lost(&self) -> bool {
        self.open.as_ref().is_none_or(|open| {
            let spoilt = open.handlers.as_ref().is_some_and(ThreadHandlers::is_spoilt);
            open.thd.is_killed() || spoilt || open.node.is_some() != galera::is_on()
        })
    }

    fn reopen(&mut self) -> Result<(), SqlError> {
        if self.open.as_ref().is_some_and(|open| open.thd.is_killed()) {
            log::info!("DM1105: a session of the daemon was killed; it gets a new one");
        }
        self.statements.clear();
        self.seen.clear();
        self.connect().map_err(|error| failure(&error.to_string()))
    }

    fn lock_wait(&self) -> Duration {
        Duration::from_secs(self.settings.lock_wait_timeout.into())
    }

    fn is_read_only(&self) -> bool {
        // SAFETY: the server's variable, a boolean of one byte, found at the start; any moment's value will do.
        unsafe { ptr::read_volatile(self.read_only) != 0 }
    }

    fn refuses_writes(&self) -> Option<Error> {
        if self.is_read_only() {
            return Some(Error::ReadOnly);
        }
        let node = self.open.as_ref().and_then(|open| open.node.as_ref());
        let reason = match node {
            None if galera::is_on() => galera::REFUSAL.into(),
            Some(Node { member: None, .. }) => galera::REFUSAL.into(),
            Some(node) if node.rejects || !galera::is_ready() => galera::not_ready().message,
            _ => return None,
        };
        Some(Error::Refused(reason))
    }

    /// Sets the clock that statements see: on a state of our own the server does not.
    fn enter(&mut self) -> Result<(), SqlError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let sql = format!("SET timestamp={}.{:06}", now.as_secs(), now.subsec_micros());
        self.query(&sql, &mut RowSet::default()).map(|_| ())
    }

    fn begin(&mut self) -> Result<(), SqlError> {
        self.before_transaction(WAIT_BEFORE_ANY)?;
        self.enter()?;
        self.transaction += 1;
        self.query("BEGIN", &mut RowSet::default()).map(|_| ())
    }

    fn before_reads(&mut self) -> Result<(), SqlError> {
        self.before_transaction(WAIT_BEFORE_READS)
    }

    fn reprepared(&self) -> Option<u64> {
        Some(self.changes)
    }

    fn look_at(&mut self, table: &CStr) {
        let definition = self.handlers_mut().and_then(|handlers| handlers.definition(table).ok());
        let seen = definition.map_or(Seen::In(self.transaction), Seen::Definition);
        match self.seen.iter_mut().find(|(known, _)| known.as_c_str() == table) {
            Some((_, known)) if *known == seen => return,
            Some((_, known)) => *known = seen,
            None => self.seen.push((table.into(), seen)),
        }
        self.changes += 1;
    }

    fn has_row_alias(&self) -> bool {
        false
    }

    fn prepare(&mut self, sql: &str) -> Result<u64, SqlError> {
        let statement = Some(Template::new(sql));
        // The number of a statement that was given back is used again.
        match self.statements.iter().position(Option::is_none) {
            Some(free) => {
                self.statements[free] = statement;
                Ok(free as u64)
            }
            None => {
                self.statements.push(statement);
                Ok(self.statements.len() as u64 - 1)
            }
        }
    }

    fn close(&mut self, statement: u64) {
        if let Some(slot) = self.statements.get_mut(statement as usize) {
            *slot = None;
        }
    }

    fn execute(&mut self, statement: u64, params: &[Param<'_>], rows: &mut RowSet) -> Result<u64, SqlError> {
        let mut text = std::mem::take(&mut self.text);
        let filled = self.statements.get(statement as usize).and_then(Option::as_ref);
        let done = match filled.and_then(|template| template.fill(params, &mut text)) {
            Some(()) => self.run(&text, rows),
            None => Err(SqlError { code: UNKNOWN_STATEMENT, message: "unknown statement".into() }),
        };
        text.clear();
        text.shrink_to(KEPT);
        self.text = text;
        done
    }

    fn query(&mut self, sql: &str, rows: &mut RowSet) -> Result<u64, SqlError> {
        self.run(sql.as_bytes(), rows)
    }
}
