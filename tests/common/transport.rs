//! Every way from a client to the daemon: TCP, UNIX socket and TLS, with one worker and with several, and behind a login.

use super::tls::Authority;
use super::{Client, HostConfig};

/// What a test gets for each way.
pub struct Way<'a> {
    /// For messages.
    pub name: String,
    /// Whether the client has to log in, which [`Way::connect`] has not done.
    pub login: Option<(&'static str, &'static str)>,
    connect: &'a dyn Fn() -> Client,
}

impl Way<'_> {
    /// A new connection, logged in by no protocol.
    pub fn connect(&self) -> Client {
        (self.connect)()
    }

    /// A new connection that may ask, logged in by the text protocol where that is needed.
    pub fn client(&self) -> Client {
        let mut client = self.connect();
        if let Some((name, password)) = self.login {
            client.log_in(name, password);
        }
        client
    }
}

/// Runs a test over every way; the default container is empty each time.
pub fn everywhere(test: impl Fn(&Way<'_>)) {
    for (workers, login) in [(1, None), (4, None), (2, Some(("alice", "secret")))] {
        let config = HostConfig::new();
        let authority = Authority::new(config.scratch(), "authority");
        let server = authority.vouch("server");
        let socket = config.scratch().join("memcached.sock");
        let mut option = format!(
            "-p 0 -t {workers} -l 127.0.0.1,notls:127.0.0.1 -s {} -Z -o ssl_chain_cert={},ssl_key={}",
            socket.display(),
            server.certificate.display(),
            server.key.display()
        );
        if let Some((name, password)) = login {
            option += &format!(" -Y {}", config.users(&[(name, password, "*=rw")]).display());
        }
        let host = config.option(&option).start();
        let [encrypted, plain] = host.ports()[..] else { panic!("two TCP listeners") };
        let ways: [(&str, &dyn Fn() -> Client); 3] = [
            ("TCP", &|| Client::connect(plain)),
            ("UNIX socket", &|| Client::connect_unix(&socket)),
            ("TLS", &|| authority.connect(encrypted)),
        ];
        for (transport, connect) in ways {
            let behind = if login.is_some() { ", behind a login" } else { "" };
            let way = Way { name: format!("{transport}, {workers} workers{behind}"), login, connect };
            way.client().ask("flush_all\r\n", "OK\r\n");
            println!("over {}", way.name);
            test(&way);
        }
        assert!(host.terminate().success());
    }
}
