//! Options of the host: sizes, files of options, of the log and of the process's number.

use crate::common::{Host, HostConfig};
use std::fs;

fn variable(host: &Host, name: &str) -> String {
    host.rows(&format!("SHOW VARIABLES LIKE '{name}'")).remove(0).remove(1)
}

#[test]
fn sizes_have_units() {
    for (given, bytes) in [("8M", "8388608"), ("1g", "1073741824"), ("6144K", "6291456"), ("9000000", "9000000")] {
        let host = HostConfig::new().bare().arg(format!("--innodb-buffer-pool-size={given}")).start();
        assert_eq!(variable(&host, "innodb_buffer_pool_size"), bytes, "{given}");
    }
    for wrong in ["1X", "M", "1MB", "99999999999G", "-1M"] {
        let error =
            HostConfig::new().bare().arg(format!("--innodb-buffer-pool-size={wrong}")).try_start().err().unwrap();
        assert!(error.contains("innodb_buffer_pool_size") && error.contains(wrong), "{wrong}: {error}");
    }
}

#[test]
fn options_come_from_a_file_too() {
    let config = HostConfig::new().no_option();
    let path = config.scratch().join("my.cnf");
    fs::write(
        &path,
        "# a comment\n; and one more\n\n[client]\nport=1\nnonsense\n\n\
         [mysqld]\ninnodb-buffer-pool-size = 8M\ninnodb_redo_log_capacity=64M\nsymbolic-links=0\nskip_name_resolve\n\n\
         [memcached-host]\n  daemon_memcached_option = \"-p 0 -t 2\"\ninnodb_lock_wait_timeout=7\nskip-networking\n",
    )
    .unwrap();
    let mut command = std::process::Command::new(crate::common::program());
    command.arg(format!("--defaults-file={}", path.display())).arg("--innodb-lock-wait-timeout=8");
    command.arg(format!("--datadir={}", config.datadir().display())).args(["-e", "SHOW VARIABLES"]);
    let output = command.output().unwrap();
    let (said, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{log}");
    for line in [
        "innodb_buffer_pool_size\t8388608",
        "innodb_lock_wait_timeout\t8",
        "daemon_memcached_option\t-p 0 -t 2",
        "skip_networking\tON",
    ] {
        assert!(said.lines().any(|known| known == line), "no {line}:\n{said}");
    }
    for unknown in ["symbolic-links", "skip_name_resolve", "innodb_redo_log_capacity"] {
        assert!(log.contains("[Warning]") && log.contains(unknown), "{unknown}: {log}");
    }
    // In a section of its own a mistake ends the start, with file and line.
    for (text, expected) in [
        ("[memcached-host]\nsymbolic-links=0\n", "unknown option '--symbolic-links=0'"),
        ("[mysqld]\nport=http\n", "takes a number"),
        ("[memcached-host]\nhelp\n", "has no place in a file"),
        ("!include /etc/my.cnf\n", "line 1"),
    ] {
        fs::write(&path, text).unwrap();
        let output = command.output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && log.contains(expected), "{text}: {log}");
    }
    command.args(["--defaults-file=x"]);
    fs::write(&path, "").unwrap();
    assert!(String::from_utf8_lossy(&command.output().unwrap().stderr).contains("must be the first"));
    fs::remove_file(&path).unwrap();
    assert!(String::from_utf8_lossy(&command.output().unwrap().stderr).contains("cannot read options file"));
}

#[test]
fn the_log_goes_to_a_file_and_is_opened_anew_after_a_rotation() {
    let config = HostConfig::new();
    let (log, pid) = (config.scratch().join("error.log"), config.scratch().join("host.pid"));
    let config = config.arg(format!("--log-error={}", log.display())).arg(format!("--pid-file={}", pid.display()));
    let host = config.start();
    assert_eq!(fs::read_to_string(&pid).unwrap(), format!("{}\n", host.pid()));
    assert!(fs::read_to_string(&log).unwrap().contains("listening on"));
    assert_eq!(host.log(), "");
    let rotated = log.with_extension("log.1");
    fs::rename(&log, &rotated).unwrap();
    host.signal(libc::SIGHUP);
    crate::common::patient::wait_until("a new log file", || log.exists());
    host.sql("UNINSTALL PLUGIN daemon_memcached").unwrap();
    host.sql("INSTALL PLUGIN daemon_memcached SONAME 'daemon_memcached.so'").unwrap();
    assert!(fs::read_to_string(&log).unwrap().contains("listening on"));
    assert_eq!(fs::read_to_string(&rotated).unwrap().matches("listening on").count(), 1);
    assert!(host.terminate().success());
    assert!(!pid.exists());
    // A start that fails says so in both places.
    let error = config.clone().arg("--innodb-buffer-pool-size=1").try_start().err().unwrap();
    assert!(error.contains("innodb_buffer_pool_size"), "{error}");
    assert!(fs::read_to_string(&log).unwrap().contains("[ERROR] DM3001: cannot open the data directory"));
}
