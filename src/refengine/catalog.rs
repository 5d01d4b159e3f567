//! The catalog: which databases and tables there are, as stored and in memory.
//!
//! It lives in the keyspace `catalog`, written durably in one batch per statement:
//!
//! | key | value |
//! |---|---|
//! | `v` | version of the format |
//! | `n` | the next table id |
//! | `d` database | nothing |
//! | `t` database `00` table | table id and definition |
//!
//! The rows of table 7 are in keyspace `t7`. A keyspace is made before the catalog names it and deleted after the
//! catalog no longer does, so a crash in between leaves one that nobody names, which the next open deletes.
//!
//! In memory: a map by `database/table` behind a lock that DDL takes for writing. DDL statements run one at a time
//! while they change the catalog, but wait for metadata locks before that, so a waiting one does not hold up the others.

use super::changes::Changes;
use super::error::{Error, Result};
use super::fast_map::FastMap;
use super::storage::{Change, Keyspace, Slice, Storage};
use super::table::Table;
use super::types::{Charset, ColumnDef, ColumnType, IndexDef, TableDef, Value};
use parking_lot::{Mutex, MutexGuard, RwLock};
use std::collections::BTreeSet;
use std::sync::Arc;

const KEYSPACE: &str = "catalog";
const FORMAT: u8 = 1;
const FIRST_DATABASE: &str = "mysql";

/// See the module.
pub(crate) struct Catalog {
    keyspace: Keyspace,
    names: RwLock<Names>,
    /// Held while a statement changes the catalog; the next table id.
    ddl: Mutex<u64>,
    sql_changes: Changes,
}

#[derive(Default)]
struct Names {
    databases: BTreeSet<String>,
    /// Each tick looks its tables up: the names are the DBA's, so a quick hash will do.
    tables: FastMap<Vec<u8>, Arc<Table>>,
}

fn path(db: &str, table: &str) -> Vec<u8> {
    [db.as_bytes(), b"/", table.as_bytes()].concat()
}

pub(crate) fn keyspace_name(id: u64) -> String {
    format!("t{id}")
}

fn database_key(db: &str) -> Vec<u8> {
    [b"d", db.as_bytes()].concat()
}

fn table_key(db: &str, table: &str) -> Vec<u8> {
    [b"t", db.as_bytes(), &[0], table.as_bytes()].concat()
}

impl Catalog {
    /// Writes the catalog of a new data directory and returns its keyspace.
    pub(crate) fn create(storage: &Storage) -> Result<Keyspace> {
        let keyspace = storage.keyspace(KEYSPACE)?;
        let put = |key: Vec<u8>, value: Vec<u8>| Change {
            keyspace: keyspace.clone(),
            key: key.into(),
            value: Some(value.into()),
        };
        storage.commit_durably(
            vec![put(b"v".to_vec(), vec![FORMAT]), put(database_key(FIRST_DATABASE), Vec::new())],
            &[],
        )?;
        Ok(keyspace)
    }

    /// Reads the catalog and deletes what crashed DDL left.
    pub(crate) fn open(storage: &Storage) -> Result<Catalog> {
        let keyspace = storage.keyspace(KEYSPACE)?;
        let get = |key: &[u8]| keyspace.get(key);
        match get(b"v")? {
            Some(version) if *version == [FORMAT] => {}
            Some(version) => {
                let version = version.first().copied().unwrap_or_default();
                return Err(Error::Unsupported(format!("a data directory of format {version}")));
            }
            None => return Err(corrupt("it has no version")),
        }
        let next_id = match get(b"n")? {
            Some(id) => u64::from_be_bytes(id.as_ref().try_into().map_err(|_| corrupt("the next table id"))?),
            None => 1,
        };
        let mut names = Names::default();
        load(storage, &keyspace, &mut names)?;
        delete_orphans(storage, &names)?;
        Ok(Catalog { keyspace, names: RwLock::new(names), ddl: Mutex::new(next_id), sql_changes: Changes::default() })
    }

    /// How often SQL changed rows of each table.
    pub(crate) fn sql_changes(&self) -> &Changes {
        &self.sql_changes
    }

    /// By `database/table`.
    pub(crate) fn by_path(&self, path: &[u8]) -> Option<Arc<Table>> {
        self.names.read().tables.get(path).cloned()
    }

    pub(crate) fn table(&self, db: &str, name: &str) -> Result<Arc<Table>> {
        self.by_path(&path(db, name)).ok_or_else(|| Error::NoSuchTable { db: db.into(), table: name.into() })
    }

    pub(crate) fn databases(&self) -> Vec<String> {
        self.names.read().databases.iter().cloned().collect()
    }

    pub(crate) fn tables(&self, db: &str) -> Result<Vec<Arc<Table>>> {
        let names = self.names.read();
        if !names.databases.contains(db) {
            return Err(Error::NoSuchDatabase(db.into()));
        }
        let mut tables: Vec<_> = names.tables.values().filter(|t| t.def().db == db).cloned().collect();
        tables.sort_by(|a, b| a.def().name.cmp(&b.def().name));
        Ok(tables)
    }

    /// Begins a change; the others wait.
    pub(crate) fn change<'a>(&'a self, storage: &'a Storage) -> Ddl<'a> {
        Ddl { next_id: self.ddl.lock(), catalog: self, storage, changes: Vec::new() }
    }

    /// Forgets everything in memory and returns the keyspaces; [`Error::Storage`] if somebody uses a table.
    pub(crate) fn close(self) -> Result<Vec<Keyspace>> {
        let names = self.names.into_inner();
        let mut keyspaces = vec![self.keyspace];
        for (path, table) in names.tables {
            match Arc::try_unwrap(table) {
                Ok(table) => keyspaces.push(table.keyspace().clone()),
                Err(_) => {
                    let path = String::from_utf8_lossy(&path).into_owned();
                    return Err(Error::Storage(format!("table {path} is still in use")));
                }
            }
        }
        Ok(keyspaces)
    }
}

/// A change of the catalog: collects what is to be written, then commits it and shows it.
pub(crate) struct Ddl<'a> {
    catalog: &'a Catalog,
    storage: &'a Storage,
    next_id: MutexGuard<'a, u64>,
    changes: Vec<Change>,
}

impl Ddl<'_> {
    pub(crate) fn require_database(&self, db: &str) -> Result<()> {
        let there = self.catalog.names.read().databases.contains(db);
        if there { Ok(()) } else { Err(Error::NoSuchDatabase(db.into())) }
    }

    pub(crate) fn has_table(&self, db: &str, name: &str) -> bool {
        self.catalog.by_path(&path(db, name)).is_some()
    }

    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        // A batch must name a key once.
        self.changes.retain(|change| *change.key != *key);
        let keyspace = self.catalog.keyspace.clone();
        self.changes.push(Change { keyspace, key: key.into(), value: value.map(Slice::from) });
    }

    /// An empty table with a new id and keyspace.
    pub(crate) fn new_table(&mut self, def: TableDef) -> Result<Table> {
        let id = *self.next_id;
        *self.next_id += 1;
        self.set(b"n".to_vec(), Some((id + 1).to_be_bytes().to_vec()));
        let keyspace = self.storage.keyspace(&keyspace_name(id))?;
        Ok(Table::new(id, def, keyspace))
    }

    pub(crate) fn add_database(&mut self, db: &str) {
        self.set(database_key(db), Some(Vec::new()));
    }

    pub(crate) fn remove_database(&mut self, db: &str) {
        self.set(database_key(db), None);
    }

    pub(crate) fn add_table(&mut self, table: &Table) {
        let def = table.def();
        self.set(table_key(&def.db, &def.name), Some(encode_table(table.id(), def)));
    }

    pub(crate) fn remove_table(&mut self, table: &Table) {
        self.set(table_key(&table.def().db, &table.def().name), None);
    }

    /// Writes the change, then shows it: `gone` leave, then `added` and databases come and go.
    pub(crate) fn commit(self, gone: &[Arc<Table>], added: Vec<Table>, databases: (&[&str], &[&str])) -> Result<()> {
        self.storage.commit_durably(self.changes, &[])?;
        let mut names = self.catalog.names.write();
        for table in gone {
            table.set_gone();
            self.catalog.sql_changes.note(table.path());
            names.tables.remove(table.path());
        }
        for table in added {
            self.catalog.sql_changes.note(table.path());
            names.tables.insert(table.path().to_vec(), Arc::new(table));
        }
        names.databases.extend(databases.0.iter().map(|db| db.to_string()));
        names.databases.retain(|db| !databases.1.contains(&db.as_str()));
        Ok(())
    }
}

fn load(storage: &Storage, keyspace: &Keyspace, names: &mut Names) -> Result<()> {
    let view = storage.snapshot();
    for entry in view.range(keyspace, &[], &[0xFF], false) {
        let (key, value) = entry?;
        match key.split_first() {
            Some((b'd', db)) => {
                names.databases.insert(String::from_utf8(db.to_vec()).map_err(|_| corrupt("a database name"))?);
            }
            Some((b't', _)) => {
                let (id, def) = decode_table(&value).ok_or_else(|| corrupt("a table definition"))?;
                let rows = keyspace_name(id);
                if !storage.keyspace_names().contains(&rows) {
                    return Err(corrupt(&format!("the rows of table '{}.{}' are missing", def.db, def.name)));
                }
                let table = Table::new(id, def, storage.keyspace(&rows)?);
                storage.find_size(table.keyspace(), 1 + table.def().indexes.len() as u64)?;
                names.tables.insert(table.path().to_vec(), Arc::new(table));
            }
            _ => {}
        }
    }
    Ok(())
}

fn delete_orphans(storage: &Storage, names: &Names) -> Result<()> {
    let used: BTreeSet<String> = names.tables.values().map(|t| keyspace_name(t.id())).collect();
    for name in storage.keyspace_names() {
        if name != KEYSPACE && !used.contains(&name) {
            log::info!("DM2002: refengine: deletes {name}, left by a statement that a crash interrupted");
            storage.delete_keyspace(storage.keyspace(&name)?)?;
        }
    }
    Ok(())
}

fn corrupt(what: &str) -> Error {
    Error::Corrupt(format!("the catalog: {what}"))
}

/// A TEXT or BLOB type's name and largest value, by name.
pub(crate) fn long_type(name: &str) -> Option<(&'static str, u64)> {
    const TYPES: [(&str, u64); 8] = [
        ("TINYTEXT", 255),
        ("TEXT", 65_535),
        ("MEDIUMTEXT", 16_777_215),
        ("LONGTEXT", 4_294_967_295),
        ("TINYBLOB", 255),
        ("BLOB", 65_535),
        ("MEDIUMBLOB", 16_777_215),
        ("LONGBLOB", 4_294_967_295),
    ];
    TYPES.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name))
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_number(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(&n.to_le_bytes());
}

fn put_numbers(out: &mut Vec<u8>, numbers: &[usize]) {
    put_number(out, numbers.len() as u64);
    numbers.iter().for_each(|n| put_number(out, *n as u64));
}

fn encode_table(id: u64, def: &TableDef) -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, id);
    put_bytes(&mut out, def.db.as_bytes());
    put_bytes(&mut out, def.name.as_bytes());
    put_number(&mut out, def.columns.len() as u64);
    for column in &def.columns {
        encode_column(&mut out, column);
    }
    put_numbers(&mut out, &def.primary_key);
    put_number(&mut out, def.indexes.len() as u64);
    for index in &def.indexes {
        put_bytes(&mut out, index.name.as_bytes());
        put_number(&mut out, index.columns.len() as u64 | if index.unique { 0 } else { NOT_UNIQUE });
        index.columns.iter().for_each(|n| put_number(&mut out, *n as u64));
    }
    out
}

/// Set in the number of an index's columns where the index is not unique; every index of an older engine is.
const NOT_UNIQUE: u64 = 1 << 63;

fn encode_column(out: &mut Vec<u8>, column: &ColumnDef) {
    put_bytes(out, column.name.as_bytes());
    let mut sized = |tag: u8, size: u32| {
        out.push(tag);
        put_number(out, u64::from(size));
    };
    match &column.ty {
        ColumnType::Int { bytes, unsigned } => sized(if *unsigned { 1 } else { 0 }, u32::from(*bytes)),
        ColumnType::Char { chars } => sized(2, *chars),
        ColumnType::VarChar { chars } => sized(3, *chars),
        ColumnType::Binary { bytes } => sized(4, *bytes),
        ColumnType::VarBinary { bytes } => sized(5, *bytes),
        ColumnType::Text { name, .. } => {
            out.push(6);
            put_bytes(out, name.as_bytes());
        }
        ColumnType::Blob { name, .. } => {
            out.push(7);
            put_bytes(out, name.as_bytes());
        }
        ColumnType::Enum { values } => {
            out.push(8);
            put_number(out, values.len() as u64);
            values.iter().for_each(|v| put_bytes(out, v.as_bytes()));
        }
    }
    out.push(match column.charset {
        Charset::Binary => 0,
        Charset::Latin1 => 1,
        Charset::Utf8mb4 => 2,
        Charset::Utf8mb3 => 3,
        Charset::Ascii => 4,
    });
    out.push(u8::from(column.not_null));
    match &column.default {
        None => out.push(0),
        Some(Value::Null) => out.push(1),
        Some(Value::Int(v)) => {
            out.push(2);
            put_number(out, *v as u64);
        }
        Some(Value::UInt(v)) => {
            out.push(3);
            put_number(out, *v);
        }
        Some(Value::Bytes(v)) => {
            out.push(4);
            put_bytes(out, v);
        }
    }
}

/// Reads what the `put` functions wrote; every method answers `None` at the end of the bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(n)?;
        self.0 = tail;
        Some(head)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn size(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let n = usize::try_from(self.number()?).ok()?;
        self.take(n)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let n = self.number()?;
        (0..n).map(|_| one(self)).collect()
    }

    fn numbers(&mut self) -> Option<Vec<usize>> {
        self.list(|r| usize::try_from(r.number()?).ok())
    }

    fn index(&mut self) -> Option<IndexDef> {
        let (name, count) = (self.text()?, self.number()?);
        let columns = (0..count & !NOT_UNIQUE).map(|_| usize::try_from(self.number()?).ok()).collect::<Option<_>>()?;
        Some(IndexDef { name, columns, unique: count & NOT_UNIQUE == 0 })
    }

    fn column(&mut self) -> Option<ColumnDef> {
        let name = self.text()?;
        let ty = match self.byte()? {
            unsigned @ (0 | 1) => ColumnType::Int { bytes: self.number()?.try_into().ok()?, unsigned: unsigned == 1 },
            2 => ColumnType::Char { chars: self.size()? },
            3 => ColumnType::VarChar { chars: self.size()? },
            4 => ColumnType::Binary { bytes: self.size()? },
            5 => ColumnType::VarBinary { bytes: self.size()? },
            tag @ (6 | 7) => {
                let (name, max_bytes) = long_type(&self.text()?)?;
                if tag == 6 { ColumnType::Text { max_bytes, name } } else { ColumnType::Blob { max_bytes, name } }
            }
            8 => ColumnType::Enum { values: self.list(Self::text)? },
            _ => return None,
        };
        let charset = match self.byte()? {
            0 => Charset::Binary,
            1 => Charset::Latin1,
            2 => Charset::Utf8mb4,
            3 => Charset::Utf8mb3,
            4 => Charset::Ascii,
            _ => return None,
        };
        let not_null = self.byte()? != 0;
        let default = match self.byte()? {
            0 => None,
            1 => Some(Value::Null),
            2 => Some(Value::Int(self.number()? as i64)),
            3 => Some(Value::UInt(self.number()?)),
            4 => Some(Value::Bytes(self.bytes()?.to_vec())),
            _ => return None,
        };
        Some(ColumnDef { name, ty, charset, not_null, default })
    }
}

fn decode_table(bytes: &[u8]) -> Option<(u64, TableDef)> {
    let mut r = Reader(bytes);
    let id = r.number()?;
    let def = TableDef {
        db: r.text()?,
        name: r.text()?,
        columns: r.list(Reader::column)?,
        primary_key: r.numbers()?,
        indexes: r.list(Reader::index)?,
    };
    r.0.is_empty().then_some((id, def))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_survives_storing_and_no_part_of_it_does() {
        let column = |name: &str, ty, default| ColumnDef {
            name: name.into(),
            ty,
            charset: Charset::Utf8mb4,
            not_null: false,
            default,
        };
        let def = TableDef {
            db: "d".into(),
            name: "t".into(),
            columns: vec![
                column("a", ColumnType::Int { bytes: 3, unsigned: true }, Some(Value::UInt(u64::MAX))),
                column("b", ColumnType::Int { bytes: 8, unsigned: false }, Some(Value::Int(-1))),
                column("c", ColumnType::Char { chars: 4 }, None),
                column("d", ColumnType::VarChar { chars: 4 }, Some(Value::Bytes(b"x".to_vec()))),
                column("e", ColumnType::Binary { bytes: 4 }, Some(Value::Null)),
                column("f", ColumnType::VarBinary { bytes: 4 }, None),
                column("g", ColumnType::Text { max_bytes: 65_535, name: "TEXT" }, None),
                column("h", ColumnType::Blob { max_bytes: 4_294_967_295, name: "LONGBLOB" }, None),
                column("i", ColumnType::Enum { values: vec!["x".into(), "".into()] }, None),
            ],
            primary_key: vec![0, 3],
            indexes: vec![
                IndexDef { name: "u".into(), columns: vec![2, 1], unique: true },
                IndexDef { name: "k".into(), columns: vec![1], unique: false },
            ],
        };
        let bytes = encode_table(77, &def);
        assert_eq!(decode_table(&bytes), Some((77, def)));
        for n in 0..bytes.len() {
            assert_eq!(decode_table(&bytes[..n]), None);
        }
    }
}
