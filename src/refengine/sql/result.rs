//! What statements give back: result sets with the types of their columns, and how a statement ended.

use std::borrow::Cow;

use super::error::Result;
use super::expr::{Aggregate, AggregateKind, Arithmetic, Expr};
use super::function::Function;
use super::kind::Kind;
use crate::refengine::types::TableDef;

impl Expr {
    /// The type of its values.
    pub fn kind(&self, def: Option<&TableDef>, aggregates: &[Aggregate]) -> Kind {
        let of = |expr: &Expr| expr.kind(def, aggregates);
        match self {
            Expr::Const(value) => Kind::of_value(value),
            Expr::Column(at) | Expr::Inserted(at) => {
                def.and_then(|def| def.columns.get(*at)).map_or(Kind::TEXT, |column| Kind::of_column(&column.ty))
            }
            Expr::Aggregate(at) => aggregates.get(*at).map_or(Kind::TEXT, |aggregate| aggregate.result_kind(def)),
            Expr::Negate(expr) => match of(expr).number() {
                Kind::Int { .. } => Kind::BIGINT,
                other => other,
            },
            Expr::Arithmetic(op, left, right) => {
                let (left, right) = (of(left).number(), of(right).number());
                let kind = match (left, right) {
                    (Kind::Int { unsigned: a, .. }, Kind::Int { unsigned: b, .. }) => {
                        Kind::Int { bytes: 8, unsigned: a || b }
                    }
                    _ => left.either(right),
                };
                match (op, kind) {
                    (Arithmetic::BitAnd | Arithmetic::BitOr, _) => Kind::Int { bytes: 8, unsigned: true },
                    (Arithmetic::Div, Kind::Int { .. }) => Kind::Decimal,
                    (Arithmetic::IntDiv, Kind::Decimal | Kind::Double) => Kind::BIGINT,
                    _ => kind,
                }
            }
            Expr::Loadable(call, _) => call.kind(),
            Expr::Call(function, arguments) => match function {
                Function::Length | Function::CharLength => Kind::BIGINT,
                Function::Coalesce => arguments.iter().map(of).fold(Kind::Null, Kind::either),
                Function::If => arguments.iter().skip(1).map(of).fold(Kind::Null, Kind::either),
                Function::Unhex => Kind::Bytes { long: false },
                _ => Kind::TEXT,
            },
            _ => Kind::BIGINT,
        }
    }
}

impl Aggregate {
    fn result_kind(&self, def: Option<&TableDef>) -> Kind {
        let argument = self.argument.as_ref().map_or(Kind::BIGINT, |argument| argument.kind(def, &[]));
        match self.kind {
            AggregateKind::Count => Kind::BIGINT,
            AggregateKind::Min | AggregateKind::Max => argument,
            AggregateKind::Sum => match argument.number() {
                Kind::Double => Kind::Double,
                _ => Kind::Decimal,
            },
        }
    }
}

/// A column of a result set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultColumn {
    /// The heading.
    pub name: String,
    /// The type of its values.
    pub kind: Kind,
    /// The table it comes from, as (database, table); None for what is computed.
    pub table: Option<(String, String)>,
}

impl ResultColumn {
    /// A column of text that is no table's.
    pub fn text(name: &str) -> ResultColumn {
        ResultColumn { name: name.to_owned(), kind: Kind::TEXT, table: None }
    }
}

/// The columns of a table, as `SELECT *` has them.
pub fn table_columns(def: &TableDef) -> impl Iterator<Item = ResultColumn> + '_ {
    def.columns.iter().map(|column| ResultColumn {
        name: column.name.clone(),
        kind: Kind::of_column(&column.ty),
        table: Some((def.db.clone(), def.name.clone())),
    })
}

/// Where a session stands between two statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// BEGIN was said, or autocommit is off and a statement opened a transaction.
    pub in_transaction: bool,
    /// Each statement is a transaction.
    pub autocommit: bool,
}

/// How a statement ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Rows it changed.
    pub affected: u64,
    /// Columns of its result set, 0 without one.
    pub columns: usize,
    /// What SHOW WARNINGS would show.
    pub warnings: usize,
    /// Of its session.
    pub status: Status,
}

/// Who receives results. An error returned here ends the statement with it.
pub trait Sink {
    /// A result set begins.
    fn columns(&mut self, columns: &[ResultColumn]) -> Result<()>;
    /// One row of it; None is NULL.
    fn row(&mut self, values: &[Option<Cow<'_, [u8]>>]) -> Result<()>;
    /// A statement succeeded, and is committed if it is to be.
    fn done(&mut self, end: End) -> Result<()>;
}
