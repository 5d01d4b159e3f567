//! From `sqlparser`'s tree to an [`Expr`] whose columns are resolved and whose constants are computed.

use std::rc::Rc;

use sqlparser::ast::{self, BinaryOperator, UnaryOperator, Value as Literal};

use super::datum::Datum;
use super::decimal::Decimal;
use super::error::{Result, SqlError};
use super::eval::RowView;
use super::expr::{Aggregate, AggregateKind, Arithmetic, Comparison, Expr, TableScope, Truth, column_index};
use super::function::{self, Function};
use super::loadable::{Argument, Call};
use super::parse::parts;
use crate::refengine::codes;

/// What an expression may name, and what happens to its aggregates.
pub struct Compiler<'a> {
    pub table: Option<TableScope<'a>>,
    pub context: &'a dyn function::Context,
    /// For error messages: `field list`, `where clause`, `order clause`.
    pub clause: &'static str,
    /// None where aggregates are not allowed.
    pub aggregates: Option<&'a mut Vec<Aggregate>>,
    /// Whether VALUES(column) is allowed.
    pub inserted: bool,
    /// A SELECT list whose aliases may stand for its expressions where no column has that name.
    pub aliases: &'a [(String, bool, Expr)],
}

impl Compiler<'_> {
    /// Compiles; what does not depend on a row is computed here.
    pub fn compile(&mut self, expr: &ast::Expr) -> Result<Expr> {
        let compiled = self.convert(expr)?;
        Ok(match compiled {
            Expr::Const(_) => compiled,
            other if other.is_constant() => Expr::Const(other.eval(&RowView::default())?),
            other => other,
        })
    }

    fn boxed(&mut self, expr: &ast::Expr) -> Result<Box<Expr>> {
        self.compile(expr).map(Box::new)
    }

    fn list(&mut self, exprs: &[ast::Expr]) -> Result<Vec<Expr>> {
        exprs.iter().map(|expr| self.compile(expr)).collect()
    }

    fn convert(&mut self, expr: &ast::Expr) -> Result<Expr> {
        use ast::Expr as E;
        Ok(match expr {
            E::Nested(inner) => self.compile(inner)?,
            E::Value(value) => Expr::Const(literal(&value.value, expr)?),
            E::Prefixed { prefix, value } if is_introducer(&prefix.value) => self.compile(value)?,
            E::Identifier(name) => self.name(std::slice::from_ref(name))?,
            E::CompoundIdentifier(names) => self.name(names)?,
            E::UnaryOp { op, expr: inner } => self.unary(*op, inner, expr)?,
            E::BinaryOp { left, op, right } => self.binary(left, op, right, expr)?,
            E::IsTrue(inner) => self.is(inner, Truth::True, false)?,
            E::IsNotTrue(inner) => self.is(inner, Truth::True, true)?,
            E::IsFalse(inner) => self.is(inner, Truth::False, false)?,
            E::IsNotFalse(inner) => self.is(inner, Truth::False, true)?,
            E::IsNull(inner) | E::IsUnknown(inner) => self.is(inner, Truth::Null, false)?,
            E::IsNotNull(inner) | E::IsNotUnknown(inner) => self.is(inner, Truth::Null, true)?,
            E::InList { expr: inner, list, negated } => {
                Expr::In { expr: self.boxed(inner)?, list: self.list(list)?, negated: *negated }
            }
            E::Between { expr: inner, negated, low, high } => Expr::Between {
                expr: self.boxed(inner)?,
                low: self.boxed(low)?,
                high: self.boxed(high)?,
                negated: *negated,
            },
            E::Like { negated, any: false, expr: inner, pattern, escape_char } => Expr::Like {
                expr: self.boxed(inner)?,
                pattern: self.boxed(pattern)?,
                escape: escape(escape_char.as_deref())?,
                negated: *negated,
            },
            E::Function(call) => self.call(call, expr)?,
            E::Convert { is_try: false, expr: inner, data_type: None, charset: Some(name), .. } if is_utf8(name) => {
                Expr::Call(Function::Text, vec![self.compile(inner)?])
            }
            _ => return Err(SqlError::unsupported(expr)),
        })
    }

    fn is(&mut self, expr: &ast::Expr, truth: Truth, negated: bool) -> Result<Expr> {
        Ok(Expr::Is { expr: self.boxed(expr)?, truth, negated })
    }

    /// A column, a system variable, or a function that needs no parentheses.
    fn name(&mut self, names: &[ast::Ident]) -> Result<Expr> {
        if let [first, rest @ ..] = names
            && first.quote_style.is_none()
            && let Some(variable) = first.value.strip_prefix("@@")
        {
            let (global, name) = match rest {
                [] => (false, variable),
                [name] if variable.eq_ignore_ascii_case("global") => (true, name.value.as_str()),
                [name] if ["session", "local"].iter().any(|s| variable.eq_ignore_ascii_case(s)) => {
                    (false, name.value.as_str())
                }
                _ => return Err(SqlError::unknown_variable(&parts(names).join("."))),
            };
            return self.context.variable(name, global).map(Expr::Const);
        }
        if let [only] = names
            && only.quote_style.is_none()
            && let Some(name) = only.value.strip_prefix('@')
        {
            return Ok(Expr::Const(self.context.user_variable(&name.to_lowercase())));
        }
        let parts = parts(names);
        let found = self.column(&parts).map(Expr::Column);
        let named = |(heading, alias, _): &&(String, bool, Expr)| {
            *alias
                && parts.len() == 1
                && parts.first().is_some_and(|name| name.to_lowercase() == heading.to_lowercase())
        };
        found.or_else(|error| self.aliases.iter().find(named).map(|(_, _, expr)| expr.clone()).ok_or(error))
    }

    /// Resolves `column`, `table.column` or `db.table.column`.
    pub fn column(&self, names: &[String]) -> Result<usize> {
        let unknown = || SqlError::unknown_column(&names.join("."), self.clause);
        let scope = self.table.ok_or_else(unknown)?;
        let (column, qualifier) = names.split_last().ok_or_else(unknown)?;
        if !scope.is_named(qualifier) {
            return Err(unknown());
        }
        column_index(scope.def, column).ok_or_else(unknown)
    }

    fn unary(&mut self, op: UnaryOperator, inner: &ast::Expr, whole: &ast::Expr) -> Result<Expr> {
        Ok(match op {
            UnaryOperator::Not | UnaryOperator::BangNot => Expr::Not(self.boxed(inner)?),
            UnaryOperator::Minus => Expr::Negate(self.boxed(inner)?),
            UnaryOperator::Plus => self.compile(inner)?,
            _ => return Err(SqlError::unsupported(whole)),
        })
    }

    fn binary(&mut self, left: &ast::Expr, op: &BinaryOperator, right: &ast::Expr, whole: &ast::Expr) -> Result<Expr> {
        use BinaryOperator as B;
        let (left, right) = (self.boxed(left)?, self.boxed(right)?);
        let comparison = |kind| Ok(Expr::Compare(kind, left.clone(), right.clone()));
        let arithmetic = |kind| Ok(Expr::Arithmetic(kind, left.clone(), right.clone()));
        match op {
            B::And => Ok(Expr::And(left, right)),
            B::Or => Ok(Expr::Or(left, right)),
            B::Xor => Ok(Expr::Xor(left, right)),
            B::Eq => comparison(Comparison::Eq),
            B::Spaceship => comparison(Comparison::NullSafeEq),
            B::NotEq => comparison(Comparison::NotEq),
            B::Lt => comparison(Comparison::Lt),
            B::LtEq => comparison(Comparison::LtEq),
            B::Gt => comparison(Comparison::Gt),
            B::GtEq => comparison(Comparison::GtEq),
            B::Plus => arithmetic(Arithmetic::Add),
            B::Minus => arithmetic(Arithmetic::Sub),
            B::Multiply => arithmetic(Arithmetic::Mul),
            B::Divide => arithmetic(Arithmetic::Div),
            B::MyIntegerDivide => arithmetic(Arithmetic::IntDiv),
            B::Modulo => arithmetic(Arithmetic::Rem),
            B::BitwiseAnd => arithmetic(Arithmetic::BitAnd),
            B::BitwiseOr => arithmetic(Arithmetic::BitOr),
            _ => Err(SqlError::unsupported(whole)),
        }
    }

    fn call(&mut self, call: &ast::Function, whole: &ast::Expr) -> Result<Expr> {
        let plain = !call.uses_odbc_syntax
            && matches!(call.parameters, ast::FunctionArguments::None)
            && call.within_group.is_empty()
            && call.filter.is_none()
            && call.null_treatment.is_none()
            && call.over.is_none();
        let list = match &call.args {
            ast::FunctionArguments::None => &[][..],
            ast::FunctionArguments::List(list) if list.duplicate_treatment.is_none() && list.clauses.is_empty() => {
                list.args.as_slice()
            }
            _ => return Err(SqlError::unsupported(whole)),
        };
        let [ast::ObjectNamePart::Identifier(name)] = call.name.0.as_slice() else {
            return Err(SqlError::unsupported(whole));
        };
        if !plain {
            return Err(SqlError::unsupported(whole));
        }
        let upper = name.value.to_ascii_uppercase();
        if upper == "COUNT" && matches!(list, [ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Wildcard)]) {
            return self.aggregate(AggregateKind::Count, None);
        }
        let mut arguments = Vec::with_capacity(list.len());
        for argument in list {
            match argument {
                ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => arguments.push(expr),
                _ => return Err(SqlError::unsupported(whole)),
            }
        }
        match (upper.as_str(), arguments.as_slice()) {
            ("COUNT", [argument]) => self.aggregate(AggregateKind::Count, Some(argument)),
            ("MIN", [argument]) => self.aggregate(AggregateKind::Min, Some(argument)),
            ("MAX", [argument]) => self.aggregate(AggregateKind::Max, Some(argument)),
            ("SUM", [argument]) => self.aggregate(AggregateKind::Sum, Some(argument)),
            ("AVG", [argument]) => {
                // No rows: NULL / 0, which is NULL.
                let sum = Box::new(self.aggregate(AggregateKind::Sum, Some(argument))?);
                let count = Box::new(self.aggregate(AggregateKind::Count, Some(argument))?);
                Ok(Expr::Arithmetic(Arithmetic::Div, sum, count))
            }
            ("VALUES", [argument]) if self.inserted => match self.compile(argument)? {
                Expr::Column(column) => Ok(Expr::Inserted(column)),
                _ => Err(SqlError::unsupported(whole)),
            },
            _ => {
                let compiled = arguments.iter().map(|argument| self.compile(argument)).collect::<Result<Vec<_>>>()?;
                match native(&upper, compiled, self.context)? {
                    Ok(native) => Ok(native),
                    Err(compiled) => self.loadable(&upper, &arguments, compiled),
                }
            }
        }
    }

    /// A call of a function of a library.
    fn loadable(&mut self, name: &str, written: &[&ast::Expr], arguments: Vec<Expr>) -> Result<Expr> {
        let unknown = || SqlError::unsupported(format_args!("{name}()"));
        let function = self.context.loadable(name).ok_or_else(unknown)?;
        let aggregates: &[Aggregate] = self.aggregates.as_ref().map_or(&[], |list| list);
        let describe = |(written, argument): (&&ast::Expr, &Expr)| Argument {
            text: written.to_string(),
            kind: argument.kind(self.table.map(|table| table.def), aggregates),
            constant: match argument {
                Expr::Const(value) => Some(value.clone()),
                _ => None,
            },
        };
        let described = written.iter().zip(&arguments).map(describe).collect();
        Ok(Expr::Loadable(Rc::new(Call::begin(function, described)?), arguments))
    }

    fn aggregate(&mut self, kind: AggregateKind, argument: Option<&ast::Expr>) -> Result<Expr> {
        let Some(list) = self.aggregates.take() else {
            return Err(SqlError::new(codes::ER_INVALID_GROUP_FUNC_USE, "Invalid use of group function"));
        };
        // Aggregates do not nest: inside the argument there is no list to add to.
        let argument = argument.map(|expr| self.compile(expr)).transpose();
        let index = list.len();
        let result = argument.map(|argument| {
            list.push(Aggregate { kind, argument });
            Expr::Aggregate(index)
        });
        self.aggregates = Some(list);
        result
    }
}

/// A call by upper-case name; the arguments back if there is no such function here. What depends on the session is answered.
fn native(name: &str, arguments: Vec<Expr>, context: &dyn function::Context) -> Result<Result<Expr, Vec<Expr>>> {
    let text = |text: Option<String>| Ok(Expr::Const(text.map_or(Datum::Null, Datum::text)));
    match (name, arguments.as_slice()) {
        ("NOW" | "CURRENT_TIMESTAMP" | "LOCALTIMESTAMP" | "LOCALTIME" | "SYSDATE", []) => {
            return Ok(text(function::local_time(context.now())));
        }
        ("UNIX_TIMESTAMP", []) => return Ok(Ok(Expr::Const(Datum::Int(context.now())))),
        ("VERSION", []) => return Ok(text(Some(function::VERSION.to_owned()))),
        ("USER" | "SESSION_USER" | "SYSTEM_USER", []) => return Ok(text(Some(context.identity().client()))),
        ("CURRENT_USER", []) => return Ok(text(Some(context.identity().account_name()))),
        ("CONNECTION_ID", []) => return Ok(Ok(Expr::Const(Datum::UInt(u64::from(context.identity().id))))),
        // Nothing here numbers rows by itself.
        ("LAST_INSERT_ID", []) => return Ok(Ok(Expr::Const(Datum::Int(0)))),
        ("DATABASE" | "SCHEMA", []) => return Ok(text(context.database().map(str::to_owned))),
        _ => {}
    }
    let Some((function, arity)) = function::named(name) else { return Ok(Err(arguments)) };
    if !arity.contains(&arguments.len()) {
        let message = format!("Incorrect parameter count in the call to native function '{name}'");
        return Err(SqlError::new(codes::ER_WRONG_PARAMCOUNT_TO_NATIVE_FCT, message));
    }
    Ok(Ok(Expr::Call(function, arguments)))
}

/// The value of a literal.
fn literal(value: &Literal, whole: &ast::Expr) -> Result<Datum> {
    Ok(match value {
        Literal::Null => Datum::Null,
        Literal::Boolean(value) => Datum::bool(*value),
        Literal::Number(digits, false) => number(digits).ok_or_else(|| SqlError::unsupported(whole))?,
        Literal::SingleQuotedString(text)
        | Literal::DoubleQuotedString(text)
        | Literal::NationalStringLiteral(text) => Datum::Bytes(text.clone().into_bytes()),
        Literal::HexStringLiteral(digits) => {
            Datum::Hex(function::unhex(digits.as_bytes()).ok_or_else(|| SqlError::unsupported(whole))?)
        }
        _ => return Err(SqlError::unsupported(whole)),
    })
}

fn number(digits: &str) -> Option<Datum> {
    if let Ok(n) = digits.parse::<u64>() {
        return Some(i64::try_from(n).map_or(Datum::UInt(n), Datum::Int));
    }
    if let Some(decimal) = Decimal::parse(digits) {
        return Some(Datum::Decimal(decimal));
    }
    digits.parse().ok().filter(|d: &f64| d.is_finite()).map(Datum::Double)
}

fn is_utf8(charset: &ast::ObjectName) -> bool {
    ["utf8mb4", "utf8mb3", "utf8"].iter().any(|known| charset.to_string().eq_ignore_ascii_case(known))
}

/// `_utf8mb4'text'`: the text is UTF-8 already, and comparisons are by bytes anyway.
fn is_introducer(prefix: &str) -> bool {
    ["_utf8mb4", "_utf8mb3", "_utf8", "_binary"].iter().any(|known| prefix.eq_ignore_ascii_case(known))
}

/// LIKE's escape character: backslash unless said otherwise, none for ESCAPE ''.
fn escape(given: Option<&ast::Expr>) -> Result<Option<char>> {
    let wrong = || SqlError::new(codes::ER_WRONG_ARGUMENTS, "Incorrect arguments to ESCAPE");
    let Some(given) = given else { return Ok(Some('\\')) };
    let ast::Expr::Value(value) = given else { return Err(wrong()) };
    let Datum::Bytes(bytes) = literal(&value.value, given)? else { return Err(wrong()) };
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (first, None) => Ok(first),
        _ => Err(wrong()),
    }
}
