//! The workloads: a guest, its sizes, the result that it must have, and what we aim at.

mod table;

use crate::expected::Expected;
pub use table::{ALL, IDLE, ZERO};

/// The size of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// The size of the published tables.
    Full,
    /// A tenth of it or so.
    Quick,
    /// For instruction counts and tests: a fraction of a second, in an engine that counts.
    Small,
}

/// The arguments of a guest's `run`, and of its `setup` if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Args {
    /// The first argument of `run`.
    pub n: u32,
    /// The second one.
    pub m: u32,
    /// The argument of `setup`, which is not timed.
    pub setup: u32,
}

/// The unit in which a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds for each operation.
    Nanoseconds,
    /// Seconds for the whole.
    Seconds,
    /// Milliseconds for one collection.
    Milliseconds,
}

impl Unit {
    /// The abbreviation.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
        }
    }

    /// `seconds` for `operations`, in this unit.
    pub fn of(self, seconds: f64, operations: f64) -> f64 {
        match self {
            Self::Nanoseconds => seconds / operations * 1e9,
            Self::Seconds => seconds,
            Self::Milliseconds => seconds / operations * 1e3,
        }
    }
}

/// The quantity that a target is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// The time of the row.
    Time,
    /// The most memory the process had.
    Peak,
}

/// A target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// At most this, in the unit of the row.
    Absolute(f64),
    /// At most this many times what the named rival has.
    Times(f64, &'static str),
}

/// A bound that one of our builds is to keep to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// Which of ours.
    pub ours: &'static str,
    /// Time or memory.
    pub quantity: Quantity,
    /// The bound.
    pub limit: Limit,
}

/// Which rivals can run a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// An allocator is enough, even one that hands out the same memory again.
    Allocation,
    /// Memory must stay as it is while it is used, and be zero at first.
    Memory,
    /// Memory, and a host to notify of each object that is gone.
    Telling,
    /// A collector that can be asked to collect.
    Collector,
}

/// A row of the table.
#[derive(Debug)]
pub struct Workload {
    /// Its name on the command line.
    pub id: &'static str,
    /// Its name in tables.
    pub title: &'static str,
    /// The template of the guest for linear memory.
    pub guest: &'static str,
    /// The template of the guest for Wasm GC.
    pub gc_guest: &'static str,
    /// Constants of the templates.
    pub constants: &'static [(&'static str, u32)],
    /// The rivals that can run it.
    pub needs: Needs,
    /// True if V8 sees through the guest for Wasm GC and makes no objects.
    pub v8_removes: bool,
    /// Its sizes: full, quick, small.
    pub sizes: [Args; 3],
    /// The unit in which a time is written.
    pub unit: Unit,
    /// The target.
    pub targets: &'static [Target],
    operations: fn(Args) -> f64,
    expected: fn(Args) -> Expected,
}

impl Workload {
    /// The arguments for a scale.
    pub fn args(&self, scale: Scale) -> Args {
        self.sizes[scale as usize]
    }

    /// The divisor of times in nanoseconds and of counts of instructions.
    pub fn operations(&self, args: Args) -> f64 {
        (self.operations)(args)
    }

    /// The right result of a run.
    pub fn expected(&self, args: Args) -> Expected {
        (self.expected)(args)
    }
}

/// The workload that the command line means.
pub fn find(id: &str) -> Option<&'static Workload> {
    ALL.iter().find(|workload| workload.id == id)
}
