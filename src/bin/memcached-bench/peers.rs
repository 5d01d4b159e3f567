//! The servers: found, started on loopback with a folder of their own, ended by their own process id.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::client::{Link, SILENCE};
use crate::encoder::{Dialect, Encoder, Expect};
use crate::machine::{self, Cpu};
use crate::mariadb;
use crate::options::Options;
use crate::sql;

/// A server under measurement. Dropping it ends the process, if this program started it.
pub struct Server {
    /// As the report names it.
    pub name: String,
    /// What it speaks.
    pub dialect: Dialect,
    /// Where it listens.
    pub address: SocketAddr,
    /// Whose CPU time is read; `None`: nobody's, as of a server on another machine.
    pub pid: Option<u32>,
    /// First line of what `--version` says; empty for a server that was running already.
    pub version: String,
    /// Container or table that a connection uses; empty: the server's only one.
    pub table: &'static str,
    /// Where it takes SQL from this machine's root, if it does.
    pub socket: Option<PathBuf>,
    /// Takes part in the rows that name it only.
    pub extra: bool,
    /// The process, if this program started it and this is the one to end it.
    pub child: Option<Child>,
}

impl Server {
    /// Another end of the same process.
    pub fn beside(&self, name: String, dialect: Dialect, port: u16, table: &'static str) -> Server {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let (pid, version, socket) = (self.pid, self.version.clone(), self.socket.clone());
        Server { name, dialect, address, pid, version, table, socket, extra: false, child: None }
    }

    /// CPU time of its process so far, where it can be read.
    pub fn cpu(&self) -> Result<Option<Cpu>, String> {
        self.pid.map(machine::cpu_of).transpose()
    }

    /// Ends a process that this program started with SIGKILL, and waits for it.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// How often the server synced its log so far, if it tells.
    pub fn log_syncs(&self) -> Option<u64> {
        sql::log_syncs(self.socket.as_ref()?)
    }

    /// A blocking connection, ready for requests on the server's table with values of this length.
    pub fn open(&self, dialect: Dialect, length: usize) -> Result<Link, String> {
        let connect = || {
            let stream = TcpStream::connect_timeout(&self.address, SILENCE)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(SILENCE))?;
            Ok(stream)
        };
        let stream = connect().map_err(|e: std::io::Error| format!("{}: {e}", self.address))?;
        let encoder = Encoder::new(dialect, length);
        if dialect == Dialect::Sql {
            let (stream, statements) = sql::connect(stream, self.table)?;
            return Ok(Link { stream, encoder: encoder.with_statements(statements) });
        }
        let mut link = Link { stream, encoder };
        if !self.table.is_empty() {
            link.ask(|_, out| {
                out.extend_from_slice(format!("bind {}\r\n", self.table).as_bytes());
                vec![Expect::Exact { len: 9, head: b"SUCCEED\r\n", tail: b"" }]
            })?;
        }
        Ok(link)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(child) = &mut self.child else { return };
        machine::terminate(child.id());
        let end = Instant::now() + Duration::from_secs(10);
        while matches!(child.try_wait(), Ok(None)) {
            if Instant::now() > end {
                // It did not follow SIGTERM; what it had is in a temporary folder.
                let _ = child.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Starts what is installed; what is not is named on stderr. `memcached` becomes the measure of all, and the one of the
/// PATH an older peer beside it. `wanted` tells which of the servers that take part in a few rows only are started.
pub fn start_all(folder: &Path, options: &Options, wanted: impl Fn(&str) -> bool) -> Result<Vec<Server>, String> {
    let mut servers = Vec::new();
    let (memcached, threads) = (options.memcached.as_deref(), options.threads);
    match memcached {
        Some(path) => servers.push(start_memcached(folder, "memcached", path, threads, &[])?),
        None => servers.extend(optional(start_memcached(folder, "memcached", "memcached", threads, &[]))),
    }
    let host = beside(HOST)?;
    match version(&mut Command::new(&host), "--version") {
        Some(version) => {
            let start = |name, level, threads| start_host(folder, &host, &version, name, level, threads, &[]);
            servers.push(start("host-level1", 1, threads)?);
            servers.push(start("host-level2", 2, threads)?);
            if wanted("host-2-workers") {
                servers.push(extra(start("host-2-workers", 2, 2)?));
            }
        }
        None => eprintln!("memcached-host is left out: {host} does not run (cargo build --release)"),
    }
    match version(&mut Command::new("redis-server"), "--version") {
        Some(version) => {
            for sync in ["everysec", "always"] {
                servers.push(start_redis(folder, &version, sync)?);
            }
        }
        None => eprintln!("redis is left out: redis-server does not run (Debian package redis-server)"),
    }
    if wanted(BARE) {
        servers.extend(optional(start_bare(folder, options.keys)).map(extra));
    }
    if memcached.is_some() && wanted("memcached-old") {
        servers.extend(optional(start_memcached(folder, "memcached-old", "memcached", threads, &[])).map(extra));
    }
    for (name, level) in [("mariadb-level1", 1), ("mariadb-level2", 2)] {
        if wanted(name) {
            servers.extend(optional(mariadb::start(folder, name, level, &[])).map(extra));
        }
    }
    Ok(servers)
}

fn extra(mut server: Server) -> Server {
    server.extra = true;
    server
}

fn optional(server: Result<Server, String>) -> Option<Server> {
    server.map_err(|e| eprintln!("left out: {e}")).ok()
}

/// The servers of `--change`.
pub const BEFORE: &str = "before";
const AFTER: &str = "after";

/// memcached-host twice, the second time with more options.
pub fn start_change(folder: &Path, change: &str, threads: usize) -> Result<Vec<Server>, String> {
    let host = beside(HOST)?;
    let version = version(&mut Command::new(&host), "--version").ok_or_else(|| not_built(&host))?;
    let more: Vec<&str> = change.split_whitespace().collect();
    let start = |name, more: &[&str]| start_host(folder, &host, &version, name, 1, threads, more);
    Ok(vec![start(BEFORE, &[])?, start(AFTER, &more)?])
}

/// A server that runs already, from `[NAME=]HOST:PORT[@PID]`. A name that begins with `redis` is spoken to in RESP. Only with the number
/// of its process can its CPU time be told.
pub fn attach(text: &str) -> Result<Server, String> {
    let usage = || format!("--server {text}: wanted [NAME=]HOST:PORT[@PID]");
    let (name, rest) = text.split_once('=').unwrap_or((text.split('@').next().unwrap_or(text), text));
    let (place, pid) = match rest.rsplit_once('@') {
        Some((place, pid)) => (place, Some(pid.parse::<u32>().map_err(|_| usage())?)),
        None => (rest, None),
    };
    let address = place.to_socket_addrs().ok().and_then(|mut a| a.next()).ok_or_else(usage)?;
    if let Some(pid) = pid {
        if !address.ip().is_loopback() {
            return Err(format!("--server {text}: only processes of this machine can be watched; leave @{pid} out"));
        }
        machine::pin_process(pid)?;
    }
    let dialect = if name.starts_with("redis") { Dialect::Redis } else { Dialect::Memcached };
    let (name, version) = (name.to_owned(), String::new());
    Ok(Server { name, dialect, address, pid, version, table: "", socket: None, extra: false, child: None })
}

/// First line of what a program says about itself; `None` when it does not run.
pub fn version(command: &mut Command, option: &str) -> Option<String> {
    let output = command.arg(option).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then(|| text.lines().next().unwrap_or_default().to_owned())
}

/// A program of the system, or of a tree of another Debian release, which only its own loader and libraries run.
fn program(path: &str) -> Command {
    let tree = Path::new(path).ancestors().nth(3).filter(|tree| tree.parent().is_some());
    let Some(tree) = tree.filter(|tree| tree.join(LOADER).exists()) else { return Command::new(path) };
    let mut command = Command::new(tree.join(LOADER));
    command.arg("--library-path").arg(tree.join(LIBRARIES)).arg(path);
    command
}

const LOADER: &str = "lib64/ld-linux-x86-64.so.2";
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

/// memcached with these options, in memory only unless they say otherwise.
pub fn start_memcached(
    folder: &Path,
    name: &str,
    path: &str,
    threads: usize,
    options: &[&str],
) -> Result<Server, String> {
    let Some(version) = version(&mut program(path), "--version") else {
        return Err(format!("{name}: {path} does not run (Debian package memcached)"));
    };
    let port = free_port()?;
    let mut command = program(path);
    command.args(["-l", "127.0.0.1", "-U", "0", "-m", "512", "-c", "4096", "-p", &port.to_string()]);
    command.args(["-t", &threads.to_string()]);
    if machine::is_root() {
        command.args(["-u", "nobody"]);
    }
    command.args(options);
    start(folder, name, Dialect::Memcached, port, version, command)
}

/// The loop that only parses and answers.
const BARE: &str = "bare-loop";

fn start_bare(folder: &Path, keys: u32) -> Result<Server, String> {
    let port = free_port()?;
    let mut command = Command::new(beside(BARE)?);
    command.args([port.to_string(), keys.to_string()]);
    start(folder, BARE, Dialect::Memcached, port, String::new(), command)
}

/// A program that was built with this one.
fn beside(name: &str) -> Result<String, String> {
    let path = std::env::current_exe().map_err(|e| e.to_string())?.with_file_name(name);
    Ok(path.to_string_lossy().into_owned())
}

/// The bundled host at level 2 with this pool in MiB, on the data that are there, if any.
pub fn start_pool(folder: &Path, name: &str, mib: u32, threads: usize) -> Result<Server, String> {
    let host = beside(HOST)?;
    let version = version(&mut Command::new(&host), "--version").ok_or_else(|| not_built(&host))?;
    let pool = format!("--innodb-buffer-pool-size={}", u64::from(mib) << 20);
    start_host(folder, &host, &version, name, 2, threads, &[&pool])
}

const HOST: &str = "memcached-host";

fn not_built(host: &str) -> String {
    format!("{host} does not run: cargo build --release")
}

fn start_host(
    folder: &Path,
    program: &str,
    version: &str,
    name: &str,
    level: u32,
    threads: usize,
    more: &[&str],
) -> Result<Server, String> {
    let port = free_port()?;
    let data = make(folder, name)?;
    let mut command = Command::new(program);
    command.arg(format!("--datadir={}", data.display())).arg("--skip-networking");
    command.arg(format!("--innodb-flush-log-at-trx-commit={level}"));
    command.arg("--innodb-buffer-pool-size=536870912");
    command.arg(format!("--daemon-memcached-option=-l 127.0.0.1 -p {port} -c 4096 -t {threads}"));
    command.args(more);
    let mut server = start(folder, name, Dialect::Memcached, port, version.to_owned(), command)?;
    server.socket = Some(data.join("memcached-host.sock"));
    Ok(server)
}

fn start_redis(folder: &Path, version: &str, sync: &str) -> Result<Server, String> {
    let port = free_port()?;
    let name = format!("redis-{sync}");
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "yes"]);
    // Its rewrite runs in a child, whose CPU time would be nobody's.
    command.args(["--appendfsync", sync, "--auto-aof-rewrite-percentage", "0", "--daemonize", "no", "--dir"]);
    command.arg(make(folder, &name)?);
    start(folder, &name, Dialect::Redis, port, version.to_owned(), command)
}

/// A folder of this name.
pub fn make(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let path = folder.join(name);
    fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(path)
}

/// Starts a server and waits until it listens.
pub fn start(
    folder: &Path,
    name: &str,
    dialect: Dialect,
    port: u16,
    version: String,
    mut command: Command,
) -> Result<Server, String> {
    let log_path = folder.join(format!("{name}.log"));
    let log = File::create(&log_path).map_err(|e| format!("{}: {e}", log_path.display()))?;
    let errors = log.try_clone().map_err(|e| e.to_string())?;
    let child = command
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .map_err(|e| format!("{name} does not start: {e}"))?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let (name, pid) = (name.to_owned(), Some(child.id()));
    let mut server =
        Server { name, dialect, address, pid, version, table: "", socket: None, extra: false, child: Some(child) };
    let end = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(address).is_err() {
        let ended = server.child.as_mut().is_some_and(|c| !matches!(c.try_wait(), Ok(None)));
        if ended || Instant::now() > end {
            let log = fs::read_to_string(&log_path).unwrap_or_default();
            return Err(format!("{} does not listen on {address}: {}", server.name, log.trim()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(server)
}

/// A port that nobody listens on.
pub fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| format!("no free port: {e}"))?;
    listener.local_addr().map(|a| a.port()).map_err(|e| e.to_string())
}
