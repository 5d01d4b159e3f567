//! What a supervisor sees of the program: notifications, the watchdog, reloads, `--ping`.

use crate::common::{HostConfig, PATIENCE, program};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

/// The socket of a supervisor.
fn supervisor(path: &Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn heard(socket: &UnixDatagram) -> String {
    let mut text = [0; 256];
    let length = socket.recv(&mut text).unwrap();
    String::from_utf8_lossy(&text[..length]).into_owned()
}

#[test]
fn a_supervisor_hears_of_start_reload_and_stop() {
    let config = HostConfig::new();
    let path = config.scratch().join("notify");
    let socket = supervisor(&path);
    let host = config.env("NOTIFY_SOCKET", &path).start();
    assert_eq!(heard(&socket), "READY=1");
    host.signal(libc::SIGHUP);
    assert!(heard(&socket).starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(heard(&socket), "READY=1");
    host.wait_log("SIGHUP: ");
    host.client().ask("set k 0 0 1\r\nv\r\n", "STORED\r\n");
    host.signal(libc::SIGTERM);
    assert_eq!(heard(&socket), "STOPPING=1");
    assert!(host.wait().success());
}

#[test]
fn a_watchdog_is_fed_while_the_engine_answers() {
    let config = HostConfig::new();
    let path = config.scratch().join("notify");
    let socket = supervisor(&path);
    let host = config.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000").start();
    assert_eq!(heard(&socket), "READY=1");
    for _ in 0..5 {
        assert_eq!(heard(&socket), "WATCHDOG=1");
    }
    assert!(host.terminate().success());
}

#[test]
fn ping_tells_whether_a_server_answers() {
    let host = HostConfig::new().option("-l 127.0.0.1,[::1]").start();
    let ping = |address: &str| Command::new(program()).arg(format!("--ping={address}")).output().unwrap();
    for port in host.ports() {
        let answers = [format!("127.0.0.1:{port}"), format!("[::1]:{port}")].iter().any(|at| ping(at).status.success());
        assert!(answers, "{port}");
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mute = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = std::io::Write::write_all(&mut stream.unwrap(), b"HTTP/1.1 400 Bad Request\r\n");
        }
    });
    for (address, reason) in [
        ("127.0.0.1:1", "Connection refused"),
        ("nowhere", "it is no HOST:PORT and no path"),
        ("/no/such/socket", "No such file or directory"),
        (&*mute, "it speaks another protocol"),
    ] {
        let output = ping(address);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(reason), "{address}: {text}");
    }
}
