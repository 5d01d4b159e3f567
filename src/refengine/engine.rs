//! (skeleton, bodies follow)
#![allow(missing_docs, unused_variables)]
use super::error::Result;
use super::table::Table;
use super::trx::Transaction;
use super::types::*;
use std::path::Path;
use std::sync::Arc;

/// An open engine. Clones share it.
#[derive(Clone)]
pub struct Engine(());

impl Engine {
    pub fn open(dir: &Path, options: &[(String, String)]) -> Result<Engine> { todo!() }
    /// Fails with `Error::Storage` when sessions, transactions or cursors are still open.
    pub fn close(self) -> Result<()> { todo!() }
    /// Makes this engine the one api() answers for; `open` does it when no other engine is open.
    pub fn serve_callback_table(&self) { todo!() }
    pub fn is_new(&self) -> bool { todo!() }
    pub fn create_database(&self, name: &str) -> Result<()> { todo!() }
    pub fn drop_database(&self, name: &str) -> Result<()> { todo!() }
    pub fn databases(&self) -> Vec<String> { todo!() }
    pub fn tables(&self, db: &str) -> Result<Vec<String>> { todo!() }
    pub fn create_table(&self, def: TableDef) -> Result<()> { todo!() }
    pub fn drop_table(&self, db: &str, name: &str) -> Result<()> { todo!() }
    pub fn truncate_table(&self, db: &str, name: &str) -> Result<()> { todo!() }
    pub fn rename_table(&self, from: (&str, &str), to: (&str, &str)) -> Result<()> { todo!() }
    pub fn table(&self, db: &str, name: &str) -> Result<Arc<Table>> { todo!() }
    pub fn begin(&self, iso: Isolation, read_write: bool) -> Transaction { todo!() }
    pub fn variables(&self) -> Vec<(String, String)> { todo!() }
    pub fn set_variable(&self, name: &str, value: &str) -> Result<()> { todo!() }
}
