//! The grammar of everything that is neither rows nor CREATE TABLE: databases, SHOW, SET, transactions.

use sqlparser::ast::{Expr, Value};
use sqlparser::tokenizer::{Span, Token};

use super::ast::{CreateTable, IsolationScope, KeyKind, Maintenance, Scope, SetItem, Show, Statement, TableName};
use super::charset;
use super::error::SqlError;
use super::loadable::Returns;
use super::parse::{Front, Parsed, Refusal};
use crate::refengine::types::{Charset, Isolation};

/// What may stand behind CHECK TABLE.
const CHECK_OPTIONS: [&str; 5] = ["QUICK", "FAST", "MEDIUM", "EXTENDED", "CHANGED"];

impl Front<'_> {
    pub(super) fn create(&mut self) -> Parsed<Statement> {
        if self.word("DATABASE") || self.word("SCHEMA") {
            let if_not_exists = self.if_not_exists();
            let name = self.ident()?;
            let unkept = self.database_options()?;
            return Ok(Statement::CreateDatabase { name, if_not_exists, unkept });
        }
        if self.word("USER") {
            let if_not_exists = self.if_not_exists();
            let users = self.list(|front| {
                let account = front.account()?;
                Ok((account, front.identified()?.flatten()))
            })?;
            return Ok(Statement::CreateUsers { users, if_not_exists });
        }
        if self.words(&["UNIQUE", "INDEX"]) {
            return self.create_index(KeyKind::Unique);
        }
        if self.word("INDEX") {
            return self.create_index(KeyKind::Plain);
        }
        if self.word("FUNCTION") {
            let if_not_exists = self.if_not_exists();
            let name = self.ident()?;
            self.expect_word("RETURNS")?;
            let returns = match &self.parser.peek_token_ref().token {
                Token::Word(word) => Returns::named(&word.value),
                _ => None,
            };
            let returns = returns.ok_or(Refusal::Here)?;
            self.parser.advance_token();
            self.expect_word("SONAME")?;
            return Ok(Statement::CreateFunction { name, if_not_exists, returns, soname: self.string()? });
        }
        self.expect_word("TABLE")?;
        self.create_table()
    }

    /// Every database has the same default, and tables say their own: another one is read and not kept.
    fn database_options(&mut self) -> Parsed<Option<String>> {
        let mut options = CreateTable::scratch();
        let start = self.position();
        while self.table_option(&mut options)? {}
        let charset = charset::resolve(options.charset.as_deref(), options.collation.as_deref())?;
        if options.engine.is_some() || options.has_comment || !options.ignored.is_empty() {
            return Err(SqlError::unsupported(self.text_since(start)).into());
        }
        let kept = charset.is_none_or(|given| given == Charset::Utf8mb4)
            && !options.collation.as_deref().is_some_and(charset::is_folding);
        Ok(options.collation.or(options.charset).filter(|_| !kept))
    }

    pub(super) fn drop(&mut self) -> Parsed<Statement> {
        if self.word("DATABASE") || self.word("SCHEMA") {
            let if_exists = self.if_exists();
            return Ok(Statement::DropDatabase { name: self.ident()?, if_exists });
        }
        if self.word("USER") {
            let if_exists = self.if_exists();
            return Ok(Statement::DropUsers { users: self.list(Front::account)?, if_exists });
        }
        if self.word("INDEX") {
            return self.drop_index();
        }
        if self.word("FUNCTION") {
            let if_exists = self.if_exists();
            return Ok(Statement::DropFunction { name: self.ident()?, if_exists });
        }
        self.expect_word("TABLE")?;
        let if_exists = self.if_exists();
        Ok(Statement::DropTables { names: self.list(Front::table_name)?, if_exists })
    }

    pub(super) fn rename(&mut self) -> Parsed<Statement> {
        self.expect_word("TABLE")?;
        let pairs = self.list(|front| {
            let from = front.table_name()?;
            front.expect_word("TO")?;
            Ok((from, front.table_name()?))
        })?;
        Ok(Statement::RenameTables(pairs))
    }

    pub(super) fn show(&mut self) -> Parsed<Statement> {
        let scoped = self.word("GLOBAL") || self.word("SESSION") || self.word("LOCAL");
        let show = if self.word("VARIABLES") {
            Show::Variables { like: self.optional_like()? }
        } else if self.word("STATUS") {
            Show::Status { like: self.optional_like()? }
        } else if scoped {
            return Err(Refusal::Here);
        } else if self.word("DATABASES") || self.word("SCHEMAS") {
            Show::Databases { like: self.optional_like()? }
        } else if self.words(&["FULL", "PROCESSLIST"]) {
            Show::Processlist { full: true }
        } else if ["TABLES", "COLUMNS", "FIELDS"].iter().any(|word| self.peek_word(0, word)) {
            self.show_tables(false)?
        } else if self.word("FULL") {
            self.show_tables(true)?
        } else if self.words(&["TABLE", "STATUS"]) {
            Show::TableStatus { db: self.named_database()?, like: self.optional_like()? }
        } else if self.word("TRIGGERS") {
            let db = self.named_database()?;
            self.optional_like()?;
            Show::Triggers { db }
        } else if self.word("EVENTS") {
            let db = self.named_database()?;
            self.optional_like()?;
            Show::Events { db }
        } else if self.routine_status() {
            self.optional_like()?;
            Show::Routines
        } else if self.word("ENGINES") || self.words(&["STORAGE", "ENGINES"]) {
            Show::Engines
        } else if self.words(&["CREATE", "TABLE"]) {
            Show::CreateTable(self.table_name()?)
        } else if self.words(&["CREATE", "DATABASE"]) || self.words(&["CREATE", "SCHEMA"]) {
            Show::CreateDatabase { if_not_exists: self.if_not_exists(), name: self.ident()? }
        } else if self.word("INDEX") || self.word("INDEXES") || self.word("KEYS") {
            Show::Index(self.named_table()?)
        } else if self.word("PLUGINS") {
            Show::Plugins
        } else if self.word("GRANTS") {
            let account = if self.word("FOR") && !self.current_user()? { Some(self.account()?) } else { None };
            Show::Grants { account }
        } else if self.word("PROCESSLIST") {
            Show::Processlist { full: false }
        } else if self.word("WARNINGS") {
            Show::Warnings
        } else {
            return Err(Refusal::Here);
        };
        if self.word("WHERE") {
            Ok(Statement::ShowWhere(show, Box::new(self.expr()?)))
        } else {
            Ok(Statement::Show(show))
        }
    }

    /// `FUNCTION STATUS` and its like.
    fn routine_status(&mut self) -> bool {
        let kinds = [&["FUNCTION"][..], &["PROCEDURE"], &["PACKAGE"], &["PACKAGE", "BODY"], &["LIBRARY"]];
        kinds.into_iter().any(|kind| self.words(&[kind, &["STATUS"]].concat()))
    }

    /// Behind SHOW [FULL].
    fn show_tables(&mut self, full: bool) -> Parsed<Show> {
        if self.word("TABLES") {
            return Ok(Show::Tables { db: self.named_database()?, like: self.optional_like()?, full });
        }
        if !self.word("FIELDS") {
            self.expect_word("COLUMNS")?;
        }
        Ok(Show::Columns { table: self.named_table()?, like: self.optional_like()?, full })
    }

    /// `FROM db`, or nothing.
    fn named_database(&mut self) -> Parsed<Option<String>> {
        if self.word_from() { self.ident().map(Some) } else { Ok(None) }
    }

    /// `CURRENT_USER` with or without parentheses.
    fn current_user(&mut self) -> Parsed<bool> {
        let found = self.word("CURRENT_USER");
        if found && self.token(&Token::LParen) {
            self.expect(&Token::RParen)?;
        }
        Ok(found)
    }

    /// `FROM table`, `FROM db.table` or `FROM table FROM db`.
    fn named_table(&mut self) -> Parsed<TableName> {
        if !self.word_from() {
            return Err(Refusal::Here);
        }
        let mut table = self.table_name()?;
        if self.word_from() {
            table.db = Some(self.ident()?);
        }
        Ok(table)
    }

    fn word_from(&mut self) -> bool {
        self.word("FROM") || self.word("IN")
    }

    /// Behind CHECK, ANALYZE, OPTIMIZE or REPAIR. How thorough a check is to be makes no difference: it reads everything.
    pub(super) fn maintain(&mut self, what: Maintenance) -> Parsed<Statement> {
        if what != Maintenance::Check && !self.word("NO_WRITE_TO_BINLOG") {
            self.word("LOCAL");
        }
        if !self.word("TABLES") {
            self.expect_word("TABLE")?;
        }
        let tables = self.list(Front::table_name)?;
        while self.words(&["FOR", "UPGRADE"]) || CHECK_OPTIONS.iter().any(|word| self.word(word)) {}
        Ok(Statement::Maintain { what, tables })
    }

    pub(super) fn describe(&mut self) -> Parsed<Statement> {
        if self.word("SELECT") {
            return match self.select()? {
                Statement::Select(select) => Ok(Statement::Explain(select)),
                _ => Err(Refusal::Here),
            };
        }
        if ["INSERT", "REPLACE", "UPDATE", "DELETE"].iter().any(|word| self.peek_word(0, word)) {
            return Err(Refusal::Here);
        }
        let table = self.table_name()?;
        let at_end = self.parser.peek_token_ref().token == Token::EOF;
        let like = if at_end { None } else { Some(self.name_or_string()?) };
        Ok(Statement::Describe { table, like })
    }

    pub(super) fn start_transaction(&mut self) -> Parsed<Statement> {
        self.expect_word("TRANSACTION")?;
        let (mut read_only, mut snapshot) = (false, false);
        loop {
            if self.words(&["WITH", "CONSISTENT", "SNAPSHOT"]) {
                snapshot = true;
            } else if self.words(&["READ", "ONLY"]) {
                read_only = true;
            } else if !self.words(&["READ", "WRITE"]) {
                break;
            }
            if !self.token(&Token::Comma) {
                break;
            }
        }
        Ok(Statement::Begin { read_only, snapshot })
    }

    pub(super) fn set(&mut self) -> Parsed<Statement> {
        if self.word("NAMES") || self.words(&["CHARACTER", "SET"]) || self.word("CHARSET") {
            let name = self.default_or_name()?;
            if self.word("COLLATE") {
                self.name_or_string()?;
            }
            return Ok(Statement::Set(vec![SetItem::Names(name)]));
        }
        if self.word("PASSWORD") {
            return self.set_password();
        }
        for (words, scope) in [
            (&["GLOBAL", "TRANSACTION"][..], IsolationScope::Global),
            (&["SESSION", "TRANSACTION"], IsolationScope::Session),
            (&["LOCAL", "TRANSACTION"], IsolationScope::Session),
            (&["TRANSACTION"], IsolationScope::Next),
        ] {
            if self.words(words) {
                return self.set_transaction(scope);
            }
        }
        Ok(Statement::Set(self.list(Front::set_item)?))
    }

    fn default_or_name(&mut self) -> Parsed<String> {
        if self.word("DEFAULT") {
            Ok("utf8mb4".to_owned())
        } else if self.word("BINARY") {
            Ok("binary".to_owned())
        } else {
            self.name_or_string()
        }
    }

    fn set_transaction(&mut self, scope: IsolationScope) -> Parsed<Statement> {
        let (mut level, mut read_only) = (None, None);
        self.list(|front| {
            if front.words(&["ISOLATION", "LEVEL"]) {
                level = Some(front.isolation_level()?);
            } else if front.words(&["READ", "ONLY"]) {
                read_only = Some(true);
            } else if front.words(&["READ", "WRITE"]) {
                read_only = Some(false);
            } else {
                return Err(Refusal::Here);
            }
            Ok(())
        })?;
        Ok(Statement::Set(vec![SetItem::Isolation { scope, level, read_only }]))
    }

    fn isolation_level(&mut self) -> Parsed<Isolation> {
        for (words, level) in [
            (&["READ", "UNCOMMITTED"][..], Isolation::ReadUncommitted),
            (&["READ", "COMMITTED"], Isolation::ReadCommitted),
            (&["REPEATABLE", "READ"], Isolation::RepeatableRead),
            (&["SERIALIZABLE"], Isolation::Serializable),
        ] {
            if self.words(words) {
                return Ok(level);
            }
        }
        Err(Refusal::Here)
    }

    fn set_item(&mut self) -> Parsed<SetItem> {
        let mut scope = Scope::Session;
        if self.word("GLOBAL") || self.word("@@global") && self.token(&Token::Period) {
            scope = Scope::Global;
        } else if self.word("@@session") || self.word("@@local") {
            self.expect(&Token::Period)?;
        } else if !self.word("SESSION") {
            self.word("LOCAL");
        }
        let name = self.ident()?;
        if !self.token(&Token::Eq) {
            self.expect(&Token::Assignment)?;
        }
        let name = name.strip_prefix("@@").unwrap_or(&name).to_owned();
        if let Some(name) = name.strip_prefix('@') {
            let name = name.to_lowercase();
            return Ok(SetItem::User { name, value: Box::new(self.expr()?) });
        }
        let value = if self.word("DEFAULT") { None } else { Some(Box::new(self.set_value()?)) };
        Ok(SetItem::Variable { scope, name, value })
    }

    /// A value in SET: a lone word (ON, OFF, utf8mb4) is a string.
    fn set_value(&mut self) -> Parsed<Expr> {
        let ends = matches!(self.parser.peek_nth_token_ref(1).token, Token::EOF | Token::Comma);
        // Strings side by side are one.
        if let Token::SingleQuotedString(_) = self.parser.peek_nth_token_ref(1).token
            && let Some(mut text) = self.optional_string()
        {
            while let Some(more) = self.optional_string() {
                text.push_str(&more);
            }
            return Ok(Expr::Value(Value::SingleQuotedString(text).with_span(Span::empty())));
        }
        if let Token::Word(word) = &self.parser.peek_token_ref().token
            && ends
            && !word.value.starts_with('@')
            && !["NULL", "TRUE", "FALSE"].iter().any(|w| word.value.eq_ignore_ascii_case(w))
        {
            let text = Value::SingleQuotedString(word.value.clone());
            self.parser.advance_token();
            return Ok(Expr::Value(text.with_span(Span::empty())));
        }
        self.expr()
    }
}
