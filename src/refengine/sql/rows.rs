//! Rows of a table for a statement: the table by name, the matching rows, their order.

use std::cmp::Ordering;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::ast::{self, OrderBy, TableName, TableRef};
use super::datum::Datum;
use super::error::{Result, SqlError};
use super::eval::RowView;
use super::expr::{Aggregate, Expr, TableScope};
use super::info::{Info, find_table};
use super::memory;
use super::plan;
use super::table_locks::TableLocks;
use super::warnings::Warnings;
use crate::refengine::interrupt;
use crate::refengine::types::{ColumnType, Row, RowLock, TableDef, Value};
use crate::refengine::{Engine, Error, Table, Transaction};

/// A running statement: its transaction and what it may ask.
pub struct Run<'a> {
    pub engine: &'a Engine,
    pub trx: &'a mut Transaction,
    pub info: &'a Info,
    pub warnings: &'a mut Warnings,
    /// What LOCK TABLES gave the session.
    pub locks: Option<&'a TableLocks>,
}

/// A table opened under a name.
pub struct Opened {
    pub table: Arc<Table>,
    name: String,
    aliased: bool,
}

impl Opened {
    /// The definition.
    pub fn def(&self) -> &TableDef {
        self.table.def()
    }

    /// What expressions may call it.
    pub fn scope(&self) -> TableScope<'_> {
        TableScope { def: self.table.def(), name: &self.name, aliased: self.aliased }
    }
}

impl Run<'_> {
    /// Looks a table up and holds it against DDL until the transaction ends.
    pub fn open(&mut self, name: &TableName) -> Result<Arc<Table>> {
        let db = self.info.database_of(name)?;
        if let Some(lock) = self.locks.and_then(|locks| locks.write_lock(db, &name.name)) {
            self.trx.open_locked(lock)?;
            return Ok(lock.table().clone());
        }
        loop {
            let table = find_table(self.engine, db, &name.name)?;
            match self.trx.open(&table) {
                // DDL replaced it between the two calls: look again.
                Err(Error::NoSuchTable { .. }) => continue,
                Err(error) => return Err(error.into()),
                Ok(()) => return Ok(table),
            }
        }
    }

    /// Opens the table of FROM, UPDATE or DELETE.
    pub fn open_ref(&mut self, reference: &TableRef) -> Result<Opened> {
        let table = self.open(&reference.name)?;
        let name = reference.alias.clone().unwrap_or_else(|| reference.name.name.clone());
        Ok(Opened { table, name, aliased: reference.alias.is_some() })
    }

    /// Opens the table of INSERT.
    pub fn open_named(&mut self, name: &TableName) -> Result<Opened> {
        self.open_ref(&TableRef { name: name.clone(), alias: None })
    }
}

/// One column of ORDER BY.
pub struct SortColumn {
    expr: Expr,
    /// An ENUM sorts by the position of its label.
    labels: Option<Vec<String>>,
    descending: bool,
}

/// An order of rows.
#[derive(Default)]
pub struct Order(Vec<SortColumn>);

/// The values a row is sorted by.
pub type SortKey = Vec<Datum>;

impl Order {
    /// Compiles ORDER BY. `items` are the SELECT list, which a number or an alias names.
    pub fn compile(
        order_by: &[OrderBy],
        scope: Option<TableScope<'_>>,
        info: &Info,
        items: &[(String, bool, Expr)],
        mut aggregates: Option<&mut Vec<Aggregate>>,
    ) -> Result<Order> {
        let mut columns = Vec::with_capacity(order_by.len());
        for OrderBy { expr, descending } in order_by {
            let expr = match named_item(expr, items)? {
                Some(item) => item,
                None => {
                    let mut compiler = info.compiler(scope, "order clause");
                    compiler.aliases = items;
                    compiler.aggregates = aggregates.as_deref_mut();
                    compiler.compile(expr)?
                }
            };
            let labels = match (&expr, scope) {
                (Expr::Column(at), Some(scope)) => match scope.def.columns.get(*at).map(|column| &column.ty) {
                    Some(ColumnType::Enum { values }) => Some(values.clone()),
                    _ => None,
                },
                _ => None,
            };
            columns.push(SortColumn { expr, labels, descending: *descending });
        }
        Ok(Order(columns))
    }

    /// Whether there is nothing to sort by.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is sorted by.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.0.iter().map(|column| &column.expr)
    }

    /// The columns of the table sorted by with their directions, if an index could give this order.
    pub fn plain_columns(&self) -> Option<Vec<(usize, bool)>> {
        let plain = |column: &SortColumn| match column.expr {
            Expr::Column(at) if column.labels.is_none() => Some((at, column.descending)),
            _ => None,
        };
        self.0.iter().map(plain).collect()
    }

    /// What this row is sorted by.
    pub fn key(&self, row: &RowView<'_>) -> Result<SortKey> {
        let value = |column: &SortColumn| {
            let value = column.expr.eval(row)?;
            Ok(match (&column.labels, &value) {
                (Some(labels), Datum::Bytes(label)) => {
                    let position = labels.iter().position(|known| known.as_bytes() == label.as_slice());
                    Datum::UInt(position.map_or(0, |at| at as u64 + 1))
                }
                _ => value,
            })
        };
        self.0.iter().map(value).collect()
    }

    /// NULLs come first, or last when descending.
    pub fn compare(&self, a: &SortKey, b: &SortKey) -> Ordering {
        for ((column, a), b) in self.0.iter().zip(a).zip(b) {
            let order = a.compare(b).unwrap_or_else(|| b.is_null().cmp(&a.is_null()));
            if order != Ordering::Equal {
                return if column.descending { order.reverse() } else { order };
            }
        }
        Ordering::Equal
    }
}

/// ORDER BY 2 and ORDER BY alias.
pub fn named_item(expr: &sqlparser::ast::Expr, items: &[(String, bool, Expr)]) -> Result<Option<Expr>> {
    use sqlparser::ast::{Expr as E, Value as Literal};
    match expr {
        E::Value(value) => match &value.value {
            Literal::Number(digits, _) => {
                let position = digits.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
                match position.and_then(|at| items.get(at)) {
                    Some((_, _, item)) => Ok(Some(item.clone())),
                    None => Err(SqlError::unknown_column(digits, "order clause")),
                }
            }
            _ => Ok(None),
        },
        E::Identifier(name) => {
            let same = |(heading, alias, _): &&(String, bool, Expr)| {
                *alias && heading.to_lowercase() == name.value.to_lowercase()
            };
            Ok(items.iter().find(same).map(|(_, _, item)| item.clone()))
        }
        _ => Ok(None),
    }
}

/// Calls `f` with each row that matches, in the order of the access.
pub fn scan(
    run: &mut Run<'_>,
    table: &Arc<Table>,
    filter: Option<&Expr>,
    access: &plan::Access,
    reverse: bool,
    lock: RowLock,
    f: &mut dyn FnMut(&Row) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let mut outcome = Ok(ControlFlow::Continue(()));
    for range in &access.ranges {
        run.trx.scan(table, access.index, range, reverse, lock, &mut |row| {
            if interrupt::is_interrupted() {
                outcome = Err(SqlError::interrupted());
                return ControlFlow::Break(());
            }
            outcome = matches(filter, row).and_then(|found| if found { f(row) } else { Ok(ControlFlow::Continue(())) });
            match outcome {
                Ok(flow) => flow,
                Err(_) => ControlFlow::Break(()),
            }
        })?;
        if !matches!(outcome, Ok(ControlFlow::Continue(()))) {
            break;
        }
    }
    outcome.map(|_| ())
}

/// Whether a row passes a condition.
pub fn matches(filter: Option<&Expr>, row: &Row) -> Result<bool> {
    match filter {
        None => Ok(true),
        Some(filter) => Ok(filter.test(&RowView { row, ..RowView::default() })? == Some(true)),
    }
}

/// What UPDATE and DELETE work on.
pub struct Selection<'a> {
    pub filter: Option<&'a sqlparser::ast::Expr>,
    pub order_by: &'a [ast::OrderBy],
    pub limit: Option<u64>,
    /// Keep only the primary key's values: DELETE needs no more.
    pub key_only: bool,
}

/// The rows a condition matches, locked exclusively, all of them before the first is changed.
pub fn select_for_change(run: &mut Run<'_>, opened: &Opened, selection: &Selection<'_>) -> Result<Vec<Row>> {
    let info = run.info;
    let scope = Some(opened.scope());
    let filter = selection.filter.map(|filter| info.compiler(scope, "where clause").compile(filter)).transpose()?;
    let order = Order::compile(selection.order_by, scope, info, &[], None)?;
    let limit = selection.limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let access = plan::choose(opened.def(), filter.as_ref());
    let primary_key = &opened.def().primary_key;
    let mut found: Vec<(SortKey, Row)> = Vec::new();
    if limit == 0 {
        return Ok(Vec::new());
    }
    scan(run, &opened.table, filter.as_ref(), &access, false, RowLock::Exclusive, &mut |row| {
        let key = order.key(&RowView { row, ..RowView::default() })?;
        let kept = |(at, value): (usize, &Value)| {
            if selection.key_only && !primary_key.contains(&at) { Value::Null } else { value.clone() }
        };
        let kept: Row = row.iter().enumerate().map(kept).collect();
        memory::take(memory::of_row(&kept))?;
        found.push((key, kept));
        let enough = order.is_empty() && found.len() >= limit;
        Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    found.sort_by(|(a, _), (b, _)| order.compare(a, b));
    Ok(found.into_iter().take(limit).map(|(_, row)| row).collect())
}
