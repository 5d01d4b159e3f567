//! What a supervisor sees of the program: notifications, the watchdog, reloads, options in a file, `--ping`.

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
    host.wait_log("The containers are read again");
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

#[test]
fn options_come_from_a_file_too() {
    let config = HostConfig::new();
    let file = config.scratch().join("options.cnf");
    std::fs::write(
        &file,
        "[mysqld]\nunknown = 1\n[memcached-host]\n# a comment\n; another\n  innodb-buffer-pool-size =  33554432 \r\n\
         daemon_memcached_r_batch_size=\"7\"\nskip-networking\n[other]\nport = no\n",
    )
    .unwrap();
    let host =
        config.arg(format!("--defaults-file={}", file.display())).arg("--daemon-memcached-r-batch-size=9").start();
    let value = |name: &str| host.rows(&format!("SHOW VARIABLES LIKE '{name}'")).remove(0).remove(1);
    assert_eq!(value("innodb_buffer_pool_size"), "33554432");
    assert_eq!(value("daemon_memcached_r_batch_size"), "9", "the command line wins");
    assert!(host.terminate().success());
    for (text, message) in [
        ("[memcached-host]\n\nnonsense = 1\n", "that is line 3 of"),
        ("[memcached-host]\nport =\n", "option '--port' needs a value"),
    ] {
        let config = HostConfig::new();
        let file = config.scratch().join("options.cnf");
        std::fs::write(&file, text).unwrap();
        let output = Command::new(program()).arg(format!("--defaults-file={}", file.display())).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(message), "{text}: {said}");
    }
    let output = Command::new(program()).arg("--defaults-file=/no/such/file").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot read the option file '/no/such/file'"));
}
