//! What SHOW and DESCRIBE print: headings and rows of text.

use std::borrow::Cow;

use super::error::Result;
use super::function::like;
use super::host::{Host, HostReply};
use super::info::Info;
use super::processes::Processes;
use super::result::{ResultColumn, Sink};
use super::warnings::Warnings;
use crate::refengine::Engine;

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
