//! Tokens to statements.
//!
//! The grammar of statements is written out here over the token stream of `sqlparser`; its expression, literal and
//! type parsers do the rest. A statement that this grammar refuses is shown to the full grammar of `sqlparser`: if
//! that accepts it, the statement is valid but not supported (1235), otherwise it is a syntax error (1064).
//!
//! Trees are walked and dropped recursively, so their depth has bounds: [`MAX_OPERATORS`] here, [`MAX_TOKENS_FOR_FULL`] there.

use sqlparser::ast::{Expr, Ident, UnaryOperator, Value};
use sqlparser::dialect::MySqlDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::ast::{Maintenance, Statement, TableName};
use super::error::{Result, SqlError};
use super::reserved::{is_reserved, never_begins_expr};
use super::text::{SourceText, Unit, relative_line};
use crate::refengine::codes;

/// Parses one statement.
pub fn parse(source: &SourceText<'_>, unit: Unit) -> Result<Statement> {
    let Unit { tokens, line, end } = unit;
    let short = tokens.len() <= MAX_TOKENS_FOR_FULL;
    let mut front = Front { parser: parser(tokens), source, end, failed_at: None };
    let result = front.statement().and_then(|statement| front.finish().map(|()| statement));
    match result {
        Ok(statement) => Ok(statement),
        Err(Refusal::Sql(error)) => Err(*error),
        Err(refusal) => {
            let at = front.failed_at.unwrap_or_else(|| front.position());
            let mut full = parser(front.parser.into_tokens());
            let known = short
                && matches!(refusal, Refusal::Here)
                && full.parse_statement().is_ok()
                && full.peek_token_ref().token == Token::EOF;
            let near = source.near_until(at, end);
            if known {
                let what = if near.is_empty() { source.slice(Location { line, column: 1 }, end) } else { near };
                return Err(SqlError::unsupported(first_word(what)));
            }
            Err(SqlError::syntax(near, relative_line(at.line, line)))
        }
    }
}

fn parser(tokens: Vec<TokenWithSpan>) -> Parser<'static> {
    Parser::new(&MySqlDialect {}).with_tokens_with_locations(tokens)
}

/// The place at the end of `sqlparser`'s messages; None at the end of the statement.
fn place_of(error: &ParserError) -> Option<Location> {
    let ParserError::ParserError(message) = error else { return None };
    let (line, column) = message.rsplit_once(" at Line: ")?.1.split_once(", Column: ")?;
    let (line, column) = (line.parse().ok()?, column.parse().ok()?);
    (line > 0).then_some(Location { line, column })
}

/// The word or the mark that a text begins with.
fn first_word(text: &str) -> &str {
    let of_word = |c: char| c.is_alphanumeric() || "_@$`.".contains(c);
    match text.find(|c| !of_word(c)) {
        Some(0) => text.get(..text.ceil_char_boundary(1)).unwrap_or(text),
        Some(end) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

/// Why the grammar stopped.
pub(super) enum Refusal {
    /// At the parser's position; the full grammar may know better.
    Here,
    /// At the parser's position: a reserved word where none can be.
    Reserved,
    /// With an error of its own.
    Sql(Box<SqlError>),
}

impl From<ParserError> for Refusal {
    fn from(_: ParserError) -> Refusal {
        Refusal::Here
    }
}

impl From<SqlError> for Refusal {
    fn from(error: SqlError) -> Refusal {
        Refusal::Sql(Box::new(error))
    }
}

pub(super) type Parsed<T> = std::result::Result<T, Refusal>;

/// The grammar's state; the statements are spread over `parse_*.rs` as further `impl` blocks.
pub(super) struct Front<'a> {
    pub(super) parser: Parser<'static>,
    pub(super) source: &'a SourceText<'a>,
    end: Location,
    /// Where the expression parser stopped: it may have gone on behind the token it did not want.
    failed_at: Option<Location>,
}

impl Front<'_> {
    fn finish(&mut self) -> Parsed<()> {
        if self.parser.peek_token_ref().token == Token::EOF { Ok(()) } else { Err(Refusal::Here) }
    }

    /// The place of the next token.
    pub(super) fn position(&self) -> Location {
        let next = self.parser.peek_token_ref();
        if next.token == Token::EOF { self.end } else { next.span.start }
    }

    /// The text from `start` to the last token taken.
    pub(super) fn text_since(&self, start: Location) -> String {
        self.source.slice(start, self.parser.get_current_token().span.end).to_owned()
    }

    /// Takes the next word if it is `word`, quoted words excepted. Words need not be keywords of `sqlparser`.
    pub(super) fn word(&mut self, word: &str) -> bool {
        let found = self.peek_word(0, word);
        if found {
            self.parser.advance_token();
        }
        found
    }

    /// Whether the `n`-th token from here is the bare word `word`.
    pub(super) fn peek_word(&self, n: usize, word: &str) -> bool {
        matches!(&self.parser.peek_nth_token_ref(n).token,
            Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
    }

    /// Takes all of `words` or nothing.
    pub(super) fn words(&mut self, words: &[&str]) -> bool {
        let found = words.iter().enumerate().all(|(n, word)| self.peek_word(n, word));
        if found {
            words.iter().for_each(|_| self.parser.advance_token());
        }
        found
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.word(word) { Ok(()) } else { Err(Refusal::Here) }
    }

    pub(super) fn token(&mut self, token: &Token) -> bool {
        self.parser.consume_token(token)
    }

    pub(super) fn expect(&mut self, token: &Token) -> Parsed<()> {
        if self.token(token) { Ok(()) } else { Err(Refusal::Here) }
    }

    pub(super) fn expr(&mut self) -> Parsed<Expr> {
        match &self.parser.peek_token_ref().token {
            Token::Word(word) if word.quote_style.is_none() && never_begins_expr(word.keyword) => {
                Err(Refusal::Reserved)
            }
            _ if self.operators_ahead() > MAX_OPERATORS => Err(too_complex().into()),
            _ => self.parser.parse_expr().map_err(|error| {
                self.failed_at = place_of(&error);
                Refusal::Here
            }),
        }
    }

    /// The most operators of the expression that begins here that may end up inside each other. A chain like
    /// `a AND b AND c` becomes as deep a tree as it has operators, and trees are walked recursively.
    fn operators_ahead(&self) -> usize {
        let mut open = vec![0usize];
        let mut most = 0;
        for at in self.parser.index().. {
            match &self.parser.token_at(at).token {
                Token::EOF => break,
                Token::LParen => open.push(0),
                Token::RParen => {
                    open.pop();
                }
                Token::Comma if open.len() == 1 => break,
                Token::Comma => open.last_mut().into_iter().for_each(|count| *count = 0),
                token if is_operator(token) => {
                    open.last_mut().into_iter().for_each(|count| *count += 1);
                    most = most.max(open.iter().sum());
                }
                _ => {}
            }
            if open.is_empty() {
                break;
            }
        }
        most
    }

    /// An identifier: a word that is not reserved, or anything in backticks.
    pub(super) fn ident(&mut self) -> Parsed<String> {
        match &self.parser.peek_token_ref().token {
            Token::Word(word) if word.quote_style.is_some() || !is_reserved(word.keyword) => {
                let name = word.value.clone();
                self.parser.advance_token();
                Ok(name)
            }
            Token::Word(_) => Err(Refusal::Reserved),
            _ => Err(Refusal::Here),
        }
    }

    /// An identifier or a string where MySQL takes both.
    pub(super) fn name_or_string(&mut self) -> Parsed<String> {
        match self.optional_string() {
            Some(text) => Ok(text),
            None => self.ident(),
        }
    }

    pub(super) fn optional_string(&mut self) -> Option<String> {
        let text = match &self.parser.peek_token_ref().token {
            Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) => text.clone(),
            _ => return None,
        };
        self.parser.advance_token();
        Some(text)
    }

    pub(super) fn string(&mut self) -> Parsed<String> {
        self.optional_string().ok_or(Refusal::Here)
    }

    pub(super) fn unsigned(&mut self) -> Parsed<u64> {
        let parsed = match &self.parser.peek_token_ref().token {
            Token::Number(digits, false) => digits.parse().ok(),
            _ => None,
        };
        let number = parsed.ok_or(Refusal::Here)?;
        self.parser.advance_token();
        Ok(number)
    }

    /// `a, b, c`
    pub(super) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.token(&Token::Comma) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// `(a, b, c)`
    pub(super) fn parenthesized<T>(&mut self, item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.expect(&Token::LParen)?;
        let items = self.list(item)?;
        self.expect(&Token::RParen)?;
        Ok(items)
    }

    /// `table` or `db.table`
    pub(super) fn table_name(&mut self) -> Parsed<TableName> {
        let first = self.ident()?;
        if self.token(&Token::Period) {
            return Ok(TableName { db: Some(first), name: self.ident_after_period()? });
        }
        Ok(TableName { db: None, name: first })
    }

    /// `a`, `a.b` or `a.b.c`
    pub(super) fn column_name(&mut self) -> Parsed<Vec<String>> {
        let mut parts = vec![self.ident()?];
        while parts.len() < 3 && self.token(&Token::Period) {
            parts.push(self.ident_after_period()?);
        }
        Ok(parts)
    }

    /// After a period even a reserved word is a name.
    fn ident_after_period(&mut self) -> Parsed<String> {
        let Token::Word(word) = &self.parser.peek_token_ref().token else { return Err(Refusal::Here) };
        let name = word.value.clone();
        self.parser.advance_token();
        Ok(name)
    }

    pub(super) fn if_exists(&mut self) -> bool {
        self.words(&["IF", "EXISTS"])
    }

    pub(super) fn if_not_exists(&mut self) -> bool {
        self.words(&["IF", "NOT", "EXISTS"])
    }

    /// A literal with an optional sign, as DEFAULT takes it.
    pub(super) fn literal(&mut self) -> Parsed<Expr> {
        let negative = self.token(&Token::Minus);
        if !negative {
            self.token(&Token::Plus);
        }
        let before = self.parser.index();
        let value = self.parser.parse_value()?;
        if matches!(value.value, Value::Placeholder(_)) || self.parser.index() == before {
            return Err(Refusal::Here);
        }
        let literal = Expr::Value(value);
        Ok(if negative { Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(literal) } } else { literal })
    }

    /// `LIKE 'pattern'`
    pub(super) fn optional_like(&mut self) -> Parsed<Option<String>> {
        if self.word("LIKE") { self.string().map(Some) } else { Ok(None) }
    }

    fn statement(&mut self) -> Parsed<Statement> {
        let Token::Word(word) = &self.parser.peek_token_ref().token else { return Err(Refusal::Here) };
        if word.quote_style.is_some() {
            return Err(Refusal::Here);
        }
        let verb = word.value.to_ascii_uppercase();
        self.parser.advance_token();
        match verb.as_str() {
            "SELECT" => self.select(),
            "INSERT" => self.insert(false),
            "REPLACE" => self.insert(true),
            "UPDATE" => self.update(),
            "DELETE" => self.delete(),
            "CREATE" => self.create(),
            "DROP" => self.drop(),
            "TRUNCATE" => {
                self.word("TABLE");
                Ok(Statement::Truncate(self.table_name()?))
            }
            "RENAME" => self.rename(),
            "USE" => Ok(Statement::Use(self.ident()?)),
            "SHOW" => self.show(),
            "DESC" | "DESCRIBE" | "EXPLAIN" => self.describe(),
            "CHECK" => self.maintain(Maintenance::Check),
            "ANALYZE" => self.maintain(Maintenance::Analyze),
            "OPTIMIZE" => self.maintain(Maintenance::Optimize),
            "REPAIR" => self.maintain(Maintenance::Repair),
            "SET" => self.set(),
            "BEGIN" => {
                self.word("WORK");
                Ok(Statement::Begin { read_only: false, snapshot: false })
            }
            "START" => self.start_transaction(),
            "COMMIT" => {
                self.word("WORK");
                Ok(Statement::Commit)
            }
            "ROLLBACK" => {
                self.word("WORK");
                if !self.word("TO") {
                    return Ok(Statement::Rollback);
                }
                self.word("SAVEPOINT");
                Ok(Statement::RollbackTo(self.ident()?))
            }
            "SAVEPOINT" => Ok(Statement::Savepoint(self.ident()?)),
            "RELEASE" => {
                self.expect_word("SAVEPOINT")?;
                Ok(Statement::ReleaseSavepoint(self.ident()?))
            }
            "GRANT" => self.grant(true),
            "REVOKE" => self.grant(false),
            "ALTER" => self.alter(),
            "FLUSH" => self.flush(),
            "LOCK" => self.lock_tables(),
            "UNLOCK" => {
                if !self.word("TABLES") {
                    self.expect_word("TABLE")?;
                }
                Ok(Statement::UnlockTables)
            }
            "KILL" => self.kill(),
            "INSTALL" => {
                self.expect_word("PLUGIN")?;
                let name = self.ident()?;
                self.expect_word("SONAME")?;
                Ok(Statement::InstallPlugin { name, soname: self.string()? })
            }
            "UNINSTALL" => {
                self.expect_word("PLUGIN")?;
                Ok(Statement::UninstallPlugin { name: self.ident()? })
            }
            _ => self.step_back(),
        }
    }

    /// Refuses at the token before the current position.
    pub(super) fn step_back<T>(&mut self) -> Parsed<T> {
        self.parser.prev_token();
        Err(Refusal::Here)
    }
}

/// Depth of the deepest expression: what fits into a small thread's stack several times.
const MAX_OPERATORS: usize = 1000;

/// Tokens of the longest statement that the full grammar gets to see, which does not bound the depth of chains: each operator, UNION, JOIN
/// or cast makes its tree one deeper.
const MAX_TOKENS_FOR_FULL: usize = 2 * MAX_OPERATORS;

fn too_complex() -> SqlError {
    let text = format!("Expression too complex: more than {MAX_OPERATORS} operators in one; use IN (...) for lists");
    SqlError::new(codes::ER_STACK_OVERRUN_NEED_MORE, text)
}

fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => {
            use Keyword::*;
            matches!(word.keyword, AND | BETWEEN | COLLATE | DIV | IN | IS | LIKE | NOT | OR | REGEXP | RLIKE | XOR)
        }
        Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) | Token::Number(..) | Token::Whitespace(_) => false,
        Token::HexStringLiteral(_) | Token::Period | Token::SemiColon => false,
        _ => true,
    }
}

/// The identifier parts of a column reference in an expression.
pub(super) fn parts(idents: &[Ident]) -> Vec<String> {
    idents.iter().map(|ident| ident.value.clone()).collect()
}
