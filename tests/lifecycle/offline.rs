//! The subcommands on a data directory that no server has open: check, dump, load.

use crate::common::random::Random;
use crate::common::{HostConfig, program};
use crate::host::text;
use crate::terminal::{terminal, until};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The table of most tests here.
const TABLE: &str = "CREATE DATABASE d;
    CREATE TABLE d.t (id INT PRIMARY KEY, name VARCHAR(400), raw VARBINARY(400), kind ENUM('a', 'b'), n BIGINT UNSIGNED, `odd ``name` CHAR(9),
        UNIQUE KEY n (n), KEY name (name))";

fn run<S: AsRef<OsStr>>(args: &[S]) -> Output {
    Command::new(program()).args(args).stdin(Stdio::null()).output().unwrap()
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

/// What a subcommand printed; it succeeded.
#[track_caller]
fn done<S: AsRef<OsStr>>(args: &[S]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{output:?}");
    text(&output.stdout)
}

/// What a subcommand complained of; its exit status is 1.
#[track_caller]
fn refused<S: AsRef<OsStr>>(args: &[S]) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    text(&output.stderr)
}

/// Statements in a directory that no server has open.
#[track_caller]
fn sql(config: &HostConfig, sql: &str) -> String {
    let output = config.command().args(["-e", sql]).output().unwrap();
    assert!(output.status.success(), "{sql}: {output:?}");
    text(&output.stdout)
}

/// A directory with [`TABLE`].
fn with_table() -> HostConfig {
    let config = HostConfig::new().bare();
    sql(&config, TABLE);
    config
}

fn file(config: &HostConfig, name: &str, contents: &str) -> String {
    let file = config.scratch().join(name);
    fs::write(&file, contents).unwrap();
    path(&file)
}

#[test]
fn rows_come_back_from_either_form_as_they_were() {
    let config = with_table();
    let data = path(&config.datadir());
    let mut random = Random(7);
    let mut rows = String::new();
    // Bytes of every kind, text of every length, NULL and empty, the ends of the integers.
    for id in 0..3000 {
        let mut hex = |most: u64| {
            (0..random.below(most)).fold(String::new(), |hex, _| hex + &format!("{:02X}", random.below(256)))
        };
        let raw = hex(40);
        let name = ["NULL", "''", "'a,\"b\"\\n\\r\\\\x'", "'\\\\x00'", "'ü\\0€𝄞'", "' x '", "'null'", "'\\''"][id % 8];
        let n = [format!("{id}"), "NULL".into(), format!("{}", u64::MAX - id as u64)][id % 3].clone();
        let raw = if id % 7 == 0 { "NULL".to_owned() } else { format!("X'{raw}'") };
        let (kind, id) = (["'a'", "'b'", "NULL"][id % 3], id as i64 - 1500);
        writeln!(rows, "INSERT INTO d.t VALUES ({id}, {name}, {raw}, {kind}, {n}, 'c d');").unwrap();
    }
    let script = file(&config, "rows.sql", &rows);
    sql(&config.clone().arg(format!("--init-file={script}")), "CREATE DATABASE e");
    for (option, table) in [("--json", "e.json"), ("--csv", "e.csv")] {
        let dumped = path(&config.scratch().join(table));
        assert_eq!(done(&["dump", option, &data, "d.t", &dumped]), "");
        assert_eq!(done(&["dump", option, &data, "d.t"]), fs::read_to_string(&dumped).unwrap(), "to a file or not");
        sql(&config, &TABLE.replace("CREATE DATABASE d;", "").replace("d.t", table));
        done(&["load", option, &data, table, &dumped]);
        // A second time nothing is another.
        done(&["load", option, &data, table, &dumped]);
        assert_eq!(done(&["dump", option, &data, table]), fs::read_to_string(&dumped).unwrap());
        // Both tables read the same, value by value.
        let host = config.start();
        let columns = "id, HEX(name), name IS NULL, HEX(raw), raw IS NULL, kind, n, `odd ``name`";
        let values = |table: &str| host.rows(&format!("SELECT {columns} FROM {table} ORDER BY id"));
        assert_eq!(values("d.t").len(), 3000);
        assert_eq!(values("d.t"), values(table));
        assert!(host.terminate().success());
    }
    let checked = done(&["check", &data]);
    for table in ["d.t", "e.csv", "e.json", "mysql.plugin"] {
        assert!(checked.lines().any(|line| line == format!("{table}: OK")), "{checked}");
    }
}

#[test]
fn containers_have_names_too() {
    let (from, to) = (HostConfig::new(), HostConfig::new());
    let host = from.start();
    host.client().ask("set a 5 0 4\r\n\u{0}\"\u{1}\n\r\nset b 0 0 0\r\n\r\n", "STORED\r\nSTORED\r\n");
    let error = refused(&["dump", &path(&from.datadir()), "default"]);
    assert!(error.contains("is in use by another process"), "{error}");
    assert!(host.terminate().success());
    let dumped = done(&["dump", &path(&from.datadir()), "default"]);
    assert_eq!(dumped.lines().count(), 2, "{dumped}");
    assert!(dumped.starts_with("{\"key\":\"a\",\"value\":\"\\u0000\\\"\\u0001\\u000a\",\"flags\":5,"), "{dumped}");
    assert!(to.start().terminate().success());
    let mut child = Command::new(program())
        .args(["load", &path(&to.datadir()), "default", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(dumped.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), text(&output.stderr).as_str()),
        (Some(0), "memcached-host: 2 rows were loaded\n")
    );
    to.start().client().ask("get a b\r\n", "VALUE a 5 4\r\n\u{0}\"\u{1}\n\r\nVALUE b 0 0\r\n\r\nEND\r\n");
}

#[test]
fn a_bad_line_is_named_and_its_batch_is_not_stored() {
    let config = with_table();
    let data = path(&config.datadir());
    let good = |from: usize, to: usize| {
        (from..to).fold(String::new(), |all, id| all + &format!("{{\"id\":{id},\"name\":\"x\"}}\n"))
    };
    let mut number = 0;
    for (bad, reason) in [
        ("{\"id\":5000,\"name\":\"y\"", "it is no object of JSON"),
        ("{}", "it is no object of JSON"),
        ("[1]", "it is no object of JSON"),
        ("{\"id\":1} x", "something stands behind the object"),
        ("{\"id\":5000,\"absent\":1}", "the table has no column 'absent'"),
        ("{\"id\":5000,\"id\":1}", "column 'id' is given twice"),
        ("{\"id\":5000,\"name\":[1]}", "the value of 'name' is no text"),
        ("{\"id\":5000,\"raw\":{\"hex\":\"0\"}}", "the value of 'raw' is no text"),
        ("{\"id\":5000,\"raw\":{\"hexe\":\"00\"}}", "the value of 'raw' is no text"),
        ("{\"id\":5000,\"name\":\"\\ud800\"}", "the value of 'name' is no text"),
        ("{\"id\":1.5}", "column 'id' takes integers"),
        ("{\"id\":\"one\"}", "column 'id' takes integers"),
        ("{\"id\":\"-\"}", "column 'id' takes integers"),
        ("{\"id\":99999999999}", "Out of range value for column 'id'"),
        ("{\"id\":5000,\"kind\":\"c\"}", "kind"),
        ("{\"name\":\"no key\"}", "Field 'id' doesn't have a default value"),
        ("{\"id\":null}", "Column 'id' cannot be null"),
    ] {
        sql(&config, "DELETE FROM d.t");
        let text = format!("{}\n{bad}\n{}", good(0, 1700), good(1700, 3000));
        let error = refused(&["load", &data, "d.t", &file(&config, "rows", &text)]);
        assert!(error.contains("line 1702: ") && error.contains(reason), "{bad}: {error}");
        assert!(error.contains("nothing of its batch was stored, 1000 rows were before it"), "{bad}: {error}");
        assert_eq!(done(&["dump", &data, "d.t"]).lines().count(), 1000, "{bad}");
        number += 1;
    }
    assert_eq!(number, 17);
    for (bad, reason) in [
        ("", "line 1: the first line has to name the columns"),
        ("id,absent\n", "line 1: the table has no column 'absent'"),
        ("id,id\n", "line 1: column 'id' is named twice"),
        ("id,name\n1,\"a\nb\"\n2\n", "line 4: there are 1 fields, and 2 columns"),
        ("id,name\n1,a,b\n", "line 2: there are more fields"),
        ("id,name\r\n1,a\r\n2,\"b\"c\r\n", "line 3: something stands behind a closing quote"),
        ("id,name\n1,\"a\n", "line 2: a quote is not closed"),
        ("id,raw\n1,\\x0g\n", "line 2: \\x is followed by"),
    ] {
        let error = refused(&["load", "--csv", &data, "d.t", &file(&config, "rows.csv", bad)]);
        assert!(error.contains(reason), "{bad}: {error}");
    }
    for (args, reason) in [
        (vec!["load", data.as_str(), "d.absent"], "there is no table 'd.absent'"),
        (vec!["load", data.as_str(), "absent"], "innodb_memcache"),
        (vec!["dump", "/nonexistent", "d.t"], "'/nonexistent' is no data directory"),
        (vec!["dump", data.as_str()], "usage: "),
        (vec!["load", "--xml", data.as_str(), "d.t"], "--csv and --json"),
        (vec!["load", data.as_str(), "d.t", "/nonexistent"], "cannot read '/nonexistent'"),
        (vec!["dump", data.as_str(), "d.t", "/nonexistent/file"], "cannot create"),
        (vec!["check"], "usage: "),
    ] {
        let error = refused(&args);
        assert!(error.contains(reason), "{args:?}: {error}");
    }
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Command::new(program()).args(["dump", &data, "d.t"]).stdout(full).output().unwrap();
    assert!(!output.status.success() && text(&output.stderr).contains("cannot write"), "{output:?}");
}

#[test]
fn rows_that_are_there_keep_what_is_not_given() {
    let config = with_table();
    let data = path(&config.datadir());
    sql(&config, "INSERT INTO d.t (id, name, raw, n) VALUES (1, 'old', 'kept', 5)");
    let rows = file(&config, "rows.csv", "n,ID,name\r\n,1,new\r\n\r\n6,2,\"\"\r\n");
    done(&["load", "--csv", &data, "d.t", &rows]);
    let rest = "\"kind\":null,\"n\":";
    assert_eq!(
        done(&["dump", &data, "d.t"]),
        format!(
            "{{\"id\":1,\"name\":\"new\",\"raw\":\"kept\",{rest}null,\"odd `name\":null}}\n\
             {{\"id\":2,\"name\":\"\",\"raw\":null,{rest}6,\"odd `name\":null}}\n"
        )
    );
}

/// A load that reads standard input.
fn loading(data: &str) -> Child {
    let mut command = Command::new(program());
    command.args(["load", data, "d.t"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

#[test]
fn a_load_that_is_killed_leaves_whole_batches() {
    let config = with_table();
    let data = path(&config.datadir());
    let line = |id: usize| format!("{{\"id\":{id},\"name\":\"name {id}\",\"raw\":{{\"hex\":\"FF00\"}},\"n\":{id}}}\n");
    let all: Vec<String> = (0..40_000).map(line).collect();
    let mut most = 0;
    for lines in [3_000, 7_321, 12_999, 20_000, 39_999] {
        sql(&config, "DELETE FROM d.t");
        let mut child = loading(&data);
        // What the pipe does not hold was read when this returns.
        let stdin = child.stdin.as_mut().unwrap();
        stdin.write_all(all[..lines].concat().as_bytes()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let checked = done(&["check", &data]);
        assert!(checked.contains("d.t: OK\n"), "{checked}");
        let stored = done(&["dump", &data, "d.t"]);
        let rows = stored.lines().count();
        assert!(rows.is_multiple_of(1000) && rows <= lines, "{rows} of {lines}");
        for (id, row) in stored.lines().enumerate() {
            assert!(row.starts_with(&format!("{{\"id\":{id},\"name\":\"name {id}\",")), "{row}");
        }
        most = most.max(rows);
    }
    assert!(most >= 10_000, "no kill was in the middle: {most}");
    // It can be begun anew.
    done(&["load", &data, "d.t", &file(&config, "all", &all.concat())]);
    assert_eq!(done(&["dump", &data, "d.t"]).lines().count(), all.len());
}

#[test]
fn a_bar_is_shown_on_a_terminal_only() {
    let config = with_table();
    let data = path(&config.datadir());
    let rows: String = (0..20_000).map(|id| format!("{{\"id\":{id}}}\n")).collect();
    let rows = file(&config, "rows", &rows);
    for command in ["load", "dump"] {
        let (mut master, slave) = terminal();
        let target = path(&config.scratch().join("rows.out"));
        let mut program = Command::new(program());
        program.args([command, &data, "d.t", if command == "load" { &rows } else { &target }]).stderr(slave);
        let mut child = program.spawn().unwrap();
        drop(program);
        let mut seen = String::new();
        until(&mut master, &mut seen, "[##############################] 100%  20000 rows");
        until(&mut master, &mut seen, "20000 rows were ");
        assert!(child.wait().unwrap().success());
        let quiet = run(&[command, &data, "d.t", if command == "load" { &rows } else { &target }]);
        assert!(
            quiet.status.success() && text(&quiet.stderr).starts_with("memcached-host: 20000 rows were "),
            "{quiet:?}"
        );
    }
}

/// The biggest file of tables in a data directory.
fn biggest(dir: &Path) -> PathBuf {
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    let mut todo = vec![dir.join("refengine/keyspaces")];
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                todo.push(entry.path());
            } else if entry.path().parent().is_some_and(|folder| folder.ends_with("tables")) {
                found.push((entry.metadata().unwrap().len(), entry.path()));
            }
        }
    }
    found.into_iter().max().expect("a file of a table").1
}

#[test]
fn a_damaged_file_is_found_and_its_table_named() {
    let config = with_table();
    let data = path(&config.datadir());
    let mut random = Random(3);
    let rows = (0..20_000)
        .fold(String::new(), |all, id| all + &format!("{{\"id\":{id},\"name\":\"{}\"}}\n", random.below(u64::MAX)));
    done(&["load", &data, "d.t", &file(&config, "rows", &rows)]);
    sql(&config, "CREATE TABLE d.whole (a INT PRIMARY KEY); INSERT INTO d.whole VALUES (1)");
    assert!(done(&["check", &data]).contains("d.t: OK\nd.whole: OK\n"));
    let victim = biggest(&config.datadir());
    let mut bytes = Vec::new();
    fs::File::open(&victim).unwrap().read_to_end(&mut bytes).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 0x10;
    fs::write(&victim, &bytes).unwrap();
    let output = run(&["check", &data]);
    let (said, complaint) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said} {complaint}");
    let line = said.lines().find(|line| line.starts_with("d.t: ")).unwrap_or_else(|| panic!("{said}"));
    assert!(line.contains(&path(&victim)), "{line}");
    assert!(said.contains("d.whole: OK\n") && complaint.contains("1 of "), "{said} {complaint}");
    // Whole again, and then without its end, which the engine sees when it opens.
    bytes[middle] ^= 0x10;
    fs::write(&victim, &bytes).unwrap();
    assert!(done(&["check", &data]).contains("d.t: OK\n"));
    fs::write(&victim, &bytes[..bytes.len() - 7]).unwrap();
    let error = refused(&["check", &data]);
    assert!(error.contains("is damaged") && error.contains(&path(&victim)), "{error}");
}

#[test]
fn a_directory_in_use_or_of_another_kind_is_left_alone() {
    let config = HostConfig::new();
    let data = path(&config.datadir());
    let host = config.start();
    for args in [vec!["check", &data], vec!["load", &data, "default"], vec!["dump", &data, "default"]] {
        let error = refused(&args);
        assert_eq!(error, format!("memcached-host: the data directory '{data}' is in use by another process\n"));
    }
    host.client().ask("set a 0 0 1\r\nx\r\n", "STORED\r\n");
    // What a crash left is recovered before it is checked.
    host.kill9();
    assert!(done(&["check", &data]).contains("memcached.cache: OK\n"));
    assert_eq!(done(&["dump", &data, "default"]).lines().count(), 1);
    let empty = path(&config.scratch().join("empty"));
    fs::create_dir(&empty).unwrap();
    let error = refused(&["check", &empty]);
    assert!(error.contains("is no data directory"), "{error}");
    assert!(fs::read_dir(&empty).unwrap().next().is_none(), "something was made there");
}
