//! Runs of plain sets, stored together where the rows can do that.

use super::WritePhase;
use crate::rows::Rows;
use crate::server::execute::Executor;
use crate::server::outcome::Abort;
use crate::server::scope::Scope;
use crate::server::terms::{needs_row, new_item};
use crate::server::tick::Tick;
use crate::store::ContainerId;

/// Most sets that are stored together, and most bytes of their values: where those are many, each set costs what its bytes cost.
const SETS_MAX: usize = 64;
const BYTES_MAX: usize = 256 << 10;

/// See [`WritePhase::run_of_sets`].
const STEP: usize = 8;

impl<R: Rows> WritePhase<'_, '_, '_, R> {
    /// How many of the requests at the head of `requests` are plain sets on one container that are best tried together: fewer than
    /// [`STEP`] or a multiple of it, so that the rows meet few different numbers, and a tick at most two of them; or 0.
    pub(super) fn run_of_sets(&self, requests: &[usize]) -> usize {
        let Some((first, _)) = requests.first().and_then(|i| self.planned[*i].sort) else { return 0 };
        let Some(container) = self.tick.config.container(first) else { return 0 };
        if !self.tick.store.sets_together(container) {
            return 0;
        }
        let mut bytes = 0;
        let run = requests.iter().take(SETS_MAX).take_while(|i| match self.plain_set(**i) {
            Some((container, length)) if container == first => {
                bytes += length;
                bytes <= BYTES_MAX
            }
            _ => false,
        });
        match run.count() {
            few if few < STEP => few,
            many => many - many % STEP,
        }
    }

    /// The container and the length of the value of a request that is a plain set and has yet to run.
    fn plain_set(&self, i: usize) -> Option<(ContainerId, usize)> {
        let planned = &self.planned[i];
        if planned.denial.is_some() || planned.verdict.is_some() || planned.memory_only || self.is_out(i) {
            return None;
        }
        let (container, _) = planned.sort?;
        let store = planned.request.operation.plain_set()?;
        if needs_row(store, self.tick.config.container(container)?) {
            return None;
        }
        Some((container, store.value.len()))
    }

    /// Stores and answers plain sets on one container. `false`: none is stored, and each must run by itself.
    ///
    /// # Errors
    /// The transaction is lost.
    pub(super) fn sets_together(&mut self, requests: &[usize]) -> Result<bool, Abort> {
        let planned = &mut *self.planned;
        let set = |i: &usize| Some((planned[*i].sort?.1, new_item(planned[*i].request.operation.plain_set()?)));
        let items: Vec<_> = requests.iter().filter_map(set).collect();
        let id = requests.first().and_then(|i| planned[*i].sort).map(|(container, _)| container);
        let Tick { conns, store, config, shared, stats, counts, keeps_config, .. } = &mut *self.tick;
        let Some((id, container)) = id.and_then(|id| Some((id, config.container(id)?))) else {
            return Ok(false);
        };
        let numbers = match store.set_together(container, &items) {
            Ok(Some(numbers)) => numbers,
            Ok(None) => return Ok(false),
            Err(failure) => return Abort::of(&failure).map_or(Ok(false), Err),
        };
        let (keeps_config, at, scope, conn, stop) = (*keeps_config, None, Scope::default(), None, usize::MAX);
        let mut executor =
            Executor { store, config, container: id, at, scope, conn, shared, stats, counts, stop, keeps_config };
        for (i, cas) in requests.iter().zip(numbers) {
            let start = self.out.len();
            executor.stored_together(container, &planned[*i].request, cas, self.out);
            if shared.watchers.attention.any() {
                executor.conn = Some(&conns[self.plans[planned[*i].plan].conn]);
                executor.saw_set(&planned[*i].request);
            }
            planned[*i].reply = start..self.out.len();
            let ran = &mut self.plans[planned[*i].plan].ran;
            ran.end = ran.end.max(*i + 1);
        }
        Ok(true)
    }
}
