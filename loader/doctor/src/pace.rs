//! When the doctor collects.
//!
//! A missing root shows only if a collection comes at the right safepoint, and a collection at each takes time that is
//! quadratic in the size of the program's heap. Without other orders, therefore, each safepoint earns credit, and there is
//! a collection as soon as it pays for what the last one cost: in a small heap that is at each safepoint, in a large one
//! less often. And a call that has not been seen before gets its collections on the house, as far as a common purse goes:
//! a root is missing at a place in the program, not at a moment.

use std::collections::HashMap;

use crate::trace::Site;

/// Words of work that a safepoint earns.
const EARNED: u64 = 1000;
/// The number of calls of which one gets a collection that it has not earned.
const VISITS: u32 = 3;
/// Words of work that there are for those, in all.
const PURSE: u64 = 2_000_000_000;

/// When to collect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// At every Nth safepoint; `None` is by credit.
    pub(super) every: Option<u32>,
    /// From this allocation on.
    pub(super) from: u64,
    /// Up to this one.
    pub(super) until: u64,
}

/// Decides when there is a collection.
pub(super) struct Pace {
    window: Window,
    /// Safepoints in the window since the last collection.
    passed: u32,
    credit: u64,
    /// The cost of the last collection.
    cost: u64,
    purse: u64,
    visits: HashMap<Site, u32>,
    /// Calls that were collected at.
    pub(super) visited: u64,
}

impl Pace {
    pub(super) fn new(window: Window) -> Self {
        Self {
            window,
            passed: 0,
            credit: 0,
            cost: 0,
            purse: PURSE,
            visits: HashMap::new(),
            visited: 0,
        }
    }

    /// Tells whether to collect at the safepoint that `site` calls, with the allocation `number` going on or the last.
    pub(super) fn is_due(&mut self, number: u64, site: Site) -> bool {
        if !(self.window.from..=self.window.until).contains(&number) {
            return false;
        }
        self.passed += 1;
        self.credit = self.credit.saturating_add(EARNED);
        if let Some(every) = self.window.every {
            return self.passed >= every;
        }
        if self.credit >= self.cost {
            return true;
        }
        let visits = self.visits.get(&site).copied().unwrap_or(0);
        if visits < VISITS && self.purse >= self.cost {
            self.purse -= self.cost;
            return true;
        }
        false
    }

    /// Notes a collection at a call, and what it cost.
    pub(super) fn collected(&mut self, site: Site, cost: u64) {
        self.passed = 0;
        self.credit = 0;
        self.cost = cost;
        if site == 0 {
            // Not a call of a program's.
            return;
        }
        let visits = self.visits.entry(site).or_insert(0);
        *visits += 1;
        self.visited += u64::from(*visits == 1);
    }
}
