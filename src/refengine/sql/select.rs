//! SELECT: compiled, then its rows or its groups reported.

use super::ast::{Select, SelectItem};
use super::error::{Result, SqlError};
use super::expr::{Aggregate, Expr, TableScope};
use super::group::{self, Grouping};
use super::info::Info;
use super::listing::report;
use super::plan;
use super::query::{Items, Query, Source};
use super::result::Sink;
use super::rows::{Order, Run};
use crate::refengine::codes;
use crate::refengine::types::KeyRange;
use std::ops::Bound;

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

/// EXPLAIN: which index the rows are looked for with, in MySQL's columns. How many there are is not known before they are read.
pub fn explain(run: &mut Run<'_>, select: &Select, sink: &mut dyn Sink) -> Result<usize> {
    const HEADINGS: [&str; 12] = [
        "id",
        "select_type",
        "table",
        "partitions",
        "type",
        "possible_keys",
        "key",
        "key_len",
        "ref",
        "rows",
        "filtered",
        "Extra",
    ];
    let source = select.from.as_ref().map(|from| Source::open(run, from)).transpose()?;
    let scope = source.as_ref().map(Source::scope);
    let filter =
        select.filter.as_ref().map(|filter| run.info.compiler(scope, "where clause").compile(filter)).transpose()?;
    let items = compile_items(select, scope, run.info, &mut Vec::new())?;
    let order = Order::compile(&select.order_by, scope, run.info, &items, None)?;
    let (mut kind, mut key, mut extra) = (None, None, vec![]);
    if let Some(source) = &source {
        let query = Query { select, source: Some(source), items, filter, order };
        let access = query.access();
        let used = match access.index {
            Some(at) => {
                source.def().indexes.get(at).map(|index| (index.name.clone(), index.unique, index.columns.len()))
            }
            None => Some(("PRIMARY".to_owned(), true, source.def().primary_key.len())),
        };
        let (how, found) = how_read(&access, used);
        (kind, key) = (Some(how.to_owned()), found);
        extra.extend(query.filter.as_ref().map(|_| "Using where"));
        let ordered = query
            .order
            .plain_columns()
            .is_some_and(|columns| plan::gives_order(source.def(), &access, &columns).is_some());
        extra.extend((!query.order.is_empty() && !ordered).then_some("Using filesort"));
    } else {
        extra.push("No tables used");
    }
    let cells = [
        Some("1".to_owned()),
        Some("SIMPLE".to_owned()),
        select.from.as_ref().map(|from| from.alias.clone().unwrap_or_else(|| from.name.name.clone())),
        None,
        kind,
        key.clone(),
        key,
        None,
        None,
        None,
        None,
        Some(extra.join("; ")).filter(|text| !text.is_empty()),
    ];
    report(&HEADINGS, vec![cells.to_vec()], sink)
}

/// MySQL's name for a way to find rows, and the index if one narrows them down. `used`: its name, whether it is unique, its columns.
fn how_read(access: &plan::Access, used: Option<(String, bool, usize)>) -> (&'static str, Option<String>) {
    let all = |range: &KeyRange| matches!((&range.lower, &range.upper), (Bound::Unbounded, Bound::Unbounded));
    let (Some((name, unique, columns)), false) = (used, access.ranges.iter().any(all)) else { return ("ALL", None) };
    let point = |range: &KeyRange| match (&range.lower, &range.upper) {
        (Bound::Included(low), Bound::Included(high)) => low == high,
        _ => false,
    };
    let whole = |range: &KeyRange| matches!(&range.lower, Bound::Included(key) if key.len() == columns);
    let how = match access.ranges.as_slice() {
        [] => "ALL",
        [range] if point(range) && whole(range) && unique => "const",
        [range] if point(range) => "ref",
        _ => "range",
    };
    (how, (how != "ALL").then_some(name))
}

/// Columns of a result set, as in MySQL.
const COLUMNS_MAX: usize = 4096;

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
        if items.len() > COLUMNS_MAX {
            return Err(SqlError::new(codes::ER_TOO_MANY_FIELDS, "Too many columns"));
        }
    }
    Ok(items)
}
