//! Servers of older generations, played by `tests/c/fake_server.c` on the bundled engine: the descriptor and the callback table have
//! the layouts of MySQL 5.7 and 8.0 there.

use crate::common::scripts::SCRIPTS;
use crate::common::{Client, cc, library_folder, root};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

struct FakeServer {
    child: Child,
    stdin: Option<ChildStdin>,
    said: String,
    _scratch: tempfile::TempDir,
}

impl FakeServer {
    fn start(program: &Path, version: &str, option: &str, allow_untested: bool) -> FakeServer {
        let scratch = tempfile::tempdir().unwrap();
        let mut child = Command::new(program)
            .arg(library_folder().join("libdaemon_memcached.so"))
            .arg(scratch.path().join("data"))
            .args([version, option, if allow_untested { "1" } else { "0" }])
            .args(["innodb_memcached_config.sql", "default_container.sql"].map(|name| root().join("sql").join(name)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        FakeServer { child, stdin, said: said.trim_end().to_owned(), _scratch: scratch }
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
fn older_generations_serve_through_their_own_layouts() {
    let scratch = tempfile::tempdir().unwrap();
    let program = program(scratch.path());
    for version in ["5.7.44-log", "8.0.36", "8.0.36-sdi", "8.2.0"] {
        let server = FakeServer::start(&program, version, "-p 0 -t 2", true);
        for (name, script) in SCRIPTS {
            println!("{name} on {version}");
            let mut client = server.client();
            for (send, expect) in *script {
                client.ask(send, expect);
            }
        }
        let mut client = server.client();
        client.ask("set a 0 0 1\r\n1\r\n", "STORED\r\n");
        // Only 5.7's table can truncate; without a session there is no other way.
        client.send("flush_all\r\nget a\r\n");
        match version.starts_with("5.7") {
            true => client.expect("OK\r\nEND\r\n"),
            false => {
                assert!(client.read_line().starts_with("SERVER_ERROR "));
                client.expect("VALUE a 0 1\r\n1\r\nEND\r\n");
            }
        }
        server.stop();
    }
}

#[test]
fn refusals_reach_the_client_of_an_older_server() {
    let scratch = tempfile::tempdir().unwrap();
    let program = program(scratch.path());
    for (version, option, allow, part) in [
        ("5.7.44", "-p 0", false, "was not tested on MySQL 5.7"),
        ("8.0.36", "-p 0", false, "daemon_memcached_allow_untested_server=ON"),
        ("5.7.44", "-p 0 -S", true, "option -S"),
        ("9.9.0", "-p 0", true, "does not export _Z20ib_cursor_open_table"),
        ("5.5.62", "-p 0", true, "does not support MySQL 5.5.62"),
    ] {
        let server = FakeServer::start(&program, version, option, allow);
        assert!(server.said.starts_with("refused ") && server.said.contains(part), "{version}: {:?}", server.said);
        server.stop();
    }
}
