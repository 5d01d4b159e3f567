//! What the standard library does not do with files.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Bytes that are free on the disk of a directory for who is not root.
pub(super) fn space(dir: &Path) -> io::Result<u64> {
    let path = CString::new(dir.as_os_str().as_bytes())?;
    // SAFETY: zeroes are a valid value of it.
    let mut about: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: the path ends with a zero, the other is ours.
    match unsafe { libc::statvfs(path.as_ptr(), &mut about) } {
        0 => Ok(about.f_bavail.saturating_mul(about.f_frsize)),
        _ => Err(io::Error::last_os_error()),
    }
}
