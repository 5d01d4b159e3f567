//! The text of statements, and which of them are prepared for a table.

use super::charset::Charset;
use crate::rows::{Cell, Column, ColumnKind, Table};
use std::ffi::CStr;
use std::fmt::Write;

/// Rows that a scan fetches at a time.
pub(super) const SCAN_ROWS: usize = 64;

/// Most keys of a statement that reads the rows of several; a power of two.
pub(super) const KEYS_MAX: usize = 64;

/// Statements that name no columns: see [`StatementKind::fixed`].
const FIXED: usize = 7 + KEYS_MAX.trailing_zeros() as usize;

/// A statement of a table.
#[derive(Debug, Clone, Copy)]
pub enum StatementKind<'c> {
    /// One row by its key.
    Read,
    /// Rows of so many keys, a power of two from 2 to [`KEYS_MAX`].
    ReadMany(usize),
    /// The same, locked.
    Lock,
    /// The same, locked at once or not at all.
    LockNow,
    /// Rows in key order from the start.
    First,
    /// Rows from a key on.
    From,
    /// Rows behind a key.
    Behind,
    /// The row of a key goes.
    Delete,
    /// A new row with these columns.
    Insert(&'c [(usize, Cell<'c>)]),
    /// New values for these columns of the row of a key.
    Update(&'c [(usize, Cell<'c>)]),
    /// So many rows with these columns, new or with new values; the cells are those of all rows.
    Upsert(usize, &'c [(usize, Cell<'c>)]),
}

impl StatementKind<'_> {
    /// Whether it returns rows.
    pub fn selects(self) -> bool {
        !matches!(
            self,
            StatementKind::Delete | StatementKind::Insert(_) | StatementKind::Update(_) | StatementKind::Upsert(..)
        )
    }

    fn fixed(self) -> Option<usize> {
        match self {
            StatementKind::Read => Some(0),
            StatementKind::Lock => Some(1),
            StatementKind::First => Some(2),
            StatementKind::From => Some(3),
            StatementKind::Behind => Some(4),
            StatementKind::Delete => Some(5),
            StatementKind::LockNow => Some(6),
            StatementKind::ReadMany(keys) => Some(6 + keys.trailing_zeros() as usize),
            StatementKind::Insert(_) | StatementKind::Update(_) | StatementKind::Upsert(..) => None,
        }
    }

    /// What a statement that names columns does, and the cells of one row.
    fn naming(&self) -> Option<(Verb, &[(usize, Cell<'_>)])> {
        match *self {
            StatementKind::Insert(cells) => Some((Verb::Insert, cells)),
            StatementKind::Update(cells) => Some((Verb::Update, cells)),
            StatementKind::Upsert(rows, cells) => Some((Verb::Upsert(rows), &cells[..cells.len() / rows.max(1)])),
            _ => None,
        }
    }
}

/// What a prepared statement does with the columns it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Insert,
    Update,
    /// So many rows.
    Upsert(usize),
}

/// Whether rows of a table may be upserted, with the [`SqlSession::reprepared`](super::SqlSession::reprepared) at which the dictionary
/// said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upserts {
    Unknown,
    Allowed(u64),
    Refused(u64),
}

/// A prepared statement that names some of the columns.
#[derive(Debug)]
struct Named {
    verb: Verb,
    columns: Vec<usize>,
    handle: u64,
}

/// Prepared statements of one table, by session handle.
#[derive(Debug)]
pub struct Statements {
    /// [`Table::stamp`] of the table that they were made for.
    pub stamp: u32,
    names: Vec<String>,
    kinds: Vec<ColumnKind>,
    charsets: Vec<Charset>,
    fixed: [Option<u64>; FIXED],
    named: Vec<Named>,
    /// What the dictionary said of upserts.
    pub upserts: Upserts,
    /// See [`SqlSession::has_row_alias`](super::SqlSession::has_row_alias).
    pub row_alias: bool,
}

impl Statements {
    /// None yet.
    pub fn new(table: &Table, charsets: Vec<Charset>) -> Statements {
        Statements {
            stamp: table.stamp,
            names: table.columns.iter().map(|column| column.name.clone()).collect(),
            kinds: table.columns.iter().map(|column| column.kind).collect(),
            charsets,
            fixed: [None; FIXED],
            named: Vec::new(),
            upserts: Upserts::Unknown,
            row_alias: true,
        }
    }

    /// All that were prepared.
    pub fn handles(&self) -> impl Iterator<Item = u64> {
        self.fixed.iter().flatten().copied().chain(self.named.iter().map(|named| named.handle))
    }

    /// The kinds of the columns that every SELECT returns.
    pub fn kinds(&self) -> &[ColumnKind] {
        &self.kinds
    }

    /// How what is compared with the column is sent.
    pub fn charset(&self, column: usize) -> &Charset {
        self.charsets.get(column).unwrap_or(&Charset::None)
    }

    /// Whether what is compared with the column is sent as text.
    pub fn is_text(&self, column: usize) -> bool {
        self.charsets.get(column) == Some(&Charset::Utf8)
    }

    /// A statement that was prepared before.
    pub fn handle(&self, kind: StatementKind<'_>) -> Option<u64> {
        let Some((verb, cells)) = kind.naming() else { return kind.fixed().and_then(|i| self.fixed[i]) };
        let same = |known: &&Named| {
            known.verb == verb
                && known.columns.len() == cells.len()
                && known.columns.iter().zip(cells).all(|(known, (column, _))| known == column)
        };
        self.named.iter().find(same).map(|known| known.handle)
    }

    /// Keeps a handle.
    pub fn keep(&mut self, kind: StatementKind<'_>, handle: u64) {
        if let Some((verb, cells)) = kind.naming() {
            self.named.push(Named { verb, columns: cells.iter().map(|(column, _)| *column).collect(), handle });
        } else if let Some(i) = kind.fixed() {
            self.fixed[i] = Some(handle);
        }
    }

    /// The text of a statement.
    pub fn text(&self, table: &Table, kind: StatementKind<'_>) -> String {
        let mut sql = String::new();
        match kind {
            StatementKind::Read => self.select(table, " WHERE ", Some("="), &mut sql),
            StatementKind::ReadMany(keys) => {
                self.select(table, "", None, &mut sql);
                sql.push_str(" WHERE ");
                self.column(table.key, &mut sql);
                for key in 0..keys {
                    sql.push_str(if key == 0 { " IN (" } else { ", " });
                    self.key(table, &mut sql);
                }
                sql.push(')');
            }
            StatementKind::Lock | StatementKind::LockNow => {
                self.select(table, " WHERE ", Some("="), &mut sql);
                sql.push_str(if matches!(kind, StatementKind::Lock) { " FOR UPDATE" } else { " FOR UPDATE NOWAIT" });
            }
            StatementKind::First => self.select_in_order(table, None, &mut sql),
            StatementKind::From => self.select_in_order(table, Some(">="), &mut sql),
            StatementKind::Behind => self.select_in_order(table, Some(">"), &mut sql),
            StatementKind::Delete => {
                let _ = write!(sql, "DELETE FROM {}", table_name(&table.path));
                self.compare(table, " WHERE ", "=", &mut sql);
            }
            StatementKind::Insert(cells) => self.insert(table, cells, 1, &mut sql),
            StatementKind::Upsert(rows, _) => {
                let cells = kind.naming().map_or(&[][..], |(_, cells)| cells);
                self.insert(table, cells, rows, &mut sql);
                self.on_duplicate(table, cells, &mut sql);
            }
            StatementKind::Update(cells) => {
                let _ = write!(sql, "UPDATE {} SET ", table_name(&table.path));
                for (i, (column, _)) in cells.iter().enumerate() {
                    sql.push_str(if i == 0 { "" } else { ", " });
                    self.column(*column, &mut sql);
                    sql.push('=');
                    sql.push('?');
                }
                self.compare(table, " WHERE ", "=", &mut sql);
            }
        }
        sql
    }

    fn insert(&self, table: &Table, cells: &[(usize, Cell<'_>)], rows: usize, sql: &mut String) {
        let _ = write!(sql, "INSERT INTO {} (", table_name(&table.path));
        for (i, (column, _)) in cells.iter().enumerate() {
            sql.push_str(if i == 0 { "" } else { ", " });
            self.column(*column, sql);
        }
        sql.push_str(") VALUES ");
        for row in 0..rows {
            sql.push_str(if row == 0 { "(" } else { ", (" });
            for i in 0..cells.len() {
                sql.push_str(if i == 0 { "?" } else { ", ?" });
            }
            sql.push(')');
        }
    }

    fn on_duplicate(&self, table: &Table, cells: &[(usize, Cell<'_>)], sql: &mut String) {
        let (row, new, end) = match self.row_alias {
            true => (" AS `memcached row`", "=`memcached row`.", ""),
            false => ("", "=VALUES(", ")"),
        };
        let _ = write!(sql, "{row} ON DUPLICATE KEY UPDATE ");
        let others = cells.iter().map(|(column, _)| *column).filter(|column| *column != table.key);
        for (i, column) in others.enumerate() {
            sql.push_str(if i == 0 { "" } else { ", " });
            self.column(column, sql);
            sql.push_str(new);
            self.column(column, sql);
            sql.push_str(end);
        }
    }

    fn select(&self, table: &Table, before: &str, operator: Option<&str>, sql: &mut String) {
        sql.push_str("SELECT ");
        for i in 0..self.names.len() {
            sql.push_str(if i == 0 { "" } else { ", " });
            match self.kinds.get(i) {
                // Nobody asks for it; its type may have no plain form.
                Some(ColumnKind::Other) => sql.push_str("NULL"),
                _ => self.column(i, sql),
            }
        }
        let _ = write!(sql, " FROM {}", table_name(&table.path));
        if let Some(operator) = operator {
            self.compare(table, before, operator, sql);
        }
    }

    fn select_in_order(&self, table: &Table, operator: Option<&str>, sql: &mut String) {
        self.select(table, " WHERE ", operator, sql);
        if operator.is_none() && table.columns.get(table.key).is_some_and(|column| !column.not_null) {
            // A row without a key is no item.
            sql.push_str(" WHERE ");
            self.column(table.key, sql);
            sql.push_str(" IS NOT NULL");
        }
        sql.push_str(" ORDER BY ");
        self.column(table.key, sql);
        let _ = write!(sql, " LIMIT {SCAN_ROWS}");
    }

    fn compare(&self, table: &Table, before: &str, operator: &str, sql: &mut String) {
        sql.push_str(before);
        self.column(table.key, sql);
        sql.push_str(operator);
        self.key(table, sql);
    }

    /// A placeholder for a key that is compared.
    fn key(&self, table: &Table, sql: &mut String) {
        match table.columns.get(table.key) {
            // The column pads its values with zero bytes; in a comparison nobody pads.
            Some(Column { kind: ColumnKind::Binary, max_bytes, .. }) => {
                let _ = write!(sql, "CAST(? AS BINARY({max_bytes}))");
            }
            _ => self.charset(table.key).placeholder(sql),
        }
    }

    fn column(&self, column: usize, sql: &mut String) {
        quote(self.names.get(column).map_or("", String::as_str), sql);
    }
}

/// An identifier in backticks.
fn quote(name: &str, sql: &mut String) {
    sql.push('`');
    sql.push_str(&name.replace('`', "``"));
    sql.push('`');
}

/// `database/table` as SQL names it.
pub fn table_name(path: &CStr) -> String {
    let (schema, table) = parts(path);
    let mut sql = String::new();
    quote(&schema, &mut sql);
    sql.push('.');
    quote(&table, &mut sql);
    sql
}

/// Database and table of a path.
pub fn parts(path: &CStr) -> (String, String) {
    let path = path.to_string_lossy();
    let (schema, table) = path.split_once('/').unwrap_or(("", &path));
    (schema.to_owned(), table.to_owned())
}

fn columns_query(what: &str, path: &CStr) -> String {
    let (schema, table) = parts(path);
    format!(
        "SELECT {what} FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} ORDER BY ORDINAL_POSITION",
        literal(&schema),
        literal(&table)
    )
}

/// Name, character set and collation of a table's columns.
pub fn charsets_query(path: &CStr) -> String {
    columns_query("COLUMN_NAME, IFNULL(CHARACTER_SET_NAME, ''), IFNULL(COLLATION_NAME, '')", path)
}

/// Name, whether there is a default, and remarks of a table's columns.
pub fn extras_query(path: &CStr) -> String {
    columns_query("COLUMN_NAME, IF(COLUMN_DEFAULT IS NULL, '0', '1'), EXTRA", path)
}

/// StatementKind, engine and whether it is partitioned, of a table.
pub fn unfit_query(path: &CStr) -> String {
    let (schema, table) = parts(path);
    format!(
        "SELECT TABLE_TYPE, IFNULL(ENGINE, ''), IF(CREATE_OPTIONS LIKE '%partitioned%', '1', '0') FROM information_schema.TABLES \
         WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
        literal(&schema),
        literal(&table)
    )
}

/// The columns of an index, each with the length of its prefix if it has one.
pub fn index_query(path: &CStr, name: &CStr) -> String {
    let (schema, table) = parts(path);
    format!(
        "SELECT CONCAT(IFNULL(COLUMN_NAME, 'an expression'), IF(SUB_PART IS NULL, '', CONCAT('(', SUB_PART, ')'))) \
         FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} AND INDEX_NAME = {} ORDER BY SEQ_IN_INDEX",
        literal(&schema),
        literal(&table),
        literal(&name.to_string_lossy())
    )
}

/// 0 if an INSERT ... ON DUPLICATE KEY UPDATE of rows with their keys does to the table what an INSERT or an UPDATE by key would do: it has
/// no other unique index than the key's, no trigger, and no AUTO_INCREMENT column.
pub fn upserts_query(path: &CStr) -> String {
    let (schema, table) = parts(path);
    let (schema, table) = (literal(&schema), literal(&table));
    format!(
        "SELECT (SELECT COUNT(DISTINCT INDEX_NAME) <> 1 FROM information_schema.STATISTICS \
         WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME = {table} AND NON_UNIQUE = 0) \
         + (SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = {schema} AND EVENT_OBJECT_TABLE = {table}) \
         + (SELECT COUNT(*) FROM information_schema.COLUMNS \
         WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME = {table} AND EXTRA LIKE '%auto_increment%')"
    )
}

/// A string literal that means the same in every sql_mode.
pub fn literal(text: &str) -> String {
    let digits = text.bytes().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    });
    format!("CONVERT(x'{digits}' USING utf8mb4)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let column = |name: &str, kind| Column {
            name: name.into(),
            kind,
            not_null: false,
            max_bytes: 9,
            has_default: false,
            generated: false,
        };
        let columns = vec![
            column("k", ColumnKind::VarChar),
            column("a`b", ColumnKind::VarChar),
            column("d", ColumnKind::Other),
            column("n", ColumnKind::Int { bytes: 4, unsigned: false }),
        ];
        Table::new(0, c"my db/t".into(), None, columns, 0)
    }

    #[test]
    fn statements_quote_names_and_keep_character_sets() {
        let table = table();
        let latin1 = Charset::new("latin1", "latin1_bin");
        let statements = Statements::new(&table, vec![Charset::Utf8, latin1, Charset::None, Charset::None]);
        let columns = "`k`, `a``b`, NULL, `n`";
        let cells = [(1, Cell::Null), (3, Cell::Int(1))];
        for (kind, text) in [
            (StatementKind::Read, format!("SELECT {columns} FROM `my db`.`t` WHERE `k`=?")),
            (StatementKind::ReadMany(4), format!("SELECT {columns} FROM `my db`.`t` WHERE `k` IN (?, ?, ?, ?)")),
            (StatementKind::Lock, format!("SELECT {columns} FROM `my db`.`t` WHERE `k`=? FOR UPDATE")),
            (StatementKind::LockNow, format!("SELECT {columns} FROM `my db`.`t` WHERE `k`=? FOR UPDATE NOWAIT")),
            (
                StatementKind::First,
                format!("SELECT {columns} FROM `my db`.`t` WHERE `k` IS NOT NULL ORDER BY `k` LIMIT 64"),
            ),
            (StatementKind::Behind, format!("SELECT {columns} FROM `my db`.`t` WHERE `k`>? ORDER BY `k` LIMIT 64")),
            (StatementKind::Delete, "DELETE FROM `my db`.`t` WHERE `k`=?".into()),
            (StatementKind::Insert(&cells), "INSERT INTO `my db`.`t` (`a``b`, `n`) VALUES (?, ?)".into()),
            (
                StatementKind::Upsert(2, &[(0, Cell::Null), (3, Cell::Null), (0, Cell::Null), (3, Cell::Null)]),
                "INSERT INTO `my db`.`t` (`k`, `n`) VALUES (?, ?), (?, ?) AS `memcached row` ON DUPLICATE KEY UPDATE \
                 `n`=`memcached row`.`n`"
                    .into(),
            ),
            (StatementKind::Update(&cells), "UPDATE `my db`.`t` SET `a``b`=?, `n`=? WHERE `k`=?".into()),
        ] {
            assert_eq!(statements.text(&table, kind), text);
        }
        let by_latin1 = Statements::new(&table, vec![Charset::new("latin1", "latin1_bin"); 4]);
        let found = "DELETE FROM `my db`.`t` WHERE `k`=CONVERT(? USING latin1) COLLATE latin1_bin";
        assert_eq!(by_latin1.text(&table, StatementKind::Delete), found);
        let mut old = Statements::new(&table, vec![Charset::None; 4]);
        old.row_alias = false;
        assert_eq!(
            old.text(&table, StatementKind::Upsert(1, &[(0, Cell::Null), (3, Cell::Null)])),
            "INSERT INTO `my db`.`t` (`k`, `n`) VALUES (?, ?) ON DUPLICATE KEY UPDATE `n`=VALUES(`n`)"
        );
        let mut padded = table.clone();
        (padded.columns[0].kind, padded.columns[0].max_bytes) = (ColumnKind::Binary, 8);
        let found = "DELETE FROM `my db`.`t` WHERE `k`=CAST(? AS BINARY(8))";
        assert_eq!(Statements::new(&padded, vec![Charset::None; 4]).text(&padded, StatementKind::Delete), found);
        assert!(extras_query(&table.path).contains("TABLE_SCHEMA = CONVERT(x'6d79206462' USING utf8mb4)"));
    }

    #[test]
    fn handles_belong_to_the_columns_they_were_prepared_for() {
        let table = table();
        let mut statements = Statements::new(&table, vec![Charset::None; 4]);
        let (one, two) = ([(1, Cell::Null)], [(1, Cell::Null), (3, Cell::Null)]);
        statements.keep(StatementKind::Update(&one), 7);
        statements.keep(StatementKind::Lock, 8);
        assert_eq!(statements.handle(StatementKind::Update(&one)), Some(7));
        assert_eq!(statements.handle(StatementKind::Update(&two)), None);
        assert_eq!(statements.handle(StatementKind::Insert(&one)), None);
        let rows = [(1, Cell::Null), (1, Cell::Null)];
        statements.keep(StatementKind::Upsert(2, &rows), 9);
        assert_eq!(statements.handle(StatementKind::Upsert(2, &rows)), Some(9));
        assert_eq!(
            (statements.handle(StatementKind::Upsert(1, &one)), statements.handle(StatementKind::Insert(&one))),
            (None, None)
        );
        assert_eq!((statements.handle(StatementKind::Lock), statements.handle(StatementKind::Read)), (Some(8), None));
        for (keys, handle) in [(2, 10), (KEYS_MAX, 11)] {
            statements.keep(StatementKind::ReadMany(keys), handle);
            assert_eq!(statements.handle(StatementKind::ReadMany(keys)), Some(handle));
        }
        let mut all: Vec<u64> = statements.handles().collect();
        all.sort_unstable();
        assert_eq!(all, [7, 8, 9, 10, 11]);
    }
}
