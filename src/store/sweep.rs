//! Deleting expired rows, in transactions of their own.

use super::{Container, RangeProgress, Result, Store};
use crate::rows::Rows;

impl<R: Rows> Store<R> {
    /// Looks at up to `rows_max` rows behind the key `after` and deletes those that have expired; tells how far it came and how many it
    /// deleted. What was open is committed before.
    ///
    /// # Errors
    /// The rows refused; a transaction may be open.
    pub fn sweep(
        &mut self,
        container: &Container,
        after: Option<&[u8]>,
        rows_max: usize,
    ) -> Result<(RangeProgress, u64)> {
        self.commit()?;
        self.set_read_write(false);
        let (progress, expired) = self.begin(container)?.expired(container, after, rows_max)?;
        self.commit()?;
        self.set_read_write(true);
        let mut deleted = 0;
        for key in &expired {
            deleted += u64::from(self.begin_change(container, key)?.delete_expired(container, key)?);
        }
        self.commit()?;
        Ok((progress, deleted))
    }
}
