//! Which index a WHERE uses. The ranges chosen here may hold more rows than match, never fewer: whoever reads them
//! tests the whole condition on each row.

use std::ops::Bound;

use std::cmp::Ordering;

use super::datum::{Datum, Number, Parsed, Rest, parse_prefix};
use super::expr::{Comparison, Expr};
use crate::refengine::types::{ColumnDef, ColumnType, KeyRange, TableDef, Value};

/// Where to look for rows.
pub struct Access {
    /// None: the primary key.
    pub index: Option<usize>,
    /// One, unless an IN list names several keys; they do not overlap.
    pub ranges: Vec<KeyRange>,
}

/// What is known about a column from the conditions that must all hold.
struct Limits {
    /// The column is one of these.
    equal: Option<Vec<Value>>,
    lower: Bound<Value>,
    upper: Bound<Value>,
}

/// The best access for a filter: all columns of a unique index with `=`, then the most columns with `=`, then a range; where
/// equal, the primary key, then a unique index.
pub fn choose(def: &TableDef, filter: Option<&Expr>) -> Access {
    let mut conditions = Vec::new();
    if let Some(filter) = filter {
        conjuncts(filter, &mut conditions);
    }
    let mut best: Option<(usize, Access)> = None;
    let secondary = |unique| {
        let of_kind = def.indexes.iter().enumerate().filter(move |(_, index)| index.unique == unique);
        of_kind.map(move |(at, index)| (Some(at), unique, &index.columns))
    };
    let primary = std::iter::once((None, true, &def.primary_key));
    for (index, unique, columns) in primary.chain(secondary(true)).chain(secondary(false)) {
        let (mut score, ranges) = ranges_of(def, columns, &conditions);
        if unique && score == 2 * columns.len() {
            score = usize::MAX;
        }
        if best.as_ref().is_none_or(|(highest, _)| score > *highest) {
            best = Some((score, Access { index, ranges }));
        }
    }
    best.map_or_else(|| Access { index: None, ranges: vec![KeyRange::all()] }, |(_, access)| access)
}

/// Whether reading `access` gives the order asked for, and then whether backwards.
pub fn gives_order(def: &TableDef, access: &Access, order: &[(usize, bool)]) -> Option<bool> {
    let columns = match access.index {
        None => &def.primary_key,
        Some(at) => &def.indexes.get(at)?.columns,
    };
    let descending = order.first()?.1;
    let same = order.len() <= columns.len()
        && order.iter().zip(columns).all(|((column, desc), key)| column == key && *desc == descending);
    (same && access.ranges.len() == 1).then_some(descending)
}

fn conjuncts<'a>(expr: &'a Expr, out: &mut Vec<&'a Expr>) {
    match expr {
        Expr::And(left, right) => {
            conjuncts(left, out);
            conjuncts(right, out);
        }
        other => out.push(other),
    }
}

fn ranges_of(def: &TableDef, columns: &[usize], conditions: &[&Expr]) -> (usize, Vec<KeyRange>) {
    // Prefixes of the key that the rows begin with; IN multiplies the last one.
    let mut prefixes: Vec<Vec<Value>> = vec![Vec::new()];
    let mut score = 0;
    for column in columns {
        let limits = limits_of(def, *column, conditions);
        match limits.equal {
            Some(values) if values.len() == 1 || score == 0 && columns.len() == 1 => {
                prefixes =
                    prefixes.iter().flat_map(|prefix| values.iter().map(|value| extended(prefix, value))).collect();
                score += 2;
            }
            _ => {
                let [prefix] = prefixes.as_slice() else { break };
                if matches!((&limits.lower, &limits.upper), (Bound::Unbounded, Bound::Unbounded)) {
                    break;
                }
                return (score + 1, vec![bounded(prefix, limits.lower, limits.upper)]);
            }
        }
    }
    if score == 0 {
        return (0, vec![KeyRange::all()]);
    }
    (score, prefixes.into_iter().map(KeyRange::prefix).collect())
}

fn extended(prefix: &[Value], value: &Value) -> Vec<Value> {
    prefix.iter().chain(std::iter::once(value)).cloned().collect()
}

fn bounded(prefix: &[Value], lower: Bound<Value>, upper: Bound<Value>) -> KeyRange {
    let open = || if prefix.is_empty() { Bound::Unbounded } else { Bound::Included(prefix.to_vec()) };
    let side = |bound: Bound<Value>| match bound {
        Bound::Unbounded => open(),
        bound => bound.map(|value| extended(prefix, &value)),
    };
    KeyRange { lower: side(lower), upper: side(upper) }
}

fn limits_of(def: &TableDef, column: usize, conditions: &[&Expr]) -> Limits {
    let mut limits = Limits { equal: None, lower: Bound::Unbounded, upper: Bound::Unbounded };
    let Some(definition) = def.columns.get(column) else { return limits };
    let mut narrow = |op: Comparison, value: &Datum| match op {
        Comparison::Eq | Comparison::NullSafeEq => {
            if let Some(value) = key_value(definition, value) {
                limits.equal = Some(vec![value]);
            }
        }
        Comparison::NotEq => {}
        _ if !has_ranges(&definition.ty) => {}
        // Of two bounds on one side the first is taken: a superset of the rows is allowed.
        Comparison::Gt | Comparison::GtEq => {
            if let (Some(value), Bound::Unbounded) = (key_value(definition, value), &limits.lower) {
                limits.lower = if op == Comparison::Gt { Bound::Excluded(value) } else { Bound::Included(value) };
            }
        }
        Comparison::Lt | Comparison::LtEq => {
            if let (Some(value), Bound::Unbounded) = (key_value(definition, value), &limits.upper) {
                limits.upper = if op == Comparison::Lt { Bound::Excluded(value) } else { Bound::Included(value) };
            }
        }
    };
    let mut in_list = None;
    for condition in conditions {
        match condition {
            Expr::Compare(op, left, right) => match (left.as_ref(), right.as_ref()) {
                (Expr::Column(at), Expr::Const(value)) if *at == column => narrow(*op, value),
                (Expr::Const(value), Expr::Column(at)) if *at == column => narrow(op.turned(), value),
                _ => {}
            },
            Expr::Between { expr, low, high, negated: false } => {
                if let (Expr::Column(at), Expr::Const(low), Expr::Const(high)) =
                    (expr.as_ref(), low.as_ref(), high.as_ref())
                    && *at == column
                {
                    narrow(Comparison::GtEq, low);
                    narrow(Comparison::LtEq, high);
                }
            }
            Expr::In { expr, list, negated: false } if matches!(expr.as_ref(), Expr::Column(at) if *at == column) => {
                in_list = keys_of(definition, list);
            }
            _ => {}
        }
    }
    if limits.equal.is_none() {
        limits.equal = in_list;
    }
    limits
}

/// The distinct keys of an IN list; None if one of them cannot be looked up.
fn keys_of(definition: &ColumnDef, list: &[Expr]) -> Option<Vec<Value>> {
    let mut keys = Vec::with_capacity(list.len());
    for item in list {
        let Expr::Const(value) = item else { return None };
        if !value.is_null() {
            keys.push(key_value(definition, value)?);
        }
    }
    keys.sort_by(compare_values);
    keys.dedup();
    if keys.is_empty() { None } else { Some(keys) }
}

/// Whether the index orders the column as comparisons do.
fn has_ranges(ty: &ColumnType) -> bool {
    matches!(ty, ColumnType::Int { .. } | ColumnType::VarChar { .. } | ColumnType::VarBinary { .. })
}

/// A constant as a value of the column that compares alike; None if there is none, for instance for a string
/// column and a number, which compare as numbers.
fn key_value(column: &ColumnDef, datum: &Datum) -> Option<Value> {
    match (&column.ty, datum) {
        (ColumnType::Int { .. }, Datum::Int(n)) => Some(Value::Int(*n)),
        (ColumnType::Int { .. }, Datum::UInt(n)) => Some(Value::UInt(*n)),
        (ColumnType::Int { .. }, Datum::Bytes(text)) => match parse_prefix(text) {
            Parsed { number: Number::Int(n), rest: Rest::None } => match Datum::from_i128(n)? {
                Datum::Int(n) => Some(Value::Int(n)),
                Datum::UInt(n) => Some(Value::UInt(n)),
                _ => None,
            },
            _ => None,
        },
        (ColumnType::Enum { values }, Datum::Bytes(label)) => {
            values.iter().any(|known| known.as_bytes() == label.as_slice()).then(|| Value::Bytes(label.clone()))
        }
        (ColumnType::Int { .. } | ColumnType::Enum { .. }, _) => None,
        (ColumnType::Char { .. } | ColumnType::VarChar { .. }, Datum::Bytes(text) | Datum::Hex(text)) => {
            let fits = |c: char| column.charset.has(c);
            let known = std::str::from_utf8(text).is_ok_and(|text| text.chars().all(fits));
            known.then(|| Value::Bytes(text.clone()))
        }
        (_, Datum::Bytes(bytes) | Datum::Hex(bytes)) => Some(Value::Bytes(bytes.clone())),
        _ => None,
    }
}

impl Comparison {
    /// The comparison with its sides exchanged.
    fn turned(self) -> Comparison {
        match self {
            Comparison::Lt => Comparison::Gt,
            Comparison::LtEq => Comparison::GtEq,
            Comparison::Gt => Comparison::Lt,
            Comparison::GtEq => Comparison::LtEq,
            same => same,
        }
    }
}

/// The order of an index: NULL first, numbers by value, bytes by byte.
fn compare_values(a: &Value, b: &Value) -> Ordering {
    let number = |value: &Value| match value {
        Value::Int(n) => Some(i128::from(*n)),
        Value::UInt(n) => Some(i128::from(*n)),
        _ => None,
    };
    match (a, b) {
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Bytes(_), _) => Ordering::Greater,
        (_, Value::Bytes(_)) => Ordering::Less,
        _ => number(a).cmp(&number(b)),
    }
}
