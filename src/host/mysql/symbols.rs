//! Functions and data that the server's program exports.

use crate::host::HostError;
use std::ffi::{CStr, c_void};
use std::ptr;

/// Address of an exported symbol of this process, null if there is none.
pub fn find(name: &CStr) -> *mut c_void {
    // SAFETY: looks a name up in what is loaded; a null handle means the program and everything it loaded.
    unsafe { libc::dlsym(ptr::null_mut(), name.as_ptr()) }
}

/// The same, for a symbol that the plugin cannot do without.
///
/// # Errors
/// It is not there.
pub fn require(name: &CStr) -> Result<*mut c_void, HostError> {
    let address = find(name);
    if address.is_null() {
        return Err(HostError::NoSymbol(name.to_string_lossy().into_owned()));
    }
    Ok(address)
}
