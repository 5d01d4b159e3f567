//! The grammar of SELECT, INSERT, REPLACE, UPDATE and DELETE.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

use super::ast::{Delete, Insert, OrderBy, Select, SelectItem, Source, Statement, TableRef, Update};
use super::parse::{Front, Parsed, Refusal};
use crate::refengine::types::RowLock;

/// What may stand before a SELECT list and is not supported.
const SELECT_MODIFIERS: [&str; 5] =
    ["HIGH_PRIORITY", "SQL_BIG_RESULT", "SQL_BUFFER_RESULT", "SQL_CALC_FOUND_ROWS", "STRAIGHT_JOIN"];

impl Front<'_> {
    pub(super) fn select(&mut self) -> Parsed<Statement> {
        let distinct = self.word("DISTINCT") || self.word("DISTINCTROW");
        if !distinct {
            self.word("ALL");
        }
        // There is no cache of results.
        self.word("SQL_NO_CACHE");
        if SELECT_MODIFIERS.iter().any(|word| self.peek_word(0, word)) {
            return Err(Refusal::Here);
        }
        let items = self.list(Front::select_item)?;
        let mut select = Select {
            distinct,
            items,
            from: None,
            filter: None,
            group_by: Vec::new(),
            having: None,
            order_by: Vec::new(),
            limit: None,
            offset: 0,
            lock: RowLock::None,
        };
        if self.word("FROM") && !self.word("DUAL") {
            select.from = Some(self.table_ref()?);
        }
        if self.word("WHERE") {
            select.filter = Some(self.expr()?);
        }
        if self.words(&["GROUP", "BY"]) {
            select.group_by = self.list(Front::expr)?;
        }
        if self.word("HAVING") {
            select.having = Some(self.expr()?);
        }
        select.order_by = self.order_by()?;
        if self.word("LIMIT") {
            let first = self.unsigned()?;
            if self.token(&Token::Comma) {
                (select.offset, select.limit) = (first, Some(self.unsigned()?));
            } else {
                select.limit = Some(first);
                if self.word("OFFSET") {
                    select.offset = self.unsigned()?;
                }
            }
        }
        if self.words(&["FOR", "UPDATE"]) {
            select.lock = RowLock::Exclusive;
        } else if self.words(&["FOR", "SHARE"]) || self.words(&["LOCK", "IN", "SHARE", "MODE"]) {
            select.lock = RowLock::Shared;
        }
        Ok(Statement::Select(Box::new(select)))
    }

    fn select_item(&mut self) -> Parsed<SelectItem> {
        if let Some(star) = self.star() {
            return Ok(star);
        }
        let start = self.position();
        let expr = Box::new(self.expr()?);
        let text = self.text_since(start);
        if self.word("AS") {
            return Ok(SelectItem::Expr { expr, heading: self.name_or_string()?, alias: true });
        }
        let alias = match &self.parser.peek_token_ref().token {
            Token::Word(word) => word.quote_style.is_some() || word.keyword == Keyword::NoKeyword,
            Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) => true,
            _ => false,
        };
        let heading = if alias { self.name_or_string()? } else { heading_of(&expr, text) };
        Ok(SelectItem::Expr { expr, heading, alias })
    }

    /// `*`, `t.*`, `db.t.*`
    fn star(&mut self) -> Option<SelectItem> {
        let mut prefix = Vec::new();
        loop {
            let at = prefix.len() * 2;
            match &self.parser.peek_nth_token_ref(at).token {
                Token::Mul => break,
                Token::Word(word) if prefix.len() < 2 => prefix.push(word.value.clone()),
                _ => return None,
            }
            if self.parser.peek_nth_token_ref(at + 1).token != Token::Period {
                return None;
            }
        }
        (0..=prefix.len() * 2).for_each(|_| self.parser.advance_token());
        Some(SelectItem::Star(prefix))
    }

    fn table_ref(&mut self) -> Parsed<TableRef> {
        let name = self.table_name()?;
        let alias = if self.word("AS") {
            Some(self.ident()?)
        } else {
            match &self.parser.peek_token_ref().token {
                Token::Word(word) if word.quote_style.is_some() || word.keyword == Keyword::NoKeyword => {
                    Some(self.ident()?)
                }
                _ => None,
            }
        };
        Ok(TableRef { name, alias })
    }

    fn order_by(&mut self) -> Parsed<Vec<OrderBy>> {
        if !self.words(&["ORDER", "BY"]) {
            return Ok(Vec::new());
        }
        self.list(|front| {
            let expr = front.expr()?;
            let descending = front.word("DESC");
            if !descending {
                front.word("ASC");
            }
            Ok(OrderBy { expr, descending })
        })
    }

    fn row_limit(&mut self) -> Parsed<Option<u64>> {
        if self.word("LIMIT") { self.unsigned().map(Some) } else { Ok(None) }
    }

    fn source(&mut self) -> Parsed<Source> {
        // DEFAULT(column) is a function and stays with the expression parser.
        if self.peek_word(0, "DEFAULT") && self.parser.peek_nth_token_ref(1).token != Token::LParen {
            self.parser.advance_token();
            return Ok(Source::Default);
        }
        Ok(Source::Expr(Box::new(self.expr()?)))
    }

    fn assignment(&mut self) -> Parsed<(Vec<String>, Source)> {
        let column = self.column_name()?;
        self.expect(&Token::Eq)?;
        Ok((column, self.source()?))
    }

    pub(super) fn insert(&mut self, replace: bool) -> Parsed<Statement> {
        let ignore = !replace && self.word("IGNORE");
        self.word("INTO");
        let table = self.table_name()?;
        let (mut columns, mut rows) = (None, Vec::new());
        if self.word("SET") {
            let mut names = Vec::new();
            let mut row = Vec::new();
            for (mut name, value) in self.list(Front::assignment)? {
                names.extend(name.pop());
                row.push(value);
            }
            columns = Some(names);
            rows.push(row);
        } else {
            if self.parser.peek_token_ref().token == Token::LParen {
                columns = Some(self.optional_list(Front::ident)?);
            }
            if !self.word("VALUES") {
                self.expect_word("VALUE")?;
            }
            rows = self.list(|front| front.optional_list(Front::source))?;
        }
        let mut on_duplicate = Vec::new();
        if !replace && self.words(&["ON", "DUPLICATE", "KEY", "UPDATE"]) {
            on_duplicate = self.list(Front::assignment)?;
        }
        Ok(Statement::Insert(Insert { table, replace, ignore, columns, rows, on_duplicate }))
    }

    /// `(a, b)` or `()`
    fn optional_list<T>(&mut self, item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        if self.parser.consume_tokens(&[Token::LParen, Token::RParen]) {
            return Ok(Vec::new());
        }
        self.parenthesized(item)
    }

    pub(super) fn update(&mut self) -> Parsed<Statement> {
        let ignore = self.word("IGNORE");
        let table = self.table_ref()?;
        self.expect_word("SET")?;
        let assignments = self.list(Front::assignment)?;
        let filter = if self.word("WHERE") { Some(self.expr()?) } else { None };
        let (order_by, limit) = (self.order_by()?, self.row_limit()?);
        Ok(Statement::Update(Update { table, ignore, assignments, filter, order_by, limit }))
    }

    pub(super) fn delete(&mut self) -> Parsed<Statement> {
        if !self.word("FROM") {
            return Err(Refusal::Here);
        }
        let table = self.table_ref()?;
        let filter = if self.word("WHERE") { Some(self.expr()?) } else { None };
        let (order_by, limit) = (self.order_by()?, self.row_limit()?);
        Ok(Statement::Delete(Delete { table, filter, order_by, limit }))
    }
}

/// MySQL heads a column with its name, a string literal with its content, and the rest with its text.
fn heading_of(expr: &sqlparser::ast::Expr, text: String) -> String {
    use sqlparser::ast::{Expr, Value};
    match expr {
        Expr::Identifier(name) if name.quote_style.is_some() => name.value.clone(),
        Expr::CompoundIdentifier(names) if !text.starts_with("@@") => {
            names.last().map_or(text, |name| name.value.clone())
        }
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(content) | Value::DoubleQuotedString(content) => content.clone(),
            _ => text,
        },
        _ => text,
    }
}
