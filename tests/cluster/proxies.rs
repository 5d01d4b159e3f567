//! Proxies in front of the host: nutcracker and haproxy for memcached's protocol, haproxy and MySQL Router for
//! MySQL's. All of them are in a network namespace of the test, where every port is free.

use crate::common::tls::{Authority, Identity};
use crate::common::{Client, HostConfig, patient};
use crate::machines::{Namespace, Network, run};
use crate::server::tree;
use std::fs;
use std::path::Path;
use std::process::{Child, Command};

/// Switches with mapped keys; does not.
const STICKY: u16 = 11211;
const PER_KEY: u16 = 11212;
const SQL: u16 = 13306;
const NUTCRACKER: u16 = 22121;
const NUTCRACKER_TO_STICKY: u16 = 22122;
const ROUTER: u16 = 22125;
const ROUTER_TO_STICKY: u16 = 22126;
const HAPROXY: u16 = 22123;
const HAPROXY_SQL: u16 = 22124;
/// The hosts behind MySQL Router, for memcached's protocol and for SQL.
const HOSTS: [(u16, u16); 2] = [(11213, 13307), (11214, 13308)];
/// Its ways: TLS from end to end, none, and TLS that ends in it and begins anew.
const THROUGH: u16 = 22127;
const CLEAR: u16 = 22128;
const ANEW: u16 = 22129;

const SCHEMA: &str = "
    CREATE DATABASE shop;
    CREATE TABLE shop.carts (id VARCHAR(64) NOT NULL PRIMARY KEY, body VARCHAR(1000));
    INSERT INTO innodb_memcache.containers VALUES ('carts', 'shop', 'carts', 'id', 'body', '0', '0', '0', 'PRIMARY');
    CREATE USER app@'127.0.0.1' IDENTIFIED BY 'secret';
    GRANT SELECT ON memcached.* TO app@'127.0.0.1';
    GRANT SELECT, INSERT ON shop.* TO app@'127.0.0.1';";

/// A program in the namespace that ends with this.
struct Proxy(Child);

impl Proxy {
    fn start(namespace: &Namespace, program: &[&str]) -> Proxy {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace.name()]).args(program);
        Proxy(command.spawn().unwrap_or_else(|e| panic!("{program:?}: {e}")))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn pool(name: &str, listen: u16, server: u16) -> String {
    format!(
        "{name}:\n  listen: 127.0.0.1:{listen}\n  hash: fnv1a_64\n  distribution: ketama\n  servers:\n   - 127.0.0.1:{server}:1\n"
    )
}

fn nutcracker(namespace: &Namespace, folder: &Path) -> Proxy {
    let file = folder.join("nutcracker.yml");
    fs::write(&file, pool("keyed", NUTCRACKER, PER_KEY) + &pool("sticky", NUTCRACKER_TO_STICKY, STICKY)).unwrap();
    let (file, log) = (file.display().to_string(), folder.join("nutcracker.log").display().to_string());
    Proxy::start(namespace, &["nutcracker", "-c", &file, "-o", &log, "-s", "22221", "-a", "127.0.0.1"])
}

fn haproxy(namespace: &Namespace, folder: &Path) -> Proxy {
    let file = folder.join("haproxy.cfg");
    let text = format!(
        "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
         listen memcached\n  bind 127.0.0.1:{HAPROXY}\n  option tcp-check\n  tcp-check send version\\r\\n\n  tcp-check expect string VERSION\n  server one 127.0.0.1:{STICKY} check inter 1s\n\
         listen sql\n  bind 127.0.0.1:{HAPROXY_SQL}\n  server one 127.0.0.1:{SQL}\n"
    );
    fs::write(&file, text).unwrap();
    Proxy::start(namespace, &["haproxy", "-f", &file.display().to_string()])
}

/// The path of a file of the tree for a program that runs in it.
fn inside(file: &Path) -> String {
    Path::new("/").join(file.strip_prefix(tree()).unwrap()).display().to_string()
}

/// memcached's own proxy, of the tree's release: Debian 12's has none. The folder is inside the tree.
fn router(namespace: &Namespace, folder: &Path, listen: u16, server: u16) -> Proxy {
    let file = folder.join(format!("{listen}.lua"));
    let text = format!(
        "pools{{ main = {{ backends = {{ \"127.0.0.1:{server}\" }} }} }}\nroutes{{ default = route_direct{{ child = \"main\" }} }}\n"
    );
    fs::write(&file, text).unwrap();
    let proxy = format!("proxy_config=routelib,proxy_arg={}", inside(&file));
    let tree = tree().display().to_string();
    let program = ["chroot", &tree, "memcached", "-u", "root", "-l", "127.0.0.1", "-U", "0"];
    Proxy::start(namespace, &[&program[..], &["-p", &listen.to_string(), "-o", &proxy]].concat())
}

/// What any client does, 2000 times, and once with what is large or rare.
fn work(port: u16) {
    let mut client = Client::connect(port);
    for i in 0..2000 {
        let (key, value) = (i % 500, format!("value {i}"));
        client.ask(format!("set p{key} 3 0 {}\r\n{value}\r\n", value.len()), "STORED\r\n");
        client.ask(format!("get p{key}\r\n"), format!("VALUE p{key} 3 {}\r\n{value}\r\nEND\r\n", value.len()));
    }
    let keys: Vec<String> = (0..200).map(|i| format!("p{i}")).collect();
    client.send(format!("get {}\r\n", keys.join(" ")));
    let reply = String::from_utf8(client.read_reply()).unwrap();
    assert_eq!(reply.matches("VALUE p").count(), 200);
    client.ask("set n 0 0 1\r\n5\r\n", "STORED\r\n");
    client.ask("incr n 3\r\n", "8\r\n");
    client.ask("append n 0 0 1\r\n0\r\n", "STORED\r\n");
    client.ask("get n\r\n", "VALUE n 0 2\r\n80\r\nEND\r\n");
    client.send("gets n\r\n");
    let reply = String::from_utf8(client.read_reply()).unwrap();
    let cas = reply.lines().next().and_then(|line| line.rsplit(' ').next()).unwrap();
    client.ask(format!("cas n 0 0 1 {cas}\r\n1\r\n"), "STORED\r\n");
    client.ask(format!("cas n 0 0 1 {cas}\r\n2\r\n"), "EXISTS\r\n");
    let large = "x".repeat(900_000);
    client.ask(format!("set large 0 0 {}\r\n{large}\r\n", large.len()), "STORED\r\n");
    client.ask("get large\r\n", format!("VALUE large 0 {}\r\n{large}\r\nEND\r\n", large.len()));
    client.ask("delete large\r\n", "DELETED\r\n");
}

/// Plain sets of five clients beside one with mapped keys: how many of them landed in its container.
fn strays(port: u16) -> usize {
    Client::connect(port).ask("set @@carts.x 0 0 4\r\ncart\r\n", "STORED\r\n");
    for i in 0..5 {
        Client::connect(port).ask(format!("set plain{i} 0 0 5\r\nplain\r\n"), "STORED\r\n");
    }
    let mut direct = Client::connect(PER_KEY);
    let strays = (0..5).filter(|i| {
        direct.send(format!("get @@carts.plain{i}\r\n"));
        direct.read_reply() != b"END\r\n"
    });
    let strays = strays.count();
    for i in 0..5 {
        direct.ask(format!("delete @@carts.plain{i} noreply\r\ndelete plain{i} noreply\r\nmn\r\n"), "MN\r\n");
    }
    strays
}

/// Runs in a thread of its own, which is in the namespace.
fn within(namespace: &Namespace, body: impl FnOnce() + Send) {
    let body = || {
        namespace.enter();
        body();
    };
    std::thread::scope(|scope| scope.spawn(body).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

#[test]
#[ignore = "needs root, nutcracker and haproxy; tests/run --cluster runs it"]
fn clients_behind_proxies() {
    let network = Network::new("px");
    let namespace = &network.clients;
    let config = HostConfig::new()
        .under(&["ip", "netns", "exec", namespace.name()])
        .arg(format!("--port={SQL}"))
        .option(&format!("-l 127.0.0.1:{STICKY},sticky_mapping=no:127.0.0.1:{PER_KEY}"));
    let host = config.start();
    host.sql(SCHEMA).unwrap();
    let (_nutcracker, _haproxy) = (nutcracker(namespace, config.scratch()), haproxy(namespace, config.scratch()));
    let folder = tempfile::Builder::new().prefix("run-").tempdir_in(tree().join("data")).unwrap();
    let _routers = [(ROUTER, PER_KEY), (ROUTER_TO_STICKY, STICKY)]
        .map(|(listen, server)| router(namespace, folder.path(), listen, server));
    within(namespace, || {
        for port in [NUTCRACKER, ROUTER, ROUTER_TO_STICKY, HAPROXY] {
            patient::wait_until("a proxy listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
            patient::wait_until("a proxy found its server", || {
                let mut client = Client::connect(port);
                client.send("get none\r\n");
                matches!(client.try_read_line(), Ok(Some(line)) if line == "END")
            });
            work(port);
        }
        assert_eq!(strays(NUTCRACKER), 0, "clients behind one connection switch each other");
        assert_eq!(strays(ROUTER), 0, "clients behind one connection switch each other");
        assert!(strays(ROUTER_TO_STICKY) > 0, "the proxy does not share its connection: this test shows nothing");
        assert!(strays(NUTCRACKER_TO_STICKY) > 0, "nutcracker does not share its connection: this test shows nothing");
        run(&[
            "mariadb",
            "--no-defaults",
            "-h",
            "127.0.0.1",
            "-P",
            &HAPROXY_SQL.to_string(),
            "-uapp",
            "-psecret",
            "-e",
            "SELECT COUNT(*) FROM memcached.cache",
        ]);
    });
}

/// MySQL Router, of the tree's release, before both hosts. The folder is inside the tree.
fn mysql_router(namespace: &Namespace, folder: &Path, identity: &Identity, authority: &Authority) -> Proxy {
    let destinations = HOSTS.map(|(_, sql)| format!("127.0.0.1:{sql}")).join(",");
    let anew = format!(
        "client_ssl_mode=REQUIRED\nclient_ssl_cert={}\nclient_ssl_key={}\n\
         server_ssl_mode=REQUIRED\nserver_ssl_verify=VERIFY_CA\nserver_ssl_ca={}\n",
        inside(&identity.certificate),
        inside(&identity.key),
        inside(&authority.certificate()),
    );
    let own = inside(folder);
    let mut text = format!("[DEFAULT]\nlogging_folder={own}\nruntime_folder={own}\ndata_folder={own}\n");
    let ways = [
        (THROUGH, "client_ssl_mode=PASSTHROUGH\nserver_ssl_mode=AS_CLIENT\n"),
        (CLEAR, "client_ssl_mode=DISABLED\nserver_ssl_mode=DISABLED\n"),
        (ANEW, &anew),
    ];
    for (port, tls) in ways {
        text += &format!(
            "[routing:on{port}]\nbind_address=127.0.0.1\nbind_port={port}\ndestinations={destinations}\n\
             routing_strategy=first-available\nprotocol=classic\n{tls}"
        );
    }
    let file = folder.join("router.conf");
    fs::write(&file, text).unwrap();
    Proxy::start(namespace, &["chroot", &tree().display().to_string(), "mysqlrouter", "-c", &inside(&file)])
}

/// What `app` is answered by MySQL's client, of the tree.
fn sql_through(port: u16, tls: &[String], sql: &str) -> String {
    let (tree, port) = (tree().display().to_string(), port.to_string());
    let client = ["chroot", &tree, "mysql", "--no-defaults", "-h127.0.0.1", "-P", &port, "-uapp", "-psecret"];
    let tls: Vec<&str> = tls.iter().map(String::as_str).collect();
    run(&[&client[..], &tls, &["-Ne", sql]].concat())
}

#[test]
#[ignore = "needs root and the tree's MySQL Router; tests/run --cluster runs it"]
fn sql_behind_mysql_router() {
    let network = Network::new("mr");
    let namespace = &network.clients;
    let folder = tempfile::Builder::new().prefix("run-").tempdir_in(tree().join("data")).unwrap();
    let folder = folder.path();
    // Who verifies a certificate learns with whom it speaks: the hosts' is of one authority, the router's of another.
    let (of_hosts, of_routers) = (Authority::new(folder, "hosts"), Authority::new(folder, "routers"));
    let certificate = of_hosts.vouch("host");
    let configs = HOSTS.map(|(memcached, sql)| {
        HostConfig::new()
            .under(&["ip", "netns", "exec", namespace.name()])
            .arg(format!("--port={sql}"))
            .arg(format!("--ssl-cert={}", certificate.certificate.display()))
            .arg(format!("--ssl-key={}", certificate.key.display()))
            .option(&format!("-p {memcached} -l 127.0.0.1"))
    });
    let [first, _second] = configs.each_ref().map(|config| {
        let host = config.start();
        host.sql(SCHEMA).unwrap();
        host
    });
    let _router = mysql_router(namespace, folder, &of_routers.vouch("router"), &of_hosts);
    let verify = |authority: &Authority| {
        vec!["--ssl-mode=VERIFY_CA".to_owned(), format!("--ssl-ca={}", inside(&authority.certificate()))]
    };
    let clear = ["--ssl-mode=DISABLED", "--get-server-public-key"].map(str::to_owned).to_vec();
    let ways = [(THROUGH, verify(&of_hosts)), (CLEAR, clear), (ANEW, verify(&of_routers))];
    within(namespace, || {
        for (port, _) in &ways {
            patient::wait_until("the router listens", || std::net::TcpStream::connect(("127.0.0.1", *port)).is_ok());
        }
        let [mut to_first, mut to_second] = HOSTS.map(|(memcached, _)| Client::connect(memcached));
        to_second.ask("set @@carts.where 0 0 6\r\nsecond\r\n", "STORED\r\n");
        to_first.ask("set @@carts.where 0 0 5\r\nfirst\r\n", "STORED\r\n");
        let place = "SELECT body FROM shop.carts WHERE id = 'where'";
        for (port, tls) in &ways {
            let who = sql_through(*port, tls, &format!("SELECT CURRENT_USER(); {place}"));
            assert_eq!(who, "app@127.0.0.1\nfirst\n");
            sql_through(*port, tls, &format!("INSERT INTO shop.carts VALUES ('by{port}', 'sql')"));
            to_first.ask(format!("get by{port}\r\n"), format!("VALUE by{port} 0 3\r\nsql\r\nEND\r\n"));
        }
        first.kill9();
        for (port, tls) in &ways {
            assert_eq!(sql_through(*port, tls, place), "second\n", "the router did not find the other host");
            sql_through(*port, tls, &format!("INSERT INTO shop.carts VALUES ('by{port}', 'sql')"));
            to_second.ask(format!("get by{port}\r\n"), format!("VALUE by{port} 0 3\r\nsql\r\nEND\r\n"));
        }
        let _first = configs[0].start();
        for (port, tls) in &ways {
            patient::wait_until("the router is back at the first host", || sql_through(*port, tls, place) == "first\n");
            let sql = format!("SELECT body FROM shop.carts WHERE id = 'by{port}'");
            assert_eq!(sql_through(*port, tls, &sql), "sql\n", "what the killed host had acknowledged");
        }
    });
}
