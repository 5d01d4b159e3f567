//! Expressions over the columns of one table.

use std::rc::Rc;

use super::datum::Datum;
use super::function::Function;
use super::loadable::Call;
use crate::refengine::types::TableDef;

/// A compiled expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    Const(Datum),
    /// Column of the table's row.
    Column(usize),
    /// `VALUES(column)`: the row that ON DUPLICATE KEY UPDATE could not insert.
    Inserted(usize),
    /// A result of [`Aggregate`].
    Aggregate(usize),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Xor(Box<Expr>, Box<Expr>),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    /// IS [NOT] TRUE, FALSE, UNKNOWN or NULL: the truth looked for, and whether the answer is turned round.
    Is {
        expr: Box<Expr>,
        truth: Truth,
        negated: bool,
    },
    In {
        expr: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    Between {
        expr: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        negated: bool,
    },
    Like {
        expr: Box<Expr>,
        pattern: Box<Expr>,
        escape: Option<char>,
        negated: bool,
    },
    Call(Function, Vec<Expr>),
    /// A function of a library, whose value may be another one each time.
    Loadable(Rc<Call>, Vec<Expr>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Eq,
    NullSafeEq,
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    IntDiv,
    Rem,
    BitAnd,
    BitOr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    True,
    False,
    /// IS UNKNOWN and IS NULL are the same.
    Null,
}

/// What COUNT, MIN, MAX and SUM compute over the rows of a group.
#[derive(Debug, Clone)]
pub struct Aggregate {
    pub kind: AggregateKind,
    /// None: COUNT(*).
    pub argument: Option<Expr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AggregateKind {
    Count,
    Min,
    Max,
    Sum,
}

/// The table whose columns an expression may name.
#[derive(Clone, Copy)]
pub struct TableScope<'a> {
    pub def: &'a TableDef,
    /// The name the statement gave it, an alias or its own.
    pub name: &'a str,
    /// Without an alias the database may stand before the name.
    pub aliased: bool,
}

impl TableScope<'_> {
    /// Whether `qualifier`, what stands before a column or a star, names this table.
    pub fn is_named(&self, qualifier: &[String]) -> bool {
        match qualifier {
            [] => true,
            [table] => table == self.name,
            [db, table] => !self.aliased && *db == self.def.db && table == self.name,
            _ => false,
        }
    }
}

/// A column by name, in any case.
pub fn column_index(def: &TableDef, name: &str) -> Option<usize> {
    def.columns.iter().position(|column| column.name.to_lowercase() == name.to_lowercase())
}

impl Expr {
    /// Whether the value is the same for every row.
    pub fn is_constant(&self) -> bool {
        let mut constant = true;
        self.walk(&mut |expr| {
            constant &= !matches!(expr, Expr::Column(_) | Expr::Inserted(_) | Expr::Aggregate(_) | Expr::Loadable(..));
        });
        constant
    }

    /// Whether an aggregate is used.
    pub fn uses_aggregates(&self) -> bool {
        let mut used = false;
        self.walk(&mut |expr| used |= matches!(expr, Expr::Aggregate(_)));
        used
    }

    /// A column outside an aggregate that is not one of `keys` and in no expression that is.
    pub fn column_outside(&self, keys: &[Expr]) -> Option<usize> {
        let mut found = None;
        self.visit(&mut |expr| {
            let known = keys.contains(expr);
            if let (Expr::Column(at), false) = (expr, known) {
                found = found.or(Some(*at));
            }
            !known
        });
        found
    }

    fn walk(&self, f: &mut dyn FnMut(&Expr)) {
        self.visit(&mut |expr| {
            f(expr);
            true
        });
    }

    /// Calls `f` with this and all expressions in it; where it says false, what is inside is left out.
    fn visit(&self, f: &mut dyn FnMut(&Expr) -> bool) {
        if !f(self) {
            return;
        }
        match self {
            Expr::Const(_) | Expr::Column(_) | Expr::Inserted(_) | Expr::Aggregate(_) => {}
            Expr::Not(a) | Expr::Negate(a) | Expr::Is { expr: a, .. } => a.visit(f),
            Expr::And(a, b)
            | Expr::Or(a, b)
            | Expr::Xor(a, b)
            | Expr::Compare(_, a, b)
            | Expr::Arithmetic(_, a, b)
            | Expr::Like { expr: a, pattern: b, .. } => {
                a.visit(f);
                b.visit(f);
            }
            Expr::In { expr, list, .. } => {
                expr.visit(f);
                list.iter().for_each(|item| item.visit(f));
            }
            Expr::Between { expr, low, high, .. } => [expr, low, high].into_iter().for_each(|e| e.visit(f)),
            Expr::Call(_, list) | Expr::Loadable(_, list) => list.iter().for_each(|item| item.visit(f)),
        }
    }
}
