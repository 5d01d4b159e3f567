//! The plugin's life in a real server: INSTALL and UNINSTALL, restarts, crashes, shutdowns.

use crate::daemon::{install_error, sessions};
use crate::server::{Config, Over, either, wait};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn one_statement_installs() {
    let config = Config::new();
    let server = config.start();
    server.install().unwrap();
    server.client().ask("get AA\r\n", "VALUE AA 8 12\r\nHELLO, HELLO\r\nEND\r\n");
    let tables =
        "SELECT table_schema, table_name, column_name, column_type, collation_name FROM information_schema.columns
        WHERE table_schema IN ('innodb_memcache', 'test') ORDER BY 1, 2, ordinal_position";
    let made = server.sql(tables);
    let rows = "SELECT * FROM innodb_memcache.containers; SELECT * FROM innodb_memcache.cache_policies;
        SELECT * FROM innodb_memcache.config_options; SELECT * FROM test.demo_test";
    let filled = server.sql(rows);
    // What is there stays: only what is missing is made.
    server.sql(
        "UNINSTALL PLUGIN daemon_memcached; DROP TABLE innodb_memcache.config_options; DELETE FROM test.demo_test",
    );
    server.install().unwrap();
    assert_eq!(server.sql("SELECT COUNT(*) FROM test.demo_test"), "1");
    // The script makes the same.
    server.sql("UNINSTALL PLUGIN daemon_memcached; DROP DATABASE innodb_memcache; DROP DATABASE test");
    server.script("innodb_memcached_config.sql");
    assert_eq!(server.sql(tables), made);
    assert_eq!(server.sql(rows), filled);
    server.shutdown();
    // A server that loads the plugin as it starts makes them too.
    let loading = config.arg("--plugin-load-add=daemon_memcached.so");
    let server = loading.start();
    server.client().ask("get AA\r\n", "VALUE AA 8 12\r\nHELLO, HELLO\r\nEND\r\n");
    server.sql("DROP DATABASE innodb_memcache");
    server.shutdown();
    let server = loading.start();
    server.client().ask("get AA\r\n", "VALUE AA 8 12\r\nHELLO, HELLO\r\nEND\r\n");
    server.shutdown();
}

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn an_install_that_fails_says_why_and_the_server_lives() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = Config::new()
        .arg(format!("--loose-daemon-memcached-option=-p {port}"))
        .arg("--loose-daemon-memcached-create-tables=OFF");
    let server = config.start();
    let refused = |part: &str| {
        let error = server.install().expect_err(part);
        assert!(error.contains(install_error()) && error.contains(part), "{part}: {error}");
        assert!(server.log().contains(part), "the log does not say why: {part}");
    };
    refused("run innodb_memcached_config.sql first");
    // Whoever reads the log sees whose line it is.
    assert!(server.log().contains(either("daemon_memcached", "daemon_memcached: DM")), "{}", server.log());
    server.script("innodb_memcached_config.sql");
    refused(&format!("127.0.0.1:{port}"));
    server.sql("DELETE FROM innodb_memcache.containers");
    refused("innodb_memcache.containers is empty");
    assert!(server.lives());
    assert_eq!(server.sql("SELECT 1"), "1");
    drop(server);
    let config = Config::new().arg("--loose-daemon-memcached-option=-S");
    assert!(config.start().install().expect_err("-S").contains("option -S"), "-S was taken");
}

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn a_restart_brings_the_daemon_back_and_a_shutdown_waits_for_nobody() {
    let config = Config::new();
    let server = config.start();
    server.set_up();
    let mut client = server.client();
    client.ask("set kept 7 0 4\r\nsafe\r\n", "STORED\r\n");
    // A client that is connected, one in the middle of a request, one that waits for a lock.
    let mut halfway = server.client();
    halfway.send("set half 0 0 10\r\nabc");
    let mut session = server.session();
    session.sql("BEGIN; SELECT * FROM memcached.cache WHERE `key`='kept' FOR UPDATE");
    let mut waiting = server.client();
    waiting.send("set kept 0 0 1\r\nx\r\n");
    let took = server.shutdown();
    assert!(took < Duration::from_secs(20), "the shutdown took {took:?}");
    client.expect_close();

    let server = config.start();
    // A server that ends the sessions of clients first lets the set have its turn.
    let kept = match waiting.try_read_line() {
        Ok(Some(line)) if line == "STORED" => "VALUE kept 0 1\r\nx\r\nEND\r\n",
        _ => "VALUE kept 7 4\r\nsafe\r\nEND\r\n",
    };
    server.client().ask("get kept half\r\n", kept);
    server.sql("UNINSTALL PLUGIN daemon_memcached");
    assert_eq!(server.threads("memcached"), 0, "threads stay behind");
    server.shutdown();
    let loading = config.arg("--plugin-load-add=daemon_memcached.so").arg("--loose-daemon-memcached-create-tables=OFF");
    let server = loading.start();
    server.client().ask("get kept\r\n", kept);
    server.sql("DROP DATABASE innodb_memcache");
    server.shutdown();
    let server = loading.start();
    server.wait_log("run innodb_memcached_config.sql first");
    server.shutdown();
}

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn a_hundred_rounds_of_install_and_uninstall_under_load_leave_nothing_behind() {
    let config = Config::new();
    let server = config.start();
    server.set_up();
    server.sql("UNINSTALL PLUGIN daemon_memcached");
    let mut descriptors = 0;
    for round in 0..100 {
        server.install().unwrap_or_else(|e| panic!("round {round}: {e}"));
        let port = server.port();
        let served = Barrier::new(4);
        std::thread::scope(|scope| {
            for i in 0..3 {
                let served = &served;
                scope.spawn(move || {
                    let mut client = crate::common::Client::connect(port);
                    client.ask(
                        format!("set r{i} 0 0 1\r\n1\r\nget r{i}\r\n"),
                        format!("STORED\r\nVALUE r{i} 0 1\r\n1\r\nEND\r\n"),
                    );
                    served.wait();
                    // Until the daemon closes.
                    while client.try_send(format!("incr r{i} 1\r\n")).is_ok()
                        && matches!(client.try_read_line(), Ok(Some(_)))
                    {}
                });
            }
            served.wait();
            server.sql("UNINSTALL PLUGIN daemon_memcached");
        });
        assert_eq!(server.threads("memcached"), 0, "round {round} left threads");
        if round == 10 {
            descriptors = server.descriptors();
        }
    }
    // The server closes the socket of a client of SQL a moment after that has gone.
    let count = || format!("there are {}", server.descriptors());
    wait(&format!("return to {descriptors} descriptors"), || server.descriptors() <= descriptors, count);
    assert_eq!(sessions(&server), Vec::<String>::new(), "sessions stay behind");
}

/// A start that is refused late has begun much: a session, threads, listeners.
#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn two_hundred_refused_installs_under_load_leave_nothing_behind() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = Config::new().arg(format!("--loose-daemon-memcached-option=-p {port}"));
    let server = config.start();
    server.script("innodb_memcached_config.sql");
    server.sql("CREATE TABLE test.other_engine (k VARCHAR(20) PRIMARY KEY, v VARCHAR(20)) ENGINE=MyISAM");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Statements with temporary tables, as those that read the configuration; and whoever wants the processors.
        for _ in 0..2 {
            scope.spawn(|| {
                let mut session = server.session();
                while !over.load(Ordering::Relaxed) {
                    session.sql("SELECT COUNT(*) FROM (SELECT COLUMN_TYPE, COLUMN_DEFAULT FROM information_schema.COLUMNS LIMIT 50) c");
                }
            });
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop()
                }
            });
        }
        let _over = Over(&over);
        let mut descriptors = 0;
        for round in 0..100 {
            let refused = |part: &str| {
                let error = server.install().expect_err(part);
                assert!(error.contains(install_error()) && error.contains(part), "round {round}: {error}");
                assert_eq!(server.threads("memcached"), 0, "round {round} left threads");
            };
            refused(&format!("127.0.0.1:{port}"));
            server.sql("INSERT INTO innodb_memcache.containers VALUES ('bad', 'test', 'other_engine', 'k', 'v', '0', '0', '0', 'PRIMARY')");
            refused("container bad: table test/other_engine has engine MyISAM");
            server.sql("DELETE FROM innodb_memcache.containers WHERE name='bad'");
            if round == 10 {
                descriptors = server.descriptors();
            }
        }
        let count = || format!("there are {}", server.descriptors());
        wait(&format!("return to {descriptors} descriptors"), || server.descriptors() <= descriptors, count);
    });
    drop(taken);
    server.install().unwrap();
    server.shutdown();
}

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn what_was_acknowledged_survives_kill_9() {
    let config = Config::new().arg("--sync-binlog=1").arg("--innodb-flush-log-at-trx-commit=1");
    let mut counts = [0u64; 4];
    for round in 0..4 {
        let server = config.start();
        if round == 0 {
            server.set_up();
        }
        let port = server.port();
        for (i, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let mut client = server.client();
            client.send(format!("get c{i}\r\n"));
            assert!(client.read_line().starts_with("VALUE "), "client {i} lost {count}");
            let stored: u64 = client.read_line().parse().unwrap();
            // One more may have been committed without its acknowledgement.
            assert!((*count..=*count + 1).contains(&stored), "client {i}: acknowledged {count}, found {stored}");
        }
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for (i, count) in counts.iter_mut().enumerate() {
                let stop = &stop;
                scope.spawn(move || {
                    let mut client = crate::common::Client::connect(port);
                    let mut next = *count + 1;
                    while !stop.load(Ordering::Relaxed) {
                        let text = next.to_string();
                        let sent = client.try_send(format!("set c{i} 0 0 {}\r\n{text}\r\n", text.len()));
                        match sent.and_then(|()| client.try_read_line()) {
                            Ok(Some(line)) => assert_eq!(line, "STORED"),
                            _ => break,
                        }
                        *count = next;
                        next += 1;
                    }
                });
            }
            let enough = || server.status("Daemon_memcached_cmd_set").parse::<u64>().is_ok_and(|sets| sets > 300);
            wait("some load", enough, || server.log());
            server.kill9();
            stop.store(true, Ordering::Relaxed);
        });
    }
}

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn a_wait_that_is_killed_is_answered_at_once_and_a_shutdown_ends_it() {
    // Nobody can wait for this time-out: what ends a wait here is the KILL.
    let config = Config::new().arg("--loose-daemon-memcached-lock-wait-timeout=300");
    let server = config.start();
    server.set_up();
    let mut client = server.client();
    client.ask("set ki 0 0 1\r\n1\r\n", "STORED\r\n");
    let mut session = server.session();
    let hold = "BEGIN; SELECT * FROM memcached.cache WHERE `key`='ki' FOR UPDATE";
    let waiting =
        || server.sql("SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX WHERE trx_state='LOCK WAIT'");
    // MariaDB finds no session of the daemon by its id.
    for statement in either(&["KILL QUERY", "KILL"][..], &[]) {
        session.sql(hold);
        client.send("set ki 0 0 1\r\n2\r\n");
        wait("a wait for the row", || !waiting().is_empty(), || server.log());
        let start = Instant::now();
        server.sql(&format!("{statement} {}", waiting()));
        client.expect("SERVER_ERROR interrupted\r\n");
        assert!(start.elapsed() < Duration::from_secs(5), "{statement} took {:?}", start.elapsed());
        session.sql("ROLLBACK");
        client.ask("incr ki 0\r\n", "1\r\n");
    }
    session.sql(hold);
    client.send("set ki 0 0 1\r\n2\r\n");
    wait("a wait for the row", || !waiting().is_empty(), || server.log());
    let took = server.shutdown();
    assert!(took < Duration::from_secs(30), "the shutdown took {took:?}");
}

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn a_tick_that_is_the_victim_of_a_deadlock_runs_again() {
    // Nobody waits for this time-out: what ends the wait is the deadlock.
    let config = Config::new().arg("--loose-daemon-memcached-lock-wait-timeout=300");
    let server = config.start();
    server.set_up();
    let mut client = server.client();
    client.ask("set d1 0 0 1\r\n1\r\nset d2 0 0 1\r\n1\r\n", "STORED\r\nSTORED\r\n");
    let mut session = server.session();
    // The server undoes the transaction that has changed fewer rows.
    let rows: Vec<String> = (0..50).map(|id| format!("({id})")).collect();
    session.sql("CREATE TABLE test.heavy (id INT PRIMARY KEY)");
    session.sql(&format!("BEGIN; INSERT INTO test.heavy VALUES {}", rows.join(",")));
    session.sql("SELECT `key` FROM memcached.cache WHERE `key`='d2' FOR UPDATE");
    client.send("set d1 0 0 1\r\n2\r\nincr d2 5\r\n");
    let waiting = "SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_state='LOCK WAIT'";
    wait("a wait for the row", || server.sql(waiting) == "1", || server.log());
    session.sql("UPDATE memcached.cache SET value='7' WHERE `key`='d1'; COMMIT");
    client.expect("STORED\r\n6\r\n");
    client.ask("get d1 d2\r\n", "VALUE d1 0 1\r\n2\r\nVALUE d2 0 1\r\n6\r\nEND\r\n");
    assert_ne!(server.status("Daemon_memcached_deadlocks"), "0");
}
