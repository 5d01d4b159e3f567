//! Servers that do not answer, statements that are killed.

use crate::common::memcached::Memcached;
use crate::library::{Answer, Arg, Library, set_killed, take_message};
use std::time::{Duration, Instant};

fn timed<T>(body: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = body();
    (result, start.elapsed())
}

fn set(library: &Library, key: &str) -> Answer {
    library.call("memc_set", &[key.into(), "v".into()]).unwrap()
}

#[test]
fn a_server_that_hangs_is_waited_for_and_then_left_alone() {
    let server = Memcached::start();
    let library = Library::with(&server.name());
    assert_eq!(set(&library, "k"), Answer::Integer(1));
    library.behave("POLL_TIMEOUT", "100");
    library.behave("CONNECT_TIMEOUT", "100");
    library.behave("RETRY_TIMEOUT", "1");
    server.signal(libc::SIGSTOP);
    for _ in 0..3 {
        let (answer, time) = timed(|| set(&library, "k"));
        assert_eq!(answer, Answer::Integer(0));
        assert!(time >= Duration::from_millis(100) && time < Duration::from_secs(10), "{time:?}");
    }
    let (answer, time) = timed(|| (0..100).map(|_| library.text("memc_get", &["k".into()])).collect::<Vec<_>>());
    assert!(answer.iter().all(|value| value == "NULL"));
    assert!(time < Duration::from_secs(2), "100 calls of a server that is left alone took {time:?}");
    server.signal(libc::SIGCONT);
    crate::common::patient::wait_until("the server is asked again", || set(&library, "k") == Answer::Integer(1));
}

#[test]
fn a_server_that_comes_back_is_found() {
    let server = Memcached::start();
    let (name, port) = (server.name(), server.port());
    let library = Library::with(&name);
    library.behave("RETRY_TIMEOUT", "0");
    assert_eq!(set(&library, "k"), Answer::Integer(1));
    drop(server);
    assert_eq!(set(&library, "k"), Answer::Integer(0));
    assert_eq!(library.text("memc_get", &["k".into()]), "NULL");
    let server = Memcached::on(i32::from(port));
    assert_eq!(set(&library, "k"), Answer::Integer(1));
    // The connection that was kept is found closed before it is used: nothing fails.
    drop(server);
    let server = Memcached::on(i32::from(port));
    assert_eq!(set(&library, "k"), Answer::Integer(1));
    drop(server);
}

#[test]
fn keys_of_a_dead_server_go_to_the_others_if_that_is_wanted() {
    let servers = [Memcached::start(), Memcached::start(), Memcached::start()];
    let names: Vec<String> = servers.iter().map(Memcached::name).collect();
    let library = Library::with(&names.join(","));
    library.behave("RETRY_TIMEOUT", "0");
    library.behave("DEAD_TIMEOUT", "600");
    let stored =
        |library: &Library| (0..200).filter(|i| set(library, &format!("key{i}")) == Answer::Integer(1)).count();
    assert_eq!(stored(&library), 200);
    let [first, ..] = servers;
    drop(first);
    let without = stored(&library);
    assert!((50..190).contains(&without), "{without} of 200 keys belong to two of three servers");
    library.behave("AUTO_EJECT_HOSTS", "1");
    let limit = 2;
    assert!(stored(&library) >= 200 - limit, "its keys fail until it is dead");
    assert_eq!(stored(&library), 200);
    // With a master key, the master key's server counts.
    let by_key = |i: i32| library.number("memc_set_by_key", &[Arg::from(&*format!("m{i}")), "k".into(), "v".into()]);
    assert_eq!((0..50).map(by_key).sum::<i64>(), 50);
}

#[test]
fn a_killed_statement_stops_waiting() {
    let server = Memcached::start();
    let library = Library::with(&server.name());
    assert_eq!(set(&library, "k"), Answer::Integer(1));
    server.signal(libc::SIGSTOP);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| timed(|| library.call("memc_get", &["k".into()]).unwrap()));
        assert!(!waiting.is_finished());
        set_killed(true);
        let (answer, time) = waiting.join().unwrap();
        assert_eq!(answer, Answer::Null);
        assert!(time < Duration::from_secs(10), "{time:?} of 20 s");
    });
    set_killed(false);
    server.signal(libc::SIGCONT);
    // The answer to the killed question goes to nobody.
    assert_eq!(library.text("memc_get", &["k".into()]), "v");
}

#[test]
fn failures_fail_the_statement_only_if_that_is_wanted() {
    let library = Library::with("127.0.0.1:1");
    library.behave("RETRY_TIMEOUT", "0");
    assert_eq!(set(&library, "k"), Answer::Integer(0));
    assert_eq!(take_message(), "");
    library.behave("FAIL_STATEMENTS", "1");
    assert_eq!(set(&library, "k"), Answer::Integer(0));
    assert_eq!(take_message(), "1105 memc_set of 127.0.0.1:1: cannot connect: Connection refused (os error 111)");
    assert_eq!(library.text("memc_get", &["a b".into()]), "NULL");
    assert!(take_message().ends_with("a key has no blanks and no control characters"));
    library.number("memc_servers_set", &["".into()]);
    assert_eq!(library.text("memc_get", &["k".into()]), "NULL");
    assert!(take_message().starts_with("1105 memc_get: there is no server"));
    library.number("memc_servers_set", &["no-such-host.invalid".into()]);
    assert_eq!(library.text("memc_get", &["k".into()]), "NULL");
    assert!(take_message().contains("cannot find the host's address"));
    // A miss is no failure.
    let server = Memcached::start();
    library.number("memc_servers_set", &[(&*server.name()).into()]);
    assert_eq!(library.text("memc_get", &["none".into()]), "NULL");
    assert_eq!(take_message(), "");
}

#[test]
fn a_server_of_another_protocol_is_no_memcached() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = std::io::Write::write_all(&mut stream.unwrap(), b"SSH-2.0-OpenSSH_9.2\r\n");
        }
    });
    let library = Library::with(&format!("127.0.0.1:{port}"));
    library.behave("RETRY_TIMEOUT", "0");
    library.behave("FAIL_STATEMENTS", "1");
    assert_eq!(library.text("memc_get", &["k".into()]), "NULL");
    let message = take_message();
    assert!(message.contains("not one of memcached's") || message.contains("the connection broke"), "{message}");
}
