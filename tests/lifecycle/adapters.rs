//! Servers of older generations, played by `tests/c/fake_server.c` on the bundled engine: the descriptor and the callback table have
//! the layouts of MySQL 5.6 and 5.7 there. What later servers export no program of ours can play.

use crate::common::scripts::SCRIPTS;
use crate::common::{Client, PATIENCE, cc, library_folder, root};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

struct FakeServer {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    said: String,
    _scratch: tempfile::TempDir,
}

impl FakeServer {
    fn start(program: &Path, version: &str, option: &str, allow_untested: bool, sql: &str) -> FakeServer {
        let scratch = tempfile::tempdir().unwrap();
        let more = scratch.path().join("more.sql");
        std::fs::write(&more, sql).unwrap();
        let mut child = Command::new(program)
            .arg(library_folder().join("libdaemon_memcached.so"))
            .arg(scratch.path().join("data"))
            .args([version, option, if allow_untested { "1" } else { "0" }])
            .args(["innodb_memcached_config.sql", "default_container.sql"].map(|name| root().join("sql").join(name)))
            .arg(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let (mut said, mut stdout) = (String::new(), BufReader::new(child.stdout.take().unwrap()));
        stdout.read_line(&mut said).unwrap();
        FakeServer { child, stdin, stdout, said: said.trim_end().to_owned(), _scratch: scratch }
    }

    /// How often the plugin has opened tables and indexes of a server of 5.7, and how often it has closed them.
    fn opened_and_closed(&mut self) -> (u64, u64) {
        self.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        let (opened, closed) = line.trim_end().split_once(' ').unwrap();
        (opened.parse().unwrap(), closed.parse().unwrap())
    }

    fn client(&self) -> Client {
        let port = self.said.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        Client::connect(port.unwrap_or_else(|| panic!("it said {:?}", self.said)))
    }

    fn stop(mut self) {
        self.stdin = None;
        assert!(self.child.wait().unwrap().success(), "it failed a check; see its messages above");
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program(scratch: &Path) -> PathBuf {
    let program = scratch.join("fake_server");
    // -rdynamic: the plugin looks the server's symbols up in the program.
    cc(&["-rdynamic", "tests/c/fake_server.c", "-ldl"], &program);
    program
}

#[test]
fn mysql_57_serves_through_its_own_layout() {
    let scratch = tempfile::tempdir().unwrap();
    let sql = "CREATE DATABASE t;
         CREATE TABLE t.tiny (k VARCHAR(20) PRIMARY KEY, v TINYBLOB, made MEDIUMINT, size ENUM('small', 'large'));
         INSERT INTO t.tiny VALUES ('old', 'x', 70000, 'large');
         INSERT INTO innodb_memcache.containers VALUES ('tiny', 't', 'tiny', 'k', 'v', '0', '0', '0', 'PRIMARY');
         CREATE TABLE t.kept (k VARCHAR(20) PRIMARY KEY, v TEXT, old MEDIUMINT);
         INSERT INTO t.kept VALUES ('a', '1', -5);
         INSERT INTO innodb_memcache.containers VALUES ('kept', 't', 'kept', 'k', 'v', '0', '0', '0', 'PRIMARY');
         INSERT INTO innodb_memcache.containers VALUES ('read', 't', 'kept', 'k', 'old', '0', '0', '0', 'PRIMARY')";
    let server = FakeServer::start(&program(scratch.path()), "5.7.44-log", "-p 0 -t 2", true, sql);
    for (name, script) in SCRIPTS {
        println!("{name}");
        let mut client = server.client();
        for (send, expect) in *script {
            client.ask(send, expect);
        }
    }
    let mut client = server.client();
    for (bytes, reply) in [(255, "STORED\r\n"), (256, "SERVER_ERROR object too large for cache\r\n")] {
        client.ask(format!("set @@tiny.a 0 0 {bytes}\r\n{}\r\n", "x".repeat(bytes)), reply);
    }
    // A column that is not mapped keeps its value.
    client.ask("incr @@kept.a 1\r\nget @@read.a\r\n", "2\r\nVALUE @@read.a 0 2\r\n-5\r\nEND\r\n");
    client.ask("get @@default\r\n", "VALUE @@default 0 15\r\nmemcached/cache\r\nEND\r\n");
    client.ask("set a 0 0 1\r\n1\r\nflush_all\r\nget a\r\n", "STORED\r\nOK\r\nEND\r\n");
    server.stop();
}

/// Runs `once` until it says that it is enough.
#[track_caller]
fn until(what: &str, mut once: impl FnMut() -> bool) {
    let start = Instant::now();
    while !once() {
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
    }
}

#[test]
fn a_busy_client_keeps_its_table_open_for_a_moment_and_no_longer() {
    let scratch = tempfile::tempdir().unwrap();
    let mut server = FakeServer::start(&program(scratch.path()), "5.7.44-log", "-p 0 -t 1", true, "");
    let mut client = server.client();
    client.ask("set a 0 0 1\r\n0\r\n", "STORED\r\n");
    let mut get = |times: u32, value: u64| {
        for _ in 0..times {
            client.ask("get a\r\n", format!("VALUE a 0 {}\r\n{value}\r\nEND\r\n", value.to_string().len()));
        }
    };
    until("a hundred gets that opened the table ten times at most", || {
        let before = server.opened_and_closed().0;
        get(100, 0);
        server.opened_and_closed().0 - before <= 10
    });
    let before = server.opened_and_closed().1;
    until("a table that is closed under its clients", || {
        get(100, 0);
        server.opened_and_closed().1 > before + 2
    });
    // What others wrote meanwhile is seen at once.
    let mut other = server.client();
    for value in 1..200 {
        other.ask("incr a 1\r\n", format!("{value}\r\n"));
        get(5, value);
    }
    until("a table that nobody asks for any more closed", || {
        std::thread::sleep(Duration::from_millis(1));
        let (opened, closed) = server.opened_and_closed();
        opened == closed
    });
    server.stop();
}

#[test]
fn refusals_reach_the_client_of_a_server() {
    let scratch = tempfile::tempdir().unwrap();
    let program = program(scratch.path());
    let dates = "CREATE DATABASE t; CREATE TABLE t.made (k VARCHAR(20) PRIMARY KEY, v MEDIUMINT);
         INSERT INTO innodb_memcache.containers VALUES ('made', 't', 'made', 'k', 'v', '0', '0', '0', 'PRIMARY')";
    for (version, option, allow, sql, part) in [
        ("5.7.44", "-p 0", false, "", "was not tested on MySQL 5.7"),
        ("8.0.36", "-p 0", false, "", "loose_daemon_memcached_allow_untested_server=ON"),
        ("5.7.44", "-p 0 -S", true, "", "option -S"),
        ("5.7.44-dates", "-p 0", true, dates, "container made: value column v must be CHAR"),
        ("5.7.44-mdl", "-p 0", true, "", "innodb_api_enable_mdl=OFF"),
        ("5.7.44-binlog", "-p 0", true, "", "loose_daemon_memcached_enable_binlog"),
        ("5.6.24", "-p 0", true, "", "does not support MySQL 5.6.24, whose InnoDB API"),
        ("5.5.62", "-p 0", true, "", "does not support MySQL 5.5.62"),
        ("8.0.22", "-p 0", true, "", "8.0.23 and later"),
        ("8.0.36", "-p 0", true, "", "does not export _Z20ib_cursor_open_table"),
        ("8.4.5", "-p 0", false, "", "does not export _Z20ib_cursor_open_table"),
        ("9.9.0", "-p 0", true, "", "does not export _Z20ib_cursor_open_table"),
    ] {
        let server = FakeServer::start(&program, version, option, allow, sql);
        assert!(server.said.starts_with("refused ") && server.said.contains(part), "{version}: {:?}", server.said);
        server.stop();
    }
}
