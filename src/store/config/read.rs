//! Reading the configuration tables of database `innodb_memcache`, through the same rows as everything else.

use super::{Config, ContainerId, Rules};
use crate::rows::{Error, Mode, Rows, Table};
use crate::store::container::ContainerRow;
use crate::store::error::{ConfigError, SEPARATOR_MAX};
use crate::store::{Container, Policies};
use std::collections::HashMap;
use std::ffi::CString;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

type Result<T> = std::result::Result<T, ConfigError>;

const COLUMNS: [&str; 9] = [
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

const READ: Mode = Mode { level: 1, read_write: false };

impl Config {
    /// Reads all of the configuration, in a transaction of its own: `rows` has none open, and no table ids of this session belong to
    /// anybody else. Names that `before` knows keep their ids, and containers that are as they were are taken over.
    ///
    /// # Errors
    /// The configuration tables cannot be used. A row that breaks a rule is no error here: see [`Config::verdict`].
    pub fn load<R: Rows>(rows: &mut R, rules: Rules, before: Option<&Config>) -> Result<Config> {
        in_transaction(rows, |rows| {
            let found = container_rows(rows)?;
            let options = text_rows(rows, 1, "config_options", ["name", "value"])?;
            let mut config = Config {
                slots: before.map_or_else(Vec::new, |before| before.slots.clone()),
                names: before.map_or_else(HashMap::new, |before| before.names.clone()),
                default: ContainerId::DEFAULT,
                readings: before.map_or(0, |before| before.readings + 1),
                separator: option(&options, "separator", "|")?,
                delimiter: option(&options, "table_map_delimiter", ".")?,
                policies: policies(rows)?,
                rules,
            };
            let Some(first) = found.first() else { return Err(ConfigError::Empty) };
            for slot in &mut config.slots {
                if slot.container.is_some() && !found.iter().any(|row| row.name.as_bytes() == slot.name) {
                    (slot.container, slot.gone_since) = (None, config.readings);
                }
            }
            // Memory holds values with their separators.
            let same_values = before.is_some_and(|before| before.separator == config.separator);
            for row in &found {
                config.place(rows, row, same_values);
            }
            // Rows come in key order. A default container that refuses is still the default: no other table takes its keys.
            let default = config.find(b"default").or_else(|| config.find(first.name.as_bytes()));
            config.default = default.unwrap_or(ContainerId::DEFAULT);
            config.announce(before);
            Ok(config)
        })
    }

    /// This configuration with those of the named containers that have a row by now; `None` where none has. The others stay as they are.
    ///
    /// # Errors
    /// See [`Config::load`].
    pub fn with_new<R: Rows>(&self, rows: &mut R, names: &[Vec<u8>]) -> Result<Option<Config>> {
        in_transaction(rows, |rows| {
            let is_new = |row: &ContainerRow| {
                let name = row.name.as_bytes();
                names.iter().any(|wanted| wanted == name) && self.find(name).is_none()
            };
            let found: Vec<_> = container_rows(rows)?.into_iter().filter(is_new).collect();
            if found.is_empty() {
                return Ok(None);
            }
            let mut config = self.clone();
            for row in &found {
                config.place(rows, row, true);
                log::info!("DM1304: container {} was found", row.name);
            }
            config.announce(Some(self));
            Ok(Some(config))
        })
    }

    /// Puts the container of a row into its slot, where one that is the same may stay.
    fn place<R: Rows>(&mut self, rows: &mut R, row: &ContainerRow, may_stay: bool) {
        let at = self.slot(row.name.as_bytes());
        let container = Container::of_row(rows, row, at, self.container_policies());
        let old = self.slots[at].container.as_ref();
        let mut stays = may_stay && old.is_some_and(|old| old.is_same_as(&container));
        if container.could_not_be_read() {
            rows.rollback();
            // Where this fails, so does the next read, with a reason.
            let _ = rows.begin(READ);
            // Somebody alters the table: once that is over, operations will tell whether the container still suits it.
            stays |=
                may_stay && old.is_some_and(|old| old.refused().is_none() && old.table.path == container.table.path);
        }
        if !stays {
            self.slots[at].container = Some(Arc::new(container));
        }
    }
}

/// Runs `read` in a read-only transaction.
fn in_transaction<R: Rows, T>(rows: &mut R, read: impl FnOnce(&mut R) -> Result<T>) -> Result<T> {
    rows.begin(READ).map_err(ConfigError::Unreadable)?;
    let result = read(rows);
    rows.rollback();
    result
}

fn container_rows<R: Rows>(rows: &mut R) -> Result<Vec<ContainerRow>> {
    let found = text_rows(rows, 0, "containers", COLUMNS)?.into_iter();
    Ok(found
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
        .collect())
}

/// The first row of the table; without a row everything goes to the tables.
fn policies<R: Rows>(rows: &mut R) -> Result<Policies> {
    let columns = ["get_policy", "set_policy", "delete_policy", "flush_policy"];
    let found = text_rows(rows, 2, "cache_policies", columns)?;
    found.first().map_or(Ok(Policies::default()), |row| Policies::parse(row.each_ref().map(String::as_str)))
}

fn option(options: &[[String; 2]], name: &'static str, default: &str) -> Result<Vec<u8>> {
    let value = options.iter().find(|[known, _]| known == name).map_or(default, |[_, value]| value);
    match value.len() {
        1..=SEPARATOR_MAX => Ok(value.as_bytes().to_vec()),
        _ => Err(ConfigError::Option(name)),
    }
}

/// The named columns of every row of a configuration table, NULL as an empty string.
fn text_rows<R: Rows, const N: usize>(
    rows: &mut R,
    id: usize,
    name: &'static str,
    names: [&'static str; N],
) -> Result<Vec<[String; N]>> {
    let path = CString::new(format!("innodb_memcache/{name}")).unwrap_or_default();
    let columns = rows.describe(&path).map_err(|error| match error {
        Error::NotFound(_) => ConfigError::NoTable(name),
        other => ConfigError::Table(name, other),
    })?;
    let table = Table::new(id, path, None, columns, 0);
    let mut wanted = [0; N];
    for (slot, column) in wanted.iter_mut().zip(names) {
        let found = table.columns.iter().position(|known| known.name.eq_ignore_ascii_case(column));
        *slot = found.ok_or(ConfigError::NoColumn { table: name, column })?;
    }
    let mut all = Vec::new();
    rows.scan(&table, Bound::Unbounded, &mut |rows| {
        all.push(wanted.map(|column| {
            // An ENUM comes as the number of its word.
            match rows.int(&table, column) {
                Some(number) => number.to_string(),
                None => String::from_utf8_lossy(rows.bytes(&table, column).unwrap_or_default()).into_owned(),
            }
        }));
        ControlFlow::Continue(())
    })
    .map_err(|error| ConfigError::Table(name, error))?;
    Ok(all)
}
