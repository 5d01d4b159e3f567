//! SHOW of tables, their columns and their indexes.

use super::ast::TableName;
use super::charset;
use super::definition::{default_text, key_text, listed_indexes, type_text};
use super::error::{Result, SqlError};
use super::function::like;
use super::info::find_table;
use super::listing::{Catalog, Cells, matches_any_case, report, with_pattern};
use super::privileges::Rights;
use super::result::Sink;
use crate::refengine::types::Charset;

/// The database that is named or the session's, and its tables that the account may see and the pattern matches.
fn visible<'a>(catalog: &'a Catalog<'_>, db: Option<&'a str>, pattern: Option<&str>) -> Result<(&'a str, Vec<String>)> {
    let db = db.or(catalog.info.database.as_deref()).ok_or_else(SqlError::no_database)?;
    let rights = Rights::of(catalog.info, catalog.engine)?;
    let matching = |name: &String| pattern.is_none_or(|p| like(name.as_bytes(), p.as_bytes(), Some('\\')));
    let mut names = catalog.engine.tables(db)?;
    names.retain(|name| rights.see_table(db, name) && matching(name));
    Ok((db, names))
}

/// SHOW TABLES.
pub fn tables(
    catalog: &Catalog<'_>,
    db: Option<&str>,
    pattern: Option<&str>,
    full: bool,
    sink: &mut dyn Sink,
) -> Result<usize> {
    let (db, names) = visible(catalog, db, pattern)?;
    let heading = with_pattern(&format!("Tables_in_{db}"), pattern);
    let rows = names.into_iter().map(|name| match full {
        false => vec![Some(name)],
        true => vec![Some(name), Some("BASE TABLE".to_owned())],
    });
    let headings = [heading.as_str(), "Table_type"];
    report(if full { &headings } else { &headings[..1] }, rows.collect(), sink)
}

/// SHOW TABLE STATUS. The engine keeps sizes and no times.
pub fn status(catalog: &Catalog<'_>, db: Option<&str>, pattern: Option<&str>, sink: &mut dyn Sink) -> Result<usize> {
    const HEADINGS: [&str; 18] = [
        "Name",
        "Engine",
        "Version",
        "Row_format",
        "Rows",
        "Avg_row_length",
        "Data_length",
        "Max_data_length",
        "Index_length",
        "Data_free",
        "Auto_increment",
        "Create_time",
        "Update_time",
        "Check_time",
        "Collation",
        "Checksum",
        "Create_options",
        "Comment",
    ];
    let (db, names) = visible(catalog, db, pattern)?;
    let row = |name: String| -> Cells {
        // What is dropped meanwhile has none.
        let (rows, bytes) = catalog.engine.table(db, &name).map(|table| table.size()).unwrap_or_default();
        let known = |heading: &str| match heading {
            "Name" => Some(name.clone()),
            "Engine" => Some("InnoDB".to_owned()),
            "Version" => Some("10".to_owned()),
            "Rows" => Some(rows.to_string()),
            "Avg_row_length" => Some(bytes.checked_div(rows).unwrap_or(0).to_string()),
            "Data_length" => Some(bytes.to_string()),
            "Row_format" => Some("Dynamic".to_owned()),
            "Collation" => Some("utf8mb4_bin".to_owned()),
            "Create_options" | "Comment" => Some(String::new()),
            _ => None,
        };
        HEADINGS.map(known).to_vec()
    };
    report(&HEADINGS, names.into_iter().map(row).collect(), sink)
}

/// DESCRIBE and SHOW COLUMNS. Names match in any case.
pub fn columns(
    catalog: &Catalog<'_>,
    name: &TableName,
    pattern: Option<&str>,
    full: bool,
    sink: &mut dyn Sink,
) -> Result<usize> {
    let table = find_table(catalog.engine, catalog.info.database_of(name)?, &name.name)?;
    let def = table.def();
    let mut rows = Vec::new();
    for (at, column) in def.columns.iter().enumerate() {
        if !matches_any_case(&column.name, pattern) {
            continue;
        }
        let null = if column.not_null { "NO" } else { "YES" };
        let text = |text: &str| Some(text.to_owned());
        let mut row = vec![text(&column.name), Some(type_text(&column.ty))];
        if full {
            let is_text = column.charset != Charset::Binary;
            row.push(is_text.then(|| charset::names(column.charset).1.to_owned()));
        }
        row.extend([text(null), text(key_text(def, at)), default_text(column), text("")]);
        if full {
            row.extend([text("select,insert,update,references"), text("")]);
        }
        rows.push(row);
    }
    match full {
        false => report(&["Field", "Type", "Null", "Key", "Default", "Extra"], rows, sink),
        true => report(
            &["Field", "Type", "Collation", "Null", "Key", "Default", "Extra", "Privileges", "Comment"],
            rows,
            sink,
        ),
    }
}

/// SHOW INDEX: a row per column of each index. The engine keeps no estimate of how many values there are.
pub fn indexes(catalog: &Catalog<'_>, name: &TableName, sink: &mut dyn Sink) -> Result<usize> {
    const HEADINGS: [&str; 15] = [
        "Table",
        "Non_unique",
        "Key_name",
        "Seq_in_index",
        "Column_name",
        "Collation",
        "Cardinality",
        "Sub_part",
        "Packed",
        "Null",
        "Index_type",
        "Comment",
        "Index_comment",
        "Visible",
        "Expression",
    ];
    let table = find_table(catalog.engine, catalog.info.database_of(name)?, &name.name)?;
    let def = table.def();
    let primary = std::iter::once(("PRIMARY", true, &def.primary_key));
    let others = listed_indexes(def).map(|index| (index.name.as_str(), index.unique, &index.columns));
    let mut rows = Vec::new();
    for (index, unique, columns) in primary.chain(others) {
        for (sequence, column) in (1..).zip(columns.iter().filter_map(|at| def.columns.get(*at))) {
            let text = |text: &str| Some(text.to_owned());
            let sequence: usize = sequence;
            rows.push(vec![
                text(&def.name),
                text(if unique { "0" } else { "1" }),
                text(index),
                Some(sequence.to_string()),
                text(&column.name),
                text("A"),
                None,
                None,
                None,
                text(if column.not_null { "" } else { "YES" }),
                text("BTREE"),
                text(""),
                text(""),
                text("YES"),
                None,
            ]);
        }
    }
    report(&HEADINGS, rows, sink)
}
