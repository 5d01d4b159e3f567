//! SELECT.

use std::borrow::Cow;
use std::ops::ControlFlow;

use super::ast::{Select, SelectItem, TableRef};
use super::error::{Result, SqlError};
use super::eval::RowView;
use super::expr::{Aggregate, Expr, TableScope};
use super::group::{self, Grouping};
use super::information_schema::{self, View};
use super::plan;
use super::result::{ResultColumn, Sink};
use super::rows::{self, Opened, Order, Run, SortKey};
use super::session::Info;
use crate::refengine::types::{TableDef, Value};

/// A SELECT list: heading, whether it is an alias, expression.
pub type Items = Vec<(String, bool, Expr)>;

/// Runs a SELECT; the columns are reported when nothing but reading rows can fail any more.
/// Returns how many columns there are.
pub fn select(run: &mut Run<'_>, select: &Select, sink: &mut dyn Sink) -> Result<usize> {
    let source = select.from.as_ref().map(|from| Source::open(run, from)).transpose()?;
    let info = run.info;
    let scope = source.as_ref().map(Source::scope);
    let mut aggregates = Vec::new();
    let items = compile_items(select, scope, info, &mut aggregates)?;
    let filter =
        select.filter.as_ref().map(|filter| info.compiler(scope, "where clause").compile(filter)).transpose()?;
    let mut keys = group::compile_keys(&select.group_by, scope, info, &items)?;
    if select.distinct && aggregates.is_empty() {
        if !keys.is_empty() {
            return Err(SqlError::unsupported("SELECT DISTINCT ... GROUP BY"));
        }
        // Groups of equal rows. Aggregates without GROUP BY give one row anyway.
        keys = items.iter().map(|(_, _, item)| item.clone()).collect();
    }
    let having = match &select.having {
        None => None,
        Some(having) => {
            let mut compiler = info.compiler(scope, "having clause");
            (compiler.aliases, compiler.aggregates) = (&items, Some(&mut aggregates));
            Some(compiler.compile(having)?)
        }
    };
    let order = Order::compile(&select.order_by, scope, info, &items, Some(&mut aggregates))?;
    let query = Query { select, source: source.as_ref(), items, filter, order };
    let columns = query.columns(&aggregates);
    if aggregates.is_empty() && keys.is_empty() && having.is_none() {
        sink.columns(&columns)?;
        query.rows(run, sink)?;
    } else {
        let grouping = Grouping { aggregates: &aggregates, keys: &keys, having: having.as_ref() };
        grouping.check(&query)?;
        sink.columns(&columns)?;
        grouping.run(&query, run, sink)?;
    }
    Ok(columns.len())
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
    Ok(items)
}

/// What SELECT reads from.
pub enum Source {
    Table(Opened),
    View(View),
}

impl Source {
    fn open(run: &mut Run<'_>, from: &TableRef) -> Result<Source> {
        match information_schema::holds(&from.name) {
            true => View::open(run.info, from).map(Source::View),
            false => run.open_ref(from).map(Source::Table),
        }
    }

    /// The definition.
    pub fn def(&self) -> &TableDef {
        match self {
            Source::Table(opened) => opened.def(),
            Source::View(view) => &view.def,
        }
    }

    fn scope(&self) -> TableScope<'_> {
        match self {
            Source::Table(opened) => opened.scope(),
            Source::View(view) => view.scope(),
        }
    }
}

/// A compiled SELECT.
pub struct Query<'a> {
    pub select: &'a Select,
    pub source: Option<&'a Source>,
    pub items: Items,
    filter: Option<Expr>,
    pub order: Order,
}

impl Query<'_> {
    fn columns(&self, aggregates: &[Aggregate]) -> Vec<ResultColumn> {
        let def = self.source.map(Source::def);
        let column = |(heading, _, expr): &(String, bool, Expr)| ResultColumn {
            name: heading.clone(),
            kind: expr.kind(def, aggregates),
            table: def.filter(|_| matches!(expr, Expr::Column(_))).map(|def| (def.db.clone(), def.name.clone())),
        };
        self.items.iter().map(column).collect()
    }

    /// Calls `f` with each matching row until it breaks. Without a table there is one row, without columns.
    pub fn scan(
        &self,
        run: &mut Run<'_>,
        access: &plan::Access,
        reverse: bool,
        f: &mut dyn FnMut(&Vec<Value>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let one_row = [Vec::new()];
        let made_up = match self.source {
            Some(Source::Table(opened)) => {
                return rows::scan(run, &opened.table, self.filter.as_ref(), access, reverse, self.select.lock, f);
            }
            Some(Source::View(view)) => &view.rows[..],
            None => &one_row,
        };
        for row in made_up {
            if rows::matches(self.filter.as_ref(), row)? && f(row)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    pub fn access(&self) -> plan::Access {
        match self.source {
            Some(Source::Table(opened)) => plan::choose(opened.def(), self.filter.as_ref()),
            _ => plan::Access { index: None, ranges: Vec::new() },
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
            .source
            .zip(self.order.plain_columns())
            .and_then(|(source, columns)| plan::gives_order(source.def(), &access, &columns));
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
}
