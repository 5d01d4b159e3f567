//! SHOW and DESCRIBE.

use super::ast::{Account, Show};
use super::definition::{create_database_text, create_text};
use super::error::{Result, SqlError};
use super::function::like;
use super::host::{HostStatement, name_value_rows, require};
use super::identity::ROOT;
use super::info::find_table;
use super::listing::{Catalog, Cells, matches_any_case, report, report_reply, with_pattern};
use super::privileges::{self, Rights};
use super::processes::PLUGIN_IDS;
use super::result::Sink;
use super::{accounts, show_table};
use crate::refengine::Error;
use crate::refengine::codes;

/// Headings of what does not exist here, for tools that ask for it.
const TRIGGERS: &[&str] = &["Trigger", "Event", "Table", "Statement", "Timing", "Created", "sql_mode", "Definer"];
const EVENTS: &[&str] = &[
    "Db",
    "Name",
    "Definer",
    "Time zone",
    "Type",
    "Execute at",
    "Interval value",
    "Interval field",
    "Starts",
    "Ends",
    "Status",
    "Originator",
];
const ROUTINES: &[&str] = &["Db", "Name", "Type", "Definer", "Modified", "Created", "Security_type", "Comment"];
const CHARSETS: &[&str] = &["character_set_client", "collation_connection", "Database Collation"];

/// Runs SHOW and returns how many columns it showed.
pub fn show(catalog: &Catalog<'_>, show: &Show, sink: &mut dyn Sink) -> Result<usize> {
    match show {
        Show::Databases { like } => {
            let heading = with_pattern("Database", like.as_deref());
            let rights = Rights::of(catalog.info, catalog.engine)?;
            let visible = catalog.engine.databases().into_iter().filter(|db| rights.see_database(db)).collect();
            one_column(&heading, visible, like.as_deref(), sink)
        }
        Show::Tables { db, like, full } => show_table::tables(catalog, db.as_deref(), like.as_deref(), *full, sink),
        Show::TableStatus { db, like } => show_table::status(catalog, db.as_deref(), like.as_deref(), sink),
        Show::CreateDatabase { name, if_not_exists } => {
            if !catalog.engine.databases().contains(name) {
                return Err(Error::NoSuchDatabase(name.clone()).into());
            }
            let cells = vec![Some(name.clone()), Some(create_database_text(name, *if_not_exists))];
            report(&["Database", "Create Database"], vec![cells], sink)
        }
        Show::Triggers { .. } => report(&[TRIGGERS, CHARSETS].concat(), Vec::new(), sink),
        Show::Events { .. } => report(&[EVENTS, CHARSETS].concat(), Vec::new(), sink),
        Show::Routines => report(&[ROUTINES, CHARSETS].concat(), Vec::new(), sink),
        Show::Engines => {
            let headings = ["Engine", "Support", "Comment", "Transactions", "XA", "Savepoints"];
            let comment = "Transactions and row locks, by InnoDB's rules";
            let cells = ["InnoDB", "DEFAULT", comment, "YES", "NO", "NO"].map(|text| Some(text.to_owned()));
            report(&headings, vec![cells.to_vec()], sink)
        }
        Show::CreateTable(name) => {
            let table = find_table(catalog.engine, catalog.info.database_of(name)?, &name.name)?;
            let cells = vec![Some(table.def().name.clone()), Some(create_text(table.def()))];
            report(&["Table", "Create Table"], vec![cells], sink)
        }
        Show::Columns { table, like, full } => show_table::columns(catalog, table, like.as_deref(), *full, sink),
        Show::Index(table) => show_table::indexes(catalog, table, sink),
        Show::Variables { like } => variables(catalog, like.as_deref(), sink),
        Show::Status { like } => {
            let mut rows = name_value_rows(catalog.host, HostStatement::ShowStatus)?;
            rows.push(("Innodb_os_log_fsyncs".to_owned(), catalog.engine.log_syncs().to_string()));
            rows.push(("Innodb_row_lock_current_waits".to_owned(), catalog.engine.lock_waits().to_string()));
            name_values(rows, like.as_deref(), sink)
        }
        Show::Plugins => {
            require(catalog.host, "SHOW PLUGINS")?;
            report_reply(catalog.host.run(HostStatement::ShowPlugins)?, sink)
        }
        Show::Grants { account } => grants(catalog, account.as_ref(), sink),
        Show::Processlist { full } => processlist(catalog, *full, sink),
        Show::Warnings => {
            let line = |w: &super::warnings::Warning| {
                vec![Some(w.level.to_owned()), Some(w.errno.to_string()), Some(w.message.clone())]
            };
            report(&["Level", "Code", "Message"], catalog.warnings.list().iter().map(line).collect(), sink)
        }
    }
}

fn grants(catalog: &Catalog<'_>, account: Option<&Account>, sink: &mut dyn Sink) -> Result<usize> {
    let own = &catalog.info.identity.account;
    let own = Account { user: own.0.clone(), host: own.1.clone() };
    let Account { user, host } = account.unwrap_or(&own);
    if !accounts::exists(catalog.engine, account.unwrap_or(&own))? {
        let text = format!("There is no such grant defined for user '{user}' on host '{host}'");
        return Err(SqlError::new(codes::ER_NONEXISTING_GRANT, text));
    }
    let granted = accounts::grants_of(catalog.engine, &(user.clone(), host.clone()))?;
    let texts = privileges::grant_texts((user, host), (user.as_str(), host.as_str()) == ROOT, granted);
    let rows = texts.into_iter().map(|text| vec![Some(text)]).collect();
    report(&[&format!("Grants for {user}@{host}")], rows, sink)
}

/// The most of a statement that SHOW PROCESSLIST shows without FULL.
const SHORT_INFO: usize = 100;

/// Connections of the SQL end, the session that asks, a line for the memcached daemon and one for each of its clients.
fn processlist(catalog: &Catalog<'_>, full: bool, sink: &mut dyn Sink) -> Result<usize> {
    let identity = &catalog.info.identity;
    let all = Rights::of(catalog.info, catalog.engine)?.everywhere("PROCESS");
    let mut rows = Vec::new();
    for process in catalog.processes.list() {
        if !all && process.account != identity.account {
            continue;
        }
        let command = match (&process.user, &process.statement) {
            (None, _) => "Connect",
            (_, None) => "Sleep",
            (_, Some(_)) => "Query",
        };
        let shown = |text: String| match text.char_indices().nth(SHORT_INFO) {
            Some((at, _)) if !full => text.get(..at).unwrap_or("").to_owned(),
            _ => text,
        };
        let state = process.statement.as_ref().map(|_| "executing".to_owned());
        rows.push(vec![
            Some(process.id.to_string()),
            Some(process.user.unwrap_or_else(|| "unauthenticated user".to_owned())),
            Some(process.host),
            process.database,
            Some(command.to_owned()),
            Some(process.since.elapsed().as_secs().to_string()),
            Some(state.unwrap_or_default()),
            process.statement.map(shown),
        ]);
    }
    if identity.id == 0 {
        let texts = ["0", &identity.user, &identity.host].map(|text| Some(text.to_owned()));
        let rest = ["Query", "0", "executing", "SHOW PROCESSLIST"].map(|text| Some(text.to_owned()));
        rows.push(texts.into_iter().chain([catalog.info.database.clone()]).chain(rest).collect());
    }
    if all {
        rows.extend(memcached_line(catalog)?);
        rows.extend(memcached_connections(catalog)?);
    }
    report(&["Id", "User", "Host", "db", "Command", "Time", "State", "Info"], rows, sink)
}

fn memcached_line(catalog: &Catalog<'_>) -> Result<Option<Cells>> {
    let status = name_value_rows(catalog.host, HostStatement::ShowStatus)?;
    let value =
        |name: &str| status.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone());
    let Some(listening) = value("Daemon_memcached_listening").filter(|text| !text.is_empty()) else { return Ok(None) };
    let connections = value("Daemon_memcached_curr_connections").unwrap_or_default();
    Ok(Some(vec![
        Some("0".to_owned()),
        Some("daemon_memcached".to_owned()),
        Some(listening),
        None,
        Some("Daemon".to_owned()),
        value("Daemon_memcached_uptime"),
        Some(format!("{connections} connections")),
        None,
    ]))
}

/// The clients of a plugin. Between two requests, which is nearly always, they are as idle as a session between statements.
fn memcached_connections(catalog: &Catalog<'_>) -> Result<Vec<Cells>> {
    if !catalog.host.is_present() {
        return Ok(Vec::new());
    }
    let text = |cell: Vec<u8>| String::from_utf8_lossy(&cell).into_owned();
    let line = |row: Vec<Option<Vec<u8>>>| {
        let mut cells = row.into_iter().map(|cell| cell.map(text));
        let number: u64 = cells.next()??.parse().ok()?;
        let [user, host, database, seconds, state] = std::array::from_fn(|_| cells.next().flatten());
        let (id, user) = (PLUGIN_IDS.checked_add(number)?, user.unwrap_or_else(|| "memcached".to_owned()));
        let command = Some("Sleep".to_owned());
        Some(vec![Some(id.to_string()), Some(user), host, database, command, seconds, state, None])
    };
    Ok(catalog.host.run(HostStatement::ShowConnections)?.rows.into_iter().filter_map(line).collect())
}

fn one_column(heading: &str, names: Vec<String>, pattern: Option<&str>, sink: &mut dyn Sink) -> Result<usize> {
    let matching = |name: &String| pattern.is_none_or(|p| like(name.as_bytes(), p.as_bytes(), Some('\\')));
    let rows = names.into_iter().filter(matching).map(|name| vec![Some(name)]).collect();
    report(&[heading], rows, sink)
}

/// The session's variables, the engine's and the host's; of one name the first counts.
fn variables(catalog: &Catalog<'_>, pattern: Option<&str>, sink: &mut dyn Sink) -> Result<usize> {
    let own = catalog.info.variables.list().into_iter().map(|(name, value)| (name.to_owned(), value));
    let mut rows: Vec<(String, String)> = own.chain(catalog.engine.variables()).collect();
    rows.extend(name_value_rows(catalog.host, HostStatement::ShowVariables)?);
    name_values(rows, pattern, sink)
}

fn name_values(mut rows: Vec<(String, String)>, pattern: Option<&str>, sink: &mut dyn Sink) -> Result<usize> {
    // Stable: of two with one name the first stays first.
    rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    rows.dedup_by(|(later, _), (first, _)| later == first);
    rows.retain(|(name, _)| matches_any_case(name, pattern));
    let cells = rows.into_iter().map(|(name, value)| vec![Some(name), Some(value)]).collect();
    report(&["Variable_name", "Value"], cells, sink)
}
