//! SHOW and DESCRIBE.

use std::borrow::Cow;

use super::ast::{Show, TableName};
use super::definition::{create_text, default_text, key_text, type_text};
use super::error::{Result, SqlError};
use super::function::like;
use super::host::{Host, HostReply, HostStatement, name_value_rows, require};
use super::result::{ResultColumn, Sink};
use super::rows::find_table;
use super::session::Info;
use super::warnings::Warnings;
use crate::refengine::Engine;

/// What SHOW may look at.
pub struct Catalog<'a> {
    pub engine: &'a Engine,
    pub info: &'a Info,
    pub warnings: &'a Warnings,
    pub host: &'a dyn Host,
}

type Cells = Vec<Option<String>>;

/// Runs SHOW and returns how many columns it showed.
pub fn show(catalog: &Catalog<'_>, show: &Show, sink: &mut dyn Sink) -> Result<usize> {
    match show {
        Show::Databases { like } => {
            let heading = with_pattern("Database", like.as_deref());
            one_column(&heading, catalog.engine.databases(), like.as_deref(), sink)
        }
        Show::Tables { db, like } => {
            let db = db.as_deref().or(catalog.info.database.as_deref()).ok_or_else(SqlError::no_database)?;
            let heading = with_pattern(&format!("Tables_in_{db}"), like.as_deref());
            one_column(&heading, catalog.engine.tables(db)?, like.as_deref(), sink)
        }
        Show::CreateTable(name) => {
            let table = find_table(catalog.engine, catalog.info.database_of(name)?, &name.name)?;
            let cells = vec![Some(table.def().name.clone()), Some(create_text(table.def()))];
            report(&["Table", "Create Table"], vec![cells], sink)
        }
        Show::Columns { table, like } => describe(catalog, table, like.as_deref(), sink),
        Show::Variables { like } => variables(catalog, like.as_deref(), sink),
        Show::Status { like } => {
            let mut rows = name_value_rows(catalog.host, HostStatement::ShowStatus)?;
            rows.push(("Innodb_row_lock_current_waits".to_owned(), catalog.engine.lock_waits().to_string()));
            name_values(rows, like.as_deref(), sink)
        }
        Show::Plugins => {
            require(catalog.host, "SHOW PLUGINS")?;
            report_reply(catalog.host.run(HostStatement::ShowPlugins)?, sink)
        }
        Show::Warnings => {
            let line = |w: &super::warnings::Warning| {
                vec![Some(w.level.to_owned()), Some(w.errno.to_string()), Some(w.message.clone())]
            };
            report(&["Level", "Code", "Message"], catalog.warnings.list().iter().map(line).collect(), sink)
        }
    }
}

fn with_pattern(heading: &str, pattern: Option<&str>) -> String {
    pattern.map_or_else(|| heading.to_owned(), |pattern| format!("{heading} ({pattern})"))
}

fn one_column(heading: &str, names: Vec<String>, pattern: Option<&str>, sink: &mut dyn Sink) -> Result<usize> {
    let matching = |name: &String| pattern.is_none_or(|p| like(name.as_bytes(), p.as_bytes(), Some('\\')));
    let rows = names.into_iter().filter(matching).map(|name| vec![Some(name)]).collect();
    report(&[heading], rows, sink)
}

/// DESCRIBE and SHOW COLUMNS. Names match in any case.
pub fn describe(catalog: &Catalog<'_>, name: &TableName, pattern: Option<&str>, sink: &mut dyn Sink) -> Result<usize> {
    let table = find_table(catalog.engine, catalog.info.database_of(name)?, &name.name)?;
    let def = table.def();
    let mut rows = Vec::new();
    for (at, column) in def.columns.iter().enumerate() {
        if !matches_any_case(&column.name, pattern) {
            continue;
        }
        let null = if column.not_null { "NO" } else { "YES" };
        rows.push(vec![
            Some(column.name.clone()),
            Some(type_text(&column.ty)),
            Some(null.to_owned()),
            Some(key_text(def, at).to_owned()),
            default_text(column),
            Some(String::new()),
        ]);
    }
    report(&["Field", "Type", "Null", "Key", "Default", "Extra"], rows, sink)
}

fn matches_any_case(name: &str, pattern: Option<&str>) -> bool {
    let folded = |text: &str| text.to_lowercase().into_bytes();
    pattern.is_none_or(|pattern| like(&folded(name), &folded(pattern), Some('\\')))
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

fn report(headings: &[&str], rows: Vec<Cells>, sink: &mut dyn Sink) -> Result<usize> {
    sink.columns(&headings.iter().map(|heading| ResultColumn::text(heading)).collect::<Vec<_>>())?;
    for row in &rows {
        let values: Vec<_> = row.iter().map(|cell| cell.as_ref().map(|text| Cow::Borrowed(text.as_bytes()))).collect();
        sink.row(&values)?;
    }
    Ok(headings.len())
}

/// Passes a host's rows on and returns how many columns they have.
pub fn report_reply(reply: HostReply, sink: &mut dyn Sink) -> Result<usize> {
    if reply.columns.is_empty() {
        return Ok(0);
    }
    sink.columns(&reply.columns.iter().map(|name| ResultColumn::text(name)).collect::<Vec<_>>())?;
    for row in &reply.rows {
        let cell = |cell: &Option<Vec<u8>>| cell.clone().map(Cow::Owned);
        // A host that reports too few or too many values must not upset the reader.
        let values: Vec<_> = (0..reply.columns.len()).map(|at| row.get(at).and_then(cell)).collect();
        sink.row(&values)?;
    }
    Ok(reply.columns.len())
}
