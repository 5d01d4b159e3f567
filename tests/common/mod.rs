//! What the integration tests share: `memcached-host` as a child process and a small client.
//!
//! [`HostConfig`] owns a temporary data directory and starts a [`Host`] on it as often as a test
//! wants (after `kill9`, after `terminate`). Every wait has a bound and fails with what the program
//! said on its standard error.

#![allow(dead_code, missing_docs)]

pub mod meta;
pub mod packets;
pub mod patient;
pub mod scripts;
pub mod tls;
pub mod transport;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Bound of every wait for the program.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The program under test.
pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_memcached-host"))
}

/// The folder of the shared library that cargo built together with the program under test.
/// (`cargo test` and `cargo run` leave it in `deps`; only `cargo build` puts it beside the program.)
pub fn library_folder() -> PathBuf {
    program().with_file_name("deps")
}

/// The root of the package.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compiles C sources of `tests/c` into `output`; a missing compiler fails the test with the package's name.
pub fn cc(args: &[&str], output: &Path) {
    let run = Command::new("cc")
        .args(["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-g", "-I"])
        .arg(root().join("include"))
        .args(args)
        .arg("-o")
        .arg(output)
        .current_dir(root())
        .output()
        .unwrap_or_else(|e| panic!("cannot run cc: {e}; apt-get install gcc libc6-dev"));
    assert!(run.status.success(), "cc {args:?}:\n{}", String::from_utf8_lossy(&run.stderr));
}

/// What `memcached-host passwd` prints.
pub fn user_line(name: &str, password: &str, rights: &str) -> String {
    let mut child = Command::new(program())
        .args(["passwd", name, rights])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "passwd {name} {rights}");
    String::from_utf8(output.stdout).unwrap()
}

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
        let mut child =
            self.command().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = Lines::of(child.stdout.take().unwrap());
        let errors = Lines::of(child.stderr.take().unwrap());
        let stdin = child.stdin.take();
        let console = Mutex::new(Console { stdin, read: 0, errors_read: 0, asked: 0 });
        let host = Host { config: self.clone(), child: Mutex::new(child), console, output, errors };
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
}

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

/// Lines of a pipe, kept by a thread that reads it to its end, so that the program never blocks on it.
#[derive(Clone)]
struct Lines(Arc<Pipe>);

#[derive(Default)]
struct Pipe {
    state: Mutex<Heard>,
    news: Condvar,
}

#[derive(Default)]
struct Heard {
    lines: Vec<Vec<u8>>,
    ended: bool,
}

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let lines = Self(Arc::default());
        let writer = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n') {
                let Ok(line) = line else { break };
                lock(&writer.0.state).lines.push(line);
                writer.0.news.notify_all();
            }
            lock(&writer.0.state).ended = true;
            writer.0.news.notify_all();
        });
        lines
    }

    /// Waits for the first line from number `from` on for which `wanted` holds.
    fn position(&self, from: usize, wanted: impl Fn(&[u8]) -> bool) -> Result<usize, String> {
        let deadline = Instant::now() + PATIENCE;
        let mut next = from;
        let mut state = lock(&self.0.state);
        loop {
            while let Some(line) = state.lines.get(next) {
                if wanted(line) {
                    return Ok(next);
                }
                next += 1;
            }
            if state.ended {
                return Err("the program ended".into());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!("no answer within {PATIENCE:?}"));
            }
            state = self.0.news.wait_timeout(state, left).unwrap_or_else(|e| e.into_inner()).0;
        }
    }

    fn range(&self, from: usize, to: usize) -> Vec<Vec<u8>> {
        lock(&self.0.state).lines[from..to].to_vec()
    }

    fn text(&self) -> String {
        lock(&self.0.state).lines.iter().map(|l| String::from_utf8_lossy(l).into_owned() + "\n").collect()
    }
}

/// A lock that a failed test thread does not poison for the others.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// What a client of the text protocol logs in with.
pub fn credentials(name: &str, password: &str) -> String {
    let token = format!("{name} {password}");
    format!("set login 0 0 {}\r\n{token}\r\n", token.len())
}

/// A memcached client that says and hears bytes; every read has a time-out.
pub struct Client {
    stream: BufReader<Box<dyn Stream>>,
}

impl Client {
    pub fn connect(port: u16) -> Self {
        Self::over(patient::connect(("127.0.0.1", port)))
    }

    pub fn connect_unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self::over(stream)
    }

    /// A client over a stream whose time-outs the caller has set.
    pub fn over(stream: impl Read + Write + Send + 'static) -> Self {
        Self { stream: BufReader::new(Box::new(stream)) }
    }

    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).unwrap_or_else(|e| panic!("send: {e}"));
    }

    /// Like [`Client::send`] for a connection that the daemon may close meanwhile.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    /// The next bytes are exactly these.
    #[track_caller]
    pub fn expect(&mut self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        let mut got = Vec::new();
        while got.len() < expected.len() && expected.starts_with(&got) {
            let mut byte = [0];
            match self.stream.read(&mut byte) {
                Ok(1) => got.push(byte[0]),
                // A machine that is paused interrupts a read with a time-out.
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                end => panic!("wanted \"{}\", got \"{}\", then {end:?}", expected.escape_ascii(), got.escape_ascii()),
            }
        }
        if got != expected {
            // What came with it makes the message readable.
            got.extend_from_slice(self.stream.buffer());
            panic!("wanted \"{}\", got \"{}\"", expected.escape_ascii(), got.escape_ascii());
        }
    }

    /// Logs in as a user of the text protocol.
    #[track_caller]
    pub fn log_in(&mut self, name: &str, password: &str) {
        self.ask(credentials(name, password), "STORED\r\n");
    }

    /// Sends and expects.
    #[track_caller]
    pub fn ask(&mut self, request: impl AsRef<[u8]>, reply: impl AsRef<[u8]>) {
        self.send(request);
        self.expect(reply);
    }

    /// One line without its end; `None` when the daemon closed.
    pub fn try_read_line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        if self.stream.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Ok(Some(String::from_utf8_lossy(line).into_owned()))
    }

    #[track_caller]
    pub fn read_line(&mut self) -> String {
        self.try_read_line().unwrap_or_else(|e| panic!("read: {e}")).expect("the daemon closed the connection")
    }

    #[track_caller]
    pub fn read_exact(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).unwrap_or_else(|e| panic!("read: {e}"));
        bytes
    }

    /// One whole reply of the text protocol with its line ends: lines up to the first that is
    /// neither VALUE (taken with its data) nor STAT.
    #[track_caller]
    pub fn read_reply(&mut self) -> Vec<u8> {
        let mut reply = Vec::new();
        loop {
            let line = self.read_line();
            reply.extend_from_slice(line.as_bytes());
            reply.extend_from_slice(b"\r\n");
            if line.starts_with("VALUE ") {
                let length = line.split(' ').nth(3).and_then(|n| n.parse::<usize>().ok());
                let length = length.unwrap_or_else(|| panic!("no length in '{line}'"));
                reply.extend(self.read_exact(length + 2));
            } else if !line.starts_with("STAT ") {
                return reply;
            }
        }
    }

    /// `stats` or a sub-command of it, as (name, value).
    #[track_caller]
    pub fn stats(&mut self, what: &str) -> Vec<(String, String)> {
        self.send(format!("stats {what}").trim_end().to_owned() + "\r\n");
        let mut stats = Vec::new();
        loop {
            let line = self.read_line();
            let Some((name, value)) = line.strip_prefix("STAT ").and_then(|l| l.split_once(' ')) else {
                assert_eq!(line, "END");
                return stats;
            };
            stats.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The daemon closes without another byte (a reset counts as a close).
    #[track_caller]
    pub fn expect_close(&mut self) {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(0) => {}
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => {}
            other => panic!("wanted a close, got {other:?} \"{}\"", self.stream.buffer().escape_ascii()),
        }
    }
}
