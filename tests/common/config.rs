//! How the program is started: its data directory, options, environment.

use super::host::Host;
use super::{program, user_line};
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// How to start the program. Clones share the data directory, which lives as long as one of them.
#[derive(Clone)]
pub struct HostConfig {
    scratch: Arc<tempfile::TempDir>,
    option: Option<String>,
    args: Vec<OsString>,
    under: Vec<OsString>,
    environment: Vec<(String, OsString)>,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl HostConfig {
    /// A fresh data directory; the daemon will listen on a free port (`-p 0`).
    pub fn new() -> Self {
        let scratch = tempfile::Builder::new().prefix("memcached-host-").tempdir().unwrap();
        Self {
            scratch: Arc::new(scratch),
            option: Some("-p 0".into()),
            args: Vec::new(),
            under: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// Replaces the option string, e.g. `"-p 0 -t 2"`.
    pub fn option(mut self, option: &str) -> Self {
        self.option = Some(option.into());
        self
    }

    /// No `--daemon-memcached-option`.
    pub fn no_option(mut self) -> Self {
        self.option = None;
        self
    }

    /// One more argument, e.g. `"--innodb-flush-log-at-trx-commit=2"`.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Runs the program under another one, such as valgrind with its arguments.
    pub fn under(mut self, command: &[&str]) -> Self {
        self.under = command.iter().map(OsString::from).collect();
        self
    }

    /// One more environment variable.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// An empty server: no scripts and no INSTALL PLUGIN at the first start, no plugin variables.
    pub fn bare(self) -> Self {
        self.no_option().arg("--no-defaults-sql")
    }

    /// A folder for this test's own files (sockets, init files); the data directory is its `data`.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    pub fn datadir(&self) -> PathBuf {
        self.scratch.path().join("data")
    }

    /// Writes a users file of (name, password, rights) and returns its path, for option `-Y`.
    pub fn users(&self, users: &[(&str, &str, &str)]) -> PathBuf {
        let path = self.scratch().join("users");
        // Another file in its place, so that nobody reads half of it.
        let fresh = self.scratch().join("users.new");
        let lines: Vec<String> =
            users.iter().map(|(name, password, rights)| user_line(name, password, rights)).collect();
        std::fs::write(&fresh, lines.concat()).unwrap();
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::rename(fresh, &path).unwrap();
        path
    }

    /// The command line that [`HostConfig::start`] uses.
    pub fn command(&self) -> Command {
        let mut command = match self.under.split_first() {
            Some((outer, args)) => {
                let mut command = Command::new(outer);
                command.args(args).arg(program());
                command
            }
            None => Command::new(program()),
        };
        let mut datadir = OsString::from("--datadir=");
        datadir.push(self.datadir());
        command.arg(datadir).arg("--port=0").current_dir(self.scratch());
        if let Some(option) = &self.option {
            command.arg(format!("--daemon-memcached-option={option}"));
        }
        command.args(&self.args).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts the program and waits until it says that it is ready.
    pub fn start(&self) -> Host {
        self.try_start().unwrap_or_else(|e| panic!("memcached-host did not start: {e}"))
    }

    /// Like [`HostConfig::start`]; a program that ends before it is ready is an error with its messages.
    pub fn try_start(&self) -> Result<Host, String> {
        Host::spawn(self)
    }
}
