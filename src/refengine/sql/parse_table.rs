//! The grammar of CREATE TABLE.

use sqlparser::tokenizer::Token;

use super::ast::{ColumnSpec, CreateTable, KeyKind, KeySpec, Statement};
use super::parse::{Front, Parsed, Refusal};

/// Elements of CREATE TABLE that are valid and not supported.
const UNSUPPORTED_ELEMENTS: [&str; 4] = ["CHECK", "FOREIGN", "FULLTEXT", "SPATIAL"];

/// Options of tables that dumps carry and that mean nothing here: how a server lays out its files, what it estimates.
const IGNORED_OPTIONS: [&str; 14] = [
    "AUTO_INCREMENT",
    "AVG_ROW_LENGTH",
    "CHECKSUM",
    "DELAY_KEY_WRITE",
    "KEY_BLOCK_SIZE",
    "MAX_ROWS",
    "MIN_ROWS",
    "PACK_KEYS",
    "PAGE_CHECKSUM",
    "ROW_FORMAT",
    "STATS_AUTO_RECALC",
    "STATS_PERSISTENT",
    "STATS_SAMPLE_PAGES",
    "TRANSACTIONAL",
];

impl Front<'_> {
    pub(super) fn create_table(&mut self) -> Parsed<Statement> {
        let if_not_exists = self.if_not_exists();
        let mut table = CreateTable { if_not_exists, ..CreateTable::new(self.table_name()?) };
        self.parenthesized(|front| front.table_element(&mut table))?;
        loop {
            if !self.table_option(&mut table)? {
                return Ok(Statement::CreateTable(table));
            }
            self.token(&Token::Comma);
        }
    }

    pub(super) fn table_element(&mut self, table: &mut CreateTable) -> Parsed<()> {
        let named = self.word("CONSTRAINT");
        let mut name = None;
        if named && !self.peek_word(0, "PRIMARY") && !self.peek_word(0, "UNIQUE") {
            name = Some(self.ident()?);
        }
        if let Some(kind) = self.key_kind(named) {
            if kind != KeyKind::Primary
                && self.parser.peek_token_ref().token != Token::LParen
                && !self.peek_word(0, "USING")
            {
                name = Some(self.ident()?);
            }
            self.index_type()?;
            let columns = self.key_columns()?;
            self.index_type()?;
            table.keys.push(KeySpec { kind, name, columns });
            return Ok(());
        }
        if named || UNSUPPORTED_ELEMENTS.iter().any(|word| self.peek_word(0, word)) {
            return Err(Refusal::Here);
        }
        self.column(table)
    }

    /// What begins a key; a constraint is not a plain one.
    fn key_kind(&mut self, constraint: bool) -> Option<KeyKind> {
        if self.words(&["PRIMARY", "KEY"]) {
            return Some(KeyKind::Primary);
        }
        let unique = self.word("UNIQUE");
        let key = (unique || !constraint) && (self.word("KEY") || self.word("INDEX"));
        match (unique, key) {
            (true, _) => Some(KeyKind::Unique),
            (false, true) => Some(KeyKind::Plain),
            (false, false) => None,
        }
    }

    /// `(a, b)`
    pub(super) fn key_columns(&mut self) -> Parsed<Vec<String>> {
        self.parenthesized(|front| {
            let column = front.ident()?;
            front.word("ASC");
            Ok(column)
        })
    }

    pub(super) fn index_type(&mut self) -> Parsed<()> {
        if self.word("USING") { self.expect_word("BTREE") } else { Ok(()) }
    }

    pub(super) fn column(&mut self, table: &mut CreateTable) -> Parsed<()> {
        let name = self.ident()?;
        let data_type = self.parser.parse_data_type()?;
        let mut column = ColumnSpec { name, data_type, not_null: None, default: None, charset: None, collation: None };
        loop {
            if self.words(&["NOT", "NULL"]) {
                column.not_null = Some(true);
            } else if self.word("NULL") {
                column.not_null = Some(false);
            } else if self.word("DEFAULT") {
                column.default = Some(self.literal()?);
            } else if self.words(&["PRIMARY", "KEY"]) || self.word("KEY") {
                table.keys.push(KeySpec { kind: KeyKind::Primary, name: None, columns: vec![column.name.clone()] });
            } else if self.word("UNIQUE") {
                self.word("KEY");
                table.keys.push(KeySpec { kind: KeyKind::Unique, name: None, columns: vec![column.name.clone()] });
            } else if self.words(&["CHARACTER", "SET"]) || self.word("CHARSET") {
                column.charset = Some(self.charset_name()?);
            } else if self.word("COLLATE") {
                column.collation = Some(self.charset_name()?);
            } else if self.word("COMMENT") {
                self.string()?;
                table.has_comment = true;
            } else {
                break;
            }
        }
        table.columns.push(column);
        Ok(())
    }

    /// A character set or collation: `binary` is a keyword elsewhere.
    fn charset_name(&mut self) -> Parsed<String> {
        if self.word("BINARY") { Ok("binary".to_owned()) } else { self.name_or_string() }
    }

    pub(super) fn table_option(&mut self, table: &mut CreateTable) -> Parsed<bool> {
        if self.word("ENGINE") {
            self.token(&Token::Eq);
            table.engine = Some(self.name_or_string()?);
            return Ok(true);
        }
        if self.word("COMMENT") {
            self.token(&Token::Eq);
            self.string()?;
            table.has_comment = true;
            return Ok(true);
        }
        if let Some(name) = IGNORED_OPTIONS.iter().find(|name| self.word(name)) {
            self.token(&Token::Eq);
            // A number, a word or a string.
            if self.optional_string().is_none() {
                self.parser.advance_token();
            }
            table.ignored.push(name);
            return Ok(true);
        }
        let default = self.word("DEFAULT");
        if self.word("CHARSET") || self.words(&["CHARACTER", "SET"]) {
            self.token(&Token::Eq);
            table.charset = Some(self.charset_name()?);
        } else if self.word("COLLATE") {
            self.token(&Token::Eq);
            table.collation = Some(self.charset_name()?);
        } else if default {
            return Err(Refusal::Here);
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}
