//! A function of a library at one place of a statement, called as servers call theirs.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString, c_char, c_int, c_longlong, c_uchar, c_ulong};
use std::ptr;
use std::sync::Arc;

use super::{Loadable, Returns};
use crate::bindings::{
    DM_UDF_DECIMAL, DM_UDF_INTEGER, DM_UDF_MESSAGE, DM_UDF_REAL, DM_UDF_STRING, dm_udf_args, dm_udf_init,
};
use crate::refengine::codes;
use crate::refengine::interrupt;
use crate::refengine::sql::datum::{Datum, Number};
use crate::refengine::sql::decimal::Decimal;
use crate::refengine::sql::error::{Result, SqlError};
use crate::refengine::sql::kind::Kind;

type Init = unsafe extern "C" fn(*mut dm_udf_init, *mut dm_udf_args, *mut c_char) -> bool;
type Deinit = unsafe extern "C" fn(*mut dm_udf_init);
type IntegerRow = unsafe extern "C" fn(*mut dm_udf_init, *mut dm_udf_args, *mut c_uchar, *mut c_uchar) -> c_longlong;
type RealRow = unsafe extern "C" fn(*mut dm_udf_init, *mut dm_udf_args, *mut c_uchar, *mut c_uchar) -> f64;
type BytesRow = unsafe extern "C" fn(
    *mut dm_udf_init,
    *mut dm_udf_args,
    *mut c_char,
    *mut c_ulong,
    *mut c_uchar,
    *mut c_uchar,
) -> *const c_char;

/// The room a function gets for a short result.
const ROOM: usize = 255;

thread_local! {
    /// Why the statement of this thread fails, said by the function that runs.
    static FAILURE: Cell<Option<SqlError>> = const { Cell::new(None) };
}

/// Fails the statement of this thread when the function that runs for it returns; the first of several failures counts.
pub fn fail_statement(number: u32, message: String) {
    let mut error = SqlError::new(codes::ER_UNKNOWN_ERROR, message);
    error.errno = number;
    FAILURE.set(FAILURE.take().or(Some(error)));
}

/// A function at one place of a statement, from `_init` to `_deinit`.
pub struct Call {
    function: Arc<Loadable>,
    state: RefCell<State>,
}

struct State {
    init: dm_udf_init,
    /// What each argument is given as.
    types: Vec<c_int>,
    attributes: Vec<CString>,
    /// It said that an error happened, and is not called again.
    broken: bool,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}()", self.function.name)
    }
}

impl PartialEq for Call {
    /// Two calls may differ though their arguments do not.
    fn eq(&self, other: &Call) -> bool {
        ptr::eq(self, other)
    }
}

/// An argument when the statement begins: its text, its type, and its value if that is a constant.
pub struct Argument {
    pub text: String,
    pub kind: Kind,
    pub constant: Option<Datum>,
}

impl Call {
    /// Begins.
    ///
    /// # Errors
    /// 1123 with the function's sentence.
    pub fn begin(function: Arc<Loadable>, arguments: Vec<Argument>) -> Result<Call> {
        let init = dm_udf_init {
            maybe_null: true,
            decimals: 31,
            max_length: ROOM as c_ulong,
            ptr: ptr::null_mut(),
            const_item: arguments.iter().all(|argument| argument.constant.is_some()),
            extension: ptr::null_mut(),
        };
        let types = arguments.iter().map(|argument| item_result(argument.kind)).collect();
        let attributes = arguments
            .iter()
            .map(|argument| CString::new(argument.text.replace('\0', " ")).unwrap_or_default())
            .collect();
        let mut state = State { init, types, attributes, broken: false };
        let constants = arguments.into_iter().map(|argument| argument.constant.unwrap_or(Datum::Null)).collect();
        let mut message = [0; DM_UDF_MESSAGE as usize];
        let refused = !function.init.is_null() && {
            // SAFETY: the symbol NAME_init of a library that has NAME is such a function.
            let begin = unsafe { std::mem::transmute::<*mut std::ffi::c_void, Init>(function.init) };
            // SAFETY: structures as the interface has them, valid for the call, and room for a message.
            state.with_arguments(constants, |init, args| unsafe { begin(init, args, message.as_mut_ptr()) })
        };
        FAILURE.take().map_or(Ok(()), Err)?;
        if refused {
            let text = message.iter().map(|c| c.cast_unsigned()).take_while(|c| *c != 0).collect::<Vec<u8>>();
            let text = format!("Can't initialize function '{}'; {}", function.name, String::from_utf8_lossy(&text));
            return Err(SqlError::new(codes::ER_CANT_INITIALIZE_UDF, text));
        }
        Ok(Call { function, state: RefCell::new(state) })
    }

    /// What it gives.
    pub fn kind(&self) -> Kind {
        self.function.returns.kind()
    }

    /// The value for a row.
    ///
    /// # Errors
    /// 1317 if the statement was killed, or what the function said of its failure.
    pub fn value(&self, arguments: Vec<Datum>) -> Result<Datum> {
        if interrupt::is_interrupted() {
            return Err(SqlError::interrupted());
        }
        let mut state = self.state.borrow_mut();
        if state.broken {
            return Ok(Datum::Null);
        }
        let (mut null, mut error) = (0, 0);
        let value = state.with_arguments(arguments, |init, args| {
            // SAFETY: the structures are valid for the call, and the function's type is what CREATE FUNCTION says of it.
            unsafe { row(&self.function, init, args, &mut null, &mut error) }
        });
        FAILURE.take().map_or(Ok(()), Err)?;
        if interrupt::is_interrupted() {
            return Err(SqlError::interrupted());
        }
        state.broken = error != 0;
        Ok(if null != 0 || error != 0 { Datum::Null } else { value })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.function.deinit.is_null() {
            return;
        }
        // SAFETY: the symbol NAME_deinit of a library that has NAME is such a function; `init` is as the function left it.
        unsafe {
            let end = std::mem::transmute::<*mut std::ffi::c_void, Deinit>(self.function.deinit);
            end(&raw mut self.state.get_mut().init);
        }
    }
}

/// # Safety
/// The function returns what is recorded of it; the pointers are valid for the call.
unsafe fn row(
    function: &Loadable,
    init: *mut dm_udf_init,
    args: *mut dm_udf_args,
    null: &mut c_uchar,
    error: &mut c_uchar,
) -> Datum {
    // SAFETY: as the caller promises.
    unsafe {
        match function.returns {
            Returns::Integer => Datum::Int(std::mem::transmute::<*mut std::ffi::c_void, IntegerRow>(function.row)(
                init, args, null, error,
            )),
            Returns::Real => Datum::Double(std::mem::transmute::<*mut std::ffi::c_void, RealRow>(function.row)(
                init, args, null, error,
            )),
            Returns::String | Returns::Decimal => {
                let (mut room, mut length) = ([0 as c_char; ROOM + 1], ROOM as c_ulong);
                let call = std::mem::transmute::<*mut std::ffi::c_void, BytesRow>(function.row);
                let bytes = call(init, args, room.as_mut_ptr(), &raw mut length, null, error);
                if bytes.is_null() || *null != 0 || *error != 0 {
                    return Datum::Null;
                }
                let bytes = std::slice::from_raw_parts(bytes.cast::<u8>(), length as usize).to_vec();
                if function.returns == Returns::String {
                    return Datum::Bytes(bytes);
                }
                let digits = String::from_utf8_lossy(&bytes);
                Decimal::parse(digits.trim()).map_or(Datum::Bytes(bytes), Datum::Decimal)
            }
        }
    }
}

/// `Item_result` of a type.
fn item_result(kind: Kind) -> c_int {
    let result = match kind {
        Kind::Int { .. } => DM_UDF_INTEGER,
        Kind::Double => DM_UDF_REAL,
        Kind::Decimal => DM_UDF_DECIMAL,
        Kind::Null | Kind::Text { .. } | Kind::Bytes { .. } => DM_UDF_STRING,
    };
    result.cast_signed()
}

/// An argument's value in C's form, which its address leads to.
enum Held {
    Null,
    Integer(c_longlong),
    Real(f64),
    /// With a NUL behind it that its length does not count.
    Bytes(Vec<u8>),
}

impl Held {
    fn of(value: Datum, kind: c_int) -> Held {
        let Some(number) = value.as_number() else { return Held::Null };
        match kind.cast_unsigned() {
            DM_UDF_INTEGER => Held::Integer(integer(&value, number)),
            DM_UDF_REAL => Held::Real(number.to_f64()),
            _ => {
                let mut bytes = value.into_bytes().unwrap_or_default();
                bytes.push(0);
                Held::Bytes(bytes)
            }
        }
    }

    fn address(&self) -> *mut c_char {
        match self {
            Held::Null => ptr::null_mut(),
            Held::Integer(number) => ptr::from_ref(number).cast_mut().cast(),
            Held::Real(number) => ptr::from_ref(number).cast_mut().cast(),
            Held::Bytes(bytes) => bytes.as_ptr().cast_mut().cast(),
        }
    }

    fn length(&self) -> c_ulong {
        match self {
            Held::Null => 0,
            Held::Integer(_) | Held::Real(_) => 8,
            Held::Bytes(bytes) => bytes.len().saturating_sub(1) as c_ulong,
        }
    }
}

/// As servers make an integer of an argument: strings are cut at the fraction, numbers are rounded.
fn integer(value: &Datum, number: Number) -> c_longlong {
    let whole = match (value, number) {
        (Datum::Bytes(_), Number::Double(number)) => number.trunc() as i128,
        (Datum::UInt(number), _) => return number.cast_signed(),
        (_, number) => number.round(),
    };
    whole.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as c_longlong
}

impl State {
    /// Calls with these arguments, each given as its type says.
    fn with_arguments<T>(
        &mut self,
        values: Vec<Datum>,
        body: impl FnOnce(*mut dm_udf_init, *mut dm_udf_args) -> T,
    ) -> T {
        let held: Vec<Held> = values.into_iter().zip(&self.types).map(|(value, kind)| Held::of(value, *kind)).collect();
        let mut args: Vec<*mut c_char> = held.iter().map(Held::address).collect();
        let mut lengths: Vec<c_ulong> = held.iter().map(Held::length).collect();
        let mut maybe_null = vec![1 as c_char; held.len()];
        let mut attributes: Vec<*mut c_char> = self.attributes.iter().map(|text| text.as_ptr().cast_mut()).collect();
        let mut attribute_lengths: Vec<c_ulong> =
            self.attributes.iter().map(|text| CStr::to_bytes(text).len() as c_ulong).collect();
        let mut structure = dm_udf_args {
            arg_count: held.len() as u32,
            arg_type: self.types.as_mut_ptr(),
            args: args.as_mut_ptr(),
            lengths: lengths.as_mut_ptr(),
            maybe_null: maybe_null.as_mut_ptr(),
            attributes: attributes.as_mut_ptr(),
            attribute_lengths: attribute_lengths.as_mut_ptr(),
            extension: ptr::null_mut(),
        };
        body(&raw mut self.init, &raw mut structure)
    }
}
