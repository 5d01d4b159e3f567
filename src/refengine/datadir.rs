//! The data directory: one owner, and never half created.
//!
//! | name | what |
//! |---|---|
//! | `refengine.lock` | locked by the process that has the directory open |
//! | `refengine` | the storage |
//! | `refengine.new` | a storage in the making; it gets its name when it is complete, so one that a crash left is worthless |

use super::error::{Error, Result};
use super::storage::io_error;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

/// A data directory that this process owns. Dropping it lets go.
pub(crate) struct DataDir {
    dir: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Creates `dir` if it is missing and takes it. [`Error::Locked`]: somebody else has it.
    pub(crate) fn claim(dir: &Path) -> Result<DataDir> {
        let failed = |e| io_error(&format!("cannot use the data directory {}", dir.display()), &e);
        std::fs::create_dir_all(dir).map_err(failed)?;
        let path = dir.join("refengine.lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(DataDir { dir: dir.into(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked(dir.display().to_string())),
            Err(TryLockError::Error(e)) => Err(failed(e)),
        }
    }

    /// Where the storage is. If there is none, `create` makes one at the path it gets (`true`).
    pub(crate) fn storage(&self, create: impl FnOnce(&Path) -> Result<()>) -> Result<(PathBuf, bool)> {
        let path = self.dir.join("refengine");
        let failed = |e| io_error(&format!("cannot create {}", path.display()), &e);
        if path.try_exists().map_err(failed)? {
            return Ok((path, false));
        }
        let new = self.dir.join("refengine.new");
        if new.try_exists().map_err(failed)? {
            std::fs::remove_dir_all(&new).map_err(failed)?;
        }
        create(&new)?;
        std::fs::rename(&new, &path).map_err(failed)?;
        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(failed)?;
        Ok((path, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_creation_that_was_cut_off_is_begun_again() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::claim(dir.path()).unwrap();
        let cut_off = data.storage(|path| {
            std::fs::create_dir(path).unwrap();
            std::fs::write(path.join("half"), "").unwrap();
            Err(Error::Storage("power went".into()))
        });
        assert!(cut_off.is_err());
        let (path, created) = data
            .storage(|path| {
                assert!(!path.exists());
                std::fs::create_dir(path).unwrap();
                std::fs::write(path.join("whole"), "").unwrap();
                Ok(())
            })
            .unwrap();
        assert!(created && path.join("whole").exists());
        let (again, created) = data.storage(|_| panic!("it is there")).unwrap();
        assert!(again == path && !created);
    }

    #[test]
    fn it_has_one_owner() {
        let dir = tempfile::tempdir().unwrap();
        let one = DataDir::claim(dir.path()).unwrap();
        assert!(matches!(DataDir::claim(dir.path()), Err(Error::Locked(_))));
        drop(one);
        DataDir::claim(dir.path()).unwrap();
    }
}
