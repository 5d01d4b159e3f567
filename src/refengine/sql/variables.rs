//! The session's own system variables. Those of the engine and of the host are theirs.

use std::borrow::Cow;
use std::time::Duration;

use super::charset;
use super::datum::Datum;
use super::error::{Result, SqlError};
use super::function::VERSION;
use crate::refengine::codes;
use crate::refengine::types::Isolation;

/// The only SQL mode there is.
pub const SQL_MODE: &str = "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO";
/// Modes that say what is so here anyway, or about what there is not. Those that change what a statement means are refused.
const OTHER_MODES: [&str; 8] = [
    "ALLOW_INVALID_DATES",
    "NO_AUTO_CREATE_USER",
    "NO_AUTO_VALUE_ON_ZERO",
    "NO_DIR_IN_CREATE",
    "NO_ENGINE_SUBSTITUTION",
    "NO_ZERO_DATE",
    "NO_ZERO_IN_DATE",
    "STRICT_ALL_TABLES",
];
/// Variables that clients and dumps set and set back, of things that are the same here whatever they say: there are no foreign
/// keys, no binary log and no times with a zone, every index is checked, comparisons are by bytes.
const WITHOUT_EFFECT: [(&str, &str); 17] = [
    ("auto_increment_increment", "1"),
    ("collation_connection", "utf8mb4_bin"),
    ("foreign_key_checks", "ON"),
    ("gtid_purged", ""),
    ("information_schema_stats_expiry", "86400"),
    ("innodb_stats_auto_recalc", "ON"),
    ("interactive_timeout", "28800"),
    ("max_execution_time", "0"),
    ("net_buffer_length", "16384"),
    ("net_read_timeout", "30"),
    ("net_write_timeout", "60"),
    ("sql_log_bin", "ON"),
    ("sql_notes", "ON"),
    ("sql_quote_show_create", "ON"),
    ("time_zone", "+00:00"),
    ("unique_checks", "ON"),
    ("wait_timeout", "28800"),
];
/// What is as it is.
const FIXED: [(&str, &str); 15] = [
    ("character_set_database", "utf8mb4"),
    ("character_set_server", "utf8mb4"),
    ("collation_database", "utf8mb4_bin"),
    ("collation_server", "utf8mb4_bin"),
    ("default_storage_engine", "InnoDB"),
    ("init_connect", ""),
    ("license", "MIT OR Apache-2.0"),
    ("lower_case_table_names", "0"),
    ("max_allowed_packet", "67108864"),
    ("performance_schema", "OFF"),
    ("query_cache_size", "0"),
    ("query_cache_type", "OFF"),
    ("system_time_zone", "UTC"),
    ("version", VERSION),
    ("version_comment", env!("CARGO_PKG_NAME")),
];
const LOCK_WAIT_TIMEOUT: &str = "innodb_lock_wait_timeout";

/// The values a session can set.
#[derive(Debug, Clone)]
pub struct Variables {
    pub autocommit: bool,
    pub isolation: Isolation,
    pub read_only: bool,
    /// SET NAMES: text is UTF-8 whatever is said here.
    pub names: String,
    /// None: the engine's.
    pub lock_wait_timeout: Option<u64>,
    without_effect: [Cow<'static, str>; WITHOUT_EFFECT.len()],
}

impl Default for Variables {
    fn default() -> Variables {
        Variables {
            autocommit: true,
            isolation: Isolation::RepeatableRead,
            read_only: false,
            names: "utf8mb4".to_owned(),
            lock_wait_timeout: None,
            without_effect: WITHOUT_EFFECT.map(|(_, value)| Cow::Borrowed(value)),
        }
    }
}

impl Variables {
    /// All of them as SHOW VARIABLES shows them.
    pub fn list(&self) -> Vec<(&'static str, String)> {
        let switch = |on| if on { "ON" } else { "OFF" }.to_owned();
        let mut list = vec![
            ("autocommit", switch(self.autocommit)),
            ("character_set_client", self.names.clone()),
            ("character_set_connection", self.names.clone()),
            ("character_set_results", self.names.clone()),
            ("sql_mode", SQL_MODE.to_owned()),
            ("transaction_isolation", isolation_text(self.isolation).to_owned()),
            ("transaction_read_only", switch(self.read_only)),
        ];
        list.extend(FIXED.map(|(name, value)| (name, value.to_owned())));
        let kept = WITHOUT_EFFECT.iter().zip(&self.without_effect);
        list.extend(kept.map(|((name, _), value)| (*name, value.clone().into_owned())));
        if let Some(seconds) = self.lock_wait_timeout {
            list.push((LOCK_WAIT_TIMEOUT, seconds.to_string()));
        }
        list
    }

    /// The value of `@@name`; None if it is not a session's.
    pub fn get(&self, name: &str) -> Option<Datum> {
        let name = canonical(name);
        let (_, value) = self.list().into_iter().find(|(known, _)| *known == name)?;
        Some(switch_or_text(value))
    }

    /// How long to wait for a lock, if the session says.
    pub fn lock_wait(&self) -> Option<Duration> {
        self.lock_wait_timeout.map(Duration::from_secs)
    }

    /// SET SESSION, but for `autocommit`, which ends a transaction. False: not a session's variable.
    pub fn set(&mut self, name: &str, value: Option<&Datum>) -> Result<bool> {
        let lower = canonical(name);
        let text = value.map(|value| value_text(Some(value)));
        let wrong = || SqlError::wrong_value(name, text.as_deref().unwrap_or("DEFAULT"));
        match lower.as_str() {
            "transaction_isolation" => {
                self.isolation = match &text {
                    None => Isolation::RepeatableRead,
                    Some(text) => isolation(text).ok_or_else(wrong)?,
                };
            }
            "transaction_read_only" => {
                self.read_only = value.map_or(Some(false), switch).ok_or_else(wrong)?;
            }
            LOCK_WAIT_TIMEOUT => {
                let parse = |text: &String| text.parse().ok().filter(|n| (1..=1 << 30).contains(n));
                self.lock_wait_timeout = match &text {
                    None => None,
                    Some(text) => Some(parse(text).ok_or_else(wrong)?),
                };
            }
            "sql_mode" if text.as_deref().is_none_or(is_sql_mode) => {}
            // Results as they are stored: utf8mb4, which they are sent in anyway.
            "character_set_results" if matches!(value, Some(Datum::Null)) => {}
            "character_set_client" | "character_set_connection" | "character_set_results" => {
                self.set_names(text.as_deref().unwrap_or("utf8mb4"))?;
            }
            "sql_mode" => return Err(wrong()),
            fixed if FIXED.iter().any(|(known, _)| *known == fixed) => {
                let text = format!("Variable '{name}' is a read only variable");
                return Err(SqlError::new(codes::ER_INCORRECT_GLOBAL_LOCAL_VAR, text));
            }
            other => {
                let known = WITHOUT_EFFECT.iter().zip(&mut self.without_effect).find(|((name, _), _)| *name == other);
                let Some(((_, default), kept)) = known else { return Ok(false) };
                *kept = match (value.and_then(switch), *default, &text) {
                    (Some(on), "ON", _) => Cow::Borrowed(if on { "ON" } else { "OFF" }),
                    (None, "ON", Some(_)) => return Err(wrong()),
                    (_, _, Some(text)) => Cow::Owned(text.clone()),
                    (_, default, None) => Cow::Borrowed(default),
                };
            }
        }
        Ok(true)
    }

    /// SET NAMES. Statements are UTF-8, so only its names and those of its subsets are taken.
    pub fn set_names(&mut self, name: &str) -> Result<()> {
        charset::by_name(name)?;
        self.names = name.to_ascii_lowercase();
        Ok(())
    }
}

/// Whether a variable only says what clients want to hear, for all sessions as for one.
pub fn is_without_effect(name: &str) -> bool {
    WITHOUT_EFFECT.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
}

/// Names of modes with commas between them, or none.
fn is_sql_mode(text: &str) -> bool {
    let known = |mode: &str| SQL_MODE.split(',').chain(OTHER_MODES).any(|name| name.eq_ignore_ascii_case(mode));
    text.split(',').all(|mode| mode.is_empty() || known(mode))
}

fn canonical(name: &str) -> String {
    match name.to_ascii_lowercase().as_str() {
        "tx_isolation" => "transaction_isolation".to_owned(),
        "tx_read_only" => "transaction_read_only".to_owned(),
        other => other.to_owned(),
    }
}

/// A value as `@@name` gives it: switches and numbers are numbers.
pub fn switch_or_text(value: String) -> Datum {
    match value.as_str() {
        "ON" => Datum::Int(1),
        "OFF" => Datum::Int(0),
        text => match text.parse::<i64>() {
            Ok(n) => Datum::Int(n),
            Err(_) => Datum::text(value),
        },
    }
}

/// ON, OFF, 1 or 0.
pub fn switch(value: &Datum) -> Option<bool> {
    match value_text(Some(value)).to_ascii_lowercase().as_str() {
        "on" | "1" | "true" => Some(true),
        "off" | "0" | "false" => Some(false),
        _ => None,
    }
}

/// A value as SET hands it on.
pub fn value_text(value: Option<&Datum>) -> String {
    let bytes = value.and_then(|value| value.as_bytes().map(|bytes| bytes.into_owned()));
    bytes.map_or_else(|| "NULL".to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// MySQL's name of a level.
fn isolation_text(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::ReadUncommitted => "READ-UNCOMMITTED",
        Isolation::ReadCommitted => "READ-COMMITTED",
        Isolation::RepeatableRead => "REPEATABLE-READ",
        Isolation::Serializable => "SERIALIZABLE",
    }
}

fn isolation(text: &str) -> Option<Isolation> {
    use Isolation::*;
    let levels = [ReadUncommitted, ReadCommitted, RepeatableRead, Serializable];
    levels.into_iter().find(|level| isolation_text(*level).eq_ignore_ascii_case(text))
}
