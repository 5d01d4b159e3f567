//! The bundled engine's SQL through its C interface: an engine, its sessions, and what statements answer.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::slice;

use daemon_memcached::bindings::{
    refengine_event, refengine_report_t, refengine_result, refengine_session_t, refengine_t,
};
use daemon_memcached::refengine::ffi::*;
use tempfile::TempDir;

/// An engine in a directory of its own.
pub struct Engine {
    pub raw: *mut refengine_t,
    pub dir: Option<TempDir>,
}

impl Engine {
    pub fn new() -> Engine {
        Engine::open(tempfile::tempdir().unwrap(), "")
    }

    pub fn open(dir: TempDir, options: &str) -> Engine {
        let path = CString::new(dir.path().to_str().unwrap()).unwrap();
        let options = CString::new(options).unwrap();
        let mut raw = ptr::null_mut();
        let mut err = [0 as c_char; 256];
        // SAFETY: all pointers are valid for the call.
        let result = unsafe { refengine_open(path.as_ptr(), options.as_ptr(), &mut raw, err.as_mut_ptr(), err.len()) };
        // SAFETY: terminated by the engine, or all zeros.
        assert_eq!(result, refengine_result::REFENGINE_OK, "{:?}", unsafe { CStr::from_ptr(err.as_ptr()) });
        Engine { raw, dir: Some(dir) }
    }

    pub fn session(&self) -> Session {
        let mut raw = ptr::null_mut();
        // SAFETY: the engine is open.
        assert_eq!(unsafe { refengine_session_open(self.raw, &mut raw) }, refengine_result::REFENGINE_OK);
        Session(raw)
    }

    pub fn reopen(mut self) -> Engine {
        let dir = self.dir.take().unwrap();
        drop(self);
        Engine::open(dir, "")
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // SAFETY: opened by us, closed once.
        unsafe { refengine_close(self.raw) };
    }
}

pub struct Session(pub *mut refengine_session_t);

// SAFETY: a session may be used from any thread, one at a time.
unsafe impl Send for Session {}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: opened by us, closed once.
        unsafe { refengine_session_close(self.0) };
    }
}

/// Everything the statements reported, as text: `heading,heading` lines in brackets if asked for, rows with `|`
/// between values, `ok N` for a statement without a result set.
#[derive(Default)]
pub struct Report {
    pub headings: bool,
    pub lines: Vec<String>,
    pub stop_after: Option<usize>,
}

pub unsafe extern "C" fn on_report(arg: *mut c_void, report: *const refengine_report_t) -> c_int {
    // SAFETY: `arg` is the Report of the caller, `report` is valid for the call.
    let (out, report) = unsafe { (&mut *arg.cast::<Report>(), &*report) };
    let n = report.n_columns as usize;
    match report.event {
        refengine_event::REFENGINE_COLUMNS if out.headings => {
            // SAFETY: n names.
            let names = unsafe { slice::from_raw_parts(report.names, n) };
            // SAFETY: terminated strings.
            let names = names.iter().map(|name| unsafe { CStr::from_ptr(*name) }.to_str().unwrap());
            out.lines.push(format!("[{}]", names.collect::<Vec<_>>().join(",")));
        }
        refengine_event::REFENGINE_ROW => {
            // SAFETY: n values and lengths.
            let (values, lengths) =
                unsafe { (slice::from_raw_parts(report.values, n), slice::from_raw_parts(report.lengths, n)) };
            let text = |(value, length): (&*const c_char, &usize)| {
                if value.is_null() {
                    return "NULL".to_owned();
                }
                // SAFETY: `length` bytes.
                let bytes = unsafe { slice::from_raw_parts(value.cast::<u8>(), *length) };
                String::from_utf8_lossy(bytes).into_owned()
            };
            out.lines.push(values.iter().zip(lengths).map(text).collect::<Vec<_>>().join("|"));
        }
        refengine_event::REFENGINE_DONE if n == 0 => out.lines.push(format!("ok {}", report.affected_rows)),
        _ => {}
    }
    c_int::from(out.stop_after == Some(out.lines.len()))
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub errno: u32,
    pub sqlstate: String,
    pub message: String,
    pub line: u32,
}

impl Session {
    pub fn run_bytes(&self, sql: &[u8], report: &mut Report) -> Result<(), Failure> {
        let arg = ptr::from_mut(report).cast();
        // SAFETY: the session is open, the text is as long as said.
        let result = unsafe { refengine_execute(self.0, sql.as_ptr().cast(), sql.len(), Some(on_report), arg) };
        // SAFETY: the session is open; the strings are copied at once.
        let failure = unsafe {
            Failure {
                errno: refengine_last_errno(self.0),
                sqlstate: CStr::from_ptr(refengine_last_sqlstate(self.0)).to_str().unwrap().to_owned(),
                message: CStr::from_ptr(refengine_last_error(self.0)).to_str().unwrap().to_owned(),
                line: refengine_last_line(self.0),
            }
        };
        if result == refengine_result::REFENGINE_OK {
            assert_eq!(failure.errno, 0);
            return Ok(());
        }
        assert_eq!(result, refengine_result::REFENGINE_ERROR, "{failure:?}");
        Err(failure)
    }

    pub fn run(&self, sql: &str) -> Result<Vec<String>, Failure> {
        let mut report = Report::default();
        self.run_bytes(sql.as_bytes(), &mut report).map(|()| report.lines)
    }

    /// What a statement answers, an error as `!number`.
    pub fn answer(&self, sql: &str) -> String {
        match self.run(sql) {
            Ok(lines) => lines.join("\n"),
            Err(failure) => format!("!{}", failure.errno),
        }
    }

    pub fn ok(&self, sql: &str) -> String {
        self.run(sql).unwrap_or_else(|failure| panic!("{sql}: {failure:?}")).join("\n")
    }

    pub fn errno(&self, sql: &str) -> u32 {
        self.run(sql).map_or_else(|failure| failure.errno, |lines| panic!("{sql} succeeded: {lines:?}"))
    }
}

pub fn check(session: &Session, cases: &[(&str, &str)]) {
    for (sql, expected) in cases {
        assert_eq!(session.answer(sql), *expected, "{sql}");
    }
}

pub fn in_database() -> (Engine, Session) {
    let engine = Engine::new();
    let session = engine.session();
    session.ok("CREATE DATABASE d; USE d");
    (engine, session)
}
