//! Where C and Rust meet: panics end here, and handles get their types back.
//!
//! Unwinding into C is undefined, so every `extern "C"` function whose body could panic runs it through [`guard`]. A function that only
//! passes its arguments on to another C function needs none.
//!
//! A [`Handle`] ties a pointer type of a header to the object behind it, so that no function can take one object for another.

use std::any::{Any, type_name};
use std::borrow::Cow;
use std::ffi::{CStr, c_char};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A panic that was caught; its text is what the panic said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Defect(String);

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a defect was caught: {}", self.0)
    }
}

impl std::error::Error for Defect {}

impl Defect {
    #[cold]
    fn new(panic: Box<dyn Any + Send>) -> Defect {
        let known =
            panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let text = known.unwrap_or("a panic without a text").to_owned();
        // A payload's destructor could panic again.
        std::mem::forget(panic);
        Defect(text)
    }
}

/// Runs `body` and keeps a panic in it from going further. What `body` was changing may be half done: the caller says what
/// becomes of it.
#[inline]
pub(crate) fn catch<T>(body: impl FnOnce() -> T) -> Result<T, Defect> {
    catch_unwind(AssertUnwindSafe(body)).map_err(Defect::new)
}

/// Runs the body of a function that C calls: a panic becomes `on_panic` and a line in the log.
#[inline]
pub(crate) fn guard<T, F: FnOnce() -> T>(on_panic: T, body: F) -> T {
    catch(body).unwrap_or_else(|defect| {
        report(type_name::<F>(), &defect);
        on_panic
    })
}

/// Says where a defect was caught: in the function around the closure of this type.
#[cold]
fn report(closure: &str, defect: &Defect) {
    let function = closure.split("::{{closure}}").next().unwrap_or(closure);
    log::error!("DM1007: {}: {defect}", function.rsplit("::").next().unwrap_or(function));
}

/// A type that stands in a header without its contents, and what its pointers lead to.
pub(crate) trait Handle {
    /// The object behind a pointer.
    type Object;
}

/// Gives an object away to C.
pub(crate) fn into_handle<H: Handle>(object: Box<H::Object>) -> *mut H {
    Box::into_raw(object).cast()
}

/// The object behind a handle, to change it.
///
/// # Safety
/// `handle` is NULL or came from [`into_handle`] and was not taken back, and no other reference to its object is alive while
/// this one is.
#[cfg(feature = "refengine")]
#[inline]
pub(crate) unsafe fn object<'a, H: Handle>(handle: *mut H) -> Option<&'a mut H::Object> {
    // SAFETY: the caller's promise; only `into_handle` makes handles, and of this type alone.
    unsafe { handle.cast::<H::Object>().as_mut() }
}

/// The object behind a handle, to look at it.
///
/// # Safety
/// `handle` is NULL or came from [`into_handle`] and was not taken back, and nobody changes its object while this reference is alive.
#[inline]
pub(crate) unsafe fn shared<'a, H: Handle>(handle: *const H) -> Option<&'a H::Object> {
    // SAFETY: the caller's promise; only `into_handle` makes handles, and of this type alone.
    unsafe { handle.cast::<H::Object>().as_ref() }
}

/// Takes an object back from C.
///
/// # Safety
/// As for [`shared`], and no reference to the object is alive; the handle is dead afterwards.
pub(crate) unsafe fn from_handle<H: Handle>(handle: *mut H) -> Option<Box<H::Object>> {
    // SAFETY: the caller's promise; the box came from `into_handle`.
    (!handle.is_null()).then(|| unsafe { Box::from_raw(handle.cast()) })
}

/// Keeps this library in memory from here on, whoever unloads it: a thread of it runs on.
pub(crate) fn stay_loaded() {
    let here = (stay_loaded as fn() as *const ()).cast();
    let mut found = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: any address may be asked for; `found` is filled where the answer is not 0, with a name that lives as long as the library,
    // which is open: it is opened once more, never to be closed.
    unsafe {
        if libc::dladdr(here, found.as_mut_ptr()) != 0 {
            let name = found.assume_init().dli_fname;
            libc::dlopen(name, libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE);
        }
    }
}

/// C's text, with U+FFFD for what is not UTF-8; `None` for NULL.
///
/// # Safety
/// `pointer` is NULL or a NUL-terminated string that lives as long as the result is used.
pub(crate) unsafe fn text<'a>(pointer: *const c_char) -> Option<Cow<'a, str>> {
    // SAFETY: the caller's promise.
    (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) }.to_string_lossy())
}

#[cfg(feature = "refengine")]
/// Text for C: what stands before a NUL byte.
#[cfg(feature = "refengine")]
pub(crate) fn c_string(text: &str) -> std::ffi::CString {
    let end = text.find('\0').unwrap_or(text.len());
    std::ffi::CString::new(text.get(..end).unwrap_or("")).unwrap_or_default()
}

/// Writes text into a caller's buffer, cut at a character if it must be, and a NUL.
///
/// # Safety
/// `out` is NULL or `size` writable bytes.
pub(crate) unsafe fn write_text(out: *mut c_char, size: usize, text: &str) {
    let Some(room) = size.checked_sub(1).filter(|_| !out.is_null()) else { return };
    let length = text.floor_char_boundary(room);
    // SAFETY: `length` + 1 <= `size` bytes are written to the caller's buffer and read from the text.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr().cast(), out, length);
        out.add(length).write(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_the_error_value() {
        assert_eq!(guard(-1, || 5), 5);
        assert_eq!(guard(-1, || if true { panic!("caught by the guard") } else { 5 }), -1);
    }

    #[test]
    fn a_defect_says_what_the_panic_said() {
        assert_eq!(catch(|| panic!("line {}", 7)), Err::<(), _>(Defect("line 7".into())));
        assert_eq!(catch(|| std::panic::panic_any(7)), Err::<(), _>(Defect("a panic without a text".into())));
    }

    #[test]
    fn text_is_cut_at_a_character() {
        let mut buffer = [0x55; 8];
        for (size, expected) in [(8, "a\u{e4}b"), (5, "a\u{e4}b"), (4, "a\u{e4}"), (3, "a"), (2, "a"), (1, "")] {
            // SAFETY: the buffer has that many bytes and ends with a NUL after the call.
            let read = unsafe {
                write_text(buffer.as_mut_ptr(), size, "a\u{e4}b");
                text(buffer.as_ptr())
            };
            assert_eq!(read.as_deref(), Some(expected), "{size}");
        }
        // SAFETY: a size of 0 and NULL are allowed.
        unsafe {
            write_text(buffer.as_mut_ptr(), 0, "x");
            write_text(std::ptr::null_mut(), 8, "x");
            assert_eq!(text(std::ptr::null()), None);
        }
    }
}
