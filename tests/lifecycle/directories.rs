//! Data directories of other versions and of other programs.

use crate::common::{Client, HostConfig, root};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

fn names(dir: &Path) -> BTreeSet<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// `data-0.1.0.tar.gz` is a directory of version 0.1.0: stopped once in order, then killed with what was acknowledged in the log only.
#[test]
fn a_directory_of_the_first_version_opens() {
    let config = HostConfig::new();
    let unpacked = Command::new("tar")
        .arg("-xzf")
        .arg(root().join("tests/lifecycle/data-0.1.0.tar.gz"))
        .arg("-C")
        .arg(config.scratch())
        .status()
        .unwrap();
    assert!(unpacked.success());
    for _ in 0..2 {
        let host = config.start();
        let port = host.port();
        Client::connect(port).ask("get old counter\r\n", "VALUE old 5 5\r\nvalue\r\nVALUE counter 0 1\r\n8\r\nEND\r\n");
        Client::connect(port).ask("get @@carts.third\r\n", "VALUE @@carts.third 1 5\r\nthree\r\nEND\r\n");
        assert_eq!(
            host.rows("SELECT id, HEX(body), owner, slot, note, more FROM shop.carts ORDER BY id"),
            [
                ["first", "FF00", "1", "a", "x", "7"],
                ["s\u{e9}cond", "74776F", "2", "b", "x", "7"],
                ["third", "7468726565", "NULL", "NULL", "NULL", "NULL"],
            ]
        );
        assert_eq!(host.rows("SELECT id FROM shop.carts WHERE owner = 2"), [["s\u{e9}cond"]]);
        assert_eq!(host.rows("SELECT COUNT(*) FROM shop.carts WHERE note = 'x'"), [["2"]]);
        assert_eq!(host.rows("SHOW GRANTS FOR shop").len(), 2);
        // That version counted nothing: what is there is estimated, until somebody counts.
        host.sql("ANALYZE TABLE shop.carts").unwrap();
        assert_eq!(host.rows("SELECT TABLE_ROWS FROM information_schema.TABLES WHERE TABLE_NAME = 'carts'"), [["3"]]);
        let output = Command::new("mysql")
            .args(["--no-defaults", "--user=shop", "--password=secret", "-Ne", "SELECT COUNT(*) FROM shop.carts"])
            .arg(format!("--socket={}", config.datadir().join("memcached-host.sock").display()))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "3\n", "{output:?}");
        assert!(host.terminate().success());
        assert_eq!(fs::read_to_string(config.datadir().join("refengine.format")).unwrap(), "1\n");
    }
}

#[test]
fn a_directory_of_a_later_version_or_of_mysql_is_left_alone() {
    let config = HostConfig::new();
    assert!(config.start().terminate().success());
    let file = config.datadir().join("refengine.format");
    for (format, expected) in [("2\n", "a later version wrote it"), ("two\n", "does not hold a number")] {
        fs::write(&file, format).unwrap();
        let before = names(&config.datadir());
        let error = config.try_start().err().expect(format);
        assert!(error.contains(expected), "{format}: {error}");
        assert_eq!((names(&config.datadir()), fs::read_to_string(&file).unwrap()), (before, format.to_owned()));
    }
    fs::write(&file, "1\n").unwrap();
    assert!(config.start().terminate().success());
    for foreign in ["ibdata1", "aria_log_control"] {
        let config = HostConfig::new();
        fs::create_dir(config.datadir()).unwrap();
        fs::write(config.datadir().join(foreign), "x").unwrap();
        let error = config.try_start().err().expect(foreign);
        assert!(error.contains("a data directory of MySQL or MariaDB"), "{error}");
        assert_eq!(names(&config.datadir()), BTreeSet::from([foreign.to_owned()]));
    }
}

/// CHECK TABLE reads what is on disk, also what no statement has asked for.
#[test]
fn a_damaged_table_is_found_by_check_table() {
    let config = HostConfig::new().arg("--innodb-buffer-pool-size=5M");
    let host = config.start();
    host.sql("CREATE TABLE test.t (k INT PRIMARY KEY, v BLOB, n INT, KEY n (n))").unwrap();
    for at in 0..40 {
        let row = |i: u32| format!("({}, REPEAT('{}', 1000), {i})", at * 50 + i, at % 10);
        let rows: Vec<String> = (0..50).map(row).collect();
        host.sql(&format!("INSERT INTO test.t VALUES {}", rows.join(","))).unwrap();
    }
    assert!(host.terminate().success());
    let host = config.start();
    assert_eq!(host.rows("CHECK TABLE test.t, memcached.cache")[0][3], "OK");
    // The largest file of all is one of this table; a byte in the middle of it is in the middle of a row.
    let mut files = Vec::new();
    let mut folders = vec![config.datadir().join("refengine/keyspaces")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let size = entry.metadata().unwrap().len();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path())
            } else {
                files.push((size, entry.path()))
            }
        }
    }
    let (size, largest) = files.into_iter().max().unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    bytes[size as usize / 2] ^= 1;
    // In place: the engine has the file open.
    std::os::unix::fs::FileExt::write_all_at(&fs::OpenOptions::new().write(true).open(&largest).unwrap(), &bytes, 0)
        .unwrap();
    let found = host.rows("CHECK TABLE test.t, memcached.cache");
    assert!(found[0][2] == "error" && found[0][3].contains(largest.to_str().unwrap()), "{found:?}");
    assert_eq!(
        (found[1][3].as_str(), &found[2][..]),
        ("Corrupt", &["memcached.cache", "check", "status", "OK"].map(String::from)[..])
    );
}
