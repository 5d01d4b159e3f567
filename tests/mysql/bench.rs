//! `memcached-bench --mysql`: the plugin and prepared statements on the same rows of a real server. Started by
//! `tests/run --mysql`.
#![cfg(feature = "bench")]

use std::process::Command;

#[test]
#[ignore = "needs a MySQL server: tests/run --mysql"]
fn the_plugin_and_prepared_statements_are_measured_on_the_same_rows() {
    let tree = std::env::var("DM_MYSQL_TREE").expect("DM_MYSQL_TREE is not set: run tests/run --mysql");
    let program = env!("CARGO_BIN_EXE_memcached-bench");
    let plugin = std::path::Path::new(program).with_file_name("deps").join("libdaemon_memcached.so");
    let output = Command::new(program)
        .args(["--mysql", &tree, "--plugin", plugin.to_str().unwrap(), "--rounds", "1", "--seconds", "0.05"])
        .args(["--keys", "200", "--only", "get-p32,mget50,set-p16-c8-binlog"])
        .output()
        .unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{errors}");
    for row in ["get-p32-c8", "mget50-c8", "set-p16-c8-binlog"] {
        for server in ["plugin-varbinary", "sql-varbinary", "plugin-utf8mb4", "sql-utf8mb4", "memcached"] {
            let cells = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
            let rate =
                cells.filter(|cells| cells.starts_with(&[row, server])).find_map(|cells| cells.get(2)?.parse().ok());
            assert!(rate.is_some_and(|rate: f64| rate > 0.0), "{row} on {server}:\n{text}\n{errors}");
        }
    }
}
