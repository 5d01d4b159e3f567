//! SELECT.

use std::borrow::Cow;
use std::ops::ControlFlow;

use super::ast::{Select, SelectItem};
use super::datum::Datum;
use super::error::{Result, SqlError};
use super::eval::RowView;
use super::expr::{Aggregate, AggregateKind, Expr, TableScope};
use super::plan;
use super::result::{ResultColumn, Sink};
use super::rows::{self, Opened, Order, Run, SortKey};
use super::session::Info;
use crate::refengine::types::Value;

/// A SELECT list: heading, whether it is an alias, expression.
type Items = Vec<(String, bool, Expr)>;

/// Runs a SELECT; the columns are reported when nothing but reading rows can fail any more.
/// Returns how many columns there are.
pub fn select(run: &mut Run<'_>, select: &Select, sink: &mut dyn Sink) -> Result<usize> {
    let opened = select.from.as_ref().map(|from| run.open_ref(from)).transpose()?;
    let info = run.info;
    let scope = opened.as_ref().map(Opened::scope);
    let mut aggregates = Vec::new();
    let items = compile_items(select, scope, info, &mut aggregates)?;
    let filter =
        select.filter.as_ref().map(|filter| info.compiler(scope, "where clause").compile(filter)).transpose()?;
    let order = Order::compile(&select.order_by, scope, info, &items, Some(&mut aggregates))?;
    let query = Query { select, opened: opened.as_ref(), items, filter, order };
    sink.columns(&query.columns(&aggregates))?;
    if aggregates.is_empty() {
        query.rows(run, sink)?
    } else {
        query.aggregate(run, &aggregates, sink)?
    }
    Ok(query.items.len())
}

fn compile_items(
    select: &Select,
    scope: Option<TableScope<'_>>,
    info: &Info,
    aggregates: &mut Vec<Aggregate>,
) -> Result<Items> {
    let mut items = Items::new();
    for item in &select.items {
        match item {
            SelectItem::Star(prefix) => {
                let Some(scope) = scope else {
                    return Err(SqlError::new(1096, "HY000", "No tables used"));
                };
                if !scope.is_named(prefix) {
                    return Err(SqlError::new(1051, "42S02", format!("Unknown table '{}'", prefix.join("."))));
                }
                let columns = scope.def.columns.iter().enumerate();
                items.extend(columns.map(|(at, column)| (column.name.clone(), false, Expr::Column(at))));
            }
            SelectItem::Expr { expr, heading, alias } => {
                let mut compiler = info.compiler(scope, "field list");
                compiler.aggregates = Some(aggregates);
                items.push((heading.clone(), *alias, compiler.compile(expr)?));
            }
        }
    }
    if aggregates.is_empty() {
        return Ok(items);
    }
    if let Some(at) = items.iter().position(|(_, _, expr)| expr.uses_columns()) {
        let text = format!(
            "In aggregated query without GROUP BY, expression #{} of SELECT list contains a nonaggregated column; \
             this is incompatible with sql_mode=only_full_group_by",
            at + 1
        );
        return Err(SqlError::new(1140, "42000", text));
    }
    Ok(items)
}

struct Query<'a> {
    select: &'a Select,
    opened: Option<&'a Opened>,
    items: Items,
    filter: Option<Expr>,
    order: Order,
}

impl Query<'_> {
    fn columns(&self, aggregates: &[Aggregate]) -> Vec<ResultColumn> {
        let def = self.opened.map(Opened::def);
        let column = |(heading, _, expr): &(String, bool, Expr)| ResultColumn {
            name: heading.clone(),
            kind: expr.kind(def, aggregates),
            table: def.filter(|_| matches!(expr, Expr::Column(_))).map(|def| (def.db.clone(), def.name.clone())),
        };
        self.items.iter().map(column).collect()
    }

    /// Calls `f` with each matching row until it breaks. Without a table there is one row, without columns.
    fn scan(
        &self,
        run: &mut Run<'_>,
        access: &plan::Access,
        reverse: bool,
        f: &mut dyn FnMut(&Vec<Value>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        if let Some(opened) = self.opened {
            return rows::scan(run, &opened.table, self.filter.as_ref(), access, reverse, self.select.lock, f);
        }
        let passes = self.filter.as_ref().map_or(Ok(Some(true)), |filter| filter.test(&RowView::default()))?;
        if passes == Some(true) {
            let _ = f(&Vec::new())?;
        }
        Ok(())
    }

    fn access(&self) -> plan::Access {
        match self.opened {
            Some(opened) => plan::choose(opened.def(), self.filter.as_ref()),
            None => plan::Access { index: None, ranges: Vec::new() },
        }
    }

    fn rows(&self, run: &mut Run<'_>, sink: &mut dyn Sink) -> Result<()> {
        let offset = usize::try_from(self.select.offset).unwrap_or(usize::MAX);
        let limit = self.select.limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
        let last = offset.saturating_add(limit);
        if limit == 0 {
            return Ok(());
        }
        let access = self.access();
        let by_index = self
            .opened
            .zip(self.order.plain_columns())
            .and_then(|(opened, columns)| plan::gives_order(opened.def(), &access, &columns));
        if !self.order.is_empty() && by_index.is_none() {
            return self.sorted_rows(run, &access, offset, last, sink);
        }
        let mut seen = 0;
        self.scan(run, &access, by_index.unwrap_or(false), &mut |row| {
            seen += 1;
            if seen > offset {
                self.report(row, sink)?;
            }
            Ok(if seen < last { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })
    }

    fn report(&self, row: &[Value], sink: &mut dyn Sink) -> Result<()> {
        let view = RowView { row, ..RowView::default() };
        let mut values = Vec::with_capacity(self.items.len());
        for (_, _, expr) in &self.items {
            values.push(match expr {
                // The common case needs no copy.
                Expr::Column(at) if matches!(row.get(*at), Some(Value::Bytes(_))) => match row.get(*at) {
                    Some(Value::Bytes(bytes)) => Some(Cow::Borrowed(bytes.as_slice())),
                    _ => None,
                },
                other => other.eval(&view)?.into_bytes().map(Cow::Owned),
            });
        }
        sink.row(&values)
    }

    fn sorted_rows(
        &self,
        run: &mut Run<'_>,
        access: &plan::Access,
        offset: usize,
        last: usize,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let mut found: Vec<(SortKey, Vec<Value>)> = Vec::new();
        // With a LIMIT never more than twice the rows asked for are kept.
        let most = last.saturating_mul(2).max(1024);
        self.scan(run, access, false, &mut |row| {
            found.push((self.order.key(&RowView { row, ..RowView::default() })?, row.clone()));
            if found.len() > most {
                found.sort_by(|(a, _), (b, _)| self.order.compare(a, b));
                found.truncate(last);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        found.sort_by(|(a, _), (b, _)| self.order.compare(a, b));
        found.iter().take(last).skip(offset).try_for_each(|(_, row)| self.report(row, sink))
    }

    /// One row of aggregates; ORDER BY has nothing to order.
    fn aggregate(&self, run: &mut Run<'_>, aggregates: &[Aggregate], sink: &mut dyn Sink) -> Result<()> {
        let mut results: Vec<Datum> = aggregates.iter().map(Aggregate::start).collect();
        self.scan(run, &self.access(), false, &mut |row| {
            let view = RowView { row, ..RowView::default() };
            for (aggregate, result) in aggregates.iter().zip(&mut results) {
                aggregate.add(result, &view)?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if self.select.offset > 0 || self.select.limit == Some(0) {
            return Ok(());
        }
        let view = RowView { aggregates: &results, ..RowView::default() };
        let values = self.items.iter().map(|(_, _, expr)| Ok(expr.eval(&view)?.into_bytes().map(Cow::Owned)));
        sink.row(&values.collect::<Result<Vec<_>>>()?)
    }
}

impl Aggregate {
    fn start(&self) -> Datum {
        if self.kind == AggregateKind::Count { Datum::Int(0) } else { Datum::Null }
    }

    fn add(&self, result: &mut Datum, row: &RowView<'_>) -> Result<()> {
        let value = self.argument.as_ref().map(|argument| argument.eval(row)).transpose()?;
        if value.as_ref().is_some_and(Datum::is_null) {
            return Ok(());
        }
        match (self.kind, value) {
            (AggregateKind::Count, _) => *result = super::eval::add(result, &Datum::Int(1))?,
            (_, None) => {}
            (AggregateKind::Sum, Some(value)) => {
                *result = if result.is_null() {
                    super::eval::add(&Datum::Int(0), &value)?
                } else {
                    super::eval::add(result, &value)?
                };
            }
            (kind, Some(value)) => {
                let wanted =
                    if kind == AggregateKind::Min { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater };
                if result.is_null() || value.compare(result) == Some(wanted) {
                    *result = value;
                }
            }
        }
        Ok(())
    }
}
