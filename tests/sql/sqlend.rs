//! The SQL end as its users meet it: stock clients of MySQL and MariaDB, logins, sessions that end badly.

use crate::common::patient::wait_until;
use crate::common::{Host, HostConfig};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

fn variable(host: &Host, name: &str) -> String {
    host.rows(&format!("SHOW VARIABLES LIKE '{name}'")).remove(0).remove(1)
}

fn socket(host: &Host) -> PathBuf {
    host.config().scratch().join(variable(host, "socket"))
}

fn port(host: &Host) -> u16 {
    variable(host, "port").parse().unwrap()
}

/// The stock command-line client on the host's socket, as root.
fn mysql(host: &Host, arguments: &[&str], input: &str) -> Output {
    let mut socket_argument = std::ffi::OsString::from("--socket=");
    socket_argument.push(socket(host));
    client(&[&["--user=root"], arguments].concat(), Some(socket_argument), input)
}

fn client(arguments: &[&str], more: Option<std::ffi::OsString>, input: &str) -> Output {
    let mut child = Command::new("mysql")
        .arg("--no-defaults")
        .args(more)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("cannot run mysql: {e}; apt-get install mariadb-client"));
    // A client that is refused does not read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[track_caller]
fn good(output: Output) -> String {
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && complained.is_empty(), "{}: {said}{complained}", output.status);
    said.into_owned()
}

#[track_caller]
fn bad(output: Output, expected: &str) {
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && complained.contains(expected), "without '{expected}': {complained}");
}

/// From an empty server to rows, as the articles and the README walk it.
#[test]
fn the_walk_with_a_stock_client() {
    let config = HostConfig::new().bare().arg("--daemon-memcached-option=-p 0");
    let host = config.start();
    let script = std::fs::read_to_string(crate::common::root().join("sql/innodb_memcached_config.sql")).unwrap();
    assert_eq!(good(mysql(&host, &[], &script)), "");
    good(mysql(&host, &["-e", "INSTALL PLUGIN daemon_memcached SONAME 'daemon_memcached.so'"], ""));
    assert_eq!(good(mysql(&host, &["-Ne", "SELECT c1, c2 FROM test.demo_test"], "")), "AA\tHELLO, HELLO\n");
    good(mysql(
        &host,
        &[],
        "CREATE DATABASE shop;
         CREATE TABLE shop.carts (id VARCHAR(64) NOT NULL PRIMARY KEY, body MEDIUMBLOB, flags INT, cas BIGINT UNSIGNED, expiry INT);
         DELETE FROM innodb_memcache.containers;
         INSERT INTO innodb_memcache.containers VALUES
           ('default', 'shop', 'carts', 'id', 'body', 'flags', 'cas', 'expiry', 'PRIMARY');
         UNINSTALL PLUGIN daemon_memcached;
         INSTALL PLUGIN daemon_memcached SONAME 'daemon_memcached.so';",
    ));
    let mut memcached = host.client();
    memcached.ask("set cart:17 42 0 8\r\n3 apples\r\n", "STORED\r\n");
    let table = good(mysql(&host, &["-t", "shop", "-e", "SELECT id, body, flags FROM carts"], ""));
    assert!(table.contains("| cart:17 | 3 apples |    42 |"), "{table}");
    good(mysql(&host, &["shop", "-e", "UPDATE carts SET body = '4 pears' WHERE id = 'cart:17'"], ""));
    memcached.ask("get cart:17\r\n", "VALUE cart:17 42 7\r\n4 pears\r\nEND\r\n");
    good(mysql(&host, &["-e", "INSERT INTO shop.carts (id, body, flags) VALUES ('new', 'x', 0)"], ""));
    host.kill9();
    let host = config.start();
    assert_eq!(good(mysql(&host, &["-Ne", "SELECT id FROM shop.carts ORDER BY id"], "")), "cart:17\nnew\n");
    assert_eq!(host.terminate().code(), Some(0));
}

#[test]
fn the_command_line_client_sees_what_it_expects() {
    let host = HostConfig::new().bare().start();
    let cases: &[(&[&str], &str, &str)] = &[
        (
            &["-N"],
            "select @@version_comment limit 1; SELECT DATABASE(), USER();",
            "daemon-memcached\nNULL\troot@localhost\n",
        ),
        (&[], "CREATE DATABASE d; USE d; SELECT DATABASE() AS db;", "db\nd\n"),
        (&["d", "-N"], "CREATE TABLE t (a INT PRIMARY KEY, b TEXT); SHOW TABLES;", "t\n"),
        (
            &["d", "-N"],
            "SET NAMES utf8mb4; INSERT INTO t VALUES (1, 'a\\tb'), (2, NULL); SELECT * FROM t;",
            "1\ta\\tb\n2\tNULL\n",
        ),
        (&["d", "-N"], "BEGIN; DELETE FROM t; ROLLBACK; SELECT COUNT(*) FROM t;", "2\n"),
        (&["d", "-N"], "SET autocommit=0; DELETE FROM t;", ""),
        (&["d", "-N", "-vvv"], "SELECT a FROM t WHERE a = 1;", "1 row in set"),
        (&["d", "-N", "--auto-rehash"], "SELECT 'a;b', \"--\" -- comment;\n;", "a;b\t--\n"),
    ];
    for (arguments, input, expected) in cases {
        let said = good(mysql(&host, arguments, input));
        assert!(said == *expected || arguments.contains(&"-vvv") && said.contains(expected), "{input}: {said}");
    }
    bad(
        mysql(&host, &["d"], "SELECT 1;\nSELECT nothing FROM t;"),
        "ERROR 1054 (42S22) at line 2: Unknown column 'nothing'",
    );
    bad(mysql(&host, &["absent"], ""), "ERROR 1049 (42000): Unknown database 'absent'");
    bad(mysql(&host, &["-e", "SELEC 1"], ""), "ERROR 1064 (42000)");
}

#[test]
fn pymysql_and_libmariadb_work() {
    let host = HostConfig::new().bare().start();
    let script = crate::common::root().join("tests/clients/sql_client.py");
    let run = Command::new("/usr/bin/python3").arg(script).arg(socket(&host)).arg(port(&host).to_string()).output();
    good(run.unwrap_or_else(|e| panic!("cannot run python3: {e}; apt-get install python3-pymysql")));
    let flags = |what: &str| {
        let output = Command::new("mariadb_config").arg(what).output();
        let output =
            output.unwrap_or_else(|e| panic!("cannot run mariadb_config: {e}; apt-get install libmariadb-dev"));
        String::from_utf8(output.stdout).unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let program = host.config().scratch().join("sql_client");
    let arguments = [flags("--include"), vec!["tests/c/sql_client.c".to_owned()], flags("--libs")].concat();
    crate::common::cc(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), &program);
    good(Command::new(program).arg(socket(&host)).output().unwrap());
}

#[test]
fn who_may_come_in() {
    let host = HostConfig::new().bare().start();
    host.sql(
        "CREATE DATABASE d; CREATE USER u IDENTIFIED BY 'no', u@localhost IDENTIFIED BY 'pw', ''@'l%', 'far'@'10.%' IDENTIFIED BY 'pw',
           'near'@'127.0.0.1' IDENTIFIED BY 'pw', 'any'@'%' IDENTIFIED BY 'one', 'any'@'local%' IDENTIFIED BY 'two'",
    )
    .unwrap();
    let port = format!("--port={}", port(&host));
    let cases = [
        (&["--user=u", "--password=pw"][..], Ok("u@localhost\tu@localhost\n")),
        (
            &["--user=u", "--password=PW"],
            Err("ERROR 1045 (28000): Access denied for user 'u'@'localhost' (using password: YES)"),
        ),
        (&["--user=u"], Err("(using password: NO)")),
        (&["--user=root"], Err("ERROR 1045 (28000): Access denied for user 'root'@'localhost' (using password: NO)")),
        (&["--user=far", "--password=pw"], Err("ERROR 1045")),
        (&["--user=near", "--password=pw"], Ok("near@localhost\tnear@127.0.0.1\n")),
        (&["--user=any", "--password=two"], Ok("any@localhost\tany@local%\n")),
        (&["--user=any", "--password=one"], Err("ERROR 1045")),
        (&["--user=somebody"], Ok("somebody@localhost\t@l%\n")),
    ];
    for (arguments, expected) in cases {
        let all = [&["--host=127.0.0.1", &port, "-Ne", "SELECT USER(), CURRENT_USER()"], arguments].concat();
        match (client(&all, None, ""), expected) {
            (output, Ok(said)) => assert_eq!(good(output), said, "{arguments:?}"),
            (output, Err(complaint)) => bad(output, complaint),
        }
    }
}

#[test]
fn options_of_the_sql_end() {
    let config = HostConfig::new().bare();
    let mut host = config.clone().arg("--skip-networking").arg("--socket=s.sock").start();
    assert_eq!((variable(&host, "port"), variable(&host, "socket")), ("0".into(), "s.sock".into()));
    good(mysql(&host, &["-e", "SELECT 1"], ""));
    // A socket that a killed server left is replaced, one in use is not.
    host.kill9();
    host = config.clone().arg("--socket=s.sock").start();
    good(mysql(&host, &["-e", "SELECT 1"], ""));
    let taken = port(&host);
    let path = socket(&host);
    for (arguments, expected) in [
        (vec![format!("--port={taken}")], "cannot listen for SQL on 127.0.0.1"),
        (vec![format!("--socket={}", path.display())], "cannot listen for SQL on '"),
        (vec![format!("--socket=/{}", "x".repeat(120))], "longer than 107 bytes"),
        (vec!["--port=65536".to_owned()], "takes a number from 0 to 65535, not '65536'"),
        (vec!["--bind-address=nowhere".to_owned()], "'nowhere' is not an IP address"),
    ] {
        let mut other = HostConfig::new().bare();
        for argument in arguments {
            other = other.arg(argument);
        }
        let message = other.try_start().err().unwrap_or_else(|| panic!("started: {expected}"));
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(host.terminate().code(), Some(0));
    assert!(!path.exists(), "the socket file stays behind");
    let host = config.arg("--socket=").start();
    assert_eq!(variable(&host, "socket"), "");
}

#[test]
fn too_many_connections_are_told_so() {
    let host = HostConfig::new().bare().start();
    let port = port(&host);
    let greeting = |stream: &mut TcpStream| {
        stream.set_read_timeout(Some(crate::common::PATIENCE)).unwrap();
        let mut head = [0; 4];
        stream.read_exact(&mut head).unwrap();
        let mut body = vec![0; usize::from(head[0])];
        stream.read_exact(&mut body).unwrap();
        body
    };
    let mut open: Vec<TcpStream> = (0..151).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    assert!(open.iter_mut().all(|stream| greeting(stream)[0] == 10));
    let refused = greeting(&mut TcpStream::connect(("127.0.0.1", port)).unwrap());
    assert!(refused.starts_with(b"\xff\x10\x04#08004Too many connections"), "{refused:?}");
    open.clear();
    let start = std::time::Instant::now();
    while greeting(&mut TcpStream::connect(("127.0.0.1", port)).unwrap())[0] != 10 {
        assert!(start.elapsed() < crate::common::PATIENCE, "places are not given back");
        std::thread::sleep(Duration::from_millis(5));
    }
    // Clients that say nothing do not hold up the stop.
    assert_eq!(host.terminate().code(), Some(0));
}

#[test]
fn nonsense_ends_its_own_connection_only() {
    let host = HostConfig::new().bare().start();
    let port = port(&host);
    let mut other = Command::new("mysql");
    other
        .args(["--no-defaults", "--user=root", "-Ne", "SELECT 1"])
        .arg(format!("--socket={}", socket(&host).display()));
    let cases: &[&[u8]] = &[
        b"",
        b"GET / HTTP/1.0\r\n\r\n",
        b"\xff\xff\xff\x01",
        b"\x00\x00\x00\x01",
        b"\x04\x00\x00\x07abcd",
        b"\x20\x00\x00\x01\x00\x02\x00\x00",
        b"\x24\x00\x00\x01\x00\x82\x20\x00\0\0\0\0\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0root\xfe\xff\xff\xff",
    ];
    for case in cases {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(crate::common::PATIENCE)).unwrap();
        stream.write_all(case).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        // The greeting, perhaps an error, then the end. A reset is an end too.
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert_eq!(good(other.output().unwrap()), "1\n");
}

#[test]
fn a_lost_connection_rolls_back_and_gives_its_locks_back() {
    let host = HostConfig::new().start();
    let mut memcached = host.client();
    memcached.ask("set k 0 0 1\r\na\r\n", "STORED\r\n");
    let mut child = Command::new("mysql")
        .args(["--no-defaults", "--user=root", "--unbuffered", "-N"])
        .arg(format!("--socket={}", socket(&host).display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"BEGIN; UPDATE memcached.cache SET value = 'b' WHERE `key` = 'k'; SELECT 'held';\n").unwrap();
    let mut said = [0; 5];
    child.stdout.take().unwrap().read_exact(&mut said).unwrap();
    assert_eq!(&said, b"held\n");
    memcached.ask("get k\r\n", "VALUE k 0 1\r\na\r\nEND\r\n");
    memcached.ask("set k 0 0 1\r\nc\r\n", "SERVER_ERROR lock wait timeout\r\n");
    child.kill().unwrap();
    child.wait().unwrap();
    let start = std::time::Instant::now();
    loop {
        memcached.send("set k 0 0 1\r\nd\r\n");
        let answer = memcached.read_line();
        if answer == "STORED" {
            break;
        }
        assert!(start.elapsed() < crate::common::PATIENCE, "the lock of a dead client stays: {answer}");
    }
    memcached.ask("get k\r\n", "VALUE k 0 1\r\nd\r\nEND\r\n");
}

/// The stock program's dump, of a table that clients of memcached have filled with every byte, brings the same rows back.
#[test]
fn a_stock_dump_can_be_loaded() {
    let host = HostConfig::new().start();
    host.sql("ALTER TABLE memcached.cache ADD INDEX by_expiry (expiry)").unwrap();
    let bytes: Vec<u8> = (0..=255).collect();
    let mut memcached = host.client();
    for (key, body) in [("bytes", &bytes[..]), ("quotes", b"'\\'\"`--"), ("empty", b"")] {
        let request = [format!("set {key} 7 0 {}\r\n", body.len()).as_bytes(), body, b"\r\n"].concat();
        memcached.ask(request, "STORED\r\n");
    }
    host.sql("CREATE DATABASE d; CREATE TABLE d.`o'dd` (a VARCHAR(9) PRIMARY KEY, e ENUM('p', 'q'), n BIGINT UNSIGNED DEFAULT 5, UNIQUE (e)); INSERT INTO d.`o'dd` VALUES ('ü;', 'q', NULL), ('-- ', NULL, 18446744073709551615)").unwrap();
    let dump = |arguments: &[&str]| {
        let mut command = Command::new("mysqldump");
        command.args(["--no-defaults", "--user=root"]).arg(format!("--socket={}", socket(&host).display()));
        let output = command.args(arguments).output();
        let output = output.unwrap_or_else(|e| panic!("cannot run mysqldump: {e}; apt-get install mariadb-client"));
        assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let seen = || {
        let what = "SELECT `key`, flags, HEX(value), cas FROM memcached.cache; SELECT * FROM d.`o'dd`; SHOW CREATE TABLE memcached.cache; SHOW CREATE TABLE d.`o'dd`";
        good(mysql(&host, &["-N", "-e", what], ""))
    };
    let before = seen();
    for arguments in [
        &["--databases", "memcached", "d"][..],
        &["--single-transaction", "--hex-blob", "--complete-insert", "--databases", "d", "memcached"],
    ] {
        let text = dump(arguments);
        host.sql("DROP DATABASE d; DROP TABLE memcached.cache").unwrap();
        let mut child = Command::new("mysql")
            .args(["--no-defaults", "--user=root"])
            .arg(format!("--socket={}", socket(&host).display()))
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&text).unwrap();
        good(child.wait_with_output().unwrap());
        assert_eq!(seen(), before, "{arguments:?}");
    }
    let reply = [b"VALUE bytes 7 256\r\n", &bytes[..], b"\r\nEND\r\n"].concat();
    host.client().ask("get bytes\r\n", reply);
}

/// The Ids of the lines of SHOW PROCESSLIST that belong to memcached's clients, and the lines without them and their times.
fn memcached_lines(host: &Host) -> (Vec<String>, Vec<String>) {
    let list = good(mysql(host, &["-Ne", "SHOW PROCESSLIST"], ""));
    let lines = list.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let clients = lines.filter(|cells| cells[0].parse::<u64>().unwrap() > u64::from(u32::MAX));
    clients.map(|cells| (cells[0].to_owned(), [&cells[1..5], &cells[6..]].concat().join(" "))).unzip()
}

#[test]
fn clients_of_memcached_are_listed_and_killed() {
    let config = HostConfig::new();
    let (unix, users) = (config.scratch().join("m.sock"), config.users(&[("ada", "pw", "*=rw")]));
    let options = format!("-p 0 -l 127.0.0.1,::1 -t 2 -s {} -Y {}", unix.display(), users.display());
    let host = config.option(&options).start();
    host.sql("CREATE DATABASE shop; CREATE TABLE shop.t (k VARCHAR(9) PRIMARY KEY, v VARCHAR(9));
                INSERT INTO innodb_memcache.containers VALUES ('shop', 'shop', 't', 'k', 'v', '0', '0', '0', 'PRIMARY')").unwrap();
    let [tcp, stranger] = [(); 2].map(|()| TcpStream::connect(("127.0.0.1", host.port())).unwrap());
    let [tcp_at, stranger_at] = [&tcp, &stranger].map(|stream| stream.local_addr().unwrap());
    let mut ada = crate::common::Client::over(tcp);
    ada.log_in("ada", "pw");
    let mut local = crate::common::Client::connect_unix(&unix);
    local.log_in("ada", "pw");
    local.ask("get @@shop\r\n", "VALUE @@shop 0 6\r\nshop/t\r\nEND\r\n");
    let expected = [
        format!("ada {tcp_at} memcached Sleep  NULL"),
        format!("memcached {stranger_at} memcached Sleep login NULL"),
        "ada localhost shop Sleep  NULL".to_owned(),
    ];
    let mut ids = Vec::new();
    wait_until("all three are listed", || {
        let (found, mut lines) = memcached_lines(&host);
        ids = found;
        let mut expected = expected.to_vec();
        lines.sort();
        expected.sort();
        lines == expected
    });
    let (ids, lines) = memcached_lines(&host);
    let of = |line: &str| ids[lines.iter().position(|known| known == line).unwrap()].clone();
    // Only who may, and only whom there is.
    host.sql("CREATE USER u IDENTIFIED BY 'pw'").unwrap();
    let weak =
        [format!("--port={}", port(&host)), "--user=u".into(), "--password=pw".into(), "--host=127.0.0.1".into()];
    let weak: Vec<&str> = weak.iter().map(String::as_str).collect();
    let kill = format!("KILL {}", of(&expected[0]));
    bad(client(&[&weak[..], &["-e", &kill]].concat(), None, ""), "ERROR 1095 (HY000)");
    assert!(!good(client(&[&weak[..], &["-Ne", "SHOW PROCESSLIST"]].concat(), None, "")).contains("ada"));
    bad(
        mysql(&host, &["-e", "KILL 4294967295999"], ""),
        "ERROR 1094 (HY000) at line 1: Unknown thread id: 4294967295999",
    );
    bad(mysql(&host, &["-e", &kill.replace("KILL", "KILL QUERY")], ""), "ERROR 1235 (42000)");
    ada.ask("set a 0 0 1\r\nx\r\n", "STORED\r\n");
    good(mysql(&host, &["-e", &kill], ""));
    ada.expect_close();
    good(mysql(&host, &["-e", &format!("KILL CONNECTION {}", of(&expected[2]))], ""));
    local.expect_close();
    wait_until("the killed are listed no more", || memcached_lines(&host).1 == [expected[1].clone()]);
    bad(mysql(&host, &["-e", &kill], ""), "ERROR 1094 (HY000)");
    host.sql("UNINSTALL PLUGIN daemon_memcached").unwrap();
    assert!(memcached_lines(&host).0.is_empty());
    bad(mysql(&host, &["-e", &kill], ""), "ERROR 1094 (HY000)");
}
