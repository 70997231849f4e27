//! The entry to the runtime: the first use sets it up, and a collection that was interrupted ends it.

use crate::error::{ErrorCode, Failed};
use crate::memory::Memory;
use crate::runtime::Runtime;
use crate::verify::Invariant;

impl<M: Memory> Runtime<M> {
    /// Sets the heap up at the first use. `false`, with `HEAP_CORRUPT` stored, if a collection was
    /// interrupted in the middle (by a host that ran out of fuel, say): the bitmaps are then
    /// half-way between two states, and the instance is of no more use.
    #[cold]
    #[inline(never)]
    pub(crate) fn enter_slow(&mut self) -> bool {
        if self.heap.lo.is_none() {
            self.classes.fill();
            self.start_stack();
            self.start_wrap_table();
            self.start_mark_stack();
            self.start_heap();
            self.set_budget();
        }
        if self.collecting {
            self.fail(ErrorCode::HeapCorrupt, Invariant::Interrupted as u32);
        }
        !self.collecting
    }

    /// [`Self::enter_slow`] with a result, out of line.
    pub(crate) fn enter_or_fail(&mut self) -> Result<(), Failed> {
        if self.enter_slow() { Ok(()) } else { Err(Failed::stored()) }
    }
}
