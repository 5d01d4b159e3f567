//! MariaDB with an SQL client in front, as a peer: Debian's server on a data directory of its own.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::encoder::Dialect;
use crate::mysqld::table_script;
use crate::peers::{self, Server};
use crate::{machine, sql};

/// The measured table.
pub const TABLE: &str = "varbinary";

/// Starts a server with this `innodb_flush_log_at_trx_commit` and these options, and makes the measured table.
pub fn start(folder: &Path, name: &str, level: u32, options: &[&str]) -> Result<Server, String> {
    let Some(version) = peers::version(&mut Command::new("mariadbd"), "--version") else {
        return Err(format!("{name}: mariadbd does not run (Debian package mariadb-server)"));
    };
    let data = peers::make(folder, name)?;
    let temporary = peers::make(folder, &format!("{name}-tmp"))?;
    let port = peers::free_port()?;
    let socket = data.join("my.sock");
    let mut install = Command::new("mariadb-install-db");
    install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
    install.arg(format!("--datadir={}", data.display()));
    let mut command = Command::new("mariadbd");
    command.args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin"]);
    command.args([format!("--datadir={}", data.display()), format!("--socket={}", socket.display())]);
    command.args([format!("--tmpdir={}", temporary.display())]);
    command.args([format!("--port={port}"), format!("--innodb-flush-log-at-trx-commit={level}")]);
    command.args(["--innodb-buffer-pool-size=256M", "--max-connections=2000"]).args(options);
    if machine::is_root() {
        // It refuses root unless told so.
        install.arg("--user=root");
        command.arg("--user=root");
    }
    let installed = install.stdin(Stdio::null()).output().map_err(|e| format!("{name}: mariadb-install-db: {e}"))?;
    if !installed.status.success() {
        return Err(format!("{name}: mariadb-install-db: {}", String::from_utf8_lossy(&installed.stderr).trim()));
    }
    let mut server = peers::start(folder, name, Dialect::Sql, port, version, command)?;
    server.table = TABLE;
    server.socket = Some(socket.clone());
    sql::administrator(&socket)?.run(&table_script(TABLE, "VARBINARY(250)"))?;
    Ok(server)
}
