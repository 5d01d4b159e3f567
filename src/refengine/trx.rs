//! (skeleton, bodies follow)
#![allow(missing_docs, unused_variables, clippy::too_many_arguments)]
use super::error::Result;
use super::table::Table;
use super::types::*;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
pub struct Transaction(());
#[derive(Clone, Copy)]
pub struct Savepoint(usize);
impl Transaction {
    /// Replaces the engine's innodb_lock_wait_timeout for this transaction.
    pub fn set_lock_wait_timeout(&mut self, timeout: Duration) { todo!() }
    /// Takes the table's metadata lock until the transaction ends (every row operation does so by itself).
    pub fn open(&mut self, t: &Arc<Table>) -> Result<()> { todo!() }
    pub fn get(&mut self, t: &Arc<Table>, pk: &[Value], lock: RowLock) -> Result<Option<Row>> { todo!() }
    pub fn scan(&mut self, t: &Arc<Table>, index: Option<usize>, range: &KeyRange, reverse: bool, lock: RowLock,
                f: &mut dyn FnMut(&Row) -> ControlFlow<()>) -> Result<()> { todo!() }
    pub fn insert(&mut self, t: &Arc<Table>, row: Row) -> Result<()> { todo!() }
    /// `old` is the row as read with [`RowLock::Exclusive`].
    pub fn update(&mut self, t: &Arc<Table>, old: &Row, new: Row) -> Result<bool> { todo!() }
    pub fn delete(&mut self, t: &Arc<Table>, row: &Row) -> Result<()> { todo!() }
    pub fn savepoint(&mut self) -> Savepoint { todo!() }
    pub fn rollback_to(&mut self, s: Savepoint) { todo!() }
    pub fn commit(self) -> Result<()> { todo!() }
    pub fn rollback(self) { todo!() }
}
