//! SELECT: compiled, then its rows or its groups reported.

use super::ast::{Select, SelectItem};
use super::error::{Result, SqlError};
use super::expr::{Aggregate, Expr, TableScope};
use super::group::{self, Grouping};
use super::info::Info;
use super::query::{Items, Query, Source};
use super::result::Sink;
use super::rows::{Order, Run};
use crate::refengine::codes;

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
                    return Err(SqlError::new(codes::ER_NO_TABLES_USED, "No tables used"));
                };
                if !scope.is_named(prefix) {
                    return Err(SqlError::new(
                        codes::ER_BAD_TABLE_ERROR,
                        format!("Unknown table '{}'", prefix.join(".")),
                    ));
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
