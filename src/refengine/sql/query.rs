//! A compiled SELECT and what it reads from.

use std::borrow::Cow;
use std::ops::ControlFlow;

use super::ast::{Select, TableRef};
use super::error::Result;
use super::eval::RowView;
use super::expr::{Aggregate, Expr, TableScope};
use super::information_schema::View;
use super::memory;
use super::plan;
use super::result::{ResultColumn, Sink};
use super::rows::{self, Opened, Order, Run, SortKey};
use crate::refengine::types::{TableDef, Value};

/// A SELECT list: heading, whether it is an alias, expression.
pub type Items = Vec<(String, bool, Expr)>;

/// What SELECT reads from.
pub enum Source {
    Table(Opened),
    View(View),
}

impl Source {
    pub fn open(run: &mut Run<'_>, from: &TableRef) -> Result<Source> {
        match from.name.in_information_schema() {
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

    pub fn scope(&self) -> TableScope<'_> {
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
    pub filter: Option<Expr>,
    pub order: Order,
}

impl Query<'_> {
    pub fn columns(&self, aggregates: &[Aggregate]) -> Vec<ResultColumn> {
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

    pub fn rows(&self, run: &mut Run<'_>, sink: &mut dyn Sink) -> Result<()> {
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
        let before = memory::held();
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
        sink.row(&values)?;
        memory::give_back(before);
        Ok(())
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
        let before = memory::held();
        let size = |key: &SortKey, row: &[Value]| key.iter().map(memory::of_datum).sum::<usize>() + memory::of_row(row);
        self.scan(run, access, false, &mut |row| {
            let held = memory::held();
            let key = self.order.key(&RowView { row, ..RowView::default() })?;
            memory::give_back(held);
            memory::take(size(&key, row))?;
            found.push((key, row.clone()));
            if found.len() > most {
                found.sort_by(|(a, _), (b, _)| self.order.compare(a, b));
                found.truncate(last);
                memory::give_back(before);
                memory::take(found.iter().map(|(key, row)| size(key, row)).sum())?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        found.sort_by(|(a, _), (b, _)| self.order.compare(a, b));
        found.iter().take(last).skip(offset).try_for_each(|(_, row)| self.report(row, sink))
    }
}
