//! The same bytes to a real memcached (Debian's package) and to the host; the answers are the same but for a list of known differences.
//!
//! Debian 12's memcached is 1.6.18 and the host follows 1.6.45: with 1.6.18 every listed difference must be one, so that the list cannot
//! outlive its reasons. `MEMCACHED=program` compares with another version, where listed scripts may also agree.

mod common;
#[path = "golden/scripts.rs"]
mod scripts;

use common::{Host, HostConfig, PATIENCE};
use scripts::{Script, Why};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A memcached on a UNIX socket: no port to find, nothing else can reach it.
struct Reference {
    child: Child,
    socket: PathBuf,
    _folder: tempfile::TempDir,
}

impl Reference {
    fn start() -> Self {
        Self::with_users("")
    }

    /// With a users file of its own format, `name:password`; an empty one lets everybody in.
    fn with_users(users: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // memcached leaves root before it makes its socket.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let socket = folder.path().join("socket");
        let file = folder.path().join("users");
        std::fs::write(&file, users).unwrap();
        let program = std::env::var_os("MEMCACHED").unwrap_or_else(|| "memcached".into());
        let child = Command::new(program)
            .args(["-u", "nobody", "-t", "1", "-s"])
            .arg(&socket)
            .args((!users.is_empty()).then_some(["-Y".as_ref(), file.as_os_str()]).into_iter().flatten())
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot run memcached: {e}; apt-get install memcached"));
        let mut reference = Self { child, socket, _folder: folder };
        let start = Instant::now();
        while UnixStream::connect(&reference.socket).is_err() {
            let ended = reference.child.try_wait().unwrap();
            assert!(ended.is_none() && start.elapsed() < PATIENCE, "memcached does not listen: {ended:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
        reference
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a script and returns everything that the server says until it closes, with what differs from server to server masked.
fn answer<S: Socket>(socket: S, script: &Script) -> Vec<u8>
where
    for<'s> &'s S: Read + Write,
{
    socket.set_patience();
    let mut answer = Vec::new();
    let (last, first) = script.send.split_last().expect("a script has a part");
    for part in first {
        (&socket).write_all(&with_cas(part, &answer)).unwrap();
        while !answer.ends_with(b"END\r\n") {
            let mut byte = [0];
            (&socket).read_exact(&mut byte).unwrap_or_else(|e| panic!("{e} after \"{}\"", shown(&answer)));
            answer.push(byte[0]);
        }
    }
    let last = with_cas(last, &answer);
    // A large script is answered while it is sent.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // The server may close before it has read all.
            let _ = (&socket).write_all(&last);
            socket.end();
        });
        match (&socket).read_to_end(&mut answer) {
            Err(e) if e.kind() != ErrorKind::ConnectionReset => panic!("{e} after \"{}\"", shown(&answer)),
            _ => {}
        }
    });
    masked(&answer)
}

trait Socket: Sync {
    fn set_patience(&self);
    fn end(&self);
}

impl Socket for TcpStream {
    fn set_patience(&self) {
        self.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    fn end(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

impl Socket for UnixStream {
    fn set_patience(&self) {
        self.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    fn end(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

/// Replaces `{cas}` with the number at the end of the last VALUE line.
fn with_cas(part: &[u8], answer: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(part) else { return part.to_vec() };
    if !text.contains("{cas}") {
        return part.to_vec();
    }
    let answer = String::from_utf8_lossy(answer);
    let line = answer.lines().rfind(|line| line.starts_with("VALUE ")).expect("a VALUE line");
    let cas = line.split(' ').nth(4).unwrap_or_else(|| panic!("no cas number in '{line}'"));
    text.replace("{cas}", cas).into_bytes()
}

/// The version, and cas numbers, are each server's own.
fn masked(answer: &[u8]) -> Vec<u8> {
    let mut masked = Vec::new();
    for line in answer.split_inclusive(|byte| *byte == b'\n') {
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        match words.as_slice() {
            [b"VERSION", ..] => masked.extend_from_slice(b"VERSION #\r\n"),
            [b"VALUE", key, flags, length, _] => {
                masked.extend_from_slice(&[b"VALUE", *key, flags, length, b"#\r\n"].join(b" ".as_slice()));
            }
            _ => masked.extend_from_slice(line),
        }
    }
    masked
}

fn shown(bytes: &[u8]) -> String {
    let text = bytes[..bytes.len().min(160)].escape_ascii().to_string();
    if bytes.len() > 160 { format!("{text}... ({} bytes)", bytes.len()) } else { text }
}

#[test]
fn same_bytes_same_answers() {
    let reference = Reference::start();
    let host = Host::start();
    let port = host.port();
    let mut version = common::Client::connect_unix(&reference.socket);
    version.send("version\r\n");
    let strict = version.read_line() == "VERSION 1.6.18";

    let mut wrong = Vec::new();
    for script in scripts::all() {
        let theirs = answer(UnixStream::connect(&reference.socket).unwrap(), &script);
        let ours = answer(TcpStream::connect(("127.0.0.1", port)).unwrap(), &script);
        let fault = match &script.differs {
            None if ours == theirs => continue,
            None => "answers differ".into(),
            Some((_, expected)) if ours != *expected => format!("wanted \"{}\"", shown(expected)),
            Some((why, _)) if strict && *why != Why::Older && ours == theirs => format!("{why:?} is no difference"),
            Some(_) => continue,
        };
        let sent: Vec<String> = script.send.iter().map(|part| shown(part)).collect();
        wrong.push(format!(
            "{sent:?}: {fault}\n  memcached: \"{}\"\n  host:      \"{}\"",
            shown(&theirs),
            shown(&ours)
        ));
    }
    assert!(wrong.is_empty(), "{} scripts:\n{}", wrong.len(), wrong.join("\n"));
}

/// One command at a time: memcached drops replies before the last where several stand in one packet.
#[test]
fn logging_in_is_answered_alike() {
    let reference = Reference::with_users("alice:secret\nbob:word\n");
    let config = HostConfig::new();
    let users = config.users(&[("alice", "secret", "*=rw"), ("bob", "word", "*=rw")]);
    let host = config.option(&format!("-p 0 -Y {}", users.display())).start();
    let login = "set login 0 0 12\r\nalice secret\r\n";
    for dialogue in [
        &["get k\r\n", "mn\r\n", "version\r\n", "stats\r\n", "quit\r\n", "\r\n", login, "get k\r\n"][..],
        &[login, "set k 0 0 1\r\nx\r\n", "get k\r\n", "delete k\r\n", "version\r\n"],
        &["set x 0 0 14\r\nalice secret x\r\n", "get k\r\n"],
        &["set x 1 2 12 noreply\r\nalice secret\r\n", "get k\r\n"],
        &["set x 0 0 5\r\nalice\r\n", "set x 0 0 0\r\n\r\n", login],
        &["set x 0 0 10\r\nalice word\r\n", "set x 0 0 8\r\nbob word\r\n", "get k\r\n"],
        &["set x 0 0 8\r\nbob nobo\r\n", "set x 0 0 6\r\nx word\r\n", login],
    ] {
        let mut theirs = common::Client::connect_unix(&reference.socket);
        let mut ours = host.client();
        for command in dialogue {
            theirs.send(command);
            ours.send(command);
            let (theirs, ours) = (masked(&theirs.read_reply()), masked(&ours.read_reply()));
            assert_eq!(shown(&ours), shown(&theirs), "{command:?} in {dialogue:?}");
        }
    }
}
