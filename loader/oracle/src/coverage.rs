//! Counts of the operations, errors and rare things that came up in programs.

use std::collections::BTreeMap;

use runtime::error::{ERRORS, ErrorCode};

use crate::program::Op;

/// Counts of what programs have done.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// Operations, by keyword; those of the host's callbacks too.
    pub ops: BTreeMap<&'static str, u64>,
    /// Errors of the runtime, by name.
    pub errors: BTreeMap<&'static str, u64>,
    /// Collections.
    pub collections: u64,
    /// Handles that the host was told of.
    pub told: u64,
    /// Traps of the host in its callback.
    pub host_traps: u64,
    /// Times the mark stack was full.
    pub overflows: u64,
}

impl Coverage {
    pub(crate) fn op(&mut self, op: &Op) {
        *self.ops.entry(op.keyword()).or_default() += 1;
    }

    pub(crate) fn error(&mut self, code: ErrorCode) {
        *self.errors.entry(ERRORS[code as usize].name).or_default() += 1;
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in [(&mut self.ops, &other.ops), (&mut self.errors, &other.errors)] {
            for (key, count) in theirs {
                *mine.entry(key).or_default() += count;
            }
        }
        self.collections += other.collections;
        self.told += other.told;
        self.host_traps += other.host_traps;
        self.overflows += other.overflows;
    }

    /// The number of operations.
    pub fn operations(&self) -> u64 {
        self.ops.values().sum()
    }
}
