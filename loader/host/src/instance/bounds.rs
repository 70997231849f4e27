//! The bounds of an instance from now on: memory, time and fuel.

use std::ops::Range;
use std::time::Duration;

use wasmtime::Store;

use crate::error::Error;
use crate::instance::Instance;
use crate::limits;
use crate::state::HostState;

impl Instance {
    /// Replaces the bound on memory. A bound below what is in use refuses all growth from now on.
    pub fn set_max_memory(&mut self, bytes: Option<u64>) {
        let max = bytes.map(|max| usize::try_from(max).unwrap_or(usize::MAX));
        self.store.data_mut().memory.max = max;
    }

    /// The bound on memory.
    pub fn max_memory(&self) -> Option<u64> {
        self.store.data().memory.max.map(|max| max as u64)
    }

    /// Refuses these requests for more memory, counted from now on, for tests: a host may do so at any time.
    pub fn refuse_growth(&mut self, requests: Range<u64>) {
        let memory = &mut self.store.data_mut().memory;
        memory.asked = 0;
        memory.refused = requests;
    }

    /// Requests for more memory since [`refuse_growth`](Self::refuse_growth).
    pub fn growth_requests(&self) -> u64 {
        self.store.data().memory.asked
    }

    /// Gives calls this much time from now on; `None` takes the bound away.
    ///
    /// # Errors
    ///
    /// [`Error::EngineMismatch`] if the instance was made without a timeout.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        self.watchdog = None;
        self.store.data_mut().deadline = None;
        let Some(timeout) = timeout else { return Ok(()) };
        if !self.key.is_interruptible() {
            return Err(Error::EngineMismatch(
                "a timeout needs an instance that was made with one".into(),
            ));
        }
        self.watchdog = limits::watch(&mut self.store, timeout)?;
        Ok(())
    }

    /// Gives calls this much fuel from now on.
    ///
    /// # Errors
    ///
    /// [`Error::EngineMismatch`] if the instance was made without fuel.
    pub fn set_fuel(&mut self, fuel: u64) -> Result<(), Error> {
        if !self.key.counts_fuel() {
            return Err(Error::EngineMismatch(
                "fuel needs an instance that was made with some".into(),
            ));
        }
        set_fuel(&mut self.store, fuel);
        Ok(())
    }

    /// The fuel that is left; `None` where it is not counted.
    pub fn fuel(&self) -> Option<u64> {
        self.store.get_fuel().ok()
    }
}

pub(super) fn set_fuel(store: &mut Store<HostState>, fuel: u64) {
    let set = store.set_fuel(fuel);
    debug_assert!(set.is_ok(), "the engine counts fuel: the callers checked it");
}
