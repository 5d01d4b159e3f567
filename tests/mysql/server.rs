//! A real server of a tree that `tests/mysql/make-tree` or `tests/mariadb/make-tree` made, as a child process.

// Each of the programs that have this module uses a part of it.
#![allow(dead_code)]

use crate::common::{Client, PATIENCE};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The tree; tests that need it are started by `tests/run --mysql`, which sets the variable.
pub fn tree() -> &'static Path {
    static TREE: OnceLock<PathBuf> = OnceLock::new();
    TREE.get_or_init(|| {
        let tree = std::env::var_os("DM_MYSQL_TREE").expect("DM_MYSQL_TREE is not set: run tests/run --mysql");
        let tree = PathBuf::from(tree);
        assert!(tree.join("data/template").is_dir(), "{} is no tree: run tests/run --mysql", tree.display());
        tree
    })
}

/// Whether the tree's server is MariaDB.
pub fn is_mariadb() -> bool {
    tree().join("usr/sbin/mariadbd").exists()
}

/// What is said differently to the two kinds of server.
pub fn either<T>(mysql: T, mariadb: T) -> T {
    if is_mariadb() { mariadb } else { mysql }
}

/// The plugin as it is built for a server: now, or the one that the variable names.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        if let Some(built) = std::env::var_os("DM_MYSQL_PLUGIN") {
            return built.into();
        }
        let target = crate::common::library_folder().parent().unwrap().join("plugin-only");
        let status = Command::new(env!("CARGO"))
            .args(["build", "--release", "--quiet", "--lib", "--no-default-features", "--target-dir"])
            .arg(&target)
            .current_dir(crate::common::root())
            .status()
            .unwrap();
        assert!(status.success(), "the plugin does not build");
        target.join("release/libdaemon_memcached.so")
    })
}

/// A data directory and options; starts a server on it as often as a test wants.
pub struct Config {
    folder: tempfile::TempDir,
    args: Vec<String>,
    /// See [`Config::for_state_transfers`].
    transfers: bool,
}

impl Config {
    /// A fresh server with our plugin in its folder; the plugin will listen on a free port and write the binary log.
    pub fn new() -> Config {
        let folder = tempfile::Builder::new().prefix("run-").tempdir_in(tree().join("data")).unwrap();
        let copied =
            Command::new("cp").arg("-a").arg(tree().join("data/template")).arg(folder.path().join("db")).status();
        assert!(copied.unwrap().success(), "cannot copy the data directory");
        if !is_mariadb() {
            // Two servers that replicate must not take each other for themselves.
            std::fs::remove_file(folder.path().join("db/auto.cnf")).unwrap();
        }
        std::fs::create_dir(folder.path().join("plugin")).unwrap();
        std::fs::create_dir(folder.path().join("tmp")).unwrap();
        let config = Config { folder, args: Vec::new(), transfers: false };
        config.place_library();
        let config =
            config.arg("--loose-daemon-memcached-option=-p 0").arg("--loose-daemon-memcached-enable-binlog=ON");
        // MariaDB writes no binary log unless told to.
        if is_mariadb() { config.arg("--log-bin=binlog").redo_log("8M") } else { config.redo_log("8M") }
    }

    /// A server that replicates or is replicated by GTID; `id` keeps the two apart.
    pub fn replicating(self, id: u32) -> Config {
        let config = self.arg(format!("--server-id={id}"));
        if is_mariadb() { config } else { config.arg("--gtid-mode=ON").arg("--enforce-gtid-consistency=ON") }
    }

    /// Size of the redo log.
    pub fn redo_log(self, size: &str) -> Config {
        self.arg(format!("{}={size}", either("--innodb-redo-log-capacity", "--innodb-log-file-size")))
    }

    /// One more argument for mysqld.
    pub fn arg(mut self, arg: impl Into<String>) -> Config {
        self.args.push(arg.into());
        self
    }

    /// A server whose children are scripts that look for processes in `/proc`, and copy data directories as the user mysql.
    pub fn for_state_transfers(mut self) -> Config {
        self.transfers = true;
        self.own();
        self
    }

    /// Gives the folder to the tree's user mysql.
    pub fn own(&self) {
        let owned =
            Command::new("chroot").arg(tree()).args(["chown", "-R", "mysql:"]).arg(self.inside("")).status().unwrap();
        assert!(owned.success(), "cannot change the owner of {}", self.folder.path().display());
    }

    /// Puts the library into the plugin folder the way a package manager does: a server may have it mapped.
    pub fn place_library(&self) {
        let plugin = self.folder.path().join("plugin");
        std::fs::copy(library(), plugin.join("new.so")).unwrap();
        std::fs::rename(plugin.join("new.so"), plugin.join("daemon_memcached.so")).unwrap();
    }

    /// Changes the library that lies in the plugin folder.
    pub fn patch_library(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.folder.path().join("plugin/daemon_memcached.so");
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
    }

    /// Puts a plugin of the server's own beside ours.
    pub fn place_plugin(&self, name: &str) {
        let from = tree().join("usr/lib/mysql/plugin").join(name);
        std::fs::copy(&from, self.folder.path().join("plugin").join(name)).unwrap();
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("db")
    }

    /// A path as the server in the tree sees it.
    fn inside(&self, name: &str) -> String {
        let folder = self.folder.path().strip_prefix(tree()).unwrap();
        format!("/{}/{name}", folder.display())
    }

    fn command(&self) -> Command {
        let mut command = match self.transfers {
            false => Command::new("chroot"),
            true => {
                // Mounted for this process and its children only, which is the same process in the end.
                let mut command = Command::new("unshare");
                command.args(["--mount", "sh", "-c", r#"mount -t proc proc "$1/proc" && exec chroot "$@""#, "sh"]);
                command
            }
        };
        command.arg(tree()).arg(either("mysqld", "mariadbd"));
        let user = if self.transfers { "--user=mysql" } else { "--user=root" };
        command.args(["--no-defaults", user, "--bind-address=127.0.0.1"]);
        if !is_mariadb() {
            command.args(["--mysqlx=OFF", "--secure-file-priv=NULL"]);
        }
        for (option, file) in [
            ("datadir", "db"),
            ("socket", "my.sock"),
            ("plugin-dir", "plugin"),
            // One of its own: a server that starts deletes all temporary tables there, also those that another server uses, which dies.
            ("tmpdir", "tmp"),
            ("log-error", "error.log"),
            ("pid-file", "pid"),
        ] {
            command.arg(format!("--{option}={}", self.inside(file)));
        }
        if !self.args.iter().any(|arg| arg.starts_with("--port=")) {
            command.arg("--skip-networking");
        }
        command.args(&self.args);
        command
    }

    /// Starts a server and waits until it takes clients.
    pub fn start(&self) -> Mysqld<'_> {
        self.start_with(&[])
    }

    /// The same, with arguments for this time.
    pub fn start_with(&self, args: &[&str]) -> Mysqld<'_> {
        let server = self.spawn(args);
        server.wait_log("ready for connections");
        server
    }

    /// Starts a server and does not wait for it.
    pub fn spawn(&self, args: &[&str]) -> Mysqld<'_> {
        let _ = std::fs::remove_file(self.folder.path().join("error.log"));
        let mut command = self.command();
        command.args(args);
        // A crash is reported there, not in the error log.
        let output = std::fs::File::create(self.folder.path().join("stderr")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
        // Not among the signals of the terminal that the tests were started from.
        command.process_group(0);
        Mysqld { config: self, child: Mutex::new(command.spawn().expect("cannot run chroot")) }
    }
}

/// Lines of the error log that a failure shows.
const LOG_TAIL: usize = 80;

/// How long a server that lost its clients may take to write down what happened to it.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A running server; dropping it kills the process.
pub struct Mysqld<'c> {
    config: &'c Config,
    child: Mutex<Child>,
}

impl<'c> Mysqld<'c> {
    /// The error log so far, and how the process ended if it has.
    pub fn log(&self) -> String {
        let read = |name| std::fs::read(self.config.folder.path().join(name)).unwrap_or_default();
        let written =
            String::from_utf8_lossy(&read("error.log")).into_owned() + &String::from_utf8_lossy(&read("stderr"));
        match self.ended() {
            Some(status) => format!("{written}\nthe server's process has ended: {status}\n"),
            None => written,
        }
    }

    /// The end of [`Mysqld::log`].
    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n")
    }

    /// How the process ended, if it has.
    fn ended(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait().unwrap()
    }

    fn pid(&self) -> u32 {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).id()
    }

    /// Waits for a text in the error log.
    pub fn wait_log(&self, text: &str) {
        wait(&format!("'{text}' in the error log"), || self.log().contains(text), || self.log());
    }

    /// The server's own client, as root.
    pub fn client_command(&self) -> Command {
        let mut command = Command::new("chroot");
        command.arg(tree()).arg(either("mysql", "mariadb"));
        command.args(["--no-defaults", "-uroot", "--batch", "--skip-column-names", "--raw"]);
        command.arg(format!("--socket={}", self.config.inside("my.sock")));
        command
    }

    /// Runs statements in a session of their own; the answer without headers, or the client's error message.
    pub fn try_sql(&self, sql: &str) -> Result<String, String> {
        let run = self.client_command().args(["--default-character-set=utf8mb4", "-e", sql]).output().unwrap();
        match run.status.success() {
            true => Ok(String::from_utf8_lossy(&run.stdout).trim_end().to_owned()),
            false => Err(self.with_last_words(String::from_utf8_lossy(&run.stderr).trim_end())),
        }
    }

    /// A client's message; where the client lost the server, with what the server wrote when it died.
    fn with_last_words(&self, message: &str) -> String {
        if !["ERROR 2002", "ERROR 2006", "ERROR 2013"].iter().any(|lost| message.contains(lost)) {
            return message.to_owned();
        }
        let start = Instant::now();
        while self.ended().is_none() && start.elapsed() < LAST_WORDS {
            std::thread::sleep(Duration::from_millis(20));
        }
        match self.ended() {
            Some(_) => format!("{message}\n{}", self.log_tail()),
            None => message.to_owned(),
        }
    }

    /// The same; failing is the test's failure.
    #[track_caller]
    pub fn sql(&self, sql: &str) -> String {
        self.try_sql(sql).unwrap_or_else(|e| panic!("{sql}: {e}\n{}", self.log()))
    }

    /// Runs one of the project's scripts.
    pub fn script(&self, name: &str) {
        let file = std::fs::File::open(crate::common::root().join("sql").join(name)).unwrap();
        let run = self.client_command().stdin(file).output().unwrap();
        assert!(run.status.success(), "{name}: {}", String::from_utf8_lossy(&run.stderr));
    }

    /// Both scripts, then INSTALL PLUGIN.
    pub fn set_up(&self) {
        self.script("innodb_memcached_config.sql");
        self.script("default_container.sql");
        self.install().unwrap_or_else(|e| panic!("{e}\n{}", self.log()));
    }

    /// INSTALL PLUGIN; the client's message when it fails.
    pub fn install(&self) -> Result<String, String> {
        self.try_sql("INSTALL PLUGIN daemon_memcached SONAME 'daemon_memcached.so'")
    }

    /// A session that stays open.
    pub fn session(&self) -> Session {
        let mut command = self.client_command();
        command.args(["--unbuffered", "--force"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Session { child, stdin, stdout, asked: 0 }
    }

    /// The binary log's file and position.
    pub fn binary_log(&self) -> (String, String) {
        let row = self.sql(either("SHOW BINARY LOG STATUS", "SHOW MASTER STATUS"));
        let mut words = row.split('\t').map(str::to_owned);
        (words.next().unwrap(), words.next().unwrap())
    }

    /// Makes this server the replica of the one at `port`, from its first transaction on.
    pub fn follow(&self, port: u16, user: &str, password: &str) {
        self.sql(&match is_mariadb() {
            false => format!(
                "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={port}, SOURCE_USER='{user}', \
                 SOURCE_PASSWORD='{password}', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1, SOURCE_CONNECT_RETRY=1, \
                 SOURCE_RETRY_COUNT=100; SET GLOBAL super_read_only=ON; START REPLICA"
            ),
            true => format!(
                "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='{user}', MASTER_PASSWORD='{password}', \
                 MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1; SET GLOBAL read_only=ON; START SLAVE"
            ),
        });
    }

    /// Waits until this replica has all that its primary has.
    #[track_caller]
    pub fn catch_up(&self, primary: &Mysqld, seconds: u32) {
        let executed =
            primary.sql(either("SELECT REPLACE(@@GLOBAL.gtid_executed, '\\n', '')", "SELECT @@GLOBAL.gtid_binlog_pos"));
        let wait = either("WAIT_FOR_EXECUTED_GTID_SET", "MASTER_GTID_WAIT");
        let waited = self.sql(&format!("SELECT {wait}('{executed}', {seconds})"));
        assert_eq!(waited, "0", "the replica stays behind: {}\n{}", self.complaints(), self.log());
        if !is_mariadb() {
            let extra = self.sql(&format!("SELECT GTID_SUBTRACT(@@GLOBAL.gtid_executed, '{executed}')"));
            assert_eq!(extra, "", "the replica has transactions that the primary does not have");
        }
    }

    /// What a replica's threads complain about.
    fn complaints(&self) -> String {
        self.sql(either(
            "SELECT LAST_ERROR_NUMBER, LAST_ERROR_MESSAGE FROM performance_schema.replication_applier_status_by_worker \
             WHERE LAST_ERROR_NUMBER UNION ALL SELECT LAST_ERROR_NUMBER, LAST_ERROR_MESSAGE \
             FROM performance_schema.replication_connection_status WHERE LAST_ERROR_NUMBER",
            "SHOW SLAVE STATUS",
        ))
    }

    /// A status variable's value.
    pub fn status(&self, name: &str) -> String {
        let row = self.sql(&format!("SHOW STATUS LIKE '{name}'"));
        row.split_once('\t').map_or_else(String::new, |(_, value)| value.to_owned())
    }

    /// The plugin's port; waits for a daemon that starts with the server.
    #[track_caller]
    pub fn port(&self) -> u16 {
        let mut port = 0;
        let listening = || self.status("Daemon_memcached_listening").rsplit_once(':').and_then(|(_, p)| p.parse().ok());
        wait(
            "a listening daemon",
            || {
                listening().is_some_and(|found| {
                    port = found;
                    true
                })
            },
            || self.log(),
        );
        port
    }

    /// A memcached client.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::connect(self.port())
    }

    /// Threads of the process whose names begin so.
    pub fn threads(&self, prefix: &str) -> usize {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        tasks
            .flatten()
            .filter(|task| std::fs::read_to_string(task.path().join("comm")).is_ok())
            .map(name)
            .filter(|n| n.starts_with(prefix))
            .count()
    }

    /// Sockets, pollers and wakers that the process has open; its files are the server's own affair.
    pub fn descriptors(&self) -> usize {
        let all = std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().flatten();
        let targets = all.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        targets.filter(|target| !target.starts_with("/")).count()
    }

    /// Memory that the process has in use.
    pub fn memory_kib(&self) -> i64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Ends the process with SIGKILL.
    pub fn kill9(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Shuts down as a DBA does; tells how long it took.
    pub fn shutdown(self) -> Duration {
        let start = Instant::now();
        self.sql("SHUTDOWN");
        loop {
            if let Some(status) = self.ended() {
                let log = self.log();
                assert!(status.success(), "{status:?}\n{log}");
                let end = log.rfind("Received SHUTDOWN").unwrap_or(log.len());
                let said = log[end..].matches("Plugin daemon_memcached reported").count();
                assert!(said <= 1, "the end is worth one line at most:\n{log}");
                return start.elapsed();
            }
            assert!(start.elapsed() < PATIENCE, "the server does not end\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether the process lives.
    pub fn lives(&self) -> bool {
        self.ended().is_none()
    }
}

impl Drop for Mysqld<'_> {
    fn drop(&mut self) {
        // The folder goes with the test: what the server had to say is shown now or never.
        if std::thread::panicking() {
            eprintln!("the end of the server's error log:\n{}", self.log_tail());
        }
        self.end();
    }
}

/// A client's session that stays open between statements.
pub struct Session {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    asked: u32,
}

impl Session {
    /// Runs statements and waits for their answer.
    pub fn sql(&mut self, sql: &str) -> Vec<String> {
        self.asked += 1;
        let end = format!("end-of-answer-{}", self.asked);
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{sql};\nSELECT '{end}';").and_then(|()| stdin.flush()).unwrap();
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert!(self.stdout.read_line(&mut line).unwrap() > 0, "the session ended in {sql}");
            match line.trim_end() {
                line if line == end => return lines,
                line => lines.push(line.to_owned()),
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sets the flag when it is dropped, so that a failure ends the threads that look at it, too.
pub struct Over<'f>(pub &'f AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits for a condition, with a bound.
#[track_caller]
pub fn wait(what: &str, mut condition: impl FnMut() -> bool, explain: impl Fn() -> String) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "no {what} within {PATIENCE:?}\n{}", explain());
        std::thread::sleep(Duration::from_millis(20));
    }
}
