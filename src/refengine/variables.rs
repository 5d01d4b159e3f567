//! The engine's system variables.
//!
//! | variable | values | default | later |
//! |---|---|---|---|
//! | `innodb_api_bk_commit_interval` | seconds, 1 to 2^30 | 5 | yes |
//! | `innodb_api_disable_rowlock`, `_enable_binlog`, `_enable_mdl` | ON, OFF; only told to the plugin by `get_cfg` | OFF | no |
//! | `innodb_api_lock_wait_timeout` | seconds the callback table waits for a lock, 1 to 2^30 | 1 | yes |
//! | `innodb_api_trx_level` | 0 to 3 | 0 | yes |
//! | `innodb_buffer_pool_size` | bytes for rows in memory, written and not yet on disk or read; a sixteenth more goes to blocks of the tables on disk; 5 MiB and more | 128 MiB | no |
//! | `innodb_flush_log_at_trx_commit` | 0, 1, 2: see `storage` | 1 | yes |
//! | `innodb_lock_wait_timeout` | seconds SQL waits for a lock, 1 to 2^30 | 50 | yes |
//! | `refengine_fail_commits` | fault injection for tests: the next N commits that wrote something fail with an unknown outcome; of these the first, third, ... write nothing, the second, fourth, ... are durable | 0 | yes |

use super::error::{Error, Result};
use std::sync::atomic::{AtomicU64, Ordering};

const SECONDS: u64 = 1 << 30;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number { min: u64, max: u64 },
    Switch,
}

struct Spec {
    name: &'static str,
    kind: Kind,
    default: u64,
    dynamic: bool,
}

const fn number(name: &'static str, min: u64, max: u64, default: u64, dynamic: bool) -> Spec {
    Spec { name, kind: Kind::Number { min, max }, default, dynamic }
}

const fn switch(name: &'static str) -> Spec {
    Spec { name, kind: Kind::Switch, default: 0, dynamic: false }
}

/// Position of a variable in [`SPECS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Var {
    BkCommitInterval,
    DisableRowlock,
    EnableBinlog,
    EnableMdl,
    ApiLockWaitTimeout,
    TrxLevel,
    BufferPoolSize,
    FlushLevel,
    LockWaitTimeout,
    FailCommits,
}

const COUNT: usize = 10;
const ALL: [Var; COUNT] = [
    Var::BkCommitInterval,
    Var::DisableRowlock,
    Var::EnableBinlog,
    Var::EnableMdl,
    Var::ApiLockWaitTimeout,
    Var::TrxLevel,
    Var::BufferPoolSize,
    Var::FlushLevel,
    Var::LockWaitTimeout,
    Var::FailCommits,
];

const SPECS: [Spec; COUNT] = [
    number("innodb_api_bk_commit_interval", 1, SECONDS, 5, true),
    switch("innodb_api_disable_rowlock"),
    switch("innodb_api_enable_binlog"),
    switch("innodb_api_enable_mdl"),
    number("innodb_api_lock_wait_timeout", 1, SECONDS, 1, true),
    number("innodb_api_trx_level", 0, 3, 0, true),
    number("innodb_buffer_pool_size", 5 << 20, 1 << 50, 128 << 20, false),
    number("innodb_flush_log_at_trx_commit", 0, 2, 1, true),
    number("innodb_lock_wait_timeout", 1, SECONDS, 50, true),
    number("refengine_fail_commits", 0, u64::MAX, 0, true),
];

/// The values. Read by all threads without a lock.
pub(crate) struct Variables([AtomicU64; COUNT]);

impl Variables {
    /// Defaults, replaced by `options`. A name behind `loose_` may be unknown.
    pub(crate) fn new(options: &[(String, String)]) -> Result<Variables> {
        let variables = Variables(SPECS.map(|spec| AtomicU64::new(spec.default)));
        for (name, value) in options {
            let loose = name.strip_prefix("loose_");
            match parse(loose.unwrap_or(name), value) {
                Err(Error::UnknownVariable(name)) if loose.is_some() => {
                    log::warn!("DM2014: the engine has no variable '{name}'; it is left out");
                }
                found => {
                    let (var, value) = found?;
                    variables.store(var, value);
                }
            }
        }
        Ok(variables)
    }

    #[inline]
    pub(crate) fn get(&self, var: Var) -> u64 {
        self.0.get(var as usize).map_or(0, |v| v.load(Ordering::Relaxed))
    }

    pub(crate) fn store(&self, var: Var, value: u64) {
        if let Some(slot) = self.0.get(var as usize) {
            slot.store(value, Ordering::Relaxed);
        }
    }

    /// Checks a change of a running engine; the caller stores it.
    pub(crate) fn check_change(&self, name: &str, value: &str) -> Result<(Var, u64)> {
        let (var, value) = parse(name, value)?;
        match SPECS.get(var as usize) {
            Some(spec) if !spec.dynamic => Err(Error::ReadOnlyVariable(spec.name.into())),
            _ => Ok((var, value)),
        }
    }

    /// All of them as text, sorted by name, but for what is there for tests only.
    pub(crate) fn list(&self) -> Vec<(String, String)> {
        let text = |(spec, value): (&Spec, &AtomicU64)| {
            let value = value.load(Ordering::Relaxed);
            let shown = match spec.kind {
                Kind::Switch => if value != 0 { "ON" } else { "OFF" }.to_string(),
                Kind::Number { .. } => value.to_string(),
            };
            (spec.name.to_string(), shown)
        };
        SPECS.iter().zip(&self.0).filter(|(spec, _)| !spec.name.starts_with("refengine_")).map(text).collect()
    }
}

/// A variable and a value as text; DEFAULT is a value.
fn parse(name: &str, text: &str) -> Result<(Var, u64)> {
    let found = SPECS.iter().zip(ALL).find(|(spec, _)| spec.name.eq_ignore_ascii_case(name));
    let Some((spec, var)) = found else { return Err(Error::UnknownVariable(name.into())) };
    let text = text.trim();
    let wrong = || Error::WrongValue { variable: spec.name.into(), value: text.into() };
    if text.eq_ignore_ascii_case("default") {
        return Ok((var, spec.default));
    }
    let value = match spec.kind {
        Kind::Number { min, max } => text.parse().ok().filter(|v| (min..=max).contains(v)).ok_or_else(wrong)?,
        Kind::Switch => match text.to_ascii_lowercase().as_str() {
            "on" | "1" | "true" => 1,
            "off" | "0" | "false" => 0,
            _ => return Err(wrong()),
        },
    };
    Ok((var, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_is_where_its_name_says() {
        let variables = Variables::new(&[]).unwrap();
        for (i, (spec, var)) in SPECS.iter().zip(ALL).enumerate() {
            assert_eq!(var as usize, i);
            assert_eq!(variables.get(var), spec.default, "{}", spec.name);
        }
        let names: Vec<_> = variables.list().into_iter().map(|(name, _)| name).collect();
        assert!(names.is_sorted());
    }

    #[test]
    fn values_are_checked() {
        let set = |name: &str, value: &str| {
            Variables::new(&[(name.into(), value.into())]).map(|v| v.list()).map_err(|e| e.errno())
        };
        let cases = [
            ("innodb_flush_log_at_trx_commit", "2", Ok("2")),
            ("INNODB_FLUSH_LOG_AT_TRX_COMMIT", " 0 ", Ok("0")),
            ("innodb_flush_log_at_trx_commit", "3", Err(1231)),
            ("innodb_flush_log_at_trx_commit", "-1", Err(1231)),
            ("innodb_api_enable_mdl", "on", Ok("ON")),
            ("innodb_api_enable_mdl", "DEFAULT", Ok("OFF")),
            ("innodb_api_enable_mdl", "maybe", Err(1231)),
            ("innodb_lock_wait_timeout", "0", Err(1231)),
            ("innodb_no_such_thing", "1", Err(1193)),
        ];
        for (name, value, expected) in cases {
            let got = set(name, value)
                .map(|list| list.into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v).unwrap());
            assert_eq!(got, expected.map(str::to_string), "{name} = {value}");
        }
        let variables = Variables::new(&[]).unwrap();
        assert_eq!(variables.check_change("innodb_buffer_pool_size", "10485760").unwrap_err().errno(), 1238);
        assert_eq!(variables.check_change("innodb_api_trx_level", "2"), Ok((Var::TrxLevel, 2)));
    }
}
