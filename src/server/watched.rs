//! Files whose change is noticed by looking at them now and then.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Files, and how they looked last.
pub struct Watched {
    paths: Vec<PathBuf>,
    looks: Vec<Option<Look>>,
}

/// Another file in its place, another content, another owner or mode: at least one of these differs.
type Look = (u64, u64, u64, i64, i64);

impl Watched {
    /// Looks at the files for the first time; read them afterwards, or a change in between goes unnoticed.
    pub fn new(paths: Vec<PathBuf>) -> Watched {
        let mut watched = Watched { looks: Vec::new(), paths };
        watched.changed();
        watched
    }

    /// Whether one of them looks different from the last time.
    pub fn changed(&mut self) -> bool {
        let looks: Vec<_> = self.paths.iter().map(look).collect();
        let changed = looks != self.looks;
        self.looks = looks;
        changed
    }
}

fn look(path: &PathBuf) -> Option<Look> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino(), metadata.size(), metadata.ctime(), metadata.ctime_nsec()))
}
