//! CHECK, ANALYZE, OPTIMIZE and REPAIR TABLE. The first reads everything there is of a table, the second counts its rows; the others have
//! nothing to do here.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use super::ast::{Maintenance, TableName};
use super::error::Result;
use super::info::{Info, find_table};
use super::listing::{Cells, report};
use super::result::Sink;
use crate::refengine::types::{ColumnType, Isolation, KeyRange, RowLock, Value};
use crate::refengine::{Error, Table};

/// Runs the statement; a line or two for each table, as MySQL prints them.
pub fn maintain(info: &Info, what: Maintenance, tables: &[TableName], sink: &mut dyn Sink) -> Result<usize> {
    let mut lines: Vec<Cells> = Vec::new();
    for name in tables {
        let db = info.database_of(name)?;
        let mut line = |kind: &str, text: &str| {
            let cells = [&format!("{db}.{}", name.name), what.name(), kind, text];
            lines.push(cells.map(|cell| Some(cell.to_owned())).to_vec());
        };
        let table = match find_table(&info.engine, db, &name.name) {
            Ok(table) => table,
            Err(error) => {
                line("Error", &error.message);
                line("status", "Operation failed");
                continue;
            }
        };
        match what {
            Maintenance::Check => match check(info, &table)? {
                None => line("status", "OK"),
                Some(problem) => {
                    line("error", &problem);
                    line("error", "Corrupt");
                }
            },
            Maintenance::Analyze => {
                info.engine.count_rows(&table)?;
                line("status", "OK");
            }
            Maintenance::Optimize => {
                line("note", "The engine rewrites its files by itself, in the background");
                line("status", "OK");
            }
            Maintenance::Repair => line("note", "The storage engine for the table doesn't support repair"),
        }
    }
    report(&["Table", "Op", "Msg_type", "Msg_text"], lines, sink)
}

/// What is wrong with a table: a file without its checksum, a row that cannot be read, or an index that has other rows than the table or
/// has them in another order. All of it is read, as of one moment.
fn check(info: &Info, table: &std::sync::Arc<Table>) -> Result<Option<String>> {
    match found_in(info, table) {
        Err(Error::Corrupt(what)) => Ok(Some(what)),
        other => Ok(other?),
    }
}

fn found_in(info: &Info, table: &std::sync::Arc<Table>) -> Result<Option<String>, Error> {
    table.check_files()?;
    let mut trx = info.engine.begin(Isolation::RepeatableRead, false);
    let mut expected = None;
    let primary = (None, "PRIMARY", &table.def().primary_key);
    let others = table.def().indexes.iter().enumerate();
    let others = others.map(|(at, index)| (Some(at), index.name.as_str(), &index.columns));
    for (index, name, columns) in std::iter::once(primary).chain(others) {
        let (mut rows, mut misplaced) = (0u64, false);
        let columns: Vec<usize> = columns.iter().copied().take_while(|at| sorts_as_it_reads(table, *at)).collect();
        let mut last: Option<Vec<Value>> = None;
        trx.scan(table, index, &KeyRange::all(), false, RowLock::None, &mut |row| {
            rows += 1;
            let key: Vec<Value> = columns.iter().filter_map(|at| row.get(*at).cloned()).collect();
            misplaced |= last.as_ref().is_some_and(|last| in_order(last, &key) == Ordering::Greater);
            last = Some(key);
            ControlFlow::Continue(())
        })?;
        let wanted = *expected.get_or_insert(rows);
        if rows != wanted {
            return Ok(Some(format!("Index '{name}' contains {rows} entries, should be {wanted}.")));
        }
        if misplaced {
            return Ok(Some(format!("The entries of index '{name}' are not in order.")));
        }
    }
    Ok(None)
}

/// Whether an index has a column's values in the order in which they read: CHAR is padded in it, ENUM is in the order of its labels.
fn sorts_as_it_reads(table: &Table, at: usize) -> bool {
    let ty = table.def().columns.get(at).map(|column| &column.ty);
    !matches!(ty, None | Some(ColumnType::Char { .. } | ColumnType::Enum { .. }))
}

/// The order of an index: NULL before everything.
fn in_order(a: &[Value], b: &[Value]) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Null => (0u8, 0i128, Vec::new()),
        Value::Int(n) => (1, i128::from(*n), Vec::new()),
        Value::UInt(n) => (1, i128::from(*n), Vec::new()),
        Value::Bytes(bytes) => (1, 0, bytes.clone()),
    };
    a.iter().map(rank).cmp(b.iter().map(rank))
}
