//! The same bytes to a real memcached (Debian's package) and to the host; the answers are the same but for a list of known differences.
//!
//! Debian 12's memcached is 1.6.18 and the host follows 1.6.45: with 1.6.18 every listed difference must be one, so that the list cannot
//! outlive its reasons. `MEMCACHED=program` compares with another version, where listed scripts may also agree.

mod common;
#[path = "golden/packets.rs"]
mod packets;
#[path = "golden/scripts.rs"]
mod scripts;

use common::{Host, PATIENCE};
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
        let folder = tempfile::tempdir().unwrap();
        // memcached leaves root before it makes its socket.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let socket = folder.path().join("socket");
        let program = std::env::var_os("MEMCACHED").unwrap_or_else(|| "memcached".into());
        let child = Command::new(program)
            .args(["-u", "nobody", "-t", "1", "-s"])
            .arg(&socket)
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

    fn is_1_6_18(&self) -> bool {
        let mut client = common::Client::connect_unix(&self.socket);
        client.send("version\r\n");
        client.read_line() == "VERSION 1.6.18"
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends the last of a script and adds to `answer` everything that the server says until it closes.
fn finish<S: Socket>(socket: &S, last: &[u8], answer: &mut Vec<u8>)
where
    for<'s> &'s S: Read + Write,
{
    // A large script is answered while it is sent.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // The server may close before it has read all.
            let _ = (&*socket).write_all(last);
            socket.end();
        });
        match (&*socket).read_to_end(answer) {
            Err(e) if e.kind() != ErrorKind::ConnectionReset => panic!("{e} after \"{}\"", shown(answer)),
            _ => {}
        }
    });
}

/// Runs a script of packets and returns the answers in words.
fn answer_to_packets<S: Socket>(socket: S, script: &packets::Script) -> String
where
    for<'s> &'s S: Read + Write,
{
    socket.set_patience();
    let mut words = common::packets::Script::default();
    let (last, first) = script.send.split_last().expect("a script has a part");
    let (mut answers, mut bytes) = (Vec::new(), Vec::new());
    let send = |part: &packets::Part, words: &mut common::packets::Script| match part {
        packets::Part::Words(text, answers) => (words.requests(text), *answers),
        packets::Part::Bytes(bytes) => (bytes.clone(), 0),
    };
    for part in first {
        let (request, wait) = send(part, &mut words);
        (&socket).write_all(&request).unwrap();
        for _ in 0..wait {
            let answer = loop {
                let mut rest = bytes.as_slice();
                if let Some(answer) = words.answer(&mut rest) {
                    bytes = rest.to_vec();
                    break answer;
                }
                let mut byte = [0];
                (&socket).read_exact(&mut byte).unwrap_or_else(|e| panic!("{e} after {answers:?}"));
                bytes.push(byte[0]);
            };
            answers.push(answer);
        }
    }
    finish(&socket, &send(last, &mut words).0, &mut bytes);
    answers.extend(Some(words.answers(&bytes)).filter(|answers| !answers.is_empty()));
    let masked = |answer: &str| match answer.split_once(" version 0 ") {
        Some((number, _)) => format!("{number} version 0 #"),
        None => answer.to_owned(),
    };
    answers.join("; ").split("; ").map(masked).collect::<Vec<_>>().join("; ")
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
    finish(&socket, &last, &mut answer);
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
    let strict = reference.is_1_6_18();

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

#[test]
fn same_packets_same_answers() {
    let reference = Reference::start();
    let host = Host::start();
    let port = host.port();
    let strict = reference.is_1_6_18();

    let mut wrong = Vec::new();
    for script in packets::all() {
        let theirs = answer_to_packets(UnixStream::connect(&reference.socket).unwrap(), &script);
        let ours = answer_to_packets(TcpStream::connect(("127.0.0.1", port)).unwrap(), &script);
        let fault = match &script.differs {
            None if ours == theirs => continue,
            None => "answers differ".into(),
            Some((_, expected)) if ours != *expected => format!("wanted \"{expected}\""),
            Some((why, _)) if strict && ours == theirs => format!("{why:?} is no difference"),
            Some(_) => continue,
        };
        let sent: Vec<String> = script
            .send
            .iter()
            .map(|part| match part {
                packets::Part::Words(words, _) => words.clone(),
                packets::Part::Bytes(bytes) => shown(bytes),
            })
            .collect();
        wrong.push(format!("{sent:?}: {fault}\n  memcached: {theirs:.2000}\n  host:      {ours:.2000}"));
    }
    assert!(wrong.is_empty(), "{} scripts:\n{}", wrong.len(), wrong.join("\n"));
}
