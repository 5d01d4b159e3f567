//! Table definitions: from CREATE TABLE to the catalog's form, and back to text for SHOW CREATE TABLE and DESCRIBE.

use sqlparser::ast::{BinaryLength, CharacterLength, DataType, EnumMember};

use super::ast::{ColumnSpec, CreateTable, KeyKind, KeySpec};
use super::charset;
use super::column::default_value;
use super::error::{Result, SqlError};
use super::expr::{Expr, column_index};
use super::info::Info;
use crate::refengine::codes;
use crate::refengine::types::{Charset, ColumnDef, ColumnType, IndexDef, TableDef, Value};

/// The types of TEXT and BLOB with the bytes they hold.
const LONG_TYPES: [(&str, &str, u64); 4] = [
    ("TINYTEXT", "TINYBLOB", 255),
    ("TEXT", "BLOB", 65_535),
    ("MEDIUMTEXT", "MEDIUMBLOB", 16_777_215),
    ("LONGTEXT", "LONGBLOB", 4_294_967_295),
];

/// The most bytes of a VARCHAR or VARBINARY.
const MAX_VAR_BYTES: u64 = 65_535;

/// The definition a CREATE TABLE asks for.
pub fn table_def(create: &CreateTable, db: &str, info: &Info) -> Result<TableDef> {
    if let Some(engine) = &create.engine
        && !engine.eq_ignore_ascii_case("innodb")
    {
        return Err(SqlError::new(codes::ER_UNKNOWN_STORAGE_ENGINE, format!("Unknown storage engine '{engine}'")));
    }
    let charset = charset::resolve(create.charset.as_deref(), create.collation.as_deref())?;
    let mut columns: Vec<ColumnDef> = Vec::with_capacity(create.columns.len());
    for spec in &create.columns {
        columns.push(column_def(spec, charset.unwrap_or(Charset::Utf8mb4), info)?);
    }
    let mut def = TableDef {
        db: db.to_owned(),
        name: create.name.name.clone(),
        columns,
        primary_key: Vec::new(),
        indexes: Vec::new(),
    };
    for key in &create.keys {
        for name in &key.columns {
            let spec = create.columns.iter().zip(&def.columns).find(|(spec, _)| spec.name.eq_ignore_ascii_case(name));
            refuse_folding_key(spec, create.collation.as_deref())?;
        }
        if key.kind != KeyKind::Primary {
            add_index(&mut def, key)?;
            continue;
        }
        let places = key_columns(&def, key)?;
        if !def.primary_key.is_empty() {
            return Err(SqlError::new(codes::ER_MULTIPLE_PRI_KEY, "Multiple primary key defined"));
        }
        let nullable = |at: &usize| create.columns.get(*at).is_some_and(|spec| spec.not_null == Some(false));
        if places.iter().any(nullable) {
            let text = "All parts of a PRIMARY KEY must be NOT NULL; if you need NULL in a key, use UNIQUE instead";
            return Err(SqlError::new(codes::ER_PRIMARY_CANT_HAVE_NULL, text));
        }
        def.primary_key = places;
    }
    if def.primary_key.is_empty() {
        return Err(SqlError::new(codes::ER_REQUIRES_PRIMARY_KEY, "This table type requires a primary key"));
    }
    Ok(def)
}

/// 1273 if a key's column is to be compared otherwise than by bytes: by its own collation or by the table's.
pub fn refuse_folding_key(column: Option<(&ColumnSpec, &ColumnDef)>, table: Option<&str>) -> Result<()> {
    let Some((spec, def)) = column.filter(|(_, def)| is_text(&def.ty)) else { return Ok(()) };
    let collation = spec.collation.as_deref().or(table.filter(|_| spec.charset.is_none()));
    match collation.filter(|name| charset::is_folding(name)) {
        Some(name) => Err(charset::folding_key(&def.name, name)),
        None => Ok(()),
    }
}

fn is_text(ty: &ColumnType) -> bool {
    matches!(ty, ColumnType::Char { .. } | ColumnType::VarChar { .. } | ColumnType::Text { .. })
}

fn key_columns(def: &TableDef, key: &KeySpec) -> Result<Vec<usize>> {
    let place = |name: &String| {
        let unknown = || {
            SqlError::new(codes::ER_KEY_COLUMN_DOES_NOT_EXIST, format!("Key column '{name}' doesn't exist in table"))
        };
        column_index(def, name).ok_or_else(unknown)
    };
    key.columns.iter().map(place).collect()
}

/// Adds an index.
pub fn add_index(def: &mut TableDef, key: &KeySpec) -> Result<()> {
    let columns = key_columns(def, key)?;
    let name = key.name.clone().unwrap_or_else(|| free_index_name(def, key.columns.first()));
    def.indexes.push(IndexDef { name, columns, unique: key.kind != KeyKind::Plain });
    Ok(())
}

/// `column`, `column_2`, ...: the first that no index has.
fn free_index_name(def: &TableDef, column: Option<&String>) -> String {
    let base = column.map_or("index", String::as_str);
    let taken = |name: &str| def.indexes.iter().any(|index| index.name.eq_ignore_ascii_case(name));
    let numbered = (2..).map(|n| format!("{base}_{n}"));
    std::iter::once(base.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
}

/// The definition of a column.
pub fn column_def(spec: &ColumnSpec, table_charset: Charset, info: &Info) -> Result<ColumnDef> {
    let given = charset::resolve(spec.charset.as_deref(), spec.collation.as_deref())?;
    let wanted = given.unwrap_or(table_charset);
    let ty = column_type(spec, wanted)?;
    let text = is_text(&ty);
    if given.is_some() && matches!(ty, ColumnType::Int { .. }) {
        return Err(SqlError::unsupported(format_args!("a character set of column '{}'", spec.name)));
    }
    let mut column = ColumnDef {
        name: spec.name.clone(),
        ty,
        charset: if text { wanted } else { Charset::Binary },
        not_null: spec.not_null == Some(true),
        default: None,
    };
    if let Some(default) = &spec.default {
        let Expr::Const(value) = info.compiler(None, "default clause").compile(default)? else {
            return Err(SqlError::unsupported(default));
        };
        if value.is_null() && !column.not_null {
            return Ok(column);
        }
        if matches!(column.ty, ColumnType::Text { .. } | ColumnType::Blob { .. }) {
            let text = format!("BLOB, TEXT, GEOMETRY or JSON column '{}' can't have a default value", column.name);
            return Err(SqlError::new(codes::ER_BLOB_CANT_HAVE_DEFAULT, text));
        }
        column.default = Some(default_value(&column, value)?);
    }
    Ok(column)
}

fn column_type(spec: &ColumnSpec, charset: Charset) -> Result<ColumnType> {
    use DataType as D;
    let int = |bytes, unsigned| Ok(ColumnType::Int { bytes, unsigned });
    let binary = charset == Charset::Binary;
    match &spec.data_type {
        D::TinyInt(_) | D::Bool | D::Boolean => int(1, false),
        D::TinyIntUnsigned(_) => int(1, true),
        D::SmallInt(_) | D::Int2(_) => int(2, false),
        D::SmallIntUnsigned(_) | D::Int2Unsigned(_) => int(2, true),
        D::MediumInt(_) => int(3, false),
        D::MediumIntUnsigned(_) => int(3, true),
        D::Int(_) | D::Integer(_) | D::Int4(_) => int(4, false),
        D::IntUnsigned(_) | D::IntegerUnsigned(_) | D::Int4Unsigned(_) => int(4, true),
        D::BigInt(_) | D::Int8(_) => int(8, false),
        D::BigIntUnsigned(_) | D::Int8Unsigned(_) => int(8, true),
        D::Char(length) | D::Character(length) => {
            let chars = char_length(spec, length.as_ref(), Some(1), 255)?;
            Ok(if binary { ColumnType::Binary { bytes: chars } } else { ColumnType::Char { chars } })
        }
        D::Varchar(length) | D::CharVarying(length) | D::CharacterVarying(length) => {
            let most = MAX_VAR_BYTES / u64::from(charset.max_bytes_per_char());
            let chars = char_length(spec, length.as_ref(), None, most)?;
            Ok(if binary { ColumnType::VarBinary { bytes: chars } } else { ColumnType::VarChar { chars } })
        }
        D::Binary(length) => Ok(ColumnType::Binary { bytes: fits(spec, length.unwrap_or(1), 255)? }),
        D::Varbinary(Some(BinaryLength::IntegerLength { length })) => {
            Ok(ColumnType::VarBinary { bytes: fits(spec, *length, MAX_VAR_BYTES)? })
        }
        D::Enum(members, None) => Ok(ColumnType::Enum { values: labels(spec, members)? }),
        D::TinyText => long_type("TINYTEXT", binary),
        D::Text => long_type("TEXT", binary),
        D::MediumText => long_type("MEDIUMTEXT", binary),
        D::LongText => long_type("LONGTEXT", binary),
        D::TinyBlob => long_type("TINYTEXT", true),
        D::Blob(None) => long_type("TEXT", true),
        D::MediumBlob => long_type("MEDIUMTEXT", true),
        D::LongBlob => long_type("LONGTEXT", true),
        other => Err(SqlError::unsupported(format_args!("{} {other}", spec.name))),
    }
}

fn long_type(name: &str, blob: bool) -> Result<ColumnType> {
    let found = LONG_TYPES.iter().find(|(text, ..)| *text == name);
    let (text, binary, max_bytes) = *found.ok_or_else(|| SqlError::unsupported(name))?;
    Ok(if blob { ColumnType::Blob { max_bytes, name: binary } } else { ColumnType::Text { max_bytes, name: text } })
}

fn char_length(spec: &ColumnSpec, length: Option<&CharacterLength>, default: Option<u64>, most: u64) -> Result<u32> {
    let length = match length {
        Some(CharacterLength::IntegerLength { length, unit: None }) => Some(*length),
        Some(_) => None,
        None => default,
    };
    match length {
        Some(length) => fits(spec, length, most),
        None => Err(SqlError::unsupported(format_args!("{} {}", spec.name, spec.data_type))),
    }
}

fn fits(spec: &ColumnSpec, length: u64, most: u64) -> Result<u32> {
    u32::try_from(length).ok().filter(|length| u64::from(*length) <= most).ok_or_else(|| {
        let text = format!("Column length too big for column '{}' (max = {most}); use BLOB or TEXT instead", spec.name);
        SqlError::new(codes::ER_TOO_BIG_FIELDLENGTH, text)
    })
}

fn labels(spec: &ColumnSpec, members: &[EnumMember]) -> Result<Vec<String>> {
    let mut labels: Vec<String> = Vec::with_capacity(members.len());
    for member in members {
        let EnumMember::Name(label) = member else {
            return Err(SqlError::unsupported(format_args!("{} {}", spec.name, spec.data_type)));
        };
        // MySQL drops spaces at a label's end.
        let label = label.trim_end_matches(' ').to_owned();
        if labels.contains(&label) {
            let text = format!("Column '{}' has duplicated value '{label}' in ENUM", spec.name);
            return Err(SqlError::new(codes::ER_DUPLICATED_VALUE_IN_TYPE, text));
        }
        labels.push(label);
    }
    Ok(labels)
}

/// A type as MySQL 8.0 prints it.
pub fn type_text(ty: &ColumnType) -> String {
    match ty {
        ColumnType::Int { bytes, unsigned } => {
            let name = match bytes {
                1 => "tinyint",
                2 => "smallint",
                3 => "mediumint",
                4 => "int",
                _ => "bigint",
            };
            format!("{name}{}", if *unsigned { " unsigned" } else { "" })
        }
        ColumnType::Char { chars } => format!("char({chars})"),
        ColumnType::VarChar { chars } => format!("varchar({chars})"),
        ColumnType::Binary { bytes } => format!("binary({bytes})"),
        ColumnType::VarBinary { bytes } => format!("varbinary({bytes})"),
        ColumnType::Text { name, .. } | ColumnType::Blob { name, .. } => name.to_ascii_lowercase(),
        ColumnType::Enum { values } => {
            format!("enum({})", values.iter().map(|label| quoted(label)).collect::<Vec<_>>().join(","))
        }
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

fn backticked(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A default as DESCRIBE shows it; None for NULL.
pub fn default_text(column: &ColumnDef) -> Option<String> {
    match column.default.as_ref()? {
        Value::Null => None,
        Value::Int(n) => Some(n.to_string()),
        Value::UInt(n) => Some(n.to_string()),
        Value::Bytes(bytes) => Some(match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => text.to_owned(),
            _ => format!("0x{}", bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>()),
        }),
    }
}

/// The statement that would create the table.
pub fn create_text(def: &TableDef) -> String {
    let mut lines: Vec<String> = def.columns.iter().map(column_text).collect();
    let names = |columns: &[usize]| {
        let name = |at: &usize| def.columns.get(*at).map(|column| backticked(&column.name));
        columns.iter().filter_map(name).collect::<Vec<_>>().join(",")
    };
    lines.push(format!("  PRIMARY KEY ({})", names(&def.primary_key)));
    for index in listed_indexes(def) {
        let unique = if index.unique { "UNIQUE " } else { "" };
        lines.push(format!("  {unique}KEY {} ({})", backticked(&index.name), names(&index.columns)));
    }
    format!(
        "CREATE TABLE {} (\n{}\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
        backticked(&def.name),
        lines.join(",\n")
    )
}

/// The statement that would create a database.
pub fn create_database_text(name: &str, if_not_exists: bool) -> String {
    let condition = if if_not_exists { "/*!32312 IF NOT EXISTS*/ " } else { "" };
    format!(
        "CREATE DATABASE {condition}{} /*!40100 DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */",
        backticked(name)
    )
}

fn column_text(column: &ColumnDef) -> String {
    let mut text = format!("  {} {}", backticked(&column.name), type_text(&column.ty));
    if is_text(&column.ty) && column.charset != Charset::Utf8mb4 {
        let (charset, collation) = charset::names(column.charset);
        text.push_str(&format!(" CHARACTER SET {charset} COLLATE {collation}"));
    }
    if column.not_null {
        text.push_str(" NOT NULL");
    }
    match (&column.default, default_text(column)) {
        (Some(Value::Bytes(bytes)), Some(shown)) => {
            let plain = std::str::from_utf8(bytes).is_ok_and(|plain| plain == shown);
            text.push_str(&format!(" DEFAULT {}", if plain { quoted(&shown) } else { shown }));
        }
        (_, Some(number)) => text.push_str(&format!(" DEFAULT '{number}'")),
        (_, None) if !column.not_null && !matches!(column.ty, ColumnType::Text { .. } | ColumnType::Blob { .. }) => {
            text.push_str(" DEFAULT NULL");
        }
        _ => {}
    }
    text
}

/// The secondary indexes in the order in which MySQL shows them: the unique ones first.
pub fn listed_indexes(def: &TableDef) -> impl Iterator<Item = &IndexDef> {
    let of = |unique| def.indexes.iter().filter(move |index| index.unique == unique);
    of(true).chain(of(false))
}

/// DESCRIBE's Key: PRI, UNI, or MUL for a column that begins another index.
pub fn key_text(def: &TableDef, at: usize) -> &'static str {
    let begins = |index: &&IndexDef| index.columns.first() == Some(&at);
    if def.primary_key.contains(&at) {
        "PRI"
    } else if def.indexes.iter().any(|index| index.unique && index.columns == [at]) {
        "UNI"
    } else if def.indexes.iter().any(|index| begins(&index)) {
        "MUL"
    } else {
        ""
    }
}
