//! `--wait-for-datadir`: a second host waits for the directory of the first, and takes over when that is gone.

use crate::common::{Client, HostConfig};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

/// The waiting program, and its standard output from the line behind the one that says that it waits.
fn standby(config: &HostConfig) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child =
        config.command().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert!(line.starts_with("The data directory '") && line.contains("standing by"), "{line}");
    (child, output)
}

#[test]
fn a_standby_serves_what_the_killed_host_had_acknowledged() {
    let config = HostConfig::new();
    let active = config.start();
    let mut client = active.client();
    for i in 0..200 {
        client.ask(format!("set k{i} 0 0 3\r\n{i:03}\r\n"), "STORED\r\n");
    }
    let (mut child, output) = standby(&config.clone().arg("--wait-for-datadir=60"));
    // Still the other's.
    client.ask("get k7\r\n", "VALUE k7 0 3\r\n007\r\nEND\r\n");
    active.kill9();
    let listening =
        output.lines().map(Result::unwrap).find(|line| line.starts_with("Listening on ")).expect("it serves");
    let mut client = Client::connect(listening.rsplit_once(':').unwrap().1.parse().unwrap());
    for i in 0..200 {
        client.ask(format!("get k{i}\r\n"), format!("VALUE k{i} 0 3\r\n{i:03}\r\nEND\r\n"));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_standby_ends_when_its_time_is_over_or_when_it_is_told_to() {
    let config = HostConfig::new();
    let active = config.start();
    let ended = |mut child: Child| {
        let status = child.wait().unwrap();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status.code(), said)
    };
    let (child, _output) = standby(&config.clone().arg("--wait-for-datadir=1"));
    let (code, said) = ended(child);
    assert_eq!(code, Some(1));
    assert!(said.contains("is in use by another process"), "{said}");
    let (child, _output) = standby(&config.clone().arg("--wait-for-datadir=600"));
    // SAFETY: kill() takes numbers only; the child was not waited for.
    assert_eq!(unsafe { libc::kill(child.id().cast_signed(), libc::SIGTERM) }, 0);
    let (code, said) = ended(child);
    assert_eq!(code, Some(1));
    assert!(said.contains("stopped while standing by"), "{said}");
    for wrong in ["", "-1", "1.5", "x", "9999999999"] {
        let refused = config.clone().arg(format!("--wait-for-datadir={wrong}")).try_start().err().expect(wrong);
        assert!(refused.contains("--wait-for-datadir"), "{refused}");
    }
    active.client().ask("set k 0 0 1\r\n1\r\n", "STORED\r\n");
}
