//! Who may look at the data directory: its owner, and its group for reading. Rows and hashes of passwords are in there.
//!
//! Directories are made with mode 0750 and files with 0640, whatever the process's umask; one that is stricter stays. The umask belongs to
//! the host, so nothing here changes it: what creates files through fjall runs on a thread with a umask of its own ([`privately`]).

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// What nobody gets beyond the owner: write for the group, anything for others.
const UMASK: libc::mode_t = 0o027;
const DIRECTORY: u32 = 0o750;
const FILE: u32 = 0o640;
/// The sticky bit, that of directories which everybody shares.
const STICKY: u32 = 0o1000;

/// Runs `f` on a thread whose new files and directories, and those of the threads it starts, are private. Where the system does
/// not give a thread a umask of its own, they get the process's, below a directory that is private all the same.
pub(crate) fn privately<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    let run = || {
        // SAFETY: both calls take plain numbers; the first parts this thread's umask from the process's, and only then it changes.
        unsafe {
            if libc::unshare(libc::CLONE_FS) == 0 {
                libc::umask(UMASK);
            }
        }
        f()
    };
    std::thread::scope(|scope| scope.spawn(run).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Options that create a private file.
pub(crate) fn file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).write(true).mode(FILE);
    options
}

/// Creates a private directory if it is missing, and those above it.
pub(crate) fn create_dir(dir: &Path) -> io::Result<()> {
    if let Some(above) = dir.parent() {
        std::fs::create_dir_all(above)?;
    }
    match DirBuilder::new().mode(DIRECTORY).create(dir) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        other => other,
    }
}

/// Takes away what others than the owner and the group may do with `path` and, if it is a directory, with what is below it.
/// Returns how many entries were changed. What belongs to another user stays as it is, and so does a directory that everybody shares.
pub(crate) fn tighten(path: &Path) -> io::Result<usize> {
    let mut changed = usize::from(tighten_one(path)?);
    if path.symlink_metadata()?.is_dir() {
        for entry in std::fs::read_dir(path)? {
            changed += tighten(&entry?.path())?;
        }
    }
    Ok(changed)
}

/// Like [`tighten`], without what is below.
pub(crate) fn tighten_one(path: &Path) -> io::Result<bool> {
    let found = path.symlink_metadata()?;
    let wanted = match found.file_type() {
        kind if kind.is_dir() => DIRECTORY,
        kind if kind.is_file() => FILE,
        _ => return Ok(false),
    };
    let mode = found.mode() & 0o7777;
    // SAFETY: takes no arguments and cannot fail.
    let own = found.uid() == unsafe { libc::geteuid() };
    if mode & !wanted == 0 || mode & STICKY != 0 || !own {
        return Ok(false);
    }
    std::fs::set_permissions(path, Permissions::from_mode(mode & wanted)).map(|()| true)
}
