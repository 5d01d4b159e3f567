//! The configuration tables of database `innodb_memcache`, read through the same rows as everything else.

use super::Container;
use super::container::ContainerRow;
use crate::rows::{Error, Mode, Rows, Table};
use std::ffi::CString;
use std::ops::ControlFlow;

/// Longest separator in bytes.
const SEPARATOR_MAX: usize = 32;

/// What the configuration tables say.
#[derive(Debug)]
pub struct Config {
    /// All containers, in key order of their table.
    pub containers: Vec<Container>,
    /// Position of the container that connections begin with.
    pub default: usize,
    /// Bytes between the columns of a value.
    pub separator: Vec<u8>,
    /// The host's `innodb_api_trx_level`.
    pub trx_level: u8,
}

impl Config {
    /// Reads and checks the configuration in a transaction of its own.
    ///
    /// # Errors
    /// One sentence that names the table, container, column and rule.
    pub fn load<R: Rows>(rows: &mut R, trx_level: u8) -> Result<Config, String> {
        rows.begin(Mode { level: 1, read_write: false }).map_err(|e| format!("cannot read the configuration: {e}"))?;
        let result = Config::read(rows, trx_level);
        rows.rollback();
        result
    }

    fn read<R: Rows>(rows: &mut R, trx_level: u8) -> Result<Config, String> {
        // The configuration tables are closed again with this transaction: their ids are free for containers after it.
        let table = config_table(rows, 0, "containers")?;
        let names = [
            "name",
            "db_schema",
            "db_table",
            "key_columns",
            "value_columns",
            "flags",
            "cas_column",
            "expire_time_column",
            "unique_idx_name_on_key",
        ];
        let found: Vec<ContainerRow> = text_rows(rows, &table, names)?
            .into_iter()
            .map(|[name, schema, table, key, values, flags, cas, expiry, index]| ContainerRow {
                name,
                schema,
                table,
                key,
                values,
                flags,
                cas,
                expiry,
                index,
            })
            .collect();
        let separator = separator(rows)?;
        let containers =
            found.iter().enumerate().map(|(id, row)| Container::check(rows, row, id)).collect::<Result<Vec<_>, _>>()?;
        if containers.is_empty() {
            return Err("table innodb_memcache.containers is empty; insert a row that maps a table".into());
        }
        let default = containers.iter().position(|c| c.name == "default").unwrap_or(0);
        Ok(Config { containers, default, separator, trx_level })
    }

    /// The container that connections begin with.
    pub fn default_container(&self) -> &Container {
        &self.containers[self.default]
    }
}

fn separator<R: Rows>(rows: &mut R) -> Result<Vec<u8>, String> {
    let table = config_table(rows, 1, "config_options")?;
    let options = text_rows(rows, &table, ["name", "value"])?;
    let separator = options.into_iter().find(|[name, _]| name == "separator").map_or("|".into(), |[_, value]| value);
    match separator.len() {
        1..=SEPARATOR_MAX => Ok(separator.into_bytes()),
        _ => Err(format!("innodb_memcache.config_options: separator must have 1 to {SEPARATOR_MAX} bytes")),
    }
}

fn config_table<R: Rows>(rows: &mut R, id: usize, name: &str) -> Result<Table, String> {
    let path = CString::new(format!("innodb_memcache/{name}")).map_err(|e| e.to_string())?;
    let columns = rows.describe(&path).map_err(|error| match error {
        Error::NotFound(_) => {
            format!("table innodb_memcache.{name} not found; run innodb_memcached_config.sql first")
        }
        other => format!("table innodb_memcache.{name}: {other}"),
    })?;
    Ok(Table { id, path, index: None, columns, key: 0 })
}

/// The named columns of every row, NULL as an empty string.
fn text_rows<R: Rows, const N: usize>(
    rows: &mut R,
    table: &Table,
    names: [&str; N],
) -> Result<Vec<[String; N]>, String> {
    let mut columns = [0; N];
    for (slot, name) in columns.iter_mut().zip(names) {
        *slot = table.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
            format!("table {} has no column {name}; run innodb_memcached_config.sql", table.display())
        })?;
    }
    let mut all = Vec::new();
    rows.scan(table, &mut |rows| {
        all.push(columns.map(|column| {
            let bytes = rows.bytes(table, column).unwrap_or_default();
            String::from_utf8_lossy(bytes).into_owned()
        }));
        ControlFlow::Continue(())
    })
    .map_err(|error| format!("table {}: {error}", table.display()))?;
    Ok(all)
}
