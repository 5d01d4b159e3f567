//! Whether rows look the same through the handlers as through SQL: asked before anything trusts what is known of a server's inside.

use super::{Distrust, HandlerRows, HandlerSession};
use crate::rows::{Cell, Error, Mode, Result, Rows, Table};
use std::ffi::CStr;
use std::ops::Bound;

impl<S: HandlerSession> HandlerRows<S> {
    /// Reads all rows of a table through SQL and each of them by its key through the handlers, and judges by what comes out. See
    /// [`super::RowSession::check`].
    pub(in crate::rows) fn check(&mut self, path: &CStr) -> Result<()> {
        if self.sql.host().handlers().is_none() {
            return Ok(());
        }
        self.begin(Mode { level: 1, read_write: false })?;
        let compared = self.compare(path);
        self.rollback();
        let verdict = match compared {
            Ok(None) => return Ok(()),
            Ok(Some(true)) => Ok(()),
            Ok(Some(false)) => Err(Distrust::Differs(path.to_string_lossy().into_owned())),
            Err(error) => Err(Distrust::Failed(error)),
        };
        self.sql.host_mut().judge(verdict);
        self.renew()
    }

    /// Whether each row of a table looks the same both ways; `None`: there is no row, or no such table.
    fn compare(&mut self, path: &CStr) -> Result<Option<bool>> {
        let columns = match self.sql.describe(path) {
            Err(Error::NotFound(_)) => return Ok(None),
            columns => columns?,
        };
        let table = Table::new(0, path.into(), None, columns, 0);
        let row = |rows: &Self| -> Vec<_> {
            (0..table.columns.len()).map(|column| rows.bytes(&table, column).map(<[u8]>::to_vec)).collect()
        };
        let mut expected = Vec::new();
        let mut found = self.seek(&table, Bound::Unbounded)?;
        while found {
            expected.push(row(self));
            found = self.next(&table)?;
        }
        for known in &expected {
            let Some(Some(key)) = known.first() else { return Ok(Some(false)) };
            if self.read_by_handler(&table, Cell::Bytes(key))? != Some(true) || row(self) != *known {
                return Ok(Some(false));
            }
        }
        Ok((!expected.is_empty()).then_some(true))
    }
}
