//! The running program: its console, its signals, its end.

use super::client::Client;
use super::config::HostConfig;
use super::lines::Lines;
use super::{PATIENCE, lock};
use std::fmt;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A failed statement, as the console reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    pub errno: u16,
    pub sqlstate: String,
    pub message: String,
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ERROR {} ({}): {}", self.errno, self.sqlstate, self.message)
    }
}

impl SqlError {
    /// Reads `ERROR 1146 (42S02) at line 1: ...`.
    pub fn parse(line: &str) -> Option<Self> {
        let (errno, rest) = line.strip_prefix("ERROR ")?.split_once(" (")?;
        let (sqlstate, rest) = rest.split_once(") at line ")?;
        let (_, message) = rest.split_once(": ")?;
        Some(Self { errno: errno.parse().ok()?, sqlstate: sqlstate.into(), message: message.into() })
    }
}

struct Console {
    stdin: Option<ChildStdin>,
    read: usize,
    errors_read: usize,
    asked: u64,
}

/// A running `memcached-host`; dropping it kills the process.
pub struct Host {
    config: HostConfig,
    child: Mutex<Child>,
    console: Mutex<Console>,
    output: Lines,
    errors: Lines,
}

impl Host {
    /// Starts the program and waits until it is ready; one that ends before is an error with its messages.
    pub(super) fn spawn(config: &HostConfig) -> Result<Self, String> {
        let mut child =
            config.command().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = Lines::of(child.stdout.take().unwrap());
        let errors = Lines::of(child.stderr.take().unwrap());
        let stdin = child.stdin.take();
        let console = Mutex::new(Console { stdin, read: 0, errors_read: 0, asked: 0 });
        let host = Host { config: config.clone(), child: Mutex::new(child), console, output, errors };
        match host.output.position(0, |l| l == b"memcached-host is ready") {
            Ok(at) => {
                lock(&host.console).read = at + 1;
                Ok(host)
            }
            Err(why) => {
                // A program that ends closes both pipes; its messages may still be on their way.
                let _ = host.errors.position(0, |_| false);
                let status = lock(&host.child).try_wait().ok().flatten();
                Err(format!("{why} ({status:?}); it wrote\n{}", host.log()))
            }
        }
    }
    /// The default set-up on a fresh data directory.
    pub fn start() -> Self {
        HostConfig::new().start()
    }

    pub fn config(&self) -> &HostConfig {
        &self.config
    }

    pub fn pid(&self) -> u32 {
        lock(&self.child).id()
    }

    /// The port the plugin listens on now.
    pub fn port(&self) -> u16 {
        *self.ports().first().expect("a TCP listener")
    }

    /// The TCP ports it listens on, in the order of the options.
    pub fn ports(&self) -> Vec<u16> {
        let listening = self.status("Daemon_memcached_listening").unwrap_or_default();
        listening.split(", ").filter_map(|address| address.rsplit_once(':')?.1.parse().ok()).collect()
    }

    /// A client of the daemon.
    pub fn client(&self) -> Client {
        Client::connect(self.port())
    }

    /// A status variable's value.
    pub fn status(&self, name: &str) -> Option<String> {
        let rows = self.rows(&format!("SHOW STATUS LIKE '{name}'"));
        rows.into_iter().next().and_then(|mut r| r.pop())
    }

    /// Runs statements through standard input. The answer is what the program printed, as
    /// `mysql --batch` does; the first failing statement makes it an error (the rest still ran).
    pub fn sql(&self, sql: &str) -> Result<String, SqlError> {
        let mut console = lock(&self.console);
        console.asked += 1;
        let end = format!("end_of_answer_{}", console.asked);
        // An answer ends on both pipes: a row on the one, an error that cannot fail to appear on the other.
        let text = format!("{sql}\n;\nSELECT '{end}' AS end_marker;\nUSE {end};\n");
        let stdin = console.stdin.as_mut().expect("standard input was closed by the test");
        stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush()).unwrap_or_else(|e| self.fail(&e.to_string()));
        let from = console.read;
        let done = |l: &[u8]| l == end.as_bytes();
        let to = self.output.position(from, done).unwrap_or_else(|e| self.fail(&e));
        console.read = to + 1;
        let errors_from = console.errors_read;
        let quoted = format!("'{end}'");
        let done = |l: &[u8]| String::from_utf8_lossy(l).contains(&quoted);
        let errors_to = self.errors.position(errors_from, done).unwrap_or_else(|e| self.fail(&e));
        console.errors_read = errors_to + 1;
        let failed = self.errors.range(errors_from, errors_to);
        match failed.iter().find_map(|l| SqlError::parse(&String::from_utf8_lossy(l))) {
            Some(error) => Err(error),
            // The line before the marker is its header.
            None => Ok(self.output.range(from, to - 1).iter().fold(String::new(), |mut text, l| {
                text.push_str(&String::from_utf8_lossy(l));
                text.push('\n');
                text
            })),
        }
    }

    /// Writes to standard input without waiting for an answer.
    pub fn write(&self, sql: &str) {
        let mut console = lock(&self.console);
        let stdin = console.stdin.as_mut().expect("standard input was closed by the test");
        stdin.write_all(sql.as_bytes()).and_then(|()| stdin.flush()).unwrap_or_else(|e| self.fail(&e.to_string()));
    }

    /// The rows of one SELECT or SHOW without the header, as text; panics when it fails.
    pub fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let text = self.sql(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        text.lines().skip(1).map(|l| l.split('\t').map(str::to_owned).collect()).collect()
    }

    /// Closes standard input; the server keeps running.
    pub fn close_stdin(&self) {
        lock(&self.console).stdin = None;
    }

    /// Everything on standard error so far: log lines and messages.
    pub fn log(&self) -> String {
        self.errors.text()
    }

    /// Everything on standard output so far.
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// Waits for a line on standard error that contains `text`.
    pub fn wait_log(&self, text: &str) {
        let has = |l: &[u8]| String::from_utf8_lossy(l).contains(text);
        self.errors.position(0, has).unwrap_or_else(|e| self.fail(&format!("no '{text}' in the log: {e}")));
    }

    pub fn signal(&self, signal: i32) {
        let mut child = lock(&self.child);
        // A process that was waited for may have given its id away.
        if child.try_wait().unwrap().is_none() {
            // SAFETY: kill() takes numbers only; the id belongs to a child that was not waited for.
            let sent = unsafe { libc::kill(child.id().cast_signed(), signal) };
            assert_eq!(sent, 0, "kill: {}", io::Error::last_os_error());
        }
    }

    /// Ends the process with SIGKILL and waits for it; committed data must survive.
    pub fn kill9(self) {
        let mut child = lock(&self.child);
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    }

    /// Ends the process with SIGTERM and waits for it.
    pub fn terminate(self) -> ExitStatus {
        self.signal(libc::SIGTERM);
        self.wait()
    }

    /// Waits until the process has ended.
    pub fn wait(&self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = lock(&self.child).try_wait().unwrap() {
                return status;
            }
            if start.elapsed() > PATIENCE {
                self.fail("the program does not end");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Open descriptors of the process.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// Threads of the process.
    pub fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap().count()
    }

    fn fail(&self, why: &str) -> ! {
        let state = lock(&self.child).try_wait();
        panic!("{why} (process: {state:?}); standard error was:\n{}", self.log())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let mut child = lock(&self.child);
        let _ = child.kill();
        let _ = child.wait();
    }
}
