//! `information_schema`: what clients ask of it, made up from the catalog for each statement. It holds what the account may see.
//!
//! A view is found by its full name alone: `USE information_schema` is not supported, and SHOW DATABASES does not list it.

use super::ast::{INFORMATION_SCHEMA, TableRef};
use super::charset;
use super::definition::{default_text, key_text, type_text};
use super::error::{Result, SqlError};
use super::expr::TableScope;
use super::info::Info;
use super::privileges::Rights;
use crate::refengine::codes;
use crate::refengine::types::{Charset, ColumnDef, ColumnType, Row, TableDef, Value};

/// Each view and its columns; those in `NUMBERS` are numbers. There are no triggers.
const VIEWS: [(&str, &[&str]); 4] = [
    ("SCHEMATA", &["CATALOG_NAME", "SCHEMA_NAME", "DEFAULT_CHARACTER_SET_NAME", "DEFAULT_COLLATION_NAME", "SQL_PATH"]),
    (
        "TABLES",
        &[
            "TABLE_CATALOG",
            "TABLE_SCHEMA",
            "TABLE_NAME",
            "TABLE_TYPE",
            "ENGINE",
            "VERSION",
            "ROW_FORMAT",
            "TABLE_ROWS",
            "DATA_LENGTH",
            "TABLE_COLLATION",
            "CREATE_OPTIONS",
            "TABLE_COMMENT",
        ],
    ),
    (
        "COLUMNS",
        &[
            "TABLE_CATALOG",
            "TABLE_SCHEMA",
            "TABLE_NAME",
            "COLUMN_NAME",
            "ORDINAL_POSITION",
            "COLUMN_DEFAULT",
            "IS_NULLABLE",
            "DATA_TYPE",
            "CHARACTER_SET_NAME",
            "COLLATION_NAME",
            "COLUMN_TYPE",
            "COLUMN_KEY",
            "EXTRA",
            "COLUMN_COMMENT",
            "GENERATION_EXPRESSION",
        ],
    ),
    ("TRIGGERS", &["TRIGGER_CATALOG", "TRIGGER_SCHEMA", "TRIGGER_NAME", "EVENT_OBJECT_SCHEMA", "EVENT_OBJECT_TABLE"]),
];
const NUMBERS: [&str; 4] = ["VERSION", "TABLE_ROWS", "DATA_LENGTH", "ORDINAL_POSITION"];

/// A view under a name, with its rows.
pub struct View {
    pub def: TableDef,
    pub rows: Vec<Row>,
    name: String,
    aliased: bool,
}

impl View {
    /// The view of that name, for a session; 1109 if there is none.
    pub fn open(info: &Info, reference: &TableRef) -> Result<View> {
        let name = &reference.name.name;
        let Some((known, columns)) = VIEWS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
            return Err(SqlError::new(
                codes::ER_UNKNOWN_TABLE,
                format!("Unknown table '{name}' in {INFORMATION_SCHEMA}"),
            ));
        };
        Ok(View {
            def: definition(known, columns),
            rows: rows(info, known)?,
            name: reference.alias.clone().unwrap_or_else(|| name.clone()),
            aliased: reference.alias.is_some(),
        })
    }

    /// What expressions may call it.
    pub fn scope(&self) -> TableScope<'_> {
        TableScope { def: &self.def, name: &self.name, aliased: self.aliased }
    }
}

fn definition(name: &str, columns: &[&str]) -> TableDef {
    let column = |name: &&str| ColumnDef {
        name: (*name).to_owned(),
        ty: if NUMBERS.contains(name) {
            ColumnType::Int { bytes: 8, unsigned: true }
        } else {
            ColumnType::VarChar { chars: 64 }
        },
        charset: Charset::Utf8mb4,
        not_null: false,
        default: None,
    };
    TableDef {
        db: INFORMATION_SCHEMA.to_owned(),
        name: name.to_owned(),
        columns: columns.iter().map(column).collect(),
        primary_key: Vec::new(),
        indexes: Vec::new(),
    }
}

fn text(text: impl Into<String>) -> Value {
    Value::Bytes(text.into().into_bytes())
}

fn rows(info: &Info, view: &str) -> Result<Vec<Row>> {
    let (engine, rights) = (&info.engine, Rights::of(info, &info.engine)?);
    let (charset, collation) = charset::names(Charset::Utf8mb4);
    let mut rows = Vec::new();
    for db in engine.databases().into_iter().filter(|db| rights.see_database(db)) {
        if view == "SCHEMATA" {
            rows.push(vec![text("def"), text(db), text(charset), text(collation), Value::Null]);
            continue;
        }
        // What is dropped meanwhile is left out.
        let names = engine.tables(&db).unwrap_or_default().into_iter().filter(|table| rights.see_table(&db, table));
        for table in names.filter_map(|name| engine.table(&db, &name).ok()) {
            match view {
                "TABLES" => rows.push(vec![
                    text("def"),
                    text(&*db),
                    text(&*table.def().name),
                    text("BASE TABLE"),
                    text("InnoDB"),
                    Value::UInt(10),
                    text("Dynamic"),
                    Value::UInt(table.size().0),
                    Value::UInt(table.size().1),
                    text(collation),
                    text(""),
                    text(""),
                ]),
                "TRIGGERS" => {}
                _ => rows.extend((1..).zip(&table.def().columns).map(|(n, column)| column_row(table.def(), column, n))),
            }
        }
    }
    Ok(rows)
}

fn column_row(def: &TableDef, column: &ColumnDef, number: usize) -> Row {
    let names = (column.charset != Charset::Binary).then(|| charset::names(column.charset));
    let full_type = type_text(&column.ty);
    let data_type = full_type.split(['(', ' ']).next().unwrap_or_default();
    vec![
        text("def"),
        text(&*def.db),
        text(&*def.name),
        text(&*column.name),
        Value::UInt(number as u64),
        default_text(column).map_or(Value::Null, text),
        text(if column.not_null { "NO" } else { "YES" }),
        text(data_type),
        names.map_or(Value::Null, |(charset, _)| text(charset)),
        names.map_or(Value::Null, |(_, collation)| text(collation)),
        text(&*full_type),
        text(key_text(def, number - 1)),
        text(""),
        text(""),
        text(""),
    ]
}
