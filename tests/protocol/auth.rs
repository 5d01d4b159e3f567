//! Users, passwords and rights, through the text protocol.

use crate::common::patient::{self, wait_until};
use crate::common::{Client, Host, HostConfig, credentials, user_line};
use std::io::Write;
use std::process::{Command, Stdio};

const STRANGER: &str = "CLIENT_ERROR unauthenticated\r\n";
const FAILED: &str = "CLIENT_ERROR authentication failure\r\n";
const FORBIDDEN: &str = "SERVER_ERROR permission denied\r\n";

/// A second container `carts` beside the default one.
const CARTS: &str = "CREATE DATABASE shop; \
    CREATE TABLE shop.carts (id VARCHAR(64) NOT NULL PRIMARY KEY, body VARCHAR(1024), flags INT, cas BIGINT UNSIGNED, expiry INT); \
    INSERT INTO innodb_memcache.containers VALUES ('carts', 'shop', 'carts', 'id', 'body', 'flags', 'cas', 'expiry', 'PRIMARY')";

fn host(users: &[(&str, &str, &str)]) -> Host {
    let config = HostConfig::new();
    let path = config.users(users);
    config.option(&format!("-p 0 -t 2 -Y {}", path.display())).start()
}

#[test]
fn nothing_runs_before_the_login() {
    let host = host(&[("alice", "secret", "*=rw"), ("carol", "two words", "*=r")]);
    let login = credentials("alice", "secret");
    for command in [
        "get k\r\n",
        "gets k\r\n",
        "gat 0 k\r\n",
        "add k 0 0 12\r\nalice secret\r\n",
        "delete k\r\n",
        "incr k 1\r\n",
        "touch k 0\r\n",
        "flush_all\r\n",
        "stats\r\n",
        "version\r\n",
        "verbosity 1\r\n",
        "bind default\r\n",
        "get @>a\r\n",
        "shutdown\r\n",
        "nonsense\r\n",
        "\r\n",
        "delete k noreply\r\n",
    ] {
        // Each is answered, in order, and the login behind it in the same packet works.
        host.client().ask(format!("{command}{login}get k\r\n"), format!("{STRANGER}STORED\r\nEND\r\n"));
    }
    for (send, expect) in [
        ("set login 0 0 5\r\nalice\r\n", "CLIENT_ERROR bad authentication token format\r\n"),
        ("set login 0 0 0\r\n\r\n", "CLIENT_ERROR bad authentication token format\r\n"),
        ("set login 0 0 6\r\nalice \r\n", "CLIENT_ERROR bad authentication token format\r\n"),
        ("set login 0 0 15\r\ncarol two words\r\n", "STORED\r\n"),
        (&format!("set login 0 0 2000\r\n{}\r\n", "x".repeat(2000)), "CLIENT_ERROR auth token too long\r\n"),
        ("set login 0 0 5 noreply\r\nx y z\r\n", FAILED),
    ] {
        host.client().ask(send, expect);
    }
    let mut client = host.client();
    client.send("quit\r\n");
    client.expect_close();
    // Once inside, a set is a set, as long as it likes.
    let mut client = host.client();
    client.log_in("alice", "secret");
    client.ask(format!("set k 0 0 2000\r\n{}\r\n", "x".repeat(2000)), "STORED\r\n");
    client.ask(login, "STORED\r\n");
    client.ask("get login\r\n", "VALUE login 0 12\r\nalice secret\r\nEND\r\n");
    assert_eq!(host.rows("SELECT `key` FROM memcached.cache ORDER BY `key`"), [["k"], ["login"]]);
}

#[test]
fn what_a_stranger_sends_takes_no_memory() {
    let host = host(&[("alice", "secret", "*=rw")]);
    for flood in ["x".repeat(1 << 20), format!("get {}", "k ".repeat(1 << 19))] {
        let mut client = host.client();
        let _ = client.try_send(flood);
        client.expect_close();
    }
    let mut client = host.client();
    client.log_in("alice", "secret");
    client.ask("get k\r\n", "END\r\n");
}

#[test]
fn wrong_passwords_are_counted_and_close_the_connection_but_hold_up_nobody() {
    let host = host(&[("alice", "secret", "*=rw"), ("bob", "secret2", "*=rw")]);
    let mut client = host.client();
    let mut others = host.client();
    others.log_in("bob", "secret2");
    for (name, password) in [("alice", "secret2"), ("bob", "secret"), ("nobody", "secret")] {
        client.send(credentials(name, password));
        // The verdict is still out.
        others.ask("set k 0 0 1\r\nx\r\nget k\r\n", "STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\n");
        client.expect(FAILED);
    }
    client.expect_close();
    // One that leaves before its verdict, and one that only closed its sending half.
    let mut hasty = host.client();
    hasty.send(credentials("alice", "wrong"));
    drop(hasty);
    let stream = patient::connect(("127.0.0.1", host.port()));
    (&stream).write_all(format!("{}get k\r\n", credentials("alice", "secret")).as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut half = Client::over(stream);
    half.expect("STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\n");
    half.expect_close();
    let stats = others.stats("");
    let value = |name: &str| stats.iter().find(|(n, _)| n == name).unwrap().1.parse::<u64>().unwrap();
    assert!(value("auth_errors") >= 3 && value("auth_cmds") >= 5, "{stats:?}");
    assert!(others.stats("settings").contains(&("auth_enabled_sasl".into(), "yes".into())));
    host.wait_log("a login as \"alice\" failed");
    assert!(!host.log().contains("secret"), "a password stands in the log");
}

const D: &str = "VALUE d 0 1\r\n1\r\nEND\r\n";
const CARTS_C: &str = "VALUE @@carts.c 0 1\r\n2\r\nEND\r\n";

/// What users with different rights ask, and are answered.
const RIGHTS: &[(&str, &[(&str, &str)])] = &[
    (
        "reader",
        &[
            ("get d\r\n", D),
            ("get @@carts.c\r\n", CARTS_C),
            ("bind default\r\n", "SUCCEED\r\n"),
            ("set d 0 0 1\r\n9\r\n", FORBIDDEN),
            ("incr d 1\r\n", FORBIDDEN),
            ("delete d\r\n", FORBIDDEN),
            ("touch d 1\r\n", FORBIDDEN),
            ("gat -1 d\r\n", FORBIDDEN),
            ("append d 0 0 1\r\n9\r\n", FORBIDDEN),
            ("flush_all\r\n", FORBIDDEN),
            ("flush_all 10\r\n", FORBIDDEN),
            ("stats reset\r\n", FORBIDDEN),
            ("stats detail on\r\n", FORBIDDEN),
            ("cache_memlimit 8\r\n", FORBIDDEN),
            ("set d 0 0 1 noreply\r\n9\r\nget d\r\n", D),
            (
                "get d\r\nset d 0 0 1\r\n9\r\nget d\r\n",
                "VALUE d 0 1\r\n1\r\nEND\r\nSERVER_ERROR permission denied\r\nVALUE d 0 1\r\n1\r\nEND\r\n",
            ),
        ],
    ),
    (
        "shop",
        &[
            ("get d\r\n", FORBIDDEN),
            ("get @>a\r\n", FORBIDDEN),
            ("lru_crawler metadump all\r\n", FORBIDDEN),
            ("bind default\r\n", FORBIDDEN),
            ("bind none\r\n", "NOT_FOUND\r\n"),
            ("version\r\n", concat!("VERSION 1.6.45-daemon_memcached-", env!("CARGO_PKG_VERSION"), "\r\n")),
            ("get @@carts.c d\r\n", CARTS_C),
            ("get @@default.d @@carts.c\r\n", FORBIDDEN),
            ("get @@default\r\n", FORBIDDEN),
            // What is refused switches nothing: the connection still is in carts.
            ("set n 0 0 1\r\n3\r\n", "STORED\r\n"),
            (
                "set @@default.d 0 0 1\r\n3\r\nget n\r\n",
                "SERVER_ERROR permission denied\r\nVALUE n 0 1\r\n3\r\nEND\r\n",
            ),
            ("get @>a\r\n", "VALUE c 0 1\r\n2\r\nVALUE n 0 1\r\n3\r\nEND\r\n"),
            ("delete n\r\n", "DELETED\r\n"),
        ],
    ),
    (
        "clerk",
        &[
            ("set d 0 0 1\r\n1\r\n", "STORED\r\n"),
            (
                "set d 0 0 1\r\n1\r\nset @@carts.c 0 0 1\r\n9\r\nincr d 0\r\n",
                "STORED\r\nSERVER_ERROR permission denied\r\n1\r\n",
            ),
            ("get @@carts.c\r\n", CARTS_C),
            ("set c 0 0 1\r\n9\r\n", FORBIDDEN),
            ("flush_all\r\n", FORBIDDEN),
            ("bind default\r\n", "SUCCEED\r\n"),
            ("flush_all\r\n", "OK\r\n"),
        ],
    ),
];

#[test]
fn rights_bound_what_a_user_reaches() {
    let config = HostConfig::new();
    let path = config.users(&[
        ("root", "p", "*=rw"),
        ("reader", "p", "*=r"),
        ("shop", "p", "carts=rw"),
        ("clerk", "p", "default=rw,carts=r"),
    ]);
    let host = config.option(&format!("-p 0 -t 2 -Y {}", path.display())).start();
    host.sql(CARTS).unwrap();
    host.sql("SET GLOBAL daemon_memcached_reload_containers = ON").unwrap();
    host.wait_log("the containers were read again");
    let mut root = host.client();
    root.log_in("root", "p");
    root.ask("set d 0 0 1\r\n1\r\nset @@carts.c 0 0 1\r\n2\r\n", "STORED\r\nSTORED\r\n");
    for (user, dialogue) in RIGHTS {
        let mut client = host.client();
        client.log_in(user, "p");
        for (send, expect) in *dialogue {
            println!("{user}: {send:?}");
            client.ask(send, expect);
        }
    }
    assert_eq!(host.rows("SELECT id, body FROM shop.carts"), [["c", "2"]]);
    root.ask("stats reset\r\n", "RESET\r\n");
}

#[test]
fn a_changed_file_counts_without_a_restart_and_a_broken_one_does_not() {
    let host = host(&[("alice", "old", "*=rw")]);
    let mut inside = host.client();
    inside.log_in("alice", "old");
    host.config().users(&[("alice", "new", "*=r")]);
    wait_until("the new password", || {
        let mut client = host.client();
        client.send(credentials("alice", "new"));
        client.read_line() == "STORED"
    });
    // Whoever is inside keeps what it had.
    inside.ask("set k 0 0 1\r\nx\r\n", "STORED\r\n");
    let mut client = host.client();
    client.log_in("alice", "new");
    client.ask("set k 0 0 1\r\ny\r\nget k\r\n", format!("{FORBIDDEN}VALUE k 0 1\r\nx\r\nEND\r\n"));
    std::fs::write(host.config().scratch().join("users"), "alice:password:*=rw\n").unwrap();
    host.wait_log("the users stay as they were");
    host.wait_log("users: line 1: the hash is not one of argon2id");
    host.client().log_in("alice", "new");
}

#[test]
fn a_file_that_cannot_guard_refuses_the_install() {
    use std::os::unix::fs::PermissionsExt;
    let config = HostConfig::new();
    let path = config.users(&[("alice", "secret", "*=rw")]);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let file = path.display().to_string();
    let broken = config.scratch().join("broken");
    std::fs::write(&broken, "# nobody\nalice:secret:*=rw\n").unwrap();
    std::fs::set_permissions(&broken, std::fs::Permissions::from_mode(0o600)).unwrap();
    for (option, parts) in [
        (format!("-Y {file}"), vec![file.as_str(), "0644", "chmod"]),
        ("-Y /nonexistent".into(), vec!["/nonexistent", "cannot be read"]),
        (format!("-Y {}", broken.display()), vec!["broken", "line 2", "argon2id"]),
        ("-S".into(), vec!["-S", "-Y FILE", "daemon_memcached_auth"]),
    ] {
        let error = config.clone().option(&format!("-p 0 {option}")).try_start().err().expect("it is refused");
        for part in parts {
            assert!(error.contains(part), "{option}: {error} does not say {part}");
        }
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn accounts_of_a_host_without_any_refuse_the_install() {
    for (auth, option, part) in [
        ("mysql", "-p 0", "this host has no accounts that the daemon could ask"),
        ("mysql", "-p 0 -Y /nonexistent", "exclude each other"),
        ("mysqld", "-p 0", "\"mysqld\"; it can be off or mysql"),
    ] {
        let config = HostConfig::new().option(option).arg(format!("--daemon-memcached-auth={auth}"));
        let error = config.try_start().err().expect("it is refused");
        assert!(error.contains(part), "{auth} {option}: {error} does not say {part}");
    }
    HostConfig::new().arg("--daemon-memcached-auth=OFF").start().client().ask("get k\r\n", "END\r\n");
}

#[test]
fn the_subcommand_makes_lines_and_refuses_what_cannot_be_one() {
    let line = user_line("alice", "pa:ss", "carts=rw,*=r");
    assert!(line.starts_with("alice:$argon2id$") && line.ends_with(":carts=rw,*=r\n"), "{line}");
    assert_ne!(line, user_line("alice", "pa:ss", "carts=rw,*=r"), "the salt is new each time");
    for (arguments, input, expected) in [
        (&["passwd"][..], "x\n", "usage"),
        (&["passwd", "a", "*=rw", "more"], "x\n", "usage"),
        (&["passwd", "-x"], "x\n", "usage"),
        (&["passwd", "a"], "", "no password"),
        (&["passwd", "a"], "\n", "1 to 512 bytes"),
        (&["passwd", "a"], &"x".repeat(600), "1 to 512 bytes"),
        (&["passwd", "a"], &"x".repeat(5000), "too long"),
        (&["passwd", "a b"], "x\n", "user's name"),
        (&["passwd", "a", "carts"], "x\n", "carts"),
    ] {
        let mut child = Command::new(crate::common::program())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(expected), "{arguments:?} {input:?}: {said}");
        assert!(
            output.stdout.is_empty() && said.starts_with("memcached-host: ") && said.lines().count() == 1,
            "{said}"
        );
    }
}

/// Wrong passwords by the hundred from one address: a user at another one waits for his own and the one that is being checked.
#[test]
fn a_flood_of_wrong_passwords_delays_nobody_elsewhere() {
    const FLOOD: usize = 200;
    let host = host(&[("alice", "secret", "*=rw")]);
    let from = |address: &str| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let at = |ip: &str, port: u16| std::net::SocketAddr::new(ip.parse().unwrap(), port).into();
        socket.bind(&at(address, 0)).unwrap();
        socket.connect(&at("127.0.0.1", host.port())).unwrap();
        socket.set_read_timeout(Some(crate::common::PATIENCE)).unwrap();
        Client::over(std::net::TcpStream::from(socket))
    };
    let mut flood: Vec<Client> = (0..FLOOD).map(|_| from("127.0.0.2")).collect();
    for client in &mut flood {
        client.send(credentials("alice", "wrong"));
    }
    // Some wait for their verdicts, the others are refused and closed.
    let mut alice = host.client();
    wait_until("those over the limit are refused", || host.log().contains("too many logins at a time"));
    alice.log_in("alice", "secret");
    let stats = alice.stats("");
    let told = stats.iter().find(|(n, _)| n == "auth_errors").unwrap().1.parse::<usize>().unwrap();
    assert!(told < 10, "{told} wrong passwords were answered before the right one");
    let mut closed = 0;
    for client in &mut flood {
        client.expect(FAILED);
        let open = client.try_send("version\r\n").is_ok() && client.try_read_line().is_ok_and(|line| line.is_some());
        closed += usize::from(!open);
    }
    assert!((FLOOD - 20..FLOOD).contains(&closed), "{closed} of {FLOOD} were closed");
}
