//! TLS listeners: who gets in, what they show, and that nobody waits for a handshake.

use crate::common::patient::{self, wait_until};
use crate::common::tls::{Authority, Identity, stream};
use crate::common::{Client, Host, HostConfig};
use rustls::ALL_VERSIONS;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};

const MIB: usize = 1 << 20;

struct Set {
    config: HostConfig,
    authority: Authority,
    server: Identity,
}

impl Set {
    fn new() -> Set {
        let config = HostConfig::new();
        let authority = Authority::new(config.scratch(), "authority");
        let server = authority.vouch("server");
        Set { config, authority, server }
    }

    fn option(&self, more: &str) -> String {
        let (certificate, key) = (self.server.certificate.display(), self.server.key.display());
        format!("-p 0 -t 1 -Z -o ssl_chain_cert={certificate},ssl_key={key}{more}")
    }

    fn start(&self, more: &str) -> Host {
        self.config.clone().option(&self.option(more)).start()
    }
}

fn plain(port: u16) -> TcpStream {
    patient::connect(("127.0.0.1", port))
}

#[test]
fn large_values_and_pipelines_pass_whole() {
    let set = Set::new();
    let host = set.start("");
    let mut client = set.authority.connect(host.port());
    let value: Vec<u8> = (0..MIB).map(|i| (i * 7 % 251) as u8).collect();
    let request = [format!("set big 0 0 {MIB}\r\n").as_bytes(), &value, b"\r\n"].concat();
    client.ask(&request, "STORED\r\n");
    // More than sockets and session hold: half of it waits for the client, who first asks for all of it.
    const TIMES: usize = 20;
    client.send("get big\r\n".repeat(TIMES));
    set.authority.connect(host.port()).ask("get none\r\n", "END\r\n");
    for i in 0..TIMES {
        client.expect(format!("VALUE big 0 {MIB}\r\n"));
        assert!(client.read_exact(MIB) == value, "reply {i} differs");
        client.expect("\r\nEND\r\n");
    }
    client.ask("quit\r\n", "");
    client.expect_close();
    assert!(host.terminate().success());
}

#[test]
fn versions_and_certificates_of_clients_are_demanded_as_configured() {
    let set = Set::new();
    let stranger = Authority::new(set.config.scratch(), "elsewhere");
    let (known, unknown) = (set.authority.vouch("client"), stranger.vouch("stranger"));
    let authorities = set.authority.certificate();
    for (more, versions, identity, allowed) in [
        ("", &[&TLS12][..], None, true),
        ("", &[&TLS13], None, true),
        (",ssl_min_version=3", &[&TLS12], None, false),
        (",ssl_min_version=3", &[&TLS13], None, true),
        (",ssl_session_cache,ssl_verify_mode=0", ALL_VERSIONS, Some(&unknown), true),
        // Without an authority nobody is asked for what could not be verified.
        (",ssl_verify_mode=1", ALL_VERSIONS, None, true),
        (",ssl_verify_mode=1", ALL_VERSIONS, Some(&unknown), true),
        (",ssl_verify_mode=1,ssl_ca_cert=", ALL_VERSIONS, None, true),
        (",ssl_verify_mode=1,ssl_ca_cert=", ALL_VERSIONS, Some(&known), true),
        (",ssl_verify_mode=1,ssl_ca_cert=", ALL_VERSIONS, Some(&unknown), false),
        (",ssl_verify_mode=2,ssl_ca_cert=", ALL_VERSIONS, None, false),
        (",ssl_verify_mode=2,ssl_ca_cert=", &[&TLS12], None, false),
        (",ssl_verify_mode=2,ssl_ca_cert=", ALL_VERSIONS, Some(&known), true),
        (",ssl_verify_mode=3,ssl_ca_cert=", ALL_VERSIONS, Some(&unknown), false),
    ] {
        let more = if more.ends_with('=') { format!("{more}{}", authorities.display()) } else { more.to_owned() };
        let host = set.start(&more);
        let config = set.authority.client_config(identity, versions);
        let mut answer = [0; 5];
        let mut stream = stream(&config, host.port());
        // With TLS 1.3 the refusal may come after the client has sent its first request.
        let heard = stream.write_all(b"get k\r\n").and_then(|()| stream.read_exact(&mut answer));
        assert_eq!(heard.is_ok(), allowed, "{more} {versions:?}: {heard:?}");
        assert!(!allowed || answer == *b"END\r\n");
        // Whoever is trusted is served all the same.
        let config = set.authority.client_config(Some(&known), ALL_VERSIONS);
        Client::over(crate::common::tls::stream(&config, host.port())).ask("get k\r\n", "END\r\n");
    }
}

/// One mode for most addresses, another for some.
#[test]
fn a_listener_may_demand_more_or_less_of_its_clients() {
    let set = Set::new();
    let stranger = Authority::new(set.config.scratch(), "elsewhere");
    let (known, unknown) = (set.authority.vouch("client"), stranger.vouch("stranger"));
    let host = set.start(&format!(
        ",ssl_verify_mode=1,ssl_ca_cert={} -l notls:127.0.0.1,btls:127.0.0.1,mtls:127.0.0.1,127.0.0.1",
        set.authority.certificate().display()
    ));
    let ports = host.ports();
    let [plain, basic, mutual, other] = ports[..] else { panic!("{ports:?}") };
    Client::connect(plain).ask("get k\r\n", "END\r\n");
    for (port, identity, allowed) in [
        (basic, None, true),
        (basic, Some(&unknown), true),
        (mutual, None, false),
        (mutual, Some(&unknown), false),
        (mutual, Some(&known), true),
        (other, None, true),
        (other, Some(&unknown), false),
        (other, Some(&known), true),
    ] {
        let mut answer = [0; 5];
        let mut stream = stream(&set.authority.client_config(identity, ALL_VERSIONS), port);
        let heard = stream.write_all(b"get k\r\n").and_then(|()| stream.read_exact(&mut answer));
        assert_eq!(heard.is_ok(), allowed, "{port} of {ports:?}: {heard:?}");
    }
    drop(host);
    for (option, part) in [("-l mtls:127.0.0.1", "needs -Z"), ("-l btls:127.0.0.1", "needs -Z")] {
        let error = set.config.clone().option(&format!("-p 0 {option}")).try_start().err().expect("it is refused");
        assert!(error.contains(part), "{option}: {error}");
    }
    let error = set.config.clone().option(&set.option(" -l mtls:127.0.0.1")).try_start().err().expect("it is refused");
    assert!(error.contains("ssl_ca_cert"), "{error}");
}

/// A certificate of before 1996 and a key that is not what its label says: other programs make them, and clients may accept them.
#[test]
fn certificates_of_version_1_and_keys_with_rsas_label_are_taken() {
    let set = Set::new();
    let host = set.config.clone().option(&format!(
        "-p 0 -t 1 -Z -o ssl_chain_cert={0}/v1.pem,ssl_key={0}/v1.key",
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/protocol/certificates")
    ));
    let host = host.start();
    host.wait_log("X.509 version 1");
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{}", host.port())])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    client.stdin.take().unwrap().write_all(b"set k 0 0 1\r\nx\r\nget k\r\nquit\r\n").unwrap();
    let mut heard = String::new();
    client.stdout.take().unwrap().read_to_string(&mut heard).unwrap();
    client.wait().unwrap();
    assert_eq!(heard, "STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\n");
}

#[test]
fn a_server_that_the_client_does_not_trust_is_left() {
    let set = Set::new();
    let host = set.start("");
    let other = Authority::new(set.config.scratch(), "elsewhere");
    let mut stream = stream(&other.client_config(None, ALL_VERSIONS), host.port());
    assert!(stream.write_all(b"get k\r\n").is_err());
    drop(stream);
    let mut client = set.authority.connect(host.port());
    wait_until("the failed handshake is counted", || {
        client.stats("").iter().any(|(name, value)| name == "ssl_handshake_errors" && value == "1")
    });
}

/// One worker serves them all: whoever speaks no TLS, stops in the middle or leaves is nobody else's business.
#[test]
fn broken_handshakes_cost_only_their_connection() {
    let set = Set::new();
    let host = set.start("");
    let port = host.port();
    let mut served = set.authority.connect(port);
    let mut serves = || served.ask("get none\r\n", "END\r\n");
    serves();
    for text in ["get k\r\n", "\u{16}\u{3}\u{1}", "", &"x".repeat(100_000), "GET / HTTP/1.1\r\n\r\n"] {
        let mut stream = plain(port);
        let _ = stream.write_all(text.as_bytes());
        serves();
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        // At the most an alert comes back, never a word of the protocol.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer[0] == 0x15, "{text:?}: {}", answer.escape_ascii());
    }
    // A true first flight, byte by byte, then nothing more.
    let name = "localhost".try_into().unwrap();
    let mut session = rustls::ClientConnection::new(set.authority.client_config(None, ALL_VERSIONS), name).unwrap();
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    let mut slow: Vec<TcpStream> = (0..20).map(|_| plain(port)).collect();
    for (i, stream) in slow.iter_mut().enumerate() {
        for byte in &hello[..hello.len() * i / 20] {
            stream.write_all(&[*byte]).unwrap();
        }
        serves();
    }
    drop(slow);
    serves();
    // A goodbye in the middle of a request, and a connection that is cut.
    for cut in [false, true] {
        let mut stream = stream(&set.authority.client_config(None, ALL_VERSIONS), port);
        stream.write_all(b"set half 0 0 10\r\nab").unwrap();
        if !cut {
            stream.conn.send_close_notify();
            stream.flush().unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            assert_eq!(answer, b"");
        }
        drop(stream);
        serves();
    }
    served.ask("get half\r\n", "END\r\n");
    assert!(host.terminate().success());
}

#[test]
fn bytes_one_by_one_answer_the_same() {
    let set = Set::new();
    let host = set.start("");
    let mut client = set.authority.connect(host.port());
    for byte in b"set k 0 0 3\r\nabc\r\nget k\r\n" {
        client.send([*byte]);
    }
    client.expect("STORED\r\nVALUE k 0 3\r\nabc\r\nEND\r\n");
}

/// The certificate that a new connection is shown.
fn shown(set: &Set, port: u16) -> CertificateDer<'static> {
    let mut stream = stream(&set.authority.client_config(None, ALL_VERSIONS), port);
    stream.write_all(b"get k\r\n").unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).unwrap();
    stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
}

#[test]
fn certificates_are_replaced_without_a_restart() {
    let set = Set::new();
    let host = set.start("");
    let port = host.port();
    let of = |identity: &Identity| CertificateDer::from_pem_file(&identity.certificate).unwrap();
    let first = of(&set.server);
    assert!(shown(&set, port) == first);
    let mut client = set.authority.connect(port);
    client.ask("get k\r\n", "END\r\n");

    // A key that is not this certificate's changes nothing.
    let next = set.authority.vouch("next");
    std::fs::copy(&next.key, &set.server.key).unwrap();
    client.send("refresh_certs\r\n");
    let refusal = client.read_line();
    assert!(refusal.starts_with("SERVER_ERROR") && refusal.contains("do not go together"), "{refusal}");
    host.wait_log("the certificates stay as they were");
    assert!(shown(&set, port) == first);

    std::fs::copy(&next.certificate, &set.server.certificate).unwrap();
    client.ask("refresh_certs\r\nget k\r\n", "OK\r\nEND\r\n");
    assert!(shown(&set, port) == of(&next));

    // Nobody has to say it: the files are watched.
    let last = set.authority.vouch("last");
    std::fs::copy(&last.key, &set.server.key).unwrap();
    std::fs::copy(&last.certificate, &set.server.certificate).unwrap();
    let last = of(&last);
    wait_until("the new certificate", || shown(&set, port) == last);
    client.ask("get k\r\n", "END\r\n");
    let stats = client.stats("");
    assert!(stats.iter().any(|(name, _)| name == "time_since_server_cert_refresh"), "{stats:?}");
    // Without TLS there is nothing to refresh.
    Host::start().client().ask("refresh_certs\r\n", "ERROR\r\n");
}

#[test]
fn what_cannot_be_shown_refuses_the_install() {
    let set = Set::new();
    let other = set.authority.vouch("other");
    let empty = set.config.scratch().join("empty.pem");
    std::fs::write(&empty, "no certificate\n").unwrap();
    let (server, key, empty) = (set.server.certificate.display(), set.server.key.display(), empty.display());
    for (option, parts) in [
        ("-Z".to_owned(), vec!["-Z", "ssl_chain_cert"]),
        ("-Z -o ssl_chain_cert=/nonexistent".into(), vec!["ssl_chain_cert=/nonexistent"]),
        (format!("-Z -o ssl_chain_cert={empty},ssl_key={key}"), vec!["empty.pem", "no certificate"]),
        (format!("-Z -o ssl_chain_cert={server}"), vec!["ssl_key", "no private key"]),
        (format!("-Z -o ssl_chain_cert={server},ssl_key={}", other.key.display()), vec!["do not go together"]),
        (format!("-Z -o ssl_chain_cert={server},ssl_key={key},ssl_verify_mode=2"), vec!["ssl_ca_cert"]),
        (
            format!("-Z -o ssl_chain_cert={server},ssl_key={key},ssl_verify_mode=2,ssl_ca_cert={empty}"),
            vec!["ssl_ca_cert", "empty.pem"],
        ),
    ] {
        let error = set.config.clone().option(&format!("-p 0 {option}")).try_start().err().expect("it is refused");
        for part in parts {
            assert!(error.contains(part), "{option}: {error} does not say {part}");
        }
    }
    // One file may hold both.
    let both = set.config.scratch().join("both.pem");
    let text = [std::fs::read(&set.server.key).unwrap(), std::fs::read(&set.server.certificate).unwrap()].concat();
    std::fs::write(&both, text).unwrap();
    let host = set.config.clone().option(&format!("-p 0 -Z -o ssl_chain_cert={}", both.display())).start();
    set.authority.connect(host.port()).ask("get k\r\n", "END\r\n");
}

/// Over the limit a client of TLS finds a closed connection, no text that it could not read.
#[test]
fn the_connection_limit_holds_for_tls() {
    let set = Set::new();
    let host = set.config.clone().option(&format!("{} -c 1", set.option(""))).start();
    let mut inside = set.authority.connect(host.port());
    inside.ask("get k\r\n", "END\r\n");
    let mut stream = plain(host.port());
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"");
    inside.ask("get k\r\n", "END\r\n");
}
