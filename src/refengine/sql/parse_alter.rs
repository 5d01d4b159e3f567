//! The grammar of ALTER TABLE, CREATE INDEX and DROP INDEX, and of locks on tables.

use sqlparser::tokenizer::Token;

use super::ast::{Alteration, CreateTable, KeyKind, KeySpec, Place, Statement, TableName};
use super::parse::{Front, Parsed, Refusal};

impl Front<'_> {
    pub(super) fn alter(&mut self) -> Parsed<Statement> {
        if self.word("USER") {
            return self.alter_user();
        }
        self.expect_word("TABLE")?;
        let name = self.table_name()?;
        if self.word("RENAME") {
            if ["COLUMN", "INDEX", "KEY"].iter().all(|word| !self.peek_word(0, word)) {
                let _ = self.word("TO") || self.word("AS");
                return Ok(Statement::RenameTables(vec![(name, self.table_name()?)]));
            }
            self.parser.prev_token();
        }
        if self.words(&["DISABLE", "KEYS"]) || self.words(&["ENABLE", "KEYS"]) {
            return Ok(Statement::SwitchKeys(name));
        }
        let changes = self.list(Front::alteration)?.into_iter().flatten().collect();
        Ok(Statement::AlterTable { name, changes })
    }

    /// ADD of several columns in parentheses is several.
    fn alteration(&mut self) -> Parsed<Vec<Alteration>> {
        if self.word("ADD") {
            return self.add();
        }
        if self.word("DROP") {
            if self.word("INDEX") || self.word("KEY") {
                return Ok(vec![Alteration::DropKey(self.ident()?)]);
            }
            if ["PRIMARY", "FOREIGN", "CHECK", "CONSTRAINT"].iter().any(|word| self.peek_word(0, word)) {
                return Err(Refusal::Here);
            }
            self.word("COLUMN");
            return Ok(vec![Alteration::Drop(self.ident()?)]);
        }
        if self.word("MODIFY") {
            self.word("COLUMN");
            return self.changed(None);
        }
        if self.word("CHANGE") {
            self.word("COLUMN");
            let name = self.ident()?;
            return self.changed(Some(name));
        }
        if self.words(&["RENAME", "COLUMN"]) {
            let from = self.ident()?;
            self.expect_word("TO")?;
            return Ok(vec![Alteration::Rename { from, to: self.ident()? }]);
        }
        if self.words(&["RENAME", "INDEX"]) || self.words(&["RENAME", "KEY"]) {
            let from = self.ident()?;
            self.expect_word("TO")?;
            return Ok(vec![Alteration::RenameKey { from, to: self.ident()? }]);
        }
        Err(Refusal::Here)
    }

    fn add(&mut self) -> Parsed<Vec<Alteration>> {
        if ["CONSTRAINT", "UNIQUE", "PRIMARY", "INDEX", "KEY"].iter().any(|word| self.peek_word(0, word)) {
            let mut table = CreateTable::scratch();
            self.table_element(&mut table)?;
            return Ok(table.keys.into_iter().map(Alteration::AddKey).collect());
        }
        self.word("COLUMN");
        if self.parser.peek_token_ref().token == Token::LParen {
            let columns = self.parenthesized(|front| {
                let mut table = CreateTable::scratch();
                front.column(&mut table)?;
                Ok(table)
            })?;
            return Ok(columns.into_iter().filter_map(|table| added(table, Place::Keep)).collect());
        }
        if ["FULLTEXT", "SPATIAL", "FOREIGN", "CHECK"].iter().any(|word| self.peek_word(0, word)) {
            return Err(Refusal::Here);
        }
        let mut table = CreateTable::scratch();
        self.column(&mut table)?;
        let place = self.place()?;
        Ok(added(table, place).into_iter().collect())
    }

    fn changed(&mut self, name: Option<String>) -> Parsed<Vec<Alteration>> {
        let mut table = CreateTable::scratch();
        self.column(&mut table)?;
        let place = self.place()?;
        let Some(column) = table.columns.pop() else { return Err(Refusal::Here) };
        let name = name.unwrap_or_else(|| column.name.clone());
        let mut changes = vec![Alteration::Change { name, column, place }];
        changes.extend(table.keys.into_iter().map(Alteration::AddKey));
        Ok(changes)
    }

    fn place(&mut self) -> Parsed<Place> {
        if self.word("FIRST") {
            Ok(Place::First)
        } else if self.word("AFTER") {
            Ok(Place::After(self.ident()?))
        } else {
            Ok(Place::Keep)
        }
    }

    /// Behind CREATE [UNIQUE] INDEX.
    pub(super) fn create_index(&mut self, kind: KeyKind) -> Parsed<Statement> {
        let name = Some(self.ident()?);
        self.index_type()?;
        self.expect_word("ON")?;
        let table = self.table_name()?;
        let columns = self.key_columns()?;
        self.index_type()?;
        Ok(Statement::CreateIndex { table, key: KeySpec { kind, name, columns } })
    }

    /// Behind DROP INDEX.
    pub(super) fn drop_index(&mut self) -> Parsed<Statement> {
        let name = self.ident()?;
        self.expect_word("ON")?;
        Ok(Statement::DropIndex { table: self.table_name()?, name })
    }

    /// Behind LOCK.
    pub(super) fn lock_tables(&mut self) -> Parsed<Statement> {
        if !self.word("TABLES") {
            self.expect_word("TABLE")?;
        }
        let tables = self.list(|front| {
            let name: TableName = front.table_name()?;
            if front.word("READ") {
                front.word("LOCAL");
                return Ok((name, false));
            }
            front.word("LOW_PRIORITY");
            front.expect_word("WRITE")?;
            Ok((name, true))
        })?;
        Ok(Statement::LockTables(tables))
    }

    /// Behind FLUSH.
    pub(super) fn flush(&mut self) -> Parsed<Statement> {
        if !self.word("LOCAL") {
            self.word("NO_WRITE_TO_BINLOG");
        }
        if self.word("TABLES") || self.word("TABLE") {
            return Ok(Statement::FlushTables { read_lock: self.words(&["WITH", "READ", "LOCK"]) });
        }
        self.expect_word("PRIVILEGES")?;
        Ok(Statement::FlushPrivileges)
    }

    /// Behind KILL.
    pub(super) fn kill(&mut self) -> Parsed<Statement> {
        let statement_only = self.word("QUERY");
        if !statement_only {
            self.word("CONNECTION");
        }
        Ok(Statement::Kill { id: self.unsigned()?, statement_only })
    }
}

fn added(mut table: CreateTable, place: Place) -> Option<Alteration> {
    Some(Alteration::Add { column: table.columns.pop()?, keys: table.keys, place })
}
