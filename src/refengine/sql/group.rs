//! GROUP BY, HAVING and aggregates.
//!
//! Groups are kept in memory: the first row of each, for the columns that are the same in all of them, and the aggregates.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::ControlFlow;

use super::datum::Datum;
use super::error::{Result, SqlError};
use super::eval::{self, RowView};
use super::expr::{Aggregate, AggregateKind, Expr, TableScope};
use super::info::Info;
use super::memory;
use super::query::{Items, Query, Source};
use super::result::Sink;
use super::rows::{Run, named_item};
use crate::refengine::codes;
use crate::refengine::types::{Row, TableDef};

/// How rows come together.
pub struct Grouping<'a> {
    pub aggregates: &'a [Aggregate],
    /// GROUP BY; none: all rows are one group, even if there is no row.
    pub keys: &'a [Expr],
    pub having: Option<&'a Expr>,
}

struct Group {
    row: Row,
    results: Vec<Datum>,
}

impl Group {
    fn view(&self) -> RowView<'_> {
        RowView { row: &self.row, aggregates: &self.results, ..RowView::default() }
    }
}

/// Compiles GROUP BY, which may name the SELECT list's items by number or alias.
pub fn compile_keys(
    group_by: &[sqlparser::ast::Expr],
    scope: Option<TableScope<'_>>,
    info: &Info,
    items: &Items,
) -> Result<Vec<Expr>> {
    let key = |expr: &sqlparser::ast::Expr| {
        // Here a column of the table comes before an alias.
        let column = info.compiler(scope, "group statement").compile(expr);
        let is_number = matches!(expr, sqlparser::ast::Expr::Value(_));
        match (column, is_number) {
            (Ok(column), false) => Ok(column),
            (column, _) => match named_item(expr, items)? {
                Some(item) if item.uses_aggregates() => {
                    Err(SqlError::new(codes::ER_WRONG_GROUP_FIELD, format!("Can't group on '{expr}'")))
                }
                Some(item) => Ok(item),
                None => column,
            },
        }
    };
    group_by.iter().map(key).collect()
}

impl Grouping<'_> {
    /// Refuses what has no one value in a group.
    pub fn check(&self, query: &Query<'_>) -> Result<()> {
        let def = query.source.map(Source::def);
        let keyed = def.filter(|def| !def.primary_key.is_empty());
        let unique = keyed.is_some_and(|def| def.primary_key.iter().all(|at| self.keys.contains(&Expr::Column(*at))));
        if unique {
            return Ok(());
        }
        let items = (1..).zip(query.items.iter().map(|(_, _, expr)| expr)).map(|(n, expr)| (n, "SELECT list", expr));
        // One row needs no order.
        let ordered = query.order.exprs().filter(|_| !self.keys.is_empty());
        let order = (1..).zip(ordered).map(|(n, expr)| (n, "ORDER BY", expr));
        for (n, place, expr) in items.chain(order).chain(self.having.map(|having| (1, "HAVING clause", having))) {
            if let Some(at) = expr.column_outside(self.keys) {
                return Err(self.not_grouped(n, place, def, at));
            }
        }
        Ok(())
    }

    fn not_grouped(&self, n: usize, place: &str, def: Option<&TableDef>, at: usize) -> SqlError {
        let sql_mode = "this is incompatible with sql_mode=only_full_group_by";
        if self.keys.is_empty() {
            let text = format!(
                "In aggregated query without GROUP BY, expression #{n} of {place} contains a nonaggregated column; {sql_mode}"
            );
            return SqlError::new(codes::ER_MIX_OF_GROUP_FUNC_AND_FIELDS, text);
        }
        let column = def.and_then(|def| def.columns.get(at).map(|column| (def, column)));
        let name = column.map_or(String::new(), |(def, column)| format!("{}.{}.{}", def.db, def.name, column.name));
        let text = format!(
            "Expression #{n} of {place} is not in GROUP BY clause and contains nonaggregated column '{name}' which is \
             not functionally dependent on columns in GROUP BY clause; {sql_mode}"
        );
        SqlError::new(codes::ER_WRONG_FIELD_WITH_GROUP, text)
    }

    /// Reads the rows and reports the groups.
    pub fn run(&self, query: &Query<'_>, run: &mut Run<'_>, sink: &mut dyn Sink) -> Result<()> {
        let mut kept = Vec::new();
        for group in self.groups(query, run)? {
            let passes = self.having.map_or(Ok(Some(true)), |having| having.test(&group.view()))?;
            if passes == Some(true) {
                kept.push((query.order.key(&group.view())?, group));
            }
        }
        kept.sort_by(|(a, _), (b, _)| query.order.compare(a, b));
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let (offset, limit) = (count(query.select.offset), query.select.limit.map_or(usize::MAX, count));
        for (_, group) in kept.iter().skip(offset).take(limit) {
            let before = memory::held();
            let values =
                query.items.iter().map(|(_, _, expr)| Ok(expr.eval(&group.view())?.into_bytes().map(Cow::Owned)));
            sink.row(&values.collect::<Result<Vec<_>>>()?)?;
            memory::give_back(before);
        }
        Ok(())
    }

    /// In the order in which they were met.
    fn groups(&self, query: &Query<'_>, run: &mut Run<'_>) -> Result<Vec<Group>> {
        let start = |row: Row| Group { row, results: self.aggregates.iter().map(Aggregate::start).collect() };
        let mut groups: Vec<Group> = Vec::new();
        let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
        if self.keys.is_empty() {
            places.insert(Vec::new(), 0);
            groups.push(start(Row::new()));
        }
        query.scan(run, &query.access(), false, &mut |row| {
            let view = RowView { row, ..RowView::default() };
            let before = memory::held();
            let mut key = Vec::new();
            for expr in self.keys {
                put_key(&mut key, &expr.eval(&view)?);
            }
            memory::give_back(before);
            let at = match places.get(&key) {
                Some(at) => *at,
                None => {
                    memory::take(key.len() + memory::of_row(row))?;
                    groups.push(start(row.clone()));
                    places.insert(key, groups.len() - 1);
                    groups.len() - 1
                }
            };
            let results = groups.get_mut(at).map(|group| &mut group.results).into_iter().flatten();
            for (aggregate, result) in self.aggregates.iter().zip(results) {
                aggregate.add(result, &view)?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(groups)
    }
}

/// Appends a value so that equal values, and no others, give equal bytes.
fn put_key(key: &mut Vec<u8>, value: &Datum) {
    match value.as_bytes() {
        None => key.push(0),
        Some(bytes) => {
            key.push(1);
            key.extend((bytes.len() as u64).to_le_bytes());
            key.extend_from_slice(&bytes);
        }
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
            (AggregateKind::Count, _) => *result = eval::add(result, &Datum::Int(1))?,
            (_, None) => {}
            (AggregateKind::Sum, Some(value)) => {
                let zero = Datum::Int(0);
                *result = eval::add(if result.is_null() { &zero } else { result }, &value)?;
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
