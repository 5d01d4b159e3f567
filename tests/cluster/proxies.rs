//! Proxies in front of the host: nutcracker and haproxy for memcached's protocol, haproxy for MySQL's. All of them are in a network
//! namespace of the test, where every port is free.

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

const SCHEMA: &str = "
    CREATE DATABASE shop;
    CREATE TABLE shop.carts (id VARCHAR(64) NOT NULL PRIMARY KEY, body VARCHAR(1000));
    INSERT INTO innodb_memcache.containers VALUES ('carts', 'shop', 'carts', 'id', 'body', '0', '0', '0', 'PRIMARY');
    CREATE USER app@'127.0.0.1' IDENTIFIED BY 'secret';
    GRANT SELECT ON memcached.* TO app@'127.0.0.1';";

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

/// memcached's own proxy, of the tree's release: Debian 12's has none. The folder is inside the tree.
fn router(namespace: &Namespace, folder: &Path, listen: u16, server: u16) -> Proxy {
    let file = folder.join(format!("{listen}.lua"));
    let text = format!(
        "pools{{ main = {{ backends = {{ \"127.0.0.1:{server}\" }} }} }}\nroutes{{ default = route_direct{{ child = \"main\" }} }}\n"
    );
    fs::write(&file, text).unwrap();
    let inside = Path::new("/").join(file.strip_prefix(tree()).unwrap());
    let proxy = format!("proxy_config=routelib,proxy_arg={}", inside.display());
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
    let body = || {
        namespace.enter();
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
    };
    std::thread::scope(|scope| scope.spawn(body).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}
