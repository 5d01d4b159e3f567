//! (skeleton, bodies follow)
#![allow(missing_docs)]
use super::types::TableDef;
pub struct Table(());
impl Table {
    pub fn def(&self) -> &TableDef { todo!() }
    pub fn id(&self) -> u64 { todo!() }
}
