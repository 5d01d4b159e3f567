//! The configuration tables of database `innodb_memcache`, read through the same rows as everything else.

use super::container::ContainerRow;
use super::{Container, Policies};
use crate::rows::{Error, Mode, Rows, Table};
use memchr::memmem;
use std::collections::HashMap;
use std::ffi::CString;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

/// Longest separator or delimiter in bytes.
const SEPARATOR_MAX: usize = 32;

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

/// A container as connections remember it. It outlives changes of the configuration: the same name keeps its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContainerId(u32);

impl ContainerId {
    /// Whatever the default container is at the moment.
    pub const DEFAULT: ContainerId = ContainerId(u32::MAX);
}

/// What a client's key names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'k> {
    /// A key of a container.
    Key(ContainerId, &'k [u8]),
    /// A container, without a key.
    Name(ContainerId),
    /// A container that nobody knows.
    Unknown(&'k [u8]),
}

/// What is asked of a configuration beside its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The host's `innodb_api_trx_level`, 0 to 3.
    pub trx_level: u8,
    /// Whether a container that breaks a rule is left out and logged instead of refusing everything.
    pub skip_invalid: bool,
}

/// What the configuration tables say. Never changes; a new one takes its place.
#[derive(Debug)]
pub struct Config {
    /// By id; `None` where a container is no longer configured.
    containers: Vec<Option<Arc<Container>>>,
    names: HashMap<Vec<u8>, ContainerId>,
    default: ContainerId,
    /// Bytes between the columns of a value.
    pub separator: Vec<u8>,
    /// Bytes between `@@name` and a key.
    pub delimiter: Vec<u8>,
    /// What goes to memory and what to tables.
    pub policies: Policies,
    /// See [`Rules`].
    pub rules: Rules,
}

impl Config {
    /// Reads and checks the configuration in a transaction of its own. Containers that `before` knows keep their ids.
    ///
    /// # Errors
    /// One sentence that names the table, container, column and rule.
    pub fn load<R: Rows>(rows: &mut R, rules: Rules, before: Option<&Config>) -> Result<Config, String> {
        in_transaction(rows, |rows| {
            let found = container_rows(rows)?;
            let options = text_rows(rows, 1, "config_options", ["name", "value"])?;
            let mut config = Config {
                containers: before.map_or(Vec::new(), |before| vec![None; before.containers.len()]),
                names: HashMap::new(),
                default: ContainerId::DEFAULT,
                separator: option(&options, "separator", "|")?,
                delimiter: option(&options, "table_map_delimiter", ".")?,
                policies: policies(rows)?,
                rules,
            };
            if found.is_empty() {
                return Err("table innodb_memcache.containers is empty; insert a row that maps a table".into());
            }
            for row in &found {
                let known = before.and_then(|before| before.names.get(row.name.as_bytes()).copied());
                match config.add(rows, row, known) {
                    Err(error) if rules.skip_invalid => log::warn!("{error}; the container is left out"),
                    other => other?,
                }
            }
            // Rows come in key order: the first valid one stands in where none is called default.
            let first = found.iter().find_map(|row| config.names.get(row.name.as_bytes()).copied());
            config.default = config.names.get(b"default".as_slice()).copied().or(first).ok_or_else(|| {
                String::from("no container of table innodb_memcache.containers is valid; the log names the rules")
            })?;
            Ok(config)
        })
    }

    /// This configuration with the container of that name, if a valid row for it has appeared since.
    ///
    /// # Errors
    /// The row is there but breaks a rule.
    pub fn with_new<R: Rows>(&self, rows: &mut R, name: &[u8]) -> Result<Option<Config>, String> {
        in_transaction(rows, |rows| {
            let Some(row) = container_rows(rows)?.into_iter().find(|row| row.name.as_bytes() == name) else {
                return Ok(None);
            };
            let mut config = Config {
                containers: self.containers.clone(),
                names: self.names.clone(),
                default: self.default,
                separator: self.separator.clone(),
                delimiter: self.delimiter.clone(),
                policies: self.policies,
                rules: self.rules,
            };
            config.add(rows, &row, None)?;
            Ok(Some(config))
        })
    }

    fn add<R: Rows>(&mut self, rows: &mut R, row: &ContainerRow, known: Option<ContainerId>) -> Result<(), String> {
        let id = known.map_or(self.containers.len(), |id| id.0 as usize);
        let container = Some(Arc::new(Container::check(rows, row, id, self.policies)?));
        match known {
            Some(_) => self.containers[id] = container,
            None => self.containers.push(container),
        }
        self.names.insert(row.name.clone().into_bytes(), ContainerId(id as u32));
        Ok(())
    }

    /// The container of an id; `None` if it is no longer configured.
    pub fn container(&self, id: ContainerId) -> Option<&Container> {
        let id = if id == ContainerId::DEFAULT { self.default } else { id };
        self.containers.get(id.0 as usize)?.as_deref()
    }

    /// The id of a name.
    pub fn find(&self, name: &[u8]) -> Option<ContainerId> {
        self.names.get(name).copied()
    }

    /// All containers.
    pub fn containers(&self) -> impl Iterator<Item = &Container> {
        self.containers.iter().flatten().map(Arc::as_ref)
    }

    /// Containers with an expiry column.
    pub fn expiring(&self) -> Vec<ContainerId> {
        let all = self.containers.iter().enumerate();
        all.filter(|(_, container)| container.as_ref().is_some_and(|c| c.expiry.is_some()))
            .map(|(id, _)| ContainerId(id as u32))
            .collect()
    }

    /// What `key` names on a connection that is switched to `current`.
    #[inline]
    pub fn resolve<'k>(&self, current: ContainerId, key: &'k [u8]) -> Target<'k> {
        match key {
            [b'@', b'@', _, _, ..] => self.resolve_mapped(&key[2..]),
            _ => Target::Key(current, key),
        }
    }

    #[cold]
    fn resolve_mapped<'k>(&self, rest: &'k [u8]) -> Target<'k> {
        let cut = memmem::find(rest, &self.delimiter);
        let name = &rest[..cut.unwrap_or(rest.len())];
        let key = cut.map_or(&[][..], |at| &rest[at + self.delimiter.len()..]);
        match self.find(name) {
            None => Target::Unknown(name),
            Some(id) if key.is_empty() => Target::Name(id),
            Some(id) => Target::Key(id, key),
        }
    }
}

/// Runs `read` in a read-only transaction. What it opened is closed behind it, so that the small table ids it used are free again.
fn in_transaction<R: Rows, T>(rows: &mut R, read: impl FnOnce(&mut R) -> Result<T, String>) -> Result<T, String> {
    rows.begin(Mode { level: 1, read_write: false }).map_err(|e| format!("cannot read the configuration: {e}"))?;
    let result = read(rows);
    rows.rollback();
    result
}

fn container_rows<R: Rows>(rows: &mut R) -> Result<Vec<ContainerRow>, String> {
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
fn policies<R: Rows>(rows: &mut R) -> Result<Policies, String> {
    let columns = ["get_policy", "set_policy", "delete_policy", "flush_policy"];
    let found = text_rows(rows, 2, "cache_policies", columns)?;
    found.first().map_or(Ok(Policies::default()), |row| Policies::parse(row.each_ref().map(String::as_str)))
}

fn option(options: &[[String; 2]], name: &str, default: &str) -> Result<Vec<u8>, String> {
    let value = options.iter().find(|[known, _]| known == name).map_or(default, |[_, value]| value);
    match value.len() {
        1..=SEPARATOR_MAX => Ok(value.as_bytes().to_vec()),
        _ => Err(format!("innodb_memcache.config_options: {name} must have 1 to {SEPARATOR_MAX} bytes")),
    }
}

/// The named columns of every row of a configuration table, NULL as an empty string.
fn text_rows<R: Rows, const N: usize>(
    rows: &mut R,
    id: usize,
    name: &str,
    names: [&str; N],
) -> Result<Vec<[String; N]>, String> {
    let path = CString::new(format!("innodb_memcache/{name}")).map_err(|e| e.to_string())?;
    let columns = rows.describe(&path).map_err(|error| match error {
        Error::NotFound(_) => {
            format!("table innodb_memcache.{name} not found; run innodb_memcached_config.sql first")
        }
        other => format!("table innodb_memcache.{name}: {other}"),
    })?;
    let table = Table::new(id, path, None, columns, 0);
    let mut wanted = [0; N];
    for (slot, column) in wanted.iter_mut().zip(names) {
        let found = table.columns.iter().position(|known| known.name.eq_ignore_ascii_case(column));
        *slot = found.ok_or_else(|| {
            format!("table innodb_memcache.{name} has no column {column}; run innodb_memcached_config.sql")
        })?;
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
    .map_err(|error| format!("table innodb_memcache.{name}: {error}"))?;
    Ok(all)
}
