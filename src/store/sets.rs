//! Sets that are stored together, where the rows can do that.

use super::table::TableStore;
use super::{Condition, Container, Failure, NewItem, Policy, Result, Store};
use crate::rows::{Cell, Rows};

impl<R: Rows> Store<R> {
    /// Whether [`Store::set_together`] is worth a try.
    #[inline]
    pub fn sets_together(&self, container: &Container) -> bool {
        // Where no cas column tells versions apart, each set looks after the marks of its item. A batch stays open across ticks and was
        // acknowledged in part: rows that are written together may have to be undone with everything before them, so a batch writes one
        // by one.
        let marked = container.cas.is_none() && self.marks.used();
        let in_table = matches!(container.policies.set, Policy::InnodbOnly | Policy::Caching);
        in_table && !marked && self.transaction.batch.writes == 1 && self.table.rows.upserts(&container.table)
    }

    /// Stores items, the later one where a key comes twice: with the effects of as many [`Store::store`] that set. With them come
    /// their cas numbers, 0 where the container has no cas column. `None`: none is stored, and only [`Store::store`] one by one tells what becomes of each.
    ///
    /// # Errors
    /// The transaction is lost.
    pub fn set_together(&mut self, container: &Container, items: &[(&[u8], NewItem<'_>)]) -> Result<Option<Vec<u64>>> {
        let numbers = match self.begin(container).and_then(|table| table.set_together(container, items)) {
            Ok(numbers) => numbers,
            Err(Failure::Rows(error)) if error.aborts() => return Err(error.into()),
            Err(_) => return Ok(None),
        };
        for ((key, item), cas) in items.iter().zip(&numbers) {
            match container.policies.set {
                Policy::Caching => self.journal_store(container, key, Condition::Set, *item, *cas),
                _ => self.forget(container, key),
            }
        }
        Ok(Some(numbers))
    }
}

impl<R: Rows> TableStore<R> {
    /// The cas numbers that the items got, 0 where the container has no cas column.
    fn set_together(&mut self, container: &Container, items: &[(&[u8], NewItem<'_>)]) -> Result<Vec<u64>> {
        let mut numbers = Vec::with_capacity(items.len());
        let mut cells: Vec<(usize, Cell<'_>)> = Vec::with_capacity(items.len() * (container.values.len() + 4));
        for (key, item) in items {
            if item.value.len() > self.value_max {
                return Err(Failure::TooLarge);
            }
            self.item_cells(container, *item, &mut cells)?;
            cells.push((container.table.key, container.key_cell(key).ok_or_else(|| container.refused_key())?));
            let (cas, number) = self.number(container, item.cas);
            cells.extend(number);
            numbers.push(cas);
            self.written += item.value.len();
        }
        self.rows.upsert(&container.table, items.len(), &cells)?;
        Ok(numbers)
    }
}
