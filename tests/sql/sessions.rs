//! Several clients of the SQL end at once, and memcached beside them: transactions, locks, users, ALTER TABLE.

use crate::common::patient::wait_until;
use crate::common::{Host, HostConfig};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The stock client, kept open: a session.
struct Shell {
    child: Child,
    stdin: ChildStdin,
    output: BufReader<ChildStdout>,
    asked: usize,
}

impl Shell {
    fn root(host: &Host) -> Shell {
        Shell::user(host, "root", None)
    }

    fn user(host: &Host, user: &str, password: Option<&str>) -> Shell {
        let socket = host.rows("SHOW VARIABLES LIKE 'socket'").remove(0).remove(1);
        // Errors belong between the results they come between.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$@\" 2>&1", "sh", "mysql", "--no-defaults", "--force", "--unbuffered", "-BN"])
            .arg(format!("--socket={socket}"))
            .arg(format!("--user={user}"))
            .args(password.map(|password| format!("--password={password}")))
            .current_dir(host.config().scratch())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Shell { child, stdin, output: BufReader::new(stdout), asked: 0 }
    }

    fn send(&mut self, sql: &str) {
        self.asked += 1;
        writeln!(self.stdin, "{sql}; SELECT 'end {}';", self.asked).unwrap();
    }

    /// What the statements since the last answer printed, lines joined by `; `, errors by their number.
    fn answer(&mut self) -> String {
        let end = format!("end {}", self.asked);
        let (mut lines, mut quoted) = (Vec::new(), false);
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the client ended after {lines:?}");
            let line = line.trim_end_matches('\n');
            if line == end {
                return lines.join("; ");
            }
            // The client quotes a statement that fails between two lines of dashes, with an empty line behind.
            if line == "--------------" {
                quoted = !quoted;
                continue;
            }
            if quoted || line.is_empty() {
                continue;
            }
            lines.push(match line.strip_prefix("ERROR ") {
                Some(error) => error.split(' ').next().unwrap().to_owned(),
                None => line.to_owned(),
            });
        }
    }

    fn ask(&mut self, sql: &str) -> String {
        self.send(sql);
        self.answer()
    }

    #[track_caller]
    fn expect(&mut self, sql: &str, answer: &str) {
        assert_eq!(self.ask(sql), answer, "{sql}");
    }

    fn id(&mut self) -> String {
        self.ask("SELECT CONNECTION_ID()")
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server with `d.t` (a INT key, b VARCHAR) of two rows.
fn small() -> Host {
    let host = HostConfig::new().bare().start();
    host.sql("CREATE DATABASE d; CREATE TABLE d.t (a INT PRIMARY KEY, b VARCHAR(10)); INSERT INTO d.t VALUES (1, 'x'), (2, 'y')")
        .unwrap();
    host
}

/// Waits until the session with this number runs a statement.
fn wait_busy(watcher: &mut Shell, id: &str) {
    let start = std::time::Instant::now();
    while !watcher
        .ask("SHOW PROCESSLIST")
        .split("; ")
        .any(|line| line.starts_with(&format!("{id}\t")) && line.contains("\tQuery\t"))
    {
        assert!(start.elapsed() < crate::common::PATIENCE, "session {id} runs nothing");
    }
}

#[test]
fn transactions_of_two_sessions() {
    let host = small();
    let (mut one, mut two) = (Shell::root(&host), Shell::root(&host));
    one.expect("USE d; BEGIN; UPDATE t SET b = 'one' WHERE a = 1; SELECT b FROM t", "one; y");
    two.expect("USE d; SELECT b FROM t; SET innodb_lock_wait_timeout = 1", "x; y");
    two.expect("SELECT * FROM t WHERE a = 1 FOR UPDATE; SELECT * FROM t WHERE a = 1 LOCK IN SHARE MODE; UPDATE t SET b = 'q' WHERE a = 1", "1205; 1205; 1205");
    two.expect("SELECT * FROM t WHERE a = 2 FOR UPDATE", "2\ty");
    one.expect("ROLLBACK; SELECT b FROM t", "x; y");
    // Autocommit off: a transaction begins by itself.
    one.expect("SET autocommit = 0; DELETE FROM t WHERE a = 2", "");
    two.expect("SELECT COUNT(*) FROM t", "2");
    one.expect("COMMIT; SET autocommit = 1", "");
    two.expect("SELECT COUNT(*) FROM t", "1");
    // Isolation levels.
    two.expect("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ; BEGIN; SELECT b FROM t", "x");
    one.expect("UPDATE t SET b = 'new'", "");
    two.expect("SELECT b FROM t; COMMIT; SELECT b FROM t", "x; new");
    two.expect("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN; SELECT b FROM t", "new");
    one.expect("UPDATE t SET b = 'newer'", "");
    two.expect("SELECT b FROM t; COMMIT", "newer");
    one.expect("BEGIN; UPDATE t SET b = 'dirty'", "");
    two.expect("SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED; SELECT b FROM t; SELECT b FROM t", "dirty; newer");
    one.expect("ROLLBACK", "");
}

#[test]
fn a_deadlock_has_one_victim() {
    let host = small();
    let (mut one, mut two) = (Shell::root(&host), Shell::root(&host));
    one.expect("USE d; BEGIN; UPDATE t SET b = '1' WHERE a = 1", "");
    two.expect("USE d; BEGIN; UPDATE t SET b = '2' WHERE a = 2", "");
    let id = one.id();
    one.send("UPDATE t SET b = '1' WHERE a = 2");
    wait_busy(&mut Shell::root(&host), &id);
    // Whoever asks last, closes the circle.
    let (second, first) = (two.ask("UPDATE t SET b = '2' WHERE a = 1"), one.answer());
    assert!([first.as_str(), second.as_str()].contains(&"1213"), "{first:?} {second:?}");
    one.ask("COMMIT");
    two.ask("COMMIT");
    assert_eq!(one.ask("SELECT COUNT(*) FROM t WHERE b IN ('1', '2')"), "2");
}

#[test]
fn memcached_meets_locks_of_sessions() {
    let host = HostConfig::new().start();
    let (mut memcached, mut sql) = (host.client(), Shell::root(&host));
    memcached.ask("set k 0 0 1\r\na\r\n", "STORED\r\n");
    // A row.
    sql.expect("USE memcached; BEGIN; SELECT value FROM cache WHERE `key` = 'k' FOR UPDATE", "a");
    memcached.ask("get k\r\n", "VALUE k 0 1\r\na\r\nEND\r\n");
    memcached.ask("set k 0 0 1\r\nb\r\n", "SERVER_ERROR lock wait timeout\r\n");
    memcached.ask("set other 0 0 1\r\nb\r\n", "STORED\r\n");
    sql.expect("COMMIT", "");
    // Readers go on, writers wait.
    for lock in ["LOCK TABLES cache READ", "FLUSH TABLES WITH READ LOCK"] {
        sql.expect(lock, "");
        memcached.ask("get k\r\n", "VALUE k 0 1\r\na\r\nEND\r\n");
        memcached.ask("set k 0 0 1\r\nb\r\n", "SERVER_ERROR lock wait timeout\r\n");
        sql.expect("SELECT value FROM cache WHERE `key` = 'k'; UNLOCK TABLES", "a");
        memcached.ask("set k 0 0 1\r\na\r\n", "STORED\r\n");
    }
    // Nobody but the holder.
    sql.expect("LOCK TABLES cache WRITE; UPDATE cache SET value = 'c' WHERE `key` = 'k'", "");
    memcached.send("get k\r\n");
    assert!(memcached.read_line().starts_with("SERVER_ERROR"), "a read under a write lock");
    sql.expect("SELECT value FROM cache WHERE `key` = 'k'; UNLOCK TABLES", "c");
    memcached.ask("get k\r\n", "VALUE k 0 1\r\nc\r\nEND\r\n");
    // A client that goes away lets go.
    sql.expect("LOCK TABLES cache WRITE", "");
    drop(sql);
    let start = std::time::Instant::now();
    loop {
        memcached.send("set k 0 0 1\r\nd\r\n");
        if memcached.read_line() == "STORED" {
            break;
        }
        assert!(start.elapsed() < crate::common::PATIENCE, "the lock of a dead client stays");
    }
}

#[test]
fn locks_on_tables_bind_their_own_session() {
    let host = small();
    host.sql("CREATE TABLE d.u (a INT PRIMARY KEY); SET GLOBAL innodb_lock_wait_timeout = 1").unwrap();
    let (mut one, mut two) = (Shell::root(&host), Shell::root(&host));
    two.expect("USE d; SET innodb_lock_wait_timeout = 1", "");
    for (statements, answer) in [
        (
            "USE d; LOCK TABLES t READ; SELECT COUNT(*) FROM t; DELETE FROM t; SELECT * FROM u; DROP TABLE t",
            "2; 1099; 1100; 1192",
        ),
        (
            "LOCK TABLES t WRITE, u READ; INSERT INTO t VALUES (3, 'z'); INSERT INTO u VALUES (1); SELECT COUNT(*) FROM u",
            "1099; 0",
        ),
        ("BEGIN; INSERT INTO u VALUES (1); ROLLBACK; SELECT COUNT(*) FROM u", "0"),
        ("LOCK TABLES t WRITE; BEGIN; SELECT * FROM u; COMMIT", ""),
        (
            "FLUSH TABLES WITH READ LOCK; SELECT COUNT(*) FROM t; DELETE FROM t; SELECT COUNT(*) FROM t FOR UPDATE",
            "3; 1223; 1223",
        ),
    ] {
        one.expect(statements, answer);
    }
    for statement in
        ["DELETE FROM t", "CREATE TABLE v (a INT PRIMARY KEY)", "DROP TABLE u", "TRUNCATE TABLE u", "CREATE DATABASE e"]
    {
        two.expect(statement, "1205");
    }
    two.expect("SELECT COUNT(*) FROM t; LOCK TABLES t READ; UNLOCK TABLES", "3");
    one.expect("UNLOCK TABLES", "");
    two.expect("CREATE TABLE v (a INT PRIMARY KEY); DROP TABLE v; DELETE FROM t", "");
    one.expect("SELECT COUNT(*) FROM t", "0");
}

/// At SERIALIZABLE nothing appears among the rows that were found through an index, whose keys rows may share or not.
#[test]
fn ranges_of_a_shared_index_are_locked() {
    let host = small();
    host.sql("CREATE TABLE d.s (a INT PRIMARY KEY, b INT, KEY (b)); INSERT INTO d.s VALUES (1, 10), (2, 20), (3, 20), (4, 40)").unwrap();
    let (mut one, mut two) = (Shell::root(&host), Shell::root(&host));
    two.expect("USE d; SET innodb_lock_wait_timeout = 1", "");
    one.expect(
        "USE d; SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE; BEGIN; SELECT a FROM s WHERE b = 20",
        "2; 3",
    );
    two.expect(
        "INSERT INTO s VALUES (5, 20); UPDATE s SET b = 20 WHERE a = 1; UPDATE s SET b = 21 WHERE a = 2",
        "1205; 1205; 1205",
    );
    two.expect("INSERT INTO s VALUES (5, 30); DELETE FROM s WHERE a = 4; SELECT a FROM s WHERE b > 20", "5");
    one.expect("SELECT a FROM s WHERE b = 20; COMMIT", "2; 3");
    two.expect("UPDATE s SET b = 20 WHERE a = 1; SELECT a FROM s WHERE b = 20", "1; 2; 3");
    one.expect("BEGIN; SELECT a FROM s WHERE b BETWEEN 25 AND 35", "5");
    two.expect("INSERT INTO s VALUES (6, 25); INSERT INTO s VALUES (6, 36); DELETE FROM s WHERE b = 30", "1205; 1205");
    one.expect("COMMIT", "");
    // What another is about to bring in or take away is waited for.
    two.expect("BEGIN; INSERT INTO s VALUES (7, 50); DELETE FROM s WHERE a = 5", "");
    one.expect("SET innodb_lock_wait_timeout = 1; SELECT a FROM s WHERE b = 50 FOR UPDATE; SELECT a FROM s WHERE b = 30 FOR UPDATE", "1205; 1205");
    two.expect("ROLLBACK; SELECT a FROM s WHERE b >= 30", "5; 6");
}

#[test]
fn kill_ends_statements_and_connections() {
    let host = HostConfig::new().start();
    host.sql("CREATE USER u; GRANT SELECT ON memcached.* TO u").unwrap();
    host.client().ask("set k 0 0 1\r\na\r\n", "STORED\r\n");
    let (mut holder, mut waiter, mut watcher) = (Shell::root(&host), Shell::root(&host), Shell::root(&host));
    let mut weak = Shell::user(&host, "u", None);
    let (holder_id, waiter_id, weak_id) = (holder.id(), waiter.id(), weak.id());
    let update = "UPDATE memcached.cache SET flags = flags + 1 WHERE `key` = 'k'";
    holder.expect(&format!("BEGIN; {update}"), "");
    waiter.send(update);
    wait_busy(&mut watcher, &waiter_id);
    let list = watcher.ask("SHOW FULL PROCESSLIST");
    let find = |id: &str| {
        list.split("; ")
            .find(|line| line.starts_with(&format!("{id}\t")))
            .unwrap_or_else(|| panic!("{list}"))
            .to_owned()
    };
    assert!(find(&waiter_id).ends_with(update), "{list}");
    assert!(find(&holder_id).contains("\tSleep\t"), "{list}");
    assert!(find(&weak_id).starts_with(&format!("{weak_id}\tu\tlocalhost\tNULL\tSleep\t")), "{list}");
    let memcached = format!("0\tdaemon_memcached\t127.0.0.1:{}\tNULL\tDaemon\t", host.port());
    assert!(find("0").starts_with(&memcached), "{list}");
    // Everybody sees and kills his own only.
    let seen = weak.ask("SHOW PROCESSLIST");
    assert!(seen.starts_with(&format!("{weak_id}\tu\t")) && !seen.contains("root"), "{seen}");
    weak.expect(&format!("KILL {holder_id}; KILL 999999"), "1095; 1094");
    watcher.expect(&format!("KILL QUERY {waiter_id}"), "");
    assert_eq!(waiter.answer(), "1317");
    waiter.expect("SELECT 1", "1");
    waiter.send("LOCK TABLES memcached.cache WRITE");
    wait_busy(&mut watcher, &waiter_id);
    watcher.expect(&format!("KILL QUERY {waiter_id}"), "");
    assert_eq!(waiter.answer(), "1317");
    watcher.expect(&format!("KILL {holder_id}"), "");
    waiter.expect(update, "");
    let start = std::time::Instant::now();
    while watcher.ask("SHOW PROCESSLIST").split("; ").any(|line| line.starts_with(&format!("{holder_id}\t"))) {
        assert!(start.elapsed() < crate::common::PATIENCE, "a killed connection stays");
    }
    assert_eq!(host.rows("SELECT flags FROM memcached.cache WHERE `key` = 'k'"), [["1"]]);
    assert!(host.rows("SHOW PROCESSLIST").iter().any(|row| row[..3] == ["0", "root", "localhost"]));
}

#[test]
fn a_waiting_session_does_not_hold_up_the_stop() {
    let host = small();
    let mut waiter = Shell::root(&host);
    let id = waiter.id();
    host.sql("BEGIN; UPDATE d.t SET b = 'held'").unwrap();
    waiter.send("UPDATE d.t SET b = 'never'");
    wait_busy(&mut Shell::root(&host), &id);
    let config = host.config().clone();
    assert_eq!(host.terminate().code(), Some(0), "the engine was not closed");
    assert_eq!(config.start().rows("SELECT b FROM d.t"), [["x"], ["y"]]);
}

#[test]
fn users_may_what_was_granted() {
    let host = small();
    let mut root = Shell::root(&host);
    root.expect(
        "CREATE USER u IDENTIFIED BY 'one', w; CREATE DATABASE e; CREATE TABLE e.v (a INT PRIMARY KEY); CREATE TABLE d.other (a INT PRIMARY KEY);
         GRANT SELECT ON d.t TO u; GRANT INSERT, UPDATE ON e.* TO u; CREATE USER root@localhost; DROP USER root@localhost",
        "1396; 1396",
    );
    let mut user = Shell::user(&host, "u", Some("one"));
    for (statement, answer) in [
        ("SELECT COUNT(*) FROM d.t", "2"),
        ("SHOW DATABASES", "d; e"),
        ("SHOW TABLES FROM d", "t"),
        ("USE d; SELECT b FROM t WHERE a = 1", "x"),
        ("USE mysql", "1044"),
        ("SELECT * FROM d.other; DESCRIBE d.other; SHOW CREATE TABLE d.other", "1142; 1142; 1142"),
        (
            "SELECT * FROM d.t FOR UPDATE; DELETE FROM d.t; INSERT INTO d.t VALUES (9, ''); UPDATE d.t SET b = ''",
            "1142; 1142; 1142; 1142",
        ),
        ("INSERT INTO e.v VALUES (1); UPDATE e.v SET a = 2", ""),
        ("UPDATE e.v SET a = 2 WHERE a = 1; REPLACE INTO e.v VALUES (1); SELECT * FROM e.v", "1142; 1142; 1142"),
        (
            "CREATE TABLE e.w (a INT PRIMARY KEY); DROP TABLE e.v; TRUNCATE TABLE e.v; ALTER TABLE e.v ADD b INT",
            "1142; 1142; 1142; 1142",
        ),
        ("CREATE DATABASE f; DROP DATABASE e", "1044; 1044"),
        (
            "SET GLOBAL innodb_lock_wait_timeout = 1; FLUSH TABLES WITH READ LOCK; CREATE USER x; ALTER USER w IDENTIFIED BY ''",
            "1227; 1227; 1227; 1227",
        ),
        ("GRANT SELECT ON d.t TO w; INSTALL PLUGIN p SONAME 'p.so'; LOCK TABLES e.v READ", "1142; 1142; 1142"),
        ("SHOW GRANTS FOR w; SELECT * FROM mysql.user", "1142; 1142"),
        ("SELECT * FROM e.absent; SELECT @@autocommit", "1142; 1"),
        (
            "SHOW GRANTS",
            "GRANT USAGE ON *.* TO `u`@`%`; GRANT SELECT ON `d`.`t` TO `u`@`%`; GRANT INSERT, UPDATE ON `e`.* TO `u`@`%`",
        ),
    ] {
        user.expect(statement, answer);
    }
    // Rights change for those who are there.
    root.expect("GRANT ALL ON e.* TO u WITH GRANT OPTION; REVOKE SELECT ON d.t FROM u", "");
    user.expect("DELETE FROM e.v; GRANT SELECT ON e.v TO w; ALTER TABLE e.v ADD b INT; SELECT * FROM d.t", "1142");
    user.expect(
        "SHOW GRANTS",
        "GRANT USAGE ON *.* TO `u`@`%`; GRANT ALL PRIVILEGES ON `e`.* TO `u`@`%` WITH GRANT OPTION",
    );
    root.expect("SHOW GRANTS FOR w; SHOW GRANTS FOR nobody; SHOW GRANTS", "GRANT USAGE ON *.* TO `w`@`%`; GRANT SELECT ON `e`.`v` TO `w`@`%`; 1141; GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION");
    // Passwords.
    user.expect("SET PASSWORD = 'two'", "");
    Shell::user(&host, "u", Some("two")).expect("SELECT USER()", "u@localhost");
    root.expect("ALTER USER u IDENTIFIED BY 'three', w IDENTIFIED WITH mysql_native_password BY 'w'; ALTER USER nobody IDENTIFIED BY ''", "1396");
    Shell::user(&host, "u", Some("three")).expect("SELECT CURRENT_USER()", "u@%");
    Shell::user(&host, "w", Some("w")).expect("SELECT COUNT(*) FROM e.v", "0");
    root.expect("SET PASSWORD FOR u = ''; SET PASSWORD = 'r'; DROP USER w", "");
    Shell::user(&host, "u", None).expect("SELECT 1", "1");
    Shell::user(&host, "root", Some("r")).expect("SELECT CURRENT_USER()", "root@localhost");
    user.expect("SELECT COUNT(*) FROM e.v", "0");
    root.expect("DROP USER u", "");
    user.expect("SELECT COUNT(*) FROM e.v", "1142");
}

#[test]
fn alter_table_under_traffic() {
    let host = HostConfig::new().start();
    let (mut memcached, mut sql) = (host.client(), Shell::root(&host));
    memcached.ask("set k 5 0 5\r\nhello\r\n", "STORED\r\n");
    sql.expect(
        "USE memcached; ALTER TABLE cache ADD COLUMN note VARCHAR(20) DEFAULT 'none' AFTER `key`, ADD seen INT FIRST",
        "",
    );
    memcached.ask("get k\r\n", "VALUE k 5 5\r\nhello\r\nEND\r\n");
    memcached.ask("set l 0 0 1\r\nx\r\n", "STORED\r\n");
    memcached.ask("append k 0 0 1\r\n!\r\n", "STORED\r\n");
    sql.expect("SELECT seen, `key`, note, value FROM cache ORDER BY `key`", "NULL\tk\tnone\thello!; NULL\tl\tNULL\tx");
    sql.expect("ALTER TABLE cache DROP COLUMN seen, MODIFY note VARCHAR(3)", "1406");
    sql.expect("ALTER TABLE cache DROP COLUMN seen, CHANGE note remark TEXT; SELECT remark FROM cache", "none; NULL");
    memcached.ask("set m 0 0 1\r\ny\r\n", "STORED\r\n");
    memcached.ask("get l k\r\n", "VALUE l 0 1\r\nx\r\nVALUE k 5 6\r\nhello!\r\nEND\r\n");
    let config = host.config().clone();
    host.kill9();
    let host = config.start();
    host.client().ask("get k\r\n", "VALUE k 5 6\r\nhello!\r\nEND\r\n");
    let columns: Vec<String> =
        host.rows("SHOW COLUMNS FROM memcached.cache").into_iter().map(|mut row| row.remove(0)).collect();
    assert_eq!(columns.join(","), "key,remark,value,flags,cas,expiry");
}

/// The request that first meets an altered table finds the mapping read anew, whatever it asks and whichever worker runs it; one
/// that nothing can be mapped to any more is told so, until there is a column again.
#[test]
fn requests_follow_an_altered_table() {
    let host = HostConfig::new().option("-p 0 -t 2").start();
    let mut clients = [host.client(), host.client()];
    let mut sql = Shell::root(&host);
    sql.expect("USE memcached", "");
    clients[0].ask("set n 0 0 1\r\n1\r\nset k 0 0 1\r\nx\r\n", "STORED\r\nSTORED\r\n");
    for (i, (request, answer)) in [
        ("incr n 1\r\n", "2\r\n"),
        ("get k n\r\n", "VALUE k 0 1\r\nx\r\nVALUE n 0 1\r\n2\r\nEND\r\n"),
        ("get k\r\nset k 0 0 1\r\ny\r\nget k\r\n", "VALUE k 0 1\r\nx\r\nEND\r\nSTORED\r\nVALUE k 0 1\r\ny\r\nEND\r\n"),
        ("append k 0 0 1\r\nz\r\ndelete n\r\ntouch n 0\r\n", "STORED\r\nDELETED\r\nNOT_FOUND\r\n"),
        ("mg k v\r\n", "VA 2\r\nyz\r\n"),
        ("get @>=k\r\n", "VALUE k 0 2\r\nyz\r\nEND\r\n"),
        ("gat 0 k\r\n", "VALUE k 0 2\r\nyz\r\nEND\r\n"),
        ("flush_all\r\nget k\r\nset k 0 0 1\r\nx\r\n", "OK\r\nEND\r\nSTORED\r\n"),
    ]
    .into_iter()
    .enumerate()
    {
        sql.expect(&format!("ALTER TABLE cache ADD COLUMN c{i} INT FIRST"), "");
        clients[i % 2].ask(request, answer);
    }
    sql.expect("ALTER TABLE cache CHANGE value renamed VARCHAR(1024)", "");
    for request in ["get k\r\n", "set k 0 0 1\r\ny\r\n"] {
        clients[0].ask(request, "SERVER_ERROR container default: value_columns names column value, which table memcached.cache does not have\r\n");
    }
    sql.expect("ALTER TABLE cache CHANGE renamed value VARCHAR(1024)", "");
    wait_until("the mapping is found again", || {
        clients[1].send("get k\r\n");
        clients[1].read_reply() == b"VALUE k 0 1\r\nx\r\nEND\r\n"
    });
}

/// A crash while ALTER TABLE copies leaves the old table or the new one, with all its rows.
#[test]
fn a_crash_in_alter_table_leaves_one_whole_table() {
    let config = HostConfig::new().bare();
    let mut host = config.start();
    host.sql("CREATE DATABASE d; CREATE TABLE d.t (a INT PRIMARY KEY, b LONGBLOB)").unwrap();
    let rows: Vec<String> = (0..60).map(|n| format!("({n}, REPEAT('x', 500000))")).collect();
    host.sql(&format!("INSERT INTO d.t VALUES {}", rows.join(","))).unwrap();
    for round in 0..4 {
        let columns = |host: &Host| {
            host.rows("SHOW COLUMNS FROM d.t").into_iter().map(|mut row| row.remove(0)).collect::<Vec<_>>()
        };
        let before = columns(&host);
        let mut sql = Shell::root(&host);
        let id = sql.id();
        sql.send(&format!("ALTER TABLE d.t ADD COLUMN c{round} INT DEFAULT 7"));
        wait_busy(&mut Shell::root(&host), &id);
        host.kill9();
        host = config.start();
        let after = columns(&host);
        let altered = [before.clone(), vec![format!("c{round}")]].concat();
        assert!(after == before || after == altered, "{before:?} became {after:?}");
        assert_eq!(
            host.rows("SELECT COUNT(*), MIN(a), MAX(a), SUM(LENGTH(b)) FROM d.t"),
            [["60", "0", "59", "30000000"]]
        );
        for column in &after[2..] {
            assert_eq!(host.rows(&format!("SELECT COUNT(*) FROM d.t WHERE {column} = 7")), [["60"]]);
        }
    }
    assert_eq!(host.terminate().code(), Some(0));
}
