//! The statements that belong to the program around the engine: plugins, its variables and its status.

use super::error::{Result, SqlError};
use super::loadable::Functions;

/// What is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostStatement<'a> {
    /// INSTALL PLUGIN.
    InstallPlugin {
        /// The plugin.
        name: &'a str,
        /// Its library, as written.
        soname: &'a str,
    },
    /// UNINSTALL PLUGIN.
    UninstallPlugin {
        /// The plugin.
        name: &'a str,
    },
    /// SHOW PLUGINS.
    ShowPlugins,
    /// Every variable as a row of name and value.
    ShowVariables,
    /// Every status variable likewise.
    ShowStatus,
    /// SET GLOBAL of a variable the engine does not know.
    SetGlobal {
        /// The variable.
        name: &'a str,
        /// None is DEFAULT.
        value: Option<&'a str>,
    },
    /// Each client of a plugin as a row of number, user, address, database, seconds since it was heard, and state.
    ShowConnections,
    /// KILL of such a client.
    Kill {
        /// Its number, in digits.
        number: &'a str,
    },
    /// The file of a library, as a row of one value.
    LibraryFile {
        /// The library, as SONAME has it.
        soname: &'a str,
    },
}

/// What comes back.
#[derive(Debug, Default)]
pub struct HostReply {
    /// Headings; none for a reply without a result set, and not needed for rows of name and value.
    pub columns: Vec<String>,
    /// Rows; None is NULL.
    pub rows: Vec<Vec<Option<Vec<u8>>>>,
}

/// The program around the engine. Called without a lock of the engine held and outside of any running statement.
pub trait Host {
    /// Whether there is one: without it only the engine's own rows are shown.
    fn is_present(&self) -> bool;

    /// Runs a statement.
    ///
    /// # Errors
    /// The host's, as it words it.
    fn run(&self, statement: HostStatement<'_>) -> Result<HostReply>;

    /// The functions of libraries that its sessions may call.
    fn functions(&self) -> &Functions;
}

/// Asks for (name, value) rows; none without a host.
pub fn name_value_rows(host: &dyn Host, statement: HostStatement<'_>) -> Result<Vec<(String, String)>> {
    if !host.is_present() {
        return Ok(Vec::new());
    }
    let text = |cell: Option<Vec<u8>>| String::from_utf8_lossy(&cell.unwrap_or_default()).into_owned();
    let rows = host.run(statement)?.rows;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let mut cells = row.into_iter();
            Some((text(cells.next()?), text(cells.next()?)))
        })
        .collect())
}

/// Refuses what needs a host where there is none.
pub fn require(host: &dyn Host, what: &str) -> Result<()> {
    if host.is_present() { Ok(()) } else { Err(SqlError::unsupported(format_args!("{what} without a host program"))) }
}
