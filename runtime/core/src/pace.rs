//! Pacing: when to collect.
//!
//! A collection costs in proportion to what is live, L. If one comes after each `max(min, L × g)`
//! bytes of allocation, then collecting costs each allocated byte at most a constant (1/g times
//! the cost of marking a live byte), however large L grows: total cost is linear. And between two
//! collections the heap holds at most L + max(min, L × g) bytes: with g = 100 %, twice what is
//! live. All bytes carved for allocation count, recycled ones too, and so does what the host says
//! it keeps behind a wrapper.
//!
//! Wrappers are pressure of their own: a small object may hold a large thing of the host's.

use crate::addr::BLOCK_SIZE;
use crate::memory::Memory;
use crate::options::GcOption;
use crate::runtime::Runtime;
use crate::stats::Stat;

/// Registrations that are always allowed between two collections.
const MIN_REGISTRATIONS: u32 = 512;
/// The live bytes that allow one more registration between two collections, because marking them
/// is what a collection costs.
const BYTES_PER_REGISTRATION: u32 = 512;

#[derive(Debug)]
pub(crate) struct Pace {
    /// Bytes carved for allocation since the last collection.
    pub(crate) carved: u32,
    /// Bytes that may be carved before the next one.
    pub(crate) budget: u32,
    /// Registrations since the last collection.
    pub(crate) registered: u32,
    /// Registrations that are allowed before the next one.
    pub(crate) registrations: u32,
    /// The bytes that the last collection found live, with those that the host keeps behind wrappers.
    live: u64,
    /// The bytes and the objects that all collections so far have found dead.
    pub(crate) dead_bytes: u64,
    pub(crate) dead_objects: u64,
    /// Allocations and registrations since the last eager collection.
    pub(crate) eager: u32,
}

impl Pace {
    pub(crate) const EMPTY: Self = Self {
        carved: 0,
        budget: 0,
        registered: 0,
        registrations: MIN_REGISTRATIONS,
        live: 0,
        dead_bytes: 0,
        dead_objects: 0,
        eager: 0,
    };
}

impl<M: Memory> Runtime<M> {
    /// Counts bytes against the budget.
    #[inline(never)]
    pub(crate) fn spend(&mut self, bytes: u32) {
        self.pace.carved = self.pace.carved.saturating_add(bytes);
        if self.pace.carved >= self.pace.budget {
            self.wraps.plain = 0;
        }
    }

    /// Tells whether allocation or registration has used up its budget. From inside the host's callback
    /// both budgets are twice as large, so that it takes an unusual callback to be collected in.
    #[inline(never)]
    pub(crate) fn is_due(&mut self) -> bool {
        if !self.has_spent(0) {
            return false;
        }
        let nested = self.is_nested();
        self.has_spent(u32::from(nested)) && self.may_collect()
    }

    fn has_spent(&self, nested: u32) -> bool {
        let pace = &self.pace;
        pace.carved >> nested >= pace.budget || pace.registered >> nested >= pace.registrations
    }

    /// Starts the next period: called at the end of a collection.
    pub(crate) fn start_period(&mut self) {
        self.pace.live = self.found.bytes + self.counters[Stat::ExternalBytes];
        self.pace.carved = 0;
        self.pace.registered = 0;
        self.set_budget();
    }

    /// Computes the budget; also when an option changes.
    pub(crate) fn set_budget(&mut self) {
        self.wraps.plain = 0;
        let percent = u64::from(self.option(GcOption::GrowthPercent));
        let growth = u32::try_from(self.pace.live * percent / 100).unwrap_or(u32::MAX);
        self.pace.budget = growth.max(self.option(GcOption::MinHeap)).max(BLOCK_SIZE);
    }

    /// Computes the registrations that are allowed: at the end of a collection.
    pub(crate) fn set_registrations(&mut self) {
        let by_bytes = (self.pace.live / u64::from(BYTES_PER_REGISTRATION)) as u32;
        self.pace.registrations = MIN_REGISTRATIONS.max(self.wraps.live).max(by_bytes);
    }

    /// The body of `Phase::Eager`: counts an allocation or registration for EAGER. Returns `true` if a collection is due by
    /// it, which is never so inside the host's callback.
    #[inline(always)]
    pub(crate) fn eager_tick(&mut self) -> bool {
        let every = self.option(GcOption::Eager);
        if every == 0 {
            return false;
        }
        self.pace.eager += 1;
        if self.pace.eager < every || self.is_nested() {
            return false;
        }
        self.pace.eager = 0;
        true
    }
}
