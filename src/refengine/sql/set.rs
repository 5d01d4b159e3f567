//! SET.

use super::ast::{IsolationScope, Scope, SetItem};
use super::datum::Datum;
use super::error::{Result, SqlError};
use super::eval::RowView;
use super::host::{Host, HostStatement, name_value_rows};
use super::memory;
use super::session::Session;
use super::variables::{SQL_MODE, is_without_effect, switch, value_text};
use crate::refengine::Error;
use crate::refengine::codes;
use crate::refengine::types::Isolation;

/// Bytes of a session's user variables.
const USER_VARIABLES_MAX: usize = 128 << 20;

impl Session {
    pub(super) fn set(&mut self, item: &SetItem, host: &dyn Host) -> Result<()> {
        match item {
            SetItem::User { name, value } => {
                let value = self.info.compiler(None, "field list").compile(value)?.eval(&RowView::default())?;
                let others = self.info.user_variables.iter().filter(|(known, _)| *known != name);
                let held: usize = others.map(|(name, value)| name.len() + memory::of_datum(value)).sum();
                if held + name.len() + memory::of_datum(&value) > USER_VARIABLES_MAX {
                    return Err(memory::too_much(USER_VARIABLES_MAX));
                }
                self.info.user_variables.insert(name.clone(), value);
                Ok(())
            }
            SetItem::Names(name) => self.info.variables.set_names(name),
            SetItem::Isolation { scope, level, read_only } => self.set_isolation(*scope, *level, *read_only),
            SetItem::Variable { scope, name, value } => {
                let value = match value {
                    None => None,
                    Some(expr) => {
                        let compiled = self.info.compiler(None, "field list").compile(expr)?;
                        Some(compiled.eval(&RowView::default())?)
                    }
                };
                match scope {
                    Scope::Session => self.set_session(name, value.as_ref(), host),
                    Scope::Global => self.set_global(name, value.as_ref(), host),
                }
            }
        }
    }

    fn set_isolation(
        &mut self,
        scope: IsolationScope,
        level: Option<Isolation>,
        read_only: Option<bool>,
    ) -> Result<()> {
        match scope {
            IsolationScope::Global => return Err(SqlError::unsupported("SET GLOBAL TRANSACTION")),
            IsolationScope::Session => {
                let variables = &mut self.info.variables;
                variables.isolation = level.unwrap_or(variables.isolation);
                variables.read_only = read_only.unwrap_or(variables.read_only);
            }
            IsolationScope::Next if self.trx.is_some() => {
                let text = "Transaction characteristics can't be changed while a transaction is in progress";
                return Err(SqlError::new(codes::ER_CANT_CHANGE_TX_CHARACTERISTICS, text));
            }
            IsolationScope::Next => self.next = (level.or(self.next.0), read_only.or(self.next.1)),
        }
        Ok(())
    }

    fn set_session(&mut self, name: &str, value: Option<&Datum>, host: &dyn Host) -> Result<()> {
        if name.eq_ignore_ascii_case("autocommit") {
            let on = value.map_or(Some(true), switch);
            let on = on.ok_or_else(|| SqlError::wrong_value(name, &value_text(value)))?;
            if on && !self.info.variables.autocommit {
                self.commit()?;
            }
            self.info.variables.autocommit = on;
            return Ok(());
        }
        if self.info.variables.set(name, value)? {
            if name.eq_ignore_ascii_case("sql_mode") && value.is_some_and(|value| value_text(Some(value)) != SQL_MODE) {
                let text = format!("sql_mode was not changed: this engine has only '{SQL_MODE}'");
                self.warnings.add("Warning", &SqlError::new(codes::ER_WRONG_VALUE_FOR_VAR, text));
            }
            return Ok(());
        }
        let host_variables = name_value_rows(host, HostStatement::ShowVariables)?;
        let mut known = self.info.engine.variables().into_iter().chain(host_variables);
        if known.any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            let text = format!("Variable '{name}' is a GLOBAL variable and should be set with SET GLOBAL");
            return Err(SqlError::new(codes::ER_GLOBAL_VARIABLE, text));
        }
        Err(SqlError::unknown_variable(name))
    }

    fn set_global(&mut self, name: &str, value: Option<&Datum>, host: &dyn Host) -> Result<()> {
        let text = value.map(|value| value_text(Some(value)));
        match self.info.engine.set_variable(name, text.as_deref().unwrap_or("DEFAULT")) {
            Err(Error::UnknownVariable(_)) => {}
            other => return Ok(other?),
        }
        if is_without_effect(name) {
            let text = format!("'{name}' has no effect on this engine");
            self.warnings.add("Warning", &SqlError::new(codes::ER_UNKNOWN_ERROR, text));
            return Ok(());
        }
        if self.info.variables.get(name).is_some() {
            return Err(SqlError::unsupported(format_args!("SET GLOBAL {name}")));
        }
        if !host.is_present() {
            return Err(SqlError::unknown_variable(name));
        }
        host.run(HostStatement::SetGlobal { name, value: text.as_deref() }).map(|_| ())
    }
}
