//! Clients of the SQL end that others wrote, as they are: MySQL's own command-line tools of today, and drivers of four languages.

use crate::common::tls::Authority;
use crate::common::{Host, HostConfig, root};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A host with TLS on its SQL end, the database `shop`, its owner `shop` and a reader `other`.
fn shop() -> Host {
    let config = HostConfig::new();
    let server = Authority::new(config.scratch(), "authority").vouch("server");
    let file = |option: &str, path: &Path| format!("--ssl-{option}={}", path.display());
    let host = config.arg(file("cert", &server.certificate)).arg(file("key", &server.key)).start();
    host.sql(
        "CREATE DATABASE shop; CREATE USER shop IDENTIFIED BY 'se''cret', other IDENTIFIED BY 'words';
         GRANT ALL ON *.* TO shop; GRANT SELECT ON *.* TO other",
    )
    .unwrap();
    host
}

fn variable(host: &Host, name: &str) -> String {
    host.rows(&format!("SHOW VARIABLES LIKE '{name}'")).remove(0).remove(1)
}

fn port(host: &Host) -> String {
    variable(host, "port")
}

fn socket(host: &Host) -> PathBuf {
    host.config().scratch().join(variable(host, "socket"))
}

/// Standard output of a program that must succeed; `get` says how to come by one that is missing.
#[track_caller]
fn run(command: &mut Command, get: &str) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}; {get}"));
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{said}\n{complained}\n{get}", output.status);
    said.into_owned()
}

/// A tool of MySQL 9.7, which `tests/run` fetches with the libraries it needs.
fn tool(name: &str) -> Command {
    let tree = root().join("target/clients/mysql/usr");
    assert!(tree.is_dir(), "no {}: run tests/run once", tree.display());
    let mut command = Command::new(tree.join("lib64/ld-linux-x86-64.so.2"));
    command.arg("--library-path").arg(tree.join("lib/x86_64-linux-gnu")).arg(tree.join("bin").join(name));
    command.arg("--no-defaults");
    command
}

/// The three ways in: the socket, TCP in clear, TCP with TLS.
fn ways(host: &Host) -> [Vec<String>; 3] {
    let tcp = |mode: &str| {
        vec!["--host=127.0.0.1".to_owned(), format!("--port={}", port(host)), format!("--ssl-mode={mode}")]
    };
    [vec![format!("--socket={}", socket(host).display())], tcp("DISABLED"), tcp("REQUIRED")]
}

const PASSWORD: [&str; 2] = ["--user=shop", "--password=se'cret"];

#[test]
fn the_tools_of_mysql_9_log_in_by_every_way() {
    let host = shop();
    for way in ways(&host) {
        let sql = "SELECT CURRENT_USER(), 1 + 1";
        assert_eq!(run(tool("mysql").args(&way).args(PASSWORD).args(["-Ne", sql]), ""), "shop@%\t2\n");
        for wrong in ["--password=secret", "--skip-password"] {
            let output = tool("mysql").args(&way).args(["--user=shop", wrong, "-e", sql]).output().unwrap();
            let complained = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                complained.contains("ERROR 1045 (28000): Access denied for user 'shop'@'localhost'"),
                "{complained}"
            );
        }
    }
    // An account of an older version has one hash only: its password is asked for, where nobody reads along.
    host.sql("ALTER USER shop IDENTIFIED WITH mysql_native_password AS '*A7EA126B023F242D2CAC6BA31FE0704AA42F49E8'")
        .unwrap();
    let [local, clear, tls] = ways(&host);
    for way in [local, tls] {
        run(tool("mysql").args(way).args(PASSWORD).args(["-e", "SELECT 1"]), "");
    }
    let output = tool("mysql").args(&clear).args(PASSWORD).args(["-e", "SELECT 1"]).output().unwrap();
    let complained = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complained.contains("set the password again with ALTER USER"), "{complained}");
    host.sql("ALTER USER shop IDENTIFIED BY 'se''cret'").unwrap();
    run(tool("mysql").args(&clear).args(PASSWORD).args(["-e", "SELECT 1"]), "");
}

#[test]
fn certificates_are_read_again_when_the_host_is_told_to() {
    let host = shop();
    let authority = Authority::new(host.config().scratch(), "other");
    let [_, _, tls] = ways(&host);
    let verified = |authority: &Path| {
        let mut command = tool("mysql");
        command.args(&tls[..2]).args(PASSWORD).arg("--ssl-mode=VERIFY_CA");
        command
            .arg(format!("--ssl-ca={}", authority.display()))
            .args(["-e", "SELECT 1"])
            .output()
            .unwrap()
            .status
            .success()
    };
    let before = host.config().scratch().join("authority.pem");
    assert!(verified(&before) && !verified(&authority.certificate()));
    let fresh = authority.vouch("fresh");
    std::fs::copy(fresh.certificate, host.config().scratch().join("server.pem")).unwrap();
    std::fs::copy(fresh.key, host.config().scratch().join("server.key")).unwrap();
    host.signal(libc::SIGHUP);
    host.wait_log("the certificates were read again");
    assert!(!verified(&before) && verified(&authority.certificate()));
}

#[test]
fn the_tools_of_mysql_9_see_databases_and_processes() {
    let host = shop();
    let [way, ..] = ways(&host);
    host.sql(
        "CREATE TABLE shop.carts (k VARBINARY(64) PRIMARY KEY, v BLOB); INSERT INTO shop.carts VALUES ('a', x'FF00')",
    )
    .unwrap();
    let say = |name: &str, words: &[&str]| run(tool(name).args(&way).arg("--user=root").args(words), "");
    assert_eq!(say("mysqladmin", &["ping"]), "mysqld is alive\n");
    let status = say("mysqladmin", &["status"]);
    assert!(status.starts_with("Uptime: ") && status.contains("  Threads: 1  "), "{status}");
    assert!(say("mysqladmin", &["processlist"]).contains("daemon_memcached"));
    assert!(say("mysqladmin", &["extended-status"]).contains("Daemon_memcached_threads"));
    assert!(say("mysqladmin", &["variables"]).contains("innodb_buffer_pool_size"));
    say("mysqladmin", &["create", "made"]);
    assert!(say("mysqlshow", &[]).contains("| made "));
    say("mysqladmin", &["--force", "drop", "made"]);
    assert!(!say("mysqlshow", &[]).contains("| made "));
    assert!(say("mysqlshow", &["shop", "carts"]).contains("varbinary(64)"));
}

#[test]
fn mysql2_in_node() {
    let host = shop();
    let modules = root().join("target/clients/node/node_modules");
    let script = root().join("tests/clients/node/sql.js");
    run(Command::new("node").arg(script).arg(port(&host)).arg(modules), "Is it there? Run tests/run once");
}

#[test]
fn sqlalchemy_pandas_and_mysqls_connector_in_python() {
    let host = shop();
    let script = root().join("tests/clients/python/sql.py");
    let python = root().join("target/clients/python/bin/python");
    run(Command::new(python).arg("-B").arg(script).arg(port(&host)), "Is it there? Run tests/run once");
}

#[test]
fn mysqli_and_pdo_in_php() {
    let host = shop();
    let script = root().join("tests/clients/php/sql.php");
    let said = run(
        Command::new("/usr/bin/php").arg(script).arg(port(&host)).arg(socket(&host)),
        "apt-get install php-cli php-mysql",
    );
    assert_eq!(said, "");
}

#[test]
fn mariadbs_connector_in_java() {
    let host = shop();
    let script = root().join("tests/clients/java/Sql.java");
    let mut command = Command::new("java");
    command.args(["-cp", "/usr/share/java/mariadb-java-client.jar"]).arg(script).arg(port(&host));
    run(&mut command, "apt-get install openjdk-17-jdk-headless libmariadb-java");
}

/// All databases, with what the tools ask for beside tables, into a host with nothing of its own.
#[test]
fn dumps_of_all_databases_move_to_another_host() {
    let host = shop();
    host.sql(
        "CREATE TABLE shop.carts (k VARBINARY(64) PRIMARY KEY, v BLOB); INSERT INTO shop.carts VALUES ('a', 'it''s');
         CREATE DATABASE `odd-one`; CREATE TABLE `odd-one`.t (id INT PRIMARY KEY); INSERT INTO `odd-one`.t VALUES (1)",
    )
    .unwrap();
    host.client().ask("set kept 0 0 1\r\nx\r\n", "STORED\r\n");
    let socket_of = |host: &Host| format!("--socket={}", socket(host).display());
    let mariadb = || {
        let mut command = Command::new("mariadb-dump");
        command.arg("--no-defaults");
        command
    };
    for options in [
        &[][..],
        &["--single-transaction", "--hex-blob"],
        &["--routines", "--events", "--triggers", "--lock-all-tables"],
    ] {
        for mut dumper in [tool("mysqldump"), mariadb()] {
            dumper.arg(socket_of(&host)).args(["-uroot", "--all-databases"]).args(options);
            let dump = run(&mut dumper, "apt-get install mariadb-client");
            let other = crate::common::HostConfig::new().bare().start();
            let mut load = Command::new("mariadb");
            load.args(["--no-defaults", "-uroot"]).arg(socket_of(&other));
            let file = other.config().scratch().join("dump.sql");
            std::fs::write(&file, dump).unwrap();
            run(load.stdin(std::fs::File::open(file).unwrap()), "apt-get install mariadb-client");
            assert_eq!(other.rows("SELECT v FROM shop.carts"), [["it's"]]);
            assert_eq!(other.rows("SELECT id FROM `odd-one`.t"), [["1"]]);
            assert_eq!(other.rows("SELECT value FROM memcached.cache WHERE `key` = 'kept'"), [["x"]]);
            assert_eq!(
                other.rows("SELECT COUNT(*) FROM innodb_memcache.containers"),
                host.rows("SELECT COUNT(*) FROM innodb_memcache.containers")
            );
        }
    }
}
