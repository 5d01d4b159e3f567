//! The host at a terminal: its prompt, its tables, and passwords that are not shown.

use crate::common::{HostConfig, PATIENCE};
use crate::host::text;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::{Command, Stdio};

/// The controlling side of a new terminal, and its other end.
pub fn terminal() -> (File, OwnedFd) {
    let (mut master, mut slave) = (0, 0);
    let null = std::ptr::null_mut();
    // SAFETY: two writable ints; the rest may be null.
    let made = unsafe { libc::openpty(&mut master, &mut slave, null, null.cast(), null.cast()) };
    assert_eq!(made, 0, "openpty: {}", std::io::Error::last_os_error());
    // SAFETY: both descriptors are new and nobody else's.
    unsafe { (File::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) }
}

/// Makes the terminal on standard input the one that the program's keyboard signals come from.
fn lead_session(command: &mut Command) {
    // SAFETY: setsid() and ioctl() are async-signal-safe and touch no memory of this process.
    unsafe {
        std::os::unix::process::CommandExt::pre_exec(command, || {
            libc::setsid();
            libc::ioctl(0, libc::TIOCSCTTY, 0);
            Ok(())
        });
    }
}

/// Reads from a terminal up to `wanted`; what came behind it stays in `seen`.
#[track_caller]
pub fn until(master: &mut File, seen: &mut String, wanted: &str) -> String {
    while !seen.contains(wanted) {
        let mut more = [0; 4096];
        let mut ready = libc::pollfd { fd: master.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd that lives through the call.
        let polled = unsafe { libc::poll(&mut ready, 1, PATIENCE.as_millis() as i32) };
        assert!(polled == 1, "nothing more came before '{wanted}': {seen}");
        match master.read(&mut more) {
            Ok(n) if n > 0 => seen.push_str(&text(&more[..n])),
            end => panic!("{end:?} before '{wanted}': {seen}"),
        }
    }
    let at = seen.find(wanted).unwrap() + wanted.len();
    seen.drain(..at).collect()
}

#[test]
fn a_password_is_typed_twice_and_never_shown() {
    for (again, code) in [("secret\n", 0), ("other\n", 1)] {
        let (mut master, slave) = terminal();
        let mut command = Command::new(crate::common::program());
        command.args(["passwd", "alice"]);
        command.stdin(slave.try_clone().unwrap()).stdout(Stdio::piped()).stderr(slave);
        lead_session(&mut command);
        let child = command.spawn().unwrap();
        drop(command);
        let mut seen = String::new();
        let mut shown = until(&mut master, &mut seen, "Password: ");
        master.write_all(b"secret\n").unwrap();
        shown += &until(&mut master, &mut seen, "Again: ");
        master.write_all(again.as_bytes()).unwrap();
        shown += &until(&mut master, &mut seen, if code == 0 { "\r\n" } else { "the passwords differ" });
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{shown}");
        assert!(!shown.contains("secret") && !shown.contains("other"), "{shown}");
        assert_eq!(text(&output.stdout).starts_with("alice:$argon2id$"), code == 0);
    }
}

#[test]
fn a_terminal_gets_a_prompt_and_tables() {
    let (mut master, slave) = terminal();
    let config = HostConfig::new().bare();
    let file = config.scratch().join("file.sql");
    std::fs::write(&file, "SELECT 'from' AS a;\nSELECT 'the file' AS b\n").unwrap();
    let mut command = config.command();
    command.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap()).stderr(slave);
    command.env("HOME", config.scratch());
    lead_session(&mut command);
    let mut child = command.spawn().unwrap();
    drop(command); // its copies of the terminal
    let mut seen = String::new();
    until(&mut master, &mut seen, "memcached-host> ");
    for (typed, wanted) in [
        ("SELECT 'ä' AS name,\n", "             -> "),
        (
            "NULL AS n;\n",
            "+------+------+\r\n| name | n    |\r\n+------+------+\r\n| ä    | NULL |\r\n+------+------+\r\n1 row in set (",
        ),
        ("CREATE DATABASE d; CREATE TABLE d.t (a INT PRIMARY KEY);\n", "Query OK, "),
        ("SELECT * FROM d.t;\n", "Empty set ("),
        ("INSERT INTO d.t VALUES (1), (2);\n", "Query OK, 2 rows affected ("),
        ("NONSENSE;\n", "ERROR 1064 (42000): "),
        (
            "SELECT 'a' AS name, NULL AS n\\G\n",
            "*** 1. row ***************************\r\nname: a\r\n   n: NULL\r\n1 row in set",
        ),
        ("SELECT 1 AS\n", "             -> "),
        ("\\c\n", "memcached-host> "),
        ("SELECT 'half'\n", "             -> "),
        // Ctrl-C drops what is half typed.
        ("\u{3}", "memcached-host> "),
        ("SELECT 'whole' AS w\\g\n", "| whole |"),
        ("help\n", "source FILE"),
        ("\\h\n", "source FILE"),
        (&format!("source {};\n", file.display()), "| the file |"),
        ("\\. /nonexistent\n", "ERROR: cannot read '/nonexistent'"),
        ("CREATE USER u IDENTIFIED BY 'hidden';\n", "Query OK"),
        ("quit\n", "Bye"),
    ] {
        master.write_all(typed.as_bytes()).unwrap();
        until(&mut master, &mut seen, wanted);
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    // Where there is an editor it keeps what was typed, but for passwords.
    if let Ok(kept) = std::fs::read_to_string(config.scratch().join(".memcached_host_history")) {
        assert!(kept.contains("whole") && !kept.contains("hidden"), "{kept}");
    }
}
