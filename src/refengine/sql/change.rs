//! INSERT, REPLACE, UPDATE and DELETE.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::ast::{Delete, Insert, Source, Update};
use super::column::{Target, implicit_default};
use super::compile::Compiler;
use super::error::{Result, SqlError};
use super::eval::RowView;
use super::expr::{Expr, column_index};
use super::rows::{self, Opened, Run, Selection};
use crate::refengine::codes;
use crate::refengine::types::{ColumnType, KeyRange, Row, RowLock, TableDef, Value};
use crate::refengine::{Error, Table};

/// What a column is set to.
enum Assigned {
    Default,
    Expr(Expr),
}

impl Assigned {
    fn compile(source: &Source, compiler: &mut Compiler<'_>) -> Result<Assigned> {
        match source {
            Source::Default => Ok(Assigned::Default),
            Source::Expr(expr) => compiler.compile(expr).map(Assigned::Expr),
        }
    }

    fn value(&self, target: &Target<'_>, view: &RowView<'_>, run: &mut Run<'_>) -> Result<Value> {
        match self {
            Assigned::Default => default_of(target, run),
            Assigned::Expr(expr) => target.store(expr.eval(view)?, run.warnings),
        }
    }
}

/// The value of a column nothing is given for; 1364 if it has none.
fn default_of(target: &Target<'_>, run: &mut Run<'_>) -> Result<Value> {
    let column = target.column;
    match &column.default {
        Some(value) => Ok(value.clone()),
        None if !column.not_null => Ok(Value::Null),
        // As in MySQL, an ENUM's first label is its default.
        None if matches!(column.ty, ColumnType::Enum { .. }) => Ok(implicit_default(column)),
        None => {
            let error = SqlError::new(
                codes::ER_NO_DEFAULT_FOR_FIELD,
                format!("Field '{}' doesn't have a default value", column.name),
            );
            if !target.ignore {
                return Err(error);
            }
            run.warnings.add("Warning", &error);
            Ok(implicit_default(column))
        }
    }
}

/// The engine counts rows from 1 in each call, the statement over all of them.
fn at_row(error: Error, row: usize) -> SqlError {
    error.at_row(u64::try_from(row).unwrap_or(u64::MAX)).into()
}

/// Runs INSERT or REPLACE; returns the affected rows as MySQL counts them: 1 for an inserted row, 1 more for
/// each row it replaced, 2 for one that ON DUPLICATE KEY UPDATE changed.
pub fn insert(run: &mut Run<'_>, insert: &Insert) -> Result<u64> {
    let opened = run.open_named(&insert.table)?;
    let info = run.info;
    let columns = insert_columns(insert, opened.def())?;
    let mut on_duplicate = Vec::new();
    for (name, source) in &insert.on_duplicate {
        let mut compiler = info.compiler(Some(opened.scope()), "field list");
        compiler.inserted = true;
        on_duplicate.push((compiler.column(name)?, Assigned::compile(source, &mut compiler)?));
    }
    let mut affected = 0;
    for (number, values) in (1..).zip(&insert.rows) {
        if values.len() != columns.len() && !(values.is_empty() && insert.columns.is_none()) {
            return Err(SqlError::column_count(number));
        }
        let row = insert_row(run, insert, opened.def(), &columns, values, number)?;
        affected += match run.trx.insert(&opened.table, row.clone()) {
            Ok(()) => 1,
            Err(Error::DuplicateKey { .. }) if insert.replace => replace(run, &opened.table, row, number)?,
            Err(error @ Error::DuplicateKey { .. }) if !on_duplicate.is_empty() => {
                let old = conflict(run, &opened.table, &row)?.ok_or_else(|| SqlError::from(error))?;
                let changed = assign(run, &opened, &on_duplicate, &old, &row, number, insert.ignore)?;
                let update = run.trx.update(&opened.table, &old, changed);
                if update.map_err(|e| at_row(e, number))? { 2 } else { 0 }
            }
            Err(error @ Error::DuplicateKey { .. }) if insert.ignore => {
                run.warnings.add("Warning", &error.into());
                0
            }
            Err(error) => return Err(at_row(error, number)),
        };
    }
    Ok(affected)
}

fn insert_columns(insert: &Insert, def: &TableDef) -> Result<Vec<usize>> {
    let Some(names) = &insert.columns else { return Ok((0..def.columns.len()).collect()) };
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let column = column_index(def, name).ok_or_else(|| SqlError::unknown_column(name, "field list"))?;
        if columns.contains(&column) {
            return Err(SqlError::new(codes::ER_FIELD_SPECIFIED_TWICE, format!("Column '{name}' specified twice")));
        }
        columns.push(column);
    }
    Ok(columns)
}

fn insert_row(
    run: &mut Run<'_>,
    insert: &Insert,
    def: &TableDef,
    columns: &[usize],
    values: &[Source],
    number: usize,
) -> Result<Row> {
    let info = run.info;
    let mut row = Row::with_capacity(def.columns.len());
    for (at, column) in def.columns.iter().enumerate() {
        let target = Target { column, row: number, ignore: insert.ignore };
        let given = columns.iter().position(|named| *named == at).and_then(|place| values.get(place));
        let assigned = match given {
            None => Assigned::Default,
            Some(source) => Assigned::compile(source, &mut info.compiler(None, "field list"))?,
        };
        row.push(assigned.value(&target, &RowView::default(), run)?);
    }
    Ok(row)
}

/// Deletes what stands in the way of a row and inserts it.
fn replace(run: &mut Run<'_>, table: &Arc<Table>, row: Row, number: usize) -> Result<u64> {
    let mut deleted = 0;
    loop {
        let error = match run.trx.insert(table, row.clone()) {
            Ok(()) => return Ok(deleted + 1),
            Err(error @ Error::DuplicateKey { .. }) => error,
            Err(error) => return Err(at_row(error, number)),
        };
        let Some(old) = conflict(run, table, &row)? else { return Err(error.into()) };
        run.trx.delete(table, &old)?;
        deleted += 1;
    }
}

/// The first existing row with a key of `row`: the primary key's before the others'.
fn conflict(run: &mut Run<'_>, table: &Arc<Table>, row: &Row) -> Result<Option<Row>> {
    let def = table.def();
    let values = |columns: &[usize]| columns.iter().map(|at| row.get(*at).cloned().unwrap_or(Value::Null)).collect();
    let key: Vec<Value> = values(&def.primary_key);
    if let Some(found) = run.trx.get(table, &key, RowLock::Exclusive)? {
        return Ok(Some(found));
    }
    for (at, index) in def.indexes.iter().enumerate().filter(|(_, index)| index.unique) {
        let key: Vec<Value> = values(&index.columns);
        if key.contains(&Value::Null) {
            continue;
        }
        let mut found = None;
        run.trx.scan(table, Some(at), &KeyRange::prefix(key), false, RowLock::Exclusive, &mut |row| {
            found = Some(row.clone());
            ControlFlow::Break(())
        })?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// A row after assignments, which see each other's results from left to right.
fn assign(
    run: &mut Run<'_>,
    opened: &Opened,
    assignments: &[(usize, Assigned)],
    old: &Row,
    inserted: &Row,
    number: usize,
    ignore: bool,
) -> Result<Row> {
    let mut new = old.clone();
    for (at, assigned) in assignments {
        let Some(column) = opened.def().columns.get(*at) else { continue };
        let target = Target { column, row: number, ignore };
        let value = assigned.value(&target, &RowView { row: &new, inserted, ..RowView::default() }, run)?;
        if let Some(slot) = new.get_mut(*at) {
            *slot = value;
        }
    }
    Ok(new)
}

/// Runs UPDATE; returns the rows that really changed.
pub fn update(run: &mut Run<'_>, update: &Update) -> Result<u64> {
    let opened = run.open_ref(&update.table)?;
    let info = run.info;
    let mut assignments = Vec::new();
    for (name, source) in &update.assignments {
        let mut compiler = info.compiler(Some(opened.scope()), "field list");
        assignments.push((compiler.column(name)?, Assigned::compile(source, &mut compiler)?));
    }
    let selection =
        Selection { filter: update.filter.as_ref(), order_by: &update.order_by, limit: update.limit, key_only: false };
    let mut affected = 0;
    for (number, old) in (1..).zip(rows::select_for_change(run, &opened, &selection)?) {
        let new = assign(run, &opened, &assignments, &old, &Row::new(), number, update.ignore)?;
        match run.trx.update(&opened.table, &old, new) {
            Ok(changed) => affected += u64::from(changed),
            Err(error @ Error::DuplicateKey { .. }) if update.ignore => run.warnings.add("Warning", &error.into()),
            Err(error) => return Err(at_row(error, number)),
        }
    }
    Ok(affected)
}

/// Runs DELETE; returns the deleted rows.
pub fn delete(run: &mut Run<'_>, delete: &Delete) -> Result<u64> {
    let opened = run.open_ref(&delete.table)?;
    let selection =
        Selection { filter: delete.filter.as_ref(), order_by: &delete.order_by, limit: delete.limit, key_only: true };
    let rows = rows::select_for_change(run, &opened, &selection)?;
    for row in &rows {
        run.trx.delete(&opened.table, row)?;
    }
    Ok(rows.len() as u64)
}
