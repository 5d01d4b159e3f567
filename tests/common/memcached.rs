//! A memcached as a child process, on a port of its choice.

use super::patient::wait_until;
use std::process::{Child, Command, Stdio};

/// A running memcached; dropping it kills the process.
pub struct Memcached {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Memcached {
    pub fn start() -> Memcached {
        Memcached::on(-1)
    }

    /// On a port that one had before.
    pub fn on(port: i32) -> Memcached {
        let folder = tempfile::tempdir().unwrap();
        let written = folder.path().join("port");
        let child = Command::new("memcached")
            .args([
                "-u",
                "root",
                "-l",
                "127.0.0.1",
                "-U",
                "0",
                "-t",
                "2",
                "-m",
                "64",
                "-I",
                "8m",
                "-p",
                &port.to_string(),
            ])
            .env("MEMCACHED_PORT_FILENAME", &written)
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot run memcached: {e}; apt-get install memcached"));
        let mut found = 0;
        wait_until("memcached's port", || {
            let text = std::fs::read_to_string(&written).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("TCP INET: "));
            found = line.and_then(|port| port.trim().parse().ok()).unwrap_or(0);
            found != 0
        });
        Memcached { child, port: found, folder }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens, as `memc_servers_set` wants it.
    pub fn name(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn client(&self) -> super::Client {
        super::Client::connect(self.port)
    }

    /// It stops answering, or goes on.
    pub fn signal(&self, signal: libc::c_int) {
        let pid = libc::pid_t::try_from(self.child.id()).unwrap();
        // SAFETY: a signal to a child that was not waited for yet.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = &self.folder;
    }
}
