//! How a server calls a function, and what every function does with what it is called with.

use super::client::Buffers;
use super::error::ArgumentError;
use crate::bindings::{DM_UDF_INTEGER, DM_UDF_MESSAGE, DM_UDF_REAL, DM_UDF_STRING};
pub use crate::bindings::{dm_udf_args as UdfArgs, dm_udf_init as UdfInit};
use crate::boundary::write_text;
use std::ffi::{c_char, c_int, c_longlong, c_uchar, c_ulong};
use std::slice;

/// `Item_result`: what an argument is given as.
const STRING: c_int = DM_UDF_STRING.cast_signed();
const REAL: c_int = DM_UDF_REAL.cast_signed();
const INTEGER: c_int = DM_UDF_INTEGER.cast_signed();

/// What a function takes and does.
pub struct Function {
    /// The name in SQL.
    pub name: &'static str,
    /// How it is called, for who calls it wrongly.
    pub usage: &'static str,
    /// A letter for each argument: `s` for bytes, `i` for an integer; those after `?` may be left out.
    pub arguments: &'static str,
    /// Looks at the arguments that are constants before the statement runs.
    pub check: fn(&Arguments<'_>) -> Result<(), ArgumentError>,
    /// The value for one row.
    pub value: fn(&Function, &Arguments<'_>, &mut Buffers) -> Value,
}

/// What a function is worth for a row.
#[derive(Debug, PartialEq, Eq)]
pub enum Value {
    /// SQL's NULL.
    Null,
    /// An integer.
    Integer(i64),
    /// The bytes in the buffers' value.
    Bytes,
}

/// The arguments of a row, or at `_init` those that are constants.
pub struct Arguments<'a> {
    types: &'a [c_int],
    values: &'a [*mut c_char],
    lengths: &'a [c_ulong],
}

impl<'a> Arguments<'a> {
    /// # Safety
    /// `args` is what the server gave, and stays so for the lifetime.
    unsafe fn new(args: &'a UdfArgs) -> Arguments<'a> {
        let count = args.arg_count as usize;
        if count == 0 {
            return Arguments { types: &[], values: &[], lengths: &[] };
        }
        // SAFETY: the server's arrays have an element per argument.
        unsafe {
            Arguments {
                types: slice::from_raw_parts(args.arg_type, count),
                values: slice::from_raw_parts(args.args, count),
                lengths: slice::from_raw_parts(args.lengths, count),
            }
        }
    }

    /// Whether one of them is NULL.
    pub fn any_null(&self) -> bool {
        self.values.iter().any(|value| value.is_null())
    }

    /// An argument's bytes. None if it is NULL, absent or, at `_init`, no constant.
    pub fn bytes(&self, i: usize) -> Option<&'a [u8]> {
        let (value, length) = (*self.values.get(i)?, *self.lengths.get(i)? as usize);
        // SAFETY: the server gives `length` bytes at the address of an argument that is no number.
        (!value.is_null() && *self.types.get(i)? != INTEGER)
            .then(|| unsafe { slice::from_raw_parts(value.cast(), length) })
    }

    /// An argument's integer; as [`Arguments::bytes`].
    pub fn integer(&self, i: usize) -> Option<i64> {
        let value = *self.values.get(i)?;
        // SAFETY: an integer argument is given as a `long long`.
        (!value.is_null() && *self.types.get(i)? == INTEGER)
            .then(|| unsafe { value.cast::<c_longlong>().read_unaligned() })
    }

    /// An argument as text, whatever it is given as; at `_init` numbers are given as such though bytes were asked for.
    pub fn text(&self, i: usize) -> Option<String> {
        match *self.types.get(i)? {
            INTEGER => self.integer(i).map(|number| number.to_string()),
            REAL => {
                let value = *self.values.get(i)?;
                // SAFETY: a real argument is given as a `double`.
                (!value.is_null()).then(|| unsafe { value.cast::<f64>().read_unaligned() }.to_string())
            }
            _ => self.bytes(i).map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
        }
    }
}

/// `NAME_init`: true refuses the statement, with a message.
///
/// # Safety
/// The pointers are the server's; `message` has room for 512 bytes.
pub unsafe fn init(function: &Function, init: *mut UdfInit, args: *mut UdfArgs, message: *mut c_char) -> bool {
    // SAFETY: valid for the call, and nobody else's.
    let prepared = unsafe { prepare(function, &mut *init, &mut *args) };
    if let Err(error) = &prepared {
        // SAFETY: the room that the caller promises.
        unsafe { write_text(message, DM_UDF_MESSAGE as usize, &error.to_string()) };
    }
    prepared.is_err()
}

/// # Safety
/// `args` is what the server gave to `_init`.
unsafe fn prepare(function: &Function, init: &mut UdfInit, args: &mut UdfArgs) -> Result<(), ArgumentError> {
    let (needed, optional) = function.arguments.split_once('?').unwrap_or((function.arguments, ""));
    let count = args.arg_count as usize;
    if !(needed.len()..=needed.len() + optional.len()).contains(&count) {
        return Err(ArgumentError::Count(function.usage));
    }
    // SAFETY: as the caller promises; the arrays are not changed while this lives.
    (function.check)(&unsafe { Arguments::new(args) })?;
    for (i, letter) in needed.chars().chain(optional.chars()).take(count).enumerate() {
        // SAFETY: the array has an element per argument.
        unsafe { *args.arg_type.add(i) = if letter == 'i' { INTEGER } else { STRING } };
    }
    init.maybe_null = true;
    // It asks another server: the same arguments may have another value in the next row.
    init.const_item = false;
    init.max_length = 1 << 24;
    init.decimals = 0;
    init.ptr = Box::into_raw(Box::<Buffers>::default()).cast();
    Ok(())
}

/// `NAME_deinit`.
///
/// # Safety
/// `init` is what `_init` was given.
pub unsafe fn deinit(init: *mut UdfInit) {
    // SAFETY: valid for the call; the pointer is the box that `_init` made, or null.
    unsafe {
        let kept = std::mem::replace(&mut (*init).ptr, std::ptr::null_mut()).cast::<Buffers>();
        if !kept.is_null() {
            drop(Box::from_raw(kept));
        }
    }
}

/// `NAME` of a function that returns an integer.
///
/// # Safety
/// The pointers are the server's, `init` as `_init` left it.
pub unsafe fn integer(
    function: &Function,
    init: *mut UdfInit,
    args: *mut UdfArgs,
    is_null: *mut c_uchar,
) -> c_longlong {
    // SAFETY: as the caller promises.
    let (value, _) = unsafe { value(function, init, args) };
    match value {
        Value::Integer(number) => number,
        Value::Null | Value::Bytes => {
            // SAFETY: the server's.
            unsafe { *is_null = 1 };
            0
        }
    }
}

/// `NAME` of a function that returns bytes; they stay until the next row or `_deinit`.
///
/// # Safety
/// The pointers are the server's, `init` as `_init` left it.
pub unsafe fn string(
    function: &Function,
    init: *mut UdfInit,
    args: *mut UdfArgs,
    length: *mut c_ulong,
    is_null: *mut c_uchar,
) -> *const c_char {
    // SAFETY: as the caller promises.
    let (value, buffers) = unsafe { value(function, init, args) };
    // SAFETY: the server's pointers; the buffers are this statement's own.
    unsafe {
        if value != Value::Bytes || buffers.is_null() {
            *is_null = 1;
            return std::ptr::null();
        }
        let bytes = &(*buffers).value;
        *length = bytes.len() as c_ulong;
        bytes.as_ptr().cast()
    }
}

/// # Safety
/// As [`integer`].
unsafe fn value(function: &Function, init: *mut UdfInit, args: *mut UdfArgs) -> (Value, *mut Buffers) {
    // SAFETY: valid for the call; the buffers were made by `_init` and are used by one thread at a time.
    unsafe {
        let buffers = (*init).ptr.cast::<Buffers>();
        let arguments = Arguments::new(&*args);
        // SQL's rule: what is asked about nothing known has no known answer.
        if buffers.is_null() || arguments.any_null() {
            return (Value::Null, buffers);
        }
        ((function.value)(function, &arguments, &mut *buffers), buffers)
    }
}
