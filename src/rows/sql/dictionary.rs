//! Tables as information_schema describes them.

use super::charset::Charset;
use super::error::error;
use super::statements::{self, literal, parts};
use super::{SqlRows, SqlSession};
use crate::rows::{Column, ColumnKind, Error, Index, Result, Table, TableSize};
use std::ffi::CStr;

/// What the dictionary says of a column and the InnoDB API does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// Name of the column.
    pub name: String,
    /// A row can be inserted without it.
    pub has_default: bool,
    /// It is computed from others and cannot be written.
    pub generated: bool,
}

impl<S: SqlSession> SqlRows<S> {
    /// Runs a query of text columns; the answer row by row.
    fn texts<const N: usize>(&mut self, sql: &str) -> Result<Vec<[String; N]>> {
        self.aside.expect(&[ColumnKind::VarChar; N]);
        self.sql.query(sql, &mut self.aside).map_err(error)?;
        let text =
            |row, column| String::from_utf8_lossy(self.aside.bytes(row, column).unwrap_or_default()).into_owned();
        Ok((0..self.aside.len()).map(|row| std::array::from_fn(|column| text(row, column))).collect())
    }

    /// The character sets of a table's columns.
    pub(super) fn charsets(&mut self, table: &Table) -> Result<Vec<Charset>> {
        let sql = statements::charsets_query(&table.path);
        self.aside.expect(&[ColumnKind::VarChar; 3]);
        self.sql.query(&sql, &mut self.aside).map_err(error)?;
        let text =
            |row, column| String::from_utf8_lossy(self.aside.bytes(row, column).unwrap_or_default()).into_owned();
        let found: Vec<_> = (0..self.aside.len()).map(|row| (text(row, 0), text(row, 1), text(row, 2))).collect();
        let of = |column: &Column| match found.iter().find(|(name, ..)| *name == column.name) {
            Some((_, charset, collation)) => Ok(Charset::new(charset, collation)),
            None => Err(Error::Changed(table.display().into_owned())),
        };
        table.columns.iter().map(of).collect()
    }

    /// What the dictionary knows of a table's columns, generated and defaulted ones in particular.
    pub fn extras(&mut self, path: &CStr) -> Result<Vec<Extra>> {
        self.aside.expect(&[ColumnKind::VarChar; 3]);
        self.sql.query(&statements::extras_query(path), &mut self.aside).map_err(error)?;
        let text = |row, column| self.aside.bytes(row, column).unwrap_or_default();
        let extras = (0..self.aside.len())
            .map(|row| {
                let extra = String::from_utf8_lossy(text(row, 2)).to_ascii_lowercase();
                let generated = extra.contains("virtual generated") || extra.contains("stored generated");
                let has_default = generated || extra.contains("auto_increment") || text(row, 1) == b"1";
                Extra { name: String::from_utf8_lossy(text(row, 0)).into_owned(), has_default, generated }
            })
            .collect();
        self.query("COMMIT")?;
        Ok(extras)
    }

    /// Why a container cannot have a table that the dictionary has; `None`: nothing speaks against it, or there is none.
    pub fn unfit(&mut self, path: &CStr) -> Result<Option<String>> {
        self.aside.expect(&[ColumnKind::VarChar; 3]);
        self.sql.query(&statements::unfit_query(path), &mut self.aside).map_err(error)?;
        let text = |column| String::from_utf8_lossy(self.aside.bytes(0, column).unwrap_or_default()).into_owned();
        let name = path.to_string_lossy();
        let reason = match (self.aside.len(), text(0).as_str(), text(1).as_str(), text(2).as_str()) {
            (0, ..) => None,
            (_, kind, ..) if kind.contains("VIEW") => Some(format!("{name} is a view; a container needs a table")),
            (_, kind, ..) if kind != "BASE TABLE" => {
                Some(format!("{name} is a {}; a container needs a base table", kind.to_lowercase()))
            }
            (_, _, "InnoDB", "1") => Some(format!("table {name} is partitioned; a container needs one that is not")),
            (_, _, "InnoDB", _) => None,
            (_, _, engine, _) => Some(format!("table {name} has engine {engine}; a container needs InnoDB")),
        };
        self.query("COMMIT")?;
        Ok(reason)
    }

    /// The columns of an index as they were defined; one that is indexed by a prefix comes with its length.
    pub fn index_columns(&mut self, path: &CStr, name: &CStr) -> Result<Vec<String>> {
        self.aside.expect(&[ColumnKind::VarChar]);
        self.sql.query(&statements::index_query(path, name), &mut self.aside).map_err(error)?;
        let text = |row| String::from_utf8_lossy(self.aside.bytes(row, 0).unwrap_or_default()).into_owned();
        let columns = (0..self.aside.len()).map(text).collect();
        self.query("COMMIT")?;
        Ok(columns)
    }

    /// How large a table is, by the server's statistics; `None` if it has no such table.
    pub fn size(&mut self, path: &CStr) -> Result<Option<TableSize>> {
        let (schema, table) = parts(path);
        let rows = self.texts::<2>(&format!(
            "SELECT CONCAT(IFNULL(TABLE_ROWS, 0)), CONCAT(IFNULL(DATA_LENGTH, 0)) FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
            literal(&schema),
            literal(&table)
        ))?;
        self.query("COMMIT")?;
        let number = |text: &str| text.parse().unwrap_or(0);
        Ok(rows.first().map(|[rows, bytes]| TableSize { rows: number(rows), bytes: number(bytes) }))
    }

    /// See [`crate::rows::Rows::describe`].
    pub fn describe(&mut self, path: &CStr) -> Result<Vec<Column>> {
        let (schema, table) = parts(path);
        let of_table = format!("TABLE_SCHEMA = {} AND TABLE_NAME = {}", literal(&schema), literal(&table));
        if let Some(reason) = self.unfit(path)? {
            return Err(Error::Engine(reason));
        }
        let rows = self.texts::<6>(&format!(
            "SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, IFNULL(CHARACTER_OCTET_LENGTH, 0), \
             IF(COLUMN_DEFAULT IS NULL, '0', '1'), EXTRA \
             FROM information_schema.COLUMNS WHERE {of_table} ORDER BY ORDINAL_POSITION"
        ))?;
        if rows.is_empty() {
            return Err(Error::NotFound(path.to_string_lossy().into_owned()));
        }
        Ok(rows.into_iter().map(column).collect())
    }

    /// See [`crate::rows::Rows::describe_index`].
    pub fn describe_index(&mut self, path: &CStr, name: &CStr) -> Result<Index> {
        let (schema, table) = parts(path);
        let unique = self.texts::<1>(&format!(
            "SELECT DISTINCT NON_UNIQUE FROM information_schema.STATISTICS \
             WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} AND INDEX_NAME = {}",
            literal(&schema),
            literal(&table),
            literal(&name.to_string_lossy())
        ))?;
        let [[non_unique]] = &unique[..] else {
            return Err(Error::NotFound(format!("{} of {}", name.to_string_lossy(), path.to_string_lossy())));
        };
        let unique = non_unique == "0";
        let clustered = name.to_bytes().eq_ignore_ascii_case(b"PRIMARY");
        Ok(Index { columns: self.index_columns(path, name)?, unique, clustered })
    }

    /// Where an index stands among those of its table, in the order in which the table keeps them.
    pub fn index_position(&mut self, path: &CStr, name: &CStr) -> Result<Option<u32>> {
        let (schema, table) = parts(path);
        let names = self.texts::<1>(&format!(
            "SELECT INDEX_NAME FROM information_schema.STATISTICS \
             WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} AND SEQ_IN_INDEX = 1",
            literal(&schema),
            literal(&table)
        ))?;
        let name = name.to_string_lossy();
        Ok(names.iter().position(|[known]| known.eq_ignore_ascii_case(&name)).map(|position| position as u32))
    }

    /// Columns whose values are in no row as they are in SQL: computed ones, compressed ones, and character sets whose spaces are more than
    /// a byte.
    pub fn has_odd_columns(&mut self, path: &CStr) -> Result<bool> {
        let (schema, table) = parts(path);
        let odd = self.texts::<1>(&format!(
            "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} \
             AND (EXTRA LIKE '%virtual%' OR COLUMN_TYPE LIKE '%compressed%' \
             OR CHARACTER_SET_NAME IN ('ucs2', 'utf16', 'utf16le', 'utf32'))",
            literal(&schema),
            literal(&table)
        ))?;
        Ok(!odd.is_empty())
    }
}

fn column([name, kind, nullable, octets, default, extra]: [String; 6]) -> Column {
    let (kind, bytes) = column_kind(&kind.to_ascii_lowercase());
    let extra = extra.to_ascii_lowercase();
    let generated = extra.contains("virtual generated") || extra.contains("stored generated");
    Column {
        name,
        kind,
        not_null: nullable != "YES",
        max_bytes: bytes.unwrap_or_else(|| octets.parse().unwrap_or(u32::MAX)),
        has_default: generated || extra.contains("auto_increment") || default == "1",
        generated,
    }
}

/// The kind of a `COLUMN_TYPE`, and its length in bytes where the type alone tells.
fn column_kind(text: &str) -> (ColumnKind, Option<u32>) {
    let name = text.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let int = |bytes: u8| {
        (ColumnKind::Int { bytes, unsigned: text.split(' ').any(|word| word == "unsigned") }, Some(u32::from(bytes)))
    };
    match name {
        "tinyint" => int(1),
        "smallint" => int(2),
        "mediumint" => int(3),
        "int" => int(4),
        "bigint" => int(8),
        "char" => (ColumnKind::Char, None),
        "varchar" => (ColumnKind::VarChar, None),
        "binary" => (ColumnKind::Binary, None),
        "varbinary" => (ColumnKind::VarBinary, None),
        "tinyblob" | "blob" | "mediumblob" | "longblob" | "tinytext" | "text" | "mediumtext" | "longtext" => {
            (ColumnKind::Blob, None)
        }
        "enum" => (ColumnKind::Enum, None),
        _ => (ColumnKind::Other, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_what_their_types_say() {
        let int = |bytes, unsigned| ColumnKind::Int { bytes, unsigned };
        for (text, kind, bytes) in [
            ("tinyint(1)", int(1, false), 1),
            ("smallint(5) unsigned", int(2, true), 2),
            ("mediumint(9)", int(3, false), 3),
            ("int(10) unsigned zerofill", int(4, true), 4),
            ("bigint(20)", int(8, false), 8),
            ("char(10)", ColumnKind::Char, 40),
            ("varchar(10)", ColumnKind::VarChar, 40),
            ("binary(40)", ColumnKind::Binary, 40),
            ("varbinary(40)", ColumnKind::VarBinary, 40),
            ("tinytext", ColumnKind::Blob, 40),
            ("longblob", ColumnKind::Blob, 40),
            ("enum('int unsigned','b')", ColumnKind::Enum, 40),
            ("decimal(10,0) unsigned", ColumnKind::Other, 40),
            ("bit(4)", ColumnKind::Other, 40),
            ("interval", ColumnKind::Other, 40),
        ] {
            let described = column(["n", text, "NO", "40", "0", ""].map(String::from));
            assert_eq!((described.kind, described.max_bytes), (kind, bytes), "{text}");
            assert!(described.not_null && !described.has_default && !described.generated);
        }
        for (extra, generated) in [("auto_increment", false), ("VIRTUAL GENERATED", true), ("STORED GENERATED", true)] {
            let described = column(["n", "int(11)", "YES", "0", "0", extra].map(String::from));
            assert!(!described.not_null && described.has_default && described.generated == generated, "{extra}");
        }
    }
}
