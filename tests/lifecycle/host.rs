//! `memcached-host` as its users meet it: command line, console, plugin life cycle, signals.
//!
//! Plugins are the fake of `tests/c/fake_plugin.c`; the real one has tests of its own.

use crate::common::{Host, HostConfig, PATIENCE, SqlError};
use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};

const INSTALL: &str = "INSTALL PLUGIN daemon_memcached SONAME 'fake_plugin.so'";

/// An empty server whose plugin folder has the fake plugin, as `fake_plugin.so`.
fn fake() -> HostConfig {
    let config = HostConfig::new().bare();
    crate::common::cc(&["-shared", "-fPIC", "tests/c/fake_plugin.c"], &config.scratch().join("fake_plugin.so"));
    let folder = format!("--plugin-dir={}", config.scratch().display());
    config.arg(folder)
}

/// The fake plugin as the one that a first start installs.
fn fake_default() -> HostConfig {
    let config = HostConfig::new().no_option();
    crate::common::cc(&["-shared", "-fPIC", "tests/c/fake_plugin.c"], &config.scratch().join("daemon_memcached.so"));
    let folder = format!("--plugin-dir={}", config.scratch().display());
    config.arg(folder)
}

/// Runs the program to its end without input.
fn run(mut command: Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn refused(host: &Host, sql: &str) -> SqlError {
    host.sql(sql).expect_err(sql)
}

#[test]
fn help_and_version_are_answered_on_standard_output() {
    for (argument, expected) in [
        ("--help", "--datadir=DIR"),
        ("-h", "--init-file=FILE"),
        ("--version", concat!("memcached-host ", env!("CARGO_PKG_VERSION"), "\n")),
        ("-V", concat!("memcached-host ", env!("CARGO_PKG_VERSION"), "\n")),
    ] {
        let mut command = Command::new(crate::common::program());
        command.arg(argument);
        let output = run(command);
        assert!(output.status.success() && text(&output.stdout).contains(expected), "{argument}: {output:?}");
        assert_eq!(text(&output.stderr), "");
    }
}

#[test]
fn a_wrong_command_line_is_one_sentence_and_status_1() {
    let file = HostConfig::new();
    std::fs::write(file.datadir(), "a file").unwrap();
    for (config, arguments, expected) in [
        (HostConfig::new(), &["--nonsense=1"][..], "unknown option '--nonsense=1'"),
        (HostConfig::new(), &["--Nonsense"], "unknown option '--Nonsense'"),
        (HostConfig::new(), &["-x"], "unknown option '-x'"),
        (HostConfig::new(), &["-"], "unknown option '-'"),
        (HostConfig::new(), &["--"], "unknown option '--'"),
        (HostConfig::new(), &["word"], "unexpected argument 'word'"),
        (HostConfig::new(), &["--datadir"], "option '--datadir' needs a value"),
        (HostConfig::new(), &["--plugin-dir="], "option '--plugin-dir' needs a value"),
        (HostConfig::new(), &["-e"], "option '-e' needs a value"),
        (HostConfig::new(), &["--no-defaults-sql=yes"], "takes ON, OFF or no value"),
        (HostConfig::new(), &["--init-file=/nonexistent/x.sql"], "/nonexistent/x.sql"),
        (HostConfig::new(), &["--init-file=."], "init file '.'"),
        (HostConfig::new(), &["--innodb-nonsense=1"], "innodb_nonsense"),
        (HostConfig::new(), &["--innodb-flush-log-at-trx-commit=7"], "innodb_flush_log_at_trx_commit"),
        (HostConfig::new(), &["--innodb_flush_log_at_trx_commit=x"], "innodb_flush_log_at_trx_commit"),
        (HostConfig::new(), &["--innodb-flush-log-at-trx-commit=1\n2"], "must not contain a line end"),
        (HostConfig::new(), &["--daemon-memcached-nonsense=1"], "--daemon_memcached_nonsense"),
        (HostConfig::new(), &["--daemon-memcached-r-batch-size=many"], "takes a number, not 'many'"),
        (HostConfig::new(), &["--daemon-memcached-enable-binlog=perhaps"], "takes ON or OFF, not 'perhaps'"),
        (file, &[], "data"),
    ] {
        let mut command = config.command();
        command.args(arguments);
        let output = run(command);
        let said = text(&output.stderr);
        let lines: Vec<&str> = said.lines().filter(|l| l.starts_with("memcached-host: ")).collect();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(lines.len() == 1 && lines[0].contains(expected), "{arguments:?} without '{expected}': {said}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
}

#[test]
fn a_data_directory_in_use_is_refused() {
    let host = HostConfig::new().bare().start();
    let output = run(host.config().command());
    assert_eq!(output.status.code(), Some(1));
    let expected = format!(
        "memcached-host: the data directory '{}' is in use by another process\n",
        host.config().datadir().display()
    );
    assert_eq!(text(&output.stderr), expected);
    host.sql("SELECT 1").unwrap();
}

#[test]
fn execute_prints_as_mysql_batch_and_tells_failure_by_its_status() {
    for (sql, expected, error) in [
        ("SELECT 1 AS one, 'a' AS two; SELECT 2", "one\ttwo\n1\ta\n2\n2\n", ""),
        ("SELECT 'tab\\tline\\nback\\\\nul\\0end' AS x, NULL AS n", "x\tn\ntab\\tline\\nback\\\\nul\\0end\tNULL\n", ""),
        ("SELECT '' AS empty", "empty\n\n", ""),
        ("CREATE DATABASE d; CREATE TABLE d.t (a INT PRIMARY KEY); SELECT a FROM d.t", "", ""),
        ("", "", ""),
        (
            "SELECT 1 AS a;\n\nSELECT * FROM mysql.t;\nSELECT 2",
            "a\n1\n",
            "ERROR 1146 (42S02) at line 3: Table 'mysql.t' doesn't exist\n",
        ),
        ("SELEC 1", "", "ERROR 1064 (42000) at line 1: "),
    ] {
        for argument in [format!("--execute={sql}"), format!("-e{sql}")] {
            if sql.is_empty() && argument.len() == 2 {
                continue; // -e without text takes the next word
            }
            let output = run(HostConfig::new().bare().arg(argument).command());
            assert_eq!(text(&output.stdout), expected, "{sql}: {output:?}");
            assert!(text(&output.stderr).starts_with(error), "{sql}: {output:?}");
            assert_eq!(output.status.code(), Some(i32::from(!error.is_empty())), "{sql}");
        }
    }
}

#[test]
fn statements_run_as_they_arrive_on_standard_input() {
    let host = HostConfig::new().bare().start();
    assert_eq!(host.sql("SELECT 'a;b' AS `x;y` -- ; no end\n, /* ; */ \";\" AS z # ;").unwrap(), "x;y\tz\na;b\t;\n");
    assert_eq!(host.sql("SELECT 'it''s\\';' AS q; ; ; SELECT 1--1 AS minus").unwrap(), "q\nit's';\nminus\n2\n");
    assert_eq!(host.sql("/* only a comment; */ -- another;\n").unwrap(), "");
    assert_eq!(host.sql("SELECT 1 /*! + 1 */ AS n").unwrap(), "n\n2\n");
    assert_eq!(
        host.sql("SELECT 1 AS one, 'x\\\\G' AS text\\G SELECT 2 AS two\\g SELECT nothing\\c").unwrap(),
        "*************************** 1. row ***************************\n one: 1\ntext: x\\G\ntwo\n2\n"
    );
    // A failing statement does not stop the next; the session keeps its database.
    let error = refused(&host, "CREATE DATABASE d; USE d; SELECT * FROM absent; CREATE TABLE t (a INT PRIMARY KEY)");
    assert_eq!((error.errno, error.sqlstate.as_str()), (1146, "42S02"));
    assert_eq!(error.message, "Table 'd.absent' doesn't exist");
    assert_eq!(host.sql("INSERT INTO t VALUES (7); SELECT a FROM t").unwrap(), "a\n7\n");
    let big = "x".repeat(300_000);
    assert_eq!(host.sql(&format!("SELECT '{big}' AS big")).unwrap(), format!("big\n{big}\n"));
    host.close_stdin();
    assert_eq!(host.terminate().code(), Some(0));
}

#[test]
fn errors_name_the_line_of_the_input() {
    let config = HostConfig::new().bare();
    let mut child =
        config.command().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The last statement has no `;`: the end of the input completes it, and the server goes on.
    child.stdin.take().unwrap().write_all(b"-- comment\n\nFIRST;\nSELECT 'two\nlines'; SECOND;\n\n  THIRD").unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut printed = Vec::new();
    while !text(&printed).contains("two\\nlines\n") {
        let mut more = [0; 4096];
        let n = stdout.read(&mut more).unwrap();
        assert!(n > 0, "{}", text(&printed));
        printed.extend_from_slice(&more[..n]);
    }
    let mut stderr = child.stderr.take().unwrap();
    let mut said = Vec::new();
    while said.iter().filter(|&&b| b == b'\n').count() < 3 {
        let mut more = [0; 4096];
        let n = stderr.read(&mut more).unwrap();
        assert!(n > 0, "{}", text(&said));
        said.extend_from_slice(&more[..n]);
    }
    let lines: Vec<String> = text(&said).lines().map(|l| l.split(": ").next().unwrap_or("").to_owned()).collect();
    assert_eq!(
        lines,
        ["ERROR 1064 (42000) at line 3", "ERROR 1064 (42000) at line 5", "ERROR 1064 (42000) at line 7"],
        "{}",
        text(&said)
    );
    assert!(child.try_wait().unwrap().is_none(), "the end of standard input stopped the server");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn init_file_runs_at_every_start_and_its_failure_ends_the_start() {
    let config = HostConfig::new().bare();
    let file = config.scratch().join("init.sql");
    std::fs::write(&file, "CREATE DATABASE IF NOT EXISTS d;\nUSE d;\nCREATE TABLE IF NOT EXISTS starts (id INT PRIMARY KEY, n INT);\nINSERT IGNORE INTO starts VALUES (1, 0);\nUPDATE starts SET n = n + 1; SELECT 'unseen';\n").unwrap();
    let config = config.arg(format!("--init_file={}", file.display()));
    for round in ["1", "2"] {
        let host = config.start();
        assert_eq!(host.rows("SELECT n FROM d.starts"), [[round]]);
        assert!(!host.output().contains("unseen"));
        assert_eq!(host.rows("SHOW VARIABLES LIKE 'init_file'"), [["init_file", file.to_str().unwrap()]]);
        assert!(host.terminate().success());
    }
    std::fs::write(&file, "SELECT 1;\nSELECT * FROM d.absent").unwrap();
    let output = run(config.command());
    assert_eq!(output.status.code(), Some(1));
    let expected = format!("memcached-host: {}, line 2: Table 'd.absent' doesn't exist\n", file.display());
    assert_eq!(text(&output.stderr), expected);
}

#[test]
fn signals_end_it_cleanly_even_twice() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let host = fake().start();
        host.sql(INSTALL).unwrap();
        host.signal(signal);
        host.signal(libc::SIGTERM);
        host.signal(libc::SIGINT);
        assert_eq!(host.wait().code(), Some(0), "{}", host.log());
        host.wait_log("[Note] Plugin daemon_memcached: stopped");
        let again = host.config().start();
        assert_eq!(again.status("Fake_starts").as_deref(), Some("1"));
    }
}

#[test]
fn a_signal_ends_an_install_that_waits() {
    let host = fake().arg("--daemon-memcached-mode=slow").start();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            host.wait_log("init waits for the shutdown");
            host.signal(libc::SIGTERM);
        });
        // The program may end before it answers, so the statement goes in without waiting.
        host.write(&format!("{INSTALL};\n"));
    });
    assert_eq!(host.wait().code(), Some(0), "{}", host.log());
}

#[test]
fn the_life_of_a_plugin() {
    let host = fake().start();
    for (sql, errno, message) in [
        ("INSTALL PLUGIN daemon_memcached SONAME 'absent.so'", 1126, "absent.so' (errno: 2 "),
        ("INSTALL PLUGIN daemon_memcached SONAME 'init.sql'", 1126, "init.sql' (errno: 0 "),
        ("INSTALL PLUGIN daemon_memcached SONAME '../fake_plugin.so'", 1124, "No paths allowed for shared library"),
        ("INSTALL PLUGIN daemon_memcached SONAME '/fake_plugin.so'", 1124, "No paths allowed for shared library"),
        ("INSTALL PLUGIN daemon_memcached SONAME 'no_plugin.so'", 1127, "_mysql_plugin_interface_version_"),
        ("INSTALL PLUGIN absent SONAME 'fake_plugin.so'", 1127, "Can't find symbol 'absent' in library"),
        ("INSTALL PLUGIN fake_parser SONAME 'fake_plugin.so'", 1123, "it is no DAEMON plugin"),
        ("INSTALL PLUGIN fake_strange SONAME 'fake_plugin.so'", 1123, "variable 'strange' has a type"),
        ("INSTALL PLUGIN daemon_memcached SONAME 'old_plugin.so'", 1126, "plugin interface version mismatch"),
        ("UNINSTALL PLUGIN daemon_memcached", 1305, "PLUGIN daemon_memcached does not exist"),
    ] {
        std::fs::write(host.config().scratch().join("init.sql"), "no library").unwrap();
        for (name, source) in [
            ("no_plugin.so", "int nothing;\n"),
            (
                "old_plugin.so",
                "int _mysql_plugin_interface_version_ = 0x0200, _mysql_sizeof_struct_st_plugin_ = 112;\nlong _mysql_plugin_declarations_[14];\n",
            ),
        ] {
            let library = host.config().scratch().join(name);
            if !library.exists() {
                let file = host.config().scratch().join("source.c");
                std::fs::write(&file, source).unwrap();
                crate::common::cc(&["-shared", "-fPIC", file.to_str().unwrap()], &library);
            }
        }
        let error = refused(&host, sql);
        assert!(error.errno == errno && error.message.contains(message), "{sql}: {error}");
    }
    assert_eq!(host.sql("SHOW PLUGINS").unwrap(), "");

    host.sql("install plugin Daemon_Memcached soname 'fake_plugin.so'").unwrap();
    host.sql("INSTALL PLUGIN fake_empty SONAME 'fake_plugin.so'").unwrap();
    host.wait_log("[Note] Plugin daemon_memcached: started on two lines");
    let error = refused(&host, INSTALL);
    assert_eq!((error.errno, error.message.as_str()), (1968, "Plugin 'daemon_memcached' already installed."));
    assert_eq!(
        host.sql("SHOW PLUGINS").unwrap(),
        "Name\tStatus\tType\tLibrary\tLicense\n\
         daemon_memcached\tACTIVE\tDAEMON\tfake_plugin.so\tGPL\n\
         fake_empty\tACTIVE\tDAEMON\tfake_plugin.so\tBSD\n"
    );
    for (name, value) in [
        ("Fake_starts", "1"),
        ("Fake_has_table", "1"),
        // The host leaves SIGPIPE alone: a plugin that raises it is noticed.
        ("Fake_blocked_signals", "TERM 1 INT 1 PIPE 0"),
    ] {
        assert_eq!(host.status(name).as_deref(), Some(value), "{name}");
    }
    assert!(host.status("Uptime").unwrap().parse::<u64>().unwrap() < PATIENCE.as_secs());
    let rows = [["daemon_memcached", "fake_plugin.so"], ["fake_empty", "fake_plugin.so"]];
    assert_eq!(host.rows("SELECT name, dl FROM mysql.plugin ORDER BY name"), rows);

    host.sql("SET GLOBAL daemon_memcached_mode = 'busy'").unwrap();
    let error = refused(&host, "UNINSTALL PLUGIN daemon_memcached");
    assert_eq!(
        (error.errno, error.message.as_str()),
        (1883, "Plugin 'daemon_memcached' cannot be uninstalled now. It is in use.")
    );
    host.sql("SET GLOBAL daemon_memcached_mode = 'bad end'").unwrap();
    host.sql("UNINSTALL PLUGIN DAEMON_MEMCACHED; UNINSTALL PLUGIN fake_empty").unwrap();
    host.wait_log("[Warning] DM3009: Plugin 'daemon_memcached' reported a failure while it stopped");
    for sql in
        ["SHOW PLUGINS", "SHOW VARIABLES LIKE 'daemon%'", "SHOW STATUS LIKE 'Fake%'", "SELECT * FROM mysql.plugin"]
    {
        assert_eq!(host.sql(sql).unwrap(), "", "{sql}");
    }
    assert_eq!(refused(&host, "SET GLOBAL daemon_memcached_number = 1").errno, 1193);
    // A second life begins with the defaults.
    host.sql(INSTALL).unwrap();
    assert_eq!(host.rows("SHOW VARIABLES LIKE 'daemon_memcached_mode'"), [["daemon_memcached_mode", ""]]);
    // It was really unloaded: its memory is new.
    assert_eq!(host.status("Fake_starts").as_deref(), Some("1"));
}

#[test]
fn a_failing_init_leaves_nothing_and_its_message_arrives() {
    for (mode, message) in
        [("fail", "the fake plugin was told to fail"), ("silent", "Plugin initialization function failed.")]
    {
        let host = fake().arg(format!("--daemon_memcached_mode={mode}")).start();
        for _ in 0..3 {
            let error = refused(&host, INSTALL);
            assert_eq!(error.message, format!("Can't initialize function 'daemon_memcached'; {message}"));
            assert_eq!((error.errno, error.sqlstate.as_str()), (1123, "HY000"));
        }
        for sql in ["SHOW PLUGINS", "SHOW VARIABLES LIKE 'daemon%'", "SELECT * FROM mysql.plugin"] {
            assert_eq!(host.sql(sql).unwrap(), "", "{sql}");
        }
    }
}

#[test]
fn system_variables_take_defaults_the_command_line_and_set_global() {
    let host = fake()
        .arg("--daemon-memcached-flag")
        .arg("--Daemon_Memcached-natural=8")
        .arg("--daemon_memcached_number=-11")
        .arg("--daemon-memcached-blocks=1k")
        .arg("--daemon-memcached-words=two words")
        .start();
    host.sql(INSTALL).unwrap();
    host.wait_log("[Warning] DM3012: option 'daemon_memcached_number': value -11 adjusted to -10");
    let value = |name: &str| host.rows(&format!("SHOW VARIABLES LIKE 'daemon\\_memcached\\_{name}'"))[0][1].clone();
    for (name, start) in [
        ("flag", "ON"),
        ("fixed_flag", "ON"),
        ("number", "-10"),
        ("natural", "8"),
        ("blocks", "1024"),
        ("mode", ""),
        ("nothing", ""),
        ("words", "two words"),
        ("kept", "k"),
    ] {
        assert_eq!(value(name), start, "{name}");
    }
    for (name, set, after) in [
        ("number", "5", "5"),
        ("number", "101", "100"),
        ("number", "99999999999999999999", "100"),
        ("number", "DEFAULT", "-3"),
        ("natural", "10", "10"),
        ("natural", "'six'", "6"),
        ("natural", "DEFAULT", "4"),
        ("blocks", "1500", "1024"),
        ("blocks", "-1", "512"),
        ("blocks", "9999999999", "1073741824"),
        ("flag", "OFF", "OFF"),
        ("flag", "1", "ON"),
        ("flag", "'off'", "OFF"),
        ("words", "'it''s'", "it's"),
        ("words", "''", ""),
        ("words", "DEFAULT", "a default"),
        ("kept", "'text'", "<text>"),
        ("kept", "'more'", "<more>"),
    ] {
        let sql = format!("SET GLOBAL daemon_memcached_{name} = {set}");
        host.sql(&sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!(value(name), after, "{sql}");
    }
    assert_eq!(host.status("Fake_number_seen").as_deref(), Some("number is now -3"));
    for (set, errno, message) in [
        ("number = 'many'", 1232, "Incorrect argument type to variable 'daemon_memcached_number'"),
        ("natural = 7", 1231, "Variable 'daemon_memcached_natural' can't be set to the value of '7'"),
        ("natural = 'seven'", 1231, "Variable 'daemon_memcached_natural' can't be set to the value of 'seven'"),
        ("flag = 'maybe'", 1231, "Variable 'daemon_memcached_flag' can't be set to the value of 'maybe'"),
        ("flag = 2", 1231, "Variable 'daemon_memcached_flag' can't be set to the value of '2'"),
        ("fixed_flag = 0", 1238, "Variable 'daemon_memcached_fixed_flag' is a read only variable"),
        ("absent = 0", 1193, "Unknown system variable 'daemon_memcached_absent'"),
    ] {
        let error = refused(&host, &format!("SET GLOBAL daemon_memcached_{set}"));
        assert_eq!((error.errno, error.message.as_str()), (errno, message), "{set}");
    }
    assert_eq!(refused(&host, "SET GLOBAL datadir = '/'").errno, 1238);
    // The command line's values come back with the next INSTALL.
    host.sql("UNINSTALL PLUGIN daemon_memcached").unwrap();
    host.sql(INSTALL).unwrap();
    assert_eq!((value("natural"), value("words")), ("8".into(), "two words".into()));
}

#[test]
fn an_option_that_the_plugin_does_not_declare_refuses_it() {
    let host = fake().arg("--daemon-memcached-absent=1").start();
    let error = refused(&host, INSTALL);
    assert!(error.errno == 1123 && error.message.contains("unknown option '--daemon_memcached_absent'"), "{error}");
    let config = fake();
    let host = config.start();
    host.sql(INSTALL).unwrap();
    assert!(host.terminate().success());
    // Loaded at start, a wrong option ends the start.
    for argument in ["--daemon-memcached-absent=1", "--daemon-memcached-number=x"] {
        let output = run(config.clone().arg(argument).command());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(text(&output.stderr).contains("memcached-host: "), "{output:?}");
    }
    // So does a plugin that fails there, unless the server shall run anyway.
    for more in [&[][..], &["--execute=SELECT 1"]] {
        let mut command = config.clone().arg("--daemon-memcached-mode=fail").command();
        command.args(more);
        let output = run(command);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()), "{output:?}");
        assert!(
            text(&output.stderr).contains("--keep-running starts without it: Can't initialize function"),
            "{output:?}"
        );
    }
    let host = config.clone().arg("--daemon-memcached-mode=fail").arg("--keep-running").start();
    host.wait_log(
        "[ERROR] DM3010: Plugin 'daemon_memcached' of mysql.plugin was not loaded: Can't initialize function",
    );
    assert_eq!(host.sql("SHOW PLUGINS").unwrap(), "");
    assert!(host.terminate().success());
    assert_eq!(config.start().status("Fake_starts").as_deref(), Some("1"));
}

#[test]
fn a_first_start_prepares_everything_once_and_is_repeated_until_it_succeeds() {
    let config = fake_default();
    let error = config.clone().arg("--daemon-memcached-mode=fail").try_start().err().expect("the plugin fails");
    assert!(error.contains("the fake plugin was told to fail"), "{error}");
    let host = config.start();
    assert_eq!(host.rows("SELECT name, dl FROM mysql.plugin"), [["daemon_memcached", "daemon_memcached.so"]]);
    assert_eq!(host.rows("SELECT name FROM innodb_memcache.containers ORDER BY name"), [["aaa"], ["default"]]);
    let said = host.output();
    assert!(
        said.contains("Listening on [::]:4711, 127.0.0.1:4712\n")
            && said.contains(
                "Try: printf 'set greeting 0 0 5\\r\\nhello\\r\\nget greeting\\r\\nquit\\r\\n' | nc ::1 4711\n"
            ),
        "{said}"
    );
    host.sql("DROP DATABASE memcached; UNINSTALL PLUGIN daemon_memcached").unwrap();
    assert!(host.terminate().success());
    let host = config.start();
    assert!(!host.sql("SHOW DATABASES").unwrap().contains("memcached\n"), "the scripts ran again");
    assert_eq!(host.sql("SHOW PLUGINS").unwrap(), "");

    let bare = HostConfig::new().bare().start();
    assert_eq!(bare.rows("SHOW TABLES FROM mysql LIKE 'plugin'"), [["plugin"]]);
    assert!(!bare.sql("SHOW DATABASES").unwrap().contains("innodb_memcache"));
}

#[test]
fn a_statement_whose_output_nobody_reads_delays_the_stop_but_does_not_prevent_it() {
    let config = HostConfig::new().bare();
    let mut command = config.command();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut output = child.stdout.take().unwrap();
    // A value that does not fit into a pipe: once its first bytes are seen, the console waits for a reader.
    let big = "x".repeat(1 << 20);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(format!("SELECT '{big}' AS big;\n").as_bytes()).unwrap();
    let mut seen = Vec::new();
    while !text(&seen).contains("big\nx") {
        let mut more = [0; 64];
        let n = output.read(&mut more).unwrap();
        assert!(n > 0, "{}", text(&seen));
        seen.extend_from_slice(&more[..n]);
    }
    // SAFETY: kill() takes numbers only; the child was not waited for.
    assert_eq!(unsafe { libc::kill(child.id().cast_signed(), libc::SIGTERM) }, 0);
    let start = std::time::Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the program does not end");
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(1));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("stopping without closing the engine"), "{said}");
    assert_eq!(config.start().rows("SELECT 1"), [["1"]]);
}
