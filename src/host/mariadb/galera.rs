//! Galera: sessions of ours whose transactions reach the other nodes of a cluster.
//!
//! The server tells its replication library of each command and statement of a client's session; of ours we tell it ourselves. What is
//! not told of stays on this node, without an error, and the nodes differ from then on. So a session is a [`Member`] only on a release
//! whose inside is known and looks as it should; without one nothing is written while the server is in a cluster.
//!
//! ```text
//!  idle ─ before_command ─► exec ─ before_statement, the statement, after_statement ─ after_command_.. ─► idle
//!    ▲      another node's transaction that needs our locks may undo ours at any moment: in exec the
//!    │      statement fails and after_statement rolls back, in idle the server's rollbacker does
//!    └─ and the next command begins with the news
//! ```

use super::functions::functions;
use super::layout::{self, WsrepLayout, peek};
use super::thread::Thd;
use crate::host::HostError;
use crate::host::mysql::symbols;
use crate::host::version::Version;
use crate::rows::sql::SqlError;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::transmute;
use std::ptr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a write is told where [`Member::join`] fails.
pub const REFUSAL: &str = "this server is a node of a Galera cluster, and the daemon does not know how this release replicates: what it writes would \
     not reach the other nodes";

/// What an install is told that would have to make tables: INSTALL itself is replicated, and other changes would wait for its end.
pub const NO_TABLES: &str = "this server is a node of a Galera cluster, where the daemon makes no tables while it is installed; run \
     sql/innodb_memcached_config.sql on one node first";

/// `ER_UNKNOWN_COM_ERROR`, which the server answers itself while it is no part of the cluster.
const NOT_READY: u32 = 1047;

/// `ER_LOCK_DEADLOCK`, `ER_QUERY_INTERRUPTED`, `ER_LOCK_WAIT_TIMEOUT`, `ER_ERROR_DURING_COMMIT`.
const DEADLOCK: u32 = 1213;
const INTERRUPTED: u32 = 1317;
const LOCK_WAIT_TIMEOUT: u32 = 1205;
const DURING_COMMIT: u32 = 1180;

/// Errors of a client state: `wsrep::client_error`.
const SUCCESS: c_int = 0;
const DEADLOCK_ERROR: c_int = 2;
const INTERRUPTED_ERROR: c_int = 3;
const TIMEOUT_ERROR: c_int = 7;

/// What a `THD` has for its next transaction before it has one.
const NO_TRANSACTION: usize = usize::MAX;

/// Address of the server's variable, 0 where it knows no Galera. Looked up once, since every write asks.
static WSREP_ON: LazyLock<usize> = LazyLock::new(|| symbols::find(c"WSREP_ON_").expose_provenance());

/// The server's function that tells whether the node is in the primary component and has its data, if there is one.
static WSREP_READY: LazyLock<Option<unsafe extern "C" fn() -> bool>> = LazyLock::new(|| {
    let address = symbols::find(c"_Z15wsrep_ready_getv");
    // SAFETY: the server's function of that signature.
    (!address.is_null()).then(|| unsafe { transmute::<*mut c_void, unsafe extern "C" fn() -> bool>(address) })
});

/// Whether it was said already that sessions cannot be members.
static SAID: AtomicBool = AtomicBool::new(false);

/// Whether the server replicates to a Galera cluster at the moment.
pub fn is_on() -> bool {
    let address = ptr::with_exposed_provenance::<u8>(*WSREP_ON);
    // SAFETY: the server's variable, a boolean of one byte, which lives as long as the server; any moment's value will do.
    !address.is_null() && unsafe { ptr::read_volatile(address) } != 0
}

/// Whether the node takes part in its cluster at the moment.
pub fn is_ready() -> bool {
    // SAFETY: takes nothing, for any thread.
    WSREP_READY.is_none_or(|ready| unsafe { ready() })
}

/// What is answered while it does not.
pub fn not_ready() -> SqlError {
    SqlError {
        code: NOT_READY,
        message: "this node takes no part in its Galera cluster at the moment (wsrep_ready)".into(),
    }
}

/// Nothing was said of anything, as before the first INSTALL.
pub fn forget() {
    SAID.store(false, Ordering::Relaxed);
}

functions! {
    open: c"_ZN5wsrep12client_state4openENS_9client_idE" (*mut u8, u64);
    close: c"_ZN5wsrep12client_state5closeEv" (*mut u8);
    before_command: c"_ZN5wsrep12client_state14before_commandEb" (*mut u8, bool) -> c_int;
    before_statement: c"_ZN5wsrep12client_state16before_statementEv" (*mut u8) -> c_int;
    after_statement: c"_ZN5wsrep12client_state15after_statementEv" (*mut u8) -> c_int;
    before_result: c"_ZN5wsrep12client_state27after_command_before_resultEv" (*mut u8);
    after_result: c"_ZN5wsrep12client_state26after_command_after_resultEv" (*mut u8);
    sync_wait: c"_ZN5wsrep12client_state9sync_waitEi" (*mut u8, c_int) -> c_int;
    client_state: c"wsrep_thd_client_state_str" (*const c_void) -> *const c_char;
    transaction_state: c"wsrep_thd_transaction_state_str" (*const c_void) -> *const c_char;
}

/// A session of this thread that the replication library knows. It must be dropped before its `THD`, and behind its last statement.
pub struct Member {
    thd: *mut c_void,
    /// The library's object inside it.
    client: *mut u8,
    layout: &'static WsrepLayout,
    functions: Functions,
}

/// A `THD` for a session that takes part in replication. `None`: the release is not known, or not as it is known; the log says so once.
pub fn join() -> Option<(Thd, Member)> {
    let joined = Thd::attach_listed().and_then(|thd| Member::join(&thd).map(|member| (thd, member)));
    joined
        .inspect_err(|error| {
            if !SAID.swap(true, Ordering::Relaxed) {
                log::warn!("DM1111: writes are refused while wsrep_on is ON: {error}");
            }
        })
        .ok()
}

/// Whether the parts of a fresh `THD` that lie around the library's object point to each other as they do where it is: next transaction,
/// mutex, condition, client service, client state. Nothing is followed.
fn fits(thd: *mut c_void, layout: &WsrepLayout) -> bool {
    let thd = thd.cast::<u8>().cast_const();
    let word = |offset: usize| peek::<usize>(thd, offset);
    let (client, next) = (layout.thd_client_state, layout.thd_next_transaction);
    let (mutex, condition, service) = (next + 8, next + 24, next + 40);
    client == service + 24
        && word(next) == Some(NO_TRANSACTION)
        && word(client + 24) == Some(thd.addr() + mutex)
        && word(client + 32) == Some(thd.addr() + condition)
        && word(client + 48) == Some(thd.addr() + service)
        && word(service + 8) == Some(thd.addr())
        && word(service + 16) == Some(thd.addr() + client)
        && peek::<c_int>(thd, client + layout.client_error) == Some(SUCCESS)
}

/// What one of the server's accessors says of a state of a `THD` that lives.
fn state(thd: *mut c_void, accessor: unsafe extern "C" fn(*const c_void) -> *const c_char) -> &'static CStr {
    // SAFETY: the server's function, which answers with a constant string.
    unsafe { CStr::from_ptr(accessor(thd)) }
}

impl Member {
    fn join(thd: &Thd) -> Result<Member, HostError> {
        let version = Version::of_server().map_or(0, |(_, version)| version.id());
        let layout = layout::of(version)
            .and_then(|layout| layout.wsrep.as_ref())
            .ok_or(HostError::Layout("the daemon does not know the inside of this release"))?;
        let functions = Functions::find()?;
        let raw = thd.raw();
        let number = thd.number().filter(|_| fits(raw, layout) && state(raw, functions.client_state) == c"none");
        let number = number.ok_or(HostError::Layout("this server's THD is not as the daemon knows it"))?;
        let client = raw.cast::<u8>().wrapping_add(layout.thd_client_state);
        // SAFETY: the library's object, which `fits` has recognised, of a `THD` that is this thread's.
        unsafe { (functions.open)(client, number) };
        // The server's own accessor must see what was done.
        match state(raw, functions.client_state) == c"idle" {
            true => Ok(Member { thd: raw, client, layout, functions }),
            false => Err(HostError::Layout("this server's replication does not see the daemon's session")),
        }
    }

    /// The library's error of the command that runs.
    fn error(&self) -> c_int {
        // SAFETY: the layout is this server's; only this thread changes the member while a command of it runs.
        unsafe { self.client.add(self.layout.client_error).cast::<c_int>().read_volatile() }
    }

    /// Runs the statement of this number, and tells the library. `commits`: it is a COMMIT.
    ///
    /// # Errors
    /// The server's; or the transaction was undone, as another node was faster.
    pub fn command(
        &self,
        number: u64,
        commits: bool,
        run: impl FnOnce() -> Result<u64, SqlError>,
    ) -> Result<u64, SqlError> {
        let (client, functions) = (self.client, &self.functions);
        // SAFETY: the library's object and this thread's `THD`, in the order in which the server makes these calls for its clients.
        let (result, error) = unsafe {
            self.thd.byte_add(self.layout.thd_next_transaction).cast::<u64>().write(number);
            let begins = (functions.before_command)(client, false) == 0 && (functions.before_statement)(client) == 0;
            let result = match begins {
                true => run(),
                false => Err(SqlError { code: DEADLOCK, message: "undone by another node".into() }),
            };
            if begins {
                (functions.after_statement)(client);
            }
            (functions.before_result)(client);
            let error = self.error();
            (functions.after_result)(client);
            (result, error)
        };
        let failed = |code, text: &str| Err(SqlError { code, message: text.into() });
        match (error, result) {
            // A commit that was undone here when the others had agreed to it already was done again, behind the statement's back.
            (SUCCESS, Err(_)) if commits && state(self.thd, self.functions.transaction_state) == c"committed" => Ok(0),
            (SUCCESS, result) => result,
            (DEADLOCK_ERROR, _) => failed(DEADLOCK, "another node was faster"),
            (INTERRUPTED_ERROR, _) => failed(INTERRUPTED, "interrupted"),
            (TIMEOUT_ERROR, _) => failed(LOCK_WAIT_TIMEOUT, "the other nodes' changes did not arrive in time"),
            (_, Err(error)) if !commits && error.code != 0 => Err(error),
            // Whether the others have it nobody knows.
            (error, _) => {
                failed(DURING_COMMIT, &format!("the cluster did not take a transaction (error {error} of wsrep)"))
            }
        }
    }

    /// Waits until everything has arrived that was committed in the cluster before, at most so many seconds.
    ///
    /// # Errors
    /// It has not.
    pub fn wait_for_others(&self, seconds: u32) -> Result<(), SqlError> {
        let functions = &self.functions;
        // SAFETY: as in `command`; no transaction is open.
        let waited = unsafe {
            let waited = (functions.before_command)(self.client, false) == 0
                && (functions.sync_wait)(self.client, seconds.cast_signed()) == 0;
            (functions.before_result)(self.client);
            (functions.after_result)(self.client);
            waited
        };
        match waited {
            true => Ok(()),
            false => Err(SqlError {
                code: LOCK_WAIT_TIMEOUT,
                message: "the other nodes' changes did not arrive in time (wsrep_sync_wait)".into(),
            }),
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let functions = &self.functions;
        // SAFETY: as in `command`. The first call takes the `THD` back from the server's rollbacker; the last undoes what is open.
        unsafe {
            (functions.before_command)(self.client, false);
            (functions.before_result)(self.client);
            (functions.after_result)(self.client);
            (functions.close)(self.client);
        }
    }
}
