//! A real server of a tree that `tests/mysql/make-tree` or `tests/mariadb/make-tree` made, with the plugin in it, and the SQL clients'
//! view of the same rows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::encoder::Dialect;
use crate::peers::{self, Server};
use crate::sql;

/// The two measured tables, by the name of their containers: the key's type is all they differ in.
const TABLES: [(&str, &str); 2] = [("varbinary", "VARBINARY(250)"), ("utf8mb4", "VARCHAR(250) CHARACTER SET utf8mb4")];

/// The collation of the second, MySQL's and MariaDB's.
const COLLATIONS: [&str; 2] = ["utf8mb4_0900_ai_ci", "utf8mb4_general_ci"];

/// What makes the account, the database and a measured table of any server.
pub fn table_script(name: &str, key: &str) -> String {
    format!(
        "CREATE USER IF NOT EXISTS {user}@'127.0.0.1', {user}@'localhost'; CREATE DATABASE IF NOT EXISTS {database}; \
         GRANT ALL ON {database}.* TO {user}@'127.0.0.1', {user}@'localhost'; \
         CREATE TABLE {database}.`{name}` (c1 {key} NOT NULL PRIMARY KEY, c2 VARBINARY(8000), c3 INT UNSIGNED, \
         c4 BIGINT UNSIGNED, c5 INT UNSIGNED) ENGINE = InnoDB;",
        user = sql::USER,
        database = sql::DATABASE,
    )
}

/// A folder of the tree for this program's servers; it is removed when this is dropped.
pub struct Folder {
    tree: PathBuf,
    path: PathBuf,
    mariadb: bool,
}

impl Folder {
    /// `tree` is what a `make-tree` printed.
    pub fn new(tree: &Path) -> Result<Folder, String> {
        if !tree.join("data/template").is_dir() {
            return Err(format!("{}: no tree of tests/mysql/make-tree or tests/mariadb/make-tree", tree.display()));
        }
        let mariadb = tree.join("usr/sbin/mariadbd").exists();
        let path = tree.join(format!("data/run-bench-{}", std::process::id()));
        fs::create_dir(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Folder { tree: tree.to_owned(), path, mariadb })
    }

    /// A path as a program in the tree sees it.
    fn inside(&self, name: &str) -> String {
        let path = self.path.strip_prefix(&self.tree).unwrap_or(&self.path);
        format!("/{}/{name}", path.display())
    }

    /// Starts mysqld with these options on a fresh data directory and installs the plugin. Returns the plugin and SQL, for
    /// both tables; they share the process.
    pub fn start(&self, plugin: &Path, threads: usize, options: &[&str]) -> Result<Vec<Server>, String> {
        let _ = fs::remove_dir_all(self.path.join("db"));
        let template = self.tree.join("data/template");
        let copied = Command::new("cp").arg("-a").arg(&template).arg(self.path.join("db")).status();
        if !copied.is_ok_and(|status| status.success()) {
            return Err(format!("{} cannot be copied", template.display()));
        }
        // What is there belongs to this server alone: one that starts deletes all temporary tables in its folder.
        let temporary = self.path.join("tmp");
        fs::create_dir_all(&temporary).map_err(|e| format!("{}: {e}", temporary.display()))?;
        fs::copy(plugin, self.path.join("daemon_memcached.so")).map_err(|e| format!("{}: {e}", plugin.display()))?;
        let (port, plugin_port) = (peers::free_port()?, peers::free_port()?);
        let mut command = Command::new("chroot");
        command.arg(&self.tree).arg(if self.mariadb { "mariadbd" } else { "mysqld" });
        command.args(["--no-defaults", "--user=root", "--bind-address=127.0.0.1", "--innodb-buffer-pool-size=256M"]);
        if !self.mariadb {
            command.args(["--mysqlx=OFF", "--secure-file-priv=NULL"]);
        }
        command.args(["--skip-name-resolve", &format!("--port={port}")]);
        command.arg(format!("--plugin-dir={}", self.inside("")));
        command.arg(format!("--loose-daemon-memcached-option=-p {plugin_port} -c 4096 -t {threads}"));
        command.args(["--loose-daemon-memcached-enable-binlog=ON"]);
        for (option, file) in [("datadir", "db"), ("tmpdir", "tmp"), ("socket", "my.sock"), ("pid-file", "pid")] {
            command.arg(format!("--{option}={}", self.inside(file)));
        }
        command.args(options);
        let mut server = peers::start(&self.path, "mysqld", Dialect::Sql, port, String::new(), command)?;
        let socket = self.path.join("my.sock");
        let mut session = sql::administrator(&socket)?;
        server.socket = Some(socket);
        // What MariaDB says in front of its version is for clients that are older than it.
        let version = session.version.strip_prefix("5.5.5-").unwrap_or(&session.version);
        server.version = format!("{} {version}", if self.mariadb { "MariaDB" } else { "MySQL" });
        session.run(include_str!("../../../sql/innodb_memcached_config.sql"))?;
        session.run("DELETE FROM innodb_memcache.containers")?;
        for (name, key) in TABLES {
            let collation = format!("{key} COLLATE {}", COLLATIONS[usize::from(self.mariadb)]);
            session.run(&table_script(name, if key.starts_with("VARCHAR") { &collation } else { key }))?;
            session.run(&format!(
                "INSERT INTO innodb_memcache.containers VALUES \
                 ('{name}', '{}', '{name}', 'c1', 'c2', 'c3', 'c4', 'c5', 'PRIMARY')",
                sql::DATABASE
            ))?;
        }
        session.run("INSTALL PLUGIN daemon_memcached SONAME 'daemon_memcached.so'")?;
        let mut servers = Vec::new();
        for (table, _) in TABLES {
            for (kind, dialect, port) in [("plugin", Dialect::Memcached, plugin_port), ("sql", Dialect::Sql, port)] {
                servers.push(server.beside(format!("{kind}-{table}"), dialect, port, table));
            }
        }
        // The process ends with the list.
        if let Some(first) = servers.first_mut() {
            first.child = server.child.take();
        }
        Ok(servers)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
