//! Results on their way to the C callback of `refengine_execute`.

use std::borrow::Cow;
use std::ffi::{CString, c_char, c_uint, c_void};
use std::ptr;

use crate::bindings::{refengine_event, refengine_report_fn, refengine_report_t};
use crate::boundary::c_string;
use crate::refengine::sql::{End, Result, ResultColumn, Sink, SqlError};

/// Hands results to the C callback. The buffers are used again for each row.
pub(super) struct CallbackSink {
    function: refengine_report_fn,
    arg: *mut c_void,
    buffer: Vec<u8>,
    values: Vec<*const c_char>,
    lengths: Vec<usize>,
}

impl CallbackSink {
    /// A sink for a callback, which may be NULL.
    pub(super) fn new(function: refengine_report_fn, arg: *mut c_void) -> CallbackSink {
        CallbackSink { function, arg, buffer: Vec::new(), values: Vec::new(), lengths: Vec::new() }
    }

    fn report(&self, report: &refengine_report_t) -> Result<()> {
        let Some(function) = self.function else { return Ok(()) };
        // SAFETY: the caller of refengine_execute gave this function for exactly these arguments.
        if unsafe { function(self.arg, report) } == 0 { Ok(()) } else { Err(SqlError::interrupted()) }
    }
}

fn event(event: refengine_event::Type, columns: usize) -> refengine_report_t {
    refengine_report_t {
        event,
        n_columns: c_uint::try_from(columns).unwrap_or(c_uint::MAX),
        names: ptr::null(),
        values: ptr::null(),
        lengths: ptr::null(),
        affected_rows: 0,
    }
}

impl Sink for CallbackSink {
    fn columns(&mut self, columns: &[ResultColumn]) -> Result<()> {
        let names: Vec<CString> = columns.iter().map(|column| c_string(&column.name)).collect();
        let pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
        let mut report = event(refengine_event::REFENGINE_COLUMNS, names.len());
        report.names = pointers.as_ptr();
        self.report(&report)
    }

    fn row(&mut self, values: &[Option<Cow<'_, [u8]>>]) -> Result<()> {
        if self.function.is_none() {
            return Ok(());
        }
        self.buffer.clear();
        self.values.clear();
        self.lengths.clear();
        // All bytes first: the buffer may move while it grows. A NUL behind each value is for the reader's comfort.
        for value in values.iter().flatten() {
            self.buffer.extend_from_slice(value);
            self.buffer.push(0);
        }
        let mut rest = self.buffer.as_slice();
        for value in values {
            let length = value.as_ref().map_or(0, |value| value.len());
            self.lengths.push(length);
            if value.is_none() {
                self.values.push(ptr::null());
                continue;
            }
            self.values.push(rest.as_ptr().cast());
            rest = rest.get(length + 1..).unwrap_or_default();
        }
        let mut report = event(refengine_event::REFENGINE_ROW, values.len());
        report.values = self.values.as_ptr();
        report.lengths = self.lengths.as_ptr();
        self.report(&report)
    }

    fn done(&mut self, end: End) -> Result<()> {
        let mut report = event(refengine_event::REFENGINE_DONE, end.columns);
        report.affected_rows = end.affected;
        self.report(&report)
    }
}
