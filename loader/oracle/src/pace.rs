//! When a collection has to come, and when it must not.
//!
//! The ABI gives a budget of bytes and of registrations between two collections. What the runtime has spent of it is
//! not exactly known from outside, as it sets aside runs of cells: it is at least what was allocated, and at most a
//! block more for each kind of object that was. So the model knows when a collection is overdue and when one came for
//! no reason.

use std::collections::BTreeSet;

use runtime::addr::BLOCK_SIZE;
use runtime::options::GcOption;

use crate::model::Model;

/// Registrations that are always allowed between two collections.
const MIN_REGISTRATIONS: u64 = 512;
/// The live bytes that allow one more.
const BYTES_PER_REGISTRATION: u64 = 512;

#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Bytes allocated since the last collection, and those behind wrappers registered since.
    spent: u64,
    /// The bytes that may have been set aside beyond that.
    slack: u64,
    /// Sizes of cells allocated since, with and without pointers.
    kinds: BTreeSet<(u32, bool)>,
    /// Registrations since.
    registered: u64,
    /// Registrations allowed.
    registrations: u64,
    /// The bytes that the last collection found live, with those behind wrappers then.
    live: u64,
    /// Allocations and registrations since EAGER last collected.
    eager: u32,
}

impl Pace {
    pub(crate) fn allocated(&mut self, bytes: u32, atomic: bool) {
        self.spent += u64::from(bytes);
        self.kinds.insert((bytes, atomic));
    }

    pub(crate) fn registered(&mut self, external: u32) {
        self.spent += u64::from(external);
        self.registered += 1;
    }

    /// A collection has come.
    pub(crate) fn collected(&mut self, model: &Model) {
        let live = model.counts.live_bytes + model.handles.external;
        *self = Self { eager: self.eager, live, ..Self::default() };
        self.allow(model);
    }

    /// An option was set.
    pub(crate) fn configured(&mut self, option: u32, model: &Model) {
        if option == GcOption::Eager as u32 {
            self.eager = 0;
            // What is set aside is given back, and counts again when it is set aside again.
            self.slack += u64::from(BLOCK_SIZE) * self.kinds.len() as u64;
        }
        self.allow(model);
    }

    fn allow(&mut self, model: &Model) {
        let wrappers = model.handles.registered;
        self.registrations =
            MIN_REGISTRATIONS.max(wrappers).max(self.live / BYTES_PER_REGISTRATION);
    }

    fn budget(&self, model: &Model) -> u64 {
        let growth = self.live * u64::from(model.option(GcOption::GrowthPercent)) / 100;
        growth.max(u64::from(model.option(GcOption::MinHeap))).max(u64::from(BLOCK_SIZE))
    }

    /// Counts an allocation or registration for EAGER; whether it has to collect. Inside a callback it does not.
    pub(crate) fn tick(&mut self, model: &Model, nested: bool) -> bool {
        let every = model.option(GcOption::Eager);
        if every == 0 {
            return false;
        }
        self.eager += 1;
        let due = self.eager >= every && !nested;
        if due {
            self.eager = 0;
        }
        due
    }

    /// Tells whether a collection must come before the next allocation that looks.
    pub(crate) fn is_overdue(&self, model: &Model) -> bool {
        self.spent >= self.budget(model) * model.rules.budget / 100
            || self.registered >= self.registrations.max(MIN_REGISTRATIONS)
    }

    /// Tells whether the next allocation may find that a collection is due.
    pub(crate) fn may_be_due(&self, model: &Model) -> bool {
        let set_aside = self.slack + u64::from(BLOCK_SIZE) * self.kinds.len() as u64;
        self.spent + set_aside >= self.budget(model) || self.registered >= self.registrations
    }
}
