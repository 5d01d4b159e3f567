//! SQL in a session of the server, through its command service.

use super::group;
use super::services::{Command, ResultCallbacks, command_service};
use super::session::{self, ServerSession};
use super::settings::SessionSettings;
use super::symbols;
use crate::boundary::{guard, text};
use crate::host::HostError;
use crate::rows::Error;
use crate::rows::sql::{Param, RowSet, SqlError, SqlSession};
use std::ffi::{c_char, c_double, c_int, c_longlong, c_uint, c_ulong, c_void};
use std::ptr;
use std::time::Duration;

const COM_QUERY: c_int = 3;
const COM_STMT_PREPARE: c_int = 22;
const COM_STMT_EXECUTE: c_int = 23;
const COM_STMT_CLOSE: c_int = 25;

/// Numbers as numbers, not as text.
const BINARY_REPRESENTATION: c_int = 2;

/// `ER_SERVER_SHUTDOWN`.
const SHUTDOWN: u32 = 1053;

/// `ER_UNKNOWN_SYSTEM_VARIABLE`.
const UNKNOWN_VARIABLE: u32 = 1193;

/// Numbers of `enum_field_types`.
const TYPE_LONGLONG: c_int = 8;
const TYPE_BLOB: c_int = 252;
const TYPE_VAR_STRING: c_int = 253;

/// What the client library calls a client that copes with several results.
const CLIENT_MULTI_RESULTS: c_ulong = 1 << 17 | 1 << 18;

/// `PS_PARAM` of the server.
#[repr(C)]
struct PsParam {
    null_bit: u8,
    kind: c_int,
    unsigned: u8,
    value: *const u8,
    length: c_ulong,
    name: *const u8,
    name_length: c_ulong,
}

#[repr(C)]
struct QueryData {
    text: *const u8,
    length: c_uint,
    parameters: *const PsParam,
    parameter_count: c_ulong,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct ExecuteData {
    statement: c_ulong,
    open_cursor: c_ulong,
    parameters: *const PsParam,
    parameter_count: c_ulong,
    has_new_types: u8,
}

/// `COM_DATA` of the server: as large as its largest member, with room to grow.
#[repr(C)]
union CommandData {
    query: std::mem::ManuallyDrop<QueryData>,
    execute: ExecuteData,
    /// The statement that `COM_STMT_CLOSE` closes.
    closed: c_ulong,
    room: [u64; 16],
}

/// What the callbacks of one command gather.
struct Answer<'r> {
    rows: &'r mut RowSet,
    first_number: Option<i64>,
    affected: u64,
    error: Option<SqlError>,
}

impl Answer<'_> {
    /// Takes a number; `value` is its 64 bits as the server passed them.
    fn push_number(&mut self, value: i64, number: i128) {
        self.first_number.get_or_insert(value);
        self.rows.push_int(number);
    }
}

/// The session of one thread.
pub struct CommandSession {
    service: &'static Command,
    charset: *const c_void,
    /// The server's `read_only`: it does not bind a session that holds all rights.
    read_only: *const u8,
    settings: SessionSettings,
    /// Numbers of the statement that runs; kept for their memory.
    numbers: Vec<u64>,
    /// `None` only while it is being replaced.
    session: Option<ServerSession>,
}

impl CommandSession {
    /// Opens a session on this thread, which was initialised for it.
    ///
    /// # Errors
    /// A service or symbol is missing, or the server refused.
    pub fn open(settings: SessionSettings) -> Result<CommandSession, HostError> {
        let Some(service) = command_service.get() else {
            return Err(HostError::NoService("SQL"));
        };
        let charset = symbols::require(c"my_charset_utf8mb4_0900_ai_ci")?;
        let read_only = symbols::require(c"opt_readonly")?.cast();
        let mut opened = CommandSession { service, charset, read_only, settings, numbers: Vec::new(), session: None };
        opened.connect()?;
        Ok(opened)
    }

    fn connect(&mut self) -> Result<(), HostError> {
        // The old one goes first: a thread has one session at a time.
        self.session = None;
        self.session = Some(ServerSession::open()?);
        for text in self.settings.session_statements() {
            self.query(&text, &mut RowSet::default()).map_err(|e| HostError::Statement { text, message: e.message })?;
        }
        // Statements cannot be written safely to a log of statements, and a server that knows rows only may have no such variable.
        match self.query("SET SESSION binlog_format='ROW'", &mut RowSet::default()) {
            Err(error) if error.code != UNKNOWN_VARIABLE => {
                Err(HostError::Statement { text: "binlog_format".into(), message: error.message })
            }
            _ => Ok(()),
        }
    }

    /// Runs a command; returns the number of affected rows and the first number of the answer.
    fn run(&self, command: c_int, data: &CommandData, rows: &mut RowSet) -> Result<(u64, Option<i64>), SqlError> {
        let Some(session) = &self.session else { return Err(failure("the daemon's session is gone")) };
        let mut answer = Answer { rows, first_number: None, affected: 0, error: None };
        // SAFETY: our session, data of the member that the command takes, callbacks that take an `Answer`.
        let refused = unsafe {
            (self.service.run)(
                session.raw(),
                command,
                ptr::from_ref(data).cast(),
                self.charset,
                &CALLBACKS,
                BINARY_REPRESENTATION,
                (&raw mut answer).cast(),
            )
        };
        match answer.error.take() {
            Some(error) => Err(error),
            None if refused != 0 => Err(failure("the server did not run a command of the daemon")),
            None => Ok((answer.affected, answer.first_number)),
        }
    }

    fn run_text(&self, command: c_int, sql: &str, rows: &mut RowSet) -> Result<(u64, Option<i64>), SqlError> {
        let length = c_uint::try_from(sql.len()).map_err(|_| failure("a statement is too long"))?;
        let mut data = CommandData { room: [0; 16] };
        data.query = std::mem::ManuallyDrop::new(QueryData {
            text: sql.as_ptr(),
            length,
            parameters: ptr::null(),
            parameter_count: 0,
        });
        self.run(command, &data, rows)
    }
}

/// An error that no server numbered.
fn failure(text: &str) -> SqlError {
    SqlError { code: 0, message: text.into() }
}

impl SqlSession for CommandSession {
    fn lock_wait(&self) -> Duration {
        Duration::from_secs(self.settings.lock_wait_timeout.into())
    }

    fn is_lost(&self) -> bool {
        self.session.as_ref().is_none_or(ServerSession::is_killed)
    }

    fn reopen(&mut self) -> Result<(), SqlError> {
        if !session::server_is_available() {
            return Err(SqlError { code: SHUTDOWN, message: "the server shuts down".into() });
        }
        log::info!("DM1105: a session of the daemon was killed; it gets a new one");
        self.connect().map_err(|error| failure(&error.to_string()))
    }

    fn is_read_only(&self) -> bool {
        // SAFETY: the server's variable, a boolean of one byte, found at the start; any moment's value will do.
        unsafe { ptr::read_volatile(self.read_only) != 0 }
    }

    fn refuses_writes(&self) -> Option<Error> {
        if self.is_read_only() { Some(Error::ReadOnly) } else { group::refusal() }
    }

    fn enter(&mut self) -> Result<(), SqlError> {
        match &self.session {
            Some(session) => session.attach().map_err(|error| failure(&error.to_string())),
            None => Err(failure("the daemon's session is gone")),
        }
    }

    fn reprepared(&self) -> Option<u64> {
        self.session.as_ref()?.reprepared()
    }

    fn prepare(&mut self, sql: &str) -> Result<u64, SqlError> {
        let (_, statement) = self.run_text(COM_STMT_PREPARE, sql, &mut RowSet::default())?;
        statement.map(i64::cast_unsigned).ok_or_else(|| failure("the server prepared a statement without a number"))
    }

    fn execute(&mut self, statement: u64, params: &[Param<'_>], rows: &mut RowSet) -> Result<u64, SqlError> {
        let mut numbers = std::mem::take(&mut self.numbers);
        numbers.clear();
        numbers.extend(params.iter().map(|param| match param {
            Param::Int(value) => value.cast_unsigned(),
            Param::UInt(value) => *value,
            _ => 0,
        }));
        let parameters: Vec<PsParam> =
            params.iter().zip(&numbers).map(|(param, number)| ps_param(param, number)).collect();
        let mut data = CommandData { room: [0; 16] };
        data.execute = ExecuteData {
            statement,
            open_cursor: 0,
            parameters: parameters.as_ptr(),
            parameter_count: parameters.len() as c_ulong,
            has_new_types: 1,
        };
        let affected = self.run(COM_STMT_EXECUTE, &data, rows).map(|(affected, _)| affected);
        self.numbers = numbers;
        affected
    }

    fn close(&mut self, statement: u64) {
        let mut data = CommandData { room: [0; 16] };
        data.closed = statement;
        // The command has no answer; a statement that is gone needs no closing.
        let _ = self.run(COM_STMT_CLOSE, &data, &mut RowSet::default());
    }

    fn query(&mut self, sql: &str, rows: &mut RowSet) -> Result<u64, SqlError> {
        self.run_text(COM_QUERY, sql, rows).map(|(affected, _)| affected)
    }
}

fn ps_param(param: &Param<'_>, number: &u64) -> PsParam {
    let (kind, value, length) = match param {
        Param::Null => (TYPE_VAR_STRING, ptr::null(), 0),
        Param::Int(_) | Param::UInt(_) => (TYPE_LONGLONG, ptr::from_ref(number).cast(), 8),
        Param::Text(bytes) => (TYPE_VAR_STRING, bytes.as_ptr(), bytes.len()),
        Param::Bytes(bytes) => (TYPE_BLOB, bytes.as_ptr(), bytes.len()),
    };
    PsParam {
        null_bit: u8::from(*param == Param::Null),
        kind,
        unsigned: u8::from(matches!(param, Param::UInt(_))),
        value,
        length: length as c_ulong,
        name: ptr::null(),
        name_length: 0,
    }
}

/// Changes the answer of a command. A panic makes the answer an error: 1 where the server asks whether it may go on.
///
/// # Safety
/// `arg` is the `Answer` of the command that runs on this thread, and nobody else uses it meanwhile.
unsafe fn answer(arg: *mut c_void, change: impl FnOnce(&mut Answer<'_>)) -> c_int {
    guard(1, || {
        // SAFETY: the caller's promise.
        change(unsafe { &mut *arg.cast() });
        0
    })
}

unsafe extern "C" fn start_metadata(_: *mut c_void, _: c_uint, _: c_uint, _: *const c_void) -> c_int {
    0
}
unsafe extern "C" fn field(_: *mut c_void, _: *mut c_void, _: *const c_void) -> c_int {
    0
}
unsafe extern "C" fn end_metadata(_: *mut c_void, _: c_uint, _: c_uint) -> c_int {
    0
}
unsafe extern "C" fn row_edge(_: *mut c_void) -> c_int {
    0
}
unsafe extern "C" fn abort_row(arg: *mut c_void) {
    // SAFETY: the server passes our argument on.
    unsafe { answer(arg, |answer| answer.rows.clear()) };
}
unsafe extern "C" fn capabilities(_: *mut c_void) -> c_ulong {
    CLIENT_MULTI_RESULTS
}
unsafe extern "C" fn null(arg: *mut c_void) -> c_int {
    // SAFETY: as above.
    unsafe { answer(arg, |answer| answer.rows.push_null()) }
}
unsafe extern "C" fn integer(arg: *mut c_void, value: c_longlong) -> c_int {
    // SAFETY: as above.
    unsafe { answer(arg, |answer| answer.push_number(value, i128::from(value))) }
}
unsafe extern "C" fn long_integer(arg: *mut c_void, value: c_longlong, unsigned: c_uint) -> c_int {
    let wide = if unsigned != 0 { i128::from(value.cast_unsigned()) } else { i128::from(value) };
    // SAFETY: as above.
    unsafe { answer(arg, |answer| answer.push_number(value, wide)) }
}
unsafe extern "C" fn other(arg: *mut c_void, _: *const c_void) -> c_int {
    // SAFETY: as above. No column of such a type is ever asked for.
    unsafe { null(arg) }
}
unsafe extern "C" fn double(arg: *mut c_void, _: c_double, _: u32) -> c_int {
    // SAFETY: as above.
    unsafe { null(arg) }
}
unsafe extern "C" fn time(arg: *mut c_void, _: *const c_void, _: c_uint) -> c_int {
    // SAFETY: as above.
    unsafe { null(arg) }
}
unsafe extern "C" fn string(arg: *mut c_void, text: *const c_char, length: usize, _: *const c_void) -> c_int {
    let bytes = if text.is_null() || length == 0 {
        &[]
    } else {
        // SAFETY: the server promises that many bytes for the call.
        unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length) }
    };
    // SAFETY: as above.
    unsafe { answer(arg, |answer| answer.rows.push_bytes(bytes)) }
}
unsafe extern "C" fn done(arg: *mut c_void, _: c_uint, _: c_uint, affected: u64, _: u64, _: *const c_char) {
    // SAFETY: as above.
    unsafe { answer(arg, |answer| answer.affected = affected) };
}
unsafe extern "C" fn failed(arg: *mut c_void, code: c_uint, message: *const c_char, _: *const c_char) {
    // SAFETY: as above, and NULL or a NUL-terminated string.
    unsafe {
        answer(arg, |answer| {
            let message = text(message).unwrap_or_default().into_owned();
            answer.error.get_or_insert(SqlError { code, message });
        })
    };
}
unsafe extern "C" fn shutdown(_: *mut c_void, _: c_int) {}
unsafe extern "C" fn alive(_: *mut c_void) -> bool {
    true
}

static CALLBACKS: ResultCallbacks = ResultCallbacks {
    start_result_metadata: start_metadata,
    field_metadata: field,
    end_result_metadata: end_metadata,
    start_row: row_edge,
    end_row: row_edge,
    abort_row,
    get_client_capabilities: capabilities,
    get_null: null,
    get_integer: integer,
    get_longlong: long_integer,
    get_decimal: other,
    get_double: double,
    get_date: other,
    get_time: time,
    get_datetime: time,
    get_string: string,
    handle_ok: done,
    handle_error: failed,
    shutdown,
    connection_alive: alive,
};
