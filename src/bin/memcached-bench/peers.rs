//! The servers: found, started on loopback with a folder of their own, ended by their own process id.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::machine;
use crate::workload::Dialect;

/// A server under measurement. Dropping it ends the process, if this program started it.
pub struct Server {
    /// As the report names it.
    pub name: String,
    /// What it speaks.
    pub dialect: Dialect,
    /// Where it listens.
    pub address: SocketAddr,
    /// Whose CPU time is read.
    pub pid: u32,
    /// First line of what `--version` says; empty for a server that was running already.
    pub version: String,
    child: Option<Child>,
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

/// Starts what is installed; what is not is named on stderr. `memcached` replaces the one of the PATH.
pub fn start_all(folder: &Path, memcached: Option<&str>, threads: usize) -> Result<Vec<Server>, String> {
    let mut servers = Vec::new();
    let memcached = memcached.unwrap_or("memcached");
    match version(memcached, "--version") {
        Some(version) => servers.push(start_memcached(folder, memcached, version, threads)?),
        None => eprintln!("memcached is left out: {memcached} does not run (Debian package memcached)"),
    }
    let host = std::env::current_exe().map_err(|e| e.to_string())?.with_file_name("memcached-host");
    let host = host.to_string_lossy().into_owned();
    match version(&host, "--version") {
        Some(version) => {
            for level in [1, 2] {
                servers.push(start_host(folder, &host, &version, level, threads)?);
            }
        }
        None => eprintln!("memcached-host is left out: {host} does not run (cargo build --release)"),
    }
    match version("redis-server", "--version") {
        Some(version) => {
            for sync in ["everysec", "always"] {
                servers.push(start_redis(folder, &version, sync)?);
            }
        }
        None => eprintln!("redis is left out: redis-server does not run (Debian package redis-server)"),
    }
    Ok(servers)
}

/// A server that runs already, from `NAME=HOST:PORT@PID`. A name that begins with `redis` is spoken to in RESP.
pub fn attach(text: &str) -> Result<Server, String> {
    let usage = || format!("--server {text}: wanted NAME=HOST:PORT@PID");
    let (name, rest) = text.split_once('=').ok_or_else(usage)?;
    let (address, pid) = rest.rsplit_once('@').ok_or_else(usage)?;
    let pid: u32 = pid.parse().map_err(|_| usage())?;
    let address = address.to_socket_addrs().ok().and_then(|mut a| a.next()).ok_or_else(usage)?;
    if !address.ip().is_loopback() {
        return Err(format!("--server {text}: only servers of this machine's loopback are measured"));
    }
    machine::pin_process(pid)?;
    let dialect = if name.starts_with("redis") { Dialect::Redis } else { Dialect::Memcached };
    Ok(Server { name: name.to_owned(), dialect, address, pid, version: String::new(), child: None })
}

fn version(program: &str, option: &str) -> Option<String> {
    let output = Command::new(program).arg(option).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then(|| text.lines().next().unwrap_or_default().to_owned())
}

fn start_memcached(folder: &Path, program: &str, version: String, threads: usize) -> Result<Server, String> {
    let port = free_port()?;
    let mut command = Command::new(program);
    command.args(["-l", "127.0.0.1", "-U", "0", "-m", "512", "-c", "4096", "-p", &port.to_string()]);
    command.args(["-t", &threads.to_string()]);
    if machine::is_root() {
        command.args(["-u", "nobody"]);
    }
    start(folder, "memcached", Dialect::Memcached, port, version, command)
}

fn start_host(folder: &Path, program: &str, version: &str, level: u32, threads: usize) -> Result<Server, String> {
    let port = free_port()?;
    let name = format!("host-level{level}");
    let mut command = Command::new(program);
    command.arg(format!("--datadir={}", make(folder, &name)?.display())).arg("--skip-networking");
    command.arg(format!("--innodb-flush-log-at-trx-commit={level}"));
    command.arg("--innodb-buffer-pool-size=536870912");
    command.arg(format!("--daemon-memcached-option=-l 127.0.0.1 -p {port} -c 4096 -t {threads}"));
    start(folder, &name, Dialect::Memcached, port, version.to_owned(), command)
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

fn make(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let path = folder.join(name);
    fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(path)
}

fn start(
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
    let mut server = Server { name: name.to_owned(), dialect, address, pid: child.id(), version, child: Some(child) };
    let end = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(address).is_err() {
        let ended = server.child.as_mut().is_some_and(|c| !matches!(c.try_wait(), Ok(None)));
        if ended || Instant::now() > end {
            let log = fs::read_to_string(&log_path).unwrap_or_default();
            return Err(format!("{name} does not listen on {address}: {}", log.trim()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(server)
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| format!("no free port: {e}"))?;
    listener.local_addr().map(|a| a.port()).map_err(|e| e.to_string())
}
