//! Where statements that change the catalog wait while somebody keeps them out.

use super::error::{Error, Result};
use super::interrupt;
use parking_lot::{Condvar, Mutex};
use std::time::Instant;

/// Counts those who keep DDL out.
#[derive(Default)]
pub(crate) struct DdlGate {
    frozen: Mutex<usize>,
    changed: Condvar,
}

impl DdlGate {
    /// Waits until nobody keeps DDL out.
    pub(crate) fn pass(&self, deadline: Instant) -> Result<()> {
        let mut frozen = self.frozen.lock();
        while *frozen > 0 {
            self.changed.wait_until(&mut frozen, interrupt::next_look(deadline));
            if interrupt::is_interrupted() {
                return Err(Error::Interrupted);
            }
            if *frozen > 0 && Instant::now() >= deadline {
                return Err(Error::LockWaitTimeout);
            }
        }
        Ok(())
    }

    /// Keeps DDL out until [`DdlGate::thaw`].
    pub(crate) fn freeze(&self) {
        *self.frozen.lock() += 1;
    }

    pub(crate) fn thaw(&self) {
        *self.frozen.lock() -= 1;
        self.changed.notify_all();
    }
}
