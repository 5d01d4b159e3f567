//! Functions and data that the server's program exports.

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
/// The sentence for the DBA.
pub fn require(name: &CStr) -> Result<*mut c_void, String> {
    let address = find(name);
    match address.is_null() {
        true => Err(format!(
            "this server does not export {}, which daemon_memcached needs; it was built in a way the plugin does not support",
            name.to_string_lossy()
        )),
        false => Ok(address),
    }
}
