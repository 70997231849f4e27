//! The state of a runtime: one struct, in parts that belong to the modules.

use crate::addr::Addr;
use crate::blacklist::Blacklist;
use crate::error::LastFailure;
use crate::heap::Heap;
use crate::mark::MarkStack;
use crate::memory::Memory;
use crate::notify::Notifying;
use crate::options::{DEFAULTS, GcOption, OPTIONS, RANGES};
use crate::pace::Pace;
use crate::roots::Roots;
use crate::runs::{LISTS, RUNS, Run, Sweep};
use crate::size_class::Lookup;
use crate::stacks::Stacks;
use crate::stats::Counters;
use crate::sweep::Found;
use crate::wrap_table::WrapTable;

/// A garbage-collected heap in a linear memory.
///
/// Nearly all of it starts as zeros, which cost nothing in a wasm file that was optimised.
#[derive(Debug)]
#[repr(C)]
pub struct Runtime<M: Memory> {
    pub(crate) mem: M,
    /// As given to `gc_init`, but not below `program_base`; null before.
    pub(crate) static_end: Addr,
    pub(crate) last: LastFailure,
    /// True during a collection. If an export finds it set, the last collection was interrupted.
    pub(crate) collecting: bool,
    options: [u32; OPTIONS.len()],
    pub(crate) heap: Heap,
    pub(crate) pace: Pace,
    pub(crate) stack: MarkStack,
    pub(crate) wraps: WrapTable,
    pub(crate) notifying: Notifying,
    pub(crate) roots: Roots,
    pub(crate) stacks: Stacks,
    pub(crate) counters: Counters,
    /// The findings of the last collection.
    pub(crate) found: Found,
    pub(crate) blacklist: Blacklist,
    // The large parts last: a field at a low address makes shorter wasm. And they are all zeros, which
    // `rootstock link` leaves out at the end of the data.
    pub(crate) runs: [Run; RUNS],
    pub(crate) sweep: [Sweep; LISTS],
    pub(crate) classes: Lookup,
}

impl<M: Memory> Runtime<M> {
    /// A runtime over a memory that nobody has used yet.
    pub const fn new(mem: M) -> Self {
        Self {
            mem,
            runs: [Run::EMPTY; RUNS],
            sweep: [Sweep::EMPTY; LISTS],
            heap: Heap::EMPTY,
            pace: Pace::EMPTY,
            stack: MarkStack::EMPTY,
            wraps: WrapTable::EMPTY,
            notifying: Notifying::EMPTY,
            roots: Roots::EMPTY,
            stacks: Stacks::EMPTY,
            counters: Counters::EMPTY,
            found: Found::NOTHING,
            blacklist: Blacklist::EMPTY,
            classes: Lookup::EMPTY,
            options: DEFAULTS,
            static_end: Addr::NULL,
            collecting: false,
            last: LastFailure::EMPTY,
        }
    }

    /// The memory.
    pub fn memory(&self) -> &M {
        &self.mem
    }

    /// The memory, for a host that writes into its objects.
    pub fn memory_mut(&mut self) -> &mut M {
        &mut self.mem
    }

    /// The value of an option.
    #[inline]
    pub(crate) fn option(&self, option: GcOption) -> u32 {
        self.options[option as usize]
    }

    /// Sets an option; returns the old value, or -1 for an unknown option or a bad value, which
    /// changes nothing.
    pub fn configure(&mut self, option: u32, value: u32) -> i32 {
        let index = option as usize;
        let (Some([min, max]), Some(held)) = (RANGES.get(index), self.options.get_mut(index))
        else {
            return -1;
        };
        if value < *min || value > *max {
            return -1;
        }
        let old = *held;
        *held = value;
        if option == GcOption::Eager as u32 {
            self.restart_eager();
        }
        self.set_budget();
        old as i32
    }
}
