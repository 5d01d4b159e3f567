//! Logins with the server's own accounts: `daemon_memcached_auth=mysql`.

use crate::common::packets::PacketClient;
use crate::common::{Client, credentials};
use crate::server::{Config, Mysqld, either, is_mariadb, wait};

const STRANGER: &str = "CLIENT_ERROR unauthenticated\r\n";
const FAILED: &str = "CLIENT_ERROR authentication failure\r\n";
const FORBIDDEN: &str = "SERVER_ERROR permission denied\r\n";

fn config() -> Config {
    Config::new().arg("--loose-daemon-memcached-auth=mysql").arg("--loose-daemon-memcached-option=-p 0 -t 2 -S")
}

/// Accounts at localhost with the password `secret`, and their grants.
fn create(server: &Mysqld, accounts: &[(&str, &[&str])]) {
    for (name, grants) in accounts {
        server.sql(&format!("CREATE USER {name}@localhost IDENTIFIED BY 'secret'"));
        for grant in *grants {
            server.sql(&format!("GRANT {grant} TO {name}@localhost"));
        }
    }
}

#[track_caller]
fn inside(server: &Mysqld, name: &str) -> Client {
    let mut client = server.client();
    client.send(credentials(name, "secret"));
    assert_eq!(client.read_line(), "STORED", "{name}\n{}", server.log());
    client
}

/// Asks on the same connection until the answer is this.
#[track_caller]
fn until(server: &Mysqld, client: &mut Client, send: &str, answer: &str) {
    let asked = || {
        client.send(send);
        client.read_line() == answer.trim_end()
    };
    wait(&format!("{answer:?} to {send:?}"), asked, || server.log());
}

#[test]
#[ignore = "needs a server: tests/run --mysql"]
fn accounts_reach_what_their_privileges_say() {
    let config = config();
    let server = config.start();
    server.set_up();
    create(
        &server,
        &[
            ("admin", &["ALL ON *.*"]),
            ("shop", &["ALL ON memcached.*", "SELECT ON test.demo_test"]),
            ("reader", &["SELECT ON *.*"]),
            ("clerk", &[]),
            ("half", &["SELECT, INSERT, UPDATE ON memcached.cache"]),
            ("columns", &["SELECT (c1, c2, c3, c4, c5) ON test.demo_test"]),
            ("nobody", &[]),
        ],
    );
    server.sql(&format!(
        "CREATE ROLE counter; GRANT SELECT, INSERT, UPDATE, DELETE ON test.demo_test TO counter; GRANT counter TO clerk@localhost;
         SET DEFAULT ROLE counter {} clerk@localhost",
        either("TO", "FOR")
    ));
    let hello = "VALUE @@aaa.AA 8 12\r\nHELLO, HELLO\r\nEND\r\n";
    let set_d = "set @@default.d 0 0 1\r\n1\r\n";
    let set_a = "set @@aaa.b 8 0 1\r\n1\r\n";
    let no = FORBIDDEN;
    for (name, dialogue) in [
        ("admin", &[(set_d, "STORED\r\n"), (set_a, "STORED\r\n"), ("stats reset\r\n", "RESET\r\n")][..]),
        ("shop", &[(set_d, "STORED\r\n"), ("get @@aaa.AA\r\n", hello), (set_a, no), ("stats reset\r\n", no)]),
        ("reader", &[("get @@aaa.AA\r\n", hello), (set_d, no), (set_a, no), ("flush_all\r\n", no)]),
        ("clerk", &[("get @@aaa.AA\r\n", hello), (set_a, "STORED\r\n"), ("get @@default.d\r\n", no), (set_d, no)]),
        ("half", &[("get d\r\n", "VALUE d 0 1\r\n1\r\nEND\r\n"), ("delete d\r\n", no), ("get @@aaa.AA\r\n", no)]),
        ("columns", &[("get @@aaa.AA\r\n", hello), (set_a, no)]),
        ("nobody", &[("get d\r\n", no), ("get @@aaa.AA\r\n", no), ("version\r\n", "VERSION ")]),
    ] {
        println!("{name}");
        let mut client = inside(&server, name);
        for (send, expect) in dialogue {
            println!("  {send:?}");
            client.ask(send, expect);
        }
        let mut packets = PacketClient::new(server.client());
        packets.log_in(name, "secret");
    }
    // A second login of the same account, while the first is inside.
    let (mut first, mut second) = (inside(&server, "shop"), inside(&server, "shop"));
    first.ask("get d\r\n", "VALUE d 0 1\r\n1\r\nEND\r\n");
    second.ask("get d\r\n", "VALUE d 0 1\r\n1\r\nEND\r\n");
    assert!(!server.log().contains("secret"), "a password stands in the log");
    server.shutdown();
}

#[test]
#[ignore = "needs a server: tests/run --mysql"]
fn whom_the_server_refuses_does_not_get_in() {
    let config = config();
    config.place_plugin(either("auth_socket.so", "auth_ed25519.so"));
    let server = config.start();
    server.set_up();
    create(
        &server,
        &[
            ("alice", &["ALL ON *.*"]),
            ("locked", &["ALL ON *.*"]),
            ("expired", &["ALL ON *.*"]),
            ("tls", &["ALL ON *.*"]),
        ],
    );
    server.sql(
        "ALTER USER locked@localhost ACCOUNT LOCK; ALTER USER expired@localhost PASSWORD EXPIRE; ALTER USER tls@localhost REQUIRE SSL;
         CREATE USER elsewhere@'10.1.2.3' IDENTIFIED BY 'secret'; CREATE USER blank@localhost",
    );
    // The server would let these in for the process that connects, which is the server itself, as root.
    if is_mariadb() {
        server.sql(
            "ALTER USER root@localhost IDENTIFIED VIA mysql_native_password USING 'invalid' OR unix_socket;
             INSTALL SONAME 'auth_ed25519'; CREATE USER ed@localhost IDENTIFIED VIA ed25519 USING PASSWORD('secret')",
        );
    } else {
        server.sql("INSTALL PLUGIN auth_socket SONAME 'auth_socket.so'; CREATE USER sock@localhost IDENTIFIED WITH auth_socket AS 'root'");
    }
    for (name, password, why) in [
        ("alice", "Secret", "Access denied"),
        ("nonesuch", "secret", ""),
        ("locked", "secret", "lock"),
        ("expired", "secret", either("password", "SET PASSWORD")),
        ("tls", "secret", "Access denied"),
        ("elsewhere", "secret", ""),
        ("blank", "x", "Access denied"),
        ("root", "x", either("Access denied", "unix_socket")),
        (either("sock", "ed"), "secret", either("auth_socket", "client_ed25519")),
    ] {
        println!("{name} {password}");
        let mut client = server.client();
        client.ask("get k\r\n", STRANGER);
        client.ask(credentials(name, password), FAILED);
        client.ask("get k\r\n", STRANGER);
        // One complaint a second stands in the log; the answer itself takes a second.
        wait(
            why,
            || server.log().lines().any(|line| line.contains(&format!("as \"{name}\" failed")) && line.contains(why)),
            || server.log(),
        );
    }
    let mut client = server.client();
    (0..3).for_each(|_| client.ask(credentials("alice", "wrong"), FAILED));
    client.expect_close();
    inside(&server, "alice").ask("set k 0 0 1\r\nx\r\n", "STORED\r\n");
}

#[test]
#[ignore = "needs a server: tests/run --mysql"]
fn what_changes_in_the_server_counts_for_those_inside() {
    let config = config();
    let server = config.start();
    server.set_up();
    create(
        &server,
        &[("alice", &["ALL ON *.*"]), ("bob", &["ALL ON memcached.*"]), ("carol", &["SELECT ON memcached.cache"])],
    );
    let set = "set k 0 0 1\r\nx\r\n";
    let (mut alice, mut bob, mut carol) = (inside(&server, "alice"), inside(&server, "bob"), inside(&server, "carol"));
    bob.ask(set, "STORED\r\n");
    carol.ask(set, FORBIDDEN);
    server.sql("REVOKE DELETE ON memcached.* FROM bob@localhost; GRANT INSERT, UPDATE, DELETE ON memcached.cache TO carol@localhost");
    until(&server, &mut bob, set, FORBIDDEN);
    until(&server, &mut carol, set, "STORED\r\n");
    bob.ask("get k\r\n", "VALUE k 0 1\r\nx\r\nEND\r\n");
    // The tables of grants by hand, which count from FLUSH PRIVILEGES on.
    server.sql("DELETE FROM mysql.db WHERE User = 'bob'; FLUSH PRIVILEGES");
    until(&server, &mut bob, "incr k 1\r\n", FORBIDDEN);
    until(&server, &mut bob, "get nothing\r\n", FORBIDDEN);
    // A container that is new.
    server.sql(
        "CREATE TABLE test.fresh (k VARCHAR(20) PRIMARY KEY, v VARCHAR(20));
         INSERT INTO innodb_memcache.containers VALUES ('fresh', 'test', 'fresh', 'k', 'v', '0', '0', '0', 'PRIMARY')",
    );
    until(&server, &mut alice, "set @@fresh.k 0 0 1\r\nx\r\n", "STORED\r\n");
    carol.ask("get @@fresh.k\r\n", FORBIDDEN);
    // Whoever may not get in any more has to log in again.
    server.sql("ALTER USER bob@localhost ACCOUNT LOCK; RENAME USER alice@localhost TO alicia@localhost; DROP USER carol@localhost; FLUSH PRIVILEGES");
    for client in [&mut alice, &mut bob, &mut carol] {
        until(&server, client, "get nothing\r\n", STRANGER);
        client.ask("delete k\r\n", STRANGER);
    }
    alice.ask(credentials("alicia", "secret"), "STORED\r\n");
    alice.ask("delete k\r\n", "DELETED\r\n");
    // A DDL on a mapped table is not kept waiting by any of this.
    server.sql("SET lock_wait_timeout=5; ALTER TABLE memcached.cache COMMENT 'x'");
    drop((alice, bob, carol));
    assert!(server.sql("UNINSTALL PLUGIN daemon_memcached").is_empty());
}

#[test]
#[ignore = "needs a server: tests/run --mysql"]
fn a_flood_of_wrong_passwords_keeps_nobody_out() {
    const FLOOD: usize = 200;
    let config = config();
    let server = config.start();
    server.set_up();
    create(&server, &[("alice", &["ALL ON *.*"])]);
    let connected = || server.sql("SHOW GLOBAL STATUS LIKE 'Threads_connected'");
    drop(inside(&server, "alice"));
    let before = connected();
    let mut flood: Vec<Client> = (0..FLOOD).map(|_| server.client()).collect();
    for client in &mut flood {
        client.send(credentials("alice", "wrong"));
    }
    let mut alice = PacketClient::new(server.client());
    // From the same address; it may find the queue full, as the flood does, and then comes again.
    let mut inside = false;
    wait(
        "a login",
        || {
            let mut client = server.client();
            client.send(credentials("alice", "secret"));
            inside = client.try_read_line().is_ok_and(|line| line.as_deref() == Some("STORED"));
            inside
        },
        || server.log(),
    );
    for client in &mut flood {
        client.expect(FAILED);
    }
    drop(flood);
    alice.log_in("alice", "secret");
    wait("an end of the sessions", || connected() == before, connected);
}

#[test]
#[ignore = "needs a server: tests/run --mysql"]
fn settings_that_guard_nothing_refuse_the_install() {
    for (arguments, said) in [
        (&["auth=nonsense", "option=-p 0"][..], "daemon_memcached_auth is \"nonsense\"; it can be off or mysql"),
        (&["auth=mysql", "option=-p 0 -Y /tmp/users"], "exclude each other"),
        (&["option=-p 0 -S"], "option -S needs to know who may log in"),
    ] {
        let config = arguments
            .iter()
            .fold(Config::new(), |config, argument| config.arg(format!("--loose-daemon-memcached-{argument}")));
        let server = config.start();
        server.script("innodb_memcached_config.sql");
        let error = server.install().unwrap_err();
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
}
