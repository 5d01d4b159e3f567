//! The data directory: one owner, never half created, and nobody else's to read.
//!
//! | name | what |
//! |---|---|
//! | `refengine.format` | a number, [`FORMAT`] or less: what the files are written as; directories of 0.1.0 have none and are of format 1 |
//! | `refengine.lock` | locked by the process that has the directory open |
//! | `refengine` | the storage |
//! | `refengine.new` | a storage in the making; it gets its name when it is complete, so one that a crash left is worthless |

use super::error::{Error, Result, io_error};
use super::permissions;
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What this version writes. It grows when an older version could not read the files any more; every lower format is read for ever.
const FORMAT: u32 = 1;
const FORMAT_FILE: &str = "refengine.format";

/// What MySQL and MariaDB have in their data directories, and nobody else.
const FOREIGN: [&str; 3] = ["ibdata1", "mysql.ibd", "aria_log_control"];

/// A data directory that this process owns. Dropping it lets go.
pub(crate) struct DataDir {
    dir: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Creates `dir` if it is missing and takes it. [`Error::Locked`]: somebody else has it.
    pub(crate) fn claim(dir: &Path) -> Result<DataDir> {
        let failed = |e| io_error(&format!("cannot use the data directory {}", dir.display()), &e);
        refuse_foreign(dir)?;
        permissions::create_dir(dir).map_err(failed)?;
        let path = dir.join("refengine.lock");
        let lock = permissions::file().truncate(false).open(path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {
                let data = DataDir { dir: dir.into(), _lock: lock };
                data.tighten().map_err(failed)?;
                Ok(data)
            }
            Err(TryLockError::WouldBlock) => Err(Error::Locked(dir.display().to_string())),
            Err(TryLockError::Error(e)) => Err(failed(e)),
        }
    }

    /// Says what the files are written as, where that does not stand there yet.
    fn record_format(&self) -> io::Result<()> {
        let path = self.dir.join(FORMAT_FILE);
        if path.try_exists()? {
            return Ok(());
        }
        let new = self.dir.join("refengine.format.new");
        let mut file = permissions::file().truncate(true).open(&new)?;
        file.write_all(format!("{FORMAT}\n").as_bytes())?;
        file.sync_all()?;
        std::fs::rename(new, path)
    }

    /// Makes what is there already as private as what is new. Files of others in the directory are not ours to change.
    fn tighten(&self) -> io::Result<()> {
        let mut changed = usize::from(permissions::tighten_one(&self.dir)?);
        for entry in std::fs::read_dir(&self.dir)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("refengine") {
                changed += permissions::tighten(&entry.path())?;
            }
        }
        if changed > 0 {
            let dir = self.dir.display();
            log::warn!(
                "DM2004: refengine: the data directory {dir} was open to others than its owner and group: {changed} modes were tightened"
            );
        }
        Ok(())
    }

    /// Where the storage is. If there is none, `create` makes one at the path it gets (`true`).
    pub(crate) fn storage(&self, create: impl FnOnce(&Path) -> Result<()>) -> Result<(PathBuf, bool)> {
        let path = self.dir.join("refengine");
        let failed = |e| io_error(&format!("cannot create {}", path.display()), &e);
        self.record_format().map_err(failed)?;
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

/// Leaves alone what another program or a later version wrote: nothing in such a directory is touched.
fn refuse_foreign(dir: &Path) -> Result<()> {
    if let Some(file) = FOREIGN.iter().find(|file| dir.join(file).exists()) {
        return Err(Error::Storage(format!(
            "it has {file}, so it is a data directory of MySQL or MariaDB; take an empty one and load a dump"
        )));
    }
    let path = dir.join(FORMAT_FILE);
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        text => text.map_err(|error| io_error(&format!("cannot read {}", path.display()), &error))?,
    };
    match text.trim().parse::<u32>() {
        Ok(format) if format <= FORMAT => Ok(()),
        Ok(format) => Err(Error::Storage(format!(
            "a later version wrote it, in format {format}, and this one reads up to {FORMAT}: start that version again"
        ))),
        Err(_) => Err(Error::Corrupt(format!("{} does not hold a number", path.display()))),
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
    fn what_is_open_to_others_is_tightened_and_what_is_not_ours_stays() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let set = |name: &str, mode| {
            std::fs::set_permissions(dir.path().join(name), PermissionsExt::from_mode(mode)).unwrap()
        };
        let cases = [
            ("refengine", Some(0o777), 0o750),
            ("refengine/keyspaces", Some(0o700), 0o700),
            ("refengine/table", None, 0o640),
            ("refengine/strict", None, 0o600),
            ("other", None, 0o644),
            ("", Some(0o755), 0o750),
        ];
        for (name, directory, wanted) in cases {
            match directory {
                Some(mode) => {
                    std::fs::create_dir_all(dir.path().join(name)).unwrap();
                    set(name, mode);
                }
                None => {
                    std::fs::write(dir.path().join(name), "").unwrap();
                    set(name, if wanted == 0o600 { 0o600 } else { 0o644 });
                }
            }
        }
        drop(DataDir::claim(dir.path()).unwrap());
        for (name, _, wanted) in cases {
            let mode = dir.path().join(name).metadata().unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode, wanted, "{name:?} has {mode:o}");
        }
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
