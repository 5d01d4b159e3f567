//! Computing expressions over a row.

use std::cmp::Ordering;

use super::column;
use super::datum::{Datum, Number};
use super::error::{Result, SqlError};
use super::expr::{Arithmetic, Comparison, Expr, Truth};
use super::function::{self, Function};
use super::memory;
use crate::refengine::types::Value;

/// What an expression sees. Columns are converted when they are used, so a blob nobody asks for is not copied.
#[derive(Default, Clone, Copy)]
pub struct RowView<'a> {
    pub row: &'a [Value],
    /// The row VALUES(column) means.
    pub inserted: &'a [Value],
    /// Results of the aggregates.
    pub aggregates: &'a [Datum],
}

fn load(row: &[Value], at: usize) -> Datum {
    row.get(at).map_or(Datum::Null, column::load)
}

impl Expr {
    /// The value for a row.
    pub fn eval(&self, row: &RowView<'_>) -> Result<Datum> {
        Ok(match self {
            Expr::Const(value) => value.clone(),
            Expr::Column(at) => load(row.row, *at),
            Expr::Inserted(at) => load(row.inserted, *at),
            Expr::Aggregate(at) => row.aggregates.get(*at).cloned().unwrap_or(Datum::Null),
            Expr::Negate(expr) => negate(&expr.eval(row)?)?,
            Expr::Arithmetic(op, left, right) => arithmetic(*op, &left.eval(row)?, &right.eval(row)?)?,
            Expr::Call(Function::If, arguments) => match arguments.as_slice() {
                [condition, yes, no] => if condition.test(row)? == Some(true) { yes } else { no }.eval(row)?,
                _ => Datum::Null,
            },
            Expr::Call(Function::Coalesce, arguments) => first_known(arguments, row)?,
            Expr::Loadable(call, arguments) => {
                let before = memory::held();
                let result = call.value(values(arguments, row)?)?;
                memory::give_back(before);
                memory::take(memory::of_datum(&result))?;
                result
            }
            Expr::Call(function, arguments) => {
                let before = memory::held();
                let result = function::call(*function, values(arguments, row)?);
                memory::give_back(before);
                memory::take(memory::of_datum(&result))?;
                result
            }
            logic => logic.test(row)?.map_or(Datum::Null, Datum::bool),
        })
    }

    /// The truth for a row: what WHERE asks. None is unknown.
    pub fn test(&self, row: &RowView<'_>) -> Result<Option<bool>> {
        let before = memory::held();
        let truth = self.truth(row);
        memory::give_back(before);
        truth
    }

    fn truth(&self, row: &RowView<'_>) -> Result<Option<bool>> {
        Ok(match self {
            Expr::Not(expr) => expr.test(row)?.map(|truth| !truth),
            Expr::And(left, right) => match left.test(row)? {
                Some(false) => Some(false),
                left => match (left, right.test(row)?) {
                    (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    _ => None,
                },
            },
            Expr::Or(left, right) => match left.test(row)? {
                Some(true) => Some(true),
                left => match (left, right.test(row)?) {
                    (_, Some(true)) => Some(true),
                    (Some(false), Some(false)) => Some(false),
                    _ => None,
                },
            },
            Expr::Xor(left, right) => left.test(row)?.zip(right.test(row)?).map(|(a, b)| a != b),
            Expr::Compare(op, left, right) => compare(*op, &left.eval(row)?, &right.eval(row)?),
            Expr::Is { expr, truth, negated } => {
                let found = match truth {
                    Truth::Null => expr.eval(row)?.is_null(),
                    Truth::True => expr.test(row)? == Some(true),
                    Truth::False => expr.test(row)? == Some(false),
                };
                Some(found != *negated)
            }
            Expr::In { expr, list, negated } => in_list(&expr.eval(row)?, list, row)?.map(|found| found != *negated),
            Expr::Between { expr, low, high, negated } => {
                let value = expr.eval(row)?;
                let above = compare(Comparison::GtEq, &value, &low.eval(row)?);
                let below = compare(Comparison::LtEq, &value, &high.eval(row)?);
                let within = match (above, below) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    _ => None,
                };
                within.map(|within| within != *negated)
            }
            Expr::Like { expr, pattern, escape, negated } => {
                let (value, pattern) = (expr.eval(row)?, pattern.eval(row)?);
                let pair = value.as_bytes().zip(pattern.as_bytes());
                pair.map(|(value, pattern)| function::like(&value, &pattern, *escape) != *negated)
            }
            value => value.eval(row)?.truth(),
        })
    }
}

/// COALESCE: what stands behind the value found is not computed.
fn first_known(arguments: &[Expr], row: &RowView<'_>) -> Result<Datum> {
    for argument in arguments {
        let value = argument.eval(row)?;
        if !value.is_null() {
            return Ok(value);
        }
    }
    Ok(Datum::Null)
}

/// The values of a function's arguments, which count as held by the statement.
fn values(arguments: &[Expr], row: &RowView<'_>) -> Result<Vec<Datum>> {
    let before = memory::held();
    let (mut values, mut bytes) = (Vec::with_capacity(arguments.len()), 0);
    for argument in arguments {
        let value = argument.eval(row)?;
        bytes += memory::of_datum(&value);
        memory::give_back(before);
        memory::take(bytes)?;
        values.push(value);
    }
    Ok(values)
}

fn in_list(value: &Datum, list: &[Expr], row: &RowView<'_>) -> Result<Option<bool>> {
    let mut unknown = value.is_null();
    for item in list {
        match compare(Comparison::Eq, value, &item.eval(row)?) {
            Some(true) => return Ok(Some(true)),
            Some(false) => {}
            None => unknown = true,
        }
    }
    Ok(if unknown { None } else { Some(false) })
}

fn compare(op: Comparison, left: &Datum, right: &Datum) -> Option<bool> {
    if op == Comparison::NullSafeEq && (left.is_null() || right.is_null()) {
        return Some(left.is_null() && right.is_null());
    }
    let order = left.compare(right)?;
    Some(match op {
        Comparison::Eq | Comparison::NullSafeEq => order == Ordering::Equal,
        Comparison::NotEq => order != Ordering::Equal,
        Comparison::Lt => order == Ordering::Less,
        Comparison::LtEq => order != Ordering::Greater,
        Comparison::Gt => order == Ordering::Greater,
        Comparison::GtEq => order != Ordering::Less,
    })
}

fn text(value: &Datum) -> String {
    value.as_bytes().map_or_else(|| "NULL".to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn negate(value: &Datum) -> Result<Datum> {
    let overflow = || SqlError::out_of_range("BIGINT", &format!("-({})", text(value)));
    Ok(match value.as_number() {
        None => Datum::Null,
        Some(Number::Int(n)) => Datum::Int(n.checked_neg().and_then(|n| i64::try_from(n).ok()).ok_or_else(overflow)?),
        Some(Number::Decimal(d)) => Datum::Decimal(d.neg().ok_or_else(overflow)?),
        Some(Number::Double(d)) => Datum::Double(-d),
    })
}

fn arithmetic(op: Arithmetic, left: &Datum, right: &Datum) -> Result<Datum> {
    let (Some(a), Some(b)) = (left.as_number(), right.as_number()) else { return Ok(Datum::Null) };
    let divides = matches!(op, Arithmetic::Div | Arithmetic::IntDiv | Arithmetic::Rem);
    if divides && b.to_f64() == 0.0 {
        return Ok(Datum::Null);
    }
    let overflow =
        |kind: &str| SqlError::out_of_range(kind, &format!("({} {} {})", text(left), op.symbol(), text(right)));
    if matches!(op, Arithmetic::BitAnd | Arithmetic::BitOr) {
        // Two's complement, as MySQL has it.
        let (a, b) = (a.round() as u64, b.round() as u64);
        return Ok(Datum::UInt(if op == Arithmetic::BitAnd { a & b } else { a | b }));
    }
    if let (Number::Int(a), Number::Int(b)) = (a, b)
        && op != Arithmetic::Div
    {
        let result = match op {
            Arithmetic::Add => a.checked_add(b),
            Arithmetic::Sub => a.checked_sub(b),
            Arithmetic::Mul => a.checked_mul(b),
            Arithmetic::IntDiv => a.checked_div(b),
            _ => a.checked_rem(b),
        };
        // As in MySQL, one unsigned operand makes the result unsigned; a remainder follows its left side.
        let right_counts = op != Arithmetic::Rem;
        let unsigned = matches!(left, Datum::UInt(_) | Datum::Hex(_))
            || right_counts && matches!(right, Datum::UInt(_) | Datum::Hex(_));
        return if unsigned {
            let result = result.and_then(|n| u64::try_from(n).ok());
            result.map(Datum::UInt).ok_or_else(|| overflow("BIGINT UNSIGNED"))
        } else {
            result.and_then(|n| i64::try_from(n).ok()).map(Datum::Int).ok_or_else(|| overflow("BIGINT"))
        };
    }
    if let (Some(a), Some(b)) = (a.to_decimal(), b.to_decimal()) {
        if op == Arithmetic::IntDiv {
            return a.div_integer(b).and_then(Datum::from_i128).ok_or_else(|| overflow("BIGINT"));
        }
        let result = match op {
            Arithmetic::Add => a.add(b),
            Arithmetic::Sub => a.sub(b),
            Arithmetic::Mul => a.mul(b),
            Arithmetic::Div => a.div(b),
            _ => a.rem(b),
        };
        if let Some(result) = result {
            return Ok(Datum::Decimal(result));
        }
    }
    let (a, b) = (a.to_f64(), b.to_f64());
    let result = match op {
        Arithmetic::Add => a + b,
        Arithmetic::Sub => a - b,
        Arithmetic::Mul => a * b,
        Arithmetic::IntDiv => {
            let whole = (a / b).trunc();
            let fits = whole.abs() < 9.2e18;
            return if fits { Ok(Datum::Int(whole as i64)) } else { Err(overflow("BIGINT")) };
        }
        Arithmetic::Rem => a % b,
        _ => a / b,
    };
    if result.is_finite() { Ok(Datum::Double(result)) } else { Err(overflow("DOUBLE")) }
}

impl Arithmetic {
    fn symbol(self) -> &'static str {
        match self {
            Arithmetic::Add => "+",
            Arithmetic::Sub => "-",
            Arithmetic::Mul => "*",
            Arithmetic::Div => "/",
            Arithmetic::IntDiv => "DIV",
            Arithmetic::Rem => "%",
            Arithmetic::BitAnd => "&",
            Arithmetic::BitOr => "|",
        }
    }
}

/// `left + right`, for COUNT and SUM. A sum that leaves BIGINT goes on as a decimal.
pub fn add(left: &Datum, right: &Datum) -> Result<Datum> {
    match (left.as_number().and_then(Number::to_decimal), right.as_number().and_then(Number::to_decimal)) {
        (Some(a), Some(b)) => match a.add(b) {
            Some(sum) => Ok(Datum::Decimal(sum)),
            None => arithmetic(Arithmetic::Add, left, right),
        },
        _ => arithmetic(Arithmetic::Add, left, right),
    }
}
