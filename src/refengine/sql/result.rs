//! What statements give back: result sets with the types of their columns, and how a statement ended.

use std::borrow::Cow;

use super::datum::Datum;
use super::error::Result;
use super::expr::{Aggregate, AggregateKind, Arithmetic, Expr};
use super::function::Function;
use crate::refengine::types::{ColumnType, TableDef};

/// The type of a result's column. Values are text whatever it says; a protocol with typed values parses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing but NULL.
    Null,
    /// An integer of 1, 2, 3, 4 or 8 bytes.
    Int {
        /// Its width.
        bytes: u8,
        /// Whether it has no sign.
        unsigned: bool,
    },
    /// An exact number with a fraction.
    Decimal,
    /// A floating-point number.
    Double,
    /// UTF-8.
    Text {
        /// TEXT and its like, not CHAR or VARCHAR.
        long: bool,
    },
    /// Any bytes.
    Bytes {
        /// BLOB and its like, not BINARY or VARBINARY.
        long: bool,
    },
}

impl Kind {
    /// What conditions, counts and lengths are.
    pub const BIGINT: Kind = Kind::Int { bytes: 8, unsigned: false };
    /// What most functions give.
    pub const TEXT: Kind = Kind::Text { long: false };

    fn of_column(ty: &ColumnType) -> Kind {
        match ty {
            ColumnType::Int { bytes, unsigned } => Kind::Int { bytes: *bytes, unsigned: *unsigned },
            ColumnType::Char { .. } | ColumnType::VarChar { .. } | ColumnType::Enum { .. } => Kind::TEXT,
            ColumnType::Text { .. } => Kind::Text { long: true },
            ColumnType::Binary { .. } | ColumnType::VarBinary { .. } => Kind::Bytes { long: false },
            ColumnType::Blob { .. } => Kind::Bytes { long: true },
        }
    }

    fn of_value(value: &Datum) -> Kind {
        match value {
            Datum::Null => Kind::Null,
            Datum::Int(_) => Kind::BIGINT,
            Datum::UInt(_) => Kind::Int { bytes: 8, unsigned: true },
            Datum::Decimal(_) => Kind::Decimal,
            Datum::Double(_) => Kind::Double,
            Datum::Bytes(_) => Kind::TEXT,
            Datum::Hex(_) => Kind::Bytes { long: false },
        }
    }

    /// What arithmetic on this gives: strings count as floating point.
    fn number(self) -> Kind {
        match self {
            Kind::Int { unsigned, .. } => Kind::Int { bytes: 8, unsigned },
            Kind::Null => Kind::BIGINT,
            Kind::Decimal => Kind::Decimal,
            Kind::Double | Kind::Text { .. } | Kind::Bytes { .. } => Kind::Double,
        }
    }

    /// The narrowest that holds values of both.
    fn either(self, other: Kind) -> Kind {
        match (self, other) {
            (a, b) if a == b => a,
            (Kind::Null, kind) | (kind, Kind::Null) => kind,
            (Kind::Int { unsigned: a, .. }, Kind::Int { unsigned: b, .. }) if a == b => {
                Kind::Int { bytes: 8, unsigned: a }
            }
            (Kind::Bytes { long }, _) | (_, Kind::Bytes { long }) => Kind::Bytes { long },
            (Kind::Text { long }, _) | (_, Kind::Text { long }) => Kind::Text { long },
            (Kind::Double, _) | (_, Kind::Double) => Kind::Double,
            _ => Kind::Decimal,
        }
    }
}

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
