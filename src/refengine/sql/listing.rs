//! What SHOW and DESCRIBE print: headings and rows of text.

use std::borrow::Cow;

use super::error::Result;
use super::eval::RowView;
use super::expr::{Expr, TableScope};
use super::function::like;
use super::host::{Host, HostReply};
use super::info::Info;
use super::processes::Processes;
use super::result::{End, ResultColumn, Sink};
use super::warnings::Warnings;
use crate::refengine::Engine;
use crate::refengine::types::{Charset, ColumnDef, ColumnType, TableDef, Value};

/// What SHOW may look at.
pub struct Catalog<'a> {
    pub engine: &'a Engine,
    pub info: &'a Info,
    pub warnings: &'a Warnings,
    pub host: &'a dyn Host,
    pub processes: &'a Processes,
}

/// A row: `None` is NULL.
pub type Cells = Vec<Option<String>>;

/// A heading, with LIKE's pattern behind it as MySQL prints it.
pub fn with_pattern(heading: &str, pattern: Option<&str>) -> String {
    pattern.map_or_else(|| heading.to_owned(), |pattern| format!("{heading} ({pattern})"))
}

/// LIKE without regard to case; without a pattern everything matches.
pub fn matches_any_case(name: &str, pattern: Option<&str>) -> bool {
    let folded = |text: &str| text.to_lowercase().into_bytes();
    pattern.is_none_or(|pattern| like(&folded(name), &folded(pattern), Some('\\')))
}

/// Reports rows and returns how many columns they have.
pub fn report(headings: &[&str], rows: Vec<Cells>, sink: &mut dyn Sink) -> Result<usize> {
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

/// Passes on the rows of a SHOW for which a condition over its headings holds.
pub struct Matching<'a> {
    info: &'a Info,
    condition: &'a sqlparser::ast::Expr,
    compiled: Option<Expr>,
    sink: &'a mut dyn Sink,
}

impl<'a> Matching<'a> {
    /// The condition is compiled when the headings are known.
    pub fn new(info: &'a Info, condition: &'a sqlparser::ast::Expr, sink: &'a mut dyn Sink) -> Matching<'a> {
        Matching { info, condition, compiled: None, sink }
    }
}

impl Sink for Matching<'_> {
    fn columns(&mut self, columns: &[ResultColumn]) -> Result<()> {
        let column = |column: &ResultColumn| ColumnDef {
            name: column.name.clone(),
            ty: ColumnType::VarChar { chars: 64 },
            charset: Charset::Utf8mb4,
            not_null: false,
            default: None,
        };
        let def = TableDef {
            db: String::new(),
            name: String::new(),
            columns: columns.iter().map(column).collect(),
            primary_key: Vec::new(),
            indexes: Vec::new(),
        };
        let scope = TableScope { def: &def, name: "", aliased: false };
        self.compiled = Some(self.info.compiler(Some(scope), "where clause").compile(self.condition)?);
        self.sink.columns(columns)
    }

    fn row(&mut self, values: &[Option<Cow<'_, [u8]>>]) -> Result<()> {
        let cell = |cell: &Option<Cow<'_, [u8]>>| cell.as_ref().map_or(Value::Null, |text| Value::Bytes(text.to_vec()));
        let row: Vec<Value> = values.iter().map(cell).collect();
        let holds = match &self.compiled {
            Some(condition) => condition.test(&RowView { row: &row, ..RowView::default() })? == Some(true),
            None => true,
        };
        if holds { self.sink.row(values) } else { Ok(()) }
    }

    fn done(&mut self, end: End) -> Result<()> {
        self.sink.done(end)
    }
}
