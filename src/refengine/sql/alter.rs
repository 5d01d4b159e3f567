//! ALTER TABLE, CREATE INDEX and DROP INDEX: the definition that results, and where each column's values come from.

use super::ast::{Alteration, ColumnSpec, KeyKind, KeySpec, Place, TableName};
use super::column::{self, Target, implicit_default};
use super::definition::{add_index, column_def, refuse_folding_key};
use super::error::{Result, SqlError};
use super::expr::column_index;
use super::info::{Info, find_table};
use super::warnings::Warnings;
use crate::refengine::codes;
use crate::refengine::types::{Charset, ColumnDef, Row, TableDef, Value};
use crate::refengine::{Engine, Error};

/// A table on its way to its new definition. Columns are found by their place in `columns`; keys are by name until the end.
struct Draft {
    table: String,
    /// Each column with the one of the old table that its values come from.
    columns: Vec<(ColumnDef, Option<usize>)>,
    primary_key: Vec<String>,
    indexes: Vec<KeySpec>,
}

/// Runs ALTER TABLE; returns the number of rows.
pub fn alter_table(
    engine: &Engine,
    info: &Info,
    name: &TableName,
    changes: &[Alteration],
    warnings: &mut Warnings,
) -> Result<u64> {
    let db = info.database_of(name)?;
    loop {
        let table = find_table(engine, db, &name.name)?;
        let mut draft = Draft::of(table.def());
        changes.iter().try_for_each(|change| draft.apply(change, info))?;
        let def = draft.finish(table.def())?;
        let mut rows = 0;
        let mut failure = None;
        let altered = engine.alter_table(table.id(), def.clone(), &mut |row| {
            rows += 1;
            draft.convert(row, &def, table.def(), rows, warnings).map_err(|error| {
                let engine_error = Error::Unsupported(error.message.clone());
                failure = Some(error);
                engine_error
            })
        });
        match (altered, failure) {
            // Another statement replaced the table meanwhile: begin again.
            (Err(Error::NoSuchTable { .. }), None) => continue,
            (_, Some(error)) => return Err(error),
            (Err(error), None) => return Err(error.into()),
            (Ok(()), None) => return Ok(rows as u64),
        }
    }
}

impl Draft {
    fn of(def: &TableDef) -> Draft {
        let names = |places: &[usize]| {
            places.iter().filter_map(|at| def.columns.get(*at).map(|column| column.name.clone())).collect::<Vec<_>>()
        };
        let index = |index: &crate::refengine::types::IndexDef| KeySpec {
            kind: if index.unique { KeyKind::Unique } else { KeyKind::Plain },
            name: Some(index.name.clone()),
            columns: names(&index.columns),
        };
        Draft {
            table: def.name.clone(),
            columns: def.columns.iter().enumerate().map(|(at, column)| (column.clone(), Some(at))).collect(),
            primary_key: names(&def.primary_key),
            indexes: def.indexes.iter().map(index).collect(),
        }
    }

    fn find(&self, name: &str) -> Result<usize> {
        let same = |(column, _): &(ColumnDef, Option<usize>)| column.name.to_lowercase() == name.to_lowercase();
        self.columns.iter().position(same).ok_or_else(|| SqlError::unknown_column(name, "table"))
    }

    fn apply(&mut self, change: &Alteration, info: &Info) -> Result<()> {
        match change {
            Alteration::Add { column, keys, place } => {
                if self.find(&column.name).is_ok() {
                    return Err(Error::DuplicateColumn(column.name.clone()).into());
                }
                let def = column_def(column, Charset::Utf8mb4, info)?;
                refuse_folding_key((!keys.is_empty()).then_some((column, &def)), None)?;
                self.put((def, None), place, self.columns.len())?;
                keys.iter().try_for_each(|key| self.add_key(key))
            }
            Alteration::Drop(name) => {
                let at = self.find(name).map_err(|_| cannot_drop(name))?;
                let column = self.columns.remove(at).0.name;
                if self.primary_key.contains(&column) {
                    return Err(SqlError::unsupported(format_args!("DROP COLUMN {name} of the primary key")));
                }
                // As in MySQL, a column leaves its indexes, and an index without columns goes.
                self.indexes.iter_mut().for_each(|index| index.columns.retain(|known| *known != column));
                self.indexes.retain(|index| !index.columns.is_empty());
                if self.columns.is_empty() {
                    let text = "You can't delete all columns with ALTER TABLE; use DROP TABLE instead";
                    return Err(SqlError::new(codes::ER_CANT_REMOVE_ALL_FIELDS, text));
                }
                Ok(())
            }
            Alteration::Change { name, column, place } => self.change(name, column, place, info),
            Alteration::Rename { from, to } => {
                let at = self.find(from)?;
                self.rename(at, to)
            }
            Alteration::AddKey(key) => self.add_key(key),
            Alteration::DropKey(name) => {
                let before = self.indexes.len();
                self.indexes.retain(|index| !is_named(index, name));
                if before == self.indexes.len() { Err(cannot_drop(name)) } else { Ok(()) }
            }
            Alteration::RenameKey { from, to } => {
                let Some(index) = self.indexes.iter_mut().find(|index| is_named(index, from)) else {
                    let text = format!("Key '{from}' doesn't exist in table '{}'", self.table);
                    return Err(SqlError::new(codes::ER_KEY_DOES_NOT_EXIST, text));
                };
                index.name = Some(to.clone());
                Ok(())
            }
        }
    }

    fn change(&mut self, name: &str, column: &ColumnSpec, place: &Place, info: &Info) -> Result<()> {
        let at = self.find(name)?;
        self.rename(at, &column.name)?;
        let mut def = column_def(column, Charset::Utf8mb4, info)?;
        def.not_null |= self.primary_key.contains(&def.name);
        let in_key = self.primary_key.contains(&def.name) || self.indexes.iter().any(|i| i.columns.contains(&def.name));
        refuse_folding_key(in_key.then_some((column, &def)), None)?;
        let source = self.columns.get(at).and_then(|(_, source)| *source);
        if *place == Place::Keep {
            if let Some(known) = self.columns.get_mut(at) {
                *known = (def, source);
            }
            return Ok(());
        }
        self.columns.remove(at);
        self.put((def, source), place, at)
    }

    fn put(&mut self, column: (ColumnDef, Option<usize>), place: &Place, keep: usize) -> Result<()> {
        let at = match place {
            Place::Keep => keep,
            Place::First => 0,
            Place::After(name) => self.find(name)? + 1,
        };
        self.columns.insert(at.min(self.columns.len()), column);
        Ok(())
    }

    fn rename(&mut self, at: usize, to: &str) -> Result<()> {
        if self.find(to).is_ok_and(|other| other != at) {
            return Err(Error::DuplicateColumn(to.to_owned()).into());
        }
        let Some((column, _)) = self.columns.get_mut(at) else { return Ok(()) };
        let from = std::mem::replace(&mut column.name, to.to_owned());
        let keys = self.indexes.iter_mut().map(|index| &mut index.columns).chain([&mut self.primary_key]);
        for name in keys.flatten().filter(|name| **name == from) {
            to.clone_into(name);
        }
        Ok(())
    }

    fn add_key(&mut self, key: &KeySpec) -> Result<()> {
        if key.kind == KeyKind::Primary {
            return Err(SqlError::new(codes::ER_MULTIPLE_PRI_KEY, "Multiple primary key defined"));
        }
        self.indexes.push(key.clone());
        Ok(())
    }

    fn finish(&self, old: &TableDef) -> Result<TableDef> {
        let mut def = TableDef {
            db: old.db.clone(),
            name: old.name.clone(),
            columns: self.columns.iter().map(|(column, _)| column.clone()).collect(),
            primary_key: Vec::new(),
            indexes: Vec::new(),
        };
        for name in &self.primary_key {
            def.primary_key.extend(column_index(&def, name));
        }
        self.indexes.iter().try_for_each(|index| add_index(&mut def, index))?;
        Ok(def)
    }

    fn convert(&self, row: Row, def: &TableDef, old: &TableDef, number: usize, warnings: &mut Warnings) -> Result<Row> {
        let mut new = Row::with_capacity(self.columns.len());
        for ((_, source), column) in self.columns.iter().zip(&def.columns) {
            let from = source.and_then(|at| row.get(at).zip(old.columns.get(at)));
            new.push(match from {
                Some((Value::Null, _)) if column.not_null => {
                    return Err(SqlError::new(codes::ER_INVALID_USE_OF_NULL, "Invalid use of NULL value"));
                }
                Some((value, before)) if before.ty == column.ty && before.charset == column.charset => value.clone(),
                Some((value, _)) => {
                    Target { column, row: number, ignore: false }.store(column::load(value), warnings)?
                }
                None => match &column.default {
                    Some(value) => value.clone(),
                    None if column.not_null => implicit_default(column),
                    None => Value::Null,
                },
            });
        }
        Ok(new)
    }
}

fn is_named(index: &KeySpec, name: &str) -> bool {
    index.name.as_ref().is_some_and(|known| known.eq_ignore_ascii_case(name))
}

fn cannot_drop(name: &str) -> SqlError {
    SqlError::new(codes::ER_CANT_DROP_FIELD_OR_KEY, format!("Can't DROP '{name}'; check that column/key exists"))
}
