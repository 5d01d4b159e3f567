//! The same bytes to a real memcached (Debian's package) and to the host; the answers are the same but for a list of known differences.
//!
//! Debian 12's memcached is 1.6.18 and the host follows 1.6.45: with 1.6.18 every listed difference must be one, so that the list cannot
//! outlive its reasons. `MEMCACHED=program` compares with another version, where listed scripts may also agree.
//!
//! The scripts of the meta commands (`tests/common/meta.rs`) are put to memcached itself: to 1.6.45 where the tree of `tests/run --mysql` has
//! one, which must answer every script as written and none of those where the host answers otherwise; else to Debian 12's, but for the
//! scripts that [`NEWER`] names.

mod packets;
mod scripts;

use crate::common::meta::{OTHERWISE, SAME, step};
use crate::common::{Client, Host, HostConfig, PATIENCE};
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

/// Scripts of the meta commands with something that 1.6.18 does not know: flags `E`, `x`, `s` and `N` of `ms`, newer wordings.
const NEWER: &[&str] = &[
    "get",
    "get compares cas numbers",
    "set and its modes",
    "append may create",
    "set compares cas numbers",
    "delete",
    "delete of the value alone",
    "stale items",
    "every way to store renews a stale item",
    "counting leaves a stale item stale",
    "an older cas number stores as stale",
    "a miss creates an item for one client",
    "arithmetic",
    "base64 keys",
    "lines that are wrong",
];

/// The memcached of this machine, or the one that was asked for.
fn installed() -> Command {
    Command::new(std::env::var_os("MEMCACHED").unwrap_or_else(|| "memcached".into()))
}

/// The memcached of the tree with a newer Debian, run with its own libraries.
fn newest() -> Option<Command> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let tree = cache.join("daemon-memcached-tests/sid/usr");
    let (program, loader) = (tree.join("bin/memcached"), tree.join("lib64/ld-linux-x86-64.so.2"));
    if !program.exists() || !loader.exists() {
        return None;
    }
    let mut command = Command::new(loader);
    command.arg("--library-path").arg(tree.join("lib/x86_64-linux-gnu")).arg(program);
    Some(command)
}

impl Reference {
    fn start(mut program: Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // memcached leaves root before it makes its socket.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let socket = folder.path().join("socket");
        let child = program
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

    fn client(&self) -> Client {
        Client::connect_unix(&self.socket)
    }

    fn version(&self) -> String {
        let mut client = self.client();
        client.send("version\r\n");
        client.read_line()
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
    let mut words = crate::common::packets::Script::default();
    let (last, first) = script.send.split_last().expect("a script has a part");
    let (mut answers, mut bytes) = (Vec::new(), Vec::new());
    let send = |part: &packets::Part, words: &mut crate::common::packets::Script| match part {
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
    let reference = Reference::start(installed());
    let host = Host::start();
    let port = host.port();
    let strict = reference.version() == "VERSION 1.6.18";

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

/// The first step of a script that is not answered as written.
fn fault(reference: &Reference, script: &[(&str, &str)]) -> Option<String> {
    let mut client = reference.client();
    script.iter().find_map(|(send, expect)| step(&mut client, send, expect).err())
}

#[test]
fn memcached_answers_the_meta_scripts_as_written() {
    let reference = Reference::start(newest().unwrap_or_else(installed));
    let version = reference.version();
    let older = version == "VERSION 1.6.18";
    let mut wrong = Vec::new();
    for (name, script) in SAME {
        match fault(&reference, script) {
            Some(_) if older && NEWER.contains(name) => {}
            None if older && NEWER.contains(name) => wrong.push(format!("{name}: answered as written")),
            Some(why) => wrong.push(format!("{name}: {why}")),
            None => {}
        }
    }
    for (why, script) in OTHERWISE {
        if version == "VERSION 1.6.45" && fault(&reference, script).is_none() {
            wrong.push(format!("no difference: {why}"));
        }
    }
    assert!(wrong.is_empty(), "{version}:\n{}", wrong.join("\n"));
}

#[test]
fn same_packets_same_answers() {
    let host = Host::start();
    let port = host.port();
    let mut wrong = Vec::new();
    for reference in [Some(installed()), newest()].into_iter().flatten().map(Reference::start) {
        let version = reference.version();
        let strict = version == "VERSION 1.6.18";
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
            let sent: Vec<String> = script.send.iter().map(packets::Part::shown).collect();
            wrong.push(format!("{sent:?}: {fault}\n  {version}: {theirs:.2000}\n  host: {ours:.2000}"));
        }
        // Each memcached begins with nothing; so does the host.
        host.client().ask("flush_all\r\n", "OK\r\n");
    }
    assert!(wrong.is_empty(), "{} scripts:\n{}", wrong.len(), wrong.join("\n"));
}

/// What both memcacheds agree upon: before a login 1.6.45 also closes on `quit`, as the host does, and on `mn`, and only 1.6.18 ends a
/// password at its first space. One command at a time: they drop replies before the last where several stand in one packet.
#[test]
fn logging_in_is_answered_alike() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let file = folder.path().join("users");
    std::fs::write(&file, "alice:secret\nbob:word\n").unwrap();
    let references = [Some(installed()), newest()].into_iter().flatten().map(|mut program| {
        program.arg("-Y").arg(&file);
        Reference::start(program)
    });
    let references: Vec<_> = references.collect();
    let config = HostConfig::new();
    let users = config.users(&[("alice", "secret", "*=rw"), ("bob", "word", "*=rw")]);
    let host = config.option(&format!("-p 0 -Y {}", users.display())).start();
    let login = "set login 0 0 12\r\nalice secret\r\n";
    for dialogue in [
        &["get k\r\n", "version\r\n", "stats\r\n", login, "get k\r\n"][..],
        &[login, "set k 0 0 1\r\nx\r\n", "get k\r\n", "delete k\r\n", "version\r\n"],
        &["set x 1 2 12 noreply\r\nalice secret\r\n", "get k\r\n"],
        &["set x 0 0 5\r\nalice\r\n", "set x 0 0 0\r\n\r\n", login],
        &["set x 0 0 10\r\nalice word\r\n", "set x 0 0 8\r\nbob word\r\n", "get k\r\n"],
        &["set x 0 0 8\r\nbob nobo\r\n", "set x 0 0 6\r\nx word\r\n", login],
    ] {
        for reference in &references {
            let (mut theirs, mut ours) = (reference.client(), host.client());
            for command in dialogue {
                theirs.send(command);
                ours.send(command);
                let (theirs, ours) = (masked(&theirs.read_reply()), masked(&ours.read_reply()));
                assert_eq!(shown(&ours), shown(&theirs), "{command:?} in {dialogue:?}");
            }
        }
    }
}
