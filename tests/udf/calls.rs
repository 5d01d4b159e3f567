//! Every function with every kind of argument.

use crate::common::memcached::Memcached;
use crate::common::{HostConfig, patient::wait_until, user_line};
use crate::library::{Answer, Arg, Library, take_message};

/// A call: name, arguments, what it answers. `#` is the unique number that the last `memc_get_cas` gave.
type Call<'a> = (&'a str, &'a [&'a str], &'a str);

const CALLS: &[Call<'_>] = &[
    ("memc_get", &["none"], "NULL"),
    ("memc_set", &["a", "red"], "1"),
    ("memc_get", &["a"], "red"),
    ("memc_add", &["a", "x"], "0"),
    ("memc_add", &["b", "blue"], "1"),
    ("memc_replace", &["b", "green"], "1"),
    ("memc_replace", &["none", "x"], "0"),
    ("memc_append", &["b", "ish"], "1"),
    ("memc_prepend", &["b", "yellow"], "1"),
    ("memc_get", &["b"], "yellowgreenish"),
    ("memc_append", &["none", "x"], "0"),
    ("memc_prepend", &["none", "x"], "0"),
    ("memc_delete", &["b"], "1"),
    ("memc_delete", &["b", "0"], "0"),
    ("memc_set", &["empty", ""], "1"),
    ("memc_get", &["empty"], ""),
    ("memc_set", &["n", "10"], "1"),
    ("memc_increment", &["n"], "11"),
    ("memc_increment", &["n", "5"], "16"),
    ("memc_decrement", &["n", "6"], "10"),
    ("memc_incr", &["n", "-3"], "7"),
    ("memc_decr", &["n"], "6"),
    ("memc_decrement", &["n", "100"], "0"),
    ("memc_increment", &["none"], "NULL"),
    ("memc_increment", &["a"], "NULL"),
    ("memc_set", &["late", "x", "-1"], "1"),
    ("memc_get", &["late"], "NULL"),
    ("memc_set", &["soon", "x", "1000"], "1"),
    ("memc_get", &["soon"], "x"),
    ("memc_get_cas", &["none"], "NULL"),
    ("memc_get_cas", &["a"], "#"),
    ("memc_cas", &["a", "stale", "999999999"], "0"),
    ("memc_cas", &["a", "never", "0"], "0"),
    ("memc_cas", &["a", "fresh", "#"], "1"),
    ("memc_cas", &["a", "again", "#"], "0"),
    ("memc_cas", &["none", "x", "1"], "0"),
    ("memc_get", &["a"], "fresh"),
    ("memc_set_by_key", &["m", "k", "v"], "1"),
    ("memc_add_by_key", &["m", "k", "v"], "0"),
    ("memc_replace_by_key", &["m", "k", "w", "100"], "1"),
    ("memc_append_by_key", &["m", "k", "x"], "1"),
    ("memc_prepend_by_key", &["m", "k", "u"], "1"),
    ("memc_get_by_key", &["m", "k"], "uwx"),
    ("memc_get_cas_by_key", &["m", "k"], "#"),
    ("memc_cas_by_key", &["m", "k", "y", "#", "100"], "1"),
    ("memc_get_by_key", &["m", "k"], "y"),
    ("memc_delete_by_key", &["m", "k"], "1"),
];

fn run(library: &Library, calls: &[Call<'_>]) {
    let mut unique = String::new();
    for (name, args, expected) in calls {
        let args: Vec<Arg> =
            args.iter().map(|arg| Arg::from(if *arg == "#" { unique.as_str() } else { arg })).collect();
        let found = library.text(name, &args);
        if *expected == "#" {
            assert!(found.parse::<i64>().is_ok(), "{name} {args:?}: {found}");
            unique = found;
        } else {
            assert_eq!(found, *expected, "{name} {args:?}");
        }
    }
}

#[test]
fn every_function_answers_over_text_and_binary() {
    let servers = [Memcached::start(), Memcached::start(), Memcached::start()];
    let names: Vec<String> = servers.iter().map(Memcached::name).collect();
    let library = Library::with(&names.join(","));
    for binary in ["0", "1"] {
        library.behave("MEMCACHED_BEHAVIOR_BINARY_PROTOCOL", binary);
        for server in &servers {
            server.client().ask("flush_all\r\n", "OK\r\n");
        }
        run(&library, CALLS);
    }
}

#[test]
fn the_bundled_host_answers_as_memcached_does() {
    let host = HostConfig::new().start();
    let library = Library::with(&format!("127.0.0.1:{}", host.port()));
    for binary in ["0", "1"] {
        library.behave("BINARY_PROTOCOL", binary);
        host.client().ask("flush_all\r\n", "OK\r\n");
        run(&library, CALLS);
    }
}

#[test]
fn a_server_that_demands_a_login_gets_one() {
    let config = HostConfig::new();
    let users = config.scratch().join("users");
    std::fs::write(&users, user_line("ann", "secret", "*=rw")).unwrap();
    std::fs::set_permissions(&users, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let host = config.option(&format!("-Y {}", users.display())).start();
    let library = Library::with(&format!("127.0.0.1:{}", host.port()));
    for (binary, user, password, stored) in [
        ("0", "ann", "secret", 1),
        ("1", "ann", "secret", 1),
        ("0", "ann", "wrong", 0),
        ("1", "ann", "wrong", 0),
        ("0", "", "", 0),
    ] {
        library.behave("BINARY_PROTOCOL", binary);
        library.behave("SASL_USER", user);
        library.behave("SASL_PASSWORD", password);
        assert_eq!(library.number("memc_set", &["k".into(), "v".into()]), stored, "{binary} {user} {password}");
    }
}

#[test]
fn values_are_bytes_of_any_length() {
    let server = Memcached::start();
    let library = Library::with(&server.name());
    for binary in ["0", "1"] {
        library.behave("BINARY_PROTOCOL", binary);
        for length in [0, 1, 255, 256, 257, 16_383, 16_384, 65_536, 1 << 20, 5 << 20] {
            let value: Vec<u8> = (0..length).map(|i| (i * 131 % 257) as u8).collect();
            assert_eq!(library.number("memc_set", &["k".into(), Arg::Bytes(value.clone())]), 1, "{length}");
            assert!(library.call("memc_get", &["k".into()]) == Ok(Answer::Bytes(value)), "{length} bytes differ");
        }
        // More than this memcached takes: refused, and the next call is answered.
        assert_eq!(library.number("memc_set", &["k".into(), Arg::Bytes(vec![b'x'; 9 << 20])]), 0);
        assert_eq!(library.number("memc_set", &["k".into(), "small".into()]), 1);
        assert_eq!(library.text("memc_get", &["k".into()]), "small");
    }
}

#[test]
fn rows_of_a_statement_have_arguments_of_their_own() {
    let server = Memcached::start();
    let library = Library::with(&server.name());
    let args = |i: i64| {
        [Arg::Column(format!("row{i}").into_bytes()), Arg::Integer(i), Arg::Integer(if i == 3 { -1 } else { 0 })]
    };
    let mut set = library.statement("memc_set", &args(0)).unwrap();
    for i in 1..=5 {
        assert_eq!(set.row(&args(i)), Answer::Integer(1));
    }
    let key = |i: i64| [Arg::Column(format!("row{i}").into_bytes())];
    let mut get = library.statement("memc_get", &key(0)).unwrap();
    let found: Vec<String> = (1..=5).map(|i| get.row(&key(i)).text()).collect();
    assert_eq!(
        found,
        ["1", "2", "NULL", "4", "5"],
        "an exptime is that of its row, an integer is stored as its digits"
    );
}

#[test]
fn null_in_is_null_out_and_nothing_is_sent() {
    let server = Memcached::start();
    let library = Library::with(&server.name());
    library.number("memc_set", &["k".into(), "kept".into()]);
    for (name, args) in [
        ("memc_set", &["k".into(), Arg::Null][..]),
        ("memc_set", &[Arg::Null, "v".into()]),
        ("memc_set", &["k".into(), "v".into(), Arg::Null]),
        ("memc_get", &[Arg::Null]),
        ("memc_delete", &[Arg::Null]),
        ("memc_increment", &["k".into(), Arg::Null]),
        ("memc_set_by_key", &[Arg::Null, "k".into(), "v".into()]),
        ("memc_servers_set", &[Arg::Null]),
        ("memc_behavior_get", &[Arg::Null]),
        ("memc_stats", &[Arg::Null]),
    ] {
        assert_eq!(library.call(name, args), Ok(Answer::Null), "{name} {args:?}");
    }
    assert_eq!(library.text("memc_get", &["k".into()]), "kept");
    assert_eq!(library.number("memc_server_count", &[]), 1);
}

#[test]
fn wrong_calls_are_refused_with_a_sentence() {
    let library = Library::with("");
    for (name, args, message) in [
        ("memc_get", &[][..], "Usage: memc_get(key)"),
        ("memc_get", &["a".into(), "b".into()], "Usage: memc_get(key)"),
        ("memc_set", &["a".into()], "Usage: memc_set(key, value [, expiry])"),
        ("memc_cas", &["a".into(), "b".into()], "Usage: memc_cas(key, value, cas [, expiry])"),
        ("memc_set_by_key", &["a".into(), "b".into()], "Usage: memc_set_by_key(master key, key, value [, expiry])"),
        ("memc_server_count", &["a".into()], "Usage: memc_server_count()"),
        (
            "memc_servers_set",
            &["a:x".into()],
            "'a:x' names no server: write host, host:port, host:port:weight, [IPv6]:port or /path/of/a/socket",
        ),
        (
            "memc_behavior_set",
            &["NONE".into(), 1.into()],
            "there is no behavior NONE, memc_list_behaviors() names them",
        ),
        ("memc_behavior_set", &["NO_BLOCK".into(), 2.into()], "NO_BLOCK must be 0 or 1"),
        ("memc_behavior_get", &["NONE".into()], "there is no behavior NONE, memc_list_behaviors() names them"),
    ] {
        assert_eq!(library.call(name, args), Err(message.to_owned()), "{name} {args:?}");
    }
    // What only a row shows fails the statement then.
    assert_eq!(library.call("memc_behavior_set", &[Arg::Column(b"NONE".to_vec()), 1.into()]), Ok(Answer::Null));
    assert_eq!(take_message(), "1105 memc_behavior_set: there is no behavior NONE, memc_list_behaviors() names them");
    // A message longer than its room is cut.
    let long = library.call("memc_servers_set", &[Arg::Bytes("ä ".repeat(600).into_bytes())]).unwrap_err();
    assert!((500..512).contains(&long.len()), "{}", long.len());
}

#[test]
fn servers_and_behaviors_are_told() {
    let (a, b) = (Memcached::start(), Memcached::start());
    let library = Library::with(&format!("{}, {}", a.name(), b.name()));
    assert_eq!(library.number("memc_server_count", &[]), 2);
    assert_eq!(
        library.number("memc_servers_behavior_set", &["MEMCACHED_BEHAVIOR_POLL_TIMEOUT".into(), 4321.into()]),
        0
    );
    assert_eq!(library.text("memc_servers_behavior_get", &["memcached_behavior_poll_timeout".into()]), "4321");
    for (name, line) in [
        ("memc_list_behaviors", "MEMCACHED_BEHAVIOR_SUPPORT_CAS"),
        ("memc_list_behaviors", "FAIL_STATEMENTS"),
        ("memc_list_hash_types", "MEMCACHED_HASH_MD5"),
        ("memc_list_distribution_types", "MEMCACHED_DISTRIBUTION_CONSISTENT_KETAMA"),
        ("memc_udf_version", env!("CARGO_PKG_VERSION")),
        ("memc_stat_get_keys", "curr_items"),
    ] {
        let text = library.text(name, &[]);
        assert!(text.lines().any(|found| found == line), "{name}: {text}");
    }
    let stats = library.text("memc_stats", &[Arg::from(&*format!("{},{},127.0.0.1:1", a.name(), b.name()))]);
    assert!(stats.starts_with("Listing 3 Servers\n\nServer: 127.0.0.1 ("), "{stats}");
    assert_eq!(stats.matches("\t pid: ").count(), 2, "{stats}");
    let port = library.text("memc_stat_get_value", &[Arg::from(&*a.name()), "pid".into()]);
    assert!(port.parse::<u32>().is_ok(), "{port}");
    assert_eq!(library.text("memc_stat_get_value", &[Arg::from(&*a.name()), "none".into()]), "NULL");
    assert_eq!(library.text("memc_stats", &["127.0.0.1:1".into()]), "NULL");
}

#[test]
fn keys_that_would_be_requests_are_not_sent() {
    let server = Memcached::start();
    let library = Library::with(&server.name());
    library.number("memc_set", &["k".into(), "kept".into()]);
    for key in ["a b", "a\r\nflush_all\r\n", "", &"k".repeat(251)] {
        assert_eq!(library.number("memc_set", &[key.into(), "v".into()]), 0, "{key:?}");
        assert_eq!(library.text("memc_get", &[key.into()]), "NULL", "{key:?}");
    }
    assert_eq!(library.text("memc_get", &["k".into()]), "kept");
    library.behave("BINARY_PROTOCOL", "1");
    assert_eq!(library.number("memc_set", &["a b".into(), "v".into()]), 1, "a packet carries any key");
    assert_eq!(library.text("memc_get", &["a b".into()]), "v");
}

#[test]
fn connections_are_shared_by_statements_and_threads() {
    let server = Memcached::start();
    let library = Library::with(&server.name());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let library = &library;
            scope.spawn(move || {
                for i in 0..500 {
                    let (key, value) = (format!("{thread}-{i}"), i.to_string());
                    assert_eq!(library.number("memc_set", &[(&*key).into(), (&*value).into()]), 1);
                    assert_eq!(library.text("memc_get", &[(&*key).into()]), value);
                }
            });
        }
    });
    let stats = server.client().stats("");
    let total: u32 = stats.iter().find(|(name, _)| name == "total_connections").unwrap().1.parse().unwrap();
    assert!(total <= 8 + 8, "{total} connections for 8 threads");
    // A list without the server closes them.
    assert_eq!(library.number("memc_servers_set", &[",".into()]), 0);
    wait_until("closed connections", || {
        let stats = server.client().stats("");
        stats.iter().any(|(name, value)| name == "curr_connections" && value.parse::<u32>().unwrap() <= 3)
    });
}
